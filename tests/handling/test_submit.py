"""The write path: ids, the clock, decisions, files of all or nothing, and what is wrong with a line."""

import io
import json
import re
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ledger import words
from ledger.bootstrap import open_ledger
from ledger.domain.books import LawBooks
from ledger.domain.checked import names
from ledger.domain.events import PAYLOADS
from ledger.domain.form import Problem
from ledger.domain.knowledge import NotFound
from ledger.handling import submit as write_path
from ledger.handling.lines import LONGEST_LINE, decode_line, read_lines
from ledger.handling.submit import append_lines, read_form, submit
from ledger.handling.trusted import recorded_event
from ledger.store import EventStore, StoreUnusable, VersionConflict, open_store
from ledger.words import sentence
from tests.store.test_guards import unguarded

from .histories import LATER, booking, clock, enrolled, lines, payment, submission, void
from .workers import BOOKS

IN_2090 = datetime(2090, 1, 1, tzinfo=timezone.utc)
Append = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def books() -> LawBooks:
    return BOOKS


@pytest.fixture
def append(store: EventStore, books: LawBooks) -> Append:
    def run(*given: dict[str, Any] | bytes, mode: str = "enforce", atomic: bool = False) -> list[dict[str, Any]]:
        file = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in given]
        return list(append_lines(store, books, file, mode, atomic, clock))
    return run


def outcomes(found: list[dict[str, Any]]) -> list[str]:
    return [one["outcome"] for one in found]


def test_append_is_accepted_with_the_place_that_the_event_has(append: Append, store: EventStore) -> None:
    found = append(*enrolled("S01"))
    assert found == [{"id": event.id, "outcome": "accepted", "position": event.position, "version": event.version}
                     for event in store.stream("S01")]
    assert [one["version"] for one in found] == [1, 2, 3]


def test_append_is_a_duplicate_with_the_first_place_when_the_content_is_the_same(append: Append,
                                                                                 store: EventStore) -> None:
    [first] = append(*enrolled("S01"), payment("S01", 1))[3:]
    again = append(*(payment("S01", 1) | {"recorded_at": moment} for moment in (None, "2026-05-25T10:00:00Z",
                                                                                "2199-01-01T00:00:00Z")))
    assert again == [first | {"outcome": "duplicate"}] * 3
    assert len(store.stream("S01")) == 4


@pytest.mark.parametrize("atomic", [False, True])
def test_duplicate_names_the_void_when_its_event_was_voided(append: Append, store: EventStore,
                                                            store_url: str, books: LawBooks,
                                                             atomic: bool) -> None:
    """In one file, in a later one, and where another program voided it while the desk remembers the student."""
    found = append(*enrolled("S01"), payment("S01", 1), payment("S01", 2), void("S01", "S01-p1"),
                   payment("S01", 1), atomic=atomic)
    assert [found[6].get("voided_by"), found[6]["outcome"]] == ["void-S01-p1", "duplicate"]
    assert append(payment("S01", 1), payment("S01", 2), atomic=atomic) == [
        found[6], {"id": "S01-p2", "outcome": "duplicate", "position": found[4]["position"], "version": 5}]

    def sent() -> Iterator[bytes]:
        yield from lines(payment("S01", 2))
        with open_store(store_url, create=False) as other:
            submit(other, books, void("S01", "S01-p2"), "enforce", clock)
        yield from lines(payment("S01", 2))

    before, after = append_lines(store, books, sent(), "enforce", False, clock)
    assert after == before | {"voided_by": "void-S01-p2"}
    assert append(payment("S01", 1) | {"id": "S01-p1-again"}, atomic=atomic)[0]["outcome"] == "accepted"


@pytest.mark.parametrize("change", [{"actor": "somebody else"}, {"effective_on": "2026-05-24"}, {"career": "S01-C"},
                                    {"data": {"charge": "2025-26:instalment-2", "amount": "2.00"}}])
def test_append_is_invalid_when_the_id_was_used_for_other_content(append: Append, store: EventStore,
                                                                  change: dict[str, Any]) -> None:
    append(*enrolled("S01"), payment("S01", 1))
    [found] = append(payment("S01", 1) | change)
    assert (found["id"], found["outcome"], found["problems"][0]["path"]) == ("S01-p1", "invalid", "id")
    assert len(store.stream("S01")) == 4


