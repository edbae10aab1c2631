"""Who may ask what over HTTP: the table of roles, and how programs and people are recognised.

A program shows a token with every question. A person signs in, and her browser has a session: a cookie that only pages
take, so that no other page can ask the API through her browser. What a form sends must bear the session's token and
come from our own pages.
"""

import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlsplit

from ledger.bootstrap import RecordRead
from ledger.domain.phrases import Phrase, says
from ledger.edges.callers import (
    ADMINISTRATOR,
    AUDITOR,
    NOBODY,
    OFFICER,
    PEOPLE,
    REGISTRAR,
    ROLES,
    SERVICE,
    STUDENT,
    Caller,
    IssuerAway,
    NoRole,
    NotBelieved,
)
from ledger.edges.door import Listener
from ledger.edges.text import visible
from ledger.edges.web import Guard, Incoming, Request, Response, Routes, problem, unauthorised
from ledger.store import read_only_of
from ledger.words import sentence
from ledger.words.entries import named

from .everybody import REPORTS, path_of
from .pages import html, problem_page, spoken
from .problems import Misasked, document, explained
from .sessions import OneTime, OnTheirWay, Sessions


class Permit(NamedTuple):
    """`roles`: any of them will do; None: nobody needs to be known. `page`: for people, who sign in, rather than for
    programs; what is sent to it is a form. `own`: the route sees itself to who asks, and in what: both are noted where
    it refuses them."""

    roles: frozenset[str] | None
    page: bool = False
    own: bool = False


Trail = Callable[[RecordRead], Awaitable[None]]
Table = Mapping[str, Mapping[str, Permit]]
"""Route -> method -> who may ask it. A route that is not in it is asked by nobody."""

_ALL, _OPEN = Permit(ROLES), Permit(None)
_OF_ONE = Permit(frozenset({REGISTRAR, OFFICER, AUDITOR, SERVICE, STUDENT}))
_OF_ALL = Permit(frozenset({REGISTRAR, OFFICER, AUDITOR, SERVICE}))
_RECORDS = Permit(frozenset({REGISTRAR, OFFICER, SERVICE}))
_AUDITS = Permit(frozenset({REGISTRAR, OFFICER, AUDITOR}))
_ANSWERS = Permit(frozenset({REGISTRAR, OFFICER}))
_ASKS_THE_DESK = Permit(frozenset({REGISTRAR, OFFICER, SERVICE, STUDENT}))
_READS_TICKETS = Permit(frozenset({REGISTRAR, OFFICER, STUDENT}))
_HEARS = Permit(frozenset({AUDITOR, SERVICE}))
_RUNS = Permit(frozenset({ADMINISTRATOR, SERVICE}))
_ENTRANCE = Permit(None, page=True)
_LOOKS = Permit(frozenset({REGISTRAR, OFFICER, AUDITOR}), page=True)
_ADMINISTERS = Permit(frozenset({ADMINISTRATOR}), page=True)
_ENTERS = Permit(frozenset({REGISTRAR, OFFICER}), page=True)
_HER_OWN = Permit(frozenset({STUDENT}), page=True)

