"""The store in PostgreSQL (14 or newer).

An append is one call of `career_ledger_append`: it takes the table's EXCLUSIVE lock, checks the versions of the
streams, notifies the listeners, inserts, and has what it inserted checked (`guards.py`). The lock makes position order
equal commit order, so that a reader who tails the log misses nothing; it does not stop readers. It conflicts with
VACUUM and ANALYZE of the table: an append waits for them (up to `LOCK_SECONDS`). The function runs with its owner's
rights, since PostgreSQL before 17 has no privilege that allows this lock without allowing UPDATE or DELETE: writers
need EXECUTE on it and SELECT on the table, and nothing else (`rights`). A trigger refuses UPDATE, DELETE and TRUNCATE
to everybody, administrators included.
"""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any
from uuid import UUID

import psycopg
from eventsourcing.persistence import IntegrityError, InterfaceError, OperationalError, StoredEvent
from eventsourcing.postgres import ConnectionPool, PostgresApplicationRecorder, PostgresDatastore
from psycopg.rows import dict_row, tuple_row
from psycopg_pool import PoolTimeout

from ledger.edges.address import WrongAddress
from ledger.sql.base import LOCK_SECONDS, NO_NAMES, spelling
from ledger.sql.postgres import CONNECT_SECONDS, Link, Postgres, PostgresTransaction, in_time, refused

from . import versions, whole
from .errors import ReadOnly, StoreUnavailable, StoreUnusable
from .glance import Glance
from .migrations import POSTGRES
from .recorder import SEALED, FirstLook, Identity, LogRow, Refusal, WholeRow
from .subject import whose

SPELLING = spelling("postgresql", NO_NAMES)
CHUNK = 1000
"""Events in one call of `career_ledger_append`; more go into several calls of one transaction."""

APPEND = ("SELECT public.career_ledger_append(%b::uuid[], %b::bigint[], %b::text[], %b::bytea[])")
APPEND_ONE = "SELECT public.career_ledger_append(ARRAY[%b::uuid], ARRAY[%b::bigint], ARRAY[%b::text], ARRAY[%b::bytea])"
"""The same for one event: writing four arrays costs the driver more than all else."""

AS_STUDENT = ("SELECT set_config('role', 'career_ledger_student', true), "
              "set_config('career_ledger.stream', %s, true)")
COPY = "COPY public.stored_events (originator_id, originator_version, topic, state) FROM STDIN (FORMAT binary)"
COPY_PLACED = ("COPY public.stored_events (notification_id, originator_id, originator_version, topic, state) "
               "FROM STDIN (FORMAT binary)")
COPY_BEGIN, COPY_END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
MAY_COPY = ("SELECT has_table_privilege('public.stored_events', "
            "'INSERT') AND has_table_privilege('public.stored_events', "
            "'UPDATE') AND has_sequence_privilege('public.stored_events_notification_id_seq', 'USAGE')")
MOVED_ON = ("SELECT FROM unnest(%s::uuid[], %s::bigint[]) AS n (stream, version) "
            "WHERE n.version <> coalesce((SELECT max(originator_version) "
            "FROM public.stored_events AS e WHERE e.originator_id = n.stream), 0) LIMIT 1")
NEWEST = ("SELECT coalesce((SELECT e.notification_id FROM public.stored_events AS e WHERE e.originator_id = n.stream "
          "ORDER BY e.originator_version DESC LIMIT 1), 0) FROM unnest(%s::uuid[]) WITH ORDINALITY AS n (stream, nth) "
          "ORDER BY n.nth")
NEWEST_OF_ONE = ("SELECT notification_id FROM public.stored_events WHERE originator_id = %s "
                 "ORDER BY originator_version DESC LIMIT 1")
