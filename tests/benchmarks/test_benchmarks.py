"""The benchmarks run, as far as they need no server; mypy looks at the rest of them."""

import importlib
import re
import sys
from pathlib import Path

import pytest

from benchmarks import engines, eservices, parts, questions
from ledger.generate import generate

FOLDER = Path(parts.__file__).parent
PROGRAMS = [file.stem for file in sorted(FOLDER.glob("*.py")) if "argparse" in file.read_text()]


@pytest.mark.parametrize("name", PROGRAMS)
def test_tells_how_it_is_run(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"benchmarks.{name}").main()
    assert ended.value.code == 0
    assert re.search(rf"benchmarks[./]{name}\b", capsys.readouterr().out)


@pytest.mark.parametrize("name", sorted({*PROGRAMS} - {"eservices", "questions"}))
def test_without_a_server_tells_how_to_have_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [name])
    for variable in ("CAREER_LEDGER_TEST_POSTGRES", "CAREER_LEDGER_TEST_KAFKA"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(SystemExit, match=r"^bench: .*run `"):
        importlib.import_module(f"benchmarks.{name}").main()


def test_fingerprints_are_listed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("CAREER_LEDGER_MASTER_KEY", "")  # is set
    monkeypatch.setattr(sys, "argv", ["eservices", "--students", "30", "--runs", "1"])
    eservices.main()
    assert "IFS06 over 30 students" in capsys.readouterr().out


def test_programs_that_are_texts_run(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    events = questions.build(url, 3)
    assert len(questions.phases(url, "S-DEMO-01-0000", 1)) == 10
    assert parts.command("--db", url, "audit", "--summary")[1] > 1
    assert engines.timed("--db", url, "audit", "--summary").megabytes > 1
    parts.recorded(url, events)
    with pytest.raises(SystemExit, match="should be"):
        parts.recorded(url, events + 1)


def test_what_is_measured_is_recorded_on_sqlite(tmp_path: Path) -> None:
    ready, lines = parts.warm_up(), list(generate(3, 1))
    with parts.database("", tmp_path, "sqlite") as url:
        assert all(parts.appends(url, 20).values())
    with parts.database("", tmp_path, "sqlite") as url:
        assert parts.bulk(url, lines, ready, workers=1)["events a second"] > 0
