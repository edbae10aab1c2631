"""SQLite: opening a file, also one that may only be read, noticing that it is not the one any more
that was opened, transactions.

A deleted or replaced file lives on for who has it open: SQLite goes on writing into nothing, and whoever opens the path
sees another file. Looking at the path costs microseconds. (Opening it would not do: closing the second descriptor drops
SQLite's locks.)
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from ledger.edges.files import make_file, open_file

from .base import (
    LOCK_SECONDS,
    NO_NAMES,
    NOTHING,
    Dialect,
    Explain,
    Parameters,
    Replaced,
    Row,
    Spelling,
    TableNames,
    Transaction,
    lists_as_json,
    spelling,
)

File = tuple[int, int]
"""Device and number."""


def address_of(path: str, mode: str = "rw") -> str:
    """The URI to open a file under. A file in write-ahead mode needs a -shm file beside it: where that can
    neither be found nor made (a folder that may only be read) and no log waits to be merged, SQLite is told that
    nobody changes the file (`immutable`), and `SameFile` sees to it that this stays true. Raises
    sqlite3.OperationalError where a log does wait."""
    real = Path(path).resolve()
    if not real.exists() or Path(f"{real}-shm").exists() or os.access(real.parent, os.W_OK, effective_ids=True):
        return f"{real.as_uri()}?mode={mode}"
    if _length(f"{real}-wal"):
        raise sqlite3.OperationalError("what was written last stands in its -wal file, "
                                       "which cannot be read where nothing may be written: "
                                       "open it once with the right to write, or copy the folder")
    return f"{real.as_uri()}?immutable=1"


class SameFile:
    """For one connection. `opening` opens it; `trouble` is asked at the beginning of each transaction, and again at its
    end, before anything is acknowledged or believed."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._real = ""
        """Where the path leads: the files beside it are there."""
        self._file: File | None = None
        self._size = 0
        self._beside: dict[str, File] = {}
        self._changed: int | None = None
        """Of a file that nobody changes, since when."""

    def opening(self, connect: Callable[[str], sqlite3.Connection], mode: str = "rw") -> sqlite3.Connection:
        """What `connect` makes of the file's URI. Raises what it raises, and FileNotFoundError where nothing is at the
        path afterwards."""
        while True:
            before = _seen(self._path)
            address, self._real = address_of(self._path, mode), os.path.realpath(self._path)
            made = connect(address)
            found = os.stat(self._path)  # noqa: PTH116 - at every transaction
            if before in (None, (found.st_dev, found.st_ino)):  # a file that `connect` has made
                self._file, self._size = (found.st_dev, found.st_ino), found.st_size
                self._beside = {}
                self._changed = found.st_mtime_ns if address.endswith("immutable=1") else None
                return made
            made.close()

    def trouble(self, writing: bool) -> str | None:
        """What has happened to the file, in words; None where it is as it was. `writing`: within BEGIN IMMEDIATE or
        after its end, when the write-ahead log has been opened."""
        try:
            found = os.stat(self._path)  # noqa: PTH116 - at every transaction
        except FileNotFoundError:
            return "it was deleted"
        if (found.st_dev, found.st_ino) != self._file:
            return "another file stands in its place"
        if found.st_size < self._size and not self._is_whole(found.st_size):
            return f"it was cut from {self._size} to {found.st_size} bytes"
        self._size = found.st_size
        if self._changed is not None:
            written = found.st_mtime_ns != self._changed or _length(f"{self._real}-wal")
            return "another program has begun to write to it while it was read" if written else None
        if writing:
            for ending in ("-wal", "-shm"):
                beside = _seen(self._real + ending)
                if beside is None or self._beside.setdefault(ending, beside) != beside:
                    return f"its {ending} file, without which it is not whole, was deleted or replaced"
        return None

    def _is_whole(self, size: int) -> bool:
        """VACUUM makes a file smaller too. An empty one is never looked at: SQLite would take
        its write-ahead log away."""
        if size < 512:
            return False
        try:
            with closing(sqlite3.connect(address_of(self._path), uri=True)) as other:
                whole: bool = other.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
        except sqlite3.DatabaseError:
            return False
        return whole


