"""Exams: may a call be booked, may a grade be refused, may a plan be filed (section 6; ESA, PRN, VRB, CS-6, CS-11, PDS-1)."""

from datetime import timedelta

from ..blocks import ADMINISTRATIVE, EXAM_BOOKING, RESERVATION
from ..case import Case, Predicate
from ..events import ExamBooked, GradeRefused, PlanCourse, SingleCourse, SingleCoursesEnrolled, StudyPlanSubmitted
from ..evolve import find_result
from ..reasons import Clears, Fact, Reason, reason
from ..registry import obeys
from ..single_courses import first_exam_day, last_payment_day
from ..state import Block, Career
from ..study_plan import plan_window
from ..values import ONE_DAY, ZERO


@obeys("ESA-1", "AMB-44")
def planned_course(career: Career, code: str, academic_year: str) -> tuple[str, PlanCourse] | None:
    """(plan year, course) of a course in the latest approved plan that is not after the call's year."""
    for year in sorted(career.plans, reverse=True):
        if year <= academic_year and code in career.plans[year]:
            return year, career.plans[year][code]
    return None


@obeys("CS-11")
def application_of(career: Career, academic_year: str) -> SingleCoursesEnrolled | None:
    """The application for single courses that a call of the year rests on; in a year without one, the latest."""
    return career.singles.get(academic_year) or (career.singles[max(career.singles)] if career.singles else None)


def single_course(career: Career, code: str, academic_year: str) -> SingleCourse | None:
    applied = application_of(career, academic_year)
    return next((c for c in applied.courses if c.code == code), None) if applied is not None else None


@obeys("ESA-5", "RIS-5", "RIS-9", "BLK-5")
def is_free_of_reservation(case: Case) -> Reason | None:
    block = next((b for b in case.career.blocks.values() if b.kind == RESERVATION), None)
    if block is None:
        return None
    return case.no("ESA-5", "Enrolled with reservation: no exam can be sat before it is lifted.", Clears(block.how_to_lift), block.facts)


def _blocks(case: Case, kind: str) -> list[Block]:
    return sorted((b for b in case.career.blocks.values() if b.kind == kind), key=lambda b: (b.charge or "", b.rule))


@obeys("BLK-1", "AMB-1", "AMB-2", "AMB-4")
def instalments_are_paid(case: Case) -> Reason | None:
    found = _blocks(case, EXAM_BOOKING)
    if not found:
        return None
    book = case.books.of(found[0].year) or case.book
    return reason(book, found[0].rule, " ".join(b.reason for b in found), Clears("; ".join(b.how_to_lift for b in found)),
                  tuple(f for b in found for f in b.facts), found[0].interpretation)


@obeys("BLK-3", "AMB-3", "AMB-32")
def career_is_not_blocked(case: Case) -> Reason | None:
    found = _blocks(case, ADMINISTRATIVE)
    if not found:
        return None
    book = case.books.of(found[0].year) or case.book
    return reason(book, found[0].rule, "Administrative block: " + " ".join(b.reason for b in found),
                  Clears("; ".join(b.how_to_lift for b in found)), tuple(f for b in found for f in b.facts), "AMB-3")


@obeys("ENR", "END", "RIN-7")
def is_enrolled_for_the_call(case: Case) -> Reason | None:
    """Enrolled (also with reservation) for the call's academic year, in a career that has neither ended nor is suspended."""
    data, career = case.of(ExamBooked), case.career
    if career.ended is not None:
        return case.no("ENR", f"The career has ended ({career.ended}).")
    if career.suspended_on is not None:
        return case.no("ENR", "The career is suspended.", "resume the career")
    if career.is_enrolled_in(data.academic_year):
        return None
    pending = career.enrolment_in(data.academic_year)
    how = f"pay {pending.charge}" if pending is not None and pending.charge else f"enrol for {data.academic_year}"
    return case.no("ENR", f"Not enrolled for {data.academic_year}.", how)


@obeys("RIN", "RIN-3")
def has_not_filed_a_withdrawal(case: Case) -> Reason | None:
    alive = case.career.withdrawal
    if alive is None or case.career.ended is not None:
        return None
    clears = Clears("the withdrawal lapses unless its stamp is paid", alive.last_day + ONE_DAY) \
        if alive.last_day is not None and alive.perfected_on is None else None
    return case.no("RIN", f"A withdrawal filed on {alive.filed_on.isoformat()} is alive.", clears, [Fact(alive.event, alive.filed_on)])


@obeys("ESA-1", "PDS-4", "AMB-44")
def course_is_in_the_plan(case: Case) -> Reason | None:
    """In an approved plan of the call's or an earlier year, of a year that the career has reached, unless anticipated."""
    data, career = case.of(ExamBooked), case.career
    if career.singles and not career.enrolments:
        if single_course(career, data.course, data.academic_year) is not None:
            return None
        return case.no("ESA-1", f"{data.course} is not among the single courses applied for.")
    found = planned_course(career, data.course, data.academic_year)
    if found is None:
        return case.no("ESA-1", f"{data.course} is in no approved study plan up to {data.academic_year}.",
                       "an approved study plan that contains it")
    current = career.current_enrolment
    year = current.year if current is not None else 0
    if found[1].year <= year or found[1].anticipated:
        return None
    return case.no("ESA-1", f"{data.course} belongs to year {found[1].year}; the career is in year {year}.",
                   f"reach year {found[1].year}, or have the course anticipated in the plan")


