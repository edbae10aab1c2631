"""Publishing once more beside a live relay, and the hashes that an archive compares itself with."""

import json
import threading
from functools import partial
from hashlib import sha256

import pytest
from kafka.errors import KafkaTimeoutError

from ledger.relay import again, status
from ledger.store import EventStore, open_store
from ledger.wire.topics import EVENTS, STATE
from tests.projections.populations import BOOKS, a_debtor, append, fill, population
from tests.sizes import at_a_store, sized
from tests.waiting import wait_for

from .conftest import (
    assert_states_are_newest,
    assert_topic_is_the_log,
    command,
    done,
    log,
    publish_once,
    published,
    relay,
)


def test_publish_from_sends_the_log_from_a_position_on_again(store_url, store, topics) -> None:
    fill(store, population(10))
    recorded = log(store)
    publish_once(store_url, topics)
    half = recorded[len(recorded) // 2][0]
    code, said, _ = done(store_url, topics, "--from", str(half))
    above = [record for position, record, _ in recorded if position >= half]
    assert code == 0
    assert said.startswith(f"Published again. Events: {len(above)}; states: ")
    assert_topic_is_the_log(store, topics, again=len(above))
    assert_states_are_newest(store, topics)
    assert topics.count(EVENTS) == len(recorded) + len(above)
    keys = [one.key for one in topics.read(STATE)]
    assert {key.split("/")[0] for key in keys if keys.count(key) > 1} == {record["student"] for record in above}
    assert all(one["position"] == recorded[-1][0] for one in status(store_url)["topics"])


@at_a_store
def test_publish_from_beside_a_live_relay_leaves_the_newest_state_last(store_url, store, topics) -> None:
    events = population(sized(10, 20))
    half = len(events) // 2
    fill(store, events[:half])
    with relay(store_url, topics, chunks=(50, 10)):
        wait_for(lambda: published(store_url))

        def write() -> None:
            fill(store, events[half:], 5)

        writer = threading.Thread(target=write)
        writer.start()
        for first in ("0", "1", "1"):
            assert done(store_url, topics, "--from", first)[0] == 0
        writer.join()
        wait_for(lambda: published(store_url))
    assert_topic_is_the_log(store, topics, again=3 * len(events))
    assert_states_are_newest(store, topics)


def test_brokers_that_acknowledge_nothing_are_not_waited_for_without_end(sqlite_url, topics, monkeypatch) -> None:
    """Of a command that somebody waits for: it ends, and nothing goes on trying."""
    with open_store(sqlite_url) as store:
        append(store, *a_debtor("S01"))
    publish_once(sqlite_url, topics)
    monkeypatch.setattr("kafka.producer.sender.Sender._handle_produce_response", lambda *_, **__: None)
    monkeypatch.setattr(again, "PATIENCE_SECONDS", 0.5)
    before = {*threading.enumerate()}
    for ask in (partial(again.replay, student="S01"), partial(again.publish_from, position=1)):
        with pytest.raises(KafkaTimeoutError):
            ask(sqlite_url, BOOKS, topics.brokers)
    for one in {*threading.enumerate()} - before:
        one.join(20)
        assert not one.is_alive()


def test_replay_sends_one_student_again(store_url, store, topics) -> None:
    append(store, *a_debtor("S01"), *a_debtor("S02"), *a_debtor("S03"))
    publish_once(store_url, topics)
    before = (topics.count(EVENTS), topics.count(STATE))
    code, said, _ = done(store_url, topics, "--replay", "S02")
    assert (code, said) == (0, "Published again. Events: 3; states: 1.\n")
    assert (topics.count(EVENTS), topics.count(STATE)) == (before[0] + 3, before[1] + 1)
    assert [one.headers["version"] for one in topics.read(EVENTS) if one.key == "S02"] == ["1", "2", "3", "1", "2", "3"]
    assert_topic_is_the_log(store, topics, again=3)
    assert_states_are_newest(store, topics)


def test_replay_of_an_unknown_student_is_not_found(sqlite_url, topics) -> None:
    with open_store(sqlite_url) as store:
        append(store, *a_debtor("S01"))
    code, _, error = done(sqlite_url, topics, "--replay", "NOBODY")
    assert (code, "NOBODY" in error) == (3, True)
    assert topics.count(EVENTS) == 0


def test_digests_are_those_of_the_bytes_stored_and_of_the_messages(store_url, store: EventStore, topics) -> None:
    fill(store, population(5))
    publish_once(store_url, topics)
    code, said, _ = command(store_url, "digests")
    found = [json.loads(line) for line in said.splitlines()]
    stored = {position: store.digest(state) for position, _, state in store._recorder.log(0, 100_000)}
    sent = {int(one.headers["position"]): sha256(one.value or b"").hexdigest() for one in topics.read(EVENTS)}
    assert code == 0
    assert [one["position"] for one in found] == sorted(stored)
    assert all((one["digest"], one["payload_sha256"]) == (stored[one["position"]], sent[one["position"]])
               for one in found)
    code, said, _ = command(store_url, "digests", "--after", str(found[-3]["position"]))
    assert [json.loads(line) for line in said.splitlines()] == found[-2:]
    assert found[0].keys() == {"position", "student", "version", "type", "digest", "payload_sha256"}
