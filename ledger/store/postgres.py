"""The store in PostgreSQL (14 or newer).

An append is one call of `career_ledger_append`: it takes the table's EXCLUSIVE lock, checks the versions of the streams,
notifies the listeners, inserts, and has what it inserted checked (`guards.py`). The lock makes position order equal commit
order, so that a reader who tails the log misses nothing; it does not stop readers. It conflicts with VACUUM and ANALYZE of
the table: an append waits for them (up to `LOCK_SECONDS`). The function runs with its owner's rights, since PostgreSQL before
17 has no privilege that allows this lock without allowing UPDATE or DELETE: writers need EXECUTE on it and SELECT on the
table, and nothing else (`infra/postgres/roles.sql`). A trigger refuses UPDATE, DELETE and TRUNCATE to everybody,
administrators included.
"""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import psycopg
from eventsourcing.persistence import IntegrityError, InterfaceError, OperationalError, StoredEvent
from eventsourcing.postgres import ConnectionPool, PostgresApplicationRecorder, PostgresDatastore
from psycopg.rows import dict_row, tuple_row
from psycopg_pool import PoolTimeout

from ledger.sql.postgres import CONNECT_SECONDS, Link, refused

from .errors import StoreUnavailable, StoreUnusable
from .event_store import Identity, Refusal
from .guards import POSTGRES

SCHEMA_VERSION = 1
LOCK_SECONDS = 20
CHUNK = 1000
"""Events in one call of `career_ledger_append`; more go into several calls of one transaction."""

Row = tuple[int, str, bytes]
"""Position, stored name, stored bytes."""

SCHEMA = f"""
CREATE TABLE public.career_ledger (schema_version integer NOT NULL);
INSERT INTO public.career_ledger VALUES ({SCHEMA_VERSION});

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

GUARDS = POSTGRES + f"""
CREATE OR REPLACE FUNCTION public.career_ledger_append(streams uuid[], versions bigint[], names text[], states bytea[])
RETURNS SETOF bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '{LOCK_SECONDS}s'
AS $body$
DECLARE
    before bigint;
BEGIN
    LOCK TABLE public.stored_events IN EXCLUSIVE MODE;
    SELECT CASE WHEN is_called THEN last_value ELSE 0 END INTO before FROM public.stored_events_notification_id_seq;
    IF cardinality(streams) = 1 THEN  -- most calls are of one event: the same, without grouping and sorting
        IF versions[1] <> 1 + coalesce((
            SELECT max(e.originator_version) FROM public.stored_events AS e WHERE e.originator_id = streams[1]), 0)
        THEN
            RAISE unique_violation USING MESSAGE = 'the stream does not stand at the version before the event';
        END IF;
        NOTIFY stored_events;
        RETURN QUERY
            INSERT INTO public.stored_events (originator_id, originator_version, topic, state)
            VALUES (streams[1], versions[1], names[1], states[1])
            RETURNING notification_id;
        PERFORM public.career_ledger_check(before + 1, before + cardinality(streams));
        RETURN;
    END IF;
    IF EXISTS (
        SELECT FROM (SELECT stream, min(version) AS version FROM unnest(streams, versions) AS n (stream, version) GROUP BY stream) AS new
        WHERE new.version <> 1 + coalesce((
            SELECT max(e.originator_version) FROM public.stored_events AS e WHERE e.originator_id = new.stream), 0))
    THEN
        RAISE unique_violation USING MESSAGE = 'the stream does not stand at the version before the first event';
    END IF;
    NOTIFY stored_events;
    RETURN QUERY
        INSERT INTO public.stored_events (originator_id, originator_version, topic, state)
        SELECT n.stream, n.version, n.name, n.state
        FROM unnest(streams, versions, names, states) WITH ORDINALITY AS n (stream, version, name, state, nth)
        ORDER BY n.nth
        RETURNING notification_id;
    PERFORM public.career_ledger_check(before + 1, before + cardinality(streams));
END;
$body$;
REVOKE ALL ON FUNCTION public.career_ledger_append(uuid[], bigint[], text[], bytea[]),
    public.career_ledger_refuse(text[], bytea[], bytea[], bytea[]), public.career_ledger_check(bigint, bigint),
    public.career_ledger_stream(text) FROM PUBLIC;
DO $$
DECLARE
    role text;
