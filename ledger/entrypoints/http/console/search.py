"""Where is this student: by her id, a programme or a career, in one field; by status or block, as links."""

from collections.abc import Iterator, Mapping
from typing import Any

from ledger.bootstrap import Answer, Ledger
from ledger.domain.knowledge import NotFound
from ledger.domain.phrases import says
from ledger.entrypoints.facts import when
from ledger.projections.everybody.reports import BLOCKS
from ledger.words import Language

from ..everybody import Everybody
from ..problems import Misasked
from .situation import year_and
from .visit import Visit

ROWS = "25"
STATUSES = ("enrolled", "enrolled-with-reservation", "enrolment-pending", "withdrawal-pending", "suspended",
            "single-courses", "graduated")
"""Offered as links: those that an office looks for."""
_KNOWN = frozenset({"q", "status", "block", "cursor"})


def found(ledger: Ledger, everybody: Everybody, asked: Visit) -> dict[str, Any]:
    """What the page shows. Raises Misasked."""
    if asked.given.keys() - _KNOWN:
        raise Misasked(400, "bad-query", says("http/query"))
    wanted = {name: asked.given.get(name, "").strip() for name in ("q", "status", "block")}
    answer: Answer = {"rows": [], "count": 0, "next": None, "known_position": 0, "last_position": None}
    try:
        for report, query in _questions(asked, wanted):
            answer = everybody.report(report, query)
            if answer["rows"]:
                break
    except Misasked as wrong:
        if wrong.reason != "no-projections":
            raise
        answer["last_position"] = ledger.log.last_position()
    if not answer["rows"] and wanted["q"]:  # what was recorded a moment ago stands in no table yet
        answer |= _recorded(ledger, asked, wanted["q"])
    return {"tab": "search", **wanted, "blocks": bool(wanted["block"]), "statuses": STATUSES, "kinds": BLOCKS,
            "rows": [_in_words(row, asked.language) for row in answer["rows"]],
            "count": answer["count"], "following": answer["next"],
            "behind": answer if answer["known_position"] != answer["last_position"] else None}


def _in_words(row: Answer, language: Language) -> Answer:
    """`years`: of the course and of the calendar; `when`: of a block."""
    held = {"lane": "blocks", "from": row.get("since"), "until": row.get("until")}
    return {**row, "years": year_and(row, language) or "", "when": when(held, language) if "kind" in row else ""}


def _questions(asked: Visit, wanted: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """One after the other, until one has an answer."""
    if "cursor" in asked.given:
        names = ["blocked"] if wanted["block"] else ["find"]
        yield names[0], {"cursor": asked.given["cursor"], "limit": ROWS}
    elif wanted["block"]:
        yield "blocked", {"kind": wanted["block"], "on": asked.on.isoformat(), "limit": ROWS}
    else:
        query = {"on": asked.on.isoformat(), "limit": ROWS}
        if wanted["status"]:
            query["status"] = wanted["status"]
        for name in ("student", "programme", "career") if wanted["q"] else ():
            yield "find", {**query, name: wanted["q"]}
        if not wanted["q"]:
            yield "find", query


def _recorded(ledger: Ledger, asked: Visit, text: str) -> Answer:
    try:
        status = ledger.status(text, asked.on, asked.known_at)
    except NotFound:
        return {}
    rows = [{"student": text, **one} for one in status["careers"]] or [{"student": text}]
    return {"rows": rows, "count": len(rows), "next": None}
