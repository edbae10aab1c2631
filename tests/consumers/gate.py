"""What the tests of the booking gate share: messages put before it without a broker, and questions over HTTP."""

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from http.client import HTTPConnection
from typing import Any

from msgspec.structs import replace

from consumers.booking_gate.answers import Gate
from consumers.booking_gate.http import routes
from consumers.booking_gate.service import BookingGate
from consumers.database import Database
from consumers.kit.service import Record
from consumers.kit.tables import migrations
from ledger.domain.books import LawBooks
from ledger.domain.events import payload_json
from ledger.domain.values import format_instant
from ledger.edges.door import Door, bound_to
from ledger.edges.web import Server
from ledger.wire.letters import Heartbeat
from ledger.wire.message import History, Message
from ledger.wire.reading import Unreadable
from ledger.wire.topics import HEARTBEAT, STATE
from tests.projections.populations import BOOKS

from .support import ORIGIN

NOW = datetime(2026, 5, 28, 10, 0, tzinfo=UTC)


class Fed:
    """A gate that is handed its messages as the loop does it."""

    def __init__(self, own: Database, books: LawBooks = BOOKS, max_age: float = 60.0) -> None:
        self.own, self.service, self._offset = own, BookingGate(), itertools.count()
        own.migrate(migrations(BookingGate))
        self.gate = Gate(own, books, max_age)

    def take(self, messages: Iterable[Message]) -> list[Unreadable]:
        """The errors of those that could not be read."""
        errors = []
        with self.own.transaction() as tx:
            for m in messages:
                record = Record(m.topic, 0, next(self._offset), 0, m.key, m.value, m.headers)
                try:
                    self.service.messages(tx, m.topic, [(record, self.service.read(record))])
                except Unreadable as error:
                    self.service.unusable(tx, record, error)
                    errors.append(error)
        return errors

    def read_up_to(self, offset: int) -> None:
        with self.own.transaction() as tx:
            tx.run("INSERT INTO booking_gate_positions (topic, part, next_offset, log_position) VALUES (:topic, 0, "
                   ":offset, 0) ON CONFLICT (topic, part) DO UPDATE SET next_offset = excluded.next_offset",
                   {"topic": STATE, "offset": offset})

    def know(self, complete_at: datetime = NOW, offset: int = 0, position: int = 100_000) -> None:
        self.take([heartbeat(complete_at, {0: offset}, position)])
        self.service.idle(self.own)

    def forget(self) -> None:
        with self.own.transaction() as tx:
            tx.run("DELETE FROM booking_gate_careers")

    def ask(self, now: datetime = NOW, **asked: Any) -> dict[str, Any]:
        return self.gate.answer(asked, now)


def heartbeat(complete_at: datetime, offsets: Mapping[int, int], position: int = 100_000, topic: str = STATE,
              history: History = ORIGIN) -> Message:
    at = format_instant(complete_at)
    return Heartbeat(topic=topic, at=format_instant(complete_at + timedelta(milliseconds=5)), complete_at=at,
                     position=position, offsets=dict(offsets)).message(history)


def a_call(**changes: Any) -> dict[str, Any]:
    return {"course": "A", "held_on": "2026-06-22", "session": "summer", "academic_year": "2025-26",
            "calls_start_on": "2026-06-08", "on": "2026-05-28"} | changes


def as_question(student: str, career: str, on: date, call: Any) -> dict[str, Any]:
    return {"student": student, "career": career, "on": on.isoformat()} | payload_json(replace(call, note=None))


class Portal:
    """Asks over one connection that stays open."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._connection = HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(self, asked: Any, path: str = "/v1/booking", method: str = "POST",
            language: str = "en") -> tuple[int, dict[str, Any]]:
        body = asked if isinstance(asked, bytes) else json.dumps(asked).encode()
        self._connection.request(method, path, body if method == "POST" else None,
                                 {"Content-Type": "application/json", "Accept-Language": language})
        answer = self._connection.getresponse()
        self.headers = answer.headers
        return answer.status, json.loads(answer.read())


@contextmanager
def portal(service: BookingGate, url: str, books: LawBooks = BOOKS, max_age: float = 60.0) -> Iterator[Portal]:
    place = bound_to("127.0.0.1:0", Door(), "--listen")
    with Database(url) as database, Server(routes(Gate(database, books, max_age), service.started), place):
        yield Portal(place.port)


__all__ = ["HEARTBEAT", "NOW", "Fed", "Portal", "a_call", "as_question", "heartbeat", "portal"]
