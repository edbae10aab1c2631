"""What a program answers over HTTP (the gate's questions, metrics, health) to who may ask (`ledger.edges.door`), how
long and how much.

The `Host` of a question must be a name that was given, so that a web page cannot ask through a visitor's browser.
Nothing redirects. Whatever is wrong is answered with RFC 9457's JSON.
"""

import asyncio
import hmac
import json
import re
import socket
import ssl
import threading
from asyncio.events import TimerHandle
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from .door import Door, Listener
from .program import fault, say

LONGEST_HEAD = LONGEST_BODY = 16_384
"""Bytes of a request's head and of its body."""
HEAD_SECONDS, ANSWER_SECONDS = 5.0, 10.0
"""From the connection, or a further request's first byte, until its head is complete; from there until it is
answered."""
TAKEN_SECONDS = 30.0
"""So long may who listens to a stream not take a piece of it."""
MOST_CONNECTIONS = 600
"""Above them the one that has been silent longest gives way: whoever asks is answered, however many only hold on."""
CONNECTION = "career_ledger.connection"
PROBLEM = "application/problem+json"

# Questions and answers


class Response(NamedTuple):
    status: int
    body: bytes
    type: str = "application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Flow(NamedTuple):
    """An answer with status 200 that goes on: its pieces are sent as they come, for as long as somebody takes them."""

    pieces: AsyncGenerator[bytes, None]
    type: str


class Request(NamedTuple):
    """`parts`: what stands in the path where the route has a name in braces."""

    headers: Mapping[bytes, bytes]
    body: bytes
    parts: tuple[str, ...] = ()
    query: bytes = b""


Shown = Response | Flow
Route = Callable[[Request], Shown | Awaitable[Shown]]
"""What takes long is awaited: it holds up nobody else then."""
Routes = Mapping[str, Mapping[str, Route]]
"""path (`/v1/students/{student}/fees`) -> method -> what answers it. A POST has a body of JSON."""


