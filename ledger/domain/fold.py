"""The fold: facts and time in their order. It knows no rule; `law.catalogue` says what each fact changes.

`replay` folds the facts in the order in which they hold. A day begins with what time brings (a reservation lapses),
then come the facts of that day; answers speak of its end. No rule refuses here: what was recorded has happened, and a
law that is tightened later must not break an old history. An act recorded after a career's end changes nothing (the
audit reports it).
"""

from collections.abc import Callable, Collection, Iterable
from datetime import date

from .books import LawBooks
from .events import Event
from .law.catalogue import ABOUT_THE_PERSON, BY_DEROGATION, HANDLERS, QUIET, TAKES_EFFECT
from .law.consequences import law_turns, refresh, time_passes
from .rulebook import UnknownValue
from .state import Person
from .values import ONE_DAY

Observer = Callable[[Person, Collection[str], Collection[str]], None]
"""Called at the end of each day on which something may have changed, with the careers whose status, and those whose
charges and blocks, may be others than when it was called before."""


def replay(facts: Iterable[Event], student: str, until: date, books: LawBooks, *observers: Observer) -> Person:
    """The state of a student at the end of `until`: the facts up to that day in the order in which they hold; later
    ones are left out.

    Each observer is told of each day before `until` on which something may have changed."""
    person, law, turn = Person(student), books.on(date.min), books.next_turn(date.min)
    for fact in facts:
        day = fact.effective_on
        if day > until:
            break
        if day != person.day:
            if observers:
                tell(person, observers)
            advance(person, day, books, *observers)
            if turn is not None and day >= turn:
                law, turn = books.on(day), books.next_turn(day)
        apply(person, fact, law)
    if person.day != date.min and person.day < until:
        tell(person, observers)
        advance(person, until, books, *observers)
    person.day = until
    return person


def tell(person: Person, observers: Collection[Observer]) -> None:
    """Tell all observers what may have changed since they were told last."""
    if not observers or not (person.touched or person.money_touched):
        return
    touched, money_touched = person.touched, person.money_touched
    person.touched, person.money_touched = set(), set()
    for observer in observers:
        observer(person, touched, money_touched)


def advance(person: Person, day: date, books: LawBooks, *observers: Observer) -> None:
    """Let time pass to the morning of `day`."""
    while (moment := next_change(person)) is not None and moment <= day:
        pass_to(person, moment, books)
        if observers and moment < day:
            tell(person, observers)
    person.day = day


def run_out(person: Person, books: LawBooks, *observers: Observer) -> None:
    """Let time pass from the end of the person's day until it has nothing left to bring."""
    tell(person, observers)
    while (moment := next_change(person)) is not None:
        pass_to(person, moment, books)
        tell(person, observers)


def next_change(person: Person) -> date | None:
    """The next day on which time alone may change an answer; None where nothing is left to come."""
    found: date | None = None
    for career in person.careers.values():
        for moment in (career.next_change, career.next_result):
            if moment is not None and (found is None or moment < found):
                found = moment
    return found


def pass_to(person: Person, day: date, books: LawBooks) -> None:
    """Let time pass to a day returned by `next_change`. On a day on which the law changes, what ran out the day before
    has run out under the law of that day."""
    person.day = day
    turns = day in books.turns
    earlier, books = books.on(day - ONE_DAY) if turns else books, books.on(day)
    for career in person.careers.values():
        if career.next_change is not None and career.next_change <= day:
            career.stale = True
            if turns:
                time_passes(career, day, earlier)
                law_turns(career, day, earlier, books)
            time_passes(career, day, books)
        if career.next_result is not None and career.next_result <= day:
            person.touched.add(career.name)
            career.stale = career.stale or career.withdrawal is not None
            career.next_result = min((r.counts_from for r in career.results if r.counts_from > day), default=None)
    refresh(person, books)


def apply(person: Person, event: Event, law: LawBooks) -> None:
    """Apply one fact on the person's day, under the law in force on it."""
    person.order += 1
    if event.career is None:
        handler = ABOUT_THE_PERSON.get(event.type)
        if handler is not None:
            handler(person, event)
        return
    career = person.career(event.career)
    if event.override and career.gaps:
        BY_DEROGATION(career, event)
    left_open = len(career.gaps) if career.gaps else 0
    if career.ended is None or TAKES_EFFECT(career, event):
        try:
            HANDLERS[event.type](person, career, event, law)
        except UnknownValue as unknown:  # the handlers leave open what they can name
            career.leave_open("fact", event.type, unknown, "fact", event.effective_on, event=event.id)
        if event.type not in QUIET or len(career.gaps) != left_open:
            career.stale = True
    if career.stale or career.unsettled:
        refresh(person, law)
