"""From a recorded event to the bytes that are stored, and back.

The bytes are canonical JSON in UTF-8: keys sorted by code point, no spaces, no NaN, text not escaped. They are written
once and never rewritten; proofs are made over them. They hold the whole event except its position, which the database
assigns. Beside them stands the stored name, such as `exam-booked.v1`: a word of this table and never the name of a
module or class, so that code can move.

A type whose meaning or fields change gets a new stored name. `UPCASTS` then says, for each old name, which name follows
it and how the record of the old form reads in the new one. Old bytes stay as they are: upcasting happens on reading.
"""

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

import msgspec

from ledger.domain.events import SEALED_ONLY, Event, PayloadPart
from ledger.domain.values import format_instant

from .errors import StoreUnusable, UnreadableEvent
from .reading import checker, reader

if TYPE_CHECKING:
    from eventsourcing.persistence import StoredEvent

StoredRecord = dict[str, Any]
"""A stored event as decoded JSON."""
Sound = tuple[str, bytes]
"""The type and the bytes of a stored event, as it reads today."""
Upcast = tuple[str, Callable[[StoredRecord], StoredRecord]]
"""The stored name that follows, and the function from a record of the old form to one of the new form."""

STUDENTS = UUID("5b0ac2a4-6a0d-5a4f-9a3e-3d1b8f8a7c10")
"""The namespace of stream ids. Never changes: every stream of every ledger is found through it."""

STORED_NAMES: dict[str, str] = {
    "preenrolled": "preenrolled.v1",
    "preparation-assessed": "preparation-assessed.v1",
    "ranked": "ranked.v1",
    "enrolled": "enrolled.v1",
    "enrolled-with-reservation": "enrolled-with-reservation.v1",
    "reservation-lifted": "reservation-lifted.v1",
    "reservation-declined": "reservation-declined.v1",
    "enrolment-cancelled": "enrolment-cancelled.v1",
    "enrolment-renewed": "enrolment-renewed.v1",
    "degree-candidacy-declared": "degree-candidacy-declared.v1",
    "graduated": "graduated.v1",
    "regime-changed": "regime-changed.v1",
    "suspended": "suspended.v1",
    "resumed": "resumed.v1",
    "administrative-block-ordered": "administrative-block-ordered.v1",
    "administrative-block-revoked": "administrative-block-revoked.v1",
    "charge-decided": "charge-decided.v1",
    "programme-changed": "programme-changed.v1",
    "transferred-in": "transferred-in.v1",
    "transferred-out": "transferred-out.v1",
    "recognition-requested": "recognition-requested.v1",
    "cfu-recognised": "cfu-recognised.v1",
    "single-courses-enrolled": "single-courses-enrolled.v1",
    "contribution-assessed": "contribution-assessed.v1",
    "isee-certified": "isee-certified.v1",
    "instalment-paid": "instalment-paid.v1",
    "payment-refunded": "payment-refunded.v1",
    "payment-moved": "payment-moved.v1",
    "instalment-plan-agreed": "instalment-plan-agreed.v1",
    "study-plan-submitted": "study-plan-submitted.v1",
    "study-plan-approved": "study-plan-approved.v1",
    "exam-booked": "exam-booked.v1",
    "exam-booking-cancelled": "exam-booking-cancelled.v1",
    "exam-graded": "exam-graded.v1",
    "grade-refused": "grade-refused.v1",
    "exam-annulled": "exam-annulled.v1",
    "withdrawal-requested": "withdrawal-requested.v1",
    "renounced": "renounced.v1",
    "forfeited": "forfeited.v1",
    "diploma-supplement-issued": "diploma-supplement-issued.v1",
    "person-registered": "person-registered.v1",
    "person-forgotten": "person-forgotten.v1",
    "ticket-linked": "ticket-linked.v1",
    "ticket-opened": "ticket-opened.v1",
    "ticket-closed": "ticket-closed.v1",
    "event-voided": "event-voided.v1",
}
"""The stored name that each type is written under today."""

UPCASTS: dict[str, Upcast] = {}
"""Every stored name that was written once and is no longer: none yet. `tests/store/test_upcasting.py` shows one."""

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def canonical_json(value: Any) -> bytes:
    """The one spelling of a JSON value. Raises ValueError for NaN and infinities."""
    return _canonical(value).encode()


@lru_cache(maxsize=1 << 14)
def stream_id(student: str) -> UUID:
    return uuid5(STUDENTS, student)


def _fields(one: PayloadPart) -> StoredRecord:
    """The fields as they were submitted, those that were left out left out, in types that the encoder spells as JSON
    should have them."""
    found = msgspec.structs.asdict(one)
    left_out = found.pop("_left_out")  # as `given` has it, without a second dictionary
    return {name: _SPELT[type(value)](value) if type(value) in _SPELT else value
            for name, value in found.items() if value is not None and name not in left_out}


