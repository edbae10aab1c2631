"""What is remembered of rule books beside them is used as long as it is of these bytes and of this program, and never
where somebody else could have written it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from ledger.domain.rulebook import UnknownValue, lacks
from ledger.entrypoints.cli import cli
from ledger.rulebooks import loader, remembered
from ledger.rulebooks.loader import PACKAGED, RuleBookError, load_books

YEAR = "2019-20.yaml"
"""It has amendments."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of one year's book, where Python writes down what it has compiled."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(loader, "read_stages", vars(loader.read_stages)["__wrapped__"])  # of `tests/conftest.py`
    made = tmp_path / "books"
    made.mkdir()
    shutil.copy(PACKAGED / YEAR, made)
    return made


@pytest.fixture
def place(folder: Path) -> Path:
    return folder / "__pycache__" / f"{YEAR}.json"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], int]:
    """How many files are read as YAML where the books of a folder are loaded."""
    plain, found = loader.read_plain, []

    def counted(name: str, content: bytes) -> Any:
        found.append(name)
        return plain(name, content)

    def of(folder: Path) -> int:
        monkeypatch.setattr(loader, "read_plain", counted)
        loader.own_rules()
        assert loader.packaged_readings().entries
        found.clear()
        load_books(folder)
        return len(found)

    return of


def test_books_are_the_same_from_what_is_remembered(folder: Path, place: Path, reads: Callable[[Path], int]) -> None:
    first = load_books(folder)
    assert place.stat().st_mode & 0o777 == (folder / YEAR).stat().st_mode & 0o644
    again = load_books(folder)
    assert again.for_single_courses("2019-20") == first.for_single_courses("2019-20")
    assert (again.own, again.identities, again.stages) == (first.own, first.identities, first.stages)
    assert reads(folder) == 0


def test_changed_book_is_read_again(folder: Path, reads: Callable[[Path], int]) -> None:
    load_books(folder)
    with (folder / YEAR).open("a") as book:
        book.write("# a remark\n")
    assert (reads(folder), reads(folder)) == (1, 0)


def test_wrong_book_stays_wrong(folder: Path) -> None:
    load_books(folder)
    with (folder / YEAR).open("a") as book:
        book.write("!!python/object:os.system 'true'\n")
    for _ in range(2):
        with pytest.raises(RuleBookError):
            load_books(folder)


@pytest.mark.parametrize("harm", [
    lambda file: file.write_bytes(file.read_bytes()[:-9]), lambda file: file.write_bytes(b""),
    lambda file: file.write_text(file.read_text().replace("ISE_1", "ISE_2", 1)), lambda file: file.chmod(0o664),
    lambda file: file.chmod(0o646), lambda file: file.rename(file.with_suffix(".old")),
    lambda file: (file.rename(file.with_suffix(".old")), file.symlink_to(file.with_suffix(".old"))),
    lambda file: os.link(file, file.with_suffix(".other")), lambda file: (file.unlink(), file.mkdir())])
def test_what_is_damaged_or_could_be_another_hand_s_is_left_alone(
        folder: Path, place: Path, reads: Callable[[Path], int], harm: Callable[[Path], object]) -> None:
    load_books(folder)
    harm(place)
    assert reads(folder) == 1


def test_what_another_user_has_put_there_is_left_alone(
        folder: Path, place: Path, reads: Callable[[Path], int], monkeypatch: pytest.MonkeyPatch) -> None:
    load_books(folder)
    held = os.fstat

    def foreign(descriptor: int) -> Any:
        found = [*held(descriptor)]
        found[4] += 1 if os.geteuid() else 4711
        return os.stat_result(found)

    with monkeypatch.context() as patched:
        patched.setattr(remembered.os, "fstat", foreign)
        assert reads(folder) == 1


def test_another_program_s_is_left_alone(
        folder: Path, reads: Callable[[Path], int], monkeypatch: pytest.MonkeyPatch) -> None:
    load_books(folder)
    monkeypatch.setattr(remembered, "_reader", lambda: "0" * 64)
    assert reads(folder) == 1


def test_folder_that_cannot_be_written_is_read_each_time(
        folder: Path, place: Path, reads: Callable[[Path], int], monkeypatch: pytest.MonkeyPatch) -> None:
    place.parent.write_text("in the way")
    assert (reads(folder), reads(folder)) == (1, 1)
    place.parent.unlink()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert (reads(folder), place.parent.exists()) == (1, False)


