"""What answers to others need and no event holds: the university's codes, its degree programmes and its courses.

A folder of YAML: `institute.yaml`, `courses.yaml`, and `programmes-YEAR.yaml` for each academic year from which
something is otherwise than before; a year without a file of its own is that of the file before it. Programmes stand
under what events call them. The files are read and refused as rule books are; they are no law, and change no answer of
the ledger's own.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ledger.domain.phrases import says
from ledger.domain.values import CourseCode, Text, Year

from .institution import Name
from .loader import Misread, RuleBookError, read_file, read_plain, refusal

INSTITUTE, COURSES, PROGRAMMES = "institute.yaml", "courses.yaml", "programmes-*.yaml"

_Short = Annotated[str, Field(min_length=1, max_length=20)]
_Place = Annotated[str, Field(pattern=r"^[0-9]{6}(,[0-9]{6})*$", max_length=99)]
_Site = Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=256)]
_Day = Annotated[str, Field(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")]


_Model = TypeVar("_Model", bound=BaseModel)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Institute(_Part):
    """`code`: that of the Ministry. `smallest_cell`: counts of people below it are hidden. `semesters`: month and day
    on which the lectures of the first and of the second begin."""

    code: Annotated[str, Field(min_length=1, max_length=256)]
    name: Name
    status: Literal["public", "private"]
    country: Name
    website: _Site
    smallest_cell: Annotated[int, Field(strict=True, ge=1, le=1000)] = 1
    semesters: tuple[_Day, _Day] | None = None


class ProgrammeType(_Part):
    """`level`: of the European and the national framework, as they are written."""

    name: Name
    eqf: Name
    nqf: Name


class DegreeProgramme(_Part):
    """`code`: of the course with the Ministry; `type`: one of the file's `types`; `title`: of the degree; `places`:
    codes of the municipalities; `first_year`: codes of the courses of its first year."""

    code: _Short
    type: _Short
    degree_class: _Short | None = None
    class_name: Name | None = None
    name: Name
    title: Name
    years: Annotated[int, Field(strict=True, ge=1, le=6)]
    cfu: Annotated[int, Field(strict=True, ge=1, le=400)]
    access: Literal["open", "restricted"]
    language: _Short
    places: _Place
    area: Annotated[str, Field(min_length=1, max_length=99)]
    mode: Literal["full-remote", "on-site", "hybrid", "not-available", "other"] = "on-site"
    since: Year
    website: _Site
    regulated_profession: Name | None = None
    first_year: tuple[CourseCode, ...] = ()


class TaughtCourse(_Part):
    name: Name
    sector: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    cfu: Annotated[int, Field(strict=True, ge=1, le=60)] | None = None
    hours: Annotated[int, Field(strict=True, ge=0, le=999)] | None = None
    language: _Short | None = None


class _Courses(_Part):
    courses: dict[CourseCode, TaughtCourse]


class _Programmes(_Part):
    academic_year: Year
    types: dict[_Short, ProgrammeType]
    programmes: dict[Text, DegreeProgramme]


@dataclass(frozen=True, eq=False, slots=True)
class Reference:
    """`sha256`: over all files. `years`: each file's first academic year with its types and programmes, in order."""

    institute: Institute
    courses: Mapping[str, TaughtCourse]
    years: tuple[tuple[str, Mapping[str, ProgrammeType], Mapping[str, DegreeProgramme]], ...]
    sha256: str

    def offered(self, academic_year: str) -> Mapping[str, DegreeProgramme]:
        """The programmes of an academic year, by what events call them."""
        return next((programmes for year, _, programmes in reversed(self.years) if year <= academic_year), {})

    def programme(self, name: str | None, academic_year: str | None) -> DegreeProgramme | None:
        """None where the files do not tell."""
        return self.offered(academic_year).get(name) if name is not None and academic_year is not None else None

    def type_of(self, programme: DegreeProgramme, academic_year: str) -> ProgrammeType:
        return next(types for year, types, _ in reversed(self.years) if year <= academic_year)[programme.type]


def reference(folder: Path) -> Reference:
    """Raises RuleBookError with file, line, field and what to write."""
    digest = hashlib.sha256()

    def of(path: Path, model: type[_Model]) -> _Model:
        content = read_file(path)
        digest.update(path.name.encode() + b"\n" + content)
        try:
            return model.model_validate(read_plain(str(path), content))
        except ValidationError as error:
            raise refusal(str(path), content, error) from None

    institute, courses = of(folder / INSTITUTE, Institute), of(folder / COURSES, _Courses)
    years: list[tuple[str, Mapping[str, ProgrammeType], Mapping[str, DegreeProgramme]]] = []
    for path in sorted(folder.glob(PROGRAMMES)):
        name, found = str(path), of(path, _Programmes)
        if problems := [*_wrong(name, found)]:
            raise RuleBookError(*problems)
        if any(year == found.academic_year for year, _, _ in years):
            raise RuleBookError(Misread(name, None, "academic_year", says(
                "reference/second-of-the-year", academic_year=found.academic_year)))
        years.append((found.academic_year, found.types, found.programmes))
    if not years:
        raise RuleBookError(Misread(str(folder), None, "", says("reference/no-programmes")))
    return Reference(institute, courses.courses, tuple(sorted(years, key=lambda one: one[0])), digest.hexdigest())


def _wrong(name: str, found: _Programmes) -> Iterator[Misread]:
    codes: dict[str, str] = {}
    for called, one in found.programmes.items():
        if one.type not in found.types:
            yield Misread(name, None, f"programmes.{called}.type", says("reference/no-type", text=one.type))
        if one.code in codes:
            yield Misread(name, None, f"programmes.{called}.code", says("reference/same-code", text=codes[one.code]))
        codes[one.code] = called
