"""The relay's heartbeats: how far a topic goes and of what moment that is, and whether a service has read as far."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from consumers.database import Database, Transaction
from ledger.domain.values import format_instant
from ledger.wire.letters import Heartbeat
from ledger.wire.reading import Unreadable, describe

from . import service
from .service import AHEAD_SECONDS, Ahead, Record


def read_heartbeat(record: Record) -> Heartbeat:
    """`complete_at` never lies ahead of this machine's clock: what is known is at least as old as the reading of it.
    Raises Unreadable, and Ahead where it lies further ahead than clocks may differ."""
    try:
        found = Heartbeat.model_validate_json(record.value or b"")
    except ValidationError as error:
        raise Unreadable(describe(error)) from None
    now, complete_at = service.clock(), datetime.fromisoformat(found.complete_at)
    if max(complete_at, datetime.fromisoformat(found.at)) > now + timedelta(seconds=AHEAD_SECONDS):
        raise Ahead("complete_at: this moment has not come by this machine's clock: set the clocks right")
    return found if complete_at <= now else found.model_copy(update={"complete_at": format_instant(now)})


def read_so_far(where: Database | Transaction, service: str, topic: str) -> dict[int, int]:
    """The offset after the last message that a service has read, by partition of a topic."""
    offsets = f"SELECT part, next_offset FROM {service}_positions WHERE topic = :topic"  # noqa: S608 - a name of ours
    return dict(where.ask(offsets, {"topic": topic}))


def is_reached(offsets: Mapping[Any, int], read: Mapping[int, int]) -> bool:
    """Whether everything is read that a heartbeat speaks of: its `offsets`, whose partitions are text where they were
    kept as JSON."""
    return all(read.get(int(part), 0) >= offset for part, offset in offsets.items())
