"""`/v1`: the answers of the command line's `--json`, byte for byte, in the language of Accept-Language.

What asks the database runs in a few threads, so that nobody waits for somebody else's answer to begin.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

from prometheus_client import Histogram

from ledger.bootstrap import Answer, Ledger, RecordRead, WhatIf, today
from ledger.domain.phrases import says
from ledger.domain.submissions import Submission
from ledger.edges.batches import Batches, in_thread
from ledger.edges.callers import OFFICER, Caller
from ledger.edges.figures import ANSWER_SECONDS, ShownWatch
from ledger.edges.log import Note
from ledger.edges.program import say
from ledger.edges.web import Flow, Request, Response, Route, Routes, Shown
from ledger.handling.group import MOST, STALE, Entered
from ledger.handling.lines import LONGEST_LINE
from ledger.handling.submit import read_form, with_line
from ledger.projections.student.what_if import Call
from ledger.store import StoreUnusable
from ledger.words import DEFAULT, Language
from ledger.words.accepted import preferred

from .asked import (
    CALL,
    MOST_SUPPOSED,
    Clocks,
    call_and_clocks,
    clocks,
    decoded,
    expected,
    heard,
    listed,
    must_agree,
    query,
)
from .everybody import REPORTS, Everybody, path_of
from .feed import Feed
from .openapi import LINES, document, kind, operations
from .pages import html
from .problems import Misasked, explained, field, rule
from .replies import Inquiry, told_as, told_in
from .tickets import Tickets
from .who import Trail

T = TypeVar("T")
THREADS = 4
"""As many as a ledger has connections to PostgreSQL. Python computes in one of them at a time."""
PATIENCE = 3.0
"""Seconds for which the store is tried again while it is away: with an attempt that has just begun there is an answer
within `web.ANSWER_SECONDS`, and no thread is held longer."""
KEPT = 2_000
"""Answers that are in memory (about 5 kB each): most questions are asked again before anything is recorded."""
LONGEST = LONGEST_LINE
"""Bytes of a request's body: as of a line of `append`."""

_T = TypeVar("_T")


class KeptBy(NamedTuple):
    """What an answer is kept by. `position`: of the student's newest event."""

    question: str
    language: Language
    student: str
    position: int
    known: Clocks
    call: Call | None


Work = Callable[[Inquiry], Response]


class Threads(ThreadPoolExecutor):
    """What is done there is done in the context of who asked for it: whose events alone may be read goes along."""

    def submit(self, fn: Callable[..., _T], /, *args: Any, **kwargs: Any) -> Future[_T]:
        return super().submit(copy_context().run, fn, *args, **kwargs)


