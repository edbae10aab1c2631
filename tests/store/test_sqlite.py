"""What only the SQLite store promises: one file that stays ours, whole and in order."""

import os
import resource
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ledger.store import EventStore, StoreUnavailable, StoreUnusable, open_store, sqlite_file

from .examples import an_event, events


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[EventStore]:
    with open_store(f"sqlite:///{path}") as opened:
        yield opened


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_positions_are_not_used_again_when_an_administrator_deleted_the_last_events(ledger: EventStore,
                                                                                    path: Path) -> None:
    ledger.append(events("S01", 1, 3))
    execute(path, "DROP TRIGGER stored_events_no_delete", "DELETE FROM stored_events WHERE rowid >= 2")
    assert ledger.append([an_event("S01", 2)])[0].position == 4
    execute(path, "DELETE FROM stored_events")
    assert ledger.append([an_event("S01", 1)])[0].position == 5


def test_positions_stay_when_the_file_is_vacuumed(ledger: EventStore, path: Path) -> None:
    ledger.append(events("S01", 1, 5))
    execute(path, "DROP TRIGGER stored_events_no_delete", "DELETE FROM stored_events WHERE rowid = 2")
    execute(path, "VACUUM")
    assert [event.position for event in ledger.log()] == [1, 3, 4, 5]


@pytest.mark.parametrize("statement", [
    "UPDATE stored_events SET state = x'7b7d'",
    "UPDATE stored_events SET rowid = 9 WHERE rowid = 1",
    "DELETE FROM stored_events WHERE rowid = 2",
    "REPLACE INTO stored_events (originator_id, originator_version, topic, state) "
    "SELECT originator_id, originator_version, topic, x'7b7d' FROM stored_events",
    "REPLACE INTO stored_events (rowid, originator_id, originator_version, topic, state) VALUES (1, 'x', 1, 'x', "
    "x'7b7d')",
])
def test_trigger_refuses_to_change_what_is_recorded(ledger: EventStore, path: Path, statement: str) -> None:
    appended = ledger.append(events("S01", 1, 2))
    with pytest.raises(sqlite3.IntegrityError,
                       match=r"never changed or deleted: submit an event-voided event|is not stored"):
        execute(path, statement)
    assert ledger.log() == appended


def test_file_survives_a_power_cut_and_readers_do_not_wait(ledger: EventStore) -> None:
    with ledger._recorder.writing.datastore.get_connection(commit=True) as connection:
        settings = {name: connection._sqlite_conn.execute(f"PRAGMA {name}").fetchone()[0]
                    for name in ("synchronous", "journal_mode")}
    assert settings == {"synchronous": 2, "journal_mode": "wal"}


def test_store_refuses_a_file_of_a_newer_version(path: Path) -> None:
    open_store(f"sqlite:///{path}").close()
    execute(path, "INSERT INTO career_ledger_migrations VALUES ('ledger', 99, 'later', '2030-01-01')")
    with pytest.raises(StoreUnusable, match=r"newer version .*update this program"):
        open_store(f"sqlite:///{path}")


@pytest.mark.parametrize("statement", ["CREATE TABLE stored_events (a)", "CREATE TABLE notes (a)",
                                       "PRAGMA user_version = 3", "PRAGMA application_id = 1"])
def test_store_refuses_and_leaves_alone_a_database_of_another_program(path: Path, statement: str) -> None:
    execute(path, statement)
    before = path.read_bytes()
    with pytest.raises(StoreUnusable, match="another program, not a career ledger"):
        open_store(f"sqlite:///{path}")
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"id;name\n1;x\n" * 200, b"SQLite format 3\0" + b"\xff" * 5000])
def test_store_refuses_and_leaves_alone_a_file_that_is_no_database(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreUnusable, match="cannot be used"):
        open_store(f"sqlite:///{path}")
    assert path.read_bytes() == content


def test_store_says_so_when_the_folder_is_missing_or_the_path_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match="there is no folder"):
        open_store(f"sqlite:///{tmp_path / 'missing' / 'ledger.db'}")
    with pytest.raises(StoreUnusable, match="cannot be used"):
        open_store(f"sqlite:///{tmp_path}")


def test_nothing_is_half_written_when_the_database_is_full(ledger: EventStore) -> None:
    ledger.append(events("S01", 1, 20))
    with ledger._recorder.writing.datastore.get_connection(commit=True) as connection:
        pages = connection._sqlite_conn.execute("PRAGMA page_count").fetchone()[0]
        connection._sqlite_conn.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StoreUnusable, match=r"cannot grow .*free space"):
        ledger.append(events("S01", 21, 200))
    assert len(ledger.stream("S01")) == 20
    ledger.append([an_event("S01", 21)])


def test_nothing_is_half_written_when_the_disk_takes_no_more(ledger: EventStore, path: Path) -> None:
    ledger.append(events("S01", 1, 20))
    allowed = resource.getrlimit(resource.RLIMIT_FSIZE)
    wal = path.with_name(path.name + "-wal")
    resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size + 4096, allowed[1]))
    try:
        with pytest.raises(StoreUnusable, match="cannot grow"):
            ledger.append(events("S01", 21, 400))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, allowed)
    assert len(ledger.stream("S01")) == 20
    assert len(ledger.append(events("S01", 21, 400))) == 380
    execute(path, "PRAGMA integrity_check")


def test_writer_gives_up_with_a_message_when_another_program_holds_the_file(
        path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.store.sqlite_file.LOCK_SECONDS", 0.2)
    monkeypatch.setattr("ledger.store.sqlite_writing.LOCK_SECONDS", 0.2)
    monkeypatch.setattr("ledger.store.event_store.PATIENCE", 0.1)
    with open_store(f"sqlite:///{path}") as ledger, closing(sqlite3.connect(path, isolation_level=None)) as other:
        ledger.append(events("S01", 1, 1))
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="held by another program"):
            ledger.append(events("S01", 2, 2))
        assert len(ledger.stream("S01")) == 1
        other.execute("ROLLBACK")
        ledger.append(events("S01", 2, 2))


def test_relative_and_odd_paths_are_taken_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ledger.db", "a b?c#d%20.db", "città.db"):
        with open_store(f"sqlite:///{name}") as ledger:
            ledger.append(events("S01", 1, 1))
        assert (tmp_path / name).exists()


def test_writing_to_a_read_only_file_is_said(path: Path) -> None:
    open_store(f"sqlite:///{path}").close()
    execute(path, "PRAGMA journal_mode = DELETE")
    path.chmod(stat.S_IRUSR)
    error = sqlite3.OperationalError("attempt to write a readonly database")
    assert "check the rights" in str(sqlite_file.problem(error, os.fspath(path)))


def test_append_is_refused_when_the_clock_has_left_the_file_far_behind(ledger: EventStore, path: Path) -> None:
    ledger.append(events("S01", 1, 1))
    for file in path.parent.iterdir():
        os.utime(file, (1, 1))
    for act in (lambda: ledger.append(events("S01", 2, 2)),
                lambda: ledger.append_packed([ledger.pack([ledger.encode(an_event("S01", 2))])], 1, {})):
        with pytest.raises(StoreUnusable, match=r"last written on 1970-01-01: set the clock.*touch"):
            act()
    path.touch()
    assert len(ledger.append(events("S01", 2, 2))) == 1
