"""The write path: from a submission to a recorded event, on one page.

1. Read the form of the submission.
2. Load the student's stream.
3. Look for the submission's id in it: the same id is stored once.
4. Say when the ledger learned of it.
5. Let the domain decide; with a key store, seal what is protected.
6. Append, on condition that the stream has not moved on; if it has, go back to 2.
7. Answer.

An outcome is a JSON object of section 2 of the published language: `id`, `outcome`, and `position`, `version`,
`reasons` or `problems`. Where others append to the same student at the same time, whoever lost tries again with pauses,
so that writers take turns (`in_turn`). Every function here raises VersionConflict, StoreUnavailable and StoreUnusable
of `ledger.store`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from ledger.domain.books import LawBooks
from ledger.domain.decisions import AHEAD, Accepted, Mode, Refused, decide, lies_ahead
from ledger.domain.events import SEALED_ONLY, Event
from ledger.domain.form import Problem, named
from ledger.domain.phrases import Phrase, says, verbatim
from ledger.domain.protected import CodeTaken, IsForgotten, Sealer, has_protected, taken_out
from ledger.domain.reasons import DONE, reason
from ledger.domain.submissions import Submission, read_submission, recorded
from ledger.domain.values import format_instant
from ledger.sql.again import tried_again
from ledger.store import EventStore, SetAside, StoreUnusable, StreamSetAside, VersionConflict

from .lines import LONGEST_LINE, numbered, read_lines
from .streams import PENDING, Known, Stream, Streams

__all__ = ["LONGEST_LINE", "append_lines", "read_lines", "submit"]

Clock = Callable[[], datetime]
"""The moment it is, in UTC."""
Reply = dict[str, Any]

TURN_SECONDS = 30.0
"""How long a decision is made again because others append to the same student meanwhile."""
LONGEST_PAUSE = 0.25
"""Seconds: that of many writers who are at it all the time each finds a gap."""
STALE = timedelta(minutes=5)
"""What is longer ago is history. The database itself allows a little more (`ledger.store.guards`)."""
EVENTS_KEPT = 10_000
"""How many events of the students met last stay in memory between lines (about 20 MB)."""


Verdict = Event | Known | Reply
"""The event to append, the one that holds the submission already, or the outcome that keeps it out."""


class Asks(Protocol):
    """What is submitted about a student."""

    @property
    def student(self) -> str: ...


A = TypeVar("A", bound=Asks)
T = TypeVar("T")


def in_turn(act: Callable[[], T], otherwise: Phrase) -> T:
    """What `act` returns when it meets no VersionConflict any more; raises VersionConflict, which tells `otherwise`,
    where others never stop."""
    try:
        return tried_again(act, lambda error: isinstance(error, VersionConflict), TURN_SECONDS, LONGEST_PAUSE)
    except VersionConflict as error:
        raise VersionConflict(otherwise) from error


def submit(store: EventStore, books: LawBooks, submission: Any, mode: Mode, clock: Clock,
           sealer: Sealer | None = None) -> Reply:
    """The outcome of one submission, given as decoded JSON or as a `Submission`."""
    return Desk(store, books, mode, clock, sealer=sealer).submit(submission)


def append_lines(store: EventStore, books: LawBooks, lines: Iterable[bytes], mode: Mode, atomic: bool,
                 clock: Clock, sealer: Sealer | None = None) -> Iterator[Reply]:
    """One outcome for each line that is not blank, in order; an accepted line is stored before its outcome is yielded.

    Memory stays flat for any number of lines. With `atomic` all lines are stored in one transaction or
    none is; then the whole file is held in memory (about 5 kB a line), and no outcome is yielded before
    the last line has been decided.
    """
    desk = Desk(store, books, mode, clock, sealer=sealer)
    if atomic:
        yield from desk.submit_all([(number, desk.form(raw)) for number, raw in numbered(lines)])
        return
    for number, raw in numbered(lines):
        yield desk.line(number, raw)


class Desk:
    """Takes submissions one after the other, or many that are stored together, and remembers
    the students it met last, with what of theirs is sealed as it is stored."""

    def __init__(self, store: EventStore, books: LawBooks, mode: Mode, clock: Clock, keep: int | None = None,
                 sealer: Sealer | None = None) -> None:
        self._store, self._books, self._mode, self._clock, self._sealer = store, books, mode, clock, sealer
        self.streams = Streams(store, books, EVENTS_KEPT if keep is None else keep)

    def line(self, number: int, raw: Any) -> Reply:
        """The outcome of a line of a file. One to whose student others never stop appending is answered `conflict`, one
        whose student cannot be read `set-aside`, and the file goes on."""
        try:
            return with_line(self.submit(raw), number)
        except VersionConflict as error:
            why = error.told or verbatim(str(error))
            return {"id": raw["id"], "outcome": "conflict", "problems": [Problem("", why).as_json()]}
        except StreamSetAside as error:
            return set_aside(raw["id"], error.one)

    def submit(self, raw: Any) -> Reply:
        form = self.form(raw)
        if not isinstance(form, Submission):
            return form
        remembered = form.student in self.streams

        def outcome() -> Reply:
            return in_turn(lambda: self.together([form], self.take, self.append)[0],
                           says("conflict/student", student=form.student, event=form.id))

        found = outcome()
        if found["outcome"] != "accepted" and remembered and self.streams.has_news(form.student):
            return outcome()
        return found

    def form(self, raw: Any) -> Submission | Reply:
        return read_form(raw, self._sealer is not None)

    def submit_all(self, forms: Sequence[tuple[int, Submission | Reply]]) -> list[Reply]:
        """The same for many submissions that are stored together or not at all. `forms`: line numbers and forms."""
        sound = [form for _, form in forms if isinstance(form, Submission)]

        def append(verdicts: Sequence[Verdict]) -> Sequence[Event]:
            if len(sound) < len(forms) or any(isinstance(verdict, dict) for verdict in verdicts):
                raise _KeptOut(verdicts)
            return self.append(verdicts)

        try:
            return in_turn(lambda: self.together(sound, self.take, append),
                           says("conflict/file"))
        except _KeptOut as kept_out:
            verdicts = iter(kept_out.verdicts)
            return [with_line(_kept_out(next(verdicts) if isinstance(form, Submission) else form, self._books), number)
                    for number, form in forms]

    def together(self, asked: Sequence[A], take: Callable[[A], Verdict],
                 append: Callable[[Sequence[Verdict]], Iterable[Event]]) -> list[Reply]:
        """Steps 2 to 7 for what is stored together or not at all; every way into the ledger but
        the bulk import's goes here.

        `take` decides one (`Desk.take`, or more), `append` stores what they came to and returns the events stored.
        Raises VersionConflict where somebody else appended meanwhile, and whatever the two raise: then all of these
        students are forgotten, because what is remembered of them may be why."""
        verdicts = self.decided(asked, take)
        try:
            # 6. Append.
            return self.told(verdicts, append(verdicts))
        except BaseException:
            self.forget(asked)
            raise

    def decided(self, asked: Sequence[A], take: Callable[[A], Verdict]) -> list[Verdict]:
        """Steps 2 to 5: what is to be appended counts as appended, until it is `told` or its students are forgotten."""
        try:
            # 2. Load the streams.
            self.streams.load(dict.fromkeys(one.student for one in asked))
            # 3. to 5. The id, the moment, the decision: each rests on those before it.
            return [take(one) for one in asked]
        except BaseException:
            self.forget(asked)
            raise

    def forget(self, asked: Sequence[Asks]) -> None:
        """What is remembered of these students may be wrong."""
        self.streams.forget({one.student for one in asked})

    def told(self, verdicts: Sequence[Verdict], events: Iterable[Event]) -> list[Reply]:
        """Step 7, once `events` are stored."""
        positions: dict[tuple[str, str], int] = {}
        for event in events:
            positions[event.student, event.id] = event.position
            if event.student in self.streams:
                self.streams[event.student].by_id[event.id] = event
        self.streams.trim()
        # 7. Answer.
        return [answer(verdict, positions) for verdict in verdicts]

    def take(self, submission: Submission) -> Verdict:
        """Steps 3 to 5; what is to be appended counts as appended from now on. Raises StreamSetAside."""
        verdict = self.sealed(self.judge(self.streams[submission.student], submission))
        if isinstance(verdict, Event):
            self.streams.add(submission.student, [verdict])
        return verdict

    def sealed(self, verdict: Verdict) -> Verdict:
        """What is to be appended, as it is stored, or the outcome that keeps it out. A fault of the key store is
        raised: nothing is stored in the clear instead."""
        verdict, key = self.with_key(verdict)
        return self._sealer.seal(verdict, key) if self._sealer is not None and isinstance(
            verdict, Event) and key is not None else verdict

    def with_key(self, verdict: Verdict) -> tuple[Verdict, Any]:
        """What is to be appended, and the key to seal it with (None: it has nothing to seal), or the outcome that keeps
        it out."""
        if self._sealer is None or not isinstance(verdict, Event) or not has_protected(verdict):
            return verdict, None
        verdict = self.unless_forgotten(self.streams[verdict.student], verdict)  # also where a key is held in memory
        if not isinstance(verdict, Event):
            return verdict, None
        try:
            return verdict, self._sealer.key_of(verdict)
        except IsForgotten:
            return _about_the_forgotten(verdict), None
        except CodeTaken:
            return invalid(verdict.id, [Problem("data.tax_code", says("form/tax-code-taken"))]), None

    def unless_forgotten(self, stream: Stream, verdict: Verdict) -> Verdict:
        """With a key store: nothing protected is recorded of a person who was forgotten."""
        barred = self._sealer is not None and stream.forgotten and isinstance(verdict, Event) and has_protected(verdict)
        return _about_the_forgotten(verdict) if barred and isinstance(verdict, Event) else verdict

    def _is_that(self, known: Event, submission: Submission) -> bool:
        """Whether an event holds this submission; also where nobody can tell any more, since its student was forgotten.
        Raises StoreUnusable where there is no key store to ask."""
        if known.sealed is None:
            return known.content() == submission.content()
        if self._sealer is None:
            raise StoreUnusable(f"position {known.position} is sealed: name the key store (--keys) to compare it with "
                                "what is submitted again")
        opened = self._sealer.open(known)
        return opened is None or opened.content() == submission.content()

    def append(self, verdicts: Sequence[Verdict]) -> Sequence[Event]:
        """Stores what is to be."""
        return self._store.append([verdict for verdict in verdicts if isinstance(verdict, Event)])

    def judge(self, stream: Stream, submission: Submission) -> Verdict:
        """The event to append, the one that holds this submission already, or the outcome that keeps it out."""
        if submission.type in SEALED_ONLY and self._sealer is None:
            return invalid(submission.id, [Problem("data", says("form/personal-data"))])
        # 3. The same id is stored once.
        known = stream.by_id.get(submission.id)
        if known is not None:
            if self._is_that(known, submission):
                return Known(known, stream.standing.voided.get(known.id))
            return invalid(submission.id,
                           [Problem("id", says("form/id-taken", number=str(known.version)))])
        # 4. The ledger's own clock never runs backwards within a stream.
        now = self._clock()
        if submission.recorded_at is None:
            recorded_at = max(now, stream.events[-1].recorded_at) if stream.events else now
            # a clock that ran ahead once does not let facts run ahead
            if recorded_at > now and lies_ahead(submission.effective_on, now):
                return invalid(submission.id, [AHEAD])
        elif submission.recorded_at > now:
            return invalid(submission.id,
                           [Problem("recorded_at", says("form/after-the-clock", recorded_at=format_instant(now)))])
        elif submission.recorded_at < now - STALE and not self._store.may_import:
            return invalid(submission.id, [Problem("recorded_at", says("form/in-the-past"))])
        else:
            recorded_at = submission.recorded_at
        # 5. Decide.
        decision = decide(stream.standing, submission, recorded_at, self._books, self._mode)
        if isinstance(decision, Accepted):
            version = stream.version + 1
            return recorded(submission, recorded_at, version, decision.rulebook, decision.breaches, PENDING + version,
                            decision.clear)
        if isinstance(decision, Refused):
            return {"id": submission.id, "outcome": "refused",
                    "reasons": [reason.as_json() for reason in decision.reasons]}
        return invalid(submission.id, decision.problems)


class _KeptOut(Exception):
    """One of the submissions that are stored together is refused or invalid."""

    def __init__(self, verdicts: Sequence[Verdict]) -> None:
        super().__init__()
        self.verdicts = verdicts


def _about_the_forgotten(event: Event) -> Reply:
    if event.type in SEALED_ONLY:
        return invalid(event.id, [Problem("student", says("form/forgotten"))])
    _, taken = taken_out(event)
    paths = [*(f"data.{name}" for name in taken.get("data", ())),
             *(f"override.{n}.reason" for n in range(len(taken.get("override", ()))))]
    return invalid(event.id, [Problem(path, says("form/of-a-forgotten-person")) for path in paths])


def read_form(raw: Any, sealing: bool = False) -> Submission | Reply:
    """The submission, or the outcome `invalid`. `sealing`: there is a key store."""
    if isinstance(raw, Submission):
        return raw
    if isinstance(raw, Problem):
        return invalid(None, [raw])
    form = read_submission(raw, sealing)
    if isinstance(form, Submission):
        return form
    given = raw.get("id") if isinstance(raw, dict) else None
    return invalid(given if isinstance(given, str) and len(given) <= 200 else None, form)


def set_aside(id: str, one: SetAside) -> Reply:
    """The outcome of a submission about a student who cannot be read."""
    why = says("set-aside", student=one.student or str(one.stream), text=one.why)
    return {"id": id, "outcome": "set-aside", "problems": [Problem("student", why).as_json()]}


def invalid(id: str | None, problems: Iterable[Problem]) -> Reply:
    """Problems repeat what was submitted: a lone surrogate in it could not be printed."""
    return {"id": _printable(id) if id is not None else None, "outcome": "invalid",
            "problems": [Problem(named(_printable(one.path)), Phrase(one.message.id, {
                name: _printable(value) for name, value in one.message.values.items()}, one.message.carried)).as_json()
                for one in problems]}


def _printable(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def answer(verdict: Verdict, positions: dict[tuple[str, str], int] | None = None) -> Reply:
    """`positions` of the events that have been stored since the verdict."""
    if isinstance(verdict, dict):
        return verdict
    event = verdict.event if isinstance(verdict, Known) else verdict
    position = (positions or {}).get((event.student, event.id), event.position)
    if isinstance(verdict, Known):
        return duplicate(event.id, position, event.version, verdict.voided_by)
    found: Reply = {"id": event.id, "outcome": "accepted", "position": position, "version": event.version}
    if event.breaches:
        found["breaches"] = list(event.breaches)
    return found


def duplicate(id: str, position: int, version: int, voided_by: str | None) -> Reply:
    """The same submission is stored already; where a void took it back since, `voided_by` says
    so: the fact needs a new id."""
    found: Reply = {"id": id, "outcome": "duplicate", "position": position, "version": version}
    return found | {"voided_by": voided_by} if voided_by is not None else found


def _kept_out(verdict: Verdict, books: LawBooks) -> Reply:
    """The outcome of a line whose file is not stored because of another line."""
    if isinstance(verdict, Known) and verdict.event.position < PENDING:
        return answer(verdict)
    if isinstance(verdict, dict):
        return verdict
    event = verdict.event if isinstance(verdict, Known) else verdict
    why = reason(books.own, "ATOMIC", says("ATOMIC"), DONE)
    return {"id": event.id, "outcome": "refused", "reasons": [why.as_json()]}


def with_line(outcome: Reply, number: int) -> Reply:
    """A line whose id cannot be read is named by its number in the file."""
    return outcome | {"line": number} if outcome["id"] is None else outcome
