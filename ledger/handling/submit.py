"""The write path: from a submission to a recorded event, on one page.

1. Read the form of the submission.
2. Load the student's stream.
3. Look for the submission's id in it: the same id is stored once.
4. Say when the ledger learned of it.
5. Let the domain decide.
6. Append, on condition that the stream has not moved on; if it has, go back to 2.
7. Answer.

An outcome is a JSON object of section 2 of the published language: `id`, `outcome`, and `position`, `version`, `reasons`
or `problems`. Where others append to the same student at the same time, whoever lost tries again with pauses, so that writers
take turns (`in_turn`). Every function here raises VersionConflict, StoreUnavailable and StoreUnusable of `ledger.store`.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

from ledger.backends.again import tried_again
from ledger.domain.books import LawBooks
from ledger.domain.decisions import AHEAD, Accepted, Refused, decide, lies_ahead
from ledger.domain.reasons import Clears, reason
from ledger.domain.standing import Standing
from ledger.domain.submissions import Event, Problem, Submission, read_submission, recorded
from ledger.domain.values import format_instant
from ledger.store import EventStore, SetAside, StreamSetAside, VersionConflict

from .lines import LONGEST_LINE, decode_line, read_lines

__all__ = ["LONGEST_LINE", "append_lines", "read_lines", "submit"]

Mode = Literal["enforce", "record"]
Clock = Callable[[], datetime]
"""The moment it is, in UTC."""
Outcome = dict[str, Any]

TURN_SECONDS = 30.0
"""How long a decision is made again because others append to the same student meanwhile."""
LONGEST_PAUSE = 0.25
"""Seconds: that of many writers who are at it all the time each finds a gap."""
STALE = timedelta(minutes=5)
"""What is longer ago is history. The database itself allows a little more (`ledger.store.guards`)."""
EVENTS_KEPT = 10_000
"""How many events of the students met last stay in memory between lines (about 20 MB)."""


T = TypeVar("T")


def in_turn(act: Callable[[], T], otherwise: str) -> T:
    """What `act` returns when it meets no VersionConflict any more; raises VersionConflict with the text `otherwise` where others
    never stop."""
    try:
        return tried_again(act, lambda error: isinstance(error, VersionConflict), TURN_SECONDS, LONGEST_PAUSE)
    except VersionConflict as error:
        raise VersionConflict(otherwise) from error


class Stream:
    """What is known of one student: the events in order, by submission id, and the state that they amount to. `behind`: others
    are known to have appended since."""

    def __init__(self, student: str, books: LawBooks) -> None:
        self.by_id: dict[str, Event] = {}
        self.standing = Standing(student, books)
        self.events = self.standing.events
        self.version = 0
        self.behind = False

    def add(self, events: Iterable[Event]) -> None:
        for event in events:
            self.standing.add(event)
            self.by_id[event.id] = event
            self.version = event.version


@dataclass(frozen=True)
class Known:
    """The submission's id is that of this event, and so is its content. `voided_by`: the void that took the event back."""

    event: Event
    voided_by: str | None = None


def submit(store: EventStore, books: LawBooks, submission: Any, mode: Mode, clock: Clock) -> Outcome:
    """The outcome of one submission, given as decoded JSON or as a `Submission`."""
    return Desk(store, books, mode, clock).submit(submission)


def append_lines(store: EventStore, books: LawBooks, lines: Iterable[bytes], mode: Mode, atomic: bool, clock: Clock) -> Iterator[Outcome]:
    """One outcome for each line that is not blank, in order; an accepted line is stored before its outcome is yielded.

    Memory stays flat for any number of lines. With `atomic` all lines are stored in one transaction or none is; then the
    whole file is held in memory (about 5 kB a line), and no outcome is yielded before the last line has been decided.
    """
    desk = Desk(store, books, mode, clock)
    if atomic:
        yield from desk.submit_all([(number, read_form(raw)) for number, raw in _numbered(lines)])
        return
    for number, raw in _numbered(lines):
        yield desk.line(number, raw)


