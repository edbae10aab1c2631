"""What hands parts out, and what stands behind it: how it is asked for, and how it fails."""

import os
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

from ledger.domain.phrases import Phrase
from ledger.words import sentence

P = TypeVar("P")
R = TypeVar("R")


SHARE = Path("/sys/fs/cgroup/cpu.max")
"""In a container: of how many microseconds of processors' time it may use how many, or `max`."""


def processors() -> int:
    """That this process may use, which a container or `taskset` makes fewer than the machine has."""
    size = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1  # not on macOS
    try:
        used, whole = SHARE.read_text().split()
        return max(1, min(size, -(-int(used) // int(whole))))
    except (OSError, ValueError):
        return size


class How(NamedTuple):
    """With how many processes of this machine (None: one a processor), or on the Dask cluster at an address."""

    workers: int | None = None
    cluster: str | None = None


HERE = How()


class EngineFailed(Exception):
    """Whoever was to do the work cannot, in words; what was asked for is as it was, or goes on where it is asked for
    again."""

    def __init__(self, told: Phrase) -> None:
        super().__init__(sentence(told))
        self.told = told


class Engine(Protocol):
    """What stands before an executor. `at_once`: how many parts it does at a time; `helps`: whether this process does
    some too while all others are busy."""

    at_once: int
    helps: bool

    def submit(self, far: Callable[[P], R], part: P) -> "Future[R]":
        """Raises Lost."""
        ...

    def result(self, future: "Future[R]") -> R:
        """Waits. Raises Lost where the worker died with the part, EngineFailed where there is nobody to do it."""
        ...

    def renew(self) -> None:
        """After Lost: others may be needed."""
        ...


class Lost(Exception):
    """A worker died with what it was at."""
