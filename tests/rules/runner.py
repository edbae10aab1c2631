"""Runs worked histories in-process: the format of spec/scenarios/README.md, without a subprocess for each question.

A file holds several YAML documents, each one student's history with the answers that the guides demand. The form is
checked before anything runs, and every key that is expected must stand in the answer: a misspelt check fails.
One key is added to the format: `rules`, the rule ids that a history exercises.
"""

import json
import os
import pickle
import re
import sys
from collections.abc import Iterator
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ledger.bootstrap import open_ledger
from ledger.domain.checked import names
from ledger.domain.events import ExamBooked
from ledger.words import told

from .citations import wrong_citations

Rule = Annotated[str,
                 Field(pattern=r"^(AMB|ANN|BLK|CHG|CS|DEC|DEG|DS|ESA|INT|ISE|LAU|MOR|PDS|PRE|PRN|PT|RAT|REI|RIC|RIN|RIS"
                                r"|RNW|SOS|TKT|TRO|VRB)-[0-9D]+[a-zF]*$"
                                r"|^(ENR|END|RIN|PREP|FUT|LATE|SEQ|IUV|MONEY|ATOMIC|NO-RULEBOOK|UNKNOWN-VALUE|charge-decided)$")]
Mode = Literal["enforce", "record"]
ChargeField = Literal["charge", "career", "amount", "due_on", "raised_on", "paid", "paid_on", "refunded", "waived",
                      "moved", "outstanding", "overdue", "parts", "state", "accruing", "rule", "interpretation",
                      "refundable"]
CareerField = Literal["status", "programme", "academic_year", "year", "regime", "course_type",
                      "reservation", "cfu", "blocks", "upcoming"]
