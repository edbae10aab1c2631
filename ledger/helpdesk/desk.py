"""What happens at the ticket desk: a request is recorded under a number, looked up, listed, read and answered.

Everything that its sender wrote, and the answer, is sealed in the ledger under the key of her stream. For the thread
that has the key store; every method raises StoreUnavailable and StoreUnusable.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date, datetime
from typing import Any, NamedTuple

from ledger.domain.events import (
    Enrolled,
    Event,
    PersonRegistered,
    Preenrolled,
    TicketClosed,
    TicketLinked,
    TicketOpened,
)
from ledger.domain.knowledge import NotFound, in_force, is_forgotten, voided
from ledger.domain.numbers import ticket_number
from ledger.domain.phrases import says
from ledger.domain.values import STRANGER, format_instant
from ledger.privacy.reading import person_of
from ledger.privacy.sealer import KeySealer
from ledger.privacy.tickets import TicketClaim, TicketIndex, TicketRow, spelt_number
from ledger.rulebooks.institution import TicketDesk
from ledger.store import EventStore

from .form import KnownSender, TicketForm

DESK = "desk"
SOURCE = "help-desk"
SENDER = ("email", "full_name", "phone", "student_number", "degree_programme")
"""Of whoever asks; with her message they are the `request` of the event."""
TicketJson = dict[str, Any]


class AlreadyLinked(Exception):
    """To another student."""


class TicketReader(NamedTuple):
    """Who reads what is sealed, and why: for the access log."""

    who: str
    purpose: str


class HelpDesk:
    def __init__(self, store: EventStore, sealer: KeySealer, offer: TicketDesk, clock: Callable[[], datetime],
                 today: Callable[[], date]) -> None:
        self.offer, self.index = offer, TicketIndex(sealer.keys, clock)
        self._store, self._sealer, self._today = store, sealer, today

    # Opening

    def sender(self, student: str) -> KnownSender:
        """What the ledger knows of a student. Raises NotFound where it knows nothing of her, or was told to forget
        her."""
        events = self._store.stream(student)
        if not events or is_forgotten(events) or student.startswith(STRANGER):
            raise NotFound(says("missing/student", student=student))
        programmes = {event.career: event.data.programme for event in in_force(events)
                      if event.career is not None and isinstance(event.data, Preenrolled | Enrolled)}
        if not any(isinstance(event.data, PersonRegistered) for event in events):
            return KnownSender(student, None, None, programmes)
        self._sealer.note(student, "help-desk", student, "ticket", "her own form")
        person = person_of(self._sealer, events)["person"] or {}
        name = " ".join(filter(None, (person.get("given_name"), person.get("family_name"))))
        return KnownSender(student, name or None, person.get("email"), programmes)

    def claim(self, form: TicketForm, sender: KnownSender | None, who: str) -> TicketClaim:
        """A number of its own for a form; the same when it comes again from the same sender. Raises TriedTooOften;
        NotFound where `follows` names no closed ticket of hers, of who is no student one of her address."""
        student = sender.student if sender is not None else None
        if form.follows is not None:
            before = self.index.row(form.follows)
            hers = self.index.look_up(form.email, form.follows) is not None if student is None else (
                before is not None and student in (before.student, before.linked))
            if not hers or before is None or before.closed_at is None:
                raise NotFound(says("missing/ticket", text=form.follows))
            if student is None and before.student.startswith(STRANGER):
                student = before.student  # nobody writes in a student's stream who has not signed in
        return self.index.claim(f"{who}\n{form.id}", student, form.email, form.service, form.context, self._today(),
                                sender is not None)

    def submission(self, claim: TicketClaim, form: TicketForm, actor: str) -> TicketJson:
        request = {name: getattr(form, name) for name in (*SENDER, "message", "language")}
        data: TicketJson = {"number": claim.number, "service": form.service, "subject": form.subject,
                        "context": form.context, "kind": DESK,
                        "request": json.dumps(request, ensure_ascii=False, sort_keys=True)}
        data |= {name: value for name, value in (("career", form.career), ("follows", form.follows)) if value}
        return {"id": f"ticket-{claim.number}", "type": "ticket-opened", "student": claim.student,
                "effective_on": claim.on.isoformat(), "source": SOURCE, "actor": actor, "data": data}

    def recorded(self, number: str, student: str) -> None:
        """What was recorded of a ticket can be found at once."""
        for event in in_force(self._store.stream(student)):
            data = event.data
            if isinstance(data, TicketOpened) and data.number == number:
                self.index.opened(row_of(event, data), pair_of(self._sealer, self.index, event))
            elif isinstance(data, TicketLinked) and data.number == number:
                self.index.linked(number, student, data.person)
            elif isinstance(data, TicketClosed) and data.number == number:
                self.index.closed(number, student, format_instant(event.recorded_at))

    # Reading

    def look_up(self, email: str, number: str) -> TicketJson | None:
        """The thread of a ticket, for who has its number and the address it was opened with; None for any other pair.
        Raises TriedTooOften."""
        number = spelt_number(number)[:64]
        student = self.index.look_up(email.strip()[:300], number)
        if student is None:
            return None
        with suppress(NotFound):
            return self.thread(number, TicketReader("help-desk", "e-mail and number"))
        return None

    def _row(self, number: str) -> TicketRow | None:
        """Also of a ticket that another help desk numbered, in its own way."""
        return self.index.row(ticket_number(number)) or self.index.row(spelt_number(number))

    def thread(self, number: str, reader: TicketReader, student: str | None = None) -> TicketJson:
        """`student`: hers only. Raises NotFound."""
        row = self._row(number)
        if row is None or (student is not None and row.student != student):
            raise NotFound(says("missing/ticket", text=number))
        self._sealer.note(row.student, reader.who, None, "ticket", reader.purpose)
        return self._told(row, self._store.stream(row.student))

    def listed(self, service: str | None, is_open: bool, after: tuple[str, str], limit: int,
               reader: TicketReader) -> tuple[list[TicketJson], tuple[str, str] | None]:
        """A page of tickets, and after which one the next page begins."""
        rows = self.index.listed(service, is_open, after, limit + 1)
        following = (rows[limit - 1].opened_at, rows[limit - 1].number) if len(rows) > limit else None
        rows = rows[:limit]
        self._sealer.keys.note_all([(row.student, reader.who, None, "ticket", reader.purpose) for row in rows])
        streams = self._store.streams({row.student for row in rows}, lambda _: None) if rows else {}
        found = []
        for row in rows:
            with suppress(NotFound):  # taken back since, or unreadable
                told = self._told(row, streams.get(row.student, ()))
                found.append({name: told[name] for name in LISTED})
        return found, following

    def of(self, student: str, reader: TicketReader) -> list[TicketJson]:
        """A student's own, the newest first, and those of a stranger that turned out to be hers, whose subject stays
        in their own stream."""
        rows = self.index.of(student)
        if rows:
            self._sealer.note(student, reader.who, None, "ticket", reader.purpose)
        events, found = self._store.stream(student) if rows else (), []
        for row in rows:
            subject = None
            if row.student == student:
                with suppress(NotFound):  # taken back since, or unreadable
                    subject = self._told(row, events)["subject"]
            found.append({"number": row.number, "subject": subject, "service": row.service, "context": row.context,
                          "kind": row.kind, "state": _state(row), "opened_at": row.opened_at,
                          "closed_at": row.closed_at, "elsewhere": row.student != student})
        return found

    def _told(self, row: TicketRow, events: Sequence[Event]) -> TicketJson:
        """Raises NotFound where nothing of it holds any more."""
        opened = closed = None
        for event in in_force(events):
            data = event.data
            if isinstance(data, TicketOpened) and ticket_number(data.number) == row.number:
                opened = opened or event
            elif isinstance(data, TicketClosed) and ticket_number(data.number) == row.number:
                closed = closed or event
        if opened is None or not isinstance(opened.data, TicketOpened):
            raise NotFound(says("missing/ticket", text=row.number))
        forgotten = is_forgotten(events)
        said = None if forgotten else self._sealer.open(opened)
        data = said.data if said is not None and isinstance(said.data, TicketOpened) else opened.data
        request = requested(data)
        end = closed if closed is None or forgotten else self._sealer.open(closed) or closed
        ended = end.data if end is not None and isinstance(end.data, TicketClosed) else TicketClosed(number=row.number)
        sender = {name: request.pop(name, "") for name in SENDER} if row.kind == DESK else None
        message = request.pop("message", "")
        return {"number": row.number, "student": row.student, "linked": row.linked, "career": data.career,
                "service": row.service, "context": row.context, "kind": row.kind,
                "state": "open" if closed is None else "closed",
                "outcome": ended.outcome,
                "opened_at": format_instant(opened.recorded_at),
                "closed_at": format_instant(closed.recorded_at) if closed is not None else None,
                "follows": data.follows, "sender": sender, "subject": data.subject if said is not None else None,
                "message": message, "request": request or None, "answer": ended.answer, "forgotten": forgotten}

    # Answering

    def closing(self, number: str, answer: str, actor: str) -> TicketJson:
        """The submission that answers a ticket and closes it. Raises NotFound where there is no such ticket of the
        desk."""
        row = self._row(number)
        if row is None or row.kind != DESK:
            raise NotFound(says("missing/ticket", text=number))
        return {"id": _again(f"ticket-{row.number}-closed", self._store.stream(row.student)), "type": "ticket-closed",
                "student": row.student,
                "effective_on": self._today().isoformat(), "source": SOURCE, "actor": actor,
                "data": {"number": row.number, "answer": answer}}

    # Whose it is

    def linking(self, number: str, student: str, actor: str) -> list[TicketJson]:
        """The submissions, of both streams, that say of a ticket of a person without a career that it is a student's.
        Raises NotFound where there is no such ticket, or nothing is known of the student; AlreadyLinked."""
        row = self._row(number)
        if row is None or not row.student.startswith(STRANGER):
            raise NotFound(says("missing/ticket", text=number))
        if row.linked not in (None, student):
            raise AlreadyLinked
        events = self._store.stream(student)
        if not events or is_forgotten(events) or student.startswith(STRANGER):
            raise NotFound(says("missing/student", student=student))
        return [{"id": _again(f"ticket-{row.number}-linked", stream), "type": "ticket-linked", "student": one,
                 "source": SOURCE, "effective_on": self._today().isoformat(), "actor": actor,
                 "data": {"number": row.number, "person": other}}
                for one, other, stream in ((row.student, student, self._store.stream(row.student)),
                                           (student, row.student, events))]


LISTED = ("number", "student", "linked", "service", "context", "kind", "state", "opened_at", "closed_at", "subject",
          "sender", "forgotten")


def row_of(event: Event, data: TicketOpened) -> TicketRow:
    return TicketRow(ticket_number(data.number), event.student, None, data.service, data.context, data.kind or "",
                     format_instant(event.recorded_at), None)


def requested(data: TicketOpened) -> dict[str, Any]:
    """What its sender wrote beside the subject; empty where it is sealed, or no form of ours."""
    try:
        found = json.loads(data.request or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def pair_of(sealer: KeySealer, index: TicketIndex, opened: Event) -> str | None:
    """By what the sender of a ticket finds it; None where what she wrote does not open any more."""
    said = sealer.open(opened)
    if said is None or not isinstance(said.data, TicketOpened):
        return None
    email = requested(said.data).get("email")
    return index.pair_of(email, ticket_number(said.data.number)) if isinstance(email, str) else None


def taken_back(id: str, events: Sequence[Event]) -> int:
    """How often what bears this id, or followed on it, was."""
    gone = voided(events)
    return sum(one in gone for one in (id, *(f"{id}-{count}" for count in range(2, len(gone) + 1))))


def _again(id: str, events: Sequence[Event]) -> str:
    """The same id until what bears it is taken back: whatever is sent twice is recorded once."""
    count = taken_back(id, events)
    return f"{id}-{count + 1}" if count else id


def _state(row: TicketRow) -> str:
    return "open" if row.closed_at is None else "closed"
