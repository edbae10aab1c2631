"""Events with something to seal. Everybody is invented, and no code could be a person's."""

from datetime import date, datetime, timezone
from typing import Any

from ledger.domain.events import PAYLOADS, Event, PersonForgotten
from ledger.domain.submissions import Submission

MARK = "SOWN"
AT = datetime(2026, 3, 1, 9, tzinfo=timezone.utc)


def event(student: str, version: int, type: str = "ticket-closed", id: str | None = None, **data: Any) -> Event:
    return Event(id or f"{student}-{version}", type, student, None, date(2026, 3, 1), AT, "test", "system:test",
                 PAYLOADS[type].model_validate(data), version, version)


def ticket(student: str, version: int, answer: str = MARK + "answer") -> Event:
    return event(student, version, number="7", answer=answer)


def submitted(student: str, of: Event | None = None) -> Submission:
    one = of or ticket(student, 1)
    return Submission(one.id, one.type, one.student, None, one.effective_on, None, one.source, one.actor, one.data)


def person(student: str, version: int = 1, code: str | None = "CODE-" + MARK, **more: Any) -> Event:
    given = {"given_name": "Zoë-Anna", "family_name": "D’Invènto", "birth_date": "1999-01-31", "tax_code": code} | more
    return event(student, version, "person-registered", **{name: value for name, value in given.items() if value})


def forgotten(student: str, version: int) -> Event:
    return Event(f"{student}-gone", "person-forgotten", student, None, date(2026, 3, 1), AT, "test", "system:test",
                 PersonForgotten(authorities=("a", "b")), version, version)
