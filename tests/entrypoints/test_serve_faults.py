"""`career-ledger serve` while its database breaks, and given what is no request: answers that are clear, and nothing
half-written."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from psycopg.conninfo import conninfo_to_dict

from ledger.edges import web
from ledger.entrypoints.cli import cli
from ledger.store import open_store
from tests.desk import TOKEN, Client, Said, served
from tests.sizes import sized
from tests.store.proxy import Proxy

EVENTS = "/v1/students/S01/events"
BREAKS = sized(4, 20)


@pytest.fixture
def filled(store_url: str, history: list[dict[str, Any]], lines: Callable[..., bytes]) -> str:
    assert CliRunner().invoke(cli, ["--db", store_url, "append", "-"], input=lines(*history)).exit_code == 0
    return store_url


@pytest.fixture
def paid(line: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    return line("p1", "instalment-paid", "2026-03-20", {"charge": "2025-26:instalment-1", "amount": "1.00"},
                recorded_at=None)


@pytest.fixture
def ask(filled: str) -> Iterator[Client]:
    with served(filled) as client:
        yield client


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_what_was_answered_is_stored_once_when_every_link_breaks_under_it(filled: str, ask: Client,
                                                                          paid: dict[str, Any]) -> None:
    """As when the server is started again. Whoever is told 503 asks again."""
    ended, told = threading.Event(), list[tuple[int, str]]()

    def append(number: int) -> int:
        count = 0
        while not ended.is_set():
            count += 1
            one = paid | {"id": f"{number}-{count}"}
            while True:
                found = ask(EVENTS, "POST", one, {"If-Match": "*"})
                told.append((found.status, found.json.get("reason", "")))
                if found.status in (200, 201):
                    break
        return count

    with ThreadPoolExecutor(8) as clients, psycopg.connect(filled, autocommit=True) as admin:
        counts = [clients.submit(append, number) for number in range(8)]
        for _ in range(BREAKS):
            before = len(told)
            while len(told) < before + 20:
                time.sleep(0.01)
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                          "AND pid <> pg_backend_pid()")
        ended.set()
        total = sum(one.result() for one in counts)
    assert {one for one in told if one[0] not in (200, 201)} <= {(503, "unavailable")}
    with open_store(filled) as store:
        events = store.stream("S01")
    assert [event.version for event in events] == list(range(1, total + 4))
    assert len({event.id for event in events}) == total + 3


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_database_that_is_gone_is_said_in_time_and_found_again(filled: str, paid: dict[str, Any]) -> None:
    to = conninfo_to_dict(filled)
    there = str(to["host"]), int(str(to["port"]))
    with (Proxy(*there) as way, served(filled.replace(f":{to['port']}/", f":{way.port}/")) as ask,
          ThreadPoolExecutor(16) as clients):
        assert ask("/v1/students/S01/fees").status == 200
        way.__exit__(None, None, None)
        begun = time.monotonic()
        asked = [clients.submit(ask, f"/v1/students/S01/{what}") for what in ("status", "history") * 2]
        asked += [clients.submit(ask, EVENTS, "POST", paid, {"If-Match": "*"}) for _ in range(4)]
        assert ask("/health").status == 200
        found = [one.result() for one in asked]
        assert {(one.status, one.json["reason"]) for one in found} == {(503, "unavailable")}
        assert time.monotonic() - begun < web.ANSWER_SECONDS
        assert all(one.headers["retry-after"] == "1" for one in found)
        with Proxy(*there, way.port):
            assert until(lambda: ask(EVENTS, "POST", paid, {"If-Match": "*"}), 200, 201).json["version"] == 4
            assert ask("/v1/students/S01/status").status == 200


@pytest.mark.faults
@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_database_that_says_nothing_any_more_holds_nobody_longer_than_one_that_is_gone(
        filled: str, paid: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice: the second ones meet whatever the first ones have left behind."""
    monkeypatch.setattr("ledger.entrypoints.http.api.PATIENCE", 0.5)
    to = conninfo_to_dict(filled)
    with (Proxy(str(to["host"]), int(str(to["port"]))) as way, ThreadPoolExecutor(16) as clients,
          served(filled.replace(f":{to['port']}/", f":{way.port}/")) as ask):
        warm = [clients.submit(ask, "/v1/students/S01/history") for _ in range(8)]
        assert {one.result().status for one in warm} == {200}
        way.silent.set()
        for _ in range(sized(1, 2)):
            begun = time.monotonic()
            asked = [clients.submit(ask, f"/v1/students/S01/{what}") for what in ("status", "history", "fees") * 2]
            asked.append(clients.submit(ask, EVENTS, "POST", paid, {"If-Match": "*"}))
            assert ask("/health").status == 200
            assert {(one.result().status, one.result().json["reason"]) for one in asked} == {(503, "unavailable")}
            assert time.monotonic() - begun < 8
        way.silent.clear()
        assert until(lambda: ask("/v1/students/S01/status"), 200).status == 200


