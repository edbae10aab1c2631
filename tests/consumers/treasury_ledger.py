"""A ledger beside the topics: it records, says so on the topics as the relay does, and answers
submissions as the intake does."""

import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timezone
from typing import Any

from kafka import TopicPartition

from consumers.treasury.life import Stretch, lives
from ledger.domain.events import Event
from ledger.domain.submissions import Submission, read_submission, recorded
from ledger.handling.submit import append_lines, submit
from ledger.relay.states import states
from ledger.store import EventStore
from ledger.wire.events import message as event_message
from ledger.wire.letters import outcome_message
from ledger.wire.message import Message, encode
from ledger.wire.state import CareerState
from ledger.wire.state import message as state_message
from ledger.wire.topics import SUBMISSIONS
from tests.projections.populations import BOOKS

from .support import ORIGIN, Topics

NOW = datetime(2026, 11, 2, 12, tzinfo=timezone.utc)
YEAR = "2025-26"


def fact(id: str, type: str, on: str, data: dict[str, Any], student: str = "S1", career: str = "B") -> dict[str, Any]:
    return {"id": id, "type": type, "student": student, "career": career, "effective_on": on, "data": data,
            "source": "test", "actor": "test"}


def enrolled(student: str = "S1", career: str = "B", contribution: str = "900.00") -> list[dict[str, Any]]:
    """Enrolled and paid for; an instalment of 400.00 due on 17 February 2026 and the rest due on 15 May."""
    return [
        fact("e1", "enrolled", "2025-09-20", {"programme": "L-FIL", "academic_year": YEAR, "course_type": "bachelor",
                                              "access": "open", "year": 1, "regime": "full-time"}, student, career),
        paid("e2", "2025-09-20", "enrolment", "156.00", student, career),
        assessed("e3", "2026-01-10", contribution, student, career),
    ]


def paid(id: str, on: str, kind: str, amount: str, student: str = "S1", career: str = "B",
         **more: Any) -> dict[str, Any]:
    return fact(id, "instalment-paid", on, {"charge": f"{YEAR}:{kind}", "amount": amount, **more}, student, career)


def assessed(id: str, on: str, contribution: str, student: str = "S1", career: str = "B") -> dict[str, Any]:
    return fact(id, "contribution-assessed", on, {"academic_year": YEAR, "contribution": contribution}, student, career)


RENEWALS = [
    fact("r1", "enrolled", "2022-09-20", {"programme": "L-FIL", "academic_year": "2022-23", "course_type": "bachelor",
                                          "access": "open", "year": 1, "regime": "full-time"}),
    fact("r2", "enrolment-renewed", "2023-09-10", {"academic_year": "2023-24", "year": 2, "standing": "regular"}),
    fact("r3", "enrolment-renewed", "2024-09-10", {"academic_year": "2024-25", "year": 3, "standing": "regular"}),
    fact("r4", "enrolment-renewed", "2025-09-10", {"academic_year": "2025-26", "year": 3, "standing": "repeating"}),
]
"""A bachelor in her third year, whose renewal for 2025-26 is not paid yet."""


def as_events(submissions: Iterable[dict[str, Any]]) -> list[Event]:
    """Recorded as they are, on their own days, in their order."""
    found = []
    for position, raw in enumerate(submissions, 1):
        one = read_submission(raw)
        assert isinstance(one, Submission), one
        on = one.effective_on
        found.append(recorded(one, datetime(on.year, on.month, on.day, 12, tzinfo=timezone.utc),
                              position, None, (), position))
    return found


def states_of(events: Sequence[Event]) -> dict[str, CareerState]:
    """Through the bytes of the topic."""
    return {s["career"]: CareerState.model_validate_json(encode(s)) for s in states(events, events[0].student, BOOKS)}


def life_of(submissions: Iterable[dict[str, Any]], kind: str, career: str = "B") -> list[Stretch]:
    return lives(states_of(as_events(submissions))[career].charges)[f"{YEAR}:{kind}"]


def on(life: Sequence[Stretch], day: str) -> Stretch | None:
    found = [period for period in life if period.holds_on(date.fromisoformat(day))]
    assert len(found) <= 1
    return found[0] if found else None


class Ledger:
    """On a store and the topics. Everything happens when a test says so."""

    def __init__(self, store: EventStore, topics: Topics) -> None:
        self._store, self._topics = store, topics
        self._told = 0
        self._answered: dict[int, int] = {}

    def record(self, *submissions: dict[str, Any]) -> dict[TopicPartition, int]:
        lines = [json.dumps(one).encode() for one in submissions]
        for outcome in append_lines(self._store, BOOKS, lines, "record", False, lambda: NOW):
            assert outcome["outcome"] == "accepted", outcome
        return self.tell()

    def tell(self) -> dict[TopicPartition, int]:
        """What the relay sends of what is new: events, and the state of the careers touched."""
        news = self._store.records(self._told)
        events = [event_message(record, digest, ORIGIN) for _, record, digest in news]
        touched = sorted({record["student"] for _, record, _ in news})
        found = [state_message(state, ORIGIN) for student in touched
                 for state in states(self._store.stream(student), student, BOOKS)]
        self._told = news[-1][0] if news else self._told
        return self._topics.send([*events, *found])

    def answer(self, again: bool = False) -> list[dict[str, Any]]:
        """What the intake does with what waits on the topic of submissions; `again`: with all
        of it, from the beginning."""
        outcomes, messages = [], []
        for found in self._topics.read(SUBMISSIONS):
            if not again and found.offset < self._answered.get(found.partition, 0):
                continue
            self._answered[found.partition] = found.offset + 1
            outcome = submit(self._store, BOOKS, json.loads(found.value), "enforce", lambda: NOW)
            outcomes.append(outcome)
            messages.append(outcome_message(found.key, outcome, "2026-11-02T12:00:00Z", ORIGIN))
        self._topics.send(messages)
        self.tell()
        return outcomes

    def submissions(self) -> list[dict[str, Any]]:
        return [json.loads(found.value) for found in self._topics.read(SUBMISSIONS)]

    def everything(self) -> list[Message]:
        """The relay begins anew: all events and the newest state of every career."""
        messages = [event_message(record, digest, ORIGIN) for _, record, digest in self._store.records(0)]
        return messages + [state_message(state, ORIGIN) for student in self._store.students()
                           for state in states(self._store.stream(student), student, BOOKS)]