def _seen(path: str) -> File | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - at every transaction
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _length(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 - as above
    except FileNotFoundError:
        return 0


def connect(address: str, timeout: float = LOCK_SECONDS) -> sqlite3.Connection:
    """Transactions begin and end where it is said, and threads may take turns. Bytes that are no text, where one should
    stand, are read as one that is like none of ours: whoever looks at it says what is damaged, where SQLite would fail
    and repeat all of it."""
    made = sqlite3.connect(address, timeout, isolation_level=None, check_same_thread=False, uri=True)
    made.text_factory = _text
    return made


def _text(stored: bytes) -> str:
    return stored.decode(errors="replace")


def statements_of(script: str) -> Iterator[str]:
    """One after the other."""
    statement = ""
    for line in script.strip().splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement


def keep_a_log(connection: sqlite3.Connection) -> None:
    """Write-ahead: readers never wait. The file remembers it. Of several processes that say so at once, SQLite answers
    some "locked" whatever their timeout."""
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.02)


def erase_what_is_deleted(connection: sqlite3.Connection) -> None:
    """With zeros, in place of leaving it in pages that are free."""
    connection.execute("PRAGMA secure_delete=ON")


class SQLiteTransaction:
    dialect: Dialect = "sqlite"

    def __init__(self, connection: sqlite3.Connection, spelled: Spelling) -> None:
        self._connection, self._spelled = connection, spelled

    def run(self, statement: str, parameters: Parameters = NOTHING, tables: str = "") -> int:
        return self._connection.execute(self._spelled(statement, tables), lists_as_json(parameters)).rowcount

    def many(self, statement: str, parameters: Sequence[Parameters]) -> None:
        self._connection.executemany(self._spelled(statement, ""), parameters)

    def ask(self, statement: str, parameters: Parameters = NOTHING, tables: str = "") -> list[Row]:
        return self._connection.execute(self._spelled(statement, tables), lists_as_json(parameters)).fetchall()

    def insert(self, table: str, rows: Sequence[Row], tables: str = "") -> None:
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            statement = self._spelled(f"INSERT INTO {{{table}}} VALUES ({marks})", tables)  # noqa: S608
            self._connection.executemany(statement, rows)

    def script(self, statements: str) -> None:
        for statement in statements_of(statements):
            self._connection.execute(statement)

    def has(self, table: str) -> bool:
        return bool(self.ask("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = :table", {"table": table}))

    def alone(self, name: str) -> None:
        """It is."""

    def act_for_owner(self, table: str) -> None:
        """A file has no users."""


class SQLite:
    """Readers never wait; one transaction writes at a time, across processes too. `make`: the file, where there is
    none. `opened`: what is said to each new connection first."""

    dialect: Dialect = "sqlite"

    def __init__(self, path: str, explain: Explain, opened: Callable[[sqlite3.Connection], object],
                 names: TableNames = NO_NAMES, make: bool = False) -> None:
        self.place = self._path = path
        self._explain, self._told, self._make = explain, opened, make
        self._same = SameFile(path)
        self._spelled = spelling(self.dialect, names)
        self._opened: sqlite3.Connection | None = None

    def connection(self) -> sqlite3.Connection:
        if self._opened is None:
            if self._make:
                make_file(Path(self._path))
            try:
                made = self._same.opening(connect)
            except FileNotFoundError:
                raise Replaced("it was deleted") from None
            try:
                self._told(made)
            except BaseException:
                made.close()
                raise
            self._opened = made
        self._check(writing=False)
        return self._opened

    def _check(self, writing: bool) -> None:
        trouble = self._same.trouble(writing)
        if trouble is not None:
            raise Replaced(trouble)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Says in the words of who uses this database what fails."""
        try:
            yield
        except (sqlite3.Error, Replaced) as error:
            said = self._explain(error, self._path)
            if said is error:
                raise
            raise said from error

    @contextmanager
    def transaction(self, write: bool = True) -> Iterator[Transaction]:
        with self.explained():
            connection = self.connection()
            connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            try:
                if write:
                    self._check(write)
                yield SQLiteTransaction(connection, self._spelled)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            self._check(write)

    @contextmanager
    def held(self, name: str) -> Iterator[bool]:
        """Whether nobody else holds this name: a lock on a file beside the database, which the system releases when
        the process ends."""
        with open_file(Path(f"{self._path}.{name}.lock")) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def single(self, statement: str, parameters: Parameters = NOTHING) -> list[Row]:
        with self.explained():
            found = SQLiteTransaction(self.connection(), self._spelled).ask(statement, parameters)
            self._check(writing=False)
            return found

    def scrub(self) -> bool:
        """What was deleted under `erase_what_is_deleted` still stands in the write-ahead log."""
        with self.explained():
            busy, *_ = self.connection().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not busy

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None
