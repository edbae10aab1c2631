"""The degree: candidates, graduates, what a degree makes needless (LAU)."""

from collections.abc import Iterator

from ..account import AmountByRule, raise_charge
from ..books import LawBooks
from ..case import Case
from ..events import DegreeCandidacyDeclared, Event, Graduated
from ..phrases import says
from ..reasons import DONE, Fact, Reason, reason
from ..registry import obeys
from ..rulebook import INSTALMENTS
from ..state import Career, Charge, Person
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
    """A graduate of the year before needed no renewal: the 156, the instalments and the surcharges are for who did not
    graduate."""
    degree = career.graduated
    if career.ended != "graduated" or degree is None or charge.base_kind not in _OF_A_RENEWAL \
            or degree.academic_year >= charge.year:
        return False
    book = books.of(charge.year)
    rule = book.rules.LAU_1 if book is not None else None
    return rule is not None and rule.degree_year == degree.academic_year


ANNULMENTS = (Annulment("LAU-1", _needs_no_renewal),)


# What it forbids


@obeys("LAU-4", "AMB-18", "AMB-35")
def is_enrolled_for_the_degree(case: Case) -> Reason | None:
    """A degree of a year needs an enrolment in it; who has not graduated by the end of the extraordinary session of the
    year before must enrol anew."""
    data, career = case.of(Graduated), case.career
    if not career.is_enrolled_in(data.academic_year):
        return case.no("LAU-4", DONE, academic_year=data.academic_year) if case.law.LAU_4 is not None else None
    if data.academic_year < case.book.academic_year and not career.is_enrolled_in(case.book.academic_year):
        rule = case.law.RIS_6
        term = rule.officer_until or rule.until if rule is not None else None
        if term is not None and case.day > term and case.law.LAU_4 is not None:
            return case.no("LAU-4/session-over", DONE, interpretation="AMB-18", academic_year=data.academic_year,
                           last_day=term, next_year=case.book.academic_year)
    career.must_know("enrolment", data.academic_year)
    return None


# What is open


@obeys("DEG-1")
@reads("graduated")
def graduated_without_paying_to_apply(person: Person, career: Career, books: LawBooks) -> Iterator[StillOpen]:
    """The stamps of the application for the final exam, which are no debt and stop no degree."""
    for charge in career.charges.values() if career.graduated is not None else ():
        if charge.outstanding and charge.rule == "DEG-1":
            yield StillOpen(charge.facts[0].event, reason(books.book_with("DEG-1") or books.own, "DEG-1", says(
                "DEG-1/unpaid", charge=charge.key, amount=charge.outstanding), facts=charge.facts))
