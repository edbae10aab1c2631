"""A ledger with a key store and a student, and its ticket desk over HTTP."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.bootstrap import Ledger, open_ledger
from ledger.edges import web
from ledger.edges.callers import OPERATOR, STUDENT, Caller
from tests.desk import Client, served
from tests.eservices.conftest import Clock, clock

from .test_form import FORM

__all__ = ["clock"]
ADA = "S-ADA"
HERS = Caller("ada", frozenset({STUDENT}), ADA)


@pytest.fixture
def keys_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CAREER_LEDGER_MASTER_KEY", str(tmp_path / "master.key"))
    return f"sqlite:///{tmp_path / 'keys.db'}"


@pytest.fixture
def url(tmp_path: Path, keys_url: str, clock: Clock) -> str:
    """Of a ledger that knows one student."""
    found = f"sqlite:///{tmp_path / 'ledger.db'}"
    with open_ledger(found, True, None, keys_url) as made:
        made.new_keys(300)
        record(made, "person-registered", None, given_name="Ada", family_name="Rossi",
               email="a.rossi@studenti.unibg.it")
        record(made, "enrolled", "B", programme="Filosofia", academic_year="2025-26", course_type="bachelor",
               access="open", year=1, regime="full-time")
    return found


def record(ledger: Ledger, kind: str, career: str | None, student: str = ADA, **data: Any) -> None:
    event = {"id": f"{student}-{kind}", "type": kind, "student": student, "effective_on": "2025-09-20", "source": "t",
             "actor": "t", "data": data} | ({"career": career} if career else {})
    assert [one["outcome"] for one in ledger.append_lines([json.dumps(event).encode()], "record")] == ["accepted"]


@pytest.fixture
def client(url: str, keys_url: str) -> Iterator[Client]:
    with served(url, keys_url) as made:
        yield made


@pytest.fixture
def herself(client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Whoever asks is the student."""
    monkeypatch.setattr(web, "OPERATOR", HERS)
    yield client
    monkeypatch.setattr(web, "OPERATOR", OPERATOR)


def form(number: int = 1, **given: Any) -> dict[str, Any]:
    return {name: value for name, value in (FORM | {"id": f"a-form-of-sixteen-{number}"} | given).items()
            if value is not None}
