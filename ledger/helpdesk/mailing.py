"""The desk's mails, that a ticket is open and what was answered: from the log, each once, to the address that its
sender gave.

What waits stands in the key store, by number and without address or text: both are opened when a mail is written.
Several processes share it: each takes what no other has taken for a while.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from textwrap import fill
from typing import NamedTuple

from ledger.domain.events import EventVoided, TicketClosed, TicketLinked, TicketOpened
from ledger.domain.knowledge import in_force
from ledger.domain.numbers import ticket_number
from ledger.domain.phrases import Phrase, says
from ledger.domain.values import ROME, format_instant
from ledger.edges.log import Note
from ledger.edges.post import Away, Later, LetterRefused, Mails, Post, is_address, pause_seconds
from ledger.edges.program import fault, say
from ledger.privacy.sealer import KeySealer
from ledger.privacy.tickets import Followed, MailWaiting, TicketIndex
from ledger.rulebooks.institution import Institution
from ledger.store import EventStore, StoreUnavailable, StoreUnusable, StreamSetAside
from ledger.words import Language, sentence

from .desk import DESK, pair_of, requested, row_of, taken_back

PAGE = 1_000
"""Events of the log at a time."""
FRESH = timedelta(days=7)
"""What is older is told no more: a key store was made anew, or no server could be reached for so long."""
LEASE_SECONDS = 300.0
"""For so long a mail belongs to the process that hands it over."""
ROUND = 20
WIDTH = 76
OPENED, CLOSED = "opened", "closed"


class Letterhead(NamedTuple):
    """Whom mails come from, and where tickets are looked up."""

    mails: Mails
    institution: Institution
    site: str


class Mailing:
    """For one thread, with a link to the ledger and to the key store of its own."""

    def __init__(self, store: EventStore, sealer: KeySealer, head: Letterhead, clock: Callable[[], datetime]) -> None:
        self._store, self._sealer, self._head, self._clock = store, sealer, head, clock
        self._index, self._post = TicketIndex(sealer.keys, clock), Post(head.mails.server)
        self._away_until, self._away = 0.0, 0

    def step(self) -> int:
        """Follows the log a page on, and sends what waits; how many events and mails."""
        return self._follow() + self._send()

    def close(self) -> None:
        self._post.close()

    # What is to be told

    def _follow(self) -> int:
        before = self._index.position()
        position = before if before <= self._store.last_position() else 0  # the ledger has come back from before
        events = self._store.readable(position, PAGE)
        if not events:
            return 0
        found = Followed([], [], [], [], [], [], [], [])
        since = self._clock() - FRESH
        taken_back = {(event.student, event.data.event) for event in events if isinstance(event.data, EventVoided)}
        for event in events:
            data, student = event.data, event.student
            if isinstance(data, TicketOpened):
                row = row_of(event, data)
                found.opened.append((row, pair_of(self._sealer, self._index, event) if row.kind == DESK else None))
                found.told.extend([(row.number, student, OPENED)] if event.recorded_at > since else [])
            elif isinstance(data, TicketClosed) and (student, event.id) not in taken_back:
                number = ticket_number(data.number)
                found.closed.append((number, student, format_instant(event.recorded_at)))
                found.told.extend([(number, student, CLOSED)] if event.recorded_at > since else [])
            elif isinstance(data, TicketLinked) and (student, event.id) not in taken_back:
                found.linked.append((ticket_number(data.number), student, data.person))
            elif isinstance(data, EventVoided):
                self._take_back(found, student, data.event)
            elif event.type == "person-forgotten":
                found.forgotten.append(student)
        self._index.follow(before, events[-1].position, found)
        return len(events)

    def _take_back(self, found: Followed, student: str, id: str) -> None:
        for event in self._store.streams([student], lambda _: None).get(student, ()):
            data = event.data
            if event.id == id and isinstance(data, TicketOpened | TicketClosed | TicketLinked):
                gone = found.voided if isinstance(data, TicketOpened) else (
                    found.reopened if isinstance(data, TicketClosed) else found.unlinked)
                gone.append((ticket_number(data.number), student))

    # Telling it

    def _send(self) -> int:
        now = self._clock().timestamp()
        if now < self._away_until:
            return 0
        if given_up := self._index.give_up(self._clock() - FRESH):
            say(Note("desk/mails-given-up", "{mails} mails could not be sent within {days} days and are tried no more",
                     "error", mails=given_up, days=FRESH.days), "career-ledger")
        waiting = self._index.waiting(now, ROUND)
        sent = 0
        try:
            for one in waiting:
                now = self._clock().timestamp()  # a slow server takes longer for a round than a lease lasts
                if self._index.lease(one, now + LEASE_SECONDS):
                    sent += self._told(one, now)
            self._away = 0
        except Away as error:
            self._away_until, self._away = now + pause_seconds(self._away), self._away + 1
            say(Note("desk/mail-away", "the mail server cannot be used ({why}); trying again", "warning", why=error),
                "career-ledger")
        finally:
            self._post.close()
        return sent

    def _told(self, one: MailWaiting, now: float) -> int:
        """As `_tell`; what is wrong with this one is no matter of the others. Raises Away, StoreUnavailable,
        StoreUnusable."""
        try:
            return self._tell(one, now)
        except StreamSetAside as error:
            say(Note("desk/set-aside", "{why}; trying again", "warning", why=error), "career-ledger")
            self._index.later(one, "set aside", now + pause_seconds(one.attempts))
            return 0
        except (Away, StoreUnavailable, StoreUnusable):
            raise
        except Exception as error:
            say(Note("desk/fault", "a fault of this program, please report it: {place}; trying again", "error",
                     place=fault(error)), "career-ledger")
            self._post.close()  # it may have been in the midst of a conversation
            self._index.later(one, "fault", now + pause_seconds(one.attempts))
            return 0

    def _tell(self, one: MailWaiting, now: float) -> int:
        """Raises Away; then it waits."""
        letter = self._letter(one)
        if letter is None:
            self._index.mailed(one, "dropped", "nothing to tell")
            return 0
        try:
            self._post.send(letter)
        except LetterRefused as error:
            self._index.mailed(one, "refused", str(error.code))
            return 0
        except Later as error:
            self._index.later(one, str(error.code), now + pause_seconds(one.attempts))
            return 0
        except Away:
            self._index.later(one, "away", now + pause_seconds(one.attempts))
            raise
        self._index.mailed(one, "sent", None)
        return 1

    def _letter(self, one: MailWaiting) -> EmailMessage | None:
        """None where she was forgotten, or it was taken back."""
        opened = closed = None
        stream = self._store.stream(one.student)
        for event in in_force(stream):
            if isinstance(event.data, TicketOpened) and ticket_number(event.data.number) == one.number:
                opened = opened or self._sealer.open(event)
            elif isinstance(event.data, TicketClosed) and ticket_number(event.data.number) == one.number:
                closed = closed or self._sealer.open(event)
        if opened is None or not isinstance(opened.data, TicketOpened):
            return None
        request = requested(opened.data)
        address = request.get("email")
        language: Language = "en" if request.get("language") == "en" else "it"
        if not isinstance(address, str) or not is_address(address):
            return None
        if one.kind == OPENED:
            return self._written(one, address, language, says("desk-mail/opened", number=one.number), [
                sentence(says("desk-mail/received", number=one.number, on=opened.effective_on), language),
                self._of(opened.data, language), sentence(says("desk-mail/keep-it"), language)])
        if closed is None or not isinstance(closed.data, TicketClosed) or closed.data.answer is None:
            return None
        if again := taken_back(f"ticket-{one.number}-closed", stream):
            one = one._replace(kind=f"{one.kind}-{again + 1}")  # another Message-ID: it is another answer
        return self._written(one, address, language, says("desk-mail/closed", number=one.number), [
            sentence(says("desk-mail/answered", number=one.number, on=closed.effective_on), language),
            self._of(opened.data, language), closed.data.answer])

    def _of(self, data: TicketOpened, language: Language) -> str:
        desk = self._head.institution.desk
        named = {one.id: one.name.in_language(language) for one in (*desk.services, *desk.contexts)} if desk else {}
        return "\n".join((
            sentence(says("desk-mail/service", text=named.get(data.service, data.service)), language),
            sentence(says("desk-mail/context", text=named.get(data.context, data.context)), language)))

    def _written(self, one: MailWaiting, address: str, language: Language, subject: Phrase,
                 parts: list[str]) -> EmailMessage:
        mails = self._head.mails
        parts = [sentence(says("desk-mail/greeting"), language), *parts,
                 sentence(says("desk-mail/look-it-up", text=f"{self._head.site}/help/state"), language),
                 self._head.institution.name.in_language(language),
                 sentence(says("desk-mail/automatic") if mails.reply_to is None else says("desk-mail/reply"), language)]
        letter = EmailMessage(policy=SMTP)
        letter.set_content("\n\n".join(map(_folded, parts)) + "\n", cte="quoted-printable")
        letter["From"], letter["To"] = mails.sender, address
        letter["Subject"] = sentence(subject, language)
        if mails.reply_to is not None:
            letter["Reply-To"] = mails.reply_to
        letter["Date"] = format_datetime(self._clock().astimezone(ROME))
        letter["Message-ID"] = f"<ticket-{one.number}-{one.kind}@{parseaddr(mails.sender)[1].rpartition('@')[2]}>"
        letter["Auto-Submitted"] = "auto-generated"
        letter["Content-Language"] = language
        return letter


def _folded(text: str) -> str:
    return "\n".join(fill(line, WIDTH, break_long_words=False, break_on_hyphens=False) for line in text.splitlines())
