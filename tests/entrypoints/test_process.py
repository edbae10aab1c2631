"""The command as a process: streams, colours, signals, broken databases."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
BLOCKED = ("status", "S01", "--on", "2026-03-20")


@pytest.fixture
def filled(start, history, lines) -> None:
    assert start("append", "-", given=lines(*history)).returncode == 0


def test_process_shows_colours_only_on_a_terminal(filled, start, terminal) -> None:
    assert b"\x1b" not in start(*BLOCKED).stdout
    assert b"\x1b" not in start(*BLOCKED, FORCE_COLOR="1").stdout
    assert "\x1b[1;31m" in terminal(*BLOCKED)


def test_process_shows_no_colours_when_no_color_is_set(filled, terminal) -> None:
    shown = terminal(*BLOCKED, NO_COLOR="1")
    assert "\x1b" not in shown
    assert "exam-booking block" in shown


def test_process_shows_json_without_colours_on_a_terminal(filled, terminal) -> None:
    assert json.loads(terminal(*BLOCKED, "--json"))["student"] == "S01"


def test_process_shows_progress_only_for_a_long_file_on_a_terminal(start, terminal, history, lines, tmp_path: Path) -> None:
    long, short = tmp_path / "long.jsonl", tmp_path / "short.jsonl"
    short.write_bytes(lines(*history))
    long.write_bytes(lines(*history, history[2] | {"data": history[2]["data"] | {"note": "x" * 19_000}, "id": "n0"}) + lines(
        *(history[2] | {"data": history[2]["data"] | {"note": "x" * 19_000}, "id": f"n{n}"} for n in range(1, 15))))
    assert "appending" in terminal("append", str(long))
    assert "appending" not in terminal("append", str(short))
    assert start("append", str(long)).stderr == b""


def test_process_is_interrupted_with_one_line(filled, popen, start, lines, history) -> None:
    process = popen("append", "-", "--json", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(lines(history[2] | {"id": "n1"}))
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["outcome"] == "accepted"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=120)[1]
    assert (process.returncode, error) == (130, b"career-ledger: interrupted\n")
    again = start("append", "-", "--json", given=lines(history[2] | {"id": "n1"}))
    assert json.loads(again.stdout)["outcome"] == "duplicate"


def test_process_prints_names_with_accents_whatever_the_locale(start, history, lines) -> None:
    history[0]["data"]["programme"] = "Società e cultura"
    assert start("append", "-", given=lines(*history)).returncode == 0
    for encoding in ("utf-8", "ascii"):
        done = start("status", "S01", "--on", "2026-03-20", "--json", PYTHONIOENCODING=encoding)
        assert json.loads(done.stdout.decode(encoding))["careers"][0]["programme"] == "Società e cultura"
        assert start("status", "S01", "--on", "2026-03-20", PYTHONIOENCODING=encoding).returncode == 0


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


def test_process_names_the_place_and_no_data_when_the_program_is_at_fault(start, history, lines, tmp_path: Path) -> None:
    broken = tmp_path / "sitecustomize.py"
    broken.write_text("import ledger.bootstrap as b\ndef status(*a): raise ValueError('Maria Rossi')\nb.Ledger.status = status\n")
    start("append", "-", given=lines(*history))
    done = start("status", "S01", PYTHONPATH=f"{tmp_path}:{Path(__file__).parents[2]}")
    assert done.returncode == 70
    assert done.stderr == b"career-ledger: a fault of this program, please report it: ValueError at sitecustomize:2\n"


def test_process_takes_the_demo_histories(start) -> None:
    imported = start("append", str(EXAMPLES / "imported.jsonl"), "--mode", "record")
    assert imported.returncode == 0, imported.stdout
    current = start("append", str(EXAMPLES / "current.jsonl"))
    assert current.returncode == 0, current.stdout
