"""What is wrong with the form of what somebody sent: the path of the field, and what to write instead as a phrase."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, LiteralString

import msgspec

from .phrases import Phrase, verbatim

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import PydanticCustomError

OURS = "form/"
"""Begins the ids of these messages, and the types of the errors that our own checks raise in pydantic."""


class Problem(msgspec.Struct, frozen=True):
    """Something malformed: the path of the field and what to write instead."""

    path: str
    message: Phrase

    def as_json(self) -> dict[str, Any]:
        return {"path": self.path, "message": self.message}


def wrong(id: LiteralString, field: str | None = None, **values: Any) -> "PydanticCustomError":
    """What a check of ours finds wrong with a value; `field`: the one to mend, for a check of several fields."""
    from pydantic_core import PydanticCustomError

    return PydanticCustomError(id, id, values if field is None else values | {"field": field})


def problems_of(error: "ValidationError", prefix: str = "") -> list[Problem]:
    """Everything that pydantic found, by field. It counts what is right in a list: one that holds something wrong is
    not too short for that."""
    found, errors = [], error.errors(include_url=False, include_input=False)
    within = {item["loc"][:count] for item in errors for count in range(len(item["loc"]))}
    for item in errors:
        if item["type"] == "too_short" and item["loc"] in within:
            continue
        named = (item["ctx"]["field"],) if "field" in item.get("ctx", {}) else ()
        path = prefix + ".".join(str(p) for p in (*item["loc"], *named))
        found.append(Problem(path or prefix.rstrip("."), phrase_of(item)))
    return found


def phrase_of(item: Mapping[str, Any]) -> Phrase:
    """One of pydantic's errors. What is none of ours and not foreseen keeps pydantic's words."""
    kind, given = item["type"], item.get("ctx", {})
    if kind.startswith(OURS):
        return Phrase(kind, {name: value for name, value in given.items() if name != "field"})
    if kind not in PYDANTIC:
        return verbatim(item["msg"].removeprefix("Value error, "))
    said, names = _PATTERNS.get(given.get("pattern", ""), PYDANTIC[kind])
    return Phrase(said, {ours: _choices(given[name]) if ours == "choices" else given[name]
                         for name, ours in names.items()})


def _choices(expected: str) -> list[str | int]:
    """Of pydantic's list of texts in quotes and numbers."""
    return [text or int(number) for text, number in re.findall(_CHOICE, expected)]


def named(path: str) -> str:
    """The path of a problem; a field that is not ours is repeated only where it looks like a field's name and not like
    a value."""
    return path if re.fullmatch(_PATH, path) else "?"


_PATH = r"([a-z][A-Za-z_]{0,39}|[0-9]{1,6})?(\.([a-z][A-Za-z_]{0,39}|[0-9]{1,6}))*"
_CHOICE = r"'([^']+)'|([0-9]+)"

Names = Mapping[str, str]
PYDANTIC: dict[str, tuple[str, Names]] = {
    "missing": ("form/missing", {}),
    "extra_forbidden": ("form/unknown-field", {}),
    "string_type": ("form/text", {}),
    "string_unicode": ("form/unicode", {}),
    "string_too_short": ("form/too-short", {}),
    "string_too_long": ("form/too-long", {"max_length": "at_most"}),
    "string_pattern_mismatch": ("form/pattern", {"pattern": "text"}),
    "literal_error": ("form/choice", {"expected": "choices"}),
    "int_type": ("form/whole-number", {}),
    "int_parsing": ("form/whole-number", {}),
    "int_from_float": ("form/whole-number", {}),
    "decimal_parsing": ("form/number", {}),
    "decimal_type": ("form/number", {}),
    "bool_parsing": ("form/boolean", {}),
    "int_parsing_size": ("form/number-size", {}),
    "greater_than_equal": ("form/at-least", {"ge": "at_least"}),
    "less_than_equal": ("form/at-most", {"le": "at_most"}),
    "bool_type": ("form/boolean", {}),
    "tuple_type": ("form/list", {}),
    "too_short": ("form/empty-list", {}),
    "dict_type": ("form/object", {}),
    "model_type": ("form/object-of", {"class_name": "text"}),
}
"""pydantic's types of errors that a submission or a rule book can meet: our id, and our name for each value that it
shows."""
_PATTERNS: dict[str, tuple[str, Names]] = {
    r"^[A-Za-z0-9._-]{1,64}$": ("form/pseudonym", {}), r"^\S+$": ("form/no-spaces", {})}
"""What a pattern of ours asks for."""


def messages() -> Iterator[tuple[str, Iterable[str]]]:
    """Those for pydantic's errors, and the names of their values."""
    yield from ((said, names.values()) for said, names in (*PYDANTIC.values(), *_PATTERNS.values()))
