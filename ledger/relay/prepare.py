"""What a lane sends next, prepared in a process of its own (a pool of one) while the lane sends what came before."""

import os
import signal
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from pathlib import Path
from threading import Event as Signal
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from kafka.partitioner.default import murmur2

from ledger.domain.books import LawBooks
from ledger.domain.events import Event
from ledger.domain.knowledge import is_forgotten
from ledger.domain.values import format_instant
from ledger.parallel.processes import Lent, pool, read
from ledger.store import EventStore, SetAside, StoreUnavailable, StoreUnusable, open_store
from ledger.store.errors import fault
from ledger.store.mapper import stream_id
from ledger.wire import state
from ledger.wire.cut import Cut, as_message, cut
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
    """`events` of the log up to `position` are in the topic once all `messages` (each a `Ready`; of the feed, a
    `pages.Carried`) are acknowledged. `complete_at`: the
    instant before the read, where that found the end of the log. `aside`: who could not be read in it (`SetAside`, the
    stream in hex), `taken_up`: the streams, in hex, that were set aside and are whole again."""

    messages: list[Any]
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

    def made(self, one: Cut) -> Any:
        """What a chunk holds of it."""
        return ready(as_message(one, self._history), self._partitions)

    def next(self) -> Chunk:
        began = now()
        messages, taken_up = self._taken_up()
        found = self._store.sound(self._at, self._chunk)
        aside, limit = [], latest()
        for position, sound, digest in found:
            one = sound if isinstance(sound, SetAside) else cut(*sound, position, digest)
            if not isinstance(one, SetAside) and one.recorded_at[:19] > limit:
                one = not_yet(stream_id(one.student), one.student, position)
            if isinstance(one, SetAside):
                self._aside.setdefault(one.stream, one.position)
                aside.append((one.stream.hex, *one[1:]))
            elif not self._aside or stream_id(one.student) not in self._aside:
                messages.append(self.made(one))
        self._at = found[-1][0] if found else self._at
        return Chunk(messages, len(found), self._at, began if len(found) < self._chunk else None, aside, taken_up)

    def _taken_up(self) -> tuple[list[Any], list[str]]:
        messages: list[Any] = []
        taken_up = []
        waiting, self._waiting = self._waiting, {}
        for stream, first in waiting.items():
            for held in self._store.streams_of([stream], lambda _: None).values():
                if _is_ahead(held):
                    continue
                for event in held:
                    if first <= event.position <= self._at:
                        _, sound, digest = self._store.sound(event.position - 1, 1)[0]
                        if not isinstance(sound, SetAside):
                            messages.append(self.made(cut(*sound, event.position, digest)))
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


class PreparationFailed(RuntimeError):
    """A fault of this program in the process that prepares. The text names type and place and no content."""


class Preparer:
    """The process, as the lane sees it; it waits for `wake` before it begins. `make`: a function of a module that makes
    the source from a store and the arguments."""

    def __init__(self, url: str, make: Callable[..., Source], arguments: Mapping[str, Any]) -> None:
        lent = Lent((url, make, dict(arguments)))
        self._pool = pool(_undisturbed)
        self._pid = self._pool.submit(os.getpid)
        self._ready = self._pool.submit(_open, lent.path)
        self._ready.add_done_callback(lambda _: lent.close())
        self._coming: Future[Chunk] | None = None
        self._news = Signal()
        self._looks_at: float | None = None

    def next(self, seconds: float) -> Chunk | None:
        """The next chunk, None where there is none within that time. Raises what stopped the process:
        StoreUnavailable, StoreUnusable, PreparationFailed."""
        until = time.monotonic() + seconds
        try:
            if self._coming is None:
                looks_at = until if self._looks_at is None else min(until, self._looks_at)
                if not self._news.wait(max(0.0, looks_at - time.monotonic())) and looks_at == until:
                    return None
                self._ready.result(max(0.0, until - time.monotonic()))
                self._news.clear()
                self._coming = self._asked()
            found = self._coming.result(max(0.0, until - time.monotonic()))
            self._coming = self._asked() if found.complete_at is None else None
        except TimeoutError:
            return None
        except (BrokenProcessPool, CancelledError):
            raise StoreUnavailable(
                "the process that prepares messages was ended from outside (out of memory?)") from None
        self._looks_at = time.monotonic() + WAKE_SECONDS
        return found

    def _asked(self) -> "Future[Chunk]":
        try:
            return self._pool.submit(_next)
        except RuntimeError:  # it is broken or was ended
            raise CancelledError from None

    def wake(self) -> None:
        """Begin, or look for news now."""
        self._news.set()

    def kill(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        with suppress(Exception):  # it has ended, or never began
            os.kill(self._pid.result(0), signal.SIGKILL)

    def close(self) -> None:
        self.kill()
        self._pool.shutdown()


def _undisturbed() -> None:
    """A signal is sent to the whole group: the lane finishes its chunk and ends the pool."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


_held = ExitStack()
_sources: list[Source] = []
"""Both until the process ends."""


def _open(lent: Path) -> None:
    with _told():
        url, make, arguments = read(lent)
        _sources.append(make(_held.enter_context(open_store(url, create=False)), **arguments))


def _next() -> Chunk:
    with _told():
        return _sources[0].next()


@contextmanager
def _told() -> Iterator[None]:
    """What the other process is told of a failure."""
    try:
        yield
    except (StoreUnavailable, StoreUnusable) as error:  # some of their kinds cannot be sent
        raise (StoreUnavailable if isinstance(error, StoreUnavailable) else StoreUnusable)(str(error)) from None
    except Exception as error:
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f"{place.tb_frame.f_globals.get('__name__', '?')}:{place.tb_lineno}" if place is not None else "?"
        raise PreparationFailed(f"{type(error).__name__} at {where}") from None
