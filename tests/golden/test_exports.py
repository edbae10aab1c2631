"""Exports as earlier versions of this program wrote them are read by this one, into either store."""

import json
from pathlib import Path

import pytest

from .test_databases import answers, ask

FOLDERS = sorted(path for path in (Path(__file__).parent / "exports").iterdir())
SAME = ("ledger", "events", "students", "first", "last", "highest", "size", "root", "map_root")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_export_of_every_version_becomes_the_ledger_that_it_was(folder: Path, store_url: str, tmp_path: Path) -> None:
    key = str(folder / "careers.vkey")
    done = ask(store_url, "import", str(folder / "exported"), "--key", key)
    assert done.exit_code == 0, done.output
    recorded = json.loads((folder / "answers.json").read_text())
    assert {student: answers(store_url, student) for student in recorded} == recorded
    done = ask(store_url, "verify", "--key", key, "--checkpoint", str(folder / "exported" / "data" / "checkpoint"))
    assert done.exit_code == 0, done.output
    assert ask(store_url, "export", str(tmp_path / "again"), "--key", key).exit_code == 0
    before, after = (json.loads((one / "data" / "manifest.json").read_bytes())
                     for one in (folder / "exported", tmp_path / "again"))
    assert {name: before[name] for name in SAME} == {name: after[name] for name in SAME}
    assert [one["plain_sha256"] for one in before["segments"]] == [one["plain_sha256"] for one in after["segments"]]
