"""A form for each type of event, made from what the type may hold; and what somebody filled in, as a submission has
it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from ledger.domain.checked import model_of
from ledger.domain.events import ABOUT_THE_PERSON, PAYLOADS
from ledger.domain.form import Problem
from ledger.entrypoints.facts import AMOUNTS, CHARGES, VALUES
from ledger.handling.lines import decode_line

TYPES: Mapping[str, Sequence[str]] = {
    "payments": ("instalment-paid", "payment-refunded", "payment-moved", "instalment-plan-agreed",
                 "contribution-assessed", "isee-certified", "charge-decided"),
    "enrolment": ("preenrolled", "preparation-assessed", "ranked", "enrolled", "enrolled-with-reservation",
                  "reservation-lifted", "reservation-declined", "enrolment-renewed", "enrolment-cancelled",
                  "regime-changed", "single-courses-enrolled"),
    "exams": ("study-plan-submitted", "study-plan-approved", "exam-booked", "exam-booking-cancelled", "exam-graded",
              "grade-refused", "exam-annulled", "recognition-requested", "cfu-recognised"),
    "course": ("suspended", "resumed", "programme-changed", "transferred-in", "transferred-out",
               "withdrawal-requested", "renounced", "forfeited", "degree-candidacy-declared", "graduated",
               "diploma-supplement-issued"),
    "office": ("administrative-block-ordered", "administrative-block-revoked", "event-voided", "ticket-opened",
               "ticket-closed"),
}
"""What a form offers, as an office would look for it. Who somebody is has a way of its own (`docs/privacy.md`)."""
OFFERED = frozenset(name for several in TYPES.values() for name in several)
FIRST = "instalment-paid"
LONG = frozenset({"reason", "note", "answer", "resolution"})
_ITALIAN_AMOUNT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{3})*|[0-9]+),([0-9]{2})")


class Field(NamedTuple):
    """`kind`: day, choice, yes-no, number, amount, charge, year, codes (a short list, in one line), rows, long or text.
    `table`: of the names of its choices; `columns`: of each row, one without a name where a row is no object."""

    name: str
    kind: str
    required: bool
    choices: tuple[str, ...] = ()
    table: str | None = None
    columns: "tuple[Field, ...]" = ()


Filled = Mapping[str, str]
"""What a form was filled in with: `data.FIELD`, and for the rows of a list `data.FIELD.NUMBER` or
`data.FIELD.NUMBER.COLUMN`."""
MOST_ROWS = 60


@cache
def fields(type: str) -> tuple[Field, ...]:
    """Of a type's data, as its published schema has them."""
    schema = model_of(PAYLOADS[type]).model_json_schema()
    required = frozenset(schema.get("required", ()))
    found = (_field(name, one, name in required, schema.get("$defs", {})) for name, one in schema["properties"].items())
    return tuple(sorted(found, key=lambda field: field.name == "note"))


def _field(name: str, schema: Mapping[str, Any], required: bool, parts: Mapping[str, Any]) -> Field:
    kinds = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    choices = tuple(str(value) for one in kinds for value in one.get("enum", [one["const"]] if "const" in one else ()))
    if choices:
        return Field(name, "choice", required, choices, VALUES.get(name, name))
    types = {one.get("type") for one in kinds}
    kind = "charge" if name in CHARGES else "amount" if name in AMOUNTS else "year" if name == "academic_year" else \
        "yes-no" if "boolean" in types else "day" if any(one.get("format") == "date" for one in kinds) else \
        "number" if types & {"integer", "number"} else "long" if name in LONG else "text"
    for one in kinds:
        if one.get("type") == "array":
            part = parts.get(one["items"].get("$ref", "").rpartition("/")[2])
            if part is None and not required:
                return Field(name, "codes", required)
            if part is None:
                return Field(name, "rows", required, columns=(
                    _field(name.removesuffix("s"), one["items"], True, parts)._replace(name=""),))
            return Field(name, "rows", required, columns=tuple(
                _field(column, inner, column in part.get("required", ()), parts)
                for column, inner in part["properties"].items()))
    return Field(name, kind, required)


def rows(field: Field, given: Filled) -> list[dict[str, str]]:
    """What stands in the rows of a list, by the names of its columns. One in which nothing was written does not count:
    what is chosen from a list always says something."""
    numbers = {int(parts[2]) for name in given if (parts := name.split("."))[:2] == ["data", field.name]
               and len(parts) > 2 and parts[2].isdecimal() and len(parts[2]) < 4}
    found = [{column.name: given.get(cell(field, number, column), "").strip() for column in field.columns}
             for number in sorted(numbers)]
    written = [column.name for column in field.columns if column.kind not in ("choice", "yes-no")]
    return [row for row in found if any(row[name] for name in written)][:MOST_ROWS]


def cell(field: Field, number: int, column: Field) -> str:
    """Its name in a form, and its path in a submission."""
    return ".".join(filter(None, ("data", field.name, str(number), column.name)))


def submission(type: str, student: str, given: Filled, id: str, actor: str) -> dict[str, Any]:
    """What a form was filled in with. Whether it is right is for the ledger to say: what cannot be read as its field
    wants it is handed on as it is."""
    found: dict[str, Any] = {
        "id": id, "type": type, "student": student, "effective_on": given.get("effective_on", ""), "source": "console",
        "actor": actor, "data": dict(_data(type, given))}
    career = given.get("career", "").strip()
    if career and type not in ABOUT_THE_PERSON:
        found["career"] = career
    return found


def _data(type: str, given: Filled) -> Iterator[tuple[str, Any]]:
    for field in fields(type):
        text = given.get(f"data.{field.name}", "").strip()
        if field.kind == "rows":
            held = [_row(field, row) for row in rows(field, given)]
            if held or field.required:
                yield field.name, held
        elif text:
            yield field.name, _value(field, text)


def _row(field: Field, row: Mapping[str, str]) -> Any:
    if not field.columns[0].name:
        return _value(field.columns[0], row[""])
    return {column.name: _value(column, row[column.name]) for column in field.columns if row[column.name]}


def _value(field: Field, text: str) -> Any:
    if field.kind == "codes":
        return re.split(r"[\s,;]+", text)
    if field.kind == "yes-no":
        return text == "true"
    if field.kind == "amount" and (match := _ITALIAN_AMOUNT.fullmatch(text)):
        return f"{match[1].replace('.', '')}.{match[2]}"
    if field.kind == "number" or (field.kind == "choice" and text.isdigit()):
        found = decode_line((text.replace(",", ".") if field.kind == "number" else text).encode())
        return text if isinstance(found, Problem) else found
    return text
