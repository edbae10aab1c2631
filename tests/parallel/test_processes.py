"""Processes of this machine: what they work with may be long, an early death is noticed, none outlives its parent."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker, spawn
from pathlib import Path

import pytest

from ledger.parallel import processes
from tests.processes import SPAWNED

LONGER_THAN_A_PIPE = 1 << 20
_given = b""


@pytest.fixture(autouse=True)
def as_the_ledger_starts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "pool", SPAWNED)


def take(given: Path) -> None:
    global _given
    _given = processes.read(given)


def size_given() -> int:
    return len(_given)


@pytest.fixture
def lent() -> Iterator[Path]:
    given = processes.Lent(b"x" * LONGER_THAN_A_PIPE)
    yield given.path
    given.close()
    assert not given.path.exists()


def test_workers_get_what_is_longer_than_a_pipe_when_they_start(lent: Path) -> None:
    assert lent.stat().st_mode & 0o777 == 0o600
    with processes.pool(2, take, lent) as pool:
        assert [pool.submit(size_given).result(60) for _ in range(2)] == [LONGER_THAN_A_PIPE] * 2


def test_pool_is_broken_when_a_worker_dies_before_it_reads_its_arguments(monkeypatch: pytest.MonkeyPatch,
                                                                         lent: Path) -> None:
    resource_tracker.ensure_running()
    monkeypatch.setattr(spawn, "_python_exe", os.fsencode(shutil.which("false") or ""))
    found: list[type[BaseException]] = []

    def attempt() -> None:
        with processes.pool(1, take, lent) as pool:
            try:
                pool.submit(size_given).result(30)
            except BrokenProcessPool as error:
                found.append(type(error))

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(30)
    assert found == [BrokenProcessPool]


PARENT = """
import os, sys
from ledger.parallel import processes
from tests.processes import SPAWNED
if __name__ == "__main__":
    pool = processes.pool(1)
    print(pool.submit(os.getpid).result(), flush=True)
    os.kill(os.getpid(), 9)
"""


def test_worker_ends_when_its_parent_is_killed(tmp_path) -> None:
    """It has inherited the output, which is at its end when nobody holds it any more."""
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    done = subprocess.run([sys.executable, str(script)], stdout=subprocess.PIPE, timeout=20,
                          env=os.environ | {"PYTHONPATH": str(Path.cwd())})
    assert done.returncode == -9
    assert done.stdout.strip().isdigit()
