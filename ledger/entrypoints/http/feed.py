"""The feed of events: server-sent events, and pages for who asks again and again (long polling).

One thread reads the end of the log for all who listen; what it read last is kept, and whoever is behind that reads
pages of the log by itself until it has caught up. So a slow listener costs no memory, and one that does not take what
it is sent is cut off (`ledger.edges.web`); it goes on from the position that it knows.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Executor
from typing import NamedTuple

from ledger.edges.log import Note
from ledger.edges.program import fault, say
from ledger.edges.watch import Watch
from ledger.relay.pages import Carried, Portion, pages
from ledger.store import EventStore, StoreUnavailable, StoreUnusable

KEPT = 2_000
"""Messages at the end of the log that are in memory: some 4 MB."""
PAGE = 500
COMMENT_SECONDS = 15.0
SHORTEST_SECONDS, POLL_SECONDS = 0.02, 0.25
IDLE_SECONDS = 1.0
_COMMENT = b":\n\n"


class Batch(NamedTuple):
    messages: list[Carried]
    position: int


class Feed:
    """`executor`: where pages are read. Everything but the reading itself happens in the server's loop."""

    def __init__(self, store: EventStore, executor: Executor, watch: Watch) -> None:
        self._store, self._executor, self._watch = store, executor, watch
        self._kept: deque[Carried] = deque()
        self._first = self._last = -1
        """Kept is what lies above `_first`, up to `_last`; -1: nobody has listened yet."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news: asyncio.Future[None] | None = None
        self._ended, self._hurry = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._read, name="feed", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def hurry(self) -> None:
        """Something was stored: it is looked for at once, where anybody listens."""
        if self._last >= 0:
            self._hurry.set()

    def end(self) -> None:
        """Ends every listener's stream."""
        self._ended.set()
        self._hurry.set()
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)
        self._thread.join(10)

    async def stream(self, after: int) -> AsyncGenerator[bytes, None]:
        """Server-sent events above a position; a comment where nothing comes."""
        reading = self._listener(after)
        yield b"retry: 1000\n\n"
        while not self._ended.is_set():
            batch = await reading(COMMENT_SECONDS)
            if batch.messages:
                yield b"".join(b"id: %d\ndata: %b\n\n" % (position, text) for position, text in batch.messages)
            elif not self._ended.is_set():
                yield _COMMENT

    async def page(self, after: int, limit: int, seconds: float) -> tuple[list[bytes], int]:
        """Up to `limit` messages above a position, and the position to ask from next; where there is none, what comes
        within some seconds."""
        batch = await self._listener(after)(seconds)
        taken = batch.messages[:limit]
        return [one.text for one in taken], batch.position if len(taken) == len(batch.messages) else taken[-1].position

    # In the loop

    def _listener(self, after: int) -> "Callable[[float], asyncio.Future[Batch]]":
        """What gives one listener's next messages, after waiting for them so many seconds at most."""
        at = after
        page: Callable[[], Portion] | None = None

        async def next_(seconds: float) -> Batch:
            nonlocal at, page
            self._loop = loop = asyncio.get_running_loop()
            until = loop.time() + seconds
            while True:
                if self._first < 0 or at < self._first:
                    page, found = await loop.run_in_executor(self._executor, self._next, page, at)
                    if self._first < 0 and found.at_end:  # from here on the thread reads
                        self._first = self._last = found.position
                        self._hurry.set()
                    batch = Batch(found.messages, found.position)
                else:
                    page = None
                    batch = Batch([one for one in self._kept if one.position > at], max(self._last, at))
                at = batch.position
                left = until - loop.time()
                if batch.messages or left <= 0 or self._ended.is_set():
                    return batch
                if self._first >= 0 and at >= self._last:
                    self._news = self._news or loop.create_future()
                    await asyncio.wait({self._news}, timeout=left)

        return lambda seconds: asyncio.ensure_future(next_(seconds))

    def _next(self, page: "Callable[[], Portion] | None", at: int) -> "tuple[Callable[[], Portion], Portion]":
        """In a thread."""
        page = page or pages(self._store, at, PAGE)
        return page, page()

    def _arrived(self, found: Portion) -> None:
        self._kept.extend(found.messages)
        self._last = found.position
        while len(self._kept) > KEPT:
            self._first = self._kept.popleft().position
        if found.messages:
            self._wake()

    def _wake(self) -> None:
        if self._news is not None:
            self._news.set_result(None)
            self._news = None

    # In its thread

    def _read(self) -> None:
        page: Callable[[], Portion] | None = None
        looked = float("-inf")
        while not self._ended.is_set():
            pause = IDLE_SECONDS
            try:
                self._watch.turn()
                if self._last >= 0 and self._loop is not None:
                    page = page or pages(self._store, self._last, PAGE)
                    found = page()
                    if found.position > self._last:
                        self._loop.call_soon_threadsafe(self._arrived, found)
                    pause = POLL_SECONDS if found.at_end else 0.0
                if time.monotonic() - looked >= IDLE_SECONDS:
                    looked = time.monotonic()
                    self._watch.log_ends(self._store.last_position())
            except (StoreUnavailable, StoreUnusable):
                self._watch.retry()
            except Exception as error:  # the next attempt begins where the last one that went well ended
                say(Note("serve/feed", "a fault of this program, please report it: {place}", "error",
                         place=fault(error)), "career-ledger")
                page = None
            self._ended.wait(SHORTEST_SECONDS)  # what comes at once is read at once
            self._hurry.wait(pause)
            self._hurry.clear()
