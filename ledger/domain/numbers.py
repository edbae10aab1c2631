"""Numbers that others give and that stand for one thing each: a ticket of the help desk, a payment reference (IUV).

One student's numbers are compared here; those of all students in `ledger.audit.everybody`.
"""

from collections.abc import Iterable, Sequence

from .events import Event, InstalmentPaid, TicketOpened
from .registry import obeys

TICKET, IUV = "ticket", "IUV"
GIVE_NUMBERS = TicketOpened, InstalmentPaid
"""What may give one."""
_SURCHARGES = ("late-fee/", "late-instance")


def ticket_number(text: str) -> str:
    """The number itself, however it was copied: ` #212617` is 212617. Zeros before it are part of it."""
    return text.strip().lstrip("#").strip()


def payment_reference(text: str) -> str:
    """The IUV itself: without blanks, and without the digit that a notice number of 18 digits has before it."""
    found = "".join(text.split()).upper()
    return found[1:] if len(found) == 18 and found.isdigit() and found[0] == "3" else found


def number_of(event: Event) -> tuple[str, str] | None:
    """(what, number) that an event gives to what it records."""
    data = event.data
    if isinstance(data, TicketOpened):
        return TICKET, ticket_number(data.number)
    if isinstance(data, InstalmentPaid) and data.iuv is not None:
        return IUV, payment_reference(data.iuv)
    return None


@obeys("IUV")
def payments_with_one_iuv(facts: Iterable[Event]) -> list[tuple[str, list[Event]]]:
    """The IUVs that stand on more than one payment of a student, with these payments in the given order."""
    found: dict[str, list[Event]] = {}
    for fact in facts:
        if fact.type == "instalment-paid" and (number := number_of(fact)) is not None:
            found.setdefault(number[1], []).append(fact)
    return [(iuv, paid) for iuv, paid in found.items() if len(paid) > 1 and not _is_one_payment(paid)]


def _is_one_payment(paid: Sequence[Event]) -> bool:
    """A late payment of one day that was recorded in parts: so much for a charge, the rest for its surcharge."""
    charges = [p.data.charge for p in paid if isinstance(p.data, InstalmentPaid)]
    own = [key for key in charges if not key.partition(":")[2].startswith(_SURCHARGES)]
    return len({(p.career, p.effective_on) for p in paid}) == 1 and len(set(charges)) == len(charges) and len(own) <= 1