class Api:
    """Answers from one ledger. `rulebooks`: the institution's own folder, for what its rules say in Italian."""

    def __init__(self, ledger: Ledger, watch: ShownWatch, rulebooks: Path | None = None) -> None:
        self.ledger, self._watch, self.rulebooks = ledger, watch, rulebooks
        self.threads, self._writer = Threads(THREADS, "answers"), ThreadPoolExecutor(1, "writer")
        self._storer = ThreadPoolExecutor(1, "storer")
        ledger.be_patient(PATIENCE)
        self._group = ledger.group(self._writer, self._storer)
        self._newest: Batches[str, int] = Batches(self._newest_of, MOST)
        self._supposing = asyncio.Semaphore()  # one what-if at a time: what is to be recorded comes between two
        self._found: OrderedDict[KeptBy, Response] = OrderedDict()
        self._noted: Batches[RecordRead, None] = Batches(in_thread(self._writer, ledger.note_reads), MOST)
        self._feed = Feed(ledger.log, self.threads, watch)
        self.everybody, self.tickets = Everybody(ledger), Tickets(ledger, self.keeper, self.enter)

    def __enter__(self) -> Self:
        """Opens what it needs: a store that cannot be used is said before anybody asks, also one that can only be
        read."""
        self._turn()
        _ = self.ledger.books
        try:
            self._writer.submit(self._group.prepare).result()
        except StoreUnusable as error:
            say(Note("serve/reads-only", "nothing can be recorded, and everything is answered: {why}", "warning",
                     why=error), "career-ledger")
        if self.ledger.seals:  # in nobody's name
            self._writer.submit(self.ledger.open_keys).result()
        self._feed.start()
        self.threads.submit(document, DEFAULT)  # the first time it takes a third of a second
        return self

    @property
    def keeper(self) -> Executor:
        """The thread that has the key store."""
        return self._writer

    def leave(self) -> None:
        """Those who listen are told that it ends: else the server would wait for them."""
        self._feed.end()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._feed.end()
        self.threads.shutdown(wait=False, cancel_futures=True)
        self.everybody.close()
        self._storer.shutdown()
        self._writer.submit(self.ledger.close)
        self._writer.shutdown()

    @property
    def routes(self) -> Routes:
        made: dict[str, dict[str, Work]] = {
            "/v1/students/{student}": {"GET": self._head},
            "/v1/students/{student}/what-if": {"POST": self._what_if},
            "/v1/students/{student}/history": {"GET": self._history},
            "/v1/students/{student}/findings": {"GET": self._findings},
            **{path_of(name): {"GET": partial(self._report, name)} for name in REPORTS},
            "/v1/findings": {"GET": self._all_findings},
            "/v1/rules/{rule}": {"GET": self._rule},
            "/v1/rulebooks/{academic_year}": {"GET": self._rulebook},
            "/ready": {"GET": self._ready},
            "/v1": {"GET": _page}, "/v1/openapi.json": {"GET": _document},
        }
        found: dict[str, dict[str, Route]] = {path: {method: self._answered(path, work)
                                                     for method, work in methods.items()}
                                              for path, methods in made.items()}
        awaited: dict[str, Mapping[str, Callable[[Inquiry], Awaitable[Shown]]]] = {
            "/v1/students/{student}/status": {"GET": self._status},
            "/v1/students/{student}/fees": {"GET": self._fees},
            "/v1/students/{student}/eligibility": {"GET": self._eligibility},
            "/v1/students/{student}/events": {"POST": self._append},
            "/v1/events": {"GET": self._events, "POST": self._append_many}, **self.tickets.works}
        found |= {path: {method: self._awaited(path, work) for method, work in methods.items()}
                  for path, methods in awaited.items()}
        return {**found, **self._watch.routes, "/health": {"GET": _alive}}

    def _answered(self, path: str, work: Work) -> Route:
        """What answers a request: in a thread, whatever goes wrong as a problem document."""

        async def answered(request: Request) -> Response:
            begun, run = time.perf_counter(), asyncio.get_running_loop().run_in_executor
            work_ = partial(copy_context().run, _tried, work, request)
            if request.body:
                async with self._supposing:
                    found = await run(self._writer if self.ledger.seals else self.threads, work_)
            else:
                found = await run(self.threads, work_)
            ANSWER_SECONDS.labels(path, str(found.status)).observe(time.perf_counter() - begun)
            return found

        return answered

    def _awaited(self, path: str, work: Callable[[Inquiry], Awaitable[Shown]]) -> Route:
        """What holds no thread while it waits: for a commit, or for what comes."""

        seconds: dict[int, Histogram] = {}  # `labels` looks it up in five steps

        async def answered(request: Request) -> Shown:
            begun = time.perf_counter()
            language = preferred(request.headers.get(b"accept-language", b"").decode("latin-1"))
            try:
                found: Shown = await work(Inquiry(request.parts, query(request.query), request, language))
            except Exception as error:
                wrong = explained(error, language)
                if wrong is None:
                    raise
                found = wrong
            if isinstance(found, Flow):
                return found
            if (shown := seconds.get(found.status)) is None:
                shown = seconds[found.status] = ANSWER_SECONDS.labels(path, str(found.status))
            shown.observe(time.perf_counter() - begun)
            return found

        return answered

    @property
    def trail(self) -> Trail | None:
        """Notes a read of a student's record; None where there is no key store, with the access log in it."""
        return self._noted.submit if self.ledger.seals else None

    def _turn(self) -> None:
        self._watch.log_ends(self.ledger.log.last_position())
        self._watch.turn()

    # Questions about one student

    async def _status(self, asked: Inquiry) -> Response:
        return await self._answer("status", asked, clocks(asked.query))

    async def _fees(self, asked: Inquiry) -> Response:
        return await self._answer("fees", asked, clocks(asked.query))

    async def _eligibility(self, asked: Inquiry) -> Response:
        call, known = call_and_clocks(asked.query)
        return await self._answer("eligibility", asked, known, call)

    async def _answer(self, question: str, asked: Inquiry, known: Clocks, call: Call | None = None) -> Response:
        """Found anew where anything was recorded of her since it was found last, or another day has come. Many who ask
        at once are looked up by one SELECT."""
        [student] = asked.parts
        one = KeptBy(question, asked.language, student, await self._position(student, asked.request.caller),
                    known._replace(on=known.on or today()), call)
        found = self._found.get(one)
        if found is None:
            found = await asyncio.get_running_loop().run_in_executor(self.threads, self._find, one)
            self._found[one] = found
            if len(self._found) > KEPT:
                self._found.popitem(last=False)
        else:
            self._found.move_to_end(one)
        return found

    async def _newest_of(self, students: Sequence[str]) -> list[int]:
        """Who asks alone would wait longer for threads than for the rest. For many there is a thread: the loop goes on
        meanwhile, where it would wait for the answer."""
        log = self.ledger.log
        found = await log.newest_at_once(students[0]) if len(students) == 1 else None
        return [found] if found is not None else await asyncio.get_running_loop().run_in_executor(
            self.threads, log.newest, students)

    async def _position(self, student: str, caller: Caller) -> int:
        """Of her newest event, as far as the caller may read. A student is not looked up with others, who may."""
        if not caller.only_student:
            return await self._newest.submit(student)
        [position] = await asyncio.get_running_loop().run_in_executor(self.threads, self.ledger.log.newest, [student])
        return position

    def _find(self, one: KeptBy) -> Response:
        day = one.known.on or today()
        found = self.ledger.eligibility(one.student, day, *one.call, *one.known[1:]) if one.call is not None else \
            getattr(self.ledger, one.question)(one.student, day, *one.known[1:])
        return told_in(one.language, found)

    def _history(self, asked: Inquiry) -> Response:
        on, known_at, position = clocks(asked.query)
        return told_as(asked, *self.ledger.history(asked.parts[0], on or today(), known_at, position), type=LINES)

    def _findings(self, asked: Inquiry) -> Response:
        return told_as(asked, *self.ledger.audit(asked.parts, *clocks(asked.query)), type=LINES)

    def _head(self, asked: Inquiry) -> Response:
        found = self.ledger.head(asked.parts[0])
        return told_as(asked, found, headers=(_tag(found),))

    def _what_if(self, asked: Inquiry) -> Response:
        given = asked.query
        call, known = call_and_clocks(given) if given.keys() & {"career", *CALL} else (None, clocks(given))
        supposed = listed(asked.request.body, MOST_SUPPOSED)
        return told_as(asked, self.ledger.what_if(asked.parts[0], enumerate(supposed, 1), WhatIf(*known, call)))

    # Questions about everybody

    def _report(self, name: str, asked: Inquiry) -> Response:
        return told_as(asked, self.everybody.report(name, asked.query))

    def _all_findings(self, asked: Inquiry) -> Response:
        return told_as(asked, self.everybody.findings(asked.query))

    # Recording

    def decide(self, ask: Callable[..., T], *given: Any) -> T:
        """What would come of a submission: with a key store it is asked in the one thread that has it, else in this
        one, which waits for it."""
        return self._writer.submit(ask, *given).result() if self.ledger.seals else ask(*given)

    async def enter(self, form: Submission, version: int | None) -> Answer:
        """The outcome of a submission, once it is stored or kept out, under the version that its caller knows."""
        outcome: Answer = await self._group.submit(Entered(form, version))
        self._feed.hurry()
        return outcome

    async def _append(self, asked: Inquiry) -> Response:
        """One submission, under the version that the caller knows (If-Match)."""
        [student], given = asked.parts, dict(asked.query)
        dry = _flag(given, "dry_run")
        if given:
            raise _only("dry_run")
        raw = decoded(asked.request.body)
        form = read_form(raw, self.ledger.seals)
        if isinstance(form, Submission) and form.student != student:
            raise invalid_form([{"path": "student", "message": says("http/another-student", student=student)}])
        if not isinstance(form, Submission):
            return outcome_as(asked, form)
        must_be_officer(asked.request, [form])
        must_agree(asked.request, form.id)
        if dry:
            return outcome_as(asked, await asyncio.get_running_loop().run_in_executor(
                self.threads, self.decide, self.ledger.dry_run, student, form), stored=False)
        version = expected(asked.request)
        return outcome_as(asked, await self.enter(form, version))

    async def _append_many(self, asked: Inquiry) -> Response:
        """The outcome of each, in order. They are not stored together: one that is kept out keeps out no other."""
        if asked.query:
            raise _only("")
        forms = [read_form(raw, self.ledger.seals) for raw in listed(asked.request.body)]
        must_be_officer(asked.request, forms)
        waiting = [self._group.submit(Entered(form, None)) for form in forms if isinstance(form, Submission)]
        stored = iter(await asyncio.gather(*waiting))
        self._feed.hurry()
        return told_as(asked, [next(stored) if isinstance(form, Submission) else with_line(form, number)
                               for number, form in enumerate(forms, 1)])

    # The feed

    async def _events(self, asked: Inquiry) -> Shown:
        """What was recorded above a position, as `career.events.v1` has it."""
        after, limit, seconds = heard(asked.request, asked.query)
        goes_on = b"text/event-stream" in asked.request.headers.get(b"accept", b"")
        found, position = ([], after) if goes_on else await self._feed.page(after, limit, 0)
        if not found:  # else there is something above it
            end = await asyncio.get_running_loop().run_in_executor(self.threads, self.ledger.log.last_position)
            if after > end:
                raise Misasked(409, "unknown-position", says("http/unknown-position", position=after,
                                                             last_position=end))
            if goes_on:
                return Flow(self._feed.stream(after), "text/event-stream")
            if seconds:
                found, position = await self._feed.page(position, limit, seconds)
        return Response(200, b'{"events":[%b],"next":%d}\n' % (b",".join(found), position))

    # The law

    def _rulebook(self, asked: Inquiry) -> Response:
        from ledger.rulebooks.show import show
        from ledger.rulebooks.words import words_in

        on, known_at, position = clocks(asked.query)
        if on is not None or position is not None:
            raise _only("known_at")
        return told_as(asked, show(self.ledger.books.known_at(known_at), asked.parts[0],
                                   words_in(asked.language, self.rulebooks)))

    def _rule(self, asked: Inquiry) -> Response:
        from ledger.rulebooks.show import cite
        from ledger.rulebooks.words import words_in

        if asked.query:
            raise _only("")
        return told_as(asked, cite(self.ledger.books, asked.parts[0], words_in(asked.language, self.rulebooks)))

    # The program

    def _ready(self, asked: Inquiry) -> Response:
        """Whether the ledger can be read."""
        self._turn()
        return told_as(asked, {"program": "serve", "ready": True})