def test_ids_of_two_students_do_not_meet(append: Append) -> None:
    assert outcomes(append(*enrolled("S01"), *enrolled("S02"), payment("S01", 1, id="x"),
                           payment("S02", 1, id="x"))) == ["accepted"] * 8


def test_recorded_at_is_the_clock_when_it_is_not_given(append: Append, store: EventStore) -> None:
    append(*enrolled("S01"), payment("S01", 1), payment("S01", 2))
    assert [event.recorded_at for event in store.stream("S01", after=3)] == [LATER, LATER]


def test_recorded_at_stays_when_the_clock_runs_behind_the_last_event(append: Append, store: EventStore,
                                                                     books: LawBooks) -> None:
    append(*enrolled("S01"), payment("S01", 1))
    found = submit(store, books, payment("S01", 2), "enforce", lambda: LATER - timedelta(seconds=5))
    assert found["outcome"] == "accepted"
    assert store.stream("S01")[-1].recorded_at == LATER


def test_append_by_a_clock_that_ran_ahead_is_refused_by_the_database(store: EventStore, books: LawBooks) -> None:
    """One machine in 2090 must not give every later event of the student its moment."""
    with pytest.raises(StoreUnusable, match="after the clock of the database: set the clock"):
        submit(store, books, enrolled("S01")[0] | {"recorded_at": None}, "enforce", lambda: IN_2090)
    assert store.stream("S01") == []


def test_student_of_a_clock_that_ran_ahead_goes_on_and_is_audited(store: EventStore, store_url: str,
                                                                  books: LawBooks) -> None:
    """What an older release let in: the moment stays, facts do not run ahead with it, and questions
    offer the position instead."""
    unguarded(store_url)
    asked, *_ = enrolled("S01")
    submit(store, books, asked | {"recorded_at": None}, "record", lambda: IN_2090)
    found = submit(store, books, payment("S01", 1), "record", clock)
    assert (found["outcome"], store.stream("S01")[-1].recorded_at) == ("accepted", IN_2090)
    early = submit(store, books, payment("S01", 2, effective_on="2026-11-03"), "record", clock)
    assert (early["outcome"], early["problems"][0]["path"]) == ("invalid", "effective_on")
    ledger = open_ledger(store_url)
    told = [one for one in ledger.audit() if one["rule"] == "FUT"]
    assert [one["event"] for one in told] == ["S01-enrolled", "S01-p1"]
    said = sentence(told[0]["message"])
    assert "2090" in said
    assert "FUT" not in {one["rule"] for one in ledger.audit(on=LATER.date())}  # of a day it is the same at any time
    assert f"--known-position {store.stream('S01')[0].position}" in said
    with pytest.raises(NotFound, match=r"missing/student-ahead.*'position': \d+"):
        ledger.status("S01", LATER.date(), known_at=LATER)
    assert ledger.status("S01", LATER.date(), known_position=store.last_position())["careers"]


@pytest.mark.parametrize(("moment", "word"), [("2026-11-02T12:00:01Z", "clock"), ("2025-11-30T11:59:59Z", "earlier")])
def test_append_is_invalid_when_recorded_at_is_out_of_time(append: Append, moment: str, word: str) -> None:
    append(*enrolled("S01"))
    [found] = append(payment("S01", 1, recorded_at=moment, effective_on="2025-11-30"))
    assert (found["outcome"], found["problems"][0]["path"]) == ("invalid", "recorded_at")
    assert word in sentence(found["problems"][0]["message"])


def test_append_is_refused_with_reasons_and_recorded_in_breach_when_imported(append: Append, store: EventStore) -> None:
    append(*enrolled("S01"), booking("S01", "b1"))
    [refused] = append(booking("S01", "b2"))
    assert (refused["outcome"], [reason["rule"] for reason in refused["reasons"]]) == ("refused", ["PRN-D"])
    assert {"rule", "message", "source", "clears"} <= refused["reasons"][0].keys()
    [accepted] = append(booking("S01", "b2"), mode="record")
    assert (accepted["outcome"], accepted["breaches"]) == ("accepted", ["PRN-D"])
    assert store.stream("S01")[-1].breaches == ("PRN-D",)