def until(asked: Callable[[], Said], *statuses: int) -> Said:
    end = time.monotonic() + 20
    while (found := asked()).status not in statuses:
        assert time.monotonic() < end, found
    return found


def head(length: str = "", **headers: str) -> bytes:
    given = {"Host": "localhost", "Content-Type": "application/json", "If-Match": "*",
             "Authorization": f"Bearer {TOKEN.decode()}", "Content-Length": length} | headers
    return f"POST {EVENTS} HTTP/1.1\r\n".encode() + "".join(
        f"{name}: {value}\r\n" for name, value in given.items() if value).encode() + b"\r\n"


def test_body_that_does_not_arrive_whole_stores_nothing(ask: Client, paid: dict[str, Any],
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "ANSWER_SECONDS", 0.5)
    body = json.dumps(paid).encode()
    for sent in (head(str(len(body) + 1)) + body,  # the last byte is missing
                 head("", **{"Transfer-Encoding": "chunked"}) + b"%x\r\n%b\r\n" % (len(body), body)):
        with socket.create_connection(("127.0.0.1", ask.port), timeout=5) as one:
            one.sendall(sent)
            assert b"HTTP/1.1 408" in one.recv(4_096)
        with socket.create_connection(("127.0.0.1", ask.port), timeout=5) as one:
            one.sendall(sent)  # and goes
    with socket.create_connection(("127.0.0.1", ask.port), timeout=5) as slow:
        slow.sendall(head(str(len(body))))
        with suppress(OSError):  # nobody takes it any more
            for n in range(len(body)):
                slow.sendall(body[n:n + 1])
                time.sleep(0.01)
            assert slow.recv(1) == b""
    assert ask("/v1/students/S01").json["version"] == 3


def test_body_in_chunks_is_taken(ask: Client, paid: dict[str, Any]) -> None:
    body = json.dumps(paid).encode()
    with socket.create_connection(("127.0.0.1", ask.port), timeout=10) as one:
        one.sendall(head("", **{"Transfer-Encoding": "chunked"}))
        for n in range(0, len(body), 50):
            part = body[n:n + 50]
            one.sendall(b"%x\r\n%b\r\n" % (len(part), part))
        one.sendall(b"0\r\n\r\n")
        assert b"HTTP/1.1 201" in one.recv(4_096)


@pytest.mark.parametrize(("headers", "status"), [
    ({"Content-Type": "text/plain"}, 415), ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ({"Content-Type": ""}, 415), ({"Content-Type": "application/jsonp"}, 415), ({"Content-Encoding": "gzip"}, 400),
    ({"Content-Length": "-1"}, 400), ({"Content-Length": "x"}, 400), ({"Host": "evil.example"}, 421)])
def test_head_that_is_wrong_stores_nothing(ask: Client, paid: dict[str, Any], headers: dict[str, str],
                                           status: int) -> None:
    body = json.dumps(paid).encode()
    sent = b"\x1f\x8b" + body[2:] if "Content-Encoding" in headers else body
    with socket.create_connection(("127.0.0.1", ask.port), timeout=10) as one:
        one.sendall(head(str(len(body)), **headers) + sent)
        answer = one.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 %d" % status), answer
    assert b"application/problem+json" in answer
    assert ask("/v1/students/S01").json["version"] == 3
