"""What is sent of an event, put together of the bytes that are stored: what leaves is cut out of them and set in the
message's order, in place of being decoded, chosen and spelt again. `events.message` says what it must come to."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from .events import ENVELOPE, FIELDS, VERSIONS, message
from .message import Header, History, Message, cloud_headers, encode
from .topics import EVENTS

_ABSENT = Raw(b"")
_encode = msgspec.json.Encoder().encode
_VARY = ("event_id", "position", "version", "digest", "payload_sha256", "ce_id", "ce_time", "ce_subject")
"""The headers that are not the same for all events of a type."""


class _Book(msgspec.Struct, gc=False):
    id: Raw
    sha256: Raw


class Cut(NamedTuple):
    """`value`: of the message of this type. The rest is what its headers say."""

    kind: str
    value: bytes
    id: str
    student: str
    career: str
    recorded_at: str
    position: int
    version: int
    digest: str


def cut(kind: str, state: bytes, position: int, digest: str) -> Cut:
    """Of an event's sound bytes, as they read today. Raises KeyError for a type that has no entry in `FIELDS`."""
    decode, fractions = _form_of(kind)
    try:
        one = decode(state)
    except msgspec.ValidationError:  # something is null
        one = None
    if one is None or one.override or (fractions and _is_spelt_otherwise(one.data, fractions)):
        record = msgspec.json.decode(state) | {"position": position}
        return Cut(kind, message(record, digest, History("", 0)).value or b"", record["id"], record["student"],
                   record.get("career") or "", record["recorded_at"], position, record["version"], digest)
    one.position = position
    return Cut(kind, _encode(one), one.id, one.student, one.career, one.recorded_at, position, one.version, digest)


def as_message(found: Cut, history: History) -> Message:
    headers = list(_headers(found.kind, history))
    for (place, name), text in zip(_places(found.kind, history), _varying(found), strict=True):
        headers[place] = name, str(text).encode()
    return Message(EVENTS, found.student.encode(), found.value, headers)


def as_object(found: Cut, history: History) -> bytes:
    """The message as one JSON object, `{"key", "headers": {..}, "value": {..}}`, the value byte for byte."""
    name, *rest, subject = _varying(found)
    return (_frame(found.kind, history) % (_quoted(found.student), _quoted(name), *rest, _quoted(subject))
            ).encode() + found.value + b"}"


def _varying(found: Cut) -> tuple[str, int, int, str, str, int, str, str]:
    """Of the headers `_VARY`."""
    _, value, name, student, career, recorded_at, position, version, digest = found
    return (name, position, version, digest, sha256(value).hexdigest(), position, recorded_at,
            f"{student}/{career}" if career else student)


def _quoted(text: str) -> str:
    """As JSON: most are plain."""
    return f'"{text}"' if text.isprintable() and '"' not in text and "\\" not in text else encode(text).decode()


def _is_spelt_otherwise(data: Any, fractions: Sequence[tuple[str, str]]) -> bool:
    """Whether there is a number with an exponent."""
    for name, inner in fractions:
        held = getattr(data, name)
        for one in [getattr(part, inner) for part in held or ()] if inner else (held,):
            if b"e" in bytes(one):
                return True
    return False


@cache
def _form_of(kind: str) -> tuple[Callable[[bytes], Any], Sequence[tuple[str, str]]]:
    """What reads what leaves of an event, each field's bytes as they are, to be written again in the order of the
    message; and which fields hold fractions, by themselves or in each object of a list."""
    fields, parts = FIELDS[kind]
    named: dict[str, tuple[Any, Any]] = dict.fromkeys(ENVELOPE, (Raw, _ABSENT)) | {
        "id": (str, ""), "student": (str, ""), "career": (str, ""), "recorded_at": (str, ""), "version": (int, 0),
        "position": (int, 0), "rulebook": (_Book, None)}
    lists = [(name, list[_struct((field, Raw, _ABSENT) for field in of)], None)  # type: ignore[misc]
             for name, of in parts.items()]
    data = _struct([*((name, Raw, _ABSENT) for name in fields), *lists])
    form = _struct([*((name, *of) for name, of in named.items()), ("data", data, None), ("override", Raw, _ABSENT)])
    fractions = [(name, "") for name in fields if name.endswith("cfu")] + [
        (name, field) for name, of in parts.items() for field in of if field.endswith("cfu")]
    return msgspec.json.Decoder(form).decode, fractions


def _struct(fields: Iterable[Any]) -> Any:
    """What is absent is left out."""
    return msgspec.defstruct("_Form", fields, gc=False, omit_defaults=True)


@cache
def _headers(kind: str, history: History) -> tuple[Header, ...]:
    return (("event_id", b""), ("event_type", kind.encode()), ("position", b""), ("version", b""), ("digest", b""),
            ("payload_sha256", b""),
            *cloud_headers("", history, f"career.{kind}.v{VERSIONS[kind]}", "", "",
                           f"urn:career-ledger:{kind}:v{VERSIONS[kind]}"))


@cache
def _places(kind: str, history: History) -> tuple[tuple[int, str], ...]:
    names = [name for name, _ in _headers(kind, history)]
    return tuple((names.index(name), name) for name in _VARY)


@cache
def _frame(kind: str, history: History) -> str:
    quoted = dict.fromkeys(_VARY, '"%s"') | {"event_id": "%s", "ce_subject": "%s"}
    headers = ",".join(f'"{name}":{quoted.get(name) or encode(text.decode()).decode().replace("%", "%%")}'
                       for name, text in _headers(kind, history))
    return f'{{"key":%s,"headers":{{{headers}}},"value":'
