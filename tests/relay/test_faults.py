"""The relay is killed, doubled, and loses its database: the topics are the log all the same."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.kafka.cluster import end_with_parent
from ledger.domain.events import Event
from ledger.store import open_store
from ledger.wire.kafka import PREFIX
from ledger.wire.topics import EVENTS
from tests.projections.populations import fill, population
from tests.sizes import at_a_store, sized
from tests.waiting import wait_for

from .conftest import (
    ROUNDS,
    Topics,
    assert_states_are_newest,
    assert_topic_is_the_log,
    log,
    publish_once,
    published,
    relay,
    start,
    stopped,
)
from .servers import CRASH, STOP, Postgres, own_postgres

CHUNK = 40


@contextmanager
def written(url: str, events: Sequence[Event], seconds: float, size: int = 5) -> Iterator[None]:
    """Somebody appends the events meanwhile, spread over so many seconds. At the end all are appended."""
    finish = threading.Event()

    def write() -> None:
        with open_store(url) as store:
            for start_ in range(0, len(events), size):
                store.append(events[start_:start_ + size])
                if not finish.is_set():
                    time.sleep(seconds * size / len(events))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        finish.set()
        writer.join()


@at_a_store
def test_topics_are_the_log_when_the_relay_is_killed_at_random_points(store_url, store, topics) -> None:
    chance = random.Random(7)
    events = population(max(20, ROUNDS * 2))
    share = -(-len(events) // ROUNDS)
    for n in range(ROUNDS):
        before = topics.count(EVENTS)
        with written(store_url, events[n * share:(n + 1) * share], 0.5):
            process = start(store_url, topics, chunks=(CHUNK, 15))
            if n % 3:
                wait_for(lambda before=before: topics.count(EVENTS) > before, pause=0.02)
            time.sleep(chance.uniform(0.0, 2.0 if n % 3 == 0 else 0.4))
            process.kill()
            process.communicate()
    publish_once(store_url, topics)
    assert_topic_is_the_log(store, topics, again=ROUNDS * CHUNK)
    assert_states_are_newest(store, topics)


@at_a_store
def test_restart_sends_at_most_one_chunk_again(store_url, store, topics) -> None:
    fill(store, population(sized(30, 60)))
    whole = len(log(store))
    process = start(store_url, topics, chunks=(CHUNK, 15))
    wait_for(lambda: topics.count(EVENTS) > 10 * CHUNK, pause=0.01)
    process.kill()
    process.communicate()
    assert topics.count(EVENTS) < whole, "killed too late"
    publish_once(store_url, topics, (CHUNK, 15))
    assert_topic_is_the_log(store, topics, again=CHUNK)


@at_a_store
def test_one_relay_is_active_and_another_takes_over(store_url, store, topics) -> None:
    events = population(sized(16, 40))
    half = len(events) // 2
    fill(store, events[:half])
    first, second = (start(store_url, topics, chunks=(CHUNK, 15)) for _ in range(2))
    try:
        wait_for(lambda: published(store_url))
        assert_topic_is_the_log(store, topics)  # nothing twice: only one has sent
        pair = [first, second]
        for process in pair:
            process.send_signal(signal.SIGSTOP)
        for process in pair:
            process.send_signal(signal.SIGCONT)
        with written(store_url, events[half:], 2.0):
            time.sleep(0.5)
            first.kill()
            said = first.communicate()[1]
        wait_for(lambda: published(store_url))
        code, also = stopped(second)
        assert code == 0, also
        assert sorted(("standing by" in said, "standing by" in also)) == [False, True]
    finally:
        for process in (first, second):
            process.kill()
            process.communicate()
    assert_topic_is_the_log(store, topics, again=CHUNK)
    assert_states_are_newest(store, topics)


@pytest.fixture(scope="module")
def own_server() -> Iterator[Postgres]:
    with own_postgres() as found:
        yield found


@pytest.mark.xdist_group("own PostgreSQL")  # making its files takes longer than the rest
@pytest.mark.server
@pytest.mark.parametrize(("how", "down"), [(CRASH, 3.0), *sized([], [(CRASH, 0.0), (STOP, 3.0), (STOP, 0.0)])])
@pytest.mark.faults
def test_topics_are_the_log_when_postgresql_is_restarted_under_the_relay(own_server, topics, how, down) -> None:
    events, url = population(sized(16, 40)), own_server.empty()
    open_store(url).close()  # a relay starts where a ledger is
    with relay(url, topics, chunks=(CHUNK, 15)) as process:
        with written(url, events, sized(3.0, 6.0), 20):
            wait_for(lambda: topics.count(EVENTS) > 0)
            own_server.restart(how, down)
        with open_store(url) as store:
            wait_for(lambda: published(url))
            assert process.poll() is None
            assert_topic_is_the_log(store, topics, again=2 * CHUNK)
            assert_states_are_newest(store, topics)


def from_the_command_line(url: str, topics: Topics) -> "subprocess.Popen[str]":
    """With helpers of its own, as it has them where no test looks on."""
    return subprocess.Popen([sys.executable, "-m", "tests.relay.worker", str(CHUNK), "15", "--db", url, "publish",
                             "--kafka", topics.brokers, "--partitions", "4"], env=os.environ | {PREFIX: topics.prefix},
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=end_with_parent)


def children(pid: int) -> list[int]:
    """The processes that any thread of this one has started, oldest first (Linux)."""
    return sorted(int(one) for task in Path(f"/proc/{pid}/task").glob("*/children") for one in task.read_text().split())


def test_relay_ends_with_its_helpers_when_it_is_killed(sqlite_url, topics: Topics) -> None:
    with open_store(sqlite_url) as store:
        fill(store, population(5))
    process = from_the_command_line(sqlite_url, topics)
    wait_for(lambda: published(sqlite_url))
    helpers = children(process.pid)
    assert len(helpers) >= 2
    process.kill()
    process.communicate()
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in helpers), 20.0)


def test_relay_begins_again_when_its_helper_is_killed(sqlite_url, topics: Topics) -> None:
    with open_store(sqlite_url) as store:
        events = population(10)
        process = from_the_command_line(sqlite_url, topics)
        try:
            with written(sqlite_url, events, 2.0):
                wait_for(lambda: topics.count(EVENTS) > 0)
                os.kill(children(process.pid)[-1], signal.SIGKILL)
            wait_for(lambda: published(sqlite_url) and topics.count(EVENTS) >= len(events))
            code, error = stopped(process)
            assert (code, "beginning again" in error) == (0, True)
        finally:
            process.kill()
            process.communicate()
        assert_topic_is_the_log(store, topics, again=2 * CHUNK)
