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
from ledger.domain.reasons import Reason

OF_NO_EXAM = frozenset({"RIN", "RIC-5", "CS-6", "CS-11", "NO-RULEBOOK"})
"""Rules that speak against every exam alike, beside the blocks and the status."""
OF_A_DAY = frozenset({"CS-6/late"})
"""What they say of single days."""


def against_every_exam(events: Sequence[Event], student: str, on: date, books: LawBooks) -> dict[str, list[Reason]]:
    """By career: what speaks against booking any exam of its academic year on a day, beside its blocks and its
    status."""
    person = replay(in_force(events), student, on, books)
    found = {}
    for name, career in person.careers.items():
        if career.academic_year is not None:
            call = ExamBooked(course="any", held_on=on, session="summer", academic_year=career.academic_year,
                              calls_start_on=on, mode="oral")
            found[name] = [one for one in reasons_against_act("exam-booked", call, on, person, name, books)
                           if one.rule in OF_NO_EXAM and one.message.id not in OF_A_DAY]
    return found


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
