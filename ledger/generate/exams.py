"""A year's study plan and exams: booked in time, sat, graded, refused, annulled."""

from typing import Any

from .story import Course, Path, Story
from .terms import NEVER, Session, Terms, iso

MARGIN = 18
"""Days after an exam in which its grade may still be on its way."""


def study_plan(s: Story, p: Path, y: Terms) -> None:
    """File the year's plan (late plans cost a penalty in 2025-26) and have it approved: the courses of the years
    reached."""
    first, last, masters_last, others_last = y.plan
    longest = max(masters_last, others_last)
    penalty = y.law.PDS_2 if y.law is not None else None
    if p.perfected > last:
        filed = p.perfected + s.between(1, 6)
    elif not p.plan_in_time and s.chance(s.shares.late_plans):
        filed = s.between(longest + 1, longest + 20)
    else:
        filed = s.between(max(first, p.perfected), last)
    term = masters_last if p.programme.type == "master" and p.year == 1 else others_last
    late = filed > term and not (p.first_start == y.start and p.enrolled_on > term)
    if not p.is_free(filed):
        return
    s.add("study-plan-submitted", p.name, filed, {"academic_year": y.label})
    if late and penalty is not None:
        s.owe(p, f"{y.label}:study-plan-penalty", penalty.amount, filed)
    approved = filed + s.between(5, 14)
    courses = []
    for course in p.courses:
        if course.year <= p.year and course.code not in p.planned and course.code not in p.done:
            p.planned[course.code] = approved
            entry: dict[str, Any] = {"code": course.code, "cfu": course.cfu, "year": course.year,
                                     "semester": course.semester,
                                     "lectures_end_on": iso(y.lectures[course.semester])}
            if course.prerequisite is not None:
                entry["prerequisites"] = [course.prerequisite]
            courses.append(entry)
    if filed <= last and s.chance(0.03):
        courses.append({"code": f"SOP{s.between(1, 30):02d}", "cfu": 6, "year": p.year, "semester": 1,
                        "lectures_end_on": iso(y.lectures[1]), "supernumerary": True})
    if courses:
        s.add("study-plan-approved", p.name, approved, {"academic_year": y.label, "courses": courses})


def sit_exams(s: Story, p: Path, y: Terms, until: int,
              sessions: tuple[str, ...] = ("winter", "summer", "autumn")) -> None:
    """Attempt what may be sat, session by session; nothing happens after `until`."""
    share = s.shares.attempts / 2 if p.regime == "part-time" else s.shares.attempts
    new = _first_day(y)
    for session in y.sessions:
        if session.name not in sessions:
            continue
        attempts = 0
        for course in p.courses:
            if attempts < 4 and course.code in p.planned and course.code not in p.done and s.random() < share:
                attempts += _attempt(s, p, y, session, course, until, new)


def _first_day(y: Terms) -> int:
    return y.day(10, 1)


def _attempt(s: Story, p: Path, y: Terms, session: Session, course: Course, until: int, first: int) -> bool:
    """One exam; False where the rules leave no day for it."""
    planned = p.planned[course.code]
    of_this_year = planned > first
    if of_this_year and y.lectures[course.semester] >= session.first - 1:
        return False
    booked_from = max(session.first - y.opens, p.perfected, planned)
    needs = p.done.get(course.prerequisite, NEVER) if course.prerequisite is not None else 0
    booked_from = max(booked_from, needs)
    held = s.between(max(session.first, booked_from + y.closes + 1), session.last)
    booked = s.between(booked_from, held - y.closes)
    if held > session.last or booked > held - y.closes or held + MARGIN >= until:
        return False
    if not p.is_free(booked) or not p.is_free(held):
        return False
    written = s.chance(s.shares.written)
    mode = "written" if written else "oral"
    call = {"course": course.code, "held_on": iso(held)}
    booking: dict[str, Any] = call | {"academic_year": y.label, "session": session.name,
                                      "calls_start_on": iso(session.first)}
    if s.chance(0.08) and booked >= session.first - y.opens:
        booking["opens_on"] = iso(session.first - y.opens)
    booking["mode"] = mode
    s.add("exam-booked", p.name, booked, booking)
    roll = s.random()
    if roll < s.shares.bookings_cancelled:
        s.add("exam-booking-cancelled", p.name, s.between(booked, held - 1), call)
        return True
    if roll > 1 - s.shares.no_shows:
        return True
    _grade(s, p, y, session, course, held, call, written)
    return True


def _grade(s: Story, p: Path, y: Terms, session: Session, course: Course, held: int, call: dict[str, Any],
           written: bool) -> None:
    graded = held + s.between(2, 6) if written else held
    passed = s.chance(s.shares.passed)
    data = call | {"outcome": "passed" if passed else "failed"}
    if passed:
        data["grade"] = s.between(18, 30)
        if data["grade"] == 30 and s.chance(0.3):
            data["honours"] = True
    data |= {"cfu": course.cfu, "session": session.name, "mode": "written" if written else "oral",
             "academic_year": y.label}
    counts = graded
    if written and passed:
        refuse_by = graded + s.between(4, 8)
        data["refuse_by"], counts = iso(refuse_by), refuse_by + 1
    s.add("exam-graded", p.name, graded, data)
    if not passed:
        return
    if written and s.chance(s.shares.grades_refused):
        s.add("grade-refused", p.name, s.between(graded, counts - 1), call)
    elif s.chance(s.shares.annulled):
        s.add("exam-annulled", p.name, graded + 2, call | {"reason": "copied work"})
    else:
        p.done[course.code] = counts
