"""What people read about every kind of career: the demo's histories, in this process."""

import errno
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ledger.bootstrap import Ledger, open_ledger
from ledger.entrypoints import text
from ledger.entrypoints.cli import cli
from ledger.store import StoreUnavailable, StoreUnusable, VersionConflict

pytestmark = pytest.mark.xdist_group("demo")  # one ledger
EXAMPLES = Path(__file__).parents[2] / "examples"
STUDENTS = [f"S-DEMO-{n:02d}" for n in range(1, 22)]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('demo') / 'ledger.db'}"


@pytest.fixture(scope="module")
def demo(url: str) -> Callable[..., Result]:
    with open_ledger(url) as ledger:
        for name, mode in (("imported", "record"), ("current", "enforce")):
            lines = (EXAMPLES / f"{name}.jsonl").read_bytes().splitlines()
            assert {o["outcome"] for o in ledger.append_lines(lines, mode, atomic=True)} == {"accepted"}

    def ask(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["--db", url, *arguments], prog_name="career-ledger")

    return ask


@pytest.mark.parametrize("student", STUDENTS)
def test_demo_student_can_be_asked_about_on_any_day(demo, student: str) -> None:
    for question in ("status", "fees", "history"):
        for day in ("2020-03-20", "2026-03-20"):
            shown = demo(question, student, "--on", day)
            assert shown.exit_code == 0, shown.output
            assert student in shown.stdout
            told = demo(question, student, "--on", day, "--json")
            assert told.exit_code == 0
            assert all(json.loads(row) for row in told.stdout.splitlines())


def test_people_are_told_the_last_day_on_which_a_block_stands(demo, url: str) -> None:
    """Programs are told the first on which it does not (`until`)."""
    with open_ledger(url) as ledger:
        found = {on: [block["until"] for career in ledger.status("S-DEMO-11", date(2026, *on))["careers"]
                      for block in career["blocks"] if block["kind"] == "reservation"]
                 for on in ((3, 20), (4, 30), (5, 1))}
    assert found == {(3, 20): ["2026-05-01"], (4, 30): ["2026-05-01"], (5, 1): []}
    asked = ("status", "S-DEMO-11", "--on", "2026-03-20")
    assert " dal 4 novembre 2025 al 30 aprile 2026: " in demo("--lang", "it", *asked).stdout
    assert " from 4 November 2025 until 30 April 2026: " in demo("--lang", "en", *asked).stdout


def test_demo_covers_every_way_that_a_career_goes(demo, url: str) -> None:
    days = ("2019-09-10", "2020-03-01", "2025-09-29", "2025-10-05", "2025-10-20", "2025-11-10", "2025-12-20",
            "2026-02-15", "2026-02-25", "2026-05-10", "2026-10-31")
    with open_ledger(url) as ledger:
        seen = {career["status"] for student in STUDENTS for day in days
                for career in ledger.status(student, date.fromisoformat(day))["careers"]}
    assert seen >= {"preenrolled", "admitted", "not-admitted", "excluded", "enrolment-pending",
                    "enrolled-with-reservation", "enrolled", "suspended", "withdrawal-pending", "renounced",
                    "reservation-lapsed", "transferred-out", "programme-changed", "forfeited", "graduated",
                    "single-courses"}


@pytest.mark.parametrize(("arguments", "words"), [
    (("fees", "S-DEMO-09", "--on", "2026-02-25"), "€400.00 waived on 10 February 2026 (RIN-8)"),
    (("fees", "S-DEMO-11", "--on", "2026-05-10"), "M regional tax and stamp duty 2025-26: €156.00 moved"),
    (("fees", "S-DEMO-15", "--on", "2026-06-01"), "instalment plan agreed on 11 May 2026"),
    (("fees", "S-DEMO-16", "--on", "2026-03-01"), "€12.00 paid on 6 February 2026, but there is no such charge yet"),
    (("status", "S-DEMO-11", "--on", "2026-05-10"), "No rule book for 2022-23: "),
    (("status", "S-DEMO-13", "--on", "2020-03-19"), "administrative block from 19 March 2020"),
    (("history", "S-DEMO-15",), "voided later"),
    (("history", "S-DEMO-16",), "recorded in breach of ESA-1"),
    (("history", "S-DEMO-16",), "derogation from BLK-1 by head of the student office"),
    (("history", "S-DEMO-01",), "(learned on 23 April 2026)"),
])
def test_demo_answer_says_so_in_words(demo, arguments: tuple[str, ...], words: str) -> None:
    assert words in demo(*arguments).stdout


