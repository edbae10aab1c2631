"""The law tests: one test for each worked history of this folder, in memory; some, and those that are about the ledger
itself, on a new SQLite file. A file is a chapter of the law.

A test's id holds its chapter and its rules, so that `pytest -k /BLK-1/` runs what exercises BLK-1,
and `-k blocks/` the chapter.
"""

from pathlib import Path

import pytest
from pydantic import ValidationError

from ledger.domain import law
from ledger.rulebooks.loader import load_books

from .memory import MemoryLedger
from .runner import History, _Run, failures, histories

FOLDER = Path(__file__).parent
FOUND = [("/".join([path.stem, *history.rules, f" {history.name}"]), history)
         for path in sorted(FOLDER.glob("*.yaml")) for history in histories(path)]


BOOKS = load_books()
EVERY = 12
"""Of so many histories one is told to a ledger that stores."""


def needs_a_ledger(history: History) -> bool:
    """Whether it looks at what the law does not know: clocks, ids that come twice, the numbers of several students."""
    asked = [check.append for check in history.checks if check.append is not None]
    lines = [*history.events, *(line for one in asked for line in getattr(one, "events", [one]))]
    return bool({"FUT", "IUV", "TKT-1"} & set(history.rules)) or any(line.id is not None for line in lines)


@pytest.mark.parametrize("history",
                         [pytest.param(history, id=name) for name, history in FOUND if not needs_a_ledger(history)])
def test_law_answers_as_the_guides_demand(history: History) -> None:
    wrong = list(_Run(MemoryLedger(BOOKS), history).failures())
    assert not wrong, "\n".join([history.name, *wrong])


@pytest.mark.parametrize("history", [pytest.param(history, id=name) for number, (name, history) in enumerate(FOUND)
                                     if number % EVERY == 0 or needs_a_ledger(history)])
def test_ledger_answers_as_the_guides_demand(history: History, tmp_path: Path) -> None:
    wrong = failures(history, f"sqlite:///{tmp_path}/ledger.db")
    assert not wrong, "\n".join([history.name, *wrong])


def test_every_history_has_its_own_name_and_says_which_rules_it_exercises() -> None:
    names = [name for name, _ in FOUND]
    assert sorted(set(names)) == sorted(names)
    assert [name for name, history in FOUND if not history.rules] == []


def test_every_file_of_histories_is_a_chapter_of_the_law() -> None:
    chapters = {path.stem for path in Path(law.__path__[0]).glob("*.py")}
    assert {path.stem for path in FOLDER.glob("*.yaml")} <= chapters | {"years"}


@pytest.mark.parametrize("check", [
    {"status": {"on": "2026-01-10", "career": "B", "expect": {"statuss": "enrolled"}}},
    {"fees": {"on": "2026-01-10", "expect": {"2025-26:enrolment": {"sate": "paid"}}}},
    {"fees": {"on": "2026-01-10", "total": {"overdue": "0.00"}}},
    {"audit": {"on": "2026-01-10", "expect": {"finding": ["BLK-1"]}}},
    {"eligibility": {"on": "2026-01-10", "career": "B"}},
    {"append": {"type": "renounced", "career": "B", "on": "2026-01-10", "expects": "refused"}},
    {},
])
def test_a_misspelt_check_is_rejected_before_it_runs(check: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        History.model_validate({"name": "misspelt", "student": "s", "checks": [check]})


def test_a_wrong_expectation_fails(tmp_path: Path) -> None:
    enrolled = {"type": "enrolled", "career": "B", "on": "2025-09-20", "data": {
        "programme": "L-FIL", "academic_year": "2025-26", "course_type": "bachelor", "access": "open",
        "year": 1, "regime": "full-time"}}
    checks = [{"status": {"on": "2025-09-20", "career": "B", "expect": {"status": "graduated"}}},
              {"fees": {"on": "2025-09-20", "expect": {"2025-26:enrolment": "absent"}, "totals": {"overdue": "1.00"}}},
              {"audit": {"on": "2025-09-20", "expect": {"findings": ["BLK-1"]}}},
              {"append": {"type": "renounced", "career": "B", "on": "2025-09-21"}}]
    history = History.model_validate({"name": "wrong", "student": "s", "events": [enrolled], "checks": checks})
    assert len(failures(history, f"sqlite:///{tmp_path}/ledger.db")) == 5