@obeys("ESA-1F", "ESA-1", "ESA-2", "CS-7")
def attendance_is_matured(case: Case) -> Reason | None:
    """The lectures have ended before the exam's day."""
    data = case.of(ExamBooked)
    found = planned_course(case.career, data.course, data.academic_year)
    single = single_course(case.career, data.course, data.academic_year)
    ends = found[1].lectures_end_on if found is not None else single.lectures_end_on if single is not None else None
    if ends is None or ends < data.held_on:
        return None
    return case.no("ESA-1F", f"The lectures of {data.course} end on {ends.isoformat()}.",
                   Clears("an exam after the lectures", ends + ONE_DAY))


@obeys("ESA-3")
def semester_fits_the_session(case: Case) -> Reason | None:
    """A second-semester course of the call's year's plan is not sat in the winter session."""
    data = case.of(ExamBooked)
    found = planned_course(case.career, data.course, data.academic_year)
    if found is None or data.session != "winter" or found[0] != data.academic_year or found[1].semester != 2:
        return None
    return case.no("ESA-3", f"{data.course} is taught in the second semester: not in the winter session.",
                   Clears("the first call after the lectures", found[1].lectures_end_on + ONE_DAY))


@obeys("ESA-4", "PRN-5")
def exam_is_not_passed(case: Case) -> Reason | None:
    """A failed exam does not bar the next call; a passed or recognised one does."""
    data = case.of(ExamBooked)
    result = case.career.passed(case.day).get(data.course)
    if result is not None:
        return case.no("ESA-4", f"{data.course} was passed on {result.data.held_on.isoformat()}.", facts=[Fact(result.event, result.on)])
    recognised = case.career.recognised().get(data.course)
    if recognised is None:
        return None
    on = next(day for day, event, _ in case.career.recognitions if event == recognised)
    return case.no("ESA-4", f"{data.course} has been recognised.", facts=[Fact(recognised, on)])


@obeys("ESA-6")
def prerequisites_are_met(case: Case) -> Reason | None:
    """Every prerequisite in the plan is passed or recognised."""
    data, career = case.of(ExamBooked), case.career
    found = planned_course(career, data.course, data.academic_year)
    if found is None or not found[1].prerequisites:
        return None
    passed, recognised = career.passed(case.day), career.recognised()
    missing = [code for code in found[1].prerequisites if code not in passed and code not in recognised]
    if not missing:
        return None
    return case.no("ESA-6", f"{data.course} needs {', '.join(missing)} first.", f"pass {', '.join(missing)}")


@obeys("PRN-1")
def booking_has_not_closed(case: Case) -> Reason | None:
    data = case.of(ExamBooked)
    if case.law.PRN_1 is None:
        return None
    last = data.held_on - timedelta(days=case.law.PRN_1.days)
    if case.day <= last:
        return None
    return case.no("PRN-1", f"Booking closed on {last.isoformat()}.", "book the next call")


@obeys("PRN-2", "AMB-14")
def booking_has_opened(case: Case) -> Reason | None:
    """The call's own opening day, else so many days before the calls start."""
    data = case.of(ExamBooked)
    if case.law.PRN_2 is None:
        return None
    opens = data.opens_on or data.calls_start_on - timedelta(days=case.law.PRN_2.days)
    if case.day >= opens:
        return None
    return case.no("PRN-2", f"Booking opens on {opens.isoformat()}.", Clears("booking opens", opens))


@obeys("PRN-D")
def call_is_not_booked_already(case: Case) -> Reason | None:
    data = case.of(ExamBooked)
    booking = case.career.open_booking(data.course, data.held_on)
    if booking is None:
        return None
    return case.no("PRN-D", f"{data.course} on {data.held_on.isoformat()} is booked already.", "cancel the booking first",
                   [Fact(booking.event, booking.on)])


@obeys("CS-6", "BLK-6", "AMB-16")
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
    for charge in career.charges.values():
        if charge.base_kind != "single-courses" or charge.year != applied.academic_year:
            continue
        last = last_payment_day(data.held_on, rule.working_days) if rule.working_days is not None else None
        if charge.outstanding > ZERO:
            what, first = f"pay {charge.outstanding:.2f} euro for {charge.key}", None
            if last is not None and rule.working_days is not None:
                in_time = case.day <= last
                what += f" by {last.isoformat()}" if in_time else f", and book an exam {rule.working_days} working days later or more"
                first = None if in_time else first_exam_day(case.day, rule.working_days)
            return reason(book, "CS-6", f"{charge.key} is not paid.", Clears(what, first), charge.facts, "AMB-16" if last else None)
        if last is not None and rule.working_days is not None and charge.paid_on is not None and charge.paid_on > last:
            return reason(book, "CS-6", f"{charge.key} was paid on {charge.paid_on.isoformat()}, less than {rule.working_days} working "
                          f"days before the exam: the last day was {last.isoformat()}.",
                          Clears("an exam on a later day", first_exam_day(charge.paid_on, rule.working_days)), charge.facts, "AMB-16")
    return None


