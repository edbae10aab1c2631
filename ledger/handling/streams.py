"""The students met last, so that their streams are not read for every submission: the only place where streams are
remembered.

What is remembered may be old. Whoever appends does so under the versions of it, finds out, and has it forgotten;
whoever appends nothing looks for news.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from ledger.domain.books import LawBooks
from ledger.domain.events import Event
from ledger.domain.standing import Standing
from ledger.store import EventStore, SetAside, StreamSetAside
from ledger.store.mapper import stream_id

PENDING = 1 << 62
"""Added to the version of an event that is not stored yet, in place of its position: it comes after all that are
stored."""


class Stream:
    """What is known of one student: the events in order, by submission id, and the state that they amount to. `turn`:
    when she was met last, for who counts turns."""

    def __init__(self, student: str, books: LawBooks) -> None:
        self.by_id: dict[str, Event] = {}
        self.standing = Standing(student, books)
        self.events = self.standing.events
        self.version = 0
        self.turn = 0
        self.forgotten = False

    def add(self, events: Iterable[Event]) -> None:
        for event in events:
            self.standing.add(event)
            self.by_id[event.id] = event
            self.version = event.version
            if event.type == "person-forgotten":
                self.forgotten = True


@dataclass(frozen=True)
class Known:
    """The submission's id is that of this event, and so is its content. `voided_by`: the void that took the event
    back."""

    event: Event
    voided_by: str | None = None


class Streams:
    """Those of the students met last, with about `keep` events in all."""

    def __init__(self, store: EventStore, books: LawBooks, keep: int) -> None:
        self._store, self._books, self._keep = store, books, keep
        self._held: OrderedDict[str, Stream] = OrderedDict()
        self._events = 0
        self._aside: dict[UUID, SetAside] = {}

    def __contains__(self, student: str) -> bool:
        return student in self._held

    def __getitem__(self, student: str) -> Stream:
        """That of a student who was loaded. Raises StreamSetAside where it cannot be read."""
        stream = self._held.get(student)
        if stream is None:
            raise StreamSetAside(self._aside[stream_id(student)]._replace(student=student))
        return stream

    def __len__(self) -> int:
        return len(self._held)

    def load(self, students: Collection[str], turn: int = 0) -> None:
        """Has all of them ready; those who are not remembered are read at one moment."""
        if missing := [student for student in students if student not in self._held]:
            self._read(missing)
        for student in students:
            if student in self._held:
                self._held.move_to_end(student)
                self._held[student].turn = turn

    def _read(self, students: Sequence[str]) -> None:
        unread: list[SetAside] = []
        found = self._store.streams(students, unread.append)
        self._aside = {one.stream: one for one in unread}
        for student in students:
            if not self._aside or stream_id(student) not in self._aside:
                self._held[student] = Stream(student, self._books)
                self.add(student, found.get(student, ()))

    def has_news(self, student: str) -> bool:
        """Reads what others have appended to a stream that is remembered; whether there was any."""
        news = self._store.stream(student, after=self._held[student].version)
        self.add(student, news)
        return bool(news)

    def add(self, student: str, events: Sequence[Event]) -> None:
        stream = self._held[student]
        before = len(stream.events)
        try:
            stream.add(events)
        finally:
            self._events += len(stream.events) - before

    def forget(self, students: Iterable[str]) -> None:
        for student in students:
            if student in self._held:
                self._events -= len(self._held.pop(student).events)

    def clear(self) -> None:
        self._held.clear()
        self._events = 0

    def trim(self, done: int = 0) -> None:
        """Forgets those who were met longest ago, but nobody of a turn after `done`, nor who was met last."""
        while self._events > self._keep and len(self._held) > 1:
            student, stream = next(iter(self._held.items()))
            if stream.turn > done:
                break
            self.forget([student])
