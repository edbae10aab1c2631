"""The compliance audit of one student: every breach, derogation and oddity in what is known (`career-ledger audit`).

It judges each act with the predicates that refuse it at submission, on the state that the facts of today's knowledge give
for its day: so it also finds what was allowed when it was decided and is not any more.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from ledger.domain import events as e
from ledger.domain.blocks import ADMINISTRATIVE
from ledger.domain.case import Case
from ledger.domain.charges import gross, unallocated
from ledger.domain.decisions import reasons_against_act
from ledger.domain.evolve import advance, apply, year_of_act
from ledger.domain.knowledge import in_force
from ledger.domain.numbers import payments_with_one_iuv, ticket_number
from ledger.domain.reasons import Fact, Reason, reason, source_of
from ledger.domain.recognition import left_career
from ledger.domain.refunds import refundable
from ledger.domain.registry import obeys
from ledger.domain.rulebook import LawBooks, OwnBook, RuleBook
from ledger.domain.rules import exams
from ledger.domain.state import Career, Person
from ledger.domain.study_plan import filed_in_time
from ledger.domain.submissions import Event
from ledger.domain.values import ZERO, format_instant

AFTER_THE_END = frozenset({
    "instalment-paid", "payment-refunded", "payment-moved", "diploma-supplement-issued", "ticket-opened", "ticket-closed", "event-voided",
})
"""Facts that may follow a career's end."""
TOLERANCE = timedelta(minutes=1)
"""Two clocks that are right differ by less."""


def findings(events: Sequence[Event], on: date, books: LawBooks) -> Iterator[dict[str, Any]]:
    """One JSON object a finding, in the order in which the facts hold, up to a day.

    `severity`: `breach` (a rule was broken), `derogation` (an officer's override), `notice` (something to look at)."""
    if not events:
        return
    found: list[dict[str, Any]] = []

    def note(event: Event | None, career: str | None, severity: str, given: Reason, student: str) -> None:
        shown: dict[str, Any] = {"student": student, "career": career, "event": event.id if event is not None else None, "rule": given.rule,
                 "severity": severity, "message": given.message, "source": given.source}
        if given.interpretation:
            shown["interpretation"] = given.interpretation
        if given.facts:
            shown["facts"] = [f.as_json() for f in given.facts]
        if shown not in found:
            found.append(shown)

    def judge(person: Person, event: Event) -> None:
        career = person.careers.get(event.career or "") or Career(event.career or "")
        overridden = frozenset(o.rule for o in event.override)
        for given in reasons_against_act(event.type, event.data, event.effective_on, person, career.name, books, overridden):
            if given.rule not in overridden and given.rule != "NO-RULEBOOK":
                note(event, event.career, "breach", given, event.student)
        for override in event.override:
            note(event, event.career, "derogation",
                 Reason(override.rule, f"An officer's derogation from {override.rule}.",
                        source_of(_book_with(override.rule, _book(books, event, career), books), override.rule)), event.student)
        for sat, given in _sat_on_the_day(person, career, event, facts, books):
            note(sat, sat.career, "breach", given, event.student)
        for given in (*_facts_in_breach(person, career, event, books), *of_exams.get(event.id, ())):
            note(event, event.career, "breach" if given.rule not in _NOTICES else "notice", given, event.student)

    of_exams: dict[str, list[Reason]] = {}
    person = Person(events[0].student)
    facts = [fact for fact in in_force(events) if fact.effective_on <= on]
    for event, is_sitting in _walk(person, facts, on, books):
        if is_sitting:
            of_exams[event.id] = list(_exam_in_breach(person, event, books))
        else:
            judge(person, event)
    for payment, given in _paid_with_one_iuv(facts, books):
        note(payment, payment.career, "notice", given, payment.student)
    yield from found
    yield from _at_the_end(person, books)


def _paid_with_one_iuv(facts: Sequence[Event], books: LawBooks) -> Iterator[tuple[Event, Reason]]:
    for iuv, paid in payments_with_one_iuv(facts):
        for payment in paid[1:]:
            yield payment, reason(books.own, "IUV", f"IUV {iuv} stands on {len(paid)} payments.", facts=tuple(
                Fact(p.id, p.effective_on, p.data.amount) for p in paid if p is not payment and isinstance(p.data, e.InstalmentPaid)))