@obeys("CS-11", "AMB-18")
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
    return reason(book, "CS-11", f"The single courses of {applied.academic_year} could be sat until {last.isoformat()}.")


@obeys("RIS-8", "AMB-48", "AMB-33")
def first_degree_is_conferred(case: Case) -> Reason | None:
    """Single courses after a failed reservation: their exams wait for the first degree. One conferred elsewhere is not known here."""
    data, career = case.of(ExamBooked), case.career
    applied = application_of(career, data.academic_year)
    failed = career.awaited_degree.get(applied.academic_year) if applied is not None and not career.enrolments else None
    book = case.books.for_single_courses(applied.academic_year) if applied is not None else None
    if failed is None or book is None or book.rules.RIS_8 is None:
        return None
    return reason(book, "RIS-8",
                  "Single courses after a failed reservation: their exams can be sat once the first degree has been conferred.",
                  Clears("the first degree, or an officer's override of RIS-8 where another university conferred it"), (failed,), "AMB-48")


@obeys("RIC-5")
def no_change_of_programme_is_asked_for(case: Case) -> Reason | None:
    """2025-26: from the day on which a change of programme is asked for no exam of the career that is left."""
    asked = case.career.change_asked
    book = case.books.of(asked.academic_year) if asked is not None else None
    if asked is None or book is None or book.rules.RIC_5 is None or case.career.ended is not None:
        return None
    return reason(book, "RIC-5",
                  f"A change of programme to {asked.to_career} was asked for on {asked.on.isoformat()}: no further exam of this career.",
                  None, (Fact(asked.event, asked.on),))


BOOKING = (
    is_free_of_reservation, instalments_are_paid, career_is_not_blocked, is_enrolled_for_the_call, has_not_filed_a_withdrawal,
    course_is_in_the_plan, attendance_is_matured, semester_fits_the_session, exam_is_not_passed, prerequisites_are_met,
    booking_has_not_closed, booking_has_opened, call_is_not_booked_already, single_course_is_paid, single_course_is_still_valid,
    first_degree_is_conferred, no_change_of_programme_is_asked_for,
)
"""Every reason against booking a call, in the order of section 6."""

SITTING = (is_free_of_reservation, course_is_in_the_plan, attendance_is_matured, semester_fits_the_session, exam_is_not_passed,
           prerequisites_are_met, single_course_is_paid, single_course_is_still_valid, first_degree_is_conferred)
"""What an exam that was sat must satisfy, else it is to be annulled (ESA-7)."""

SILENCED_BY_ESA_1 = frozenset({"ESA-1F", "ESA-3", "ESA-6"})


@obeys("ESA-7")
def reasons_against(case: Case, predicates: tuple[Predicate, ...] = BOOKING, lifted: frozenset[str] = frozenset()) -> list[Reason]:
    """All reasons against an exam; a course that is in no plan says nothing about lectures, semester and prerequisites."""
    found = [r for p in predicates if (r := p(case)) is not None]
    if "ESA-1" not in lifted and any(r.rule == "ESA-1" for r in found):
        found = [r for r in found if r.rule not in SILENCED_BY_ESA_1]
    return found


@obeys("VRB-1", "VRB-2", "VRB-3")
def grade_can_be_refused(case: Case) -> Reason | None:
    """A written grade up to the teacher's day; an oral one never."""
    data = case.of(GradeRefused)
    result = find_result(case.career, data.course, data.held_on)
    if result is None or result.data.outcome != "passed":
        return case.no("VRB-1", f"There is no grade to refuse for {data.course} on {data.held_on.isoformat()}.")
    fact = [Fact(result.event, result.on)]
    if result.data.mode == "oral":
        return case.no("VRB-2", "The result of an oral exam can only be viewed.", facts=fact)
    if result.data.refuse_by is None or case.day > result.data.refuse_by:
        until = f" The last day was {result.data.refuse_by.isoformat()}." if result.data.refuse_by else ""
        return case.no("VRB-1", f"The grade counts as accepted.{until}", facts=fact)
    return None


@obeys("PDS-1", "AMB-44")
def plan_window_has_opened(case: Case) -> Reason | None:
    """Not before the window; a late study plan is accepted."""
    window = plan_window(case.career, case.law, case.of(StudyPlanSubmitted).academic_year)
    if window is None or case.day >= window.first:
        return None
    return case.no("PDS-1", f"The window for the study plan opens on {window.first.isoformat()}.", Clears("the window opens", window.first))
