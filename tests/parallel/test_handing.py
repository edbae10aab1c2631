"""Parts are handed out and taken in order, whatever becomes of who does them."""

import os
import signal
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from ledger.parallel import EngineFailed, How, handing, in_order

PARTS = range(40)


def squared(part: int) -> int:
    time.sleep(part % 3 / 1000)  # so that they are done in another order
    return part * part


def dies(folder: Path, part: int) -> int:
    """Takes its process with it at every seventh part, the first time."""
    mark = folder / str(part)
    if part % 7 == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return squared(part)


def always_dies(part: int) -> int:
    if part == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return squared(part)


def fails(part: int) -> int:
    if part == 5:
        raise LookupError("of the part")
    return squared(part)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_results_are_in_the_order_of_the_parts(size: int) -> None:
    assert list(in_order(PARTS, squared, How(), size)) == [squared(part) for part in PARTS]


def test_threads_take_short_turns_while_processes_hand_over(tmp_path: Path) -> None:
    """Also after a process was lost."""
    before = sys.getswitchinterval()
    found = in_order(PARTS, partial(dies, tmp_path), How(), 3, squared)
    assert [sys.getswitchinterval() < before / 10 for _ in found] == [True] * len(PARTS)
    assert sys.getswitchinterval() == before


def test_what_died_with_a_process_is_done_again(tmp_path: Path) -> None:
    assert list(in_order(PARTS, partial(dies, tmp_path), How(), 3, squared)) == [squared(part) for part in PARTS]
    assert any(tmp_path.iterdir())


def test_part_that_kills_whoever_does_it_ends_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handing, "AGAIN", 1)
    found = in_order([5], always_dies, How(), 2)
    with pytest.raises(EngineFailed, match="2 times in a row a worker died"):
        list(found)


def test_what_a_part_raises_is_raised_in_its_turn() -> None:
    found = in_order(PARTS, fails, How(), 2)
    assert [next(found) for _ in range(5)] == [squared(part) for part in range(5)]
    with pytest.raises(LookupError, match="of the part"):
        next(found)


class Threads:
    """An engine that helps nobody."""

    at_once = 2
    helps = False

    def __init__(self) -> None:
        self.out = 0
        self._pool = ThreadPoolExecutor(2)

    def __enter__(self) -> "Threads":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def submit(self, far, part) -> "Future[int]":
        self.out += 1
        return self._pool.submit(far, part)

    def result(self, future: "Future[int]") -> int:
        return future.result()


def test_few_parts_are_out_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Threads()
    monkeypatch.setattr(handing, "_engine", lambda how, size: engine)
    taken = 0
    for _ in in_order(range(1000), squared, How(), 2):
        taken += 1
        assert engine.out - taken <= 4 * engine.at_once + 1


class Slow(Threads):
    """Does nothing before its result is wanted; `most`: so many parts were before it at once."""

    at_once = 1
    helps = True
    most = 0

    def submit(self, far, part) -> "Future[int]":
        self._undone = [one for one in getattr(self, "_undone", []) if not one[0].done()]
        self._undone.append((Future(), part))
        self.most = max(self.most, len(self._undone))
        return self._undone[-1][0]

    def result(self, future: "Future[int]") -> int:
        if not future.done():
            future.set_result(squared(next(part for one, part in self._undone if one is future)))
        return future.result()


@pytest.mark.parametrize(("ahead", "parts", "most"), [(6, 40, 6), (2, 40, 2), (6, 5, 2), (2, 2, 1), (2, 1, 1)])
def test_who_is_slow_has_a_few_parts_before_it_and_none_of_the_last_ones(monkeypatch: pytest.MonkeyPatch, ahead: int,
                                                                       parts: int, most: int) -> None:
    engine = Slow()
    monkeypatch.setattr(handing, "_engine", lambda how, size: engine)
    here: list[int] = []

    def near(part: int) -> int:
        here.append(part)
        return squared(part)

    assert list(in_order(range(parts), squared, How(), 2, near, ahead)) == [squared(part) for part in range(parts)]
    assert engine.most == most
    assert parts == 1 or parts - 1 in here
