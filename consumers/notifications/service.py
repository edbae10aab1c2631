"""What the service does with what arrives, and with the days that pass."""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Any

from prometheus_client import Gauge

from consumers.database import Database, Transaction
from consumers.kit.heartbeats import read_heartbeat
from consumers.kit.service import Record, Service
from consumers.kit.states import CareerKey, career_of, read_state
from ledger.edges.log import Note
from ledger.edges.post import Post
from ledger.sql.migrations import statements
from ledger.wire.reading import Unreadable, WireEvent
from ledger.wire.topics import EVENTS, HEARTBEAT, STATE

from . import careers, directory, outbox, payments, pulse
from .agenda import FRESH_DAYS, ITALY, LEAD_DAYS, TICKET_OPENED, TICKETS, KnownCareer, Notice
from .careers import Rules
from .letter import From, plain
from .sender import LEASE_SECONDS, NOT_TOLD, UNTRUE, Sender

log = logging.getLogger("consumers.notifications")

STEPS = (
    statements("notices", "CREATE TABLE IF NOT EXISTS notifications_settings (name TEXT PRIMARY KEY, "
                          "value TEXT NOT NULL)",
               *careers.TABLES, *pulse.TABLES, *directory.TABLES, *outbox.TABLES),
    # states say what falls due when
    statements("payments", "DROP TABLE IF EXISTS notifications_plans", *payments.TABLES),
)
"""`settings`: the start day and the lead days, as `start` and `lead_days`."""

LOOKS = 500
"""Careers looked at in one transaction."""
BEHIND_SECONDS = 600.0
"""Nothing is said of careers while what is known of them is older than this."""
COUNT_SECONDS = 5.0

_WAITING = Gauge("career_notifications_waiting", "Notices not yet sent", ["reason"])
_AGE = Gauge("career_notifications_knowledge_seconds", "Age of what is known of careers")


def present() -> datetime:
    return datetime.now(timezone.utc)


