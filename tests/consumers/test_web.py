"""Who may ask a service over HTTP, how long and how much, and what is said to what is wrong;
on sockets of this machine."""

import json
import re
import resource
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from consumers.kit.metrics import Metrics
from consumers.kit.reading import BadJson, read_json
from ledger.edges import door, web
from ledger.edges.door import Door, bound_to, door_options
from ledger.edges.web import Request, Response, Server

TOKEN = b"0123456789abcdef0123456789abcdef"
QUESTION = b'{"a": 1}'


def _echo(request: Request) -> Response:
    return Response(200, request.body)


ROUTES: web.Routes = {"/v1/echo": {"POST": _echo}, "/v1/one": {"GET": lambda _: Response(200, b"1")}}


@contextmanager
def served(door: Door | None = None, routes: web.Routes = ROUTES) -> Iterator[int]:
    place = bound_to("127.0.0.1:0", door or Door(), "--listen")
    with Server(routes, place):
        yield place.port


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with served() as found:
        yield found


def request(path: str = "/v1/echo", method: str = "POST", body: bytes = QUESTION, host: str | None = "localhost",
            **headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", *([f"Host: {host}"] if host is not None else [])]
    if method == "POST":
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))} | {
            name.replace("_", "-"): value for name, value in headers.items()}
    lines += [f"{name}: {value}" for name, value in headers.items() if value]
    return "\r\n".join([*lines, "", ""]).encode() + (body if method == "POST" else b"")


