"""Single courses: who may apply, what they cost, until when they may be paid and sat (CS, RIS-8)."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal

from ..account import AmountByRule, raise_charge
from ..books import LawBooks
from ..case import Case
from ..clear import Clear, clear_of, is_reduced, share_of
from ..events import Event, ExamBooked, SingleCourse, SingleCoursesEnrolled
from ..phrases import says
from ..reasons import DONE, Clears, Fact, Reason, reason
from ..registry import obeys
from ..rulebook import Law, RuleBook, UnknownValue
from ..state import Career, Person, Reservation, days_after
from ..values import ONE_DAY, ZERO, cents
from .chapter import StillOpen, begin, data_of, reads
from .suspension import years_interrupted

# What the book gives


@obeys("CHG-13", "CHG-14", "CS-4", "CS-9", "CS-12", "RIS-8", "AMB-12", "AMB-33")
def price_of(person: Person, data: SingleCoursesEnrolled, said: Clear, book: RuleBook) -> dict[str, AmountByRule]:
    """The charges of an application: 25 a CFU (less the reduction) and the stamp; nothing for exchange students and for
    who could not keep a reservation; complements are free for graduates of this university, but for the stamp."""
    law = book.rules
    if law.CS_4 is None:
        return {}
    stamp = AmountByRule(law.CS_4.stamp, "CS-4")
    if said.get("reduction") == "exchange" and law.CS_12 is not None and law.CS_12.free:
        return {"single-courses": AmountByRule(ZERO, "CS-12"), "single-courses-stamp": AmountByRule(ZERO, "CS-12")}
    if data.purpose == "failed-reservation" and is_free_after_reservation(person, data.academic_year, law):
        due = book.interpretations.AMB_12.decision == "stamp-due"
        return {"single-courses": AmountByRule(ZERO, "RIS-8", "AMB-12"),
                "single-courses-stamp": stamp if due else AmountByRule(ZERO, "RIS-8", "AMB-12")}
    free_complements = person.has_degree and any(c.complement for c in data.courses) and law.CHG_14 is not None
    cfu = sum(Decimal(str(c.cfu)) for c in data.courses if not (c.complement and free_complements))
    rule = "CHG-14" if cfu == 0 else "CS-4"
    amount = law.CS_4.per_cfu * cfu
    if is_reduced(said) and law.CS_9 is not None:
        share = share_of(said, law.CS_9)
        if share is None:
            raise UnknownValue("CS-9", book.academic_year, law.CS_9.says)
        amount, rule = amount * (1 - share), "CS-9"
    return {"single-courses": AmountByRule(cents(amount), rule), "single-courses-stamp": stamp}


@obeys("CS-4")
def price_that_is_unknown(key: str, unknown: UnknownValue) -> UnknownValue:
    """What is told, to whoever need not know her ground for a reduction, of a charge (its key) that cannot be told: the
    rule that is missing would give that ground away (section 8 of the published language)."""
    year, _, kind = key.partition(":")
    if not kind.startswith("single-courses") or unknown.rule in ("CS-4", "CS-5"):  # which ask for no ground
        return unknown
    return UnknownValue("CS-4", year, "single-courses")


@obeys("RIS-8", "AMB-48", "AMB-52")
def failed_reservation(person: Person, year: str, law: Law) -> Reservation | None:
    """Her reservation for an enrolment of the year that lapsed, or that an officer alone could still lift; who declined
    hers has not failed it. Where the year speaks of this university's graduates: one that waited for a degree of this
    university."""
    for career in person.careers.values():
        held = career.reservation
        if (held is None or not career.failed_reservation_by(person.day) or held.declined_on is not None
                or held.academic_year != year or law.RIS_8 is None):
            continue
        of_ours = held.home_university == "same" and held.ground == "degree-pending"
        if of_ours or law.RIS_8.free_for != "own-graduates":
            return held
    return None


def _may_have_failed(person: Person, year: str, law: Law) -> Reservation | None:
    """The same, and any one where nobody can tell: whether it bars an exam is asked then."""
    try:
        return failed_reservation(person, year, law)
    except UnknownValue:
        return next(c.reservation for c in person.careers.values() if c.reservation is not None
                    and c.failed_reservation_by(person.day) and c.reservation.academic_year == year)


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


# What a fact changes


@obeys("CHG-13", "CHG-14", "CS-4", "CS-5", "CS-9", "CS-12", "RIS-8", "AMB-12")
def single_courses_enrolled(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    data = data_of(event, SingleCoursesEnrolled)
    begin(career, event.effective_on)
    year = data.academic_year
    held = career.singles.get(year)
    career.singles[year] = data if held is None else data.changed(
        courses=held.courses + data.courses, purpose=held.purpose or data.purpose)
    person.across = person.across or data.purpose == "failed-reservation"
    book = books.for_single_courses(data.academic_year)
    if book is None:
        career.unruled.add(data.academic_year)
        return
    due = None
    try:
        due = days_after(data.issued_on or event.effective_on,
                         book.rules.CS_5.days) if book.rules.CS_5 is not None else None
        prices = price_of(person, data, clear_of(event, book), book)
    except UnknownValue as unknown:
        for kind in ("single-courses", "single-courses-stamp"):
            career.leave_open("charge", f"{year}:{kind}", unknown, "fact", event.effective_on, due, event.id)
        return
    for kind, price in prices.items():
        raise_charge(career, data.academic_year, kind, price, event.effective_on,
                     (Fact(event.id, event.effective_on),), due_on=due)


# What follows from the person's other careers


@obeys("RIS-8", "AMB-48")
def awaited_degrees(person: Person, career: Career, books: LawBooks) -> dict[str, Fact]:
    """By year of application, the failed reservation after which the exams of its courses wait for the first degree."""
    found = {}
    for year, applied in career.singles.items():
        book = books.for_single_courses(year) if applied.purpose == "failed-reservation" else None
        held = _may_have_failed(person, year, book.rules) if book is not None else None
        if held is not None and held.ground == "degree-pending" and not first_degree_conferred(person, held):
            found[year] = Fact(held.event, held.filed_on)
    return found


# What it forbids


@obeys("CS-1")
def application_window_is_open(case: Case) -> Reason | None:
    window = case.law.CS_1
    if window is None or window.first <= case.day <= window.last:
        return None
    return case.no("CS-1", Clears(window.first) if case.day < window.first else None, first_day=window.first,
                   last_day=window.last)


@obeys("CS-2")
def cfu_are_within_the_limit(case: Case) -> Reason | None:
    """At most 36 CFU, unless for the requirements of a master's or of teaching classes."""
    data = case.of(SingleCoursesEnrolled)
    total = sum(c.cfu for c in data.courses)
    limit = case.law.CS_2 if data.purpose not in ("admission-requirements", "teaching-classes") else None
    if limit is None or total <= limit.cfu:
        return None
    return case.no("CS-2", DONE, cfu=total, most_cfu=limit.cfu)


