"""What other processes do in the tests of the store. Each function is the body of one process.

The processes are forked from a server that has imported everything already, so that starting one costs milliseconds.
"""

import traceback
from collections.abc import Callable, Sequence
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from queue import Empty
from typing import Any

from ledger.store import VersionConflict, open_store
from tests.processes import SERVER

from .examples import an_event

SECONDS = 120.0


def _guarded(body: Callable[..., Any], results: "Queue[Any]", barrier: Barrier, arguments: Sequence[Any]) -> None:
    try:
        results.put(body(barrier, *arguments))
    except BaseException:
        barrier.abort()
        results.put(RuntimeError(traceback.format_exc()))
        raise


def in_processes(body: Callable[..., Any], *arguments: Sequence[Any]) -> list[Any]:
    """The results of `body(barrier, *a)` run in one process for each `a` of `arguments`, in any order."""
    barrier = SERVER.Barrier(len(arguments))
    results: Queue[Any] = SERVER.Queue()
    processes = [SERVER.Process(target=_guarded, args=(body, results, barrier, given), daemon=True)
                 for given in arguments]
    for process in processes:
        process.start()
    found: list[Any] = []
    try:
        while len(found) < len(processes):
            try:
                found.append(results.get(timeout=1))
            except Empty:
                if any(process.exitcode not in (None, 0) for process in processes):
                    raise RuntimeError("a process ended without a result: see its error above") from None
    finally:
        for process in processes:
            process.join(5)
            process.kill()
    failed = [one for one in found if isinstance(one, Exception)]
    if failed:
        raise failed[0]
    return found


def open_once(barrier: Barrier, url: str) -> int:
    barrier.wait(SECONDS)
    with open_store(url) as store:
        return store.last_position()


def append_to_one_student(barrier: Barrier, url: str, name: str, count: int) -> list[int]:
    """Adds `count` events to S01, reading again after each conflict; the positions."""
    positions: list[int] = []
    with open_store(url) as store:
        barrier.wait(SECONDS)
        while len(positions) < count:
            version = len(store.stream("S01"))
            try:
                [event] = store.append([an_event("S01", version + 1, id=f"{name}-{len(positions)}")])
            except VersionConflict:
                continue
            positions.append(event.position)
    return positions


def append_to_own_students(barrier: Barrier, url: str, name: str, count: int) -> list[int]:
    """Adds `count` events, singly and in threes, to students of its own; the positions."""
    positions: list[int] = []
    with open_store(url) as store:
        barrier.wait(SECONDS)
        for n in range(count):
            size = 3 if n % 4 == 0 else 1
            student = f"{name}-{n}"
            positions += [e.position for e in store.append([an_event(student, v) for v in range(1, size + 1)])]
    return positions
