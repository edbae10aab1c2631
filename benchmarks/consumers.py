"""Consumers with their database effects beside a raw kafka-python consumer that only writes the same rows, in the same run.

    python infra/postgres.py run -- python infra/kafka run -- python -m benchmarks.consumers --events 100000 --runs 3

`rows`: a service with one row an event (what the shared loop costs: reading and checking each message, once and in order).
`booking_gate`: the gate's own work, a row a career's state; and how long its answers take. Each measurement is a process of its own
on a new database; the rate counts from the first batch to the last commit, CPU is the process's own in that time, memory the most
that it held in the first and in the second half.
"""

import argparse
import json
import multiprocessing
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from consumers.booking_gate.service import TABLES, BookingGate
from consumers.command import spare_the_collector
from consumers.database import Database, Transaction
from consumers.loop import BATCH, SETTINGS, Loop
from consumers.service import Record, Service
from ledger.wire.kafka import PREFIX, connection
from ledger.wire.message import Message
from ledger.wire.topics import EVENTS, STATE

TABLE = ("CREATE TABLE IF NOT EXISTS rows_events (student TEXT NOT NULL, version BIGINT NOT NULL, position BIGINT NOT NULL, "
         "type TEXT NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (student, version))")
INSERT = "INSERT INTO rows_events (student, version, position, type, sha256) VALUES (:student, :version, :position, :type, :sha256)"
STATE_INSERT = (
    "INSERT INTO booking_gate_careers (student, career, part, place, position, law, value) VALUES (:student, :career, :part, :place, "
    ":position, :law, :value) ON CONFLICT (student, career) DO UPDATE SET part = excluded.part, place = excluded.place, "
    "position = excluded.position, law = excluded.law, value = excluded.value")


class Rows(Service):
    name = "rows"
    topics = (EVENTS,)
    tables = (TABLE,)

    def events(self, tx: Transaction, found: Sequence[tuple[Record, Any]]) -> None:
        tx.many(INSERT, [{"student": e.student, "version": e.version, "position": e.position, "type": e.type, "sha256": e.sha256}
                         for _, e in found])


class States(BookingGate):
    topics = (STATE,)


SERVICES: dict[str, type[Service]] = {"rows": Rows, "booking_gate": States}


class Clock:
    """Counts messages; knows when the first and the last were done, and the memory on the way."""

    def __init__(self, messages: int) -> None:
        self._all, self._done = messages, 0
        self.begun = 0.0
        self.memory: list[float] = []
        self.ended = threading.Event()

    def begin(self) -> None:
        if not self.begun:
            self.begun, self._cpu = time.perf_counter(), time.process_time()

    def add(self, messages: int) -> None:
        self._done += messages
        while len(self.memory) < 10 and self._done >= self._all * (len(self.memory) + 1) / 10:
            self.memory.append(_memory())
        if self._done >= self._all:
            self.seconds, self.cpu_seconds = time.perf_counter() - self.begun, time.process_time() - self._cpu
            self.ended.set()