TABLE: Table = {
    "/v1/students/{student}": {"GET": _OF_ONE},
    "/v1/students/{student}/status": {"GET": _OF_ONE},
    "/v1/students/{student}/fees": {"GET": _OF_ONE},
    "/v1/students/{student}/eligibility": {"GET": _OF_ONE},
    "/v1/students/{student}/history": {"GET": _OF_ONE},
    "/v1/students/{student}/findings": {"GET": _AUDITS},
    "/v1/students/{student}/what-if": {"POST": _OF_ONE},
    "/v1/students/{student}/events": {"POST": _RECORDS},
    "/v1/events": {"GET": _HEARS, "POST": _RECORDS},
    **{path_of(name): {"GET": _OF_ALL} for name in REPORTS},
    "/v1/findings": {"GET": _AUDITS},
    "/v1/tickets": {"GET": _READS_TICKETS, "POST": _ASKS_THE_DESK}, "/v1/ticket-state": {"POST": _ASKS_THE_DESK},
    "/v1/tickets/{number}": {"GET": _READS_TICKETS}, "/v1/tickets/{number}/answer": {"POST": _ANSWERS},
    "/v1/tickets/{number}/student": {"POST": Permit(frozenset({OFFICER}))},
    "/v1/rules/{rule}": {"GET": _ALL},
    "/v1/rulebooks/{academic_year}": {"GET": _ALL},
    "/metrics": {"GET": _RUNS},
    "/health": {"GET": _OPEN}, "/ready": {"GET": _OPEN},
    "/v1": {"GET": _OPEN}, "/v1/openapi.json": {"GET": _OPEN},
    "/assets/{mark}/{name}": {"GET": _OPEN}, "/favicon.ico": {"GET": _OPEN},
    "/": {"GET": _LOOKS, "POST": _LOOKS}, "/subscribers": {"GET": _ADMINISTERS},
    "/findings": {"GET": _LOOKS, "POST": _LOOKS}, "/findings.csv": {"GET": _LOOKS},
    "/reports": {"GET": _LOOKS}, "/reports/{report}": {"GET": _LOOKS}, "/reports/{report}/rows.csv": {"GET": _LOOKS},
    "/students/{student}": {"GET": _LOOKS}, "/students/{student}/timeline": {"GET": _LOOKS},
    "/students/{student}/events/{version}": {"GET": _LOOKS}, "/students/{student}/proof": {"GET": _LOOKS},
    "/students/{student}/what-if": {"GET": _LOOKS, "POST": _LOOKS},
    "/students/{student}/record": {"GET": _ENTERS, "POST": _ENTERS},
    "/my": {"GET": _HER_OWN}, "/my/timeline": {"GET": _HER_OWN}, "/my/events/{version}": {"GET": _HER_OWN},
    "/my/what-if": {"GET": _HER_OWN, "POST": _HER_OWN},
    "/my/tickets": {"GET": _HER_OWN}, "/my/new-ticket": {"GET": _HER_OWN, "POST": _HER_OWN},
    "/my/tickets/{number}": {"GET": _HER_OWN},
    "/tickets": {"GET": _ENTERS}, "/tickets/{number}": {"GET": _ENTERS, "POST": _ENTERS},
    "/help": {"GET": _ENTRANCE}, "/help/new": {"GET": _ENTRANCE, "POST": _ENTRANCE},
    "/help/sent": {"GET": _ENTRANCE}, "/help/state": {"GET": _ENTRANCE, "POST": _ENTRANCE},
    "/login": {"GET": _ENTRANCE, "POST": _ENTRANCE},
    "/login/start": {"GET": _ENTRANCE}, "/login/answer": {"GET": _ENTRANCE},
    "/logout": {"POST": Permit(ROLES, page=True)},
}
"""A student (and nothing else) sees only what is her own of it."""


def admits(caller: Caller, route: str, method: str = "GET") -> bool:
    """Whether the table lets somebody in."""
    permit = TABLE.get(route, {}).get(method)
    return permit is not None and (permit.roles is None or bool(caller.roles & permit.roles))