LOCK = "SELECT public.career_ledger_append('{}', '{}', '{}', '{}')"
REFUSE = "SELECT public.career_ledger_refuse(%b::text[], %b::bytea[], %b::bytea[], %b::bytea[])"
REMEMBERED = ("SELECT r.student, r.id, r.content, r.outcome FROM unnest(%b::text[], %b::bytea[]) AS n (student, id) "
              "JOIN public.refused_submissions AS r ON r.student = n.student AND r.id = n.id")
_ROW, _STATE, _PLACED = struct.Struct(">hi16siqi"), struct.Struct(">i"), struct.Struct(">hiqi16siqi")


@contextmanager
def in_tuples(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """The library wants rows as dictionaries."""
    before, connection.row_factory = connection.row_factory, tuple_row
    try:
        yield
    finally:
        connection.row_factory = before


class _Datastore(PostgresDatastore):
    def __init__(self, url: str) -> None:
        super().__init__(dbname="", host="", port="", user="", password="")
        self.link_broke = False
        self.silence: float | None = None
        self.first: FirstLook | None = None
        self._url = url
        self.pool = ConnectionPool(
            url, connection_class=Link, kwargs={"row_factory": dict_row},
            min_size=1, max_size=4, open=False, configure=self.after_connect_func(), timeout=CONNECT_SECONDS,
            num_workers=1)

    def register_type_adapters(self) -> None:
        """None: our append passes plain arrays."""

    @contextmanager
    def get_connection(self) -> Iterator[psycopg.Connection[dict[str, Any]]]:
        """After a broken link the idle connections are given up first, lest further attempts meet the broken ones one
        by one: looking at each would take as long where the server is silent."""
        if self.link_broke:
            self.link_broke = False
            self.pool.drain()
        try:
            with super().get_connection() as connection:
                if isinstance(connection, Link):
                    connection.silence = self.silence
                if self.first is not None and isinstance(connection, Link) and not connection.looked:
                    with connection.transaction(), in_tuples(connection):
                        self.first(PostgresTransaction(connection, SPELLING))
                    connection.looked = True
                yield connection
        except (InterfaceError, OperationalError) as error:
            self.link_broke = True
            if isinstance(error.__cause__, PoolTimeout):
                self._say_why()
            raise

    def _say_why(self) -> None:
        """The pool does not tell why no connection comes about. Raises OperationalError with the
        reason, if there still is one."""
        try:
            Link.connect(self._url, connect_timeout=in_time(self.pool.timeout)).close()
        except psycopg.OperationalError as error:
            raise OperationalError(str(error)) from error


class PostgresRecorder(PostgresApplicationRecorder):
    """The library's recorder with our append and our reads, which bring positions along."""

    def __init__(self, url: str, may_import: bool) -> None:
        self._links, self._glance = _Datastore(url), Glance(url)
        super().__init__(self._links)
        self.may_import = may_import

    def be_patient(self, seconds: float) -> None:
        """So long is waited for a connection, and for a word of a server that may be silent."""
        self._links.pool.timeout = min(seconds, CONNECT_SECONDS)
        self._links.silence = seconds

    def look_first(self, look: FirstLook) -> None:
        self._links.first = look

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int]:
        """All or none. Raises IntegrityError where a stream does not stand at the version
        before its first event here."""
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
        """One transaction: lock, check of the streams, notice, COPY. Returns the first position;
        nobody else draws one meanwhile.

        The owner of the table may COPY. A user who may only call `career_ledger_append` has the
        same rows stored through it."""
        with (self.datastore.get_connection() as connection, connection.transaction(),
              connection.cursor(row_factory=tuple_row) as cursor):
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
            stored = _one(cursor.execute("SELECT count(*) FROM public.stored_events WHERE notification_id >= %s",
                                         (first,)))
            if stored != rows:
                raise OperationalError("somebody drew positions without holding the lock: "
                                       f"{stored} rows from {first} on, not {rows}")
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
        """One transaction, all or none; the first call of `career_ledger_append` takes the
        lock for all that is checked."""
        positions: list[int] = []
        with (self.datastore.get_connection() as connection, connection.transaction(),
              connection.cursor(row_factory=tuple_row) as cursor):
            if not stored_events:
                cursor.execute(LOCK)
            for n in range(0, len(stored_events), CHUNK):
                positions += self._insert_chunk(connection, stored_events[n:n + CHUNK])
            if unmoved and cursor.execute(MOVED_ON, (list(unmoved), list(unmoved.values()))).fetchone() is not None:
                raise IntegrityError("a stream does not stand at the version that a refusal rests on")
            if absent and cursor.execute(REMEMBERED, _named(absent), prepare=True).fetchone() is not None:
                raise IntegrityError("a submission has been refused meanwhile")
            if refusals:
                told = (*_named([one[:2] for one in refusals]), [one.content for one in refusals],
                        [one.outcome for one in refusals])
                if _one(cursor.execute(REFUSE, told, prepare=True)) != len(refusals):
                    raise IntegrityError("a submission has been refused meanwhile")
        return positions

    def identity(self) -> Identity:
        return Identity(*self.read("SELECT origin, epoch, digest_key FROM public.career_ledger", ())[0])

    def adopt_key(self, check: str) -> None:
        """Does nothing where another one was faster, nor for an empty check, with which it is only tried."""
        with self.datastore.get_connection() as connection:
            connection.execute("SELECT public.career_ledger_adopt_key(%s)", (check,))

    def rewrite_refusals(self, rewrite: Callable[[Refusal], Refusal]) -> None:
        """Does nothing for a user who may not: only the owner may."""
        with (self.datastore.get_connection() as connection, connection.transaction(),
              connection.cursor(row_factory=tuple_row) as cursor):
            if not _one(cursor.execute("SELECT has_table_privilege('public.refused_submissions', 'UPDATE')")):
                return
            found = cursor.execute("SELECT student, id, content, outcome FROM public.refused_submissions WHERE "
                                   "length(content) = 32")
            for student, id_, content, outcome in found.fetchall():
                new = rewrite(Refusal(student, id_.decode(), content, outcome))
                cursor.execute("UPDATE public.refused_submissions SET content = %s, outcome = %s WHERE student = %s "
                               "AND id = %s",
                               (new.content, new.outcome, student, id_))

    def refusals(self, submissions: Sequence[tuple[str, str]]) -> list[Refusal]:
        return [Refusal(student, id_.decode(), content, outcome) for student, id_, content, outcome in self.read(
            REMEMBERED, _named(submissions))]

    def forgotten(self, after: int) -> list[LogRow]:
        return self.read("SELECT notification_id, topic, state FROM public.stored_events WHERE notification_id > %s "
                         "AND topic LIKE 'person-forgotten.v%%' ORDER BY notification_id", (after,))

    def first_sealed(self, after: int) -> int | None:
        rows = self.read("SELECT notification_id FROM public.stored_events WHERE notification_id > %s AND "
                         "position(%s::bytea IN state) > 0 ORDER BY notification_id LIMIT 1", (after, SEALED))
        return rows[0][0] if rows else None

    def refusals_of(self, student: str) -> list[Refusal]:
        return [Refusal(student, id_.decode(), content, outcome) for student, id_, content, outcome in self.read(
            "SELECT student, id, content, outcome FROM public.refused_submissions WHERE student = %s ORDER BY id",
            (student,))]

    def forget_refusals(self, student: str, stream: UUID) -> int:
        return int(self.read("SELECT public.career_ledger_forget(%s, %s)", (stream, student))[0][0])

    def read(self, statement: str, parameters: tuple[Any, ...]) -> list[Any]:
        stream = whose()
        with (self.datastore.get_connection() as connection,
              connection.cursor(row_factory=tuple_row, binary=True) as cursor):
            if stream is None:
                return cursor.execute(statement.encode(), parameters, prepare=True).fetchall()
            with connection.transaction():  # never for the connection, which somebody else has next
                cursor.execute(AS_STUDENT, (str(stream),))
                return cursor.execute(statement.encode(), parameters, prepare=True).fetchall()

    def stream(self, originator_id: UUID, after: int) -> list[LogRow]:
        """The stream's events of a version above `after`, in order."""
        return self.read("SELECT notification_id, topic, state FROM public.stored_events WHERE originator_id = %s "
                         "AND originator_version > %s ORDER BY originator_version", (originator_id, after))

    def streams(self, originator_ids: Sequence[UUID]) -> list[LogRow]:
        """The events of these streams in order: that of the log, in which versions rise too and rows lie, so that
        nothing is sorted."""
        return self.read("SELECT notification_id, topic, state FROM public.stored_events WHERE originator_id = ANY(%s) "
                         "ORDER BY notification_id", (list(originator_ids),))

    def newest(self, originator_ids: Sequence[UUID]) -> list[int]:
        """The position of the last event of each of these streams, in their order; 0 where there is none."""
        if len(originator_ids) == 1:  # half the time of the other one
            found = self.read(NEWEST_OF_ONE, (originator_ids[0],))
            return [found[0][0] if found else 0]
        return [position for (position,) in self.read(NEWEST, (list(originator_ids),))]

    async def newest_at_once(self, originator_id: UUID) -> int | None:
        """None where there is no answer at once."""
        rows = await self._glance.ask(NEWEST_OF_ONE, (originator_id,)) if whose() is None else None
        return None if rows is None else rows[0][0] if rows else 0

    def part(self, first: UUID, last: UUID) -> list[LogRow]:
        """The same of all streams from one id through another."""
        return self.read("SELECT notification_id, topic, state FROM public.stored_events WHERE originator_id BETWEEN "
                         "%s AND %s ORDER BY notification_id", (first, last))

    def log(self, after: int, limit: int) -> list[LogRow]:
        """Up to `limit` events of a position above `after`, in order."""
        return self.read("SELECT notification_id, topic, state FROM public.stored_events WHERE notification_id > %s "
                         "ORDER BY notification_id LIMIT %s", (after, limit))

    def rows(self, after: int, limit: int) -> list[WholeRow]:
        """The same with everything that stands in their rows."""
        return self.read("SELECT notification_id, encode(uuid_send(originator_id), 'hex'), originator_version, topic, "
                         "state FROM public.stored_events WHERE notification_id > %s ORDER BY notification_id LIMIT %s",
                         (after, limit))

    def touched(self, after: int, limit: int) -> list[tuple[int, UUID]]:
        """Position and stream of each of these events."""
        return self.read("SELECT notification_id, originator_id FROM public.stored_events WHERE notification_id > %s "
                         "ORDER BY notification_id LIMIT %s", (after, limit))

    def first_events(self, after: int, limit: int) -> list[LogRow]:
        """The same, of each stream its first event only."""
        return self.read("SELECT notification_id, topic, state FROM public.stored_events WHERE notification_id > %s "
                         "AND originator_version = 1 ORDER BY notification_id LIMIT %s", (after, limit))

    def last_position(self) -> int:
        return int(self.read("SELECT coalesce(max(notification_id), 0) FROM public.stored_events", ())[0][0])

    def close(self) -> None:
        self._glance.close()
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
        return StoreUnusable(f"{place} has run out of a resource ({text}): free it, submit the rest again: "
                             "what was accepted is stored")
    if state.startswith("22"):
        return StoreUnusable(f"{place} refuses what was to be stored: {text}")
    if state == "25006":
        return ReadOnly(f"{place} may only be read, as this user or at all, since it follows another server ({text}): "
                        "write to the server that it follows")
    if state == "42501":
        kind = ReadOnly if "function career_ledger_" in text else StoreUnusable
        return kind(f"{place} does not allow this user to do that ({text}): see infra/postgres/roles.sql")
    if (why := refused(cause)) is not None:
        return StoreUnusable(f"{place} lets nobody in like this ({why}): correct user, password, "
                             "database or certificate in --db")
    if state == "55P03":
        return StoreUnavailable(f"{place} keeps the events table locked ({text}): try again when the other program is "
                                "done")
    if isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError):
        return StoreUnavailable(f"{place} is not available ({text}): try again when it is back; "
                                "submitting a line twice stores it once")
    return StoreUnusable(f"{place} cannot be used: {text}")