BEGIN
    FOR role IN SELECT rolname FROM pg_catalog.pg_roles WHERE rolname IN ('career_ledger_writer', 'career_ledger_intake') LOOP
        EXECUTE format('REVOKE INSERT ON public.refused_submissions FROM %I', role);
        EXECUTE format('GRANT SELECT ON public.refused_submissions TO %I', role);
        EXECUTE format('GRANT EXECUTE ON FUNCTION public.career_ledger_append(uuid[], bigint[], text[], bytea[]), '
                       'public.career_ledger_refuse(text[], bytea[], bytea[], bytea[]) TO %I', role);
    END LOOP;
END $$;
"""
"""Made anew where they are not those of this program (`_guard`)."""
GUARDS_MARK = sha256(GUARDS.encode()).hexdigest()
CHECK = "public.career_ledger_check(bigint, bigint)"
"""Its comment is the mark."""

APPEND = ("SELECT public.career_ledger_append(%b::uuid[], %b::bigint[], %b::text[], %b::bytea[])")
APPEND_ONE = "SELECT public.career_ledger_append(ARRAY[%b::uuid], ARRAY[%b::bigint], ARRAY[%b::text], ARRAY[%b::bytea])"
"""The same for one event: writing four arrays costs the driver more than all else."""

COPY = "COPY public.stored_events (originator_id, originator_version, topic, state) FROM STDIN (FORMAT binary)"
COPY_BEGIN, COPY_END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
MAY_COPY = ("SELECT has_table_privilege('public.stored_events', 'INSERT') AND has_table_privilege('public.stored_events', 'UPDATE') "
            "AND has_sequence_privilege('public.stored_events_notification_id_seq', 'USAGE')")
MOVED_ON = ("SELECT FROM unnest(%s::uuid[], %s::bigint[]) AS n (stream, version) "
            "WHERE n.version <> coalesce((SELECT max(originator_version) "
            "FROM public.stored_events AS e WHERE e.originator_id = n.stream), 0) LIMIT 1")
LOCK = "SELECT public.career_ledger_append('{}', '{}', '{}', '{}')"
REFUSALS = """
CREATE TABLE IF NOT EXISTS public.refused_submissions (
    student text NOT NULL, id bytea NOT NULL, content bytea NOT NULL, outcome bytea NOT NULL, PRIMARY KEY (student, id));"""
"""Submissions from outside that were refused or invalid (`infra/postgres/roles.sql` grants the same). Ids are kept as UTF-8
bytes: an id may hold a NUL, which text cannot."""
IDENTITY = """
ALTER TABLE public.career_ledger ADD COLUMN IF NOT EXISTS origin text, ADD COLUMN IF NOT EXISTS epoch integer,
    ADD COLUMN IF NOT EXISTS digest_key text;
CREATE OR REPLACE FUNCTION public.career_ledger_adopt_key(key_check text) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $body$ UPDATE public.career_ledger SET digest_key = key_check WHERE digest_key IS NULL AND key_check ~ '^[0-9a-f]{32}$' $body$;
REVOKE ALL ON FUNCTION public.career_ledger_adopt_key(text) FROM PUBLIC;
DO $$
DECLARE found text;
BEGIN
    FOR found IN SELECT rolname FROM pg_catalog.pg_roles
        WHERE rolname IN ('career_ledger_writer', 'career_ledger_intake', 'career_ledger_relay') LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION public.career_ledger_adopt_key(text) TO %I', found);
    END LOOP;
