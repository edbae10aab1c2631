"""What the databases refuse by themselves, whatever the program that writes: each attack as the user who may write, in
the database's own words, and nothing of it is stored."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import psycopg
import pytest
from eventsourcing.persistence import StoredEvent

from ledger.domain.events import Event, Override
from ledger.store import EventStore, StoreUnusable, guards, open_store
from ledger.store import postgres as postgres_store
from ledger.store.guards import AHEAD_SECONDS, PAST_SECONDS
from ledger.store.mapper import Mapper, canonical_json, stream_id

from .examples import an_event as recorded_event

MAPPER = Mapper()
OUTCOME = json.dumps({"id": "r", "outcome": "refused", "reasons": []}).encode()


def now() -> datetime:
    return datetime.now(timezone.utc)


def an_event(student: str, version: int, at: datetime | None = None, **changes: Any) -> Event:
    return recorded_event(student, version, at or now(), **changes)


def row(student: str, version: int, at: datetime | None = None, **changes: Any) -> StoredEvent:
    return MAPPER.to_stored_event(an_event(student, version, at, **changes))


def altered(event: StoredEvent, **fields: Any) -> StoredEvent:
    """Fields of the bytes, or of the row."""
    own = {name: fields.pop(name) for name in ("originator_id", "originator_version", "topic",
                                               "state") if name in fields}
    found = {"originator_id": event.originator_id, "originator_version": event.originator_version, "topic": event.topic,
             "state": event.state} | own
    if fields:
        found["state"] = canonical_json(json.loads(event.state) | fields)
    return StoredEvent(**found)  # type: ignore[arg-type]


class Writer(NamedTuple):
    """A ledger in which S01 stands at version 2, and what its database says to a user who may append:
    of events, and of refusals."""

    store: EventStore
    kind: str
    append: Callable[[list[StoredEvent]], None]
    refuse: Callable[[tuple[Any, ...]], None]


def in_postgres(url: str) -> Iterator[tuple[Callable[..., None], Callable[..., None]]]:
    with psycopg.connect(url, autocommit=True) as connection:

        def append(rows: list[StoredEvent]) -> None:
            columns = zip(*[(e.originator_id, e.originator_version, e.topic, e.state) for e in rows], strict=True)
            connection.execute(postgres_store.APPEND, [list(column) for column in columns])

        yield append, lambda one: connection.execute(postgres_store.REFUSE,
                                                     [[value] for value in one])  # type: ignore[func-returns-value]


def in_sqlite(path: str) -> Iterator[tuple[Callable[..., None], Callable[..., None]]]:
    with closing(sqlite3.connect(path)) as connection:

        def insert(statement: str, rows: list[tuple[Any, ...]]) -> None:
            with connection:
                connection.executemany(statement, rows)

        def append(rows: list[StoredEvent]) -> None:
            insert("INSERT INTO stored_events (originator_id, originator_version, topic, state) VALUES (?, ?, ?, ?)",
                   [(UUID(str(e.originator_id)).hex, e.originator_version, e.topic, e.state) for e in rows])

        yield append, lambda one: insert("INSERT INTO refused_submissions (student, id, content, outcome) VALUES (?, "
                                         "?, ?, ?)", [one])


@pytest.fixture
def writer(request: pytest.FixtureRequest, store: EventStore, store_url: str) -> Iterator[Writer]:
    store.append([an_event("S01", 1), an_event("S01", 2)])
    kind = "sqlite" if store_url.startswith("sqlite") else "postgresql"
    ways = (in_sqlite(store_url.removeprefix("sqlite:///")) if kind == "sqlite" else
            in_postgres(request.getfixturevalue("as_role")("career_ledger_writer")))
    for append, refuse in ways:
        yield Writer(store, kind, append, refuse)



ATTACKS: dict[str, tuple[Callable[[], list[StoredEvent]], str]] = {
    "no JSON": (lambda: [altered(row("S01", 3), state=b"no JSON")], "are no JSON object"),
    "JSON cut off": (lambda: [altered(row("S01", 3), state=row("S01", 3).state[:-1])], "are no JSON object"),
    "JSON of a list": (lambda: [altered(row("S01", 3), state=b"[1]")], "are no JSON object"),
    "a second event under one id": (lambda: [row("S01", 3, id="S01-1")], "same submission id"),
    "two events under one id": (lambda: [row("S01", 3), row("S01", 4, id="S01-3")], "same submission id"),
    "an id spelt otherwise": (lambda: [altered(row("S01", 3), state=row("S01", 3).state.replace(
        b'"id":"S01-3"', b'"id":"S01\\u002d1"'))], "canonical form"),
    "a hole": (lambda: [row("S01", 3), row("S01", 5)], "not the next one"),
    "a version said otherwise": (lambda: [altered(row("S01", 3), version=4)], "student, type and version"),
    "another student": (lambda: [altered(row("S02", 3), originator_id=stream_id("S01"))],
                        "another one than that of its stream"),
    "another student in the second event": (lambda: [row("S03", 1),
                                                     altered(row("S02", 2), originator_id=stream_id("S03"))],
                                            "another one than that of its stream"),
    "a type under another name": (lambda: [altered(row("S01", 3), topic="exam-graded.v1")],
                                  "student, type and version"),
    "an unknown name": (lambda: [altered(row("S01", 3), topic="instalment-paid.v9")], "stored name"),
    "of 2090": (lambda: [row("S01", 3, datetime(2090, 1, 1, tzinfo=timezone.utc))], "after the clock of the database"),
    "of a little later than allowed": (lambda: [row("S01", 3, now() + timedelta(seconds=AHEAD_SECONDS + 30))],
                                       "after the clock"),
    "before the last event": (lambda: [row("S01", 3), row("S01", 4, now() - timedelta(seconds=60))],
                              "before that of the student's last"),
    "without a moment": (lambda: [altered(row("S01", 3), recorded_at=None)], "canonical form|student"),
    "with a moment that is none": (lambda: [altered(row("S01", 3), recorded_at="2026-05-04")], "canonical form"),
    "with data that are none": (lambda: [altered(row("S01", 3), data=[])], "canonical form"),
    "spaces between": (lambda: [altered(row("S01", 3),
                                        state=json.dumps(json.loads(row("S01", 3).state), sort_keys=True).encode())],
                       "canonical"),
}
IN_POSTGRES: dict[str, tuple[Callable[[], list[StoredEvent]], str]] = {
    "a payment of 1999 of a new student": (lambda: [row("S04", 1, datetime(1999, 5, 4, tzinfo=timezone.utc),
                                                        effective_on="1999-05-04")],
                                           "in the past, which only career_ledger_importer"),
    "of an hour ago": (lambda: [row("S04", 1, now() - timedelta(seconds=PAST_SECONDS + 60))], "in the past"),
    "a stream of another name": (lambda: [altered(row("S02", 1), originator_id=uuid4())],
                                 "another one than that of its stream"),
}
"""SQLite knows no users and no SHA-1."""


def test_database_refuses_what_is_no_event_of_its_stream(writer: Writer) -> None:
    before = writer.store.log()
    for attack, (made, words) in (ATTACKS | (IN_POSTGRES if writer.kind == "postgresql" else {})).items():
        with pytest.raises((psycopg.DataError, sqlite3.IntegrityError), match=words):
            writer.append(made())
        assert writer.store.log() == before, attack
    writer.append([row("S01", 3), row("S02", 1)])
    writer.append([row("S01", 4, now() + timedelta(seconds=AHEAD_SECONDS / 2), id='\u00e8 "\\\n\x01')])
    assert [event.version for event in writer.store.stream("S01")] == [1, 2, 3, 4]


ODD = ["a", "a\"", "a\\", "\",\"", '","effective_on":"2026-01-01","id":"a', ',"id":"a",', "\u00e8\u2028\n\x01",
       "\U0001f600" * 50]


def test_no_id_is_taken_twice_however_it_is_spelt_and_none_for_another(writer: Writer) -> None:
    said = Override(rule="PRN-D", reason=',"effective_on":"2026-01-01","id":"a",', authority='","id":"a"')
    for n, name in enumerate(ODD):
        writer.append([row("S01", 3 + n, id=name, override=(said,) if n % 2 else ())])
    next_ = 3 + len(ODD)
    for name in ODD:
        for override in ((), (said,)):
            with pytest.raises((psycopg.DataError, sqlite3.IntegrityError), match="same submission id"):
                writer.append([row("S01", next_, id=name, override=override)])
    writer.append([row("S02", 1 + n, id=name) for n, name in enumerate(ODD)])
    assert [event.id for event in writer.store.stream("S01")[2:]] == ODD


def test_an_id_is_looked_up_and_the_stream_is_not_gone_through(postgres_url: str) -> None:
    with open_store(postgres_url) as store:
        for first in range(1, 1201, 300):
            store.append([an_event("S01", version) for version in range(first, first + 300)])
    with psycopg.connect(postgres_url) as connection:
        new = row("S01", 1201)
        connection.execute(postgres_store.APPEND, [[new.originator_id], [1201], [new.topic], [new.state]])
        [(rows,)] = connection.execute("SELECT idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = %s",
                                       ("stored_events",))
    assert 0 < rows < 20


@pytest.mark.parametrize("attack", [name for name in ATTACKS if "JSON" not in name])
def test_bulk_import_is_guarded_like_an_append(store: EventStore, attack: str) -> None:
    store.append([an_event("S01", 1), an_event("S01", 2)])
    made, words = ATTACKS[attack]
    rows = made()
    with pytest.raises(StoreUnusable, match=words):
        store.append_packed([store.pack(rows)], len(rows), {})
    assert store.last_position() == 2


def test_bulk_import_of_no_json_is_refused(store: EventStore) -> None:
    with pytest.raises(StoreUnusable, match="are no JSON object"):
        store.append_packed([store.pack([altered(row("S01", 1), state=b"\xff")])], 1, {})
    assert store.last_position() == 0


@pytest.mark.parametrize("change", [{"student": "S 01"}, {"student": ""}, {"content": b"short"},
                                    {"outcome": b"no JSON"},
                                    {"outcome": b'{"outcome": "accepted"}'}, {"outcome": b'["outcome"]'}, {"id": b""}])
def test_database_refuses_to_remember_what_is_no_refused_submission(writer: Writer, change: dict[str, Any]) -> None:
    good = {"student": "S01", "id": b"r", "content": bytes(33), "outcome": OUTCOME}
    with pytest.raises((psycopg.DataError, sqlite3.IntegrityError),
                       match=r"is not stored: its student, id, digest or outcome|json"):
        writer.refuse(tuple((good | change).values()))
    assert writer.store.refusals([("S01", "r"), ("S01", ""), ("S 01", "r"), ("", "r")]) == {}
    writer.refuse(tuple(good.values()))
    assert set(writer.store.refusals([("S01", "r")])) == {("S01", "r")}


def test_writer_may_not_insert_past_the_functions(store_url: str, request: pytest.FixtureRequest) -> None:
    if store_url.startswith("sqlite"):
        return
    open_store(store_url).close()
    with psycopg.connect(request.getfixturevalue("as_role")("career_ledger_writer"), autocommit=True) as connection:
        for statement in ("INSERT INTO stored_events VALUES (gen_random_uuid(), 1, 'x', '{}')",
                          "INSERT INTO refused_submissions VALUES ('S01', 'r', 'c', '{}')",
                          "SELECT career_ledger_check(1, 0)"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_stream_id_is_the_same_in_the_database(postgres_url: str) -> None:
    open_store(postgres_url).close()
    with psycopg.connect(postgres_url) as connection:
        for length in (1, 38, 39, 40, 64):
            [found] = connection.execute("SELECT career_ledger_stream(%s)", ("x" * length,)).fetchone() or (None,)
            assert found == stream_id("x" * length)


def test_history_is_recorded_by_an_importer_and_by_the_owner(postgres_url: str,
                                                             as_role: Callable[[str | None], str]) -> None:
    then = datetime(1999, 5, 4, tzinfo=timezone.utc)
    with open_store(postgres_url) as owner:
        owner.append([an_event("S01", 1, then)])
    with open_store(as_role("career_ledger_importer")) as importer:
        assert importer.may_import
        importer.append([an_event("S01", 2, then)])
        importer.append_packed([importer.pack([row("S02", 1, then), row("S02", 2, then)])], 2, {stream_id("S02"): 0})
    with open_store(as_role("career_ledger_writer")) as writer:
        assert not writer.may_import
        with pytest.raises(StoreUnusable, match="only career_ledger_importer may record"):
            writer.append([an_event("S01", 3, then)])
        writer.append([an_event("S01", 3)])


def test_stream_of_a_clock_that_ran_ahead_goes_on_at_its_last_moment(store: EventStore, store_url: str) -> None:
    """What an older release let in: later events are neither before it nor further ahead."""
    ahead = datetime(2090, 1, 1, tzinfo=timezone.utc)
    unguarded(store_url)
    store.append([an_event("S01", 1, ahead)])
    guarded(store_url)
    store.append([an_event("S01", 2, ahead)])
    for moment, words in ((ahead + timedelta(seconds=1), "after the clock"), (now(), "before that")):
        with pytest.raises(StoreUnusable, match=words):
            store.append([an_event("S01", 3, moment)])


def unguarded(url: str) -> None:
    """As an older release left it."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            for name, statement in guards.SQLITE.items():
                connection.execute(f"DROP {statement.split()[1]} {name}")
        return
    with psycopg.connect(url, autocommit=True) as owner:
        source = owner.execute("SELECT pg_get_functiondef('career_ledger_append'::regproc)").fetchone()
        assert source is not None
        calls = "PERFORM public.career_ledger_check(before + 1, before + cardinality(streams));"
        assert calls in source[0]
        owner.execute(source[0].replace(calls, "").encode())
        owner.execute("DROP FUNCTION career_ledger_check, career_ledger_refuse")


def guarded(url: str) -> None:
    """As it was before `unguarded`."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            for statement in guards.SQLITE.values():
                connection.execute(statement)
        return
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(guards.POSTGRES.encode())
