"""Part-time study (PT)."""

from ..books import LawBooks
from ..case import Case
from ..clear import is_listed
from ..events import Enrolled, EnrolmentRenewed, Event, RegimeChanged
from ..reasons import DONE, Clears, Fact, Reason
from ..registry import obeys
from ..state import Career, Person
from .chapter import data_of
from .contribution import refresh_instalments
from .enrolment import ends_the_adapted_time

# What a fact changes


@obeys("PT-3", "RAT-9")
def regime_changed(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    data = data_of(event, RegimeChanged)
    career.regime_changes.append((event.effective_on, data.academic_year, data.regime))
    career.regime_by_year[data.academic_year] = data.regime
    refresh_instalments(career, data.academic_year, event.effective_on, books)


# What it forbids


@obeys("PT-1")
def part_time_has_a_listed_category(case: Case) -> Reason | None:
    """Part-time, from the first enrolment or later: one of the categories that the year's guide lists. Which one is
    never repeated: it may tell of her health."""
    data = case.data
    if not isinstance(data, Enrolled | RegimeChanged) or data.regime != "part-time":
        return None
    rule = case.law.PT_1
    if rule is None:
        return None
    given = "category" in case.said
    if given and is_listed(case.said, "category", rule):
        return None
    categories = rule.categories or ()
    if not given:
        return case.no("PT-1", DONE, categories=categories)
    return case.no("PT-1/unlisted", DONE, academic_year=case.book.academic_year, categories=categories)


@obeys("PT-1")
def part_time_is_within_the_course(case: Case) -> Reason | None:
    """Part-time is for a regular course of study, not beyond its length."""
    data = case.of(RegimeChanged)
    if data.regime != "part-time":
        return None
    enrolment = case.career.enrolment_in(data.academic_year) or case.career.current_enrolment
    if enrolment is not None and enrolment.standing == "beyond-course":
        return case.no("PT-1/beyond-course", facts=[Fact(enrolment.event, enrolment.filed_on)])
    return None


@obeys("PT-2", "AMB-33")
def part_time_is_asked_in_its_window(case: Case) -> Reason | None:
    """To part-time in a first degree only with the OFA cleared. In the first year the regime is chosen with the
    enrolment, and the window of the renewals is not hers."""
    data = case.of(RegimeChanged)
    window = case.law.PT_2 if data.regime == "part-time" and not _chosen_at_enrolment(case, data) else None
    if window is None:
        return None
    first = case.career.first_enrolment
    if first is not None and first.first and first.year == 1 and first.academic_year == data.academic_year:
        return case.no("PT-2/first-year", facts=[Fact(first.event, first.filed_on)], academic_year=data.academic_year)
    if not window.first <= case.day <= window.last:
        return case.no("PT-2", Clears(window.first) if case.day < window.first else None, first_day=window.first,
                       last_day=window.last)
    if window.year is not None and _year_of_course(case, data) != window.year:
        return case.no("PT-2/year", DONE, interpretation="AMB-33", course_year=window.year)
    if window.ofa and data.ofa_cleared is False and case.career.course_type != "master":
        return case.no("PT-2/ofa", DONE)
    return None


@obeys("PT-5", "AMB-38")
def full_time_is_asked_in_time(case: Case) -> Reason | None:
    """Within the term of the renewal."""
    data = case.of(RegimeChanged)
    if data.regime != "full-time" or _chosen_at_enrolment(case, data):
        return None
    renewal = case.law.CHG_3
    window = case.law.PT_2 if renewal is None else None
    term = renewal.due_on if renewal is not None else window.last if window is not None else None
    if term is None or case.day <= term:
        return None
    return case.no("PT-5/too-late", academic_year=data.academic_year, last_day=term)


@obeys("PT-2", "RAT-2")
def _chosen_at_enrolment(case: Case, data: RegimeChanged) -> bool:
    """Until the day on which the first enrolment is perfected, at least on that of its filing."""
    first = case.career.first_enrolment
    return (first is not None and first.first and first.academic_year == data.academic_year
            and (first.filed_on == case.day or first.perfected_on is None or first.perfected_on >= case.day))


def _year_of_course(case: Case, data: RegimeChanged) -> int:
    """That of the renewal, else the one after the latest enrolment's."""
    named, latest = case.career.enrolment_in(data.academic_year), case.career.latest_perfected
    return named.year if named is not None else latest.year + 1 if latest is not None else 1


def _adapted_time_is_over(career: Career, data: RegimeChanged) -> bool:
    """Whether the renewal beyond the course follows a part-time year."""
    named = career.enrolment_in(data.academic_year)
    years = [n.academic_year for n in career.enrolments if n.academic_year < data.academic_year]
    return named is not None and named.standing == "beyond-course" and bool(years) \
        and career.regime_in(max(years)) == "part-time"


@obeys("PT-3", "PT-6")
def regime_really_changes(case: Case) -> Reason | None:
    data = case.of(RegimeChanged)
    if case.career.regime_in(data.academic_year) != data.regime:
        return None
    if data.regime == "full-time" and _adapted_time_is_over(case.career, data):
        rule = case.law.PT_6
        if rule is not None and rule.at_renewal:
            return None  # it may be asked for where it comes by itself
    return case.no("PT-3", regime=data.regime, academic_year=data.academic_year)


@obeys("PT-5", "PT-6", "AMB-38")
def regime_changes_once(case: Case) -> Reason | None:
    """A return to full time once: after a whole part-time annuality (the year and its repetition), when renewing beyond
    the course, or where the career comes to an early end. A change to part-time only where there was no change
    before."""
    data = case.of(RegimeChanged)
    changes = case.career.regime_changes
    if data.regime == "part-time":
        if changes:
            return case.no("PT-5/changed")
        return None
    if any(regime == "full-time" for _, _, regime in changes):
        return case.no("PT-5/returned")
    named = case.career.enrolment_in(data.academic_year)
    if ((named is not None and named.standing == "beyond-course") or data.early_end or _ends_early(case)) \
            and case.book.has("PT-6"):
        return None
    before = [n for n in case.career.enrolments if n.academic_year < data.academic_year and n.perfected_on is not None]
    last = max(before, key=lambda n: n.academic_year, default=None)
    if last is not None and last.standing == "repeating" and any(
            n is not last and n.year == last.year and n.academic_year < last.academic_year
            and case.career.regime_in(n.academic_year) == "part-time" for n in before) \
            and case.career.regime_in(last.academic_year) == "part-time":
        return None
    return case.no("PT-5", DONE)


@obeys("PT-6", "AMB-33")
def adapted_time_is_known(case: Case) -> Reason | None:
    """A part-time student's renewal beyond the course rests on what follows the adapted time."""
    if ends_the_adapted_time(case.career, case.of(EnrolmentRenewed)):
        _ = case.law.PT_6
    return None


@obeys("PT-6")
def _ends_early(case: Case) -> bool:
    """Whether the career is about to end: a withdrawal is filed, a degree applied for, a change of programme asked
    for."""
    career = case.career
    return career.withdrawal is not None or bool(career.candidacies) or any(
        request.left == career.name for other in case.person.others(career) for request in other.requests)


@obeys("PT-7")
def part_time_years_are_complete(case: Case) -> Reason | None:
    """Part-time students apply for the final exam in the repetition of the last year."""
    if case.career.regime != "part-time" or case.law.PT_7 is None:
        return None
    last_year = case.law.PT_7.last_year.get(case.career.course_type or "")  # type: ignore[call-overload]
    current = case.career.current_enrolment
    if last_year is None or current is None or current.standing == "beyond-course":
        return None
    if current.year >= last_year and current.standing == "repeating":
        return None
    return case.no("PT-7", DONE, [Fact(current.event, current.filed_on)], last_year=last_year, year=current.year,
                   standing=current.standing)
