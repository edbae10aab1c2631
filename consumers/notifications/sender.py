"""Sends what waits in the outbox: once, while it is true, one notice after the other."""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from prometheus_client import Counter

from consumers.database import Database, Transaction

from . import careers, directory, outbox
from .agenda import ITALY, KINDS, LEAD_DAYS, TICKET_CLOSED, TICKET_OPENED, TICKETS, Facts
from .careers import Rules
from .letter import write
from .post import Away, Later, Post, Refused

log = logging.getLogger("consumers.notifications")

LEASE_SECONDS = 300.0
"""For so long a notice belongs to the member that hands it to the mail server; after a crash it is tried again then."""
ROUND_SECONDS = 1.0
"""Sending gives way to reading after this."""
ROUND_NOTICES = 50
LONGEST_PAUSE_SECONDS = 60.0

TOLD = Counter("career_notifications_told", "Notices accepted by the mail server", ["kind"])
NOT_TOLD = Counter("career_notifications_not_told", "Attempts that failed, and notices dropped", ["reason"])
UNTRUE = "no longer true"


class Sender:
    def __init__(self, post: Post, address: str, clock: Callable[[], datetime], lead_days: int = LEAD_DAYS,
                 lease_seconds: float = LEASE_SECONDS) -> None:
        """`address`: whom the letters come from."""
        self._post, self._address, self._clock, self._lead_days, self._lease_seconds = post, address, clock, lead_days, lease_seconds
        self._accepted: dict[str, str] = {}
        self._pause_seconds = self._paused_until = 0.0

    def send(self, database: Database, careers_too: bool) -> None:
        """For a short while; of careers only if what is known of them is fresh. A server that is away is tried again after a pause,
        which doubles. Raises DatabaseAway."""
        if time.monotonic() < self._paused_until:
            return
        end = time.monotonic() + ROUND_SECONDS
        with database.transaction() as tx:
            waiting = outbox.ready(tx, self._clock().timestamp(), KINDS if careers_too else TICKETS, ROUND_NOTICES)
        if not waiting:
            return
        try:
            self._post.open()
            self._round(database, waiting, end)
            self._pause_seconds = 0.0
        except Away as error:
            self._pause_seconds = min(max(1.0, self._pause_seconds * 2), LONGEST_PAUSE_SECONDS)
            self._paused_until = time.monotonic() + self._pause_seconds
            NOT_TOLD.labels("server away").inc()
            log.warning("the mail server cannot be used (%s): next attempt in %.0f s", error, self._pause_seconds)
        finally:
            self._post.close()

    def _round(self, database: Database, waiting: Sequence[outbox.Waiting], end: float) -> None:
        for one in waiting:
            self._tell(database, one)
            if time.monotonic() > end:
                return

    def _tell(self, database: Database, one: outbox.Waiting) -> None:
        """Claimed by this member, still true, handed over, marked. Only a crash between the server's word and the mark lets a notice
        go out a second time, with the same Message-ID. Raises Away."""
        notice, now = one.notice, self._clock()
        with database.transaction() as tx:
            if notice.id in self._accepted:  # the database was away when it should have been marked
                outbox.sent(tx, notice, self._accepted[notice.id])
                return
            if not outbox.claim(tx, one, now.timestamp() + self._lease_seconds):
                return
            facts = self._facts(tx, one, now)
            entry = directory.find(tx, notice.student)
            if facts is None:
                outbox.release(tx, one)  # so that it need not wait for the lease where it becomes true again
                outbox.drop(tx, [notice], UNTRUE)
                NOT_TOLD.labels(UNTRUE).inc()
                return
            if entry is None:
                outbox.release(tx, one)
                return
        try:
            self._post.send(write(notice, facts, entry.language, self._address, entry.email, now))
        except (Refused, Later) as error:
            with database.transaction() as tx:
                self._not_taken(tx, one, entry, error, now)
            NOT_TOLD.labels(str(error.code)).inc()
            log.warning("notice %s of student %s was not taken: code %d", notice.id, notice.student, error.code)
        except Away:
            with database.transaction() as tx:
                outbox.later(tx, one, "server away", now.timestamp())
            raise
        else:
            self._accepted[notice.id] = now.isoformat(timespec="seconds")
            with database.transaction() as tx:
                outbox.sent(tx, notice, self._accepted[notice.id])
            del self._accepted[notice.id]
            TOLD.labels(notice.kind).inc()

    def _not_taken(self, tx: Transaction, one: outbox.Waiting, entry: directory.Entry, error: Refused | Later, now: datetime) -> None:
        if isinstance(error, Later):
            outbox.later(tx, one, str(error.code), now.timestamp())
        elif error.address:
            directory.refuse(tx, entry, error.code)
            outbox.release(tx, one)
        else:
            outbox.refused(tx, one.notice, error.code)

    def _facts(self, tx: Transaction, one: outbox.Waiting, now: datetime) -> Facts | None:
        """What the letter says; None where it is no longer true. That a ticket was opened is no news on a later day when it has
        been closed."""
        notice, today = one.notice, now.astimezone(ITALY).date()
        if notice.kind not in TICKETS:
            return careers.facts(tx, notice, Rules(today, today, self._lead_days))
        if notice.kind == TICKET_OPENED and notice.day < today and outbox.is_closed(tx, notice, TICKET_CLOSED):
            return None
        return {"number": notice.thing, "day": notice.day, **one.details}
