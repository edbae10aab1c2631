"""Stored bytes are sacred: what was written once reads the same for ever, and is written the same way today.

An entry of golden.json is never changed and never removed. A type whose form changes gets a new stored name, a new
entry, and an upcast from the old one, which stays here.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from ledger.domain.events import PAYLOADS, Event, PersonRegistered, Rulebook
from ledger.domain.submissions import Submission, recorded
from ledger.store import StoreUnusable
from ledger.store.mapper import STORED_NAMES, UPCASTS, Mapper, canonical_json, stream_id

from .examples import NOON, an_event, read

GOLDEN: list[dict[str, Any]] = json.loads((Path(__file__).parent / "golden.json").read_text(encoding="utf-8"))


def event_of(golden: dict[str, Any], position: int = 0) -> Event:
    book = golden["rulebook"]
    return recorded(read(golden["submission"]), datetime.fromisoformat(golden["recorded_at"]), golden["version"],
                    Rulebook(**book) if book else None, tuple(golden["breaches"]), position)


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden["stored_name"])
def test_event_is_written_as_ever(golden: dict[str, Any]) -> None:
    if golden["stored_name"] in UPCASTS:
        pytest.fail("an old form is read only: move this entry to the test of its upcast")
    stored = Mapper().to_stored_event(event_of(golden))
    assert stored.topic == golden["stored_name"]
    assert stored.state.decode() == golden["stored"]
    assert str(stored.originator_id) == golden["stream"]
    assert stored.originator_version == golden["version"]


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden["stored_name"])
def test_event_is_read_as_it_was_recorded(golden: dict[str, Any]) -> None:
    read_back = Mapper().to_event(golden["stored_name"], golden["stored"].encode(), 17)
    assert read_back == event_of(golden, position=17)
    assert read_back.as_json() == event_of(golden, position=17).as_json()


def test_every_type_has_a_stored_name_and_golden_bytes() -> None:
    assert set(STORED_NAMES) == set(PAYLOADS) - {"person-registered"}
    assert set(STORED_NAMES.values()) | set(UPCASTS) == {golden["stored_name"] for golden in GOLDEN}
    assert all(golden["submission"]["type"] in PAYLOADS for golden in GOLDEN)


def test_personal_data_is_not_stored_when_it_is_not_encrypted() -> None:
    person = Submission("p", "person-registered", "S01", None, NOON.date(), None, "test", "test",
                        PersonRegistered(given_name="Invented", family_name="Person"))
    with pytest.raises(StoreUnusable, match="person-registered"):
        Mapper().to_stored_event(recorded(person, NOON, 1, None, ()))


def test_canonical_json_has_one_spelling() -> None:
    assert canonical_json({"b": 1, "a": ["è", 1.5, None, True]}) == '{"a":["è",1.5,null,true],"b":1}'.encode()
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json({"a": float("nan")})


def test_stream_id_never_changes() -> None:
    assert str(stream_id("S01")) == GOLDEN[0]["stream"]
    assert stream_id("S01") != stream_id("s01")


@pytest.mark.parametrize("state", [b"", b"{}", b"[]", b"{", b"\xff", b"null"])
def test_reading_says_which_position_is_damaged(state: bytes) -> None:
    with pytest.raises(StoreUnusable, match=r"position 7 .*damaged"):
        Mapper().to_event("exam-booked.v1", state, 7)


def test_reading_says_that_a_newer_version_wrote_it_when_the_name_is_unknown() -> None:
    stored = Mapper().to_stored_event(an_event())
    with pytest.raises(StoreUnusable, match=r"exam-booked\.v9.*newer version"):
        Mapper().to_event("exam-booked.v9", stored.state, 3)


def _plan() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(next(g["stored"]
                                            for g in GOLDEN if g["stored_name"] == "study-plan-approved.v1"))
    return found


@pytest.mark.parametrize("damage", [
    lambda r: r | {"unheard-of": 1}, lambda r: r | {"version": "1"},
    lambda r: r | {"recorded_at": "2026-04-20T09:00:00"},
    lambda r: r | {"type": "exam-booked"}, lambda r: r | {"data": r["data"] | {"unheard-of": 1}},
    lambda r: r | {"data": {"courses": []}},
    lambda r: r | {"data": r["data"] | {"courses": [r["data"]["courses"][0] | {"unheard-of": 1}]}},
    lambda r: r | {"data": r["data"] | {"courses": [r["data"]["courses"][0] | {"cfu": "6"}]}},
    lambda r: r | {"effective_on": "2026-02-30"}, lambda r: r | {"student": None}])
def test_reading_refuses_what_was_never_written(damage: Any) -> None:
    Mapper().to_event("study-plan-approved.v1", canonical_json(_plan()), 7)
    with pytest.raises(StoreUnusable, match=r"position 7 .*damaged"):
        Mapper().to_event("study-plan-approved.v1", canonical_json(damage(_plan())), 7)


def test_what_was_left_out_stays_out_when_it_is_read() -> None:
    for golden in GOLDEN:
        read_back = Mapper().to_event(golden["stored_name"], golden["stored"].encode(), 17)
        assert read_back.data.model_fields_set == set(json.loads(golden["stored"])["data"])
        assert Mapper().to_stored_event(read_back).state == golden["stored"].encode()
