"""A student who may book the exam of F1, and submissions about her."""

import json
from datetime import datetime, timezone
from typing import Any

LATER = datetime(2026, 11, 2, 12, tzinfo=timezone.utc)
"""The ledger's clock in these tests, after everything that is submitted."""


def clock() -> datetime:
    return LATER


def submission(student: str, id: str, type: str, on: str, **data: Any) -> dict[str, Any]:
    return {"id": id, "type": type, "student": student, "career": f"{student}-B", "effective_on": on,
            "source": "test", "actor": "system:test", "data": data}


def enrolled(student: str) -> list[dict[str, Any]]:
    """Enrolled for 2025-26, all paid, with F1 in her plan: two calls in the summer session may be booked."""
    year = "2025-26"
    found = [
        submission(student, f"{student}-enrolled", "enrolled", "2025-09-15", programme="L-FIL", academic_year=year,
                   course_type="bachelor", access="open", year=1, regime="full-time"),
        submission(student, f"{student}-paid", "instalment-paid", "2025-09-15", charge=f"{year}:enrolment",
                   amount="156.00"),
        submission(student, f"{student}-plan", "study-plan-approved", "2025-11-30", academic_year=year, courses=[
            {"code": "F1", "cfu": 6, "year": 1, "semester": 1, "lectures_end_on": "2025-12-20"}]),
    ]
    return [one | {"recorded_at": f"{one['effective_on']}T12:00:00Z"} for one in found]


def booking(student: str, id: str, held_on: str = "2026-06-22", **changes: Any) -> dict[str, Any]:
    return submission(student, id, "exam-booked", "2026-05-25", course="F1", held_on=held_on, academic_year="2025-26",
                      session="summer", calls_start_on="2026-06-08", mode="written") | changes


def payment(student: str, n: int, **changes: Any) -> dict[str, Any]:
    paid = submission(student, f"{student}-p{n}", "instalment-paid", "2026-05-25", charge="2025-26:instalment-2",
                      amount=f"{n}.00")
    return paid | changes


def void(student: str, event: str) -> dict[str, Any]:
    return submission(student, f"void-{event}", "event-voided", "2026-05-26", event=event,
                      reason="an error", authority="office")


def lines(*submissions: dict[str, Any]) -> list[bytes]:
    return [json.dumps(one).encode() + b"\n" for one in submissions]
