"""The messages of `career.events.v1` for those who have no Kafka: read from the log page by page."""

from collections.abc import Callable
from typing import NamedTuple

from ledger.store import EventStore
from ledger.wire.kafka import history_of
from ledger.wire.message import Header, encode

from .prepare import EventSource


class Carried(NamedTuple):
    """A message under its position: `{"key", "headers": {..}, "value": {..}}`, the value byte for byte."""

    position: int
    text: bytes


class Portion(NamedTuple):
    """`position`: up to which the log is told then. `at_end`: no more was there."""

    messages: list[Carried]
    position: int
    at_end: bool


def pages(store: EventStore, after: int, size: int) -> Callable[[], Portion]:
    """What is above a position, a page at each call. A student of whom an event cannot be read is left out from there
    on, as the relay does. Raises StoreUnusable where digests cannot be made, and what reading raises."""
    store.adopt_key()
    identity = store.identity()
    source = EventSource(store, after, 1, history_of(identity.origin, identity.epoch), size)

    def page() -> Portion:
        chunk = source.next()
        return Portion([_told(key, value, headers) for _, key, value, headers in chunk.messages], chunk.position,
                    chunk.complete_at is not None)

    return page


def _told(key: bytes | None, value: bytes | None, headers: list[Header]) -> Carried:
    named = {name: text.decode() for name, text in headers}
    return Carried(int(named["position"]), b'{"key":%b,"headers":%b,"value":%b}' % (
        encode((key or b"").decode()), encode(named), value or b"null"))
