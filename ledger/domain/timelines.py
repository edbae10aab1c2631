"""A student's whole past and foreseeable future as intervals [from, until): status, charges, blocks, money, exams, bookings.

One pass of the fold gives them: a value that is the same at the end of two successive days on which anything can change is
one interval. `until` None: nothing that is known ends it. Rows are plain tuples in the order of `COLUMNS`, ready for a table.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

from .charges import accruing, state_of, unallocated
from .describe import cfu_json
from .evolve import next_change, pass_to, replay
from .knowledge import in_force
from .refunds import refundable
from .rulebook import LawBooks
from .state import Career, Person
from .submissions import Event
from .values import ZERO

COLUMNS: dict[str, tuple[str, ...]] = {
    "status": ("career", "from_on", "until_on", "status", "programme", "course_type", "academic_year", "year", "regime", "reservation",
               "cfu_recognised", "cfu_passed"),
    "charges": ("career", "charge", "from_on", "until_on", "state", "amount", "due_on", "raised_on", "paid", "paid_on", "refunded",
                "waived", "moved", "outstanding", "accruing", "rule", "refundable", "refund_by", "refund_rule"),
    "blocks": ("career", "kind", "rule", "charge", "from_on", "until_on", "amount"),
    "money": ("career", "charge", "from_on", "until_on", "kind", "amount"),
    "exams": ("career", "course", "held_on", "from_on", "until_on", "outcome", "grade", "cfu"),
    "bookings": ("career", "course", "held_on", "from_on", "until_on"),
}
"""The columns of each kind of row, without the student. `money.kind` is `credit` or `unallocated`."""

KEYS: dict[str, int] = {"status": 1, "charges": 2, "blocks": 4, "money": 2, "exams": 3, "bookings": 3}
"""How many leading columns name the thing whose value the interval gives."""

Rows = dict[str, list[tuple[Any, ...]]]
Thing = tuple[str, tuple[Any, ...]]
"""The kind of row and its key."""
Values = dict[Thing, tuple[Any, ...]]


class _Recorder:
    """Collects intervals while the fold runs."""

    def __init__(self, books: LawBooks) -> None:
        self._books = books
        self._open: dict[tuple[str, str], dict[Thing, tuple[date, tuple[Any, ...]]]] = {}
        self.rows: Rows = {kind: [] for kind in COLUMNS}

    def end_of_day(self, person: Person) -> None:
        for name in person.touched:
            self._observe("status", person, name, dict(_status(person.careers[name], person.day)))
        for name in person.money_touched:
            self._observe("money", person, name, dict(_money(person, person.careers[name], self._books)))
        person.touched.clear()
        person.money_touched.clear()

    def _observe(self, part: str, person: Person, name: str, now: Values) -> None:
        before = self._open.setdefault((part, name), {})
        day = person.day
        for thing, (since, value) in list(before.items()):
            if now.get(thing) != value:
                del before[thing]
                self._close(thing, since, day, value)
        for thing, value in now.items():
            if thing not in before:
                before[thing] = (day, value)

    def _close(self, thing: Thing, since: date, until: date | None, value: tuple[Any, ...]) -> None:
        if since != until:
            kind, key = thing
            self.rows[kind].append((*key, since, until, *value))

    def finish(self, person: Person) -> Rows:
        for things in self._open.values():
            for thing, (since, value) in things.items():
                self._close(thing, since, None, value)
        for career in person.careers.values():
            for result in career.results:
                data = result.data
                if result.until is None or result.until > result.counts_from:
                    self.rows["exams"].append((career.name, data.course, data.held_on, result.counts_from, result.until, data.outcome,
                                               data.grade, data.cfu))
            for booking in career.bookings:
                if booking.closed_on is None or booking.closed_on > booking.on:
                    self.rows["bookings"].append((career.name, booking.data.course, booking.data.held_on, booking.on, booking.closed_on))
        return self.rows


def _status(career: Career, day: date) -> Iterator[tuple[Thing, tuple[Any, ...]]]:
    status = career.status
    if status is not None:
        current = career.current_enrolment
        cfu = cfu_json(career, day)
        yield ("status", (career.name,)), (status, career.programme, career.course_type, career.academic_year,
                                           current.year if current else None, career.regime, career.under_reservation, cfu["recognised"], cfu["passed"])


def _money(person: Person, career: Career, books: LawBooks) -> Iterator[tuple[Thing, tuple[Any, ...]]]:
    name, day = career.name, person.day
    for charge in career.charges.values():
        right = refundable(person, career, charge, books)
        yield ("charges", (name, charge.key)), (
            state_of(career, charge, day), charge.amount, charge.plan_due or charge.due_on, charge.raised_on, charge.paid, charge.paid_on,
            charge.refunded, charge.waived, charge.moved, charge.outstanding, accruing(career, charge, day, books), charge.rule,
            right.amount if right else ZERO, right.by if right else None, right.rule if right else None)
        if charge.credit > ZERO:
            yield ("money", (name, charge.key)), ("credit", charge.credit)
    waiting: dict[str, Decimal] = {}
    for key, _, amount, _ in unallocated(career):
        waiting[key] = waiting.get(key, ZERO) + amount
    for key, amount in waiting.items():
        yield ("money", (name, key)), ("unallocated", amount)
    for block in career.blocks.values():
        yield ("blocks", (name, block.kind, block.rule, block.charge)), (block.amount,)


def timelines(events: Iterable[Event], student: str, books: LawBooks) -> Rows:
    """Every interval of a student from the events that are known, the future included that time alone brings."""
    facts = in_force(list(events))
    recorder = _Recorder(books)
    if not facts:
        return recorder.rows
    person = replay(facts, student, facts[-1].effective_on, books, at_end_of_day=recorder.end_of_day)
    recorder.end_of_day(person)
    while (moment := next_change(person)) is not None:
        pass_to(person, moment, books)
        recorder.end_of_day(person)
    return recorder.finish(person)
