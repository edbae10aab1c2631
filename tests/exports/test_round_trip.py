"""What was exported is what was recorded, and what was imported is the same ledger: on both stores, and from one to the
other."""

import json
import re
import stat
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import duckdb
import pytest

from ledger.exports import form, writing
from ledger.exports.zstd import decompressor
from ledger.proofs import signing
from ledger.proofs.tables import ProofTables
from ledger.store import StoreUnusable, open_store
from ledger.store.epochs import Epoch, begin, position_given
from tests.conftest import DIGEST_KEY
from tests.store.examples import an_event, events

from .conftest import ask, kept, run


@pytest.fixture(params=["sqlite", "postgresql"])
def other_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a further ledger that does not exist yet, on each store in turn."""
    url: str = f"sqlite:///{tmp_path / 'other.db'}" if request.param == "sqlite" else \
        request.getfixturevalue("other_postgres_url")
    return url


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def lines(path: Path) -> Iterator[bytes]:
    return iter(decompressor().decompress(path.read_bytes()).splitlines())


def test_imported_ledger_is_the_exported_one_when_it_goes_to_either_store(filled, exported, other_url,
                                                                          tmp_path) -> None:
    said = run(other_url, "import", str(exported))
    assert "283 events of 280 students" in said
    assert "KEY IN THE FOLDER" not in said
    assert "NO SIGNATURE" not in said
    assert kept(other_url) == kept(filled)
    run(other_url, "export", str(tmp_path / "again"))
    assert files(tmp_path / "again") == files(exported)
    assert {stat.S_IMODE(path.stat().st_mode) for path in exported.rglob("*") if path.is_file()} == {0o600}
    run(other_url, "verify")
    highest = position_given(filled)
    with open_store(filled) as one, open_store(other_url) as other:
        assert [store.append([an_event("S03", 1)])[0].position for store in (one, other)] == \
            [highest + 1] * 2
    run(other_url, "checkpoint")
    assert "restored from an older copy" in run(filled, "checkpoint", code=6)  # only one of the two goes on
    with pytest.raises(StoreUnusable, match="never changed"):
        ask(other_url, "DELETE FROM stored_events")


def test_epochs_go_along_when_older_copies_were_accepted(filled, other_url, tmp_path) -> None:
    with open_store(filled) as store:
        position = store.last_position()
    lost = Epoch(2, "2026-04-20T09:00:00Z", position, position + 40, 999, bytes([7] * 32), ("a", "b"), "lost: così")
    begin(filled, lost)
    verifier = signing.load().verifier
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv(signing.VARIABLE)
        said = run(filled, "export", str(tmp_path / "out"), "--key", verifier, code=6)
    assert "an accepted restore is not in the log yet" in said
    run(filled, "checkpoint")
    begin(filled, lost._replace(number=3))
    with open_store(filled) as store:
        store.append(events("S01", 5, 6))
    run(filled, "export", str(tmp_path / "out"))
    assert "/epoch-3" in (tmp_path / "out" / "data" / "checkpoint").read_text()
    run(other_url, "import", str(tmp_path / "out"), "--key", verifier)
    assert kept(other_url) == kept(filled)
    run(other_url, "verify")
    run(other_url, "export", str(tmp_path / "again"))
    assert files(tmp_path / "again") == files(tmp_path / "out")


def test_segments_are_cut_after_so_many_events_whatever_the_pages(filled, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(form, "SEGMENT", 100)
    monkeypatch.setattr(writing, "PAGE", 7)
    run(filled, "export", str(tmp_path / "one"))
    monkeypatch.setattr(writing, "PAGE", 150)
    run(filled, "export", str(tmp_path / "two"))
    assert files(tmp_path / "one") == files(tmp_path / "two")
    manifest = json.loads((tmp_path / "one" / "data" / "manifest.json").read_bytes())
    assert [one["events"] for one in manifest["segments"]] == [100, 100, 83]
    with open_store(filled) as store:
        rows = store.rows(0, 1000)
    found = [line for one in manifest["segments"] for line in lines(tmp_path / "one" / "data" / one["name"])]
    assert found == [b'{"position":%d,"name":"%b","state":%b}' % (row[0], row[3].encode(), row[4]) for row in rows]


def test_folder_holds_no_key_and_every_sum_is_that_of_its_file(exported, signing_key, tmp_path) -> None:
    secret = signing_key.read_text().split("+", 4)[4].strip()
    for content in files(exported).values():
        assert secret.encode() not in content
        assert DIGEST_KEY.encode() not in content
    sums = dict(reversed(line.split("  ")) for line in (exported / "manifest-sha256.txt").read_text().splitlines())
    assert sums == {f"data/{path.name}": sha256(path.read_bytes()).hexdigest()
                    for path in (exported / "data").iterdir()}


def test_export_without_a_signing_key_ends_at_the_newest_checkpoint_and_says_so(filled, tmp_path, monkeypatch) -> None:
    verifier = signing.load().verifier
    monkeypatch.delenv(signing.VARIABLE)
    assert "give the verifier key" in run(filled, "export", str(tmp_path / "none"), code=2)
    said = run(filled, "export", str(tmp_path / "out"), "--key", verifier)
    assert "EVENTS ARE LEFT OUT: 2 or more" in said
    assert "281 events" in said
    said = run(f"sqlite:///{tmp_path / 'other.db'}", "import", str(tmp_path / "out"))
    assert "KEY IN THE FOLDER" in said
    assert "NO SIGNATURE COVERS WHICH LEDGER IT IS" in said
    other = "example.org+" + "+".join(verifier.split("+")[1:])
    assert "damaged" in run(filled, "export", str(tmp_path / "none"), "--key", other, code=5)
    assert not (tmp_path / "none").exists()


def test_folder_may_be_the_one_where_somebody_stands(filled, tmp_path, monkeypatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    run(filled, "export", ".")
    assert (tmp_path / "here" / "bagit.txt").exists()
    assert not list(tmp_path.glob(".*.part"))


def test_nothing_is_exported_when_nothing_is_sealed_or_the_folder_is_taken(sqlite_url, signing_key, tmp_path) -> None:
    with open_store(sqlite_url) as store:
        assert "nothing is sealed" in run(sqlite_url, "export", str(tmp_path / "out"), code=3)
        store.append(events("S01", 1, 1))
    (tmp_path / "out").mkdir()
    run(sqlite_url, "export", str(tmp_path / "out"))
    assert "is not an empty folder" in run(sqlite_url, "export", str(tmp_path / "out"), code=6)


@pytest.mark.parametrize("change", [
    "UPDATE stored_events SET state = CAST(replace(CAST(state AS TEXT), '2.00', '9.00') AS BLOB) WHERE rowid = 2",
    "UPDATE stored_events SET topic = 'enrolled.v1' WHERE rowid = 2",
    "UPDATE stored_events SET originator_version = 9 WHERE rowid = 3",
    "UPDATE stored_events SET state = CAST(replace(CAST(state AS TEXT), ',\"id\"', char(10) || ',\"id\"') AS BLOB) "
    "WHERE rowid = 2",
    "DELETE FROM stored_events WHERE rowid = 2",
    "UPDATE stored_events SET state = replace(CAST(state AS TEXT), '2.00', '9.00') WHERE rowid = 2",
    "UPDATE stored_events SET topic = CAST(topic AS BLOB) WHERE rowid = 2",
    "UPDATE log_checkpoints SET heads = 'x'",
    "UPDATE log_checkpoints SET body = replace(body, '4', '5')"])
def test_altered_ledger_is_not_exported(sqlite_url, signing_key, tmp_path, monkeypatch, change) -> None:
    with open_store(sqlite_url) as store:
        store.append(events("S01", 1, 3))
    run(sqlite_url, "checkpoint")
    verifier = signing.load().verifier
    ask(sqlite_url, "DROP TRIGGER stored_events_no_update")
    ask(sqlite_url, "DROP TRIGGER stored_events_no_delete")
    ask(sqlite_url, change)
    monkeypatch.delenv(signing.VARIABLE)
    said = run(sqlite_url, "export", str(tmp_path / "out"), "--key", verifier, code=6)
    assert re.search("othing was exported", said)
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == []


def test_what_is_kept_of_proofs_is_made_anew_by_export_and_import(sqlite_url, signing_key, tmp_path,
                                                                  monkeypatch) -> None:
    with open_store(sqlite_url) as store:
        store.append(events("S01", 1, 3))
    run(sqlite_url, "checkpoint")
    for table in ("log_tiles", "student_heads", "student_tiles"):
        ask(sqlite_url, f"DELETE FROM {table}")
    run(sqlite_url, "verify", code=5)
    verifier, other = signing.load().verifier, f"sqlite:///{tmp_path / 'other.db'}"
    with monkeypatch.context() as patched:
        patched.delenv(signing.VARIABLE)
        run(sqlite_url, "export", str(tmp_path / "out"), "--key", verifier)
        run(other, "import", str(tmp_path / "out"), "--key", verifier)
    run(other, "verify")
    with open_store(other) as store:
        store.append(events("S01", 4, 4))
    run(other, "checkpoint")


def test_export_ends_where_another_process_has_sealed_when_one_does(sqlite_url, signing_key, tmp_path) -> None:
    with open_store(sqlite_url) as store:
        store.append(events("S01", 1, 1))
        run(sqlite_url, "checkpoint")
        store.append(events("S01", 2, 2))
    with ProofTables(sqlite_url) as other, other.alone():
        assert "LEFT OUT: 1" in run(sqlite_url, "export", str(tmp_path / "out"))


def test_duckdb_reads_a_segment_as_it_is(folder, sqlite_url) -> None:
    segment = next((folder / "data").glob("segment-*"))
    found = duckdb.sql(f"SELECT position, name, state FROM read_json('{segment}', "
                       "columns = {position: 'BIGINT', name: 'VARCHAR', state: 'JSON'}) ORDER BY position").fetchall()
    with open_store(sqlite_url) as store:
        assert [(position, name, state.encode()) for position, name, state in found] == \
            [(row[0], row[3], row[4]) for row in store.rows(0, 100)]
