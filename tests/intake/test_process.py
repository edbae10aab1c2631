"""`career-ledger intake` against the real broker, on both stores."""

import json
import random
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from kafka.errors import MessageSizeTooLargeError

from ledger.store import open_store
from ledger.wire.kafka import CLIENT
from ledger.wire.topics import DEAD_LETTER, OUTCOMES
from tests.figures import PORT, asked, is_at_work, port_of, shows
from tests.handling.histories import booking, enrolled, lines, payment
from tests.waiting import wait_for

from .conftest import PARTITIONS, Topics, answered, finish, intake, start


def test_every_kind_of_outcome_reaches_its_sender(store_url: str, topics: Topics) -> None:
    history = enrolled("S1")
    topics.submit(*history, booking("S1", "b1"), booking("S1", "b2"), booking("S1", "b1"),
                  payment("S1", 1) | {"data": {}})
    topics.send((b"S1", b"{"), (b"S2", json.dumps(payment("S1", 2)).encode()),
                (None, json.dumps(payment("S1", 3)).encode()), (b"S1", None))
    with intake(store_url, topics, *PORT) as process:
        answered(topics, 11)
        port = port_of(process)
        shows(port, {'career_ledger_works{program="intake"}': 1, 'career_ledger_retries_total{program="intake"}': 0} | {
            f'career_ledger_submissions_total{{outcome="{outcome}"}}': count for outcome, count in (
                ("accepted", 4), ("refused", 1), ("duplicate", 1), ("invalid", 1), ("dead-letter", 4))} | {
            f'career_ledger_waiting_submissions{{partition="{number}"}}': 0 for number in range(PARTITIONS)})
        assert is_at_work(port, "intake")
        assert "S1" not in asked(port, "/metrics")[1]
    outcomes = topics.read(OUTCOMES)
    assert {one.key for one in outcomes} == {b"S1"}
    assert [(one.headers["submission_id"].decode(), one.outcome["outcome"]) for one in outcomes] == [
        *((one["id"], "accepted") for one in history), ("b1", "accepted"), ("b2", "refused"),
        ("b1", "duplicate"), ("S1-p1", "invalid")]
    with open_store(store_url) as store:
        assert [(e.id, e.position) for e in store.stream("S1")] == [
            (o.outcome["id"], o.outcome["position"]) for o in outcomes[:4]]
    letters = topics.read(DEAD_LETTER)
    assert sorted(one.headers["dead_letter_error"].decode().split(":")[0].split(" is ")[0] for one in letters) == [
        "the key of the message", "the message has no key", "the message has no value", "the value"]
    assert topics.committed() == 11


def test_example_submits_and_prints_the_outcomes(sqlite_url: str, topics: Topics, tmp_path: Path) -> None:
    """examples/submitter.py, as docs/subscribing.md shows it."""
    (tmp_path / "submissions.jsonl").write_bytes(b"".join(lines(*enrolled("S1"), booking("S1", "b1"),
                                                                booking("S1", "b2"))))
    with intake(sqlite_url, topics):
        done = subprocess.run([sys.executable, "examples/submitter.py", topics.brokers,
                               str(tmp_path / "submissions.jsonl")],
                              capture_output=True, text=True, timeout=120, check=True)
    printed = [line.partition(" ")[::2] for line in done.stdout.splitlines()]
    assert [(student, json.loads(said)["outcome"])
            for student, said in printed] == [("S1", "accepted")] * 4 + [("S1", "refused")]


def test_trace_and_cloud_headers_come_through(sqlite_url: str, topics: Topics) -> None:
    trace = ("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    topics.send((b"S1", json.dumps(enrolled("S1")[0]).encode()), (b"S1", b"no JSON"), headers=[trace])
    with intake(sqlite_url, topics):
        answered(topics, 2)
    (outcome,), (letter,) = topics.read(OUTCOMES), topics.read(DEAD_LETTER)
    assert dict([trace]).items() <= outcome.headers.items() & letter.headers.items()
    assert outcome.headers["ce_type"] == b"career.outcome.v1"
    assert letter.value == b"no JSON"


def test_message_of_two_megabytes_is_a_dead_letter_and_a_longer_one_is_refused_by_the_broker(sqlite_url: str,
                                                                                             topics: Topics) -> None:
    chance = random.Random(20260505)
    # hardly to be compressed further than half
    noise = json.dumps(payment("S1", 1, source=chance.randbytes(1_000_000).hex())).encode()
    topics.send((b"S1", noise), (b"S1", json.dumps(enrolled("S1")[0]).encode()))
    with pytest.raises(MessageSizeTooLargeError):
        topics.send((b"S1", chance.randbytes(2_200_000)))
    with intake(sqlite_url, topics):
        answered(topics, 2)
    (letter,), (outcome,) = topics.read(DEAD_LETTER), topics.read(OUTCOMES)
    assert letter.value == noise
    assert b"longer than" in letter.headers["dead_letter_error"]
    assert outcome.outcome["outcome"] == "accepted"


def test_submissions_that_were_deleted_unread_are_named(sqlite_url: str, topics: Topics) -> None:
    topics.submit(enrolled("S1")[0])
    with intake(sqlite_url, topics):
        wait_for(lambda: topics.committed() == 1)
    topics.submit(*enrolled("S1"))
    topics.delete_before(3)
    process = start(sqlite_url, topics)
    try:
        answered(topics, 2)
        code, said = finish(process)
    finally:
        process.kill()
    assert code == 0, said
    assert "2 submissions of partition" in said
    assert "(offsets 1 to 2) were deleted" in said


def test_brokers_that_do_not_answer_are_waited_for(
        sqlite_url: str, tmp_path: Path, topics: Topics, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = tmp_path / "kafka.json"
    settings.write_text('{"bootstrap_timeout_ms": 500}')
    monkeypatch.setenv(CLIENT, str(settings))
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        topics.brokers = f"127.0.0.1:{nobody.getsockname()[1]}"
        process = start(sqlite_url, topics)
        try:
            wait_for(lambda: "Kafka does not answer" in process.said()[1])
            assert "trying again" in process.said()[1]
            code, said = finish(process)
        finally:
            process.kill()
    assert code == 0, said
    assert "Traceback" not in said
