"""A person is forgotten: her keys and look-ups are destroyed, however often the work broke off and whichever copy of
the key store comes back."""

import multiprocessing
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ledger.bootstrap import Ledger, Read, open_ledger
from ledger.privacy import KeyStore
from ledger.store import EventStore, open_store
from tests.handling.histories import enrolled, lines, submission

BY = ("Rector", "Data protection officer")
WHY = "asked by SOWN"
READ = Read("root", None, "test")
KEPT = ("student_keys", "tax_codes", "names")


class Urls(NamedTuple):
    ledger: str
    keys: str


@pytest.fixture(params=["sqlite", "postgresql"])
def urls(request: pytest.FixtureRequest, master_file: Path) -> Urls:
    """A ledger and its key store, both in files, or each in a database of its own."""
    names = ("sqlite_url", "sqlite_keys") if request.param == "sqlite" else ("postgres_url", "other_postgres_url")
    found = Urls(*map(request.getfixturevalue, names))
    with opened(found) as ledger:
        ledger.new_keys(30)
    return found


def opened(urls: Urls) -> Ledger:
    return open_ledger(urls.ledger, keys=urls.keys)


def person(student: str, id: str = "person", **more: str) -> dict[str, Any]:
    given = {"given_name": "SOWN", "family_name": student, "tax_code": f"CODE-{student}"} | more
    found = submission(student, f"{student}-{id}", "person-registered", "2026-05-25", **given)
    del found["career"]
    return found


def recorded(ledger: Ledger, *given: dict[str, Any]) -> list[str]:
    return [one["outcome"] for one in ledger.append_lines(lines(*given), "record")]


def forget(ledger: Ledger, student: str = "S01") -> dict[str, Any]:
    return ledger.forget(student, BY, WHY, anyway=True)


def held(ledger: Ledger) -> dict[str, int]:
    keys = ledger._sealer
    assert keys is not None
    return {name: keys.keys.counts()[name] for name in KEPT}


