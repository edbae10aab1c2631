"""`career-ledger serve`: the command line's answers over HTTP, on both stores."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from ledger.bootstrap import Ledger, open_ledger
from ledger.edges import web
from ledger.edges.figures import ShownWatch
from ledger.entrypoints.cli import cli
from ledger.entrypoints.http import feed, openapi
from ledger.entrypoints.http.api import LONGEST, Api
from ledger.entrypoints.http.who import TABLE
from ledger.relay.prepare import EventSource
from ledger.store import EventStore, StoreUnavailable, open_store
from ledger.wire.events import message
from ledger.wire.kafka import history_of
from tests.desk import TOKEN, Client, Said, served

ON = {"on": "2026-03-20"}
CALL = {"career": "B", "course": "F1", "held_on": "2026-04-22", "session": "summer", "academic_year": "2025-26",
        "calls_start_on": "2026-04-08"}


@pytest.fixture
def command(store_url: str, history: list[dict[str, Any]], lines: Callable[..., bytes]) -> Callable[..., Any]:
    """The command line on a ledger, of either store, that holds `history`."""

    def call(*arguments: str, given: bytes | None = None) -> Any:
        return CliRunner().invoke(cli, ["--db", store_url, *arguments], input=given, prog_name="career-ledger")

    assert call("append", "-", given=lines(*history)).exit_code == 0
    return call


@pytest.fixture
def ask(command: Callable[..., Any], store_url: str) -> Iterator[Client]:
    with served(store_url) as client:
        yield client


def test_answers_are_the_bytes_of_the_command_line(ask: Client, command: Callable[..., Any], lines: Any) -> None:
    options = [part for name, value in CALL.items() for part in (f"--{name.replace('_', '-')}", value)]
    for question, given, more in (("status", {}, []), ("fees", {}, []), ("history", {}, []),
                                  ("eligibility", CALL, options)):
        for language in ("en", "it"):
            for clock, known in ((ON, ["--on", "2026-03-20"]),
                                 (ON | {"known_position": "2"}, ["--on", "2026-03-20", "--known-position", "2"]),
                                 (ON | {"known_at": "2026-01-01T12:00:00Z"},
                                  ["--on", "2026-03-20", "--known-at", "2026-01-01T12:00:00Z"])):
                found = ask(f"/v1/students/S01/{question}", headers={"Accept-Language": language}, **given, **clock)
                told = command("--lang", language, question, "S01", *more, *known, "--json")
                assert (found.status, found.body.decode()) == (200, told.stdout)
                assert found.headers["content-language"] == language
    booked = {"id": "late", "type": "exam-booked", "student": "S01", "career": "B", "effective_on": "2026-03-21",
              "source": "t", "actor": "t", "data": {name: CALL[name] for name in CALL if name != "career"}
              | {"mode": "written"}}
    assert command("append", "-", "--mode", "record", given=lines(booked)).exit_code == 0
    found = ask("/v1/students/S01/findings", on="2026-03-31", known_position="4")
    told = command("--lang", "en", "audit", "S01", "--on", "2026-03-31", "--known-position", "4", "--json").stdout
    assert (found.status, found.body.decode()) == (200, told)
    assert "BLK-1" in told
    assert ask("/v1/rules/BLK-1").body.decode() == command("--lang", "en", "rules", "cite", "BLK-1", "--json").stdout
    assert ask("/v1/rulebooks/2025-26", headers={"Accept-Language": "it"}).body.decode() == command(
        "--lang", "it", "rules", "show", "2025-26", "--json").stdout
    assert found.headers["cache-control"] == "no-store"


WRONG: list[tuple[str, dict[str, str], int, str, list[str]]] = [
    ("students/S02/status", {}, 404, "not-found", []),
    ("students/S01/status", {"known_at": "2020-01-01T12:00:00Z"}, 404, "not-found", []),
    ("students/S01/eligibility", CALL | {"career": "X"}, 404, "not-found", []),
    ("students/S01/eligibility", {"career": "B", "held_on": "2026-02-30", "note": "x"}, 400, "bad-query",
     ["course", "held_on", "session", "academic_year", "calls_start_on", "note"]),
    ("students/S01/status", {"on": "20 March", "known_position": "-1", "x": "1"}, 400, "bad-query",
     ["on", "known_position", "x"]),
    ("students/S01/fees", {"known_at": "2026-01-01T12:00:00Z", "known_position": "2"}, 400, "bad-query",
     ["known_position"]),
    ("students/S01/fees", {"known_at": "2026-01-01"}, 400, "bad-query", ["known_at"]),
    ("students", {}, 404, "unknown-route", []), ("rules/NO-1", {}, 404, "not-found", []),
    ("rulebooks/1999-00", {}, 404, "not-found", []), ("rules/BLK-1", {"on": "2026-01-01"}, 400, "bad-query", []),
]


def test_wrong_question_is_told_what_to_mend(ask: Client) -> None:
    for path, query, status, reason, parameters in WRONG:
        found = ask(f"/v1/{path}", **query)
        assert (found.status, found.json["reason"], found.headers["content-type"]) == (
            status, reason, "application/problem+json"), (path, query)
        assert {one["parameter"] for one in found.json.get("errors", ())} == set(parameters), (path, query)
        assert all(one["detail"] for one in found.json.get("errors", ()))


def test_nobody_is_answered_without_the_token_but_whether_it_lives(ask: Client) -> None:
    for path in ("/v1/students/S01/status", "/metrics", "/v1/rules/BLK-1"):
        assert ask(path, headers={"Authorization": "Bearer " + "0" * 32}).status == 401
    stranger = {"Authorization": ""}
    assert (ask("/health", headers=stranger).status, ask("/ready", headers=stranger).status) == (200, 200)
    shown = ask("/metrics").body.decode()
    assert 'career_ledger_answer_seconds_count{route="/ready",status="200"}' in shown
    assert "S01" not in shown


def test_question_is_refused_while_the_database_is_away(ask: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the reason is for who runs it, not for who asks."""
    def gone(*_: Any) -> None:
        raise StoreUnavailable("secret.example:5432 refused the connection")

    monkeypatch.setattr(Ledger, "status", gone)
    found = ask("/v1/students/S01/status")
    assert (found.status, found.json["reason"], found.headers["retry-after"]) == (503, "unavailable", "1")
    assert b"secret" not in found.body


