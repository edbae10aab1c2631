# ruff: noqa: S608 - statements are put together from names of our own only
"""The stored rows and how far they go, the same on SQLite and PostgreSQL; `tables` has what each does in its own way.

Every transaction that writes begins with the table of positions, and so does every question: this order keeps
them from waiting for each other in a circle, and a question sees rows and position of one moment, also while
the sets of tables are swapped.
"""

import hashlib
import json
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from ledger.domain.phrases import Phrase, says
from ledger.domain.timelines import COLUMNS
from ledger.sql.base import Parameters, Row, Transaction
from ledger.sql.migrations import Newer, Older
from ledger.store import SetAside, StoreUnusable, versions
from ledger.store.mapper import stream_id

from .shape import StoredRows, difference
from .tables import LIVE, ProjectionBackend, create, indexes, migrations

LOOK_SECONDS = 5.0
"""A question looks so often whether the log is still the one that the rows reflect."""


OLDER = says("rebuild/older")


class RebuildNeeded(StoreUnusable):
    """The stored rows rest on another law, or on another version of this program."""


class OtherLog(StoreUnusable):
    """The log is not the one whose events the stored rows reflect: another ledger's, or an older copy."""


class Repartitioned(StoreUnusable):
    """Another follower has begun with another number of partitions."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far the rows of one partition (of `partitions`, from 1) go, and the law they were
    computed under (`law_of`)."""

    partition: int
    partitions: int
    position: int
    law: str

    def owns(self, stream: UUID) -> bool:
        """A student's partition: the id of her stream, a hash of her pseudonym that never
        changes, modulo their number."""
        return stream.int % self.partitions == self.partition - 1


