"""`/v1`: the answers of the command line's `--json`, byte for byte, in the language of Accept-Language.

What asks the database runs in a few threads, so that nobody waits for somebody else's answer to begin.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from ledger.bootstrap import Ledger, today
from ledger.domain.phrases import says
from ledger.edges.figures import ANSWER_SECONDS, ShownWatch
from ledger.edges.text import json_text
from ledger.edges.web import Request, Response, Route, Routes
from ledger.handling.lines import LONGEST_LINE
from ledger.words import Language, told
from ledger.words.accepted import preferred

from .asked import call_and_clocks, clocks, query
from .problems import Misasked, explained

THREADS = 4
"""As many as a ledger has connections to PostgreSQL. Python computes in one of them at a time."""
LONGEST = LONGEST_LINE
"""Bytes of a request's body: as of a line of `append`."""
LINES = "application/x-ndjson"
FREE = frozenset({"/health", "/ready"})
"""Asked without a token, for they tell of nobody."""

class Inquiry(NamedTuple):
    """`language`: of the answer."""

    parts: tuple[str, ...]
    query: dict[str, str]
    request: Request
    language: Language


Work = Callable[[Inquiry], Response]


class Api:
    """Answers from one ledger. `rulebooks`: the institution's own folder, for what its rules say in Italian."""

    def __init__(self, ledger: Ledger, watch: ShownWatch, rulebooks: Path | None = None) -> None:
        self._ledger, self._watch, self._rulebooks = ledger, watch, rulebooks
        self._threads = ThreadPoolExecutor(THREADS, "answers")

    def __enter__(self) -> Self:
        """Opens what it needs: a store that cannot be used is said before anybody asks."""
        self._turn()
        _ = self._ledger.books
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def routes(self) -> Routes:
        made: dict[str, dict[str, Work]] = {
            "/v1/students/{student}/status": {"GET": self._status},
            "/v1/students/{student}/fees": {"GET": self._fees},
            "/v1/students/{student}/eligibility": {"GET": self._eligibility},
            "/v1/students/{student}/history": {"GET": self._history},
            "/v1/rules/{rule}": {"GET": self._rule},
            "/v1/rulebooks/{academic_year}": {"GET": self._rulebook},
            "/ready": {"GET": self._ready},
        }
        found = {path: {method: self._answered(path, work) for method, work in methods.items()}
                 for path, methods in made.items()}
        return {**found, **self._watch.routes, "/health": {"GET": _alive}}

    def _answered(self, path: str, work: Work) -> Route:
        """What answers a request: in a thread, whatever goes wrong as a problem document."""

        async def answered(request: Request) -> Response:
            begun = time.perf_counter()
            found = await asyncio.get_running_loop().run_in_executor(self._threads, partial(_tried, work, request))
            ANSWER_SECONDS.labels(path, str(found.status)).observe(time.perf_counter() - begun)
            return found

        return answered

    def _turn(self) -> None:
        self._watch.log_ends(self._ledger.log.last_position())
        self._watch.turn()

    # Questions about one student

    def _status(self, asked: Inquiry) -> Response:
        on, known_at, position = clocks(asked.query)
        return told_as(asked, self._ledger.status(asked.parts[0], on or today(), known_at, position))

    def _fees(self, asked: Inquiry) -> Response:
        on, known_at, position = clocks(asked.query)
        return told_as(asked, self._ledger.fees(asked.parts[0], on or today(), known_at, position))

    def _eligibility(self, asked: Inquiry) -> Response:
        call, (on, known_at, position) = call_and_clocks(asked.query)
        return told_as(asked, self._ledger.eligibility(asked.parts[0], on or today(), *call, known_at, position))

    def _history(self, asked: Inquiry) -> Response:
        on, known_at, position = clocks(asked.query)
        return told_as(asked, *self._ledger.history(asked.parts[0], on or today(), known_at, position), type=LINES)

    # The law

    def _rulebook(self, asked: Inquiry) -> Response:
        from ledger.rulebooks.show import show
        from ledger.rulebooks.words import words_in

        on, known_at, position = clocks(asked.query)
        if on is not None or position is not None:
            raise _only("known_at")
        return told_as(asked, show(self._ledger.books.known_at(known_at), asked.parts[0],
                                   words_in(asked.language, self._rulebooks)))

    def _rule(self, asked: Inquiry) -> Response:
        from ledger.rulebooks.show import cite
        from ledger.rulebooks.words import words_in

        if asked.query:
            raise _only("")
        return told_as(asked, cite(self._ledger.books, asked.parts[0], words_in(asked.language, self._rulebooks)))

    # The program

    def _ready(self, asked: Inquiry) -> Response:
        """Whether the ledger can be read."""
        self._turn()
        return told_as(asked, {"program": "serve", "ready": True})


def told_as(asked: Inquiry, *answers: Any, type: str = "application/json") -> Response:
    """As the command line prints them, one a line."""
    lines = "".join(f"{json_text(told(one, asked.language))}\n" for one in answers)
    return Response(200, lines.encode(), type, ((b"content-language", asked.language.encode()),))


def _tried(work: Work, request: Request) -> Response:
    language = preferred(request.headers.get(b"accept-language", b"").decode("latin-1"))
    try:
        return work(Inquiry(request.parts, query(request.query), request, language))
    except Exception as error:
        found = explained(error, language)
        if found is None:
            raise
        return found


def _only(name: str) -> Misasked:
    return Misasked(400, "bad-query", says("http/only", text=name) if name else says("http/nothing-asked"))


def _alive(_: Request) -> Response:
    """That it answers at all; whether it can do its work is asked of /ready."""
    return Response(200, b'{"program": "serve", "alive": true}\n')