def _many(values: tuple[Any, ...]) -> list[Any]:
    return [_fields(one) if isinstance(one, PayloadPart) else one for one in values]


def _fraction(value: float) -> msgspec.Raw:
    """As the standard library spells it: 1e-05."""
    return msgspec.Raw(canonical_json(value))


_SPELT: dict[type, Callable[[Any], Any]] = {Decimal: "{:.2f}".format, float: _fraction, tuple: _many}
_encode = msgspec.json.Encoder(order="sorted").encode


def _state(event: Event) -> bytes:
    """`canonical_json` of the event as it is stored, by a compiled encoder in a quarter of the time."""
    record = {"id": event.id, "type": event.type, "student": event.student, "effective_on": event.effective_on,
              "recorded_at": format_instant(event.recorded_at), "source": event.source, "actor": event.actor,
              "data": _fields(event.data), "version": event.version}
    if event.career is not None:
        record["career"] = event.career
    if event.override:
        record["override"] = _many(event.override)
    if event.rulebook is not None:
        record["rulebook"] = event.rulebook
    if event.breaches:
        record["breaches"] = event.breaches
    if event.clear:
        record["clear"] = event.clear
    if event.sealed is not None:
        record["sealed"] = event.sealed
    return _encode(record)


def as_record(sound: Sound, position: int) -> StoredRecord:
    record: StoredRecord = msgspec.json.decode(sound[1], type=StoredRecord)
    record["position"] = position
    return record


@cache
def _stored_event() -> "type[StoredEvent]":
    """The library is imported by who writes."""
    from eventsourcing.persistence import StoredEvent

    return StoredEvent


_TOLD = re.compile(r"\A(Invalid enum value|Object contains unknown field) .*?( - at `\$[^`]*`)?\Z", re.DOTALL)
"""What msgspec repeats of a record."""


def _untold(error: Exception) -> str:
    """What is wrong and where, without what stands there: a newer program's word for a reduction, say."""
    return _TOLD.sub(r"\1\2", str(error))


def _check_bytes(state: object) -> None:
    """Another program can put a text in their place. Raises TypeError."""
    if not isinstance(state, bytes):
        raise TypeError("they are no bytes")


class Mapper:
    """Encodes and decodes. The tables are arguments so that a test can show a form that does not exist yet."""

    def __init__(self, names: Mapping[str, str] = STORED_NAMES, upcasts: Mapping[str, Upcast] = UPCASTS) -> None:
        self._names = names
        self._types = {stored: name for name, stored in names.items()}
        self._upcasts = upcasts

    def to_stored_event(self, event: Event) -> "StoredEvent":
        """Raises StoreUnusable for a type without a stored name, and for one that is not stored in the clear."""
        name = self._names.get(event.type)
        if name is None:
            raise StoreUnusable(f"{event.type} cannot be stored: it has no stored name")
        if event.sealed is None and event.type in SEALED_ONLY:
            raise StoreUnusable(f"{event.type} cannot be stored in the clear")
        return _stored_event()(stream_id(event.student), event.version, name, _state(event))

    def to_event(self, name: str, state: bytes, position: int) -> Event:
        """Raises UnreadableEvent for a stored name that is not known (a newer program wrote it), and for damaged
        bytes."""
        try:
            _check_bytes(state)
            kind = self._types.get(name)
            if kind is None:
                kind, state = self._upcast(name, state, position)
            return reader(kind)(state, position)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UnreadableEvent(position,
                                  f"({name}) cannot be read, the stored bytes are damaged: "
                                            f"{_untold(error)}") from error

    def to_sound(self, name: str, state: bytes, position: int) -> Sound:
        """The type, and the stored bytes as they read today. Raises what `to_event` raises."""
        try:
            _check_bytes(state)
            kind = self._types.get(name)
            if kind is None:
                kind, state = self._upcast(name, state, position)
            checker(kind)(state)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UnreadableEvent(position,
                                  f"({name}) cannot be read, the stored bytes are damaged: "
                                            f"{_untold(error)}") from error
        return kind, state

    def _upcast(self, name: str, state: bytes, position: int) -> tuple[str, bytes]:
        """The type of today and the record as it reads today."""
        record: StoredRecord = json.loads(state)
        while (kind := self._types.get(name)) is None:
            if name not in self._upcasts:
                raise UnreadableEvent(position, f"holds {name!r}, which this version does not know: "
                                           "a newer version wrote it; update this program")
            name, upcast = self._upcasts[name]
            record = upcast(record)
        return kind, canonical_json(record | {"type": kind})
