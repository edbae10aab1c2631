"""A backup that is put back in the place of a newer ledger: noticed before anything is written, and accepted as another
epoch where the newer one is lost."""

import json
from pathlib import Path

import pytest

from ledger.bootstrap import open_ledger
from ledger.proofs import signing
from ledger.proofs.auditor import check_proof, main, read_key
from ledger.proofs.outside import Behind
from ledger.proofs.sequencer import TwoHistories
from ledger.relay import Positions
from ledger.store import StoreUnusable, open_store
from ledger.store.epochs import position_given
from ledger.wire.kafka import Made
from tests.store.backups import accept, backup
from tests.store.examples import events

from .conftest import NAME, record, run

TOPIC = Made("career.events.v1", "abc", 6)


def line(student: str) -> str:
    return json.dumps({
        "id": f"{student}-enrolled", "type": "enrolled", "student": student, "career": "B",
        "effective_on": "2025-09-20", "recorded_at": "2026-05-04T12:00:00Z", "source": "test", "actor": "system:test",
        "data": {"programme": "L-LIN", "academic_year": "2025-26", "course_type": "bachelor", "access": "open",
                 "year": 1, "regime": "full-time"}}) + "\n"


def append(url: str, student: str, code: int = 0) -> str:
    return run(url, "append", "-", "--mode", "record", code=code, text=line(student))


@pytest.fixture
def lost(store_url, signing_key, tmp_path):
    """A ledger whose last two events are gone, and the checkpoint over them."""
    record(store_url, "S01", 1, 3)
    (tmp_path / "old.note").write_text(run(store_url, "checkpoint"))
    with backup(store_url) as older:
        record(store_url, "S02", 1, 2)
        (tmp_path / "lost.note").write_text(run(store_url, "checkpoint"))
        older.put_back()
        yield store_url


@pytest.fixture
def reason(tmp_path) -> Path:
    file = tmp_path / "reason.txt"
    file.write_text("Both disks burned; the copy of the night is all there is.\n")
    return file


def accepted(url: str, reason: Path, *more: str, code: int = 0) -> str:
    return run(url, "restore", "accept", "--authority", "the rector", "--authority", "head of IT",
               "--reason", str(reason), *more, code=code)


def test_older_copy_is_named_by_verify_beside_what_was_signed_last(lost, reason) -> None:
    found = json.loads(run(lost, "verify", "--json", code=5))
    assert [one["kind"] for one in found["findings"]] == ["cut"]
    accepted(lost, reason)
    run(lost, "checkpoint")
    found = json.loads(run(lost, "verify", "--json"))
    assert (found["findings"], found["outside"], found["beside"]) == ([], [], str(signing.signed_file()))
    said = run(lost, "verify")
    assert "compared with what was signed last" in said
    assert "NO CHECKPOINT FROM OUTSIDE WAS USED" in said


def test_nothing_is_written_to_an_older_copy_and_it_is_said_what_is_missing(lost, signing_key) -> None:
    signed = signing.signed_file().read_bytes()
    said = append(lost, "S03", code=6)
    assert "signed up to 7 entries, and this one has 4" in said
    assert "its last event is at position 3" in said
    assert "older copy" in run(lost, "checkpoint", code=6)
    assert "copia meno recente" in run(lost, "--lang", "it", "append", "-", code=6, text=line("S03"))
    run(lost, "status", "S01")
    assert ("proofs", "failed", "behind/signed") in {
        (one["check"], one["state"], one["message_id"]) for one in map(json.loads, run(lost, "doctor", "--json", code=1)
                                                                       .splitlines())}
    with open_store(lost) as store:
        assert store.last_position() == 3
    assert signing.signed_file().read_bytes() == signed


