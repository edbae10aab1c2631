# ruff: noqa: S608 - statements are put together from names of our own only
"""What was told and what waits to be told: one row a notice, for ever, so that it is told once.

States: `waiting`, `sent`, `refused` (the server refused this text for good), `dropped` (no longer true or of use when
it would have been sent; it waits again where it becomes true again). A waiting notice whose student has no address, or
an address that was refused, stays until the directory changes.
"""

import json
from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from consumers.database import Transaction
from ledger.edges.post import pause_seconds

from .agenda import Notice

TABLES = (
    "CREATE TABLE IF NOT EXISTS notifications_outbox (id TEXT PRIMARY KEY, student TEXT NOT NULL, "
    "career TEXT NOT NULL, kind TEXT NOT NULL, thing TEXT NOT NULL, day TEXT NOT NULL, event TEXT NOT NULL, "
    "details TEXT NOT NULL, position BIGINT NOT NULL, made_on TEXT NOT NULL, state TEXT NOT NULL, why TEXT, "
    "attempts INTEGER NOT NULL, next_attempt DOUBLE PRECISION NOT NULL, sent_at TEXT)",
    "CREATE INDEX IF NOT EXISTS notifications_outbox_waiting ON notifications_outbox (state, next_attempt)",
    "CREATE INDEX IF NOT EXISTS notifications_outbox_student ON notifications_outbox (student)",
)
"""`event`: the ticket's event, or ""; `details`: of a ticket, as JSON; `why`: an SMTP code or a word, never a text of
the server's, which may hold an address; `next_attempt`: Unix seconds."""

WAITING, SENT, REFUSED, DROPPED = "waiting", "sent", "refused", "dropped"

_COLUMNS = ("o.id, o.student, o.career, o.kind, o.thing, o.day, o.details, o.attempts, o.next_attempt, o.position, "
            "o.made_on")


class Waiting(NamedTuple):
    """A notice that waits. `details` is empty but for tickets; `act`: what it came of, a position of the log and the
    day of the look."""

    notice: Notice
    details: dict[str, str]
    attempts: int
    next_attempt: float
    act: tuple[int, str]


class New(NamedTuple):
    """A notice to add. `event` and `details` are empty but for tickets; `position` is the log's."""

    notice: Notice
    details: dict[str, str]
    event: str
    position: int


def add(tx: Transaction, found: Sequence[New], made_on: date) -> None:
    """One that is known stays as it is, but a dropped one waits again."""
    if found:
        tx.many("INSERT INTO notifications_outbox (id, student, career, kind, thing, day, event, details, position, "
                "made_on, state, attempts, next_attempt) VALUES (:id, :student, :career, :kind, :thing, :day, :event, "
                ":details, :position, :made_on, 'waiting', 0, 0) ON CONFLICT (id) DO UPDATE SET event = "
                "excluded.event, made_on = CASE WHEN notifications_outbox.state = 'dropped' THEN excluded.made_on ELSE "
                "notifications_outbox.made_on END, why = CASE WHEN notifications_outbox.state = 'dropped' THEN NULL "
                "ELSE notifications_outbox.why END, state = CASE WHEN notifications_outbox.state = 'dropped' THEN "
                "'waiting' ELSE notifications_outbox.state END",
                [{"id": n.id, "student": n.student, "career": n.career, "kind": n.kind, "thing": n.thing,
                  "day": n.day.isoformat(),
                  "event": event, "details": json.dumps(details), "position": position, "made_on": made_on.isoformat()}
                 for n, details, event, position in found])


def leave(tx: Transaction, found: Sequence[New], made_on: date) -> None:
    """Notices that the ledger's own ticket desk tells, or an e-service: they are known and never sent."""
    if found:
        tx.many("INSERT INTO notifications_outbox (id, student, career, kind, thing, day, event, details, position, "
                "made_on, state, why, attempts, next_attempt) VALUES (:id, :student, '', :kind, :thing, :day, :event, "
                "'{}', :position, :made_on, 'dropped', 'told elsewhere', 0, 0) ON CONFLICT (id) DO NOTHING",
                [{"id": n.id, "student": n.student, "kind": n.kind, "thing": n.thing, "day": n.day.isoformat(),
                  "event": event, "position": position, "made_on": made_on.isoformat()}
                 for n, _, event, position in found])


