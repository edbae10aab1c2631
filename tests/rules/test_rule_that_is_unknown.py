"""A rule that a book marks as unknown decides nothing. Each entry of each book is marked in turn: wherever an answer
depends on the rule (it is another one with the rule than without it) the answer with it unknown says so, and no charge,
waiver or block rests on it; any other answer is as it is with the rule, or says which value it would need."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from msgspec import structs

from ledger.domain import decisions
from ledger.domain.books import LawBooks
from ledger.domain.case import Case, Predicate
from ledger.domain.checked import names
from ledger.domain.decisions import Refused
from ledger.domain.law import exams
from ledger.domain.law.catalogue import PREDICATES
from ledger.domain.law.chapter import Questions, against
from ledger.domain.reasons import Reason
from ledger.domain.rulebook import Law, RuleBook, Unknown, UnknownValue
from ledger.domain.submissions import Submission

from .memory import MemoryLedger
from .runner import _Run
from .test_rule_that_a_book_lacks import BOOKS, HISTORIES, answers, in_turn, naming, with_all_rules

pytestmark = pytest.mark.xdist_group("histories")  # each is told once with all rules
NAMING, OTHERS = 1, 1
LOOKED_FOR = "cut off in the page"


def unknowing(year: str, *rules: str) -> LawBooks:
    """All books, that of the year with rules marked as unknown."""
    books = {one: book for one in BOOKS.years if (book := BOOKS.for_single_courses(one)) is not None}
    books[year] = _marked(books[year], rules)
    of_the_year = [structs.replace(stage, books=tuple(_marked(book, rules) for book in stage.books))
                   for stage in BOOKS.stages.get(year, ())]
    stages = BOOKS.stages | {year: of_the_year} if of_the_year else BOOKS.stages
    return LawBooks(books, BOOKS.identities, BOOKS.own, stages)


def _marked(book: RuleBook, rules: tuple[str, ...]) -> RuleBook:
    law = book.rules.marked({rule.replace("-", "_"): (rule, book.academic_year, LOOKED_FOR) for rule in rules})
    unknown = {rule: Unknown(unknown=LOOKED_FOR) for rule in rules}
    return structs.replace(book, rules=law, unknown=book.unknown | unknown)


LEFT_OUT = {("2024-25", "RAT-4"): "the split is unknown there already, and the charge names that; what an officer "
                                  "decided is due on the day of the decision then",
            ("2024-25", "SOS-1"): "whether an act of August falls under the window of the year to come cannot be told "
                                  "then, and it goes to an officer for the year before, which does not know its own"}


def entries() -> Iterator[tuple[str, str]]:
    for year in BOOKS.years:
        book = BOOKS.for_single_courses(year)
        yield from ((year, rule) for rule in book.rules.stated if (year, rule) not in LEFT_OUT) if book else ()


OF_A_PRICE = frozenset({"CHG-14", "CS-9", "CS-12", "RIS-8"})
"""What the price of single courses rests on: of an exam it is told as the price, since the rule would give the ground
of a reduction away."""


class WithAnOfficer(MemoryLedger):
    """Lets every act pass that is `accepted` with all rules and refused for an unknown value alone, so that the state
    stays comparable."""

    def __init__(self, books: LawBooks, accepted: frozenset[str]) -> None:
        super().__init__(books)
        self.accepted = accepted

    def lets_pass(self, asked: Submission, verdict: Refused) -> bool:
        return asked.id in self.accepted and {r.rule for r in verdict.reasons} == {"UNKNOWN-VALUE"}


def accepted(name: str) -> frozenset[str]:
    return frozenset(row["id"] for row in with_all_rules(name).answers
                     if isinstance(row, dict) and row["outcome"] == "accepted")


def says_so(answer: Any, year: str, rule: str) -> bool:
    """Whether an answer names the rule as the one that it would need."""
    if isinstance(answer, dict):
        missing = answer.get("missing")
        return (isinstance(missing, dict) and (missing["rule"], missing["academic_year"]) == (rule, year)) \
            or any(says_so(one, year, rule) for one in answer.values())
    if isinstance(answer, list | tuple):
        return any(says_so(one, year, rule) for one in answer)
    if not isinstance(answer, str) or year not in answer:
        return False
    return (LOOKED_FOR in answer and rule in answer) or (rule in OF_A_PRICE and "CS-4" in answer)


def rests_on(answer: Any, year: str, rule: str, of: str | None = None) -> Iterator[str]:
    """Charges, waivers, refunds and blocks of the year that rest on the rule; BLK-2 is asked of the book of the degree
    and not of the charge. `of`: the year of the answer."""
    if isinstance(answer, dict):
        of = (answer.get("charge") or answer.get("academic_year") or of or "")[:7]
        rests = answer.get("rule") == rule != "BLK-2" and of == year and "missing" not in answer
        if rests and answer.keys() & {"amount", "kind"}:
            yield str(answer)
        for one in answer.values():
            yield from rests_on(one, year, rule, of)
    elif isinstance(answer, list | tuple):
        for one in answer:
            yield from rests_on(one, year, rule, of)


def same(answer: Any, stated: Any, rule: str) -> bool:
    """What is recorded in spite of a rule carries no breach of one that is unknown."""
    if isinstance(answer, dict) and isinstance(stated, dict) and answer.get("outcome") == "accepted":
        return stated["outcome"] == "accepted" and {*stated["breaches"]} - {rule} <= {*answer["breaches"]}
    return bool(answer == stated)


@pytest.mark.parametrize(("year", "rule"), list(entries()))
def test_answers_say_so_when_they_depend_on_an_unknown_rule(year: str, rule: str) -> None:
    unknown, seed = unknowing(year, rule), f"{year} {rule}"
    others = [name for name, history in HISTORIES.items() if rule not in history.rules]
    for name in (*in_turn(naming(rule), seed)[:NAMING], *in_turn(others, seed)[:OTHERS]):
        history = HISTORIES[name]
        found = answers(history, _Run(WithAnOfficer(unknown, accepted(name)), history))
        for number, (one, answer) in enumerate(zip(with_all_rules(name).answers, found, strict=True)):
            assert not list(rests_on(answer, year, rule)), (name, number)
            assert says_so(answer, year, rule) or same(answer, one, rule), (name, number)


ALWAYS_DEPEND = frozenset({
    "application_window_is_open", "booking_has_not_closed", "plan_may_be_agreed", "plan_window_has_opened",
    "renewal_has_opened", "suspension_has_a_listed_ground", "suspension_is_asked_in_its_window",
    "transfer_out_is_asked_in_its_window",
})
"""Predicates that speak of whoever asks: a window, a list of grounds."""


def test_predicates_look_at_the_situation_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a book of which everything is unknown each predicate lets somebody pass: whom it has nothing to ask."""
    nothing = {year: _marked(structs.replace(book, rules=Law()), tuple(
        name.replace("_", "-") for name in names(Law))) for year in BOOKS.years
        if (book := BOOKS.for_single_courses(year)) is not None}
    governed = {one.asks for given in PREDICATES.values() for one in given if one.governed}
    asks = {predicate for predicate in governed if predicate.__name__ not in ALWAYS_DEPEND}

    def watched(case: Case, asked: Questions[Predicate]) -> list[Reason]:
        found = against(case, asked)
        for one in asked:
            if one.asks in asks:
                with suppress(UnknownValue):
                    if one.asks(structs.replace(case, book=nothing[case.book.academic_year])) is None:
                        asks.remove(one.asks)
        return found

    for module in (decisions, exams):
        monkeypatch.setattr(module, "against", watched)
    for name in in_turn(list(HISTORIES), "situation"):
        if not asks:
            return
        answers(HISTORIES[name], _Run(MemoryLedger(BOOKS), HISTORIES[name]))
    assert not {predicate.__name__ for predicate in asks}
