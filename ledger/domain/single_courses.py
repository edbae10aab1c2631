"""Single courses: what they cost and until when they may be paid and sat (CS)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from .events import SingleCoursesEnrolled
from .reasons import Fact
from .registry import obeys
from .rulebook import Law, LawBooks, RuleBook
from .state import Career, Person, Reservation
from .values import ONE_DAY, ZERO, cents

KINDS = ("single-courses", "single-courses-stamp")


@dataclass(frozen=True, slots=True)
class Price:
    """Euro, the rule that gives it, and the register entry where it is a reading of ours."""

    amount: Decimal
    rule: str
    interpretation: str | None = None


@obeys("CHG-13", "CHG-14", "CS-4", "CS-9", "CS-12", "RIS-8", "AMB-12", "AMB-33")
def price_of(person: Person, data: SingleCoursesEnrolled, book: RuleBook) -> dict[str, Price]:
    """The charges of an application: 25 a CFU (less the reduction) and the stamp; nothing for exchange students and for
    who could not keep a reservation; complements are free for graduates of this university, but for the stamp."""
    law = book.rules
    if law.CS_4 is None:
        return {}
    stamp = Price(law.CS_4.stamp, "CS-4")
    if data.reduction == "exchange" and law.CS_12 is not None and law.CS_12.free:
        return {"single-courses": Price(ZERO, "CS-12"), "single-courses-stamp": Price(ZERO, "CS-12")}
    if data.purpose == "failed-reservation" and is_free_after_reservation(person, data.academic_year, law):
        due = book.interpretations.AMB_12.decision == "stamp-due"
        return {"single-courses": Price(ZERO, "RIS-8", "AMB-12"),
                "single-courses-stamp": stamp if due else Price(ZERO, "RIS-8", "AMB-12")}
    free_complements = law.CHG_14 is not None and person.has_degree
    cfu = sum(Decimal(str(c.cfu)) for c in data.courses if not (c.complement and free_complements))
    rule = "CHG-14" if cfu == 0 else "CS-4"
    amount = law.CS_4.per_cfu * cfu
    share = law.CS_9.shares.get(data.reduction) if law.CS_9 is not None and data.reduction in ("disability", "detention") else None
    if share is not None:
        amount, rule = amount * (1 - share), "CS-9"
    return {"single-courses": Price(cents(amount), rule), "single-courses-stamp": stamp}


@obeys("RIS-8", "AMB-48")
def failed_reservation(person: Person, year: str, law: Law) -> Reservation | None:
    """Her reservation for an enrolment of the year that lapsed; who declined hers has not failed it. Where the year speaks of this
    university's graduates: one that waited for a degree of this university."""
    if law.RIS_8 is None:
        return None
    own = law.RIS_8.free_for == "own-graduates"
    for career in person.careers.values():
        held = career.reservation
        if held is not None and held.lapsed_on is not None and held.declined_on is None and held.academic_year == year \
                and not (own and (held.home_university != "same" or held.ground != "degree-pending")):
            return held
    return None


def first_degree_conferred(person: Person, held: Reservation) -> bool:
    """Whether the degree is there that the reservation waited for, as far as the ledger knows."""
    home = person.careers.get(held.home_career or "")
    if home is not None:
        return home.graduated is not None
    return any(c.graduated is not None and c.course_type != "master" for c in person.careers.values())


@obeys("RIS-8", "AMB-12", "AMB-48")
def is_free_after_reservation(person: Person, year: str, law: Law) -> bool:
    held = failed_reservation(person, year, law)
    return held is not None and law.RIS_8 is not None and (
        law.RIS_8.free_for == "every-failed-reservation" or first_degree_conferred(person, held))


@obeys("RIS-8", "AMB-48")
def awaited_degrees(person: Person, career: Career, books: LawBooks) -> dict[str, Fact]:
    """By year of application, the failed reservation after which the exams of its courses wait for the first degree."""
    found = {}
    for year, applied in career.singles.items():
        book = books.for_single_courses(year) if applied.purpose == "failed-reservation" else None
        held = failed_reservation(person, year, book.rules) if book is not None else None
        if held is not None and held.ground == "degree-pending" and not first_degree_conferred(person, held):
            found[year] = Fact(held.event, held.filed_on)
    return found


@obeys("CS-6", "AMB-16")
def last_payment_day(held_on: date, working_days: int) -> date:
    """The last day on which a payment is so many working days ahead of an exam, the exam's day not counted.

    Working days: Monday to Friday, without Italy's public holidays."""
    is_holiday = _public_holidays()
    day, left = held_on, working_days
    while left:
        day -= ONE_DAY
        if day.weekday() < 5 and not is_holiday(day):
            left -= 1
    return day


@obeys("CS-6", "AMB-16")
def first_exam_day(paid_on: date, working_days: int) -> date:
    """The first exam day for which a payment made on a day is in time."""
    day = paid_on
    while last_payment_day(day, working_days) < paid_on:
        day += timedelta(days=1)
    return day


_holidays: list[Callable[[date], bool]] = []


def _public_holidays() -> Callable[[date], bool]:
    if not _holidays:
        from holidays import country_holidays  # imported on first use: only single courses need a calendar

        _holidays.append(country_holidays("IT").__contains__)
    return _holidays[0]
