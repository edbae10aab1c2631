"""Money against charges: raising them, attaching money, what is owed and overdue (section 4). It knows no rule.

A charge follows from an event or another charge and names the rule that raised it; `law/` says which and when."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import msgspec

from .reasons import Fact
from .rulebook import INSTALMENTS
from .state import PAYABLE, Career, Charge, Decision, DuePart, Gap, Money, Outflow, Waiver
from .values import ZERO

OVERDUE = "overdue"


class AmountByRule(msgspec.Struct, frozen=True):
    """Euro, the rule that gives it, and the register entry where it is a reading of ours."""

    amount: Decimal
    rule: str
    interpretation: str | None = None


def raise_charge(career: Career, year: str, kind: str, price: AmountByRule, day: date, facts: tuple[Fact, ...],
                 due_on: date | None = None) -> Charge:
    """Raise a charge on a day; a second one of the same kind and year becomes `KIND#2`. An officer's decision that came
    before the charge itself stands (AMB-23)."""
    key, count = f"{year}:{kind}", 1
    existing = career.charges.get(key)
    if existing is not None and existing.decision is not None and existing.rule == "charge-decided":
        existing.rule, existing.due_on, existing.asked = price.rule, due_on, price.amount
        return existing
    while key in career.charges:
        count += 1
        key = f"{year}:{kind}#{count}"
    charge = Charge(key, key.partition(":")[2], year, price.amount, due_on, day, price.rule, facts,
                    price.interpretation)
    if price.amount > ZERO:
        waive_ahead(career, charge)
    career.charges[key] = charge
    career.unsettled = True
    return charge


def waive_ahead(career: Career, charge: Charge) -> None:
    """An officer's waiver that came before the charge holds when it is raised."""
    ahead = career.waived_ahead.get(charge.key)
    if ahead is not None:
        charge.asked = charge.amount
        charge.decision = Decision(ZERO, charge.assessed, *ahead)
        charge.waivers.append(Waiver("charge-decided", charge.amount, True, *ahead))


# Money against one charge


def gross(career: Career, key: str, before_order: int | None = None) -> Decimal:
    """Money received for a key, in euro; only what came before a point of the fold where one is given."""
    return sum((m.amount for m in career.money.get(key, ()) if before_order is None or m.order < before_order), ZERO)


def settle_amounts(career: Career, charge: Charge) -> None:
    """Money against one charge: amount = paid + refunded + waived + moved + outstanding, the rest is credit.

    Money and what left are taken in their order. What leaves takes credit first, then what was paid; it never reopens
    the debt, so that later money fills only what is outstanding."""
    charge.told_as = None
    charge.waived = min(charge.amount, sum((w.amount for w in charge.waivers), ZERO)) if charge.waivers else ZERO
    owed = charge.amount - charge.waived if charge.waivers else charge.amount
    took = _received(career, charge, owed)
    charge.paid, charge.refunded, charge.moved, charge.credit, charge.receipts = took
    charge.outstanding = owed - charge.paid - charge.refunded - charge.moved
    charge.completed_by = charge.receipts[-1][0] if charge.receipts and not charge.outstanding else None
    charge.paid_on = charge.completed_by.on if charge.completed_by is not None else None
    charge.parts = _parts(charge, owed) if charge.dates else []


def _received(career: Career, charge: Charge,
              owed: Decimal) -> tuple[Decimal, Decimal, Decimal, Decimal, list[tuple[Money, Decimal]]]:
    """What `take` finds. Where nothing has left and as much is owed as when money was set against the charge last, from
    there on: what came before is as it was."""
    money = career.money.get(charge.key, ())
    if career.outflows.get(charge.key):
        charge.counted = None
        return take(career, charge.key, owed)
    if charge.counted is None or charge.counted[0] != owed:
        charge.counted = owed, len(money)
        return take(career, charge.key, owed)
    paid, credit, receipts = charge.paid, charge.credit, charge.receipts
    for one in money[charge.counted[1]:]:
        taken = min(one.amount, owed - paid)
        credit += one.amount - taken
        if taken > ZERO:
            paid += taken
            receipts = [*receipts, (one, paid)]
    charge.counted = owed, len(money)
    return paid, ZERO, ZERO, credit, receipts


def take(career: Career, key: str,
         owed: Decimal) -> tuple[Decimal, Decimal, Decimal, Decimal, list[tuple[Money, Decimal]]]:
    """Paid, refunded, moved, credit and receipts of a charge key of which so much is owed."""
    paid = refunded = moved = credit = ZERO
    receipts: list[tuple[Money, Decimal]] = []
    steps: Sequence[Money | Outflow] = career.money.get(key, ())
    outflows = career.outflows.get(key)
    if outflows:
        steps = sorted([*steps, *outflows], key=lambda step: step.order)
    for step in steps:
        if isinstance(step, Money):
            taken = min(step.amount, owed - paid - refunded - moved)
            paid += taken
            credit += step.amount - taken
            if taken > ZERO:
                receipts.append((step, paid + refunded + moved))
        else:
            extra = min(credit, step.amount)
            credit -= extra
            taken = min(paid, step.amount - extra)
            paid -= taken
            if step.moved:
                moved += taken
            else:
                refunded += taken
    return paid, refunded, moved, credit, receipts


