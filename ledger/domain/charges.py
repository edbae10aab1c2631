"""What is owed: raising charges, attaching money, waivers, surcharges (section 4; rules CHG, MOR, RAT, ISE, RIN-8..12).

Charges follow from events and rule book. `settle` brings a career's charges up to a day; it is called after every event
and on every day on which time alone changes something.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from .events import ContributionAssessed
from .reasons import Fact
from .registry import obeys
from .rulebook import Law, LawBooks, RuleBook
from .state import (
    INSTALMENTS,
    PAYABLE,
    Career,
    Charge,
    Decision,
    Enrolment,
    Money,
    Outflow,
    Part,
    Plan,
    Waiver,
    Withdrawal,
    days_after,
)
from .values import ONE_DAY, ZERO, cents, last_of_february

OVERDUE = "overdue"


def raise_charge(career: Career, year: str, kind: str, amount: Decimal, day: date, rule: str, facts: tuple[Fact, ...],
                 due_on: date | None = None, interpretation: str | None = None) -> Charge:
    """Raise a charge on a day; a second one of the same kind and year becomes `KIND#2`. An officer's decision that came
    before the charge itself stands (AMB-23)."""
    key, count = f"{year}:{kind}", 1
    existing = career.charges.get(key)
    if existing is not None and existing.decision is not None and existing.rule == "charge-decided":
        existing.rule, existing.due_on = rule, due_on
        return existing
    while key in career.charges:
        count += 1
        key = f"{year}:{kind}#{count}"
    charge = Charge(key, key.partition(":")[2], year, amount, due_on, day, rule, facts, interpretation)
    if amount > ZERO:
        _waive_ahead(career, charge)
    career.charges[key] = charge
    career.unsettled = True
    return charge


def _waive_ahead(career: Career, charge: Charge) -> None:
    """An officer's waiver that came before the charge holds when it is raised."""
    ahead = career.waived_ahead.get(charge.key)
    if ahead is not None:
        charge.decision = Decision(ZERO, charge.assessed, *ahead)
        charge.waivers.append(Waiver("charge-decided", charge.amount, True, *ahead))


def gross(career: Career, key: str, before_order: int | None = None) -> Decimal:
    """Money received for a key, in euro; only what came before a point of the fold where one is given."""
    return sum((m.amount for m in career.money.get(key, ()) if before_order is None or m.order < before_order), ZERO)


def settle_amounts(career: Career, charge: Charge) -> None:
    """Money against one charge: amount = paid + refunded + waived + moved + outstanding, the rest is credit.

    Money and what left are taken in their order. What leaves takes credit first, then what was paid; it never reopens the
    debt, so that later money fills only what is outstanding."""
    charge.waived = min(charge.amount, sum((w.amount for w in charge.waivers), ZERO)) if charge.waivers else ZERO
    owed = charge.amount - charge.waived if charge.waivers else charge.amount
    took = _take(career, charge.key, owed)
    charge.paid, charge.refunded, charge.moved, charge.credit, charge.receipts = took
    charge.outstanding = owed - charge.paid - charge.refunded - charge.moved
    charge.completed_by = charge.receipts[-1][0] if charge.receipts and not charge.outstanding else None
    charge.paid_on = charge.completed_by.on if charge.completed_by is not None else None
    charge.parts = _parts(charge, owed) if charge.dates else []


def _take(career: Career, key: str, owed: Decimal) -> tuple[Decimal, Decimal, Decimal, Decimal, list[tuple[Money, Decimal]]]:
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


@obeys("AMB-19", "AMB-46")
def _parts(charge: Charge, owed: Decimal) -> list[Part]:
    """What falls due on each day: money fills the earliest day first, what is waived is taken from the latest."""
    before = charge.plan.settled if charge.plan is not None else ZERO
    received, found = max(ZERO, owed - charge.outstanding - before), []
    for due_on, amount in fitted(charge.dates, max(ZERO, owed - before)):
        taken = min(received, amount)
        received -= taken
        found.append(Part(due_on, amount, amount - taken))
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


def state_of(career: Career, charge: Charge, day: date) -> str:
    """Section 4, the first that fits: paid, moved, waived, payable, overdue, to-come."""
    if not charge.outstanding:
        wholly = not charge.amount or (bool(charge.waivers) and any(w.whole and w.amount > ZERO for w in charge.waivers))
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
    if kind == "enrolment":
        return not any(e.charge == charge.key and e.perfected_on is not None for e in career.enrolments)
    return kind in PAYABLE


