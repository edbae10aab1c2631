"""docs/asyncapi.yaml, made from the code: topics and how they are kept, keys, headers, schemas, and the golden messages
as examples.

`python -m tests.wire.asyncapi` writes it; a test says when it is not up to date.
"""

import json
from pathlib import Path
from typing import Any

import yaml

from ledger.wire.events import VERSIONS
from ledger.wire.kafka import PARTITIONS
from ledger.wire.message import Message
from ledger.wire.schemas import SUBMISSION, schemas
from ledger.wire.topics import DEAD_LETTER, EVENTS, HEARTBEAT, OUTCOMES, STATE, SUBMISSIONS, TOPICS, Topic

from .examples import FIRST
from .messages import GOLDEN, load

PAGE = Path(__file__).parents[2] / "docs" / "asyncapi.yaml"

Json = dict[str, Any]

CHANNELS: dict[str, tuple[str, str, str]] = {
    EVENTS: ("events", "send", "Every recorded event, in the order of the log for each student, kept for ever. "
             "At least once: a reader takes each (student, version) once. Types and fields are an explicit list; "
             "everything else is withheld."),
    STATE: ("state", "send", "Of each career the timelines of status, blocks, charges and what exam booking depends "
            "on, as of `position`. Sent when they change. A message without a value: "
             "the person was forgotten."),
    HEARTBEAT: ("heartbeat", "send", "Every few seconds, for each topic that the relay fills: "
                "everything recorded up to `complete_at` lies below `offsets`."),
    SUBMISSIONS: ("submissions", "receive", "What other systems ask the ledger to record. The key is the student. "
                  "Rules may refuse it; each submission gets its outcome."),
    OUTCOMES: ("outcomes", "send", "The outcome of each submission, with the reasons. "
                                   "Correlated by key and `submission_id`."),
    DEAD_LETTER: ("deadLetters", "send", "What the intake or a consumer could not use, as it came, "
                                         "with the error and the place."),
}
EVENT_HEADERS = {
    "event_id": "The submitter's id of the event", "event_type": "As in `type`", "position": "As in `position`",
    "version": "As in `version`",
    "digest": "Keyed digest of the stored bytes; only the ledger has the key (hex)",
    "payload_sha256": "Of this message's value (hex)"}
CLOUD_HEADERS = {
    "origin": "The ledger's identity, given when it was made",
    "epoch": "From 1, raised where a restored backup was accepted",
    "ce_specversion": "CloudEvents, Kafka protocol binding, binary mode", "ce_id": "Unique within `ce_source`",
    "ce_source": "The ledger: its name, origin and epoch",
    "ce_type": "Name and version of the message's form", "ce_time": "When it was recorded, or said",
    "ce_subject": "Whom it is about",
    "ce_dataschema": "The `$id` of the value's JSON Schema", "content-type": "The form of the value"}
