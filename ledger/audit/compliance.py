"""The compliance audit of one student: every breach, derogation and oddity in what is known (`career-ledger audit`).

It judges each act with the predicates that refuse it at submission, on the state that the facts of today's knowledge
give for its day: so it also finds what was allowed when it was decided and is not any more.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from ledger.domain import events as e
from ledger.domain.account import unallocated
from ledger.domain.books import LawBooks
from ledger.domain.case import Case
from ledger.domain.decisions import reasons_against_act
from ledger.domain.events import Event
from ledger.domain.fold import advance, apply
from ledger.domain.gaps import gap_phrase
from ledger.domain.knowledge import in_force
from ledger.domain.law.catalogue import (
    LOOKOUTS,
    MISFITS,
    MISFITS_AFTER_THE_END,
    SAT_AS_WELL,
    SAT_IN_ITS_YEAR,
    SITTING,
)
from ledger.domain.law.chapter import StillOpen, against, year_of_act
from ledger.domain.law.exams import find_result, reasons_against
from ledger.domain.law.forfeiture import foreseen
from ledger.domain.law.recognition import left_career
from ledger.domain.numbers import payments_with_one_iuv
from ledger.domain.phrases import Phrase, says
from ledger.domain.reasons import Fact, Reason, reason, source_of, unknown_value
from ledger.domain.registry import obeys
from ledger.domain.rulebook import OwnBook, RuleBook, UnknownValue
from ledger.domain.state import ADMINISTRATIVE, Booking, Career, Person
from ledger.domain.values import ROME, ZERO, format_instant, year_of

TOLERANCE = timedelta(minutes=1)
"""Two clocks that are right differ by less."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is let pass: `days` between a fact and its record, `money` in euro that is set against no charge."""

    days: int = 90
    money: Decimal = ZERO


LIMITS = Limits()
_NO_RULES: frozenset[str] = frozenset()


def findings(events: Sequence[Event], on: date, books: LawBooks, limits: Limits = LIMITS) -> Iterator[dict[str, Any]]:
    """One JSON object a finding, in the order in which the facts hold, up to a day. `programme` is that of the career,
    `academic_year` the one that the finding speaks of, else the one that ran on the event's day.

    `effective_on` is the event's day. `severity`: `breach` (a rule was broken), `derogation` (an officer's override),
    `notice` (something to look at)."""
    if not events:
        return
    found: list[dict[str, Any]] = []

    def note(event: Event | None, career: str | None, severity: str, given: Reason, student: str) -> None:
        shown = _told(student, career, event.id if event is not None else None, severity, given)
        if shown not in found:
            found.append(shown)

    def judge(person: Person, event: Event, law: LawBooks) -> None:
        career = person.careers.get(event.career or "") or Career(event.career or "")
        for given in _act_in_breach(person, career, event, law):
            note(event, event.career, _severity(given), given, event.student)
        for override in event.override:
            note(event, event.career, "derogation",
                 Reason(override.rule, says("derogation", rule=override.rule, text=override.authority),
                        source_of(_book_with(override.rule, _book(law, event, career), law), override.rule)),
                 event.student)
        if isinstance(event.data, e.RecognitionRequested):
            for sat, given in _sat_on_the_day(person, career, event, event.data, facts, law):
                note(sat, sat.career, _severity(given), given, event.student)
        for given in (*_facts_in_breach(person, career, event, law), *of_exams.get(event.id, ()),
                      *_annulled_in_order(career, event, of_exams, law), *_recorded_late(event, limits, books)):
            note(event, event.career, _severity(given), given, event.student)

    of_exams: dict[str, list[Reason]] = {}
    person = Person(events[0].student)
    facts = [fact for fact in in_force(events) if fact.effective_on <= on]
    for event, is_sitting, law in _walk(person, facts, on, books):
        if is_sitting:
            of_exams[event.id] = list(_as_far_as_known(_exam_in_breach(person, event, books), books))
        else:
            judge(person, event, law)
    for payment, given in _paid_with_one_iuv(facts, books):
        note(payment, payment.career, "notice", given, payment.student)
    of = {fact.id: fact for fact in facts}
    for one in (*found, *_at_the_end(person, books, limits)):
        career, about = person.careers.get(one["career"] or ""), of.get(one["event"] or "")
        yield {**one, "effective_on": about.effective_on.isoformat() if about is not None else None,
               "programme": career.programme if career is not None else None,
               "academic_year": one.get("academic_year") or year_spoken_of(one["message"], about, on)}


