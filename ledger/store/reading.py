"""From the canonical bytes of a type straight to the event, at the speed of a compiled decoder.

msgspec reads the bytes by the payload's own annotations: names, types and literals are checked, a field that is missing
or unknown is refused. Of what was asked before the event was stored, only that is asked again with which rules compute
(`_JUDGED`), so that a damaged byte stops one student and not whoever adds up everybody's; texts are taken as they are.
What was left out stays out: a payload with fields whose absence is not None, and one that has parts, is read as a form
and made of it.
"""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import UNSET, UnsetType

from ledger.domain.checked import LeftOut, fields, may_be_left_out
from ledger.domain.events import NOTHING, PAYLOADS, SEALED_ONLY, Event, Override, PayloadPart, Rulebook, Sealed
from ledger.domain.protected import PROTECTED
from ledger.domain.values import (
    CENT,
    FIRST_YEAR,
    LAST_YEAR,
    ZERO,
    Amount,
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
    payload, plain = _maker(PAYLOADS[kind]), _decoder(kind, False)

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
                     payload(one.data), position, one.version, one.override,
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
_YEARS = frozenset(f"{first}-{(first + 1) % 100:02d}" for first in range(FIRST_YEAR, LAST_YEAR + 1))


def _is_money(value: Decimal) -> bool:
    return value.same_quantum(CENT) and ZERO <= value < _MOST


def _is_day(value: date) -> bool:
    return _FIRST_DAY <= value <= _LAST_DAY


_IsSound = Callable[[Any], bool]
_JUDGED: tuple[tuple[Any, _IsSound], ...] = (
    (Amount, _is_money), (PositiveAmount, _is_money), (Day, _is_day), (Year, _YEARS.__contains__))


@cache
def _judged(kind: type[PayloadPart]) -> list[tuple[str, _IsSound]]:
    """The fields of a payload with which rules compute, and whether a value can be theirs. Of a list of parts each
    is read, which raises ValueError itself."""
    found: list[tuple[str, _IsSound]] = []
    for name, field in fields(kind).items():
        kinds = get_args(field.type) if get_origin(field.type) in (Union, UnionType) else (field.type,)
        found += [(name, is_sound) for one, is_sound in _JUDGED if one in kinds]
    return found + [(name, _are(_part(part))) for name, part in _parts(kind).items()]


def _are(part: Callable[[bytes], Any]) -> _IsSound:
    return lambda given: all(part(bytes(one)) for one in given)


@cache
def _parts(kind: type[PayloadPart]) -> dict[str, type[PayloadPart]]:
    """By field, of what a list of parts consists."""
    found: dict[str, type[PayloadPart]] = {}
    for name, field in fields(kind).items():
        declared = get_args(field.type)[0] if get_origin(field.type) is Annotated else field.type
        of = get_args(declared)[0] if get_origin(declared) is tuple else None
        if isinstance(of, type) and issubclass(of, PayloadPart):
            found[name] = of
    return found


@cache
def _decoder(kind: str, sealed: bool) -> Callable[[bytes], Any]:
    """`sealed`: of the form in which the protected fields are absent and `sealed` stands."""
    override: Any = _form(Override, _OVERRIDE if sealed else _NONE)
    declared: list[Any] = [
        ("id", str), ("student", str), ("effective_on", date),
        ("recorded_at", Annotated[datetime, msgspec.Meta(tz=True)]),
        ("source", str), ("actor", str),
        ("data", _form(PAYLOADS[kind], PROTECTED[kind] if sealed else _NONE)), ("version", int),
        ("type", Literal[kind]), ("career", str | None, None),
        ("override", tuple[override, ...], ()), ("rulebook", _Rulebook | None, None), ("breaches", tuple[str, ...], ()),
        ("clear", dict[str, str] | None, None)]
    form = msgspec.defstruct("Form", [*declared, ("sealed", _Sealed)] if sealed else declared,
                             forbid_unknown_fields=True, kw_only=True, gc=False)
    return msgspec.json.Decoder(form).decode


@lru_cache(maxsize=64)
def _rulebook(name: str, sha256: str) -> Rulebook:
    return Rulebook(name, sha256)


@cache
def _form(kind: type[PayloadPart], without: frozenset[str] = _NONE) -> Any:
    """What msgspec reads: the payload itself, or its fields where some are made afterwards. UNSET stands for what was
    left out, `without` are not there."""
    left_out, parts = may_be_left_out(kind), _parts(kind)
    if not (left_out or parts or without):
        return kind
    declared: list[Any] = []
    for name, field in fields(kind).items():
        if name not in without:
            form: Any = list[msgspec.Raw] if name in parts else field.type
            declared.append((name, form) if field.required else (name, form | UnsetType, UNSET)
                            if name in left_out else (name, form, field.default))
    return msgspec.defstruct(kind.__name__, declared, forbid_unknown_fields=True, kw_only=True, gc=False)


@cache
def _maker(kind: type[PayloadPart], without: frozenset[str] = _NONE) -> Callable[[Any], Any]:
    """From what was read to the payload. A required field that is `without` a value is None."""
    parts = [(name, _part(part)) for name, part in _parts(kind).items() if name not in without]
    judged = [one for one in _judged(kind) if one[0] not in without and one[0] not in dict(parts)]
    defaults = {name: None if field.required else field.default for name, field in fields(kind).items()}
    usual = may_be_left_out(kind)
    optional = [(name, defaults[name], 1 << n) for n, name in enumerate(usual - without)]
    absent_values = {name: defaults[name] for name in without}
    left_out: dict[int, LeftOut] = {}
    fields_of = msgspec.structs.asdict

    def judge(payload: Any) -> Any:
        for name, is_sound in judged:
            value = getattr(payload, name)
            if value is not None and not is_sound(value):
                raise ValueError(_UNSOUND.format(name))
        return payload

    def make(form: Any) -> Any:
        given = fields_of(form)
        absent = 0
        for name, default, bit in optional:
            if given[name] is UNSET:
                given[name] = default
                absent |= bit
        for name, part in parts:
            if (several := given[name]) is not defaults[name]:
                given[name] = tuple([part(bytes(one)) for one in several])
        if absent not in left_out:
            left_out[absent] = LeftOut([*(usual & without), *(name for name, _, bit in optional if absent & bit)])
        if absent_values:
            given |= absent_values
        return judge(kind(**given, _left_out=left_out[absent]))

    return judge if _form(kind, without) is kind else make


@cache
def _part(kind: type[PayloadPart]) -> Callable[[bytes], Any]:
    """From the bytes of a part (a course of a plan) to the struct. Remembered: the same courses stand in many plans."""
    decode, make = msgspec.json.Decoder(_form(kind)).decode, _maker(kind)
    return lru_cache(maxsize=1 << 14)(lambda state: make(decode(state)))
