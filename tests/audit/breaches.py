"""What the audit says of each rule that is broken (breaches.yaml): for its test and for the page docs/breaches.md."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, model_validator

from ledger.rulebooks.loader import load_books
from ledger.words import told
from tests.handling.histories import lines
from tests.rules.memory import MemoryLedger
from tests.rules.runner import load_plain

FILE = Path(__file__).with_name("breaches.yaml")
Reason = Literal["follows", "permits", "untold", "refused", "unknown"]
STUDENT = "S-1"


class Row(BaseModel):
    """A history with its findings, or why there is none, or the rules that a reading is about."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    start: str | None = None
    events: list[list[Any]] | None = None
    on: date | None = None
    found: list[str] = []
    none: Reason | None = None
    reads: list[str] | None = None

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        if sum(given is not None for given in (self.events, self.none, self.reads)) != 1 or \
                (self.events is None) != (self.on is None):
            raise ValueError("a row has events with a day, or none, or reads")
        return self


@dataclass(frozen=True)
class Finding:
    severity: str
    rule: str
    event: str
    said: dict[str, Any]


@cache
def _file() -> dict[str, Any]:
    return load_plain(FILE)


@cache
def rows() -> dict[str, Row]:
    return {rule: Row.model_validate(row) for rule, row in _file()["rules"].items()}


def submissions(row: Row) -> list[dict[str, Any]]:
    """In the order in which they are recorded; ids are `start-n` and `n`."""
    return [*_told(_start(row.start), "start-"), *_told(row.events or [], "")]


def starts() -> dict[str, list[dict[str, Any]]]:
    return {name: _told(_start(name), "start-") for name in _file()["starts"]}


def _start(name: str | None) -> list[list[Any]]:
    found: list[list[Any]] = []
    for one in _file()["starts"][name] if name is not None else ():
        found += _start(one["start"]) if isinstance(one, dict) else [one]
    return found


def _told(events: list[list[Any]], prefix: str) -> list[dict[str, Any]]:
    found = []
    for number, (type, on, *rest) in enumerate(events, 1):
        one = {"id": f"{prefix}{number}", "type": type, "student": STUDENT, "career": "B", "effective_on": on,
               "recorded_at": f"{on}T12:00:00Z", "source": "test", "actor": "office",
               "data": rest[0] if rest else {}, **(rest[1] if len(rest) > 1 else {})}
        found.append({name: value for name, value in one.items() if value is not None})
    return found


def found_in(row: Row) -> list[Finding]:
    assert row.on is not None
    return audited(submissions(row), row.on)


def audited(history: list[dict[str, Any]], on: date) -> list[Finding]:
    """Recorded as a history is imported, and audited on a day."""
    ledger = MemoryLedger(load_books())
    for outcome in ledger.append_lines(lines(*history), "record"):
        assert outcome["outcome"] == "accepted", (outcome["id"], told(outcome))
    return [Finding(one["severity"], _rule(one), one["event"] or "-", one) for one in ledger.audit(on=on)]


def _rule(one: dict[str, Any]) -> str:
    """Of what no book knows, with the rule that it is about."""
    unknown = one["rule"] == "UNKNOWN-VALUE"
    return f"{one['rule']}({one['message'].values['rule']})" if unknown else one["rule"]
