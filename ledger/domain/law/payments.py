"""Money that comes, goes and moves, and an officer's word on a charge (AMB-2, AMB-11, AMB-20, AMB-47)."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from ..account import add_outflow, gross, settle_amounts
from ..books import LawBooks
from ..events import ChargeDecided, Event, InstalmentPaid, PaymentMoved, PaymentRefunded
from ..phrases import says
from ..reasons import Fact, reason
from ..registry import obeys
from ..rulebook import INSTALMENTS, RuleBook, UnknownValue
from ..state import Career, Charge, Decision, Gap, Money, Person, Waiver
from ..values import ZERO
from .chapter import LEFT_TO_AN_OFFICER, StillOpen, data_of, reads
from .contribution import instalment_due_on

BY_AN_OFFICER = "charge-decided"

# What a fact changes


@obeys("MOR-9", "AMB-2")
def instalment_paid(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """Money attaches to its charge with the date of the operation; before the charge is raised it waits."""
    data = data_of(event, InstalmentPaid)
    _receive(person, career, data.charge, event, data.amount, False)


def _receive(person: Person, career: Career, key: str, event: Event, amount: Decimal, spared: bool) -> None:
    career.money.setdefault(key, []).append(Money(event.effective_on, amount, event.id, person.order, spared))
    career.unsettled = True


def payment_refunded(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    data = data_of(event, PaymentRefunded)
    add_outflow(career, data.charge, event.effective_on, data.amount, event.id, False, person.order)


@obeys("AMB-20")
def payment_moved(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """Money goes to another charge, of another career where one is named, with the day of the move; never more than
    there is."""
    data = data_of(event, PaymentMoved)
    gone = sum((o.amount for o in career.outflows.get(data.from_charge, ())), ZERO)
    amount = min(data.amount, max(ZERO, gross(career, data.from_charge) - gone))
    if amount == ZERO:
        return
    add_outflow(career, data.from_charge, event.effective_on, amount, event.id, True, person.order)
    target = career if data.to_career is None else person.career(data.to_career)
    try:
        spared = target is not career and _stays_in_time(career, data.from_charge, books)
    except UnknownValue as unknown:
        spared, (to_year, _, to_kind) = True, data.to_charge.partition(":")
        target.leave_open("charge", f"{to_year}:late-fee/{to_kind}", unknown, "fact", event.effective_on,
                          event=event.id)
    _receive(person, target, data.to_charge, event, amount, spared)


@obeys("LAU-2", "LAU-6", "RIN-6a", "AMB-20")
def _stays_in_time(career: Career, charge: str, books: LawBooks) -> bool:
    """Whether money that moves from a career is not late for the day on which the office moves it: after a failed
    reservation or a change of programme; the 156 euro also of a degree candidate and of who withdraws to enrol
    elsewhere here."""
    year, _, kind = charge.partition(":")
    if career.ended in ("reservation-lapsed", "programme-changed"):
        return True
    candidate = bool(career.candidacies) or career.graduated is not None
    leaves = career.ended == "renounced" or career.withdrawal is not None
    law = books.book_of(year)
    return kind.startswith("enrolment") and ((candidate and law.has("LAU-2")) or (leaves and law.has("RIN-6a")))


@obeys("AMB-11", "AMB-20", "AMB-23", "AMB-31", "AMB-47")
def charge_decided(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """An officer gives a charge a new amount; 0.00 waives all of it (what was paid becomes credit), also ahead of its
    raising. A charge that the guides leave to an officer and that is not there is raised."""
    data = data_of(event, ChargeDecided)
    career.to_decide.pop(data.charge, None)
    gap = career.gaps.pop(("charge", data.charge), None)
    if gap is not None:
        career.settled_gaps[data.charge] = gap
    charge = career.charges.get(data.charge)
    if charge is None:
        if data.amount == ZERO:
            career.waived_ahead[data.charge] = (event.effective_on, event.id)
            return
        charge = _raised_by_officer(career, event, data, books)
        if charge is None:
            return
        if gap is not None:
            _instead_of_the_book(career, charge, gap)
    charge.gap = gap or charge.gap
    if charge.decision is None and charge.rule != BY_AN_OFFICER:
        charge.asked = charge.amount
    charge.decision = Decision(data.amount, charge.assessed, event.effective_on, event.id)
    charge.waivers = [w for w in charge.waivers if w.rule != "charge-decided"]
    settle_amounts(career, charge)
    if data.amount == ZERO:
        charge.waivers.append(Waiver("charge-decided", charge.amount, True, event.effective_on, event.id))
    else:
        charge.amount = data.amount
    career.unsettled = True


def _instead_of_the_book(career: Career, charge: Charge, gap: Gap) -> None:
    """The amount was all that was missing: it is due when the book says, and what was asked for waits for it."""
    charge.due_on = gap.due_on or charge.due_on
    for request in career.requests:
        if charge.base_kind == "recognition" and request.event == gap.event:
            request.charge = charge.key
    for withdrawal in career.withdrawals:
        if charge.base_kind == "withdrawal-stamp" and withdrawal.event == gap.event:
            withdrawal.stamp = charge.key


OFFICER_KINDS = frozenset({
    "preenrolment", "enrolment", *INSTALMENTS[:2], "late-instance", "late-instance/recognition",
    "late-instance/transfer-out", "isee-penalty",
    "study-plan-penalty", "recognition", "single-courses", "single-courses-stamp", "withdrawal-stamp",
    "diploma-supplement-post", "suspension", "interruption", "transfer-out", "final-exam-application",
})


def _is_asked_in(kind: str, book: RuleBook) -> bool:
    """Whether it is one of the year's instalments; any may be, where nobody can tell how many there are."""
    try:
        return kind in book.instalments
    except UnknownValue:
        return kind in INSTALMENTS


