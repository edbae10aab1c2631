"""An event's data, an item of the picture and a row of a report in words, for who reads of them on a terminal or on a
page."""

from datetime import date
from typing import Any

from ledger.bootstrap import Answer
from ledger.domain.phrases import Phrase, says
from ledger.domain.values import ONE_DAY
from ledger.words import Language, sentence
from ledger.words.entries import named
from ledger.words.values import charge, day, money

SAID = ("number", "programme", "charge", "from_charge", "to_charge", "amount", "to_career", "kind", "contribution",
        "regime", "course", "held_on", "outcome", "grade", "cfu", "academic_year", "year", "session", "event")
"""What a line shows of an event's data. Free text and what reveals health or means stay out."""
CHARGES = frozenset({"charge", "from_charge", "to_charge"})
AMOUNTS = frozenset({"amount", "contribution", "indicator"})
MEASURES = {"grade": "/30", "cfu": " CFU"}
FIELDS = {"regime": "regime", "session": "session", "outcome": "result", "kind": "recognition"}
"""The table of names of a field's values."""

VALUES = FIELDS | {"course_type": "course_type", "access": "access", "standing": "standing", "ground": "ground",
                   "evidence": "evidence", "mode": "mode"}
"""The table of names of a field's values."""
DAYS = frozenset({"birth_date", "held_on", "enrol_by", "recognition_by", "conferred_on", "lectures_end_on", "issued_on",
                  "due_on", "calls_start_on", "opens_on", "refuse_by"})


def said(data: Answer, language: Language) -> list[str]:
    """What a line says of it."""
    if "from_charge" in data and "to_charge" in data:
        moved = {name: value for name, value in data.items() if name not in ("from_charge", "to_charge", "to_career")}
        to = " ".join(filter(None, (charge(data["to_charge"], language), data.get("to_career"))))
        return [sentence(says("page/moved-to", first=charge(data["from_charge"], language), second=to), language),
                *said(moved, language)]
    return [field(name, data[name], language) for name in SAID if name in data]


def field(name: str, value: Any, language: Language) -> str:
    """A value of an event's data."""
    if name in CHARGES:
        return charge(value, language)
    if name in AMOUNTS:
        return money(value, language)
    if name == "held_on":
        return str(day(value, language))
    if name == "year":
        return sentence(Phrase("page/course-year", {"year": value}), language)
    if name in MEASURES:
        return f"{value}{MEASURES[name]}"
    return named(FIELDS[name], str(value), language) if name in FIELDS else str(value)


def value_of(name: str, value: Any, language: Language) -> str:
    """Any value of an event's data, free text included."""
    if isinstance(value, list):
        return "; ".join(value_of(name, one, language) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{named('field', part, language)} {value_of(part, one, language)}"
                         for part, one in value.items())
    if isinstance(value, bool):
        return sentence(says("page/yes") if value else says("page/no"), language)
    if name in CHARGES or name == "charges":
        return charge(value, language)
    if name in AMOUNTS:
        return money(value, language)
    if name in DAYS:
        return str(day(value[:10], language))
    return named(VALUES[name], str(value), language) if name in VALUES else str(value)


def last_day(until: str) -> str:
    """People are told the last day on which something holds; `until` is the first on which it does not."""
    return (date.fromisoformat(until) - ONE_DAY).isoformat()


def when(item: Answer, language: Language) -> str:
    """Of an item, up to the last day on which it holds."""
    if item["until"]:
        return sentence(says("page/interval", since=item["from"], until=last_day(item["until"])), language)
    lasts = item["lane"] in ("enrolment", "blocks")
    return sentence(says("page/interval-open", since=item["from"]), language) if lasts else \
        str(day(item["from"], language))


# Rows of reports

NUMBERS = frozenset({"amount", "outstanding", "overdue", "accruing", "refundable", "paid", "refunded", "waived",
                     "moved", "careers", "students", "year", "cfu_passed", "cfu_recognised"})
"""Columns that hold numbers."""
REPORTED_DAYS = frozenset({"on", "since", "until", "due_on", "refund_by", "raised_on", "paid_on", "held_on"})
NAMED = {"status": "status", "kind": "block", "course_type": "course_type", "regime": "regime", "state": "state",
         "outcome": "result", "money": "money"}
"""The table of names of a column's values."""
IN_THE_SENTENCE = {
    "upcoming": frozenset({"what", "charge", "from", "to", "message_id", "params"}),
    "unknown": frozenset({"about", "name", "rule", "academic_year", "missing", "message_id", "params"})}
"""By report, the columns whose values the sentence beside them tells."""


def columns(report: Answer) -> list[str]:
    """Those that people are shown; none where there are no rows."""
    hidden = IN_THE_SENTENCE.get(report["report"], ())
    return [name for row in report["rows"][:1] for name in row if name not in hidden]


def cell(name: str, value: Any, language: Language) -> str:
    """A value of a report, by its column."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return sentence(says("page/yes") if value else says("page/no"), language)
    if name in REPORTED_DAYS:
        return str(day(last_day(value) if name == "until" else value, language))
    if name in NUMBERS and isinstance(value, str):
        return money(value, language)
    if name == "charge":
        return charge(value, language)
    return named(NAMED[name], value, language) if name in NAMED else str(value)
