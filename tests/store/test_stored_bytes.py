"""Stored bytes are sacred: what was written once reads the same for ever, and is written the same way today.

An entry of golden.json is never changed and never removed. A type whose form changes gets a new stored name, a new
entry, and an upcast from the old one, which stays here.
"""

import json
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.events import NOT_SUBMITTED, PAYLOADS, SEALED_ONLY, Event, PersonRegistered, Rulebook, Sealed
from ledger.domain.protected import PROTECTED, put_back, taken_out
from ledger.domain.submissions import Submission, recorded
from ledger.store import StoreUnusable
from ledger.store.mapper import STORED_NAMES, UPCASTS, Mapper, canonical_json, stream_id

from ..wire.examples import event as example
from .examples import NOON, an_event, read

GOLDEN: list[dict[str, Any]] = json.loads((Path(__file__).parent / "golden.json").read_text(encoding="utf-8"))


def event_of(golden: dict[str, Any], position: int = 0) -> Event:
    book = golden["rulebook"]
    if golden["submission"]["type"] in NOT_SUBMITTED:
        given = golden["submission"]
        one = Submission(given["id"], given["type"], given["student"], None, date.fromisoformat(given["effective_on"]),
                         None, given["source"], given["actor"], PAYLOADS[given["type"]].model_validate(given["data"]))
    else:
        one = read(golden["submission"])
    return recorded(one, datetime.fromisoformat(golden["recorded_at"]), golden["version"],
                    Rulebook(**book) if book else None, tuple(golden["breaches"]), position)


SEALED: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "golden-sealed.json").read_text("utf-8"))
"""By type, the stored bytes of the full example of tests/wire, sealed, and what was taken out of it."""
BOX = Sealed(3, "Ym94")


@pytest.mark.parametrize("type", sorted(PAYLOADS))
def test_sealed_event_is_written_and_read_as_ever_and_put_back_whole(type: str) -> None:
    golden, whole = SEALED[type], example(type, 17)
    without, taken = taken_out(whole)
    assert taken == golden["taken"]
    event = replace(without, clear={"reduction": "0.40"}, sealed=BOX)
    assert Mapper().to_stored_event(event).state.decode() == golden["stored"]
    back = Mapper().to_event(STORED_NAMES[type], golden["stored"].encode(), 17)
    assert back == event
    assert "WITHHELD-" not in repr(back.as_json()).replace("WITHHELD-first", "").replace("WITHHELD-second", "")
    assert Mapper().to_stored_event(back).state.decode() == golden["stored"]
    assert put_back(back, taken) == replace(whole, clear={"reduction": "0.40"})
    assert put_back(back, taken).as_json()["data"] == whole.as_json()["data"]


@pytest.mark.parametrize("type", sorted(PAYLOADS))
def test_event_without_its_protected_values_is_damaged_when_nothing_is_sealed(type: str) -> None:
    record = json.loads(SEALED[type]["stored"])
    name = sorted(PROTECTED[type])[0]
    for other in ({name: value for name, value in record.items() if name != "sealed"},
                  record | {"data": record["data"] | {name: SEALED[type]["taken"]["data"][name]}},
                  record | {"sealed": {"key": 3}}, record | {"sealed": {"key": 3, "box": "Ym94", "more": 1}}):
        with pytest.raises(StoreUnusable, match=r"position 7 .*damaged"):
            Mapper().to_event(STORED_NAMES[type], canonical_json(other), 7)


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
    assert set(STORED_NAMES) == set(PAYLOADS)
    sealed_only = {STORED_NAMES[name] for name in SEALED_ONLY}
    assert set(STORED_NAMES.values()) - sealed_only | set(UPCASTS) == {golden["stored_name"] for golden in GOLDEN}
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
    lambda r: r | {"effective_on": "0001-01-01"}, lambda r: r | {"recorded_at": "2200-01-01T00:00:00Z"},
    lambda r: r | {"data": r["data"] | {"academic_year": "2025-27"}},
    lambda r: r | {"data": r["data"] | {"courses": [r["data"]["courses"][0] | {"cfu": 1001}]}},
    lambda r: r | {"effective_on": "2026-02-30"}, lambda r: r | {"student": None}])
def test_reading_refuses_what_was_never_written(damage: Any) -> None:
    Mapper().to_event("study-plan-approved.v1", canonical_json(_plan()), 7)
    with pytest.raises(StoreUnusable, match=r"position 7 .*damaged"):
        Mapper().to_event("study-plan-approved.v1", canonical_json(damage(_plan())), 7)


def _changed(whole: Any, value: Any) -> Iterator[Any]:
    """With a value in the place of each part."""
    yield value
    for name in whole if isinstance(whole, dict) else range(len(whole)) if isinstance(whole, list) else ():
        for part in _changed(whole[name], value):
            yield whole | {name: part} if isinstance(whole, dict) else [*whole[:name], part, *whole[name + 1:]]


@pytest.mark.parametrize("value", ["SECRET7 - at `$.x` of hers", {"SECRET7": 1}, -7777777])
def test_what_cannot_be_read_is_named_and_never_repeated(value: Any) -> None:
    """Also where a newer program wrote it: what is said is printed, logged and kept by the relay."""
    mapper, said = Mapper(), set()
    for golden in GOLDEN:
        for record in _changed(json.loads(golden["stored"]), value):
            try:
                mapper.to_event(golden["stored_name"], json.dumps(record).encode(), 3)
            except StoreUnusable as error:
                said.add(str(error))
    assert said
    assert [one for one in said if "SECRET7" in one or "7777777" in one] == []


def test_what_was_left_out_stays_out_when_it_is_read() -> None:
    for golden in GOLDEN:
        read_back = Mapper().to_event(golden["stored_name"], golden["stored"].encode(), 17)
        assert read_back.data.given().keys() == set(json.loads(golden["stored"])["data"])
        assert Mapper().to_stored_event(read_back).state == golden["stored"].encode()