def json_body(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def problem(status: int, reason: str, detail: str, urn: str = "urn:career-ledger:http:",
            headers: tuple[tuple[bytes, bytes], ...] = (), **more: Any) -> Response:
    """`reason` is for programs, `detail` for people."""
    return Response(status, json_body({"type": urn + reason, "title": reason.replace("-", " "), "status": status,
                                       "reason": reason, "detail": detail, **more}), PROBLEM, headers)


_LAST = ((b"connection", b"close"),)
_JSON = re.compile(rb"application/json\s*(;.*)?", re.IGNORECASE)


class Application:
    """The ASGI application of a few routes. `longest`: bytes of a body; `free`: paths that need no token."""

    def __init__(self, routes: Routes, door: Door, hosts: frozenset[str], longest: int = LONGEST_BODY,
                 free: frozenset[str] = frozenset()) -> None:
        self._hosts, self._longest, self._free = hosts, longest, free
        self._routes = {path: methods for path, methods in routes.items() if "{" not in path}
        self._patterns = [(re.compile(re.sub(r"\{[a-z_]+\}", "([^/]+)", path)), methods)
                          for path, methods in routes.items() if "{" in path]
        self._known = ", ".join(f"{method} {path}" for path, methods in routes.items() for method in methods)
        self._token = None if door.token is None else b"Bearer " + door.token

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            answer = await self._answer(scope, receive)
        except Exception as error:  # its text may tell of a person
            answer = problem(500, "fault", f"a fault of this program, please report it: {fault(error)}", headers=_LAST)
            say(answer.body.decode(), level="error")
        if answer is None:  # whoever asked has gone
            return
        if isinstance(answer, Flow):
            await self._stream(answer, scope, send)
            return
        await send({"type": "http.response.start", "status": answer.status, "headers": [
            (b"content-type", answer.type.encode()), (b"content-length", b"%d" % len(answer.body)),
            (b"cache-control", b"no-store"),
            *answer.headers]})
        await send({"type": "http.response.body", "body": answer.body})

    async def _stream(self, answer: Flow, scope: Any, send: Any) -> None:
        connection: _Bounded = scope["state"][CONNECTION]
        connection.goes_on()
        try:
            await send({"type": "http.response.start", "status": 200, "headers": [
                (b"content-type", answer.type.encode()), (b"cache-control", b"no-store")]})
            async for piece in answer.pieces:
                if connection.transport.is_closing():
                    return
                await asyncio.wait_for(send({"type": "http.response.body", "body": piece, "more_body": True}),
                                       TAKEN_SECONDS)
            await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            connection.transport.abort()
        finally:
            await answer.pieces.aclose()

    async def _answer(self, scope: Any, receive: Any) -> Shown | None:
        headers = dict(scope["headers"])
        refused = self._refused(scope, headers)
        found = refused or self._found(scope, headers)
        if isinstance(found, Response):
            return found
        route, parts = found
        body: bytes | None = b""
        if scope["method"] == "POST":
            length = headers.get(b"content-length", b"")
            body = None if length.isdigit() and int(length[:20]) > self._longest else b""
            more = True
            while body is not None and more:
                part = await receive()
                if part["type"] == "http.disconnect":
                    return None
                body, more = body + part.get("body", b""), part.get("more_body", False)
                if len(body) > self._longest:
                    body = None
        if body is None:
            return problem(413, "too-long", f"a question has at most {self._longest} bytes", headers=_LAST)
        answer = route(Request(headers, body, parts, scope["query_string"]))
        return answer if isinstance(answer, Response | Flow) else await answer

    def _refused(self, scope: Any, headers: Mapping[bytes, bytes]) -> Response | None:
        named = [value for name, value in scope["headers"] if name == b"host"]
        if len(named) != 1:
            return problem(400, "no-host", "send one Host header", headers=_LAST)
        if re.sub(r":[0-9]*$", "", named[0].decode("latin-1").lower()) not in self._hosts:
            return problem(421, "unknown-host",
                           "this is asked by its own name only: whoever runs it adds names with --http-host",
                           headers=_LAST)
        if self._token is not None and scope["path"] not in self._free and not hmac.compare_digest(
                headers.get(b"authorization", b""), self._token):
            return problem(401, "unauthorised", "send Authorization: Bearer TOKEN",
                           headers=((b"www-authenticate", b"Bearer"), *_LAST))
        return None

    def _found(self, scope: Any, headers: Mapping[bytes, bytes]) -> Response | tuple[Route, tuple[str, ...]]:
        path, method = scope["path"], scope["method"]
        methods: Mapping[str, Route] | None = self._routes.get(path)
        parts: tuple[str, ...] = ()
        if methods is None:
            methods, parts = next(((methods, match.groups()) for pattern, methods in self._patterns
                                   if (match := pattern.fullmatch(path))), (None, ()))
        if methods is None:
            return problem(404, "unknown-route", f"there is only {self._known}", headers=_LAST)
        route = methods.get(method)
        if route is None:
            allowed = ", ".join(methods)
            return problem(405, "unknown-method", f"this route takes {allowed}",
                           headers=((b"allow", allowed.encode()), *_LAST))
        if method == "POST" and not _JSON.fullmatch(headers.get(b"content-type", b"")):
            return problem(415, "unknown-content-type", "send Content-Type: application/json", headers=_LAST)
        return route, parts


# Connections


class _Bounded(HttpToolsProtocol):
    """A connection that must come to the point: uvicorn alone waits for ever for the rest of a head or a body."""

    silent: dict["_Bounded", None]
    """Those of this server that have asked nothing yet, or nothing since their last answer, the longest first."""
    _deadline: TimerHandle | None = None
    _in_head = False
    _head_bytes = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.silent[self] = None
        self._within(HEAD_SECONDS)
        if len(self.connections) > MOST_CONNECTIONS:
            next(iter(self.silent)).end(problem(503, "too-many-connections", "ask again in a moment",
                                                 headers=((b"retry-after", b"1"),)))

    def connection_lost(self, exc: Exception | None) -> None:
        self._at_ease()
        self.silent.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deadline is None:  # a further request
            self._within(HEAD_SECONDS)
        super().data_received(data)
        self._head_bytes += len(data) if self._in_head else 0
        if self._head_bytes > LONGEST_HEAD and not self.transport.is_closing():
            self.end(problem(431, "head-too-long", f"the head of a request has at most {LONGEST_HEAD} bytes"))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"][CONNECTION] = self
        self._in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        self._in_head, self._head_bytes = False, 0
        self.silent.pop(self, None)
        self._within(ANSWER_SECONDS)
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        self._at_ease()
        if not self.pipeline and not self.transport.is_closing():
            self.silent[self] = None
        if self._in_head or self.pipeline:  # another one has come meanwhile
            self._within(HEAD_SECONDS if self._in_head else ANSWER_SECONDS)
        super().on_response_complete()

    def goes_on(self) -> None:
        """The answer has no end of its own: whoever sends it looks to it that it is taken."""
        self._at_ease()

    def send_400_response(self, msg: str) -> None:
        self.end(problem(400, "no-http", msg))

    def _within(self, seconds: float) -> None:
        self._at_ease()
        self._deadline = self.loop.call_later(seconds, self._late)

    def _at_ease(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        cycle: Any = self.cycle  # None before the first head
        answering = cycle is not None and cycle.response_started and not cycle.response_complete
        if self.transport.get_write_buffer_size() or answering:
            self.transport.abort()
        elif cycle is None or cycle.response_complete or cycle.more_body:
            self.end(problem(408, "too-slow", "the request did not arrive in time"))
        else:
            self.end(problem(503, "answer-too-slow", "there was no answer in time: ask again",
                              headers=((b"retry-after", b"1"),)))

    def end(self, answer: Response) -> None:
        """Says why, and closes."""
        self._at_ease()
        self.silent.pop(self, None)
        lines = [(b"content-type", answer.type.encode()), (b"content-length", b"%d" % len(answer.body)),
                 *_LAST, *answer.headers]
        self.transport.write(b"".join((STATUS_LINE[answer.status],
                                       *(name + b": " + value + b"\r\n" for name, value in lines), b"\r\n",
                                       answer.body)))
        self.transport.close()


class _Server(uvicorn.Server):
    tls: ssl.SSLContext | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, but a handshake ends in time too."""
        await self.lifespan.startup()
        loop = asyncio.get_running_loop()
        silent: dict[_Bounded, None] = {}

        def connection() -> _Bounded:
            made = _Bounded(self.config, self.server_state, {}, loop)
            made.silent = silent
            return made

        self.servers = [await loop.create_server(
            connection, sock=one, ssl=self.tls,
            backlog=self.config.backlog,
            ssl_handshake_timeout=HEAD_SECONDS if self.tls is not None else None) for one in sockets or ()]
        self.started = True


class Server:
    """Answers from a thread of its own. `longest`, `free`: as `Application` takes them."""

    def __init__(self, routes: Routes, place: Listener, longest: int = LONGEST_BODY,
                 free: frozenset[str] = frozenset()) -> None:
        app: Any = Application(routes, place.door, place.hosts, longest, free)
        self._server = _Server(uvicorn.Config(app, log_level="error", log_config=None, access_log=False,
                                              server_header=False,
                                              proxy_headers=False, lifespan="off", ws="none",
                                              timeout_graceful_shutdown=5))
        self._server.tls = place.door.tls
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [place.bound]},
                                        name="http", daemon=True)

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)
