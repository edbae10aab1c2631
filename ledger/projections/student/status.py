"""Is she enrolled, what is blocked and what will change: `career-ledger status`."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from ledger.domain.books import LawBooks
from ledger.domain.events import Event
from ledger.domain.gaps import gap_json, gaps_json
from ledger.domain.knowledge import NotFound, in_force
from ledger.domain.law import forfeiture
from ledger.domain.phrases import says
from ledger.domain.state import Career, Person
from ledger.domain.values import day_or_none
from ledger.projections.student.words import block_json, cfu_json, forecast


def answer(events: Sequence[Event], student: str, on: date, books: LawBooks) -> dict[str, Any]:
    """The status of every career of a student at the end of a day, from the events that are known.

    Raises NotFound when nothing is known of the student."""
    if not events:
        raise NotFound(says("missing/student", student=student))
    today, coming = forecast(in_force(events), student, on, books, lambda person: _today(person, books))
    upcoming: dict[str, list[dict[str, Any]]] = {}
    ends: dict[tuple[str, str, str, str | None], str] = {}
    for day, found in coming:
        for change in found:
            name = change.pop("career")
            upcoming.setdefault(name, []).append({"on": day.isoformat(), **change})
            if change["what"] == "block" and not change["begins"]:
                ends.setdefault((name, change["kind"], change["rule"], change["charge"]), day.isoformat())
    for shown in today["careers"]:
        for block in shown["blocks"]:
            block["until"] = ends.get((shown["career"], block["kind"], block["rule"], block.get("charge")))
        coming_here = upcoming.get(shown["career"], []) + shown["upcoming"]
        shown["upcoming"] = sorted(coming_here, key=lambda change: str(change["on"]))
    return {"student": student, "on": on.isoformat(), "known_position": events[-1].position, **today}


def _today(person: Person, books: LawBooks) -> dict[str, Any]:
    return {
        "careers": [_career(career, person, books) for _, career in sorted(person.careers.items())
                    if career.status is not None],
        "tickets": [{"number": t.number, "state": "closed" if t.closed_on else "open",
                     "opened_on": t.opened_on.isoformat(),
                     "closed_on": day_or_none(t.closed_on)} for t in person.tickets.values()],
        "unruled_years": sorted({y for c in person.careers.values() for y in c.unruled}),
    }


def _career(career: Career, person: Person, books: LawBooks) -> dict[str, Any]:
    """What `forecast` gives is still open: the days until which the blocks hold, and what else is upcoming
    than a forfeiture."""
    current = career.current_enrolment
    shown: dict[str, Any] = {
        "career": career.name, "status": career.status, "programme": career.programme,
        "academic_year": career.academic_year,
        "year": current.year if current else None, "regime": career.regime, "course_type": career.course_type,
        "since": day_or_none(career.ended_on if career.ended else current.perfected_on if current else career.begun_on),
        "cfu": cfu_json(career, person.day), "unruled_years": sorted(career.unruled),
    }
    held = career.reservation
    if held is not None:
        shown["reservation"] = {
            "ground": held.ground, "filed_on": held.filed_on.isoformat(),
            "term": day_or_none(held.term if held.term != date.max else None),
            "state": "declined" if held.declined_on else "lifted" if held.lifted_on else "lapsed"
            if held.lapsed_on else "pending",
            **({"sure_until": held.sure_until.isoformat(), "officer_until": held.officer_until.isoformat(),
                "interpretation": "AMB-52"} if held.sure_until < held.officer_until else {}),
            "since": day_or_none(held.declined_on or held.lifted_on or held.lapsed_on or held.filed_on),
        }
    withdrawal = career.withdrawal
    if withdrawal is not None:
        shown["withdrawal"] = {"filed_on": withdrawal.filed_on.isoformat(),
                               "last_day": day_or_none(withdrawal.last_day),
                               "perfected_on": day_or_none(withdrawal.perfected_on)}
    flagged = [b for b in career.bookings if b.open and b.data.held_on >= person.day]
    if flagged:
        stopped = sorted({k[0] for k in career.blocks if k[0] in ("administrative", "exam-booking", "reservation")})
        shown["bookings"] = [{"course": b.data.course, "held_on": b.data.held_on.isoformat(),
                              "event": b.event, "flagged_by": stopped}
                             for b in flagged]
    loses = forfeiture.coming(career, person.day, books)
    gap = forfeiture.not_foreseen(career, person.day, books)
    shown |= {"blocks": [block_json(b, books.on(person.day)) for b in career.blocks.values()], "upcoming": [
        {"on": loses.isoformat(), "what": "forfeiture", "rule": "DEC-1", "change": says("DEC-1/foreseen")}]
        if loses is not None else []}
    unknown = list(gaps_json(career, books))
    if gap is not None:
        unknown.append(gap_json("forfeiture", gap.rule, gap, books))
    if unknown:
        shown["unknown"] = unknown
    return shown
