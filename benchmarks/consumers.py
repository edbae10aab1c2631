"""The services with their database effects beside a raw kafka-python consumer that only writes
the same rows, in the same run.

    python infra/postgres run -- python infra/kafka run -- python -m benchmarks.consumers [--events 100000] [--runs 3]

`rows` is a service with one row an event: what the shared loop costs. The others are the real ones, each with its own
tables, from nothing through the whole log and the states and heartbeats that it subscribes to: an invented
population's, many times, as live students are mixed, and one state a career as the relay sends them after the fact. The
topics are filled once.

Raw: a consumer with the same settings on the same topics, and for each transaction of the service one with the same
statements and rows, the loop's own (positions, versions) among them. A rehearsal of the service puts them into a file;
raw runs the next ones after each poll (reading the file is not counted), checks nothing and asks nothing.

The rate counts from the first batch to the last commit, CPU is the process's own in that time, memory the most that was
resident in the first and in the second half. Each measurement is a process of its own on a new database; raw and
service take turns; medians. `notifications` stands at a day when instalments are due: its outbox fills, its directory
is empty, so nothing is sent. `treasury` has no payments to hand in. `archive` seals when the log is over: that is timed
by itself. Writes benchmarks/consumers.json.
"""

import argparse
import itertools
import json
import logging
import marshal
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar, cast
from uuid import uuid4

from kafka import KafkaConsumer, TopicPartition

from benchmarks import parts
from benchmarks.gate import questions
from benchmarks.run import ROOT, machine
from consumers.archive.service import Archive, seal_through
from consumers.booking_gate.service import BookingGate
from consumers.database import NOTHING, Database, Parameters, Transaction
from consumers.kit.loop import BATCH, SETTINGS, Loop
from consumers.kit.service import Record, Service
from consumers.kit.tables import migrations
from consumers.notifications.letter import From
from consumers.notifications.service import Notifications
from consumers.treasury.service import Treasury
from ledger.domain.values import format_instant
from ledger.edges.memory import spare_the_collector
from ledger.edges.post import MailServer, Post
from ledger.sql.migrations import statements
from ledger.wire.kafka import PREFIX, connection
from ledger.wire.letters import Heartbeat
from ledger.wire.message import Message
from ledger.wire.topics import EVENTS, STATE

BAR = 0.5
FLAT = 1.1
"""Memory is level where the second half holds at most so many times as much as the first."""
PARTITIONS, STUDENTS, CHUNK = 6, 200, 10_000
NOON = datetime(2026, 2, 12, 12, tzinfo=timezone.utc)
"""Of the notifications: five days before an instalment is due."""


class Rows(Service):
    name = "rows"
    topics = (EVENTS,)
    steps = (statements(
        "events", "CREATE TABLE rows_events (student TEXT NOT NULL, version BIGINT NOT NULL, position BIGINT NOT NULL, "
        "type TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (student, version))"),)

    def events(self, tx: Transaction, found: Sequence[tuple[Record, Any]]) -> None:
        tx.many("INSERT INTO rows_events (student, version, position, type, digest) VALUES (:student, :version, "
                ":position, :type, :digest)",
                [{"student": e.student, "version": e.version, "position": e.position, "type": e.type,
                  "digest": e.digest}
                 for _, e in found])


NAMES = ("rows", "booking_gate", "treasury", "notifications", "archive")


def service(name: str, brokers: str, folder: Path) -> Service:
    if name == "notifications":
        return Notifications(Post(MailServer("127.0.0.1", 9)), From("office@example.org"), clock=lambda: NOON)
    if name == "archive":
        return Archive(folder)
    return Treasury(brokers) if name == "treasury" else BookingGate() if name == "booking_gate" else Rows()


_T = TypeVar("_T")


