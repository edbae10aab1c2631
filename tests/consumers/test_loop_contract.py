"""What the loop promises every service, with the real broker and both databases."""

import json
import logging
import subprocess
import sys
import urllib.request
from collections.abc import Iterable

import pytest
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from prometheus_client import REGISTRY

from consumers.database import Database
from ledger.edges.door import Door, bound_to
from ledger.edges.web import Server
from ledger.wire import reading
from ledger.wire.message import Message, header
from ledger.wire.topics import DEAD_LETTER, EVENTS
from tests.waiting import eventually

from .counter import Counter
from .support import Topics, a_log, an_event, arrived, as_message, changed, in_thread, runs_into


def seen(own: Database) -> set[tuple[str, int, int]]:
    return {(s, v, p) for s, v, p in own.ask("SELECT student, version, position FROM counter_seen")}


def fold(log: Iterable[Message]) -> set[tuple[str, int, int]]:
    return {(m.key.decode(), int(header(m.headers, "version") or ""), int(header(m.headers, "position") or ""))
            for m in log}


def assert_exactly(own: Database, log: Iterable[Message]) -> None:
    """Each event of the log had its effect once, in order."""
    expected = fold(log)
    assert seen(own) == expected
    students = len({student for student, _, _ in expected})
    assert own.ask("SELECT count(*), sum(events), sum(in_order) FROM counter_totals") == [(students, len(expected),
                                                                                           len(expected))]


def parked(own: Database) -> list[tuple[str, int, str]]:
    return [(s, v, r) for s, v, r in own.ask("SELECT student, version, reason FROM counter_parked ORDER BY student")]


def handle(topics: Topics, own: Database, messages: Iterable[Message], service: Counter | None = None) -> None:
    """Sends the messages and runs a consumer until it has handled all of them."""
    ends = topics.send(messages)
    with in_thread(service or Counter(), own.url, topics.bootstrap) as loop:
        eventually(lambda: len(loop._retried) == topics.partitions and arrived(own, "counter", ends, topics.prefix),
                   "all handled")


def test_every_event_is_handled_once_and_in_order(topics: Topics, own: Database) -> None:
    log = a_log(students=50, events=3000)
    handle(topics, own, log)
    assert_exactly(own, log)


def test_what_is_sent_again_has_no_effect(topics: Topics, own: Database) -> None:
    log = a_log(students=5, events=100)
    handle(topics, own, [*log, *log[40:], *log])
    assert_exactly(own, log)
    assert REGISTRY.get_sample_value("career_consumer_duplicates_total", {"consumer": "counter"}) >= 160


def test_a_gap_parks_only_its_student_until_the_missing_event_comes_behind_newer_ones(
        topics: Topics, own: Database, caplog: pytest.LogCaptureFixture) -> None:
    log = a_log(students=3, events=60)
    missing = [m for m in log if (m.key, header(m.headers, "version")) in ((b"S0001", "7"), (b"S0001", "9"))]
    with caplog.at_level(logging.WARNING):
        handle(topics, own, [m for m in log if m not in missing])
    assert parked(own) == [("S0001", 7, "gap")]
    assert seen(own) == {one for one in fold(log) if one[0] != "S0001" or one[1] < 7}
    alarm = next(r.getMessage() for r in caplog.records if r.levelno == logging.ERROR)
    assert "student S0001 waits for version 7 (gap" in alarm
    assert f"{EVENTS} partition " in alarm
    assert "amount" not in alarm

    handle(topics, own, missing[:1])
    assert parked(own) == [("S0001", 9, "gap")]
    handle(topics, own, log)  # a re-publication of everything, behind newer ones
    assert parked(own) == []
    assert own.ask("SELECT count(*) FROM counter_aside") == [(0,)]
    assert_exactly(own, log)


def test_a_student_whose_first_event_is_missing_waits_for_it(topics: Topics, own: Database) -> None:
    log = a_log(students=1, events=4)
    handle(topics, own, log[1:])
    assert (seen(own), parked(own)) == (set(), [("S0000", 1, "gap")])
    handle(topics, own, log[:1])
    assert_exactly(own, log)


POISON = {
    "no JSON": lambda m: changed(m, b"\xff{"),
    "altered": lambda m: changed(m, m.value[:-1] + b" }"),
    "no value": lambda m: m._replace(value=None),
    "other position": lambda m: changed(m, position="999999"),
}


