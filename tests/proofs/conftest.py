"""A ledger on either store, its tables of proofs, and a key that signs."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from ledger.entrypoints.cli import cli
from ledger.proofs import signing
from ledger.proofs.auditor import Key, read_key
from ledger.proofs.sequencer import Sequencer
from ledger.proofs.signing import Signer
from ledger.proofs.tables import ProofTables
from ledger.store import EventStore, open_store
from tests.store.examples import events

NAME = "ledger.example.edu/careers"


class Sealing(NamedTuple):
    url: str
    store: EventStore
    tables: ProofTables
    signer: Signer

    @property
    def sequencer(self) -> Sequencer:
        return Sequencer(self.store, self.tables, self.signer)

    @property
    def keys(self) -> list[Key]:
        return [read_key(self.signer.verifier)]

    def record(self, student: str, first: int, last: int) -> None:
        """Versions of a student."""
        self.store.append(events(student, first, last))


def run(url: str, *words: str, code: int = 0, text: str | None = None) -> str:
    found = CliRunner().invoke(cli, ["--db", url, *words], prog_name="career-ledger", input=text)
    assert found.exit_code == code, found.output
    return found.output


def record(url: str, student: str, first: int, last: int) -> None:
    with open_store(url) as store:
        store.append(events(student, first, last))


@pytest.fixture
def signing_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "signing.key"
    monkeypatch.setenv(signing.VARIABLE, str(path))
    signing.make(NAME)
    return path


@pytest.fixture
def sealing(store_url: str, store: EventStore, signing_key: Path) -> Iterator[Sealing]:
    with ProofTables(store_url) as tables:
        yield Sealing(store_url, store, tables, signing.load())

