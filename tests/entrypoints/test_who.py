"""Who may ask what over HTTP: sign-in with a browser, its session, forms, and the table of roles."""

import http.client
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from ledger.bootstrap import open_ledger
from ledger.edges.callers import PEOPLE, ROLES, Caller
from ledger.edges.door import Door, bound_to
from ledger.edges.figures import ShownWatch
from ledger.edges.web import Guard, Incoming, Request, Response, Routes, Server
from ledger.entrypoints.http import sessions
from ledger.entrypoints.http.api import Api
from ledger.entrypoints.http.console.console import Console
from ledger.entrypoints.http.sessions import OneTime, Sessions
from ledger.entrypoints.http.who import TABLE, Entrance, Permit, Table

TOKEN = b"0123456789abcdef0123456789abcdef"
OURS = {"Sec-Fetch-Site": "same-origin", "Origin": "null", "Content-Type": "application/x-www-form-urlencoded"}
"""What a browser says of a form on one of our pages, whose policy is `no-referrer`."""


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Browser:
    """Keeps its cookies, as one does."""

    def __init__(self, port: int) -> None:
        self.port, self.cookies = port, dict[str, str]()

    def __call__(self, path: str, form: dict[str, str] | None = None, headers: dict[str, str] | None = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        given = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}
        given |= (OURS if form is not None else {}) | (headers or {})
        try:
            connection.request("GET" if form is None else "POST", path, urlencode(form) if form is not None else None,
                               {name: value for name, value in given.items() if value})
            answer = connection.getresponse()
            answer.text = answer.read().decode()  # type: ignore[attr-defined]
        finally:
            connection.close()
        if (cookie := answer.getheader("Set-Cookie")) is not None:
            name, _, rest = cookie.partition("=")
            value, self.marks = rest.partition("; ")[::2]
            self.cookies = {name: value} if value else {}
        return answer


def _who(request: Request) -> Response:
    return Response(200, f"{request.caller.subject} {request.caller.csrf}".encode(), "text/html; charset=utf-8")


def _cookie(_: Request) -> Response:
    return Response(200, b"", "text/html; charset=utf-8", ((b"set-cookie", b"of-a-form=x; Path=/page; HttpOnly"),))


PAGE: Table = {"/cookie": {"GET": Permit(None, page=True)},
               "/page": {"GET": Permit(PEOPLE, page=True), "POST": Permit(frozenset({"officer"}), page=True)},
               "/machine": {"GET": Permit(frozenset({"service"}))}}
SHOWN: Routes = {"/page": {"GET": _who, "POST": _who}, "/machine": {"GET": _who},
                 "/cookie": {"GET": _cookie}}


class Site:
    def __init__(self, door: Door) -> None:
        self.clock, self.shown = Clock(), list[str]()
        self.sessions = Sessions(self.clock)
        self._place = bound_to("127.0.0.1:0", door, "--listen")
        self.entrance = Entrance(self._place, {**TABLE, **PAGE}, self.shown.append, self.sessions)
        self.server = Server({**SHOWN, **self.entrance.routes}, self._place, guard=self.entrance)
        self.port = self._place.port

    def signed_in(self) -> Browser:
        browser = Browser(self.port)
        browser("/login")
        assert browser("/login", {"token": self.shown[-1]}).status == 303
        return browser


@contextmanager
def site(door: Door = Door(TOKEN)) -> Iterator[Site]:  # noqa: B008 - never changes
    made = Site(door)
    with made.server:
        yield made


@pytest.fixture
def here() -> Iterator[Site]:
    with site() as made:
        yield made


def test_code_is_good_once_and_begins_a_session_under_a_new_id(here: Site) -> None:
    browser = Browser(here.port)
    found = browser("/page?on=2026-03-20")
    assert (found.status, found.getheader("Location")) == (303, "/login?next=%2Fpage%3Fon%3D2026-03-20")
    shown = browser(found.getheader("Location"))
    assert shown.status == 200
    assert 'value="/page?on=2026-03-20"' in shown.text
    assert browser("/login", {"token": "x" * 43}).status == 403
    [once] = here.shown  # neither a wrong one nor a look at the page has used it up
    found = browser("/login", {"token": f" {once}\n", "next": "/page?on=2026-03-20"})
    assert (found.status, found.getheader("Location")) == (303, "/page?on=2026-03-20")
    assert browser.cookies.keys() == {f"career-ledger-{here.port}"}
    assert browser.marks == "Path=/; HttpOnly; SameSite=Lax"
    assert browser("/page").text.startswith("terminal ")
    first = dict(browser.cookies)
    assert browser("/login", {"token": once}).status == 403
    browser("/login")
    assert len(here.shown) == 2
    assert browser("/login", {"token": here.shown[1]}).status == 303
    second, browser.cookies = browser.cookies, first
    assert (second != first, browser("/page").status) == (True, 303)  # the old session ended


