"""The JSON Schemas in docs/schemas, generated from the wire models, and what may not change in them.

`python -m ledger.wire.schemas --write` writes them; `--check` says which are not up to date and which differ from the
last released ones (docs/schemas/released) in a way that breaks somebody; `--release` makes today's the released ones,
for `make release` only.

What the ledger sends is read by programs that we do not update, from topics that keep old messages: nothing that a
reader counts on may go, and nothing that old messages lack may be required, so types, enumerations and ranges stay
exactly as they are; a reader that meets a value outside an enumeration stops as surely as one that misses a field.
Optional fields may be added. What the ledger takes (submissions) may be taken more widely than before, and never less.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema as cs

from ledger.domain.checked import Checked, model_of
from ledger.domain.events import ABOUT_THE_PERSON, NOT_SUBMITTED, PAYLOADS, SEALED_ONLY, Override
from ledger.domain.values import Amount, Cfu, Day, Instant, PositiveAmount, Pseudonym, Text, Year

from .events import VERSIONS
from .letters import Heartbeat, Outcome
from .models import value_model
from .state import VERSION, CareerState

FOLDER = Path(__file__).parents[2] / "docs" / "schemas"
SUBMISSION = "submission.v1"

Schema = dict[str, Any]


class _Submission(BaseModel):
    """A submission. `recorded_at` only where a history is imported; `override` is one derogation or a list of them."""

    model_config = ConfigDict(extra="forbid")
    id: Annotated[str, Field(min_length=1, max_length=200)]
    student: Pseudonym
    effective_on: Day
    recorded_at: Instant | None = None
    source: Text
    actor: Text
    override: Override | list[Override] | None = None


def _judges(form: Any) -> Any:
    """The function of ours that judges values of one of the domain's types: what its core schema names."""
    return form.__metadata__[-1 if form is PositiveAmount else 0].function


