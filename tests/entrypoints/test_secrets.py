"""No part of a password is told, whatever is wrong with an address; what the programs make is their owner's alone."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import pytest
from click.testing import CliRunner, Result

from consumers.archive.__main__ import archive
from consumers.booking_gate.__main__ import main as booking_gate
from consumers.database import Database
from consumers.kit.tables import migrations
from consumers.notifications.__main__ import notifications
from consumers.treasury.__main__ import treasury
from consumers.treasury.service import Treasury
from ledger.bootstrap import open_ledger
from ledger.edges.address import WrongAddress, hidden, sqlite_path
from ledger.entrypoints.cli import cli

ROOT = Path(__file__).parents[2]
SECRET = "Geheim9"
"""Begins every part of the passwords below, so that none of them may be seen."""
PASSWORDS = [f"{SECRET}", f"{SECRET}@{SECRET}", f"{SECRET}/{SECRET}", f"{SECRET}?{SECRET}", f"{SECRET}#{SECRET}",
             f"{SECRET}:{SECRET}", f"{SECRET}%{SECRET}", f"{SECRET}%zz", f"{SECRET} {SECRET}", f"[{SECRET}]",
             f"{SECRET}\n{SECRET}", f"{SECRET}\\{SECRET}", f"@{SECRET}@", f"/{SECRET}/", f"{SECRET}%00"]
FORMS = ["postgresql://u:{}@127.0.0.1:1/x", "postgres://u:{}@127.0.0.1:1/x", "postgresql://u:{}@127.0.0.1:99999/x",
         "postgresql://u:{}@127.0.0.1:port/x", "postgresql://u:{}@/x?host=/nowhere", "postgresql://u:{}@[::1/x",
         "postgresql://u@127.0.0.1:1/x?password={}", "postgresql://u@127.0.0.1:1/x?passwort={}",
         "postgresql://127.0.0.1:1/{}@x", "mysql://u:{}@127.0.0.1/x", "postgresql+psycopg://u:{}@127.0.0.1/x",
         "postgresql:/u:{}@127.0.0.1/x", "u:{}@127.0.0.1", "sqlite://u:{}@127.0.0.1/x",
         "sqlite:///postgresql://u:{}@127.0.0.1/x", "host=127.0.0.1 port=1 password={}"]
ADDRESSES = [form.format(password) for form in FORMS for password in PASSWORDS] + [
    f"postgresql://u:{quote(p, safe='')}@127.0.0.1:1/x" for p in PASSWORDS] + [
    # else what follows is a name like any other
    f"postgresql://u:{password}/x" for password in PASSWORDS if "@" not in password]
ASKED: list[list[str]] = [["status", "S01"], ["append", "-"], ["find"], ["project"], ["projection", "rebuild"],
                          ["digests"], ["publish", "--kafka", "127.0.0.1:1", "--once"]]
SERVICES: list[tuple[click.Group, list[str]]] = [
    (treasury, ["status"]), (treasury, ["reconcile"]), (archive, ["status"]),
    (archive, ["seal", "--folder", "archive"]),
    (notifications, ["status"]), (notifications, ["outbox", "list"]), (booking_gate, ["status"])]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A server that does not answer is not waited for."""
    import ledger.store.event_store as store

    monkeypatch.setattr(store, "PATIENCE", 0.0, raising=False)
    monkeypatch.chdir(tmp_path)


def _told(group: click.Group, arguments: list[str]) -> Result:
    result = CliRunner().invoke(group, arguments, input="")
    assert SECRET not in result.output + repr(result.exception)
    return result


@pytest.mark.parametrize("arguments", ASKED, ids=" ".join)
def test_ledger_never_tells_a_password_when_its_address_is_wrong(arguments) -> None:
    for address in ADDRESSES if arguments[0] == "status" else ADDRESSES[::19]:
        result = _told(cli, ["--db", address, *arguments])
        assert result.exit_code in (2, 3, 6), (address, result.output)
        assert result.output.startswith("career-ledger: ")


@pytest.mark.parametrize(("group", "arguments"), SERVICES,
                         ids=lambda one: "-".join(one) if isinstance(one, list) else one.name)
