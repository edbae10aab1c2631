"""A person is forgotten: recorded first, then destroyed.

1. Two authorities order it; not while a career is open or money is owed, unless they say so.
2. `person-forgotten` is appended. From here on it is decided: whatever follows is done again at the next start of
   whatever opens the key store (`forget_again`), also of one that was restored from before.
3. Her keys and look-ups are deleted from the key store, which keeps that she was forgotten.
4. What is remembered of her refused submissions is deleted.

The relay and the services do their part when they meet the event. Each step may be done twice, and by two at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol
from uuid import uuid4

from ledger.domain.books import LawBooks
from ledger.domain.charges import told
from ledger.domain.events import Event, PersonForgotten
from ledger.domain.fold import replay
from ledger.domain.knowledge import NotFound, in_force, is_forgotten
from ledger.domain.phrases import Phrase, says
from ledger.domain.protected import has_protected
from ledger.domain.values import ZERO
from ledger.store import EventStore

from .streams import PENDING, Known
from .submit import Clock, Desk, Reply, Verdict, in_turn

SOURCE, ACTOR = "ledger", "system:forget"
MANY = 1_000
"""Events of the log that may be looked through again at each start, before it is noted down how far that went."""


class Keys(Protocol):
    """What a key store does when a person is forgotten. Each may be done again."""

    def forget(self, student: str, event: str) -> None:
        """Deletes keys, look-ups and names, and keeps that she was forgotten, in one transaction."""
        ...

    def keep_reason(self, student: str, authorities: Sequence[str], reason: str) -> None:
        """Sealed, under the store's own key."""
        ...

    @property
    def to_scrub(self) -> bool:
        """What was deleted may still stand on the disk, because somebody is reading or this user does not own the
        tables: the next start that may do so sees to it."""
        ...

    def complete_from(self) -> date:
        """The day from which older copies of the store cannot be read any more."""
        ...

    def looked_through(self) -> int:
        """The position up to which the log was searched for persons who were forgotten."""
        ...

    def look_through(self, position: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Ordered:
    """`authorities`: at least two different ones. `anyway`: also where a career is open or money is owed."""

    student: str
    authorities: tuple[str, ...]
    reason: str
    on: date
    anyway: bool = False


def forget(store: EventStore, books: LawBooks, clock: Clock, keys: Keys | None, order: Ordered) -> Reply:
    """`outcome` `forgotten` (`again`: she was before; `in_the_clear`: how many of her events hold protected values that
    nobody sealed), or `refused` with what speaks against it. Raises NotFound for an unknown student."""
    desk = Desk(store, books, "record", clock, keep=0)

    def take(one: Ordered) -> Verdict:
        stream = desk.streams[one.student]
        if not stream.events:
            raise NotFound(says("missing/student", student=one.student))
        before = next((event for event in stream.events if event.type == "person-forgotten"), None)
        if before is not None:
            return Known(before)
        against = [] if one.anyway else list(reasons_against(stream.events, one, books))
        if against:
            return {"id": None, "outcome": "refused", "reasons": [{"message": why} for why in against]}
        version = stream.version + 1
        return Event(f"person-forgotten-{uuid4().hex}", "person-forgotten", one.student, None, one.on,
                     max(clock(), stream.events[-1].recorded_at), SOURCE, ACTOR,
                     PersonForgotten.model_validate({"authorities": one.authorities}), PENDING + version, version)

    def append(verdicts: Sequence[Verdict]) -> Sequence[Event]:
        events = [one for one in verdicts if isinstance(one, Event)]
        if events and keys is not None:
            keys.keep_reason(order.student, order.authorities, order.reason)
        return store.append(events)

    found = in_turn(lambda: desk.together([order], take, append)[0],
                    says("conflict/student", student=order.student, event="person-forgotten"))
    if found["outcome"] == "refused":
        return {"student": order.student, "outcome": "refused", "reasons": found["reasons"]}
    refusals = destroy(store, keys, order.student, found["id"])
    return {"student": order.student, "outcome": "forgotten", "again": found["outcome"] == "duplicate",
            "event": found["id"], "position": found["position"], "refusals": refusals,
            "in_the_clear": sum(has_protected(event) and event.sealed is None
                                for event in desk.streams[order.student].events),
            "complete_from": keys.complete_from().isoformat() if keys is not None else None,
            "to_scrub": keys is not None and keys.to_scrub}


def destroy(store: EventStore, keys: Keys | None, student: str, event: str) -> int:
    """Of a person of whom the log says that she was forgotten; how many refusals went."""
    if keys is not None:
        keys.forget(student, event)
    return store.forget_refusals(student)


def forget_again(store: EventStore, keys: Keys) -> list[str]:
    """Finishes what broke off, and forgets again where an older copy of the key store has come back; the students. To
    be called whenever a key store is opened."""
    after, last = keys.looked_through(), store.last_position()
    if after > last:  # the ledger itself has come back from before
        after = 0
    found = store.forgotten(after) if last > after else []
    for event in found:
        destroy(store, keys, event.student, event.id)
    if found or last - after > MANY:
        keys.look_through(last)
    return [event.student for event in found]


def reasons_against(events: Sequence[Event], order: Ordered, books: LawBooks) -> Iterator[Phrase]:
    """A career that goes on, and money that either side owes the other."""
    person = replay(in_force(events), order.student, order.on, books)
    for career in person.careers.values():
        if career.status is not None and career.ended is None:
            yield says("forget/open", career=career.name, status=career.status)
        charges = [told(person, career, charge, books) for charge in career.charges.values()]
        owed = sum((one.outstanding for one in charges if one.state in ("overdue", "to-come")), ZERO)
        if owed:
            yield says("forget/owed", career=career.name, amount=owed)
        credit = sum((charge.credit for charge in career.charges.values()), ZERO) + sum(
            (one.refundable.amount for one in charges if one.refundable is not None), ZERO)
        if credit:
            yield says("forget/credit", career=career.name, amount=credit)


def forgotten_on(events: Sequence[Event]) -> dict[str, Any] | None:
    """When, and by whose order; None of a person who was not."""
    if not is_forgotten(events):
        return None
    one = next(event for event in events if event.type == "person-forgotten")
    by = list(one.data.authorities) if isinstance(one.data, PersonForgotten) else []
    return {"on": one.effective_on.isoformat(), "event": one.id, "position": one.position, "authorities": by}
