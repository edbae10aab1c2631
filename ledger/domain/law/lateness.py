"""What a late payment or a late first enrolment costs (MOR)."""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal

from ..account import AmountByRule, raise_charge, wholly_waived
from ..books import LawBooks
from ..reasons import Fact
from ..registry import obeys
from ..rulebook import Law, RuleBook, UnknownValue
from ..state import Career, Charge, DuePart, Enrolment, days_after
from ..values import ONE_DAY, ZERO

# What the book gives


@obeys("MOR-1", "MOR-2", "MOR-3", "MOR-4", "MOR-7", "MOR-8", "AMB-17")
def surcharge(law: Law, due: date, paid: date) -> Decimal:
    """The surcharge in euro for a payment made `paid - due` calendar days late; 0 in time. A term on a holiday is not
    moved."""
    late = (paid - due).days
    if late <= 0 or law.MOR_1 is None:
        return ZERO
    for tier in law.MOR_1.tiers:
        if tier.through is None or late <= tier.through:
            return tier.amount
    return ZERO


def days_of_a_charge(charge: Charge, due: date, plan_end: date | None, book: RuleBook) -> Iterator[date]:
    """When the surcharge grows (MOR-2, MOR-3)."""
    if may_cost_more(charge) and book.rules.MOR_1 is not None:
        yield from (days_after(due, tier.through + 1) for tier in book.rules.MOR_1.tiers if tier.through is not None)


@obeys("MOR-5a", "MOR-5b", "MOR-5c", "PRE-10", "AMB-41", "AMB-50")
def late_by(career: Career, enrolment: Enrolment, paid: date, book: RuleBook) -> str | None:
    """The rule by which an open-access first enrolment is late: it follows a late pre-enrolment, was filed after its
    term, or is paid after it."""
    if not enrolment.first or career.access != "open":
        return None
    career.must_know("term", enrolment.academic_year)
    career.must_know("charge", f"{enrolment.academic_year}:late-instance")
    if enrolment.late_preenrolment and book.has("MOR-5c"):
        return "MOR-5c"
    if enrolment.term is None or (enrolment.filed_on <= enrolment.term and paid <= enrolment.term):
        return None
    if enrolment.filed_on > enrolment.term:
        return "MOR-5b" if book.has("MOR-5b") else "MOR-5"
    return "MOR-5a" if book.has("MOR-5a") else "MOR-5" if book.has("PRE-10") else None


def may_cost_more(charge: Charge) -> bool:
    """Whether paying it late may."""
    return charge.is_instalment or charge.base_kind == "enrolment"


COSTS = frozenset({"MOR-1", "MOR-2", "MOR-3", "MOR-5", "MOR-5a", "MOR-5b", "MOR-5c", "PRE-10"})
"""The rules that `accruing` asks."""


def accruing(career: Career, charge: Charge, day: date, books: LawBooks) -> Decimal:
    """The extra amount if the charge were paid on `day`, in euro. Raises `UnknownValue`."""
    if not charge.outstanding or not may_cost_more(charge) or _is_waived_ahead(career, charge):
        return ZERO
    book = books.of(charge.year)
    if book is None:
        return ZERO
    if charge.is_instalment:
        return surcharge(book.rules, charge.due, day) if day > charge.due and book.has("MOR-2") else ZERO
    if charge.base_kind == "enrolment":
        enrolment = next((e for e in career.enrolments if e.charge == charge.key), None)
        if enrolment is None or career.ended is not None:
            return ZERO
        if not enrolment.first:
            return surcharge(book.rules, charge.due, day) if day > charge.due and book.has("MOR-3") else ZERO
        if career.charge(charge.year, "late-instance") is None and late_by(career, enrolment, day, book) is not None:
            late_instance = book.rules.MOR_5
            return late_instance.amount if late_instance is not None else ZERO
    return ZERO


