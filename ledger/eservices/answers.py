"""What the e-services about one student answer (IFS02, IFS03), as JSON of their files: pure functions of her events,
who she is and the reference data."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from ledger.domain.books import LawBooks
from ledger.domain.events import Event
from ledger.domain.fold import replay
from ledger.domain.knowledge import in_force
from ledger.domain.state import Career, Result
from ledger.domain.timelines import COLUMNS, timelines
from ledger.domain.values import day_or_none, next_year, year_end, year_of, year_start
from ledger.rulebooks.institution import Name
from ledger.rulebooks.reference import DegreeProgramme, ProgrammeType, Reference
from ledger.words import Language

from .identity import TaxPayer

AnswerJson = dict[str, Any]
WINDOW = 3
"""Academic years."""
WAITS = frozenset({"enrolment-pending", "enrolled-with-reservation"})
ACTIVE = frozenset({"enrolled", "withdrawal-pending"})
BEFORE = frozenset({"preenrolled", "admitted", "not-admitted", "single-courses"})
"""Not enrolled on a degree course, or not yet."""
LOWEST, HIGHEST = "18", "30"
_Row = Mapping[str, Any]


class Spell(NamedTuple):
    """An answer and from which day to which (None: for ever) it holds."""

    from_on: date
    until_on: date | None
    answer: AnswerJson


def written(year: str) -> str:
    """An academic year as the files have it: 2025/2026."""
    return f"{year[:4]}/{int(year[:4]) + 1}"


def read(year: str) -> str | None:
    """The other way; None where it is no academic year."""
    first, last = int(year[:4]), int(year[5:])
    return f"{first}-{last % 100:02d}" if last == first + 1 and 1900 <= first <= 2198 else None


def hash_of(answer: AnswerJson) -> str:
    """SHA-256 of the canonical JSON, in hex."""
    return hashlib.sha256(json.dumps(answer, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
                          ).hexdigest()


def nobody(name: str) -> AnswerJson:
    return {"personal_data": {}, name: []}


def _answer(who: TaxPayer, name: str, found: list[AnswerJson]) -> AnswerJson:
    """IFS-7."""
    return {"personal_data": who.shown(), name: found} if found else nobody(name)


# IFS02.1, and where it changes by itself


def rows_of(events: Sequence[Event], student: str, books: LawBooks) -> list[_Row]:
    """The stretches of time in which a career's status is the same, those to come included."""
    names = COLUMNS["status"]
    return [dict(zip(names, row, strict=True)) for row in timelines(events, student, books)["status"]]


def enrolments(rows: Iterable[_Row], day: date, reference: Reference) -> list[AnswerJson]:
    """Of each course the last enrolment in the three academic years that end with the one of the day (IFS-3, IFS-6)."""
    first, found = int(year_of(day)[:4]) - WINDOW + 1, dict[str, AnswerJson]()
    for row in rows:
        if row["from_on"] > day or (row["until_on"] is not None and row["until_on"] <= day):
            continue
        year = row["academic_year"]
        if row["year"] is None or row["status"] in BEFORE or int(year[:4]) < first:
            continue
        programme = reference.programme(row["programme"], year)
        if programme is None:
            continue
        before = found.get(programme.code)
        one = _enrolment(row, programme, reference)
        if before is None or (before["academic_year"], before["status"]) < (one["academic_year"], one["status"]):
            found[programme.code] = one
    return [found[code] for code in sorted(found)]


def _enrolment(row: _Row, programme: DegreeProgramme, reference: Reference) -> AnswerJson:
    """IFS-4, IFS-5."""
    status = row["status"]
    return {"institute_code": reference.institute.code, "programme_type_code": programme.type,
            "degree_course_code": programme.code, "degree_class_code": programme.degree_class,
            "academic_year": written(row["academic_year"]), "degree_course_year": min(row["year"], programme.years),
            "status": "active" if status in ACTIVE else "wait" if status in WAITS else "inactive"}


def academic_enrollments(rows: Iterable[_Row], who: TaxPayer, day: date, reference: Reference) -> AnswerJson:
    """IFS02.1."""
    return _answer(who, "enrollments", enrolments(rows, day, reference))


