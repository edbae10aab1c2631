"""Two processes write to one student at the same moment, again and again: submissions of their own, the same ones, and
the same ids with other content."""

from collections import Counter as Tally
from collections.abc import Callable
from itertools import chain
from typing import Any

import pytest

from ledger.handling.submit import append_lines
from ledger.store import open_store
from tests.handling import workers
from tests.handling.histories import clock, enrolled, lines, payment
from tests.sizes import sized
from tests.store.workers import in_processes

pytestmark = pytest.mark.faults
ROUNDS = sized(15, 150)
"""Of each kind."""
Counted = Callable[[str], None]


def sent_by(writer: int) -> list[dict[str, Any]]:
    """In turn one of its own, one that the other sends too, and one whose id the other gives to another amount."""
    own = [payment("S01", n, id=f"own-{writer}-{n}") for n in range(1, ROUNDS + 1)]
    same = [payment("S01", n, id=f"same-{n}") for n in range(1, ROUNDS + 1)]
    torn = [payment("S01", n + writer, id=f"torn-{n}") for n in range(1, ROUNDS + 1)]
    return list(chain.from_iterable(zip(own, same, torn, strict=True)))


def test_two_writers_on_one_student(store_url: str, counted: Counted) -> None:
    with open_store(store_url) as store:
        begun = list(append_lines(store, workers.BOOKS, lines(*enrolled("S01")), "enforce", False, clock))
        both = in_processes(workers.submit_at_once, *[(store_url, sent_by(writer)) for writer in (0, 1)])
        stream = store.stream("S01")
        log = [(event.id, event.position) for event in store.log(limit=10 * ROUNDS + len(begun))]
    answers = {kind: Tally(one["outcome"] for one in chain(*both) if one["id"].startswith(kind))
               for kind in ("own", "same", "torn")}
    assert answers == {"own": {"accepted": 2 * ROUNDS}, "same": {"accepted": ROUNDS, "duplicate": ROUNDS},
                       "torn": {"accepted": ROUNDS, "invalid": ROUNDS}}
    accepted = [one for one in (*begun, *chain(*both)) if one["outcome"] == "accepted"]
    stored = {event.id: (event.position, event.version) for event in stream}
    assert len(stored) == len(stream) == len(log) == len(accepted)
    assert stored == {one["id"]: (one["position"], one["version"]) for one in accepted}
    assert [event.version for event in stream] == list(range(1, len(stream) + 1))
    assert [event.position for event in stream] == sorted(position for _, position in log)
    for one in chain(*both):
        if one["outcome"] == "duplicate":
            assert stored[one["id"]] == (one["position"], one["version"])
    refused = answers["same"]["duplicate"] + answers["torn"]["invalid"]
    counted(f"{len(accepted)} acknowledged, {refused} sent a second time, 0 lost, 0 doubled, 0 versions left out")
