"""The gate's OpenAPI 3.1 document, made from the models that read a question. A test compares it with the routes that
are served and with real answers."""

from functools import cache

from ledger.domain.events import ExamBooked
from ledger.edges.web import PROBLEM
from ledger.wire.schemas import Schema, plain

from .answers import CALL, WhoBooks

PATH = "/v1/openapi.json"
_TEXT, _NUMBER = {"type": "string"}, {"type": "number"}


def _object(**fields: Schema) -> Schema:
    return {"type": "object", "required": list(fields), "properties": fields}


def _question() -> Schema:
    who, call = plain(WhoBooks), plain(ExamBooked)
    return {"type": "object", "additionalProperties": False,
            "required": [*who["required"], *(name for name in call["required"] if name != "mode")],
            "properties": who["properties"] | {name: call["properties"][name] for name in sorted(CALL)}}


@cache
def document() -> Schema:
    """Not to be changed by the caller."""
    answer = _object(student=_TEXT, career=_TEXT, course=_TEXT, held_on=_TEXT, on=_TEXT,
                     known_position={"type": "integer"}, eligible={"type": "boolean"},
                     reasons={"type": "array", "items": _object(rule=_TEXT, message=_TEXT)},
                     unruled_years={"type": "array", "items": _TEXT}, knowledge=_object(
                         complete_at=_TEXT, age_seconds=_NUMBER, position={"type": "integer"}))
    knowledge = _object(complete_at=_TEXT, age_seconds=_NUMBER, position={"type": "integer"}, law=_TEXT)
    problem = _object(type=_TEXT, title=_TEXT, status={"type": "integer"}, reason=_TEXT, detail=_TEXT)
    return {
        "openapi": "3.1.0", "info": {"title": "Booking gate", "version": "1"}, "security": [{"token": []}],
        "paths": {
            "/v1/booking": {"post": {
                "operationId": "booking", "summary": "May this career book this exam on this day, and if not, why?",
                "requestBody": {"required": True, "content": {"application/json": {"schema": _of("question")}}},
                "responses": _responses("answer")}},
            "/v1/knowledge": {"get": {
                "operationId": "knowledge", "summary": "How old is what the gate knows, and under which law?",
                "responses": _responses("knowledge")}}},
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"question": _question(), "answer": answer, "knowledge": knowledge, "problem": problem}}}


def _of(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _responses(name: str) -> Schema:
    return {"200": {"description": "200", "content": {"application/json": {"schema": _of(name)}}},
            "default": {"description": "RFC 9457", "content": {PROBLEM: {"schema": _of("problem")}}}}
