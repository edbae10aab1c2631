"""How a value is written. Its name says what it is, so that it is written alike whether it
comes from a rule or from JSON.

Days and amounts follow CLDR, which the tests compare with Babel; Babel itself is not loaded, for that
takes as long as a question."""

import re
from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from ledger.domain.values import ROME

from .entries import DEFAULT, Language, named

Writer = Callable[[Any, Language], str]

MONTHS: dict[Language, tuple[str, ...]] = {
    "en": ("January", "February", "March", "April", "May", "June", "July", "August", "September",
           "October", "November", "December"),
    "it": ("gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno", "luglio", "agosto", "settembre", "ottobre",
           "novembre", "dicembre"),
}
_OR: dict[Language, str] = {"en": " or ", "it": " o "}
_LATE_FEE = "late-fee/"
_OF_A_RULE = r"^[A-Z]+-\w+: "
"""Before the second of several things that a book does not know, and before each later one."""


class ShownDay(str):
    """A day; `{day:il}` puts an Italian article before it, elided where the number begins with a vowel."""

    __slots__ = ()

    def __format__(self, article: str) -> str:
        if not article:
            return str(self)
        if self.startswith(("8 ", "11 ")):
            return f"{'l' if article == 'il' else 'L' if article == 'Il' else article + 'l'}'{self}"
        return f"{article} {self}"


def money(value: Decimal | str, language: Language) -> str:
    """Euro: 1.400,00 € or €1,400.00."""
    text = figure(Decimal(value), language, 2)
    return f"€{text}" if language == "en" else f"{text} €"


def figure(value: Decimal | float, language: Language, digits: int = 0) -> str:
    """A number with its thousands apart: 1.400 or 1,400."""
    text = f"{value:,.{digits}f}"
    return text if language == "en" else text.translate(_ITALIAN)


_ITALIAN = str.maketrans(",.", ".,")


def day(value: date | str, language: Language) -> str:
    """17 febbraio 2026 or 17 February 2026; the first of a month is 1º in Italian."""
    one = value if isinstance(value, date) else date.fromisoformat(value)
    number = "1º" if one.day == 1 and language == "it" else one.day
    return ShownDay(f"{number} {MONTHS[language][one.month - 1]} {one.year}")


def month(value: str, language: Language) -> str:
    """Of a day: marzo 2026 or March 2026."""
    one = date.fromisoformat(value)
    return f"{MONTHS[language][one.month - 1]} {one.year}"


def moment(text: str, language: Language) -> str:
    """17 febbraio 2026, 10:30 or 17 February 2026, 10:30: by the clocks of Italy. `text`: an instant in ISO 8601."""
    there = datetime.fromisoformat(text).astimezone(ROME)
    return f"{day(there.date(), language)}, {there:%H:%M}"


def charge(key: str, language: Language) -> str:
    """A charge by its key: prima rata 2025-26."""
    year, _, kind = key.partition(":")
    kind, _, number = kind.partition("#")
    name = f"{named('charge', 'late-fee', language)} ({named('charge', kind.removeprefix(_LATE_FEE), language)})" \
        if kind.startswith(_LATE_FEE) else named("charge", kind, language)
    return f"{name} {year}" + (f" ({number})" if number else "")


def _charges(value: str | Iterable[str], language: Language) -> str:
    return charge(value, language) if isinstance(value, str) else ", ".join(charge(one, language) for one in value)


def _blocks(value: str | Iterable[str], language: Language) -> str:
    """After an article."""
    return named("block", value, language) if isinstance(value, str) else \
        (" o il " if language == "it" else " or the ").join(named("block", one, language) for one in value)


def _number(value: int | float, language: Language) -> str:
    return str(value).replace(".", ",") if language == "it" else str(value)


def _name(table: str, value: str, language: Language) -> str:
    return named(table, value, language)


def _missing(value: str, language: Language) -> str:
    """What a rule book marks as unknown, which is written in English; that of an institution's own book as it is."""
    if language == DEFAULT:
        return value
    parts = [re.sub(_OF_A_RULE, "", part) for part in value.split("; ")]
    return "; ".join(part.removesuffix(said) + named("missing", said, language)
                     for part, said in zip(value.split("; "), parts, strict=True))


def _text(value: Any, language: Language) -> str:
    return str(value)


def _listed(values: Iterable[str], language: Language) -> str:
    return ", ".join(values)


def _either(values: Iterable[str], language: Language) -> str:
    return _OR[language].join(values)


def _choices(values: Iterable[str | int], language: Language) -> str:
    """'a', 'b' or 'c'; numbers without quotes."""
    *others, last = map(repr, values)
    return f"{', '.join(others)}{_OR[language]}{last}" if others else last


def _quoted(value: str, language: Language) -> str:
    return repr(value)


def _aside(values: Iterable[str], language: Language) -> str:
    found = ", ".join(values)
    return f" ({found})" if found else ""


def _owed(values: Iterable[tuple[str, Decimal | str]], language: Language) -> str:
    return ", ".join(f"{charge(key, language)} ({money(amount, language)})" for key, amount in values)


WRITERS: dict[str, Writer] = {
    **dict.fromkeys(("amount", "over", "planned", "outstanding", "allowed", "overdue"), money),
    **dict.fromkeys(("due_on", "last_day", "moved_to", "known_since", "holds_from", "first_day", "held_on", "filed_on",
                     "agreed_on", "asked_on", "closed_on", "opened_on", "paid_on",
                     "decided_on", "since", "until", "assessed_on", "conferred_on", "on", "waived_on"), day),
    "charge": _charges, "block": _blocks, "owed": _owed,
    "megabytes": partial(figure, digits=1), "rate": figure,
    **dict.fromkeys(("programmes", "courses", "years", "groups"), _listed),
    **dict.fromkeys(("careers", "near"), _either), "categories": _aside,
    "choices": _choices, "field": _quoted,
    **{table: partial(_name, table) for table in ("status", "state", "ticket_state",
                                                  "access", "regime", "standing", "recognition",
                                                  "evidence", "ground", "event_type", "outcome",
                                                  "json_error")},
    **dict.fromkeys(("days", "count", "more", "at_most", "at_least", "bytes", "year", "last_year", "course_year",
                     "derived", "cfu", "most_cfu", "missing_cfu",
                     "passed_cfu", "recognised_cfu", "missing_exams", "most_exams", "seconds"), _number),
    **dict.fromkeys(("career", "course", "academic_year", "next_year", "rule", "rule_id", "number",
                     "iuv", "student", "event", "position",
                     "last_position", "topic", "recorded_at", "said", "remedy", "text", "first", "second",
                     "type"), _text),
    "missing": _missing,
}


def written(called: str, value: Any, language: Language) -> str:
    """The value of a phrase that is called so, in words."""
    return WRITERS[called](value, language)
