"""Work on parts of the ledger (`EventStore.part`) in several processes, with few parts in memory at a time."""

import gc
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ledger import processes
from ledger.domain.books import LawBooks

from . import EventStore, StoreUnavailable, open_store

R = TypeVar("R")
B = TypeVar("B")

PART_EVENTS = 5_000
"""About as many events a part: some 20 MB decoded."""
WORTH_EVENTS = 20_000
"""A process folds so many while another one starts."""
SELDOM = (200_000, 20, 20)
"""Thresholds of the garbage collector."""


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


def nothing(_: str) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Task(Generic[R]):
    """A function of a module, and its argument."""

    call: Callable[[Workbench[Any], Any], R]
    argument: Any


_bench: Workbench[Any] | None = None


def parts_of(events: int) -> int:
    """Into how many parts a ledger of so many events is divided."""
    return max(1, -(-events // PART_EVENTS))


def workers_for(events: int, wanted: int | None) -> int:
    """As many processes as are wanted (None: one a processor), but only as many as have enough
    to do to be worth starting."""
    return max(1, min(wanted or os.cpu_count() or 1, events // WORTH_EVENTS))


def _start(url: str, beside: Opener[Any], books: LawBooks, other: LawBooks | None) -> None:
    global _bench
    gc.freeze()
    gc.set_threshold(*SELDOM)
    _bench = Workbench(open_store(url, create=False), beside(url).__enter__(), books, other)  # until the process ends


def _run(task: Task[R]) -> R:
    if _bench is None:
        raise RuntimeError("the worker was not started")
    return task.call(_bench, task.argument)


def run_all(tasks: Iterable[Task[R]], url: str, books: LawBooks, workers: int,
            other: LawBooks | None = None, beside: Opener[Any] = nothing) -> Iterator[R]:
    """The results in the order of the tasks. This process is one of the workers: it begins while the others start.

    Raises StoreUnavailable where a worker was killed."""
    with open_store(url, create=False) as store, beside(url) as more, _seldom_collected():
        bench = Workbench(store, more, books, other)
        if workers <= 1:
            for task in tasks:
                yield task.call(bench, task.argument)
            return
        helpers = workers - 1
        waiting: deque[Future[R]] = deque()
        handed: deque[Future[R]] = deque()
        pool = processes.pool(helpers, _start, url, beside, processes.Long(books), processes.Long(other))
        try:
            for task in tasks:
                while handed and handed[0].done():
                    handed.popleft()
                if len(handed) < 2 * helpers:
                    handed.append(pool.submit(_run, task))
                    waiting.append(handed[-1])
                else:
                    waiting.append(_done_here(bench, task))
                while waiting and (waiting[0].done() or len(waiting) > 4 * workers):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            raise StoreUnavailable("a worker process was ended from outside (out of memory?): run the command again, "
                                   "with fewer --workers if it happens again") from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _done_here(bench: Workbench[Any], task: Task[R]) -> Future[R]:
    found: Future[R] = Future()
    found.set_result(task.call(bench, task.argument))
    return found


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Folding makes many objects and hardly a cycle: the garbage collector looks for them less often meanwhile."""
    before = gc.get_threshold()
    gc.set_threshold(*SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*before)
