"""The state of a person on a day: what the events up to that day amount to. The fold and the
chapters of the law change it, nothing else does."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Literal

import msgspec

from .events import (
    CfuRecognised,
    ContributionAssessed,
    DegreeCandidacyDeclared,
    ExamBooked,
    ExamGraded,
    Graduated,
    IseeCertified,
    PlanCourse,
    Preenrolled,
    Ranked,
    RecognitionRequested,
    SingleCoursesEnrolled,
)
from .phrases import Phrase
from .reasons import Fact
from .registry import obeys
from .rulebook import INSTALMENTS, PreenrolmentWindow, UnknownValue
from .values import ZERO, year_of

_INSTALMENTS = frozenset(INSTALMENTS)
PAYABLE = frozenset({"preenrolment", "recognition", "single-courses", "single-courses-stamp", "withdrawal-stamp",
                     "final-exam-application"})
"""Charges that may be paid but are no debt (section 4); an `enrolment` not yet perfected is one too."""


class Money(msgspec.Struct):
    """Money received for a charge key. `spared`: it was moved as the guides say (LAU-2, LAU-6, RIN-6a, a change of
    programme), so that the day of the move makes nothing late (AMB-20)."""

    on: date
    amount: Decimal
    event: str
    order: int
    spared: bool = False


class Outflow(msgspec.Struct):
    """Money that left a charge key: refunded, or moved to another key."""

    on: date
    amount: Decimal
    event: str
    moved: bool
    order: int


class Waiver(msgspec.Struct):
    """What is not owed any more and why. `whole`: the whole charge, not a share of it."""

    rule: str
    amount: Decimal
    whole: bool
    on: date
    event: str | None
    interpretation: str | None = None


class Plan(msgspec.Struct, frozen=True):
    """An agreed instalment plan (AMB-19). `settled`: what of the charge was settled before it, and is no part of it."""

    agreed_on: date
    event: str
    last_on: date
    settled: Decimal
    order: int


class Decision(msgspec.Struct, frozen=True):
    """An officer's new amount of a charge (0.00: nothing of it is owed). `over`: what the assessments asked when it was
    taken (AMB-47); None before the charge was assessed."""

    amount: Decimal
    over: Decimal | None
    on: date
    event: str


class DuePart(msgspec.Struct, frozen=True):
    """What of a charge falls due on a day, and what of it is still owed."""

    due_on: date
    amount: Decimal
    outstanding: Decimal


class Charge(msgspec.Struct):
    key: str
    kind: str
    year: str
    amount: Decimal
    due_on: date | None
    raised_on: date
    rule: str
    facts: tuple[Fact, ...]
    interpretation: str | None = None
    waivers: list[Waiver] = msgspec.field(default_factory=list)
    dates: list[tuple[date, Decimal]] = msgspec.field(default_factory=list)
    """By day, what falls due on it, where that is not all of it on `due_on`: under a plan, or after a
    later assessment (AMB-46)."""
    plan: Plan | None = None
    assessed: Decimal | None = None
    """An instalment: what the assessments ask, whatever an officer decided; once the first is
    settled, the advance that stands."""
    decision: Decision | None = None
    asked: Decimal | None = None
    """No instalment: what the book asks, where an officer decided on it."""
    gap: "Gap | None" = None
    """What an officer's decision has settled, for the law did not tell."""
    # derived by `account.settle_amounts`
    waived: Decimal = ZERO
    paid: Decimal = ZERO
    refunded: Decimal = ZERO
    moved: Decimal = ZERO
    outstanding: Decimal = ZERO
    credit: Decimal = ZERO
    paid_on: date | None = None
    receipts: list[tuple[Money, Decimal]] = msgspec.field(default_factory=list)
    """Money that was taken, each with all that had come in for the charge by then."""
    counted: tuple[Decimal, int] | None = None
    """Kept by `account`: of how much that was owed, and of how many payments, this tells; None where money has left."""
    completed_by: Money | None = None
    completed_on: date | None = None
    parts: list[DuePart] = msgspec.field(default_factory=list)
    """What `dates` come to after what is waived and paid; empty where all of it is due on `due_on`."""
    settled_as: tuple[Any, ...] | None = None
    """Kept by `law.consequences`: what it was settled from last."""
    next_day: date = date.max
    """Kept by `law.consequences`: the next day on which time alone changes something of it."""
    told_as: Any = None
    told_until: date = date.min
    """Kept by `charges`: what was told of it since it was settled last, and the day on which it may be otherwise."""
    base_kind: str = ""
    is_instalment: bool = False
    """Both of the kind."""

    def __post_init__(self) -> None:
        self.base_kind = self.kind.partition("#")[0]
        self.is_instalment = self.kind in _INSTALMENTS

    @property
    def next_due_on(self) -> date | None:
        """The first day on which something unpaid falls due (the last of all, once nothing is); None
        where the law gives no day."""
        parts = self.parts
        return next((p.due_on for p in parts if p.outstanding), parts[-1].due_on) if parts else self.due_on

    @property
    def due(self) -> date:
        """The day through which it is in time: `next_due_on`, else the day it was raised."""
        return (self.next_due_on if self.parts else self.due_on) or self.raised_on

    def unpaid_after(self, last_day: Callable[[date], date], day: date) -> Decimal:
        """Euro still unpaid on `day` of which the last day that is in time has passed
        (`last_day`: by its own due date)."""
        if self.parts:
            return sum((p.outstanding for p in self.parts if last_day(p.due_on) < day), ZERO)
        return self.outstanding if last_day(self.due) < day else ZERO

    @property
    def basis(self) -> tuple[Fact, ...]:
        """The events that the charge and its due dates rest on."""
        return self.facts if self.plan is None else (*self.facts, Fact(self.plan.event, self.plan.agreed_on))


