"""Stored is always the same as computed, whatever was appended and whoever was killed."""

import os
import random
import signal
import threading
import time
from datetime import date

import pytest

from ledger.projections.everybody import Follower, ProjectionDatabase, RebuildNeeded, law_of, open_database, wait_for
from ledger.projections.everybody.database import Repartitioned, mark_of
from ledger.projections.everybody.reports import Reports, status_of
from ledger.projections.everybody.verify import verify
from ledger.store import EventStore
from tests.figures import PORT, asked, is_at_work, port_of, shows
from tests.processes import LEDGER, Program
from tests.sizes import sized

from .populations import BOOKS, a_debtor, append, fill, population, submission, tables
from .workers import SERVER, follow, write

MANY = sized(450, 3000, 100_000)
"""Events that six writers append while a follower runs."""
KILLS = sized(6, 50)


def project(store: EventStore, database: ProjectionDatabase, partition: int = 1, partitions: int = 1,
            page: int = 2000) -> None:
    follower = Follower(store, database, BOOKS, partition, partitions, page)
    follower.prepare()
    follower.catch_up()


def test_stored_is_as_computed_for_a_population(store_url, store, database) -> None:
    events = population(60)
    for start in range(0, len(events), 700):
        fill(store, events[start:start + 700])
        project(store, database, page=333)
    assert list(verify(store_url, BOOKS)) == []
    assert {kind for kind, rows in tables(database).items() if not rows} == {"forfeitable"}  # no book states DEC-1
    state = status_of(database, law_of(BOOKS))
    assert (state["events_behind"], state["known_position"],
            state["rebuild_needed"]) == (0, store.last_position(), None)
    assert state["bytes"] is None or state["bytes"] > 0


def test_stored_is_as_computed_after_voids_and_late_recording(store_url, store, database) -> None:
    append(store, *a_debtor("S01"), *a_debtor("S02"))
    project(store, database)
    blocked = Reports(database, law_of(BOOKS)).blocked
    day = date(2026, 3, 25)
    assert {row["student"] for row in blocked(day, "exam-booking")["rows"]} == {"S01", "S02"}
    paid = submission("S01", "a4", "instalment-paid", "2026-02-17",
                      {"charge": "2025-26:instalment-1", "amount": "400.00"}, "2026-04-02")
    append(store, paid)  # learned late: it was paid in time
    project(store, database)
    assert {row["student"] for row in blocked(day, "exam-booking")["rows"]} == {"S02"}
    assert list(verify(store_url, BOOKS)) == []
    append(store, submission("S01", "a5", "event-voided", "2026-04-03",
                             {"event": "a4", "reason": "wrong student", "authority": "office"}))
    project(store, database)
    assert {row["student"] for row in blocked(day, "exam-booking")["rows"]} == {"S01", "S02"}
    assert list(verify(store_url, BOOKS)) == []
    append(store, *(submission("S02", f"v{n}", "event-voided", "2026-04-03",
                               {"event": f"a{n}", "reason": "x", "authority": "office"})
                    for n in (3, 2, 1)))  # nothing is left of her
    project(store, database)
    assert {row["student"] for row in Reports(database, law_of(BOOKS)).find(day)["rows"]} == {"S01"}
    assert list(verify(store_url, BOOKS)) == []


def test_verify_names_each_difference(store_url, store, database) -> None:
    append(store, *a_debtor("S01"), *a_debtor("S02"))
    project(store, database)
    with database.backend.transaction(write=True) as cursor:
        cursor.run("UPDATE {charges} SET outstanding = outstanding + 1 WHERE student = 'S01' AND state = 'overdue'")
        cursor.run("DELETE FROM {blocks} WHERE student = 'S02' AND kind = 'final-exam'")
        cursor.insert("bookings", [("S99", "S99-B", "X", "2026-01-01", "2025-12-01", None)])
    found = list(verify(store_url, BOOKS))
    assert {(d["student"], d["what"]) for d in found} == {("S01", "charges"), ("S02", "blocks"), ("S99", "bookings")}
    wrong = next(d for d in found if d["what"] == "charges")
    assert {row["outstanding"] for row in wrong["stored"]} == {"400.01"}
    assert {row["outstanding"] for row in wrong["computed"]} == {"400.00"}
    assert next(d for d in found if d["student"] == "S02")["stored"] == []


