# ruff: noqa: S608 - statements are put together from names of our own only
"""Each student's events once and in order: duplicates are dropped, a gap or an unreadable event parks the student.

A parked student waits for one version. Later ones are kept aside, raw, until it comes, be it behind newer ones, or,
where it is here but could not be read, until a newer release of this program is started. Other students go on.

All messages of a service tell one history: that of the first message it took (NAME_history). One of another ledger,
and a version that was handed over with another digest, park the student for good: which of the two is true is not for
this program to say. The next epoch of the same ledger begins everything anew (`begin_epoch`); what still comes of a
former one is passed over.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from consumers.database import Row, Transaction
from ledger.wire.message import Header
from ledger.wire.reading import Provenance, UnknownType, Unreadable, identify, provenance
from ledger.wire.topics import EVENTS

from .erasure import among, erases
from .service import Ahead, Record, Service, latest

Why = Literal["gap", "unreadable", "unknown-type", "other-history"]
REASONS: tuple[Why, ...] = ("gap", "unreadable", "unknown-type", "other-history")
NOT_COME = "the version before it has not come"
MARK = 8
"""Bytes of each event's digest that are kept, so that what comes again is known by more than its version."""
ANEW = "two histories in one topic: mend the topic, then let this service make its tables anew"


class OtherHistory(Unreadable):
    """Of another ledger, or another event than the one that was handed over under this version."""


class Former(Unreadable):
    """Of an epoch before this one: it is told again, or gone."""


class NextEpoch(Exception):
    """A message is the first one of an epoch: everything before is given up first (`Order.begin_epoch`)."""

    def __init__(self, epoch: int) -> None:
        super().__init__(f"epoch {epoch}")
        self.epoch = epoch


def why(error: Unreadable) -> Why:
    if isinstance(error, OtherHistory):
        return "other-history"
    return "unknown-type" if isinstance(error, UnknownType) else "unreadable"


@dataclass(slots=True)
class Alarm:
    """A student was parked. Names the place, never content."""

    student: str
    waits_for: int
    why: Why
    text: str
    record: Record


@dataclass(slots=True)
class Todo:
    """What is to be done with a batch: `found` for the service, `letters` (with the error) for the dead-letter
    topic."""

    found: list[tuple[Record, Any]] = field(default_factory=list)
    letters: list[tuple[Record, Unreadable]] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    mended: list[str] = field(default_factory=list)
    duplicates: int = 0
    erased: list[str] = field(default_factory=list)
    """Students who were forgotten: whatever else is to be done comes before."""
    passed_over: list[tuple[Record, Unreadable]] = field(default_factory=list)
    """Heartbeats on which nothing may rest."""


@dataclass(slots=True)
class _Student:
    """`version` is the last one that was handed over, `marks` the beginnings of the digests of the last versions up to
    it. `before`,
    `parked` and `kept` (once it was looked at) are what the database has, `alarm` and `aside` what comes to it."""

    version: int
    before: int
    marks: bytes = b""
    parked: tuple[int, str] | None = None
    kept: dict[int, Record] | None = None
    alarm: Alarm | None = None
    aside: dict[int, Record] = field(default_factory=dict)

    def is_divided(self) -> bool:
        """Parked for good."""
        return "other-history" in (self.alarm.why if self.alarm else None, self.parked[1] if self.parked else None)

    def mark(self, version: int) -> bytes | None:
        """That of a version which was handed over; None where an earlier release kept none."""
        at = len(self.marks) - (self.version - version + 1) * MARK
        return self.marks[at:at + MARK] if at >= 0 else None


