"""Forfeiture after years without exams (DEC): it is foreseen, the office decides it."""

from collections.abc import Iterator
from datetime import date

from ..books import LawBooks
from ..events import Event
from ..phrases import says
from ..reasons import Fact, Reason, reason
from ..registry import obeys
from ..rulebook import RuleBook
from ..state import Career, Gap, Person
from ..values import ONE_DAY, next_year, year_end, year_of
from .chapter import end

# What a fact changes


@obeys("RIC-10")
def forfeited(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    end(career, "forfeited", event.effective_on, event.id)


# What time brings


@obeys("DEC-1")
def foreseen(career: Career, day: date, books: LawBooks) -> date | None:
    """The day from which on the office may forfeit a career that goes on without an exam, as the book of the running
    academic year counts; None where it does not, and while a suspension keeps the years from counting.

    The years follow that of the last exam passed; without one they begin with the first enrolment."""
    book, year = books.of(year_of(day)), _first_year_without(career, day)
    rule = book.rules.DEC_1 if book is not None and "DEC-1" in book.ids else None
    if rule is None or year is None:
        return None
    left = rule.years
    pauses = rule.suspended == "do-not-count"
    while True:
        if pauses and career.suspended_from is not None and year >= career.suspended_from:
            return None
        if not (pauses and year in career.suspended_years):
            left -= 1
        if left == 0:
            return year_end(year) + ONE_DAY
        year = next_year(year)


@obeys("DEC-1")
def not_foreseen(career: Career, day: date, books: LawBooks) -> Gap | None:
    """After a whole academic year without an exam, in a year of which nobody has read how many lead to a forfeiture."""
    book, year = books.of(year_of(day)), _first_year_without(career, day)
    if book is None or year is None or year >= year_of(day) or "DEC-1" not in book.unknown:
        return None
    return Gap("DEC-1", book.academic_year, book.unknown["DEC-1"].unknown, "day", year_end(year) + ONE_DAY)


def _first_year_without(career: Career, day: date) -> str | None:
    """The first academic year that counts as one without an exam, of a career that goes on."""
    first = career.first_enrolment
    if first is None or career.ended is not None or career.latest_perfected is None:
        return None
    passed = [career.exam_year(result.data) for result in career.passed(day).values()]
    return next_year(max(passed)) if passed else first.academic_year


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