HEADERS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "event": (EVENT_HEADERS | CLOUD_HEADERS, {}),
    "state": ({name: EVENT_HEADERS[name] for name in ("position", "version")} | CLOUD_HEADERS, {}),
    "heartbeat": (CLOUD_HEADERS, {}),
    "outcome": (CLOUD_HEADERS, {"submission_id": "The submission's `id`, where one could be read",
                                "traceparent": "That of the submission, if it had one (W3C Trace Context)"}),
    "submission": ({}, {"traceparent": "W3C Trace Context"}),
    "deadLetter": ({"dead_letter_consumer": "Who could not use it",
                    "dead_letter_error": "Why; no content of the message", "dead_letter_topic": "Where it lay",
                    "dead_letter_partition": "Where it lay", "dead_letter_offset": "Where it lay"}, {}),
}
"""Of each kind the headers that always stand and those that may."""
SERVERS: Json = {
    "cluster": {"host": "broker-1.example.edu:9093", "protocol": "kafka-secure",
                "description": "A cluster with TLS: docs/kafka-cluster.md says what to set up.",
                "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in ("scram", "mutualTls")]},
    "local": {"host": "127.0.0.1:9092", "protocol": "kafka",
              "description": "infra/compose.yaml, for trying things out."},
}
SECURITY: Json = {
    "scram": {"type": "scramSha512", "description": "A user and a password for each program."},
    "mutualTls": {"type": "X509", "description": "A certificate for each program."},
}
CONSTANT = {"ce_specversion": "1.0", "content-type": "application/json"}
KEYS = {EVENTS: "student", STATE: "student/career", HEARTBEAT: "the topic that it speaks of", SUBMISSIONS: "student",
        OUTCOMES: "student", DEAD_LETTER: "the key of the message that could not be used"}


def document() -> Json:
    messages = _messages()
    return {
        "asyncapi": "3.0.0",
        "id": "urn:career-ledger",
        "info": {
            "title": "Career ledger", "version": "1.0.0", "license": {"name": "Apache-2.0"},
            "description": "The topics of section 8 of the published language. How to subscribe: docs/subscribing.md. "
                           "Optional fields may be added; a meaning never changes under the same name. "
                           "An installation may put a prefix before every address."},
        "defaultContentType": "application/json",
        "servers": SERVERS,
        "channels": {CHANNELS[topic.name][0]: _channel(topic, [name for name,
                                                               (where, _) in messages.items() if where == topic.name])
                     for topic in TOPICS},
        "operations": {name: _operation(topic, name) for topic, (name, _, _) in CHANNELS.items()},
        "components": {
            "messages": {name: about for name, (_, about) in messages.items()},
            "schemas": _bundled() | {_headers_of(name): _titled(_headers(*HEADERS[name]), _headers_of(name))
                                     for name in HEADERS},
            "securitySchemes": SECURITY,
            "correlationIds": {"submissionId": {"description": "The submission's `id`",
                                                "location": "$message.header#/submission_id"}},
        },
    }


def _channel(topic: Topic, messages: list[str]) -> Json:
    settings: Json = {name: [held] if name == "cleanup.policy" else int(held)
                      for name, held in topic.settings(3).items()}
    return {
        "address": topic.name, "description": CHANNELS[topic.name][2],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {"kafka": {"topic": topic.name, "partitions": 1 if topic.one_partition else PARTITIONS,
                               "replicas": 3, "topicConfiguration": settings, "bindingVersion": "0.5.0"}},
    }


def _operation(topic: str, name: str) -> Json:
    found: Json = {"action": CHANNELS[topic][1], "channel": {"$ref": f"#/channels/{name}"}}
    if topic == SUBMISSIONS:
        found["reply"] = {"channel": {"$ref": f"#/channels/{CHANNELS[OUTCOMES][0]}"}}
    return found


def _messages() -> dict[str, tuple[str, Json]]:
    """By name: topic and message object."""
    found = {f"{name}.v{version}": (EVENTS, _message(
        f"{name}.v{version}", "event", EVENTS,
        [f"{name}.v{version}", *([f"{name}-2.v{version}"] if name in FIRST else [])]))
             for name, version in VERSIONS.items()}
    found["state.v1"] = (STATE, _message("state.v1", "state", STATE, ["state.v1", "state-single-courses.v1"]))
    found["heartbeat.v1"] = (HEARTBEAT, _message("heartbeat.v1", "heartbeat", HEARTBEAT, ["heartbeat.v1"]))
    found["submission.v1"] = (SUBMISSIONS, _message("submission.v1", "submission", SUBMISSIONS, []) | {"examples": [{
        "name": "instalment-paid", "headers": {}, "payload": {
            "id": "pagopa-77", "type": "instalment-paid", "student": "S01", "career": "S01-B",
            "effective_on": "2026-02-11",
            "source": "pagopa", "actor": "system:pagopa",
            "data": {"charge": "2025-26:instalment-1", "amount": "400.00"}}}]})
    outcomes = [f"outcome-{how}.v1" for how in ("accepted", "duplicate", "refused", "invalid")]
    found["outcome.v1"] = (OUTCOMES, _message("outcome.v1", "outcome", OUTCOMES, outcomes) | {
        "correlationId": {"$ref": "#/components/correlationIds/submissionId"}})
    letter = _message("dead-letter.v1", "deadLetter", DEAD_LETTER, ["dead-letter.v1"])
    letter["payload"] = {"description": "The bytes as they came; they need not be JSON."}
    found["dead-letter.v1"] = (DEAD_LETTER, letter)
    return found


def _message(name: str, kind: str, topic: str, golden: list[str]) -> Json:
    return {
        "name": name, "title": name.partition(".")[0].replace("-", " ").capitalize(), "contentType": "application/json",
        "headers": {"$ref": f"#/components/schemas/{_headers_of(kind)}"},
        "payload": {"$ref": f"#/components/schemas/{_class(name)}"},
        "bindings": {"kafka": {"key": {"type": "string", "description": KEYS[topic]}, "bindingVersion": "0.5.0"}},
        "examples": [_example(one, load(GOLDEN / f"{one}.json")) for one in golden],
    }


def _headers_of(kind: str) -> str:
    return f"{kind[0].upper()}{kind[1:]}Headers"


def _class(name: str) -> str:
    """The name of a schema as a generator's class: of `exam-booked.v1` ExamBookedEvent, later versions with their
    number."""
    title, _, version = name.partition(".v")
    words = "".join(word.capitalize() for word in title.split("-"))
    return {"State": "CareerState"}.get(words, words + "Event" * (title in VERSIONS)) + f"V{version}" * (version != "1")


def _bundled() -> Json:
    """Every schema of docs/schemas and what it refers to, side by side and with a name of its own, so that nothing
    leads outside."""
    found: Json = {}
    for name, schema in schemas().items():
        own = {inner: inner if inner[0].isupper() else _class(inner + ".v1").removesuffix("Event") + "Submission"
               for inner in schema.get("$defs", {})}
        for inner, part in schema.get("$defs", {}).items():
            one = _titled(_led(part, own), own[inner])
            if found.setdefault(own[inner], one) != one:
                raise ValueError(f"two schemas are named {own[inner]}")
        about = _titled(_led({key: part for key, part in schema.items() if key not in ("$schema", "$defs")}, own),
                        _class(name))
        if name == SUBMISSION:
            about |= {"discriminator": "type", "required": ["type"], "properties": {"type": {"type": "string"}}}
        found[_class(name)] = about
    return found


def _titled(schema: Json, name: str) -> Json:
    """The same with a title for itself and for everything in it that a generator makes a type of."""
    found = schema | {"title": name}
    for key, part in schema.get("properties", {}).items():
        if {"enum", "anyOf", "items", "properties", "additionalProperties"} & part.keys():
            title = name + "".join(word.capitalize() for word in key.split("_"))
            found["properties"] = found["properties"] | {key: _titled(part, title)}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict) and "$ref" not in schema[key]:
            found[key] = _titled(schema[key], f"{name}Item")
    if "anyOf" in schema:
        found["anyOf"] = [one if "$ref" in one else _titled(one, name + one.get("type", "value").capitalize())
                          for one in schema["anyOf"]]
    return found


def _led(schema: Any, own: dict[str, str]) -> Any:
    """The same with its references led to the names that its parts have here."""
    if isinstance(schema, list):
        return [_led(one, own) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: f"#/components/schemas/{own[part.removeprefix('#/$defs/')]}" if key == "$ref" else _led(part, own)
            for key, part in schema.items()}


def _example(name: str, sent: Message) -> Json:
    value = sent.value.decode() if sent.value is not None else None
    return {"name": name.rpartition(".")[0], "headers": {name: text.decode() for name, text in sent.headers},
            "payload": value if sent.topic == DEAD_LETTER else json.loads(value or "null")}


def _headers(always: dict[str, str], may: dict[str, str]) -> Json:
    properties = {name: {"type": "string", "description": text}
                  | ({"const": CONSTANT[name]} if name in CONSTANT else {})
                  for name, text in (always | may).items()}
    return {"type": "object", "required": list(always), "properties": properties}


class _Plain(yaml.SafeDumper):
    """Without anchors: each example stands for itself."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def text() -> str:
    said = "# Made from the code by `python -m tests.wire.asyncapi`. Do not edit.\n"
    return said + yaml.dump(document(), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=140)


if __name__ == "__main__":
    PAGE.write_text(text())
