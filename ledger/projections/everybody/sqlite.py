# ruff: noqa: S608 - statements are put together from names of our own only
"""The tables in the ledger's SQLite file, named `projection_...`.

Readers never wait. A writer holds the file's one write lock, so rows are computed before its transaction begins.
`synchronous=NORMAL`: after a power cut the last transactions may be gone, row and position together, and are made again.
"""

import fcntl
import json
import sqlite3
import time
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from ledger.sql.sqlite import SameFile
from ledger.domain.timelines import COLUMNS
from ledger.edges.files import open_file
from ledger.store.sqlite import LOCK_SECONDS, check_same, problem

from .database import LIVE, NEW, NOTHING, Cursor, Parameters, column_types
from .shape import Row

PREFIX = {LIVE: "projection_", NEW: "projection_new_"}
POLL_SECONDS = 0.1
TYPES = column_types("TEXT", "INTEGER", "NUMERIC", "TEXT", "INTEGER")


def _named(tables: str) -> dict[str, str]:
    names = {name: PREFIX[tables] + name for name in (*COLUMNS, "position", "aside", "done")}
    return names | {"events": "stored_events", "event_position": "rowid", "ledger": "career_ledger"}


class SQLiteCursor:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def run(self, statement: str, parameters: Parameters = NOTHING, tables: str = LIVE) -> int:
        return self._connection.execute(statement.format_map(_named(tables)), dict(parameters)).rowcount

    def ask(self, statement: str, parameters: Parameters = NOTHING, tables: str = LIVE) -> list[Row]:
        return self._connection.execute(statement.format_map(_named(tables)), dict(parameters)).fetchall()

    def insert(self, kind: str, rows: Sequence[Row], tables: str = LIVE) -> None:
        marks = ", ".join("?" * len(TYPES[kind]))
        self._connection.executemany(f"INSERT INTO {PREFIX[tables]}{kind} VALUES ({marks})", rows)


class SQLiteBackend:
    def __init__(self, path: str) -> None:
        self._path = path
        self._same = SameFile(path)
        self._opened: sqlite3.Connection | None = None

    def _connection(self) -> sqlite3.Connection:
        if self._opened is None:
            self._opened = self._same.opening(
                lambda address: sqlite3.connect(address, isolation_level=None, timeout=LOCK_SECONDS, check_same_thread=False, uri=True))
            self._opened.execute("PRAGMA synchronous=NORMAL")
        check_same(self._same, self._path, writing=False)
        return self._opened

    @contextmanager
    def transaction(self, write: bool, tables: str = LIVE) -> Iterator[Cursor]:
        try:
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            try:
                if write:
                    check_same(self._same, self._path, write)
                yield SQLiteCursor(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            check_same(self._same, self._path, write)
        except sqlite3.Error as error:
            raise problem(error, self._path) from error

    def single(self, statement: str, parameters: Parameters) -> list[Row]:
        try:
            found = SQLiteCursor(self._connection()).ask(statement, parameters)
            check_same(self._same, self._path, writing=False)
            return found
        except sqlite3.Error as error:
            raise problem(error, self._path) from error

    def exists(self, tables: str = LIVE) -> bool:
        try:
            found = self._connection().execute("SELECT count(*) FROM sqlite_master WHERE name = ?", (f"{PREFIX[tables]}position",))
            return bool(found.fetchone()[0])
        except sqlite3.Error as error:
            raise problem(error, self._path) from error

    def create(self, cursor: Cursor, tables: str) -> bool:
        if self.exists(tables):
            return False
        for kind, columns in TYPES.items():
            cursor.run(f"CREATE TABLE {{{kind}}} ({', '.join(' '.join(column) for column in columns)})", tables=tables)
        cursor.run("CREATE TABLE {position} (partition_no INTEGER NOT NULL, partitions INTEGER NOT NULL, position INTEGER NOT NULL, "
                   "law TEXT NOT NULL, origin TEXT NOT NULL, epoch INTEGER NOT NULL, mark TEXT NOT NULL)", tables=tables)
        cursor.run("CREATE TABLE {aside} (stream TEXT PRIMARY KEY, student TEXT, position INTEGER NOT NULL, why TEXT NOT NULL)",
                   tables=tables)
        if tables == NEW:
            cursor.run("CREATE TABLE {done} (part INTEGER PRIMARY KEY, parts INTEGER NOT NULL, events INTEGER NOT NULL)", tables=tables)
        return True

    def index(self, cursor: Cursor, kind: str, columns: tuple[str, ...], tables: str) -> None:
        """Its name ends at random: the index of new tables keeps it when they take the live ones' place."""
        name = f"projection_{kind}_{'_'.join(columns)}_{uuid.uuid4().hex[:8]}"
        cursor.run(f"CREATE INDEX {name} ON {{{kind}}} ({', '.join(columns)})", tables=tables)

    def drop(self, cursor: Cursor, tables: str) -> None:
        for name in (*COLUMNS, "position", "aside", "done"):
            cursor.run(f"DROP TABLE IF EXISTS {{{name}}}", tables=tables)

    def hold(self, cursor: Cursor) -> None:
        """A transaction that writes holds everything."""

    def swap(self, cursor: Cursor) -> None:
        self.drop(cursor, LIVE)
        cursor.run("DROP TABLE {done}", tables=NEW)
        for name in (*COLUMNS, "position", "aside"):
            cursor.run(f"ALTER TABLE {{{name}}} RENAME TO {PREFIX[LIVE]}{name}", tables=NEW)

    def analyze(self, tables: str) -> None:
        with self.transaction(write=True) as cursor:
            for kind in COLUMNS:
                cursor.run(f"ANALYZE {{{kind}}}", tables=tables)

    def among(self, column: str, name: str) -> str:
        return f"{column} IN (SELECT value FROM json_each(:{name}))"

    def many(self, values: Collection[str]) -> Any:
        return json.dumps(list(values))

    def known(self, streams: Collection[UUID]) -> set[UUID]:
        with self.transaction(write=False) as cursor:
            return {UUID(found) for (found,) in cursor.ask(
                "SELECT originator_id FROM {events} WHERE originator_id IN (SELECT value FROM json_each(:ids)) AND originator_version = 1",
                {"ids": json.dumps([one.hex for one in streams])})}

    def size(self) -> int | None:
        """Bytes; None where this SQLite was built without the table that tells them."""
        try:
            found = self._connection().execute("SELECT sum(pgsize) FROM dbstat WHERE name GLOB 'projection_*' AND aggregate = TRUE")
            return int(found.fetchone()[0] or 0)
        except sqlite3.OperationalError:
            return None

    @contextmanager
    def lock(self, name: str) -> Iterator[bool]:
        """A lock on a file beside the ledger, which the system releases when the process ends."""
        with open_file(Path(f"{self._path}.{name}.lock")) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def wait(self, seconds: float) -> None:
        time.sleep(min(seconds, POLL_SECONDS))

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None
