"""Decisions: every submission gets a verdict, every history an answer, and what the rules
allowed is no breach afterwards."""

from datetime import date, datetime, timedelta, timezone
from typing import Any

from hypothesis import assume, given, note
from hypothesis import strategies as st

from ledger.audit.compliance import findings
from ledger.domain import events as e
from ledger.domain.decisions import Accepted, Invalid, Refused, decide
from ledger.domain.events import ExamBooked
from ledger.domain.knowledge import NotFound
from ledger.domain.standing import Standing
from ledger.domain.submissions import recorded
from ledger.projections.student import eligibility, fees, history, status

from .histories import BOOKS, ONE_DAY, STUDENT, YEARS, Line, heard_at, record, stories, told, well_formed

_FAR_YEARS = (*YEARS, "1900-01", "1999-00", "2199-00")
_DAYS = (st.dates(date(1900, 1, 1), date(2199, 12, 31)) | st.dates(date(2019, 3, 1), date(2021, 12, 31))
         | st.dates(date(2025, 3, 1), date(2027, 12, 31)))
_AMOUNTS = st.integers(1, 10**11 - 1).map(lambda c: f"{c // 100}.{c % 100:02d}") | st.sampled_from(["0.01",
                                                                                                    "156.00", "400.00"])
_KEYS = st.sampled_from(["2025-26:enrolment", "2025-26:instalment-1", "2019-20:instalment-2#2", ":", "2025-26:", "x",
                         "2025-26:late-fee/", "0000-00:a:b#"])


@given(stories(on_time=True, voids=False, overrides=False, most=20))
def test_audit_finds_no_act_in_breach_when_all_were_enforced_in_time(lines: list[Line]) -> None:
    events = record(lines, "enforce")
    assume(events)
    note(told(events))
    acts = {n.id for n in events if n.type in e.ACTS}
    assert not any(n.breaches for n in events)
    day = max(n.effective_on for n in events)
    for finding in findings(events, day, BOOKS):
        assert finding["severity"] != "breach" or finding["event"] not in acts, finding
    assert [f for f in findings(events, day + timedelta(days=400), BOOKS) if f["severity"] == "derogation"] == []


@given(stories())
def test_every_submission_gets_a_verdict_in_both_modes(lines: list[Line]) -> None:
    events = record(lines)
    note(told(events))
    for number, line in enumerate(lines):
        for known, mode in (([], "enforce"), ([], "record"), (events, "enforce")):  # `record` has asked the fourth
            verdict = decide(Standing(line.submission.student, BOOKS, known), line.submission,
                             heard_at(line, number), BOOKS, mode)
            if isinstance(verdict, Accepted):
                assert len(set(verdict.breaches)) == len(verdict.breaches)
            elif isinstance(verdict, Refused):
                assert mode == "enforce"
                assert verdict.reasons
                assert all(r.as_json()["message"] and r.source["heading"] for r in verdict.reasons)
            else:
                assert isinstance(verdict, Invalid)
                assert verdict.problems


@given(stories())
def test_standing_kept_between_acts_decides_as_one_made_anew(lines: list[Line]) -> None:
    kept = Standing(STUDENT, BOOKS)
    for number, line in enumerate(lines):
        moment, at = heard_at(line, number), len(kept.events) + 1
        verdict = decide(kept, line.submission, moment, BOOKS, "record")
        assert verdict == decide(Standing(STUDENT, BOOKS, kept.events), line.submission, moment, BOOKS, "record")
        if isinstance(verdict, Accepted):
            kept.add(recorded(line.submission, moment, at, verdict.rulebook, verdict.breaches, at, verdict.clear))


