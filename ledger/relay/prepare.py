"""What a lane sends next, prepared in a process of its own while the lane sends what came before.

The process is started afresh (no fork), holds one chunk ahead, and ends as soon as the one that started it is gone,
however that ended: its pipe breaks.
"""

import gc
import marshal
import signal
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from kafka.partitioner.default import murmur2

from ledger.domain.books import LawBooks
from ledger.domain.events import Event
from ledger.domain.knowledge import is_forgotten
from ledger.domain.values import format_instant
from ledger.store import EventStore, SetAside, StoreUnavailable, StoreUnusable, open_store
from ledger.store.errors import fault
from ledger.store.mapper import stream_id
from ledger.wire import events, state
from ledger.wire.message import Header, History, Message

from .states import states, tombstones

EVENTS_CHUNK = 10_000
"""Events that are sent before the position is stored: some 9 MB."""
STATES_CHUNK = 1_000
"""Events of the log whose students are sent before the position is stored."""
BATCH = 200
"""Students whose streams are in memory at once."""
REMEMBERED = 200_000
"""Students of whom it is known, while the state lane is behind, that their state is newer than the position."""
AHEAD_SECONDS = 60.0
"""So much may the clock of whoever appended be ahead of this machine's."""
WAKE_SECONDS = 1.0
"""At the end of the log it is looked for news this often, also when nobody wakes the process."""
NOBODY: Mapping[str, int] = {}
Ready = tuple[int, bytes | None, bytes | None, list[Header]]
"""Partition, key, value, headers."""


class Chunk(NamedTuple):
    """`events` of the log up to `position` are in the topic once all `messages` are acknowledged. `complete_at`: the
    instant before the read, where that found the end of the log. `aside`: who could not be read in it (`SetAside`, the
    stream in hex), `taken_up`: the streams, in hex, that were set aside and are whole again."""

    messages: list[Ready]
    events: int
    position: int
    complete_at: str | None
    aside: Sequence[tuple[str, str | None, int, str]] = ()
    taken_up: Sequence[str] = ()


class Source(Protocol):
    def next(self) -> Chunk: ...


def now() -> str:
    return format_instant(datetime.now(timezone.utc))


def latest() -> str:
    """The latest moment that may be told of, to the second: readers refuse what has not come by their clocks."""
    return format_instant(datetime.now(timezone.utc) + timedelta(seconds=AHEAD_SECONDS))[:19]


def not_yet(stream: UUID, student: str, position: int) -> SetAside:
    return SetAside(stream, student, position,
                    f"the event at position {position} was recorded at a moment that has not come by this "
                    "machine's clock: set the clocks right; if the event is wrong, void it")


