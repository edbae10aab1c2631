"""The treasury's tables filled without Kafka: what the loop would hand over, handed over."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timezone
from typing import Any

from consumers.database import Database, Transaction
from consumers.kit.service import Record
from consumers.kit.tables import migrations
from consumers.treasury import notices
from consumers.treasury.notices import PaymentNotice
from consumers.treasury.reconcile import Report, reconcile
from consumers.treasury.service import Treasury
from ledger.domain.events import Event
from ledger.wire.events import message as event_message
from ledger.wire.letters import outcome_message
from ledger.wire.message import Message
from ledger.wire.topics import EVENTS, OUTCOMES, STATE
from tests.projections.populations import BOOKS

from .support import ORIGIN, state_messages
from .treasury_ledger import YEAR, as_events

NOW = datetime(2026, 11, 2, 12, tzinfo=timezone.utc)
TODAY = date(2026, 11, 2)


class Books:
    """A treasury's database."""

    def __init__(self, database: Database) -> None:
        self.database, self.service = database, Treasury("nowhere:1")
        database.migrate(migrations(self.service))

    def hand_over(self, topic: str, *messages: Message) -> None:
        with self.database.transaction() as tx:
            found = [Record(topic, 0, n, 0, m.key, m.value, list(m.headers)) for n, m in enumerate(messages)]
            read = [(record, self.service.read(record)) for record in found]
            if topic == EVENTS:
                self.service.events(tx, [one for one in read if one[1] is not None])
            else:
                self.service.messages(tx, topic, read)

    def follow(self, submissions: Iterable[dict[str, Any]], events: bool = True) -> list[Event]:
        """Everything that the ledger says once it has recorded these: state, and events."""
        found = as_events(submissions)
        for student in sorted({e.student for e in found}):
            stream = [e for e in found if e.student == student]
            self.hand_over(STATE, *state_messages(stream, student, BOOKS))
            if events:
                self.hand_over(EVENTS, *(event_message(e.as_json(), "0" * 64, ORIGIN) for e in stream))
        return found

    def outcome(self, student: str, **outcome: Any) -> None:
        self.hand_over(OUTCOMES, outcome_message(student.encode(), outcome, "2026-11-02T12:00:00Z", ORIGIN))

    def iuv(self, kind: str, student: str = "S1", career: str = "B") -> str:
        [[found]] = self.database.ask("SELECT iuv FROM treasury_debts WHERE student = :s AND career = :c AND charge = "
                                      ":k",
                                      {"s": student, "c": career, "k": f"{YEAR}:{kind}"})
        return str(found)

    def notify(self, kind: str, amount: str, on: str, receipt: str, now: datetime = NOW,
               student: str = "S1") -> dict[str, Any]:
        return self.take({"iuv": self.iuv(kind, student), "amount": amount, "paid_on": on, "receipt": receipt}, now)

    def take(self, notice: dict[str, Any], now: datetime = NOW) -> dict[str, Any]:
        with self.transaction() as tx:
            return notices.accept(tx, PaymentNotice.model_validate(notice), now, TODAY)

    def outbox(self) -> list[tuple[Any, ...]]:
        return self.database.ask("SELECT id, charge, amount FROM treasury_submissions ORDER BY id")

    def life(self, kind: str) -> list[tuple[Any, ...]]:
        return self.database.ask("SELECT from_on, until_on, status, outstanding + accruing FROM treasury_life WHERE "
                                 "iuv = :iuv ORDER BY from_on", {"iuv": self.iuv(kind)})

    def reconcile(self, on: str, since: str = "0001-01-01") -> Report:
        with self.transaction() as tx:
            return reconcile(tx, date.fromisoformat(on), date.fromisoformat(since))

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self.database.transaction() as tx:
            yield tx
