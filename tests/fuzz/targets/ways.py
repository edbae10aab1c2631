"""The ways into the ledger, from bytes to what is stored: `append` line by line, the bulk import, the intake."""

import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from ledger.handling.bulk import Opens, _batches, _store, _Worker
from ledger.handling.lines import decode_line
from ledger.handling.submit import append_lines
from ledger.intake.counter import Counter, Received
from ledger.store import EventStore, open_store
from ledger.wire.letters import Outcome
from ledger.wire.message import History, header
from ledger.wire.topics import OUTCOMES
from tests.handling.histories import booking, clock, enrolled, lines, payment

from .target import Target, law, printable


@cache
def prepared() -> Path:
    """A ledger in which S01 may book her exam."""
    file = Path(tempfile.mkdtemp()) / "ledger.db"
    with open_store(f"sqlite:///{file}") as store:
        assert {one["outcome"] for one in append_lines(store, law(), lines(*enrolled("S01")), "record", False,
                                                       clock)} == {"accepted"}
    return file


@contextmanager
def fresh() -> Iterator[EventStore]:
    with tempfile.TemporaryDirectory() as folder:
        file = shutil.copy(prepared(), folder)
        with open_store(f"sqlite:///{file}") as store:
            yield store


def imported(given: list[bytes], store: EventStore) -> list[dict[str, Any]]:
    """As one worker of the bulk import decides, in this process."""
    worker, found = _Worker(Opens(lambda: store), law(), "record", clock, False), []
    for batch in _batches(given, 1, 0):
        done: Future[Any] = Future()
        worker.read(batch.routed[0], batch.number)
        done.set_result(worker.decide(batch.number, batch.number - 1, 0))
        batch.found = [done]
        found += _store(store, batch)
    return found


def appended_alike(text: bytes) -> None:
    """Both ways answer alike and store the same bytes; what is not accepted leaves nothing behind."""
    given = text.splitlines(keepends=True)
    with fresh() as one, fresh() as other:
        before = one.last_position()
        single = list(append_lines(one, law(), given, "record", False, clock))
        bulk = imported(given, other)
        printable(single)
        assert single == bulk
        accepted = sum(outcome["outcome"] == "accepted" for outcome in single)
        assert one.last_position() == other.last_position() == before + accepted
        assert one.log(before) == other.log(before)


def taken_in(text: bytes) -> None:
    """Each message has an outcome of the published form, or is a dead letter; neither is a fault of ours."""
    with fresh() as store:
        counter, before = Counter(store, law(), clock, History("test", 1)), store.last_position()
        for n, line in enumerate(text.splitlines()):
            raw = decode_line(line, first=True)
            student = raw.get("student") if isinstance(raw, dict) else None
            key = student.encode("utf-8", "replace") if isinstance(student, str) else line[:9]
            [message] = counter.answers([Received(0, n, key, line, [("content-type", b"application/json")])])
            if message.topic != OUTCOMES:
                said = header(message.headers, "dead_letter_error")
                assert said
                assert "fault of the ledger" not in said, said
                continue
            found = Outcome.model_validate_json(message.value or b"")
            assert found.outcome != "invalid" or found.problems
            assert found.outcome != "refused" or found.reasons
            before += found.outcome == "accepted"
        assert store.last_position() == before


def files() -> list[bytes]:
    given = [booking("S01", "b1"), payment("S01", 1), *enrolled("S02")]
    return [b"".join(lines(*given)), b"".join(lines(*given[:2])), lines(given[0])[0]]


TARGETS = (Target("append-and-bulk", appended_alike, files, 20), Target("intake", taken_in, files, 20))