def test_code_is_good_for_ten_minutes() -> None:
    clock, shown = Clock(), list[str]()
    once = OneTime(shown.append, clock)
    assert not once.take("")
    once.offer()
    once.offer()
    assert len(shown) == 1
    clock.now += sessions.ONCE_SECONDS + 1
    assert not once.take(shown[0])
    once.offer()
    assert once.take(shown[1])
    assert not once.take(shown[1])
    assert len({*shown, sessions.opaque()}) == 3
    assert all(len(one) == 43 for one in shown)  # 256 bits


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example/", "/\\evil.example", "/a\nb", "page", "",
                                    "/%0d%0a\r\nSet-Cookie: a=b", "/ö", "//[", "///a"])
def test_sign_in_leads_to_no_other_site(here: Site, target: str) -> None:
    browser = Browser(here.port)
    assert browser(f"/login?{urlencode({'next': target})}").status == 200
    assert browser("/login", {"token": here.shown[-1], "next": target}).getheader("Location") == "/"


def test_session_ends_when_it_is_idle_and_at_the_latest_after_a_day_of_work(here: Site) -> None:
    browser = here.signed_in()
    for _ in range(16):
        here.clock.now += sessions.IDLE_SECONDS - 1
        assert browser("/page").status == 200
    here.clock.now += 60
    assert browser("/page").status == 303
    browser = here.signed_in()
    here.clock.now += sessions.IDLE_SECONDS + 1
    assert browser("/page").status == 303
    assert browser("/page", {"csrf": ""}).status == 401


def test_session_after_logout_is_none(here: Site) -> None:
    browser = here.signed_in()
    csrf, held = browser("/page").text.split()[1], browser.cookies
    assert browser("/logout", {}).status == 403
    found = browser("/logout", {"csrf": csrf})
    assert (found.status, found.getheader("Location"), browser.cookies) == (303, "/login", {})
    browser.cookies = held
    assert browser("/page").status == 303


def test_sessions_have_a_limit_and_the_idlest_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MOST", 2)
    held = Sessions(Clock())
    first, second = (held.begin(Caller(name, PEOPLE)) for name in "ab")
    assert held.of(first) is not None
    third = held.begin(Caller("c", PEOPLE))
    assert [one is not None for one in map(held.of, (first, second, third))] == [True, False, True]


@pytest.mark.parametrize(("csrf", "headers", "status"), [
    ("right", {}, 200), ("right", {"Origin": ""}, 200), ("right", {"Origin": "own"}, 200),
    ("right", {"Origin": "own", "Sec-Fetch-Site": ""}, 200),
    ("wrong", {}, 403), ("", {}, 403), ("another's", {}, 403),
    ("right", {"Sec-Fetch-Site": "cross-site"}, 403), ("right", {"Sec-Fetch-Site": "same-site"}, 403),
    ("right", {"Sec-Fetch-Site": "none"}, 403), ("right", {"Origin": "http://evil.example"}, 403),
    ("right", {"Origin": "http://localhost"}, 403), ("right", {"Origin": "", "Sec-Fetch-Site": ""}, 403),
    ("right", {"Sec-Fetch-Site": ""}, 403), ("right", {"Host": "evil.example"}, 421),
    ("right", {"Content-Type": "application/json"}, 415), ("right", {"Content-Type": "text/plain"}, 415)])
def test_form_is_taken_from_our_own_pages_with_the_sessions_token_only(here: Site, csrf: str, headers: dict[str, str],
                                                                       status: int) -> None:
    other, browser = here.signed_in(), here.signed_in()
    token = {"right": browser, "another's": other}.get(csrf)
    value = csrf if token is None else token("/page").text.split()[1]
    given = {name: value.replace("own", f"http://127.0.0.1:{here.port}") for name, value in headers.items()}
    assert browser("/page", {"csrf": value}, given).status == status


def test_what_was_typed_is_given_back_to_its_own_page_alone(here: Site) -> None:
    browser, typed = here.signed_in(), {"csrf": "x", "note": "<b>what was typed</b>", "do": "record"}
    kept = browser("/page", typed)
    assert kept.status == 403
    assert "&lt;b&gt;what was typed&lt;/b&gt;" in kept.text
    assert browser("/page").text.split()[1] in kept.text
    assert "\nrecord</textarea>" not in kept.text  # not before it is checked
    browser.cookies = {}
    kept = browser("/page?on=2026-03-20", typed)
    assert kept.status == 401
    assert "what was typed" in kept.text
    assert 'action="/page?on=2026-03-20"' in kept.text
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}):
        for one in (browser, here.signed_in()):
            found = one("/page", typed, headers)
            assert found.status in (401, 403)
            assert "what was typed" not in found.text
    assert browser("/machine", typed).status == 401


def test_code_from_a_foreign_page_or_through_a_proxy_is_not_taken(here: Site) -> None:
    browser, once = Browser(here.port), here.shown[-1]
    assert browser("/login", {"token": once}, {"Origin": "https://evil.example"}).status == 403
    for name in ("X-Forwarded-For", "Forwarded", "Via"):
        assert browser("/login", {"token": once}, {name: "10.0.0.1"}).status == 403
    assert browser.cookies == {}
    assert browser("/login", {"token": once}).status == 303


