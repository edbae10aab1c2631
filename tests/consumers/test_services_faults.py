"""Whatever happens to the four services: each one's tables equal what a fold of the topics
gives, and no mail is doubled.

The fold hands every message of the topics once to a service on an empty database, in this process, without the loop.
All four live on the same messages: an invented population, and students of known histories whom notices and mails are
about. On both databases at full size (tests/sizes.py), else on PostgreSQL; the proof has 50 rounds of members and
50,000 messages."""

import base64
import gzip
import itertools
import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from consumers.archive.package import Entry, read_line, sealed_days
from consumers.archive.service import Archive
from consumers.archive.verify import verify
from consumers.booking_gate.service import BookingGate
from consumers.database import Database
from consumers.kit.order import _mark_of
from consumers.kit.service import Record, Service
from consumers.kit.tables import migrations
from consumers.notifications import directory, outbox
from consumers.notifications.agenda import ITALY, KINDS
from consumers.notifications.service import Notifications
from consumers.treasury import reference
from consumers.treasury.service import Treasury
from infra.kafka.cluster import Cluster
from ledger.domain.events import Event
from ledger.edges.post import MailServer, Post
from ledger.store import open_store
from ledger.wire.events import message as event_message
from ledger.wire.kafka import BROKERS, PREFIX, history_of
from ledger.wire.letters import outcome_message
from ledger.wire.message import History as Told
from ledger.wire.message import Message, header
from ledger.wire.reading import Unreadable, identify
from ledger.wire.topics import DEAD_LETTER, EVENTS, HEARTBEAT, OUTCOMES, STATE, SUBMISSIONS
from tests.processes import LEDGER, Program
from tests.projections.populations import BOOKS, fill, population, streams
from tests.sizes import sized
from tests.waiting import eventually

from .gate import heartbeat
from .notifications_bench import SENDER, YEAR, Clock, History, Mailbox, beat_at
from .notifications_member import LEASE, PORT, SHIFT
from .support import ORIGIN, ROUNDS, Member, Topics, arrived, as_message, changed, in_thread, state_messages
from .test_archive import TODAY, beat, digests, send_on
from .treasury_books import Books

pytestmark = pytest.mark.faults
NOW, NEXT_DAY = "2026-02-10T10:00", "2026-02-11T10:00"
INVENTED, GENERATED = 4, sized(2, 4)
"""Students in a block of the news."""
PAYERS = 10
"""Students whose bank reports a payment before the treasury knows what it is for."""
ADDRESSES = sized(500, 500, 5000)
LONG = sized(180.0, 300.0, 900.0)
ENOUGH, MESSAGES = sized((700, 1_000), (1_000, 3_000), (50_000, 50_000))
"""Of the news: those that tell of every payer, and those that last while brokers fail."""
DEAD_SECONDS, FROZEN_SECONDS, DARK_SECONDS = sized((1.0, 2.0, 2.0), (2.0, 4.0, 3.0), (6.0, 20.0, 60.0))
BLOCKS = sized(3, 3, 20)
"""Of the news, on an old topic: as many students as pay, at least."""
STUDENTS = sized(8, 12, 40)
"""Of the real relay."""

Tables = dict[str, list[tuple[Any, ...]]]


# The services, in one table


class Stage(NamedTuple):
    """What the services need besides their databases."""

    bootstrap: str
    folder: Path
    mailbox: Mailbox
    clock: Clock


class Case(NamedTuple):
    """How a service is made in this process, started as its own, and which rows are compared. `sure` names tables that
    cannot be empty."""

    make: Callable[[Stage], Service]
    module: str
    options: Callable[[Stage], tuple[str, ...]]
    rows: Mapping[str, str]
    sure: tuple[str, ...]


def _whole(service: str, *names: str) -> dict[str, str]:
    return {name: f"SELECT * FROM {service}_{name}" for name in names}


