"""The tables of a key store, numbered, and the two databases that they can stand in."""

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ledger.edges.address import WrongAddress, sqlite_path
from ledger.edges.files import make_folder
from ledger.sql.base import Backend, NotTheirOwner, Replaced, Transaction
from ledger.sql.migrations import Migrations, NotOfToday, statements
from ledger.store.errors import StoreUnavailable, StoreUnusable

# 0x434C4B53, `CLKS`, in the header of the file
_SQLITE = """
PRAGMA application_id = 1129073491;
CREATE TABLE names (student TEXT NOT NULL, folded TEXT NOT NULL, exact TEXT NOT NULL,
    PRIMARY KEY (student, folded, exact)) WITHOUT ROWID;
CREATE INDEX names_by_folded ON names (folded);
CREATE TABLE access_log (number INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, student TEXT, who TEXT NOT NULL,
    actor TEXT, what TEXT NOT NULL, sealed_by INTEGER NOT NULL, purpose BYTEA NOT NULL);
CREATE TRIGGER access_log_no_update BEFORE UPDATE ON access_log
    BEGIN SELECT RAISE(ABORT, 'the access log is never changed'); END;
CREATE TRIGGER access_log_no_delete BEFORE DELETE ON access_log
    BEGIN SELECT RAISE(ABORT, 'the access log is never changed'); END;
CREATE TRIGGER access_log_no_replace BEFORE INSERT ON access_log
    WHEN EXISTS (SELECT 1 FROM access_log WHERE number = NEW.number)
    BEGIN SELECT RAISE(ABORT, 'the access log is never changed'); END;
"""
# the role is of who uses a key store without owning it: it adds to the access log and changes nothing in it
_POSTGRES = """
CREATE TABLE names (student TEXT NOT NULL, folded TEXT NOT NULL, exact TEXT NOT NULL,
    PRIMARY KEY (student, folded, exact));
CREATE INDEX names_by_folded ON names (folded);
CREATE TABLE access_log (number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at TEXT NOT NULL, student TEXT,
    who TEXT NOT NULL, actor TEXT, what TEXT NOT NULL, sealed_by INTEGER NOT NULL, purpose BYTEA NOT NULL);
CREATE FUNCTION career_ledger_keep_access() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'restrict_violation', MESSAGE = 'the access log is never changed';
END;
$body$;
CREATE TRIGGER access_log_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON access_log
    FOR EACH STATEMENT EXECUTE FUNCTION career_ledger_keep_access();
DO $body$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'career_ledger_keys') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON student_keys, forgotten, tax_codes, names TO career_ledger_keys;
        GRANT SELECT, UPDATE ON key_store TO career_ledger_keys;
        GRANT SELECT, INSERT ON access_log, orders TO career_ledger_keys;
        GRANT SELECT ON key_store_migrations TO career_ledger_keys;
    END IF;
END $body$;
"""


def _names_and_access(tx: Transaction) -> None:
    tx.script(_SQLITE if tx.dialect == "sqlite" else _POSTGRES)


def _give(tx: Transaction, tables: Sequence[str]) -> None:
    """To whoever uses a key store without owning it."""
    if tx.dialect == "postgresql":
        tx.script(f"""DO $body$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'career_ledger_keys') THEN
                GRANT SELECT, INSERT, UPDATE, DELETE ON {", ".join(tables)} TO career_ledger_keys;
            END IF;
        END $body$;""")


_OF_SERVICES = ("fingerprints", "fingerprint_keys", "fingerprint_state", "counted_enrolments", "used_tokens")


def _eservices(tx: Transaction) -> None:
    """What the national e-services keep of persons (`fingerprints`)."""
    for text in (
            """CREATE TABLE fingerprints (service TEXT NOT NULL, place TEXT NOT NULL, student TEXT NOT NULL,
                from_on TEXT NOT NULL, until_on TEXT, since BIGINT NOT NULL, until BIGINT, recent_on TEXT,
                listed INTEGER NOT NULL, value BYTEA NOT NULL, PRIMARY KEY (service, place, since, from_on))""",
            "CREATE INDEX fingerprints_of ON fingerprints (student)",
            "CREATE TABLE fingerprint_keys (place TEXT PRIMARY KEY, student TEXT NOT NULL)",
            "CREATE INDEX fingerprint_keys_of ON fingerprint_keys (student)",
            """CREATE TABLE fingerprint_state (version BIGINT NOT NULL, position BIGINT NOT NULL, again BIGINT,
                at TEXT NOT NULL, made_of TEXT NOT NULL, steps TEXT NOT NULL)""",
            """CREATE TABLE counted_enrolments (student TEXT NOT NULL, academic_year TEXT NOT NULL,
                course TEXT NOT NULL, told BYTEA NOT NULL, PRIMARY KEY (academic_year, course, student))""",
            "CREATE INDEX counted_enrolments_of ON counted_enrolments (student)",
            "CREATE TABLE used_tokens (token TEXT PRIMARY KEY, until TEXT NOT NULL)"):
        tx.run(text)
    _give(tx, _OF_SERVICES)