def ahead_of_the_clock(events: Sequence[Event], now: datetime, books: LawBooks) -> Iterator[dict[str, Any]]:
    """Events that were recorded later than it is: the clock of the machine that recorded them ran ahead. What follows them in their
    stream has the same moment, since it is never earlier than that of the student's last event. Keeps silent about `TOLERANCE`."""
    for event in events:
        if event.recorded_at > now + TOLERANCE:
            yield {"student": event.student, "career": event.career, "event": event.id, "rule": "FUT", "severity": "notice",
                   "message": f"Recorded at {format_instant(event.recorded_at)}, ahead of the clock: whoever asks --known-at any moment "
                              f"before does not see it. Ask with --known-position {event.position} or more.",
                   "source": source_of(books.own, "FUT")}


def _walk(person: Person, facts: Sequence[Event], on: date, books: LawBooks) -> Iterator[tuple[Event, bool]]:
    """Each fact when the person stands as it met her; a grade first (True) when she stands as on the day of the exam."""
    sat = [(fact.data.held_on, fact) for fact in facts if isinstance(fact.data, e.ExamGraded) and fact.data.held_on < fact.effective_on]
    sat.sort(key=lambda one: one[0])
    for fact in facts:
        while sat and sat[0][0] < fact.effective_on:
            held_on, graded = sat.pop(0)
            if held_on > person.day:
                advance(person, held_on, books)
            yield graded, True
        if fact.effective_on > person.day:
            advance(person, fact.effective_on, books)
        if isinstance(fact.data, e.ExamGraded) and fact.data.held_on >= fact.effective_on:
            yield fact, True
        yield fact, False
        apply(person, fact, books)
    if on > person.day:
        advance(person, on, books)


_NOTICES = frozenset({"TKT-1", "ISE-1", "ISE-3", "ISE-6"})


def _book_with(rule: str, book: RuleBook | None, books: LawBooks) -> RuleBook | OwnBook:
    """The act's book, where it has the rule of a derogation, else the newest that has it."""
    return book if book is not None and book.entry(rule) is not None else books.book_with(rule) or books.own


def _book(books: LawBooks, event: Event, career: Career) -> RuleBook | None:
    stated: str | None = getattr(event.data, "academic_year", None)
    year = stated or year_of_act(career, event.effective_on, books)
    return (books.of(year) or books.for_single_courses(year)) if year is not None else None


@obeys("END", "DS-1", "ISE-3", "ISE-6", "PDS-4", "RIN-6", "CS-10", "LAU-9")
def _facts_in_breach(person: Person, career: Career, event: Event, books: LawBooks) -> Iterator[Reason]:
    """What is stored as a fact and yet does not fit the rules."""
    if event.type in e.ACTS:
        return
    data, book = event.data, _book(books, event, career)
    decided = isinstance(data, e.ChargeDecided) and data.charge.endswith(":late-instance/transfer-out")  # it can only follow the end
    if career.ended is not None and event.type not in AFTER_THE_END and event.career is not None and not decided:
        yield reason(books.own, "END", f"{event.type} after the end of the career ({career.ended}).")
    if isinstance(data, e.DiplomaSupplementIssued) and career.graduated is None:
        yield reason(book or books.own, "DS-1", "A Diploma Supplement is for graduates.")
    elif isinstance(data, e.IseeCertified) and book is not None and book.rules.ISE_2 is not None:
        if not data.valid_for_university:
            rule = "ISE-6" if book.rules.ISE_6 is not None else "ISE-1"
            yield reason(book, rule, "The attestation does not hold for the right to university study.")
        elif data.issued_on > book.rules.ISE_2.until:
            yield reason(book, "ISE-3", f"The attestation came after {book.rules.ISE_2.until.isoformat()}: the top band applies.")
    elif isinstance(data, e.StudyPlanApproved) and book is not None and book.rules.PDS_4 is not None:
        if any(c.anticipated or c.supernumerary for c in data.courses) and career.plans_submitted \
                and not filed_in_time(career, book.rules, data.academic_year):
            yield reason(book, "PDS-4", "Anticipated or supernumerary exams in a plan filed after its term.")
    elif isinstance(data, e.ReservationDeclined):
        held = career.reservation
        if book is not None and book.rules.LAU_9 is not None and (held is None or held.lifted_on is not None):
            yield reason(book, "LAU-9", "Declined after the reservation was lifted: a withdrawal is needed.")
    elif isinstance(data, e.PaymentRefunded):
        yield from _refund_without_right(person, career, data, books)
    elif isinstance(data, e.PaymentMoved):
        yield from _move_without_right(person, career, data, books)
    elif isinstance(data, e.TicketOpened | e.TicketClosed):
        yield from _tickets_out_of_order(person, data, books.own)


