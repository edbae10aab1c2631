"""Processes of this machine: what they work with may be long, an early death is noticed, none outlives its parent."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, resource_tracker, spawn
from pathlib import Path

import pytest

from ledger.parallel import engine, processes
from ledger.parallel.processes import Pool
from tests.processes import SPAWNED
from tests.processes import pool as forked

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
    with processes.pool(take, lent) as pool:
        assert pool.submit(size_given).result(60) == LONGER_THAN_A_PIPE


def test_pool_is_broken_when_a_worker_dies_before_it_reads_its_arguments(monkeypatch: pytest.MonkeyPatch,
                                                                         lent: Path) -> None:
    resource_tracker.ensure_running()
    monkeypatch.setattr(spawn, "_python_exe", os.fsencode(shutil.which("false") or ""))
    found: list[type[BaseException]] = []

    def attempt() -> None:
        with processes.pool(take, lent) as pool:
            try:
                pool.submit(size_given).result(30)
            except BrokenProcessPool as error:
                found.append(type(error))

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(30)
    assert found == [BrokenProcessPool]


def half() -> bytes:
    """Is killed (as for want of memory) when a part of it is written."""
    write = os.write

    def killed(handle: int, content: bytes) -> int:
        write(handle, bytes(content[:len(content) // 2]))
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    connection.Connection._send.__defaults__ = (killed,)
    return b"x" * LONGER_THAN_A_PIPE


def give(what: bytes) -> int:
    return len(what)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("made", [SPAWNED, forked], ids=["spawned", "forked"])
def test_pool_is_broken_and_can_be_ended_when_its_worker_dies_within_its_answer(made: Callable[[], Pool]) -> None:
    with made() as pool:
        with pytest.raises(BrokenProcessPool):
            pool.submit(half).result(30)
        with pytest.raises(BrokenProcessPool):
            pool.submit(give, b"")


@pytest.mark.timeout(60)
def test_pool_is_broken_and_can_be_ended_when_its_worker_dies_before_all_that_it_is_given_is_written() -> None:
    with processes.pool() as pool:
        number = pool.submit(os.getpid).result(30)
        os.kill(number, signal.SIGSTOP)
        found = pool.submit(give, b"x" * LONGER_THAN_A_PIPE)
        os.kill(number, signal.SIGKILL)
        with pytest.raises(BrokenProcessPool):
            found.result(30)


PARENT = """
import os, sys
from ledger.parallel import processes
from tests.processes import SPAWNED
if __name__ == "__main__":
    pool = processes.pool()
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


@pytest.mark.parametrize(("share", "found"), [("max 100000", 3), ("150000 100000", 2), ("1000 100000", 1), (None, 3)])
def test_as_many_work_as_processors_may_be_used(monkeypatch, tmp_path, share: str | None, found: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 5, 6})
    monkeypatch.setattr(engine, "SHARE", tmp_path / "cpu.max")
    if share is not None:
        (tmp_path / "cpu.max").write_text(share + "\n")
    assert engine.processors() == found


ENDS_AT_ONCE = """
import os
from ledger.parallel.processes import give_back, pool

if __name__ == "__main__":
    kept = pool()
    assert kept.submit(os.getpid).result(60)
    give_back()
    os._exit(0)
"""


def test_who_ends_at_once_says_nothing_of_what_its_pool_had() -> None:
    done = subprocess.run([sys.executable, "-c", ENDS_AT_ONCE], capture_output=True, text=True, timeout=120, check=True)
    assert done.stderr == ""
