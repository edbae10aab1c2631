"""What the treasury does with what arrives: positions from the state topic, ledger payments from the events, outcomes
of its own submissions; between batches it sends the outbox."""

import hashlib
import json
import logging
import re
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError
from pydantic import ValidationError, field_validator
from pydantic_core import PydanticCustomError

from consumers.database import Database, Transaction
from consumers.kit.service import Record, Service
from consumers.kit.states import CareerKey, State, career_of, read_state
from ledger.edges.log import Note
from ledger.sql.migrations import statements
from ledger.wire.kafka import connection, end_at_once, prefix, producer_settings
from ledger.wire.letters import Outcome
from ledger.wire.message import JSON, Header, encode
from ledger.wire.reading import Unreadable, WireEvent, check_text, describe
from ledger.wire.state import ChargeSpan, UnallocatedSpan
from ledger.wire.topics import EVENTS, OUTCOMES, STATE, SUBMISSIONS

from . import notices, reference
from .life import Stretch, lives
from .notices import PERIOD, SOURCE, cents, euro

log = logging.getLogger("consumers.treasury")

STEPS = (statements(
    "debts",
    "CREATE TABLE IF NOT EXISTS treasury_careers (student TEXT NOT NULL, career TEXT NOT NULL, "
    "position BIGINT NOT NULL, digest TEXT NOT NULL, unusable INTEGER NOT NULL, PRIMARY KEY (student, career))",
    "CREATE TABLE IF NOT EXISTS treasury_debts (iuv TEXT PRIMARY KEY, student TEXT NOT NULL, career TEXT NOT NULL, "
    "charge TEXT NOT NULL, published_on TEXT NOT NULL, UNIQUE (student, career, charge))",
    "CREATE TABLE IF NOT EXISTS treasury_life (iuv TEXT NOT NULL, from_on TEXT NOT NULL, until_on TEXT, "
    "status TEXT NOT NULL, amount BIGINT NOT NULL, paid BIGINT NOT NULL, outstanding BIGINT NOT NULL, "
    "accruing BIGINT NOT NULL, credit BIGINT NOT NULL, refund BIGINT NOT NULL, due_on TEXT, paid_on TEXT, "
    "refund_by TEXT, refund_rule TEXT, surcharge TEXT, PRIMARY KEY (iuv, from_on))",
    "CREATE TABLE IF NOT EXISTS treasury_unallocated (student TEXT NOT NULL, career TEXT NOT NULL, "
    "charge TEXT NOT NULL, from_on TEXT NOT NULL, until_on TEXT, amount BIGINT NOT NULL, PRIMARY KEY (student, career, "
    "charge, from_on))",
    "CREATE TABLE IF NOT EXISTS treasury_payments (student TEXT NOT NULL, id TEXT NOT NULL, position BIGINT NOT NULL, "
    "career TEXT NOT NULL, charge TEXT NOT NULL, amount BIGINT NOT NULL, paid_on TEXT NOT NULL, iuv TEXT, "
    "source TEXT NOT NULL, voided INTEGER NOT NULL, PRIMARY KEY (student, id))",
    *notices.TABLES),)
"""Amounts in cents, days as ISO text. A debt's row is never removed, so that its reference is never given again; that
of a person who was forgotten names no student (`student` and `career` are empty, `charge` is the reference itself)."""

LIFE = b"2"
"""Raise it with a change of `lives`: a career whose money is as it was is not computed again otherwise."""
SEND_AT_ONCE = 1000
SEND_SECONDS = 10.0


class CareerMoney(State):
    """What the treasury reads of a career's state."""

    charges: tuple[ChargeSpan, ...]
    unallocated: tuple[UnallocatedSpan, ...]

    @field_validator("charges")
    @classmethod
    def _one_after_the_other(cls, charges: tuple[ChargeSpan, ...]) -> tuple[ChargeSpan, ...]:
        """Of a charge there is one period on each day: each has a row of its own."""
        ends: dict[str, date] = {}
        for span in sorted(charges, key=lambda one: one.from_):
            if span.from_ < ends.get(span.charge, date.min) or (span.until or date.max) <= span.from_:
                raise PydanticCustomError("periods", "two periods of a charge hold on one day, or one on none")
            ends[span.charge] = span.until or date.max
        return charges


