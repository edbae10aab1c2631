
"""The tables in the ledger's SQLite file, named `projection_...`.

Readers never wait. A writer holds the file's one write lock, so rows are computed before its transaction
begins. `synchronous=NORMAL`: after a power cut the last transactions may be gone, row and position
together, and are made again.
"""

import sqlite3
import time
import uuid
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from uuid import UUID

from ledger.sql.base import Transaction
from ledger.sql.sqlite import SQLite
from ledger.store import migrations
from ledger.store.sqlite_file import problem

from .tables import KEPT, LIVE, NEW

PREFIX = {LIVE: "projection_", NEW: "projection_new_"}
POLL_SECONDS = 0.1
NAMES: Mapping[str, Mapping[str, str]] = {
    tables: {name: prefix + name for name in (*KEPT, "done")}
    | {"events": "stored_events", "event_position": "rowid", "ledger": "career_ledger"}
    for tables, prefix in PREFIX.items()}


def _opened(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA synchronous=NORMAL")


class SQLiteTables(SQLite):
    log = migrations.SQLITE
    one_writer = True

    def __init__(self, path: str) -> None:
        super().__init__(path, problem, _opened, NAMES)

    def reading(self, tables: str = LIVE) -> AbstractContextManager[Transaction]:
        return self.transaction(write=False)

    def names(self, tables: str) -> Mapping[str, str]:
        return NAMES[tables]

    def exists(self, tables: str = LIVE) -> bool:
        return bool(self.single("SELECT count(*) FROM sqlite_master WHERE name = :name",
                                {"name": NAMES[tables]["position"]})[0][0])

    def begin(self, tx: Transaction, tables: str) -> None:
        """Nothing to do."""

    def made(self, tx: Transaction, tables: str) -> None:
        """Whoever may read the file may read them."""

    def index(self, tx: Transaction, kind: str, columns: tuple[str, ...], tables: str) -> None:
        """Its name ends at random: the index of new tables keeps it when they take the live ones' place."""
        name = f"projection_{kind}_{'_'.join(columns)}_{uuid.uuid4().hex[:8]}"
        tx.run(f"CREATE INDEX {name} ON {{{kind}}} ({', '.join(columns)})", tables=tables)

    def drop(self, tx: Transaction, tables: str) -> None:
        for name in (*KEPT, "done"):
            tx.run(f"DROP TABLE IF EXISTS {{{name}}}", tables=tables)

    def hold(self, tx: Transaction) -> None:
        """A transaction that writes holds everything."""

    def swap(self, tx: Transaction) -> None:
        self.drop(tx, LIVE)
        tx.run("DROP TABLE {done}", tables=NEW)
        for name in KEPT:
            tx.run(f"ALTER TABLE {{{name}}} RENAME TO {PREFIX[LIVE]}{name}", tables=NEW)

    def known(self, streams: Collection[UUID]) -> set[UUID]:
        found = self.single("SELECT originator_id FROM {events} WHERE originator_id IN :ids AND originator_version = 1",
                            {"ids": [one.hex for one in streams]})
        return {UUID(stream) for (stream,) in found}

    def size(self) -> int | None:
        """Bytes; None where this SQLite was built without the table that tells them."""
        with self.explained():
            try:
                found = self.connection().execute("SELECT sum(pgsize) FROM dbstat WHERE name GLOB 'projection_*' AND "
                                                  "aggregate = TRUE")
                return int(found.fetchone()[0] or 0)
            except sqlite3.OperationalError:
                return None

    def lock(self, name: str) -> AbstractContextManager[bool]:
        return self.held(name)

    def wait(self, seconds: float) -> None:
        time.sleep(min(seconds, POLL_SECONDS))
