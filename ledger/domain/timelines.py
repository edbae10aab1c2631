"""A student's whole past and foreseeable future as intervals [from, until): status, charges, blocks, money, exams,
bookings, what cannot be told, and when the office may forfeit a career.

One pass of the fold gives them: a value that is the same at the end of two successive days on which anything can
change is one interval. `until` None: nothing that is known ends it. Rows are plain tuples in the order of
`COLUMNS`, ready for a table.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from msgspec.structs import astuple

from .account import unallocated
from .books import LawBooks
from .charges import Told, told
from .events import Event
from .fold import replay, run_out
from .intervals import Closed, Intervals, Thing
from .knowledge import in_force
from .law import forfeiture
from .state import Career, Person
from .values import ZERO, next_year

COLUMNS: dict[str, tuple[str, ...]] = {
    "status": ("career", "from_on", "until_on", "status", "programme", "course_type", "academic_year", "year", "regime",
               "reservation", "cfu_recognised", "cfu_passed"),
    "charges": ("career", "charge", "from_on", "until_on", "state", "amount", "due_on", "raised_on", "paid", "paid_on",
                "refunded", "waived", "moved", "outstanding", "overdue", "accruing", "rule", "refundable", "refund_by",
                "refund_rule"),
    "blocks": ("career", "kind", "rule", "charge", "from_on", "until_on", "amount"),
    "money": ("career", "charge", "from_on", "until_on", "kind", "amount"),
    "exams": ("career", "course", "held_on", "from_on", "until_on", "outcome", "grade", "cfu"),
    "bookings": ("career", "course", "held_on", "from_on", "until_on"),
    "gaps": ("career", "about", "name", "from_on", "until_on", "rule", "academic_year", "missing"),
    "forfeitable": ("career", "from_on", "until_on", "rule"),
}
"""The columns of each kind of row, without the student. `money.kind` is `credit` or `unallocated`. What nobody can tell
is a row of `gaps` (`about`: a `GapKind`; `rule`: the one whose value is missing); of blocks and charges it is also one
of theirs with the rule `UNKNOWN-VALUE`: a block that is neither in force nor absent, a charge in the state `unknown`.
`forfeitable`: the years without exams are over (DEC-1)."""

KEYS: dict[str, int] = {"status": 1, "charges": 2, "blocks": 4, "money": 2, "exams": 3, "bookings": 3, "gaps": 3,
                        "forfeitable": 1}
"""How many leading columns name the thing whose value the interval gives."""

Rows = dict[str, list[tuple[Any, ...]]]
Value = tuple[Any, ...]


@dataclass(slots=True)
class _Ahead:
    """What is to come of a career, the first of it `since` a day: the outlook, looked at as far as days have passed."""

    rests_on: forfeiture.RestsOn
    since: date
    outlook: Iterator[forfeiture.Outlook]
    coming: forfeiture.Outlook | None = None

    def before(self, day: date) -> Iterator[forfeiture.Outlook]:
        while self.since < day:
            if self.coming is not None:
                yield self.coming
            self.coming = next(self.outlook, None)
            self.since = self.coming.since if self.coming is not None else date.max


class ForfeitureRecorder:
    """When the office may forfeit careers without exams, or nobody can tell, as the days pass (DEC-1).

    `closed` is called with each interval: of `("forfeitable", career)`, with the rule, or of
    `("gaps", career, "forfeiture", rule)`, with the rule, the year and what is missing in its book."""

    def __init__(self, books: LawBooks, closed: Closed[Value]) -> None:
        self._books = books
        self._held: Intervals[Value] = Intervals(closed)
        self._ahead: dict[str, _Ahead] = {}

    def observe(self, career: Career, day: date) -> None:
        name = career.name
        ahead = self._ahead.get(name)
        if ahead is not None and ahead.since < day:
            self._years_pass(name, ahead, day)
        rests_on = forfeiture.rests_on(career, day, self._books)
        if ahead is None or ahead.rests_on != rests_on:
            self._ahead[name] = _Ahead(rests_on, day, forfeiture.outlook(rests_on, day, self._books))

    def observe_results(self, career: Career, day: date) -> None:
        """The same of a career in which results came in or began to count, and nothing else changed."""
        ahead, year = self._ahead.get(career.name), career.last_exam_year(day)
        if ahead is None or (year is not None and next_year(year) != ahead.rests_on.year):
            self.observe(career, day)

    def finish(self) -> None:
        for name, ahead in self._ahead.items():
            self._years_pass(name, ahead, date.max)
        self._held.finish()

    def _years_pass(self, name: str, ahead: "_Ahead", day: date) -> None:
        """What was to come before a day has come."""
        for coming in ahead.before(day):
            found: dict[Thing, Value] = {}
            if coming.forfeitable:
                found["forfeitable", name] = (forfeiture.RULE,)
            if (gap := coming.gap) is not None:
                found["gaps", name, "forfeiture", gap.rule] = (gap.rule, gap.year, gap.missing)
            if found or name in self._held:
                self._held.observe(name, found, coming.since)


class _Recorder:
    """Makes the rows of intervals while the fold runs. Only careers in which something may
    have changed are looked at."""

    def __init__(self, books: LawBooks) -> None:
        self._books = books
        self._status: Intervals[Value] = Intervals(self._row)
        self._money: Intervals[Value | Told] = Intervals(self._row)
        self._gaps: Intervals[Value] = Intervals(self._row)
        self._any_gap = False
        self._without_exams = ForfeitureRecorder(books, self._row)
        self.rows: Rows = {kind: [] for kind in COLUMNS}

    def observe(self, person: Person, touched: Collection[str], money_touched: Collection[str]) -> None:
        day = person.day
        for name in touched:
            career = person.careers[name]
            self._any_gap = self._any_gap or bool(career.gaps)
            if self._any_gap and (career.gaps or name in self._gaps):
                self._gaps.observe(name, {("gaps", name, *about): (gap.rule, gap.year, gap.missing)
                                          for about, gap in career.gaps.items()}, day)
            thing = "status", name
            before = self._status.last(thing)
            if before is not None and name not in money_touched:  # a result came in or began to count, nothing else
                self._without_exams.observe_results(career, day)
                if (passed := career.cfu_passed(day)) != before[-1]:
                    self._status.hold(thing, (*before[:-1], passed), day)
                continue
            self._without_exams.observe(career, day)
            if (status := career.status) is not None:
                self._status.hold(thing, _value(status, career, day), day)
        law = self._books.on(day)
        for name in money_touched:
            career = person.careers[name]
            if career.charges or career.money or career.blocks or name in self._money:
                self._money.observe(name, _money(person, career, law), day)

    def _row(self, thing: Thing, since: date, until: date | None, value: Value | Told) -> None:
        if isinstance(value, Told):
            value = (*astuple(value)[:-1], *(value.refundable or _NO_RIGHT))
        self.rows[str(thing[0])].append((*thing[1:], since, until, *value))

    def finish(self, person: Person) -> Rows:
        for recorded in (self._status, self._money, self._gaps, self._without_exams):
            recorded.finish()
        for career in person.careers.values():
            for result in career.results:
                data = result.data
                if result.until is None or result.until > result.counts_from:
                    self.rows["exams"].append((career.name, data.course, data.held_on, result.counts_from, result.until,
                                               data.outcome, data.grade, data.cfu))
            for booking in career.bookings:
                if booking.closed_on is None or booking.closed_on > booking.on:
                    self.rows["bookings"].append((career.name, booking.data.course, booking.data.held_on,
                                                  booking.on, booking.closed_on))
        return self.rows


def _value(status: str, career: Career, day: date) -> Value:
    current = career.current_enrolment
    if current is None:
        year, standing, regime = career.academic_year, None, None
    else:
        year, standing, regime = current.academic_year, current.year, career.regime_in(current.academic_year)
    recognised = sum([data.cfu for _, _, data in career.recognitions]) if career.recognitions else 0
    return (status, career.programme, career.course_type, year, standing, regime, career.under_reservation,
            recognised, career.cfu_passed(day))


_NO_RIGHT = (ZERO, None, None)


def _money(person: Person, career: Career, law: LawBooks) -> dict[Thing, Value | Told]:
    name = career.name
    found: dict[Thing, Value | Told] = {}
    for charge in career.charges.values():
        found["charges", name, charge.key] = told(person, career, charge, law)
        if charge.credit:
            found["money", name, charge.key] = ("credit", charge.credit)
    waiting: dict[str, Decimal] = {}
    for key, _, amount, _ in unallocated(career) if career.money.keys() - career.charges.keys() else ():
        waiting[key] = waiting.get(key, ZERO) + amount
    for key, amount in waiting.items():
        found["money", name, key] = ("unallocated", amount)
    for block in career.blocks.values():
        found["blocks", name, block.kind, block.rule, block.charge] = (block.amount,)
    for (what, of), gap in career.gaps.items():
        if what == "block":
            found["blocks", name, of, "UNKNOWN-VALUE", None] = (None,)
        elif what == "charge" and of not in career.charges:
            found["charges", name, of] = Told("unknown", ZERO, gap.due_on, gap.on, ZERO, None, ZERO, ZERO, ZERO, ZERO,
                                              ZERO, ZERO, "UNKNOWN-VALUE", None)
    return found


def timelines(events: Iterable[Event], student: str, books: LawBooks) -> Rows:
    """Every interval of a student from the events that are known, the future included that time alone brings."""
    facts = in_force(list(events))
    recorder = _Recorder(books)
    if not facts:
        return recorder.rows
    person = replay(facts, student, facts[-1].effective_on, books, recorder.observe)
    run_out(person, books, recorder.observe)
    return recorder.finish(person)
