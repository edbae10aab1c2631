"""A question that is not asked, since a career gives it nothing to speak about, would have said nothing: over all
worked histories and invented students, when acts are decided and when they are audited."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import Any

import pytest
from msgspec.structs import fields

from ledger.audit.compliance import findings
from ledger.domain.law import catalogue, chapter, exams
from ledger.domain.law.chapter import Questions
from ledger.domain.state import Career
from ledger.generate import generate
from tests.sizes import sized

from .memory import MemoryLedger
from .runner import _Run
from .test_rule_that_a_book_lacks import BOOKS, HISTORIES, answers

ON = date(2026, 12, 31)
STUDENTS = sized(20, 100)


class Watched:
    """Asks what is not asked as well. `asked` and `spared` count, by the name of the question."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.spared: Counter[str] = Counter()
        self._of = Questions.of

    def of(self, questions: Questions[Any], career: Career,
           rules: frozenset[str] | None = None) -> tuple[Callable[..., Any], ...]:
        asked = self._of(questions, career, rules)
        self.asked.update(one.__name__ for one in asked)
        return tuple(one.asks if one.asks in asked else self._silent(one.asks) for one in questions
                     if one.asks in asked or not one.governed or rules is None or not rules.isdisjoint(one.rules))

    def _silent(self, question: Callable[..., Any]) -> Callable[..., Any]:
        def ask(*given: Any) -> Any:
            self.spared[question.__name__] += 1
            try:
                found = question(*given)
                said = list(found) if isinstance(found, Iterator) else found
            except Exception as error:  # that it depends on an unknown value is an answer too
                said = error
            if said:
                pytest.fail(f"{question.__name__} is not asked and would have said {said}")
            return found

        return ask


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    found = Watched()
    monkeypatch.setattr(Questions, "of", lambda *given: found.of(*given))
    return found


def check_all(names: Iterable[str]) -> None:
    """Histories: their acts are decided, their questions answered, what was recorded is audited."""
    for name in names:
        ledger = MemoryLedger(BOOKS)
        answers(HISTORIES[name], _Run(ledger, HISTORIES[name]))
        for stream in ledger.streams.values():
            list(findings(stream, ON, BOOKS))


@pytest.mark.faults
def test_what_is_not_asked_would_have_said_nothing(watched: Watched) -> None:
    check_all(HISTORIES)
    ledger = MemoryLedger(BOOKS)
    list(ledger.append_lines(generate(STUDENTS, 5), "record"))
    for events in ledger.streams.values():
        list(findings(events, ON, BOOKS))
    declared = {question.__name__ for question in chapter._READS}
    assert declared - watched.asked.keys() == set()
    assert declared - watched.spared.keys() == set()
    assert watched.spared.total() > watched.asked.total() / 3


def test_declaration_that_leaves_something_out_is_found(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(chapter._READS, exams.call_is_not_booked_already, frozenset({"withdrawals"}))
    monkeypatch.setattr(catalogue.PREDICATES["exam-booked"], "_kept", {})
    with pytest.raises(pytest.fail.Exception, match="call_is_not_booked_already"):
        check_all(HISTORIES)


def test_a_career_begins_without_what_questions_read() -> None:
    parts = {part for read in chapter._READS.values() for part in read}
    assert parts <= {field.name for field in fields(Career)}
    assert not any(getattr(Career("BG-1"), part) for part in parts)
