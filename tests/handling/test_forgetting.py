"""Who may order that a person be forgotten, and what speaks against it. What it destroys: tests/privacy."""

import json
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ledger.domain.knowledge import NotFound
from ledger.entrypoints.cli import cli
from ledger.handling.forgetting import Ordered, forget
from ledger.intake.counter import Counter
from ledger.rulebooks.loader import load_books
from ledger.store import EventStore, Refusal, StoreUnusable, open_store
from ledger.wire.message import History
from tests.handling.histories import booking
from tests.intake.test_counter import received
from tests.projections.populations import a_debtor, append

BOOKS = load_books()
BY = ("Rector", "Data protection officer")


def clock() -> datetime:
    return datetime.now(timezone.utc)


def ordered(student: str = "S01", anyway: bool = True) -> Ordered:
    return Ordered(student, BY, "she asked for it", date(2026, 11, 27), anyway)


def with_a_refusal(store: EventStore) -> None:
    append(store, *a_debtor("S01"))
    store.append_with_refusals([], [Refusal("S01", "r1", store.content_digest(b"x" * 32),
                                            json.dumps({"id": "r1", "outcome": "refused"}).encode())], {})


def test_forgetting_is_refused_while_a_career_is_open_or_money_is_owed_and_unknown_students_are_not_found(
        store: EventStore) -> None:
    append(store, *a_debtor("S01"))
    found = forget(store, BOOKS, clock, None, ordered(anyway=False))
    assert [one["message"].id for one in found["reasons"]] == ["forget/open", "forget/owed"]
    assert len(store.stream("S01")) == len(a_debtor("S01"))
    with pytest.raises(NotFound):
        forget(store, BOOKS, clock, None, ordered("NOBODY"))


def test_refusals_stay_of_a_person_who_was_not_forgotten(store: EventStore) -> None:
    with_a_refusal(store)
    with pytest.raises(StoreUnusable, match="does not say that this person was forgotten"):
        store.forget_refusals("S01")
    assert len(store.refusals_of("S01")) == 1


def test_intake_remembers_no_refusal_again_when_an_old_submission_of_hers_comes_back(store: EventStore) -> None:
    append(store, *a_debtor("S01"))
    counter = Counter(store, BOOKS, clock, History("test", 1))
    old = received(booking("S01", "b1") | {"effective_on": "2026-05-26", "career": "S01-X"})
    counter.answers(old)
    assert len(store.refusals_of("S01")) == 1
    forget(store, BOOKS, clock, None, ordered())
    counter = Counter(store, BOOKS, clock, History("test", 1))
    counter.answers(old)
    assert (sum(counter.given.values()), store.refusals_of("S01")) == (1, [])


def test_event_of_forgetting_is_taken_from_no_submission(store: EventStore) -> None:
    append(store, *a_debtor("S01"))
    [one] = append_raw(store, {"id": "f", "type": "person-forgotten", "student": "S01", "effective_on": "2026-11-27",
                               "source": "t", "actor": "t", "data": {"authorities": list(BY)}})
    assert one["outcome"] == "invalid"


def append_raw(store: EventStore, *raw: dict[str, Any]) -> list[dict[str, Any]]:
    from ledger.handling.submit import append_lines

    return list(append_lines(store, BOOKS, [json.dumps(one).encode() for one in raw], "enforce", False, clock))


@pytest.mark.parametrize(("words", "said"), [
    (["--authority", "Rector"], "--authority: give two different ones"),
    (["--authority", "Rector", "--authority", " rector "], "--authority: give two different ones"),
    (["--authority", "Rector", "--authority", ""], "--authority: give two different ones"),
])
def test_command_asks_for_two_authorities(sqlite_url: str, tmp_path: Path, words: list[str], said: str) -> None:
    reason = tmp_path / "reason"
    reason.write_text("she asked")
    with open_store(sqlite_url) as store:
        append(store, *a_debtor("S01"))
    found = CliRunner().invoke(cli, ["--db", sqlite_url, "forget", "S01", "--reason", str(reason), *words])
    assert (found.exit_code, said in found.output) == (2, True), found.output


def test_command_says_what_speaks_against_it_and_what_was_done(sqlite_url: str, tmp_path: Path) -> None:
    reason = tmp_path / "reason"
    reason.write_text("she asked")
    with open_store(sqlite_url) as store:
        append(store, *a_debtor("S01"))
    words = ["--db", sqlite_url, "--lang", "en", "forget", "S01", "--authority", BY[0], "--authority", BY[1],
             "--reason", str(reason)]
    found = CliRunner().invoke(cli, words)
    assert (found.exit_code, "The career S01-B is open: enrolled" in found.output) == (1, True), found.output
    found = CliRunner().invoke(cli, [*words, "--even-if-open"])
    assert (found.exit_code, found.output.startswith("Forgotten: S01, recorded at position 4.")) == (0, True), \
        found.output
    reason.write_text("")
    assert CliRunner().invoke(cli, words).exit_code == 2
