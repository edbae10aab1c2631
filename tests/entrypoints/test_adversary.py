"""The running server as somebody with bad intentions asks it: every route, in every role, by every method, however the
address is spelt; what no form and no program of ours would send; and who takes nothing of what was sent."""

import http.client
import json
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from itertools import product
from typing import Any
from urllib.parse import urlencode

import pytest

from ledger.bootstrap import open_ledger
from ledger.edges import web
from ledger.edges.callers import NOBODY, PEOPLE, ROLES, STUDENT, Caller
from ledger.edges.door import Door, bound_to
from ledger.edges.figures import ShownWatch
from ledger.edges.web import Response, Routes, Server
from ledger.entrypoints.http.api import LONGEST, Api
from ledger.entrypoints.http.console.console import Console
from ledger.entrypoints.http.who import TABLE, Entrance
from tests.desk import TOKEN

from .test_who import OURS

FAULT = '"reason":"fault"'
"""Of an answer; the metrics of this process may count faults of other tests."""
METHODS = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "POST")
CALLERS = {**{role: Caller(role, frozenset({role}), "S01" if role == STUDENT else None) for role in sorted(ROLES)},
           "nobody": NOBODY}
AROUND = (lambda path: f"/{path}", lambda path: path.replace("/", "//"), lambda path: path.upper(),
          lambda path: f"/x/..{path}", lambda path: f"/.{path}", lambda path: path[0] + path[1:].replace("/", "%5C"))
BEHIND = ("/", "//", "/.", "%00", ";a=b", "%20", "%EF%BC%8F", ".", "%3F")
"""What makes another address of a path."""
FILLED = {"{student}": "S01", "{version}": "1", "{rule}": "BLK-1", "{academic_year}": "2025-26", "{report}": "blocked",
          "{number}": "22222-22222", "{mark}": "0", "{name}": "htmx.js"}


class Attacker:
    """One connection, with a session and a token of whichever caller."""

    def __init__(self, port: int, entrance: Entrance, monkeypatch: pytest.MonkeyPatch) -> None:
        self.port, self._entrance, self._patch = port, entrance, monkeypatch
        self.be(Caller("p", PEOPLE))
        self._link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def be(self, caller: Caller) -> None:
        self._patch.setattr(web, "OPERATOR", caller)
        self.headers, self.csrf = dict[str, str](), ""
        if caller is not NOBODY:
            held = self._entrance.sessions.begin(caller)
            found = self._entrance.sessions.of(held)
            assert found is not None
            self.headers = {"Cookie": f"career-ledger-{self.port}={held}", "Authorization": f"Bearer {TOKEN.decode()}"}
            self.csrf = found.csrf

    def __call__(self, path: str, method: str = "GET", body: bytes | None = None,
                 headers: Mapping[str, str] | None = None) -> tuple[int, str]:
        for _ in range(2):
            try:
                self._link.putrequest(method, path, skip_accept_encoding=True)
                for name, value in {**self.headers, **({"Content-Length": str(len(body))} if body is not None else {}),
                                    **(headers or {})}.items():
                    self._link.putheader(name, value)
                self._link.endheaders(body)
                answer = self._link.getresponse()
                return answer.status, answer.read().decode("utf-8", "replace")
            except (http.client.RemoteDisconnected, ConnectionError):  # it had ended meanwhile
                self._link.close()
        raise AssertionError(path)

    def form(self, path: str, **given: str) -> tuple[int, str]:
        return self(path, "POST", urlencode({"csrf": self.csrf, **given}).encode(), OURS)


@pytest.fixture
def attack(store_url: str, history: list[dict[str, Any]], lines: Callable[..., list[bytes]],
           monkeypatch: pytest.MonkeyPatch) -> Iterator[Attacker]:
    with open_ledger(store_url) as ledger:
        list(ledger.append_lines(lines(*history).splitlines(keepends=True)))
        ledger.rebuild()
    place = bound_to("127.0.0.1:0", Door(TOKEN), "--listen")
    with ExitStack() as stack:
        ledger = stack.enter_context(open_ledger(store_url))
        api = stack.enter_context(Api(ledger, ShownWatch("serve")))
        entrance, console = Entrance(place), Console(api)
        console.waiting.patience = 60.0
        stack.enter_context(Server({**api.routes, **entrance.routes, **console.routes}, place, LONGEST, entrance))
        stack.callback(api.leave)
        yield Attacker(place.port, entrance, monkeypatch)


