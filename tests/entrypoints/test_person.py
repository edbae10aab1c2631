"""What names a person is read with a purpose only, and each read has left its trace before it is answered."""

import json
import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from ledger.privacy import KeyStore
from ledger.words.values import moment

from .conftest import Run

MARK = "SOWN"
PERSON = {"given_name": "Zoë", "family_name": "D'Invento", "tax_code": "CODE-" + MARK, "email": MARK + "@example.org"}
USER = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def sealed(run: Run, tmp_path: Path, history: list[dict[str, Any]], lines: Callable[..., bytes],
           line: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Run:
    """A ledger with a key store, and S01 registered twice."""
    (tmp_path / "safe").mkdir()
    monkeypatch.setenv("CAREER_LEDGER_MASTER_KEY", str(tmp_path / "safe" / "master.key"))
    monkeypatch.setenv("CAREER_LEDGER_KEYS", f"sqlite:///{tmp_path / 'keys.db'}")
    assert run("keys", "new").exit_code == 0
    registered = [line(f"p{n}", "person-registered", "2026-01-10", PERSON | more) for n, more in
                  enumerate(({}, {"family_name": "Renamed"}))]
    for one in registered:
        del one["career"]
    noted = line("n1", "contribution-assessed", "2026-01-11", {
        "academic_year": "2025-26", "contribution": "900.00", "band": MARK + "band"})
    done = run("append", "-", "--mode", "record", given=lines(*history, *registered, noted))
    assert done.exit_code == 0, done.output
    return run


def said(result: Result, code: int = 0) -> list[Any]:
    assert result.exit_code == code, result.output
    return [json.loads(one) for one in result.stdout.splitlines()]


def test_person_is_answered_with_the_history_of_registrations_and_leaves_a_trace(sealed: Run) -> None:
    [found] = said(sealed("person", "S01", "--purpose", "certificate", "--actor", "officer:7", "--json"))
    assert found["person"] == PERSON | {"family_name": "Renamed"}
    assert [one["person"]["family_name"] for one in found["registrations"]] == ["D'Invento", "Renamed"]
    [trace] = said(sealed("access", "S01", "--json"))
    assert {name: trace[name] for name in ("who", "what", "why")} == {
        "who": f"officer:7 ({USER})", "what": "person", "why": "certificate"}
    shown = sealed("person", "S01", "--purpose", "certificate").stdout
    assert "family name: Renamed" in shown
    assert "anagrafica" in sealed("--lang", "it", "access", "S01").stdout


def test_trace_stands_before_the_answer_is_printed_and_nothing_is_answered_without_it(
        sealed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(KeyStore, "note", full)
    for command in (("person", "S01"), ("history", "S01"), ("lookup", "name"),
                    ("disclose", "S01", "--to", str(tmp_path / "hers"))):
        done = sealed(*command, "--purpose", "x", given="Zoë")
        assert done.exit_code == 1 or done.exit_code == 6
        assert MARK not in done.output
        assert "S01" not in done.stdout


@pytest.mark.parametrize("command", [("person", "S01"), ("lookup", "name"), ("disclose", "S01", "--to", "x")])
def test_reading_without_a_purpose_is_refused_in_words(sealed: Run, command: tuple[str, ...]) -> None:
    for purpose in ((), ("--purpose", "  ")):
        done = sealed(*command, *purpose, given="Zoë")
        assert done.exit_code == 2
        assert "--purpose: say what it is read for" in done.stderr
    assert said(sealed("access", "S01", "--json")) == []


def test_history_shows_what_is_sealed_to_who_says_why_and_to_nobody_else(sealed: Run) -> None:
    closed = sealed("history", "S01", "--json")
    assert MARK not in closed.output
    assert sum("sealed" in one for one in said(closed)) == 3
    assert "--purpose opens it" in sealed("history", "S01").stdout
    assert said(sealed("access", "S01", "--json")) == []
    opened = said(sealed("history", "S01", "--purpose", "appeal", "--json"))
    assert [one["data"]["band"] for one in opened if "band" in one["data"]] == [MARK + "band"]
    assert [(one["what"], one["why"]) for one in said(sealed("access", "S01", "--json"))] == [("history", "appeal")]


@pytest.mark.parametrize(("kind", "value", "exact"), [
    ("tax-code", f"code-{MARK}\n", True), ("name", "Zoë", True), ("name", "dinvento zoe", False),
    ("name", "RENAMED", False)])
def test_student_is_looked_up_by_what_stands_on_standard_input(sealed: Run, kind: str, value: str, exact: bool) -> None:
    [found] = said(sealed("lookup", kind, "--purpose", "a call", "--json", given=value))
    assert found == {"kind": kind, "exact": exact, "students": ["S01"]}
    assert [one["what"] for one in said(sealed("access", "S01", "--json"))] == [f"lookup-{kind}"]


def test_nobody_is_found_without_repeating_what_was_looked_for(sealed: Run) -> None:
    done = sealed("lookup", "name", "--purpose", "a call", given=MARK + "nobody")
    assert (done.exit_code, MARK in done.output) == (3, False)
    assert sealed("lookup", "name", "--purpose", "a call", given="").exit_code == 2


def test_person_who_was_forgotten_is_neither_read_nor_found_and_the_reads_stay_without_their_purposes(
        sealed: Run, tmp_path: Path) -> None:
    sealed("person", "S01", "--purpose", "asked by " + MARK)
    sealed("disclose", "S01", "--purpose", "request", "--to", str(tmp_path / "before"))
    disclosed = json.loads((tmp_path / "before" / "disclosure.json").read_text())
    assert disclosed["person"]["given_name"] == "Zoë"
    assert [one["what"] for one in disclosed["reads"]] == ["person", "disclosure"]
    page = (tmp_path / "before" / "disclosure.it.html").read_text()
    assert "Renamed" in page
    assert moment(disclosed["reads"][0]["at"], "it") in page
    assert moment("2026-07-01T22:05:00.123456+00:00", "it") == "2 luglio 2026, 00:05"
    (tmp_path / "why").write_text("she asked")
    done = sealed("forget", "S01", "--authority", "a", "--authority", "b", "--reason", str(tmp_path / "why"),
                  "--even-if-open", "--json")
    assert said(done)[0]["complete_from"] is not None
    [found] = said(sealed("person", "S01", "--purpose", "x", "--json"))
    assert (found["person"], {one["person"] is None for one in found["registrations"]}) == (None, {True})
    assert sealed("lookup", "name", "--purpose", "x", given="Zoë").exit_code == 3
    assert [one["why"] for one in said(sealed("access", "S01", "--json"))] == [None, None, "x"]
    assert b"SOWN" not in b"".join(path.read_bytes() for path in tmp_path.glob("*.db*"))


def test_everything_that_reads_says_that_no_key_store_is_named(ledger: Run) -> None:
    for command in (("person", "S01", "--purpose", "x"), ("access", "S01"), ("keys", "status"), ("keys", "new"),
                    ("history", "S01", "--purpose", "x")):
        done = ledger(*command)
        assert (done.exit_code, "no key store is named" in done.stderr) == (3, True), command


def test_second_key_store_is_neither_made_nor_used_where_events_are_sealed(sealed: Run, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    for command in (("keys", "new"), ("keys", "status")):
        done = sealed("--keys", f"sqlite:///{other}", *command)
        assert (done.exit_code, other.exists()) == (6, False), done.output
    done = sealed("--keys", f"sqlite:///{other}", "keys", "new")
    assert "under a key of another key store: a new one would open nothing of it. Put the newest copy" in done.stderr
    assert MARK in sealed("person", "S01", "--purpose", "x").stdout


def test_bulk_import_seals_in_its_workers(sealed: Run, lines: Callable[..., bytes], line: Callable[..., Any],
                                          tmp_path: Path) -> None:
    given = [line(f"b{n}", "person-registered", "2026-01-10", {"given_name": MARK, "family_name": f"Bulk{n}"},
                  student=f"S1{n}") for n in range(4)]
    for one in given:
        del one["career"]
    assert sealed("append", "-", "--mode", "record", "--bulk", given=lines(*given)).exit_code == 0
    assert b"Bulk" not in (tmp_path / "ledger.db").read_bytes()
    [found] = said(sealed("lookup", "name", "--purpose", "x", "--json", given="bulk3"))
    assert found["students"] == ["S13"]


def test_status_rotation_and_doctor_tell_of_the_key_store(sealed: Run, tmp_path: Path) -> None:
    [before] = said(sealed("keys", "status", "--json"))
    assert [before[name] for name in ("keys", "forgotten", "tax_codes")] == [1, 0, 1]
    [after] = said(sealed("keys", "rotate", "--days", "3", "--json"))
    assert (after["rotated"], after["master"]["days"]) == (1, 3)
    assert after["master"]["id"] != before["master"]["id"]
    found = said(sealed("keys", "doctor", "--json"), 1)
    assert [one["finding"] for one in found] == ["term"]
    assert "keys rotate" in sealed("--lang", "it", "keys", "doctor").stdout
    sealed("keys", "rotate")
    assert "in order" in sealed("keys", "doctor").stdout
    (tmp_path / "safe" / "master.key").rename(tmp_path / "master.key")
    moved = sealed("keys", "doctor", "--json")
    assert moved.exit_code == 6
    assert "is missing" in moved.stderr