def test_forgetting_destroys_keys_and_look_ups_and_says_what_it_does_not_reach(urls: Urls) -> None:
    band = submission("S01", "S01-band", "contribution-assessed", "2026-05-25", academic_year="2025-26",
                      contribution="900.00", band="SOWN")
    with open_ledger(urls.ledger) as without:  # before there was a key store
        assert recorded(without, *enrolled("S01"), band) == ["accepted"] * 4
    with opened(urls) as ledger:
        assert recorded(ledger, person("S01"), person("S02")) == ["accepted"] * 2
        two = held(ledger)
        assert two["student_keys"] == two["tax_codes"] == 2
        until = ledger.keys_status()["master"]["until"]
        found = forget(ledger)
        assert (found["outcome"], found["again"], found["in_the_clear"], found["to_scrub"]) == (
            "forgotten", False, 1, False)
        assert found["complete_from"] > until
        assert held(ledger) == {name: count // 2 for name, count in two.items()}
        assert ledger.person("S01", READ)["person"] is None
        assert ledger.person("S02", READ)["person"]["given_name"] == "SOWN"
        [event] = [one for one in ledger.history("S01") if one["type"] == "person-forgotten"]
        assert event["data"] == {"authorities": list(BY)}
        # the reason is kept, and not for everybody
        keys = ledger._sealer.keys if ledger._sealer is not None else None
        assert keys is not None
        [(at, said)] = keys._backend.single("SELECT at, said FROM orders")
        assert b"SOWN" not in bytes(said)
        assert keys._heard(keys._own, said, at, "S01")["reason"] == WHY
        # nothing is sealed for her again; who comes back comes under another pseudonym
        assert recorded(ledger, person("S01", "again"), person("S03", tax_code="CODE-S01")) == ["invalid", "accepted"]
        again = forget(ledger)
        assert (again["again"], again["position"]) == (True, found["position"])
        assert held(ledger)["student_keys"] == 2


STEPS: dict[str, tuple[type, str]] = {
    "before the reason": (KeyStore, "keep_reason"), "before the event": (EventStore, "append"),
    "before the keys": (KeyStore, "forget"), "before the disk": (KeyStore, "scrub"),
    "before the refusals": (EventStore, "forget_refusals")}
RECORDED = list(STEPS)[2:]


def _killed(step: str, urls: Urls, student: str) -> None:
    """"within the keys": the transaction of the key store has deleted and not committed."""
    def kill(*_: Any, **__: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)

    with opened(urls) as ledger:
        assert ledger._sealer is not None
        if step == "within the keys":
            ledger._sealer.keys.keep_reason = lambda *_: None  # type: ignore[method-assign]
            ledger._sealer.keys._clock = kill  # the tombstone's
        else:
            of, name = STEPS[step]
            setattr(of, name, kill)
        forget(ledger, student)


def test_forgetting_that_was_killed_at_any_step_is_finished_by_whoever_opens_the_key_store_next(urls: Urls) -> None:
    steps = dict(enumerate([*STEPS, "within the keys"]))
    with opened(urls) as ledger:
        for n in steps:
            assert recorded(ledger, *enrolled(f"S{n}"), person(f"S{n}"))[-1] == "accepted"
    for n, step in steps.items():
        worker = multiprocessing.get_context("fork").Process(target=_killed, args=(step, urls, f"S{n}"))
        worker.start()
        worker.join(60)
        assert worker.exitcode == -signal.SIGKILL, step
        with opened(urls) as ledger:
            status, gone = ledger.keys_status(), step in RECORDED or step.startswith("within")
            assert status["to_scrub"] is False, step
            assert (ledger.person(f"S{n}", READ)["person"] is None) is gone, step
            assert (ledger._sealer is not None and ledger._sealer.keys.with_tax_code(f"CODE-S{n}") == []) is gone, step
            assert forget(ledger, f"S{n}")["again"] is gone, step
            assert ledger.person(f"S{n}", READ)["person"] is None, step
            assert held(ledger)["student_keys"] == len(steps) - 1 - n, step
    with open_store(urls.ledger, create=False) as store:
        assert [one.student for one in store.forgotten()] == [f"S{n}" for n in steps]


def test_key_store_that_comes_back_from_before_forgets_again_at_its_next_start(urls: Urls) -> None:
    with opened(urls) as ledger:
        recorded(ledger, person("S01"), person("S02"))
        assert ledger._sealer is not None
        backend = ledger._sealer.keys._backend
        before = {table: (columns, backend.single(f"SELECT {columns} FROM {table}"))
                  for table, columns in (("student_keys", "student, number, wrapped, master, made_at"),
                                         ("tax_codes", "hmac, student, at"), ("names", "student, folded, exact"))}
        forget(ledger)
    with opened(urls) as ledger:
        assert ledger._sealer is not None
        with ledger._sealer.keys._backend.transaction() as tx:  # the older copy
            for table, (columns, rows) in before.items():
                tx.run(f"DELETE FROM {table}")
                names = columns.split(", ")
                tx.many(f"INSERT INTO {table} ({columns}) VALUES ({', '.join(':' + name for name in names)})",
                        [dict(zip(names, row, strict=True)) for row in rows])
            tx.run("DELETE FROM forgotten")
            tx.run("UPDATE key_store SET looked_through = 0")
        assert held(ledger)["student_keys"] == 2
    with opened(urls) as ledger:
        assert held(ledger) == {name: len(rows) // 2 for name, (_, rows) in before.items()}
        assert ledger.person("S01", READ)["person"] is None
        assert {one["finding"] for one in ledger.keys_findings()} <= {"together"}
        assert recorded(ledger, person("S01", "again")) == ["invalid"]


def test_log_is_looked_through_from_the_start_when_the_ledger_itself_comes_back_from_before(
        sqlite_url: str, sqlite_keys: str, master_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    urls = Urls(sqlite_url, sqlite_keys)
    with opened(urls) as ledger:
        ledger.new_keys(30)
        recorded(ledger, person("S01"))
        assert ledger._sealer is not None
        ledger._sealer.keys.look_through(1_000)
        with monkeypatch.context() as broken:
            broken.setattr(KeyStore, "forget", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                forget(ledger)
    with opened(urls) as ledger:
        assert held(ledger)["student_keys"] == 0


def test_two_forgettings_at_once_record_it_once_and_both_say_that_it_is_done(urls: Urls) -> None:
    with opened(urls) as ledger:
        recorded(ledger, *enrolled("S01"), person("S01"))

    def act(_: int) -> dict[str, Any]:
        with opened(urls) as own:
            return forget(own)

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(act, range(2)))
    assert sorted(one["again"] for one in found) == [False, True]
    with opened(urls) as ledger:
        assert set(held(ledger).values()) == {0}
        assert [one["type"] for one in ledger.history("S01")].count("person-forgotten") == 1
