# ruff: noqa: S608 - statements are put together from names of our own only
"""Compares: the stored rows with what is computed (`verify`), and what two laws make of the same events (`diff`)."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from ledger.domain.books import LawBooks
from ledger.domain.events import Event
from ledger.domain.phrases import says
from ledger.domain.timelines import COLUMNS, KEYS
from ledger.parallel import How
from ledger.sql.base import Row
from ledger.store import SetAside, SomeSetAside, StoreUnusable, open_store
from ledger.store.errors import fault
from ledger.store.mapper import stream_id
from ledger.store.workers import Divided, Elsewhere, Progress, Task, Workbench, parts_of, run_all

from .database import OtherLog, Position, check_law
from .open import open_database
from .rebuild import Bench
from .shape import StoredRows, law_of, rows_of, shown

Difference = dict[str, Any]
"""`student`, `what` (the kind of row), the columns of its key, and the intervals that stand on one side only."""
_Found = tuple[int, list[Difference], list[SetAside]]
"""Of a part: how many events, what differs, and who cannot be read."""
PAGE = 5_000


def verify(url: str, books: LawBooks, how: How | None = None,
           progress: Progress | None = None) -> Iterator[Difference]:
    """Every difference between stored and computed rows: `stored` and `computed` intervals. Nothing where all is well.

    Events may be appended meanwhile: rows are right when they are those of a position between the one they
    claim and now. Raises RebuildNeeded where the rows rest on another law, and at the end SomeSetAside
    where students cannot be read."""
    with open_database(url) as database:
        database.check_tables()
        check_law(database.positions(), law_of(books))
        if (why := database.strange()) is not None:
            raise OtherLog(f"{why}. Nothing was compared, and nothing should be made anew before the log itself is "
                           "compared with an archive: `career-ledger digests | python -m consumers.archive verify "
                           "FOLDER --ledger -`")
        if not database.positions():
            raise StoreUnusable(says("rebuild/nothing-stored"))
    yield from _all_parts(_verify_part, Divided(url, books, beside=open_database), how, progress)
    yield from _without_events(url)


def diff(url: str, books: LawBooks, other: LawBooks, how: How | None = None, progress: Progress | None = None,
         elsewhere: Elsewhere | None = None) -> Iterator[Difference]:
    """What would be answered otherwise under `other` rule books: `before` and `after` intervals, student by student."""
    yield from _all_parts(_diff_part, Divided(url, books, other, elsewhere=elsewhere), how, progress)


def _all_parts(call: Any, source: Divided[Any], how: How | None, progress: Progress | None) -> Iterator[Difference]:
    with open_store(source.url, create=False) as store:
        total = store.last_position()  # a little more than the events: positions have holes
    parts = parts_of(total)
    done = 0
    aside: list[SetAside] = []
    tasks: list[Task[_Found]] = [Task(call, (number, parts)) for number in range(parts)]
    for events, found, unread in run_all(tasks, source, how, total):
        yield from found
        aside += unread
        done += events
        if progress is not None:
            progress(done, max(done, total))
    if aside:
        raise SomeSetAside(aside)


def _verify_part(bench: Bench, part: tuple[int, int]) -> _Found:
    aside: list[SetAside] = []
    streams = bench.store.part(*part, aside.append)
    positions, rows = bench.beside.rows(streams.keys())
    check_law(positions, law_of(bench.books))
    stored = _by_student(rows, streams.keys())
    found: list[Difference] = []
    for student, events in streams.items():
        try:
            computed = rows_of(events, student, bench.books)
        except Exception as error:
            aside.append(SetAside(stream_id(student), student, events[-1].position, fault(error)))
            continue
        if not _same(stored[student], computed) and not _was_true(bench, student, stored[student], positions):
            found += _differences(student, stored[student], computed, "stored", "computed")
    return sum(map(len, streams.values())), found, aside


def _was_true(bench: Bench, student: str, stored: StoredRows, positions: list[Position]) -> bool:
    """Whether the rows are those of the events up to some position between the partition's and now."""
    at = next(p.position for p in positions if p.owns(stream_id(student)))
    events: list[Event] = bench.store.stream(student)
    known = sum(event.position <= at for event in events)
    return any(_same(stored, rows_of(events[:length], student, bench.books))
               for length in range(known, len(events) + 1))


def _diff_part(bench: Workbench[None], part: tuple[int, int]) -> _Found:
    if bench.other is None:
        raise RuntimeError("there is nothing to compare with")
    aside: list[SetAside] = []
    streams = bench.store.part(*part, aside.append)
    found: list[Difference] = []
    for student, events in streams.items():
        before, after = rows_of(events, student, bench.books), rows_of(events, student, bench.other)
        if not _same(before, after):
            found += _differences(student, before, after, "before", "after")
    return sum(map(len, streams.values())), found, aside


def _same(one: StoredRows, other: StoredRows) -> bool:
    return all(one[kind] == other[kind] or Counter(one[kind]) == Counter(other[kind]) for kind in COLUMNS)


def _by_student(rows: StoredRows, students: Iterable[str]) -> dict[str, StoredRows]:
    found: dict[str, StoredRows] = {student: {kind: [] for kind in COLUMNS} for student in students}
    for kind, some in rows.items():
        for row in some:
            found[row[0]][kind].append(row)
    return found


def _differences(student: str, left: StoredRows, right: StoredRows, left_name: str,
                 right_name: str) -> Iterator[Difference]:
    for kind, columns in COLUMNS.items():
        only_left = Counter(left[kind]) - Counter(right[kind])
        only_right = Counter(right[kind]) - Counter(left[kind])
        length = 1 + KEYS[kind]
        keys = sorted({row[1:length] for row in (*only_left, *only_right)}, key=repr)
        for key in keys:
            yield {"student": student, "what": kind, **dict(zip(columns, key, strict=False)),
                   left_name: [_interval(kind, row) for row in _of_key(only_left, key, length)],
                   right_name: [_interval(kind, row) for row in _of_key(only_right, key, length)]}


def _of_key(rows: "Counter[Row]", key: Row, length: int) -> list[Row]:
    return sorted((row for row in rows.elements() if row[1:length] == key), key=lambda row: repr(row[length:]))


def _interval(kind: str, row: Row) -> dict[str, Any]:
    columns, values = COLUMNS[kind][KEYS[kind]:], row[1 + KEYS[kind]:]
    return {name: shown(name, value) for name, value in zip(columns, values, strict=True)}


def _without_events(url: str) -> Iterator[Difference]:
    """Rows of students of whom the log knows nothing."""
    with open_database(url) as database:
        for kind in COLUMNS:
            after = ""
            while True:
                statement = (f"SELECT DISTINCT student FROM {{{kind}}} WHERE student > :after "
                             f"ORDER BY student LIMIT {PAGE}")
                _, [rows] = database.ask([(statement, {"after": after})])
                students = {stream_id(student): student for (student,) in rows}
                strangers = [students[stream] for stream in students.keys() - database.backend.known(students.keys())]
                for student in sorted(strangers):
                    empty: StoredRows = {name: [] for name in COLUMNS}
                    _, stored = database.rows([student])
                    yield from (d for d in _differences(student, stored, empty, "stored", "computed")
                                if d["what"] == kind)
                if len(rows) < PAGE:
                    break
                after = rows[-1][0]
