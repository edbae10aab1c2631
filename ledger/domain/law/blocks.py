"""What a debt stops, from when and until when (BLK; section 5 of the published language)."""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal

from ..account import (
    certain,
    is_paid_however_split,
    is_payable,
    listed,
    may_be_a_debt,
    must_know_debts,
    overdue,
    owed_facts,
)
from ..books import LawBooks
from ..case import Case
from ..events import AdministrativeBlockOrdered, AdministrativeBlockRevoked, Event
from ..phrases import says
from ..reasons import DONE, Fact, Reason, reason
from ..registry import obeys
from ..rulebook import AdministrativeBlock, AfterDays, RuleBook, UnknownValue
from ..state import (
    ADMINISTRATIVE,
    EXAM_BOOKING,
    FINAL_EXAM,
    RESERVATION,
    Block,
    Career,
    Charge,
    Gap,
    Person,
    days_after,
)
from ..values import ONE_DAY, ZERO
from .chapter import StillOpen, data_of, reads
from .degree import owed_all_the_same
from .reservation import reservation_block

# What a fact changes


@obeys("AMB-32")
def block_ordered(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    career.ordered_blocks[data_of(event, AdministrativeBlockOrdered).academic_year] = (event.effective_on, event.id)


@obeys("AMB-32")
def block_revoked(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    career.ordered_blocks.pop(data_of(event, AdministrativeBlockRevoked).academic_year, None)


# What time and money bring


def refresh_blocks(career: Career, day: date, books: LawBooks) -> None:
    """Open and close blocks so that `career.blocks` holds those in force at the end of the day, each with its first
    day."""
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
            # lifted and back within one day: it was never gone at the day's end
            block.start = career.lifted_today[key][1]
    career.blocks = now


def _in_force(career: Career, day: date, books: LawBooks) -> Iterator[Block]:
    if career.ended is not None:
        return
    if career.reservation is not None:
        yield from _told(career, RESERVATION, day, reservation_block(career, day, books))
    owing = outstanding = [c for c in career.charges.values() if c.outstanding]
    if career.gaps:
        owing = [c for c in owing if ("charge", c.key) not in career.gaps]
        _may_be_in_force(career, day, books)
    if not owing:
        return
    late = False
    for charge in owing:
        if day <= charge.due:
            continue
        late = True
        if charge.is_instalment:
            yield from _told(career, EXAM_BOOKING, day, _exam_booking(charge, day, books))
            yield from _told(career, ADMINISTRATIVE, day, _administrative(career, charge, day, books))
    if surcharges := [c for c in outstanding if c.kind.startswith("late-fee/instalment-")]:
        yield from _told(career, EXAM_BOOKING, day, _kept_by_surcharge(surcharges, day, books))
    if late:
        yield from _told(career, FINAL_EXAM, day, _final_exam(career, day, books))


def _told(career: Career, kind: str, day: date, found: Iterator[Block]) -> list[Block]:
    """A block that depends on an unknown value is neither in force nor absent."""
    try:
        return list(found)
    except UnknownValue as unknown:
        career.leave_open("block", kind, unknown, "day", day)
        return []


def _may_be_in_force(career: Career, day: date, books: LawBooks) -> None:
    """What a charge would stop of which nobody can tell whether it is owed."""
    for key, gap in [(key, gap) for (what, key), gap in career.gaps.items() if what == "charge"]:
        if not may_be_a_debt(key, career.charges.get(key)) or is_paid_however_split(career, key, gap):
            continue
        charge = career.charges.get(key) or may_be_owed(key, gap)
        if not charge.outstanding or day <= charge.due or is_payable(career, charge):
            continue
        stopped = [(FINAL_EXAM, _stops_the_degree(career, day, books))]
        if charge.is_instalment:
            stopped += [(EXAM_BOOKING, _exam_booking(charge, day, books)),
                        (ADMINISTRATIVE, _administrative(career, charge, day, books))]
        for kind_of_block, blocks in stopped:
            if _told(career, kind_of_block, day, blocks):
                career.leave_open("block", kind_of_block, gap.unknown, "day", day)


def may_be_owed(key: str, gap: Gap) -> Charge:
    """A charge of any amount."""
    year, _, kind = key.partition(":")
    return Charge(key, kind, year, ONE_EURO, gap.due_on, gap.on, "", (), outstanding=ONE_EURO)


ONE_EURO = Decimal(1)


def _stops_the_degree(career: Career, day: date, books: LawBooks) -> Iterator[Block]:
    book = _book_of_the_degree(career, day, books)
    if book is not None and book.rules.BLK_2 is not None:
        yield Block(FINAL_EXAM, "BLK-2", None, day, says("BLK-2"), None, None, book.academic_year, ())


@obeys("AMB-43")
def administrative_blocks(career: Career, day: date, books: LawBooks) -> list[Block]:
    """What holds against the person for acts that look at all her careers: the debts of an ended career too."""
    if career.ended is None:
        return [b for b in career.blocks.values() if b.kind == ADMINISTRATIVE]
    return [b for c in career.charges.values() if c.is_instalment and c.outstanding > ZERO
            for b in (*_administrative(career, c, day, books), *_exam_booking(c, day, books))
            if b.kind == ADMINISTRATIVE]


def day_of_the_booking_block(charge: Charge, due: date, plan_end: date | None, book: RuleBook) -> Iterator[date]:
    """When an instalment begins to block (BLK-1)."""
    if charge.is_instalment and book.rules.BLK_1 is not None:
        yield _bookable_through(book.rules.BLK_1, due) + ONE_DAY


def day_of_the_administrative_block(charge: Charge, due: date, plan_end: date | None,
                                    book: RuleBook) -> Iterator[date]:
    """The same of the administrative block (BLK-3)."""
    if charge.is_instalment and book.rules.BLK_3 is not None:
        yield _unblocked_through(book.rules.BLK_3, due, plan_end) + ONE_DAY


def days_of_the_books(career: Career, owing: Sequence[Charge], books: LawBooks) -> Sequence[date]:
    """When another book says what an overdue charge stops (BLK-2, AMB-35)."""
    return books.act_days


def _bookable_through(rule: AfterDays, due: date) -> date:
    """BLK-1: the last day on which what fell due on a day blocks nothing."""
    return days_after(due, rule.days)


def _unblocked_through(rule: AdministrativeBlock, due: date, plan_end: date | None) -> date:
    """BLK-3: the same; an agreed plan's last date counts instead of the due date against the year's deadline."""
    return days_after(due, rule.days) if rule.days is not None else max(rule.deadline or due, plan_end or due)


@obeys("BLK-1", "BLK-3bis", "AMB-1", "AMB-2", "BLK-8")
def _exam_booking(charge: Charge, day: date, books: LawBooks) -> Iterator[Block]:
    """An instalment unpaid so many days after its due date."""
    book = books.of(charge.year)
    rule = book.rules.BLK_1 if book is not None else None
    if book is None or rule is None:
        return
    late = charge.unpaid_after(lambda due: _bookable_through(rule, due), day)
    if late == ZERO:
        return
    section_10 = book.interpretations.AMB_1.decision == "section-10"
    yield Block(ADMINISTRATIVE if section_10 else EXAM_BOOKING, "BLK-3" if section_10 else "BLK-1", charge.key, day,
                says("BLK-1" if late == charge.outstanding else "BLK-1/part", charge=charge.key,
                     amount=late, due_on=charge.due,
                     days=rule.days), late, "AMB-1", charge.year, charge.basis)


def _late_for_the_block(charge: Charge, rule: AdministrativeBlock, day: date) -> Decimal:
    """Euro of an instalment that are unpaid after the day that it may be."""
    plan_end = charge.plan.last_on if charge.plan is not None else None
    return charge.unpaid_after(lambda due: _unblocked_through(rule, due, plan_end), day)


@obeys("BLK-3", "AMB-2", "AMB-19", "AMB-32")
def _administrative(career: Career, charge: Charge, day: date, books: LawBooks) -> Iterator[Block]:
    """2019-20: an instalment unpaid 30 days after its due date. 2025-26: unpaid after the year's deadline (a later last
    plan date counts instead). In force without an act of the office unless the switch AMB-32 asks for one."""
    book = books.of(charge.year)
    rule = book.rules.BLK_3 if book is not None else None
    if book is None or rule is None:
        return
    plan_end = charge.plan.last_on if charge.plan is not None else None
    late = _late_for_the_block(charge, rule, day)
    if late == ZERO:
        return
    ordered = career.ordered_blocks.get(charge.year)
    if book.interpretations.AMB_32.decision == "by-an-act" and ordered is None:
        return
    facts = charge.basis + ((Fact(ordered[1], ordered[0]),) if ordered is not None else ())
    yield Block(ADMINISTRATIVE, "BLK-3", charge.key, day,
                says("BLK-3" if late == charge.outstanding else "BLK-3/part", charge=charge.key, amount=late,
                     last_day=_unblocked_through(rule, charge.due, plan_end)), late, "AMB-32", charge.year, facts)


@obeys("AMB-4")
def _kept_by_surcharge(surcharges: Sequence[Charge], day: date, books: LawBooks) -> Iterator[Block]:
    """Only where the institution decides so: an unpaid surcharge of a blocked instalment keeps the booking block
    alive."""
    for charge in surcharges:
        book = books.of(charge.year)
        if (book is None or book.interpretations.AMB_4.decision == "no"
                or book.rules.BLK_1 is None or book.rules.MOR_1 is None):
            continue
        if charge.amount > book.rules.MOR_1.tiers[0].amount:
            yield Block(EXAM_BOOKING, "BLK-1", charge.key, day, says("BLK-1/surcharge", charge=charge.key,
                        amount=charge.outstanding), charge.outstanding, "AMB-4", charge.year, charge.facts)


@obeys("BLK-2", "AMB-5", "AMB-33", "AMB-43")
def _final_exam(career: Career, day: date, books: LawBooks) -> Iterator[Block]:
    """Any overdue charge of the career, from the day after its due date, under the book that a degree on that day
    follows; a year without one does not lift it. For who applied for a degree that makes some of it needless, the
    rest."""
    found = certain(career, overdue(career, day))
    book = _book_of_the_degree(career, day, books) if found else None
    if book is None or book.rules.BLK_2 is None:
        return
    only_instalments = book.interpretations.AMB_5.decision == "instalments-only"
    if career.candidacies:
        found = owed_all_the_same(career.candidacies[-1].academic_year, day, found, books)
    for charge, late in found:
        if only_instalments and not charge.is_instalment:
            continue
        yield Block(FINAL_EXAM, "BLK-2", charge.key, day,
                    says("BLK-2" if late == charge.outstanding else "BLK-2/part", charge=charge.key,
                         amount=late, due_on=charge.due),
                    late, "AMB-5", book.academic_year, charge.basis)


def _book_of_the_degree(career: Career, day: date, books: LawBooks) -> RuleBook | None:
    latest = career.latest_perfected
    year = books.act_year(latest.academic_year if latest is not None else None, day)
    return books.latest_to(year) if year is not None else None


# What it forbids


@obeys("BLK-3", "AMB-3", "AMB-43", "BLK-7")
@reads("blocks", "ended", "gaps")
def no_administrative_block(case: Case) -> Reason | None:
    """The administrative block forbids new acts that the student asks for."""
    return _no_block_of(case, [case.career])


@obeys("BLK-3", "AMB-3", "AMB-43", "BLK-7")
def no_administrative_block_of_hers(case: Case) -> Reason | None:
    """An act of the person looks at all her careers."""
    return _no_block_of(case, list(case.person.careers.values()))


def _no_block_of(case: Case, careers: Sequence[Career]) -> Reason | None:
    for career in careers:
        for block in administrative_blocks(career, case.day, case.books):
            return reason(case.books.book_of(block.year), block.rule,
                          says("BLK-3/act", career=career.name, phrases=(block.reason,)), DONE, block.facts, "AMB-3")
    for career in careers:
        career.must_know("block", ADMINISTRATIVE)
    return None


def _blocks(case: Case, kind: str) -> list[Block]:
    return sorted((b for b in case.career.blocks.values() if b.kind == kind), key=lambda b: (b.charge or "", b.rule))


@obeys("BLK-1", "AMB-1", "AMB-2", "AMB-4")
@reads("blocks", "gaps")
def instalments_are_paid(case: Case) -> Reason | None:
    found = _blocks(case, EXAM_BOOKING)
    if not found:
        case.career.must_know("block", EXAM_BOOKING)
        return None
    book = case.books.of(found[0].year) or case.book
    return reason(book, found[0].rule, says("BLK-1/several", phrases=tuple(b.reason for b in found))
                  if found[1:] else found[0].reason,
                  DONE, tuple(f for b in found for f in b.facts), found[0].interpretation)


@obeys("BLK-3", "AMB-3", "AMB-32")
@reads("blocks", "gaps")
def career_is_not_blocked(case: Case) -> Reason | None:
    found = _blocks(case, ADMINISTRATIVE)
    if not found:
        case.career.must_know("block", ADMINISTRATIVE)
        return None
    book = case.books.of(found[0].year) or case.book
    return reason(book, found[0].rule, says("BLK-3/exam", phrases=tuple(b.reason for b in found)), DONE,
                  tuple(f for b in found for f in b.facts), "AMB-3")


@obeys("BLK-4")
def has_no_debts_to_resume(case: Case) -> Reason | None:
    """After a suspension: what is overdue must be paid or under an agreed plan."""
    owed = certain(case.career, overdue(case.career, case.day))
    if not owed:
        must_know_debts(case.career, case.day)
    if not owed or case.law.BLK_4 is None:
        return None
    return case.no("BLK-4", DONE, owed_facts(owed), owed=listed(owed))


# What does not fit it


def _blocking(career: Career, year: str, day: date, book: RuleBook | None) -> list[tuple[Charge, Decimal]]:
    """The year's instalments that the administrative block is for. Raises `UnknownValue`."""
    rule = book.rules.BLK_3 if book is not None else None
    if rule is None:
        return []
    for (what, key), gap in career.gaps.items():
        if what == "charge" and key.startswith(f"{year}:instalment-"):
            raise gap.unknown
    owed = [(c, _late_for_the_block(c, rule, day)) for c in career.charges.values()
            if c.is_instalment and c.year == year and c.outstanding]
    return [(c, late) for c, late in owed if late]


@obeys("BLK-3", "AMB-32")
def ordered_without_ground(person: Person, career: Career, event: Event, book: RuleBook | None,
                           books: LawBooks) -> Iterator[Reason]:
    year = data_of(event, AdministrativeBlockOrdered).academic_year
    if book is not None and "BLK-3" in book.asked and not _blocking(career, year, event.effective_on, book) \
            and book.has("BLK-3"):
        yield reason(book, "BLK-3", says("BLK-3/no-ground", academic_year=year), interpretation="AMB-32")


@obeys("BLK-3", "AMB-32")
def revoked_while_unpaid(person: Person, career: Career, event: Event, book: RuleBook | None,
                         books: LawBooks) -> Iterator[Reason]:
    owed = _blocking(career, data_of(event, AdministrativeBlockRevoked).academic_year, event.effective_on, book)
    if owed and book is not None:
        yield reason(book, "BLK-3", says("BLK-3/revoked", owed=listed(owed)), facts=tuple(owed_facts(owed)),
                     interpretation="AMB-32")


# What is open


@obeys("BLK-3", "AMB-32")
@reads("charges")
def block_is_not_ordered(person: Person, career: Career, books: LawBooks) -> Iterator[StillOpen]:
    """Where the block needs an act of the office: what it is for is there, the act is not."""
    for year in sorted({c.year for c in career.charges.values() if c.is_instalment and c.outstanding}):
        book = books.of(year)
        if book is None or book.interpretations.AMB_32.decision != "by-an-act" or year in career.ordered_blocks \
                or career.ended is not None:
            continue
        owed = _blocking(career, year, person.day, book)
        if owed:
            yield StillOpen(None, reason(book, "BLK-3", says("BLK-3/not-ordered", owed=listed(owed)),
                                         facts=tuple(owed_facts(owed)), interpretation="AMB-32"))
