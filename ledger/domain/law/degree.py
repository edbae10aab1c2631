"""The degree: candidates, graduates, what a degree makes needless (LAU)."""

from collections.abc import Iterator, Sequence
from datetime import date

from ..account import AmountByRule, Owed, certain, listed, overdue, owed_facts, raise_charge
from ..books import LawBooks
from ..case import Case
from ..events import DegreeCandidacyDeclared, Event, Graduated
from ..phrases import says
from ..reasons import DONE, Fact, Reason, reason
from ..registry import obeys
from ..rulebook import INSTALMENTS, Law, UnknownValue
from ..state import FINAL_EXAM, Career, Charge, Person
from ..values import ONE_DAY, next_year, year_of
from .chapter import Annulment, StillOpen, data_of, end, read_or_leave_open, reads
from .reservation import meet

# What a fact changes


@obeys("LAU-1", "DEG-1")
def degree_candidacy_declared(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """A candidate owes no 156 for the next year unless she renews. The application costs its stamps once, where the
    year's book has them."""
    data, day = data_of(event, DegreeCandidacyDeclared), event.effective_on
    career.candidacies.append(data)
    book = books.for_late_degrees(data.academic_year, day)
    if book is None or any(c.base_kind == "final-exam-application" for c in career.charges.values()):
        return
    law = book.rules
    price = read_or_leave_open(career, f"{data.academic_year}:final-exam-application", event, lambda: law.DEG_1)
    if price is not None:
        raise_charge(career, data.academic_year, "final-exam-application", AmountByRule(price.amount, "DEG-1"), day,
                     (Fact(event.id, day),))


@obeys("RIS-6", "LAU-9")
def graduated(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """Ends the career, and lifts in time every reservation that waits for this degree."""
    career.graduated = data_of(event, Graduated)
    end(career, "graduated", event.effective_on, event.id)
    for other in person.others(career):
        held = other.reservation
        waits = held is not None and ((held.alive and other.ended is None) or held.lapsed_on is not None)
        if (held is not None and waits and held.home_career == career.name
                and held.ground == "degree-pending" and ("reservation", held.academic_year) not in other.gaps):
            meet(other, Fact(event.id, event.effective_on))


# What a degree makes needless

_OF_A_RENEWAL = frozenset({"enrolment", *INSTALMENTS, "isee-penalty"}
                          | {f"late-fee/{kind}" for kind in ("enrolment", *INSTALMENTS)})


@obeys("LAU-1", "LAU-4", "AMB-45")
def _needs_no_renewal(career: Career, charge: Charge, books: LawBooks) -> bool:
    """A graduate of the year before needed no renewal."""
    degree, day = career.graduated, career.ended_on
    return (career.ended == "graduated" and degree is not None and day is not None
            and makes_needless(degree.academic_year, day, charge, books))


@obeys("LAU-1", "LAU-4")
def makes_needless(degree_year: str, day: date, charge: Charge, books: LawBooks) -> bool:
    """Whether a degree of an academic year, conferred on a day, makes a charge of the next one needless: the 156, the
    instalments and the surcharges are for who did not graduate by the end of the extraordinary session."""
    if charge.base_kind not in _OF_A_RENEWAL:
        return False
    book = books.of(charge.year)
    return book is not None and is_of_the_year_before(degree_year, day, charge.year, book.rules)


@obeys("LAU-1")
def is_of_the_year_before(degree_year: str, day: date, year: str, law: Law) -> bool:
    """Whether a degree is one of the year before that its extraordinary session still took in."""
    if degree_year >= year or law.LAU_1 is None or law.LAU_1.degree_year != degree_year:
        return False
    last = _end_of_the_extraordinary_session(law)
    return last is None or day <= last


def _end_of_the_extraordinary_session(law: Law) -> date | None:
    """That of the year before, in whose last days who is enrolled with reservation graduates (AMB-18)."""
    return law.RIS_6.officer_until or law.RIS_6.until if law.RIS_6 is not None else None


ANNULMENTS = (Annulment("LAU-1", _needs_no_renewal),)


@obeys("LAU-1")
def owed_all_the_same(degree_year: str, day: date, owed: Owed, books: LawBooks) -> Owed:
    """But for what a degree of a year, conferred on a day, makes needless. Raises `UnknownValue` where nothing else is
    owed and nobody can tell."""
    left, open_ = [], None
    for charge, late in owed:
        try:
            if makes_needless(degree_year, day, charge, books):
                continue
            left.append((charge, late))
        except UnknownValue as unknown:
            open_ = unknown
    if not left and open_ is not None:
        raise open_
    return left


def days_of_a_candidate(career: Career, owing: Sequence[Charge], books: LawBooks) -> Iterator[date]:
    """From when on the degree that she applied for makes nothing needless any more."""
    for year in {charge.year for charge in owing} if career.candidacies else ():
        book = books.of(year)
        try:
            last = _end_of_the_extraordinary_session(book.rules) if book is not None else None
        except UnknownValue:
            continue
        if last is not None:
            yield last + ONE_DAY


# What it forbids


@obeys("SEQ", "AMB-35")
def degree_is_of_its_years(case: Case) -> Reason | None:
    """The sessions of a year lie in it and in the one that follows."""
    stated, running = case.of(Graduated).academic_year, year_of(case.day)
    if running in (stated, next_year(stated)):
        return None
    return case.no("SEQ/degree-of-another-time", rule="SEQ", academic_year=stated)


@obeys("LAU-4", "AMB-18", "AMB-35")
def is_enrolled_for_the_degree(case: Case) -> Reason | None:
    """A degree of a year needs an enrolment in it; who has not graduated by the end of the extraordinary session of the
    year before must enrol anew, and graduates in the new year."""
    data, career = case.of(Graduated), case.career
    if not career.is_enrolled_in(data.academic_year):
        return case.no("LAU-4", DONE, academic_year=data.academic_year) if case.law.LAU_4 is not None else None
    if data.academic_year < case.book.academic_year:
        following = case.book.academic_year
        enrolled = career.is_enrolled_in(following)
        try:
            last = _end_of_the_extraordinary_session(case.law)
        except UnknownValue:
            if not enrolled:
                raise
            last = None
        if last is not None and case.day > last and case.law.LAU_4 is not None:
            return case.no("LAU-4/of-the-next-year" if enrolled else "LAU-4/session-over", DONE,
                           interpretation="AMB-18", academic_year=data.academic_year, last_day=last,
                           next_year=following)
    if case.follows(data.academic_year):
        career.must_know("enrolment", data.academic_year)
    return None


@obeys("BLK-2", "AMB-5")
def fees_are_paid_for_the_degree(case: Case) -> Reason | None:
    """No final exam with anything overdue, but for what this degree makes needless."""
    owed = certain(case.career, overdue(case.career, case.day))
    if case.book.interpretations.AMB_5.decision == "instalments-only":
        owed = [(c, late) for c, late in owed if c.is_instalment]
    owed = owed_all_the_same(case.of(Graduated).academic_year, case.day, owed, case.books)
    if not owed:
        case.career.must_know("block", FINAL_EXAM)
    if not owed or case.law.BLK_2 is None:
        return None
    return case.no("BLK-2/degree", DONE, owed_facts(owed), "AMB-5", owed=listed(owed))


# What is open


@obeys("DEG-1")
@reads("graduated")
def graduated_without_paying_to_apply(person: Person, career: Career, books: LawBooks) -> Iterator[StillOpen]:
    """The stamps of the application for the final exam, which are no debt and stop no degree."""
    for charge in career.charges.values() if career.graduated is not None else ():
        if charge.outstanding and charge.rule == "DEG-1":
            yield StillOpen(charge.facts[0].event, reason(books.book_with("DEG-1") or books.own, "DEG-1", says(
                "DEG-1/unpaid", charge=charge.key, amount=charge.outstanding), facts=charge.facts))
