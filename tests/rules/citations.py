"""Whether every id in an answer can be cited, and the source shown with it is that of its entry in the rule books."""

import re
from collections.abc import Iterator
from typing import Any

from ledger.domain.books import LawBooks
from ledger.domain.reasons import source_of
from ledger.domain.rulebook import is_register_entry

_KEY = re.compile(r"[0-9]{4}-[0-9]{2}:")


def wrong_citations(answer: Any, books: LawBooks, year: str | None = None) -> Iterator[str]:
    """One line for each id in decoded JSON that no book knows, or whose source is another than that of its book.

    `year`: that of the charge or year that the answer is about, where it says so; else any year's source will do."""
    if isinstance(answer, list | tuple):
        for one in answer:
            if isinstance(one, list | tuple | dict):
                yield from wrong_citations(one, books, year)
    if not isinstance(answer, dict):
        return
    if "state" in answer and _KEY.match(answer.get("charge", "")):
        year = answer["charge"][:7]
    rule, source, reading = answer.get("rule"), answer.get("source"), answer.get("interpretation")
    if isinstance(rule, str):
        if not books.knows(rule):
            yield f"{rule} cannot be cited"
        elif source is not None and source not in _sources(rule, books, year):
            yield f"{rule} of {year or 'some year'} shows the source {source}"
    if isinstance(reading, str) and not is_register_entry(reading):
        yield f"{reading} is in no register"
    for name, value in answer.items():
        if name == "breaches":
            yield from (f"{one} cannot be cited" for one in value if not books.knows(one))
        elif isinstance(value, list | tuple | dict) and name not in ("data", "override", "problems"):
            yield from wrong_citations(value, books, year)


def _sources(rule: str, books: LawBooks, year: str | None) -> list[dict[str, str]]:
    own = [books.own] if year is None else []
    found = [book for one in ([year] if year is not None else books.years) for book in (
        books.book_of(one), *(book for stage in books.stages.get(one, ()) for book in stage.books))]
    return [source_of(book, rule) for book in (*found, *own) if is_register_entry(rule) or rule in book.ids]
