"""A charge as every answer tells it at the end of a day (section 4): the tables, the messages and
the words show these values."""

from datetime import date
from decimal import Decimal

import msgspec

from .account import overdue_amount, state_of
from .books import LawBooks
from .law import lateness
from .law.refunds import Refundable, may_be_refunded, refundable
from .rulebook import UnknownValue
from .state import Career, Charge, Person
from .values import ZERO


class Told(msgspec.Struct, frozen=True):
    """Amounts in euro. `due_on`: the first day on which something unpaid falls due; `accruing`: what
    paying on this day costs more."""

    state: str
    amount: Decimal
    due_on: date | None
    raised_on: date
    paid: Decimal
    paid_on: date | None
    refunded: Decimal
    waived: Decimal
    moved: Decimal
    outstanding: Decimal
    overdue: Decimal
    accruing: Decimal
    rule: str
    refundable: Refundable | None


def told(person: Person, career: Career, charge: Charge, law: LawBooks) -> Told:
    """`law`: in force on the person's day."""
    kept: Told | None = charge.told_as
    day = person.day
    if kept is not None and day < charge.told_until and kept.rule is charge.rule and kept.due_on is charge.due_on \
            and kept.amount is charge.amount and not may_be_refunded(career, charge):
        return kept
    late = accruing = ZERO
    if charge.outstanding:
        late, accruing = overdue_amount(career, charge, day), accrues(career, charge, day, law)
    now = Told(state_of(career, charge, day), charge.amount, charge.next_due_on, charge.raised_on,
               charge.paid, charge.paid_on, charge.refunded, charge.waived, charge.moved, charge.outstanding,
               late, accruing, charge.rule, _refundable(person, career, charge, law) if charge.paid else None)
    if not (charge.waivers or charge.dates) and (charge.is_instalment or not charge.outstanding):
        charge.told_as = now  # time changes nothing of what is settled
        charge.told_until = charge.next_day if charge.outstanding else date.max
    return now


def accrues(career: Career, charge: Charge, day: date, books: LawBooks) -> Decimal:
    """What paying on a day costs more; nothing where it is unknown, which the career's gaps tell."""
    try:
        return lateness.accruing(career, charge, day, books)
    except UnknownValue:
        return ZERO


def _refundable(person: Person, career: Career, charge: Charge, books: LawBooks) -> Refundable | None:
    try:
        return refundable(person, career, charge, books)
    except UnknownValue:
        return None
