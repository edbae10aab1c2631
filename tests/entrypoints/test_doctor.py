"""`config show` and `doctor`: each thing that an installation needs is broken once, and named."""

import json
import locale
import re
import shutil
import sqlite3
import zoneinfo
from collections import namedtuple
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from importlib import metadata
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from ledger.entrypoints import doctor, settings
from ledger.entrypoints.cli import cli
from ledger.proofs import sequencer
from ledger.relay import Positions
from ledger.store import open_store
from ledger.wire.kafka import CLIENT, PREFIX, Made, create_topics
from ledger.wire.topics import EVENTS
from tests.store.damage import add_row

ROOT = Path(__file__).parents[2]
Told = dict[str, str]


@pytest.fixture
def examined(ledger, db: str, tmp_path: Path) -> Callable[..., Told]:
    """Message -> check and state, of a ledger that holds a student."""

    def call(*options: str, before: tuple[str, ...] = ()) -> Told:
        done = CliRunner().invoke(cli, ["--db", db, *before, "doctor", "--json", *options])
        found = [json.loads(one) for one in done.stdout.splitlines()]
        assert done.exit_code == any(one["state"] == "failed" for one in found), done.output
        return {one["message_id"]: f"{one['check']} {one['state']}" for one in found}

    return call


def test_doctor_finds_no_fault_and_changes_nothing_when_the_installation_is_sound(examined, run,
                                                                                  tmp_path: Path) -> None:
    assert run("project").exit_code == 0
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir() if path.suffix != ".db-shm"}
    found = examined()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir() if path.suffix != ".db-shm"} == before
    assert {name for name, said in found.items() if not said.endswith(" ok")} <= {"doctor/no-keys", "doctor/year"}
    assert {said.split()[0] for said in found.values()} == set(doctor.CHECKS)


def test_doctor_speaks_the_language_of_who_reads(examined, run) -> None:
    told = {word: run("--lang", language, "doctor").stdout for language, word in (("it", "attenzione"),
                                                                                ("en", "attention"))}
    assert all(f"\n{word} " in said for word, said in told.items())


Break = Callable[[pytest.MonkeyPatch, Path], Any]


def _disk(free: int) -> Any:
    return lambda _: namedtuple("Usage", "free")(free)


def _wanted(package: str) -> Any:
    return lambda _: [package, "another>=1 ; extra == 'x'"]


def _raises(*_: Any) -> None:
    raise zoneinfo.ZoneInfoNotFoundError


@pytest.mark.parametrize(("message", "said", "break_"), [
    ("doctor/package-missing", "program failed", lambda p, _: p.setattr(metadata, "requires", _wanted("nonesuch>=1"))),
    ("doctor/package", "program failed", lambda p, _: p.setattr(metadata, "requires", _wanted("click[x]>=99,<100"))),
    ("doctor/unknown-setting-near", "settings attention", lambda p, _: p.setenv("CAREER_LEDGER_DBB", "x")),
    ("doctor/unknown-setting", "settings attention", lambda p, _: p.setenv("CAREER_LEDGER_ZZZZZZZZZZZZZZ", "x")),
    ("doctor/wrong-setting", "settings failed", lambda p, _: p.setenv("CAREER_LEDGER_KAFKA_COMPRESSION", "zip")),
    ("doctor/wrong-setting", "settings failed", lambda p, _: p.setenv("CAREER_LEDGER_LOG", "yaml")),
    ("doctor/password", "settings attention", lambda p, _: p.setenv("CAREER_LEDGER_CONSUMER_DB",
                                                                    "postgresql://u:Geheim9@h/x")),
    ("doctor/open-to-others", "settings attention", lambda p, at: (p.setenv(CLIENT, str(at)), at.chmod(0o640))),
    ("doctor/encoding", "locale attention", lambda p, _: p.setattr(locale, "getpreferredencoding",
                                                                   lambda _: "ISO-8859-1")),
    ("doctor/time-zone", "locale failed", lambda p, _: p.setattr(zoneinfo, "ZoneInfo", _raises)),
    ("doctor/year", "rulebooks attention", lambda p, _: p.setattr(doctor, "clock",
                                                                  lambda: datetime(2198, 1, 1, tzinfo=UTC))),
    ("doctor/ahead", "ledger attention", lambda p, _: p.setattr(doctor, "clock",
                                                                lambda: datetime(2001, 1, 1, tzinfo=UTC))),
    ("doctor/open-to-others", "ledger attention", lambda _, at: at.with_name("ledger.db").chmod(0o644)),
    ("doctor/read-only", "ledger attention", lambda p, _: p.setattr(doctor, "_may_write", lambda _: False)),
    ("doctor/disk", "ledger attention", lambda p, _: p.setattr(shutil, "disk_usage", _disk(1_000_000))),
    ("doctor/no-projections", "projections attention", lambda *_: None),
    ("doctor/no-keys", "keys attention", lambda *_: None)])
