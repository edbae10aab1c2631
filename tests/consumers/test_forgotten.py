"""A person is forgotten: every service deletes all that it holds about her, whichever message says so first, and
nothing that comes again brings anything back. Without a broker: what the loop hands over, on both databases."""

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from kafka import TopicPartition

from consumers.archive.service import Archive
from consumers.booking_gate.service import BookingGate
from consumers.database import Database
from consumers.kit.loop import Loop
from consumers.kit.service import Record, Service
from consumers.kit.tables import migrations
from consumers.notifications import directory, payments
from consumers.notifications.letter import From
from consumers.notifications.service import Notifications
from consumers.treasury import notices
from consumers.treasury.notices import PaymentNotice
from consumers.treasury.service import Treasury
from ledger.edges.post import MailServer, Post
from ledger.wire.letters import outcome_message
from ledger.wire.message import Message
from ledger.wire.reading import Unreadable
from ledger.wire.state import tombstone

from .counter import Counter
from .notifications_bench import YEAR, History
from .support import ORIGIN, a_log, changed, forgotten
from .treasury_books import NOW, TODAY

MARK = "marked.address@students.example"


class Fed:
    """A service that is handed batches as its loop does it."""

    def __init__(self, service: Service, database: Database) -> None:
        self.service, self.database = service, database
        self.loop = Loop(service, database, "nowhere:1", threading.Event())
        self.loop._letters.send = lambda letters: None  # type: ignore[method-assign]
        database.migrate(migrations(service))

    def take(self, messages: Iterable[Message]) -> None:
        batch: dict[TopicPartition, list[Record]] = {}
        for one in messages:
            if one.topic in self.service.topics:
                at = TopicPartition(one.topic, 0)
                if at not in self.loop._next:
                    self.loop._next[at] = self.loop._log_positions[at] = 0
                    with self.database.transaction() as tx:
                        tx.run(f"INSERT INTO {self.service.name}_positions VALUES (:topic, 0, 0, 0)",
                               {"topic": one.topic})
                found = batch.setdefault(at, [])
                found.append(Record(one.topic, 0, self.loop._next[at] + len(found), 0, one.key, one.value, one.headers))
        if batch:
            self.loop._apply(batch)


