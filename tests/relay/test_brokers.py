"""Three real brokers, of which one is killed, frozen, restarted, and then all at once: the topics are the log all the same.

CAREER_LEDGER_TEST_ROUNDS=100 for the full proof: 50,000 events, 20 seconds frozen, a minute without any broker."""

import time
from collections.abc import Iterator

import pytest

from infra.kafka.cluster import Cluster
from ledger.domain.submissions import Event
from ledger.relay import status
from ledger.store import open_store
from ledger.wire.kafka import PREFIX
from ledger.wire.topics import EVENTS
from tests.projections.populations import fill, population

from .conftest import (
    ROUNDS,
    Topics,
    assert_states_are_newest,
    assert_topic_is_the_log,
    publish_once,
    published,
    relay,
    start,
    stopped,
    wait_for,
)
from .test_faults import written

FULL = ROUNDS >= 100
STUDENTS, FROZEN_SECONDS, DARK_SECONDS = (1_300, 20.0, 60.0) if FULL else (40, 6.0, 4.0)
CHUNKS = (500, 100) if FULL else (20, 10)
LONG = 900.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(3) as made:
        yield made


@pytest.fixture
def topics(cluster: Cluster, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> Topics:
    monkeypatch.setenv(PREFIX, topic_prefix)
    return Topics(cluster.bootstrap, topic_prefix)


@pytest.fixture(scope="module")
def events() -> tuple[Event, ...]:
    return population(STUDENTS)


def test_topics_are_the_log_when_brokers_are_killed_frozen_and_restarted_one_by_one(cluster, topics, postgres_url, events) -> None:
    with open_store(postgres_url) as store, relay(postgres_url, topics, chunks=CHUNKS) as process:
        with written(postgres_url, events, 120.0 if FULL else 15.0, 10):
            wait_for(lambda: topics.count(EVENTS) > 0)
            cluster.fail_one_by_one(6.0 if FULL else 2.0, FROZEN_SECONDS)
        wait_for(lambda: published(postgres_url), LONG)
        assert process.poll() is None
        assert_topic_is_the_log(store, topics)
        assert_states_are_newest(store, topics)


def test_topics_are_the_log_when_all_brokers_are_down_for_a_while(cluster, topics, sqlite_url, events) -> None:
    with open_store(sqlite_url) as store, relay(sqlite_url, topics, chunks=CHUNKS) as process:
        with written(sqlite_url, events, 20.0 if FULL else 3.0, 10):
            wait_for(lambda: topics.count(EVENTS) > 0)
            cluster.kill(*cluster.numbers)
            before = status(sqlite_url)["topics"]
            time.sleep(DARK_SECONDS)
            after = status(sqlite_url)["topics"]
            cluster.start(*cluster.numbers)
            cluster.wait_ready()
        assert [one["position"] for one in after] == [one["position"] for one in before]
        assert any("acknowledged nothing" in (one["error"] or "") for one in after) == FULL
        wait_for(lambda: published(sqlite_url), LONG)
        assert process.poll() is None
        assert_topic_is_the_log(store, topics)
        assert_states_are_newest(store, topics)


def test_relay_stops_without_storing_what_no_broker_has_acknowledged(cluster, topics, sqlite_url, events) -> None:
    with open_store(sqlite_url) as store:
        fill(store, events[:50])
        process = start(sqlite_url, topics, chunks=CHUNKS)
        try:
            wait_for(lambda: published(sqlite_url))
            before = [one["position"] for one in status(sqlite_url)["topics"]]
            cluster.kill(*cluster.numbers)
            fill(store, events[50:150])
            time.sleep(1.0)
            code, error = stopped(process)
            assert (code, "sent again at the next start" in error) == (0, True)
            assert [one["position"] for one in status(sqlite_url)["topics"]] == before
        finally:
            process.kill()
            process.communicate()
            cluster.start(*cluster.numbers)
            cluster.wait_ready()
        publish_once(sqlite_url, topics)
        assert_topic_is_the_log(store, topics, again=CHUNKS[0])
        assert_states_are_newest(store, topics)
