"""An older or another log under stored projections is refused, never passed over in silence."""

import sqlite3
from collections.abc import Callable
from datetime import date

import psycopg
import pytest

from ledger.projections.everybody import Follower, ProjectionDatabase, law_of, open_database, wait_for
from ledger.projections.everybody.database import OtherLog, RebuildNeeded
from ledger.projections.everybody.rebuild import rebuild
from ledger.projections.everybody.reports import Reports, status_of
from ledger.projections.everybody.verify import verify
from ledger.store import EventStore, open_store
from tests.projections.populations import BOOKS, a_debtor, append
from tests.relay.conftest import command
from tests.store.backups import accept

DAY = date(2026, 3, 25)


def project(store: EventStore, database: ProjectionDatabase, partitions: int = 1) -> None:
    follower = Follower(store, database, BOOKS, 1, partitions)
    follower.prepare()
    follower.catch_up()


def lose(url: str, above: int) -> None:
    """As an administrator does who restores the events' table from an older copy: nobody else can."""
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            guards = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'stored_events'"
            found = connection.execute(guards).fetchall()
            for name, _ in found:
                connection.execute(f"DROP TRIGGER {name}")
            connection.execute("DELETE FROM stored_events WHERE rowid > ?", (above,))
            for _, statement in found:
                connection.execute(statement)
    else:
        with psycopg.connect(url) as link:
            link.execute("ALTER TABLE stored_events DISABLE TRIGGER ALL")
            link.execute("DELETE FROM stored_events WHERE notification_id > %s", (above,))
            link.execute("ALTER TABLE stored_events ENABLE TRIGGER ALL")


def acts(url: str, store: EventStore) -> dict[str, Callable[[], object]]:
    """Whatever goes by the stored positions, each as a process of its own would."""
    def fresh(ask: Callable[[ProjectionDatabase], object]) -> Callable[[], object]:
        def act() -> object:
            with open_database(url) as own:
                return ask(own)
        return act

    return {
        "project": fresh(lambda own: project(store, own)),
        "project in parts": fresh(lambda own: project(store, own, 2)),
        "append --wait": lambda: wait_for(url, store, BOOKS, 1),
        "status": fresh(lambda own: status_of(own, law_of(BOOKS))),
        "report": fresh(lambda own: Reports(own, law_of(BOOKS)).blocked(DAY)),
        "find": fresh(lambda own: Reports(own, law_of(BOOKS)).find(DAY))}


def assert_refused(url: str, store: EventStore, said: str) -> None:
    for name, act in acts(url, store).items():
        with pytest.raises(OtherLog, match=said) as error:
            act()
        assert "projection rebuild" in str(error.value), name
    with pytest.raises(OtherLog, match=said) as error:
        list(verify(url, BOOKS))
    assert "projection rebuild" not in str(error.value)
    assert "compared with an archive" in str(error.value)


def test_older_log_under_newer_projections_is_refused_until_they_are_made_anew(store_url, store, database) -> None:
    append(store, *a_debtor("S01"), *a_debtor("S02"), *a_debtor("S03"))
    project(store, database)
    last = store.last_position()
    lose(store_url, last - 3)
    assert_refused(store_url, store, f"up to position {last}, and the ledger ends at {last - 3}")
    append(store, *a_debtor("S04"), *a_debtor("S05"))  # it grows beyond them: they would be passed over
    assert_refused(store_url, store, f"at position {last} stands another event")
    assert rebuild(store_url, BOOKS).position == store.last_position()
    for act in acts(store_url, store).values():
        act()
    assert list(verify(store_url, BOOKS)) == []
    assert {row["student"] for row in Reports(database, law_of(BOOKS)).blocked(DAY)["rows"]} == {"S01",
                                                                                                 "S02", "S04", "S05"}


def test_rebuild_beside_newer_projections_ends_when_the_log_is_older(store_url, store, database) -> None:
    append(store, *a_debtor("S01"), *a_debtor("S02"))
    project(store, database)
    lose(store_url, 3)
    assert rebuild(store_url, BOOKS).position == 3
    assert status_of(database, law_of(BOOKS))["known_position"] == 3


def test_projections_of_another_epoch_or_ledger_are_refused(store_url, store, database) -> None:
    append(store, *a_debtor("S01"))
    project(store, database)
    accept(store_url)
    assert_refused(store_url, store, "of epoch 1 of this ledger, which is in epoch 2")
    rebuild(store_url, BOOKS)
    if store_url.startswith("sqlite"):
        with sqlite3.connect(store_url.removeprefix("sqlite:///")) as connection:
            connection.execute("UPDATE projection_position SET origin = 'another'")
    else:
        with psycopg.connect(store_url) as link:
            link.execute("UPDATE projections.position SET origin = 'another'")
    assert_refused(store_url, store, "another ledger")


def test_commands_end_with_6_and_say_the_way_out(sqlite_url) -> None:
    with open_store(sqlite_url) as store, open_database(sqlite_url) as database:
        append(store, *a_debtor("S01"), *a_debtor("S02"))
        project(store, database)
    lose(sqlite_url, 3)
    for words in (("project",), ("report", "blocked"), ("projection", "status"), ("projection", "verify")):
        code, _, error = command(sqlite_url, *words)
        assert (code, "position 6, and the ledger ends at 3" in error) == (6, True), (words, error)


def test_questions_name_the_upgrade_when_the_tables_are_those_of_an_older_version(store_url, store, database) -> None:
    append(store, *a_debtor("S01"))
    project(store, database)
    with database.backend.transaction() as cursor:  # as the release before left them
        cursor.run("ALTER TABLE {charges} DROP COLUMN overdue")
        cursor.run("DROP TABLE {migrations}")
    for name, act in acts(store_url, store).items():
        with pytest.raises(RebuildNeeded, match="Run `career-ledger upgrade`"):
            pytest.fail(f"{name} answered {act()}")
    rebuild(store_url, BOOKS)
    for act in acts(store_url, store).values():
        act()