class Treasury(Service):
    name = "treasury"
    topics = (STATE, EVENTS, OUTCOMES)
    steps = STEPS
    needed = frozenset({"instalment-paid", "event-voided"})

    def __init__(self, brokers: str, segregation: str = reference.SEGREGATION) -> None:
        self._brokers = brokers
        self._segregation = segregation
        self._producer: Any = None

    def read(self, record: Record) -> Any:
        if record.topic == STATE:
            return read_state(record, CareerMoney)
        if record.topic == OUTCOMES:
            return read_outcome(record)
        return super().read(record)

    def events(self, tx: Transaction, found: Sequence[tuple[Record, WireEvent]]) -> None:
        """Keeps every payment that the ledger has recorded; a voided one is marked."""
        paid = []
        for _, event in found:
            if event.type == "instalment-paid":
                paid.append({"student": event.student, "id": event.id, "position": event.position,
                             "career": event.career,
                             "charge": event.data.charge, "amount": cents(event.data.amount),
                             "paid_on": event.effective_on.isoformat(),
                             "iuv": event.data.iuv, "source": event.source})
        if paid:
            tx.many("INSERT INTO treasury_payments (student, id, position, career, charge, amount, paid_on, iuv, "
                    "source, voided) VALUES (:student, :id, :position, :career, :charge, :amount, :paid_on, :iuv, "
                    ":source, 0) ON CONFLICT (student, id) DO NOTHING", paid)
        voids = [{"student": e.student, "id": e.data.event} for _, e in found if e.type == "event-voided"]
        if voids:
            tx.many("UPDATE treasury_payments SET voided = 1 WHERE student = :student AND id = :id", voids)

    def messages(self, tx: Transaction, topic: str, found: Sequence[tuple[Record, Any]]) -> None:
        if topic == OUTCOMES:
            _outcomes(tx, [(record.key, outcome) for record, outcome in found])
            return
        newest: dict[CareerKey, CareerMoney] = {}
        for record, state in found:
            key = career_of(record)
            if key not in newest or state.position >= newest[key].position:
                newest[key] = state
        store(tx, list(newest.values()), self._segregation)

    def forget(self, tx: Transaction, students: Sequence[str]) -> None:
        """Everything but what names nobody: the notices of money that arrived (receipt, reference, amount,
        day), which are the university's books, and that a reference was given once. A notice of which the ledger has
        not taken all waits again: the reconciliation names it every day until an officer has dealt with it."""
        among = {"students": list(students)}
        tx.run("UPDATE treasury_notices SET submitted = 0 WHERE receipt IN (SELECT receipt FROM treasury_submissions "
               "WHERE student IN :students AND (outcome IS NULL OR outcome NOT IN ('accepted', 'duplicate')))", among)
        tx.run("DELETE FROM treasury_life WHERE iuv IN (SELECT iuv FROM treasury_debts WHERE student IN :students)",
               among)
        for table in ("careers", "unallocated", "payments", "submissions"):
            tx.run(f"DELETE FROM treasury_{table} WHERE student IN :students", among)  # noqa: S608 - names of ours
        tx.run("UPDATE treasury_debts SET student = '', career = '', charge = iuv WHERE student IN :students", among)

    def anew(self, tx: Transaction) -> None:
        """References and the notices of money that arrived stay, and every payment is submitted once more: the ledger
        takes the one that it has lost, and calls the others duplicates."""
        for table in ("careers", "life", "unallocated", "payments"):
            tx.run(f"DELETE FROM treasury_{table}")  # noqa: S608 - names of ours
        tx.run("UPDATE treasury_submissions SET sent = 0, outcome = NULL, position = NULL "
               "WHERE outcome IS NULL OR outcome IN ('accepted', 'duplicate')")

    def unusable(self, tx: Transaction, record: Record, error: Unreadable) -> None:
        """The reconciliation names the career until a newer state can be read."""
        if record.topic != STATE:
            return
        try:
            student, career = career_of(record)
        except Unreadable:
            return
        tx.run("INSERT INTO treasury_careers (student, career, position, digest, unusable) VALUES (:student, :career, "
               "0, '', 1) ON CONFLICT (student, career) DO UPDATE SET unusable = 1",
               {"student": student, "career": career})

    def idle(self, database: Database) -> None:
        """Sends what waits in the outbox and marks it once it is acknowledged. Whatever fails stays and is sent again:
        the ledger stores a submission once."""
        notices.submit_waiting(database)
        while rows := database.ask("SELECT id, student, career, charge, amount, paid_on, iuv FROM treasury_submissions "
                                   "WHERE sent = 0 ORDER BY id LIMIT :limit", {"limit": SEND_AT_ONCE}):
            if not self._send(rows):
                return
            with database.transaction() as tx:
                tx.many("UPDATE treasury_submissions SET sent = 1 WHERE id = :id", [{"id": row[0]} for row in rows])

    def _send(self, rows: Iterable[Sequence[Any]]) -> bool:
        try:
            if self._producer is None:
                self._producer = KafkaProducer(**connection(self._brokers), **producer_settings())
            sent = [self._producer.send(prefix() + SUBMISSIONS, key=student.encode(), headers=_HEADERS, value=encode(
                notices.submission(name, student, career, charge, euro(amount), date.fromisoformat(paid_on), iuv)))
                for name, student, career, charge, amount, paid_on, iuv in rows]
            self._producer.flush(timeout=SEND_SECONDS)
            for future in sent:
                future.get(timeout=SEND_SECONDS)
        except KafkaError as error:
            log.warning(Note("treasury/kafka-away", "payments could not be handed to Kafka, they are sent again: "
                             "{error}", error=type(error).__name__))
            self.close()
            return False
        return True

    def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            end_at_once(producer)


