"""One server and one browser for all tests of the console."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser

from consumers.database import Database
from consumers.kit.order import NOT_COME
from consumers.kit.tables import migrations
from consumers.treasury.service import Treasury
from ledger.bootstrap import open_ledger, signing_key
from ledger.entrypoints.cli import cli
from ledger.proofs import signing

from .desk import ROOT, Desk, desk, launched

PERSON = {"id": "person-05", "type": "person-registered", "student": "S-DEMO-05", "source": "t", "actor": "t",
          "effective_on": "2026-01-10", "data": {"given_name": "Zoë", "family_name": "D'Invento",
                                                 "tax_code": "CODE-OF-NOBODY"}}


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Not for the whole session: while Playwright is there, no other test of the same process can run an event loop."""
    with launched() as made:
        yield made


@pytest.fixture(scope="package")
def opened(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("console")
    url, keys = (f"sqlite:///{folder / name}.db" for name in ("demo", "keys"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CAREER_LEDGER_MASTER_KEY", str(folder / "master.key"))
        environment.setenv(signing.VARIABLE, str(folder / "signing.key"))
        verifier = signing_key("ledger.example.edu/careers")
        assert CliRunner().invoke(cli, ["--db", url, "--keys", keys, "keys", "new"]).exit_code == 0
        with open_ledger(url, keys=keys) as ledger:
            given = [(Path(ROOT, "examples", f"{name}.jsonl").read_bytes().splitlines(keepends=True), mode)
                     for name, mode in (("imported", "record"), ("current", "enforce"))]
            for lines, mode in [*given, ([json.dumps(PERSON).encode()], "record")]:
                assert {one["outcome"] for one in ledger.append_lines(lines, mode)} <= {"accepted", "refused"}
            ledger.project(threading.Event())
            ledger.checkpoint()
        with Database(f"sqlite:///{folder / 'treasury.db'}") as own:
            own.migrate(migrations(Treasury))
            with own.transaction() as tx:
                tx.run("INSERT INTO treasury_positions VALUES ('career.events.v1', 0, 9, 90), "
                       "('career.events.v1', 1, 7, 120)")
                tx.run("INSERT INTO treasury_parked VALUES ('S-DEMO-07', 4, 'gap', :detail, 0, 8, "
                       "'2026-03-20T08:00:00+00:00')", {"detail": NOT_COME})
        followers = {"treasury": f"sqlite:///{folder / 'treasury.db'}", "archive": f"sqlite:///{folder / 'none.db'}"}
        environment.delenv(signing.VARIABLE)  # else other ledgers of these tests would be taken for older copies
        with desk(url, browser, keys, followers) as made:
            made.verifier = verifier
            yield made