CASES = {
    "booking_gate": Case(
        lambda stage: BookingGate(), "consumers.booking_gate", lambda stage: ("--listen", "127.0.0.1:0"),
        _whole("booking_gate", "careers", "heartbeats", "knowledge"), ("careers", "knowledge")),
    "treasury": Case(
        lambda stage: Treasury(stage.bootstrap), "consumers.treasury", lambda stage: (),
        _whole("treasury", "careers", "debts", "life", "unallocated", "payments", "notices", "submissions"),
        ("life", "payments")),
    "notifications": Case(
        lambda stage: Notifications(Post(MailServer("127.0.0.1", stage.mailbox.port)), SENDER, clock=stage.clock),
        "tests.consumers.notifications_member", lambda stage: (),
        # whether a notice was found and dropped again before it was told depends on which states came in one batch;
        # when it was told and how often it was tried, on the clock
        _whole("notifications", "careers", "directory", "settings", "pulse") | {"outbox": (
            "SELECT id, student, career, kind, thing, day, event, details, position, made_on, state, "
            "why FROM notifications_outbox WHERE NOT (state = 'dropped' AND why = 'no longer true')")}, ("careers",)),
    "archive": Case(
        lambda stage: Archive(stage.folder), "consumers.archive", lambda stage: ("--folder", str(stage.folder)),
        {"entries": "SELECT position, student, version, type, sha256, payload_sha256, part, place, stamp, "
                    "value FROM archive_entries"},
        ("entries",)),
}


def tables(name: str, own: Database, stage: Stage) -> Tables:
    """What a service holds, in one order: its own tables, how far each student has come and, of the
    archive, also what is sealed."""
    asked = {**CASES[name].rows, **_whole(name, "versions")}
    found = {table: own.ask(sql) for table, sql in asked.items()}
    if name == "archive":
        found["entries"] = [*found["entries"], *sealed(stage.folder)]
    return {table: sorted(rows, key=repr) for table, rows in found.items()}


def sealed(folder: Path) -> Iterator[Entry]:
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path) as lines:
            yield from map(read_line, lines)


def prepare(name: str, own: Database) -> None:
    """What an operator and a bank do before the first start. Makes the tables, so that they can
    be looked at at any time."""
    service = CASES[name].make(Stage("nowhere:1", Path(), Mailbox(), Clock(NOW)))
    own.migrate(migrations(service))
    if name == "treasury":
        desk = Books(own)
        for n in range(PAYERS):
            iuv = reference.iuv(f"H{n}", "B", f"{YEAR}:instalment-1")
            assert desk.take({"iuv": iuv, "amount": "1.00", "paid_on": "2025-01-01",
                              "receipt": f"R{n}"})["outcome"] == "waiting"
    if name == "notifications":
        with own.transaction() as tx:
            directory.take(tx, [directory.Contact(f"H{n}", f"h{n}@students.example", ("it", "en", "")[n % 3])
                                for n in range(ADDRESSES)])
            tx.run("INSERT INTO notifications_settings (name, value) VALUES ('start', '2026-02-01')")


# The messages


def told(events: Iterable[Event]) -> list[Message]:
    return [event_message(e.as_json() | {"position": e.position, "version": e.version},
                          sha256(f"{e.student}/{e.id}".encode()).hexdigest(),
                          ORIGIN) for e in events]


def invented(n: int) -> tuple[list[Message], list[Message]]:
    """Events and states of a student of a known history: an instalment is due in a week, a ticket was opened
    and closed today. A state for each step, whose charges only become more, so that nothing depends on which
    of them come in one batch."""
    history, found = History(f"H{n}"), []
    steps = (lambda: history.add("enrolled", "2025-09-20",
                                 {"programme": "L-FIL", "academic_year": YEAR, "course_type": "bachelor",
                                                            "access": "open", "year": 1, "regime": "full-time"}),
             lambda: history.paid("2025-09-20", "enrolment", "156.00"),
             lambda: history.add("contribution-assessed", "2026-01-10",
                                 {"academic_year": YEAR, "contribution": "900.00"}))
    for step in steps:
        step()
        found += history.state()
    history.opened(str(n), "2026-02-10").closed(str(n), "2026-02-10")
    return history.told(), found


