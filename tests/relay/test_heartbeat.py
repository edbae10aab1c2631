"""A heartbeat promises what is acknowledged: whoever has read each partition up to its offsets knows everything up to
`complete_at`."""

import time
from datetime import datetime, timezone

from ledger.domain.values import format_instant
from ledger.store import open_store
from ledger.wire.letters import Heartbeat
from ledger.wire.topics import EVENTS, HEARTBEAT, STATE
from tests.projections.populations import a_debtor, append, fill, population
from tests.waiting import wait_for

from .conftest import Topics, publish_once, relay


def assert_true(topics: Topics, committed: list[tuple[int, str]]) -> int:
    """`committed`: positions, and an instant at which each was certainly committed. How
    many promises were looked at."""
    events = topics.read(EVENTS)
    at = {int(one.headers["position"]): one for one in reversed(events)}
    reflected: dict[str, list[tuple[int, int, int]]] = {}
    for one in topics.read(STATE):
        reflected.setdefault(one.key.split("/")[0],
                             []).append((int(one.headers["position"]), one.partition, one.offset))
    looked = 0
    for topic in (EVENTS, STATE):
        newest = ""
        for beat in topics.heartbeats(topic):
            assert newest <= beat.complete_at <= beat.at
            newest = beat.complete_at
            for position, instant in committed:
                if instant > beat.complete_at:
                    continue
                looked += 1
                assert beat.position >= position
                event = at[position]
                if topic == EVENTS:
                    assert event.offset < beat.offsets[event.partition]
                else:
                    assert any(position <= known and offset < beat.offsets[partition]
                               for known, partition, offset in reflected[event.key])
    return looked


def test_heartbeat_promises_only_what_is_acknowledged(store_url, store, topics) -> None:
    fill(store, population(4))
    committed: list[tuple[int, str]] = []
    with relay(store_url, topics, chunks=(3, 2)):
        for n in range(60):
            position = append(store, *a_debtor(f"S{n:02}"))
            committed.append((position, format_instant(datetime.now(timezone.utc))))
            time.sleep(0.1)
        wait_for(lambda: all(any(b.complete_at > committed[-1][1] for b in topics.heartbeats(t))
                             for t in (EVENTS, STATE)))
    assert assert_true(topics, committed) > 100


def test_heartbeat_goes_on_while_nothing_happens(sqlite_url, topics) -> None:
    with open_store(sqlite_url) as store:
        append(store, *a_debtor("S01"))
        with relay(sqlite_url, topics):
            wait_for(lambda: len(topics.heartbeats(EVENTS)) >= 3 and len(topics.heartbeats(STATE)) >= 3)
    found = topics.heartbeats(EVENTS)
    assert len({beat.complete_at for beat in found}) >= 3
    assert {(beat.position, sum(beat.offsets.values())) for beat in found} == {(3, 3)}


def test_heartbeat_of_a_new_relay_counts_what_the_one_before_has_sent(sqlite_url, topics) -> None:
    with open_store(sqlite_url) as store:
        fill(store, population(3))
        publish_once(sqlite_url, topics)
        events = topics.count(EVENTS)
        publish_once(sqlite_url, topics)
    last: Heartbeat = topics.heartbeats(EVENTS)[-1]
    assert (sum(last.offsets.values()), len(last.offsets), last.position) == (events, 4, events)


def test_heartbeats_are_keyed_by_their_topic(sqlite_url, topics) -> None:
    with open_store(sqlite_url) as store:
        append(store, *a_debtor("S01"))
    publish_once(sqlite_url, topics)
    found = topics.read(HEARTBEAT)
    assert {one.key for one in found} == {EVENTS, STATE}
    assert all(one.headers["ce_type"] == "career.heartbeat.v1" and one.headers["content-type"] == "application/json"
               for one in found)
