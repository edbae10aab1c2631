"""A consumer's own tables, in SQLite or PostgreSQL: the statements are the same, with `:name` for values.

`column IN :names` takes a list on both. Types that both know: TEXT, BIGINT, INTEGER, BYTEA, DOUBLE PRECISION; days and
instants are ISO text. A consumer's database is its own: never the ledger's.
"""

import json
import re
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import psycopg

from ledger.sql.postgres import Link, refused
from ledger.sql.sqlite import SameFile
from ledger.edges.address import WrongAddress, sqlite_path
from ledger.edges.files import make_file

Parameters = Mapping[str, Any]
Row = tuple[Any, ...]
NOTHING: Parameters = MappingProxyType({})
LOCK_SECONDS = 30.0


class DatabaseAway(RuntimeError):
    """The database does not answer, or broke off: nothing of the transaction is known to have happened. Try again later."""


class DatabaseUnusable(RuntimeError):
    """No such database can be used; the text says what to mend. Trying again does not help."""


class DatabaseRefused(DatabaseUnusable):
    """The address may be right, and still: nobody is let in, or the file was replaced while it was open."""


class Transaction(Protocol):
    """Everything in it happens, or nothing."""

    def run(self, statement: str, parameters: Parameters = NOTHING) -> int:
        """How many rows were changed."""
        ...

    def many(self, statement: str, parameters: Sequence[Parameters]) -> None:
        """Once for each of these."""
        ...

    def ask(self, statement: str, parameters: Parameters = NOTHING) -> list[Row]: ...


class Backend(Protocol):
    def transaction(self) -> AbstractContextManager[Transaction]: ...
    def single(self, statement: str, parameters: Parameters) -> list[Row]: ...
    def create(self, tables: Sequence[str]) -> None: ...
    def close(self) -> None: ...


class Database:
    """Threads may share one: their transactions wait for each other. Raises DatabaseUnusable for an address of no known kind."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._lock = threading.RLock()
        try:
            path = sqlite_path(url)
        except WrongAddress as error:
            raise DatabaseUnusable(f"--db: {error}") from None
        self._backend: Backend = _SQLite(str(path)) if path is not None else _Postgres(url)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Raises DatabaseAway."""
        with self._lock, self._backend.transaction() as found:
            yield found

    def ask(self, statement: str, parameters: Parameters = NOTHING) -> list[Row]:
        """One question on its own. Raises DatabaseAway."""
        with self._lock:
            return self._backend.single(statement, parameters)

    def create(self, tables: Sequence[str]) -> None:
        """Runs statements that may be repeated: `CREATE ... IF NOT EXISTS`, `ALTER TABLE ... ADD COLUMN IF NOT EXISTS`. Several processes
        may do it at once. Raises DatabaseAway."""
        with self._lock:
            self._backend.create(tables)

    def close(self) -> None:
        with self._lock:
            self._backend.close()

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_IN = re.compile(r"\bIN\s+:([a-z_][a-z0-9_]*)")
_ADDED = re.compile(r"(ALTER TABLE (\w+) ADD COLUMN) IF NOT EXISTS (\w+)")
_NAMES = re.compile(r"(?<![:\w]):([a-z_][a-z0-9_]*)")


@lru_cache(maxsize=1024)
def _for_sqlite(statement: str) -> str:
    return _IN.sub(r"IN (SELECT value FROM json_each(:\1))", statement)


@lru_cache(maxsize=1024)
def _for_postgres(statement: str) -> bytes:
    """`:name` as psycopg writes it."""
    return _NAMES.sub(r"%(\1)s", _IN.sub(r"= ANY(:\1)", statement).replace("%", "%%")).encode()


def _lists(parameters: Parameters) -> Parameters:
    if any(isinstance(value, list | tuple) for value in parameters.values()):
        return {name: json.dumps(value) if isinstance(value, list | tuple) else value for name, value in parameters.items()}
    return parameters if isinstance(parameters, dict) else dict(parameters)


class _SQLiteTransaction:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def run(self, statement: str, parameters: Parameters = NOTHING) -> int:
        return self._connection.execute(_for_sqlite(statement), _lists(parameters)).rowcount

    def many(self, statement: str, parameters: Sequence[Parameters]) -> None:
        self._connection.executemany(_for_sqlite(statement), parameters)

    def ask(self, statement: str, parameters: Parameters = NOTHING) -> list[Row]:
        return self._connection.execute(_for_sqlite(statement), _lists(parameters)).fetchall()


