"""What only the PostgreSQL store promises: privileges, the trigger, and coming back after a broken link."""

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from ledger.store import EventStore, Refusal, StoreUnavailable, StoreUnusable, VersionConflict, open_store
from ledger.store import postgres as postgres_store
from tests.conftest import ROLES

from .examples import an_event, events


@pytest.fixture
def ledger(postgres_url: str) -> Iterator[EventStore]:
    with open_store(postgres_url) as opened:
        yield opened


@pytest.fixture
def admin(postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


def test_positions_are_not_used_again_when_an_administrator_deleted_the_last_events(
        ledger: EventStore, admin: psycopg.Connection[Any]) -> None:
    ledger.append(events("S01", 1, 3))
    admin.execute("DROP TRIGGER stored_events_are_kept ON stored_events")
    admin.execute("DELETE FROM stored_events WHERE notification_id >= 2")
    assert ledger.append([an_event("S01", 2)])[0].position == 4


@pytest.mark.parametrize("statement", ["UPDATE stored_events SET state = '{}'", "DELETE FROM stored_events",
                                       "TRUNCATE stored_events"])
@pytest.mark.parametrize("role", ["origin", "replica"])
def test_trigger_refuses_to_change_what_is_recorded(
        ledger: EventStore, admin: psycopg.Connection[Any], statement: str, role: str) -> None:
    appended = ledger.append(events("S01", 1, 2))
    admin.execute(f"SET session_replication_role = {role}".encode())
    with pytest.raises(psycopg.errors.RestrictViolation, match="never changed or deleted") as caught:
        admin.execute(statement.encode())
    assert "event-voided" in (caught.value.diag.message_hint or "")
    assert ledger.log() == appended


def test_roles_can_append_and_read_events_and_nothing_else(
        ledger: EventStore, admin: psycopg.Connection[Any], as_role: Callable[[str | None], str]) -> None:
    appended = ledger.append(events("S01", 1, 2))
    urls = {role: as_role(role) for role in ("career_ledger_writer", "career_ledger_intake", "career_ledger_reader",
                                             "career_ledger_projector", "career_ledger_importer")}
    admin.execute(ROLES.read_bytes())  # running it twice does no harm
    with open_store(urls["career_ledger_writer"]) as writer:
        now = datetime.now(timezone.utc)
        appended += writer.append([an_event("S01", 3, now)])
        assert writer.stream("S01") == writer.log() == appended
        with pytest.raises(VersionConflict):
            writer.append([an_event("S01", 3, now)])
    with open_store(urls["career_ledger_intake"]) as intake:
        intake.rewrite_refusals(bytes)
        refusal = Refusal("S01", "r", bytes(33), b'{"id": "r", "outcome": "refused", "reasons": []}')
        assert intake.append_with_refusals([], [refusal], {"S01": 3}) == []
        assert intake.refusals([("S01", "r")]) == {("S01", "r"): refusal}
    for role in ("career_ledger_reader", "career_ledger_projector"):
        with open_store(urls[role]) as reader:
            assert reader.stream("S01") == appended
            with pytest.raises(StoreUnusable, match=r"roles\.sql"):
                reader.append([an_event("S01", 4, now)])
    with pytest.raises(StoreUnusable, match=r"roles\.sql"):
        open_store(as_role(None))
    forbidden = ["UPDATE stored_events SET topic = 'x'", "DELETE FROM stored_events", "TRUNCATE stored_events",
                 "BEGIN; LOCK TABLE stored_events IN EXCLUSIVE MODE", "DROP TABLE stored_events",
                 "DELETE FROM refused_submissions", "UPDATE refused_submissions SET outcome = ''",
                 "DROP TABLE refused_submissions",
                 "INSERT INTO refused_submissions VALUES ('S01', 'x', 'x', 'x')",
                 "DROP TRIGGER stored_events_are_kept ON stored_events",
                 "ALTER TABLE stored_events DISABLE TRIGGER ALL", "UPDATE career_ledger SET schema_version = 0",
                 "UPDATE career_ledger SET digest_key = NULL", "SELECT career_ledger_check(1, 0)",
                 "SELECT career_ledger_grant()", "DELETE FROM career_ledger_migrations",
                 "SELECT setval('stored_events_notification_id_seq', 1)",
                 "INSERT INTO stored_events (originator_id, originator_version, topic, "
                 "state) VALUES (gen_random_uuid(), 1, 'x', '{}')"]
    for url in urls.values():
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in forbidden:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement.encode())
                connection.rollback()
    assert ledger.log() == appended


