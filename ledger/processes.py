"""Worker processes: they end with their parent, and one that dies while it starts is noticed.

A process that starts reads its arguments from a pipe whose other end its parent holds open too: what does not fit into
the pipe would be waited for without end after an early death. So whatever may be long is handed over in a file without
a name (`Long`), which goes with the last process that has it.
"""

import os
import pickle
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, reduction
from typing import Any

WATCH_SECONDS = 0.5


class Long:
    """A value of any length among the arguments of `pool`: what starts gets the value itself. To be kept as long as one
    may start."""

    def __init__(self, value: Any) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - as long as this object is there
        pickle.dump(value, self._file)
        self._file.flush()

    def __reduce__(self) -> tuple[Callable[[Any], Any], tuple[Any]]:
        return _read, (reduction.DupFd(self._file.fileno()),)


def _read(held: Any) -> Any:
    descriptor = held.detach()
    try:
        return pickle.loads(os.pread(descriptor, os.fstat(descriptor).st_size, 0))  # noqa: S301 - of our parent
    finally:
        os.close(descriptor)


def pool(size: int, start: Callable[..., None], *arguments: Any) -> ProcessPoolExecutor:
    """At most `size` processes, each of which first calls `start`, a function of a module, with the arguments."""
    return ProcessPoolExecutor(size, get_context("spawn"), _start, (os.getpid(), start, *arguments))


def _start(parent: int, start: Callable[..., None], *arguments: Any) -> None:
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    start(*arguments)


def _end_with(parent: int) -> None:
    """A worker whose parent was killed must not go on alone."""
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(1)
