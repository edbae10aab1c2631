"""A message on its way to or from Kafka, and its CloudEvents headers (Kafka protocol binding 1.0.2, binary content mode)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic_core import to_json

Header = tuple[str, bytes]
JSON = b"application/json"


class Message(NamedTuple):
    """`value` None is a tombstone. `key` None: only of a dead letter that came without one."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]


def encode(value: Any) -> bytes:
    """The spelling of a message's value: JSON in UTF-8, without spaces, text not escaped, fields in the order given. Four times as
    fast as `json`, byte for byte the same for what messages hold."""
    return to_json(value)


def cloud_headers(id: str, source: str, type: str, time: str, subject: str, schema: str) -> list[Header]:
    """`id` is unique within `source`; `time` an RFC 3339 instant; `schema` the `$id` of the value's JSON Schema."""
    return [("ce_specversion", b"1.0"), ("ce_id", id.encode()), ("ce_source", source.encode()), ("ce_type", type.encode()),
            ("ce_time", time.encode()), ("ce_subject", subject.encode()), ("ce_dataschema", schema.encode()), ("content-type", JSON)]


def header(headers: Sequence[Header], name: str) -> str | None:
    """The text of a header; None where it is absent or not UTF-8."""
    found = next((value for key, value in headers if key == name), None)
    try:
        return found.decode() if found is not None else None
    except UnicodeDecodeError:
        return None
