"""A ledger in memory under any books: what the worked histories ask of
`ledger.bootstrap.Ledger`, without a database."""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

from msgspec.structs import replace

from ledger.audit.compliance import findings
from ledger.domain.books import LawBooks
from ledger.domain.decisions import Accepted, Mode, Refused, decide
from ledger.domain.events import Event, ExamBooked, Sealed
from ledger.domain.knowledge import NotFound, known
from ledger.domain.phrases import says
from ledger.domain.protected import taken_out
from ledger.domain.standing import Standing
from ledger.domain.submissions import Submission, read_submission, recorded
from ledger.projections.student import eligibility, fees, status


class MemoryLedger:
    """`streams`: the events of each student, positions counted over all."""

    def __init__(self, books: LawBooks) -> None:
        self.books = books
        self.streams: dict[str, list[Event]] = {}
        self._standings: dict[str, Standing] = {}

    def append_lines(self, lines: Iterable[bytes], mode: Mode) -> Iterator[dict[str, Any]]:
        for line in lines:
            raw = json.loads(line)
            asked = read_submission(raw)
            yield {"id": raw["id"], **(self._append(asked, mode) if isinstance(asked, Submission) else
                                       {"outcome": "invalid", "problems": [p.as_json() for p in asked]})}

    def _append(self, asked: Submission, mode: Mode) -> dict[str, Any]:
        stream = self.streams.setdefault(asked.student, [])
        if any(event.id == asked.id for event in stream):
            return {"outcome": "duplicate"}
        moment = asked.recorded_at or stream[-1].recorded_at
        if asked.student not in self._standings:
            self._standings[asked.student] = Standing(asked.student, self.books)
        verdict = decide(self._standings[asked.student], asked, moment, self.books, mode)
        if isinstance(verdict, Refused):
            if self.lets_pass(asked, verdict):
                self._store(asked, moment, Accepted(None), sealing=False)
            return {"outcome": "refused", "reasons": [r.as_json() for r in verdict.reasons]}
        if not isinstance(verdict, Accepted):
            return {"outcome": "invalid", "problems": [p.as_json() for p in verdict.problems]}
        self._store(asked, moment, verdict)
        return {"outcome": "accepted", "breaches": list(verdict.breaches)}

    def lets_pass(self, asked: Submission, verdict: Refused) -> bool:
        """Whether a refused act is recorded all the same."""
        return False

    def _store(self, asked: Submission, moment: datetime, verdict: Accepted, sealing: bool = True) -> None:
        """As it is held sealed: nothing that answers can read what is protected."""
        stream, position = self.streams[asked.student], sum(map(len, self.streams.values())) + 1
        event = recorded(asked, moment, len(stream) + 1, verdict.rulebook, verdict.breaches, position, verdict.clear)
        without, taken = taken_out(event)
        stream.append(replace(without, sealed=Sealed(1, "")) if taken and sealing else event)
        self._standings[asked.student].add(stream[-1])

    def status(self, student: str, on: date, known_at: datetime | None = None) -> dict[str, Any]:
        return status.answer(self._known(student, known_at), student, on, self.books.known_at(known_at))

    def fees(self, student: str, on: date, known_at: datetime | None = None) -> dict[str, Any]:
        return fees.answer(self._known(student, known_at), student, on, self.books.known_at(known_at))

    def eligibility(self, student: str, on: date, career: str, call: ExamBooked,
                    known_at: datetime | None = None) -> dict[str, Any]:
        return eligibility.answer(self._known(student, known_at), student, on, self.books.known_at(known_at), career,
                                  call)

    def audit(self, students: Sequence[str] = (), on: date = date.max,
              known_at: datetime | None = None) -> Iterator[dict[str, Any]]:
        for student in students or list(self.streams):
            yield from findings(known(self.streams.get(student, []), known_at), on, self.books.known_at(known_at))

    def _known(self, student: str, known_at: datetime | None) -> list[Event]:
        events = known(self.streams.get(student, []), known_at)
        if not events:
            raise NotFound(says("missing/student", student=student))
        return events