def outcome_as(asked: Inquiry, outcome: Answer, stored: bool = True) -> Response:
    """What became of one submission; where it is kept out, as a problem. `stored`: it was to be."""
    what = outcome["outcome"]
    if what == STALE:
        raise Misasked(412, "stale", says("http/stale", number=str(outcome["version"])))
    if what == "refused":
        raise Misasked(422, "refused", says("http/refused"), [rule(one) for one in outcome["reasons"]])
    if what == "invalid":
        raise invalid_form(outcome["problems"])
    if what == "set-aside":
        raise Misasked(503, "set-aside", outcome["problems"][0]["message"])
    if what == "accepted" and stored:
        return told_as(asked, outcome, status=201, headers=(_tag(outcome),))
    return told_as(asked, outcome)


def invalid_form(problems: Iterable[Mapping[str, Any]]) -> Misasked:
    return Misasked(422, "invalid", says("http/invalid"), [field(one) for one in problems])


def must_be_officer(request: Request, forms: Iterable[Any]) -> None:
    """Whoever derogates from a rule. Raises Misasked."""
    if OFFICER not in request.caller.roles and any(
            isinstance(form, Submission) and form.override for form in forms):
        raise Misasked(403, "forbidden", says("http/officer"))


def _tag(found: Answer) -> tuple[bytes, bytes]:
    """A strong one: the version of the student's stream."""
    return b"etag", b'"%d"' % found["version"]


def _flag(given: dict[str, str], name: str) -> bool:
    value = given.pop(name, "false")
    if value not in ("true", "false"):
        raise Misasked(400, "bad-query", says("http/query"), [
            {"parameter": name, "detail": says("form/boolean")}])
    return value == "true"


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


def _document(asked: Inquiry) -> Response:
    return told_as(asked, document(asked.language))


def _page(asked: Inquiry) -> Response:
    return html("api.html", asked.language, 200, operations=operations(document(asked.language)), kind=kind)


def _alive(_: Request) -> Response:
    """That it answers at all; whether it can do its work is asked of /ready."""
    return Response(200, b'{"program": "serve", "alive": true}\n')
