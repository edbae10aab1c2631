"""Signed notes beside openssl; damaged ones; the file of the key."""

import base64
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ledger.entrypoints.cli import cli
from ledger.privacy import master
from ledger.proofs import signing
from ledger.proofs.auditor import (
    WITNESS_KEY,
    Key,
    Seen,
    Wrong,
    check_tlog_proof,
    is_signed,
    key_id,
    leaf_hash,
    main,
    node_hash,
    open_checkpoint,
    read_key,
)
from ledger.proofs.signing import checkpoint_body
from ledger.proofs.writing import Way, tlog_proof
from ledger.store import StoreUnusable

NAME = "ledger.example.edu/careers"
BODY = checkpoint_body(NAME, 2, node_hash(leaf_hash(b"a"), leaf_hash(b"b")))
SEED = Ed25519PrivateKey.from_private_bytes(b"\7" * 32)
KEY = "PRIVATE+KEY+ledger.example.edu/careers+857d19ca+AQcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH"


@pytest.fixture
def signer(monkeypatch):
    monkeypatch.setenv(signing.VARIABLE, KEY)
    return signing.load()


def cosigned(note: str, name: str, key: Ed25519PrivateKey, time: int) -> str:
    """As a witness does."""
    public = key.public_key().public_bytes_raw()
    body = note.partition("\n\n")[0] + "\n"
    signature = key.sign(f"cosignature/v1\ntime {time}\n{body}".encode())
    coded = base64.b64encode(key_id(name, WITNESS_KEY, public) + time.to_bytes(8, "big") + signature).decode()
    return f"{note}\u2014 {name} {coded}\n"


def test_openssl_accepts_a_signature_and_refuses_it_when_the_text_is_another(signer, tmp_path) -> None:
    note = signer.sign(BODY)
    public = signer.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "pub.pem").write_bytes(public)
    (tmp_path / "sig").write_bytes(base64.b64decode(note.split()[-1])[4:])
    for body, code in ((BODY, 0), (BODY.replace("\n2\n", "\n3\n"), 1)):
        (tmp_path / "body").write_text(body)
        done = subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "pub.pem", "-rawin", "-in", "body",
                               "-sigfile", "sig"], cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode == code


