"""From messages of `career.submissions.v1` to their outcomes: the counter at which other systems hand in submissions.

A batch is decided in its order and stored in one transaction, the accepted as events and the others in the table of
refused submissions, before any outcome is said. The transaction checks, under the log's lock, that every decision rests
on the streams as they stand and that nobody else has answered one of these submissions: of two intakes that hold the
same message (a partition changed hands) one answers first, and the other finds that answer. Where a check fails,
nothing is stored, and the batch is decided again one by one.

What stands in the stream is a duplicate. What was kept out is answered as it was the first time, whatever has changed
since; the outcome `invalid` too, so that a mended submission needs a new id.

An outcome goes to whoever can be named by (student, id). A message without a usable id, student or key, or whose key is
not its student, is a dead letter: an outcome under either name could contradict that of the real submission. So is one
on which this program fails: it would fail again at every start, and nobody else would be answered any more.
"""

import hashlib
import json
import re
import traceback
from collections import Counter as Tally
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ledger.domain.books import LawBooks
from ledger.domain.events import SEALED_ONLY, Event
from ledger.domain.form import Problem, named
from ledger.domain.phrases import says
from ledger.domain.protected import Sealer
from ledger.domain.submissions import Submission
from ledger.domain.values import format_instant, is_unicode
from ledger.handling.lines import decode_line
from ledger.handling.submit import Clock, Desk, Reply, Verdict, in_turn, invalid, read_form
from ledger.store import EventStore, Refusal, StreamSetAside, VersionConflict
from ledger.wire.letters import dead_letter, outcome_message
from ledger.wire.message import History, Message
from ledger.wire.topics import SUBMISSIONS
from ledger.words import sentence, told

NAME = "career-ledger.intake"
EVENTS_KEPT = 20_000
"""How many events of the students met last stay in memory (about 40 MB)."""
LONGEST_ID = 200
PROBLEMS = 100
"""How many problems of a submission are listed, and in how many characters each at most: an
outcome must fit its topic."""
LONGEST_TEXT = 1_000
LONGEST_LETTER = 6 << 20
"""Bytes of a message that is repeated in the dead letters; of a longer one only the place is named."""
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[ -~]{1,450})?")
"""W3C Trace Context: versions to come may append to it; ids of zeros are none."""

