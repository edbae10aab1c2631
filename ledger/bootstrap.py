"""The only place that wires: a database, the rule books and the clock become a `Ledger` that records and answers.

Most imports stand inside the functions that need them, because a question on the command line pays for each of them.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date, datetime, timedelta, timezone
from functools import cached_property, partial
from pathlib import Path
from threading import Event as Flag
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

import msgspec

from ledger.domain.knowledge import NotFound
from ledger.domain.phrases import Phrase, says
from ledger.domain.values import format_instant
from ledger.edges.address import SQLITE, sqlite_path
from ledger.edges.files import make_folder

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from ledger.audit.compliance import Limits
    from ledger.audit.run import Since
    from ledger.domain.books import LawBooks
    from ledger.domain.decisions import Mode
    from ledger.domain.events import Event, ExamBooked
    from ledger.edges.watch import Watch
    from ledger.eservices.following import Following
    from ledger.eservices.services import Services
    from ledger.handling.group import Group
    from ledger.helpdesk.desk import HelpDesk
    from ledger.helpdesk.mailing import Letterhead
    from ledger.parallel import How
    from ledger.privacy import KeySealer
    from ledger.projections.everybody import ProjectionDatabase
    from ledger.projections.everybody.rebuild import Rebuilt
    from ledger.projections.everybody.reports import Reports
    from ledger.projections.student.what_if import Call
    from ledger.proofs.auditor import Key
    from ledger.proofs.proving import Proof
    from ledger.proofs.sequencer import Sequencer
    from ledger.proofs.verifying import HowFar
    from ledger.proofs.witnesses import Delivery
    from ledger.store import EventStore, SetAside
    from ledger.store.workers import Elsewhere, Progress
    from ledger.words import Language

REST_SECONDS, AFTER_FAULT_SECONDS = 1.0, 10.0
"""Until what is done beside the answers looks again for something to do; until it is tried again after a fault of
ours."""
T = TypeVar("T")
Answer = dict[str, Any]
"""The JSON of section 7 of the published language."""


class Read(NamedTuple):
    """Of what is sealed: by which user of this machine, on whose behalf, and why."""

    who: str
    actor: str | None
    purpose: str


class HowToAudit(msgspec.Struct, frozen=True):
    """Only what is new since then, how much is let pass, and of everybody: in how many processes, told how far.
    `by_the_clock`: no day was asked for, so that what was recorded later than it is now is told too."""

    since: "Since | None" = None
    limits: "Limits | None" = None
    by: "How | None" = None
    progress: "Progress | None" = None
    by_the_clock: bool = False


class RecordRead(msgspec.Struct, frozen=True):
    """A read of a student's record over HTTP, for the access log. `what`: a word of `names.read`."""

    student: str
    who: str
    what: str
    purpose: str


class WhatIf(NamedTuple):
    """The day of the answers (None: today, or the last day that is supposed), as known when, and of which exam."""

    on: date | None = None
    known_at: datetime | None = None
    known_position: int | None = None
    call: "Call | None" = None


class GivenTo(msgspec.Struct, frozen=True):
    """Where checkpoints go: folders, URLs of witnesses, the topic of checkpoints. `keys`: verifier keys of the
    witnesses; `brokers`: where the topic is; `authority`: the URL of one that stamps what stands in the folders
    with the time (RFC 3161)."""

    places: Sequence[str]
    keys: Sequence[str] = ()
    brokers: str | None = None
    authority: str | None = None


def default_url() -> str:
    """A file in the user's data folder."""
    from platformdirs import user_data_path

    return f"{SQLITE}{user_data_path('career-ledger', appauthor=False) / 'ledger.db'}"


def law(rulebooks: Path | None = None) -> "LawBooks":
    """The rule books in force: those of an institution's own folder, else the packaged ones, as they are known now. An
    amendment that will be known later counts for nothing until a program starts after its day.

    Raises RuleBookError with the file, the line and what to mend."""
    from ledger.rulebooks.loader import load_books

    return load_books(rulebooks).known_at(clock())


def check_file(file: Path, keys: Sequence[str], outside: Sequence[Path]) -> Answer | None:
    """What a student's proof, or a checkpoint, shows: no ledger is asked. None where no key is known to check it with.
    Raises WrongProof, OSError."""
    from ledger.proofs.reading import checked

    return checked(file, keys, outside)


def signing_key(name: str) -> str:
    """The verifier key of the log of this name; its signing key is made where there is none. Raises StoreUnusable."""
    from ledger.proofs.signing import make

    made = make(name)
    last = made.last()
    return made.of(last.epoch if last is not None else 1).verifier


def today() -> date:
    """The day it is in Italy."""
    from zoneinfo import ZoneInfo

    return datetime.now(ZoneInfo("Europe/Rome")).date()


def clock() -> datetime:
    """The moment it is, in UTC."""
    return datetime.now(timezone.utc)