_OF_TICKETS = ("tickets", "ticket_tries", "ticket_mails", "ticket_state")


def _tickets(tx: Transaction) -> None:
    """What the ticket desk keeps (`tickets`)."""
    for text in (
            """CREATE TABLE tickets (number TEXT PRIMARY KEY, student TEXT NOT NULL, linked TEXT, pair TEXT,
                form TEXT UNIQUE, on_day TEXT NOT NULL, service TEXT NOT NULL, context TEXT NOT NULL,
                kind TEXT NOT NULL, opened_at TEXT, closed_at TEXT)""",
            "CREATE INDEX tickets_of ON tickets (student)", "CREATE INDEX tickets_linked ON tickets (linked)",
            "CREATE INDEX tickets_pair ON tickets (pair)",
            "CREATE INDEX tickets_by_time ON tickets (opened_at, number)",
            """CREATE TABLE ticket_tries (place TEXT NOT NULL, hour BIGINT NOT NULL, tries INTEGER NOT NULL,
                PRIMARY KEY (place, hour))""",
            """CREATE TABLE ticket_mails (number TEXT NOT NULL, kind TEXT NOT NULL, student TEXT NOT NULL,
                made_at TEXT NOT NULL, state TEXT NOT NULL, why TEXT, attempts INTEGER NOT NULL,
                next_attempt DOUBLE PRECISION NOT NULL, PRIMARY KEY (number, kind))""",
            "CREATE INDEX ticket_mails_of ON ticket_mails (student)",
            "CREATE INDEX ticket_mails_waiting ON ticket_mails (state, next_attempt)",
            "CREATE TABLE ticket_state (position BIGINT NOT NULL)"):
        tx.run(text)
    _give(tx, _OF_TICKETS)


MIGRATIONS = Migrations("keys", "key_store_migrations", "key_store", (
    statements(
        "keys",
        """CREATE TABLE key_store (ledger TEXT PRIMARY KEY, made_at TEXT NOT NULL, master TEXT NOT NULL,
            own BYTEA NOT NULL, looked_through BIGINT NOT NULL, to_scrub INTEGER NOT NULL)""",
        """CREATE TABLE student_keys (student TEXT NOT NULL, number INTEGER NOT NULL, wrapped BYTEA NOT NULL,
            master TEXT NOT NULL, made_at TEXT NOT NULL, PRIMARY KEY (student, number))""",
        "CREATE TABLE forgotten (student TEXT PRIMARY KEY, at TEXT NOT NULL, event TEXT NOT NULL)",
        "CREATE TABLE tax_codes (hmac TEXT PRIMARY KEY, student TEXT NOT NULL, at TEXT NOT NULL)",
        "CREATE INDEX tax_codes_of ON tax_codes (student)",
        "CREATE TABLE orders (at TEXT NOT NULL, student TEXT NOT NULL, said BYTEA NOT NULL)"),
    _names_and_access, _eservices, _tickets))
"""`own`: the two keys of the store itself, wrapped. `looked_through`: the position of the log up to which persons who
were forgotten were searched for. `to_scrub`: something was deleted that may still stand on the disk. `sealed_by`: the
number of the student's key, 0 for the store's own."""

OF_A_STUDENT = ("student_keys", "tax_codes", "names", "fingerprints", "fingerprint_keys", "counted_enrolments",
                "tickets", "ticket_mails")
"""What goes when she is forgotten."""


COLUMNS = {"student_keys": {"student": "text", "number": "integer", "wrapped": "bytea", "master": "text",
                            "made_at": "text"},
           "tax_codes": {"hmac": "text", "student": "text", "at": "text"},
           "names": {"student": "text", "folded": "text", "exact": "text"}}