def test_service_never_tells_a_password_when_its_address_is_wrong(group, arguments) -> None:
    for address in ADDRESSES if (group, arguments[0]) == (treasury, "status") else ADDRESSES[::19]:
        result = _told(group, [*arguments, "--db", address])
        assert result.exit_code in (2, 6), (address, result.output)


@pytest.mark.parametrize("password", PASSWORDS)
def test_services_never_tell_a_password_when_it_stands_in_the_name_of_a_server(password: str, tmp_path: Path) -> None:
    db = f"sqlite:///{tmp_path}/c.db"
    assert _told(treasury, ["run", "--db", db, "--kafka", f"SASL_SSL://u:{password}@127.0.0.1:9092"]).exit_code == 2
    assert _told(cli, ["publish", "--kafka", f"u:{password}@127.0.0.1:9092", "--once"]).exit_code in (2, 3, 6)
    assert _told(notifications, ["run", "--db", db, "--kafka", "127.0.0.1:1", "--sender", "a@example.org",
                                 "--smtp", f"u:{password}@127.0.0.1:587"]).exit_code == 2


QUICK = '"bootstrap_timeout_ms": 50'


@pytest.mark.parametrize("content", [
    f'{{"sasl_plain_password": "{SECRET}",, }}', f'{{"sasl_plain_password": "{SECRET}"', f'"{SECRET}"',
    f'["{SECRET}"]', f"{SECRET}",
    f'{{"sasl_plain_pasword": "{SECRET}"}}', f'{{{QUICK}, "security_protocol": "{SECRET}"}}',
    f'{{{QUICK}, "sasl_plain_password": {{"a": "{SECRET}"}}}}',
    f'{{{QUICK}, "sasl_mechanism": "{SECRET}", "security_protocol": "SASL_SSL"}}',
    f"\udcff{SECRET}", "[" * 100_000 + SECRET], ids=repr)
def test_programs_never_tell_a_password_when_the_settings_file_is_wrong(content: str, tmp_path: Path,
                                                                        monkeypatch) -> None:
    file = tmp_path / "kafka.json"
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    monkeypatch.setenv("CAREER_LEDGER_KAFKA_CONFIG", str(file))
    db = f"sqlite:///{tmp_path}/ledger.db"
    assert _told(cli, ["--db", db, "append", "-"]).exit_code == 0
    assert _told(cli, ["--db", db, "publish", "--kafka", "127.0.0.1:1", "--once"]).exit_code in (6, 70)


def test_addresses_that_work_are_still_taken() -> None:
    for address in ("postgresql://", "postgresql:///careers", "postgresql://localhost", "postgresql://u@h:5432/x",
                    "postgres://u:p@h/x", "postgresql://u:a%40b%2Fc@h/x?sslmode=verify-full&connect_timeout=5",
                    "postgresql://h1:1,h2:2/x?target_session_attrs=any", "postgresql://u@[::1]:5432/x",
                    "postgresql://u@%2Fvar%2Frun/x", "postgresql:///x?host=/var/run&user=u"):
        assert sqlite_path(address) is None
    assert sqlite_path("sqlite:///a b@c:d/ledger.db") == Path("a b@c:d/ledger.db")


@pytest.mark.parametrize("address", ["sqlite:///:memory:", "sqlite:///file::memory:?cache=shared",
                                     "sqlite:///file:x?mode=memory"])
def test_address_is_refused_in_words_when_it_names_no_file(address: str, tmp_path: Path) -> None:
    for group, arguments in ((cli, ["--db", address, "append", "-"]), (treasury, ["status", "--db", address])):
        result = CliRunner().invoke(group, arguments, input="")
        assert result.exit_code == 2
        assert "a database in memory would be gone when the command ends: name a file, sqlite:///PATH" in result.output
    assert not list(tmp_path.iterdir())


def test_message_hides_passwords_of_addresses_and_settings() -> None:
    for text in (f"failed at postgresql://u:{SECRET}@{SECRET}@host/x: no", f'{{"sasl_plain_password": "{SECRET}"}}',
                 f"password={SECRET}&x=1", f"PASSWORD = '{SECRET} {SECRET}'"):
        assert SECRET not in hidden(text)
    assert hidden("a name: x@y, 12:30 at home") == "a name: x@y, 12:30 at home"
    with pytest.raises(WrongAddress):
        sqlite_path("postgresql://a b")


