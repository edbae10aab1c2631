"""Events for tests of the store, which knows no rules: any well-formed event will do."""

from datetime import datetime, timezone
from typing import Any

from ledger.domain.events import Event, Rulebook
from ledger.domain.submissions import Submission, read_submission, recorded

NOON = datetime(2026, 5, 4, 12, tzinfo=timezone.utc)
BOOK = Rulebook("2025-26", "ab" * 32)


def a_submission(student: str = "S01", n: int = 1, **changes: Any) -> dict[str, Any]:
    return {"id": f"{student}-{n}", "type": "instalment-paid", "student": student, "career": f"{student}-B",
            "effective_on": "2026-05-04", "source": "test", "actor": "system:test",
            "data": {"charge": "2025-26:instalment-1", "amount": f"{n}.00"}} | changes


def read(raw: dict[str, Any]) -> Submission:
    found = read_submission(raw)
    assert isinstance(found, Submission), found
    return found


def an_event(student: str = "S01", version: int = 1, at: datetime = NOON, **changes: Any) -> Event:
    return recorded(read(a_submission(student, version, **changes)), at, version, BOOK, ())


def events(student: str, first: int, last: int) -> list[Event]:
    """Versions `first` to `last`."""
    return [an_event(student, version) for version in range(first, last + 1)]