class ProjectionDatabase:
    """The tables of the ledger at an address, on both backends."""

    def __init__(self, backend: ProjectionBackend) -> None:
        self.backend = backend
        self._looked_at = float("-inf")

    def __enter__(self) -> "ProjectionDatabase":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.backend.close()

    def prepare(self, law: str) -> None:
        """Makes empty tables where there are none. Several processes may do it at once."""
        if not self.backend.exists():
            with self.backend.transaction() as cursor:
                if create(self.backend, cursor, LIVE):
                    set_positions(cursor, 1, 0, law, LIVE)
                    for kind, columns in indexes():
                        self.backend.index(cursor, kind, columns, LIVE)

    def positions(self) -> list[Position]:
        """Where each partition stands; empty where nothing was ever stored."""
        if not self.backend.exists():
            return []
        with self.backend.reading() as cursor:
            return positions_in(cursor)

    def strange(self, tables: str = LIVE) -> str | None:
        """Why the log cannot be the one whose events the stored rows reflect, in a sentence; None
        where nothing speaks against it.

        A follower that goes on from a position of another log would pass over events for ever."""
        if not self.backend.exists(tables):
            return None
        with self.backend.reading(tables) as cursor:
            # else they must be made anew anyway
            return strange_in(cursor, tables) if self._is_of_today(cursor, tables) else None

    def is_older(self) -> bool:
        """Whether there are tables that an older program has made. Raises StoreUnusable where a newer one has."""
        if not self.backend.exists():
            return False
        with self.backend.reading() as cursor:
            return not self._is_of_today(cursor, LIVE)

    def check_tables(self) -> None:
        """Raises RebuildNeeded for tables of an older program, StoreUnusable for those of a newer one."""
        if self.is_older():
            raise RebuildNeeded(OLDER)

    def _is_of_today(self, cursor: Transaction, tables: str) -> bool:
        kind = migrations(self.backend, tables)
        try:
            kind.check(kind.applied(cursor))
        except Older:
            return False
        except Newer as error:
            raise StoreUnusable(f"the set of stored projections {error}") from None
        return True

    def check_log(self, at_least_every: float = 0.0) -> None:
        """Raises OtherLog, and what `check_tables` does. `at_least_every`: seconds for which one look is enough."""
        if time.monotonic() - self._looked_at < at_least_every:
            return
        if self._looked_at == float("-inf"):
            versions.check(self.backend.log, self.backend)
        if not self.backend.exists():
            return
        with self.backend.reading() as cursor:
            if not self._is_of_today(cursor, LIVE):
                raise RebuildNeeded(OLDER)
            why = strange_in(cursor, LIVE)
        if why is not None:
            raise OtherLog(f"{why}. Put the right copy of the ledger back; if this is the right one, run "
                           "`career-ledger projection rebuild`")
        self._looked_at = time.monotonic()

    def partition(self, number: int, of: int, law: str) -> Position:
        """Where a partition stands. Raises RebuildNeeded where the rows rest on another law, OtherLog where they
        reflect another log, and Repartitioned where the number of partitions is another one."""
        found = self.positions()
        if found:
            self.check_log()
            check_law(found, law)
        mine = next((p for p in found if (p.partition, p.partitions) == (number, of)), None)
        if mine is None:
            raise Repartitioned(f"the stored projections have {len(found)} partitions now, not {of}: "
                                "start this follower again")
        return mine

    def repartition(self, of: int, law: str) -> None:
        """Sets the number of partitions. Every partition begins where the slowest stood:
        computing rows again is harmless."""
        self.check_log()
        with self.backend.transaction() as cursor:
            found = positions_in(cursor)
            check_law(found, law)
            if len(found) != of:
                set_positions(cursor, of, min(p.position for p in found), law, LIVE)

    def replace(self, at: Position, to: int, students: Collection[str], rows: StoredRows,
                aside: Sequence[SetAside] = (), tables: str = LIVE) -> bool:
        """Puts the rows of these students in the place of the old ones and moves the partition on from `at` to position
        `to`, both or neither. False, and nothing is done, where the partition does not stand there any more.

        Who is set aside (`aside`) keeps no rows, which could be wrong by now, and is remembered until she is among
        `students`."""
        with self.backend.transaction() as cursor:
            return self.replace_in(cursor, at, to, students, rows, aside, tables)

    def replace_in(self, cursor: Transaction, at: Position, to: int, students: Collection[str], rows: StoredRows,
                   aside: Sequence[SetAside], tables: str) -> bool:
        """The same within a transaction."""
        moved = cursor.run(
            "UPDATE {position} SET position = :to, mark = :mark WHERE partition_no = :partition AND partitions = "
            ":partitions AND position = :at AND law = :law",
            {"to": to, "mark": mark_of(cursor, to), "partition": at.partition, "partitions": at.partitions,
             "at": at.position, "law": at.law}, tables)
        if moved != 1:
            return False
        nobody = [one.student for one in aside if one.student is not None]
        self._remember(cursor, [*map(stream_id, students), *(one.stream for one in aside)], aside, tables)
        if students or nobody:
            among = {"students": [*students, *nobody]}
            for kind in COLUMNS:
                cursor.run(f"DELETE FROM {{{kind}}} WHERE student IN :students", among, tables)
                if rows[kind]:
                    cursor.insert(kind, rows[kind], tables)
        return True

    def _remember(self, cursor: Transaction, streams: Sequence[UUID], aside: Sequence[SetAside], tables: str) -> None:
        if aside or cursor.ask("SELECT count(*) FROM {aside}", tables=tables)[0][0]:
            cursor.run("DELETE FROM {aside} WHERE stream IN :streams",
                       {"streams": [one.hex for one in streams]}, tables)
        add_aside(cursor, aside, tables)

    def aside(self, found: Sequence[Position] | None = None) -> list[SetAside]:
        """Who is set aside. Empty where the tables are those of an older program. `found`: the
        positions, where they are known."""
        found = self.positions() if found is None else found
        if not found:
            return []
        with self.backend.reading() as cursor:
            if not self._is_of_today(cursor, LIVE):
                return []
            return [SetAside(UUID(stream), *rest) for stream, *rest in cursor.ask(
                "SELECT stream, student, position, why FROM {aside} ORDER BY position")]

    def rows(self, students: Collection[str]) -> tuple[list[Position], StoredRows]:
        """What is stored of these students, and the positions of the same moment."""
        with self.backend.reading() as cursor:
            among = {"students": list(students)}
            return positions_in(cursor), {
                kind: cursor.ask(f"SELECT student, {', '.join(columns)} FROM {{{kind}}} WHERE student IN :students",
                                 among)
                for kind, columns in COLUMNS.items()}

    def ask(self, statements: Sequence[tuple[str, Parameters]]) -> tuple[list[Position], list[list[Row]]]:
        """The answers to some statements and the positions of the same moment. Raises
        StoreUnusable where nothing is stored."""
        if not self.backend.exists():
            raise StoreUnusable(says("rebuild/nothing-stored"))
        self.check_log(LOOK_SECONDS)
        with self.backend.reading() as cursor:
            return positions_in(cursor), [cursor.ask(statement, parameters) for statement, parameters in statements]


