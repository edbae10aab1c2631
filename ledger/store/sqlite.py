"""The store in one SQLite file, for one machine.

Readers never wait (WAL). Writers take turns: each transaction begins with BEGIN IMMEDIATE, so that position order is
commit order, and waits up to `LOCK_SECONDS` for its turn. `synchronous=FULL`: an event that was answered as accepted
survives a power cut. Positions are never reused, not even after an administrator has deleted rows (AUTOINCREMENT), and
VACUUM does not renumber them. Triggers refuse to change what is recorded.
The file carries our application id and the schema's version in its header.
"""

import json
import pickle
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import UUID, uuid4

from eventsourcing.persistence import IntegrityError, OperationalError, PersistenceError, StoredEvent
from eventsourcing.sqlite import (
    SQLiteApplicationRecorder,
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteCursor,
    SQLiteDatastore,
    SQLiteTransaction,
)

from ledger.sql.sqlite import SameFile, address_of
from ledger.edges.files import make_file

from .errors import StoreUnavailable, StoreUnusable
from .event_store import Identity, Refusal
from .guards import KEPT_OUT, SQLITE

APPLICATION_ID = 0x434C4447
"""`CLDG` in the file's header: the file is a career ledger."""
SCHEMA_VERSION = 1
LOCK_SECONDS = 20
JUMP_SECONDS = 400 * 86_400
"""A ledger in use is written at least once a year."""

Row = tuple[int, str, bytes]
"""Position, stored name, stored bytes."""

_REFUSAL = ("'a recorded event is never changed or deleted: submit an event-voided event that names it, "
            "then the fact as it should be'")

SCHEMA = f"""
CREATE TABLE stored_events (
    rowid INTEGER PRIMARY KEY AUTOINCREMENT,
    originator_id TEXT NOT NULL,
    originator_version INTEGER NOT NULL,
    topic TEXT NOT NULL,
    state BLOB NOT NULL,
    UNIQUE (originator_id, originator_version));
CREATE TRIGGER stored_events_no_update BEFORE UPDATE ON stored_events BEGIN SELECT RAISE(ABORT, {_REFUSAL}); END;
CREATE TRIGGER stored_events_no_delete BEFORE DELETE ON stored_events BEGIN SELECT RAISE(ABORT, {_REFUSAL}); END;
CREATE TRIGGER stored_events_no_replace BEFORE INSERT ON stored_events
    WHEN EXISTS (SELECT 1 FROM stored_events WHERE rowid = NEW.rowid
                 OR (originator_id = NEW.originator_id AND originator_version = NEW.originator_version))
    BEGIN SELECT RAISE(ABORT, {_REFUSAL}); END;
"""

REFUSALS = """
CREATE TABLE IF NOT EXISTS refused_submissions (
    student TEXT NOT NULL, id BLOB NOT NULL, content BLOB NOT NULL, outcome BLOB NOT NULL, PRIMARY KEY (student, id)) WITHOUT ROWID;
"""
"""Submissions from outside that were refused or invalid. Ids are kept as UTF-8 bytes: an id may hold a NUL."""
IDENTITY = "CREATE TABLE IF NOT EXISTS career_ledger (origin TEXT NOT NULL, epoch INTEGER NOT NULL, digest_key TEXT)"
IDENTIFY = "INSERT INTO career_ledger SELECT ?, 1, NULL WHERE NOT EXISTS (SELECT 1 FROM career_ledger)"
REMEMBERED = "SELECT student, id, content, outcome FROM refused_submissions WHERE student = ? AND id = ?"


class _Transaction(SQLiteTransaction):
    """A writer takes its lock at the start, so that what it reads before it writes is still true when it writes."""

    def __enter__(self) -> SQLiteCursor:
        cursor = self.connection.cursor()
        try:
            cursor.execute("BEGIN IMMEDIATE" if self.commit else "BEGIN")
        except sqlite3.OperationalError as error:
            raise OperationalError(error) from error
        except sqlite3.DatabaseError as error:
            raise PersistenceError(error) from error
        return cursor

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """What a guard refuses is no conflict of two writers: trying again does not help."""
        try:
            super().__exit__(kind, error, trace)
        except IntegrityError as refused:
            if KEPT_OUT in str(refused):
                raise PersistenceError(str(refused)) from refused
            raise


