"""The OpenAPI 3.1 document, made from the types that read what is asked and from the published schemas, and a page
that shows it and loads nothing.

A test compares it with the routes that are served, and real answers with what it says of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel

from ledger import __name__ as title
from ledger.domain.checked import Checked
from ledger.domain.events import ExamBooked
from ledger.domain.phrases import Phrase, says
from ledger.edges.web import PROBLEM
from ledger.helpdesk.form import FILLED_IN, TicketForm
from ledger.wire.schemas import Schema, plain, schemas
from ledger.words import Language, sentence

from .asked import CALL, MOST_SUBMISSIONS, MOST_SUPPOSED, AsKnown, Heard, Who
from .everybody import REPORTS, AskedFindings, path_of
from .tickets import AskedState, AskedTickets, TicketAnswer, TicketStudent
from .who import TABLE

JSON, LINES, SSE = "application/json", "application/x-ndjson", "text/event-stream"


class Operation(NamedTuple):
    """`query`: the models of its parameters; `takes`: the schema of its body, of one or of a list; `gives`: of its
    answers, by status and media type."""

    path: str
    method: str
    name: str
    summary: Phrase
    gives: Mapping[tuple[str, str], Schema]
    query: Sequence[tuple[type[BaseModel | Checked], Sequence[str]]] = ()
    takes: Schema | None = None
    headers: Sequence[str] = ()


def _of(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def _object(**fields: Schema) -> Schema:
    return {"type": "object", "required": list(fields), "properties": fields}


_TEXT, _NUMBER, _FLAG = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
_OBJECTS = _list({"type": "object"})
_DAY, _EURO = {"type": "string", "format": "date"}, {"type": "string", "pattern": r"^-?[0-9]+\.[0-9]{2}$"}
_ASKED = {"student": _TEXT, "on": _DAY, "known_position": _NUMBER}
_CLEARS = {"type": ["object", "null"], "properties": {"what": _TEXT, "from": {"type": ["string", "null"]}}}

_MAYBE, _TICKET_STATE = {"type": ["string", "null"]}, {"enum": ["open", "closed"]}

SCHEMAS: dict[str, Schema] = {
    "head": _object(student=_TEXT, version=_NUMBER, position=_NUMBER),
    "status": _object(**_ASKED, careers=_OBJECTS, tickets=_OBJECTS, unruled_years=_list(_TEXT)),
    "fees": _object(**_ASKED, charges=_OBJECTS, overdue=_EURO, to_come=_EURO, credit=_EURO, unallocated=_OBJECTS),
    "eligibility": _object(**_ASKED, career=_TEXT, course=_TEXT, held_on=_DAY, eligible=_FLAG, reasons=_OBJECTS),
    "step": _object(id=_TEXT, type=_TEXT, student=_TEXT, effective_on=_DAY, position=_NUMBER, version=_NUMBER,
                    changes=_OBJECTS, unruled_years=_list(_TEXT)),
    "finding": _object(severity={"enum": ["breach", "derogation", "notice"]}, rule=_TEXT, student=_TEXT, message=_TEXT),
    "what-if": _object(**_ASKED, outcomes=_OBJECTS, changes=_OBJECTS, compared=_list(_object(
        answer=_TEXT, what=_TEXT, changed=_FLAG)), before={"type": "object"}, after={"type": "object"}),
    "rule": _object(id=_TEXT, years=_OBJECTS),
    "rulebook": _object(academic_year=_TEXT, id=_TEXT, sha256=_TEXT, rules=_OBJECTS),
    "told": _object(id={"type": ["string", "null"]}, outcome={"enum": [
        "accepted", "duplicate", "refused", "invalid", "conflict", "set-aside"]}),
    "report": _object(report=_TEXT, known_position={"type": ["integer", "null"]}, rows=_OBJECTS,
                      next={"type": ["string", "null"]}),
    "page": _object(events=_list(_object(key=_TEXT, headers={"type": "object"}, value={"type": "object"})),
                    next=_NUMBER),
    "problem": _object(type=_TEXT, title=_TEXT, status=_NUMBER, reason=_TEXT, detail=_TEXT) | {"properties": {
        "type": _TEXT, "title": _TEXT, "status": _NUMBER, "reason": _TEXT, "detail": _TEXT, "errors": _list({
            "type": "object", "required": ["detail"], "properties": {
                "pointer": _TEXT, "parameter": _TEXT, "detail": _TEXT, "rule": _TEXT, "clears": _CLEARS,
                "source": {"type": "object"}}})}},
    "alive": _object(program=_TEXT),
    "ticket": _object(number=_TEXT, student=_TEXT, service=_TEXT, context=_TEXT, kind=_TEXT, state=_TICKET_STATE,
                      opened_at=_TEXT, closed_at=_MAYBE, follows=_MAYBE, sender={"type": ["object", "null"]},
                      subject=_MAYBE, message=_TEXT, answer=_MAYBE, forgotten=_FLAG),
    "ticket-opened": _object(number=_TEXT, student=_TEXT, state=_TICKET_STATE),
    "ticket-closed": _object(number=_TEXT, state=_TICKET_STATE),
    "ticket-linked": _object(number=_TEXT, student=_TEXT),
    "tickets": _object(tickets=_OBJECTS, next=_MAYBE),
}
_CLOCKS = ((AsKnown, tuple(AsKnown.model_fields)),)
_EXAM = ((Who, ("career",)), (ExamBooked, CALL))
_STUDENT, _ONE = "/v1/students/{student}", {("200", JSON): _of("told"), ("201", JSON): _of("told")}


def _all(model: type[BaseModel]) -> tuple[type[BaseModel], Sequence[str]]:
    """A model, and all that it takes, named as in a query."""
    return model, [field.alias or name for name, field in model.model_fields.items()]


def _taken(model: type[BaseModel], **more: Schema) -> Schema:
    """A body that is none of the published language. What a signed-in student need not send is not required."""
    schema = plain(model)
    return {"type": "object", "properties": schema["properties"] | more, "additionalProperties": False,
            "required": [name for name in schema["required"] if not more or name not in FILLED_IN]}


OPERATIONS = (
    Operation(_STUDENT, "GET", "head", says("api/head"), {("200", JSON): _of("head")}),
    Operation(f"{_STUDENT}/status", "GET", "status", says("api/status"), {("200", JSON): _of("status")}, _CLOCKS),
    Operation(f"{_STUDENT}/fees", "GET", "fees", says("api/fees"), {("200", JSON): _of("fees")}, _CLOCKS),
    Operation(f"{_STUDENT}/eligibility", "GET", "eligibility", says("api/eligibility"),
              {("200", JSON): _of("eligibility")}, (*_EXAM, *_CLOCKS)),
    Operation(f"{_STUDENT}/history", "GET", "history", says("api/history"), {("200", LINES): _of("step")}, _CLOCKS),
    Operation(f"{_STUDENT}/findings", "GET", "findings", says("api/findings"), {("200", LINES): _of("finding")},
              _CLOCKS),
    Operation(f"{_STUDENT}/what-if", "POST", "what-if", says("api/what-if"), {("200", JSON): _of("what-if")},
              (*_EXAM, *_CLOCKS), _list(_of("submission")) | {"maxItems": MOST_SUPPOSED}),
    Operation(f"{_STUDENT}/events", "POST", "append", says("api/append"), _ONE, (), _of("submission"),
              ("If-Match", "Idempotency-Key")),
    Operation("/v1/events", "POST", "append-many", says("api/append-many"), {("200", JSON): _list(_of("told"))}, (),
              _list(_of("submission")) | {"maxItems": MOST_SUBMISSIONS}),
    Operation("/v1/events", "GET", "feed", says("api/feed"), {("200", JSON): _of("page"), ("200", SSE): _TEXT},
              ((Heard, tuple(Heard.model_fields)),), None, ("Last-Event-ID",)),
    *(Operation(path_of(name), "GET", name, summary, {("200", JSON): _of("report")}, (_all(kind),))
      for name, (kind, _, summary) in REPORTS.items()),
    Operation("/v1/findings", "GET", "all-findings", says("api/all-findings"), {("200", JSON): _of("report")},
              (_all(AskedFindings),)),
    Operation("/v1/tickets", "GET", "tickets", says("api/tickets"), {("200", JSON): _of("tickets")},
              (_all(AskedTickets),)),
    Operation("/v1/tickets", "POST", "open-ticket", says("api/open-ticket"), {
        ("200", JSON): _of("ticket-opened"), ("201", JSON): _of("ticket-opened")}, (),
              _taken(TicketForm, student=_TEXT), ("Idempotency-Key",)),
    Operation("/v1/ticket-state", "POST", "ticket-state", says("api/ticket-state"), {("200", JSON): _of("ticket")}, (),
              _taken(AskedState)),
    Operation("/v1/tickets/{number}", "GET", "ticket", says("api/ticket"), {("200", JSON): _of("ticket")}, (), None,
              ("Access-Purpose",)),
    Operation("/v1/tickets/{number}/answer", "POST", "answer-ticket", says("api/answer-ticket"), {
        ("200", JSON): _of("ticket-closed"), ("201", JSON): _of("ticket-closed")}, (), _taken(TicketAnswer)),
    Operation("/v1/tickets/{number}/student", "POST", "link-ticket", says("api/link-ticket"), {
        ("200", JSON): _of("ticket-linked")}, (), _taken(TicketStudent)),
    Operation("/v1/rules/{rule}", "GET", "rule", says("api/rule"), {("200", JSON): _of("rule")}),
    Operation("/v1/rulebooks/{academic_year}", "GET", "rulebook", says("api/rulebook"),
              {("200", JSON): _of("rulebook")}, ((AsKnown, ("known_at",)),)),
    Operation("/health", "GET", "health", says("api/health"), {("200", JSON): _of("alive")}),
    Operation("/ready", "GET", "ready", says("api/ready"), {("200", JSON): _of("alive")}),
)
UNDESCRIBED = frozenset({"/metrics", "/v1", "/v1/openapi.json"})
"""What is served for Prometheus, and this document itself."""


def document(language: Language) -> Schema:
    """`x-roles` of an operation: who may ask it, as the table of roles has it; absent where nobody needs a token."""
    paths: dict[str, Schema] = {}
    for one in OPERATIONS:
        roles = TABLE[one.path][one.method].roles
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, language) | (
            {"security": []} if roles is None else {"x-roles": sorted(roles)})
    return {"openapi": "3.1.0", "info": {"title": title, "version": "1"},
            "security": [{"token": []}], "paths": paths,
            "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
                           "schemas": SCHEMAS | dict(_published("submission", schemas()["submission.v1"]))}}


def _operation(one: Operation, language: Language) -> Schema:
    responses: dict[str, Schema] = {}
    for (status, media), schema in one.gives.items():
        responses.setdefault(status, {"description": status, "content": {}})["content"][media] = {"schema": schema}
    responses["default"] = {"description": "RFC 9457", "content": {PROBLEM: {"schema": _of("problem")}}}
    found: Schema = {"operationId": one.name, "summary": sentence(one.summary, language),
                     "parameters": list(_parameters(one)), "responses": responses}
    if one.takes is not None:
        found["requestBody"] = {"required": True, "content": {JSON: {"schema": one.takes}}}
    return found


def _parameters(one: Operation) -> Iterator[Schema]:
    for part in one.path.split("/"):
        if part.startswith("{"):
            yield {"name": part.strip("{}"), "in": "path", "required": True, "schema": _TEXT}
    for model, names in one.query:
        schema = plain(model)
        required = set(schema.get("required", ())) - {"mode"} if one.name != "what-if" else ()
        for name in names:
            yield {"name": name, "in": "query", "required": name in required,
                   "schema": _without_null(schema["properties"][name])}
    if one.name == "append":
        yield {"name": "dry_run", "in": "query", "required": False, "schema": _FLAG}
    for name in one.headers:
        yield {"name": name, "in": "header", "required": False, "schema": _TEXT}


def _without_null(schema: Schema) -> Schema:
    """A parameter is there or not; null cannot be written in a query."""
    kinds = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    return kinds[0] if len(kinds) == 1 else schema


def _published(name: str, schema: Schema) -> Iterator[tuple[str, Schema]]:
    """A published schema and its parts as components, which refer to each other."""
    parts = schema.get("$defs", {})
    for part, found in ({name: {key: value for key, value in schema.items() if not key.startswith("$")}}
                        | {f"{name}.{part}": found for part, found in parts.items()}).items():
        yield part, _referred(found, name)


def _referred(schema: Any, name: str) -> Any:
    if isinstance(schema, list):
        return [_referred(one, name) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: f"#/components/schemas/{name}.{value.rpartition('/')[2]}" if key == "$ref" else _referred(value, name)
            for key, value in schema.items()}


def operations(found: Schema) -> Iterator[tuple[str, str, Schema]]:
    """Those of a document, for people: each with its method and path."""
    return ((method.upper(), path, one) for path, methods in found["paths"].items() for method, one in methods.items())


def kind(schema: Schema) -> str:
    """Of a parameter, in a word."""
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    return str(schema.get("format") or schema.get("pattern") or schema.get("type", ""))