class Enrolment(msgspec.Struct):
    """One enrolment of a career in one academic year: the first one, or a renewal."""

    academic_year: str
    year: int
    filed_on: date
    event: str
    first: bool
    charge: str | None
    standing: str = "regular"
    perfected_on: date | None = None
    taken: bool = False
    """As perfected, since nobody can tell what perfects it: not yet paid."""
    term: date | None = None
    late_preenrolment: bool = False


class Reservation(msgspec.Struct):
    ground: str
    filed_on: date
    event: str
    term: date
    home_university: str
    home_career: str | None
    academic_year: str
    sure_until: date
    """`term`, or the earlier day after which an officer decides whether the degree still came in time."""
    officer_until: date
    """`term`, or the later day up to which an officer can."""
    met_late: Fact | None = None
    """The degree, where it came between the two days."""
    lifted_on: date | None = None
    lapsed_on: date | None = None
    declined_on: date | None = None

    @property
    def alive(self) -> bool:
        return self.lifted_on is None and self.lapsed_on is None and self.declined_on is None


class Withdrawal(msgspec.Struct):
    """A filed renunciation. `last_day` is the last day on which the stamp keeps it alive (None: it never lapses, or
    nobody knows the day: `lapse`, which matters after the days in which the stamp is paid)."""

    filed_on: date
    event: str
    order: int
    year: str | None
    stamp: str | None
    last_day: date | None = None
    lapsed_on: date | None = None
    perfected_on: date | None = None
    lapse: UnknownValue | None = None

    @property
    def alive(self) -> bool:
        return self.lapsed_on is None


class Preenrolment(msgspec.Struct):
    data: Preenrolled
    on: date
    event: str
    window: PreenrolmentWindow | None
    selection: int | None
    late: bool


class RecognitionAsked(msgspec.Struct):
    """A recognition requested, its fee, and the career that a change of programme leaves."""

    data: RecognitionRequested
    on: date
    event: str
    charge: str | None
    left: str | None = None


class ChangeAsked(msgspec.Struct, frozen=True):
    """A change of programme that was asked for from a career (RIC-5)."""

    on: date
    event: str
    academic_year: str
    to_career: str


class Result(msgspec.Struct):
    """A graded exam. It counts from `counts_from` unless it was refused or annulled (on `until`)."""

    data: ExamGraded
    on: date
    event: str
    counts_from: date
    refused: bool = False
    annulled: bool = False
    until: date | None = None


class Booking(msgspec.Struct):
    data: ExamBooked
    on: date
    event: str
    closed_on: date | None = None

    @property
    def open(self) -> bool:
        return self.closed_on is None


