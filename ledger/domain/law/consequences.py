"""What follows from facts and time, in order. It knows no rule: `catalogue` names what is asked.

`refresh` brings a person's careers up to her day after every fact and on every day on which time alone changes
something: waivers, money, what completed payments bring, blocks, and the next such day.
"""

from contextlib import suppress
from datetime import date

from ..account import settle_amounts
from ..books import LawBooks
from ..rulebook import RuleBook, UnknownValue
from ..state import Career, Charge, Person, Waiver
from ..values import ONE_DAY, ZERO
from .blocks import may_be_owed, refresh_blocks
from .catalogue import ANNULMENTS, DAYS_OF_A_CAREER, DAYS_OF_A_CHARGE, DEADLINES, DEADLINES_AFTER_THE_END, ON_NEW_LAW
from .chapter import NEVER, Deadline, OfACharge
from .enrolment import perfect, take_as_perfected
from .lateness import COSTS, accruing, may_cost_more, on_completion, raise_late_fees
from .recognition import change_asked
from .refunds import RIGHTS, refundable
from .single_courses import awaited_degrees
from .withdrawal import perfect_withdrawal, refresh_waivers

CLOCKS_KEPT = 1 << 14
_COSTS_AND_RIGHTS = COSTS | RIGHTS
_ANNULLING = frozenset(annulment.rule for annulment in ANNULMENTS)


def refresh(person: Person, books: LawBooks) -> None:
    """Bring what follows from the facts up to the person's day where something changed: waivers, money, surcharges,
    blocks."""
    day = person.day
    for career in person.careers.values():
        if not (career.stale or career.unsettled):
            continue
        if career.gaps:
            career.forget("day")
        person.touched.add(career.name)
        person.money_touched.add(career.name)
        if len(person.careers) > 1:
            # CS-10 looks at the others
            person.money_touched.update([c.name for c in person.careers.values() if c.singles])
        withdrawal = career.withdrawal
        if withdrawal is not None and withdrawal.year is not None:
            refresh_waivers(career, withdrawal.year, day, books)
        _settle(career, day, books)
        perfect_withdrawal(career, day)
        refresh_blocks(career, day, books)
        career.next_change = _next_moment(career, day, books)
        career.stale = False
        if career.gaps or books.lacking(_COSTS_AND_RIGHTS):
            _note_what_is_unknown(person, career, day, books)
    if person.across:
        _refresh_across(person, books)


def _refresh_across(person: Person, books: LawBooks) -> None:
    """What the facts of one career mean for the exams of another."""
    for career in person.careers.values():
        asked, awaited = change_asked(person, career, books), awaited_degrees(person, career, books)
        if (asked, awaited) != (career.change_asked, career.awaited_degree):
            career.change_asked, career.awaited_degree = asked, awaited
            person.touched.add(career.name)
            person.money_touched.add(career.name)


def _settle(career: Career, day: date, books: LawBooks) -> None:
    """Attach money, perfect enrolments, raise surcharges, until nothing changes any more."""
    while career.unsettled:
        career.unsettled = False
        simple = career.ended is None and not career.gaps
        if career.gaps:
            career.forget("money")
        for charge in list(career.charges.values()):
            if simple and not (charge.waivers or charge.dates or charge.plan):
                found = (charge.amount, charge.due_on, charge.rule, books, len(career.money.get(charge.key, ())),
                         len(career.outflows.get(charge.key, ())))
                if found == charge.settled_as:
                    continue  # all that it is settled from is as it was
                charge.settled_as = found
            else:
                charge.settled_as = None
            settle_amounts(career, charge)
            if charge.waivers or career.ended is not None:
                _annul(career, charge, day, books)
            if charge.receipts:
                try:
                    raise_late_fees(career, charge, day, books)
                except UnknownValue as unknown:
                    charge.settled_as = None
                    career.leave_open("charge", f"{charge.year}:late-fee/{charge.kind}", unknown, "money", day)
            received = charge.paid + charge.refunded + charge.moved
            done = not charge.outstanding and charge.amount > ZERO and received > ZERO
            if not done:
                charge.completed_on = None
            elif charge.completed_on is None:
                charge.completed_on = day
                on_completion(career, charge, day, books)
        for enrolment in career.enrolments:
            if enrolment.perfected_on is None or enrolment.taken:
                try:
                    perfect(career, enrolment, day, books)
                except UnknownValue as unknown:
                    take_as_perfected(career, enrolment, day, books)
                    career.leave_open("enrolment", enrolment.academic_year, unknown, "money", day)