def said(port: int, sent: bytes, tls: ssl.SSLContext | None = None) -> tuple[int, dict[str, str], Any]:
    """Status, headers and JSON of the first answer to these bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        connection = tls.wrap_socket(plain, server_hostname="localhost") if tls is not None else plain
        connection.sendall(sent)
        return answer_of(connection)


def answer_of(connection: socket.socket) -> tuple[int, dict[str, str], Any]:
    file = connection.makefile("rb")
    status = int(file.readline().split()[1])
    headers = {}
    while (line := file.readline().decode().strip()):
        name, _, value = line.partition(": ")
        headers[name.lower()] = value
    return status, headers, json.loads(file.read(int(headers["content-length"])))


@pytest.mark.parametrize(("sent", "status", "reason"), [
    (request("/v1/nothing"), 404, "unknown-route"),
    (request("/v1/echo/"), 404, "unknown-route"),
    (request("//evil.example/v1/echo"), 404, "unknown-route"),
    (request("/"), 404, "unknown-route"),
    (request(method="GET"), 405, "unknown-method"),
    (request(method="DELETE"), 405, "unknown-method"),
    (request("/v1/one"), 405, "unknown-method"),
    (request(Content_Type="text/plain"), 415, "unknown-content-type"),
    (request(Content_Type=""), 415, "unknown-content-type"),
    (request(host=None), 400, "no-host"),
    (request(host="localhost\r\nHost: 127.0.0.1"), 400, "no-host"),
    (request(host="evil.example"), 421, "unknown-host"),
    (request("/v1/echo/", host="evil.example"), 421, "unknown-host"),
    (request(host="localhost.evil.example:8090"), 421, "unknown-host"),
    (request(body=b"x" * 16_385), 413, "too-long"),
    (request(Content_Length="99999999"), 413, "too-long"),
    (b"nonsense\r\n\r\n", 400, "no-http"),
    (b"GET /v1/one HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 300_000, 431, "head-too-long"),
])
def test_whatever_is_wrong_with_a_request_is_said_as_json_and_never_redirects(port: int, sent: bytes,
                                                                              status: int, reason: str) -> None:
    found, headers, answer = said(port, sent)
    assert (found, answer["reason"], answer["status"]) == (status, reason, status)
    assert (headers["content-type"], headers["connection"]) == ("application/problem+json", "close")
    assert "location" not in headers


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8090", "127.0.0.1", "127.0.0.1:1", "[::1]:8090"])
def test_this_machines_names_are_answered(port: int, host: str) -> None:
    assert said(port, request(host=host, Content_Type="application/json; charset=utf-8"))[::2] == (200, {"a": 1})


def test_a_body_is_counted_while_it_comes(port: int) -> None:
    """Chunked: no length is said before."""
    chunks = b"".join(b"400\r\n" + b"x" * 1024 + b"\r\n" for _ in range(17))
    assert said(port, request(body=b"", Content_Length="", Transfer_Encoding="chunked") + chunks)[0] == 413


@pytest.mark.parametrize(("headers", "status"), [
    ({}, 401), ({"Authorization": "Bearer " + "0" * 32}, 401), ({"Authorization": TOKEN.decode()}, 401),
    ({"Authorization": "Basic " + TOKEN.decode()}, 401), ({"Authorization": "Bearer " + TOKEN.decode()}, 200),
])
def test_only_who_has_the_token_is_answered(headers: dict[str, str], status: int) -> None:
    with served(Door(TOKEN)) as port:
        found, about, _ = said(port, request(**headers))
        assert found == status
        assert (about.get("www-authenticate") == "Bearer") is (status == 401)
        assert said(port, request("/elsewhere", **headers))[0] == (401 if status == 401 else 404)


@pytest.mark.parametrize("begun", [b"", b"\r\n", b"POST /v1/ec", request()[:-4], request() + b"GET /v1/one HT"])
def test_a_request_that_does_not_arrive_in_time_is_ended(monkeypatch: pytest.MonkeyPatch, begun: bytes) -> None:
    monkeypatch.setattr(web, "HEAD_SECONDS", 0.2)
    monkeypatch.setattr(web, "ANSWER_SECONDS", 0.2)
    with served() as port, socket.create_connection(("127.0.0.1", port), timeout=3) as connection:
        connection.sendall(begun)
        if begun.startswith(request()):
            assert answer_of(connection)[0] == 200
        status, _, answer = answer_of(connection)
        assert (status, answer["reason"]) == (408, "too-slow")
        assert connection.recv(1) == b""


def test_connection_on_which_nothing_more_is_asked_is_closed_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "IDLE_SECONDS", 0.3)
    with served() as port, socket.create_connection(("127.0.0.1", port), timeout=3) as connection:
        for _ in range(3):
            connection.sendall(request())
            assert answer_of(connection)[0] == 200
            time.sleep(0.15)  # in all longer than it may be idle, and never so long
        assert connection.recv(1) == b""


def test_requests_sent_together_are_answered_in_their_order_and_the_connection_ends_when_asked_to(port: int) -> None:
    bodies = [b"%d" % n for n in range(5)]
    with socket.create_connection(("127.0.0.1", port), timeout=3) as connection:
        connection.sendall(b"".join(request(body=body) for body in bodies) + request(body=b"6", Connection="close"))
        file = connection.makefile("rb").read()
    assert [part.partition(b"HTTP/1.1")[0] for part in file.split(b"\r\n\r\n")[1:]] == [*bodies, b"6"]
    assert file.count(b"connection: close") == 1


@pytest.mark.parametrize(("path", "answer"), [
    ("/v1/one", b'"one"'), ("/v1/two", b'["two"]'), ("/v1/one/more", b'["one"]'), ("/v1/one/last", b'"last"'),
    ("/v1/two/last", None), ("/v1//more", None), ("/v1/", None), ("/v1/one/more/", None), ("/v1/{", b'["{"]')])
def test_route_that_names_more_of_the_path_is_meant(path: str, answer: bytes | None) -> None:
    """Also where only what comes after tells which one can be."""
    def named(found: Request) -> Response:
        return Response(200, json.dumps(found.parts).encode())

    routes: web.Routes = {"/v1/{name}": {"GET": named}, "/v1/{name}/more": {"GET": named},
                          "/v1/one": {"GET": lambda _: Response(200, b'"one"')},
                          "/v1/one/last": {"GET": lambda _: Response(200, b'"last"')}}
    with served(routes=routes) as port:
        status, _, found = said(port, request(path, "GET"))
        assert (status, found if status == 200 else None) == (
            (200, json.loads(answer)) if answer is not None else (404, None))


def test_header_with_a_line_break_is_not_sent() -> None:
    answer = Response(200, b"1", headers=((b"location", b"/x\r\nset-cookie: a=b"),))
    with served(routes={"/v1/one": {"GET": lambda _: answer}}) as port:
        status, headers, found = said(port, request("/v1/one", "GET"))
        assert (status, found["reason"], "set-cookie" in headers) == (500, "fault", False)


def test_connection_that_has_been_silent_longest_gives_way_to_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "MOST_CONNECTIONS", 3)
    with served() as port, ExitStack() as opened:
        held = [opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=3)) for _ in range(3)]
        for one in held:
            one.sendall(request())
            assert answer_of(one)[0] == 200
        held[0].sendall(request())
        assert answer_of(held[0])[0] == 200
        fourth = opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=3))
        assert answer_of(held[1])[2]["reason"] == "too-many-connections"
        for one in (held[0], held[2], fourth):
            one.sendall(request())
            assert answer_of(one)[0] == 200


def test_2000_connections_that_only_hold_on_keep_nobody_out(port: int) -> None:
    """Half of them have begun a request. Not one of those who ask meanwhile is turned away."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as opened:
        opened.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (before, most))
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(8_192, most), most))
        for n in range(2_000):
            one = opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=3))
            if n % 2:
                one.sendall(request()[:30])
            if n % 100 == 0:
                assert said(port, request())[0] == 200
        assert said(port, request())[0] == 200