def test_newer_copy_that_is_put_back_is_written_on(store_url, signing_key) -> None:
    record(store_url, "S01", 1, 3)
    run(store_url, "checkpoint")
    with backup(store_url) as older:
        record(store_url, "S02", 1, 2)
        run(store_url, "checkpoint")
        with backup(store_url) as newer:
            older.put_back()
            append(store_url, "S02", code=6)
            newer.put_back()
            append(store_url, "S02")


def test_writer_at_work_notices_when_its_database_is_put_back(store_url, signing_key) -> None:
    record(store_url, "S01", 1, 3)
    run(store_url, "checkpoint")
    with backup(store_url) as older, open_ledger(store_url) as ledger:
        assert [one["outcome"] for one in ledger.append_lines([line("S02").encode()], "record")] == ["accepted"]
        run(store_url, "checkpoint")
        older.put_back()
        with pytest.raises(StoreUnusable) as raised:
            list(ledger.append_lines([line("S03").encode()], "record"))
        if store_url.startswith("postgresql"):
            assert isinstance(raised.value, Behind)
    with open_store(store_url) as store:
        assert store.last_position() == 3


def test_cut_off_end_below_a_kept_checkpoint_is_noticed(store_url, signing_key) -> None:
    from tests.projections.test_older_log import lose

    record(store_url, "S01", 1, 3)
    run(store_url, "checkpoint")
    lose(store_url, 2)
    assert "older copy" in append(store_url, "S01", code=6)


def test_what_was_published_is_missed_without_a_key(store_url) -> None:
    record(store_url, "S01", 1, 3)
    with Positions(store_url) as positions:
        positions.prepare()
        positions.reached(TOPIC, 5)
    assert "published, and its last one is at position 3" in append(store_url, "S01", code=6)


def test_accepted_copy_goes_on_as_another_epoch_above_every_position(lost, reason, tmp_path, signing_key) -> None:
    answer = json.loads(accepted(lost, reason, "--json"))
    assert {name: answer[name] for name in ("epoch", "position", "reached", "log", "topics_read", "students")} == {
        "epoch": 2, "position": 3, "reached": 5, "log": f"{NAME}/epoch-2", "topics_read": False, "students": []}
    assert (answer["lost_checkpoint"]["size"], answer["key"]) == (7, signing.load().of(2).verifier)
    assert "nothing is known to be missing" in accepted(lost, reason, code=3)
    append(lost, "S02")
    with open_store(lost) as store:
        assert (store.identity().epoch, store.last_position()) == (2, 6)
    note = run(lost, "checkpoint")
    assert run(lost, "keys", "sign", NAME).strip() == answer["key"]
    (tmp_path / "new.note").write_text(note)
    assert note.startswith(f"{NAME}/epoch-2\n7\n")
    answer = json.loads(run(lost, "verify", "--json", "--checkpoint", str(tmp_path / "old.note"),
                            "--checkpoint", str(tmp_path / "new.note")))
    assert (answer["findings"], answer["checkpoints"], len(answer["outside"])) == ([], 3, 2)
    answer = json.loads(run(lost, "verify", "--json", "--checkpoint", str(tmp_path / "lost.note"), code=5))
    assert [one["kind"] for one in answer["findings"]] == ["given-up"]
    said = run(lost, "verify", "--checkpoint", str(tmp_path / "lost.note"), code=5)
    assert "NO CHECKPOINT FROM OUTSIDE COVERS WHAT IS IN THE LEDGER" in said
    assert "WAS USED" not in said


