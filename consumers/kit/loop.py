# ruff: noqa: S608 - statements are put together from names of our own only
"""The loop that all services share: poll, take each student's events once and in order, effects and position in one
transaction.

What counts is the position in the service's own database (NAME_positions). Every transaction begins by moving it on
from where this member believes it stands; where another member was faster nothing is moved, and nothing of the batch
happens. Kafka's group only shares the partitions out (cooperatively), its offsets are for tools that show lag.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import IllegalStateError, KafkaError, LogTruncationError, OffsetOutOfRangeError
from kafka.structs import OffsetAndMetadata

from consumers.database import Database, DatabaseAway, Transaction
from ledger.edges.log import Note
from ledger.wire.kafka import CONSUMER, connection, end_at_once, prefix, producer_settings
from ledger.wire.letters import Heartbeat, dead_letter
from ledger.wire.members import Cooperative
from ledger.wire.message import Message, header
from ledger.wire.reading import Unreadable, provenance
from ledger.wire.topics import DEAD_LETTER, EVENTS, HEARTBEAT, OUTCOMES, STATE, TOPICS

from .erasure import erase
from .metrics import Metrics
from .order import ANEW, REASONS, Former, NextEpoch, Order, OtherHistory, Todo, why
from .service import Ahead, Record, Service
from .states import career_of, student_of
from .tables import migrations

BATCH = 2000
"""Messages in a transaction, at most."""
POLL_MS = 500
IDLE_SECONDS = 0.25
REPORT_SECONDS = 1.0
RETRY_SECONDS = 1.0
RETRIED_STUDENTS = 100
"""Parked students tried again in one transaction."""
ACKNOWLEDGE_SECONDS = 60.0
LATE_SECONDS = 10
SETTINGS = {
    "partition_assignment_strategy": (Cooperative,), "auto_offset_reset": "none", "fetch_max_bytes": 16 << 20,
    "max_partition_fetch_bytes": 4 << 20, "metadata_max_age_ms": 30_000, "session_timeout_ms": 10_000,
    "bootstrap_timeout_ms": 5_000,
}
_KEPT = {topic.name: "retention.ms" not in topic.kept or topic.kept["retention.ms"] == "-1" for topic in TOPICS}
"""Whether a topic is kept for ever or compacted: then nothing that was not read may be gone."""

TOLD = frozenset({STATE, HEARTBEAT, OUTCOMES})
"""What the ledger fills beside the events: every message says whose it is."""
_TAKEN = (ValueError, KeyError, IllegalStateError)
"""What the client raises for a partition that was taken away a moment ago."""

Offsets = dict[TopicPartition, int]


class MessagesGone(RuntimeError):
    """The topic no longer holds what this consumer has not read; the text says how to mend it."""


class _Moved(Exception):
    """Another member has gone on with a partition: this one has to look again where it stands."""


class Loop:
    """Runs a service until `stop` is set. A member of the group: several may run at once, on one database."""

    def __init__(self, service: Service, database: Database, brokers: str, stop: threading.Event,
                 from_oldest: bool = False) -> None:
        self._service, self._database, self._stop = service, database, stop
        self._connection = connection(brokers)
        self._from_oldest = from_oldest
        self._prefix = prefix()
        self._group = f"{self._prefix}career-ledger.{service.name}"
        self.metrics = Metrics(service.name)
        self.log = logging.getLogger(f"consumers.{service.name}")
        self._order = Order(service)
        self._letters = _Letters({**self._connection, **producer_settings()}, self._prefix)
        self._positions = f"{service.name}_positions"
        self._fresh: set[TopicPartition] = set()
        self._next: Offsets = {}
        self._log_positions: Offsets = {}
        self._epoch: int | None = None
        self._stamps: Offsets = {}
        self._retried: set[TopicPartition] = set()
        self._committed: Offsets = {}
        self._idled = self._reported = 0.0
        self._trouble: str | None = None
        self._told: set[str] = set()
        self._scrubbed = False
        """Whether what was deleted of forgotten persons is gone from the disk too; not known of a process that was
        killed."""

    def run(self) -> None:
        """Returns when stopped. Raises MessagesGone, and whatever the service raises: a fault is not passed over."""
        with closing(self._service):
            while not self._stop.is_set():
                consumer = None
                try:
                    self._database.migrate(migrations(self._service))
                    consumer = KafkaConsumer(**{
                        **self._connection, **CONSUMER, **SETTINGS, "max_poll_records": BATCH, "group_id": self._group})
                    self._subscribe(consumer)
                    self._turns(consumer)
                except (DatabaseAway, KafkaError) as error:
                    self._away(error)
                finally:
                    self._next.clear()
                    self._letters.close()
                    if consumer is not None:
                        with suppress(KafkaError):
                            consumer.close(autocommit=False, timeout_ms=5000)

    def _away(self, error: Exception) -> None:
        """Waits a little; says so once."""
        text = f"{type(error).__name__}: {error}"
        if text != self._trouble:
            self.log.warning(Note("consumer/waiting", "waiting: {why}", why=text))
        self._trouble = text
        self.metrics.retry()
        self._stop.wait(RETRY_SECONDS)

    def _subscribe(self, consumer: KafkaConsumer) -> None:
        names = [self._prefix + name for name in self._service.topics]
        missing: set[str] = set()
        needed = {*names, self._prefix + DEAD_LETTER}
        while not self._stop.is_set() and (found := needed - consumer.topics()):
            if found != missing:
                self.log.warning(Note("consumer/no-topics", "waiting for topics that do not exist yet: {topics} "
                                      "(`career-ledger publish` creates them)", topics=", ".join(sorted(found))))
            missing = found
            self._stop.wait(RETRY_SECONDS)
        consumer.subscribe(topics=names, listener=_Listener(consumer, self._fresh))

    def _turns(self, consumer: KafkaConsumer) -> None:
        self._next.clear()
        self._committed.clear()
        while not self._stop.is_set():
            try:
                waiting = self._settle(consumer)
                polled = consumer.poll(timeout_ms=0 if waiting else POLL_MS)
                batch = {tp: records for tp, records in polled.items() if tp in self._next and tp not in self._fresh}
                if batch:
                    self._apply(batch)
                self._between(consumer)
                self._trouble = None
                self.metrics.turn()
            except _Moved:
                self.metrics.moved()
                self._next.clear()
            except (OffsetOutOfRangeError, LogTruncationError):
                self._next.clear()
            except DatabaseAway as error:
                self._next.clear()
                self._away(error)

    # Where each partition stands

    def _settle(self, consumer: KafkaConsumer) -> bool:
        """Seeks every partition that is new here, or whose batch was given up, to its stored position. Raises
        MessagesGone.

        The listener only pauses a new partition: it runs on the client's own thread, where nothing may wait for a
        database."""
        assigned = consumer.assignment()
        for tp in self._next.keys() - assigned:
            del self._next[tp]
        todo = sorted(tp for tp in assigned if tp in self._fresh or tp not in self._next)
        if not todo:
            return False
        self._fresh.difference_update(todo)
        for tp in todo:
            self._next.pop(tp, None)
        stood = self._stored(todo)
        oldest, newest = self._held(consumer, todo, stood)
        gone: dict[str, int] = {}
        starts: Offsets = {}
        for tp in todo:
            name = self._name(tp)
            offset, position = stood.get(tp, (0 if _KEPT[name] else oldest[tp], 0))
            self._log_positions[tp] = position
            starts[tp] = offset
            if oldest[tp] <= offset <= newest[tp]:
                continue
            starts[tp] = oldest[tp]
            text = (f"{tp.topic}, partition {tp.partition}: this consumer stands at offset {offset}, "
                    f"the topic holds {oldest[tp]} to {newest[tp]}")
            if self._from_oldest or not _KEPT[name]:
                self.log.warning(Note("consumer/from-oldest", "{what}: goes on from {offset}", what=text,
                                      offset=oldest[tp]))
            else:
                # shorter than what was read: another topic by the same name; and states are not in the order of the log
                gone[text] = position + 1 if name == EVENTS and offset <= newest[tp] else 1
        if gone:
            raise MessagesGone("\n".join([
                *gone, "What lies between is gone from the topic. Start this consumer with --from-oldest, "
                f"and have the ledger send it again: career-ledger publish --from {min(gone.values())}"]))
        with self._database.transaction() as tx:
            for tp, offset in starts.items():
                place = {"topic": self._name(tp), "part": tp.partition, "to": offset}
                if tp not in stood:
                    tx.run(f"INSERT INTO {self._positions} (topic, part, next_offset, log_position) VALUES (:topic, "
                           ":part, :to, 0) ON CONFLICT (topic, part) DO NOTHING", place)
                elif stood[tp][0] != offset:
                    self._move(tx, tp, stood[tp][0], offset, self._log_positions[tp])
                    if _KEPT[self._name(tp)]:
                        self._service.skipped(tx, self._name(tp), tp.partition)
        for tp, offset in starts.items():
            with suppress(*_TAKEN):
                consumer.seek(tp, offset)
                self._next[tp] = offset
        for tp in self._next.keys() & starts.keys():
            self._retry(tp)
            with suppress(*_TAKEN):
                consumer.resume(tp)
        return True

    def _held(self, consumer: KafkaConsumer, todo: list[TopicPartition],
              stood: dict[TopicPartition, tuple[int, int]]) -> tuple[Any, Any]:
        """The offset of the oldest message of each partition, and the one after the newest: a new leader may learn it
        late."""
        for _ in range(LATE_SECONDS):
            oldest, newest = consumer.beginning_offsets(todo), consumer.end_offsets(todo)
            if all(stood[tp][0] <= newest[tp] for tp in stood) or self._stop.wait(1.0):
                break
        return oldest, newest

    def _stored(self, todo: Iterable[TopicPartition]) -> dict[TopicPartition, tuple[int, int]]:
        """Next offset and newest position in the log of each partition that was ever begun."""
        rows = self._database.ask(f"SELECT topic, part, next_offset, log_position FROM {self._positions}")
        found = {TopicPartition(self._prefix + topic, part): (offset, position)
                 for topic, part, offset, position in rows}
        return {tp: found[tp] for tp in todo if tp in found}

    def _move(self, tx: Transaction, tp: TopicPartition, at: int, to: int, position: int) -> None:
        moved = tx.run(f"UPDATE {self._positions} SET next_offset = :to, log_position = :position "
                       "WHERE topic = :topic AND part = :part AND next_offset = :at",
                       {"topic": self._name(tp), "part": tp.partition, "at": at, "to": to, "position": position})
        if moved != 1:
            raise _Moved

    def _retry(self, tp: TopicPartition) -> None:
        """Once in a process and partition, what could not be read is tried again: this may be a newer release."""
        if self._name(tp) != EVENTS or tp in self._retried:
            return
        student: str | None = ""
        while student is not None and not self._stop.is_set():
            with self._database.transaction() as tx:
                self._move(tx, tp, self._next[tp], self._next[tp], self._log_positions[tp])
                todo, student = self._order.retry(tx, tp.partition, student, RETRIED_STUDENTS)
                self._effects(tx, todo)
            self._say(todo)
        self._retried.add(tp)

    # A batch

    def _apply(self, polled: dict[TopicPartition, Sequence[Any]]) -> None:
        batch = {tp: _records(self._name(tp), polled[tp]) for tp in sorted(polled)}
        while True:
            try:
                self._take(batch)
                return
            except NextEpoch as error:
                with self._database.transaction() as tx:
                    begun = self._order.begin_epoch(tx, error.epoch)
                if begun:
                    self.log.warning(Note("consumer/epoch", "epoch {epoch} of the ledger begins: what was known before "
                                          "is given up and comes anew", epoch=error.epoch))

    def _take(self, batch: dict[TopicPartition, list[Record]]) -> None:
        """Raises NextEpoch, and then nothing has happened."""
        begun = time.perf_counter()
        after = {tp: records[-1].offset + 1 for tp, records in batch.items()}
        with self._database.transaction() as tx:
            self._order.begin(tx)
            known = self._log_positions if self._epoch == self._order.epoch else dict.fromkeys(self._log_positions, 0)
            reached = {tp: max(known[tp], _log_position(records[-1], self._order.epoch))
                       for tp, records in batch.items()}
            for tp in batch:
                self._move(tx, tp, self._next[tp], after[tp], reached[tp])
            todo = self._order.take(tx,
                                    [r for tp, records in batch.items() if self._name(tp) == EVENTS for r in records])
            for tp, records in batch.items():
                if self._name(tp) != EVENTS:
                    self._messages(tx, self._name(tp), records, todo)
            self._effects(tx, todo)
        self._next |= after
        self._epoch, self._log_positions = self._order.epoch, known | reached
        self._stamps |= {tp: records[-1].timestamp for tp, records in batch.items()}
        counted: Counter[str] = Counter()
        for tp, records in batch.items():
            counted[self._name(tp)] += len(records)
        self.metrics.batch(counted.items(), todo.duplicates, (why(error) for _, error in todo.letters),
                           time.perf_counter() - begun)
        self._say(todo)

    def _messages(self, tx: Transaction, topic: str, records: Sequence[Record], todo: Todo) -> None:
        found: list[tuple[Record, Any]] = []
        gone = self._order.erased(tx, {student_of(record) for record in records}) if topic == STATE else set()
        gone.update(todo.erased)
        for record in records:
            if topic == STATE and student_of(record) in gone:
                continue
            try:
                if topic in TOLD:
                    self._order.check(tx, provenance(record.headers, event=False))
                if topic == STATE and record.value is None:
                    student, _ = career_of(record)
                    gone.add(student)
                    todo.erased.append(student)
                    continue
                said = self._service.read(record)
                if topic == HEARTBEAT:
                    self._agrees(said)
                found.append((record, said))
            except Former:
                continue
            except Unreadable as error:
                if topic == HEARTBEAT and isinstance(error, OtherHistory | Ahead):
                    todo.passed_over.append((record, error))  # another comes every few seconds
                    continue
                todo.letters.append((record, error))
                if found:
                    self._service.messages(tx, topic, found)
                    found = []
                self._service.unusable(tx, record, error)
        if found:
            self._service.messages(tx, topic, found)

    def _agrees(self, heartbeat: Heartbeat) -> None:
        """Raises OtherHistory where we have read less of a partition than it speaks of, and yet events above its
        position."""
        for tp, at in self._next.items():
            if heartbeat.topic == EVENTS == self._name(tp) and at <= heartbeat.offsets.get(tp.partition, 0) and (
                    self._log_positions[tp] > heartbeat.position):
                raise OtherHistory("position: the ledger is behind what it had sent before (a backup was restored?); "
                                   f"{ANEW}")

    def _effects(self, tx: Transaction, todo: Todo) -> None:
        """The service's own, then whoever was forgotten, and the dead letters, which are acknowledged before the
        transaction ends."""
        if todo.found:
            self._service.events(tx, todo.found)
        if todo.erased:
            erase(tx, self._service, todo.erased)
        if todo.letters:
            self._letters.send([dead_letter(self._service.name, str(error), self._prefix + r.topic,
                                            r.partition, r.offset, r.key, r.value,
                                            list(r.headers)) for r, error in todo.letters])

    def _say(self, todo: Todo) -> None:
        """Alarms, after they have become true. No content, and no student but by pseudonym."""
        for alarm in todo.alarms:
            place = alarm.record
            self.log.error(Note(
                "consumer/parked", "parked: student {student} waits for version {version} ({why}: {text}), {topic} "
                "partition {partition} offset {offset}", student=alarm.student, version=alarm.waits_for, why=alarm.why,
                text=alarm.text, topic=place.topic, partition=place.partition, offset=place.offset))
        for record, error in todo.letters:
            self.log.error(Note("consumer/dead-letter", "dead letter: {topic} partition {partition} offset {offset} "
                                "({why}: {text})", **_place(record, error)))
        for record, error in todo.passed_over:
            if str(error) not in self._told:
                self._told.add(str(error))
                self.log.error(Note("consumer/heartbeats-passed-over", "heartbeats are passed over from {topic} "
                                    "partition {partition} offset {offset} on ({why}: {text})",
                                    **_place(record, error)))
        if todo.erased:
            self._scrubbed = False
            self.log.info(Note("consumer/forgotten", "all that was held of persons who were forgotten is deleted: "
                               "{count}", count=len(set(todo.erased))))
        for student in todo.mended:
            self.log.warning(Note("consumer/mended", "mended: student {student} is no longer parked", student=student))

    # Between batches

    def _between(self, consumer: KafkaConsumer) -> None:
        if not self._scrubbed:
            self._scrubbed = self._database.scrub()
        now = time.monotonic()
        if now - self._idled >= IDLE_SECONDS:
            self._service.idle(self._database)
            self._idled = now
        if now - self._reported >= REPORT_SECONDS:
            self._reported = now
            self._pass_holes(consumer)
            self._report(consumer)
            self._commit(consumer)

    def _pass_holes(self, consumer: KafkaConsumer) -> None:
        """Where compaction has taken the last messages, the reader moves on without getting any."""
        for tp, at in self._next.items():
            to = None
            with suppress(*_TAKEN):
                to = consumer.position(tp, timeout_ms=0) if tp not in self._fresh else None
            if to is not None and to > at:
                with self._database.transaction() as tx:
                    self._move(tx, tp, at, to, self._log_positions[tp])
                self._next[tp] = to

    def _report(self, consumer: KafkaConsumer) -> None:
        lags, oldest = {}, None
        for tp, at in self._next.items():
            end = None
            with suppress(*_TAKEN):
                end = consumer.highwater(tp)
            lags[self._name(tp), tp.partition] = waiting = max((end or at) - at, 0)
            if waiting and tp in self._stamps:
                oldest = min(oldest or self._stamps[tp], self._stamps[tp])
        self.metrics.lag(lags, max(time.time() - oldest / 1000, 0.0) if oldest is not None else 0.0)
        for reason in REASONS:
            [(students,)] = self._database.ask(f"SELECT count(*) FROM {self._service.name}_parked WHERE reason = "
                                               ":reason",
                                               {"reason": reason})
            self.metrics.parked(reason, students)

    def _commit(self, consumer: KafkaConsumer) -> None:
        """For tools that show lag; whether it works makes no difference."""
        changed = {tp: OffsetAndMetadata(at, "", -1) for tp, at in self._next.items() if self._committed.get(tp) != at}
        if changed:
            consumer.commit_async(changed, callback=lambda offsets, response: None)
            self._committed |= {tp: found.offset for tp, found in changed.items()}

    def _name(self, tp: TopicPartition) -> str:
        name: str = tp.topic
        return name[len(self._prefix):]


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """New partitions wait until the loop has sought them. Nothing is ever half done when one goes: batches end before
    the next poll."""

    def __init__(self, consumer: KafkaConsumer, fresh: set[TopicPartition]) -> None:
        self._consumer, self._fresh = consumer, fresh

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        for tp in assigned:
            self._consumer.pause(tp)
            self._consumer.seek(tp, 0)
            self._fresh.add(tp)

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """The loop sees it from the assignment."""


class _Letters:
    """Sends dead letters and waits until all are acknowledged."""

    def __init__(self, settings: dict[str, Any], topic_prefix: str) -> None:
        self._settings, self._prefix = settings, topic_prefix
        self._producer: KafkaProducer | None = None

    def send(self, letters: Sequence[Message]) -> None:
        """Raises KafkaError where one may be missing: then all are sent again, with the batch."""
        if self._producer is None:
            self._producer = KafkaProducer(**self._settings)
        sent = [self._producer.send(self._prefix + one.topic, key=one.key, value=one.value, headers=list(one.headers))
                for one in letters]
        self._producer.flush(timeout=ACKNOWLEDGE_SECONDS)
        for future in sent:
            future.get(timeout=0)

    def close(self) -> None:
        if self._producer is not None:
            end_at_once(self._producer)
            self._producer = None


def _records(topic: str, polled: Iterable[Any]) -> list[Record]:
    return [Record(topic, r.partition, r.offset, r.timestamp, r.key, r.value,
                   r.headers if None not in [value for _, value in r.headers]
                   else [(name, value or b"") for name, value in r.headers]) for r in polled]


def _log_position(record: Record, epoch: int | None) -> int:
    """0 of another epoch."""
    if epoch is not None and header(record.headers, "epoch") not in (None, str(epoch)):
        return 0
    text = header(record.headers, "position") or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _place(record: Record, error: Unreadable) -> dict[str, Any]:
    """For what is said of a message that cannot be read: where it is and why, never what it holds."""
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset, "why": why(error),
            "text": error}
