"""The yearly contribution and its instalments (RAT-3..6, RAT-8..10), and what later assessments change (AMB-46,
AMB-47)."""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from ..account import fitted, settle_amounts, take, waive_ahead
from ..books import LawBooks
from ..events import ContributionAssessed, Event
from ..phrases import says
from ..reasons import Fact, reason, unknown_value
from ..registry import obeys
from ..rulebook import INSTALMENTS, Law, RuleBook, SecondInstalment, UnknownValue
from ..state import Career, Charge, Decision, Person, days_after
from ..values import ZERO, cents
from .chapter import StillOpen, data_of, reads
from .withdrawal import refresh_waivers

Assessment = tuple[date, str, ContributionAssessed]
"""The day from which it holds, its event, and what it says."""

# What the book gives


@obeys("RAT-3", "RAT-4", "RAT-5", "RAT-6", "RAT-8", "RAT-9", "RAT-10", "PT-4", "CHG-4a", "CHG-4b",
       "AMB-6", "AMB-7", "AMB-8", "AMB-39")
def instalment_amounts(law: Law, contribution: Decimal, exempt: bool,
                       part_time: bool) -> list[tuple[str, Decimal, date, str]]:
    """(kind, amount in euro, due date, rule) of the instalments of a yearly contribution before the part-time halving.

    The threshold of 430 merges all instalments on the first date; below 10 nothing is asked for; the exempt owe
    nothing."""
    total = ZERO if exempt else yearly(law, contribution, part_time)
    if total == ZERO:
        return []
    first, second, merges, least = law.RAT_3, law.RAT_4, law.RAT_5, law.RAT_6
    if least is not None and total < least.below:
        return []
    if first is not None and merges is not None and total <= merges.up_to:
        return [("instalment-1", total, first.due_on, "RAT-5")]
    advance = min(total, first.at_most) if first is not None else ZERO
    rest = total - advance
    smallest = least.below if least is not None and least.remits == "any-payment" else ZERO
    if rest < smallest:
        rest = ZERO
    found = [("instalment-1", advance, first.due_on, "RAT-3")] if first is not None else []
    if second is None or rest == ZERO:
        return found
    days = (second.due_on, *(one.due_on for one in second.further))
    return found + [(kind, amount, due_on, "RAT-4")
                    for kind, amount, due_on in zip(INSTALMENTS[1:], _shared(second, rest), days, strict=False)
                    if amount and amount >= smallest]


@obeys("RAT-4")
def _shared(second: SecondInstalment, rest: Decimal, settled: int = 0) -> list[Decimal]:
    """Euro of each instalment after the first, of which `settled` have taken theirs from the rest already: what is left
    is shared among the others as the book shares it, and the last one takes what is left over."""
    shares = [second.share, *(one.share for one in second.further)][settled:]
    whole, left, found = sum(shares[:-1], shares[-1]), rest, []
    for share in shares[:-1]:
        found.append(min(left, cents(rest * share / whole)) if whole else ZERO)
        left -= found[-1]
    return [*found, left]


def yearly(law: Law, contribution: Decimal, part_time: bool) -> Decimal:
    """The contribution of a year in euro, after the part-time halving."""
    if part_time and contribution and law.RAT_9 is not None:
        return cents(contribution * law.RAT_9.share)
    return contribution


@obeys("RAT-6", "AMB-7")
def remitted(career: Career, books: LawBooks) -> list[tuple[str, Decimal]]:
    """(academic year, euro) of what is not asked for: yearly contributions below the threshold, and rests of others."""
    found = []
    for year, assessments in sorted(career.contributions.items()):
        book, data = books.of(year), assessments[-1][2]
        if book is None or data.exempt or data.contribution == ZERO:
            continue
        part_time = career.regime_in(year) == "part-time"
        try:
            asked = instalment_amounts(book.rules, data.contribution, False, part_time)
        except UnknownValue:  # an officer has decided on what is asked
            continue
        if not asked:
            found.append((year, yearly(book.rules, data.contribution, part_time)))
        elif career.remitted.get(year):
            found.append((year, career.remitted[year]))
    return found


# What a fact changes


