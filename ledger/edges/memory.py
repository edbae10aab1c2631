"""Python's garbage collector, which goes through everything that lives again and again."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


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


def spare_the_collector() -> None:
    """For a program that makes many objects that live on (a batch, the students met last): with Python's defaults a
    third of the time goes into looking through them, and through everything that was imported, again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)