def overdue(career: Career, day: date) -> list[tuple[Charge, Decimal]]:
    """Charges of which something is overdue, and how much."""
    return [(c, late) for c in career.charges.values() if (late := overdue_amount(career, c, day))]


def overdue_amount(career: Career, charge: Charge, day: date) -> Decimal:
    """Euro of a charge whose due date has passed."""
    if not charge.outstanding or day <= charge.due or is_payable(career, charge):
        return ZERO
    return charge.unpaid_after(0, day)


def debts(career: Career, day: date) -> list[tuple[Charge, Decimal]]:
    """Charges of which something is owed, overdue or still to come, and how much (RIN-5, AMB-42)."""
    return [(c, c.outstanding) for c in career.charges.values() if state_of(career, c, day) in (OVERDUE, "to-come")]


@obeys("MOR-1", "MOR-2", "MOR-3", "MOR-4", "MOR-7", "MOR-8", "AMB-17")
def surcharge(law: Law, due: date, paid: date) -> Decimal:
    """The surcharge in euro for a payment made `paid - due` calendar days late; 0 in time. A term on a holiday is not moved."""
    late = (paid - due).days
    if late <= 0 or law.MOR_1 is None:
        return ZERO
    return next(t.amount for t in law.MOR_1.tiers if t.through is None or late <= t.through)


@obeys("MOR-5a", "MOR-5b", "MOR-5c", "PRE-10", "AMB-41", "AMB-50")
def is_late_first_enrolment(career: Career, enrolment: Enrolment, day: date) -> bool:
    """An open-access first enrolment filed late, paid on `day` after its term, or following a late pre-enrolment."""
    if not enrolment.first or career.access != "open":
        return False
    if enrolment.late_preenrolment:
        return True
    return enrolment.term is not None and (enrolment.filed_on > enrolment.term or day > enrolment.term)


def accruing(career: Career, charge: Charge, day: date, books: LawBooks) -> Decimal:
    """The extra amount if the charge were paid on `day`, in euro."""
    if not charge.outstanding:
        return ZERO
    book = books.of(charge.year)
    if book is None:
        return ZERO
    if charge.is_instalment:
        return surcharge(book.rules, charge.due, day)
    if charge.base_kind == "enrolment":
        enrolment = next((e for e in career.enrolments if e.charge == charge.key), None)
        if enrolment is None or career.ended is not None:
            return ZERO
        if not enrolment.first:
            return surcharge(book.rules, charge.due, day)
        late_instance = book.rules.MOR_5
        if late_instance is not None and is_late_first_enrolment(career, enrolment, day):
            already = career.charge(charge.year, "late-instance")
            return late_instance.amount if already is None else ZERO
    return ZERO


def settle(career: Career, day: date, books: LawBooks) -> None:
    """Attach money, perfect enrolments, raise surcharges, until nothing changes any more."""
    while career.unsettled:
        career.unsettled = False
        for charge in list(career.charges.values()):
            settle_amounts(career, charge)
            if charge.waivers or career.ended is not None:
                _annul(career, charge, day, books)
            if charge.receipts:
                _raise_late_fees(career, charge, day, books)
            done = not charge.outstanding and charge.amount > ZERO and charge.paid + charge.refunded + charge.moved > ZERO
            if not done:
                charge.completed_on = None
            elif charge.completed_on is None:
                charge.completed_on = day
                _on_completion(career, charge, day, books)
        for enrolment in career.enrolments:
            if enrolment.perfected_on is None:
                _perfect(career, enrolment, day, books)


def _on_completion(career: Career, charge: Charge, day: date, books: LawBooks) -> None:
    book, last = books.of(charge.year), charge.completed_by
    enrolment = next((e for e in career.enrolments if e.charge == charge.key), None)
    if book is None or last is None or enrolment is None or not enrolment.first or _wholly_waived(charge):
        return
    _raise_late_instance(career, charge, enrolment, enrolment.filed_on if last.spared else last.on, day, book)


def _wholly_waived(charge: Charge) -> bool:
    return any(w.whole and w.amount > ZERO for w in charge.waivers)


