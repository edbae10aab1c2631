"""What would she be told if more had happened: the answers before and after, and what differs."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, NamedTuple

from ledger.domain.books import LawBooks
from ledger.domain.events import Event, ExamBooked
from ledger.domain.fold import replay
from ledger.domain.knowledge import in_force
from ledger.projections.student import eligibility, fees, status
from ledger.projections.student.words import changes, snapshot

Item = tuple[str, str, dict[str, Any]]
"""Which answer, where in it (a JSON pointer), and what stands there by itself."""


class Call(NamedTuple):
    """An exam that may be booked or not."""

    career: str
    exam: ExamBooked


def answer(events: Sequence[Event], supposed: Sequence[Event], student: str, on: date, books: LawBooks,
           call: Call | None) -> dict[str, Any]:
    """`events`: what is known, of at least one of her; `supposed`: what would come after them.

    `before` and `after`: by question, what it answers (`eligibility` null where the career is not there). `compared`:
    every part of the two, with pointers into them (null where it is in one only). `changes`: as history tells them."""
    further = [*events, *supposed]
    before, after = (_answers(known, student, on, books, call) for known in (events, further))
    for found in after.values():
        if found is not None:
            found["known_position"] = events[-1].position
    was, will_be = (snapshot(replay(in_force(known), student, on, books), books) for known in (events, further))
    return {"student": student, "on": on.isoformat(), "known_position": events[-1].position,
            "changes": changes(was, will_be), "compared": list(_compared(before, after)),
            "before": before, "after": after}


def _answers(events: Sequence[Event], student: str, on: date, books: LawBooks,
             call: Call | None) -> dict[str, dict[str, Any] | None]:
    found: dict[str, dict[str, Any] | None] = {"status": status.answer(events, student, on, books),
                                               "fees": fees.answer(events, student, on, books)}
    if call is not None:
        found["eligibility"] = eligibility.answer(events, student, on, books, *call) \
            if any(event.career == call.career for event in events) else None
    return found


def _compared(before: dict[str, Any], after: dict[str, Any]) -> Iterator[dict[str, Any]]:
    old, new = (dict(_items(found)) for found in (before, after))
    for key in dict.fromkeys((*old, *new)):
        was, will_be = old.get(key), new.get(key)
        yield {"answer": key[0], "what": key[1], "career": key[2],
               "before": was[1] if was else None, "after": will_be[1] if will_be else None,
               "changed": (was and was[2]) != (will_be and will_be[2])}


_PARTS = frozenset({"blocks", "upcoming", "bookings", "unknown", "unruled_years"})


def _items(answers: dict[str, Any]) -> Iterator[tuple[tuple[str, str, str | None, str], Item]]:
    """The parts of what is answered, each under what names it in both: answer, what, career and the rest."""
    held = answers["status"]
    for n, career in enumerate(held["careers"]):
        name = career["career"]
        yield ("status", "career", name, ""), ("status", f"/careers/{n}", {
            field: value for field, value in career.items() if field not in _PARTS})
        for what, listed, named in (("block", "blocks", ("kind", "rule", "charge")),
                                    ("upcoming", "upcoming", ("on", "what", "kind", "charge", "rule", "to", "begins")),
                                    ("booking", "bookings", ("event",)), ("unknown", "unknown", ("about", "name"))):
            for m, one in enumerate(career.get(listed, ())):
                yield ("status", what, name, _key(one, named)), ("status", f"/careers/{n}/{listed}/{m}", one)
    for n, ticket in enumerate(held["tickets"]):
        yield ("status", "ticket", None, ticket["number"]), ("status", f"/tickets/{n}", ticket)
    owed = answers["fees"]
    for what, listed, named in (("charge", "charges", ("charge",)), ("waiting", "unallocated", ("event", "charge")),
                                ("to-decide", "to_decide", ("charge", "interpretation")),
                                ("remitted", "remitted", ("academic_year",)), ("unknown", "unknown", ("about", "name")),
                                ("settled", "settled", ("about", "name"))):
        for n, one in enumerate(owed.get(listed, ())):
            yield ("fees", what, one["career"], _key(one, named)), ("fees", f"/{listed}/{n}", one)
    for what in ("overdue", "to_come", "credit"):
        yield ("fees", what, None, ""), ("fees", f"/{what}", {what: owed[what]})
    asked = answers.get("eligibility")
    if asked is not None:
        yield ("eligibility", "eligible", asked["career"], ""), ("eligibility", "/eligible",
                                                                 {"eligible": asked["eligible"]})
        for n, reason in enumerate(asked["reasons"]):
            yield (("eligibility", "reason", asked["career"], f"{reason['rule']} {reason['message'].as_json()}"),
                   ("eligibility", f"/reasons/{n}", reason))


def _key(one: dict[str, Any], named: tuple[str, ...]) -> str:
    return repr([str(one.get(name)) for name in named])
