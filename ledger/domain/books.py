"""All the rule books that the ledger was started with, and which of them governs an act."""

from datetime import date, timedelta
from functools import cached_property
from hashlib import sha256

from .rulebook import OwnBook, RuleBook, is_register_entry


class LawBooks:
    """All rule books that the ledger was started with, by academic year, and which one governs an act.

    `identities` gives (id, sha256) per year, `own` the ledger's own rules. Pure data: loading them from files is done
    in
    `ledger.rulebooks`."""

    def __init__(self, books: dict[str, RuleBook], identities: dict[str, tuple[str, str]], own: OwnBook) -> None:
        self._books = books
        self.identities = identities
        self.own = own
        for book in books.values():
            book.stands_on(own)
        self._acts = sorted((b for b in books.values() if b.acts_from), key=lambda b: b.acts_from or date.min)
        self.clocks: dict[tuple[str, str, date, date | None], tuple[date, ...]] = {}
        """Kept by `law.consequences`: the days on which time changes a charge, by its year, kind, due date and last
        plan date."""
        self.partial = any(book.unknown or any(rule is not None and rule.unknown for rule in vars(book.rules).values())
                           for book in books.values())
        """Whether any value is unknown."""
        self._full = {year: book for year, book in books.items() if book.covers != "single-courses"}

    @property
    def years(self) -> list[str]:
        return sorted(self._books)

    @cached_property
    def identity(self) -> str:
        """One sha256 (hex) over all of them: two programs with the same one hold the same law."""
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
            holds = book.acts_from is not None and day >= book.acts_from and (book.acts_until is None
                                                                              or day <= book.acts_until)
            if holds and (year is None or year < book.academic_year):
                year = book.academic_year
        return year