@obeys("TKT-1", "TKT-4")
def _tickets_out_of_order(person: Person, data: e.TicketOpened | e.TicketClosed, book: OwnBook) -> Iterator[Reason]:
    """A ticket has a number of its own, is opened once and closed once, by an answer; nothing says that it can be opened again."""
    number = ticket_number(data.number)
    ticket = person.tickets.get(number)
    facts = (Fact(ticket.event, ticket.opened_on),) if ticket is not None else ()
    closed = f"was closed on {ticket.closed_on.isoformat()}" if ticket is not None and ticket.closed_on is not None else None
    if isinstance(data, e.TicketOpened):
        if ticket is not None:
            yield reason(book, "TKT-1", f"Ticket {number} {closed} and is opened again: it stays closed." if closed else
                         f"Ticket {number} was opened already on {ticket.opened_on.isoformat()}.", facts=facts)
        return
    if ticket is None:
        yield reason(book, "TKT-1", f"Ticket {number} was closed and never opened.")
    elif closed:
        yield reason(book, "TKT-1", f"Ticket {number} {closed} and is closed again.", facts=facts)
    if not (data.answer or "").strip():
        yield reason(book, "TKT-1", f"Ticket {number} was closed without an answer.")


@obeys("ESA-7", "PRN-3")
def _exam_in_breach(person: Person, event: Event, books: LawBooks) -> Iterator[Reason]:
    """An exam sat without a booking, or against the rules of exams: it is to be annulled. `person`: as she stood when she sat it."""
    data = event.data
    if not isinstance(data, e.ExamGraded):
        return
    career = person.careers.get(event.career or "") or Career(event.career or "")
    year = career.exam_year(data)
    book = books.for_late_degrees(year, data.held_on)
    if book is None:
        return
    call = e.ExamBooked(course=data.course, held_on=data.held_on, academic_year=year, session=data.session,
                        calls_start_on=data.held_on, mode=data.mode)
    case = Case("exam-graded", call, data.held_on, person, career, book, books)
    if (left := exams.no_change_of_programme_is_asked_for(case)) is not None:
        yield left
    if career.open_booking(data.course, data.held_on) is None:
        yield reason(book, "PRN-3", f"{data.course} was sat on {data.held_on.isoformat()} without a booking.")
    if data.outcome == "passed":
        yield from exams.reasons_against(case, exams.SITTING)


@obeys("RIC-5")
def _sat_on_the_day(person: Person, career: Career, asked: Event, facts: Sequence[Event],
                    books: LawBooks) -> Iterator[tuple[Event, Reason]]:
    """Exams of the career that is left that were recorded before the request of the same day; later ones are judged when they are sat."""
    if not isinstance(asked.data, e.RecognitionRequested):
        return
    book, left = books.of(asked.data.academic_year), left_career(person, career, asked.data)
    if book is None or book.rules.RIC_5 is None or left is None:
        return
    for fact in facts:
        if fact.career == left and fact.effective_on == asked.effective_on and fact.position < asked.position \
                and isinstance(fact.data, e.ExamGraded) and fact.data.held_on == asked.effective_on:
            yield fact, reason(book, "RIC-5", f"{fact.data.course} was sat on the day on which the change of programme to {career.name} "
                                              "was asked for.")


def _available(career: Career, key: str) -> Decimal:
    return max(ZERO, gross(career, key) - sum((o.amount for o in career.outflows.get(key, ())), ZERO))


