"""What a program answers over HTTP (the gate's questions, metrics, health) to who may ask (`ledger.edges.door`), how
long and how much.

The `Host` of a question must be a name that was given, so that a web page cannot ask through a visitor's browser. Who
asks is found out by a `Guard`. Whatever is wrong is answered with RFC 9457's JSON, unless the guard shows it otherwise.
"""

import asyncio
import hmac
import json
import re
import socket
import ssl
import threading
from asyncio.events import TimerHandle
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from .callers import ADMINISTRATOR, NOBODY, OPERATOR, SERVICE, Caller, IssuerAway, NoRole, NotBelieved
from .door import Door, IssuerAt, Listener
from .program import fault, say

if TYPE_CHECKING:
    from .issuer import Issuer

LONGEST_HEAD = LONGEST_BODY = 16_384
"""Bytes of a request's head and of its body."""
HEAD_SECONDS, ANSWER_SECONDS = 5.0, 10.0
"""From the connection, or a further request's first byte, until its head is complete; from there until it is
answered."""
TAKEN_SECONDS = 30.0
"""So long may who listens to a stream not take a piece of it."""
RIGHTS_SECONDS = 60.0
"""So often is who listens to a stream asked again whether she may."""
GRACE_SECONDS = 5
"""So long is waited at the end for answers that are on their way."""
IDLE_SECONDS = 5.0
"""From an answer to the next request of the same connection."""
MOST_NAMES = 1_000
"""Values of `Host` that are known to be ours."""
MOST_CONNECTIONS = 600
"""Above them the one that has been silent longest gives way: whoever asks is answered, however many only hold on."""
MOST_HANDSHAKES = 200
"""The same of those that have not agreed on encryption yet."""
ACCEPT_AGAIN_SECONDS = 0.1
CONNECTION = "career_ledger.connection"
PROBLEM = "application/problem+json"

# Questions and answers


Headers = tuple[tuple[bytes, bytes], ...]


class Response(NamedTuple):
    status: int
    body: bytes
    type: str = "application/json"
    headers: Headers = ()


class Flow(NamedTuple):
    """An answer with status 200 that goes on: its pieces are sent as they come, for as long as somebody takes them."""

    pieces: AsyncGenerator[bytes, None]
    type: str


class Request(NamedTuple):
    """`parts`: what stands in the path where the route has a name in braces. `caller`: who asks, as far as the route
    needs to know."""

    headers: Mapping[bytes, bytes]
    body: bytes
    parts: tuple[str, ...] = ()
    query: bytes = b""
    caller: Caller = NOBODY


Shown = Response | Flow
_SHOWN = (Response, Flow)
Route = Callable[[Request], Shown | Awaitable[Shown]]
"""What takes long is awaited: it holds up nobody else then."""
Routes = Mapping[str, Mapping[str, Route]]
"""path (`/v1/students/{student}/fees`) -> method -> what answers it. A POST has a body of JSON."""


