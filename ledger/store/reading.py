"""From the canonical bytes of a type straight to the event, at the speed of a compiled decoder.

msgspec reads the bytes into a form made of the payload's own annotations: names, types and literals are checked, a
field that is missing or unknown is refused. The payload is then made of the form without asking again what was asked
before the event was stored (whether texts are printable, whether CFU fit). What was left out stays out:
`model_fields_set` is as it was.
"""

from collections.abc import Callable
from datetime import date, datetime
from functools import cache, lru_cache, reduce
from operator import or_
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import UNSET, UnsetType
from pydantic import BaseModel

from ledger.domain.events import NOTHING, PAYLOADS, SEALED_ONLY, Event, Override, Rulebook, Sealed
from ledger.domain.protected import PROTECTED

Reader = Callable[[bytes, int], Event]
"""From bytes and position to the event. Raises ValueError for bytes that are not an event of this type."""


class _Rulebook(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    id: str
    sha256: str


class _Sealed(Sealed, frozen=True, forbid_unknown_fields=True, gc=False):
    pass


_MARK = b',"sealed":{'
"""Stands in the bytes of sealed events only: within a text the quote would be escaped."""
_OVERRIDE = frozenset({"reason"})


@cache
def checker(kind: str) -> Callable[[bytes], Any]:
    """Reads the bytes of a type into its form. Raises ValueError for bytes that are not an event of this type."""
    if kind in SEALED_ONLY:
        return _decoder(kind, True)
    plain = _decoder(kind, False)

    def check(state: bytes) -> Any:
        try:
            return plain(state)
        except msgspec.ValidationError:
            if _MARK not in state:
                raise
        return _decoder(kind, True)(state)

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
            if _MARK not in state:
                raise
            return _reader_of_sealed(kind)(state, position)
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
        book = one.rulebook
        return Event(one.id, kind, one.student, one.career, one.effective_on, one.recorded_at, one.source, one.actor,
                     payload(one.data), position, one.version, tuple(map(override, one.override)),
                     _rulebook(book.id, book.sha256) if book is not None else None, one.breaches, one.clear or NOTHING,
                     Sealed(one.sealed.key, one.sealed.box))

    return read


_NONE: frozenset[str] = frozenset()


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
    fields: list[Any] = [(name, kind) if field.is_required() else (name, kind | UnsetType, UNSET)
                         for name, field in model.model_fields.items() if name not in without
                         for kind in [_plain(field.annotation)]]
    return msgspec.defstruct(model.__name__, fields, forbid_unknown_fields=True, kw_only=True, gc=False)


def _plain(kind: Any) -> Any:
    """An annotation without pydantic's conditions."""
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
    parts = [(name, _part(get_args(field.annotation)[0])) for name, field in there.items()
             if get_origin(field.annotation) is tuple and _is_model(get_args(field.annotation)[0])]
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
