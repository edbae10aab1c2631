"""A rule that a book lacks does nothing. Each entry of each book is removed in turn: histories that exercise
the rule answer otherwise and never cite it for that year again, histories that neither name it nor show it in
an answer answer as before."""

import zlib
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any, NamedTuple

import pytest
from msgspec import structs

from ledger.domain.books import LawBooks
from ledger.domain.rulebook import RuleBook
from ledger.rulebooks.loader import load_books
from tests.sizes import sized

from .memory import MemoryLedger
from .runner import History, _Run
from .test_histories import FOUND

pytestmark = pytest.mark.xdist_group("histories")  # each is told once with all rules
BOOKS = load_books()
HISTORIES = dict(FOUND)
NAMING, OTHERS = sized(1, 4), 1
"""So many histories that name the rule, and that do not, are asked for each entry; over all entries all are."""

SAYS_NOTHING_NEW = {
    "SOS-4": "the stamp is on the paper", "SOS-7": "nothing forbids two careers at once",
    "RIC-15": "what it asks for is not among the facts that the ledger is told",
    "RIN-2": "nothing else ends a career either",
    "ESA-2": "ESA-1F says it of every course",
    "RIN-7": "the book's days say which year an unrenewed career follows, and RIN-4 what must be paid",
    "RIN-9": "nothing waives it then", "RIN-12": "nothing waives it then", "MOR-4": "MOR-2 says it of every instalment",
    "RAT-10": "the due dates know no reservation", "PT-4": "nothing refunds earlier years",
    "VRB-3": "the mode of the exam is told", "2025-26 RIN-1": "RIN-3 asks for more",
    "2019-20 RIS-4": "the ledger's own rule holds then",
    "DS-1": "the ledger's own rule holds then", "2019-20 CS-12": "of exchange students it says nothing",
    "2024-25 CS-12": "of exchange students it says nothing",
    "2024-25 RIS-8": "no book lets a reservation of that year lapse",
}
"""Entries with which nothing vanishes, since they only say in the guide's words what holds without them."""

UNCITED = frozenset({
    "CHG-2", "CHG-3", "CHG-14", "MOR-1", "MOR-2", "MOR-3", "MOR-5", "PRE-2", "PRE-3", "PRE-5", "PRE-10", "PREP",
    "RAT-2", "RAT-3", "RAT-4", "RAT-6", "RAT-9", "ISE-1", "ISE-4", "ISE-5", "RIS-3", "RIS-6", "RIS-7", "LAU-3",
    "CS-5", "CS-9", "CS-12", "PT-6", "PT-9", "RIC-1", "RIC-2", "RIC-10", "RIC-11", "RIC-12", "ANN-1", "ANN-2",
    "ANN-3", "ANN-4", "PDS-1", "PDS-4", "RIN-3",
})
"""Rules that give a day, an amount or a permission: answers rest on them and need not cite them, so that nothing in an
answer shows how far they reach."""


def lacking(year: str, rule: str) -> LawBooks:
    """All books, that of the year without a rule."""
    books = {one: book for one in BOOKS.years if (book := BOOKS.for_single_courses(one)) is not None}
    books[year] = _without(books[year], rule)
    of_the_year = [structs.replace(stage, books=tuple(_without(book, rule) for book in stage.books))
                   for stage in BOOKS.stages.get(year, ())]
    stages = BOOKS.stages | {year: of_the_year} if of_the_year else BOOKS.stages
    return LawBooks(books, BOOKS.identities, BOOKS.own, stages)


def _without(book: RuleBook, rule: str) -> RuleBook:
    return structs.replace(book, rules=book.rules.having(**{rule.replace("-", "_"): None}))


def answers(history: History, run: _Run) -> list[Any]:
    """Each outcome, and the answers to each question."""
    list(run._append(list(history.events), history.mode, history.student))
    found: list[Any] = list(run.told)
    for check in history.checks:
        before = len(run.told)
        try:
            list(run._check(check))
        except LookupError as error:
            run.told.append(repr(error))
        found += run.told[before:] if check.append is not None else [run.told[before:]]
    return found


class Told(NamedTuple):
    """`answers`, and those of its last day that the history does not ask for."""

    answers: list[Any]
    last_day: list[Any]


def told(history: History, books: LawBooks) -> tuple[Told, list[str]]:
    """What a history is told, and what is wrong with the ids in it."""
    run = _Run(MemoryLedger(books), history)
    found, asked = answers(history, run), len(run.told)
    wrong = list(run._citations())
    return Told(found, run.told[asked:]), wrong


@cache
def with_all_rules(name: str) -> Told:
    return told(HISTORIES[name], BOOKS)[0]


def entries() -> Iterator[tuple[str, str]]:
    """Of the books that cover everything: in a partial one a rule that is removed and one that is unknown lie close."""
    for year in BOOKS.years:
        book = BOOKS.of(year)
        if book is None or book.covers != "everything":
            continue
        yield from ((year, rule) for rule in book.rules.stated)


def naming(rule: str) -> list[str]:
    return [name for name, history in HISTORIES.items() if rule in history.rules]


def in_turn(names: list[str], seed: str) -> list[str]:
    """In an order that is another for each seed."""
    return sorted(names, key=lambda name: zlib.crc32(f"{seed} {name}".encode()))


def shown(answer: Any) -> Iterator[str]:
    """Every text in an answer, but for what was submitted."""
    if isinstance(answer, dict):
        for name, value in answer.items():
            yield from shown(value) if name not in ("data", "override") else ()
    elif isinstance(answer, list | tuple):
        for value in answer:
            yield from shown(value)
    elif isinstance(answer, str):
        yield answer


def bystanders(rule: str, seed: str) -> Iterator[str]:
    """The histories that neither name a rule nor show it in an answer."""
    unnamed = [name for name, history in HISTORIES.items() if rule not in history.rules]
    for name in in_turn(unnamed, seed):
        if rule not in shown(with_all_rules(name)):
            yield name


@pytest.mark.faults
@pytest.mark.parametrize(("year", "rule"), list(entries()))
def test_only_its_effect_vanishes_when_a_rule_is_removed(year: str, rule: str) -> None:
    books, seed = lacking(year, rule), f"{year} {rule}"
    changed = False
    for name in in_turn(naming(rule), seed)[:NAMING]:
        found, wrong = told(HISTORIES[name], books)
        assert not wrong, name
        changed = changed or found != with_all_rules(name)
    changed = changed or any(told(HISTORIES[name], books)[0] != with_all_rules(name) for name in naming(rule))
    assert changed != (seed in SAYS_NOTHING_NEW or rule in SAYS_NOTHING_NEW)
    for name in islice(bystanders(rule, seed), OTHERS) if rule not in UNCITED else ():
        assert told(HISTORIES[name], books)[0] == with_all_rules(name), name
