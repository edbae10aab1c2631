"""The form of `career.state.v1`: a career's whole past and foreseeable future, as of everything that is known.

Every list holds intervals [from, until) by day, `until` null where nothing that is known ends them: the answer of a day
is the look-up of that day, and what will happen if nothing else does is in it too. `ledger.relay.states` makes them
from events, `career` turns one back into what the domain's predicates read.
"""

from datetime import date
from typing import Any, Literal

from pydantic import Field

from ledger.domain.edition import EDITION
from ledger.domain.events import CourseType, Event, Regime
from ledger.domain.phrases import Phrase, verbatim
from ledger.domain.values import ZERO, Pseudonym, format_instant

from .message import History, Message, cloud_headers, encode
from .models import AcademicYear, AnyDay, Euro, FactRef, FromOne, Moment, Number, SourceRef, Wire
from .topics import STATE

VERSION = 1
TYPE = f"career.state.v{VERSION}"


Status = Literal["preenrolled", "admitted", "not-admitted", "excluded", "enrolment-pending",
                 "enrolled-with-reservation", "enrolled", "suspended", "withdrawal-pending", "renounced", "cancelled",
                 "reservation-lapsed", "transferred-out", "programme-changed", "forfeited", "graduated",
                 "single-courses"]


class Span(Wire):
    """Holds from the end of day `from` up to, not including, day `until`."""

    from_: AnyDay = Field(alias="from")
    until: AnyDay | None = None

    def holds_on(self, day: date) -> bool:
        return self.from_ <= day and (self.until is None or day < self.until)


class EnrolmentRef(Wire):
    """`perfected_on` null: filed, not yet paid; `charge` what its payment is for."""

    academic_year: AcademicYear
    year: int
    filed_on: AnyDay
    event: str
    charge: str | None = None
    perfected_on: AnyDay | None = None


class WithdrawalRef(Wire):
    """Filed and alive. It lapses after `last_day` unless its stamp is paid (`perfected_on`)."""

    event: str
    filed_on: AnyDay
    last_day: AnyDay | None = None
    perfected_on: AnyDay | None = None


class ReservationRef(Wire):
    """Alive until `term` (null: without a term)."""

    event: str
    filed_on: AnyDay
    term: AnyDay | None = None


class ChangeAskedRef(Wire):
    """A change of programme that was asked for from this career: from `on` on none of its exams is booked or sat."""

    event: str
    on: AnyDay
    academic_year: AcademicYear
    to_career: Pseudonym


class UnknownRef(Wire):
    """What of the career nobody can tell, since it depends on a value that is missing in the rule book of a year:
    whether a charge is owed (`about` charge, `name` its key), a block in force (block, its kind), and so on."""

    about: str
    name: str
    rule: str
    academic_year: AcademicYear
    missing: str


class StatusSpan(Span):
    """Section 5. `year` and `regime` are those of the enrolment in force; `ended` says how the career ended."""

    status: Status | None
    programme: str | None = None
    course_type: CourseType | None = None
    academic_year: AcademicYear | None = None
    year: int | None = None
    regime: Regime | None = None
    ended: Status | None = None
    suspended_on: AnyDay | None = None
    enrolments: tuple[EnrolmentRef, ...] = ()
    withdrawal: WithdrawalRef | None = None
    reservation: ReservationRef | None = None
    change_asked: ChangeAskedRef | None = None
    unruled_years: tuple[AcademicYear, ...] = ()
    unknown: tuple[UnknownRef, ...] = ()


class BlockSpan(Span):
    """Section 5. `since` is the block's first day: `from` is later where its amount changed meanwhile. `message_id` and
    `params` say the same as `reason` and `how_to_lift`, in no language; an older message has none."""

    kind: Literal["exam-booking", "final-exam", "administrative", "reservation"]
    since: AnyDay
    rule: str
    charge: str | None = None
    amount: Euro | None = None
    reason: str
    how_to_lift: str
    message_id: str | None = None
    params: dict[str, Any] | None = None
    interpretation: str | None = None
    academic_year: AcademicYear
    source: SourceRef
    facts: tuple[FactRef, ...] = ()

    def phrase(self) -> Phrase:
        """In whatever language it is asked for; a message of a release that says more than this one knows keeps its
        words."""
        if self.message_id is None:
            return verbatim(self.reason, self.how_to_lift)
        return Phrase(self.message_id, self.params or {}, (self.reason, self.how_to_lift))


class RefundRef(Wire):
    amount: Euro
    by: AnyDay | None = None
    rule: str


class PartRef(Wire):
    """What of a charge falls due on a day, and what of it is still owed."""

    due_on: AnyDay
    amount: Euro
    outstanding: Euro