def add(tx: Transaction, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Those that are there already stay as they are. In PostgreSQL one statement, and a column one text: it takes a
    tenth of the time of a statement for each row, and a third of that of lists. No value holds a line feed."""
    if not rows:
        return
    columns = COLUMNS[table]
    into = f"INSERT INTO {table} ({', '.join(columns)})"
    if tx.dialect == "sqlite":
        tx.many(f"{into} VALUES ({', '.join(f':{name}' for name in columns)}) ON CONFLICT DO NOTHING",
                [dict(zip(columns, row, strict=True)) for row in rows])
        return
    lists = ", ".join(f"CAST(string_to_array(:{name}, chr(10)) AS {kind}[])" for name, kind in columns.items())
    tx.run(f"{into} SELECT * FROM unnest({lists}) ON CONFLICT DO NOTHING",  # noqa: S608 - words of ours
           {name: "\n".join([rf"\x{one.hex()}" if isinstance(one, bytes) else str(one) for one in column])
            for name, column in zip(columns, zip(*rows, strict=True), strict=True)})


def explain(error: Exception, place: str) -> Exception:
    """What a failure of the database means for who uses a key store."""
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if isinstance(error, Replaced):
        return StoreUnusable(f"the key store was replaced while it was open: {text} ({place}). Put the right file "
                             "back, then start this program again")
    if isinstance(error, sqlite3.Error):
        if "locked" in text or "busy" in text:
            return StoreUnavailable(f"the key store {place} is held by another program ({text}): try again later")
        if "malformed" in text or "not a database" in text:
            return StoreUnusable(f"the key store {place} is damaged or cut off ({text}): put its newest copy back")
        if "unable to open" in text:
            return StoreUnusable(f"there is no key store at {place}: correct --keys, or make one with "
                                 "`career-ledger keys new`")
        return StoreUnusable(f"the key store {place} cannot be used: {text}")
    import psycopg

    from ledger.sql.postgres import refused

    if (why := refused(error)) is not None:
        return StoreUnusable(f"the key store ({place}) lets nobody in like this ({why}): correct user, password or "
                             "database in --keys")
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return StoreUnavailable(f"the key store ({place}) is not available ({text}): try again when it is back")
    return StoreUnusable(f"the key store ({place}) cannot be used: {text}")


def backend_at(url: str, ledger_url: str, create: bool) -> Backend:
    """Raises StoreUnusable: no address, the ledger's own database, nothing there."""
    try:
        file, ledgers = sqlite_path(url), sqlite_path(ledger_url)
    except WrongAddress as error:
        raise StoreUnusable(f"--keys: {error}") from None
    if file is None:
        from ledger.sql.postgres import Postgres

        # the plan of a prepared question is kept from when there were few keys: it would read all of them, each time
        return Postgres(url, explain, lambda made: made.execute("SET enable_seqscan = off; SET jit = off"))
    if ledgers is not None and file.resolve() == ledgers.resolve():
        raise StoreUnusable("--keys names the ledger's own file: keys that lie beside what they open protect nothing")
    if file.is_dir():
        raise StoreUnusable(f"--keys names a folder ({file}): name the file of the key store")
    if create:
        with suppress(OSError):
            make_folder(file.parent)
        if not file.parent.is_dir():
            raise StoreUnusable(f"there is no folder {file.parent}, and none can be made: name another place in --keys")
    elif not file.exists():
        raise StoreUnusable(f"there is no key store at {file}: correct --keys, or make one with "
                            "`career-ledger keys new`")
    elif not file.stat().st_size:
        raise StoreUnusable(f"the key store {file} is empty, it was cut off: put its newest copy back")
    _be_its_owners(file)
    from ledger.sql.sqlite import SQLite

    return SQLite(str(file), explain, _opened, make=create)


def _be_its_owners(file: Path) -> None:
    if file.exists() and (mode := file.stat().st_mode & 0o777) & 0o077:
        raise StoreUnusable(f"the key store {file} is open to others (mode {mode:04o}): chmod 600 it")


def _opened(connection: sqlite3.Connection) -> None:
    from ledger.sql.sqlite import erase_what_is_deleted, keep_a_log

    keep_a_log(connection)
    connection.execute("PRAGMA synchronous=FULL")
    erase_what_is_deleted(connection)


def prepare(backend: Backend, create: bool) -> None:
    """The tables are there and of today. Raises StoreUnusable."""
    with backend.transaction(write=False) as tx:
        if tx.has("stored_events" if tx.dialect == "sqlite" else "public.stored_events"):
            raise StoreUnusable(f"--keys names a ledger's database ({backend.place}): a key store stands apart from it")
        there, applied = MIGRATIONS.there(tx), MIGRATIONS.applied(tx)
        if not there and tx.dialect == "sqlite" and tx.ask("SELECT 1 FROM sqlite_master LIMIT 1"):
            raise StoreUnusable(f"{backend.place} is another program's database and no key store: correct --keys")
    if not there and not create:
        raise StoreUnusable(f"there is no key store in {backend.place}: make one with `career-ledger keys new`")
    try:
        if applied != MIGRATIONS.newest:
            if applied > MIGRATIONS.newest:
                MIGRATIONS.check(applied)
            MIGRATIONS.bring(backend)
    except (NotOfToday, NotTheirOwner) as error:
        raise StoreUnusable(f"the key store {backend.place}: {error}") from None


_OURS = f"""SELECT bool_and(pg_has_role(relowner, 'USAGE')) FROM pg_class WHERE oid IN (
    {", ".join(f"'{name}'::regclass" for name in OF_A_STUDENT)})"""  # noqa: S608 - words of ours


def scrub(backend: Backend) -> bool:
    """What was deleted is gone from the disk, as far as a program can say so; False: only the owner of the tables may
    do it. Raises StoreUnavailable where somebody is reading."""
    from ledger.sql.sqlite import SQLite

    if isinstance(backend, SQLite):
        with backend.explained():
            backend.connection().execute("VACUUM")
        if not backend.scrub():
            raise StoreUnavailable(f"the key store {backend.place} is being read: what was deleted still stands in its "
                                   "-wal file; the next start finishes it")
        return True
    from ledger.sql.postgres import Postgres

    if isinstance(backend, Postgres):
        if backend.single(_OURS) != [(True,)]:
            return False  # the server would say a warning, and skip them
        with backend.explained():
            backend.connection().execute(f"VACUUM {', '.join(OF_A_STUDENT)}".encode())
    return True