class _Connection(SQLiteConnection):
    """Each transaction looks whether the file at the path is the one that it reads and writes."""

    def __init__(self, connection: sqlite3.Connection, max_age: float | None, path: str, same: SameFile) -> None:
        super().__init__(connection, max_age)
        self._path, self._same = path, same

    @contextmanager
    def transaction(self, *, commit: bool) -> Iterator[SQLiteCursor]:
        check_same(self._same, self._path, writing=False)
        with _Transaction(self, commit=commit) as cursor, cursor:
            if commit:
                check_same(self._same, self._path, commit)
            yield cursor
        check_same(self._same, self._path, commit)


class _Pool(SQLiteConnectionPool):
    def _create_connection(self) -> SQLiteConnection:
        same = SameFile(self.db_name)
        try:
            made = same.opening(lambda address: sqlite3.connect(address, LOCK_SECONDS, 0, None, False, uri=True))
            made.execute("PRAGMA journal_mode=WAL")  # as it is, unless somebody has changed it
            made.execute("PRAGMA synchronous=FULL")
        except FileNotFoundError:
            raise replaced(self.db_name, "it was deleted") from None
        except sqlite3.Error as error:
            raise PersistenceError(error) from error
        return _Connection(made, self.max_age, self.db_name, same)


class _Datastore(SQLiteDatastore):
    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.pool = _Pool(db_name=path, lock_timeout=LOCK_SECONDS)