def filled(route: str) -> str:
    for name, value in FILLED.items():
        route = route.replace(name, value)
    return route


PATTERNS = [re.compile(re.sub(r"\{[a-z_]+\}", "[^/]+", route.replace(".", r"\."))) for route in TABLE]
ONE_STORE = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@ONE_STORE
def test_nobody_gets_in_by_another_method(attack: Attacker) -> None:
    """Whatever is not in the table is not there. What is, is there for its roles alone; nothing of it is a fault."""
    inside, wrong = 0, []
    for name, caller in CALLERS.items():
        attack.be(caller)
        for route, methods in TABLE.items():
            path = filled(route)
            for method in METHODS:
                permit = methods.get(method)
                if route == "/logout" and permit is not None:
                    continue
                headers = {"If-Match": "*", **(OURS if permit is not None and permit.page else
                                               {"Content-Type": "application/json"})}
                body = None if method not in ("POST", "PUT", "PATCH") else (
                    urlencode({"csrf": attack.csrf}).encode() if permit is not None and permit.page else b"{}")
                if route == "/v1/events" and method == "GET":
                    path = f"{path}?limit=1"
                status, said = attack(path, method, body, headers)
                lets_in = permit is not None and (permit.roles is None or bool(caller.roles & permit.roles))
                inside += lets_in
                kept_out = status in ((303, 401, 403) if permit is not None else (401, 404, 405)) or (
                    caller is NOBODY and status == 303)
                if FAULT in said or status >= 500 or not (lets_in or kept_out) or (method == "HEAD" and said):
                    wrong.append((name, method, path, status, said[:200]))
    assert wrong == []
    assert inside > 250


@ONE_STORE
@pytest.mark.parametrize("caller", [Caller("everything", ROLES - {STUDENT}, None), NOBODY], ids=lambda one: one.subject)
def test_nobody_gets_in_by_another_spelling(attack: Attacker, caller: Caller) -> None:
    attack.be(caller)
    for path in map(filled, TABLE):
        for other in {spelt(path) for spelt in AROUND} | {f"{path}{end}" for end in BEHIND}:
            if not any(pattern.fullmatch(other) for pattern in PATTERNS):
                status, said = attack(other)
                assert status in (401, 404), (other, said[:200])


ODD = ("%00", "S01%00", "%C2%B2", "%EF%BC%91", "%D9%A1", "%FF", "%ED%A0%80", "%0D%0A", "%E2%80%AE", "%25", "'", "%22",
       "-1", "999999999999999999999", "%2F", "S01%2F..", "..%2FS02", "%2e%2e", "S01%2Fstatus", "S02")


def test_part_of_an_address_that_names_nothing_is_no_fault(attack: Attacker) -> None:
    for route, odd in product((route for route in TABLE if "{" in route), ODD):
        path = route
        for name in FILLED:
            path = path.replace(name, odd)
        for method in TABLE[route]:
            body = None if method == "GET" else b"{}" if path.startswith("/v1") else b"csrf=" + attack.csrf.encode()
            headers = {"If-Match": "*", "Content-Type": "application/json"} if path.startswith("/v1") else OURS
            status, said = attack(path, method, body, headers if method == "POST" else {})
            assert status < 500, (method, path, status, said[:300])


VALUES = ("%00", "a%00b", "%C2%B2", "%D9%A1", "%FF", "9" * 400, "0001-01-01", "9999-12-31", "2199-12-31", "1900-01-01",
          "[[", "NaN", "1e999", "%0D%0AX:y", "..", "%F0%9F%98%80")