class Desk:
    """Takes submissions one after the other and remembers the students it met last, so that their streams are not read
    for every line. What it remembers may be old: an append fails then, and anything but an append looks first for news."""

    def __init__(self, store: EventStore, books: LawBooks, mode: Mode, clock: Clock) -> None:
        self._store, self._books, self._mode, self._clock = store, books, mode, clock
        self._streams: OrderedDict[str, Stream] = OrderedDict()
        self._kept = 0

    def line(self, number: int, raw: Any) -> Outcome:
        """The outcome of a line of a file. One to whose student others never stop appending is answered `conflict`, one whose student
        cannot be read `set-aside`, and the file goes on."""
        try:
            return with_line(self.submit(raw), number)
        except VersionConflict as error:
            return {"id": raw["id"], "outcome": "conflict", "problems": [Problem("", str(error)).as_json()]}
        except StreamSetAside as error:
            return set_aside(raw["id"], error.one)

    def submit(self, raw: Any) -> Outcome:
        # 1. Read the form.
        submission = read_form(raw)
        if not isinstance(submission, Submission):
            return submission
        return in_turn(lambda: self._decide(submission),
                       f"others kept appending to student {submission.student}: submit {submission.id} again")

    def _decide(self, submission: Submission) -> Outcome:
        """Raises VersionConflict where somebody else appended between 2 and 6."""
        # 2. Load the stream.
        stream, remembered = self._load(submission.student)
        # 3. to 5. The id, the moment, the decision.
        verdict = self.judge(stream, submission)
        if not isinstance(verdict, Event) and remembered and self._has_news(submission.student, stream):
            verdict = self.judge(stream, submission)
        if not isinstance(verdict, Event):
            return answer(verdict)
        # 6. Append.
        try:
            stored = self._store.append(submission.student, stream.version, [verdict])
        except VersionConflict:
            stream.behind = True
            raise
        stream.add(stored)
        self._kept += 1
        # 7. Answer.
        return answer(stored[0])

    def submit_all(self, forms: Sequence[tuple[int, Submission | Outcome]]) -> list[Outcome]:
        """The same steps for many submissions that are stored together or not at all. `forms`: line numbers and forms."""
        return in_turn(lambda: self._decide_all(forms), "others kept appending to the same students: submit the file again")

    def _decide_all(self, forms: Sequence[tuple[int, Submission | Outcome]]) -> list[Outcome]:
        streams: dict[str, Stream] = {}
        verdicts: list[Event | Known | Outcome] = []
        for _number, form in forms:
            if not isinstance(form, Submission):
                verdicts.append(form)
                continue
            if form.student not in streams:
                streams[form.student] = Stream(form.student, self._books)
                streams[form.student].add(self._store.stream(form.student))
            verdict = self.judge(streams[form.student], form)
            if isinstance(verdict, Event):
                streams[form.student].add([verdict])
            verdicts.append(verdict)
        if any(isinstance(verdict, dict) for verdict in verdicts):
            return [with_line(_kept_out(verdict, self._books), number) for (number, _form), verdict in zip(forms, verdicts, strict=True)]
        stored = self._store.append_all([verdict for verdict in verdicts if isinstance(verdict, Event)])
        positions = {(event.student, event.id): event.position for event in stored}
        return [answer(verdict, positions) for verdict in verdicts]

    def judge(self, stream: Stream, submission: Submission, position: int = 0) -> Event | Known | Outcome:
        """The event to append (its position as given), the one that holds this submission already, or the outcome that keeps it out."""
        # 3. The same id is stored once.
        known = stream.by_id.get(submission.id)
        if known is not None:
            if known.submission.content() == submission.content():
                return Known(known, stream.standing.voided.get(known.id))
            return invalid(submission.id, [Problem("id", f"the event of version {known.version} has this id and other content: "
                                                          "submit it unchanged, or choose a new id")])
        # 4. The ledger's own clock never runs backwards within a stream.
        now = self._clock()
        if submission.recorded_at is None:
            recorded_at = max(now, stream.events[-1].recorded_at) if stream.events else now
            if recorded_at > now and lies_ahead(submission.effective_on, now):  # a clock that ran ahead once does not let facts run ahead
                return invalid(submission.id, [AHEAD])
        elif submission.recorded_at > now:
            return invalid(submission.id, [Problem("recorded_at", f"this is later than the ledger's clock ({format_instant(now)}): "
                                                                   "give the moment at which it was recorded, or leave it out")])
        elif submission.recorded_at < now - STALE and not self._store.may_import:
            return invalid(submission.id, [Problem("recorded_at", "only who imports history (the role career_ledger_importer) may give a "
                                                                   "moment that lies in the past: leave it out")])
        else:
            recorded_at = submission.recorded_at
        # 5. Decide.
        decision = decide(stream.standing, submission, recorded_at, self._books, self._mode)
        if isinstance(decision, Accepted):
            return recorded(submission, recorded_at, stream.version + 1, decision.rulebook, decision.breaches, position)
        if isinstance(decision, Refused):
            return {"id": submission.id, "outcome": "refused", "reasons": [reason.as_json() for reason in decision.reasons]}
        return invalid(submission.id, decision.problems)

    def _load(self, student: str) -> tuple[Stream, bool]:
        """The stream, and whether it comes from memory alone."""
        held = self._streams.get(student)
        if held is not None and not held.behind:
            self._streams.move_to_end(student)
            return held, True
        if held is not None:
            held.behind = not self._has_news(student, held)
            if not held.behind:
                return held, False
            self._forget(student)
        stream = self._streams[student] = Stream(student, self._books)
        try:
            self._has_news(student, stream)
        except BaseException:
            del self._streams[student]
            raise
        while self._kept > EVENTS_KEPT and len(self._streams) > 1:
            self._forget(next(iter(self._streams)))
        return stream, False

    def _has_news(self, student: str, stream: Stream) -> bool:
        news = self._store.stream(student, after=stream.version)
        stream.add(news)
        self._kept += len(news)
        return bool(news)

    def _forget(self, student: str) -> None:
        self._kept -= len(self._streams.pop(student).events)


