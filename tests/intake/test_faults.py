"""Kills, redelivery, members that come and go: whatever happens, each submission has its effect once and one answer."""

import random
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
import pytest
from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError

from infra.kafka.cluster import Cluster
from ledger.bootstrap import clock, law
from ledger.intake import run
from ledger.store import open_store
from ledger.wire.kafka import PREFIX
from ledger.wire.topics import DEAD_LETTER, OUTCOMES
from tests.handling.histories import booking, enrolled, payment
from tests.sizes import at_a_store, sized
from tests.waiting import wait_for

from .conftest import Topics, answered, finish, intake, start

ROUNDS = sized(2, 4, 100)
SHARERS = sized(50, 200)
"""Students whose submissions several members share."""
STATIC = 'group_instance_id="one"'
"""Who is killed and started again takes the place of the dead at once, instead of after a time."""
QUICK = ("session_timeout_ms=2000", "heartbeat_interval_ms=500")


def life(student: str) -> list[dict[str, Any]]:
    """Ten submissions: eight events, one refused and one invalid, each resting on those before it."""
    return [*enrolled(student), booking(student, "b1"), booking(student, "b2"), *(payment(student, n) for n in (1, 2)),
            payment(student, 3) | {"data": {}}, *(payment(student, n) for n in (4, 5))]


KINDS = {"b2": "refused", "p3": "invalid"}


def expected(id_: str) -> str:
    return KINDS.get(id_.rpartition("-")[2], "accepted")


def woven(students: Sequence[str], chance: random.Random) -> list[dict[str, Any]]:
    """Their lives, mixed, each in its order."""
    left = [life(student)[::-1] for student in students]
    found = []
    while left:
        one = chance.choice(left)
        found.append(one.pop())
        left = [life for life in left if life]
    return found


def check(url: str, topics: Topics, students: Sequence[str]) -> dict[str, int]:
    """Each submission has its effect once, in order; each has an answer, and all its answers
    agree. Counts the answers."""
    given: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for one in topics.read(OUTCOMES):
        given[(one.key or b"").decode(), one.headers["submission_id"].decode()].append(one.outcome)
    counted: dict[str, int] = defaultdict(int)
    with open_store(url, create=False) as store:
        streams = store.streams(students)
        assert store.last_position() >= sum(len(stream) for stream in streams.values())
        for student in students:
            accepted = [one["id"] for one in life(student) if expected(one["id"]) == "accepted"]
            assert [(event.id, event.version) for event in streams[student]] == [
                (id_, n) for n, id_ in enumerate(accepted, 1)]
            for event in streams[student]:
                answers = given.pop((student, event.id))
                assert {(one["position"], one["version"]) for one in answers} == {(event.position, event.version)}
                assert {one["outcome"] for one in answers} <= {"accepted", "duplicate"}
                # a frozen member says so late
                assert sum(one["outcome"] == "accepted" for one in answers) <= 1, answers
                for one in answers:
                    counted[one["outcome"]] += 1
            for id_ in (one["id"] for one in life(student) if expected(one["id"]) != "accepted"):
                answers = given.pop((student, id_))
                assert answers == answers[:1] * len(answers)
                assert answers[0]["outcome"] == expected(id_)
                counted[expected(id_)] += len(answers)
    assert not given
    assert not topics.count(DEAD_LETTER)
    return counted


def test_nothing_is_doubled_when_all_messages_come_again(store_url: str, topics: Topics) -> None:
    """Sent twice by their system, and read twice because the group's offsets are gone."""
    students = [f"S{n}" for n in range(20)]
    sent = woven(students, random.Random(1))
    topics.submit(*sent, *sent)
    with intake(store_url, topics):
        answered(topics, 400)
    once = check(store_url, topics, students)
    assert once == {"accepted": 160, "duplicate": 160, "refused": 40, "invalid": 40}
    topics.forget_offsets()
    assert topics.committed() == 0
    with intake(store_url, topics):
        answered(topics, 800)
    assert check(store_url, topics, students) == once | {"duplicate": 480, "refused": 80, "invalid": 80}


@at_a_store
def test_nothing_is_lost_or_doubled_when_the_intake_is_killed(store_url: str, topics: Topics) -> None:
    """kill -9 at random points of its start, its batches (of at most 37) and its end; the next
    begins where the offset stands."""
    chance = random.Random(20260506)
    students: list[str] = []
    for nth in range(ROUNDS + 1):
        new = [f"K{nth}-{n}" for n in range(60)]
        students += new
        before = topics.count()
        process = start(store_url, topics, STATIC, "max_poll_records=37")
        topics.submit(*woven(new, chance))
        try:
            if nth == ROUNDS:
                everything = len(students) * 10
                wait_for(lambda everything=everything: topics.committed() == everything)
                code, said = finish(process)
                assert code == 0, said
            else:
                if chance.random() < 0.8:
                    wait_for(lambda before=before: topics.count() > before)
                time.sleep(chance.random() * 0.4)
        finally:
            process.kill()
            process.communicate()
    counted = check(store_url, topics, students)
    print(f"{ROUNDS} kills, {len(students) * 10} submissions: {counted}")


