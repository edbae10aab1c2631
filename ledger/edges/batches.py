"""Things asked by many callers of an event loop: what waits while others are done comes next, at once.

A batch costs as much as one thing does (two changes of threads where a thread does it), however many are in it; a lone
caller waits for nobody.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_thread(executor: Executor, act: Callable[[Sequence[T]], Sequence[R | Exception]],
              ) -> Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]]:
    """What does so in a thread of `executor`."""
    return lambda things: asyncio.get_running_loop().run_in_executor(executor, act, things)


class Batches(Generic[T, R]):
    """`act` is asked for one batch at a time, and tells what became of each of up to `most` things, in order: a result,
    or the error that its caller is to get. What it raises all of them get."""

    def __init__(self, act: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]], most: int) -> None:
        self._act, self._most = act, most
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._at_work = False
        self._work: asyncio.Future[Sequence[R | Exception]] | None = None

    def submit(self, one: T) -> "asyncio.Future[R]":
        """What becomes of it. To be called in the loop; whoever cancels it before its batch begins withdraws it."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[R] = loop.create_future()
        self._waiting.append((one, answer))
        if not self._at_work:
            self._at_work = True
            loop.call_soon(self._begin, loop)  # with what comes in the same turn
        return answer

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        taken: list[tuple[T, asyncio.Future[R]]] = []
        while self._waiting and len(taken) < self._most:
            one, answer = self._waiting.popleft()
            if not answer.cancelled():
                taken.append((one, answer))
        self._at_work = bool(taken)
        if taken:
            self._work = work = asyncio.ensure_future(self._act([one for one, _ in taken]))  # held: the loop does not
            work.add_done_callback(lambda done: self._tell(loop, [answer for _, answer in taken], done))

    def _tell(self, loop: asyncio.AbstractEventLoop, answers: "Sequence[asyncio.Future[R]]",
              done: "asyncio.Future[Sequence[R | Exception]]") -> None:
        if done.cancelled():  # the program ends
            for answer in answers:
                answer.cancel()
            return
        self._begin(loop)
        error = done.exception()
        for answer, found in zip(answers, [error] * len(answers) if error is not None else done.result(), strict=True):
            if answer.done():
                continue
            if isinstance(found, BaseException):
                answer.set_exception(found)
            else:
                answer.set_result(found)
