# ruff: noqa: S608 - statements are put together from names of our own only
"""The tables in SQLite or PostgreSQL: the statements are the same, each backend adds what only it does.

There are two sets of tables: the live ones, which answer, and while a rebuild runs the new ones beside them. Every
transaction that writes begins with the table of positions, and so does every question: this order keeps them from waiting
for each other in a circle, and a question sees rows and position of one moment, also while the sets are swapped.
"""

import hashlib
import json
import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol
from uuid import UUID

from ledger.domain.timelines import COLUMNS
from ledger.store import SetAside, StoreUnusable
from ledger.store.mapper import stream_id

from .shape import BOOLS, CENTS, DATES, INDEXES, NUMBERS, SCHEMA, WHOLE, Row, Rows, difference, schema

Parameters = Mapping[str, Any]
NOTHING: Parameters = MappingProxyType({})
LOOK_SECONDS = 5.0
"""A question looks so often whether the log is still the one that the rows reflect."""
NEW = "new"
LIVE = "live"


class RebuildNeeded(StoreUnusable):
    """The stored rows rest on another law, or on another version of this program."""


class OtherLog(StoreUnusable):
    """The log is not the one whose events the stored rows reflect: another ledger's, or an older copy."""


class Repartitioned(StoreUnusable):
    """Another follower has begun with another number of partitions."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far the rows of one partition (of `partitions`, from 1) go, and the law they were computed under (`law_of`)."""

    partition: int
    partitions: int
    position: int
    law: str

    def owns(self, stream: UUID) -> bool:
        """A student's partition: the id of her stream, a hash of her pseudonym that never changes, modulo their number."""
        return stream.int % self.partitions == self.partition - 1


class Cursor(Protocol):
    """One transaction. Statements name tables as `{blocks}` and values as `:name`."""

    def run(self, statement: str, parameters: Parameters = NOTHING, tables: str = LIVE) -> int:
        """How many rows were changed."""
        ...

    def ask(self, statement: str, parameters: Parameters = NOTHING, tables: str = LIVE) -> list[Row]:
        """Rows with days as ISO text and booleans as 0 and 1, as in `shape`."""
        ...

    def insert(self, kind: str, rows: Sequence[Row], tables: str = LIVE) -> None: ...


class Backend(Protocol):
    """What SQLite and PostgreSQL do each in its own way. Raises StoreUnavailable and StoreUnusable."""

    def transaction(self, write: bool, tables: str = LIVE) -> AbstractContextManager[Cursor]: ...

    def single(self, statement: str, parameters: Parameters) -> list[Row]:
        """One prepared statement on its own: one moment too, and one round trip."""
        ...

    def exists(self, tables: str = LIVE) -> bool: ...

    def create(self, cursor: Cursor, tables: str) -> bool:
        """Empty tables without indexes; False where they exist already."""
        ...

    def index(self, cursor: Cursor, kind: str, columns: tuple[str, ...], tables: str) -> None: ...
    def drop(self, cursor: Cursor, tables: str) -> None: ...

    def hold(self, cursor: Cursor) -> None:
        """Nobody else reads or moves the live positions from here to the end of the transaction."""
        ...

    def swap(self, cursor: Cursor) -> None:
        """Drops the live tables and puts the new ones in their place. After `hold`, in the same transaction."""
        ...

    def analyze(self, tables: str) -> None: ...
    def among(self, column: str, name: str) -> str: ...
    def many(self, values: Collection[str]) -> Any: ...

    def known(self, streams: Collection[UUID]) -> set[UUID]:
        """Which of these streams exist."""
        ...

    def size(self) -> int | None: ...
    def lock(self, name: str) -> AbstractContextManager[bool]: ...
    def wait(self, seconds: float) -> None: ...
    def close(self) -> None: ...


_NAMES = re.compile(r"(?<!:):([a-z_]+)")


def percent(statement: str) -> str:
    """`:name` as psycopg writes it."""
    return _NAMES.sub(r"%(\1)s", statement.replace("%", "%%"))


