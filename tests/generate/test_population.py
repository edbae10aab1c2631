"""The invented population: well formed, lawful but for a stated share, complete in its types, and
the same for the same seed."""

import io
import json
from collections import Counter
from collections.abc import Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ledger.audit.compliance import findings
from ledger.domain.books import LawBooks
from ledger.domain.decisions import Accepted, Mode, Refused, decide
from ledger.domain.events import NOT_SUBMITTED, PAYLOADS, SEALED_ONLY, Event
from ledger.domain.fold import replay
from ledger.domain.knowledge import in_force
from ledger.domain.standing import Standing
from ledger.domain.submissions import Submission, read_submission, recorded
from ledger.generate import Shares, generate, write
from ledger.generate.population import one_student
from ledger.rulebooks.loader import load_books
from tests.sizes import sized

STUDENTS = sized(300, 600)
OBEDIENT, DISTINCT = sized((20, 500), (150, 3000))
AUDIT_ON = date(2026, 9, 30)


@cache
def books() -> LawBooks:
    return load_books()


def submission(line: bytes) -> Submission:
    read = read_submission(json.loads(line))
    assert isinstance(read, Submission), (line, read)
    assert read.recorded_at is not None
    return read


def accepted(lines: Sequence[bytes], mode: Mode) -> list[Event]:
    """The history that is made of one student's lines; what no rule book tells is recorded."""
    standing = Standing(submission(lines[0]).student, books())
    for version, line in enumerate(lines, 1):
        asked = submission(line)
        assert asked.recorded_at is not None
        outcome = decide(standing, asked, asked.recorded_at, books(), mode)
        if isinstance(outcome, Refused) and {r.rule for r in outcome.reasons} <= {"NO-RULEBOOK", "UNKNOWN-VALUE"}:
            outcome = decide(standing, asked, asked.recorded_at, books(), "record")
        assert isinstance(outcome, Accepted), (line, outcome)
        standing.add(recorded(asked, asked.recorded_at, version, outcome.rulebook, outcome.breaches, version))
    return standing.events


def trusted(lines: Sequence[bytes]) -> list[Event]:
    return [recorded(s, s.recorded_at, n, None, (), n) for n, s in enumerate(map(submission, lines),
                                                                             1) if s.recorded_at is not None]


def breaches(history: list[Event]) -> list[dict[str, Any]]:
    return [f for f in findings(history, AUDIT_ON, books()) if f["severity"] == "breach"]


@pytest.mark.faults
@pytest.mark.parametrize("seed", [1, 2])
def test_population_obeys_every_rule_when_the_share_of_breaches_is_nought(seed: int) -> None:
    shares = Shares(breaches=0.0)
    for index in range(OBEDIENT):
        assert breaches(accepted(one_student(index, seed, shares), "enforce")) == []


@pytest.mark.faults
def test_audit_finds_the_stated_share_of_breaches() -> None:
    found = {share: sum(bool(breaches(trusted(one_student(n, 5, Shares(breaches=share)))))
                        for n in range(STUDENTS)) / STUDENTS
             for share in (Shares().breaches, 0.5)}
    assert found[Shares().breaches] == pytest.approx(Shares().breaches, abs=0.03)
    assert found[0.5] == pytest.approx(0.5, abs=0.09)


def test_record_mode_accepts_all_when_rules_are_broken() -> None:
    for index in range(60):
        assert accepted(one_student(index, 9, Shares(breaches=1.0)), "record")


def test_years_without_rules_are_those_without_a_book_when_careers_run_over_all_of_them() -> None:
    unruled: set[str] = set()
    for index in range(80):
        history = trusted(one_student(index, 6, Shares(breaches=0.0)))
        assert not [f for f in findings(history, AUDIT_ON, books()) if f["rule"] == "NO-RULEBOOK"]
        careers = replay(in_force(history), history[0].student, AUDIT_ON, books()).careers.values()
        unruled.update(year for career in careers for year in career.unruled)
    assert {"2020-21", "2021-22", "2022-23"} <= unruled
    assert unruled.isdisjoint(books().years)


def test_population_has_every_type_and_every_kind_of_year() -> None:
    types: Counter[str] = Counter()
    years: Counter[str] = Counter()
    late, lines = 0, 0
    for line in generate(1200, 4):
        shown = json.loads(line)
        types[shown["type"]] += 1
        years[shown["data"].get("academic_year", "")] += 1
        late += shown["recorded_at"][:10] > shown["effective_on"]
        lines += 1
    # nobody is invented who has a ticket and no career, to be linked to somebody later
    assert set(types) == set(PAYLOADS) - SEALED_ONLY - NOT_SUBMITTED - {"ticket-linked"}
    assert {"2017-18", "2019-20", "2022-23", "2024-25", "2025-26"} <= set(years)
    assert late > lines / 200
    assert lines / 1200 == pytest.approx(40, abs=3)


def test_lines_are_the_same_for_the_same_seed_and_a_range_is_a_slice() -> None:
    whole = list(generate(40, 7))
    assert whole == list(generate(40, 7))
    assert whole != list(generate(40, 8))
    by_student = [line for line in whole if b"G000012" <= json.loads(line)["student"].encode() < b"G000020"]
    assert list(generate(8, 7, first=12)) == by_student


def test_recorded_at_rises_within_a_student_and_ends_with_the_last_day() -> None:
    shares = Shares(until=date(2026, 3, 31))
    for index in range(200):
        told = [json.loads(line) for line in one_student(index, 3, shares)]
        moments = [t["recorded_at"] for t in told]
        assert moments == sorted(moments)
        assert all(m[:10] <= "2026-03-31" for m in moments)
        assert len({t["id"] for t in told}) == len(told)


def test_write_makes_the_same_bytes_and_reports_progress(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    count = write(tmp_path / "events.jsonl", 250, 6, None, lambda students, events: steps.append((students, events)))
    content = (tmp_path / "events.jsonl").read_bytes()
    assert content == b"".join(generate(250, 6))
    assert count == content.count(b"\n")
    assert steps[-1] == (250, count)
    assert [p.name for p in tmp_path.iterdir()] == ["events.jsonl"]
    out = io.BytesIO()
    write(out, 250, 6)
    assert out.getvalue() == content


@pytest.mark.parametrize(("field", "given"), [("breaches", 1.5), ("late_payments", -0.1),
                                              ("first_years", (("1999-00", 1.0),))])
def test_shares_name_the_field_that_lies_outside(field: str, given: object) -> None:
    with pytest.raises(ValueError, match=field):
        Shares(**{field: given})


def test_generate_refuses_negative_numbers() -> None:
    with pytest.raises(ValueError, match="numbers from 0"):
        list(generate(-1, 1))


@pytest.mark.faults
def test_ids_are_distinct_also_where_a_breach_took_an_event_away() -> None:
    seen = [(event["student"], event["id"]) for event in map(json.loads,
                                                             generate(DISTINCT, 11, Shares(breaches=1.0, voided=0.2)))]
    assert len(set(seen)) == len(seen)


def test_payment_references_are_valid_and_distinct() -> None:
    """Of pagoPA's scheme with auxiliary digit 3: 17 digits, the last two of them the others modulo 93."""
    told = [json.loads(line) for line in generate(STUDENTS, 11)]
    voided = {one["data"]["event"] for one in told if one["type"] == "event-voided"}
    found = [iuv for one in told if one["id"] not in voided and (iuv := one["data"].get("iuv"))]
    assert len(found) == len(set(found)) > STUDENTS
    assert all(len(iuv) == 17 and int(f"3{iuv[:15]}") % 93 == int(iuv[15:]) for iuv in found)
