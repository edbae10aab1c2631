"""What is missing or implausible in a year's rule book before it becomes law (`career-ledger rules check`)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from ledger.domain.books import LawBooks
from ledger.domain.checked import Checked
from ledger.domain.phrases import Phrase, says
from ledger.domain.rulebook import SHARES, Rule, RuleBook
from ledger.words import Language
from ledger.words.values import day as in_letters

from .amendments import Place
from .draft import YEARS, confirmed, unconfirmed
from .institution import Institution
from .loader import Readings, RuleBookError, dotted, line_of, nodes, read_book
from .words import Words

MEND, LOOK = "mend", "look"
BEGINNINGS = frozenset({"first", "enrol_from", "issued_from", "acts_from", "known_since", "holds_from"})
"""Days on which something opens: nobody need come on them."""
ORDER = (("RAT-3.due_on", "RAT-4.due_on"), ("ISE-1.until", "ISE-2.until"), ("RIN-8.until", "RIN-10.until"),
         ("RAT-4.due_on", "BLK-3.deadline"))
"""Days of two rules of which the second must not lie before the first."""
_YEAR = re.compile(r"20\d\d-\d\d(?!\d)")


class Finding(NamedTuple):
    """`severity`: `mend` (it cannot stay so) or `look` (it may be right)."""

    severity: str
    line: int | None
    field: str
    message: Phrase


def check(name: str, content: bytes, readings: Readings, books: LawBooks, institution: Institution,
          italian: Words, today: date) -> list[Finding]:
    """What to mend and what to look at again, by line. `books` give the year before to compare with."""
    plain = confirmed(content)
    try:
        book = read_book(name, plain, readings)
    except RuleBookError as error:
        return [*_not_read(content),
                *(Finding(MEND, one.line, one.field, one.message) for one in error.problems)]
    root = nodes(content)
    found = [Finding(MEND, line_of(root, place), dotted(place), says("rules/unconfirmed", text=_at(root, place)))
             for place in unconfirmed(root)]
    before = next((books.for_single_courses(year) for year in reversed(books.years) if year < book.academic_year), None)
    for place, message, severity in (*_days(book, institution), *_order(book), *_sources(book),
                                     *(_against(book, before) if before is not None else ()),
                                     *(_retold(book, before, italian) if before is not None else ()),
                                     *_unread(book), *_untold(book, italian), *_not_yet_known(book, today)):
        found.append(Finding(severity, line_of(root, place), dotted(place), message))
    return sorted(found, key=lambda one: one.line or 0)


def _not_read(content: bytes) -> Iterator[Finding]:
    try:
        root = nodes(content)
    except Exception:  # no YAML: the file itself is the problem, and said to be
        return
    for place in unconfirmed(root):
        yield Finding(MEND, line_of(root, place), dotted(place), says("rules/unconfirmed", text=_at(root, place)))


def _at(root: Any, place: Place) -> str:
    """The value of a place, in short."""
    for step in place:
        root = root.value[step] if isinstance(step, int) else next(v for k, v in root.value if str(k.value) == step)
    parts = [root] if root.id == "scalar" else root.value if root.id == "sequence" else [key for key, _ in root.value]
    text = " ".join(", ".join(str(one.value) for one in parts).split())
    return text if len(text) <= 40 else f"{text[:40]}..."


_Found = Iterator[tuple[Place, Phrase, str]]


def _rules(book: RuleBook) -> dict[str, Rule]:
    return book.rules.stated


def _values(value: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    """Each value of an entry with its place in the file."""
    if isinstance(value, Checked):
        for name, one in (value.values() if isinstance(value, Rule) else value.given()).items():
            yield from _values(one, (*place, name))
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield from _values(one, (*place, name))
    elif isinstance(value, tuple):
        for number, one in enumerate(value):
            yield from _values(one, (*place, number))
    else:
        yield place, value


def every_value(book: RuleBook) -> dict[Place, Any]:
    found: dict[Place, Any] = {("acts_from",): book.acts_from, ("acts_until",): book.acts_until}
    for number, one in enumerate(book.amendments):
        found |= {("amendments", number, "known_since"): one.known_since,
                  ("amendments", number, "holds_from"): one.holds_from}
    return found | {place: value for key, rule in _rules(book).items()
                    for place, value in _values(rule, ("rules", key))}


def _days(book: RuleBook, institution: Institution) -> _Found:
    """An academic year's law reaches from the first pre-enrolments, the calendar year before, to the end of its last
    session; it may become known at any time after."""
    year = int(book.academic_year[:4])
    begin, end = date(year, 1, 1), date(year + 2, 4, 30)
    for place, day in every_value(book).items():
        if not isinstance(day, date):
            continue
        if not begin <= day <= (date.max if place[-1] == "known_since" else end):
            yield place, says("rules/another-year", on=day, academic_year=book.academic_year), MEND
        elif place[-1] not in BEGINNINGS and (closed := institution.closed(day)) is not None:
            yield place, closed, LOOK


def _order(book: RuleBook) -> _Found:
    """Terms of different rules that follow each other; those of one entry are the loader's."""
    days = {".".join(map(str, place[1:])): (place, day) for place, day in every_value(book).items()
            if isinstance(day, date)}
    steps = [*ORDER, *_chain(days, "RAT-4.due_on", "RAT-4.further.{}.due_on"),
             *_chain(days, "RIN-10.until", "RIN-10.further.{}")]
    for one, other in steps:
        if one in days and other in days and days[other][1] < days[one][1]:
            place, day = days[other]
            yield place, says("rules/before", on=day, text=one, first_day=days[one][1]), MEND