END $$;
"""
"""Which history this is, and what tells its key for digests from others. Whoever sends digests may set that once, and not change it."""
IDENTIFY = "UPDATE public.career_ledger SET origin = %s, epoch = 1 WHERE origin IS NULL"
REFUSE = "SELECT public.career_ledger_refuse(%b::text[], %b::bytea[], %b::bytea[], %b::bytea[])"
REMEMBER = ("INSERT INTO public.refused_submissions (student, id, content, outcome) "
            "SELECT * FROM unnest(%b::text[], %b::bytea[], %b::bytea[], %b::bytea[]) ON CONFLICT DO NOTHING")
"""What a ledger without `career_ledger_refuse` is asked, whose owner has not appended with this version yet."""
REMEMBERED = ("SELECT r.student, r.id, r.content, r.outcome FROM unnest(%b::text[], %b::bytea[]) AS n (student, id) "
              "JOIN public.refused_submissions AS r ON r.student = n.student AND r.id = n.id")
_ROW, _STATE = struct.Struct(">hi16siqi"), struct.Struct(">i")


class _Datastore(PostgresDatastore):
    def __init__(self, url: str) -> None:
        super().__init__(dbname="", host="", port="", user="", password="")
        self.link_broke = False
        self._url = url
        self.pool = ConnectionPool(
            url, connection_class=Link, kwargs={"row_factory": dict_row},
            min_size=1, max_size=4, open=False, configure=self.after_connect_func(), timeout=CONNECT_SECONDS, num_workers=1)

    def register_type_adapters(self) -> None:
        """None: our append passes plain arrays."""

    @contextmanager
    def get_connection(self) -> Iterator[psycopg.Connection[dict[str, Any]]]:
        """After a broken link the idle connections are looked at first, lest further attempts meet the broken ones one by one."""
        if self.link_broke:
            self.link_broke = False
            self.pool.check()
        try:
            with super().get_connection() as connection:
                yield connection
        except (InterfaceError, OperationalError) as error:
            self.link_broke = True
            if isinstance(error.__cause__, PoolTimeout):
                self._say_why()
            raise

    def _say_why(self) -> None:
        """The pool does not tell why no connection comes about. Raises OperationalError with the reason, if there still is one."""
        try:
            Link.connect(self._url).close()
        except psycopg.OperationalError as error:
            raise OperationalError(str(error)) from error


class PostgresRecorder(PostgresApplicationRecorder):
    """The library's recorder with our append and our reads, which bring positions along."""

    def __init__(self, url: str, guarded: bool, may_import: bool) -> None:
        super().__init__(_Datastore(url))
        self._guarded = guarded
        self.may_import = may_import

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int]:
        """All or none. Raises IntegrityError where a stream does not stand at the version before its first event here."""
        chunks = [stored_events[n:n + CHUNK] for n in range(0, len(stored_events), CHUNK)]
        positions: list[int] = []
        with self.datastore.get_connection() as connection:
            if len(chunks) == 1:
                return self._insert_chunk(connection, chunks[0])
            with connection.transaction():
                for chunk in chunks:
                    positions += self._insert_chunk(connection, chunk)
        return positions

    @staticmethod
    def _insert_chunk(connection: psycopg.Connection[Any], chunk: Sequence[StoredEvent]) -> list[int]:
        rows = [(e.originator_id, e.originator_version, e.topic, e.state) for e in chunk]
        with connection.cursor(row_factory=tuple_row) as cursor:
            found = (cursor.execute(APPEND_ONE, rows[0], prepare=True) if len(rows) == 1 else
                     cursor.execute(APPEND, tuple(map(list, zip(*rows, strict=True))), prepare=True))
            return [row[0] for row in found.fetchall()]

    def pack(self, stored_events: Sequence[StoredEvent]) -> bytes:
        """Rows of PostgreSQL's binary COPY format: stream, version, name, bytes."""
        found: list[bytes] = []
        for event in stored_events:
            stream = event.originator_id if isinstance(event.originator_id, UUID) else UUID(event.originator_id)
            name = event.topic.encode()
            found += (_ROW.pack(4, 16, stream.bytes, 8, event.originator_version, len(name)), name,
                      _STATE.pack(len(event.state)), event.state)
        return b"".join(found)

    def insert_packed(self, packs: Sequence[bytes], rows: int, heads: Mapping[UUID, int]) -> int:
        """One transaction: lock, check of the streams, notice, COPY. Returns the first position; nobody else draws one meanwhile.

        The owner of the table may COPY. A user who may only call `career_ledger_append` has the same rows stored through it."""
        with self.datastore.get_connection() as connection, connection.transaction(), connection.cursor(row_factory=tuple_row) as cursor:
            if rows and not _one(cursor.execute(MAY_COPY)):
                return self._append_packed(connection, packs)
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'".encode())
            if rows:
                cursor.execute("LOCK TABLE public.stored_events IN EXCLUSIVE MODE")
            if cursor.execute(MOVED_ON, (list(heads), list(heads.values()))).fetchone() is not None:
                raise IntegrityError("a stream does not stand at the version before its first event")
            if not rows:
                return 0
            cursor.execute("NOTIFY stored_events")
            with cursor.copy(COPY.encode()) as copy:
                copy.write(b"".join((COPY_BEGIN, *packs, COPY_END)))
            last = _one(cursor.execute("SELECT currval('public.stored_events_notification_id_seq')"))
            first: int = last - rows + 1
            stored = _one(cursor.execute("SELECT count(*) FROM public.stored_events WHERE notification_id >= %s", (first,)))
            if stored != rows:
                raise OperationalError(f"somebody drew positions without holding the lock: {stored} rows from {first} on, not {rows}")
            if self._guarded:
                cursor.execute("SELECT public.career_ledger_check(%s, %s)", (first, last))
            return first

    def _append_packed(self, connection: psycopg.Connection[Any], packs: Sequence[bytes]) -> int:
        stored = list(_unpack(b"".join(packs)))
        first = 0
        for n in range(0, len(stored), CHUNK):
            positions = self._insert_chunk(connection, stored[n:n + CHUNK])
            first = first or positions[0]
        return first

    def insert_with_refusals(self, stored_events: Sequence[StoredEvent], refusals: Sequence[Refusal],
                             unmoved: Mapping[UUID, int], absent: Sequence[tuple[str, str]]) -> Sequence[int]:
        """One transaction, all or none; the first call of `career_ledger_append` takes the lock for all that is checked."""
        positions: list[int] = []
        with self.datastore.get_connection() as connection, connection.transaction(), connection.cursor(row_factory=tuple_row) as cursor:
            if not stored_events:
                cursor.execute(LOCK)
            for n in range(0, len(stored_events), CHUNK):
                positions += self._insert_chunk(connection, stored_events[n:n + CHUNK])
            if unmoved and cursor.execute(MOVED_ON, (list(unmoved), list(unmoved.values()))).fetchone() is not None:
                raise IntegrityError("a stream does not stand at the version that a refusal rests on")
            if absent and cursor.execute(REMEMBERED, _named(absent), prepare=True).fetchone() is not None:
                raise IntegrityError("a submission has been refused meanwhile")
            if refusals:
                told = (*_named([one[:2] for one in refusals]), [one.content for one in refusals], [one.outcome for one in refusals])
                cursor.execute(REFUSE if self._guarded else REMEMBER, told, prepare=True)
                if (_one(cursor) if self._guarded else cursor.rowcount) != len(refusals):
                    raise IntegrityError("a submission has been refused meanwhile")
        return positions

    def identity(self) -> Identity | None:
        with self.datastore.get_connection() as connection:
            return _identity(connection)

    def adopt_key(self, check: str) -> None:
        """Does nothing where another one was faster."""
        with self.datastore.get_connection() as connection:
            connection.execute("SELECT public.career_ledger_adopt_key(%s)", (check,))

    def raise_epoch(self) -> None:
        with self.datastore.get_connection() as connection:
            connection.execute("UPDATE public.career_ledger SET epoch = epoch + 1")

    def prepare_refusals(self) -> None:
        """Does nothing where the table stands: a writer may not make it."""
        with self.datastore.get_connection() as connection:
            if not _has(connection, "refused_submissions"):
                with connection.transaction():
                    connection.execute(LOCK)  # of several processes that start at once, one makes it
                    _put_guards(connection)

    def rewrite_refusals(self, rewrite: Callable[[Refusal], Refusal]) -> None:
        """Does nothing for a user who may not: only the owner may."""
        with self.datastore.get_connection() as connection, connection.transaction(), connection.cursor(row_factory=tuple_row) as cursor:
            if not _one(cursor.execute("SELECT has_table_privilege('public.refused_submissions', 'UPDATE')")):
                return
            found = cursor.execute("SELECT student, id, content, outcome FROM public.refused_submissions WHERE length(content) = 32")
            for student, id_, content, outcome in found.fetchall():
                new = rewrite(Refusal(student, id_.decode(), content, outcome))
                cursor.execute("UPDATE public.refused_submissions SET content = %s, outcome = %s WHERE student = %s AND id = %s",
                               (new.content, new.outcome, student, id_))

    def refusals(self, submissions: Sequence[tuple[str, str]]) -> list[Refusal]:
        return [Refusal(student, id_.decode(), content, outcome) for student, id_, content, outcome in self.read(
            REMEMBERED, _named(submissions))]

    def read(self, statement: str, parameters: tuple[Any, ...]) -> list[Any]:
        with self.datastore.get_connection() as connection, connection.cursor(row_factory=tuple_row, binary=True) as cursor:
            return cursor.execute(statement.encode(), parameters, prepare=True).fetchall()

    def stream(self, originator_id: UUID, after: int) -> list[Row]:
        """The stream's events of a version above `after`, in order."""
        return self.read("SELECT notification_id, topic, state FROM public.stored_events WHERE originator_id = %s "
                         "AND originator_version > %s ORDER BY originator_version", (originator_id, after))

    def streams(self, originator_ids: Sequence[UUID]) -> list[Row]:
        """The events of these streams in order: that of the log, in which versions rise too and rows lie, so that nothing is sorted."""
        return self.read("SELECT notification_id, topic, state FROM public.stored_events WHERE originator_id = ANY(%s) "
                         "ORDER BY notification_id", (list(originator_ids),))

    def part(self, first: UUID, last: UUID) -> list[Row]:
        """The same of all streams from one id through another."""
        return self.read("SELECT notification_id, topic, state FROM public.stored_events WHERE originator_id BETWEEN %s AND %s "
                         "ORDER BY notification_id", (first, last))

    def log(self, after: int, limit: int) -> list[Row]:
        """Up to `limit` events of a position above `after`, in order."""
        return self.read("SELECT notification_id, topic, state FROM public.stored_events WHERE notification_id > %s "
                         "ORDER BY notification_id LIMIT %s", (after, limit))

    def touched(self, after: int, limit: int) -> list[tuple[int, UUID]]:
        """Position and stream of each of these events."""
        return self.read("SELECT notification_id, originator_id FROM public.stored_events WHERE notification_id > %s "
                         "ORDER BY notification_id LIMIT %s", (after, limit))

    def first_events(self, after: int, limit: int) -> list[Row]:
        """The same, of each stream its first event only."""
        return self.read("SELECT notification_id, topic, state FROM public.stored_events WHERE notification_id > %s "
                         "AND originator_version = 1 ORDER BY notification_id LIMIT %s", (after, limit))

    def last_position(self) -> int:
        return int(self.read("SELECT coalesce(max(notification_id), 0) FROM public.stored_events", ())[0][0])

    def close(self) -> None:
        self.datastore.close()


