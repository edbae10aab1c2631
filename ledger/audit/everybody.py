"""What only the audit of several students can find: a number that must be one student's stands
for two (a ticket, an IUV)."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from types import TracebackType
from typing import Any, Self

from ledger.domain.books import LawBooks
from ledger.domain.events import Enrolled, Event, Preenrolled
from ledger.domain.knowledge import in_force
from ledger.domain.numbers import GIVE_NUMBERS, IUV, TICKET, number_of
from ledger.domain.phrases import Phrase, says
from ledger.domain.reasons import source_of
from ledger.domain.registry import obeys

from .compliance import year_spoken_of

Sighting = tuple[str, str, str, str | None, str, int, str, str | None, str]
"""What, number, student, career, event, position, day, programme, academic year: plain, so that a worker can send
it."""

NOTHING = says("verbatim")
_LOOKED_AT = (*GIVE_NUMBERS, Enrolled, Preenrolled)
_RULES = {TICKET: "TKT-1", IUV: "IUV"}


def sightings(events: Sequence[Event], on: date) -> Iterator[Sighting]:
    """The numbers that one student's events give, as known and up to a day."""
    programmes: dict[str | None, str] = {}
    for event in in_force(events):
        if event.effective_on > on:
            break
        if not isinstance(event.data, _LOOKED_AT):
            continue
        if isinstance(event.data, Enrolled | Preenrolled):
            programmes[event.career] = event.data.programme
        if (number := number_of(event)) is not None:
            yield (*number, event.student, event.career, event.id, event.position,
                   event.effective_on.isoformat(), programmes.get(event.career), year_spoken_of(NOTHING, event, on))


class Numbers:
    """All sightings. They are kept in a temporary file that nobody else can open, so that memory
    stays flat. To be closed."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")
        self._database.execute("CREATE TABLE seen (what TEXT, number TEXT, student TEXT, career TEXT, event TEXT, "
                               "position INTEGER, day TEXT, programme TEXT, year TEXT)")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._database.close()

    def add(self, seen: Iterable[Sighting]) -> None:
        self._database.executemany("INSERT INTO seen VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", seen)

    @obeys("TKT-1", "TKT-4", "IUV")
    def findings(self, books: LawBooks, since: int | None = None) -> Iterator[dict[str, Any]]:
        """One for each event whose number another student's event gives too. In the order of the
        numbers, then of the log. `since`: only what did not hold when the log ended at that position."""
        before = set(self._shared(since)) if since is not None else set()
        for one in self._shared(None):
            if one in before:
                continue
            what, number, student, career, event, first, last, students, day, programme, year = one
            other = last if student == first else first
            yield {"student": student, "career": career, "event": event, "rule": _RULES[what], "severity": "notice",
                   "message": _shared(what, number, other, students - 2),
                   "source": source_of(books.own, _RULES[what]), "effective_on": day, "programme": programme,
                   "academic_year": year}

    def _shared(self, position: int | None) -> Iterator[tuple[Any, ...]]:
        return self._database.execute(
            "SELECT what, number, student, career, event, first, last, students, day, programme, year FROM seen JOIN "
            "(SELECT what, number, min(student) AS first, max(student) AS last, count(DISTINCT student) AS students "
            "FROM seen WHERE position <= coalesce(:position, position) GROUP BY what, number HAVING min(student) <> "
            "max(student)) USING (what, number) WHERE position <= coalesce(:position, position) "
            "ORDER BY what, number, position", {"position": position})


def _shared(what: str, number: str, other: str, more: int) -> Phrase:
    """A number that another student gives too, and so many more students."""
    if what == TICKET:
        return says("TKT-1/more-students", number=number, student=other, more=more) if more else \
            says("TKT-1/two-students", number=number, student=other)
    return says("IUV/more-students", iuv=number, student=other,
                more=more) if more else says("IUV/two-students", iuv=number, student=other)
