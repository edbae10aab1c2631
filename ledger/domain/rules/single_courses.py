"""Single courses: who may apply, when and for how much (CS-1..3, CS-8)."""

from ..case import Case
from ..events import SingleCoursesEnrolled
from ..reasons import Clears, Fact, Reason
from ..registry import obeys
from ..state import Career

_ENROLLED = frozenset({"enrolled", "enrolled-with-reservation", "withdrawal-pending", "suspended"})


@obeys("CS-1")
def application_window_is_open(case: Case) -> Reason | None:
    window = case.law.CS_1
    if window is None or window.first <= case.day <= window.last:
        return None
    return case.no("CS-1", f"Applications are open from {window.first.isoformat()} to {window.last.isoformat()}.",
                   Clears("the window opens", window.first) if case.day < window.first else None)


@obeys("CS-2")
def cfu_are_within_the_limit(case: Case) -> Reason | None:
    """At most 36 CFU, unless for the requirements of a master's or of teaching classes."""
    data = case.of(SingleCoursesEnrolled)
    total = sum(c.cfu for c in data.courses)
    if case.law.CS_2 is None or total <= case.law.CS_2.cfu or data.purpose in ("admission-requirements", "teaching-classes"):
        return None
    return case.no("CS-2", f"{total} CFU; at most {case.law.CS_2.cfu} are possible.", f"choose courses of at most {case.law.CS_2.cfu} CFU")


@obeys("CS-3")
def applies_once(case: Case) -> Reason | None:
    """One application in an academic year, and no additions to it; in 2019-20 only additions are excluded."""
    data = case.of(SingleCoursesEnrolled)
    if case.law.CS_3 is None:
        return None
    careers = list(case.person.careers.values()) if case.law.CS_3.one_per == "person" else [case.career]
    for career in careers:
        if data.academic_year in career.singles:
            return case.no("CS-3", f"There is an application for {data.academic_year} already ({career.name}); nothing can be added to it.")
    return None


@obeys("CS-8", "AMB-24", "AMB-43")
def is_compatible_with_her_careers(case: Case) -> Reason | None:
    """Not while suspended; beside a degree programme only where the year allows it, and for courses outside her own plan.
    Doctoral students need a clearance: where it is asked for it must be given."""
    data = case.of(SingleCoursesEnrolled)
    rule = case.law.CS_8
    if rule is None:
        return None
    if data.clearance is False:
        return case.no("CS-8", "The board's clearance is missing.", "the clearance of the doctoral board", interpretation="AMB-24")
    for career in case.person.careers.values():
        if career.status not in _ENROLLED:
            continue
        if career.suspended_on is not None and rule.enrolled != "allowed":
            return case.no("CS-8", f"The career {career.name} is suspended.", f"resume {career.name}",
                           [Fact(career.name, career.suspended_on)])
        if rule.enrolled == "never":
            return case.no("CS-8", f"She is enrolled in {career.name}: no single courses in {data.academic_year}.")
        if rule.enrolled == "outside-own-plan":
            own = sorted(c.code for c in data.courses if c.in_own_plan or _is_planned(career, c.code))
            if own:
                return case.no("CS-8", f"In her own study plan: {', '.join(own)}.", "choose courses outside the own plan")
    return None


def _is_planned(career: Career, code: str) -> bool:
    return any(code in plan for plan in career.plans.values())
