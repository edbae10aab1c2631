"""Answers and knowledge: what was known then, in which order it was learned, and what is submitted twice."""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import assume, given, note, settings
from hypothesis import strategies as st

from ledger.audit.compliance import Limits, findings
from ledger.bootstrap import open_ledger
from ledger.domain import events as e
from ledger.domain.events import Event
from ledger.domain.knowledge import known
from ledger.domain.submissions import Submission
from ledger.domain.values import format_instant
from ledger.handling.submit import submit
from ledger.projections.student import fees, status
from ledger.store import open_store

from .histories import BOOKS, STUDENT, Line, heard_at, record, stories, told


def answers(events: Sequence[Event], day: date) -> dict[str, Any]:
    """Everything that is asked of a day, without positions, and whenever it was recorded."""
    found = {"status": status.answer(events, STUDENT, day, BOOKS), "fees": fees.answer(events, STUDENT, day, BOOKS)}
    for answer in found.values():
        del answer["known_position"]
    return {**found, "audit": list(findings(events, day, BOOKS, Limits(days=10_000)))}


@given(stories())
def test_answer_as_known_at_a_position_equals_that_of_a_ledger_with_the_first_events(lines: list[Line]) -> None:
    events = record(lines)
    assume(events)
    note(told(events))
    day = max(n.effective_on for n in events)
    for count, event in enumerate(events, 1):
        assert known(events, position=event.position) == events[:count]
        assert known(events, at=event.recorded_at) == events[:count]
    half = events[:(len(events) + 1) // 2]
    ids = {n.id for n in half}
    told_less = record([line for line in lines if line.submission.id in ids])
    assert answers(told_less, day) == answers(known(events, position=half[-1].position), day)


@given(stories(), st.randoms(use_true_random=False))
def test_order_of_recording_does_not_change_the_answers_afterwards(lines: list[Line], random: Any) -> None:
    """Facts of different days in another order; those of one day stay in theirs, a void stays
    behind what it takes back."""
    events = record(lines)
    assume(len(events) > 1)
    note(told(events))
    opens = [n for n in events if n.type in e.OPENS_A_CAREER]
    others = [n for n in events if n.type not in e.OPENS_A_CAREER and n.type != "event-voided"]
    voids = [n for n in events if n.type == "event-voided"]
    random.shuffle(opens)
    random.shuffle(others)
    # A position for each; those of one day keep their order among each other.
    mixed = _days_in_order(events, opens + others) + voids
    last = max(n.recorded_at for n in events)
    again = record([Line(last.date(), Submission(n.id, n.type, n.student, n.career, n.effective_on, None, n.source,
                                                 n.actor, n.data, n.override)) for n in mixed])
    assume(len(again) == len(events))  # a career that another event names had not begun: refused
    for day in sorted({n.effective_on for n in events})[-2:]:
        same = answers([n for n in events if n.effective_on <= day or n in voids], day)
        assert same == answers([n for n in again if n.effective_on <= day or n.type == "event-voided"], day)


def _days_in_order(events: list[Event], mixed: list[Event]) -> list[Event]:
    waiting: dict[date, list[Event]] = {}
    for event in events:
        if event.type != "event-voided":
            waiting.setdefault(event.effective_on, []).append(event)
    return [waiting[event.effective_on].pop(0) for event in mixed]


@given(stories())
def test_voided_event_leaves_no_trace_in_any_answer(lines: list[Line]) -> None:
    events = record(lines)
    voids = {n.data.event: n for n in events if isinstance(n.data, e.EventVoided)}
    assume(voids)
    note(told(events))
    never = [n for n in events if n.id not in voids and n not in voids.values()]
    assume(never)
    for day in sorted({n.effective_on for n in events})[-2:]:
        assert answers(events, day) == answers(never, day)


def past(lines: list[Line]) -> list[Line]:
    """What a database takes whose clock is right: it keeps out what is recorded ahead of it."""
    return [line for line in lines if line.heard_on < date(2026, 11, 1)]


def _raw(line: Line, number: int) -> dict[str, Any]:
    return {**line.submission.content(), "recorded_at": format_instant(heard_at(line, number))}


@settings(max_examples=15)
@given(stories())
def test_submitting_twice_stores_once(lines: list[Line]) -> None:
    lines = past(lines)
    assume(lines)
    with TemporaryDirectory() as folder, open_store(f"sqlite:///{Path(folder) / 'ledger.db'}") as store:
        moment = heard_at(lines[-1], len(lines))
        rows = [_raw(line, number) for number, line in enumerate(lines)]
        first = [submit(store, BOOKS, row, "record", lambda: moment) for row in rows]
        stored = store.stream(STUDENT)
        second = [submit(store, BOOKS, row, "record", lambda: moment) for row in rows]
        assert store.stream(STUDENT) == stored
        for one, other in zip(first, second, strict=True):
            if one["outcome"] == "accepted":
                assert other["outcome"] == "duplicate"
                assert (other["position"], other["version"]) == (one["position"], one["version"])
        assert [n.placed(0) for n in stored] == [n.placed(0) for n in record(lines)]


@settings(max_examples=15)
@given(stories(on_time=True), st.data())
def test_stored_ledger_as_known_at_a_position_equals_one_that_was_told_less(lines: list[Line],
                                                                            data: st.DataObject) -> None:
    """The same through the store and the questions: one file told everything, one told the first lines only."""
    assume(lines)
    rows = [json.dumps(_raw(line, number)).encode() for number, line in enumerate(lines)]
    told_first = data.draw(st.integers(1, len(rows)))
    day = max(line.submission.effective_on for line in lines)
    with TemporaryDirectory() as folder:
        whole, part = (open_ledger(f"sqlite:///{Path(folder) / name}") for name in ("a.db", "b.db"))
        try:
            list(whole.append_lines(rows, mode="record"))
            last = [row["position"] for row in part.append_lines(rows[:told_first], mode="record") if "position" in row]
            assume(last)
            for ask in ("status", "fees"):
                assert getattr(whole, ask)(STUDENT, day, known_position=last[-1]) == getattr(part, ask)(STUDENT, day)
            assert list(whole.history(STUDENT, day, known_position=last[-1])) == list(part.history(STUDENT, day))
        finally:
            whole.close()
            part.close()
