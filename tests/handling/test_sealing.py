"""With a key store what is protected is stored sealed only, whichever way it comes; without one nothing changes."""

import json
from collections.abc import Iterable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from ledger.domain.events import PersonForgotten, Sealed
from ledger.domain.protected import Sealer
from ledger.domain.submissions import Submission, recorded
from ledger.handling.bulk import Opens, import_lines
from ledger.handling.lines import read_lines
from ledger.handling.submit import append_lines, submit
from ledger.store import EventStore, StoreUnusable, VersionConflict, open_store
from ledger.words import told

from .histories import LATER, clock, enrolled, lines, payment, submission, void
from .keys import Keys
from .workers import BOOKS

MARK = "SOWN"
PERSON = {"given_name": MARK + "given", "family_name": MARK + "family", "tax_code": MARK + "CODE",
          "birth_date": "1987-01-31", "former_tax_codes": [MARK + "FORMER"], "language": "it"}


def person(student: str, id: str = "person", **changes: Any) -> dict[str, Any]:
    found = submission(student, f"{student}-{id}", "person-registered", "2026-05-25", **PERSON | changes)
    del found["career"]
    return found


def sown(student: str) -> list[dict[str, Any]]:
    """What is protected of every kind, in lines that are accepted, refused and invalid."""
    officer = {"rule": "PRN-1", "reason": MARK + "override", "authority": "office"}
    ticket = submission(student, f"{student}-ticket", "ticket-opened", "2026-05-25", number="7", service="desk",
                        subject=MARK + "subject", context="fees", note=MARK + "note")
    del ticket["career"]
    return [
        *enrolled(student), person(student), ticket, payment(student, 1) | {"override": officer},
        submission(student, f"{student}-asked", "suspended", "2026-05-25", reason=MARK + "unlisted: more"),
        submission(student, f"{student}-band", "contribution-assessed", "2026-05-25", academic_year="2025-26",
                   contribution="900.00", band=MARK + "band"),
        submission(student, f"{student}-bad", "regime-changed", "2026-05-25", regime=MARK + "regime",
                   academic_year="2025-26", category=MARK + "category"),
        void(student, f"{student}-paid") | {"data": {"event": f"{student}-paid", "reason": MARK + "reason",
                                                     "authority": "office"}},
        person(student), person(student, given_name=MARK + "other"),
    ]


@pytest.fixture
def keys() -> Keys:
    return Keys()


def appended(store: EventStore, keys: Sealer | None, *given: dict[str, Any],
             atomic: bool = False) -> list[dict[str, Any]]:
    return list(append_lines(store, BOOKS, lines(*given), "enforce", atomic, clock, keys))


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def by_line(store: EventStore, url: str, given: Iterable[bytes]) -> list[dict[str, Any]]:
    return list(append_lines(store, BOOKS, given, "enforce", False, clock, Keys()))


def by_stream(store: EventStore, url: str, given: Iterable[bytes]) -> list[dict[str, Any]]:
    return list(append_lines(store, BOOKS, read_lines(BytesIO(b"".join(given))), "record", False, clock, Keys()))


def in_bulk(store: EventStore, url: str, given: Iterable[bytes]) -> list[dict[str, Any]]:
    opens = Opens(partial(open_store, url, create=False), Keys)
    return list(import_lines(store, opens, BOOKS, given, "record", clock, 1))


@pytest.mark.parametrize("way", [by_line, by_stream, in_bulk])
def test_no_protected_value_stands_in_the_database_or_in_an_outcome_whichever_way_it_comes(
        way: Any, sqlite_url: str, tmp_path: Path) -> None:
    with open_store(sqlite_url) as store:
        found = way(store, sqlite_url, lines(*sown("S01")))
        outcomes = [one["outcome"] for one in found]
        assert outcomes[3:6] == ["accepted"] * 3
        assert outcomes[8:] == ["invalid", "accepted", "duplicate", "invalid"]
        assert MARK not in json.dumps(told(found))
        held = store.stream("S01")
        assert MARK not in repr(held)
        assert sum(event.sealed is not None for event in held) == len(held) - 3
    assert b"S01-person" in bytes_of(tmp_path)
    assert MARK.encode() not in bytes_of(tmp_path)


def test_event_without_protected_values_is_stored_as_ever(store: EventStore, keys: Keys) -> None:
    appended(store, keys, *enrolled("S01"))
    assert store.first_sealed() is None
    assert keys.sealed == []
    assert [event.sealed for event in store.stream("S01")] == [None] * 3