def left(tx: Transaction, notices: Sequence[Notice]) -> set[tuple[str, str]]:
    """Student and number of those tickets among them that are told elsewhere."""
    if not notices:
        return set()
    return {(student, thing) for student, thing in tx.ask(
        "SELECT student, thing FROM notifications_outbox WHERE student IN :students AND why = 'told elsewhere'",
        {"students": sorted({one.student for one in notices})})}


def void(tx: Transaction, events: Sequence[tuple[str, str]]) -> None:
    """Drops what waits because of events (student, id) that were voided."""
    if events:
        tx.many("UPDATE notifications_outbox SET state = 'dropped', why = 'voided' "
                "WHERE student = :student AND event = :event AND state IN ('waiting', 'refused')",
                [{"student": student, "event": event} for student, event in events])


def of_careers(tx: Transaction, students: Sequence[str]) -> list[Waiting]:
    """What waits for these students because of a career's state."""
    return [_waiting(row) for row in tx.ask(
        f"SELECT {_COLUMNS} FROM notifications_outbox o WHERE o.student IN :students AND o.state = 'waiting' AND "
        "o.career <> ''",
        {"students": students})]


def ready(tx: Transaction, now: float, kinds: Sequence[str], limit: int) -> list[list[Waiting]]:
    """What can be tried now, in the order in which it came up; what one act brings to a
    student's careers is together."""
    found: dict[tuple[str, bool, tuple[int, str]], list[Waiting]] = {}
    rows = tx.ask(
        f"SELECT {_COLUMNS} FROM notifications_outbox o JOIN notifications_directory d ON d.student = o.student "
        "WHERE o.state = 'waiting' AND o.next_attempt <= :now AND o.kind IN :kinds AND d.refused IS NULL "
        "ORDER BY o.next_attempt, o.position, o.made_on, o.student, o.kind DESC, o.thing LIMIT :limit",
        {"now": now, "kinds": list(kinds), "limit": limit})
    for one in map(_waiting, rows):
        found.setdefault((one.notice.student, one.notice.career == "", one.act), []).append(one)
    acts = list(found.values())
    return acts[:-1] if len(rows) == limit and len(acts) > 1 else acts  # the last may go on beyond the limit


def _waiting(row: Sequence[Any]) -> Waiting:
    notice = Notice(row[1], row[2], row[3], row[4], date.fromisoformat(row[5]))
    return Waiting(notice, json.loads(row[6]), row[7], row[8], (row[9], row[10]))


def is_closed(tx: Transaction, opened: Notice, closed: str) -> bool:
    """Whether the ticket of a notice has been closed since; `closed` is that kind of notice."""
    return bool(tx.ask("SELECT 1 FROM notifications_outbox WHERE student = :student AND kind = :kind AND thing = "
                       ":thing AND day >= :day AND state <> 'dropped' LIMIT 1",
                       {"student": opened.student, "kind": closed, "thing": opened.thing,
                        "day": opened.day.isoformat()}))


def claim(tx: Transaction, one: Waiting, until: float) -> bool:
    """Takes a notice for this member until then; False where another one has it, or it waits no longer."""
    return tx.run("UPDATE notifications_outbox SET next_attempt = :until WHERE id = :id AND state = 'waiting' AND "
                  "next_attempt = :seen",
                  {"until": until, "id": one.notice.id, "seen": one.next_attempt}) == 1


def drop(tx: Transaction, notices: Sequence[Notice], why: str) -> None:
    if notices:
        tx.many("UPDATE notifications_outbox SET state = 'dropped', why = :why WHERE id = :id AND state = 'waiting'",
                [{"id": notice.id, "why": why} for notice in notices])


def drop_waiting(tx: Transaction, why: str) -> None:
    tx.run("UPDATE notifications_outbox SET state = 'dropped', why = :why WHERE state = 'waiting'", {"why": why})


def drop_stale(tx: Transaction, made_before: date) -> int:
    """What has waited too long to be of use; how many."""
    return tx.run("UPDATE notifications_outbox SET state = 'dropped', why = 'too late' WHERE state = 'waiting' AND "
                  "made_on < :day",
                  {"day": made_before.isoformat()})


