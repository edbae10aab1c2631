"""Two that act at once, and one that dies in the middle."""

import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.handling.submit import append_lines
from ledger.store import open_store
from tests.processes import SERVER
from tests.sizes import sized
from tests.store.workers import in_processes

from . import workers
from .histories import booking, clock, enrolled, lines, payment, submission

ROUNDS = sized(25, 200)
WRITERS = 5
LINES = 30
KILLS = sized(3, 30)
STUDENTS = sized(20, 20, 125)
"""With eight events each, in the file of which an append is killed."""
EVENTS = 8 * STUDENTS


@pytest.fixture
def quick_url(store_url: str) -> Iterator[str]:
    """A store that does not wait for the disk: what dies here is a process, not the machine."""
    if store_url.startswith("postgresql"):
        import psycopg

        with psycopg.connect(store_url, autocommit=True) as admin:
            admin.execute(f"ALTER DATABASE {store_url.rsplit('/', 1)[1]} SET synchronous_commit = off".encode())
        yield store_url
        return
    shared = Path("/dev/shm")  # noqa: S108 - a folder made by tempfile below it
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        yield f"sqlite:///{folder}/ledger.db"


@pytest.mark.faults
def test_one_booking_is_accepted_when_two_processes_book_the_same_exam(quick_url: str) -> None:
    with open_store(quick_url) as store:
        history = [line for n in range(ROUNDS) for line in lines(*enrolled(f"S{n}"))]
        assert all(o["outcome"] == "accepted" for o in append_lines(store, workers.BOOKS, history,
                                                                    "enforce", False, clock))
        both = in_processes(workers.submit_at_once, *[
            (quick_url, [booking(f"S{n}", f"{name}-{n}") for n in range(ROUNDS)]) for name in "ab"])
        for pair in zip(*both, strict=True):
            refused, accepted = sorted(pair, key=lambda outcome: outcome["outcome"], reverse=True)
            assert (refused["outcome"], accepted["outcome"]) == ("refused", "accepted"), pair
            assert [reason["rule"] for reason in refused["reasons"]] == ["PRN-D"]
        assert all(len(store.stream(f"S{n}")) == len(enrolled("S")) + 1 for n in range(ROUNDS))


def test_every_line_of_every_writer_is_stored_when_all_write_to_one_student(quick_url: str) -> None:
    with open_store(quick_url) as store:
        assert all(o["outcome"] == "accepted" for o in append_lines(store, workers.BOOKS, lines(*enrolled("S01")),
                                                                    "enforce", False, clock))
        files = [lines(*(payment("S01", n, id=f"w{writer}-{n}") for n in range(1, LINES + 1)))
                 for writer in range(WRITERS)]
        for found in in_processes(workers.append_file, *[(quick_url, file) for file in files]):
            assert found == ["accepted"] * LINES
        held = store.stream("S01")
        assert [event.version for event in held] == list(range(1, len(enrolled("S01")) + WRITERS * LINES + 1))


@pytest.mark.faults
def test_submission_is_stored_once_when_two_processes_send_it(quick_url: str) -> None:
    with open_store(quick_url) as store:
        sent = [submission("S01", f"t{n}", "ticket-closed", "2026-05-25", number=f"T{n}") for n in range(ROUNDS)]
        sent = [{name: value for name, value in one.items() if name != "career"} for one in sent]
        both = in_processes(workers.submit_at_once, (quick_url, sent), (quick_url, sent))
        for pair in zip(*both, strict=True):
            assert sorted(outcome["outcome"] for outcome in pair) == ["accepted", "duplicate"], pair
            assert len({(outcome["position"], outcome["version"]) for outcome in pair}) == 1
        assert [event.id for event in store.stream("S01")] == [f"t{n}" for n in range(ROUNDS)]


@pytest.mark.faults
def test_every_line_is_stored_once_or_not_at_all_when_the_process_is_killed(quick_url: str) -> None:
    """An append of a hundred events and more is killed at a random point, and the same file is sent again."""
    chance = random.Random(20260504)
    with open_store(quick_url) as store:
        start = 0
        for nth in range(KILLS):
            students = [f"R{nth}-{n}" for n in range(STUDENTS)]
            file = [line for student in students for line in lines(*enrolled(student),
                                                                   *(payment(student, n) for n in range(1, 6)))]
            assert len(file) == EVENTS
            answered = SERVER.RawValue("i", 0)  # without a lock: who dies while holding one would hang this process
            process = SERVER.Process(target=workers.append_and_count, args=(quick_url, file, answered))
            process.start()
            wanted = chance.randrange(EVENTS)
            while answered.value < wanted and process.is_alive():
                time.sleep(0.0002)
            time.sleep(chance.random() * 0.002)
            process.kill()
            process.join()
            given = answered.value
            stored = len(store.log(start, 2 * EVENTS))
            assert given <= stored <= EVENTS
            outcomes = [o["outcome"] for o in append_lines(store, workers.BOOKS, file, "enforce", False, clock)]
            duplicates = outcomes.count("duplicate")
            # a server may still have been busy with the last event of the dead process
            assert stored <= duplicates <= stored + 1
            assert outcomes == ["duplicate"] * duplicates + ["accepted"] * (EVENTS - duplicates)
            log = store.log(start, 2 * EVENTS)
            assert [(event.student, event.version) for event in log] == [
                (student, n) for student in students for n in range(1, 9)]
            assert len({event.id for event in log}) == EVENTS
            start = store.last_position()