def _memory() -> float:
    """Resident now, in MB."""
    return round(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


class Timed(Loop):
    clock: Clock

    def _apply(self, consumer: Any, polled: Any) -> None:
        self.clock.begin()
        super()._apply(consumer, polled)
        self.clock.add(sum(map(len, polled.values())))


def with_loop(name: str, url: str, brokers: str, clock: Clock) -> None:
    with Database(url) as database:
        loop = Timed(SERVICES[name](), database, brokers, clock.ended)
        loop.clock = clock
        loop.run()


def raw(name: str, url: str, brokers: str, clock: Clock) -> None:
    """Polls with the same settings; a transaction a batch with the same rows, taken from key and headers: nothing is read or checked."""
    topic = os.environ[PREFIX] + (EVENTS if name == "rows" else STATE)
    settings = connection(brokers) | SETTINGS | {"auto_offset_reset": "earliest", "max_poll_records": BATCH, "enable_auto_commit": False}
    with Database(url) as database, KafkaConsumer(**settings) as consumer:
        database.create((TABLE,) if name == "rows" else TABLES)
        consumer.assign([TopicPartition(topic, part) for part in consumer.partitions_for_topic(topic)])
        while not clock.ended.is_set():
            polled = consumer.poll(timeout_ms=500)
            if not polled:
                continue
            clock.begin()
            rows = []
            for records in polled.values():
                for r in records:
                    headers = dict(r.headers)
                    if name == "rows":
                        rows.append({"student": r.key.decode(), "version": int(headers["version"]), "position": int(headers["position"]),
                                     "type": headers["event_type"].decode(), "sha256": headers["sha256"].decode()})
                    else:
                        student, career = r.key.decode().split("/")
                        rows.append({"student": student, "career": career, "part": r.partition, "place": r.offset,
                                     "position": int(headers["position"]), "law": "", "value": r.value})
            with database.transaction() as tx:
                tx.many(INSERT if name == "rows" else STATE_INSERT, rows)
            clock.add(len(rows))


def measure(what: str, name: str, url: str, brokers: str, messages: int) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", "benchmarks.consumers", "--measure", what, "--service", name, "--db", url,
                           "--kafka", brokers, "--events", str(messages)], stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def fill(brokers: str, prefix: str, events: int, students: int) -> dict[str, int]:
    """Real messages of an invented population, as often as it takes: each time of other students."""
    from ledger.domain.submissions import Event
    from ledger.wire.events import message
    from tests.consumers.support import ORIGIN, Topics, state_messages
    from tests.projections.populations import BOOKS, population, streams

    made: dict[str, list[Event]] = streams(e.placed(n) for n, e in enumerate(population(students), 1))
    one_round = [message(event.as_json(), "0" * 64, ORIGIN) for stream in made.values() for event in stream]
    states = [m for student, stream in made.items() for m in state_messages(stream, student, BOOKS)]
    topics = Topics(brokers, prefix, partitions=6)
    sent = {"rows": 0, "booking_gate": 0}
    again = 0
    while sent["rows"] < events:
        part = [_of_others(m, again) for m in one_round[:events - sent["rows"]]]
        sent["rows"] += len(part)
        topics.send(part)
        found = [_of_others(m, again, state=True) for m in states]
        sent["booking_gate"] += len(found)
        topics.send(found)
        again += 1
    return sent


def _of_others(m: Message, again: int, state: bool = False) -> Message:
    """The same message of another student: her pseudonym begins with the number of the round."""
    from hashlib import sha256

    student = m.key.split(b"/")[0]
    other = b"%s.%d" % (student, again)
    value = (m.value or b"").replace(b'"student":"%s"' % student, b'"student":"%s"' % other, 1)
    headers = [(name, sha256(value).hexdigest().encode() if name == "payload_sha256" else text) for name, text in m.headers]
    return Message(m.topic, other + m.key[len(student):] if state else other, value, headers)


def questions(url: str, students: int, asked: int) -> None:
    """Milliseconds of an answer, for a client that keeps its connection open: the first time that a career is asked about (its state is
    read and made ready), and again. `gate`: what the gate itself took; the rest is HTTP, in Python on both sides."""
    from tests.consumers.gate import NOW, Fed, Portal, a_call
    from tests.consumers.support import state_messages
    from tests.projections.populations import BOOKS, population, streams

    with Database(url) as own:
        fed = Fed(own)
        careers: list[tuple[str, str]] = []
        for student, stream in streams(e.placed(n) for n, e in enumerate(population(students), 1)).items():
            fed.take(state_messages(stream, student, BOOKS))
            careers += [(student, career) for career in sorted({e.career for e in stream if e.career is not None})]
        fed.know(NOW)
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(url, there), daemon=True)
    process.start()
    portal = Portal(here.recv())
    portal.ask({})  # what is built at the first question of all
    pick = random.Random(1)
    for name, order in (("first", careers), ("again", [pick.choice(careers) for _ in range(asked)])):
        whole, gate = [], []
        for student, career in order:
            begun = time.perf_counter()
            status, _ = portal.ask({"student": student, "career": career} | a_call())
            whole.append((time.perf_counter() - begun) * 1000)
            gate.append(float(portal.headers["Server-Timing"].partition("dur=")[2]))
            if status != 200:
                raise SystemExit(f"no answer: {status}")
        print(f"{url.partition(':')[0]:11}question {name}: " + ", ".join(
            f"{what} p50 {statistics.median(found):.2f} p99 {sorted(found)[int(len(found) * .99)]:.2f} ms"
            for what, found in (("over HTTP", whole), ("gate", gate))) + f" ({len(order)} questions)", flush=True)
    process.terminate()


