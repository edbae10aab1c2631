"""The command as a process: streams, colours, signals, broken databases."""

import json
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from consumers.booking_gate.__main__ import main as booking_gate
from consumers.notifications.__main__ import notifications
from consumers.treasury.__main__ import treasury
from ledger.entrypoints.cli import cli

BLOCKED = ("status", "S01", "--on", "2026-03-20")


@pytest.fixture
def filled(run, history, lines) -> None:
    assert run("append", "-", given=lines(*history)).exit_code == 0


def test_process_shows_colours_only_on_a_terminal(filled, start, terminal) -> None:
    assert b"\x1b" not in start(*BLOCKED, FORCE_COLOR="1").stdout
    assert "\x1b[1;31m" in terminal(*BLOCKED)


def test_process_shows_no_colours_when_no_color_is_set(filled, terminal) -> None:
    shown = terminal(*BLOCKED, NO_COLOR="1")
    assert "\x1b" not in shown
    assert "exam-booking block" in shown


def test_process_shows_json_without_colours_on_a_terminal(filled, terminal) -> None:
    assert json.loads(terminal(*BLOCKED, "--json"))["student"] == "S01"


def test_process_shows_progress_only_for_a_long_file_on_a_terminal(start, terminal, history,
                                                                   lines, tmp_path: Path) -> None:
    long, short = tmp_path / "long.jsonl", tmp_path / "short.jsonl"
    short.write_bytes(lines(*history))
    long.write_bytes(lines(*history, history[2] | {"data": history[2]["data"] | {"note": "x" * 19_000}, "id": "n0"})
                     + lines(
        *(history[2] | {"data": history[2]["data"] | {"note": "x" * 19_000}, "id": f"n{n}"} for n in range(1, 15))))
    assert "appending" in terminal("append", str(long))
    assert "appending" not in terminal("append", str(short))
    assert start("append", str(long)).stderr == b""


def test_process_is_interrupted_with_one_line(filled, popen, run, lines, history) -> None:
    process = popen("append", "-", "--json", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(lines(history[2] | {"id": "n1"}))
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["outcome"] == "accepted"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    process.wait(120)  # not yet at the end of its lines
    error = process.communicate(timeout=120)[1]
    assert (process.returncode, error) == (130, b"career-ledger: interrupted\n")
    again = run("append", "-", "--json", given=lines(history[2] | {"id": "n1"}))
    assert json.loads(again.stdout)["outcome"] == "duplicate"


def test_process_prints_names_with_accents_whatever_the_locale(run, start, history, lines) -> None:
    history[0]["data"]["programme"] = "Società e cultura"
    assert run("append", "-", given=lines(*history)).exit_code == 0
    for encoding in ("utf-8", "ascii"):
        done = start("status", "S01", "--on", "2026-03-20", "--json", PYTHONIOENCODING=encoding)
        assert json.loads(done.stdout.decode(encoding))["careers"][0]["programme"] == "Società e cultura"
    assert start("status", "S01", "--on", "2026-03-20", PYTHONIOENCODING="ascii").returncode == 0


def test_process_is_unavailable_when_no_server_answers(start) -> None:
    done = start("--db", "postgresql://nobody:secret@127.0.0.1:1/none?connect_timeout=1", "status", "S01")
    assert done.returncode == 6
    assert len(done.stderr.splitlines()) <= 2
    assert b"secret" not in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("content", [b"this is no database\n" * 100, bytes(range(256)) * 40])
def test_process_is_unavailable_when_the_file_is_not_ours(start, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "other.db"
    file.write_bytes(content)
    done = start("--db", f"sqlite:///{file}", "status", "S01")
    assert done.returncode == 6
    assert len(done.stderr.splitlines()) <= 2
    assert file.read_bytes() == content


def test_process_names_the_place_and_no_data_when_the_program_is_at_fault(run, start, history,
                                                                                  lines, tmp_path: Path) -> None:
    broken = tmp_path / "sitecustomize.py"
    broken.write_text("import ledger.bootstrap as b\ndef status(*a): raise ValueError('Maria Rossi')\nb.Ledger.status "
                      "= status\n")
    run("append", "-", given=lines(*history))
    done = start("status", "S01", PYTHONPATH=f"{tmp_path}:{Path(__file__).parents[2]}")
    assert done.returncode == 70
    assert done.stderr == b"career-ledger: a fault of this program, please report it: ValueError at sitecustomize:2\n"


FOREIGN = ["status S01", "fees S01", "history S01", "audit", "append -", "find", "report blocked",
           "report counts --csv", "project",
           "projection status", "projection rebuild", "projection verify", "digests", "publish --status"]


@pytest.mark.parametrize("command", FOREIGN)
def test_command_says_that_the_file_is_not_ours_when_it_is_another_programs(command: str, tmp_path: Path) -> None:
    file, text = tmp_path / "other.db", tmp_path / "text.db"
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE stored_events (a)")
    text.write_bytes(b"this is no database\n" * 100)
    for place, said in ((file, "is a database of another program, not a career ledger: choose another file with --db"),
                        (text, "file is not a database")):
        before = place.read_bytes()
        result = CliRunner().invoke(cli, ["--db", f"sqlite:///{place}", *command.split()], input="")
        assert (result.exit_code, said in result.stderr) == (6, True), result.output
        assert place.read_bytes() == before


DIGITS = "9" * 5000


@pytest.mark.parametrize("arguments", [
    ["status", "S01", "--known-position", DIGITS], ["digests", "--after", DIGITS], ["publish", "--from", DIGITS],
    ["status", "S01", "--on", DIGITS],
    ["status", "S01", "--known-at", DIGITS], ["project", "--partition", f"1/{DIGITS}"],
    ["projection", "rebuild", "--workers", DIGITS],
    ["generate", "--students", DIGITS, "--seed", "1"],
    ["generate", "--students", "1", "--seed", "1", "--share", f"breaches={DIGITS}"],
    ["rules", "show", DIGITS], ["status", DIGITS], ["publish", "--once", "--kafka", f"h:{DIGITS}"],
    ["--db", f"postgresql://h:{DIGITS}/x", "find"],
    ], ids=lambda one: " ".join(one)[:40])
def test_command_answers_a_number_of_5000_digits_without_naming_python(run, ledger, arguments) -> None:
    result = run(*arguments)
    assert result.exit_code in (2, 3, 6)
    assert "ython" not in result.output + repr(result.exception)
    assert "set_int_max_str_digits" not in result.output
    assert len(result.output) < 5000


@pytest.mark.parametrize(("group", "arguments"), [
    (treasury, ["run", "--kafka", f"h:{DIGITS}"]),
    (notifications, ["run", "--kafka", "h:1", "--sender", "a@b.it", "--smtp", f"h:{DIGITS}"]),
    (booking_gate, ["run", "--kafka", "h:1", "--listen", f"127.0.0.1:{DIGITS}"]),
    (treasury, ["run", "--kafka", "h:1", "--metrics-port", DIGITS]),
    ], ids=lambda one: " ".join(one)[:40] if isinstance(one, list) else one.name)
def test_service_answers_a_number_of_5000_digits_without_naming_python(tmp_path: Path, group, arguments) -> None:
    result = CliRunner().invoke(group, [*arguments, "--db", f"sqlite:///{tmp_path}/c.db"])
    assert result.exit_code == 2, result.output
    assert "ython" not in result.output + repr(result.exception)
    assert "set_int_max_str_digits" not in result.output