def sent(tx: Transaction, notice: Notice, at: str) -> None:
    """Whatever happened to the row since it was claimed: the mail is out."""
    tx.run("UPDATE notifications_outbox SET state = 'sent', why = NULL, sent_at = :at WHERE id = :id",
           {"id": notice.id, "at": at})


def refused(tx: Transaction, notice: Notice, code: int) -> None:
    tx.run("UPDATE notifications_outbox SET state = 'refused', why = :why WHERE id = :id AND state = 'waiting'",
           {"id": notice.id, "why": str(code)})


def later(tx: Transaction, one: Waiting, why: str, now: float) -> None:
    """Tries again after a while, which doubles."""
    tx.run("UPDATE notifications_outbox SET attempts = attempts + 1, next_attempt = :next, "
           "why = :why WHERE id = :id AND state = 'waiting'",
           {"id": one.notice.id, "next": now + pause_seconds(one.attempts), "why": why})


def put_off(tx: Transaction, one: Waiting, why: str, now: float, lease_seconds: float) -> None:
    """As `later`, but for one that another member has taken meanwhile."""
    tx.run("UPDATE notifications_outbox SET attempts = attempts + 1, next_attempt = :next, why = :why WHERE id = :id "
           "AND state = 'waiting' AND next_attempt IN :held",
           {"id": one.notice.id, "next": now + pause_seconds(one.attempts), "why": why,
            "held": [one.next_attempt, now + lease_seconds]})


def release(tx: Transaction, one: Waiting) -> None:
    """As if it had never been claimed."""
    tx.run("UPDATE notifications_outbox SET next_attempt = :next WHERE id = :id AND state = 'waiting'",
           {"id": one.notice.id, "next": one.next_attempt})


def again(tx: Transaction, students: Sequence[str]) -> None:
    """What waits for these students, or was refused, is tried at once."""
    tx.run("UPDATE notifications_outbox SET state = 'waiting', attempts = 0, next_attempt = 0, why = NULL "
           "WHERE student IN :students AND state IN ('waiting', 'refused')", {"students": students})


def forget(tx: Transaction, students: Sequence[str]) -> None:
    """The persons were forgotten."""
    tx.run("DELETE FROM notifications_outbox WHERE student IN :students", {"students": list(students)})


def listed(tx: Transaction, state: str | None) -> list[dict[str, Any]]:
    """Notices without addresses and texts; `state` None: those that were not sent and not dropped."""
    rows = tx.ask(
        "SELECT o.student, o.career, o.kind, o.thing, o.day, o.state, o.why, o.attempts, o.made_on, o.sent_at, "
        "d.student, d.refused, o.id FROM notifications_outbox o LEFT JOIN notifications_directory d ON d.student = "
        "o.student WHERE o.state IN :states ORDER BY o.made_on, o.position, o.id",
        {"states": [state] if state else [WAITING, REFUSED]})
    found = []
    for student, career, kind, thing, day, now, why, attempts, made_on, sent_at, known, refusal, name in rows:
        if now == WAITING:
            why = "no address" if known is None else f"address refused: {refusal}" if refusal else why
        found.append({"id": name, "student": student, "career": career or None, "kind": kind,
                      "thing": thing, "day": day, "state": now,
                      "why": why, "attempts": attempts, "made_on": made_on, "sent_at": sent_at})
    return found


def counts(tx: Transaction) -> dict[str, int]:
    """How many are not sent, and why."""
    [(waiting, homeless, bounced, given_up)] = tx.ask(
        "SELECT count(*), coalesce(sum(CASE WHEN d.student IS NULL THEN 1 ELSE 0 END), 0), "
        "coalesce(sum(CASE WHEN d.refused IS NOT NULL THEN 1 ELSE 0 END), 0), "
        "coalesce(sum(CASE WHEN o.state = 'refused' THEN 1 ELSE 0 END), 0) FROM notifications_outbox o "
        "LEFT JOIN notifications_directory d ON d.student = o.student WHERE o.state IN ('waiting', 'refused')")
    return {"any": waiting, "no address": homeless, "address refused": bounced, "text refused": given_up}