_SIGNED_OUT = unauthorised("sign in", "signed-out")
_FORM = re.compile(rb"application/x-www-form-urlencoded\s*(;.*)?", re.IGNORECASE)
_FORWARDED = (b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip")
_PSEUDONYM = re.compile(r"[A-Za-z0-9._-]{1,64}")
MOST_FIELDS = 1_000
LONGEST_PURPOSE = 2_000


class Entrance(Guard):
    """`table`: of all that is served. `show`: tells who runs the program, on its terminal, the one-time token of the
    next sign-in; None: nobody signs in with one. `trail`: notes who reads a student's record, before it is answered."""

    def __init__(self, place: Listener, table: Table = TABLE, show: Callable[[str], None] | None = None,
                 sessions: Sessions | None = None, trail: Trail | None = None) -> None:
        super().__init__(place.door)
        self._table, self._trail = table, trail
        self._pages = frozenset(route for route, methods in table.items() if any(one.page for one in methods.values()))
        self.sessions = sessions or Sessions()
        self._once = OneTime(show) if show is not None and place.is_here_only and place.door.issuer is None \
            else None
        issuer = place.door.issuer
        self._people = self._issuer if issuer is not None and issuer.client else None
        secure = place.door.secure
        self._scheme = "https" if secure else "http"
        self._cookie = "__Host-career-ledger" if secure else f"career-ledger-{place.port}"
        self._site = (issuer.public if issuer is not None else None) or f"{self._scheme}://{place.address}"
        self._answer = f"{self._site}/login/answer"
        self._away, self._on_their_way = f"{self._cookie}-login", OnTheirWay()
        if self._once is not None:
            self._once.offer()

    @property
    def routes(self) -> Routes:
        return {"/login": {"GET": self._login, "POST": self._signed_in}, "/logout": {"POST": self._logout},
                "/login/start": {"GET": self._start}, "/login/answer": {"GET": self._back}}

    async def caller(self, head: Incoming) -> Caller | Response:
        read_only_of(None)  # a request that was sent on before the last one was answered begins in that one's context
        permit = self._permit(head)
        if permit is None:  # not there, in this way or at all: said to whoever is known
            caller = self._visitor(head)
            return caller if caller is not None else await self._program(head)
        if permit.roles is None:
            return NOBODY
        if permit.page:
            caller = self._visitor(head)
            if caller is None:  # what she typed is given back to her by `forged`, which sees it
                return NOBODY if head.method == "POST" and self._is_ours(head) else _SIGNED_OUT
            if head.method == "POST" and not self._is_ours(head):
                return _forged(head)
        else:
            found = await self._program(head)
            if isinstance(found, Response):
                return found
            caller = found
        if not caller.roles & permit.roles:
            language, roles = spoken(head.headers), sorted(permit.roles)
            if permit.page:  # a person reads it
                roles = [named("role", one, language) for one in roles]
            return document(language, Misasked(403, "forbidden", says("http/forbidden", text=", ".join(roles))))
        if caller.only_student:  # whatever is read from here on, a fault of ours included
            read_only_of(caller.student or "")
        return caller if self._trail is None else await self._left_a_trail(head, caller, self._trail) or caller

    async def _left_a_trail(self, head: Incoming, caller: Caller, trail: Trail) -> Response | None:
        """Of a student's record: who asks, in which roles or why, what and whether it is hers to see. Where that cannot
        be noted nothing is answered."""
        student = _student(head, caller)
        if student is None:
            return None
        denied = caller.only_student and student != caller.student
        said = visible(head.told(b"access-purpose").decode("utf-8", "replace"))[:LONGEST_PURPOSE]
        try:
            await trail(RecordRead(student, caller.subject, "record-denied" if denied else "record",
                              said or ", ".join(sorted(caller.roles))))
        except Exception as error:
            found = explained(error, spoken(head.headers))
            if found is None:
                raise
            return found
        return None

    def wrong_type(self, head: Incoming) -> Response | None:
        if (permit := self._permit(head)) is not None and permit.own:
            return None
        if not self._is_page(head):
            return super().wrong_type(head)
        if _FORM.fullmatch(head.told(b"content-type")):
            return None
        return problem(415, "unknown-content-type", "send a form")

    def forged(self, head: Incoming, caller: Caller, body: bytes) -> Response | None:
        if not self._is_page(head):
            return None
        if not self._is_ours(head):
            return _forged(head)
        permit, given = self._permit(head), form(body)
        signed_out = caller is NOBODY and (permit is None or permit.roles is not None)
        if not signed_out and (caller is NOBODY or hmac.compare_digest(given.get("csrf", "").encode(),
                                                                       caller.csrf.encode())):
            return None
        typed = {name: value for name, value in given.items() if name != "csrf"}
        if not typed:
            return _SIGNED_OUT if signed_out else _forged(head)
        if typed.get("do") == "record":  # not before it was looked at again
            typed["do"] = "check"
        action = quote(head.path) + ("?" + head.query.decode("ascii", "replace") if head.query else "")
        return html("kept.html", spoken(head.headers), 401 if signed_out else 403, typed=typed, action=action,
                    csrf=caller.csrf)

    def shown(self, head: Incoming, answer: Response) -> Response:
        if not self._is_page(head) and not (head.route is None and b"text/html" in head.told(b"accept")):
            return answer
        if answer.status == 401 and head.method == "GET":
            target = head.path + ("?" + head.query.decode("ascii", "replace") if head.query else "")
            return see(f"/login?next={quote(target, safe='')}")
        return problem_page(answer, spoken(head.headers))

    # Signing in

    def _login(self, request: Request) -> Response:
        if self._once is not None:
            self._once.offer()
        return self._page(request, 200, _next(request.query))

    def _page(self, request: Request, status: int, then: str, wrong: Phrase | None = None) -> Response:
        language = spoken(request.headers)
        return html("login.html", language, status, once=self._once is not None, people=self._people is not None,
                    next=then, wrong=sentence(wrong, language) if wrong else None)

    def _signed_in(self, request: Request) -> Response:
        given = form(request.body)
        then = _local(given.get("next", ""))
        if self._once is None:
            return self._page(request, 403, then)
        if any(name in request.headers for name in _FORWARDED):
            return self._page(request, 403, then, says("login/forwarded"))
        if not self._once.take(given.get("token", "").strip()):
            return self._page(request, 403, then, says("login/wrong"))
        return self._enter(request, Caller("terminal", PEOPLE), then)

    def _enter(self, request: Request, caller: Caller, then: str, *headers: tuple[bytes, bytes]) -> Response:
        """Under a new id, whatever the browser had before."""
        self._end(request.headers)
        return see(then, self._set(self._cookie, self.sessions.begin(caller)), *headers)

    async def _start(self, request: Request) -> Response:
        """To the issuer's own page."""
        then = _next(request.query)
        if self._people is None:
            return self._page(request, 403, then)
        if request.headers.get(b"host", b"").decode("latin-1").lower() != urlsplit(self._site).netloc.lower():
            return see(f"{self._site}/login/start?next={quote(then, safe='')}")  # else the cookie is another site's
        held, begun = self._on_their_way.begin(then)
        try:
            return see(await self._people.begin(begun, self._answer), self._set(self._away, held, "; Max-Age=600"))
        except IssuerAway:
            return self._page(request, 503, then, says("login/away"))

    async def _back(self, request: Request) -> Response:
        """From there."""
        answer, held = form(request.query), _cookie(request.headers, self._away)
        begun = self._on_their_way.take(held, answer.get("state", "")) if held is not None else None
        if self._people is None or begun is None:
            return self._page(request, 403, "/", says("login/stale"))
        try:
            caller = await self._people.signed_in(begun, answer, self._answer)
        except NotBelieved:
            return self._page(request, 403, begun.then, says("login/refused"))
        except NoRole:
            return self._page(request, 403, begun.then, says("login/no-role"))
        except IssuerAway:
            return self._page(request, 503, begun.then, says("login/away"))
        return self._enter(request, caller, begun.then, self._set(self._away, "", "; Max-Age=0"))

    def _logout(self, request: Request) -> Response:
        self._end(request.headers)
        return see("/login", self._set(self._cookie, "", "; Max-Age=0"))

    def _set(self, name: str, value: str, more: str = "") -> tuple[bytes, bytes]:
        return b"set-cookie", f"{name}={value}; Path=/; HttpOnly; SameSite=Lax{more}".encode()

    def _end(self, headers: Mapping[bytes, bytes]) -> None:
        if (held := _cookie(headers, self._cookie)) is not None:
            self.sessions.end(held)

    def _permit(self, head: Incoming) -> Permit | None:
        return self._table.get(head.route or "", {}).get(head.method)

    def _is_page(self, head: Incoming) -> bool:
        return head.route in self._pages

    def _visitor(self, head: Incoming) -> Caller | None:
        held = _cookie(head.headers, self._cookie)
        return self.sessions.of(held) if held is not None else None

    def _is_ours(self, head: Incoming) -> bool:
        """Whether a form was sent from a page of our own. With `no-referrer` browsers name `null` as its origin, and
        all that are of today say `Sec-Fetch-Site`."""
        own = f"{self._scheme}://{head.told(b'host').decode('latin-1').lower()}"
        origin, site = head.told(b"origin").decode("latin-1").lower(), head.told(b"sec-fetch-site")
        if site:
            return site == b"same-origin" and origin in ("", "null", own)
        return origin == own


def _student(head: Incoming, caller: Caller) -> str | None:
    """Whose record is asked for, if anybody's. What is recorded says itself who recorded it."""
    route = (head.route or "").split("/")
    if "my" in route[:2]:
        return caller.student
    if "{student}" not in route or (head.method == "POST" and route[-1] == "events"):
        return None
    student = head.path.split("/")[route.index("{student}")]
    return student if _PSEUDONYM.fullmatch(student) else None


def _cookie(headers: Mapping[bytes, bytes], name: str) -> str | None:
    """None where there is not exactly one."""
    held = [part.strip().partition("=") for part in headers.get(b"cookie", b"").decode("latin-1").split(";")]
    found = [value for one, _, value in held if one == name]
    return found[0] if len(found) == 1 else None


def form(body: bytes) -> dict[str, str]:
    """The fields of a form; the last one where a name stands twice, none where it is no form, or holds what no browser
    sends."""
    if b"%00" in body or b"\0" in body:  # no database keeps it
        return {}
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict",
                              max_num_fields=MOST_FIELDS))
    except ValueError:
        return {}


def _forged(head: Incoming) -> Response:
    return document(spoken(head.headers), Misasked(403, "not-from-here", says("http/not-from-here")))


def see(target: str, *headers: tuple[bytes, bytes]) -> Response:
    """To another page, after something was done."""
    return Response(303, b"", "text/plain", ((b"location", target.encode("latin-1")), *headers))


def _next(query: bytes) -> str:
    return _local(form(query).get("next", ""))


def _local(target: str) -> str:
    """A page of our own: no browser takes it for another's address."""
    return target if re.fullmatch(r"/(?!/)[!-\[\]-~]{0,999}", target) else "/"
