"""Money: what is owed adds up on every day, nothing gets lost or counted twice, and each charge is in one state."""

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import assume, example, given, note

from ledger.domain import events as e
from ledger.domain.events import Event
from ledger.domain.knowledge import in_force
from ledger.domain.state import PAYABLE
from ledger.projections.student import fees

from .histories import (
    BEGINNING,
    BOOKS,
    STUDENT,
    Line,
    assessed,
    decided,
    enrolled,
    paid,
    record,
    stories,
    story,
    told,
    well_formed,
)
from .timeline import horizon, state_on, timeline

ZERO = Decimal("0.00")
PARTS = ("paid", "refunded", "waived", "moved", "outstanding")


def _days(events: list[Event]) -> list[date]:
    """The days of the events, and each charge's due date and the day after it."""
    found = {n.effective_on for n in events}
    for interval in timeline(events, lambda person: sorted({
            due for career in person.careers.values() for c in career.charges.values()
            for due in (c.due, *(p.due_on for p in c.parts))})):
        found |= {due + timedelta(days=n) for due in interval.value for n in (0, 1)}
    first = min(n.effective_on for n in events)
    return sorted(day for day in found if day >= first)


def _euro(charge: dict[str, Any], *names: str) -> Decimal:
    return sum((Decimal(charge[name]) for name in names), ZERO)


@given(stories())
def test_charges_add_up_on_every_day(lines: list[Line]) -> None:
    events = record(lines)
    assume(events)
    note(told(events))
    for day in _days(events):
        for charge in fees.answer(events, STUDENT, day, BOOKS)["charges"]:
            where = f"{day}: {charge}"
            assert _euro(charge, "amount") == _euro(charge, *PARTS), where
            assert all(_euro(charge, name) >= ZERO for name in (*PARTS, "amount", "accruing")), where
            assert _euro(charge, "paid") <= _euro(charge, "amount") - _euro(charge, "waived"), where
            assert (charge["paid_on"] is None) or charge["paid_on"] <= day.isoformat(), where
            assert charge["raised_on"] <= day.isoformat(), where
            if charge["state"] == "paid":
                assert charge["paid_on"] is not None, where


def _balances(events: list[Event], day: date) -> dict[tuple[str, str], Decimal]:
    """What the university holds for each charge key, from the facts alone: received, less
    refunded, moves counted once."""
    held: dict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
    for event in in_force(events):
        data, career = event.data, event.career or ""
        if event.effective_on > day:
            break
        if isinstance(data, e.InstalmentPaid):
            held[career, data.charge] += data.amount
        elif isinstance(data, e.PaymentRefunded):
            held[career, data.charge] -= data.amount
        elif isinstance(data, e.PaymentMoved):
            amount = max(ZERO, min(data.amount, held[career, data.from_charge]))
            held[career, data.from_charge] -= amount
            held[data.to_career or career, data.to_charge] += amount
    return held


@given(stories())
def test_money_received_is_paid_or_credit_or_unallocated_unless_refunded(lines: list[Line]) -> None:
    """For each key: received - refunded - moved away + moved here = paid + credit + unallocated.
    Credit is shown as one sum."""
    events = record(lines)
    assume(events)
    note(told(events))
    for day in sorted({n.effective_on for n in events}):
        answer = fees.answer(events, STUDENT, day, BOOKS)
        shown: dict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
        for charge in answer["charges"]:
            shown[charge["career"], charge["charge"]] = Decimal(charge["paid"])
        waiting: dict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
        for money in answer["unallocated"]:
            waiting[money["career"], money["charge"]] += Decimal(money["amount"])
        credit = ZERO
        for key, held in _balances(events, day).items():
            if key in shown:
                assert shown[key] <= max(ZERO, held), f"{day} {key}: {held} received, {shown[key]} paid"
                credit += max(ZERO, held) - shown[key]
                assert key not in waiting
            else:
                assert waiting[key] == max(ZERO, held), f"{day} {key}: {held} held, {waiting[key]} unallocated"
        assert Decimal(answer["credit"]) == credit, f"{day}"


