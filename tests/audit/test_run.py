"""The audit of everybody: what it finds is what each student alone and a naive search find, in as many processes as one
likes; and what is new since a checkpoint."""

import csv
import io
import json
from collections import Counter
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ledger.audit.run import Audit, of_everybody
from ledger.audit.totals import Totals
from ledger.bootstrap import HowToAudit, clock, open_ledger
from ledger.domain.knowledge import in_force, known
from ledger.domain.numbers import number_of
from ledger.entrypoints.cli import cli
from ledger.handling.submit import append_lines
from ledger.parallel import How
from ledger.proofs import signing
from ledger.store import EventStore, open_store, workers
from tests.handling.histories import enrolled, lines, submission
from tests.projections.populations import BOOKS, fill, population

ON = date(2026, 10, 31)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "WORTH_EVENTS", 100)  # so that this little is worth two processes
    monkeypatch.setattr(workers, "PART_EVENTS", 300)


def plain(found: dict[str, Any]) -> str:
    return json.dumps(found | {"message": found["message"].as_json()}, sort_keys=True)


def shared_numbers(store: EventStore) -> int:
    """Events that give a number which another student's event gives too, each pair looked at."""
    given = [(number_of(event), student, event.id) for student in store.students()
             for event in in_force(store.stream(student)) if event.effective_on <= ON and number_of(event)]
    return len({one for left, right in combinations(given, 2) if left[0] == right[0] and left[1] != right[1]
                for one in (left, right)})


def test_findings_are_those_of_each_student_alone_however_many_processes_look(store: EventStore, store_url: str,
                                                                              small_parts: None) -> None:
    fill(store, population(40))
    with open_ledger(store_url) as ledger:
        alone = [plain(one) for student in store.students() for one in ledger.audit([student], ON)]
    told: list[int] = []
    totals, answers = Totals(), []
    for count in (1, 2):
        progress = told.append if count == 2 else (lambda _: None)
        found = of_everybody(store_url, Audit(ON, clock()), BOOKS, How(count),
                             lambda done, _, told=progress: told(done))
        answers.append([plain(one) for one in (totals.watched(found) if count == 1 else found)])
    assert len(alone) > 100
    assert answers[0] == answers[1]
    together = Counter(answers[0]) - Counter(alone)
    assert together.total() == shared_numbers(store)
    assert not Counter(alone) - Counter(answers[0])
    assert told == sorted(told)
    assert told[-1] == len(population(40))
    each = [json.loads(one) for one in answers[0]]
    for names in (("rule",), ("programme", "academic_year"), ("rule", "programme", "academic_year")):
        brute = Counter((*(one[name] for name in names), one["severity"]) for one in each)
        counted = {(*(row[name] for name in names), severity): row[severity] for row in totals.by(*names)
                   for severity in ("breach", "derogation", "notice") if row[severity]}
        assert counted == brute
    assert sum(row["findings"] for row in totals.by("rule")) == len(totals) == len(each)


def run(url: str, *words: str, code: int = 1) -> str:
    found = CliRunner().invoke(cli, ["--db", url, *words], prog_name="career-ledger")
    assert found.exit_code == code, found.output
    return found.stdout if code < 2 else found.output


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(signing.VARIABLE, str(tmp_path / "signing.key"))
    return signing.make("ledger.example.edu/careers").verifier


def test_what_is_new_since_a_checkpoint_did_not_hold_as_known_then(sqlite_url: str, tmp_path: Path, key: str,
                                                                   small_parts: None) -> None:
    events, note = population(30), tmp_path / "then.txt"
    half = len(events) * 9 // 10
    with open_store(sqlite_url) as store:
        fill(store, events[:half])
        note.write_text(run(sqlite_url, "checkpoint", code=0))
        fill(store, events[half:])
        everybody = list(store.students())
    with open_ledger(sqlite_url) as ledger:
        since = ledger.since(note, [key])
        assert since.position == half
        then = {plain(one) for student in everybody if known(ledger._store.stream(student), position=half)
                for one in ledger.audit([student], since.on, since.at, None)}
        now = [plain(one) for student in everybody for one in ledger.audit([student], ON)]
        new = [plain(one) for student in everybody for one in ledger.audit([student], ON, how=HowToAudit(since))]
    assert new == [one for one in now if one not in then]
    assert 0 < len(new) < len(now)
    told = [json.loads(row) for row in run(sqlite_url, "audit", "--on", str(ON), "--since", str(note), "--key", key,
                                           "--json", "--workers", "2").splitlines()]
    assert len([one for one in told if one["rule"] not in ("IUV", "TKT-1")]) == \
        len([one for one in map(json.loads, new) if one["rule"] not in ("IUV", "TKT-1")])


