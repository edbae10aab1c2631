"""Answers and time: a timeline is what each day's events say, its intervals fit together, and
what is announced comes true."""

from itertools import pairwise

from hypothesis import assume, example, given, note

from ledger.audit.compliance import findings
from ledger.domain import knowledge
from ledger.projections.student import fees, status
from ledger.projections.student.words import changes, forecast, snapshot

from .histories import BEGINNING, BOOKS, ONE_DAY, STUDENT, Line, assessed, enrolled, paid, record, stories, story, told
from .timeline import blocks_of, days_that_matter, state_on, timeline, value_of

_PLAN = ("instalment-plan-agreed", "2025-09-10", {"charges": ["2025-26:enrolment"], "motivated": True,
                                                  "instalments": [{"due_on": "2025-11-15", "amount": "156.00"}]})


@given(stories())
@example(story(enrolled("2025-09-01"), _PLAN))
def test_timeline_on_a_day_equals_the_answer_from_the_events_up_to_it(lines: list[Line]) -> None:
    events = record(lines)
    assume(events)
    note(told(events))
    intervals = timeline(events, value_of)
    for day in days_that_matter(events):
        up_to = [n for n in events if n.effective_on <= day or n.type == "event-voided"]
        found = [i for i in intervals if i.first <= day and (i.until is None or day < i.until)]
        expected = value_of(state_on(up_to, day))
        if not found:  # nothing had happened yet that holds
            assert not expected["careers"]
            continue
        assert len(found) == 1
        assert found[0].value == expected, f"{day}: the interval from {found[0].first} to {found[0].until} differs"


@given(stories())
def test_answers_on_a_day_need_only_the_events_up_to_it(lines: list[Line]) -> None:
    events = record(lines)
    assume(events)
    note(told(events))
    for day in sorted({n.effective_on for n in events}):
        up_to = [n for n in events if n.effective_on <= day or n.type == "event-voided"]
        for ask in (status.answer, fees.answer):
            whole, part = ask(events, STUDENT, day, BOOKS), ask(up_to, STUDENT, day, BOOKS)
            del whole["known_position"], part["known_position"]
            assert whole == part
        assert list(findings(events, day, BOOKS)) == list(findings(up_to, day, BOOKS))


@given(stories())
@example(story(*BEGINNING, paid("2026-04-10", "instalment-1", "300.00"), assessed("2026-04-10", "400.00")))
def test_intervals_neither_overlap_nor_have_a_hole(lines: list[Line]) -> None:
    events = record(lines)
    assume(events)
    note(told(events))
    for value in (value_of, blocks_of):
        intervals = timeline(events, value)
        assert all(i.until is not None and i.first < i.until == j.first for i, j in pairwise(intervals))
        assert intervals[-1].until is None
    ends_on = {}
    for interval in timeline(events, blocks_of):
        for key, block in interval.value.items():
            assert block["from"] <= interval.first.isoformat(), f"{key} begins after {interval.first}"
            # A block's first day is that of the unbroken run of days on which it is in force.
            until, since = ends_on.get(key, (None, None))
            began = since if until == interval.first else interval.first.isoformat()
            assert block["from"] == began, f"{key}: from {block['from']}, in force since {began}"
            ends_on[key] = (interval.until, began)


@given(stories())
def test_block_never_begins_before_its_charge_is_raised(lines: list[Line]) -> None:
    events = record(lines)
    assume(events)
    note(told(events))
    for interval in timeline(events, value_of):
        raised = {(c["career"], c["charge"]): c["raised_on"] for c in interval.value["charges"]}
        for key, block in interval.value["blocks"].items():
            if "charge" in block:
                assert block["from"] >= raised[key.partition("/")[0], block["charge"]]


@given(stories())
@example(story(enrolled("2025-09-01"), _PLAN))
def test_what_is_announced_comes_true_when_nothing_else_happens(lines: list[Line]) -> None:
    """On every later day that matters exactly the announced changes come, no other; each block ends on its `until`."""
    events = record(lines)
    assume(events)
    note(told(events))
    days = days_that_matter(events)
    for asked in sorted({n.effective_on for n in events})[-3:]:
        up_to = [n for n in events if n.effective_on <= asked or n.type == "event-voided"]
        announced = dict(forecast(knowledge.in_force(up_to), STUDENT, asked, BOOKS, lambda _: None)[1])
        assert asked not in announced
        answer = status.answer(up_to, STUDENT, asked, BOOKS)
        ends = {(c["career"], b["kind"], b["rule"], b.get("charge")): b["until"] for c in answer["careers"]
                for b in c["blocks"]}
        before, yesterday = snapshot(state_on(up_to, asked), BOOKS), asked
        for day in sorted({d for d in days if d > asked} | set(announced)
                          | {d - ONE_DAY for d in announced if d - ONE_DAY > asked}):
            person = state_on(up_to, day)
            after = snapshot(person, BOOKS)
            came = changes(before, after)
            assert came == announced.get(day, []), f"asked {asked}: between {yesterday} and {day}"
            in_force = {(name, k, r, c or None) for name, career in person.careers.items() for k, r, c in career.blocks}
            for key, until in list(ends.items()):
                assert (key in in_force) == (until is None
                                             or day.isoformat() < until), f"asked {asked}: {key} until {until} on {day}"
                if until is not None and day.isoformat() >= until:
                    del ends[key]  # it may begin again
            before, yesterday = after, day
