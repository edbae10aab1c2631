"""The form of a state, checked in a sixth of the time that building the model takes: fields, types and numbers, not the
spelling of texts.

Made from `CareerState` itself, so that it is said once. What it lets through is read by the model when a question is
asked; a state that the model then refuses is not answered from either.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ledger.wire.reading import Unreadable
from ledger.wire.state import CareerState


def _struct(model: type[BaseModel]) -> Any:
    fields: list[Any] = [(name, _type(field.annotation, field.metadata),
                          *(() if field.is_required() else (field.default,)))
                         for name, field in model.model_fields.items()]
    aliases = {name: field.alias for name, field in model.model_fields.items() if field.alias}
    return msgspec.defstruct(model.__name__, fields, rename=aliases or None, gc=False, kw_only=True)


def _type(annotation: Any, meta: Iterable[Any] = ()) -> Any:
    limits = dict(_limits(meta))
    if annotation is Decimal:
        return str
    if limits:
        return Annotated[annotation, msgspec.Meta(**limits)]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _struct(annotation)
    kind, inner = get_origin(annotation), get_args(annotation)
    if kind is Annotated:
        return _type(inner[0], inner[1:])
    if kind in (Union, UnionType):
        return Union[tuple(_type(one) for one in inner)]  # noqa: UP007 - of a tuple
    if kind is tuple:
        every: Any = _type(inner[0])
        return tuple[every, ...]
    return annotation


def _limits(meta: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    for one in meta:
        if isinstance(one, FieldInfo):
            yield from _limits(one.metadata)
        for name in ("ge", "le"):
            if isinstance(limit := getattr(one, name, None), int):  # of a day the model says it
                yield name, limit


_decode = msgspec.json.Decoder(_struct(CareerState)).decode


def head(value: bytes) -> tuple[str, str, int, str]:
    """(student, career, position, law) of a state of the right form. Raises Unreadable, which names the field and no
    content."""
    try:
        found = _decode(value)
    except msgspec.ValidationError as error:
        said, _, path = str(error).partition(" - at `$")
        if said.startswith("Invalid enum value"):
            said = "not one of the values that it may have"  # msgspec would quote it
        raise Unreadable(f"{path.strip('`.') or 'value'}: {said}") from None
    except RecursionError:
        raise Unreadable("value: nested deeper than any state") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unreadable("value: this is no JSON") from None
    return found.student, found.career, found.position, found.law
