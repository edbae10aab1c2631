"""Killed at the nth sync, every n in turn: an append, a bulk import, a rebuild, a seal. What was acknowledged is
stored, nothing is doubled, no version is left out, and the same command goes on."""

import json
import shutil
from collections import Counter as Tally
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from ledger.bootstrap import law
from ledger.entrypoints.cli import cli
from ledger.projections.everybody.verify import verify
from ledger.proofs import signing
from ledger.store import open_store

from .injected import SYNCS, around, each, ledger

pytestmark = pytest.mark.faults
STUDENTS = 4
Counted = Callable[[str], None]


def enrolled(student: str) -> list[dict[str, object]]:
    def fact(id: str, type: str, on: str, data: dict[str, object]) -> dict[str, object]:
        return {"id": f"{student}-{id}", "type": type, "student": student, "career": "B", "effective_on": on,
                "recorded_at": "2026-03-01T12:00:00Z", "source": "test", "actor": "system:test", "data": data}

    return [fact("e", "enrolled", "2025-09-20", {"programme": "L-LIN", "academic_year": "2025-26",
                                                 "course_type": "bachelor", "access": "open", "year": 1,
                                                 "regime": "full-time"}),
            fact("p", "instalment-paid", "2025-09-20", {"charge": "2025-26:enrolment", "amount": "156.00"})]


class Stage:
    """A ledger as it is before each attempt, and where it is tried."""

    def __init__(self, folder: Path) -> None:
        self.path, self._kept = folder / "ledger.db", folder / "kept.db"
        self.url = f"sqlite:///{self.path}"
        self.key, self._signed = folder / "signing.key", folder / "signing.key.signed"
        self.environment = around(self.url, folder, **{signing.VARIABLE: str(self.key)})
        self.lines = folder / "lines.jsonl"
        self.lines.write_text("".join(json.dumps(one) + "\n" for n in range(STUDENTS) for one in enrolled(f"S{n}")))

    def keep(self) -> None:
        with open_store(self.url) as store:
            store._recorder.read("PRAGMA wal_checkpoint(TRUNCATE)", ())  # type: ignore[attr-defined]
        shutil.copyfile(self.path, self._kept)

    def again(self) -> None:
        for file in self.path.parent.glob("ledger.db*"):
            file.unlink()
        self._signed.unlink(missing_ok=True)
        shutil.copyfile(self._kept, self.path)

    def killed(self, *words: str, at: tuple[str, int]) -> str:
        """What it had said by then."""
        code, said, error, _ = ledger(self.environment, *words, calls=at[0], fault=f"signal=KILL:when={at[1]}")
        assert code in (-9, 137), error
        return said

    def syncs(self, *words: str) -> Tally[str]:
        code, _, error, made = ledger(self.environment, *words, calls=SYNCS)
        assert code == 0, error
        return made

    def run(self, *words: str) -> str:
        found = CliRunner(env=self.environment).invoke(cli, words)
        assert found.exit_code == 0, found.output
        return found.output

    def stored(self) -> list[str]:
        """The events' ids, in the order of the log; each stream's versions have no hole."""
        with open_store(self.url) as store:
            for student in store.students():
                versions = [event.version for event in store.stream(student)]
                assert versions == list(range(1, len(versions) + 1))
            return [event.id for event in store.log()]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    made = Stage(tmp_path)
    with open_store(made.url):
        pass
    signing_key = CliRunner(env=made.environment).invoke(cli, ["keys", "sign", "ledger.example.edu/careers"])
    assert signing_key.exit_code == 0, signing_key.output
    return made


@pytest.mark.parametrize("bulk", [False, pytest.param(True, marks=pytest.mark.long)], ids=["append", "bulk"])
def test_append_is_killed_at_each_sync(stage: Stage, bulk: bool, counted: Counted) -> None:
    words = ("append", str(stage.lines), "--mode", "record", "--json", *(["--bulk"] if bulk else []))
    stage.keep()
    sent = [f"S{n}-{kind}" for n in range(STUDENTS) for kind in "ep"]
    kills = acknowledged = kept = 0
    for at in each(lambda: stage.syncs(*words), SYNCS):
        stage.again()
        said = [json.loads(line) for line in stage.killed(*words, at=at).splitlines() if line.endswith("}")]
        stored = stage.stored()
        answered = [one["id"] for one in said if one["outcome"] == "accepted"]
        assert set(answered) <= set(stored) <= set(sent)
        assert len(stored) == len(set(stored))
        stage.run(*words)
        assert sorted(stage.stored()) == sorted(sent)
        kills, acknowledged, kept = kills + 1, acknowledged + len(answered), kept + len(stored)
    counted(f"killed at {kills} syncs: {acknowledged} acknowledged, {kept} stored, 0 lost, 0 doubled")


def test_rebuild_is_killed_at_each_sync(stage: Stage, counted: Counted) -> None:
    stage.run("append", str(stage.lines), "--mode", "record")
    stage.keep()
    words = ("projection", "rebuild")
    kills, log = 0, stage.stored()
    for at in each(lambda: stage.syncs(*words), SYNCS):
        stage.again()
        stage.killed(*words, at=at)
        stage.run(*words)
        assert list(verify(stage.url, law())) == []
        assert stage.stored() == log
        kills += 1
    counted(f"killed at {kills} syncs: 0 rows differ afterwards")


def test_seal_is_killed_at_each_sync(stage: Stage, counted: Counted) -> None:
    stage.run("append", str(stage.lines), "--mode", "record")
    stage.keep()
    kills, note = 0, stage.run("checkpoint")
    stage.again()
    for at in each(lambda: stage.syncs("checkpoint"), SYNCS):
        stage.again()
        said = stage.killed("checkpoint", at=at)
        assert said in ("", note)
        assert stage.run("checkpoint") == note
        assert json.loads(stage.run("verify", "--json"))["findings"] == []
        kills += 1
    counted(f"killed at {kills} syncs: 1 checkpoint afterwards, always the same")
