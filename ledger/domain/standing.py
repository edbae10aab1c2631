"""Where a student stands: the state that her recorded events amount to, kept ready between decisions."""

from collections.abc import Iterable
from datetime import date

from . import events as e
from .books import LawBooks
from .events import Event
from .fold import advance, apply, replay
from .knowledge import in_force
from .state import Person


class Standing:
    """The state that a student's recorded events amount to, kept ready between decisions.

    It follows the stream: `add` each recorded event. An act of a later day lets time pass on the state that is there;
    an act of an earlier day, a late fact or a void makes it start again from the facts."""

    def __init__(self, student: str, books: LawBooks, events: Iterable[Event] = ()) -> None:
        """`events`: what is recorded of the student, in order of position."""
        self._student, self._books = student, books
        self.events: list[Event] = []
        self.voided: dict[str, str] = {}
        """By event, the void that took it back."""
        self.opened: list[tuple[str, str | None]] = []
        self._person: Person | None = None
        for event in events:
            self.add(event)

    def add(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event.data, e.EventVoided):
            self.voided[event.data.event] = event.id
        elif event.type in e.OPENS_A_CAREER:
            self.opened.append((event.id, event.career))
        person = self._person
        if person is None:
            return
        if event.type == "event-voided" or event.effective_on < person.day:
            self._person = None
            return
        advance(person, event.effective_on, self._books)
        apply(person, event, self._books.on(person.day))

    def on(self, day: date, books: LawBooks) -> Person:
        """The state at the end of a day under the law that is known: the facts up to that day, voided ones left out.
        Not to be changed by the caller."""
        if books is not self._books:
            self._books, self._person = books, None
        person = self._person
        if person is not None and person.day <= day:
            advance(person, day, self._books)
            return person
        facts = in_force(self.events)
        person = replay(facts, self._student, day, self._books)
        if not facts or facts[-1].effective_on <= day:
            self._person = person
        return person