def _paid_with_one_iuv(facts: Sequence[Event], books: LawBooks) -> Iterator[tuple[Event, Reason]]:
    for iuv, paid in payments_with_one_iuv(facts):
        for payment in paid[1:]:
            yield payment, reason(books.own, "IUV", says("IUV", iuv=iuv, count=len(paid)), facts=tuple(
                Fact(p.id, p.effective_on, p.data.amount) for p in paid if p is not payment
                and isinstance(p.data, e.InstalmentPaid)))


def year_spoken_of(message: Phrase, event: Event | None, on: date) -> str:
    """The academic year that a message or its event names, else the one that ran on the event's day (or on `on`)."""
    told, data = message.values, event.data if event is not None else None
    for said in (told.get("academic_year"), told.get("charge"), *(key for key, _ in told.get("owed", ())),
                 *(getattr(data, field, None) for field in ("academic_year", "charge", "from_charge"))):
        if isinstance(said, str) and (found := _A_YEAR.match(said)) is not None:
            return found[0]
    return year_of(event.effective_on if event is not None else on)


_A_YEAR = re.compile(r"\d{4}-\d\d(?=:|$)")


def _told(student: str, career: str | None, event: str | None, severity: str, given: Reason) -> dict[str, Any]:
    shown: dict[str, Any] = {"student": student, "career": career, "event": event, "rule": given.rule,
                             "severity": severity, "message": _message(given), "source": given.source}
    if given.interpretation:
        shown["interpretation"] = given.interpretation
    if given.facts:
        shown["facts"] = [f.as_json() for f in given.facts]
    return shown


def _message(given: Reason) -> Phrase:
    """What has happened already is not to be decided: it is not checked. A derogation has its own words."""
    if given.message.id != "UNKNOWN-VALUE":
        return given.message
    rule, year, missing = (given.message.values[name] for name in ("rule", "academic_year", "missing"))
    return says("UNKNOWN-VALUE/not-checked", rule=rule, academic_year=year, missing=missing)


def ahead_of_the_clock(events: Sequence[Event], now: datetime, books: LawBooks) -> Iterator[dict[str, Any]]:
    """Events that were recorded later than it is: the clock of the machine that recorded them ran ahead. What follows
    them in their stream has the same moment, since it is never earlier than that of the student's last event. Keeps
    silent about `TOLERANCE`."""
    latest = now + TOLERANCE
    for event in events:
        if event.recorded_at > latest:
            yield {"student": event.student, "career": event.career, "event": event.id, "rule": "FUT",
                   "severity": "notice",
                   "message": says("FUT", recorded_at=format_instant(event.recorded_at), position=event.position),
                   "source": source_of(books.own, "FUT"), "effective_on": event.effective_on.isoformat(),
                   "programme": None,
                   "academic_year": year_of(event.effective_on)}


def _walk(person: Person, facts: Sequence[Event], on: date, books: LawBooks) -> Iterator[tuple[Event, bool, LawBooks]]:
    """Each fact when the person stands as it met her, with the law of its day; a grade first (True) when she stands
    as on the day of the exam."""
    law = books
    sat = [(fact.data.held_on, fact) for fact in facts if isinstance(fact.data, e.ExamGraded)
           and fact.data.held_on < fact.effective_on]
    sat.sort(key=lambda one: one[0])
    for fact in facts:
        while sat and sat[0][0] < fact.effective_on:
            held_on, graded = sat.pop(0)
            if held_on > person.day:
                advance(person, held_on, books)
            yield graded, True, books
        if fact.effective_on > person.day:
            advance(person, fact.effective_on, books)
            law = books.on(fact.effective_on)
        if isinstance(fact.data, e.ExamGraded) and fact.data.held_on >= fact.effective_on:
            yield fact, True, books
        yield fact, False, law
        apply(person, fact, law)
    if on > person.day:
        advance(person, on, books)