class _SQLite:
    """Readers never wait; one transaction writes at a time, across processes too."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._same = SameFile(path)
        self._opened: sqlite3.Connection | None = None

    def _connection(self) -> sqlite3.Connection:
        if self._opened is None:
            make_file(Path(self._path))
            opened = self._same.opening(
                lambda address: sqlite3.connect(address, isolation_level=None, timeout=LOCK_SECONDS, check_same_thread=False, uri=True))
            if opened.execute("PRAGMA application_id").fetchone()[0] == LEDGER:
                opened.close()
                raise DatabaseUnusable(f"--db: {self._path} is a ledger: give the service a database of its own")
            opened.execute("PRAGMA journal_mode=WAL")
            opened.execute("PRAGMA synchronous=FULL")
            self._opened = opened
        self._check(writing=False)
        return self._opened

    def _check(self, writing: bool) -> None:
        trouble = self._same.trouble(writing)
        if trouble is not None:
            raise DatabaseRefused(f"the database's file was replaced while it was open: {trouble} ({self._path}). "
                                  "Put the right file back, then start this program again")

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        try:
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                self._check(writing=True)
                yield _SQLiteTransaction(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            self._check(writing=True)
        except sqlite3.DatabaseError as error:
            raise _sqlite_problem(error, self._path) from error

    def single(self, statement: str, parameters: Parameters) -> list[Row]:
        try:
            return _SQLiteTransaction(self._connection()).ask(statement, parameters)
        except sqlite3.DatabaseError as error:
            raise _sqlite_problem(error, self._path) from error

    def create(self, tables: Sequence[str]) -> None:
        with self.transaction() as tx:
            for statement in tables:
                added = _ADDED.match(statement)  # SQLite does not know IF NOT EXISTS here
                if added is None:
                    tx.run(statement)
                elif not tx.ask("SELECT 1 FROM pragma_table_info(:name) WHERE name = :column", {"name": added[2], "column": added[3]}):
                    tx.run(f"{added[1]} {added[3]} {statement[added.end():]}")

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None


_FOR_A_WHILE = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN})


LEDGER = 0x434C4447
"""The application id in a ledger's SQLite file."""


def _sqlite_problem(error: sqlite3.DatabaseError, path: str) -> Exception:
    """Busy, full or unreachable passes; a wrong statement does not."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _FOR_A_WHILE:
        return DatabaseAway(f"{path}: {error}")
    if code == sqlite3.SQLITE_NOTADB:
        return DatabaseUnusable(f"--db: {path} is no database: choose another file")
    if "no such table" in str(error):
        return DatabaseUnusable(f"--db: {path} {_NOTHING_HERE}")
    return error


_NOTHING_HERE = "holds nothing of this service yet: start it with `run` first, or name its database"


class _PostgresTransaction:
    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def run(self, statement: str, parameters: Parameters = NOTHING) -> int:
        return self._connection.execute(_for_postgres(statement), parameters).rowcount

    def many(self, statement: str, parameters: Sequence[Parameters]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(_for_postgres(statement), parameters)

    def ask(self, statement: str, parameters: Parameters = NOTHING) -> list[Row]:
        return self._connection.execute(_for_postgres(statement), parameters).fetchall()


class _Postgres:
    def __init__(self, url: str) -> None:
        try:
            host = psycopg.conninfo.conninfo_to_dict(url).get("host")
        except psycopg.ProgrammingError:  # its words repeat parts of the address
            raise DatabaseUnusable("--db: the address holds a parameter that PostgreSQL does not know, or one with a wrong value") from None
        self._url, self._place = url, f"PostgreSQL at {host or 'the local socket'}"
        self._opened: psycopg.Connection[Any] | None = None

    def _connection(self) -> psycopg.Connection[Any]:
        if self._opened is None or self._opened.closed:
            self._opened = Link.connect(self._url, autocommit=True)
            self._opened.execute("SET client_min_messages = warning")
        return self._opened

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        try:
            connection = self._connection()
            with connection.transaction():
                yield _PostgresTransaction(connection)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise self._problem(error) from error

    def single(self, statement: str, parameters: Parameters) -> list[Row]:
        try:
            return _PostgresTransaction(self._connection()).ask(statement, parameters)
        except psycopg.errors.UndefinedTable:
            raise DatabaseUnusable(f"--db: {self._place} {_NOTHING_HERE}") from None
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise self._problem(error) from error

    def _problem(self, error: Exception) -> Exception:
        if (why := refused(error)) is not None:
            return DatabaseRefused(f"{self._place} lets nobody in like this ({why}): correct user, password, database or certificate")
        said = str(error).strip().splitlines() or [type(error).__name__]
        return DatabaseAway(f"{self._place}: {said[0]}")

    def create(self, tables: Sequence[str]) -> None:
        """One at a time: processes that create the same table at once fail otherwise."""
        with self.transaction() as tx:
            tx.run("SELECT pg_advisory_xact_lock(hashtext('career-ledger consumers'))")
            for statement in tables:
                tx.run(statement)

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None
