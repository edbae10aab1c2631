"""Whether a submission is recorded: the structure that is always enforced, and the rules that can refuse an act.

`decide` is pure: time and ids arrive with the submission. `reasons_against_act` is the one place that says which
predicates judge which type; the refusal, the explanation and the audit all use it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from . import events as e
from .case import Case, Predicate
from .evolve import advance, apply, replay, year_of_act
from .knowledge import in_force, voided
from .reasons import Reason, no_rulebook
from .registry import obeys
from .rulebook import LawBooks, RuleBook
from .rules import access, career, exams, money, recognition, single_courses, withdrawal
from .state import Career, Person
from .submissions import Event, Problem, Rulebook, Submission

Mode = Literal["enforce", "record"]
ROME = ZoneInfo("Europe/Rome")


@dataclass(frozen=True, slots=True)
class Accepted:
    """Record it: under which rule book, and in breach of which rules (overridden, or imported)."""

    rulebook: Rulebook | None
    breaches: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Invalid:
    problems: tuple[Problem, ...]


PREDICATES: dict[str, tuple[Predicate, ...]] = {
    "preenrolled": (career.career_goes_on, access.is_not_enrolled_yet, access.at_most_two_masters_a_year,
                    access.preenrolment_window_is_open, access.selection_is_open, access.visa_applicant_is_in_time,
                    access.applies_again_only_if_not_admitted),
    "enrolled": (career.career_goes_on, access.is_not_enrolled_yet, access.is_preenrolled, access.is_prepared,
                 access.enrols_in_time, access.may_enrol_before_the_council, career.part_time_has_a_listed_category),
    "enrolled-with-reservation": (career.career_goes_on, access.reservation_is_for_masters, access.is_not_enrolled_yet,
                                  access.is_preenrolled, access.is_prepared, access.enrols_in_time,
                                  access.may_enrol_before_the_council, access.little_is_missing,
                                  access.waits_for_single_courses_of_their_year, access.reservation_term_is_ahead,
                                  career.part_time_has_a_listed_category),
    "reservation-lifted": (career.career_goes_on, career.reservation_is_met_in_time),
    "enrolment-renewed": (career.career_goes_on, career.renews_a_later_year),
    "degree-candidacy-declared": (career.career_goes_on, career.no_administrative_block, career.has_been_enrolled,
                                  career.part_time_years_are_complete),
    "graduated": (career.career_goes_on, career.has_been_enrolled, career.is_enrolled_for_the_degree,
                  career.is_not_under_reservation, career.fees_are_paid_for_the_degree, career.part_time_years_are_complete),
    "regime-changed": (career.career_goes_on, career.no_administrative_block, career.part_time_has_a_listed_category,
                       career.part_time_is_within_the_course, career.regime_really_changes,
                       career.regime_changes_in_its_window, career.regime_changes_once),
    "suspended": (career.career_goes_on, career.no_administrative_block, career.is_enrolled_now, career.first_year_stays),
    "resumed": (career.career_goes_on, career.is_suspended, career.has_no_debts_to_resume),
    "programme-changed": (career.career_goes_on, career.no_administrative_block, career.left_career_is_past_its_first_year,
                          career.left_career_is_renewed),
    "transferred-in": (career.career_goes_on, access.does_not_arrive_twice),
    "transferred-out": (career.career_goes_on, career.no_administrative_block, career.has_been_enrolled, career.first_year_stays),
    "recognition-requested": (career.career_goes_on, career.no_administrative_block, recognition.is_preenrolled_before_asking,
                              recognition.has_accepted_the_place, recognition.is_ranked_before_asking,
                              recognition.is_not_too_early, recognition.is_not_too_late,
                              recognition.asks_after_the_first_year, recognition.names_the_career_it_leaves),
    "cfu-recognised": (career.career_goes_on, recognition.recognition_fee_is_paid, recognition.year_follows_from_the_cfu),
    "single-courses-enrolled": (career.career_goes_on, career.no_administrative_block, single_courses.application_window_is_open,
                                single_courses.cfu_are_within_the_limit, single_courses.applies_once,
                                single_courses.is_compatible_with_her_careers),
    "instalment-plan-agreed": (career.career_goes_on, money.plan_may_be_agreed),
    "study-plan-submitted": (career.career_goes_on, career.no_administrative_block, exams.plan_window_has_opened),
    "exam-booked": exams.BOOKING,
    "grade-refused": (career.career_goes_on, exams.grade_can_be_refused),
    "withdrawal-requested": (career.career_goes_on, withdrawal.has_filed_an_enrolment, withdrawal.has_not_withdrawn_already,
                             withdrawal.has_no_debts_to_withdraw),
    "renounced": (career.career_goes_on, withdrawal.withdrawal_is_perfected, withdrawal.everything_is_settled),
}


_STATES_A_YEAR = frozenset(payload for payload in e.PAYLOADS.values() if "academic_year" in payload.model_fields)
"""Asking a model for a field that it has not is slow."""


_OF_A_DEGREE = (e.Graduated, e.DegreeCandidacyDeclared)


@obeys("AMB-35", "NO-RULEBOOK")
def governing_book(type_: str, data: e.Payload, day: date, career_: Career, books: LawBooks) -> tuple[str | None, RuleBook | None]:
    """(academic year, rule book) of an act: the year that it states, else the career's (AMB-35)."""
    stated: str | None = getattr(data, "academic_year", None) if type(data) in _STATES_A_YEAR else None
    if isinstance(data, e.SingleCoursesEnrolled):
        return stated, books.for_single_courses(data.academic_year)
    if isinstance(data, e.ExamBooked):
        return stated, books.for_late_degrees(data.academic_year, data.held_on)
    if isinstance(data, _OF_A_DEGREE):
        return stated, books.for_late_degrees(data.academic_year, day)
    if stated is not None:
        return stated, books.of(stated)
    if isinstance(data, e.ReservationLifted) and career_.reservation is not None:
        year: str | None = career_.reservation.academic_year
    else:
        year = year_of_act(career_, day, books)
    return year, books.of(year) if year is not None else None


