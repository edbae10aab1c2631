"""Histories for the tests of stored projections: an invented population, recorded as it is,
in the order of the clock."""

import json
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from ledger.domain.events import Event
from ledger.domain.submissions import Submission, read_submission, recorded
from ledger.domain.timelines import COLUMNS
from ledger.generate import generate
from ledger.projections.everybody import ProjectionDatabase
from ledger.projections.everybody.shape import Row
from ledger.rulebooks.loader import load_books
from ledger.store import EventStore

BOOKS = load_books()


@cache
def population(students: int, seed: int = 1, first: int = 0) -> tuple[Event, ...]:
    """Events of so many students, mixed as they were recorded, ready to be appended."""
    found = []
    for line in generate(students, seed, first=first):
        submission = read_submission(json.loads(line))
        assert isinstance(submission, Submission), submission
        found.append(submission)
    found.sort(key=lambda s: s.recorded_at)  # a stable sort: each student's stay in their order
    versions: dict[str, int] = {}
    events = []
    for submission in found:
        versions[submission.student] = versions.get(submission.student, 0) + 1
        events.append(recorded(submission, submission.recorded_at, versions[submission.student], None, ()))
    return tuple(events)


def fill(store: EventStore, events: Sequence[Event], size: int = 500) -> None:
    for start in range(0, len(events), size):
        store.append(events[start:start + size])


def submission(student: str, id: str, type: str, on: str, data: dict[str, Any],
               recorded_on: str | None = None) -> Submission:
    found = read_submission({"id": id, "type": type, "student": student, "career": f"{student}-B",
                             "effective_on": on, "data": data,
                             "recorded_at": f"{recorded_on or on}T12:00:00Z", "source": "test", "actor": "test"})
    assert isinstance(found, Submission), found
    return found


def append(store: EventStore, *submissions: Submission) -> int:
    """Records them as they are; the position of the last."""
    for one in submissions:
        stream = store.stream(one.student)
        moment = max(one.recorded_at, *(event.recorded_at for event in stream[-1:])) if stream else one.recorded_at
        [stored] = store.append([recorded(one, moment, len(stream) + 1, None, ())])
    return stored.position


def a_debtor(student: str) -> list[Submission]:
    """A bachelor's whose first instalment of 400.00, due on 17 February 2026, stays unpaid."""
    return [
        submission(student, "a1", "enrolled", "2025-09-20",
                   {"programme": "L-FIL", "academic_year": "2025-26", "course_type": "bachelor",
                                                            "access": "open", "year": 1, "regime": "full-time"}),
        submission(student, "a2", "instalment-paid", "2025-09-20", {"charge": "2025-26:enrolment", "amount": "156.00"}),
        submission(student, "a3", "contribution-assessed", "2026-01-10",
                   {"academic_year": "2025-26", "contribution": "900.00"}),
    ]


def tables(database: ProjectionDatabase) -> dict[str, list[Row]]:
    """Everything that is stored, in one order."""
    _, found = database.ask([(f"SELECT student, {', '.join(columns)} FROM {{{kind}}}", {})
                             for kind, columns in COLUMNS.items()])
    return {kind: sorted(rows, key=repr) for kind, rows in zip(COLUMNS, found, strict=True)}


def streams(events: Iterable[Event]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in events:
        found.setdefault(event.student, []).append(event)
    return found
