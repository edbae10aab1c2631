"""Exams: may a call be booked, does a result count, may a grade be refused (ESA, PRN, VRB, ENR; section 6)."""

from collections.abc import Iterator
from datetime import date, timedelta

from ..books import LawBooks
from ..case import Case, Predicate
from ..events import Event, ExamAnnulled, ExamBooked, ExamBookingCancelled, ExamGraded, GradeRefused, PlanCourse
from ..phrases import says
from ..reasons import DONE, Clears, Fact, Reason, reason
from ..registry import obeys
from ..rulebook import RuleBook
from ..state import Booking, Career, Person, Result
from ..values import ONE_DAY
from .chapter import Questions, against, data_of, reads
from .single_courses import application_of, single_course

# What a fact changes


def exam_booked(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    career.book(Booking(data_of(event, ExamBooked), event.effective_on, event.id))


@obeys("PRN-4")
def exam_booking_cancelled(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """Accepted also after the term."""
    data = data_of(event, ExamBookingCancelled)
    career.close_bookings(data.course, data.held_on, event.effective_on)


@obeys("VRB-1", "VRB-2", "VRB-3", "PRN-5", "AMB-25", "AMB-36")
def exam_graded(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """A written result counts from the day after `refuse_by`; oral (also written then oral), or without that day, at
    once. None counts before it was held."""
    data = data_of(event, ExamGraded)
    counts = max(event.effective_on, data.held_on)
    if data.mode == "written" and data.refuse_by is not None:
        counts = max(counts, data.refuse_by + ONE_DAY)
    career.results.append(Result(data, event.effective_on, event.id, counts))
    career.close_bookings(data.course, data.held_on, event.effective_on)
    person.touched.add(career.name)
    _note_result(career, event.effective_on)


def _note_result(career: Career, day: date) -> None:
    """A result matters to charges only while a withdrawal lives; a written one counts on a later day."""
    career.stale = career.stale or career.withdrawal is not None
    counts = career.results[-1].counts_from
    if counts > day and (career.next_result is None or counts < career.next_result):
        career.next_result = counts


def find_result(career: Career, course: str, held_on: date) -> Result | None:
    return next((r for r in reversed(career.results) if r.data.course == course and r.data.held_on == held_on
                 and not r.refused and not r.annulled), None)


@obeys("VRB-1", "VRB-2")
def grade_refused(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """Takes a written result back up to the teacher's day; later, or for an oral exam, it changes nothing."""
    data = data_of(event, GradeRefused)
    result = find_result(career, data.course, data.held_on)
    last = result.data.refuse_by if result is not None and result.data.mode == "written" else None
    if result is not None and last is not None and event.effective_on <= last:
        result.refused = True
        career.take_back(result, event.effective_on)


@obeys("ESA-7")
def exam_annulled(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    data = data_of(event, ExamAnnulled)
    result = find_result(career, data.course, data.held_on)
    if result is not None:
        result.annulled = True
        career.take_back(result, event.effective_on)
    career.close_bookings(data.course, data.held_on, event.effective_on)


# What it forbids


@obeys("ESA-1", "AMB-44")
def planned_course(career: Career, code: str, academic_year: str) -> tuple[str, PlanCourse] | None:
    """(plan year, course) of a course in the latest approved plan that is not after the call's year."""
    found = ""
    for year, courses in career.plans.items():
        if found < year <= academic_year and code in courses:
            found = year
    return (found, career.plans[found][code]) if found else None


def _planned(case: Case, data: ExamBooked) -> tuple[str, PlanCourse] | None:
    """The same of a call, looked for once for all predicates that ask."""
    if case.planned is False:
        case.planned = planned_course(case.career, data.course, data.academic_year)
    return case.planned


@obeys("ENR", "END", "RIN-7", "AMB-35")
def is_enrolled_for_the_call(case: Case) -> Reason | None:
    """Enrolled (also with reservation) for the call's academic year, in a career that has neither ended nor is
    suspended. A call that follows a later book (AMB-35) asks its own year's nothing."""
    data, career = case.of(ExamBooked), case.career
    if career.ended is not None:
        return case.no("ENR/ended", status=career.ended)
    career.must_know_the_end()
    if career.suspended_on is not None:
        return case.no("ENR/suspended", DONE)
    if career.is_enrolled_in(data.academic_year):
        if career.gaps and case.follows(data.academic_year):
            career.must_know("charge", f"{data.academic_year}:enrolment")
            career.must_know("enrolment", data.academic_year)
        return None
    pending = career.enrolment_in(data.academic_year)
    if pending is not None and pending.charge:
        return case.no("ENR/unpaid", DONE, academic_year=data.academic_year, charge=pending.charge)
    return case.no("ENR", DONE, academic_year=data.academic_year)


@obeys("ESA-1", "PDS-4", "AMB-44")
def course_is_in_the_plan(case: Case) -> Reason | None:
    """In an approved plan of the call's or an earlier year, of a year that the career has reached, unless
    anticipated."""
    data, career = case.of(ExamBooked), case.career
    if career.singles and not career.enrolments:
        if single_course(career, data.course, data.academic_year) is not None:
            return None
        return case.no("ESA-1/single-course", course=data.course)
    found = _planned(case, data)
    if found is None:
        return case.no("ESA-1", DONE, course=data.course, academic_year=data.academic_year)
    current = career.current_enrolment
    year = current.year if current is not None else 0
    if current is not None and found[1].year > 1:
        career.must_know("year", current.academic_year)
    if found[1].year <= year or (found[1].anticipated and case.book.has("PDS-4")):
        return None
    return case.no("ESA-1/later-year", DONE, course=data.course, course_year=found[1].year, year=year)


@obeys("ESA-1F", "ESA-2")
@reads("plans", "singles")
def attendance_is_matured(case: Case) -> Reason | None:
    """The lectures have ended before the exam's day."""
    data = case.of(ExamBooked)
    found = _planned(case, data)
    single = single_course(case.career, data.course, data.academic_year) if found is None else None
    ends = found[1].lectures_end_on if found is not None else single.lectures_end_on if single is not None else None
    if ends is None or ends < data.held_on or (single is not None and not _matures(case, data.academic_year)):
        return None
    return case.no("ESA-1F", Clears(ends + ONE_DAY), course=data.course, last_day=ends)


@obeys("CS-7")
def _matures(case: Case, academic_year: str) -> bool:
    """Whether single courses too are sat after their lectures, by the book of their application."""
    applied = application_of(case.career, academic_year)
    book = case.books.for_single_courses(applied.academic_year) if applied is not None else None
    return book is not None and book.has("CS-7")


@obeys("ESA-3")
@reads("plans")
def semester_fits_the_session(case: Case) -> Reason | None:
    """A second-semester course of the call's year's plan is not sat in the winter session."""
    data = case.of(ExamBooked)
    found = _planned(case, data)
    if found is None or data.session != "winter" or found[0] != data.academic_year or found[1].semester != 2:
        return None
    return case.no("ESA-3", Clears(found[1].lectures_end_on + ONE_DAY), course=data.course)


@obeys("ESA-4", "PRN-5")
@reads("results", "recognitions")
def exam_is_not_passed(case: Case) -> Reason | None:
    """A failed exam does not bar the next call; a passed or recognised one does."""
    data = case.of(ExamBooked)
    result = case.career.passed_in(data.course, case.day)
    if result is not None:
        return case.no("ESA-4", facts=[Fact(result.event, result.on)], course=data.course, held_on=result.data.held_on)
    recognised = case.career.recognised().get(data.course) if case.career.recognitions else None
    if recognised is None:
        return None
    on = next(day for day, event, _ in case.career.recognitions if event == recognised)
    return case.no("ESA-4/recognised", facts=[Fact(recognised, on)], course=data.course)


@obeys("ESA-6")
@reads("plans")
def prerequisites_are_met(case: Case) -> Reason | None:
    """Every prerequisite in the plan is passed or recognised."""
    data, career = case.of(ExamBooked), case.career
    found = _planned(case, data)
    if found is None or not found[1].prerequisites:
        return None
    passed, recognised = career.passed(case.day), career.recognised()
    missing = [code for code in found[1].prerequisites if code not in passed and code not in recognised]
    if not missing:
        return None
    return case.no("ESA-6", DONE, course=data.course, courses=tuple(missing))


@obeys("PRN-1")
def booking_has_not_closed(case: Case) -> Reason | None:
    data = case.of(ExamBooked)
    if case.law.PRN_1 is None:
        return None
    last = data.held_on - timedelta(days=case.law.PRN_1.days)
    if case.day <= last:
        return None
    return case.no("PRN-1", DONE, last_day=last)


@obeys("PRN-2", "AMB-14")
def booking_has_opened(case: Case) -> Reason | None:
    """The call's own opening day, else so many days before the calls start."""
    data = case.of(ExamBooked)
    if case.day >= (data.opens_on or data.calls_start_on) or case.law.PRN_2 is None:
        return None
    opens = data.opens_on or data.calls_start_on - timedelta(days=case.law.PRN_2.days)
    if case.day >= opens:
        return None
    return case.no("PRN-2", Clears(opens), first_day=opens)


@obeys("PRN-D")
@reads("bookings")
def call_is_not_booked_already(case: Case) -> Reason | None:
    data = case.of(ExamBooked)
    booking = case.career.open_booking(data.course, data.held_on)
    if booking is None:
        return None
    return case.no("PRN-D", DONE, [Fact(booking.event, booking.on)], course=data.course, held_on=data.held_on)


SILENCED_BY_ESA_1 = frozenset({"ESA-1F", "ESA-3", "ESA-6"})


@obeys("ESA-7")
def reasons_against(case: Case, asked: Questions[Predicate], lifted: frozenset[str] = frozenset()) -> list[Reason]:
    """All reasons against an exam; a course that is in no plan says nothing about lectures, semester and
    prerequisites."""
    found = against(case, asked)
    if "ESA-1" not in lifted and any(r.rule == "ESA-1" for r in found):
        found = [r for r in found if r.rule not in SILENCED_BY_ESA_1]
    return found


@obeys("VRB-1")
def written_grade_can_be_refused(case: Case) -> Reason | None:
    """Up to the teacher's day."""
    data = case.of(GradeRefused)
    result = find_result(case.career, data.course, data.held_on)
    if result is None or result.data.outcome != "passed":
        return case.no("VRB-1/no-grade", course=data.course, held_on=data.held_on)
    last = result.data.refuse_by
    if result.data.mode == "oral" or (last is not None and case.day <= last):
        return None
    facts = [Fact(result.event, result.on)]
    return case.no("VRB-1/too-late", facts=facts, last_day=last) if last is not None else case.no("VRB-1", facts=facts)


@obeys("VRB-2", "VRB-3")
def grade_is_not_oral(case: Case) -> Reason | None:
    data = case.of(GradeRefused)
    result = find_result(case.career, data.course, data.held_on)
    if result is None or result.data.outcome != "passed" or result.data.mode != "oral":
        return None
    return case.no("VRB-2", facts=[Fact(result.event, result.on)])


# What does not fit it


@obeys("PRN-4")
def cancelled_late(person: Person, career: Career, event: Event, book: RuleBook | None,
                   books: LawBooks) -> Iterator[Reason]:
    """After the term of the booking, which the guides ask and do not punish; or a booking that is not there."""
    data = data_of(event, ExamBookingCancelled)
    booking = career.open_booking(data.course, data.held_on)
    if booking is None:
        yield reason(books.own, "SEQ", says("SEQ/no-booking", course=data.course, held_on=data.held_on))
        return
    law = books.for_late_degrees(booking.data.academic_year, data.held_on)
    term = law.rules.PRN_1 if law is not None and "PRN-4" in law.asked else None
    if law is None or term is None:
        return
    last = data.held_on - timedelta(days=term.days)
    if event.effective_on > last and law.has("PRN-4"):
        yield reason(law, "PRN-4", says("PRN-4", course=data.course, held_on=data.held_on, last_day=last))


@obeys("SEQ")
def annulled_nothing(person: Person, career: Career, event: Event, book: RuleBook | None,
                     books: LawBooks) -> Iterator[Reason]:
    data = data_of(event, ExamAnnulled)
    if find_result(career, data.course, data.held_on) is None:
        yield reason(books.own, "SEQ", says("SEQ/no-exam", course=data.course, held_on=data.held_on))
