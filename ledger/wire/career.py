"""A career's state message, turned back into what the predicates of section 6 read, so that a subscriber gives the
ledger's own answers."""

from collections.abc import Mapping
from datetime import date
from typing import cast

from ledger.domain.events import CfuRecognised, ExamBooked, ExamGraded, PlanCourse, SingleCoursesEnrolled
from ledger.domain.state import (
    Block,
    Booking,
    Career,
    ChangeAsked,
    Charge,
    Enrolment,
    Gap,
    GapKind,
    Person,
    Reservation,
    Result,
    Withdrawal,
)

from .state import CareerState


def career_on(state: CareerState, day: date) -> Career:
    """The career at the end of a day, with everything that the predicates of section 6 look at (and only that).

    Where they read a payload, the span takes its place: it has the fields by the same names."""
    career = Career(state.career)
    status = next((span for span in state.status if span.holds_on(day)), None)
    if status is not None:
        career.ended, career.suspended_on = status.ended, status.suspended_on
        career.unruled = set(status.unruled_years)
        career.gaps = {(cast(GapKind, u.about), u.name): Gap(u.rule, u.academic_year, u.missing, "day", status.from_)
                       for u in status.unknown}
        career.enrolments = [Enrolment(e.academic_year, e.year, e.filed_on, e.event, False,
                                       e.charge, perfected_on=e.perfected_on)
                             for e in status.enrolments]
        if status.withdrawal is not None:
            w = status.withdrawal
            year = max((name.partition(":")[0] for about, name in career.gaps
                        if about == "charge" and name.endswith(":withdrawal-stamp")), default=None)
            career.withdrawals = [Withdrawal(w.filed_on, w.event, 0, year, None, w.last_day,
                                             perfected_on=w.perfected_on)]
        if status.reservation is not None:
            held = status.reservation
            term = held.term or date.max
            applied = next((name for about, name in career.gaps if about == "reservation"), "")
            career.reservation = Reservation("", held.filed_on, held.event, term, "", None, applied, term, term)
        if status.change_asked is not None:
            asked = status.change_asked
            career.change_asked = ChangeAsked(asked.on, asked.event, asked.academic_year, asked.to_career)
    for block in (b for b in state.blocks if b.holds_on(day)):
        career.blocks[block.kind, block.rule, block.charge or ""] = Block(
            block.kind, block.rule, block.charge, block.since, block.phrase(), block.amount, block.interpretation,
            block.academic_year, tuple(f.fact() for f in block.facts))
    for owed in (c for c in state.charges if c.holds_on(day)):
        year, _, kind = owed.charge.partition(":")
        career.charges[owed.charge] = Charge(
            owed.charge, kind, year, owed.amount, owed.due_on, owed.raised_on, owed.rule or "",
            tuple(f.fact() for f in owed.facts),
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