_MONEY = r"(0|[1-9][0-9]{0,8})\.[0-9]{2}$"
_SPELLING: dict[Any, Schema] = {
    _judges(Amount): {"type": "string", "pattern": "^" + _MONEY},
    _judges(PositiveAmount): {"type": "string", "pattern": r"^(?!0\.00$)" + _MONEY},
    _judges(Day): {"type": "string", "format": "date"},
    _judges(Instant): {"type": "string", "format": "date-time"},
    _judges(Cfu): {"type": "number", "minimum": 0, "maximum": 1000},
    _judges(Year): {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$"},
}


class _Plain(GenerateJsonSchema):
    """Without titles that repeat names, and with what the domain's own functions ask for."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def function_before_schema(self, schema: cs.BeforeValidatorFunctionSchema) -> Schema:
        return self._asked(schema) or super().function_before_schema(schema)

    def function_after_schema(self, schema: cs.AfterValidatorFunctionSchema) -> Schema:
        return self._asked(schema) or super().function_after_schema(schema)

    def _asked(self, schema: Any) -> Schema | None:
        found = _SPELLING.get(schema["function"]["function"])
        return dict(found) if found else None


def plain(model: type[BaseModel | Checked]) -> Schema:
    """The schema of one of our models, with what the domain's types ask for."""
    return (model_of(model) if issubclass(model, Checked) else model).model_json_schema(schema_generator=_Plain)


@cache
def schemas() -> dict[str, Schema]:
    """By name and version, such as `exam-booked.v1`. Not to be changed by the caller."""
    models: dict[str, type[BaseModel]] = {f"{name}.v{version}": value_model(name) for name, version in VERSIONS.items()}
    models |= {f"state.v{VERSION}": CareerState, "heartbeat.v1": Heartbeat, "outcome.v1": Outcome}
    found = {name: _document(name, plain(model)) for name, model in models.items()}
    return found | {SUBMISSION: _document(SUBMISSION, _submission())}


def _document(name: str, schema: Schema) -> Schema:
    title, _, version = name.partition(".")
    found: Schema = _one_line({"$schema": "https://json-schema.org/draft/2020-12/schema",
                               "$id": f"urn:career-ledger:{title}:{version}", **schema, "title": name})
    return found


def _one_line(schema: Any) -> Any:
    """Descriptions without the line breaks of docstrings."""
    if isinstance(schema, list):
        return [_one_line(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: " ".join(found.split()) if name == "description" and isinstance(found, str) else _one_line(found)
            for name, found in schema.items()}


def _submission() -> Schema:
    """What may be put on `career.submissions.v1`: one of the types, in section 2's form. `person-registered` is not
    taken here, where it would lie in the clear, and `person-forgotten` nowhere."""
    defs: Schema = {}
    for name, payload in PAYLOADS.items():
        if name in SEALED_ONLY | NOT_SUBMITTED:
            continue
        fields: dict[str, Any] = {"type": (Literal[name], ...), "career": (Pseudonym, ...), "data": (payload, ...)}
        if name in ABOUT_THE_PERSON or name == "event-voided":
            fields["career"] = (None if name in ABOUT_THE_PERSON else Pseudonym | None, None)
        model: type[BaseModel] = create_model(name, __base__=_Submission, **fields)
        one = plain(model)
        defs |= one.pop("$defs")
        del one["title"]
        defs[name] = one
    forms = [{"$ref": f"#/$defs/{name}"} for name in PAYLOADS if name in defs]
    return {"description": _Submission.__doc__, "type": "object", "oneOf": forms, "$defs": defs}


# What may not change


def breaks(released: Schema, now: Schema, taken: bool) -> list[str]:
    """What breaks somebody who relies on the released schema: one line each, path and change. `taken`: of what the
    ledger takes."""
    return list(_Comparison(released, now, taken).of(released, now, ""))


_ORDERED = {"minimum": 1, "maximum": -1, "minLength": 1, "maxLength": -1, "minItems": 1, "maxItems": -1}
"""1: a greater value takes less."""


class _Comparison:
    def __init__(self, old: Schema, new: Schema, taken: bool) -> None:
        self._old, self._new, self._taken = old.get("$defs", {}), new.get("$defs", {}), taken

    def of(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        before, after = _alternatives(old, self._old), _alternatives(new, self._new)
        if gone := before.keys() - after.keys():
            yield f"{path or 'value'}: may no longer be {_or(gone)}"
        if (added := after.keys() - before.keys()) and not self._taken:
            yield f"{path or 'value'}: may now be {_or(added)} too, which readers do not expect"
        for kind in before.keys() & after.keys():
            yield from self._one(before[kind], after[kind], path or (kind if len(before) > 1 else ""))

    def _one(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        yield from self._values(old, new, path or "value")
        if "items" in old or "items" in new:
            yield from self.of(old.get("items", {}), new.get("items", {}), f"{path}[]")
        if old.get("additionalProperties") != new.get("additionalProperties"):
            yield f"{path or 'value'}: additionalProperties changed"
        yield from self._fields(old, new, f"{path}." if path else "")

    def _fields(self, old: Schema, new: Schema, prefix: str) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        needed, needs = set(old.get("required", ())), set(new.get("required", ()))
        for name in before.keys() - after.keys():
            yield f"{prefix}{name}: removed"
        for name in sorted(needs - needed):
            who = "submitters" if self._taken else "messages already sent"
            yield f"{prefix}{name}: now required, and {who} may leave it out"
        for name in sorted((needed - needs) & after.keys()):
            if not self._taken:
                yield f"{prefix}{name}: no longer required, readers count on it"
        for name in before.keys() & after.keys():
            if before[name].get("default") != after[name].get("default"):
                yield f"{prefix}{name}: another default"
            yield from self.of(before[name], after[name], prefix + name)

    def _values(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        before, after = _values_of(old), _values_of(new)
        if before != after:
            lost = after is not None and (before is None or not before <= after)
            if lost or not self._taken:
                yield f"{path}: another enumeration"
        for name in ("pattern", "format"):
            if old.get(name) != new.get(name) and not (self._taken and name not in new):
                yield f"{path}: another {name}"
        for name, sign in _ORDERED.items():
            a, b = old.get(name), new.get(name)
            if a != b and not (self._taken and (b is None or (a is not None and (b - a) * sign < 0))):
                yield f"{path}: {name} is {b}, was {a}"


def _alternatives(schema: Schema, defs: Schema) -> dict[str, Schema]:
    """Each form that a value may have, by its JSON type; objects that say their type by that."""
    if "$ref" in schema:
        return _alternatives(defs[schema["$ref"].rpartition("/")[2]], defs)
    found: dict[str, Schema] = {}
    for one in schema.get("anyOf") or schema.get("oneOf") or ():
        found |= _alternatives(one, defs)
    said = schema.get("properties", {}).get("type", {}).get("const")
    return found or {said or schema.get("type", "anything"): schema}


def _values_of(schema: Schema) -> set[Any] | None:
    return {schema["const"]} if "const" in schema else set(schema["enum"]) if "enum" in schema else None


def _or(names: set[str]) -> str:
    return " or ".join(sorted(names))


HOW = """A meaning never changes under the same name. Leave this version as it is and give the change a new one:
- an event type: raise its entry in VERSIONS (ledger/wire/events.py) and keep the old version readable
  (ledger/wire/reading.py);
- state, heartbeat, outcome, submission: a new version beside the old one, on a new topic NAME.v2 where readers cannot
  tell them apart.
Then `python -m ledger.wire.schemas --write` writes a new file and the old file stays. Or make the change compatible:
an optional field."""


def problems(folder: Path = FOLDER) -> list[str]:
    """What `--check` finds: files that are not up to date, and breaking changes against the released ones."""
    found, now = [], schemas()
    for name, schema in now.items():
        path = folder / f"{name}.json"
        if not path.is_file() or path.read_text() != _text(schema):
            found.append(f"{path.name} is not up to date: run python -m ledger.wire.schemas --write")
    for path in sorted((folder / "released").glob("*.json")):
        released = json.loads(path.read_text())
        current = folder / path.name
        if path.stem not in now:
            if not current.is_file() or json.loads(current.read_text()) != released:
                found.append(f"{path.name} was released: keep docs/schemas/{path.name} as it was")
            continue
        found += [f"{path.stem}: {change}" for change in breaks(released, now[path.stem], path.stem == SUBMISSION)]
    return found


def release(folder: Path = FOLDER) -> list[str]:
    """Makes today's schemas the released ones, unless there are problems, which are returned. Files of older versions
    stay."""
    found = problems(folder)
    if not found:
        for path in sorted(folder.glob("*.json")):
            (folder / "released" / path.name).write_bytes(path.read_bytes())
    return found


def _text(schema: Schema) -> str:
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ledger.wire.schemas",
                                     description=(__doc__ or "").partition("\n")[0])
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", action="store_true", help="write docs/schemas")
    mode.add_argument("--check", action="store_true", help="exit 1 unless they are up to date and break nobody")
    mode.add_argument("--release", action="store_true", help="the same, and if so make them the released ones")
    args = parser.parse_args()
    if args.write:
        FOLDER.mkdir(parents=True, exist_ok=True)
        for name, schema in schemas().items():
            (FOLDER / f"{name}.json").write_text(_text(schema))
    elif found := release() if args.release else problems():
        breaking = any("is not up to date" not in one for one in found)
        sys.exit("\n".join(found) + (f"\n\n{HOW}" if breaking else ""))


if __name__ == "__main__":
    main()
