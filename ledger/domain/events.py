"""The facts that a ledger records: `Event`, and one frozen payload per type of section 3 of the published language.

`PAYLOADS` names them as the published language does. A payload says what holds in the world and nothing else:
no clock, no library of storage or transport. `ACTS` are the types marked **G** (decisions of the university or acts
of the student, which a rule can refuse); every other type is a fact of the world and is accepted when well formed.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, Self

import msgspec

from .checked import Checked, Narrowed
from .form import wrong
from .values import (
    Amount,
    Cfu,
    ChargeKey,
    CourseCode,
    Day,
    LongText,
    Numbered,
    PositiveAmount,
    Pseudonym,
    RecognitionKind,
    Text,
    Year,
    format_instant,
)

CourseType = Literal["bachelor", "master", "single-cycle"]
Access = Literal["open", "restricted"]
Regime = Literal["full-time", "part-time"]
CourseStanding = Literal["regular", "repeating", "beyond-course"]
CourseYear = Annotated[int, Narrowed(strict=True, ge=1, le=6)]
Count = Annotated[int, Narrowed(strict=True, ge=0, le=100)]
Flag = Annotated[bool, Narrowed(strict=True)]


class PayloadPart(Checked, gc=False):
    """Millions are made when the log is read; none holds anything that could refer to it."""

    NONE_IS_LEFT_OUT: ClassVar[bool] = True


class Payload(PayloadPart):
    """What every event may carry. Unknown fields are refused: a misspelt field must not vanish."""

    note: LongText | None = None


def _distinct(codes: list[str], field: str) -> None:
    if len(set(codes)) != len(codes):
        raise wrong("form/each-once", field)


class Preenrolled(Payload):
    programme: Text
    academic_year: Year
    course_type: CourseType
    degree_class: Text | None = None
    access: Access
    selection: Annotated[Literal[1, 2], Numbered] | None = None
    applicant: Literal["italian-title", "foreign-title", "visa"] = "italian-title"
    pre_assessed: Flag = False


class PreparationAssessed(Payload):
    adequate: Flag


class Ranked(Payload):
    admitted: Flag
    scroll: Flag = False
    enrol_by: Day | None = None
    recognition_by: Day | None = None


class Enrolled(Payload):
    programme: Text
    academic_year: Year
    course_type: CourseType
    degree_class: Text | None = None
    access: Access
    year: CourseYear
    regime: Regime
    category: Text | None = None


class EnrolledWithReservation(Enrolled):
    ground: Literal["degree-pending", "single-courses-pending"]
    missing_exams: Count
    missing_cfu: Cfu
    internship_started: Flag | None = None
    home_university: Literal["same", "other"]
    home_career: Pseudonym | None = None


class ReservationLifted(Payload):
    evidence: Literal["degree-conferred", "single-courses-passed"]
    conferred_on: Day | None = None


class ReservationDeclined(Payload):
    pass


class EnrolmentCancelled(Payload):
    reason: LongText


class EnrolmentRenewed(Payload):
    academic_year: Year
    year: CourseYear
    standing: CourseStanding


class DegreeCandidacyDeclared(Payload):
    academic_year: Year
    session: Literal["summer", "autumn", "winter", "extraordinary"]


class Graduated(Payload):
    academic_year: Year
    session: Literal["summer", "autumn", "winter", "extraordinary"]
    mark: Annotated[int, Narrowed(strict=True, ge=66, le=110)] | None = None
    honours: Flag | None = None

    def after(self) -> Self:
        if self.honours and self.mark != 110:
            raise wrong("form/honours-mark", "honours")
        return self


class RegimeChanged(Payload):
    regime: Regime
    academic_year: Year
    category: Text | None = None
    ofa_cleared: Flag | None = None
    early_end: Flag = False


class Suspended(Payload):
    reason: LongText | None = None


class Resumed(Payload):
    reason: LongText | None = None


class AdministrativeBlockOrdered(Payload):
    academic_year: Year
    reason: LongText | None = None


class AdministrativeBlockRevoked(Payload):
    academic_year: Year
    reason: LongText | None = None


class ChargeDecided(Payload):
    charge: ChargeKey
    amount: Amount
    reason: LongText
    authority: Text


class ProgrammeChanged(Payload):
    to_career: Pseudonym
    academic_year: Year


class TransferredIn(Payload):
    from_university: Text
    academic_year: Year


class TransferredOut(Payload):
    to_university: Text


class RecognitionRequested(Payload):
    kind: RecognitionKind
    academic_year: Year
    from_career: Pseudonym | None = None

    def after(self) -> Self:
        if self.from_career is not None and self.kind != "programme-change":
            raise wrong("form/only-a-change-leaves", "from_career")
        return self


class RecognisedCourse(PayloadPart):
    code: CourseCode
    cfu: Cfu
    grade: Annotated[int, Narrowed(strict=True, ge=18, le=30)] | None = None


class CfuRecognised(Payload):
    kind: RecognitionKind
    academic_year: Year
    cfu: Cfu
    courses: tuple[RecognisedCourse, ...] = ()
    resolution: Text
    year: CourseYear | None = None

    def after(self) -> Self:
        _distinct([c.code for c in self.courses], "courses")
        return self


class SingleCourse(PayloadPart):
    code: CourseCode
    cfu: Cfu
    lectures_end_on: Day
    in_own_plan: Flag = False
    complement: Flag = False


class SingleCoursesEnrolled(Payload):
    academic_year: Year
    courses: Annotated[tuple[SingleCourse, ...], Narrowed(min_length=1)]
    purpose: Literal["admission-requirements", "teaching-classes", "failed-reservation"] | None = None
    reduction: Literal["disability", "detention", "exchange"] | None = None
    issued_on: Day | None = None
    reserved_session: Flag = False
    clearance: Flag | None = None

    def after(self) -> Self:
        _distinct([c.code for c in self.courses], "courses")
        return self


class ContributionAssessed(Payload):
    academic_year: Year
    contribution: Amount
    band: Text | None = None
    exempt: Flag = False


class IseeCertified(Payload):
    """`indicator`: what is certified, in euro."""

    academic_year: Year
    issued_on: Day
    valid_for_university: Flag
    indicator: Amount | None = None


class InstalmentPaid(Payload):
    charge: ChargeKey
    amount: PositiveAmount
    iuv: Text | None = None


class PaymentRefunded(Payload):
    charge: ChargeKey
    amount: PositiveAmount


class PaymentMoved(Payload):
    from_charge: ChargeKey
    to_charge: ChargeKey
    amount: PositiveAmount
    to_career: Pseudonym | None = None


class PlanInstalment(PayloadPart):
    due_on: Day
    amount: PositiveAmount


class InstalmentPlanAgreed(Payload):
    charges: Annotated[tuple[ChargeKey, ...], Narrowed(min_length=1)]
    instalments: Annotated[tuple[PlanInstalment, ...], Narrowed(min_length=1)]
    motivated: Flag = False

    def after(self) -> Self:
        _distinct(list(self.charges), "charges")
        days: list[date] = [i.due_on for i in self.instalments]
        if any(a >= b for a, b in pairwise(days)):
            raise wrong("form/instalments-in-order", "instalments")
        return self


class StudyPlanSubmitted(Payload):
    academic_year: Year


class PlanCourse(PayloadPart):
    code: CourseCode
    cfu: Cfu
    year: CourseYear
    semester: Annotated[Literal[0, 1, 2], Numbered]
    lectures_end_on: Day
    prerequisites: tuple[CourseCode, ...] = ()
    supernumerary: Flag = False
    anticipated: Flag = False


class StudyPlanApproved(Payload):
    academic_year: Year
    courses: tuple[PlanCourse, ...]

    def after(self) -> Self:
        _distinct([c.code for c in self.courses], "courses")
        return self


class ExamBooked(Payload):
    course: CourseCode
    held_on: Day
    academic_year: Year
    session: Literal["winter", "extraordinary", "summer", "autumn"]
    calls_start_on: Day
    opens_on: Day | None = None
    mode: Literal["written", "oral"]


class ExamBookingCancelled(Payload):
    course: CourseCode
    held_on: Day


class ExamGraded(Payload):
    course: CourseCode
    held_on: Day
    outcome: Literal["passed", "failed"]
    grade: Annotated[int, Narrowed(strict=True, ge=18, le=30)] | None = None
    honours: Flag | None = None
    cfu: Cfu
    session: Literal["winter", "extraordinary", "summer", "autumn"]
    mode: Literal["written", "oral"]
    academic_year: Year | None = None
    refuse_by: Day | None = None

    def after(self) -> Self:
        if self.outcome == "failed" and (self.grade is not None or self.honours):
            raise wrong("form/failed-without-grade", "grade" if self.grade is not None else "honours")
        if self.honours and self.grade != 30:
            raise wrong("form/honours-grade", "honours")
        return self


class GradeRefused(Payload):
    course: CourseCode
    held_on: Day


class ExamAnnulled(Payload):
    course: CourseCode
    held_on: Day
    reason: LongText


class WithdrawalRequested(Payload):
    pass


class Renounced(Payload):
    pass


class Forfeited(Payload):
    reason: LongText | None = None


class DiplomaSupplementIssued(Payload):
    format: Literal["pdf", "paper"]
    destination: Literal["italy", "eu", "other"] | None = None


class PersonRegistered(Payload):
    """`tax_code`: the one that holds; `former_tax_codes` those that she had before. `person_id`: of the national
    register of residents."""

    given_name: Text
    family_name: Text
    tax_code: Text | None = None
    former_tax_codes: tuple[Text, ...] = ()
    birth_date: Day | None = None
    birth_place: Text | None = None
    sex: Literal["F", "M"] | None = None
    person_id: Annotated[str, Narrowed(pattern=r"^[A-Z0-9]{9}$")] | None = None
    email: Text | None = None
    phone: Text | None = None
    address: LongText | None = None
    language: Text | None = None

    def after(self) -> Self:
        codes = [code.strip().upper() for code in self.former_tax_codes]
        _distinct([*codes, *([self.tax_code.strip().upper()] if self.tax_code else [])], "former_tax_codes")
        return self


class PersonForgotten(Payload):
    """The keys of what is held sealed about her are destroyed, as at least two authorities ordered."""

    authorities: tuple[Text, ...]

    def after(self) -> Self:
        if len({one.strip().casefold() for one in self.authorities}) < 2:
            raise wrong("form/two-authorities", "authorities")
        return self


class TicketOpened(Payload):
    """`kind`: of the ledger's own ticket desk, or a rectification or an issue that came by an e-service of the state;
    None: of somebody else's help desk. `request`: what is asked, beside the subject; of the ticket desk and of
    e-services as JSON. `follows`: the number of the closed ticket that it takes up again."""

    number: Text
    service: Text
    subject: LongText
    context: Text
    career: Pseudonym | None = None
    kind: Literal["desk", "rectification", "issue"] | None = None
    request: LongText | None = None
    follows: Text | None = None


class TicketClosed(Payload):
    """`outcome`: of a rectification; `cancelled` by who had asked for it."""

    number: Text
    answer: LongText | None = None
    outcome: Literal["approved", "rejected", "cancelled"] | None = None


class TicketLinked(Payload):
    """The ticket of a person who had a stream of its own is a student's, as an officer found out: recorded in both
    streams, `person` is each time the other one."""

    number: Text
    person: Pseudonym


class EventVoided(Payload):
    event: Annotated[str, Narrowed(min_length=1, max_length=200)]
    reason: LongText
    authority: Text


PAYLOADS: dict[str, type[Payload]] = {
    "preenrolled": Preenrolled,
    "preparation-assessed": PreparationAssessed,
    "ranked": Ranked,
    "enrolled": Enrolled,
    "enrolled-with-reservation": EnrolledWithReservation,
    "reservation-lifted": ReservationLifted,
    "reservation-declined": ReservationDeclined,
    "enrolment-cancelled": EnrolmentCancelled,
    "enrolment-renewed": EnrolmentRenewed,
    "degree-candidacy-declared": DegreeCandidacyDeclared,
    "graduated": Graduated,
    "regime-changed": RegimeChanged,
    "suspended": Suspended,
    "resumed": Resumed,
    "administrative-block-ordered": AdministrativeBlockOrdered,
    "administrative-block-revoked": AdministrativeBlockRevoked,
    "charge-decided": ChargeDecided,
    "programme-changed": ProgrammeChanged,
    "transferred-in": TransferredIn,
    "transferred-out": TransferredOut,
    "recognition-requested": RecognitionRequested,
    "cfu-recognised": CfuRecognised,
    "single-courses-enrolled": SingleCoursesEnrolled,
    "contribution-assessed": ContributionAssessed,
    "isee-certified": IseeCertified,
    "instalment-paid": InstalmentPaid,
    "payment-refunded": PaymentRefunded,
    "payment-moved": PaymentMoved,
    "instalment-plan-agreed": InstalmentPlanAgreed,
    "study-plan-submitted": StudyPlanSubmitted,
    "study-plan-approved": StudyPlanApproved,
    "exam-booked": ExamBooked,
    "exam-booking-cancelled": ExamBookingCancelled,
    "exam-graded": ExamGraded,
    "grade-refused": GradeRefused,
    "exam-annulled": ExamAnnulled,
    "withdrawal-requested": WithdrawalRequested,
    "renounced": Renounced,
    "forfeited": Forfeited,
    "diploma-supplement-issued": DiplomaSupplementIssued,
    "person-registered": PersonRegistered,
    "ticket-opened": TicketOpened,
    "ticket-closed": TicketClosed,
    "event-voided": EventVoided,
    "person-forgotten": PersonForgotten,
    "ticket-linked": TicketLinked,
}

ACTS: frozenset[str] = frozenset({
    "preenrolled", "enrolled", "enrolled-with-reservation", "reservation-lifted", "enrolment-renewed",
    "degree-candidacy-declared", "graduated", "regime-changed", "suspended", "resumed", "programme-changed",
    "transferred-in", "transferred-out", "recognition-requested", "cfu-recognised", "single-courses-enrolled",
    "instalment-plan-agreed", "study-plan-submitted", "exam-booked", "grade-refused", "withdrawal-requested",
    "renounced",
})
"""The types marked G: a rule can refuse them."""

ABOUT_THE_PERSON: frozenset[str] = frozenset({
    "person-registered", "person-forgotten", "ticket-opened", "ticket-closed", "ticket-linked"})
"""Events without a career."""

SEALED_ONLY: frozenset[str] = frozenset({"person-registered"})
"""Never stored in the clear."""

NOT_SUBMITTED: frozenset[str] = frozenset({"person-forgotten"})
"""Appended by an act of the ledger's own, never by a submission."""

