"""What the tests compare: a student's state as plain values, the days that matter, and the intervals of a timeline."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from ledger.domain.events import Event
from ledger.domain.fold import replay
from ledger.domain.knowledge import in_force
from ledger.domain.law.chapter import NEVER
from ledger.domain.state import Person
from ledger.projections.student.words import block_json, cfu_json, charge_json, sorted_charges

from .histories import BOOKS, ONE_DAY, STUDENT

_EDGES = (0, 1, 30, 31, 60, 61, 90, 91)
"""Days after a due date on which a tier or a block begins or ends."""
_AFTERWARDS = timedelta(days=500)
"""How long after the last event a timeline is followed: past every deadline of the last academic year."""


@dataclass(frozen=True)
class Interval:
    """`value` holds from `first` up to, and not on, `until` (None: for ever)."""

    first: date
    until: date | None
    value: Any


def state_on(events: Sequence[Event], day: date) -> Person:
    return replay(in_force(events), STUDENT, day, BOOKS)


def value_of(person: Person) -> dict[str, Any]:
    """Status, blocks and charges of every career as the answers show them, without what speaks of the future."""
    return {
        "careers": {name: {
            "status": c.status, "regime": c.regime, "year": c.current_enrolment.year if c.current_enrolment else None,
            "academic_year": c.current_enrolment.academic_year if c.current_enrolment else None,
            "cfu": cfu_json(c, person.day),
            "unruled_years": sorted(c.unruled),
        } for name, c in sorted(person.careers.items()) if c.status is not None},
        "blocks": blocks_of(person),
        "charges": [charge_json(person, career, charge, BOOKS) for career, charge in sorted_charges(person)],
    }


def blocks_of(person: Person) -> dict[str, Any]:
    return {f"{name}/{kind}/{rule}/{charge}": block_json(block, BOOKS)
            for name, c in sorted(person.careers.items()) for (kind, rule, charge), block in sorted(c.blocks.items())}


def horizon(events: Sequence[Event]) -> date:
    return max(n.effective_on for n in events) + _AFTERWARDS


def days_that_matter(events: Sequence[Event]) -> list[date]:
    """The days of the events, every due date and term that ever stood, the edges of tiers and blocks:
    each with its neighbours."""
    found = {n.effective_on for n in events}

    def look(person: Person, *_: object) -> None:
        for career in person.careers.values():
            for charge in career.charges.values():
                edges = _EDGES if charge.is_instalment or charge.base_kind == "enrolment" else _EDGES[:2]
                found.update(due + timedelta(days=n) for n in edges
                             for due in {charge.due, charge.due_on or charge.raised_on,
                                         *(p.due_on for p in charge.parts)})
            found.update(n.term + ONE_DAY for n in career.enrolments if n.term is not None)
            found.update(w.last_day + ONE_DAY for w in career.withdrawals if w.last_day is not None)
            found.update(r.counts_from for r in career.results)
            if career.reservation is not None and career.reservation.term != NEVER:
                found.add(career.reservation.term + ONE_DAY)

    look(replay(in_force(events), STUDENT, horizon(events), BOOKS, look))
    for year in BOOKS.years:
        book = BOOKS.of(year)
        if (book is not None and "BLK-3" in book.ids and book.rules.BLK_3 is not None
                and book.rules.BLK_3.deadline is not None):
            found.add(book.rules.BLK_3.deadline + ONE_DAY)
    found.update(BOOKS.act_days)
    first, last = min(n.effective_on for n in events), horizon(events)
    around = {day + timedelta(days=n) for day in found for n in (-1, 0, 1)}
    return sorted(day for day in around if first <= day <= last)


def timeline(events: Sequence[Event], value: Callable[[Person], Any]) -> list[Interval]:
    """The intervals of a value, in order, made in one pass over the facts."""
    seen: list[tuple[date, Any]] = []

    def look(person: Person, *_: object) -> None:
        now = value(person)
        if not seen or seen[-1][1] != now:
            seen.append((person.day, now))

    look(replay(in_force(events), STUDENT, horizon(events), BOOKS, look))
    ends: list[date | None] = [day for day, _ in seen[1:]]
    return [Interval(day, end, now) for (day, now), end in zip(seen, [*ends, None], strict=True)]