def _annul(career: Career, charge: Charge, day: date, books: LawBooks) -> None:
    """Waive what is unpaid, also what is raised later, where the career's end makes it fall away; an end that is undone
    brings it back."""
    law = books.book_of(charge.year)
    try:
        rule = next((a.rule for a in ANNULMENTS if a.applies(career, charge, books) and law.has(a.rule)), None) \
            if career.ended is not None else None
    except UnknownValue as unknown:
        rule = None
        if charge.outstanding:
            career.leave_open("charge", charge.key, unknown, "money", day)
    had = next((w for w in charge.waivers if w.rule in _ANNULLING), None)
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


# When time alone changes something


def time_passes(career: Career, day: date, books: LawBooks) -> None:
    """What the day brings: the first deadline that is over."""
    for deadline in _deadlines(career):
        try:
            last = deadline.last_day(career, books)
        except UnknownValue as unknown:
            last = _not_known(deadline, career, day, unknown)
        if last is not None and day > last:
            deadline.then(career, day, books)
            return


def _deadlines(career: Career) -> tuple[Deadline, ...]:
    if career.ended is None:
        return DEADLINES
    return () if career.ended == "renounced" else DEADLINES_AFTER_THE_END


def _not_known(deadline: Deadline, career: Career, day: date, unknown: UnknownValue) -> date | None:
    """The day up to which an unknown last day has not come; None from the day after it on: nobody can tell."""
    if unknown.after is not None and day <= unknown.after:
        return unknown.after
    career.leave_open(*(deadline.leaves_open or ("end", deadline.rule)), unknown, "fact", day)
    return None


def _note_what_is_unknown(person: Person, career: Career, day: date, books: LawBooks) -> None:
    """What answers about a charge leave out, since it depends on an unknown value."""
    costs, rights, gaps = books.lacking(COSTS), books.lacking(RIGHTS), bool(career.gaps)
    for charge in career.charges.values():
        if charge.outstanding and may_cost_more(charge) and (
                charge.year in costs or (gaps and not charge.is_instalment)):  # an enrolment's may rest on the gaps
            try:
                accruing(career, charge, day, books)
            except UnknownValue as unknown:
                career.leave_open("surcharge", charge.key, unknown, "day", day)
        if charge.paid and charge.year in rights:
            try:
                refundable(person, career, charge, books)
            except UnknownValue as unknown:
                career.leave_open("refund", charge.key, unknown, "day", day)


def law_turns(career: Career, day: date, before: LawBooks, after: LawBooks) -> None:
    """The law changes on a day: days that a career waits for move with it, unless they have passed. One that is not
    known any more stays what it was."""
    for move in ON_NEW_LAW:
        with suppress(UnknownValue):
            move(career, day, before, after)
    career.unsettled = True


def _next_moment(career: Career, day: date, books: LawBooks) -> date | None:
    """The next day on which time alone may change something of this career."""
    found = (books.next_turn(day) if books.turns else None) or NEVER
    owing = [charge for charge in career.charges.values() if charge.outstanding]
    for charge in owing:
        charge.next_day = _next_day_of(charge, day, books)
        found = min(found, charge.next_day)
    if career.gaps:
        for (what, key), gap in career.gaps.items():
            if what == "charge" and key not in career.charges and gap.due_on is not None:
                found = min(found, _next_day_of(may_be_owed(key, gap), day, books))
    if owing:
        for days in DAYS_OF_A_CAREER:
            for one in days(career, owing, books):
                if day < one < found:
                    found = one
    for deadline in _deadlines(career):
        try:
            last = deadline.last_day(career, books)
        except UnknownValue as unknown:
            last = _not_known(deadline, career, day, unknown)
        if last is not None and last < found:
            found = min(found, max(last, day) + ONE_DAY)
    return found if found != NEVER else None


def _next_day_of(charge: Charge, day: date, books: LawBooks) -> date:
    """The first day after `day` on which the state, the accruing amount or the blocks of a charge change; NEVER where
    there is none."""
    found = NEVER
    plan_end = charge.plan.last_on if charge.plan is not None else None
    for due in [p.due_on for p in charge.parts if p.outstanding] or (charge.due,):
        key = charge.year, charge.kind, due, plan_end
        days = books.clocks.get(key)
        if days is None:
            if len(books.clocks) >= CLOCKS_KEPT:
                books.clocks.clear()
            book = books.of(charge.year)
            days = books.clocks[key] = tuple(sorted({due + ONE_DAY, *(
                one for given in DAYS_OF_A_CHARGE if book is not None
                for one in _known(given, charge, due, plan_end, book))}))
        for one in days:
            if one > day:
                found = min(found, one)
                break
    return found


def _known(given: OfACharge, charge: Charge, due: date, plan_end: date | None, book: RuleBook) -> list[date]:
    """No day is known of what depends on an unknown value: it counts from the day after the due date on."""
    try:
        return list(given(charge, due, plan_end, book))
    except UnknownValue:
        return []
