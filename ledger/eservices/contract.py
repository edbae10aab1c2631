"""What may be asked of an operation: its body as the published file has it. What a file refuses is refused.

The files are OpenAPI 3.0: `nullable` beside a type, and patterns of JavaScript, of which `\\p{L}` is no Python.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

from ledger.domain.phrases import Phrase, says

FileSchema = Mapping[str, Any]
SERVICES = tuple(f"ifs{number:02d}" for number in range(1, 10))


class Unasked(ValueError):
    """The body is not what the file has. `told` says which field, never what stands in it."""

    def __init__(self, told: Phrase) -> None:
        super().__init__(told)
        self.told = told


@dataclass(frozen=True, slots=True)
class Contract:
    """`asks`: by operation (its path without the slash) the schema of its body."""

    asks: Mapping[str, FileSchema]
    parts: Mapping[str, FileSchema]

    def read(self, operation: str, body: bytes) -> dict[str, Any]:
        """The body, without what is null where it may be. Raises Unasked."""
        try:
            given = json.loads(body, object_pairs_hook=_once, parse_constant=_none_such)
        except (ValueError, RecursionError):
            raise Unasked(says("eservices/no-json")) from None
        wrong = next(self._wrong(given, self.asks[operation], ""), None)
        if wrong is not None:
            raise Unasked(says("eservices/field", field=wrong) if wrong else says("eservices/body"))
        return {name: value for name, value in given.items() if value is not None}

    def _wrong(self, value: Any, schema: FileSchema, where: str) -> Iterator[str]:
        """The fields that do not fit."""
        while "$ref" in schema:
            schema = self.parts[schema["$ref"].rpartition("/")[2]]
        if value is None:
            if not schema.get("nullable"):
                yield where
            return
        kind = schema["type"]
        if not _IS[kind](value) or ("enum" in schema and value not in schema["enum"]) or not _in_bounds(value, schema):
            yield where
        elif kind == "object":
            known = schema.get("properties", {})
            yield from (_at(where, name) for name in schema.get("required", ()) if name not in value)
            for name, one in value.items():
                if name not in known:
                    yield where  # a name may be anything
                else:
                    yield from self._wrong(one, known[name], _at(where, name))
        elif kind == "array":
            for number, one in enumerate(value):
                yield from self._wrong(one, schema["items"], _at(where, str(number)))


_IS = {"object": lambda one: isinstance(one, dict), "array": lambda one: isinstance(one, list),
       "string": lambda one: isinstance(one, str),
       "integer": lambda one: (isinstance(one, int) and not isinstance(one, bool)) or (
           isinstance(one, float) and one.is_integer()),
       "number": lambda one: isinstance(one, int | float) and not isinstance(one, bool)}


def _in_bounds(value: Any, schema: FileSchema) -> bool:
    if isinstance(value, str):
        return (schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
                and ("pattern" not in schema or _pattern(schema["pattern"]).search(value) is not None)
                and (schema.get("format") != "date" or _is_day(value)))
    if isinstance(value, list):
        return bool(schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)))
    if isinstance(value, int | float):
        return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
    return True


@cache
def _pattern(text: str) -> re.Pattern[str]:
    """`$` is the end and nothing else, digits and letters are ASCII unless they are `\\p{L}`."""
    text = re.sub(r"\[\\p\{L\}([^]]*)\]", r"(?:(?u:[^\\W\\d_])|[\1])", text).replace(r"\d", "[0-9]")
    text = re.sub(r"\[([^]]*)\[0-9\]", r"[\g<1>0-9", text)  # within a class
    return re.compile(text.replace("$", r"\Z"))


def _is_day(text: str) -> bool:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _at(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _none_such(_: str) -> None:
    """JSON has no NaN and no Infinity."""
    raise ValueError


@cache
def contract(service: str) -> Contract:
    """Of ifs01 to ifs09."""
    import yaml

    folder = files("ledger.eservices") / "contracts"
    file = next(one for one in folder.iterdir() if one.name.lower().startswith(f"{service}-"))
    found = yaml.load(file.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    return Contract(
        {path.strip("/"): methods["post"]["requestBody"]["content"]["application/json"]["schema"]
         for path, methods in found["paths"].items() if "post" in methods}, found["components"]["schemas"])