def held(database: Database, *marks: str) -> dict[str, int]:
    """Each table with the number of its rows in which one of these texts stands, whatever column it is in."""
    tables = database.ask("SELECT name FROM sqlite_master WHERE type = 'table'" if database.url.startswith("sqlite")
                          else "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    found = {}
    for (table,) in tables:
        rows = [repr(row) for row in database.ask(f"SELECT * FROM {table}")]
        found[table] = sum(any(mark in row for mark in marks) for row in rows)
    return {table: count for table, count in found.items() if count}


def told(student: str) -> list[Message]:
    """Careers, a payment, a ticket, and a later event whose predecessor is missing: she is parked."""
    history = History(student).enrolled().paid("2026-02-10", "instalment-1", "400.00").opened("212617", "2026-02-10")
    states = history.state()
    late = History(student).enrolled()
    late.events = history.events[:]
    late.closed("212617", "2026-02-12").paid("2026-02-13", "instalment-2", "100.00")
    return [*history.told(), *states, *late.told(len(late.events) - 1)]


def of_notifications(fed: Fed, student: str) -> None:
    with fed.database.transaction() as tx:
        directory.take(tx, [directory.Contact(student, MARK if student == "S1" else "b@students.example", "it")])
        payments.take(tx, [{"number": f"30000000000000000{n}", "student": f"S{n}", "career": "B",
                            "charge": f"{YEAR}:instalment-2", "amount": 50000} for n in (1, 2)])


def of_treasury(fed: Fed, student: str) -> None:
    iuvs = fed.database.ask("SELECT iuv FROM treasury_debts WHERE student = :student ORDER BY charge",
                            {"student": student})
    if iuvs:
        with fed.database.transaction() as tx:
            notices.accept(tx, PaymentNotice.model_validate({
                "iuv": iuvs[0][0], "amount": "7.00", "paid_on": "2026-02-10", "receipt": f"R{student[1:]}"}),
                NOW, TODAY)
    fed.take([outcome_message(student.encode(), {
        "id": f"pagopa:R{student[1:]}", "outcome": "refused", "reasons": [
            {"rule": "X", "message": "no", "source": {"document": "d", "heading": "h"}, "clears": None, "facts": []}]},
        "2026-02-11T12:00:00Z", ORIGIN)])


def nothing_more(fed: Fed, student: str) -> None:
    """It takes messages only."""


SERVICES: dict[str, tuple[Callable[[], Service], Callable[[Fed, str], None], dict[str, int]]] = {
    "notifications": (lambda: Notifications(Post(MailServer("127.0.0.1", 1)), From("a@office.example")),
                      of_notifications, {}),
    "treasury": (lambda: Treasury("nowhere:1"), of_treasury, {}),
    "booking_gate": (BookingGate, nothing_more, {}),
    "counter": (Counter, nothing_more, {"counter_seen": 5, "counter_totals": 1}),
}
"""What makes a service, what it holds besides what comes on the topics, and what it may keep: the counter, which has no
`forget`, shows that the rows are counted."""


@pytest.mark.parametrize("said_by", ["tombstone", "event"])
@pytest.mark.parametrize("name", SERVICES)
def test_service_holds_only_the_pseudonym_once_a_person_was_forgotten_and_nothing_brings_her_back(
        own: Database, name: str, said_by: str) -> None:
    make, fill, kept = SERVICES[name]
    if (name, said_by) in {("booking_gate", "event"), ("counter", "tombstone")}:
        return  # no topic of its
    fed = Fed(make(), own)
    for student in ("S1", "S2"):
        fed.take(told(student))
        fill(fed, student)
    before, others = held(own, "S1", MARK), held(own, "S2")
    assert before
    assert f"{name}_erased" not in before
    if name != "booking_gate":
        assert before[f"{name}_parked"] == before[f"{name}_aside"] == 1
    newest = History("S1").enrolled().events[-1]
    news = [tombstone("S1", "B", newest, ORIGIN)] if said_by == "tombstone" else [forgotten("S1", 99, 99)]
    fed.take([*told("S1")[-1:], *news])
    only = {f"{name}_erased": 1} | kept
    assert held(own, "S1", MARK) == only
    assert own.ask(f"SELECT * FROM {name}_erased") == [("S1",)]
    for again in (told("S1"), news, [forgotten("S1", 99, 99)], [tombstone("S1", "B", newest, ORIGIN)]):
        fed.take(again)
        fill(fed, "S1")
        assert held(own, "S1", MARK) == only
    assert held(own, "S2") == others
    fed.take([*told("S2")])
    assert held(own, "S2") == others


def test_address_of_a_forgotten_person_is_gone_from_every_page_of_the_file(tmp_path: Path) -> None:
    """Deleted rows would stand in free pages and in the write-ahead log."""
    path = tmp_path / "own.db"
    with Database(f"sqlite:///{path}") as own:
        fed = Fed(SERVICES["notifications"][0](), own)
        of_notifications(fed, "S1")
        fed.take(told("S1"))
        fed.take([forgotten("S1", 99, 99)])
        assert own.scrub()
        for file in tmp_path.iterdir():
            assert MARK.encode() not in file.read_bytes(), file.name


def test_archive_keeps_the_events_of_a_forgotten_person_in_order(own: Database, tmp_path: Path) -> None:
    fed = Fed(Archive(tmp_path / "packages"), own)
    fed.take(told("S1"))
    assert held(own, "S1")["archive_parked"] == 1
    fed.take([forgotten("S1", 8, 8)])
    assert held(own, "S1") == {"archive_entries": 5, "archive_versions": 1, "archive_parked": 1, "archive_aside": 2}


def test_person_forgotten_before_a_release_knew_the_type_is_erased_at_its_start(own: Database) -> None:
    """The event was kept aside as unreadable."""
    fed = Fed(Counter(), own)
    fed.take(a_log(1, 2))
    known = fed.service.read
    fed.service.read = lambda record: (_ for _ in ()).throw(Unreadable("x"))  # type: ignore[method-assign]
    fed.take([forgotten("S0000", 3, 3)])
    assert own.ask("SELECT student, version FROM counter_parked") == [("S0000", 3)]
    fed.service.read = known  # type: ignore[method-assign]
    fed.loop._retry(next(iter(fed.loop._next)))
    assert (own.ask("SELECT * FROM counter_parked"), own.ask("SELECT * FROM counter_erased")) == ([], [("S0000",)])


def test_message_of_another_ledger_forgets_nobody(own: Database) -> None:
    fed = Fed(Counter(), own)
    fed.take(a_log(1, 2))
    strange = changed(forgotten("S0000", 3, 3), origin="another")
    fed.take([strange, changed(forgotten("S0000", 3, 3), value=b"{}")])
    assert own.ask("SELECT * FROM counter_erased") == []

