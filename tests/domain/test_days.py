"""The days on which time alone changes an answer are registered beside the rules: on every
other day nothing changes."""

from datetime import date, timedelta
from typing import Any

import pytest

from ledger.domain.events import Event
from ledger.domain.fold import next_change, replay
from ledger.domain.knowledge import in_force
from ledger.domain.law.consequences import refresh, time_passes
from ledger.domain.state import Person
from ledger.projections.student.words import block_json, charge_json, snapshot, sorted_charges
from ledger.rulebooks.loader import load_books

from .test_switches import ENROLLED, history

BOOKS = load_books()
ONE_DAY = timedelta(days=1)
ASSESSED = ("contribution-assessed", "2025-11-01", "B", {"academic_year": "2025-26", "contribution": "1000.00"})
MASTER = {"programme": "LM-MAT", "academic_year": "2025-26", "course_type": "master", "access": "open"}
OLD = {"programme": "L-FIL", "academic_year": "2019-20", "course_type": "bachelor", "access": "open",
       "year": 1, "regime": "full-time"}

HISTORIES: dict[str, tuple[Any, ...]] = {
    "nothing is paid of two instalments": (*ENROLLED, ASSESSED),
    "half of an instalment is paid, then more is assessed": (
        *ENROLLED, ASSESSED,
        ("instalment-paid", "2026-03-01", "B", {"charge": "2025-26:instalment-1", "amount": "150.00"}),
        ("contribution-assessed", "2026-06-01", "B", {"academic_year": "2025-26", "contribution": "1500.00"})),
    "a plan is agreed and not kept": (
        *ENROLLED, ASSESSED, ("instalment-plan-agreed", "2026-05-20", "B", {
            "charges": ["2025-26:instalment-2"], "motivated": True,
            "instalments": [{"due_on": "2026-06-30", "amount": "300.00"},
                            {"due_on": "2026-10-31", "amount": "300.00"}]})),
    "a withdrawal is filed and its stamp not paid": (*ENROLLED, ASSESSED,
                                                     ("withdrawal-requested", "2026-03-02", "B", {})),
    "a reservation is not met": (
        ("preenrolled", "2025-04-10", "M", MASTER), ("preparation-assessed", "2025-05-20", "M", {"adequate": True}),
        ("enrolled-with-reservation", "2025-07-10", "M", MASTER | {
            "year": 1, "regime": "full-time", "ground": "degree-pending", "home_university": "same",
            "missing_exams": 1, "missing_cfu": 6}),
        ("instalment-paid", "2025-07-11", "M", {"charge": "2025-26:enrolment", "amount": "156.00"})),
    "an enrolment is not paid": (("enrolled", "2025-09-20", "B", OLD | {"academic_year": "2025-26"}),),
    "nothing is paid in 2019-20": (
        ("enrolled", "2019-09-20", "B", OLD),
        ("instalment-paid", "2019-09-21", "B", {"charge": "2019-20:enrolment", "amount": "156.00"}),
        ("contribution-assessed", "2019-11-01", "B", {"academic_year": "2019-20", "contribution": "1000.00"})),
}


def seen(person: Person) -> Any:
    """All that an answer says of the person's day."""
    blocks = [block_json(b, BOOKS) for _, career in sorted(person.careers.items())
              for _, b in sorted(career.blocks.items())]
    return snapshot(person, BOOKS), blocks, [charge_json(person, career, charge, BOOKS)
                                             for career, charge in sorted_charges(person)]


def computed_anew(person: Person) -> Any:
    """The same, with every rule asked on this very day, whatever days are registered."""
    for career in person.careers.values():
        career.stale = True
        time_passes(career, person.day, BOOKS)
    refresh(person, BOOKS)
    return seen(person)


@pytest.mark.parametrize("name", HISTORIES)
def test_answers_change_on_registered_days_only_when_every_day_of_a_year_is_looked_at(name: str) -> None:
    facts: list[Event] = in_force(history(BOOKS, *HISTORIES[name]))
    day, registered, told = facts[-1].effective_on, set(), []
    before: Any = None
    for _ in range(500):
        person = replay(facts, "S", day, BOOKS)
        coming = next_change(person)
        now = seen(person)
        assert computed_anew(person) == now, day
        if before is not None and now != before:
            told.append(day)
        before = now
        if coming is not None:
            registered.add(coming)
        day += ONE_DAY
    assert told
    assert set(told) <= registered


def test_blocks_begin_on_the_days_that_the_book_gives() -> None:
    facts = in_force(history(BOOKS, *HISTORIES["nothing is paid of two instalments"]))
    blocked = {day: sorted({kind for c in replay(facts, "S", day, BOOKS).careers.values() for kind, _, _ in c.blocks})
               for day in (date(2026, 2, 17), date(2026, 2, 18), date(2026, 3, 19), date(2026, 3, 20))}
    assert list(blocked.values()) == [[], ["final-exam"], ["final-exam"], ["exam-booking", "final-exam"]]
