"""What is computed of a student is let go with her: nothing waits for the garbage collector, which comes seldom while a
batch runs, so that its memory would grow with the number of students."""

import gc
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timezone
from typing import Any

import pytest

from ledger.audit.run import Audit, look
from ledger.domain.events import Event
from ledger.domain.submissions import Submission, read_submission, recorded
from ledger.domain.timelines import timelines
from ledger.generate import generate
from ledger.relay.states import states
from ledger.rulebooks.loader import load_books

pytestmark = pytest.mark.xdist_group("let go")  # one worker looks through what is there, once
BOOKS = load_books()
ASKED = Audit(date(2026, 10, 31), datetime(2026, 11, 20, tzinfo=timezone.utc))
STUDENTS = 10
Streams = dict[str, list[Event]]


@pytest.fixture(scope="module")
def streams() -> Streams:
    found: Streams = {}
    for line in generate(STUDENTS, 4):
        one = read_submission(json.loads(line))
        assert isinstance(one, Submission)
        held = found.setdefault(one.student, [])
        held.append(recorded(one, one.recorded_at, len(held) + 1, None, ()))
    return found


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.collect()
    gc.freeze()  # what is there already is not looked through again and again
    gc.disable()
    yield
    gc.enable()


def rows(events: Sequence[Event], student: str) -> Any:
    return timelines(events, student, BOOKS)


def published(events: Sequence[Event], student: str) -> Any:
    return list(states(events, student, BOOKS))


def audited(events: Sequence[Event], student: str) -> Any:
    return look([(student, events)], ASKED, BOOKS)


@pytest.mark.parametrize("compute", [rows, published, audited])
def test_nothing_of_a_student_waits_for_the_garbage_collector(streams: Streams, uncollected: None,
                                                              compute: Callable[..., Any]) -> None:
    for _ in range(2):  # what is kept for all students is made in the first pass
        for student, events in streams.items():
            compute(events, student)
        left = gc.collect()
    assert left == 0
