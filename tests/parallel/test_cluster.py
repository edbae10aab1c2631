"""A Dask cluster does what processes of this machine do, byte for byte, and says why where it cannot."""

import io
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import date
from functools import partial
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner

from ledger.audit.run import Audit, of_everybody
from ledger.bootstrap import HowToAudit, clock, open_ledger
from ledger.entrypoints.cli import cli
from ledger.generate import write
from ledger.handling.bulk import import_lines
from ledger.parallel import EngineFailed, How, cluster, handing, in_order
from ledger.projections.everybody import open_database
from ledger.projections.everybody.rebuild import rebuild
from ledger.projections.everybody.tables import NEW
from ledger.projections.everybody.verify import diff, verify
from ledger.proofs import signing
from ledger.proofs.reading import WrongProof
from ledger.sql.base import Row
from ledger.store import EventStore, StoreUnusable, open_store, workers
from tests.projections.populations import BOOKS, fill, population, tables
from tests.proofs.conftest import NAME
from tests.sizes import at_a_store, sized

pytestmark = [pytest.mark.xdist_group("dask"), pytest.mark.server]
ON = date(2026, 10, 31)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "WORTH_EVENTS", 100)
    monkeypatch.setattr(workers, "PART_EVENTS", 120)


def squared(part: int) -> int:
    return part * part


def version_there(part: int) -> int:
    """As if another version were installed where it runs."""
    raise cluster.OtherVersion("9.9", 99)


def newer() -> cluster.Installed:
    """Here; what is sent to workers is the name of `cluster.about`."""
    return "9.9", 99


newer.__module__, newer.__qualname__ = cluster.about.__module__, cluster.about.__qualname__


def slow(part: int) -> int:
    time.sleep(0.1)
    return part


@contextmanager
def killing(dask: Any, every: float) -> Iterator[list[int]]:
    """One of the workers at once and then one after the other, as long as this lasts: their process ids."""
    import distributed

    killed: list[int] = []
    enough = Flag()
    with distributed.Client(dask.scheduler_address, set_as_default=False) as client:
        def kill() -> None:
            while not enough.wait(every if killed else 0.2):
                with suppress(Exception):  # none is there at this moment
                    found = client.run(os.getpid, on_error="ignore")
                    if len(found) < 2:  # a busy machine takes long to start another
                        continue
                    address = sorted(found)[len(killed) % len(found)]
                    os.kill(found[address], signal.SIGKILL)
                    killed.append(found[address])

        thread = Thread(target=kill)
        thread.start()
        try:
            yield killed
        finally:
            enough.set()
            thread.join()


@at_a_store
def test_tables_are_the_same_whoever_makes_them(dask: Any, store_url: str, monkeypatch: pytest.MonkeyPatch,
                                                counted: Callable[[str], None]) -> None:
    if sized(True, False):
        monkeypatch.setattr(workers, "WORTH_EVENTS", 100)
        monkeypatch.setattr(workers, "PART_EVENTS", 60)
    with open_store(store_url) as store:
        if sized(True, False):
            fill(store, population(40))
        else:
            lines = io.BytesIO()
            write(lines, sized(0, 500, 2_500), 1)
            lines.seek(0)
            for _ in import_lines(store, partial(open_store, store_url, create=False), BOOKS, lines, "record", clock):
                pass
        events = store.last_position()
    made: list[dict[str, list[Row]]] = []
    found: list[list[str]] = []
    killed = 0
    for how in (How(1), How(2), How(4), How(cluster=dask.scheduler_address)):
        with killing(dask, sized(30.0, 2.0)) if how.cluster else nullcontext([]) as dead:
            rebuild(store_url, BOOKS, how)
            found.append([repr(one) for one in of_everybody(store_url, Audit(ON, clock()), BOOKS, how)])
            killed += len(dead)
        with open_database(store_url) as database:
            made.append(tables(database))
    counted(f"{events} events, {killed} workers of the cluster killed, "
            f"{sum(map(len, made[0].values()))} rows the same four times")
    assert killed >= sized(1, 1, 3)
    assert made[0] == made[1] == made[2] == made[3]
    assert found[0] == found[1] == found[2] == found[3]
    assert list(verify(store_url, BOOKS, How(cluster=dask.scheduler_address))) == []


