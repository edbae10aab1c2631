"""What would come of submissions that nobody has made: each is decided as `submit` would decide it, on top of those
before it, and nothing is stored."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from ledger.domain.books import LawBooks
from ledger.domain.decisions import lies_ahead
from ledger.domain.events import Event
from ledger.domain.form import Problem
from ledger.domain.phrases import says
from ledger.domain.protected import Sealer
from ledger.domain.submissions import Submission
from ledger.domain.values import begins
from ledger.store import EventStore

from .streams import Stream
from .submit import Desk, Reply, answer, invalid, with_line


class Supposed(NamedTuple):
    """`outcomes`: of each submission, in order, without positions; `events`: what those accepted would add."""

    outcomes: list[Reply]
    events: list[Event]


@dataclass
class _Clock:
    at: datetime

    def __call__(self) -> datetime:
        return self.at


def suppose(store: EventStore, books: LawBooks, events: Sequence[Event], student: str,
            given: Iterable[tuple[int, Any]], moment: datetime, sealer: Sealer | None,
            ahead: bool = True) -> Supposed:
    """`events`: what is known of the student; `given`: line numbers and decoded JSON; `moment`: when they are supposed
    to come. With `ahead` one whose day lies ahead is supposed to come when that day begins, and those after it no
    earlier.

    Whether a tax code is another person's is not asked: that would write to the key store."""
    clock = _Clock(moment)
    desk = Desk(store, books, "enforce", clock, sealer=sealer)
    stream = Stream(student, books)
    stream.add(events)
    outcomes = []
    for number, raw in given:
        form = desk.form(raw)
        if isinstance(form, Submission) and form.student != student:
            form = invalid(form.id, [Problem("student", says("form/another-student", student=student))])
        if not isinstance(form, Submission):
            outcomes.append(with_line(form, number))
            continue
        if ahead and lies_ahead(form.effective_on, clock.at):
            clock.at = begins(form.effective_on)
        verdict = desk.unless_forgotten(stream, desk.judge(stream, form))
        if isinstance(verdict, Event):
            stream.add([verdict])
        outcome = answer(verdict)
        if outcome["outcome"] == "accepted":
            outcome = {name: value for name, value in outcome.items() if name != "position"}
        outcomes.append(outcome)
    return Supposed(outcomes, stream.events[len(events):])
