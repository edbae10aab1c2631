"""Whom another law would change, and how much money: what `diff` finds, counted."""

from collections import Counter
from decimal import Decimal
from typing import Any

from ledger.domain.books import LawBooks
from ledger.domain.values import ZERO
from ledger.parallel import How
from ledger.store.workers import Progress

from .verify import diff


def effect(url: str, books: LawBooks, other: LawBooks, how: How | None = None,
           progress: Progress | None = None) -> dict[str, Any]:
    """`{"students", "careers": how many, "charges": [{"charge": YEAR:KIND, "count", "before", "after"}], "changed":
    [{"student", "career", "what": [kinds of rows]}]}`. A charge counts with the amount that it comes to in the end, in
    euro; one that is not there with nothing."""
    changed: dict[tuple[str, str], list[str]] = {}
    count: Counter[str] = Counter()
    before: dict[str, Decimal] = {}
    after: dict[str, Decimal] = {}
    for one in diff(url, books, other, how, progress):
        kinds = changed.setdefault((one["student"], one["career"]), [])
        if one["what"] not in kinds:
            kinds.append(one["what"])
        if one["what"] == "charges":
            kind = one["charge"].partition("#")[0]
            count[kind] += 1
            before[kind] = before.get(kind, ZERO) + _in_the_end(one["before"])
            after[kind] = after.get(kind, ZERO) + _in_the_end(one["after"])
    return {"students": len({student for student, _ in changed}), "careers": len(changed),
            "charges": [{"charge": kind, "count": count[kind], "before": f"{before[kind]:.2f}",
                         "after": f"{after[kind]:.2f}"} for kind in sorted(count)],
            "changed": [{"student": student, "career": career, "what": kinds}
                        for (student, career), kinds in sorted(changed.items())]}


def _in_the_end(intervals: list[dict[str, Any]]) -> Decimal:
    return sum((Decimal(one["amount"]) for one in intervals if one["until_on"] is None), ZERO)
