
"""The tables, in two sets: the live ones, which answer, and while a rebuild runs the new ones beside them.

Statements name them `{blocks}` and say which set they mean where it is not the live one. Each set keeps the
numbers of the migrations that made it. What a step changes is never put right in place, since the rows must be
computed anew: `career-ledger upgrade` makes a new set of all steps beside the old one (a rebuild) while
questions are answered from that.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Protocol
from uuid import UUID

from ledger.domain.timelines import COLUMNS
from ledger.sql.base import Backend, Dialect, Transaction
from ledger.sql.migrations import Migrations

from .shape import BOOLS, CENTS, DATES, INDEXES, NUMBERS, STEPS, WHOLE

LIVE, NEW = "live", "new"
KEPT = (*COLUMNS, "position", "aside", "migrations")
"""What a set holds; the new one holds `done` besides, in which a rebuild notes its parts."""
_TYPES: Mapping[Dialect, tuple[str, str, str, str, str]] = {
    "sqlite": ("TEXT", "INTEGER", "NUMERIC", "TEXT", "INTEGER"),
    "postgresql": ('text COLLATE "C"', "bigint", "double precision", "date", "boolean")}
"""Of text, whole numbers and cents, numbers, days, flags. Texts are in the order of their bytes on both, so that an
index finds how one begins."""


class ProjectionBackend(Backend, Protocol):
    """What SQLite and PostgreSQL do each in its own way. Raises StoreUnavailable and StoreUnusable."""

    log: Migrations
    """Those of the ledger."""
    one_writer: bool
    """Whether processes that write at the same time only wait for each other."""

    def reading(self, tables: str = LIVE) -> AbstractContextManager[Transaction]:
        """A question about a set of tables, all of one moment, also while the sets are swapped."""
        ...

    def names(self, tables: str) -> Mapping[str, str]: ...
    def exists(self, tables: str = LIVE) -> bool: ...

    def begin(self, tx: Transaction, tables: str) -> None:
        """Where a set is about to be made."""
        ...

    def made(self, tx: Transaction, tables: str) -> None:
        """When it is there: who may read it."""
        ...

    def index(self, tx: Transaction, kind: str, columns: tuple[str, ...], tables: str) -> None: ...
    def drop(self, tx: Transaction, tables: str) -> None: ...

    def hold(self, tx: Transaction) -> None:
        """Nobody else reads or moves the live positions from here to the end of the transaction."""
        ...

    def swap(self, tx: Transaction) -> None:
        """Drops the live tables and puts the new ones in their place. After `hold`, in the same transaction."""
        ...

    def known(self, streams: Collection[UUID]) -> set[UUID]:
        """Which of these streams exist."""
        ...

    def size(self) -> int | None: ...
    def lock(self, name: str) -> AbstractContextManager[bool]: ...
    def wait(self, seconds: float) -> None: ...


def migrations(backend: ProjectionBackend, tables: str = LIVE) -> Migrations:
    """Of one set. Their steps are named in `shape.STEPS`, which everything that is computed under
    them keeps the number of."""
    def first(tx: Transaction) -> None:
        whole = _TYPES[tx.dialect][1]
        for kind, columns in column_types(tx.dialect).items():
            tx.run(f"CREATE TABLE {{{kind}}} ({', '.join(' '.join(column) for column in columns)})", tables=tables)
        tx.run(f"CREATE TABLE {{position}} (partition_no INTEGER NOT NULL, partitions INTEGER NOT NULL, "
               f"position {whole} NOT NULL, law TEXT NOT NULL, origin TEXT NOT NULL, epoch INTEGER NOT NULL, "
               "mark TEXT NOT NULL)", tables=tables)
        tx.run(f"CREATE TABLE {{aside}} (stream TEXT PRIMARY KEY, student TEXT, position {whole} NOT NULL, "
               "why TEXT NOT NULL)",
               tables=tables)

    def with_gaps_and_forfeitures(tx: Transaction) -> None:
        """`first` makes their tables too, where it makes any."""

    def in_the_order_of_bytes(tx: Transaction) -> None:
        """The same of their texts."""

    steps = (first, with_gaps_and_forfeitures, in_the_order_of_bytes)
    if len(steps) != STEPS:
        raise RuntimeError("shape.STEPS is not the number of steps")
    names = backend.names(tables)
    return Migrations("projections", names["migrations"], names["position"], steps)


def create(backend: ProjectionBackend, tx: Transaction, tables: str) -> bool:
    """Empty tables without indexes; False where they exist already."""
    tx.alone("career-ledger projections")
    if tx.has(backend.names(tables)["position"]):
        return False
    backend.begin(tx, tables)
    migrations(backend, tables).apply(tx)
    if tables == NEW:
        tx.run(f"CREATE TABLE {{done}} (part INTEGER PRIMARY KEY, parts INTEGER NOT NULL, "
               f"events {_TYPES[tx.dialect][1]} NOT NULL)",
               tables=NEW)
    backend.made(tx, tables)
    return True


def column_types(dialect: Dialect) -> dict[str, list[tuple[str, str]]]:
    """The columns of each table with their types, the student first."""
    text, whole, number, day, boolean = _TYPES[dialect]

    def kind_of(column: str) -> str:
        return (day if column in DATES else whole if column in CENTS | WHOLE else number if column in NUMBERS
                else boolean if column in BOOLS else text)

    return {kind: [("student", f"{text} NOT NULL"),
                   *((c, kind_of(c) + (" NOT NULL" if c == "from_on" else "")) for c in columns)]
            for kind, columns in COLUMNS.items()}


def indexes() -> Iterator[tuple[str, tuple[str, ...]]]:
    for kind, found in INDEXES.items():
        for columns in found:
            yield kind, columns
