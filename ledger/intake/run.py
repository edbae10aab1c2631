"""The intake's way to Kafka and back: poll, answer, send the outcomes, see each acknowledged, and only then move the
offset.

A batch is finished before the next poll, and partitions change hands within a poll only: nothing is ever half done when
one is taken away. What was answered and not committed (a crash, a rebalance) comes again and is answered alike by
whoever gets it.
"""

import threading
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    KafkaError,
    KafkaTimeoutError,
    RebalanceInProgressError,
    RetriableError,
    UnknownMemberIdError,
)
from kafka.structs import OffsetAndMetadata

from ledger.domain.books import LawBooks
from ledger.domain.protected import Sealer
from ledger.edges.log import Note
from ledger.edges.watch import Watch
from ledger.handling.submit import Clock
from ledger.store import EventStore, StoreUnavailable, VersionConflict
from ledger.wire.kafka import (
    CONSUMER,
    KafkaUnusable,
    connection,
    create_topics,
    end_at_once,
    history_of,
    prefix,
    producer_settings,
)
from ledger.wire.members import Cooperative
from ledger.wire.message import Message
from ledger.wire.topics import SUBMISSIONS

from .counter import NAME, Counter, Received

BATCH = 1_000
"""How many submissions are stored in one transaction at most."""
POLL_MS = 1_000
PAUSE_SECONDS = 1.0
"""Before the next attempt where the database or the brokers do not answer."""
COMMIT_MS = 10_000
ACKNOWLEDGED_SECONDS = 1.0
"""How long the acknowledgement of outcomes is awaited before SIGTERM is looked for."""
SILENT_SECONDS = 120.0
"""How long it is awaited before both clients are made anew: a client that is stuck is not told from brokers that are
away."""
LEAVE_SECONDS = 10.0
"""How long it is awaited after SIGTERM, and how long leaving may take."""
RECONNECT: Mapping[str, Any] = {"reconnect_backoff_max_ms": 2_000}
"""A broker that comes back is found in seconds; the library's half a minute is meant for thousands of clients."""
SETTINGS: Mapping[str, Any] = {**RECONNECT, "partition_assignment_strategy": (Cooperative,),
                               "session_timeout_ms": 10_000}

Say = Callable[[str], None]
REJOIN = (RebalanceInProgressError, CommitFailedError, IllegalGenerationError, UnknownMemberIdError, RetriableError)
"""The group is changing, or its coordinator is: the next poll joins again, and the offsets are committed after it or
come again."""


class Serving(NamedTuple):
    """How it is told to end, what it says, and whom it shows its figures."""

    stop: threading.Event
    say: Say
    watch: Watch = Watch()


def run(opened: Callable[[], EventStore], books: LawBooks, clock: Clock, brokers: str, running: Serving,
        settings: Mapping[str, Any] | None = None,
        sealer: Callable[[EventStore], Sealer | None] = lambda _: None) -> Tally[str]:
    """Answers submissions for the ledger that `opened` gives until `running.stop` is set; returns how many of each kind
    (`Counter.given`).

    While the database or the brokers do not answer, or others never stop appending to a student, it says so and tries
    again, from the committed offsets. `settings`: further ones of the consumer. Raises KafkaUnusable, KafkaError and
    StoreUnusable, where trying again does not help at once: the messages since the last committed offset come again at
    the next start."""
    given: Tally[str] = Tally()
    stop, say, watch = running
    while not stop.is_set():
        try:
            with opened() as store:
                identity = store.identity()
                desk = Counter(store, books, clock, history_of(identity.origin, identity.epoch),
                               sealer(store))
                try:
                    _serve(desk, brokers, running, settings or {})
                finally:
                    given += desk.given
        except (RetriableError, StoreUnavailable, VersionConflict) as error:
            text = str(error) if not isinstance(error,
                                                RetriableError) else f"Kafka does not answer ({type(error).__name__})"
            say(Note("intake/trying-again", "{why}; trying again", "warning", why=text))
            watch.retry()
            stop.wait(PAUSE_SECONDS)
    return given