ASKED = ("/v1/students/S01/status?on=", "/v1/students/S01/fees?known_at=", "/v1/events?after=", "/v1/careers?career=",
         "/v1/careers?begins=", "/v1/careers?student=", "/v1/careers?on=",
         "/v1/reports/upcoming?from=2026-01-01&to=", "/v1/reports/counts?by=", "/v1/reports/blocked?cursor=",
         "/v1/findings?rule=", "/v1/findings?cursor=", "/v1/tickets?service=", "/?q=", "/?cursor=", "/?on=",
         "/?known_on=", "/?lang=", "/findings?from=", "/findings?rule=", "/reports/blocked?kind=",
         "/reports/upcoming?from=", "/reports/counts?by=", "/students/S01?on=", "/students/S01?known_on=",
         "/students/S01/what-if?type=", "/students/S01/what-if?pay=", "/students/S01/record?type=", "/login?next=",
         "/login?next=//[", "/login/answer?state=")


def test_parameter_that_is_odd_is_no_fault(attack: Attacker) -> None:
    for value in VALUES:
        for path in (*ASKED, f"/students/S01/timeline?{value}="):
            status, said = attack(path + value)
            assert status < 500, (path + value, status, said[:300])
            assert FAULT not in said, path + value


DEEP = "[" * 100_000
JSON = {"Content-Type": "application/json", "If-Match": "*"}
SUPPOSED = {"type": "instalment-paid", "data": {}, "effective_on": "2026-03-20"}


FORMS: list[dict[str, str]] = [
    {"supposed": DEEP}, {"supposed": '{"a":' * 50_000}, {"supposed": "null"}, {"supposed": ""},
    {"supposed": '[{"a":1,"a":2}]'},
    {"supposed": json.dumps([SUPPOSED | {"effective_on": "9999-12-31"}])},
    {"supposed": json.dumps([SUPPOSED | {"effective_on": "0001-01-01", "career": {"a": []}}])},
    {"supposed": json.dumps([SUPPOSED | {"data": {"amount": DEEP[:500], "charge": {"a": 1}, "x": None}}])},
    {"supposed": json.dumps([SUPPOSED | {"id": "\ud800", "career": "\ud800", "data": {"charge": "\ud800"}}])},
    {"supposed": json.dumps([SUPPOSED]), "do": "drop-\N{SUPERSCRIPT TWO}"}, {"do": "drop-"},
    {"do": "drop-" + "9" * 5_000},
    {"do": "add", "type": "cfu-recognised", "data.cfu": "[" * 50_000},
    {"do": "add", "type": "exam-graded", "data.grade": DEEP, "data.cfu": "NaN"},
    {"do": "add", "type": "exam-graded", "data.grade": "9" * 5_000, "data.cfu": "1e999"},
    {"do": "add", "type": "instalment-plan-agreed", "data.parts.999.amount": "1",
     "data.parts.\N{SUPERSCRIPT TWO}.amount": "1"},
    {"do": "move", "on": "9999-12-31"}, {"do": "check", "version": "\N{SUPERSCRIPT TWO}", "id": "x" * 5_000},
    {"do": "record", "version": "1", "effective_on": "2026-03-20\0"},
    {"do": "record", "version": "9" * 18, "rules": "x" * 9_000},
    {"authority": "x" * 9_000, "rules": "BLK-1 " * 900, "do": "check", "version": "3"}]


@ONE_STORE
def test_form_that_no_page_of_ours_sent_is_no_fault(attack: Attacker) -> None:
    before = attack("/v1/students/S01")
    for given in FORMS:
        for path in ("/students/S01/what-if", "/students/S01/record", "/students/S02/record", "/", "/findings"):
            status, said = attack.form(path, **given)
            assert status < 500, (path, str(given)[:300], status, said[:300])
        assert attack("/v1/students/S01") == before, str(given)[:300]


@ONE_STORE
def test_body_that_is_odd_is_no_fault(attack: Attacker) -> None:
    odd = [b"", b"{", b"null", b"[]", b"[null]", b"3", b"\xff\xfe", b"\xef\xbb\xbf{}", b'{"id":1,"id":2}',
           b"[" * 200_000, b'{"a":' * 90_000, b'{"email":"\\ud800","number":"\\ud800"}',
           b'{"email":"a\\u0000","number":"\\u0000"}',
           b'{"answer":"\\ud800"}', b"[NaN]", b'{"student":"S01\\n"}', b"9" * 9_000, b"[1e999,-1e999]",
           b'"' + b"x" * 900_000 + b'"', b"[" + b"{}," * 200_000 + b"{}]"]
    before = attack("/v1/students/S01")[1]
    for route, methods in TABLE.items():
        if "POST" in methods and route.startswith("/v1"):
            for body in odd:
                status, said = attack(filled(route), "POST", body, JSON)
                assert status < 500, (route, body[:60], status, said[:300])
    assert attack("/v1/students/S01")[1] == before


