"""How facts and time change a person's state: one handler per event type, and what days alone bring.

`replay` folds the facts in the order in which they hold. A day begins with what time brings (a reservation lapses), then
come the facts of that day; answers speak of its end. No rule refuses here: what was recorded has happened, and a law that
is tightened later must not break an old history. An act recorded after a career's end changes nothing (the audit reports it).
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import TypeVar

from . import events as e
from .access import enrolment_term, latest_preenrolment, preenrolments_of, selection_of, window_of
from .blocks import refresh_blocks
from .charges import (
    add_outflow,
    gross,
    next_change_of,
    put_under_plan,
    raise_charge,
    refresh_instalments,
    refresh_waivers,
    settle,
    settle_amounts,
)
from .numbers import ticket_number
from .reasons import Fact
from .recognition import change_asked, fee_of, is_late, left_career, term_of
from .registry import obeys
from .rulebook import Admission, Law, LawBooks
from .single_courses import awaited_degrees, price_of
from .state import (
    INSTALMENTS,
    Booking,
    Career,
    Charge,
    Decision,
    Enrolment,
    Money,
    Person,
    Preenrolment,
    Request,
    Reservation,
    Result,
    Ticket,
    Waiver,
    Withdrawal,
    days_after,
)
from .study_plan import enrolled_after_the_window, penalty_is_due
from .submissions import Event
from .values import ONE_DAY, ZERO

EDITION = 3
"""Raise it when the same events and the same rule books give other answers than before: stored projections are then made anew and
every state is published again."""
NEVER = date.max
QUIET = frozenset({"exam-booked", "exam-booking-cancelled", "study-plan-approved", "degree-candidacy-declared"})
"""Facts after which no charge, block or term of the career can be another."""
_P = TypeVar("_P", bound=e.Payload)
_HANDLERS: dict[str, Callable[[Person, Career, Event, LawBooks], None]] = {}


def _on(name: str) -> Callable[[Callable[[Person, Career, Event, LawBooks], None]], Callable[[Person, Career, Event, LawBooks], None]]:
    def register(handler: Callable[[Person, Career, Event, LawBooks], None]) -> Callable[[Person, Career, Event, LawBooks], None]:
        _HANDLERS[name] = handler
        return handler
    return register


def _data(event: Event, kind: type[_P]) -> _P:
    if not isinstance(event.data, kind):
        raise TypeError(f"{event.type} carries {type(event.data).__name__}")
    return event.data


# The fold


def replay(facts: Iterable[Event], student: str, until: date, books: LawBooks,
           at_end_of_day: Callable[[Person], None] | None = None) -> Person:
    """The state of a student at the end of `until`: the facts up to that day in the order in which they hold.

    `at_end_of_day` is called on each day on which something may have changed. Facts after `until` are left out."""
    person = Person(student)
    for fact in facts:
        if fact.effective_on > until:
            break
        if fact.effective_on != person.day:
            if at_end_of_day is not None and person.day != date.min:
                at_end_of_day(person)
            advance(person, fact.effective_on, books, at_end_of_day)
        apply(person, fact, books)
    if person.day != date.min and person.day < until:
        if at_end_of_day is not None:
            at_end_of_day(person)
        advance(person, until, books, at_end_of_day)
        person.day = until
    elif person.day == date.min:
        person.day = until
    return person


def advance(person: Person, day: date, books: LawBooks, at_end_of_day: Callable[[Person], None] | None = None) -> None:
    """Let time pass to the morning of `day`; `at_end_of_day` is called on the days in between on which something changes."""
    while (moment := next_change(person)) is not None and moment <= day:
        pass_to(person, moment, books)
        if moment < day and at_end_of_day is not None:
            at_end_of_day(person)
    person.day = day


def next_change(person: Person) -> date | None:
    """The next day on which time alone may change an answer; None where nothing is left to come."""
    found: date | None = None
    for career in person.careers.values():
        for moment in (career.next_change, career.next_result):
            if moment is not None and (found is None or moment < found):
                found = moment
    return found


def _next_moment(career: Career, day: date, books: LawBooks) -> date | None:
    """The next day on which time alone may change something of this career."""
    found: list[date] = []
    owing = False
    for charge in career.charges.values():
        if charge.outstanding:
            owing = True
            moment = next_change_of(career, charge, day, books)
            if moment is not None:
                found.append(moment)
    if career.ended is None:
        held = career.reservation
        if held is not None and held.alive and held.term != NEVER:
            found.append(max(held.term, day) + ONE_DAY)
        term = _exclusion_term(career, books)
        if term is not None:
            found.append(max(term, day) + ONE_DAY)
        withdrawal = career.withdrawal
        if withdrawal is not None and withdrawal.last_day is not None and withdrawal.perfected_on is None \
                and withdrawal.last_day >= day:
            found.append(withdrawal.last_day + ONE_DAY)
    if owing:
        found += [one for one in books.act_days if one > day][:1]
    return min(found) if found else None


def pass_to(person: Person, day: date, books: LawBooks) -> None:
    """Let time pass to a day returned by `next_change`."""
    person.day = day
    for career in person.careers.values():
        if career.next_change is not None and career.next_change <= day:
            career.stale = True
            _time_passes(person, career, books)
        if career.next_result is not None and career.next_result <= day:
            person.touched.add(career.name)
            career.stale = career.stale or career.withdrawal is not None
            career.next_result = min((r.counts_from for r in career.results if r.counts_from > day), default=None)
    _refresh(person, books)


def _time_passes(person: Person, career: Career, books: LawBooks) -> None:
    day = person.day
    if career.ended is not None:
        return
    held = career.reservation
    if held is not None and held.alive and day > held.term:
        _lapse_reservation(career, held, day)
        return
    term = _exclusion_term(career, books)
    if term is not None and day > term:
        _end(career, "excluded", day, None)
        return
    withdrawal = career.withdrawal
    if withdrawal is not None and withdrawal.last_day is not None and withdrawal.perfected_on is None and day > withdrawal.last_day:
        _lapse_withdrawal(career, withdrawal, day, books)


@obeys("RIS-7", "RIS-6", "AMB-18")
def _lapse_reservation(career: Career, held: Reservation, day: date) -> None:
    held.lapsed_on = day
    _end(career, "reservation-lapsed", day, held.event)


@obeys("RIN-3", "AMB-9")
def _lapse_withdrawal(career: Career, withdrawal: Withdrawal, day: date, books: LawBooks) -> None:
    """Without the stamp in time it is as if it had never been filed: what it waived is owed again with its first due dates."""
    withdrawal.lapsed_on = day
    stamp = career.charges.get(withdrawal.stamp or "")
    if stamp is not None:
        settle_amounts(career, stamp)
        stamp.waivers.append(Waiver("RIN-3", stamp.outstanding, True, day, withdrawal.event, "AMB-9"))
    for charge in career.charges.values():
        if charge is not stamp and any(w.event == withdrawal.event for w in charge.waivers):
            charge.waivers = [w for w in charge.waivers if w.event != withdrawal.event]
    career.unsettled = True


@obeys("MOR-6")
def _exclusion_term(career: Career, books: LawBooks) -> date | None:
    """Restricted access: the last day for filing and for the 156, while it matters."""
    if career.access != "restricted" or career.ended is not None or career.latest_perfected is not None or career.not_excluded:
        return None
    filed = career.enrolments[-1] if career.enrolments else None
    if filed is None and not career.admitted:
        return None
    year = filed.academic_year if filed is not None else career.preenrolments[-1].data.academic_year if career.preenrolments else None
    book = books.of(year) if year is not None else None
    if book is None or book.rules.MOR_6 is None or year is None:
        return None
    if filed is not None and filed.charge is None:
        return None
    return enrolment_term(career, book.rules, year, career.course_type, career.access)


def _refresh(person: Person, books: LawBooks) -> None:
    """Bring what follows from the facts up to the person's day where something changed: waivers, money, surcharges, blocks."""
    day = person.day
    for career in person.careers.values():
        if not (career.stale or career.unsettled):
            continue
        person.touched.add(career.name)
        person.money_touched.add(career.name)
        if len(person.careers) > 1:
            person.money_touched.update([c.name for c in person.careers.values() if c.singles])  # CS-10 looks at the others
        withdrawal = career.withdrawal
        if withdrawal is not None and withdrawal.year is not None:
            refresh_waivers(career, withdrawal.year, day, books)
        settle(career, day, books)
        _perfect_withdrawal(career, day)
        refresh_blocks(career, day, books)
        career.next_change = _next_moment(career, day, books)
        career.stale = False
    if person.across:
        _refresh_across(person, books)


