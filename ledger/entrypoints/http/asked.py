"""What stands in a query: the two clocks of every question, and the exam that is asked about."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, NamedTuple
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ledger.domain.events import ExamBooked
from ledger.domain.form import Problem, problems_of
from ledger.domain.phrases import says
from ledger.domain.values import Day, Instant, Pseudonym
from ledger.projections.student.what_if import Call

from .problems import Misasked, parameter

MOST_PARAMETERS = 20
MOST_DIGITS = 19
LAST_POSITION = 2**63 - 1

_Query = Mapping[str, str]


class AsKnown(BaseModel):
    """As the command line has it: the day, and as known when."""

    model_config = ConfigDict(extra="forbid")
    on: Day | None = None
    known_at: Instant | None = None
    known_position: Annotated[int, Field(strict=True, ge=0, le=LAST_POSITION)] | None = None


class Clocks(NamedTuple):
    on: date | None
    known_at: datetime | None
    known_position: int | None


class _Who(BaseModel):
    model_config = ConfigDict(extra="forbid")
    career: Pseudonym


CALL = tuple(name for name in ExamBooked.model_fields if name != "note")


def query(text: bytes) -> dict[str, str]:
    """The parameters. Raises Misasked for one that stands twice."""
    try:
        given = parse_qsl(text.decode("ascii"), keep_blank_values=True, strict_parsing=bool(text), errors="strict",
                          max_num_fields=MOST_PARAMETERS)
    except ValueError:
        raise Misasked(400, "bad-query", says("http/query")) from None
    found: dict[str, str] = {}
    for name, value in given:
        if name in found:
            raise Misasked(400, "bad-query", says("http/query"), [parameter(Problem(name[:40], says("http/twice")))])
        found[name] = value
    return found


def clocks(given: _Query) -> Clocks:
    """Raises Misasked (400) with every parameter that is wrong."""
    return _clocks(given, [])


def call_and_clocks(given: _Query) -> tuple[Call, Clocks]:
    """`career` and the call as in `exam-booked`; `mode` is written unless given. Raises Misasked as `clocks` does."""
    problems: list[Problem] = []
    who = exam = None
    try:
        who = _Who.model_validate({name: value for name, value in given.items() if name == "career"})
    except ValidationError as error:
        problems += problems_of(error)
    try:
        exam = ExamBooked.model_validate({"mode": "written"} | {
            name: value for name, value in given.items() if name in CALL})
    except ValidationError as error:
        problems += problems_of(error)
    asked = _clocks({name: value for name, value in given.items() if name != "career" and name not in CALL}, problems)
    if who is None or exam is None:
        raise _misasked(problems)
    return Call(who.career, exam), asked


def _clocks(given: _Query, problems: list[Problem]) -> Clocks:
    """Raises Misasked where anything is wrong by now."""
    found = AsKnown()
    try:
        found = AsKnown.model_validate({name: _number(value) if name == "known_position" else value
                                        for name, value in given.items()})
    except ValidationError as error:
        problems = [*problems, *problems_of(error)]
    if found.known_at is not None and found.known_position is not None:
        problems = [*problems, Problem("known_position", says("cli/not-both", first="known_at",
                                                              second="known_position"))]
    if problems:
        raise _misasked(problems)
    return Clocks(found.on, found.known_at, found.known_position)


def _number(text: str) -> int:
    """What is none is too small."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS else -1


def _misasked(problems: list[Problem]) -> Misasked:
    return Misasked(400, "bad-query", says("http/query"),
                    [parameter(Problem(one.path[:40], one.message)) for one in problems])
