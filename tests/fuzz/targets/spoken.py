"""What is typed: addresses of databases and brokers, days, moments, years and courses; and what is asked over HTTP."""

import asyncio
import json
import re
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache, partial
from threading import Event as Flag
from typing import Any

import click
import uvicorn
from psycopg.conninfo import conninfo_to_dict
from uvicorn.server import ServerState

from consumers.booking_gate.answers import Gate
from consumers.booking_gate.http import routes
from consumers.booking_gate.service import BookingGate
from consumers.database import Database
from consumers.kit.command import day as day_of_a_service
from consumers.kit.tables import migrations
from ledger.edges.address import WrongAddress, forget_argument, hidden, sqlite_path
from ledger.edges.text import said
from ledger.edges.web import Application, Door, _Bounded
from ledger.entrypoints.cli import options
from ledger.sql.postgres import place_of
from ledger.wire.kafka import KafkaUnusable, connection
from ledger.words.accepted import preferred

from .target import Target, law, or_refused

SECRET = "pa55w0rd"


def typed(text: bytes) -> str:
    """As Python hands over an argument that is no UTF-8."""
    return text.decode("utf-8", "surrogateescape")


def address(text: bytes) -> None:
    url = typed(text)
    try:
        path = sqlite_path(url)
    except WrongAddress as error:
        if SECRET in str(error):
            raise AssertionError("a password is repeated") from error
        path = None
    else:
        if path is None:
            place = or_refused(lambda: place_of(url), WrongAddress)
            if place is not None:
                conninfo_to_dict(url)
                assert SECRET not in place or SECRET not in url.partition("@")[0]
    said(hidden(url)).encode()


def argument(text: bytes) -> None:
    """The password of one is taken out of what `ps` shows; that of this process has none."""
    forget_argument(typed(text))


def brokers(text: bytes) -> None:
    or_refused(lambda: connection(typed(text)), KafkaUnusable)


def a_day(read: Callable[[str], object], text: bytes) -> None:
    """A value from which days can be counted, and which can be printed."""
    given = typed(text)
    try:
        found = read(given)
    except click.ClickException as error:
        said(error.format_message()).encode()
        return
    str(found).encode()
    if isinstance(found, datetime):
        found.astimezone(UTC).isoformat()
    elif isinstance(found, date):
        assert found.isoformat() == given
        assert found.replace(year=found.year - 100) < found.replace(year=found.year + 100, day=1)


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.closed = b"", False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading


@cache
def service() -> tuple[asyncio.AbstractEventLoop, uvicorn.Config]:
    database = Database(f"sqlite:///{tempfile.mkdtemp()}/own.db")
    database.migrate(migrations(BookingGate))
    started = Flag()
    started.set()
    app: Any = Application(routes(Gate(database, law(), 1e12), started), Door(), frozenset({"localhost"}))
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none", proxy_headers=False)
    config.load()
    return asyncio.new_event_loop(), config


_STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")


def request(text: bytes) -> None:
    """The bytes of a connection, in two pieces."""
    loop, config = service()
    state, wire = ServerState(), Wire()
    server = _Bounded(config, state, {}, loop)
    server.silent = {}
    half = len(text) // 2

    async def talk() -> None:
        server.connection_made(wire)
        for piece in (text[:half], text[half:]):
            if piece and not wire.closed:
                server.data_received(piece)
        for _ in range(50):
            if not state.tasks:
                break
            await asyncio.sleep(0)
        server.connection_lost(None)
        for _ in range(50):
            if not state.tasks:
                break
            await asyncio.sleep(0)

    loop.run_until_complete(talk())
    assert not state.tasks, "it goes on without end"
    assert not wire.written or _STATUS.match(wire.written), wire.written[:200]
    assert b"500" not in [status[1] for status in _STATUS.finditer(wire.written)], wire.written[:500]


def questions() -> list[bytes]:
    body = json.dumps({"student": "S01", "career": "S01-B", "course": "F1", "held_on": "2026-06-22",
                       "session": "summer", "academic_year": "2025-26", "calls_start_on": "2026-06-08",
                       "on": "2026-05-28"}).encode()
    head = (b"Host: localhost\r\nContent-Type: application/json\r\nAccept-Language: it;q=0.9, en\r\n"
            b"Content-Length: %d\r\n\r\n")
    return [b"POST /v1/booking HTTP/1.1\r\n" + head % len(body) + body,
            b"POST /v1/booking HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body),
            b"GET /v1/knowledge HTTP/1.1\r\nHost: localhost:80\r\n\r\nGET /x HTTP/1.1\r\nHost: localhost\r\n\r\n"]


def language(text: bytes) -> None:
    assert preferred(text.decode("latin-1")) in ("it", "en")


TARGETS = (
    Target("address", address, lambda: [
        f"postgresql://anna:{SECRET}@db.example:5432/ledger?sslmode=require".encode(), b"postgres://u@[::1]/l",
        f"postgresql://u@h1,h2:5433/l?password={SECRET}".encode(), b"sqlite:////var/lib/ledger.db", b"sqlite:///x.db"]),
    Target("argument", argument, lambda: [f"postgresql://u:{SECRET}@h/l?password={SECRET}".encode()]),
    Target("brokers", brokers, lambda: [b"host:9092,other:9093", b"[::1]:9092"]),
    *(Target(name, partial(a_day, read), lambda seed=seed: [seed]) for name, read, seed in (
        ("day", options.day, b"2026-02-10"), ("moment", options.instant, b"2026-04-20T09:00:00+02:00"),
        ("academic-year", options.academic_year, b"2025-26"), ("course", options.course_code, b"MAT-01"),
        ("day-of-a-service", day_of_a_service, b"2026-02-10"))),
    Target("http-request", request, questions),
    Target("accept-language", language, lambda: [b"it;q=0.9, en;q=0.8, *", b"fr, it-IT"]),
)
