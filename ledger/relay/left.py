"""What has left the ledger about a student, by type: which fields, how often, and to which services."""

from collections.abc import Sequence
from typing import Any

from ledger.domain.events import Event
from ledger.domain.values import format_instant
from ledger.wire.events import payload
from ledger.wire.kafka import prefix
from ledger.wire.readers import readers
from ledger.wire.state import CareerState
from ledger.wire.topics import EVENTS, STATE

from .positions import Positions

_NO_CONTENT = frozenset({"student", "career", "position", "version", "recorded_at", "law"})


def left(url: str, events: Sequence[Event]) -> list[dict[str, Any]]:
    """`what`: a type of event or `state`; `first` and `last`: when the ledger learned of them, after which they left.
    `topic` with its prefix. Raises StoreUnavailable, StoreUnusable."""
    with Positions(url) as positions:
        reached = {one.topic: one.position for one in positions.all()}
    names = {topic: prefix() + topic for topic in (EVENTS, STATE)}
    found: dict[str, dict[str, Any]] = {}
    for event in (one for one in events if one.position <= reached.get(names[EVENTS], 0)):
        _count(found, event, event.type, names[EVENTS], readers(EVENTS, event.type), sorted(
            payload(event.as_json())["data"]))
    said = sorted(CareerState.model_fields.keys() - _NO_CONTENT)
    for event in (one for one in events if one.career is not None and one.position <= reached.get(names[STATE], 0)):
        _count(found, event, "state", names[STATE], readers(STATE, event.type), said)
    return list(found.values())


def _count(found: dict[str, dict[str, Any]], event: Event, what: str, topic: str, services: list[str],
           fields: list[str]) -> None:
    at = format_instant(event.recorded_at)
    one = found.setdefault(what, {"what": what, "topic": topic, "services": services, "fields": [], "count": 0,
                                  "first": at, "last": at})
    one |= {"fields": sorted({*one["fields"], *fields}), "count": one["count"] + 1, "last": at}
