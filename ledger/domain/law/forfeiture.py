"""Forfeiture after years without exams (DEC): it is foreseen, the office decides it."""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import date
from functools import lru_cache

import msgspec

from ..books import LawBooks
from ..events import Event
from ..phrases import says
from ..reasons import Fact, Reason, reason
from ..registry import obeys
from ..rulebook import RuleBook
from ..state import Career, Gap, Person
from ..values import ONE_DAY, next_year, year_end, year_of, year_start
from .chapter import end

RULE = "DEC-1"

# What a fact changes


@obeys("RIC-10")
def forfeited(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    end(career, "forfeited", event.effective_on, event.id)


# What time brings


@obeys("DEC-1")
def foreseen(career: Career, day: date, books: LawBooks) -> date | None:
    """The day from which on the office may forfeit a career that goes on without an exam, as the law of this day
    counts; None where it does not, and while a suspension keeps the years from counting.

    The years follow that of the last exam passed; without one they begin with the first enrolment."""
    book = _law(day, books)
    return _counted(rests_on(career, day, books), book) if book is not None else None


@obeys("DEC-1")
def not_foreseen(career: Career, day: date, books: LawBooks) -> Gap | None:
    """After a whole academic year without an exam, in a year of which nobody has read how many lead to a forfeiture."""
    book, year = _law(day, books), rests_on(career, day, books).year
    return _open(year, day, book) if book is not None and year is not None else None


class RestsOn(msgspec.Struct, frozen=True):
    """What the outlook from a day on follows from, beside the law: where it is the same on a later day, so is the
    outlook. `year`: the first academic year that counts as one without an exam, None where none does."""

    year: str | None
    suspended_from: str | None
    suspended_years: tuple[str, ...]


class Outlook(msgspec.Struct, frozen=True):
    """What holds from a day on if nothing else happens: the office may forfeit the career, or nobody knows."""

    since: date
    forfeitable: bool
    gap: Gap | None


_NOTHING = RestsOn(None, None, ())


def rests_on(career: Career, day: date, books: LawBooks) -> RestsOn:
    """Quickest in the order of days."""
    if not _laws(books)[0] or career.ended is not None or career.latest_perfected is None:
        return _NOTHING
    last, first = career.last_exam_year(day), career.first_enrolment
    year = next_year(last) if last is not None else first.academic_year if first is not None else None
    return RestsOn(year, career.suspended_from, tuple(career.suspended_years))


@obeys("DEC-1")
def outlook(basis: RestsOn, day: date, books: LawBooks) -> Iterator[Outlook]:
    """Of a day and of every later one on which time alone may change it, in order."""
    year = basis.year
    if year is None:
        yield Outlook(day, False, None)
        return
    days, laws = _laws(books)
    now = bisect_right(days, day)
    for since, book in zip((day, *days[now:]), laws[now:], strict=True):
        first = _counted(basis, book) if book is not None else None
        gap = _open(year, since, book) if book is not None else None
        yield Outlook(since, first is not None and first <= since, gap)
    if book is not None:  # what no later law changes
        first = first or (year_end(year) + ONE_DAY if RULE in book.unknown else None)
        if first is not None and first > since:
            yield Outlook(first, RULE in book.ids, _open(year, first, book))


def coming(career: Career, day: date, books: LawBooks) -> date | None:
    """The first day after a day on which the office may forfeit the career if nothing else happens; None where it may
    already."""
    now, *later = outlook(rests_on(career, day, books), day, books)
    return None if now.forfeitable else next((one.since for one in later if one.forfeitable), None)


def _law(day: date, books: LawBooks) -> RuleBook | None:
    """The book of the academic year that runs on a day, or the newest before it, where that says anything of the
    rule."""
    days, laws = _laws(books)
    return laws[bisect_right(days, day)]


@lru_cache(maxsize=8)
def _laws(books: LawBooks) -> tuple[tuple[date, ...], tuple[RuleBook | None, ...]]:
    """The first days of the academic years whose law says anything of the rule, or that of the day before did, and
    those within them on which an amendment changes the law; and the law before the first of them (None) and from each
    of them on, one more. No days where no book says anything."""
    days, year = set(books.turns), min(books.years)
    while year <= max(books.years):
        days.add(year_start(year))
        year = next_year(year)
    days.add(year_start(year))
    found: list[date] = []
    laws: list[RuleBook | None] = [None]
    for day in sorted(days):
        book = books.on(day).latest_to(year_of(day))
        if book is not None and RULE not in book.ids and RULE not in book.unknown:
            book = None
        if book is not None or laws[-1] is not None:
            found.append(day)
            laws.append(book)
    return tuple(found), tuple(laws)


def _counted(basis: RestsOn, book: RuleBook) -> date | None:
    """When the years are over that count."""
    rule, year = book.rules.DEC_1 if RULE in book.ids else None, basis.year
    if rule is None or year is None:
        return None
    left = rule.years
    pauses = rule.suspended == "do-not-count"
    while True:
        if pauses and basis.suspended_from is not None and year >= basis.suspended_from:
            return None
        if not (pauses and year in basis.suspended_years):
            left -= 1
        if left == 0:
            return year_end(year) + ONE_DAY
        year = next_year(year)


def _open(year: str, day: date, book: RuleBook) -> Gap | None:
    if year >= year_of(day) or RULE not in book.unknown:
        return None
    return Gap(RULE, book.academic_year, book.unknown[RULE].unknown, "day", year_end(year) + ONE_DAY)


# What does not fit it


@obeys("DEC-1")
def forfeited_early(person: Person, career: Career, event: Event, book: RuleBook | None,
                    books: LawBooks) -> Iterator[Reason]:
    """The office decides; the audit tells of a forfeiture before the years are over."""
    day = foreseen(career, event.effective_on, books)
    running = books.of(year_of(event.effective_on))
    if running is None or running.rules.DEC_1 is None or career.latest_perfected is None or career.ended is not None:
        return
    if day is None or event.effective_on < day:
        yield reason(running, "DEC-1", says("DEC-1/early", first_day=day) if day is not None
                     else says("DEC-1/suspended"), facts=(Fact(event.id, event.effective_on),))
