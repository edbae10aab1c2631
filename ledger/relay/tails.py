"""Do the topics tell this ledger's history? Looked at before anything is sent.

A topic that holds events of another ledger, of another epoch, or events that this log does not have (it is an older
copy of itself) would give its readers two histories in one, in which versions and positions stand twice with other
content. The newest messages of every partition are compared: whose they are, and that the log holds the same event at
the position of the newest. Behind those of a former epoch everything comes again, under the number of this one.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from kafka import KafkaConsumer, TopicPartition
from pydantic import ValidationError

from ledger.store import EventStore
from ledger.wire.kafka import CONSUMER, PREFIX, KafkaUnusable, Made, connection, create_topics
from ledger.wire.letters import Heartbeat
from ledger.wire.message import History
from ledger.wire.topics import EVENTS, HEARTBEAT, STATE

LOG_PAGE = 5_000
LOOKED_AT = 100
"""Messages at the end of each partition: `publish --replay` may have put old ones behind the newest."""
SECONDS = 30.0


def check_history(store: EventStore, history: History, brokers: str, topics: Mapping[str, Made]) -> None:
    """Raises KafkaUnusable with what is wrong and how to go on, and KafkaError where the brokers do not answer."""
    consumer = KafkaConsumer(**connection(brokers), **CONSUMER)
    try:
        newest = {name: _newest(consumer, topics[name]) for name in (EVENTS, STATE, HEARTBEAT)}
    finally:
        consumer.close(autocommit=False)
    names = ", ".join(topics[name].name for name in (EVENTS, STATE, HEARTBEAT))
    anew = (f"stop the services, delete {names} (or choose another {PREFIX}), publish again, "
            "and let the services make their tables anew")
    for name in (EVENTS, STATE):
        for found in newest[name]:
            _is_of(found, history, topics[name].name, anew)
    mine = (history.origin, str(history.epoch))
    newest = {name: [one for one in found if _whose(one) == mine] for name, found in newest.items()}
    last = store.last_position()
    said = [_said(found) for found in newest[HEARTBEAT]]
    reached = max([*said, *(_position(found) for name in (EVENTS, STATE) for found in newest[name])], default=0)
    if reached > last:
        raise AboveTheLog(
            f"the topics hold events up to position {reached}, and the ledger ends at {last}: "
            "an older copy of the database (a backup?) stands in the place of the one that published. "
            f"Nothing was sent. Put the newer one back. If it is lost: docs/restore.md", reached)
    for found in newest[EVENTS]:
        records = store.records(_position(found) - 1, 1)
        if not records or (records[0][0], records[0][2]) != (_position(found), _text(found, "digest")):
            raise KafkaUnusable(
                f"at position {_position(found)} the topic {topics[EVENTS].name} holds another event than the ledger, "
                "which was restored from a backup and written on, or altered. Nothing was sent. "
                f"Put the database back that published. If it is lost: {anew}")


class AboveTheLog(KafkaUnusable):
    """The topic of events goes on above the log, up to the position `reached`."""

    def __init__(self, said: str, reached: int) -> None:
        super().__init__(said)
        self.reached = reached


class Beyond(NamedTuple):
    """What the topic of events holds and the log does not. `epoch`: the newest one in it, 0 where it is empty;
    `reached`: its highest position; `gone`: by student the versions, in order, of that epoch."""

    epoch: int
    reached: int
    gone: Mapping[str, Sequence[int]]


def beyond(store: EventStore, brokers: str) -> Beyond:
    """Reads all of it, once in a life of a ledger. Raises KafkaUnusable, KafkaError where the brokers do not answer."""
    made = create_topics(brokers)[EVENTS]
    consumer = KafkaConsumer(**connection(brokers), **CONSUMER)
    epoch, reached, origin = 0, 0, store.identity().origin
    gone: dict[str, set[int]] = {}
    try:
        for records in all_records(consumer, made):
            known = _in_the_log(store, records)
            for record in records:
                (whose, text), position = _whose(record), _position(record)
                if whose != origin:
                    raise KafkaUnusable(f"{made.name} holds what another ledger published: name this one's {PREFIX}")
                reached, its = max(reached, position), _number(text)
                if its > epoch:
                    epoch, gone = its, {}
                if its == epoch and known.get(position) != _text(record, "digest"):
                    gone.setdefault((record.key or b"").decode(), set()).add(_number(_text(record, "version")))
    finally:
        consumer.close(autocommit=False)
    return Beyond(epoch, reached, {student: sorted(versions) for student, versions in gone.items()})


def all_records(consumer: KafkaConsumer, made: Made) -> Iterator[list[Any]]:
    """All records, those of a partition at a time."""
    parts = [TopicPartition(made.name, number) for number in range(made.partitions)]
    consumer.assign(parts)
    consumer.seek_to_beginning(*parts)
    ends = consumer.end_offsets(parts)
    until = time.monotonic() + SECONDS
    while any(consumer.position(part) < ends[part] for part in parts):
        if time.monotonic() > until:
            raise KafkaUnusable(f"{made.name} cannot be read: the brokers have sent nothing for {SECONDS:.0f} seconds")
        for records in consumer.poll(timeout_ms=500).values():
            until = time.monotonic() + SECONDS
            yield records


def _in_the_log(store: EventStore, records: Sequence[Any]) -> Mapping[int, str]:
    """The digests of the log's events at the positions of these."""
    found: dict[int, str] = {}
    at = 0
    for position in sorted({_position(record) for record in records}):
        if position > at:
            rows = store.rows(position - 1, LOG_PAGE)
            at = rows[-1][0] if len(rows) == LOG_PAGE else 1 << 63
            found |= {row[0]: store.digest(row[4]) for row in rows}
    return found