class Database:
    """The tables of the ledger at an address, on both backends."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._looked_at = float("-inf")

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.backend.close()

    def prepare(self, law: str) -> None:
        """Makes empty tables where there are none. Several processes may do it at once."""
        if not self.backend.exists():
            with self.backend.transaction(write=True) as cursor:
                if self.backend.create(cursor, LIVE):
                    set_positions(cursor, 1, 0, law, LIVE)
                    for kind, columns in indexes():
                        self.backend.index(cursor, kind, columns, LIVE)

    def positions(self) -> list[Position]:
        """Where each partition stands; empty where nothing was ever stored."""
        if not self.backend.exists():
            return []
        with self.backend.transaction(write=False) as cursor:
            return positions_in(cursor)

    def strange(self, tables: str = LIVE) -> str | None:
        """Why the log cannot be the one whose events the stored rows reflect, in a sentence; None where nothing speaks against it.

        A follower that goes on from a position of another log would pass over events for ever."""
        if not self.backend.exists(tables):
            return None
        with self.backend.transaction(write=False, tables=tables) as cursor:
            found = positions_in(cursor, tables)
            if _shaped_otherwise(found) is not None:
                return None  # they must be made anew anyway, and know nothing of it
            [(last,)] = cursor.ask("SELECT coalesce(max({event_position}), 0) FROM {events}")
            history = history_in(cursor)
            for position, origin, epoch, mark in cursor.ask("SELECT position, origin, epoch, mark FROM {position}", tables=tables):
                if (origin, epoch) != history:
                    return "the stored projections are those of another ledger" if origin != history[0] else (
                        f"the stored projections are of epoch {epoch} of this ledger, which is in epoch {history[1]}")
                if position > last:
                    return (f"the stored projections reflect events up to position {position}, and the ledger ends at {last}: an older "
                            "copy of its events (a backup?) was put in their place")
                if mark != mark_of(cursor, position):
                    return f"at position {position} stands another event than the one up to which the stored projections were made"
        return None

    def check_log(self, at_least_every: float = 0.0) -> None:
        """Raises OtherLog, and RebuildNeeded where the tables are another version's. `at_least_every`: seconds for which one look is
        enough."""
        if time.monotonic() - self._looked_at < at_least_every:
            return
        other = _shaped_otherwise(self.positions())
        if other is not None:
            raise RebuildNeeded(f"the stored projections need a rebuild: their tables are those of another version of this program (schema "
                                f"{other}, this one has {schema()}). Run `career-ledger projection rebuild`")
        why = self.strange()
        if why is not None:
            raise OtherLog(f"{why}. Put the right copy of the ledger back; if this is the right one, run "
                           "`career-ledger projection rebuild`")
        self._looked_at = time.monotonic()

    def partition(self, number: int, of: int, law: str) -> Position:
        """Where a partition stands. Raises RebuildNeeded where the rows rest on another law, OtherLog where they reflect another log,
        and Repartitioned where the number of partitions is another one."""
        found = self.positions()
        if found:
            check_law(found, law)
            self.check_log()
        mine = next((p for p in found if (p.partition, p.partitions) == (number, of)), None)
        if mine is None:
            raise Repartitioned(f"the stored projections have {len(found)} partitions now, not {of}: start this follower again")
        return mine

    def repartition(self, of: int, law: str) -> None:
        """Sets the number of partitions. Every partition begins where the slowest stood: computing rows again is harmless."""
        self.check_log()
        with self.backend.transaction(write=True) as cursor:
            found = positions_in(cursor)
            check_law(found, law)
            if len(found) != of:
                set_positions(cursor, of, min(p.position for p in found), law, LIVE)

    def replace(self, at: Position, to: int, students: Collection[str], rows: Rows, aside: Sequence[SetAside] = (),
                tables: str = LIVE) -> bool:
        """Puts the rows of these students in the place of the old ones and moves the partition on from `at` to position
        `to`, both or neither. False, and nothing is done, where the partition does not stand there any more.

        Who is set aside (`aside`) keeps no rows, which could be wrong by now, and is remembered until she is among `students`."""
        with self.backend.transaction(write=True, tables=tables) as cursor:
            return self.replace_in(cursor, at, to, students, rows, aside, tables)

    def replace_in(self, cursor: Cursor, at: Position, to: int, students: Collection[str], rows: Rows, aside: Sequence[SetAside],
                   tables: str) -> bool:
        """The same within a transaction."""
        moved = cursor.run(
            "UPDATE {position} SET position = :to, mark = :mark WHERE partition_no = :partition AND partitions = :partitions "
            "AND position = :at AND law = :law",
            {"to": to, "mark": mark_of(cursor, to), "partition": at.partition, "partitions": at.partitions, "at": at.position,
             "law": at.law}, tables)
        if moved != 1:
            return False
        nobody = [one.student for one in aside if one.student is not None]
        self._remember(cursor, [*map(stream_id, students), *(one.stream for one in aside)], aside, tables)
        if students or nobody:
            among = {"students": self.backend.many([*students, *nobody])}
            for kind in COLUMNS:
                cursor.run(f"DELETE FROM {{{kind}}} WHERE {self.backend.among('student', 'students')}", among, tables)
                if rows[kind]:
                    cursor.insert(kind, rows[kind], tables)
        return True

    def _remember(self, cursor: Cursor, streams: Sequence[UUID], aside: Sequence[SetAside], tables: str) -> None:
        if aside or cursor.ask("SELECT count(*) FROM {aside}", tables=tables)[0][0]:
            cursor.run(f"DELETE FROM {{aside}} WHERE {self.backend.among('stream', 'streams')}",
                       {"streams": self.backend.many([one.hex for one in streams])}, tables)
        add_aside(cursor, aside, tables)

    def aside(self, found: Sequence[Position] | None = None) -> list[SetAside]:
        """Who is set aside. Empty where the tables are those of an older program. `found`: the positions, where they are known."""
        found = self.positions() if found is None else found
        if not found or json.loads(found[0].law)["schema"] != schema():
            return []
        with self.backend.transaction(write=False) as cursor:
            return [SetAside(UUID(stream), *rest) for stream, *rest in cursor.ask(
                "SELECT stream, student, position, why FROM {aside} ORDER BY position")]

    def rows(self, students: Collection[str]) -> tuple[list[Position], Rows]:
        """What is stored of these students, and the positions of the same moment."""
        with self.backend.transaction(write=False) as cursor:
            among = {"students": self.backend.many(students)}
            return positions_in(cursor), {
                kind: cursor.ask(f"SELECT student, {', '.join(columns)} FROM {{{kind}}} WHERE {self.backend.among('student', 'students')}",
                                 among)
                for kind, columns in COLUMNS.items()}

    def ask(self, statements: Sequence[tuple[str, Parameters]]) -> tuple[list[Position], list[list[Row]]]:
        """The answers to some statements and the positions of the same moment. Raises StoreUnusable where nothing is stored."""
        if not self.backend.exists():
            raise StoreUnusable("nothing is stored yet: run `career-ledger project` (or `career-ledger projection rebuild`) first")
        self.check_log(LOOK_SECONDS)
        with self.backend.transaction(write=False) as cursor:
            return positions_in(cursor), [cursor.ask(statement, parameters) for statement, parameters in statements]


def indexes() -> Iterator[tuple[str, tuple[str, ...]]]:
    for kind, found in INDEXES.items():
        for columns in found:
            yield kind, columns


def add_aside(cursor: Cursor, ones: Sequence[SetAside], tables: str) -> None:
    for one in ones:
        cursor.run("INSERT INTO {aside} (stream, student, position, why) VALUES (:stream, :student, :position, :why)",
                   {"stream": one.stream.hex, "student": one.student, "position": one.position, "why": one.why}, tables)


def positions_in(cursor: Cursor, tables: str = LIVE) -> list[Position]:
    return [Position(*row) for row in cursor.ask(
        "SELECT partition_no, partitions, position, law FROM {position} ORDER BY partition_no", tables=tables)]


def set_positions(cursor: Cursor, of: int, position: int, law: str, tables: str) -> None:
    cursor.run("DELETE FROM {position}", tables=tables)
    origin, epoch = history_in(cursor)
    mark = mark_of(cursor, position)
    for number in range(1, of + 1):
        cursor.run("INSERT INTO {position} (partition_no, partitions, position, law, origin, epoch, mark) "
                   "VALUES (:number, :of, :position, :law, :origin, :epoch, :mark)",
                   {"number": number, "of": of, "position": position, "law": law, "origin": origin, "epoch": epoch, "mark": mark}, tables)


def history_in(cursor: Cursor) -> tuple[str, int]:
    """Origin and epoch of the ledger."""
    [(origin, epoch)] = cursor.ask("SELECT origin, epoch FROM {ledger}")
    return origin, epoch


def mark_of(cursor: Cursor, position: int) -> str:
    """What tells the event at a position from any other: of what is published of it only, since a report's reader may see it."""
    found = cursor.ask("SELECT originator_id, originator_version, state FROM {events} WHERE {event_position} = :position",
                       {"position": position})
    if not found:
        return ""
    stream, version, state = found[0]
    try:
        record = json.loads(bytes(state))
        said = [record["id"], record["recorded_at"]]
    except (ValueError, KeyError, TypeError):  # unreadable: it stands there all the same
        said = []
    return hashlib.sha256(json.dumps([str(stream).replace("-", ""), version, *said]).encode()).hexdigest()