@pytest.mark.parametrize("source", ["own/rules.yaml", "readings.yaml", "loader.py", "rulebook.py"])
def test_what_was_made_by_other_code_or_with_other_readings_is_left_alone(
        folder: Path, reads: Callable[[Path], int], monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    load_books(folder)
    if source == "readings.yaml":
        shutil.copy(PACKAGED / source, folder)
        with (folder / source).open("a") as register:
            register.write("# a remark\n")
        assert (reads(folder), reads(folder)) == (2, 0)  # the register too
        return
    [found] = (one for one in remembered.READERS if str(one).endswith(source))
    other = folder.parent / "other.py"
    other.write_bytes(found.read_bytes() + b"\n# changed\n")
    monkeypatch.setattr(remembered, "READERS", tuple(other if one == found else one for one in remembered.READERS))
    remembered._reader.cache_clear()
    try:
        assert reads(folder) == 1
    finally:
        remembered._reader.cache_clear()


def test_what_would_come_back_as_something_else_is_not_remembered(
        folder: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = remembered._rules
    monkeypatch.setattr(remembered, "_rules", lambda law, usual: lost(law.having(ISE_1=None), usual))
    load_books(folder)
    assert not place.exists()


def test_unknown_values_and_rules_and_amendments_come_back(folder: Path) -> None:
    for year in ("2023-24.yaml", "2024-25.yaml", "2025-26.yaml"):
        shutil.copy(PACKAGED / year, folder)
    first, again = load_books(folder), load_books(folder)
    lacking = 0
    for year in first.years:
        one, other = first.for_single_courses(year), again.for_single_courses(year)
        assert one is not None
        assert other is not None
        assert one is not other
        assert one == other
        assert lacks(one.rules) == lacks(other.rules)
        for key in one.rules.stated:
            assert lacks(one.rules.stated[key]) == lacks(other.rules.stated[key])
            lacking += len(lacks(one.rules.stated[key]))
        for rule in one.unknown:
            with pytest.raises(UnknownValue, match=f"{rule} of {year} is unknown"):
                getattr(other.rules, rule.replace("-", "_"))
    assert lacking
    assert first.stages == again.stages
    book = again.for_single_courses("2024-25")
    assert deepcopy(book) == book  # as it is pickled


def test_eligibility_does_not_import_the_checks_of_submissions() -> None:
    asked = "import ledger.projections.student.eligibility, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert {"pydantic", "ledger.domain.submissions"} & {*done.stdout.split()} == set()


@pytest.mark.parametrize("form", ["--json", None])
def test_status_imports_neither_yaml_nor_pydantic_nor_who_writes_sends_and_serves(
        tmp_path: Path, form: str | None) -> None:
    db, examples = f"sqlite:///{tmp_path / 'ledger.db'}", Path(__file__).parents[2] / "examples" / "imported.jsonl"
    cli(["--db", db, "append", str(examples), "--mode", "record"], standalone_mode=False)
    asked = """
import sys
from ledger.domain.rulebook import UnknownValue, lacks
from ledger.entrypoints.cli import cli
cli(sys.argv[1:], standalone_mode=False)
print(*sys.modules)
"""
    arguments = [sys.executable, "-c", asked, "--db", db, "status", "S-DEMO-07", *([form] if form else [])]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for _ in range(2):  # the first time books are read
        done = subprocess.run(arguments, capture_output=True, text=True, check=True, env=environment)
    *answer, imported = done.stdout.splitlines()
    assert "S-DEMO-07" in answer[0]
    late = {"yaml", "rich", "pydantic", "pydantic_core", "annotated_types", "logging", "tempfile",
            "eventsourcing", "tomllib", "locale", "traceback", "dataclasses", "csv", "starlette", "psycopg",
            "cryptography", "confluent_kafka", "multiprocessing", "concurrent",
            "asyncio", "uvicorn", "dask", "holidays", "ledger.handling", "ledger.intake", "ledger.relay",
            "ledger.wire", "ledger.privacy", "ledger.proofs", "ledger.exports", "ledger.audit",
            "ledger.generate", "ledger.domain.decisions", "ledger.domain.submissions",
            "ledger.domain.timelines", "ledger.projections.everybody", "ledger.entrypoints.http",
            "ledger.rulebooks.plain", "ledger.rulebooks.check"}
    late |= {"ledger.entrypoints.text"} if form else set()
    assert late & {*imported.split()} == set()
