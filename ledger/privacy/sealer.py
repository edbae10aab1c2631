"""Seals events before they are stored, and opens them for who may read them: `ledger.domain.protected.Sealer`."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone

from msgspec.structs import replace

from ledger.domain.events import Event, PersonRegistered, Sealed
from ledger.domain.knowledge import is_forgotten, voided
from ledger.domain.protected import IsForgotten, put_back, taken_out
from ledger.domain.submissions import Submission
from ledger.store import EventStore, open_store
from ledger.store.errors import StoreUnusable

from . import box
from .key_store import Key, KeyStore, Prepared, open_keys
from .people import Named, person_of

StreamsOf = Callable[[Collection[str]], Mapping[str, Sequence[Event]]]


class KeySealer:
    """`streams`: of students, from the log: a key store that was restored has lost its newest tombstones, and a tax
    code may be claimed for a registration that was kept out."""

    def __init__(self, keys: KeyStore, streams: StreamsOf) -> None:
        self.keys, self._streams = keys, streams

    def prepare(self, submissions: Sequence[Submission | Event]) -> Prepared:
        people: dict[str, Named] = {}
        for one in submissions:
            if isinstance(one.data, PersonRegistered):
                people[one.student] = person_of(one.data) | people.get(one.student)
        return self.keys.prepare(dict.fromkeys(one.student for one in submissions), self._in_log, people)

    def take(self, prepared: Prepared) -> Mapping[str, Key]:
        return self.keys.take(prepared)

    def key_of(self, event: Event) -> Key:
        """Raises IsForgotten, CodeTaken; then no key was made."""
        person = person_of(event.data) if isinstance(event.data, PersonRegistered) else None
        return self.keys.newest(event.student, self._in_log, person, self._holds)

    def seal(self, event: Event, key: Key | None = None) -> Event:
        bare, taken = taken_out(event)
        if not taken:
            return event
        number, cipher = key or self.key_of(event)
        return replace(bare, sealed=Sealed(number, box.seal(cipher, self.keys.ledger, event, taken)))

    def open(self, event: Event) -> Event | None:
        """Raises StoreUnusable where it should open and does not."""
        if event.sealed is None:
            return event
        key = self.keys.key(event.student, event.sealed.key)
        if key is None:
            if self.keys.is_forgotten(event.student) or self._in_log([event.student]):
                return None
            raise StoreUnusable(f"position {event.position} is sealed under key {event.sealed.key} of {event.student}, "
                                "which the key store lacks: it was restored from an older copy, put the newest back")
        try:
            return put_back(event, box.unseal(key.cipher, self.keys.ledger, event, event.sealed.box))
        except (box.DoesNotOpen, ValueError, KeyError, TypeError, AttributeError):
            raise StoreUnusable(f"position {event.position}: what is sealed does not open, it was changed or belongs "
                                "to another event, version, student or ledger") from None

    def note(self, student: str, who: str, actor: str | None, what: str, purpose: str) -> None:
        """In the access log. A purpose goes with her key, so she has one from now on, unless she was forgotten."""
        with suppress(IsForgotten):
            self.keys.newest(student, self._in_log)
        self.keys.note(student, who, actor, what, purpose)

    def _in_log(self, students: Collection[str]) -> list[str]:
        return [student for student, events in self._streams(students).items() if is_forgotten(events)]

    def _holds(self, student: str, code: str) -> bool:
        events = self._streams([student]).get(student, ())
        gone = voided(events)
        for event in events:
            if event.type == "person-registered" and event.id not in gone:
                opened = self.open(event)
                if opened is not None and isinstance(opened.data, PersonRegistered) and code in person_of(
                        opened.data).codes:
                    return True
        return False


def clock() -> datetime:
    return datetime.now(timezone.utc)


def sealer_for(url: str, ledger_url: str, store: EventStore,
               clock: Callable[[], datetime] = clock) -> KeySealer:
    """Over a ledger that is open. Raises StoreUnusable, also for a new key store where another one has sealed events,
    and StoreUnavailable."""
    keys = open_keys(url, store.identity().origin, ledger_url, clock)
    try:
        # asked again: keys are made before what is sealed under them
        if keys.is_new and (sealed := store.first_sealed(keys.looked_through())) is not None and keys.is_new:
            raise lost(sealed, f"the key store {keys.place} is new and opens nothing of it")
    except BaseException:
        keys.close()
        raise
    return KeySealer(keys, store.streams)


def lost(position: int, why: str) -> StoreUnusable:
    return StoreUnusable(f"position {position} of the ledger is sealed under a key of another key store: {why}. Put "
                         "the newest copy of that one back, and name it with --keys")


def open_sealer(url: str, ledger_url: str) -> KeySealer:
    """The same in another process: `partial(open_sealer, ...)` can be pickled. It and its store live as long as the
    process does."""
    return sealer_for(url, ledger_url, open_store(ledger_url, create=False))