def test_number_shared_before_a_checkpoint_is_not_new(store: EventStore, store_url: str) -> None:
    def ticket(student: str, number: str) -> dict[str, Any]:
        one = submission(student, f"{student}-{number}", "ticket-opened", "2026-05-26", number=number, service="office",
                         subject="copy", context="portal")
        return {name: value for name, value in one.items() if name != "career"}

    given = [*enrolled("S1"), *enrolled("S2"), ticket("S1", "7"), ticket("S2", "7"), ticket("S1", "8")]
    list(append_lines(store, BOOKS, lines(*given), "enforce", False, clock))
    end = store.last_position()
    list(append_lines(store, BOOKS, lines(ticket("S2", "8")), "enforce", False, clock))
    with open_ledger(store_url) as ledger:
        from ledger.audit.run import Since

        since = Since(end, clock(), ON)
        found = [one["event"] for one in ledger.audit(on=ON, how=HowToAudit(since)) if one["rule"] == "TKT-1"]
        assert found == ["S1-8", "S2-8"]


def test_checkpoint_that_is_none_of_this_ledger_or_cannot_be_checked_is_refused(sqlite_url: str, tmp_path: Path,
                                                                                key: str, monkeypatch: Any) -> None:
    note = tmp_path / "note.txt"
    with open_store(sqlite_url) as store:
        fill(store, population(1))
    note.write_text(run(sqlite_url, "checkpoint", code=0))
    other = f"sqlite:///{tmp_path}/other.db"
    with open_store(other) as store:
        fill(store, population(1))
    asked = "audit", "--since", str(note)
    assert "has no checkpoint of" in run(other, *asked, "--key", key, code=5)
    with open_store(other) as store:
        fill(store, population(1, first=5))
    forged = note.read_text().split("\n")
    forged[1] = str(int(forged[1]) + 1)
    (tmp_path / "forged.txt").write_text("\n".join(forged))
    run(sqlite_url, "audit", "--since", str(tmp_path / "forged.txt"), "--key", key, code=5)
    monkeypatch.delenv(signing.VARIABLE)
    assert "--key" in run(sqlite_url, *asked, code=5)


@pytest.mark.parametrize("text", ["=2+5", "+39 035", "-1+1", "@SUM(A1)", "\t=1", " =1", "＝1"])
def test_no_cell_of_the_csv_is_a_formula(store: EventStore, store_url: str, text: str) -> None:
    programme = text.strip() if not text.startswith("\t") else "=1"
    given = [*enrolled("S1"), submission("S1", "again", "enrolled", "2025-10-01", programme=programme,
                                         academic_year="2025-26", course_type="bachelor", access="open", year=1,
                                         regime="full-time")]
    list(append_lines(store, BOOKS, lines(*given), "record", False, clock))
    for words in (["--csv"], ["--csv", "--totals"]):
        table = list(csv.reader(io.StringIO(run(store_url, "audit", "--on", str(ON), *words))))
        assert f"'{programme}" in {row[table[0].index("programme")] for row in table}
        assert not [cell for row in table for cell in row if cell.startswith(("=", "+", "-", "@", "＝"))]


def test_amount_that_is_none_is_refused_in_words(sqlite_url: str) -> None:
    for text in ("1.005", "-1", "NaN", "many", "1e12"):
        assert "is no amount" in run(sqlite_url, "audit", "--money-above", text, code=2)
