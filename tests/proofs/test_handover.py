"""The signing key is handed over to another one: who trusts one of the two is led to the other, and to no third."""

import json
import re
import threading
from pathlib import Path

import pytest

from ledger.proofs import auditor, signing
from ledger.proofs.auditor import Wrong, check_proof, handed_over, open_checkpoint, read_handovers, read_key
from ledger.proofs.proving import handovers
from ledger.proofs.sequencer import Sequencer
from ledger.proofs.signing import KeysGiven, Signer
from ledger.proofs.tables import ProofTables
from ledger.store import StoreUnusable
from tests.store.backups import backup

from .conftest import NAME, Sealing, run
from .test_restore import accepted, append, reason

__all__ = ["reason"]


class Rotated:
    """A ledger whose key was handed over after a first checkpoint of three events, and that has gone on since."""

    def __init__(self, sealing: Sealing, folder: Path) -> None:
        self.sealing, self.folder, self.url = sealing, folder, sealing.url
        self.old = signing.load()
        sealing.record("S01", 1, 3)
        self.before = self.file("before", run(self.url, "checkpoint"))
        sealing.record("S02", 1, 1)
        self.chain = folder / "handovers"
        said = run(self.url, "keys", "sign", NAME, "--rotate", "--handovers", str(self.chain))
        self.new = signing.load()
        assert said == f"{self.new.verifier}\n" != f"{self.old.verifier}\n"
        sealing.record("S01", 4, 4)
        self.after = self.file("after", run(self.url, "checkpoint"))

    def file(self, name: str, text: str) -> Path:
        path = self.folder / f"{name}.note"
        path.write_text(text)
        return path

    def findings(self, *words: str) -> list[str]:
        code = 5 if "--bad" in words else 0
        told = run(self.url, "verify", "--json", *(one for one in words if one != "--bad"), code=code)
        return [one["kind"] for one in json.loads(told)["findings"]]


@pytest.fixture
def rotated(sealing, signing_key, tmp_path) -> Rotated:
    return Rotated(sealing, tmp_path)


def test_log_says_who_signs_from_then_on_and_both_have_signed_it(rotated, signing_key) -> None:
    [one] = read_handovers(rotated.chain.read_text())
    assert one[:2] == (read_key(rotated.old.verifier), read_key(rotated.new.verifier))
    assert one.checkpoint.size == 7
    with rotated.sealing.tables.reading() as kept:
        [first, _, changed, last] = kept.checkpoints()
    assert changed.heads.startswith("career-ledger/key.v1\n4\n4\n2\n")
    for key, opens in ((rotated.old, (first, changed)), (rotated.new, (changed, last))):
        for point in (first, changed, last):
            if point in opens:
                assert open_checkpoint(point.note, [read_key(key.verifier)])[0].size == point.size
            else:
                with pytest.raises(Wrong, match="hand-overs"):
                    open_checkpoint(point.note, [read_key(key.verifier)])
    assert not signing_key.with_name("signing.key.next").exists()
    assert signing_key.stat().st_mode & 0o777 == 0o600
    assert rotated.old.verifier.split("+")[2] not in signing_key.read_text()


def test_whoever_holds_one_of_the_two_keys_verifies_all(rotated, tmp_path) -> None:
    outside = ("--checkpoint", str(rotated.before), "--checkpoint", str(rotated.after))
    for key in ((), ("--key", rotated.old.verifier), ("--key", rotated.new.verifier)):
        assert rotated.findings(*outside, *key) == []
    proof = str(tmp_path / "S01.proof")
    run(rotated.url, "prove", "S01", "--to", proof)
    for words in ((proof, *outside), (str(rotated.after),), (str(rotated.before),)):
        for key in (rotated.old, rotated.new):
            run(rotated.url, "check", *words, "--key", key.verifier, "--key", str(rotated.chain))
    assert "hand-overs" in run(rotated.url, "check", proof, "--key", rotated.old.verifier, code=5)


def test_script_is_led_from_the_key_that_it_was_given_and_says_so_otherwise(rotated, tmp_path, capsys) -> None:
    proof, words = tmp_path / "S01.proof", ["--key", str(rotated.chain)]
    run(rotated.url, "prove", "S01", "--to", str(proof))
    assert auditor.main(["proof", str(proof), "--key", rotated.old.verifier, *words]) == 0
    assert "IT HOLDS" in capsys.readouterr().out
    assert auditor.main(["proof", str(proof), "--key", rotated.old.verifier]) == 1
    assert auditor.main(["checkpoint", str(rotated.before), "--key", rotated.new.verifier, *words]) == 0
    stranger = Signer(NAME, signing.Ed25519PrivateKey.generate(), None)
    assert auditor.main(["proof", str(proof), "--key", stranger.verifier, *words]) == 1
    assert "none of those that you gave" in capsys.readouterr().err


