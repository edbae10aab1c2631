"""Whatever a line holds, it has an outcome that can be printed, and the store holds what was accepted."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.handling.submit import append_lines
from ledger.store import EventStore, open_store
from ledger.words import told
from tests.sizes import sized

from .histories import booking, clock, enrolled, lines
from .workers import BOOKS

TEXT = st.text(st.characters(codec=None), max_size=8)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.sampled_from(["S01", "2025-26",
                                                                                           "2026-02-30", "1.005"])
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
                    max_leaves=6)
FIELDS = ["id", "type", "student", "career", "effective_on", "recorded_at", "source", "actor", "override", "data"]


@st.composite
def almost_submissions(draw: st.DrawFn) -> bytes:
    """A good submission with a field or two, of itself or of its data, replaced by anything, removed or added."""
    one: dict[str, Any] = draw(st.sampled_from([*enrolled("S01"), booking("S01", "b1")])) | {}
    one["data"] = dict(one["data"])
    for _ in range(draw(st.integers(0, 2))):
        place = one["data"] if isinstance(one["data"], dict) and draw(st.booleans()) else one
        name = draw(st.sampled_from([*place, *FIELDS]) | TEXT)
        if draw(st.booleans()) or (place is one and name == "data"):
            place[name] = draw(JSON)
        else:
            place.pop(name, None)
        one.setdefault("data", {})
    return json.dumps(one).encode()


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> EventStore:
    folder: Path = tmp_path_factory.mktemp("any")
    return open_store(f"sqlite:///{folder / 'ledger.db'}")


@pytest.mark.faults
@settings(max_examples=sized(100, 400), deadline=None, suppress_health_check=list(HealthCheck))
@given(line=almost_submissions() | JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40))
def test_any_line_has_an_outcome(ledger: EventStore, line: bytes) -> None:
    before = ledger.last_position()
    found = list(append_lines(ledger, BOOKS, [line], "enforce", False, clock))
    assert len(found) == (1 if line.removeprefix(b"\xef\xbb\xbf").strip() else 0)
    for outcome in found:
        json.dumps(told(outcome), ensure_ascii=False, allow_nan=False).encode()
        assert outcome["outcome"] in ("accepted", "duplicate", "refused", "invalid")
        assert (ledger.last_position() > before) == (outcome["outcome"] == "accepted")
        assert outcome["outcome"] != "invalid" or outcome["problems"]
    [other] = append_lines(ledger, BOOKS, lines(enrolled("S02")[0]), "enforce", False, clock)
    assert other["outcome"] in ("accepted", "duplicate")
