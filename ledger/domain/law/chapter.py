"""What the chapters share: the payload of a fact, the year of an act that states none, a career's beginning and end,
and the forms of what they register with the catalogue."""

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from operator import attrgetter
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from ..books import LawBooks
from ..case import Case, Predicate
from ..events import Event, Payload
from ..reasons import Reason, unknown_value
from ..registry import obeys
from ..rulebook import RuleBook, UnknownValue
from ..state import Career, Charge, GapKind, Person
from ..values import next_year, year_of

NEVER = date.max
_P = TypeVar("_P", bound=Payload)
_V = TypeVar("_V")


class Deadline(msgspec.Struct, frozen=True):
    """A last day of a career that goes on (None: there is none), what the day after it brings, and what is left open
    where nobody knows the day (by default whether the career has ended)."""

    rule: str
    last_day: Callable[[Career, LawBooks], date | None]
    then: Callable[[Career, date, LawBooks], None]
    leaves_open: tuple[GapKind, str] | None = None


_F = TypeVar("_F", bound=Callable[..., Any])
LEFT_TO_AN_OFFICER = frozenset({
    "late-instance/recognition", "late-instance/transfer-out", "study-plan-penalty", "diploma-supplement-post",
    "suspension", "interruption", "transfer-out", "final-exam-application"})
"""Kinds of charge that the guides, or what the ledger is told, do not give: an officer's decision is their ground."""

_READS: dict[Callable[..., Any], frozenset[str]] = {}


def reads(*parts: str) -> Callable[[_F], _F]:
    """Of what a predicate, a misfit or a lookout speaks: fields of a career, one of which at least must hold something.
    While they all stand as when a career begins it says nothing, and is not asked.

    What declares nothing is asked each time: it speaks of the act or its day, which are new each time, or of what is
    missing."""

    def mark(function: _F) -> _F:
        _READS[function] = frozenset(parts)
        return function

    return mark


class ToAsk(msgspec.Struct, Generic[_F], frozen=True):
    """A predicate (`Forbids`), a misfit or a lookout, and the rules that it speaks for. `governed`: by the book of the
    act's year; else it looks the book up itself."""

    asks: _F
    rules: tuple[str, ...]
    governed: bool

    def may_speak(self, there: frozenset[str], rules: frozenset[str] | None) -> bool:
        read = _READS.get(self.asks)
        return (read is None or not read.isdisjoint(there)) and not (
            self.governed and rules is not None and rules.isdisjoint(self.rules))


class Questions(Generic[_F]):
    """What is asked together, in order."""

    def __init__(self, *asked: ToAsk[_F]) -> None:
        self._all = asked
        read = {part for one in asked for part in _READS.get(one.asks, ())}
        self._parts = sorted(read | {"ended", "gaps"})
        self._values = attrgetter(*self._parts)
        self._kept: dict[tuple[frozenset[str] | None, tuple[bool, ...]], tuple[_F, ...]] = {}

    def __iter__(self) -> Iterator[ToAsk[_F]]:
        return iter(self._all)

    def of(self, career: Career, rules: frozenset[str] | None = None) -> tuple[_F, ...]:
        """What may have something to say of a career, by a book that has these rules."""
        key = rules, tuple(map(bool, self._values(career)))
        found = self._kept.get(key)
        if found is None:
            there = frozenset(part for part, held in zip(self._parts, key[1], strict=True) if held)
            found = self._kept[key] = tuple(one.asks for one in self._all if one.may_speak(there, rules))
        return found


Forbids = ToAsk[Predicate]


@obeys("UNKNOWN-VALUE")
def against(case: Case, asked: Questions[Predicate]) -> list[Reason]:
    """What speaks against an act, of what its year's book lets ask. One that finds out that it depends on an unknown
    value is no reason of its own rule, but for an officer."""
    found: list[Reason] = []
    for predicate in asked.of(case.career, case.book.asked):
        try:
            reason = predicate(case)
        except UnknownValue as unknown:
            reason = unknown_value(case.books, unknown)
            if reason in found:
                continue
        if reason is not None:
            found.append(reason)
    return found


def ends_after(book: RuleBook, rule: str, last_day: date | None) -> date | None:
    """A last day that the book's rule makes the career's, None without the rule. Raises `UnknownValue`."""
    try:
        return last_day if last_day is not None and book.has(rule) else None
    except UnknownValue as unknown:
        unknown.after = last_day
        raise


def here(asks: _F, *rules: str) -> ToAsk[_F]:
    return ToAsk(asks, rules, True)


def elsewhere(asks: _F, *rules: str) -> ToAsk[_F]:
    return ToAsk(asks, rules, False)


OfACharge = Callable[[Charge, date, date | None, RuleBook], Iterable[date]]
"""Days of a charge, given one of its due dates and its plan's last date."""
Misfit = Callable[[Person, Career, Event, RuleBook | None, LawBooks], Iterable[Reason]]
"""What does not fit the rules about a stored fact, given the book of its year, where there is one."""


class StillOpen(NamedTuple):
    """What stands on a day although the rules ask for something else, the event that it comes from, and the academic
    year where neither names it."""

    event: str | None
    reason: Reason
    academic_year: str | None = None


Lookout = Callable[[Person, Career, LawBooks], Iterable[StillOpen]]
"""What is open in a career at the end of the person's day."""


class Annulment(msgspec.Struct, frozen=True):
    """What is unpaid of a charge falls away at a career's end: the rule, and whether it speaks of this end and this
    charge."""

    rule: str
    applies: Callable[[Career, Charge, LawBooks], bool]


def data_of(event: Event, kind: type[_P]) -> _P:
    if not isinstance(event.data, kind):
        raise TypeError(f"{event.type} carries {type(event.data).__name__}")
    return event.data


@obeys("AMB-35", "RIN-7")
def year_of_act(career: Career, day: date, books: LawBooks) -> str | None:
    """The academic year of an act that states none: that of the latest enrolment (else of the application for single
    courses or of the pre-enrolment), unless it is filed unrenewed from the first day of a ruled year on."""
    return books.act_year(career.academic_year, day)


def year_with_window(career: Career, day: date, books: LawBooks, rule: str) -> str | None:
    """The academic year of an act that has a window of its own (the rule's), which opens before its year begins: the
    latest one whose window has opened, else that of any act."""
    year = year_of_act(career, day, books)
    running = year_of(day)
    for later in (next_year(running), running):
        book = books.of(later)
        if book is not None and rule in book.ids and (year is None or later > year) \
                and getattr(book.entry(rule), "first", NEVER) <= day:
            return later
    return year


def read_or_leave_open(career: Career, charge: str, event: Event, read: Callable[[], _V]) -> _V | None:
    """What a book gives for a charge; where nobody has read it, nobody can tell whether it is owed."""
    try:
        return read()
    except UnknownValue as unknown:
        career.leave_open("charge", charge, unknown, "fact", event.effective_on, event=event.id)
        return None


def begin(career: Career, day: date) -> None:
    if career.begun_on is None:
        career.begun_on = day


def end(career: Career, status: str, day: date, event: str | None) -> None:
    if career.ended is None:
        career.ended, career.ended_on, career.ended_event = status, day, event
        career.unsettled = True
