"""The only place that wires: a database, the rule books and the clock become a `Ledger` that records and answers.

Most imports stand inside the functions that need them, because a question on the command line pays for each of them.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from ledger.domain.knowledge import NotFound
from ledger.edges.address import SQLITE, sqlite_path
from ledger.edges.files import make_folder

if TYPE_CHECKING:
    from ledger.domain.books import LawBooks
    from ledger.domain.submissions import Event
    from ledger.store import EventStore

Mode = Literal["enforce", "record"]
Answer = dict[str, Any]
"""The JSON of section 7 of the published language."""

def default_url() -> str:
    """A file in the user's data folder."""
    from platformdirs import user_data_path

    return f"{SQLITE}{user_data_path('career-ledger', appauthor=False) / 'ledger.db'}"


RULEBOOKS = "CAREER_LEDGER_RULEBOOKS"
"""The environment variable that names an institution's own folder of rule books."""


def law() -> "LawBooks":
    """The rule books in force: those of the folder that `CAREER_LEDGER_RULEBOOKS` names, else the packaged ones.

    Raises RuleBookError with the file, the line and what to mend."""
    from ledger.rulebooks.loader import load_books

    folder = os.environ.get(RULEBOOKS)
    return load_books(Path(folder) if folder else None)


def today() -> date:
    """The day it is in Italy."""
    from zoneinfo import ZoneInfo

    return datetime.now(ZoneInfo("Europe/Rome")).date()


def clock() -> datetime:
    """The moment it is, in UTC."""
    return datetime.now(timezone.utc)


class Ledger:
    """Everything that a caller may do: record submissions and ask the questions of section 7.

    `on` is the day that a question is about; `known_at` (an aware instant) and `known_position` say what was known then,
    None means everything. Every question raises NotFound for a student of whom nothing was known.
    """

    def __init__(self, store: "EventStore", books: "LawBooks | None" = None, url: str = "") -> None:
        self._store = store
        self._given = books
        self._url = url

    @cached_property
    def books(self) -> "LawBooks":
        return self._given if self._given is not None else law()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._store.close()

    def append_lines(self, lines: Iterable[bytes], mode: Mode = "enforce", atomic: bool = False) -> Iterator[Answer]:
        """Record one JSON object a line and yield one outcome a line, in order, as they are stored."""
        from ledger.handling.submit import append_lines

        return append_lines(self._store, self.books, lines, mode, atomic, clock)

    def import_lines(self, lines: Iterable[bytes], trusted: bool = False) -> Iterator[Answer]:
        """The same in mode `record` for large files, in worker processes and large transactions. `trusted`: the lines are recorded
        events as `history` answers them; no rule is asked."""
        from ledger.handling.bulk import import_lines

        return import_lines(self._store, self._url, self.books, lines, "record", clock, trusted=trusted)

    def status(self, student: str, on: date, known_at: datetime | None = None, known_position: int | None = None) -> Answer:
        from ledger.projections.student import status

        return status.answer(self._known(student, known_at, known_position), student, on, self.books)

    def fees(self, student: str, on: date, known_at: datetime | None = None, known_position: int | None = None) -> Answer:
        from ledger.projections.student import fees

        return fees.answer(self._known(student, known_at, known_position), student, on, self.books)

    def eligibility(self, student: str, on: date, career: str, course: str, held_on: date, session: str, academic_year: str,
                    calls_start_on: date, opens_on: date | None = None, mode: str | None = None,
                    known_at: datetime | None = None, known_position: int | None = None) -> Answer:
        """May the exam be booked on that day, and if not, why not. Raises NotFound for an unknown career too."""
        from ledger.projections.student import eligibility

        events = self._known(student, known_at, known_position)
        if not any(event.career == career for event in events):
            raise NotFound(f"student {student} has no career {career}{_then(known_at, known_position)}")
        return eligibility.answer(events, student, on, self.books, career=career, course=course, held_on=held_on, session=session,
                                  academic_year=academic_year, calls_start_on=calls_start_on, opens_on=opens_on, mode=mode)

    def history(self, student: str, on: date | None = None, known_at: datetime | None = None,
                known_position: int | None = None) -> Iterator[Answer]:
        """Each recorded event, and the change of status, fees and blocks that it caused."""
        from ledger.projections.student import history

        return iter(history.answer(self._known(student, known_at, known_position), student, on or today(), self.books))

    def audit(self, students: Sequence[str] = (), on: date | None = None, known_at: datetime | None = None,
              known_position: int | None = None) -> Iterator[Answer]:
        """Every breach, derogation and oddity of the students named, or of all; last, what only several of them together show.
        Raises SomeSetAside at the end where students cannot be read."""
        from ledger.audit.compliance import ahead_of_the_clock, findings
        from ledger.audit.everybody import Numbers, sightings
        from ledger.domain.knowledge import known
        from ledger.projections.stored.shape import fault
        from ledger.store import SetAside, SomeSetAside, StreamSetAside
        from ledger.store.mapper import stream_id

        day = on or today()
        aside: dict[str, SetAside] = {}

        def note(one: SetAside) -> None:
            aside[one.stream.hex] = one

        with Numbers() as numbers:
            for student in dict.fromkeys(students) or self._store.students(note):
                try:
                    events = self._known(student, known_at, known_position) if students else \
                        known(self._store.stream(student), known_at, known_position)
                except StreamSetAside as error:
                    note(error.one)
                    continue
                try:
                    seen, found = list(sightings(events, day)), [
                        *findings(events, day, self.books), *ahead_of_the_clock(events, clock(), self.books)]
                except Exception as error:  # the others are looked through all the same
                    note(SetAside(stream_id(student), student, events[-1].position, fault(error)))
                    continue
                numbers.add(seen)
                yield from found
            yield from numbers.findings(self.books)
        if aside:
            raise SomeSetAside(list(aside.values()))

    def _known(self, student: str, known_at: datetime | None, known_position: int | None) -> "list[Event]":
        from ledger.domain.knowledge import known

        recorded = self._store.stream(student)
        events = known(recorded, known_at, known_position)
        if not events:
            raise NotFound(f"nothing is recorded of student {student}{_then(known_at, known_position)}"
                           + (_untrusted(recorded) if known_at is not None else ""))
        return events


def _untrusted(recorded: "Sequence[Event]") -> str:
    """What to ask instead where the moments of events cannot be trusted."""
    ahead = next((event for event in recorded if event.recorded_at > clock()), None)
    return f": her events were recorded by a clock that ran ahead; ask with --known-position {ahead.position}" if ahead is not None else ""


def _then(known_at: datetime | None, known_position: int | None) -> str:
    if known_position is not None:
        return f" as known at position {known_position}"
    return f" as known at {known_at.isoformat()}" if known_at is not None else ""


def open_ledger(url: str | None = None, create: bool = True) -> Ledger:
    """Open the ledger at `sqlite:///PATH` or `postgresql://...`; None: the file in the user's data folder.

    With `create` a missing SQLite file and its folder are made, without it NotFound is raised. Raises WrongAddress,
    and what `open_store` raises when the database cannot be reached or used.
    """
    address = url or default_url()
    path = sqlite_path(address)
    if path is not None and not path.exists():
        if not create:
            raise NotFound(f"there is no ledger at {path} yet: append events first, or name another with --db")
        make_folder(path.parent)
    from ledger.store import open_store

    return Ledger(open_store(address, create), url=address)
