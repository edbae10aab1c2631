"""`career.state.v1`: a career's whole past and foreseeable future, as of everything that is known.

Every list holds intervals [from, until) by day, `until` null where nothing that is known ends them: the answer of a day is the
look-up of that day, and what will happen if nothing else does is in it too. `states` makes the messages, `career_on` turns one
back into what the domain's predicates of section 6 read, so that a subscriber gives the ledger's own answers.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Literal, cast

from pydantic import Field

from ledger.domain.charges import accruing, overdue_amount, state_of, unallocated
from ledger.domain.events import (
    CfuRecognised,
    CourseType,
    ExamBooked,
    ExamGraded,
    PlanCourse,
    Regime,
    SingleCoursesEnrolled,
    StudyPlanApproved,
)
from ledger.domain.evolve import EDITION, next_change, pass_to, replay
from ledger.domain.knowledge import in_force
from ledger.domain.reasons import Fact, source_of
from ledger.domain.refunds import refundable
from ledger.domain.rulebook import LawBooks
from ledger.domain.state import Block, Booking, Career, ChangeAsked, Charge, Enrolment, Person, Result, Withdrawal
from ledger.domain.submissions import Event
from ledger.domain.values import ZERO, Pseudonym, format_instant

from .message import History, Message, cloud_headers, encode
from .models import AcademicYear, Counter, Euro, FactRef, Moment, Number, SourceRef, Wire
from .topics import STATE

VERSION = 1
TYPE = f"career.state.v{VERSION}"


Status = Literal["preenrolled", "admitted", "not-admitted", "excluded", "enrolment-pending", "enrolled-with-reservation", "enrolled",
                 "suspended", "withdrawal-pending", "renounced", "cancelled", "reservation-lapsed", "transferred-out", "programme-changed",
                 "forfeited", "graduated", "single-courses"]


class Span(Wire):
    """Holds from the end of day `from` up to, not including, day `until`."""

    from_: date = Field(alias="from")
    until: date | None = None

    def holds_on(self, day: date) -> bool:
        return self.from_ <= day and (self.until is None or day < self.until)


class EnrolmentRef(Wire):
    """`perfected_on` null: filed, not yet paid; `charge` what its payment is for."""

    academic_year: AcademicYear
    year: int
    filed_on: date
    event: str
    charge: str | None = None
    perfected_on: date | None = None


class WithdrawalRef(Wire):
    """Filed and alive. It lapses after `last_day` unless its stamp is paid (`perfected_on`)."""

    event: str
    filed_on: date
    last_day: date | None = None
    perfected_on: date | None = None


class ReservationRef(Wire):
    """Alive until `term` (null: without a term)."""

    event: str
    filed_on: date
    term: date | None = None


class ChangeAskedRef(Wire):
    """A change of programme that was asked for from this career: from `on` on none of its exams is booked or sat."""

    event: str
    on: date
    academic_year: AcademicYear
    to_career: Pseudonym


class StatusSpan(Span):
    """Section 5. `year` and `regime` are those of the enrolment in force; `ended` says how the career ended."""

    status: Status | None
    programme: str | None = None
    course_type: CourseType | None = None
    academic_year: AcademicYear | None = None
    year: int | None = None
    regime: Regime | None = None
    ended: Status | None = None
    suspended_on: date | None = None
    enrolments: tuple[EnrolmentRef, ...] = ()
    withdrawal: WithdrawalRef | None = None
    reservation: ReservationRef | None = None
    change_asked: ChangeAskedRef | None = None
    unruled_years: tuple[AcademicYear, ...] = ()


class BlockSpan(Span):
    """Section 5. `since` is the block's first day: `from` is later where its amount changed meanwhile."""

    kind: Literal["exam-booking", "final-exam", "administrative", "reservation"]
    since: date
    rule: str
    charge: str | None = None
    amount: Euro | None = None
    reason: str
    how_to_lift: str
    interpretation: str | None = None
    academic_year: AcademicYear
    source: SourceRef
    facts: tuple[FactRef, ...] = ()


class RefundRef(Wire):
    amount: Euro
    by: date | None = None
    rule: str


class PartRef(Wire):
    """What of a charge falls due on a day, and what of it is still owed."""

    due_on: date
    amount: Euro
    outstanding: Euro


class PlanRef(Wire):
    """The agreed instalment plan that gives a charge its due dates."""

    event: str
    agreed_on: date