class Notifications(Service):
    name = "notifications"
    topics = (EVENTS, STATE, HEARTBEAT)
    steps = STEPS
    needed = frozenset({*TICKETS, "event-voided"})

    def __init__(self, post: Post, sender: From, lead_days: int = LEAD_DAYS, start_on: date | None = None,
                 clock: Callable[[], datetime] = present, lease_seconds: float = LEASE_SECONDS) -> None:
        """`sender`: whom letters come from; `start_on` counts at the first start only."""
        self._sender = Sender(post, sender, clock, lead_days, lease_seconds)
        self._lead_days, self._start_on, self._clock = lead_days, start_on, clock
        self._counted_at = 0.0
        self._swept: date | None = None
        self._fresh: bool | None = None

    def _rules(self, tx: Transaction) -> Rules:
        """Stores the start day at the first start; where the lead days have changed, every
        career is looked at again."""
        today = self._clock().astimezone(ITALY).date()
        held: dict[str, str] = {row[0]: row[1] for row in tx.ask("SELECT name, value FROM notifications_settings")}
        if held.get("lead_days") != str(self._lead_days):
            held = {"start": held.get("start") or (self._start_on or today).isoformat(),
                    "lead_days": str(self._lead_days)}
            tx.many("INSERT INTO notifications_settings (name, value) VALUES (:name, :value) ON CONFLICT (name) DO "
                    "UPDATE SET value = excluded.value",
                    [{"name": name, "value": value} for name, value in held.items()])
            careers.look_soon(tx, today)
            log.info(Note("notifications/start", "nothing from before {day} is told", day=held["start"]))
        return Rules(today, date.fromisoformat(held["start"]), self._lead_days)

    def read(self, record: Record) -> Any:
        if record.topic == STATE:
            return read_state(record, KnownCareer)
        if record.topic == HEARTBEAT:
            return read_heartbeat(record)
        return super().read(record)

    def events(self, tx: Transaction, found: Sequence[tuple[Record, WireEvent]]) -> None:
        """Tickets."""
        rules = self._rules(tx)
        since = max(rules.start, rules.today - timedelta(days=FRESH_DAYS))
        told = [event for _, event in found]
        outbox.leave(tx, [_ticket(event) for event in told
                          if event.type == TICKET_OPENED and event.data.kind], rules.today)
        found_now = [_ticket(event) for event in told if event.type in TICKETS and event.effective_on >= since]
        elsewhere = outbox.left(tx, [one.notice for one in found_now])
        outbox.add(tx, [one for one in found_now if (one.notice.student, one.notice.thing) not in elsewhere],
                   rules.today)
        outbox.void(tx, [(event.student, event.data.event) for event in told if event.type == "event-voided"])

    def messages(self, tx: Transaction, topic: str, found: Sequence[tuple[Record, Any]]) -> None:
        if topic == HEARTBEAT:
            pulse.beat(tx, [heartbeat for _, heartbeat in found])
            return
        newest: dict[CareerKey, KnownCareer] = {}
        for record, known in found:
            key = career_of(record)
            if key not in newest or newest[key].position <= known.position:
                newest[key] = known
        NOT_TOLD.labels(UNTRUE).inc(careers.store(tx, list(newest.values()), self._rules(tx)))

    def unusable(self, tx: Transaction, record: Record, error: Unreadable) -> None:
        """Of a career whose state cannot be read nothing is told until a newer one comes."""
        if record.topic == STATE:
            try:
                careers.unusable(tx, career_of(record))
            except Unreadable:
                log.warning(Note("notifications/unreadable-key", "a state with an unreadable key: no career is known "
                                 "by it"))

    def forget(self, tx: Transaction, students: Sequence[str]) -> None:
        """Her address, what is known of her careers, what waits to be told and what was told, and notice numbers."""
        for part in (careers, directory, outbox, payments):
            part.forget(tx, students)

    def anew(self, tx: Transaction) -> None:
        """What was told stays, so that it is told once; what waits is told where it turns out to be true still."""
        for table in ("careers", "payments", "pulse"):
            tx.run(f"DELETE FROM notifications_{table}")  # noqa: S608 - names of ours
        outbox.drop_waiting(tx, "restored")

    def idle(self, database: Database) -> None:
        """What the day brings is looked up, what has waited too long is dropped, what is true is sent."""
        with database.transaction() as tx:
            rules = self._rules(tx)
            untrue = careers.look_again(tx, rules, LOOKS)
            stale = outbox.drop_stale(tx, rules.today - timedelta(days=FRESH_DAYS)) if self._swept != rules.today else 0
            age = pulse.age_seconds(tx, self._clock())
            self._count(tx, age)
        self._swept = rules.today
        NOT_TOLD.labels(UNTRUE).inc(untrue)
        NOT_TOLD.labels("too late").inc(stale)
        self._sender.send(database, self._is_fresh(age))

    def _is_fresh(self, age: float | None) -> bool:
        fresh = age is not None and age <= BEHIND_SECONDS
        if fresh != self._fresh:
            log.info(Note("notifications/fresh", "what is known of careers is up to date") if fresh else
                     Note("notifications/not-fresh", "what is known of careers is not up to date: their notices are "
                          "held back"))
        self._fresh = fresh
        return fresh

    def _count(self, tx: Transaction, age: float | None) -> None:
        """Every few seconds, for Prometheus."""
        if time.monotonic() < self._counted_at:
            return
        self._counted_at = time.monotonic() + COUNT_SECONDS
        for reason, number in outbox.counts(tx).items():
            _WAITING.labels(reason).set(number)
        if age is not None:
            _AGE.set(age)


def _ticket(event: WireEvent) -> outbox.New:
    details = {name: plain(getattr(event.data, name))
               for name in ("service", "context")} if event.type == TICKET_OPENED else {}
    notice = Notice(event.student, "", event.type, plain(event.data.number), event.effective_on)
    return outbox.New(notice, details, event.id, event.position)
