"""Makes the stored rows anew beside the live ones, and swaps them in one transaction.

1. Empty tables beside the live ones, without indexes, at the position at which the log ends now. New tables of the same
   law that an earlier, interrupted rebuild left are taken over.
2. Part by part of the ledger, in worker processes: read whole streams, fold, and write rows and the part's mark in one
   transaction. A part that is marked is never done again.
3. Indexes.
4. What was appended meanwhile, page by page, as a follower does.
5. In one transaction: the live positions are held, the rest is caught up until the new rows are not behind the old
   ones, the old tables go and the new ones take their names. Questions are answered from the old ones until then, and
   wait for this transaction only. Followers find their partitions at the new position and go on.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ledger.domain.books import LawBooks
from ledger.domain.timelines import COLUMNS
from ledger.store import EventStore, SetAside, StoreUnavailable, open_store
from ledger.store.workers import Progress, Task, Workbench, parts_of, run_all, workers_for

from .database import ProjectionDatabase, add_aside, positions_in, set_positions
from .follower import advance
from .open import open_database
from .shape import StoredRows, compute, law_of
from .tables import LIVE, NEW, create, indexes

CATCH_UP_PAGE = 5_000
INDEXERS = 2
"""Tables that are indexed at a time: the work is the server's."""
Bench = Workbench[ProjectionDatabase]


class Busy(StoreUnavailable):
    """Another rebuild is running."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild did. `resumed`: events that an interrupted one had done already.
    `aside`: who could not be read."""

    events: int
    resumed: int
    position: int
    seconds: float
    aside: tuple[SetAside, ...]


@dataclass(frozen=True, slots=True)
class _Part:
    number: int
    of: int
    law: str


def rebuild(url: str, books: LawBooks, workers: int | None = None, progress: Progress | None = None) -> Rebuilt:
    """Raises Busy where another rebuild is running. Killed at any moment, the next call goes on where it was."""
    begun = time.monotonic()
    law = law_of(books)
    with open_store(url,
                    create=False) as store, open_database(url) as database, database.backend.lock("rebuild") as mine:
        if not mine:
            raise Busy("another rebuild of the stored projections is running: wait until it is done")
        database.is_older()  # tables of a newer program are left alone
        database.prepare(law)
        _begin(store, database, law)
        resumed, done = _fill(url, store, database, books, law, workers, progress)
        _index(url, database)
        position = _swap(store, database, books)
        return Rebuilt(done, resumed, position, time.monotonic() - begun, tuple(database.aside()))


def _begin(store: EventStore, database: ProjectionDatabase, law: str) -> None:
    backend = database.backend
    strange = database.strange(NEW)
    with backend.transaction() as cursor:
        if backend.exists(NEW) and (strange or any(p.law != law for p in positions_in(cursor, NEW))):
            backend.drop(cursor, NEW)
        end = store.last_position()  # before any stream is read: every stream then holds at least these events
        if create(backend, cursor, NEW):
            set_positions(cursor, 1, end, law, NEW)


def _fill(url: str, store: EventStore, database: ProjectionDatabase, books: LawBooks, law: str, workers: int | None,
          progress: Progress | None) -> tuple[int, int]:
    """Events that were done before, and in all."""
    with database.backend.reading(NEW) as cursor:
        marks = {row[0]: (row[1], row[2])
                 for row in cursor.ask("SELECT part, parts, events FROM {done} WHERE part >= 0", tables=NEW)}
    total = store.last_position()  # a little more than the events: positions have holes
    parts = next((parts for parts, _ in marks.values()), parts_of(total))
    resumed = done = sum(events for _, events in marks.values())
    if progress is not None:
        progress(done, total)
    todo = [number for number in range(parts) if number not in marks]
    alone = database.backend.one_writer  # workers hand their rows over
    tasks = [Task(_compute_part if alone else _store_part, _Part(number, parts, law)) for number in todo]
    for part, events, rows, aside in run_all(tasks, url, books, workers_for(total - resumed, workers),
                                             beside=open_database):
        if rows is not None:
            _write(database, _Part(part, parts, law), events, rows, aside)
        done += events
        if progress is not None:
            progress(done, max(total, done))
    return resumed, done


