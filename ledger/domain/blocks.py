"""Which blocks are in force on a day, and from when (rules BLK; section 5 of the published language)."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from .charges import overdue
from .reasons import Fact
from .registry import obeys
from .rulebook import LawBooks
from .state import Block, Career, Charge, days_after
from .values import ZERO

EXAM_BOOKING, FINAL_EXAM, ADMINISTRATIVE, RESERVATION = "exam-booking", "final-exam", "administrative", "reservation"


def refresh_blocks(career: Career, day: date, books: LawBooks) -> None:
    """Open and close blocks so that `career.blocks` holds those in force at the end of the day, each with its first day."""
    now = {(b.kind, b.rule, b.charge or ""): b for b in _in_force(career, day, books)}
    if not now and not career.blocks:
        return
    for key, before in career.blocks.items():
        if key not in now and before.start < day:
            career.lifted_today[key] = (day, before.start)
    for key, block in now.items():
        standing = career.blocks.get(key)
        if standing is not None:
            block.start = standing.start
        elif key in career.lifted_today and career.lifted_today[key][0] == day:
            block.start = career.lifted_today[key][1]  # lifted and back within one day: it was never gone at the day's end
    career.blocks = now


def _in_force(career: Career, day: date, books: LawBooks) -> Iterator[Block]:
    if career.ended is not None:
        return
    if career.reservation is not None:
        yield from _reservation(career, day)
    owing = [c for c in career.charges.values() if c.outstanding]
    if not owing:
        return
    late = False
    for charge in owing:
        if charge.is_instalment:
            yield from _exam_booking(charge, day, books)
            yield from _administrative(career, charge, day, books)
        late = late or day > charge.due
    yield from _kept_by_surcharge(career, day, books)
    if late:
        yield from _final_exam(career, day, books)


@obeys("AMB-43")
def administrative_blocks(career: Career, day: date, books: LawBooks) -> list[Block]:
    """What holds against the person for acts that look at all her careers: the debts of an ended career too."""
    if career.ended is None:
        return [b for b in career.blocks.values() if b.kind == ADMINISTRATIVE]
    return [b for c in career.charges.values() if c.is_instalment and c.outstanding > ZERO
            for b in (*_administrative(career, c, day, books), *_exam_booking(c, day, books)) if b.kind == ADMINISTRATIVE]


@obeys("BLK-5", "RIS-5", "AMB-45", "BLK-8")
def _reservation(career: Career, day: date) -> Iterator[Block]:
    """From filing until the reservation is lifted, lapses or is declined."""
    held = career.reservation
    if held is not None and career.under_reservation:
        yield Block(RESERVATION, "BLK-5", None, day, "Enrolled with reservation: no exam before it is lifted.",
                    f"the degree (or the missing exams) by {held.term.isoformat()} lifts the reservation", None, "AMB-45",
                    held.academic_year, (Fact(held.event, held.filed_on),))


@obeys("BLK-1", "BLK-3bis", "AMB-1", "AMB-2", "BLK-8")
def _exam_booking(charge: Charge, day: date, books: LawBooks) -> Iterator[Block]:
    """An instalment unpaid so many days after its due date."""
    book = books.of(charge.year)
    late = charge.unpaid_after(book.rules.BLK_1.days, day) if book is not None and book.rules.BLK_1 is not None else ZERO
    if book is None or book.rules.BLK_1 is None or late == ZERO:
        return
    section_10 = book.interpretations.AMB_1.decision == "section-10"
    yield Block(ADMINISTRATIVE if section_10 else EXAM_BOOKING, "BLK-3" if section_10 else "BLK-1", charge.key, day,
                f"{_named(charge, late)} was due on {charge.due.isoformat()} and is still unpaid {book.rules.BLK_1.days} days later.",
                f"pay {late:.2f} euro for {charge.key}", late, "AMB-1", charge.year, charge.basis)


def _named(charge: Charge, amount: Decimal) -> str:
    return charge.key if amount == charge.outstanding else f"{amount:.2f} euro of {charge.key}"


@obeys("BLK-3", "AMB-2", "AMB-19", "AMB-32")
def _administrative(career: Career, charge: Charge, day: date, books: LawBooks) -> Iterator[Block]:
    """2019-20: an instalment unpaid 30 days after its due date. 2025-26: unpaid after the year's deadline (a later last
    plan date counts instead). In force without an act of the office unless the switch AMB-32 asks for one."""
    book = books.of(charge.year)
    rule = book.rules.BLK_3 if book is not None else None
    if book is None or rule is None:
        return
    if rule.days is not None:
        begins_after, late = days_after(charge.due, rule.days), charge.unpaid_after(rule.days, day)
    elif rule.deadline is not None:
        begins_after = max(rule.deadline, charge.plan.last_on if charge.plan is not None else charge.due)
        late = charge.unpaid_after(0, day) if day > begins_after else ZERO
    else:
        return
    if late == ZERO:
        return
    ordered = career.ordered_blocks.get(charge.year)
    if book.interpretations.AMB_32.decision == "by-an-act" and ordered is None:
        return
    facts = charge.basis + ((Fact(ordered[1], ordered[0]),) if ordered is not None else ())
    yield Block(ADMINISTRATIVE, "BLK-3", charge.key, day,
                f"{_named(charge, late)} is still unpaid after {begins_after.isoformat()}.",
                f"pay {late:.2f} euro for {charge.key}", late, "AMB-32", charge.year, facts)


@obeys("AMB-4")
def _kept_by_surcharge(career: Career, day: date, books: LawBooks) -> Iterator[Block]:
    """Only where the institution decides so: an unpaid surcharge of a blocked instalment keeps the booking block alive."""
    for charge in career.charges.values():
        if not charge.outstanding or not charge.kind.startswith("late-fee/instalment-"):
            continue
        book = books.of(charge.year)
        if book is None or book.interpretations.AMB_4.decision == "no" or book.rules.BLK_1 is None or book.rules.MOR_1 is None:
            continue
        if charge.amount > book.rules.MOR_1.tiers[0].amount:
            yield Block(EXAM_BOOKING, "BLK-1", charge.key, day, f"The surcharge {charge.key} is unpaid.",
                        f"pay {charge.outstanding:.2f} euro for {charge.key}", charge.outstanding, "AMB-4", charge.year, charge.facts)


@obeys("BLK-2", "AMB-5", "AMB-33", "AMB-43")
def _final_exam(career: Career, day: date, books: LawBooks) -> Iterator[Block]:
    """Any overdue charge of the career, from the day after its due date, under the book that a degree on that day follows; a year
    without one does not lift it."""
    found = overdue(career, day)
    if not found:
        return
    latest = career.latest_perfected
    year = books.act_year(latest.academic_year if latest is not None else None, day)
    book = books.latest_to(year) if year is not None else None
    if book is None or book.rules.BLK_2 is None:
        return
    only_instalments = book.interpretations.AMB_5.decision == "instalments-only"
    for charge, late in found:
        if only_instalments and not charge.is_instalment:
            continue
        yield Block(FINAL_EXAM, "BLK-2", charge.key, day, f"{_named(charge, late)} was due on {charge.due.isoformat()} and is unpaid.",
                    f"pay {late:.2f} euro for {charge.key}", late, "AMB-5", book.academic_year, charge.basis)