@lru_cache(maxsize=1 << 16)
def partition_of(key: bytes, partitions: int) -> int:
    """As every Kafka client does it by default."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


def ready(message: Message, partitions: int) -> Ready:
    return partition_of(message.key or b"", partitions), message.key, message.value, list(message.headers)


class EventSource:
    """The log above `after`, event by event. A student of whom an event cannot be read is set aside: nothing of hers is
    sent from there on. `aside`: who already is, and the position; whoever can be read by now is taken up first."""

    def __init__(self, store: EventStore, after: int, partitions: int, history: History, chunk: int = EVENTS_CHUNK,
                 aside: Mapping[str, int] = NOBODY) -> None:
        self._store, self._at, self._partitions, self._history, self._chunk = store, after, partitions, history, chunk
        self._aside = {UUID(stream): position for stream, position in aside.items()}
        self._waiting = dict(self._aside)

    def next(self) -> Chunk:
        began = now()
        messages, taken_up = self._taken_up()
        found = self._store.records(self._at, self._chunk)
        aside, limit = [], latest()
        for position, record, digest in found:
            if not isinstance(record, SetAside) and record["recorded_at"][:19] > limit:
                record = not_yet(stream_id(record["student"]), record["student"], position)
            if isinstance(record, SetAside):
                self._aside.setdefault(record.stream, record.position)
                aside.append((record.stream.hex, *record[1:]))
            elif not self._aside or stream_id(record["student"]) not in self._aside:
                messages.append(ready(events.message(record, digest, self._history), self._partitions))
        self._at = found[-1][0] if found else self._at
        return Chunk(messages, len(found), self._at, began if len(found) < self._chunk else None, aside, taken_up)

    def _taken_up(self) -> tuple[list[Ready], list[str]]:
        messages: list[Ready] = []
        taken_up = []
        waiting, self._waiting = self._waiting, {}
        for stream, first in waiting.items():
            for held in self._store.streams_of([stream], lambda _: None).values():
                if _is_ahead(held):
                    continue
                for event in held:
                    if first <= event.position <= self._at:
                        _, record, digest = self._store.records(event.position - 1, 1)[0]
                        if not isinstance(record, SetAside):
                            messages.append(ready(events.message(record, digest, self._history), self._partitions))
                del self._aside[stream]
                taken_up.append(stream.hex)
        return messages, taken_up


class StateSource:
    """The students whom the log names above `after`, each computed from her whole stream.

    A stream may hold newer events than the chunk: the state is then ahead of the position, never behind, and it is not
    computed again for those: a long log costs one computation a student."""

    def __init__(self, store: EventStore, books: LawBooks, after: int, partitions: int, history: History,
                 chunk: int = STATES_CHUNK, aside: Mapping[str, int] = NOBODY) -> None:
        self._store, self._books, self._partitions, self._history = store, books, partitions, history
        self._at, self._chunk = after, chunk
        self._ahead: dict[UUID, int] = {}
        self._waiting = [UUID(stream) for stream in aside]

    def next(self) -> Chunk:
        began = now()
        touched = self._store.touched(self._at, self._chunk)
        waiting, self._waiting = self._waiting, []
        todo = list(dict.fromkeys([*waiting,
                                   *(stream for position, stream in touched if self._ahead.get(stream, 0) < position)]))
        messages: list[Ready] = []
        aside: list[SetAside] = []
        for stream, position, message in states_of(self._store, self._books, todo, self._history, aside.append):
            messages.append(ready(message, self._partitions))
            self._ahead[stream] = position
        self._at = touched[-1][0] if touched else self._at
        at_end = len(touched) < self._chunk
        if at_end or len(self._ahead) > REMEMBERED:
            self._ahead = {stream: position for stream, position in self._ahead.items() if position > self._at}
        if len(self._ahead) > REMEMBERED:
            self._ahead.clear()
        nobody = {one.stream for one in aside}
        return Chunk(messages, len(touched), self._at, began if at_end else None,
                     [(one.stream.hex, *one[1:]) for one in aside],
                     [stream.hex for stream in waiting if stream not in nobody])


def _is_ahead(stream: Sequence[Event]) -> bool:
    """No event of a student is recorded before an earlier one."""
    return format_instant(stream[-1].recorded_at)[:19] > latest()


def states_of(store: EventStore, books: LawBooks, streams: Collection[UUID], history: History,
              aside: Callable[[SetAside], None]) -> Iterator[tuple[UUID, int, Message]]:
    """Stream, newest position and message of each career of these students, but of those who must be set aside. Of a
    person who was forgotten no state is ever sent again, whatever is recorded later or asked for once more: each
    message is a tombstone."""
    todo = list(streams)
    for start in range(0, len(todo), BATCH):
        for student, found in store.streams_of(todo[start:start + BATCH], aside).items():
            if _is_ahead(found):
                aside(not_yet(stream_id(student), student, found[-1].position))
                continue
            try:
                messages = (list(tombstones(found, student, history)) if is_forgotten(found)
                            else [state.message(one, history) for one in states(found, student, books)])
            except Exception as error:  # the others go on
                aside(SetAside(stream_id(student), student, found[-1].position, fault(error)))
                continue
            for message in messages:
                yield stream_id(student), found[-1].position, message


class Preparer:
    """The process, as the lane sees it; it waits for `wake` before it begins. `make`: a function of a module that makes
    the source from a store and the arguments."""

    def __init__(self, url: str, make: Callable[..., Source], arguments: Mapping[str, Any]) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_prepare, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        with suppress(OSError):  # `next` says why
            # as start arguments they would be waited for after a child's early death
            self._pipe.send((url, make, dict(arguments)))

    def next(self, seconds: float) -> Chunk | None:
        """The next chunk, None where there is none within that time. Raises what stopped the process:
        StoreUnavailable, StoreUnusable."""
        try:
            if not self._pipe.poll(seconds):
                return None
            found = marshal.loads(self._pipe.recv_bytes())  # noqa: S302 - made by `_prepare` of this program
        except (EOFError, OSError):
            raise StoreUnavailable(
                "the process that prepares messages was ended from outside (out of memory?)") from None
        if found[0] == "chunk":
            return Chunk(*found[1:])
        kind, text = found
        raise FAILURES[kind](text)

    def wake(self) -> None:
        """Begin, or look for news now: only at the beginning and after a chunk with `complete_at`."""
        with suppress(OSError):  # `next` says why
            self._pipe.send_bytes(b"look")

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        self._pipe.close()
        self._process.kill()
        self._process.join()


class PreparationFailed(RuntimeError):
    """A fault of this program in the process that prepares. The text names type and place and no content."""


FAILURES: Mapping[str, type[Exception]] = {
    "unavailable": StoreUnavailable, "unusable": StoreUnusable, "fault": PreparationFailed}


def _prepare(pipe: Connection) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        # sent to the whole group: the lane finishes its chunk and closes the pipe
        signal.signal(number, signal.SIG_IGN)
    gc.freeze()
    gc.set_threshold(200_000, 20, 20)  # decoding and folding make many objects and hardly a cycle
    try:
        url, make, arguments = pipe.recv()
        try:
            with open_store(url, create=False) as store:
                source = make(store, **arguments)
                pipe.recv_bytes()
                while True:
                    chunk = source.next()
                    pipe.send_bytes(marshal.dumps(("chunk", *chunk)))
                    if chunk.complete_at is not None and pipe.poll(WAKE_SECONDS):
                        pipe.recv_bytes()
        except StoreUnavailable as error:
            pipe.send_bytes(marshal.dumps(("unavailable", str(error))))
        except StoreUnusable as error:
            pipe.send_bytes(marshal.dumps(("unusable", str(error))))
        except (EOFError, OSError):
            raise
        except Exception as error:
            place = error.__traceback__
            while place is not None and place.tb_next is not None:
                place = place.tb_next
            where = f"{place.tb_frame.f_globals.get('__name__', '?')}:{place.tb_lineno}" if place is not None else "?"
            pipe.send_bytes(marshal.dumps(("fault", f"{type(error).__name__} at {where}")))
    except (EOFError, OSError):
        return  # nobody is there any more
