"""The log's events as the proofs see them, read and hashed; a long log in several processes, each of which reads
positions of its own."""

import re
import sys
from bisect import bisect_right
from collections.abc import Generator, Iterator, Sequence
from functools import lru_cache, partial
from json import loads
from typing import Any, NamedTuple

from ledger.parallel import How, in_order, processors
from ledger.store import EventStore, open_store
from ledger.store.mapper import STORED_NAMES, canonical_json, stream_id
from ledger.store.recorder import WholeRow

from .students import Hashed, hashed

PAGE = 2_000
"""Rows that are read at a time: still in the processor's cache when they are hashed."""
PART = 20_000
"""Positions that are read and hashed at a time."""
AHEAD = 6
"""Such parts each other process has before it while this one ends a checkpoint."""
WORTH = 100_000
"""Events that are hashed while a process starts."""
MOST_PROCESSES = 4
"""What one process does with the hashes of others is a quarter of the work."""
BEFORE_ALL = -(1 << 63)
"""A row of a superuser may stand at a position below the first one."""
MOST_KNOWN = 1 << 17
_END = re.compile(rb',"student":"([A-Za-z0-9._-]{1,64})","type":"([a-z0-9-]{1,100})","version":([1-9][0-9]{0,17})\}')
"""How canonical JSON ends, of a student whose name is spelt as it is."""
_ENDS = {version: b"%d}" % version for version in range(1_000)}
"""By version, how the bytes end; those of higher ones are read."""


class RowCheck:
    """Whether rows say the same as their bytes."""

    def __init__(self) -> None:
        self._students: dict[str, bytes] = {}
        """By stream, how canonical JSON goes on at its end."""
        self._types: dict[str, bytes] = {}
        """By stored name, what follows then, up to the version."""

    def disagreeing(self, rows: Sequence[WholeRow]) -> int | None:
        """The position of the first row whose columns say something else than its bytes: no program of ours has
        written it so."""
        students, types, ends = self._students, self._types, _ENDS
        if len(students) > MOST_KNOWN:
            students.clear()
        for position, stream, version, name, state in rows:
            try:
                agrees = state.endswith(students[stream] + types[name] + ends[version])
            except (KeyError, TypeError, AttributeError):
                agrees = False
            if not agrees:
                said = said_in(state)
                if said is None or not self._agree(stream, version, name, *said):
                    return position
        return None

    def _agree(self, stream: str, version: int, name: Any, student: str, kind: str, number: int) -> bool:
        if stream != stream_id(student).hex or number != version or not isinstance(name, str) or \
                STORED_NAMES.get(kind, "").partition(".")[0] != name.partition(".")[0]:
            return False
        self._students[stream] = b"," + canonical_json({"student": student})[1:-1] + b',"type":'
        if name not in self._types:
            self._types[name] = canonical_json(kind) + b',"version":'
        return True


VERSIONS = range(1, 1 << 63)


def said_in(state: bytes) -> tuple[str, str, int] | None:
    """Student, type and version as the bytes have them; parsed only where they do not end as canonical JSON does."""
    if not isinstance(state, bytes):
        return None
    end = _END.fullmatch(state, max(state.rfind(b',"student":"'), 0))
    if end is not None:
        student, kind, version = end.groups()
        return student.decode(), kind.decode(), int(version)
    try:
        said: Any = loads(state)
        found = said["student"], said["type"], said["version"]
        if [type(one) for one in found] != [str, str, int] or found[2] not in VERSIONS:
            return None
        canonical_json([*found[:2]])  # half a character is no name
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return found


class HashedSpan(NamedTuple):
    """Events that were read. `disagreeing`: the position of the first whose columns and bytes disagree, None also where
    that was not looked at."""

    events: Hashed
    disagreeing: int | None


AboveUpTo = tuple[int, int]
"""Above a position, up to another one."""


