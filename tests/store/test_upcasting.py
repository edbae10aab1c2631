"""How an old form is read after a type has changed, on the example of a booking that once had no mode.

The ledger's first bookings (imagined: `exam-booked.v0`) called the day `date` and were all oral. Version 1 calls it
`held_on` and says the mode. The bytes of the old booking stay what they are.
"""

import json
from typing import Any

from ledger.domain.events import ExamBooked
from ledger.store import EventStore
from ledger.store.mapper import STORED_NAMES, Mapper, canonical_json

from .examples import an_event
from .test_guards import unguarded

OLD: dict[str, Any] = {
    "id": "S01-1", "type": "exam-booked", "student": "S01", "career": "S01-B", "effective_on": "2026-02-01",
    "recorded_at": "2026-02-01T09:00:00Z", "source": "test", "actor": "test", "version": 1,
    "data": {"course": "MAT-01", "date": "2026-02-11", "academic_year": "2025-26", "session": "winter",
             "calls_start_on": "2026-01-19"}}


def day_is_called_held_on_and_mode_is_oral(record: dict[str, Any]) -> dict[str, Any]:
    data = dict(record["data"])
    data["held_on"] = data.pop("date")
    return record | {"data": data | {"mode": "oral"}}


UPCASTS = {"exam-booked.v0": ("exam-booked.v1", day_is_called_held_on_and_mode_is_oral)}


def test_old_form_reads_as_the_new_one() -> None:
    event = Mapper(upcasts=UPCASTS).to_event("exam-booked.v0", canonical_json(OLD), 5)
    assert isinstance(event.data, ExamBooked)
    assert (event.type, event.data.held_on.isoformat(), event.data.mode) == ("exam-booked", "2026-02-11", "oral")


def test_upcasts_follow_one_another() -> None:
    names = STORED_NAMES | {"exam-booked": "exam-booked.v2"}
    upcasts = UPCASTS | {"exam-booked.v1": ("exam-booked.v2",
                                            lambda r: r | {"data": r["data"] | {"opens_on": "2026-01-12"}})}
    event = Mapper(names, upcasts).to_event("exam-booked.v0", canonical_json(OLD), 5)
    assert isinstance(event.data, ExamBooked)
    assert event.data.opens_on is not None
    assert event.data.opens_on.isoformat() == "2026-01-12"
    assert Mapper(names, upcasts).to_stored_event(event).topic == "exam-booked.v2"


def test_stored_bytes_stay_when_an_old_form_is_read(store: EventStore, store_url: str) -> None:
    unguarded(store_url)  # from a time when the name was written
    recorder = store._recorder
    stored = Mapper().to_stored_event(an_event())
    recorder.insert_events([type(stored)(stored.originator_id, 1, "exam-booked.v0", canonical_json(OLD))])
    store._mapper = Mapper(upcasts=UPCASTS)
    [event] = store.stream("S01")
    assert event.as_json()["data"]["mode"] == "oral"
    [new] = store.append([an_event("S01", 2)])
    assert [e.version for e in store.stream("S01")] == [1, 2]
    [(_, name, state), _] = recorder.log(0, 10)
    assert (name, json.loads(state)) == ("exam-booked.v0", OLD)
    assert new.position > event.position
