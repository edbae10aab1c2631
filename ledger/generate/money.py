"""The contribution of a ruled year: ISEE, assessment, instalments in time, late, in parts, under a plan, or never."""

from decimal import Decimal
from typing import NamedTuple

from ledger.domain.law.contribution import instalment_amounts
from ledger.domain.law.lateness import surcharge
from ledger.domain.rulebook import INSTALMENTS, Law

from .story import ZERO, Path, Story, as_date
from .terms import NEVER, Terms, iso, need

BANDS = (("1", 0, 0), ("2", 60, 420), ("3", 431, 700), ("4", 701, 980), ("5", 981, 1350), ("6", 1351, 1800))
TOP = ("7", 1950, 2350)
BLOCK_DAYS = 30
"""An instalment unpaid so many days after its due date blocks (BLK-1, BLK-3 in 2019-20)."""


def contribution(s: Story, p: Path, y: Terms, law: Law, by: int | None = None, not_before: int = 0,
                 paid: bool = True) -> None:
    """Assess the year's contribution and pay its instalments. `by`: the day by which all of it must be paid, where
    something depends on it; `not_before`: no payment earlier (a withdrawal stands in between); `paid`: whether the
    instalments are paid at all."""
    band, assessed = _assess(s, p, y)
    low, high = band[1], band[2]
    total = Decimal(s.between(low, high)) + (Decimal(s.between(0, 99)) / 100 if high else ZERO)
    exempt = band[0] == "1"
    s.add("contribution-assessed", p.name, assessed,
          {"academic_year": y.label, "contribution": f"{total:.2f}", "band": band[0],
           **({"exempt": True} if exempt else {})})
    if not paid:
        return
    for kind, amount, due_on, _ in instalment_amounts(law, total, exempt, p.regime == "part-time"):
        _pay_instalment(s, p, y, law, _Instalment(kind, amount, due_on.toordinal()), max(assessed + 3, not_before), by)


def _assess(s: Story, p: Path, y: Terms) -> tuple[tuple[str, int, int], int]:
    """(band, day of the assessment that counts)."""
    first = max(p.perfected + 1, y.day(11, 20))
    day = s.between(first, max(first, y.day(12, 22)))
    if s.chance(s.shares.without_isee):
        return TOP, day
    if s.chance(s.shares.late_isee):
        s.add("contribution-assessed", p.name, day,
              {"academic_year": y.label, "contribution": f"{TOP[2]}.00", "band": TOP[0]})
        issued = s.between(y.isee_until + 5, y.isee_until + 25)
        handed = max(issued + s.between(0, 4), day + 1)
        s.add("isee-certified", p.name, handed, {"academic_year": y.label, "issued_on": iso(issued),
                                                 "valid_for_university": True})
        if y.law is not None:
            s.owe(p, f"{y.label}:isee-penalty", need(y.law.ISE_2, "ISE-2").amount, handed)
        return s.pick(BANDS), handed + s.between(1, 6)
    issued = s.between(y.before(9, 5), y.day(12, 10))
    if s.chance(s.shares.invalid_isee):
        s.add("isee-certified", p.name, max(issued, p.enrolled_on),
              {"academic_year": y.label, "issued_on": iso(issued), "valid_for_university": False})
        issued += s.between(3, 14)
    acquired = max(issued + 1, p.enrolled_on)
    s.add("isee-certified", p.name, acquired, {"academic_year": y.label, "issued_on": iso(issued),
                                               "valid_for_university": True})
    return s.pick(BANDS), max(day, acquired + 1)


class _Instalment(NamedTuple):
    """Of a year's contribution; `due` is the day."""

    kind: str
    amount: Decimal
    due: int


