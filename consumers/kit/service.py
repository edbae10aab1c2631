"""What a service is to the loop: the topics it lives on, its tables, and what it does with what arrives."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from consumers.database import Database, Transaction
from ledger.sql.migrations import Step
from ledger.wire.message import Header, header
from ledger.wire.reading import UnknownType, Unreadable, read_event
from ledger.wire.topics import EVENTS

AHEAD_SECONDS = 60.0
"""So much may the ledger's clocks be ahead of ours."""


class Record(NamedTuple):
    """A message as it came. `topic` is the name in `ledger.wire.topics`, without a prefix; `timestamp` Kafka's, in
    milliseconds."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]


class Service:
    """One service; each overrides what it needs.

    `name` names its consumer group (`career-ledger.NAME`) and begins the names of its tables. `topics` are names of
    `ledger.wire.topics`, `steps` those that make its tables (`ledger.sql.migrations`): a change of them is a further
    step.
    `needed`: the types of event that it uses (None: all); of others only key, hash, type and version are checked.
    `keeps`: it keeps every event by a legal duty, also those of persons who were forgotten.
    """

    name: str
    topics: tuple[str, ...]
    steps: tuple[Step, ...] = ()
    needed: frozenset[str] | None = None
    keeps: bool = False

    def read(self, record: Record) -> Any:
        """What a message says, handed to `events` or `messages` beside it. Raises Unreadable (UnknownType): the message
        goes to the dead letters; an event parks its student besides, any other message goes to `unusable`. None: an
        event of no use here, counted and not handed over."""
        return read_event(record.key, record.value, record.headers, self.needed) if record.topic == EVENTS else record

    def events(self, tx: Transaction, found: Sequence[tuple[Record, Any]]) -> None:
        """Of `career.events.v1`: each (student, version) once, in order per student and without gaps."""

    def messages(self, tx: Transaction, topic: str, found: Sequence[tuple[Record, Any]]) -> None:
        """Of any other topic, in the order of each partition. At least once: what was handed over may come again as a
        new message."""

    def unusable(self, tx: Transaction, record: Record, error: Unreadable) -> None:
        """A message of another topic than the events could not be read. Its order with `messages` is kept."""

    def skipped(self, tx: Transaction, topic: str, part: int) -> None:
        """With --from-oldest: messages of a topic that is kept for ever or compacted are gone and were never read."""

    def forget(self, tx: Transaction, students: Sequence[str]) -> None:
        """These persons were forgotten: deletes all that it holds about them. Nothing of theirs is handed over any
        more."""

    def anew(self, tx: Transaction) -> None:
        """The ledger is in another epoch, after a backup was accepted in its place: gives up what the former one told.
        Everything is told again, but what is gone. What this service has done in the world stays."""

    def idle(self, database: Database) -> None:
        """Between batches and at least once a second: work that time alone brings. Several members may do it at
        once."""

    def close(self) -> None:
        """At the end, while its database is still open: waits for work of its own that runs beside the loop."""


def check_type(record: Record, wanted: str) -> None:
    """Whether the header of a message names this type and version. Raises Unreadable (UnknownType for another
    version)."""
    found = header(record.headers, "ce_type")
    if found != wanted:
        known = found is not None and found.rpartition(".")[0] == wanted.rpartition(".")[0]
        if known:
            raise UnknownType(f"ce_type: not {wanted}; update this program")
        raise Unreadable(f"ce_type: not {wanted}")


class Ahead(Unreadable):
    """It tells of a moment that has not come: a clock is wrong, and nothing may rest on it."""


def clock() -> datetime:
    return datetime.now(UTC)


def latest() -> str:
    """The latest moment that a message may tell of, to the second and as messages spell it."""
    return (clock() + timedelta(seconds=AHEAD_SECONDS)).isoformat(timespec="seconds")[:19]
