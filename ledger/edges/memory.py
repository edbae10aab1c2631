"""Python's garbage collector, which goes through everything that lives again and again."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_BATCH = (200_000, 20, 20)


@contextmanager
def uncollected() -> Iterator[None]:
    """It waits until the block is done: for what makes many objects and no cycles."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def collect_seldom() -> None:
    """For a program that makes many objects that live on (what is imported, a batch, the students met last): with
    Python's defaults a good part of its time goes into looking through them again and again."""
    gc.set_threshold(50_000, 10, 10)


def work_through() -> None:
    """For a process that works through a batch and ends, whose objects are many and hardly ever in a cycle."""
    gc.freeze()
    gc.set_threshold(*_BATCH)


@contextmanager
def working_through() -> Iterator[None]:
    """The same in the middle of a program. Afterwards as of programs that stay; not as it was found, which may be that
    of another batch of this process."""
    gc.set_threshold(*_BATCH)
    try:
        yield
    finally:
        collect_seldom()


def spare_the_collector() -> None:
    """The same, of one that has begun and stays: what lives now is never looked through again."""
    gc.collect()
    gc.freeze()
    collect_seldom()


def end_without_collecting() -> None:
    """For a program that has closed what it opened: while it ends, Python would look through everything twice more."""
    gc.disable()
    gc.freeze()
