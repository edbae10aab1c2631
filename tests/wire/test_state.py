"""A state message gives, for any day, the answers that the ledger gives from the events."""

import random
import re
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ledger.domain.books import LawBooks
from ledger.domain.decisions import reasons_against_act
from ledger.domain.events import PAYLOADS, Event, ExamBooked, Override, StudyPlanApproved
from ledger.domain.submissions import Submission, recorded
from ledger.projections.student import eligibility, status
from ledger.projections.student.fees import answer as fees
from ledger.relay.states import states
from ledger.wire.career import person_on
from ledger.wire.message import History, encode
from ledger.wire.state import CareerState, Span, message
from ledger.words import sentence, told
from tests.projections.populations import BOOKS, population, streams, submission
from tests.rules.test_rule_that_is_unknown import unknowing
from tests.sizes import sized

from .examples import DATA, MOMENT, SECRET

STUDENTS = sized(15, 60)


def _streams(students: int, seed: int) -> dict[str, list[Event]]:
    return streams(event.placed(n) for n, event in enumerate(population(students, seed), 1))


def _read(events: list[Event], student: str) -> dict[str, CareerState]:
    """Through the bytes of the topic."""
    return {s["career"]: CareerState.model_validate_json(encode(s)) for s in states(events, student, BOOKS)}


def _days(events: list[Event], states: dict[str, CareerState], pick: random.Random) -> list[date]:
    """Days around every border that the messages name, and some between."""
    found = {e.effective_on for e in events}
    for state in states.values():
        for span in (s for _, value in state if isinstance(value, tuple) for s in value if isinstance(s, Span)):
            found |= {span.from_, span.until or span.from_}
    found = {day + timedelta(days=n) for day in found for n in (-1, 0)}
    return pick.sample(sorted(found), min(len(found), 25))


def _calls(events: list[Event], pick: random.Random) -> list[ExamBooked]:
    """Calls that were booked, and invented ones of courses in her plans and of one in none."""
    found = [e.data for e in events if isinstance(e.data, ExamBooked)]
    for plan in (e.data for e in events if isinstance(e.data, StudyPlanApproved)):
        for course in plan.courses[:3]:
            held = date(int(plan.academic_year[:4]) + 1, pick.choice((1, 2, 6, 9)), pick.randint(1, 28))
            found.append(ExamBooked(course=course.code, held_on=held, academic_year=plan.academic_year, mode="written",
                                    session="winter" if held.month < 3 else "summer",
                                    calls_start_on=held.replace(day=1)))
    found.append(ExamBooked(course="NOWHERE", held_on=date(2026, 6, 20), academic_year="2025-26", session="summer",
                            mode="oral", calls_start_on=date(2026, 6, 1)))
    return pick.sample(found, min(len(found), 8))


@pytest.mark.faults
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_gate_answers_equal_the_ledgers_for_a_generated_population(seed: int) -> None:
    pick = random.Random(seed)
    asked = refused = 0
    for student, events in _streams(STUDENTS, seed).items():
        found = _read(events, student)
        assert set(found) == {e.career for e in events if e.career is not None}
        for day in _days(events, found, pick):
            call = pick.choice(_calls(events, pick))
            for career, state in found.items():
                expected = eligibility.answer(events, student, day, BOOKS, career, call)
                reasons = reasons_against_act("exam-booked", call, day, person_on(state, day), career, BOOKS)
                assert told([r.as_json() for r in reasons]) == told(expected["reasons"]), (student, career, day, call)
                asked, refused = asked + 1, refused + bool(reasons)
    assert asked > 8 * STUDENTS
    assert 0 < refused < asked


