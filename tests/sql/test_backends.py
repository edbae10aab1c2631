"""What the one SQL layer promises on both databases."""

import threading
from collections.abc import Iterator

import pytest

from ledger.edges.address import sqlite_path
from ledger.sql.base import Backend, Transaction
from ledger.sql.migrations import Migrations, Newer, Older, add_column, statements
from ledger.sql.postgres import Postgres
from ledger.sql.sqlite import SQLite, keep_a_log

NAMES = {"old": {"things": "old_things"}, "new": {"things": "new_things"}}
ROWS = [("a\tb\\c\nd", 1), ("100%", 2), (None, 3), ("é", 4)]


def made(url: str) -> Backend:
    path = sqlite_path(url)
    if path is not None:
        return SQLite(str(path), lambda error, _: error, keep_a_log, NAMES, make=True)
    return Postgres(url, lambda error, _: error, lambda _: None, NAMES)


@pytest.fixture
def backend(store_url: str) -> Iterator[Backend]:
    found = made(store_url)
    with found.transaction() as tx:
        for tables in NAMES:
            tx.run("CREATE TABLE {things} (name TEXT, number BIGINT)", tables=tables)
        tx.insert("things", ROWS)
    yield found
    found.close()


def test_statement_means_the_same_on_both_databases(backend: Backend) -> None:
    with backend.transaction() as tx:
        assert tx.ask("SELECT name, number FROM {things} ORDER BY number") == ROWS
        assert tx.ask("SELECT number FROM {things} WHERE name IN :names AND number > :least ORDER BY number",
                      {"names": ["100%", "a\tb\\c\nd", "é"], "least": 1}) == [(2,), (4,)]
        assert tx.ask("SELECT number, 'at 10:30' FROM {things} WHERE name LIKE '100%'") == [(2, "at 10:30")]
        tx.many("INSERT INTO {things} (name, number) VALUES (:name, :number)",
                [{"name": "x", "number": n} for n in (5, 6)])
        assert tx.run("UPDATE {things} SET number = number + :more WHERE name = :name", {"more": 10, "name": "x"}) == 2
        assert tx.ask("SELECT count(*) FROM {things}", tables="new") == [(0,)]
        assert [tx.has(name) for name in ("old_things", "other_things")] == [True, False]
    assert backend.single("SELECT max(number) FROM {things} WHERE name = :name", {"name": "x"}) == [(16,)]


def test_nothing_happens_when_a_transaction_breaks_off(backend: Backend) -> None:
    def break_off() -> None:
        with backend.transaction() as tx:
            tx.run("DELETE FROM {things}")
            tx.run("CREATE TABLE further (a INTEGER)")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()
    with backend.transaction(write=False) as tx:
        assert tx.ask("SELECT count(*) FROM {things}") == [(len(ROWS),)]
        assert not tx.has("further")


def test_question_is_of_one_moment_when_another_writes_meanwhile(backend: Backend, store_url: str) -> None:
    with backend.transaction(write=False) as tx:
        before = tx.ask("SELECT count(*) FROM {things}")
        other = made(store_url)
        with other.transaction() as writing:
            writing.run("DELETE FROM {things}")
        other.close()
        assert tx.ask("SELECT count(*) FROM {things}") == before


def second(tx: Transaction) -> None:
    add_column(tx, "counted", "more", "BIGINT")


STEPS = (statements("first", "CREATE TABLE IF NOT EXISTS counted (a INTEGER)"), second)
KIND = Migrations("counting", "steps_taken", "counted", STEPS)


def test_older_tables_get_the_steps_that_they_lack(backend: Backend) -> None:
    assert Migrations("counting", "steps_taken", "counted", STEPS[:1]).bring(backend) == [1]
    with backend.transaction(write=False) as tx, pytest.raises(Older, match="schema 1, this one has 2"):
        KIND.check(KIND.applied(tx))
    assert KIND.bring(backend) == [2]
    assert KIND.bring(backend) == []
    with backend.transaction(write=False) as tx:
        assert tx.ask("SELECT number, name FROM steps_taken ORDER BY number") == [(1, "first"), (2, "second")]
        assert tx.ask("SELECT a, more FROM counted") == []


def test_tables_from_before_the_numbers_are_taken_over(backend: Backend) -> None:
    with backend.transaction() as tx:
        tx.run("CREATE TABLE counted (a INTEGER, more BIGINT)")
        tx.run("INSERT INTO counted (a, more) VALUES (1, 2)")
        assert (KIND.there(tx), KIND.applied(tx)) == (True, 0)
    assert KIND.bring(backend) == [1, 2]
    assert backend.single("SELECT a, more FROM counted") == [(1, 2)]


def test_newer_tables_are_left_alone(backend: Backend) -> None:
    KIND.bring(backend)
    with pytest.raises(Newer, match="schema 2, this one knows 1"):
        Migrations("counting", "steps_taken", "counted", STEPS[:1]).bring(backend)


def test_kinds_that_share_a_table_of_numbers_are_numbered_apart(backend: Backend) -> None:
    KIND.bring(backend)
    other = Migrations("other", "steps_taken", "others", [statements("only", "CREATE TABLE others (a INTEGER)")])
    assert other.bring(backend) == [1]
    assert KIND.bring(backend) == []


def test_steps_are_taken_once_when_several_begin_at_the_same_time(backend: Backend, store_url: str) -> None:
    done: list[list[int]] = []

    def bring() -> None:
        mine = made(store_url)
        done.append(KIND.bring(mine))
        mine.close()

    threads = [threading.Thread(target=bring) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(done) == [[], [], [], [1, 2]]


def test_lock_is_free_as_soon_as_it_is_let_go(postgres_url: str) -> None:
    held, taken = Postgres(postgres_url, lambda error, _: error, lambda _: None, NAMES), []
    asked = "SELECT pg_try_advisory_xact_lock(hashtext('a kind'), hashtext('a name'))"
    with held.connect() as other:
        for _ in range(30):
            with held.held("a kind", "a name"):
                pass
            taken += other.execute(asked).fetchall()
    assert taken == [(True,)] * 30