OPENS_A_CAREER: frozenset[str] = frozenset({
    "preenrolled", "enrolled", "enrolled-with-reservation", "transferred-in", "single-courses-enrolled",
})


def payload_json(data: Payload) -> dict[str, Any]:
    """The fields as they were submitted: those that were left out stay out."""
    return _shown(data)


def shown(value: Any) -> Any:
    """A value of a field, as JSON."""
    show = _SHOW.get(type(value))
    return value if show is None else show(value)


def _shown(one: PayloadPart) -> dict[str, Any]:
    return {name: show(value) if (show := _SHOW.get(type(value))) is not None else value
            for name, value in one.given().items()}


_SHOW: dict[type, Callable[[Any], Any]] = {
    date: date.isoformat, Decimal: "{:.2f}".format,
    tuple: lambda many: [_shown(one) if isinstance(one, PayloadPart) else one for one in many]}


class Override(PayloadPart):
    """An officer's derogation: it lifts the named rule only."""

    rule: Text
    reason: LongText
    authority: Text


class Sealed(msgspec.Struct, frozen=True, gc=False):
    """What was taken out of an event (`protected`), as ciphertext in base64 under the student's key of a number."""

    key: int
    box: str


class Rulebook(msgspec.Struct, frozen=True, gc=False):
    """The identity of the rule book that was applied."""

    id: str
    sha256: str