_Found = tuple[int, int, StoredRows | None, list[SetAside]]
"""A part's number, how many events it has, its rows unless they are stored, and who is set aside."""


def _compute_part(bench: Bench, part: _Part) -> _Found:
    aside: list[SetAside] = []
    streams = bench.store.part(part.number, part.of, aside.append)
    return part.number, sum(map(len, streams.values())), compute(streams, bench.books, aside.append), aside


def _store_part(bench: Bench, part: _Part) -> _Found:
    _, events, rows, aside = _compute_part(bench, part)
    if rows is not None:
        _write(bench.beside, part, events, rows, aside)
    return part.number, events, None, aside


def _write(database: ProjectionDatabase, part: _Part, events: int, rows: StoredRows, aside: Sequence[SetAside]) -> None:
    """The mark comes first: a worker that an interrupted rebuild left behind makes this one
    wait, and only one stores."""
    with database.backend.transaction() as cursor:
        if any(p.law != part.law for p in positions_in(cursor, NEW)):
            raise StoreUnavailable("another rebuild has begun meanwhile: run the command again")
        marked = cursor.run("INSERT INTO {done} (part, parts, events) VALUES (:part, :parts, "
                            ":events) ON CONFLICT DO NOTHING",
                            {"part": part.number, "parts": part.of, "events": events}, NEW)
        if marked == 1:
            for kind, found in rows.items():
                if found:
                    cursor.insert(kind, found, NEW)
            add_aside(cursor, aside, NEW)


def _index(url: str, database: ProjectionDatabase) -> None:
    """One table is indexed in one transaction with a mark (negative numbers), so that an interrupted
    rebuild goes on here too."""
    kinds = sorted(COLUMNS, key=lambda kind: kind not in ("charges", "status"))  # those with most to do first
    if database.backend.one_writer:
        for kind in kinds:
            _index_kind(database, kind)
        return

    def index(kind: str) -> None:
        with open_database(url) as own:
            _index_kind(own, kind)

    with ThreadPoolExecutor(INDEXERS) as pool:
        for _ in pool.map(index, kinds):
            pass


def _index_kind(database: ProjectionDatabase, wanted: str) -> None:
    backend = database.backend
    with backend.transaction() as cursor:
        number = -1 - list(COLUMNS).index(wanted)
        if cursor.run("INSERT INTO {done} (part, parts, events) VALUES (:part, 0, 0) ON CONFLICT DO NOTHING",
                      {"part": number}, NEW) == 1:
            for kind, columns in indexes():
                if kind == wanted:
                    backend.index(cursor, kind, columns, NEW)
            cursor.run(f"ANALYZE {{{wanted}}}", tables=NEW)


def _swap(store: EventStore, database: ProjectionDatabase, books: LawBooks) -> int:
    """The position of the new rows."""
    backend = database.backend
    while True:
        with backend.reading(NEW) as cursor:
            at = positions_in(cursor, NEW)[0]
        if len(store.touched(at.position, CATCH_UP_PAGE)) < CATCH_UP_PAGE // 10:
            break
        advance(store, database, books, at, CATCH_UP_PAGE, NEW)
    sound = database.strange() is None  # the old rows may be ahead of an older log
    with backend.transaction() as cursor:
        backend.hold(cursor)
        live = positions_in(cursor, LIVE)
        at = positions_in(cursor, NEW)[0]
        while sound and at.position < min((p.position for p in live), default=0):
            advance(store, database, books, at, CATCH_UP_PAGE, NEW, cursor)
            at = positions_in(cursor, NEW)[0]
        set_positions(cursor, len(live) or 1, at.position, at.law, NEW)
        backend.swap(cursor)
        return at.position