class ChargeSpan(Span):
    """Section 4, euro with two digits. `rule` is withheld for single courses, `credit` is money beyond what was owed. `overdue` is what
    of `outstanding` is overdue; `parts`, by due date, where not all of the charge falls due on `due_on` (what was settled before an
    agreed plan is in none)."""

    charge: str
    state: Literal["paid", "moved", "waived", "payable", "overdue", "to-come"]
    amount: Euro
    due_on: date | None = None
    raised_on: date
    paid: Euro
    paid_on: date | None = None
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
    lectures_end_on: date
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
    lectures_end_on: date


class SingleCoursesSpan(Span):
    """An application for single courses; one of another year stands beside it. `awaited_degree`: the failed reservation after which
    their exams wait for the first degree."""

    academic_year: AcademicYear
    reserved_session: bool = False
    courses: tuple[SingleCourseRef, ...]
    awaited_degree: FactRef | None = None


class ResultSpan(Span):
    """A result that counts: a written one from the day after it can be refused. `recorded_on`: the fact's own day."""

    course: str
    held_on: date
    outcome: Literal["passed", "failed"]
    cfu: Number
    event: str
    recorded_on: date


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
    held_on: date
    event: str


class CareerState(Wire):
    """The value of `career.state.v1`; key `student/career`. `position` and `version` are those of the newest event of the student
    that it reflects; `law` names the rule books that it was computed under, `recorded_at` the newest event's instant."""

    student: Pseudonym
    career: Pseudonym
    position: Counter
    version: Counter
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


# From events to messages

Json = dict[str, Any]
_Thing = tuple[str, str, str, str]
"""Kind of span, and what names the thing."""


def states(events: Sequence[Event], student: str, books: LawBooks) -> Iterator[Json]:
    """The state of each career that the student's events name, ready for `message`: days and euro are still dates and decimals.
    A career whose events were all voided has empty lists."""
    newest = events[-1]
    head = {"student": student, "position": newest.position, "version": newest.version, "recorded_at": format_instant(newest.recorded_at),
            "law": books.identity}
    facts = in_force(list(events))
    seen = _Spans(books)
    person = Person(student)
    if facts:
        person = replay(facts, student, facts[-1].effective_on, books, at_end_of_day=seen.end_of_day)
        seen.end_of_day(person)
        while (moment := next_change(person)) is not None:
            pass_to(person, moment, books)
            seen.end_of_day(person)
    for name in sorted({e.career for e in events if e.career is not None} | set(person.careers)):
        career = person.careers.get(name) or Career(name)
        found = seen.finish(name)
        yield head | {"career": name, **found, "plans": _plans(facts, name), **_exams(career)}


def message(state: Json, history: History) -> Message:
    """The message of a career's state. `history`: that of the ledger."""
    key = f"{state['student']}/{state['career']}"
    position, law = str(state["position"]), f"{state['law'][:8]}.{EDITION}"
    return Message(STATE, key.encode(), encode(state), [
        ("position", position.encode()), ("version", b"%d" % state["version"]),
        *cloud_headers(f"{key}@{position}/{law}", history, TYPE, state["recorded_at"], key, f"urn:career-ledger:state:v{VERSION}")])


class _Spans:
    """Collects spans while the fold runs: of each career the things that hold, at the end of every day on which one may change."""

    def __init__(self, books: LawBooks) -> None:
        self._books = books
        self._open: dict[str, dict[_Thing, tuple[date, Json]]] = {}
        self._closed: dict[str, list[tuple[str, Json]]] = {}

    def end_of_day(self, person: Person) -> None:
        for name in person.money_touched | (person.touched - self._open.keys()):  # of the others a result came in, which has its days
            self._observe(name, dict(self._things(person, person.careers[name])), person.day)
        person.touched.clear()
        person.money_touched.clear()

    def _observe(self, name: str, now: dict[_Thing, Json], day: date) -> None:
        before = self._open.get(name, {})
        after: dict[_Thing, tuple[date, Json]] = {}
        for thing, (since, value) in before.items():
            if since != day and now.get(thing) != value:
                self._closed.setdefault(name, []).append((thing[0], {"from": since, "until": day} | value))
        for thing, value in now.items():
            held = before.get(thing)
            after[thing] = held if held is not None and held[1] == value else (day, value)
        self._open[name] = after

    def _things(self, person: Person, career: Career) -> Iterator[tuple[_Thing, Json]]:
        yield ("status", "", "", ""), _status(career)
        for block in career.blocks.values():
            yield ("blocks", block.kind, block.rule, block.charge or ""), _block(block, self._books)
        for charge in career.charges.values():
            yield ("charges", charge.key, "", ""), _charge(person, career, charge, self._books)
        waiting: dict[str, Decimal] = {}
        for key, _, amount, _ in unallocated(career):
            waiting[key] = waiting.get(key, ZERO) + amount
        for key, amount in waiting.items():
            yield ("unallocated", key, "", ""), {"charge": key, "amount": amount}
        for year, applied in career.singles.items():
            yield ("single_courses", year, "", ""), {
                "academic_year": year, "reserved_session": applied.reserved_session,
                "courses": [{"code": c.code, "cfu": c.cfu, "lectures_end_on": c.lectures_end_on} for c in applied.courses],
                **({"awaited_degree": _facts((career.awaited_degree[year],))[0]} if year in career.awaited_degree else {})}

    def finish(self, name: str) -> dict[str, list[Json]]:
        found: dict[str, list[Json]] = {kind: [] for kind in ("status", "blocks", "charges", "unallocated", "single_courses")}
        for kind, span in self._closed.get(name, ()):
            found[kind].append(span)
        for thing, (since, value) in self._open.get(name, {}).items():
            found[thing[0]].append({"from": since, "until": None} | value)
        for spans in found.values():
            spans.sort(key=lambda span: (span["from"], span.get("charge") or ""))
        return found