def _raise_late_fees(career: Career, charge: Charge, day: date, books: LawBooks) -> None:
    """A surcharge for each payment that completes an instalment or a renewal late, or a part of it that has its own due date."""
    renewal = charge.base_kind == "enrolment"
    if not charge.is_instalment and not renewal:
        return
    book = books.of(charge.year)
    if book is None or _wholly_waived(charge) or (renewal and any(e.first for e in career.enrolments if e.charge == charge.key)):
        return
    reached = charge.plan.settled if charge.plan is not None else ZERO
    whole = Part(charge.due, charge.amount - charge.waived, charge.outstanding)
    for part in charge.parts if charge.dates else (whole,):
        reached += part.amount
        if part.outstanding or part.amount == ZERO:
            return
        last = next(money for money, received in charge.receipts if received >= reached)
        if last.spared or last.on <= part.due_on or (charge.plan is not None and last.order < charge.plan.order):
            continue
        amount, kind = surcharge(book.rules, part.due_on, last.on), f"late-fee/{charge.kind}"
        if amount > ZERO and not _costs_already(career, kind, last.event):
            raise_charge(career, charge.year, kind, amount, day, "MOR-3" if renewal else "MOR-2", (Fact(last.event, last.on, last.amount),))


def _costs_already(career: Career, kind: str, event: str) -> bool:
    """Whether a surcharge of a kind rests on an event: one payment or one filing costs it once, also when its charge is
    completed again after a change of amount."""
    return any(c.base_kind == kind and any(f.event == event for f in c.facts) for c in career.charges.values())


@obeys("MOR-5", "AMB-11", "AMB-27")
def _raise_late_instance(career: Career, charge: Charge, enrolment: Enrolment, paid: date, day: date, book: RuleBook) -> None:
    """One late instance for a late first enrolment, on the day the 156 is complete."""
    price = book.rules.MOR_5
    if price is None or not is_late_first_enrolment(career, enrolment, paid) or _costs_already(career, "late-instance", enrolment.event):
        return
    rule = "MOR-5c" if enrolment.late_preenrolment else "MOR-5b" if enrolment.term and enrolment.filed_on > enrolment.term else "MOR-5a"
    if book.entry(rule) is None:
        rule = "MOR-5"
    raise_charge(career, charge.year, "late-instance", price.amount, day, rule, (Fact(enrolment.event, enrolment.filed_on),),
                 interpretation="AMB-41")


@obeys("RAT-2", "RAT-1")
def _perfect(career: Career, enrolment: Enrolment, day: date, books: LawBooks) -> None:
    """Paying the 156 perfects an enrolment or a renewal."""
    if enrolment.perfected_on is not None or enrolment.charge is None or career.ended is not None:
        return
    charge = career.charges[enrolment.charge]
    if charge.outstanding == ZERO:
        enrolment.perfected_on = day
        refresh_instalments(career, enrolment.academic_year, day, books)


@obeys("RAT-3", "RAT-4", "RAT-5", "RAT-6", "RAT-8", "RAT-9", "RAT-10", "PT-4", "CHG-4a", "CHG-4b", "AMB-6", "AMB-7", "AMB-8", "AMB-39")
def instalment_amounts(law: Law, contribution: Decimal, exempt: bool, part_time: bool) -> list[tuple[str, Decimal, date, str]]:
    """(kind, amount in euro, due date, rule) of the instalments of a yearly contribution before the part-time halving.

    The threshold of 430 merges both instalments on the first date; below 10 nothing is asked for; the exempt owe nothing."""
    if law.RAT_3 is None or law.RAT_4 is None or law.RAT_5 is None or law.RAT_6 is None:
        return []
    total = ZERO if exempt else yearly(law, contribution, part_time)
    if total == ZERO or total < law.RAT_6.below:
        return []
    if total <= law.RAT_5.up_to:
        return [("instalment-1", total, law.RAT_3.due_on, "RAT-5")]
    rest = total - law.RAT_3.at_most
    if law.RAT_6.remits == "any-payment" and rest < law.RAT_6.below:
        rest = ZERO
    found = [("instalment-1", law.RAT_3.at_most, law.RAT_3.due_on, "RAT-3")]
    return found + ([("instalment-2", rest, law.RAT_4.due_on, "RAT-4")] if rest > ZERO else [])


def yearly(law: Law, contribution: Decimal, part_time: bool) -> Decimal:
    """The contribution of a year in euro, after the part-time halving."""
    return cents(contribution * law.RAT_9.share) if part_time and law.RAT_9 is not None else contribution


