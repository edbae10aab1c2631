"""What is measured, and what it is measured beside. Every function returns plain figures; `run.py` prints them."""

import json
import multiprocessing
import os
import sqlite3
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid4

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.audit.run import Audit, of_everybody
from ledger.bootstrap import clock
from ledger.domain.events import Event
from ledger.domain.fold import replay
from ledger.domain.knowledge import in_force
from ledger.domain.submissions import Submission, read_submission
from ledger.domain.timelines import timelines
from ledger.exports.taking_in import opened as opened_export
from ledger.exports.taking_in import take_in
from ledger.exports.writing import Exporting, export
from ledger.generate import generate
from ledger.handling.bulk import Crew, Opens, import_lines
from ledger.handling.submit import Desk, append_lines, submit
from ledger.parallel import How, processors
from ledger.privacy import KeySealer, open_keys, open_sealer
from ledger.privacy.key_store import new_keys
from ledger.projections.everybody import law_of, open_database
from ledger.projections.everybody.rebuild import rebuild
from ledger.projections.everybody.reports import Reports
from ledger.projections.student.words import snapshot
from ledger.proofs import hashing
from ledger.proofs.auditor import read_key
from ledger.proofs.proving import prove
from ledger.proofs.sequencer import Sequencer
from ledger.proofs.signing import KeysGiven, Signer
from ledger.proofs.tables import ProofTables
from ledger.proofs.verifying import verify
from ledger.rulebooks.loader import load_books
from ledger.store import EventStore, moved_in, open_store
from ledger.store.mapper import stream_id
from ledger.store.postgres import COPY, COPY_BEGIN, COPY_END

BOOKS = load_books()
ROOT = Path(__file__).parents[1]
Lines = list[bytes]
DAY = date(2026, 3, 20)
BLOCK = 20
INSERT = "INSERT INTO public.stored_events (originator_id, originator_version, topic, state) VALUES (%s, %s, %s, %s)"