def _named(submissions: Sequence[tuple[str, str]]) -> tuple[list[str], list[bytes]]:
    return [student for student, _ in submissions], [id_.encode() for _, id_ in submissions]


def _one(cursor: psycopg.Cursor[Any]) -> Any:
    row = cursor.fetchone()
    return row[0] if row else None


def _unpack(rows: bytes) -> Iterator[StoredEvent]:
    at = 0
    while at < len(rows):
        _, _, stream, _, version, length = _ROW.unpack_from(rows, at)
        at += _ROW.size
        name = rows[at:at + length].decode()
        at += length
        (length,) = _STATE.unpack_from(rows, at)
        at += _STATE.size
        yield StoredEvent(UUID(bytes=stream), version, name, rows[at:at + length])
        at += length


def problem(error: Exception, place: str) -> Exception:
    """What a failure of PostgreSQL means for the caller."""
    cause: BaseException = error.__cause__ or error
    state = getattr(cause, "sqlstate", None) or ""
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(cause).__name__
    if state.startswith("53"):  # disk full, out of memory, too many connections
        return StoreUnusable(f"{place} has run out of a resource ({text}): free it, submit the rest again: what was accepted is stored")
    if state.startswith("22"):
        return StoreUnusable(f"{place} refuses what was to be stored: {text}")
    if state == "42501":
        return StoreUnusable(f"{place} does not allow this user to do that ({text}): see infra/postgres/roles.sql")
    if (why := refused(cause)) is not None:
        return StoreUnusable(f"{place} lets nobody in like this ({why}): correct user, password, database or certificate in --db")
    if state == "55P03":
        return StoreUnavailable(f"{place} keeps the events table locked ({text}): try again when the other program is done")
    if isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError):
        return StoreUnavailable(f"{place} is not available ({text}): try again when it is back; submitting a line twice stores it once")
    return StoreUnusable(f"{place} cannot be used: {text}")


