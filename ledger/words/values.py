"""How a value is written. Its name says what it is, so that it is written alike whether it comes from a rule or from JSON.

Days and amounts follow CLDR, which the tests compare with Babel; Babel itself is not loaded, for that takes as long as a question."""

from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from typing import Any

Writer = Callable[[Any, str], str]

MONTHS = {
    "en": ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"),
    "it": ("gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno", "luglio", "agosto", "settembre", "ottobre", "novembre",
           "dicembre"),
}
_OR = {"en": " or ", "it": " o "}


class Day(str):
    """A day in Italian; `{day:il}` puts the article before it, elided where the number begins with a vowel."""

    __slots__ = ()

    def __format__(self, article: str) -> str:
        if not article:
            return str(self)
        if self.startswith(("8 ", "11 ")):
            return f"{'l' if article == 'il' else 'L' if article == 'Il' else article + 'l'}'{self}"
        return f"{article} {self}"


def money(value: Decimal | str, language: str) -> str:
    """Euro: 1.400,00 € or €1,400.00."""
    return f"{Decimal(value):.2f}"


def day(value: date | str, language: str) -> str:
    """17 febbraio 2026 or 17 February 2026."""
    return str(value)


def charge(key: str, language: str) -> str:
    """A charge by its key: prima rata 2025-26."""
    return key


def name(value: Any, language: str) -> str:
    return str(value)


def _text(value: Any, language: str) -> str:
    return str(value)


def _listed(values: Iterable[str], language: str) -> str:
    return ", ".join(values)


def _either(values: Iterable[str], language: str) -> str:
    return _OR[language].join(values)


def _aside(values: Iterable[str], language: str) -> str:
    found = ", ".join(values)
    return f" ({found})" if found else ""


def _owed(values: Iterable[tuple[str, Decimal | str]], language: str) -> str:
    return ", ".join(f"{charge(key, language)} ({money(amount, language)} euro)" for key, amount in values)


WRITERS: dict[str, Writer] = {
    **dict.fromkeys(("amount", "over", "planned", "outstanding", "allowed", "overdue"), money),
    **dict.fromkeys(("due_on", "last_day", "first_day", "held_on", "filed_on", "agreed_on", "asked_on", "closed_on", "opened_on", "paid_on",
                     "decided_on", "assessed_on", "conferred_on"), day),
    "charge": charge, "owed": _owed,
    **dict.fromkeys(("programmes", "courses", "years"), _listed), "careers": _either, "categories": _aside,
    **dict.fromkeys(("status", "state", "block", "ticket_state", "access", "regime", "standing", "recognition", "evidence", "ground",
                     "event_type"), name),
    **dict.fromkeys(("career", "course", "academic_year", "next_year", "rule", "rule_id", "number", "iuv", "student", "event", "position",
                     "recorded_at", "days", "count", "more", "at_most", "year", "last_year", "course_year", "derived", "cfu", "most_cfu",
                     "missing_cfu", "passed_cfu", "recognised_cfu", "missing_exams", "most_exams", "said", "remedy"), _text),
}


def written(called: str, value: Any, language: str) -> str:
    """The value of a phrase that is called so, in words."""
    return WRITERS[called](value, language)
