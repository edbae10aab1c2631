"""Moments that have not come: the relay tells of none, and says so."""

import sqlite3
from datetime import datetime, timezone
from threading import Event as Flag

import pytest

from ledger.domain.values import format_instant
from ledger.relay import Relay, positions, prepare
from ledger.relay.positions import Positions
from ledger.relay.prepare import EventSource, StateSource
from ledger.store import open_store
from ledger.wire.kafka import KafkaUnusable
from ledger.wire.message import History
from ledger.wire.topics import EVENTS, STATE
from tests.projections.populations import BOOKS, a_debtor, append, submission

from .conftest import publish_once

HISTORY = History("test", 1)


def test_event_of_a_moment_that_has_not_come_sets_its_student_aside_until_it_has(sqlite_url, monkeypatch) -> None:
    with open_store(sqlite_url) as store:
        append(store, *a_debtor("S01"), *a_debtor("S02"))
        early = max(event.recorded_at for event in store.log())
        append(store, submission("S01", "x4", "suspended", "2026-04-01", {"reason": "x"}, "2026-04-30"))
        monkeypatch.setattr(prepare, "latest", lambda: format_instant(early)[:19])  # 30 April has not come
        source = EventSource(store, 0, 4, HISTORY)
        chunk = source.next()
        assert [dict(headers)["position"] for _, _, _, headers in chunk.messages] == [b"%d" % n for n in range(1, 7)]
        [(stream, student, position, why)] = chunk.aside
        assert (student, position, "not come by this machine's clock" in why) == ("S01", 7, True)
        states = StateSource(store, BOOKS, 0, 4, HISTORY).next()
        assert ([key for _, key, _, _ in states.messages],
                [one[1] for one in states.aside]) == ([b"S02/S02-B"], ["S01"])
        again = EventSource(store, chunk.position, 4, HISTORY, aside={stream: position}).next()
        assert (again.messages, again.taken_up) == ([], [])
        monkeypatch.undo()
        again = EventSource(store, chunk.position, 4, HISTORY, aside={stream: position}).next()
        assert ([dict(headers)["position"] for _, _, _, headers in again.messages],
                again.taken_up) == ([b"7"], [stream])


def test_heartbeat_does_not_speak_of_a_moment_that_another_clock_left_behind(sqlite_url, topics) -> None:
    with open_store(sqlite_url) as store:
        append(store, *a_debtor("S01"))
    publish_once(sqlite_url, topics)
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE relay_positions SET complete_at = '2090-01-01T00:00:00Z'")
    said: list[str] = []
    Relay(sqlite_url, BOOKS, topics.brokers, 4, None, said.append).run(Flag(), once=True)
    assert sum("2090-01-01T00:00:00Z, which has not come" in line for line in said) == 2
    now = format_instant(datetime.now(timezone.utc))
    assert all(beat.complete_at <= now for name in (EVENTS, STATE) for beat in topics.heartbeats(name))


def test_relay_stops_when_its_clock_is_ahead_of_the_databases(postgres_url, monkeypatch) -> None:
    with open_store(postgres_url), Positions(postgres_url) as found:
        found.check_clock()
        monkeypatch.setattr(positions, "AHEAD_SECONDS", -3600.0)
        with pytest.raises(KafkaUnusable, match="ahead of the database's: set it right"):
            found.check_clock()
