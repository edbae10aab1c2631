"""Fingerprints of everybody's answers, on either kind of database: pages that agree, and hashes that change exactly
when the answers do."""

import hashlib
import json
import threading
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.bootstrap import Ledger, open_ledger
from ledger.eservices import services as module
from ledger.eservices.answers import hash_of, nobody
from ledger.eservices.contract import Unasked
from ledger.eservices.identity import key_of
from ledger.eservices.services import Services
from tests.sizes import sized

from .conftest import READER, Clock
from .files import check
from .people import REFERENCE, enrolled, graduated, line, population, record, registered, tax_code

ENROLLED, DEGREES = ("ifs06", "student-enrollments-changes"), ("ifs07", "student-qualifications-changes")
PEOPLE = sized(60, 2000)
both = pytest.mark.parametrize("keys_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def keys_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if getattr(request, "param", "sqlite") == "postgresql":
        url: str = request.getfixturevalue("other_postgres_url")
        return url
    return f"sqlite:///{tmp_path / 'keys.db'}"


def page(services: Services, of: tuple[str, str] = ENROLLED, **body: Any) -> Any:
    found = services.answer(*of, json.dumps(body).encode(), READER)
    check(*of, found)
    return found


def swept(services: Services, of: tuple[str, str] = ENROLLED, **body: Any) -> dict[str, str]:
    """By key, the hash. Raises AssertionError where pages do not agree."""
    found: dict[str, str] = {}
    times, cursor = set(), None
    while True:
        one = page(services, of, **body, **({"cursor": cursor} if cursor else {}))
        name = "enrollments_hash" if of is ENROLLED else "qualifications_hash"
        rows = {row["key"]: row["hash"] for row in one["data"][name]}
        assert not rows.keys() & found.keys()
        found |= rows
        times.add(one["data"]["last_update"])
        cursor = one["meta"]["cursor"]
        if cursor is None:
            assert len(times) == 1
            return found
        assert len(cursor) <= 512


def answered(services: Services, number: int) -> str:
    """The hash of what IFS02.1 answers."""
    body = json.dumps({"tax_code": tax_code(number)}).encode()
    return hash_of(services.answer("ifs02", "academic-enrollments", body, READER))


@both
def test_sweep_lists_everybody_with_the_hash_of_her_answer(ledger: Ledger, services: Services,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", 7)
    record(ledger, [*population(20), *enrolled("NOBODY"), registered("NOTHING", 99)])
    services.following.catch_up()
    assert swept(services) == {key_of(tax_code(n)): answered(services, n) for n in range(20)}
    assert swept(services, DEGREES).keys() == {key_of(tax_code(n)) for n in range(0, 20, 5)}
    assert swept(services, DEGREES, academic_system="old") == {}


@both
def test_hash_changes_exactly_when_the_answer_does(ledger: Ledger, services: Services) -> None:
    record(ledger, population(12))
    services.following.catch_up()
    before = swept(services)
    record(ledger, [line("contribution-assessed", "S-1", "2026-01-10", academic_year="2025-26", contribution="100.00"),
                    line("suspended", "S-3", "2026-01-10"), line("ticket-opened", "S-4", "2026-01-10", None, number="1",
                                                                 service="a", subject="b", context="c")])
    services.following.catch_up()
    after = swept(services)
    assert {key for key in before if before[key] != after[key]} == {key_of(tax_code(3))}
    assert after[key_of(tax_code(3))] == answered(services, 3)
    record(ledger, [registered("S-2", 2, person_id="AB123456C")])
    services.following.catch_up()
    assert {key for key in after if after[key] != swept(services)[key]} == {key_of(tax_code(2))}


def test_hash_changes_by_itself_when_the_year_does(ledger: Ledger, services: Services, clock: Clock) -> None:
    record(ledger, [*population(2), *[one | {"career": "A"} for one in enrolled("S-1", "L-ECO", "2023-24")]])
    services.following.catch_up()
    version = services.following.kept.state().version
    for clock.day in (date(2026, 9, 30), date(2026, 10, 1), date(2027, 10, 1), date(2028, 10, 1)):
        keys = swept(services)
        assert keys == {key_of(tax_code(n)): answered(services, n) for n in range(2)
                        if answered(services, n) != hash_of(nobody("enrollments"))}
    assert keys == {}
    assert services.following.kept.state().version == version


def test_pages_of_one_sweep_agree_while_rows_change(ledger: Ledger, services: Services,
                                                    monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(module, "PAGE", 5)
    record(ledger, population(12))
    services.following.catch_up()
    before, first = swept(services), page(services)
    found = {row["key"]: row["hash"] for row in first["data"]["enrollments_hash"]}
    record(ledger, [line("suspended", f"S-{n}", "2026-01-10") for n in range(12) if n % 5])
    services.following.catch_up()
    clock.day += timedelta(days=1)
    cursor = first["meta"]["cursor"]
    while cursor:
        one = page(services, cursor=cursor)
        found |= {row["key"]: row["hash"] for row in one["data"]["enrollments_hash"]}
        cursor = one["meta"]["cursor"]
    assert found == before != swept(services)


@both
def test_forgotten_student_is_in_no_page(ledger: Ledger, services: Services) -> None:
    record(ledger, population(3))
    services.following.catch_up()
    ledger.forget("S-1", ("Rector", "Officer"), "asked", anyway=True)
    gone = key_of(tax_code(1))
    assert gone not in swept(services)
    assert services.following.kept.student(bytes.fromhex(gone)) is None
    services.following.catch_up()
    assert swept(services).keys() == {key_of(tax_code(n)) for n in (0, 2)}


def test_degree_taken_back_is_listed_in_the_incremental_sweep_only(ledger: Ledger, services: Services,
                                                                   clock: Clock) -> None:
    lines = graduated("S")
    record(ledger, [registered("S", 1), *lines, registered("OLD", 2), *graduated("OLD")])
    record(ledger, [line("event-voided", "S", "2026-03-01", event=lines[-1]["id"], reason="error", authority="Rector")])
    services.following.catch_up()
    key = key_of(tax_code(1))
    assert swept(services, DEGREES).keys() == {key_of(tax_code(2))}
    assert swept(services, DEGREES, sync_mode="incremental")[key] == hash_of(nobody("qualifications"))
    clock.day = date(2027, 7, 16)  # of the degree of July 2025 two years are over
    assert swept(services, DEGREES, sync_mode="incremental").keys() == {key}


@pytest.mark.parametrize("cursor", ["x", "e" * 512, "AAAA"])
def test_cursor_that_is_not_ours_is_refused(services: Services, cursor: str) -> None:
    with pytest.raises(Unasked):
        page(services, cursor=cursor)


def test_cursor_is_refused_with_other_filters_or_when_it_is_old(ledger: Ledger, services: Services, clock: Clock,
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", 1)
    record(ledger, population(11))
    services.following.catch_up()
    cursor = page(services, DEGREES)["meta"]["cursor"]
    assert page(services, DEGREES, cursor=cursor)
    for of, filters in ((DEGREES, {"sync_mode": "incremental"}), (ENROLLED, {})):
        with pytest.raises(Unasked):
            page(services, of, cursor=cursor, **filters)
    clock.now += timedelta(hours=25)
    with pytest.raises(Unasked):
        page(services, DEGREES, cursor=cursor)


def test_other_reference_files_change_the_hashes(ledger: Ledger, services: Services, tmp_path: Path) -> None:
    record(ledger, population(6))
    services.following.catch_up()
    before = swept(services)
    for file in REFERENCE.iterdir():
        (tmp_path / file.name).write_text(file.read_text().replace("code: D0101", "code: X0101"))
    other = ledger.eservices(tmp_path)
    other.following.catch_up()
    after = swept(other)
    assert before.keys() == after.keys()
    assert not {*before.values()} & {*after.values()}


@both
def test_key_store_holds_neither_codes_nor_their_hashes(ledger: Ledger, services: Services, tmp_path: Path) -> None:
    record(ledger, population(3))
    services.following.catch_up()
    backend = services.following.kept._backend
    held = repr([backend.single(f"SELECT * FROM {table}") for table in (
        "fingerprints", "fingerprint_keys", "fingerprint_state", "counted_enrolments")])
    for number, found in enumerate(swept(services).values()):
        key = key_of(tax_code(number))
        for said in (tax_code(number), key, found):
            assert said not in held
            assert repr(bytes.fromhex(said))[2:-1] not in held if len(said) == 64 else True
            assert hashlib.sha256(key.encode()).hexdigest() not in held


@pytest.mark.faults
def test_everybody_is_swept_once_while_others_write(ledger: Ledger, services: Services, sqlite_url: str, keys_url: str,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", PEOPLE // 6)
    record(ledger, population(PEOPLE))
    services.following.catch_up()
    everybody = {key_of(tax_code(n)) for n in range(PEOPLE)}
    stop, wrote = threading.Event(), []

    def write() -> None:
        with open_ledger(sqlite_url, False, None, keys_url) as own:
            following = own.eservices(REFERENCE).following
            number = 0
            while not stop.is_set():
                student = f"S-{number % PEOPLE}"
                record(own, [line("suspended" if number % 2 else "resumed", student, "2026-01-10")])
                following.step()
                wrote.append(student)
                number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while len(wrote) < 4 and writer.is_alive():
            assert swept(services).keys() == everybody
            assert swept(services, DEGREES).keys() == {key_of(tax_code(n)) for n in range(0, PEOPLE, 5)}
    finally:
        stop.set()
        writer.join()
    assert len(wrote) >= 4
    services.following.catch_up()
    found = swept(services)
    for number in range(0, PEOPLE, max(1, PEOPLE // 30)):
        assert found[key_of(tax_code(number))] == answered(services, number)
