"""The Diploma Supplement and the transcript as a page that is printed, in the language of who asks: what IFS03.4
answers, and whose it is."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from ledger.bootstrap import Answer
from ledger.domain.phrases import says
from ledger.words import Language, sentence
from ledger.words.entries import named
from ledger.words.values import day

from .sheets import Section, html

PARTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("qualification", ("degree_course_name", "degree_class_code", "degree_class_name", "institute_name",
                       "administering_institute_status")),
    ("level", ("programme_type_name", "eqf_level", "nqf_level", "degree_course_duration_in_months")),
    ("result", ("ects_credits_received", "qualification_grade_value", "scale", "qualification_date")),
    ("function", ("access_to_regulated_profession",)))
"""The sections of the European model that a ledger can fill, and what of the answer stands in each."""
COURSES = ("learning_name", "learning_cfu", "learning_grade_value", "learning_end_date")


def page(found: Answer, language: Language, transcript: bool) -> str:
    """`found`: as `Ledger.supplement` answers. `transcript`: the courses alone."""
    sheet = _Sheet(found, language)
    title = says("supplement/transcript") if transcript else says("supplement/title")
    made = says("supplement/made", on=date.fromisoformat(found["on"]), text=found["institute"])
    return html(sentence(title, language), [sentence(one, language) for one in (made, says("supplement/note"))],
                list(sheet.sections(transcript)), language)


class _Sheet:
    def __init__(self, found: Answer, language: Language) -> None:
        self._found, self._language = found, language

    def _name(self, field: str) -> str:
        return named("supplement", field, self._language)

    def _shown(self, value: Any) -> str:
        if value is None:
            return "-"
        text = str(value)
        if len(text) == len("2026-01-31") and text[4:5] == text[7:8] == "-":
            return day(date.fromisoformat(text), self._language)
        return named("supplement", text, self._language)

    def sections(self, transcript: bool) -> Iterator[Section]:
        person = self._found["person"]
        yield Section(self._name("holder"), [], rows=[
            (self._name(field), self._shown(person.get(field))) for field in (
                "family_name", "given_name", "birth_date", "birth_place")] + [
            (self._name("student"), self._found["student"])])
        for degree in self._found["degrees"]:
            lowest, highest = (degree[f"qualification_grading_scale_{name}_grade"] for name in ("minimum", "maximum"))
            told = degree | {"scale": None if lowest is None else f"{lowest}-{highest}"}
            for part, fields in () if transcript else PARTS:
                yield Section(self._name(part), [], rows=[(self._name(one), self._shown(told[one])) for one in fields])
            yield Section(f"{self._name('courses')}: {degree['degree_course_name']}", [], self._heads(),
                          [[self._shown(one[field]) for field in COURSES] for one in degree["attended_learnings"]])

    def _heads(self) -> Sequence[str]:
        return [self._name(field) for field in COURSES]