class Ledger:
    """Everything that a caller may do: record submissions, ask the questions of section 7 about one student and about
    everybody, keep the stored projections, publish, and take submissions in. Each opens what it needs; `open_ledger`
    makes one.

    `on` is the day that a question is about; `known_at` (an aware instant) and `known_position` say what was known
    then, None means everything. `known_at` speaks of the law too: of an amendment nothing was known before its day.
    Every question raises NotFound for a student of whom nothing was known.
    """

    def __init__(self, url: str, create: bool, rulebooks: Path | None, keys: str | None = None) -> None:
        self._url, self._create, self._rulebooks, self._keys = url, create, rulebooks, keys
        self._patience: float | None = None
        self._opened: list[EventStore] = []
        self._elsewhere: Elsewhere | None = None

    def be_patient(self, seconds: float) -> None:
        """So long is tried again, in place of `ledger.store.event_store.PATIENCE`, while the database is away. To be
        said first."""
        self._patience = seconds

    @cached_property
    def books(self) -> "LawBooks":
        return law(self._rulebooks)

    @cached_property
    def _store(self) -> "EventStore":
        return self._open()

    def _open(self) -> "EventStore":
        from ledger.store import open_store

        store = open_store(self._url, self._create)
        if self._patience is not None:
            store.be_patient(self._patience)
        return store

    @cached_property
    def _writer(self) -> "EventStore":
        return self._looked(self._store)

    def _open_writer(self) -> "EventStore":
        """Nothing is added to an older copy of the ledger, nor published. Raises Behind."""
        return self._looked(self._open())

    def _looked(self, store: "EventStore") -> "EventStore":
        from ledger.proofs.outside import look

        try:
            store.look_first(look)
        except BaseException:
            if store is not self.__dict__.get("_store"):
                store.close()
            raise
        return store

    @property
    def log(self) -> "EventStore":
        """For who examines an installation."""
        return self._store

    @cached_property
    def _sealer(self) -> "KeySealer | None":
        return self._sealer_over(self._store)

    def _sealer_over(self, store: "EventStore") -> "KeySealer | None":
        """None where no key store is named. Whoever the log says was forgotten is forgotten again first: it may be an
        older copy."""
        if self._keys is None:
            return None
        from ledger.handling.forgetting import forget_again
        from ledger.privacy.sealer import sealer_for

        sealer = sealer_for(self._keys, self._url, store, clock)
        forget_again(store, sealer.keys)
        return sealer

    def _needed_sealer(self) -> "KeySealer":
        """Raises NotFound where no key store is named."""
        if self._sealer is None:
            raise NotFound(says("missing/keys"))
        return self._sealer

    @contextmanager
    def _projections(self) -> "Iterator[ProjectionDatabase]":
        """What is stored. Where nothing is, it may be no ledger at all: then opening it says so."""
        from ledger.projections.everybody import open_database

        with open_database(self._url) as database:
            if not database.backend.exists():
                self._open().close()
            yield database

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if (sealer := self.__dict__.pop("_sealer", None)) is not None:
            sealer.keys.close()
        if (store := self.__dict__.pop("_store", None)) is not None:
            store.close()
        while self._opened:
            self._opened.pop().close()

    # Recording

    def append_lines(self, lines: Iterable[bytes], mode: "Mode" = "enforce", atomic: bool = False) -> Iterator[Answer]:
        """Record one JSON object a line and yield one outcome a line, in order, as they are stored."""
        from ledger.handling.submit import append_lines

        return append_lines(self._writer, self.books, lines, mode, atomic, clock, self._sealer)

    def group(self, deciding: "Executor", storing: "Executor") -> "Group":
        """Records submissions of many callers, in mode `enforce`, in a thread for each. The key store is opened and
        used in the one that decides: whatever else needs it is asked there too, `close` included. It has a store of its
        own, opened for the first of them, so that an older copy of the ledger, or one for reading only, is read all the
        same."""
        from ledger.handling.group import KEPT, Group
        from ledger.handling.submit import Desk

        def desk() -> Desk:
            store = self._open_writer()
            self._opened.append(store)
            return Desk(store, self.books, "enforce", clock, KEPT, self._sealer)

        return Group(desk, deciding, storing)

    def secret(self) -> bytes:
        """With which an answer is signed that must come back as it was given. The same in every process, and after a
        restart, where there is a key for digests that this process holds; else of this process alone."""
        from ledger.store import StoreUnusable

        with suppress(StoreUnusable):
            if self._store.key_is_bound():
                return bytes.fromhex(self._store.digest(b"career-ledger cursors"))  # an event begins with a brace
        return os.urandom(32)

    @property
    def seals(self) -> bool:
        """Whether there is a key store."""
        return self._keys is not None

    def head(self, student: str) -> Answer:
        """How far her stream goes. Raises NotFound."""
        last = self._known(student, None, None)[-1]
        return {"student": student, "version": last.version, "position": last.position}

    def dry_run(self, student: str, submission: Any) -> Answer:
        """The outcome that a submission would have now; nothing is stored."""
        from ledger.handling.what_if import suppose

        found = suppose(self._store, self.books, self._store.stream(student), student, [(1, submission)], clock(),
                        self._sealer, ahead=False)
        return found.outcomes[0]

    def import_lines(self, lines: Iterable[bytes], trusted: bool = False) -> Iterator[Answer]:
        """The same in mode `record` for large files, in worker processes and large transactions. `trusted`: the lines
        are recorded events as `history` answers them; no rule is asked."""
        from ledger.handling.bulk import Opens, import_lines
        from ledger.store import open_store

        store, sealer = self._writer, None
        if self._sealer is not None:
            from ledger.privacy import open_sealer

            sealer = partial(open_sealer, self._keys or "", self._url)
        return import_lines(store, Opens(partial(open_store, self._url, create=False), sealer), self.books,
                            lines, "record", clock, trusted=trusted)

    def intake(self, brokers: str, stop: Flag, say: Callable[[str], None],
               watch: "Watch | None" = None) -> Counter[str]:
        """Answers what is submitted through Kafka until `stop` is set; how many of each kind. Raises as
        `ledger.intake.run.run` does."""
        from ledger.edges.watch import Watch
        from ledger.intake.run import Serving, run

        return run(self._open_writer, self.books, clock, brokers, Serving(stop, say, watch or Watch()),
                   sealer=self._sealer_over)

    # Questions about one student, and the audit

    def status(self, student: str, on: date, known_at: datetime | None = None,
               known_position: int | None = None) -> Answer:
        from ledger.projections.student import status

        return status.answer(self._known(student, known_at, known_position), student, on, self.books.known_at(known_at))

    def fees(self, student: str, on: date, known_at: datetime | None = None,
             known_position: int | None = None) -> Answer:
        from ledger.projections.student import fees

        return fees.answer(self._known(student, known_at, known_position), student, on, self.books.known_at(known_at))

    def eligibility(self, student: str, on: date, career: str, call: "ExamBooked", known_at: datetime | None = None,
                    known_position: int | None = None) -> Answer:
        """May the exam be booked on that day, and if not, why not. Raises NotFound for an unknown career too."""
        from ledger.projections.student import eligibility

        events = self._known(student, known_at, known_position)
        if not any(event.career == career for event in events):
            raise NotFound(_no_career(student, career, known_at, known_position))
        return eligibility.answer(events, student, on, self.books.known_at(known_at), career, call)

    def history(self, student: str, on: date | None = None, known_at: datetime | None = None,
                known_position: int | None = None, read: "Read | None" = None) -> Iterator[Answer]:
        """Each recorded event, and the change of status, fees and blocks that it caused. What is sealed is opened for
        who says why: `read`."""
        from ledger.projections.student import history

        events = self._known(student, known_at, known_position)
        if read is not None:
            from ledger.privacy.reading import opened

            sealer = self._noted(student, "history", read)
            events = opened(sealer, events)
        return iter(history.answer(events, student, on or today(), self.books.known_at(known_at)))

    def situation(self, student: str, on: date, known_at: datetime | None = None) -> dict[str, Any]:
        """`status`, `fees` and `timeline` from the same events, `recorded`: each event up to that day, without what it
        changed, and `booking`: by career, the reasons against every exam beside its blocks and its status."""
        from ledger.projections.student import eligibility, fees, history, status, timeline

        events, books = self._known(student, known_at, None), self.books.known_at(known_at)
        now = status.answer(events, student, on, books)
        return {"status": now, "fees": fees.answer(events, student, on, books),
                "timeline": timeline.answer(events, student, on, books, now),
                "recorded": history.recorded(events, on),
                "booking": {career: [one.as_json() for one in reasons] for career, reasons in
                            eligibility.against_every_exam(events, student, on, books).items()}}

    def event(self, student: str, version: int, known_at: datetime | None = None,
              known_position: int | None = None) -> Answer:
        """One of `history`, by its number in the student's stream. Raises NotFound."""
        from ledger.projections.student import history

        return history.one(self._known(student, known_at, known_position), student, version,
                           self.books.known_at(known_at))

    def timeline(self, student: str, on: date, known_at: datetime | None = None,
                 known_position: int | None = None) -> Answer:
        """What was when, and what is to come if nothing else happens, lane by lane."""
        from ledger.projections.student import timeline

        return timeline.answer(self._known(student, known_at, known_position), student, on,
                               self.books.known_at(known_at))

    def what_if(self, student: str, given: Iterable[tuple[int, Any]], asked: "WhatIf") -> Answer:
        """What would be answered if these submissions came (line numbers and decoded JSON): their outcomes, and every
        answer before and after. Nothing is stored. Raises NotFound for an unknown career, of a call, too."""
        from ledger.handling.what_if import suppose
        from ledger.projections.student import what_if

        on, known_at, known_position, call = asked
        events, books = self._known(student, known_at, known_position), self.books.known_at(known_at)
        supposed = suppose(self._store, books, events, student, given, known_at or clock(), self._sealer)
        if call is not None and not any(event.career == call.career for event in (*events, *supposed.events)):
            raise NotFound(_no_career(student, call.career, known_at, known_position))
        day = on or max([today(), *(event.effective_on for event in supposed.events)])
        found = what_if.answer(events, supposed.events, student, day, books, call)
        return {"outcomes": supposed.outcomes, **found}

    def audit(self, students: Sequence[str] = (), on: date | None = None, known_at: datetime | None = None,
              known_position: int | None = None, how: "HowToAudit | None" = None) -> Iterator[Answer]:
        """Every breach, derogation and oddity of the students named, or of all; last, what only several of them
        together show. Raises NotFound for one who is not there, SomeSetAside at the end where students cannot be
        read."""
        from ledger.audit.run import Audit, of_everybody, of_some

        how, books = how or HowToAudit(), self.books.known_at(known_at)
        now = clock() if on is None or how.by_the_clock else None
        asked = Audit(on or today(), now, known_at, known_position, since=how.since,
                      **({"limits": how.limits} if how.limits is not None else {}))
        if not students:
            return of_everybody(self._url, asked, books, how.by, how.progress, self._elsewhere)
        return of_some(lambda student: self._known(student, known_at, known_position), students, asked, books)

    def findings_in_order(self, on: date, known_at: datetime | None, known_position: int | None,
                          after: int) -> "Iterator[tuple[int, list[Answer], list[SetAside]]]":
        """The same student by student from a position on, as `ledger.audit.run.in_order` has it: for who asks page by
        page."""
        from ledger.audit.run import Audit, in_order

        return in_order(self._store, Audit(on, None, known_at, known_position), self.books.known_at(known_at), after)

    def since(self, checkpoint: Path, keys: Sequence[str]) -> "Since":
        """Where a signed checkpoint of this ledger stands. Raises WrongProof for one that it is not, whose signature
        nothing was given to check with, or whose root is not that of the ledger's own."""
        from ledger.audit.run import Since
        from ledger.domain.values import ROME
        from ledger.proofs.auditor import Wrong
        from ledger.proofs.reading import WrongProof, outside_of
        from ledger.proofs.tables import ProofTables
        from ledger.proofs.verifying import position_of

        known = self._known_keys(keys)
        if not known:
            raise WrongProof(f"{checkpoint}: nothing was given to check its signature with: give --key, or name the "
                             "signing key in CAREER_LEDGER_SIGNING_KEY")
        [held] = outside_of([checkpoint], known)
        with ProofTables(self._url) as tables:
            try:
                position = position_of(held.checkpoint, tables)
            except Wrong as error:
                raise WrongProof(f"{checkpoint}: {error}") from None
        last = self._store.log(position - 1, 1)
        at = last[0].recorded_at if last else datetime.min.replace(tzinfo=timezone.utc)
        return Since(position, at, at.astimezone(ROME).date())

    # Who she is

    def person(self, student: str, read: "Read") -> Answer:
        """What names her, and how it was registered over time. Raises NotFound."""
        from ledger.handling.forgetting import forgotten_on
        from ledger.privacy.reading import person_of

        events = self._known(student, None, None)
        sealer = self._noted(student, "person", read)
        return {"student": student, "forgotten": forgotten_on(events), **person_of(sealer, events)}

    def look_up(self, kind: str, value: str, read: "Read") -> Answer:
        """The students with this tax code (`kind` tax-code), or with this name. Raises NotFound where there is none."""
        keys = self._needed_sealer().keys
        found, exact = (keys.with_tax_code(value), True) if kind == "tax-code" else keys.with_name(value)
        for student in found:
            keys.note(student, *read[:2], f"lookup-{kind}", read.purpose)
        if not found:
            keys.note(None, *read[:2], f"lookup-{kind}", read.purpose)
            raise NotFound(says("missing/looked-up"))
        return {"kind": kind, "exact": exact, "students": found}

    def accesses(self, student: str) -> list[Answer]:
        """Who read what names her, when and why."""
        from ledger.privacy.reading import accesses

        return accesses(self._needed_sealer().keys, student)

    def open_keys(self) -> None:
        """The key store, in the thread in which it is used from then on."""
        _ = self._sealer

    def note_reads(self, reads: "Sequence[RecordRead]") -> list[None]:
        """They are in the access log when it returns."""
        self._needed_sealer().keys.note_all([(one.student, one.who, None, one.what, one.purpose) for one in reads])
        return [None] * len(reads)

    def _noted(self, student: str, what: str, read: "Read") -> "KeySealer":
        """What is opened then has left its trace."""
        sealer = self._needed_sealer()
        sealer.note(student, *read[:2], what, read.purpose)
        return sealer

    # The national e-services

    def eservices(self, reference: Path) -> "Services":
        """Over the reference data in a folder, in the thread that has the key store. Raises NotFound where no key store
        is named, RuleBookError."""
        from ledger.eservices.services import Services
        from ledger.rulebooks.reference import reference as read

        return Services(self._store, lambda: self.books, self._needed_sealer(), read(reference), clock, today,
                        self.record_together)

    def record_together(self, submissions: "Sequence[Answer]") -> list[Answer]:
        """The outcomes of submissions of which all are stored or none is; in the thread that has the key store."""
        return list(self.append_lines([json.dumps(one).encode() for one in submissions], atomic=True))

    def rectify(self, student: str, number: str, outcome: str, lines: Iterable[bytes], answer: str,
                actor: str) -> Iterator[Answer]:
        """Closes a rectification that waits, with the submissions that correct what it is about (`approved`), all of it
        or nothing, in mode `record`: the outcome of each line, that of the closing last. Raises NotFound where none
        waits."""
        from ledger.eservices import rectify

        waiting = {**rectify.requests(events := self._known(student, None, None), "ifs04"),
                   **rectify.requests(events, "ifs05")}
        if waiting.get(number) != "acquired":
            raise NotFound(says("missing/rectification", student=student, text=number))
        closing = json.dumps(rectify.closed(student, number, outcome, today(), actor, answer)).encode()
        return self.append_lines([*lines, closing], "record", atomic=True)

    def supplement(self, student: str, reference: Path, language: "Language", read: "Read") -> Answer:
        """What IFS03.4 answers of her, for a page in a language: `degrees`, and whose they are. The read is noted.
        Raises NotFound where nothing is recorded of her, or she has no degree that the reference files can name."""
        from ledger.eservices import answers
        from ledger.eservices.following import registered
        from ledger.eservices.identity import TaxPayer
        from ledger.rulebooks.reference import reference as loaded

        events, known, day = self._known(student, None, None), loaded(reference), today()
        found = answers.proof_supplement(answers.Student(events, student, day, self.books, known, language),
                                         TaxPayer(("",), None, None))
        if not found["proof_qualifications_diploma_supplement"]:
            raise NotFound(says("missing/degree", student=student))
        person = registered(self._noted(student, "supplement", read), events)
        return {"student": student, "on": day.isoformat(), "institute": known.institute.name.in_language(language),
                "person": person or {}, "degrees": found["proof_qualifications_diploma_supplement"]}

    def follow_fingerprints(self, reference: Path, stop: Flag, once: bool = False) -> None:
        """Keeps them up to date until `stop` is set; `once`: to the end of the log."""
        def begin() -> "Following":
            return self.eservices(reference).following

        if once:
            begin().catch_up()
        else:
            _meanwhile(begin, lambda one: one.step() > 0 or one.kept.state().again is not None, stop, "fingerprints")

    def left_out(self, reference: Path) -> Answer:
        """What answers leave out for want of data. `programmes`: names and academic years that the reference files do
        not have, of stored projections; `without_tax_code`: how many students who are enrolled nobody can ask for, and
        `behind`: events that fingerprints have not seen, both None without a key store. Raises RuleBookError."""
        from ledger.rulebooks.reference import reference as read

        known = read(reference)
        with self._projections() as database:
            enrolled = database.ask([(
                "SELECT DISTINCT programme, academic_year FROM {status} WHERE year IS NOT NULL AND programme IS NOT "
                "NULL ORDER BY programme, academic_year", {})])[1][0] if database.backend.exists() else []
        found: Answer = {"programmes": [[name, year] for name, year in enrolled if known.programme(name, year) is None],
                         "without_tax_code": None, "behind": None}
        if self._sealer is not None:
            from ledger.privacy.fingerprints import Fingerprints

            kept = Fingerprints(self._sealer.keys)
            found |= {"without_tax_code": kept.without_place(),
                      "behind": self._store.last_position() - kept.state().position}
        return found

    # The ticket desk

    def help_desk(self) -> "HelpDesk":
        """In the thread that has the key store. Raises NotFound where there is none, or where the institution has no
        desk; RuleBookError."""
        from ledger.helpdesk.desk import HelpDesk
        from ledger.rulebooks.institution import institution

        if self._keys is None:
            raise NotFound(says("desk/no-keys"))
        offer = institution(self._rulebooks).desk
        if offer is None:
            raise NotFound(says("desk/no-offer"))
        return HelpDesk(self._store, self._needed_sealer(), offer, clock, today)

    def send_tickets(self, head: "Letterhead", stop: Flag) -> None:
        """Sends the desk's mails until `stop` is set, in a thread that has this ledger for itself."""
        from ledger.helpdesk.mailing import Mailing

        _meanwhile(lambda: Mailing(self._store, self._needed_sealer(), head, clock), lambda one: one.step() > 0, stop,
                   "desk")

    # The key store

    def new_keys(self, days: int) -> Answer:
        """Makes a key store, and a master key where its file is not there yet. Raises StoreUnusable where the ledger
        has had one."""
        from ledger.privacy.key_store import new_keys
        from ledger.privacy.reading import status_of
        from ledger.privacy.sealer import lost

        if self._keys is None:
            raise NotFound(says("missing/keys"))
        if (sealed := self._store.first_sealed()) is not None:
            raise lost(sealed, "a new one would open nothing of it")
        with new_keys(self._keys, self._store.identity().origin, self._url, clock, days) as keys:
            return status_of(keys, clock())

    def keys_status(self) -> Answer:
        from ledger.privacy.reading import status_of

        return status_of(self._needed_sealer().keys, clock())

    def keys_findings(self) -> list[Answer]:
        from ledger.privacy.reading import findings

        return findings(self._needed_sealer().keys, clock())

    def rotate_keys(self, days: int) -> Answer:
        """A new master key in the place of the old one, which is destroyed."""
        from ledger.privacy.key_store import rotate
        from ledger.privacy.reading import status_of

        keys = self._needed_sealer().keys
        return {"rotated": rotate(keys, clock().date(), days), **status_of(keys, clock())}

    # Proofs

    def checkpoint(self, to: "GivenTo | None" = None) -> Answer:
        """Seals and signs what is recorded, and gives it away. Raises NotFound where nothing is, NotGiven where a place
        does not take it (it is signed then), and what `Sequencer.seal` does."""
        with self._sequencer() as sequencer:
            sealed = sequencer.seal()
        if sealed is None:
            raise NotFound(says("missing/sealed"))
        failed: list[Exception] = []
        with self._delivery(to, failed.append) as delivery:
            sealed = delivery.give(sealed)
        if failed:
            raise failed[0]
        return sealed.answer()

    def follow_checkpoints(self, stop: Flag, said: Callable[[Answer], None], watch: "Watch | None",
                           to: "GivenTo | None", told: Callable[[Exception], None]) -> None:
        """Goes on sealing until `stop` is set; `said` is told of each checkpoint, `told` of each NotGiven: it is given
        again later."""
        with self._sequencer() as sequencer, self._delivery(to, told) as delivery:
            sequencer.watch = watch or sequencer.watch
            sequencer.between = delivery.again
            sequencer.follow(stop, lambda sealed: said(delivery.give(sealed).answer()))

    @contextmanager
    def _delivery(self, to: "GivenTo | None", told: Callable[[Exception], None]) -> "Iterator[Delivery]":
        from ledger.proofs import signing
        from ledger.proofs.auditor import read_key
        from ledger.proofs.reading import of_epochs, verifier_keys
        from ledger.proofs.tables import ProofTables
        from ledger.proofs.witnesses import Delivery, Folder, IntoTopic, Taker, Witness
        from ledger.wire.topics import CHECKPOINTS

        places: list[Taker] = []
        if to is not None:
            mine = of_epochs(signing.KeysGiven([read_key(signing.load().verifier)]), self._store.identity().epoch)
            keys = [*mine, *(verifier_keys(to.keys).keys if to.keys else [])]
            places = [Witness(one, keys) for one in to.places if "://" in one]  # what they sign goes to the others
            for one in to.places:
                if one == CHECKPOINTS:
                    from ledger.relay.checkpoints import send

                    places.append(IntoTopic(CHECKPOINTS, partial(send, to.brokers or "")))
                elif "://" not in one:
                    places.append(Folder(Path(one)))
                    if to.authority is not None:
                        from ledger.proofs.stamping import Stamped

                        places.append(Stamped(to.authority, Path(one)))
        with ProofTables(self._url) as tables:
            yield Delivery(tables, places, told)

    def sealed_up_to(self) -> int | None:
        """The position of the newest event that a signed checkpoint covers; None where nothing is sealed."""
        from ledger.proofs.tables import ProofTables

        with ProofTables(self._url) as tables:
            if not tables.exist():
                return None
            with tables.reading() as kept:
                newest = kept.known_at((1 << 63) - 1)
        return newest.position if newest is not None else None

    def prove(self, student: str, position: int | None = None, full: bool = False) -> "Proof":
        """Raises NotFound where nothing is sealed, or was by then; and for a name that no student has: a proof that
        nothing is held of it could be taken for hers."""
        from ledger.proofs.auditor import STUDENT_NAME
        from ledger.proofs.proving import NotSealed, prove
        from ledger.proofs.tables import ProofTables

        if not STUDENT_NAME.fullmatch(student):
            raise NotFound(says("missing/student", student=student))
        store = self._store
        try:
            with ProofTables(self._url) as tables:
                return prove(store, tables, student, position, full)
        except NotSealed:
            raise NotFound(says("missing/sealed") if position is None else
                           says("missing/sealed-by", position=position)) from None

    def verify_log(self, outside: Sequence[Path], keys: Sequence[str], told: "HowFar",
                   brokers: str | None = None) -> Answer:
        """Everything again from the events. `outside`: files of checkpoints that others have kept, and folders of them;
        `keys`: verifier keys, or files with them; `brokers`: whose topic of checkpoints is compared too; what the file
        beside the signing key says is compared always. Raises WrongProof, OSError, StoreUnusable; NotFound where
        nothing is sealed and there is nothing to compare with."""
        from ledger.proofs.reading import outside_notes, outside_of
        from ledger.proofs.tables import ProofTables
        from ledger.proofs.verifying import beside_the_key, verify

        known = self._known_keys(keys)
        held = outside_of(outside, known)
        if brokers is not None:
            from ledger.relay.checkpoints import held as in_the_topic

            held += outside_notes(in_the_topic(brokers), known)
        store = self._store
        with ProofTables(self._url) as tables:
            beside = beside_the_key(tables)
            if not held and beside is None and not tables.exist():
                raise NotFound(says("missing/sealed"))
            return dict(verify(store, tables, held, known, told, beside))

    def _known_keys(self, said: Sequence[str]) -> "list[Key]":
        """With which this ledger's checkpoints are checked, in all epochs. Raises WrongProof."""
        from ledger.proofs.proving import handovers
        from ledger.proofs.reading import of_epochs, verifier_keys
        from ledger.proofs.tables import ProofTables

        with ProofTables(self._url) as tables:
            return of_epochs(verifier_keys(said), self._store.identity().epoch, handovers(tables))

    def hand_key_over(self) -> str:
        """Another key signs from now on; its verifier key. Killed in between, it goes on where it was. Raises NotFound
        where nothing is recorded; StoreUnusable, also where the key stands in the environment."""
        from ledger.proofs import signing
        from ledger.store import StoreUnusable

        with self._sequencer() as sequencer:
            signer = signing.load()
            to = signer.successor(made=True)
            if to is None:
                raise StoreUnusable(f"{signing.VARIABLE} holds the key itself: only one in a file is handed over. Put "
                                    "it into a file of mode 0600, and name that")
            sealed = sequencer.hand_over(to)
            if sealed is None:
                raise NotFound(says("missing/sealed"))
            signer.give_way()
        return signing_key(signer.name)

    def handovers(self) -> str:
        """Of the key that signs, from the first one to today's, for who holds an earlier verifier key: a text."""
        from ledger.proofs.proving import handovers
        from ledger.proofs.tables import ProofTables

        with ProofTables(self._url) as tables:
            return handovers(tables)

    def sealed(self) -> tuple[int, int]:
        """The position of the last event, and of the last one before the newest checkpoint; 0 where there is none."""
        from ledger.proofs.tables import ProofTables

        end = self.log.last_position()
        with ProofTables(self._url) as tables:
            if not tables.exist():
                return end, 0
            with tables.reading() as kept:
                last = kept.last()
        return end, last.position if last is not None else 0

    @contextmanager
    def _sequencer(self) -> "Iterator[Sequencer]":
        from ledger.proofs import signing
        from ledger.proofs.sequencer import Sequencer
        from ledger.proofs.tables import ProofTables

        signer, store = signing.load(), self._store
        with ProofTables(self._url) as tables:
            yield Sequencer(store, tables, signer)

    # After a restore

    def lacks(self) -> Phrase | None:
        """What is missing here and known outside of the database, in words."""
        from ledger.proofs.outside import known
        from ledger.proofs.tables import ProofTables

        with ProofTables(self._url) as tables, tables.looking() as tx:
            return known(tx).lacks

    def accept_restore(self, authorities: Sequence[str], reason: str, brokers: str | None,
                       topics_lost: bool = False) -> Answer:
        """The older copy of the ledger that stands in its place goes on from here, as another epoch; what is gone is
        listed by the topics. Raises NotFound where nothing is missing, TopicsNotRead, StoreUnusable (not the owner),
        and what `ledger.relay.beyond` raises."""
        from ledger.proofs import outside, signing
        from ledger.proofs.tables import ProofTables
        from ledger.store.epochs import Epoch, begin, position_given

        store = self._store
        identity = store.identity()
        with ProofTables(self._url) as tables, tables.looking() as tx:
            found = outside.known(tx)
        published = None
        if brokers is not None:
            from ledger.relay import beyond

            published = beyond(store, brokers)
        elif found.is_published and not topics_lost:
            raise outside.TopicsNotRead(says("restore/topics"))
        if found.lacks is None and not (published is not None and published.gone):
            raise NotFound(says("missing/restore", position=found.position))
        lost = found.signed.checkpoint if found.signed is not None else None
        epochs = [identity.epoch, found.signed.epoch if found.signed else 1, published.epoch if published else 1]
        epoch = Epoch(max(epochs) + 1, format_instant(clock()), found.position,
                      max(found.reached, position_given(self._url), published.reached if published else 0),
                      lost.size if lost else 0, lost.root if lost else bytes(32), tuple(authorities), reason)
        begin(self._url, epoch)
        return {"epoch": epoch.number, "position": epoch.position, "reached": epoch.reached,
                "lost_checkpoint": {"origin": lost.origin, "size": lost.size, "root": lost.root.hex()}
                if lost else None,
                "log": signing.named(signing.epoch_of(lost.origin)[0], epoch.number) if lost else None,
                "key": signing.verifier_of(epoch.number) if lost else None, "topics_read": published is not None,
                "students": [{"student": student, "versions": list(versions)}
                             for student, versions in sorted(published.gone.items())] if published else []}

    # Moving the whole ledger

    def export(self, folder: Path, keys: Sequence[str], told: "HowFar") -> Answer | None:
        """Everything up to the newest checkpoint into a folder; with a key that signs that is everything that is
        recorded now. None where no verifier key is known. Raises NotFound where nothing is sealed, WrongProof, OSError,
        and what `Sequencer.seal` does."""
        from ledger.exports.writing import Exporting, Unsealed, export
        from ledger.proofs import signing
        from ledger.proofs.reading import verifier_keys
        from ledger.proofs.tables import ProofTables
        from ledger.store import StoreUnavailable
        from ledger.store.epochs import position_given

        known, store = verifier_keys(keys), self._store
        if not known:
            return None
        signer = signing.load() if signing.is_named() else None
        if signer is not None:
            with self._sequencer() as sequencer, suppress(StoreUnavailable):  # another one seals: to where it is
                sequencer.seal()
        with ProofTables(self._url) as tables:
            try:
                return export(store, tables, folder, Exporting(known, signer, position_given(self._url)), told)
            except Unsealed:
                raise NotFound(says("missing/sealed")) from None

    def import_folder(self, folder: Path, keys: Sequence[str], outside: Sequence[Path], told: "HowFar") -> Answer:
        """What `export` wrote, into an empty database. Raises WrongProof, OSError; StoreUnusable where the database is
        not empty, or the key store is another ledger's."""
        from ledger.exports.taking_in import opened, take_in
        from ledger.proofs.reading import of_epochs, outside_of, verifier_keys

        known = verifier_keys(keys)
        found = opened(folder, known)
        held = outside_of(outside, of_epochs(known, found.bag.manifest.epoch))
        if self._keys is not None:
            from ledger.privacy.key_store import open_keys

            open_keys(self._keys, found.ledger, self._url, clock).close()
        return take_in(found, self._url, held, told)

    def bring(self, folder: Path, keys: Sequence[str]) -> None:
        """The same of a folder that is only asked about. Workers of a cluster bring it in themselves."""
        from ledger.exports.taking_in import Brought
        from ledger.proofs.reading import verifier_keys
        from ledger.proofs.signing import KeysGiven

        self.import_folder(folder, keys, (), lambda *_: None)
        known = verifier_keys(keys)
        self._elsewhere = Brought(folder.absolute(), KeysGiven(tuple(known.keys), tuple(known.handovers)))

    # What a person has a right to

    def forget(self, student: str, authorities: Sequence[str], reason: str, anyway: bool = False) -> Answer:
        """Has deleted what others hold of her, for good. `topics_until`: so long the topics of submissions, outcomes
        and dead letters keep what was submitted about her. Raises NotFound."""
        from dataclasses import replace

        from ledger.domain.events import TicketLinked
        from ledger.domain.values import STRANGER
        from ledger.handling.forgetting import Ordered, forget
        from ledger.wire.topics import longest_kept_days

        keys = self._sealer.keys if self._sealer is not None else None
        order = Ordered(student, tuple(authorities), reason, today(), anyway)
        answer = forget(self._writer, self.books, clock, keys, order)
        if answer["outcome"] == "forgotten":
            # what she wrote before she had a career is hers: the streams of tickets that were linked to her
            linked = sorted({event.data.person for event in self._store.stream(student) if isinstance(
                event.data, TicketLinked) and event.data.person.startswith(STRANGER)})
            for one in linked:
                forget(self._writer, self.books, clock, keys, replace(order, student=one, anyway=True))
            if linked:
                answer["linked"] = linked
            answer["topics_until"] = (today() + timedelta(days=longest_kept_days())).isoformat()
        return answer

    def disclosure(self, student: str, read: "Read", on: date | None = None) -> Answer:
        """Everything that is held about her, as of a day; with a key store also who she is, and who has read that.
        Raises NotFound."""
        from ledger.handling.forgetting import forgotten_on
        from ledger.projections.student import fees, history, status
        from ledger.relay import left

        events, day = self._store.stream(student), on or today()
        if not events:
            raise NotFound(says("missing/student", student=student))
        person, reads = None, None
        if self._sealer is not None:
            from ledger.privacy.reading import accesses, opened, person_of

            sealer = self._noted(student, "disclosure", read)
            person, reads = person_of(sealer, events)["person"], accesses(sealer.keys, student)
            events = opened(sealer, events)
        return {
            "student": student, "on": day.isoformat(), "made_at": format_instant(clock()), "purpose": read.purpose,
            "forgotten": forgotten_on(events), "person": person,
            "status": status.answer(events, student, day, self.books),
            "fees": fees.answer(events, student, day, self.books),
            "history": list(history.answer(events, student, day, self.books)),
            "refused": [json.loads(one.outcome) for one in self._store.refusals_of(student)],
            "reads": reads, "left": left(self._url, events)}

    def _known(self, student: str, known_at: datetime | None, known_position: int | None) -> "list[Event]":
        from ledger.domain.knowledge import known

        recorded = self._store.stream(student)
        events = known(recorded, known_at, known_position)
        if not events:
            raise NotFound(_nothing_of(student, known_at, known_position, recorded))
        return events

    # Questions about everybody

    @contextmanager
    def reports(self) -> "Iterator[Reports]":
        from ledger.projections.everybody import law_of
        from ledger.projections.everybody.reports import Reports

        with self._projections() as database:
            yield Reports(database, law_of(self.books))

    def has_projections(self) -> bool:
        with self._projections() as database:
            return database.backend.exists()

    def projection_status(self) -> Answer:
        from ledger.projections.everybody import law_of
        from ledger.projections.everybody.reports import status_of

        with self._projections() as database:
            return status_of(database, law_of(self.books))

    def verify(self, how: "How | None" = None, progress: "Progress | None" = None) -> Iterator[Answer]:
        """Every difference between stored and computed rows. Raises as `ledger.projections.everybody.verify.verify`
        does."""
        from ledger.projections.everybody.verify import verify

        with self._projections():
            pass
        return verify(self._url, self.books, how, progress)

    def diff(self, rulebooks: Path, how: "How | None" = None, progress: "Progress | None" = None) -> Iterator[Answer]:
        """What other rule books would answer otherwise, with all that they say."""
        from ledger.projections.everybody.verify import diff
        from ledger.rulebooks.loader import load_books

        return diff(self._url, self.books, load_books(rulebooks), how, progress, self._elsewhere)

    def diff_of_knowledge(self, first: datetime, second: datetime | None, how: "How | None" = None,
                          progress: "Progress | None" = None) -> Iterator[Answer]:
        """What the law as known at one moment answers otherwise than as known at another (None: now)."""
        from ledger.projections.everybody.verify import diff

        return diff(self._url, self.books.known_at(first), self.books.known_at(second), how, progress,
                    self._elsewhere)

    def effect(self, file: Path, how: "How | None" = None, progress: "Progress | None" = None) -> Answer:
        """Whom a rule book would change in the place of its year's, and how much money."""
        from ledger.projections.everybody.effect import effect
        from ledger.rulebooks.loader import load_books_with

        other, year = load_books_with(file, self._rulebooks)
        return {"file": str(file), "academic_year": year, **effect(self._url, self.books, other, how, progress)}

    # Keeping the stored projections

    def rebuild(self, how: "How | None" = None, progress: "Progress | None" = None,
                replica: str | None = None) -> "Rebuilt":
        """`replica`: the address of a copy that follows this ledger, from which events are read."""
        from ledger.projections.everybody.rebuild import rebuild

        return rebuild(self._url, self.books, how, progress, replica)

    def follow(self, stop: Flag, say: Callable[[str], None], part: tuple[int, int] = (1, 1),
               watch: "Watch | None" = None) -> None:
        """Keeps a partition (number, of how many) up to date until `stop` is set."""
        from ledger.projections.everybody import Follower, open_database

        store = self._store
        with open_database(self._url) as database:
            follower = Follower(store, database, self.books, *part)
            follower.watch = watch or follower.watch
            follower.run(stop, say)

    def project(self, stop: Flag, part: tuple[int, int] = (1, 1)) -> bool:
        """Takes a partition to the end of the log; False where another process does. Raises SomeSetAside."""
        from ledger.projections.everybody import Follower, open_database
        from ledger.store import SomeSetAside

        store = self._store
        with open_database(self._url) as database:
            follower = Follower(store, database, self.books, *part)
            follower.prepare()
            with database.backend.lock(follower.lock_name) as leader:
                if leader:
                    follower.catch_up(stop)
                    if aside := [one for one in database.aside() if one.stream.int % part[1] == part[0] - 1]:
                        raise SomeSetAside(aside)
                return leader

    def wait_for(self, position: int) -> None:
        """Returns when the stored projections include the log up to a position."""
        from ledger.projections.everybody import wait_for

        wait_for(self._url, self._store, self.books, position)

    def upgrade(self) -> dict[str, list[int]]:
        """Brings a ledger of an older version up to date, also while others use it: for each kind of table the numbers
        of the steps that it lacked. Stored projections are made anew beside the old ones where their tables, or the
        answers in them, are another version's.

        Raises StoreUnusable (a newer version's; not the owner's) and StoreUnavailable."""
        from ledger.projections.everybody.upgrade import upgrade_projections
        from ledger.proofs.tables import ProofTables
        from ledger.relay import Positions
        from ledger.store import upgrade_store

        done = {"ledger": upgrade_store(self._url)}
        with Positions(self._url) as positions:
            done["relay"] = positions.upgrade()
        with ProofTables(self._url) as tables:
            done["proofs"] = tables.upgrade()
        return done | {"projections": upgrade_projections(self._url, lambda: self.books)}

    # Publishing

    def publish(self, brokers: str, stop: Flag, say: Callable[[str], None], once: bool, partitions: int,
                replicas: int | None, watch: "Watch | None" = None) -> None:
        """Publishes until `stop` is set; `once`: until everything recorded is published. `partitions` and `replicas`:
        of topics that are made. Raises as `ledger.relay.Relay.run` does; then the process must end, and what it has not
        sent yet with it."""
        from ledger.relay import Relay

        self._open_writer().close()
        Relay(self._url, self.books, brokers, partitions, replicas, say, watch=watch).run(stop, once)

    def publish_from(self, brokers: str, position: int) -> tuple[int, int]:
        """Again, every event from a position on and the states of their students; how many events and states."""
        from ledger.relay import publish_from

        return publish_from(self._url, self.books, brokers, position)

    def replay(self, brokers: str, student: str) -> tuple[int, int]:
        """Again, all events and states of one student; how many. Raises NotFound."""
        from ledger.relay import replay

        events, states = replay(self._url, self.books, brokers, student)
        if not events:
            raise NotFound(says("missing/student", student=student))
        return events, states

    def published(self) -> Answer:
        """How far each topic goes. Raises NotFound where nothing was published yet."""
        from ledger.relay import status

        self._open().close()
        answer = status(self._url)
        if not answer["topics"]:
            raise NotFound(says("missing/published"))
        return answer

    def digests(self, after: int = 0) -> Iterator[Answer]:
        """The digests of each event above a position, to be compared with an archive."""
        from ledger.relay import digests

        return digests(self._store, after)


