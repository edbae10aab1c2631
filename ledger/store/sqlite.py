"""The store in one SQLite file, for one machine.

Readers never wait (WAL). Writers take turns: each transaction begins with BEGIN IMMEDIATE, so that position order is
commit order, and waits up to `LOCK_SECONDS` for its turn. `synchronous=FULL`: an event that was answered as accepted
survives a power cut. Positions are never reused, not even after an administrator has deleted rows (AUTOINCREMENT), and
VACUUM does not renumber them. Triggers refuse to change what is recorded.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import UUID

from eventsourcing.persistence import IntegrityError, OperationalError, PersistenceError, StoredEvent
from eventsourcing.sqlite import (
    SQLiteApplicationRecorder,
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteCursor,
    SQLiteDatastore,
    SQLiteTransaction,
)

from ledger.sql.base import LOCK_SECONDS, NO_NAMES, Replaced, spelling
from ledger.sql.sqlite import SameFile, SQLite, keep_a_log
from ledger.sql.sqlite import SQLiteTransaction as Asking

from . import guards, versions, whole
from .errors import ReadOnly, StoreUnavailable, StoreUnusable
from .guards import KEPT_OUT
from .migrations import APPLICATION_ID, SQLITE, checks
from .recorder import SEALED, FirstLook, Identity, LogRow, Refusal, WholeRow
from .subject import who, whose

SPELLING = spelling("sqlite", NO_NAMES)
JUMP_SECONDS = 400 * 86_400
"""A ledger in use is written at least once a year."""
INSERT = "INSERT INTO stored_events (originator_id, originator_version, topic, state) VALUES (?,?,?,?)"
INSERT_PLACED = ("INSERT INTO stored_events (rowid, originator_id, originator_version, topic, state) "
                 "VALUES (?,?,?,?,?)")
NEWEST = "SELECT max(originator_version) FROM stored_events WHERE originator_id = ?"
LAST = ("SELECT coalesce((SELECT e.rowid FROM stored_events AS e WHERE e.originator_id = n.value ORDER BY "
        "e.originator_version DESC LIMIT 1), 0) FROM json_each(?) AS n ORDER BY n.key")
FORGOTTEN = "SELECT 1 FROM stored_events WHERE originator_id = ? AND topic LIKE 'person-forgotten.v%'"
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

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """What a guard refuses is no conflict of two writers: trying again does not help."""
        try:
            super().__exit__(kind, error, trace)
        except IntegrityError as refused:
            if KEPT_OUT in str(refused):
                raise PersistenceError(str(refused)) from refused
            raise


class _Connection(SQLiteConnection):
    """Each transaction looks whether the file at the path is the one that it reads and writes."""

    def __init__(self, connection: sqlite3.Connection, max_age: float | None, pool: "_Pool", same: SameFile) -> None:
        super().__init__(connection, max_age)
        self._pool, self._same = pool, same
        self._link, self._looked = connection, False

    @contextmanager
    def transaction(self, *, commit: bool) -> Iterator[SQLiteCursor]:
        self._check(writing=False)
        if self._pool.first is not None and not self._looked:
            with _Transaction(self, commit=False) as cursor, cursor:
                self._pool.first(Asking(self._link, SPELLING))
            self._looked = True
        with _Transaction(self, commit=commit) as cursor, cursor:
            if commit:
                self._check(commit)
            yield cursor
        self._check(commit)

    def _check(self, writing: bool) -> None:
        """Raises StoreUnusable where the file is another one: nothing that it answers may be believed."""
        trouble = self._same.trouble(writing)
        if trouble is not None:
            raise problem(Replaced(trouble), self._pool.db_name)


class _Pool(SQLiteConnectionPool):
    first: FirstLook | None = None

    def _create_connection(self) -> SQLiteConnection:
        same = SameFile(self.db_name)
        try:
            made = same.opening(lambda address: sqlite3.connect(address, LOCK_SECONDS, 0, None, False, uri=True))
            made.execute("PRAGMA journal_mode=WAL")  # as it is, unless somebody has changed it
            made.execute("PRAGMA synchronous=FULL")
        except FileNotFoundError:
            raise problem(Replaced("it was deleted"), self.db_name) from None
        except sqlite3.Error as error:
            raise PersistenceError(error) from error
        return _Connection(made, self.max_age, self, same)


class _Datastore(SQLiteDatastore):
    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.pool = self.links = _Pool(db_name=path, lock_timeout=LOCK_SECONDS)


class SQLiteRecorder(SQLiteApplicationRecorder):
    """The library's recorder on our table: whole streams with their positions, and a check of versions in the write."""

    may_import = True

    def __init__(self, path: str) -> None:
        store = _Datastore(path)
        super().__init__(store)
        self._pool = store.links
        self._path = Path(path)

    def be_patient(self, seconds: float) -> None:
        """A file is there or not."""

    def look_first(self, look: FirstLook) -> None:
        self._pool.first = look

    def construct_create_table_statements(self) -> list[str]:
        return []  # the migrations make the tables

    def _distrust_a_jump(self) -> None:
        """The file's own times are the only witness of this machine's clock. Raises StoreUnusable where it has left
        them far behind."""
        written = max(file.stat().st_mtime for file in (self._path, self._path.with_name(self._path.name + "-wal"))
                      if file.exists())
        if time.time() - written > JUMP_SECONDS:
            today, then = (time.strftime("%Y-%m-%d", time.gmtime(moment)) for moment in (time.time(), written))
            raise StoreUnusable(f"the clock of this machine says {today}, and {self._path} was last written on {then}: "
                                "set the clock, since a moment that lies ahead would stay with its student for ever. "
                                f"If it is right, `touch {self._path}` and append again")

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int]:
        """All or none. Raises IntegrityError where a stream does not stand at the version
        before its first event here."""
        with self.datastore.transaction(commit=True) as c:
            return self._insert(c, stored_events)

    def _insert(self, c: SQLiteCursor, stored_events: Sequence[StoredEvent]) -> Sequence[int]:
        self._distrust_a_jump()
        newest: dict[str, int] = {}
        positions = []
        for event in stored_events:
            stream = str(event.originator_id) if isinstance(event.originator_id, str) else event.originator_id.hex
            if stream not in newest:
                c.execute(NEWEST, (stream,))
                newest[stream] = c.fetchone()[0] or 0
            if event.originator_version != newest[stream] + 1:
                raise IntegrityError(f"the stream stands at version {newest[stream]}, "
                                     f"not {event.originator_version - 1}")
            newest[stream] += 1
            c.execute(INSERT, (stream, event.originator_version, event.topic, event.state))
            positions.append(c.lastrowid)
        return positions

    def pack(self, stored_events: Sequence[StoredEvent]) -> bytes:
        """Rows of the table, for another process of this program."""
        import pickle

        return pickle.dumps([(event.originator_id.hex if isinstance(event.originator_id, UUID) else event.originator_id,
                              event.originator_version, event.topic, event.state) for event in stored_events])

    def insert_packed(self, packs: Sequence[bytes], rows: int, heads: Mapping[UUID, int]) -> int:
        """One transaction: check of the streams, rows. Returns the first position; SQLite has one writer at a time."""
        import pickle

        with self.datastore.transaction(commit=True) as c:
            self._distrust_a_jump()
            for stream, version in heads.items():
                c.execute(NEWEST, (stream.hex,))
                if (c.fetchone()[0] or 0) != version:
                    raise IntegrityError(f"the stream stands at another version than {version}")
            for pack in packs:
                c.executemany(INSERT, pickle.loads(pack))  # noqa: S301 - made by `pack` of this program
            c.execute("SELECT coalesce(max(rowid), 0) FROM stored_events")
            return int(c.fetchone()[0]) - rows + 1

    def insert_with_refusals(self, stored_events: Sequence[StoredEvent], refusals: Sequence[Refusal],
                             unmoved: Mapping[UUID, int], absent: Sequence[tuple[str, str]]) -> Sequence[int]:
        """One transaction, all or none."""
        with self.datastore.transaction(commit=True) as c:
            for stream, version in unmoved.items():
                c.execute(NEWEST, (stream.hex,))
                if (c.fetchone()[0] or 0) != version:
                    raise IntegrityError("a stream does not stand at the version that a refusal rests on")
            for student, id_ in (*absent, *(one[:2] for one in refusals)):
                c.execute(REMEMBERED, (student, id_.encode()))
                if c.fetchone() is not None:
                    raise IntegrityError("a submission has been refused meanwhile")
            positions = self._insert(c, stored_events)
            c.executemany("INSERT INTO refused_submissions (student, id, content, outcome) VALUES (?,?,?,?)",
                          [(student, id_.encode(), content, outcome) for student, id_, content, outcome in refusals])
        return positions

    def identity(self) -> Identity:
        return Identity(*self.read("SELECT origin, epoch, digest_key FROM career_ledger", ())[0])

    def adopt_key(self, check: str) -> None:
        """Does nothing where another one was faster, nor for an empty check, with which it is only tried."""
        with self.datastore.transaction(commit=True) as c:
            c.execute("UPDATE career_ledger SET digest_key = ?1 WHERE digest_key IS NULL AND ?1 <> ''", (check,))

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
                c.execute(_hers(REMEMBERED), (student, id_.encode()))
                found += [Refusal(row[0], row[1].decode(), row[2], row[3]) for row in c.fetchall()]
        return found

    def forgotten(self, after: int) -> list[LogRow]:
        return self.read("SELECT rowid, topic, state FROM stored_events WHERE rowid > ? AND topic LIKE "
                         "'person-forgotten.v%' ORDER BY rowid", (after,))

    def first_sealed(self, after: int) -> int | None:
        rows = self.read("SELECT rowid FROM stored_events WHERE rowid > ? AND instr(state, ?) > 0 ORDER BY rowid "
                         "LIMIT 1", (after, SEALED))
        return rows[0][0] if rows else None

    def refusals_of(self, student: str) -> list[Refusal]:
        return [Refusal(row[0], row[1].decode(), row[2], row[3]) for row in self.read(
            "SELECT student, id, content, outcome FROM refused_submissions WHERE student = ? ORDER BY id", (student,))]

    def forget_refusals(self, student: str, stream: UUID) -> int:
        """Also from the pages that they stood in, and from the write-ahead log where nobody reads just now."""
        with self.datastore.transaction(commit=True) as c:
            c.execute("PRAGMA secure_delete=ON")
            c.execute(FORGOTTEN, (stream.hex,))
            if c.fetchone() is None:
                raise PersistenceError("the log does not say that this person was forgotten")
            c.execute("DELETE FROM refused_submissions WHERE student = ?", (student,))
            c.execute("SELECT changes()")
            gone = int(c.fetchone()[0])
        self.read("PRAGMA wal_checkpoint(TRUNCATE)", ())
        return gone

    def read(self, statement: str, parameters: tuple[Any, ...]) -> list[Any]:
        with self.datastore.transaction(commit=False) as c:
            c.execute(_hers(statement), parameters)
            return [tuple(row) for row in c.fetchall()]

    def stream(self, originator_id: UUID, after: int) -> list[LogRow]:
        """The stream's events of a version above `after`, in order."""
        return self.read("SELECT rowid, topic, state FROM stored_events WHERE originator_id = ? AND originator_version "
                         "> ? ORDER BY originator_version", (originator_id.hex, after))

    def streams(self, originator_ids: Sequence[UUID]) -> list[LogRow]:
        """The events of these streams, stream by stream and in order."""
        return self.read("SELECT rowid, topic, state FROM stored_events WHERE originator_id IN (SELECT value FROM "
                         "json_each(?)) ORDER BY originator_id, originator_version",
                         (json.dumps([one.hex for one in originator_ids]),))

    def newest(self, originator_ids: Sequence[UUID]) -> list[int]:
        """The position of the last event of each of these streams, in their order; 0 where there is none."""
        return [position for (position,) in self.read(LAST, (json.dumps([one.hex for one in originator_ids]),))]

    async def newest_at_once(self, originator_id: UUID) -> int | None:
        """None: a file is waited for, and nobody else could be answered meanwhile."""
        return None

    def part(self, first: UUID, last: UUID) -> list[LogRow]:
        """The same of all streams from one id through another."""
        return self.read("SELECT rowid, topic, state FROM stored_events WHERE originator_id BETWEEN ? AND ? "
                         "ORDER BY originator_id, originator_version", (first.hex, last.hex))

    def log(self, after: int, limit: int) -> list[LogRow]:
        """Up to `limit` events of a position above `after`, in order."""
        return self.read("SELECT rowid, topic, state FROM stored_events WHERE rowid > ? ORDER BY rowid LIMIT ?",
                         (after, limit))

    def rows(self, after: int, limit: int) -> list[WholeRow]:
        """The same with everything that stands in their rows."""
        return self.read("SELECT rowid, originator_id, originator_version, topic, state FROM stored_events "
                         "WHERE rowid > ? ORDER BY rowid LIMIT ?", (after, limit))

    def touched(self, after: int, limit: int) -> list[tuple[int, UUID]]:
        """Position and stream of each of these events."""
        rows = self.read("SELECT rowid, originator_id FROM stored_events WHERE rowid > ? ORDER BY rowid LIMIT ?",
                         (after, limit))
        return [(position, UUID(stream)) for position, stream in rows]

    def first_events(self, after: int, limit: int) -> list[LogRow]:
        """The same, of each stream its first event only."""
        return self.read("SELECT rowid, topic, state FROM stored_events WHERE rowid > ? AND originator_version = 1 "
                         "ORDER BY rowid LIMIT ?", (after, limit))

    def last_position(self) -> int:
        return int(self.read("SELECT coalesce(max(rowid), 0) FROM stored_events", ())[0][0])

    def close(self) -> None:
        self.datastore.close()


