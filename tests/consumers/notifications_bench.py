"""A mail server that does as it is told, histories as states and events, and the service under
a clock of the test's own."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import date, datetime, timedelta, timezone
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from hashlib import sha256
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from consumers.database import Database
from consumers.kit.erasure import erase
from consumers.kit.service import Record
from consumers.kit.tables import migrations
from consumers.notifications import directory, outbox
from consumers.notifications.agenda import ITALY
from consumers.notifications.letter import From
from consumers.notifications.service import Notifications
from ledger.domain.events import Event
from ledger.domain.submissions import Submission, read_submission, recorded
from ledger.edges.post import MailServer, Post
from ledger.relay.states import states
from ledger.wire.events import message as event_message
from ledger.wire.letters import Heartbeat
from ledger.wire.message import Message
from ledger.wire.state import message as state_message
from ledger.wire.topics import STATE
from tests.projections.populations import BOOKS

from .support import ORIGIN

SENDER = From("Segreteria studenti <no-reply@office.example>")
YEAR = "2025-26"


class Mailbox:
    """A real SMTP server on a port of its own. `refuse`: address -> the reply to RCPT; `answer`: called for each mail
    before it is accepted, its text is the reply unless None."""

    def __init__(self, tls: ssl.SSLContext | None = None, login: tuple[bytes, bytes] | None = None) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.refuse: dict[str, str] = {}
        self.answer: Callable[[EmailMessage], str | None] = lambda mail: None
        self.mails: list[EmailMessage] = []
        self.asked: list[str] = []
        self._login = login
        self._options: dict[str, Any] = {} if tls is None else {
            "tls_context": tls, "require_starttls": True, "authenticator": self._authenticate, "auth_required": True}
        self._controller: Controller | None = None

    def start(self) -> "Mailbox":
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, **self._options)
        self._controller.start()
        return self

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop(no_assert=True)
            self._controller = None

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any,  # noqa: N802 - aiosmtpd's name
                          address: str, options: Any) -> str:
        self.asked.append(address)
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        mail = cast(EmailMessage, message_from_bytes(envelope.content, policy=default))
        assert [mail["To"]] == envelope.rcpt_tos
        reply = self.answer(mail)
        if reply is None:
            self.mails.append(mail)
        return reply or "250 OK"

    def _authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> AuthResult:
        return AuthResult(success=(given.login, given.password) == self._login, handled=False)

    def told(self, address: str | None = None) -> list[str]:
        """The subjects of what came, in order."""
        return [mail["Subject"] for mail in self.mails if address in (None, mail["To"])]


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    part = mail.get_body((kind,))
    assert isinstance(part, EmailMessage)
    return str(part.get_content())


class History:
    """What is recorded of one student: each fact at noon of its own day unless another is given."""

    def __init__(self, student: str = "S1", career: str = "B") -> None:
        self.student, self.career = student, career
        self.events: list[Event] = []

    def add(self, type: str, on: str, data: dict[str, Any], known_on: str | None = None,
            id: str | None = None) -> "History":
        number = len(self.events) + 1
        raw = {"id": id or f"e{number}", "type": type, "student": self.student, "effective_on": on, "data": data,
               "source": "test", "actor": "test", **({} if type.startswith("ticket-") else {"career": self.career})}
        one = read_submission(raw)
        assert isinstance(one, Submission), one
        noon = datetime.combine(date.fromisoformat(known_on or on), datetime.min.time(),
                                timezone.utc) + timedelta(hours=12)
        self.events.append(recorded(one, noon, number, None, (), number))
        return self

    def enrolled(self) -> "History":
        """400.00 euro due on 17 February 2026 and 500.00 on 15 May."""
        self.add("enrolled", "2025-09-20", {"programme": "L-FIL", "academic_year": YEAR, "course_type": "bachelor",
                                            "access": "open", "year": 1, "regime": "full-time"})
        self.paid("2025-09-20", "enrolment", "156.00")
        return self.add("contribution-assessed", "2026-01-10", {"academic_year": YEAR, "contribution": "900.00"})

    def paid(self, on: str, kind: str, amount: str, known_on: str | None = None) -> "History":
        return self.add("instalment-paid", on, {"charge": f"{YEAR}:{kind}", "amount": amount}, known_on)

    def void(self, event: str, on: str) -> "History":
        return self.add("event-voided", on, {"event": event, "reason": "an error", "authority": "registrar"})

    def opened(self, number: str, on: str) -> "History":
        return self.add("ticket-opened", on, {"number": number, "service": "Segreteria Lettere e Filosofia",
                                              "subject": "not for anyone", "context": "Iscrizione/Immatricolazione"})

    def closed(self, number: str, on: str) -> "History":
        return self.add("ticket-closed", on, {"number": number, "answer": "not for anyone"})

    def told(self, since: int = 0) -> list[Message]:
        """The events from the one after `since`, as messages."""
        return [event_message(e.as_json() | {"position": e.position, "version": e.version},
                              sha256(e.id.encode()).hexdigest(), ORIGIN)
                for e in self.events[since:]]

    def state(self) -> list[Message]:
        return [state_message(state, ORIGIN) for state in states(self.events, self.student, BOOKS)]


class Clock:
    def __init__(self, now: str) -> None:
        self.now = datetime.fromisoformat(now).replace(tzinfo=ITALY)

    def __call__(self) -> datetime:
        return self.now.astimezone(timezone.utc)

    def to(self, now: str) -> None:
        self.now = datetime.fromisoformat(now).replace(tzinfo=ITALY)


class Bench:
    """The service without a broker: what the loop would hand over, in one transaction a batch."""

    def __init__(self, database: Database, mailbox: Mailbox, now: str) -> None:
        self.database, self.mailbox, self.clock = database, mailbox, Clock(now)
        database.migrate(migrations(Notifications))
        self.restart()

    def restart(self, **settings: Any) -> Notifications:
        """A new process on the same tables."""
        self.service = Notifications(Post(MailServer("127.0.0.1", self.mailbox.port)), SENDER,
                                     clock=self.clock, **settings)
        return self.service

    def directory(self, *entries: tuple[str, str, str]) -> directory.Imported:
        with self.database.transaction() as tx:
            return directory.take(tx, [directory.Contact(*entry) for entry in entries])

    def take(self, messages: Iterable[Message]) -> None:
        """As one batch of one topic."""
        messages = list(messages)
        if messages and messages[0].value is None:
            with self.database.transaction() as tx:
                erase(tx, self.service, [(m.key or b"").decode().partition("/")[0] for m in messages])
            return
        found = [Record(m.topic, 0, n, 0, m.key, m.value, list(m.headers)) for n, m in enumerate(messages)]
        read = [(record, self.service.read(record)) for record in found]
        with self.database.transaction() as tx:
            if found and found[0].topic.startswith("career.events"):
                self.service.events(tx, [one for one in read if one[1] is not None])
            elif found:
                self.service.messages(tx, found[0].topic, read)

    def idle(self, now: str | None = None, beat: bool = True) -> list[str]:
        """A turn between batches, at this time, with all that was recorded having been read; the
        subjects that came of it."""
        if now is not None:
            self.clock.to(now)
        if beat:
            self.take([beat_at(self.clock())])
        before = len(self.mailbox.mails)
        self.service.idle(self.database)
        return self.mailbox.told()[before:]

    def outbox(self, state: str | None = None) -> list[tuple[str, str | None]]:
        """Kind and reason of what is listed."""
        with self.database.transaction() as tx:
            return [(one["kind"], one["why"]) for one in outbox.listed(tx, state)]


def beat_at(now: datetime, offsets: dict[int, int] | None = None) -> Message:
    text = now.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Heartbeat(topic=STATE, at=text, complete_at=text, position=1, offsets=offsets or {}).message(ORIGIN)


class Running:
    """A thread that does something again and again until it is stopped."""

    def __init__(self, something: Callable[[], object]) -> None:
        self._stop = threading.Event()
        self._something = something
        self.failed: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with suppress(StopIteration):
            while not self._stop.is_set():
                try:
                    self._something()
                except BaseException as error:
                    self.failed.append(error)
                    raise StopIteration from error

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(30)
        assert not self.failed
