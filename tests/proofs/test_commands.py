"""The commands: what they print, and with which exit code."""

import json

import pytest

from ledger.proofs.auditor import open_checkpoint, read_key
from ledger.store import StoreUnusable, open_store
from tests.store.examples import events

from .conftest import NAME, run


@pytest.fixture
def sealing_postgres(postgres_url, signing_key):
    with open_store(postgres_url) as store:
        store.append(events("S01", 1, 2))


def test_checkpoint_is_printed_and_holds_when_the_key_is_the_logs(sqlite_url, signing_key) -> None:
    with open_store(sqlite_url) as store:
        assert "nothing is sealed" in run(sqlite_url, "checkpoint", code=3)
        store.append(events("S01", 1, 2))
    key = run(sqlite_url, "keys", "sign", NAME)
    note = run(sqlite_url, "checkpoint")
    assert open_checkpoint(note, [read_key(key)])[0].size == 3
    assert json.loads(run(sqlite_url, "checkpoint", "--json"))["note"] == note
    assert "is no name of a log" in run(sqlite_url, "keys", "sign", "two words", code=2)
    signing_key.chmod(0o644)
    assert "chmod 600" in run(sqlite_url, "checkpoint", code=6)


def test_sequencer_seals_under_its_own_role_and_does_nothing_else(postgres_url, as_role, sealing_postgres) -> None:
    run(postgres_url, "upgrade")
    sequencer, reader = as_role("career_ledger_sequencer"), as_role("career_ledger_reader")
    run(sequencer, "checkpoint")
    with open_store(postgres_url) as store:
        store.append(events("S02", 1, 1))
    assert "does not allow" in run(reader, "checkpoint", code=6)
    with open_store(sequencer, create=False) as store, pytest.raises(StoreUnusable, match="does not allow"):
        store.append(events("S02", 2, 2))
