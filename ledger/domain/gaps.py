"""What cannot be told of a career, as every answer tells it: which value of which rule is missing, and for what."""

from collections.abc import Iterator
from typing import Any

from .books import LawBooks
from .phrases import Phrase, says
from .reasons import source_of
from .state import Career, Gap, GapKind


def gap_phrase(what: GapKind, name: str, gap: Gap) -> Phrase:
    rule, year, missing = gap.rule, gap.year, gap.missing
    match what:
        case "charge":
            return says("UNKNOWN-VALUE/charge", charge=name, rule=rule, academic_year=year, missing=missing)
        case "surcharge":
            return says("UNKNOWN-VALUE/surcharge", charge=name, rule=rule, academic_year=year, missing=missing)
        case "refund":
            return says("UNKNOWN-VALUE/refund", charge=name, rule=rule, academic_year=year, missing=missing)
        case "block":
            return says("UNKNOWN-VALUE/block", block=name, rule=rule, academic_year=year, missing=missing)
        case "fact":
            return says("UNKNOWN-VALUE/fact", event_type=name, rule=rule, academic_year=year, missing=missing)
        case "term":
            return says("UNKNOWN-VALUE/term", rule=rule, academic_year=year, missing=missing)
        case "reservation":
            return says("UNKNOWN-VALUE/reservation", rule=rule, academic_year=year, missing=missing)
        case "end":
            return says("UNKNOWN-VALUE/end", rule=rule, academic_year=year, missing=missing)
        case "forfeiture":
            return says("UNKNOWN-VALUE/forfeiture", rule=rule, academic_year=year, missing=missing)
        case "enrolment":
            return says("UNKNOWN-VALUE/enrolment", rule=rule, academic_year=year, missing=missing)
        case "regime":
            return says("UNKNOWN-VALUE/regime", rule=rule, academic_year=year, missing=missing)
        case "year":
            return says("UNKNOWN-VALUE/year", rule=rule, academic_year=year, missing=missing)


def gap_json(what: GapKind, name: str, gap: Gap, books: LawBooks) -> dict[str, Any]:
    """`about` and `name` say of what, `missing` which value; its event, where a fact met it."""
    found = {"rule": "UNKNOWN-VALUE", "about": what, "name": name, "message": gap_phrase(what, name, gap),
             "source": source_of(books.own, "UNKNOWN-VALUE"), "interpretation": "AMB-33",
             "missing": {"rule": gap.rule, "academic_year": gap.year, "value": gap.missing}}
    return found | ({"event": gap.event} if gap.event is not None else {})


def gaps_json(career: Career, books: LawBooks) -> Iterator[dict[str, Any]]:
    for (what, name), gap in sorted(career.gaps.items()):
        yield gap_json(what, name, gap, books)
