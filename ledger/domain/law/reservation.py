"""Enrolment with reservation (RIS-1..7, RIS-9, BLK-5)."""

from collections.abc import Iterable, Iterator
from datetime import date

from ..books import LawBooks
from ..case import Case
from ..events import EnrolledWithReservation, Event, ReservationLifted
from ..phrases import says
from ..reasons import DONE, Clears, Fact, Reason, reason
from ..registry import obeys
from ..rulebook import DegreeTerm, RuleBook, SingleCoursesPending, UnknownValue
from ..state import RESERVATION, Block, Career, Charge, Person, Reservation
from .chapter import NEVER, Annulment, Deadline, data_of, end, ends_after, reads
from .enrolment import enrolled

# What a fact changes


@obeys("RIS-1", "RIS-6", "RIS-3", "AMB-18", "AMB-45")
def enrolled_with_reservation(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    data = data_of(event, EnrolledWithReservation)
    enrolled(person, career, event, books)
    if career.reservation is not None:  # another takes its place, and what of it cannot be told matters no more
        career.gaps.pop(("reservation", career.reservation.academic_year), None)
    try:
        term, sure_until, officer_until = _term(data.ground, books.of(data.academic_year))
    except UnknownValue as unknown:
        term = sure_until = officer_until = NEVER
        career.leave_open("reservation", data.academic_year, unknown, "fact", event.effective_on, event=event.id)
    career.reservation = Reservation(data.ground, event.effective_on, event.id, term,
                                     data.home_university, data.home_career, data.academic_year, sure_until,
                                     officer_until)
    home = person.careers.get(data.home_career or "")
    if data.ground == "degree-pending" and home is not None and home.graduated is not None and home is not career:
        lift(career, event.effective_on)


def _term(ground: str, book: RuleBook | None) -> tuple[date, date, date]:
    """The last day of a reservation, the last one on which nobody has to decide whether it is met, and the last one on
    which somebody can."""
    if book is None:
        return NEVER, NEVER, NEVER
    if ground != "degree-pending":
        return (book.rules.RIS_3.until if book.rules.RIS_3 is not None else NEVER,) * 3
    rule = book.rules.RIS_6
    if rule is None:
        return NEVER, NEVER, NEVER
    return rule.until, rule.sure_until or rule.until, rule.officer_until or rule.until


def lift(career: Career, day: date) -> None:
    held = career.reservation
    if held is not None and held.lifted_on is None and held.declined_on is None:
        held.lifted_on, held.lapsed_on = day, None
        if career.ended == "reservation-lapsed":
            career.ended, career.ended_on, career.ended_event = None, None, None
        career.unsettled = True


@obeys("RIS-6", "AMB-45")
def reservation_lifted(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    lift(career, event.effective_on)


def meet(career: Career, degree: Fact) -> None:
    """The degree that a reservation waits for: it lifts it in time, and after the sure day an officer decides."""
    held = career.reservation
    if held is not None and degree.on <= held.sure_until:
        lift(career, degree.on)
    elif held is not None and degree.on <= held.officer_until:
        held.met_late = degree


@obeys("LAU-8", "LAU-9")
def reservation_declined(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """A notice given before the degree ends the reserved enrolment; afterwards it has no effect (LAU-9)."""
    held = career.reservation
    if held is not None and held.alive and career.ended is None:
        held.declined_on = event.effective_on
        end(career, "reservation-lapsed", event.effective_on, event.id)


@obeys("RIS-4")
def enrolment_cancelled(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    end(career, "cancelled", event.effective_on, event.id)


# What time brings


def _last_day(career: Career, books: LawBooks) -> date | None:
    held = career.reservation
    if held is None or not held.alive or held.term == NEVER or held.met_late is not None:
        return None
    book = books.of(held.academic_year)
    return ends_after(book, "RIS-7", held.term) if book is not None else None


@obeys("RIS-7", "RIS-6", "AMB-18")
def _lapse(career: Career, day: date, books: LawBooks) -> None:
    held = career.reservation
    if held is not None:
        held.lapsed_on = day
        end(career, "reservation-lapsed", day, held.event)


@obeys("RIS-6", "RIS-3", "AMB-18", "AMB-52")
def term_moves(career: Career, day: date, before: LawBooks, after: LawBooks) -> None:
    held = career.reservation
    if held is not None and held.alive and held.term >= day and before.of(held.academic_year) is not after.of(
            held.academic_year):
        held.term, held.sure_until, held.officer_until = _term(held.ground, after.of(held.academic_year))


LAPSES = Deadline("RIS-7", _last_day, _lapse)


@obeys("RIS-7", "AMB-45")
def _has_lapsed(career: Career, charge: Charge, books: LawBooks) -> bool:
    return career.ended == "reservation-lapsed"


@obeys("RIS-4", "AMB-45")
def _is_cancelled(career: Career, charge: Charge, books: LawBooks) -> bool:
    return career.ended == "cancelled"


ANNULMENTS = (Annulment("RIS-7", _has_lapsed), Annulment("RIS-4", _is_cancelled))
"""What is unpaid of a reservation that lapsed and of a cancelled enrolment falls away; a reservation lifted after all
brings it back."""


@obeys("BLK-5", "AMB-45", "BLK-8")
def reservation_block(career: Career, day: date, books: LawBooks) -> Iterator[Block]:
    """From filing until the reservation is lifted, lapses or is declined."""
    held = career.reservation
    book = books.of(held.academic_year) if held is not None and career.under_reservation else None
    if held is not None and book is not None and book.has("BLK-5"):
        career.must_know("reservation", held.academic_year)
        yield Block(RESERVATION, "BLK-5", None, day,
                    says("BLK-5", last_day=held.term) if held.term != NEVER else says("BLK-5/no-term"), None,
                    "AMB-45", held.academic_year,
                    (Fact(held.event, held.filed_on),))


# What it forbids


@obeys("RIS-1")
def reservation_is_for_masters(case: Case) -> Reason | None:
    data = case.of(EnrolledWithReservation)
    if data.course_type == "master":
        return None
    return case.no("RIS-1", DONE)


@obeys("RIS-2")
def little_is_missing(case: Case) -> Reason | None:
    """Candidates: at most 3 exams and 24 CFU, an internship among them only if started."""
    data = case.of(EnrolledWithReservation)
    if data.ground == "single-courses-pending":
        return None
    limit = case.law.RIS_2
    if limit is None:
        return None
    if data.missing_exams > limit.exams or data.missing_cfu > limit.cfu:
        return case.no("RIS-2", DONE, missing_exams=data.missing_exams, missing_cfu=data.missing_cfu,
                       most_exams=limit.exams,
                       most_cfu=limit.cfu)
    if data.internship_started is False:
        return case.no("RIS-2/internship", DONE)
    return None


@obeys("RIS-3")
def few_single_courses_are_missing(case: Case) -> Reason | None:
    data = case.of(EnrolledWithReservation)
    limit = case.law.RIS_3 if data.ground == "single-courses-pending" else None
    if limit is None or data.missing_cfu <= limit.cfu:
        return None
    return case.no("RIS-3", DONE, missing_cfu=data.missing_cfu, most_cfu=limit.cfu)


@obeys("RIS-3")
def waits_for_single_courses_of_their_year(case: Case) -> Reason | None:
    """Graduates on single courses of the year that the guide names: here, or elsewhere, which `home_university`
    states."""
    data = case.of(EnrolledWithReservation)
    if data.ground != "single-courses-pending" or data.home_university == "other":
        return None
    rule = case.law.RIS_3
    if rule is None or rule.courses_of is None:
        return None
    if any(rule.courses_of in career.singles for career in case.person.careers.values()):
        return None
    return case.no("RIS-3/no-courses", DONE, academic_year=rule.courses_of)


@obeys("RIS-1", "RIS-6", "AMB-52")
def degree_can_still_come(case: Case) -> Reason | None:
    """A reservation is not granted after the last day on which it could be met."""
    ground = case.of(EnrolledWithReservation).ground
    return _too_late(case, "RIS-1", case.law.RIS_6) if ground == "degree-pending" else None


@obeys("RIS-3")
def single_courses_can_still_be_passed(case: Case) -> Reason | None:
    ground = case.of(EnrolledWithReservation).ground
    return _too_late(case, "RIS-3", case.law.RIS_3) if ground == "single-courses-pending" else None


def _too_late(case: Case, rule: str, term: DegreeTerm | SingleCoursesPending | None) -> Reason | None:
    if term is None:
        return None
    if isinstance(term, DegreeTerm) and term.sure_until is not None and term.sure_until < case.day <= term.until:
        return _for_an_officer(case, rule, (), term.sure_until, term.until)
    if case.day <= term.until:
        return None
    return case.no("RIS-1/too-late", interpretation="AMB-18", rule=rule, last_day=term.until)


def _for_an_officer(case: Case, rule: str, facts: Iterable[Fact], sure_until: date, moved_to: date) -> Reason:
    return case.no("RIS-6/officer", DONE, facts, rule=rule, interpretation="AMB-52", rule_id=rule,
                   last_day=sure_until, moved_to=moved_to)


@obeys("RIS-6", "AMB-45", "LAU-8", "AMB-52")
def reservation_is_met_in_time(case: Case) -> Reason | None:
    """The evidence fits the ground of the reservation and the degree (or the exams) came by its term."""
    data = case.of(ReservationLifted)
    held = case.career.reservation
    if held is None or held.lifted_on is not None or held.declined_on is not None:
        return case.no("RIS-6/none")
    fact = [Fact(held.event, held.filed_on)]
    if (data.evidence == "degree-conferred") != (held.ground == "degree-pending"):
        return case.no("RIS-6/evidence", DONE, fact, evidence=data.evidence, ground=held.ground)
    met = data.conferred_on or case.day
    if met > case.day:
        return case.no("RIS-6/ahead", Clears(met), fact, conferred_on=met)
    if held.term == NEVER:
        case.career.must_know("reservation", held.academic_year)
    if met > held.officer_until:
        return case.no("RIS-6", facts=fact, interpretation="AMB-18", last_day=held.officer_until)
    if met > held.sure_until:
        return _for_an_officer(case, "RIS-6", fact, held.sure_until, held.officer_until)
    return None


@obeys("RIS-5", "SEQ")
@reads("reservation")
def is_not_under_reservation(case: Case) -> Reason | None:
    held = case.career.reservation
    if held is None or not case.career.under_reservation:
        return None
    case.career.must_know("reservation", held.academic_year)
    return case.no("RIS-5", DONE)


@obeys("ESA-5", "RIS-9")
@reads("reservation")
def is_free_of_reservation(case: Case) -> Reason | None:
    held = case.career.reservation
    if held is None or not case.career.under_reservation:
        return None
    case.career.must_know("reservation", held.academic_year)
    fact = [Fact(held.event, held.filed_on)]
    return (case.no("ESA-5", DONE, fact, last_day=held.term) if held.term != NEVER
            else case.no("ESA-5/no-term", DONE, fact))


# What does not fit it


@obeys("LAU-9")
def declined_too_late(person: Person, career: Career, event: Event, book: RuleBook | None,
                      books: LawBooks) -> Iterator[Reason]:
    held = career.reservation
    if book is not None and (held is None or held.lifted_on is not None) and book.rules.LAU_9 is not None:
        yield reason(book, "LAU-9", says("LAU-9" if held is not None else "LAU-9/none"))
