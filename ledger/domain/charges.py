"""A charge as every answer tells it at the end of a day (section 4): the tables, the messages and
the words show these values."""

from datetime import date
from decimal import Decimal
from typing import NamedTuple

from .account import overdue_amount, state_of
from .books import LawBooks
from .law.lateness import accruing
from .law.refunds import Refundable, refundable
from .rulebook import UnknownValue
from .state import Career, Charge, Person
from .values import ZERO


class Told(NamedTuple):
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


def told(person: Person, career: Career, charge: Charge, books: LawBooks) -> Told:
    day, books = person.day, books.on(person.day)
    return Told(state_of(career, charge, day), charge.amount, charge.next_due_on, charge.raised_on,
                charge.paid, charge.paid_on,
                charge.refunded, charge.waived, charge.moved, charge.outstanding, overdue_amount(career, charge, day),
                accrues(career, charge, day, books) if charge.outstanding else ZERO, charge.rule,
                _refundable(person, career, charge, books) if charge.paid else None)


def accrues(career: Career, charge: Charge, day: date, books: LawBooks) -> Decimal:
    """What paying on a day costs more; nothing where it is unknown, which the career's gaps tell."""
    try:
        return accruing(career, charge, day, books)
    except UnknownValue:
        return ZERO


def _refundable(person: Person, career: Career, charge: Charge, books: LawBooks) -> Refundable | None:
    try:
        return refundable(person, career, charge, books)
    except UnknownValue:
        return None
