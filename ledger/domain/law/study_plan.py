"""The study plan: its window and its penalty (PDS)."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import date

from ..account import AmountByRule, raise_charge
from ..books import LawBooks
from ..case import Case
from ..events import Event, StudyPlanApproved, StudyPlanSubmitted
from ..phrases import says
from ..reasons import Clears, Fact, Reason, reason, unknown_value
from ..registry import obeys
from ..rulebook import Law, Period, RuleBook, UnknownValue
from ..state import Career, Person
from .chapter import StillOpen, data_of, reads

# What the book gives


@obeys("PDS-1", "RIS-10")
def plan_window(career: Career, law: Law, year: str) -> Period | None:
    """The window for the plan of a year: first year of a master's (also with reservation), or everybody else."""
    if law.PDS_1 is None:
        return None
    enrolment = career.enrolment_in(year) or career.current_enrolment
    if enrolment is not None and career.course_type == "master":
        career.must_know("year", enrolment.academic_year)
    first_year_master = career.course_type == "master" and (enrolment is None or enrolment.year == 1)
    return law.PDS_1.first_year_master if first_year_master else law.PDS_1.others


@obeys("PDS-2", "AMB-23")
def penalty_is_due(career: Career, book: RuleBook, year: str, day: date) -> bool:
    """A plan after the window, unless a shortening awaits the council, or the enrolment itself came after the
    window."""
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
    return any(r.data.kind in kinds and not any(d.kind == r.data.kind and on >= r.on
                                                for on, _, d in career.recognitions)
               for r in career.requests)


@obeys("PDS-4")
def filed_in_time(career: Career, law: Law, year: str) -> bool:
    """Whether a plan for the year was filed within its window."""
    window = plan_window(career, law, year)
    return window is None or any(on <= window.last for on, _, filed_for in career.plans_submitted if filed_for == year)


# What a fact changes


@obeys("PDS-1", "PDS-2", "CHG-8", "AMB-23", "AMB-44", "RIS-10")
def study_plan_submitted(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """A late plan is accepted; in 2025-26 it costs the penalty, once a year, except for who awaits the council on a
    shortening."""
    data = data_of(event, StudyPlanSubmitted)
    year = data.academic_year
    career.plans_submitted.append((event.effective_on, event.id, year))
    book = books.of(year)
    if book is None or "PDS-2" not in book.asked:
        return
    try:
        if enrolled_after_the_window(career, book, year, event.effective_on) and book.has("PDS-2"):
            career.to_decide.setdefault(f"{year}:study-plan-penalty", says("AMB-23"))
        if (career.charge(year, "study-plan-penalty") is None
                and penalty_is_due(career, book, year, event.effective_on) and book.rules.PDS_2 is not None):
            raise_charge(career, year, "study-plan-penalty", AmountByRule(book.rules.PDS_2.amount, "PDS-2"),
                         event.effective_on, (Fact(event.id, event.effective_on),))
    except UnknownValue as unknown:
        career.leave_open("charge", f"{year}:study-plan-penalty", unknown, "fact", event.effective_on, event=event.id)


@obeys("ESA-1", "PDS-4")
def study_plan_approved(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """It replaces an earlier plan of the same year."""
    data = data_of(event, StudyPlanApproved)
    career.plans[data.academic_year] = {c.code: c for c in data.courses}


# What it forbids


@obeys("PDS-1", "AMB-44")
def plan_window_has_opened(case: Case) -> Reason | None:
    """Not before the window; a late study plan is accepted."""
    window = plan_window(case.career, case.law, case.of(StudyPlanSubmitted).academic_year)
    if window is None or case.day >= window.first:
        return None
    return case.no("PDS-1", Clears(window.first), first_day=window.first)


# What does not fit it


@obeys("PDS-4")
def extra_exams_after_the_term(person: Person, career: Career, event: Event, book: RuleBook | None,
                               books: LawBooks) -> Iterator[Reason]:
    data = data_of(event, StudyPlanApproved)
    if book is not None and "PDS-4" in book.asked and career.plans_submitted \
            and any(c.anticipated or c.supernumerary for c in data.courses) \
            and not filed_in_time(career, book.rules, data.academic_year) and book.has("PDS-4"):
        yield reason(book, "PDS-4", says("PDS-4"))


# What is open


@obeys("PDS-4")
@reads("enrolments")
def plan_is_missing(person: Person, career: Career, books: LawBooks) -> Iterator[StillOpen]:
    """A plan is due every year: of who was enrolled before the window closed none was filed for the year, nor approved.
    Beyond the course nothing is left to plan."""
    filed = {year for _, _, year in career.plans_submitted} | career.plans.keys()
    for enrolment in career.enrolments:
        year, book = enrolment.academic_year, books.of(enrolment.academic_year)
        if book is None or "PDS-4" not in book.asked or year in filed or enrolment.standing == "beyond-course" \
                or enrolment.perfected_on is None or enrolment.taken:
            continue
        window = None
        with suppress(UnknownValue):  # nobody can tell by when it was due
            window = plan_window(career, book.rules, year)
        if window is not None and enrolment.perfected_on <= window.last < person.day \
                and not career.left_by(window.last) and not career.is_suspended_in(year):
            filed.add(year)
            try:
                given = reason(book, "PDS-4", says("PDS-4/missing", academic_year=year, last_day=window.last))
            except UnknownValue as unknown:
                given = unknown_value(books, unknown)
            yield StillOpen(enrolment.event, given)