def test_demo_audit_lists_breaches_and_the_derogation(demo) -> None:
    shown = demo("audit", "--on", "2026-10-31")
    assert shown.exit_code == 1
    for words in ("breach", "ESA-1", "S-DEMO-16/B  event demo-16-05", "derogation",
                  "37 findings: 3 breaches, 1 derogation, 33 notices"):
        assert words in shown.stdout
    told = [json.loads(row) for row in demo("audit", "--on", "2026-10-31", "--json").stdout.splitlines()]
    assert {row["student"] for row in told if row["severity"] != "notice"} == {"S-DEMO-16"}
    assert all(set(row) >= {"student", "career", "event", "rule", "severity", "message", "source"} for row in told)


@pytest.mark.parametrize(("language", "kinds", "words"), [
    ("en", ("breach", "derogation", "notice"), "8 students: S-DEMO-07, S-DEMO-18, S-DEMO-19 and 5 more"),
    ("it", ("violazione", "deroga", "avviso"), "8 studenti: S-DEMO-07, S-DEMO-18, S-DEMO-19 e altri 5")])
def test_demo_audit_tells_breaches_first_and_equal_notices_once(demo, language: str, kinds: tuple[str, ...],
                                                                words: str) -> None:
    lines = demo("--lang", language, "audit", "--on", "2026-10-31").stdout.splitlines()
    found = [line.split()[0] for line in lines if line.split()[0] in kinds]
    assert found == sorted(found, key=kinds.index)
    assert [found.count(kind) for kind in kinds] == [3, 1, 12]
    assert sum(words in line for line in lines) == 1
    assert [line for line in lines if line.startswith(kinds[2]) and " S-DEMO-14/M  " in line]  # alone, with her event


def test_demo_audit_holds_back_only_so_much(demo, monkeypatch) -> None:
    """What is more is printed as it comes, so that memory stays flat over a university."""
    monkeypatch.setattr(text, "HELD", 2)
    lines = [line for line in demo("audit", "--on", "2026-10-31").stdout.splitlines() if line.startswith("notice")]
    assert lines[-2:] == ["notice      AMB-49        S-DEMO-07/B",
                          "notice      PDS-4         8 students: S-DEMO-07, S-DEMO-18, S-DEMO-19 and 5 more"]
    assert len(lines) == 26
    assert "students" not in "".join(lines[:-2])


def test_demo_history_keeps_free_text_to_programs(demo) -> None:
    assert "Which session" not in demo("history", "S-DEMO-04").stdout
    assert "wrong person" not in demo("history", "S-DEMO-15").stdout


@pytest.mark.parametrize(("error", "code"), [
    (VersionConflict("somebody else was faster"), 4), (StoreUnavailable("the server is gone"), 6),
    (StoreUnusable("the disk\nis full"), 6),
    (OSError(errno.ENOSPC, "No space left on device"), 6), (KeyboardInterrupt(), 130),
    (RuntimeError("Maria Rossi"), 70),
])
def test_demo_question_ends_with_one_line_and_a_code_when_the_ledger_fails(demo, monkeypatch,
                                                                           error: BaseException, code: int) -> None:
    def fail(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(Ledger, "status", fail)
    result = demo("status", "S-DEMO-01")
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith("career-ledger: ")
    assert len(result.stderr.splitlines()) == 1
    assert "Rossi" not in result.stderr
