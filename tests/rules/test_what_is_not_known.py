"""What a partial book leaves open is told by every answer alike: status, fees, audit, the stored rows that the reports
read, the state topic, and the booking gate that answers from it. None is silent about a gap that another tells."""

from datetime import date, timedelta
from typing import Any

import pytest

from ledger.domain.decisions import reasons_against_act
from ledger.domain.events import Event, ExamBooked
from ledger.domain.timelines import timelines
from ledger.relay.states import states
from ledger.wire.career import person_on
from ledger.wire.message import encode
from ledger.wire.state import CareerState

from .memory import MemoryLedger
from .runner import History, _Run
from .test_histories import BOOKS, FOUND

Gaps = set[tuple[str, ...]]
OPEN = [pytest.param(history, id=name) for name, history in FOUND if "UNKNOWN-VALUE" in history.rules]


def days_of(history: History) -> list[date]:
    return sorted({ask.on for check in history.checks
                   for ask in (check.status, check.fees, check.eligibility, check.audit) if ask is not None})


def told(career: str, gaps: Any) -> Gaps:
    """(career, about, name, rule, year) of each."""
    return {(career, gap["about"], gap["name"], gap["missing"]["rule"], gap["missing"]["academic_year"])
            for gap in gaps}


def in_states(found: list[CareerState], day: date) -> Gaps:
    return {(state.career, u.about, u.name, u.rule, u.academic_year)
            for state in found for span in state.status if span.holds_on(day) for u in span.unknown}


def in_rows(events: list[Event], student: str, day: date) -> Gaps:
    return {(career, about, name, rule, year) for career, about, name, since, until, rule, year, _ in
            timelines(events, student, BOOKS)["gaps"] if since <= day and (until is None or day < until)}


@pytest.mark.parametrize("history", OPEN)
def test_each_answer_tells_what_is_not_known(history: History) -> None:
    ledger = MemoryLedger(BOOKS)
    list(_Run(ledger, history).failures())
    for student, events in ledger.streams.items():
        if not events:
            continue
        found = [CareerState.model_validate_json(encode(one)) for one in states(events, student, BOOKS)]
        for day in days_of(history)[-4:]:
            shown = ledger.status(student, day)["careers"]
            begun = {career["career"] for career in shown}
            status = set().union(*(told(career["career"], career.get("unknown", ())) for career in shown))
            gaps = {gap for gap in status if gap[3] != "DEC-1"}
            unknown = ledger.fees(student, day).get("unknown", ())
            fees = set().union(*(told(gap["career"], [gap]) for gap in unknown))
            assert {gap for gap in fees if gap[0] in begun} == gaps, day
            assert {row for row in in_rows(events, student, day) if row[0] in begun} == status, day
            assert {gap for gap in in_states(found, day) if gap[0] in begun} == gaps, day
            notices = {(row["career"], row["message"].id.partition("/")[2]) for row in ledger.audit([student], day)
                       if row["rule"] == "UNKNOWN-VALUE"}
            assert {gap[:2] for gap in fees} <= notices, day
            for state in found:
                gate_agrees(ledger, state, student, day)


def gate_agrees(ledger: MemoryLedger, state: CareerState, student: str, day: date) -> None:
    """About calls of the running year and of the one before."""
    for year in ("2023-24", "2024-25", "2025-26"):
        call = ExamBooked.model_validate({"course": "A", "academic_year": year, "session": "summer", "mode": "written",
                                          "held_on": day + timedelta(days=10), "calls_start_on": day})
        answer = ledger.eligibility(student, day, state.career, call)
        gate = reasons_against_act("exam-booked", call, day, person_on(state, day), state.career, BOOKS)
        assert rules([one.as_json() for one in gate]) == rules(answer["reasons"]), (day, year)
        assert answer["eligible"] is not bool(gate)


def rules(reasons: list[Any]) -> list[Any]:
    return [(one["rule"], one.get("missing")) for one in reasons]
