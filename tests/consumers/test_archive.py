"""The archive with a real broker and both databases: days are sealed when they are over, nothing is
lost, doubled or made anew."""

import hashlib
import json
import random
import subprocess
import time
from collections.abc import Iterable
from datetime import date, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from kafka import KafkaProducer

from consumers.archive.__main__ import archive
from consumers.archive.package import Damaged, sealed_days
from consumers.archive.service import Archive, day_of, seal_through
from consumers.archive.verify import verify
from consumers.database import Database
from consumers.kit.service import Record
from consumers.kit.tables import migrations
from ledger.wire.kafka import PRODUCER
from ledger.wire.letters import Heartbeat
from ledger.wire.message import Message, header
from ledger.wire.reading import Unreadable
from ledger.wire.topics import EVENTS
from tests.sizes import at_a_store
from tests.waiting import eventually

from .support import ORIGIN, ROUNDS, Member, Topics, a_log, arrived, changed, in_thread

MODULE = "consumers.archive"
TODAY = datetime.now(timezone.utc).date()
DAYS = [TODAY - timedelta(days=n) for n in (3, 2, 1)]


def send_on(topics: Topics, day: date, messages: Iterable[Message]) -> None:
    """With Kafka timestamps of a day: its first second, which today has had."""
    first = int(datetime(day.year, day.month, day.day, tzinfo=timezone.utc).timestamp() * 1000)
    producer = KafkaProducer(bootstrap_servers=topics.bootstrap, **PRODUCER)
    sent = [producer.send(topics.prefix + m.topic, key=m.key, value=m.value, headers=list(m.headers),
                          timestamp_ms=first) for m in messages]
    producer.flush(timeout=60)
    for future in sent:
        future.get(timeout=0)
    producer.close(timeout=5)


def offsets(topics: Topics) -> dict[int, int]:
    found: dict[int, int] = {}
    for record in topics.read(EVENTS):
        found[record.partition] = max(found.get(record.partition, 0), record.offset + 1)
    return found


def beat(topics: Topics, at: date | None = None, ahead: int = 0) -> None:
    """The relay's heartbeat of the events, sent on a day, speaking of everything that is there
    (and of `ahead` that is not)."""
    moment = f"{at or TODAY}T00:00:00Z"
    topics.send([Heartbeat(topic=EVENTS, at=moment, complete_at=moment, position=10**12,
                           offsets={part: end + ahead for part, end in offsets(topics).items()}).message(ORIGIN)])


def digests(log: Iterable[Message]) -> list[bytes]:
    """What `career-ledger digests` prints of them."""
    return [json.dumps({"position": int(header(m.headers, "position") or ""), "student": m.key.decode(),
                        "version": int(header(m.headers, "version") or ""), "type": header(m.headers, "event_type"),
                        "digest": header(m.headers, "digest"),
                        "payload_sha256": header(m.headers, "payload_sha256")}).encode() + b"\n"
            for m in log]


def open_entries(own: Database) -> int:
    try:
        [[found]] = own.ask("SELECT COUNT(*) FROM archive_entries WHERE package IS NULL")
    except Exception as error:
        if "archive_entries" not in str(error) and "holds nothing" not in str(error):
            raise
        return -1
    return int(found)


def command(*arguments: str, text: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """In this process: starting Python takes longer than most commands."""
    done = CliRunner().invoke(archive, arguments, input=text)
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout_bytes, done.stderr_bytes)


