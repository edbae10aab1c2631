"""Where nobody reads no sentence is made; who reads is answered in the language that was asked for."""

from itertools import islice
from typing import Any

import pytest

from ledger.domain.phrases import Phrase, Remedy, says, verbatim
from ledger.domain.timelines import timelines
from ledger.generate.population import generate
from ledger.handling.submit import append_lines
from ledger.relay import states as relayed
from ledger.relay.states import states
from ledger.rulebooks.loader import load_books
from ledger.store import open_store
from ledger.wire.message import encode
from ledger.wire.state import BlockSpan
from ledger.words import catalogue, sentence, told
from ledger.words.accepted import preferred

from ..handling.histories import clock

BOOKS = load_books()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the messages of which sentences were made."""
    found: list[str] = []
    real = catalogue._filled

    def counted(phrase: Phrase, *rest: Any) -> str:
        found.append(phrase.id)
        return real(phrase, *rest)

    monkeypatch.setattr(catalogue, "_filled", counted)
    return found


def test_no_sentence_is_made_when_events_are_imported_and_their_rows_computed(tmp_path: Any, made: list[str]) -> None:
    """What the import decides and what rebuild and followers compute; the relay makes those of
    blocks, which its form asks for, once."""
    store = open_store(f"sqlite:///{tmp_path / 'ledger.db'}", True)
    outcomes = list(append_lines(store, BOOKS, islice(generate(12, 5), 100), "record", False, clock))
    assert [one["outcome"] for one in outcomes] == ["accepted"] * 100
    blocked = False
    for student in store.students(lambda _: None):
        rows = timelines(store.stream(student), student, BOOKS)
        blocked = blocked or bool(rows["blocks"])
    assert blocked
    assert made == []
    relayed._words.cache_clear()
    said = [(block["message_id"], str(block["params"])) for student in store.students(lambda _: None)
            for state in states(store.stream(student), student, BOOKS) for block in state["blocks"]]
    assert 0 < len(made) == 2 * len(set(said)), "each once: its sentence and its remedy"
    made.clear()
    for student in store.students(lambda _: None):
        list(states(store.stream(student), student, BOOKS))
    assert made == []
    store.close()


@pytest.mark.parametrize(("accepted", "language"), [
    ("", "en"), ("it", "it"), ("it-IT,it;q=0.9,en;q=0.8", "it"), ("en-GB, it;q=0.9", "en"),
    ("de, it;q=0.5, en;q=0.7", "en"), ("fr", "en"),
    ("it;q=0, en;q=0.1", "en"), ("it;q=x", "en"), (",;;,IT", "it")])
def test_gate_answers_in_the_language_that_the_header_wants_most(accepted: str, language: str) -> None:
    assert preferred(accepted) == language


def test_block_is_told_in_words_of_today_when_the_state_has_an_id_and_in_its_own_when_it_has_none() -> None:
    block: dict[str, Any] = {
        "from": "2026-03-20", "kind": "exam-booking", "since": "2026-03-20", "rule": "BLK-1",
        "reason": "Unpaid.", "how_to_lift": "pay",
        "academic_year": "2025-26", "source": {"document": "d", "heading": "h"}}
    said = says("BLK-1/surcharge", charge="2025-26:late-fee/instalment-1", amount="40.00")
    newer, older = (BlockSpan.model_validate_json(encode(one)) for one in (block | said.as_json(), block))
    assert told(newer.phrase(),
                "it") == "Importo aggiuntivo per ritardato pagamento (prima rata) 2025-26: il pagamento non risulta."
    assert older.phrase() == verbatim("Unpaid.", "pay")
    assert told({"message": older.phrase()}, "it") == {"message": "Unpaid."}


@pytest.mark.parametrize("said", [
    Phrase("BLK-99/later", {"charge": "2025-26:instalment-1"}), Phrase("BLK-1/surcharge", {"amount": "40.00"}),
    Phrase("BLK-1/surcharge", {"charge": "2025-26:instalment-1", "amount": "40.00", "something_new": 1}),
    Phrase("BLK-1/surcharge", {"charge": "2025-26:instalment-1", "amount": "a lot"}),
    Phrase("BLK-2", {"charge": "2025-26:instalment-1", "due_on": [2026, 2, 17], "amount": "40.00"}),
], ids=["unknown id", "missing value", "unknown value", "value of another form", "value of another type"])
def test_block_is_told_in_its_own_words_when_another_release_says_it_otherwise(said: Phrase) -> None:
    """Relay and gate are not brought up to date at the same moment."""
    block: dict[str, Any] = {
        "from": "2026-03-20", "kind": "exam-booking", "since": "2026-03-20", "rule": "BLK-1",
        "reason": "Unpaid.", "how_to_lift": "pay",
        "academic_year": "2025-26", "source": {"document": "d", "heading": "h"}}
    found = BlockSpan.model_validate_json(encode(block | said.as_json())).phrase()
    assert told({"message": found, "clears": Remedy(found)}, "it") == {"message": "Unpaid.",
                                                                       "clears": "pay"} | said.as_json()
    several = says("BLK-1/several", phrases=[found, found])
    assert (sentence(several, "it"), told(Remedy(several), "it")) == ("Unpaid. Unpaid.", "pay; pay")
    with pytest.raises((ArithmeticError, LookupError, TypeError, ValueError)):
        sentence(said)
