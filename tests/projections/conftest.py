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
        text = file.read_text()
        if file.name == "2025-26.yaml":
            assert "decision: section-8" in text
            text = text.replace("decision: section-8", "decision: section-10", 1)
        (folder / file.name).write_text(text)
    return folder


@pytest.fixture
def other_books(other_folder: Path) -> LawBooks:
    return load_books(other_folder)
