"""Reading a message of the ledger: what a subscriber gets, checked, or a clear word why it cannot be used."""

import re
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from hashlib import sha256
from typing import Any, NamedTuple, overload

from pydantic import ValidationError

from ledger.domain.form import phrase_of
from ledger.words import sentence

from .events import VERSIONS
from .message import Header
from .models import OverrideRef, value_model

_STUDENT = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_OURS = re.compile(r"[A-Za-z_\[\]]{1,40}|[0-9]{1,9}")
_NUMBER = re.compile(r"[1-9][0-9]{0,14}")
_TYPE = re.compile(r"career\.([a-z][a-z-]*)\.v([1-9][0-9]{0,3})")


class Unreadable(ValueError):
    """The message is not what its topic promises. The text names the field and none of the content."""


class UnknownType(Unreadable):
    """An event type, or a version of one, that this release does not know: update this program."""


@dataclass(slots=True)
class WireEvent:
    """A recorded event as it leaves the ledger. `data` is the type's wire model (attributes as in `FIELDS`); `value`
    the bytes of the message, `payload_sha256` (hex) their hash, `digest` the ledger's keyed one of the bytes that it
    stored."""

    id: str
    type: str
    student: str
    career: str | None
    effective_on: date
    recorded_at: str
    source: str
    actor: str
    position: int
    version: int
    origin: str
    epoch: int
    digest: str
    payload_sha256: str
    data: Any
    override: tuple[OverrideRef, ...]
    breaches: tuple[str, ...]
    value: bytes


class Provenance(NamedTuple):
    """Which history a message is of, the moment that it speaks of (UTC, RFC 3339), and of an event the ledger's keyed
    digest."""

    origin: str
    epoch: int
    time: str
    digest: str


def identify(key: bytes | None, headers: Sequence[Header]) -> tuple[str, int]:
    """(student, version) of an event's message, from key and headers alone. Raises Unreadable."""
    return _identify(key, dict(headers))


def provenance(headers: Sequence[Header], event: bool = True) -> Provenance:
    """That of a message of any topic that the ledger fills; `digest` is empty but in those of an `event`. Raises
    Unreadable."""
    found = dict(headers)
    return Provenance(*_history(found), header_text(found, "ce_time"), header_text(found, "digest") if event else "")


@overload
def read_event(key: bytes | None, value: bytes | None, headers: Sequence[Header]) -> WireEvent: ...
@overload
def read_event(key: bytes | None, value: bytes | None, headers: Sequence[Header],
               needed: Container[str] | None) -> WireEvent | None: ...
def read_event(key: bytes | None, value: bytes | None, headers: Sequence[Header],
               needed: Container[str] | None = None) -> WireEvent | None:
    """Raises UnknownType and Unreadable (also where the value does not match `payload_sha256`). Where `needed` names
    types, the value of an event of any other known type is not read: None, once key, hash, type and version are
    right."""
    found = dict(headers)
    student, version = _identify(key, found)
    if value is None:
        raise Unreadable("value: there is none; events are never erased by a tombstone")
    said = header_text(found, "payload_sha256")
    if sha256(value).hexdigest() != said:
        raise Unreadable("payload_sha256: the value was altered on its way")
    check_text(value)
    name, read = _reader(header_text(found, "ce_type"))
    if needed is not None and name not in needed:
        return None
    try:
        event = read(value)
    except ValidationError as error:
        raise Unreadable(describe(error)) from None
    if event.student != student:
        raise Unreadable("student: differs from the key")
    if event.version != version:
        raise Unreadable("version: differs from its header")
    if name != header_text(found, "event_type"):
        raise Unreadable("event_type: differs from ce_type")
    if str(event.position) != header_text(found, "position"):
        raise Unreadable("position: differs from its header")
    if event.id != header_text(found, "event_id"):
        raise Unreadable("id: differs from the header event_id")
    held = event.__dict__
    origin, epoch = _history(found)
    return WireEvent(held["id"], name, student, held.get("career"), held["effective_on"], held["recorded_at"],
                     held["source"], held["actor"], held["position"], version, origin, epoch,
                     header_text(found, "digest"), said, held["data"], held["override"], held["breaches"], value)


def check_text(value: bytes) -> None:
    """That a database can keep the texts of a value of JSON. Raises Unreadable."""
    if rb"\u0000" in value:
        raise Unreadable("value: a NUL character, which no database keeps as text")


def describe(error: ValidationError) -> str:
    """The first thing wrong and how many more, as field and rule: no content, not even the name of a field that is not
    ours."""
    first, *others = error.errors(include_url=False, include_input=False)
    where = ".".join(str(one) if _OURS.fullmatch(str(one)) else "?" for one in first["loc"]) or "value"
    said = sentence(phrase_of(first))
    return f"{where}: {said[:1].lower()}{said[1:]}" + (f" (and {len(others)} more)" if others else "")


def header_text(headers: dict[str, bytes], name: str) -> str:
    """Raises Unreadable."""
    try:
        found = headers[name].decode()
    except KeyError:
        raise Unreadable(f"{name}: this header is missing") from None
    except UnicodeDecodeError:
        raise Unreadable(f"{name}: this header is not UTF-8") from None
    if "\0" in found:
        raise Unreadable(f"{name}: a NUL character, which no database keeps as text")
    return found


def _identify(key: bytes | None, headers: dict[str, bytes]) -> tuple[str, int]:
    if key is None or not _STUDENT.fullmatch(key):
        raise Unreadable("key: this is no student's pseudonym")
    version = header_text(headers, "version")
    if not _NUMBER.fullmatch(version):
        raise Unreadable("version: this header is no number from 1")
    return key.decode(), int(version)


def _history(headers: dict[str, bytes]) -> tuple[str, int]:
    epoch = header_text(headers, "epoch")
    if not _NUMBER.fullmatch(epoch):
        raise Unreadable("epoch: this header is no number from 1")
    return header_text(headers, "origin"), int(epoch)


@cache
def _reader(ce_type: str) -> tuple[str, Callable[[bytes], Any]]:
    """The event type that a `ce_type` names and what reads its values."""
    named = _TYPE.fullmatch(ce_type)
    if named is None:
        raise Unreadable("ce_type: not of the form career.TYPE.vN")
    type_, version = named[1], int(named[2])
    if type_ not in VERSIONS:
        raise UnknownType("ce_type: an event type that this release does not know; update this program")
    if version > VERSIONS[type_]:
        raise UnknownType(f"ce_type: version {version} of {type_}, this release knows {VERSIONS[type_]}; "
                          "update this program")
    return type_, value_model(type_).__pydantic_validator__.validate_json
