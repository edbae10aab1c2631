"""What happened and what did each event change: `career-ledger history`."""

from collections.abc import Iterator, Sequence
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
        day = max((e.effective_on for e in (*seen, event)), default=event.effective_on)
        before = snapshot(replay(in_force(seen), student, day, books), books) if seen else {}
        seen.append(event)
        after = snapshot(replay(in_force(seen), student, day, books), books)
        shown = event.as_json()
        if event.id in gone:
            shown["voided"] = True
        shown["changes"] = changes(before, after)
        shown["seen_on"] = day.isoformat()
        yield shown
