"""A consumer's own tables, in SQLite or PostgreSQL, through the layer that the ledger uses too (`ledger.sql`).

Days and instants are ISO text. A consumer's database is its own: never the ledger's.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import psycopg

from ledger.edges.address import WrongAddress, sqlite_path
from ledger.sql.base import NOTHING, Backend, NotTheirOwner, Parameters, Replaced, Row, Transaction
from ledger.sql.migrations import Migrations, NotOfToday, Older
from ledger.sql.postgres import Postgres, refused
from ledger.sql.sqlite import SQLite, erase_what_is_deleted, keep_a_log

__all__ = ["NOTHING", "Database", "DatabaseAway", "DatabaseRefused", "DatabaseUnusable", "Parameters",
           "Row", "Transaction"]


class DatabaseAway(RuntimeError):
    """The database does not answer, or broke off: nothing of the transaction is known to have happened. Try again
    later."""


class DatabaseUnusable(RuntimeError):
    """No such database can be used; the text says what to mend. Trying again does not help."""


class DatabaseRefused(DatabaseUnusable):
    """The address may be right, and still: nobody is let in, or the file was replaced while it was open."""


class Database:
    """Threads may share one: their transactions wait for each other. Raises DatabaseUnusable for an address of no known
    kind."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._lock = threading.RLock()
        try:
            path = sqlite_path(url)
            self._backend: Backend = (SQLite(str(path), _sqlite_problem, _no_ledger, make=True) if path is not None
                                      else Postgres(url, _postgres_problem, lambda _: None))
        except WrongAddress as error:
            raise DatabaseUnusable(f"--db: {error}") from None

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Raises DatabaseAway."""
        with self._lock, self._backend.transaction() as found:
            yield found

    def ask(self, statement: str, parameters: Parameters = NOTHING) -> list[Row]:
        """One question on its own. Raises DatabaseAway."""
        with self._lock:
            return self._backend.single(statement, parameters)

    def migrate(self, kinds: Iterable[Migrations]) -> None:
        """Makes the tables, or brings them up to date. Several processes may do it at once. Raises DatabaseAway, and
        DatabaseUnusable for those of a newer program."""
        with self._lock:
            try:
                for kind in kinds:
                    kind.bring(self._backend)
            except NotOfToday as error:
                raise DatabaseUnusable(f"--db: {self._backend.place} {error}") from None
            except NotTheirOwner as error:
                raise DatabaseUnusable(f"--db: {self._backend.place}: {error}: let {error.owner} start this service "
                                       "once") from None

    def check(self, kinds: Iterable[Migrations]) -> None:
        """For whoever only reads. Raises DatabaseAway, and DatabaseUnusable where `migrate` would have something to
        do."""
        with self._lock, self._backend.transaction(write=False) as tx:
            for kind in kinds:
                if not kind.there(tx):
                    raise DatabaseUnusable(f"--db: {self._backend.place} {_NOTHING_HERE}")
                try:
                    kind.check(kind.applied(tx))
                except NotOfToday as error:
                    older = isinstance(error, Older)
                    mend = ": start the service with `run`, which brings it up to date" if older else ""
                    raise DatabaseUnusable(f"--db: {self._backend.place} {error}{mend}") from None

    def scrub(self) -> bool:
        """Has what was deleted gone from the disk too; False: not yet. Raises DatabaseAway."""
        with self._lock:
            return self._backend.scrub()

    def close(self) -> None:
        with self._lock:
            self._backend.close()

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_FOR_A_WHILE = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR,
                          sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN})
LEDGER = 0x434C4447
"""The application id in a ledger's SQLite file."""
_NOTHING_HERE = "holds nothing of this service yet: start it with `run` first, or name its database"


def _no_ledger(connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA application_id").fetchone()[0] == LEDGER:
        path = connection.execute("PRAGMA database_list").fetchone()[2]
        raise DatabaseUnusable(f"--db: {path} is a ledger: give the service a database of its own")
    keep_a_log(connection)
    erase_what_is_deleted(connection)
    connection.execute("PRAGMA synchronous=FULL")


def _sqlite_problem(error: Exception, path: str) -> Exception:
    """Busy, full or unreachable passes; a wrong statement does not."""
    if isinstance(error, Replaced):
        return DatabaseRefused(f"the database's file was replaced while it was open: {error} ({path}). "
                               "Put the right file back, then start this program again")
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _FOR_A_WHILE:
        return DatabaseAway(f"{path}: {error}")
    if code == sqlite3.SQLITE_NOTADB:
        return DatabaseUnusable(f"--db: {path} is no database: choose another file")
    if "no such table" in str(error):
        return DatabaseUnusable(f"--db: {path} {_NOTHING_HERE}")
    return error


def _postgres_problem(error: Exception, place: str) -> Exception:
    if isinstance(error, psycopg.errors.UndefinedTable):
        return DatabaseUnusable(f"--db: {place} {_NOTHING_HERE}")
    if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return error
    if (why := refused(error)) is not None:
        return DatabaseRefused(f"{place} lets nobody in like this ({why}): correct user, password, "
                               "database or certificate")
    said = str(error).strip().splitlines() or [type(error).__name__]
    return DatabaseAway(f"{place}: {said[0]}")
