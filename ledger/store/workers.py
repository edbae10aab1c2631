"""Work on parts of the ledger (`EventStore.part`), with few parts in memory at a time, by whatever `ledger.parallel`
hands it to.

A part is one of the whole space of stream ids, cut into as many as the ledger has events for. What is asked of one is a
function of a module: of what the worker opens for itself (`Workbench`), and of an argument.
"""

import pickle
import socket
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock, Timer, get_ident
from typing import Any, Generic, NamedTuple, TypeVar

from ledger.domain.books import LawBooks
from ledger.domain.phrases import says
from ledger.edges.address import without_password
from ledger.edges.memory import working_through
from ledger.parallel import HERE, How, in_order, processes, processors

from . import EventStore, StoreUnavailable, StoreUnusable, open_store

R = TypeVar("R")
B = TypeVar("B")

PART_EVENTS = 5_000
"""About as many events a part: some 20 MB decoded."""
WORTH_EVENTS = 20_000
"""A process folds so many while another one starts."""
KEPT_SECONDS = 5.0
"""So long a worker keeps open what it does not use."""


@dataclass(frozen=True, slots=True)
class Workbench(Generic[B]):
    """What a worker works with. `beside`: what else it has open; `other`: the law that is compared with, for a diff."""

    store: EventStore
    beside: B
    books: LawBooks
    other: LawBooks | None = None


Progress = Callable[[int, int], None]
"""Called with the events done and all events there are to do."""
Opener = Callable[[str], AbstractContextManager[B]]
"""Opens what a worker has beside the events, at the ledger's address: a function of a module."""


Elsewhere = Callable[[], AbstractContextManager[EventStore]]
"""Opens the events on another machine, where their address leads nowhere: an export, which a worker brings in."""


def nothing(_: str) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Divided(Generic[B]):
    """What the parts are of, and the law by which they are looked at. `replica`: where events are read in place of the
    ledger itself; `elsewhere`: how workers of a cluster open them."""

    url: str
    books: LawBooks
    other: LawBooks | None = None
    beside: Opener[B] = nothing  # type: ignore[assignment]
    replica: str | None = None
    elsewhere: Elsewhere | None = None

    @contextmanager
    def opened(self, elsewhere: bool = False) -> "Iterator[Workbench[B]]":
        with self._events(elsewhere) as store, self.beside(self.url) as more:
            yield Workbench(store, more, self.books, self.other)

    def _events(self, elsewhere: bool) -> AbstractContextManager[EventStore]:
        if elsewhere and self.elsewhere is not None:
            return self.elsewhere()
        return open_store(self.replica or self.url, create=False)


@dataclass(frozen=True, slots=True)
class Task(Generic[R]):
    """A function of a module, and its argument."""

    call: Callable[[Workbench[Any], Any], R]
    argument: Any


def parts_of(events: int) -> int:
    """Into how many parts a ledger of so many events is divided."""
    return max(1, -(-events // PART_EVENTS))


def workers_for(events: int, wanted: int | None) -> int:
    """As many processes as are wanted (None: one a processor), but only as many as have enough
    to do to be worth starting."""
    return max(1, min(wanted or processors(), events // WORTH_EVENTS))


def run_all(tasks: Iterable[Task[R]], source: Divided[Any], how: How | None, events: int) -> Iterator[R]:
    """The results in the order of the tasks, which have so many events to look at.

    Raises EngineFailed where nobody can do them, and what opening the ledger raises, here or where a worker runs."""
    how = how or HERE
    size = workers_for(events, how.workers)
    with source.opened() as bench, working_through(), ExitStack() as lent:
        far = _run_here
        if how.cluster is not None:
            far = partial(_run_far, _Far.of(source))
        elif size > 1:
            law = lent.enter_context(closing(processes.Lent((source.books, source.other))))
            far = partial(_run_near, _Near(source.url, source.replica, source.beside, law.path))
        yield from in_order(tasks, far, how, size, lambda task: task.call(bench, task.argument))


def _run_here(_: Task[Any]) -> Any:
    raise RuntimeError("one process is enough, which works at a bench of its own")


class _Near(NamedTuple):
    """A source for another process of this machine: `law` is a file that both laws lie in."""

    url: str
    replica: str | None
    beside: Opener[Any]
    law: Path

    def opened(self) -> AbstractContextManager[Workbench[Any]]:
        books, other = _lent(self.law)
        return Divided(self.url, books, other, self.beside, self.replica).opened()


class _Far(NamedTuple):
    """A source for another machine. Addresses come without passwords: who works there has them in its own environment,
    as libpq reads it (PGPASSFILE, PGPASSWORD)."""

    url: str
    replica: str | None
    beside: Opener[Any]
    law: bytes
    elsewhere: Elsewhere | None

    @classmethod
    def of(cls, source: Divided[Any]) -> "_Far":
        return cls(without_password(source.url),
                   without_password(source.replica) if source.replica is not None else None, source.beside,
                   zlib.compress(pickle.dumps((source.books, source.other)), 1), source.elsewhere)

    def opened(self) -> AbstractContextManager[Workbench[Any]]:
        books, other = _sent(self.law)
        return Divided(self.url, books, other, self.beside, self.replica, self.elsewhere).opened(elsewhere=True)


@lru_cache(2)
def _lent(path: Path) -> Any:
    return processes.read(path)


@lru_cache(8)
def _sent(law: bytes) -> Any:
    return pickle.loads(zlib.decompress(law))  # noqa: S301 - whoever gives a worker anything to do may do what it likes


def _run_near(near: _Near, task: Task[R]) -> R:
    return _run_at(near, task)


def _run_far(far: _Far, task: Task[R]) -> R:
    """Says which worker it is that cannot open the ledger."""
    try:
        return _run_at(far, task)
    except (StoreUnavailable, StoreUnusable) as error:
        kind = StoreUnavailable if isinstance(error, StoreUnavailable) else StoreUnusable
        raise kind(says("engine/no-access", first=socket.gethostname(), text=str(error))) from None


def _run_at(place: "_Near | _Far", task: Task[R]) -> R:
    with _benches.at(place) as bench, working_through():
        return task.call(bench, task.argument)


class _Benches:
    """Those of this process. Opening one takes a tenth of the time of a part: it is kept for the next part of the same
    thread, and closed when nothing came for some seconds."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._free: dict[tuple[Any, int], list[tuple[Workbench[Any], ExitStack]]] = {}
        self._timer: Timer | None = None

    @contextmanager
    def at(self, place: "_Near | _Far") -> Iterator[Workbench[Any]]:
        key = place, get_ident()
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            held = self._free.get(key)
            found = held.pop() if held else None
        if found is None:
            stack = ExitStack()
            found = stack.enter_context(place.opened()), stack
        try:
            yield found[0]
        except BaseException:
            found[1].close()
            raise
        with self._lock:
            self._free.setdefault(key, []).append(found)
            self._timer = Timer(KEPT_SECONDS, self._close)
            self._timer.daemon = True
            self._timer.start()

    def _close(self) -> None:
        with self._lock:
            free, self._free = self._free, {}
        for held in free.values():
            for _, stack in held:
                stack.close()


_benches = _Benches()