_NOTICES = frozenset({"TKT-1", "ISE-1", "ISE-6", "DEC-1", "UNKNOWN-VALUE", "LATE", "PRN-4", "AMB-23", "AMB-31",
                      "AMB-49"})
"""Rules of which a finding says: look at this."""
_NOTICES_ABOUT = frozenset({
    "ISE-3", "AMB-3/sat", "SEQ/no-booking", "SEQ/no-exam", "ESA-7/in-order", "RAT-3/not-assessed", "CHG-1/unpaid",
    "DEG-1/unpaid", "CS-5/unpaid", "CS-5/late", "PDS-4/missing", "BLK-3/not-ordered", "MONEY/settled-by-a-move"})
"""The same of single messages: what the ledger was not told may explain them, or nothing follows from them."""


def _severity(given: Reason) -> str:
    if given.message.id == "charge-decided/otherwise":
        return "derogation"
    return "notice" if given.rule in _NOTICES or given.message.id in _NOTICES_ABOUT else "breach"


@obeys("UNKNOWN-VALUE")
def _as_far_as_known(judged: Iterator[Reason], books: LawBooks) -> Iterator[Reason]:
    """What depends on an unknown value is neither a breach nor in order."""
    try:
        yield from judged
    except UnknownValue as unknown:
        yield unknown_value(books, unknown)


def _opened(found: Iterable[StillOpen], books: LawBooks) -> Iterator[StillOpen]:
    try:
        yield from found
    except UnknownValue as unknown:
        yield StillOpen(None, unknown_value(books, unknown))


def _book_with(rule: str, book: RuleBook | None, books: LawBooks) -> RuleBook | OwnBook:
    """The act's book, where it has the rule of a derogation, else the newest that has it."""
    return book if book is not None and rule in book.ids else books.book_with(rule) or books.own


def _book(books: LawBooks, event: Event, career: Career) -> RuleBook | None:
    stated: str | None = getattr(event.data, "academic_year", None)
    year = stated or year_of_act(career, event.effective_on, books)
    return (books.of(year) or books.for_single_courses(year)) if year is not None else None


def _act_in_breach(person: Person, career: Career, event: Event, books: LawBooks) -> Sequence[Reason]:
    """What speaks against an act, but for what an officer lifted."""
    if event.type not in e.ACTS:
        return ()
    lifted = frozenset(o.rule for o in event.override) if event.override else _NO_RULES
    return [given for given in reasons_against_act(event.type, event.data, event.effective_on, person, career.name,
                                                   books, lifted, event)
            if given.rule not in lifted and given.rule != "NO-RULEBOOK"]


def _facts_in_breach(person: Person, career: Career, event: Event, books: LawBooks) -> Sequence[Reason]:
    """What is stored as a fact and yet does not fit the rules."""
    if event.type in e.ACTS:
        return ()
    asked = MISFITS.get(event.type, ())
    if career.ended is not None:
        asked = (*MISFITS_AFTER_THE_END, *asked)
    if not asked:
        return ()
    book = _book(books, event, career)
    return [given for misfit in asked
            for given in _as_far_as_known(iter(misfit(person, career, event, book, books)), books)]


@obeys("ESA-7", "PRN-3")
def _exam_in_breach(person: Person, event: Event, books: LawBooks) -> Iterator[Reason]:
    """An exam sat without a booking, or against the rules of exams: it is to be annulled. `person`: as
    she stood when she sat it."""
    data = event.data
    if not isinstance(data, e.ExamGraded):
        return
    career = person.careers.get(event.career or "") or Career(event.career or "")
    year, books = career.exam_year(data), books.on(data.held_on)
    book = books.for_late_degrees(year, data.held_on)
    if book is None:
        return
    call = e.ExamBooked(course=data.course, held_on=data.held_on, academic_year=year, session=data.session,
                        calls_start_on=data.held_on, mode=data.mode)
    case = Case("exam-graded", call, data.held_on, person, career, book, books)
    if _states_its_year(career, data):
        yield from against(case, SAT_IN_ITS_YEAR)
    yield from against(case, SAT_AS_WELL)
    booking = career.open_booking(call.course, call.held_on)
    if booking is None:
        yield from _as_far_as_known(_without_a_booking(case, call), books)
    elif career.blocks:
        yield from _under_a_block(case, call, booking)
    if data.outcome == "failed":  # there is nothing to annul
        yield from reasons_against(case, SITTING)
    elif "ESA-7" in book.asked:
        found = reasons_against(case, SITTING)
        if found and book.has("ESA-7"):
            yield from found


