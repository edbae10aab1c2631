"""What the desk keeps in the key store, on either database."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ledger.bootstrap import open_ledger
from ledger.privacy.tickets import ALPHABET, TicketIndex, TicketRow, TriedTooOften, new_number, spelt_number
from tests.eservices.conftest import Clock

DAY = date(2026, 3, 20)


@pytest.fixture(params=["sqlite", "postgresql"])
def index(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
          ) -> Iterator[TicketIndex]:
    monkeypatch.setenv("CAREER_LEDGER_MASTER_KEY", str(tmp_path / "master.key"))
    keys = f"sqlite:///{tmp_path / 'keys.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    with open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}", keys=keys) as ledger:
        ledger.new_keys(30)
        yield TicketIndex(ledger._needed_sealer().keys, clock)


def claimed(index: TicketIndex, form: str = "a", email: str = "a@example.org", student: str | None = None) -> TicketRow:
    found = index.claim(form, student, email, "lingue", "tasse", DAY, student is not None)
    row = TicketRow(found.number, found.student, None, "lingue", "tasse", "desk", "2026-03-20T09:00:00Z", None)
    index.opened(row, None)
    return row


def test_numbers_are_random_and_read_however_they_are_written() -> None:
    made = {new_number() for _ in range(2_000)}
    assert len(made) == 2_000
    assert {one for number in made for one in number} == {*ALPHABET, "-"}
    assert spelt_number(" #7q4mx 2zk9d ") == "7Q4MX-2ZK9D"
    assert spelt_number("oIL23-45678") == "01123-45678"
    assert spelt_number("# 212617 ") == "212617"


def test_pair_opens_a_ticket_and_half_of_it_does_not(index: TicketIndex) -> None:
    row, other = claimed(index), claimed(index, "b", "b@example.org")
    assert index.look_up("A@Example.org", row.number) == row.student
    assert index.look_up("b@example.org", row.number) is None
    assert index.look_up("a@example.org", other.number) is None


def test_every_wrong_pair_costs_the_same(index: TicketIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked of a number or an address alone."""
    row = claimed(index)
    asked: list[list[str]] = []
    told = index._backend.transaction

    def watched(write: bool = True) -> object:
        asked.append([])
        return Watching(told(write), asked[-1])

    monkeypatch.setattr(index._backend, "transaction", watched)
    for email, number in (("a@example.org", "22222-22222"), ("x@example.org", row.number), ("y@example.org", "1")):
        assert index.look_up(email, number) is None
    assert asked[0] == asked[1] == asked[2]
    assert asked[0]


class Watching:
    """A transaction, and what is said in it."""

    def __init__(self, inner: AbstractContextManager[Any], said: list[str]) -> None:
        self._inner, self._said = inner, said

    def __enter__(self) -> "Watching":
        self._tx = self._inner.__enter__()
        return self

    def __exit__(self, *error: Any) -> object:
        return self._inner.__exit__(*error)

    def __getattr__(self, name: str) -> object:
        def call(*given: object) -> object:
            self._said.append(f"{name} {given[0]}")
            return getattr(self._tx, name)(*given)

        return call


def test_form_has_one_number_and_a_row_that_was_never_recorded_is_seen_by_nobody(index: TicketIndex) -> None:
    first = index.claim("a", None, "a@example.org", "lingue", "tasse", DAY, False)
    assert index.claim("a", None, "a@example.org", "lingue", "tasse", date(2026, 3, 21), False) == first
    assert index.row(first.number) is None
    assert index.listed(None, True, ("", ""), 10) == []
    assert index.look_up("a@example.org", first.number) is None


def test_strangers_together_open_no_more_than_so_many_in_an_hour(index: TicketIndex,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.privacy.tickets.MOST_OF_STRANGERS", 3)
    for n in range(3):
        claimed(index, f"f{n}", f"{n}@example.org")
    with pytest.raises(TriedTooOften):
        claimed(index, "f9", "9@example.org")
    assert claimed(index, "f10", "10@example.org", "S-ADA").student == "S-ADA"
