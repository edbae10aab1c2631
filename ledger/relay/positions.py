"""How far each topic goes: one row a topic in the ledger's own database, on both stores.

A row belongs to a topic as it was made: where the cluster's id of the topic is another one (it was deleted and made
anew, or this is another cluster) nothing of it is published yet, and its position is 0 again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, Self
from uuid import UUID

from ledger.edges.address import sqlite_path
from ledger.sql.base import Backend
from ledger.sql.migrations import Migrations, statements
from ledger.store import SetAside, StoreUnavailable, StoreUnusable, versions
from ledger.wire.kafka import KafkaUnusable, Made, prefix
from ledger.wire.topics import EVENTS, STATE

MIGRATIONS = Migrations("relay", "career_ledger_migrations", "relay_positions", (
    statements("positions", """CREATE TABLE IF NOT EXISTS relay_positions (
        topic text PRIMARY KEY, topic_id text NOT NULL, partitions integer NOT NULL, law text NOT NULL, position bigint NOT NULL,
        complete_at text, at text NOT NULL, rate double precision NOT NULL, error text, error_at text)"""),
    statements("aside", """CREATE TABLE IF NOT EXISTS relay_aside (
        topic text NOT NULL, stream text NOT NULL, student text, position bigint NOT NULL, why text NOT NULL,
        PRIMARY KEY (topic, stream))""")))
"""`relay_aside`: students of whom a topic holds nothing from a position on, because an event of theirs could not be
read. A relay that does not own the database finds them made by `career-ledger upgrade`."""
AHEAD_SECONDS = 60.0
"""So much may this machine's clock be ahead of the database's."""
COLUMNS = "topic, topic_id, partitions, law, position, complete_at, at, rate, error, error_at"


def older(one: "TopicPosition", last: int) -> str:
    return (f"{one.topic} is published up to position {one.position}, and the ledger ends at {last}: "
            "its events were restored from an older copy than its positions. Put the newer copy back; "
            "where it is lost, delete the topics and let the services make their tables anew")


class Displaced(StoreUnavailable):
    """Somebody else has moved the position: another relay works."""


@dataclass(frozen=True, slots=True)
class TopicPosition:
    """`topic` with its prefix. `position`: everything up to it was acknowledged. `law`: what the messages were computed
    under, '' where they rest on none. `complete_at`: the instant up to which everything committed was acknowledged when
    the end of the log was last seen. `at`: when this was written, `rate`: events a second then. `error`: the last
    failure, in words."""

    topic: str
    topic_id: str
    partitions: int
    law: str
    position: int
    complete_at: str | None
    at: str
    rate: float
    error: str | None
    error_at: str | None

    def known(self, complete_at: str | None) -> "TopicPosition":
        return replace(self, complete_at=complete_at)


def _in_sqlite(path: str) -> Backend:
    from ledger.sql.sqlite import SQLite
    from ledger.store.sqlite_file import problem

    return SQLite(path, problem, lambda link: link.execute("PRAGMA synchronous=NORMAL"),
                  {"": {"events": "stored_events", "event_position": "rowid"}})


def _in_postgres(url: str) -> Backend:
    from ledger.sql.postgres import Postgres
    from ledger.store.postgres import problem

    return Postgres(url, problem, lambda _: None,
                    {"": {"events": "public.stored_events", "event_position": "notification_id"}})


class Positions:
    """The table in the ledger at an address that `open_store` has accepted. For one thread. Raises
    StoreUnavailable, StoreUnusable."""

    def __init__(self, url: str) -> None:
        path = sqlite_path(url)
        self._sqlite = path is not None
        self._backend: Backend = _in_sqlite(str(path)) if path is not None else _in_postgres(url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._backend.close()

    def prepare(self) -> None:
        """Makes the tables where there are none. Raises StoreUnusable for those of another version, in words."""
        if not versions.check(MIGRATIONS, self._backend):
            versions.bring(MIGRATIONS, self._backend)

    def upgrade(self) -> list[int]:
        """Makes the tables, or brings them up to date; the numbers of the steps that were taken."""
        return versions.bring(MIGRATIONS, self._backend)

    def all(self) -> list[TopicPosition]:
        """Every topic; empty where nothing was ever published. Raises StoreUnusable for tables of another version."""
        if not versions.check(MIGRATIONS, self._backend):
            return []
        statement = f"SELECT {COLUMNS} FROM relay_positions ORDER BY topic"  # noqa: S608 - our own names
        return [TopicPosition(*row) for row in self._ask(statement, {})]

    def last_position(self) -> int:
        return int(self._ask("SELECT coalesce(max({event_position}), 0) FROM {events}", {})[0][0])

    def check_clock(self) -> None:
        """Raises KafkaUnusable where this machine's clock is ahead of the database's: heartbeats would call old
        knowledge fresh. SQLite has no other clock."""
        if self._sqlite:
            return
        [(moment,)] = self._ask("SELECT extract(epoch FROM clock_timestamp())::float8", {})
        ahead = datetime.now(timezone.utc).timestamp() - moment
        if ahead > AHEAD_SECONDS:
            raise KafkaUnusable(f"the clock of this machine is {ahead:.0f} seconds ahead of the database's: "
                                "set it right. Messages would tell of moments that have not come")

    def events_above(self, position: int) -> int:
        return int(self._ask("SELECT count(*) FROM {events} WHERE {event_position} > :position",
                             {"position": position})[0][0])

    def begin(self, made: Made, law: str, at: str) -> TopicPosition:
        """Where a topic stands, from now on computed under `law`. Raises KafkaUnusable where its
        partitions have become more."""
        with self._backend.transaction() as cursor:
            found = cursor.ask(f"SELECT {COLUMNS} FROM relay_positions WHERE topic = :topic",  # noqa: S608
                               {"topic": made.name})
            before = TopicPosition(*found[0]) if found else None
            if before is not None and before.topic_id == made.id:
                if before.partitions != made.partitions:
                    raise KafkaUnusable(
                        f"the topic {made.name} had {before.partitions} partitions and has {made.partitions}: "
                        "the order of a student is lost. Delete it, "
                        "or publish under another CAREER_LEDGER_TOPIC_PREFIX: everything is then published anew")
                if before.law == law:
                    return before
            else:
                before = None
            cursor.run("DELETE FROM relay_positions WHERE topic = :topic", {"topic": made.name})
            cursor.run("INSERT INTO relay_positions (topic, topic_id, partitions, law, position, complete_at, at, "
                       "rate, error, error_at) VALUES (:topic, :id, :partitions, :law, 0, NULL, :at, 0, :error, "
                       ":error_at)",
                       {"topic": made.name, "id": made.id, "partitions": made.partitions, "law": law, "at": at,
                        "error": before.error if before else None, "error_at": before.error_at if before else None})
        return TopicPosition(made.name, made.id, made.partitions, law, 0, None, at, 0.0, None, None)

    def move(self, at: TopicPosition, to: int, complete_at: str | None, now: str, rate: float) -> TopicPosition:
        """Moves a topic on from where it stands. Raises Displaced where it does not stand there any more."""
        with self._backend.transaction() as cursor:
            moved = cursor.run(
                "UPDATE relay_positions SET position = :to, complete_at = :complete_at, at = :now, rate = :rate "
                "WHERE topic = :topic AND topic_id = :id AND law = :law AND position = :at",
                {"to": to, "complete_at": complete_at, "now": now, "rate": rate, "topic": at.topic, "id": at.topic_id,
                 "law": at.law, "at": at.position})
        if moved != 1:
            raise Displaced(f"another relay has moved the position of {at.topic}")
        return replace(at, position=to, complete_at=complete_at, at=now, rate=rate)

    def reached(self, made: Made, position: int) -> None:
        """A topic goes on above the log, up to a position: whoever is to write looks here (`ledger.proofs.outside`)."""
        with self._backend.transaction() as cursor:
            cursor.run("INSERT INTO relay_positions (topic, topic_id, partitions, law, position, at, rate) VALUES "
                       "(:topic, :id, :partitions, '', :position, :at, 0) ON CONFLICT (topic) DO UPDATE SET "
                       "position = excluded.position",
                       {"topic": made.name, "id": made.id, "partitions": made.partitions, "position": position,
                        "at": datetime.now(timezone.utc).isoformat()})

    def failed(self, topics: list[str], error: str, now: str) -> None:
        """Keeps a failure for `publish --status`."""
        with self._backend.transaction() as cursor:
            for topic in topics:
                cursor.run("UPDATE relay_positions SET error = :error, error_at = :now WHERE topic = :topic",
                           {"error": error, "now": now, "topic": topic})

    def aside(self, topic: str) -> list[SetAside]:
        """Who is set aside in a topic."""
        return [SetAside(UUID(stream), *rest) for stream, *rest in self._ask(
            "SELECT stream, student, position, why FROM relay_aside WHERE topic = :topic ORDER BY position",
            {"topic": topic})]

    def set_aside(self, topic: str, ones: Sequence[SetAside]) -> None:
        """From the first event on that could not be read."""
        with self._backend.transaction() as cursor:
            for one in ones:
                cursor.run("INSERT INTO relay_aside (topic, stream, student, position, why) VALUES (:topic, :stream, "
                           ":student, :position, :why) ON CONFLICT DO NOTHING",
                           {"topic": topic, **one._asdict(), "stream": one.stream.hex})

    def taken_up(self, topic: str, streams: Sequence[UUID]) -> None:
        """The topic holds them whole again."""
        with self._backend.transaction() as cursor:
            for stream in streams:
                cursor.run("DELETE FROM relay_aside WHERE topic = :topic AND stream = :stream",
                           {"topic": topic, "stream": stream.hex})

    def _ask(self, statement: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        return self._backend.single(statement, parameters)


def status(url: str) -> dict[str, Any]:
    """How far each topic goes, for `publish --status`. `seconds_behind`: the age of the last instant up to which a
    topic was known to be complete, 0 where it is up to date and null where it never was; `rate`: events a second when
    the relay last said so."""
    names = [prefix() + name for name in (EVENTS, STATE)]
    with Positions(url) as positions:
        last = positions.last_position()
        found = [one for one in positions.all() if one.topic in names]
        behind = [positions.events_above(one.position) for one in found]
        aside = {one.topic: positions.aside(one.topic) for one in found}
    for one in found:
        if one.position > last:
            raise StoreUnusable(older(one, last))
    moment = datetime.now(timezone.utc)

    def age(one: TopicPosition, events: int) -> float | None:
        if not events:
            return 0.0
        return round((moment - datetime.fromisoformat(one.complete_at)).total_seconds(), 3) if one.complete_at else None

    return {"last_position": last, "topics": [
        {"topic": one.topic, "position": one.position, "events_behind": events, "seconds_behind": age(one, events),
         "complete_at": one.complete_at, "rate": one.rate, "at": one.at, "error": one.error, "error_at": one.error_at,
         "set_aside": [{"student": who.student or str(who.stream), "position": who.position, "why": who.why}
                       for who in aside[one.topic]]}
        for one, events in zip(found, behind, strict=True)]}
