"""`make demo` ends with the console where a person looks on, and waits for nobody else."""

import os
import pty
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from .test_readme import ROOT


def _demo(folder: Path, terminal: bool, **environment: str) -> str:
    """What it prints, with a program in the ledger's place that only says what it is asked."""
    program = folder / "career-ledger"
    program.write_text('#!/bin/sh\necho "asked $*"\n')
    program.chmod(0o755)
    held = {name: value for name, value in os.environ.items() if name != "CI"}
    held |= {"PATH": f"{folder}:{os.environ['PATH']}", "TMPDIR": str(folder), **environment}
    if not terminal:
        return subprocess.run(["sh", ROOT / "examples" / "demo.sh"], env=held, text=True, capture_output=True,
                              timeout=30, check=True).stdout
    ours, its = pty.openpty()
    with subprocess.Popen(["sh", ROOT / "examples" / "demo.sh"], env=held, stdout=its, stderr=its) as process:
        os.close(its)
        printed = b""
        with suppress(OSError):  # the terminal ends with its program
            while piece := os.read(ours, 65536):
                printed += piece
        assert process.wait(30) == 0
    os.close(ours)
    return printed.decode()


@pytest.mark.parametrize(("terminal", "environment", "served"), [
    (True, {}, True), (True, {"CI": "true"}, False), (False, {}, False)])
def test_demo_serves_the_console_to_a_person_only(tmp_path: Path, terminal: bool, environment: dict[str, str],
                                                  served: bool) -> None:
    assert ("asked serve --listen 127.0.0.1:0" in _demo(tmp_path, terminal, **environment)) == served