class Clock:
    """Counts messages; knows how long they took, and the memory (resident MB) at each twentieth of the way."""

    def __init__(self, messages: int) -> None:
        self.all, self.done, self.begun = messages, 0, 0.0
        self.memory: list[float] = []
        self.ended = threading.Event()

    def begin(self) -> None:
        if not self.begun:
            self.begun, self._cpu = time.perf_counter(), time.process_time()

    def add(self, messages: int) -> None:
        self.done += messages
        while len(self.memory) < 20 and self.done >= self.all * (len(self.memory) + 1) / 20:
            self.memory.append(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6)
        if self.done >= self.all:
            self.seconds, self.cpu_seconds = time.perf_counter() - self.begun, time.process_time() - self._cpu
            self.ended.set()

    def without(self, act: Callable[[], _T]) -> _T:
        """Its time is not counted."""
        begun, cpu = time.perf_counter(), time.thread_time()
        found = act()
        if self.begun:
            self.begun, self._cpu = self.begun + time.perf_counter() - begun, self._cpu + time.thread_time() - cpu
        return found

    def figures(self) -> dict[str, Any]:
        return {"per_second": self.all / self.seconds, "cpu_us": self.cpu_seconds / self.all * 1e6,
                "memory": [max(self.memory[:10]), max(self.memory[10:])]}


class Timed(Loop):
    clock: Clock

    def _apply(self, polled: dict[TopicPartition, Sequence[Any]]) -> None:
        self.clock.begin()
        super()._apply(polled)
        self.clock.add(sum(map(len, polled.values())))