class SQLiteRecorder(SQLiteApplicationRecorder):
    """The library's recorder on our table: whole streams with their positions, and a check of versions in the write."""

    may_import = True

    def __init__(self, path: str) -> None:
        super().__init__(_Datastore(path))
        self._path = Path(path)
        self.insert_events_statement = (
            f"INSERT INTO {self.events_table_name} (originator_id, originator_version, topic, state) VALUES (?,?,?,?)")

    def construct_create_table_statements(self) -> list[str]:
        return []  # `prepare` makes the tables, once

    def _distrust_a_jump(self) -> None:
        """The file's own times are the only witness of this machine's clock. Raises StoreUnusable where it has left them far behind."""
        written = max(file.stat().st_mtime for file in (self._path, self._path.with_name(self._path.name + "-wal")) if file.exists())
        if time.time() - written > JUMP_SECONDS:
            today, then = (time.strftime("%Y-%m-%d", time.gmtime(moment)) for moment in (time.time(), written))
            raise StoreUnusable(f"the clock of this machine says {today}, and {self._path} was last written on {then}: set the clock, "
                                "since a moment that lies ahead would stay with its student for ever. If it is right, "
                                f"`touch {self._path}` and append again")

    def _insert_events(self, c: SQLiteCursor, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int]:
        """Raises IntegrityError where a stream does not stand at the version before its first event here."""
        self._distrust_a_jump()
        newest: dict[str, int] = {}
        positions = []
        for event in stored_events:
            stream = str(event.originator_id) if isinstance(event.originator_id, str) else event.originator_id.hex
            if stream not in newest:
                c.execute(f"SELECT max(originator_version) FROM {self.events_table_name} WHERE originator_id = ?", (stream,))
                newest[stream] = c.fetchone()[0] or 0
            if event.originator_version != newest[stream] + 1:
                raise IntegrityError(f"the stream stands at version {newest[stream]}, not {event.originator_version - 1}")
            newest[stream] += 1
            c.execute(self.insert_events_statement, (stream, event.originator_version, event.topic, event.state))
            positions.append(c.lastrowid)
        return positions

    def pack(self, stored_events: Sequence[StoredEvent]) -> bytes:
        """Rows of the table, for another process of this program."""
        return pickle.dumps([(event.originator_id.hex if isinstance(event.originator_id, UUID) else event.originator_id,
                              event.originator_version, event.topic, event.state) for event in stored_events])

    def insert_packed(self, packs: Sequence[bytes], rows: int, heads: Mapping[UUID, int]) -> int:
        """One transaction: check of the streams, rows. Returns the first position; SQLite has one writer at a time."""
        with self.datastore.transaction(commit=True) as c:
            self._distrust_a_jump()
            for stream, version in heads.items():
                c.execute("SELECT max(originator_version) FROM stored_events WHERE originator_id = ?", (stream.hex,))
                if (c.fetchone()[0] or 0) != version:
                    raise IntegrityError(f"the stream stands at another version than {version}")
            for pack in packs:
                c.executemany(self.insert_events_statement, pickle.loads(pack))  # noqa: S301 - made by `pack` of this program
            c.execute("SELECT coalesce(max(rowid), 0) FROM stored_events")
            return int(c.fetchone()[0]) - rows + 1

    def insert_with_refusals(self, stored_events: Sequence[StoredEvent], refusals: Sequence[Refusal],
                             unmoved: Mapping[UUID, int], absent: Sequence[tuple[str, str]]) -> Sequence[int]:
        """One transaction, all or none."""
        with self.datastore.transaction(commit=True) as c:
            for stream, version in unmoved.items():
                c.execute("SELECT max(originator_version) FROM stored_events WHERE originator_id = ?", (stream.hex,))
                if (c.fetchone()[0] or 0) != version:
                    raise IntegrityError("a stream does not stand at the version that a refusal rests on")
            for student, id_ in (*absent, *(one[:2] for one in refusals)):
                c.execute(REMEMBERED, (student, id_.encode()))
                if c.fetchone() is not None:
                    raise IntegrityError("a submission has been refused meanwhile")
            positions = self._insert_events(c, stored_events)
            c.executemany("INSERT INTO refused_submissions (student, id, content, outcome) VALUES (?,?,?,?)",
                          [(student, id_.encode(), content, outcome) for student, id_, content, outcome in refusals])
        return positions

    def identity(self) -> Identity | None:
        if not self.read("SELECT 1 FROM sqlite_master WHERE name = 'career_ledger'", ()):
            return None
        rows = self.read("SELECT origin, epoch, digest_key FROM career_ledger", ())
        return Identity(*rows[0]) if rows else None

    def adopt_key(self, check: str) -> None:
        """Does nothing where another one was faster."""
        with self.datastore.transaction(commit=True) as c:
            c.execute("UPDATE career_ledger SET digest_key = ? WHERE digest_key IS NULL", (check,))

    def raise_epoch(self) -> None:
        with self.datastore.transaction(commit=True) as c:
            c.execute("UPDATE career_ledger SET epoch = epoch + 1")

    def prepare_refusals(self) -> None:
        with self.datastore.transaction(commit=True) as c:
            c.execute(REFUSALS)

    def rewrite_refusals(self, rewrite: Callable[[Refusal], Refusal]) -> None:
        with self.datastore.transaction(commit=True) as c:
            c.execute("SELECT student, id, content, outcome FROM refused_submissions WHERE length(content) = 32")
            for row in c.fetchall():
                new = rewrite(Refusal(row[0], row[1].decode(), row[2], row[3]))
                c.execute("UPDATE refused_submissions SET content = ?, outcome = ? WHERE student = ? AND id = ?",
                          (new.content, new.outcome, row[0], row[1]))

    def refusals(self, submissions: Sequence[tuple[str, str]]) -> list[Refusal]:
        with self.datastore.transaction(commit=False) as c:
            found = []
            for student, id_ in submissions:
                c.execute(REMEMBERED, (student, id_.encode()))
                found += [Refusal(row[0], row[1].decode(), row[2], row[3]) for row in c.fetchall()]
        return found

    def read(self, statement: str, parameters: tuple[Any, ...]) -> list[Any]:
        with self.datastore.transaction(commit=False) as c:
            c.execute(statement, parameters)
            return [tuple(row) for row in c.fetchall()]

    def stream(self, originator_id: UUID, after: int) -> list[Row]:
        """The stream's events of a version above `after`, in order."""
        return self.read("SELECT rowid, topic, state FROM stored_events WHERE originator_id = ? AND originator_version > ? "
                         "ORDER BY originator_version", (originator_id.hex, after))

    def streams(self, originator_ids: Sequence[UUID]) -> list[Row]:
        """The events of these streams, stream by stream and in order."""
        return self.read("SELECT rowid, topic, state FROM stored_events WHERE originator_id IN (SELECT value FROM json_each(?)) "
                         "ORDER BY originator_id, originator_version", (json.dumps([one.hex for one in originator_ids]),))

    def part(self, first: UUID, last: UUID) -> list[Row]:
        """The same of all streams from one id through another."""
        return self.read("SELECT rowid, topic, state FROM stored_events WHERE originator_id BETWEEN ? AND ? "
                         "ORDER BY originator_id, originator_version", (first.hex, last.hex))

    def log(self, after: int, limit: int) -> list[Row]:
        """Up to `limit` events of a position above `after`, in order."""
        return self.read("SELECT rowid, topic, state FROM stored_events WHERE rowid > ? ORDER BY rowid LIMIT ?", (after, limit))

    def touched(self, after: int, limit: int) -> list[tuple[int, UUID]]:
        """Position and stream of each of these events."""
        rows = self.read("SELECT rowid, originator_id FROM stored_events WHERE rowid > ? ORDER BY rowid LIMIT ?", (after, limit))
        return [(position, UUID(stream)) for position, stream in rows]

    def first_events(self, after: int, limit: int) -> list[Row]:
        """The same, of each stream its first event only."""
        return self.read("SELECT rowid, topic, state FROM stored_events WHERE rowid > ? AND originator_version = 1 "
                         "ORDER BY rowid LIMIT ?", (after, limit))

    def last_position(self) -> int:
        return int(self.read("SELECT coalesce(max(rowid), 0) FROM stored_events", ())[0][0])

    def close(self) -> None:
        self.datastore.close()