@pytest.mark.parametrize("sent", [b"", request()[:40], request()[:-4], request()],
                         ids=["nothing", "half a head", "half a body", "all"])
def test_500_clients_that_hang_up_at_once_leave_nothing_in_the_log(port: int, sent: bytes,
                                                                 capfd: pytest.CaptureFixture[str]) -> None:
    """Each used to leave a traceback in the log, 4 ms long."""
    gone = [socket.create_connection(("127.0.0.1", port)) for _ in range(500)]
    for one in gone:
        one.sendall(sent)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as other:
        other.sendall(request())
        answer_of(other)
        for one in gone:
            one.close()
        other.sendall(request())
        assert answer_of(other)[0] == 200
    assert capfd.readouterr().err == ""


def test_metrics_and_health_are_guarded_in_the_same_way() -> None:
    with served(Door(TOKEN), Metrics("web-test").routes) as port:
        authorised = {"Authorization": "Bearer " + TOKEN.decode()}
        for path in ("/metrics", "/health"):
            assert said(port, request(path, "GET"))[0] == 401
            assert said(port, request(path, "GET", host="evil.example", **authorised))[0] == 421
        assert said(port, request("/health", "GET", **authorised))[2]["consumer"] == "web-test"


# The options


@click.command()
@click.option("--listen", required=True)
@door_options
def listening(listen: str, door: Door) -> None:
    place = bound_to(listen, door, "--listen")
    place.bound.close()
    click.echo(f"{sorted(place.hosts)} {door!r}")


def _file(path: Path, text: str, mode: int) -> str:
    path.write_text(text)
    path.chmod(mode)
    return str(path)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("tls")
    made = str(folder / "cert.pem"), str(folder / "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-out", made[0],
                    "-keyout", made[1]],
                   check=True, capture_output=True)
    return made


Options = Callable[[Path, tuple[str, str]], list[str]]