class Order:
    """Uses the tables NAME_history, NAME_versions, NAME_parked and NAME_aside (`tables`)."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._history: tuple[str, int] | None = None
        self._latest = ""
        self._name = service.name

    def take(self, tx: Transaction, records: Iterable[Record]) -> Todo:
        """Sorts a batch of `career.events.v1`, in its order, and stores what is parked and how far each student has
        come."""
        todo = Todo()
        named: list[tuple[str, int, Record]] = []
        for record in records:
            try:
                named.append((*identify(record.key, record.headers), record))
            except Unreadable as error:
                todo.letters.append((record, error))  # nobody knows whose it is: nobody is parked
        students = self._load(tx, sorted({student for student, _, _ in named}))
        gone = self.erased(tx, students)
        for student, version, record in named:
            if student in gone:
                continue
            found = students[student]
            try:
                said = provenance(record.headers)
                self.check(tx, said)
                if erases(self._service, record):
                    gone.add(student)
                    todo.erased.append(student)
                    del students[student]
                    continue
                mark = _mark(said.digest)
                self._is_the_same(tx, found, student, version, mark)
            except Former:
                continue
            except OtherHistory as error:
                self._divide(found, student, record, error, todo)
                continue
            except Unreadable as error:
                if version <= found.version:
                    todo.duplicates += 1
                elif not found.is_divided():
                    todo.letters.append((record, error))
                    self._aside(found, student, version, record, why(error), str(error))
                continue
            if version <= found.version:
                todo.duplicates += 1
            elif found.is_divided():
                found.aside[version] = record
            elif version > found.version + 1:
                self._aside(found, student, version, record, "gap", NOT_COME)
            elif self._hand_over(found, student, record, todo, mark, letter=True) and (found.parked or found.aside):
                self._drain(tx, found, student, todo)
        self._save(tx, students, todo)
        return todo

    def erased(self, tx: Transaction, students: Collection[str]) -> set[str]:
        """Those of whom nothing is taken any more, because they were forgotten."""
        return among(tx, self._name, students)

    def check(self, tx: Transaction, said: Provenance) -> None:
        """That a message, of any topic which the ledger fills, tells the history of those before it, and nothing of a
        moment that has not come. Raises OtherHistory, Former, NextEpoch, Ahead."""
        if self._history is None:
            tx.run(f"INSERT INTO {self._name}_history (one, origin, epoch) VALUES (1, :origin, "
                   ":epoch) ON CONFLICT (one) DO NOTHING",
                   {"origin": said.origin, "epoch": said.epoch})
            self.begin(tx)
        if said[:2] != self._history:
            if self._history is not None and said.origin == self._history[0]:
                if said.epoch > self._history[1]:
                    raise NextEpoch(said.epoch)
                raise Former("epoch: this is of an epoch of the ledger that is over")
            raise OtherHistory(f"origin: this is of another ledger than all before; {ANEW}")
        if said.time[:19] > self._latest:
            raise Ahead("ce_time: this moment has not come by this machine's clock: set the clocks right")

    def begin(self, tx: Transaction) -> None:
        """In each transaction: looks at the clock, and up the history that is known; one that failed may have been the
        first to say it."""
        self._latest = latest()
        held = " FOR SHARE" if tx.dialect == "postgresql" else ""  # no member begins another epoch meanwhile
        self._history = next(iter(tx.ask(f"SELECT origin, epoch FROM {self._name}_history{held}")), None)

    @property
    def epoch(self) -> int | None:
        """As of the last `begin`; None before the first message."""
        return self._history[1] if self._history is not None else None

    def begin_epoch(self, tx: Transaction, epoch: int) -> bool:
        """Gives up what the epochs before told; False where another member has done so. Positions in the topics stay:
        what is of the new epoch comes behind what was read. Who was forgotten stays forgotten."""
        if not tx.run(f"UPDATE {self._name}_history SET epoch = :epoch WHERE epoch < :epoch", {"epoch": epoch}):
            return False
        for table in ("versions", "parked", "aside"):
            tx.run(f"DELETE FROM {self._name}_{table}")
        tx.run(f"UPDATE {self._name}_positions SET log_position = 0")
        self._service.anew(tx)
        return True

    def _is_the_same(self, tx: Transaction, found: _Student, student: str, version: int, mark: bytes) -> None:
        """Raises OtherHistory where another event is known under this version."""
        if version <= found.version:
            before = found.mark(version)
        else:
            held = found.aside.get(version) or (self._kept(tx, found, student).get(version) if found.parked else None)
            before = None
            if held is not None:
                with suppress(Unreadable):  # what could not be read may come as it should be
                    before = _mark_of(held)
        if before is not None and before != mark:
            raise OtherHistory(f"digest: version {version} of this student was another event before; {ANEW}")

    @staticmethod
    def _divide(found: _Student, student: str, record: Record, error: OtherHistory, todo: Todo) -> None:
        todo.letters.append((record, error))
        if not found.is_divided():
            found.alarm = Alarm(student, found.version + 1, why(error), str(error), record)

    def retry(self, tx: Transaction, part: int, after: str, limit: int) -> tuple[Todo, str | None]:
        """Tries parked students of a partition again, at most `limit`, from the one after `after`. Also the last one;
        None: done."""
        todo = Todo()
        names = [row[0] for row in tx.ask(
            f"SELECT student FROM {self._name}_parked WHERE part = :part AND reason NOT IN ('gap', "
            "'other-history') AND student > :after ORDER BY student LIMIT :limit",
            {"part": part, "after": after, "limit": limit})]
        students = self._load(tx, names)
        for student, found in students.items():
            self._drain(tx, found, student, todo)
        self._save(tx, students, todo)
        return todo, names[-1] if names else None

    def _load(self, tx: Transaction, names: list[str]) -> dict[str, _Student]:
        if not names:
            return {}
        among = {"students": names}
        found = {name: _Student(0, 0) for name in names}
        for student, version, marks in tx.ask(
                f"SELECT student, version, marks FROM {self._name}_versions WHERE student IN :students", among):
            found[student] = _Student(version, version, bytes(marks or b""))
        for student, version, reason in tx.ask(
                f"SELECT student, version, reason FROM {self._name}_parked WHERE student IN :students", among):
            found[student].parked = version, reason
        return found

    def _hand_over(self, found: _Student, student: str, record: Record, todo: Todo, mark: bytes | None,
                   letter: bool) -> bool:
        """The version that comes next: handed over, or kept aside because it cannot be read."""
        try:
            mark = mark or _mark_of(record)
            if erases(self._service, record):
                todo.erased.append(student)  # an earlier release did not know the type
            said = self._service.read(record)
        except Unreadable as error:
            if letter:
                todo.letters.append((record, error))
            self._aside(found, student, found.version + 1, record, why(error), str(error))
            return False
        if said is not None:
            todo.found.append((record, said))
        found.version += 1
        found.marks += mark
        found.alarm = None
        return True

    def _aside(self, found: _Student, student: str, version: int, record: Record, reason: Why, text: str) -> None:
        found.aside[version] = record
        waits_for, known = (found.alarm.waits_for, found.alarm.why) if found.alarm else found.parked or (None, None)
        if waits_for != found.version + 1 or (known != reason and reason != "gap"):
            found.alarm = Alarm(student, found.version + 1, reason, text, record)

    def _drain(self, tx: Transaction, found: _Student, student: str, todo: Todo) -> None:
        """Hands over what waited for the version that has just come, or, at a start, what could not be read."""
        kept = self._kept(tx, found, student)
        while (record := found.aside.get(found.version + 1) or kept.get(found.version + 1)) is not None:
            tried = found.parked is not None and found.parked[0] == found.version + 1
            if not self._hand_over(found, student, record, todo, None, letter=not tried):
                return
        later = [version for version in (*found.aside, *kept) if version > found.version]
        if later:
            first = min(later)
            self._aside(found, student, first, found.aside.get(first) or kept[first], "gap", NOT_COME)

    def _kept(self, tx: Transaction, found: _Student, student: str) -> dict[int, Record]:
        if found.kept is None:
            found.kept = {} if found.parked is None else {row[0]: _record(student, row) for row in tx.ask(
                f"SELECT version, part, place, stamp, headers, value FROM {self._name}_aside WHERE student = :student "
                "AND version > :version", {"student": student, "version": found.version})}
        return found.kept

    def _save(self, tx: Transaction, students: dict[str, _Student], todo: Todo) -> None:
        name = self._name
        todo.alarms += [found.alarm for found in students.values() if found.alarm is not None]
        todo.mended += [s for s, f in students.items() if f.parked is not None and f.version != f.before
                        and f.alarm is None]
        moved = [{"student": s, "version": f.version, "marks": f.marks}
                 for s, f in students.items() if f.version != f.before]
        if moved:
            tx.many(f"INSERT INTO {name}_versions (student, version, marks) VALUES (:student, :version, :marks) "
                    "ON CONFLICT (student) DO UPDATE SET version = excluded.version, marks = excluded.marks", moved)
        aside = [_row(student, version, record) for student, found in students.items()
                 for version, record in found.aside.items() if version > found.version]
        if aside:
            tx.many(f"INSERT INTO {name}_aside (student, version, part, place, stamp, headers, value) "
                    "VALUES (:student, :version, :part, :place, :stamp, :headers, :value) ON CONFLICT (student, "
                    "version) DO UPDATE SET part = excluded.part, place = excluded.place, stamp = excluded.stamp, "
                    "headers = excluded.headers, value = excluded.value", aside)
        free = [{"student": s, "version": f.version} for s, f in students.items() if f.parked is not None
                and f.version != f.before]
        if free:
            tx.many(f"DELETE FROM {name}_aside WHERE student = :student AND version <= :version", free)
            tx.many(f"DELETE FROM {name}_parked WHERE student = :student", free)
        parked = [
            {"student": student, "version": found.version + 1, "reason": alarm.why, "detail": alarm.text,
             "part": alarm.record.partition,
             "place": alarm.record.offset, "since": datetime.now(UTC).isoformat(timespec="seconds")}
            for student, found in students.items() if (alarm := found.alarm) is not None]
        if parked:
            tx.many(f"INSERT INTO {name}_parked (student, version, reason, detail, part, place, since) "
                    "VALUES (:student, :version, :reason, :detail, :part, :place, :since) ON CONFLICT (student) DO "
                    "UPDATE SET version = excluded.version, reason = excluded.reason, detail = excluded.detail, "
                    "part = excluded.part, place = excluded.place", parked)


def _mark_of(record: Record) -> bytes:
    """Raises Unreadable."""
    return _mark(provenance(record.headers).digest)


def _mark(digest: str) -> bytes:
    """Raises Unreadable."""
    try:
        found = bytes.fromhex(digest[:2 * MARK])
    except ValueError:
        found = b""
    if len(found) != MARK:
        raise Unreadable("digest: this header is no digest in hexadecimal")
    return found


def _row(student: str, version: int, record: Record) -> dict[str, Any]:
    return {"student": student, "version": version, "part": record.partition, "place": record.offset,
            "stamp": record.timestamp,
            "headers": json.dumps([(name, value.decode("latin-1")) for name, value in record.headers]),
            "value": record.value}


def _record(student: str, row: Row) -> Record:
    _, part, place, stamp, headers, value = row
    return Record(EVENTS, part, place, stamp, student.encode(), bytes(value) if value is not None else None,
                  list(_headers(headers)))


def _headers(text: str) -> Iterator[Header]:
    for name, value in json.loads(text):
        yield name, value.encode("latin-1")