_STUDENT = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Received(NamedTuple):
    """A message of the submissions' topic and its place."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class _Form:
    """A submission that can be answered: `form` is what it asks for, or the outcome `invalid` of its form."""

    student: str
    id: str
    raw: dict[str, Any]
    form: Submission | Reply

    def hash(self) -> bytes:
        """Of what makes two submissions the same one: everything but `recorded_at`. It does not leave this program: its
        values could be tried out."""
        return _hash(self.form.content()) if isinstance(self.form, Submission) else self._as_sent()

    def is_content_of(self, kept: Refusal, store: EventStore) -> bool:
        """Also where a newer program can read what an older one could not, and where an
        older one kept the plain hash."""
        hashes = {self.hash(), self._as_sent()}
        return kept.content in hashes | {store.content_digest(one) for one in hashes}

    def _as_sent(self) -> bytes:
        return _hash({name: value for name, value in self.raw.items() if name != "recorded_at"})


def _hash(content: dict[str, Any]) -> bytes:
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).digest()


class Counter:
    """Answers batches in mode `enforce`. `history` is that of the ledger.

    Raises VersionConflict where others keep appending to a student, StoreUnavailable and StoreUnusable: nothing of what
    was not answered may be taken as handled then. Handing it in again is safe."""

    def __init__(self, store: EventStore, books: LawBooks, clock: Clock, history: History,
                 sealer: Sealer | None = None) -> None:
        """With a sealer what is protected is stored sealed. What names a person is refused all the same: it would lie
        in the clear on the topic."""
        self._store, self._clock, self._history = store, clock, history
        self._sealing = sealer is not None
        self._desk = Desk(store, books, "enforce", clock, EVENTS_KEPT, sealer)
        self._streams = self._desk.streams
        self.given: Tally[str] = Tally()
        """How many outcomes of each kind were given; `dead-letter` where there was none."""
        store.adopt_key()
        store.rewrite_refusals(_without_values)

    def answers(self, batch: Sequence[Received]) -> list[Message]:
        """For each message, in order, its outcome or the dead letter that it becomes. What
        they say is stored by now."""
        read = [_read(one, self._sealing) for one in batch]
        found = iter(self._decided([form for form in read if isinstance(form, _Form)]))
        given = [form if isinstance(form, str) else told(next(found)) for form in read]
        self.given.update("dead-letter" if isinstance(outcome, str) else outcome["outcome"] for outcome in given)
        at = format_instant(self._clock())
        return [_dead(one, outcome) if isinstance(outcome, str) else
                outcome_message(one.key or b"", outcome, at, self._history, _trace(one.headers))
                for one, outcome in zip(batch, given, strict=True)]

    def _decided(self, forms: Sequence[_Form]) -> list[Reply | str]:
        """The outcome of each, or why there is none."""
        faults: dict[int, str] = {}
        while True:
            sound = [form for form in forms if id(form) not in faults]
            try:
                found = iter(self._together(sound))
            except VersionConflict:
                found = iter([self._alone(form) for form in sound])
            except _Fault as fault:
                faults[id(fault.form)] = fault.reason
                continue
            return [faults.get(id(form)) or next(found) for form in forms]

    def _alone(self, form: _Form) -> Reply:
        return in_turn(lambda: self._together([form])[0], says("conflict/submission"))

    def _together(self, forms: Sequence[_Form]) -> list[Reply]:
        """One transaction for all; VersionConflict where what is remembered of their students is not how they stand."""
        # a duplicate says whether its event was voided: look again
        self._streams.forget([one.student for one in forms if one.student in self._streams
                              and one.id in self._streams[one.student].by_id])
        kept = self._store.refusals({(form.student, form.id) for form in forms})
        fresh: list[Refusal] = []

        def take(form: _Form) -> Verdict:
            try:
                verdict = self._verdict(form, kept)
            except Exception as error:
                raise _Fault(form, error) from error
            # of a person who was forgotten nothing is remembered again: the next time it is decided anew
            if isinstance(verdict, _New) and not self._streams[form.student].forgotten:
                fresh.append(Refusal(form.student, form.id, self._store.content_digest(form.hash()),
                                     json.dumps(verdict).encode()))
                kept[form.student, form.id] = fresh[-1]
            return verdict

        def append(verdicts: Sequence[Verdict]) -> Sequence[Event]:
            events = [verdict for verdict in verdicts if isinstance(verdict, Event)]
            appended = {event.student for event in events}
            unmoved = {one.student: self._streams[one.student].version for one in fresh if one.student not in appended}
            return self._store.append_with_refusals(events, fresh, unmoved) if events or fresh else ()

        return self._desk.together(forms, take, append)

    def _verdict(self, form: _Form, kept: dict[tuple[str, str], Refusal]) -> Verdict:
        stream = self._streams[form.student]
        if form.id in stream.by_id:
            return self._desk.take(form.form) if isinstance(form.form, Submission) else form.form
        before = kept.get((form.student, form.id))
        if before is not None:
            outcome: Reply = json.loads(before.outcome)
            return outcome if form.is_content_of(before, self._store) else invalid(form.id, [Problem(
                "id", says("form/id-answered", outcome=outcome["outcome"]))])
        if not isinstance(form.form, Submission):
            return _New(form.form)
        verdict = self._desk.take(form.form)
        return _New(told(verdict)) if isinstance(verdict, dict) else verdict


class _New(Reply):
    """An outcome that keeps out a submission which nobody has answered yet."""


class _Fault(Exception):
    """Deciding fails on this submission. The reason names the place in the program and nothing of the content."""

    def __init__(self, form: _Form, error: Exception) -> None:
        super().__init__(form.id)
        self.form, self.reason = form, _fault(error)


def _fault(error: Exception) -> str:
    if isinstance(error, StreamSetAside):
        return f"student: nothing can be recorded of her until a person mends it: {error.one.why}. Submit it again then"
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(place.filename).name}, line {place.lineno}"
    return f"a fault of the ledger, please report it: {type(error).__name__} in {where}"


def _read(one: Received, sealing: bool = False) -> _Form | str:
    """The submission, or why there is none whose outcome could be told."""
    raw = decode_line(one.value or b"", first=True)
    if raw is None:
        return "the message has no value: write one submission, a JSON object, in each"
    if not isinstance(raw, dict):
        said = _content_type(one.headers)
        if said and said != "application/json":
            return ("the header content-type does not say application/json: the value must be a submission, one JSON "
                    "object in UTF-8")
        if isinstance(raw, Problem):
            said = sentence(raw.message).replace("the line", "the value")
            return said.replace("one event a line", "one submission a message")
        return "the value is not a JSON object: a submission is one"
    if "specversion" in raw or _content_type(one.headers) == "application/cloudevents+json":
        return ("the value is a CloudEvents envelope (structured mode): send what stands in its `data`, "
                "the submission itself, as the value (binary mode), with content-type application/json")
    id_, student = raw.get("id"), raw.get("student")
    if not isinstance(id_, str) or not 1 <= len(id_) <= LONGEST_ID or not is_unicode(id_):
        return f"id: give the submission an id, text of 1 to {LONGEST_ID} characters"
    if not isinstance(student, str) or not _STUDENT.fullmatch(student):
        return "student: name the student by a pseudonym of 1 to 64 letters, digits, dots, hyphens and underscores"
    if one.key is None:
        return ("the message has no key: its key must be the student's pseudonym, else her submissions are not kept "
                "in order")
    if one.key != student.encode():
        return "the key of the message is not its student: the key must be the pseudonym in `student`"
    kind = raw.get("type")
    if sealing and isinstance(kind, str) and kind in SEALED_ONLY:  # unread: the outcome goes to a topic too
        return _Form(student, id_, raw, _short(invalid(id_, [Problem("type", says("form/not-on-topics", type=kind))])))
    try:
        form = read_form(raw)
    except Exception as error:
        return _fault(error)
    return _Form(student, id_, raw, form if isinstance(form, Submission) else _short(form))


def _short(outcome: Reply) -> Reply:
    problems = [_bounded(one) for one in told(outcome["problems"][:PROBLEMS])]
    more = len(outcome["problems"]) - PROBLEMS
    if more > 0:
        problems.append(told(Problem("", says("form/more", count=more)).as_json()))
    return outcome | {"problems": problems}


def _bounded(problem: dict[str, Any]) -> dict[str, Any]:
    """A message may quote what was sent."""
    if len(problem["message"]) <= LONGEST_TEXT:
        return problem
    return {"path": problem["path"], "message": problem["message"][:LONGEST_TEXT]}


def _header(headers: Sequence[tuple[str, bytes | None]], wanted: str) -> bytes:
    return next((value for name, value in headers if name.lower() == wanted), None) or b""


def _content_type(headers: Sequence[tuple[str, bytes | None]]) -> str:
    """Without parameters, in lower case; empty where none is given."""
    return _header(headers, "content-type").partition(b";")[0].strip().lower().decode("ascii", "replace")


def _without_values(outcome: bytes) -> bytes:
    """What an earlier release answered: its sentences about what was malformed may quote it."""
    found: Reply = json.loads(outcome)
    if "problems" in found:
        said = "this was not valid: see section 2 of the published language"
        found = found | {"problems": [{"path": named(one["path"]), "message": said} for one in found["problems"]]}
    return json.dumps(found).encode()


def _trace(headers: Sequence[tuple[str, bytes | None]]) -> bytes | None:
    """The submission's `traceparent` where it is one; anything else is not handed on."""
    found = _header(headers, "traceparent")
    return found if _TRACEPARENT.fullmatch(found) else None


def _dead(one: Received, reason: str) -> Message:
    size = (len(one.key or b"") + len(one.value or b"")
            + sum(len(name) + len(value or b"") for name, value in one.headers))
    if size > LONGEST_LETTER:
        reason, one = f"{reason}. Its {size} bytes are not repeated here: read them at their place", one._replace(
            key=None, value=None, headers=())
    headers = [(name, value or b"") for name, value in one.headers]  # others may send null, which kafka-python does not
    return dead_letter(NAME, reason, SUBMISSIONS, one.partition, one.offset, one.key, one.value, headers)
