"""Databases that a version left behind are brought up to date and answer as they did; those of a newer
one are refused in words."""

import gzip
import json
import multiprocessing
import os
import re
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from consumers.archive.service import Archive
from consumers.booking_gate.service import BookingGate
from consumers.database import Database, DatabaseUnusable
from consumers.kit.service import Service
from consumers.kit.tables import migrations as of_service
from consumers.notifications.service import Notifications
from consumers.treasury.__main__ import treasury
from consumers.treasury.service import Treasury
from ledger import bootstrap
from ledger.bootstrap import open_ledger
from ledger.entrypoints.cli import cli
from ledger.privacy.tables import MIGRATIONS
from ledger.projections.everybody import open_database, shape
from ledger.relay import Positions
from ledger.store import StoreUnusable, migrations, open_store, postgres, sqlite
from tests.conftest import ROLES
from tests.golden import make
from tests.golden.make import DAY, MASTER, PERSON, STUDENTS, reduced, without_changes

FOLDERS = sorted((Path(__file__).parent / "databases").iterdir())
KEPT = [folder for folder in FOLDERS if (folder / "keys.sql").exists()]
"""Where what names a student is sealed."""
OLDER = [folder for folder in FOLDERS if folder.name == "before-numbers"]
"""What was released last before the tables had numbers; `before-numbers-guarded` is the last commit before."""
SERVICES: list[type[Service]] = [Archive, BookingGate, Notifications, Treasury]
ASKED: list[tuple[str, ...]] = [
    ("status", "S-DEMO-01"), ("fees", "S-DEMO-01"), ("history", "S-DEMO-01"), ("audit",), ("digests",),
    ("find",), ("project",),
    ("report", "blocked"), ("projection", "status"), ("projection", "verify"), ("projection", "rebuild"),
    ("append", "-"),
    ("publish", "--kafka", "127.0.0.1:1", "--status"), ("publish", "--kafka", "127.0.0.1:1", "--once"),
    ("intake", "--kafka", "127.0.0.1:1")]
FORKED = multiprocessing.get_context("fork")


def upgrade(url: str) -> dict[str, list[int]]:
    with open_ledger(url, create=False) as ledger:
        return ledger.upgrade()


def ask(url: str, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--db", url, *words], input="", prog_name="career-ledger")


def restored(folder: Path, url: str) -> str:
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).write_bytes(gzip.decompress((folder / "ledger.sqlite.gz").read_bytes()))
    else:
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(ROLES.read_bytes())  # they are of the server, and in no dump
            admin.execute((folder / "ledger.sql").read_bytes())
    return url


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def left(request: pytest.FixtureRequest, store_url: str) -> tuple[Path, str]:
    """A folder, and the address of the ledger in it, on each store."""
    return request.param, restored(request.param, store_url)


@pytest.fixture(params=OLDER, ids=lambda folder: folder.name)
def older(request: pytest.FixtureRequest, store_url: str) -> str:
    return restored(request.param, store_url)


def execute(url: str, statement: str) -> list[Any]:
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
            return connection.execute(statement).fetchall()
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def schema_of(url: str, version: str = "SELECT schema_version FROM career_ledger") -> list[Any]:
    """Everything that is made of statements."""
    if url.startswith("sqlite"):
        found = execute(url,
                        "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'projection_%' AND "
                             "name NOT LIKE 'sqlite_%' AND tbl_name NOT LIKE 'projection_%' ORDER BY 1, 2")
        found += execute(url, "PRAGMA user_version") + execute(url, "PRAGMA application_id")
        return [tuple(" ".join(part.split()) if isinstance(part, str) else part for part in row) for row in found]
    return [
        *execute(url, "SELECT table_name, column_name, data_type, is_nullable, "
                      "column_default FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2"),
        *execute(url, "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2"),
        *execute(url, "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER "
                      "BY 1"),
        *execute(url, "SELECT tgname, tgenabled::text, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal "
                      "ORDER BY 1"),
        *execute(url, version)]


def answers(url: str, student: str) -> dict[str, Any]:
    def asked(*words: str) -> list[Any]:
        found = ask(url, *words, student, "--on", DAY, "--json")
        assert found.exit_code == 0, found.output
        return [json.loads(line) for line in found.stdout.splitlines()]

    return {"history": [without_changes(one) for one in asked("history")],
            **reduced(asked("status")[0], asked("fees")[0])}


