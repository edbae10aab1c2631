"""The whole system as processes: ledger, relay, intake, treasury and archive, from an empty ledger to a
debt paid by a bank's notice."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from click import Command
from click.testing import CliRunner, Result

from consumers.archive.__main__ import archive
from consumers.database import Database, DatabaseUnusable
from consumers.treasury.__main__ import treasury
from infra.kafka.cluster import end_with_parent
from ledger.entrypoints.cli import cli
from ledger.wire.kafka import BROKERS, PREFIX
from tests.waiting import eventually

from .support import Topics
from .treasury_ledger import YEAR, enrolled

LEDGER = ("-c", "from ledger.entrypoints.cli import main; main()")
TREASURY, ARCHIVE = ("-m", "consumers.treasury"), ("-m", "consumers.archive")
FIRST, FEE = f"{YEAR}:instalment-1", f"{YEAR}:late-fee/instalment-1"
PATIENCE = 120.0
"""Seconds: four processes start at once."""


@contextmanager
def process(environment: dict[str, str], log: Path, *arguments: str) -> Iterator[None]:
    with log.open("ab") as out:
        started = subprocess.Popen([sys.executable, *arguments], stdout=out, stderr=out, env=environment,
                                   preexec_fn=end_with_parent)
    try:
        yield
        assert started.poll() is None, log.read_text()
    finally:
        started.terminate()
        started.wait(60)


def test_debt_is_paid_by_a_notice_and_the_archive_equals_the_ledger(topics: Topics, tmp_path: Path) -> None:
    own_url = f"sqlite:///{tmp_path / 't.db'}"
    environment = os.environ | {BROKERS: topics.bootstrap, PREFIX: topics.prefix,
                                "CAREER_LEDGER_DB": f"sqlite:///{tmp_path / 'l.db'}"}
    folder = tmp_path / "archive"

    def run(program: Command, *arguments: str, text: str = "") -> Result:
        """In this process: starting Python takes longer than most commands."""
        return CliRunner(env=environment).invoke(program, arguments, input=text)

    def statuses() -> dict[str, str]:
        """On 20 February; read in this process, which is faster than a command."""
        try:
            return dict(own.ask("SELECT d.charge, l.status FROM treasury_debts d JOIN treasury_life l ON l.iuv = d.iuv "
                                "WHERE l.from_on <= '2026-02-20' "
                                "AND (l.until_on IS NULL OR l.until_on > '2026-02-20')"))
        except DatabaseUnusable:
            return {}  # it has made no tables yet

    recorded = run(cli, "append", "--mode", "record", "-", "--json",
                   text="".join(json.dumps(one) + "\n" for one in enrolled()))
    assert recorded.exit_code == 0, recorded.output
    with (Database(own_url) as own,
          process(environment, tmp_path / "publish.log", *LEDGER, "publish", "--partitions", "3"),
          process(environment, tmp_path / "intake.log", *LEDGER, "intake"),
          process(environment, tmp_path / "treasury.log", *TREASURY, "run", "--db", own_url),
          process(environment, tmp_path / "archive.log", *ARCHIVE, "run", "--db", f"sqlite:///{tmp_path / 'a.db'}",
                  "--folder", str(folder))):
        eventually(lambda: FIRST in statuses(), "the debt is published", PATIENCE)
        shown = run(treasury, "debts", "S1", "--db", own_url, "--on", "2026-02-20").stdout
        debt = next(one for one in map(json.loads, shown.splitlines()) if one["charge"] == FIRST)
        assert (debt["status"], debt["to_pay"]) == ("expired", "420.00")
        notice = {"iuv": debt["iuv"], "amount": "420.00", "paid_on": "2026-02-20", "receipt": "R1"}
        assert run(treasury, "notices", "-", "--db", own_url, text=json.dumps(notice)).exit_code == 0
        eventually(lambda: [statuses().get(charge) for charge in (FIRST, FEE)] == ["paid", "paid"], "paid", PATIENCE)
        eventually(lambda: own.ask("SELECT COUNT(*) FROM treasury_submissions s JOIN treasury_payments p ON p.id = "
                                   "s.id WHERE s.outcome = 'accepted'") == [(2,)], "answered", PATIENCE)
        assert run(treasury, "reconcile", "--db", own_url, "--on", "2026-02-20", "--since",
                   "2026-01-01").exit_code == 0
        hashes = run(cli, "digests").stdout

        with Database(f"sqlite:///{tmp_path / 'a.db'}") as kept:
            eventually(lambda: kept.ask("SELECT COUNT(*) FROM archive_entries") == [(5,)], "archived", PATIENCE)
            today = datetime.now(timezone.utc).date().isoformat()
            assert run(archive, "seal", "--db", kept.url, "--folder", str(folder), "--through", today).exit_code == 0
    found = run(archive, "verify", str(folder), "--ledger", "-", "--json", text=hashes)
    assert (found.exit_code, json.loads(found.stdout)["entries"], len(hashes.splitlines())) == (0, 5, 5), found.stdout
