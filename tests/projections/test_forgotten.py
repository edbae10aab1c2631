"""Forgetting changes no answer: those about everybody, about each student and of the audit are the same before and
after, byte for byte."""

import json
from datetime import date
from threading import Event as Flag
from typing import Any

import pytest

from ledger.bootstrap import Ledger, open_ledger
from ledger.handling.forgetting import Ordered, forget
from ledger.projections.everybody import open_database
from ledger.store import open_store
from ledger.words import told
from tests.projections.populations import BOOKS, fill, population, tables
from tests.relay.test_forgotten import BY, clock
from tests.sizes import sized

STUDENTS = sized(200, 2000)
DAY = date(2026, 9, 30)


def answers(ledger: Ledger, students: list[str], position: int) -> dict[str, Any]:
    found: dict[str, Any] = {student: [
        ledger.status(student, DAY, None, position), ledger.fees(student, DAY, None, position),
        list(ledger.history(student, DAY, None, position)) if student in students[::20] else []]
        for student in students}
    found["audit"] = list(ledger.audit(on=DAY))
    return {name: json.dumps(told(answer), sort_keys=True) for name, answer in found.items()}


@pytest.mark.faults
def test_answers_projections_and_audit_are_the_same_when_a_tenth_was_forgotten(sqlite_url: str) -> None:
    with open_store(sqlite_url) as store:
        fill(store, population(STUDENTS))
        students = sorted(store.students())
        gone = students[::10]
        with open_ledger(sqlite_url, create=False) as ledger:
            before = answers(ledger, students, store.last_position())
            ledger.project(Flag())
            with open_database(sqlite_url) as database:
                rows = tables(database)
            last = store.last_position()
            for student in gone:
                forget(store, BOOKS, clock, None, Ordered(student, BY, "asked", date(2026, 11, 27), anyway=True))
            assert store.last_position() == last + len(gone) >= last + STUDENTS // 10
            assert answers(ledger, students, last) == before
            ledger.project(Flag())
            with open_database(sqlite_url) as database:
                assert tables(database) == rows