def test_script_and_library_agree_when_signatures_are_damaged(signer) -> None:
    public = signer.key.public_key().public_bytes_raw()
    signature = signer.key.sign(b"text")
    assert is_signed(public, signature, b"text")
    order = 2**252 + 27742317777372353535851937790883648493
    again = (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    for key, sign, text in (
            (public, signature, b"texts"), (public, signature[:32] + again, b"text"), (public, bytes(64), b"text"),
            (bytes(32), signature, b"text"), (b"\xff" * 32, signature, b"text"), (public, signature[:-1], b"text"),
            (public, bytes([signature[0] ^ 1]) + signature[1:], b"text")):
        assert not is_signed(key, sign, text)


def test_checkpoint_names_its_witnesses_when_they_are_known_and_passes_over_others(signer) -> None:
    witness = Ed25519PrivateKey.from_private_bytes(b"w" * 32)
    note = cosigned(signer.sign(BODY), "witness.example", witness, 1_770_000_000)
    public = witness.public_key().public_bytes_raw()
    theirs = Key("witness.example", key_id("witness.example", WITNESS_KEY, public), WITNESS_KEY, public)
    ours = read_key(signer.verifier)
    assert open_checkpoint(note, [ours, theirs])[1] == [Seen(NAME, None), Seen("witness.example", 1_770_000_000)]
    assert open_checkpoint(note, [ours])[1] == [Seen(NAME, None)]
    with pytest.raises(Wrong, match="not signed this"):
        open_checkpoint(note, [theirs])
    cut = note.rindex(" ") + 1
    later = base64.b64decode(note[cut:])
    another = base64.b64encode(later[:4] + bytes(8) + later[12:]).decode()
    with pytest.raises(Wrong, match=r"witness\.example does not hold"):
        open_checkpoint(f"{note[:cut]}{another}\n", [ours, theirs])


def test_witness_whose_key_is_given_must_have_signed(signer, tmp_path, capsys) -> None:
    """Whoever leaves a cosignature out of a note leaves a signed note."""
    witness = Ed25519PrivateKey.from_private_bytes(b"w" * 32)
    public, alone = witness.public_key().public_bytes_raw(), signer.sign(BODY)
    named = f"witness.example+{key_id('witness.example', WITNESS_KEY, public).hex()}+"
    named += base64.b64encode(bytes([WITNESS_KEY]) + public).decode()
    both = cosigned(alone, "witness.example", witness, 1_770_000_000)
    for note, code in ((both, 0), (alone, 1)):
        (tmp_path / "note").write_text(note)
        words = [str(tmp_path / "note"), "--key", signer.verifier, "--key", named]
        assert main(["checkpoint", *words]) == code
        assert CliRunner().invoke(cli, ["check", *words]).exit_code == 5 * code
    assert "the witness witness.example, whose key you gave, has not signed this" in capsys.readouterr().err


@pytest.mark.parametrize("damaged", [
    lambda note: note.replace("\n2\n", "\n3\n"), lambda note: note.replace("\n2\n", "\n02\n"),
    lambda note: note.replace("\u2014", "-"), lambda note: note[:-1], lambda note: note.replace("\n\n", "\n"),
    lambda note: note + "x\n", lambda note: note.replace("\n2\n", "\r\n2\n"), lambda note: note.replace("=", ""),
    lambda note: note.replace("careers\n", "career\n"), lambda note: ""])
def test_checkpoint_is_refused_when_its_note_is_damaged(signer, damaged) -> None:
    note, keys = signer.sign(BODY), [read_key(signer.verifier)]
    assert open_checkpoint(note, keys)[0].size == 2
    with pytest.raises(Wrong):
        open_checkpoint(damaged(note), keys)


def test_tlog_proof_shows_one_entry_and_no_other(signer) -> None:
    keys, text = [read_key(signer.verifier)], tlog_proof(Way(1, [leaf_hash(b"a")]), signer.sign(BODY))
    assert check_tlog_proof(text, b"b", keys).size == 2
    assert check_tlog_proof(text.replace("index", "extra AAAA\nindex", 1), b"b", keys).size == 2
    for entry, other in ((b"c", text), (b"b", text.replace("index 1", "index 0")),
                         (b"b", text.replace("index 1", "index 2"))):
        with pytest.raises(Wrong):
            check_tlog_proof(other, entry, keys)


def test_key_is_made_for_its_owner_alone_and_stays_when_it_is_asked_for_again(monkeypatch, tmp_path: Path) -> None:
    file = tmp_path / "signing.key"
    monkeypatch.setenv(signing.VARIABLE, str(file))
    made = signing.make(NAME)
    assert (file.stat().st_mode & 0o777, signing.make(NAME).verifier) == (0o600, made.verifier)
    assert made.last() is None
    made.remember(made.sign(BODY), 7)
    assert (signing.load().last().checkpoint.size, signing.load().last().position) == (2, 7)
    with pytest.raises(StoreUnusable, match="is that of ledger"):
        signing.make("other.example")
    file.chmod(0o640)
    with pytest.raises(StoreUnusable, match="chmod 600"):
        signing.load()


@pytest.mark.parametrize("text", ["", KEY[:-1], KEY.replace("857d", "0000"), KEY.replace("careers", "career s")])
def test_key_is_refused_without_a_word_of_it_when_it_is_damaged(monkeypatch, text) -> None:
    monkeypatch.setenv(signing.VARIABLE, text)
    with pytest.raises(StoreUnusable) as refused:
        signing.load()
    assert "AQcH" not in str(refused.value)


@pytest.mark.parametrize("said", ["AQcH" * 100, "AQcH/" + "AQcH" * 60, KEY.removeprefix(signing.FORM)])
def test_what_is_neither_a_key_nor_a_file_is_refused_without_a_word_of_it(monkeypatch, tmp_path, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(signing.VARIABLE, said)
    for ask in (signing.load, lambda: signing.signed_in(signing.signed_file()) or signing.load()):
        with pytest.raises(StoreUnusable, match=signing.VARIABLE) as refused:
            ask()
        assert "AQcH" not in str(refused.value)


@pytest.mark.parametrize("said", ["/", ".", "./"])
def test_variable_that_names_a_folder_is_refused_in_words(monkeypatch, said: str) -> None:
    monkeypatch.setenv(signing.VARIABLE, said)
    for ask in (signing.signed_file, signing.load, lambda: signing.make(NAME)):
        with pytest.raises(StoreUnusable, match=signing.VARIABLE):
            ask()
    monkeypatch.setenv(master.VARIABLE, said)
    for load in (master.path_of, master.load):
        with pytest.raises(StoreUnusable, match=f"{master.VARIABLE} names a folder"):
            load()


@pytest.mark.parametrize("text", ["", "x", "a+00000000+AQ==", "a b+00000000+" + base64.b64encode(b"\1" * 33).decode()])
def test_verifier_key_is_refused_when_it_is_damaged(text) -> None:
    with pytest.raises(Wrong):
        read_key(text)
