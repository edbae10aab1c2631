"""The help desk's tickets (TKT)."""

from collections.abc import Iterator

from ..books import LawBooks
from ..clear import clear_of
from ..events import Event, TicketClosed, TicketOpened
from ..numbers import ticket_number
from ..phrases import says
from ..reasons import Fact, Reason, reason
from ..registry import obeys
from ..rulebook import RuleBook
from ..state import Career, Person, Ticket
from .chapter import data_of

# What a fact changes


@obeys("TKT-1", "TKT-3", "TKT-4")
def opened(person: Person, event: Event) -> None:
    """A ticket is open until the operator answers, and is never opened again; a number opened twice is one ticket."""
    number = ticket_number(data_of(event, TicketOpened).number)
    person.tickets.setdefault(number, Ticket(number, event.effective_on, event.id))


@obeys("TKT-1")
def closed(person: Person, event: Event) -> None:
    ticket = person.tickets.get(ticket_number(data_of(event, TicketClosed).number))
    if ticket is not None and ticket.closed_on is None:
        ticket.closed_on = event.effective_on


# What does not fit it


@obeys("TKT-1", "TKT-4")
def out_of_order(person: Person, career: Career, event: Event, book: RuleBook | None,
                 books: LawBooks) -> Iterator[Reason]:
    """A ticket has a number of its own, is opened once and closed once, by an answer; nothing says that it can be
    opened again."""
    data = event.data
    if not isinstance(data, TicketOpened | TicketClosed):
        return
    number = ticket_number(data.number)
    ticket = person.tickets.get(number)
    facts = (Fact(ticket.event, ticket.opened_on),) if ticket is not None else ()
    closed_on = ticket.closed_on if ticket is not None else None
    if isinstance(data, TicketOpened):
        if ticket is not None:
            yield reason(books.own, "TKT-1", says("TKT-1/opened-again", number=number, closed_on=closed_on)
                         if closed_on is not None else
                         says("TKT-1/opened-twice", number=number, opened_on=ticket.opened_on), facts=facts)
        return
    if ticket is None:
        yield reason(books.own, "TKT-1", says("TKT-1/never-opened", number=number))
    elif closed_on is not None:
        yield reason(books.own, "TKT-1", says("TKT-1/closed-twice", number=number, closed_on=closed_on), facts=facts)
    if "answer" not in clear_of(event, None):
        yield reason(books.own, "TKT-1", says("TKT-1/no-answer", number=number))