def test_behind_a_proxy_there_is_no_code_and_the_cookie_is_for_tls_only() -> None:
    with site(Door(TOKEN, proxied=True)) as here:
        browser = Browser(here.port)
        assert here.shown == []
        assert browser("/login", {"token": ""}, {"Origin": f"https://127.0.0.1:{here.port}",
                                                 "Sec-Fetch-Site": ""}).status == 403
        held = here.sessions.begin(Caller("somebody", PEOPLE))
        browser.cookies = {f"career-ledger-{here.port}": held}
        assert browser("/page").status == 303
        browser.cookies = {"__Host-career-ledger": held}
        found = browser("/page")
        assert (found.status, found.getheader("Strict-Transport-Security")) == (200, "max-age=31536000")
        browser("/logout", {"csrf": found.text.split()[1]})
        assert browser.marks == "Path=/; HttpOnly; SameSite=Lax; Max-Age=0; Secure"
        browser("/cookie")
        assert browser.marks == "Path=/page; HttpOnly; Secure"  # of whatever page it is


def test_browser_asks_no_program_and_a_program_no_page(here: Site) -> None:
    """So that no other site can ask the API through somebody's browser."""
    browser = here.signed_in()
    assert browser("/machine").status == 401
    token = {"Authorization": f"Bearer {TOKEN.decode()}"}
    assert Browser(here.port)("/machine", headers=token).status == 200
    assert Browser(here.port)("/page", headers=token).status == 303


def test_two_sessions_at_once_are_none(here: Site) -> None:
    browser = here.signed_in()
    [(name, value)] = browser.cookies.items()
    assert browser("/page", headers={"Cookie": f"{name}={value}; other=1"}).status == 200
    assert browser("/page", headers={"Cookie": f"{name}=x; {name}={value}"}).status == 303


def test_caller_without_the_role_is_refused(here: Site) -> None:
    browser = Browser(here.port)
    for roles, got, posted in ((frozenset({"auditor"}), 200, 403), (frozenset({"officer"}), 200, 200),
                               (frozenset({"student"}), 403, 403), (frozenset[str](), 403, 403)):
        browser.cookies = {f"career-ledger-{here.port}": (held := here.sessions.begin(Caller("p", roles)))}
        caller = here.sessions.of(held)
        assert caller is not None
        assert (browser("/page").status, browser("/page", {"csrf": caller.csrf}).status) == (got, posted)


def test_pages_carry_what_keeps_a_browser_safe(here: Site) -> None:
    found = Browser(here.port)("/login", headers={"Accept-Language": "it"})
    assert "Codice monouso" in found.text
    assert not re.search(r"<script(?! src=\"/assets/[^\"]*\" defer></script>)|style=|https?://", found.text)
    policy = found.getheader("Content-Security-Policy")
    assert policy == ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
                      "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
    wanted = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
              "Cross-Origin-Opener-Policy": "same-origin", "Strict-Transport-Security": None}
    assert {name: found.getheader(name) for name in wanted} == wanted
    missing = here.signed_in()("/nothing", headers={"Accept": "text/html"})
    assert (missing.status, missing.getheader("Content-Type")) == (404, "text/html; charset=utf-8")


def test_table_has_every_route_that_is_served_and_no_other(tmp_path: Path) -> None:
    with open_ledger(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        api = Api(ledger, ShownWatch("serve"))
        served = {**api.routes, **Console(api).routes}
    place = bound_to("127.0.0.1:0", Door(), "--listen")
    place.bound.close()
    served = {**served, **Entrance(place._replace(bound=FakeSocket())).routes}
    assert {(path, method) for path, methods in TABLE.items() for method in methods} == {
        (path, method) for path, methods in served.items() for method in methods}
    for methods in TABLE.values():
        for one in methods.values():
            assert one.roles is None or (one.roles and one.roles <= ROLES)


class FakeSocket:
    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 1


class Given(Guard):
    """Lets everybody in, in these roles."""

    roles: frozenset[str] = frozenset()

    async def caller(self, head: Incoming) -> Caller | Response:
        return Caller("somebody", self.roles)


def test_only_an_officer_derogates(tmp_path: Path, line: Callable[..., dict[str, Any]]) -> None:
    derogation = [{"rule": "BLK-1", "reason": "x", "authority": "y"}]
    paid = line("p1", "instalment-paid", "2026-03-20", {"charge": "2025-26:instalment-1", "amount": "400.00"},
                recorded_at=None, override=derogation)
    place = bound_to("127.0.0.1:0", Door(), "--listen")
    guard = Given(place.door)

    def told(path: str, body: Any) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=30)
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", "If-Match": "*"})
        return connection.getresponse().status

    with (open_ledger(f"sqlite:///{tmp_path}/ledger.db") as ledger, Api(ledger, ShownWatch("serve")) as api,
          Server(api.routes, place, guard=guard)):
        for path, body in (("/v1/students/S01/events", paid), ("/v1/events", [paid])):
            guard.roles = frozenset({"registrar", "service"})
            assert told(path, body) == 403
            guard.roles = frozenset({"officer"})
            assert told(path, body) != 403
        api.leave()
