"""A ledger of its own for each test, asked in this process or, where it matters, in a real one."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ledger.entrypoints.cli import cli
from tests.processes import lend

Run = Callable[..., Result]
Start = Callable[..., "subprocess.CompletedProcess[bytes]"]
ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from ledger.entrypoints.cli import main; main()"]


@pytest.fixture
def db(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def run(db: str) -> Run:
    """The command line in this process."""

    def call(*arguments: str, given: bytes | str | None = None) -> Result:
        return CliRunner().invoke(cli, ["--db", db, *arguments], input=given, prog_name="career-ledger")

    return call


def surroundings(db: str, environment: dict[str, str]) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS")}
    return kept | {"PYTHONPATH": str(ROOT), "CAREER_LEDGER_DB": db, "TERM": "xterm-256color"} | environment


@pytest.fixture
def popen(db: str, tmp_path: Path) -> Callable[..., "subprocess.Popen[bytes]"]:
    """The command line as a process of its own, with the streams of the caller's choice."""

    def call(*arguments: str, environment: dict[str, str] | None = None, **streams: Any) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([*COMMAND, *arguments], cwd=tmp_path, env=surroundings(db, environment or {}),
                                **streams)

    return call


@pytest.fixture
def start(popen: Callable[..., "subprocess.Popen[bytes]"]) -> Start:
    """The command line as a process of its own, waited for."""

    def call(*arguments: str, given: bytes = b"", **environment: str) -> "subprocess.CompletedProcess[bytes]":
        process = popen(*arguments, environment=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE)
        out, err = process.communicate(given, timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return call


@pytest.fixture
def terminal(db: str, tmp_path: Path) -> Callable[..., str]:
    """What the command shows on a terminal of 120 columns, standard output and standard error together."""

    def call(*arguments: str, **environment: str) -> str:
        outer, inner = pty.openpty()
        given = {"COLUMNS": "120", **environment}
        process = lend((os.open(os.devnull, os.O_RDONLY), inner, inner), arguments, surroundings(db, given),
                       str(tmp_path))
        shown = b""
        while True:
            try:
                part = os.read(outer, 65536)
            except OSError:  # Linux says so when the other end is closed
                break
            if not part:
                break
            shown += part
        os.close(outer)
        process.join(120)
        assert process.exitcode == 0, shown
        return shown.decode().replace("\r\n", "\n")

    return call


@pytest.fixture
def line() -> Callable[..., dict[str, Any]]:
    """A submission about S01; the fields named replace the usual ones."""

    def make(id_: str, type_: str, on: str, data: dict[str, Any], **fields: Any) -> dict[str, Any]:
        return {"id": id_, "type": type_, "student": "S01", "career": "B", "effective_on": on,
                "recorded_at": f"{on}T12:00:00Z", "source": "test", "actor": "test", "data": data, **fields}

    return make


@pytest.fixture
def history(line: Callable[..., dict[str, Any]]) -> list[dict[str, Any]]:
    """A bachelor's whose first instalment, due on 17 February 2026, stays unpaid."""
    return [
        line("a1", "enrolled", "2025-09-20", {"programme": "L-FIL", "academic_year": "2025-26",
                                              "course_type": "bachelor",
                                              "access": "open", "year": 1, "regime": "full-time"}),
        line("a2", "instalment-paid", "2025-09-20", {"charge": "2025-26:enrolment", "amount": "156.00"}),
        line("a3", "contribution-assessed", "2026-01-10", {"academic_year": "2025-26", "contribution": "900.00"}),
    ]


@pytest.fixture
def lines() -> Callable[..., bytes]:
    def join(*events: dict[str, Any]) -> bytes:
        return "".join(json.dumps(event) + "\n" for event in events).encode()

    return join


@pytest.fixture
def ledger(run: Run, history: list[dict[str, Any]], lines: Callable[..., bytes]) -> Run:
    """The command line on a ledger that holds `history`."""
    result = run("append", "-", given=lines(*history))
    assert result.exit_code == 0, result.output
    return run