def check_same(same: SameFile, path: str, writing: bool) -> None:
    """Raises StoreUnusable where the file at the path is not the one that was opened: nothing that it answers may be believed."""
    trouble = same.trouble(writing)
    if trouble is not None:
        raise replaced(path, trouble)


def replaced(path: str, trouble: str) -> StoreUnusable:
    return StoreUnusable(f"the ledger's file was replaced while it was open: {trouble} ({path}). What was not answered is not stored. "
                         "Put the right file back, then start this program again")


def problem(error: Exception, path: str) -> Exception:
    """What a failure of SQLite means for the caller."""
    text = str(error)
    if "locked" in text or "busy" in text or "pool" in text.lower():
        return StoreUnavailable(f"{path} is held by another program ({text}): try again when it is done")
    if "full" in text or "disk I/O" in text:
        return StoreUnusable(f"{path} cannot grow ({text}): free space, submit the rest again; what was accepted is stored")
    if "readonly" in text:
        return StoreUnusable(f"{path} cannot be written ({text}): check the rights of the file and of its folder")
    if KEPT_OUT in text:
        return StoreUnusable(f"{path} refuses what was to be stored: {text}")
    return StoreUnusable(f"{path} cannot be used: {text}")


def prepare(path: str, create: bool) -> SQLiteRecorder:
    """The recorder of an existing ledger, or of a new one where `create` allows it. Raises StoreUnusable, StoreUnavailable."""
    if not create and not Path(path).exists():
        raise StoreUnusable(f"there is no ledger at {path}: append something first, or correct --db")
    if not Path(path).absolute().parent.is_dir():
        raise StoreUnusable(f"{path} cannot be made: there is no folder {Path(path).absolute().parent}")
    try:
        if create:
            make_file(Path(path))
        connection = sqlite3.connect(address_of(path, "rwc" if create else "rw"), isolation_level=None, timeout=LOCK_SECONDS, uri=True)
    except sqlite3.Error as error:
        raise problem(error, path) from error
    try:
        connection.execute("BEGIN")  # one moment for all that is read: another process may be making the tables
        ready = _is_ready(connection, path)
        known = bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'career_ledger'").fetchall())
        connection.execute("COMMIT")
        if not ready:
            _create(connection, path)
        elif not known:
            _identify(connection)
        if create:
            _guard(connection)
    except sqlite3.DatabaseError as error:
        raise problem(error, path) from error
    finally:
        connection.close()
    return SQLiteRecorder(path)


def _is_ready(connection: sqlite3.Connection, path: str) -> bool:
    """False for an empty file. Raises StoreUnusable for somebody else's and for a newer one."""
    ours = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if ours == APPLICATION_ID:
        if version > SCHEMA_VERSION:
            raise StoreUnusable(f"{path} was made by a newer version of this program (schema {version}, this one knows "
                                f"{SCHEMA_VERSION}): update this program")
        return True
    if ours or version or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise StoreUnusable(f"{path} is a database of another program, not a career ledger: choose another file with --db")
    return False


def _create(connection: sqlite3.Connection, path: str) -> None:
    """Makes the tables in one transaction; of several processes that start at once, one makes them and the others see them."""
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")  # may answer "locked" at once, whatever the timeout
            break
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.02)
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not _is_ready(connection, path):
            for statement in _statements(SCHEMA + REFUSALS):
                connection.execute(statement)
            connection.execute(IDENTITY)
            connection.execute(IDENTIFY, (uuid4().hex,))
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _guard(connection: sqlite3.Connection) -> None:
    """Makes the triggers that check what is inserted, and their index, those of this program."""
    found = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type IN ('index', 'trigger')").fetchall())
    if all(found.get(name) == statement for name, statement in SQLITE.items()):
        return
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(REFUSALS)
    for name, statement in SQLITE.items():
        connection.execute(f"DROP {statement.split()[1]} IF EXISTS {name}")
        connection.execute(statement)
    connection.execute("COMMIT")


def _identify(connection: sqlite3.Connection) -> None:
    """A ledger that is older than identities gets one, unless it may only be read: then somebody else will."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(IDENTITY)
        connection.execute(IDENTIFY, (uuid4().hex,))
        connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if "readonly" not in str(error):
            raise


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.strip().splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
