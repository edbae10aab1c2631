"""Questions to a ledger that may only be read: a file, a folder, a role of PostgreSQL, a standby; on the command line
and over HTTP."""

import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg.conninfo import conninfo_to_dict

from infra.postgres import __main__ as postgres
from ledger.entrypoints.cli import cli
from ledger.proofs import signing
from ledger.relay.pages import pages
from ledger.store import StoreUnusable, keys, open_store
from tests.desk import Client, served
from tests.store.backups import backup

pytestmark = pytest.mark.xdist_group("own PostgreSQL")  # of which the last one has two

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


ROUTES = [
    ("/v1/students/S01", {}), ("/v1/students/S01/status", {}), ("/v1/students/S01/history", {}),
    ("/v1/students/S01/findings", {}), ("/v1/reports/blocked", {}), ("/v1/careers", {"student": "S01"}),
    ("/v1/findings", {}), ("/v1/rules/BLK-1", {}), ("/ready", {}), ("/health", {})]


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


def test_feed_of_a_file_that_may_only_be_read_makes_no_key_that_no_digest_was_made_under(
        path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes later might take it for the ledger's."""
    monkeypatch.delenv(keys.VARIABLE)
    path.chmod(0o444)
    path.parent.chmod(0o777)  # here a key could be made
    with (as_nobody(), open_store(f"sqlite:///{path}", create=False) as store,
          pytest.raises(StoreUnusable, match="cannot bind it")):
        pages(store, 0, 10)
    assert not [one for one in path.parent.iterdir() if "key" in one.name]


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


# Over HTTP


def everything(client: Client) -> list[tuple[int, bytes]]:
    return [client(path, **({"on": "2026-03-20"} if "careers" in path or "students/S01/" in path else {}),
                   **query)[::2] for path, query in ROUTES]


def paid(line: Callable[..., dict[str, object]]) -> dict[str, object]:
    return line("p1", "instalment-paid", "2026-03-20", {"charge": "2025-26:instalment-1", "amount": "400.00"},
                recorded_at=None)


def refuses(client: Client, line: Callable[..., dict[str, object]], status: int = 403,
            reason: str = "read-only") -> None:
    """Whatever would be recorded, in words and at once."""
    for path, body in (("/v1/students/S01/events", paid(line)), ("/v1/events", [paid(line)])):
        found = client(path, "POST", body, {"If-Match": "*"})
        assert (found.status, found.json["reason"]) == (status, reason), found
    assert client("/v1/students/S01/events?dry_run=true", "POST", paid(line)).json["outcome"] == "accepted"
    assert client("/v1/students/S01").json["version"] == 3


def test_file_that_may_only_be_read_is_served_and_nothing_is_made(path: Path, line: Callable[..., dict[str, object]],
                                                                  capfd: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{path}"
    with served(url) as client:
        before = everything(client)
    assert {status for status, _ in before} == {200}
    held = sorted(one.name for one in path.parent.iterdir())
    with read_only(path), served(url) as client:
        assert everything(client) == before
        refuses(client, line)
        assert sorted(one.name for one in path.parent.iterdir()) == held


def test_role_that_may_only_read_is_served(postgres_url: str, as_role: Callable[[str | None], str],
                                           history: list[dict[str, object]], lines: Callable[..., bytes],
                                           line: Callable[..., dict[str, object]]) -> None:
    assert ask(postgres_url, "append", "-", given=lines(*history)).exit_code == 0
    assert ask(postgres_url, "project").exit_code == 0
    with served(postgres_url) as client:
        before = everything(client)
    url = as_role("career_ledger_reader")
    with served(url) as client:
        assert everything(client) == before
        refuses(client, line)
    with psycopg.connect(postgres_url, autocommit=True) as owner:
        writer = conninfo_to_dict(as_role("career_ledger_writer"))["user"]
        owner.execute(f"GRANT career_ledger_reader TO {writer}".encode())
        owner.execute(f"ALTER ROLE {writer} SET default_transaction_read_only = on".encode())
    with served(url.replace(str(conninfo_to_dict(url)["user"]), str(writer))) as client:
        refuses(client, line)


@contextmanager
def standby_of(primary: str) -> Iterator[str]:
    """Another server that follows this one."""
    binaries, rights, to = postgres.installed(), postgres.unprivileged(), conninfo_to_dict(primary)
    assert binaries is not None
    folder = Path(tempfile.mkdtemp(prefix="career-ledger-postgres-"))
    process = None
    try:
        postgres.own(folder, rights)
        subprocess.run([str(binaries / "pg_basebackup"), "-h", str(to["host"]), "-p", str(to["port"]), "-U", "postgres",
                        "-D", str(folder / "data"), "-R", "-X", "stream", "-c", "fast", "--no-sync"], check=True,
                       env=os.environ | {"PGPASSWORD": str(to["password"])}, cwd=folder, **rights)
        port = postgres.free_port()
        given = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "max_connections": 200}
        process = subprocess.Popen(
            [str(binaries / "postgres"), "-D", str(folder / "data"),
             *(part for name, value in given.items() for part in ("-c", f"{name}={value}"))], cwd=folder,
            stderr=subprocess.DEVNULL, start_new_session=True, preexec_fn=postgres.end_with_parent, **rights)
        while not postgres.ready(folder / "data"):
            assert process.poll() is None
            time.sleep(0.02)
        yield primary.replace(f":{to['port']}/", f":{port}/")
    finally:
        if process is not None:
            postgres.stop(process)
        shutil.rmtree(folder)


def test_standby_answers_everything_and_records_nothing(postgres_admin: str, history: list[dict[str, object]],
                                                        lines: Callable[..., bytes],
                                                        line: Callable[..., dict[str, object]]) -> None:
    """Asking for the shared server says that this test needs one."""
    with postgres.server() as primary:
        assert ask(primary, "append", "-", given=lines(*history)).exit_code == 0
        assert ask(primary, "project").exit_code == 0
        with served(primary) as client:
            before = everything(client)
        asked = [(question, ask(primary, *question)) for question in QUESTIONS]  # the first digests bind the ledger
        with standby_of(primary) as url:
            for question, expected in asked:
                answered = ask(url, *question)
                assert (answered.exit_code, answered.stdout) == (expected.exit_code, expected.stdout), question
            found = ask(url, "append", "-", given=lines(paid(line)))
            assert (found.exit_code, "follows another server" in found.stderr) == (6, True), found.output
            with served(url) as client:
                assert everything(client) == before
                refuses(client, line)


@pytest.mark.parametrize("at_work", [True, False])
def test_older_copy_in_the_ledgers_place_is_read_and_not_written(
        store_url: str, history: list[dict[str, object]], lines: Callable[..., bytes], tmp_path: Path, at_work: bool,
        line: Callable[..., dict[str, object]], monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is replaced is not believed any more by who has it open: that is said at each question."""
    monkeypatch.setenv(signing.VARIABLE, str(tmp_path / "signing.key"))
    signing.make("ledger.example.edu/careers")
    assert ask(store_url, "append", "-", given=lines(*history)).exit_code == 0
    with backup(store_url) as older:
        assert ask(store_url, "append", "-", given=lines(paid(line) | {"id": "lost"})).exit_code == 0
        if at_work:
            with served(store_url) as client:
                assert client("/v1/students/S01").json["version"] == 4
                assert ask(store_url, "checkpoint").exit_code == 0
                older.put_back()
                if store_url.startswith("sqlite"):
                    found = client("/v1/students/S01/events", "POST", paid(line), {"If-Match": "*"})
                    assert (found.status, found.json["reason"]) == (503, "unavailable")
                else:
                    refuses(client, line, 503, "older-copy")
        else:
            assert ask(store_url, "checkpoint").exit_code == 0
            older.put_back()
            with served(store_url) as client:
                refuses(client, line, 503, "older-copy")


def test_question_makes_no_ledger_of_an_empty_file(tmp_path: Path) -> None:
    file = tmp_path / "empty.db"
    file.touch()
    for question in (*QUESTIONS, ("doctor",), ("project",)):
        found = ask(f"sqlite:///{file}", *question)
        assert found.exit_code != 0, question
        assert "Traceback" not in found.output
        assert (file.read_bytes(), [one.name for one in tmp_path.iterdir()]) == (b"", ["empty.db"]), question
    assert "is empty" in ask(f"sqlite:///{file}", "status", "S01").stderr
