"""PostgreSQL: a connection that ends when its link goes silent, what it means when none comes about, transactions."""

import re
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Self, TypeVar

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from ledger.edges.address import WrongAddress

from .base import (
    NO_NAMES,
    NOTHING,
    Dialect,
    Explain,
    NotTheirOwner,
    Parameters,
    Row,
    Spelled,
    Spelling,
    TableNames,
    Transaction,
    spelling,
)

Got = TypeVar("Got")
Gen = Generator[Any, Any, Got]
"""What psycopg waits for: it yields the direction and is sent what the socket is ready for, 0 after a
tenth of a second of nothing."""

CONNECT_SECONDS = 5
SILENT_SECONDS = 10.0
"""After so long without a byte the server is asked, on another connection, whether it is still at work on this one."""
NETWORK: dict[str, str] = {"keepalives": "1", "keepalives_idle": "10", "keepalives_interval": "5",
                           "keepalives_count": "3", "tcp_user_timeout": "15000"}
"""libpq's: a peer that is gone is noticed by the kernel within half a minute, whether
something was sent or is awaited."""
AT_WORK = "SELECT FROM pg_catalog.pg_stat_activity WHERE pid = %s AND state <> 'idle'"


class Link(psycopg.Connection[Any]):
    """Where nothing comes from the server for `SILENT_SECONDS`, it is asked whether it is at work; where it is not, or
    does not answer either, the link is given up: OperationalError, as when it breaks. A statement may take as long as
    the server is at it."""

    address = ""
    asking = False
    silence: float | None = None
    """In place of `SILENT_SECONDS`, and of what connecting may take where it is asked."""
    looked = False
    """Whether who uses it has looked at what it leads to."""

    @classmethod
    def connect(cls, conninfo: str = "", **given: Any) -> Self:
        """The address may name other settings of the network than ours. `connect_timeout` is
        `CONNECT_SECONDS` where it names none."""
        named = conninfo_to_dict(conninfo)
        ours: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS, **NETWORK}
        made = super().connect(conninfo, **{name: value for name, value in ours.items() if name not in named} | given)
        made.address = conninfo
        return made

    def wait(self, gen: Gen[Got], *rest: Any, **named: Any) -> Got:
        return super().wait(_watched(gen, self._is_silent, self.silence), *rest, **named)

    def _is_silent(self) -> bool:
        """True where the link is given up."""
        if not self.asking and self._is_at_work():
            return False
        self.pgconn.finish()
        return True

    def _is_at_work(self) -> bool:
        try:
            soon = {} if self.silence is None else {"connect_timeout": in_time(self.silence)}
            with type(self).connect(self.address, autocommit=True, **soon) as other:
                other.asking, other.silence = True, self.silence
                return other.execute(AT_WORK, (self.info.backend_pid,)).rowcount == 1
        except psycopg.Error:
            return False


def in_time(seconds: float) -> int:
    """What libpq takes for it: whole seconds, two at least."""
    return max(2, min(CONNECT_SECONDS, round(seconds)))


def _watched(gen: Gen[Got], is_silent: Callable[[], bool], silence: float | None) -> Gen[Got]:
    """The same generator, looked at whenever nothing has come for long."""
    try:
        wanted = next(gen)
        since = time.monotonic()
        most = SILENT_SECONDS if silence is None else silence
        while True:
            ready = yield wanted
            if ready:
                since = time.monotonic()
            elif time.monotonic() - since > most:
                if is_silent():
                    raise psycopg.OperationalError(f"the server has not answered for {most:.0f} seconds")
                since = time.monotonic()
            wanted = gen.send(ready)
    except StopIteration as ended:
        found: Got = ended.value
        return found


_REFUSED = re.compile(
    r'password|authentication|role "|database "[^"]*" does not exist|pg_hba|permission denied|certificate|private key'
    r'|SSL was required|does not support SSL|no encryption|does not match host name|invalid (value|port|connection '
    r'option)', re.IGNORECASE)


def refused(error: BaseException) -> str | None:
    """Why a connection did not come about where trying again does not help (user, password, database,
    certificate), in the words of the server or of libpq, which know no password; None for anything else, a server
    that starts, is full or gone."""
    if not isinstance(error, psycopg.OperationalError) or error.sqlstate is not None:
        return None
    said = str(error).strip().splitlines() or [""]
    text = said[0].removeprefix("connection failed: ")
    return text if "connection" in said[0] and _REFUSED.search(text.rpartition(" failed: ")[2]) else None


def place_of(url: str) -> str:
    """The server and database, without the password. Raises WrongAddress."""
    try:
        found = conninfo_to_dict(url)
    except psycopg.ProgrammingError:  # its words repeat parts of the address, and may hold some of the password
        raise WrongAddress("the address holds a parameter that PostgreSQL does not know, "
                           "or one with a wrong value") from None
    return (f"PostgreSQL at {found.get('host') or 'localhost'}:{found.get('port') or 5432}, "
            f"database {found.get('dbname') or '(default)'}")


