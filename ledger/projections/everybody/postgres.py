"""The tables in PostgreSQL: schema `projections`, and `projections_new` while a rebuild runs; they are swapped by renaming.

A question reads at REPEATABLE READ after a lock on the table of positions that the swap must wait for: without it the
moment it reads could lie before the swap and the tables it reads after it. `synchronous_commit = off` for our own writes:
after a crash the last transactions may be gone, row and position together, and are made again.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from uuid import UUID

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader

from ledger.sql.postgres import Link
from ledger.domain.timelines import COLUMNS
from ledger.store.postgres import place_of, problem

from .database import LIVE, NEW, NOTHING, Cursor, Parameters, column_types, percent
from .shape import Row, Spelled

SCHEMAS = {LIVE: "projections", NEW: "projections_new"}
TYPES = column_types("text", "bigint", "double precision", "date", "boolean")
READERS = ("career_ledger_reader", "career_ledger_writer")
PROJECTOR = "career_ledger_projector"
OWNED_BY_ROLE = ("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = 'career_ledger_projector' AND pg_has_role(oid, 'MEMBER') "
                 "AND has_database_privilege(oid, current_database(), 'CREATE')")
"""Where infra/postgres/roles.sql was run, what a projector makes belongs to the role, so that the next one may replace it."""


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


def _named(tables: str) -> dict[str, str]:
    names = {name: f"{SCHEMAS[tables]}.{name}" for name in (*COLUMNS, "position", "aside", "done")}
    return names | {"events": "public.stored_events", "event_position": "notification_id", "ledger": "public.career_ledger"}


_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def _field(value: Any) -> str:
    return r"\N" if value is None else value.translate(_ESCAPES) if isinstance(value, str) else str(value)


_FIELDS = Spelled(_field)
"""A value in COPY's text format."""


@lru_cache(maxsize=256)
def _live(statement: str) -> bytes:
    return percent(statement.format_map(_named(LIVE))).encode()


class PostgresCursor:
    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def run(self, statement: str, parameters: Parameters = NOTHING, tables: str = LIVE) -> int:
        return self._execute(statement, parameters, tables).rowcount

    def ask(self, statement: str, parameters: Parameters = NOTHING, tables: str = LIVE) -> list[Row]:
        return self._execute(statement, parameters, tables).fetchall()

    def insert(self, kind: str, rows: Sequence[Row], tables: str = LIVE) -> None:
        with self._connection.cursor() as cursor, cursor.copy(f"COPY {_named(tables)[kind]} FROM STDIN".encode()) as copy:
            field = _FIELDS.__getitem__
            for start in range(0, len(rows), 500):
                copy.write("".join(["\t".join(map(field, row)) + "\n" for row in rows[start:start + 500]]))

    def _execute(self, statement: str, parameters: Parameters, tables: str) -> psycopg.Cursor[Any]:
        text = statement.format_map(_named(tables))
        if not parameters:
            return self._connection.execute(text.encode())
        return self._connection.execute(percent(text).encode(), parameters)