def reasons_against_act(type_: str, data: e.Payload, day: date, person: Person, career_name: str, books: LawBooks,
                        lifted: frozenset[str] = frozenset()) -> list[Reason]:
    """Every rule that speaks against an act, given the state that it meets; empty for facts and for acts that are allowed.

    `lifted` are the rules that an officer's override names: they stay in the list, but silence no other rule."""
    if type_ not in e.ACTS:
        return []
    career_ = person.careers.get(career_name) or Career(career_name)
    year, book = governing_book(type_, data, day, career_, books)
    return _reasons(type_, data, day, person, career_, year, book, books, lifted)


def _reasons(type_: str, data: e.Payload, day: date, person: Person, career_: Career, year: str | None, book: RuleBook | None,
             books: LawBooks, lifted: frozenset[str]) -> list[Reason]:
    if book is None:
        return [no_rulebook(books, year)]
    case = Case(type_, data, day, person, career_, book, books)
    if type_ == "exam-booked":
        return exams.reasons_against(case, lifted=lifted)
    return [r for predicate in PREDICATES[type_] if (r := predicate(case)) is not None]


_NAMES_ANOTHER = (e.ProgrammeChanged, e.PaymentMoved, e.EnrolledWithReservation, e.RecognitionRequested)


AHEAD = Problem("effective_on", "the day lies after the day of recording (Europe/Rome): record the fact when it has happened")


def lies_ahead(day: date, moment: datetime) -> bool:
    """Of a moment in UTC; Rome is ahead of it."""
    return day > moment.date() and day > moment.astimezone(ROME).date()


@obeys("FUT", "AMB-34")
def structural_problems(history: Sequence[Event], submission: Submission, recorded_at: datetime,
                        standing: "Standing | None" = None) -> list[Problem]:
    """What makes a well-formed submission impossible: it names a career that is not there, or comes out of time."""
    found = []
    day, data = submission.effective_on, submission.data
    if lies_ahead(day, recorded_at):
        found.append(AHEAD)
    if history and recorded_at < history[-1].recorded_at:
        found.append(Problem("recorded_at", "earlier than the student's last event: leave it out or give a later instant"))
    gone = voided(history) if standing is None else standing.voided
    opened = _opened(history) if standing is None else standing.opened
    careers = {career for id_, career in opened if id_ not in gone}
    if isinstance(data, e.EventVoided):
        target = next((h for h in history if h.id == data.event), None)
        if target is None:
            found.append(Problem("data.event", "there is no such event of this student"))
        elif target.type == "event-voided":
            found.append(Problem("data.event", "a void cannot be voided: submit the fact again under a new id"))
        elif target.id in gone:
            found.append(Problem("data.event", "this event has been voided already"))
        elif target.career != submission.career:
            found.append(Problem("career", "name the career of the event that is voided" if target.career
                                 else "the event has no career: leave it out"))
        return found
    if submission.career is not None and submission.type not in e.OPENS_A_CAREER and submission.career not in careers:
        found.append(Problem("career", "unknown career: it begins with preenrolled, enrolled, enrolled-with-reservation, "
                                       "transferred-in or single-courses-enrolled"))
    if not isinstance(data, _NAMES_ANOTHER):
        return found
    for field in ("to_career", "from_career", "home_career"):
        named, path = getattr(data, field, None), f"data.{field}"
        if named is not None and named == submission.career:
            found.append(Problem(path, "this is the career itself: name the other one"))
        elif named is not None and named not in careers and field != "home_career":
            found.append(Problem(path, "unknown career of this student"))
    return found


