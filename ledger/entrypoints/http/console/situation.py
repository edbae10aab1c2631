"""How a student stands: may she book, what does she owe, what comes next; and what blocks her, with the smallest act
that would lift it."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from ledger.bootstrap import Answer
from ledger.domain.phrases import says
from ledger.domain.values import ZERO, year_of
from ledger.entrypoints.facts import when
from ledger.words import Language, sentence
from ledger.words.entries import named

BOOKING = frozenset({"exam-booking", "administrative", "reservation"})
"""The blocks that stop the booking of exams."""
ENROLLED = frozenset({"enrolled", "enrolled-with-reservation", "single-courses", "withdrawal-pending"})
"""The statuses in which exams can be booked."""
ENDED = frozenset({"renounced", "cancelled", "reservation-lapsed", "transferred-out", "programme-changed", "forfeited",
                   "graduated", "not-admitted", "excluded"})
MINOR = frozenset({"ticket-opened", "ticket-closed", "exam-booked", "exam-booking-cancelled", "study-plan-submitted",
                   "preparation-assessed", "diploma-supplement-issued"})
"""Types of events of which a year has many and which a registrar seldom looks for."""


def tiles(status: Answer, fees: Answer, against: Answer, language: Language) -> Answer:
    """`against`: by career, what speaks against every exam beside blocks and status. `booking`: of each career that
    goes on, `may` (None: not known) and what stands against it. `owed`: euro overdue, with what paying late costs on
    top; `next`: the day on which something changes or is to be paid, and what."""
    return {"booking": [_booking(career, against.get(career["career"], ())) for career in status["careers"]
                        if career["status"] not in ENDED],
            "owed": _owed(fees), "next": _next(status, fees, language)}


def _booking(career: Answer, against: Sequence[Answer]) -> Answer:
    blocks = [one for one in career["blocks"] if one["kind"] in BOOKING]
    unknown = [one for one in career.get("unknown", ()) if one["about"] == "block" and one["name"] in BOOKING]
    why = [one for one in against if one["rule"] != "NO-RULEBOOK"]
    may = False if blocks or why or career["status"] not in ENROLLED else None if unknown or against else True
    return {"career": career["career"], "may": may, "blocks": blocks, "status": career["status"], "why": why,
            "academic_year": career["academic_year"]}


def _owed(fees: Answer) -> Answer:
    late = [one for one in fees["charges"] if one["state"] == "overdue"]
    accruing = sum((Decimal(one["accruing"]) for one in late), ZERO)
    return {"overdue": fees["overdue"], "to_come": fees["to_come"], "credit": fees["credit"], "accruing": accruing,
            "payable": [one for one in fees["charges"] if one["state"] == "payable"],
            "today": Decimal(fees["overdue"]) + accruing, "late": [one["charge"] for one in late]}


def _next(status: Answer, fees: Answer, language: Language) -> Answer | None:
    coming = [(change["on"], 1, change["change"]) for career in status["careers"] for change in career["upcoming"]]
    coming += [(one["due_on"], 0, sentence(says("console/to-pay", charge=one["charge"], amount=one["outstanding"]),
                                           language))
               for one in fees["charges"]
               if one["state"] in ("to-come", "payable") and (one["due_on"] or "") >= status["on"]]
    if not coming:
        return None
    day = min(on for on, _, _ in coming)
    return {"on": day, "days": (date.fromisoformat(day) - date.fromisoformat(status["on"])).days,
            "says": [told for on, _, told in sorted(coming) if on == day]}


def blocks(status: Answer, fees: Answer, language: Language) -> Iterator[Answer]:
    """Those in force, each with its career, when and what it stops, and the payment that would lift it (`pay`: None
    where it is another act), with what paying it late costs on top."""
    charges = {(one["career"], one["charge"]): one for one in fees["charges"]}
    for career in status["careers"]:
        for block in career["blocks"]:
            owed = charges.get((career["career"], block.get("charge")))
            pay = None if owed is None or Decimal(owed["outstanding"]) <= ZERO else {
                "charge": owed["charge"], "amount": owed["outstanding"], "accruing": owed["accruing"]}
            yield {**block, "career": career["career"], "pay": pay,
                   "when": when({**block, "lane": "blocks"}, language)}


def years(events: Iterable[Answer]) -> Iterator[Answer]:
    """Events by the academic year of their day, the newest first; `minor` apart."""
    found: dict[str, Answer] = {}
    for event in events:
        year = year_of(date.fromisoformat(event["effective_on"]))
        held = found.setdefault(year, {"year": year, "events": [], "minor": []})
        held["minor" if event["type"] in MINOR and not event["voided"] else "events"].append(event)
    for _, held in sorted(found.items(), reverse=True):
        for name in ("events", "minor"):
            held[name].sort(key=lambda one: (one["effective_on"], one["position"]), reverse=True)
        yield held


def about(career: Answer, language: Language) -> list[str]:
    """A career in a line."""
    told: Sequence[Any] = (
        career.get("programme"),
        named("course_type", career["course_type"], language) if career.get("course_type") else None,
        year_and(career, language),
        named("regime", career["regime"], language) if career.get("regime") else None)
    return [str(one) for one in told if one]


def year_and(career: Answer, language: Language) -> str | None:
    """The year of the course, and the academic year."""
    year = sentence(says("page/course-year", year=career["year"]), language) if career.get("year") else None
    return ", ".join(filter(None, (year, career.get("academic_year")))) or None
