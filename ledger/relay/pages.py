"""The messages of `career.events.v1` for those who have no Kafka: read from the log page by page."""

from collections.abc import Callable
from typing import NamedTuple

from ledger.store import EventStore
from ledger.wire.cut import Cut, as_object
from ledger.wire.kafka import history_of

from .prepare import EventSource


class Carried(NamedTuple):
    """A message under its position, as `cut.as_object` writes it."""

    position: int
    text: bytes


class Portion(NamedTuple):
    """`position`: up to which the log is told then. `at_end`: no more was there."""

    messages: list[Carried]
    position: int
    at_end: bool


class _Feed(EventSource):
    def made(self, one: Cut) -> Carried:
        return Carried(one.position, as_object(one, self._history))


def pages(store: EventStore, after: int, size: int) -> Callable[[], Portion]:
    """What is above a position, a page at each call. A student of whom an event cannot be read is left out from there
    on, as the relay does. Raises StoreUnusable where digests cannot be made, and what reading raises."""
    identity = store.adopt_key()
    source = _Feed(store, after, 1, history_of(identity.origin, identity.epoch), size)

    def page() -> Portion:
        chunk = source.next()
        return Portion(chunk.messages, chunk.position, chunk.complete_at is not None)

    return page