def _pay_instalment(s: Story, p: Path, y: Terms, law: Law, one: _Instalment, first: int, by: int | None) -> None:
    kind, amount, due = one
    key, shares = f"{y.label}:{kind}", s.shares
    roll = s.random()
    if by is None and first <= due:
        if roll < shares.never_paid:
            _never(s, p, y, law, due)
            return
        roll -= shares.never_paid
        if roll < shares.very_late_payments:
            _complete(s, p, y, law, key, amount, due, due + s.between(BLOCK_DAYS + 1, 120))
            return
        roll -= shares.very_late_payments
        if roll < shares.late_payments:
            _complete(s, p, y, law, key, amount, due, due + s.between(1, BLOCK_DAYS))
            return
        roll -= shares.late_payments
        may_agree = kind != INSTALMENTS[0] and law.RAT_7 is not None
        if may_agree and roll < shares.plans_agreed and _plan(s, p, key, amount, law, due):
            return
    day = s.between(max(first, due - 35), due) if first <= due else first + s.between(0, 6)
    if s.chance(shares.partial_payments) and amount > 50:
        part = (amount * s.between(2, 7) / 10).quantize(Decimal("0.01"))
        s.pay(p, key, part, day)
        rest = day + s.between(2, 25) if by is None else max(day, min(due, by))
        _complete(s, p, y, law, key, amount - part, due, rest)
        return
    if first <= due and day + 15 < due and s.chance(shares.misdirected):
        _misdirected(s, p, y, law, key, amount, day, due)
        return
    _complete(s, p, y, law, key, amount, due, day)
    if day < due and s.chance(shares.overpaid):
        again = day + s.between(1, 4)
        s.pay(p, key, amount, again)
        s.add("payment-refunded", p.name, again + s.between(10, 30), {"charge": key, "amount": f"{amount:.2f}"})


def _complete(s: Story, p: Path, y: Terms, law: Law, key: str, amount: Decimal, due: int, day: int) -> None:
    """The payment that completes an instalment: its surcharge, and the block that stood until then."""
    s.pay(p, key, amount, day)
    p.clear_on = max(p.clear_on, day)
    if day > due:
        s.owe(p, f"{y.label}:late-fee/{key.partition(':')[2]}", surcharge(law, as_date(due), as_date(day)), day)
    if day > due + BLOCK_DAYS:
        p.closed.append((due + BLOCK_DAYS + 1, day))
        if law.BLK_3 is not None and law.BLK_3.days is not None and day > due + 40:
            s.add("administrative-block-ordered", p.name, due + 35,
                  {"academic_year": y.label, "reason": "unpaid instalment"})
            s.add("administrative-block-revoked", p.name, day + 1, {"academic_year": y.label})


def _never(s: Story, p: Path, y: Terms, law: Law, due: int) -> None:
    p.clear_on = NEVER
    p.closed.append((due + BLOCK_DAYS + 1, NEVER))
    if law.BLK_3 is not None and law.BLK_3.days is not None:
        s.add("administrative-block-ordered", p.name, due + 40,
              {"academic_year": y.label, "reason": "unpaid instalment"})


def _plan(s: Story, p: Path, key: str, amount: Decimal, law: Law, due: int) -> bool:
    """Agreed before the due date; each date kept. Below the threshold for documented reasons only."""
    motivated = amount <= need(law.RAT_7, "RAT-7").over
    if motivated and not s.chance(0.1):
        return False
    agreed = s.between(due - 40, due - 3)
    steps = [due, due + 46] if s.chance(0.5) else [due, due + 30, due + 61]
    part = (amount / len(steps)).quantize(Decimal("0.01"))
    parts = [part] * (len(steps) - 1) + [amount - part * (len(steps) - 1)]
    s.add("instalment-plan-agreed", p.name, agreed, {
        "charges": [key],
        "instalments": [{"due_on": iso(d), "amount": f"{a:.2f}"} for d, a in zip(steps, parts, strict=True)],
        **({"motivated": True} if motivated else {})})
    for step, share in zip(steps, parts, strict=True):
        day = step - s.between(0, 9) if step > due else s.between(max(agreed, step - 9), step)
        s.pay(p, key, share, day)
        p.clear_on = max(p.clear_on, day)
    return True


def _misdirected(s: Story, p: Path, y: Terms, law: Law, key: str, amount: Decimal, day: int, due: int) -> None:
    """Money for a charge that does not exist: moved to the right one, or left where it is and paid again."""
    further = law.RAT_4.further if law.RAT_4 is not None else ()
    wrong = f"{y.label}:instalment-{3 + len(further)}"
    s.pay(p, wrong, amount, day)
    again = s.between(day + 4, due)
    p.clear_on = max(p.clear_on, again)
    if s.chance(0.7):
        s.add("payment-moved", p.name, again, {"from_charge": wrong, "to_charge": key, "amount": f"{amount:.2f}"})
    else:
        s.pay(p, key, amount, again)
