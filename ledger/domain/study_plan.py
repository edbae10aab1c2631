"""The study plan's window and penalty (PDS)."""

from datetime import date

from .registry import obeys
from .rulebook import Law, Period, RuleBook
from .state import Career


@obeys("PDS-1", "RIS-10")
def plan_window(career: Career, law: Law, year: str) -> Period | None:
    """The window for the plan of a year: first year of a master's (also with reservation), or everybody else."""
    if law.PDS_1 is None:
        return None
    enrolment = career.enrolment_in(year) or career.current_enrolment
    first_year_master = career.course_type == "master" and (enrolment is None or enrolment.year == 1)
    return law.PDS_1.first_year_master if first_year_master else law.PDS_1.others


@obeys("PDS-2", "AMB-23")
def penalty_is_due(career: Career, book: RuleBook, year: str, day: date) -> bool:
    """A plan after the window, unless a shortening awaits the council, or the enrolment itself came after the window."""
    window = plan_window(career, book.rules, year)
    if window is None or day <= window.last:
        return False
    return not enrolled_after_the_window(career, book, year, day) and not awaits_the_council(career)


@obeys("AMB-23")
def enrolled_after_the_window(career: Career, book: RuleBook, year: str, day: date) -> bool:
    """A late plan of who enrolled for the first time (filed and paid) after the window: left to an officer."""
    window, enrolment = plan_window(career, book.rules, year), career.enrolment_in(year)
    if window is None or day <= window.last or enrolment is None or not enrolment.first:
        return False
    return (enrolment.perfected_on or enrolment.filed_on) > window.last


def awaits_the_council(career: Career) -> bool:
    """A shortening (for a first degree: also a second degree) requested and not yet decided."""
    kinds = ("shortening",) if career.course_type == "master" else ("shortening", "second-degree", "foreign-degree")
    return any(r.data.kind in kinds and not any(d.kind == r.data.kind and on >= r.on for on, _, d in career.recognitions)
               for r in career.requests)


@obeys("PDS-4")
def filed_in_time(career: Career, law: Law, year: str) -> bool:
    """Whether a plan for the year was filed within its window."""
    window = plan_window(career, law, year)
    return window is None or any(on <= window.last for on, _, filed_for in career.plans_submitted if filed_for == year)
