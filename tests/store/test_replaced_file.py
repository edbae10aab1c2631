"""An SQLite file that is deleted, replaced or cut under whoever has it open."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from consumers.database import Database, DatabaseUnusable
from ledger.projections.everybody import Follower, open_database
from ledger.relay import Positions
from ledger.rulebooks.loader import load_books
from ledger.sql.migrations import Migrations, statements
from ledger.store import EventStore, StoreUnusable, open_store

from .examples import events

Harm = Callable[[Path], None]
MINE = [Migrations("mine", "mine_migrations", "mine", [statements("first", "CREATE TABLE mine (a INTEGER)")])]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[EventStore]:
    with open_store(f"sqlite:///{path}") as opened:
        opened.append(events("S01", 1, 20))
        merge(path)
        yield opened


def merge(path: Path) -> None:
    """What is in the write-ahead log goes into the file."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def cut(to: Callable[[int], int]) -> Harm:
    return lambda path: os.truncate(path, to(path.stat().st_size))


def put_another(path: Path) -> None:
    with open_store(f"sqlite:///{path}.other") as other:
        other.append(events("S02", 1, 1))
    Path(f"{path}.other").replace(path)


def put_a_copy(path: Path) -> None:
    shutil.copy(path, f"{path}.copy")
    Path(f"{path}.copy").replace(path)


HARMS: dict[str, tuple[Harm, str]] = {
    "deleted": (Path.unlink, "deleted"), "another ledger": (put_another, "another file"),
    "a copy of itself": (put_a_copy, "another file"),
    "emptied": (cut(lambda size: 0), "cut"), "cut": (cut(lambda size: size // 2), "cut"),
}
BESIDE: dict[str, tuple[Harm, str]] = {
    ending: (lambda path, ending=ending: Path(f"{path}{ending}").unlink(), ending)
    for ending in ("-wal", "-shm")}  # type: ignore[misc]


@pytest.mark.parametrize("harm", [*HARMS, *BESIDE])
def test_append_is_refused_when_its_file_is_harmed(ledger: EventStore, path: Path, harm: str) -> None:
    act, said = (HARMS | BESIDE)[harm]
    act(path)
    for _ in range(2):
        with pytest.raises(StoreUnusable, match=f"was replaced while it was open.*{said}"):
            ledger.append(events("S01", 21, 21))


@pytest.mark.parametrize("harm", HARMS)
def test_question_is_refused_when_its_file_is_harmed(ledger: EventStore, path: Path, harm: str) -> None:
    HARMS[harm][0](path)
    with pytest.raises(StoreUnusable, match="was replaced while it was open"):
        ledger.touched(0)


def test_nothing_is_acknowledged_when_the_file_is_replaced_between_the_write_and_the_commit(
        ledger: EventStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = ledger._recorder.writing  # type: ignore[attr-defined]
    insert = recorder._insert

    def late(*given: object) -> object:
        found = insert(*given)
        put_a_copy(path)
        return found

    monkeypatch.setattr(recorder, "_insert", late)
    with pytest.raises(StoreUnusable, match="another file stands in its place"):
        ledger.append(events("S01", 21, 21))


def test_append_goes_on_when_the_file_became_smaller_by_vacuum(ledger: EventStore, path: Path) -> None:
    before = path.stat().st_size
    with closing(sqlite3.connect(path)) as other:
        other.execute("DROP TRIGGER stored_events_no_delete")
        other.execute("DELETE FROM stored_events WHERE originator_version > 1")
        other.commit()
        other.execute("VACUUM")
    merge(path)
    assert path.stat().st_size < before
    assert ledger.append(events("S01", 2, 2))[0].position == 21


def test_ledger_behind_a_link_is_written_and_a_link_that_leads_elsewhere_is_noticed(ledger: EventStore,
                                                                                    path: Path, tmp_path: Path) -> None:
    link, other = tmp_path / "link.db", tmp_path / "other.db"
    link.symlink_to(path)
    open_store(f"sqlite:///{other}").close()
    with open_store(f"sqlite:///{link}") as linked:
        linked.append(events("S01", 21, 21))
        link.unlink()
        link.symlink_to(other)
        with pytest.raises(StoreUnusable, match="another file"):
            linked.append(events("S01", 22, 22))


@pytest.mark.parametrize("harm", HARMS)
def test_follower_relay_and_consumer_are_refused_when_the_file_is_harmed(ledger: EventStore,
                                                                         path: Path, harm: str) -> None:
    url, own = f"sqlite:///{path}", path.with_name("own.db")
    with open_database(url) as database, Positions(url) as positions, Database(f"sqlite:///{own}") as consumer:
        follower = Follower(ledger, database, load_books())
        follower.prepare()
        positions.prepare()
        consumer.migrate(MINE)
        merge(path)
        merge(own)
        positions.all()
        consumer.ask("SELECT a FROM mine")
        follower.step()
        merge(path)
        database.positions()
        for one in (path, own):
            HARMS[harm][0](one)
        with pytest.raises(StoreUnusable, match="was replaced while it was open"):
            follower.step()
        with pytest.raises(StoreUnusable, match="was replaced while it was open"):
            positions.all()
        for act in (lambda: consumer.ask("SELECT a FROM mine"), lambda: consumer.migrate(MINE)):
            with pytest.raises(DatabaseUnusable, match="was replaced while it was open"):
                act()


LEAVES = """import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
connection.close()"""


@pytest.mark.parametrize("kind", ["ledger", "consumer"])
def test_another_process_that_leaves_takes_no_log_away_from_one_that_opened_the_file_twice(
        ledger: EventStore, path: Path, tmp_path: Path, kind: str) -> None:
    """A process that closes any descriptor of a file loses its locks on it: the one that leaves
    would believe itself the last."""
    own = tmp_path / "own.db"
    with Database(f"sqlite:///{own}") as first, Database(f"sqlite:///{own}") as second:
        if kind == "consumer":
            first.migrate(MINE)
            second.migrate(MINE)
        else:
            open_store(f"sqlite:///{path}").close()
        subprocess.run([sys.executable, "-c", LEAVES, str(own if kind == "consumer" else path)], check=True)
        if kind == "consumer":
            first.migrate(MINE)
            second.migrate(MINE)
        else:
            ledger.append(events("S01", 21, 21))