@obeys("CS-3")
def applies_once(case: Case) -> Reason | None:
    """One application in an academic year, and no additions to it; in 2019-20 only additions are excluded."""
    data = case.of(SingleCoursesEnrolled)
    applied = [career for career in case.person.careers.values() if data.academic_year in career.singles]
    rule = case.law.CS_3 if applied else None
    if rule is None:
        return None
    for career in applied:
        if rule.one_per == "person" or career is case.career:
            return case.no("CS-3", academic_year=data.academic_year, career=career.name)
    return None


_ENROLLED = frozenset({"enrolled", "enrolled-with-reservation", "withdrawal-pending", "suspended"})


@obeys("CS-8", "AMB-24", "AMB-43")
def is_compatible_with_her_careers(case: Case) -> Reason | None:
    """Not while suspended or interrupted; beside a degree programme only where the year allows it, and for courses
    outside her own plan. Doctoral students need a clearance: where it is asked for it must be given."""
    data = case.of(SingleCoursesEnrolled)
    hers = [career for career in case.person.careers.values() if career.status in _ENROLLED]
    rule = case.law.CS_8 if hers or data.clearance is False else None
    if rule is None:
        return None
    if data.clearance is False:
        return case.no("CS-8/clearance", DONE, interpretation="AMB-24")
    for career in hers:
        if career.suspended_on is not None and rule.enrolled != "allowed":
            return case.no("CS-8/suspended", DONE, [Fact(career.suspended_event, career.suspended_on)]
                           if career.suspended_event is not None else (), career=career.name)
        gap = [] if career.is_enrolled_in(data.academic_year) else years_interrupted(career, data.academic_year)
        if gap and rule.enrolled != "allowed":
            return case.no("CS-8/interrupted", DONE, career=career.name, academic_year=gap[-1])
        if rule.enrolled == "never":
            return case.no("CS-8/enrolled", career=career.name, academic_year=data.academic_year)
        if rule.enrolled == "outside-own-plan":
            own = sorted(c.code for c in data.courses if c.in_own_plan or _is_planned(career, c.code))
            if own:
                return case.no("CS-8", DONE, courses=tuple(own))
    return None


def _is_planned(career: Career, code: str) -> bool:
    return any(code in plan for plan in career.plans.values())


@obeys("CS-11")
def application_of(career: Career, academic_year: str) -> SingleCoursesEnrolled | None:
    """The application for single courses that a call of the year rests on; in a year without one, the latest."""
    return career.singles.get(academic_year) or (career.singles[max(career.singles)] if career.singles else None)