def test_doctor_names_what_is_wrong(message: str, said: str, break_: Break, examined, tmp_path: Path,
                                    monkeypatch: pytest.MonkeyPatch) -> None:
    (file := tmp_path / "kafka.json").write_text("{}")
    break_(monkeypatch, file)
    assert examined()[message] == said


def _no_database(path: Path) -> None:
    for one in path.parent.glob("ledger.db*"):
        one.unlink()
    path.write_bytes(b"no database " * 400)


@pytest.mark.parametrize(("message", "break_"), [("missing/ledger", Path.unlink), ("doctor/error", _no_database)])
def test_doctor_leaves_out_what_rests_on_a_ledger_that_cannot_be_opened(message: str, break_: Callable[[Path], Any],
                                                                        examined, tmp_path: Path) -> None:
    break_(tmp_path / "ledger.db")
    found = examined()
    assert found[message] == "ledger failed"
    assert not {said.split()[0] for said in found.values()} & doctor.ON_THE_LEDGER


def test_doctor_names_a_key_for_digests_that_is_not_the_ledgers(examined, db: str, monkeypatch) -> None:
    with open_store(db) as store:
        store.adopt_key()
    assert examined()["doctor/digest-key"] == "ledger ok"
    monkeypatch.setenv("CAREER_LEDGER_DIGEST_KEY", "ab" * 32)
    assert examined()["doctor/error"] == "ledger failed"


def test_doctor_names_rule_books_that_cannot_be_read(examined, tmp_path: Path) -> None:
    (folder := tmp_path / "books").mkdir()
    (folder / "2025-26.yaml").write_text("academic_year: [")
    assert examined(before=("--rulebooks", str(folder)))["book/at-line"] == "rulebooks failed"


def test_doctor_names_projections_that_lag_and_students_who_are_set_aside(examined, run, db: str, line, lines) -> None:
    assert run("project").exit_code == 0
    payment = {"charge": "2025-26:enrolment", "amount": "1.00"}
    assert run("append", "-", given=lines(line("l1", "instalment-paid", "2026-02-01", payment))).exit_code == 0
    assert examined()["doctor/behind"] == "projections attention"
    add_row(db, "S01", 5, "instalment-paid.v9", b"{")
    assert run("project").exit_code == 6
    assert examined()["doctor/set-aside"] == "projections failed"


def test_doctor_names_projections_of_another_law(examined, run, db: str, tmp_path: Path) -> None:
    assert run("project").exit_code == 0
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as link, link:
        (table,) = link.execute("SELECT name FROM sqlite_master WHERE name LIKE '%position%' AND sql LIKE '%law%' "
                                "AND name NOT LIKE 'relay%'").fetchone()
        link.execute(f"UPDATE {table} SET law = replace(law, '\"2025-26\"', '\"2025-27\"')")
    assert examined()["rebuild/needed"] == "projections failed"


