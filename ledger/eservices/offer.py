"""What is told of courses and of counts of people (IFS01, IFS08, IFS09)."""

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from ledger.rulebooks.reference import DegreeProgramme, Reference

from .answers import AnswerJson, written

MOST_COURSES = 256
"""On a page, as the file has it."""
STEPS = (13_000, 16_000, *range(18_000, 40_001, 2_000), *range(45_000, 60_001, 5_000), *range(70_000, 100_001, 10_000))
"""Euro: where one range of ISEE ends and the next begins."""
NOT_PRESENTED = "ISEE non presentato"


class CountedEnrolment(NamedTuple):
    """One enrolment of a student in an academic year. `isee`: None where no attestation holds, "" where the value of
    one that does is not recorded. `sex`: F, M; "" where it is not registered."""

    student: str
    programme: str
    isee: Decimal | str | None
    sex: str


def _course(one: DegreeProgramme, year: str) -> AnswerJson:
    return {"programme_type_code": one.type, "programme_access": "free" if one.access == "open" else "limited",
            "course_location": one.places, "course_area": one.area, "degree_course_language": one.language,
            "degree_course_period_years": one.years, "degree_course_code": one.code, "total_credits": one.cfu,
            "academic_year": written(year)}


def offering(reference: Reference, year: str, after: str) -> tuple[list[AnswerJson], str | None]:
    """IFS01.1: a page of courses by code above `after`, and the last code where there are more."""
    found = sorted((one for one in reference.offered(year).values() if one.code > after), key=lambda one: one.code)
    page = found[:MOST_COURSES]
    return [_course(one, year) for one in page], page[-1].code if len(found) > len(page) else None


def detail(reference: Reference, year: str, code: str) -> AnswerJson | None:
    """IFS01.2; None for a course that is not offered."""
    one = next((one for one in reference.offered(year).values() if one.code == code), None)
    if one is None:
        return None
    learnings = []
    for name in one.first_year:
        course = reference.courses.get(name)
        if course is None:
            continue
        learnings.append({"learning_ssd": course.sector, "learning_sad": None, "learning_name": course.name.it,
                          "learning_code": name, "learning_cfu": course.cfu, "learning_cfa": None,
                          **({"learning_hour": course.hours} if course.hours is not None else {}),
                          "learning_language": course.language or one.language, "learning_ref": None})
    return _course(one, year) | {
        "remote_mode": one.mode, "first_year_activation_course": written(one.since),
        "website_university": reference.institute.website, "website_course": one.website, "curriculum_list": [
            {"curriculum_name": one.name.it, "curriculum_learnings": [
                {"degree_course_year": 1, "learnings": learnings}]}] if learnings else []}


def _cell(count: int | None, smallest: int) -> int | None:
    """IFS-18."""
    return None if count is None or 0 < count < smallest else count


def by_isee(reference: Reference, people: Iterable[CountedEnrolment]) -> AnswerJson:
    """IFS08 (IFS-16)."""
    held: dict[str, Decimal | str | None] = {}
    for one in people:
        if held.get(one.student) is None:
            held[one.student] = one.isee
    smallest = reference.institute.smallest_cell
    ends = [*pairwise((-1, *STEPS)), (STEPS[-1], None)]
    unknown = any(value == "" for value in held.values())
    counts: Counter[int] = Counter(next(n for n, (_, last) in enumerate(ends) if last is None or value <= last)
                                   for value in held.values() if isinstance(value, Decimal))
    ranges = [_range(NOT_PRESENTED, None, None,
                     None if unknown else _cell(sum(one is None for one in held.values()), smallest))]
    for number, (before, last) in enumerate(ends):
        first = before + 1
        said = f"<={_dots(last)}" if not first else f"> {_dots(before)}" if last is None else \
            f"{_dots(first)}-{_dots(last)}"
        ranges.append(_range(said, first, last, None if unknown else _cell(counts[number], smallest)))
    return {"tot_enrollment_count": _cell(len(held), smallest), "ranges": ranges}


def _range(said: str, first: int | None, last: int | None, count: int | None) -> AnswerJson:
    return {"range_description": said, "isee_min_value": first, "isee_max_value": last, "enrollment_count": count}


def _dots(euro: int | None) -> str:
    return f"{euro or 0:,}".replace(",", ".")


def by_course(reference: Reference, year: str, code: str | None,
              people: Iterable[CountedEnrolment]) -> list[AnswerJson]:
    """IFS09 (IFS-17)."""
    counts: dict[str, Counter[str]] = {}
    for one in {(one.student, one.programme): one for one in people}.values():
        counts.setdefault(one.programme, Counter())[one.sex] += 1
    smallest, found = reference.institute.smallest_cell, []
    offered: Mapping[str, DegreeProgramme] = {one.code: one for one in reference.offered(year).values()}
    for name in sorted(counts):
        programme, sexes = offered[name], counts[name]
        if code is not None and name != code:
            continue
        known = "" not in sexes
        found.append({"programme_type_code": programme.type, "degree_course_code": name,
                      "degree_class_code": programme.degree_class,
                      "female_enrollment_count": _cell(sexes["F"], smallest) if known else None,
                      "male_enrollment_count": _cell(sexes["M"], smallest) if known else None})
    return found