def stretches(rows: Sequence[_Row], who: TaxPayer, since: date, reference: Reference) -> Iterator[Spell]:
    """The answers of IFS02.1 from a day on, until nothing changes it any more; only those that name an enrolment."""
    last = max((row["academic_year"] for row in rows if row["academic_year"]), default=None)
    days = {row[name] for row in rows for name in ("from_on", "until_on") if row[name] is not None}
    if last is not None:
        year = year_of(since)
        while int(year[:4]) <= int(last[:4]) + WINDOW:
            year = next_year(year)
            days.add(year_start(year))
    turns = [since, *sorted(day for day in days if day > since)]
    held: Spell | None = None
    for day in turns:
        answer = academic_enrollments(rows, who, day, reference)
        if held is not None and answer == held.answer:
            continue
        if held is not None and held.answer["enrollments"]:
            yield held._replace(until_on=day)
        held = Spell(day, None, answer)
    if held is not None and held.answer["enrollments"]:
        yield held


# The other questions, of a state on a day


class Student:
    """A student on a day, as these questions see her: the careers that have, or had, an enrolment on a degree course.
    `language`: of names; the services answer in Italian."""

    def __init__(self, events: Sequence[Event], name: str, day: date, books: LawBooks, reference: Reference,
                 language: Language = "it") -> None:
        self.day, self.reference, self.language = day, reference, language
        self._person = replay([one for one in in_force(events) if one.effective_on <= day], name, day, books)
        self.rows = rows_of(events, name, books)

    def careers(self) -> Iterator[tuple[Career, str, DegreeProgramme]]:
        """With the last academic year of enrolment and the course as it was then."""
        for career in sorted(self._person.careers.values(), key=lambda one: (one.begun_on or date.max, one.name)):
            enrolment = career.current_enrolment
            if enrolment is None or career.status in BEFORE:
                continue
            programme = self.reference.programme(career.programme, enrolment.academic_year)
            if programme is not None:
                yield career, enrolment.academic_year, programme

    def graduates(self) -> Iterator[tuple[Career, str, DegreeProgramme]]:
        return (one for one in self.careers() if one[0].graduated is not None)

    def told(self, name: Name | None) -> str | None:
        return name.in_language(self.language) if name is not None else None

    def type_of(self, programme: DegreeProgramme, year: str) -> ProgrammeType:
        return self.reference.type_of(programme, year)

    def course(self, programme: DegreeProgramme, year: str) -> AnswerJson:
        """What names the course and the institute in every proof."""
        institute = self.reference.institute
        return {"institute_code": institute.code, "institute_name": self.told(institute.name),
                "programme_type_code": programme.type, "programme_type_name": self.told(
                    self.type_of(programme, year).name),
                "degree_course_code": programme.code, "degree_course_name": self.told(programme.name),
                "degree_class_code": programme.degree_class, "degree_class_name": self.told(programme.class_name)}

    def learnings(self, career: Career) -> list["Learning"]:
        """What was passed, and what was recognised, in order of date and code (IFS-10)."""
        plans = [plan for _, plan in sorted(career.plans.items())]

        def planned(code: str) -> bool:
            return not plans or any(code in plan and not plan[code].supernumerary for plan in plans)

        found = {code: self._passed(career, one) for code, one in career.passed(self.day).items() if planned(code)}
        for on, _, data in career.recognitions:
            for one in data.courses:
                if one.code not in found and planned(one.code):
                    found[one.code] = self._learning(career, one.code, one.cfu, on,
                                                     str(one.grade) if one.grade is not None else None)
        return sorted(found.values(), key=lambda one: (one.on, one.code))

    def _passed(self, career: Career, result: Result) -> "Learning":
        data = result.data
        mark = "QUALIFIED" if data.grade is None else f"{data.grade}L" if data.honours else str(data.grade)
        return self._learning(career, data.course, data.cfu, data.held_on, mark)

    def _learning(self, career: Career, code: str, cfu: float, on: date, mark: str | None) -> "Learning":
        """IFS-11."""
        named = self.reference.courses.get(code)
        year, planned = next(((year, plan[code]) for year, plan in sorted(career.plans.items(), reverse=True)
                              if code in plan), (None, None))
        begins = self.reference.institute.semesters
        start = None
        if planned is not None and begins is not None and year is not None:
            month = begins[1 if planned.semester == 2 else 0]
            start = date.fromisoformat(f"{year[:4]}-{month}")
            start = start if start >= year_start(year) else date.fromisoformat(f"{int(year[:4]) + 1}-{month}")
        return Learning(code, self.told(named.name) if named is not None else None,
                        int(cfu) if cfu == int(cfu) else None, mark, on, start,
                        planned.lectures_end_on if planned is not None else None)


