"""Messages of the ledger as each service of ours takes them: key, headers (`name: value`), an empty line, the value.
A `payload_sha256` of `*` stands for that of the value, so that damage gets beyond the first check."""

import itertools
import re
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from threading import Event as Flag
from typing import Any, NamedTuple

from consumers.archive.service import Archive
from consumers.booking_gate.answers import Gate, NoAnswer
from consumers.booking_gate.service import BookingGate
from consumers.database import Database
from consumers.kit.loop import Loop
from consumers.kit.service import Record, Service
from consumers.kit.tables import migrations
from consumers.notifications import directory
from consumers.notifications.letter import From
from consumers.notifications.service import Notifications
from consumers.treasury.gpd import payable_on, payment_position, read_creditor
from consumers.treasury.reconcile import reconcile
from consumers.treasury.service import Treasury
from ledger.edges.post import MailServer, Post
from ledger.rulebooks.institution import packaged
from ledger.wire.message import Header, Message, header
from ledger.wire.reading import Unreadable, identify, provenance, read_event
from ledger.wire.topics import EVENTS, HEARTBEAT, OUTCOMES, STATE
from tests.consumers.support import state_messages
from tests.wire.messages import GOLDEN, load

from .stored import a_history
from .target import Target, as_strict_as_postgresql, law, or_refused

EXAMPLES = Path(__file__).parents[3] / "examples"
NOW = datetime(2026, 2, 12, 10, tzinfo=UTC)


def as_text(sent: Message) -> bytes:
    headers = [(name, b"*" if name == "payload_sha256" else value) for name, value in sent.headers]
    return b"\n".join([sent.key or b"", *(name.encode() + b": " + value for name, value in headers), b"",
                       sent.value or b""])


def as_record(topic: str, text: bytes) -> Record:
    head, _, value = text.partition(b"\n\n")
    key, *rest = head.split(b"\n")
    headers: list[Header] = []
    for line in rest:
        name, _, said = line.partition(b": ")
        headers.append((name.decode("latin-1"), said))
    if header(headers, "payload_sha256") == "*":
        headers = [(name, sha256(value).hexdigest().encode() if name == "payload_sha256" else said)
                   for name, said in headers]
    return Record(topic, 0, 7, 1_770_000_000_000, key, value if value != b"(tombstone)" else None, headers)


@cache
def golden(topic: str) -> list[bytes]:
    return [as_text(one) for path in sorted(GOLDEN.glob("*.json")) if (one := load(path)).topic == topic]


@cache
def used(make: Callable[[], Service]) -> list[bytes]:
    """Events of the types that a service does something with, and one that it does not, each the first of its
    student: nothing is waited for."""
    kinds = [b"event_type: " + kind.encode() for kind in (*(make().needed or ()), "person-forgotten", "exam-booked")]
    return [re.sub(rb'(?<=\nversion: )[0-9]+|(?<="version":)[0-9]+', b"1", one) for one in golden(EVENTS)
            if any(kind in one for kind in kinds)]


@cache
def beats() -> list[bytes]:
    return [*golden(HEARTBEAT), *(one.replace(EVENTS.encode(), STATE.encode()) for one in golden(HEARTBEAT))]


@cache
def of_today() -> list[bytes]:
    """States under the books of today, of which the gate can be asked, beside those of the golden files."""
    made = state_messages(a_history(), "S01", law())
    return [*golden(STATE), *map(as_text, made), b"S01/S01-B\n" + as_text(made[0]).partition(b"\n")[2].partition(
        b"\n\n")[0] + b"\n\n(tombstone)"]


def event(text: bytes) -> None:
    one = as_record(EVENTS, text)
    found = or_refused(lambda: read_event(one.key, one.value, one.headers), Unreadable, ": ")
    unread = or_refused(lambda: read_event(one.key, one.value, one.headers, frozenset()), Unreadable, ": ")
    or_refused(lambda: identify(one.key, one.headers), Unreadable, ": ")
    or_refused(lambda: provenance(one.headers), Unreadable, ": ")
    assert unread is None
    if found is not None:
        assert identify(one.key, one.headers) == (found.student, found.version)
        again = type(found.data).model_validate_json(found.data.model_dump_json())
        assert again == found.data


class Letters:
    def send(self, letters: list[Message]) -> None:
        for letter in letters:
            said = header(letter.headers, "dead_letter_error")
            assert said
            assert said.isprintable(), said


class Fed(NamedTuple):
    database: Database
    loop: Loop
    tables: list[str]


