"""All the rule books that the ledger was started with, and which of them governs an act.

The law has two clocks too: an amendment of a year's book is known since a day and holds from a day. `known_at` gives
the law that was known at a moment, `on` the one that is in force on a day; both give the same kind of object back.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cached_property

import msgspec

from .rulebook import OwnBook, RuleBook, is_register_entry
from .values import begins


class Stage(msgspec.Struct, frozen=True):
    """The book of a year as it is known since a day (None: from the first), with (id, sha256) of all that was known.

    `books[n]` holds from `turns[n - 1]` up to the day before `turns[n]`."""

    known_since: date | None
    identity: tuple[str, str]
    turns: tuple[date, ...]
    books: tuple[RuleBook, ...]


class _Age:
    """What is known of the law at one time, by the day from which it holds: `by_day[n]` from `turns[n - 1]` on. `books`
    includes all of it. `stages`: of each year with amendments, the last of them is the one that is known."""

    def __init__(self, books: "LawBooks", stages: Mapping[str, Sequence[Stage]], latest: "_Age | None" = None) -> None:
        self.stages, self.latest = stages, latest or self
        now = {year: known[-1] for year, known in stages.items()}
        self.turns = tuple(sorted({day for stage in now.values() for day in stage.turns}))
        self.books = books if latest is None else books.with_books({y: s.books[-1] for y, s in now.items()}, {
            year: stage.identity for year, stage in now.items()}, self)
        self.by_day = tuple(books.with_books({y: s.books[bisect_right(s.turns, day)] for y, s in now.items()}, {
            year: stage.identity for year, stage in now.items()}, self)
            for day in (date.min, *self.turns)) if now else ()
        self.moments = tuple(sorted({begins(stage.known_since) for known in stages.values() for stage in known
                                     if stage.known_since is not None}))
        self.earlier: dict[int, LawBooks] = {}
        """By the number of `moments` that had come."""


class LawBooks:
    """All rule books that the ledger was started with, by academic year, and which one governs an act.

    `identities` gives (id, sha256) per year, `own` the ledger's own rules, `stages` those of the years whose book has
    amendments, in the order in which they became known. Pure data: loading them from files is done in
    `ledger.rulebooks`. As loaded it is all that the files say, with all that holds on any day; a program starts with
    what is `known_at` that moment."""

    def __init__(self, books: dict[str, RuleBook], identities: dict[str, tuple[str, str]], own: OwnBook,
                 stages: Mapping[str, Sequence[Stage]] | None = None, age: "_Age | None" = None) -> None:
        self._books = books
        self.identities = identities
        self.own = own
        amended = (book for known in (stages or {}).values() for stage in known for book in stage.books)
        for book in (*books.values(), *amended):
            book.stands_on(own)
        self._acts = sorted((b for b in books.values() if b.acts_from), key=lambda b: b.acts_from or date.min)
        self.clocks: dict[tuple[str, str, date, date | None], tuple[date, ...]] = {}
        """Kept by `law.consequences`: the days on which time changes a charge, by its year, kind, due date and last
        plan date."""
        self._lacking: dict[frozenset[str], frozenset[str]] = {}
        self._full = {year: book for year, book in books.items() if book.covers != "single-courses"}
        self._age = age or _Age(self, stages or {})
        self.turns = self._age.turns
        """The days on which the law changes, in order."""

    @property
    def stages(self) -> Mapping[str, Sequence[Stage]]:
        """Of each year whose book has amendments that are known, what was known of it before and after each."""
        return self._age.stages

    def on(self, day: date) -> "LawBooks":
        """The law in force on a day. What an act decides is decided by that of its own day; a last day that has not
        passed yet moves with the law."""
        return self._age.by_day[bisect_right(self.turns, day)] if self.turns else self

    def known_at(self, moment: datetime | None) -> "LawBooks":
        """The law as it was known at a moment (None: all that these books know). An amendment is known since the
        beginning of its day in Italy."""
        if moment is None:
            return self._age.books
        latest = self._age.latest
        if not latest.moments or moment >= latest.moments[-1]:
            return latest.books
        number = bisect_right(latest.moments, moment)
        found = latest.earlier.get(number)
        if found is None:
            known = {year: [s for s in stages if s.known_since is None or begins(s.known_since) <= moment]
                     for year, stages in latest.stages.items()}
            age = _Age(latest.books, known, latest)
            found = latest.earlier[number] = age.books
        return found

    def lacking(self, rules: frozenset[str]) -> frozenset[str]:
        """The years of which any value of these rules is unknown."""
        found = self._lacking.get(rules)
        if found is None:
            found = self._lacking[rules] = frozenset(
                year for year, book in self._books.items() if not rules.isdisjoint(book.unsure))
        return found

    def next_turn(self, day: date) -> date | None:
        """The next day after this one on which the law changes."""
        number = bisect_right(self.turns, day)
        return self.turns[number] if number < len(self.turns) else None

    def with_books(self, books: dict[str, RuleBook], identities: dict[str, tuple[str, str]], age: "_Age") -> "LawBooks":
        """The same with other books of some years."""
        return LawBooks(self._books | books, self.identities | identities, self.own, age=age)

    @property
    def years(self) -> list[str]:
        return sorted(self._books)

    @cached_property
    def identity(self) -> str:
        """One sha256 (hex) over all of them: two programs with the same one hold the same law."""
        from hashlib import sha256

        return sha256("\n".join(f"{year} {self.identities[year][1]}" for year in self.years).encode()).hexdigest()

    @cached_property
    def act_days(self) -> list[date]:
        """The days on which the book that governs unrenewed careers changes (AMB-35), in order."""
        found = [b.acts_from for b in self._acts if b.acts_from is not None]
        return sorted(found + [b.acts_until + timedelta(days=1) for b in self._acts if b.acts_until is not None])

    def of(self, year: str) -> RuleBook | None:
        """The rule book of an academic year, if only a partial one, or None where the sources give no rules for it."""
        return self._full.get(year)

    def latest_to(self, year: str) -> RuleBook | None:
        """The rule book of an academic year, or of the newest ruled year before it."""
        return self._full.get(max((y for y in self._full if y <= year), default=""))

    def for_single_courses(self, year: str) -> RuleBook | None:
        return self._books.get(year)

    def book_of(self, year: str) -> RuleBook | OwnBook:
        """The book that an answer about a year cites: its own, if only of single courses, else the ledger's own
        rules."""
        return self._books.get(year, self.own)

    def book_with(self, rule: str) -> RuleBook | OwnBook | None:
        """The newest book that states a rule; None for an id that nobody knows."""
        books: list[RuleBook | OwnBook] = [*(self._books[year] for year in reversed(self.years)), self.own]
        return next((book for book in books if rule in book.ids), None)

    def knows(self, rule: str) -> bool:
        """Whether an id can be cited: a rule of any year, one of the ledger's own, or an entry of the register."""
        return (is_register_entry(rule) or rule in self.own.ids
                or any(rule in book.asked for book in self._books.values()))

    def for_late_degrees(self, year: str, day: date) -> RuleBook | None:
        """Exams, calls and degrees of a year: the book that its last sessions fall under (AMB-35), else its own."""
        for book in self._acts:
            if book.late_degrees_of == year and book.acts_from is not None and day >= book.acts_from:
                return book
        return self.of(year)

    def act_year(self, latest_enrolment: str | None, day: date) -> str | None:
        """The academic year of an act that states none (AMB-35): the latest enrolment's, unless filed unrenewed from
        the first day of a ruled year on."""
        year = latest_enrolment
        for book in self._acts:
            holds = (book.acts_from is not None and day >= book.acts_from
                     and (book.acts_until is None or day <= book.acts_until))
            if holds and (year is None or year < book.academic_year):
                year = book.academic_year
        return year
