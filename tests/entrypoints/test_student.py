"""A student over HTTP: herself and nobody else, and what of it stands in the access log."""

import http.client
import inspect
import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger.bootstrap import Ledger, open_ledger
from ledger.edges.callers import Caller
from ledger.edges.door import Door, IssuerAt, bound_to
from ledger.edges.figures import ShownWatch
from ledger.edges.web import Server
from ledger.entrypoints.http.api import LONGEST, Api
from ledger.entrypoints.http.console.console import Console
from ledger.entrypoints.http.sessions import Sessions
from ledger.entrypoints.http.who import TABLE, Entrance
from ledger.store import EventStore
from tests.conftest import ROLES
from tests.desk import Said
from tests.handling.histories import enrolled, lines, payment
from tests.issuers import AUDIENCE, Provider, provider

CALL = "career={}-B&course=F1&held_on=2026-06-22&session=summer&academic_year=2025-26&calls_start_on=2026-06-08"
HERS = ["", "/status", "/fees", "/history", f"/eligibility?{CALL}"]


@pytest.fixture(scope="module")
def there() -> Iterator[Provider]:
    with provider() as made:
        yield made


class Asker:
    """`roles`: of who asks; `student`: what her token says."""

    def __init__(self, port: int, there: Provider, sessions: Sessions) -> None:
        self.port, self._there, self._sessions = port, there, sessions

    def __call__(self, path: str, roles: list[str], student: str | None = None, body: Any = None,
                 **headers: str) -> Said:
        token = self._there.token(sub=f"sub-{student or roles[0]}", roles=roles, student=student)
        return self._asked(path, body, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"} | {
            name.replace("_", "-"): one for name, one in headers.items()})

    def page(self, path: str, roles: list[str], student: str | None = None, method: str = "GET") -> Said:
        """With her session; a form is sent from our own page, and holds nothing but the session's token."""
        held = self._sessions.begin(Caller(f"sub-{student}", frozenset(roles), student))
        caller = self._sessions.of(held)
        assert caller is not None
        return self._asked(path, f"csrf={caller.csrf}" if method == "POST" else None, {
            "Cookie": f"career-ledger-{self.port}={held}", "Sec-Fetch-Site": "same-origin",
            "Content-Type": "application/x-www-form-urlencoded"})

    def _asked(self, path: str, body: Any, headers: dict[str, str]) -> Said:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            link.request("GET" if body is None else "POST", path,
                         body if body is None or isinstance(body, str) else json.dumps(body), headers)
            answer = link.getresponse()
            return Said(answer.status, {name.lower(): one for name, one in answer.getheaders()}, answer.read())
        finally:
            link.close()


@contextmanager
def desk(url: str, there: Provider, keys: str | None = None) -> Iterator[Asker]:
    place = bound_to("127.0.0.1:0", Door(issuer=IssuerAt(there.url, AUDIENCE)), "--listen")
    sessions = Sessions()
    with open_ledger(url, keys=keys) as ledger, Api(ledger, ShownWatch("serve")) as api:
        entrance = Entrance(place, sessions=sessions, trail=api.trail)
        console = Console(api)
        console.waiting.patience = 60.0
        with Server({**api.routes, **console.routes, **entrance.routes}, place, LONGEST, entrance):
            try:
                yield Asker(place.port, there, sessions)
            finally:
                api.leave()


@pytest.fixture
def filled(store_url: str) -> str:
    with open_ledger(store_url) as ledger:
        for student in ("S01", "S02"):
            assert {one["outcome"] for one in ledger.append_lines(lines(*enrolled(student)), "record")} == {"accepted"}
    if store_url.startswith("postgresql"):
        with psycopg.connect(store_url, autocommit=True) as owner:
            owner.execute(ROLES.read_bytes())
    return store_url


@pytest.fixture
def ask(filled: str, there: Provider) -> Iterator[Asker]:
    with desk(filled, there) as asker:
        yield asker


def told(said: Said) -> tuple[int, dict[str, str], str]:
    """What can be told of an answer from outside, but for the moment and whom it names."""
    headers = {name: one for name, one in said.headers.items() if name not in ("date", "content-length")}
    return said.status, headers, said.body.decode().replace("S02", "S??").replace("S99", "S??")


