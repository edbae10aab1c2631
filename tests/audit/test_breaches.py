"""Each rule that can be broken by what is recorded is found when it is."""

from pathlib import Path

import pytest
import yaml

from ledger.bootstrap import open_ledger
from ledger.words import LANGUAGES, sentence
from tests.handling.histories import lines
from tests.rule_table import ROOT, rules_of_the_books
from tests.rules.memory import MemoryLedger

from .breaches import as_finding, books, history, in_memory, lawful, rows, start

BROKEN = {rule: row for rule, row in rows().items() if row.events is not None}


@pytest.mark.parametrize("rule", BROKEN)
def test_what_breaks_a_rule_is_found_and_nothing_else(rule: str) -> None:
    row = BROKEN[rule]
    found = in_memory(history(row), row.on)
    assert sorted(map(str, found)) == sorted(row.found)
    for one in found:
        assert len({sentence(one.said["message"], language) for language in LANGUAGES}) == len(LANGUAGES)
    before = set(map(str, in_memory(start(row), row.on))) if row.start else set()
    assert row.found[0] not in before, "the history breaks it before its own events"


@pytest.mark.parametrize("rule", [rule for rule, row in BROKEN.items() if row.lawfully])
def test_nearest_lawful_history_is_silent(rule: str) -> None:
    row = lawful(BROKEN[rule])
    assert [str(one) for one in in_memory(history(row), row.on)] == []


def test_what_is_found_is_the_same_where_it_was_imported_into_a_ledger(tmp_path: Path) -> None:
    """All histories beside each other."""
    with open_ledger(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        given = lines(*(one for rule, row in BROKEN.items() for one in history(row, rule)))
        assert [one for one in ledger.append_lines(given, mode="record") if one["outcome"] != "accepted"] == []
        for rule, row in BROKEN.items():
            assert sorted(str(as_finding(one)) for one in ledger.audit([rule], row.on)) == sorted(row.found), rule


@pytest.mark.parametrize("rule", [rule for rule, row in rows().items() if row.refused is not None])
def test_what_is_said_to_be_taken_in_no_mode_is_not(rule: str) -> None:
    outcomes = list(MemoryLedger(books()).append_lines(lines(*history(rows()[rule])), "record"))
    assert outcomes[-1]["outcome"] == "invalid"


def test_every_rule_has_a_row_and_every_row_a_rule() -> None:
    listed = yaml.safe_load((ROOT / "tests" / "rule_ids.yaml").read_text())
    ids = {rule for group in listed["ids"] for rule in group} | rules_of_the_books().keys()
    assert rows().keys() == ids
    for rule, row in rows().items():
        for other in row.reads or ():
            assert rows()[other].reads is None, f"{rule} reads {other}, which reads others"
        assert row.none != "untold" or bool(row.why) != (rule in listed["cannot_act"]), rule