@obeys("RAT-6", "AMB-7")
def remitted(career: Career, books: LawBooks) -> list[tuple[str, Decimal]]:
    """(academic year, euro) of what is not asked for: yearly contributions below the threshold, and rests of others."""
    found = []
    for year, assessments in sorted(career.contributions.items()):
        book, data = books.of(year), assessments[-1][2]
        if book is None or data.exempt or data.contribution == ZERO:
            continue
        part_time = career.regime_in(year) == "part-time"
        if not instalment_amounts(book.rules, data.contribution, False, part_time):
            found.append((year, yearly(book.rules, data.contribution, part_time)))
        elif career.remitted.get(year):
            found.append((year, career.remitted[year]))
    return found


# What a year's assessments ask (AMB-46, AMB-47)


@obeys("MOR-4", "ISE-7", "AMB-10", "AMB-26", "LAU-4", "LAU-5")
def refresh_instalments(career: Career, year: str, day: date, books: LawBooks) -> None:
    """Bring the instalments of a year in line with the assessments, the regime and a living withdrawal.

    They exist from the later of assessment and perfected enrolment, and then follow every change from its day on."""
    book = books.of(year)
    assessments = career.contributions.get(year)
    enrolment = career.enrolment_in(year)
    if book is None or not assessments or enrolment is None or enrolment.perfected_on is None:
        return
    if year in career.assessed:
        _assess(career, year, day, assessments[-1], day, True, book)
    else:
        for number, assessment in enumerate(assessments):
            _assess(career, year, day, assessment, assessment[0], number > 0, book)
    refresh_waivers(career, year, day, books)
    career.unsettled = True


class _Asking(NamedTuple):
    """What an assessment asks for an instalment: euro, rule, when more than before falls due, the assessment, whether the year's
    contribution rises, whether it is a later assessment, whether it finds the first instalment settled."""

    amount: Decimal
    rule: str
    more_due_on: date
    fact: Fact
    rises: bool
    later: bool
    settled: bool


def _assess(career: Career, year: str, day: date, assessment: tuple[date, str, ContributionAssessed], since: date, later: bool,
            book: RuleBook) -> None:
    """One assessment, which holds from `since` on; what it asks first is raised on `day`."""
    on, event, data = assessment
    law, fact = book.rules, Fact(event, on, data.contribution)
    if law.RAT_3 is None or law.RAT_4 is None or law.RAT_6 is None:
        return
    part_time = career.regime_in(year) == "part-time"
    asked = {kind: (amount, rule) for kind, amount, _, rule in instalment_amounts(law, data.contribution, data.exempt, part_time)}
    total = yearly(law, data.contribution, part_time) if asked else ZERO
    for kind in INSTALMENTS:
        charge = career.charge(year, kind)
        if charge is not None:
            settle_amounts(career, charge)
    rises, first = total > career.assessed.get(year, ZERO), career.charge(year, "instalment-1")
    ceiling = asked["instalment-1"][0] if rises else ZERO
    advance = _advance(career, first, ceiling, fact, book) if first is not None else None
    if first is not None and advance is not None:
        asked = {"instalment-1": (min(advance, total), first.rule), "instalment-2": (total - min(advance, total), "RAT-4")}
    career.assessed[year], career.remitted[year] = total, ZERO
    for kind, due_on in zip(INSTALMENTS, (law.RAT_3.due_on, law.RAT_4.due_on), strict=True):
        amount, rule = asked.get(kind, (ZERO, ""))
        asking = _Asking(amount, rule, _due_of_more(book, due_on, since) if later else due_on, fact, rises, later, advance is not None)
        _ask(career, book, kind, day, asking)
    if first is not None and advance is not None:
        first.assessed = advance


@obeys("AMB-46", "RAT-4")
def _advance(career: Career, first: Charge, ceiling: Decimal, fact: Fact, book: RuleBook) -> Decimal | None:
    """What a settled first instalment stands at; None while it is not settled. What a withdrawal waives settles nothing, for it may
    lapse. Under an officer's decision the advance is what had been assessed, so that the second instalment does not take the decision
    back; but a contribution that rises, and of which the first instalment (`ceiling`) is more than the decision was about, begins
    anew."""
    owed, decided = first.amount - _waived_by_officer(first), first.decision
    paid, refunded, moved, credit, _ = _take(career, first.key, owed)
    if first.assessed is None or paid + refunded + moved < owed:
        return None
    if decided is not None:
        replaced = book.interpretations.AMB_47.decision == "replaced" and first.facts[-1] != fact
        return None if replaced or ceiling > (decided.over or ZERO) else first.assessed
    return min(first.assessed, paid + refunded + moved + credit) or None