def test_student_sees_her_own_career_and_no_other(ask: Asker) -> None:
    for path in HERS:
        mine = ask(f"/v1/students/S01{path}".replace("{}", "S01"), ["student"], "S01")
        theirs = ask(f"/v1/students/S01{path}".replace("{}", "S01"), ["registrar"])
        assert (mine.status, mine.body) == (200, theirs.body)
        for _ in range(2):  # also what was answered to others, and is kept
            another = ask(f"/v1/students/S02{path}".replace("{}", "S02"), ["student"], "S01")
            unknown = ask(f"/v1/students/S99{path}".replace("{}", "S99"), ["student"], "S01")
            assert another.status == 404, path
            assert told(another) == told(unknown)
            assert ask(f"/v1/students/S02{path}".replace("{}", "S02"), ["registrar"]).status == 200
    supposed = [payment("S01", 1)]
    assert ask("/v1/students/S01/what-if", ["student"], "S01", supposed).status == 200
    another, unknown = (ask(f"/v1/students/{one}/what-if", ["student"], "S01", supposed) for one in ("S02", "S99"))
    assert another.status == 404
    assert told(another) == told(unknown)


def test_student_asks_nothing_about_everybody_and_records_nothing(ask: Asker) -> None:
    for path in ("/v1/findings", "/v1/reports/blocked", "/v1/careers", "/v1/events", "/v1/students/S01/findings",
                 "/metrics"):
        assert ask(path, ["student"], "S01").status == 403, path
    for path in ("/v1/events", "/v1/students/S01/events"):
        assert ask(path, ["student"], "S01", {}).status == 403
    assert ask("/v1/rules/BLK-1", ["student"], "S01").status == 200
    assert ask("/v1/students/S01/status", ["student"]).status == 403  # her token does not say who she is


def test_other_roles_of_hers_count(ask: Asker) -> None:
    assert ask("/v1/students/S02/status", ["student", "registrar"], "S01").status == 200


def test_own_pages_show_her_career_and_the_others_are_forbidden(ask: Asker) -> None:
    for path in ("/my", "/my/timeline"):
        shown = ask.page(path, ["student"], "S01")
        assert (shown.status, b"S02" in shown.body) == (200, False)
    for path in ("/", "/students/S01", "/students/S02"):
        assert ask.page(path, ["student"], "S01").status == 403
    assert ask.page("/my", ["registrar"]).status == 403


def test_wrong_code_of_ours_still_shows_her_own_events_alone(ask: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the reader of streams had forgotten for whom it reads."""
    original = EventStore.log

    def unfiltered(store: EventStore, student: str, after: int = 0) -> Any:
        return [one for one in original(store) if one.version > after]

    monkeypatch.setattr(EventStore, "stream", unfiltered)
    found = ask("/v1/students/S01/history", ["student"], "S01")
    assert found.status == 200
    assert {json.loads(line)["student"] for line in found.body.splitlines()} == {"S01"}
    assert b"S02" not in ask.page("/my", ["student"], "S01").body
    assert b"S02" in ask("/v1/students/S01/history", ["registrar"]).body


def test_ledger_is_asked_alike_for_another_students_record_and_for_an_unknown_one(
        ask: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """So neither takes longer, also where the other's is remembered."""
    asked: list[str] = []

    def noted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*of: Any, **named: Any) -> Any:
            asked.append(name)
            return real(*of, **named)

        return call

    ask("/v1/students/S02/status", ["registrar"])
    for kind in (Ledger, EventStore):
        for name, real in vars(kind).items():
            if inspect.isfunction(real):
                monkeypatch.setattr(kind, name, noted(name, real))
    found = []
    for student in ("S02", "S99"):
        assert ask(f"/v1/students/{student}/status", ["student"], "S01").status == 404
        found.append([*asked])
        asked.clear()
    assert found[0] == found[1] != []


def test_next_request_on_her_connection_may_be_anothers(ask: Asker, there: Provider) -> None:
    """A proxy may send both at once."""
    tokens = there.token(roles=["student"], student="S01"), there.token(roles=["registrar"])
    with socket.create_connection(("127.0.0.1", ask.port), timeout=20) as link:
        link.sendall(b"".join(f"GET /v1/students/S02/history HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
                              f"{token}\r\n\r\n".encode() for token in tokens * 2))
        said = b""
        while said.count(b"HTTP/1.1 ") < 4 and (piece := link.recv(65_536)):
            said += piece
    assert re.findall(rb"HTTP/1.1 (\d+)", said) == [b"404", b"200"] * 2


# The access log


