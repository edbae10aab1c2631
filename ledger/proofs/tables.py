"""What is kept of the proofs, in the ledger's own database: tiles, checkpoints, where each student stands, the map's
tiles.

None of it is believed: `verify` makes all of it again from the events. Tiles and heads tell of persons (whoever
guesses an event finds its hash): they never leave the house; checkpoints may. """

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, NamedTuple, Self

from ledger.edges.address import sqlite_path
from ledger.sql.base import Row, Transaction
from ledger.sql.migrations import Migrations, statements
from ledger.sql.postgres import Postgres
from ledger.sql.sqlite import SQLite
from ledger.store import StoreUnavailable, StoreUnusable, rights, versions
from ledger.store.epochs import Epoch, epochs

from .auditor import HANDOVER, Wrong, is_end, read_checkpoint
from .students import Bucket, Head
from .tree import WIDTH, Tile, TilePlace

LOCK = "sequencer"


def _rights(tx: Transaction) -> None:
    """Who may do what with these tables (a ledger that was made before them grants nothing on them)."""
    if tx.dialect == "postgresql":
        tx.script(rights.POSTGRES)


MIGRATIONS = Migrations("proofs", "career_ledger_migrations", "log_tiles", (
    statements(
        "proofs",
        """CREATE TABLE log_tiles (level INTEGER NOT NULL, number BIGINT NOT NULL, hashes BYTEA NOT NULL,
        first_position BIGINT, PRIMARY KEY (level, number))""",
        "CREATE INDEX log_tiles_positions ON log_tiles (first_position)",
        """CREATE TABLE log_checkpoints (size BIGINT PRIMARY KEY, position BIGINT NOT NULL, heads TEXT NOT NULL,
            body TEXT NOT NULL, note TEXT)""",
        """CREATE TABLE student_heads (bucket INTEGER NOT NULL, key TEXT NOT NULL, version BIGINT NOT NULL,
            chain BYTEA NOT NULL, PRIMARY KEY (bucket, key))""",
        """CREATE TABLE student_tiles (level INTEGER NOT NULL, number INTEGER NOT NULL, hashes BYTEA NOT NULL,
            PRIMARY KEY (level, number))"""),
    _rights, _rights))
"""`first_position`: of the first event in a tile of level 0. `heads`: the entry that ends a checkpoint; `position`:
of the last event before it; `body`: what is signed; `note`: with the signature, NULL between the transaction and the
signature."""


class KeptPoint(NamedTuple):
    """A checkpoint as it is kept."""

    size: int
    position: int
    heads: str
    body: str
    note: str | None

    def answer(self) -> dict[str, Any]:
        """For programs."""
        found = read_checkpoint(self.body)
        return {"origin": found.origin, "size": self.size, "position": self.position, "root": found.root.hex(),
                "note": self.note}


COLUMNS = "size, position, heads, body, note"


class NoCheckpoint(StoreUnusable):
    """What is kept of a checkpoint is none. `size`: as it is kept."""

    def __init__(self, size: Any) -> None:
        super().__init__(f"what is kept of the checkpoint of {size} entries is none: it was changed. `career-ledger "
                         "verify` says more")
        self.size = str(size)


def _point(row: Sequence[Any]) -> KeptPoint:
    """Raises NoCheckpoint where it does not say what a checkpoint says; SQLite takes any type in any column."""
    size, position, heads, body, note = row
    try:
        if [type(one) for one in (size, position, heads, body, note or "")] == [int, int, str, str, str] and \
                is_end(heads.encode(), bytes.fromhex(heads.split("\n")[4])) and read_checkpoint(body).size == size:
            return KeptPoint(size, position, heads, body, note)
    except (Wrong, IndexError, ValueError):
        pass
    raise NoCheckpoint(size)


