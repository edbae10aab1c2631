"""Which window a pre-enrolment falls into, and until when an enrolment may be filed and paid (PRE, RIC-8)."""

from datetime import date

from .events import Preenrolled
from .registry import obeys
from .rulebook import Law, PreenrolmentWindow
from .state import Career, Person, Preenrolment


@obeys("PRE-2", "PRE-6", "AMB-17")
def window_of(law: Law, data: Preenrolled, day: date) -> PreenrolmentWindow | None:
    """The window of an open-access pre-enrolment for a master's, which fixes when to enrol.

    Who holds a foreign title has longer windows: her enrolment dates are those of the first window that ends on or after the day."""
    if law.PRE_2 is None or data.course_type != "master" or data.access != "open":
        return None
    for window in law.PRE_2.windows:
        if window.first <= day <= window.last:
            return window
    if data.applicant != "italian-title":
        return next((w for w in law.PRE_2.windows if day <= w.last), None)
    return None


@obeys("PRE-3")
def selection_of(law: Law, data: Preenrolled, day: date) -> int | None:
    """1 or 2: the selection of a restricted master's programme that is meant or runs on the day."""
    if data.access != "restricted" or data.course_type != "master" or law.PRE_3 is None:
        return None
    if data.selection is not None:
        return data.selection
    return next((n for n, s in enumerate(law.PRE_3.selections, 1) if s.first <= day <= s.last), None)


def preenrolments_of(person: Person, academic_year: str) -> list[Preenrolment]:
    """Every application of a person for a master's in an academic year, over all careers."""
    return [p for c in person.careers.values() for p in c.preenrolments
            if p.data.academic_year == academic_year and p.data.course_type == "master"]


def latest_preenrolment(career: Career, academic_year: str, access: str | None = None) -> Preenrolment | None:
    """The last pre-enrolment for an academic year, of one kind of access where it is given."""
    return next((p for p in reversed(career.preenrolments)
                 if p.data.academic_year == academic_year and access in (None, p.data.access)), None)


@obeys("PREP")
def is_admitted(career: Career, academic_year: str, access: str | None) -> bool:
    """To a master's: an adequate preparation (open access) or a place in the ranking (restricted), unless assessed before."""
    before = latest_preenrolment(career, academic_year)
    if before is not None and before.data.pre_assessed:
        return True
    return bool(career.adequate) if access == "open" else career.ranked is not None and career.ranked.admitted


@obeys("PRE-3", "PRE-5", "MOR-6", "AMB-21", "AMB-41")
def enrolment_term(career: Career, law: Law, academic_year: str, course_type: str | None, access: str | None) -> date | None:
    """The last day to file and pay a first enrolment; None where the sources (or the ranking) give none."""
    before = latest_preenrolment(career, academic_year)
    if access == "restricted":
        if career.ranked is not None and career.ranked.enrol_by is not None:
            return career.ranked.enrol_by
        if course_type == "master" and law.PRE_3 is not None and before is not None and before.selection is not None:
            selection = law.PRE_3.selections[before.selection - 1]
            scroll = career.ranked is not None and career.ranked.scroll
            return selection.scroll_enrol_by if scroll else selection.enrol_by
        return None
    if course_type == "master":
        if before is not None and before.window is not None:
            return before.window.enrol_until
        ends = {w.enrol_until for w in law.PRE_2.windows} if law.PRE_2 is not None else set()
        return ends.pop() if len(ends) == 1 else None
    return law.PRE_5.until if law.PRE_5 is not None else None