def test_doctor_names_the_last_trouble_of_a_topic(examined, db: str) -> None:
    with Positions(db) as positions:
        positions.prepare()
        positions.begin(Made(EVENTS, "topic-id", 4), "", "2026-04-20T09:00:00Z")
        positions.failed([EVENTS], "a message was not delivered", "2026-04-20T09:00:00Z")
    found = examined()
    assert found["doctor/topic-error"] == "topics attention"
    assert found["doctor/behind"] == "topics attention"


def test_doctor_names_a_signing_key_that_cannot_be_used_and_events_without_a_checkpoint(
        examined, run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert examined()["doctor/no-signing-key"] == "proofs ok"
    monkeypatch.setenv("CAREER_LEDGER_SIGNING_KEY", str(key := tmp_path / "signing.key"))
    assert examined()["doctor/error"] == "proofs failed"
    assert run("keys", "sign", "ledger.example.edu/careers").exit_code == 0
    assert "doctor/behind" not in examined()
    monkeypatch.setattr(sequencer, "EVERY_EVENTS", 2)
    assert examined()["doctor/behind"] == "proofs attention"
    assert run("checkpoint").exit_code == 0
    assert {"doctor/signing-key": "proofs ok"}.items() <= (found := examined()).items()
    assert "doctor/behind" not in found
    key.chmod(0o644)
    assert examined()["doctor/error"] == "proofs failed"


def test_doctor_looks_at_the_key_store_as_keys_doctor_does(examined, run, tmp_path: Path,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    store = f"sqlite:///{tmp_path / 'keys.db'}"
    monkeypatch.setenv("CAREER_LEDGER_MASTER_KEY", str(tmp_path / "master.key"))
    assert run("--keys", store, "keys", "new").exit_code == 0
    assert examined(before=("--keys", store))["keys/together"] == "keys attention"
    (tmp_path / "safe").mkdir()
    (tmp_path / "master.key").rename(tmp_path / "safe" / "master.key")
    assert examined(before=("--keys", store))["doctor/error"] == "keys failed"
    monkeypatch.setenv("CAREER_LEDGER_MASTER_KEY", str(tmp_path / "safe" / "master.key"))
    assert examined(before=("--keys", store))["keys/sound"] == "keys ok"
    (tmp_path / "safe" / "master.key").chmod(0o644)
    assert examined(before=("--keys", store))["doctor/error"] == "keys failed"


def test_doctor_names_brokers_that_do_not_answer_and_settings_that_cannot_be_used(examined, tmp_path: Path,
                                                                                  monkeypatch) -> None:
    (file := tmp_path / "kafka.json").write_text('{"bootstrap_timeout_ms": 50}')
    monkeypatch.setenv(CLIENT, str(file))
    assert examined("--kafka", "127.0.0.1:1")["doctor/no-broker"] == "brokers failed"
    assert examined("--kafka", "u:p@h:1")["doctor/error"] == "brokers failed"


def test_doctor_names_topics_that_are_missing_or_kept_too_short(examined, kafka_bootstrap: str, topic_prefix: str,
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX, topic_prefix)
    monkeypatch.setattr(doctor, "_is_here", lambda _: False)
    found = examined("--kafka", kafka_bootstrap)
    assert (found["doctor/brokers"], found["doctor/topics-missing"], found["doctor/plain-brokers"]) == (
        "brokers ok", "brokers attention", "brokers attention")
    create_topics(kafka_bootstrap, 1)
    assert not {"doctor/topics-missing", "doctor/error"} & examined("--kafka", kafka_bootstrap).keys()
    admin = KafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    try:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic_prefix + EVENTS,
                                            configs={"retention.ms": "1000"})])
    finally:
        admin.close()
    assert examined("--kafka", kafka_bootstrap)["doctor/error"] == "brokers failed"


def _of(url: str) -> Told:
    done = CliRunner().invoke(cli, ["--db", url, "doctor", "--json"])
    found = [json.loads(one) for one in done.stdout.splitlines()]
    return {one["message_id"]: f"{one['check']} {one['state']}" for one in found}