def _waived_by_officer(charge: Charge) -> Decimal:
    return sum((w.amount for w in charge.waivers if w.rule == "charge-decided"), ZERO)


@obeys("AMB-46")
def _due_of_more(book: RuleBook, due_on: date, since: date) -> date:
    """When something is due that an assessment adds later to an instalment: on its own date while that is still to come, then on the
    next one's, then some days after the assessment."""
    law, reading = book.rules, book.interpretations.AMB_46
    if law.RAT_3 is None or law.RAT_4 is None or reading.decision == "first-due-dates" or due_on >= since:
        return due_on
    return min((d for d in (law.RAT_3.due_on, law.RAT_4.due_on) if d >= since), default=days_after(since, reading.days))


@obeys("AMB-46", "AMB-47", "RAT-6")
def _ask(career: Career, book: RuleBook, kind: str, day: date, asking: _Asking) -> None:
    """Ask so much for an instalment. What was asked before keeps its dates, the latest of them give way to a lower amount; what is
    more falls due on its own day. An instalment of nothing disappears, unless there is money or a decision on it."""
    year, wanted, reading = book.academic_year, asking.amount, "AMB-46" if asking.settled else None
    key = f"{year}:{kind}"
    charge = career.charges.get(key) or Charge(key, kind, year, ZERO, asking.more_due_on, day, asking.rule, (asking.fact,))
    standing = charge.amount
    if charge.assessed is None:
        charge.due_on = asking.more_due_on
    decision = charge.decision
    if decision is not None and _survives(decision, asking, charge.facts[-1] == asking.fact, book):
        charge.decision = replace(decision, over=wanted if decision.over is None else decision.over)
        wanted, reading = _under_a_decision(charge, wanted), "AMB-47"
    elif decision is not None:
        standing -= _waived_by_officer(charge)
        career.overtaken.append((key, decision, asking.fact))
        charge.decision, charge.waivers = None, [w for w in charge.waivers if w.rule != "charge-decided"]
    if asking.later and charge.decision is None and wanted != standing:
        held = sum(_take(career, key, charge.amount)[:4], ZERO)
        if book.rules.RAT_6 is not None and book.rules.RAT_6.remits == "any-payment" and ZERO < wanted - held < book.rules.RAT_6.below:
            career.remitted[year] += wanted - held
            wanted = held
        if wanted > standing:
            reading = "AMB-46"
    if wanted == ZERO and charge.decision is None and (key not in career.charges or not career.money.get(key)):
        career.charges.pop(key, None)
        return
    career.charges[key] = charge
    if wanted != standing or charge.decision is not None:
        charge.interpretation = reading
    if charge.facts[-1] != asking.fact:  # what was asked before and keeps its dates rests on its own assessment
        charge.facts = (*charge.facts, asking.fact) if asking.later and wanted > standing > ZERO else (asking.fact,)
    charge.assessed, charge.rule = asking.amount, asking.rule or charge.rule
    _reschedule(charge, standing, wanted, asking.more_due_on)
    if not standing:
        _waive_ahead(career, charge)


@obeys("AMB-47")
def _survives(decision: Decision, asking: _Asking, same: bool, book: RuleBook) -> bool:
    """Whether an officer's decision stands against an assessment (`same`: the one that it met)."""
    if decision.over is None:
        return True
    if book.interpretations.AMB_47.decision == "replaced":
        return same
    return asking.amount <= decision.over or not asking.rises


def _under_a_decision(charge: Charge, amount: Decimal) -> Decimal:
    """What an officer's decision leaves of an assessed amount: her own amount, never more than assessed where she had lowered it."""
    decision, waivers = charge.decision, [w for w in charge.waivers if w.rule == "charge-decided"]
    if decision is None:
        return amount
    for waiver in waivers:
        waiver.amount = amount
    if waivers:
        return amount
    return min(decision.amount, amount) if decision.over is not None and decision.amount <= decision.over else decision.amount