class Learning(NamedTuple):
    """`cfu`: None where it is no whole number. `mark`: 18 to 30, 30L, QUALIFIED; None: recognised without one. `on`: of
    the exam, or of the recognition; `start`, `end`: of the lectures."""

    code: str
    name: str | None
    cfu: int | None
    mark: str | None
    on: date
    start: date | None
    end: date | None

    @property
    def scale(self) -> tuple[str | None, str | None]:
        return (LOWEST, HIGHEST) if self.mark is not None and self.mark[0].isdigit() else (None, None)


def proof_enrollments(student: Student, who: TaxPayer) -> AnswerJson:
    """IFS02.2 (IFS-9)."""
    alive = {one["degree_course_code"] for one in enrolments(student.rows, student.day, student.reference)
             if one["status"] != "inactive"}
    found = []
    for career, year, programme in student.careers():
        if programme.code not in alive or career.ended is not None or career.first_enrolment is None:
            continue
        first = int(career.first_enrolment.academic_year[:4])
        found.append(student.course(programme, year) | {
            "country_of_academic_institution": student.told(student.reference.institute.country),
            "expected_graduation_date": date(first + programme.years, 12, 31).isoformat(),
            "enrollment_date": year_start(year).isoformat()})
    return _answer(who, "proof_enrollments", found)


def proof_courses(student: Student, who: TaxPayer) -> AnswerJson:
    """IFS02.3."""
    found = [student.course(programme, year) | {"learnings": [
        {"attended_learning_name": one.name, "start_date": day_or_none(one.start), "end_date": day_or_none(one.end),
         "grade_value": one.mark, "grading_scale_min": one.scale[0], "grading_scale_max": one.scale[1],
         "ects_credits_received": one.cfu} for one in student.learnings(career)]}
        for career, year, programme in student.careers()]
    return _answer(who, "proof_education_course", found)


def proof_admissions(student: Student, who: TaxPayer) -> AnswerJson:
    """IFS02.4 (IFS-12)."""
    since, found = int(year_of(student.day)[:4]) - WINDOW + 1, []
    for career, year, programme in student.careers():
        first = career.first_enrolment
        if first is None or int(first.academic_year[:4]) < since:
            continue
        found.append(student.course(programme, year) | {
            "degree_course_duration_in_months": programme.years * 12,
            "degree_course_duration_ects_credit": programme.cfu,
            "start_date_of_academic_year": year_start(first.academic_year).isoformat(),
            "end_date_of_academic_year": year_end(first.academic_year).isoformat()})
    return _answer(who, "proof_admissions", found)


def proof_mobility(student: Student, who: TaxPayer) -> AnswerJson:
    """IFS02.5 (IFS-13)."""
    return nobody("proof_mobility_periods")


# IFS03


def _degree(career: Career) -> tuple[str | None, str | None, float | None, float | None]:
    """Day, mark and scale."""
    graduated = career.graduated
    mark = graduated.mark if graduated is not None else None
    if graduated is None or mark is None:
        return day_or_none(career.ended_on), None, None, None
    return day_or_none(career.ended_on), f"{mark}L" if graduated.honours else str(mark), 66, 110


