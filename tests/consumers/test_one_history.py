"""Two histories in one topic, and moments that have not come: every consumer says so and parks,
whatever the broker brings."""

import shutil
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest

from consumers.booking_gate.service import BookingGate
from consumers.database import Database
from consumers.kit.service import clock
from ledger.domain.values import format_instant
from ledger.relay.states import states as states_of
from ledger.store import open_store
from ledger.wire import events, state
from ledger.wire.letters import Heartbeat
from ledger.wire.message import History, Message, header
from ledger.wire.topics import DEAD_LETTER, STATE
from tests.projections.populations import BOOKS, a_debtor, append, submission
from tests.waiting import eventually

from .counter import Counter
from .support import ORIGIN, Topics, a_log, an_event, arrived, as_message, changed, in_thread

OTHER = History("another", 1)


def parked(own: Database) -> list[tuple[str, int, str]]:
    return [tuple(row) for row in own.ask("SELECT student, version, reason FROM counter_parked ORDER BY student")]


def seen(own: Database, student: str) -> int:
    return int(own.ask("SELECT count(*) FROM counter_seen WHERE student = :student", {"student": student})[0][0])


def handle(topics: Topics, own: Database, messages: Iterable[Message]) -> None:
    ends = topics.send(messages)
    with in_thread(Counter(), own.url, topics.bootstrap) as loop:
        eventually(lambda: len(loop._retried) == topics.partitions and arrived(own, "counter", ends, topics.prefix),
                   "all handled")


def told(url: str) -> list[Message]:
    """What a ledger would send if it were not stopped."""
    with open_store(url) as store:
        history = History(*store.identity()[:2])
        return [events.message(record, digest, history) for _, record, digest in store.records(0, 1000)]


