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
from ledger.domain.phrases import says
from ledger.domain.timelines import COLUMNS
from ledger.parallel import How
from ledger.store import EventStore, SetAside, StoreUnavailable, StoreUnusable, open_store
from ledger.store.workers import Divided, Progress, Task, Workbench, parts_of, run_all

from .database import ProjectionDatabase, add_aside, positions_in, set_positions
from .follower import advance
from .open import open_database
from .shape import StoredRows, compute, law_of
from .tables import LIVE, NEW, create, indexes

CATCH_UP_PAGE = 5_000
BEHIND_SECONDS = 30.0
"""So long a replica may need for what the ledger has."""
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
    """`end`: where the log ended when these tables were begun."""

    number: int
    of: int
    law: str
    end: int


def rebuild(url: str, books: LawBooks, how: How | None = None, progress: Progress | None = None,
            replica: str | None = None) -> Rebuilt:
    """Raises Busy where another rebuild is running. Killed at any moment, the next call goes on where it was."""
    begun = time.monotonic()
    law = law_of(books)
    with open_store(url,
                    create=False) as store, open_database(url) as database, database.backend.lock("rebuild") as mine:
        if not mine:
            raise Busy("another rebuild of the stored projections is running: wait until it is done")
        database.is_older()  # tables of a newer program are left alone
        database.prepare(law)
        end = _begin(store, database, law)
        if replica is not None:
            _wait_for(replica, store, end)
        resumed, done = _fill(Divided(url, books, None, open_database, replica), end, database, how, progress)
        _index(url, database)
        position = _swap(store, database, books)
        return Rebuilt(done, resumed, position, time.monotonic() - begun, tuple(database.aside()))


def _wait_for(replica: str, store: EventStore, end: int) -> None:
    """Until the copy has what the ledger has. Raises StoreUnusable for another ledger's, StoreUnavailable where it
    stays behind."""
    until = time.monotonic() + BEHIND_SECONDS
    with open_store(replica, create=False) as copy:
        if copy.identity() != store.identity():
            raise StoreUnusable(says("engine/other-replica"))
        while copy.last_position() < end:
            if time.monotonic() > until:
                raise StoreUnavailable(says("engine/replica-behind", position=copy.last_position(), last_position=end))
            time.sleep(BEHIND_SECONDS / 100)


def _begin(store: EventStore, database: ProjectionDatabase, law: str) -> int:
    """The position from which on it is caught up."""
    backend = database.backend
    strange = database.strange(NEW)
    with backend.transaction() as cursor:
        if backend.exists(NEW) and (strange or any(p.law != law for p in positions_in(cursor, NEW))):
            backend.drop(cursor, NEW)
        end = store.last_position()  # before any stream is read: every stream then holds at least these events
        if create(backend, cursor, NEW):
            set_positions(cursor, 1, end, law, NEW)
        return positions_in(cursor, NEW)[0].position


def _fill(source: Divided[ProjectionDatabase], end: int, database: ProjectionDatabase, how: How | None,
          progress: Progress | None) -> tuple[int, int]:
    """Events that were done before, and in all."""
    with database.backend.reading(NEW) as cursor:
        marks = {row[0]: (row[1], row[2])
                 for row in cursor.ask("SELECT part, parts, events FROM {done} WHERE part >= 0", tables=NEW)}
    parts = next((parts for parts, _ in marks.values()), parts_of(end))  # positions have holes: a few too many
    resumed = done = sum(events for _, events in marks.values())
    if progress is not None:
        progress(done, max(end, done))
    todo = [number for number in range(parts) if number not in marks]
    alone = database.backend.one_writer  # workers hand their rows over
    law = law_of(source.books)
    tasks = [Task(_compute_part if alone else _store_part, _Part(number, parts, law, end)) for number in todo]
    for part, events, rows, aside in run_all(tasks, source, how, end - resumed):
        if rows is not None:
            _write(database, _Part(part, parts, law, end), events, rows, aside)
        done += events
        if progress is not None:
            progress(done, max(end, done))
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
    wait, and only one stores. Nor does it store into the tables of a later rebuild, whose parts are others."""
    with database.backend.transaction() as cursor:
        if not database.backend.exists(NEW) or any((p.law, p.position) != (part.law, part.end)
                                                   for p in positions_in(cursor, NEW)):
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
