"""One student's story while it is made up: chance, facts, careers, and what she owes."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cache
from random import Random
from typing import Any, TypeVar

import msgspec

from ledger.domain.values import iuv_check
from ledger.rulebooks.institution import packaged

from .shares import Shares
from .terms import NEVER, iso

T = TypeVar("T")
ZERO = Decimal("0.00")


@dataclass(slots=True)
class Draft:
    """An event to be: `day` is when it is recorded, `effective` when it holds; `number` orders what is recorded on one
    day."""

    day: int
    number: int
    type: str
    career: str | None
    effective: int
    data: dict[str, Any]
    override: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class InventedProgramme:
    name: str
    degree_class: str
    type: str
    years: int
    prefix: str


PART_TIME = ("work", "care", "sport")

SEMESTERS = (1, 1, 2, 2, 0)
CFU = (12, 9, 12, 9, 15)


@cache
def programmes(kind: str) -> tuple[InventedProgramme, ...]:
    """Of a type of course, as the institution's file lists them."""
    return tuple(InventedProgramme(one.name, one.degree_class, one.type, one.years, one.code)
                 for one in packaged().programmes if one.type == kind)


@dataclass(frozen=True, slots=True)
class Course:
    code: str
    cfu: int
    year: int
    semester: int
    prerequisite: str | None


def courses_of(programme: InventedProgramme) -> tuple[Course, ...]:
    """Five courses a year; the third of a later year needs the first of the year before."""
    if programme.prefix not in _COURSES:
        _COURSES[programme.prefix] = tuple(
            Course(f"{programme.prefix}{year}0{n + 1}", CFU[n], year, SEMESTERS[n],
                   f"{programme.prefix}{year - 1}01" if n == 2 and year > 1 else None)
            for year in range(1, programme.years + 1) for n in range(5))
    return _COURSES[programme.prefix]


_COURSES: dict[str, tuple[Course, ...]] = {}


@dataclass(slots=True)
class Surcharge:
    """A surcharge or a penalty: raised on a day, to be paid on `pays` (None: not unless something depends on it)."""

    key: str
    amount: Decimal
    raised: int
    pays: int | None


@dataclass(slots=True)
class Path:
    """A career on its way."""

    name: str
    programme: InventedProgramme
    access: str = "open"
    regime: str = "full-time"
    year: int = 1
    standing: str = "regular"
    first_start: int = 0
    enrolled_on: int = NEVER
    label: str = ""
    """Academic year of the latest enrolment, and the day on which that was perfected (`NEVER`: it was not)."""
    perfected: int = NEVER
    closed: list[tuple[int, int]] = field(default_factory=list)
    """Days (first, last) on which no exam is booked and nothing is asked for: blocks, withdrawals, suspensions."""
    debts: list[Surcharge] = field(default_factory=list)
    clear_on: int = 0
    """The day on which the last instalment is paid (`NEVER`: it is not)."""
    planned: dict[str, int] = field(default_factory=dict)
    """Course to the day from which its plan is approved."""
    done: dict[str, int] = field(default_factory=dict)
    """Passed or recognised course to the day from which it counts."""
    plan_in_time: bool = False
    reserved: bool = False
    changes_regime: int = 0
    late_sessions: bool = False
    """Exams of the past year in the next winter, during which the career neither ends nor is left."""
    late_window: bool = False
    ended: bool = False

    def is_free(self, day: int) -> bool:
        return not any(first <= day <= last for first, last in self.closed)

    @property
    def courses(self) -> tuple[Course, ...]:
        return courses_of(self.programme)

    @property
    def has_passed_all(self) -> bool:
        return all(c.code in self.done for c in self.courses)