@given(stories(), st.sampled_from(["X1", "X2", "X9"]), st.sampled_from(_FAR_YEARS), st.integers(-40, 40))
def test_every_question_is_answered_on_any_history(lines: list[Line], course: str, year: str, ahead: int) -> None:
    events = record(lines)
    assume(events)
    note(told(events))
    days = sorted({n.effective_on for n in events})
    for day in (days[0] - ONE_DAY, days[len(days) // 2], days[-1] + timedelta(days=1500)):
        status.answer(events, STUDENT, day, BOOKS)
        fees.answer(events, STUDENT, day, BOOKS)
        shown = list(history.answer(events, STUDENT, day, BOOKS))
        assert [n["id"] for n in shown] == [n.id for n in events if n.effective_on <= day]
        list(findings(events, day, BOOKS))
        for career in {n.career for n in events if n.career is not None}:
            held = day + timedelta(days=ahead)
            call = ExamBooked(course=course, held_on=held, session="summer", academic_year=year,
                              calls_start_on=held, mode="written")
            answer = eligibility.answer(events, STUDENT, day, BOOKS, career, call)
            assert answer["eligible"] is (not answer["reasons"])
            for reason in answer["reasons"]:
                facts = reason.get("facts", [])
                assert all(fact not in facts[:at] for at, fact in enumerate(facts))


@st.composite
def _odd(draw: Any) -> list[Line]:
    """Well-formed submissions with values at the ends of what the form allows."""
    found = []
    for number in range(draw(st.integers(1, 7))):
        kind = draw(st.sampled_from(sorted(_ODD)))
        day = draw(_DAYS)
        raw = {"id": f"o{number}", "type": kind, "student": STUDENT,
               "career": draw(st.sampled_from(["C1", "C1", "C2"])),
               "effective_on": day.isoformat(), "source": "test", "actor": "test", "data": _ODD[kind](draw)}
        found.append(Line(day, well_formed(raw)))
    return found


def _odd_enrolment(draw: Any) -> dict[str, Any]:
    return {"programme": "P", "academic_year": draw(st.sampled_from(_FAR_YEARS)),
            "course_type": draw(st.sampled_from(["master", "single-cycle"])),
            "access": draw(st.sampled_from(["open", "restricted"])),
            "year": draw(st.integers(1, 6)), "regime": "full-time"}


_ODD: dict[str, Any] = {
    "enrolled": _odd_enrolment,
    "enrolled-with-reservation": lambda d: {
        **_odd_enrolment(d), "ground": "degree-pending", "missing_exams": 0, "missing_cfu": 1000,
        "home_university": "same",
        "home_career": "C9"},
    "enrolment-renewed": lambda d: {"academic_year": d(st.sampled_from(_FAR_YEARS)), "year": 6,
                                    "standing": "beyond-course"},
    "single-courses-enrolled": lambda d: {
        "academic_year": d(st.sampled_from(_FAR_YEARS)), "issued_on": d(_DAYS).isoformat(),
        "courses": [{"code": "X1", "cfu": d(st.sampled_from([0, 0.5, 1000, 7.25])),
                     "lectures_end_on": d(_DAYS).isoformat()}]},
    "contribution-assessed": lambda d: {"academic_year": d(st.sampled_from(_FAR_YEARS)), "contribution": d(_AMOUNTS)},
    "instalment-paid": lambda d: {"charge": d(_KEYS), "amount": d(_AMOUNTS)},
    "payment-refunded": lambda d: {"charge": d(_KEYS), "amount": d(_AMOUNTS)},
    "payment-moved": lambda d: {"from_charge": d(_KEYS), "to_charge": d(_KEYS), "amount": d(_AMOUNTS)},
    "charge-decided": lambda d: {"charge": d(_KEYS), "amount": d(_AMOUNTS), "reason": "", "authority": "a"},
    "instalment-plan-agreed": lambda d: {"charges": [d(_KEYS)],
                                         "instalments": [{"due_on": d(_DAYS).isoformat(), "amount": d(_AMOUNTS)}]},
    "exam-booked": lambda d: {"course": "X1", "held_on": d(_DAYS).isoformat(),
                              "academic_year": d(st.sampled_from(_FAR_YEARS)),
                              "session": "winter", "calls_start_on": d(_DAYS).isoformat(), "mode": "oral"},
    "exam-graded": lambda d: {"course": "X1", "held_on": d(_DAYS).isoformat(), "outcome": "passed", "cfu": 6,
                              "session": "winter", "mode": "written", "refuse_by": d(_DAYS).isoformat()},
    "study-plan-approved": lambda d: {"academic_year": d(st.sampled_from(_FAR_YEARS)), "courses": []},
    "cfu-recognised": lambda d: {"kind": "transfer", "academic_year": d(st.sampled_from(_FAR_YEARS)),
                                 "cfu": 1000, "resolution": "r"},
    "recognition-requested": lambda d: {"kind": "transfer", "academic_year": d(st.sampled_from(_FAR_YEARS))},
    "withdrawal-requested": lambda d: {},
    "graduated": lambda d: {"academic_year": d(st.sampled_from(_FAR_YEARS)), "session": "extraordinary"},
    "isee-certified": lambda d: {"academic_year": d(st.sampled_from(_FAR_YEARS)), "issued_on": d(_DAYS).isoformat(),
                                 "valid_for_university": True},
}


@given(_odd())
def test_values_at_the_ends_of_the_form_break_nothing(lines: list[Line]) -> None:
    end = datetime(2200, 1, 2, tzinfo=timezone.utc)
    events = record([Line(end.date(), line.submission) for line in lines])
    for line in lines:
        decide(Standing(line.submission.student, BOOKS, events), line.submission, end + timedelta(hours=20),
               BOOKS, "enforce")
    note(told(events))
    for day in (date(1899, 12, 31), *(n.effective_on for n in events), date(2026, 10, 1), date(2200, 12, 31)):
        try:
            fees.answer(events, STUDENT, day, BOOKS)
            status.answer(events, STUDENT, day, BOOKS)
        except NotFound:
            assert not events
        list(findings(events, day, BOOKS))
