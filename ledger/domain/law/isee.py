"""The ISEEU attestation and its penalty (ISE)."""

from collections.abc import Iterator
from datetime import date

from ..account import AmountByRule, raise_charge
from ..books import LawBooks
from ..events import ContributionAssessed, Event, IseeCertified
from ..phrases import says
from ..reasons import Fact, Reason, reason
from ..registry import obeys
from ..rulebook import Law, RuleBook, UnknownValue
from ..state import Career, Person, Waiver
from .chapter import data_of

# What a fact changes


@obeys("ISE-1", "ISE-2", "ISE-3", "ISE-4", "ISE-5", "ISE-6", "CHG-7", "AMB-10")
def isee_certified(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """An attestation issued after 31 December and up to 30 September costs the penalty, once a year; one that is not
    valid for the university changes nothing; none is due from who enrolled after 31 December through the ranking's
    scroll, nor from who holds one issued in the year's calendar year, whichever of them is recorded first."""
    data = data_of(event, IseeCertified)
    year = data.academic_year
    career.isee.setdefault(year, []).append((event.effective_on, event.id, data))
    if not data.valid_for_university:
        return
    _take_penalties_back(career, event, books)
    book = books.of(year)
    if book is None or career.charge(year, "isee-penalty") is not None:
        return
    try:
        _ask_for_the_penalty(career, data, book.rules, event)
    except UnknownValue as unknown:
        career.leave_open("charge", f"{year}:isee-penalty", unknown, "fact", event.effective_on, event=event.id)


def _ask_for_the_penalty(career: Career, data: IseeCertified, law: Law, event: Event) -> None:
    year, first = data.academic_year, law.ISE_1
    if first is None or data.issued_on <= first.until or law.ISE_2 is None \
            or _last_day_missed(data, event.effective_on, law) is not None:
        return
    if _in_time_by(career, year, law) is not None or _enrols_late_by_scroll(career, year, event.effective_on, law):
        return
    raise_charge(career, year, "isee-penalty", AmountByRule(law.ISE_2.amount, "ISE-2", "AMB-10"),
                 event.effective_on, (Fact(event.id, event.effective_on),))


@obeys("ISE-3", "AMB-10")
def _last_day_missed(data: IseeCertified, handed_in: date, law: Law) -> date | None:
    """The last day for an attestation, where it was issued after it, or handed in: what was issued by the first term
    the university fetches by itself, whenever it is recorded."""
    first, late = law.ISE_1, law.ISE_2
    if late is not None and data.issued_on > late.until:
        return late.until
    if first is None or data.issued_on <= first.until or law.ISE_3 is None:
        return None
    last = law.ISE_3.handed_in_until
    return last if last is not None and handed_in > last else None


def _in_time_by(career: Career, year: str, law: Law) -> str | None:
    """The rule by which she holds an attestation in time for a year: issued by the term, or in the same calendar year
    for the late band of a year before."""
    first = law.ISE_1
    if first is None:
        return None
    held = [(y, d.issued_on) for y, ds in career.isee.items() if y <= year for _, _, d in ds
            if d.valid_for_university and d.issued_on <= first.until]
    if any(y == year for y, _ in held):
        return "ISE-1"
    if held and law.ISE_5 is not None and any(law.ISE_5.issued_from <= issued_on for _, issued_on in held):
        return "ISE-5"
    return None


def _take_penalties_back(career: Career, event: Event, books: LawBooks) -> None:
    """An attestation in time that is recorded after a late one: the penalty has lost its ground."""
    for charge in [c for c in career.charges.values() if c.base_kind == "isee-penalty"]:
        book = books.of(charge.year)
        if book is None or any(w.rule in ("ISE-1", "ISE-5") for w in charge.waivers):
            continue
        try:
            rule = _in_time_by(career, charge.year, book.rules)
        except UnknownValue as unknown:
            career.leave_open("charge", charge.key, unknown, "fact", event.effective_on, event=event.id)
            continue
        if rule is not None:
            charge.waivers.append(Waiver(rule, charge.amount, True, event.effective_on, event.id))
            career.gaps.pop(("charge", charge.key), None)
            career.unsettled = True


def _enrols_late_by_scroll(career: Career, year: str, day: date, law: Law) -> bool:
    """Whether she enrolled through the ranking's scroll after the term for the attestation, or has the place and can
    only do so now."""
    if career.access != "restricted" or career.ranked is None or not career.ranked.scroll:
        return False
    first = career.first_enrolment
    if law.ISE_4 is None or law.ISE_1 is None:
        return False
    return day > law.ISE_1.until if first is None else first.academic_year == year and first.filed_on > law.ISE_1.until


@obeys("ISE-4")
def spare_isee_penalty(career: Career, year: str, event: Event, books: LawBooks) -> None:
    """The same where the attestation came before the place or the enrolment."""
    book, penalty = books.of(year), career.charge(year, "isee-penalty")
    if book is None or penalty is None or any(w.rule == "ISE-4" for w in penalty.waivers):
        return
    try:
        spared = _enrols_late_by_scroll(career, year, event.effective_on, book.rules)
    except UnknownValue as unknown:
        career.leave_open("charge", penalty.key, unknown, "fact", event.effective_on, event=event.id)
        return
    if spared:
        penalty.waivers.append(Waiver("ISE-4", penalty.amount, True, event.effective_on, event.id))
        career.unsettled = True


# What does not fit it


@obeys("ISE-1", "ISE-6")
def attestation_of_no_use(person: Person, career: Career, event: Event, book: RuleBook | None,
                          books: LawBooks) -> Iterator[Reason]:
    if data_of(event, IseeCertified).valid_for_university:
        return
    rule = next((one for one in ("ISE-6", "ISE-1") if book is not None and book.has(one)), None)
    if book is not None and rule is not None:
        yield reason(book, rule, says("ISE-1"))


@obeys("ISE-3")
def attestation_too_late(person: Person, career: Career, event: Event, book: RuleBook | None,
                         books: LawBooks) -> Iterator[Reason]:
    data = data_of(event, IseeCertified)
    asked = book is not None and data.valid_for_university and "ISE-3" in book.asked
    last = _last_day_missed(data, event.effective_on, book.rules) if book is not None and asked else None
    if book is not None and last is not None and book.has("ISE-3"):
        yield reason(book, "ISE-3", says("ISE-3", last_day=last))


@obeys("ISE-3")
def lowered_by_a_late_attestation(person: Person, career: Career, event: Event, book: RuleBook | None,
                                  books: LawBooks) -> Iterator[Reason]:
    """After the last day the top band stays: an assessment that asks less than the one before, where the only
    attestations that hold were issued later still."""
    data = data_of(event, ContributionAssessed)
    before = career.contributions.get(data.academic_year)
    if book is None or "ISE-3" not in book.asked or not before or data.contribution >= before[-1][2].contribution:
        return
    missed = [_last_day_missed(d, on, book.rules) for on, _, d in career.isee.get(data.academic_year, ())
              if d.valid_for_university]
    last = missed[0] if None not in missed and missed else None
    if last is not None and book.has("ISE-3"):
        yield reason(book, "ISE-3", says("ISE-3/lowered", amount=data.contribution, last_day=last), facts=(
            Fact(before[-1][1], before[-1][0], before[-1][2].contribution),))
