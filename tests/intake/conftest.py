"""Topics of a test's own, submissions in them, and intakes as processes."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient

from ledger.wire.kafka import PREFIX, PRODUCER, create_topics
from ledger.wire.topics import DEAD_LETTER, OUTCOMES, SUBMISSIONS
from tests.processes import LEDGER, Program
from tests.reader import READER
from tests.waiting import SECONDS, wait_for

PARTITIONS = 4


class Answer(NamedTuple):
    key: bytes
    value: bytes | None
    headers: dict[str, bytes]

    @property
    def outcome(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.value or b"")
        return found


class Topics:
    """The submissions' topic and its answers, under a prefix of their own."""

    def __init__(self, brokers: str, prefix: str) -> None:
        self.brokers, self.prefix, self.group = brokers, prefix, f"{prefix}career-ledger.intake"
        create_topics(brokers, PARTITIONS)
        self._producer = KafkaProducer(bootstrap_servers=brokers, **PRODUCER)
        self._reader = KafkaConsumer(bootstrap_servers=brokers, **READER, reconnect_backoff_max_ms=500)
        self._admin = KafkaAdminClient(bootstrap_servers=brokers, reconnect_backoff_max_ms=500)

    def send(self, *messages: tuple[bytes | None, bytes | None], headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """Keys and values."""
        futures = [self._producer.send(self.prefix + SUBMISSIONS, key=key, value=value, headers=list(headers))
                   for key, value in messages]
        self._producer.flush()
        for future in futures:
            future.get(timeout=0)

    def submit(self, *submissions: Mapping[str, Any]) -> None:
        self.send(*((one["student"].encode(), json.dumps(one).encode()) for one in submissions))

    def read(self, topic: str) -> list[Answer]:
        """Everything that is in it, each partition in order."""
        consumer = KafkaConsumer(bootstrap_servers=self.brokers, max_partition_fetch_bytes=8 << 20, **READER)
        try:
            parts = [TopicPartition(self.prefix + topic, n) for n in range(PARTITIONS)]
            consumer.assign(parts)
            ends = consumer.end_offsets(parts)
            consumer.seek_to_beginning(*parts)
            found = []
            while any(consumer.position(part) < end for part, end in ends.items()):
                for records in consumer.poll(timeout_ms=200).values():
                    found += [Answer(r.key, r.value, dict(r.headers)) for r in records]
            return found
        finally:
            consumer.close()

    def count(self, topic: str = OUTCOMES) -> int:
        """How many messages were ever written to it. Raises KafkaTimeoutError while no broker says."""
        return sum(self._reader.end_offsets([TopicPartition(self.prefix + topic, n) for n in range(PARTITIONS)],
                                            timeout_ms=5000).values())

    def committed(self) -> int:
        """How many submissions the group has behind it."""
        found = self._admin.list_group_offsets({self.group: None})
        return sum(one.offset for group in found.values() for one in group.values() if one.offset > 0)

    def forget_offsets(self) -> None:
        self._admin.delete_group_offsets(self.group,
                                         [TopicPartition(self.prefix + SUBMISSIONS, n) for n in range(PARTITIONS)])

    def delete_before(self, offset: int) -> None:
        """Of the only partition with messages, as the topic's retention does it."""
        parts = [TopicPartition(self.prefix + SUBMISSIONS, n) for n in range(PARTITIONS)]
        (part,) = (part for part, end in self._reader.end_offsets(parts).items() if end)
        self._admin.delete_records({part: offset})

    def close(self) -> None:
        self._producer.close(timeout=5)
        self._reader.close()
        self._admin.close()


@pytest.fixture
def topics(kafka_bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Topics]:
    monkeypatch.setenv(PREFIX, topic_prefix)
    found = Topics(kafka_bootstrap, topic_prefix)
    yield found
    found.close()


def start(url: str, topics: Topics, *settings: str) -> Program:
    """`career-ledger intake`, or the same with further settings of its consumer (NAME=JSON). The prefix is in the
    environment."""
    if settings:
        return Program("tests.intake.worker", url, topics.brokers, *settings)
    return Program(LEDGER, "--db", url, "intake", "--kafka", topics.brokers)


def finish(process: Program) -> tuple[int, str]:
    """Ends it with SIGTERM: exit code and standard error."""
    process.terminate()
    _, said = process.communicate(timeout=SECONDS)
    return process.returncode, said


@contextmanager
def intake(url: str, topics: Topics, *options: str) -> Iterator[Program]:
    """An intake that is ended at the end and must end well."""
    process = Program(LEDGER, "--db", url, "intake", "--kafka", topics.brokers, *options)
    try:
        yield process
        code, said = finish(process)
        assert code == 0, said
    finally:
        process.kill()
        process.communicate()


def answered(topics: Topics, count: int) -> None:
    """Waits until so many outcomes and dead letters were given."""
    wait_for(lambda: topics.count(OUTCOMES) + topics.count(DEAD_LETTER) >= count)
