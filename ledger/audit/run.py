"""The audit of many students, in several processes: whole streams, part by part of the ledger."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from ledger.domain.books import LawBooks
from ledger.domain.events import Event
from ledger.domain.knowledge import known
from ledger.parallel import How
from ledger.store import EventStore, SetAside, SomeSetAside, StreamSetAside, open_store
from ledger.store.errors import fault
from ledger.store.mapper import stream_id
from ledger.store.workers import Divided, Elsewhere, Progress, Task, Workbench, parts_of, run_all

from .compliance import LIMITS, Limits, ahead_of_the_clock, findings
from .everybody import Numbers, Sighting, sightings

STUDENTS = 50
"""Whose streams are read at a time where students are looked at in order."""
_Finding = dict[str, Any]
"""A finding, as JSON."""


@dataclass(frozen=True, slots=True)
class Since:
    """What stood before: the log up to a position, whose last event was recorded at a moment, in Italy on a day."""

    position: int
    at: datetime
    on: date


@dataclass(frozen=True, slots=True)
class Audit:
    """What is asked: on which day, as known when. `now`: the clock, where no day is asked for; an answer about a day is
    the same whenever it is given. `since`: only what did not hold then."""

    on: date
    now: datetime | None = None
    known_at: datetime | None = None
    known_position: int | None = None
    limits: Limits = LIMITS
    since: Since | None = None


Looked = tuple[int, list[Sighting], list[_Finding], list[SetAside]]
"""Of some students: how many events, the numbers that they give, what was found, and who cannot be read."""


def look(streams: Iterable[tuple[str, Sequence[Event]]], asked: Audit, books: LawBooks) -> Looked:
    """`books`: the law that was known when the audit asks."""
    count, seen, found = 0, list[Sighting](), list[_Finding]()
    aside: list[SetAside] = []
    for student, stream in streams:
        count += len(stream)
        events = known(stream, asked.known_at, asked.known_position)
        try:
            sighted, one = list(sightings(events, asked.on)), _of_one(events, asked, books)
        except Exception as error:  # the others are looked through all the same
            aside.append(SetAside(stream_id(student), student, stream[-1].position, fault(error)))
            continue
        seen += sighted
        found += one
    return count, seen, found, aside


def _of_one(events: Sequence[Event], asked: Audit, books: LawBooks) -> list[_Finding]:
    found = _all_of(events, asked.on, asked, books)
    since = asked.since
    if since is None or not found:
        return found
    before = _all_of(known(events, position=since.position), min(asked.on, since.on), asked, books.known_at(since.at))
    return [one for one in found if one not in before]


def _all_of(events: Sequence[Event], on: date, asked: Audit, books: LawBooks) -> list[_Finding]:
    found = [*findings(events, on, books, asked.limits)]
    return [*found, *ahead_of_the_clock(events, asked.now, books)] if asked.now is not None else found


def of_some(read: Callable[[str], Sequence[Event]], students: Sequence[str], asked: Audit,
            books: LawBooks) -> Iterator[_Finding]:
    """Of the students named, one after the other. As `of_everybody`."""
    def each() -> Iterator[Looked]:
        for student in dict.fromkeys(students):
            try:
                yield look([(student, read(student))], asked, books)
            except StreamSetAside as error:
                yield 0, [], [], [error.one]

    return _together(each(), asked, books, lambda _: None)


def in_order(store: EventStore, asked: Audit, books: LawBooks,
             after: int) -> Iterator[tuple[int, list[_Finding], list[SetAside]]]:
    """Student by student, in the order of their first events above a position: that position, what was found, and who
    cannot be read. Without what only several of them together show."""
    while begun := store.begun(after, STUDENTS):
        aside: list[SetAside] = []
        streams = {stream_id(student): (student, events) for student, events in store.streams_of(
            [stream for _, stream in begun], aside.append).items()}
        for after, stream in begun:
            if asked.known_position is not None and after > asked.known_position:
                return
            _, _, found, failed = look([streams[stream]] if stream in streams else [], asked, books)
            yield after, found, [*failed, *(one for one in aside if one.stream == stream)]


def of_everybody(url: str, asked: Audit, books: LawBooks, how: How | None, progress: Progress | None = None,
                 elsewhere: Elsewhere | None = None) -> Iterator[_Finding]:
    """Student by student, and last what only several of them together show. Raises SomeSetAside at the end where
    students cannot be read."""
    with open_store(url, create=False) as store:
        total = store.last_position()  # a little more than the events: positions have holes
    parts, done = parts_of(total), 0

    def told(events: int) -> None:
        nonlocal done
        done += events
        if progress is not None:
            progress(done, max(done, total))

    tasks: list[Task[Looked]] = [Task(_part, (number, parts, asked)) for number in range(parts)]
    return _together(run_all(tasks, Divided(url, books, elsewhere=elsewhere), how, total), asked, books, told)


def _part(bench: Workbench[None], part: tuple[int, int, Audit]) -> Looked:
    number, of, asked = part
    aside: list[SetAside] = []
    streams = bench.store.part(number, of, aside.append)
    in_order = sorted(streams.items(), key=lambda one: one[1][0].position)
    count, seen, found, failed = look(in_order, asked, bench.books)
    return count, seen, found, aside + failed


def _together(parts: Iterable[Looked], asked: Audit, books: LawBooks,
              told: Callable[[int], None]) -> Iterator[_Finding]:
    aside: list[SetAside] = []
    with Numbers() as numbers:
        for count, seen, found, failed in parts:
            numbers.add(seen)
            aside += failed
            yield from found
            told(count)
        yield from numbers.findings(books, asked.since.position if asked.since is not None else None)
    if aside:
        raise SomeSetAside(aside)
