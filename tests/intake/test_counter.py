"""The intake without Kafka: messages in, outcomes and dead letters out, on both stores."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from eventsourcing.persistence import OperationalError

from ledger.domain.events import Event
from ledger.domain.submissions import Submission
from ledger.handling.streams import Stream
from ledger.handling.submit import submit
from ledger.intake.counter import LONGEST_LETTER, Counter, Received, _read
from ledger.rulebooks.loader import load_books
from ledger.store import EventStore, Refusal, VersionConflict, open_store
from ledger.wire.letters import Outcome
from ledger.wire.message import Header, History, Message, header
from ledger.wire.topics import DEAD_LETTER, OUTCOMES
from ledger.words import told
from tests.handling.histories import LATER, booking, clock, enrolled, payment, submission, void
from tests.handling.keys import Keys
from tests.store.test_contract import psycopg_error

BOOKS = load_books()
HISTORY = History("test", 7, "urn:u")
TRACE = ("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")


def received(*submissions: dict[str, Any], headers: Sequence[Header] = ()) -> list[Received]:
    return [Received(0, n, one["student"].encode(), json.dumps(one).encode(), headers)
            for n, one in enumerate(submissions)]


def outcomes(messages: Sequence[Message]) -> list[dict[str, Any]]:
    assert {message.topic for message in messages} <= {OUTCOMES}
    return [json.loads(message.value or b"") for message in messages]


def intake(store: EventStore, now: datetime = LATER) -> Counter:
    return Counter(store, BOOKS, lambda: now, HISTORY)


@pytest.fixture
def counter(store: EventStore) -> Counter:
    return intake(store)


@pytest.fixture
def other(store_url: str, counter: Counter) -> Iterator[EventStore]:
    """The same ledger, opened by another process."""
    with open_store(store_url, create=False) as opened:
        yield opened


def test_each_submission_is_answered_as_append_answers_it(counter: Counter, store: EventStore) -> None:
    history = enrolled("S1")
    found = outcomes(counter.answers(received(*history, booking("S1", "b1"), booking("S1", "b2"),
                                              payment("S1", 1) | {"data": {}})))
    assert [one["outcome"] for one in found] == ["accepted"] * 4 + ["refused", "invalid"]
    assert [(one["position"], one["version"]) for one in found[:4]] == [
        (e.position, e.version) for e in store.stream("S1")]
    assert found[4]["reasons"][0]["rule"] == "PRN-D"
    assert {one["path"] for one in found[5]["problems"]} == {"data.charge", "data.amount"}
    for one in (*history, booking("S2", "b1")):  # another student, through the ledger's own desk
        submit(store, BOOKS, json.loads(json.dumps(one).replace("S1", "S2")), "enforce", clock)
    again = submit(store, BOOKS, booking("S2", "b2"), "enforce", clock)
    assert json.loads(json.dumps(told(again)).replace("S2", "S1")) == found[4]


def test_outcome_names_its_submission_and_carries_the_trace(counter: Counter) -> None:
    (message,) = counter.answers(received(enrolled("S1")[0], headers=[("other", b"x"), TRACE]))
    assert message.key == b"S1"
    assert header(message.headers, "submission_id") == "S1-enrolled"
    assert header(message.headers, "ce_type") == "career.outcome.v1"
    assert [header(message.headers, name) for name in ("origin", "epoch", "ce_source")] == ["test", "7", "urn:u:test:7"]
    assert TRACE in message.headers
    assert header(message.headers, "other") is None


def test_redelivery_stores_nothing_and_is_answered_alike(counter: Counter, store: EventStore) -> None:
    sent = received(*enrolled("S1"), booking("S1", "b1"), booking("S1", "b2"), payment("S1", 1) | {"data": {}})
    first = outcomes(counter.answers(sent))
    length = store.last_position()
    for again in (counter, intake(store)):
        found = outcomes(again.answers(sent))
        assert found == [one | {"outcome": "duplicate"} if one["outcome"] == "accepted" else one for one in first]
    assert store.last_position() == length


def test_submission_that_stands_twice_in_a_batch_is_stored_once(counter: Counter, store: EventStore) -> None:
    counter.answers(received(*enrolled("S1")))
    found = outcomes(counter.answers(received(booking("S1", "b1"), booking("S1", "b1"), booking("S1", "b2"),
                                              booking("S1", "b2"))))
    assert [one["outcome"] for one in found] == ["accepted", "duplicate", "refused", "refused"]
    assert found[0]["position"] == found[1]["position"] == store.last_position()
    assert found[2] == found[3]


def test_refusal_is_remembered_when_it_would_be_allowed_by_now(counter: Counter, store: EventStore) -> None:
    counter.answers(received(*enrolled("S1"), booking("S1", "b1")))
    (refused,) = outcomes(counter.answers(received(booking("S1", "b2"))))
    cancelled = submission("S1", "c", "exam-booking-cancelled", "2026-05-25", course="F1", held_on="2026-06-22")
    assert outcomes(counter.answers(received(cancelled)))[0]["outcome"] == "accepted"
    for again in (counter, intake(store)):
        assert outcomes(again.answers(received(booking("S1", "b2")))) == [refused]
    assert outcomes(counter.answers(received(booking("S1", "b3"))))[0]["outcome"] == "accepted"


def test_invalid_submission_is_remembered_too(counter: Counter, store: EventStore) -> None:
    counter.answers(received(*enrolled("S1")))
    ahead = payment("S1", 1, recorded_at="2026-11-02T12:00:01Z")
    (invalid,) = outcomes(counter.answers(received(ahead)))
    assert [one["path"] for one in invalid["problems"]] == ["recorded_at"]
    later = intake(store, LATER + timedelta(days=1))
    assert outcomes(later.answers(received(ahead))) == [invalid]
    # `recorded_at` does not make it another submission
    assert outcomes(later.answers(received(payment("S1", 1)))) == [invalid]


@pytest.mark.parametrize("first", ["accepted", "refused", "invalid"])
def test_same_id_with_other_content_is_invalid(counter: Counter, store: EventStore, first: str) -> None:
    counter.answers(received(*enrolled("S1"), booking("S1", "b0")))
    one = {"accepted": payment("S1", 1), "refused": booking("S1", "b1"),
           "invalid": payment("S1", 1) | {"data": {}}}[first]
    other = payment("S1", 2, id=one["id"])
    found = outcomes(counter.answers(received(one, other, one)))
    assert [o["outcome"] for o in found] == [first, "invalid", "duplicate" if first == "accepted" else first]
    assert [problem["path"] for problem in found[1]["problems"]] == ["id"]
    assert outcomes(intake(store).answers(received(other))) == found[1:2]


def test_same_id_of_another_student_is_another_submission(counter: Counter) -> None:
    found = outcomes(counter.answers(received(*enrolled("S1"), *enrolled("S2"), booking("S1", "b"),
                                              booking("S2", "b"))))
    assert {one["outcome"] for one in found} == {"accepted"}


def test_what_the_desk_records_later_is_a_duplicate(counter: Counter, other: EventStore) -> None:
    """The log is the truth: what was refused here and then recorded by an officer is recorded."""
    counter.answers(received(*enrolled("S1"), booking("S1", "b1"), booking("S1", "b2")))
    recorded = submit(other, BOOKS, booking("S1", "b2"), "record", clock)
    assert recorded["outcome"] == "accepted"
    (found,) = outcomes(intake(other).answers(received(booking("S1", "b2"))))
    assert found == {"id": "b2", "outcome": "duplicate", "position": recorded["position"],
                     "version": recorded["version"]}


def test_duplicate_names_the_void_when_somebody_voided_its_event(counter: Counter, other: EventStore) -> None:
    """The counter remembers the student as she was before."""
    counter.answers(received(*enrolled("S1"), payment("S1", 1)))
    assert submit(other, BOOKS, void("S1", "S1-p1"), "enforce", clock)["outcome"] == "accepted"
    (message,) = counter.answers(received(payment("S1", 1)))
    (found,) = outcomes([message])
    assert found == {"id": "S1-p1", "outcome": "duplicate", "position": 4, "version": 4, "voided_by": "void-S1-p1"}
    assert Outcome.model_validate_json(message.value or b"").voided_by == "void-S1-p1"


def test_decision_rests_on_what_others_appended_meanwhile(counter: Counter, other: EventStore) -> None:
    """The counter remembers the student; somebody else then takes the exam that she wants to book."""
    counter.answers(received(*enrolled("S1"), *enrolled("S2")))
    assert submit(other, BOOKS, booking("S1", "elsewhere"), "enforce", clock)["outcome"] == "accepted"
    found = outcomes(counter.answers(received(booking("S2", "b"), booking("S1", "b"), payment("S1", 1))))
    assert [one["outcome"] for one in found] == ["accepted", "refused", "accepted"]


def test_refusal_rests_on_what_others_appended_meanwhile(counter: Counter, other: EventStore) -> None:
    counter.answers(received(*enrolled("S1"), booking("S1", "b1")))
    cancelled = submission("S1", "c", "exam-booking-cancelled", "2026-05-25", course="F1", held_on="2026-06-22")
    assert submit(other, BOOKS, cancelled, "enforce", clock)["outcome"] == "accepted"
    assert outcomes(counter.answers(received(booking("S1", "b2"))))[0]["outcome"] == "accepted"


def test_two_intakes_with_the_same_message_answer_alike(counter: Counter, other: EventStore,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    """The slower one has read the stream; before it stores its answer, the faster one does, and the
    world has changed between."""
    counter.answers(received(*enrolled("S1"), booking("S1", "b1")))
    slow, fast = intake(other), counter
    store_answers = other.append_with_refusals
    said: list[dict[str, Any]] = []

    def overtaken(*arguments: Any) -> Any:
        if not said:
            said.extend(outcomes(fast.answers(received(booking("S1", "b2")))))
            cancelled = submission("S1", "c", "exam-booking-cancelled", "2026-05-25", course="F1", held_on="2026-06-22")
            said.extend(outcomes(fast.answers(received(cancelled))))
        return store_answers(*arguments)

    monkeypatch.setattr(other, "append_with_refusals", overtaken)
    found = outcomes(slow.answers(received(booking("S1", "b2"))))
    assert [one["outcome"] for one in said] == ["refused", "accepted"]
    assert found == said[:1]


def test_acceptance_gives_way_to_a_refusal_that_another_intake_remembered(counter: Counter, other: EventStore,
                                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    """The slower one would accept: it knows of the cancelled booking. The faster one had refused before that."""
    counter.answers(received(*enrolled("S1"), booking("S1", "b1")))
    slow = intake(other)
    look = other.refusals
    said: list[dict[str, Any]] = []

    def overtaken(submissions: Any) -> Any:
        found = look(submissions)
        if not said:
            said.extend(outcomes(counter.answers(received(booking("S1", "b2")))))
            cancelled = submission("S1", "c", "exam-booking-cancelled", "2026-05-25", course="F1", held_on="2026-06-22")
            said.extend(outcomes(counter.answers(received(cancelled))))
        return found

    monkeypatch.setattr(other, "refusals", overtaken)
    assert outcomes(slow.answers(received(booking("S1", "b2")))) == said[:1]
    assert said[0]["outcome"] == "refused"


def test_submission_is_given_up_when_others_never_stop_appending(counter: Counter, store: EventStore,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    def moved_on(*_: Any) -> Any:
        raise VersionConflict("moved on")

    monkeypatch.setattr("ledger.handling.submit.TURN_SECONDS", 0.05)
    monkeypatch.setattr(store, "append_with_refusals", moved_on)
    with pytest.raises(VersionConflict, match="others kept appending"):
        counter.answers(received(*enrolled("S1")))


@pytest.mark.parametrize(("value", "reason"), [
    (None, "no value"), (b"  ", "no value"), (b"{", "not one JSON object"), (b"\xff", "not UTF-8"),
    (b"[]", "not a JSON object"),
    (b"null", "not a JSON object"), (b'{"id": "a", "id": "b"}', "stands twice"), (b'{"id": NaN}', "id: "),
    (b'{"x": ' + b"[" * 100_000, "nested"), (b'{"id": "' + b"x" * (2 << 20) + b'"}', "longer than"), (b"{}", "id: "),
    (b'{"id": 1}', "id: "), (b'{"id": ""}', "id: "), (b'{"id": "' + b"x" * 201 + b'"}', "id: "),
    (b'{"id": "\\ud800"}', "id: "),
    (b'{"id": "a"}', "student: "), (b'{"id": "a", "student": "Ada Rossi"}', "student: "),
    (b'{"id": "a", "student": "S2"}', "the key of the message"),
])
def test_message_is_a_dead_letter_when_nobody_can_be_answered(
        counter: Counter, store: EventStore, value: bytes | None, reason: str) -> None:
    (letter, *outcome) = counter.answers([Received(3, 7, b"S1", value, [TRACE]), *received(enrolled("S1")[0])])
    assert letter.topic == DEAD_LETTER
    assert (letter.key, letter.value) == (b"S1", value)
    assert reason in (header(letter.headers, "dead_letter_error") or "")
    assert [header(letter.headers, f"dead_letter_{name}") for name in ("consumer", "topic", "partition", "offset")] == [
        "career-ledger.intake", "career.submissions.v1", "3", "7"]
    assert TRACE in letter.headers
    assert [one["outcome"] for one in outcomes(outcome)] == ["accepted"]  # the others go on
    assert store.last_position() == 1


def test_header_without_value_does_not_stop_anybody(counter: Counter) -> None:
    letter, outcome = counter.answers([one._replace(headers=[("traceparent", None), ("x", None)]) for one in (
        Received(0, 0, b"S1", b"{", []), *received(enrolled("S1")[0]))])
    assert {("traceparent", b""), ("x", b"")} <= set(letter.headers)
    assert header(outcome.headers, "traceparent") is None


def test_message_without_key_is_a_dead_letter(counter: Counter) -> None:
    (letter,) = counter.answers([one._replace(key=None) for one in received(enrolled("S1")[0])])
    assert "no key" in (header(letter.headers, "dead_letter_error") or "")
    assert letter.key is None  # as it came: an empty key would be another one


@pytest.mark.parametrize(("value", "content_type", "wanted"), [
    (b'{"specversion": "1.0", "id": "1", "source": "x", "data": {}}', b"application/cloudevents+json; charset=utf-8",
     "envelope"),
    (b'{"specversion": "1.0", "id": "1", "student": "S1", "data": {}}', b"", "envelope"),
    (b"<submission/>", b"application/xml", "content-type does not say application/json"),
    (b"\x00\x01", b"avro/binary", "content-type does not say application/json"),
    (b"[]", b"text/plain", "content-type does not say application/json"),
    (b"[]", b"Application/JSON;charset=utf-8", "not a JSON object"),
])
def test_submission_in_another_form_is_told_what_is_wanted(counter: Counter, value: bytes,
                                                           content_type: bytes, wanted: str) -> None:
    headers = [("Content-Type", content_type)] if content_type else []
    (letter,) = counter.answers([Received(0, 0, b"S1", value, headers)])
    assert wanted in (header(letter.headers, "dead_letter_error") or "")


def test_submission_is_taken_whatever_its_content_type_says(counter: Counter) -> None:
    (message,) = counter.answers([one._replace(headers=[("content-type", b"text/plain")])
                                  for one in received(enrolled("S1")[0])])
    assert [one["outcome"] for one in outcomes([message])] == ["accepted"]


@pytest.mark.parametrize(("trace", "handed_on"), [
    (TRACE[1], True), (b"01" + TRACE[1][2:] + b"-more", True), (b"ff" + TRACE[1][2:], False), (TRACE[1].upper(), False),
    (b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01", False),
    (b"00-4bf92f3577b34da6a3ce929d0e0e4736-" + b"0" * 16 + b"-01", False),
    (b"S1 has been reduced", False), (b"", False), (TRACE[1] + b"\n", False),
])
def test_trace_is_handed_on_when_it_is_one(counter: Counter, trace: bytes, handed_on: bool) -> None:
    (message,) = counter.answers([one._replace(headers=[("traceparent", trace)])
                                  for one in received(enrolled("S1")[0])])
    assert header(message.headers, "traceparent") == (trace.decode() if handed_on else None)


def test_dead_letter_leaves_out_what_no_topic_could_hold(counter: Counter) -> None:
    (letter,) = counter.answers([Received(0, 5, b"S1", b" {" * LONGEST_LETTER, [])])
    assert letter.value is None
    assert "not repeated" in (header(letter.headers, "dead_letter_error") or "")
    assert header(letter.headers, "dead_letter_offset") == "5"


def test_outcome_of_a_submission_with_many_faults_fits_its_topic(counter: Counter) -> None:
    courses: list[dict[str, Any]] = [{} for _ in range(4_000)]
    one = submission("S1", "a", "study-plan-approved", "2025-11-30", academic_year="2025-26",
                     courses=courses) | {"x" * 300_000: 1}
    (message,) = counter.answers(received(one))
    assert len(message.value or b"") < 100_000
    assert "further problems" in outcomes([message])[0]["problems"][-1]["message"]


@pytest.mark.parametrize("id_", ["with \x00 inside", "è un'id ✓", "x" * 200])
def test_any_id_is_remembered(counter: Counter, store: EventStore, id_: str) -> None:
    counter.answers(received(*enrolled("S1"), booking("S1", "b1")))
    for one in (booking("S1", id_), payment("S1", 1, id=id_ + "y") | {"data": {}})[:2 if len(id_) < 200 else 1]:
        first = outcomes(counter.answers(received(one)))
        assert first[0]["outcome"] in ("refused", "invalid")
        assert outcomes(intake(store).answers(received(one))) == first


def test_person_is_invalid_and_nothing_of_her_is_remembered(counter: Counter, store: EventStore) -> None:
    one = {name: value for name, value in submission("S1", "p", "person-registered", "2026-05-25",
                                                     given_name="Ada", family_name="Rossi",
                                                     ).items() if name != "career"}
    first = outcomes(counter.answers(received(one)))
    assert "encryption-not-configured" in first[0]["problems"][0]["message"]
    (kept,) = store.refusals([("S1", "p")]).values()
    assert b"Rossi" not in kept.outcome + kept.content


@pytest.mark.parametrize("place", ["judge", "add"])
def test_submission_on_which_the_ledger_fails_is_a_dead_letter_and_the_others_go_on(
        counter: Counter, store: EventStore, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    if place == "judge":
        sound = counter._desk.judge

        def judge(stream: Stream, one: Submission) -> Any:
            return {}["a fault"] if one.id == "b1" else sound(stream, one)

        monkeypatch.setattr(counter._desk, "judge", judge)
    else:
        keep = Stream.add

        def add(stream: Stream, events: Sequence[Event]) -> None:
            keep(stream, events)
            if any(event.id == "b1" for event in events):
                raise KeyError("a fault")

        monkeypatch.setattr(Stream, "add", add)
    sent = received(*enrolled("S1"), booking("S1", "b1"), booking("S1", "b2"), payment("S1", 1))
    *before, letter, second, last = counter.answers(sent)
    assert [one["outcome"] for one in outcomes([*before, second, last])] == ["accepted"] * 5
    assert letter.topic == DEAD_LETTER
    assert "a fault of the ledger, please report it: KeyError in test_counter.py" in (header(letter.headers,
                                                                                             "dead_letter_error") or "")
    monkeypatch.undo()
    # mended: it is decided then
    assert [one["outcome"] for one in outcomes(counter.answers(sent[3:5]))] == ["refused", "duplicate"]


def remember(url: str, one: Refusal) -> None:
    """As an older release did."""
    row = (one.student, one.id.encode(), one.content, one.outcome)
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file, file:
            file.execute("DROP TRIGGER IF EXISTS refused_submissions_guard")
            file.execute("INSERT INTO refused_submissions VALUES (?, ?, ?, ?)", row)
        return
    with psycopg.connect(url) as owner:
        owner.execute("INSERT INTO refused_submissions VALUES (%s, %s, %s, %s)", row)


def test_what_an_older_release_kept_of_a_refusal_is_recognised_and_loses_its_plain_hash_and_its_quotes(
        counter: Counter, store: EventStore, store_url: str) -> None:
    sent = received(*enrolled("S1"), booking("S1", "b1"), booking("S1", "b2"),
                    payment("S1", 1) | {"data": {"amount": "Rossi"}})
    first = outcomes(counter.answers(sent))
    old = {"id": "old", "outcome": "invalid", "problems": [{"path": "data.Rossi", "message": "there is no Rossi"}]}
    hashes = {}
    for number, (id_, outcome) in enumerate([(sent[4], first[4]), (sent[5], first[5] | {"problems": old["problems"]})]):
        raw = json.dumps(json.loads(id_.value or b"") | {"id": f"old-{number}"}).encode()
        hashes[f"old-{number}"] = plain = _read(id_._replace(value=raw)).hash()  # type: ignore[union-attr]
        remember(store_url,
                 Refusal("S1", f"old-{number}", plain, json.dumps(outcome | {"id": f"old-{number}"}).encode()))
    again = received(*(json.loads(one.value or b"") | {"id": f"old-{number}"} for number, one in enumerate(sent[4:])))
    refused, malformed = outcomes(counter.answers(again))  # before an owner has opened it: recognised as it stands
    assert (refused["reasons"], malformed["problems"]) == (first[4]["reasons"], old["problems"])
    assert outcomes(intake(store).answers(again))[0] == refused  # whose start rewrites what may be rewritten
    kept = store.refusals({("S1", id_) for id_ in hashes})
    assert len(kept) == 2
    for (_, id_), one in kept.items():
        assert len(one.content) == 33
        assert hashes[id_] not in one.content
        assert b"Rossi" not in one.outcome
    assert "other content" in outcomes(intake(store).answers(received(payment("S1", 2)
                                                                      | {"id": "old-0"})))[0]["problems"][0]["message"]


@pytest.mark.parametrize("link_breaks", ["before", "after"])
def test_batch_is_stored_once_when_the_link_breaks_around_the_commit(
        counter: Counter, store: EventStore, monkeypatch: pytest.MonkeyPatch, link_breaks: str) -> None:
    sent = received(*enrolled("S1"), booking("S1", "b1"), booking("S1", "b2"))
    store_answers = store._recorder.insert_with_refusals
    calls = 0

    def break_once(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1 and link_breaks == "after":
            store_answers(*arguments)
        if calls == 1:
            raise OperationalError("the pool lost its connection: database is locked") from psycopg_error()
        return store_answers(*arguments)

    monkeypatch.setattr(store._recorder, "insert_with_refusals", break_once)
    kinds = [one["outcome"] for one in outcomes(counter.answers(sent))]
    assert kinds == ["accepted" if link_breaks == "before" else "duplicate"] * 4 + ["refused"]
    assert [event.version for event in store.stream("S1")] == [1, 2, 3, 4]


def test_students_are_forgotten_and_found_again(counter: Counter, store: EventStore,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counter._streams, "_keep", 7)
    students = [f"S{n}" for n in range(9)]
    for student in students:
        counter.answers(received(*enrolled(student)))
    assert list(counter._streams._held) == students[-2:]
    assert {one["outcome"]
            for one in outcomes(counter.answers(received(*(booking(s, "b") for s in students))))} == {"accepted"}


def test_what_is_protected_is_sealed_and_a_registration_is_refused_when_there_is_a_key_store(
        store: EventStore) -> None:
    ticket = submission("S01", "t", "ticket-opened", "2026-05-25", number="7", service="desk", subject="SOWN",
                        context="fees")
    person = submission("S01", "p", "person-registered", "2026-05-25", given_name="SOWN", family_name="SOWN")
    for one in (ticket, person):
        del one["career"]
    desk = Counter(store, BOOKS, lambda: LATER, HISTORY, Keys())
    found = outcomes(desk.answers(received(ticket, person)))
    assert [one["outcome"] for one in found] == ["accepted", "invalid"]
    assert [(one["path"], "append" in one["message"]) for one in found[1]["problems"]] == [("type", True)]
    assert "SOWN" not in repr(store.stream("S01"))
    assert "SOWN" not in json.dumps(found)
