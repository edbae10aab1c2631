"""What the generator needs of each academic year, as integers: the law of ruled years from their rule books, and for
the years without one, or what a partial one does not know, the habits of 2025-26 moved to their dates. Days are
proleptic ordinals (`date.toordinal`)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from typing import TypeVar

from ledger.domain.books import LawBooks
from ledger.domain.rulebook import Law, UnknownValue
from ledger.rulebooks.loader import load_books

FIRST, LAST = 2017, 2026
"""Academic years by the calendar year of their autumn."""
ISO = [date.fromordinal(n).isoformat() for n in range(date(2016, 1, 1).toordinal(), date(2031, 1, 1).toordinal())]
BASE = date(2016, 1, 1).toordinal()
NEVER = date(2030, 1, 1).toordinal()
T = TypeVar("T")


def iso(day: int) -> str:
    return ISO[day - BASE]


@dataclass(frozen=True, slots=True)
class WindowDays:
    """A pre-enrolment window of an open master's and the enrolment window that it leads to."""

    first: int
    last: int
    enrol_from: int
    enrol_until: int
    late: bool


@dataclass(frozen=True, slots=True)
class SelectionDays:
    first: int
    last: int
    enrol_by: int
    scroll_enrol_by: int


@dataclass(frozen=True, slots=True)
class Session:
    """Exam calls: the name of the session, its first and last day."""

    name: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Terms:
    """One academic year. `law` is None where no rule book holds, or a partial one: then no act is judged and nothing is
    charged, but for what a partial book asks for: the 156 euro (`asks`) and the stamp of a withdrawal."""

    start: int
    label: str
    law: Law | None
    asks: bool
    stamp: Decimal | None
    windows: tuple[WindowDays, ...]
    selections: tuple[SelectionDays, ...]
    first_degree_until: int
    first_degree_late_until: int
    has_first_degree_term: bool
    renew_due: int
    plan: tuple[int, int, int, int]
    """Study plans: first and last day that suit everybody, last day in a master's first year, last day of all
    others."""
    isee_until: int
    opens: int
    closes: int
    """Booking opens so many days before the session, and closes so many days before the exam."""
    transfers_from: int
    """Who arrives by transfer may enrol from this day on."""
    lectures: tuple[int, int, int]
    """The end of the lectures of annual, first- and second-semester courses."""
    sessions: tuple[Session, ...]

    def day(self, month: int, day: int) -> int:
        """A day of this academic year's two calendar years: August to December of the first, January to July of the
        second."""
        return date(self.start + (month < 8), month, day).toordinal()

    def before(self, month: int, day: int) -> int:
        """A day of the calendar year in which the academic year begins."""
        return date(self.start, month, day).toordinal()

    def after(self, month: int, day: int) -> int:
        """A day of the calendar year in which the academic year ends."""
        return date(self.start + 1, month, day).toordinal()


def need(rule: T | None, name: str) -> T:
    if rule is None:
        raise LookupError(f"the rule book has no {name}, which the generator needs")
    return rule


@cache
def books() -> LawBooks:
    """The rule books that come with the ledger."""
    return load_books()


@cache
def terms(start: int) -> Terms:
    """The academic year that begins in the autumn of `start`."""
    label = f"{start}-{(start + 1) % 100:02d}"
    own = books().of(label)
    habits = need(books().of("2025-26"), "2025-26").rules

    def known(read: Callable[[Law], T]) -> tuple[T, int]:
        """What the year's book says, else the habits, and by how many years these move."""
        try:
            return (read(own.rules), 0) if own is not None else (read(habits), start - 2025)
        except UnknownValue:
            return read(habits), start - 2025

    def at(day: date, shift: int) -> int:
        return day.replace(year=day.year + shift).toordinal()

    def on(year: int, month: int, day: int) -> int:
        return date(year, month, day).toordinal()

    opening, moved = known(lambda law: need(law.PRE_2, "PRE-2"))
    windows = tuple(WindowDays(at(w.first, moved), at(w.last, moved), at(w.enrol_from, moved),
                               at(w.enrol_until, moved), w.late) for w in opening.windows)
    choosing, moved = known(lambda law: law.PRE_3)
    selections = tuple(SelectionDays(at(s.first, moved), at(s.last, moved), at(s.enrol_by, moved),
                                     at(s.scroll_enrol_by, moved)) for s in choosing.selections) if choosing else ()
    first_term, of_term = known(lambda law: law.PRE_5)
    plan, of_plan = known(lambda law: need(law.PDS_1, "PDS-1"))
    council, of_council = known(lambda law: law.RIC_8)
    renewal, of_renewal = known(lambda law: need(law.CHG_3, "CHG-3").due_on)
    attested, of_attested = known(lambda law: need(law.ISE_1, "ISE-1").until)
    opens, closes = known(lambda law: need(law.PRN_2, "PRN-2").days), known(lambda law: need(law.PRN_1, "PRN-1").days)
    lectures = (on(start + 1, 5, 29), on(start, 12, 20), on(start + 1, 5, 29))
    sessions = (Session("winter", on(start + 1, 1, 8), on(start + 1, 2, 14)),
                Session("summer", on(start + 1, 6, 4), on(start + 1, 7, 18)),
                Session("autumn", on(start + 1, 8, 25), on(start + 1, 9, 6)),
                Session("extraordinary", on(start + 2, 1, 10), on(start + 2, 2, 14)))
    whole = own is not None and own.covers == "everything"
    try:
        stamp = own.rules.RIN_3.amount if own is not None and own.rules.RIN_3 is not None else None
    except UnknownValue:
        stamp = None
    return Terms(
        start, label, own.rules if own is not None and whole else None, own is not None, stamp, windows, selections,
        at(first_term.until, of_term) if first_term is not None else on(start, 10, 31),
        at(first_term.late_until, of_term) if first_term is not None else on(start, 10, 31), first_term is not None,
        at(renewal, of_renewal),
        (at(max(plan.first_year_master.first, plan.others.first), of_plan),
         at(min(plan.first_year_master.last, plan.others.last), of_plan),
         at(plan.first_year_master.last, of_plan), at(plan.others.last, of_plan)),
        at(attested, of_attested), opens[0], closes[0],
        at(council.first, of_council) if council is not None else on(start, 8, 25), lectures, sessions)