def json_body(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def problem(status: int, reason: str, detail: str, urn: str = "urn:career-ledger:http:",
            headers: Headers = (), **more: Any) -> Response:
    """`reason` is for programs, `detail` for people."""
    return Response(status, json_body({"type": urn + reason, "title": reason.replace("-", " "), "status": status,
                                       "reason": reason, "detail": detail, **more}), PROBLEM, headers)


_LAST = ((b"connection", b"close"),)
_BREAKS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_JSON = re.compile(rb"application/json\s*(;.*)?", re.IGNORECASE)
_SNIFF = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
PAGE_HEADERS = (
    (b"content-security-policy",
     b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
     b"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"),
    (b"cross-origin-opener-policy", b"same-origin"), (b"cross-origin-resource-policy", b"same-origin"))
"""Of every answer that a browser shows as a page."""
_NO_STORE = ((b"cache-control", b"no-store"),)
_NO_STORE_LINE = b"cache-control: no-store\r\n"
_HSTS = ((b"strict-transport-security", b"max-age=31536000"),)


@lru_cache(maxsize=256)
def _head(status: int, type: str, always: Headers) -> bytes:
    """What begins an answer: those of its lines that are the same for many."""
    return b"".join((STATUS_LINE[status], b"content-type: ", type.encode(), b"\r\n", _lines(
        always + (PAGE_HEADERS if type.startswith("text/html") else ()))))


def _lines(headers: Headers) -> bytes:
    if any(_BREAKS.search(value) for _, value in headers):
        raise ValueError("a header with a line break")
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def _over_tls(headers: Headers) -> Headers:
    """No browser sends a cookie of ours in the clear."""
    return tuple((name, value + b"; Secure" if name == b"set-cookie" else value) for name, value in headers)


class Incoming(NamedTuple):
    """What is known of a request before its body is read. `route`: as it is written; None where there is no such
    one."""

    method: str
    route: str | None
    path: str
    query: bytes
    headers: Mapping[bytes, bytes]

    def told(self, name: bytes) -> bytes:
        return self.headers.get(name, b"")


def is_json(headers: Mapping[bytes, bytes]) -> bool:
    return _JSON.fullmatch(headers.get(b"content-type", b"")) is not None


class Guard:
    """Whoever shows the token of the door may ask everything, who has one of its issuer and one of `roles` too; anybody
    where it has neither. `free`: routes that are answered to everybody."""

    def __init__(self, door: Door, free: frozenset[str] = frozenset(),
                 roles: frozenset[str] = frozenset({SERVICE, ADMINISTRATOR})) -> None:
        self._free, self._roles = free, roles
        self._token = None if door.token is None else b"Bearer " + door.token
        self._issuer = _issuer_at(door.issuer) if door.issuer is not None else None

    async def caller(self, head: Incoming) -> Caller | Response:
        """Who asks, or why there is no answer."""
        if head.route in self._free:
            return NOBODY
        found = await self._program(head)
        return found if isinstance(found, Response) or found is NOBODY else may(found, self._roles) or found

    async def _program(self, head: Incoming) -> Caller | Response:
        """Whose token is shown."""
        if self._token is None and self._issuer is None:
            return NOBODY
        said = head.told(b"authorization")
        if self._token is not None and hmac.compare_digest(said, self._token):
            return OPERATOR
        if self._issuer is None or said[:7].lower() != b"bearer ":
            return unauthorised()
        try:
            return await self._issuer.caller(said[7:].strip().decode("latin-1"))
        except NotBelieved as error:
            return unauthorised(f"the token is not taken: {error}", "wrong-token",
                                b'Bearer error="invalid_token"')
        except NoRole:
            return problem(403, "no-role", "the token names no role that there is here")
        except IssuerAway:
            return problem(503, "issuer-away", "the identity provider cannot be asked: ask again",
                           headers=((b"retry-after", b"5"),))

    def wrong_type(self, head: Incoming) -> Response | None:
        """Of the body of a POST."""
        if is_json(head.headers):
            return None
        return problem(415, "unknown-content-type", "send Content-Type: application/json", headers=_LAST)

    def forged(self, head: Incoming, caller: Caller, body: bytes) -> Response | None:
        """Why a body is not what the caller meant to send."""
        return None

    def shown(self, head: Incoming, answer: Response) -> Response:
        """A problem as whoever asked can read it."""
        return answer


def _issuer_at(at: IssuerAt) -> "Issuer":
    from .issuer import Issuer  # its packages take a fifth of a second

    return Issuer(at)


def unauthorised(detail: str = "send Authorization: Bearer TOKEN", reason: str = "unauthorised",
                 challenge: bytes = b"Bearer") -> Response:
    return problem(401, reason, detail, headers=((b"www-authenticate", challenge), *_LAST))


def may(caller: Caller, roles: frozenset[str]) -> Response | None:
    """Why somebody may not."""
    if caller.roles & roles:
        return None
    return problem(403, "forbidden", f"this is for who has one of these roles: {', '.join(sorted(roles))}")


def _faulty(error: Exception) -> Response:
    """Its text may tell of a person, its place does not."""
    answer = problem(500, "fault", f"a fault of this program, please report it: {fault(error)}", headers=_LAST)
    say(answer.body.decode(), level="error")
    return answer


class Application:
    """The ASGI application of a few routes. `longest`: bytes of a body."""

    def __init__(self, routes: Routes, door: Door, hosts: frozenset[str], longest: int = LONGEST_BODY,
                 guard: Guard | None = None) -> None:
        self._hosts, self._longest, self._guard = hosts, longest, guard or Guard(door)
        self._routes = _tree(routes)
        self._named: set[bytes] = set()
        self._known = ", ".join(f"{method} {path}" for path, methods in routes.items() for method in methods)
        self._secure, self._always = door.secure, _SNIFF + (_HSTS if door.secure else ())

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            answer = await self._answer(scope, receive)
            head = self._head(answer)
        except asyncio.CancelledError:  # the program ends, and waits no longer; nobody else looks at this task
            answer = problem(503, "unavailable", "the program ends: ask again",
                             headers=((b"retry-after", b"1"), *_LAST))
            head = self._head(answer)
        except Exception as error:
            answer = _faulty(error)
            head = self._head(answer)
        if answer is None:  # whoever asked has gone
            return
        if isinstance(answer, Flow):
            await self._stream(answer, scope, send)
            return
        await _whole(send.__self__, head, answer)

    def _head(self, answer: Shown | None) -> bytes:
        """But for its last lines. Raises ValueError."""
        if not isinstance(answer, Response):
            return b""
        head = _head(answer.status, answer.type, self._always)
        if not any(name == b"cache-control" for name, _ in answer.headers):
            head += _NO_STORE_LINE
        if not answer.headers:
            return head
        return head + _lines(_over_tls(answer.headers) if self._secure else answer.headers)

    async def _stream(self, answer: Flow, scope: Any, send: Any) -> None:
        connection: _Bounded = scope["state"][CONNECTION]
        connection.goes_on()
        try:
            await send({"type": "http.response.start", "status": 200, "headers": [
                (b"content-type", answer.type.encode()), *_NO_STORE, *self._always]})
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
        if ((len(headers) < len(scope["headers"]) or headers.get(b"host") not in self._named)
                and (refused := self._misnamed(scope)) is not None):
            return refused
        path = scope["path"]
        named = _found(self._routes, path.split("/")[1:]) if path.isprintable() else None  # no id of ours is not
        route, methods, parts = named or _NOWHERE
        head = Incoming(scope["method"], route, path, scope["query_string"], headers)
        try:
            answer = await self._answered(head, methods, parts, receive)
        except Exception as error:
            answer = _faulty(error)
        if isinstance(answer, Response) and answer.type == PROBLEM:
            return self._guard.shown(head, answer)
        return answer

    async def _answered(self, head: Incoming, methods: Mapping[str, Route] | None, parts: tuple[str, ...],
                        receive: Any) -> Shown | None:
        caller = await self._guard.caller(head)
        if isinstance(caller, Response):
            return caller
        if methods is None:
            return problem(404, "unknown-route", f"there is only {self._known}", headers=_LAST)
        route = methods.get(head.method)
        if route is None:
            allowed = ", ".join(methods)
            return problem(405, "unknown-method", f"this route takes {allowed}",
                           headers=((b"allow", allowed.encode()), *_LAST))
        body = b""
        if head.method == "POST":
            if (wrong := self._guard.wrong_type(head)) is not None:
                return wrong
            sent = await self._body(head, receive)
            if sent is None or isinstance(sent, Response):
                return sent
            if (forged := self._guard.forged(head, caller, sent)) is not None:
                return forged
            body = sent
        answer = route(Request(head.headers, body, parts, head.query, caller))
        found = answer if isinstance(answer, _SHOWN) else await answer
        return found._replace(pieces=self._while_allowed(head, found.pieces)) if isinstance(found, Flow) else found

    async def _while_allowed(self, head: Incoming, pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        """A stream outlives the token with which it was asked for."""
        now = asyncio.get_running_loop().time
        looked = now()
        try:
            async for piece in pieces:
                if now() - looked >= RIGHTS_SECONDS:
                    looked = now()
                    if isinstance(await self._guard.caller(head), Response):
                        return
                yield piece
        finally:
            await pieces.aclose()

    async def _body(self, head: Incoming, receive: Any) -> bytes | Response | None:
        """None where whoever asked has gone."""
        length = head.told(b"content-length")
        too_long = length.isdigit() and int(length[:20]) > self._longest
        body, more = b"", True
        while more and not too_long:
            part = await receive()
            if part["type"] == "http.disconnect":
                return None
            body, more = body + part.get("body", b""), part.get("more_body", False)
            too_long = len(body) > self._longest
        if too_long:
            return problem(413, "too-long", f"a question has at most {self._longest} bytes", headers=_LAST)
        return body

    def _misnamed(self, scope: Any) -> Response | None:
        named = [value for name, value in scope["headers"] if name == b"host"]
        if len(named) != 1:
            return problem(400, "no-host", "send one Host header", headers=_LAST)
        if re.sub(r":[0-9]*$", "", named[0].decode("latin-1").lower()) not in self._hosts:
            return problem(421, "unknown-host",
                           "this is asked by its own name only: whoever runs it adds names with --http-host",
                           headers=_LAST)
        if len(self._named) < MOST_NAMES:
            self._named.add(named[0])
        return None


_Found = tuple[str | None, Mapping[str, Route] | None, tuple[str, ...]]
_NOWHERE: _Found = (None, None, ())


def _tree(routes: Routes) -> dict[str, Any]:
    """Part of a path (`/{` for one with a name) -> what follows; at the end, under `/`, the route."""
    root: dict[str, Any] = {}
    for route, methods in routes.items():
        node = root
        for part in route.split("/")[1:]:
            node = node.setdefault("/{" if part.startswith("{") else part, {})
        node["/"] = route, methods
    return root


def _found(node: dict[str, Any], path: Sequence[str], parts: tuple[str, ...] = ()) -> _Found | None:
    """The route whose words are those of the path, as far on as there is one; None where there is none."""
    if not path:
        return (*node["/"], parts) if "/" in node else None
    part, *rest = path
    found = _found(node[part], rest, parts) if part in node else None
    return found or (_found(node["/{"], rest, (*parts, part)) if part and "/{" in node else None)


# Connections


async def _whole(cycle: Any, head: bytes, answer: Response) -> None:
    """An answer in one piece, which is one call of the system and one packet. uvicorn's `send` would make two of it,
    and look at each header twice."""
    if cycle.flow.write_paused and not cycle.disconnected:
        await cycle.flow.drain()
    if cycle.disconnected:
        return
    cycle.response_started = cycle.response_complete = True
    last = _LAST[0] in answer.headers
    cycle.keep_alive = cycle.keep_alive and not last
    cycle.transport.write(b"".join((
        head, *[b"%b: %b\r\n" % header for header in cycle.default_headers],
        b"" if cycle.keep_alive or last else b"connection: close\r\n",
        b"content-length: %d\r\n\r\n" % len(answer.body), b"" if cycle.scope["method"] == "HEAD" else answer.body)))
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()


class _Bounded(HttpToolsProtocol):
    """A connection that must come to the point: uvicorn alone waits for ever for the rest of a head or a body."""

    silent: dict["_Bounded", None]
    """Those of this server that have asked nothing yet, or nothing since their last answer, the longest first."""
    _due: float | None = None
    _timer: TimerHandle | None = None
    """One for all deadlines of the connection: when it goes off it is set anew for the one that holds by then."""
    _left: int | None = None
    """Bytes of the last answer that were not taken yet when it was looked last."""
    _in_head = _idle = False
    _head_bytes = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.silent[self] = None
        self._within(HEAD_SECONDS)
        if len(self.connections) > MOST_CONNECTIONS:
            silent = next(iter(self.silent))
            silent.end(problem(503, "too-many-connections", "ask again in a moment", headers=((b"retry-after", b"1"),)))
            if silent.transport.get_write_buffer_size():  # it does not take its last answer either
                silent.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._at_ease()
        if self._timer is not None:
            self._timer.cancel()
        self.silent.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._idle or self._due is None:  # a further request
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
        """As uvicorn's, whose own timer for the next request is one more for each."""
        self._at_ease()
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            self.silent[self] = None
            self._leave()
            return
        self.flow.resume_reading()
        if self.pipeline:  # another one has come meanwhile
            self._within(ANSWER_SECONDS)
            self._start_asgi_task(*self.pipeline.pop())
            return
        self.silent[self] = None
        if self._in_head:
            self._within(HEAD_SECONDS)
        else:
            self._within(IDLE_SECONDS)
            self._idle = True

    def goes_on(self) -> None:
        """The answer has no end of its own: whoever sends it looks to it that it is taken."""
        self._at_ease()

    def send_400_response(self, msg: str) -> None:
        self.end(problem(400, "no-http", msg))

    def _within(self, seconds: float) -> None:
        self._idle = False
        self._due = due = self.loop.time() + seconds
        if self._timer is None or self._timer.when() > due:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self.loop.call_at(due, self._rings)

    def _at_ease(self) -> None:
        self._due, self._idle = None, False

    def _rings(self) -> None:
        self._timer = None
        if self._due is None:
            return
        if self._due > self.loop.time():
            self._timer = self.loop.call_at(self._due, self._rings)
        elif self._idle or self.transport.is_closing():
            self._leave()
        else:
            self._late()

    def _leave(self) -> None:
        """Closes, once whoever asked has taken the rest; who takes nothing of it for long does without."""
        self.transport.close()
        left = self.transport.get_write_buffer_size()
        if left and (self._left is None or left < self._left):
            self._left = left
            self._within(TAKEN_SECONDS)
        elif left:
            self.transport.abort()

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
        self._leave()


class _Encrypted:
    """Takes connections that agree on encryption first. The library alone counts those that have not yet as nobody, and
    each holds a file and a quarter of a megabyte: here the one that has been at it longest gives way. As
    `asyncio.Server` to who ends it."""

    def __init__(self, listens: socket.socket, tls: ssl.SSLContext, connection: Callable[[], asyncio.Protocol]) -> None:
        self._listens, self._tls, self._connection = listens, tls, connection
        self._agreeing: dict[asyncio.Task[None], None] = {}
        self._task = asyncio.get_running_loop().create_task(self._take())

    def close(self) -> None:
        for one in (self._task, *self._agreeing):
            one.cancel()

    async def wait_closed(self) -> None:
        await asyncio.gather(self._task, *self._agreeing, return_exceptions=True)

    async def _take(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                one, _ = await loop.sock_accept(self._listens)
            except OSError:  # it has gone, or too many files are open
                await asyncio.sleep(ACCEPT_AGAIN_SECONDS)
                continue
            made = loop.create_task(self._agree(one))
            self._agreeing[made] = None
            made.add_done_callback(self._done)
            if len(self._agreeing) > MOST_HANDSHAKES:
                longest = next(iter(self._agreeing))
                self._done(longest)
                longest.cancel()

    def _done(self, one: asyncio.Task[None]) -> None:
        self._agreeing.pop(one, None)

    async def _agree(self, one: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._connection, one, ssl=self._tls, ssl_handshake_timeout=HEAD_SECONDS)
        except (OSError, asyncio.CancelledError):  # it speaks something else, is gone, or gives way
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)  # else the library goes on until the handshake's time is over
            one.close()


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

        taking: list[Any] = []
        for one in sockets or ():
            one.listen(self.config.backlog)
            one.setblocking(False)
            taking.append(_Encrypted(one, self.tls, connection) if self.tls is not None else
                          await loop.create_server(connection, sock=one, backlog=self.config.backlog))
        self.servers = taking
        self.started = True


class Server:
    """Answers from a thread of its own. `longest`, `guard`: as `Application` takes them."""

    def __init__(self, routes: Routes, place: Listener, longest: int = LONGEST_BODY,
                 guard: Guard | None = None) -> None:
        app: Any = Application(routes, place.door, place.hosts, longest, guard)
        self._server = _Server(uvicorn.Config(app, log_level="error", log_config=None, access_log=False,
                                              server_header=False,
                                              proxy_headers=False, lifespan="off", ws="none",
                                              timeout_graceful_shutdown=GRACE_SECONDS))
        self._server.tls = place.door.tls
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [place.bound]},
                                        name="http", daemon=True)

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)
