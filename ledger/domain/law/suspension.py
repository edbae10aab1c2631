"""Suspension of studies, the return from it, and years that were not renewed (SOS, INT)."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from functools import partial

from ..account import AmountByRule, raise_charge
from ..books import LawBooks
from ..case import Case
from ..clear import is_listed
from ..events import EnrolmentRenewed, Event
from ..phrases import says
from ..reasons import DONE, Clears, Fact, Reason, reason
from ..registry import obeys
from ..rulebook import RuleBook, YearlyFee
from ..state import Career, Person
from ..values import ONE_DAY, next_year, year_end, year_of
from .chapter import read_or_leave_open, reads, year_with_window

WINDOW = "SOS-1"

# What the book gives


def fee_of_year(fee: YearlyFee, number: int) -> Decimal:
    """Euro for the year with a number, counted from 1."""
    later = fee.later_from is not None and number >= fee.later_from
    return fee.later if later and fee.later is not None else fee.amount


def years_suspended(career: Career, day: date) -> list[str]:
    """The academic years that have passed under the suspension that goes on, but for those of an enrolment."""
    found, year = [], career.suspended_from
    while year is not None and year < year_of(day):
        if not career.is_enrolled_in(year):
            found.append(year)
        year = next_year(year)
    return found


def years_interrupted(career: Career, academic_year: str) -> list[str]:
    """The academic years before a renewal for which the career was neither enrolled nor suspended, since the last
    enrolment."""
    last = max((n.academic_year for n in career.enrolments if n.academic_year < academic_year), default=None)
    found, year = [], next_year(last) if last is not None else academic_year
    while year < academic_year:
        open_ = career.suspended_from is not None and year >= career.suspended_from
        if not open_ and year not in career.suspended_years:
            found.append(year)
        year = next_year(year)
    return found


def _since(career: Career) -> tuple[Fact, ...]:
    if career.suspended_event is None or career.suspended_on is None:
        return ()
    return (Fact(career.suspended_event, career.suspended_on),)


# What a fact changes


@obeys("SOS-1")
def suspended(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    career.suspended_on, career.suspended_event = event.effective_on, event.id
    asked = year_with_window(career, event.effective_on, books, WINDOW)
    career.suspended_from = max(asked or "", year_of(event.effective_on))


@obeys("SOS-5", "SOS-6", "AMB-58")
def resumed(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """She stands where she stood. The return asks the fee of every academic year that passed under this suspension, by
    the book of that year."""
    years, facts = years_suspended(career, event.effective_on), (*_since(career), Fact(event.id, event.effective_on))
    career.suspended_on, career.suspended_event, career.suspended_from = None, None, None
    career.suspended_years += [year for year in years if year not in career.suspended_years]
    for number, year in enumerate(years, 1):
        book = books.of(year)
        if book is None:
            career.unruled.add(year)
        else:
            _ask_for(career, book, "suspension", "SOS-6", number, facts, event)


@obeys("INT-1")
def ask_for_interruption(career: Career, academic_year: str, event: Event, books: LawBooks) -> None:
    """A renewal asks what the years cost that were not renewed, where its own book says so."""
    book = books.of(academic_year)
    for number, _ in enumerate(years_interrupted(career, academic_year), 1):
        if book is not None:
            _ask_for(career, book, "interruption", "INT-1", number, [Fact(event.id, event.effective_on)], event)


def _ask_for(career: Career, book: RuleBook, kind: str, rule: str, number: int, facts: Iterable[Fact],
             event: Event) -> None:
    year = book.academic_year
    fee = read_or_leave_open(career, f"{year}:{kind}", event, partial(book.entry, rule))
    if isinstance(fee, YearlyFee):
        price = AmountByRule(fee_of_year(fee, number), rule, fee.interpretation)
        raise_charge(career, year, kind, price, event.effective_on, tuple(facts))


# What it forbids


@obeys("SOS-1")
def suspension_is_asked_in_its_window(case: Case) -> Reason | None:
    """In the window of the academic year, and instead of enrolling for it."""
    window, enrolment = case.law.SOS_1, case.career.enrolment_in(case.book.academic_year)
    if window is None:
        return None
    if not window.first <= case.day <= window.last:
        return case.no("SOS-1", Clears(window.first) if case.day < window.first else None, first_day=window.first,
                       last_day=window.last)
    if enrolment is not None and enrolment.perfected_on is not None:
        return case.no("SOS-1/enrolled", facts=[Fact(enrolment.event, enrolment.filed_on)],
                       academic_year=case.book.academic_year)
    return None


@obeys("SOS-2")
def suspension_has_a_listed_ground(case: Case) -> Reason | None:
    """`reason` begins with one of the grounds; what follows a colon is for the office. The ground is never repeated."""
    rule = case.law.SOS_2
    if rule is None or is_listed(case.said, "reason", rule):
        return None
    return case.no("SOS-2", DONE, academic_year=case.book.academic_year, categories=rule.categories or ())


@obeys("SOS-3")
@reads("suspended_from")
def suspension_lasts_whole_years(case: Case) -> Reason | None:
    """By the book of the first suspended year, whichever book the return itself follows."""
    career, year = case.career, case.career.suspended_from
    book = case.books.of(year) if year is not None else None
    rule = book.rules.SOS_3 if book is not None else None
    if year is None or book is None or rule is None:
        return None
    last = year
    for _ in range(rule.years - 1):
        last = next_year(last)
    if case.day > year_end(last):
        return None
    return reason(book, "SOS-3", says("SOS-3", academic_year=last), Clears(year_end(last) + ONE_DAY), _since(career))


@obeys("SOS-5")
@reads("suspended_from", "suspended_years")
def returns_to_the_next_year(case: Case) -> Reason | None:
    """After a suspension one goes on from the year of course after that of the last enrolment: years of suspension are
    no years of course. By the book of the last suspended year."""
    data, career = case.of(EnrolmentRenewed), case.career
    last = career.latest_perfected
    years = [*career.suspended_years, *([career.suspended_from] if career.suspended_from is not None else ())]
    if last is None or not years or max(years) <= last.academic_year:
        return None
    book = case.books.of(max(years))
    if book is None or data.year <= last.year + 1 or book.rules.SOS_5 is None:
        return None
    return reason(book, "SOS-5", says("SOS-5", course_year=last.year + 1, academic_year=last.academic_year), DONE,
                  (Fact(last.event, last.filed_on),))


@obeys("INT-1", "AMB-33")
def interruption_is_known(case: Case) -> Reason | None:
    """A renewal after years that were not renewed rests on what an interruption costs."""
    if years_interrupted(case.career, case.of(EnrolmentRenewed).academic_year):
        _ = case.law.INT_1
    return None