@obeys("RAT-8", "AMB-8", "AMB-10")
def contribution_assessed(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    data = data_of(event, ContributionAssessed)
    career.contributions.setdefault(data.academic_year, []).append((event.effective_on, event.id, data))
    for kind in INSTALMENTS:  # an officer's word that came before any assessment is not the last one
        career.waived_ahead.pop(f"{data.academic_year}:{kind}", None)
        charge = career.charge(data.academic_year, kind)
        if charge is not None and charge.decision is not None and charge.decision.over is None:
            charge.decision = replace(charge.decision, over=charge.amount)
    refresh_instalments(career, data.academic_year, event.effective_on, books)


@obeys("RAT-3", "RAT-4", "AMB-30")
def due_dates_move(career: Career, day: date, before: LawBooks, after: LawBooks) -> None:
    """An amended due date moves what has not fallen due yet; the dates of an agreed plan stay."""
    for year in {*career.contributions, *(c.year for c in career.charges.values() if c.is_instalment)}:
        old, new = before.of(year), after.of(year)
        if old is new or old is None or new is None:
            continue
        moved = {was: now for was, now in zip(_due_days(old.rules), _due_days(new.rules), strict=False)
                 if was is not None and now is not None and was >= day}
        for kind in INSTALMENTS:
            charge = career.charge(year, kind)
            if charge is not None and charge.plan is None:
                charge.due_on = moved.get(charge.due_on, charge.due_on) if charge.due_on is not None else None
                charge.dates = sorted((moved.get(due, due), amount) for due, amount in charge.dates)


def _due_days(law: Law) -> list[date | None]:
    first, second = law.RAT_3, law.RAT_4
    return [first.due_on if first is not None else None, second.due_on if second is not None else None,
            *(one.due_on for one in (second.further if second is not None else ()))]


@obeys("ISE-7", "AMB-10", "AMB-26", "LAU-5")
def refresh_instalments(career: Career, year: str, day: date, books: LawBooks) -> None:
    """Bring the instalments of a year in line with the assessments, the regime and a living withdrawal.

    They exist from the later of assessment and perfected enrolment, and then follow every change from its day on."""
    book = books.of(year)
    assessments = career.contributions.get(year)
    enrolment = career.enrolment_in(year)
    if book is None or not assessments or enrolment is None or enrolment.perfected_on is None:
        return
    if not _can_be_asked(career, year, day, assessments, book):
        return
    if year in career.assessed:
        _assess(career, year, day, assessments[-1], day, True, book)
    else:
        for number, assessment in enumerate(assessments):
            _assess(career, year, day, assessment, assessment[0], number > 0, book)
    refresh_waivers(career, year, day, books)
    career.unsettled = True


@obeys("UNKNOWN-VALUE")
def _can_be_asked(career: Career, year: str, day: date, assessments: Sequence[Assessment], book: RuleBook) -> bool:
    """Whether all that the split of the assessments rests on is known. If not nothing is asked, and what was asked
    before stays as it is; each instalment is left open until an officer decides on it or the book tells."""
    keys = [f"{year}:{kind}" for kind in INSTALMENTS]
    for key in keys if career.gaps else ():
        career.gaps.pop(("charge", key), None)
    try:
        career.must_know("regime", year)
        part_time = career.regime_in(year) == "part-time"
        for _, _, data in assessments[-1:] if year in career.assessed else assessments:
            instalment_amounts(book.rules, data.contribution, data.exempt, part_time)
        _ = book.instalments
    except UnknownValue as unknown:
        _, event, data = assessments[-1]
        unknown, most = _all_that_is_unknown(book, unknown), _most(career, year, data, book)
        for number, key in enumerate(keys[:2]):
            charge = career.charges.get(key)
            if charge is None or charge.decision is None:
                career.leave_open("charge", key, unknown, "fact", day, instalment_due_on(book, number), event, most)
        career.unsettled = True
        return False
    return True


_SPLITTING = "RAT-3", "RAT-4", "RAT-5", "RAT-6"


def _all_that_is_unknown(book: RuleBook, first: UnknownValue) -> UnknownValue:
    """Of the rules that split a contribution, where one of them is unknown, all that are: who fills one in needs the
    others too."""
    if first.rule not in _SPLITTING:
        return first
    found = {rule: [book.unknown[rule].unknown] if rule in book.unknown
             else list(entry.unknown.values()) if (entry := book.entry(rule)) is not None else []
             for rule in _SPLITTING if rule != first.rule}
    others = [f"{rule}: {missing}" for rule, values in found.items() for missing in values]
    return UnknownValue(first.rule, first.year, "; ".join([first.missing, *others]))


def _most(career: Career, year: str, data: ContributionAssessed, book: RuleBook) -> tuple[Decimal, date] | None:
    """All that the instalments of a year can come to, and the last day on which one is due; None where nobody knows."""
    try:
        career.must_know("regime", year)
        return (yearly(book.rules, data.contribution, career.regime_in(year) == "part-time"),
                max(book.instalments.values()))
    except (UnknownValue, ValueError):
        return None


@obeys("RAT-3", "RAT-4")
def instalment_due_on(book: RuleBook, number: int) -> date | None:
    """When an instalment is due (0: the first), where the book tells."""
    try:
        if number == 0:
            return book.rules.RAT_3.due_on if book.rules.RAT_3 is not None else None
        second = book.rules.RAT_4
        days = (second.due_on, *(one.due_on for one in second.further)) if second is not None else ()
        return days[number - 1] if number <= len(days) else None
    except UnknownValue:
        return None


# What a year's assessments ask


class _Asking(msgspec.Struct, frozen=True):
    """What an assessment asks for an instalment: euro, rule, when more than before falls due, the assessment, whether
    the year's contribution rises, whether it is a later assessment, whether it finds an instalment settled."""

    amount: Decimal
    rule: str
    more_due_on: date
    fact: Fact
    rises: bool
    later: bool
    settled: bool


def _assess(career: Career, year: str, day: date, assessment: tuple[date, str, ContributionAssessed],
            since: date, later: bool,
            book: RuleBook) -> None:
    """One assessment, which holds from `since` on; what it asks first is raised on `day`."""
    on, event, data = assessment
    law, fact = book.rules, Fact(event, on, data.contribution)
    part_time = career.regime_in(year) == "part-time"
    asked = {kind: (amount, rule)
             for kind, amount, _, rule in instalment_amounts(law, data.contribution, data.exempt, part_time)}
    total = yearly(law, data.contribution, part_time) if asked else ZERO
    for kind in book.instalments:
        charge = career.charge(year, kind)
        if charge is not None:
            settle_amounts(career, charge)
    rises = total > career.assessed.get(year, ZERO)
    standing = _standing(career, book, asked, total, fact, rises)
    career.assessed[year], career.remitted[year] = total, ZERO
    for kind, due_on in book.instalments.items():
        amount, rule = asked.get(kind, (ZERO, ""))
        asking = _Asking(amount, rule, _due_of_more(book, due_on, since) if later else due_on,
                         fact, rises, later, bool(standing))
        _ask(career, book, kind, day, asking)
    for charge, advance in standing:
        charge.assessed = advance


@obeys("AMB-46", "RAT-4")
def _standing(career: Career, book: RuleBook, asked: dict[str, tuple[Decimal, str]], total: Decimal, fact: Fact,
              rises: bool) -> list[tuple[Charge, Decimal]]:
    """The instalments, from the first on, that are settled and stand, with what each stands at; what they leave of the
    year's contribution is `asked` of the others. The last instalment takes what is left, and never stands."""
    found: list[tuple[Charge, Decimal]] = []
    rest, second = total, book.rules.RAT_4
    for kind in INSTALMENTS[:1 if second is None else 1 + len(second.further)]:
        charge = career.charge(book.academic_year, kind)
        ceiling = asked[kind][0] if rises and kind in asked else ZERO
        advance = _advance(career, charge, ceiling, fact, book) if charge is not None else None
        if charge is None or advance is None:
            break
        found.append((charge, advance))
        asked[kind] = min(advance, rest), charge.rule
        rest -= asked[kind][0]
        if second is not None:
            after = zip(INSTALMENTS[len(found):], _shared(second, rest, len(found) - 1), strict=False)
            asked.update((one, (amount, "RAT-4")) for one, amount in after)
    return found


@obeys("AMB-46", "RAT-4")
def _advance(career: Career, charge: Charge, ceiling: Decimal, fact: Fact, book: RuleBook) -> Decimal | None:
    """What a settled instalment that is not the last stands at; None while it is not settled. What a withdrawal
    waives settles nothing, for it may lapse. Under an officer's decision the advance is what had been assessed, so
    that the next instalment does not take the decision back; but a contribution that rises, and of which this
    instalment (`ceiling`) is more than the decision was about, begins anew."""
    owed, decided = charge.amount - _waived_by_officer(charge), charge.decision
    paid, refunded, moved, credit, _ = take(career, charge.key, owed)
    if charge.assessed is None or paid + refunded + moved < owed:
        return None
    if decided is not None:
        replaced = book.interpretations.AMB_47.decision == "replaced" and charge.facts[-1] != fact
        return None if replaced or ceiling > (decided.over or ZERO) else charge.assessed
    return min(charge.assessed, paid + refunded + moved + credit) or None


def _waived_by_officer(charge: Charge) -> Decimal:
    return sum((w.amount for w in charge.waivers if w.rule == "charge-decided"), ZERO)


@obeys("AMB-46")
def _due_of_more(book: RuleBook, due_on: date, since: date) -> date:
    """When something is due that an assessment adds later to an instalment: on its own date while that is still to
    come, then on the next one's, then some days after the assessment."""
    law, reading = book.rules, book.interpretations.AMB_46
    if law.RAT_3 is None or law.RAT_4 is None or reading.decision == "first-due-dates" or due_on >= since:
        return due_on
    return min((d for d in book.instalments.values() if d >= since), default=days_after(since, reading.days))


@obeys("AMB-46", "AMB-47", "RAT-6")
def _ask(career: Career, book: RuleBook, kind: str, day: date, asking: _Asking) -> None:
    """Ask so much for an instalment. What was asked before keeps its dates, the latest of them give way to a lower
    amount; what is more falls due on its own day. An instalment of nothing disappears, unless there is money or a
    decision on it."""
    year, wanted, reading = book.academic_year, asking.amount, "AMB-46" if asking.settled else None
    key = f"{year}:{kind}"
    charge = career.charges.get(key) or Charge(key, kind, year, ZERO, asking.more_due_on, day,
                                               asking.rule, (asking.fact,))
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
        held = sum(take(career, key, charge.amount)[:4], ZERO)
        little = book.rules.RAT_6 if wanted > held else None
        if little is not None and little.remits == "any-payment" and wanted - held < little.below:
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
        waive_ahead(career, charge)


@obeys("AMB-47")
def _survives(decision: Decision, asking: _Asking, same: bool, book: RuleBook) -> bool:
    """Whether an officer's decision stands against an assessment (`same`: the one that it met)."""
    if decision.over is None:
        return True
    if book.interpretations.AMB_47.decision == "replaced":
        return same
    return asking.amount <= decision.over or not asking.rises


def _under_a_decision(charge: Charge, amount: Decimal) -> Decimal:
    """What an officer's decision leaves of an assessed amount: her own amount, never more than assessed where she had
    lowered it."""
    decision, waivers = charge.decision, [w for w in charge.waivers if w.rule == "charge-decided"]
    if decision is None:
        return amount
    for waiver in waivers:
        waiver.amount = amount
    if waivers:
        return amount
    return min(decision.amount,
               amount) if decision.over is not None and decision.amount <= decision.over else decision.amount


def _reschedule(charge: Charge, standing: Decimal, wanted: Decimal, more_due_on: date) -> None:
    """Give a charge of which `standing` was asked a new amount: dates of what was asked before stay, more falls due on
    a day."""
    before = charge.plan.settled if charge.plan is not None else ZERO
    dates = dict(fitted(charge.dates or [(charge.due_on or charge.raised_on, standing)],
                        max(ZERO, min(standing, wanted) - before)))
    if wanted > standing:
        dates[more_due_on] = dates.get(more_due_on, ZERO) + wanted - standing
    charge.amount, charge.dates = wanted, sorted(dates.items())
    if wanted == ZERO:
        charge.plan = None
    if charge.plan is None and len(dates) <= 1:
        charge.due_on, charge.dates = next(iter(dates), charge.due_on), []


# What is open


@obeys("RAT-3", "RAT-8")
@reads("enrolments")
def not_assessed(person: Person, career: Career, books: LawBooks) -> Iterator[StillOpen]:
    """Years enrolled in whose first instalment would have been due, and for which no contribution was ever assessed:
    nothing was asked. A year without its due date, a suspended one and one left before it is none."""
    seen: set[str] = set()
    for enrolment in career.enrolments:
        year, book = enrolment.academic_year, books.of(enrolment.academic_year)
        if book is None or enrolment.perfected_on is None or enrolment.taken or year in career.contributions \
                or year in seen or "RAT-3" not in book.asked:
            continue
        try:
            due_on = book.rules.RAT_3.due_on if book.rules.RAT_3 is not None else None
        except UnknownValue as unknown:
            seen.add(year)
            yield StillOpen(enrolment.event, unknown_value(books, unknown))
            continue
        if due_on is not None and person.day > max(due_on, enrolment.perfected_on) \
                and not career.left_by(due_on) and not career.is_suspended_in(year):
            seen.add(year)
            yield StillOpen(enrolment.event, reason(book, "RAT-3", says("RAT-3/not-assessed", academic_year=year,
                                                                        due_on=due_on)))
