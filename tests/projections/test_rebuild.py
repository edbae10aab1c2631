"""A rebuild beside the live tables: equal rows, during writes, resumed, and when the law has changed."""

import shutil
import signal
import threading
import time
from datetime import date, datetime, timezone

import pytest

from ledger.parallel import How
from ledger.projections.everybody import Follower, law_of, open_database, shape
from ledger.projections.everybody import rebuild as rebuilding
from ledger.projections.everybody.rebuild import rebuild
from ledger.projections.everybody.reports import Reports, status_of
from ledger.projections.everybody.verify import diff, verify
from ledger.store import StoreUnavailable, StoreUnusable, open_store, workers
from ledger.words import sentence

from .populations import BOOKS, a_debtor, append, fill, population, submission, tables
from .workers import SERVER, follow, rebuild_and_die, write

DAY = date(2026, 3, 25)


def test_rebuild_gives_the_rows_that_a_follower_gives(store_url, store, database, monkeypatch) -> None:
    monkeypatch.setattr(workers, "WORTH_EVENTS", 100)  # so that this little is worth two processes
    monkeypatch.setattr(workers, "PART_EVENTS", 150)
    fill(store, population(20))
    follower = Follower(store, database, BOOKS)
    follower.prepare()
    follower.catch_up()
    before = tables(database)
    seen: list[tuple[int, int]] = []
    done = rebuild(store_url, BOOKS, How(2), lambda *at: seen.append(at))
    assert tables(database) == before
    assert (done.events, done.resumed, done.position) == (len(population(20)), 0, store.last_position())
    assert seen[-1][0] == seen[-1][1] == done.events
    fill(store, population(5, first=500))
    follower.catch_up()
    rebuild(store_url, BOOKS)
    assert list(verify(store_url, BOOKS, How(2))) == []


def test_rebuild_asks_for_the_rows_once_part_by_part_in_the_order_of_streams(store_url, store, monkeypatch) -> None:
    monkeypatch.setattr(workers, "PART_EVENTS", 150)
    fill(store, population(20))
    asked: list[tuple[str, object]] = []
    recorder = type(store._recorder)

    def noted(name, ask):
        return lambda *given: asked.append((name, given[1])) or ask(*given)

    for name in ("part", "stream", "streams", "log", "first_events"):
        monkeypatch.setattr(recorder, name, noted(name, getattr(recorder, name)))
    rebuild(store_url, BOOKS, How(1))
    assert {name for name, _ in asked} == {"part"}
    firsts = [first for _, first in asked]
    assert len(firsts) == workers.parts_of(store.last_position()) > 3
    assert firsts == sorted(set(firsts))


def test_rebuild_reads_a_replica_and_no_other_copy(tmp_path, monkeypatch) -> None:
    ours, copy, other = (f"sqlite:///{tmp_path}/{name}.db" for name in ("ours", "copy", "other"))
    with open_store(ours) as store:
        fill(store, population(5))
    shutil.copy(tmp_path / "ours.db", tmp_path / "copy.db")
    with open_store(copy, create=False) as store:
        held = [event.position for event in store.log()]
    read: list[str] = []
    monkeypatch.setattr(rebuilding, "_compute_part", lambda bench, part, compute=rebuilding._compute_part: (
        read.append(bench.store._place), compute(bench, part))[1])
    assert rebuild(ours, BOOKS, replica=copy).events == len(held)
    assert read == [str(tmp_path / "copy.db")] * len(read) != []
    assert list(verify(ours, BOOKS)) == []
    monkeypatch.setattr(rebuilding, "BEHIND_SECONDS", 0.2)
    with open_store(ours, create=False) as store:
        fill(store, population(1, first=900))
    with pytest.raises(StoreUnavailable, match="does not come up"):
        rebuild(ours, BOOKS, replica=copy)
    with open_store(other) as store:
        fill(store, population(5))
    with pytest.raises(StoreUnusable, match="another ledger"):
        rebuild(ours, BOOKS, replica=other)


def test_rebuild_goes_on_where_it_was_killed(store_url, store, database) -> None:
    events = population(20)
    fill(store, events)
    Follower(store, database, BOOKS).prepare()
    for after in (150, 350):
        process = SERVER.Process(target=rebuild_and_die, args=(store_url, 75, after))
        process.start()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
        assert database.positions()[0].position == 0  # the live tables are as they were
    fill(store, population(5, first=500))
    done = rebuild(store_url, BOOKS)
    assert 350 <= done.resumed < done.events
    assert done.position >= events[-1].position
    Follower(store, database, BOOKS).catch_up()
    assert list(verify(store_url, BOOKS)) == []
    assert rebuild(store_url, BOOKS).resumed == 0


def test_rebuild_killed_under_another_law_begins_anew(store_url, store, database, other_books) -> None:
    fill(store, population(20))
    process = SERVER.Process(target=rebuild_and_die, args=(store_url, 100, 300))
    process.start()
    process.join(60)
    assert rebuild(store_url, other_books).resumed == 0
    assert list(verify(store_url, other_books)) == []