def _shaped_otherwise(found: Sequence[Position]) -> str | None:
    """The schema under which the tables were made, where their columns need not be those of this program."""
    schemas = (str(json.loads(p.law)["schema"]) for p in found)
    return next((other for other in schemas if other.partition(".")[0] != str(SCHEMA)), None)


def check_law(found: Sequence[Position], law: str) -> None:
    why = needs_rebuild(found, law)
    if why is not None:
        raise RebuildNeeded(why)


def needs_rebuild(found: Sequence[Position], law: str) -> str | None:
    """Why the stored rows must be made anew, in a sentence; None where they need not be."""
    why = next((d for p in found if (d := difference(p.law, law))), None)
    return f"the stored projections need a rebuild: {why}. Run `career-ledger projection rebuild`" if why else None


def column_types(text: str, whole: str, number: str, day: str, boolean: str) -> dict[str, list[tuple[str, str]]]:
    """The columns of each table with their types, the student first."""
    def kind_of(column: str) -> str:
        return (day if column in DATES else whole if column in CENTS | WHOLE else number if column in NUMBERS
                else boolean if column in BOOLS else text)

    return {kind: [("student", f"{text} NOT NULL"), *((c, kind_of(c) + (" NOT NULL" if c == "from_on" else "")) for c in columns)]
            for kind, columns in COLUMNS.items()}


def open_database(url: str) -> Database:
    """The stored projections of the ledger at an address that `open_store` has accepted. Makes nothing yet."""
    if url.startswith("sqlite:///"):
        from .sqlite import SQLiteBackend

        return Database(SQLiteBackend(url.removeprefix("sqlite:///")))
    from .postgres import PostgresBackend

    return Database(PostgresBackend(url))