def _states_its_year(career: Career, data: e.ExamGraded) -> bool:
    """The year that runs on the day of an exam need not be its own: its last sessions lie in the next. And after the
    end of a career nothing is recorded of it anyway (END)."""
    return career.ended is None and (data.academic_year is not None or any(
        b.data.course == data.course and b.data.held_on == data.held_on for b in career.bookings))


@obeys("AMB-3")
def _under_a_block(case: Case, call: e.ExamBooked, booking: Booking) -> Iterator[Reason]:
    """A booking made before the administrative block was kept; that the exam was sat under it is flagged."""
    block = next((b for b in case.career.blocks.values() if b.kind == ADMINISTRATIVE), None)
    if block is not None and booking.on < block.start:
        yield reason(case.books.own, "AMB-3", says("AMB-3/sat", course=call.course, held_on=call.held_on),
                     facts=block.facts, interpretation="AMB-3")


def _annulled_in_order(career: Career, event: Event, of_exams: dict[str, list[Reason]],
                       books: LawBooks) -> Iterable[Reason]:
    if not isinstance(event.data, e.ExamAnnulled):
        return ()
    return _as_far_as_known(_annulled_an_exam_in_order(career, event.data, of_exams, books), books)


@obeys("ESA-7")
def _annulled_an_exam_in_order(career: Career, data: e.ExamAnnulled, of_exams: dict[str, list[Reason]],
                               books: LawBooks) -> Iterator[Reason]:
    """An exam against which nothing is known was annulled."""
    result = find_result(career, data.course, data.held_on)
    book = books.for_late_degrees(career.exam_year(result.data), data.held_on) if result is not None else None
    if result is not None and book is not None and "ESA-7" in book.asked and not of_exams.get(result.event):
        yield reason(book, "ESA-7", says("ESA-7/in-order", course=data.course, held_on=data.held_on),
                     facts=(Fact(result.event, result.on),))


@obeys("LATE")
def _recorded_late(event: Event, limits: Limits, books: LawBooks) -> Sequence[Reason]:
    """What the ledger learned of long after it happened: answers given in between did not know it."""
    if event.recorded_at.toordinal() - event.effective_on.toordinal() < limits.days:
        return ()  # Rome is hours ahead, at most a day
    days = (event.recorded_at.astimezone(ROME).date() - event.effective_on).days
    return (reason(books.own, "LATE", says("LATE", days=days, at_most=limits.days)),) if days > limits.days else ()


def _without_a_booking(case: Case, call: e.ExamBooked) -> Iterator[Reason]:
    if case.book.has("PRN-3"):
        yield reason(case.book, "PRN-3", says("PRN-3", course=call.course, held_on=call.held_on))


@obeys("RIC-5")
def _sat_on_the_day(person: Person, career: Career, asked: Event, data: e.RecognitionRequested, facts: Sequence[Event],
                    books: LawBooks) -> Iterator[tuple[Event, Reason]]:
    """Exams of the career that is left that were recorded before the request of the same day; later ones are judged
    when they are sat."""
    book, left = books.of(data.academic_year), left_career(person, career, data)
    if book is None or "RIC-5" not in book.asked or left is None:
        return
    for fact in facts:
        if fact.career == left and fact.effective_on == asked.effective_on and fact.position < asked.position \
                and isinstance(fact.data, e.ExamGraded) and fact.data.held_on == asked.effective_on:
            try:
                yield fact, reason(book, "RIC-5", says("RIC-5/same-day", course=fact.data.course, career=career.name))
            except UnknownValue as unknown:
                yield fact, unknown_value(books, unknown)


