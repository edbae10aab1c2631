"""One append-only log of events, a stream for each student, over SQLite or PostgreSQL.

A stream's versions run 1, 2, 3 ... without holes. Positions rise over the whole log in the order of commits, may have
holes, and are never used twice.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from uuid import UUID

from ledger.domain.events import Event
from ledger.edges.memory import uncollected
from ledger.sql.again import tried_again
from ledger.sql.base import Explain

from . import keys
from .errors import SetAside, StoreUnavailable, StoreUnusable, StreamSetAside, UnreadableEvent, VersionConflict
from .mapper import Mapper, Sound, StoredRecord, as_record, stream_id
from .recorder import FirstLook, Identity, LogRow, Recorder, Refusal, WholeRow

if TYPE_CHECKING:
    from eventsourcing.persistence import StoredEvent

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds for which an act is tried again while the backend does not answer: a restart of the server under load takes
less. Opening a store is not tried again: who asks a question of a server that is down is told so at once."""
LONGEST_PAUSE = 2.0
PAGE = 1000
CONTENT = b"\x01"
"""Begins the digest of a submission's content."""

WHOLE_LOG = 100_000
"""Positions at a time where the whole log is gone through."""
_STUDENT = rb'"student"\s*:\s*"([A-Za-z0-9._-]{1,64})"'

Aside = Callable[[SetAside], None]
"""Takes a student who cannot be read, so that the others can."""


