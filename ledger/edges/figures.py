"""The numbers that `publish`, `intake`, `project` and `serve` show on request. No label names a person."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import Counter, Gauge, Histogram

from .door import Listener
from .metrics import Pulse
from .watch import Watch
from .web import Server

_TURN = Gauge("career_ledger_last_turn", "Unix time of the last turn of the program that went well", ["program"])
_WORKS = Gauge("career_ledger_works", "1 where this process does the work, 0 where it stands by for another",
               ["program"])
_RETRIES = Counter("career_ledger_retries", "Times that the database or Kafka was away", ["program"])
_POSITION = Gauge("career_ledger_position", "Position in the log up to which a topic or a partition is done",
                  ["program", "part"])
_END = Gauge("career_ledger_log_end", "Newest position of the log", ["program"])
_EVENTS = Counter("career_ledger_events", "Events of the log that were taken", ["program", "part"])
_ASIDE = Gauge("career_ledger_set_aside_students", "Students who are set aside, because an event cannot be read",
               ["program", "part"])
_SUBMISSIONS = Counter("career_ledger_submissions", "Submissions answered, by outcome", ["outcome"])
_LOST = Counter("career_ledger_lost_submissions", "Submissions that their topic deleted before they were read")
_WAITING = Gauge("career_ledger_waiting_submissions", "Submissions of a partition not yet answered", ["partition"])
ANSWER_SECONDS = Histogram(
    "career_ledger_answer_seconds", "From a request over HTTP to its answer, waiting for a thread included",
    ["route", "status"], buckets=(.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 5))
"""`route`: as it is written, with names in braces and nobody's id."""
DUE_SECONDS = 1.0


class ShownWatch(Pulse, Watch):
    """Of the one program that this process is."""

    def __init__(self, program: str) -> None:
        super().__init__("program", program, _TURN)
        self._program, self._asked = program, 0.0
        self._partitions: set[int] = set()
        _RETRIES.labels(program)
        _WORKS.labels(program).set(0)

    def due(self) -> bool:
        if time.monotonic() - self._asked < DUE_SECONDS:
            return False
        self._asked = time.monotonic()
        return True

    def turn(self, works: bool = True) -> None:
        super().turn()
        _WORKS.labels(self._program).set(works)

    def retry(self) -> None:
        _RETRIES.labels(self._program).inc()

    def stands(self, part: str, position: int, events: int = 0) -> None:
        _POSITION.labels(self._program, part).set(position)
        _EVENTS.labels(self._program, part).inc(events)

    def log_ends(self, position: int) -> None:
        _END.labels(self._program).set(position)

    def aside(self, part: str, students: int) -> None:
        _ASIDE.labels(self._program, part).set(students)

    def answered(self, outcomes: Mapping[str, int]) -> None:
        for outcome, count in outcomes.items():
            _SUBMISSIONS.labels(outcome).inc(count)

    def lost(self, submissions: int) -> None:
        _LOST.inc(submissions)

    def waiting(self, messages: Mapping[int, int]) -> None:
        for partition in self._partitions - messages.keys():
            _WAITING.remove(str(partition))
        self._partitions = set(messages)
        for partition, count in messages.items():
            _WAITING.labels(str(partition)).set(count)


@contextmanager
def shown(program: str, place: Listener) -> Iterator[Watch]:
    watch = ShownWatch(program)
    with Server(watch.routes, place):
        yield watch
