"""A page that takes longer than a second: whoever asked is told that it is being made, and is given it when it is
there. A page with scripts asks again by itself; without them a link does.

What a form asked for is waited for at the form's own address, with the number of what is being done: to look how far
it is does nothing once more.
"""

import asyncio
import time
from collections.abc import Awaitable
from typing import NamedTuple

from ledger.bootstrap import today
from ledger.domain.phrases import says
from ledger.edges.callers import NOBODY
from ledger.edges.web import Request, Response, Route, Shown
from ledger.words import sentence

from ..pages import cookies, spoken
from ..problems import Misasked
from ..sessions import opaque
from ..who import form, see
from .pages import page
from .tickets import COOKIE
from .visit import PAGES, AskedDays, Visit, filled, visit

FIRST_SECONDS = 1.0
"""So long whoever asks waits for the page itself."""
KEPT_SECONDS = 60.0
"""So long a page that was made is kept for whoever asked: she may have left."""
DONE_SECONDS = 600.0
"""The same of what came of a form, in which is what she typed."""
DOING = "doing"
"""In an address: what is being done."""
MOST = 200
"""Pages that are being made or kept. Beyond, whoever asks waits for the page itself."""


class _Key(NamedTuple):
    """Who asks, and what."""

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


class _Doing(NamedTuple):
    """What a form asked for: by whom, and where."""

    session: str
    path: str
    made: _InTheMaking


class SlowPages:
    """Used in the server's loop alone."""

    def __init__(self) -> None:
        self.patience = FIRST_SECONDS
        self._made: dict[_Key, _InTheMaking] = {}
        self._doing: dict[str, _Doing] = {}

    def over(self, path: str, route: Route) -> Route:
        """The same page, told of where it is not there soon. `path`: of the route."""
        async def shown(request: Request) -> Shown:
            at = filled(path, request.parts)
            if (number := form(request.query).get(DOING)) is not None:
                return await self._come_of(number, request, at)
            if (whose := _whose(request)) is None:
                return await _answer(route, request)
            key = _Key(whose, at, request.query, spoken(request.headers))
            made = self._made.get(key)
            if made is None:
                self._forget()
                if len(self._made) >= MOST:
                    return await _answer(route, request)
                made = self._made[key] = _InTheMaking(asyncio.ensure_future(_answer(route, request)))
            await asyncio.wait({made.answer}, timeout=self.patience)
            if made.answer.done():
                self._made.pop(key, None)
                return made.answer.result()
            return _still(request, key.path, int(time.monotonic() - made.since))

        return shown

    def after(self, path: str, route: Route) -> Route:
        """What a form asks for. No page from before it is given to whoever changed something."""
        async def done(request: Request) -> Shown:
            if (whose := _whose(request)) is None:
                return await _answer(route, request)
            doing = asyncio.ensure_future(self._done(route, request, whose))
            await asyncio.wait({doing}, timeout=self.patience)
            self._forget()
            if doing.done() or len(self._doing) >= MOST:
                return await doing
            number, at = opaque(), filled(path, request.parts)
            self._doing[number] = _Doing(whose, at, _InTheMaking(doing))
            query = request.query.decode("ascii", "replace")
            return see(f"{at}?{query}{'&' * bool(query)}{DOING}={number}")

        return done

    async def _done(self, route: Route, request: Request, whose: str) -> Shown:
        try:
            return await _answer(route, request)
        finally:
            for key in [key for key in self._made if key.session == whose]:
                del self._made[key]

    async def _come_of(self, number: str, request: Request, path: str) -> Shown:
        """What came of a form, as often as she looks while it is kept."""
        found = self._doing.get(number)
        if found is None or (found.session, found.path) != (_whose(request), path):
            asked = _visit(request, path)
            return page(asked, "wrong", 404, tab=None, public=request.caller is NOBODY, errors=[],
                        says=sentence(says("console/kept-no-longer"), asked.language))
        await asyncio.wait({found.made.answer}, timeout=self.patience)
        if not found.made.answer.done():
            return _still(request, path, int(time.monotonic() - found.made.since))
        answer = found.made.answer.result()
        if isinstance(answer, Response) and answer.status == 303 and b"hx-request" in request.headers:
            # else the page that it leads to would stand under this address
            return Response(200, b"", "text/plain", tuple(
                (b"hx-redirect", value) for name, value in answer.headers if name == b"location"))
        return answer

    def _forget(self) -> None:
        now = time.monotonic()
        for key in [key for key, made in self._made.items() if made.ended < now - KEPT_SECONDS]:
            del self._made[key]
        for number in [number for number, one in self._doing.items() if one.made.ended < now - DONE_SECONDS]:
            del self._doing[number]


async def _answer(route: Route, request: Request) -> Shown:
    found = route(request)
    return await found if isinstance(found, Awaitable) else found


def _whose(request: Request) -> str | None:
    """The token of a session; of who has none that of her forms, if she has been given one."""
    return request.caller.csrf or cookies(request.headers).get(COOKIE) or None


def _visit(request: Request, path: str) -> Visit:
    """Of an address that is no better than what is being made or done there."""
    try:
        return visit(request, path)
    except Misasked:
        return Visit(request, path, {}, spoken(request.headers), False, AskedDays(), today())


def _still(request: Request, path: str, seconds: int) -> Response:
    asked = _visit(request, path)
    first = path.split("/")[1]
    return page(asked, "working", 202, tab=first if first in PAGES else None if first else "search", seconds=seconds,
                public=request.caller is NOBODY)