def _qualification(student: Student, career: Career, programme: DegreeProgramme) -> AnswerJson:
    on, mark, lowest, highest = _degree(career)
    return {"institute_code": student.reference.institute.code, "qualification_name": student.told(programme.title),
            "programme_type_code": programme.type, "degree_course_code": programme.code,
            "degree_class_code": programme.degree_class, "academic_qualification_date": on,
            "qualification_grade_value": mark, "qualification_grading_scale_minimum_grade": lowest,
            "qualification_grading_scale_maximum_grade": highest}


def academic_qualifications(student: Student, who: TaxPayer) -> AnswerJson:
    """IFS03.1."""
    return _answer(who, "qualifications", [_qualification(student, career, programme)
                                           for career, _, programme in student.graduates()])


def proof_qualifications(student: Student, who: TaxPayer) -> AnswerJson:
    """IFS03.2."""
    return _answer(who, "proof_qualifications", [
        _qualification(student, career, programme) | student.course(programme, year) | {
            "academic_qualification_country": student.told(student.reference.institute.country)}
        for career, year, programme in student.graduates()])


def _credits(career: Career, day: date) -> int | None:
    found = career.cfu_passed(day) + sum(data.cfu for _, _, data in career.recognitions)
    return int(found) if found >= 1 and found == int(found) else None


def proof_level(student: Student, who: TaxPayer) -> AnswerJson:
    """IFS03.3."""
    institute = student.reference.institute
    return _answer(who, "proof_qualifications_level", [{
        "qualification_name": student.told(programme.title), "degree_course_duration_in_months": programme.years * 12,
        "institute_code": institute.code, "institute_name": student.told(institute.name),
        "academic_qualification_date": day_or_none(career.ended_on), "total_ects": _credits(career, student.day),
        "eqf_level": student.told(student.type_of(programme, year).eqf),
        "nqf_level": student.told(student.type_of(programme, year).nqf), "has_parent_relation": None,
        "degree_course_duration_ects_credit": programme.cfu, "ects_learnings": [
            {"learning_name": one.name, "ects_credits": one.cfu} for one in student.learnings(career)
            if one.name is not None and one.cfu is not None]} for career, year, programme in student.graduates()])


def proof_supplement(student: Student, who: TaxPayer) -> AnswerJson:
    """IFS03.4."""
    institute = student.reference.institute
    found = []
    for career, year, programme in student.graduates():
        on, mark, lowest, highest = _degree(career)
        names = {"institute_name": student.told(institute.name), "institute_status": institute.status}
        found.append(student.course(programme, year) | {
            "ects_credits_received": _credits(career, student.day),
            "degree_course_duration_in_months": programme.years * 12, "qualification_grade_value": mark,
            "qualification_grading_scale_minimum_grade": lowest, "qualification_grading_scale_maximum_grade": highest,
            "qualification_date": on, "access_to_regulated_profession": student.told(programme.regulated_profession),
            **{f"{whose}_{name}": value for whose in ("administering", "qualification")
               for name, value in names.items()},
            "eqf_level": student.told(student.type_of(programme, year).eqf),
            "nqf_level": student.told(student.type_of(programme, year).nqf), "attended_learnings": [
                {"learning_cfu": one.cfu, "learning_grade_value": one.mark, "learning_grading_scale_min": one.scale[0],
                 "learning_grading_scale_max": one.scale[1], "learning_name": one.name,
                 "learning_start_date": day_or_none(one.start), "learning_end_date": day_or_none(one.end)}
                for one in student.learnings(career)]})
    return _answer(who, "proof_qualifications_diploma_supplement", found)


# IFS07


def latest_degree(events: Sequence[Event]) -> date | None:
    """The day of the last degree, or of the last that was taken back (when that was recorded); None without any
    (IFS-15)."""
    degrees = {one.id: one for one in events if one.type == "graduated"}
    days = [one.effective_on for one in in_force(events) if one.id in degrees]
    days += [one.recorded_at.date() for one in events
             if one.type == "event-voided" and getattr(one.data, "event", None) in degrees]
    return max(days, default=None)


def two_years_before(day: date) -> date:
    return date(day.year - 2, day.month, day.day) if (day.month, day.day) != (2, 29) else date(day.year - 2, 2, 28)


