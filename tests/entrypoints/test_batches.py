"""What many ask of one thread: together where they wait, and each gets its own."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from ledger.edges.batches import Batches, in_thread


def test_what_waits_is_done_together_and_each_gets_its_own() -> None:
    done: list[list[int]] = []
    go_on = threading.Event()

    def act(asked: Sequence[int]) -> list[int | Exception]:
        done.append(list(asked))
        go_on.wait(10)
        return [ValueError(one) if one == 3 else 10 * one for one in asked]

    async def ask() -> list[int | BaseException]:
        with ThreadPoolExecutor(1) as executor:
            batches = Batches[int, int](in_thread(executor, act), 4)
            first = batches.submit(0)
            while not done:
                await asyncio.sleep(0)
            rest = [batches.submit(one) for one in range(1, 8)]
            rest[4].cancel()  # who has gone before the turn came
            go_on.set()
            return [*await asyncio.gather(first, *rest[:4], *rest[5:], return_exceptions=True)]

    found = asyncio.run(ask())
    assert done == [[0], [1, 2, 3, 4], [6, 7]]
    assert [str(one) if isinstance(one, ValueError) else one for one in found] == [0, 10, 20, "3", 40, 60, 70]


def test_what_the_act_raises_everybody_gets_and_the_next_batch_goes_on() -> None:
    def act(asked: Sequence[int]) -> list[int | Exception]:
        if 1 in asked:
            raise KeyError(1)
        return list(asked)

    async def ask() -> int:
        with ThreadPoolExecutor(1) as executor:
            batches = Batches[int, int](in_thread(executor, act), 10)
            for one in (batches.submit(1), batches.submit(1)):
                with pytest.raises(KeyError):
                    await one
            return await batches.submit(2)

    assert asyncio.run(ask()) == 2