def _hers(statement: str) -> str:
    """Reads one student's rows, where nobody else's may be read."""
    stream, student = whose(), who()
    if stream is None or student is None:
        return statement
    quoted = student.replace("'", "''")
    return (f"WITH stored_events AS (SELECT rowid AS rowid, * FROM main.stored_events WHERE originator_id = "
            f"'{stream.hex}'), refused_submissions AS (SELECT * FROM main.refused_submissions WHERE student = "
            f"'{quoted}') {statement}")


def problem(error: Exception, path: str) -> Exception:
    """What a failure of SQLite means for the caller."""
    text = str(error)
    if isinstance(error, Replaced):
        return StoreUnusable(f"the ledger's file was replaced while it was open: {text} ({path}). "
                             "What was not answered is not stored. Put the right file back, "
                             "then start this program again")
    if "locked" in text or "busy" in text or "pool" in text.lower():
        return StoreUnavailable(f"{path} is held by another program ({text}): try again when it is done")
    if "full" in text or "disk I/O" in text:
        return StoreUnusable(f"{path} cannot grow ({text}): free space, submit the rest again; "
                             "what was accepted is stored")
    if "readonly" in text:
        return ReadOnly(f"{path} cannot be written ({text}): check the rights of the file and of its folder")
    if KEPT_OUT in text:
        return StoreUnusable(f"{path} refuses what was to be stored: {text}")
    return StoreUnusable(f"{path} cannot be used: {text}")