class Story:
    """Collects the facts of one student. Only `random()` of the generator is used, which is the same in every
    Python."""

    __slots__ = ("added", "facts", "index", "name", "paths", "random", "shares", "tickets")

    def __init__(self, index: int, seed: int, shares: Shares) -> None:
        self.index, self.shares = index, shares
        self.name = f"G{index:06d}"
        self.random = Random((seed << 48) + index).random  # noqa: S311 - an invented population, no secret
        self.facts: list[Draft] = []
        self.added = 0
        self.paths: list[Path] = []
        self.tickets = 0

    # Chance

    def chance(self, share: float) -> bool:
        return self.random() < share

    def between(self, first: int, last: int) -> int:
        """A whole number from first to last; first where there is none."""
        return first + int(self.random() * (last - first + 1)) if last > first else first

    def pick(self, among: tuple[T, ...] | list[T]) -> T:
        return among[int(self.random() * len(among))]

    # Facts

    def add(self, kind: str, career: str | None, day: int, data: dict[str, Any], recorded: int = 0) -> Draft:
        """A fact that holds on a day, recorded on that day unless a later one is given."""
        # not the list's length: a breach may take a fact away
        fact = Draft(recorded or day, self.added, kind, career, day, data)
        self.added += 1
        self.facts.append(fact)
        return fact

    def pay(self, path: Path, key: str, amount: Decimal, day: int) -> None:
        data = {"charge": key, "amount": f"{amount:.2f}"}
        if self.random() < 0.5:
            body = f"00{self.index:09d}{self.added:04d}"  # segregation code 00, of the scheme with auxiliary digit 3
            data["iuv"] = body + iuv_check("3" + body)
        self.add("instalment-paid", path.name, day, data)

    def new_path(self, kind: str) -> Path:
        """A new career, on a programme that she has not had yet where there is one."""
        had = {path.programme for path in self.paths}
        new = [one for one in programmes(kind) if one not in had] or list(programmes(kind))
        path = Path(f"{self.name}-{len(self.paths) + 1}", self.pick(new))
        self.paths.append(path)
        return path

    # Debts

    def owe(self, path: Path, key: str, amount: Decimal, raised: int) -> None:
        """A surcharge or penalty comes up; some are paid, some waived by an officer, some left."""
        roll = self.random()
        if roll < self.shares.surcharges_waived:
            self.add("charge-decided", path.name, raised + 1,
                     {"charge": key, "amount": "0.00", "reason": "documented reasons", "authority": "student office"})
            return
        left = roll > 1 - self.shares.surcharges_unpaid
        path.debts.append(Surcharge(key, amount, raised + 1, None if left else raised + self.between(3, 30)))

    def settle(self, path: Path, day: int) -> None:
        """Pay by this day everything that has come up: something depends on it."""
        for debt in path.debts:
            if debt.raised <= day:
                self.pay(path, debt.key, debt.amount, debt.pays if debt.pays is not None and debt.pays < day else day)
        path.debts = [d for d in path.debts if d.raised > day]

    def pay_debts(self) -> None:
        """At the end of the story: what was meant to be paid is paid."""
        for path in self.paths:
            for debt in path.debts:
                if debt.pays is not None:
                    self.pay(path, debt.key, debt.amount, debt.pays)
            path.debts = []


# Lines

_SOURCES = {
    "instalment-paid": ("pagopa", "system:pagopa"), "payment-refunded": ("accounting", "officer:accounting"),
    "payment-moved": ("accounting", "officer:accounting"), "exam-booked": ("portal", "student"),
    "exam-booking-cancelled": ("portal", "student"), "grade-refused": ("portal", "student"),
    "exam-graded": ("exams", "system:exam-register"), "exam-annulled": ("exams", "officer:student-office"),
    "contribution-assessed": ("fees", "system:fees"),
    "isee-certified": ("fees", "system:isee"), "enrolment-renewed": ("portal", "student"),
    "study-plan-submitted": ("portal", "student"),
    "preenrolled": ("portal", "student"), "enrolled": ("portal", "student"),
    "enrolled-with-reservation": ("portal", "student"),
    "withdrawal-requested": ("portal", "student"), "ticket-opened": ("tickets", "student"),
    "ticket-closed": ("tickets", "officer:help-desk"),
}
_OFFICE = ("office", "officer:student-office")
_CLOCK = [f"T{s // 3600:02d}:{s % 3600 // 60:02d}:{s % 60:02d}Z" for s in range(25_200, 64_000, 97)]
"""The times of day at which a student's events are recorded, in their order."""


def line(name: str, fact: Draft) -> bytes:
    """A submission as one line of JSON. The values are strings of ours, numbers, flags and lists of such."""
    source, actor = _SOURCES.get(fact.type, _OFFICE)
    clock = _CLOCK[fact.number] if fact.number < len(_CLOCK) else _CLOCK[-1]
    found: dict[str, Any] = {"id": f"{name}-{fact.number}", "type": fact.type, "student": name}
    if fact.career is not None:
        found["career"] = fact.career
    found |= {"effective_on": iso(fact.effective), "source": source, "actor": actor,
              "recorded_at": iso(fact.day) + clock}
    if fact.override is not None:
        found["override"] = fact.override
    found["data"] = fact.data
    return _encode(found) + b"\n"


_encode = msgspec.json.Encoder().encode


def as_date(day: int) -> date:
    return date.fromordinal(day)
