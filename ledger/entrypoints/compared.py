"""Two answers side by side, as `what-if` compares them, for who reads of them on a terminal or on a page."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from ledger.bootstrap import Answer
from ledger.domain.phrases import says
from ledger.words import Language, sentence
from ledger.words.entries import named
from ledger.words.values import charge, day, money

from .facts import last_day


class Cell(NamedTuple):
    """A row: what it is about, how it stands in each answer ("" where it is in one only), and `mark`: same, changed,
    gone or new."""

    about: str
    before: str
    after: str
    mark: str


def cells(answer: Answer, language: Language) -> Iterator[Cell]:
    """`answer` as `Ledger.what_if` gives it, in words."""
    for row in answer["compared"]:
        parts = {side: _at(answer[side][row["answer"]], row[side]) for side in ("before", "after")
                 if row[side] is not None}
        mark = "same" if not row["changed"] else "changed" if len(parts) == 2 else "gone" if "before" in parts else \
            "new"
        before, after = (_part(row["what"], parts[side], language) if side in parts else ""
                         for side in ("before", "after"))
        about = spaced(row["career"], _name(row["what"], next(iter(parts.values())), language))
        yield Cell(about, before, after, mark)


def spaced(*parts: Any) -> str:
    return "  ".join(str(part) for part in parts if part is not None)


def _name(what: str, part: Any, language: Language) -> str:
    """What a row of a comparison is about, beside its career."""
    if what == "charge":
        return charge(part["charge"], language)
    if what == "block":
        return named("block", part["kind"], language)
    return spaced(named("compared", what, language), part.get("number") if what == "ticket" else
                  day(part["on"], language) if what == "upcoming" else None)


def _part(what: str, part: Any, language: Language) -> str:
    """How it stands."""
    if what == "career":
        year, cfu = part.get("academic_year"), part["cfu"]
        return ", ".join([named("status", part["status"], language), *([year] if year else []),
                          f"{cfu['recognised'] + cfu['passed']} CFU"])
    if what == "charge":
        late = "" if part["accruing"] == "0.00" else f" +{money(part['accruing'], language)}"
        return f"{named('state', part['state'], language)}, {money(part['outstanding'], language)}{late}"
    if what == "block":
        last = last_day(part["until"]) if part.get("until") else None
        return spaced(f"{part['rule']}:", day(part["from"], language),
                      "-" if last else None, day(last, language) if last else None)
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