def read(url: str, store: EventStore, after: int, last: int,
         checked: bool = False) -> Generator[HashedSpan, None, None]:
    """The events above a position, up to another one, in order; in more than one process where there are many. What
    stands there must not change meanwhile. Raises as the store does."""
    size = min(processors(), MOST_PROCESSES, max(store.last_position() - max(after, 0), 0) // WORTH)
    if size <= 1:
        for page in pages(store, after, last):
            yield _span(page, checked)
        return
    spans = _spans(store, after, last)
    for found in in_order(spans, partial(_far, url, checked), How(), size, partial(_near, store, checked), AHEAD):
        if found.events.positions:
            yield found


def _spans(store: EventStore, after: int, last: int) -> Iterator[AboveUpTo]:
    while after < last and (found := store.rows(after, 1)) and found[0][0] <= last:
        after, before = found[0][0] + PART - 1, found[0][0] - 1
        yield before, min(after, last)


def _far(url: str, checked: bool, span: AboveUpTo) -> HashedSpan:
    """In another process."""
    return _near(_opened(url), checked, span)


@lru_cache(1)
def _opened(url: str) -> EventStore:
    return open_store(url, create=False)


class TakenUpTo:
    """What was read, as far as is asked for each time: up to a position, and no more than so many events."""

    def __init__(self, reads: Iterator[HashedSpan]) -> None:
        self._reads = reads
        self._rest: HashedSpan | None = None

    def __call__(self, position: int, most: int = sys.maxsize) -> Iterator[HashedSpan]:
        while most and (found := self._rest or next(self._reads, None)) is not None:
            self._rest = None
            events, bad = found
            cut = min(bisect_right(events.positions, position), most)
            most -= cut
            if cut == len(events.positions):
                yield found
                continue
            here = bad is not None and cut > 0 and bad <= events.positions[cut - 1]
            self._rest = HashedSpan(events.part(cut, len(events.positions)), None if here else bad)
            if cut:
                yield HashedSpan(events.part(0, cut), bad if here else None)
            return


def pages(store: EventStore, after: int, last: int) -> Iterator[list[WholeRow]]:
    """Each begins with the last row of the one before, which is left out, so that two rows at one position are seen."""
    seen: WholeRow | None = None
    while after < last and (page := store.rows(after, PAGE)):
        after = page[-1][0] - 1
        at_end = len(page) < PAGE or (seen is not None and page[-1] == seen) or page[-1][0] > last
        rows = [row for row in page if row[0] <= last] if page[-1][0] > last else page
        if seen is not None and seen[0] == page[0][0]:
            rows = [row for row in rows if row[0] != seen[0] or row != seen]
        seen = page[-1]
        if rows:
            yield rows
        if at_end:
            return


def _span(page: Sequence[WholeRow], checked: bool) -> HashedSpan:
    bad = _check.disagreeing(page) if checked else None
    try:
        return HashedSpan(hashed(page if bad is None else _spelt(page)), bad)
    except (TypeError, AttributeError):
        return HashedSpan(hashed(_spelt(page)), bad)


def _spelt(rows: Sequence[tuple[int, Any, Any, Any, Any]]) -> list[WholeRow]:
    """SQLite takes any type in any column: what is of another one than ours is spelt so that it is no row of ours."""
    return [(position, stream if isinstance(stream, str) else repr(stream), version,
             name if isinstance(name, str) else repr(name), state if isinstance(state, bytes) else repr(state).encode())
            for position, stream, version, name, state in rows]


def _near(store: EventStore, checked: bool, span: AboveUpTo) -> HashedSpan:
    """Of a span."""
    positions, streams, versions, leaves = list[int](), list[str](), list[int](), list[bytes]()
    bad: int | None = None
    for page in pages(store, *span):
        some, disagreeing = _span(page, checked and bad is None)
        positions += some.positions
        streams += some.streams
        versions += some.versions
        leaves += some.leaves
        bad = disagreeing if bad is None else bad
    return HashedSpan(Hashed(positions, streams, versions, leaves), bad)


_check = RowCheck()