_HEADERS: list[Header] = [("content-type", JSON)]


_STUDENT = re.compile(rb"[A-Za-z0-9._-]{1,64}")


def read_outcome(record: Record) -> Outcome:
    """Raises Unreadable."""
    if not _STUDENT.fullmatch(record.key or b""):
        raise Unreadable("key: this is no student's pseudonym")
    check_text(record.value or b"")
    try:
        return Outcome.model_validate_json(record.value or b"")
    except ValidationError as error:
        raise Unreadable(describe(error)) from None


def _outcomes(tx: Transaction, found: Iterable[tuple[bytes | None, Outcome]]) -> None:
    """The first good outcome of a submission stays: a redelivered one is answered `duplicate`."""
    ours = [{"id": o.id, "student": (key or b"").decode("utf-8", "replace"), "outcome": o.outcome,
             "position": o.position,
             "why": _why(o)} for key, o in found if o.id is not None and o.id.startswith(f"{SOURCE}:")]
    if ours:
        tx.many("UPDATE treasury_submissions SET outcome = :outcome, position = :position, why = :why, sent = 1 "
                "WHERE id = :id AND student = :student AND (outcome IS NULL OR outcome NOT IN ('accepted', "
                "'duplicate'))", ours)


def _why(outcome: Outcome) -> str | None:
    """The rules that refused, or the fields that were wrong, as JSON."""
    found = [{"rule": r.rule, "message": r.message} for r in outcome.reasons] \
        + [{"path": p.path, "message": p.message} for p in outcome.problems]
    return json.dumps(found, ensure_ascii=False) if found else None


