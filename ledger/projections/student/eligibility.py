"""May she book this exam: `career-ledger eligibility`."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from ledger.domain.books import LawBooks
from ledger.domain.decisions import reasons_against_act
from ledger.domain.events import ExamBooked
from ledger.domain.fold import replay
from ledger.domain.knowledge import NotFound, in_force
from ledger.domain.submissions import Event


def answer(events: Sequence[Event], student: str, on: date, books: LawBooks, *, career: str, course: str, held_on: date, session: str,
           academic_year: str, calls_start_on: date, opens_on: date | None = None, mode: str | None = None) -> dict[str, Any]:
    """Whether a career may book a call on a day, and every reason against it.

    Raises NotFound when nothing is known of the student or of the career, ValueError (pydantic) for a malformed call."""
    if not any(e.career == career for e in events):
        raise NotFound(f"student {student} has no career {career}")
    call = ExamBooked.model_validate({
        "course": course, "held_on": held_on, "academic_year": academic_year, "session": session, "calls_start_on": calls_start_on,
        "opens_on": opens_on, "mode": mode or "written"})
    person = replay(in_force(events), student, on, books)
    reasons = reasons_against_act("exam-booked", call, on, person, career, books)
    asked = person.careers.get(career)
    return {
        "student": student, "career": career, "course": course, "held_on": held_on.isoformat(), "on": on.isoformat(),
        "known_position": events[-1].position, "eligible": not reasons, "reasons": [r.as_json() for r in reasons],
        "unruled_years": sorted((asked.unruled if asked is not None else set())
                                | ({academic_year} if any(r.rule == "NO-RULEBOOK" for r in reasons) else set())),
    }