def test_generated_bytes_and_differences_are_the_same(dask: Any, store: EventStore, store_url: str, small_parts: None,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, population(12))
    there = How(cluster=dask.scheduler_address)
    before = BOOKS.known_at(clock().replace(year=2020, month=3))
    assert list(diff(store_url, before, BOOKS, there)) == list(diff(store_url, before, BOOKS))
    monkeypatch.setattr("ledger.generate.output.PART", 7)
    alone, far = io.BytesIO(), io.BytesIO()
    assert write(alone, 30, 5, first=3, how=How(1)) == write(far, 30, 5, first=3, how=there)
    assert alone.getvalue() == far.getvalue()


def test_export_is_brought_in_by_workers_that_reach_no_database(dask: Any, tmp_path: Path, small_parts: None,
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(signing.VARIABLE, str(tmp_path / "signing.key"))
    signing.make(NAME)
    ours, folder = f"sqlite:///{tmp_path}/ours.db", tmp_path / "exported"
    with open_store(ours) as store:
        fill(store, population(12))
    assert CliRunner().invoke(cli, ["--db", ours, "export", str(folder)]).exit_code == 0
    there = HowToAudit(by=How(cluster=dask.scheduler_address))
    of = workers._Far.of
    monkeypatch.setattr(workers._Far, "of", lambda source: of(source)._replace(url="sqlite:////nowhere/ledger.db"))
    with open_ledger(f"sqlite:///{tmp_path}/asked.db") as ledger:
        ledger.bring(folder, ())
        assert list(ledger.audit(on=ON, how=there)) == list(ledger.audit(on=ON)) != []
    altered = tmp_path / "altered"
    shutil.copytree(folder, altered)
    with open_ledger(f"sqlite:///{tmp_path}/again.db") as ledger:
        ledger.bring(altered, ())
        segment = next((altered / "data").glob("segment-*"))
        content = bytearray(segment.read_bytes())
        content[len(content) // 2] ^= 1
        segment.write_bytes(content)
        with pytest.raises(WrongProof, match=re.escape(str(segment))):
            list(ledger.audit(on=ON, how=there))


def test_worker_of_another_version_is_refused_by_name_before_the_work(dask: Any,
                                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "about", newer)
    with pytest.raises(EngineFailed, match=r"the worker tcp://127.*edition \d+, and here it is 9.9 with edition 99"):
        list(in_order([1], squared, How(cluster=dask.scheduler_address), 1))


def test_worker_of_another_version_that_comes_later_is_refused_too(dask: Any) -> None:
    with pytest.raises(EngineFailed, match=r"has career-ledger 9\.9 with answers of edition 99"):
        list(in_order([1], version_there, How(cluster=dask.scheduler_address), 1))


def test_worker_without_access_is_told_of(dask: Any, postgres_url: str, as_role: Callable[[str | None], str],
                                          small_parts: None) -> None:
    """The cluster has another password than the role, and the one in the address is not sent to it."""
    with open_store(postgres_url) as store:
        fill(store, population(4))
    url = as_role("career_ledger_projector")
    with pytest.raises(StoreUnusable, match=r"the worker on \S+ cannot work on the ledger: .*PGPASSFILE") as failed:
        rebuild(url, BOOKS, How(cluster=dask.scheduler_address))
    assert "secret" not in str(failed.value)


@pytest.mark.parametrize("given", [
    "postgresql://registrar:secret@db.example.org:5432/careers?sslmode=require&password=secret",
    "postgresql://registrar:sec%40ret@db/careers?sslpassword=secret", "postgresql:///careers?password=secret"])
def test_no_password_is_sent_to_a_cluster(given: str) -> None:
    job = cluster.Job(("1", 1), len, workers._Far.of(workers.Divided(given, BOOKS, replica=given)))
    sent = pickle.dumps(job)
    assert b"secret" not in sent
    assert b"sec%40ret" not in sent
    assert b"careers" in sent
    assert "careers" not in repr(job)  # which Dask logs


def test_no_scheduler_and_no_workers_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.5)
    monkeypatch.setattr(cluster, "ASK_SECONDS", 0.5)
    with pytest.raises(EngineFailed, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        list(in_order([1], squared, How(cluster="tcp://127.0.0.1:9"), 1))
    with scheduler() as (_, address), pytest.raises(EngineFailed, match="has no workers"):
        list(in_order([1], squared, How(cluster=address), 1))


@contextmanager
def scheduler(*workers: str) -> Iterator[tuple[list["subprocess.Popen[str]"], str]]:
    """As people start it: the scheduler first."""
    started: list[subprocess.Popen[str]] = []

    def start(program: str, *arguments: str) -> "subprocess.Popen[str]":
        started.append(subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{program}", *arguments, "--no-dashboard"],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
            env=os.environ | {"PYTHONPATH": str(Path.cwd())}))
        return started[-1]

    try:
        lines = start("scheduler", "--host", "127.0.0.1", "--port", "0").stderr
        assert lines is not None
        address = next(found[0] for line in lines if (found := re.search(r"tcp://127\.0\.0\.1:\d+", line)))
        for one in workers:
            start("worker", address, "--nthreads", "1", "--no-nanny", "--name", one)
        yield started, address
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()
            if process.stderr is not None:
                process.stderr.close()


def test_scheduler_that_goes_away_leaves_everything_as_it_was(sqlite_url: str, small_parts: None) -> None:
    with open_store(sqlite_url) as store:
        fill(store, population(40))
    rebuild(sqlite_url, BOOKS)
    with open_database(sqlite_url) as database:
        before = tables(database)
    done = 0
    with scheduler("one") as (processes, address):
        def told(events: int, _: int) -> None:
            nonlocal done
            done = events
            if events:
                processes[0].kill()

        with pytest.raises(EngineFailed, match=r"the scheduler at tcp://.* is gone"):
            rebuild(sqlite_url, BOOKS, How(cluster=address), told)
    with open_database(sqlite_url) as database:
        assert tables(database) == before
        assert database.backend.exists(NEW)
    again = rebuild(sqlite_url, BOOKS)
    assert 0 < done <= again.resumed < again.events


def test_one_that_loses_its_workers_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(cluster, "ALONE", 3)
    with scheduler("one") as (processes, address):
        found = in_order(range(100), slow, How(cluster=address), 1)
        assert next(found) == 0
        processes[1].kill()
        with pytest.raises(EngineFailed, match=r"has no workers|a worker died"):
            list(found)


def test_command_line_names_what_is_wrong_and_ends_with_6(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.5)
    open_store(sqlite_url).close()
    for arguments, said, code in (
            (("--cluster", "tcp://127.0.0.1:9"), "no Dask scheduler answers at tcp://127.0.0.1:9", 6),
            (("--cluster", "127.0.0.1:9"), "name the scheduler of a Dask cluster as tcp://HOST:PORT", 2),
            (("--cluster", "tcp://127.0.0.1:9", "--workers", "2"), "give --workers or --cluster, not both", 2)):
        done = CliRunner().invoke(cli, ["--db", sqlite_url, "audit", *arguments], prog_name="career-ledger")
        assert (done.exit_code, said in done.stderr) == (code, True), done.stderr


def test_part_that_always_dies_ends_the_work(dask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handing, "AGAIN", 0)
    with pytest.raises(EngineFailed, match="a worker died"):
        list(in_order([0], killed_by, How(cluster=dask.scheduler_address), 1))


def killed_by(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
