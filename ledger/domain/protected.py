"""What is sealed before it is stored: the protected fields of an event, taken out of it and put back.

No rule, fold, projection, relay or audit reads one (`tests/domain/test_protected.py`): what a rule needs of them stands
in `Event.clear`. Then none of them needs a key, and no answer changes when keys are destroyed.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from .checked import names
from .events import PAYLOADS, SEALED_ONLY, Event, shown

if TYPE_CHECKING:  # the forms of what is submitted are made by whoever takes it in
    from .submissions import Submission

NAMES = frozenset({"answer", "band", "category", "indicator", "note", "reason", "reduction", "request", "subject"})
"""Protected wherever they stand; of an override its reason."""

PROTECTED: dict[str, frozenset[str]] = {
    name: frozenset(names(payload) if name in SEALED_ONLY else NAMES.intersection(names(payload)))
    for name, payload in PAYLOADS.items()}
"""By type, the protected fields of `data`."""
_HAVE = frozenset(name for name, fields in PROTECTED.items() if fields)

_READ: dict[str, Callable[[Any], Any]] = {
    "birth_date": date.fromisoformat, "former_tax_codes": tuple, "indicator": Decimal}
"""From JSON, where the field holds no text."""


class IsForgotten(Exception):
    """The keys of a student are destroyed: nothing of hers is sealed any more."""

    def __init__(self, student: str) -> None:
        super().__init__(student)
        self.student = student


class CodeTaken(Exception):
    """A tax code is another person's. The code is not repeated."""

    def __init__(self, student: str) -> None:
        super().__init__(student)
        self.student = student


class Sealer(Protocol):
    """Whoever has the keys (`ledger.privacy`). What a key is, and what was prepared, is its own affair."""

    def key_of(self, event: Event) -> Any:
        """What an event that has protected values is sealed with: her key, durable from now on. Raises IsForgotten,
        CodeTaken."""
        ...

    def seal(self, event: Event, key: Any = None) -> Event:
        """Without its protected values, which are in `sealed`; one that has none as it is. `key`: what `key_of` said.
        Raises IsForgotten, CodeTaken where it is not given."""
        ...

    def prepare(self, submissions: "Sequence[Submission | Event]") -> Any:
        """Makes durable, in one transaction, what sealing these next will need: keys and look-ups. What is not needed
        then harms nobody; who was forgotten gets nothing."""
        ...

    def take(self, prepared: Any) -> Mapping[str, Any]:
        """What another one, in another thread, has prepared: by student what `key_of` would say now of each of the
        submissions that it was prepared for. Who is missing has to be asked about."""
        ...

    def open(self, event: Event) -> Event | None:
        """With its protected values; None where its student was forgotten."""
        ...


def has_protected(one: "Event | Submission") -> bool:
    """In the clear."""
    if not one.override and (one.type not in _HAVE or PROTECTED[one.type].isdisjoint(one.data.given())):
        return False
    return not isinstance(one, Event) or one.sealed is None


def taken_out(event: Event) -> tuple[Event, dict[str, Any]]:
    """The event without its protected values, and these as JSON: `data` by field, `override` the reason of each. The
    dict is empty where it has none."""
    data = {name: shown(value) for name, value in event.data.given().items() if name in PROTECTED[event.type]}
    taken: dict[str, Any] = {"data": data} if data else {}
    if event.override:
        taken["override"] = [one.reason for one in event.override]
    if not taken:
        return event, taken
    return msgspec.structs.replace(
        event, data=event.data.bared(data),
        override=tuple(one.bared(("reason",)) for one in event.override)), taken


def put_back(event: Event, taken: Mapping[str, Any]) -> Event:
    """The event with what was taken out of it. Raises ValueError where that was taken out of another."""
    data, reasons = taken.get("data", {}), taken.get("override", [])
    if not data.keys() <= PROTECTED[event.type] or len(reasons) != len(event.override):
        raise ValueError("what was sealed does not belong to this event")
    values = {name: _READ[name](value) if name in _READ else value for name, value in data.items()}
    return msgspec.structs.replace(
        event, data=event.data.changed(**values), sealed=None,
        override=tuple(one.changed(reason=reason) for one, reason in zip(event.override, reasons, strict=True)))
