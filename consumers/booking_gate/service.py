"""What the gate keeps: each career's newest state, and how old the knowledge of all of them is."""

import json
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from consumers.database import Database, Transaction
from consumers.kit.heartbeats import is_reached, read_heartbeat, read_so_far
from consumers.kit.order import OtherHistory, why
from consumers.kit.service import Record, Service, check_type
from consumers.kit.states import CareerKey, career_of, check_key
from ledger.sql.migrations import add_column, statements
from ledger.wire.letters import Heartbeat
from ledger.wire.message import header
from ledger.wire.reading import Unreadable
from ledger.wire.state import TYPE
from ledger.wire.topics import HEARTBEAT, STATE

from .form import head

NAME = "booking_gate"
MANY = 100
"""Heartbeats that wait for what they speak of, above which some are dropped."""


def offsets_of_the_newest(tx: Transaction) -> None:
    """What the newest heartbeat speaks of."""
    add_column(tx, "booking_gate_knowledge", "offsets", "TEXT")


STEPS = (statements(
    "careers",
    # `value` is null where the state cannot be used: `unusable` says why
    "CREATE TABLE IF NOT EXISTS booking_gate_careers (student TEXT NOT NULL, career TEXT NOT NULL, "
    "part BIGINT NOT NULL, place BIGINT NOT NULL, position BIGINT NOT NULL, law TEXT, value BYTEA, unusable TEXT, "
    "PRIMARY KEY (student, career))",
    # heartbeats that speak of messages which have not been read yet
    "CREATE TABLE IF NOT EXISTS booking_gate_heartbeats (complete_at TEXT PRIMARY KEY, position BIGINT NOT NULL, "
    "offsets TEXT NOT NULL)",
    # the newest heartbeat whose messages have all been read: one row
    "CREATE TABLE IF NOT EXISTS booking_gate_knowledge (topic TEXT PRIMARY KEY, complete_at TEXT NOT NULL, "
    "position BIGINT NOT NULL)"),
    offsets_of_the_newest)


class BookingGate(Service):
    name = NAME
    topics = (STATE, HEARTBEAT)
    steps = STEPS

    def __init__(self) -> None:
        self.started = threading.Event()
        """The tables exist and the loop is at work."""

    def read(self, record: Record) -> Any:
        """Of a state only its law."""
        if record.topic == HEARTBEAT:
            return read_heartbeat(record)
        return read_law(record)

    def messages(self, tx: Transaction, topic: str, found: Sequence[tuple[Record, Any]]) -> None:
        if topic == HEARTBEAT:
            _expect(tx, [beat for _, beat in found if beat.topic == STATE])
            return
        newest: dict[CareerKey, dict[str, Any]] = {}  # one row a statement: what came last stays, unless it is older
        for record, law in found:
            row = _row(record, law, None)
            before = newest.get((row["student"], row["career"]))
            if before is None or row["position"] >= before["position"]:
                newest[row["student"], row["career"]] = row
        tx.many(_KEEP, list(newest.values()))

    def unusable(self, tx: Transaction, record: Record, error: Unreadable) -> None:
        """Nothing is answered about a career whose newest state cannot be read, until a good one comes that is not
        older."""
        if record.topic != STATE:
            return
        with suppress(Unreadable):  # where the key cannot be read either, nobody knows whose it is
            row = _row(record, None, why(error))
            if isinstance(error, OtherHistory):
                row["position"] = 0  # that of another log: a state of ours may follow at any
            tx.run(_KEEP, row)

    def idle(self, database: Database) -> None:
        """Takes the newest heartbeat of which everything has been read as the age of what is known."""
        self.started.set()
        waiting = database.ask("SELECT complete_at, position, offsets FROM booking_gate_heartbeats ORDER BY "
                               "complete_at DESC")
        if not waiting:
            return
        read = read_so_far(database, NAME, STATE)
        for complete_at, position, offsets in waiting:
            if is_reached(json.loads(offsets), read):
                with database.transaction() as tx:
                    tx.run("INSERT INTO booking_gate_knowledge (topic, complete_at, position, offsets) "
                           "VALUES (:topic, :complete_at, :position, :offsets) ON CONFLICT (topic) DO UPDATE SET "
                           "complete_at = excluded.complete_at, position = excluded.position, "
                           "offsets = excluded.offsets WHERE excluded.complete_at > booking_gate_knowledge.complete_at",
                           {"topic": STATE, "complete_at": complete_at, "position": position, "offsets": offsets})
                    tx.run("DELETE FROM booking_gate_heartbeats WHERE complete_at <= :complete_at",
                           {"complete_at": complete_at})
                return
        if len(waiting) > MANY:  # far behind: every second one will do, the newest and the oldest among them
            with database.transaction() as tx:
                tx.run("DELETE FROM booking_gate_heartbeats WHERE complete_at IN :spare",
                       {"spare": [at for at, _, _ in waiting[1:-1:2]]})

    def forget(self, tx: Transaction, students: Sequence[str]) -> None:
        tx.run("DELETE FROM booking_gate_careers WHERE student IN :students", {"students": list(students)})

    def skipped(self, tx: Transaction, topic: str, part: int) -> None:
        """States are gone that were never read: what is held of these careers may be old, so it is given up."""
        if topic == STATE:
            tx.run("DELETE FROM booking_gate_careers WHERE part = :part", {"part": part})
            _know_nothing(tx)

    def anew(self, tx: Transaction) -> None:
        tx.run("DELETE FROM booking_gate_careers")
        _know_nothing(tx)