def test_database_of_every_version_is_brought_up_to_date_and_answers_as_recorded(left: tuple[Path, str]) -> None:
    folder, url = left
    assert ask(url, "upgrade").exit_code == 0
    verified = ask(url, "projection", "verify", "--workers", "1")
    assert (verified.exit_code, "Every stored row is as computed" in verified.output) == (0, True), verified.output
    recorded = json.loads((folder / "answers.json").read_text())
    assert {student: answers(url, student) for student in STUDENTS} == recorded
    with Positions(url) as positions:
        assert [(one.topic, one.position, one.rate) for one in positions.all()] == [("career.events.v1", 7, 3.5)]
    assert upgrade(url) == {"ledger": [], "relay": [], "proofs": [], "projections": []}


def test_tables_that_were_brought_up_to_date_are_those_of_a_new_ledger(
        left: tuple[Path, str], tmp_path: Path, postgres_admin: str) -> None:
    """Whoever changes what a ledger is made of and adds no migration is told here."""
    _, url = left
    upgrade(url)
    if url.startswith("sqlite"):
        new = f"sqlite:///{tmp_path / 'new.db'}"
        open_store(new).close()
        upgrade(new)
        assert schema_of(url) == schema_of(new)
        return
    name = f"{url.rpartition('/')[2]}_new"
    with psycopg.connect(postgres_admin, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
        try:
            new = f"{url.rpartition('/')[0]}/{name}"
            upgrade(new)
            assert schema_of(url) == schema_of(new)
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def keys_of(folder: Path, url: str) -> str:
    """Puts back the key store of what `folder` has of either database."""
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        path.write_bytes(gzip.decompress((folder / "keys.sqlite.gz").read_bytes()))
        path.chmod(0o600)
    else:
        execute(url, (folder / "keys.sql").read_text())
    return url


@pytest.mark.parametrize("folder", KEPT, ids=lambda folder: folder.name)
def test_key_store_of_every_version_is_brought_up_to_date_and_opens_what_it_sealed(
        folder: Path, store_url: str, tmp_path: Path, request: pytest.FixtureRequest,
        monkeypatch: pytest.MonkeyPatch) -> None:
    kind = store_url.partition(":")[0]
    at = f"sqlite:///{tmp_path / 'keys.db'}" if kind == "sqlite" else request.getfixturevalue("other_postgres_url")
    new = f"sqlite:///{tmp_path / 'new.db'}" if kind == "sqlite" else at
    (safe := tmp_path / "safe").mkdir()  # apart from the key store
    master = safe / "master.key"
    monkeypatch.setenv("CAREER_LEDGER_MASTER_KEY", str(master))
    open_store(first := f"sqlite:///{tmp_path / 'first.db'}").close()
    assert ask(first, "--keys", new, "keys", "new").exit_code == 0
    version = "SELECT count(*) FROM key_store_migrations"
    wanted = schema_of(new, version)
    if kind != "sqlite":
        execute(at, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    shutil.copy(folder / MASTER.format(kind), master)
    master.chmod(0o600)
    keys_of(folder, at)
    restored(folder, store_url)
    [(made_at,)] = execute(at, "SELECT made_at FROM key_store")
    monkeypatch.setattr(bootstrap, "clock", lambda: datetime.fromisoformat(made_at))  # its master key has a term
    upgrade(store_url)
    found = ask(store_url, "--keys", at, "--lang", "en", "person", PERSON["student"], "--purpose", "golden")
    assert found.exit_code == 0, found.output
    assert "family name: Person" in found.output
    assert ask(store_url, "--keys", at, "keys", "doctor").exit_code == 0
    assert schema_of(at, version) == wanted


def test_there_is_a_database_of_todays_version() -> None:
    """Whoever adds a migration leaves behind, for those to come, what this version makes."""
    for name, kind in (("ledger", migrations.SQLITE), ("key_store", MIGRATIONS)):
        assert kind.newest == max(newest(folder, name) for folder in KEPT), f"{name}: {make.__doc__}"


def newest(folder: Path, name: str) -> int:
    """Which step of its migrations the folder's database knows last."""
    dump = (folder / ("keys.sql" if name == "key_store" else "ledger.sql")).read_text()
    table = "key_store_migrations" if name == "key_store" else "career_ledger_migrations"
    kind = "keys" if name == "key_store" else name
    return max(int(one) for one in re.findall(rf"INTO public\.{table} VALUES \('{kind}', (\d+),", dump))


def test_every_command_names_the_upgrade_when_an_older_version_made_the_ledger(older: str) -> None:
    before = schema_of(older)
    for words in ASKED:
        found = ask(older, *words)
        assert (found.exit_code,
                "run `career-ledger upgrade`" in found.output.replace("Run", "run")) == (6, True), (words, found.output)
    assert schema_of(older) == before


NEWER = {"ledger": "INSERT INTO career_ledger_migrations VALUES ('ledger', 99, 'later', '2030-01-01')",
         "relay": "INSERT INTO career_ledger_migrations VALUES ('relay', 99, 'later', '2030-01-01')",
         "projections": "INSERT INTO {} VALUES ('projections', 99, 'later', '2030-01-01')"}
READ_BY = {"relay": ("publish",), "projections": ("find", "project", "report", "projection")}


@pytest.mark.parametrize("part", NEWER)
def test_every_command_says_so_when_a_newer_version_has_been_there(older: str, part: str) -> None:
    upgrade(older)
    execute(older,
            NEWER[part].format("projection_migrations" if older.startswith("sqlite") else "projections.migrations"))
    asked = [words for words in ASKED if part == "ledger" or words[0] in READ_BY[part]]
    for words in (*asked, ("upgrade",)):
        found = ask(older, *words)
        assert (found.exit_code, "newer version of this program" in found.output) == (6, True), (words, found.output)


def test_program_of_the_version_before_is_told_that_it_is_too_old(older: str) -> None:
    upgrade(older)
    [(version,)] = execute(older, "PRAGMA user_version" if older.startswith("sqlite")
                           else "SELECT max(schema_version) FROM career_ledger")
    assert version > 1  # all that it knows


def killed_after(step: str, url: str) -> None:
    """The process ends when a step has been taken, before the next one."""
    def then_die(tx: Any) -> None:
        getattr(migrations, step)(tx)
        os.kill(os.getpid(), signal.SIGKILL)

    steps = tuple(then_die if one.__name__ == step else one for one in migrations.STEPS)
    for module, name in ((sqlite, "SQLITE"), (postgres, "POSTGRES")):
        setattr(module, name, replace(getattr(module, name), steps=steps))
    upgrade(url)


@pytest.mark.parametrize("step", ["identity", "numbers"])  # in the middle, and before what is recorded is committed
def test_upgrade_that_was_killed_has_done_nothing_and_the_next_one_does_all(older: str, step: str) -> None:
    before = schema_of(older)
    process = FORKED.Process(target=killed_after, args=(step, older))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert schema_of(older) == before
    assert len(upgrade(older)["ledger"]) == len(migrations.STEPS)


def test_two_upgrades_at_once_do_it_once_while_readers_go_on(older: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stop, wrong, answered = threading.Event(), [], 0

    def read() -> None:
        """As a program of the version before does, which has looked at the version when it was opened."""
        nonlocal answered
        while not stop.is_set():
            try:
                answered += len(execute(older, "SELECT count(*) FROM stored_events"))
                rows = "projection_charges" if older.startswith("sqlite") else "projections.charges"
                if not execute(older, f"SELECT count(*) FROM {rows}")[0][0]:
                    wrong.append("no rows")
            except Exception as error:
                wrong.append(str(error))

    done: list[dict[str, list[int]]] = []
    reader = threading.Thread(target=read)
    upgrades = [threading.Thread(target=lambda: done.append(upgrade(older))) for _ in range(2)]
    for thread in (reader, *upgrades):
        thread.start()
    for thread in upgrades:
        thread.join(60)
    stop.set()
    reader.join(10)
    assert wrong == []
    assert answered > 0
    for part, steps in (("ledger", len(migrations.STEPS)), ("projections", shape.STEPS)):
        assert sorted(len(one[part]) for one in done) == [0, steps], part
    assert ask(older, "projection", "verify", "--workers", "1").exit_code == 0


def test_upgrade_waits_when_another_is_giving_rights(postgres_url: str) -> None:
    """Each kind of table is brought up to date in a transaction of its own and ends by giving rights to all tables."""
    upgrade(postgres_url)
    with psycopg.connect(postgres_url) as other, psycopg.connect(postgres_url, autocommit=True) as onlooker:
        other.execute("SELECT pg_advisory_xact_lock(hashtext('career-ledger migrations'))")
        other.execute("SELECT public.career_ledger_grant()")
        done: list[list[int]] = []
        with Positions(postgres_url) as positions:
            waiting = threading.Thread(target=lambda: done.append(positions.upgrade()))
            waiting.start()
            until = time.monotonic() + 30
            while not onlooker.execute("SELECT 1 FROM pg_locks JOIN pg_database ON oid = database WHERE NOT granted "
                                       "AND locktype = 'advisory' AND datname = current_database()").fetchall():
                assert waiting.is_alive(), "it does not wait"
                assert time.monotonic() < until, "it does not wait for this"
            other.commit()
            waiting.join(30)
    assert done == [[]]


def test_role_that_may_not_change_tables_is_told_who_may(
        postgres_url: str, as_role: Callable[[str | None], str]) -> None:
    restored(OLDER[0], postgres_url)
    mine = as_role("career_ledger_writer")
    with psycopg.connect(postgres_url, autocommit=True) as owner:
        [name] = owner.execute("SELECT current_user").fetchone() or ()
        owner.execute("GRANT SELECT ON stored_events, career_ledger TO career_ledger_intake")
        found = ask(mine, "upgrade")
        assert (found.exit_code, f"let {name} run `career-ledger upgrade`" in found.output) == (6, True), found.output
    upgrade(postgres_url)
    assert ask(mine, "status", "S-DEMO-01").exit_code == 0
    with open_store(mine) as store:
        assert not store.may_import


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "own.db"
    path.write_bytes(gzip.decompress((request.param / "consumers.sqlite.gz").read_bytes()))
    with Database(f"sqlite:///{path}") as opened:
        yield opened


@pytest.mark.parametrize("service", SERVICES, ids=lambda one: one.name)
def test_database_of_a_service_is_brought_up_to_date_when_it_starts(own: Database, service: type[Service],
                                                                    tmp_path: Path) -> None:
    own.migrate(of_service(service))
    own.check(of_service(service))
    with Database(f"sqlite:///{tmp_path / 'new.db'}") as new:
        new.migrate(of_service(service))
        asked = ("SELECT m.name, c.name, c.type FROM sqlite_master AS m, pragma_table_info(m.name) AS c "
                 f"WHERE m.name LIKE '{service.name}%' ORDER BY 1, 2")
        assert own.ask(asked) == new.ask(asked)
    assert own.ask(f"SELECT next_offset FROM {service.name}_positions") == [(4,)]


def test_archive_of_an_older_version_forgets_the_plain_hashes_of_what_is_not_sealed(tmp_path: Path) -> None:
    path = tmp_path / "own.db"
    path.write_bytes(gzip.decompress((OLDER[0] / "consumers.sqlite.gz").read_bytes()))
    with Database(f"sqlite:///{path}") as own:
        assert own.ask("SELECT sha256 FROM archive_entries") == [("abc",)]
        own.migrate(of_service(Archive))
        assert own.ask("SELECT sha256 FROM archive_entries") == [("",)]


@pytest.mark.parametrize("service", SERVICES, ids=lambda one: one.name)
def test_database_of_a_service_is_refused_in_words_when_a_newer_version_has_been_there(tmp_path: Path,
                                                                                       service: type[Service]) -> None:
    with Database(f"sqlite:///{tmp_path / 'own.db'}") as own:
        own.migrate(of_service(service))
        with own.transaction() as tx:
            tx.run(f"INSERT INTO {service.name}_migrations VALUES ('service', 99, 'later', '2030-01-01')")
        for act in (own.migrate, own.check):
            with pytest.raises(DatabaseUnusable, match="newer version of this program"):
                act(of_service(service))


def test_status_of_a_service_names_its_start_when_an_older_version_made_its_database(tmp_path: Path) -> None:
    path = tmp_path / "own.db"
    path.write_bytes(gzip.decompress((OLDER[0] / "consumers.sqlite.gz").read_bytes()))
    found = CliRunner().invoke(treasury, ["status", "--db", f"sqlite:///{path}"])
    assert (found.exit_code, "older version" in found.output, "`run`" in found.output) == (2, True, True), found.output


def test_projections_of_a_newer_version_are_not_made_anew(older: str) -> None:
    upgrade(older)
    with open_database(older) as database, database.backend.transaction() as tx:
        tx.run("INSERT INTO {migrations} VALUES ('projections', 99, 'later', '2030-01-01')")
    with pytest.raises(StoreUnusable, match="newer version"):
        upgrade(older)
