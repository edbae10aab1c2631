"""Two answers side by side, as `what-if` compares them, for who reads of them on a terminal or on a page."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from ledger.bootstrap import Answer
from ledger.domain.phrases import says
from ledger.words import Language, sentence
from ledger.words.entries import named
from ledger.words.values import charge, day, money

from .facts import when


class Cell(NamedTuple):
    """A row: what it is about, how it stands in each answer ("" where it is in one only), and `mark`: same, changed,
    gone or new."""

    about: str
    before: str
    after: str
    mark: str


def cells(answer: Answer, language: Language) -> Iterator[Cell]:
    """`answer` as `Ledger.what_if` gives it, in words: how things stand, then what is to come, by its days. Where all
    is of one career it is not named."""
    several = len({row["career"] for row in answer["compared"] if row["career"] is not None}) > 1
    for row in sorted(answer["compared"], key=lambda row: _day(answer, row)):
        parts = {side: _at(answer[side][row["answer"]], row[side]) for side in ("before", "after")
                 if row[side] is not None}
        mark = "same" if not row["changed"] else "changed" if len(parts) == 2 else "gone" if "before" in parts else \
            "new"
        before, after = (_part(row["what"], parts[side], language) if side in parts else ""
                         for side in ("before", "after"))
        about = _name(row["what"], next(iter(parts.values())), language)
        if row["what"] == "career":
            about = f"{first_up(about)} {row['career']}"
        elif several and row["career"] is not None:
            about = f"{first_up(named('compared', 'career', language))} {row['career']}: {about}"
        yield Cell(about, before, after, mark)


def first_up(text: str) -> str:
    """As it begins a line."""
    return text[:1].upper() + text[1:]


def _day(answer: Answer, row: Answer) -> str:
    """On which it comes; empty where it is there."""
    side = "before" if row["before"] is not None else "after"
    return str(_at(answer[side][row["answer"]], row[side])["on"]) if row["what"] == "upcoming" else ""


def spaced(*parts: Any) -> str:
    return "  ".join(str(part) for part in parts if part is not None)


def _name(what: str, part: Any, language: Language) -> str:
    """What a row of a comparison is about, beside its career."""
    if what == "charge":
        return charge(part["charge"], language)
    if what == "block":
        return named("block", part["kind"], language)
    if what == "upcoming":
        return str(day(part["on"], language))
    return spaced(named("compared", what, language), part.get("number") if what == "ticket" else None)


def _part(what: str, part: Any, language: Language) -> str:
    """How it stands."""
    if what == "career":
        year, cfu = part.get("academic_year"), part["cfu"]
        return ", ".join([named("status", part["status"], language), *([year] if year else []),
                          f"{cfu['recognised'] + cfu['passed']} CFU"])
    if what == "charge":
        owed = f"{named('state', part['state'], language)}, {money(part['outstanding'], language)}"
        return owed if part["accruing"] == "0.00" else sentence(says(
            "page/owed-late", text=owed, amount=part["accruing"]), language)
    if what == "block":
        return f"{when({**part, 'lane': 'blocks'}, language)} ({part['rule']})"
    if what in ("overdue", "to_come", "credit"):
        return money(part, language)
    if what == "eligible":
        return sentence(says("page/yes") if part else says("page/no"), language)
    if what == "booking":
        return spaced(part["course"], day(part["held_on"], language))
    if what == "ticket":
        return named("ticket_state", part["state"], language)
    told = next((part[name] for name in ("change", "message") if name in part), None)
    rule = part.get("rule") if what != "upcoming" else None
    return spaced(rule, told, money(part["amount"], language) if "amount" in part else None)


def _at(answer: Any, pointer: str) -> Any:
    """What a JSON pointer of our own names."""
    for step in pointer.split("/")[1:]:
        answer = answer[int(step)] if isinstance(answer, list) else answer[step]
    return answer
