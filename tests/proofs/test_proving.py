"""A student's proof: what it shows, at any checkpoint, to the library and to the auditor's script; damaged ones are
refused."""

import base64
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.entrypoints.cli import cli
from ledger.proofs import auditor
from ledger.proofs.auditor import Wrong, check_proof, leaf_hash
from ledger.proofs.proving import Disagrees, NotSealed, handovers, prove
from ledger.proofs.sequencer import Sequencer
from ledger.proofs.signing import Signer
from ledger.proofs.tables import ProofTables
from ledger.proofs.tree import Tree
from ledger.proofs.writing import Way, tlog_proof
from ledger.store import open_store
from tests.proofs.damaged import DAMAGED, GOLDEN
from tests.proofs.test_signing import KEY, SEED
from tests.store.damage import alter
from tests.store.examples import events

SCRIPT = Path(auditor.__file__)


@pytest.fixture
def sealed(sealing):
    """S01 has three events, sealed at positions 2, 4 and 5."""
    sealing.record("S01", 1, 1)
    sealing.record("S02", 1, 1)
    sealing.sequencer.seal()
    sealing.record("S01", 2, 2)
    sealing.record("S03", 1, 1)
    sealing.sequencer.seal()
    sealing.record("S01", 3, 3)
    sealing.sequencer.seal()
    return sealing


def test_proof_shows_all_events_in_order_at_each_checkpoint(sealed) -> None:
    for position, count, size in ((None, 3, 8), (4, 2, 6), (3, 1, 3), (2, 1, 3)):
        for full in (False, True):
            found = check_proof(prove(sealed.store, sealed.tables, "S01", position, full).text, sealed.keys)
            stored = sealed.store.rows_of("S01")[:count]
            assert [(one.position, one.name, one.state) for one in found.events] == stored
            assert (found.checkpoint.size, found.position) == (size, {8: 5, 6: 4, 3: 2}[size])
            assert [one.place is not None for one in found.events] == [full] * (count - 1) + [True]
    assert [one.place for one in found.events] == [0]
    with pytest.raises(NotSealed):
        prove(sealed.store, sealed.tables, "S01", 1)


def test_proof_shows_that_nothing_was_held_when_a_student_is_unknown_or_came_later(sealed) -> None:
    for student, position in (("S99", None), ("S03", 2)):
        found = check_proof(prove(sealed.store, sealed.tables, student, position).text, sealed.keys)
        assert (found.student, found.events, found.students) == (student, [], 2 if position else 3)


def test_no_proof_is_made_when_an_event_was_altered(sealed) -> None:
    alter(sealed.url, "UPDATE stored_events SET topic = 'refunded.v1' WHERE POSITION = 3")
    with pytest.raises(Disagrees):
        prove(sealed.store, sealed.tables, "S01")


NEXT = Ed25519PrivateKey.from_private_bytes(b"\x09" * 32)
"""To which the key is handed over."""


def made_golden(folder: Path) -> dict[str, str]:
    """Two checkpoints of a log of four events, and what is proved under the second one."""
    url = f"sqlite:///{folder / 'ledger.db'}"
    signer = Signer(KEY.split("+")[2], SEED, None)
    with open_store(url) as store, ProofTables(url) as tables:
        sequencer = Sequencer(store, tables, signer)
        store.append([*events("S01", 1, 2), *events("S02", 1, 1)])
        first = sequencer.seal()
        store.append(events("S01", 3, 3))
        second = sequencer.seal()
        with tables.reading() as kept:
            tree = Tree(second.size, kept.tile)
            consistency = [base64.b64encode(one).decode() for one in tree.consistency(first.size)]
            way = Way(second.size - 1, tree.inclusion(second.size - 1))
        golden = {"key": signer.verifier + "\n", "first.checkpoint": first.note, "second.checkpoint": second.note,
                "consistency": "\n".join(consistency) + "\n", "heads.entry": second.heads,
                "heads.tlog-proof": tlog_proof(way, second.note),
                "S01.proof": prove(store, tables, "S01").text,
                "S01-full.proof": prove(store, tables, "S01", full=True).text,
                "S99.proof": prove(store, tables, "S99").text}
        third = sequencer.hand_over(signer._replace(key=NEXT))
        later = Sequencer(store, tables, signer._replace(key=NEXT))
        store.append(events("S02", 2, 2))
        later.seal()
        return golden | {"third.checkpoint": third.note, "handover": handovers(tables),
                         "next-key": signer._replace(key=NEXT).verifier + "\n",
                         "S02-later.proof": prove(store, tables, "S02").text}


def test_golden_proofs_are_made_again_byte_for_byte_and_hold(tmp_path) -> None:
    golden = {file.name: file.read_text() for file in sorted(GOLDEN.iterdir())}
    assert made_golden(tmp_path) == golden
    keys = [auditor.read_key(golden["key"])]
    first, second = (auditor.open_checkpoint(golden[f"{name}.checkpoint"], keys)[0] for name in ("first", "second"))
    steps = [auditor.unbase64(line) for line in golden["consistency"].split()]
    auditor.check_consistency(first.size, second.size, first.root, second.root, steps)
    assert auditor.check_tlog_proof(golden["heads.tlog-proof"], golden["heads.entry"].encode(), keys) == second
    assert [len(check_proof(golden[f"{name}.proof"], keys).events) for name in ("S01", "S01-full", "S99")] == [3, 3, 0]
    with pytest.raises(Wrong, match="handed over"):
        check_proof(golden["S02-later.proof"], keys)
    keys = auditor.handed_over(keys, auditor.read_handovers(golden["handover"]))
    assert keys[1][:4] == auditor.read_key(golden["next-key"])[:4]
    assert len(check_proof(golden["S02-later.proof"], keys).events) == 2


