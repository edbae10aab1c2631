"""A career's ends, and leaving for another university (END, SEQ, TRO)."""

from collections.abc import Iterator

from ..account import AmountByRule, raise_charge
from ..books import LawBooks
from ..case import Case
from ..events import ACTS, ChargeDecided, Event, TransferredIn
from ..phrases import says
from ..reasons import DONE, Clears, Fact, Reason, reason
from ..registry import obeys
from ..rulebook import RuleBook
from ..state import Career, Person
from .chapter import LEFT_TO_AN_OFFICER, begin, data_of, end, read_or_leave_open, reads, year_with_window
from .entry import readmit

LEAVING = "TRO-1"
LATE_LEAVING = "late-instance/transfer-out"

# What a fact changes


def transferred_in(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    begin(career, event.effective_on)
    career.transferred_in_on = event.effective_on
    career.transferred_year = year = data_of(event, TransferredIn).academic_year
    if books.of(year) is None:
        career.unruled.add(year)


@obeys("MOR-5", "TRO-1", "TRO-2", "AMB-49")
def transferred_out(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """Costs the year's fee, and the 95 euro after the term: where the book has no term an officer decides on them."""
    day = event.effective_on
    year = year_with_window(career, day, books, LEAVING)
    book = books.of(year) if year is not None else None
    if year is not None and book is not None and career.ended is None:
        law, facts, fee, late = book.rules, (Fact(event.id, day),), f"{year}:transfer-out", f"{year}:{LATE_LEAVING}"
        price = read_or_leave_open(career, fee, event, lambda: law.TRO_2)
        if price is not None:
            raise_charge(career, year, "transfer-out", AmountByRule(price.amount, "TRO-2"), day, facts)
        window = read_or_leave_open(career, late, event, lambda: law.TRO_1)
        in_time = window is not None and day <= window.last
        extra = read_or_leave_open(career, late, event, lambda: law.MOR_5) if not in_time else None
        if extra is not None and late not in career.charges:
            until = window.last if window is not None else extra.transfer_out_until
            if until is None and "TRO-1" not in book.unknown:
                career.to_decide[late] = says("AMB-49")
            elif until is not None and day > until:
                reading = "AMB-49" if window is None else None
                raise_charge(career, year, LATE_LEAVING, AmountByRule(extra.amount, "MOR-5", reading), day, facts)
    end(career, "transferred-out", event.effective_on, event.id)


@obeys("END", "SEQ", "MOR-6")
def takes_effect(career: Career, fact: Event) -> bool:
    """Whether a fact changes the career: no act does after its end, but for a reservation that was met in time and for
    what an officer lets pass; a derogation from the exclusion too takes that back."""
    if career.ended is None or fact.type not in ACTS:
        return True
    overridden = {o.rule for o in fact.override}
    if career.ended == "excluded" and {"END", "MOR-6"} <= overridden:
        readmit(career)
    return "END" in overridden or (fact.type == "reservation-lifted" and career.ended == "reservation-lapsed")


def goes_on_by_derogation(career: Career, fact: Event) -> None:
    """An officer who lets an act pass of a career of which nobody can tell whether it has ended says that it has
    not."""
    if any(o.rule == "UNKNOWN-VALUE" for o in fact.override):
        career.gaps = {about: gap for about, gap in career.gaps.items() if about[0] != "end"}
        career.not_excluded = True


# What it forbids


@obeys("END")
@reads("ended", "gaps", "reservation")
def career_goes_on(case: Case) -> Reason | None:
    """No act after the end; a reservation that was met in time may still be lifted (AMB-45), not one that she
    declined."""
    if case.career.ended is None:
        case.career.must_know_the_end()
        return None
    held = case.career.reservation
    if case.act == "reservation-lifted" and held is not None and held.lapsed_on is not None:
        return None
    return case.no("END", status=case.career.ended,
                   facts=[Fact(case.career.ended_event, case.career.ended_on)] if case.career.ended_event
                   and case.career.ended_on else ())


@obeys("SEQ")
def is_enrolled_now(case: Case) -> Reason | None:
    """The act needs a career that is enrolled (also with reservation)."""
    if case.career.latest_perfected is not None and case.career.suspended_on is None:
        return None
    return case.no("SEQ/not-enrolled", DONE, status=case.career.status)


@obeys("SEQ")
def has_been_enrolled(case: Case) -> Reason | None:
    if case.career.latest_perfected is not None:
        return None
    return case.no("SEQ/never-enrolled", status=case.career.status)


@obeys("SEQ")
def has_filed_an_enrolment(case: Case) -> Reason | None:
    """Paid or not, or come from elsewhere: what is for students is not for who applies, nor for single courses."""
    if case.career.enrolments or case.career.transferred_in_on is not None:
        return None
    return case.no("SEQ/never-enrolled", status=case.career.status)


@obeys("SEQ")
def is_suspended(case: Case) -> Reason | None:
    if case.career.suspended_on is not None:
        return None
    return case.no("SEQ/not-suspended")


@obeys("SEQ")
def does_not_arrive_twice(case: Case) -> Reason | None:
    """A transfer in comes once."""
    if case.career.transferred_in_on is None:
        return None
    return case.no("SEQ/transferred-in")


@obeys("TRO-1")
def transfer_out_is_asked_in_its_window(case: Case) -> Reason | None:
    """Late requests cost the late instance, up to a last day where there is one."""
    window = case.law.TRO_1
    if window is None:
        return None
    if case.day < window.first:
        return case.no("TRO-1", Clears(window.first), first_day=window.first)
    if window.late_until is not None and case.day > window.late_until:
        return case.no("TRO-1/over", last_day=window.late_until)
    return None


# What does not fit it

AFTER_THE_END = frozenset({
    "instalment-paid", "payment-refunded", "payment-moved", "diploma-supplement-issued", "ticket-opened",
    "ticket-closed", "ticket-linked", "event-voided", "person-registered", "person-forgotten",
})
"""Facts that may follow a career's end."""


@obeys("END", "AMB-49")
def _left_to_an_officer(career: Career, event: Event) -> bool:
    """A decision on what the guides leave to an officer, or nobody knows: some of it is asked by the end itself."""
    data = event.data
    return isinstance(data, ChargeDecided) and (
        data.charge.partition(":")[2].partition("#")[0] in LEFT_TO_AN_OFFICER
        or ("charge", data.charge) in career.gaps or data.charge in career.settled_gaps)


@obeys("END")
def after_the_end(person: Person, career: Career, event: Event, book: RuleBook | None,
                  books: LawBooks) -> Iterator[Reason]:
    if career.ended is not None and event.type not in AFTER_THE_END and event.career is not None \
            and not _left_to_an_officer(career, event):
        yield reason(books.own, "END", says("END/after", event_type=event.type, status=career.ended))