def _parts(charge: Charge, owed: Decimal) -> list[DuePart]:
    """What falls due on each day: money fills the earliest day first, what is waived is taken from the latest."""
    before = charge.plan.settled if charge.plan is not None else ZERO
    received, found = max(ZERO, owed - charge.outstanding - before), []
    for due_on, amount in fitted(charge.dates, max(ZERO, owed - before)):
        taken = min(received, amount)
        received -= taken
        found.append(DuePart(due_on, amount, amount - taken))
    return found


def fitted(dates: Sequence[tuple[date, Decimal]], amount: Decimal) -> list[tuple[date, Decimal]]:
    """Days and amounts that add up to `amount`: the latest are cut, the last one takes what is more."""
    found, rest = [], amount
    for number, (due_on, part) in enumerate(dates, 1):
        taken = rest if number == len(dates) else min(part, rest)
        rest -= taken
        if taken > ZERO:
            found.append((due_on, taken))
    return found


def wholly_waived(charge: Charge) -> bool:
    return any(w.whole and w.amount > ZERO for w in charge.waivers)


def add_outflow(career: Career, key: str, on: date, amount: Decimal, event: str, moved: bool, order: int) -> None:
    career.outflows.setdefault(key, []).append(Outflow(on, amount, event, moved, order))
    career.unsettled = True


def unallocated(career: Career) -> list[tuple[str, date, Decimal, str]]:
    """Money whose charge is not there (yet): (key, day, what is left of it, event)."""
    found = []
    for key, received in career.money.items():
        if key in career.charges:
            continue
        gone = sum((o.amount for o in career.outflows.get(key, ())), ZERO)
        for money in received:
            left = max(ZERO, money.amount - gone)
            gone = max(ZERO, gone - money.amount)
            if left > ZERO:
                found.append((key, money.on, left, money.event))
    return found


# What is owed


def state_of(career: Career, charge: Charge, day: date) -> str:
    """Section 4, the first that fits: paid, moved, waived, payable, overdue, to-come."""
    if not charge.outstanding:
        wholly = not charge.amount or (bool(charge.waivers) and wholly_waived(charge))
        if not wholly and charge.paid + charge.refunded > ZERO:
            return "paid"
        if not wholly and charge.moved > ZERO:
            return "moved"
        return "waived"
    if is_payable(career, charge):
        return "payable"
    return OVERDUE if day > charge.due else "to-come"


def is_payable(career: Career, charge: Charge) -> bool:
    """May be paid but is no debt: it never blocks and is never overdue."""
    kind = charge.base_kind
    if kind != "enrolment":
        return kind in PAYABLE
    for enrolment in career.enrolments:
        if enrolment.charge == charge.key and enrolment.perfected_on is not None and not enrolment.taken:
            return False
    return True


def overdue(career: Career, day: date) -> list[tuple[Charge, Decimal]]:
    """Charges of which something is overdue, and how much."""
    return [(c, late) for c in career.charges.values() if (late := overdue_amount(career, c, day))]


def overdue_amount(career: Career, charge: Charge, day: date) -> Decimal:
    """Euro of a charge whose due date has passed."""
    if not charge.outstanding or day <= charge.due or is_payable(career, charge):
        return ZERO
    return charge.unpaid_after(lambda due: due, day)


def debts(career: Career, day: date) -> list[tuple[Charge, Decimal]]:
    """Charges of which something is owed, overdue or still to come, and how much (RIN-5, AMB-42)."""
    return [(c, c.outstanding) for c in career.charges.values() if state_of(career, c, day) in (OVERDUE, "to-come")]


Owed = Sequence[tuple[Charge, Decimal]]


def certain(career: Career, owed: Owed) -> Owed:
    """Of what is owed what is known to be."""
    return [(c, amount) for c, amount in owed if ("charge", c.key) not in career.gaps] if career.gaps else owed


def is_paid_however_split(career: Career, key: str, gap: Gap) -> bool:
    """Whether the money that came in time for a year's instalments is all that they can come to: then none is owed,
    however the contribution is split. Before its charge is there it waits with the key that it was paid for."""
    if gap.most is None:
        return False
    most, last_day = gap.most
    year, received = key.partition(":")[0], ZERO
    for other in (f"{year}:{kind}" for kind in INSTALMENTS):
        received += sum((m.amount for m in career.money.get(other, ()) if m.on <= last_day), ZERO)
        received -= sum((o.amount for o in career.outflows.get(other, ())), ZERO)
    return received >= most


def must_know_debts(career: Career, day: date, to_come: bool = False) -> None:
    """Raises `UnknownValue` where something may be overdue (or, if asked, still to come) and nobody can tell."""
    for (what, key), gap in career.gaps.items():
        charge = career.charges.get(key)
        if what != "charge" or not may_be_a_debt(key, charge) or is_paid_however_split(career, key, gap):
            continue
        if charge is not None and (not charge.outstanding or is_payable(career, charge)):
            continue
        due = charge.due if charge is not None else gap.due_on or gap.on
        if to_come or day > due:
            raise gap.unknown


def may_be_a_debt(key: str, charge: Charge | None) -> bool:
    """Whether what cannot be told of a charge may stop anything: it was raised, or is an instalment of a contribution
    that was assessed. One of which nobody can tell whether there is a ground for it was never raised."""
    return charge is not None or key.partition(":")[2] in INSTALMENTS


def owed_facts(owed: Owed) -> list[Fact]:
    """The event that each charge rests on, and its plan's."""
    return [Fact(f.event, f.on, amount) for c, amount in owed for f in (*c.facts[:1], *c.basis[len(c.facts):])]


def listed(owed: Owed) -> tuple[tuple[str, Decimal], ...]:
    return tuple((c.key, amount) for c, amount in owed)
