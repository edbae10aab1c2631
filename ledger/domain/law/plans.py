"""Instalment plans (RAT-7, AMB-19)."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from ..books import LawBooks
from ..case import Case
from ..events import Event, InstalmentPlanAgreed
from ..reasons import DONE, Reason
from ..registry import obeys
from ..rulebook import INSTALMENTS
from ..state import Career, Charge, Person, Plan
from ..values import ZERO, year_end
from .chapter import data_of

# What a fact changes


@obeys("RAT-7", "AMB-19")
def instalment_plan_agreed(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    data = data_of(event, InstalmentPlanAgreed)
    covered = [c for c in map(career.charges.get, data.charges) if c is not None and c.outstanding > ZERO]
    put_under_plan(covered, [(i.due_on, i.amount) for i in data.instalments], event.effective_on,
                   event.id, person.order)
    career.unsettled = True


@obeys("AMB-19", "RAT-7")
def put_under_plan(charges: Sequence[Charge], instalments: Sequence[tuple[date, Decimal]],
                   day: date, event: str, order: int) -> None:
    """An agreed plan gives the open charges new due dates. Its instalments are taken from the charges in the order in
    which it names them; what it does not reach falls due on its last date."""
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


# What it forbids


@obeys("RAT-7", "CS-10", "AMB-33", "AMB-53", "AMB-54")
def plan_may_be_agreed(case: Case) -> Reason | None:
    """An instalment after the first above 500 euro, anything else with reasons, as long as a plan may be asked for;
    arrears of earlier years always. The plan names open charges, has no date before its agreement and adds up to what
    is outstanding. Single courses are never paid by instalments."""
    data = case.of(InstalmentPlanAgreed)
    if case.law.RAT_7 is None:
        return case.no("RAT-7/no-plan", DONE, interpretation="AMB-33", academic_year=case.book.academic_year)
    total = ZERO
    for key in data.charges:
        charge = case.career.charges.get(key)
        if charge is None or charge.outstanding == ZERO:
            return case.no("RAT-7/not-open", DONE, charge=key)
        if charge.base_kind in ("single-courses", "single-courses-stamp") and case.book.has("CS-10"):
            return case.no("CS-10", charge=key)
        total += charge.outstanding
        if case.day > year_end(charge.year):  # arrears
            continue
        rule, amount = case.law.RAT_7, charge.amount
        if rule.until is not None and case.day > rule.until:  # the agreement's day stands for the request's
            return case.no("RAT-7/too-late", DONE, charge.facts, charge=key, last_day=rule.until)
        large = amount >= rule.over if rule.included else amount > rule.over
        if not data.motivated and (not large or not charge.is_instalment or charge.kind == INSTALMENTS[0]):
            return case.no("RAT-7/at-least" if rule.included else "RAT-7", DONE, charge.facts, charge=key,
                           amount=amount, over=rule.over)
    past = [i.due_on for i in data.instalments if i.due_on < case.day]
    if past:
        return case.no("RAT-7/past", DONE, due_on=past[0], agreed_on=case.day)
    planned = sum((i.amount for i in data.instalments), ZERO)
    if planned != total:
        return case.no("RAT-7/total", DONE, planned=planned, outstanding=total)
    return None
