"""Forgetting changes no answer: those about everybody, about each student and of the audit are the same before and
after, byte for byte. What names the students, and what is protected of their events, is sealed as it is in use."""

import json
from datetime import date
from pathlib import Path
from threading import Event as Flag
from typing import Any

import pytest

from ledger.bootstrap import Ledger, Read, open_ledger
from ledger.domain.events import Event
from ledger.domain.submissions import Submission, read_submission, recorded
from ledger.projections.everybody import open_database
from ledger.store import open_store
from ledger.words import told
from tests.projections.populations import fill, population, tables
from tests.relay.test_forgotten import BY
from tests.sizes import sized

STUDENTS = sized(60, 250, 2000)
DAY = date(2026, 9, 30)
READ = Read("root", None, "test")


def answers(ledger: Ledger, students: list[str], position: int) -> dict[str, Any]:
    found: dict[str, Any] = {student: [
        ledger.status(student, DAY, None, position), ledger.fees(student, DAY, None, position),
        list(ledger.history(student, DAY, None, position)) if student in students[::20] else []]
        for student in students}
    found["audit"] = list(ledger.audit(on=DAY))
    return {name: json.dumps(told(answer), sort_keys=True) for name, answer in found.items()}


def registered(event: Event) -> Event:
    """Who she is, recorded after her last event."""
    one = read_submission({"id": f"{event.student}-person", "type": "person-registered", "student": event.student,
                           "effective_on": "2026-05-25", "recorded_at": "2026-10-01T09:00:00Z", "source": "test",
                           "actor": "test", "data": {"given_name": "Given", "family_name": event.student,
                                                     "tax_code": f"CODE-{event.student}"}}, sealing=True)
    assert isinstance(one, Submission), one
    return recorded(one, max(one.recorded_at, event.recorded_at), event.version + 1, None, ())


@pytest.mark.faults
def test_answers_projections_and_audit_are_the_same_when_a_tenth_was_forgotten(
        sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAREER_LEDGER_MASTER_KEY", str(tmp_path / "master.key"))
    events = population(STUDENTS)
    last_of = {event.student: event for event in events}
    students = sorted(last_of)
    gone = students[::10]
    with open_ledger(sqlite_url, keys=f"sqlite:///{tmp_path / 'keys.db'}") as ledger:
        ledger.new_keys(30)
        assert ledger._sealer is not None
        people = [*map(registered, last_of.values())]
        ledger._sealer.prepare(people)
        sealed = [ledger._sealer.seal(one) for one in (*events, *people)]
        with open_store(sqlite_url) as store:
            fill(store, sealed)
            last = store.last_position()
            assert len(students) * 1.5 < sum(one.sealed is not None for one in sealed) < last
        before = answers(ledger, students, last)
        ledger.project(Flag())
        with open_database(sqlite_url) as database:
            rows = tables(database)
        for student in gone:
            assert ledger.forget(student, BY, "asked", anyway=True)["in_the_clear"] == 0
        assert [who for who in students if ledger.person(who, READ)["person"] is None] == gone
        assert ledger.keys_status()["keys"] == len(students) - len(gone)
        assert answers(ledger, students, last) == before
        ledger.project(Flag())
        with open_database(sqlite_url) as database:
            assert tables(database) == rows
