"""From the canonical bytes of a type straight to the event, at the speed of a compiled decoder.

msgspec reads the bytes into a form made of the payload's own annotations: names, types and literals are checked, a
field that is missing or unknown is refused. The payload is then made of the form. Of what was asked before the event
was stored, only that is asked again with which rules compute (`_JUDGED`), so that a damaged byte stops one student and
not whoever adds up everybody's; texts are taken as they are. What was left out stays out: `model_fields_set` is as it
was.
"""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from functools import cache, lru_cache, reduce
from operator import or_
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import UNSET, UnsetType
from pydantic import BaseModel

from ledger.domain.events import NOTHING, PAYLOADS, SEALED_ONLY, Event, Override, Rulebook, Sealed
from ledger.domain.protected import PROTECTED
from ledger.domain.values import (
    CENT,
    FIRST_YEAR,
    LAST_YEAR,
    ZERO,
    Amount,
    Cfu,
    Day,
    PositiveAmount,
    Year,
)

from .recorder import SEALED

Reader = Callable[[bytes, int], Event]
"""From bytes and position to the event. Raises ValueError for bytes that are not an event of this type."""


class _Rulebook(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    id: str
    sha256: str


class _Sealed(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    key: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    box: str


_OVERRIDE = frozenset({"reason"})


@cache
def checker(kind: str) -> Callable[[bytes], Any]:
    """Whether bytes are an event of this type. Raises ValueError where `reader` does."""
    plain, judged = _decoder(kind, kind in SEALED_ONLY), _judged(PAYLOADS[kind])

    def check(state: bytes) -> Any:
        try:
            one = plain(state)
        except msgspec.ValidationError:
            if SEALED not in state:
                raise
            one = _decoder(kind, True)(state)
        if not (_FIRST_DAY <= one.effective_on <= _LAST_DAY and FIRST_YEAR <= one.recorded_at.year <= LAST_YEAR):
            raise ValueError(_UNSOUND.format("effective_on or recorded_at"))
        for name, is_sound in judged:
            value = getattr(one.data, name, None)
            if value is not None and value is not UNSET and not is_sound(value):
                raise ValueError(_UNSOUND.format(name))

    return check


@cache
def reader(kind: str) -> Reader:
    """How the events of a type are read. How sealed ones are is made when the first one comes: most programs that start
    for one question meet none."""
    if kind in SEALED_ONLY:
        return _reader_of_sealed(kind)
    payload, override, plain = _maker(PAYLOADS[kind]), _maker(Override), _decoder(kind, False)

    def read(state: bytes, position: int) -> Event:
        try:
            one: Any = plain(state)
        except msgspec.ValidationError:
            if SEALED not in state:
                raise
            return _reader_of_sealed(kind)(state, position)
        if not (_FIRST_DAY <= one.effective_on <= _LAST_DAY and FIRST_YEAR <= one.recorded_at.year <= LAST_YEAR):
            raise ValueError(_UNSOUND.format("effective_on or recorded_at"))
        book = one.rulebook
        return Event(one.id, kind, one.student, one.career, one.effective_on, one.recorded_at, one.source, one.actor,
                     payload(one.data), position, one.version,
                     tuple(map(override, one.override)) if one.override else (),
                     _rulebook(book.id, book.sha256) if book is not None else None, one.breaches,
                     one.clear or NOTHING)

    return read


@cache
def _reader_of_sealed(kind: str) -> Reader:
    payload, override = _maker(PAYLOADS[kind], PROTECTED[kind]), _maker(Override, _OVERRIDE)
    decode = _decoder(kind, True)

    def read(state: bytes, position: int) -> Event:
        one: Any = decode(state)
        if not (_FIRST_DAY <= one.effective_on <= _LAST_DAY and FIRST_YEAR <= one.recorded_at.year <= LAST_YEAR):
            raise ValueError(_UNSOUND.format("effective_on or recorded_at"))
        book = one.rulebook
        return Event(one.id, kind, one.student, one.career, one.effective_on, one.recorded_at, one.source, one.actor,
                     payload(one.data), position, one.version, tuple(map(override, one.override)),
                     _rulebook(book.id, book.sha256) if book is not None else None, one.breaches, one.clear or NOTHING,
                     Sealed(one.sealed.key, one.sealed.box))

    return read


_UNSOUND = "{} is nothing that was ever recorded"
_FIRST_DAY, _LAST_DAY = date(FIRST_YEAR, 1, 1), date(LAST_YEAR, 12, 31)
_MOST = Decimal(10) ** 9
_NONE: frozenset[str] = frozenset()


def _is_money(value: Decimal) -> bool:
    return value.same_quantum(CENT) and ZERO <= value < _MOST


def _is_day(value: date) -> bool:
    return _FIRST_DAY <= value <= _LAST_DAY


_IsSound = Callable[[Any], bool]
_JUDGED: tuple[tuple[Any, _IsSound], ...] = ((Amount, _is_money), (PositiveAmount, _is_money), (Day, _is_day))
_COMPILED: tuple[tuple[Any, Any], ...] = (
    (Year, Literal[tuple(f"{first}-{(first + 1) % 100:02d}" for first in range(FIRST_YEAR, LAST_YEAR + 1))]),
    (Cfu, Annotated[int, msgspec.Meta(ge=0, le=1000)] | Annotated[float, msgspec.Meta(ge=0, le=1000)]))
"""What msgspec judges itself of that with which rules compute."""


@cache
def _judged(model: type[BaseModel]) -> list[tuple[str, _IsSound]]:
    """The other fields of a model with which rules compute, and whether a value can be theirs. Of a list of parts each
    is read, which raises ValueError itself."""
    found: list[tuple[str, _IsSound]] = []
    for name, declared in get_type_hints(model, include_extras=True).items():
        kinds = get_args(declared) if get_origin(declared) in (Union, UnionType) else (declared,)
        found += [(name, is_sound) for kind, is_sound in _JUDGED if kind in kinds]
    return found + [(name, _are(part)) for name, part in _parts(model)]


def _are(part: Callable[[bytes], Any]) -> _IsSound:
    return lambda given: all(part(bytes(one)) for one in given)


def _parts(model: type[BaseModel]) -> list[tuple[str, Callable[[bytes], Any]]]:
    return [(name, _part(get_args(field.annotation)[0])) for name, field in model.model_fields.items()
            if get_origin(field.annotation) is tuple and _is_model(get_args(field.annotation)[0])]


@cache
def _decoder(kind: str, sealed: bool) -> Callable[[bytes], Any]:
    """`sealed`: of the form in which the protected fields are absent and `sealed` stands."""
    overrides: Any = tuple.__class_getitem__((_form(Override, _OVERRIDE if sealed else _NONE), ...))
    fields: list[Any] = [
        ("id", str), ("student", str), ("effective_on", date),
        ("recorded_at", Annotated[datetime, msgspec.Meta(tz=True)]),
        ("source", str), ("actor", str),
        ("data", _form(PAYLOADS[kind], PROTECTED[kind] if sealed else _NONE)), ("version", int),
        ("type", Literal[kind]), ("career", str | None, None),
        ("override", overrides, ()), ("rulebook", _Rulebook | None, None), ("breaches", tuple[str, ...], ()),
        ("clear", dict[str, str] | None, None)]
    form = msgspec.defstruct("Form", [*fields, ("sealed", _Sealed)] if sealed else fields,
                             forbid_unknown_fields=True, kw_only=True, gc=False)
    return msgspec.json.Decoder(form).decode


@lru_cache(maxsize=64)
def _rulebook(name: str, sha256: str) -> Rulebook:
    return Rulebook(name, sha256)


@cache
def _form(model: type[BaseModel], without: frozenset[str] = _NONE) -> Any:
    """A model's fields as a msgspec type; UNSET stands for what was left out, `without` are not there."""
    declared = get_type_hints(model, include_extras=True)
    fields: list[Any] = [(name, kind) if field.is_required() else (name, kind | UnsetType, UNSET)
                         for name, field in model.model_fields.items() if name not in without
                         for kind in [_plain(declared[name])]]
    return msgspec.defstruct(model.__name__, fields, forbid_unknown_fields=True, kw_only=True, gc=False)


def _plain(kind: Any) -> Any:
    """An annotation without pydantic's conditions."""
    for one, compiled in _COMPILED:
        if kind == one:
            return compiled
    origin = get_origin(kind)
    if origin is Annotated:
        return _plain(get_args(kind)[0])
    if origin in (Union, UnionType):
        return reduce(or_, map(_plain, get_args(kind)))
    if origin is tuple and _is_model(get_args(kind)[0]):
        return list[msgspec.Raw]
    if origin is tuple:
        return tuple.__class_getitem__((_plain(get_args(kind)[0]), ...))
    return kind


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


_put_fields, _put_given, _put_extra, _put_private = (
    BaseModel.__dict__[name].__set__ for name in ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__",
                                                  "__pydantic_private__"))


@cache
def _maker(model: type[BaseModel], without: frozenset[str] = _NONE) -> Callable[[Any], Any]:
    """From a form to the frozen model, as `model_construct` does, in a fifth of its time. A required field that is
    `without` a value is None."""
    there = {name: field for name, field in model.model_fields.items() if name not in without}
    optional = [(name, field.default, 1 << n) for n, (name, field) in enumerate(there.items())
                if not field.is_required()]
    parts = [one for one in _parts(model) if one[0] in there]
    judged = [one for one in _judged(model) if one[0] in there and one[0] not in dict(parts)]
    absent_values = {name: None if field.is_required() else field.default
                     for name, field in model.model_fields.items() if name in without}
    given: dict[int, set[str]] = {}
    fields_of, new = msgspec.structs.asdict, model.__new__

    def make(form: Any) -> Any:
        fields = fields_of(form)
        absent = 0
        for name, default, bit in optional:
            if fields[name] is UNSET:
                fields[name] = default
                absent |= bit
        for name, is_sound in judged:
            value = fields[name]
            if value is not None and not is_sound(value):
                raise ValueError(_UNSOUND.format(name))
        for name, part in parts:
            fields[name] = tuple([part(bytes(one)) for one in fields[name]])
        if absent not in given:
            given[absent] = {name for n, name in enumerate(there) if not absent & 1 << n}
        if absent_values:
            fields = fields | absent_values
        made = new(model)
        _put_fields(made, fields)
        _put_given(made, given[absent])  # one set for all that have the same fields: they are frozen
        _put_extra(made, None)
        _put_private(made, None)
        return made

    return make


@cache
def _part(model: type[BaseModel]) -> Callable[[bytes], Any]:
    """From the bytes of a part (a course of a plan) to the model. Remembered: the same courses stand in many plans."""
    decode, make = msgspec.json.Decoder(_form(model)).decode, _maker(model)
    return lru_cache(maxsize=1 << 14)(lambda state: make(decode(state)))
