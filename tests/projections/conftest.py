"""Stored projections, and rule books with another interpretation."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import ledger.rulebooks
from ledger.domain.books import LawBooks
from ledger.projections.everybody import ProjectionDatabase, open_database
from ledger.rulebooks.loader import load_books
from ledger.store import EventStore


@pytest.fixture
def database(store_url: str, store: EventStore) -> Iterator[ProjectionDatabase]:
    with open_database(store_url) as opened:
        yield opened


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