# Connections

def asked(*lines: bytes, path: bytes = b"/v1") -> bytes:
    return b"\r\n".join((b"GET " + path + b" HTTP/1.1", *lines, b"", b""))


HOST, NEXT = b"Host: localhost", asked(b"Host: localhost", path=b"/health")
NOT_HTTP = [
    asked(HOST, b"Content-Length: 4", b"Transfer-Encoding: chunked") + b"0\r\n\r\n" + NEXT,
    asked(HOST, b"Content-Length: 4", b"Content-Length: 5") + b"abcde",
    asked(HOST, b"Transfer-Encoding: identity, chunked", b"Transfer-Encoding: x") + b"0\r\n\r\n",
    asked(HOST, b"Transfer-Encoding : chunked") + b"0\r\n\r\n", asked(HOST, b"X: a", b" b"),
    b"GET /v1 HTTP/1.1\nHost: localhost\n\n", asked(HOST, b"Host: evil.example"), asked(), b"GET /v1\r\n\r\n",
    asked(b"Host: evil.example", path=b"http://evil.example/v1"), b"GET /v1 HTTP/9.9\r\nHost: localhost\r\n\r\n",
    asked(HOST, b"X: a\0b"), asked(HOST, b"Cookie: career-ledger-form=\x7f", path=b"/help/state"),
    b"CONNECT localhost:22 HTTP/1.1\r\nHost: localhost\r\n\r\n", asked(HOST, path=b"/\xff\xfe"),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00", asked(HOST, b"Connection: Upgrade", b"Upgrade: h2c") + NEXT,
    b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n"]


@ONE_STORE
@pytest.mark.parametrize("sent", NOT_HTTP)
def test_request_that_can_be_read_in_two_ways_is_one_at_most(
        attack: Attacker, sent: bytes, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "HEAD_SECONDS", 0.5)
    monkeypatch.setattr(web, "IDLE_SECONDS", 0.5)
    monkeypatch.setattr(web, "ANSWER_SECONDS", 2.0)
    with socket.create_connection(("127.0.0.1", attack.port), timeout=10) as one:
        one.sendall(sent)
        said = b""
        while part := one.recv(65_536):
            said += part
    assert said.count(b"HTTP/1.1 ") <= 1, said[:2_000]
    assert b" 500 " not in said.partition(b"\r\n")[0]
    assert "Traceback" not in capfd.readouterr().err
    assert attack("/health")[0] == 200


def silent(port: int, sent: bytes) -> socket.socket:
    """Asks, and takes nothing of the answer."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
    made.connect(("127.0.0.1", port))
    made.sendall(sent)
    return made


@pytest.mark.parametrize("more", [b"", b"Connection: close\r\n"])
def test_who_takes_no_answer_keeps_nobody_out(more: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "MOST_CONNECTIONS", 20)
    monkeypatch.setattr(web, "IDLE_SECONDS", 0.1)
    monkeypatch.setattr(web, "TAKEN_SECONDS", 0.2)
    monkeypatch.setattr(web, "ANSWER_SECONDS", 1.0)
    place = bound_to("127.0.0.1:0", Door(), "--listen")
    big = b"x" * 20_000_000
    routes: Routes = {"/big": {"GET": lambda _: Response(200, big)}, "/small": {"GET": lambda _: Response(200, b"{}")}}
    with Server(routes, place) as server:
        held = [silent(place.port, b"GET /big HTTP/1.1\r\nHost: localhost\r\n" + more + b"\r\n") for _ in range(40)]
        for _ in range(10):
            link = http.client.HTTPConnection("127.0.0.1", place.port, timeout=10)
            link.request("GET", "/small")
            assert link.getresponse().status == 200
            link.close()
        until = time.monotonic() + 10
        while server._server.server_state.connections and time.monotonic() < until:
            time.sleep(0.05)
        assert not server._server.server_state.connections
        for one in held:
            one.close()
