"""A student of whom an event cannot be read: every program that goes through all students
does the others, and says so."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from ledger.domain.books import LawBooks
from ledger.domain.submissions import Submission, recorded
from ledger.entrypoints.cli import cli
from ledger.handling.bulk import import_lines
from ledger.handling.submit import append_lines
from ledger.intake.counter import Counter, Received
from ledger.projections.everybody import Follower, open_database
from ledger.projections.everybody import shape as stored_shape
from ledger.relay import Positions, digests
from ledger.relay.prepare import EventSource, StateSource
from ledger.store import EventStore, SetAside, SomeSetAside, open_store
from ledger.store.mapper import Mapper, stream_id
from ledger.wire.kafka import history_of
from ledger.words import sentence
from tests.handling.workers import clock
from tests.store.damage import add_row, mend

from .populations import BOOKS, a_debtor, append, submission

Run = Callable[..., Result]
BAD = ("instalment-paid.v9", b"{")
HISTORY = history_of("00000000-0000-4000-8000-000000000000", 1)


def payment(student: str, id: str) -> Submission:
    return submission(student, id, "instalment-paid", "2026-03-22", {"charge": "2019-20:enrolment", "amount": "1.00"})


@pytest.fixture
def ledger(store: EventStore, store_url: str) -> EventStore:
    """S02's fourth event cannot be read; S01 and S03 have one after it."""
    append(store, *a_debtor("S01"), *a_debtor("S02"), *a_debtor("S03"))
    add_row(store_url, "S02", 4, *BAD)
    append(store, payment("S01", "late"), payment("S03", "late"))
    return store


@pytest.fixture
def run(store_url: str, ledger: EventStore) -> Run:
    def call(*arguments: str, given: str | None = None) -> Result:
        return CliRunner().invoke(cli, ["--db", store_url, *arguments], input=given, prog_name="career-ledger")

    return call


def readable(ledger: EventStore, url: str) -> None:
    """As under a program that knows the event."""
    one = payment("S02", "good")
    good = Mapper().to_stored_event(recorded(one, clock(), 4, None, ()))
    mend(url, "S02", 4, good.topic, good.state)


def students(answer: Result) -> list[str]:
    return [row["student"] for row in json.loads(answer.stdout)["rows"]]


def test_projections_go_on_and_list_her_and_take_her_up_when_she_can_be_read(run: Run, ledger: EventStore,
                                                                             store_url: str) -> None:
    for made in (("project",), ("projection", "rebuild"), ("project",)):
        done = run(*made)
        assert done.exit_code == 6, done.output
        assert "1 set aside, everybody else was done: S02: position 10" in done.stderr
        status = json.loads(run("projection", "status", "--json").stdout)
        assert [(one["student"], one["position"]) for one in status["set_aside"]] == [("S02", 10)]
        assert status["events_behind"] == 0
        assert "Set aside: student S02" in run("projection", "status").stdout
        blocked = run("report", "blocked", "--on", "2026-03-25", "--json")
        assert set(students(blocked)) == {"S01", "S03"}
        assert json.loads(blocked.stdout)["set_aside"] == 1
        assert "1 set aside and left out" in run("report", "blocked", "--on", "2026-03-25").stdout
        assert run("find", "--student", "S02").exit_code == 6
        verified = run("projection", "verify")
        assert verified.exit_code == 6
        assert "everybody else was done" in verified.stderr
    readable(ledger, store_url)
    assert run("project").exit_code == 0
    assert json.loads(run("projection", "status", "--json").stdout)["set_aside"] == []
    assert set(students(run("report", "blocked", "--on", "2026-03-25", "--json"))) == {"S01", "S02", "S03"}
    assert run("projection", "verify").exit_code == 0


@pytest.mark.parametrize("question", [("status", "S02"), ("fees", "S02"), ("history", "S02"), ("audit", "S02")])
def test_question_about_her_says_so_in_words(run: Run, question: tuple[str, ...]) -> None:
    asked = run(*question)
    assert asked.exit_code == 6
    assert "S02" in asked.stderr
    assert "set aside" in asked.stderr


def test_audit_and_digests_do_the_others_when_one_cannot_be_read(run: Run) -> None:
    audited, hashed = run("audit", "--json"), run("digests")
    assert (audited.exit_code, hashed.exit_code) == (6, 6)
    for found in (audited, hashed):
        assert {json.loads(line)["student"] for line in found.stdout.splitlines()} >= {"S01", "S03"}
        assert "1 set aside, everybody else was done" in found.stderr


def test_follower_tells_of_her_and_goes_on(ledger: EventStore, store_url: str) -> None:
    told = []
    with open_database(store_url) as database:
        follower = Follower(ledger, database, BOOKS)
        follower.alarm = told.append
        follower.prepare()
        follower.catch_up()
        assert [one.student for one in told] == ["S02"]
        append(ledger, payment("S01", "more"))
        follower.catch_up()
        assert database.positions()[0].position == ledger.last_position()


