"""What is asked: in the query the two clocks of every question and the exam, in the body submissions, in the head
which version of the student the caller knows."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ledger.domain.checked import names
from ledger.domain.events import ExamBooked
from ledger.domain.form import Problem, problems_of
from ledger.domain.phrases import says
from ledger.domain.values import Day, Instant, Pseudonym
from ledger.edges.web import Request
from ledger.handling.lines import decode_line
from ledger.projections.student.what_if import Call

from .problems import Misasked, parameter

MOST_PARAMETERS = 20
MOST_DIGITS = 19
_NUMBERS = frozenset({"known_position", "after", "limit", "wait"})
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


class Who(BaseModel):
    model_config = ConfigDict(extra="forbid")
    career: Pseudonym


CALL = tuple(name for name in names(ExamBooked) if name != "note")


def query(text: bytes) -> dict[str, str]:
    """The parameters. Raises Misasked for one that stands twice."""
    if not text:
        return {}
    try:
        given = parse_qsl(text.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict",
                          max_num_fields=MOST_PARAMETERS)
    except ValueError:
        raise Misasked(400, "bad-query", says("http/query")) from None
    found: dict[str, str] = {}
    for name, value in given:
        if name in found or "\0" in value:  # no database keeps the latter
            why = says("http/twice" if name in found else "form/control-characters")
            raise Misasked(400, "bad-query", says("http/query"), [parameter(Problem(name[:40], why))])
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
        who = Who.model_validate({name: value for name, value in given.items() if name == "career"})
    except ValidationError as error:
        problems += problems_of(error)
    try:
        exam = ExamBooked.model_validate({"mode": "written"} | {
            name: value for name, value in given.items() if name in CALL})
    except ValidationError as error:
        problems += problems_of(error)
    asked = _clocks({name: value for name, value in given.items() if name != "career" and name not in CALL}, problems)
    if who is None or exam is None:
        raise misasked(problems)
    return Call(who.career, exam), asked


MOST_SUBMISSIONS = 1000
MOST_SUPPOSED = 100
"""Of a what-if: each is decided on top of those before it, and nobody else records meanwhile."""
_TAG = re.compile(rb'"(0|[1-9][0-9]{0,17})"')


def decoded(body: bytes) -> Any:
    """The JSON of a body. Raises Misasked where it cannot be used."""
    found = decode_line(body, first=True)
    if isinstance(found, Problem):
        raise Misasked(400, "bad-json", found.message)
    if found is None:
        raise Misasked(400, "bad-json", says("http/no-body"))
    return found


def listed(body: bytes, most: int = MOST_SUBMISSIONS) -> list[Any]:
    """The same of a list of submissions."""
    found = decoded(body)
    if not isinstance(found, list) or len(found) > most:
        raise Misasked(422, "invalid", says("http/list", at_most=most))
    return found


def expected(request: Request) -> int | None:
    """The version that the caller knows; None where `*` says that any will do. Raises Misasked where none is named, or
    it is no strong ETag of ours."""
    given = request.headers.get(b"if-match")
    if given is None:
        raise Misasked(428, "no-version", says("http/no-version"))
    if given.strip() == b"*":
        return None
    match = _TAG.fullmatch(given.strip())
    if match is None:
        raise Misasked(412, "stale", says("http/no-tag"))
    return int(match[1])


class Heard(BaseModel):
    model_config = ConfigDict(extra="forbid")
    after: Annotated[int, Field(strict=True, ge=0, le=LAST_POSITION)] = 0
    limit: Annotated[int, Field(strict=True, ge=1, le=500)] = 500
    wait: Annotated[int, Field(strict=True, ge=0, le=8)] = 0
    """Seconds of a long poll: an answer must come within `web.ANSWER_SECONDS`."""


def heard(request: Request, given: _Query) -> tuple[int, int, int]:
    """From which position on (Last-Event-ID, else `after`, else all), how many at most, and for how many seconds it is
    waited where there is none. Raises Misasked."""
    last = request.headers.get(b"last-event-id")
    if last is not None:
        given = {**given, "after": last.decode("latin-1").strip()}
    found = read_as(Heard, given)
    return found.after, found.limit, found.wait


M = TypeVar("M", bound=BaseModel)


def read_as(model: type[M], given: _Query) -> M:
    """The parameters as a model has them. Raises Misasked (400) with every one that is wrong."""
    try:
        return model.model_validate({name: whole(value) if name in _NUMBERS else value
                                     for name, value in given.items()})
    except ValidationError as error:
        raise misasked(problems_of(error)) from None


def must_agree(request: Request, id: str) -> None:
    """A submission's id is its idempotency key: one that is sent beside it is the same. Raises Misasked."""
    given = request.headers.get(b"idempotency-key")
    if given is not None and given.strip(b' "') != id.encode():
        raise Misasked(422, "invalid", says("http/idempotency-key"))


def _clocks(given: _Query, problems: list[Problem]) -> Clocks:
    """Raises Misasked where anything is wrong by now."""
    if not given and not problems:
        return Clocks(None, None, None)
    found = AsKnown()
    try:
        found = AsKnown.model_validate({name: whole(value) if name in _NUMBERS else value
                                        for name, value in given.items()})
    except ValidationError as error:
        problems = [*problems, *problems_of(error)]
    if found.known_at is not None and found.known_position is not None:
        problems = [*problems, Problem("known_position", says("cli/not-both", first="known_at",
                                                              second="known_position"))]
    if problems:
        raise misasked(problems)
    return Clocks(found.on, found.known_at, found.known_position)


def whole(text: str, digits: int = MOST_DIGITS) -> int:
    """A whole number of so many digits at most; -1 for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits else -1


def misasked(problems: list[Problem]) -> Misasked:
    return Misasked(400, "bad-query", says("http/query"),
                    [parameter(Problem(one.path[:40], one.message)) for one in problems])
