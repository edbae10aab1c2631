"""Notifications with the real broker, the loop, both databases and a real SMTP server:
redelivery, restarts, kill -9."""

import itertools
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from kafka import TopicPartition

from consumers.database import Database
from consumers.kit.tables import migrations
from consumers.notifications import directory, outbox
from consumers.notifications.service import Notifications
from ledger.wire.message import Message
from ledger.wire.topics import DEAD_LETTER, HEARTBEAT
from tests.sizes import at_a_store
from tests.waiting import eventually

from .notifications_bench import Clock, History, Mailbox, beat_at
from .notifications_member import PORT, SHIFT
from .support import ROUNDS, Member, Topics, arrived, killed

MEMBER = "tests.consumers.notifications_member"
STUDENTS = 25
NOW = "2026-02-10T10:00"


class Office:
    """A member under a shifted clock, what it is told, and what it has to tell."""

    def __init__(self, topics: Topics, database: Database, mailbox: Mailbox, log: Path,
                 monkeypatch: pytest.MonkeyPatch) -> None:
        self.topics, self.database, self.mailbox, self.log = topics, database, mailbox, log
        self.shift = Clock(NOW)() - datetime.now(timezone.utc)
        monkeypatch.setenv(SHIFT, str(self.shift.total_seconds()))
        monkeypatch.setenv(PORT, str(mailbox.port))
        database.migrate(migrations(Notifications))
        self.enter(STUDENTS)
        with database.transaction() as tx:
            tx.run("INSERT INTO notifications_settings (name, value) VALUES ('start', '2026-02-01')")

    def enter(self, students: int) -> None:
        """Into the directory."""
        with self.database.transaction() as tx:
            directory.take(tx, [directory.Contact(f"S{n}", f"s{n}@students.example", ("it", "en", "")[n % 3])
                                for n in range(students)])

    def member(self) -> Member:
        return Member(MEMBER, self.database.url, self.topics.bootstrap, self.topics.prefix, self.log)

    def beat(self) -> None:
        """All that was sent so far had been recorded by now."""
        self.topics.send([beat_at(datetime.now(timezone.utc) + self.shift)])

    def has_read(self, ends: dict[TopicPartition, int]) -> bool:
        return arrived(self.database, "notifications", ends, self.topics.prefix)

    def told(self) -> Counter[str]:
        return Counter(mail["Message-ID"] for mail in self.mailbox.mails)

    def all_told(self) -> bool:
        with self.database.transaction() as tx:
            return outbox.listed(tx, None) == []


