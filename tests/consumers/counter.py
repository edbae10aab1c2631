"""The smallest service: a row for every event, and a sum per student that shows every event handled twice."""

import threading
from collections.abc import Sequence
from typing import Any

import click

from consumers.database import Database, Transaction
from consumers.kit.command import Running, run, run_options, status_command
from consumers.kit.service import Record, Service
from ledger.sql.migrations import statements
from ledger.wire.topics import EVENTS


class Counter(Service):
    name = "counter"
    topics = (EVENTS,)
    steps = (statements(
        "counts",
        "CREATE TABLE counter_seen (student TEXT NOT NULL, version BIGINT NOT NULL, position BIGINT NOT NULL, "
        "digest TEXT NOT NULL, PRIMARY KEY (student, version))",
        "CREATE TABLE counter_totals (student TEXT PRIMARY KEY, events BIGINT NOT NULL, last BIGINT NOT NULL, "
        "in_order BIGINT NOT NULL)"),)

    def __init__(self) -> None:
        self.idled = threading.Event()

    def events(self, tx: Transaction, found: Sequence[tuple[Record, Any]]) -> None:
        rows = [{"student": e.student, "version": e.version, "position": e.position, "digest": e.digest}
                for _, e in found]
        tx.many("INSERT INTO counter_seen (student, version, position, digest) VALUES (:student, :version, :position, "
                ":digest)", rows)
        tx.many("INSERT INTO counter_totals (student, events, last, in_order) VALUES (:student, 1, :version, 1) "
                "ON CONFLICT (student) DO UPDATE SET events = counter_totals.events + 1, last = excluded.last, "
                "in_order = counter_totals.in_order + CASE WHEN excluded.last = counter_totals.last + 1 THEN 1 ELSE 0 "
                "END", rows)

    def anew(self, tx: Transaction) -> None:
        tx.run("DELETE FROM counter_seen")
        tx.run("DELETE FROM counter_totals")

    def idle(self, database: Database) -> None:
        self.idled.set()


@click.group()
def main() -> None:
    """A consumer for tests."""


@main.command("run")
@run_options
def start(running: Running) -> None:
    """Counts every event."""
    run(Counter(), running)


main.add_command(status_command(Counter))

if __name__ == "__main__":
    main()
