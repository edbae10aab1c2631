"""A disk that takes no more, or fails: it is said, with exit code 6; what was acknowledged is stored, and the rest can
be sent again once there is room."""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from ledger.store import StoreUnavailable, StoreUnusable, open_store
from tests.relay.servers import Postgres, own_postgres
from tests.store.examples import events

from .injected import SYNCS, WRITES, each, ledger
from .test_killed_at_syncs import STUDENTS, Stage, stage

__all__ = ["stage"]
pytestmark = pytest.mark.faults
Counted = Callable[[str], None]
FULL, BROKEN = "error=ENOSPC:when={n}+", "error=EIO:when={n}"


@pytest.mark.parametrize(("calls", "fault"), [
    (WRITES, FULL), pytest.param(WRITES, BROKEN, marks=pytest.mark.long), (SYNCS, BROKEN)],
    ids=["full", "write", "sync"])
def test_append_says_so_at_each_failing_call(stage: Stage, calls: str, fault: str, counted: Counted) -> None:
    append = ("append", str(stage.lines), "--mode", "record", "--json")
    stage.keep()
    sent = [f"S{n}-{kind}" for n in range(STUDENTS) for kind in "ep"]
    tried = said = acknowledged = kept = 0
    for call, n in each(lambda: ledger(stage.environment, *append, calls=calls)[3], calls):
        stage.again()
        code, out, error, _ = ledger(stage.environment, *append, calls=call, fault=fault.format(n=n))
        answered = [one["id"] for one in map(json.loads, out.splitlines()) if one["outcome"] == "accepted"]
        # what failed while the file was closed, after all answers, is no failure
        assert (code == 6 and "free space" in error) or (code == 0 and len(answered) == len(sent)), (n, code, error)
        stored = stage.stored()
        assert set(answered) <= set(stored) <= set(sent)
        assert len(stored) == len(set(stored))
        stage.run(*append)
        assert sorted(stage.stored()) == sorted(sent)
        tried, said = tried + 1, said + (code == 6)
        acknowledged, kept = acknowledged + len(answered), kept + len(stored)
    assert said
    counted(f"{tried} failing calls, {said} of them said: {acknowledged} acknowledged, {kept} stored, 0 lost, "
            "0 doubled")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Postgres, Path]]:
    """A PostgreSQL on a disk of its own, of 112 MB, most of which it does not need."""
    disk = Path(tempfile.mkdtemp(prefix="career-ledger-disk-"))  # not below pytest's folder, which is for root alone
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=112m,mode=777", "tmpfs", str(disk)],
                             capture_output=True, text=True)
    assert mounted.returncode == 0, f"only root may mount a small disk: {mounted.stderr}"
    try:
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        with own_postgres() as server:
            monkeypatch.undo()
            yield server, disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
        disk.rmdir()


@pytest.mark.long
def test_postgresql_on_a_full_disk_and_back(small: tuple[Postgres, Path], counted: Counted) -> None:
    server, disk = small
    with open_store(server.url) as store:
        store.append(events("S01", 1, 10))
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    (disk / "ballast").write_bytes(b"\0" * max(free - (2 << 20), 0))
    acknowledged, failed = 10, ""
    for _ in range(200):
        try:
            with open_store(server.url) as store:
                stands = len(store.stream("S01"))
                assert stands >= acknowledged
                store.append(events("S01", stands + 1, stands + 500))
                acknowledged = stands + 500
        except (StoreUnusable, StoreUnavailable) as error:
            failed = str(error)
            break
    assert "out of a resource" in failed or "not available" in failed, failed
    (disk / "ballast").unlink()
    server.revive()
    with open_store(server.url) as store:
        versions = [event.version for event in store.stream("S01")]
        assert len(versions) >= acknowledged
        assert versions == list(range(1, len(versions) + 1))
        store.append(events("S01", len(versions) + 1, len(versions) + 1))
        counted(f"full after {acknowledged} acknowledged events; {len(versions)} stored and readable with room again, "
                f"0 lost ({failed.split('(')[0].strip()[-40:]})")
    with psycopg.connect(server.url) as link:
        assert link.execute("SELECT count(*) = max(originator_version) FROM stored_events").fetchone() == (True,)
