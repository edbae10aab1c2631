"""The tables of a service, numbered: those that the loop keeps for it, and its own. They are made and brought up to
date when the service starts, and by its commands that write; `status` only looks whether they are this program's."""

from ledger.sql.base import Transaction
from ledger.sql.migrations import Migrations, Step, add_column, statements

from .service import Service


def migrations(service: Service | type[Service]) -> tuple[Migrations, Migrations]:
    """Of the loop's tables and the service's own, which are numbered apart: either may change alone."""
    name = service.name
    kept, first = f"{name}_migrations", f"{name}_positions"
    return Migrations("loop", kept, first, _of_the_loop(name)), Migrations("service", kept, first, service.steps)


def _of_the_loop(name: str) -> tuple[Step, ...]:
    """Positions, and how far each student has come (`order`)."""
    def histories(tx: Transaction) -> None:
        tx.run(f"CREATE TABLE IF NOT EXISTS {name}_history (one INTEGER PRIMARY KEY, origin TEXT NOT NULL, "
               "epoch BIGINT NOT NULL)")
        add_column(tx, f"{name}_versions", "marks", "BYTEA")

    return (
        statements(
            "positions",
            f"CREATE TABLE IF NOT EXISTS {name}_positions (topic TEXT NOT NULL, part BIGINT NOT NULL, "
            "next_offset BIGINT NOT NULL, log_position BIGINT NOT NULL, PRIMARY KEY (topic, part))",
            f"CREATE TABLE IF NOT EXISTS {name}_versions (student TEXT PRIMARY KEY, version BIGINT NOT NULL)",
            f"CREATE TABLE IF NOT EXISTS {name}_parked (student TEXT PRIMARY KEY, version BIGINT NOT NULL, "
            "reason TEXT NOT NULL, detail TEXT NOT NULL, part BIGINT NOT NULL, place BIGINT NOT NULL, "
            "since TEXT NOT NULL)",
            f"CREATE TABLE IF NOT EXISTS {name}_aside (student TEXT NOT NULL, version BIGINT NOT NULL, "
            "part BIGINT NOT NULL, place BIGINT NOT NULL, stamp BIGINT NOT NULL, headers TEXT NOT NULL, value BYTEA, "
            "PRIMARY KEY (student, version))"),
        histories,
        statements("erased", f"CREATE TABLE IF NOT EXISTS {name}_erased (student TEXT PRIMARY KEY)"))