def _states(charge: dict[str, Any], perfected: bool, day: date) -> list[str]:
    """Every state whose words in section 4 fit a charge as it is shown, in their order."""
    outstanding, kind = _euro(charge, "outstanding"), charge["charge"].partition(":")[2].partition("#")[0]
    payable = kind in PAYABLE or (kind == "enrolment" and not perfected)
    due = charge["due_on"] or charge["raised_on"]
    return [state for state, fits in (
        ("settled", outstanding == ZERO), ("payable", payable), ("overdue", due < day.isoformat()),
        ("to-come", True)) if fits]


@given(stories())
def test_charge_is_in_exactly_one_state_and_totals_are_their_sums(lines: list[Line]) -> None:
    events = record(lines)
    assume(events)
    note(told(events))
    for day in _days(events):
        answer = fees.answer(events, STUDENT, day, BOOKS)
        paid_up = {(c.name, n.charge) for c in state_on(events, day).careers.values()
                   for n in c.enrolments if n.perfected_on is not None and not n.taken
                   and ("enrolment", n.academic_year) not in c.gaps}  # nobody knows whether the payment perfects it
        sums = dict.fromkeys(("overdue", "to-come"), ZERO)
        for charge in answer["charges"]:
            settled = charge["state"] in ("paid", "moved", "waived")
            perfected = (charge["career"], charge["charge"]) in paid_up
            assert ("settled" if settled else charge["state"]) == _states(charge, perfected, day)[0], f"{day}: {charge}"
            late = _euro(charge, "overdue")
            assert late <= _euro(charge, "outstanding"), f"{day}: {charge}"
            assert (late > ZERO) is (charge["state"] == "overdue"), f"{day}: {charge}"
            if charge["state"] in sums:
                sums["overdue"] += late
                sums["to-come"] += _euro(charge, "outstanding") - late
            if "parts" in charge:
                open_parts = sum((_euro(part, "outstanding") for part in charge["parts"]), ZERO)
                assert open_parts == _euro(charge, "outstanding"), f"{day}: {charge}"
                passed = [part for part in charge["parts"] if part["due_on"] < day.isoformat()]
                assert late == (sum((_euro(part, "outstanding") for part in passed), ZERO)
                                if charge["state"] == "overdue" else ZERO)
            if charge["state"] == "paid":
                assert _euro(charge, "paid", "refunded") > ZERO
            if charge["state"] == "moved":
                assert _euro(charge, "moved") > ZERO
        assert (Decimal(answer["overdue"]), Decimal(answer["to_come"])) == (sums["overdue"], sums["to-come"])


@given(stories())
@example(story(*BEGINNING, paid("2026-03-01", "instalment-1", "300.00"), assessed("2026-03-05", "400.00"),
               assessed("2026-03-10", "300.00")))
@example(story(*BEGINNING, paid("2026-03-01", "instalment-1", "300.00"), assessed("2026-03-05", "0.00"),
               assessed("2026-03-10", "300.00")))
@example(story(enrolled("2025-10-20"), paid("2025-10-20", "enrolment", "156.00"),
               decided("2025-11-01", "enrolment", "160.00"), decided("2025-11-02", "enrolment", "156.00")))
def test_one_payment_costs_at_most_one_surcharge(lines: list[Line]) -> None:
    """Whatever is assessed, waived or decided afterwards; nor has one enrolment two late instances (AMB-11)."""
    events = record(lines)
    assume(events)
    note(told(events))
    seen = set()
    for charge in fees.answer(events, STUDENT, horizon(events), BOOKS)["charges"]:
        kind = charge["charge"].partition(":")[2].partition("#")[0]
        if kind.startswith("late-") and charge["rule"] not in ("charge-decided", "AMB-11",
                                                               "AMB-31", "AMB-23", "AMB-20"):
            key = (charge["career"], charge["charge"].partition(":")[0], kind, charge["facts"][0]["event"])
            assert key not in seen, charge
            seen.add(key)


@given(stories())
@example(story(*BEGINNING, ("enrolment-cancelled", "2025-12-10", {"reason": "found out"}),
               assessed("2026-01-10", "1000.00")))
