"""Who asks as a student sees her own events, whatever is asked: PostgreSQL's policy, and SQLite's table of hers."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from ledger.bootstrap import open_ledger
from ledger.store import EventStore, StoreUnavailable, StoreUnusable, only, open_store
from ledger.store.mapper import stream_id
from tests.conftest import ROLES
from tests.handling.histories import enrolled, lines


@pytest.fixture
def filled(store_url: str) -> Iterator[EventStore]:
    with open_ledger(store_url) as ledger:
        for student in ("S01", "S02"):
            told = list(ledger.append_lines(lines(*enrolled(student)), "record"))
            assert {one["outcome"] for one in told} == {"accepted"}
    if store_url.startswith("postgresql"):
        with psycopg.connect(store_url, autocommit=True) as owner:
            owner.execute(ROLES.read_bytes())
    with open_store(store_url) as store:
        yield store


def read(store: EventStore) -> list[list[Any]]:
    """By each way there is, none of which filters."""
    ids = [stream_id(student) for student in ("S01", "S02")]
    return [
        [one.student for one in store.log()], [row[0] for row in store.rows()], store.touched(), store.records(),
        list(store.students()), store.begun(), list(store.streams(["S01", "S02"])), list(store.streams_of(ids)),
        list(store.part(0, 1)), [store.last_position()], store.newest(["S01", "S02"])]


def test_whatever_is_asked_in_her_name_finds_hers_alone(filled: EventStore) -> None:
    everything = read(filled)
    count = len(everything[0])
    with only("S02"):
        found = read(filled)
        assert filled.stream("S01") == []
        assert filled.rows_of("S01") == []
        assert set(found[0]) == {"S02"}
        assert len(found[0]) == count // 2 == len(filled.stream("S02"))
        assert {stream for _, stream in found[2]} == {stream_id("S02")}
        assert found[4] == found[6] == found[7] == found[8] == ["S02"]
        assert found[10] == [0, everything[10][1]]
        assert filled.identity()
    with only("S03"):
        assert [one for answer in read(filled)[:9] for one in answer] == []
    with only("x' OR '1'='1"):
        assert filled.log() == []
    assert read(filled) == everything  # the connections are nobody's again


def test_a_fault_in_her_name_leaves_nothing_behind(filled: EventStore) -> None:
    recorder: Any = filled._recorder
    with only("S02"), pytest.raises((StoreUnusable, StoreUnavailable)):
        filled._patiently(lambda: recorder.read("SELECT nothing FROM stored_events", ()))
    assert {one.student for one in filled.log()} == {"S01", "S02"}


def test_deliberately_wrong_sql_shows_a_student_her_own_events_alone(postgres_url: str, as_role: Any) -> None:
    with open_ledger(postgres_url) as ledger:
        for student in ("S01", "S02"):
            list(ledger.append_lines(lines(*enrolled(student)), "record"))
    url = as_role("career_ledger_student")
    with psycopg.connect(url) as link:
        unfiltered = "SELECT DISTINCT originator_id FROM public.stored_events"
        link.execute("SET ROLE career_ledger_student")
        assert link.execute(unfiltered).fetchall() == []
        for student in ("S01", "S02"):
            link.execute("SELECT set_config('career_ledger.stream', %s, false)", (str(stream_id(student)),))
            assert link.execute(unfiltered).fetchall() == [(stream_id(student),)]
            # a function that shows what it is given sees no other row either
            counts = [link.execute(f"SELECT count(*) FROM public.stored_events{where}".encode()).fetchone()
                      for where in ("", " WHERE originator_id::text LIKE '%'")]
            assert counts == [(3,), (3,)]
        link.commit()
        for forbidden in ("SELECT * FROM public.refused_submissions", "SELECT * FROM public.relay_positions",
                          "DELETE FROM public.stored_events",
                          "SELECT public.career_ledger_append('{}', '{}', '{}', '{}')",
                          "ALTER TABLE public.stored_events DISABLE ROW LEVEL SECURITY"):
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedTable)):
                link.execute(forbidden.encode())
            link.rollback()


@pytest.mark.parametrize("role", ["reader", "writer", "projector", "relay", "sequencer", "intake"])
def test_every_other_role_sees_every_row_without_looking_at_each(postgres_url: str, as_role: Any, role: str) -> None:
    with open_ledger(postgres_url) as ledger:
        list(ledger.append_lines(lines(*enrolled("S01")), "record"))
    with psycopg.connect(as_role(f"career_ledger_{role}")) as link:
        [count] = link.execute("SELECT count(*) FROM public.stored_events").fetchone() or [0]
        assert count == 3
        plan = "\n".join(row[0] for row in link.execute("EXPLAIN SELECT state FROM public.stored_events").fetchall())
        assert "Filter" not in plan


def test_login_that_serves_reads_as_itself_and_as_a_student(postgres_url: str, as_role: Any) -> None:
    with open_ledger(postgres_url) as ledger:
        for student in ("S01", "S02"):
            list(ledger.append_lines(lines(*enrolled(student)), "record"))
    url = as_role("career_ledger_writer, career_ledger_student")
    with open_store(url, create=False) as store:
        with only("S01"):
            assert {one.student for one in store.log()} == {"S01"}
        assert {one.student for one in store.log()} == {"S01", "S02"}
    with open_store(as_role("career_ledger_reader"), create=False) as store, only("S01"), \
            pytest.raises(StoreUnusable, match=r"roles\.sql"):  # nothing, rather than everything
        store.log()
