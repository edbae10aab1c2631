"""Bulk import: the write path of `submit` for large files, with the same outcomes and the same stored bytes.

The file is read in batches. Each line goes to the worker process that its student's pseudonym falls to, so that all
events of a student are decided by one worker in the order of the file, whatever the order of the file. Workers read,
decide and encode; this process stores what they return, one transaction a batch, in the order of the lines: one writer,
so that positions rise with the lines as they do line by line. While a batch is stored, the workers are at the next
ones; and while they decide one, they have read the one after it and make the keys that it will be sealed with.

A worker remembers the students it met last together with what it decided about them and is not stored yet. Each
transaction checks, under the lock, that every stream still stands where the worker believed it to be. Where somebody
else appended meanwhile, nothing of the batch is stored, the workers forget everything, and it is decided again; from
the second time on line by line. A killed import leaves whole batches: sending the same file again finds those as
duplicates and stores the rest.
"""

import re
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from ledger.domain.books import LawBooks
from ledger.domain.decisions import Mode
from ledger.domain.events import Event
from ledger.domain.form import Problem
from ledger.domain.phrases import says
from ledger.domain.protected import Sealer, has_protected
from ledger.domain.submissions import Submission
from ledger.parallel import processes, processors
from ledger.store import EventStore, StoreUnavailable, StreamSetAside, VersionConflict
from ledger.store.mapper import stream_id

from .lines import decode_line
from .streams import PENDING, Known, Stream
from .submit import Clock, Desk, Reply, answer, duplicate, in_turn, invalid, set_aside, with_line
from .trusted import recorded_event

BATCH_LINES = 4_000
BATCH_BYTES = 16 << 20
AHEAD = 3
"""Batches that are with the workers while one is stored; the last of them is only read."""
EVENTS_KEPT = 6_000
"""How many events of the students met last a worker keeps beside those of the waiting batches (about 15 MB)."""
NumberedLines = tuple[int, list[bytes]]
"""Neighbouring lines for one worker, and the number of the first."""
_Form = Submission | tuple[Event, StoredEvent]
_Placed = tuple[str, int, tuple[str, ...], str | None, str | None]
"""The outcome of an event whose position is not known before it is stored: id, version, breaches, and the student if it
is a duplicate of one of hers, and what voided that one. A plain tuple: ten thousand of them go from process to
process."""

Opened = Callable[[], EventStore]


class Opens(NamedTuple):
    """Open the store, and the key store where there is one, once more in another process."""

    store: Opened
    sealer: Callable[[], Sealer] | None = None


_STUDENT = re.compile(rb'"student"\s*:\s*"([A-Za-z0-9._-]*)"')