class Noted:
    """A transaction that notes what it writes."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self.written: list[tuple[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)

    def run(self, statement: str, parameters: Parameters = NOTHING) -> int:
        self.written.append((statement, dict(parameters)))
        return self._tx.run(statement, parameters)

    def many(self, statement: str, parameters: Sequence[Parameters]) -> None:
        self.written.append((statement, [dict(one) for one in parameters]))
        self._tx.many(statement, parameters)


_TABLE = re.compile(r"(?:INSERT INTO|UPDATE|DELETE FROM) (\w+)")


class Rehearsal(Database):
    """Puts into a file what each transaction writes, with the number of messages that were done before it; counts the
    rows by table (a statement that stands alone as one)."""

    def __init__(self, url: str, file: Any, clock: Clock) -> None:
        super().__init__(url)
        self._file, self._clock = file, clock
        self.rows: Counter[str] = Counter()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with super().transaction() as tx:
            noted = Noted(tx)
            yield cast(Transaction, noted)
        if noted.written:
            marshal.dump((self._clock.done, noted.written), self._file)
            self.rows["transactions"] += 1
        for statement, rows in noted.written:
            self.rows[_TABLE.findall(statement)[0]] += len(rows) if isinstance(rows, list) else 1


def noted(file: Any) -> Iterator[tuple[int, Any]]:
    """What a rehearsal of this run wrote."""
    while True:
        yield marshal.load(file)  # noqa: S302 - nobody else writes there, and nothing reads as fast


def with_loop(what: Service, database: Database, brokers: str, clock: Clock) -> dict[str, Any]:
    loop = Timed(what, database, brokers, clock.ended)
    loop.clock = clock
    loop.run()
    return clock.figures()


def raw(what: Service, database: Database, brokers: str, noted: Iterator[tuple[int, Any]],
        clock: Clock) -> dict[str, Any]:
    """Polls, and runs the transactions that the service had run by then."""
    settings = connection(brokers) | SETTINGS | {"auto_offset_reset": "earliest", "max_poll_records": BATCH,
                                                 "enable_auto_commit": False}
    with KafkaConsumer(**settings) as consumer:
        database.migrate(migrations(what))
        topics = [os.environ[PREFIX] + topic for topic in what.topics]
        consumer.assign([TopicPartition(topic, part) for topic in topics
                         for part in consumer.partitions_for_topic(topic)])
        before, written = next(noted)
        while not clock.ended.is_set():
            messages = sum(map(len, (polled := consumer.poll(timeout_ms=500)).values()))
            if not polled:
                continue
            clock.begin()
            while written and (before < clock.done + messages or clock.done + messages == clock.all):
                with database.transaction() as tx:
                    for statement, rows in written:
                        (tx.many if isinstance(rows, list) else tx.run)(statement, rows)
                before, written = clock.without(lambda: next(noted))
            clock.add(messages)
    return clock.figures()


def measured(given: argparse.Namespace) -> dict[str, Any]:
    """What a process of its own does."""
    logging.getLogger("kafka").setLevel(logging.ERROR)
    spare_the_collector()
    clock, file = Clock(given.events), given.folder / f"{given.service}.rows"
    with tempfile.TemporaryDirectory(dir=given.folder) as name, file.open(
            "wb" if given.measure == "rehearsal" else "ab+") as rows:
        rows.seek(0)
        what = service(given.service, given.kafka, Path(name))
        if given.measure == "rehearsal":
            with closing(Rehearsal(given.db, rows, clock)) as rehearsal:
                with_loop(what, rehearsal, given.kafka, clock)
                marshal.dump((clock.done, []), rows)
                return dict(rehearsal.rows)
        with Database(given.db) as database:
            if given.measure == "raw":
                return raw(what, database, given.kafka, noted(rows), clock)
            found = with_loop(what, database, given.kafka, clock)
            if isinstance(what, Archive):
                begun = time.perf_counter()
                seal_through(database, Path(name), datetime.now(timezone.utc).date())
                found["seal seconds"] = time.perf_counter() - begun
            return found


def fill(topics: Any, events: int) -> dict[str, int]:
    """Real messages of an invented population, in the order in which they were recorded, each as often as it takes:
    each time of another student. How many on each topic."""
    from ledger.wire.events import message
    from ledger.wire.topics import HEARTBEAT
    from tests.consumers.support import ORIGIN, state_messages
    from tests.projections.populations import BOOKS, population, streams

    log = [event.placed(n) for n, event in enumerate(population(STUDENTS), 1)]
    rounds = range(-(-events // len(log)))
    told = (message(event.as_json(), "0" * 64, ORIGIN) for event in log)
    states = [m for student, stream in streams(log).items() for m in state_messages(stream, student, BOOKS)]
    sent: Counter[str] = Counter()
    for topic, all_of_it in ((EVENTS, itertools.islice((_of_others(m, n) for m in told for n in rounds), events)),
                             (STATE, (_of_others(m, n, state=True) for m in states for n in rounds))):
        offsets: dict[int, int] = {}
        while found := list(itertools.islice(all_of_it, CHUNK)):
            offsets |= {tp.partition: end for tp, end in topics.send(found).items()}
            now = format_instant(datetime.now(timezone.utc))
            topics.send([Heartbeat(topic=topic, at=now, complete_at=now, position=len(log),
                                   offsets=offsets).message(ORIGIN)])
            sent.update({topic: len(found), HEARTBEAT: 1})
    return dict(sent)


def _of_others(m: Message, again: int, state: bool = False) -> Message:
    """The same message of another student: her pseudonym ends with the number of the round."""
    from hashlib import sha256

    key = m.key or b""
    student = key.split(b"/")[0]
    other = b"%s.%d" % (student, again)
    value = (m.value or b"").replace(b'"student":"%s"' % student, b'"student":"%s"' % other, 1)
    headers = [(name, sha256(value).hexdigest().encode() if name == "payload_sha256" else text)
               for name, text in m.headers]
    return Message(m.topic, other + key[len(student):] if state else other, value, headers)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--events", type=int, default=100_000)
    asked.add_argument("--runs", type=int, default=3)
    asked.add_argument("--databases", nargs="+", choices=("sqlite", "postgresql"), default=["sqlite", "postgresql"])
    asked.add_argument("--measure", choices=("rehearsal", "loop", "raw"), help=argparse.SUPPRESS)
    for name in ("service", "db", "kafka"):
        asked.add_argument(f"--{name}", help=argparse.SUPPRESS)
    asked.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.measure:
        print(json.dumps(measured(given)))
        return
    brokers, admin = os.environ.get("CAREER_LEDGER_TEST_KAFKA"), os.environ.get("CAREER_LEDGER_TEST_POSTGRES", "")
    if not brokers or ("postgresql" in given.databases and not admin):
        raise SystemExit("bench: no Kafka or no PostgreSQL: run `make bench-kafka`")
    from tests.consumers.support import Topics

    begun = time.perf_counter()
    spare_the_collector()
    os.environ[PREFIX] = f"bench{uuid4().hex[:8]}."
    with closing(Topics(brokers, os.environ[PREFIX], PARTITIONS)) as topics, tempfile.TemporaryDirectory() as name:
        sent = fill(topics, given.events)
        print(", ".join(f"{count:,} on {topic}" for topic, count in sent.items()), flush=True)
        bench = Bench(admin, brokers, Path(name), given.runs, sent)
        figures: dict[str, Any] = {"machine": machine(admin) if admin else {}, "messages": sent, "runs": given.runs,
                                   "raw writes": bench.rehearse()}
        for kind in given.databases:
            with parts.database(admin, Path(name), kind) as url:
                asked_ms = questions(url, STUDENTS, 20 * STUDENTS)
            figures[kind] = {"ms of a question": asked_ms, **{one: bench.compare(kind, one) for one in NAMES}}
            figures["minutes"] = round((time.perf_counter() - begun) / 60, 1)
            (ROOT / "benchmarks" / "consumers.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(f"in all {figures['minutes']:.0f} minutes")


class Bench:
    def __init__(self, admin: str, brokers: str, folder: Path, runs: int, sent: Mapping[str, int]) -> None:
        self._admin, self._brokers, self._folder, self._runs = admin, brokers, folder, runs
        self._messages = {name: sum(sent.get(topic, 0) for topic in service(name, brokers, folder).topics)
                          for name in NAMES}

    def rehearse(self) -> dict[str, Any]:
        with ThreadPoolExecutor(2) as both:
            found = dict(zip(NAMES, both.map(lambda name: self._measure("rehearsal", name, "sqlite"), NAMES),
                             strict=True))
        for name, rows in found.items():
            print(f"raw writes as {name}: " + ", ".join(f"{count:,} {table}" for table, count in sorted(rows.items())),
                  flush=True)
        return found

    def compare(self, kind: str, name: str) -> dict[str, Any]:
        """One of each in turn, so that a busy moment of the machine meets both."""
        ran: dict[str, list[dict[str, Any]]] = {"raw": [], "loop": []}
        for _ in range(self._runs):
            for how, one in ran.items():
                one.append(self._measure(how, name, kind))
        found: dict[str, Any] = {
            f"{how} {what}": statistics.median(one[what] for one in ran[how]) for what in ("per_second", "cpu_us")
            for how in ran}
        first, second = (statistics.median(one["memory"][half] for one in ran["loop"]) for half in (0, 1))
        ratio, level = found["loop per_second"] / found["raw per_second"], second <= first * FLAT
        print(f"{kind:11}{name:14}{found['loop per_second']:>8,.0f}/s   raw {found['raw per_second']:>8,.0f}/s   "
              f"{ratio:.2f} {'met' if ratio >= BAR else 'MISSED'}   CPU {found['loop cpu_us']:.0f} and "
              f"{found['raw cpu_us']:.0f} us a message   memory {first:.0f} and {second:.0f} MB "
              f"{'level' if level else 'GROWS'}", flush=True)
        if name == "archive":
            found["seal seconds"] = statistics.median(one["seal seconds"] for one in ran["loop"])
            print(f"{'':25}sealed in {found['seal seconds']:.1f} s", flush=True)
        return found | {"ratio": ratio, "bar": BAR, "MB in each half": [first, second], "level": level}

    def _measure(self, how: str, name: str, kind: str) -> dict[str, Any]:
        with parts.database(self._admin, self._folder, kind) as url:
            done = subprocess.run([
                sys.executable, "-m", "benchmarks.consumers", "--measure", how, "--service",
                name, "--db", url, "--kafka", self._brokers,
                "--events", str(self._messages[name]), "--folder", str(self._folder)], stdout=subprocess.PIPE,
                                  check=True)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found


if __name__ == "__main__":
    main()
