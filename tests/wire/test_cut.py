"""Messages that are cut out of the stored bytes are those that `events.message` makes of the decoded event."""

import json
from typing import Any, get_args, get_type_hints
from unittest.mock import patch

import pytest

from ledger.domain.events import PAYLOADS
from ledger.store.mapper import Mapper, as_record, canonical_json
from ledger.wire import cut as cuts
from ledger.wire.cut import as_message, as_object, cut
from ledger.wire.events import FIELDS, message
from ledger.wire.message import History
from tests.fuzz.targets.stored import states

HISTORY = History("origin", 3)
DIGEST = "ab" * 32
MAPPER = Mapper()
STATES = {name.decode(): state for one in reversed(states()) for name, _, state in [one.partition(b"\n")]}
SEALED = [one for one in states() if b'"sealed"' in one]


def same(name: str, state: bytes, quick: bool = True) -> None:
    kind, sound = MAPPER.to_sound(name, state, 41)
    expected = message(as_record((kind, sound), 41), DIGEST, HISTORY)
    with patch.object(cuts, "message", wraps=message) as slow:
        found = cut(kind, sound, 41, DIGEST)
    assert as_message(found, HISTORY) == expected
    assert slow.called is not quick
    assert json.loads(as_object(found, HISTORY)) == {
        "key": found.student, "headers": {one: held.decode() for one, held in expected.headers},
        "value": json.loads(expected.value or b"")}
    assert (expected.value or b"") in as_object(found, HISTORY)


@pytest.mark.parametrize("name", sorted(STATES))
def test_every_type_is_cut_as_it_would_be_spelt(name: str) -> None:
    same(name, STATES[name], b'"override"' not in STATES[name])


@pytest.mark.parametrize("state", SEALED)
def test_sealed_events_are_cut_too(state: bytes) -> None:
    name, _, held = state.partition(b"\n")
    same(name.decode(), held, b'"override"' not in held)


@pytest.mark.parametrize(("change", "quick"), [
    ({"id": "\u00e8-\u201c-\U0001f600"}, True), ({"id": 'a"b'}, True), ({"id": "a\\\\b\n\x01"}, True),
    ({"source": 'a"b\x1b'}, True),
    ({"override": [{"rule": "BLK-1", "authority": "board", "reason": "kept inside"}]}, False),
    ({"breaches": ["BLK-1", "EX-2"]}, True),
    ({"career": None}, False), ({"rulebook": None}, False)])
def test_what_is_spelt_in_more_ways_than_one_is_decoded(change: dict[str, Any], quick: bool) -> None:
    record = json.loads(STATES["instalment-paid.v1"])
    record.pop("override", None)
    same("instalment-paid.v1", canonical_json(record | change), quick)


def test_fractions_leave_in_fields_of_one_name() -> None:
    """By which it is known where a number may have an exponent."""
    for kind, (fields, parts) in FIELDS.items():
        hints = get_type_hints(PAYLOADS[kind])
        inner = [(one, held) for name in parts for one, held in get_type_hints(get_args(hints[name])[0]).items()]
        for name, held in [*((name, hints[name]) for name in fields), *inner]:
            assert name.endswith("cfu") or "float" not in str(held), (kind, name)


@pytest.mark.parametrize(("cfu", "quick"), [(6, True), (7.5, True), (1e-05, False)])
def test_numbers_are_spelt_as_they_were(cfu: float, quick: bool) -> None:
    record = json.loads(STATES["exam-graded.v1"])
    record.pop("override", None)
    record["data"]["cfu"] = cfu
    same("exam-graded.v1", canonical_json(record), quick)