def test_other_lines_are_stored_when_one_is_refused_and_one_invalid(append: Append, store: EventStore) -> None:
    found = append(*enrolled("S01"), booking("S01", "b1"), booking("S01", "b2"), b"{", payment("S01", 1))
    assert outcomes(found) == ["accepted"] * 4 + ["refused", "invalid", "accepted"]
    assert len(store.stream("S01")) == 5


def test_decision_rests_on_what_another_program_has_just_stored(store: EventStore, store_url: str,
                                                                books: LawBooks) -> None:
    """Both remember the student from an earlier line; then each learns of the other's event, by
    a conflict or by looking."""
    def file() -> Iterator[bytes]:
        yield from lines(*enrolled("S01"), payment("S01", 1))
        with open_store(store_url) as other:
            submit(other, books, booking("S01", "theirs"), "enforce", clock)
        yield from lines(payment("S01", 2))
        with open_store(store_url) as other:
            cancelled = booking("S01", "cancelled") | {"type": "exam-booking-cancelled",
                                                       "data": {"course": "F1", "held_on": "2026-06-22"}}
            submit(other, books, cancelled, "enforce", clock)
        yield from lines(booking("S01", "ours"), booking("S01", "again"))
        with open_store(store_url) as other:
            submit(other, books, cancelled | {"id": "cancelled again"}, "enforce", clock)
        yield from lines(booking("S01", "at last"))

    found = list(append_lines(store, books, file(), "enforce", False, clock))
    assert outcomes(found) == ["accepted"] * 6 + ["refused", "accepted"]
    assert [event.version for event in store.stream("S01")] == list(range(1, len(store.stream("S01")) + 1))