def _newest(consumer: KafkaConsumer, made: Made) -> list[Any]:
    """Of each partition the last message, and the one with the highest position among the last ones."""
    parts = [TopicPartition(made.name, number) for number in range(made.partitions)]
    consumer.assign(parts)
    oldest, ends = consumer.beginning_offsets(parts), consumer.end_offsets(parts)
    for part in parts:
        consumer.seek(part, max(oldest[part], ends[part] - LOOKED_AT))
    found: dict[TopicPartition, list[Any]] = {part: [] for part in parts}
    until = time.monotonic() + SECONDS
    while any(consumer.position(part) < ends[part] for part in parts) and time.monotonic() < until:
        for part, records in consumer.poll(timeout_ms=500).items():
            found[part] += [record for record in records if record.offset < ends[part]]
    return [one for records in found.values() if records for one in (max(records, key=_reached), records[-1])]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _is_of(found: Any, history: History, topic: str, anew: str) -> None:
    origin, epoch = _whose(found)
    if not origin:
        raise KafkaUnusable(f"{topic} was filled by a release before this one, whose header `sha256` gives withheld "
                            f"values away: {anew}")
    if origin != history.origin:
        raise KafkaUnusable(f"{topic} holds what another ledger published ({origin}, this one is {history.origin}). "
                            f"Nothing was sent. Give each ledger a {PREFIX} of its own; "
                            f"where the other one is not needed any more: {anew}")
    if _number(epoch) > history.epoch:
        raise KafkaUnusable(f"{topic} holds epoch {epoch} of this ledger, which is in epoch {history.epoch}: it is an "
                            "older copy, from before a restore that was accepted. Nothing was sent. Put the newer one "
                            "back. If it is lost: docs/restore.md")


def _whose(found: Any) -> tuple[str, str]:
    return _text(found, "origin"), _text(found, "epoch")


def _reached(found: Any) -> tuple[int, int]:
    return _number(_whose(found)[1]), _position(found) or _said(found)


def _said(found: Any) -> int:
    """The position in a heartbeat, 0 where it cannot be read."""
    try:
        return Heartbeat.model_validate_json(found.value or b"").position
    except ValidationError:
        return 0


def _text(found: Any, name: str) -> str:
    return next((value or b"" for key, value in found.headers if key == name), b"").decode("ascii", "replace")


def _position(found: Any) -> int:
    return _number(_text(found, "position"))
