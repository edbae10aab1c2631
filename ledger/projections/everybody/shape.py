"""What a stored row looks like: column types, indexes, and the way from a timeline to plain values."""

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any

from ledger.domain.books import LawBooks
from ledger.domain.checked import as_json
from ledger.domain.edition import EDITION
from ledger.domain.events import Event
from ledger.domain.phrases import Phrase, says
from ledger.domain.timelines import COLUMNS, timelines
from ledger.sql.base import Row, Spelled
from ledger.store import SetAside
from ledger.store.errors import fault
from ledger.store.mapper import stream_id

STEPS = 3
"""How many migrations the tables have (`tables.migrations`): what is stored rests on their number."""

StoredRows = dict[str, list[Row]]
"""By kind, every kind present. A row: the student, then the columns of the kind: text, integers (cents, 0 and 1 for a
bool), ISO days, None."""

DATES = frozenset({"from_on", "until_on", "due_on", "raised_on", "paid_on", "refund_by", "held_on"})
CENTS = frozenset({"amount", "paid", "refunded", "waived", "moved", "outstanding", "overdue", "accruing", "refundable"})
WHOLE = frozenset({"year", "grade"})
NUMBERS = frozenset({"cfu_recognised", "cfu_passed", "cfu"})
BOOLS = frozenset({"reservation"})

INDEXES: dict[str, tuple[tuple[str, ...], ...]] = {
    "status": (("student", "from_on"), ("from_on",), ("until_on",)),
    "charges": (("student", "from_on"), ("state", "from_on", "until_on"), ("from_on",), ("until_on",)),
    "blocks": (("student", "from_on"), ("kind", "from_on", "until_on"), ("from_on",), ("until_on",)),
    "money": (("student", "from_on"), ("kind", "from_on")),
    "exams": (("student", "from_on"),),
    "bookings": (("student", "from_on"), ("held_on",)),
    "gaps": (("student", "from_on"), ("from_on",), ("until_on",)),
    "forfeitable": (("student", "from_on"), ("from_on",)),
}
"""For one student on a day, for everybody on a day, and for what begins or ends in a period."""

_SPELLED = ((DATES, Spelled(lambda day: day.isoformat() if day is not None else None)),
            (CENTS, Spelled(lambda amount: int(amount * 100) if amount is not None else None)), (BOOLS, Spelled(int)))
_PLACES = {kind: [(number, spelled) for number, column in enumerate(columns, 1)
                  for names, spelled in _SPELLED if column in names]
           for kind, columns in COLUMNS.items()}


def rows_of(events: Iterable[Event], student: str, books: LawBooks) -> StoredRows:
    """The rows that the tables hold for a student with these events."""
    found: StoredRows = {}
    for kind, rows in timelines(events, student, books).items():
        places = _PLACES[kind]
        spelled = found[kind] = []
        for row in rows:
            fields = [student, *row]
            for number, spell in places:
                fields[number] = spell[fields[number]]
            spelled.append(tuple(fields))
    return found


def compute(streams: dict[str, list[Event]], books: LawBooks, aside: Callable[[SetAside], None]) -> StoredRows:
    """The rows of many students. One of whom nothing can be computed is set aside."""
    found: StoredRows = {kind: [] for kind in COLUMNS}
    for student, events in streams.items():
        try:
            rows = rows_of(events, student, books)
        except Exception as error:
            aside(SetAside(stream_id(student), student, events[-1].position, fault(error)))
            continue
        for kind, some in rows.items():
            found[kind] += some
    return found


def shown(column: str, value: Any) -> Any:
    """A stored value as the published language shows it: money as text in euro, flags as true and false."""
    if value is None:
        return None
    if column in CENTS:
        return f"{value // 100}.{value % 100:02d}"
    return bool(value) if column in BOOLS else value


def schema() -> str:
    """Of the tables, and of the answers in them."""
    return f"{STEPS}.{EDITION}"


def law_of(books: LawBooks) -> str:
    """What the rows depend on beside the events, as JSON: rule books, interpretations, and the program (`STEPS`,
    `EDITION`)."""
    interpretations = {}
    for year in books.years:
        book = books.for_single_courses(year)
        if book is not None:
            interpretations[year] = as_json(book.interpretations)
    digest = hashlib.sha256(json.dumps(interpretations, sort_keys=True).encode()).hexdigest()
    return json.dumps({"rulebooks": {year: list(identity) for year, identity in books.identities.items()},
                       "interpretations": digest, "schema": schema()}, sort_keys=True)


def difference(stored: str, current: str) -> list[Phrase]:
    """Why rows computed under one law are not those of another; empty where both are the same."""
    if stored == current:
        return []
    old, new = json.loads(stored), json.loads(current)
    parts = []
    if old["schema"] != new["schema"]:
        parts.append(says("rebuild/version", first=old["schema"], second=new["schema"]))
    years = sorted(y for y in old["rulebooks"].keys() | new["rulebooks"].keys()
                   if old["rulebooks"].get(y) != new["rulebooks"].get(y))
    if years:
        parts.append(says("rebuild/books", years=years))
    if old["interpretations"] != new["interpretations"]:
        parts.append(says("rebuild/interpretations"))
    return parts