def _chain(days: Mapping[str, Any], first: str, form: str) -> Iterator[tuple[str, str]]:
    number = 0
    while (following := form.format(number)) in days:
        yield first, following
        first, number = following, number + 1


def _sources(book: RuleBook) -> _Found:
    for key, title in book.documents.items():
        named = next((year for year in _YEAR.findall(f"{key} {title}") if year != book.academic_year), None)
        if named is not None:
            yield ("documents", key), says("rules/guide", text=key, academic_year=book.academic_year), LOOK


def _against(book: RuleBook, before: RuleBook) -> _Found:
    """What differs from the year before in a way that looks like a slip of the pen."""
    new, old, year = every_value(book), every_value(before), before.academic_year
    for place, value in new.items():
        was = old.get(place)
        if isinstance(value, Decimal) and isinstance(was, Decimal) and place[-1] not in SHARES \
                and abs(value - was) > was / 2:
            yield place, says("rules/amount", amount=value, academic_year=year, planned=was), LOOK
        elif isinstance(value, date) and value == was:
            yield place, says("rules/same-day", on=value, academic_year=year), MEND
    told = _rules(book).keys() | book.unknown.keys() | book.denied.keys()
    if book.covers == before.covers:
        for key in _rules(before):
            if key not in told:
                yield ("rules",), says("rules/left-out", academic_year=year, rule=key), LOOK


def _retold(book: RuleBook, before: RuleBook, italian: Words) -> _Found:
    """Values that the words of the year before told and these do not, and words of the year before that name a
    year."""
    new, old, year = every_value(book), every_value(before), before.academic_year
    now, then = _rules(book), _rules(before)
    changed: dict[str, list[tuple[Any, Any]]] = {key: [] for key in now if key in then}
    for place, value in new.items():
        was = old.get(place)
        if place[1:2] and place[1] in changed and isinstance(value, date | Decimal) and type(value) is type(was) \
                and value != was:
            changed[str(place[1])].append((value, was))
    for key, values in changed.items():
        for phrase in _unlike(then[key].says, now[key].says, values, year, "en"):
            yield ("rules", key, "says"), phrase, LOOK
        said = italian.rule(key, book.academic_year, now[key])
        if said != now[key].says:
            for phrase in _unlike(italian.rule(key, year, then[key]), said, values, year, "it"):
                yield ("rules", key), says("rules/in-italian", parts=(phrase,), text="it.toml"), LOOK


def _unlike(then: str, now: str, values: Sequence[tuple[Any, Any]], year: str, language: Language) -> Iterator[Phrase]:
    if then == now and YEARS.search(now):
        yield says("rules/words-of-the-year", academic_year=year)
        return
    for value, was in values:
        if _told(was, then, language) and not _told(value, now, language):
            yield says("rules/words", on=value, academic_year=year) if isinstance(value, date) else \
                says("rules/words-amount", amount=value, academic_year=year)


def _told(value: date | Decimal, text: str, language: Language) -> bool:
    """A day in letters, or whole euro."""
    told = str(in_letters(value, language)) if isinstance(value, date) else f"{value:.2f}".removesuffix(".00")
    return re.search(rf"(?<![0-9.,]){re.escape(told)}(?![0-9])", text) is not None


def _unread(book: RuleBook) -> _Found:
    for key, mark in book.unknown.items():
        yield ("rules", key), says("rules/unknown", missing=mark.unknown), LOOK
    for key, rule in _rules(book).items():
        for name, missing in rule.unknown.items():
            yield ("rules", key, "unknown", name), says("rules/unknown", missing=missing), LOOK


def _untold(book: RuleBook, italian: Words) -> _Found:
    """Rules without words in Italian, where the institution has any."""
    for key in _rules(book) if italian.books else ():
        entry = italian.books.get(key, {})
        if book.academic_year not in entry and "says" not in entry:
            yield ("rules", key), says("rules/no-italian", academic_year=book.academic_year, text="it.toml"), LOOK


def _not_yet_known(book: RuleBook, today: date) -> _Found:
    for number, one in enumerate(book.amendments):
        if one.known_since > today:
            yield ("amendments", number, "known_since"), says("rules/not-yet-known", known_since=one.known_since), LOOK
