"""The ledger's clock a day back and a day ahead: versions and positions stand, and of no student is an event recorded
before an earlier one."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from itertools import pairwise

import pytest

from ledger import bootstrap
from ledger.bootstrap import open_ledger
from ledger.store import EventStore, StoreUnusable

from .test_killed_at_syncs import enrolled

Counted = Callable[[str], None]
DAY = timedelta(days=1)


def line(student: str, n: int) -> bytes:
    first, second = ({name: value for name, value in one.items() if name != "recorded_at"} for one in enrolled(student))
    return json.dumps([first, second][min(n, 1)] | {"id": f"{student}-{n}"}).encode()


def test_clock_goes_a_day_back_and_a_day_ahead(store_url: str, store: EventStore, monkeypatch: pytest.MonkeyPatch,
                                               counted: Counted) -> None:
    accepted = refused = 0
    for n, ahead in enumerate((timedelta(0), -DAY, timedelta(0), DAY, timedelta(0))):
        monkeypatch.setattr(bootstrap, "clock", lambda ahead=ahead: datetime.now(timezone.utc) + ahead)
        with open_ledger(store_url) as ledger:
            for student in ("S01", f"N{n}"):
                sent = [line(student, n if student == "S01" else 0)]
                if ahead > timedelta(0):  # the database has a clock of its own, and knows that it has not come
                    with pytest.raises(StoreUnusable, match="set the clock"):
                        list(ledger.append_lines(sent, "record"))
                    refused += 1
                    continue
                [told] = ledger.append_lines(sent, "record")
                assert told["outcome"] == "accepted", told
                accepted += 1
    log = store.log()
    assert len(log) == accepted
    for student in store.students():
        stream = store.stream(student)
        assert [event.version for event in stream] == list(range(1, len(stream) + 1))
        assert all(one.recorded_at <= other.recorded_at for one, other in pairwise(stream))
    assert (accepted, refused) == (8, 2)
    counted(f"{accepted} accepted, {refused} refused because their moment has not come, 0 out of order")