OPTIONAL = frozenset({"refundable", "reservation"})
"""Keys that an answer may leave out; expecting null then means that it does."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """YAML in which only true and false are booleans, so that `on` stays a word."""


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, found) for tag, found in resolvers if tag != "tag:yaml.org,2002:bool"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))


def load_plain(path: Path) -> Any:
    """The one document of a file, days as they are written."""
    (found,) = yaml.load_all(path.read_text(encoding="utf-8"), _Loader)
    return _plain(found)


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Outcome(_Form):
    outcome: Literal["accepted", "duplicate", "refused", "invalid"]
    reasons: list[Rule] = []


class Line(_Form):
    """One submission; `on` is its effective_on. What is wrong in `data` or in a date is for the ledger to say."""

    type: str
    on: date | str
    id: str | None = None
    student: str | None = None
    career: str | None = None
    recorded_at: datetime | str | None = None
    source: str = "scenario"
    actor: str = "scenario"
    override: Any = None
    data: dict[str, Any] = {}
    expect: Outcome | Literal["accepted", "duplicate", "refused", "invalid"] = "accepted"

    def submission(self, student: str, index: int) -> dict[str, Any]:
        on = str(_plain(self.on))
        found: dict[str, Any] = {
            "id": self.id or f"{student}-{index}", "type": self.type, "student": self.student or student,
            "effective_on": on,
            "recorded_at": _plain(self.recorded_at) or f"{on}T12:00:00Z", "source": self.source,
            "actor": self.actor, "data": self.data}
        if self.career is not None:
            found["career"] = self.career
        if self.override is not None:
            found["override"] = self.override
        if found["recorded_at"] == "none":
            del found["recorded_at"]
        plain: dict[str, Any] = _plain(found)
        return plain


class AppendOne(Line):
    mode: Mode | None = None


class AppendMany(_Form):
    events: list[Line]
    mode: Mode | None = None
    student: str | None = None


class _Question(_Form):
    on: date
    student: str | None = None
    known_at: datetime | None = None


class StatusCheck(_Question):
    career: str
    expect: dict[CareerField, Any]


class FeesCheck(_Question):
    career: str | None = None
    expect: dict[str, Literal["absent"] | dict[ChargeField, Any]] = {}
    totals: dict[Literal["overdue", "to_come", "credit", "unallocated", "unruled_years"], Any] = {}


class EligibilityAnswer(_Form):
    eligible: bool
    reasons: list[Rule] | None = None


class EligibilityCheck(_Question):
    career: str
    course: str
    held_on: date
    session: str
    academic_year: str
    calls_start_on: date
    opens_on: date | None = None
    mode: str | None = None
    expect: EligibilityAnswer


class Findings(_Form):
    findings: list[Rule] = []
    no_findings: list[Rule] = []
    exactly: list[Rule] | None = None


class AuditCheck(_Question):
    career: str | None = None
    expect: Findings


class Check(_Form):
    """Exactly one question or append."""

    status: StatusCheck | None = None
    fees: FeesCheck | None = None
    eligibility: EligibilityCheck | None = None
    audit: AuditCheck | None = None
    append: AppendOne | AppendMany | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("a check is one of status, fees, eligibility, audit, append")
        return self


class History(_Form):
    name: str
    student: str = ""
    mode: Mode = "enforce"
    rules: list[Rule] = []
    events: list[Line] = []
    checks: list[Check]


def histories(path: Path) -> Iterator[History]:
    """The documents of a file, in order. Raises pydantic.ValidationError that names the key which is wrong."""
    for raw in _documents(path):
        yield History.model_validate({"student": path.stem, **raw})


def _documents(path: Path) -> list[dict[str, Any]]:
    """As they were read last, where neither the file nor this one has changed: else each worker spends a second on
    them. They lie beside what Python has compiled."""
    content = path.read_bytes()
    of = sha256(content + Path(__file__).read_bytes()).digest()
    kept = path.parent / "__pycache__" / f"{path.name}.pickle"
    if kept.is_file() and (held := kept.read_bytes()).startswith(of):
        documents: list[dict[str, Any]] = pickle.loads(held[len(of):])  # noqa: S301 - our own
        return documents
    found = [raw for raw in yaml.load_all(content, _Loader) if raw]
    if not sys.dont_write_bytecode:
        kept.parent.mkdir(exist_ok=True)
        begun = kept.with_suffix(f".{os.getpid()}")
        begun.write_bytes(of + pickle.dumps(found))
        begun.replace(kept)
    return found


def failures(history: History, url: str) -> list[str]:
    """What the ledger at `url` (which must be new and empty) answers otherwise than the history
    demands; empty if nothing."""
    ledger = open_ledger(url)
    try:
        return list(_Run(ledger, history).failures())
    finally:
        ledger.close()


class _Run:
    def __init__(self, ledger: Any, history: History) -> None:
        self.ledger, self.history, self.count = ledger, history, 0
        self.told: list[Any] = []
        self.students: dict[str, date] = {}
        """Who has events, and the last day of which the history asks."""

    def failures(self) -> Iterator[str]:
        yield from self._append(list(self.history.events), self.history.mode, self.history.student)
        for check in self.history.checks:
            try:
                yield from self._check(check)
            except Exception as error:  # an answer that cannot be had or read is a failed check, not a failed run
                yield f"{check.model_dump(exclude_none=True, mode='json')}: {type(error).__name__}: {error}"[:600]
        yield from self._citations()

    def _citations(self) -> Iterator[str]:
        """Every id in every outcome and answer; where a history asks for no charges or no audit, in
        those of its last day too."""
        asked = {kind for check in self.history.checks for kind in check.model_fields_set}
        for student, last in self.students.items():
            if "fees" not in asked:
                self.told.append(told(self.ledger.fees(student, last)))
            if "audit" not in asked:
                self.told += map(told, self.ledger.audit([student], last))
        yield from dict.fromkeys(wrong_citations(self.told, self.ledger.books))

    def _check(self, check: Check) -> Iterator[str]:
        if check.append is not None:
            one = check.append
            lines: list[Line] = [one] if isinstance(one, AppendOne) else one.events
            yield from self._append(lines, one.mode or self.history.mode, one.student or self.history.student)
        elif check.status is not None:
            yield from self._status(check.status)
        elif check.fees is not None:
            yield from self._fees(check.fees)
        elif check.eligibility is not None:
            yield from self._eligibility(check.eligibility)
        elif check.audit is not None:
            yield from self._audit(check.audit)

    def _append(self, lines: list[Line], mode: Mode, student: str) -> Iterator[str]:
        sent = []
        for line in lines:
            self.count += 1
            sent.append(json.dumps(line.submission(student, self.count)).encode())
        rows = [told(row) for row in self.ledger.append_lines(sent, mode=mode)]
        self.told += rows
        asked = [date.max.replace(year=1), *(ask.on for check in self.history.checks for ask in (
            check.status, check.fees, check.eligibility, check.audit) if ask is not None)]
        for line, row in zip(lines, rows, strict=False):
            if row["outcome"] == "accepted" and isinstance(line.on, date):
                self.students[line.student or student] = max(line.on, *asked)
        if len(rows) != len(sent):
            yield f"append: {len(rows)} outcomes for {len(sent)} lines"
            return
        for line, row in zip(lines, rows, strict=True):
            wanted = Outcome(outcome=line.expect) if isinstance(line.expect, str) else line.expect
            where = f"append {line.type} {line.on}"
            if row["outcome"] != wanted.outcome:
                yield (f"{where}: outcome {row['outcome']}, expected {wanted.outcome}; "
                       f"{json.dumps(row, default=str)[:400]}")
            if wanted.outcome == "invalid" and not row.get("problems"):
                yield f"{where}: invalid without problems"
            if missing := set(wanted.reasons) - set(_rules(row.get("reasons"))):
                yield f"{where}: reasons {_rules(row.get('reasons'))}, expected also {sorted(missing)}"

    def _known(self, ask: _Question) -> dict[str, Any]:
        return {} if ask.known_at is None else {"known_at": ask.known_at}

    def _status(self, ask: StatusCheck) -> Iterator[str]:
        where = _where("status", ask, ask.career)
        answer = told(self.ledger.status(ask.student or self.history.student, ask.on, **self._known(ask)))
        self.told.append(answer)
        career = next((c for c in answer["careers"] if c["career"] == ask.career), None)
        if career is None:
            yield f"{where}: no such career in the answer"
            return
        for key, value in ask.expect.items():
            if key == "blocks":
                day = ask.on.isoformat()
                kinds = sorted({b["kind"] for b in career["blocks"]
                                if str(b["from"]) <= day and (b.get("until") is None or str(b["until"]) > day)})
                if kinds != sorted(value):
                    yield f"{where}: blocks {kinds}, expected {sorted(value)}"
            else:
                yield from _compare(where, key, value, career)

    def _fees(self, ask: FeesCheck) -> Iterator[str]:
        where = _where("fees", ask, ask.career)
        answer = told(self.ledger.fees(ask.student or self.history.student, ask.on, **self._known(ask)))
        self.told.append(answer)
        charges = {c["charge"]: c for c in answer["charges"] if ask.career in (None, c["career"])}
        for charge, wanted in ask.expect.items():
            if wanted == "absent":
                if charge in charges:
                    yield f"{where}: {charge} should not exist: {json.dumps(charges[charge], default=str)[:300]}"
            elif charge not in charges:
                yield f"{where}: {charge} is missing; have {sorted(charges)}"
            else:
                for key, value in wanted.items():
                    yield from _compare(f"{where}: {charge}", key, value, charges[charge])
        for total, value in ask.totals.items():
            yield from _compare(where, total, value, answer)

    def _eligibility(self, ask: EligibilityCheck) -> Iterator[str]:
        where = _where("eligibility", ask, ask.career)
        call = ExamBooked.model_validate({"mode": "written"} | {
            name: value for name in names(ExamBooked) if (value := getattr(ask, name, None)) is not None})
        answer = told(self.ledger.eligibility(ask.student or self.history.student, ask.on,
                                              ask.career, call, **self._known(ask)))
        self.told.append(answer)
        if answer["eligible"] is not ask.expect.eligible:
            yield f"{where}: eligible {answer['eligible']}, expected {ask.expect.eligible}; {_rules(answer['reasons'])}"
        if ask.expect.reasons is not None and _rules(answer["reasons"]) != sorted(ask.expect.reasons):
            yield f"{where}: reasons {_rules(answer['reasons'])}, expected {sorted(ask.expect.reasons)}"

    def _audit(self, ask: AuditCheck) -> Iterator[str]:
        where = _where("audit", ask, ask.career)
        rows = [told(row) for row in self.ledger.audit(students=(ask.student,) if ask.student else (), on=ask.on,
                                                   **self._known(ask))]
        self.told += rows
        found = sorted({row["rule"] for row in rows if ask.career in (None, row.get("career"))})
        if ask.expect.exactly is not None and found != sorted(ask.expect.exactly):
            yield f"{where}: findings {found}, expected exactly {sorted(ask.expect.exactly)}"
        for rule in set(ask.expect.findings) - set(found):
            yield f"{where}: findings {found}, expected also {rule}"
        for rule in set(ask.expect.no_findings) & set(found):
            yield f"{where}: findings {found}, {rule} should not be there"


def _where(kind: str, ask: _Question, career: str | None) -> str:
    known = f" known at {ask.known_at.isoformat()}" if ask.known_at else ""
    return " ".join(part for part in (kind, ask.on.isoformat() + known, career) if part)


def _compare(where: str, key: str, expected: Any, answer: dict[str, Any]) -> Iterator[str]:
    if key not in answer and key not in OPTIONAL:
        yield f"{where}: there is no {key} in the answer"
    elif not _same(_plain(expected), answer.get(key)):
        yield f"{where}: {key} is {answer.get(key)!r}, expected {_plain(expected)!r}"


def _same(expected: Any, actual: Any) -> bool:
    """Equal; of a mapping only the expected keys are compared, and texts that are both numbers
    are compared to the cent."""
    if isinstance(expected, dict):
        return isinstance(actual, dict) and all(key in actual and _same(value, actual[key])
                                                for key, value in expected.items())
    if isinstance(expected, str) and isinstance(actual, str | int | float):
        try:
            return round(float(expected), 2) == round(float(actual), 2)
        except ValueError:
            return expected == str(actual)
    return bool(expected == actual)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


def _rules(reasons: Any) -> list[str]:
    return sorted({reason["rule"] for reason in reasons or ()})
