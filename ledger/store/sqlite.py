"""The store in one SQLite file, for one machine.

Readers never wait (WAL). Writers take turns: each transaction begins with BEGIN IMMEDIATE, so that position order is
commit order, and waits up to `LOCK_SECONDS` for its turn. `synchronous=FULL`: an event that was answered as accepted
survives a power cut. Positions are never reused, not even after an administrator has deleted rows (AUTOINCREMENT), and
VACUUM does not renumber them. Triggers refuse to change what is recorded.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ledger.sql.base import Replaced
from ledger.sql.sqlite import SameFile, SQLite, keep_a_log
from ledger.sql.sqlite import SQLiteTransaction as Asking

from . import guards, versions, whole
from .errors import StoreUnavailable, StoreUnusable
from .migrations import APPLICATION_ID, SQLITE, checks
from .recorder import SEALED, FirstLook, Identity, LogRow, Refusal, WholeRow
from .sqlite_file import REMEMBERED, SPELLING, link, problem
from .subject import who, whose

if TYPE_CHECKING:
    from eventsourcing.persistence import StoredEvent

    from .sqlite_writing import SQLiteWriter

INSERT_PLACED = ("INSERT INTO stored_events (rowid, originator_id, originator_version, topic, state) "
                 "VALUES (?,?,?,?,?)")
LAST_OF_ONE = "SELECT rowid FROM stored_events WHERE originator_id = ? ORDER BY originator_version DESC LIMIT 1"
LAST = ("SELECT coalesce((SELECT e.rowid FROM stored_events AS e WHERE e.originator_id = n.value ORDER BY "
        "e.originator_version DESC LIMIT 1), 0) FROM json_each(?) AS n ORDER BY n.key")


class _Link:
    """For one who reads at a time. `looked`: at what it leads to."""

    def __init__(self, path: str) -> None:
        self.same, self.looked = SameFile(path), False
        self.connection = link(self.same)

    def waits_for_nobody(self) -> None:
        self.connection.execute("PRAGMA busy_timeout=0")


class SQLiteRecorder:
    """Whole streams with their positions, read on links of its own; whatever writes is the library's (`writing`)."""

    may_import = True

    def __init__(self, path: str) -> None:
        self._path = path
        self._first: FirstLook | None = None
        self._writer: SQLiteWriter | None = None
        self._made = Lock()
        self._idle: list[_Link] = []
        self._glancing: list[_Link] = []
        """The one of an event loop."""
        with self._reading():  # from now on the file is this one
            pass

    @property
    def writing(self) -> "SQLiteWriter":
        with self._made:
            if self._writer is None:
                from .sqlite_writing import SQLiteWriter

                self._writer = SQLiteWriter(self._path, self._first)
            return self._writer

    def be_patient(self, seconds: float) -> None:
        """A file is there or not."""

    def look_first(self, look: FirstLook) -> None:
        with self._made:
            self._first = look
            if self._writer is not None:
                self._writer.look_first(look)

    def insert_events(self, stored_events: "Sequence[StoredEvent]") -> Sequence[int] | None:
        """All or none. Raises IntegrityError where a stream does not stand at the version before its first event
        here."""
        return self.writing.insert_events(stored_events)

    def pack(self, stored_events: "Sequence[StoredEvent]") -> bytes:
        return self.writing.pack(stored_events)

    def insert_packed(self, packs: Sequence[bytes], rows: int, heads: Mapping[UUID, int]) -> int:
        return self.writing.insert_packed(packs, rows, heads)

    def insert_with_refusals(self, stored_events: "Sequence[StoredEvent]", refusals: Sequence[Refusal],
                             unmoved: Mapping[UUID, int], absent: Sequence[tuple[str, str]]) -> Sequence[int]:
        return self.writing.insert_with_refusals(stored_events, refusals, unmoved, absent)

    def adopt_key(self, check: str) -> None:
        self.writing.adopt_key(check)

    def rewrite_refusals(self, rewrite: Callable[[Refusal], Refusal]) -> None:
        self.writing.rewrite_refusals(rewrite)

    def forget_refusals(self, student: str, stream: UUID) -> int:
        return self.writing.forget_refusals(student, stream)

    def identity(self) -> Identity:
        return Identity(*self.read("SELECT origin, epoch, digest_key FROM career_ledger", ())[0])

    def refusals(self, submissions: Sequence[tuple[str, str]]) -> list[Refusal]:
        with self._reading() as connection, _at_one_moment(connection):
            return [Refusal(row[0], row[1].decode(), row[2], row[3]) for student, id_ in submissions
                    for row in connection.execute(_hers(REMEMBERED), (student, id_.encode()))]

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

    def read(self, statement: str, parameters: tuple[Any, ...]) -> list[Any]:
        """One statement, which reads one moment by itself."""
        with self._reading() as connection:
            return connection.execute(_hers(statement), parameters).fetchall()

    @contextmanager
    def _reading(self, at_once: bool = False) -> Iterator[sqlite3.Connection]:
        """On a link that nobody else has meanwhile. It is kept also where something fails: a file that has been
        replaced stays another one. `at_once`: on one that waits for nobody."""
        idle = self._glancing if at_once else self._idle
        with self._made:
            one = idle.pop() if idle else None
        try:
            if one is None:
                one = _Link(self._path)
                if at_once:
                    one.waits_for_nobody()
            _check(one)
            if self._first is not None and not one.looked:
                with _at_one_moment(one.connection):
                    self._first(Asking(one.connection, SPELLING))
                one.looked = True
            yield one.connection
            _check(one)
        except FileNotFoundError:
            raise problem(Replaced("it was deleted"), self._path) from None
        except (sqlite3.Error, Replaced) as error:
            raise problem(error, self._path) from error
        finally:
            if one is not None:
                with self._made:
                    idle.append(one)

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
        """None where there is no answer without waiting for another program. One entry of an index is read, which
        takes less than a change of threads, also where it is not in memory."""
        try:
            with self._reading(at_once=True) as connection:
                row = connection.execute(_hers(LAST_OF_ONE), (originator_id.hex,)).fetchone()
        except (StoreUnavailable, StoreUnusable):
            return None
        return row[0] if row is not None else 0

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
        return [(position, _stream(position, stream)) for position, stream in rows]

    def first_events(self, after: int, limit: int) -> list[LogRow]:
        """The same, of each stream its first event only."""
        return self.read("SELECT rowid, topic, state FROM stored_events WHERE rowid > ? AND originator_version = 1 "
                         "ORDER BY rowid LIMIT ?", (after, limit))

    def last_position(self) -> int:
        return int(self.read("SELECT coalesce(max(rowid), 0) FROM stored_events", ())[0][0])

    def close(self) -> None:
        with self._made:
            for idle in (self._idle, self._glancing):
                while idle:
                    idle.pop().connection.close()
            if self._writer is not None:
                self._writer.close()


def _stream(position: int, stored: Any) -> UUID:
    """Raises StoreUnusable."""
    try:
        return UUID(stored)
    except (ValueError, TypeError, AttributeError):
        raise StoreUnusable(f"the event at position {position} stands in no stream: the file is damaged, and "
                            "`career-ledger verify` says more") from None


def _check(one: _Link) -> None:
    """Raises Replaced where the file is another one: nothing that it answers may be believed."""
    trouble = one.same.trouble(writing=False)
    if trouble is not None:
        raise Replaced(trouble)


@contextmanager
def _at_one_moment(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("COMMIT")


def _hers(statement: str) -> str:
    """Reads one student's rows, where nobody else's may be read."""
    stream, student = whose(), who()
    if stream is None or student is None:
        return statement
    quoted = student.replace("'", "''")
    return (f"WITH stored_events AS (SELECT rowid AS rowid, * FROM main.stored_events WHERE originator_id = "
            f"'{stream.hex}'), refused_submissions AS (SELECT * FROM main.refused_submissions WHERE student = "
            f"'{quoted}') {statement}")


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