@obeys("RIN-6", "RIN-8a", "RIN-11a", "CS-10", "LAU-2", "LAU-7", "LAU-8", "AMB-29", "RIN-7")
def _refund_without_right(person: Person, career: Career, data: e.PaymentRefunded, books: LawBooks) -> Iterator[Reason]:
    """More than the right to a refund and what was paid too much."""
    charge = career.charges.get(data.charge)
    if charge is None:
        if data.amount > _available(career, data.charge):
            yield reason(books.own, "MONEY", f"{data.amount:.2f} euro refunded on {data.charge}, more than was received.")
        return
    right = refundable(person, career, charge, books)
    allowed = charge.credit + (right.amount if right is not None else ZERO)
    if data.amount <= allowed:
        return
    book = books.book_of(charge.year)
    rule = right.rule if right is not None else _NO_REFUND.get(charge.base_kind, "AMB-29")
    if book.entry(rule) is None:
        rule = "AMB-29"
    yield reason(book, rule, f"{data.amount:.2f} euro refunded on {charge.key}; the rules give {allowed:.2f}.")


_NO_REFUND = {"enrolment": "RIN-6", "single-courses": "CS-10", "instalment-1": "RIN-8a", "instalment-2": "RIN-11a"}
"""The rule that gives no refund of a charge; of the others AMB-29 says so."""


@obeys("LAU-2", "LAU-6", "RIN-6a", "CS-10", "MONEY")
def _move_without_right(person: Person, career: Career, data: e.PaymentMoved, books: LawBooks) -> Iterator[Reason]:
    """Money moves between careers only as the guides say, and never more than there is."""
    if data.amount > _available(career, data.from_charge):
        yield reason(books.own, "MONEY", f"{data.amount:.2f} euro moved from {data.from_charge}, more than was received.")
        return
    charge = career.charges.get(data.from_charge)
    target = person.careers.get(data.to_career) if data.to_career is not None else None
    if charge is None or target is None or target is career or data.amount <= charge.credit:
        return
    book = books.book_of(charge.year)
    if charge.base_kind == "enrolment":
        allowed = (career.ended == "reservation-lapsed" or career.ended == "renounced" or career.withdrawal is not None
                   or bool(career.candidacies) or career.graduated is not None or career.ended == "programme-changed")
        if not allowed:
            rule = "RIN-6a" if book.entry("RIN-6a") is not None else "RIN-6"
            yield reason(book, rule, f"Nothing in the rules moves {charge.key} of a career that goes on.")
    elif charge.base_kind == "single-courses" and refundable(person, career, charge, books) is None:
        yield reason(book, "CS-10", f"{charge.key} is not refunded or set off.")


_A_KEY = re.compile(r"(\d{4}-\d\d):(.+)")


@obeys("NO-RULEBOOK")
def _is_unruled(key: str, books: LawBooks) -> bool:
    """Whether a charge is of an academic year for which the sources give no such charge: money on it is kept, and no finding."""
    found = _A_KEY.fullmatch(key)
    if found is None or books.of(found[1]) is not None:
        return False
    return not found[2].startswith("single-courses") or books.for_single_courses(found[1]) is None


@obeys("AMB-3", "AMB-33", "AMB-47")
def _at_the_end(person: Person, books: LawBooks) -> Iterator[dict[str, Any]]:
    """What is open on the asked day: money without a charge, bookings under an administrative block."""
    for name, career in sorted(person.careers.items()):
        for key, paid, amount, event in unallocated(career):
            if _is_unruled(key, books):
                continue
            yield {"student": person.name, "career": name, "event": event, "rule": "AMB-33", "severity": "notice",
                   "message": f"{amount:.2f} euro paid on {paid.isoformat()} for {key} wait for a charge.",
                   "source": source_of(books.own, "AMB-33")}
        for key, decision, assessment in career.overtaken:
            yield {"student": person.name, "career": name, "event": decision.event, "rule": "AMB-47", "severity": "notice",
                   "message": f"The decision of {decision.on.isoformat()} on {key} ({decision.amount:.2f} euro) was overtaken by the later "
                              f"assessment {assessment.event} of {assessment.on.isoformat()}.",
                   "source": source_of(books.own, "AMB-47"), "interpretation": "AMB-47", "facts": [assessment.as_json()]}
        block = next((b for b in career.blocks.values() if b.kind == ADMINISTRATIVE), None)
        if block is not None:
            for booking in career.bookings:
                if booking.open and booking.on < block.start <= booking.data.held_on and person.day <= booking.data.held_on:
                    yield {"student": person.name, "career": name, "event": booking.event, "rule": "AMB-3", "severity": "notice",
                           "message": f"{booking.data.course} on {booking.data.held_on.isoformat()} stays booked under an "
                                      "administrative block.",
                           "source": source_of(books.own, "AMB-3"), "interpretation": "AMB-3"}
