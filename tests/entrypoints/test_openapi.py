"""Every operation of the OpenAPI document, asked with real ids, with what the document allows and what it does not."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from ledger.edges import web
from ledger.edges.callers import OPERATOR, ROLES, STUDENT, Caller
from ledger.entrypoints.cli import cli
from tests.conforming import conforms
from tests.desk import TOKEN, Client, served
from tests.sizes import sized

pytestmark = pytest.mark.xdist_group("openapi")  # one ledger
EXAMPLES = Path(__file__).parents[2] / "examples"
REAL = {"student": "S-DEMO-01", "rule": "BLK-1", "academic_year": "2025-26"}
SETTINGS = "\n".join(["[parameters]", *(f'"path.{name}" = "{value}"' for name, value in REAL.items()), """
[[operations]]
include-method = "POST"
phases.coverage.enabled = false
"""])
"""Of the form of a submission alone there are ten thousand ways to be wrong."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    url = f"sqlite:///{tmp_path_factory.mktemp('openapi') / 'ledger.db'}"
    for words in (["append", str(EXAMPLES / "imported.jsonl"), "--mode", "record"],
                  ["append", str(EXAMPLES / "current.jsonl")], ["project"]):
        assert CliRunner().invoke(cli, ["--db", url, *words]).exit_code == 0
    with served(url) as client:
        yield client


@pytest.mark.long
def test_whatever_the_document_allows_is_answered_as_it_says(demo: Client, tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_bytes(demo("/v1/openapi.json").body)
    (tmp_path / "schemathesis.toml").write_text(SETTINGS)
    done = subprocess.run(
        [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run", "openapi.json",
         "--url", f"http://127.0.0.1:{demo.port}", "-H", f"Authorization: Bearer {TOKEN.decode()}", "--checks", "all",
         "--exclude-checks", "positive_data_acceptance,negative_data_rejection", "--no-color", "--seed", "1",
         "--phases", sized("coverage", "coverage", "coverage,fuzzing"), "--max-examples", "40", "--workers", "2",
         "--continue-on-failure"],
        cwd=tmp_path, capture_output=True, text=True, env=os.environ | {"COLUMNS": "200"})
    assert done.returncode == 0, done.stdout[-6_000:]
    described = json.loads(demo("/v1/openapi.json").body)["paths"]
    count = sum(len(methods) for methods in described.values())
    assert f"Selected: {count}/{count}\n" in done.stdout


@pytest.mark.faults
@pytest.mark.parametrize("role", sized(["registrar"], sorted(ROLES)))
def test_document_holds_for_each_role(demo: Client, role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A route that is not for a role refuses in the way that it says."""
    caller = Caller("someone", frozenset({role}), REAL["student"] if role == STUDENT else None)
    monkeypatch.setattr(web, "OPERATOR", caller)
    described = demo("/v1/openapi.json").json
    assert conforms(described, demo.port, REAL, {"Authorization": f"Bearer {TOKEN.decode()}"}, sized(2, 5, 20)) == sum(
        len(methods) for methods in described["paths"].values())
    monkeypatch.setattr(web, "OPERATOR", OPERATOR)
    assert demo("/ready").status == 200
