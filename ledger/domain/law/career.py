"""A career's interruptions and ends (END, SEQ)."""

from collections.abc import Iterator

from ..account import AmountByRule, raise_charge
from ..books import LawBooks
from ..case import Case
from ..events import ACTS, ChargeDecided, Event, TransferredIn
from ..phrases import says
from ..reasons import DONE, Fact, Reason, reason
from ..registry import obeys
from ..rulebook import RuleBook, UnknownValue
from ..state import Career, Person
from .chapter import begin, data_of, end, year_of_act
from .entry import readmit

# What a fact changes


def suspended(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    career.suspended_on, career.suspended_event = event.effective_on, event.id


def resumed(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    career.suspended_on, career.suspended_event = None, None


def transferred_in(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    begin(career, event.effective_on)
    career.transferred_in_on = event.effective_on
    career.transferred_year = year = data_of(event, TransferredIn).academic_year
    if books.of(year) is None:
        career.unruled.add(year)


@obeys("MOR-5", "AMB-49")
def transferred_out(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """The guides give no term for it: an officer decides on the 95 euro, unless the institution's book has one."""
    day = event.effective_on
    year = year_of_act(career, day, books)
    book = books.of(year) if year is not None else None
    if year is not None and book is not None and career.ended is None:
        kind = "late-instance/transfer-out"
        try:
            price = book.rules.MOR_5
            until = price.transfer_out_until if price is not None else None
            if price is not None and until is None:
                if f"{year}:{kind}" not in career.charges:
                    career.to_decide[f"{year}:{kind}"] = says("AMB-49")
            elif price is not None and until is not None and day > until:
                raise_charge(career, year, kind, AmountByRule(price.amount, "MOR-5", "AMB-49"), day,
                             (Fact(event.id, day),))
        except UnknownValue as unknown:
            career.leave_open("charge", f"{year}:{kind}", unknown, "fact", day, event=event.id)
    end(career, "transferred-out", event.effective_on, event.id)


@obeys("RIC-10")
def forfeited(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    end(career, "forfeited", event.effective_on, event.id)


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


# What it forbids


@obeys("END")
def career_goes_on(case: Case) -> Reason | None:
    """No act after the end; a reservation that was met in time may still be lifted (AMB-45)."""
    if case.career.ended is None or (case.act == "reservation-lifted" and case.career.ended == "reservation-lapsed"):
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


# What does not fit it

AFTER_THE_END = frozenset({
    "instalment-paid", "payment-refunded", "payment-moved", "diploma-supplement-issued", "ticket-opened",
    "ticket-closed", "event-voided",
})
"""Facts that may follow a career's end."""


@obeys("END")
def after_the_end(person: Person, career: Career, event: Event, book: RuleBook | None,
                  books: LawBooks) -> Iterator[Reason]:
    data = event.data
    # it can only follow the end
    decided = isinstance(data, ChargeDecided) and data.charge.endswith(":late-instance/transfer-out")
    if career.ended is not None and event.type not in AFTER_THE_END and event.career is not None and not decided:
        yield reason(books.own, "END", says("END/after", event_type=event.type, status=career.ended))