class PlanRef(Wire):
    """The agreed instalment plan that gives a charge its due dates."""

    event: str
    agreed_on: AnyDay


class ChargeSpan(Span):
    """Section 4, euro with two digits. `rule` is withheld for single courses, `credit` is money beyond what was owed.
    `overdue` is what of `outstanding` is overdue; `parts`, by due date, where not all of the charge falls due on
    `due_on` (what was settled before an agreed plan is in none)."""

    charge: str
    state: Literal["paid", "moved", "waived", "payable", "overdue", "to-come"]
    amount: Euro
    due_on: AnyDay | None = None
    raised_on: AnyDay
    paid: Euro
    paid_on: AnyDay | None = None
    refunded: Euro
    waived: Euro
    moved: Euro
    outstanding: Euro
    overdue: Euro = ZERO
    credit: Euro
    accruing: Euro
    rule: str | None = None
    refundable: RefundRef | None = None
    plan: PlanRef | None = None
    parts: tuple[PartRef, ...] = ()
    facts: tuple[FactRef, ...] = ()


class UnallocatedSpan(Span):
    """Money that waits for its charge."""

    charge: str
    amount: Euro


class PlanCourseRef(Wire):
    code: str
    cfu: Number
    year: int
    semester: Literal[0, 1, 2]
    lectures_end_on: AnyDay
    prerequisites: tuple[str, ...] = ()
    supernumerary: bool = False
    anticipated: bool = False


class PlanSpan(Span):
    """The approved study plan of an academic year."""

    academic_year: AcademicYear
    courses: tuple[PlanCourseRef, ...]


class SingleCourseRef(Wire):
    code: str
    cfu: Number
    lectures_end_on: AnyDay


class SingleCoursesSpan(Span):
    """An application for single courses; one of another year stands beside it. `awaited_degree`: the failed reservation
    after which their exams wait for the first degree."""

    academic_year: AcademicYear
    reserved_session: bool = False
    courses: tuple[SingleCourseRef, ...]
    awaited_degree: FactRef | None = None


class ResultSpan(Span):
    """A result that counts: a written one from the day after it can be refused. `recorded_on`: the fact's own day."""

    course: str
    held_on: AnyDay
    outcome: Literal["passed", "failed"]
    cfu: Number
    event: str
    recorded_on: AnyDay


class RecognisedCourseRef(Wire):
    code: str
    cfu: Number


class RecognitionSpan(Span):
    event: str
    cfu: Number
    courses: tuple[RecognisedCourseRef, ...] = ()


class BookingSpan(Span):
    """An open booking."""

    course: str
    held_on: AnyDay
    event: str


class ForfeitureSpan(Span):
    """After years without an exam the office may forfeit the career; with `unknown` nobody can tell whether it may."""

    rule: str
    unknown: UnknownRef | None = None


class CareerState(Wire):
    """The value of `career.state.v1`; key `student/career`. `position` and `version` are those of the newest event of
    the student that it reflects; `law` names the rule books that it was computed under, `recorded_at` the newest
    event's instant."""

    student: Pseudonym
    career: Pseudonym
    position: FromOne
    version: FromOne
    recorded_at: Moment
    law: str
    status: tuple[StatusSpan, ...]
    blocks: tuple[BlockSpan, ...]
    charges: tuple[ChargeSpan, ...]
    unallocated: tuple[UnallocatedSpan, ...]
    plans: tuple[PlanSpan, ...]
    single_courses: tuple[SingleCoursesSpan, ...]
    results: tuple[ResultSpan, ...]
    recognitions: tuple[RecognitionSpan, ...]
    bookings: tuple[BookingSpan, ...]
    forfeiture: tuple[ForfeitureSpan, ...] = ()


Json = dict[str, Any]


def message(state: Json, history: History) -> Message:
    """The message of a career's state. `history`: that of the ledger."""
    key = f"{state['student']}/{state['career']}"
    position, law = str(state["position"]), f"{state['law'][:8]}.{EDITION}"
    return Message(STATE, key.encode(), encode(state), [
        ("position", position.encode()), ("version", b"%d" % state["version"]),
        *cloud_headers(f"{key}@{position}/{law}", history, TYPE, state["recorded_at"], key,
                       f"urn:career-ledger:state:v{VERSION}")])


def tombstone(student: str, career: str, newest: Event, history: History) -> Message:
    """In the place of a career's state, once the person was forgotten: a message without a value. `newest`: her newest
    event."""
    key = f"{student}/{career}"
    return Message(STATE, key.encode(), None, [
        ("position", b"%d" % newest.position), ("version", b"%d" % newest.version),
        *cloud_headers(f"{key}@{newest.position}/forgotten", history, TYPE, format_instant(newest.recorded_at), key,
                       f"urn:career-ledger:state:v{VERSION}")])