def _is_waived_ahead(career: Career, charge: Charge) -> bool:
    """Whether an officer has waived what paying it late costs before it is raised."""
    if not career.waived_ahead:
        return False
    first = any(e.first and e.charge == charge.key for e in career.enrolments)
    cost = f"{charge.year}:late-instance" if first else f"{charge.year}:late-fee/{charge.kind}"
    return cost in career.waived_ahead and cost not in career.charges


def days_of_an_enrolment(career: Career, owing: Sequence[Charge], books: LawBooks) -> list[date]:
    """When a first enrolment that is not paid becomes late."""
    return [n.term + ONE_DAY for n in career.enrolments
            if n.term is not None and n.charge is not None and career.charges[n.charge].outstanding]


# What money brings


def on_completion(career: Career, charge: Charge, day: date, books: LawBooks) -> None:
    book, last = books.of(charge.year), charge.completed_by
    enrolment = next((e for e in career.enrolments if e.charge == charge.key), None)
    if book is None or last is None or enrolment is None or not enrolment.first or wholly_waived(charge):
        return
    try:
        _raise_late_instance(career, charge, enrolment, enrolment.filed_on if last.spared else last.on, day, book)
    except UnknownValue as unknown:
        career.leave_open("charge", f"{charge.year}:late-instance", unknown, "fact", day, event=enrolment.event)
        career.gaps.pop(("term", charge.year), None)  # all that it leaves open


@obeys("CHG-5", "CHG-6")
def raise_late_fees(career: Career, charge: Charge, day: date, books: LawBooks) -> None:
    """A surcharge for each payment that completes an instalment or a renewal late, or a part of it that has its own due
    date."""
    renewal = charge.base_kind == "enrolment"
    if not charge.is_instalment and not renewal:
        return
    book = books.of(charge.year)
    if not charge.dates and (charge.outstanding or charge.amount == ZERO):
        return
    if book is None or wholly_waived(charge) or (renewal
                                                 and any(e.first for e in career.enrolments if e.charge == charge.key)):
        return
    rule = "MOR-3" if renewal else "MOR-2"
    if rule not in book.asked:
        return
    reached = charge.plan.settled if charge.plan is not None else ZERO
    whole = DuePart(charge.due, charge.amount - charge.waived, charge.outstanding)
    for part in charge.parts if charge.dates else (whole,):
        reached += part.amount
        if part.outstanding or part.amount == ZERO:
            return
        last = next(money for money, received in charge.receipts if received >= reached)
        if last.spared or last.on <= part.due_on or (charge.plan is not None and last.order < charge.plan.order):
            continue
        kind = f"late-fee/{charge.kind}"
        if _costs_already(career, kind, last.event) or not book.has(rule):
            continue
        amount = surcharge(book.rules, part.due_on, last.on)
        if amount > ZERO:
            raise_charge(career, charge.year, kind, AmountByRule(amount, rule), day,
                         (Fact(last.event, last.on, last.amount),))


def _costs_already(career: Career, kind: str, event: str) -> bool:
    """Whether a surcharge of a kind rests on an event: one payment or one filing costs it once, also when its charge is
    completed again after a change of amount."""
    return any((c.kind == kind or c.kind.startswith(f"{kind}#")) and any(f.event == event for f in c.facts)
               for c in career.charges.values())


@obeys("MOR-5", "AMB-11", "AMB-27")
def _raise_late_instance(career: Career, charge: Charge, enrolment: Enrolment, paid: date,
                         day: date, book: RuleBook) -> None:
    """One late instance for a late first enrolment, on the day the 156 is complete."""
    rule = None if _costs_already(career, "late-instance", enrolment.event) else late_by(career, enrolment, paid, book)
    price = book.rules.MOR_5 if rule is not None else None
    if price is None or rule is None:
        return
    raise_charge(career, charge.year, "late-instance", AmountByRule(price.amount, rule, "AMB-41"), day,
                 (Fact(enrolment.event, enrolment.filed_on),))
