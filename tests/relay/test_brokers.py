"""Real brokers, of which one is killed, frozen, restarted, and then all at once: the topics are the log all the same.

One broker, three at full size (tests/sizes.py); the proof has 50,000 events, 20 seconds frozen, a
minute without any broker."""

import time
from collections.abc import Iterator

import pytest

from infra.kafka.cluster import Cluster
from ledger.domain.events import Event
from ledger.relay import status
from ledger.store import open_store
from ledger.wire.kafka import PREFIX
from ledger.wire.topics import EVENTS
from tests.projections.populations import fill, population
from tests.sizes import sized
from tests.waiting import wait_for

from .conftest import (
    Topics,
    assert_states_are_newest,
    assert_topic_is_the_log,
    publish_once,
    published,
    relay,
    start,
    stopped,
)
from .test_faults import written

pytestmark = pytest.mark.faults
STUDENTS = sized(10, 40, 1_300)
DEAD_SECONDS, FROZEN_SECONDS, DARK_SECONDS = sized((1.0, 2.0, 2.0), (2.0, 6.0, 4.0), (6.0, 20.0, 60.0))
WRITTEN_SECONDS = sized(5.0, 15.0, 120.0)
CHUNKS = sized((20, 10), (20, 10), (500, 100))
LONG = 900.0


@pytest.fixture
def topics(cluster: Cluster, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Topics]:
    monkeypatch.setenv(PREFIX, topic_prefix)
    found = Topics(cluster.bootstrap, topic_prefix)
    yield found
    found.close()


@pytest.fixture(scope="module")
def events() -> tuple[Event, ...]:
    return population(STUDENTS)


@pytest.mark.long
def test_topics_are_the_log_when_brokers_are_killed_frozen_and_restarted_one_by_one(cluster, topics,
                                                                                    postgres_url, events) -> None:
    with open_store(postgres_url) as store, relay(postgres_url, topics, chunks=CHUNKS) as process:
        with written(postgres_url, events, WRITTEN_SECONDS, 10):
            wait_for(lambda: topics.count(EVENTS) > 0)
            cluster.fail_one_by_one(DEAD_SECONDS, FROZEN_SECONDS)
        wait_for(lambda: published(postgres_url), LONG)
        assert process.poll() is None
        assert_topic_is_the_log(store, topics)
        assert_states_are_newest(store, topics)


def test_topics_are_the_log_when_all_brokers_are_down_for_a_while(cluster, topics, sqlite_url, events) -> None:
    with open_store(sqlite_url) as store, relay(sqlite_url, topics, chunks=CHUNKS) as process:
        with written(sqlite_url, events, sized(3.0, 3.0, 20.0), 10):
            wait_for(lambda: topics.count(EVENTS) > 0)
            cluster.kill(*cluster.numbers)
            time.sleep(1)  # what they had acknowledged is marked
            before = status(sqlite_url)["topics"]
            time.sleep(DARK_SECONDS)
            after = status(sqlite_url)["topics"]
            cluster.start(*cluster.numbers)
            cluster.wait_ready()
        assert [one["position"] for one in after] == [one["position"] for one in before]
        assert any("acknowledged nothing" in (one["error"] or "") for one in after) == (DARK_SECONDS > 30)
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
