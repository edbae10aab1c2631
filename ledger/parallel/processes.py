"""Processes of this machine for `concurrent.futures`: they end with whoever started them, however that ends.

What a process is given when it starts must be short: it is written into a pipe that is waited for without end where
the process dies before it reads it. The same is true of what is submitted, in Python before 3.12. Whatever may be long,
such as a law, lies in a file (`Lent`).
"""

import os
import pickle
import signal
import tempfile
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context, parent_process, util
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

from ledger.edges.memory import work_through

T = TypeVar("T")


class Lent:
    """A value of any length for the processes of this machine: `path` is a file of its owner's alone, until this is
    closed."""

    def __init__(self, value: Any) -> None:
        self._file = tempfile.NamedTemporaryFile(prefix="career-ledger-")  # noqa: SIM115 - until this is closed
        pickle.dump(value, self._file)
        self._file.flush()
        self.path = Path(self._file.name)

    def close(self) -> None:
        self._file.close()


def read(path: Path) -> Any:
    """What was lent."""
    return pickle.loads(path.read_bytes())  # noqa: S301 - of our parent, in a file of its own


class Pool(ProcessPoolExecutor):
    """Of one process. Where that is killed, whatever it was doing, what was submitted ends with BrokenProcessPool.

    The library waits without end for the rest of a result of which only a part was written, for it holds the other end
    of the pipe itself. Here only the process does, which is why there is one: another one would hold it too."""

    def __init__(self, context: BaseContext, start: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        super().__init__(1, context, start, arguments)
        self._given: list[Future[Any]] = []

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        results: Any = self._result_queue
        future = super().submit(fn, *args, **kwargs)
        results._writer.close()  # noqa: SLF001 - the process has begun, with its own
        self._given = [one for one in self._given if not one.done()] + [future]
        return future

    def busy(self) -> int:
        """How much of what was submitted is not done."""
        return sum(not one.done() for one in self._given)


def pool(start: Callable[..., None] | None = None, *arguments: Any) -> Pool:
    """A process that first calls `start`, a function of a module, with the arguments."""
    return Pool(get_context("spawn"), _start, (start, *arguments))


def give_back() -> None:
    """For who ends without an ending of the interpreter: what the pools of this process have of the system, which a
    helper of the library gives back too, but only with a warning on standard error."""
    util._run_finalizers(0)  # type: ignore[attr-defined]  # noqa: SLF001 - no other gives back at once


def _start(start: Callable[..., None] | None, *arguments: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # sent to the whole group: the parent ends its pool
    Thread(target=_end_with_parent, daemon=True).start()
    work_through()
    if start is not None:
        start(*arguments)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
    os._exit(1)
