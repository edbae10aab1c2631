"""Many ledgers, one question: a run over five ledgers of three universities is five runs, whatever becomes of one."""

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import ledger.rulebooks
from ledger.entrypoints.cli import cli
from ledger.proofs import signing
from ledger.store import open_store
from tests.projections.populations import fill, population
from tests.proofs.conftest import NAME

RIVIERA = Path(__file__).parents[1] / "institutions" / "riviera"
ON = ("--on", "2026-10-31")
UNIVERSITIES = {"bergamo-1": None, "bergamo-2": None, "riviera": "riviera", "strict-1": "strict", "strict-2": "strict"}
"""By ledger the folder of its rule books, beside the file that names them."""


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, words, prog_name="career-ledger")


@pytest.fixture
def named(tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The addresses; `strict-2` is named in the file as an export, `bergamo-2` is a PostgreSQL database."""
    monkeypatch.setenv(signing.VARIABLE, str(tmp_path / "signing.key"))
    monkeypatch.setenv("CAREER_LEDGER_LANG", "en")
    signing.make(NAME)
    shutil.copytree(RIVIERA, tmp_path / "riviera")
    (tmp_path / "strict").mkdir()
    for file in Path(ledger.rulebooks.__path__[0]).glob("*.yaml"):
        otherwise = "\ninterpretations:\n  AMB-1:\n    decision: section-10\n" if file.stem == "2025-26" else ""
        (tmp_path / "strict" / file.name).write_text(file.read_text() + otherwise)
    found = {}
    for number, name in enumerate(UNIVERSITIES):
        found[name] = postgres_url if name == "bergamo-2" else f"sqlite:///{tmp_path}/{name}.db"
        with open_store(found[name]) as store:
            fill(store, population(5, first=20 * number))
        assert alone(found[name], tmp_path, name, "projection", "rebuild").exit_code == 0
    assert run("--db", found["strict-2"], "export", str(tmp_path / "exported")).exit_code == 0
    (tmp_path / "ledgers.toml").write_text("".join(
        f'[[ledger]]\nname = "{name}"\n' + ('export = "exported"\n' if name == "strict-2" else
                                            f'db = "{address}"\n' if name == "bergamo-2" else
                                            f'db = "sqlite:///{name}.db"\n')
        + (f'rulebooks = "{UNIVERSITIES[name]}"\n' if UNIVERSITIES[name] else "")
        for name, address in found.items()))
    return found


def alone(address: str, folder: Path, name: str, *words: str) -> Result:
    books = UNIVERSITIES[name]
    return run("--db", address, *(("--rulebooks", str(folder / books)) if books else ()), *words)


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_run_over_five_ledgers_of_three_universities_is_five_runs(named: dict[str, str], tmp_path: Path) -> None:
    list_ = ("--ledgers", str(tmp_path / "ledgers.toml"))
    for words in (("report", "counts", *ON, "--json"), ("report", "arrears", *ON, "--json"),
                  ("audit", "--summary", *ON, "--json"),
                  ("projection", "diff", "--rulebooks", str(tmp_path / "strict"), "--json")):
        together = run(*words, *list_)
        each = [alone(address, tmp_path, name, *words) for name, address in named.items()]
        assert together.exit_code == max(one.exit_code for one in each), together.output
        assert "left out" not in together.stderr
        found = objects(together.stdout)
        assert {one["ledger"] for one in found} <= set(named)
        for name, one in zip(named, each, strict=True):
            mine = [{key: value for key, value in row.items() if key != "ledger"}
                    for row in found if row["ledger"] == name]
            assert mine == objects(one.stdout), (name, words)
    differing = {one["ledger"] for one in found}  # of the last question
    assert differing
    assert differing & {"strict-1", "strict-2"} == set()  # those have these rule books


def test_column_says_which_ledger(named: dict[str, str], tmp_path: Path) -> None:
    list_ = ("--ledgers", str(tmp_path / "ledgers.toml"))
    rows = list(csv.DictReader(io.StringIO(run("report", "counts", *ON, "--csv", *list_).stdout)))
    assert {row["ledger"] for row in rows} == set(named)
    assert sum(int(row["students"]) for row in rows) > 10
    rows = list(csv.DictReader(io.StringIO(run("audit", "--summary", *ON, "--csv", *list_).stdout)))
    assert list(rows[0])[:2] == ["ledger", "rule"]
    table = run("--lang", "it", "report", "counts", *ON, *list_).stdout
    assert "Registro" in table
    assert all(name in table for name in named)
    assert "strict-1" in run("audit", "--summary", *ON, *list_).stdout


def test_one_that_is_unreachable_or_altered_is_named_and_the_others_go_on(named: dict[str, str],
                                                                          tmp_path: Path) -> None:
    list_ = ("--ledgers", str(tmp_path / "ledgers.toml"))
    (tmp_path / "riviera.db").rename(tmp_path / "elsewhere.db")
    for words in (("report", "counts", *ON, "--json"), ("audit", "--summary", *ON, "--json"),
                  ("projection", "diff", "--rulebooks", str(tmp_path / "strict"), "--json")):
        found = run(*words, *list_)
        assert found.exit_code == 6
        assert "riviera is left out: " in found.stderr
        assert "1 of 5" in found.stderr or "1 ledger" in found.stderr, found.stderr
        if words[0] != "projection":
            assert {one["ledger"] for one in objects(found.stdout)} == set(named) - {"riviera"}
    segment = next((tmp_path / "exported" / "data").glob("segment-*"))
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.write_bytes(content)
    found = run("report", "counts", *ON, "--json", *list_)
    assert found.exit_code == 5
    assert f"strict-2 is left out: {segment.parent}" in found.stderr
    assert {one["ledger"] for one in objects(found.stdout)} == set(named) - {"riviera", "strict-2"}
    assert not list(tmp_path.parent.glob("career-ledger-*"))


WRONG = [
    ("", "it must name from one to"),
    ("[[ledger]", "not TOML"),
    ('[[ledger]]\nname = "a"\n', "'ledger 1': give either db"),
    ('[[ledger]]\nname = "a"\ndb = "sqlite:///a.db"\nexport = "a"\n', "'ledger 1': give either db"),
    ('[[ledger]]\nname = "a"\ndb = "sqlite:///a.db"\npassword = "x"\n', "'ledger 1, password' is no field"),
    ('[[ledger]]\nname = "a b"\ndb = "sqlite:///a.db"\n', "'ledger 1, name' must be of letters"),
    ('[[ledger]]\nname = "a"\ndb = "mysql://u:secret@h/x"\n', "'ledger 1, db': the address of the database must be"),
    ('[[ledger]]\nname = "a"\ndb = 5\n', "'ledger 1, db' must be a text"),
    ('[[ledger]]\nname = "a"\ndb = "sqlite:///a.db"\nrulebooks = "none"\n', "'ledger 1, rulebooks' is no folder"),
    ('[[ledger]]\nname = "a"\ndb = "sqlite:///a.db"\n[[ledger]]\nname = "a"\ndb = "sqlite:///b.db"\n',
     "two ledgers are named 'a'"),
    ("x = 1\n", "'x' is no field"),
]


@pytest.mark.parametrize(("content", "said"), WRONG, ids=[said for _, said in WRONG])
def test_list_that_is_wrong_is_refused_with_the_field(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "ledgers.toml"
    file.write_text(content)
    found = run("report", "counts", "--ledgers", str(file))
    assert (found.exit_code, said in found.stderr) == (2, True), found.stderr
    assert "secret" not in found.stderr


def test_audit_of_many_only_counts(tmp_path: Path) -> None:
    file = tmp_path / "ledgers.toml"
    file.write_text('[[ledger]]\nname = "a"\ndb = "sqlite:///a.db"\n')
    for words in ((), ("--summary", "S01")):
        found = run("audit", *words, "--ledgers", str(file))
        assert (found.exit_code, "with --ledgers the audit counts" in found.stderr) == (2, True)
