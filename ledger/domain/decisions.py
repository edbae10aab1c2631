"""Whether a submission is recorded: the structure that is always enforced, and the rules that can refuse an act.

`decide` is pure: time and ids arrive with the submission. `reasons_against_act` asks the predicates that
`law.catalogue` names for a type; the refusal, the explanation and the audit all use it.
"""

from dataclasses import dataclass
from dataclasses import field as with_default
from datetime import date, datetime
from typing import TYPE_CHECKING, Literal

from . import events as e
from .books import LawBooks
from .case import Case
from .checked import names
from .clear import Clear, clear_of, in_the_clear
from .events import Rulebook
from .form import Problem
from .law.catalogue import PREDICATES, WINDOWS
from .law.chapter import against, year_of_act, year_with_window
from .law.exams import reasons_against
from .phrases import says
from .reasons import Reason, no_rulebook
from .registry import obeys
from .rulebook import RuleBook
from .standing import Standing
from .state import Career, Person
from .values import ROME

if TYPE_CHECKING:
    from .submissions import Submission

Mode = Literal["enforce", "record"]


@dataclass(frozen=True, slots=True)
class Accepted:
    """Record it: under which rule book, and in breach of which rules (overridden, or imported)."""

    rulebook: Rulebook | None
    breaches: tuple[str, ...] = ()
    clear: Clear = with_default(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Invalid:
    problems: tuple[Problem, ...]


_STATES_A_YEAR = frozenset(payload for payload in e.PAYLOADS.values() if "academic_year" in names(payload))


_OF_A_DEGREE = (e.Graduated, e.DegreeCandidacyDeclared)


def _stated_book(data: e.Payload, day: date, books: LawBooks) -> tuple[str, RuleBook | None] | None:
    """The same of what states its year, whatever her career."""
    stated: str | None = getattr(data, "academic_year", None) if type(data) in _STATES_A_YEAR else None
    if stated is None:
        return None
    if isinstance(data, e.SingleCoursesEnrolled):
        return stated, books.for_single_courses(stated)
    if isinstance(data, e.ExamBooked):
        return stated, books.for_late_degrees(stated, data.held_on)
    if isinstance(data, _OF_A_DEGREE):
        return stated, books.for_late_degrees(stated, day)
    return stated, books.of(stated)


@obeys("AMB-35", "NO-RULEBOOK")
def governing_book(type_: str, data: e.Payload, day: date, career_: Career,
                   books: LawBooks) -> tuple[str | None, RuleBook | None]:
    """(academic year, rule book) of an act: the year that it states, else the career's (AMB-35)."""
    stated = _stated_book(data, day, books)
    if stated is not None:
        return stated
    if isinstance(data, e.ReservationLifted) and career_.reservation is not None:
        year: str | None = career_.reservation.academic_year
    elif type_ in WINDOWS:
        year = year_with_window(career_, day, books, WINDOWS[type_])
    else:
        year = year_of_act(career_, day, books)
    return year, books.of(year) if year is not None else None


def reasons_against_act(type_: str, data: e.Payload, day: date, person: Person, career_name: str, books: LawBooks,
                        lifted: frozenset[str] = frozenset(), decided: e.Event | None = None) -> list[Reason]:
    """Every rule that speaks against an act, given the state that it meets; empty for facts and for acts that are
    allowed.

    `lifted` are the rules that an officer's override names: they stay in the list, but silence no other rule.
    `decided`: the event, where the act is one."""
    if type_ not in e.ACTS:
        return []
    career_, books = person.careers.get(career_name) or Career(career_name), books.on(day)
    year, book = governing_book(type_, data, day, career_, books)
    return [no_rulebook(books, year)] if book is None else _reasons(
        Case(type_, data, day, person, career_, book, books,
             in_the_clear(data, book) if decided is None else clear_of(decided, book)), lifted)


def _reasons(case: Case, lifted: frozenset[str]) -> list[Reason]:
    if case.act == "exam-booked":
        return reasons_against(case, PREDICATES[case.act], lifted)
    return against(case, PREDICATES[case.act])


_NAMES_ANOTHER = (e.ProgrammeChanged, e.PaymentMoved, e.EnrolledWithReservation, e.RecognitionRequested)


AHEAD = Problem("effective_on", says("form/ahead"))


def lies_ahead(day: date, moment: datetime) -> bool:
    """Of a moment in UTC; Rome is ahead of it."""
    return day > moment.date() and day > moment.astimezone(ROME).date()


@obeys("FUT", "AMB-34")
def _structural_problems(standing: Standing, submission: "Submission", recorded_at: datetime) -> list[Problem]:
    """What makes a well-formed submission impossible: it names a career that is not there, or comes out of time."""
    found = []
    history, day, data = standing.events, submission.effective_on, submission.data
    if lies_ahead(day, recorded_at):
        found.append(AHEAD)
    if history and recorded_at < history[-1].recorded_at:
        found.append(Problem("recorded_at", says("form/before-the-last")))
    gone = standing.voided
    careers = {career for id_, career in standing.opened if id_ not in gone}
    if isinstance(data, e.EventVoided):
        target = next((h for h in history if h.id == data.event), None)
        if target is None:
            found.append(Problem("data.event", says("form/void-unknown")))
        elif target.type == "event-voided":
            found.append(Problem("data.event", says("form/void-of-a-void")))
        elif target.id in gone:
            found.append(Problem("data.event", says("form/voided-already")))
        elif target.career != submission.career:
            found.append(Problem("career", says("form/void-career" if target.career else "form/void-no-career")))
        return found
    if submission.career is not None and submission.type not in e.OPENS_A_CAREER and submission.career not in careers:
        found.append(Problem("career", says("form/unknown-career")))
    if not isinstance(data, _NAMES_ANOTHER):
        return found
    for field in ("to_career", "from_career", "home_career"):
        named, path = getattr(data, field, None), f"data.{field}"
        if named is not None and named == submission.career:
            found.append(Problem(path, says("form/career-itself")))
        elif named is not None and named not in careers and field != "home_career":
            found.append(Problem(path, says("form/no-such-career")))
    return found


def _unknown_overrides(submission: "Submission", books: LawBooks) -> list[Problem]:
    """A derogation from a rule that no book has lifts nothing: it is misspelt."""
    return [Problem(f"override.{n}.rule", says("form/unknown-rule", rule=override.rule[:60]))
            for n, override in enumerate(submission.override) if not books.knows(override.rule)]


_NOTHING: frozenset[str] = frozenset()
NOT_JUDGED = frozenset({"NO-RULEBOOK", "UNKNOWN-VALUE"})
"""The law does not tell: no breach."""


def decide(standing: Standing, submission: "Submission", recorded_at: datetime, books: LawBooks,
           mode: Mode) -> Accepted | Refused | Invalid:
    """Judge one submission against where the student stands.

    It is judged under the law that was known when it was recorded and is in force on its day. Facts are accepted when
    they are possible. An act is refused in mode `enforce` when a rule that is not overridden
    speaks against it; in mode `record` it is accepted and carries the rules that it breaks."""
    problems = _structural_problems(standing, submission, recorded_at) + _unknown_overrides(submission, books)
    if problems:
        return Invalid(tuple(problems))
    known = books.known_at(recorded_at)
    law = known.on(submission.effective_on)
    is_act = submission.type in e.ACTS
    stated = _stated_book(submission.data, submission.effective_on, law) if not is_act else None
    if stated is not None:  # a fact is not judged: where she stood, long ago perhaps, need not be found
        return Accepted(_identity(submission, stated[1], law), clear=in_the_clear(submission.data, stated[1]))
    person = standing.on(submission.effective_on, known)
    career_ = person.careers.get(submission.career or "") or Career(submission.career or "")
    year, book = governing_book(submission.type, submission.data, submission.effective_on, career_, law)
    identity, said = _identity(submission, book, law), in_the_clear(submission.data, book)
    if not is_act:
        return Accepted(identity, clear=said)
    lifted = frozenset(o.rule for o in submission.override) if submission.override else _NOTHING
    if book is None and mode == "record" and not lifted:
        return Accepted(identity, clear=said)  # an act of a year without a rule book breaks no rule: there is none
    reasons = [no_rulebook(law, year)] if book is None else _reasons(
        Case(submission.type, submission.data, submission.effective_on, person, career_, book, law, said), lifted)
    if not reasons:
        return Accepted(identity, clear=said)
    against = [r for r in reasons if r.rule not in lifted]
    if against and mode == "enforce":
        return Refused(tuple(against))
    return Accepted(identity,
                    tuple(dict.fromkeys(r.rule for r in reasons if r.rule not in NOT_JUDGED or r.rule in lifted)), said)


def _identity(submission: "Submission", book: RuleBook | None, law: LawBooks) -> Rulebook | None:
    return Rulebook(*law.identities[book.academic_year]) if book is not None and submission.career is not None else None