def _status(career: Career) -> Json:
    current, held, withdrawal, asked = career.current_enrolment, career.reservation, career.withdrawal, career.change_asked
    return {
        "status": career.status, "programme": career.programme, "course_type": career.course_type, "academic_year": career.academic_year,
        "year": current.year if current else None, "regime": career.regime, "ended": career.ended,
        "suspended_on": career.suspended_on,
        "enrolments": [{"academic_year": e.academic_year, "year": e.year, "filed_on": e.filed_on, "event": e.event,
                        "charge": e.charge, "perfected_on": e.perfected_on} for e in career.enrolments],
        "withdrawal": {"event": withdrawal.event, "filed_on": withdrawal.filed_on, "last_day": withdrawal.last_day,
                       "perfected_on": withdrawal.perfected_on} if withdrawal is not None else None,
        "reservation": {"event": held.event, "filed_on": held.filed_on,
                        "term": held.term if held.term != date.max else None}
        if held is not None and career.under_reservation else None,
        **({"change_asked": {"event": asked.event, "on": asked.on, "academic_year": asked.academic_year, "to_career": asked.to_career}}
           if asked is not None else {}),
        "unruled_years": sorted(career.unruled),
    }


def _block(block: Block, books: LawBooks) -> Json:
    return {"kind": block.kind, "since": block.start, "rule": block.rule, "charge": block.charge,
            "amount": block.amount, "reason": block.reason, "how_to_lift": block.how_to_lift,
            "interpretation": block.interpretation, "academic_year": block.year, "source": source_of(books.book_of(block.year), block.rule),
            "facts": _facts(block.facts)}


def _charge(person: Person, career: Career, charge: Charge, books: LawBooks) -> Json:
    right = refundable(person, career, charge, books)
    return {
        "charge": charge.key, "state": state_of(career, charge, person.day), "amount": charge.amount,
        "due_on": charge.next_due_on, "raised_on": charge.raised_on, "paid": charge.paid,
        "paid_on": charge.paid_on, "refunded": charge.refunded, "waived": charge.waived, "moved": charge.moved,
        "outstanding": charge.outstanding, "overdue": overdue_amount(career, charge, person.day), "credit": charge.credit,
        "accruing": accruing(career, charge, person.day, books),
        "rule": charge.rule if charge.base_kind not in ("single-courses", "single-courses-stamp") else None,
        "refundable": {"amount": right.amount, "by": right.by, "rule": right.rule} if right is not None else None,
        "plan": {"event": charge.plan.event, "agreed_on": charge.plan.agreed_on} if charge.plan is not None else None,
        "parts": [{"due_on": p.due_on, "amount": p.amount, "outstanding": p.outstanding} for p in charge.parts],
        "facts": _facts(charge.basis)}


def _facts(facts: tuple[Fact, ...]) -> list[Json]:
    return [{"event": f.event, "on": f.on, "amount": f.amount} for f in facts]


