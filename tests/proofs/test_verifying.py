"""What a superuser does to the log is found and named: with a checkpoint from outside always, without one as far as the
database still agrees with itself."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from ledger.entrypoints.cli import cli
from ledger.proofs import signing
from ledger.proofs.auditor import open_checkpoint
from ledger.proofs.proving import prove
from ledger.proofs.reading import outside_of as outside_files
from ledger.proofs.sequencer import Sequencer
from ledger.proofs.tables import ProofTables
from ledger.proofs.verifying import Outside, verify
from ledger.store import open_store
from tests.store.damage import alter
from tests.store.examples import events

TABLES = ("stored_events", "log_tiles", "log_checkpoints", "student_heads", "student_tiles")
SWAP = ("UPDATE stored_events SET state = (SELECT state FROM stored_events AS other WHERE other.POSITION = "
        "5 - stored_events.POSITION) WHERE POSITION IN (2, 3)")
TOP = "SELECT hashes FROM student_tiles WHERE level = 4"
HERS = "SELECT other.originator_id FROM kept_events AS other WHERE other.POSITION ="
TAMPERED: dict[str, tuple[list[str], list[tuple[str, int | None]]]] = {
    "a byte": (["UPDATE stored_events SET state = (SELECT other.state FROM kept_events AS other "
                "WHERE other.POSITION = 6) WHERE POSITION = 4"], [("changed", 4)]),
    "rows swapped": ([SWAP], [("changed", 2)]),
    "a type renamed": (["UPDATE stored_events SET topic = 'payment-moved.v1' WHERE POSITION = 5"], [("changed", 5)]),
    "a version renamed": (["UPDATE stored_events SET originator_version = 9 WHERE POSITION = 6"], [("changed", 6)]),
    "a row removed": (["DELETE FROM stored_events WHERE POSITION = 3"], [("removed", 2)]),
    "the first rows removed": (["DELETE FROM stored_events WHERE POSITION <= 2"], [("removed", 0)]),
    "the tail removed": (["DELETE FROM stored_events WHERE POSITION >= 6"], [("removed", 5)]),
    "everything removed": (["DELETE FROM stored_events"], [("removed", 0)]),
    "a row inserted": (["UPDATE kept_events SET originator_version = 8, POSITION = -4 WHERE POSITION = 6",
                        "INSERT INTO stored_events SELECT * FROM kept_events WHERE POSITION = -4"], [("inserted", -4)]),
    "tiles changed": (["UPDATE log_tiles SET hashes = (SELECT hashes FROM student_tiles WHERE level = 4)"],
                      [("tiles", None)]),
    "tiles removed": (["DELETE FROM log_tiles"], [("tiles", None), ("tiles", None)]),
    "a heads entry changed": (["UPDATE log_checkpoints SET heads = replace(heads, 'v1', 'v2') WHERE position = 6"],
                              [("checkpoint", None)]),
    "a signature changed": (["UPDATE log_checkpoints SET note = replace(note, ' ', '  ') WHERE position = 6"],
                            [("signature", None)]),
    "the last checkpoint removed": (["DELETE FROM log_checkpoints WHERE position = 6"], [("cut", None)]),
    "all checkpoints removed": (["DELETE FROM log_checkpoints", "DELETE FROM log_tiles"],
                                [("cut", None), ("cut", None)]),
    "heads of students changed": (["UPDATE student_heads SET version = version + 1"], [("map", None)]),
    "chains of students changed": ([f"UPDATE student_heads SET chain = ({TOP})"], [("map", None)]),
    "heads of students removed": (["DELETE FROM student_heads"], [("map", None)]),
    "tiles of the map changed": ([f"UPDATE student_tiles SET hashes = ({TOP}) WHERE level = 0"], [("map", None)]),
    "tiles of the map removed": (["DELETE FROM student_tiles WHERE level = 2"], [("map", None)]),
    "places of events changed": (["UPDATE log_tiles SET first_position = first_position + 1 WHERE level = 0"],
                                 [("tiles", None)]),
    "an earlier signature removed": (["UPDATE log_checkpoints SET note = NULL WHERE position = 4"],
                                     [("signature", None)]),
    "another checkpoint's signature": ([
        "UPDATE log_checkpoints SET note = (SELECT other.note FROM copy_of_log_checkpoints AS other "
        "WHERE other.position = 4) WHERE position = 6"], [("signature", None)]),
    "a checkpoint that ends later": (["UPDATE log_checkpoints SET position = 50 WHERE position = 6"],
                                     [("checkpoint", None)]),
    "a checkpoint that is none": (["UPDATE log_checkpoints SET body = 'x' WHERE position = 6"], [("checkpoint", None)]),
    "an end that is none": (["UPDATE log_checkpoints SET heads = 'x' WHERE position = 6"], [("checkpoint", None)]),
    "a checkpoint of another size": (["UPDATE log_checkpoints SET size = 99 WHERE position = 6"],
                                     [("checkpoint", None)]),
    "streams swapped whole": (["UPDATE stored_events SET originator_version = originator_version + 90",
                               f"UPDATE stored_events SET originator_id = CASE originator_id WHEN ({HERS} 1) THEN "
                               f"({HERS} 3) ELSE ({HERS} 1) END, originator_version = originator_version - 90"],
                              [("changed", 1)]),
    "an event moved": (["UPDATE stored_events SET POSITION = 60 WHERE POSITION = 6"], [("removed", 5)]),
    "an earlier checkpoint removed": (["DELETE FROM log_checkpoints WHERE position = 4"], [("lacking", None)]),
}


def outside_of(sealing, note: str) -> list[Outside]:
    return [Outside("witness", *open_checkpoint(note, sealing.keys))]


def found(sealing, outside: list[Outside]) -> list[tuple[str, int | None]]:
    answer = verify(sealing.store, sealing.tables, outside, sealing.keys)
    return [(one["kind"], one["position"]) for one in answer["findings"]]


def test_log_holds_as_long_as_nobody_has_altered_it(sealing) -> None:
    sealing.record("S01", 1, 3)
    first = sealing.sequencer.seal()
    sealing.record("S02", 1, 2)
    last = sealing.sequencer.seal()
    sealing.record("S01", 4, 4)
    answer = verify(sealing.store, sealing.tables,
                    outside_of(sealing, last.note) + outside_of(sealing, first.note), sealing.keys)
    expected = {"events": 5, "position": 5, "checkpoints": 2, "unsealed": 1, "signatures": True, "findings": []}
    assert {name: answer[name] for name in expected} == expected
    assert [(one["file"], one["size"]) for one in answer["outside"]] == [("witness", 4), ("witness", 7)]


def test_every_tampering_is_found_and_named_with_a_checkpoint_from_outside_and_with_an_earlier_proof(
        sealing, tmp_path: Path, counted: Callable[[str], None]) -> None:
    """Each by whoever holds the checkpoints, and by whoever holds nothing but what was proved to her."""
    held: dict[str, list[Outside]] = {"checkpoints": [], "proofs": []}
    for nth, student in enumerate(("S01", "S02", "S01")):
        done = len(sealing.store.rows_of(student))
        sealing.record(student, done + 1, done + 2)
        if nth:
            held["checkpoints"] += outside_of(sealing, sealing.sequencer.seal().note)
            (tmp_path / f"{nth}.proof").write_text(prove(sealing.store, sealing.tables, "S02").text)
    held["proofs"] = outside_files([tmp_path / "1.proof", tmp_path / "2.proof"], sealing.keys)
    alter(sealing.url, *(f"CREATE TABLE copy_of_{table} AS SELECT * FROM {table}" for table in TABLES))
    named: Counter[str] = Counter()
    for what, (statements, expected) in TAMPERED.items():
        alter(sealing.url, "CREATE TABLE kept_events AS SELECT * FROM stored_events", *statements)
        for whose, outside in held.items():
            assert found(sealing, outside)[:len(expected)] == expected, (what, whose)
            named[whose] += 1
        alter(sealing.url, "DROP TABLE kept_events", *(
            one for table in TABLES for one in (f"DELETE FROM {table}", f"INSERT INTO {table} SELECT * FROM "
                                                                            f"copy_of_{table}")))
    assert [found(sealing, outside) for outside in held.values()] == [[], []]
    counted(f"{len(TAMPERED)} tamperings by a superuser: {named['checkpoints']} found and named with checkpoints from "
            f"outside, {named['proofs']} with earlier proofs")


@pytest.mark.parametrize("change", [
    "state = CAST(state AS TEXT)", "state = replace(CAST(state AS TEXT), '2.00', '9.00')", "state = 7",
    "topic = CAST(topic AS BLOB)", "originator_id = CAST(originator_id AS BLOB)", "originator_version = 'x'",
    "originator_version = 1.5",
    *(f"{column} = CAST(x'ff' AS TEXT)" for column in ("originator_id", "originator_version", "topic", "state")),
    r"""state = CAST('{"student":"\ud800","type":"x","version":1}' AS BLOB)"""])
def test_event_is_named_whatever_stands_in_its_row(sqlite_url, signing_key, change) -> None:
    """SQLite takes any type in any column, and `replace` makes a text of bytes."""
    with open_store(sqlite_url) as store, ProofTables(sqlite_url) as tables:
        store.append(events("S01", 1, 4))
        Sequencer(store, tables, signing.load()).seal()
    alter(sqlite_url, f"UPDATE stored_events SET {change} WHERE POSITION = 2")
    for words in (("digests",), ("history", "S01"), ("audit",)):  # set aside, or said to be damaged, and never repeated
        done = CliRunner().invoke(cli, ["--db", sqlite_url, *words])
        assert (done.exit_code in (0, 1, 6), "2.00" in done.stderr) == (True, False), (words, done.output)
    done = CliRunner().invoke(cli, ["--db", sqlite_url, "--lang", "en", "verify"])
    assert (done.exit_code, "The event at position 2 is not the one that was sealed" in done.output) == (5, True)


@pytest.mark.parametrize("change", [
    "UPDATE log_tiles SET hashes = 'text'", "UPDATE log_tiles SET hashes = hashes || hashes",
    "UPDATE log_checkpoints SET note = CAST(note AS BLOB)",
    "UPDATE log_checkpoints SET position = 'text'", "UPDATE student_heads SET chain = 'text', version = 'text'"])
def test_what_is_kept_is_named_and_never_used_whatever_stands_there(sqlite_url, signing_key, tmp_path, change) -> None:
    def run(*words: str) -> int:
        return CliRunner().invoke(cli, ["--db", sqlite_url, *words]).exit_code

    with open_store(sqlite_url) as store:
        store.append(events("S01", 1, 2))
        assert run("checkpoint") == 0
        store.append(events("S01", 3, 3))
    alter(sqlite_url, change)
    assert (run("verify"), run("checkpoint")) == (5, 6)
    assert run("prove", "S01", "--to", str(tmp_path / "proof")) in (3, 6)
    assert not list(tmp_path.glob("proof*"))


def test_history_written_anew_is_found_by_a_checkpoint_from_outside_only(sealing) -> None:
    sealing.record("S01", 1, 3)
    last = sealing.sequencer.seal()
    alter(sealing.url, "DELETE FROM stored_events WHERE POSITION = 3", *(f"DELETE FROM {one}" for one in TABLES[1:]))
    sealing.record("S01", 3, 3)
    Sequencer(sealing.store, sealing.tables, sealing.signer._replace(signed=None)).seal()
    assert found(sealing, []) == []
    assert found(sealing, outside_of(sealing, last.note)) == [("outside", None)]


def test_row_is_found_when_its_columns_and_bytes_disagree_since_before_it_was_sealed(sealing) -> None:
    sealing.record("S01", 1, 2)
    alter(sealing.url, "UPDATE stored_events SET topic = 'payment-moved.v1' WHERE POSITION = 2")
    assert found(sealing, outside_of(sealing, sealing.sequencer.seal().note)) == [("disagrees", 2)]


def test_verify_says_loudly_what_was_not_compared(sqlite_url, signing_key, tmp_path: Path, monkeypatch) -> None:
    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli, ["--db", sqlite_url, *words], prog_name="career-ledger")
        return done.exit_code, done.output

    witnesses, proof = tmp_path / "witnesses", str(tmp_path / "S01.proof")
    witnesses.mkdir()
    with open_store(sqlite_url) as store:
        store.append(events("S01", 1, 3))
        assert run("verify")[0] == 3
        (witnesses / "monday").write_text(run("checkpoint")[1])
        store.append(events("S02", 1, 1))
        code, said = run("verify")
        assert (code, "NO CHECKPOINT FROM OUTSIDE" in said, "1 events come after" in said) == (0, True, True)
        code, said = run("verify", "--checkpoint", str(witnesses))
        assert (code, "NO CHECKPOINT" in said, "4 entries in" in said) == (0, False, True)
        assert run("prove", "S01", "--to", proof)[0] == 0
        monkeypatch.delenv("CAREER_LEDGER_SIGNING_KEY")
        assert "NO SIGNATURE WAS CHECKED" in run("verify", "--checkpoint", str(witnesses))[1]
    alter(sqlite_url, "DELETE FROM stored_events WHERE POSITION = 2")
    code, said = run("verify", "--checkpoint", str(witnesses))
    assert (code, "After position 1 events were removed: 1" in said) == (5, True)
    key = tmp_path / "key"
    monkeypatch.setenv("CAREER_LEDGER_SIGNING_KEY", str(signing_key))
    key.write_text(run("keys", "sign", "ledger.example.edu/careers")[1])
    monkeypatch.delenv("CAREER_LEDGER_SIGNING_KEY")
    code, said = run("check", proof, "--key", str(key), "--checkpoint", str(witnesses))
    assert (code, "these 3 events are all" in said) == (0, True), said
    assert run("check", str(witnesses / "monday"), "--key", str(key))[0] == 0
    assert run("check", proof)[0] == 2
    Path(proof).write_text(Path(proof).read_text().replace('"1.00"', '"9.00"'))
    code, said = run("check", proof, "--key", str(key))
    assert (code, "DOES NOT" in said or "exactly these events" in said) == (5, True)


def test_verify_reads_rows_at_one_position_when_pages_end_there(sealing, monkeypatch) -> None:
    monkeypatch.setattr("ledger.proofs.hashing.PAGE", 2)
    sealing.record("S01", 1, 5)
    sealing.sequencer.seal()
    assert found(sealing, []) == []
    with ProofTables(sealing.url) as again:
        assert verify(sealing.store, again, [], [])["signatures"] is False
