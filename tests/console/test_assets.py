"""What the console's pages load is what was looked at, and comes with its licence."""

import hashlib
import re
import tomllib
from pathlib import Path

import pytest

from infra.console.vendor import ASSETS, CHECKERS, PACKAGES, RECORD, without_data_font
from ledger.entrypoints.http.console.assets import TYPES, assets


@pytest.mark.parametrize("folder", [ASSETS, CHECKERS])
def test_vendored_file_is_the_one_that_was_looked_at(folder: Path) -> None:
    record = tomllib.loads((folder / RECORD).read_text(encoding="utf-8"))["package"]
    assert [(one["name"], one["version"], one["integrity"]) for one in record] == [
        (one.name, one.version, one.integrity) for one in PACKAGES if one.folder == folder]
    kept = {file["name"]: file["sha256"] for one in record for file in one["file"]}
    assert kept == {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in kept}
    assert all(any("licence" in file["name"] for file in one["file"]) for one in record)


def test_no_file_is_served_that_is_neither_ours_nor_on_record() -> None:
    record = tomllib.loads((ASSETS / RECORD).read_text(encoding="utf-8"))["package"]
    vendored = {file["name"] for one in record for file in one["file"]}
    assert assets().keys() - vendored == {"console.css", "tickets.css", "console.js", "favicon.svg"}
    assert all(Path(name).suffix in TYPES for name in assets())


def test_sheets_load_only_fonts_that_lie_beside_them() -> None:
    for name in ("console.css", "bootstrap-italia.css"):
        loaded = re.findall(rb"""url\(["']?([^)"']*)""", assets()[name].body)
        assert all(one.startswith(b"data:image/") or one.decode() in assets() for one in loaded), name


def test_another_version_of_the_sheet_must_be_looked_at() -> None:
    with pytest.raises(ValueError, match="0 fonts"):
        without_data_font(b"body{}")


def test_documents_show_the_pictures_that_are_there() -> None:
    docs = Path(__file__).resolve().parents[2] / "docs"
    named = {docs / name for page in docs.glob("*.md")
             for name in re.findall(r"\]\((pictures/[^)]*)\)", page.read_text(encoding="utf-8"))}
    assert len(named) >= 9
    assert named == set((docs / "pictures").iterdir())
