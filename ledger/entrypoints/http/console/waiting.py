"""A page that takes longer than a second: whoever asked is told that it is being made, and is given it when it is
there. A page with scripts asks again by itself; without them a link does."""

import asyncio
import time
from collections.abc import Awaitable
from typing import NamedTuple

from ledger.edges.callers import NOBODY
from ledger.edges.web import Request, Response, Route, Shown

from ..pages import spoken
from .pages import page
from .visit import PAGES, filled, visit

FIRST_SECONDS = 1.0
"""So long whoever asks waits for the page itself."""
KEPT_SECONDS = 60.0
"""So long a page that was made is kept for whoever asked: she may have left."""
MOST = 200
"""Pages that are being made or kept. Beyond, whoever asks waits for the page itself."""


class _Key(NamedTuple):
    """Who asks, by the token of her session, and what."""

    session: str
    path: str
    query: bytes
    language: str


class _InTheMaking:
    """One that is being made."""

    def __init__(self, answer: "asyncio.Future[Shown]") -> None:
        self.answer, self.since, self.ended = answer, time.monotonic(), float("inf")
        answer.add_done_callback(self._end)

    def _end(self, answer: "asyncio.Future[Shown]") -> None:
        self.ended = time.monotonic()
        if not answer.cancelled():
            answer.exception()  # whoever asks again is told; nobody may


class SlowPages:
    """Used in the server's loop alone."""

    def __init__(self) -> None:
        self.patience = FIRST_SECONDS
        self._made: dict[_Key, _InTheMaking] = {}

    def over(self, path: str, route: Route) -> Route:
        """The same page, told of where it is not there soon. `path`: of the route."""
        async def shown(request: Request) -> Shown:
            key = _Key(request.caller.csrf, filled(path, request.parts), request.query, spoken(request.headers))
            made = self._made.get(key)
            if made is None:
                self._forget()
                if request.caller is NOBODY or len(self._made) >= MOST:
                    return await _answer(route, request)
                made = self._made[key] = _InTheMaking(asyncio.ensure_future(_answer(route, request)))
            await asyncio.wait({made.answer}, timeout=self.patience)
            if made.answer.done():
                self._made.pop(key, None)
                return made.answer.result()
            return _still(request, key.path, int(time.monotonic() - made.since))

        return shown

    def after(self, route: Route) -> Route:
        """What changes something: no page from before it is given to whoever changed it."""
        async def done(request: Request) -> Shown:
            try:
                return await _answer(route, request)
            finally:
                for key in [key for key in self._made if key.session == request.caller.csrf]:
                    del self._made[key]

        return done

    def _forget(self) -> None:
        long_ago = time.monotonic() - KEPT_SECONDS
        for key in [key for key, made in self._made.items() if made.ended < long_ago]:
            del self._made[key]


async def _answer(route: Route, request: Request) -> Shown:
    found = route(request)
    return await found if isinstance(found, Awaitable) else found


def _still(request: Request, path: str, seconds: int) -> Response:
    asked = visit(request, path)
    first = path.split("/")[1]
    return page(asked, "working", 202, tab=first if first in PAGES else None if first else "search", seconds=seconds)