@dataclass(slots=True)
class _Decided:
    """What a worker made of its parts: for each, the packed events, how many, and the outcomes of its lines in
    order."""

    parts: list[tuple[bytes, int, list[_Placed | Reply]]] = field(default_factory=list)
    heads: dict[UUID, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Batch:
    """`routed`: the parts of each worker; `order`: the workers whose parts follow each other in the file."""

    number: int
    routed: list[list[NumberedLines]]
    order: list[int]
    found: "list[Future[_Decided]]" = field(default_factory=list)

    def lines(self) -> list[tuple[int, bytes]]:
        parts = sorted(part for routed in self.routed for part in routed)
        return [(first + n, line) for first, lines in parts for n, line in enumerate(lines)]


def import_lines(store: EventStore, opened: Opened | Opens, books: LawBooks, lines: Iterable[bytes], mode: Mode,
                 clock: Clock, workers: int | None = None, trusted: bool = False) -> Iterator[Reply]:
    """One outcome for each line that is not blank, in order, as `append_lines` yields it; what is accepted is stored by
    then.

    `opened` opens `store` once more, in another process (and the key store: events are sealed by the workers), and
    `clock` is a function of a module. Memory stays flat: a few batches and the students met last. With `trusted` the
    lines are recorded events as `career-ledger history --json` writes them: their form and the order of each student's
    versions are checked, no rule is asked, and they are stored with the rule book and breaches that they state. Raises
    StoreUnavailable where a worker was ended from outside, and what `append_lines` raises.
    """
    crew = Crew(opened, books, mode, clock, workers or processors(), trusted)
    try:
        yield from crew.import_lines(store, lines)
    finally:
        crew.close()


def _batches(lines: Iterable[bytes], workers: int, number: int) -> Iterator[_Batch]:
    """`number`: that of the first batch."""
    size = count = 0
    batch = _Batch(number, [[] for _ in range(workers)], [])
    last, whose = -1, b""
    for nth, line in enumerate(lines, 1):
        match = _STUDENT.search(line)
        student = match[1] if match is not None else _student_of(line)
        if student != whose or last < 0:
            whose, worker = student, zlib.crc32(student) % workers
            if worker != last:
                batch.routed[worker].append((nth, []))
                batch.order.append(worker)
                last = worker
        batch.routed[worker][-1][1].append(line)
        size, count = size + len(line), count + 1
        if count >= BATCH_LINES or size >= BATCH_BYTES:
            yield batch
            number, size, count, last = number + 1, 0, 0, -1
            batch = _Batch(number, [[] for _ in range(workers)], [])
    if count:
        yield batch


def _student_of(line: bytes) -> bytes:
    """Of a line that spells it in an unusual way. A line without one is invalid, whoever reads it."""
    raw = decode_line(line, first=True)
    student = raw.get("student") if isinstance(raw, dict) else None
    return student.encode("utf-8", "replace") if isinstance(student, str) else b""


def _finish(store: EventStore, crew: "Crew", waiting: deque[_Batch]) -> Iterator[Reply]:
    """Stores the oldest batch and yields its outcomes."""
    batch = waiting[0]
    try:
        found = _store(store, batch)
    except VersionConflict:
        def decide_again() -> list[Reply]:
            _again(crew, waiting)
            return _store(store, batch)

        try:
            found = in_turn(decide_again, says("conflict/same-file")
                            ) if crew.trusted else decide_again()
        except VersionConflict:
            if crew.trusted:
                raise
            found = crew.line_by_line(store, batch)
            crew.stored = waiting.popleft().number
            _again(crew, waiting)
            yield from found
            return
    waiting.popleft()
    crew.stored = batch.number
    yield from found


def _again(crew: "Crew", waiting: Iterable[_Batch]) -> None:
    """The workers forget what they remember and decide the waiting batches again."""
    for batch in waiting:
        for future in batch.found:
            future.exception()  # wait: what was decided on a state that is no more is thrown away
    crew.epoch += 1
    for batch in waiting:
        if batch.found:
            crew.read(batch)
            crew.decide(batch)


def _store(store: EventStore, batch: _Batch) -> list[Reply]:
    results = [future.result() for future in batch.found]
    takes = [iter(result.parts) for result in results]
    parts = [next(takes[worker]) for worker in batch.order]
    rows = sum(part[1] for part in parts)
    heads = {stream: version for result in results for stream, version in result.heads.items()}
    position = store.append_packed([part[0] for part in parts if part[1]], rows, heads) if rows or heads else 0
    found: list[Reply] = []
    for _, _, outcomes in parts:
        for one in outcomes:
            if isinstance(one, dict):
                found.append(one)
                continue
            id_, version, breaches, student, voided_by = one
            if student is not None:
                stored = store.stream(student, version - 1)[0]
                found.append(duplicate(id_, stored.position, version, voided_by))
                continue
            outcome: Reply = {"id": id_, "outcome": "accepted", "position": position, "version": version}
            if breaches:
                outcome["breaches"] = list(breaches)
            found.append(outcome)
            position += 1
    return found


class Crew:
    """The workers: each a pool of one process, so that a student's lines always reach the same one. To be closed."""

    def __init__(self, opened: Opened | Opens, books: LawBooks, mode: Mode, clock: Clock, size: int,
                 trusted: bool) -> None:
        opens = opened if isinstance(opened, Opens) else Opens(opened)
        self._books, self._mode, self._clock, self.trusted, self._sealer = books, mode, clock, trusted, opens.sealer
        self.size = size
        self.epoch = 0
        self.stored = -1
        self._law = processes.Lent(books)
        arguments = opens, self._law.path, mode, clock, trusted
        self._pools = [processes.pool(_start, *arguments) for _ in range(size)]

    def import_lines(self, store: EventStore, lines: Iterable[bytes]) -> Iterator[Reply]:
        """See the function of this name."""
        waiting: deque[_Batch] = deque()
        try:
            for batch in _batches(lines, self.size, self.stored + 1):
                self.read(batch)
                if waiting:
                    self.decide(waiting[-1])
                waiting.append(batch)
                if len(waiting) > AHEAD:
                    yield from _finish(store, self, waiting)
            if waiting:
                self.decide(waiting[-1])
            while waiting:
                yield from _finish(store, self, waiting)
        except BrokenProcessPool:
            raise StoreUnavailable(
                "a worker process was ended from outside (out of memory?): send the same file again") from None

    def read(self, batch: _Batch) -> None:
        for pool, parts in zip(self._pools, batch.routed, strict=True):
            pool.submit(_read, parts, batch.number)

    def decide(self, batch: _Batch) -> None:
        """One that was read."""
        batch.found = [pool.submit(_decide, batch.number, self.stored, self.epoch) for pool in self._pools]

    def line_by_line(self, store: EventStore, batch: _Batch) -> list[Reply]:
        desk = Desk(store, self._books, self._mode, self._clock,
                    sealer=self._sealer() if self._sealer is not None else None)
        found = []
        for number, line in batch.lines():
            raw = decode_line(line, first=number == 1)
            if raw is not None:
                found.append(desk.line(number, raw))
        return found

    def close(self) -> None:
        for pool in self._pools:
            pool.shutdown(wait=True, cancel_futures=True)
        self._law.close()


_LATER = StoredEvent(UUID(int=0), 0, "", b"")
"""In the place of an event that is sealed and encoded later."""
_Later = tuple[list[StoredEvent], int, Event, Any]
"""Its place, and its key."""


class _Sealing(NamedTuple):
    """By student the keys that are ready, and what is to be sealed at the end."""

    ready: Mapping[str, Any]
    later: list[_Later]


_Read = list[tuple[int, list[_Form | Reply | None]]]
"""The forms of neighbouring lines, and the number of the first."""


class _Worker:
    """Decides and encodes; remembers the students it met last, with their protected values."""

    def __init__(self, opens: Opens, books: LawBooks, mode: Mode, clock: Clock, trusted: bool) -> None:
        self._store = opens.store()
        self._sealer = opens.sealer() if opens.sealer is not None else None
        self._keys = _Keys(opens.sealer) if opens.sealer is not None else None
        self._desk = Desk(self._store, books, mode, clock, EVENTS_KEPT, self._sealer)
        self._streams = self._desk.streams
        self._epoch = 0
        self._trusted = trusted
        self._read: dict[int, tuple[_Read, dict[int, Event | Submission], Future[Any] | None]] = {}
        """Of each batch its forms, those with something to seal by their identity, and what is made for them."""

    def read(self, parts: list[NumberedLines], batch: int) -> None:
        forms: _Read = [(number, [self._form(line, number + n == 1) for n, line in enumerate(lines)])
                        for number, lines in parts]
        protected = {id(form): one for _, part in forms for form in part if form is not None
                     and not isinstance(form, dict) and has_protected(
                         one := form if isinstance(form, Submission) else form[0])} if self._keys is not None else {}
        self._read[batch] = forms, protected, self._keys.prepare([*protected.values()]) if self._keys else None

    def decide(self, batch: int, stored: int, epoch: int) -> _Decided:
        forms, protected, prepared = self._read.pop(batch)
        if epoch != self._epoch:
            self._streams.clear()
            self._epoch = epoch
        wanted = {_student(form) for _, part in forms for form in part if form is not None
                  and not isinstance(form, dict)}
        self._streams.load(wanted, batch)
        self._streams.trim(stored)
        ready = self._sealer.take(prepared.result()) if self._sealer is not None and prepared is not None else {}
        decided = _Decided()
        heads: dict[str, int] = {}
        sealing = _Sealing(ready, [])
        parts: list[tuple[list[StoredEvent], list[_Placed | Reply]]] = []
        for number, part in forms:
            encoded: list[StoredEvent] = []
            outcomes: list[_Placed | Reply] = []
            for n, form in enumerate(part):
                if isinstance(form, dict):
                    outcomes.append(with_line(form, number + n))
                elif form is not None:
                    outcomes.append(self._outcome(form, encoded, sealing if id(form) in protected else None, heads))
            parts.append((encoded, outcomes))
        self._seal(sealing.later)
        decided.parts = [(self._store.pack(encoded) if encoded else b"", len(encoded), outcomes)
                         for encoded, outcomes in parts]
        decided.heads = {stream_id(student): head for student, head in heads.items()}
        return decided

    def _seal(self, later: Iterable[_Later]) -> None:
        """Each in its place, one after the other: what is done seldom is slow each time, and sealed in between took
        three times as long."""
        if self._sealer is not None:
            for encoded, place, event, key in later:
                encoded[place] = self._store.encode(self._sealer.seal(event, key))

    def _form(self, line: bytes, first: bool) -> _Form | Reply | None:
        if self._trusted:
            return recorded_event(line, PENDING)
        raw = decode_line(line, first)
        return None if raw is None else self._desk.form(raw)

    def _outcome(self, form: _Form, encoded: list[StoredEvent], sealing: _Sealing | None, heads: dict[str, int]
                 ) -> _Placed | Reply:
        """`sealing`: None where this one has nothing to seal."""
        try:
            stream = self._streams[_student(form)]
        except StreamSetAside as error:
            return set_aside(form.id if isinstance(form, Submission) else form[0].id, error.one)
        head = stream.version
        verdict = self._desk.judge(stream, form) if isinstance(form, Submission) else self._as_recorded(stream, form[0])
        key = None
        if sealing is not None and isinstance(verdict, Event):
            key = sealing.ready.get(verdict.student) if not stream.forgotten else None
            if key is None:
                verdict, key = self._desk.with_key(verdict)
        if isinstance(verdict, Event):
            self._streams.add(verdict.student, [verdict])
            if sealing is not None and key is not None:
                sealing.later.append((encoded, len(encoded), verdict, key))
            encoded.append(_LATER if key is not None else self._store.encode(verdict) if isinstance(form, Submission)
                           else form[1])
            heads.setdefault(verdict.student, head)
            return verdict.id, verdict.version, verdict.breaches, None, None
        if isinstance(verdict, Known):
            event = verdict.event
            return (event.id, event.version, (), event.student,
                    verdict.voided_by) if event.position >= PENDING else answer(verdict)
        heads.setdefault(_student(form), head)  # what keeps it out may rest on the stream
        return verdict

    def _as_recorded(self, stream: Stream, event: Event) -> Event | Known | Reply:
        """What is trusted is stored as it is, but sealed where there is a key store; only its place in the stream is
        checked."""
        known = stream.by_id.get(event.id)
        if known is not None:
            held = self._sealer.open(known) or event if (
                self._sealer is not None and known.sealed is not None and event.sealed is None) else known
            if held.placed(0) == event.placed(0):
                return Known(known, stream.standing.voided.get(known.id))
        if known is not None or event.version != stream.version + 1:
            return invalid(event.id, [Problem("version", says("record/version", student=event.student,
                                                             number=str(stream.version)))])
        return event


class _Keys:
    """Makes keys while others are used: a thread, since it does little but wait for the key store, with links of its
    own."""

    def __init__(self, opened: Callable[[], Sealer]) -> None:
        self._thread = ThreadPoolExecutor(1, "keys")
        self._opened = self._thread.submit(opened)

    def prepare(self, needed: Sequence[Event | Submission]) -> Future[Any]:
        return self._thread.submit(lambda: self._opened.result().prepare(needed))


def _student(form: _Form) -> str:
    return form.student if isinstance(form, Submission) else form[0].student


_worker: _Worker | None = None


def _start(opens: Opens, law: Path, mode: Mode, clock: Clock, trusted: bool) -> None:
    global _worker
    _worker = _Worker(opens, processes.read(law), mode, clock, trusted)


def _at_work() -> _Worker:
    if _worker is None:
        raise RuntimeError("the worker was not started")
    return _worker


def _read(parts: list[NumberedLines], batch: int) -> None:
    _at_work().read(parts, batch)


def _decide(batch: int, stored: int, epoch: int) -> _Decided:
    return _at_work().decide(batch, stored, epoch)