def add_aside(cursor: Transaction, ones: Sequence[SetAside], tables: str) -> None:
    for one in ones:
        cursor.run("INSERT INTO {aside} (stream, student, position, why) VALUES (:stream, :student, :position, :why)",
                   {"stream": one.stream.hex, "student": one.student, "position": one.position, "why": one.why}, tables)


def strange_in(cursor: Transaction, tables: str) -> str | None:
    """`ProjectionDatabase.strange` of tables of today."""
    [(last,)] = cursor.ask("SELECT coalesce(max({event_position}), 0) FROM {events}")
    history = history_in(cursor)
    rows = cursor.ask("SELECT position, origin, epoch, mark FROM {position}", tables=tables)
    for position, origin, epoch, mark in rows:
        if (origin, epoch) != history:
            return "the stored projections are those of another ledger" if origin != history[0] else (
                f"the stored projections are of epoch {epoch} of this ledger, which is in epoch {history[1]}")
        if position > last:
            return (f"the stored projections reflect events up to position {position}, and the ledger ends at {last}: "
                    "an older copy of its events (a backup?) was put in their place")
        if mark != mark_of(cursor, position):
            return (f"at position {position} stands another event than the one up to which the stored projections were "
                    "made")
    return None


def positions_in(cursor: Transaction, tables: str = LIVE) -> list[Position]:
    return [Position(*row) for row in cursor.ask(
        "SELECT partition_no, partitions, position, law FROM {position} ORDER BY partition_no", tables=tables)]


def set_positions(cursor: Transaction, of: int, position: int, law: str, tables: str) -> None:
    cursor.run("DELETE FROM {position}", tables=tables)
    origin, epoch = history_in(cursor)
    mark = mark_of(cursor, position)
    for number in range(1, of + 1):
        cursor.run("INSERT INTO {position} (partition_no, partitions, position, law, origin, epoch, mark) "
                   "VALUES (:number, :of, :position, :law, :origin, :epoch, :mark)",
                   {"number": number, "of": of, "position": position, "law": law, "origin": origin,
                    "epoch": epoch, "mark": mark}, tables)


def history_in(cursor: Transaction) -> tuple[str, int]:
    """Origin and epoch of the ledger."""
    [(origin, epoch)] = cursor.ask("SELECT origin, epoch FROM {ledger}")
    return origin, epoch


def mark_of(cursor: Transaction, position: int) -> str:
    """What tells the event at a position from any other: of what is published of it only, since a
    report's reader may see it."""
    found = cursor.ask("SELECT originator_id, originator_version, state FROM {events} WHERE {event_position} = "
                       ":position",
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


def check_law(found: Sequence[Position], law: str) -> None:
    why = needs_rebuild(found, law)
    if why is not None:
        raise RebuildNeeded(why)


def needs_rebuild(found: Sequence[Position], law: str) -> Phrase | None:
    """Why the stored rows must be made anew; None where they need not be."""
    why = next((d for p in found if (d := difference(p.law, law))), None)
    return says("rebuild/needed", parts=why) if why else None
