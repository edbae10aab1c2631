"""PostgreSQL behind a link that goes silent, and a server that lets nobody in."""

import time
import uuid
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from consumers.database import Database, DatabaseAway, DatabaseUnusable
from ledger.projections.everybody import open_database
from ledger.sql.postgres import Link
from ledger.store import EventStore, StoreUnavailable, StoreUnusable, open_store
from ledger.store import postgres as postgres_store

from .examples import events
from .proxy import Proxy


@pytest.fixture
def proxy(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    monkeypatch.setattr("ledger.sql.postgres.SILENT_SECONDS", 0.3)
    monkeypatch.setattr(postgres_store, "CONNECT_SECONDS", 1)
    found = conninfo_to_dict(postgres_url)
    with Proxy(str(found["host"]), int(str(found["port"]))) as opened:
        yield opened


@pytest.fixture
def url(postgres_url: str, proxy: Proxy) -> str:
    """The database through the proxy."""
    found = conninfo_to_dict(postgres_url)
    return (f"postgresql://{found['user']}:{found['password']}@127.0.0.1:{proxy.port}/{found['dbname']}"
            "?connect_timeout=2")


@pytest.fixture
def ledger(url: str) -> Iterator[EventStore]:
    with open_store(url) as opened:
        yield opened


def test_append_is_answered_when_its_commit_was_stored_and_the_answer_lost(ledger: EventStore, proxy: Proxy) -> None:
    ledger.append(events("S01", 1, 1))
    proxy.hush()
    begun = time.monotonic()
    [stored] = ledger.append(events("S01", 2, 2))
    assert time.monotonic() - begun < 30  # TCP by itself: a quarter of an hour
    assert [event.position for event in ledger.stream("S01")] == [1, stored.position]


def test_store_says_so_within_its_deadline_when_the_whole_link_is_silent(
        ledger: EventStore, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """5 s: psycopg gives up connecting after two seconds at the earliest."""
    monkeypatch.setattr("ledger.store.event_store.PATIENCE", 0.0)
    ledger.append(events("S01", 1, 1))
    proxy.silent.set()
    begun = time.monotonic()
    with pytest.raises(StoreUnavailable, match="is not available"):
        ledger.append(events("S01", 2, 5))
    assert time.monotonic() - begun < 30


def test_statement_may_take_long_when_the_server_is_at_work(url: str, proxy: Proxy,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take a second to let the one who asks in."""
    monkeypatch.setattr("ledger.sql.postgres.SILENT_SECONDS", 1.5)
    with Link.connect(url, autocommit=True) as link:
        assert link.execute("SELECT 1 FROM pg_sleep(3.5)").fetchone() == (1,)


def test_projections_and_consumers_say_so_when_the_answer_never_comes(url: str, ledger: EventStore,
                                                                      proxy: Proxy) -> None:
    with open_database(url) as projections, Database(url) as consumer:
        for ask in (projections.positions, lambda: consumer.ask("SELECT 1")):
            assert ask() is not None
        proxy.hush()
        with pytest.raises(StoreUnavailable, match="has not answered"):
            projections.positions()
        with pytest.raises(DatabaseAway, match="has not answered"):
            consumer.ask("SELECT 1")
        assert consumer.ask("SELECT 1") == [(1,)]


@pytest.mark.parametrize(("change", "said"), [
    ({"password": "wrong"}, "password authentication failed"),
    ({"dbname": "nowhere"}, 'database "nowhere" does not exist'),
    ({"sslmode": "require"}, "SSL"), ({"sslmode": "verify-full", "sslrootcert": "/nowhere"}, "SSL|certificate"),
])
def test_store_and_consumer_say_what_is_wrong_at_once_when_the_server_lets_nobody_in(
        postgres_url: str, change: dict[str, str], said: str) -> None:
    url = psycopg.conninfo.make_conninfo(postgres_url, **change)
    found = conninfo_to_dict(url)
    given = "&".join(f"{name}={value}" for name, value in change.items() if name.startswith("ssl"))
    url = f"postgresql://{found['user']}:{found['password']}@{found['host']}:{found['port']}/{found['dbname']}?{given}"
    for act, kind in ((lambda: open_store(url), StoreUnusable), (lambda: open_database(url).positions(), StoreUnusable),
                      (lambda: Database(url).ask("SELECT 1"), DatabaseUnusable)):
        with pytest.raises(kind, match=said) as caught:
            act()
        assert "wrong" not in str(caught.value)


def test_warm_store_says_what_is_wrong_at_once_when_its_password_has_changed(
        postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_store, "CONNECT_SECONDS", 1)
    found, user = conninfo_to_dict(postgres_url), f"writer_{uuid.uuid4().hex[:12]}"
    with open_store(postgres_url), psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {user} LOGIN PASSWORD 'secret' IN ROLE pg_read_all_data".encode())
        try:
            with open_store(f"postgresql://{user}:secret@{found['host']}:{found['port']}/{found['dbname']}") as store:
                assert store.stream("S01") == []
                admin.execute(f"ALTER ROLE {user} PASSWORD 'other'".encode())

                def ask_without_links() -> None:
                    for _ in range(5):  # the pool may just have been opening one of its four under the old password
                        admin.execute(
                            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = %s", (user,))
                        store.stream("S01")

                with pytest.raises(StoreUnusable, match="password authentication failed") as caught:
                    ask_without_links()
                assert "secret" not in str(caught.value)
        finally:
            admin.execute(f"DROP OWNED BY {user}".encode())
            admin.execute(f"DROP ROLE {user}".encode())