class PostgresBackend:
    def __init__(self, url: str) -> None:
        self._url = url
        self._place = place_of(url)
        self._opened: psycopg.Connection[Any] | None = None
        self._listener: psycopg.Connection[Any] | None = None

    def _connect(self) -> psycopg.Connection[Any]:
        made: psycopg.Connection[Any] = Link.connect(self._url, autocommit=True)
        made.prepare_threshold = 1 << 30  # a statement is prepared only where `single` asks for it
        made.adapters.register_loader("date", _AsText)
        made.adapters.register_loader("bool", _AsFlag)
        for name in ("float8", "numeric"):
            made.adapters.register_loader(name, _AsNumber)
        made.execute("SET synchronous_commit = off")
        made.execute("SET client_min_messages = warning")
        return made

    def _connection(self) -> psycopg.Connection[Any]:
        if self._opened is None or self._opened.closed:
            self._opened = self._connect()
        return self._opened

    @contextmanager
    def transaction(self, write: bool, tables: str = LIVE) -> Iterator[Cursor]:
        try:
            connection = self._connection()
            with connection.transaction():
                if not write:
                    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                    connection.execute(f"LOCK TABLE {SCHEMAS[tables]}.position IN ACCESS SHARE MODE".encode())
                yield PostgresCursor(connection)
        except psycopg.Error as error:
            raise problem(error, self._place) from error

    def single(self, statement: str, parameters: Parameters) -> list[Row]:
        """The tables are locked before its snapshot is taken, so that it needs no transaction around it."""
        try:
            return self._connection().execute(_live(statement), parameters, prepare=True).fetchall()
        except psycopg.Error as error:
            raise problem(error, self._place) from error

    def exists(self, tables: str = LIVE) -> bool:
        """Asks the catalogue and not `to_regclass`, whose cache may be older than what another process has committed."""
        try:
            found = self._connection().execute(
                "SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
                "WHERE n.nspname = %s AND c.relname = 'position'", (SCHEMAS[tables],))
            return found.fetchone() is not None
        except psycopg.Error as error:
            raise problem(error, self._place) from error

    def create(self, cursor: Cursor, tables: str) -> bool:
        cursor.run("SELECT pg_advisory_xact_lock(hashtext('career-ledger projections'), hashtext('schema'))")
        if self.exists(tables):
            return False
        schema = SCHEMAS[tables]
        if cursor.ask(OWNED_BY_ROLE):
            cursor.run(f"SET LOCAL ROLE {PROJECTOR}")
        cursor.run(f"CREATE SCHEMA {schema}")
        for kind, columns in TYPES.items():
            cursor.run(f"CREATE TABLE {{{kind}}} ({', '.join(' '.join(column) for column in columns)})", tables=tables)
        cursor.run("CREATE TABLE {position} (partition_no integer NOT NULL, partitions integer NOT NULL, position bigint NOT NULL, "
                   "law text NOT NULL, origin text NOT NULL, epoch integer NOT NULL, mark text NOT NULL)", tables=tables)
        cursor.run("CREATE TABLE {aside} (stream text PRIMARY KEY, student text, position bigint NOT NULL, why text NOT NULL)",
                   tables=tables)
        if tables == NEW:
            cursor.run("CREATE TABLE {done} (part integer PRIMARY KEY, parts integer NOT NULL, events bigint NOT NULL)", tables=tables)
        for (role,) in cursor.ask("SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname = ANY(:roles)", {"roles": list(READERS)}):
            cursor.run(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
            cursor.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}")
        return True

    def index(self, cursor: Cursor, kind: str, columns: tuple[str, ...], tables: str) -> None:
        cursor.run(f"CREATE INDEX {kind}_{'_'.join(columns)} ON {{{kind}}} ({', '.join(columns)})", tables=tables)

    def drop(self, cursor: Cursor, tables: str) -> None:
        cursor.run(f"DROP SCHEMA IF EXISTS {SCHEMAS[tables]} CASCADE")

    def hold(self, cursor: Cursor) -> None:
        cursor.run("LOCK TABLE {position} IN ACCESS EXCLUSIVE MODE")

    def swap(self, cursor: Cursor) -> None:
        cursor.run("DROP TABLE {done}", tables=NEW)
        self.drop(cursor, LIVE)
        cursor.run(f"ALTER SCHEMA {SCHEMAS[NEW]} RENAME TO {SCHEMAS[LIVE]}")

    def analyze(self, tables: str) -> None:
        with self.transaction(write=True) as cursor:
            for kind in COLUMNS:
                cursor.run(f"ANALYZE {{{kind}}}", tables=tables)

    def among(self, column: str, name: str) -> str:
        return f"{column} = ANY(:{name})"

    def many(self, values: Collection[str]) -> Any:
        return list(values)

    def known(self, streams: Collection[UUID]) -> set[UUID]:
        with self.transaction(write=False) as cursor:
            return {UUID(found) for (found,) in cursor.ask(
                "SELECT originator_id::text FROM {events} WHERE originator_id = ANY(:ids) AND originator_version = 1",
                {"ids": list(streams)})}

    def size(self) -> int | None:
        """Bytes of the live tables and their indexes."""
        try:
            row = self._connection().execute(
                "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_catalog.pg_class c "
                "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relkind = 'r'",
                (SCHEMAS[LIVE],)).fetchone()
        except psycopg.Error as error:
            raise problem(error, self._place) from error
        return int(row[0]) if row is not None else None

    @contextmanager
    def lock(self, name: str) -> Iterator[bool]:
        """An advisory lock of a connection of its own, which also listens: when it breaks, waiting says so."""
        try:
            holder = self._connect()
        except psycopg.Error as error:
            raise problem(error, self._place) from error
        try:
            row = holder.execute("SELECT pg_try_advisory_lock(hashtext('career-ledger projections'), hashtext(%s))", (name,)).fetchone()
            taken = row is not None and bool(row[0])
            if taken:
                holder.execute("LISTEN stored_events")
                self._listener = holder
            yield taken
        except psycopg.Error as error:
            raise problem(error, self._place) from error
        finally:
            self._listener = None if self._listener is holder else self._listener
            holder.close()

    def wait(self, seconds: float) -> None:
        """Until something was appended, or the time is over: what was committed before LISTEN began is found by waking up."""
        if self._listener is None:
            time.sleep(min(seconds, 0.05))
            return
        try:
            for _ in self._listener.notifies(timeout=seconds, stop_after=1):
                pass
        except psycopg.Error as error:
            raise problem(error, self._place) from error

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None