def prepare(url: str, create: bool) -> PostgresRecorder:
    """The recorder of an existing ledger, or of a new one where `create` allows it. Raises StoreUnusable,
    StoreUnavailable."""
    with closing(opened(url)) as backend:
        if not _is_ready(backend):
            if not create:
                raise StoreUnusable(f"there is no ledger in {backend.place}: append something first, or correct --db")
            versions.bring(POSTGRES, backend)
        versions.check(POSTGRES, backend)
        [(may_import,)] = backend.single("SELECT public.career_ledger_may_import()")
    return PostgresRecorder(url, bool(may_import))


def upgrade(url: str) -> list[int]:
    """Makes a ledger, or brings it up to date; the numbers of the steps that were taken. Roles get their rights, also
    those that came later."""
    with closing(opened(url)) as backend:
        _is_ready(backend)
        return versions.bring(POSTGRES, backend)


@contextmanager
def moved_in(url: str, identity: Identity) -> Iterator[whole.Arriving]:
    """A whole ledger into a database without one, or with one that was never used. It becomes the one of this identity.
    Whatever the block raises, and a kill, leaves what was there before. What the
    guards refuse is not asked: older programs may have stored it, and who moves a ledger has proved it to be the same.
    For the owner of the tables. Raises StoreUnusable, StoreUnavailable."""
    with closing(opened(url)) as backend:
        _is_ready(backend)
        with backend.transaction() as tx:
            versions.apply(POSTGRES, tx, backend)
            tx.run(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
            tx.run("LOCK TABLE public.stored_events IN EXCLUSIVE MODE")
            whole.check_unused(tx, "public.", backend.place)
            connection = backend.connection()

            def insert(rows: Sequence[WholeRow]) -> None:
                with connection.cursor() as cursor, cursor.copy(COPY_PLACED.encode()) as copy:
                    copy.write(b"".join((COPY_BEGIN, *map(_placed, rows), COPY_END)))

            yield whole.Arriving(tx, insert)
            whole.identify(tx, "public.", identity)
            tx.run("NOTIFY stored_events")


def _placed(row: WholeRow) -> bytes:
    """In PostgreSQL's binary COPY format."""
    position, stream, version, topic, state = row
    name = topic.encode()
    return b"".join((_PLACED.pack(5, 8, position, 16, bytes.fromhex(stream), 8, version, len(name)), name,
                     _STATE.pack(len(state)), state))


def opened(url: str) -> Postgres:
    try:
        return Postgres(url, problem, lambda _: None)
    except WrongAddress as error:
        raise StoreUnusable(f"--db: {error}") from None


def _is_ready(backend: Postgres) -> bool:
    """False where there is nothing of a ledger. Raises StoreUnusable for somebody else's tables."""
    with backend.transaction(write=False) as tx:
        if not tx.has("public.career_ledger"):
            if tx.has("public.stored_events"):
                raise StoreUnusable(f"{backend.place} holds a table stored_events that is not a career ledger's: "
                                    "choose another database with --db")
            return False
        try:
            [(version,)] = tx.ask("SELECT max(schema_version) FROM public.career_ledger")
        except psycopg.errors.UndefinedColumn:
            raise StoreUnusable(f"{backend.place} holds a table career_ledger that is not ours: "
                                "choose another database with --db") from None
        if version is None or not tx.has("public.stored_events"):
            raise StoreUnusable(f"{backend.place} holds half a career ledger: restore it from a backup, "
                                "or choose another database with --db")
    return True
