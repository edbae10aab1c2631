"""Whatever happens to a consumer, its database or its broker: its tables equal a fold of the log, exactly."""

import itertools
import time
from pathlib import Path

import psycopg
import pytest

from consumers.database import Database
from infra.kafka.cluster import Cluster
from ledger.wire.kafka import PREFIX
from tests.sizes import at_a_store
from tests.waiting import eventually

from .counter import Counter
from .support import ROUNDS, Member, Topics, a_log, an_endless_log, arrived, in_thread, killed
from .test_loop_contract import assert_exactly

COUNTER = "tests.consumers.counter"


@at_a_store
def test_killed_at_random_points_it_loses_and_doubles_nothing(topics: Topics, own: Database, tmp_path: Path) -> None:
    with topics.traffic(an_endless_log(students=40)) as traffic:
        killed(ROUNDS, topics, COUNTER, "counter", own, tmp_path / "log", lambda: _handled(own))
    with in_thread(Counter(), own.url, topics.bootstrap):
        eventually(lambda: arrived(own, "counter", traffic.ends, topics.prefix), "all handled")
    assert_exactly(own, traffic.sent)


def _handled(own: Database) -> int:
    try:
        [(found,)] = own.ask("SELECT count(*) FROM counter_seen")
    except Exception:  # before its first start there is no table
        return 0
    return int(found)


@at_a_store
def test_three_members_that_come_and_go_share_the_work_without_a_loss_or_a_double(topics: Topics, own: Database,
                                                                                  tmp_path: Path) -> None:
    number = itertools.count()

    def member() -> Member:
        return Member(COUNTER, own.url, topics.bootstrap, topics.prefix, tmp_path / f"log-{next(number)}")

    with topics.traffic(an_endless_log(students=60)) as traffic:
        members = [member() for _ in range(3)]
        for round_ in range(ROUNDS):
            time.sleep(2)
            leaves = members.pop(0)
            eventually(lambda leaves=leaves: "started" in leaves.said(), "started")
            if round_ % 2:
                leaves.kill()
            else:
                assert leaves.stop() == 0, leaves.said()
            members.append(member())
    eventually(lambda: all("started" in one.said() for one in members), "all have started")
    eventually(lambda: arrived(own, "counter", traffic.ends, topics.prefix), "all handled")
    assert [one.stop() for one in members] == [0, 0, 0]
    assert_exactly(own, traffic.sent)


def test_two_members_that_both_believe_they_have_a_partition_apply_it_once(topics: Topics, own: Database) -> None:
    with topics.traffic(an_endless_log(students=30), each=50,
                        pause=0.005) as traffic, in_thread(Counter(), own.url, topics.bootstrap), \
            in_thread(Counter(), own.url, topics.bootstrap, group=f"{topics.prefix}another"):
        eventually(lambda: _handled(own) > 1000, "both at work")
    with in_thread(Counter(), own.url, topics.bootstrap):
        eventually(lambda: arrived(own, "counter", traffic.ends, topics.prefix), "all handled")
    assert_exactly(own, traffic.sent)


def test_waits_while_its_database_is_away(topics: Topics, postgres_url: str) -> None:
    base, name = postgres_url.rsplit("/", 1)
    with Database(postgres_url) as own, in_thread(Counter(), postgres_url, topics.bootstrap):
        with topics.traffic(an_endless_log(students=30)) as traffic, psycopg.connect(f"{base}/postgres",
                                                                                     autocommit=True) as admin:
            for away in (0.0, 0.0, 3.0):
                before = _handled(own)
                eventually(lambda before=before: _handled(own) > before, "at work")
                admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {away == 0}".encode())
                admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
                time.sleep(0.3 + away)
                admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
        eventually(lambda: _handled(own) > 0 and arrived(own, "counter", traffic.ends, topics.prefix), "all handled")
        assert_exactly(own, traffic.sent)


@pytest.mark.faults
def test_goes_on_when_the_brokers_come_back(cluster: Cluster, sqlite_url: str, topic_prefix: str, monkeypatch) -> None:
    monkeypatch.setenv(PREFIX, topic_prefix)
    versions: dict[str, int] = {}
    log = a_log(students=30, events=1000, versions=versions)
    later = a_log(students=30, events=1000, first=1001, versions=versions)
    topics = Topics(cluster.bootstrap, topic_prefix)
    ends = topics.send(log)
    with Database(sqlite_url) as own, in_thread(Counter(), sqlite_url, cluster.bootstrap):
        eventually(lambda: arrived(own, "counter", ends, topic_prefix) if _handled(own) > 0 else False,
                   "handled before")
        cluster.kill(*cluster.numbers)
        time.sleep(2)
        cluster.start(*cluster.numbers)
        cluster.wait_ready()
        ends = topics.send(later)
        eventually(lambda: arrived(own, "counter", ends, topic_prefix), "handled afterwards")
        assert_exactly(own, [*log, *later])
    topics.close()


def test_waits_for_topics_that_do_not_exist_yet(
        sqlite_url: str, kafka_bootstrap: str, topic_prefix: str, monkeypatch) -> None:
    monkeypatch.setenv(PREFIX, topic_prefix)
    with Database(sqlite_url) as own, in_thread(Counter(), sqlite_url, kafka_bootstrap):
        time.sleep(2)
        topics = Topics(kafka_bootstrap, topic_prefix)
        log = a_log(students=3, events=30)
        ends = topics.send(log)
        eventually(lambda: arrived(own, "counter", ends, topic_prefix), "handled")
        assert_exactly(own, log)
        topics.close()