def _reschedule(charge: Charge, standing: Decimal, wanted: Decimal, more_due_on: date) -> None:
    """Give a charge of which `standing` was asked a new amount: dates of what was asked before stay, more falls due on a day."""
    before = charge.plan.settled if charge.plan is not None else ZERO
    dates = dict(fitted(charge.dates or [(charge.due_on or charge.raised_on, standing)], max(ZERO, min(standing, wanted) - before)))
    if wanted > standing:
        dates[more_due_on] = dates.get(more_due_on, ZERO) + wanted - standing
    charge.amount, charge.dates = wanted, sorted(dates.items())
    if wanted == ZERO:
        charge.plan = None
    if charge.plan is None and len(dates) <= 1:
        charge.due_on, charge.dates = next(iter(dates), charge.due_on), []


@obeys("RIN-8", "RIN-8a", "RIN-9", "RIN-10", "RIN-11", "RIN-11a", "RIN-12", "RIN-14", "AMB-15", "AMB-25", "AMB-42")
def withdrawal_waivers(career: Career, withdrawal: Withdrawal, law: Law, day: date) -> dict[str, tuple[str, Decimal, str | None]]:
    """Which share of each instalment a living withdrawal waives: kind -> (rule, share, interpretation)."""
    if law.RIN_8 is None or law.RIN_10 is None or law.RIN_11 is None or withdrawal.year is None:
        return {}
    filed, half = withdrawal.filed_on, law.RIN_11.share
    if filed <= law.RIN_8.until:
        if not _has_passed_an_exam(career, withdrawal.year, law.RIN_8.exams, day):
            return {"instalment-1": ("RIN-8", Decimal(1), None), "instalment-2": ("RIN-8", Decimal(1), "AMB-15")}
        return {"instalment-2": ("RIN-11", half, "AMB-15")}
    if filed <= law.RIN_10.until:
        passed = _has_passed_an_exam(career, withdrawal.year, law.RIN_10.exams, day)
        return {"instalment-2": ("RIN-11", half, None) if passed else ("RIN-10", Decimal(1), None)}
    return {}


def _has_passed_an_exam(career: Career, year: str, where: str, day: date) -> bool:
    for result in career.passed(day).values():
        held = result.data.held_on
        if where == "session":
            if date(int(year[:4]) + 1, 1, 1) <= held <= last_of_february(year):
                return True
        elif career.exam_year(result.data) == year:
            return True
    return False


@obeys("RIN-6")
def refresh_waivers(career: Career, year: str, day: date, books: LawBooks) -> None:
    """Waivers of a living (or perfected) withdrawal on the instalments of a year."""
    withdrawal = career.withdrawal
    book = books.of(year)
    shares: dict[str, tuple[str, Decimal, str | None]] = {}
    if withdrawal is not None and withdrawal.year == year and book is not None:
        shares = withdrawal_waivers(career, withdrawal, book.rules, day)
    for kind in INSTALMENTS:
        charge = career.charges.get(f"{year}:{kind}")
        if charge is None:
            continue
        kept = [w for w in charge.waivers if not w.rule.startswith("RIN-")]
        if kind in shares and withdrawal is not None:
            rule, share, interpretation = shares[kind]
            before = gross(career, charge.key, withdrawal.order)
            part = charge.amount - cents(charge.amount * (1 - share)) if share < 1 else charge.amount
            amount = max(ZERO, min(part, charge.amount - before))
            rest = charge.amount - max(before, ZERO) - amount
            if book is not None and book.rules.RAT_6 is not None and book.rules.RAT_6.remits == "any-payment" \
                    and ZERO < rest < book.rules.RAT_6.below:
                amount += rest
            kept.append(Waiver(rule, amount, share == 1, withdrawal.filed_on, withdrawal.event, interpretation))
        if kept != charge.waivers:
            charge.waivers = kept
            career.unsettled = True


ANNULLED = {"reservation-lapsed": "RIS-7", "cancelled": "RIS-4"}
"""The ends that waive whatever is unpaid, and the rule."""
_FALLS_AWAY = frozenset({*ANNULLED.values(), "LAU-1"})
_OF_A_RENEWAL = frozenset({"enrolment", *INSTALMENTS, "isee-penalty"} | {f"late-fee/{kind}" for kind in ("enrolment", *INSTALMENTS)})