def test_verify_allows_what_the_follower_has_not_seen_but_nothing_older_than_its_position(store_url,
                                                                                          store, database) -> None:
    first = append(store, *a_debtor("S01"))
    project(store, database)
    append(store, submission("S01", "a4", "instalment-paid", "2026-02-17",
                             {"charge": "2025-26:instalment-1", "amount": "400.00"}))
    assert list(verify(store_url, BOOKS)) == []
    with database.backend.transaction(write=True) as cursor:
        last = store.last_position()
        cursor.run("UPDATE {position} SET position = :to, mark = :mark", {"to": last, "mark": mark_of(cursor, last)})
    assert {d["student"] for d in verify(store_url, BOOKS)} == {"S01"}
    assert first < store.last_position()


def test_a_follower_that_lost_its_place_stores_nothing(store, database) -> None:
    append(store, *a_debtor("S01"))
    follower = Follower(store, database, BOOKS)
    follower.prepare()
    at = database.partition(1, 1, law_of(BOOKS))
    follower.catch_up()
    before = tables(database)
    assert not database.replace(at, at.position + 1, ["S01"], {kind: [] for kind in before})
    assert tables(database) == before


def test_partitions_give_equal_tables(store_url, store, database) -> None:
    events = population(20)
    fill(store, events)
    found = []
    for count in (1, 2, 4):
        if database.backend.exists():
            with database.backend.transaction(write=True) as cursor:
                database.backend.drop(cursor, "live")
        threads = [threading.Thread(target=_in_thread, args=(store_url, n, count)) for n in range(1, count + 1)]
        for number in range(1, count + 1):
            Follower(store, database, BOOKS, number, count).prepare()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [p.position for p in database.positions()] == [store.last_position()] * count
        found.append(tables(database))
    assert found[0] == found[1] == found[2]
    assert found[0]["status"]


def _in_thread(url: str, number: int, count: int) -> None:
    from ledger.store import open_store

    with open_store(url) as store, open_database(url) as database:
        Follower(store, database, BOOKS, number, count, 400).catch_up()


def test_the_number_of_partitions_can_change(store_url, store, database) -> None:
    events = population(20)
    half = len(events) // 2
    fill(store, events[:half])
    project(store, database)
    old = Follower(store, database, BOOKS)
    for number in (1, 2, 3, 4):
        project(store, database, number, 4)
    fill(store, events[half:])
    with pytest.raises(Repartitioned, match="4 partitions now, not 1"):
        old.step()
    project(store, database, 2, 4)
    assert list(verify(store_url, BOOKS)) == []
    project(store, database, 1, 1)
    assert list(verify(store_url, BOOKS)) == []
    assert database.positions()[0].position == store.last_position()


def test_another_law_stops_the_follower(store, database, other_books) -> None:
    append(store, *a_debtor("S01"))
    project(store, database)
    with pytest.raises(RebuildNeeded, match="the rule book of 2025-26 is another one; interpretations have changed"):
        Follower(store, database, other_books).step()


