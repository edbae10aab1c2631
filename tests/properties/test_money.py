"""Money: what is owed adds up on every day, nothing gets lost or counted twice, and each charge is in one state."""

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import assume, given, note

from ledger.domain import events as e
from ledger.domain.knowledge import in_force
from ledger.domain.state import PAYABLE
from ledger.domain.submissions import Event
from ledger.projections import fees

from .histories import BOOKS, STUDENT, Line, record, stories, told
from .timeline import days_that_matter

ZERO = Decimal("0.00")
PARTS = ("paid", "refunded", "waived", "moved", "outstanding")


def _changes(events: list[Event]) -> list[date]:
    """The days on which money can change hands or a state can change."""
    return days_that_matter(events)


def _euro(charge: dict[str, Any], *names: str) -> Decimal:
    return sum((Decimal(charge[name]) for name in names), ZERO)


@given(stories())
def test_charges_add_up_on_every_day(lines: list[Line]) -> None:
    events = record(lines)
    assume(events)
    note(told(events))
    for day in sorted({n.effective_on for n in events} | set(_changes(events)[-1:])):
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
    """What the university holds for each charge key, from the facts alone: received, less refunded, moves counted once."""
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
    """For each key: received - refunded - moved away + moved here = paid + credit + unallocated. Credit is shown as one sum."""
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
        ("settled", outstanding == ZERO), ("payable", payable), ("overdue", due < day.isoformat()), ("to-come", True)) if fits]


@given(stories())
def test_charge_is_in_exactly_one_state_and_totals_are_their_sums(lines: list[Line]) -> None:
    events = record(lines)
    assume(events)
    note(told(events))
    for day in days_that_matter(events):
        answer = fees.answer(events, STUDENT, day, BOOKS)
        sums = dict.fromkeys(("overdue", "to-come"), ZERO)
        for charge in answer["charges"]:
            settled = charge["state"] in ("paid", "moved", "waived")
            perfected = charge["state"] in ("overdue", "to-come")  # an enrolment whose payment came back or grew
            assert ("settled" if settled else charge["state"]) == _states(charge, perfected, day)[0], f"{day}: {charge}"
            if charge["state"] in sums:
                sums[charge["state"]] += _euro(charge, "outstanding")
            if charge["state"] == "paid":
                assert _euro(charge, "paid", "refunded") > ZERO
            if charge["state"] == "moved":
                assert _euro(charge, "moved") > ZERO
        assert (Decimal(answer["overdue"]), Decimal(answer["to_come"])) == (sums["overdue"], sums["to-come"])
