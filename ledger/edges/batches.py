"""Things asked by many callers of an event loop: what waits while others are done comes next, at once.

A batch costs as much as one thing does (two changes of threads where a thread does it), however many are in it; a lone
caller waits for nobody.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from concurrent.futures import Executor
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_thread(executor: Executor, act: Callable[[Sequence[T]], Sequence[R | Exception]],
              ) -> Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]]:
    """What does so in a thread of `executor`."""
    return lambda things: asyncio.get_running_loop().run_in_executor(executor, act, things)


class Batches(Generic[T, R]):
    """`act` is asked for one batch at a time, unless it says that the next may `go_on`, and tells what became of each
    of up to `most` things, in order: a result, or the error that its caller is to get. What it raises all of them get.
    `key`: of two things with the same one the later waits until the earlier is done."""

    def __init__(self, act: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]], most: int,
                 key: Callable[[T], Hashable] | None = None) -> None:
        self._act, self._most, self._key = act, most, key
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._begins = False
        """A batch is about to begin, or the last one that did has not let the next go on."""
        self._last: asyncio.Future[Sequence[R | Exception]] | None = None
        self._work: dict[asyncio.Future[Sequence[R | Exception]], frozenset[Hashable]] = {}
        """Held here: the loop does not. The keys that each has."""

    @property
    def at_work(self) -> int:
        """Batches that have begun and are not done."""
        return len(self._work)

    def submit(self, one: T) -> "asyncio.Future[R]":
        """What becomes of it. To be called in the loop; whoever cancels it before its batch begins withdraws it."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[R] = loop.create_future()
        self._waiting.append((one, answer))
        if not self._begins:
            self._begins = True
            loop.call_soon(self._begin)  # with what comes in the same turn
        return answer

    def go_on(self) -> None:
        """The next batch may begin before the last one that began is done. For `act`, in the loop."""
        self._last = None
        self._begin()

    def _begin(self) -> None:
        taken = self._taken()
        self._begins = bool(taken)
        if taken:
            keys = frozenset(self._key(one) for one, _ in taken) if self._key is not None else frozenset()
            self._last = work = asyncio.ensure_future(self._act([one for one, _ in taken]))
            self._work[work] = keys
            work.add_done_callback(lambda done: self._tell([answer for _, answer in taken], done))

    def _taken(self) -> list[tuple[T, "asyncio.Future[R]"]]:
        busy = frozenset[Hashable]().union(*self._work.values())
        taken: list[tuple[T, asyncio.Future[R]]] = []
        later: list[tuple[T, asyncio.Future[R]]] = []
        while self._waiting and len(taken) < self._most:
            one, answer = self._waiting.popleft()
            if not answer.cancelled():
                (later if self._key is not None and self._key(one) in busy else taken).append((one, answer))
        self._waiting.extendleft(reversed(later))
        return taken

    def _tell(self, answers: "Sequence[asyncio.Future[R]]", done: "asyncio.Future[Sequence[R | Exception]]") -> None:
        del self._work[done]
        if done.cancelled():  # the program ends
            for answer in answers:
                answer.cancel()
            return
        if self._last is done or not self._begins:
            self._begin()
        error = done.exception()
        for answer, found in zip(answers, [error] * len(answers) if error is not None else done.result(), strict=True):
            if answer.done():
                continue
            if isinstance(found, BaseException):
                answer.set_exception(found)
            else:
                answer.set_result(found)
