"""A submission: what somebody asks the ledger to record (section 2 of the published language).

`read_submission` turns a decoded JSON object into a `Submission` or into the list of everything that is wrong with its
form. Whether the rules allow it is not asked here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    field_validator,
)
from pydantic_core import SchemaValidator
from pydantic_core import core_schema as cs

from .events import (
    ABOUT_THE_PERSON,
    NOT_SUBMITTED,
    NOTHING,
    PAYLOADS,
    SEALED_ONLY,
    Event,
    Override,
    Payload,
    Rulebook,
    content_of,
)
from .form import Problem, problems_of, wrong
from .phrases import says
from .values import Day, Instant, Pseudonym, Text, compiled


def _without_nul(value: str) -> str:
    if "\0" in value:
        raise wrong("form/nul")
    return value


_Id = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_without_nul)]


class _Envelope(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    id: _Id
    type: str
    student: Pseudonym
    career: Pseudonym | None = None
    effective_on: Day
    recorded_at: Instant | None = None
    source: Text
    actor: Text
    override: tuple[Override, ...] = ()
    data: dict[str, Any]

    @field_validator("override", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        if value is None:
            return ()
        return (value,) if isinstance(value, dict | Override) else value


@dataclass(frozen=True, slots=True)
class Submission:
    """A well-formed request to record one fact. `recorded_at` is None where the ledger's own clock is to be used."""

    id: str
    type: str
    student: str
    career: str | None
    effective_on: date
    recorded_at: datetime | None
    source: str
    actor: str
    data: Payload
    override: tuple[Override, ...] = ()

    def content(self) -> dict[str, Any]:
        """What makes two submissions the same one: everything but `recorded_at`."""
        return content_of(self)


def recorded(submission: Submission, recorded_at: datetime, version: int, rulebook: Rulebook | None,
             breaches: tuple[str, ...], position: int = 0, clear: Mapping[str, str] = NOTHING) -> Event:
    """The event that a submission becomes."""
    return Event(submission.id, submission.type, submission.student, submission.career, submission.effective_on,
                 recorded_at, submission.source, submission.actor, submission.data, position, version,
                 submission.override, rulebook, breaches, clear)


def _usual(raw: dict[str, Any], sealing: bool) -> Submission | None:
    """What nearly every submission is, read at once: well-formed, without an override, CFU in whole numbers. None for
    any other, which is then read field by field to say what is wrong with it, if anything is."""
    name = raw.get("type")
    if not isinstance(name, str) or name not in PAYLOADS or name in NOT_SUBMITTED or "override" in raw:
        return None
    if name in SEALED_ONLY and not sealing:
        return None
    try:
        return _reader(name)(raw)
    except (ValidationError, TypeError):
        return None


@cache
def _reader(kind: str) -> Callable[[Any], Submission]:
    """A type's form in pydantic's compiled core."""
    model = PAYLOADS[kind]
    given: dict[str, Any] = {"id": _Id, "student": Pseudonym, "career": Pseudonym, "effective_on": Day,
                             "recorded_at": Instant | None, "source": Text, "actor": Text}
    form = {name: compiled(TypeAdapter(one).core_schema) for name, one in given.items()}
    if kind in ABOUT_THE_PERSON:
        form["career"] = _or_else(cs.none_schema(), None)
    elif kind == "event-voided":
        form["career"] = _or_else(cs.nullable_schema(form["career"]), None)
    form |= {"type": cs.literal_schema([kind]), "data": compiled(TypeAdapter(model).core_schema),
             "recorded_at": _or_else(form["recorded_at"], None), "override": _or_else(cs.any_schema(), ())}
    fields = cs.dataclass_args_schema("Submission",
                                      [cs.dataclass_field(name, schema, kw_only=True) for name, schema in form.items()],
                                      extra_behavior="forbid")
    read: Callable[[Any], Submission] = SchemaValidator(
        cs.dataclass_schema(Submission, fields, list(form), slots=True, frozen=True)).validate_python
    return read


def _or_else(schema: Any, default: Any) -> Any:
    return cs.with_default_schema(schema, default=default)


def read_submission(raw: Any, sealing: bool = False) -> Submission | list[Problem]:
    """A decoded JSON value as a submission, or every problem of its form (never empty).

    Dates are calendar days, money is a decimal string with two digits, unknown fields and types are refused.
    `sealing`: what is never stored in the clear is taken, too.
    """
    if not isinstance(raw, dict):
        return [Problem("", says("form/submission"))]
    found = _usual(raw, sealing)
    if found is not None:
        return found
    problems: list[Problem] = []
    envelope: _Envelope | None = None
    try:
        envelope = _Envelope.model_validate(raw)
    except ValidationError as error:
        problems += problems_of(error)
    name = raw["type"] if isinstance(raw.get("type"), str) else None
    data = None
    payload = PAYLOADS.get(name) if name is not None else None
    if name is not None and payload is None:
        problems.append(Problem("type", says("form/unknown-type")))
    if payload is not None and isinstance(raw.get("data"), dict):
        try:
            data = payload.model_validate(raw["data"])
        except ValidationError as error:
            problems += problems_of(error, "data.")
    if name in ABOUT_THE_PERSON and raw.get("career") is not None:
        problems.append(Problem("career", says("form/about-the-person", type=name)))
    if payload is not None and name not in ABOUT_THE_PERSON and name != "event-voided" and raw.get("career") is None:
        problems.append(Problem("career", says("form/about-a-career", type=name)))
    if name in SEALED_ONLY and not sealing and not problems:
        problems.append(Problem("data", says("form/personal-data")))
    if name in NOT_SUBMITTED:
        problems.append(Problem("type", says("form/not-submitted", type=name)))
    if problems or envelope is None or data is None:
        return problems
    return Submission(envelope.id, envelope.type, envelope.student, envelope.career, envelope.effective_on,
                      envelope.recorded_at, envelope.source, envelope.actor, data, envelope.override)
