"""Sends what waits in the outbox: once, while it is true; what came of one act is one letter."""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from prometheus_client import Counter

from consumers.database import Database, DatabaseAway, DatabaseUnusable, Transaction
from ledger.edges.log import Note
from ledger.edges.post import Away, Later, LetterRefused, Post, is_address
from ledger.edges.program import fault

from . import careers, directory, letter, outbox, payments
from .agenda import ITALY, KINDS, LEAD_DAYS, TICKET_CLOSED, TICKET_OPENED, TICKETS, Facts
from .careers import Rules

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
NO_ADDRESS = 553
"""SMTP's code for an address that is none."""


class Sender:
    def __init__(self, post: Post, sender: letter.From, clock: Callable[[], datetime], lead_days: int = LEAD_DAYS,
                 lease_seconds: float = LEASE_SECONDS) -> None:
        self._post, self._sender, self._clock = post, sender, clock
        self._lead_days, self._lease_seconds = lead_days, lease_seconds
        self._accepted: dict[str, str] = {}
        self._pause_seconds = self._paused_until = 0.0

    def send(self, database: Database, careers_too: bool) -> None:
        """For a short while; of careers only if what is known of them is fresh. A server that is away is tried again
        after a pause, which doubles. Raises DatabaseAway."""
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
            log.warning(Note("notifications/mail-away", "the mail server cannot be used ({why}): next attempt in "
                             "{seconds:.0f} s", why=error, seconds=self._pause_seconds))
        finally:
            self._post.close()

    def _round(self, database: Database, waiting: Sequence[Sequence[outbox.Waiting]], end: float) -> None:
        for act in waiting:
            now = self._clock()
            try:
                self._tell(database, act, now)
            except (Away, DatabaseAway, DatabaseUnusable):
                raise
            except Exception as error:  # of one letter: the others are none the worse for it
                self._post.close()  # it may have been in the midst of a conversation
                NOT_TOLD.labels("fault").inc()
                self._put_off(database, act, now, error)
            if time.monotonic() > end:
                return

    def _put_off(self, database: Database, act: Sequence[outbox.Waiting], now: datetime, error: Exception) -> None:
        """What a fault of ours kept from being told."""
        log.error(Note("notifications/fault", "a fault of this program, please report it: {place}; trying again later "
                       "(notices {notices})", place=fault(error), notices=" ".join(one.notice.id for one in act)))
        with database.transaction() as tx:
            for one in act:
                outbox.put_off(tx, one, "fault", now.timestamp(), self._lease_seconds)

    def _tell(self, database: Database, act: Sequence[outbox.Waiting], now: datetime) -> None:
        """Claimed by this member, still true, handed over, marked. Only a crash between the server's word and the mark
        lets notices go out a second time, with the same Message-ID. Raises Away."""
        with database.transaction() as tx:
            told = [(one, facts) for one in act if (facts := self._claimed(tx, one, now)) is not None]
            entry = directory.find(tx, act[0].notice.student) if told else None
            if entry is None or not is_address(entry.email):
                for one, _ in told:
                    outbox.release(tx, one)
                if entry is not None:  # no server could be given it
                    self._not_taken(tx, [], entry, LetterRefused(NO_ADDRESS, True), now)
                return
        try:
            self._post.send(letter.write([(one.notice, facts) for one, facts in told], entry.language,
                                         self._sender, entry.email, now))
        except (LetterRefused, Later) as error:
            with database.transaction() as tx:
                self._not_taken(tx, [one for one, _ in told], entry, error, now)
        except Away:
            with database.transaction() as tx:
                for one, _ in told:
                    outbox.later(tx, one, "server away", now.timestamp())
            raise
        else:
            at = now.isoformat(timespec="seconds")
            self._accepted |= {one.notice.id: at for one, _ in told}
            with database.transaction() as tx:
                for one, _ in told:
                    outbox.sent(tx, one.notice, at)
            for one, _ in told:
                del self._accepted[one.notice.id]
                TOLD.labels(one.notice.kind).inc()

    def _claimed(self, tx: Transaction, one: outbox.Waiting, now: datetime) -> Facts | None:
        """What the letter says; None where there is nothing for this member to say."""
        notice = one.notice
        if notice.id in self._accepted:  # the database was away when it should have been marked
            outbox.sent(tx, notice, self._accepted[notice.id])
            return None
        if not outbox.claim(tx, one, now.timestamp() + self._lease_seconds):
            return None
        facts = self._facts(tx, one, now)
        if facts is None:
            outbox.release(tx, one)  # so that it need not wait for the lease where it becomes true again
            outbox.drop(tx, [notice], UNTRUE)
            NOT_TOLD.labels(UNTRUE).inc()
        return facts

    def _not_taken(self, tx: Transaction, act: Sequence[outbox.Waiting], entry: directory.Contact,
                   error: LetterRefused | Later, now: datetime) -> None:
        NOT_TOLD.labels(str(error.code)).inc()
        log.warning(Note("notifications/not-taken", "a letter to student {student} was not taken: code {code} (notices "
                         "{notices})", student=entry.student, code=error.code,
                         notices=" ".join(one.notice.id for one in act) or "wait"))
        if isinstance(error, LetterRefused) and error.address:
            directory.refuse(tx, entry, error.code)
        for one in act:
            if isinstance(error, Later):
                outbox.later(tx, one, str(error.code), now.timestamp())
            elif error.address:
                outbox.release(tx, one)
            else:
                outbox.refused(tx, one.notice, error.code)

    def _facts(self, tx: Transaction, one: outbox.Waiting, now: datetime) -> Facts | None:
        """What the letter says; None where it is no longer true. That a ticket was opened is no news on a later day
        when it has been closed."""
        notice, today = one.notice, now.astimezone(ITALY).date()
        if notice.kind not in TICKETS:
            facts = careers.facts(tx, notice, Rules(today, today, self._lead_days))
            return payments.with_numbers(tx, notice, facts) if facts is not None else None
        if notice.kind == TICKET_OPENED and notice.day < today and outbox.is_closed(tx, notice, TICKET_CLOSED):
            return None
        return {"number": notice.thing, "day": notice.day, **one.details}