def single_course(career: Career, code: str, academic_year: str) -> SingleCourse | None:
    applied = application_of(career, academic_year)
    return next((c for c in applied.courses if c.code == code), None) if applied is not None else None


@obeys("CS-6", "BLK-6", "AMB-16")
@reads("singles")
def single_course_is_paid(case: Case) -> Reason | None:
    """Paid, and so many working days ahead of the exam; in 2019-20 paid at all."""
    data, career = case.of(ExamBooked), case.career
    applied = application_of(career, data.academic_year)
    if applied is None or career.enrolments:
        return None
    book = case.books.for_single_courses(applied.academic_year)
    rule = book.rules.CS_6 if book is not None else None
    if book is None or rule is None:
        return None
    key = f"{applied.academic_year}:single-courses"
    if (gap := career.gaps.get(("charge", key))) is not None:
        raise price_that_is_unknown(key, gap.unknown)
    for charge in career.charges.values():
        if charge.base_kind != "single-courses" or charge.year != applied.academic_year:
            continue
        last = last_payment_day(data.held_on, rule.working_days) if rule.working_days is not None else None
        if charge.outstanding > ZERO:
            owed = {"charge": charge.key, "amount": charge.outstanding}
            if last is None or rule.working_days is None:
                return reason(book, "CS-6", says("CS-6", **owed), DONE, charge.facts)
            if case.day <= last:
                return reason(book, "CS-6", says("CS-6/by", **owed, last_day=last), DONE, charge.facts, "AMB-16")
            return reason(book, "CS-6", says("CS-6/later-exam", **owed, days=rule.working_days),
                          Clears(first_exam_day(case.day, rule.working_days)), charge.facts, "AMB-16")
        if last is not None and rule.working_days is not None and charge.paid_on is not None and charge.paid_on > last:
            return reason(book, "CS-6", says("CS-6/late", charge=charge.key, paid_on=charge.paid_on,
                                             days=rule.working_days, last_day=last),
                          Clears(first_exam_day(charge.paid_on, rule.working_days)), charge.facts, "AMB-16")
    return None


@obeys("CS-11", "AMB-18")
@reads("singles")
def single_course_is_still_valid(case: Case) -> Reason | None:
    data, career = case.of(ExamBooked), case.career
    applied = application_of(career, data.academic_year)
    if applied is None or career.enrolments:
        return None
    book = case.books.for_single_courses(applied.academic_year)
    if book is None or book.rules.CS_11 is None:
        return None
    last = book.rules.CS_11.reserved_until if applied.reserved_session else book.rules.CS_11.until
    if data.held_on <= last:
        return None
    return reason(book, "CS-11", says("CS-11", academic_year=applied.academic_year, last_day=last))


@obeys("RIS-8", "AMB-48", "AMB-33")
@reads("awaited_degree")
def first_degree_is_conferred(case: Case) -> Reason | None:
    """Single courses after a failed reservation: their exams wait for the first degree. One conferred elsewhere is not
    known here."""
    data, career = case.of(ExamBooked), case.career
    applied = application_of(career, data.academic_year)
    failed = career.awaited_degree.get(applied.academic_year) if applied is not None and not career.enrolments else None
    book = case.books.for_single_courses(applied.academic_year) if applied is not None else None
    if failed is None or book is None or book.rules.RIS_8 is None or not book.rules.RIS_8.free_for:
        return None
    return reason(book, "RIS-8",
                  says("RIS-8"), DONE, (failed,), "AMB-48")


# What is open


@obeys("CS-5")
@reads("charges")
def not_paid_in_time(person: Person, career: Career, books: LawBooks) -> Iterator[StillOpen]:
    """Paid after the days that the guides give for it, or not at all: nothing follows from it by itself."""
    for charge in career.charges.values():
        due = charge.due_on
        if charge.base_kind not in ("single-courses", "single-courses-stamp") or due is None or person.day <= due:
            continue
        book = books.for_single_courses(charge.year)
        if book is None or "CS-5" not in book.ids or not charge.facts:
            continue
        if charge.outstanding:
            yield StillOpen(charge.facts[0].event, reason(book, "CS-5", says(
                "CS-5/unpaid", charge=charge.key, amount=charge.outstanding, last_day=due), facts=charge.facts))
        elif charge.completed_by is not None and charge.completed_by.on > due and not charge.completed_by.spared:
            yield StillOpen(charge.completed_by.event, reason(book, "CS-5", says(
                "CS-5/late", charge=charge.key, paid_on=charge.completed_by.on, last_day=due), facts=charge.facts))
