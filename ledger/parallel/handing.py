"""Hands parts out and takes their results in order; what was lost with a worker is handed out again."""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ledger.domain.phrases import says

from .engine import Engine, EngineFailed, How, Lost

if TYPE_CHECKING:
    from .processes import Pool

P = TypeVar("P")
R = TypeVar("R")

AHEAD = 2
"""Parts that a process has before it: what it is at, and what it begins while that is taken."""
AGAIN = 5
"""So often in a row workers may be lost while nothing gets done."""
TURN_SECONDS = 0.0002
"""So long a thread of this process goes on while another waits. What a worker found comes through a pipe that holds
64 kB, each of which a thread reads between two turns of the one that works: by Python's own 5 ms a worker would wait
a third of its time until its rows are taken."""
USUAL_SECONDS = sys.getswitchinterval()
"""Afterwards; not what was found before, which may be that of another batch of this process."""


class _Out(Generic[P, R]):
    def __init__(self, part: P, future: "Future[R]") -> None:
        self.part, self.future = part, future


def in_order(parts: Iterable[P], far: Callable[[P], R], how: How, size: int,
             near: Callable[[P], R] | None = None, ahead: int = AHEAD) -> Iterator[R]:
    """The results in the order of the parts, few of which are in memory at a time.

    `far`: what another process calls, a function of a module or a partial of one; `near`: the same for this process,
    which works too where its processes are used. `size`: how many processes have enough to do; on a cluster it counts
    for nothing. `ahead`: so many parts each of them has before it; more than usual where whoever takes the results is
    long at some of them. Raises EngineFailed, and what a part raises."""
    here = near or far
    if how.cluster is None and size <= 1:
        yield from map(here, parts)
        return
    with _engine(how, size) as engine:
        waiting: deque[_Out[P, R]] = deque()
        source, unsent = iter(parts), deque[P]()
        out = _Taken(engine, far)
        while True:
            enough = ahead * engine.at_once
            unsent.extend(islice(source, max(enough - len(unsent), 0)))
            if not unsent:
                break
            # towards the end others get no more than they do while this process does the rest
            most = ahead if len(unsent) >= enough else min(len(unsent), AHEAD)
            part = unsent.popleft()
            if engine.helps and out.busy(waiting, most):
                waiting.append(_Out(part, _done(here, part)))
            else:
                waiting.append(_Out(part, out.submit(part)))
            while waiting and (waiting[0].future.done() or
                               len(waiting) > (ahead + AHEAD) * (engine.at_once + engine.helps)):
                yield out.take(waiting)
        while waiting:
            yield out.take(waiting)


def _done(here: Callable[[P], R], part: P) -> "Future[R]":
    """What it raises is raised in its turn."""
    found: Future[R] = Future()
    try:
        found.set_result(here(part))
    except Exception as error:
        found.set_exception(error)
    return found


class _Taken(Generic[P, R]):
    """Submits and takes from one engine, and counts what was lost since something was taken last."""

    def __init__(self, engine: Engine, far: Callable[[P], R]) -> None:
        self._engine, self._far, self._lost = engine, far, 0

    def busy(self, waiting: Iterable[_Out[P, R]], most: int) -> bool:
        """Whether each of the others has so many parts before it."""
        return sum(not one.future.done() for one in waiting) >= most * self._engine.at_once

    def submit(self, part: P) -> "Future[R]":
        try:
            return self._engine.submit(self._far, part)
        except Lost as error:
            broken: Future[R] = Future()
            broken.set_exception(error)  # taken in its turn
            return broken

    def take(self, waiting: "deque[_Out[P, R]]") -> R:
        while True:
            try:
                found = self._engine.result(waiting[0].future)
            except Lost:
                self._lost += 1
                if self._lost > AGAIN:
                    raise EngineFailed(says("engine/lost", count=self._lost)) from None
                self._engine.renew()
                for one in waiting:
                    if one.future.done() and (one.future.cancelled() or one.future.exception() is not None):
                        one.future = self.submit(one.part)
                continue
            waiting.popleft()
            self._lost = 0
            return found


def _engine(how: How, size: int) -> AbstractContextManager[Engine]:
    if how.cluster is not None:
        from .cluster import DaskCluster

        return DaskCluster(how.cluster)
    return _Processes(size)


class _Processes:
    """Of this machine: one less than is wanted, for this one works too. While the others start it has begun."""

    helps = True

    def __init__(self, size: int) -> None:
        self.at_once = size - 1
        self._pools = self._made()

    def _made(self) -> "list[Pool]":
        from . import processes

        return [processes.pool() for _ in range(self.at_once)]

    def __enter__(self) -> Engine:
        sys.setswitchinterval(TURN_SECONDS)
        return self

    def __exit__(self, *_: Any) -> None:
        sys.setswitchinterval(USUAL_SECONDS)
        self._end()

    def _end(self) -> None:
        for one in self._pools:
            one.shutdown(wait=False, cancel_futures=True)
        for one in self._pools:
            one.shutdown(wait=True)

    def submit(self, far: Callable[[P], R], part: P) -> "Future[R]":
        try:
            return min(self._pools, key=lambda one: one.busy()).submit(far, part)
        except BrokenProcessPool as error:
            raise Lost from error

    def result(self, future: "Future[R]") -> R:
        try:
            return future.result()
        except (BrokenProcessPool, Lost) as error:
            raise Lost from error

    def renew(self) -> None:
        self._end()
        self._pools = self._made()