@pytest.mark.parametrize("kind", POISON)
def test_poison_goes_to_the_dead_letters_and_parks_its_student(topics: Topics, own: Database, kind: str) -> None:
    log = a_log(students=3, events=30)
    spoilt = [POISON[kind](m) if (m.key, header(m.headers, "version")) == (b"S0002", "4") else m for m in log]
    handle(topics, own, spoilt)
    assert parked(own) == [("S0002", 4, "unreadable")]
    assert seen(own) == {one for one in fold(log) if one[0] != "S0002" or one[1] < 4}
    [letter] = topics.read(DEAD_LETTER)
    [bad] = [m for m in spoilt if m not in log]
    assert (letter.key, letter.value) == (b"S0002", bad.value)
    said = dict(letter.headers)
    assert (said["dead_letter_consumer"], said["dead_letter_topic"]) == (b"counter", (topics.prefix + EVENTS).encode())
    assert {name: text for name, text in letter.headers if not name.startswith("dead_letter_")} == dict(bad.headers)

    handle(topics, own, [])  # started again: it is tried again, and no second letter is sent
    assert (parked(own), len(topics.read(DEAD_LETTER))) == ([("S0002", 4, "unreadable")], 1)
    handle(topics, own, [m for m in log if m.key == b"S0002"])
    assert parked(own) == []
    assert_exactly(own, log)


def test_a_message_that_names_no_event_is_a_dead_letter_and_holds_nobody_up(
        topics: Topics, own: Database, caplog: pytest.LogCaptureFixture) -> None:
    log = a_log(students=2, events=10)
    strays = [changed(log[3], version=None), changed(log[4], version="first"), log[5]._replace(key=b"two words"),
              log[5]._replace(key=b""), log[5]._replace(key=None)]
    handle(topics, own, [*log[:5], *strays, *log[5:]])
    letters = topics.read(DEAD_LETTER)
    assert parked(own) == []
    assert sorted(one.key for one in letters if one.key is not None) == sorted(
        m.key for m in strays if m.key is not None)
    assert len(letters) == len(strays)  # the one without a key has none here either
    assert caplog.text.count("dead letter:") == len(strays)
    assert "parked" not in caplog.text
    assert_exactly(own, log)