def _serve(url: str, tell: Any) -> None:
    from consumers.booking_gate.__main__ import bound_to
    from consumers.booking_gate.answers import Gate
    from consumers.booking_gate.http import Server, application
    from ledger.rulebooks.loader import load_books

    spare_the_collector()
    bound, started = bound_to("127.0.0.1:0"), threading.Event()
    started.set()
    with Database(url) as database, Server(application(Gate(database, load_books(), 1e9), started), bound):
        tell.send(bound.getsockname()[1])
        threading.Event().wait()


def new_database(kind: str, folder: str) -> str:
    if kind == "sqlite":
        return f"sqlite:///{folder}/{uuid.uuid4().hex}.db"
    import psycopg

    admin, name = os.environ["CAREER_LEDGER_TEST_POSTGRES"], f"bench_{uuid.uuid4().hex}"
    with psycopg.connect(admin, autocommit=True) as connected:
        connected.execute(f"CREATE DATABASE {name}".encode())
    return admin.rsplit("/", 1)[0] + f"/{name}"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--events", type=int, default=100_000)
    asked.add_argument("--students", type=int, default=200, help="of the invented population that is repeated")
    asked.add_argument("--runs", type=int, default=3)
    asked.add_argument("--kafka", default=os.environ.get("CAREER_LEDGER_TEST_KAFKA"))
    asked.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    asked.add_argument("--measure", choices=("loop", "raw"), help=argparse.SUPPRESS)
    asked.add_argument("--service", help=argparse.SUPPRESS)
    asked.add_argument("--db", help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.measure:
        clock = Clock(given.events)
        spare_the_collector()
        (with_loop if given.measure == "loop" else raw)(given.service, given.db, given.kafka, clock)
        print(json.dumps({"per_second": round(given.events / clock.seconds), "cpu_us": clock.cpu_seconds / given.events * 1e6,
                          "memory": [max(clock.memory[:5]), max(clock.memory[5:])]}))
        return
    os.environ[PREFIX] = f"bench{uuid.uuid4().hex[:8]}."
    sent = fill(given.kafka, os.environ[PREFIX], given.events, given.students)
    print(f"{sent['rows']} events, {sent['booking_gate']} states")
    with tempfile.TemporaryDirectory() as folder:
        for kind in given.databases:
            questions(new_database(kind, folder), given.students, 20 * given.students)
            for name, messages in sent.items():
                ran = _alternating(kind, name, folder, given, messages)
                rate = {what: statistics.median(one["per_second"] for one in found) for what, found in ran.items()}
                cpu = {what: statistics.median(one["cpu_us"] for one in found) for what, found in ran.items()}
                grown = ["{:.0f} and {:.0f} MB".format(*one["memory"]) for one in ran["loop"]]
                print(f"{kind:11}{name:13} loop {rate['loop']:>8,.0f}/s   raw {rate['raw']:>8,.0f}/s   {rate['loop'] / rate['raw']:.2f} "
                      f"  (CPU {cpu['loop']:.0f} and {cpu['raw']:.0f} us a message)   memory in each half: {', '.join(grown)}",
                      flush=True)


def _alternating(kind: str, name: str, folder: str, given: argparse.Namespace, messages: int) -> dict[str, list[dict[str, Any]]]:
    """One of each in turn, so that a busy moment of the machine meets both."""
    ran: dict[str, list[dict[str, Any]]] = {"raw": [], "loop": []}
    for _ in range(given.runs):
        for what, found in ran.items():
            found.append(measure(what, name, new_database(kind, folder), given.kafka, messages))
    return ran


if __name__ == "__main__":
    main()
