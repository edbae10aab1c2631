"""Stored bytes: `NAME`, a line break, the state."""

import tempfile
from datetime import date
from functools import cache

from ledger.domain.events import Event
from ledger.handling.submit import append_lines
from ledger.relay.states import states as states_of
from ledger.store import open_store
from ledger.store.errors import UnreadableEvent
from ledger.store.mapper import STORED_NAMES, Mapper, as_record, canonical_json
from ledger.wire.message import encode
from tests.handling.histories import booking, clock, enrolled, lines, payment, submission
from tests.rules.memory import MemoryLedger
from tests.store.test_stored_bytes import GOLDEN, SEALED

from .target import Target, law, or_refused, printable

MAPPER = Mapper()


@cache
def states() -> list[bytes]:
    found = {one["stored_name"]: one["stored"] for one in GOLDEN}
    sealed = {STORED_NAMES[kind]: one["stored"] for kind, one in SEALED.items()}
    return [f"{name}\n{state}".encode() for states in (found, sealed) for name, state in states.items()]


def state(text: bytes) -> None:
    first, _, held = text.partition(b"\n")
    name = first.decode("latin-1")
    event = or_refused(lambda: MAPPER.to_event(name, held, 7), UnreadableEvent, "position 7 ")
    record = or_refused(lambda: as_record(MAPPER.to_sound(name, held, 7), 7), UnreadableEvent, "position 7 ")
    assert (event is None) == (record is None), "read as an event and not as a record, or the other way round"
    if event is None:
        return
    written = MAPPER.to_stored_event(event)
    assert written.topic == name
    assert MAPPER.to_event(name, written.state, 7) == event
    canonical_json(event.as_json())
    canonical_json(record)


@cache
def a_history() -> list[Event]:
    """One student's, of the types that bring money, days, years and CFU into the answers."""
    year = "2025-26"
    more = [("contribution-assessed", {"academic_year": year, "contribution": "900.00"}),
            ("isee-certified", {"academic_year": year, "issued_on": "2025-12-01", "valid_for_university": True}),
            ("instalment-plan-agreed", {
                "charges": [f"{year}:instalment-2"], "motivated": True, "instalments": [
                    {"due_on": "2026-06-30", "amount": "200.00"}, {"due_on": "2026-07-30", "amount": "300.00"}]}),
            ("exam-graded", {"course": "F1", "held_on": "2026-06-22", "outcome": "passed", "grade": 27, "cfu": 6,
                             "session": "summer", "mode": "written", "academic_year": year})]
    given = [*enrolled("S01"), booking("S01", "b1"), payment("S01", 1), *(
        submission("S01", f"m{number}", name, "2026-05-26", **data) for number, (name, data) in enumerate(more))]
    with tempfile.TemporaryDirectory() as folder, open_store(f"sqlite:///{folder}/ledger.db") as store:
        found = [one["outcome"] for one in append_lines(store, law(), lines(*given), "record", False, clock)]
        assert found == ["accepted"] * len(given), found
        return list(store.stream("S01"))


def asked(text: bytes) -> None:
    """Stored bytes a line: where all can be read and are each other's, whatever is asked of the student has an
    answer."""
    events = []
    for number, line in enumerate(text.splitlines(), 1):
        name, _, held = line.partition(b" ")
        event = or_refused(lambda: MAPPER.to_event(name.decode("latin-1"), held, number), UnreadableEvent)  # noqa: B023
        if event is None or (event.student, event.version) != ("S01", number):
            return
        events.append(event)
    if events:
        ledger = MemoryLedger(law())
        ledger.streams["S01"] = events
        for day in (date(2026, 5, 28), date(2027, 11, 2)):
            printable(ledger.status("S01", day))
            printable(ledger.fees("S01", day))
            printable(list(ledger.audit(["S01"], day)))
        for one in states_of(events, "S01", law()):
            encode(one)


def histories() -> list[bytes]:
    stored = [MAPPER.to_stored_event(one) for one in a_history()]
    return [b"\n".join(one.topic.encode() + b" " + one.state for one in stored)]


TARGETS = (Target("stored-bytes", state, states), Target("stored-history", asked, histories, 20))