def place_of(url: str) -> str:
    """The server and database, without the password."""
    try:
        found = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:  # its words repeat parts of the address, and may hold some of the password
        raise StoreUnusable("--db: the address holds a parameter that PostgreSQL does not know, or one with a wrong value") from None
    return f"PostgreSQL at {found.get('host') or 'localhost'}:{found.get('port') or 5432}, database {found.get('dbname') or '(default)'}"


def prepare(url: str, create: bool) -> PostgresRecorder:
    """The recorder of an existing ledger, or of a new one where `create` allows it. Raises StoreUnusable, StoreUnavailable."""
    place = place_of(url)
    try:
        with Link.connect(url, autocommit=True) as connection:
            if not _has(connection, "career_ledger"):
                if not create:
                    raise StoreUnusable(f"there is no ledger in {place}: append something first, or correct --db")
                _create(connection, place)
            _check(connection, place)
            if _identity(connection) is None and _is_owner(connection):
                with connection.transaction():
                    connection.execute("SELECT pg_advisory_xact_lock(hashtext('career-ledger schema'))")
                    _identify(connection)
            guarded = _guard(connection, mend=create)
            may_import = not guarded or bool(_one(connection.execute("SELECT public.career_ledger_may_import()")))
    except psycopg.Error as error:
        raise problem(error, place) from error
    return PostgresRecorder(url, guarded, may_import)


