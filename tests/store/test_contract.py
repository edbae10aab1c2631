"""What both stores promise."""

import asyncio
import itertools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eventsourcing.persistence import OperationalError

from ledger.store import EventStore, StoreUnusable, VersionConflict, open_store

from . import workers
from .examples import an_event, events


def positions(found: list[Any]) -> list[int]:
    return [event.position for event in found]


def test_stream_reads_back_what_was_appended(store: EventStore) -> None:
    appended = store.append(events("S01", 1, 3)) + store.append(events("S01", 4, 4))
    assert store.stream("S01") == appended
    assert [event.placed(0) for event in appended] == events("S01", 1, 4)
    assert store.stream("S01", after=2) == appended[2:]
    assert store.stream("S02") == []
    assert store.append([]) == []


def test_log_is_in_order_of_positions_which_rise_over_all_students(store: EventStore) -> None:
    assert (store.last_position(), store.log(), list(store.students())) == (0, [], [])
    appended = [store.append(events(f"S{n % 7}", n // 7 + 1, n // 7 + 1))[0] for n in range(21)]
    assert positions(appended) == sorted(set(positions(appended)))
    assert store.log() == appended
    assert store.log(after=appended[4].position, limit=3) == appended[5:8]
    assert store.last_position() == appended[-1].position
    assert list(store.students()) == [f"S{n}" for n in range(7)]


def test_students_are_all_found_when_they_fill_several_pages(store: EventStore,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.store.event_store.PAGE", 4)
    store.append([an_event(f"S{n}") for n in range(10)] + events("S0", 2, 5))
    assert list(store.students()) == [f"S{n}" for n in range(10)]


@pytest.mark.parametrize("version", [0, 1, 3])
def test_append_conflicts_when_the_stream_stands_elsewhere(store: EventStore, version: int) -> None:
    kept = store.append(events("S01", 1, 2))
    with pytest.raises(VersionConflict):
        store.append(events("S01", version + 1, version + 1))
    assert store.stream("S01") == kept
    assert positions(store.append(events("S01", 3, 3)))[0] > kept[-1].position


def test_append_of_several_students_stores_nothing_when_one_conflicts(store: EventStore) -> None:
    store.append(events("S02", 1, 1))
    with pytest.raises(VersionConflict):
        store.append([*events("S01", 1, 2), *events("S02", 1, 1), *events("S03", 1, 1)])
    assert list(store.students()) == ["S02"]
    appended = store.append([*events("S01", 1, 1), *events("S02", 2, 2), *events("S01", 2, 3)])
    assert positions(appended) == sorted(positions(appended))
    assert [event.version for event in store.stream("S01")] == [1, 2, 3]


def test_append_of_thousands_is_one_transaction(store: EventStore) -> None:
    store.append(events("S02", 1, 1))
    with pytest.raises(VersionConflict):
        store.append([*events("S01", 1, 2500), *events("S02", 1, 1)])
    assert store.stream("S01") == []
    assert len(store.append(events("S01", 1, 2500))) == len(store.stream("S01")) == 2500


def test_append_refuses_events_that_are_not_the_next_of_the_student(store: EventStore) -> None:
    for wrong in ([an_event("S01", 2)], [an_event("S01", 1), an_event("S01", 3)]):
        with pytest.raises((StoreUnusable, VersionConflict)):
            store.append(wrong)
    assert store.last_position() == 0


def test_the_newest_position_of_one_is_told_to_an_event_loop_at_once(store: EventStore, store_url: str) -> None:
    async def asked(student: str) -> int | None:
        return await store.newest_at_once(student)

    at = store.append([*events("S01", 1, 2), *events("S02", 1, 1)])
    with asyncio.Runner() as loop:
        assert [loop.run(asked(name)) for name in ("S01", "S02", "S03")] == [at[1].position, at[2].position, 0]
        [later] = store.append(events("S01", 3, 3))
        assert loop.run(asked("S01")) == later.position == store.newest(["S01"])[0]
        if store_url.startswith("sqlite"):
            # whoever finds another file in its place says nothing: the other way tells why
            path = Path(store_url.removeprefix("sqlite:///"))
            path.rename(path.with_name("elsewhere.db"))
            assert loop.run(asked("S01")) is None


def test_store_opens_again_with_everything_in_it(store_url: str) -> None:
    with open_store(store_url) as store:
        appended = store.append(events("S01", 1, 2))
    with open_store(store_url, create=False) as store:
        assert store.stream("S01") == appended


def test_store_is_not_made_when_only_asked(store_url: str) -> None:
    for _ in range(2):
        with pytest.raises(StoreUnusable, match="there is no ledger"):
            open_store(store_url, create=False)


def test_store_opens_when_six_processes_start_at_once(store_url: str) -> None:
    assert workers.in_processes(workers.open_once, *[(store_url,)] * 6) == [0] * 6


def test_two_processes_append_to_one_student_without_loss_or_holes(store_url: str) -> None:
    with open_store(store_url) as store:
        found = workers.in_processes(workers.append_to_one_student, *[(store_url, name, 60) for name in "ab"])
        stream = store.stream("S01")
    assert [event.version for event in stream] == list(range(1, 121))
    assert positions(stream) == sorted(itertools.chain(*found))
    assert {event.id for event in stream} == {f"{name}-{n}" for name in "ab" for n in range(60)}


def test_reader_that_tails_the_log_misses_nothing_when_others_write(store_url: str) -> None:
    written: list[int] = []
    seen: list[int] = []
    done = threading.Event()

    def tail() -> None:
        with open_store(store_url) as reader:
            while True:
                finished = done.is_set()
                page = positions(reader.log(after=seen[-1] if seen else 0, limit=20))
                seen.extend(page)
                if finished and not page:
                    return

    open_store(store_url).close()
    thread = threading.Thread(target=tail)
    thread.start()
    try:
        for found in workers.in_processes(workers.append_to_own_students, *[(store_url, name, 200) for name in "abc"]):
            written += found
    finally:
        done.set()
        thread.join(30)
    assert len(written) == 3 * (200 + 2 * 50)
    assert seen == sorted(written)


@pytest.mark.parametrize("link_breaks", ["before", "after"])
def test_event_is_stored_once_when_the_link_breaks_around_the_commit(
        store: EventStore, monkeypatch: pytest.MonkeyPatch, link_breaks: str) -> None:
    insert: Callable[..., Any] = store._recorder.insert_events
    calls = 0

    def break_once(stored: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1 and link_breaks == "after":
            insert(stored)
        if calls == 1:
            raise OperationalError("the pool lost its connection: database is locked") from psycopg_error()
        return insert(stored)

    store.append(events("S01", 1, 1))
    monkeypatch.setattr(store._recorder, "insert_events", break_once)
    appended = store.append(events("S01", 2, 3)) + store.append(events("S02", 1, 1))
    assert store.log(after=1) == appended
    assert [event.version for event in store.stream("S01")] == [1, 2, 3]


def psycopg_error() -> Exception:
    import psycopg

    return psycopg.OperationalError("server closed the connection unexpectedly")


@pytest.mark.parametrize("name", ["POSTGRES_ENABLE_DB_FUNCTIONS", "LEDGER_POSTGRES_ENABLE_DB_FUNCTIONS"])
def test_store_refuses_to_start_when_db_functions_are_enabled(store_url: str, monkeypatch: pytest.MonkeyPatch,
                                                              name: str) -> None:
    monkeypatch.setenv(name, "y")
    with pytest.raises(StoreUnusable, match=f"{name} is set"):
        open_store(store_url)
    monkeypatch.setenv(name, "no")
    open_store(store_url).close()


@pytest.mark.parametrize("url", ["", "ledger.db", "sqlite://ledger.db", "sqlite:///", "mysql://h/d", "http://h"])
def test_store_says_how_an_address_is_written_when_it_is_another(url: str) -> None:
    with pytest.raises(StoreUnusable, match="sqlite:///PATH or postgresql://"):
        open_store(url)
