"""docs/asyncapi.yaml is valid AsyncAPI 3 and agrees with the code: topics, headers, schemas and examples."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator, FormatChecker

from ledger.domain.events import NOT_SUBMITTED, PAYLOADS, SEALED_ONLY
from ledger.wire.events import VERSIONS
from ledger.wire.message import Message
from ledger.wire.topics import TOPICS

from .asyncapi import PAGE, text
from .messages import GOLDEN, ORIGIN, SCHEMAS, load, written

OFFICIAL = Path(__file__).parent / "asyncapi-3.0.0.schema.json"
"""The AsyncAPI initiative's own JSON Schema of the format; where it is from and its licence stand in its `$comment`."""
DOCUMENT: dict[str, Any] = yaml.load(PAGE.read_text(),
                                     getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
MESSAGES: dict[str, Any] = DOCUMENT["components"]["messages"]


def test_document_is_up_to_date() -> None:
    assert PAGE.read_text() == text(), "run python -m tests.wire.asyncapi"


def test_document_is_valid_asyncapi() -> None:
    official = Draft7Validator(json.loads(OFFICIAL.read_text()))
    official.validate(DOCUMENT)
    for broken in ({**DOCUMENT, "asyncapi": "2.6.0"}, {**DOCUMENT, "channels": {"a": {"adress": "x"}}},
                   {**DOCUMENT, "operations": {"a": {"action": "publish"}}}):
        assert not official.is_valid(broken)


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [found for name, one in value.items() for found in ([one] if name == "$ref" else _references(one))]
    return [found for one in value for found in _references(one)] if isinstance(value, list) else []


def test_every_reference_leads_somewhere() -> None:
    found = _references(DOCUMENT)
    assert len(found) > 100
    for reference in found:
        place, _, path = reference.partition("#/")
        assert place == "", f"{reference} leads out of the document"
        target = DOCUMENT
        for name in path.split("/"):
            target = target[name]


def test_channels_are_the_topics_with_their_settings() -> None:
    channels = {one["address"]: one["bindings"]["kafka"] for one in DOCUMENT["channels"].values()}
    assert set(channels) == {topic.name for topic in TOPICS}
    for topic in TOPICS:
        settings = channels[topic.name]["topicConfiguration"]
        assert {name: value[0] if isinstance(value, list) else str(value)
                for name, value in settings.items()} == topic.settings(3)
        assert (channels[topic.name]["partitions"] == 1) == topic.one_partition
    assert {name for name, one in DOCUMENT["operations"].items() if one["action"] == "receive"} == {"submissions"}


def test_every_kind_of_message_stands_in_its_channel() -> None:
    assert set(MESSAGES) == set(SCHEMAS) | {"dead-letter.v1"}
    where = {name: channel["address"] for channel in DOCUMENT["channels"].values() for name in channel["messages"]}
    assert where == {f"{name}.v1": "career.events.v1" for name in PAYLOADS} | {
        "state.v1": "career.state.v1", "heartbeat.v1": "career.heartbeat.v1", "submission.v1": "career.submissions.v1",
        "outcome.v1": "career.outcomes.v1", "dead-letter.v1": "career.dead-letter.v1"}
    assert {f"{name}.v{version}" for name, version in VERSIONS.items()} < set(MESSAGES)


@pytest.mark.parametrize("name", sorted(set(MESSAGES) - {"dead-letter.v1"}))
def test_examples_fit_the_schemas_of_payload_and_headers(name: str) -> None:
    about = MESSAGES[name]
    whole = {"components": DOCUMENT["components"]}
    payload = Draft7Validator(whole | about["payload"], format_checker=FormatChecker())
    headers = Draft202012Validator(DOCUMENT["components"]["schemas"][about["headers"]["$ref"].rpartition("/")[2]])
    assert about["examples"]
    for example in about["examples"]:
        payload.validate(example["payload"])
        headers.validate(example["headers"])


def test_every_schema_has_a_name_of_its_own_for_a_generator() -> None:
    held = DOCUMENT["components"]["schemas"]
    assert {"ExamBookedEvent", "ExamBookedData", "ExamBookedSubmission", "CareerState", "ChargeSpan",
            "EventHeaders"} <= set(held)
    assert all(name.isidentifier() and name[0].isupper() for name in held)
    assert all(about.get("title") == name for name, about in held.items())
    submission = held["Submission"]
    kinds = [held[one["$ref"].rpartition("/")[2]]["properties"][submission["discriminator"]]["const"]
             for one in submission["oneOf"]]
    assert set(kinds) == set(PAYLOADS) - SEALED_ONLY - NOT_SUBMITTED


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_schema_is_a_file_that_its_address_names(name: str) -> None:
    """docs/subscribing.md: urn:career-ledger:NAME:vN is docs/schemas/NAME.vN.json."""
    held = json.loads((PAGE.parent / "schemas" / f"{name}.json").read_text())
    assert held["$id"] == "urn:career-ledger:" + name.replace(".", ":")
    assert (PAGE.parent / "schemas" / (held["$id"].removeprefix("urn:career-ledger:").replace(":", ".")
                                       + ".json")).is_file()


def _said(sent: Message) -> dict[str, Any]:
    return DOCUMENT["components"]["schemas"][MESSAGES[_kind(sent)]["headers"]["$ref"].rpartition("/")[2]]


def _kind(sent: Message) -> str:
    schema = dict(sent.headers).get("ce_dataschema", b"urn:career-ledger:dead-letter:v1").decode()
    return schema.removeprefix("urn:career-ledger:").replace(":", ".")


@pytest.mark.parametrize("name", sorted(written()))
def test_headers_that_are_described_are_those_that_are_sent(name: str) -> None:
    sent = written()[name]
    said = _said(sent)
    names = {name for name, _ in sent.headers}
    assert set(said["required"]) <= names
    assert names - {"content-type"} <= set(said["properties"])


def test_examples_are_the_golden_messages() -> None:
    found = {f"{one['name']}.v1": one for about in MESSAGES.values() for one in about["examples"]
             if about["name"] != "submission.v1"}
    assert set(found) == set(written())
    for name, example in found.items():
        golden = load(GOLDEN / f"{name}.json")
        assert example["headers"] == {name: value.decode() for name, value in golden.headers}
        assert golden.value is not None
        if name != "dead-letter.v1":
            assert example["payload"] == json.loads(golden.value)
            assert example["headers"]["ce_source"] == ORIGIN.source
