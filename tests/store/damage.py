"""Damages the log as nobody may: the row is written directly, and what guards it is taken away first."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import psycopg

from ledger.store.mapper import stream_id


def add_row(url: str, student: str, version: int, name: str, state: bytes) -> None:
    """An event of this name and these bytes at the end of the log."""
    _past_guards(url, "INSERT INTO stored_events (originator_id, originator_version, topic, state) VALUES (?, ?, ?, ?)",
                 student, lambda stream: (stream, version, name, state))


def mend(url: str, student: str, version: int, name: str, state: bytes) -> None:
    """Puts the right row in the place of the damaged one: to this program the same as a newer one that can read it."""
    _past_guards(url,
                 "UPDATE stored_events SET topic = ?, state = ? WHERE originator_id = ? AND originator_version = ?",
                 student, lambda stream: (name, state, stream, version))


def alter(url: str, *statements: str) -> None:
    """As who may do everything does: any statements, `POSITION` in them being the column of positions."""
    column = "rowid" if url.startswith("sqlite") else "notification_id"
    _all_past_guards(url, [(one.replace("POSITION", column), ()) for one in statements])


def _past_guards(url: str, statement: str, student: str, values: Callable[[Any], tuple[Any, ...]]) -> None:
    """`values` is given the id of the student's stream as the database writes it."""
    stream = stream_id(student)
    _all_past_guards(url, [(statement, values(stream.hex if url.startswith("sqlite") else stream))])


def _all_past_guards(url: str, statements: Sequence[tuple[str, tuple[Any, ...]]]) -> None:
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            kept = _without_guards(connection)
            for statement, values in statements:
                connection.execute(statement, values)
            for guard in kept:
                connection.execute(guard)
            connection.commit()
        return
    with psycopg.connect(url) as admin:
        admin.execute("ALTER TABLE stored_events DISABLE TRIGGER USER")
        for statement, values in statements:
            admin.execute(statement.replace("?", "%s").encode(), values)
        admin.execute("ALTER TABLE stored_events ENABLE TRIGGER USER")


def _without_guards(connection: sqlite3.Connection) -> list[Any]:
    found = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = "
                               "'stored_events'").fetchall()
    for name, _ in found:
        connection.execute(f"DROP TRIGGER {name}")
    return [sql for _, sql in found]
