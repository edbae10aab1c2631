"""The tables of the log, numbered: what a new ledger is made of, and what an older one lacks.

Step 1 is what the release before the numbers made; it, and what later programs added without a number, is left as it is
where it stands. Whoever changes what the databases check (`guards`) or who may do what (`rights`) adds a step that puts
it in place again.
"""

from uuid import uuid4

from ledger.sql.base import Transaction
from ledger.sql.migrations import Migrations

from . import guards, rights

APPLICATION_ID = 0x434C4447
"""`CLDG` in the header of an SQLite file: it is a career ledger."""
HEADER = 2
"""Kept where a program from before the numbers looks for its 1: it then says that a newer one has been here."""
_REFUSAL = ("'a recorded event is never changed or deleted: submit an event-voided event that names it, "
            "then the fact as it should be'")

SQLITE_EVENTS = f"""
CREATE TABLE stored_events (
    rowid INTEGER PRIMARY KEY AUTOINCREMENT,
    originator_id TEXT NOT NULL,
    originator_version INTEGER NOT NULL,
    topic TEXT NOT NULL,
    state BLOB NOT NULL,
    UNIQUE (originator_id, originator_version));
CREATE TRIGGER stored_events_no_update BEFORE UPDATE ON stored_events BEGIN SELECT RAISE(ABORT, {_REFUSAL}); END;
CREATE TRIGGER stored_events_no_delete BEFORE DELETE ON stored_events BEGIN SELECT RAISE(ABORT, {_REFUSAL}); END;
CREATE TRIGGER stored_events_no_replace BEFORE INSERT ON stored_events
    WHEN EXISTS (SELECT 1 FROM stored_events WHERE rowid = NEW.rowid
                 OR (originator_id = NEW.originator_id AND originator_version = NEW.originator_version))
    BEGIN SELECT RAISE(ABORT, {_REFUSAL}); END;
"""
POSTGRES_EVENTS = """
CREATE TABLE public.career_ledger (schema_version integer NOT NULL);
INSERT INTO public.career_ledger VALUES (1);

CREATE TABLE public.stored_events (
    originator_id uuid NOT NULL,
    originator_version bigint NOT NULL,
    topic text NOT NULL,
    state bytea NOT NULL,
    notification_id bigserial NOT NULL,
    PRIMARY KEY (originator_id, originator_version))
WITH (autovacuum_vacuum_threshold = 100000000, autovacuum_vacuum_scale_factor = 0.5,
      autovacuum_analyze_threshold = 1000, autovacuum_analyze_scale_factor = 0.01);
CREATE UNIQUE INDEX stored_events_notification_id_idx ON public.stored_events (notification_id);

CREATE FUNCTION public.career_ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'restrict_violation',
        MESSAGE = 'a recorded event is never changed or deleted: ' || TG_OP || ' on stored_events is refused',
        HINT = 'Submit an event-voided event that names it, then the fact as it should be.';
END;
$body$;
CREATE TRIGGER stored_events_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON public.stored_events
    FOR EACH STATEMENT EXECUTE FUNCTION public.career_ledger_refuse_change();
ALTER TABLE public.stored_events ENABLE ALWAYS TRIGGER stored_events_are_kept;
"""
SQLITE_REFUSALS = """
CREATE TABLE IF NOT EXISTS refused_submissions (
    student TEXT NOT NULL, id BLOB NOT NULL, content BLOB NOT NULL, outcome BLOB NOT NULL, PRIMARY KEY (student, id)) WITHOUT ROWID;
"""
POSTGRES_REFUSALS = """
CREATE TABLE IF NOT EXISTS public.refused_submissions (
    student text NOT NULL, id bytea NOT NULL, content bytea NOT NULL, outcome bytea NOT NULL, PRIMARY KEY (student, id));
"""
"""Submissions from outside that were refused or invalid. Ids are kept as UTF-8 bytes: an id may hold a NUL, which text
cannot."""
SQLITE_IDENTITY = "CREATE TABLE IF NOT EXISTS career_ledger (origin TEXT NOT NULL, epoch INTEGER NOT NULL, digest_key TEXT);"
POSTGRES_IDENTITY = """
ALTER TABLE public.career_ledger ADD COLUMN IF NOT EXISTS origin text, ADD COLUMN IF NOT EXISTS epoch integer,
    ADD COLUMN IF NOT EXISTS digest_key text;
CREATE OR REPLACE FUNCTION public.career_ledger_adopt_key(key_check text) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $body$ UPDATE public.career_ledger SET digest_key = key_check WHERE digest_key IS NULL AND key_check ~ '^[0-9a-f]{32}$' $body$;
REVOKE ALL ON FUNCTION public.career_ledger_adopt_key(text) FROM PUBLIC;
"""
"""Which history this is, and what tells its key for digests from others. Whoever sends digests may set that once, and
not change it."""


