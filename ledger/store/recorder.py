"""What the event store asks of a database, and what it is told: the two recorders on one page."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

from eventsourcing.persistence import StoredEvent

Row = tuple[int, str, bytes]
"""Position, stored name, stored bytes."""


class Identity(NamedTuple):
    """Which history a log tells: `origin`, given at random when the ledger was made, and `epoch`, raised where a
    restored backup is accepted. `key_check`: that of the key under which digests were made (`keys.check_of`), None as
    long as none were."""

    origin: str
    epoch: int
    key_check: str | None


class Refusal(NamedTuple):
    """A submission that was kept out of the log: the digest of its content (`EventStore.content_digest`), and the
    outcome (JSON) that it was answered with."""

    student: str
    id: str
    content: bytes
    outcome: bytes


class Recorder(Protocol):
    """What the two backends offer. They raise the errors of `eventsourcing.persistence`."""

    may_import: bool
    def insert_events(self, stored_events: Sequence[StoredEvent]) -> Sequence[int] | None: ...
    def pack(self, stored_events: Sequence[StoredEvent]) -> bytes: ...
    def insert_packed(self, packs: Sequence[bytes], rows: int, heads: Mapping[UUID, int]) -> int: ...
    def insert_with_refusals(self, stored_events: Sequence[StoredEvent], refusals: Sequence[Refusal],
                             unmoved: Mapping[UUID, int], absent: Sequence[tuple[str, str]]) -> Sequence[int]: ...
    def identity(self) -> Identity: ...
    def adopt_key(self, check: str) -> None: ...
    def raise_epoch(self) -> None: ...
    def rewrite_refusals(self, rewrite: Callable[[Refusal], Refusal]) -> None: ...
    def refusals(self, submissions: Sequence[tuple[str, str]]) -> list[Refusal]: ...
    def stream(self, originator_id: UUID, after: int) -> list[Row]: ...
    def streams(self, originator_ids: Sequence[UUID]) -> list[Row]: ...
    def part(self, first: UUID, last: UUID) -> list[Row]: ...
    def touched(self, after: int, limit: int) -> list[tuple[int, UUID]]: ...
    def log(self, after: int, limit: int) -> list[Row]: ...
    def first_events(self, after: int, limit: int) -> list[Row]: ...
    def last_position(self) -> int: ...
    def close(self) -> None: ...


class Explain(Protocol):
    """Turns a backend's failure into StoreUnavailable or StoreUnusable, in words."""

    def __call__(self, error: Exception, place: str, /) -> Exception: ...
