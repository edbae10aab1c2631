"""What was known: the events that a question may see, before any date is asked (sections 1 and AMB-34)."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import attrgetter

from .events import Event, EventVoided
from .phrases import Phrase

_IN_ORDER = attrgetter("effective_on", "position")


class NotFound(LookupError):
    """The student or the career is not in the ledger, as far as the question sees; or what else was asked for is not
    there."""

    def __init__(self, told: Phrase) -> None:
        super().__init__(told)
        self.told = told


def known(events: Iterable[Event], at: datetime | None = None, position: int | None = None) -> list[Event]:
    """The events that the ledger knew at an instant or up to a position, in position order. None: everything."""
    return [e for e in events if (at is None or e.recorded_at <= at) and (position is None or e.position <= position)]


def voided(events: Iterable[Event]) -> dict[str, str]:
    """The ids of the events that a void among `events` has taken back, and the id of that void."""
    return {e.data.event: e.id for e in events if e.type == "event-voided" and isinstance(e.data, EventVoided)}


def is_forgotten(events: Iterable[Event]) -> bool:
    """Whether it was ordered that the person be forgotten: for ever, no void takes that back."""
    return any(e.type == "person-forgotten" for e in events)


def in_force(events: Sequence[Event]) -> list[Event]:
    """The facts that hold, in the order in which they hold: by (`effective_on`, `position`),
    without voided events and voids."""
    gone = voided(events)
    kept = [e for e in events if e.id not in gone and e.type != "event-voided"] if gone else list(events)
    kept.sort(key=_IN_ORDER)
    return kept