def test_process_shows_neither_password_nor_purpose_in_its_title(tmp_path: Path) -> None:
    """A process of its own, since it is about what the system shows of it."""
    code = ("import os\nfrom ledger.entrypoints.cli import main\nimport ledger.bootstrap as b\n"
            "b.open_ledger = lambda *_: (print(open('/proc/self/cmdline').read(), flush=True), os._exit(0))\nmain()")
    done = subprocess.run([sys.executable, "-c", code, "--db",
                           f"postgresql://u:{SECRET}%40x@127.0.0.1:1/x?sslpassword={SECRET}", "person",
                           "S01", "--purpose", f"for {SECRET}"], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert "postgresql://u:*" in done.stdout
    assert SECRET not in done.stdout + done.stderr


@pytest.fixture
def umask() -> Any:
    before = os.umask(0)
    yield
    os.umask(before)


def test_files_and_folders_are_their_owners_alone_when_the_umask_allows_everything(umask, tmp_path: Path,
                                                                                   lines: Callable[..., bytes],
                                                                                   history) -> None:
    db, place = f"sqlite:///{tmp_path}/new/folder/ledger.db", f"sqlite:///{tmp_path}/consumer.db"
    for group, arguments in (
            (cli, ["--db", db, "append", "-"]), (cli, ["--db", db, "project"]),
            (cli, ["--db", db, "projection", "rebuild", "--workers", "1"]),
            (cli, ["generate", "--students", "1", "--seed", "1", "--output", str(tmp_path / "made.jsonl")]),
            (treasury, ["resend", "--db", place]), (notifications, ["outbox", "retry", "--db", place]),
            (archive, ["seal", "--db", place, "--folder", str(tmp_path / "archive" / "here")])):
        result = CliRunner().invoke(group, arguments, input=lines(*history))
        assert result.exit_code == 0, result.output
    made = list(tmp_path.rglob("*"))
    assert len(made) >= 8
    assert [path for path in made if stat.S_IMODE(path.stat().st_mode) != (0o700 if path.is_dir() else 0o600)] == []


def test_what_stands_beside_an_open_database_is_its_owners_alone_when_the_umask_allows_everything(
        umask, tmp_path: Path, lines: Callable[..., bytes], history, monkeypatch: pytest.MonkeyPatch) -> None:
    """The write-ahead log and its index, the key for digests, and what is disclosed."""
    monkeypatch.delenv("CAREER_LEDGER_DIGEST_KEY")
    db, own = f"sqlite:///{tmp_path}/ledger.db", tmp_path / "own.db"
    with open_ledger(db) as ledger, Database(f"sqlite:///{own}") as service:
        assert [one["outcome"] for one in ledger.append_lines(lines(*history).splitlines())] == ["accepted"] * 3
        list(ledger.digests())
        service.migrate(migrations(Treasury))
        disclosed = CliRunner().invoke(cli, ["--db", db, "disclose", history[0]["student"], "--purpose", "p", "--to",
                                             str(tmp_path / "for-her")])
        assert disclosed.exit_code == 0, disclosed.output
        made = {path.relative_to(tmp_path).as_posix(): stat.S_IMODE(path.stat().st_mode)
                for path in tmp_path.rglob("*")}
    assert {"ledger.db-wal", "ledger.db-shm", "ledger.db.digest-key", "own.db-wal", "for-her",
            "for-her/disclosure.json"} <= made.keys()
    assert {name for name, mode in made.items() if mode != (0o700 if name == "for-her" else 0o600)} == set()


def test_file_keeps_its_mode_when_it_exists(umask, tmp_path: Path, lines: Callable[..., bytes], history) -> None:
    ledger, made = tmp_path / "ledger.db", tmp_path / "made.jsonl"
    for path in (ledger, made):
        path.touch()
        path.chmod(0o640)
    assert CliRunner().invoke(cli, ["--db", f"sqlite:///{ledger}", "append", "-"], input=lines(*history)).exit_code == 0
    assert CliRunner().invoke(cli, ["generate", "--students", "1", "--seed", "1", "--output", str(made)]).exit_code == 0
    assert json.loads(made.read_text().splitlines()[0])
    assert [stat.S_IMODE(path.stat().st_mode) for path in (ledger, made)] == [0o640, 0o640]