def test_fault_is_told_by_its_place_alone(ask: Client, monkeypatch: pytest.MonkeyPatch,
                                          capfd: pytest.CaptureFixture[str]) -> None:
    def broken(*_: Any) -> None:
        raise KeyError("Anna Rossi")

    monkeypatch.setattr(Ledger, "fees", broken)
    found = ask("/v1/students/S01/fees")
    assert (found.status, found.json["reason"]) == (500, "fault")
    assert "KeyError at " in found.json["detail"]
    assert "Rossi" not in found.body.decode() + "".join(capfd.readouterr())


# Recording

EVENTS, WHAT_IF = "/v1/students/S01/events", "/v1/students/S01/what-if"


@pytest.fixture
def paid(line: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    return line("p1", "instalment-paid", "2026-03-20", {"charge": "2025-26:instalment-1", "amount": "400.00"},
                recorded_at=None)


def test_submission_is_stored_once_under_the_version_that_is_known(ask: Client, paid: dict[str, Any]) -> None:
    version = ask("/v1/students/S01").headers["etag"]
    assert version == '"3"'
    first = ask(EVENTS, "POST", paid, {"If-Match": version})
    assert (first.status, first.headers["etag"]) == (201, '"4"')
    assert first.json["outcome"] == "accepted"
    again = ask(EVENTS, "POST", paid, {"If-Match": version, "Idempotency-Key": '"p1"'})
    assert (again.status, again.json) == (200, first.json | {"outcome": "duplicate"})  # although the version is old
    stale = ask(EVENTS, "POST", paid | {"id": "p2"}, {"If-Match": version})
    assert (stale.status, stale.json["reason"]) == (412, "stale")
    assert "4" in stale.json["detail"]
    assert ask(EVENTS, "POST", paid | {"id": "p2"}).status == 428
    assert ask(EVENTS, "POST", paid | {"id": "p2"}, {"If-Match": 'W/"4"'}).status == 412
    assert ask("/v1/students/S01").json["version"] == 4


def test_answer_is_found_anew_only_where_something_was_recorded(ask: Client, paid: dict[str, Any],
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str] = []
    original = Ledger.fees

    def counted(ledger: Ledger, student: str, *asked: Any) -> Any:
        found.append(student)
        return original(ledger, student, *asked)

    monkeypatch.setattr(Ledger, "fees", counted)
    first = [ask("/v1/students/S01/fees", **ON).json for _ in range(3)]
    assert (first[0], found) == (first[2], ["S01"])
    assert ask(EVENTS, "POST", paid, {"If-Match": "*"}).status == 201
    assert ask("/v1/students/S01/fees", **ON).json["overdue"] == "0.00" != first[0]["overdue"]
    ask("/v1/students/S01/fees", on="2026-03-21")
    ask("/v1/students/S01/fees", headers={"Accept-Language": "it"}, **ON)
    assert found == ["S01"] * 4


def test_version_that_another_writer_has_raised_is_stale(ask: Client, paid: dict[str, Any], command: Any,
                                                         lines: Any) -> None:
    assert ask(EVENTS, "POST", paid, {"If-Match": "*"}).status == 201
    assert command("append", "-", given=lines(paid | {"id": "other"})).exit_code == 0
    assert ask(EVENTS, "POST", paid | {"id": "p2"}, {"If-Match": '"4"'}).status == 412
    assert ask(EVENTS, "POST", paid | {"id": "p2"}, {"If-Match": '"5"'}).status == 201


def test_refusal_names_the_rule_its_source_and_what_lifts_it(ask: Client, line: Any) -> None:
    booked = line("b1", "exam-booked", "2026-03-20", {name: value for name, value in CALL.items() if name != "career"}
                  | {"mode": "written"}, recorded_at=None)
    found = ask(EVENTS, "POST", booked, {"If-Match": "*", "Accept-Language": "it"})
    assert (found.status, found.json["reason"]) == (422, "refused")
    [one] = [error for error in found.json["errors"] if error["rule"] == "BLK-1"]
    assert one["source"]["document"]
    assert one["clears"]["what"] == "pagare 400,00 € (prima rata 2025-26)"
    dry = ask(EVENTS + "?dry_run=true", "POST", booked)
    assert dry.status == 422


@pytest.mark.parametrize(("change", "status", "pointers"), [
    ({"data": {"charge": "2025-26:instalment-1", "amount": "4"}}, 422, ["#/data/amount"]),
    ({"student": "S02"}, 422, ["#/student"]), ({"id": "a1"}, 422, ["#/id"]), ({"type": "nothing"}, 422, ["#/type"])])
def test_field_that_is_wrong_is_pointed_to(ask: Client, paid: dict[str, Any], change: dict[str, Any], status: int,
                                           pointers: list[str]) -> None:
    found = ask(EVENTS, "POST", paid | change, {"If-Match": "*"})
    assert (found.status, [one["pointer"] for one in found.json["errors"]]) == (status, pointers)


NO_SUBMISSIONS: list[tuple[bytes, dict[str, str], int]] = [
    (b"{", {}, 400), (b"", {}, 400), (b'{"id": 1, "id": 2}', {}, 400), (b"[]", {}, 422), (b"\xff", {}, 400),
    (b"{}", {"Content-Type": "text/plain"}, 415), (b"{}", {"Idempotency-Key": "x"}, 422),
    (b"{}", {"Content-Length": str(LONGEST + 1)}, 413)]


def test_body_that_is_no_submission_is_refused(ask: Client) -> None:
    for body, headers, status in NO_SUBMISSIONS:
        found = ask(EVENTS, "POST", body, {"If-Match": "*"} | headers)
        assert (found.status, found.headers["content-type"]) == (status, "application/problem+json"), (body, headers)
    assert ask("/v1/students/S01").json["version"] == 3


def test_dry_run_and_what_if_store_nothing(ask: Client, paid: dict[str, Any], command: Any, lines: Any) -> None:
    dry = ask(EVENTS + "?dry_run=true", "POST", paid)
    assert (dry.status, dry.json) == (200, {"id": "p1", "outcome": "accepted", "version": 4})
    found = ask(WHAT_IF, "POST", [paid], on="2026-03-20")
    told = command("--lang", "en", "what-if", "S01", "--with", "-", "--on", "2026-03-20", "--json", given=lines(paid))
    assert (found.status, found.body.decode()) == (200, told.stdout)
    assert "eligibility" in ask(WHAT_IF, "POST", [paid], on="2026-03-20", **CALL).json["after"]
    assert ask("/v1/students/S01").json["version"] == 3


def test_what_is_supposed_holds_up_nobody_for_long(ask: Client, paid: dict[str, Any],
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked by students too, and takes the longer the more it supposes."""
    assert ask(WHAT_IF, "POST", [paid | {"id": f"p{n}"} for n in range(101)]).status == 422
    inside, most, original = [0], [0], Ledger.what_if

    def counted(*asked: Any) -> Any:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        try:
            return original(*asked)
        finally:
            inside[0] -= 1

    monkeypatch.setattr(Ledger, "what_if", counted)
    with ThreadPoolExecutor(16) as clients:
        found = list(clients.map(lambda n: ask(WHAT_IF, "POST", [paid]).status, range(32)))
    assert (set(found), most) == ({200}, [1])


def test_who_waits_when_the_program_ends_is_told_so(store_url: str, command: Any, monkeypatch: pytest.MonkeyPatch,
                                                    capfd: pytest.CaptureFixture[str]) -> None:
    """And nothing of a question, or of where it was answered, stands on standard error."""
    begun, go_on = threading.Event(), threading.Event()

    def slow(*_: Any) -> Any:
        begun.set()
        go_on.wait(30)

    monkeypatch.setattr(Ledger, "fees", slow)
    monkeypatch.setattr(web, "GRACE_SECONDS", 0)
    with ThreadPoolExecutor(1) as client:
        with served(store_url) as ask:
            waiting = client.submit(ask, "/v1/students/S01/fees")
            assert begun.wait(30)
        go_on.set()
        found = waiting.result()
    assert (found.status, found.json["reason"], found.headers["retry-after"]) == (503, "unavailable", "1")
    assert "Traceback" not in capfd.readouterr().err


def test_many_are_answered_one_by_one(ask: Client, paid: dict[str, Any]) -> None:
    found = ask("/v1/events", "POST", [paid, {"id": "x"}, paid, paid | {"id": "p2", "student": "S09"}, 3])
    assert found.status == 200
    assert [(one["id"], one["outcome"]) for one in found.json] == [
        ("p1", "accepted"), ("x", "invalid"), ("p1", "duplicate"), ("p2", "invalid"), (None, "invalid")]
    assert found.json[-1]["line"] == 5
    assert ask("/v1/events", "POST", {}).status == 422


def test_clients_at_once_share_transactions_and_lose_nothing(ask: Client, paid: dict[str, Any],
                                                             store_url: str) -> None:
    """Each is decided on top of those before it, and no version is given twice."""
    appended: list[int] = []
    original = EventStore.append

    def counted(store: EventStore, events: Any) -> Any:
        appended.append(len(events))
        return original(store, events)

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(16) as clients:
        patch.setattr(EventStore, "append", counted)
        found = list(clients.map(lambda n: ask(EVENTS, "POST", paid | {"id": f"n{n}"}, {"If-Match": "*"}), range(48)))
    assert {one.status for one in found} == {201}
    assert sorted(one.json["version"] for one in found) == list(range(4, 52))
    assert sum(appended) == 48
    assert len(appended) < 48
    with open_store(store_url) as store:
        assert [event.version for event in store.stream("S01")] == list(range(1, 52))


# The feed


class Listener:
    """Server-sent events, as they come. Killed, it knows its last position and nothing else."""

    def __init__(self, port: int, last: int | None) -> None:
        self.events: list[tuple[int, Any]] = []
        self._connection = socket.create_connection(("127.0.0.1", port), timeout=20)
        known = f"Last-Event-ID: {last}\r\n" if last is not None else ""
        self._connection.sendall(f"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{known}"
                                 f"Authorization: Bearer {TOKEN.decode()}\r\n\r\n".encode())
        self._lines = self._connection.makefile("rb")

    def until(self, position: int) -> "Listener":
        """Until this position has come."""
        at = 0
        while not self.events or self.events[-1][0] < position:
            line = self._lines.readline()
            assert line, "the feed ended"
            name, _, value = line.partition(b": ")
            if name == b"id":
                at = int(value)
            elif name == b"data":
                self.events.append((at, json.loads(value)))
        return self

    def next_line(self) -> bytes:
        return self._lines.readline()

    def kill(self) -> None:
        self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


def published(url: str) -> list[tuple[int, Any]]:
    """What `publish` would send of the log: position, and key, headers and value."""
    with open_store(url) as store:
        identity = store.identity()
        history = history_of(identity.origin, identity.epoch)
        found = [message(record, digest, history) for _, record, digest in store.records()]
    return [(int(dict(one.headers)["position"]), {
        "key": one.key.decode(), "headers": {name: value.decode() for name, value in one.headers},
        "value": json.loads(one.value)}) for one in found]


def test_feed_of_a_killed_and_resumed_client_is_the_log_under_writes(ask: Client, paid: dict[str, Any],
                                                                     store_url: str) -> None:
    def write(numbers: range) -> None:
        for n in numbers:
            assert ask(EVENTS, "POST", paid | {"id": f"n{n}"}, {"If-Match": "*"}).status == 201

    heard: list[tuple[int, Any]] = []
    with ThreadPoolExecutor(3) as writers:
        writing = [writers.submit(write, range(start, start + 15)) for start in (0, 15, 30)]
        last = None
        for _ in range(6):
            listener = Listener(ask.port, last).until((last or 0) + 6)
            heard += listener.events
            last = heard[-1][0]
            listener.kill()
        for one in writing:
            one.result()
    told = published(store_url)
    listener = Listener(ask.port, last).until(told[-1][0])
    heard += listener.events
    listener.kill()
    assert heard == told
    assert len(told) == 48


def test_feed_that_is_behind_catches_up_page_by_page(ask: Client, paid: dict[str, Any], store_url: str,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "PAGE", 2)
    monkeypatch.setattr(feed, "KEPT", 3)
    early = Listener(ask.port, None).until(3)
    assert ask("/v1/events", "POST", [paid | {"id": f"n{n}"} for n in range(20)]).status == 200
    told = published(store_url)
    assert early.until(told[-1][0]).events == told
    assert Listener(ask.port, 0).until(told[-1][0]).events == told  # what it wants is not kept any more


def test_feed_says_that_it_lives_and_ends_with_the_program(store_url: str, command: Any,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "COMMENT_SECONDS", 0.1)
    with served(store_url) as ask:
        listener = Listener(ask.port, 3)
        while listener.next_line() != b":\n":
            pass
    assert list(iter(listener.next_line, b""))[-2:] == [b"0\r\n", b"\r\n"]  # ended, and not cut off


def test_feed_goes_on_after_a_fault(ask: Client, paid: dict[str, Any], store_url: str,
                                    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    listener = Listener(ask.port, 0).until(3)

    def broken(*_: Any) -> None:
        raise KeyError("Anna Rossi")

    with monkeypatch.context() as patch:
        patch.setattr(EventSource, "next", broken)
        assert ask("/v1/events", "POST", [paid]).status == 200
        said, until = "", time.monotonic() + 20
        while "KeyError at " not in said and time.monotonic() < until:  # whoever runs it is told the place
            ask("/ready")
            said += capfd.readouterr().err
    assert "KeyError at " in said
    assert "Rossi" not in said
    told = published(store_url)
    assert listener.until(told[-1][0]).events == told


def test_long_poll_gives_the_same_and_waits_for_what_comes(ask: Client, paid: dict[str, Any], store_url: str) -> None:
    told = published(store_url)
    first = ask("/v1/events", limit="2").json
    assert (first["events"], first["next"]) == ([one for _, one in told[:2]], told[1][0])
    rest = ask("/v1/events", after=str(first["next"])).json
    assert (rest["events"], rest["next"]) == ([told[2][1]], told[2][0])
    assert ask("/v1/events", after=str(rest["next"])).json == {"events": [], "next": rest["next"]}
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(lambda: ask("/v1/events", after=str(rest["next"]), wait="8").json)
        assert ask(EVENTS, "POST", paid, {"If-Match": "*"}).status == 201
        assert waiting.result()["events"] == [published(store_url)[3][1]]


def test_feed_refuses_a_position_that_it_never_gave(ask: Client) -> None:
    said = [(found.status, found.json["reason"]) for found in (
        ask("/v1/events", after="99"), ask("/v1/events", headers={"Last-Event-ID": "99"}),
        ask("/v1/events", headers={"Last-Event-ID": "x"}),
        *(ask("/v1/events", **query) for query in ({"wait": "9"}, {"limit": "0"}, {"from": "1"})))]
    assert said == [(409, "unknown-position")] * 2 + [(400, "bad-query")] * 4


# The document


def test_document_names_the_routes_that_are_served_and_no_other(tmp_path: Path) -> None:
    with open_ledger(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        served = {(path, method) for path, methods in Api(ledger, ShownWatch("serve")).routes.items()
                  for method in methods if path not in openapi.UNDESCRIBED}
    found = openapi.document("en")
    assert {(path, method.upper()) for path, methods in found["paths"].items() for method in methods} == served
    assert {path for path, methods in found["paths"].items() if methods.get("get", {}).get("security") == []} == {
        "/health", "/ready"}
    for path, methods in found["paths"].items():
        for method, one in methods.items():
            roles = TABLE[path][method.upper()].roles
            assert one.get("x-roles") == (None if roles is None else sorted(roles)), path
    names = [one["operationId"] for methods in found["paths"].values() for one in methods.values()]
    assert len(set(names)) == len(names)


def test_answers_are_as_the_document_says(ask: Client, paid: dict[str, Any]) -> None:
    shown = ask("/v1/openapi.json", headers={"Authorization": ""})
    assert shown.status == 200, shown
    found = shown.json
    booked = {"path": "/v1/students/S01/eligibility", **CALL}
    asked: dict[str, list[tuple[str, Said]]] = {
        "head": [("head", ask("/v1/students/S01"))], "status": [("status", ask("/v1/students/S01/status"))],
        "fees": [("fees", ask("/v1/students/S01/fees"))], "eligibility": [("eligibility", ask(**booked))],
        "rule": [("rule", ask("/v1/rules/BLK-1"))], "rulebook": [("rulebook", ask("/v1/rulebooks/2025-26"))],
        "feed": [("page", ask("/v1/events"))], "what-if": [("what-if", ask(WHAT_IF, "POST", [paid]))],
        "append": [("told", ask(EVENTS, "POST", paid, {"If-Match": "*"}))], "ready": [("alive", ask("/ready"))],
        "health": [("alive", ask("/health"))],
        "history": [("step", ask("/v1/students/S01/history"))], "problem": [("problem", ask("/v1/students/S9/fees")), (
            "problem", ask(EVENTS, "POST", paid | {"id": "a1"}, {"If-Match": "*"}))]}
    for name, answers in asked.items():
        for schema, said in answers:
            assert said.status < 300 or name == "problem", (name, said)
            for line in said.body.splitlines():
                Draft202012Validator({"$ref": f"#/components/schemas/{schema}", "components": found["components"]}
                                     ).validate(json.loads(line))
    Draft202012Validator({"$ref": "#/components/schemas/submission", "components": found["components"]}).validate(
        {name: value for name, value in paid.items() if value is not None})


def test_page_about_it_loads_nothing_from_elsewhere_and_speaks_both_languages(ask: Client) -> None:
    for language, words in (("en", "Every charge"), ("it", "Ogni addebito")):
        found = ask("/v1", headers={"Accept-Language": language, "Authorization": ""})
        text = found.body.decode()
        assert (found.status, words in text) == (200, True)
        assert not re.search(r"<(img|style|iframe)|(src|href)=.(?!/|#)|https?://", text)
        assert "default-src 'none'" in found.headers["content-security-policy"]


# The command


def test_command_prints_its_address_and_a_token_once_and_ends_when_told(popen: Any, run: Any, lines: Any,
                                                                        history: Any) -> None:
    assert run("append", "-", given=lines(*history)).exit_code == 0
    process = popen("serve", "--listen", "127.0.0.1:0", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        address, token, once = (process.stdout.readline().decode().strip() for _ in range(3))
        assert address.startswith("http://127.0.0.1:")
        name, _, value = token.partition(": ")
        port = int(address.removesuffix("/v1").rpartition(":")[2])
        found = Client(port)("/v1/students/S01/status", headers={name: value})
        assert (found.status, found.json["student"]) == (200, "S01")
        assert Client(port)("/v1/students/S01/status").status == 401
        assert Client(port)("/health", headers={"Host": "evil.example"}).status == 421
    finally:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert re.fullmatch(rf"Sign in at http://127.0.0.1:{port}/login with \S{{43}} \(.*\)", once)
    assert out == b""
    assert value.removeprefix("Bearer ").encode() not in err


def test_command_makes_the_ledger_where_there_is_none(popen: Any, store_url: str) -> None:
    process = popen("--db", store_url, "serve", "--listen", "127.0.0.1:0", stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline().startswith(b"http://127.0.0.1:")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    with open_store(store_url, create=False) as store:
        assert store.last_position() == 0


@pytest.mark.parametrize(("options", "words"), [
    (["--listen", "0.0.0.0:0"], "--issuer"), (["--listen", "nowhere"], "--listen nowhere"),
    (["--listen", "127.0.0.1:99999"], "0 to 65535")])
def test_command_says_what_it_cannot_listen_on(run: Any, options: list[str], words: str) -> None:
    found = run("serve", *options)
    assert found.exit_code == 2
    assert words in found.stderr


def test_package_that_is_missing_is_named(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ledger.edges.web", None)
    found = run("serve", "--listen", "127.0.0.1:0")
    assert found.exit_code == 2
    assert "career-ledger[serve]" in found.stderr


def test_question_on_the_command_line_imports_no_server(run: Any, db: str, history: Any, lines: Any) -> None:
    assert run("append", "-", given=lines(*history)).exit_code == 0
    asked = f"""
import sys
from ledger.entrypoints.cli import cli
cli(["--db", {db!r}, "status", "S01", "--json"], standalone_mode=False)
server = {{"uvicorn", "httptools", "prometheus_client", "asyncio"}}
print(sorted({{name.split(".")[0] for name in sys.modules}} & server))
"""
    found = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "[]"
