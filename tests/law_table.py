"""The page docs/law.md: every value of every year's book with its source and its reading, for who reads the law and
not the code. Written and checked together with docs/rules.md (tests/rule_table.py)."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ledger.domain.books import LawBooks
from ledger.domain.checked import names
from ledger.domain.rulebook import Interpretations, Law, OwnBook, Rule, RuleBook
from ledger.rulebooks.loader import load_books
from ledger.words.values import MONTHS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "law.md"
HEAD = """# The law of every year

Generated from the rule books by `python -m tests.rule_table --write`; CI fails when it is not up to date.
`career-ledger rules show YEAR` has the words of every entry, `rules cite ID` one rule in every year, `rules diff YEAR
YEAR` what changed; with `--lang it` in Italian.

The sentence on the left is that of the newest year that has the rule. A cell gives the values of its year, else says
"as said", else gives the year's own sentence. **Unknown** is what nobody has read: what depends on it is for an officer
(UNKNOWN-VALUE). **No** is a rule that the year is known not to have; a dash, one that its guide, read whole, does not
mention: it does nothing. A year without a column has no book (NO-RULEBOOK). AMB-n is the reading that the entry rests
on; the number in brackets is the source. Both are listed at the end.
"""
CHAPTERS = {
    "BLK": "What a debt stops", "CHG": "Charges", "MOR": "Lateness", "RAT": "Contribution and instalments",
    "ISE": "ISEEU", "PRE": "Pre-enrolment and first enrolment", "PREP": "Pre-enrolment and first enrolment",
    "RIS": "Reservation", "LAU": "Degree candidates", "CS": "Single courses", "PT": "Part-time",
    "RIC": "Recognition, transfers, programme changes", "ANN": "Year of admission", "PDS": "Study plan",
    "ESA": "Exams", "PRN": "Booking", "VRB": "Results",
    "RIN": "Withdrawal",
    **dict.fromkeys(("RNW", "SOS", "INT", "DEC", "TRO", "REI", "DEG"), "Of the guide for enrolled students"),
}
"""By the letters of a rule; all others come last."""


class _Sources:
    """Numbers the places that are cited, as they are met."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def number(self, title: str, heading: str) -> str:
        place = f"{title}: {heading}" if heading != title else title
        return f"[{self.numbers.setdefault(place, len(self.numbers) + 1)}]"


def page() -> str:
    books, sources = load_books(), _Sources()
    lines = [HEAD, *_years(books)]
    fields = [name for name in names(Law) if any(told(books, year, name) for year in books.years)]
    chapters: dict[str, list[str]] = {}
    for field in fields:
        chapters.setdefault(CHAPTERS.get(field.split("_")[0], "Other"), []).append(field)
    for title, rules in chapters.items():
        lines += ["", f"## {title}", "", f"| rule | what it says | {' | '.join(books.years)} |",
                  "|---|---|" + "---|" * len(books.years)]
        lines += [_row(books, field, sources) for field in rules]
    lines += ["", "## The ledger's own rules", "", "They hold in every year, or where the year's book has none.", "",
              "| rule | what it says |", "|---|---|"]
    lines += [f"| {name} | {_text(rule.says)} {_marks(books.own, rule, sources)} |"
              for name, rule in books.own.rules.items()]
    lines += ["", "## Readings", "", "| id | what the sources leave open | what was decided |", "|---|---|---|",
              *_readings(books), "", "## Sources", ""]
    lines += [f"{number}. {_text(place)}" for place, number in sources.numbers.items()]
    return "\n".join(lines) + "\n"


def _years(books: LawBooks) -> Iterator[str]:
    yield "| year | book | stated | unknown | denied |"
    yield "|---|---|---|---|---|"
    for year in books.years:
        book = _book(books, year)
        stated = len(book.rules.stated)
        yield f"| {year} | {book.covers} | {stated} | {len(book.unknown)} | {len(book.denied)} |"


def _book(books: LawBooks, year: str) -> RuleBook:
    book = books.for_single_courses(year)
    assert book is not None
    return book


def told(books: LawBooks, year: str, field: str) -> bool:
    """Whether a year's book says anything of a rule."""
    book, rule = _book(books, year), field.replace("_", "-")
    return rule in book.unknown or rule in book.denied or rule in book.rules.stated


def _row(books: LawBooks, field: str, sources: _Sources) -> str:
    rule = field.replace("_", "-")
    stated = [found for year in books.years if (found := _book(books, year).rules.stated.get(rule)) is not None]
    says = stated[-1].says if stated else ""
    cells = [_cell_of(books, year, field, says, sources) for year in books.years]
    return f"| {rule} | {_text(says)} | {' | '.join(cells)} |"


def _cell_of(books: LawBooks, year: str, field: str, says: str, sources: _Sources) -> str:
    """What the book says, and where an amendment changed it what holds since."""
    book, name = _book(books, year), field.replace("_", "-")
    changes = [one for one in book.amendments if name in one.rules]
    if not changes:
        return _cell(book, field, says, sources)
    was = _cell(books.stages[year][0].books[0], field, says, sources)
    holds, known = (_value(day.isoformat()) for day in (changes[-1].holds_from, changes[-1].known_since))
    return f"{was}; from {holds} on (known since {known}): {_cell(book, field, says, sources)}"


def _cell(book: RuleBook, field: str, says: str, sources: _Sources) -> str:
    name = field.replace("_", "-")
    if name in book.unknown:
        return f"**unknown**: {_text(book.unknown[name].unknown)}"
    if name in book.denied:
        denied = book.denied[name]
        return f"**no**: {_text(denied.denied)} {sources.number(book.title(denied.document), denied.heading)}"
    rule = book.rules.stated.get(name)
    if rule is None:
        return "–"
    values = [f"{name.replace('_', ' ')} {value}" for name, value in _values(rule)]
    values += [f"**unknown** {name.replace('_', ' ')}: {what}" for name, what in rule.unknown.items()]
    text = "; ".join(values) or ("as said" if rule.says == says else rule.says)
    return f"{_text(text)} {_marks(book, rule, sources)}"


def _values(rule: Rule) -> Iterator[tuple[str, str]]:
    """What an entry states beside its words."""
    return ((name, _value(value)) for name, value in rule.shown().items())


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(f"({_value(one)})" if isinstance(one, dict) else _value(one) for one in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {_value(one)}".rstrip() for name, one in value.items())
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if day := re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", str(value)):
        return f"{int(day[3])} {MONTHS['en'][int(day[2]) - 1][:3]} {day[1]}"
    return f"{value} €" if re.fullmatch(r"\d+\.\d\d", str(value)) and float(value) >= 1 else str(value)


def _marks(book: RuleBook | OwnBook, rule: Rule, sources: _Sources) -> str:
    number = sources.number(book.title(rule.document), rule.heading)
    return f"({rule.interpretation}) {number}" if rule.interpretation else number


def _readings(books: LawBooks) -> Iterator[str]:
    for field in names(Interpretations):
        by_year = {year: getattr(_book(books, year).interpretations, field) for year in books.years}
        usual = list(by_year.values())[-1]
        others = "".join(f" **{year}**: {one.decided}" for year, one in by_year.items() if one.decided != usual.decided)
        yield f"| {field.replace('_', '-')} | {_text(usual.question)} | {_text(usual.decided + others)} |"


def _text(text: str) -> str:
    return " ".join(text.split()).replace("|", "/")
