"""Single courses: what they cost and until when they may be paid and sat (CS)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from .events import SingleCoursesEnrolled
from .registry import obeys
from .rulebook import RuleBook
from .state import Person
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
    if data.reduction == "exchange" and law.CS_12 is not None:
        return {"single-courses": Price(ZERO, "CS-12"), "single-courses-stamp": Price(ZERO, "CS-12")}
    if data.purpose == "failed-reservation" and law.RIS_8 is not None \
            and _reservation_failed(person, law.RIS_8.free_for == "own-graduates"):
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


def _reservation_failed(person: Person, only_graduates: bool) -> bool:
    """A reservation of hers lapsed; where the year says so, only for who studied at this university and has graduated."""
    failed = [c for c in person.careers.values() if c.ended == "reservation-lapsed" and c.reservation is not None]
    if not only_graduates:
        return bool(failed)
    return person.has_degree and any(c.reservation is not None and c.reservation.home_university == "same" for c in failed)


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
