"""An institution's own rule books."""

import json
from importlib.resources import files
from pathlib import Path

import pytest
from click.testing import CliRunner

from ledger.entrypoints.cli import cli


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
