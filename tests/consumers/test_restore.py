"""docs/restore.md on real servers: an old backup is put back under a running relay, intake, gate and treasury. Nobody
tells two stories, what is gone is listed, and the payments that the bank has reported come back."""

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from consumers.database import Database, DatabaseUnusable
from consumers.treasury.__main__ import treasury
from ledger.entrypoints.cli import cli
from ledger.proofs import signing
from ledger.store import open_store
from ledger.wire.kafka import BROKERS, PREFIX
from ledger.wire.message import Message, header
from ledger.wire.topics import EVENTS, SUBMISSIONS
from tests.processes import LEDGER, Program
from tests.store.backups import backup
from tests.waiting import eventually

from .support import Topics
from .treasury_ledger import YEAR, enrolled, fact

FIRST, FEE = f"{YEAR}:instalment-1", f"{YEAR}:late-fee/instalment-1"
PATIENCE = 120.0
RUNBOOK = Path(__file__).parents[2] / "docs" / "restore.md"


class Installation:
    def __init__(self, url: str, topics: Topics, folder: Path) -> None:
        self.url, self._folder = url, folder
        self.environment = os.environ | {
            BROKERS: topics.bootstrap, PREFIX: topics.prefix, "CAREER_LEDGER_DB": url,
            signing.VARIABLE: str(folder / "signing.key")}

    def run(self, *words: str, text: str = "", code: int = 0, program: Any = cli) -> str:
        found = CliRunner(env=self.environment).invoke(program, words, input=text)
        assert found.exit_code == code, found.output
        return found.output

    def append(self, *facts: dict[str, Any], code: int = 0) -> str:
        return self.run("append", "--mode", "record", "-", text="".join(json.dumps(one) + "\n" for one in facts),
                        code=code)

    def program(self, name: str, *words: str) -> Program:
        return Program(LEDGER if name in ("publish", "intake") else f"consumers.{name}", *words,
                       environment=self.environment, out=self._folder / f"{name}.log")

    @contextmanager
    def running(self, name: str, *words: str) -> Iterator[Program]:
        started = self.program(name, *words)
        try:
            yield started
            assert started.poll() is None, self.said(name)
        finally:
            started.kill()
            started.wait(30)

    def said(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text()


def known(own: Database, asked: str) -> list[tuple[Any, ...]]:
    try:
        return [tuple(row) for row in own.ask(asked)]
    except DatabaseUnusable:
        return []  # it has made no tables yet


def statuses(own: Database) -> dict[str, str]:
    """On 20 February."""
    return dict(known(own, "SELECT d.charge, l.status FROM treasury_debts d JOIN treasury_life l ON l.iuv = d.iuv "
                           "WHERE l.from_on <= '2026-02-20' AND (l.until_on IS NULL OR l.until_on > '2026-02-20')"))


def accepted(own: Database) -> int:
    return len(known(own, "SELECT 1 FROM treasury_submissions s JOIN treasury_payments p ON p.id = s.id "
                          "WHERE s.outcome IN ('accepted', 'duplicate')"))


def careers(own: Database) -> Callable[[], list[tuple[Any, ...]]]:
    return lambda: known(own, "SELECT student FROM booking_gate_careers ORDER BY student")


def words_of_the_runbook() -> list[str]:
    """The command that accepts, as the page has it."""
    [found] = re.findall(r"^career-ledger (restore accept .*)$", RUNBOOK.read_text(), re.MULTILINE)
    return [one.strip('"') for one in re.findall(r'"[^"]*"|\S+', found)]


def test_backup_is_put_back_under_running_programs_and_accepted(topics: Topics, postgres_url: str, tmp_path: Path,
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lost.txt").write_text("The disks of both machines burned.\n")
    at = Installation(postgres_url, topics, tmp_path)
    at.run("keys", "sign", "ledger.example.edu/careers")
    at.append(*enrolled())
    at.run("checkpoint")
    debts, gate = f"sqlite:///{tmp_path / 't.db'}", f"sqlite:///{tmp_path / 'g.db'}"
    with (Database(debts) as own, Database(gate) as seen, backup(postgres_url) as older,
          at.running("treasury", "run", "--db", debts),
          at.running("booking_gate", "run", "--db", gate, "--listen", "127.0.0.1:0")):
        with ExitStack() as writers:
            publish, intake = at.program("publish", "publish", "--partitions", "3"), at.program("intake", "intake")
            for one in (publish, intake):
                writers.callback(one.wait, 30)
                writers.callback(one.kill)
            eventually(lambda: FIRST in statuses(own), "the debt is published", PATIENCE)
            at.append(fact("n1", "enrolled", "2025-09-20", {
                "programme": "L-FIL", "academic_year": YEAR, "course_type": "bachelor", "access": "open", "year": 1,
                "regime": "full-time"}, "S2"))
            [(iuv,)] = own.ask("SELECT iuv FROM treasury_debts WHERE charge = :charge", {"charge": FIRST})
            notice = {"iuv": iuv, "amount": "420.00", "paid_on": "2026-02-20", "receipt": "R1"}
            at.run("notices", "-", "--db", debts, text=json.dumps(notice), program=treasury)
            eventually(lambda: (accepted(own), statuses(own).get(FIRST)) == (2, "paid"), "paid", PATIENCE)
            eventually(lambda: careers(seen)() == [("S1",), ("S2",)], "the gate knows both", PATIENCE)
            signed = at.run("checkpoint")
            (tmp_path / "lost.note").write_text(signed)

            older.put_back()
            late = fact("n3", "resumed", "2026-04-01", {"reason": "x"}, "S3")  # so that the intake has something to do
            topics.send([Message(SUBMISSIONS, b"S3", json.dumps(late).encode(), [])])
            eventually(lambda: publish.poll() is not None and intake.poll() is not None, "both have ended", PATIENCE)
            assert (publish.poll(), intake.poll()) == (6, 6), at.said("publish") + at.said("intake")
            assert "older copy" in at.said("publish")
            assert "older copy" in at.said("intake")
        before = len(topics.read(EVENTS))
        assert "signed up to 8 entries, and this one has 4" in at.append(fact("n2", "resumed", "2026-04-01", {
            "reason": "x"}), code=6)
        at.run("checkpoint", code=6)
        assert len(topics.read(EVENTS)) == before

        said = at.run(*words_of_the_runbook())
        assert "Epoch 2 begins after position 3. Positions go on above 6." in said, said
        assert "S1: versions 4, 5 are gone" in said
        assert "S2: versions 1 are gone" in said
        assert at.run("checkpoint").startswith("ledger.example.edu/careers/epoch-2\n5\n")
        at.run("verify")
        at.run("verify", "--checkpoint", "lost.note", code=5)
        with at.running("publish", "publish", "--partitions", "3"), at.running("intake", "intake"):
            eventually(lambda: (accepted(own), statuses(own).get(FIRST), statuses(own).get(FEE)) == (2, "paid", "paid"),
                       "what the bank has reported is recorded again", PATIENCE)
            eventually(lambda: careers(seen)() == [("S1",)], "the gate knows who is in the ledger", PATIENCE)
            at.run("reconcile", "--db", debts, "--on", "2026-02-20", "--since", "2026-01-01", program=treasury)
    with open_store(postgres_url) as store:
        assert [event.position for event in store.stream("S1")] == [1, 2, 3, 7, 8]
        told = [(one.key.decode(), header(one.headers, "version")) for one in topics.read(EVENTS)
                if header(one.headers, "epoch") == "2"]
        assert sorted(told) == [("S1", str(version)) for version in range(1, 6)]
    print("counted: 2 payments acknowledged before, 2 after, 0 doubled; 3 published events listed as gone")