@pytest.fixture
def office(topics: Topics, own: Database, mailbox: Mailbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    return Office(topics, own, mailbox, tmp_path / "member.log", monkeypatch)


def news() -> tuple[list[Message], int]:
    """Events and states of everyone, each twice, and how many notices they are: a ticket opened and closed on the day,
    an instalment due; some have paid."""
    found: list[Message] = []
    notices = 0
    for n in range(STUDENTS):
        history = History(f"S{n}").enrolled()
        if n % 5 == 0:
            history.paid("2026-02-05", "instalment-1", "400.00")
        history.opened(str(n), "2026-02-10").closed(str(n), "2026-02-10")
        found += [*history.told(), *history.state()]
        notices += 2 if n % 5 == 0 else 3
    return found + found, notices


def test_each_notice_is_sent_once_through_redelivery_and_restart(office: Office) -> None:
    found, notices = news()
    ends = office.topics.send(found)
    office.beat()
    member = office.member()
    try:
        eventually(lambda: office.has_read(ends) and len(office.mailbox.mails) >= notices,
                   "everything is told")
        assert member.stop() == 0
        ends = office.topics.send(found)
        office.beat()
        office.topics.forget_group("notifications")
        member = office.member()
        eventually(lambda: office.has_read(ends), "everything is read again")
        eventually(office.all_told, "nothing waits")
        assert member.stop() == 0
    finally:
        member.kill()
    assert set(office.told().values()) == {1}
    assert len(office.told()) == notices
    assert "@students" not in member.said()
    expected = {(f"S{n}", "", kind, str(n), "2026-02-10") for n in range(STUDENTS)
                for kind in ("ticket-opened", "ticket-closed")}
    expected |= {(f"S{n}", "B", "instalment-due", "2025-26:instalment-1", "2026-02-17")
                 for n in range(STUDENTS) if n % 5}
    rows = office.database.ask("SELECT student, career, kind, thing, day FROM notifications_outbox")
    assert set(rows) == expected
    assert len(rows) == len(expected)


def test_a_poison_state_goes_to_the_dead_letters_and_stops_nobody(office: Office) -> None:
    [state] = History("S1").enrolled().state()
    office.topics.send([state, state._replace(value=b'{"student": "S1", "email": "x"}'),
                        *History("S2").enrolled().state()])
    office.beat()
    member = office.member()
    try:
        eventually(lambda: len(office.mailbox.mails) >= 1, "the other student is told")
        assert office.mailbox.told() == ["Rata in scadenza il 17 febbraio 2026: 400,00 € / Instalment due on 17 "
                                         "February 2026: €400.00"]
        eventually(lambda: len(office.topics.read(DEAD_LETTER)) == 1, "the letter is there")
        office.topics.send([state])
        eventually(lambda: len(office.mailbox.mails) == 2, "the newer state is told")
        assert member.stop() == 0
    finally:
        member.kill()


def test_a_mail_server_away_and_back_gets_everything_once(office: Office) -> None:
    found, notices = news()
    office.mailbox.stop()
    ends = office.topics.send(found)
    office.beat()
    member = office.member()
    try:
        eventually(lambda: office.has_read(ends), "everything is read")
        eventually(lambda: "mail server cannot be used" in member.said(), "it has tried")
        office.mailbox.start()
        eventually(lambda: len(office.mailbox.mails) >= notices, "everything is told")
        eventually(office.all_told, "nothing waits")
        assert member.stop() == 0
    finally:
        member.kill()
    assert set(office.told().values()) == {1}
    assert len(office.told()) == notices


def an_endless_log(office: Office) -> Iterator[Message]:
    """Of one student after the other: a ticket opened and closed, an instalment due, and
    everything of the one before again."""
    before: list[Message] = []
    for n in itertools.count():
        history = History(f"S{n}")
        tickets = history.opened(str(n), "2026-02-10").closed(str(n), "2026-02-10").told()
        mine = [*tickets, *History(f"S{n}").enrolled().state()]
        yield from (*mine, *before, beat_at(datetime.now(timezone.utc) + office.shift))
        before = mine


@at_a_store
def test_kill_9_at_random_points_sends_every_notice_under_one_message_id(office: Office) -> None:
    """A second copy may only come where the kill fell between the server's word and the mark, one a kill at most, and
    bears the same Message-ID."""
    office.mailbox.answer = lambda mail: time.sleep(0.01)
    office.enter(100 * ROUNDS)
    with office.topics.traffic(an_endless_log(office), each=7, pause=0.5) as traffic:
        killed(ROUNDS, office.topics, MEMBER, "notifications", office.database, office.log,
               lambda: len(office.mailbox.mails))
    notices = len({(m.topic, m.key, m.value) for m in traffic.sent if m.topic != HEARTBEAT})
    office.beat()
    member = office.member()
    try:
        eventually(lambda: office.has_read(traffic.ends), "everything is read")
        eventually(office.all_told, f"{notices} notices are told", 180)
        assert member.stop() == 0
    finally:
        member.kill()
    copies = sum(office.told().values()) - notices
    print(f"{ROUNDS} kills, {notices} notices, {copies} second copies")
    assert len(office.told()) == notices
    assert copies <= ROUNDS
    told = {(mail["To"], mail["Subject"], mail["Message-ID"]) for mail in office.mailbox.mails}
    assert len({(to, subject) for to, subject, _ in told}) == len(told) == notices
