"""Rectifications (IFS04, IFS05): requests that are tickets of the student until an officer decides on them."""

import json
import secrets
from collections.abc import Sequence
from datetime import date
from typing import Any

from ledger.domain.events import Event, TicketClosed, TicketOpened
from ledger.domain.knowledge import in_force

from .answers import AnswerJson

MESSAGES = {
    "acquired": "Richiesta di rettifica acquisita", "approved": "Richiesta di rettifica approvata",
    "rejected": "Richiesta di rettifica respinta", "cancelled": "Richiesta di rettifica annullata"}
"""In Italian, as all that the services answer."""


def opened(student: str, what: str, asked: AnswerJson, on: date, who: str) -> AnswerJson:
    """A submission. What was asked for is in `request`, as it came, without who it is about."""
    return _ticket(student, what, "rectification", asked.get("reason") or MESSAGES["acquired"],
                   {name: value for name, value in asked.items() if name not in ("tax_code", "person_id")}, on, who)


def issue(student: str, what: str, asked: AnswerJson, on: date, who: str) -> AnswerJson:
    return _ticket(student, what, "issue", asked["subscriber_message"], asked, on, who)


def _ticket(student: str, what: str, kind: str, subject: str, asked: AnswerJson, on: date, who: str) -> AnswerJson:
    number = secrets.token_hex(12)
    return _submission(student, "ticket-opened", f"ticket-{number}", on, f"eservice:{who}", {
        "number": number, "service": what[:5].upper(), "subject": subject, "context": what, "kind": kind,
        "request": json.dumps(asked, ensure_ascii=False, sort_keys=True)[:20_000]})


def closed(student: str, number: str, outcome: str, on: date, actor: str, answer: str | None = None) -> AnswerJson:
    return _submission(student, "ticket-closed", f"ticket-{number}-closed", on, actor, {
        "number": number, "outcome": outcome, "answer": answer or MESSAGES[outcome]})


def _submission(student: str, kind: str, id: str, on: date, actor: str, data: AnswerJson) -> AnswerJson:
    return {"id": id, "type": kind, "student": student, "effective_on": on.isoformat(), "source": "eservices",
            "actor": actor, "data": data}


def requests(events: Sequence[Event], what: str) -> dict[str, str]:
    """By file code, in the order in which they came, how each request of this service stands."""
    found: dict[str, Any] = {}
    for event in in_force(events):
        data = event.data
        if isinstance(data, TicketOpened) and data.kind == "rectification" and data.service == what[:5].upper():
            found[data.number] = "acquired"
        elif isinstance(data, TicketClosed) and found.get(data.number) == "acquired":
            found[data.number] = data.outcome or "rejected"
    return found


def detail(done: bool, status: str | None, code: str | None) -> AnswerJson:
    return {"response_code": "approved" if done else "rejected", "file_status": status, "file_code": code,
            "message": MESSAGES[status or "rejected"]}