@obeys("RIC-5", "RIS-8", "AMB-48")
def _refresh_across(person: Person, books: LawBooks) -> None:
    """What the facts of one career mean for the exams of another."""
    for career in person.careers.values():
        asked, awaited = change_asked(person, career, books), awaited_degrees(person, career, books)
        if (asked, awaited) != (career.change_asked, career.awaited_degree):
            career.change_asked, career.awaited_degree = asked, awaited
            person.touched.add(career.name)
            person.money_touched.add(career.name)


@obeys("RIN-3")
def _perfect_withdrawal(career: Career, day: date) -> None:
    withdrawal = career.withdrawal
    if withdrawal is not None and withdrawal.perfected_on is None and withdrawal.stamp is not None and career.ended is None:
        stamp = career.charges[withdrawal.stamp]
        if stamp.outstanding == ZERO and (withdrawal.last_day is None or (stamp.paid_on or day) <= withdrawal.last_day):
            withdrawal.perfected_on = day


@obeys("END", "SEQ")
def apply(person: Person, event: Event, books: LawBooks) -> None:
    """Apply one fact on the person's day."""
    person.order += 1
    if event.career is None:
        _apply_to_person(person, event)
        return
    career = person.career(event.career)
    after_the_end = career.ended is not None and event.type in e.ACTS
    overridden = {o.rule for o in event.override} if event.override else set()
    if after_the_end and career.ended == "excluded" and {"END", "MOR-6"} <= overridden:
        career.ended, career.ended_on, career.ended_event, career.not_excluded = None, None, None, True
        career.stale = True
    if not after_the_end or "END" in overridden or (event.type == "reservation-lifted" and career.ended == "reservation-lapsed"):
        _HANDLERS[event.type](person, career, event, books)
        if event.type == "exam-graded":
            person.touched.add(career.name)
            _note_result(career, event.effective_on)
        elif event.type not in QUIET:
            career.stale = True
    if career.stale or career.unsettled:
        _refresh(person, books)


