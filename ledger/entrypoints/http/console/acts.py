"""What somebody does on a page: supposing acts that nobody has made, and recording one."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from hashlib import blake2b
from typing import Any, NamedTuple
from uuid import uuid4

from pydantic import ValidationError

from ledger.bootstrap import Answer, Ledger, WhatIf
from ledger.domain.events import ABOUT_THE_PERSON
from ledger.domain.form import Problem
from ledger.domain.knowledge import NotFound
from ledger.domain.phrases import says
from ledger.domain.submissions import Submission
from ledger.entrypoints import facts
from ledger.entrypoints.compared import cells
from ledger.handling.group import STALE
from ledger.handling.lines import decode_line
from ledger.handling.submit import read_form
from ledger.words import Language, told
from ledger.words.entries import named

from ..api import Api, must_be_officer
from ..asked import whole
from ..pages import event_name
from ..problems import Misasked
from .fields import FIRST, OFFERED, TYPES, cell, fields, rows, submission
from .visit import AskedDays, Visit

MOST_SUPPOSED = 20


def form_of(ledger: Ledger, asked: Visit, student: str, type: str, given: Mapping[str, str]) -> dict[str, Any]:
    """What the form of an act shows. `given`: with what it is filled in."""
    try:
        fees = ledger.fees(student, asked.on, asked.known_at)
        careers = [one["career"] for one in ledger.status(student, asked.on, asked.known_at)["careers"]]
    except NotFound:  # of her the first thing is to be recorded
        fees, careers = {"charges": []}, []
    values = {"effective_on": asked.on.isoformat(), "career": careers[-1] if careers else "", **given}
    held = {field.name: rows(field, given) for field in fields(type) if field.kind == "rows"}
    return {"type": type, "types": TYPES, "fields": fields(type), "values": values, "careers": careers,
            "rows": {name: several + [{}] * max(given.get("do") == f"row-{name}", not several)
                     for name, several in held.items()}, "cell": cell,
            "of_a_career": type not in ABOUT_THE_PERSON,
            "charges": list(dict.fromkeys(one["charge"] for one in fees["charges"]))}


def type_of(given: Mapping[str, str]) -> str:
    """Raises Misasked for one that no form offers."""
    found = given.get("type", FIRST)
    if found not in OFFERED:
        raise Misasked(404, "not-found", says("console/no-such-type"))
    return found


# What if


class Suppositions(NamedTuple):
    """The acts that a page carries with it; what is wrong with the form of the one that was to be added; what its form
    is filled in with."""

    listed: list[Answer]
    wrong: Answer | None = None
    kept: Mapping[str, str] = {}


def supposed(api: Api, asked: Visit, student: str, given: Mapping[str, str]) -> Suppositions:
    """What a page carries with it, and what is asked of it. Raises Misasked."""
    if "pay" in given:  # of a block's card
        act = {"effective_on": asked.on.isoformat(), "career": given.get("career", ""),
               "data.charge": given["pay"], "data.amount": given.get("amount", "")}
        return Suppositions([submission("instalment-paid", student, act, "supposed-1", asked.caller.subject)])
    listed = decode_line(given.get("supposed", "[]").encode())
    if listed is None or isinstance(listed, Problem):
        raise Misasked(400, "bad-query", says("http/query"))
    if not isinstance(listed, list) or len(listed) > MOST_SUPPOSED or not all(map(_is_act, listed)):
        raise Misasked(422, "invalid", says("http/list", at_most=MOST_SUPPOSED))
    do, kept, wrong = given.get("do", ""), given if not given.get("do", "").startswith("drop-") else {}, None
    if do == "add":
        if len(listed) == MOST_SUPPOSED:
            raise Misasked(422, "invalid", says("http/list", at_most=MOST_SUPPOSED))
        one = submission(type_of(given), student, given, "supposed", asked.caller.subject)
        form = read_form(one, api.ledger.seals)
        if isinstance(form, Submission):
            listed.append(one)
            kept = {}
        else:
            wrong = outcome_of(told(on_a_form(form), asked.language), asked.language)
    elif do.startswith("drop-"):
        listed = [one for n, one in enumerate(listed) if n != whole(do[5:])]
    return Suppositions([{**one, "id": f"supposed-{n}", "student": student} for n, one in enumerate(listed, 1)],
                    wrong, kept)


def _is_act(one: Any) -> bool:
    """What a page of ours could have carried with it, right or wrong as its outcome will say."""
    return isinstance(one, dict) and one.get("type") in OFFERED and isinstance(one.get("data"), dict) and isinstance(
        one.get("effective_on"), str)


def compared(api: Api, asked: Visit, student: str, listed: Sequence[Answer]) -> dict[str, Any]:
    """What would come of them."""
    if not listed:
        return {"listed": [], "result": None, "carried": "[]"}
    day = max([asked.on, *filter(None, (_day(one["effective_on"]) for one in listed))])
    found = told(api.decide(api.ledger.what_if, student, enumerate(listed, 1), WhatIf(day, asked.known_at)),
                 asked.language)
    table = list(cells(found, asked.language))
    return {"carried": json.dumps(listed), "listed": [
        {**in_words(one, asked.language), "outcome": outcome_of(outcome, asked.language)}
        for one, outcome in zip(listed, found["outcomes"], strict=True)],
        "result": {"on": found["on"], "changes": found["changes"],
                   "changed": [one for one in table if one.mark != "same"],
                   "same": [one for one in table if one.mark == "same"],
                   "blocks": [{"career": career["career"], **block} for career in found["after"]["status"]["careers"]
                              for block in career["blocks"]],
                   "next_blocks": _next_blocks(found["after"]["status"])}}


def _next_blocks(status: Answer) -> list[Answer]:
    """Those that begin next if nothing else happens, all on one day: what frees her today may not do for long."""
    coming = [{"career": career["career"], **change} for career in status["careers"] for change in career["upcoming"]
              if change["what"] == "block" and change["begins"]]
    return [one for one in coming if one["on"] == min(each["on"] for each in coming)]


def _day(text: str) -> date | None:
    """None for what no answer could be about."""
    with suppress(ValidationError):
        return AskedDays.model_validate({"on": text}).on
    return None


def in_words(one: Answer, language: Language) -> Answer:
    """An act in a line."""
    try:
        told_so = ", ".join(facts.said(one["data"], language))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):  # its outcome says what is wrong
        told_so = ", ".join(str(value) for value in one["data"].values())
    return {"name": event_name(one["type"], language), "says": told_so, "career": one.get("career"),
            "on": _day(one["effective_on"])}


_ON_A_FORM = {"form/money": says("console/amount"), "form/day": says("console/day"),
              "form/whole-number": says("console/whole-number"), "form/text": says("form/missing")}
"""What a program must mind in JSON, and what a person on a form."""


def on_a_form(outcome: Answer) -> Answer:
    """`outcome`: not in words yet."""
    problems = outcome.get("problems")
    return outcome if not problems else {**outcome, "problems": [
        {**one, "message": _ON_A_FORM.get(one["message"].id, one["message"])} for one in problems]}


def outcome_of(outcome: Answer, language: Language) -> Answer:
    """`outcome`: in words. `wrong`: each field that is not right, by its name on the form."""
    wrong = [{"of": _field_name(one["path"], language), "path": one["path"], "says": one["message"]}
             for one in outcome.get("problems", ())]
    return {**outcome, "reasons": outcome.get("reasons", []), "wrong": wrong}


def _field_name(path: str, language: Language) -> str:
    """That of a row by its number: courses 2: CFU."""
    told = ""
    for part in path.split("."):
        if part.isdecimal():
            told += f" {int(part) + 1}"
        elif part != "data":
            told += (": " if told else "") + named("field", part, language)
    return told


# Recording


def voiding(event: Answer) -> dict[str, str]:
    """What fills in the form that voids it."""
    return {"data.event": event["id"], "career": event.get("career") or ""}


Enter = Callable[[Submission, int], Answer]
"""Stores a submission under the version of its student that the page knew, and waits for the outcome."""


class EventMade(NamedTuple):
    """Where the event is that was recorded."""

    version: int


def entered(api: Api, enter: Enter, asked: Visit, student: str,
            given: Mapping[str, str]) -> "EventMade | dict[str, Any]":
    """Checks an act or records it, as the form says; else what the page shows."""
    raw = submission(type_of(given), student, given, given.get("id") or f"console-{uuid4().hex}", asked.caller.subject)
    raw |= _override(given)
    do = given.get("do")
    if do not in ("check", "record"):
        return {"outcome": None, "changes": [], "id": raw["id"], "version": head(api, student), "stale": False,
                "checked": ""}
    version, checked = _version(given), _digest(raw)
    if do == "record" and given.get("checked") != checked:  # it was changed since
        do = "check"
    changes: list[Answer] = []
    form = read_form(raw, api.ledger.seals)
    if not isinstance(form, Submission):
        outcome = form
    else:
        must_be_officer(asked.request, [form])
        if do == "record":
            outcome = enter(form, version)
            if outcome["outcome"] in ("accepted", "duplicate"):
                return EventMade(outcome["version"])
        else:
            outcome = api.decide(api.ledger.dry_run, student, form)
            if outcome["outcome"] == "accepted" and version:
                changes = _changes(api, student, raw)
    stale = outcome["outcome"] == STALE
    return {"outcome": None if stale else outcome_of(told(on_a_form(outcome), asked.language), asked.language),
            "changes": told(changes, asked.language), "id": raw["id"], "stale": stale, "checked": checked,
            "version": outcome["version"] if stale else version}


def _digest(raw: Answer) -> str:
    """What tells one act from another."""
    return blake2b(json.dumps(raw, sort_keys=True).encode(), digest_size=12).hexdigest()


def _override(given: Mapping[str, str]) -> dict[str, Any]:
    """A derogation from each of the rules that the form names."""
    if not given.get("authority", "").strip():
        return {}
    why = {"authority": given["authority"].strip(), "reason": given.get("reason", "").strip()}
    return {"override": [{"rule": rule, **why} for rule in given.get("rules", "").split()]}


def _version(given: Mapping[str, str]) -> int:
    """Of the student's record as the page knew it. Raises Misasked."""
    found = whole(given.get("version", ""), 18)
    if found < 0:
        raise Misasked(400, "bad-query", says("http/query"))
    return found


def head(api: Api, student: str) -> int:
    """0 for a student of whom nothing is recorded."""
    try:
        return int(api.ledger.head(student)["version"])
    except NotFound:
        return 0


def _changes(api: Api, student: str, raw: Answer) -> list[Answer]:
    """What it would change."""
    found: list[Answer] = api.decide(api.ledger.what_if, student, [(1, raw)], WhatIf())["changes"]
    return found
