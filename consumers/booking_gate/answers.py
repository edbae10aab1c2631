"""The gate's answers: the ledger's own predicates over the stored state, or a refusal that
says why there is no answer."""

import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, ValidationError

from consumers.database import Database, Row
from ledger.domain.books import LawBooks
from ledger.domain.checked import names
from ledger.domain.decisions import reasons_against_act
from ledger.domain.events import ExamBooked
from ledger.domain.form import Problem, problems_of
from ledger.domain.phrases import Phrase, says
from ledger.domain.state import Person
from ledger.domain.values import Day, Pseudonym
from ledger.wire.career import person_on
from ledger.wire.reading import describe
from ledger.wire.state import CareerState
from ledger.wire.topics import STATE
from ledger.words import DEFAULT, Language, sentence, told

ROME = ZoneInfo("Europe/Rome")
AHEAD_SECONDS = 10.0
"""So much may the relay's clock be ahead of the gate's. What is known of a later moment says
nothing about how old it is."""
REMEMBERED = 2000
"""Careers that are kept ready in memory, each on one day."""


class NoAnswer(Exception):
    """There is no answer. `reason` is for programs, `detail` for people, in their language."""

    def __init__(self, status: int, reason: str, detail: Phrase, problems: Sequence[Problem] = (),
                 **more: Any) -> None:
        super().__init__(reason)
        self.status, self.reason, self.detail, self.problems, self.more = status, reason, detail, problems, more

    def as_json(self, language: Language = DEFAULT) -> dict[str, Any]:
        """RFC 9457."""
        found = {"type": f"urn:career-ledger:booking-gate:{self.reason}", "title": self.reason.replace("-", " "),
                 "status": self.status, "reason": self.reason, "detail": sentence(self.detail, language), **self.more}
        if self.problems:
            found["problems"] = told([one.as_json() for one in self.problems], language)
        return found


class WhoBooks(BaseModel):
    model_config = ConfigDict(extra="forbid")
    student: Pseudonym
    career: Pseudonym
    on: Day | None = None


CALL = frozenset(names(ExamBooked)) - {"note"}


@dataclass(frozen=True, slots=True)
class Question:
    """May this career book this call on this day."""

    student: str
    career: str
    call: ExamBooked
    on: date


def question(asked: Any, today: date) -> Question:
    """From decoded JSON: student, career and the call as in `exam-booked`; `on` today and `mode` written unless given.

    Raises NoAnswer (422) with every field that is wrong."""
    if not isinstance(asked, dict):
        raise NoAnswer(422, "bad-question", says("gate/one-object"),
                      problems=[Problem("", says("gate/one-object"))])
    problems: list[Problem] = []
    who = call = None
    try:
        who = WhoBooks.model_validate({name: value for name, value in asked.items() if name not in CALL})
    except ValidationError as error:
        problems += problems_of(error)
    try:
        call = ExamBooked.model_validate({"mode": "written"}
                                         | {name: value for name, value in asked.items() if name in CALL})
    except ValidationError as error:
        problems += problems_of(error)
    if who is None or call is None:
        fields = ", ".join(dict.fromkeys(problem.path for problem in problems))
        raise NoAnswer(422, "bad-question", says("gate/bad-question", text=fields), problems=problems)
    return Question(who.student, who.career, call, who.on or today)


