"""An event's data and an item of the picture in words, for who reads of them on a terminal or on a page."""

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
AMOUNTS = frozenset({"amount", "contribution"})
MEASURES = {"grade": "/30", "cfu": " CFU"}
FIELDS = {"regime": "regime", "session": "session", "outcome": "result", "kind": "recognition"}
"""The table of names of a field's values."""


def said(data: Answer, language: Language) -> list[str]:
    """What a line says of it."""
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


def when(item: Answer, language: Language) -> str:
    """Of an item, up to the last day on which it holds."""
    if item["until"]:
        last = date.fromisoformat(item["until"]) - ONE_DAY
        return sentence(says("page/interval", since=item["from"], until=last.isoformat()), language)
    lasts = item["lane"] in ("enrolment", "blocks")
    return sentence(says("page/interval-open", since=item["from"]), language) if lasts else \
        str(day(item["from"], language))
