"""`append`: outcomes, exit codes, and what bad input does."""

import codecs
import json
from pathlib import Path
from typing import Any

import pytest

from ledger.store import EventStore, VersionConflict

BOOKING = {"course": "F1", "held_on": "2026-04-22", "academic_year": "2025-26", "session": "summer",
           "calls_start_on": "2026-04-08", "mode": "oral"}


def outcomes(output: str) -> list[dict[str, Any]]:
    return [json.loads(row) for row in output.splitlines()]


def test_append_is_accepted_with_position_and_version(run, history, lines) -> None:
    result = run("append", "-", "--json", given=lines(*history))
    assert result.exit_code == 0
    found = outcomes(result.stdout)
    assert [row["id"] for row in found] == ["a1", "a2", "a3"]
    assert [row["outcome"] for row in found] == ["accepted"] * 3
    assert [row["version"] for row in found] == [1, 2, 3]
    assert found[0]["position"] < found[1]["position"] < found[2]["position"]


def test_append_is_a_duplicate_when_sent_again(ledger, history, lines) -> None:
    result = ledger("append", "-", given=lines(*history))
    assert result.exit_code == 0
    assert result.stdout == "3 lines: 0 accepted, 3 duplicate, 0 refused, 0 invalid\n"


def test_append_says_that_a_new_id_is_needed_when_the_event_of_a_duplicate_was_voided(ledger, line, lines) -> None:
    paid = line("b3", "instalment-paid", "2026-03-26", {"charge": "2025-26:instalment-1", "amount": "400.00"})
    void = line("v1", "event-voided", "2026-03-27", {"event": "b3", "reason": "bounced", "authority": "treasury"})
    result = ledger("append", "-", given=lines(paid, void, paid))
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "duplicate  b3", "  voided by v1 since: it counts for nothing; if the fact holds, submit it under a new id",
        "3 lines: 2 accepted, 1 duplicate, 0 refused, 0 invalid"]


def test_append_keeps_the_other_lines_when_one_is_refused_and_one_invalid(ledger, line, lines) -> None:
    paid = line("b3", "instalment-paid", "2026-03-26", {"charge": "2025-26:instalment-1", "amount": "400.00"})
    result = ledger("append", "-", "--json", given=lines(line("b1", "exam-booked", "2026-03-25", BOOKING),
                                                         line("b2", "exam-bookt", "2026-03-25", {}), paid))
    assert result.exit_code == 1
    refused, invalid, accepted = outcomes(result.stdout)
    assert (refused["outcome"], invalid["outcome"], accepted["outcome"]) == ("refused", "invalid", "accepted")
    assert "BLK-1" in [reason["rule"] for reason in refused["reasons"]]
    assert invalid["problems"][0]["path"] == "type"


def test_append_shows_people_why_a_line_is_refused_and_what_lifts_it(ledger, line, lines) -> None:
    result = ledger("append", "-", given=lines(line("b1", "exam-booked", "2026-03-25", BOOKING)))
    assert result.exit_code == 1
    assert "refused  b1" in result.stdout
    assert "BLK-1: " in result.stdout
    assert "To lift it: " in result.stdout
    assert "Source: Guida dello studente 2025-26, " in result.stdout
    assert "1 line: 0 accepted, 0 duplicate, 1 refused, 0 invalid" in result.stdout


def test_append_stores_nothing_when_atomic_and_one_line_is_invalid(run, history, line, lines) -> None:
    result = run("append", "-", "--atomic", "--json", given=lines(*history, line("a4", "exam-bookt", "2026-03-25", {})))
    assert result.exit_code == 1
    assert {row["outcome"] for row in outcomes(result.stdout)} == {"refused", "invalid"}
    assert run("status", "S01", "--on", "2026-01-10").exit_code == 3


