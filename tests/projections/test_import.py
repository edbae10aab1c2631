"""A bulk import keeps nobody out: others go on writing to the same students, and a follower goes on following."""

import json
import os
import signal
import time
from functools import partial

import pytest

from ledger.generate import generate
from ledger.handling import bulk
from ledger.projections.everybody import open_database
from ledger.projections.everybody.verify import verify
from ledger.store import EventStore, open_store

from .populations import BOOKS
from .workers import SERVER, clock, follow, submit_until


def test_import_while_another_writes_to_its_students_and_a_follower_follows(store_url: str, store: EventStore,
                                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "BATCH_LINES", 60)
    events = [json.loads(line) for line in generate(12, 21)]
    for event in events:
        del event["recorded_at"]  # the ledger's clock: another's event may come before it in the same stream
    students = list(dict.fromkeys(event["student"] for event in events))
    tickets = [json.dumps({"id": f"ticket-{n}", "type": "ticket-opened", "student": students[n % len(students)],
                           "source": "portal",
                           "actor": "portal", "effective_on": "2026-01-10",
                           "data": {"number": str(n), "service": "desk", "subject": "fees",
                                    "context": "help"}}).encode()
               for n in range(3_000)]
    started, enough, following = SERVER.Event(), SERVER.Event(), SERVER.Event()
    other = SERVER.Process(target=submit_until, args=(store_url, started, enough, tickets), daemon=True)
    follower = SERVER.Process(target=follow, args=(store_url, following, 100), daemon=True)
    for process, flag in ((follower, following), (other, started)):
        process.start()
        assert flag.wait(60)
    crew = bulk.Crew(partial(open_store, store_url, create=False), BOOKS, "record", clock, 2, False)
    try:
        outcomes = list(crew.import_lines(store, [json.dumps(event).encode() for event in events]))
    finally:
        crew.close()
        enough.set()
    other.join()
    assert other.exitcode == 0
    assert crew.epoch > 0  # the other did come between, and what was decided in vain was decided again
    assert [(one["id"], one["outcome"]) for one in outcomes] == [(event["id"], "accepted") for event in events]
    log = store.log(0, 1_000_000)
    placed = {(event.id, event.position, event.version) for event in log}
    assert {(one["id"], one["position"], one["version"]) for one in outcomes} <= placed
    sent = len(log) - len(events)
    assert [event.id for event in log if event.id.startswith("ticket-")] == [f"ticket-{n}" for n in range(sent)] != []
    for stream in store.streams(students).values():
        assert [event.version for event in stream] == list(range(1, len(stream) + 1))
    with open_database(store_url) as database:
        until = time.monotonic() + 120
        while database.positions()[0].position < store.last_position():
            assert time.monotonic() < until
            time.sleep(0.05)
        os.kill(follower.pid or 0, signal.SIGKILL)
        follower.join()
    assert list(verify(store_url, BOOKS)) == []