def events(tx: Transaction) -> None:
    """The log, and the submissions that were kept out of it."""
    if tx.dialect == "postgresql":
        tx.script(POSTGRES_REFUSALS if tx.has("public.stored_events") else POSTGRES_EVENTS + POSTGRES_REFUSALS)
        return
    tx.script(SQLITE_REFUSALS if tx.has("stored_events") else SQLITE_EVENTS + SQLITE_REFUSALS)
    tx.script(f"PRAGMA application_id = {APPLICATION_ID};")


def identity(tx: Transaction) -> None:
    if tx.dialect == "postgresql":
        tx.script(POSTGRES_IDENTITY)
        tx.run("UPDATE public.career_ledger SET origin = :origin, epoch = 1 WHERE origin IS NULL",
               {"origin": uuid4().hex})
    else:
        tx.script(SQLITE_IDENTITY)
        tx.run("INSERT INTO career_ledger SELECT :origin, 1, NULL WHERE NOT EXISTS (SELECT 1 FROM career_ledger)",
               {"origin": uuid4().hex})


def checks(tx: Transaction) -> None:
    """What the database itself refuses to store."""
    if tx.dialect == "postgresql":
        tx.script(guards.POSTGRES)
        return
    for name, statement in guards.SQLITE.items():
        tx.script(f"DROP {statement.split()[1]} IF EXISTS {name};")
        tx.script(statement)


def privileges(tx: Transaction) -> None:
    """Who may do what with the tables of a ledger in PostgreSQL."""
    if tx.dialect == "postgresql":
        tx.script(rights.POSTGRES)


def numbers(tx: Transaction) -> None:
    """Programs from before the numbers are told."""
    if tx.dialect == "postgresql":
        tx.run(f"UPDATE public.career_ledger SET schema_version = {HEADER}")
    else:
        tx.script(f"PRAGMA user_version = {HEADER};")


def forgetting(tx: Transaction) -> None:
    """What is remembered of a forgotten person's refused submissions can be deleted."""
    if tx.dialect == "postgresql":
        tx.script(guards.POSTGRES_FORGET + rights.POSTGRES)


def epochs(tx: Transaction) -> None:
    """Backups that were put back and accepted (`epochs`)."""
    table = "public.career_ledger_epochs" if tx.dialect == "postgresql" else "career_ledger_epochs"
    tx.run(f"CREATE TABLE IF NOT EXISTS {table} (epoch BIGINT PRIMARY KEY, accepted_at TEXT NOT NULL, "
           "position BIGINT NOT NULL, reached BIGINT NOT NULL, lost_size BIGINT NOT NULL, lost_root BYTEA NOT NULL, "
           "authorities TEXT NOT NULL, reason TEXT NOT NULL)")
    privileges(tx)


def sealed_events(tx: Transaction) -> None:
    """Events may be sealed, and personal data must be: the databases know their stored names, older programs refuse."""
    checks(tx)


def rows(tx: Transaction) -> None:
    """Who asks as a student sees her own events (`subject`)."""
    if tx.dialect == "postgresql":
        tx.script(rights.ROWS)
        privileges(tx)


def linked_tickets(tx: Transaction) -> None:
    """The databases know the stored name of `ticket-linked`."""
    checks(tx)


def submissions_found(tx: Transaction) -> None:
    """A stream's submission ids are looked up, as they are in SQLite since there were checks."""
    if tx.dialect == "postgresql":
        tx.script(guards.POSTGRES_IDS + guards.POSTGRES)


STEPS = (events, identity, checks, privileges, numbers, forgetting, sealed_events, epochs, rows, linked_tickets, submissions_found)
SQLITE = Migrations("ledger", "career_ledger_migrations", "stored_events", STEPS)
POSTGRES = Migrations("ledger", "public.career_ledger_migrations", "public.stored_events", STEPS)
