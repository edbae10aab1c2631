"""Plain structs, and the checks of what somebody sends or writes of them.

What is read from the log, folded and asked is made of structs, which msgspec makes in a fraction of a model's time and
which a program that only asks can declare without pydantic. Where a form is to be checked (`model_validate`), pydantic
makes the checks of the same annotations then, and answers with the struct or with everything that is wrong.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import date
from decimal import Decimal
from functools import cache, partial
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, dataclass_transform, get_type_hints

import msgspec

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import CoreSchema


class LeftOut(frozenset[str]):
    """Names of fields. A kind of its own, which no bytes can be read as where nobody says how."""


NOTHING = LeftOut()


class Narrowed:
    """Of a text's length and pattern, a number's range, a list's length: what pydantic's schema of it asks."""

    __slots__ = ("asked",)

    def __init__(self, **asked: Any) -> None:
        self.asked = asked

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return handler(source) | self.asked


class Before:
    """What a value is made with, and checked, before pydantic looks at it. `kind`: what it is then, where it is
    declared as something else."""

    __slots__ = ("function", "kind")

    def __init__(self, function: Callable[[Any], Any], kind: Any = None) -> None:
        self.function, self.kind = function, kind

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> "CoreSchema":
        from pydantic import BeforeValidator

        return BeforeValidator(self.function).__get_pydantic_core_schema__(self.kind or source, handler)


class After:
    """What is asked of a value afterwards."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> "CoreSchema":
        from pydantic import AfterValidator

        return AfterValidator(self.function).__get_pydantic_core_schema__(source, handler)


class WrittenBy:
    """The text that stands for a value in JSON."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[Any], str]) -> None:
        self.function = function

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> "CoreSchema":
        from pydantic import PlainSerializer

        return PlainSerializer(self.function, return_type=str).__get_pydantic_core_schema__(source, handler)


class _Kind(msgspec.StructMeta):
    """Each field is given by name, so that what may be left out can stand anywhere."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **config: Any) -> Any:
        return super().__new__(cls, name, bases, namespace, kw_only=True, **config)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(msgspec.field,))
