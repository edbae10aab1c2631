"""A case: an act that somebody asks for, and the state that it meets."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from .books import LawBooks
from .events import Payload
from .reasons import Clears, Fact, Reason, reason
from .rulebook import Law, RuleBook
from .state import Career, Person

_P = TypeVar("_P", bound=Payload)


@dataclass(slots=True)
class Case:
    """An act (its type) with `data` on `day`, in a career of a person, under the rule book of its academic year."""

    act: str
    data: Payload
    day: date
    person: Person
    career: Career
    book: RuleBook
    books: LawBooks

    @property
    def law(self) -> Law:
        return self.book.rules

    def of(self, kind: type[_P]) -> _P:
        if not isinstance(self.data, kind):
            raise TypeError(f"{self.act} carries {type(self.data).__name__}")
        return self.data

    def no(self, rule: str, message: str, clears: Clears | str | None = None, facts: Iterable[Fact] = (),
           interpretation: str | None = None) -> Reason:
        """The reason against the act under this case's rule book."""
        return reason(self.book, rule, message, Clears(clears) if isinstance(clears, str) else clears, tuple(facts), interpretation)


Predicate = Callable[[Case], Reason | None]