def _has(connection: psycopg.Connection[Any], table: str) -> bool:
    """Asks the catalogue and not `to_regclass`, whose cache may be older than what another process has just committed."""
    found = connection.execute("SELECT FROM pg_catalog.pg_class WHERE relname = %s AND relnamespace = 'public'::regnamespace", (table,))
    return found.fetchone() is not None


def _create(connection: psycopg.Connection[Any], place: str) -> None:
    """Makes the tables in one transaction; of several processes that start at once, one makes them and the others see them."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('career-ledger schema'))")
        if _has(connection, "career_ledger"):
            return
        if _has(connection, "stored_events"):
            raise StoreUnusable(f"{place} holds a table stored_events that is not a career ledger's: choose another database with --db")
        connection.execute(SCHEMA.encode())
        _put_guards(connection)
        _identify(connection)


def _identify(connection: psycopg.Connection[Any]) -> None:
    connection.execute(IDENTITY.encode())
    connection.execute(IDENTIFY, (uuid4().hex,))


def _identity(connection: psycopg.Connection[Any]) -> Identity | None:
    """None where the owner has not opened the ledger since identities came."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row: dict[str, Any] = cursor.execute("SELECT * FROM public.career_ledger").fetchone() or {}
    return Identity(row["origin"], row["epoch"], row["digest_key"]) if row.get("origin") else None


def _is_owner(connection: psycopg.Connection[Any]) -> bool:
    return bool(_one(connection.execute("SELECT pg_catalog.pg_has_role(relowner, 'USAGE') FROM pg_catalog.pg_class "
                                        "WHERE oid = 'public.career_ledger'::regclass")))


def _guard(connection: psycopg.Connection[Any], mend: bool) -> bool:
    """Whether the database checks what it is given. With `mend`, the owner's connection makes the functions those of this program."""
    asked = ("SELECT to_regprocedure(%s) IS NOT NULL, obj_description(to_regprocedure(%s), 'pg_proc'), pg_has_role(relowner, 'MEMBER') "
             "FROM pg_catalog.pg_class WHERE oid = 'public.stored_events'::regclass")
    there, found, owns = connection.execute(asked, (CHECK, CHECK)).fetchone() or (False, None, False)
    if found == GUARDS_MARK or not owns or not mend:
        return bool(there)
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('career-ledger schema'))")
        _put_guards(connection)
    return True


def _put_guards(connection: psycopg.Connection[Any]) -> None:
    connection.execute(REFUSALS.encode())
    connection.execute(GUARDS.encode())
    connection.execute(f"COMMENT ON FUNCTION {CHECK} IS '{GUARDS_MARK}'".encode())


def _check(connection: psycopg.Connection[Any], place: str) -> None:
    try:
        found = connection.execute("SELECT max(schema_version) FROM public.career_ledger").fetchone()
    except psycopg.errors.UndefinedColumn:
        raise StoreUnusable(f"{place} holds a table career_ledger that is not ours: choose another database with --db") from None
    version = found[0] if found else None
    if version is None or not _has(connection, "stored_events"):
        raise StoreUnusable(f"{place} holds half a career ledger: restore it from a backup, or choose another database with --db")
    if version > SCHEMA_VERSION:
        raise StoreUnusable(f"{place} was made by a newer version of this program (schema {version}, this one knows "
                            f"{SCHEMA_VERSION}): update this program")