def test_nothing_is_doubled_or_lost_when_connections_are_terminated_during_appends(postgres_url: str,
                                                                                   ledger: EventStore) -> None:
    stop = threading.Event()
    ended = 0

    def terminate() -> None:
        nonlocal ended
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            while not stop.wait(0.2):
                ended += len(connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                    "AND pid <> pg_backend_pid() AND backend_type = 'client backend'").fetchall())

    thread = threading.Thread(target=terminate)
    thread.start()
    try:
        version = 0
        while ended < 10:
            ledger.append(events("S01", version + 1, version + 2))
            version += 2
    finally:
        stop.set()
        thread.join()
    assert [event.version for event in ledger.stream("S01")] == list(range(1, version + 1))
    assert ledger.log(limit=100_000) == ledger.stream("S01")


def test_store_says_so_when_the_server_goes_and_works_again_when_it_is_back(
        postgres_url: str, postgres_admin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.store.event_store.PATIENCE", 0.5)
    monkeypatch.setattr(postgres_store, "CONNECT_SECONDS", 1)
    ledger = open_store(postgres_url)
    ledger.append(events("S01", 1, 1))
    name = conninfo_to_dict(postgres_url)["dbname"]
    with psycopg.connect(postgres_admin, autocommit=True) as server:
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        for act in (lambda: ledger.append(events("S01", 2, 2)), lambda: ledger.stream("S01"),
                    lambda: open_store(postgres_url)):
            with pytest.raises(StoreUnavailable, match="not available"):
                act()
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
    monkeypatch.undo()
    ledger.append(events("S01", 2, 2))
    assert [event.version for event in ledger.stream("S01")] == [1, 2]
    ledger.close()


def test_opening_says_so_without_the_password_when_there_is_no_server() -> None:
    with pytest.raises(StoreUnavailable, match="not available") as caught:
        open_store("postgresql://somebody:secret@127.0.0.1:1/nothing")
    assert "secret" not in str(caught.value)
    with pytest.raises(StoreUnusable, match="must be postgresql:"):
        open_store("postgresql://[::1/nothing")


def test_append_gives_up_with_a_message_when_the_table_stays_locked(
        postgres_url: str, admin: psycopg.Connection[Any], ledger: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.store.event_store.PATIENCE", 0.1)
    admin.execute("ALTER FUNCTION career_ledger_append SET lock_timeout = '200ms'")
    with psycopg.connect(postgres_url) as other:
        other.execute("LOCK TABLE stored_events IN SHARE MODE")
        with pytest.raises(StoreUnavailable, match="locked"):
            ledger.append(events("S01", 1, 1))
    ledger.append(events("S01", 1, 1))


def test_append_wakes_up_who_listens(admin: psycopg.Connection[Any], ledger: EventStore) -> None:
    admin.execute("LISTEN stored_events")
    ledger.append(events("S01", 1, 1))
    assert [note.channel for note in admin.notifies(timeout=5, stop_after=1)] == ["stored_events"]


def test_store_refuses_a_database_of_a_newer_version(postgres_url: str, admin: psycopg.Connection[Any],
                                                     ledger: EventStore) -> None:
    admin.execute("INSERT INTO career_ledger_migrations VALUES ('ledger', 99, 'later', '2030-01-01')")
    with pytest.raises(StoreUnusable, match=r"newer version .*update this program"):
        open_store(postgres_url)


@pytest.mark.parametrize(("statement", "message"), [
    ("CREATE TABLE stored_events (a integer)", "not a career ledger's"),
    ("CREATE TABLE career_ledger (a integer)", "not ours"),
    ("CREATE TABLE career_ledger (schema_version integer)", "half a career ledger"),
])
def test_store_refuses_a_database_of_another_program(
        postgres_url: str, admin: psycopg.Connection[Any], statement: str, message: str) -> None:
    admin.execute(statement.encode())
    with pytest.raises(StoreUnusable, match=message):
        open_store(postgres_url)


def test_store_lives_beside_other_tables(postgres_url: str, admin: psycopg.Connection[Any]) -> None:
    admin.execute("CREATE TABLE notes (a integer)")
    with open_store(postgres_url) as ledger:
        ledger.append(events("S01", 1, 1))
