"""Every command when its standard streams are closed, full, or nobody reads them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from consumers.archive.__main__ import archive
from consumers.archive.service import Archive
from consumers.booking_gate.__main__ import main as booking_gate
from consumers.booking_gate.service import BookingGate
from consumers.database import Database
from consumers.kit.tables import migrations
from consumers.notifications.__main__ import notifications
from consumers.notifications.service import Notifications
from consumers.treasury.__main__ import treasury
from consumers.treasury.service import Treasury
from ledger.edges import program
from ledger.entrypoints.cli import cli

EXAM = ("--career", "B", "--course", "F", "--held-on", "2026-06-22", "--session", "summer", "--academic-year",
        "2025-26", "--calls-start-on", "2026-06-08")
QUESTIONS = [
    ["--help"], ["--version"], ["status", "S01"], ["status", "S01", "--json"], ["fees", "S01"],
    ["fees", "S01", "--json"],
    ["eligibility", "S01", *EXAM], ["eligibility", "S01", *EXAM, "--json"], ["history", "S01"],
    ["history", "S01", "--json"],
    ["audit"], ["rules", "show", "2025-26"], ["rules", "diff", "2019-20", "2025-26", "--json"],
    ["rules", "cite", "BLK-1"], ["completion", "bash"], ["find"], ["find", "--csv"], ["find", "--json"],
    ["report", "blocked"],
    ["report", "arrears"], ["report", "upcoming", "--from", "2026-01-01", "--to", "2026-12-31"],
    ["report", "reservations", "--json"],
    ["report", "refunds"], ["report", "unallocated"], ["report", "counts", "--csv"], ["projection", "status"],
    ["projection", "status", "--json"],
    ["projection", "verify", "--workers", "1"], ["projection", "rebuild", "--workers", "1"], ["digests"],
    ["generate", "--students", "1", "--seed", "1"], ["generate", "--list-shares"], ["publish", "--help"],
    ["project", "--help"],
]
SERVICES: list[tuple[click.Group, list[str]]] = [
    (treasury, ["--help"]), (treasury, ["status"]), (treasury, ["reconcile"]), (treasury, ["reconcile", "--json"]),
    (treasury, ["resend"]),
    (archive, ["--help"]), (archive, ["status"]), (archive, ["seal", "--folder", "archive"]),
    (archive, ["verify", "archive"]),
    (notifications, ["--help"]), (notifications, ["status"]), (notifications, ["outbox", "retry"]),
    (notifications, ["directory", "--help"]),
    (booking_gate, ["--help"]), (booking_gate, ["status"]),
]
COMMANDS = [(cli, one) for one in QUESTIONS] + SERVICES
GONE, FULL = "gone", "full"


ENROLLED = {"id": "a1", "type": "enrolled", "student": "S01", "career": "B", "effective_on": "2025-09-20",
            "source": "t", "actor": "t",
            "data": {"programme": "L-FIL", "academic_year": "2025-26", "course_type": "bachelor", "access": "open",
                     "year": 1, "regime": "full-time"}}
ASSESSED = ENROLLED | {"id": "a2", "type": "contribution-assessed", "effective_on": "2026-01-10",
                       "data": {"academic_year": "2025-26", "contribution": "900.00"}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a ledger whose projections are stored, and an empty archive."""
    found = tmp_path_factory.mktemp("streams")
    (found / "archive").mkdir()
    given = b"".join(json.dumps(one).encode() + b"\n" for one in (ENROLLED, ASSESSED))
    for arguments in (["append", "-"], ["project"]):
        done = CliRunner().invoke(cli, ["--db", f"sqlite:///{found / 'ledger.db'}", *arguments], input=given)
        assert done.exit_code == 0, done.output
    with Database(f"sqlite:///{found / 'consumer.db'}") as tables:
        for service in (Archive, BookingGate, Notifications, Treasury):
            tables.migrate(migrations(service))
    return found


@pytest.fixture
def place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CAREER_LEDGER_CONSUMER_DB", "sqlite:///consumer.db")
    monkeypatch.setenv("CAREER_LEDGER_DB", "sqlite:///ledger.db")
    return folder


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


@pytest.mark.parametrize(("group", "arguments"), COMMANDS,
                         ids=lambda one: "-".join(one) if isinstance(one, list) else one.name)
def test_question_ends_quietly_when_nobody_reads_and_says_so_when_the_disk_is_full(place, on, group, arguments) -> None:
    assert on(GONE, group, arguments) == (program.NOBODY_READS, "")
    code, said = on(FULL, group, arguments)
    assert code == program.NOT_WRITTEN
    assert said.endswith("standard output could not be written (No space left on device): the answer is not whole, "
                         "ask again\n")
    assert "database" not in said


@pytest.mark.parametrize("how", [GONE, FULL])
@pytest.mark.parametrize("form", [[], ["--json"], ["--json", "--mode", "record", "--bulk"], ["--json", "--atomic"]],
                         ids=" ".join)
def test_append_finishes_the_file_when_its_output_is_lost(place, on, lines, how: str, form: list[str]) -> None:
    name = "".join(form).replace("--", ".") + how
    (place / "more.jsonl").write_bytes(lines(*(ENROLLED | {"id": f"n{n}", "student": f"{n}{name}"} for n in range(20))))
    code, said = on(how, cli, ["append", *form, "more.jsonl"])
    assert _is_known(f"19{name}")
    assert "after 0 outcomes; every line was handled: 20 accepted" in said
    assert ("standard output was closed" in said) == (how == GONE)
    assert code == (0 if how == GONE else program.NOT_WRITTEN)


def _is_known(student: str) -> bool:
    return CliRunner().invoke(cli, ["status", student]).exit_code == 0


CLOSED = """
import os, sys
for descriptor in {closed!r}:
    os.close(descriptor)
os.execv(sys.executable, [sys.executable, "-c", "from ledger.entrypoints.cli import main; main()", *sys.argv[1:]])
"""


@pytest.mark.parametrize("closed", [[1], [2], [0, 1, 2]], ids=str)
def test_process_does_its_work_when_standard_streams_are_closed(place, lines, closed: list[int]) -> None:
    """A process of its own: the interpreter itself finds the streams closed."""
    file, student = place / "more.jsonl", f"X{len(closed)}{closed[-1]}"
    file.write_bytes(lines(ENROLLED | {"id": "n1", "student": student}))
    done = subprocess.run([sys.executable, "-c", CLOSED.format(closed=closed), "append", str(file)],
                          cwd=place, capture_output=True,
                          timeout=60, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})
    assert (done.returncode, done.stderr) == (0, b"")
    assert _is_known(student)


def test_process_asks_for_lines_when_standard_input_is_closed(place) -> None:
    done = subprocess.run([sys.executable, "-c", CLOSED.format(closed=[0]), "append", "-"],
                          cwd=place, capture_output=True, timeout=60,
                          env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})
    assert done.returncode == 2
    assert done.stderr.endswith(b"Error: standard input is closed: name a file, or write the lines to it\n")


@pytest.mark.parametrize("group", [cli, treasury, archive, notifications, booking_gate], ids=lambda group: group.name)
def test_every_command_is_of_a_program_that_minds_its_streams(group) -> None:
    assert isinstance(group, program.Program)
