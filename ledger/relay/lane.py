"""One lane: takes prepared chunks, sends them, waits for every acknowledgement, and only then stores the position."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from uuid import UUID

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from ledger.edges.log import Note
from ledger.store import SetAside
from ledger.wire.kafka import CONSUMER, KafkaUnusable, connection, producer_settings
from ledger.wire.letters import Heartbeat
from ledger.wire.message import History, Message
from ledger.wire.topics import TOPICS, Topic

from .positions import Positions, TopicPosition
from .prepare import Chunk, Preparer, Ready, now

BEAT_SECONDS = 2.0
LONGEST: Mapping[str, int] = {topic.name: topic.longest for topic in TOPICS}


class Undelivered(RuntimeError):
    """Kafka did not take a message. Nothing further may be sent before this one: the position
    stays, begin again from there."""


def producer_for(brokers: str) -> KafkaProducer:
    """With the settings of all programs of this project. Raises KafkaError where no broker answers."""
    return KafkaProducer(**connection(brokers), **producer_settings())


def deliver(producer: KafkaProducer, topic: str, messages: Iterable[Ready],
            seconds: float | None = None) -> dict[int, int]:
    """Sends, waits for the acknowledgements (None: as long as it takes), and returns per partition the offset after the
    last message, -1 where the broker did not tell it. Raises Undelivered, KafkaTimeoutError."""
    futures = [producer.send(topic, value, key, headers, partition) for partition, key, value, headers in messages]
    producer.flush(timeout=seconds)
    following: dict[int, int] = {}
    for future in futures:
        if not future.is_done or future.failed():
            error = future.exception
            raise Undelivered(f"{topic}: a message was not delivered: {type(error).__name__}") from error
        found = future.value
        following[found.partition] = found.offset + 1 if found.offset >= 0 else -1
    return following


def end_offsets(brokers: str, topic: str, partitions: int) -> dict[int, int]:
    """Partition -> offset of the next message, as the brokers say. Raises KafkaError."""
    consumer = KafkaConsumer(**connection(brokers), **CONSUMER)
    try:
        found = consumer.end_offsets([TopicPartition(topic, number) for number in range(partitions)])
        return {one.partition: offset for one, offset in found.items()}
    finally:
        consumer.close(autocommit=False)


def check_lengths(name: str, messages: Sequence[Ready]) -> None:
    """Raises KafkaUnusable for a message that its topic cannot take, before anything of its chunk is sent."""
    longest = LONGEST[name]
    for _, key, value, _ in messages:
        if value is not None and len(value) + 4096 > longest:
            raise KafkaUnusable(f"the message {(key or b'').decode()} for {name} has {len(value)} bytes and the topic "
                                f"takes {longest}: void what makes it so long (a study plan?), "
                                "or raise `longest` in ledger/wire/topics.py and the topic's max.message.bytes")


class Lane(threading.Thread):
    """Waits for `begin` and runs until `stop` is set, or until `failure` says why not. `caught_up`: the end of the log
    was reached once, and everything up to there is acknowledged. `sent`: events since the beginning. `waiting_since`:
    an acknowledgement is waited for since this moment of the monotonic clock."""

    def __init__(self, url: str, brokers: str, topic: Topic, standing: TopicPosition, heartbeat: str, history: History,
                 prepare: Callable[[TopicPosition], Preparer], say: Callable[[str], None] = lambda _: None) -> None:
        super().__init__(name=f"lane-{topic.name}", daemon=True)
        self.topic, self.standing, self.begin, self.stop = topic, standing, threading.Event(), threading.Event()
        self.failure: BaseException | None = None
        self.caught_up = threading.Event()
        self.waiting_since: float | None = None
        self.sent = 0
        self.say = say
        self._url, self._brokers, self._heartbeat = url, brokers, heartbeat
        self._history, self._prepare = history, prepare
        self._idle = False
        self._offsets: dict[int, int] = {}
        self._sent_at_beat = 0
        self._last_beat = time.monotonic()
        self._preparer: Preparer | None = None

    def wake(self) -> None:
        """Something was appended."""
        if self._idle and self._preparer is not None:
            self._idle = False
            self._preparer.wake()

    def abandon(self) -> None:
        """The process is about to end, whatever the lane does: nobody prepares anything for it any more."""
        if self._preparer is not None:
            self._preparer.kill()

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self.failure = error

    def _work(self) -> None:
        self._preparer = self._prepare(self.standing)
        producer = producer_for(self._brokers)
        self._offsets = end_offsets(self._brokers, self.standing.topic, self.standing.partitions)
        with Positions(self._url) as positions:
            while not self.begin.wait(0.1) and not self.stop.is_set():
                pass
            self._preparer.wake()
            while not self.stop.is_set():
                chunk = self._preparer.next(max(0.0, min(0.2, self._last_beat + BEAT_SECONDS - time.monotonic())))
                if chunk is not None:
                    self._take(producer, positions, chunk)
                if time.monotonic() - self._last_beat >= BEAT_SECONDS:
                    self._beat(producer, positions)
            self._beat(producer, positions)
        self._preparer.close()
        producer.close()

    def _take(self, producer: KafkaProducer, positions: Positions, chunk: Chunk) -> None:
        if chunk.messages:
            check_lengths(self.topic.name, chunk.messages)
            self._acknowledged(producer, self.standing.topic, chunk.messages)
        if chunk.aside:
            ones = [SetAside(UUID(stream), student, position, why) for stream, student, position, why in chunk.aside]
            positions.set_aside(self.standing.topic, ones)
            for one in ones:
                self.say(Note("relay/set-aside", "{topic}: set aside, everybody else goes on: {why}; see `career-ledger"
                              " publish --status`", "error", topic=self.standing.topic, why=one.why,
                              position=one.position))
        if chunk.taken_up:
            positions.taken_up(self.standing.topic, [UUID(stream) for stream in chunk.taken_up])
        complete_at = chunk.complete_at or self.standing.complete_at
        if chunk.events:
            self.sent += chunk.events
            self.standing = positions.move(self.standing, chunk.position, complete_at, now(), self.standing.rate)
        elif complete_at != self.standing.complete_at:
            self.standing = self.standing.known(complete_at)
        if chunk.complete_at is not None:
            self._idle = True
            self.caught_up.set()

    def _beat(self, producer: KafkaProducer, positions: Positions) -> None:
        """Says how far the topic goes. What is said was acknowledged before: a heartbeat never promises
        what is still on its way."""
        positions.check_clock()
        instant = time.monotonic()
        rate = (self.sent - self._sent_at_beat) / (instant - self._last_beat)
        self._sent_at_beat, self._last_beat = self.sent, instant
        if self.standing.complete_at is not None:
            beat = Heartbeat(topic=self.topic.name, at=now(), complete_at=self.standing.complete_at,
                             position=self.standing.position, offsets=self._offsets)
            message: Message = beat.message(self._history)
            self._acknowledged(producer, self._heartbeat, [(0, message.key, message.value, list(message.headers))])
        self.standing = positions.move(self.standing, self.standing.position, self.standing.complete_at,
                                       now(), round(rate, 1))

    def _acknowledged(self, producer: KafkaProducer, topic: str, messages: Sequence[Ready]) -> None:
        self.waiting_since = time.monotonic()
        following = deliver(producer, topic, messages)
        self.waiting_since = None
        if topic != self._heartbeat:
            if -1 in following.values():
                following = end_offsets(self._brokers, topic, self.standing.partitions)
            self._offsets |= following
