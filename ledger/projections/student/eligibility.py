"""May she book this exam: `career-ledger eligibility`."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from ledger.domain.books import LawBooks
from ledger.domain.decisions import reasons_against_act
from ledger.domain.events import Event, ExamBooked
from ledger.domain.fold import replay
from ledger.domain.knowledge import NotFound, in_force
from ledger.domain.phrases import says


def answer(events: Sequence[Event], student: str, on: date, books: LawBooks, career: str,
           call: ExamBooked) -> dict[str, Any]:
    """Whether a career may book a call on a day, and every reason against it.

    Raises NotFound when nothing is known of the student or of the career."""
    if not any(e.career == career for e in events):
        raise NotFound(says("missing/career", student=student, career=career))
    person = replay(in_force(events), student, on, books)
    reasons = reasons_against_act("exam-booked", call, on, person, career, books)
    asked = person.careers.get(career)
    return {
        "student": student, "career": career, "course": call.course, "held_on": call.held_on.isoformat(),
        "on": on.isoformat(),
        "known_position": events[-1].position, "eligible": not reasons, "reasons": [r.as_json() for r in reasons],
        "unruled_years": sorted((asked.unruled if asked is not None else set())
                                | ({call.academic_year} if any(r.rule == "NO-RULEBOOK" for r in reasons) else set())),
    }
