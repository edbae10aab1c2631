"""What other processes do in the tests of the write path. Each function is the body of one process."""

from collections.abc import Sequence
from ctypes import c_int
from multiprocessing.synchronize import Barrier
from typing import Any

from ledger.handling.submit import append_lines, submit
from ledger.rulebooks.loader import load_books
from ledger.store import open_store

from .histories import clock

BOOKS = load_books()
SECONDS = 120.0


def submit_at_once(barrier: Barrier, url: str, rounds: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The outcomes of one submission a round, each sent at the same moment as the other process sends its own."""
    found = []
    with open_store(url) as store:
        for one in rounds:
            barrier.wait(SECONDS)
            found.append(submit(store, BOOKS, one, "enforce", clock))
    return found


def append_file(barrier: Barrier, url: str, file: Sequence[bytes]) -> list[str]:
    """The outcomes of a file whose writing begins when all others begin theirs."""
    with open_store(url) as store:
        barrier.wait(SECONDS)
        return [outcome["outcome"] for outcome in append_lines(store, BOOKS, file, "enforce", False, clock)]


def append_and_count(url: str, file: Sequence[bytes], answered: c_int) -> None:
    """Appends the lines and counts the outcomes that it has been given, until somebody kills it."""
    with open_store(url) as store:
        for _ in append_lines(store, BOOKS, file, "enforce", False, clock):
            answered.value += 1
