"""A message on its way to or from Kafka, and its CloudEvents headers (Kafka protocol binding 1.0.2, binary content
mode)."""

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


class History(NamedTuple):
    """Which history a message tells: `origin`, the identity of the ledger that it comes from, and `epoch`, raised where
    a restored backup was accepted. `name` is what the ledger is called (a URI)."""

    origin: str
    epoch: int
    name: str = "urn:career-ledger"

    @property
    def source(self) -> str:
        """Positions are given anew in another epoch, and an event is one thing for ever by its `ce_source` and
        `ce_id`."""
        return f"{self.name}:{self.origin}:{self.epoch}"


def encode(value: Any) -> bytes:
    """The spelling of a message's value: JSON in UTF-8, without spaces, text not escaped, fields in the order given.
    Four times as fast as `json`, byte for byte the same for what messages hold."""
    return to_json(value)


def cloud_headers(id: str, history: History, type: str, time: str, subject: str, schema: str) -> list[Header]:
    """And those of the history. `id` is unique within it; `time` an RFC 3339 instant; `schema` the `$id` of the value's
    JSON Schema."""
    return [("origin", history.origin.encode()), ("epoch", b"%d" % history.epoch), ("ce_specversion", b"1.0"),
            ("ce_id", id.encode()), ("ce_source", history.source.encode()), ("ce_type", type.encode()),
            ("ce_time", time.encode()), ("ce_subject", subject.encode()), ("ce_dataschema", schema.encode()),
            ("content-type", JSON)]


def header(headers: Sequence[Header], name: str) -> str | None:
    """The text of a header; None where it is absent or not UTF-8."""
    found = next((value for key, value in headers if key == name), None)
    try:
        return found.decode() if found is not None else None
    except UnicodeDecodeError:
        return None
