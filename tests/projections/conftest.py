"""Rule books with another interpretation."""

from pathlib import Path

import pytest

import ledger.rulebooks
from ledger.domain.books import LawBooks
from ledger.rulebooks.loader import load_books


@pytest.fixture
def other_folder(tmp_path: Path) -> Path:
    """The rule books, but for AMB-1: thirty days unpaid bring the administrative block of section 10."""
    folder = tmp_path / "rulebooks"
    folder.mkdir()
    for file in Path(ledger.rulebooks.__path__[0]).glob("*.yaml"):
        otherwise = "\ninterpretations:\n  AMB-1:\n    decision: section-10\n" if file.stem == "2025-26" else ""
        (folder / file.name).write_text(file.read_text() + otherwise)
    return folder


@pytest.fixture
def other_books(other_folder: Path) -> LawBooks:
    return load_books(other_folder)
