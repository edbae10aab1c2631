"""The life of a debt position over time, from the timeline of its charge.

A pure function of the state message: periods [from, until) without holes from the day on which the position is
published, so that its status on any day, past or to come, is a look-up. Amounts are euro.

published   may be paid, and its date has not passed (or it has none)
expired     its date has passed unpaid; it may still be paid, with what accrues
paid        nothing is owed any more, and money was received
refund-due  nothing is owed any more, and the university holds money to give back: a right to a refund, or credit
cancelled   nothing is owed any more without money that stays here (waived, moved), or the charge is gone

A charge that falls due in parts has a position for each day (`reference.position_of`). Under an instalment plan the
charge's own position ends with the plan; where only a later assessment added something (AMB-46), it goes on as that of
the first part.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from ledger.domain.values import ONE_DAY, ZERO
from ledger.wire.state import ChargeSpan

from .reference import position_of

DebtStatus = Literal["published", "expired", "paid", "refund-due", "cancelled"]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Holds from the end of day `from_on` up to, not including, `until_on` (None: open). `outstanding` + `accruing` is
    to be paid on a day of it; `refund` with `refund_by` (None: on request) and `refund_rule` may be given back,
    `credit` is beyond what was owed."""

    from_on: date
    until_on: date | None
    status: DebtStatus
    amount: Decimal = ZERO
    paid: Decimal = ZERO
    outstanding: Decimal = ZERO
    accruing: Decimal = ZERO
    credit: Decimal = ZERO
    refund: Decimal = ZERO
    due_on: date | None = None
    paid_on: date | None = None
    refund_by: date | None = None
    refund_rule: str | None = None
    surcharge: str | None = None
    """The charge that the ledger raises for `accruing` once the payment is complete: money for it is submitted to that
    key."""

    @property
    def to_pay(self) -> Decimal:
        return self.outstanding + self.accruing

    @property
    def valid_until(self) -> date | None:
        """The last day on which `to_pay` is the amount, if nothing else happens."""
        return self.until_on - ONE_DAY if self.until_on is not None else None

    def holds_on(self, day: date) -> bool:
        return self.from_on <= day and (self.until_on is None or day < self.until_on)

    def same_as(self, other: "Stretch") -> bool:
        return all(getattr(self, f.name) == getattr(other, f.name) for f in fields(self)
                   if f.name not in ("from_on", "until_on"))


def lives(charges: Iterable[ChargeSpan], known: Iterable[tuple[str, date]] = ()) -> dict[str, list[Stretch]]:
    """position -> periods in order, of all charges of a career. `known` are (position, day of publication) of positions
    published before: one that is gone altogether (its charge or plan was voided) is cancelled from its publication
    on."""
    spans: dict[str, list[ChargeSpan]] = {}
    raised: dict[str, date] = {}
    for span in charges:
        raised[span.charge] = min(span.from_, raised.get(span.charge, date.max))
        for position, part in _positions(span):
            spans.setdefault(position, []).append(part)
    found = {position: _life(sorted(of, key=lambda s: s.from_), raised) for position, of in spans.items()}
    for position, published_on in known:
        if position not in found:
            found[position] = [Stretch(published_on, None, "cancelled")]
    return found


def _positions(span: ChargeSpan) -> Iterator[tuple[str, ChargeSpan]]:
    """What of a charge is asked for on each day, each as if it were a charge."""
    if not span.parts:
        yield span.charge, span
        return
    days = sorted({part.due_on for part in span.parts})
    owing = next((part.due_on for part in span.parts if part.outstanding), None)
    asked = ZERO
    for number, day in enumerate(days, 1):
        amount = sum((part.amount for part in span.parts if part.due_on == day), ZERO)
        outstanding = sum((part.outstanding for part in span.parts if part.due_on == day), ZERO)
        asked += amount
        last = number == len(days)
        first = number == 1 and span.plan is None
        yield span.charge if first else position_of(span.charge, day), span.model_copy(update={
            "due_on": day, "amount": amount, "paid": amount - outstanding, "outstanding": outstanding,
            "accruing": span.accruing if day == owing else ZERO, "credit": span.credit if last else ZERO,
            "refundable": span.refundable if last else None,
            "state": "to-come" if outstanding else "paid" if span.outstanding else span.state})
    if span.plan is not None:
        before = span.amount - span.waived - asked
        yield span.charge, span.model_copy(update={
            "amount": before, "paid": before, "outstanding": ZERO, "accruing": ZERO, "credit": ZERO,
            "refundable": None, "due_on": None,
            "paid_on": None,
            "state": "paid" if before > ZERO else "moved"})


def _life(spans: list[ChargeSpan], raised: Mapping[str, date]) -> list[Stretch]:
    periods: list[Stretch] = []
    for span in spans:
        if periods and (end := periods[-1].until_on) is not None and end < span.from_:
            _join(periods, Stretch(end, span.from_, "cancelled"))
        for period in _periods(span, raised):
            _join(periods, period)
    if (end := periods[-1].until_on) is not None:
        _join(periods, Stretch(end, None, "cancelled"))
    return periods


def _join(periods: list[Stretch], one: Stretch) -> None:
    if periods and periods[-1].until_on == one.from_on and periods[-1].same_as(one):
        periods[-1] = replace(periods[-1], until_on=one.until_on)
    else:
        periods.append(one)


def _periods(span: ChargeSpan, raised: Mapping[str, date]) -> Iterable[Stretch]:
    """A span, split where its due date passes within it: the ledger never calls `payable` charges overdue, their
    notices expire all the same."""
    right = span.refundable
    one = Stretch(
        span.from_, span.until, _settled(span), span.amount, span.paid, span.outstanding, span.accruing, span.credit,
        right.amount if right is not None else ZERO, span.due_on, span.paid_on, right.by if right is not None else None,
        right.rule if right is not None else None, surcharge_key(span, raised) if span.accruing > ZERO else None)
    if span.outstanding == ZERO:
        yield one
        return
    late_from = span.due_on + timedelta(days=1) if span.due_on is not None else None
    if span.state == "overdue" or (late_from is not None and late_from <= span.from_):
        yield replace(one, status="expired")
    elif late_from is None or (span.until is not None and span.until <= late_from):
        yield replace(one, status="published")
    else:
        yield replace(one, status="published", until_on=late_from)
        yield replace(one, status="expired", from_on=late_from)


def _settled(span: ChargeSpan) -> DebtStatus:
    if span.credit > ZERO or span.refundable is not None:
        return "refund-due"
    return "paid" if span.state == "paid" else "cancelled"


def surcharge_key(span: ChargeSpan, raised: Mapping[str, date]) -> str:
    """The key that the ledger gives to the surcharge of a late payment: the next that was free then (section 4).
    `raised`: the first day of each of the career's charges."""
    year, _, kind = span.charge.partition(":")
    base = f"{year}:late-instance" if span.rule == "CHG-2" else f"{year}:late-fee/{kind}"
    key, count = base, 1
    while key in raised and raised[key] <= span.from_:
        count += 1
        key = f"{base}#{count}"
    return key
