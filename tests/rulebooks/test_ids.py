"""Every rule id that the code can put into an answer can be cited, in each year in which it can: in that year's book or
among the ledger's own rules. The ids are collected from the code; the worked histories check what comes out
(`tests.rules.citations`)."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import ledger
from ledger.domain.checked import names
from ledger.domain.law.catalogue import PREDICATES
from ledger.domain.reasons import UNKNOWN, source_of
from ledger.domain.rulebook import Interpretations, is_register_entry
from ledger.rulebooks.loader import load_books
from ledger.rulebooks.show import cite
from tests.rules.citations import wrong_citations
from tests.sources import parsed

pytestmark = pytest.mark.xdist_group("code")
BOOKS = load_books()
FULL = [year for year in BOOKS.years if BOOKS.of(year) is not None]
FOLDERS = ("domain", "audit", "handling", "intake", "projections", "wire", "relay")
_ID = re.compile(r"[A-Z]{2,4}-[0-9D][0-9A-Za-z]*|[A-Z]{2,}(-[A-Z]+)*|charge-decided")
"""What an id looks like; it is one where its first part is that of one that code obeys or a book has."""


class Use(NamedTuple):
    """An id in the code: the function (or name) at the top of the module around it, and the rules that
    this one asks its book for."""

    rule: str
    module: str
    within: str
    guards: frozenset[str]

    def __str__(self) -> str:
        return f"{self.module}.{self.within}: {self.rule}"


ROOT = Path(ledger.__path__[0])


@cache
def uses() -> list[Use]:
    """All of the code: not while tests are collected."""
    modules = {path.relative_to(ROOT).with_suffix("").as_posix().replace("/", "."): parsed(path)
               for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))}
    marked = {child.value for tree in modules.values() for node in ast.walk(tree) if isinstance(node, ast.Call)
              and isinstance(node.func, ast.Name) and node.func.id == "obeys"
              for child in node.args if isinstance(child, ast.Constant)}
    families = {str(rule).partition("-")[0] for rule in {*marked, *BOOKS.own.rules}}
    found = [use for module, tree in modules.items() for top in tree.body for use in _in(top, module)
             if use.rule.partition("-")[0] in families]
    return sorted({(use.rule, use.module, use.within): use for use in found}.values())


def _in(top: ast.stmt, module: str) -> Iterator[Use]:
    """`obeys` marks, the catalogue and aliases of the book's fields name rules too, but put none into an answer."""
    apart = {id(child) for node in ast.walk(top) if _is_mark(node) for child in ast.walk(node)}
    guards = frozenset(node.attr for node in ast.walk(top) if isinstance(node, ast.Attribute))
    name = getattr(top, "name", None) or next((ast.unparse(t) for t in getattr(top, "targets", [])), "")
    for node in ast.walk(top):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in apart:
            rule = node.value.partition("/")[0]  # of a message: `RIN-3/lapsed`
            if _ID.fullmatch(rule):
                yield Use(rule, module, name, guards)


def _is_mark(node: ast.AST) -> bool:
    return (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            and node.func.id in ("obeys", "here", "elsewhere")) \
        or (isinstance(node, ast.keyword) and node.arg == "alias")


CATALOGUE = {f"{one.asks.__module__.removeprefix('ledger.')}.{one.asks.__name__}": one.rules
             for asked in PREDICATES.values() for one in asked if one.governed}
"""By predicate the rules without which it is not asked."""

ELSEWHERE = {
    "audit.compliance._NOTICES: DEC-1": "says how severe a finding is",
    "audit.compliance._at_the_end: DEC-1": "foreseen asks the book",
    "audit.compliance._NOTICES_ABOUT: DEG-1": "says how severe a finding is",
    "domain.law.degree.graduated_without_paying_to_apply: DEG-1": "the charge was raised by it",
    "domain.law.forfeiture.RULE: DEC-1": "asked of the book where it is used",
    "projections.everybody.reports._changes: DEC-1": "outlook asks the book",
    "projections.student.eligibility.OF_NO_EXAM: RIC-5": "picked out of the reasons that the book gives",
    "projections.student.status._career: DEC-1": "foreseen asks the book",
    "domain.law.suspension.ask_for_interruption: INT-1": "_ask_for asks the book",
    "domain.law.suspension.WINDOW: SOS-1": "year_with_window asks the book",
    "domain.law.career.LEAVING: TRO-1": "year_with_window asks the book",
    "audit.compliance._NOTICES: ISE-6": "says how severe a finding is",
    "domain.law.blocks.instalments_are_paid: BLK-1": "the id of a message; the rule is the block's",
    "domain.law.career.takes_effect: MOR-6": "compared with what an override names",
    "domain.law.degree.ANNULMENTS: LAU-1": "asks for LAU-3, which names the year of the degrees",
    "domain.law.entry.ANNULMENTS: MOR-6": "nothing is annulled where the book lacks it",
    "domain.law.entry.EXCLUDES: MOR-6": "its last day asks the book",
    "domain.law.isee.spare_isee_penalty: ISE-4": "_enrols_late_by_scroll asks the book",
    "domain.law.recognition._place_not_accepted: RIC-9": "the id of a message; the rule is the argument",
    "domain.law.recognition._too_early: RIC-14": "the id of a message; the rule is the argument",
    "domain.law.refunds._NO_REFUND: RIN-11a": "refund_without_right asks the book",
    "domain.law.withdrawal.LAPSES: RIN-3": "a last day is given only where the book has RIN-3",
    "domain.law.withdrawal._lapse: RIN-3": "a stamp with a term is raised only where the book has RIN-3",
}
"""Ids that a year lacks, and what keeps them out of its answers all the same."""