def _plans(facts: Iterable[Event], career: str) -> list[Json]:
    """Each approved plan until the next one of the same year."""
    found: list[Json] = []
    standing: dict[str, Json] = {}
    for fact in facts:
        if fact.career != career or not isinstance(fact.data, StudyPlanApproved):
            continue
        day, year = fact.effective_on, fact.data.academic_year
        if year in standing:
            standing[year]["until"] = day
        standing[year] = {"from": day, "until": None, "academic_year": year, "courses": [
            {"code": c.code, "cfu": c.cfu, "year": c.year, "semester": c.semester, "lectures_end_on": c.lectures_end_on,
             "prerequisites": list(c.prerequisites), "supernumerary": c.supernumerary, "anticipated": c.anticipated}
            for c in fact.data.courses]}
        found.append(standing[year])
    return [span for span in found if span["from"] != span["until"]]


def _exams(career: Career) -> dict[str, list[Json]]:
    """What the final state holds with its days: results, recognitions, bookings."""
    return {
        "results": [{"from": r.counts_from, "until": r.until, "course": r.data.course, "held_on": r.data.held_on,
                     "outcome": r.data.outcome, "cfu": r.data.cfu, "event": r.event, "recorded_on": r.on}
                    for r in career.results if r.until is None or r.until > r.counts_from],
        "recognitions": [{"from": on, "until": None, "event": event, "cfu": data.cfu,
                          "courses": [{"code": c.code, "cfu": c.cfu} for c in data.courses]} for on, event, data in career.recognitions],
        "bookings": [{"from": b.on, "until": b.closed_on, "course": b.data.course, "held_on": b.data.held_on,
                      "event": b.event} for b in career.bookings if b.closed_on is None or b.closed_on > b.on],
    }


# From a message back to what the predicates read


def career_on(state: CareerState, day: date) -> Career:
    """The career at the end of a day, with everything that the predicates of section 6 look at (and only that).

    Where they read a payload, the span takes its place: it has the fields by the same names."""
    career = Career(state.career)
    status = next((span for span in state.status if span.holds_on(day)), None)
    if status is not None:
        career.ended, career.suspended_on = status.ended, status.suspended_on
        career.unruled = set(status.unruled_years)
        career.enrolments = [Enrolment(e.academic_year, e.year, e.filed_on, e.event, False, e.charge, perfected_on=e.perfected_on)
                             for e in status.enrolments]
        if status.withdrawal is not None:
            w = status.withdrawal
            career.withdrawals = [Withdrawal(w.filed_on, w.event, 0, None, None, w.last_day, perfected_on=w.perfected_on)]
        if status.change_asked is not None:
            asked = status.change_asked
            career.change_asked = ChangeAsked(asked.on, asked.event, asked.academic_year, asked.to_career)
    for block in (b for b in state.blocks if b.holds_on(day)):
        career.blocks[block.kind, block.rule, block.charge or ""] = Block(
            block.kind, block.rule, block.charge, block.since, block.reason, block.how_to_lift, block.amount, block.interpretation,
            block.academic_year, tuple(f.fact() for f in block.facts))
    for owed in (c for c in state.charges if c.holds_on(day)):
        year, _, kind = owed.charge.partition(":")
        career.charges[owed.charge] = Charge(
            owed.charge, kind, year, owed.amount, owed.due_on, owed.raised_on, owed.rule or "", tuple(f.fact() for f in owed.facts),
            outstanding=owed.outstanding, paid=owed.paid, paid_on=owed.paid_on)
    for plan in (p for p in state.plans if p.holds_on(day)):
        career.plans[plan.academic_year] = {c.code: cast(PlanCourse, c) for c in plan.courses}
    career.singles = {s.academic_year: cast(SingleCoursesEnrolled, s) for s in state.single_courses if s.holds_on(day)}
    career.awaited_degree = {s.academic_year: s.awaited_degree.fact() for s in state.single_courses
                             if s.holds_on(day) and s.awaited_degree is not None}
    for r in (r for r in state.results if r.holds_on(day)):
        career.results.append(Result(cast(ExamGraded, r), r.recorded_on, r.event, r.from_))
    for given in (g for g in state.recognitions if g.holds_on(day)):
        career.recognitions.append((given.from_, given.event, cast(CfuRecognised, given)))
    for b in (b for b in state.bookings if b.holds_on(day)):
        career.bookings.append(Booking(cast(ExamBooked, b), b.from_, b.event))
    return career


def person_on(state: CareerState, day: date) -> Person:
    """The same, as the person that `reasons_against_act` asks about."""
    career: Mapping[str, Career] = {state.career: career_on(state, day)}
    return Person(state.student, day, dict(career))