def store(tx: Transaction, states: Sequence[CareerMoney], segregation: str = reference.SEGREGATION) -> None:
    """Replaces the positions of these careers by what the states say; an older state than the stored one is left
    aside."""
    if not states:
        return
    among = {"students": sorted({s.student for s in states})}
    before: dict[CareerKey, tuple[int, str]] = {
        (row[0], row[1]): (row[2], row[3])
        for row in tx.ask("SELECT student, career, position, digest FROM treasury_careers WHERE student IN :students",
                          among)}
    debts: dict[CareerKey, dict[str, tuple[str, date]]] = {}
    for iuv, student, career, charge, published_on in tx.ask(
            "SELECT iuv, student, career, charge, published_on FROM treasury_debts WHERE student IN :students", among):
        debts.setdefault((student, career), {})[charge] = iuv, date.fromisoformat(published_on)
    careers, changed = [], []
    for state in states:
        key = state.student, state.career
        position, digest = before.get(key, (0, ""))
        if state.position < position:
            continue
        now = hashlib.sha256(LIFE + state.model_dump_json(exclude={"position"}).encode()).hexdigest()
        careers.append({"student": state.student, "career": state.career, "position": state.position, "digest": now})
        if now != digest:
            known = debts.setdefault(key, {})
            changed.append((state, lives(state.charges, [(charge, on) for charge, (_, on) in known.items()])))
    new = [(state.student, state.career, charge, periods[0].from_on) for state, life in changed
           for charge, periods in life.items()
           if charge not in debts[state.student, state.career]]
    for iuv, (student, career, charge, on) in assign(tx, new, segregation).items():
        debts[student, career][charge] = iuv, on
    _replace(tx, changed, debts)
    tx.many("INSERT INTO treasury_careers (student, career, position, digest, unusable) "
            "VALUES (:student, :career, :position, :digest, 0) ON CONFLICT (student, career) DO UPDATE SET "
            "position = excluded.position, digest = excluded.digest, unusable = 0", careers)


def _replace(tx: Transaction, changed: Sequence[tuple[CareerMoney, dict[str, list[Stretch]]]],
             debts: dict[CareerKey, dict[str, tuple[str, date]]]) -> None:
    rows, unallocated = [], []
    for state, life in changed:
        known = debts[state.student, state.career]
        rows += [notices.period_row(known[charge][0], period) for charge, periods in life.items() for period in periods]
        unallocated += [{"student": state.student, "career": state.career, "charge": u.charge,
                         "from_on": u.from_.isoformat(),
                         "until_on": u.until.isoformat() if u.until else None, "amount": cents(u.amount)}
                        for u in state.unallocated]
    tx.run("DELETE FROM treasury_life WHERE iuv IN :iuvs", {"iuvs": sorted({row["iuv"] for row in rows})})
    tx.many("DELETE FROM treasury_unallocated WHERE student = :student AND career = :career",
            [{"student": state.student, "career": state.career} for state, _ in changed])
    tx.many(f"INSERT INTO treasury_life (iuv, {', '.join(PERIOD)}) "  # noqa: S608 - names of our own
            f"VALUES (:iuv, {', '.join(':' + name for name in PERIOD)})", rows)
    tx.many("INSERT INTO treasury_unallocated (student, career, charge, from_on, until_on, amount) "
            "VALUES (:student, :career, :charge, :from_on, :until_on, :amount)", unallocated)


def assign(tx: Transaction, charges: Iterable[tuple[str, str, str, date]],
           segregation: str) -> dict[str, tuple[str, str, str, date]]:
    """Gives each new charge (student, career, charge, day of publication) a reference that no other has, and stores
    it."""
    given: dict[str, tuple[str, str, str, date]] = {}
    waiting, attempt = sorted(charges), 0
    while waiting:
        wanted = [(reference.iuv(c[0], c[1], c[2], attempt, segregation), c) for c in waiting]
        taken = {row[0] for row in tx.ask("SELECT iuv FROM treasury_debts WHERE iuv IN :iuvs",
                                          {"iuvs": [iuv for iuv, _ in wanted]})}
        waiting, attempt = [], attempt + 1
        for iuv, charge in wanted:
            if iuv in taken or iuv in given:
                waiting.append(charge)
            else:
                given[iuv] = charge
    tx.many("INSERT INTO treasury_debts (iuv, student, career, charge, published_on) VALUES (:iuv, :student, :career, "
            ":charge, :on)",
            [{"iuv": iuv, "student": c[0], "career": c[1], "charge": c[2], "on": c[3].isoformat()}
             for iuv, c in given.items()])
    return given
