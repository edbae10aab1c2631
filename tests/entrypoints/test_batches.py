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


def test_the_next_batch_goes_on_before_the_last_is_done_but_for_what_has_the_same_key() -> None:
    begun: list[list[str]] = []
    ends: dict[str, asyncio.Event] = {}

    async def ask() -> list[str]:
        async def act(asked: Sequence[str]) -> Sequence[str | Exception]:
            begun.append(list(asked))
            batches.go_on()
            ends[asked[0]] = asyncio.Event()
            await ends[asked[0]].wait()
            return asked

        async def until(count: int) -> None:
            while len(begun) < count:
                await asyncio.sleep(0)

        batches = Batches[str, str](act, 10, key=lambda one: one[0])
        asked = [batches.submit("a1")]
        await until(1)
        asked += [batches.submit(one) for one in ("a2", "b1", "a3")]
        await until(2)
        asked.append(batches.submit("c1"))
        await until(3)
        assert begun == [["a1"], ["b1"], ["c1"]]
        ends["b1"].set()
        await asked[2]
        assert len(begun) == 3
        ends["a1"].set()
        await until(4)
        assert [one.done() for one in asked] == [True, False, True, False, False]
        for end in ends.values():
            end.set()
        return [*await asyncio.wait_for(asyncio.gather(*asked), 10)]

    assert asyncio.run(ask()) == ["a1", "a2", "b1", "a3", "c1"]
    assert begun == [["a1"], ["b1"], ["c1"], ["a2", "a3"]]