def test_days_are_sealed_once_they_are_over_and_equal_the_log(topics: Topics, own: Database,
                                                              own_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    log = a_log(students=10, events=400)
    parts = [log[:150], [], log[150:300], log[300:]]
    for day, part in zip([*DAYS, TODAY], parts, strict=True):
        send_on(topics, day, part)
    with in_thread(Archive(folder), own_url, topics.bootstrap):
        eventually(lambda: open_entries(own) == 400, "everything is read")
        time.sleep(1)
        assert not folder.exists(), "no day is over before a heartbeat of a later day"
        beat(topics, ahead=1)
        time.sleep(1)
        assert not folder.exists(), "the heartbeat speaks of an event that is not read yet"
        beat(topics)
        eventually(lambda: folder.exists() and sealed_days(folder) == DAYS, "the days are sealed")
        eventually(lambda: open_entries(own) == 100, "what is of today stays open")
    verdict = verify(folder, ledger=digests(log))
    assert (verdict.findings, verdict.entries, verdict.not_sealed, verdict.packages) == ([], 300, 100, 3)


def test_late_event_goes_into_the_next_open_package(topics: Topics, own: Database, own_url: str,
                                                    tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    log = a_log(students=3, events=30)
    send_on(topics, DAYS[0], log[:20])
    with in_thread(Archive(folder), own_url, topics.bootstrap):
        beat(topics, DAYS[1])
        eventually(lambda: folder.exists() and sealed_days(folder) == DAYS[:1], "the first day is sealed")
        before = {p.name: p.read_bytes() for p in folder.iterdir()}
        send_on(topics, DAYS[0], log[20:])
        beat(topics)
        eventually(lambda: sealed_days(folder) == DAYS, "all days are sealed")
    assert {name: (folder / name).read_bytes() for name in before} == before
    counts = [json.loads((folder / f"{day}.manifest.json").read_bytes())["content"]["entries"] for day in DAYS]
    assert counts == [20, 10, 0]
    assert verify(folder, ledger=digests(log)).findings == []


def test_event_of_an_unknown_type_or_version_is_kept_as_it_came(topics: Topics, own: Database,
                                                                own_url: str, tmp_path: Path) -> None:
    log = a_log(students=1, events=3)
    value = (log[1].value or b"").replace(b"instalment-paid", b"moon-landed")
    log[1] = changed(log[1], value, event_type="moon-landed", ce_type="career.moon-landed.v7",
                     payload_sha256=hashlib.sha256(value).hexdigest())
    send_on(topics, DAYS[0], log)
    folder = tmp_path / "archive"
    with in_thread(Archive(folder), own_url, topics.bootstrap):
        beat(topics)
        eventually(lambda: folder.exists() and sealed_days(folder) == DAYS, "sealed")
    assert verify(folder, ledger=digests(log)).findings == []
    assert json.loads((folder / f"{DAYS[0]}.manifest.json").read_bytes())["content"]["types"] == {"instalment-paid": 2,
                                                                                                  "moon-landed": 1}


def test_missing_event_parks_the_student_and_verification_names_the_hole_until_it_comes(
        topics: Topics, own: Database, own_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    log = a_log(students=2, events=10)
    lost = log[4]
    send_on(topics, DAYS[0], [m for m in log if m is not lost])
    with in_thread(Archive(folder), own_url, topics.bootstrap):
        beat(topics, DAYS[1])
        eventually(lambda: folder.exists() and sealed_days(folder) == DAYS[:1], "sealed")
        found = verify(folder, ledger=digests(log)).findings
        assert {f["kind"] for f in found} == {"not-in-archive"}
        assert {f["student"] for f in found} == {lost.key.decode()}
        send_on(topics, TODAY, [lost])
        beat(topics)
        eventually(lambda: sealed_days(folder) == DAYS, "sealed again")
    assert seal_today(own_url, folder) == 0
    assert verify(folder, ledger=digests(log)).findings == []


def seal_today(url: str, folder: Path) -> int:
    return command("seal", "--db", url, "--folder", str(folder), "--through", TODAY.isoformat()).returncode


def test_event_that_comes_again_is_archived_once(topics: Topics, own: Database, own_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    log = a_log(students=5, events=50)
    send_on(topics, DAYS[0], log)
    send_on(topics, DAYS[1], log)
    with in_thread(Archive(folder), own_url, topics.bootstrap):
        beat(topics)
        eventually(lambda: folder.exists() and sealed_days(folder) == DAYS, "sealed")
    verdict = verify(folder, ledger=digests(log))
    assert (verdict.findings, verdict.entries, verdict.repeated) == ([], 50, 0)


def test_lost_database_begins_anew_behind_the_folder(topics: Topics, own: Database, own_url: str,
                                                     tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    log = a_log(students=5, events=50)
    send_on(topics, DAYS[0], log)
    with in_thread(Archive(folder), own_url, topics.bootstrap):
        beat(topics, DAYS[1])
        eventually(lambda: folder.exists() and sealed_days(folder) == DAYS[:1], "sealed")
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    topics.forget_group("archive")
    with in_thread(Archive(folder), f"sqlite:///{tmp_path / 'new.db'}", topics.bootstrap):
        beat(topics)
        eventually(lambda: sealed_days(folder) == DAYS, "the chain goes on")
    assert {name: (folder / name).read_bytes() for name in before} == before
    verdict = verify(folder, ledger=digests(log))
    assert (verdict.findings, verdict.entries, verdict.repeated) == ([], 100, 50)


@at_a_store
def test_kill_at_random_points_loses_and_doubles_nothing(topics: Topics, own: Database, own_url: str,
                                                         tmp_path: Path) -> None:
    """Events of several days come in, days are over, and the archive is killed (SIGKILL) again and again:
    before it reads, while it seals, wherever it falls. In the end the packages equal the log, and no
    sealed file was ever changed."""
    pick = random.Random(11)
    folder = tmp_path / "archive"
    out = tmp_path / "archive.log"
    days = [TODAY - timedelta(days=n) for n in range(ROUNDS + 1, 0, -1)]
    log = a_log(students=40, events=ROUNDS * 300)
    seen: dict[str, bytes] = {}
    for turn in range(ROUNDS):
        send_on(topics, days[turn], log[turn * 300:(turn + 1) * 300])
        beat(topics, days[turn + 1])
        member = Member(MODULE, own_url, topics.bootstrap, topics.prefix, out, "--folder", str(folder))
        if pick.random() < 0.7:  # else it is killed while it starts
            eventually(partial(_at_work, own, folder, turn), "at work")
        time.sleep(pick.uniform(0, 0.3))
        member.kill()
        topics.bury("archive")
        for path in folder.glob("*") if folder.exists() else ():
            if path.name.startswith("."):
                continue
            assert seen.setdefault(path.name, path.read_bytes()) == path.read_bytes() or not path.with_name(
                path.name.replace(".jsonl.gz", ".manifest.json")).exists(), path.name
    ends = topics.send(a_log(students=1, events=1, first=len(log) + 1, versions={"S0000": -(-len(log) // 40)}))
    beat(topics)
    member = Member(MODULE, own_url, topics.bootstrap, topics.prefix, out, "--folder", str(folder))
    try:
        eventually(lambda: arrived(own, "archive", ends, topics.prefix) and _sealed(folder) == len(days),
                   f"all sealed\n{member.said()[-2000:]}")
    finally:
        assert member.stop() == 0
    verdict = verify(folder, ledger=digests(log))
    assert (verdict.findings, verdict.entries, verdict.repeated, verdict.not_sealed) == ([], len(log), 0, 0)
    assert not list(folder.glob(".*.part"))


def _at_work(own: Database, folder: Path, sealed: int) -> bool:
    return open_entries(own) > 0 or _sealed(folder) > sealed


def _sealed(folder: Path) -> int:
    return len(sealed_days(folder)) if folder.exists() else 0


# Without a broker: sealing and where it may break off


def filled(own: Database, folder: Path, log: list[Message], day: date) -> Archive:
    service = Archive(folder)
    own.migrate(migrations(Archive))
    stamp = int(datetime(day.year, day.month, day.day, 12, tzinfo=timezone.utc).timestamp() * 1000)
    with own.transaction() as tx:
        records = [Record(EVENTS, 0, n, stamp, m.key, m.value, list(m.headers)) for n, m in enumerate(log)]
        service.events(tx, [(record, service.read(record)) for record in records])
    return service


@pytest.mark.parametrize("place", ["before-files", "between-files", "after-files"])
def test_crash_between_table_and_files_is_healed(
        own: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    folder, whole = tmp_path / "archive", tmp_path / "whole"
    log = a_log(students=5, events=60)
    filled(own, folder, log, DAYS[0])

    from consumers.archive import service as at
    original = at.seal

    class Crash(Exception):
        pass

    def crashing(into: Path, day: date, previous: str | None, entries: Any, *_: Any) -> tuple[str, int]:
        if place == "before-files":
            raise Crash
        original(into, day, previous, entries)
        if place == "between-files":
            (into / f"{day}.manifest.json").unlink()
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(at, "seal", crashing)
        with pytest.raises(Crash):
            seal_through(own, folder, DAYS[0])
    filled(own, folder, a_log(students=1, events=1, first=61, versions={"S9999": 0}), DAYS[0])
    assert seal_through(own, folder, DAYS[0]) == DAYS[0]
    assert open_entries(own) == 1, "what came after the crash waits for the next package"
    with Database(f"sqlite:///{tmp_path / 'whole.db'}") as other:
        filled(other, whole, log, DAYS[0])
        seal_through(other, whole, DAYS[0])
    assert {p.name: p.read_bytes() for p in folder.glob("2*")} == {p.name: p.read_bytes() for p in whole.glob("2*")}
    assert verify(folder, ledger=digests(log)).findings == []


def test_nothing_to_seal_makes_no_package(own: Database, tmp_path: Path) -> None:
    filled(own, tmp_path / "archive", a_log(1, 1), TODAY)
    assert seal_through(own, tmp_path / "archive", DAYS[2]) is None
    assert sealed_days(tmp_path / "archive") == []


@pytest.mark.parametrize("change", ["altered", "missing"])
def test_sealing_goes_not_on_where_the_last_manifest_was_touched(own: Database, tmp_path: Path, change: str) -> None:
    filled(own, tmp_path, a_log(2, 4), DAYS[0])
    seal_through(own, tmp_path, DAYS[0])
    path = tmp_path / f"{DAYS[0]}.manifest.json"
    path.write_bytes(path.read_bytes() + b" ") if change == "altered" else path.unlink()
    with pytest.raises(Damaged, match="missing or altered"):
        seal_through(own, tmp_path, DAYS[1])


def test_clock_that_runs_ahead_does_not_keep_an_entry_back() -> None:
    ahead = int(datetime(2199, 1, 1, tzinfo=timezone.utc).timestamp() * 1000)
    assert day_of(ahead, TODAY) == TODAY.isoformat()
    assert day_of(-1, TODAY) == "1970-01-01"
    assert day_of(1_770_768_000_000 - 1, date(2026, 3, 1)) == "2026-02-10"
    assert day_of(1_770_768_000_000, date(2026, 3, 1)) == "2026-02-11"


@pytest.mark.parametrize("gone", ["position", "event_type", "digest", "payload_sha256", "version"])
def test_event_without_a_header_it_is_known_by_is_no_witness(tmp_path: Path, gone: str) -> None:
    [one] = a_log(1, 1)
    bad = changed(one, **{gone: None})
    with pytest.raises(Unreadable, match=gone):
        Archive(tmp_path).read(Record(EVENTS, 0, 0, 0, bad.key, bad.value, list(bad.headers)))


def test_altered_value_is_no_witness(tmp_path: Path) -> None:
    [one] = a_log(1, 1)
    with pytest.raises(Unreadable, match="payload_sha256"):
        Archive(tmp_path).read(Record(EVENTS, 0, 0, 0, one.key, (one.value or b"") + b" ", list(one.headers)))


def test_commands(own: Database, own_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    log = a_log(students=3, events=9)
    filled(own, folder, log, DAYS[0])
    assert command("seal", "--db", own_url, "--folder", str(folder), "--through", "9999-01-01").returncode == 2
    sealed = command("seal", "--db", own_url, "--folder", str(folder))
    yesterday = datetime.now(timezone.utc).date() - timedelta(days=1)
    assert (sealed.returncode, sealed.stdout.decode()) == (0, f"sealed through {yesterday}\n")
    good = command("verify", str(folder), "--ledger", "-", "--json", text=b"".join(digests(log)))
    assert (good.returncode, json.loads(good.stdout)["compared"]) == (0, 9)
    bad = command("verify", str(folder), "--ledger", "-", text=b"".join(digests(log)[1:]))
    assert bad.returncode == 5
    assert (f"not-in-ledger: position 1, student S0000, version 1, type instalment-paid, place {DAYS[0]}.jsonl.gz:1"
            in bad.stdout.decode())
    assert command("verify", str(folder), "--head", "0" * 64).returncode == 5
    assert command("verify", str(folder), "--ledger", "-", text=b"x\n").returncode == 2
    (folder / f"{yesterday}.manifest.json").unlink()
    assert command("seal", "--db", own_url, "--folder", str(folder), "--through", TODAY.isoformat()).returncode == 5