def _note_result(career: Career, day: date) -> None:
    """A result matters to charges only while a withdrawal lives; a written one counts on a later day."""
    career.stale = career.stale or career.withdrawal is not None
    counts = career.results[-1].counts_from
    if counts > day and (career.next_result is None or counts < career.next_result):
        career.next_result = counts


@obeys("TKT-1", "TKT-3", "TKT-4")
def _apply_to_person(person: Person, event: Event) -> None:
    """A ticket is open until the operator answers, and is never opened again; a number opened twice is one ticket."""
    data = event.data
    if isinstance(data, e.TicketOpened):
        number = ticket_number(data.number)
        person.tickets.setdefault(number, Ticket(number, event.effective_on, event.id))
    elif isinstance(data, e.TicketClosed):
        ticket = person.tickets.get(ticket_number(data.number))
        if ticket is not None and ticket.closed_on is None:
            ticket.closed_on = event.effective_on


def _end(career: Career, status: str, day: date, event: str | None) -> None:
    if career.ended is None:
        career.ended, career.ended_on, career.ended_event = status, day, event
        career.unsettled = True


def _begin(career: Career, day: date) -> None:
    if career.begun_on is None:
        career.begun_on = day


# Access and enrolment


@_on("preenrolled")
@obeys("PRE-1", "CHG-1", "AMB-37")
def _preenrolled(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """The fee is for each course, not for each application to it."""
    data = _data(event, e.Preenrolled)
    _begin(career, event.effective_on)
    if not career.enrolments:
        career.programme, career.course_type = data.programme, data.course_type
        career.degree_class, career.access = data.degree_class, data.access
        career.admitted, career.ranked, career.adequate = None, None, None
    book = books.of(data.academic_year)
    if book is None:
        career.unruled.add(data.academic_year)
        career.preenrolments.append(Preenrolment(data, event.effective_on, event.id, None, data.selection, False))
        return
    window = window_of(book.rules, data, event.effective_on)
    same_course = any(p.data.programme == data.programme for p in preenrolments_of(person, data.academic_year))
    career.preenrolments.append(Preenrolment(data, event.effective_on, event.id, window,
                                             selection_of(book.rules, data, event.effective_on), window is not None and window.late))
    if data.course_type == "master" and book.rules.CHG_1 is not None and not same_course:
        raise_charge(career, data.academic_year, "preenrolment", book.rules.CHG_1.amount, event.effective_on, "CHG-1",
                     (Fact(event.id, event.effective_on),), due_on=event.effective_on)


@_on("preparation-assessed")
def _preparation_assessed(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    data = _data(event, e.PreparationAssessed)
    career.adequate = data.adequate
    if career.access != "restricted":
        career.admitted = data.adequate


@_on("ranked")
@obeys("PRE-3")
def _ranked(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    data = _data(event, e.Ranked)
    career.ranked, career.admitted = data, data.admitted
    if career.academic_year is not None:
        _spare_isee_penalty(career, career.academic_year, event, books)
    for enrolment in career.enrolments:
        book = books.of(enrolment.academic_year)
        if enrolment.first and enrolment.perfected_on is None and book is not None and enrolment.charge is not None:
            enrolment.term = enrolment_term(career, book.rules, enrolment.academic_year, career.course_type, career.access)
            career.charges[enrolment.charge].due_on = enrolment.term
            career.unsettled = True


@_on("enrolled")
@obeys("CHG-2", "PRE-10", "AMB-22", "AMB-50")
def _enrolled(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    data = _data(event, e.Enrolled)
    year = data.academic_year
    _begin(career, event.effective_on)
    career.programme, career.course_type, career.access = data.programme, data.course_type, data.access
    career.degree_class = data.degree_class or career.degree_class
    career.regime_by_year[year] = data.regime
    first = Enrolment(year, data.year, event.effective_on, event.id, True, None)
    career.enrolments.append(first)
    _spare_isee_penalty(career, year, event, books)
    book = books.of(year)
    if book is None or book.rules.CHG_2 is None:
        career.unruled.add(year)
        first.perfected_on = event.effective_on
    else:
        before = latest_preenrolment(career, year)
        first.late_preenrolment = before is not None and before.late
        first.term = enrolment_term(career, book.rules, year, data.course_type, data.access)
        without_exclusion = data.access == "restricted" and book.rules.MOR_6 is None  # late: neither excluded nor 95 euro, a reading
        charge = raise_charge(career, year, "enrolment", book.rules.CHG_2.amount, event.effective_on, "CHG-2",
                              (Fact(event.id, event.effective_on),), due_on=first.term,
                              interpretation="AMB-50" if without_exclusion else None)
        first.charge = charge.key
    _derive_year(career, year, books)


@_on("enrolled-with-reservation")
@obeys("RIS-1", "RIS-6", "RIS-3", "AMB-18", "AMB-45")
def _enrolled_with_reservation(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    data = _data(event, e.EnrolledWithReservation)
    _enrolled(person, career, event, books)
    book = books.of(data.academic_year)
    rule = None if book is None else book.rules.RIS_6 if data.ground == "degree-pending" else book.rules.RIS_3
    career.reservation = Reservation(data.ground, event.effective_on, event.id, rule.until if rule is not None else NEVER,
                                     data.home_university, data.home_career, data.academic_year)
    home = person.careers.get(data.home_career or "")
    if data.ground == "degree-pending" and home is not None and home.graduated is not None and home is not career:
        _lift(career, event.effective_on)


def _lift(career: Career, day: date) -> None:
    held = career.reservation
    if held is not None and held.lifted_on is None and held.declined_on is None:
        held.lifted_on, held.lapsed_on = day, None
        if career.ended == "reservation-lapsed":
            career.ended, career.ended_on, career.ended_event = None, None, None
        career.unsettled = True


@_on("reservation-lifted")
@obeys("RIS-6", "AMB-45")
def _reservation_lifted(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    _lift(career, event.effective_on)


@_on("reservation-declined")
@obeys("LAU-8", "LAU-9")
def _reservation_declined(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """A notice given before the degree ends the reserved enrolment; afterwards it has no effect (LAU-9)."""
    held = career.reservation
    if held is not None and held.alive and career.ended is None:
        held.declined_on = event.effective_on
        _end(career, "reservation-lapsed", event.effective_on, event.id)


@_on("enrolment-cancelled")
@obeys("RIS-4")
def _enrolment_cancelled(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    _end(career, "cancelled", event.effective_on, event.id)


@_on("enrolment-renewed")
@obeys("CHG-3", "PT-9", "RIN-7")
def _enrolment_renewed(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    data = _data(event, e.EnrolmentRenewed)
    year = data.academic_year
    renewal = Enrolment(year, data.year, event.effective_on, event.id, False, None, data.standing)
    career.enrolments.append(renewal)
    book = books.of(year)
    if book is None or book.rules.CHG_3 is None:
        career.unruled.add(year)
        renewal.perfected_on = event.effective_on
        return
    renewal.term = book.rules.CHG_3.due_on
    renewal.charge = raise_charge(career, year, "enrolment", book.rules.CHG_3.amount, event.effective_on, "CHG-3",
                                  (Fact(event.id, event.effective_on),), due_on=renewal.term).key


@_on("degree-candidacy-declared")
@obeys("LAU-1")
def _degree_candidacy_declared(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """Nothing is raised: a candidate owes no 156 for the next year unless she renews."""
    career.candidacies.append(_data(event, e.DegreeCandidacyDeclared))


@_on("graduated")
@obeys("RIS-6", "LAU-9")
def _graduated(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """Ends the career, and lifts in time every reservation that waits for this degree."""
    career.graduated = _data(event, e.Graduated)
    _end(career, "graduated", event.effective_on, event.id)
    for other in person.others(career):
        held = other.reservation
        if (held is not None and held.alive and other.ended is None and held.home_career == career.name
                and held.ground == "degree-pending" and event.effective_on <= held.term):
            _lift(other, event.effective_on)


@_on("regime-changed")
@obeys("PT-3", "RAT-9")
def _regime_changed(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    data = _data(event, e.RegimeChanged)
    career.regime_changes.append((event.effective_on, data.academic_year, data.regime))
    career.regime_by_year[data.academic_year] = data.regime
    refresh_instalments(career, data.academic_year, event.effective_on, books)


@_on("suspended")
def _suspended(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    career.suspended_on = event.effective_on


@_on("resumed")
def _resumed(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    career.suspended_on = None


@_on("administrative-block-ordered")
@obeys("AMB-32")
def _block_ordered(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    career.ordered_blocks[_data(event, e.AdministrativeBlockOrdered).academic_year] = (event.effective_on, event.id)


@_on("administrative-block-revoked")
@obeys("AMB-32")
def _block_revoked(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    career.ordered_blocks.pop(_data(event, e.AdministrativeBlockRevoked).academic_year, None)


@_on("programme-changed")
@obeys("RIC-5")
def _programme_changed(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    career.to_career = _data(event, e.ProgrammeChanged).to_career
    _end(career, "programme-changed", event.effective_on, event.id)


@_on("transferred-in")
def _transferred_in(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    _begin(career, event.effective_on)
    career.transferred_in_on = event.effective_on
    career.transferred_year = year = _data(event, e.TransferredIn).academic_year
    if books.of(year) is None:
        career.unruled.add(year)


@_on("transferred-out")
@obeys("MOR-5", "AMB-49")
def _transferred_out(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """The guides give no term for it: an officer decides on the 95 euro, unless the institution's book has one."""
    day = event.effective_on
    year = year_of_act(career, day, books)
    book = books.of(year) if year is not None else None
    price = book.rules.MOR_5 if book is not None else None
    if year is not None and price is not None and career.ended is None:
        kind = "late-instance/transfer-out"
        if price.transfer_out_until is None:
            if f"{year}:{kind}" not in career.charges:
                career.to_decide[f"{year}:{kind}"] = (
                    "AMB-49", "The guides give no term for a transfer to another university: an officer decides on the late instance.")
        elif day > price.transfer_out_until:
            raise_charge(career, year, kind, price.amount, day, "MOR-5", (Fact(event.id, day),), interpretation="AMB-49")
    _end(career, "transferred-out", event.effective_on, event.id)


@_on("forfeited")
@obeys("RIC-10")
def _forfeited(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    _end(career, "forfeited", event.effective_on, event.id)


# Recognition and single courses


@_on("recognition-requested")
@obeys("CHG-9", "CHG-10", "CHG-11", "CHG-12", "MOR-5", "MOR-5d", "AMB-11")
def _recognition_requested(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """Raises the fee, and one late instance where the request is late. A change of programme ends the exams of the career it leaves."""
    data = _data(event, e.RecognitionRequested)
    left = left_career(person, career, data)
    person.across = person.across or left is not None
    book = books.of(data.academic_year)
    if book is None:
        career.unruled.add(data.academic_year)
        career.requests.append(Request(data, event.effective_on, event.id, None, left))
        return
    facts = (Fact(event.id, event.effective_on),)
    price = fee_of(book.rules, data.kind)
    key = None
    if price is not None:
        rule, amount = price
        term = term_of(career, book.rules, data)
        due = term if term is not None and term >= event.effective_on else event.effective_on
        left_open = data.kind == "transfer" and career.course_type == "master" and term is None and career.access == "open"
        key = raise_charge(career, data.academic_year, "recognition", amount, event.effective_on, rule, facts, due_on=due,
                           interpretation="AMB-31" if left_open else None).key
        if left_open:
            career.to_decide[f"{data.academic_year}:late-instance/recognition"] = (
                "AMB-31", "The guide gives no term for a transfer after a late pre-enrolment: an officer decides on the late instance.")
    career.requests.append(Request(data, event.effective_on, event.id, key, left))
    if book.rules.MOR_5 is not None and is_late(career, book.rules, data, event.effective_on):
        special = data.kind == "foreign-degree" or (data.kind == "second-degree" and career.course_type != "master")
        rule = "MOR-5d" if book.rules.MOR_5d is not None and special else "MOR-5"
        raise_charge(career, data.academic_year, "late-instance/recognition", book.rules.MOR_5.amount, event.effective_on, rule, facts,
                     interpretation="AMB-11")


@_on("cfu-recognised")
@obeys("ANN-1", "ANN-2", "ANN-3", "ANN-4", "AMB-44")
def _cfu_recognised(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    data = _data(event, e.CfuRecognised)
    career.recognitions.append((event.effective_on, event.id, data))
    if books.of(data.academic_year) is None:
        career.unruled.add(data.academic_year)
    _derive_year(career, data.academic_year, books)


def _derive_year(career: Career, academic_year: str, books: LawBooks) -> None:
    year = admission_year(career, academic_year, books)
    enrolment = next((n for n in career.enrolments if n.academic_year == academic_year and n.first), None)
    if year is not None and enrolment is not None:
        enrolment.year = year


def admission_year(career: Career, academic_year: str, books: LawBooks) -> int | None:
    """The year of admission that the recognised CFU give (the last resolution's, where it states one); None without recognition."""
    last = next((data for _, _, data in reversed(career.recognitions) if data.academic_year == academic_year), None)
    if last is None:
        return None
    return last.year if last.year is not None else derived_admission_year(career, academic_year, books)


@obeys("ANN-1", "ANN-2", "ANN-3", "ANN-4", "AMB-33", "AMB-44")
def derived_admission_year(career: Career, academic_year: str, books: LawBooks, extra: int | float = 0) -> int | None:
    """The year of admission by the sum of recognised CFU (plus `extra`); None where the sources give no table for the programme."""
    book = books.of(academic_year)
    table = admission_rule(book.rules, career.course_type, career.degree_class)[1] if book is not None else None
    if table is None:
        return None
    total = sum(d.cfu for _, _, d in career.recognitions) + extra
    return next(s.year for s in table.steps if s.through is None or total < s.through + 1)


def admission_rule(law: Law, course_type: str | None, degree_class: str | None) -> tuple[str, Admission | None]:
    """The rule id and table that fit a programme."""
    wanted = (degree_class or "").replace(" ", "").upper()
    if course_type == "master":
        return "ANN-1", law.ANN_1
    if course_type == "bachelor":
        return "ANN-2", law.ANN_2
    if wanted.startswith("LM-85BIS"):
        return "ANN-3", law.ANN_3
    if wanted.startswith("LMG"):
        return "ANN-4", law.ANN_4
    return "ANN-4", None


@_on("single-courses-enrolled")
@obeys("CHG-13", "CHG-14", "CS-4", "CS-5", "CS-9", "CS-12", "RIS-8", "AMB-12")
def _single_courses_enrolled(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    data = _data(event, e.SingleCoursesEnrolled)
    _begin(career, event.effective_on)
    year = data.academic_year
    held = career.singles.get(year)
    career.singles[year] = data if held is None else data.model_copy(
        update={"courses": held.courses + data.courses, "purpose": held.purpose or data.purpose})
    person.across = person.across or data.purpose == "failed-reservation"
    book = books.for_single_courses(data.academic_year)
    if book is None or book.rules.CS_4 is None or book.rules.CS_5 is None:
        career.unruled.add(data.academic_year)
        return
    due = days_after(data.issued_on or event.effective_on, book.rules.CS_5.days)
    for kind, price in price_of(person, data, book).items():
        raise_charge(career, data.academic_year, kind, price.amount, event.effective_on, price.rule,
                     (Fact(event.id, event.effective_on),), due_on=due, interpretation=price.interpretation)


# Money


@_on("contribution-assessed")
@obeys("RAT-8", "AMB-8", "AMB-10")
def _contribution_assessed(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    data = _data(event, e.ContributionAssessed)
    career.contributions.setdefault(data.academic_year, []).append((event.effective_on, event.id, data))
    for kind in INSTALMENTS:  # an officer's word that came before any assessment is not the last one
        career.waived_ahead.pop(f"{data.academic_year}:{kind}", None)
        charge = career.charge(data.academic_year, kind)
        if charge is not None and charge.decision is not None and charge.decision.over is None:
            charge.decision = replace(charge.decision, over=charge.amount)
    refresh_instalments(career, data.academic_year, event.effective_on, books)


@_on("isee-certified")
@obeys("ISE-1", "ISE-2", "ISE-3", "ISE-4", "ISE-5", "ISE-6", "CHG-7", "AMB-10")
def _isee_certified(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """An attestation issued after 31 December and up to 30 September costs the penalty, once a year; one that is not valid
    for the university changes nothing; none is due from who enrolled after 31 December through the ranking's scroll, nor
    from who holds one issued in the year's calendar year."""
    data = _data(event, e.IseeCertified)
    year = data.academic_year
    earlier = [d for _, _, d in career.isee.get(year, ())]
    career.isee.setdefault(year, []).append((event.effective_on, event.id, data))
    book = books.of(year)
    if book is None or book.rules.ISE_1 is None or book.rules.ISE_2 is None:
        return
    law = book.rules
    if not data.valid_for_university or not book.rules.ISE_1.until < data.issued_on <= book.rules.ISE_2.until:
        return
    in_time = [d for d in earlier if d.valid_for_university and d.issued_on <= book.rules.ISE_1.until]
    if law.ISE_5 is not None:
        in_time += [d for y, ds in career.isee.items() if y < year for _, _, d in ds
                    if d.valid_for_university and law.ISE_5.issued_from <= d.issued_on <= book.rules.ISE_1.until]
    if in_time or career.charge(year, "isee-penalty") is not None or _enrols_late_by_scroll(career, year, event.effective_on, law):
        return
    raise_charge(career, year, "isee-penalty", book.rules.ISE_2.amount, event.effective_on, "ISE-2",
                 (Fact(event.id, event.effective_on),), interpretation="AMB-10")


def _enrols_late_by_scroll(career: Career, year: str, day: date, law: Law) -> bool:
    """Whether she enrolled through the ranking's scroll after the term for the attestation, or has the place and can only do so now."""
    if law.ISE_4 is None or law.ISE_1 is None or career.access != "restricted" or career.ranked is None or not career.ranked.scroll:
        return False
    first = career.first_enrolment
    return day > law.ISE_1.until if first is None else first.academic_year == year and first.filed_on > law.ISE_1.until


@obeys("ISE-4")
def _spare_isee_penalty(career: Career, year: str, event: Event, books: LawBooks) -> None:
    """The same where the attestation came before the place or the enrolment."""
    book, penalty = books.of(year), career.charge(year, "isee-penalty")
    if book is None or penalty is None or any(w.rule == "ISE-4" for w in penalty.waivers):
        return
    if _enrols_late_by_scroll(career, year, event.effective_on, book.rules):
        penalty.waivers.append(Waiver("ISE-4", penalty.amount, True, event.effective_on, event.id))
        career.unsettled = True


@_on("instalment-paid")
@obeys("MOR-9", "AMB-2")
def _instalment_paid(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """Money attaches to its charge with the date of the operation; before the charge is raised it waits."""
    data = _data(event, e.InstalmentPaid)
    _receive(person, career, data.charge, event, data.amount, False)


def _receive(person: Person, career: Career, key: str, event: Event, amount: Decimal, spared: bool) -> None:
    career.money.setdefault(key, []).append(Money(event.effective_on, amount, event.id, person.order, spared))
    career.unsettled = True


@_on("payment-refunded")
@obeys("LAU-2", "LAU-7", "CS-10")
def _payment_refunded(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    data = _data(event, e.PaymentRefunded)
    add_outflow(career, data.charge, event.effective_on, data.amount, event.id, False, person.order)


@_on("payment-moved")
@obeys("LAU-2", "LAU-6", "RIN-6a", "CS-10", "AMB-20")
def _payment_moved(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """Money goes to another charge, of another career where one is named, with the day of the move; never more than there is."""
    data = _data(event, e.PaymentMoved)
    gone = sum((o.amount for o in career.outflows.get(data.from_charge, ())), ZERO)
    amount = min(data.amount, max(ZERO, gross(career, data.from_charge) - gone))
    if amount == ZERO:
        return
    add_outflow(career, data.from_charge, event.effective_on, amount, event.id, True, person.order)
    target = career if data.to_career is None else person.career(data.to_career)
    candidate = bool(career.candidacies) or career.graduated is not None
    spared = target is not career and (career.ended == "reservation-lapsed" or (candidate and ":enrolment" in data.from_charge))
    _receive(person, target, data.to_charge, event, amount, spared)


@_on("charge-decided")
@obeys("AMB-11", "AMB-20", "AMB-23", "AMB-31", "AMB-47")
def _charge_decided(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """An officer gives a charge a new amount; 0.00 waives all of it (what was paid becomes credit), also ahead of its raising. A charge
    that the guides leave to an officer and that is not there is raised."""
    data = _data(event, e.ChargeDecided)
    career.to_decide.pop(data.charge, None)
    charge = career.charges.get(data.charge)
    if charge is None:
        if data.amount == ZERO:
            career.waived_ahead[data.charge] = (event.effective_on, event.id)
            return
        charge = _raised_by_officer(career, event, data)
        if charge is None:
            return
    charge.decision = Decision(data.amount, charge.assessed, event.effective_on, event.id)
    charge.waivers = [w for w in charge.waivers if w.rule != "charge-decided"]
    settle_amounts(career, charge)
    if data.amount == ZERO:
        charge.waivers.append(Waiver("charge-decided", charge.amount, True, event.effective_on, event.id))
    else:
        charge.amount = data.amount
    career.unsettled = True


OFFICER_KINDS = frozenset({
    "preenrolment", "enrolment", "instalment-1", "instalment-2", "late-instance", "late-instance/recognition",
    "late-instance/transfer-out", "isee-penalty",
    "study-plan-penalty", "recognition", "single-courses", "single-courses-stamp", "withdrawal-stamp", "diploma-supplement-post",
})


def _raised_by_officer(career: Career, event: Event, data: e.ChargeDecided) -> Charge | None:
    year, _, kind = data.charge.partition(":")
    base = kind.partition("#")[0]
    if len(year) != 7 or (base not in OFFICER_KINDS and not base.startswith("late-fee/")):
        return None
    charge = Charge(data.charge, kind, year, data.amount, None, event.effective_on, "charge-decided",
                    (Fact(event.id, event.effective_on, data.amount),))
    career.charges[data.charge] = charge
    return charge


@_on("instalment-plan-agreed")
@obeys("RAT-7", "AMB-19")
def _instalment_plan_agreed(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    data = _data(event, e.InstalmentPlanAgreed)
    covered = [c for c in map(career.charges.get, data.charges) if c is not None and c.outstanding > ZERO]
    put_under_plan(covered, [(i.due_on, i.amount) for i in data.instalments], event.effective_on, event.id, person.order)
    career.unsettled = True


# Study plan and exams


@_on("study-plan-submitted")
@obeys("PDS-1", "PDS-2", "CHG-8", "AMB-23", "AMB-44", "RIS-10")
def _study_plan_submitted(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """A late plan is accepted; in 2025-26 it costs the penalty, once a year, except for who awaits the council on a shortening."""
    data = _data(event, e.StudyPlanSubmitted)
    year = data.academic_year
    career.plans_submitted.append((event.effective_on, event.id, year))
    book = books.of(year)
    if book is None or book.rules.PDS_2 is None:
        return
    if enrolled_after_the_window(career, book, year, event.effective_on):
        career.to_decide.setdefault(f"{year}:study-plan-penalty", (
            "AMB-23", "The plan is late because the enrolment came after the window: an officer decides on the penalty."))
    if penalty_is_due(career, book, year, event.effective_on) and career.charge(year, "study-plan-penalty") is None:
        raise_charge(career, year, "study-plan-penalty", book.rules.PDS_2.amount, event.effective_on, "PDS-2",
                     (Fact(event.id, event.effective_on),))


@_on("study-plan-approved")
@obeys("ESA-1", "PDS-4")
def _study_plan_approved(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """It replaces an earlier plan of the same year."""
    data = _data(event, e.StudyPlanApproved)
    career.plans[data.academic_year] = {c.code: c for c in data.courses}


@_on("exam-booked")
def _exam_booked(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    career.bookings.append(Booking(_data(event, e.ExamBooked), event.effective_on, event.id))


@_on("exam-booking-cancelled")
@obeys("PRN-4")
def _exam_booking_cancelled(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """Accepted also after the term."""
    data = _data(event, e.ExamBookingCancelled)
    career.close_bookings(data.course, data.held_on, event.effective_on)


@_on("exam-graded")
@obeys("VRB-1", "VRB-2", "VRB-3", "PRN-5", "AMB-25", "AMB-36")
def _exam_graded(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """A written result counts from the day after `refuse_by`; oral (also written then oral), or without that day, at once."""
    data = _data(event, e.ExamGraded)
    counts = event.effective_on
    if data.mode == "written" and data.refuse_by is not None:
        counts = max(counts, data.refuse_by + ONE_DAY)
    career.results.append(Result(data, event.effective_on, event.id, counts))
    career.close_bookings(data.course, data.held_on, event.effective_on)


def find_result(career: Career, course: str, held_on: date) -> Result | None:
    return next((r for r in reversed(career.results) if r.data.course == course and r.data.held_on == held_on
                 and not r.refused and not r.annulled), None)


@_on("grade-refused")
@obeys("VRB-1", "VRB-2")
def _grade_refused(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """Takes a written result back while it does not count yet; later, or for an oral exam, it changes nothing."""
    data = _data(event, e.GradeRefused)
    result = find_result(career, data.course, data.held_on)
    if result is not None and result.data.mode == "written" and event.effective_on < result.counts_from:
        result.refused, result.until = True, event.effective_on


@_on("exam-annulled")
@obeys("ESA-7")
def _exam_annulled(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    data = _data(event, e.ExamAnnulled)
    result = find_result(career, data.course, data.held_on)
    if result is not None:
        result.annulled, result.until = True, event.effective_on
    career.close_bookings(data.course, data.held_on, event.effective_on)


# Withdrawal and afterwards


@obeys("AMB-35", "RIN-7")
def year_of_act(career: Career, day: date, books: LawBooks) -> str | None:
    """The academic year of an act that states none: that of the latest enrolment (else of the application for single courses or
    of the pre-enrolment), unless it is filed unrenewed from the first day of a ruled year on."""
    return books.act_year(career.academic_year, day)


@_on("withdrawal-requested")
@obeys("RIN-1", "RIN-3", "CHG-15", "AMB-9", "AMB-35", "AMB-40")
def _withdrawal_requested(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    day = event.effective_on
    year = year_of_act(career, day, books)
    book = books.of(year) if year is not None else None
    withdrawal = Withdrawal(day, event.id, person.order, year, None, None)
    career.withdrawals.append(withdrawal)
    if book is not None and year is not None and book.rules.RIN_3 is not None:
        withdrawal.last_day = days_after(day, book.rules.RIN_3.days)
        withdrawal.stamp = raise_charge(career, year, "withdrawal-stamp", book.rules.RIN_3.amount, day, "RIN-3",
                                        (Fact(event.id, day),), due_on=withdrawal.last_day, interpretation="AMB-9").key
    elif year is not None and book is None:
        career.unruled.add(year)


@_on("renounced")
def _renounced(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    _end(career, "renounced", event.effective_on, event.id)


@_on("diploma-supplement-issued")
@obeys("CHG-16", "DS-1")
def _diploma_supplement_issued(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """Free, but for the post of the paper form."""
    data = _data(event, e.DiplomaSupplementIssued)
    year = year_of_act(career, event.effective_on, books)
    book = books.of(year) if year is not None else None
    if book is None or year is None or book.rules.CHG_16 is None or data.format != "paper" or data.destination is None:
        return
    raise_charge(career, year, "diploma-supplement-post", book.rules.CHG_16.amounts[data.destination], event.effective_on, "CHG-16",
                 (Fact(event.id, event.effective_on),))