@pytest.fixture
def sealed(filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CAREER_LEDGER_MASTER_KEY", str(tmp_path / "master.key"))
    keys = f"sqlite:///{tmp_path}/keys.db"
    with open_ledger(filled, keys=keys) as ledger:
        ledger.new_keys(180)
    return keys


def accesses(url: str, keys: str, student: str) -> list[tuple[str, str, str]]:
    with open_ledger(url, keys=keys) as ledger:
        return [(one["who"], one["what"], one["why"]) for one in ledger.accesses(student)]


def test_reads_of_a_record_and_denied_ones_are_in_the_access_log(filled: str, sealed: str, there: Provider) -> None:
    with desk(filled, there, sealed) as ask:
        assert ask("/v1/students/S01/status", ["registrar", "auditor"]).status == 200
        assert ask("/v1/students/S01/fees", ["service"], Access_Purpose="refund 7").status == 200
        assert ask("/v1/students/S01/history", ["student"], "S01").status == 200
        assert ask.page("/my", ["student"], "S01").status == 200
        assert ask("/v1/students/S01/status", ["student"], "S02").status == 404
        assert ask("/v1/students/S99/status", ["student"], "S02").status == 404
        assert ask("/v1/students/S01/status", ["administrator"]).status == 403  # whoever has not the role reads nothing
        assert ask("/v1/rules/BLK-1", ["registrar"]).status == 200
        assert ask("/v1/students/%00/status", ["registrar"]).status == 404
    assert accesses(filled, sealed, "S01") == [
        ("sub-registrar", "record", "auditor, registrar"), ("sub-service", "record", "refund 7"),
        ("sub-S01", "record", "student"), ("sub-S01", "record", "student"), ("sub-S02", "record-denied", "student")]
    assert accesses(filled, sealed, "S99") == [("sub-S02", "record-denied", "student")]
    assert accesses(filled, sealed, "S02") == []


def test_nothing_is_answered_that_cannot_be_noted(filled: str, sealed: str, there: Provider,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    from ledger.store import StoreUnavailable

    def away(*_: Any) -> Any:
        raise StoreUnavailable("secret.example")

    with desk(filled, there, sealed) as ask:
        monkeypatch.setattr(Ledger, "status", pytest.fail)
        monkeypatch.setattr("ledger.privacy.key_store.KeyStore.note_all", away)
        found = ask("/v1/students/S01/status", ["registrar"])
        assert (found.status, b"secret" in found.body) == (503, False)
        assert ask("/v1/rules/BLK-1", ["registrar"]).status == 200


# The table of roles, in both directions


PARTS = {"{student}": "S01", "{rule}": "BLK-1", "{academic_year}": "2025-26", "{mark}": "x", "{name}": "x"}


def boundaries() -> Iterator[tuple[str, str, str, bool]]:
    for route, methods in TABLE.items():
        for method, permit in methods.items():
            for role in ("registrar", "officer", "auditor", "service", "student", "administrator"):
                if permit.roles is not None:
                    yield route, method, role, role in permit.roles


def filled_in(route: str) -> str:
    for name, value in PARTS.items():
        route = route.replace(name, value)
    return re.sub(r"\{[a-z_]+\}", "1", route)


def test_every_boundary_of_the_table_is_crossed_in_both_directions(tmp_path: Path, there: Provider) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    with open_ledger(url) as ledger:
        list(ledger.append_lines(lines(*enrolled("S01")), "record"))
    let_in: dict[bool, int] = {True: 0, False: 0}
    with desk(url, there) as ask:
        for route, method, role, expected in boundaries():
            permit, student = TABLE[route][method], "S01" if role == "student" else None
            body = {} if method == "POST" else None
            if permit.page:
                found = ask.page(filled_in(route), [role], student, method)
            else:
                found = ask(filled_in(route), [role], student, body)
            reason = found.json.get("reason") if b"problem+json" in found.headers["content-type"].encode() else None
            refused = found.status == 403 and (permit.page or reason == "forbidden")
            assert refused is not expected, (route, method, role, found)
            let_in[expected] += 1
            if expected:
                # a page may have nothing to show yet, and the ticket desk is switched off without a key store
                nothing = () if permit.page or reason == "desk-off" else (404,)
                assert found.status not in (401, 405, 500, *nothing), (route, method, role, found)
    assert min(let_in.values()) > 30


def test_document_and_table_agree_on_who_is_asked_for_a_token(ask: Callable[..., Said], there: Provider) -> None:
    found = ask("/v1/openapi.json", ["registrar"]).json
    for path, methods in found["paths"].items():
        for method, one in methods.items():
            permit = TABLE[path][method.upper()]
            assert (one.get("security") == []) is (permit.roles is None), (path, method)