EXAM_BOOKING, FINAL_EXAM, ADMINISTRATIVE, RESERVATION = "exam-booking", "final-exam", "administrative", "reservation"
"""The kinds of blocks."""


class Block(msgspec.Struct):
    """Something a career may not do since a day. Key: (kind, rule, charge)."""

    kind: str
    rule: str
    charge: str | None
    start: date
    reason: Phrase
    amount: Decimal | None
    interpretation: str | None
    year: str
    facts: tuple[Fact, ...]


GapKind = Literal["charge", "surcharge", "refund", "block", "term", "reservation", "end", "enrolment", "regime", "year",
                  "fact", "forfeiture"]
"""What cannot be told: whether a charge is owed and how much (its key), what paying it late costs more, whether it is
refunded; whether a block is in force (its kind); a last day to enrol, or of a reservation (the academic year), whether
it has ended the career (the rule); whether an enrolment is perfected, its regime, its year of course (the academic
year); what else a fact brings (its type); from when the office may forfeit it (the rule), which no act waits for."""
Found = Literal["fact", "money", "day"]
"""What met the unknown value: a fact, which it stays with; money against charges; a day."""


class Gap(msgspec.Struct, frozen=True):
    """Why something of a career cannot be told. `on`: the day from which it matters, `due_on`: when a charge that may
    be owed would be due, `event`: the fact that met it."""

    rule: str
    year: str
    missing: str
    found: Found
    on: date
    due_on: date | None = None
    event: str | None = None
    most: "tuple[Decimal, date] | None" = None
    """Of instalments that nobody can split: all that they can come to, and the last day on which one is due."""

    @property
    def unknown(self) -> UnknownValue:
        return UnknownValue(self.rule, self.year, self.missing)


