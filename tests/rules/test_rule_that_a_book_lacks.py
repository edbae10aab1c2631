"""A rule that a book lacks does nothing. Each entry of each book is removed in turn: histories that exercise the rule answer otherwise and
never name it for that year again, histories that do not name it answer as before."""

import zlib
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from ledger.domain.books import LawBooks
from ledger.rulebooks.loader import load_books

from .memory import MemoryLedger
from .runner import History, _Run
from .test_histories import FOUND

BOOKS = load_books()
HISTORIES = dict(FOUND)
OTHERS = 4
"""So many histories that do not name the rule are asked for each entry; over all entries all are."""

SAYS_NOTHING_NEW: dict[str, str] = {}
"""Entries that only say in the guide's words what holds without them, so that nothing vanishes with them."""

BUILT_ON: dict[str, frozenset[str]] = {}
"""Rules whose dates or amounts others build on: the rules that lose their footing with them."""


def lacking(year: str, rule: str) -> LawBooks:
    """All books, that of the year without a rule."""
    books = {one: book for one in BOOKS.years if (book := BOOKS.for_single_courses(one)) is not None}
    law = books[year].rules.model_copy(update={rule.replace("-", "_"): None})
    books[year] = books[year].model_copy(update={"rules": law})
    return LawBooks(books, BOOKS.identities, BOOKS.own)


def told(history: History, books: LawBooks) -> tuple[list[Any], list[str]]:
    """Every outcome and answer of a history, and what is wrong with the ids in them."""
    run = _Run(MemoryLedger(books), history)
    list(run._append(list(history.events), history.mode, history.student))
    for check in history.checks:
        try:
            list(run._check(check))
        except LookupError as error:
            run.told.append(repr(error))
    return run.told, list(run._citations())


@cache
def with_all_rules(name: str) -> list[Any]:
    return told(HISTORIES[name], BOOKS)[0]


def entries() -> Iterator[tuple[str, str]]:
    for year in BOOKS.years:
        book = BOOKS.for_single_courses(year)
        yield from ((year, field.replace("_", "-")) for field, rule in vars(book.rules).items() if rule is not None) if book else ()


def naming(rule: str) -> list[str]:
    return [name for name, history in HISTORIES.items() if rule in history.rules]


@pytest.mark.parametrize(("year", "rule"), list(entries()))
def test_only_its_effect_vanishes_when_a_rule_is_removed(year: str, rule: str) -> None:
    books = lacking(year, rule)
    changed = []
    for name in naming(rule):
        answers, wrong = told(HISTORIES[name], books)
        assert not wrong, name
        if answers != with_all_rules(name):
            changed.append(name)
    assert changed or f"{year} {rule}" in SAYS_NOTHING_NEW or rule in SAYS_NOTHING_NEW
    others = [name for name, history in HISTORIES.items() if not {rule, *BUILT_ON.get(rule, ())} & set(history.rules)]
    start = zlib.crc32(f"{year} {rule}".encode())
    for name in (others[(start + n * 97) % len(others)] for n in range(OTHERS)):
        assert told(HISTORIES[name], books)[0] == with_all_rules(name), name