def test_key_that_was_given_up_signs_nothing_more(rotated) -> None:
    """Whoever has stolen it does; the one who knows of the hand-over refuses it."""
    forged = rotated.old.sign(signing.checkpoint_body(NAME, 9, bytes(32)))
    early = rotated.new.sign(signing.checkpoint_body(NAME, 4, bytes(32)))
    known = handed_over([read_key(rotated.old.verifier)], read_handovers(rotated.chain.read_text()))
    for note, why in ((forged, "0 to 7 entries: it was handed over"), (early, "7 to any number of entries")):
        with pytest.raises(Wrong, match=why):
            open_checkpoint(note, known)
    held = rotated.file("forged", forged)
    assert "handed over" in run(rotated.url, "verify", "--checkpoint", str(held), "--key", rotated.old.verifier, code=5)
    with ProofTables(rotated.url) as tables, pytest.raises(StoreUnusable, match="not that of the key that signs"):
        Sequencer(rotated.sealing.store, tables, rotated.old).seal()


@pytest.mark.parametrize("damage", [
    lambda text: text.replace("key.v1\n4\n4", "key.v1\n4\n5"), lambda text: text.replace("index 6", "index 5"),
    lambda text: re.sub(r"(\u2014 .*\n)\u2014 .*\n$", r"\1", text), lambda text: text[:-9] + "AAAAAA==\n",
    lambda text: re.sub(r"(\n.*careers\+.*)(\n.*careers\+.*)", r"\2\1", text, count=1),
    lambda text: text.replace("careers\n7\n", "careers\n8\n"), lambda text: text[:300]],
    ids=["entry", "index", "one-signature", "signature", "keys-swapped", "size", "cut-off"])
def test_damaged_hand_over_is_refused(rotated, damage) -> None:
    text = rotated.chain.read_text()
    assert damage(text) != text
    with pytest.raises(Wrong):
        read_handovers(damage(text))


def test_two_hand_overs_of_one_key_convict_its_holder(rotated, tmp_path) -> None:
    thief = Signer(NAME, signing.Ed25519PrivateKey.generate(), None)
    heads = auditor.heads_entry(0, 0, 0, "0" * 64, "0" * 64)
    entry = auditor.handover_entry(heads, rotated.old.verifier, thief.verifier)
    body = signing.checkpoint_body(NAME, 1, auditor.leaf_hash(entry))
    forged = f"{entry.decode()}c2sp.org/tlog-proof@v1\nindex 0\n\n{rotated.old.sign(body)}{thief.line(body)}"
    stolen = read_handovers(forged)
    assert read_key(thief.verifier)._replace(first=1) in handed_over([read_key(rotated.old.verifier)], stolen)
    with pytest.raises(Wrong, match="two hand-overs of one key"):
        handed_over([read_key(rotated.old.verifier)], [*stolen, *read_handovers(rotated.chain.read_text())])
    (tmp_path / "forged").write_text(forged)
    assert "two hand-overs" in run(rotated.url, "verify", "--key", rotated.old.verifier, "--key",
                                   str(tmp_path / "forged"), code=5)


def test_key_is_handed_over_again_and_the_first_one_leads_to_the_last(rotated, tmp_path) -> None:
    run(rotated.url, "keys", "sign", NAME, "--rotate")
    rotated.sealing.record("S03", 1, 1)
    note = run(rotated.url, "checkpoint")
    run(rotated.url, "keys", "sign", NAME, "--handovers", str(rotated.chain))
    first, second = read_handovers(rotated.chain.read_text())
    for order in ([first, second], [second, first], [first, second, first]):
        known = handed_over([read_key(rotated.old.verifier)], order)
        assert open_checkpoint(note, known)[0].size == 12
        assert sorted((one.first, one.last) for one in known) == [(0, 7), (7, 10), (10, auditor.LARGEST)]
    with pytest.raises(Wrong, match="none of those"):
        handed_over([read_key(rotated.old.verifier)], [second])
    assert rotated.findings("--key", rotated.old.verifier) == []


def killed(monkeypatch, what: str) -> None:
    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(what, die)


@pytest.mark.parametrize(("what", "is_kept", "is_signed"), [
    ("sequencer.Sequencer._seal", False, False), ("sequencer.Sequencer._sign", True, False),
    ("tables.ProofTables.note", True, False), ("signing.Signer.give_way", True, True)])
