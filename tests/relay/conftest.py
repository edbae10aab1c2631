"""Topics of a test's own, relays as processes, and what the topics must hold: exactly the
log, and the newest states."""

import json
import os
import signal
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event as Flag
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner
from kafka import KafkaConsumer, TopicPartition

from ledger.entrypoints.cli import cli
from ledger.relay import Relay, prepare, status
from ledger.relay.prepare import EVENTS_CHUNK, STATES_CHUNK
from ledger.relay.states import states
from ledger.store import EventStore
from ledger.wire import events, state
from ledger.wire.kafka import PREFIX, history_of
from ledger.wire.letters import Heartbeat
from ledger.wire.message import History
from ledger.wire.topics import EVENTS, HEARTBEAT, STATE
from tests.processes import LEDGER, Program, pool
from tests.projections.populations import BOOKS
from tests.reader import READER
from tests.sizes import sized
from tests.waiting import SECONDS

prepare.pool = pool
ROUNDS = sized(2, 6, 100)
"""How often a process is killed."""


class Found(NamedTuple):
    partition: int
    offset: int
    key: str
    value: bytes | None
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.value or b"null")


class Topics:
    """What stands in the topics of a prefix."""

    def __init__(self, brokers: str, prefix: str) -> None:
        self.brokers, self.prefix = brokers, prefix
        self._counter = KafkaConsumer(bootstrap_servers=brokers, **READER, reconnect_backoff_max_ms=500)
        self.close = self._counter.close

    def read(self, topic: str) -> list[Found]:
        """Everything that is in it, each partition in order."""
        consumer = KafkaConsumer(bootstrap_servers=self.brokers, max_partition_fetch_bytes=8 << 20, **READER)
        try:
            parts = [TopicPartition(self.prefix + topic, n)
                     for n in sorted(consumer.partitions_for_topic(self.prefix + topic) or ())]
            if not parts:
                return []
            consumer.assign(parts)
            ends = consumer.end_offsets(parts)
            consumer.seek_to_beginning(*parts)
            found: list[Found] = []
            while any(consumer.position(part) < end for part, end in ends.items()):
                for records in consumer.poll(timeout_ms=200).values():
                    found += [Found(r.partition, r.offset, r.key.decode(), r.value,
                                    {k: v.decode() for k, v in r.headers})
                              for r in records if r.offset < ends[TopicPartition(r.topic, r.partition)]]
            return found
        finally:
            consumer.close(autocommit=False)

    def count(self, topic: str) -> int:
        """How many messages were ever written to it. Asked often: the connection stays. Raises KafkaTimeoutError while
        no broker says."""
        parts = [TopicPartition(self.prefix + topic, n)
                 for n in self._counter.partitions_for_topic(self.prefix + topic) or ()]
        return sum(self._counter.end_offsets(parts, timeout_ms=5000).values())

    def heartbeats(self, of: str) -> list[Heartbeat]:
        return [Heartbeat.model_validate_json(one.value) for one in self.read(HEARTBEAT) if one.key == of]


@pytest.fixture
def topics(kafka_bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Topics]:
    monkeypatch.setenv(PREFIX, topic_prefix)
    found = Topics(kafka_bootstrap, topic_prefix)
    yield found
    found.close()


def log(store: EventStore) -> list[tuple[int, dict[str, Any], str]]:
    found: list[tuple[int, dict[str, Any], str]] = []
    while page := store.records(found[-1][0] if found else 0, 5000):
        found += page
    return found


def of(store: EventStore) -> History:
    identity = store.identity()
    return history_of(identity.origin, identity.epoch)


def assert_topic_is_the_log(store: EventStore, topics: Topics, again: int = 0) -> None:
    """Per student every version, in order and without a hole where it first stands; at most `again`
    messages are repetitions, and those are the same bytes. Each message is what the stored event gives,
    hashes and headers included."""
    recorded = log(store)
    expected = {(r["student"], r["version"]): events.message(r, digest, of(store)) for _, r, digest in recorded}
    found = topics.read(EVENTS)
    seen: dict[str, int] = defaultdict(int)
    home: dict[str, int] = {}
    for one in found:
        version = int(one.headers["version"])
        message = expected[one.key, version]
        assert (one.value, one.headers) == (message.value, {name: value.decode() for name, value in message.headers})
        assert version <= seen[one.key] + 1, f"{one.key} jumps from {seen[one.key]} to {version} at offset {one.offset}"
        seen[one.key] = max(seen[one.key], version)
        assert home.setdefault(one.key, one.partition) == one.partition
    assert sum(seen.values()) == len(recorded), "the topic does not hold the whole log"
    assert len(found) - len(recorded) <= again


def assert_states_are_newest(store: EventStore, topics: Topics) -> None:
    """The latest message of every key is what the student's whole stream gives, and there is no other key."""
    latest = {one.key: one.value for one in topics.read(STATE)}
    expected = {}
    for student in store.students():
        for one in states(store.stream(student), student, BOOKS):
            message = state.message(one, of(store))
            expected[message.key.decode()] = message.value
    assert latest.keys() == expected.keys()
    assert [key for key in expected if latest[key] != expected[key]] == []


def published(url: str) -> bool:
    """Everything that is recorded is acknowledged, says the table."""
    found = status(url)
    return len(found["topics"]) == 2 and all(one["position"] == found["last_position"] for one in found["topics"])


def start(url: str, topics: Topics, *options: str, chunks: tuple[int, int] | None = None) -> Program:
    """`career-ledger publish`, with its own chunks or with others."""
    program = [LEDGER] if chunks is None else ["tests.relay.worker", *map(str, chunks)]
    return Program(*program, "--db", url, "publish", "--kafka", topics.brokers, "--partitions", "4", *options,
                   environment=os.environ | {PREFIX: topics.prefix})


def publish_once(url: str, topics: Topics, chunks: tuple[int, int] = (EVENTS_CHUNK, STATES_CHUNK)) -> None:
    """`publish --once` in this process."""
    Relay(url, BOOKS, topics.brokers, 4, None, chunks=chunks).run(Flag(), once=True)


def done(url: str, topics: Topics, *options: str, chunks: tuple[int, int] | None = None) -> tuple[int, str, str]:
    """The same, waited for: exit code, standard output and error."""
    process = start(url, topics, *options, chunks=chunks)
    try:
        said, error = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    return process.returncode, said, error


def command(url: str, *words: str) -> tuple[int, str, str]:
    """A command in this process: starting Python takes longer than most."""
    found = CliRunner().invoke(cli, ["--db", url, *words])
    return found.exit_code, found.stdout, found.stderr


def stopped(process: "Program | subprocess.Popen[str]") -> tuple[int, str]:
    """Ends it with SIGTERM: exit code and standard error."""
    process.send_signal(signal.SIGTERM)
    error = process.communicate(timeout=SECONDS)[1]
    return process.returncode, error


@contextmanager
def relay(url: str, topics: Topics, *options: str, chunks: tuple[int, int] | None = None) -> Iterator[Program]:
    """A relay that is ended at the end and must end well."""
    process = start(url, topics, *options, chunks=chunks)
    try:
        yield process
        code, error = stopped(process)
        assert code == 0, error
    finally:
        process.kill()
        process.communicate()


