"""Topics of a test's own on the real broker, invented events, and consumers as processes or threads."""

import itertools
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, MemberToRemove, NewTopic
from kafka.errors import BrokerResponseError

from consumers.database import Database
from consumers.kit.loop import Loop, MessagesGone
from consumers.kit.service import Service
from ledger.domain.events import Event
from ledger.relay.states import states
from ledger.wire.events import message
from ledger.wire.kafka import BROKERS, PREFIX, PRODUCER
from ledger.wire.message import History, Message
from ledger.wire.state import message as state_message
from ledger.wire.topics import TOPICS
from tests.processes import Program
from tests.reader import READER
from tests.sizes import sized
from tests.waiting import eventually

ORIGIN = History("test", 1, "/test")
ROUNDS = sized(2, 4, 50)
"""How often a process is killed, or members come and go."""
SEND_SECONDS = 300.0
"""More than any test keeps its brokers away."""


class Traffic(NamedTuple):
    """What was sent, and the offset after the last message of each partition."""

    sent: list[Message]
    ends: dict[TopicPartition, int]


class Topics:
    """All topics under a prefix of the test's own."""

    def __init__(self, bootstrap: str, prefix: str, partitions: int = 3, replicas: int = 1) -> None:
        self.bootstrap, self.prefix, self.partitions = bootstrap, prefix, partitions
        self._admin = KafkaAdminClient(bootstrap_servers=bootstrap)
        self._admin.create_topics([
            NewTopic(prefix + topic.name, 1 if topic.one_partition else partitions, replicas,
                     topic_configs=topic.settings(replicas))
            for topic in TOPICS])
        self._producer = KafkaProducer(bootstrap_servers=bootstrap, **PRODUCER)

    def send(self, messages: Iterable[Message]) -> dict[TopicPartition, int]:
        """Acknowledged when it returns. The offset after the last of them, per partition."""
        sent = [self._producer.send(self.prefix + m.topic, key=m.key, value=m.value, headers=list(m.headers))
                for m in messages]
        self._producer.flush(timeout=SEND_SECONDS)
        ends: dict[TopicPartition, int] = {}
        for future in sent:
            found = future.get(timeout=0)
            at = TopicPartition(found.topic, found.partition)
            ends[at] = max(ends.get(at, 0), found.offset + 1)
        return ends

    def read(self, topic: str) -> list[Any]:
        """Everything on a topic."""
        with KafkaConsumer(bootstrap_servers=self.bootstrap, auto_offset_reset="earliest", **READER) as consumer:
            parts = [TopicPartition(self.prefix + topic, n)
                     for n in sorted(consumer.partitions_for_topic(self.prefix + topic))]
            consumer.assign(parts)
            ends = consumer.end_offsets(parts)
            consumer.seek_to_beginning()
            found: list[Any] = []
            while any(consumer.position(tp) < ends[tp] for tp in parts):
                for records in consumer.poll(timeout_ms=500).values():
                    found += records
            return found

    def ends(self, topic: str) -> dict[TopicPartition, int]:
        """The offset after the newest message of each partition."""
        with KafkaConsumer(bootstrap_servers=self.bootstrap, **READER) as consumer:
            found: dict[TopicPartition, int] = consumer.end_offsets(
                [TopicPartition(self.prefix + topic, n) for n in consumer.partitions_for_topic(self.prefix + topic)])
            return found

    def forget(self, topic: str, before: int) -> None:
        """Takes away everything before an offset, in every partition, as retention does."""
        self._admin.delete_records({tp: min(before, end) for tp, end in self.ends(topic).items()})

    def lose(self, offsets: dict[TopicPartition, int]) -> None:
        """Takes away everything before these offsets, also of a compacted topic, which is asked to keep its
        messages by time meanwhile."""
        names = {tp.topic for tp in offsets}
        self._policy(names, "delete")

        def is_lost() -> bool:
            try:
                self._admin.delete_records(offsets)
            except BrokerResponseError as error:  # the partitions' leaders have not heard of it yet
                if "PolicyViolation" not in f"{type(error).__name__} {error}":
                    raise
                return False
            return True

        eventually(is_lost, "the messages are deleted")
        self._policy(names, None)

    def _policy(self, names: set[str], policy: str | None) -> None:
        how = {name: topic.settings(1) | ({"retention.ms": "-1", "cleanup.policy": policy} if policy else {})
               for topic in TOPICS if (name := self.prefix + topic.name) in names}
        self._admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs)
                                   for name, configs in how.items()])

    def forget_group(self, name: str) -> None:
        self._admin.delete_groups([f"{self.prefix}career-ledger.{name}"])

    def bury(self, name: str) -> None:
        """Takes all members out of a service's group, the dead ones too, which the brokers would otherwise wait for."""
        group = f"{self.prefix}career-ledger.{name}"
        found = self._admin.describe_groups([group])[group]
        members = [MemberToRemove(member_id=one["member_id"]) for one in found["members"]]
        if members:
            self._admin.remove_group_members(group, members)

    @contextmanager
    def traffic(self, messages: Iterator[Message], each: int = 20, pause: float = 0.02) -> Iterator["Traffic"]:
        """Sends these bit by bit until the block ends; all that was sent is acknowledged then."""
        done = Traffic([], {})
        enough = threading.Event()

        def send() -> None:
            while not enough.wait(pause):
                some = list(itertools.islice(messages, each))
                done.ends.update(self.send(some))
                done.sent.extend(some)

        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        try:
            yield done
        finally:
            enough.set()
            thread.join(SEND_SECONDS)
            assert not thread.is_alive()

    def close(self) -> None:
        self._producer.close(timeout=5)
        self._admin.close()