NOTHING: Mapping[str, str] = {}
"""One for all events without `clear`: millions are made."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """A recorded fact: the submission, its place in the log, when the ledger learned of it and under which rule book.

    A struct: millions are made when the log is read, in a quarter of a dataclass's time. It holds nothing that could
    refer to it. `clear`: what rules need of protected fields (`clear.py`), as it was decided; `sealed`: where their
    values are."""

    id: str
    type: str
    student: str
    career: str | None
    effective_on: date
    recorded_at: datetime
    source: str
    actor: str
    data: Payload
    position: int
    version: int
    override: tuple[Override, ...] = ()
    rulebook: Rulebook | None = None
    breaches: tuple[str, ...] = ()
    clear: Mapping[str, str] = msgspec.field(default_factory=lambda: NOTHING)
    sealed: Sealed | None = None

    def content(self) -> dict[str, Any]:
        """That of its submission."""
        return content_of(self)

    def placed(self, position: int) -> "Event":
        return msgspec.structs.replace(self, position=position)

    def as_json(self) -> dict[str, Any]:
        """The recorded event as the published language shows it (section 2)."""
        found = self.content()
        found["recorded_at"] = format_instant(self.recorded_at)
        found["position"] = self.position
        found["version"] = self.version
        found["rulebook"] = {"id": self.rulebook.id, "sha256": self.rulebook.sha256} if self.rulebook else None
        if self.breaches:
            found["breaches"] = list(self.breaches)
        if self.clear:
            found["clear"] = dict(self.clear)
        if self.sealed is not None:
            found["sealed"] = {"key": self.sealed.key, "box": self.sealed.box}
        return found


def content_of(one: Any) -> dict[str, Any]:
    """What an event says, or the submission that it was, which has these fields too: they are compared."""
    found: dict[str, Any] = {"id": one.id, "type": one.type, "student": one.student}
    if one.career is not None:
        found["career"] = one.career
    found["effective_on"] = one.effective_on.isoformat()
    found["source"] = one.source
    found["actor"] = one.actor
    if one.override:
        found["override"] = [_shown(o) for o in one.override]
    found["data"] = payload_json(one.data)
    return found
