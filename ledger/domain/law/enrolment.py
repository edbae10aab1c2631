"""Enrolment and renewal: the 156 euro that perfect them (CHG-2, CHG-3, RAT-2)."""

from datetime import date

from ..account import AmountByRule, raise_charge
from ..books import LawBooks
from ..case import Case
from ..events import Enrolled, EnrolmentRenewed, Event
from ..reasons import DONE, Clears, Fact, Reason
from ..registry import obeys
from ..rulebook import RuleBook, UnknownValue
from ..state import Career, Enrolment, Person
from ..values import ZERO
from .chapter import begin, data_of, reads
from .contribution import refresh_instalments
from .entry import enrolment_term, known_term, latest_preenrolment
from .isee import spare_isee_penalty
from .recognition import derive_year
from .suspension import ask_for_interruption

# What the book gives


def ends_the_adapted_time(career: Career, data: EnrolmentRenewed) -> bool:
    """Whether a part-time student renews beyond the course."""
    return data.standing == "beyond-course" and career.regime_in(data.academic_year) == "part-time"


# What a fact changes


@obeys("CHG-2", "PRE-10", "AMB-22", "AMB-50")
def enrolled(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    data = data_of(event, Enrolled)
    year = data.academic_year
    begin(career, event.effective_on)
    career.programme, career.course_type, career.access = data.programme, data.course_type, data.access
    career.degree_class = data.degree_class or career.degree_class
    career.regime_by_year[year] = data.regime
    first = Enrolment(year, data.year, event.effective_on, event.id, True, None)
    career.enrolments.append(first)
    spare_isee_penalty(career, year, event, books)
    book = books.of(year)
    if book is None:
        career.unruled.add(year)
        first.perfected_on = event.effective_on
    else:
        try:
            _ask_for_the_enrolment(career, first, book, data, event)
        except UnknownValue as unknown:
            first.perfected_on = event.effective_on
            career.leave_open("charge", f"{year}:enrolment", unknown, "fact", event.effective_on, event=event.id)
    derive_year(career, year, books)


def _ask_for_the_enrolment(career: Career, first: Enrolment, book: RuleBook, data: Enrolled, event: Event) -> None:
    if book.rules.CHG_2 is None:
        first.perfected_on = event.effective_on
        return
    year, amount, before = data.academic_year, book.rules.CHG_2.amount, latest_preenrolment(career, data.academic_year)
    first.late_preenrolment = before is not None and before.late
    first.term = known_term(career, book.rules, first, data.course_type, data.access)
    # late: neither excluded nor 95 euro, a reading
    without_exclusion = data.access == "restricted" and "MOR-6" not in book.asked
    price = AmountByRule(amount, "CHG-2", "AMB-50" if without_exclusion else None)
    first.charge = raise_charge(career, year, "enrolment", price, event.effective_on,
                                (Fact(event.id, event.effective_on),), due_on=first.term).key


@obeys("CHG-3", "PT-6", "PT-9", "RIN-7")
def enrolment_renewed(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    data = data_of(event, EnrolmentRenewed)
    year = data.academic_year
    renewal = Enrolment(year, data.year, event.effective_on, event.id, False, None, data.standing)
    ask_for_interruption(career, year, event, books)
    career.enrolments.append(renewal)
    book = books.of(year)
    if book is None:
        career.unruled.add(year)
        renewal.perfected_on = event.effective_on
        return
    if not _is_full_time_by_itself(career, data, book, event) and "PT-9" not in book.ids:
        _begin_full_time(career, year, book, event)
    try:
        _ask_for_the_renewal(career, renewal, book, event)
    except UnknownValue as unknown:
        renewal.perfected_on = event.effective_on
        career.leave_open("charge", f"{year}:enrolment", unknown, "fact", event.effective_on, event=event.id)


@obeys("PT-6", "AMB-38")
def _is_full_time_by_itself(career: Career, data: EnrolmentRenewed, book: RuleBook, event: Event) -> bool:
    """After the adapted time, where the guide makes it a duty at the renewal: no change is asked for or used up."""
    year = data.academic_year
    try:
        rule = book.rules.PT_6 if ends_the_adapted_time(career, data) else None
    except UnknownValue as unknown:
        rule = None
        career.leave_open("regime", year, unknown, "fact", event.effective_on, event=event.id)
    if rule is None or not rule.at_renewal:
        return False
    career.regime_by_year[year] = "full-time"
    return True


def _begin_full_time(career: Career, year: str, book: RuleBook, event: Event) -> None:
    """Where the regime of the year before does not go on. Whether it does matters only to who was part-time."""
    try:
        if career.regime_in(year) == "full-time" or not book.has("PT-9"):
            career.regime_by_year.setdefault(year, "full-time")
    except UnknownValue as unknown:
        career.leave_open("regime", year, unknown, "fact", event.effective_on, event=event.id)


def _ask_for_the_renewal(career: Career, renewal: Enrolment, book: RuleBook, event: Event) -> None:
    price = book.rules.CHG_3
    if price is None:
        renewal.perfected_on = event.effective_on
        return
    amount, renewal.term = price.amount, price.due_on
    renewal.charge = raise_charge(career, renewal.academic_year, "enrolment", AmountByRule(amount, "CHG-3"),
                                  event.effective_on, (Fact(event.id, event.effective_on),), due_on=renewal.term).key


@obeys("CHG-3", "PRE-5", "AMB-30")
def terms_move(career: Career, day: date, before: LawBooks, after: LawBooks) -> None:
    """An amended term moves that of an enrolment or a renewal, unless it has passed. A pre-enrolment keeps its
    window."""
    for enrolment in career.enrolments:
        year = enrolment.academic_year
        if (enrolment.charge is None or enrolment.term is None or enrolment.term < day
                or before.of(year) is after.of(year)):
            continue
        old, new = _term(career, enrolment, before), _term(career, enrolment, after)
        if old == enrolment.term and new is not None:
            enrolment.term = career.charges[enrolment.charge].due_on = new


def _term(career: Career, enrolment: Enrolment, books: LawBooks) -> date | None:
    book = books.of(enrolment.academic_year)
    if book is None:
        return None
    if enrolment.first:
        return enrolment_term(career, book.rules, enrolment.academic_year, career.course_type, career.access)
    return book.rules.CHG_3.due_on if book.rules.CHG_3 is not None else None


# What money brings


@obeys("RAT-2", "RAT-1")
def perfect(career: Career, enrolment: Enrolment, day: date, books: LawBooks) -> None:
    """Paying the 156 perfects an enrolment or a renewal. Raises `UnknownValue`."""
    if enrolment.charge is None or career.ended is not None:
        return
    book, charge = books.of(enrolment.academic_year), career.charges[enrolment.charge]
    if charge.outstanding == ZERO or (book is not None and not _waits_for_payment(enrolment, book)):
        enrolment.perfected_on, enrolment.taken = day, False
        refresh_instalments(career, enrolment.academic_year, day, books)


def _waits_for_payment(enrolment: Enrolment, book: RuleBook) -> bool:
    rule = book.rules.RAT_2
    return rule is not None and (not enrolment.first or rule.first_enrolments)


@obeys("RAT-2", "UNKNOWN-VALUE")
def take_as_perfected(career: Career, enrolment: Enrolment, day: date, books: LawBooks) -> None:
    """As in a year without a book. What an act makes of it is for an officer until it is paid."""
    if not enrolment.taken:
        enrolment.perfected_on, enrolment.taken = enrolment.filed_on, True
        refresh_instalments(career, enrolment.academic_year, day, books)


# What it forbids


@obeys("SEQ")
@reads("enrolments")
def is_not_enrolled_yet(case: Case) -> Reason | None:
    if not case.career.enrolments:
        return None
    return case.no("SEQ/enrolled", DONE,
                   [Fact(n.event, n.filed_on) for n in case.career.enrolments])


@obeys("SEQ", "CHG-3")
def renews_a_later_year(case: Case) -> Reason | None:
    """A renewal follows an enrolment, for a later academic year than any before."""
    data = case.of(EnrolmentRenewed)
    if case.career.enrolments and all(n.academic_year < data.academic_year for n in case.career.enrolments):
        return None
    if not case.career.enrolments:
        return case.no("SEQ/nothing-to-renew", DONE)
    return case.no("SEQ/year-enrolled", academic_year=max(n.academic_year for n in case.career.enrolments))


@obeys("RNW-1")
def renewal_has_opened(case: Case) -> Reason | None:
    """On its last day in time the renewal is open, whenever it opened."""
    price, day = case.law.CHG_3, case.day
    if price is not None and day >= price.due_on:
        return None
    opens = case.law.RNW_1
    if opens is None or day >= opens.first:
        return None
    return case.no("RNW-1", Clears(opens.first), academic_year=case.book.academic_year, first_day=opens.first)