@pytest.mark.faults
def test_kill_mid_batch_again_and_again_loses_nothing(store_url, store, database) -> None:
    events = population(KILLS)
    chance, cut_short, longest = random.Random(5), 0, 0.08
    edges = [len(events) * n // KILLS for n in range(KILLS + 1)]
    for number in range(KILLS):
        store.append(events[edges[number]:edges[number + 1]])
        started = SERVER.Event()
        process = SERVER.Process(target=follow, args=(store_url, started, 5), daemon=True)
        process.start()
        assert started.wait(60)
        time.sleep(chance.random() * longest)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        if min(p.position for p in database.positions()) < store.last_position():
            cut_short += 1
        else:
            longest /= 2  # it is quicker than that here
    assert cut_short >= KILLS // 5  # killed in the middle of their work
    assert list(verify(store_url, BOOKS)) == []
    project(store, database)
    assert list(verify(store_url, BOOKS)) == []
    assert status_of(database, law_of(BOOKS))["events_behind"] == 0


@pytest.mark.faults
def test_six_writers_and_a_follower_miss_nothing(store_url, store, database) -> None:
    started = SERVER.Event()
    events = [population(max(1, MANY // 6 // 38), 3, first=1000 * n) for n in range(6)]
    writers = [SERVER.Process(target=write, args=(store_url, started, some[:MANY // 6], 3), daemon=True)
               for some in events]
    follower = SERVER.Process(target=follow, args=(store_url, started, 200), daemon=True)
    for process in (*writers, follower):
        process.start()
    for process in writers:
        process.join()
        assert process.exitcode == 0
    _reach(database, store.last_position())
    os.kill(follower.pid, signal.SIGKILL)
    follower.join()
    assert list(verify(store_url, BOOKS)) == []
    students = {row[0] for row in tables(database)["status"]}
    assert len(students) >= sum(len({e.student for e in some[:MANY // 6]}) for some in events) * 0.9


def _reach(database: ProjectionDatabase, position: int) -> None:
    until = time.monotonic() + 120 + MANY / 100
    while min(p.position for p in database.positions()) < position:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_second_follower_takes_over(store_url, store, database) -> None:
    started = SERVER.Event()
    append(store, *a_debtor("S01"))
    first, second = (SERVER.Process(target=follow, args=(store_url, started, 100), daemon=True) for _ in range(2))
    first.start()
    assert started.wait(60)
    _reach(database, store.last_position())
    second.start()
    time.sleep(0.3)
    os.kill(first.pid, signal.SIGKILL)
    first.join()
    append(store, *a_debtor("S02"))
    _reach(database, store.last_position())
    os.kill(second.pid, signal.SIGKILL)
    second.join()
    assert list(verify(store_url, BOOKS)) == []


def test_waiting_returns_when_the_events_are_included(store_url, store, database) -> None:
    position = append(store, *a_debtor("S01"))
    wait_for(store_url, store, BOOKS, position)  # nobody follows: it does the work itself
    assert database.positions()[0].position >= position
    started = SERVER.Event()
    process = SERVER.Process(target=follow, args=(store_url, started, 100), daemon=True)
    process.start()
    assert started.wait(60)
    position = append(store, *a_debtor("S02"))
    wait_for(store_url, store, BOOKS, position)
    assert {row["student"] for row in Reports(database, law_of(BOOKS)).find(date(2026, 3, 1))["rows"]} == {"S01", "S02"}
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def test_the_command_follows_and_shows_its_figures_until_sigterm(store_url, store, database) -> None:
    append(store, *a_debtor("S01"))
    process = Program(LEDGER, "--db", store_url, "project", "--follow", *PORT)
    shows(port := port_of(process), {'career_ledger_works{program="project"}': 1})
    _reach(database, store.last_position())
    position = append(store, *a_debtor("S02"))
    _reach(database, position)
    shows(port, {'career_ledger_position{part="1/1",program="project"}': position,
                 'career_ledger_log_end{program="project"}': position,
                 'career_ledger_events_total{part="1/1",program="project"}': 6,
                 'career_ledger_set_aside_students{part="all",program="project"}': 0,
                 'career_ledger_retries_total{program="project"}': 0})
    assert is_at_work(port, "project")
    assert "S01" not in asked(port, "/metrics")[1]
    process.terminate()
    said = process.communicate(timeout=20)[1].splitlines()
    assert (process.returncode, said[1:]) == (0, ["career-ledger: following partition 1 of 1"])
    assert list(verify(store_url, BOOKS)) == []