def _unknown_overrides(submission: Submission, books: LawBooks) -> list[Problem]:
    """A derogation from a rule that no book has lifts nothing: it is misspelt."""
    return [Problem(f"override.{n}.rule", f"there is no rule {override.rule[:60]}: write its id as `career-ledger rules cite` knows it")
            for n, override in enumerate(submission.override) if not books.knows(override.rule)]


def _opened(events: Iterable[Event]) -> list[tuple[str, str | None]]:
    """(event, career) of the events that open a career, voided ones included."""
    return [(event.id, event.career) for event in events if event.type in e.OPENS_A_CAREER]


class Standing:
    """The state that a student's recorded events amount to, kept ready between decisions.

    It follows the stream: `add` each recorded event. An act of a later day lets time pass on the state that is there; an
    act of an earlier day, a late fact or a void makes it start again from the facts."""

    def __init__(self, student: str, books: LawBooks) -> None:
        self._student, self._books = student, books
        self.events: list[Event] = []
        self.voided: dict[str, str] = {}
        """By event, the void that took it back."""
        self.opened: list[tuple[str, str | None]] = []
        self._person: Person | None = None

    def add(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event.data, e.EventVoided):
            self.voided[event.data.event] = event.id
        elif event.type in e.OPENS_A_CAREER:
            self.opened.append((event.id, event.career))
        person = self._person
        if person is None:
            return
        if event.type == "event-voided" or event.effective_on < person.day:
            self._person = None
            return
        advance(person, event.effective_on, self._books)
        apply(person, event, self._books)

    def on(self, day: date) -> Person:
        """The state at the end of a day: the facts up to that day, voided ones left out. Not to be changed by the caller."""
        person = self._person
        if person is not None and person.day <= day:
            advance(person, day, self._books)
            return person
        facts = in_force(self.events)
        person = replay(facts, self._student, day, self._books)
        if not facts or facts[-1].effective_on <= day:
            self._person = person
        return person


_NOTHING: frozenset[str] = frozenset()


def decide(history: Sequence[Event], submission: Submission, recorded_at: datetime, books: LawBooks, mode: Mode,
           standing: Standing | None = None) -> Accepted | Refused | Invalid:
    """Judge one submission against the student's recorded events, given in order of position (`standing`: their state, where
    it is at hand).

    Facts are accepted when they are possible. An act is refused in mode `enforce` when a rule that is not overridden speaks
    against it; in mode `record` it is accepted and carries the rules that it breaks."""
    problems = structural_problems(history, submission, recorded_at, standing) + _unknown_overrides(submission, books)
    if problems:
        return Invalid(tuple(problems))
    if standing is None:
        person = replay(in_force(history), submission.student, submission.effective_on, books)
    else:
        person = standing.on(submission.effective_on)
    career_ = person.careers.get(submission.career or "") or Career(submission.career or "")
    year, book = governing_book(submission.type, submission.data, submission.effective_on, career_, books)
    identity = Rulebook(*books.identities[book.academic_year]) if book is not None and submission.career is not None else None
    if submission.type not in e.ACTS:
        return Accepted(identity)
    lifted = frozenset(o.rule for o in submission.override) if submission.override else _NOTHING
    if book is None and mode == "record" and not lifted:
        return Accepted(identity)  # an act of a year without a rule book breaks no rule: there is none
    reasons = _reasons(submission.type, submission.data, submission.effective_on, person, career_, year, book, books, lifted)
    if not reasons:
        return Accepted(identity)
    against = [r for r in reasons if r.rule not in lifted]
    if against and mode == "enforce":
        return Refused(tuple(against))
    return Accepted(identity, tuple(dict.fromkeys(r.rule for r in reasons if r.rule != "NO-RULEBOOK" or r.rule in lifted)))
