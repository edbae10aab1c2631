"""A reason: why a rule says no, what it rests on and what would remove it."""

from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from .books import LawBooks
from .phrases import Phrase, Remedy, says
from .rulebook import OwnBook, Rule, RuleBook, UnknownValue, is_register_entry

UNKNOWN = {"document": "Career ledger, rules.md", "heading": "No rule book has this rule"}
"""The source of an id without an entry: a book lacks one, or an old override names a rule that there never was."""
_REGISTER = "Register of interpretations"

Book = RuleBook | OwnBook


class Fact(msgspec.Struct, frozen=True):
    """Something that an answer rests on: the event, the day it holds from and, where there
    is one, the amount in euro."""

    event: str
    on: date
    amount: Decimal | None = None

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"event": self.event, "on": self.on.isoformat()}
        if self.amount is not None:
            found["amount"] = f"{self.amount:.2f}"
        return found


class Clears(msgspec.Struct, frozen=True):
    """Something would remove a reason, which its message says: from which day (None: from the day it is done)."""

    on: date | None = None


DONE = Clears()


class Reason(msgspec.Struct, frozen=True):
    """A rule that is not satisfied. `clears` is None where nothing removes it."""

    rule: str
    message: Phrase
    source: dict[str, str]
    clears: Clears | None = None
    interpretation: str | None = None
    facts: tuple[Fact, ...] = ()

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"rule": self.rule, "message": self.message, "source": self.source,
                                 "clears": {"what": Remedy(self.message),
                                            "from": self.clears.on.isoformat() if self.clears.on else None}
                                 if self.clears else None}
        if self.interpretation:
            found["interpretation"] = self.interpretation
        if self.facts:
            found["facts"] = [f.as_json() for f in self.facts]
        return found


def source_of(book: Book, rule: str) -> dict[str, str]:
    """Document and heading of a rule by its entry in a book, which knows the ledger's own rules too."""
    if is_register_entry(rule):
        return {"document": book.title("project"), "heading": _REGISTER}
    found = _entry(book, rule)
    return dict(UNKNOWN) if found is None else {"document": book.title(found.document), "heading": found.heading}


def interpretation_of(book: Book, rule: str) -> str | None:
    found = _entry(book, rule)
    return found.interpretation if found is not None else None


def _entry(book: Book, rule: str) -> Rule | None:
    """Of what an answer cites beside its reasons: an unknown rule has no entry."""
    try:
        return book.entry(rule)
    except UnknownValue:
        return None


def reason(book: Book, rule: str, message: Phrase, clears: Clears | None = None,
           facts: tuple[Fact, ...] = (), interpretation: str | None = None) -> Reason:
    """A reason with the source and the interpretation that the rule book gives for the rule. Raises `UnknownValue`."""
    book.entry(rule)
    return Reason(rule, message, source_of(book, rule), clears, interpretation or interpretation_of(book, rule),
                  tuple(dict.fromkeys(facts)))


@lru_cache(maxsize=256)
def no_rulebook(books: LawBooks, year: str | None) -> Reason:
    covered = tuple(y for y in books.years if books.of(y) is not None)
    return reason(books.own, "NO-RULEBOOK", says("NO-RULEBOOK", academic_year=year, years=covered) if year else
                  says("NO-RULEBOOK/no-year", years=covered), DONE)


def unknown_value(books: LawBooks, unknown: UnknownValue) -> Reason:
    """Whether a rule speaks against something depends on a value that nobody has read: an officer's (AMB-33)."""
    return _unknown_value(books, unknown.rule, unknown.year, unknown.missing)


@lru_cache(maxsize=256)
def _unknown_value(books: LawBooks, rule: str, year: str, missing: str) -> Reason:
    return reason(books.own, "UNKNOWN-VALUE", says("UNKNOWN-VALUE", rule=rule, academic_year=year, missing=missing),
                  DONE)