class Career(msgspec.Struct):
    name: str
    begun_on: date | None = None
    programme: str | None = None
    course_type: str | None = None
    degree_class: str | None = None
    access: str | None = None
    preenrolments: list[Preenrolment] = msgspec.field(default_factory=list)
    admitted: bool | None = None
    adequate: bool | None = None
    ranked: Ranked | None = None
    enrolments: list[Enrolment] = msgspec.field(default_factory=list)
    reservation: Reservation | None = None
    ended: str | None = None
    ended_on: date | None = None
    ended_event: str | None = None
    suspended_on: date | None = None
    suspended_event: str | None = None
    suspended_from: str | None = None
    """The first academic year of the suspension that goes on."""
    suspended_years: list[str] = msgspec.field(default_factory=list)
    """Of suspensions that are over, each year once."""
    withdrawals: list[Withdrawal] = msgspec.field(default_factory=list)
    candidacies: list[DegreeCandidacyDeclared] = msgspec.field(default_factory=list)
    graduated: Graduated | None = None
    regime_by_year: dict[str, str] = msgspec.field(default_factory=dict)
    regime_changes: list[tuple[date, str, str]] = msgspec.field(default_factory=list)
    transferred_in_on: date | None = None
    transferred_year: str | None = None
    to_career: str | None = None
    requests: list[RecognitionAsked] = msgspec.field(default_factory=list)
    recognitions: list[tuple[date, str, CfuRecognised]] = msgspec.field(default_factory=list)
    singles: dict[str, SingleCoursesEnrolled] = msgspec.field(default_factory=dict)
    """Applications for single courses by academic year: each holds for its own year only (CS-11)."""
    contributions: dict[str, list[tuple[date, str, ContributionAssessed]]] = msgspec.field(default_factory=dict)
    """The assessments of each academic year, in the order in which they hold."""
    assessed: dict[str, Decimal] = msgspec.field(default_factory=dict)
    remitted: dict[str, Decimal] = msgspec.field(default_factory=dict)
    """By academic year: the contribution owed, and the rest of it that is too small to be asked."""
    overtaken: list[tuple[str, Decision, Fact]] = msgspec.field(default_factory=list)
    """Officers' decisions on a charge (its key) that a later assessment replaced (AMB-47)."""
    awaited_degree: dict[str, Fact] = msgspec.field(default_factory=dict)
    """By year of application, the failed reservation after which its exams wait for the first degree (RIS-8)."""
    change_asked: ChangeAsked | None = None
    """Both kept by `law.consequences`: they rest on facts of the person's other careers."""
    isee: dict[str, list[tuple[date, str, IseeCertified]]] = msgspec.field(default_factory=dict)
    ordered_blocks: dict[str, tuple[date, str]] = msgspec.field(default_factory=dict)
    plans_submitted: list[tuple[date, str, str]] = msgspec.field(default_factory=list)
    plans: dict[str, dict[str, PlanCourse]] = msgspec.field(default_factory=dict)
    results: list[Result] = msgspec.field(default_factory=list)
    bookings: list[Booking] = msgspec.field(default_factory=list)
    charges: dict[str, Charge] = msgspec.field(default_factory=dict)
    waived_ahead: dict[str, tuple[date, str]] = msgspec.field(default_factory=dict)
    to_decide: dict[str, Phrase] = msgspec.field(default_factory=dict)
    not_excluded: bool = False
    money: dict[str, list[Money]] = msgspec.field(default_factory=dict)
    outflows: dict[str, list[Outflow]] = msgspec.field(default_factory=dict)
    blocks: dict[tuple[str, str, str], Block] = msgspec.field(default_factory=dict)
    lifted_today: dict[tuple[str, str, str], tuple[date, date]] = msgspec.field(default_factory=dict)
    """Blocks that ended: the day, and the first day that they had."""
    unruled: set[str] = msgspec.field(default_factory=set)
    gaps: dict[tuple[GapKind, str], Gap] = msgspec.field(default_factory=dict)
    """What cannot be told of the career, since its answer depends on an unknown value: neither so nor otherwise."""
    settled_gaps: dict[str, Gap] = msgspec.field(default_factory=dict)
    """By charge, what an officer's decision has settled."""
    # kept by the fold: money to attach, answers to bring up to date, the next day on which time alone changes one,
    # and the next on which a result begins to count
    counted: dict[str, Result] = msgspec.field(default_factory=dict)
    counted_to: int = 0
    """By course what was passed of the first so many results, which count and were not taken back."""
    counted_on: date = date.min
    counted_cfu: int | float | None = None
    counted_year: str | None = None
    """Up to which day, and the CFU and the latest academic year of them; None where they are to be found anew."""
    told_by_booking: bool = False
    """Whether one of them states no year."""
    unsettled: bool = True
    stale: bool = True
    next_change: date | None = None
    next_result: date | None = None

    # What cannot be told

    def leave_open(self, what: GapKind, name: str, unknown: UnknownValue, found: Found, on: date,
                   due_on: date | None = None, event: str | None = None,
                   most: tuple[Decimal, date] | None = None) -> None:
        if what == "charge" and name in self.settled_gaps and found != "fact":
            return
        if (what, name) not in self.gaps:
            self.gaps[what, name] = Gap(unknown.rule, unknown.year, unknown.missing, found, on, due_on, event, most)

    def must_know(self, what: GapKind, name: str) -> None:
        """Raises `UnknownValue`."""
        if self.gaps and (gap := self.gaps.get((what, name))) is not None:
            raise gap.unknown

    def must_know_the_end(self) -> None:
        """Raises `UnknownValue` where time alone may have ended the career."""
        for (what, _), gap in self.gaps.items() if self.gaps else ():
            if what == "end":
                raise gap.unknown

    def forget(self, found: Found) -> None:
        """What is found anew."""
        for about in [about for about, gap in self.gaps.items() if gap.found == found]:
            del self.gaps[about]

    # What follows from the facts

    @property
    def academic_year(self) -> str | None:
        """The academic year that the status speaks of: of the enrolment, the application, the
        pre-enrolment or the transfer."""
        current = self.current_enrolment
        if current is not None:
            return current.academic_year
        if self.singles:
            return max(self.singles)
        return self.preenrolments[-1].data.academic_year if self.preenrolments else self.transferred_year

    @property
    def first_enrolment(self) -> Enrolment | None:
        for enrolment in self.enrolments:
            if enrolment.first:
                return enrolment
        return self.enrolments[0] if self.enrolments else None

    @property
    def latest_perfected(self) -> Enrolment | None:
        best: Enrolment | None = None
        for enrolment in self.enrolments:
            if enrolment.perfected_on is not None and (best is None or enrolment.academic_year >= best.academic_year):
                best = enrolment
        return best

    @property
    def current_enrolment(self) -> Enrolment | None:
        """The enrolment that the status speaks of: the latest perfected one, else the one that is pending."""
        return self.latest_perfected or (self.enrolments[-1] if self.enrolments else None)

    def enrolment_in(self, academic_year: str) -> Enrolment | None:
        """The enrolment filed for an academic year; a perfected one goes before a pending one."""
        found = None
        for enrolment in self.enrolments:
            if enrolment.academic_year == academic_year and (found is None or enrolment.perfected_on is not None):
                found = enrolment
        return found

    def is_enrolled_in(self, academic_year: str) -> bool:
        if academic_year in self.singles:
            return True
        found = self.enrolment_in(academic_year)
        return found is not None and found.perfected_on is not None

    @property
    def withdrawal(self) -> Withdrawal | None:
        """The withdrawal that is filed and alive."""
        return self.withdrawals[-1] if self.withdrawals and self.withdrawals[-1].alive else None

    @property
    def under_reservation(self) -> bool:
        return self.reservation is not None and self.reservation.alive and self.ended is None

    def failed_reservation_by(self, day: date) -> bool:
        """It lapsed, or the day has passed after which only an officer can lift it (AMB-52)."""
        held = self.reservation
        return held is not None and (held.lapsed_on is not None or (
            self.under_reservation and held.met_late is None and held.sure_until < day <= held.term))

    def left_by(self, day: date) -> bool:
        """Whether it had ended on a day, or a withdrawal was filed that lives."""
        return (self.ended_on is not None and self.ended_on <= day) or (
            self.withdrawal is not None and self.withdrawal.filed_on <= day)

    def is_suspended_in(self, academic_year: str) -> bool:
        return academic_year in self.suspended_years or (
            self.suspended_from is not None and self.suspended_from <= academic_year)

    @property
    def status(self) -> str | None:
        """Section 5; None before the career has begun."""
        if self.begun_on is None:
            return None
        if self.ended is not None:
            return self.ended
        if self.singles and not self.enrolments:
            return "single-courses"
        if self.latest_perfected is not None:
            if self.withdrawal is not None:
                return "withdrawal-pending"
            if self.suspended_on is not None:
                return "suspended"
            return "enrolled-with-reservation" if self.under_reservation else "enrolled"
        if self.withdrawal is not None:
            return "withdrawal-pending"
        if self.enrolments or (self.transferred_in_on is not None and not self.preenrolments):
            return "enrolment-pending"
        if self.admitted is not None:
            return "admitted" if self.admitted else "not-admitted"
        return "preenrolled"

    @property
    def regime(self) -> str | None:
        enrolment = self.current_enrolment
        return self.regime_in(enrolment.academic_year) if enrolment is not None else None

    def regime_in(self, academic_year: str) -> str:
        """The regime of an academic year: it goes on until it is changed (PT-9)."""
        exact = self.regime_by_year.get(academic_year)
        if exact is not None:
            return exact
        latest = max((year for year in self.regime_by_year if year < academic_year), default=None)
        return self.regime_by_year[latest] if latest is not None else "full-time"

    def passed(self, day: date) -> dict[str, Result]:
        """Courses passed whose result counts on a day."""
        return {r.data.course: r for r in self.results if r.until is None and r.counts_from <= day
                and r.data.outcome == "passed"}

    def passed_in(self, course: str, day: date) -> Result | None:
        """The same of one course."""
        for result in reversed(self.results):
            if result.data.course == course and result.until is None and result.counts_from <= day \
                    and result.data.outcome == "passed":
                return result
        return None

    def cfu_passed(self, day: date) -> int | float:
        """Each course once. As `passed_by_now`."""
        passed = self.passed_by_now(day)
        if passed is not self.counted:
            return sum([result.data.cfu for result in passed.values()])
        if self.counted_cfu is None:
            self.counted_cfu = sum([result.data.cfu for result in passed.values()])
        return self.counted_cfu

    def last_exam_year(self, day: date) -> str | None:
        """The latest academic year of an exam passed. As `passed_by_now`."""
        passed = self.passed_by_now(day)
        if passed is not self.counted:
            return max([self.exam_year(result.data) for result in passed.values()], default=None)
        if self.counted_year is None and passed:
            self.counted_year = max([self.exam_year(result.data) for result in passed.values()])
        return self.counted_year

    def passed_by_now(self, day: date) -> Mapping[str, Result]:
        """The same as `passed`, at less cost where it is asked for in the order of days."""
        if day < self.counted_on:
            self._count_anew()
        found, results = self.counted, self.results
        self.counted_on = day
        while self.counted_to < len(results) and (result := results[self.counted_to]).counts_from <= day:
            self.counted_to += 1
            if result.until is None and result.data.outcome == "passed":
                self._count(result)
        if self.counted_to == len(results):
            return found
        return found | {r.data.course: r for r in results[self.counted_to:]
                        if r.until is None and r.counts_from <= day and r.data.outcome == "passed"}

    def take_back(self, result: Result, day: date) -> None:
        """From a day on it counts no more."""
        result.until = day
        self._count_anew()

    def _count(self, result: Result) -> None:
        data, year = result.data, self.exam_year(result.data)
        if not self.counted or (self.counted_year is not None and year > self.counted_year):
            self.counted_year = year
        if data.course in self.counted:
            self.counted_year = None
        self.counted[data.course], self.counted_cfu = result, None
        self.told_by_booking = self.told_by_booking or data.academic_year is None

    def _count_anew(self) -> None:
        self.counted, self.counted_to, self.counted_cfu, self.counted_year = {}, 0, None, None

    def recognised(self) -> dict[str, str]:
        """Recognised courses and the event that recognised each."""
        return {course.code: event for _, event, data in self.recognitions for course in data.courses}

    def open_booking(self, course: str, held_on: date) -> Booking | None:
        for booking in reversed(self.bookings):
            if booking.closed_on is None and booking.data.course == course and booking.data.held_on == held_on:
                return booking
        return None

    def book(self, booking: Booking) -> None:
        self.bookings.append(booking)
        if self.told_by_booking:
            self.counted_year = None

    def close_bookings(self, course: str, held_on: date, day: date) -> None:
        """Of a call; elsewhere it may have been booked twice."""
        for booking in self.bookings:
            if booking.closed_on is None and booking.data.course == course and booking.data.held_on == held_on:
                booking.closed_on = day

    @obeys("AMB-36")
    def exam_year(self, data: ExamGraded) -> str:
        """The academic year of an exam: the one that it, or its booking, states, else the one that runs on its day."""
        if data.academic_year is not None:
            return data.academic_year
        booked = (b.data for b in reversed(self.bookings) if b.data.course == data.course
                  and b.data.held_on == data.held_on)
        return next((b.academic_year for b in booked), year_of(data.held_on))

    def charge(self, year: str | None, kind: str) -> Charge | None:
        return self.charges.get(f"{year}:{kind}")


class Ticket(msgspec.Struct):
    number: str
    opened_on: date
    event: str
    closed_on: date | None = None


class Person(msgspec.Struct):
    """Everything about one student on `day`, at the end of that day."""

    name: str
    day: date = date.min
    careers: dict[str, Career] = msgspec.field(default_factory=dict)
    tickets: dict[str, Ticket] = msgspec.field(default_factory=dict)
    order: int = 0
    across: bool = False
    """Whether a fact of one career bears on the exams of another."""
    touched: set[str] = msgspec.field(default_factory=set)
    money_touched: set[str] = msgspec.field(default_factory=set)
    """Careers whose status, and whose charges and blocks, may have changed since the fold last told its observers."""

    def career(self, name: str) -> Career:
        found = self.careers.get(name)
        if found is None:
            found = self.careers[name] = Career(name)
        return found

    def others(self, career: Career) -> list[Career]:
        return [c for c in self.careers.values() if c is not career]

    @property
    def has_degree(self) -> bool:
        """A degree of this university, as far as the ledger knows."""
        return any(c.graduated is not None for c in self.careers.values())


def days_after(day: date, count: int) -> date:
    return day + timedelta(days=count)