@pytest.mark.faults
def test_timelines_equal_status_and_fees_on_any_day() -> None:
    pick = random.Random(4)
    for student, events in _streams(STUDENTS, 4).items():
        found = _read(events, student)
        for day in _days(events, found, pick):
            shown = {c["career"]: c for c in status.answer(events, student, day, BOOKS)["careers"]}
            owed = {(c["career"], c["charge"]): c for c in fees(events, student, day, BOOKS)["charges"]}
            for career, state in found.items():
                span = next((s for s in state.status if s.holds_on(day)), None)
                expected = shown.get(career)
                assert (span.status if span else None) == (expected["status"] if expected else None), (student, career,
                                                                                                       day)
                blocks = sorted((b.kind, b.rule, b.charge, b.since.isoformat(), b.reason)
                                for b in state.blocks if b.holds_on(day))
                assert blocks == sorted((b["kind"], b["rule"], b.get("charge"), b["from"], sentence(b["reason"]))
                                        for b in (expected["blocks"] if expected else []))
                charges = {c.charge: c for c in state.charges if c.holds_on(day)}
                assert set(charges) == {key for name, key in owed if name == career}, (student, career, day)
                for key, charge in charges.items():
                    for field in ("state", "amount", "paid", "refunded", "waived", "moved", "outstanding", "accruing"):
                        value = getattr(charge, field)
                        assert (value if field == "state"
                                else f"{value:.2f}") == owed[career, key][field], (student, key, day, field)


def test_a_career_whose_events_are_all_voided_has_an_empty_state() -> None:
    opened = submission("S1", "e1", "enrolled", "2025-09-20", {
        "programme": "L-FIL", "academic_year": "2025-26", "course_type": "bachelor", "access": "open",
        "year": 1, "regime": "full-time"})
    void = submission("S1", "e2", "event-voided", "2025-10-01",
                      {"event": "e1", "reason": "entered twice", "authority": "office"})
    events = [recorded(one, one.recorded_at, n, None, (), n) for n, one in enumerate((opened, void), 1)]
    [state] = states(events, "S1", BOOKS)
    assert (state["career"], state["position"], state["status"], state["charges"]) == ("S1-B", 2, [], [])


def _recorded(*given: tuple[str, str | None, str, dict[str, Any]]) -> list[Event]:
    """Events of S1 as (type, career, day, data), every text that must not leave marked as such."""
    found = []
    for n, (kind, career, on, data) in enumerate(given, 1):
        payload = PAYLOADS[kind].model_validate(data | {"note": SECRET + "note"})
        override = (Override(rule="ESA-1", reason=SECRET + "override", authority="Registrar"),)
        one = Submission(f"e{n}", kind, "S1", career, date.fromisoformat(on), None, "test", "test", payload, override)
        found.append(recorded(one, MOMENT, n, None, (), n))
    return found


def _asked(state: CareerState, events: list[Event], day: date, call: ExamBooked, books: LawBooks) -> list[Any]:
    """The reasons that the gate gives, which are the ledger's."""
    found = told([r.as_json() for r in reasons_against_act("exam-booked", call, day, person_on(state, day),
                                                           state.career, books)])
    assert found == told(eligibility.answer(events, "S1", day, books, state.career, call)["reasons"])
    return found


def test_gate_answers_as_the_ledger_after_a_second_reservation() -> None:
    """Whose term is known, where that of the first is not."""
    enrolled = DATA["enrolled-with-reservation"] | {"access": "open", "home_university": "other"}
    events = _recorded(
        ("enrolled-with-reservation", "A", "2023-09-20", enrolled | {"academic_year": "2023-24"}),
        ("enrolled-with-reservation", "A", "2025-09-20", enrolled))
    [state] = _read(events, "S1").values()
    call = ExamBooked.model_validate(DATA["exam-booked"])
    assert "UNKNOWN-VALUE" in [one["rule"] for one in _asked(state, events, date(2024, 6, 10), call, BOOKS)]
    assert "ESA-5" in [one["rule"] for one in _asked(state, events, date(2026, 4, 10), call, BOOKS)]


