"""What was when, and what is to come: `career-ledger picture`. The picture and the table beside it show the same
items."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from operator import itemgetter
from typing import Any

from ledger.domain.books import LawBooks
from ledger.domain.events import Event
from ledger.domain.knowledge import in_force
from ledger.domain.phrases import Phrase, says
from ledger.domain.timelines import COLUMNS, Rows, timelines
from ledger.domain.values import ROME, ZERO, day_or_none
from ledger.projections.student import status
from ledger.projections.student.words import euro

LaneItem = dict[str, Any]
LANES = ("enrolment", "blocks", "money", "exams", "deadlines", "learned")
LEARNED_LATE = 7
"""Days after which what is recorded was learned late; within a week is the office's ordinary way."""
_FORESEEN = frozenset({"status", "block", "charge", "forfeiture", "unknown"})
"""Of what is upcoming; how a surcharge grows is told where the charge is."""


def answer(events: Sequence[Event], student: str, on: date, books: LawBooks,
           now: dict[str, Any] | None = None) -> dict[str, Any]:
    """`careers`, each with its `items` in the order of days: `lane`, `from`, `until` (null: one day, or nothing that is
    known ends it), `foreseen` (after `on`, if nothing else happens), `says`, and by lane what the picture marks.

    `now`: what `status` answers of the same, where that is known. Raises NotFound when nothing is known of the
    student."""
    now = now or status.answer(events, student, on, books)
    facts = [event for event in in_force(events) if event.effective_on <= on]
    items: dict[str, list[LaneItem]] = {}
    for lane, name, item in (*_recorded(timelines(facts, student, books), on), *_learned(facts), *_upcoming(now)):
        items.setdefault(name, []).append({"lane": lane, "foreseen": item["from"] > on.isoformat(), **item})
    return {"student": student, "on": on.isoformat(), "known_position": now["known_position"], "careers": [
        {"career": one["career"], "programme": one["programme"],
         "items": sorted(items.get(one["career"], ()), key=lambda item: (item["from"], LANES.index(item["lane"])))}
        for one in now["careers"]]}


def _recorded(rows: Rows, on: date) -> Iterator[tuple[str, str, LaneItem]]:
    for row in _joined(rows, "status", "status", "academic_year", "year"):
        named, year = row["status"], row["year"]
        yield "enrolment", row["career"], {
            **_span(row), "status": named, "year": year,
            "says": says("picture/enrolled", status=named, year=year, academic_year=row["academic_year"])
            if year else says("picture/status", status=named)}
    for row in _joined(rows, "blocks", "kind", "rule", "charge"):
        yield "blocks", row["career"], {**_span(row), "kind": row["kind"], "rule": row["rule"], "charge": row["charge"],
                                         "says": _block(row)}
    for row in _standing(_named(rows, "charges"), on):
        yield "money", row["career"], _charge(row)
    for row in _named(rows, "exams"):
        told = says("picture/passed", course=row["course"], cfu=row["cfu"]) if row["outcome"] == "passed" else \
            says("picture/failed", course=row["course"])
        yield "exams", row["career"], {"from": row["held_on"].isoformat(), "until": None, "course": row["course"],
                                       "outcome": row["outcome"], "says": told}
    for row in _named(rows, "bookings"):
        if row["until_on"] is None and row["held_on"] >= on:
            yield "exams", row["career"], {"from": row["held_on"].isoformat(), "until": None, "course": row["course"],
                                           "outcome": "booked", "says": says("picture/booked", course=row["course"])}


def _named(rows: Rows, kind: str) -> Iterator[dict[str, Any]]:
    return (dict(zip(COLUMNS[kind], row, strict=True)) for row in rows[kind])


def _joined(rows: Rows, kind: str, *of: str) -> Iterator[dict[str, Any]]:
    """Intervals go on where only something else of their rows changes, such as the CFU or what is left of a debt."""
    held: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in sorted(_named(rows, kind), key=itemgetter("from_on")):
        key = tuple(row[name] for name in ("career", *of))
        if key in held and held[key]["until_on"] == row["from_on"]:
            held[key]["until_on"] = row["until_on"]
        else:
            if key in held:
                yield held[key]
            held[key] = row
    yield from held.values()


def _span(row: dict[str, Any]) -> LaneItem:
    return {"from": row["from_on"].isoformat(), "until": day_or_none(row["until_on"])}


def _block(row: dict[str, Any]) -> Phrase:
    if row["rule"] == "UNKNOWN-VALUE":
        return says("picture/block-unknown", block=row["kind"])
    if row["charge"] is None:
        return says("picture/block", block=row["kind"], rule=row["rule"])
    return says("picture/block-charge", block=row["kind"], rule=row["rule"], charge=row["charge"])


def _standing(rows: Iterable[dict[str, Any]], on: date) -> Iterator[dict[str, Any]]:
    """Each charge as it stands at the end of a day; one that is raised later as it is raised."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: row["from_on"]):
        key = row["career"], row["charge"]
        if row["from_on"] <= on or key not in found:
            found[key] = row
    yield from (row for row in found.values() if row["until_on"] is None or row["until_on"] > on)


def _charge(row: dict[str, Any]) -> LaneItem:
    due = row["due_on"] or row["raised_on"]
    part = row["outstanding"] > 0 and row["paid"] > 0
    charge, amount, state, day = row["charge"], euro(row["amount"]), row["state"], due.isoformat()
    told = says("picture/charge-part", charge=charge, amount=amount, due_on=day, outstanding=euro(row["outstanding"])) \
        if part else says("picture/charge", charge=charge, amount=amount, due_on=day, state=state) \
        if row["due_on"] else says("picture/charge-undated", charge=charge, amount=amount, state=state)
    return {"from": day, "until": None, "charge": charge, "amount": amount, "state": state, "part": part,
            "overdue": row["overdue"] > ZERO, "says": told}


def _learned(facts: Iterable[Event]) -> Iterator[tuple[str, str, LaneItem]]:
    for event in facts:
        known = event.recorded_at.astimezone(ROME).date()
        if event.career is not None and (known - event.effective_on).days > LEARNED_LATE:
            yield "learned", event.career, {
                "from": event.effective_on.isoformat(), "until": None, "recorded_on": known.isoformat(),
                "event": event.id, "says": says(
                    "picture/learned", event_type=event.type, on=event.effective_on.isoformat(),
                    since=known.isoformat())}


def _upcoming(now: dict[str, Any]) -> Iterator[tuple[str, str, LaneItem]]:
    for career in now["careers"]:
        for change in career["upcoming"]:
            if change["what"] in _FORESEEN:
                yield "deadlines", career["career"], {"from": change["on"], "until": None, "what": change["what"],
                                                      "says": change["change"]}