def _serve(desk: Counter, brokers: str, running: Serving, settings: Mapping[str, Any]) -> None:
    create_topics(brokers)
    topics, shared = prefix(), connection(brokers)
    consumer = KafkaConsumer(**{**CONSUMER, **SETTINGS, **shared, "group_id": topics + NAME,
                                "max_poll_records": BATCH, **settings})
    producer = None
    try:
        producer = KafkaProducer(**{**producer_settings(), **RECONNECT, **shared})
        _Turns(desk, consumer, producer, topics, running).run()
    finally:
        with suppress(KafkaError):
            consumer.close(autocommit=False, timeout_ms=int(LEAVE_SECONDS * 1000))
        if producer is not None:
            end_at_once(producer)


class _Turns(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, desk: Counter, consumer: KafkaConsumer, producer: KafkaProducer, topics: str,
                 running: Serving) -> None:
        self._desk, self._consumer, self._producer = desk, consumer, producer
        self._topics, (self._stop, self._say, self._watch) = topics, running
        self._answered: dict[TopicPartition, int] = {}
        """The offset after the last message of each partition whose outcome is acknowledged, where it is not committed
        yet."""
        self._new: set[TopicPartition] = set()

    def run(self) -> None:
        self._consumer.subscribe(topics=[self._topics + SUBMISSIONS], listener=self)
        while not self._stop.is_set():
            polled = self._consumer.poll(timeout_ms=POLL_MS)
            self._look_for_lost()
            batch = [record for records in polled.values() for record in records]
            if batch:
                before = self._desk.given.copy()
                self._deliver(self._desk.answers([Received(r.partition, r.offset, r.key, r.value, r.headers)
                                                  for r in batch]))
                for record in batch:
                    self._answered[TopicPartition(record.topic, record.partition)] = record.offset + 1
                self._watch.answered(self._desk.given - before)
            self._commit()
            self._watch.turn()
            if self._watch.due():
                self._watch.waiting(self._waiting())

    def _waiting(self) -> dict[int, int]:
        """As far as the client knows: it learns with each answer of a broker how long a partition is."""
        found = {}
        for tp in self._consumer.assignment():
            end, at = self._consumer.highwater(tp), self._consumer.position(tp, timeout_ms=0)
            if end is not None and at is not None:
                found[tp.partition] = max(end - at, 0)
        return found

    def _deliver(self, messages: Iterable[Message]) -> None:
        """Returns when all are acknowledged; else raises (RetriableError, or KafkaUnusable where it is to end), so that
        the offset stays where it is."""
        futures = [self._producer.send(self._topics + topic, key=key, value=value, headers=list(headers))
                   for topic, key, value, headers in messages]
        waited = leaving = 0.0
        while True:
            try:
                self._producer.flush(timeout=ACKNOWLEDGED_SECONDS)
                break
            except KafkaTimeoutError:
                waited += ACKNOWLEDGED_SECONDS
                leaving += ACKNOWLEDGED_SECONDS if self._stop.is_set() else 0.0
                if leaving == 0.0 and waited >= SILENT_SECONDS:
                    raise
                if leaving >= LEAVE_SECONDS:
                    raise KafkaUnusable("stopped while the brokers acknowledged no outcome: "
                                        "the submissions are answered again at the next start") from None
        for future in futures:
            future.get(timeout=0)

    def _commit(self) -> None:
        if self._answered:
            with suppress(*REJOIN):
                self._consumer.commit({tp: OffsetAndMetadata(offset, "", -1) for tp, offset in self._answered.items()},
                                      COMMIT_MS)
                self._answered.clear()

    def _look_for_lost(self) -> None:
        """Submissions that the topic has deleted before they were read: nobody can answer them any more, but it must be
        known."""
        for tp in tuple(self._new):
            try:
                stood = self._consumer.committed(tp, timeout_ms=COMMIT_MS)
                oldest = self._consumer.beginning_offsets([tp], timeout_ms=COMMIT_MS)[tp]
            except RetriableError:
                return
            self._new.discard(tp)
            if stood is not None and stood < oldest:
                self._watch.lost(oldest - stood)
                self._say(Note("intake/lost", "{count} submissions of partition {partition} (offsets {first} to {last})"
                               " were deleted by the topic's retention before they were read: their senders must submit"
                               " them again", "error", count=oldest - stood, partition=tp.partition, first=stood,
                               last=oldest - 1))

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._new |= set(assigned)

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """What was not committed comes again to its new owner, whose offset must not be moved back."""
        for tp in revoked:
            self._answered.pop(tp, None)
            self._new.discard(tp)

    def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        self.on_partitions_revoked(lost)