def generated(block: int, position: int) -> tuple[list[Message], list[Message]]:
    """Events and states of a block of the population. Behind each state an older one comes once more,
    which counts for nothing."""
    events = [e.placed(position + n) for n, e in enumerate(population(GENERATED, 3, first=block * GENERATED), 1)]
    found = []
    for student, stream in streams(events).items():
        newest = state_messages(stream, student, BOOKS)
        older = stream[:len(stream) // 2]
        found += [*newest, *(state_messages(older, student, BOOKS) if any(e.career for e in older) else ()), *newest]
    return told(events), found


def news(blocks: Iterable[int]) -> Iterator[Message]:
    """Block after block: all events and states, some of the block before once more, and heartbeats."""
    before: list[Message] = []
    for block in blocks:
        events, states = generated(block, 1_000_000 * (block + 1))
        for n in range(block * INVENTED, (block + 1) * INVENTED):
            mine = invented(n)
            events, states = events + mine[0], states + mine[1]
        yield from (*events, *states, *before)
        now = datetime.now(timezone.utc)
        yield from (heartbeat(now, {}, block + 1, topic) for topic in (STATE, EVENTS))
        before = [m for m in events + states if sha256(m.key).digest()[0] % 3 == 0]


def log(topics: Topics) -> list[Record]:
    """What a subscriber sees, each partition in order."""
    return [Record(name, r.partition, r.offset, r.timestamp, r.key, r.value, [(k, v or b"") for k, v in r.headers])
            for name in (EVENTS, STATE, HEARTBEAT, OUTCOMES) for r in topics.read(name)]


# The fold


class _Silent:
    """A mail server that takes everything."""

    def open(self) -> None: ...
    def send(self, letter: Any) -> None: ...
    def close(self) -> None: ...


class _Unsent(Treasury):
    """Its submissions count as sent."""

    def _send(self, rows: Iterable[Sequence[Any]]) -> bool:
        return True


def folded(name: str, folder: Path, days: Sequence[tuple[str, Sequence[Record]]]) -> Tables:
    """What a service holds that is handed every message once. `days`: the clock, and what came then. An
    event that cannot be read is as if it had never come; those after it are not handed over until a good
    one of its version comes."""
    stage = Stage("nowhere:1", folder / "none", Mailbox(), Clock(NOW))
    post: Any = _Silent()
    service: Any = {"treasury": _Unsent("nowhere:1"),
                    "notifications": Notifications(post, SENDER, clock=stage.clock)}.get(name)
    service = service or CASES[name].make(stage)
    path = folder / f"fold-{name}.db"
    path.unlink(missing_ok=True)
    with Database(f"sqlite:///{path}") as own:
        prepare(name, own)
        good: dict[tuple[str, int], tuple[Record, Any]] = {}
        handed: dict[str, int] = {}
        for now, records in days:
            stage.clock.to(now)
            _events(service, own, [r for r in records if r.topic == EVENTS and EVENTS in service.topics], good, handed)
            for topic in (STATE, HEARTBEAT, OUTCOMES):
                _messages(service, own, [r for r in records if r.topic == topic and topic in service.topics])
                if topic != STATE:
                    _rest(service, own, stage.clock)
        with own.transaction() as tx:
            tx.many(f"INSERT INTO {name}_versions (student, version, marks) VALUES (:student, :version, :marks)",
                    [{"student": student, "version": version, "marks": b"".join(
                        _mark_of(good[student, n][0]) for n in range(1, version + 1))}
                     for student, version in handed.items()])
        service.close()  # else the archive may still be moving a day from its table to its folder
        found = tables(name, own, stage)
    assert all(found[table] for table in CASES[name].sure), {table: len(rows) for table, rows in found.items()}
    return found


def _events(service: Service, own: Database, records: Sequence[Record], good: dict[tuple[str, int], tuple[Record, Any]],
            handed: dict[str, int]) -> None:
    for record in records:
        try:
            good.setdefault(identify(record.key, record.headers), (record, service.read(record)))
        except Unreadable:
            continue
    found = []
    for student, version in sorted(good):
        if version == handed.get(student, 0) + 1:
            handed[student] = version
            found.append(good[student, version])
    with own.transaction() as tx:
        if found:
            service.events(tx, [one for one in found if one[1] is not None])
        _reached(tx, service, records)


def _messages(service: Service, own: Database, records: Sequence[Record]) -> None:
    with own.transaction() as tx:
        for record in records:
            try:
                service.messages(tx, record.topic, [(record, service.read(record))])
            except Unreadable as error:
                service.unusable(tx, record, error)
        _reached(tx, service, records)


def _reached(tx: Any, service: Service, records: Sequence[Record]) -> None:
    ends: dict[tuple[str, int], int] = {}
    for record in records:
        ends[record.topic, record.partition] = record.offset + 1
    tx.many(f"INSERT INTO {service.name}_positions (topic, part, next_offset, log_position) VALUES (:topic, :part, "
            ":to, 0) ON CONFLICT (topic, part) DO UPDATE SET next_offset = excluded.next_offset",
            [{"topic": topic, "part": part, "to": to} for (topic, part), to in ends.items()])


def _rest(service: Service, own: Database, clock: Clock) -> None:
    """Time passes until nothing comes of it any more."""
    service.idle(own)
    while isinstance(service, Notifications) and _has_to_tell(own, clock):
        service.idle(own)


def _has_to_tell(own: Database, clock: Clock) -> bool:
    now = clock()
    today = now.astimezone(ITALY).date().isoformat()
    with own.transaction() as tx:
        return bool(outbox.ready(tx, now.timestamp(), KINDS, 1)) or tx.ask(
            "SELECT count(*) FROM notifications_careers WHERE next_day <= :today", {"today": today}) != [(0,)]


# What the tests share


class Office:
    """The four services on topics, each with its own tables."""

    def __init__(self, topics: Topics, url: str, folder: Path, mailbox: Mailbox, stack: ExitStack) -> None:
        self.topics, self.stage = topics, Stage(topics.bootstrap, folder / "archive", mailbox, Clock(NOW))
        self.scratch = folder
        self._answered: set[tuple[int, int]] = set()
        self._accepted: set[str] = set()
        urls = {name: url if url.startswith("postgresql") else f"{url}.{name}" for name in CASES}
        self.own = {name: stack.enter_context(Database(address)) for name, address in urls.items()}
        for name, own in self.own.items():
            prepare(name, own)
        self._environment = {SHIFT: str((Clock(NOW)() - datetime.now(timezone.utc)).total_seconds()),
                             PORT: str(mailbox.port), LEASE: "20"}
        self._logs = itertools.count()

    def member(self, name: str, *options: str) -> Member:
        os.environ.update(self._environment)
        return Member(CASES[name].module, self.own[name].url, self.topics.bootstrap, self.topics.prefix,
                      self.scratch / f"{name}-{next(self._logs)}.log", *CASES[name].options(self.stage), *options)

    @contextmanager
    def at_work(self, *names: str, from_oldest: bool = False) -> Iterator[None]:
        """These services (all), in threads of this process."""
        with ExitStack() as stack:
            for name in names or CASES:
                stack.enter_context(in_thread(CASES[name].make(self.stage), self.own[name].url,
                                              self.topics.bootstrap, from_oldest))
            yield

    def answer(self) -> None:
        """What the intake says of the payments that are on the topic by now."""
        outcomes = []
        for found in self.topics.read(SUBMISSIONS):
            if (found.partition, found.offset) not in self._answered:
                self._answered.add((found.partition, found.offset))
                name = json.loads(found.value)["id"]
                outcomes.append(outcome_message(found.key, {
                    "id": name, "outcome": "duplicate" if name in self._accepted else "accepted",
                    "position": 7, "version": 7},
                    "2026-02-10T12:00:00Z", ORIGIN))
                self._accepted.add(name)
        self.topics.send(outcomes)

    def beat(self, at: datetime | None = None, history: Told = ORIGIN) -> None:
        """All that was sent so far had been recorded by then (now)."""
        for topic in (STATE, EVENTS):
            ends = {tp.partition: end for tp, end in self.topics.ends(topic).items()}
            self.topics.send([heartbeat(at or datetime.now(timezone.utc), ends, 10**12, topic, history)])

    def has_read_all(self, name: str) -> bool:
        topics = CASES[name].make(self.stage).topics
        return all(arrived(self.own[name], name, self.topics.ends(topic), self.topics.prefix) for topic in topics)

    def reads_all(self, *names: str) -> None:
        for name in names or CASES:
            slowly(lambda name=name: [] if self.has_read_all(name) else [f"{name} has not read everything"])

    def pays(self) -> None:
        """Every payment that a bank has reported is submitted and answered."""
        asked = ("SELECT (SELECT count(*) FROM treasury_notices WHERE submitted = 1), "
                 "(SELECT count(*) FROM treasury_submissions WHERE sent = 1)")
        slowly(lambda: [] if (rows := self.own["treasury"].ask(asked)) == [(PAYERS, PAYERS)]
               else [f"submitted and sent: {rows}"])
        self.answer()

    def folds(self, *days: tuple[str, Sequence[Record]]) -> dict[str, Tables]:
        return {name: folded(name, self.scratch, days) for name in CASES}

    def equals(self, folds: Mapping[str, Tables]) -> None:
        for name, expected in folds.items():
            slowly(lambda name=name, expected=expected: [
                f"{name}: {one}" for one in differences(tables(name, self.own[name], self.stage), expected)])

    def parked(self, name: str) -> dict[str, tuple[int, str]]:
        return {student: (version, reason) for student, version, reason in self.own[name].ask(
            f"SELECT student, version, reason FROM {name}_parked")}

    def mended(self, *names: str) -> None:
        for name in names or CASES:
            assert (self.parked(name), self.own[name].ask(f"SELECT count(*) FROM {name}_aside")) == ({}, [(0,)]), name

    def mails(self, copies: int = 0) -> int:
        """Each notice that counts as sent was sent, once but for so many letters; how many copies there were."""
        came: set[str] = set()
        second = 0
        for mail in self.stage.mailbox.mails:
            told = set(mail["X-Notices"].split())
            second += bool(told & came)
            came |= told
        assert came == {row[0] for row in self.own["notifications"].ask("SELECT id FROM notifications_outbox WHERE "
                                                                        "state = 'sent'")}
        assert came
        assert second <= copies
        return second


def differences(found: Tables, expected: Tables) -> list[str]:
    """A few rows of each table that only one of the two has."""
    return [f"{sign}{table}: {str(row)[:400]}" for table in expected if found[table] != expected[table]
            for sign, rows, others in (("+", found, expected), ("-", expected, found))
            for row in list((Counter(rows[table]) - Counter(others[table])).elements())[:3]]


def slowly(problems: Callable[[], list[str]]) -> None:
    """Waits until there are none."""
    end = time.monotonic() + LONG
    while found := problems():
        assert time.monotonic() < end, "\n".join(found)
        time.sleep(0.3)


@pytest.fixture(params=sized(["postgresql"], ["sqlite", "postgresql"]))
def own_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture
def office(topics: Topics, own_url: str, mailbox: Mailbox, tmp_path: Path) -> Iterator[Office]:
    with ExitStack() as stack:
        yield Office(topics, own_url, tmp_path, mailbox, stack)


def as_sent(records: Iterable[Record], sent: Iterable[Message]) -> bool:
    """Whether the topics of events and states hold exactly what was acknowledged."""
    return (Counter((r.topic, r.key, r.value) for r in records if r.topic in (EVENTS, STATE))
            == Counter((m.topic, m.key, m.value) for m in sent if m.topic in (EVENTS, STATE)))


# The faults


def test_three_members_of_every_service_come_and_go(office: Office) -> None:
    kills = 0
    with office.topics.traffic(news(itertools.count()), each=20, pause=sized(0.2, 0.2, 0.5)) as traffic:
        members = {name: [office.member(name) for _ in range(3)] for name in CASES}
        for round_ in range(ROUNDS):
            time.sleep(2)
            for name, mine in members.items():
                leaves = mine.pop(0)
                eventually(lambda leaves=leaves: "started" in leaves.said(),
                           f"{name} has started: {leaves.said()[-2000:]}", LONG)
                assert leaves.process.poll() is None, leaves.said()
                if round_ % 2:
                    leaves.kill()
                    kills += 1
                else:
                    assert leaves.stop() == 0, leaves.said()
                mine.append(office.member(name))
            office.answer()
        eventually(lambda: len(traffic.sent) >= ENOUGH, "every payer has been told of", LONG)
    office.reads_all()
    office.pays()
    office.beat()
    records = log(office.topics)
    assert as_sent(records, traffic.sent)
    office.equals(folds := office.folds((NOW, records)))
    for name, mine in members.items():
        eventually(lambda mine=mine: all("started" in one.said() for one in mine), f"all of {name} have started", LONG)
        assert [one.stop() for one in mine] == [0, 0, 0], "\n".join(one.said() for one in mine)
    office.mended()
    office.equals(folds)
    copies = office.mails(copies=kills)
    print(f"{ROUNDS} rounds, {kills} kills, {len(records)} messages, {len(office.stage.mailbox.mails)} mails, "
          f"{copies} second copies")


@pytest.mark.long
def test_brokers_are_killed_frozen_restarted_and_all_down(
        cluster: Cluster, postgres_url: str, topic_prefix: str, mailbox: Mailbox, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX, topic_prefix)
    topics = Topics(cluster.bootstrap, topic_prefix, replicas=len(cluster.numbers))
    with ExitStack() as stack:
        office = Office(topics, postgres_url, tmp_path, mailbox, stack)
        messages = itertools.islice(news(itertools.count()), MESSAGES)
        members = {name: office.member(name) for name in CASES}
        with topics.traffic(messages, each=sized(20, 20, 400), pause=0.1) as traffic:
            for name, own in office.own.items():
                slowly(lambda name=name, own=own: [] if any(end for (end,) in own.ask(
                    f"SELECT next_offset FROM {name}_positions"))
                       else [f"{name} is not at work: {members[name].said()[-2000:]}"])
            cluster.fail_one_by_one(DEAD_SECONDS, FROZEN_SECONDS)
            office.answer()
            cluster.kill(*cluster.numbers)
            time.sleep(DARK_SECONDS)
            cluster.start(*cluster.numbers)
            cluster.wait_ready()
        rest = list(messages)
        topics.send(rest)
        office.reads_all()
        office.pays()
        office.beat()
        records = log(topics)
        assert as_sent(records, [*traffic.sent, *rest])
        office.equals(folds := office.folds((NOW, records)))
        assert topics.read(DEAD_LETTER) == []
        for name, member in members.items():
            assert member.stop() == 0, f"{name}: {member.said()}"
        office.mended()
        office.equals(folds)
        office.mails()
        print(f"{len(records)} messages, {len(rest)} of them after the faults, {len(mailbox.mails)} mails")
        topics.close()


def test_from_nothing_on_an_old_topic_then_away_for_a_day_and_without_group_offsets(office: Office) -> None:
    """The archive's days are Kafka's, the notices' those of their own clock; a day later both have moved on."""
    topics, blocks = office.topics, BLOCKS
    yesterday = TODAY - timedelta(days=1)
    old = [m for m in news(range(blocks)) if m.topic != HEARTBEAT]
    send_on(topics, yesterday, old)
    topics.send([beat_at(Clock(NOW)())])
    beat(topics, yesterday)
    with office.at_work():
        office.reads_all()
        office.pays()
        first = log(topics)
        office.equals(office.folds((NOW, first)))
    assert not office.stage.folder.exists() or not sealed_days(office.stage.folder)

    for name in CASES:
        topics.forget_group(name)
    backlog = [m for m in news(range(blocks, 3 * blocks)) if m.topic != HEARTBEAT]
    topics.send(backlog)
    beat(topics)
    office.stage.clock.to(NEXT_DAY)
    with office.at_work():
        office.reads_all()
        waiting = office.own["notifications"].ask(
            "SELECT count(*) FROM notifications_outbox WHERE career <> '' AND made_on = '2026-02-11' AND state = "
            "'waiting' AND id IN (SELECT o.id FROM notifications_outbox o JOIN notifications_directory d ON d.student "
            "= o.student)")
        topics.send([beat_at(Clock(NEXT_DAY)())])
        seen = {(r.topic, r.partition, r.offset) for r in first}
        later = [r for r in log(topics) if r[:3] not in seen]
        office.equals(office.folds((NOW, first), (NEXT_DAY, later)))
        slowly(lambda: [] if sealed_days(office.stage.folder) == [yesterday] else ["yesterday is not sealed"])
    office.mended()
    office.mails()
    print(f"{len(first)} messages before, {len(later)} while away, {len(office.stage.mailbox.mails)} mails")
    # Blocks begin in a week, for those of the day before too; an instalment may be told until it is due; that a ticket
    # was opened is no news on the day after, when it is closed
    before, late = blocks * INVENTED, 2 * blocks * INVENTED
    assert Counter(office.own["notifications"].ask(
        "SELECT kind, state FROM notifications_outbox WHERE student LIKE 'H%' AND made_on = '2026-02-11'")) == {
            ("block-begins", "sent"): before + late, ("instalment-due", "sent"): late, ("ticket-closed", "sent"): late,
            ("ticket-opened", "dropped"): late}
    assert waiting == [(before + 2 * late,)], "nothing of careers is told before it is known that nothing newer waits"
    verdict = verify(office.stage.folder, ledger=digests(_once(old)))
    assert (verdict.findings, verdict.entries, verdict.repeated) == ([], len(_once(old)), 0)


def _once(messages: Iterable[Message]) -> list[Message]:
    return list({(m.key, header(m.headers, "version")): m for m in messages if m.topic == EVENTS}.values())


def _spoilt(events: list[Message]) -> list[Message]:
    """H1's third event is altered; H2's second is of a type, and H3's of a version of its
    type, that nobody knows yet."""
    def spoil(m: Message) -> Message:
        at = m.key, header(m.headers, "version")
        if at == (b"H1", "3"):
            return changed(m, (m.value or b"")[:-1] + b" }")
        if at == (b"H2", "2"):
            return changed(m, event_type="moon-landed", ce_type="career.moon-landed.v1")
        return changed(m, ce_type="career.instalment-paid.v2") if at == (b"H3", "2") else m
    return [spoil(m) for m in events]


def _long(megabytes: int) -> str:
    """Text that compression does not make short."""
    return base64.b64encode(random.Random(megabytes).randbytes(megabytes * 750_000)).decode()


def test_two_megabytes_poison_unknown_types_and_newer_versions(office: Office) -> None:
    topics = office.topics
    events, states = generated(0, 1_000_000)
    for n in range(PAYERS):
        mine = invented(n)
        events, states = events + mine[0], states + mine[1]
    record = {"id": "long", "type": "instalment-paid", "student": "H0", "career": "B", "effective_on": "2026-02-10",
              "source": "test", "recorded_at": "2026-02-10T12:00:00Z", "actor": "test", "version": 6, "position": 6,
              "data": {"charge": f"{YEAR}:{_long(2)}", "amount": "1.00"}}
    long = [as_message(record), as_message(record | {"id": "short", "version": 7, "position": 7, "data": {
        "charge": f"{YEAR}:instalment-2", "amount": "1.00"}})]
    assert len(long[0].value or b"") > 2_000_000
    newest = {m.key: m for m in states if m.key.startswith(b"H")}
    long_states = [changed(newest[b"H0/B"], b'{"later": "%s", ' % _long(size).encode()
                           + (newest[b"H0/B"].value or b"")[1:])
                   for size in (2, 5)]
    spoilt_states = [changed(newest[b"H4/B"], b'{"student": "H4"}'),
                     changed(newest[b"H5/B"], ce_type="career.state.v2")]
    topics.send([*_spoilt(events), *long, *states, *long_states, *spoilt_states])
    office.beat()
    waits = {"H1": (3, "unreadable"), "H2": (2, "unknown-type"), "H3": (2, "unknown-type")}
    with office.at_work():
        office.reads_all()
        office.pays()
        office.equals(office.folds((NOW, log(topics))))
        assert {name: office.parked(name) for name in CASES} == {
            "booking_gate": {}, "treasury": waits, "notifications": waits, "archive": {"H1": (3, "unreadable")}}
        letters = Counter((header(r.headers, "dead_letter_consumer"), r.key.decode()) for r in topics.read(DEAD_LETTER))
        unread = {("booking_gate", "H4/B"), ("booking_gate", "H5/B"), ("archive", "H1"), *(
            (name, key) for name in ("treasury", "notifications") for key in (*waits, "H4/B", "H5/B"))}
        assert letters == Counter(unread)
        assert sorted(office.own["booking_gate"].ask("SELECT student, unusable FROM booking_gate_careers WHERE "
                                                     "unusable IS NOT NULL")) == [
            ("H4", "unreadable"), ("H5", "unknown-type")]

        # --replay of each
        topics.send([m for m in [*events, *states] if m.key[:2] in (b"H1", b"H2", b"H3", b"H4", b"H5")])
        office.reads_all()
        office.beat()
        office.equals(office.folds((NOW, log(topics))))
    office.mended()
    office.mails()
    assert office.own["booking_gate"].ask(
        "SELECT count(*) FROM booking_gate_careers WHERE unusable IS NOT NULL") == [(0,)]


@pytest.mark.faults
@pytest.mark.parametrize("lost", sized([EVENTS], [EVENTS, STATE]))
def test_the_oldest_is_gone_until_it_is_published_again(office: Office, lost: str) -> None:
    """With the real relay. Of a topic that somebody cut off at its beginning, whoever had not read that far stops, and
    says what to do."""
    topics, ledger_url = office.topics, f"sqlite:///{office.scratch / 'the-ledger.db'}"
    events = population(STUDENTS, 7)
    environment = os.environ | {PREFIX: topics.prefix, BROKERS: topics.bootstrap}

    def publish(*arguments: str) -> None:
        done = Program(LEDGER, "--db", ledger_url, "publish", *arguments, environment=environment)
        assert (done.wait(300), done.said()[1]) == (0, done.said()[1])

    with open_store(ledger_url) as store:
        fill(store, events[:len(events) // 2])
        identity = store.identity()
        publish("--once")
        with office.at_work():
            office.reads_all()
            first = log(topics)
        stood = topics.ends(lost)
        fill(store, events[len(events) // 2:])
        publish("--once")
        topics.lose({tp: (stood[tp] + end) // 2 + 1 for tp, end in topics.ends(lost).items() if end > stood[tp] + 1})

        stops = [name for name, case in CASES.items() if lost in case.make(office.stage).topics]
        members = {name: office.member(name) for name in stops}
        positions = set()
        for member in members.values():
            assert member.process.wait(120) == 5, member.said()
            assert "--from-oldest" in member.said()
            positions.add(int(member.said().rpartition("career-ledger publish --from ")[2].split()[0]))
        assert positions == {1} if lost == STATE else 1 < min(positions) <= len(events) // 2 + 1, positions

        with office.at_work(*stops, from_oldest=True), office.at_work(*sorted(CASES.keys() - stops)):
            publish("--from", str(min(positions)))
            office.reads_all()
            office.beat(history=history_of(identity.origin, identity.epoch))
            seen = {r[:3] for r in first}
            office.equals(office.folds((NOW, first), (NOW, [r for r in log(topics) if r[:3] not in seen])))
        office.mended()
        held = {f"{student}/{career}" for student, career in office.own["booking_gate"].ask(
            "SELECT student, career FROM booking_gate_careers WHERE value IS NOT NULL")}
        assert held == {m.key.decode() for student, stream in streams(events).items()
                        for m in state_messages(stream, student, BOOKS)}
        assert office.own["archive"].ask("SELECT count(*) FROM archive_entries") == [(len(events),)]
        print(f"{len(events)} events, from {sorted(positions)}, {len(log(topics))} messages left")
