"""The gate on the real broker: what it holds is what the topic says, whatever happens, and it
answers only when it is sure."""

import itertools
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from kafka import TopicPartition

from consumers.booking_gate.service import BookingGate
from consumers.database import Database
from ledger.bootstrap import open_ledger
from ledger.domain.events import Event, ExamBooked
from ledger.projections.student import eligibility
from ledger.store import open_store
from ledger.wire.message import Message, header
from ledger.wire.topics import DEAD_LETTER, STATE
from ledger.words import told
from tests.processes import LEDGER, Program
from tests.projections.populations import BOOKS, fill, population, streams
from tests.sizes import at_a_store
from tests.waiting import eventually

from .gate import a_call, heartbeat, portal
from .support import ROUNDS, Topics, arrived, changed, in_thread, killed, runs_into, state_messages
from .test_booking_gate import a_state, a_student, without_knowledge


@cache
def histories(students: int, seed: int) -> dict[str, list[Event]]:
    return streams(e.placed(n) for n, e in enumerate(population(students, seed), 1))


def a_state_log(students: int) -> list[Message]:
    """States as a relay sends them: after some events of each student, then after all."""
    found = []
    for stream in histories(students, 3).values():
        for length in (len(stream) // 3, 2 * len(stream) // 3, len(stream)):
            if any(e.career for e in stream[:length]):
                found.append((stream[length - 1].position, state_messages(stream[:length], stream[0].student, BOOKS)))
    return [m for _, states in sorted(found, key=lambda one: one[0]) for m in states]


def newest(log: list[Message]) -> dict[str, bytes | None]:
    """What a fold of the topic gives."""
    found: dict[str, tuple[int, bytes | None]] = {}
    for m in log:
        position = int(header(m.headers, "position") or "")
        if position >= found.get(m.key.decode(), (0, b""))[0]:
            found[m.key.decode()] = position, m.value
    return {key: value for key, (_, value) in found.items()}


def held(own: Database) -> dict[str, bytes | None]:
    return {f"{student}/{career}": bytes(value) if value is not None else None
            for student, career, value in own.ask("SELECT student, career, value FROM booking_gate_careers")}


def beat(topics: Topics, ends: dict[TopicPartition, int], age: float = 0.0, position: int = 100_000) -> None:
    """What the relay says when everything up to here is acknowledged."""
    topics.send([heartbeat(datetime.now(UTC) - timedelta(seconds=age), {tp.partition: end for tp, end in ends.items()},
                           position)])


def test_answers_over_http_are_the_ledgers_through_the_whole_chain(topics: Topics, own: Database) -> None:
    ends = topics.send(a_state_log(30))
    beat(topics, ends)
    service = BookingGate()
    with in_thread(service, own.url, topics.bootstrap), portal(service, own.url, max_age=300) as asked:
        question = a_call()
        call = ExamBooked.model_validate({"mode": "written"} | {k: v for k, v in question.items() if k != "on"})
        first = next(iter(histories(30, 3)))
        eventually(lambda: asked.ask({"student": first, "career": "none"} | question)[0] == 404, "the gate is ready")
        assert held(own) == newest(a_state_log(30))
        count = 0
        for student, stream in histories(30, 3).items():
            for career in sorted({e.career for e in stream if e.career is not None}):
                status, answer = asked.ask({"student": student, "career": career} | question)
                expected = told(eligibility.answer(stream, student, date(2026, 5, 28), BOOKS, career, call))
                assert (status, without_knowledge(answer)) == (200, expected)
                assert answer["knowledge"]["age_seconds"] < 300
                count += 1
        assert count >= 30


def test_refuses_when_the_relay_is_silent_and_answers_again_when_it_is_back(topics: Topics, own: Database) -> None:
    question = {"student": "S1", "career": "S1-B"} | a_call()
    ends = topics.send([a_state()])
    service = BookingGate()
    with in_thread(service, own.url, topics.bootstrap), portal(service, own.url, max_age=2.5) as asked:
        eventually(lambda: asked.ask(question)[1].get("reason") == "knowledge-too-old",
                   "it is at work and has heard nothing")
        beat(topics, ends)
        eventually(lambda: asked.ask(question)[0] == 200, "it answers")
        eventually(lambda: asked.ask(question)[1].get("reason") == "knowledge-too-old", "it refuses")
        ends |= topics.send([a_state(50)])
        beat(topics, ends)
        eventually(lambda: asked.ask(question)[1].get("known_position") == 52, "it answers again, with the newer state")


def test_a_poisoned_state_is_a_dead_letter_and_silences_one_career_until_it_is_sent_again(topics: Topics,
                                                                                          own: Database) -> None:
    question = {"student": "S1", "career": "S1-B"} | a_call()
    other = a_state_log(5)
    service = BookingGate()
    with in_thread(service, own.url, topics.bootstrap), portal(service, own.url, max_age=600) as asked:
        ends = topics.send([a_state(), *other, changed(a_state(20), b"not what was promised")])
        beat(topics, ends)
        eventually(lambda: asked.ask(question)[1].get("reason") == "career-unusable", "it refuses for this career")
        student, career = other[-1].key.decode().split("/")
        assert asked.ask(question | {"student": student, "career": career})[0] == 200
        [letter] = topics.read(DEAD_LETTER)
        assert (letter.key, letter.value) == (b"S1/S1-B", b"not what was promised")
        topics.send([a_state(20)])
        eventually(lambda: asked.ask(question)[0] == 200, "it answers again")


@at_a_store
def test_killed_at_random_points_the_gate_holds_what_the_topic_says(topics: Topics, own: Database,
                                                                    tmp_path: Path) -> None:
    [one] = state_messages(a_student(), "S1", BOOKS)
    log = (changed(one, (one.value or b"").replace(b'"position":3',
                                                   b'"position":%d' % n).replace(b'"S1', b'"S%d' % (n % 97)),
                   position=str(n))._replace(key=f"S{n % 97}/S{n % 97}-B".encode()) for n in itertools.count(3))

    def done() -> int:
        try:
            return int(own.ask("SELECT coalesce(max(position), 0) FROM booking_gate_careers")[0][0])
        except Exception:  # before its first start there is no table
            return 0

    with topics.traffic(log) as traffic:
        killed(ROUNDS, topics, "consumers.booking_gate", "booking_gate", own, tmp_path / "log",
               done, "--listen", "127.0.0.1:0")
    with in_thread(BookingGate(), own.url, topics.bootstrap):
        eventually(lambda: arrived(own, "booking_gate", traffic.ends, topics.prefix), "all handled")
    assert held(own) == newest(traffic.sent)
    assert own.ask("SELECT count(*) FROM booking_gate_careers WHERE unusable IS NOT NULL") == [(0,)]


def test_three_gates_on_one_database_answer_each_for_all_careers(topics: Topics, own: Database) -> None:
    log = a_state_log(30)
    ends = topics.send(log[:60])
    services = [BookingGate() for _ in range(3)]
    with in_thread(services[0], own.url, topics.bootstrap), in_thread(services[1], own.url, topics.bootstrap), \
            in_thread(services[2], own.url, topics.bootstrap), portal(services[2], own.url, max_age=600) as asked:
        ends |= topics.send(log[60:])
        beat(topics, ends)
        eventually(lambda: services[2].started.is_set() and held(own) == newest(log), "all have done their part")
        eventually(lambda: asked.ask({"student": "nobody", "career": "none"} | a_call())[0] == 404, "the gate is sure")
        for key in newest(log):
            student, career = key.split("/")
            assert asked.ask({"student": student, "career": career} | a_call())[0] == 200


def test_lost_states_stop_the_gate_and_leave_no_old_answer_behind(
        topics: Topics, own: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consumers.kit.loop.LATE_SECONDS", 1)
    ends = topics.send([a_state()])
    beat(topics, ends)
    service = BookingGate()
    with in_thread(service, own.url, topics.bootstrap):
        eventually(lambda: service.started.is_set()
                   and own.ask("SELECT position FROM booking_gate_knowledge") == [(100_000,)], "handled")
    with own.transaction() as tx:
        # as if the topic were another one
        tx.run(f"UPDATE booking_gate_positions SET next_offset = 100 WHERE topic = '{STATE}'")
    topics.send([a_state(20), a_state(30)])
    assert "career-ledger publish --from 1" in str(runs_into(BookingGate(), own.url, topics.bootstrap))
    service = BookingGate()
    with in_thread(service, own.url, topics.bootstrap,
                   from_oldest=True), portal(service, own.url, max_age=600) as asked:
        question = {"student": "S1", "career": "S1-B"} | a_call()
        eventually(lambda: asked.ask(question)[1].get("reason") == "knowledge-too-old", "nothing old is answered")
        beat(topics, topics.send([a_state(40)]))
        eventually(lambda: asked.ask(question)[1].get("known_position") == 42, "it answers from what was sent again")


@pytest.mark.parametrize("listen", ["nowhere", "127.0.0.1:99999", "256.0.0.1:80"])
def test_an_address_that_cannot_be_used_is_named(own_url: str, listen: str) -> None:
    from click.testing import CliRunner

    from consumers.booking_gate.__main__ import main

    found = CliRunner().invoke(main, ["run", "--db", own_url, "--kafka", "127.0.0.1:1", "--listen", listen])
    assert (found.exit_code, f"--listen {listen}" in found.output) == (2, True)




def test_answers_are_the_ledgers_from_the_relay_to_the_portal(topics: Topics, own: Database, tmp_path: Path) -> None:
    ledger_url = f"sqlite:///{tmp_path}/the-ledger.db"
    with open_store(ledger_url) as store:
        fill(store, population(25, 21))
    service = BookingGate()
    with in_thread(service, own.url, topics.bootstrap), portal(service, own.url, max_age=600) as asked:
        done = Program(LEDGER, "--db", ledger_url, "publish", "--once", "--kafka", topics.bootstrap)
        assert (done.wait(120), done.said()[1]) == (0, done.said()[1])
        question = a_call()
        eventually(lambda: asked.ask({"student": "nobody", "career": "none"} | question)[0] == 404, "the gate is sure")
        call = ExamBooked.model_validate({"mode": "written"} | {k: v for k, v in question.items() if k != "on"})
        ledger = open_ledger(ledger_url)
        compared = 0
        for student, stream in streams(population(25, 21)).items():
            for career in sorted({e.career for e in stream if e.career is not None}):
                status, answer = asked.ask({"student": student, "career": career} | question)
                expected = told(ledger.eligibility(student, date(2026, 5, 28), career, call))
                assert (status, without_knowledge(answer)) == (200, expected)
                compared += 1
        ledger.close()
        assert compared >= 25