def _numbered(lines: Iterable[bytes]) -> Iterator[tuple[int, Any]]:
    """Line numbers from 1, and the JSON value of each line that is not blank."""
    for number, line in enumerate(lines, 1):
        raw = decode_line(line, first=number == 1)
        if raw is not None:
            yield number, raw


def read_form(raw: Any) -> Submission | Outcome:
    """The submission, or the outcome `invalid`."""
    if isinstance(raw, Submission):
        return raw
    if isinstance(raw, Problem):
        return invalid(None, [raw])
    form = read_submission(raw)
    if isinstance(form, Submission):
        return form
    given = raw.get("id") if isinstance(raw, dict) else None
    return invalid(given if isinstance(given, str) and len(given) <= 200 else None, form)


def set_aside(id: str, one: SetAside) -> Outcome:
    """The outcome of a submission about a student who cannot be read."""
    return {"id": id, "outcome": "set-aside", "problems": [Problem("student", str(StreamSetAside(one))).as_json()]}


def invalid(id: str | None, problems: Iterable[Problem]) -> Outcome:
    """Problems repeat what was submitted: a lone surrogate in it could not be printed."""
    return {"id": _printable(id) if id is not None else None, "outcome": "invalid",
            "problems": [{name: _printable(text) for name, text in problem.as_json().items()} for problem in problems]}


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def answer(verdict: Event | Known | Outcome, positions: dict[tuple[str, str], int] | None = None) -> Outcome:
    """`positions` of the events that have been stored since the verdict."""
    if isinstance(verdict, dict):
        return verdict
    event = verdict.event if isinstance(verdict, Known) else verdict
    position = (positions or {}).get((event.student, event.id), event.position)
    if isinstance(verdict, Known):
        return duplicate(event.id, position, event.version, verdict.voided_by)
    found: Outcome = {"id": event.id, "outcome": "accepted", "position": position, "version": event.version}
    if event.breaches:
        found["breaches"] = list(event.breaches)
    return found


def duplicate(id: str, position: int, version: int, voided_by: str | None) -> Outcome:
    """The same submission is stored already; where a void took it back since, `voided_by` says so: the fact needs a new id."""
    found: Outcome = {"id": id, "outcome": "duplicate", "position": position, "version": version}
    return found | {"voided_by": voided_by} if voided_by is not None else found


def _kept_out(verdict: Event | Known | Outcome, books: LawBooks) -> Outcome:
    """The outcome of a line whose file is not stored because of another line."""
    if isinstance(verdict, Known) and verdict.event.position:
        return answer(verdict)
    if isinstance(verdict, dict):
        return verdict
    event = verdict.event if isinstance(verdict, Known) else verdict
    why = reason(books.own, "ATOMIC", "Nothing of this file was stored, because another line of it was refused or invalid.",
                 Clears("mend the other lines and submit the file again, or submit it without --atomic"))
    return {"id": event.id, "outcome": "refused", "reasons": [why.as_json()]}


def with_line(outcome: Outcome, number: int) -> Outcome:
    """A line whose id cannot be read is named by its number in the file."""
    return outcome | {"line": number} if outcome["id"] is None else outcome
