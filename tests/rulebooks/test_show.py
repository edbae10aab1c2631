"""What `rules show`, `rules diff` and `rules cite` are made of."""

import json

import pytest

from ledger.domain.books import LawBooks
from ledger.rulebooks.loader import load_books
from ledger.rulebooks.show import cite, diff, show


@pytest.fixture(scope="module")
def books() -> LawBooks:
    return load_books()


def test_show_gives_a_rule_with_source_values_and_interpretation(books: LawBooks) -> None:
    shown = show(books, "2025-26")
    assert (shown["academic_year"], shown["id"], shown["sha256"]) == ("2025-26", *books.identities["2025-26"])
    rule = next(r for r in shown["rules"] if r["rule"] == "BLK-1")
    assert rule["document"] == "Guida dello studente 2025-26"
    assert rule["heading"] == "8. CONTRIBUZIONE STUDENTESCA / Rateizzazione pagamenti"
    assert rule["values"] == {"days": 30}
    assert rule["interpretation"]["id"] == "AMB-1"
    assert rule["interpretation"]["decision"] == "section-8"
    assert "Section 8" in rule["interpretation"]["decided"]


@pytest.mark.parametrize("year", ["2019-20", "2024-25", "2025-26"])
def test_show_is_json(books: LawBooks, year: str) -> None:
    assert json.loads(json.dumps(show(books, year))) == show(books, year)


def test_diff_lists_what_one_year_knows_and_what_changed(books: LawBooks) -> None:
    found = diff(books, "2019-20", "2025-26")
    assert json.loads(json.dumps(found)) == found
    assert {r["rule"] for r in found["only_in"]["2019-20"]} == {"PRE-10", "RIC-8", "RNW-1"}
    assert "BLK-1" in {r["rule"] for r in found["only_in"]["2025-26"]}
    changed = {r["rule"]: r for r in found["changed"]}
    assert changed["BLK-3"]["values"] == {"days": {"2019-20": 30, "2025-26": None},
                                          "deadline": {"2019-20": None, "2025-26": "2026-09-30"}}
    assert changed["PRN-2"]["values"] == {"days": {"2019-20": 30, "2025-26": 15}}
    assert changed["CS-6"]["interpretation"] == {"2019-20": "AMB-2", "2025-26": "AMB-16"}
    assert not {"MOR-1", "ANN-1", "RAT-5"} & set(changed)


def test_diff_lists_rules_whose_words_alone_differ_and_apart_those_that_only_stand_elsewhere(books: LawBooks) -> None:
    found = diff(books, "2019-20", "2025-26")
    words = {r["rule"]: r for r in found["changed"] if not r["values"] and "interpretation" not in r}
    assert {"RIC-4", "RIN-6", "DS-1", "PREP"} <= set(words)
    assert all(len(set(r["says"].values())) == 2 for r in words.values())
    assert words["DS-1"]["heading"] == {"2019-20": "DIPLOMA SUPPLEMENT", "2025-26": "12. DIPLOMA SUPPLEMENT"}
    moved = {r["rule"] for r in found["moved"]}
    assert {"MOR-1", "ANN-1", "RAT-5"} <= moved
    assert not moved & {r["rule"] for r in found["changed"]}


def test_diff_of_a_year_with_itself_is_empty(books: LawBooks) -> None:
    found = diff(books, "2025-26", "2025-26")
    assert found["changed"] == found["moved"] == found["decisions"] == found["only_in"]["2025-26"] == []


def test_cite_gives_a_rule_in_every_year_that_has_it(books: LawBooks) -> None:
    assert [(y["academic_year"], "unknown" in y) for y in cite(books, "cs-4")["years"]] == [
        ("2019-20", False), ("2023-24", True), ("2024-25", False), ("2025-26", False)]
    assert [y["academic_year"] for y in cite(books, "BLK-1")["years"]] == ["2023-24", "2024-25", "2025-26"]


def test_cite_of_an_interpretation_lists_the_rules_that_rest_on_it(books: LawBooks) -> None:
    found = cite(books, "AMB-16")
    assert found["id"] == "AMB-16"
    assert {y["academic_year"]: y["rules"] for y in found["years"]} == {"2019-20": [], "2023-24": [],
                                                                        "2024-25": ["CS-6"], "2025-26": ["CS-6"]}


def test_cite_gives_the_ledgers_own_rules(books: LawBooks) -> None:
    found = cite(books, "no-rulebook")
    assert (found["id"], found["years"]) == ("NO-RULEBOOK", [])
    assert found["own"]["document"] == "Career ledger, published language"
    assert found["own"]["interpretation"]["id"] == "AMB-33"
    plan = cite(books, "RAT-7")
    assert [y["academic_year"] for y in plan["years"]] == ["2023-24", "2024-25", "2025-26"]
    assert "an officer decides" in plan["own"]["says"]


def test_unknown_year_and_id_say_what_exists(books: LawBooks) -> None:
    with pytest.raises(LookupError, match=r"missing/book.*2018-19.*2019-20.*2023-24.*2024-25.*2025-26"):
        show(books, "2018-19")
    with pytest.raises(LookupError, match=r"missing/book.*2030-31"):
        diff(books, "2025-26", "2030-31")
    with pytest.raises(LookupError, match=r"missing/rule-near"):
        cite(books, "BLK-11")
    with pytest.raises(LookupError, match=r"missing/rule'"):
        cite(books, "???")


def test_diff_calls_no_rule_one_of_a_single_year_when_the_other_marks_it_as_unknown() -> None:
    books = load_books()
    found = diff(books, "2023-24", "2024-25")
    assert "RAT-5" in found["unknown"]["2024-25"]
    assert "RAT-5" not in {rule["rule"] for year in ("2023-24", "2024-25") for rule in found["only_in"][year]}
    assert show(books, "2024-25")["unknown"]["RAT-5"]
    assert show(books, "2019-20")["denied"]["BLK-1"]["document"] == "Guida dello studente 2019-20"