def an_event(student: str, version: int, position: int) -> dict[str, Any]:
    """A recorded event as JSON: every one differs."""
    return {"id": f"{student}-{version}", "type": "instalment-paid", "student": student, "career": f"{student}-B",
            "effective_on": "2026-02-10", "recorded_at": "2026-02-10T09:00:00Z", "source": "pagopa",
            "actor": "system:pagopa", "version": version, "position": position,
            "data": {"charge": "2025-26:instalment-1", "amount": f"{position}.00"}}


def as_message(record: dict[str, Any]) -> Message:
    return message(record, sha256(repr(record).encode()).hexdigest(), ORIGIN)


def forgotten(student: str, version: int, position: int) -> Message:
    """That the person was."""
    return as_message({name: value for name, value in an_event(student, version, position).items() if name != "career"}
                      | {"type": "person-forgotten", "data": {"authorities": ["rector", "data protection officer"]}})


def a_log(students: int, events: int, first: int = 1, versions: dict[str, int] | None = None) -> list[Message]:
    """So many events, of the students in turn, from position `first` on. `versions` goes on from there."""
    return list(itertools.islice(an_endless_log(students, first, versions), events))


def an_endless_log(students: int, first: int = 1, versions: dict[str, int] | None = None) -> Iterator[Message]:
    at = {} if versions is None else versions
    for n in itertools.count():
        student = f"S{n % students:04d}"
        at[student] = at.get(student, 0) + 1
        yield as_message(an_event(student, at[student], first + n))


def changed(one: Message, value: bytes | None = None, **headers: str | None) -> Message:
    """The same message with another value or other headers (None: without it)."""
    kept = [(name, text) for name, text in one.headers if name not in headers]
    return Message(one.topic, one.key, one.value if value is None else value,
                   [*kept, *((name, text.encode()) for name, text in headers.items() if text is not None)])


def state_messages(events: Sequence[Event], student: str, books: Any) -> list[Message]:
    return [state_message(state, ORIGIN) for state in states(events, student, books)]


def arrived(database: Database, service: str, ends: dict[TopicPartition, int], prefix: str) -> bool:
    """Whether a service has handled everything up to these offsets."""
    rows = database.ask(f"SELECT topic, part, next_offset FROM {service}_positions")
    at = {TopicPartition(prefix + topic, part): offset for topic, part, offset in rows}
    return all(at.get(tp, 0) >= end for tp, end in ends.items())


@contextmanager
def in_thread(service: Service, url: str, bootstrap: str, from_oldest: bool = False,
              group: str | None = None) -> Iterator[Loop]:
    """The loop within this process (in another consumer group than its own where one is given). An error of it is
    raised at the end."""
    stop = threading.Event()
    failed: list[BaseException] = []
    with Database(url) as database:
        loop = Loop(service, database, bootstrap, stop, from_oldest)
        loop._group = group or loop._group

        def run() -> None:
            try:
                loop.run()
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield loop
        finally:
            stop.set()
            thread.join(60)
            if failed:
                raise failed[0]
    assert not thread.is_alive()


def runs_into(service: Service, url: str, bootstrap: str) -> MessagesGone:
    """The error that the loop stops with by itself."""
    with Database(url) as database:
        try:
            Loop(service, database, bootstrap, threading.Event()).run()
        except MessagesGone as error:
            return error
    raise AssertionError("it did not stop")


class Member:
    """A consumer as a process."""

    def __init__(self, module: str, url: str, bootstrap: str, prefix: str, log: Path, *options: str) -> None:
        self.log = log
        self._said_before = log.stat().st_size if log.exists() else 0
        self.process = Program(module, "run", "--db", url, *options, out=log,
                               environment=os.environ | {BROKERS: bootstrap, PREFIX: prefix})

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)

    def stop(self) -> int:
        """As the system asks a service to stop, once it has started; its exit code."""
        eventually(lambda: self.process.poll() is not None or b"started" in self.log.read_bytes()[self._said_before:],
                   "started", 60)
        self.process.terminate()
        return self.process.wait(60)

    def said(self) -> str:
        return self.log.read_text(errors="replace")


def killed(rounds: int, topics: Topics, module: str, name: str, database: Database, log: Path, done: Callable[[], int],
           *options: str) -> None:
    """Starts a consumer again and again, during traffic, and kills it (-9) at random points: while it starts, and while
    it is at work, which `done` shows by a growing number."""
    pick = random.Random(5)
    stood = hits = 0
    for _ in range(rounds):
        member = Member(module, database.url, topics.bootstrap, topics.prefix, log, *options)
        if pick.random() < 0.8:
            eventually(lambda stood=stood: done() > stood, "at work")
        time.sleep(pick.uniform(0, 0.5))
        assert member.process.poll() is None, member.said()
        member.kill()
        now = done()
        hits, stood = hits + (now > stood), now
        topics.bury(name)
    assert hits >= rounds // 2


logging.getLogger("kafka").setLevel(logging.CRITICAL)