@contextmanager
def database(admin: str, folder: Path, kind: str) -> Iterator[str]:
    """The address of a ledger that does not exist yet, dropped afterwards."""
    name = f"bench_{uuid4().hex}"
    if kind == "sqlite":
        path = folder / f"{name}.db"
        yield f"sqlite:///{path}"
        for part in folder.glob(f"{name}.db*"):
            part.unlink()
        return
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield f"{admin.rsplit('/', 1)[0]}/{name}"
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def seconds(act: Callable[[], Any]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def median_of(act: Callable[[int], Any], runs: int) -> float:
    return statistics.median(seconds(partial(act, n)) for n in range(runs))


def recorded(url: str, events: int) -> None:
    """Ends the program where a ledger holds fewer: what is refused costs less than what is meant to be measured."""
    with open_store(url) as store:
        if (found := store.last_position()) < events:
            raise SystemExit(f"bench: {found:,} events are recorded, and {events:,} should be")


# One event at a time


def prepare_students(store: EventStore, url: str, count: int, events: int) -> list[Submission]:
    """Students who stand at so many events, and what is to come: one submission each in turn."""
    begun: Lines = []
    rest: list[list[bytes]] = []
    student: Lines = []
    whose = ""
    for line in generate(count * 12, 3):
        name = json.loads(line)["student"]
        if name != whose:
            if len(student) >= events + 20 and len(rest) < count:
                begun += student[:events]
                rest.append(student[events:events + 20])
            whose, student = name, []
        student.append(line)
    for _ in import_lines(store, partial(open_store, url, create=False), BOOKS, begun, "record", clock, 1):
        pass
    found = [read_submission(json.loads(line)) for turn in zip(*rest, strict=True) for line in turn]
    return [one for one in found if isinstance(one, Submission)]


def stored_rows(store: EventStore) -> list[tuple[UUID, int, str, bytes]]:
    mapper = store._mapper
    found = []
    for event in store.log(0, 10_000_000):
        stored = mapper.to_stored_event(event)
        found.append((stream_id(event.student), event.version, stored.topic, stored.state))
    return found


def appends(url: str, count: int) -> dict[str, float]:
    """Median seconds of one event, the raw limit and ours taking turns of `BLOCK` each: raw, warm (a cache
    of states), cold (without)."""
    taken: dict[str, list[float]] = {"raw": [], "warm": [], "cold": []}
    with open_store(url) as store:
        todo, before = prepare_students(store, url, max(10, count // 8), 50), store.last_position()
        warm = Desk(store, BOOKS, "record", clock)
        for student in dict.fromkeys(s.student for s in todo):
            warm.streams.load([student])
            known = warm.streams[student]
            known.standing.on(max(event.effective_on for event in known.events), BOOKS)
        raw = raw_inserter(url)
        first = set(list(dict.fromkeys(s.student for s in todo))[::2])
        turns = [[s for s in todo if (s.student in first) is half][:count] for half in (True, False)]
        for start in range(0, count, BLOCK):
            for _ in range(BLOCK):
                row = (uuid4(), 1, "exam-graded.v1", os.urandom(190).hex().encode())
                taken["raw"].append(seconds(partial(raw, row)))
            for one in turns[0][start:start + BLOCK]:
                taken["warm"].append(seconds(partial(warm.submit, one)))
            for one in turns[1][start:start + BLOCK]:
                taken["cold"].append(seconds(partial(submit, store, BOOKS, one, "record", clock)))
    recorded(url, before + len(taken["warm"]) + len(taken["cold"]))
    return {name: statistics.median(found) for name, found in taken.items()}


def raw_inserter(url: str) -> Callable[[tuple[Any, ...]], None]:
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE IF NOT EXISTS raw_events (rowid INTEGER PRIMARY KEY AUTOINCREMENT, "
                           "originator_id TEXT NOT NULL, originator_version INTEGER NOT NULL, topic TEXT NOT NULL, "
                           "state BLOB NOT NULL, UNIQUE (originator_id, originator_version))")

        def insert(row: tuple[Any, ...]) -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO raw_events (originator_id, originator_version, topic, state) VALUES (?, ?, "
                               "?, ?)",
                               (row[0].hex, *row[1:]))
            connection.execute("COMMIT")

        return insert
    postgres = psycopg.connect(url)
    postgres.execute("CREATE TABLE IF NOT EXISTS raw_events (LIKE public.stored_events INCLUDING ALL)")
    postgres.commit()

    def insert_postgres(row: tuple[Any, ...]) -> None:
        postgres.execute(INSERT.replace("stored_events", "raw_events").encode(), row, prepare=True)
        postgres.commit()

    return insert_postgres


def _writer(url: str, number: int, of: int, count: int, start: float) -> tuple[float, float]:
    with open_store(url) as store:
        mine = [one for line in generate(200, 11 + number, first=200 * number)
                if isinstance(one := read_submission(json.loads(line)), Submission)][:count]
        desk = Desk(store, BOOKS, "record", clock)
        time.sleep(max(0.0, start - time.time()))
        began = time.time()
        for one in mine:
            desk.submit(one)
        return began, time.time()


def writers(url: str, number: int, count: int) -> float:
    """Events a second of so many processes, each with students of its own."""
    with open_store(url):
        pass
    with ProcessPoolExecutor(number, multiprocessing.get_context("spawn")) as pool:
        start = time.time() + 3
        found = [f.result() for f in [pool.submit(_writer, url, n, number, count, start) for n in range(number)]]
    recorded(url, number * count)
    return number * count / (max(f[1] for f in found) - min(f[0] for f in found))


def group_commit(url: str, rows: list[tuple[UUID, int, str, bytes]], size: int) -> float:
    """Events a second through the append function: the first one of each student, `size` of them in one
    transaction."""
    from eventsourcing.persistence import StoredEvent

    with open_store(url) as store:
        todo = [StoredEvent(*row) for row in rows if row[1] == 1]
        began = time.perf_counter()
        for n in range(0, len(todo), size):
            store._recorder.insert_events(todo[n:n + size])
        return len(todo) / (time.perf_counter() - began)


# In bulk


def warm_up() -> Lines:
    """A few hundred events of students whom nobody else is."""
    return list(generate(30, 99, first=10_000_000))


def registered(lines: Lines) -> Lines:
    """The same lines, each student registered before her first one. Nobody is called so."""
    found, seen = [], set()
    for line in lines:
        first = json.loads(line)
        if first["student"] not in seen:
            seen.add(first["student"])
            n = len(seen)
            found.append(json.dumps({
                **{name: first[name] for name in ("student", "effective_on", "recorded_at", "source", "actor")},
                "id": f"{first['student']}-person", "type": "person-registered",
                "data": {"given_name": f"Given {n % 500}", "family_name": f"Family {n}", "tax_code": f"CODE {n:011}",
                         "birth_date": "2001-02-03", "birth_place": "Nowhere", "email": f"{n}@example.org",
                         "phone": "+39 000 0000000", "language": "it"}}).encode() + b"\n")
        found.append(line)
    return found


def bulk(url: str, lines: Lines, ready: Lines, trusted: bool = False, workers: int | None = None,
         keys: str | None = None) -> dict[str, float]:
    """Events a second of an import whose worker processes stand ready, and the seconds it took to make them so: to
    start them and to import `ready`, events of other students. `keys`: of a key store that does not exist yet."""
    with open_store(url) as store:
        if keys is not None:
            new_keys(keys, store.identity().origin, url, clock, 30).close()
        opens = Opens(partial(open_store, url, create=False), partial(open_sealer, keys, url) if keys else None)
        began = time.perf_counter()
        crew = Crew(opens, BOOKS, "record", clock, workers or processors(), trusted)
        try:
            for _ in crew.import_lines(store, ready):
                pass
            started = time.perf_counter()
            count = sum(1 for _ in crew.import_lines(store, lines))
            took = time.perf_counter() - started
            recorded(url, len(ready) + count)
            return {"events a second": count / took, "start": started - began}
        finally:
            crew.close()


def opened(folder: Path) -> float:
    """Seconds in which 5 boxes among 100 events of one student are opened, her key read and unwrapped included."""
    url, keys = (f"sqlite:///{folder / name}" for name in ("boxes.db", "boxes-keys.db"))
    lines = registered(list(generate(1, 3)))
    with open_store(url) as store:
        with new_keys(keys, store.identity().origin, url, clock, 30) as made:
            sealer = KeySealer(made, store.streams)
            for _ in append_lines(store, BOOKS, lines, "record", False, clock, sealer):
                pass
            sealed = next(event for event in store.log(0, 1) if event.sealed is not None)
            clear = next(event for event in store.log(0, 100) if event.sealed is None)
            events = [sealed if n % 20 == 0 else clear for n in range(100)]

        def act(_: int) -> None:
            with open_keys(keys, store.identity().origin, url, clock) as again:
                fresh = KeySealer(again, store.streams)
                took.append(seconds(lambda: [fresh.open(event) for event in events]))

        took: list[float] = []
        for n in range(50):
            act(n)
        return statistics.median(took)


def raw_copy(url: str, rows: list[tuple[UUID, int, str, bytes]]) -> float:
    """Rows a second of binary COPY into the same empty table with its indexes, 10,000 in a
    transaction; SQLite: executemany."""
    with open_store(url):
        pass
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("DROP TRIGGER stored_events_guard")
        texts = [(row[0].hex, *row[1:]) for row in rows]
        began = time.perf_counter()
        for n in range(0, len(texts), 10_000):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO stored_events (originator_id, originator_version, topic, "
                                   "state) VALUES (?,?,?,?)",
                                   texts[n:n + 10_000])
            connection.execute("COMMIT")
        return len(rows) / (time.perf_counter() - began)
    packed = [b"".join(_copied(row) for row in rows[n:n + 10_000]) for n in range(0, len(rows), 10_000)]
    with psycopg.connect(url) as postgres:
        began = time.perf_counter()
        for chunk in packed:
            with postgres.transaction(), postgres.cursor() as cursor:
                cursor.execute("LOCK TABLE public.stored_events IN EXCLUSIVE MODE")
                with cursor.copy(COPY.encode()) as copy:
                    copy.write(COPY_BEGIN + chunk + COPY_END)
        return len(rows) / (time.perf_counter() - began)


def _copied(row: tuple[UUID, int, str, bytes]) -> bytes:
    name = row[2].encode()
    return struct.pack(">hi16siqi", 4, 16, row[0].bytes, 8, row[1],
                       len(name)) + name + struct.pack(">i", len(row[3])) + row[3]


# Reading


def read_log(url: str) -> float:
    with open_store(url) as store:
        at = count = 0
        began = time.perf_counter()
        while page := store.log(at, 5000):
            at, count = page[-1].position, count + len(page)
        return count / (time.perf_counter() - began)


def raw_log(url: str) -> float:
    """Rows a second of COPY ... TO in binary, discarded; SQLite: a plain SELECT, fetched and discarded."""
    statement = "SELECT {} topic, state FROM stored_events ORDER BY {}"
    count = 0
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        began = time.perf_counter()
        for _ in connection.execute(statement.format("rowid,", "rowid")):
            count += 1
        return count / (time.perf_counter() - began)
    with psycopg.connect(url) as postgres, postgres.cursor() as cursor:
        query = f"COPY ({statement.format('notification_id,', 'notification_id')}) TO STDOUT (FORMAT binary)"
        began = time.perf_counter()
        with cursor.copy(query.encode()) as copy:
            for _ in copy:
                count += 1
        return (count - 2) / (time.perf_counter() - began)  # without header and trailer


def multiplied(url: str, into: str, times: int) -> None:
    """A ledger's events so many times, each time of other students, in the empty database at `into`."""
    with open_store(url) as store, moved_in(into, store.identity(), 1) as arriving:
        position = 0
        for nth in range(times):
            at = 0
            while page := store.rows(at, 5_000):
                rows, at = [], page[-1][0]
                for _, _, version, name, state in page:
                    student = json.loads(state)["student"]
                    other, position = f"{student}-{nth}", position + 1
                    rows.append((position, stream_id(other).hex, version, name, state.replace(
                        b'"student":"%b"' % student.encode(), b'"student":"%b"' % other.encode())))
                arriving.insert(rows)


def proofs(url: str) -> dict[str, float]:
    """Events a second: rows read as the database holds them, sealed from nothing and verified by one process and by
    two, exported, imported into a new SQLite file; seconds of a proof."""
    signer = Signer("bench.example", Ed25519PrivateKey.generate(), None)
    with open_store(url) as store, ProofTables(url) as tables:
        def rows() -> None:
            at = 0
            while page := store.rows(at, 5_000):
                at = page[-1][0]

        count = store.last_position()
        found = {"events": count, "raw": count / seconds(rows)}
        for processes in (1, 2):
            with tables._backend.transaction() as tx:
                for table in ("log_tiles", "log_checkpoints", "student_heads", "student_tiles"):
                    if tx.has(table):
                        tx.run(f"DELETE FROM {table}")  # noqa: S608 - our own names
            with patch.multiple(hashing, MOST_PROCESSES=processes, WORTH=1):
                found |= {f"sealed by {processes}": count / seconds(Sequencer(store, tables, signer).seal),
                          f"verified by {processes}": count / seconds(lambda: verify(store, tables, [], []))}
        keys = KeysGiven([read_key(signer.verifier)])
        with TemporaryDirectory() as name:
            folder = Path(name, "exported")
            sealing = Exporting(keys, signer, count)
            found["exported"] = count / seconds(lambda: export(store, tables, folder, sealing, lambda *_: None))
            found["imported"] = count / seconds(lambda: take_in(opened_export(folder, keys), f"sqlite:///{name}/new.db",
                                                                [], lambda *_: None))
        student = next(iter(store.students()))
        return found | {"proof": median_of(lambda _: prove(store, tables, student), 20)}


def rebuilt(url: str) -> float:
    """Events a second."""
    return (done := rebuild(url, BOOKS)).events / done.seconds


def audited(url: str, workers: int) -> float:
    """Events a second of the audit of everybody."""
    with open_store(url) as store:
        total = store.last_position()
    begun = time.perf_counter()
    for _ in of_everybody(url, Audit(date(2026, 10, 31), clock()), BOOKS, How(workers)):
        pass
    return total / (time.perf_counter() - begun)


# Questions about one student


def one_student(url: str, events: int, runs: int) -> dict[str, float]:
    """Seconds: one SELECT of the student's rows; status, charges and blocks computed from her stream, without and with
    a cache of states (checked for news); a stored answer, and one indexed SELECT of the same rows."""
    with open_store(url) as store, open_database(url) as stored:
        streams = store.part(0, 1)
        student, stream = min(streams.items(), key=lambda item: abs(len(item[1]) - events))
        desk = Desk(store, BOOKS, "record", clock)
        desk.streams.load([student])
        known = desk.streams[student]
        reports = Reports(stored, law_of(BOOKS))
        stream_row, status_row = raw_selects(url, student)

        def computed(_: int) -> None:
            snapshot(replay(in_force(store.stream(student)), student, DAY, BOOKS), BOOKS)

        def cached(_: int) -> None:
            desk.streams.has_news(student)
            snapshot(known.standing.on(date(2030, 1, 1), BOOKS), BOOKS)

        found = {"events": float(len(stream))}
        acts: dict[str, Callable[[int], Any]] = {
            "select stream": stream_row, "computed": computed, "cached": cached, "select stored": status_row,
            "stored": lambda _: reports.find(DAY, student=student)}
        taken: dict[str, list[float]] = {name: [] for name in acts}
        for n in range(runs + 3):
            for name, act in acts.items():
                took = seconds(partial(act, n))
                if n >= 3:
                    taken[name].append(took)
        return found | {name: statistics.median(values) for name, values in taken.items()}


def raw_stream(url: str, student: str) -> Callable[[int], Any]:
    """The SELECT of a student's rows."""
    id_, asked = stream_id(student), ("SELECT {}, topic, state FROM stored_events WHERE originator_id = {} ORDER BY "
                                      "originator_version")
    if url.startswith("sqlite"):
        c = sqlite3.connect(url.removeprefix("sqlite:///"))
        return lambda _: c.execute(asked.format("rowid", "?"), (id_.hex,)).fetchall()
    postgres = psycopg.connect(url, autocommit=True)
    statement = asked.format("notification_id", "%s").encode()
    return lambda _: postgres.execute(statement, (id_,), prepare=True, binary=True).fetchall()


def raw_selects(url: str, student: str) -> tuple[Callable[[int], Any], Callable[[int], Any]]:
    if url.startswith("sqlite"):
        c = sqlite3.connect(url.removeprefix("sqlite:///"))
        name = c.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE '%status%'").fetchone()[0]
        return (raw_stream(url, student),
                lambda _: c.execute(f"SELECT * FROM {name} WHERE student = ? AND from_on <= ?",  # noqa: S608
                                    (student, DAY.isoformat())).fetchall())
    postgres = psycopg.connect(url, autocommit=True)
    row = postgres.execute("SELECT oid::regclass::text FROM pg_class "
                           "WHERE relkind = 'r' AND relname LIKE '%status%'").fetchone()
    name = row[0] if row else ""
    other = f"SELECT * FROM {name} WHERE student = %s AND from_on <= %s"  # noqa: S608
    return (raw_stream(url, student),
            lambda _: postgres.execute(other.encode(), (student, DAY), prepare=True, binary=True).fetchall())


# Size, cost of parts, growth


def bytes_per_event(url: str) -> dict[str, float]:
    """Of the log with its indexes; of the canonical bytes alone."""
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        rows, state = connection.execute("SELECT count(*), avg(length(state)) FROM stored_events").fetchone()
        return {"table and indexes": path.stat().st_size / rows, "canonical bytes": state}
    with psycopg.connect(url) as postgres:
        found = postgres.execute("SELECT pg_total_relation_size('public.stored_events')::float8 / count(*), "
                                 "avg(length(state))::float8 FROM public.stored_events").fetchone()
    return {"table and indexes": found[0], "canonical bytes": found[1]} if found else {}


def costs(streams: dict[str, list[Event]]) -> dict[str, float]:
    """Microseconds of one core for each event: the fold alone, the timelines of all
    projections; and rows for each kind."""
    events = sum(map(len, streams.values()))
    last = date(2027, 1, 1)
    began = time.process_time()
    for student, stream in streams.items():
        replay(in_force(stream), student, last, BOOKS)
    folded = time.process_time()
    rows: dict[str, int] = {}
    for student, stream in streams.items():
        for kind, found in timelines(stream, student, BOOKS).items():
            rows[kind] = rows.get(kind, 0) + len(found)
    done = time.process_time()
    return {"fold": (folded - began) / events * 1e6,
            "fold and timelines of all projections": (done - folded) / events * 1e6,
            **{f"rows of {kind} per event": count / events for kind, count in rows.items()}}


def started(url: str, runs: int) -> dict[str, float]:
    """Seconds, medians of programs in turns: Python that does nothing, that imports click, and one question about one
    student, from the start to the end of each."""
    with open_store(url) as store:
        student = next(iter(store.students()))
    programs = {"nothing": ["-c", "pass"], "click": ["-c", "import click"],
                "status": ["-c", "from ledger.entrypoints.cli import main; main()", "--db", url, "status", student,
                           "--on", DAY.isoformat()]}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    found: dict[str, list[float]] = {name: [] for name in programs}
    for n in range(runs + 2):
        for name, arguments in programs.items():
            begun = time.perf_counter()
            subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, cwd=ROOT, env=environment,
                           check=True)
            if n >= 2:  # compiled code and rule books are remembered by then
                found[name].append(time.perf_counter() - begun)
    return {name: statistics.median(taken) for name, taken in found.items()}


MEASURED = """import re, resource, sys
from ledger.entrypoints.cli import cli
try:
    cli(sys.argv[1:])
finally:
    # ru_maxrss would count who started it
    own = int(re.search(r"VmHWM:\\s+([0-9]+)", open("/proc/self/status").read())[1])
    print("peak", max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024, file=sys.stderr)
"""


def command(*arguments: str) -> tuple[float, float]:
    """Seconds, and megabytes of the largest of its processes, of one career-ledger command."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", MEASURED, *arguments], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    took = time.perf_counter() - began
    if done.returncode not in (0, 1):
        raise SystemExit(f"{arguments[2:]} failed: {done.stderr[-500:]}")
    return took, float(done.stderr.split()[-1])