def test_annulled_career_owes_nothing(lines: list[Line]) -> None:
    """A lapsed reservation or a cancelled enrolment waives what is unpaid (RIS-7, RIS-4)."""
    events = record(lines)
    assume(events)
    note(told(events))
    for day in _days(events):
        person = state_on(events, day)
        for career in person.careers.values():
            if career.ended in ("reservation-lapsed", "cancelled"):
                owed = [c for c in career.charges.values() if c.outstanding > ZERO
                        and (c.is_instalment or c.base_kind == "enrolment")
                        and c.decision is None]
                assert not owed, f"{day} {career.name}: {[(c.key, c.outstanding) for c in owed]}"


@given(stories(always=("withdrawal-requested",)))
def test_lapsed_withdrawal_is_as_if_it_had_never_been_filed(lines: list[Line]) -> None:
    """RIN-3: its stamp aside, every charge is again what it would have been."""
    events = record(lines)
    assume(events)
    day = horizon(events)
    careers = state_on(events, day).careers.values()
    lapsed = {w.event for c in careers for w in c.withdrawals if w.lapsed_on is not None}
    assume(lapsed)
    note(told(events))
    never = [n for n in events if n.id not in lapsed]

    def shown(known: list[Event]) -> list[dict[str, Any]]:
        charges = fees.answer(known, STUDENT, day, BOOKS)["charges"]
        return [{k: v for k, v in c.items() if k != "waivers"}
                for c in charges if "withdrawal-stamp" not in c["charge"]]

    assert shown(events) == shown(never)


def _overdue(events: list[Event], career: str | None, year: str, day: date) -> Decimal:
    charges = fees.answer(events, STUDENT, day, BOOKS)["charges"]
    return sum((_euro(c, "overdue") for c in charges if c["career"] == career
                and c["charge"].startswith(f"{year}:instalment-")), ZERO)


@given(stories(always=("contribution-assessed", "contribution-assessed")))
@example(story(*BEGINNING, assessed("2026-03-05", "400.00"), assessed("2026-06-10", "1200.00")))
@example(story(*BEGINNING, decided("2026-02-01", "instalment-1", "0.00"), assessed("2026-03-05", "500.00")))
def test_later_assessment_makes_nothing_overdue_on_its_day(lines: list[Line]) -> None:
    """AMB-46: without it no less was overdue."""
    events = record(lines)
    assume(events)
    note(told(events))
    seen = set()
    for event in in_force(events):
        if not isinstance(event.data, e.ContributionAssessed):
            continue
        year, day = event.data.academic_year, event.effective_on
        if (event.career, year) in seen:
            others = [n for n in events if n.id != event.id
                      and not (isinstance(n.data, e.EventVoided) and n.data.event == event.id)]
            assert _overdue(events, event.career, year, day) <= _overdue(others, event.career, year, day), event.id
        seen.add((event.career, year))


@given(stories(always=("contribution-assessed",)))
@example(story(*BEGINNING, paid("2026-02-05", "instalment-2", "10.00")))
@example(story(*BEGINNING, decided("2026-02-01", "instalment-1", "100.00"),
               paid("2026-02-05", "instalment-1", "100.00")))
@example(story(*BEGINNING, decided("2026-02-01", "instalment-1", "100.00"), assessed("2026-03-05", "1500.00"),
               decided("2026-03-06", "instalment-2", "0.00")))
def test_assessment_that_repeats_the_last_changes_nothing(lines: list[Line]) -> None:
    events = record(lines)
    last = next((n for n in reversed(in_force(events)) if isinstance(n.data, e.ContributionAssessed)), None)
    assume(last is not None)
    assert last is not None
    note(told(events))
    day = max(max(line.heard_on for line in lines), max(n.effective_on for n in events))
    again = Line(day, well_formed({
        "id": "again", "type": last.type, "student": STUDENT, "career": last.career, "effective_on": day.isoformat(),
        "source": "test",
        "actor": "test", "data": e.payload_json(last.data)}))

    def shown(known: list[Event]) -> list[dict[str, Any]]:
        charges = fees.answer(known, STUDENT, day, BOOKS)["charges"]
        return [{k: v for k, v in c.items() if k not in ("facts", "interpretation")} for c in charges]

    assert shown(record([*lines, again])) == shown(events)
