"""Publishing once more what a subscriber has lost, and what an archive compares itself with.

These run beside an active relay, with a producer of their own, and move no position. What they send stands behind newer
messages: readers of events drop what they have by (student, version). Of a career's state the newest message counts, so
after each batch it is looked whether one of its students has moved on meanwhile, and she is sent once more: the last
message is never an older answer than one before it.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from kafka import KafkaProducer

from ledger.domain.books import LawBooks
from ledger.store import EventStore, SetAside, SomeSetAside, open_store
from ledger.store.mapper import stream_id
from ledger.wire import events
from ledger.wire.kafka import Made, create_topics, end_at_once, history_of
from ledger.wire.message import History, header
from ledger.wire.topics import EVENTS, STATE

from .lane import check_lengths, deliver, producer_for
from .prepare import BATCH, EventSource, Preparer, ready, states_of
from .tails import check_history

PAGE = 10_000
PATIENCE_SECONDS = 120.0
"""So long is waited for acknowledgements: whoever gave the command sees that nothing happens."""


def publish_from(url: str, books: LawBooks, brokers: str, position: int) -> tuple[int, int]:
    """Every event from `position` on that is recorded by now, and the states of their students. How many events and
    states were sent. Raises StoreUnavailable, Undelivered, KafkaUnusable, KafkaError."""
    after = max(0, position - 1)
    topics = create_topics(brokers)
    sent = 0
    with open_store(url, create=False) as store, _producer(brokers) as producer:
        history = _checked(store, brokers, topics)
        last = store.last_position()
        if after < last:
            made = topics[EVENTS]
            preparer = Preparer(url, EventSource, {"after": after, "partitions": made.partitions, "history": history})
            preparer.wake()
            at = after
            try:
                while at < last:
                    chunk = preparer.next(1.0)
                    if chunk is not None:
                        check_lengths(EVENTS, chunk.messages)
                        deliver(producer, made.name, chunk.messages, PATIENCE_SECONDS)
                        sent, at = sent + chunk.events, chunk.position
            finally:
                preparer.close()
        made = topics[STATE]
        return sent, _send_states(store, books, history, producer, made.name, made.partitions,
                                  _students_above(store, after, last))


def replay(url: str, books: LawBooks, brokers: str, student: str) -> tuple[int, int]:
    """All events and states of one student; (0, 0) for an unknown one. Raises as `publish_from` does."""
    topics = create_topics(brokers)
    with open_store(url, create=False) as store:
        found = [store.records(event.position - 1, 1)[0] for event in store.stream(student)]
        if not found:
            return 0, 0
        history = _checked(store, brokers, topics)
        made = topics[EVENTS]
        messages = [ready(events.message(record, digest, history), made.partitions) for _, record, digest in found
                    if not isinstance(record, SetAside)]
        check_lengths(EVENTS, messages)
        with _producer(brokers) as producer:
            deliver(producer, made.name, messages, PATIENCE_SECONDS)
            made = topics[STATE]
            return len(found), _send_states(store, books, history, producer, made.name, made.partitions,
                                            {stream_id(student)})


@contextmanager
def _producer(brokers: str) -> Iterator[KafkaProducer]:
    made = producer_for(brokers)
    try:
        yield made
    finally:
        end_at_once(made)


def digests(store: EventStore, after: int) -> Iterator[dict[str, Any]]:
    """Of each event above a position what an archive of the topic is compared with: the keyed digest of the stored
    bytes and the hash of the message's value, in hex."""
    store.adopt_key()  # what is printed is kept and compared: never under a key that nobody else has
    history = _history(store)
    aside: list[SetAside] = []
    while found := store.records(after, PAGE):
        for position, record, digest in found:
            if isinstance(record, SetAside):
                aside.append(record)
                continue
            message = events.message(record, digest, history)
            yield {"position": position, "student": record["student"], "version": record["version"],
                   "type": record["type"],
                   "digest": digest, "payload_sha256": header(message.headers, "payload_sha256")}
        after = found[-1][0]
    if aside:
        raise SomeSetAside(aside)


def _history(store: EventStore) -> History:
    identity = store.identity()
    return history_of(identity.origin, identity.epoch)


def _checked(store: EventStore, brokers: str, topics: Mapping[str, Made]) -> History:
    """That of the ledger, once the topics were found to tell it. Raises KafkaUnusable where they tell another one."""
    store.adopt_key()
    history = _history(store)
    check_history(store, history, brokers, topics)
    return history


def _students_above(store: EventStore, after: int, last: int) -> list[UUID]:
    streams: dict[UUID, None] = {}
    while after < last and (touched := store.touched(after, PAGE)):
        streams |= dict.fromkeys(stream for _, stream in touched)
        after = touched[-1][0]
    return list(streams)


def _send_states(store: EventStore, books: LawBooks, history: History, producer: KafkaProducer, topic: str,
                 partitions: int, students: Collection[UUID]) -> int:
    sent = 0
    aside: list[SetAside] = []
    todo = list(students)
    while todo:
        batch, todo = todo[:BATCH], todo[BATCH:]
        read_at = store.last_position()
        messages = [ready(message, partitions)
                    for _, _, message in states_of(store, books, batch, history, aside.append)]
        check_lengths(STATE, messages)
        deliver(producer, topic, messages, PATIENCE_SECONDS)
        sent += len(messages)
        moved = set(_students_above(store, read_at, store.last_position()))
        todo += [stream for stream in batch if stream in moved]
    if aside:
        raise SomeSetAside(aside)
    return sent