def test_first_sealed_event_is_found_by_its_position(store: EventStore, keys: Keys) -> None:
    appended(store, keys, *enrolled("S01"), person("S01"))
    assert [store.first_sealed(after) for after in (0, 3, 4)] == [4, 4, None]


def test_registration_is_invalid_when_there_is_no_key_store(store: EventStore) -> None:
    [found] = told(appended(store, None, person("S01")))
    assert found["problems"][0]["path"] == "data"
    assert "encryption-not-configured" in found["problems"][0]["message"]


def test_event_is_sealed_again_for_its_new_place_when_somebody_else_appends_meanwhile(
        store: EventStore, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    append = store.append

    def once(events: Any) -> Any:
        monkeypatch.setattr(store, "append", append)
        submit(store, BOOKS, payment("S01", 9), "enforce", clock)
        raise VersionConflict("somebody was quicker")

    appended(store, keys, *enrolled("S01"))
    monkeypatch.setattr(store, "append", once)
    [found] = appended(store, keys, person("S01"))
    assert (found["outcome"], found["version"]) == ("accepted", 5)
    assert keys.sealed == [("S01", 4), ("S01", 5)]


def test_duplicate_is_compared_with_what_was_sealed(store: EventStore, keys: Keys) -> None:
    appended(store, keys, person("S01"))
    assert [one["outcome"] for one in appended(
        store, keys, person("S01"), person("S01", family_name="Other"))] == ["duplicate", "invalid"]
    with pytest.raises(StoreUnusable, match="--keys"):
        appended(store, None, payment("S01", 1) | {"id": "S01-person"})


def _forget(store: EventStore, keys: Keys, student: str) -> None:
    version = len(store.stream(student)) + 1
    asked = Submission("forgotten", "person-forgotten", student, None, LATER.date(), None, "test", "test",
                       PersonForgotten(authorities=("a", "b")))
    store.append([recorded(asked, LATER, version, None, ())])
    keys.forgotten.add(student)


def test_forgotten_person_takes_no_protected_value_any_more_and_a_duplicate_is_believed(
        store: EventStore, keys: Keys) -> None:
    appended(store, keys, *enrolled("S01"), person("S01"))
    _forget(store, keys, "S01")
    assert [one["outcome"] for one in appended(store, keys, person("S01", family_name="Other"))] == ["duplicate"]
    [again, kept_out, paid] = told(appended(
        store, keys, person("S01", "again"), payment("S01", 2) | {"id": "n", "data": payment("S01", 2)["data"] | {
            "note": "x"}}, payment("S01", 3)))
    assert again["problems"][0]["path"] == "student"
    assert [one["path"] for one in kept_out["problems"]] == ["data.note"]
    assert "leave this field out" in kept_out["problems"][0]["message"]
    assert paid["outcome"] == "accepted"


def test_tax_code_of_another_person_is_refused_and_not_repeated(store: EventStore, keys: Keys) -> None:
    first, other = told(appended(store, keys, person("S01"), person("S02")))
    assert first["outcome"] == "accepted"
    assert [one["path"] for one in other["problems"]] == ["data.tax_code"]
    assert MARK not in json.dumps(other)


def test_one_that_cannot_be_sealed_keeps_the_whole_file_out(store: EventStore, keys: Keys) -> None:
    found = appended(store, keys, person("S01"), person("S02"), atomic=True)
    assert [one["outcome"] for one in found] == ["refused", "invalid"]
    assert store.last_position() == 0


def test_sealed_event_goes_to_another_ledger_as_it_is(sqlite_url: str, tmp_path: Path, keys: Keys) -> None:
    target = f"sqlite:///{tmp_path}/other.db"
    with open_store(sqlite_url) as store, open_store(target) as other:
        appended(store, keys, person("S01"))
        [event] = store.stream("S01")
        assert isinstance(event.sealed, Sealed)
        def imported(one: dict[str, Any]) -> dict[str, Any]:
            [found] = import_lines(other, partial(open_store, target, create=False), BOOKS, [json.dumps(one).encode()],
                                   "record", clock, 1, True)
            return found

        assert [imported(event.as_json())["outcome"] for _ in range(2)] == ["accepted", "duplicate"]
        assert other.stream("S01") == [event]
        clear = event.as_json() | {"data": PERSON, "student": "S02"}
        del clear["sealed"]
        found = imported(clear)
        assert found["outcome"] == "invalid"
        assert MARK not in json.dumps(told(found))
