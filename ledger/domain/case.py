"""A case: an act that somebody asks for, and the state that it meets."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any, Literal, TypeVar

import msgspec

from .books import LawBooks
from .clear import Clear
from .events import Payload, PlanCourse
from .phrases import Phrase
from .reasons import Clears, Fact, Reason, reason
from .rulebook import Law, RuleBook
from .state import Career, Person

_P = TypeVar("_P", bound=Payload)


class Case(msgspec.Struct):
    """An act (its type) with `data` on `day`, in a career of a person, under the rule book of its academic year.
    `said`: what may be asked of protected fields."""

    act: str
    data: Payload
    day: date
    person: Person
    career: Career
    book: RuleBook
    books: LawBooks
    said: Clear = msgspec.field(default_factory=dict)
    planned: tuple[str, PlanCourse] | Literal[False] | None = False
    """Kept by `law.exams`: where the course of a call stands in the plans; False before it was looked for."""

    @property
    def law(self) -> Law:
        return self.book.rules

    def follows(self, academic_year: str) -> bool:
        """Whether it is decided by that year's book, and may ask it what perfects an enrolment; else the enrolment is
        taken as perfected by itself."""
        return self.book.academic_year == academic_year

    def of(self, kind: type[_P]) -> _P:
        if not isinstance(self.data, kind):
            raise TypeError(f"{self.act} carries {type(self.data).__name__}")
        return self.data

    def no(self, id: str, clears: Clears | None = None, facts: Iterable[Fact] = (), interpretation: str | None = None,
           rule: str | None = None, **values: Any) -> Reason:
        """The reason against the act under this case's rule book: a message and its values. `rule` where
        the message is not its own."""
        return reason(self.book, rule or id.partition("/")[0], Phrase(id, values), clears, tuple(facts), interpretation)


Predicate = Callable[[Case], Reason | None]
