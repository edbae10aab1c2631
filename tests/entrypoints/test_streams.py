"""Every command when its standard streams are closed, full, or nobody reads them."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from consumers.archive.__main__ import archive
from consumers.booking_gate.__main__ import main as booking_gate
from consumers.notifications.__main__ import notifications
from consumers.treasury.__main__ import treasury
from ledger.edges import program
from ledger.entrypoints.cli import cli

EXAM = ("--career", "B", "--course", "F", "--held-on", "2026-06-22", "--session", "summer", "--academic-year", "2025-26",
        "--calls-start-on", "2026-06-08")
QUESTIONS = [
    ["--help"], ["--version"], ["status", "S01"], ["status", "S01", "--json"], ["fees", "S01"], ["fees", "S01", "--json"],
    ["eligibility", "S01", *EXAM], ["eligibility", "S01", *EXAM, "--json"], ["history", "S01"], ["history", "S01", "--json"],
    ["audit"], ["audit", "--json"], ["rules", "show", "2025-26"], ["rules", "diff", "2019-20", "2025-26", "--json"], ["rules", "cite", "BLK-1"],
    ["completion", "bash"], ["find"], ["find", "--csv"], ["find", "--json"], ["report", "blocked"], ["report", "arrears", "--csv"],
    ["report", "upcoming", "--from", "2026-01-01", "--to", "2026-12-31"], ["report", "reservations", "--json"], ["report", "refunds"],
    ["report", "unallocated"], ["report", "counts", "--csv"], ["projection", "status"], ["projection", "status", "--json"],
    ["projection", "verify", "--workers", "1"], ["projection", "rebuild", "--workers", "1"], ["digests"],
    ["generate", "--students", "1", "--seed", "1"], ["generate", "--list-shares"], ["publish", "--help"], ["project", "--help"],
]
SERVICES: list[tuple[click.Group, list[str]]] = [
    (treasury, ["--help"]), (treasury, ["status"]), (treasury, ["reconcile"]), (treasury, ["reconcile", "--json"]), (treasury, ["resend"]),
    (archive, ["--help"]), (archive, ["status"]), (archive, ["seal", "--folder", "archive"]), (archive, ["verify", "archive"]),
    (notifications, ["--help"]), (notifications, ["status"]), (notifications, ["outbox", "retry"]), (notifications, ["directory", "--help"]),
    (booking_gate, ["--help"]), (booking_gate, ["status"]),
]
COMMANDS = [(cli, one) for one in QUESTIONS] + SERVICES
GONE, FULL = "gone", "full"


@pytest.fixture
def place(tmp_path: Path, ledger: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """A folder with a ledger whose projections are stored, and an empty archive."""
    assert ledger("project").exit_code == 0
    (tmp_path / "archive").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAREER_LEDGER_CONSUMER_DB", "sqlite:///consumer.db")
    monkeypatch.setenv("CAREER_LEDGER_DB", "sqlite:///ledger.db")
    return str(tmp_path)


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[..., tuple[int, str]]]:
    """Runs a command on a broken standard output; its exit code and standard error."""
    opened: list[int] = []

    def call(how: str, group: click.Group, arguments: list[str], given: bytes = b"") -> tuple[int, str]:
        if how == FULL:
            descriptor = os.open("/dev/full", os.O_WRONLY)
        else:
            reader, descriptor = os.pipe()
            os.close(reader)
        opened.append(descriptor)
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", program.output(descriptor))
            read, write = os.pipe()
            os.write(write, given)
            os.close(write)
            patched.setattr(sys, "stdin", os.fdopen(read))
            with pytest.raises(SystemExit) as ended:
                group.main(arguments, "the-program")
        return int(ended.value.code or 0), capfd.readouterr().err

    yield call
    for descriptor in opened:
        os.close(descriptor)


@pytest.mark.parametrize(("group", "arguments"), COMMANDS, ids=lambda one: "-".join(one) if isinstance(one, list) else one.name)
def test_question_ends_quietly_when_nobody_reads_and_says_so_when_the_disk_is_full(place, on, group, arguments) -> None:
    assert on(GONE, group, arguments) == (program.NOBODY_READS, "")
    code, said = on(FULL, group, arguments)
    assert code == program.NOT_WRITTEN
    assert said.endswith("standard output could not be written (No space left on device): the answer is not whole, ask again\n")
    assert "database" not in said


@pytest.mark.parametrize("how", [GONE, FULL])
@pytest.mark.parametrize("form", [[], ["--json"], ["--json", "--mode", "record", "--bulk"], ["--json", "--atomic"]], ids=" ".join)
def test_append_finishes_the_file_when_its_output_is_lost(place, on, run, history, lines, how: str, form: list[str]) -> None:
    events = [history[2] | {"id": f"n{n}", "student": f"X{n}", "type": "ticket-opened", "career": None, "data": {
        "number": str(n), "service": "careers", "context": "none"}} for n in range(20)]
    file = Path(place) / "more.jsonl"
    file.write_bytes(lines(*events))
    code, said = on(how, cli, ["append", *form, str(file)])
    assert json.loads(run("status", "X19", "--json").stdout)["student"] == "X19"
    assert "after 0 outcomes; every line was handled: 20 accepted" in said
    assert ("standard output was closed" in said) == (how == GONE)
    assert code == (0 if how == GONE else program.NOT_WRITTEN)


CLOSED = """
import os, sys
for descriptor in {closed!r}:
    os.close(descriptor)
os.execv(sys.executable, [sys.executable, "-c", "from ledger.entrypoints.cli import main; main()", *sys.argv[1:]])
"""


@pytest.mark.parametrize("closed", [[1], [2], [0, 1, 2]], ids=str)
def test_process_does_its_work_when_standard_streams_are_closed(place, start, history, lines, closed: list[int]) -> None:
    """A process of its own: the interpreter itself finds the streams closed."""
    import subprocess

    file = Path(place) / "more.jsonl"
    file.write_bytes(lines(history[0] | {"id": "n1", "student": "X1"}))
    done = subprocess.run([sys.executable, "-c", CLOSED.format(closed=closed), "append", str(file)], cwd=place, capture_output=True,
                          timeout=60, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(start("status", "X1", "--json").stdout)["student"] == "X1"


def test_process_asks_for_lines_when_standard_input_is_closed(place) -> None:
    import subprocess

    done = subprocess.run([sys.executable, "-c", CLOSED.format(closed=[0]), "append", "-"], cwd=place, capture_output=True, timeout=60,
                          env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})
    assert done.returncode == 2
    assert done.stderr.endswith(b"Error: standard input is closed: name a file, or write the lines to it\n")


@pytest.mark.parametrize("group", [cli, treasury, archive, notifications, booking_gate], ids=lambda group: group.name)
def test_every_command_is_of_a_program_that_minds_its_streams(group) -> None:
    assert isinstance(group, program.Program)