def prepare(path: str, create: bool) -> SQLiteRecorder:
    """The recorder of an existing ledger, or of a new one where `create` allows it. Raises StoreUnusable,
    StoreUnavailable."""
    with closing(opened(path, create)) as backend:
        if not (_is_ready(backend) and versions.check(SQLITE, backend)):
            if not create:  # a question makes nothing
                raise StoreUnusable(f"there is no ledger in {path}, which is empty: append something first, or correct "
                                    "--db")
            _bring(backend)
    return SQLiteRecorder(path)


def upgrade(path: str) -> list[int]:
    """Brings an existing ledger up to date; the numbers of the steps that were taken."""
    with closing(opened(path, create=False)) as backend:
        _is_ready(backend)
        return _bring(backend)


@contextmanager
def moved_in(path: str, identity: Identity) -> Iterator[whole.Arriving]:
    """A whole ledger into a file that is not there, is empty, or holds one that was never used. It becomes the one of
    this identity. Whatever the block raises, and a kill, leaves what was there before, or an empty file. What the
    guards refuse is not asked: older programs may have stored it, and who moves a ledger has proved it to be the same.
    Raises StoreUnusable, StoreUnavailable."""
    with closing(opened(path, create=True)) as backend:
        _is_ready(backend)
        with backend.explained():
            keep_a_log(backend.connection())
        with backend.transaction() as tx:
            versions.apply(SQLITE, tx, backend)
            whole.check_unused(tx, "", path)
            for name, statement in guards.SQLITE.items():
                tx.script(f"DROP {statement.split()[1]} {name};")
            connection = backend.connection()

            def insert(rows: Sequence[WholeRow]) -> None:
                connection.executemany(INSERT_PLACED, rows)

            yield whole.Arriving(tx, insert)
            checks(tx)
            whole.identify(tx, "", identity)


def _bring(backend: SQLite) -> list[int]:
    with backend.explained():
        keep_a_log(backend.connection())
    return versions.bring(SQLITE, backend)


def opened(path: str, create: bool) -> SQLite:
    if not create and not Path(path).exists():
        raise StoreUnusable(f"there is no ledger at {path}: append something first, or correct --db")
    if not Path(path).absolute().parent.is_dir():
        raise StoreUnusable(f"{path} cannot be made: there is no folder {Path(path).absolute().parent}")
    return SQLite(path, problem, lambda _: None, make=create)


def _is_ready(backend: SQLite) -> bool:
    """False for an empty file. Raises StoreUnusable for a database of another program."""
    # one moment for all that is read: another process may be making the tables
    with backend.transaction(write=False) as tx:
        [(ours,)], [(version,)] = tx.ask("PRAGMA application_id"), tx.ask("PRAGMA user_version")
        if ours == APPLICATION_ID:
            return True
        if ours or version or tx.ask("SELECT count(*) FROM sqlite_master")[0][0]:
            raise StoreUnusable(f"{backend.place} is a database of another program, not a career ledger: "
                                "choose another file with --db")
    return False
