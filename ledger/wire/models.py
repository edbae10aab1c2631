"""The form of each event's message, as the types that a reader gets.

Built from `FIELDS` (what leaves) and the annotations of the domain's payloads (what it is), so that neither is said
twice. What a submitter is told to write (lengths, spelling) is left out: a reader is promised types, enumerations,
ranges of numbers, and the form of money, days, years and pseudonyms. The JSON Schemas in docs/schemas are generated
from these models.
"""

from datetime import date, datetime
from decimal import Decimal
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from msgspec import structs
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler, WithJsonSchema, create_model
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core import core_schema as cs

from ledger.domain.checked import Checked
from ledger.domain.events import ABOUT_THE_PERSON, PAYLOADS
from ledger.domain.reasons import Fact
from ledger.domain.values import ALPHABET, Cfu, Pseudonym, Year

from .events import FIELDS, Parts


class Wire(BaseModel):
    """Optional fields may be added: a reader takes no notice of those that it does not know. Nothing is converted
    silently."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False, populate_by_name=True)


class _Euro:
    """A string with two digits, straight to Decimal in pydantic's compiled core. Every database can count its cents."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return cs.chain_schema([cs.str_schema(pattern=r"^[0-9]+\.[0-9]{2}$"),
                                cs.decimal_schema(strict=False, lt=Decimal(10) ** 15)],
                               serialization=cs.to_string_ser_schema())


FIRST, LAST = date(1000, 1, 1), date(9000, 12, 31)
"""Of the days that are read: some years can be added to each, and taken off it."""


def _real(moment: str) -> str:
    try:
        found = datetime.fromisoformat(moment)
    except ValueError:
        found = None
    if found is None or not FIRST.year <= found.year <= LAST.year:
        raise PydanticCustomError("instant", "there is no such instant")
    return moment


AnyDay = Annotated[date, Field(ge=FIRST, le=LAST)]


AnyPseudonym = Annotated[str, ALPHABET]
"""A pseudonym as it is read: what was asked of its submitter is asked no more."""
Euro = Annotated[Decimal, _Euro()]
"""A JSON string with two digits after the point, such as "400.00"."""
Moment = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?Z$",
                              json_schema_extra={"format": "date-time"}), AfterValidator(_real)]
"""An instant in UTC, as text."""
AcademicYear = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}$")]
Number = Annotated[int | float, WithJsonSchema({"type": "number"})]
FromOne = Annotated[int, Field(ge=1, le=2**53 - 1)]


class FactRef(Wire):
    """What an answer rests on."""

    event: str
    on: AnyDay
    amount: Euro | None = None

    def fact(self) -> Fact:
        return Fact(self.event, self.on, self.amount)


class SourceRef(Wire):
    """Where a rule stands."""

    document: str
    heading: str


class OverrideRef(Wire):
    """An officer's derogation. Its reason is withheld."""

    rule: str
    authority: str


class RulebookRef(Wire):
    """The rule book that was applied."""

    id: str
    sha256: str


class Recorded(Wire):
    """What every event's message holds beside its `career` and its `data`: section 2 of the published language."""

    id: str
    type: str
    student: AnyPseudonym
    effective_on: AnyDay
    recorded_at: Moment
    source: str
    actor: str
    rulebook: RulebookRef | None = None
    breaches: tuple[str, ...] = ()
    override: tuple[OverrideRef, ...] = ()
    version: FromOne
    position: FromOne


_Model = type[Wire]


@cache
def value_model(type: str) -> _Model:
    """The message's value. Raises KeyError for a type that is not in `FIELDS`."""
    fields: dict[str, Any] = {"type": (Literal[type], ...), "data": (data_model(type), ...)}
    if type not in ABOUT_THE_PERSON:
        fields["career"] = (AnyPseudonym | None, None) if type == "event-voided" else (AnyPseudonym, ...)
    found: _Model = create_model(_class_name(type), __base__=Recorded,
                                 __doc__=f"`{type}`, section 3 of the published language.", **fields)
    return found


@cache
def data_model(type: str) -> _Model:
    """What its `data` holds."""
    names, parts = FIELDS[type]
    return _model(f"{_class_name(type)}Data", PAYLOADS[type], names, parts)


def _class_name(type: str) -> str:
    return type.title().replace("-", "")


def _model(name: str, payload: type[Checked], names: tuple[str, ...], parts: Parts) -> _Model:
    """The fields of a payload that leave; of those that hold objects, theirs."""
    hints = get_type_hints(payload, include_extras=True)
    fields: dict[str, Any] = {}
    declared = {one.name: one for one in structs.fields(payload)}
    for field in (*names, *parts):
        form = _objects(f"{name}{field.title()}", hints[field], parts[field]) if field in parts else _form(hints[field])
        fields[field] = (form, ... if declared[field].required else declared[field].default)
    found: _Model = create_model(name, __base__=Wire, **fields)
    return found


def _objects(name: str, annotation: Any, names: tuple[str, ...]) -> Any:
    """`tuple[Part, ...]` with the fields of the part that leave."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return tuple[_model(name, get_args(annotation)[0], names, {}), ...]  # type: ignore[misc]


def _form(annotation: Any) -> Any:
    """The wire's type for one of the domain's: its native type without the questions that are asked of a submitter."""
    if annotation == Year:
        return AcademicYear
    if annotation == Pseudonym:
        return AnyPseudonym
    if annotation == Cfu:
        return Number
    if annotation is date:
        return AnyDay
    if get_origin(annotation) is Annotated:
        native = get_args(annotation)[0]
        if native is Decimal:
            return Euro
        if native is int:
            return annotation
        return _form(native)
    if get_origin(annotation) is tuple:
        return tuple[_form(get_args(annotation)[0]), ...]  # type: ignore[misc]
    if get_origin(annotation) in (Union, UnionType):
        return Union[tuple(_form(one) for one in get_args(annotation))]  # noqa: UP007  built at run time
    return annotation