@pytest.mark.parametrize("prepare", [
    lambda text: codecs.BOM_UTF8 + text,
    lambda text: text.replace(b"\n", b"\r\n"),
    lambda text: codecs.BOM_UTF8 + text.replace(b"\n", b"\r\n\r\n"),
    lambda text: text.rstrip(b"\n"),
], ids=["bom", "crlf", "bom, crlf and blank lines", "no newline at the end"])
def test_append_takes_a_file_however_it_was_saved(run, tmp_path: Path, history, lines, prepare) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(prepare(lines(*history)))
    result = run("append", str(file))
    assert (result.exit_code, result.stdout) == (0, "3 lines: 3 accepted, 0 duplicate, 0 refused, 0 invalid\n")


@pytest.mark.parametrize("bad", [
    b'{"id": "x"', b"[1, 2]", b'"text"', b"\xff\xfe{}", b'{"id": NaN}', b'{"id": "x", "id": "y"}', b"[" * 100_000,
    b'{"id": "' + b"x" * 10_000_000 + b'"}',
], ids=["cut off", "a list", "a string", "not UTF-8", "NaN", "a name twice", "nested deeply", "10 MB"])
def test_append_is_invalid_and_the_next_line_stored_when_a_line_is_unusable(run, history, lines, bad: bytes) -> None:
    result = run("append", "-", "--json", given=bad + b"\n" + lines(*history))
    assert result.exit_code == 1
    found = outcomes(result.stdout)
    assert [row["outcome"] for row in found] == ["invalid", "accepted", "accepted", "accepted"]
    assert found[0]["problems"][0]["message"]
    assert len(result.stdout) < 5_000


@pytest.mark.parametrize(("field", "value"), [
    ("effective_on", "2026-02-30"), ("effective_on", "0000-01-01"), ("effective_on", "3026-01-01"),
    ("recorded_at", "yesterday"),
    ("student", "a b"), ("career", "NONE"), ("data", {"charge": "2025-26:enrolment", "amount": "1.005"}),
    ("data", {"charge": "2025-26:enrolment", "amount": "-1.00"}), ("extra", 1),
])
def test_append_names_the_field_when_a_value_is_wrong(ledger, line, lines, field: str, value: Any) -> None:
    event = line("b1", "instalment-paid", "2026-03-25",
                 {"charge": "2025-26:enrolment", "amount": "1.00"}) | {field: value}
    result = ledger("append", "-", "--json", given=lines(event))
    assert result.exit_code == 1
    (found,) = outcomes(result.stdout)
    assert found["outcome"] == "invalid"
    assert any(problem["path"].startswith(field) for problem in found["problems"])


_GRADE = {"course": "A", "held_on": "2026-02-03", "outcome": "passed", "cfu": 6, "session": "winter", "mode": "oral"}
_COURSE = {"code": "A", "cfu": 6, "year": 1, "semester": 1, "lectures_end_on": "2026-01-01"}
_PLAN = {"charges": ["2025-26:instalment-2"],
         "instalments": [{"due_on": "2026-06-02", "amount": "1.00"}, {"due_on": "2026-06-01", "amount": "1.00"}]}


@pytest.mark.parametrize(("type_", "data", "path"), [
    ("exam-graded", _GRADE | {"outcome": "failed", "grade": 20}, "data.grade"),
    ("exam-graded", _GRADE | {"outcome": "failed", "honours": True}, "data.honours"),
    ("exam-graded", _GRADE | {"grade": 28, "honours": True}, "data.honours"),
    ("graduated", {"academic_year": "2025-26", "session": "summer", "mark": 100, "honours": True}, "data.honours"),
    ("study-plan-approved", {"academic_year": "2025-26", "courses": [_COURSE, _COURSE]}, "data.courses"),
    ("instalment-plan-agreed", _PLAN, "data.instalments"),
    ("instalment-plan-agreed", _PLAN | {"charges": ["2025-26:instalment-2"] * 2}, "data.charges"),
])
def test_append_names_the_field_when_several_do_not_fit_together(ledger, line, lines, type_: str,
                                                                 data: dict[str, Any], path: str) -> None:
    (found,) = outcomes(ledger("append", "-", "--json", given=lines(line("b1", type_, "2026-03-25", data))).stdout)
    assert (found["outcome"], [problem["path"] for problem in found["problems"]]) == ("invalid", [path])