def _annulled_by(career: Career, charge: Charge, books: LawBooks) -> str | None:
    """The rule by which what is unpaid of a charge falls away at the career's end. A graduate of the year before needed no renewal:
    the 156, the instalments and the surcharges are for who did not graduate (LAU-1, LAU-4)."""
    if career.ended != "graduated" or career.graduated is None or charge.base_kind not in _OF_A_RENEWAL:
        return ANNULLED.get(career.ended or "")
    book = books.of(charge.year)
    renewed = book.rules.LAU_3 if book is not None else None
    return "LAU-1" if renewed is not None and renewed.degree_year == career.graduated.academic_year else None


@obeys("RIS-7", "RIS-4", "LAU-1", "AMB-45")
def _annul(career: Career, charge: Charge, day: date, books: LawBooks) -> None:
    """A lapsed reservation, a cancelled enrolment or a degree that made a renewal needless waives what is unpaid, also what is raised
    later; a reservation lifted after all brings it back."""
    rule = _annulled_by(career, charge, books)
    had = next((w for w in charge.waivers if w.rule in _FALLS_AWAY), None)
    if had is not None and had.rule != rule:
        charge.waivers.remove(had)
        settle_amounts(career, charge)
        had = None
    if rule is None or charge.outstanding == ZERO:
        return
    if had is None:
        had = Waiver(rule, ZERO, True, career.ended_on or day, career.ended_event)
        charge.waivers.append(had)
    had.amount += charge.outstanding
    settle_amounts(career, charge)


# Instalment plans (AMB-19)


@obeys("AMB-19", "RAT-7")
def put_under_plan(charges: Sequence[Charge], instalments: Sequence[tuple[date, Decimal]], day: date, event: str, order: int) -> None:
    """An agreed plan gives the open charges new due dates. Its instalments are taken from the charges in the order in which it names
    them; what it does not reach falls due on its last date."""
    last_on = instalments[-1][0]
    left = list(instalments)
    for charge in charges:
        charge.plan = Plan(day, event, last_on, charge.amount - charge.waived - charge.outstanding, order)
        charge.dates, rest = [], charge.outstanding
        while rest > ZERO:
            due_on, amount = left[0] if left else (last_on, rest)
            taken = min(amount, rest)
            rest -= taken
            charge.dates.append((due_on, taken))
            left[:1] = [(due_on, amount - taken)] if amount > taken else []


# When time alone changes something


def next_change_of(career: Career, charge: Charge, day: date, books: LawBooks) -> date | None:
    """The first day after `day` on which this charge's state, accruing amount or blocks change if nothing else happens."""
    if not charge.outstanding:
        return None
    found: date | None = None
    plan_end = charge.plan.last_on if charge.plan is not None else None
    for due in [p.due_on for p in charge.parts if p.outstanding] or (charge.due,):
        key = charge.year, charge.kind, due, plan_end
        days = books.clocks.get(key)
        if days is None:
            if len(books.clocks) >= CLOCKS_KEPT:
                books.clocks.clear()
            days = books.clocks[key] = _clock(charge, due, plan_end, books)
        comes = next((one for one in days if one > day), None)
        if comes is not None and (found is None or comes < found):
            found = comes
    if charge.base_kind == "enrolment":
        for enrolment in career.enrolments:
            if enrolment.charge == charge.key and enrolment.term is not None:
                ends = enrolment.term + ONE_DAY
                if ends > day and (found is None or ends < found):
                    found = ends
    return found


CLOCKS_KEPT = 1 << 14


def _clock(charge: Charge, due: date, plan_end: date | None, books: LawBooks) -> tuple[date, ...]:
    """The days on which time changes a charge of this year, kind and due date, in order."""
    found = [due + ONE_DAY]
    book = books.of(charge.year)
    if book is not None:
        if charge.is_instalment or charge.base_kind == "enrolment":
            tiers = book.rules.MOR_1.tiers if book.rules.MOR_1 is not None else ()
            found += [days_after(due, t.through + 1) for t in tiers if t.through is not None]
        if charge.is_instalment:
            for block in (book.rules.BLK_1, book.rules.BLK_3):
                if block is not None and block.days is not None:
                    found.append(days_after(due, block.days + 1))
            if book.rules.BLK_3 is not None and book.rules.BLK_3.deadline is not None:
                found.append(max(book.rules.BLK_3.deadline, due, plan_end or date.min) + ONE_DAY)
    return tuple(sorted(found))


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