def test_amendment_asks_for_a_rebuild_and_diff_names_whose_answers_it_changes(store_url, store, database) -> None:
    append(store, *a_debtor("S01"), *(submission("S02", f"m{n}", kind, on, data) for n, (kind, on, data) in enumerate((
        ("preenrolled", "2019-07-10", {"programme": "LM", "academic_year": "2019-20", "course_type": "master",
                                       "access": "open"}),
        ("enrolled-with-reservation", "2019-10-10", {
            "programme": "LM", "academic_year": "2019-20", "course_type": "master", "access": "open", "year": 1,
            "regime": "full-time", "ground": "degree-pending", "missing_exams": 1, "missing_cfu": 6,
            "home_university": "same"}),
        ("instalment-paid", "2019-10-10", {"charge": "2019-20:enrolment", "amount": "156.00"})))))
    before = BOOKS.known_at(datetime(2020, 3, 1, tzinfo=timezone.utc))
    after = BOOKS.known_at(datetime(2020, 5, 1, tzinfo=timezone.utc))
    rebuild(store_url, before)
    assert status_of(database, law_of(before))["rebuild_needed"] is None
    why = sentence(status_of(database, law_of(after))["rebuild_needed"])
    assert "the rule book of 2019-20 is another one" in why
    found = list(diff(store_url, before, after))
    assert {one["student"] for one in found} == {"S02"}
    assert {one["what"] for one in found} == {"status", "charges", "blocks"}
    lapses = [one for one in found if one["what"] == "status" and one["before"]]
    assert "2020-05-01" in str(lapses[0]["before"])
    assert "2020-06-16" in str(lapses[0]["after"])
    rebuild(store_url, after)
    assert status_of(database, law_of(after))["rebuild_needed"] is None
    assert list(verify(store_url, after)) == []


def test_only_one_rebuild_runs(store_url, store, database) -> None:
    append(store, *a_debtor("S01"))
    with open_database(store_url) as other, other.backend.lock("rebuild") as mine:
        assert mine
        with pytest.raises(StoreUnavailable, match="another rebuild"):
            rebuild(store_url, BOOKS)


def test_rebuild_during_writes_with_followers_and_questions(store_url, store, database) -> None:
    fill(store, population(30))
    started = SERVER.Event()
    followers = [SERVER.Process(target=follow, args=(store_url, started, 100, 1, 1), daemon=True)]
    writers = [SERVER.Process(target=write, args=(store_url, started, population(5, 3, first=1000 * n), 4), daemon=True)
               for n in range(1, 5)]
    for process in (*followers, *writers):
        process.start()
    assert started.wait(60)
    stop, positions, wrong = threading.Event(), [], []

    def ask() -> None:
        with open_database(store_url) as asked:
            reports = Reports(asked, law_of(BOOKS))
            while not stop.is_set():
                try:
                    positions.append(reports.blocked(DAY)["known_position"])
                    time.sleep(0.005)
                except Exception as error:
                    wrong.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    count = 0
    while any(process.is_alive() for process in writers) or count < 2:
        rebuild(store_url, BOOKS)
        count += 1
    stop.set()
    asking.join()
    until = time.monotonic() + 60
    while database.positions()[0].position < store.last_position():
        assert time.monotonic() < until
        time.sleep(0.05)
    for process in followers:
        process.kill()
        process.join()
    assert wrong == []
    assert positions == sorted(positions)  # never an older answer after a newer one
    assert len(positions) > 5
    assert [process.exitcode for process in writers] == [0] * 4
    assert list(verify(store_url, BOOKS)) == []


def test_a_changed_interpretation_is_noticed_shown_and_adopted(store_url, store, database,
                                                               other_books, monkeypatch) -> None:
    append(store, *a_debtor("S01"), *a_debtor("S02"))
    append(store, submission("S02", "a4", "instalment-paid", "2026-02-17",
                             {"charge": "2025-26:instalment-1", "amount": "400.00"}))
    append(store, submission("S02", "a5", "instalment-paid", "2026-02-17",
                             {"charge": "2025-26:instalment-2", "amount": "500.00"}))
    rebuild(store_url, BOOKS)
    assert status_of(database, law_of(BOOKS))["rebuild_needed"] is None
    changed = list(diff(store_url, BOOKS, other_books))
    assert {(d["student"], d["what"], d["kind"], d["rule"], d["charge"])
            for d in changed if d["charge"] == "2025-26:instalment-1"} == {
        ("S01", "blocks", "exam-booking", "BLK-1", "2025-26:instalment-1"),
        ("S01", "blocks", "administrative", "BLK-3", "2025-26:instalment-1")}
    [lost] = [d for d in changed if (d["kind"], d["charge"]) == ("exam-booking", "2025-26:instalment-1")]
    assert (lost["before"], lost["after"]) == ([{"from_on": "2026-03-20", "until_on": None, "amount": "400.00"}], [])
    assert {d["student"] for d in changed} == {"S01"}

    with monkeypatch.context() as newer:  # a program that gives other answers from the same events and law
        newer.setattr(shape, "EDITION", shape.EDITION + 1)
        assert "another version of this program" in sentence(status_of(database, law_of(BOOKS))["rebuild_needed"])

    law = law_of(other_books)
    needed = "the rule book of 2025-26 is another one; interpretations have changed"
    assert needed in sentence(status_of(database, law)["rebuild_needed"])
    answer = Reports(database, law).blocked(DAY, "exam-booking")
    assert needed in sentence(answer["rebuild_needed"])
    assert [row["student"] for row in answer["rows"]] == ["S01"]  # still answered, from the old rows
    with pytest.raises(Exception, match="need a rebuild"):
        list(verify(store_url, other_books))

    rebuild(store_url, other_books)
    assert list(verify(store_url, other_books)) == []
    answer = Reports(database, law).blocked(DAY)
    assert answer["rebuild_needed"] is None
    assert ("S01", "administrative") in {(row["student"], row["kind"]) for row in answer["rows"]}
    assert list(diff(store_url, other_books, other_books)) == []
    assert Follower(store, database, other_books).step() is False
