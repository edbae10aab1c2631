"""Keeps the stored rows up to date: page by page of the log, each student of a page recomputed from her whole stream.

A stream may hold newer events than the page: her rows are then ahead of the position, never behind, and the
page that brings those events computes them again. Positions are taken as the log gives them (they have
holes), from the primary only.
"""

import time
from collections.abc import Callable, Sequence
from threading import Event as Flag
from uuid import UUID

from ledger.domain.books import LawBooks
from ledger.domain.phrases import says
from ledger.domain.timelines import COLUMNS
from ledger.edges.log import Note
from ledger.edges.watch import Watch
from ledger.sql.base import Transaction
from ledger.store import EventStore, SetAside, StoreUnavailable

from .database import Position, ProjectionDatabase
from .open import open_database
from .shape import StoredRows, compute, law_of
from .tables import LIVE

PAGE = 2_000
"""Events of the log in one transaction."""
GROWTH = 5
"""A page is up to so many times larger while the follower is behind: a student who occurs
often is then computed once."""
BATCH = 200
"""Students whose streams are in memory at once."""
WAKE_SECONDS = 1.0
"""A follower looks for news this often, also when nobody notified it."""


class Follower:
    """Partition `partition` of `partitions` (from 1). Usable in a thread of a process as well as alone."""

    def __init__(self, store: EventStore, database: ProjectionDatabase, books: LawBooks, partition: int = 1,
                 partitions: int = 1, page: int = PAGE) -> None:
        if not 1 <= partition <= partitions:
            raise ValueError(f"there is no partition {partition} of {partitions}: write I/N with I from 1 to N")
        self._store, self._database, self._books = store, database, books
        self._partition, self._partitions, self._page, self._size = partition, partitions, page, page
        self._law = law_of(books)
        self.alarm: Callable[[SetAside], None] = lambda _: None
        """Told of every student who is set aside."""
        self.watch = Watch()

    @property
    def lock_name(self) -> str:
        return f"follower-{self._partition}-of-{self._partitions}"

    def prepare(self) -> None:
        """Makes the tables where there are none, and as many partitions as this follower is one of."""
        self._database.prepare(self._law)
        if len(self._database.positions()) != self._partitions:
            self._database.repartition(self._partitions, self._law)

    def step(self) -> bool:
        """Takes one page; False where the end of the log was reached. Raises RebuildNeeded, Repartitioned."""
        at = self._database.partition(self._partition, self._partitions, self._law)
        taken = advance(self._store, self._database, self._books, at, self._size, alarm=self.alarm)
        self.watch.turn()
        self.watch.stands(f"{self._partition}/{self._partitions}", at.position, taken)
        if self.watch.due():
            self.watch.log_ends(self._store.last_position())
            self.watch.aside("all", len(self._database.aside()))
        self._size = min(self._size * 2, self._page * GROWTH) if taken == self._size else self._page
        return taken > 0

    def catch_up(self, stop: Flag | None = None) -> None:
        """To the end of the log. Whoever was set aside and can be read now is taken up first."""
        at = self._database.partition(self._partition, self._partitions, self._law)
        waiting = [one.stream for one in self._database.aside() if at.owns(one.stream)]
        if waiting:
            self._database.replace(at, at.position, *_computed(self._store, self._books, waiting, self.alarm))
        self._go_on(stop)

    def _go_on(self, stop: Flag | None) -> None:
        while (stop is None or not stop.is_set()) and self.step():
            pass

    def run(self, stop: Flag, say: Callable[[str], None] = lambda _: None) -> None:
        """Follows until `stop` is set. One follower of a partition works, others stand by; a
        lost backend is waited for."""
        self.prepare()
        self.alarm = lambda one: say(Note("project/set-aside", "set aside: {why}; everybody else goes on, see "
                                          "`career-ledger projection status`", "error", why=one.why,
                                          position=one.position))
        part = {"partition": self._partition, "partitions": self._partitions}
        standing_by = False
        while not stop.is_set():
            try:
                with self._database.backend.lock(self.lock_name) as leader:
                    if not leader:
                        if not standing_by:
                            say(Note("project/standing-by", "another process follows partition {partition} of "
                                     "{partitions}: standing by", "info", **part))
                        standing_by = True
                        self.watch.turn(works=False)
                        stop.wait(WAKE_SECONDS)
                        continue
                    say(Note("project/following", "following partition {partition} of {partitions}", "info",
                             **part))
                    standing_by = False
                    self.catch_up(stop)
                    while not stop.is_set():
                        self._go_on(stop)
                        if not stop.is_set():
                            self._database.backend.wait(WAKE_SECONDS)
            except StoreUnavailable as error:
                say(Note("project/trying-again", "{why}; trying again", "warning", why=error))
                self.watch.retry()
                self._database.close()
                stop.wait(WAKE_SECONDS)


def advance(store: EventStore, database: ProjectionDatabase, books: LawBooks, at: Position, page: int,
            tables: str = LIVE,
            cursor: Transaction | None = None, alarm: Callable[[SetAside], None] = lambda _: None) -> int:
    """Takes a partition one page on from `at`; the number of events of the page, 0 at the end of the log.

    Where somebody else has moved the partition meanwhile nothing is stored: ask again where it stands. `cursor`: within
    a transaction that is open already."""
    touched = store.touched(at.position, page)
    if not touched:
        return 0
    to = touched[-1][0]
    ids: dict[UUID, None] = {stream: None for _, stream in touched if at.owns(stream)}
    found = _computed(store, books, list(ids), alarm)
    if cursor is None:
        database.replace(at, to, *found, tables)
    else:
        database.replace_in(cursor, at, to, *found, tables)
    return len(touched)


def _computed(store: EventStore, books: LawBooks, todo: Sequence[UUID], alarm: Callable[[SetAside], None],
              ) -> tuple[list[str], StoredRows, list[SetAside]]:
    """The students of these streams, their rows, and who is set aside."""
    students: list[str] = []
    rows: StoredRows = {kind: [] for kind in COLUMNS}
    aside: list[SetAside] = []
    for start in range(0, len(todo), BATCH):
        streams = store.streams_of(todo[start:start + BATCH], aside.append)
        for kind, found in compute(streams, books, aside.append).items():
            rows[kind] += found
        students += streams
    for one in aside:
        alarm(one)
    return [student for student in students if student not in {one.student for one in aside}], rows, aside


def wait_for(url: str, store: EventStore, books: LawBooks, position: int, seconds: float = 60.0) -> None:
    """Returns when the stored rows include every event up to a position. Where nobody follows a partition that lags,
    this process takes it there. Raises RebuildNeeded, and StoreUnavailable when it takes longer than `seconds`."""
    until = time.monotonic() + seconds
    with open_database(url) as database:
        law = law_of(books)
        database.prepare(law)
        database.check_log()
        while True:
            behind = [p for p in database.positions() if p.position < position]
            if not behind:
                return
            for late in behind:
                database.partition(late.partition, late.partitions, law)
                follower = Follower(store, database, books, late.partition, late.partitions)
                with database.backend.lock(follower.lock_name) as leader:
                    while leader and follower.step():
                        pass
            if time.monotonic() > until:
                raise StoreUnavailable(says("rebuild/behind", position=position, seconds=f"{seconds:.0f}"))
            if any(p.position < position for p in database.positions()):
                database.backend.wait(0.05)
