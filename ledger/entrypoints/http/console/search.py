"""Where is this student: by her id or how it begins, a programme or a career, in one field; by status or block, as
links; by name or tax code with a form that stands in no address."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ledger.bootstrap import Answer, Read
from ledger.domain.knowledge import NotFound
from ledger.domain.phrases import says
from ledger.entrypoints.facts import when
from ledger.projections.everybody.reports import BLOCKS
from ledger.words import Language, sentence

from ..api import Api
from ..everybody import MOST_COUNTED
from ..problems import Misasked
from .situation import year_and
from .visit import Visit

ROWS = 25
STATUSES = ("enrolled", "enrolled-with-reservation", "enrolment-pending", "withdrawal-pending", "suspended",
            "single-courses", "graduated")
"""Offered as links: those that an office looks for."""
BY = ("name", "tax-code")
LONGEST = 500
"""Characters of what is looked up, and of why."""
_KNOWN = frozenset({"q", "status", "block", "cursor"})
_NOTHING: Answer = {"rows": [], "count": 0, "next": None, "known_position": 0, "last_position": None}


def found(api: Api, asked: Visit) -> dict[str, Any]:
    """What the page shows. Raises Misasked."""
    if asked.given.keys() - _KNOWN:
        raise Misasked(400, "bad-query", says("http/query"))
    wanted = {name: asked.given.get(name, "").strip() for name in ("q", "status", "block")}
    answer = _first(api, asked, _questions(asked, wanted))
    if not answer["rows"] and wanted["q"]:  # what was recorded a moment ago stands in no table yet
        answer |= _recorded(api, asked, wanted["q"])
    return {**_shown(api, asked, answer), **wanted, "held": bool(wanted["block"]), "look": None}


def looked_up(api: Api, asked: Visit, given: Mapping[str, str]) -> dict[str, Any]:
    """The same of whoever has a name or a tax code, which leaves a line in the access log. Raises Misasked where no key
    store is named."""
    if not api.ledger.seals or given.get("by") not in BY:
        raise Misasked(400, "bad-query", says("missing/keys" if not api.ledger.seals else "http/query"))
    look = {name: given.get(name, "").strip()[:LONGEST] for name in ("by", "value", "purpose")}
    needed = sentence(says("console/needed"), asked.language)
    wrong = [{"path": name, "says": needed} for name in ("value", "purpose") if not look[name]]
    students, exact = ([], True) if wrong else _known(api, asked, look)
    answer = {**_NOTHING, "last_position": api.ledger.log.last_position()}
    for student in students[:ROWS]:
        hers = _first(api, asked, [("find", {"on": asked.on.isoformat(), "student": student})])
        answer |= {"known_position": hers["known_position"],
                   "rows": [*answer["rows"], *(hers["rows"] or _recorded(api, asked, student).get("rows", ()))]}
    answer["count"] = len(answer["rows"])
    return {**_shown(api, asked, answer), "q": "", "status": "", "block": "", "held": False, "behind": None,
            "look": {**look, "wrong": wrong, "exact": exact, "more": len(students) > ROWS, "most": ROWS}}


def _known(api: Api, asked: Visit, look: Mapping[str, str]) -> tuple[list[str], bool]:
    """In the thread that has the key store."""
    read = Read(asked.caller.subject, None, look["purpose"])
    try:
        answer = api.keeper.submit(api.ledger.look_up, look["by"], look["value"], read).result()
    except NotFound:
        return [], True
    return answer["students"], answer["exact"]


def _first(api: Api, asked: Visit, questions: Iterable[tuple[str, dict[str, str]]]) -> Answer:
    """Of the first question that has an answer."""
    answer = dict(_NOTHING)
    try:
        for report, query in questions:
            answer = api.everybody.report(report, {**query, "limit": str(ROWS)})
            if answer["rows"]:
                break
    except Misasked as wrong:
        if wrong.reason != "no-projections":
            raise
        answer["last_position"] = api.ledger.log.last_position()
    return answer


def _shown(api: Api, asked: Visit, answer: Answer) -> dict[str, Any]:
    rows = answer["rows"]
    stored = [row for row in rows if "held" not in row and "kind" not in row]
    held = api.everybody.blocks_of(stored, asked.on) if stored else {}
    return {"tab": "search", "statuses": STATUSES, "kinds": BLOCKS, "by": BY if api.ledger.seals else (),
            "rows": [_in_words({"held": held.get((row["student"], row.get("career")), ()), **row}, asked.language)
                     for row in rows],
            "count": answer["count"], "most_counted": MOST_COUNTED, "following": answer["next"],
            "behind": answer if answer["known_position"] != answer["last_position"] else None}


def _in_words(row: Answer, language: Language) -> Answer:
    """`years`: of the course and of the calendar; `when`: of a block; `held`: blocks as kind and rule."""
    held = {"lane": "blocks", "from": row.get("since"), "until": row.get("until")}
    return {**row, "years": year_and(row, language) or "", "when": when(held, language) if "kind" in row else ""}


def _questions(asked: Visit, wanted: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """One after the other, until one has an answer."""
    query = {"on": asked.on.isoformat()}
    if "cursor" in asked.given:
        yield "blocked" if wanted["block"] else "find", {"cursor": asked.given["cursor"]}
    elif wanted["block"]:
        yield "blocked", {**query, "kind": wanted["block"]}
    else:
        if wanted["status"]:
            query["status"] = wanted["status"]
        text = wanted["q"]
        for name in ("student", "begins", "named") if text else ():
            yield "find", {**query, name: text}
        if not text:
            yield "find", query


def _recorded(api: Api, asked: Visit, text: str) -> Answer:
    try:
        status = api.ledger.status(text, asked.on, asked.known_at)
    except NotFound:
        return {}
    rows = [{"student": text, **one, "held": [(block["kind"], block["rule"]) for block in one["blocks"]]}
            for one in status["careers"]] or [{"student": text, "held": ()}]
    return {"rows": rows, "count": len(rows), "next": None}