TABLES = {"domain.law.lateness.COSTS", "domain.law.refunds.RIGHTS"}
"""What tells whether a year leaves one of these rules open; none gets into an answer from there."""


def test_ids_are_collected_from_all_of_the_code() -> None:
    found = {use.rule for use in uses()}
    assert {"SEQ", "END", "NO-RULEBOOK", "ATOMIC", "IUV", "MONEY", "ENR", "PREP", "RIN", "MOR-2",
            "MOR-5a", "ESA-1F", "PRN-D", "TKT-1",
            "charge-decided", "AMB-33"} <= found
    assert len(found) > 120


def test_id_in_the_code_can_be_cited_with_its_source() -> None:
    for rule in {use.rule for use in uses()}:
        found = cite(BOOKS, rule)
        assert found["id"] == rule
        assert found["years"] or found["own"], rule
        for year in found["years"]:
            if "says" in year:
                assert source_of(BOOKS.book_of(year["academic_year"]),
                                 rule) == {"document": year["document"], "heading": year["heading"]}, rule


def test_id_is_in_the_book_of_each_year_whose_answers_can_carry_it() -> None:
    """Of a year whose book has no entry the code asks first whether it has one."""
    wrong = {}
    for use in uses():
        lacking = [year for year in FULL if use.rule not in BOOKS.book_of(year).asked]
        asks = use.rule.replace("-", "_") in use.guards or {"entry", "has", "asked"} & use.guards
        if (lacking and not asks and not is_register_entry(use.rule) and str(use) not in ELSEWHERE
                and f"{use.module}.{use.within}" not in TABLES
                and use.rule not in CATALOGUE.get(f"{use.module}.{use.within}", ())):
            wrong[str(use)] = lacking
    assert wrong == {}


def test_exceptions_are_still_in_the_code() -> None:
    assert set(ELSEWHERE) <= {str(use) for use in uses()}
    assert {f"{use.module}.{use.within}" for use in uses()} >= TABLES


LATE_FEE = {"charge": "2019-20:late-fee/instalment-1", "state": "to-come", "rule": "MOR-2"}


@pytest.mark.parametrize(("answer", "wrong"), [
    ({"rule": "MOR-99", "source": source_of(BOOKS.book_of("2025-26"), "MOR-2")}, "MOR-99 cannot be cited"),
    ({"findings": [{"rule": "MOR-2", "source": UNKNOWN}]}, "MOR-2 of some year shows the source"),
    (LATE_FEE | {"source": source_of(BOOKS.book_of("2025-26"), "MOR-2")}, "MOR-2 of 2019-20 shows the source"),
    (LATE_FEE | {"source": source_of(BOOKS.book_of("2019-20"), "MOR-2"),
                 "waivers": [{"rule": "MOR-3", "source": dict(UNKNOWN)}]},
     "MOR-3 of 2019-20 shows the source"),
    ({"rule": "SEQ", "source": source_of(BOOKS.own, "SEQ"), "interpretation": "AMB-999"}, "AMB-999 is in no register"),
    ({"breaches": ["ESA-1", "ESA1"]}, "ESA1 cannot be cited"),
])
def test_wrong_citation_is_found(answer: dict[str, Any], wrong: str) -> None:
    """The check that all histories make."""
    [found] = wrong_citations(answer, BOOKS)
    assert found.startswith(wrong)


def test_right_citation_is_not_found() -> None:
    right = LATE_FEE | {"source": source_of(BOOKS.book_of("2019-20"), "MOR-2"), "interpretation": "AMB-2"}
    assert list(wrong_citations({"charges": [right],
                                 "finding": {"rule": "AMB-33", "source": source_of(BOOKS.own, "AMB-33")}}, BOOKS)) == []


def test_own_rules_say_what_holds_and_rest_on_the_register() -> None:
    for rule, entry in BOOKS.own.rules.items():
        assert entry.says.strip().endswith("."), rule
        assert entry.interpretation is None or is_register_entry(entry.interpretation), rule


def test_every_reading_in_the_code_is_in_the_register() -> None:
    assert {use.rule for use in uses() if use.rule.startswith("AMB-")} <= {name.replace("_", "-")
                                                                         for name in names(Interpretations)}