@pytest.fixture(scope="module")
def shown():
    """The text of a full proof of S01, that of a student without events, and the verifier key."""
    return tuple((GOLDEN / name).read_text() for name in ("S01-full.proof", "S99.proof", "key"))


@pytest.mark.parametrize("damage", DAMAGED)
def test_proof_is_refused_when_it_is_damaged(shown, damage) -> None:
    text, _, verifier = shown
    keys = [auditor.read_key(verifier)]
    assert len(check_proof(text, keys).events) == 3
    damaged = DAMAGED[damage](text)
    assert damaged != text
    with pytest.raises(Wrong):
        check_proof(damaged, keys)


def test_proof_ends_with_a_tlog_proof_of_the_entry_that_names_the_map(shown) -> None:
    text, _, verifier = shown
    entry = re.search(r"career-ledger/heads.*?\n(?=c2sp)", text, re.S)
    checkpoint = auditor.check_tlog_proof(text[entry.end():], entry[0].encode(), [auditor.read_key(verifier)])
    assert checkpoint.size == 6
    assert leaf_hash(entry[0].encode())


def test_script_answers_as_the_library_when_it_runs_without_this_package(shown, tmp_path) -> None:
    text, unknown, verifier = shown
    (tmp_path / "auditor.py").write_bytes(SCRIPT.read_bytes())
    (tmp_path / "key").write_text(verifier + "\n")
    (tmp_path / "checkpoint").write_text(text[text.rindex("ledger.example.edu/careers\n6"):])

    def run(what: str, content: str, *more: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "file").write_text(content)
        return subprocess.run([sys.executable, "-I", "-S", "auditor.py", what, "file", *more], cwd=tmp_path, text=True,
                              capture_output=True, check=False)

    done = run("proof", text, "--key", "key", "--checkpoint", "checkpoint")
    assert (done.returncode, done.stdout.splitlines()[-1], done.stderr) == (0, "IT HOLDS", "")
    assert done.stdout.count("event ") == 3
    assert "held nothing of this student" in run("proof", unknown, "--key", verifier.strip()).stdout
    note = (tmp_path / "checkpoint").read_text()
    assert run("checkpoint", note, "--key", "key").returncode == 0
    for what, content in (("proof", DAMAGED["an event changed"](text)), ("checkpoint", note.replace("\n6\n", "\n7\n"))):
        refused = run(what, content, "--key", "key")
        assert (refused.returncode, refused.stderr.startswith("DOES NOT HOLD")) == (1, True)
    assert (run("proof", text).returncode, run("proof", text, "--key", "nothing").returncode) == (2, 1)


FIRST, SECOND = (str(GOLDEN / f"{name}.checkpoint") for name in ("first", "second"))


@pytest.mark.parametrize(("held", "code", "words"), [
    ([], 0, "COMPARED WITH NO CHECKPOINT FROM ELSEWHERE"),
    ([SECOND], 0, f"compared with: {SECOND}"),
    ([FIRST, SECOND], 0, f"compared with: {SECOND}"),
    ([FIRST], 1, "nothing was compared: none of the checkpoints that you gave is one of ledger.example.edu/careers "
                 "with 6 entries")])
def test_proof_says_which_checkpoints_it_was_compared_with(capsys, held, code, words) -> None:
    given = [word for one in held for word in ("--checkpoint", one)]
    proof, key = str(GOLDEN / "S01.proof"), str(GOLDEN / "key")
    assert auditor.main(["proof", proof, "--key", key, *given]) == code
    said = capsys.readouterr()
    assert words in said.out + said.err
    assert ("IT HOLDS" in said.out) == (code == 0)
    done = CliRunner().invoke(cli, ["--lang", "en", "check", proof, "--key", key, *given])
    assert (done.exit_code, words.split(":")[0] in done.output) == (5 * code, True), done.output


def test_checkpoints_convict_only_those_of_one_log_and_size() -> None:
    of = auditor.Checkpoint("ledger.example.edu/careers", 6, bytes(32))
    same, later, given_up = of, of._replace(size=9), of._replace(origin=f"{of.origin}/epoch-2", root=bytes([1] * 32))
    assert auditor.compare(of, [("a", same), ("b", later), ("c", given_up)]) == ["a"]
    for other in (of, later):
        with pytest.raises(Wrong, match="they convict the ledger"):
            auditor.compare(of, [("a", same), ("b", later), ("c", other._replace(root=bytes([1] * 32)))])


@pytest.mark.parametrize("name", ["S99\u200b", "\uff3399", "S99 ", "S99\x1b[2J", ""])
def test_nothing_is_shown_of_a_name_that_only_looks_like_hers(sealed, signing_key, tmp_path, capsys, name) -> None:
    """Of any name that no student has it could be proved, rightly, that nothing is held."""
    path = tmp_path / "her.proof"
    path.write_text(prove(sealed.store, sealed.tables, name).text)
    with pytest.raises(Wrong, match="is no name that a ledger gives a student"):
        check_proof(path.read_text(), sealed.keys)
    assert auditor.main(["proof", str(path), "--key", sealed.signer.verifier]) == 1
    assert capsys.readouterr().err.strip().isprintable()
    assert CliRunner().invoke(cli, ["--db", sealed.url, "prove", name, "--to", str(path)]).exit_code == 3


@pytest.mark.parametrize("words", [["--key"], ["--key", "x", "--checkpoint"], ["--key", ""]])
def test_option_without_its_value_is_wrong_usage(words) -> None:
    assert auditor.main(["proof", str(GOLDEN / "S01.proof"), *words]) == 2