_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def _field(value: Any) -> str:
    return r"\N" if value is None else value.translate(_ESCAPES) if isinstance(value, str) else str(value)


_FIELDS = Spelled(_field)
"""A value in COPY's text format."""
TABLE = ("SELECT pg_catalog.pg_get_userbyid(c.relowner), pg_catalog.pg_has_role(c.relowner, "
         "'USAGE') FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE "
         "c.relname = %s AND c.relkind = 'r' AND CASE %s WHEN '' THEN pg_catalog.pg_table_is_visible(c.oid) ELSE "
         "n.nspname = %s END")
"""Its owner, and whether this user may act for it. Asks the catalogue and not `to_regclass`, whose cache may be older
than what another process has just committed."""


class PostgresTransaction:
    dialect: Dialect = "postgresql"

    def __init__(self, connection: psycopg.Connection[Any], spelled: Spelling) -> None:
        self._connection, self._spelled = connection, spelled

    def run(self, statement: str, parameters: Parameters = NOTHING, tables: str = "") -> int:
        return self._connection.execute(self._spelled(statement, tables).encode(), parameters).rowcount

    def many(self, statement: str, parameters: Sequence[Parameters]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(self._spelled(statement, "").encode(), parameters)

    def ask(self, statement: str, parameters: Parameters = NOTHING, tables: str = "") -> list[Row]:
        return self._connection.execute(self._spelled(statement, tables).encode(), parameters).fetchall()

    def insert(self, table: str, rows: Sequence[Row], tables: str = "") -> None:
        into = self._spelled(f"COPY {{{table}}} FROM STDIN", tables).encode()
        with self._connection.cursor() as cursor, cursor.copy(into) as copy:
            field = _FIELDS.__getitem__
            for start in range(0, len(rows), 500):
                copy.write("".join(["\t".join(map(field, row)) + "\n" for row in rows[start:start + 500]]))

    def script(self, statements: str) -> None:
        self._connection.execute(statements.encode())

    def has(self, table: str) -> bool:
        return self._found(table) is not None

    def alone(self, name: str) -> None:
        self._connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (name,))

    def act_for_owner(self, table: str) -> None:
        found = self._found(table)
        if found is not None:
            if not found[1]:
                raise NotTheirOwner(str(found[0]))
            self._connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(str(found[0]))))

    def _found(self, table: str) -> tuple[Any, ...] | None:
        schema, _, name = table.rpartition(".")
        return self._connection.execute(TABLE, (name, schema, schema)).fetchone()


class Postgres:
    """`opened`: what is said to each new connection first."""

    dialect: Dialect = "postgresql"

    def __init__(self, url: str, explain: Explain, opened: Callable[[psycopg.Connection[Any]], object],
                 names: TableNames = NO_NAMES) -> None:
        """Raises WrongAddress."""
        self._url, self.place = url, place_of(url)
        self._explain, self._told = explain, opened
        self._spelled = spelling(self.dialect, names)
        self._opened: psycopg.Connection[Any] | None = None

    def connect(self) -> psycopg.Connection[Any]:
        made = Link.connect(self._url, autocommit=True)
        made.execute("SET client_min_messages = warning")
        self._told(made)
        return made

    def connection(self) -> psycopg.Connection[Any]:
        if self._opened is None or self._opened.closed:
            self._opened = self.connect()
        return self._opened

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Says in the words of who uses this database what fails."""
        try:
            yield
        except psycopg.Error as error:
            said = self._explain(error, self.place)
            if said is error:
                raise
            raise said from error

    @contextmanager
    def transaction(self, write: bool = True) -> Iterator[Transaction]:
        with self.explained():
            connection = self.connection()
            with connection.transaction():
                if not write:
                    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                yield PostgresTransaction(connection, self._spelled)

    @contextmanager
    def held(self, kind: str, name: str) -> Iterator["psycopg.Connection[Any] | None"]:
        """An advisory lock, and the connection of its own that holds it: when it breaks, the lock is lost. None where
        somebody else has it."""
        with self.explained():
            holder = self.connect()
            try:
                row = holder.execute("SELECT pg_try_advisory_lock(hashtext(%s), hashtext(%s))", (kind, name)).fetchone()
                yield holder if row is not None and row[0] else None
            finally:
                with suppress(psycopg.Error):  # it is broken, and the lock with it
                    holder.execute("SELECT pg_advisory_unlock_all()")  # a session ends a moment after it was closed
                holder.close()

    def has(self, table: str) -> bool:
        """Outside of a transaction."""
        return PostgresTransaction(self.connection(), self._spelled).has(table)

    def single(self, statement: str, parameters: Parameters = NOTHING) -> list[Row]:
        """The tables are locked before its snapshot is taken, so that it needs no transaction around it."""
        with self.explained():
            return self.connection().execute(self._spelled(statement, "").encode(), parameters, prepare=True).fetchall()

    def scrub(self) -> bool:
        return True

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None
