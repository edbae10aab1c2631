"""What rules need of protected fields (`protected.py`), said in the clear when an act is decided.

Nothing else reads these fields. A rule is given words that do not tell why: of a reduction its share and not its
ground, of a category or a ground that it is one of the year's list. They are kept as they were decided (`Event.clear`),
so that they are there when the values can no longer be read. Where the law of today leaves nothing to choose it is
followed: a share that is the same for every ground, a list that takes any word.
"""

from collections.abc import Mapping
from decimal import Decimal

from .events import (
    NOTHING,
    PAYLOADS,
    Enrolled,
    Event,
    Payload,
    RegimeChanged,
    SingleCoursesEnrolled,
    Suspended,
    TicketClosed,
)
from .rulebook import Categories, Reductions, RuleBook, UnknownValue

GROUNDS = 2
"""For a share: disability, detention."""
Clear = Mapping[str, str]
"""By field: of `reduction` a share ("0.40"), `exchange`, `none` (the year knows no share for her ground) or `unknown`
(nobody has read it, or the year had none); of `category` and of the ground that begins a suspension's `reason`
`listed`, `unlisted` or, where the year had no list, `named`; of `answer` `given`."""


_ASKED_ABOUT = frozenset(one for one in PAYLOADS.values() if issubclass(
    one, SingleCoursesEnrolled | Enrolled | RegimeChanged | Suspended | TicketClosed))


def in_the_clear(data: Payload, book: RuleBook | None) -> Clear:
    """Of what was submitted, under the book of its year. What was not given has no word."""
    if type(data) not in _ASKED_ABOUT:
        return NOTHING
    if isinstance(data, SingleCoursesEnrolled):
        return {"reduction": _reduction(data.reduction, book)} if data.reduction is not None else NOTHING
    if isinstance(data, Enrolled | RegimeChanged):
        return {"category": _listed(data.category, book, "PT_1")} if data.category is not None else NOTHING
    if isinstance(data, Suspended):
        ground = (data.reason or "").partition(":")[0]
        return {"reason": _listed(ground, book, "SOS_2")} if data.reason is not None else NOTHING
    if isinstance(data, TicketClosed):
        return {"answer": "given"} if (data.answer or "").strip() else NOTHING
    return NOTHING


def clear_of(event: Event, book: RuleBook | None) -> Clear:
    """As it was decided; of what was recorded before that was kept, as it reads under the book."""
    return event.clear if event.clear or event.sealed is not None else in_the_clear(event.data, book)


def _reduction(ground: str, book: RuleBook | None) -> str:
    if ground == "exchange":
        return ground
    try:
        rule = book.rules.CS_9 if book is not None else None
        if rule is None:
            return "unknown"
        share = {str(name): one for name, one in rule.shares.items()}.get(ground)
    except UnknownValue:
        return "unknown"
    return "none" if share is None else str(share)


def _listed(word: str, book: RuleBook | None, rule: str) -> str:
    try:
        listed: Categories | None = getattr(book.rules, rule) if book is not None else None
        if listed is None or listed.categories is None:
            return "named"
        return "listed" if listed.names(word) else "unlisted"
    except UnknownValue:
        return "named"


# What the rules ask


def is_reduced(said: Clear) -> bool:
    """For disability or detention."""
    return said.get("reduction", "none") not in ("none", "exchange")


def share_of(said: Clear, rule: Reductions) -> Decimal | None:
    """The share of a reduction for disability or detention; None where nobody can tell: it was not read when the
    application was decided, and the year has no single one."""
    word = said["reduction"]
    shares, every = set(rule.shares.values()), len(rule.shares) == GROUNDS
    if len(shares) == 1 and (every or word != "unknown"):
        return shares.pop()
    return Decimal(word) if word != "unknown" else None


def is_listed(said: Clear, field: str, rule: Categories) -> bool:
    """Whether the word that was given is one that the year's list takes."""
    return rule.categories is None or said.get(field) in ("listed", "named")