def test_hand_over_goes_on_where_it_was_killed(sealing, signing_key, monkeypatch, what, is_kept, is_signed) -> None:
    old = signing.load()
    sealing.record("S01", 1, 2)
    run(sealing.url, "checkpoint")
    with monkeypatch.context() as patched:
        killed(patched, f"ledger.proofs.{what}")
        run(sealing.url, "keys", "sign", NAME, "--rotate", code=130)
    waiting = signing_key.with_name("signing.key.next").read_text()
    if is_kept and not is_signed:
        assert run(sealing.url, "checkpoint").count("\u2014") == 2
    if is_kept:
        sealing.record("S02", 1, 1)
        assert "keys sign --rotate" in run(sealing.url, "checkpoint", code=6)
    verifier = run(sealing.url, "keys", "sign", NAME, "--rotate").strip()
    assert signing_key.read_text() == waiting
    assert verifier == signing.load().verifier != old.verifier
    sealing.record("S01", 3, 3)
    run(sealing.url, "checkpoint")
    assert json.loads(run(sealing.url, "verify", "--json", "--key", old.verifier))["findings"] == []
    with sealing.tables.reading() as kept:
        assert len(kept.handovers()) == 1


def test_hand_over_waits_for_nobody_and_says_what_is_in_the_way(sealing, signing_key, monkeypatch) -> None:
    assert "nothing is sealed" in run(sealing.url, "keys", "sign", NAME, "--rotate", code=3)
    sealing.record("S01", 1, 1)
    with ProofTables(sealing.url) as other, other.alone():
        assert "--follow" in run(sealing.url, "keys", "sign", NAME, "--rotate", code=6)
    monkeypatch.setenv(signing.VARIABLE, signing_key.read_text().strip())
    assert "Put it into a file" in run(sealing.url, "keys", "sign", NAME, "--rotate", code=6)


def test_process_that_waited_with_the_key_of_before_seals_nothing(rotated) -> None:
    stop = threading.Event()
    with ProofTables(rotated.url) as tables, pytest.raises(StoreUnusable):
        Sequencer(rotated.sealing.store, tables, rotated.old).follow(stop, lambda _: None)


def test_altered_hand_over_is_found(rotated) -> None:
    from tests.store.damage import alter

    stranger = Signer(NAME, signing.Ed25519PrivateKey.generate(), None)
    alter(rotated.url, f"UPDATE log_checkpoints SET heads = replace(heads, '{rotated.new.verifier}', "
                       f"'{stranger.verifier}')")
    assert rotated.findings("--bad", "--key", rotated.old.verifier) == ["checkpoint"]


def test_key_of_after_is_that_of_later_epochs_too(rotated, reason, tmp_path) -> None:
    """Handed over in the second epoch as well, and where the copy that was accepted is older than the hand-over."""
    with backup(rotated.url) as older:
        rotated.sealing.record("S04", 1, 1)
        lost = rotated.file("lost", run(rotated.url, "checkpoint"))
        run(rotated.url, "keys", "sign", NAME, "--rotate", "--handovers", str(rotated.chain))
        older.put_back()
        accepted(rotated.url, reason)
        append(rotated.url, "S05")
        second = rotated.file("second", run(rotated.url, "checkpoint"))
        assert second.read_text().startswith(f"{NAME}/epoch-2\n")
    run(rotated.url, "keys", "sign", NAME, "--rotate", "--handovers", str(tmp_path / "later"))
    append(rotated.url, "S06")
    third = rotated.file("third", run(rotated.url, "checkpoint"))
    keys = ("--key", rotated.old.verifier, "--key", str(rotated.chain))
    held = [word for one in (rotated.before, second, third) for word in ("--checkpoint", str(one))]
    assert rotated.findings(*held, *keys) == []
    assert rotated.findings("--bad", "--checkpoint", str(lost), *keys) == ["given-up"]
    given = KeysGiven([read_key(rotated.old.verifier)], read_handovers(rotated.chain.read_text() +
                                                                   (tmp_path / "later").read_text()))
    spans = sorted((one.name.removeprefix(NAME), one.first, one.last) for one in given.of_epochs(2))
    most = auditor.LARGEST
    assert [one for one in spans if one[0]] == [("/epoch-2", 0, 13), ("/epoch-2", 13, most)]


def test_export_and_import_take_the_hand_over_along(rotated, tmp_path) -> None:
    run(rotated.url, "export", str(tmp_path / "out"))
    other = f"sqlite:///{tmp_path / 'other.db'}"
    assert "hand-overs" in run(other, "import", str(tmp_path / "out"), "--key", rotated.old.verifier, code=5)
    run(other, "import", str(tmp_path / "out"), "--key", rotated.old.verifier, "--key", str(rotated.chain))
    assert json.loads(run(other, "verify", "--json", "--key", rotated.old.verifier))["findings"] == []
    with ProofTables(other) as tables:
        assert handovers(tables) == rotated.chain.read_text()
    run(other, "export", str(tmp_path / "again"))
    assert {path.name: path.read_bytes() for path in (tmp_path / "again" / "data").iterdir()} == \
        {path.name: path.read_bytes() for path in (tmp_path / "out" / "data").iterdir()}
    assert len(check_proof(proof_of(other, tmp_path), [read_key(rotated.new.verifier)]).events) == 4


def proof_of(url: str, folder: Path) -> str:
    run(url, "prove", "S01", "--to", str(folder / "S01.proof"))
    return (folder / "S01.proof").read_text()