_A_KEY = re.compile(r"(\d{4}-\d\d):(.+)")


@obeys("NO-RULEBOOK")
def _is_unruled(key: str, books: LawBooks) -> bool:
    """Whether a charge is of an academic year for which the sources give no such charge: money on
    it is kept, and no finding."""
    found = _A_KEY.fullmatch(key)
    if found is None or books.of(found[1]) is not None:
        return False
    return not found[2].startswith("single-courses") or books.for_single_courses(found[1]) is None


@obeys("AMB-3", "AMB-33", "AMB-47", "AMB-52", "DEC-1", "MONEY")
def _at_the_end(person: Person, books: LawBooks, limits: Limits) -> Iterator[dict[str, Any]]:
    """What is open on the asked day: money without a charge, bookings under an administrative block."""
    for name, career in sorted(person.careers.items()):
        for lookout in LOOKOUTS.of(career):
            for event, given, year in _opened(lookout(person, career, books), books):
                yield _told(person.name, name, event, _severity(given), given) | (
                    {"academic_year": year} if year is not None else {})
        for about, gap in sorted(career.gaps.items()):
            yield {"student": person.name, "career": name, "event": gap.event, "rule": "UNKNOWN-VALUE",
                   "severity": "notice", "message": gap_phrase(*about, gap),
                   "source": source_of(books.own, "UNKNOWN-VALUE"), "interpretation": "AMB-33"}
        for key, paid, amount, event in unallocated(career):
            if amount <= limits.money or _is_unruled(key, books):
                continue
            yield {"student": person.name, "career": name, "event": event, "rule": "AMB-33", "severity": "notice",
                   "message": says("AMB-33/unallocated", amount=amount, paid_on=paid, charge=key),
                   "source": source_of(books.own, "AMB-33")}
        for charge in career.charges.values():
            if charge.credit > limits.money:
                yield _told(person.name, name, career.money[charge.key][-1].event, "notice", reason(
                    books.own, "MONEY", says("MONEY/credit", amount=charge.credit, charge=charge.key)))
        for key, decision, assessment in career.overtaken:
            yield {"student": person.name, "career": name, "event": decision.event, "rule": "AMB-47",
                   "severity": "notice",
                   "message": says("AMB-47", decided_on=decision.on, charge=key, amount=decision.amount,
                                   event=assessment.event, assessed_on=assessment.on),
                   "source": source_of(books.own, "AMB-47"), "interpretation": "AMB-47",
                   "facts": [assessment.as_json()]}
        held = career.reservation
        if (held is not None and held.met_late is not None and held.lifted_on is None and held.declined_on is None
                and career.ended in (None, "reservation-lapsed")):
            yield {"student": person.name, "career": name, "event": held.event, "rule": "AMB-52", "severity": "notice",
                   "message": says("AMB-52", last_day=held.sure_until, moved_to=held.officer_until),
                   "source": source_of(books.own, "AMB-52"), "interpretation": "AMB-52",
                   "facts": [held.met_late.as_json()]}
        day, running = foreseen(career, person.day, books), books.on(person.day).latest_to(year_of(person.day))
        if day is not None and day <= person.day and running is not None:
            yield {"student": person.name, "career": name, "event": None, "rule": "DEC-1", "severity": "notice",
                   "message": says("DEC-1/passed", first_day=day), "source": source_of(running, "DEC-1")}
        block = next((b for b in career.blocks.values() if b.kind == ADMINISTRATIVE), None)
        if block is not None:
            for booking in career.bookings:
                held_on = booking.data.held_on
                if booking.open and booking.on < block.start <= held_on and person.day <= held_on:
                    yield {"student": person.name, "career": name, "event": booking.event,
                           "rule": "AMB-3", "severity": "notice",
                           "message": says("AMB-3", course=booking.data.course, held_on=booking.data.held_on),
                           "source": source_of(books.own, "AMB-3"), "interpretation": "AMB-3"}
