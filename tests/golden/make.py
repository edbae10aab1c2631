"""Makes a golden database: what one version of this program leaves behind, on both stores, with what it answered.

    python tests/golden/make.py NAME --ledger CHECKOUT --postgres ADMINISTRATOR_URL

CHECKOUT is the folder of the version (`git worktree add /tmp/before COMMIT`; `.` for this one), run by this Python. It
writes into tests/golden/databases/NAME: `ledger.sqlite.gz`, `ledger.sql` (of PostgreSQL), of each its key store
(`keys.sqlite.gz`, `keys.sql`) and master key, `consumers.sqlite.gz` and `answers.json`. The histories are the invented
ones of examples/. A released version's folder is never made again; whoever adds a migration adds a folder.
"""

import argparse
import gzip
import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
LINES = 40
"""Of examples/current.jsonl."""
STUDENTS = ("S-DEMO-01", "S-DEMO-07")
DAY = "2026-03-20"
PERSON = {"id": "golden-person", "type": "person-registered", "student": STUDENTS[1], "effective_on": "2026-03-02",
          "recorded_at": "2026-03-02T09:00:00Z", "source": "registry", "actor": "officer:7",
          "data": {"given_name": "Invented", "family_name": "Person"}}
MASTER = "master-{}.key"
KEY = "0123456789abcdef" * 4
COMMAND = "from ledger.entrypoints.cli import main; main()"
RELAY = """import sys
from ledger.relay import Positions
from ledger.wire.kafka import Made
with Positions(sys.argv[1]) as positions:
    positions.prepare()
    begun = positions.begin(Made("career.events.v1", "topic-id", 4), "", "2026-04-20T09:00:00Z")
    positions.move(begun, 7, "2026-04-20T08:59:00Z", "2026-04-20T09:00:00Z", 3.5)"""
CONSUMERS = """import sys, threading
from pathlib import Path
from consumers.archive.service import Archive
from consumers.booking_gate.service import BookingGate
from consumers.database import Database
from consumers.notifications.service import Notifications
from consumers.treasury.service import Treasury
with Database(sys.argv[1]) as own:
    for service in (Archive, BookingGate, Notifications, Treasury):
        try:
            from consumers.kit.tables import migrations
        except ImportError:
            from consumers.loop import Loop  # before it had migrations
            class Named:
                name, topics, tables = service.name, service.topics, service.tables
            own.create(Loop(Named, own, "nowhere:1", threading.Event())._tables)
        else:
            own.migrate(migrations(service))
    with own.transaction() as tx:
        tx.run("INSERT INTO archive_entries VALUES "
               "(NULL, '2026-04-20', 7, 'S-DEMO-01', 1, 'enrolled', 'abc', 'def', 0, 3, 1, :value)", {"value": b"{}"})
        tx.run("INSERT INTO booking_gate_knowledge (topic, complete_at, position) "
               "VALUES ('career.state.v1', '2026-04-20T08:59:00Z', 7)")
        for name in ("archive", "booking_gate", "notifications", "treasury"):
            tx.run(f"INSERT INTO {name}_positions VALUES ('career.events.v1', 0, 4, 7)")
            tx.run(f"INSERT INTO {name}_versions (student, version) VALUES ('S-DEMO-01', 3)")"""


def run(checkout: Path, program: str, *arguments: str, **more: str) -> str:
    done = subprocess.run([sys.executable, "-c", program, *arguments], cwd=checkout, capture_output=True, text=True,
                          check=False, env=os.environ | more | {"PYTHONPATH": str(checkout),
                                                                "CAREER_LEDGER_DIGEST_KEY": KEY})
    if done.returncode > 1:
        raise SystemExit(f"{arguments}: {done.stderr}")
    return done.stdout


