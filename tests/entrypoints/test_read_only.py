"""Questions to a ledger that may only be read: a file, a folder, a role of PostgreSQL."""

import os
import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg.conninfo import conninfo_to_dict

from ledger.entrypoints.cli import cli
from ledger.store import open_store

ROLES = Path(__file__).parents[2] / "infra" / "postgres" / "roles.sql"
NOBODY = 65534
ASKED = ("--on", "2026-03-20")
QUESTIONS = [
    ("status", "S01", *ASKED), ("fees", "S01", *ASKED), ("history", "S01", *ASKED), ("audit", *ASKED),
    ("eligibility", "S01", "--career", "B", "--course", "F1", "--held-on", "2026-06-22", "--session", "summer",
     "--academic-year", "2025-26", "--calls-start-on", "2026-06-08", "--on", "2026-05-25"),
    ("report", "blocked", *ASKED), ("find", "--student", "S01", *ASKED), ("projection", "status"),
    ("projection", "verify"), ("digests",),
]


def ask(url: str, *question: str, given: bytes | None = None) -> Result:
    return CliRunner().invoke(cli, ["--db", url, *question], input=given, prog_name="career-ledger")


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may write anywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where somebody else can look."""
    found = Path(tempfile.mkdtemp())
    found.chmod(0o755)
    try:
        yield found
    finally:
        found.chmod(0o755)
        shutil.rmtree(found)


@pytest.fixture
def path(folder: Path, history: list[dict[str, object]], lines: Callable[..., bytes]) -> Path:
    found = folder / "ledger.db"
    assert ask(f"sqlite:///{found}", "append", "-", given=lines(*history)).exit_code == 0
    assert ask(f"sqlite:///{found}", "project").exit_code == 0
    return found


@contextmanager
def read_only(path: Path) -> Iterator[None]:
    for one in path.parent.iterdir():
        one.chmod(0o444)
    path.parent.chmod(0o555)
    with as_nobody():
        yield


def test_every_question_is_answered_as_before_when_folder_and_file_may_only_be_read(path: Path) -> None:
    url = f"sqlite:///{path}"
    before = [ask(url, *question) for question in QUESTIONS]
    held = sorted(one.name for one in path.parent.iterdir())
    with read_only(path):
        for question, expected in zip(QUESTIONS, before, strict=True):
            found = ask(url, *question)
            assert (found.exit_code, found.stdout) == (expected.exit_code, expected.stdout), (question, found.output)
    assert sorted(one.name for one in path.parent.iterdir()) == held


def test_question_is_answered_while_a_writer_is_at_it_when_folder_and_file_may_only_be_read(path: Path) -> None:
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("CREATE TABLE other (a INTEGER)")  # stands in the write-ahead log
        writer.execute("PRAGMA user_version = 1")
        with read_only(path):
            assert ask(f"sqlite:///{path}", "status", "S01").exit_code == 0


def test_question_is_refused_in_words_when_events_wait_in_a_log_that_cannot_be_read(path: Path) -> None:
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("CREATE TABLE other (a INTEGER)")
        shutil.copy(f"{path}-wal", f"{path}-kept")
    Path(f"{path}-kept").rename(f"{path}-wal")
    with read_only(path):
        found = ask(f"sqlite:///{path}", "status", "S01")
    assert found.exit_code == 6
    assert "-wal file" in found.stderr


def test_question_is_refused_when_somebody_writes_to_a_file_that_was_taken_for_unchanging(path: Path) -> None:
    with read_only(path):
        store = open_store(f"sqlite:///{path}", create=False)
        assert store.stream("S01")
    path.parent.chmod(0o755)
    path.chmod(0o644)
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("CREATE TABLE other (a INTEGER)")
        with as_nobody(), pytest.raises(Exception, match="begun to write"):
            store.stream("S01")
    store.close()


def test_append_is_refused_in_words_when_the_file_may_only_be_read(path: Path, history: list[dict[str, object]],
                                                                  lines: Callable[..., bytes]) -> None:
    with read_only(path):
        found = ask(f"sqlite:///{path}", "append", "-", given=lines(history[0] | {"id": "new", "student": "S02"}))
    assert found.exit_code == 6
    assert "cannot be written" in found.stderr


def test_every_question_is_answered_when_the_role_may_only_read(
        postgres_url: str, history: list[dict[str, object]], lines: Callable[..., bytes]) -> None:
    """As on a server where the projections are older than the roles."""
    found, user = conninfo_to_dict(postgres_url), f"auditor_{uuid.uuid4().hex[:12]}"
    assert ask(postgres_url, "append", "-", given=lines(*history)).exit_code == 0
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        assert ask(postgres_url, "project").exit_code == 0
        admin.execute(ROLES.read_bytes())
        admin.execute("REVOKE ALL ON SCHEMA projections FROM career_ledger_reader")
        admin.execute("REVOKE ALL ON ALL TABLES IN SCHEMA projections FROM career_ledger_reader")
        admin.execute(ROLES.read_bytes())
        admin.execute(f"CREATE ROLE {user} LOGIN PASSWORD 'secret' IN ROLE career_ledger_reader".encode())
        try:
            admin.execute(f"ALTER ROLE {user} SET default_transaction_read_only = on".encode())
            url = f"postgresql://{user}:secret@{found['host']}:{found['port']}/{found['dbname']}"
            for question in QUESTIONS:
                expected, answered = ask(postgres_url, *question), ask(url, *question)
                assert (answered.exit_code, answered.stdout) == (expected.exit_code,
                                                                 expected.stdout), (question, answered.output)
        finally:
            admin.execute(f"DROP OWNED BY {user}".encode())
            admin.execute(f"DROP ROLE {user}".encode())