@pytest.mark.parametrize(("reduction", "rule"), [("disability", "CS-9"), ("exchange", "CS-12")])
def test_a_price_that_cannot_be_told_does_not_name_the_ground_of_a_reduction(reduction: str, rule: str) -> None:
    """Where a book knows the price and not the reduction."""
    books, day = unknowing("2025-26", rule), date(2025, 12, 1)
    events = _recorded(("single-courses-enrolled", "D", "2025-10-20", {
        "academic_year": "2025-26", "reduction": reduction,
        "courses": [{"code": "PED-01", "cfu": 6, "lectures_end_on": "2026-01-16"}]}))
    assert [one["missing"]["rule"] for one in fees(events, "S1", day, books)["unknown"]] == [rule, rule]
    [state] = states(events, "S1", books)
    read = CareerState.model_validate_json(encode(state))
    assert [(one.name, one.rule) for one in read.status[0].unknown] == [
        ("2025-26:single-courses", "CS-4"), ("2025-26:single-courses-stamp", "CS-4")]
    said = _asked(read, events, day, ExamBooked.model_validate(DATA["exam-booked"] | {"course": "PED-01"}), books)
    assert "UNKNOWN-VALUE" in [one["rule"] for one in said]
    assert not re.search("disab|detent|exchange|reduction|CS-9|CS-12", f"{encode(state)!r} {said}")


def test_nothing_withheld_is_anywhere_in_a_state() -> None:
    """Health, detention, income, free texts: neither as given nor as what follows from them, such as the rule of a
    reduced charge."""
    year = {"academic_year": "2025-26"}
    courses = {"courses": [{"code": "PED-01", "cfu": 6, "lectures_end_on": "2026-01-16"}]}
    enrolled = DATA["enrolled"] | {"access": "open"}
    events = _recorded(
        ("enrolled", "A", "2025-09-20", enrolled),
        ("instalment-paid", "A", "2025-09-20", {"charge": "2025-26:enrolment", "amount": "156.00"}),
        ("regime-changed", "A", "2025-09-25", DATA["regime-changed"]),
        ("contribution-assessed", "A", "2025-12-10", DATA["contribution-assessed"]),
        ("charge-decided", "A", "2026-01-10", DATA["charge-decided"] | {"charge": "2025-26:instalment-1",
                                                                        "amount": "300.00"}),
        ("administrative-block-ordered", "A", "2026-02-01", year | {"reason": SECRET + "reason"}),
        ("study-plan-approved", "A", "2026-02-02", DATA["study-plan-approved"]),
        ("exam-graded", "A", "2026-02-03", {"course": "MAT-01", "held_on": "2026-02-03", "outcome": "passed", "cfu": 9,
                                            "session": "winter", "mode": "oral"}),
        ("exam-annulled", "A", "2026-02-10", {"course": "MAT-01", "held_on": "2026-02-03",
                                              "reason": SECRET + "reason"}),
        ("ticket-opened", None, "2026-02-11", DATA["ticket-opened"] | {"career": "A"}),
        ("suspended", "A", "2026-02-12", {"reason": SECRET + "reason"}),
        ("single-courses-enrolled", "D", "2025-10-20", year | courses | {"reduction": "disability"}),
        ("single-courses-enrolled", "E", "2025-10-20", year | courses | {"reduction": "exchange"}),
        ("forfeited", "A", "2027-01-30", {"reason": SECRET + "reason"}),
    )
    found = {state["career"]: state for state in states(events, "S1", BOOKS)}
    assert set(found) == {"A", "D", "E"}
    assert [c["amount"] for c in found["D"]["charges"]
            if c["charge"] == "2025-26:single-courses"] == [Decimal("90.00")], "6 CFU, reduced"
    assert [b["kind"] for b in found["A"]["blocks"]].count("administrative") >= 1
    everything = "\n".join(repr(message(state, History("test", 1))) for state in found.values())
    assert SECRET in repr(events)
    assert SECRET not in everything
    assert not re.search("disab|detent|exchange|CS-9|CS-12|category|band", everything)
    assert not re.search(r'"(note|override|grade|contribution|reduction|authority|subject)"', everything)
    for career in "DE":
        charges = CareerState.model_validate_json(encode(found[career])).charges
        assert len(charges) >= 2
        assert all(charge.rule is None for charge in charges)
