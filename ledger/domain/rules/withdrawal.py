"""Leaving for good: renunciation (RIN)."""

from ..case import Case
from ..charges import debts, overdue
from ..reasons import Clears, Fact, Reason
from ..registry import obeys
from .career import _listed, owed_facts


@obeys("RIN-4", "RIN-7", "BLK-4")
def has_no_debts_to_withdraw(case: Case) -> Reason | None:
    """2025-26: nothing overdue, or an agreed plan that is kept. 2019-20: nothing overdue of the years before."""
    if case.law.RIN_4 is None:
        return None
    owed = overdue(case.career, case.day)
    if case.law.BLK_4 is None:
        owed = [(c, late) for c, late in owed if c.year < case.book.academic_year]
    if not owed:
        return None
    return case.no("RIN-4", f"Unpaid: {_listed(owed)}.", "pay, or agree an instalment plan", owed_facts(owed))


@obeys("SEQ")
def has_filed_an_enrolment(case: Case) -> Reason | None:
    if case.career.enrolments:
        return None
    return case.no("SEQ", f"There is no enrolment to withdraw from (status {case.career.status}).")


@obeys("SEQ", "RIN-3")
def has_not_withdrawn_already(case: Case) -> Reason | None:
    alive = case.career.withdrawal
    if alive is None:
        return None
    return case.no("SEQ", f"A withdrawal filed on {alive.filed_on.isoformat()} is alive.", facts=[Fact(alive.event, alive.filed_on)])


@obeys("RIN-3", "RIN-1", "AMB-9", "AMB-40")
def withdrawal_is_perfected(case: Case) -> Reason | None:
    """A filed and living withdrawal whose stamp was paid in time; in 2019-20 the stamped paper itself is enough."""
    alive = case.career.withdrawal
    if case.law.RIN_3 is None:
        if alive is not None:
            return None
        return case.no("RIN-1", "No withdrawal has been filed.", "file the withdrawal")
    if alive is None:
        lapsed = case.career.withdrawals[-1] if case.career.withdrawals else None
        message = "No withdrawal has been filed." if lapsed is None or lapsed.last_day is None else \
            f"The withdrawal of {lapsed.filed_on.isoformat()} lapsed: the stamp was not paid by {lapsed.last_day.isoformat()}."
        return case.no("RIN-3", message, "file a withdrawal and pay its stamp",
                       [Fact(lapsed.event, lapsed.filed_on)] if lapsed is not None else (), "AMB-9")
    if alive.perfected_on is None and alive.stamp is not None:
        return case.no("RIN-3", f"The stamp of the withdrawal is not paid; it lapses after {alive.last_day}.",
                       Clears(f"pay {case.career.charges[alive.stamp].outstanding:.2f} euro for {alive.stamp}"),
                       [Fact(alive.event, alive.filed_on)], "AMB-9")
    return None


@obeys("RIN-5", "AMB-42")
def everything_is_settled(case: Case) -> Reason | None:
    """The career is closed after all dues are settled, those still to come included, also under a plan."""
    if case.law.RIN_5 is None:
        return None
    owed = debts(case.career, case.day)
    if not owed:
        return None
    return case.no("RIN-5", f"Still owed: {_listed(owed)}.", "pay all of it", owed_facts(owed), "AMB-42")