def _meanwhile(begin: "Callable[[], T]", step: "Callable[[T], bool]", stop: Flag, name: str) -> None:
    """Until `stop` is set, with what `begin` makes: one step after the other, with a rest where it found nothing to do.
    For a thread that nobody else looks after: whatever goes wrong is said, of a fault its place alone, and tried
    again."""
    from ledger.edges.log import Note
    from ledger.edges.program import fault, say
    from ledger.store import StoreUnavailable, StoreUnusable

    made: T | None = None
    while not stop.is_set():
        seconds = 0.0
        try:
            made = begin() if made is None else made
            seconds = 0.0 if step(made) else REST_SECONDS
        except (StoreUnavailable, StoreUnusable) as error:  # the term of the master key is over, say
            say(Note(f"{name}/trying-again", "{why}; trying again", "warning", why=error), "career-ledger")
            seconds = REST_SECONDS
        except Exception as error:
            say(Note(f"{name}/fault", "a fault of this program, please report it: {place}; trying again", "error",
                     place=fault(error)), "career-ledger")
            seconds = AFTER_FAULT_SECONDS
        if seconds:
            stop.wait(seconds)


def _nothing_of(student: str, known_at: datetime | None, known_position: int | None,
                recorded: "Sequence[Event]") -> Phrase:
    """Nothing is recorded of her, as known when; and what to ask instead where the moments of events cannot be
    trusted."""
    if known_position is not None:
        return says("missing/student-at-position", student=student, position=known_position)
    if known_at is None:
        return says("missing/student", student=student)
    ahead = next((event for event in recorded if event.recorded_at > clock()), None)
    if ahead is None:
        return says("missing/student-at", student=student, recorded_at=known_at.isoformat())
    return says("missing/student-ahead", student=student, recorded_at=known_at.isoformat(), position=ahead.position)


def _no_career(student: str, career: str, known_at: datetime | None, known_position: int | None) -> Phrase:
    if known_position is not None:
        return says("missing/career-at-position", student=student, career=career, position=known_position)
    return says("missing/career", student=student, career=career) if known_at is None else \
        says("missing/career-at", student=student, career=career, recorded_at=known_at.isoformat())


def open_ledger(url: str | None = None, create: bool = True, rulebooks: Path | None = None,
                keys: str | None = None) -> Ledger:
    """The ledger at `sqlite:///PATH` or `postgresql://...` (None: the file in the user's data folder) under an
    institution's own rule books (None: the packaged ones), with the key store at `keys` (None: nothing is sealed).

    With `create` a missing SQLite file and its folder are made, without it NotFound is raised. Raises WrongAddress; its
    methods raise what `open_store` raises when the database cannot be reached or used.
    """
    address = url or default_url()
    path = sqlite_path(address)
    if path is not None and not path.exists():
        if not create:
            raise NotFound(says("missing/ledger", text=str(path)))
        make_folder(path.parent)
    return Ledger(address, create, rulebooks, keys)