def test_student_whose_answers_cannot_be_computed_is_set_aside_too(
        ledger: EventStore, store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compute = stored_shape.timelines

    def failing(events: Any, student: str, books: LawBooks) -> Any:
        if student == "S01":
            raise ValueError("Maria Rossi")
        return compute(events, student, books)

    monkeypatch.setattr(stored_shape, "timelines", failing)
    with open_database(store_url) as database:
        follower = Follower(ledger, database, BOOKS)
        follower.prepare()
        follower.catch_up()
        aside = {one.student: one.why for one in database.aside()}
        assert set(aside) == {"S01", "S02"}
        assert "ValueError in" in aside["S01"]
        assert "Maria" not in aside["S01"]


def test_line_about_her_is_set_aside_and_the_file_goes_on(run: Run, ledger: EventStore, store_url: str) -> None:
    file = [json.dumps(payment(student, "new").content()).encode() for student in ("S01", "S02", "S03")]
    for found in (append_lines(ledger, BOOKS, file, "record", False, clock),
                  import_lines(ledger, partial(open_store, store_url, create=False), BOOKS, file, "record", clock, 1)):
        outcomes = list(found)
        assert [one["outcome"] for one in outcomes] in (["accepted", "set-aside", "accepted"],
                                                        ["duplicate", "set-aside", "duplicate"])
        assert "student S02 is set aside" in sentence(outcomes[1]["problems"][0]["message"])
    sent = run("append", "-", "--mode", "record", given="".join(line.decode() + "\n" for line in file))
    assert sent.exit_code == 6
    assert "1 lines are about students who cannot be read" in sent.stderr


def test_line_is_set_aside_when_not_even_the_name_in_its_students_stream_can_be_read(ledger: EventStore,
                                                                                     store_url: str) -> None:
    add_row(store_url, "S04", 1, *BAD)
    line = json.dumps(payment("S04", "new").content()).encode()
    for found in (append_lines(ledger, BOOKS, [line], "record", False, clock),
                  import_lines(ledger, partial(open_store, store_url, create=False), BOOKS,
                               [line], "record", clock, 1)):
        [outcome] = found
        assert outcome["outcome"] == "set-aside"
        assert "student S04 is set aside" in sentence(outcome["problems"][0]["message"])


def test_submission_about_her_is_a_dead_letter_and_the_others_are_answered(ledger: EventStore) -> None:
    counter = Counter(ledger, BOOKS, clock, HISTORY)
    batch = [Received(0, n, student.encode(), json.dumps(payment(student, "new").content()).encode(), ())
             for n, student in enumerate(("S01", "S02", "S03"))]
    counter.answers(batch)
    assert counter.given["dead-letter"] == 1
    assert counter.given.total() == 3


def keys(chunk: Any) -> list[str]:
    return [key.decode() for _, key, _, _ in chunk.messages]


def test_relay_sends_the_others_and_takes_her_up_when_she_can_be_read(ledger: EventStore, store_url: str) -> None:
    events = EventSource(ledger, 0, 1, HISTORY).next()
    states = StateSource(ledger, BOOKS, 0, 1, HISTORY).next()
    assert keys(events) == ["S01"] * 3 + ["S02"] * 3 + ["S03"] * 3 + ["S01", "S03"]
    assert keys(states) == ["S01/S01-B", "S03/S03-B"]
    for chunk in (events, states):
        assert [(one[0], one[1], one[2]) for one in chunk.aside] == [(stream_id("S02").hex, "S02", 10)]
        assert chunk.position == ledger.last_position()
    with Positions(store_url) as positions:
        positions.prepare()
        positions.set_aside("t", [first_of(events)])
        positions.set_aside("t", [first_of(events)])
        waiting = {one.stream.hex: one.position for one in positions.aside("t")}
        assert waiting == {stream_id("S02").hex: 10}
        still = EventSource(ledger, ledger.last_position(), 1, HISTORY, aside=waiting).next()
        assert (keys(still), still.taken_up) == ([], [])
        readable(ledger, store_url)
        for source, sent in ((EventSource(ledger, ledger.last_position(), 1, HISTORY, aside=waiting), ["S02"]),
                             (StateSource(ledger, BOOKS, ledger.last_position(), 1, HISTORY, aside=waiting),
                              ["S02/S02-B"])):
            chunk = source.next()
            assert (keys(chunk), list(chunk.taken_up), list(chunk.aside)) == (sent, [stream_id("S02").hex], [])
        positions.taken_up("t", [stream_id("S02")])
        assert positions.aside("t") == []


def first_of(chunk: Any) -> SetAside:
    stream, *rest = chunk.aside[0]
    return SetAside(UUID(stream), *rest)


def test_digests_end_with_who_was_left_out(ledger: EventStore) -> None:
    with pytest.raises(SomeSetAside) as caught:
        list(digests(ledger, 0))
    assert [one.student for one in caught.value.ones] == ["S02"]
