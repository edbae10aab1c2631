"""Writing to the SQLite file, by the library's recorder on our table: streams are checked in the write. Imported when
something is first written: most programs only ask (`sqlite.py`)."""

import pickle
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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

from ledger.sql.base import LOCK_SECONDS, Replaced
from ledger.sql.sqlite import SameFile
from ledger.sql.sqlite import SQLiteTransaction as Asking

from .errors import StoreUnusable
from .guards import KEPT_OUT
from .recorder import FirstLook, Refusal
from .sqlite_file import INSERT, NEWEST, REMEMBERED, SPELLING, link, problem

JUMP_SECONDS = 400 * 86_400
"""A ledger in use is written at least once a year."""
FORGOTTEN = "SELECT 1 FROM stored_events WHERE originator_id = ? AND topic LIKE 'person-forgotten.v%'"


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
            made = link(same)
        except FileNotFoundError:
            raise problem(Replaced("it was deleted"), self.db_name) from None
        except sqlite3.Error as error:
            raise PersistenceError(error) from error
        return _Connection(made, self.max_age, self, same)


class _Datastore(SQLiteDatastore):
    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.pool = self.links = _Pool(db_name=path, lock_timeout=LOCK_SECONDS)


class SQLiteWriter(SQLiteApplicationRecorder):
    """`first`: looks at each new link before it is used."""

    def __init__(self, path: str, first: FirstLook | None) -> None:
        store = _Datastore(path)
        store.links.first = first
        super().__init__(store)
        self._pool = store.links
        self._path = Path(path)

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

        return pickle.dumps([(event.originator_id.hex if isinstance(event.originator_id, UUID) else event.originator_id,
                              event.originator_version, event.topic, event.state) for event in stored_events])

    def insert_packed(self, packs: Sequence[bytes], rows: int, heads: Mapping[UUID, int]) -> int:
        """One transaction: check of the streams, rows. Returns the first position; SQLite has one writer at a time."""

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
        with self.datastore.transaction(commit=False) as c:
            c.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            c.fetchall()
        return gone

    def close(self) -> None:
        self.datastore.close()