@cache
def fed(make: Callable[[], Service]) -> Fed:
    """A service of which every input finds the tables empty."""
    folder = tempfile.mkdtemp()
    service, database = make(), Database(f"sqlite:///{folder}/own.db")
    database.migrate(migrations(service))
    loop = Loop(service, database, "localhost:9", Flag())
    loop._letters = Letters()  # type: ignore[assignment]
    names = database.ask("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE :name",
                         {"name": f"{service.name}%"})
    return Fed(database, loop, [name for (name,) in names if "migration" not in name])


@as_strict_as_postgresql()
def taken(make: Callable[[], Service], topic: str, ask: Callable[[Fed, Record], object], text: bytes) -> None:
    """As the loop takes a batch of one; then what the service does by itself, and what it is asked."""
    one, record = fed(make), as_record(topic, text)
    with one.database.transaction() as tx:
        for table in one.tables:
            tx.run(f"DELETE FROM {table}")
    with one.database.transaction() as tx:
        one.loop._order.begin(tx)
        todo = one.loop._order.take(tx, [record] if topic == EVENTS else [])
        if topic != EVENTS:
            one.loop._messages(tx, topic, [record], todo)
        one.loop._effects(tx, todo)
    for _, error in todo.letters:
        assert ": " in str(error), str(error)
    ask(one, record)


def nothing(one: Fed, record: Record) -> None:
    pass


def idle(one: Fed, record: Record) -> None:
    one.loop._service.idle(one.database)


@cache
def gate(database: Database) -> Gate:
    return Gate(database, law(), 1e12)


def asked(one: Fed, record: Record) -> None:
    """Whether the exam may be booked; of whichever career the key names."""
    idle(one, record)
    student, _, career = (record.key or b"").decode("latin-1").partition("/")
    with one.database.transaction() as tx:
        tx.run("INSERT INTO booking_gate_knowledge (topic, complete_at, position, offsets) VALUES (:topic, "
               "'2026-01-01T00:00:00+00:00', 1000, '{}') ON CONFLICT (topic) DO NOTHING", {"topic": STATE})
    gate(one.database)._ready.clear()
    for on in ("2026-02-11", "2026-05-28"):
        question = {"student": student, "career": career, "course": "F1", "held_on": "2026-06-22", "session": "summer",
                    "academic_year": "2025-26", "calls_start_on": "2026-06-08", "on": on}
        or_refused(partial(gate(one.database).answer, question, NOW), NoAnswer)


def told(one: Fed, record: Record) -> None:
    """Letters are written of what there is to tell; no server takes them."""
    with one.database.transaction() as tx:
        directory.take(tx, [directory.Contact("S01", "anna@students.example", "")])
    idle(one, record)


def billed(one: Fed, record: Record) -> None:
    idle(one, record)
    creditor = read_creditor(EXAMPLES / "creditor.toml")
    with one.database.transaction() as tx:
        for day in (date(2026, 2, 12), date(2026, 9, 1)):
            for position in payable_on(tx, day):
                payment_position(position, creditor, day)
            reconcile(tx, day).as_json()


class NoServer(Post):
    """Takes every letter."""

    def open(self) -> None:
        pass

    def send(self, mail: Any) -> None:
        bytes(mail)

    def close(self) -> None:
        pass


def _notifications() -> Service:
    sender = From("registry@university.example", None, packaged())
    made = Notifications(NoServer(MailServer("localhost", 9, False, None, None)), sender, start_on=date(2026, 1, 1),
                         clock=lambda: NOW)
    made._sender._paused_until = 0.0
    return made


def _archive() -> Service:
    return Archive(Path(tempfile.mkdtemp()))


def _treasury() -> Service:
    return Treasury("localhost:9")


def _targets() -> Iterator[Target]:
    yield Target("event", event, partial(golden, EVENTS))
    for make, topic, ask, seeds in itertools.chain(
            ((BookingGate, STATE, asked, of_today), (_notifications, STATE, told, of_today),
             (_treasury, STATE, billed, of_today)),
            ((make, EVENTS, ask, partial(used, make)) for make, ask in (
                (_notifications, told), (_treasury, billed), (_archive, nothing))),
            ((make, HEARTBEAT, ask, beats) for make, ask in (
                (BookingGate, idle), (_notifications, idle), (_archive, nothing))),
            ((_treasury, OUTCOMES, billed, partial(golden, OUTCOMES)),)):
        name = make.__name__.strip("_").lower().removesuffix("gate")
        yield Target(f"{name}-{topic.split('.')[1]}", partial(taken, make, topic, ask), seeds)


TARGETS = tuple(_targets())