class EventStore:
    """Reads and appends. Every method raises StoreUnavailable where the backend is gone and
    StoreUnusable where it cannot serve."""

    def __init__(self, recorder: Recorder, place: str, explain: Explain, mapper: Mapper | None = None,
                 key_file: Path | None = None) -> None:
        """`key_file`: where the key for digests stands unless the environment says otherwise."""
        self._patience: float | None = None
        self._recorder = recorder
        self._place = place
        self._explain = explain
        self._mapper = mapper or Mapper()
        self._key_file = key_file

    def identity(self) -> Identity:
        return self._patiently(self._recorder.identity)

    def look_first(self, look: FirstLook) -> None:
        """From now on `look` is called before each link to the database is used for the first time, and once now: after
        a break it may lead to an older copy. What it raises ends the act."""
        self._recorder.look_first(look)
        self.identity()

    def be_patient(self, seconds: float) -> None:
        """Tries for so long in place of `PATIENCE`."""
        self._patience = seconds
        self._recorder.be_patient(seconds)

    def adopt_key(self) -> Identity:
        """Binds the ledger to its key: for whoever sends, stores or prints digests. Raises StoreUnusable for another
        key than before."""
        found = self.identity()
        known = found.key_check
        if known is None:
            self._bind("")  # whether it can be done at all: else no key is made
        check = keys.check_of(keys.load(self._key_file, known))
        if known is None:
            self._bind(check)
            found = self.identity()
            keys.load(self._key_file, found.key_check)  # another process may have been faster
        return found

    def _bind(self, check: str) -> None:
        try:
            self._patiently(lambda: self._recorder.adopt_key(check))
        except StoreUnusable as error:
            raise StoreUnusable("the ledger is bound to no key for digests yet, "
                                f"and this user cannot bind it ({error}): first run `publish`, "
                                "or `digests` as its owner, with the key that all processes will have") from error

    def key_is_bound(self) -> bool:
        """Whether digests were ever made. Raises StoreUnusable where this process has another key than they have."""
        known = self.identity().key_check
        if known is not None:
            keys.load(self._key_file, known)
        return known is not None

    def digest(self, stored: bytes) -> str:
        """Of an event's stored bytes, for those who do not have them: HMAC-SHA-256 under the ledger's key, in hex."""
        return self._digest(stored).hex()

    def content_digest(self, plain: bytes) -> bytes:
        """Of a submission's content, of which `plain` is the SHA-256: longer than that, so that the two
        cannot be taken for each other."""
        return CONTENT + self._digest(CONTENT + plain)

    @cached_property
    def _digest(self) -> Callable[[bytes], bytes]:
        return keys.digester(keys.load(self._key_file, self.identity().key_check))

    @property
    def may_import(self) -> bool:
        """Whether this user may record at moments that lie in the past (`guards.PAST_SECONDS`)."""
        return self._recorder.may_import

    def stream(self, student: str, after: int = 0) -> list[Event]:
        """The student's events of a version above `after`, in order; empty for an unknown
        student. Raises StreamSetAside."""
        stream = stream_id(student)
        rows = self._patiently(lambda: self._recorder.stream(stream, after))
        try:
            return _in_order(self._events(rows), student, after)
        except UnreadableEvent as error:
            raise StreamSetAside(SetAside(stream, student, error.position, str(error))) from error

    def streams(self, students: Collection[str], aside: Aside | None = None) -> dict[str, list[Event]]:
        """The streams of many students, read at one moment: events in order by student. An unknown student is left out.

        So is one whose stream cannot be read where `aside` takes it; else StreamSetAside is raised."""
        return self.streams_of([stream_id(student) for student in students], aside)

    def streams_of(self, ids: Collection[UUID], aside: Aside | None = None) -> dict[str, list[Event]]:
        """The same for those who know the streams' ids (`stream_id`, `touched`)."""
        rows = self._patiently(lambda: self._recorder.streams(list(ids))) if ids else []
        found = self._whole(rows, set(ids).__contains__)
        return found if found is not None else self._one_by_one(ids, aside)

    def newest(self, students: Sequence[str]) -> list[int]:
        """The position of each student's last event, in their order; 0 for an unknown one."""
        return self._patiently(lambda: self._recorder.newest([stream_id(student) for student in students]))

    async def newest_at_once(self, student: str) -> int | None:
        """The same of one, from an event loop and without a thread; None where the backend does not do that or does not
        answer at once: then `newest` tells. Not for who may read one student only."""
        return await self._recorder.newest_at_once(stream_id(student))

    def touched(self, after: int = 0, limit: int = PAGE) -> list[tuple[int, UUID]]:
        """Position and stream id of up to `limit` events above `after`, in order: what is new, without decoding it."""
        return self._patiently(lambda: self._recorder.touched(after, limit))

    def part(self, number: int, of: int, aside: Aside | None = None) -> dict[str, list[Event]]:
        """Whole streams, read at one moment: those whose id falls into part `number` (from 0) of
        `of` equal parts of all ids.

        The parts together are the whole ledger, each student in one of them, and of about the same size. `aside` as in
        `streams`."""
        first, last = (UUID(int=(1 << 128) * n // of - less) for n, less in ((number, 0), (number + 1, 1)))
        found = self._whole(self._patiently(lambda: self._recorder.part(first, last)),
                            lambda stream: first <= stream <= last)
        if found is not None:
            return found
        ids: dict[UUID, None] = {}
        at = 0
        while touched := self.touched(at, WHOLE_LOG):
            ids |= dict.fromkeys(stream for _, stream in touched if first <= stream <= last)
            at = touched[-1][0]
        return self._one_by_one(ids, aside)

    def log(self, after: int = 0, limit: int = PAGE) -> list[Event]:
        """Up to `limit` events of a position above `after`, in order. Nothing appears later
        behind a position once read."""
        return self._events(self._patiently(lambda: self._recorder.log(after, limit)))

    def readable(self, after: int = 0, limit: int = PAGE) -> list[Event]:
        """The same without those that cannot be read."""
        rows, found = self._patiently(lambda: self._recorder.log(after, limit)), list[Event]()
        for row in rows:
            with suppress(UnreadableEvent):
                found += self._events([row])
        return found

    def rows(self, after: int = 0, limit: int = PAGE) -> list[WholeRow]:
        """Those of `log` undecoded: what the database holds of them, for proofs."""
        return self._patiently(lambda: self._recorder.rows(after, limit))

    def rows_of(self, student: str) -> list[LogRow]:
        """The student's stream undecoded, in the order of versions."""
        return self._patiently(lambda: self._recorder.stream(stream_id(student), 0))

    def records(self, after: int = 0, limit: int = PAGE) -> list[tuple[int, StoredRecord | SetAside, str]]:
        """The same as `log` undecoded: position, the event as JSON (as it reads today, position included), and the
        `digest` of its stored bytes. An event that cannot be read is told by the stream to set aside, without one."""
        return [(position, one if isinstance(one, SetAside) else as_record(one, position), digest)
                for position, one, digest in self.sound(after, limit)]

    def sound(self, after: int = 0, limit: int = PAGE) -> list[tuple[int, Sound | SetAside, str]]:
        """The same with the type and the bytes themselves, as they read today, in place of the event as JSON."""
        digest = self._digest
        return [(position, one := self._sound(name, state, position), "" if isinstance(one, SetAside) else
                 digest(state).hex())
                for position, name, state in self._patiently(lambda: self._recorder.log(after, limit))]

    def _sound(self, name: str, state: bytes, position: int) -> Sound | SetAside:
        try:
            return self._mapper.to_sound(name, state, position)
        except UnreadableEvent as error:
            stream = self.touched(position - 1, 1)[0][1]
            rows = self._patiently(lambda: self._recorder.stream(stream, 0))
            return SetAside(stream, _whose(stream, [state for _, _, state in rows]), position, str(error))

    def students(self, aside: Aside | None = None) -> Iterator[str]:
        """Every student, in the order of their first events. `aside` as in `streams`, for those whose
        first event cannot be read."""
        at = 0
        while rows := self._patiently(lambda: self._recorder.first_events(at, PAGE)):  # noqa: B023 - called at once
            for position, name, state in rows:
                try:
                    yield self._mapper.to_event(name, state, position).student
                except UnreadableEvent:
                    self._one_by_one([self.touched(position - 1, 1)[0][1]], aside)
            at = rows[-1][0]

    def begun(self, after: int = 0, limit: int = PAGE) -> list[tuple[int, UUID]]:
        """Position and stream id of up to `limit` first events of students above `after`, in order."""
        found = []
        for position, name, state in self._patiently(lambda: self._recorder.first_events(after, limit)):
            try:
                found.append((position, stream_id(self._mapper.to_event(name, state, position).student)))
            except UnreadableEvent:
                found.append(self.touched(position - 1, 1)[0])
        return found

    def last_position(self) -> int:
        """The newest position; 0 for an empty log."""
        return self._patiently(self._recorder.last_position)

    def append(self, events: Sequence[Event]) -> list[Event]:
        """Adds events of any number of students in one transaction, all or none, and returns them with their positions.

        Each stream must stand at the version before its first event here, else VersionConflict. When the link breaks it
        is not known whether the transaction was committed: the streams are then read back and compared byte for byte.
        """
        if not events:
            return []
        stored = [self._mapper.to_stored_event(event) for event in events]
        uncertain = False

        def insert() -> Sequence[int]:
            nonlocal uncertain
            found = self._committed(stored) if uncertain else None
            if found is not None:
                return found
            try:
                return self._recorder.insert_events(stored) or ()
            except _failed().IntegrityError:
                # the first attempt may have been committed only now
                found = self._committed(stored) if uncertain else None
                if found is None:
                    raise
                return found
            except (_failed().InterfaceError, _failed().OperationalError):
                uncertain = True
                raise

        positions = self._patiently(insert)
        return [event.placed(position) for event, position in zip(events, positions, strict=True)]

    def append_with_refusals(self, events: Sequence[Event], refusals: Sequence[Refusal],
                             unmoved: Mapping[str, int]) -> list[Event]:
        """Adds events as `append` does and remembers refusals in the same transaction; returns the
        events with their positions.

        `unmoved`: further students, and the version at which their streams must stand because a refusal rests on
        it. Raises VersionConflict where a stream stands elsewhere, and where one of these submissions (events and
        refusals) has been refused by now. So it does where the link broke and the transaction turns out to have
        been committed: look again."""
        stored = [self._mapper.to_stored_event(event) for event in events]
        heads = {stream_id(student): version for student, version in unmoved.items()}
        absent = [(event.student, event.id) for event in events]
        positions = self._patiently(lambda: self._recorder.insert_with_refusals(stored, refusals, heads, absent))
        return [event.placed(position) for event, position in zip(events, positions, strict=True)]

    def rewrite_refusals(self, without_values: Callable[[bytes], bytes]) -> None:
        """Rewrites what an earlier release remembered of refused submissions: a plain hash of the content, and an
        outcome that may quote it. Only the owner of the database may: for others the old rows stay. (No migration: it
        takes the ledger's key.)"""
        self._patiently(lambda: self._recorder.rewrite_refusals(lambda one: one._replace(
            content=self.content_digest(one.content), outcome=without_values(one.outcome))))

    def refusals(self, submissions: Collection[tuple[str, str]]) -> dict[tuple[str, str], Refusal]:
        """Which of these submissions, named by student and id, `append_with_refusals` has remembered."""
        found = self._patiently(lambda: self._recorder.refusals(list(submissions))) if submissions else []
        return {(one.student, one.id): one for one in found}

    def forgotten(self, after: int = 0) -> list[Event]:
        """The events `person-forgotten` of a position above `after`: the rest of the log is looked through, undecoded,
        where they are few."""
        return self._events(self._patiently(lambda: self._recorder.forgotten(after)))

    def first_sealed(self, after: int = 0) -> int | None:
        """The position of the first sealed event above `after`; None where there is none, for which the rest of the log
        is looked through, undecoded."""
        return self._patiently(lambda: self._recorder.first_sealed(after))

    def refusals_of(self, student: str) -> list[Refusal]:
        """All that are remembered of a student's submissions."""
        return self._patiently(lambda: self._recorder.refusals_of(student))

    def forget_refusals(self, student: str) -> int:
        """Deletes them; how many. Only of a person of whom the log says that she was forgotten: for anybody else
        StoreUnusable is raised."""
        return self._patiently(lambda: self._recorder.forget_refusals(student, stream_id(student)))

    def encode(self, event: Event) -> "StoredEvent":
        return self._mapper.to_stored_event(event)

    def pack(self, stored: "Sequence[StoredEvent]") -> bytes:
        """Encoded events as `append_packed` takes them: encoding may be done in another process than storing."""
        return self._recorder.pack(stored)

    def append_packed(self, packs: Sequence[bytes], rows: int, heads: Mapping[UUID, int]) -> int:
        """Adds packed events in one transaction, all or none, and returns the position of the first; the
        others follow without holes.

        `rows`: how many events the packs hold; `heads`: the version at which each of their streams must stand. Raises
        VersionConflict where one does not; so it does where the link broke and the transaction turns out to have been
        committed: read the streams again and look for the events."""
        return self._patiently(lambda: self._recorder.insert_packed(packs, rows, heads))

    def close(self) -> None:
        self._recorder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def _committed(self, stored: "Sequence[StoredEvent]") -> list[int] | None:
        """The positions of these very events where an earlier attempt did store them, else None."""
        streams: dict[UUID, dict[int, LogRow]] = {}
        positions = []
        for event in stored:
            stream = UUID(str(event.originator_id))
            if stream not in streams:
                rows = self._recorder.stream(stream, event.originator_version - 1)
                streams[stream] = dict(enumerate(rows, event.originator_version))
            row = streams[stream].get(event.originator_version)
            if row is None or (row[1], bytes(row[2])) != (event.topic, event.state):
                return None
            positions.append(row[0])
        return positions

    def _whole(self, rows: Sequence[LogRow], asked: Callable[[UUID], bool]) -> dict[str, list[Event]] | None:
        """The events by student; None where one of them cannot be read or stands in a stream that is not hers."""
        try:
            found = _by_student(self._events(rows))
            return found if all(_in_order(events, student) and asked(stream_id(student))
                                for student, events in found.items()) else None
        except UnreadableEvent:
            return None

    def _one_by_one(self, ids: Iterable[UUID], aside: Aside | None) -> dict[str, list[Event]]:
        """What can be read of these streams. Seldom needed, and slow."""
        found: dict[str, list[Event]] = {}
        for stream in ids:
            rows = self._patiently(lambda: self._recorder.stream(stream, 0))  # noqa: B023 - called at once
            student = _whose(stream, [state for _, _, state in rows])
            try:
                events = _in_order(self._events(rows), student)
            except UnreadableEvent as error:
                one = SetAside(stream, student, error.position, str(error))
                if aside is None:
                    raise StreamSetAside(one) from error
                aside(one)
                continue
            if student is not None and events:
                found[student] = events
        return found

    def _events(self, rows: Sequence[LogRow]) -> list[Event]:
        with uncollected():  # decoding makes none
            read = self._mapper.to_event
            return [read(name, state, position) for position, name, state in rows]

    def _patiently(self, act: Callable[[], T]) -> T:
        """Tries again while the backend is away, for so long at most as it is patient."""
        def attempt() -> T:
            try:
                return act()
            except _failed().IntegrityError as error:
                raise VersionConflict(str(error)) from error
            except _failed().PersistenceError as error:
                raise self._explain(error, self._place) from error

        return tried_again(attempt, lambda error: isinstance(error, StoreUnavailable),
                           PATIENCE if self._patience is None else self._patience, LONGEST_PAUSE)


@cache
def _failed() -> Any:
    """The library with the errors that its recorders raise, which is not imported where only SQLite is asked and
    nothing fails."""
    from eventsourcing import persistence

    return persistence


def _in_order(events: list[Event], student: str | None, after: int = 0) -> list[Event]:
    """Raises UnreadableEvent where they are not the student's versions from `after` + 1 on."""
    for version, event in enumerate(events, after + 1):
        if event.version != version or event.student != student:
            raise UnreadableEvent(event.position,
                                  f"cannot be believed: it is not version {version} of the student in whose "
                                             "stream it stands")
    return events


def _whose(stream: UUID, states: Iterable[object]) -> str | None:
    """The student as the bytes name her, also where they cannot be read."""
    names = (match[1].decode() for state in states if isinstance(state, bytes)
             for match in re.finditer(_STUDENT, state))
    return next((name for name in names if stream_id(name) == stream), None)


def _by_student(events: Sequence[Event]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in events:
        found.setdefault(event.student, []).append(event)
    return found
