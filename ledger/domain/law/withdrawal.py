"""Leaving for good: renunciation, and what a withdrawal waives (RIN, CHG-15, DS-1)."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from ..account import (
    AmountByRule,
    certain,
    debts,
    gross,
    listed,
    must_know_debts,
    overdue,
    owed_facts,
    raise_charge,
    settle_amounts,
)
from ..books import LawBooks
from ..case import Case
from ..events import DiplomaSupplementIssued, Event
from ..phrases import says
from ..reasons import DONE, Clears, Fact, Reason, reason
from ..registry import obeys
from ..rulebook import INSTALMENTS, Law, RuleBook, Stamp, UnknownValue
from ..state import Career, GapKind, Person, Waiver, Withdrawal, days_after
from ..values import ONE_DAY, ZERO, cents, last_of_february
from .chapter import Deadline, data_of, end, reads, year_of_act

# What a fact changes


@obeys("RIN-1", "RIN-3", "CHG-15", "AMB-9", "AMB-35", "AMB-40")
def withdrawal_requested(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    day = event.effective_on
    year = year_of_act(career, day, books)
    book = books.of(year) if year is not None else None
    withdrawal = Withdrawal(day, event.id, person.order, year, None)
    career.withdrawals.append(withdrawal)
    if book is not None and year is not None:
        due = None
        try:
            if book.rules.RIN_3 is not None:
                due = _stamp_is_due(withdrawal, book.rules.RIN_3)
                price = AmountByRule(book.rules.RIN_3.amount, "RIN-3", "AMB-9")
                withdrawal.stamp = raise_charge(career, year, "withdrawal-stamp", price, day, (Fact(event.id, day),),
                                                due_on=due).key
        except UnknownValue as unknown:
            career.leave_open("charge", f"{year}:withdrawal-stamp", unknown, "fact", day, due, event.id)
    elif year is not None and book is None:
        career.unruled.add(year)


def _stamp_is_due(withdrawal: Withdrawal, rule: Stamp) -> date | None:
    """The day by which the stamp is paid. Where nobody knows whether the withdrawal lapses later, it lives at least to
    that day."""
    due = days_after(withdrawal.filed_on, rule.within) if rule.within is not None else None
    try:
        withdrawal.last_day = days_after(withdrawal.filed_on, rule.days)
    except UnknownValue as unknown:
        withdrawal.lapse = unknown.again()
        withdrawal.lapse.after = due or withdrawal.filed_on
    return due or withdrawal.last_day


def renounced(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    career.gaps.pop(_LAPSE_LEFT_OPEN, None)
    end(career, "renounced", event.effective_on, event.id)


@obeys("CHG-16", "DS-1")
def diploma_supplement_issued(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """Free, but for the post of the paper form."""
    data = data_of(event, DiplomaSupplementIssued)
    year = year_of_act(career, event.effective_on, books)
    book = books.of(year) if year is not None else None
    if book is None or year is None or data.format != "paper" or data.destination is None:
        return
    try:
        if book.rules.CHG_16 is not None:
            raise_charge(career, year, "diploma-supplement-post",
                         AmountByRule(book.rules.CHG_16.amounts[data.destination], "CHG-16"), event.effective_on,
                         (Fact(event.id, event.effective_on),))
    except UnknownValue as unknown:
        career.leave_open("charge", f"{year}:diploma-supplement-post", unknown, "fact", event.effective_on,
                          event=event.id)


# What time brings


def _last_day(career: Career, books: LawBooks) -> date | None:
    withdrawal = career.withdrawal
    if withdrawal is None or withdrawal.perfected_on is not None:
        return None
    if withdrawal.lapse is not None:
        raise withdrawal.lapse.again()
    return withdrawal.last_day


@obeys("RIN-3", "AMB-9")
def _lapse(career: Career, day: date, books: LawBooks) -> None:
    """Without the stamp in time it is as if it had never been filed: what it waived is owed again with its first due
    dates."""
    withdrawal = career.withdrawal
    if withdrawal is None:
        return
    withdrawal.lapsed_on = day
    stamp = career.charges.get(withdrawal.stamp or "")
    if stamp is not None:
        settle_amounts(career, stamp)
        stamp.waivers.append(Waiver("RIN-3", stamp.outstanding, True, day, withdrawal.event, "AMB-9"))
    for charge in career.charges.values():
        if charge is not stamp and any(w.event == withdrawal.event for w in charge.waivers):
            charge.waivers = [w for w in charge.waivers if w.event != withdrawal.event]
    career.unsettled = True


_LAPSE_LEFT_OPEN: tuple[GapKind, str] = "fact", "withdrawal-requested"
LAPSES = Deadline("RIN-3", _last_day, _lapse, _LAPSE_LEFT_OPEN)


# What money brings


@obeys("RIN-3")
def perfect_withdrawal(career: Career, day: date) -> None:
    withdrawal = career.withdrawal
    if withdrawal is not None and withdrawal.perfected_on is None and withdrawal.stamp is not None:
        stamp = career.charges[withdrawal.stamp]
        last_day = withdrawal.lapse.after if withdrawal.lapse is not None else withdrawal.last_day
        if stamp.outstanding == ZERO and (last_day is None or (stamp.paid_on or day) <= last_day):
            withdrawal.perfected_on = day


# What it waives


@obeys("RIN-8", "RIN-8a", "RIN-9", "RIN-10", "RIN-11", "RIN-11a", "RIN-12", "RIN-14", "AMB-15", "AMB-25", "AMB-42")
def withdrawal_waivers(career: Career, withdrawal: Withdrawal, law: Law,
                       day: date) -> dict[str, tuple[str, Decimal, str | None]]:
    """Which share of each instalment a living withdrawal waives: kind -> (rule, share, interpretation). By the first
    term the first instalment and all others, by the terms of RIN-10 those whose term is still to come."""
    filed, year, early = withdrawal.filed_on, withdrawal.year, law.RIN_8
    if year is None:
        return {}
    rests = INSTALMENTS[1:]
    if early is not None and filed <= early.until:
        if not _has_passed_an_exam(career, year, early.exams, day):
            return {"instalment-1": ("RIN-8", Decimal(1), None)} | dict.fromkeys(rests, ("RIN-8", Decimal(1), "AMB-15"))
        half = law.RIN_11
        return dict.fromkeys(rests, ("RIN-11", half.share, "AMB-15")) if half is not None else {}
    later = law.RIN_10
    if later is None:
        return {}
    terms = (later.until, *later.further)
    alive = [kind for number, kind in enumerate(rests) if filed <= terms[min(number, len(terms) - 1)]]
    if alive and not _has_passed_an_exam(career, year, later.exams, day):
        return dict.fromkeys(alive, ("RIN-10", Decimal(1), None))
    half = law.RIN_11 if alive else None
    return dict.fromkeys(alive, ("RIN-11", half.share, None)) if half is not None else {}


def _has_passed_an_exam(career: Career, year: str, where: str, day: date) -> bool:
    for result in career.passed(day).values():
        held = result.data.held_on
        if where == "session":
            if date(int(year[:4]) + 1, 1, 1) <= held <= last_of_february(year):
                return True
        elif career.exam_year(result.data) == year:
            return True
    return False


def refresh_waivers(career: Career, year: str, day: date, books: LawBooks) -> None:
    """Waivers of a living (or perfected) withdrawal on the instalments of a year."""
    withdrawal = career.withdrawal
    book = books.on(withdrawal.filed_on).of(year) if withdrawal is not None else None
    shares: dict[str, tuple[str, Decimal, str | None]] = {}
    asked = [charge for charge in career.charges.values() if charge.is_instalment and charge.year == year]
    if withdrawal is not None and withdrawal.year == year and book is not None and asked:
        try:
            shares = withdrawal_waivers(career, withdrawal, book.rules, day)
        except UnknownValue as unknown:
            for charge in asked:
                career.leave_open("charge", charge.key, unknown, "day", day, event=withdrawal.event)
    for charge in asked:
        kept = [w for w in charge.waivers if not w.rule.startswith("RIN-")]
        if charge.kind in shares and withdrawal is not None:
            rule, share, interpretation = shares[charge.kind]
            before = gross(career, charge.key, withdrawal.order)
            part = charge.amount - cents(charge.amount * (1 - share)) if share < 1 else charge.amount
            amount = max(ZERO, min(part, charge.amount - before))
            rest = charge.amount - max(before, ZERO) - amount
            try:
                if rest > ZERO and book is not None and book.rules.RAT_6 is not None \
                        and book.rules.RAT_6.remits == "any-payment" and rest < book.rules.RAT_6.below:
                    amount += rest
            except UnknownValue as unknown:
                career.leave_open("charge", charge.key, unknown, "day", day, event=withdrawal.event)
            kept.append(Waiver(rule, amount, share == 1, withdrawal.filed_on, withdrawal.event, interpretation))
        if kept != charge.waivers:
            charge.waivers = kept
            career.unsettled = True


# What it forbids


def _must_know_that_it_lives(career: Career, withdrawal: Withdrawal) -> None:
    """Raises `UnknownValue` where it may have lapsed and nobody can tell."""
    if withdrawal.last_day is None:
        career.must_know("charge", f"{withdrawal.year}:withdrawal-stamp")
        career.must_know(*_LAPSE_LEFT_OPEN)


@obeys("SEQ")
def has_filed_an_enrolment(case: Case) -> Reason | None:
    if case.career.enrolments:
        return None
    return case.no("SEQ/nothing-to-withdraw", status=case.career.status)


@obeys("SEQ", "RIN-3")
@reads("withdrawals")
def has_not_withdrawn_already(case: Case) -> Reason | None:
    alive = case.career.withdrawal
    if alive is None:
        return None
    _must_know_that_it_lives(case.career, alive)
    return case.no("RIN/alive", facts=[Fact(alive.event, alive.filed_on)], rule="SEQ", filed_on=alive.filed_on)


@obeys("RIN-4", "RIN-7", "BLK-4")
def has_no_debts_to_withdraw(case: Case) -> Reason | None:
    """2025-26: nothing overdue, or an agreed plan that is kept. 2019-20: nothing overdue of the years before."""
    owed = certain(case.career, overdue(case.career, case.day))
    earlier = [(c, late) for c, late in owed if c.year < case.book.academic_year]
    if len(earlier) < len(owed) and case.law.BLK_4 is None:
        owed = earlier
    if not owed:
        must_know_debts(case.career, case.day)
    if not owed or case.law.RIN_4 is None:
        return None
    by_plan = "BLK-4" in case.book.asked  # what names a plan beside the payment
    return case.no("RIN-4" if by_plan else "RIN-4/no-plan", DONE, owed_facts(owed), rule="RIN-4", owed=listed(owed))


@obeys("RIN-1", "AMB-40")
def withdrawal_is_filed(case: Case) -> Reason | None:
    """In 2019-20 the stamped paper itself is enough."""
    if case.career.withdrawal is not None or case.law.RIN_3 is not None:
        return None
    return case.no("RIN-1", DONE)


@obeys("RIN-3", "AMB-9")
def withdrawal_is_perfected(case: Case) -> Reason | None:
    """A filed and living withdrawal whose stamp was paid in time."""
    alive = case.career.withdrawal
    if alive is not None and alive.stamp is None:
        case.career.must_know("charge", f"{alive.year}:withdrawal-stamp")
    if alive is None:
        lapsed = case.career.withdrawals[-1] if case.career.withdrawals else None
        facts = [Fact(lapsed.event, lapsed.filed_on)] if lapsed is not None else []
        if lapsed is None or lapsed.last_day is None:
            return case.no("RIN-3/not-filed", DONE, facts, "AMB-9")
        return case.no("RIN-3/lapsed", DONE, facts, "AMB-9", filed_on=lapsed.filed_on, last_day=lapsed.last_day)
    if alive.perfected_on is None and alive.stamp is not None:
        unpaid, fact = case.career.charges[alive.stamp].outstanding, [Fact(alive.event, alive.filed_on)]
        if alive.last_day is not None:
            return case.no("RIN-3", DONE, fact, "AMB-9", last_day=alive.last_day, charge=alive.stamp, amount=unpaid)
        if unpaid:  # it may have lapsed, and cannot be perfected so either
            return case.no("RIN-3/unpaid", DONE, fact, "AMB-9", charge=alive.stamp, amount=unpaid)
        _must_know_that_it_lives(case.career, alive)
    return None


@obeys("RIN-5", "AMB-42")
def everything_is_settled(case: Case) -> Reason | None:
    """The career is closed after all dues are settled, those still to come included, also under a plan."""
    owed = certain(case.career, debts(case.career, case.day))
    if not owed:
        must_know_debts(case.career, case.day, to_come=True)
    if not owed or case.law.RIN_5 is None:
        return None
    return case.no("RIN-5", DONE, owed_facts(owed), "AMB-42", owed=listed(owed))


@obeys("RIN", "RIN-3")
@reads("withdrawals")
def has_not_filed_a_withdrawal(case: Case) -> Reason | None:
    alive = case.career.withdrawal
    if alive is None or case.career.ended is not None:
        return None
    if alive.perfected_on is None:
        _must_know_that_it_lives(case.career, alive)
    clears = Clears(alive.last_day + ONE_DAY) if alive.last_day is not None and alive.perfected_on is None else None
    return case.no("RIN/alive", clears, [Fact(alive.event, alive.filed_on)], filed_on=alive.filed_on)


# What does not fit it


@obeys("DS-1")
def supplement_without_degree(person: Person, career: Career, event: Event, book: RuleBook | None,
                              books: LawBooks) -> Iterator[Reason]:
    if career.graduated is None:
        yield reason(book or books.own, "DS-1", says("DS-1"))
