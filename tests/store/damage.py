"""Damages the log as nobody may: the row is written directly, and what guards it is taken away first."""

import sqlite3
from contextlib import closing
from typing import Any

import psycopg

from ledger.store.mapper import stream_id


def add_row(url: str, student: str, version: int, name: str, state: bytes) -> None:
    """An event of this name and these bytes at the end of the log."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            kept = _without_guards(connection)
            connection.execute("INSERT INTO stored_events (originator_id, originator_version, topic, state) VALUES (?,?,?,?)",
                               (stream_id(student).hex, version, name, state))
            for statement in kept:
                connection.execute(statement)
            connection.commit()
        return
    with psycopg.connect(url) as admin:
        admin.execute("ALTER TABLE stored_events DISABLE TRIGGER USER")
        admin.execute("INSERT INTO stored_events (originator_id, originator_version, topic, state) VALUES (%s, %s, %s, %s)",
                      (stream_id(student), version, name, state))
        admin.execute("ALTER TABLE stored_events ENABLE TRIGGER USER")


def mend(url: str, student: str, version: int, name: str, state: bytes) -> None:
    """Puts the right row in the place of the damaged one: to this program the same as a newer one that can read it."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            kept = _without_guards(connection)
            connection.execute("UPDATE stored_events SET topic = ?, state = ? WHERE originator_id = ? AND originator_version = ?",
                               (name, state, stream_id(student).hex, version))
            for statement in kept:
                connection.execute(statement)
            connection.commit()
        return
    with psycopg.connect(url) as admin:
        admin.execute("ALTER TABLE stored_events DISABLE TRIGGER USER")
        admin.execute("UPDATE stored_events SET topic = %s, state = %s WHERE originator_id = %s AND originator_version = %s",
                      (name, state, stream_id(student), version))
        admin.execute("ALTER TABLE stored_events ENABLE TRIGGER USER")


def _without_guards(connection: sqlite3.Connection) -> list[Any]:
    found = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'stored_events'").fetchall()
    for name, _ in found:
        connection.execute(f"DROP TRIGGER {name}")
    return [sql for _, sql in found]