def _raised_by_officer(career: Career, event: Event, data: ChargeDecided, books: LawBooks) -> Charge | None:
    year, _, kind = data.charge.partition(":")
    base = kind.partition("#")[0]
    book = books.of(year)
    known = base in OFFICER_KINDS or base.startswith("late-fee/") or (book is not None and _is_asked_in(base, book))
    if len(year) != 7 or not known:
        return None
    charge = Charge(data.charge, kind, year, data.amount, _due_on(base, book), event.effective_on, BY_AN_OFFICER,
                    (Fact(event.id, event.effective_on, data.amount),))
    career.charges[data.charge] = charge
    return charge


@obeys("RAT-3", "RAT-4", "CHG-3")
def _due_on(kind: str, book: RuleBook | None) -> date | None:
    """When the year's book says that such a charge is due, whatever gave its amount; None where it gives no day or
    nobody has read it."""
    if book is None:
        return None
    if kind in INSTALMENTS:
        return instalment_due_on(book, INSTALMENTS.index(kind))
    try:
        return book.rules.CHG_3.due_on if kind == "enrolment" and book.rules.CHG_3 is not None else None
    except UnknownValue:
        return None


# What is open


@obeys("AMB-47", "AMB-11")
@reads("charges")
def decided_otherwise(person: Person, career: Career, books: LawBooks) -> Iterator[StillOpen]:
    """Officers' decisions that ask for another amount than the book, or for a charge for which the book knows no ground
    in this career. What the law leaves to an officer is neither."""
    for charge in career.charges.values():
        decision = charge.decision
        if decision is None or charge.gap is not None or charge.key in career.settled_gaps:
            continue
        fact = Fact(decision.event, decision.on, decision.amount)
        asked = charge.assessed if charge.is_instalment else charge.asked
        if asked is None:
            book = books.of(charge.year) or books.for_single_courses(charge.year)
            if charge.rule == BY_AN_OFFICER and decision.amount and book is not None and "#" not in charge.kind \
                    and charge.base_kind not in LEFT_TO_AN_OFFICER:
                yield StillOpen(decision.event, reason(books.own, BY_AN_OFFICER, says(
                    "charge-decided/no-ground", charge=charge.key, amount=decision.amount), facts=(fact,)))
        elif asked != decision.amount:
            law = books.book_of(charge.year)
            law = law if charge.rule in law.ids else books.book_with(charge.rule) or books.own
            yield StillOpen(decision.event, reason(law, charge.rule, says(
                "charge-decided/otherwise", charge=charge.key, allowed=asked, amount=decision.amount), facts=(fact,)))


@obeys("AMB-23", "AMB-31", "AMB-49")
@reads("to_decide")
def left_undecided(person: Person, career: Career, books: LawBooks) -> Iterator[StillOpen]:
    """Charges that the guides leave to an officer, who has not decided yet."""
    for key, why in sorted(career.to_decide.items()):
        yield StillOpen(None, reason(books.own, why.id, why, interpretation=why.id), key.partition(":")[0])