def _know_nothing(tx: Transaction) -> None:
    tx.run("DELETE FROM booking_gate_heartbeats")
    tx.run("DELETE FROM booking_gate_knowledge")


_KEEP = (
    "INSERT INTO booking_gate_careers (student, career, part, place, position, law, value, unusable) "
    "VALUES (:student, :career, :part, :place, :position, :law, :value, :unusable) ON CONFLICT (student, "
    "career) DO UPDATE SET part = excluded.part, place = excluded.place, law = excluded.law, value = excluded.value, "
    "unusable = excluded.unusable, position = CASE WHEN excluded.position > booking_gate_careers.position THEN "
    "excluded.position ELSE booking_gate_careers.position END WHERE excluded.position >= booking_gate_careers.position "
    "OR (excluded.value IS NULL AND excluded.position = 0)")
"""An older state changes nothing. An unreadable message that does not say its position counts as new."""


def _row(record: Record, law: str | None, unusable: str | None) -> dict[str, Any]:
    """Without a law there is no value. Raises Unreadable."""
    student, career = career_of(record)
    return {"student": student, "career": career, "part": record.partition, "place": record.offset,
            "position": _stated_position(record),
            "law": law, "value": record.value if law is not None else None, "unusable": unusable}


def _expect(tx: Transaction, beats: Sequence[Heartbeat]) -> None:
    tx.many("INSERT INTO booking_gate_heartbeats (complete_at, position, offsets) VALUES (:complete_at, :position, "
            ":offsets) ON CONFLICT (complete_at) DO UPDATE SET position = excluded.position, "
            "offsets = excluded.offsets",
            [{"complete_at": utc(beat.complete_at), "position": beat.position, "offsets": json.dumps(beat.offsets)}
             for beat in beats])


def utc(moment: str) -> str:
    """The same instant in a form that sorts by time."""
    return datetime.fromisoformat(moment).isoformat(timespec="microseconds")


def read_law(record: Record) -> str:
    """The rule books under which a state was computed, of a state that can be used. Raises Unreadable."""
    key = career_of(record)
    if record.value is None:
        raise Unreadable("value: there is none")
    check_type(record, TYPE)
    student, career, position, law = head(record.value)
    check_key(key, student, career)
    if _stated_position(record) != position:  # else an older state could take the place of a newer one
        raise Unreadable("position: differs from its header")
    return law


def _stated_position(record: Record) -> int:
    """The position in the header; 0 where there is none."""
    text = header(record.headers, "position") or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
