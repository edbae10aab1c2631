"""Parts are handed out and taken in order, whatever becomes of who does them."""

import os
import signal
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