def fill(checkout: Path, url: str, keys: str, master: Path, folder: Path) -> None:
    file = folder / "current.jsonl"
    file.write_text("".join((EXAMPLES / "current.jsonl").read_text().splitlines(keepends=True)[:LINES]))
    for one in (EXAMPLES / "imported.jsonl", file):
        run(checkout, COMMAND, "--db", url, "append", str(one), "--mode", "record", "--json")
    person = folder / "person.jsonl"
    person.write_text(json.dumps(PERSON) + "\n")
    for words in (("keys", "new"), ("append", str(person), "--mode", "record", "--json")):
        run(checkout, COMMAND, "--db", url, "--keys", keys, *words, CAREER_LEDGER_MASTER_KEY=str(master))
    run(checkout, COMMAND, "--db", url, "project")
    run(checkout, RELAY, url)


def answers_of(checkout: Path, url: str) -> dict[str, Any]:
    """What stays as it is from version to version: the events, what was paid, and how far things go."""
    def ask(*words: str) -> Any:
        return [json.loads(line) for line in run(checkout, COMMAND, "--db", url, *words, "--json").splitlines()]

    found: dict[str, Any] = {}
    for student in STUDENTS:
        found[student] = {"history": [without_changes(one) for one in ask("history", student, "--on", DAY)],
                          **reduced(ask("status", student, "--on", DAY)[0], ask("fees", student, "--on", DAY)[0])}
    return found


def without_changes(event: Mapping[str, Any]) -> dict[str, Any]:
    """And without what is sealed, which is other bytes each time."""
    return {name: value for name, value in event.items() if name not in ("changes", "unruled_years", "sealed")}


def reduced(status: Mapping[str, Any], fees: Mapping[str, Any]) -> dict[str, Any]:
    """Without words, which each version may choose."""
    return {
        "careers": {one["career"]: [one["status"], one["year"], sorted(block["kind"] for block in one["blocks"])]
                    for one in status["careers"]},
        "charges": {f"{one['career']} {one['charge']}": [one["amount"], one["paid"]] for one in fees["charges"]}}


def dump(url: str) -> str:
    """What psql would restore (by the `pg_dump` on PATH), without what only a certain server or user knows."""
    text = subprocess.run(["pg_dump", "--inserts", "--no-owner", "--no-privileges", url], capture_output=True,
                          text=True, check=True).stdout
    text = re.sub(r"(?m)^(\\|--|SET |SELECT pg_catalog.set_config).*\n", "", text)
    return "SET check_function_bodies = false;\n" + re.sub(r"\n{2,}", "\n", text).lstrip()


def packed(path: Path) -> bytes:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return gzip.compress(path.read_bytes(), 9, mtime=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--ledger", type=Path, required=True, metavar="CHECKOUT")
    parser.add_argument("--postgres", default=os.environ.get("CAREER_LEDGER_TEST_POSTGRES"), metavar="URL")
    given = parser.parse_args()
    checkout = given.ledger.resolve()
    made = HERE / "databases" / given.name
    made.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url, keys = (f"sqlite:///{folder / one}.db" for one in ("ledger", "keys"))
        fill(checkout, url, keys, made / MASTER.format("sqlite"), folder)
        (made / "answers.json").write_text(json.dumps(answers_of(checkout, url), indent=1, sort_keys=True) + "\n")
        run(checkout, CONSUMERS, f"sqlite:///{folder / 'consumers.db'}")
        for one in ("ledger", "keys", "consumers"):
            (made / f"{one}.sqlite.gz").write_bytes(packed(folder / f"{one}.db"))
        names = {one: f"golden_{one}_{uuid.uuid4().hex[:12]}" for one in ("ledger", "keys")}
        with psycopg.connect(given.postgres, autocommit=True) as admin:
            try:
                for database in names.values():
                    admin.execute(f"CREATE DATABASE {database}".encode())
                urls = {one: urlsplit(given.postgres)._replace(path=f"/{database}").geturl()
                        for one, database in names.items()}
                fill(checkout, urls["ledger"], urls["keys"], made / MASTER.format("postgresql"), folder)
                for one, at in urls.items():
                    (made / f"{one}.sql").write_text(dump(at))
            finally:
                for database in names.values():
                    admin.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)".encode())


if __name__ == "__main__":
    main()
