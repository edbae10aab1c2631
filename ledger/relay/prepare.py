"""What a lane sends next, prepared in a process of its own while the lane sends what came before.

The process is started afresh (no fork), holds one chunk ahead, and ends as soon as the one that started it is gone, however that
ended: its pipe breaks.
"""

import gc
import marshal
import signal
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from functools import lru_cache
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from kafka.partitioner.default import murmur2

from ledger.domain.rulebook import LawBooks
from ledger.domain.values import format_instant
from ledger.store import EventStore, StoreUnavailable, StoreUnusable, open_store
from ledger.store.mapper import stream_id
from ledger.wire import events, state
from ledger.wire.message import Header, History, Message

EVENTS_CHUNK = 10_000
"""Events that are sent before the position is stored: some 9 MB."""
STATES_CHUNK = 1_000
"""Events of the log whose students are sent before the position is stored."""
BATCH = 200
"""Students whose streams are in memory at once."""
REMEMBERED = 200_000
"""Students of whom it is known, while the state lane is behind, that their state is newer than the position."""
WAKE_SECONDS = 1.0
"""At the end of the log it is looked for news this often, also when nobody wakes the process."""
Ready = tuple[int, bytes | None, bytes | None, list[Header]]
"""Partition, key, value, headers."""


class Chunk(NamedTuple):
    """`events` of the log up to `position` are in the topic once all `messages` are acknowledged. `complete_at`: the instant before
    the read, where that found the end of the log."""

    messages: list[Ready]
    events: int
    position: int
    complete_at: str | None


class Source(Protocol):
    def next(self) -> Chunk: ...


def now() -> str:
    return format_instant(datetime.now(timezone.utc))


@lru_cache(maxsize=1 << 16)
def partition_of(key: bytes, partitions: int) -> int:
    """As every Kafka client does it by default."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


def ready(message: Message, partitions: int) -> Ready:
    return partition_of(message.key or b"", partitions), message.key, message.value, list(message.headers)


class EventSource:
    """The log above `after`, event by event."""

    def __init__(self, store: EventStore, after: int, partitions: int, history: History, chunk: int = EVENTS_CHUNK) -> None:
        self._store, self._at, self._partitions, self._history, self._chunk = store, after, partitions, history, chunk

    def next(self) -> Chunk:
        began = now()
        found = self._store.records(self._at, self._chunk)
        messages = [ready(events.message(record, digest, self._history), self._partitions) for _, record, digest in found]
        self._at = found[-1][0] if found else self._at
        return Chunk(messages, len(found), self._at, began if len(found) < self._chunk else None)


class StateSource:
    """The students whom the log names above `after`, each computed from her whole stream.

    A stream may hold newer events than the chunk: the state is then ahead of the position, never behind, and it is not computed
    again for those: a long log costs one computation a student."""

    def __init__(self, store: EventStore, books: LawBooks, after: int, partitions: int, history: History,
                 chunk: int = STATES_CHUNK) -> None:
        self._store, self._books, self._partitions, self._history = store, books, partitions, history
        self._at, self._chunk = after, chunk
        self._ahead: dict[UUID, int] = {}

    def next(self) -> Chunk:
        began = now()
        touched = self._store.touched(self._at, self._chunk)
        todo = list(dict.fromkeys(stream for position, stream in touched if self._ahead.get(stream, 0) < position))
        messages: list[Ready] = []
        for stream, position, message in states_of(self._store, self._books, todo, self._history):
            messages.append(ready(message, self._partitions))
            self._ahead[stream] = position
        self._at = touched[-1][0] if touched else self._at
        at_end = len(touched) < self._chunk
        if at_end or len(self._ahead) > REMEMBERED:
            self._ahead = {stream: position for stream, position in self._ahead.items() if position > self._at}
        if len(self._ahead) > REMEMBERED:
            self._ahead.clear()
        return Chunk(messages, len(touched), self._at, began if at_end else None)


def states_of(store: EventStore, books: LawBooks, streams: Collection[UUID], history: History) -> Iterator[tuple[UUID, int, Message]]:
    """Stream, newest position and message of each career of these students."""
    todo = list(streams)
    for start in range(0, len(todo), BATCH):
        for student, found in store.streams_of(todo[start:start + BATCH]).items():
            for one in state.states(found, student, books):
                yield stream_id(student), found[-1].position, state.message(one, history)


class Preparer:
    """The process, as the lane sees it; it waits for `wake` before it begins. `make`: a function of a module that makes the source
    from a store and the arguments."""

    def __init__(self, url: str, make: Callable[..., Source], arguments: Mapping[str, Any]) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_prepare, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        with suppress(OSError):  # `next` says why
            self._pipe.send((url, make, dict(arguments)))  # as start arguments they would be waited for after a child's early death

    def next(self, seconds: float) -> Chunk | None:
        """The next chunk, None where there is none within that time. Raises what stopped the process: StoreUnavailable, StoreUnusable."""
        try:
            if not self._pipe.poll(seconds):
                return None
            found = marshal.loads(self._pipe.recv_bytes())  # noqa: S302 - made by `_prepare` of this program
        except (EOFError, OSError):
            raise StoreUnavailable("the process that prepares messages was ended from outside (out of memory?)") from None
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
        signal.signal(number, signal.SIG_IGN)  # sent to the whole group: the lane finishes its chunk and closes the pipe
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
