"""The tables in PostgreSQL: schema `projections`, and `projections_new` while a rebuild runs;
they are swapped by renaming.

A question reads at REPEATABLE READ after a lock on the table of positions that the swap must wait for: without it the
moment it reads could lie before the swap and the tables it reads after it. `synchronous_commit = off` for our own
writes: after a crash the last transactions may be gone, row and position together, and are made again.
"""

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader

from ledger.sql.base import Transaction
from ledger.sql.postgres import Postgres
from ledger.store import migrations
from ledger.store.postgres import problem

from .tables import KEPT, LIVE, NEW

SCHEMAS = {LIVE: "projections", NEW: "projections_new"}
READERS = ("career_ledger_reader", "career_ledger_writer")
PROJECTOR = "career_ledger_projector"
OWNED_BY_ROLE = ("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = 'career_ledger_projector' AND pg_has_role(oid, "
                 "'MEMBER') AND has_database_privilege(oid, current_database(), 'CREATE')")
"""Where infra/postgres/roles.sql was run, what a projector makes belongs to the role, so that
the next one may replace it."""
NAMES: Mapping[str, Mapping[str, str]] = {
    tables: {name: f"{schema}.{name}" for name in (*KEPT, "done")}
    | {"events": "public.stored_events", "event_position": "notification_id", "ledger": "public.career_ledger"}
    for tables, schema in SCHEMAS.items()}


class _AsText(Loader):
    def load(self, data: Buffer) -> str:
        return bytes(data).decode()


class _AsFlag(Loader):
    def load(self, data: Buffer) -> int:
        return int(bytes(data) == b"t")


class _AsNumber(Loader):
    def load(self, data: Buffer) -> int | float:
        found = float(bytes(data))
        return int(found) if found.is_integer() else found


def _opened(made: psycopg.Connection[Any]) -> None:
    """Days are read as ISO text and booleans as 0 and 1, as in `shape`."""
    made.prepare_threshold = 1 << 30  # a statement is prepared only where `single` asks for it
    made.adapters.register_loader("date", _AsText)
    made.adapters.register_loader("bool", _AsFlag)
    for name in ("float8", "numeric"):
        made.adapters.register_loader(name, _AsNumber)
    made.execute("SET synchronous_commit = off")


class PostgresTables(Postgres):
    log = migrations.POSTGRES
    one_writer = False

    def __init__(self, url: str) -> None:
        super().__init__(url, problem, _opened, NAMES)
        self._listener: psycopg.Connection[Any] | None = None

    @contextmanager
    def reading(self, tables: str = LIVE) -> Iterator[Transaction]:
        with self.transaction(write=False) as tx:
            tx.run("LOCK TABLE {position} IN ACCESS SHARE MODE", tables=tables)
            yield tx

    def names(self, tables: str) -> Mapping[str, str]:
        return NAMES[tables]

    def exists(self, tables: str = LIVE) -> bool:
        with self.explained():
            return self.has(NAMES[tables]["position"])

    def begin(self, tx: Transaction, tables: str) -> None:
        if tx.ask(OWNED_BY_ROLE):
            tx.run(f"SET LOCAL ROLE {PROJECTOR}")
        tx.run(f"CREATE SCHEMA {SCHEMAS[tables]}")

    def made(self, tx: Transaction, tables: str) -> None:
        schema = SCHEMAS[tables]
        for (role,) in tx.ask("SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname IN :roles",
                              {"roles": list(READERS)}):
            tx.run(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
            tx.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}")

    def index(self, tx: Transaction, kind: str, columns: tuple[str, ...], tables: str) -> None:
        tx.run(f"CREATE INDEX {kind}_{'_'.join(columns)} ON {{{kind}}} ({', '.join(columns)})", tables=tables)

    def drop(self, tx: Transaction, tables: str) -> None:
        tx.run(f"DROP SCHEMA IF EXISTS {SCHEMAS[tables]} CASCADE")

    def hold(self, tx: Transaction) -> None:
        tx.run("LOCK TABLE {position} IN ACCESS EXCLUSIVE MODE")

    def swap(self, tx: Transaction) -> None:
        tx.run("DROP TABLE {done}", tables=NEW)
        self.drop(tx, LIVE)
        tx.run(f"ALTER SCHEMA {SCHEMAS[NEW]} RENAME TO {SCHEMAS[LIVE]}")

    def known(self, streams: Collection[UUID]) -> set[UUID]:
        found = self.single("SELECT originator_id::text FROM {events} WHERE originator_id IN :ids AND "
                            "originator_version = 1",
                            {"ids": list(streams)})
        return {UUID(stream) for (stream,) in found}

    def size(self) -> int | None:
        """Bytes of the live tables and their indexes."""
        [(found,)] = self.single(
            "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_catalog.pg_class c "
            "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = :schema AND c.relkind = 'r'",
            {"schema": SCHEMAS[LIVE]})
        return int(found)

    @contextmanager
    def lock(self, name: str) -> Iterator[bool]:
        """An advisory lock of a connection of its own, which also listens: when it breaks, waiting says so."""
        with self.held("career-ledger projections", name) as holder:
            if holder is not None:
                holder.execute("LISTEN stored_events")
                self._listener = holder
            try:
                yield holder is not None
            finally:
                self._listener = None if self._listener is holder else self._listener

    def wait(self, seconds: float) -> None:
        """Until something was appended, or the time is over: what was committed before LISTEN
        began is found by waking up."""
        if self._listener is None:
            time.sleep(min(seconds, 0.05))
            return
        with self.explained():
            for _ in self._listener.notifies(timeout=seconds, stop_after=1):
                pass
