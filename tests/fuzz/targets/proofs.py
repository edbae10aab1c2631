"""What somebody checks who trusts nobody: proofs of students, checkpoints and keys, as they lie in files."""

import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from ledger.proofs import signing
from ledger.proofs.auditor import (
    Key,
    Wrong,
    check_proof,
    open_checkpoint,
    read_checkpoint,
    read_handovers,
    read_key,
)
from ledger.proofs.proving import prove
from ledger.proofs.sequencer import Sequencer
from ledger.proofs.tables import ProofTables
from ledger.store import open_store
from ledger.store.errors import StoreUnusable
from tests.store.examples import events

from .target import Target, or_refused

HANDOVER = Path(__file__).parents[2] / "proofs" / "golden" / "handover"


class Made(NamedTuple):
    proofs: list[bytes]
    checkpoint: bytes
    secret: bytes
    keys: list[Key]


@cache
def made() -> Made:
    folder = Path(tempfile.mkdtemp())
    url = f"sqlite:///{folder / 'ledger.db'}"
    with patch.dict("os.environ", {signing.VARIABLE: str(folder / "signing.key")}):
        signer = signing.make("ledger.example.edu/careers")
    with open_store(url) as store, ProofTables(url) as tables:
        store.append([*events("S01", 1, 2), *events("S02", 1, 1)])
        Sequencer(store, tables, signer).seal()
        proofs = [prove(store, tables, student, None, full).text.encode()
                  for student, full in (("S01", True), ("S02", False), ("S99", False))]
    note = (folder / "signing.key.signed").read_bytes().partition(b"\nposition")[0]
    return Made(proofs, note, (folder / "signing.key").read_bytes(), [read_key(signer.verifier)])


def proof(text: bytes) -> None:
    """One that holds is one of ours, or says the same."""
    given = text.decode("utf-8", "replace")
    found = or_refused(lambda: check_proof(given, made().keys), Wrong)
    if found is not None:
        said = [check_proof(one.decode(), made().keys) for one in made().proofs]
        assert (found.student, [one.state for one in found.events]) in [
            (one.student, [event.state for event in one.events]) for one in said]


def checkpoint(text: bytes) -> None:
    given = text.decode("utf-8", "replace")
    or_refused(lambda: read_checkpoint(given), Wrong)
    found = or_refused(lambda: open_checkpoint(given, made().keys), Wrong)
    if found is not None:
        assert found[0] == open_checkpoint(made().checkpoint.decode(), made().keys)[0]


def key(text: bytes) -> None:
    or_refused(lambda: read_key(text.decode("utf-8", "surrogateescape")), Wrong)


def handover(text: bytes) -> None:
    """Nobody but the two keys hands over."""
    found = or_refused(lambda: read_handovers(text.decode("utf-8", "replace")), Wrong)
    assert not found or set(found) == set(read_handovers(HANDOVER.read_text()))


def signing_key(text: bytes) -> None:
    given = text.decode("utf-8", "surrogateescape").strip()
    found = or_refused(lambda: signing._read(given, "the place", None), StoreUnusable, "the place")
    if found is not None:
        assert given == made().secret.decode().strip()
        assert "key" not in repr(found)


def verifiers() -> list[bytes]:
    with patch.dict("os.environ", {signing.VARIABLE: made().secret.decode().strip()}):
        return [signing.load().verifier.encode()]


TARGETS = (
    Target("handover", handover, lambda: [HANDOVER.read_bytes()], 40),
    Target("student-proof", proof, lambda: made().proofs, 40),
    Target("checkpoint", checkpoint, lambda: [made().checkpoint]),
    Target("verifier-key", key, verifiers),
    Target("signing-key", signing_key, lambda: [made().secret.strip()]),
)