@at_a_store
def test_members_that_come_and_go_share_the_work(store_url: str, topics: Topics) -> None:
    """Two intakes at once, a third that joins, one that is killed, one that is frozen until the group has given its
    partitions away."""
    chance = random.Random(20260507)
    students = [f"R{n}" for n in range(SHARERS)]
    sent = woven(students, chance)
    share = len(sent) // 5
    members = [start(store_url, topics, "max_poll_records=20", *QUICK) for _ in range(2)]
    try:
        for nth in range(5):
            topics.submit(*sent[nth * share:(nth + 1) * share])
            wait_for(lambda nth=nth: topics.count() > nth * share)
            if nth == 0:
                members.append(start(store_url, topics, "max_poll_records=20", *QUICK))
            elif nth == 1:
                members.pop(0).kill()
            elif nth == 2:  # in the middle of storing it holds the log's lock, and everybody else waits for it
                members[0].send_signal(signal.SIGSTOP)
                time.sleep(4)
                members[0].send_signal(signal.SIGCONT)
            elif nth == 4:
                code, said = finish(members.pop())
                assert code == 0, said
        wait_for(lambda: topics.committed() == len(sent))
        code, said = finish(members[0])
        assert code == 0, said
    finally:
        for member in members:
            member.kill()
            member.communicate()
    print(check(store_url, topics, students))


def test_intake_goes_on_when_the_database_is_back(postgres_url: str, topics: Topics) -> None:
    """All its connections are cut again and again."""
    students = [f"D{n}" for n in range(100)]
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        process = start(postgres_url, topics, "max_poll_records=20")
        try:
            for nth in range(10):
                topics.submit(*(one for student in students[nth * 10:nth * 10 + 10] for one in life(student)))
                wait_for(lambda nth=nth: topics.count() > nth * 100)
                admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
                              "current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'")
            wait_for(lambda: topics.committed() == 1000)
            code, said = finish(process)
            assert code == 0, said
        finally:
            process.kill()
            process.communicate()
    check(postgres_url, topics, students)


def test_clients_are_made_anew_when_nothing_is_acknowledged_for_long(
        sqlite_url: str, topics: Topics, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first producer is stuck, whatever the brokers do."""
    class Stuck(KafkaProducer):
        def flush(self, timeout: float | None = None) -> None:
            time.sleep(timeout or 0)
            raise KafkaTimeoutError

    made: list[KafkaProducer] = []

    def make(**how: Any) -> KafkaProducer:
        made.append((KafkaProducer if made else Stuck)(**how))
        return made[-1]

    monkeypatch.setattr(run, "KafkaProducer", make)
    monkeypatch.setattr(run, "ACKNOWLEDGED_SECONDS", 0.1)
    monkeypatch.setattr(run, "SILENT_SECONDS", 0.3)
    stop, said = threading.Event(), []
    thread = threading.Thread(target=lambda: run.run(
        lambda: open_store(sqlite_url), law(), clock, topics.brokers, run.Serving(stop, said.append)))
    topics.submit(*life("S1"))
    thread.start()
    try:
        wait_for(lambda: topics.committed() == 10)
    finally:
        stop.set()
        thread.join()
    wait_for(lambda: not any(one._sender.is_alive() for one in made), 20)
    made[0]._closed = True  # it would wait once more when it is collected
    assert [str(one) for one in said] == ["Kafka does not answer (KafkaTimeoutError); trying again"]
    assert sum(check(sqlite_url, topics, ["S1"]).values()) == topics.count() >= 10


@pytest.mark.faults
def test_intake_goes_on_when_the_brokers_are_back(
        cluster: Cluster, sqlite_url: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them (a private cluster's) die while outcomes flow. Nobody starts the intake again."""
    monkeypatch.setenv(PREFIX, topic_prefix)
    students = [f"O{n}" for n in range(60)]
    topics = Topics(cluster.bootstrap, topic_prefix)
    process = start(sqlite_url, topics, "max_poll_records=20")
    try:
        topics.submit(*woven(students, random.Random(20260508)))
        wait_for(lambda: topics.count() > 0)
        cluster.kill(*cluster.numbers)
        time.sleep(3)
        cluster.start(*cluster.numbers)
        cluster.wait_ready()
        wait_for(lambda: topics.count() >= 600)
        wait_for(lambda: topics.committed() == 600)
        code, said = finish(process)
        assert code == 0, said
    finally:
        process.kill()
        process.communicate()
    check(sqlite_url, topics, students)
    topics.close()
