"""Each day that a rule book states is met by a history on both of its sides: the last day and the one after it, or the
first and the one before."""

import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from ledger.rulebooks.check import BEGINNINGS, every_value
from ledger.rulebooks.loader import load_books

BOOKS = load_books()
OPENS = BEGINNINGS | {"late_from"}
ONE_DAY = timedelta(days=1)
_DAY = re.compile(r"20[0-9]{2}-(?:0[1-9]|1[0-2])-(?:[0-2][0-9]|3[01])")


def days_met() -> dict[str, set[str]]:
    """By rule, the days that stand in histories which exercise it."""
    found: dict[str, set[str]] = {}
    for path in sorted(Path(__file__).parent.glob("*.yaml")):
        for told in re.split(r"(?m)^---\s*$", path.read_text(encoding="utf-8")):
            named = re.search(r"(?m)^rules: \[(.*)\]", told)
            for rule in re.split(r", *", named[1]) if named else ():
                found.setdefault(rule, set()).update(_DAY.findall(told))
    return found


@pytest.mark.parametrize("year", BOOKS.years)
def test_each_day_of_a_book_is_met_on_both_sides(year: str) -> None:
    book = BOOKS.for_single_courses(year)
    assert book is not None
    met, missing = days_met(), []
    for place, day in every_value(book).items():
        if place[0] != "rules" or not isinstance(day, date):
            continue
        rule = str(place[1])
        days = set().union(*(days for named, days in met.items() if named.rstrip("abcdef") == rule))
        sides = (day - ONE_DAY, day) if place[-1] in OPENS else (day, day + ONE_DAY)
        missing += [f"{'.'.join(map(str, place[1:]))} {day}: no history on {side}" for side in sides
                    if side.isoformat() not in days]
    assert not missing, "\n".join(missing)