@dataclass(slots=True)
class Gate:
    """Answers from the tables that `BookingGate` fills. `max_age`: seconds beyond which what is
    known is too old to answer from.

    Not for several threads at once."""

    database: Database
    books: LawBooks
    max_age: float
    _ready: OrderedDict[tuple[str, str], tuple[int, date, Person]] = field(default_factory=OrderedDict)

    def answer(self, asked: Any, now: datetime, language: Language = DEFAULT) -> dict[str, Any]:
        """The JSON of `career-ledger eligibility`, and `knowledge`. Raises NoAnswer, DatabaseAway."""
        one = question(asked, now.astimezone(ROME).date())
        person = None
        while person is None:
            knowledge, career = self._look_up(one.student, one.career)
            age = self.must_be_fresh(knowledge, now)
            if career is None:
                self._ready.pop((one.student, one.career), None)
                raise NoAnswer(404, "unknown-career", says("gate/unknown-career"))
            position, place, part, law, unusable = career
            self._must_be_usable(law, unusable)
            self._must_agree(knowledge, position, place, part)
            person = self._person(one, place)
        reasons = reasons_against_act("exam-booked", one.call, one.on, person, one.career, self.books)
        unruled = set(person.careers[one.career].unruled)
        if any(r.rule == "NO-RULEBOOK" for r in reasons):
            unruled.add(one.call.academic_year)
        return {
            "student": one.student, "career": one.career, "course": one.call.course,
            "held_on": one.call.held_on.isoformat(),
            "on": one.on.isoformat(), "known_position": position, "eligible": not reasons,
            "reasons": told([r.as_json() for r in reasons], language),
            "unruled_years": sorted(unruled),
            "knowledge": {"complete_at": knowledge[0], "age_seconds": age, "position": knowledge[1]}}

    def _must_be_usable(self, law: str | None, unusable: str | None) -> None:
        if unusable is not None:
            raise _unusable(unusable)
        if law != self.books.identity:
            raise NoAnswer(503, "other-law", says("gate/other-law"), state_law=law, gate_law=self.books.identity)

    @staticmethod
    def _must_agree(knowledge: Row, position: int, place: int, part: int) -> None:
        """A heartbeat that speaks of the place of a state reaches its position, unless the state comes from
        events that the ledger has not (a backup was restored) or is still to tell of: nobody can say then of
        what moment the state is."""
        offsets = json.loads(knowledge[2] or "{}")
        if position > knowledge[1] and place < offsets.get(str(part), 0):
            raise NoAnswer(503, "state-ahead", says("gate/state-ahead", position=position, last_position=knowledge[1]),
                           position=position, ledger_position=knowledge[1])

    def must_be_fresh(self, knowledge: Row | None, now: datetime) -> float:
        """How old what is known is, in seconds. Raises NoAnswer where that is too old, or where nobody can say."""
        if knowledge is None or knowledge[0] is None:
            raise NoAnswer(503, "knowledge-too-old", says("gate/nothing-read"), age_seconds=None,
                           max_age_seconds=self.max_age)
        age = round((now - datetime.fromisoformat(knowledge[0])).total_seconds(), 3)
        if age < -AHEAD_SECONDS:
            raise NoAnswer(503, "clock-ahead", says("gate/clock-ahead", seconds=f"{-age:.0f}"), age_seconds=age,
                           complete_at=knowledge[0])
        age = max(age, 0.0)
        if age > self.max_age:
            raise NoAnswer(503, "knowledge-too-old",
                           says("gate/too-old", seconds=f"{age:.0f}", at_most=f"{self.max_age:g}"),
                           age_seconds=age, max_age_seconds=self.max_age, complete_at=knowledge[0])
        return age

    def knowledge(self) -> Row | None:
        rows = self.database.ask("SELECT complete_at, position FROM booking_gate_knowledge WHERE topic = :topic",
                                 {"topic": STATE})
        return rows[0] if rows else None

    def _look_up(self, student: str, career: str) -> tuple[Row, Row | None]:
        """(complete_at, position, offsets) of the knowledge and (position, place, part, law, unusable) of
        the career, of one moment."""
        [row] = self.database.ask(
            "SELECT k.complete_at, k.position, k.offsets, c.position, c.place, c.part, c.law, "
            "c.unusable FROM (SELECT 1 AS one) AS here LEFT JOIN booking_gate_knowledge AS k ON k.topic = :topic LEFT "
            "JOIN booking_gate_careers AS c ON c.student = :student AND c.career = :career AND (c.value IS NOT NULL OR "
            "c.unusable IS NOT NULL)",
            {"topic": STATE, "student": student, "career": career})
        return row[:3], row[3:] if row[3] is not None else None

    def _person(self, one: Question, place: int) -> Person | None:
        """What the predicates read: kept ready, or made from the state that came at an offset. None where a
        newer one has come since."""
        key = one.student, one.career
        ready = self._ready.get(key)
        if ready is not None and ready[:2] == (place, one.on):
            self._ready.move_to_end(key)
            return ready[2]
        found = self.database.ask(
            "SELECT value FROM booking_gate_careers WHERE student = :student AND career = :career AND place = :place "
            "AND value IS NOT NULL",
            {"student": one.student, "career": one.career, "place": place})
        if not found:
            return None
        try:
            state = CareerState.model_validate_json(bytes(found[0][0]))
        except ValidationError as error:
            raise _unusable(describe(error)) from None
        person = person_on(state, one.on)
        self._ready[key] = place, one.on, person
        if len(self._ready) > REMEMBERED:
            self._ready.popitem(last=False)
        return person


def _unusable(cause: str) -> NoAnswer:
    return NoAnswer(503, "career-unusable", says("gate/unusable"), cause=cause)


def utc_now() -> datetime:
    return datetime.now(UTC)