@pytest.mark.parametrize("ce_type", ["career.grant-awarded.v1", "career.instalment-paid.v2"])
def test_an_unknown_type_or_version_waits_for_a_newer_release(
        topics: Topics, own: Database, ce_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    log = a_log(students=2, events=20)
    newer = [changed(m, ce_type=ce_type) if (m.key, header(m.headers, "version")) in ((b"S0001", "3"), (b"S0001", "6"))
             else m
             for m in log]
    handle(topics, own, newer)
    assert parked(own) == [("S0001", 3, "unknown-type")]
    assert len(topics.read(DEAD_LETTER)) == 1
    assert seen(own) == {one for one in fold(log) if one[0] != "S0001" or one[1] < 3}

    class Newer(Counter):
        def read(self, record):
            known = [(k, v) for k, v in record.headers if k != "ce_type"]
            return reading.read_event(record.key, record.value, [*known, ("ce_type", b"career.instalment-paid.v1")])

    handle(topics, own, [], Newer())
    assert parked(own) == []
    assert_exactly(own, log)


def test_a_message_of_two_megabytes_is_an_event_like_others(topics: Topics, own: Database) -> None:
    log = a_log(students=2, events=20)
    record = an_event("S0000", 11, 21)
    record["data"]["charge"] = "x" * 2_000_000
    record["actor"] = "y" * 100_000
    with_long = [*log, as_message(record), as_message(an_event("S0000", 12, 22))]
    assert len(with_long[-2].value or b"") > 2_000_000
    handle(topics, own, with_long)
    assert_exactly(own, with_long)


def test_a_consumer_started_from_nothing_against_an_old_topic_catches_up_without_group_offsets(topics: Topics,
                                                                                               own: Database) -> None:
    log = a_log(students=20, events=2000)
    handle(topics, own, log[:1500])
    topics.forget_group("counter")  # the group's offsets are for tools only
    handle(topics, own, log[1500:])
    assert_exactly(own, log)
    with own.transaction() as tx:
        for table in ("seen", "totals", "positions", "versions"):
            tx.run(f"DELETE FROM counter_{table}")
    handle(topics, own, [])
    service = Counter()
    with in_thread(service, own.url, topics.bootstrap):
        eventually(lambda: service.idled.is_set() and len(seen(own)) == 2000, "all handled again")
    assert_exactly(own, log)


def test_stops_with_a_clear_error_when_the_oldest_is_gone_and_is_mended_by_publishing_again(topics: Topics,
                                                                                            own: Database) -> None:
    versions: dict[str, int] = {}
    log = a_log(students=30, events=300, versions=versions)
    handle(topics, own, log)
    later = a_log(students=30, events=300, first=301, versions=versions)
    topics.send(later)
    ends = topics.send(a_log(students=30, events=30, first=601, versions=versions))
    gone = max(ends.values()) - 40
    topics.forget(EVENTS, gone)
    error = str(runs_into(Counter(), own.url, topics.bootstrap))
    assert "career-ledger publish --from " in error
    assert "--from-oldest" in error
    again = int(error.rsplit(" ", 1)[1])
    log = [*log, *later, *a_log(30, 30, 601, {student: version - 1 for student, version in versions.items()})]
    assert_exactly(own, log[:300])

    service = Counter()
    with in_thread(service, own.url, topics.bootstrap, from_oldest=True):
        eventually(lambda: service.idled.is_set() and arrived(own, "counter", ends, topics.prefix),
                   "all that is left is handled")
        assert parked(own) != []
        ends = topics.send(log[again - 1:])
        eventually(lambda: arrived(own, "counter", ends, topics.prefix), "all that was sent again is handled")
    assert parked(own) == []
    assert_exactly(own, log)


def test_a_consumer_from_nothing_does_not_start_in_the_middle(topics: Topics, own: Database) -> None:
    topics.send(a_log(students=5, events=50))
    topics.forget(EVENTS, 3)
    assert str(runs_into(Counter(), own.url, topics.bootstrap)).endswith("career-ledger publish --from 1")


def test_the_command_exits_with_5_when_the_oldest_is_gone(topics: Topics, own: Database) -> None:
    topics.send(a_log(students=5, events=50))
    topics.forget(EVENTS, 3)
    done = subprocess.run([sys.executable, "-m", "tests.consumers.counter", "run", "--db",
                           own.url, "--kafka", topics.bootstrap],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 5, done.stderr
    assert "career-ledger publish --from 1" in done.stderr


def test_stops_when_a_topic_is_shorter_than_what_was_read(topics: Topics, own: Database,
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consumers.kit.loop.LATE_SECONDS", 1)
    handle(topics, own, a_log(students=5, events=50))
    with own.transaction() as tx:
        tx.run("UPDATE counter_positions SET next_offset = next_offset + 100")
    assert "this consumer stands at offset" in str(runs_into(Counter(), own.url, topics.bootstrap))


def test_group_offsets_follow_for_tools_that_show_lag(topics: Topics, own: Database) -> None:
    ends = topics.send(a_log(students=20, events=200))
    service = Counter()
    admin = KafkaAdminClient(bootstrap_servers=topics.bootstrap)

    def committed() -> dict[TopicPartition, int]:
        found = admin.list_group_offsets([f"{topics.prefix}career-ledger.counter"])
        return {tp: one.offset for group in found.values() for tp, one in group.items()}

    with in_thread(service, own.url, topics.bootstrap):
        eventually(lambda: committed() == ends, "the group's offsets are those of the topic")
    admin.close()


def test_metrics_and_health_are_served(topics: Topics, own: Database) -> None:
    log = a_log(students=4, events=40)
    ends = topics.send([m for m in log if (m.key, header(m.headers, "version")) != (b"S0003", "5")])
    service = Counter()
    place = bound_to("0", Door(), "--metrics-port")
    with in_thread(service, own.url, topics.bootstrap) as loop, Server(loop.metrics.routes, place):
        port = place.port

        def shown() -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                return answer.read().decode()

        eventually(lambda: service.idled.is_set() and arrived(own, "counter", ends, topics.prefix)
                   and 'career_consumer_parked_students{consumer="counter",reason="gap"} 1.0' in shown(),
                   "the parked student is shown")
        assert f'career_consumer_lag{{consumer="counter",partition="0",topic="{EVENTS}"}} 0.0' in shown()
        assert f'career_consumer_records_total{{consumer="counter",topic="{EVENTS}"}}' in shown()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer:
            assert json.load(answer)["at_work"] is True


def test_status_shows_positions_and_parked_students(topics: Topics, own: Database) -> None:
    log = a_log(students=1, events=5)
    handle(topics, own, [log[0], *log[2:]])
    done = subprocess.run([sys.executable, "-m", "tests.consumers.counter", "status", "--db", own.url],
                          capture_output=True, text=True, timeout=60, check=True)
    shown = json.loads(done.stdout)
    [one] = shown["parked"]
    assert (one["student"], one["waits_for_version"], one["reason"]) == ("S0000", 2, "gap")
    assert max(p["log_position"] for p in shown["positions"]) == 5
