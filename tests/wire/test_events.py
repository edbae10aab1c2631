"""What leaves the ledger on `career.events.v1` is the explicit list of section 8, and nothing else."""

import hashlib
import json
import re
from typing import Any, get_args, get_type_hints

import pytest

from ledger.domain.checked import Checked
from ledger.domain.checked import names as names_of
from ledger.domain.events import ABOUT_THE_PERSON, PAYLOADS
from ledger.wire.events import ENVELOPE, FIELDS, OVERRIDE, VERSIONS, message, payload
from ledger.wire.message import History, encode

from .examples import DATA, PERSONAL, SECRET, record

EVERYWHERE = {"note"}
WITHHELD: dict[str, set[str]] = {
    "enrolled": {"category"},
    "enrolled-with-reservation": {"category"},
    "enrolment-cancelled": {"reason"},
    "regime-changed": {"category", "early_end"},
    "suspended": {"reason"},
    "resumed": {"reason"},
    "administrative-block-ordered": {"reason"},
    "administrative-block-revoked": {"reason"},
    "charge-decided": {"reason"},
    "single-courses-enrolled": {"reduction"},
    "contribution-assessed": {"band"},
    "isee-certified": {"indicator"},
    "exam-annulled": {"reason"},
    "forfeited": {"reason"},
    "person-registered": {
        "given_name", "family_name", "tax_code", "former_tax_codes", "birth_date", "birth_place", "sex", "person_id",
        "email", "phone", "address", "language"},
    "person-forgotten": {"authorities"},
    "ticket-opened": {"subject", "request"},
    "ticket-closed": {"answer", "outcome"},
    "event-voided": {"reason"},
}
"""Decided once, field by field. A field that the domain gains belongs either here or in `FIELDS`: whoever adds it
decides."""

TYPES = sorted(PAYLOADS)
ORIGIN = History("test", 1, "https://ledger.example/")


def _part(type: str, field: str) -> Any:
    """The model of the objects in a list."""
    hint = get_type_hints(PAYLOADS[type])[field]
    model = get_args(hint)[0]
    assert issubclass(model, Checked)
    return model


def _sent(type: str) -> dict[str, Any]:
    value = message(record(type), "ab" * 32, ORIGIN).value
    assert value is not None
    found: dict[str, Any] = json.loads(value)
    return found


@pytest.mark.parametrize("type", TYPES)
def test_each_field_of_the_domain_is_either_sent_or_withheld_by_decision(type: str) -> None:
    names, parts = FIELDS[type]
    withheld = WITHHELD.get(type, set()) | EVERYWHERE
    assert {*names, *parts}.isdisjoint(withheld)
    assert {*names, *parts} | withheld == set(names_of(PAYLOADS[type]))
    for field, inner in parts.items():
        assert set(inner) == set(names_of(_part(type, field)))
    for field in set(names_of(PAYLOADS[type])) - set(parts):
        assert "ledger.domain.events" not in str(get_type_hints(PAYLOADS[type])[field])


def test_every_type_has_a_list_and_a_version() -> None:
    assert set(FIELDS) == set(VERSIONS) == set(PAYLOADS) == set(DATA)


@pytest.mark.parametrize("type", TYPES)
def test_example_sets_every_field(type: str) -> None:
    assert set(DATA[type]) | {"note"} == set(names_of(PAYLOADS[type]))
    for field in FIELDS[type][1]:
        assert set().union(*DATA[type][field]) == set(names_of(_part(type, field)))


@pytest.mark.parametrize("type", TYPES)
def test_message_holds_exactly_the_listed_fields_when_everything_is_set(type: str) -> None:
    names, parts = FIELDS[type]
    sent, career = _sent(type), set() if type in ABOUT_THE_PERSON else {"career"}
    assert set(sent) == {*ENVELOPE, "override", "data"} - ({"career"} - career)
    assert sent["data"] == {name: DATA[type][name] for name in (*names, *parts)}
    assert sent["override"] == [{"rule": "ESA-1", "authority": "Registrar"}]
    assert set(OVERRIDE) == {"rule", "authority"}


@pytest.mark.parametrize("type", TYPES)
def test_nothing_withheld_is_anywhere_in_the_message(type: str) -> None:
    sent = message(record(type), "ab" * 32, ORIGIN)
    everything = repr(sent)
    assert SECRET in json.dumps(record(type)), "the example holds something to withhold"
    assert SECRET not in everything
    assert not any(value in everything for value in PERSONAL)
    assert not re.search(r'"(note|reason|reduction|category|band|subject|answer)"', everything)
    if type == "single-courses-enrolled":
        assert DATA[type]["reduction"] not in everything
    if type == "person-registered":
        assert _sent(type)["data"] == {}


@pytest.mark.parametrize("type", TYPES)
def test_headers_are_those_of_the_published_language(type: str) -> None:
    sent = message(record(type, 41), "ab" * 32, ORIGIN)
    assert sent.value is not None
    subject = "S01" if type in ABOUT_THE_PERSON else "S01/S01-B"
    assert (sent.topic, sent.key) == ("career.events.v1", b"S01")
    assert dict(sent.headers) == {name: text.encode() for name, text in {
        "event_id": f"golden-{type}", "event_type": type, "position": "41", "version": "41", "digest": "ab" * 32,
        "payload_sha256": hashlib.sha256(sent.value).hexdigest(), "content-type": "application/json",
        "ce_specversion": "1.0", "ce_id": "41", "ce_source": "https://ledger.example/:test:1",
        "origin": "test", "epoch": "1", "ce_type": f"career.{type}.v1", "ce_subject": subject,
        "ce_time": "2026-02-11T09:30:00.250000Z", "ce_dataschema": f"urn:career-ledger:{type}:v1"}.items()}
    assert len(sent.headers) == len(dict(sent.headers))


def test_optional_fields_that_were_left_out_stay_out() -> None:
    bare = record("ranked") | {"data": {"admitted": False}, "override": [], "rulebook": None, "breaches": []}
    del bare["career"]
    assert payload(bare) == {
        "id": "golden-ranked", "type": "ranked", "student": "S01", "effective_on": "2026-02-11",
        "recorded_at": "2026-02-11T09:30:00.250000Z", "source": "segreteria", "actor": "officer:7",
        "breaches": [], "version": 1, "position": 1, "data": {"admitted": False}}


def test_a_type_without_a_list_is_not_sent() -> None:
    with pytest.raises(KeyError):
        message(record("ranked") | {"type": "invented"}, "ab" * 32, ORIGIN)


@pytest.mark.parametrize("value", ["è — “quoted” \\ / \n\t\x7f\u2028😀", 1.5, 0, 7.5, 1000,
                                   "0.10", True, None, ["a", {"b": []}]])
def test_values_are_spelled_as_the_standard_library_spells_them(value: object) -> None:
    assert encode({"a": value}) == json.dumps({"a": value}, separators=(",", ":"), ensure_ascii=False).encode()
