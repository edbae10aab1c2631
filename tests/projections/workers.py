"""What other processes do in these tests. They come from a server that has imported everything, so
that each starts at once."""

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timezone
from itertools import takewhile
from multiprocessing.synchronize import Event as Flag
from typing import Any

from ledger.domain.events import Event
from ledger.handling.submit import append_lines
from ledger.projections.everybody import Follower, open_database
from ledger.projections.everybody.rebuild import rebuild
from ledger.store import VersionConflict, open_store, workers
from tests.processes import SERVER

from .populations import BOOKS


def follow(url: str, started: Flag, page: int, partition: int = 1, partitions: int = 1) -> None:
    """Follows for ever, in small pages."""
    with open_store(url) as store, open_database(url) as database:
        follower = Follower(store, database, BOOKS, partition, partitions, page)
        follower.prepare()
        started.set()
        follower.run(SERVER.Event())


def write(url: str, started: Flag, events: Sequence[Event], size: int) -> None:
    """Appends the events, `size` in a transaction."""
    with open_store(url) as store:
        started.wait(60)
        for start in range(0, len(events), size):
            store.append(events[start:start + size])


def submit_until(url: str, started: Flag, enough: Flag, lines: Sequence[bytes]) -> None:
    """Submits the lines one after the other until it is told that it is enough; again, where others kept
    appending to the student."""
    with open_store(url) as store:
        for line in takewhile(lambda _: not enough.is_set(), lines):
            outcomes: list[dict[str, Any]] = []
            while not outcomes:
                with suppress(VersionConflict):
                    outcomes = list(append_lines(store, BOOKS, [line], "enforce", False, clock))
            if outcomes[0]["outcome"] != "accepted":
                raise RuntimeError(str(outcomes[0]))
            started.set()


def clock() -> datetime:
    """After everything that is submitted."""
    return datetime(2026, 11, 2, tzinfo=timezone.utc)


def rebuild_and_die(url: str, part_events: int, after: int) -> None:
    """Begins a rebuild in small parts and kills itself as soon as so many events are done."""
    workers.PART_EVENTS = part_events

    def die(done: int, _total: int) -> None:
        if done >= after:
            os.kill(os.getpid(), signal.SIGKILL)

    rebuild(url, BOOKS, None, die)