class Checked(msgspec.Struct, metaclass=_Kind, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`_left_out`: of the fields that have a default, those that were not given."""

    _left_out: LeftOut = NOTHING
    NONE_IS_LEFT_OUT: ClassVar[bool] = False
    """Whether None says that nothing was given, of fields with another default too: then `_left_out` says nothing of
    fields whose default it is."""

    @classmethod
    def model_validate(cls, data: Any) -> Self:
        """Raises pydantic's ValidationError, a ValueError, with everything that is wrong."""
        found: Self = _checks(cls)(data)
        return found

    @property
    def left_out(self) -> LeftOut:
        return self._left_out

    def held(self) -> dict[str, Any]:
        """The fields with their values; without those that it lacks."""
        lacks = getattr(self, "_lacks", NOTHING)
        return {name: getattr(self, name) for name in names(type(self)) if name not in lacks}

    def given(self) -> dict[str, Any]:
        """What was stated: without what was left out."""
        if not self.NONE_IS_LEFT_OUT:
            return {name: value for name, value in self.held().items() if name not in self._left_out}
        found = msgspec.structs.asdict(self)
        left_out = found.pop("_left_out")
        return {name: value for name, value in found.items() if value is not None and name not in left_out}

    def changed(self, **values: Any) -> Self:
        """With other values of some fields, as if they had been given."""
        return msgspec.structs.replace(self, **values, _left_out=LeftOut(self._left_out - values.keys()))

    def bared(self, without: Collection[str]) -> Self:
        """As if some fields had been left out: one that must be given is None then."""
        usual = {name: field.default for name, field in fields(type(self)).items() if not field.required}
        left_out = self._left_out | may_be_left_out(type(self)).intersection(without)
        return msgspec.structs.replace(self, **{name: usual.get(name) for name in without}, _left_out=LeftOut(left_out))

    @classmethod
    def before(cls, data: Any) -> Any:
        """What is to be checked of what was given."""
        return data

    def after(self) -> Self:
        """What is asked of several fields together: raises `form.wrong`."""
        return self

    @classmethod
    def instead(cls, data: Any) -> "type[Checked]":
        """What is to be made of it: this, or a form of it without values (`lacking`)."""
        return cls

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> "CoreSchema":
        return _instead_of_models(model_of(cls).__pydantic_core_schema__, cls)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        found: dict[str, Any] = handler(model_of(cls).__pydantic_core_schema__)
        return found


_Some = TypeVar("_Some", bound=Checked)


@cache
def names(kind: type[Checked]) -> tuple[str, ...]:
    """Of its fields."""
    return tuple(name for name in kind.__struct_fields__ if name[0] != "_")


@cache
def fields(kind: type[Checked]) -> Mapping[str, msgspec.structs.FieldInfo]:
    """By name, what msgspec knows of its fields: `type` as it was declared."""
    return {field.name: field for field in msgspec.structs.fields(kind) if field.name[0] != "_"}


@cache
def required(kind: type[Checked]) -> frozenset[str]:
    return frozenset(name for name, field in fields(kind).items() if field.required)


@cache
def may_be_left_out(kind: type[Checked]) -> frozenset[str]:
    """The fields that `_left_out` speaks of."""
    return frozenset(name for name, field in fields(kind).items() if not field.required
                     and (field.default is not None or not kind.NONE_IS_LEFT_OUT))


def as_json(value: Any, of: Callable[[Any], Mapping[str, Any]] = Checked.held) -> Any:
    """As JSON knows it: days as YYYY-MM-DD, decimals as text. `of`: which fields of a struct."""
    if isinstance(value, Checked):
        return {name: as_json(one, of) for name, one in of(value).items()}
    if isinstance(value, Mapping):
        return {name: as_json(one, of) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [as_json(one, of) for one in value]
    return value.isoformat() if isinstance(value, date) else str(value) if isinstance(value, Decimal) else value


@cache
def lacking(kind: type[_Some], without: frozenset[str], read: Callable[[Any, str], Any]) -> type[_Some]:
    """A kind that does not ask for these fields. Who reads one gets what `read` says of the struct and the field; its
    `_lacks` is for whoever made it, by field."""
    made: Any = _Kind(kind.__name__, (kind,), {
        "__module__": kind.__module__, "__doc__": kind.__doc__,
        "__annotations__": dict.fromkeys(sorted(without), Any) | {"_lacks": dict[str, Any]},
        "_lacks": msgspec.field(default_factory=dict),
        "__reduce__": lambda one: (_lacking_again, (kind, without, read, msgspec.structs.asdict(one))),
    } | dict.fromkeys(without))
    for field in without:
        setattr(made, field, property(partial(_read_what_lacks, read, field)))
    found: type[_Some] = made
    return found


def _read_what_lacks(read: Callable[[Any, str], Any], field: str, one: Any) -> Any:
    return read(one, field)


def _lacking_again(kind: type[Checked], without: frozenset[str], read: Callable[[Any, str], Any],
                   values: dict[str, Any]) -> Checked:
    """From another process, which has none of the kinds that are made here."""
    made: Any = lacking(kind, without, read)
    found: Checked = made(**values)
    return found


@cache
def model_of(kind: type[Checked]) -> "type[BaseModel]":
    """The model of a struct's form: its checks and its JSON Schema."""
    from pydantic import ConfigDict, Field, create_model

    hints = get_type_hints(kind, include_extras=True)
    declared: dict[str, Any] = {}
    for field in fields(kind).values():
        options: dict[str, Any] = {} if field.name == field.encode_name else {"alias": field.encode_name}
        if not field.required:
            options |= {"default": field.default} if field.default_factory is msgspec.NODEFAULT else \
                {"default_factory": field.default_factory}
        hint = hints[field.name]
        declared[field.name] = (hint | None if kind.NONE_IS_LEFT_OUT and not field.required else hint, Field(**options))
    made: Any = create_model(kind.__name__, __config__=ConfigDict(frozen=True, extra="forbid", populate_by_name=True),
                             __doc__=kind.__doc__, __module__=kind.__module__, **declared)
    found: type[BaseModel] = made
    return found


@cache
def _checks(kind: type[Checked]) -> Callable[[Any], Any]:
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(kind, config=ConfigDict(populate_by_name=True)).validate_python


def _instead_of_models(schema: Any, kind: type[Checked]) -> "CoreSchema":
    """The part of a model's schema that gives the fields, and what makes a struct of them."""
    from pydantic_core import core_schema as cs

    if schema["type"] == "definitions":
        return cs.definitions_schema(_instead_of_models(schema["schema"], kind), schema["definitions"])
    return cs.no_info_wrap_validator_function(_made(kind), schema["schema"] | {"extra_behavior": "forbid"},
                                              ref=f"{kind.__module__}.{kind.__qualname__}:{id(kind)}")


def _has_its_own(kind: type[Checked], name: str) -> bool:
    return next(vars(one)[name] for one in kind.__mro__ if name in vars(one)) is not vars(Checked)[name]


def _made(kind: type[Checked]) -> Callable[[Any, Any], Any]:
    """What pydantic has found of the fields, as the struct."""
    prepares, chooses, asks = (_has_its_own(kind, name) for name in ("before", "instead", "after"))
    usual, kept = may_be_left_out(kind), dict[frozenset[str], LeftOut]()
    nothing = kind.NONE_IS_LEFT_OUT

    def make(value: Any, read: Any) -> Any:
        if isinstance(value, kind):
            return value
        if prepares:
            value = kind.before(value)
        if chooses and (other := kind.instead(value)) is not kind:
            return other.model_validate(value)
        found, _, given = read(value)
        if nothing and (nulls := [name for name in usual & given if found[name] is None]):
            given = given.difference(nulls)
            for name in nulls:
                del found[name]
        if usual and (left_out := usual - given):
            found["_left_out"] = kept.get(left_out) or kept.setdefault(left_out, LeftOut(left_out))
        one = kind(**found)
        return one.after() if asks else one

    return make