def test_doctor_looks_at_server_roles_and_clock_of_a_ledger_in_postgresql(postgres_url: str, as_role,
                                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    open_store(postgres_url).close()
    found = _of(postgres_url)
    assert (found["doctor/owner"], found["doctor/clock"]) == ("ledger attention", "ledger ok")
    reader, nobody = as_role("career_ledger_reader"), as_role(None)
    found = _of(reader)
    assert (found["doctor/roles"], {one for one in found.values() if one.endswith(" failed")}) == ("ledger ok", set())
    assert _of(nobody)["doctor/error"] == "ledger failed"
    monkeypatch.setattr(doctor, "ip_address", lambda _: ip_address("192.0.2.1"))
    monkeypatch.setattr(doctor, "OLDEST_POSTGRES", 99)
    found = _of(reader)
    assert (found["doctor/plain"], found["doctor/server"]) == ("ledger attention", "ledger failed")


@pytest.mark.parametrize(("seconds", "state"), [(4.9, "ok"), (5.0, "attention"), (60.0, "failed")])
def test_doctor_names_clocks_that_are_apart(seconds: float, state: str) -> None:
    assert doctor._apart(seconds)[0] == state


# Settings


def test_settings_are_shown_with_their_origin_and_without_secrets(tmp_path: Path) -> None:
    secrets = {"CAREER_LEDGER_HTTP_TOKEN": "Geheim9", "CAREER_LEDGER_SMTP_PASSWORD": "Geheim9", "PGPASSWORD": "Geheim9",
               "CAREER_LEDGER_DIGEST_KEY": "ab" * 32,
               "CAREER_LEDGER_MASTER_KEY": f"career-ledger-master.v1 {'ab' * 32}",
               "CAREER_LEDGER_KEYS": "postgresql://u:Geheim9@h/keys", "CAREER_LEDGER_TOPIC_PREFIX": ""}
    given = ["--db", "postgresql://u:Geheim9@h/x", "config", "show"]
    done = CliRunner().invoke(cli, [*given, "--json"], env=secrets)
    assert done.exit_code == 0
    found = {one["setting"]: (one["value"], one["origin"]) for one in map(json.loads, done.stdout.splitlines())}
    text = CliRunner().invoke(cli, [*given], env=secrets | {"CAREER_LEDGER_LANG": "it"}).stdout
    for said in (done.stdout, text):
        assert not re.search("Geheim9|abab", said)
    assert "impostazione" in text
    assert found["CAREER_LEDGER_DB"] == ("postgresql://u:***@h/x", "option")
    assert found["CAREER_LEDGER_KEYS"] == ("postgresql://u:***@h/keys", "environment")
    assert found["CAREER_LEDGER_DIGEST_KEY"] == found["CAREER_LEDGER_MASTER_KEY"] == ("***", "environment")
    assert found["CAREER_LEDGER_KAFKA_COMPRESSION"] == ("gzip", "default")
    assert found["CAREER_LEDGER_KAFKA"] == (None, "default")
    assert "PGSSLMODE" not in found


def test_half_a_key_is_hidden_and_the_file_that_holds_it_is_shown() -> None:
    assert [settings._key_or_file(one) for one in ("abcdef012", "x" + "0" * 20, "/safe/digest.key")] == [
        "***", "***", "/safe/digest.key"]


def test_every_variable_of_the_programs_is_a_setting_and_stands_on_the_page_about_settings() -> None:
    read = {name for folder in ("ledger", "consumers") for path in (ROOT / folder).rglob("*.py")
            for name in re.findall(r'"(CAREER_LEDGER_[A-Z_]+[A-Z])"', path.read_text())}
    known = {one.variable for one in settings.SETTINGS if one.variable.startswith(settings.PREFIX)}
    assert read <= known
    page = (ROOT / "docs" / "settings.md").read_text()
    assert {name for name in known if f"`{name}`" not in page} == set()
