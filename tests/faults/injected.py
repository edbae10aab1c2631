"""A program under strace, which kills it at its nth system call of a kind, or lets that fail."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from infra.debian import found_or_installed
from tests.processes import Program
from tests.sizes import SIZE

SYNCS, WRITES = "fsync,fdatasync", "pwrite64"
LEDGER = (sys.executable, "-c", "from ledger.entrypoints.cli import main; main()")
SECONDS = 120.0
MIDDLE = 5


def ledger(environment: Mapping[str, str], *words: str, calls: str,
           fault: str | None = None) -> tuple[int, str, str, Counter[str]]:
    """`career-ledger WORDS`: exit code (-9 where it was killed), standard output and error, and how often it made each
    of these calls. `fault`: as strace says it, such as `signal=KILL:when=3`. With `--bulk` its workers are meant too:
    they are its own then, and everything is imported anew, which costs ten times as much."""
    log = Path(environment["TMPDIR"]) / "strace.log"
    asked = ["-f", "-o", str(log), "-e", f"trace={calls}", *(("-e", f"inject={calls}:{fault}") if fault else ())]
    if "--bulk" in words:
        quick = [] if fault and "signal" in fault else ["--seccomp-bpf"]  # strace 6.1 delivers no signal with it
        done = subprocess.run([strace(), "-qq", *quick, *asked, *LEDGER, *words], env=environment, capture_output=True,
                              text=True, timeout=SECONDS)
        code, out, error = done.returncode, done.stdout, done.stderr
    else:
        code, out, error = _forked(environment, words, asked)
    return code, out, error, Counter(re.findall(r"^[0-9]+ +([a-z0-9]+)\(", log.read_text(), re.MULTILINE))


def _forked(environment: Mapping[str, str], words: Sequence[str], asked: Sequence[str]) -> tuple[int, str, str]:
    held = Path(environment["TMPDIR"]) / "held"
    held.touch()
    program = Program("tests.faults.held", str(held), *words, environment=environment)
    try:
        with subprocess.Popen([strace(), *asked, "-p", str(program.pid)], stderr=subprocess.PIPE, text=True) as tracer:
            assert tracer.stderr is not None
            said = tracer.stderr.readline()
            assert "attached" in said, said
            held.unlink()
            code = program.wait(SECONDS)
            tracer.communicate(timeout=SECONDS)
        return code, *program.said()
    finally:
        program.forget()


def strace() -> str:
    found = found_or_installed(lambda: shutil.which("strace"), "strace")
    if found is None:
        pytest.fail("strace is needed (Debian's package strace)", pytrace=False)
    return found


def around(url: str, folder: Path, **more: str) -> dict[str, str]:
    """The environment of a program on a ledger."""
    return os.environ | {"CAREER_LEDGER_DB": url, "TMPDIR": str(folder)} | more


def each(counted: Callable[[], Counter[str]], calls: str) -> Sequence[tuple[str, int]]:
    """Each call and every n up to as many as are counted; in the small form one in the middle of what is written,
    uncounted."""
    return [(call, n) for call, most in counted().items() for n in range(1, most + 1)] if SIZE else \
        [(calls.rpartition(",")[2], MIDDLE)]
