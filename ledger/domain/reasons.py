"""A reason: why a rule says no, what it rests on and what would remove it."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from .rulebook import Law, LawBooks, Rule, RuleBook

DOCUMENTS = {
    "guide-2025-26": "Guida dello studente 2025-26",
    "guide-2019-20": "Guida dello studente 2019-20",
    "ticket-guide": "Guida al ticket",
    "project": "Career ledger, rules.md",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that an answer rests on: the event, the day it holds from and, where there is one, the amount in euro."""

    event: str
    on: date
    amount: Decimal | None = None

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"event": self.event, "on": self.on.isoformat()}
        if self.amount is not None:
            found["amount"] = f"{self.amount:.2f}"
        return found


@dataclass(frozen=True, slots=True)
class Clears:
    """What would remove a reason and from which day (None: from the day it is done)."""

    what: str
    on: date | None = None

    def as_json(self) -> dict[str, Any]:
        return {"what": self.what, "from": self.on.isoformat() if self.on else None}


@dataclass(frozen=True, slots=True)
class Reason:
    """A rule that is not satisfied. `clears` is None where nothing removes it."""

    rule: str
    message: str
    source: dict[str, str]
    clears: Clears | None = None
    interpretation: str | None = None
    facts: tuple[Fact, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"rule": self.rule, "message": self.message, "source": self.source,
                                 "clears": self.clears.as_json() if self.clears else None}
        if self.interpretation:
            found["interpretation"] = self.interpretation
        if self.facts:
            found["facts"] = [f.as_json() for f in self.facts]
        return found


def entry(law: Law | None, rule: str) -> Rule | None:
    """The rule book's entry for a rule id such as `MOR-5a`."""
    return getattr(law, rule.replace("-", "_"), None) if law is not None else None


_OWN = {"document": DOCUMENTS["project"], "heading": "Ids used in answers that have no row above"}


def source_of(book: RuleBook | None, rule: str) -> dict[str, str]:
    """Document and heading of a rule in a rule book; this project's own list where the book has no entry."""
    found = entry(book.rules, rule) if book is not None else None
    if found is None:
        return dict(_OWN)
    return {"document": DOCUMENTS[found.document], "heading": found.heading}


def interpretation_of(book: RuleBook | None, rule: str) -> str | None:
    found = entry(book.rules, rule) if book is not None else None
    return found.interpretation if found is not None else None


def reason(book: RuleBook | None, rule: str, message: str, clears: Clears | None = None,
           facts: tuple[Fact, ...] = (), interpretation: str | None = None) -> Reason:
    """A reason with the source and the interpretation that the rule book gives for the rule."""
    return Reason(rule, message, source_of(book, rule), clears, interpretation or interpretation_of(book, rule), facts)


def no_rulebook(books: LawBooks, year: str | None) -> Reason:
    named = f"the academic year {year}" if year else "an act without an academic year"
    covered = ", ".join(y for y in books.years if books.of(y) is not None)
    return Reason("NO-RULEBOOK", f"The sources give no rules for {named}; they cover {covered}.", dict(_OWN),
                  Clears("import what has already happened with --mode record, or let an officer override NO-RULEBOOK"), "AMB-33")