class ProofTables:
    """In the ledger at an address that `open_store` has accepted. For one thread. Raises StoreUnavailable,
    StoreUnusable."""

    def __init__(self, url: str) -> None:
        self.url = url
        path = sqlite_path(url)
        self._backend: SQLite | Postgres
        if path is not None:
            from ledger.store.sqlite_file import problem

            self._backend = SQLite(str(path), problem, lambda link: link.execute("PRAGMA synchronous=FULL"),
                                   {"": {"events": "stored_events", "event_position": "rowid"}})
        else:
            from ledger.store.postgres import problem as said

            self._backend = Postgres(url, said, lambda _: None,
                                     {"": {"events": "public.stored_events", "event_position": "notification_id"}})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._backend.close()

    def exist(self) -> bool:
        """Raises StoreUnusable for those of another version, in words."""
        return versions.check(MIGRATIONS, self._backend)

    def prepare(self) -> None:
        """Makes the tables where there are none."""
        if not self.exist():
            versions.bring(MIGRATIONS, self._backend)

    def upgrade(self) -> list[int]:
        """Makes the tables, or brings them up to date; the numbers of the steps that were taken."""
        return versions.bring(MIGRATIONS, self._backend)

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether nobody else seals this ledger."""
        if isinstance(self._backend, SQLite):
            with self._backend.held(LOCK) as mine:
                yield mine
        else:
            with self._backend.held("career-ledger proofs", LOCK) as holder:
                yield holder is not None

    @contextmanager
    def reading(self) -> Iterator["Kept"]:
        """All of one moment."""
        with self._backend.transaction(write=False) as tx:
            yield Kept(tx)

    @contextmanager
    def looking(self) -> Iterator[Transaction]:
        """At what else the database holds."""
        with self._backend.transaction(write=False) as tx:
            yield tx

    def note(self, size: int, note: str) -> None:
        """The signature of a checkpoint that has none."""
        with self._backend.transaction() as tx:
            tx.run("UPDATE log_checkpoints SET note = :note WHERE size = :size AND note IS NULL",
                   {"size": size, "note": note})

    def cosigned(self, size: int, note: str) -> None:
        """The note of a checkpoint that a witness has signed too."""
        with self._backend.transaction() as tx:
            tx.run("UPDATE log_checkpoints SET note = :note WHERE size = :size AND note IS NOT NULL",
                   {"size": size, "note": note})

    def seal(self, before: int, sealed: KeptPoint, tiles: Sequence[tuple[Tile, int | None]],
             heads: Mapping[int, Bucket], map_tiles: Sequence[Tile]) -> None:
        """All of a checkpoint but its signature, in one transaction. `before`: the size of the one before; where
        another one has come meanwhile StoreUnavailable is raised."""
        with self._backend.transaction() as tx:
            tx.alone("career-ledger proofs")
            if tx.ask("SELECT coalesce(max(size), 0) FROM log_checkpoints") != [(before,)]:
                raise StoreUnavailable("another process has sealed the ledger meanwhile: try again")
            _keep(tx, [sealed], tiles, heads.items(), map_tiles)


def keep_whole(tx: Transaction, sealed: Sequence[KeptPoint], tiles: Sequence[tuple[Tile, int | None]],
               heads: Iterable[tuple[int, Bucket]], map_tiles: Sequence[Tile]) -> None:
    """The proofs of a whole ledger that is moved in, in its transaction: the tables are made where there are none."""
    MIGRATIONS.apply(tx)
    if tx.dialect == "postgresql":
        tx.run(rights.GRANT)
    _keep(tx, sealed, tiles, heads, map_tiles)


def _keep(tx: Transaction, sealed: Sequence[KeptPoint], tiles: Sequence[tuple[Tile, int | None]],
          heads: Iterable[tuple[int, Bucket]], map_tiles: Sequence[Tile]) -> None:
    tx.many("INSERT INTO log_tiles (level, number, hashes, first_position) "
            "VALUES (:level, :number, :hashes, :first) "
            "ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes, "
            "first_position = coalesce(log_tiles.first_position, excluded.first_position)",
            [{**one._asdict(), "first": first} for one, first in tiles])
    tx.many("INSERT INTO student_heads (bucket, key, version, chain) VALUES (:bucket, :key, :version, :chain) "
            "ON CONFLICT (bucket, key) DO UPDATE SET version = excluded.version, chain = excluded.chain",
            [{"bucket": index, "key": key, **head._asdict()} for index, bucket in heads
             for key, head in bucket.items()])
    tx.many("INSERT INTO student_tiles (level, number, hashes) VALUES (:level, :number, :hashes) "
            "ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes",
            [one._asdict() for one in map_tiles])
    tx.many(f"INSERT INTO log_checkpoints ({COLUMNS}) VALUES (:size, :position, :heads, :body, :note)",  # noqa: S608 - ours
            [one._asdict() for one in sealed])


class Kept:
    """What is kept, at one moment. Raises NoCheckpoint."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def last(self) -> KeptPoint | None:
        return self._one("WHERE size = (SELECT max(size) FROM log_checkpoints)", {})

    def of_size(self, size: int) -> KeptPoint | None:
        return self._one("WHERE size = :size", {"size": size})

    def known_at(self, position: int) -> KeptPoint | None:
        """The newest signed checkpoint whose events all stand at or below a position."""
        return self._one("WHERE size = (SELECT max(size) FROM log_checkpoints WHERE position <= :position "
                         "AND note IS NOT NULL)", {"position": position})

    def checkpoints(self) -> list[KeptPoint]:
        rows = self._ask(f"SELECT {COLUMNS} FROM log_checkpoints ORDER BY size")  # noqa: S608
        return [_point(row) for row in rows]

    def handovers(self) -> list[KeptPoint]:
        """The signed checkpoints with which the key changed."""
        rows = self._ask(f"SELECT {COLUMNS} FROM log_checkpoints WHERE heads LIKE :these AND note IS NOT NULL "  # noqa: S608
                         "ORDER BY size", {"these": f"{HANDOVER}%"})
        return [_point(row) for row in rows]

    def epochs(self) -> list[Epoch]:
        """That began with an accepted restore."""
        return epochs(self._tx)

    def tile(self, place: TilePlace) -> bytes:
        """Raises KeyError."""
        return self._tile("log_tiles", place)

    def map_tile(self, place: TilePlace) -> bytes:
        """Raises KeyError."""
        return self._tile("student_tiles", place)

    def buckets(self, indexes: Collection[int]) -> dict[int, dict[str, Head]]:
        found: dict[int, dict[str, Head]] = {}
        for part in _parts(sorted(indexes)):
            for index, key, version, chain in self._ask(
                    "SELECT bucket, key, version, chain FROM student_heads WHERE bucket IN :these", {"these": part}):
                found.setdefault(index, {})[key] = Head(version, _bytes(chain))
        return found

    def above(self) -> dict[TilePlace, bytes | int | None]:
        """The tiles of the log above level 0, and of those of level 0 the position of the first event."""
        return {(level, number): first if level == 0 else _bytes(hashes) for level, number, hashes, first in self._ask(
            "SELECT level, number, CASE WHEN level > 0 THEN hashes END, first_position FROM log_tiles")}

    def map_tiles(self) -> dict[TilePlace, bytes]:
        return {(level, number): _bytes(hashes) for level, number, hashes in self._ask(
            "SELECT level, number, hashes FROM student_tiles")}

    def index_of(self, position: int) -> int:
        """Of the leaf of an event that was sealed. Raises KeyError."""
        rows = self._ask("SELECT number, first_position FROM log_tiles WHERE level = 0 AND first_position <= :position "
                         "ORDER BY first_position DESC LIMIT 1", {"position": position})
        if not rows:
            raise KeyError(position)
        [(number, first)] = rows
        [(count,)] = self._ask("SELECT count(*) FROM {events} WHERE {event_position} >= :first AND "
                               "{event_position} <= :position", {"first": first, "position": position})
        low = number * WIDTH
        sizes = self._ask("SELECT size FROM log_checkpoints WHERE size > :low AND size <= :high",
                          {"low": low, "high": low + WIDTH})
        ends = {size - 1 for (size,) in sizes}
        events = (at for at in range(low, low + WIDTH) if at not in ends)
        index = next(islice(events, max(count - 1, 0), None), None)
        if index is None:
            raise KeyError(position)
        return index

    def _one(self, where: str, parameters: Mapping[str, Any]) -> KeptPoint | None:
        rows = self._ask(f"SELECT {COLUMNS} FROM log_checkpoints {where}", parameters)  # noqa: S608
        return _point(rows[0]) if rows else None

    def _tile(self, table: str, place: TilePlace) -> bytes:
        rows = self._ask(f"SELECT hashes FROM {table} WHERE level = :level AND number = :number",  # noqa: S608
                         {"level": place[0], "number": place[1]})
        if not rows:
            raise KeyError(place)
        return _bytes(rows[0][0])

    def _ask(self, statement: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        return self._tx.ask(statement, parameters or {})


def _bytes(stored: Any) -> bytes:
    """Empty where a superuser of SQLite has put something else there."""
    return bytes(stored) if isinstance(stored, bytes | bytearray | memoryview) else b""


def _parts(many: Sequence[int]) -> Iterator[list[int]]:
    for at in range(0, len(many), 5_000):
        yield list(many[at:at + 5_000])
