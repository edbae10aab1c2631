"""An institution's own rule books."""

import json
from decimal import Decimal
from importlib.resources import files
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ledger.entrypoints.cli import cli

from .conftest import Run


def test_other_rule_books_answer_when_their_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAREER_LEDGER_RULEBOOKS", "")
    folder = tmp_path / "ours"
    folder.mkdir()
    for source in files("ledger.rulebooks").iterdir():
        if source.name.endswith(".yaml"):
            (folder / source.name).write_text(source.read_text().replace("at_most: 2", "at_most: 3"))
    done = CliRunner().invoke(cli, ["--rulebooks", str(folder), "rules", "cite", "PRE-1", "--json"])
    assert done.exit_code == 0, done.output
    assert '"at_most": 3' in json.dumps(json.loads(done.output))


def test_wrong_rule_book_is_named_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAREER_LEDGER_RULEBOOKS", "")
    (tmp_path / "2025-26.yaml").write_text("id: ours\nacademic_year: 2025-27\n")
    done = CliRunner().invoke(cli, ["--rulebooks", str(tmp_path), "rules", "show", "2025-26"])
    assert done.exit_code not in (0, 70), done.output
    assert "2025-26.yaml, line 2" in done.output
    done = CliRunner().invoke(cli, ["--lang", "it", "--rulebooks", str(tmp_path), "rules", "show", "2025-26"])
    assert "2025-26.yaml, riga 2: academic_year: scrivere l'anno accademico" in done.output


def asked(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), prog_name="career-ledger")


def test_draft_is_written_once_and_checked_in_both_languages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAREER_LEDGER_RULEBOOKS", "")
    file = tmp_path / "2026-27.yaml"
    made = ("rules", "new", "2026-27", "--from", "2024-25", "--output", str(file))
    assert asked(*made).exit_code == 0
    drafted = file.read_text()
    again = asked(*made)
    assert again.exit_code == 2
    assert "is there already" in again.output
    assert file.read_text() == drafted
    found = asked("rules", "check", str(file), "--json")
    assert found.exit_code == 1
    assert json.loads(found.stdout)["findings"][0].keys() == {"severity", "file", "line", "field", "message"}
    assert f"da correggere  {file}:" in asked("--lang", "it", "rules", "check", str(file)).stdout
    file.write_text(drafted.replace("the word !confirm", "the word").replace("!confirm ", ""))
    assert asked("rules", "check", str(file)).exit_code == 0


def test_words_are_not_drafted_where_there_are_none(tmp_path: Path) -> None:
    (tmp_path / "2025-26.yaml").write_bytes((files("ledger.rulebooks") / "2025-26.yaml").read_bytes())
    done = asked("--rulebooks", str(tmp_path), "rules", "new", "2026-27", "--from", "2025-26", "--words")
    assert (done.exit_code, "there is no it.toml in" in done.output) == (2, True)


def test_draft_of_a_year_without_a_book_is_not_found() -> None:
    done = asked("rules", "new", "2026-27", "--from", "2012-13")
    assert done.exit_code == 3
    assert "no rule book for '2012-13'" in done.output


def test_effect_counts_students_and_money_by_kind(ledger: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAREER_LEDGER_RULEBOOKS", "")
    file = tmp_path / "2025-26.yaml"
    text = (files("ledger.rulebooks") / "2025-26.yaml").read_text()
    file.write_text(text.replace('at_most: "400.00"', 'at_most: "300.00"'))
    answer = json.loads(ledger("rules", "effect", str(file), "--workers", "1", "--json").stdout)
    first, second = answer["charges"]
    assert first["charge"] == "2025-26:instalment-1"
    lower = Decimal(first["before"]) - Decimal(first["after"])
    assert lower == Decimal("100.00") == Decimal(second["after"]) - Decimal(second["before"])
    assert [(one["student"], one["career"]) for one in answer["changed"]] == [("S01", "B")]
    assert "students 1, careers 1" in ledger("rules", "effect", str(file), "--workers", "1").stdout
    file.write_text(text.replace("    days: 30", "    days: !confirm 30", 1))
    refused = ledger("rules", "effect", str(file))
    assert refused.exit_code == 2
    assert "remove !confirm" in refused.output
