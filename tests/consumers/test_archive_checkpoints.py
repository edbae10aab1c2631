"""The archive's manifests carry the ledger's checkpoints, and both verifications use them."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from consumers.archive.checkpoints import newest, read
from consumers.archive.package import Damaged, seal
from consumers.archive.verify import Verification, verify
from ledger.proofs import signing
from ledger.store import open_store
from tests.proofs.conftest import NAME, run, signing_key
from tests.store.examples import events

from .test_archive_package import DAYS, log

__all__ = ["signing_key"]


@pytest.fixture
def given(tmp_path: Path) -> Path:
    made = tmp_path / "given"
    made.mkdir()
    return made


def note(size: int, root: int = 0, epoch: int = 1) -> str:
    return signing.load().of(epoch).sign(signing.checkpoint_body(signing.named(NAME, epoch), size, bytes([root] * 32)))


def archived(folder: Path, notes: list[str | None]) -> Verification:
    """A day for each."""
    folder.mkdir()
    head = None
    for day, entries, one in zip(DAYS, log(), notes, strict=False):
        head, _ = seal(folder, day, head, entries, one)
    return verify(folder)


def problems(verdict: Verification) -> list[Any]:
    return [(one["kind"], one["file"][:10]) for one in verdict.findings]


def test_archive_carries_what_the_ledger_gave_and_is_an_outside_checkpoint_of_it(sqlite_url, signing_key, given,
                                                                                tmp_path) -> None:
    notes: list[str | None] = []
    for version in (1, 2):
        with open_store(sqlite_url) as store:
            store.append(events("S01", version, version))
        run(sqlite_url, "checkpoint", "--to", str(given))
        notes.append(newest(given))
    verdict = archived(tmp_path / "archive", [None, *notes])
    assert verdict.findings == []
    assert verdict.checkpoint is not None
    assert (verdict.checkpoint["origin"], verdict.checkpoint["size"]) == (NAME, 4)
    said = json.loads(run(sqlite_url, "verify", "--checkpoint", str(tmp_path / "archive"), "--json"))
    assert said["findings"] == []
    assert [(Path(one["file"]).name, one["size"]) for one in said["outside"]] == [
        (f"{day}.manifest.json", size) for day, size in zip(DAYS[1:], (2, 4), strict=True)]
    path = tmp_path / "archive" / f"{DAYS[1]}.manifest.json"
    path.write_text(path.read_text().replace("\\n2\\n", "\\n3\\n"))
    assert f"{DAYS[1]}.manifest.json" in run(sqlite_url, "verify", "--checkpoint", str(tmp_path / "archive"), code=5)
    path.write_text("[]")
    assert "signed note" in run(sqlite_url, "verify", "--checkpoint", str(tmp_path / "archive"), code=5)


@pytest.mark.parametrize(("sizes", "bad"), [
    ([(4, 0, 1), (4, 0, 1), (6, 1, 1)], []),
    ([(4, 0, 1), (2, 0, 1)], [1]),
    ([(4, 0, 1), (4, 1, 1)], [1]),
    ([(4, 0, 1), (2, 0, 2), (3, 0, 1)], [2])])
def test_checkpoint_that_does_not_continue_the_one_before_is_found(signing_key, tmp_path, sizes, bad) -> None:
    verdict = archived(tmp_path / "archive", [note(*one) for one in sizes])
    assert problems(verdict) == [("checkpoint", DAYS[day].isoformat()) for day in bad]


def test_checkpoint_of_another_ledger_is_found(signing_key, tmp_path) -> None:
    other = signing.load().sign(signing.checkpoint_body("ledger.example.org/others", 5, bytes(32)))
    verdict = archived(tmp_path / "archive", [note(4), other, note(6, 1)])
    assert problems(verdict)[0] == ("checkpoint", DAYS[1].isoformat())
    assert "another ledger's" in verdict.findings[0]["problem"]


def test_what_is_no_checkpoint_is_found(signing_key, tmp_path) -> None:
    verdict = archived(tmp_path / "archive", ["x", None, note(3)])
    assert problems(verdict) == [("checkpoint", DAYS[0].isoformat())]
    for bad in ("", "a\n0\nAAAA\n\n", f"{NAME}\n3\nAAAA\n\n", note(3).replace("\n\n", "\n")):
        with pytest.raises(Damaged):
            read(bad)


def test_newest_is_that_of_the_newest_epoch_and_the_largest_size(signing_key, given) -> None:
    assert newest(given) is None
    for size, epoch in ((9, 1), (30, 1), (11, 2), (5, 2)):
        name = signing.named(NAME, epoch).replace("/", "_")
        (given / f"{name}-{size}").write_text(note(size, epoch=epoch))
    (given / "notes.txt").write_text("nothing")
    found = newest(given)
    assert found is not None
    assert read(found).place == (2, 11)
    (given / "x-99").write_text("nothing")
    assert read(newest(given) or "").place == (2, 11)
    (given / "x_epoch-3-1").write_text("nothing")
    with pytest.raises(Damaged, match="x_epoch-3-1"):
        newest(given)


def test_day_is_sealed_with_the_newest_checkpoint(signing_key, given, tmp_path) -> None:
    from consumers.archive.service import Archive, seal_through
    from consumers.database import Database
    from consumers.kit.tables import migrations

    (given / "log-3").write_text(note(3))
    with Database(f"sqlite:///{tmp_path / 'own.db'}") as own:
        own.migrate(migrations(Archive))
        with own.transaction() as tx:
            tx.run("INSERT INTO archive_entries VALUES (NULL, '2026-02-10', 1, 'S1', 1, 'x', '', '', 0, 0, 0, :value)",
                   {"value": b"{}"})
        assert seal_through(own, tmp_path / "archive", date(2026, 2, 10), given) == date(2026, 2, 10)
    found = json.loads((tmp_path / "archive" / "2026-02-10.manifest.json").read_bytes())
    assert found["checkpoint"] == note(3)