def test_conflict_is_raised_when_others_never_stop(store: EventStore, books: LawBooks,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    def conflict(*_: Any) -> None:
        raise VersionConflict("the stream has moved on")

    monkeypatch.setattr(write_path, "TURN_SECONDS", 0.05)
    monkeypatch.setattr(store, "append", conflict)
    with pytest.raises(VersionConflict, match="submit S01-enrolled again"):
        submit(store, books, enrolled("S01")[0], "enforce", clock)
    with pytest.raises(VersionConflict, match="submit the file again"):
        list(append_lines(store, books, lines(*enrolled("S01")), "enforce", True, clock))


def test_file_goes_on_when_others_never_stop_appending_to_one_of_its_students(
        append: Append, store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_path, "TURN_SECONDS", 0.05)
    once = store.append

    def conflict(events: Sequence[Any]) -> Any:
        if any(event.student == "S01" for event in events):
            raise VersionConflict("the stream has moved on")
        return once(events)

    monkeypatch.setattr(store, "append", conflict)
    found = append(enrolled("S01")[0], enrolled("S02")[0], b"{", enrolled("S03")[0])
    assert outcomes(found) == ["conflict", "accepted", "invalid", "accepted"]
    assert found[0]["id"] == "S01-enrolled"
    assert "submit S01-enrolled again" in sentence(found[0]["problems"][0]["message"])
    monkeypatch.setattr(store, "append", once)
    assert outcomes(append(*enrolled("S01"))) == ["accepted"] * 3


def test_students_met_long_ago_are_forgotten(append: Append, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_path, "EVENTS_KEPT", 5)
    students = [f"S{n}" for n in range(6)] * 2
    found = append(*(one for student in students for one in enrolled(student)))
    assert outcomes(found) == ["accepted"] * 18 + ["duplicate"] * 18


# --atomic


def test_atomic_file_is_stored_whole_with_the_places_of_its_events(append: Append, store: EventStore) -> None:
    append(*enrolled("S01"))
    found = append(*enrolled("S01"), *enrolled("S02"), payment("S01", 1), payment("S02", 1),
                   payment("S01", 1), atomic=True)
    assert outcomes(found) == ["duplicate"] * 3 + ["accepted"] * 5 + ["duplicate"]
    places = {event.id: (event.position, event.version) for event in store.log()}
    assert [(one["position"], one["version"]) for one in found] == [places[one["id"]] for one in found]
    assert len(places) == 8


@pytest.mark.parametrize("bad", [b"{", json.dumps(booking("S01", "b2")).encode()])
def test_atomic_file_is_kept_out_whole_when_one_line_is_refused_or_invalid(append: Append,
                                                                           store: EventStore, bad: bytes) -> None:
    append(*enrolled("S01"))
    found = append(payment("S01", 1), enrolled("S01")[0], payment("S01", 1), booking("S01", "b1"),
                   bad, payment("S01", 2), atomic=True)
    assert outcomes(found) == ["refused", "duplicate", "refused", "refused", "invalid" if bad == b"{" else "refused",
                               "refused"]
    assert [reason["rule"] for reason in found[0]["reasons"]] == ["ATOMIC"]
    assert len(store.log()) == 3


def test_atomic_file_is_decided_again_when_another_program_was_faster(
        store: EventStore, store_url: str, books: LawBooks, monkeypatch: pytest.MonkeyPatch) -> None:
    list(append_lines(store, books, lines(*enrolled("S01")), "enforce", False, clock))
    append = store.append

    def after_another(events: Any) -> Any:
        with open_store(store_url) as other:
            submit(other, books, booking("S01", "theirs"), "enforce", clock)
        monkeypatch.setattr(store, "append", append)
        return append(events)

    monkeypatch.setattr(store, "append", after_another)
    found = list(append_lines(store, books, lines(booking("S01", "ours"), payment("S01", 1)), "enforce", True, clock))
    assert [[reason["rule"] for reason in one["reasons"]] for one in found] == [["PRN-D"], ["ATOMIC"]]
    assert [event.id for event in store.stream("S01", after=3)] == ["theirs"]


# what is wrong with a line

@pytest.mark.parametrize("number", ["1" + "0" * 399, "-1" + "0" * 399, "1" + "0" * 4999, "1e400",
                                    "1e99999999999", "NaN", "-Infinity"])
def test_line_is_invalid_at_its_field_when_that_holds_a_number_without_end(number: str) -> None:
    for kind, payload in PAYLOADS.items():
        for field in names(payload):
            given = json.dumps(submission("S01", "x", kind, "2026-05-04", **{field: "@"})).replace('"@"', number)
            found = read_form(decode_line(given.encode()))
            assert isinstance(found, dict)
            assert found["id"] == "x"
            said = [sentence(problem["message"]) for problem in found["problems"] if problem["path"] == f"data.{field}"]
            assert said, (kind, field, found)
            assert not re.search("python|float|digits", said[0], re.IGNORECASE)
            recorded = '"version": 1, "recorded_at": "2026-05-04T12:00:00Z", "effective_on"'
            exported = recorded_event(given.replace('"effective_on"', recorded).encode(), 0)
            assert isinstance(exported, dict), (kind, field)


UNUSABLE = [
    (b'{"id": "x"', None, "not one JSON object"),
    (b'{"id": "x"} {"id": "y"}', None, "not one JSON object"),
    (b"null", None, "a submission is a JSON object"),
    (b"[]", None, "a submission is a JSON object"),
    (b'"text"', None, "a submission is a JSON object"),
    (b"\xff\xfe{\x00}\x00", None, "not UTF-8 (byte 1)"),
    (b'{"id": "caf\xe9"}', None, "not UTF-8 (byte 12)"),
    (b'{"id": "x", "n": NaN}', "x", "there is no such field"),
    (b'{"id": "x", "source": -Infinity}', "x", "valid string"),
    (b'{"id": "x", "effective_on": 1' + b"0" * 5000 + b"}", "x", "write the day as a string"),
    (b'{"id": "x", "id": "x"}', None, "'id' stands twice"),
    (b'{"id": "x", "data": {"a": 1, "a": 2}}', None, "'a' stands twice"),
    (b"[" * 200_000, None, "nested too deeply"),
    (b'{"a":' * 100_000, None, "nested too deeply"),
    (b'{"id": 1' + b"0" * 5000 + b"}", None, "valid string"),
    (b'{"id": "x"}', "x", "required"),
    (b'{"id": 7}', None, "required"),
    (b'{"id": ""}', "", "required"),
    (b'{"id": "' + b"x" * 201 + b'"}', None, "at most 200"),
    (b'{"id": "\\ud800", "\\udfff": 1, "type": "\\ud800"}', "?", "unicode"),
    (b'{"id": "x", "n": 1e999}', "x", "no such field"),
    (b'{"id": "' + b"x" * LONGEST_LINE + b'"}', None, "longer than 1048576 bytes"),
]


def test_append_is_invalid_with_the_place_of_the_mistake_when_a_line_is_unusable(append: Append,
                                                                                 store: EventStore) -> None:
    [*found, last] = append(b"\n", *enrolled("S01"), *(line for line, _, _ in UNUSABLE), payment("S01", 1))[3:]
    assert outcomes([last]) == ["accepted"]
    for number, (one, (line, name, word)) in enumerate(zip(found, UNUSABLE, strict=True), 5):
        assert (one["outcome"], one["id"]) == ("invalid", name), line[:80]
        assert any(word in sentence(problem["message"]) for problem in one["problems"]), one["problems"]
        assert one.get("line") == (number if name is None else None)
        assert json.dumps(words.told(one), ensure_ascii=False).encode()
        assert len(json.dumps(words.told(one))) < 2000
    assert len(store.log()) == 4


def test_lines_are_read_however_the_file_was_saved(append: Append) -> None:
    file = b"\xef\xbb\xbf" + b"\r\n\r\n".join(lines(*enrolled("S01"))).replace(b"\n\r\n", b"\r\n") + b"\r\n  \r\n"
    assert outcomes(append(*read_lines(io.BytesIO(file)))) == ["accepted"] * 3
    assert outcomes(append(b"\xef\xbb\xbf", payment("S01", 1))) == ["accepted"]


@pytest.mark.parametrize("size", [LONGEST_LINE - 1, LONGEST_LINE, LONGEST_LINE + 1, LONGEST_LINE + 2, LONGEST_LINE + 3,
                                  2 * LONGEST_LINE + 6, 5_000_000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_long_line_is_one_line_and_only_its_beginning_is_held(size: int, end: bytes) -> None:
    head = b"1\n"
    found = list(read_lines(io.BytesIO(head + b"2" * size + end + (b"3\n" if end else b""))))
    assert [line[:1] for line in found] == ([b"1", b"2", b"3"] if end else [b"1", b"2"])
    assert len(found[1]) <= LONGEST_LINE + 6
    assert (len(found[1].strip()) > LONGEST_LINE) == (size > LONGEST_LINE)


@pytest.mark.parametrize("line", [
    b'{"id": "x"}' + b" " * LONGEST_LINE + b"and more", b" " * (LONGEST_LINE + 10) + b'{"id": "x"}',
    b"\r" * (LONGEST_LINE + 10) + b"1", b"\xef\xbb\xbf" + b" " * LONGEST_LINE + b" \r 1"],
    ids=["after its end", "before its beginning", "returns", "with a mark"])
def test_line_is_too_long_whatever_blanks_it_holds(line: bytes) -> None:
    """What was cut off is not taken for nothing."""
    [found] = [decode_line(one, first=True) for one in read_lines(io.BytesIO(line + b"\n"))]
    assert isinstance(found, Problem)
    assert "longer than 1048576 bytes" in sentence(found.message)


def test_memory_stays_flat_when_the_file_is_long(store: EventStore, books: LawBooks) -> None:
    def file(count: int) -> Iterator[bytes]:
        for n in range(count):
            yield b'{"id": "' + str(n).encode() + b'", "type": "nothing", "padding": "' + b"x" * 20_000 + b'"}\n'

    def peak(count: int) -> int:
        tracemalloc.start()
        for _ in append_lines(store, books, file(count), "enforce", False, clock):
            pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(20)
    # what other tests' threads hold is counted too; the lines would be 18 million
    assert peak(1000) < peak(100) + 2_000_000


def test_blank_line_is_nothing_and_a_mark_counts_at_the_start_only() -> None:
    assert decode_line(b" \r\n") is None
    assert decode_line(b"\xef\xbb\xbf{}", first=True) == {}
    assert isinstance(decode_line(b"\xef\xbb\xbf{}"), Problem)
