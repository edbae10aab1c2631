"""What happened and what did each event change: `career-ledger history`."""

from collections.abc import Container, Iterator, Sequence
from datetime import date
from typing import Any

from ledger.domain.books import LawBooks
from ledger.domain.events import Event
from ledger.domain.fold import replay
from ledger.domain.knowledge import NotFound, in_force, voided
from ledger.domain.phrases import says
from ledger.projections.student.words import changes, snapshot


def answer(events: Sequence[Event], student: str, on: date, books: LawBooks) -> Iterator[dict[str, Any]]:
    """Each recorded event up to a day, in the order in which the ledger learned of them, with the change that learning
    of it made to the answers of that time (the latest day that any event up to then speaks of).

    Raises NotFound when nothing is known of the student."""
    if not events:
        raise NotFound(says("missing/student", student=student))
    gone = voided(events)
    seen: list[Event] = []
    for event in events:
        if event.effective_on > on:
            continue
        yield _step(seen, event, gone, student, books)
        seen.append(event)


def recorded(events: Sequence[Event], on: date) -> list[dict[str, Any]]:
    """The same events without what they changed, which takes far longer to find. `voided` is always there."""
    gone = voided(events)
    return [{**event.as_json(), "voided": event.id in gone} for event in events if event.effective_on <= on]


def one(events: Sequence[Event], student: str, version: int, books: LawBooks) -> dict[str, Any]:
    """The same of one event, by its number in the student's stream. Raises NotFound where nothing is known of it."""
    event = next((event for event in events if event.version == version), None)
    if event is None:
        raise NotFound(says("missing/event", student=student, number=str(version)))
    seen = [earlier for earlier in events if earlier.version < version]
    return _step(seen, event, voided(events), student, books)


def _step(seen: Sequence[Event], event: Event, gone: Container[str], student: str, books: LawBooks) -> dict[str, Any]:
    day = max(e.effective_on for e in (*seen, event))
    before = snapshot(replay(in_force(seen), student, day, books), books) if seen else {}
    person = replay(in_force((*seen, event)), student, day, books)
    after = snapshot(person, books)
    shown = event.as_json()
    if event.id in gone:
        shown["voided"] = True
    return {**shown, "changes": changes(before, after), "seen_on": day.isoformat(),
            "unruled_years": sorted({year for career in person.careers.values() for year in career.unruled})}