def test_consumer_parks_whom_a_ledger_restored_from_a_backup_tells_otherwise(
        topics: Topics, own: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, copy = tmp_path / "first.db", tmp_path / "copy.db"
    with open_store(f"sqlite:///{path}") as store:
        append(store, *a_debtor("S01"), *a_debtor("S02"))
        store._recorder.read("PRAGMA wal_checkpoint(TRUNCATE)", ())  # type: ignore[attr-defined]
        shutil.copyfile(path, copy)
        append(store, *(submission(student, "x4", "resumed", "2026-04-01", {"reason": "x"})
                        for student in ("S01", "S02")))
    with open_store(f"sqlite:///{copy}") as restored:
        append(restored, *(submission("S01", f"y{n}", "suspended", f"2026-04-0{n}", {"reason": "x"}) for n in (4, 5)))
    handle(topics, own, told(f"sqlite:///{path}"))
    assert (seen(own, "S01"), seen(own, "S02"), parked(own)) == (4, 4, [])
    handle(topics, own, told(f"sqlite:///{copy}"))  # of the shared beginning nothing is said
    assert (seen(own, "S01"), seen(own, "S02"), parked(own)) == (4, 4, [("S01", 5, "other-history")])
    assert ("student S01 waits for version 5 (other-history: digest: version 4 of this student was another event before"
            in caplog.text)
    assert [header(one.headers, "dead_letter_error").partition(":")[0]
            for one in topics.read(DEAD_LETTER)] == ["digest"]
    handle(topics, own, [])  # a new start mends nothing
    assert (seen(own, "S01"), parked(own)) == (4, [("S01", 5, "other-history")])
    assert own.ask("SELECT version FROM counter_aside") == [(5,)]


def test_consumer_parks_whom_another_ledger_speaks_of_and_others_go_on(topics: Topics, own: Database) -> None:
    log = a_log(students=3, events=9)
    handle(topics, own, log)
    strange = as_message(an_event("S0000", 4, 10))
    handle(topics, own, [changed(strange, origin="another"),
                         *a_log(3, 3, 10, dict.fromkeys(("S0000", "S0001", "S0002"), 3))])
    assert [seen(own, f"S000{n}") for n in range(3)] == [3, 4, 4]
    assert parked(own) == [("S0000", 4, "other-history")]
    assert own.ask("SELECT student, version FROM counter_aside ORDER BY student") == [("S0000", 4)]
    assert own.ask("SELECT origin, epoch FROM counter_history") == [("test", 1)]
    assert len(topics.read(DEAD_LETTER)) == 1


def test_consumer_begins_anew_with_the_next_epoch_and_passes_over_what_still_comes_of_the_former(
        topics: Topics, own: Database, caplog: pytest.LogCaptureFixture) -> None:
    first = a_log(students=3, events=9)
    handle(topics, own, [*first, as_message(an_event("S0001", 7, 50))])  # a gap parks her
    assert parked(own) == [("S0001", 4, "gap")]
    restored = [changed(one, epoch="2") for one in first[:6]]
    other = [changed(as_message(an_event(f"S000{n}", 3, 60 + n)), epoch="2", digest="cd" * 32) for n in range(2)]
    handle(topics, own, [as_message(an_event("S0002", 4, 51)), *restored, *other, as_message(an_event("S0000", 4, 52))])
    assert ([seen(own, f"S000{n}") for n in range(3)], parked(own)) == ([3, 3, 2], [])
    assert own.ask("SELECT origin, epoch FROM counter_history") == [("test", 2)]
    assert own.ask("SELECT position FROM counter_seen WHERE student = 'S0000' ORDER BY version DESC LIMIT 1") == [(60,)]
    assert caplog.text.count("epoch 2 of the ledger begins") == 1
    assert topics.read(DEAD_LETTER) == []


def test_event_put_aside_is_not_replaced_by_another_and_what_lacks_a_digest_waits_for_one(topics: Topics,
                                                                                          own: Database) -> None:
    [first, _, third] = a_log(students=1, events=3)
    another = changed(third, digest="ab" * 32)
    handle(topics, own, [changed(first, digest=None), third, another])
    assert parked(own) == [("S0000", 1, "other-history")]
    assert own.ask("SELECT version FROM counter_aside ORDER BY version") == [(1,), (3,)]


def test_event_of_a_moment_that_has_not_come_parks_its_student(topics: Topics, own: Database) -> None:
    [first, second] = a_log(students=2, events=2)
    ahead = changed(first, ce_time=format_instant(clock() + timedelta(days=365)))
    handle(topics, own, [ahead, second])
    assert (parked(own), seen(own, "S0001")) == ([("S0000", 1, "unreadable")], 1)
    handle(topics, own, [first])
    assert (parked(own), seen(own, "S0000")) == ([], 1)


def test_gate_gives_up_a_career_of_which_another_ledger_speaks_and_passes_over_its_heartbeats_and_those_of_the_future(
        topics: Topics, own: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with open_store(f"sqlite:///{tmp_path / 'first.db'}") as store:
        append(store, *a_debtor("S01"))
        states = list(states_of(store.stream("S01"), "S01", BOOKS))
        append(store, submission("S01", "x4", "suspended", "2026-04-01", {"reason": "x"}))
        newer = list(states_of(store.stream("S01"), "S01", BOOKS))
    now = clock()

    def beat(history: History, moment: str) -> Message:
        return Heartbeat(topic=STATE, at=moment, complete_at=moment, position=3, offsets={}).message(history)

    def unusable() -> list[str | None]:
        return [row[0] for row in own.ask("SELECT unusable FROM booking_gate_careers")]

    topics.send([state.message(states[0], ORIGIN)])
    gate = BookingGate()
    with in_thread(gate, own.url, topics.bootstrap):
        eventually(gate.started.is_set, "it is at work")
        eventually(lambda: unusable() == [None], "the state is known")
        strange = changed(state.message(newer[0], ORIGIN), origin="another", position="999")
        topics.send([strange, beat(OTHER, format_instant(now)),
                     beat(ORIGIN, format_instant(now + timedelta(days=1500)))])
        eventually(lambda: unusable() == ["other-history"], "the career is given up")
        eventually(lambda: caplog.text.count("heartbeats are passed over") == 2, "both heartbeats are spoken of")
        assert own.ask("SELECT complete_at FROM booking_gate_knowledge") == []
        topics.send([state.message(newer[0], ORIGIN), beat(ORIGIN, format_instant(now))])
        eventually(lambda: unusable() == [None], "a state of ours mends it")
        eventually(lambda: len(own.ask("SELECT complete_at FROM booking_gate_knowledge")) == 1,
                   "a good heartbeat counts")
    assert len(topics.read(DEAD_LETTER)) == 1