def test_log_says_what_was_given_up_and_proofs_hold_in_both_epochs(lost, reason, tmp_path, signing_key, capsys) -> None:
    accepted(lost, reason)
    run(lost, "checkpoint")  # ends with the entry, before anything new
    proof, keys = tmp_path / "S01.proof", [read_key(signing.load().of(2).verifier)]
    run(lost, "prove", "S01", "--to", str(proof))
    assert "\ncareer-ledger/restore.v1\n3\n3\n1\n" in proof.read_text()
    assert "\n2\n5\n7\n" in proof.read_text()
    assert len(check_proof(proof.read_text(), keys).events) == 3
    assert main(["proof", str(proof), "--key", signing.load().of(2).verifier]) == 0
    run(lost, "check", str(proof))
    damaged = proof.read_text().replace("\n2\n5\n7\n", "\n2\n5\n4\n")
    proof.write_text(damaged)
    assert main(["proof", str(proof), "--key", signing.load().of(2).verifier]) == 1
    append(lost, "S02")
    run(lost, "checkpoint")
    run(lost, "prove", "S02", "--to", str(proof))
    run(lost, "prove", "S01", "--as-of", "3", "--to", str(tmp_path / "before.proof"))
    run(lost, "check", str(tmp_path / "before.proof"))
    assert json.loads(run(lost, "verify", "--json"))["findings"] == []


def test_facts_of_a_restore_cannot_be_altered(lost, reason, signing_key) -> None:
    accepted(lost, reason)
    run(lost, "checkpoint")
    statement = "UPDATE career_ledger_epochs SET reason = 'nothing'"
    if lost.startswith("sqlite"):
        import sqlite3

        with sqlite3.connect(lost.removeprefix("sqlite:///")) as link:
            link.execute(statement)
    else:
        import psycopg

        with psycopg.connect(lost) as link:
            link.execute(statement.encode())
    assert [one["kind"] for one in json.loads(run(lost, "verify", "--json", code=5))["findings"]] == ["checkpoint"]


def test_copy_from_before_an_accepted_restore_is_older_too(store_url, reason, signing_key) -> None:
    record(store_url, "S01", 1, 3)
    run(store_url, "checkpoint")
    with backup(store_url) as oldest:
        record(store_url, "S02", 1, 2)
        run(store_url, "checkpoint")
        oldest.put_back()
        accepted(store_url, reason)
        run(store_url, "checkpoint")
        append(store_url, "S03")
        oldest.put_back()
        assert "epoch-2 was signed" in append(store_url, "S03", code=6)
        with open_ledger(store_url) as ledger, pytest.raises(TwoHistories):
            ledger.checkpoint()
        answer = json.loads(accepted(store_url, reason, "--json"))
        assert (answer["epoch"], answer["reached"], answer["log"]) == (3, 5, f"{NAME}/epoch-3")
        run(store_url, "checkpoint")
        assert json.loads(run(store_url, "verify", "--json"))["findings"] == []


def test_restore_is_accepted_by_two_and_by_the_owner_of_the_tables(lost, reason, request) -> None:
    one = ("restore", "accept", "--authority", "the rector", "--reason", str(reason))
    assert "two different" in run(lost, *one, "--authority", "The Rector ", code=2)
    if lost.startswith("postgresql"):
        writer = request.getfixturevalue("as_role")("career_ledger_importer")
        assert "older copy" in append(writer, "S03", code=6)
        assert "does not allow" in accepted(writer, reason, code=6)
        accepted(lost, reason)
        append(writer, "S03")


def test_published_ledger_is_accepted_when_somebody_says_what_the_topics_held(store_url, reason, signing_key) -> None:
    record(store_url, "S01", 1, 3)
    with Positions(store_url) as positions:
        positions.prepare()
        positions.reached(TOPIC, 5)
    assert "--kafka" in accepted(store_url, reason, code=6)
    said = accepted(store_url, reason, "--topics-lost")
    assert "Epoch 2 begins after position 3. Positions go on above 5." in said
    assert "nobody has listed whose events are gone" in said
    append(store_url, "S01")


def test_epoch_begins_once_and_positions_never_go_back(store_url, store) -> None:
    store.append(events("S01", 1, 3))
    accept(store_url, reached=9)
    with pytest.raises(StoreUnusable, match="epoch 2 by now"):
        accept(store_url, reached=5)
    accept(store_url, 3, reached=4)
    assert position_given(store_url) == 9
    assert [one.position for one in store.append(events("S01", 4, 5))] == [10, 11]