def test_append_records_a_breach_when_what_happened_is_imported(ledger, line, lines) -> None:
    booked = line("b1", "exam-booked", "2026-03-25", BOOKING)
    assert ledger("append", "-", "--mode", "record", given=lines(booked)).exit_code == 0
    found = ledger("audit", "S01", "--on", "2026-03-25", "--json")
    assert found.exit_code == 1
    assert "BLK-1" in [finding["rule"] for finding in outcomes(found.stdout)]


def test_append_is_wrong_usage_when_there_is_no_such_file(run, tmp_path: Path) -> None:
    result = run("append", str(tmp_path / "nothing.jsonl"))
    assert result.exit_code == 2
    assert not list(tmp_path.iterdir())


def test_append_of_nothing_says_so(run) -> None:
    result = run("append", "-", given=b"")
    assert (result.exit_code, result.stdout) == (0, "0 lines: 0 accepted, 0 duplicate, 0 refused, 0 invalid\n")


def test_append_trusted_moves_a_ledger_as_it_is(ledger, line, lines, tmp_path: Path) -> None:
    """Breaches, rule books and moments of recording come along; what no rule would allow is stored again."""
    assert ledger("append", "-", "--mode", "record",
                  given=lines(line("b1", "exam-booked", "2026-03-25", BOOKING))).exit_code == 0
    export = ledger("history", "S01", "--json").stdout
    file = tmp_path / "export.jsonl"
    file.write_text(export)
    other = ("--db", f"sqlite:///{tmp_path / 'other.db'}")
    moved = ledger(*other, "append", str(file), "--trusted", "--mode", "record", "--json")
    assert (moved.exit_code, moved.stderr) == (0, "")
    assert [row["outcome"] for row in outcomes(moved.stdout)] == ["accepted"] * 4
    assert "BLK-1" in outcomes(moved.stdout)[3]["breaches"]
    assert ledger(*other, "history", "S01", "--json").stdout == export
    again = ledger(*other, "append", str(file), "--trusted", "--mode", "record")
    assert again.stdout == "4 lines: 0 accepted, 4 duplicate, 0 refused, 0 invalid\n"


def test_append_trusted_says_what_is_no_recorded_event(run, history, lines, tmp_path: Path) -> None:
    file = tmp_path / "submissions.jsonl"
    file.write_bytes(lines(history[0]))
    result = run("append", str(file), "--trusted", "--mode", "record", "--json")
    assert result.exit_code == 1
    [found] = outcomes(result.stdout)
    assert found["line"] == 1
    assert "this is no recorded event as `career-ledger history --json` writes it" in found["problems"][0]["message"]


def test_append_trusted_needs_mode_record(run, history, lines) -> None:
    result = run("append", "-", "--trusted", given=lines(*history))
    assert result.exit_code == 2
    assert "--bulk and --trusted go with --mode record and without --atomic" in result.stderr


def test_append_ends_with_a_conflict_and_the_other_lines_stored_when_others_never_stop(
        run, line, history, lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.handling.submit.TURN_SECONDS", 0.05)
    once = EventStore.append

    def append(store: EventStore, events: Any) -> Any:
        if any(event.student == "S02" for event in events):
            raise VersionConflict("the stream has moved on")
        return once(store, events)

    monkeypatch.setattr(EventStore, "append", append)
    result = run("append", "-", "--json", given=lines(history[0], history[0] | {"student": "S02", "id": "z1"},
                                                      history[1], {}))
    assert result.exit_code == 4
    assert [json.loads(text)["outcome"] for text in result.stdout.splitlines()] == ["accepted",
                                                                                    "conflict", "accepted", "invalid"]
    assert "send the file again" in result.stderr
    assert "submit z1 again" in run("append", "-", given=lines(history[0] | {"student": "S02", "id": "z1"})).stdout