@pytest.mark.parametrize(("options", "words"), [
    (lambda t, c: [], ["--http-token-file", "--tls-certificate", "--behind-proxy", "--http-host"]),
    (lambda t, c: ["--behind-proxy", "--http-host", "gate"], ["--http-token-file"]),
    (lambda t, c: ["--http-token-file", _file(t / "t", TOKEN.decode(), 0o600), "--http-host", "gate"],
     ["--tls-certificate"]),
    (lambda t, c: ["--http-token-file", _file(t / "t", TOKEN.decode(), 0o600), "--behind-proxy"], ["--http-host"]),
    (lambda t, c: ["--http-token-file", _file(t / "t", TOKEN.decode(), 0o640)], ["chmod 600"]),
    (lambda t, c: ["--http-token-file", _file(t / "t", "short-secret", 0o600)], ["at least 32"]),
    (lambda t, c: ["--http-token-file", _file(t / "t", "with a blank " * 4, 0o600)], ["letters"]),
    (lambda t, c: ["--tls-certificate", c[0]], ["give both"]),
    (lambda t, c: ["--tls-certificate", c[0], "--tls-key", c[0]], ["cannot be used together"]),
])
def test_open_to_others_without_token_and_encryption_is_refused_with_what_is_missing(
        options: Options, words: list[str], tmp_path: Path, certificate: tuple[str, str]) -> None:
    given = options(tmp_path, certificate)
    found = CliRunner().invoke(listening, ["--listen", "0.0.0.0:0", *given], env={door.TOKEN: None})
    assert found.exit_code == 2
    flat = re.sub(r"\s+", " ", found.output)
    assert all(word in flat for word in words), flat
    assert "secret" not in flat
    assert "with a blank" not in flat


@pytest.mark.parametrize("proxied", [True, False])
def test_open_to_others_with_token_and_encryption_listens_and_shows_no_token(
        proxied: bool, tmp_path: Path, certificate: tuple[str, str]) -> None:
    encrypted = ["--behind-proxy"] if proxied else ["--tls-certificate", certificate[0], "--tls-key", certificate[1]]
    found = CliRunner().invoke(listening, ["--listen", "0.0.0.0:0", "--http-host", "Gate.Example", *encrypted],
                               env={door.TOKEN: TOKEN.decode()})
    assert (found.exit_code, "gate.example" in found.output) == (0, True)
    assert "localhost" not in found.output
    assert TOKEN.decode() not in found.output


def test_it_answers_over_tls_and_ends_a_handshake_that_does_not_come(
        certificate: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "HEAD_SECONDS", 0.3)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with served(Door(tls=context)) as port:
        assert said(port, request(), ssl.create_default_context(cafile=certificate[0]))[2] == {"a": 1}
        with socket.create_connection(("127.0.0.1", port), timeout=3) as silent:
            assert silent.recv(1) == b""


def test_who_never_agrees_on_encryption_keeps_nobody_out(certificate: tuple[str, str],
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "MOST_HANDSHAKES", 5)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    trusting = ssl.create_default_context(cafile=certificate[0])
    with served(Door(tls=context)) as port, ExitStack() as stack:
        held = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10)) for _ in range(25)]
        for one in held[:20]:  # those that have been at it longest have given way, long before their time was over
            with suppress(ConnectionResetError):
                assert one.recv(1) == b""
        assert said(port, request(), trusting)[2] == {"a": 1}
        held[24].sendall(b"GET / HTTP/1.1\r\n\r\n")  # no encryption at all
        with suppress(ConnectionResetError):
            while held[24].recv(1_000):
                pass
        assert said(port, request(), trusting)[2] == {"a": 1}


# JSON


@pytest.mark.parametrize(("text", "message", "field"), [
    (b'{"a": 1, "a": 2}', "twice", "a"), (b'{"x": {"b": 1, "\\u0062": 2}}', "twice", "b"),
    (b"[" * 100_000, "nested too deeply", None),
    (b"", "no JSON", None), (b"NaN", "no JSON", None), (b"\xff", "no JSON", None), (b'"\\ud800"', "no JSON", None),
    (b"1" * 5000, "no JSON", None), (b"{} {}", "no JSON", None),
])
def test_json_that_cannot_be_used_is_said_so_in_words(text: bytes, message: str, field: str | None) -> None:
    with pytest.raises(BadJson, match=message) as found:
        read_json(text)
    assert found.value.field == field

