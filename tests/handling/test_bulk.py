"""Bulk import: the same outcomes and the same stored bytes as line by line, whatever happens on the way."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ledger.entrypoints.cli.record import BULK_FILE
from ledger.generate import Shares, generate
from ledger.handling import bulk
from ledger.handling.bulk import import_lines
from ledger.handling.submit import append_lines
from ledger.store import EventStore, open_store
from ledger.words import sentence
from tests.sizes import at_a_store

from .histories import booking, enrolled, lines, payment, void
from .workers import BOOKS

NOW = datetime(2026, 11, 2, tzinfo=timezone.utc)
Rows = list[tuple[int, str, bytes]]


def clock() -> datetime:
    return NOW


def imported(store: EventStore, url: str, file: Iterable[bytes], workers: int,
             trusted: bool = False) -> Iterator[dict[str, Any]]:
    return import_lines(store, partial(open_store, url, create=False), BOOKS, file, "record", clock, workers, trusted)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "BATCH_LINES", 150)


def population(students: int = 20, seed: int = 7) -> list[bytes]:
    """All of it is accepted."""
    return list(generate(students, seed))


def eventful() -> list[bytes]:
    """Some of it is voided before what rests on it, and so invalid."""
    return list(generate(20, 7, Shares(voided=0.05, late_recorded=0.1, breaches=0.2, derogations=0.1)))


def spoilt(file: list[bytes]) -> list[bytes]:
    """Lines twice, changed under their id, cut off, of careers that nobody knows, of the future, spelt oddly, blank."""
    dice = random.Random(1)
    found: list[bytes] = [b"\n"]
    for line in file:
        found.append(line)
        roll = dice.random()
        event = json.loads(line)
        if roll < 0.02:
            found.append(line)
        elif roll < 0.03:
            found.append(dice.choice(file))
        elif roll < 0.04:
            found.append(json.dumps(event | {"actor": "another"}).encode())
        elif roll < 0.05:
            found.append(line[:len(line) // 2] + b"\n")
        elif roll < 0.06:
            found.append(json.dumps(event | {"id": f"{event['id']}-x", "career": "nobody-knows"}).encode())
        elif roll < 0.07:
            found.append(json.dumps(event | {"id": f"{event['id']}-y", "recorded_at": "2150-01-01T00:00:00Z"}).encode())
        elif roll < 0.08:
            found.append(json.dumps({"id": f"{event['id']}-z"}).encode())
        elif roll < 0.09:
            found.append(json.dumps(event | {"id": f"{event['id']}-s"}).replace('"student": "G',
                                                                                '"student": "\\u0047').encode())
    return found


def by_time(file: list[bytes]) -> list[bytes]:
    return sorted(file, key=lambda line: json.loads(line)["recorded_at"])


def stored(store: EventStore) -> Rows:
    return store._recorder.log(0, 1_000_000)


def one_by_one(file: list[bytes], url: str) -> tuple[list[dict[str, Any]], Rows]:
    with open_store(url) as store:
        return list(append_lines(store, BOOKS, file, "record", False, clock)), stored(store)


def without_place(rows: Rows) -> list[tuple[str, bytes]]:
    return [row[1:] for row in rows]


@pytest.mark.parametrize("arrange", [list, by_time])
def test_import_has_the_outcomes_and_bytes_of_the_line_by_line_path(arrange: Any, store: EventStore,
                                                                    store_url: str, tmp_path: Any) -> None:
    file = spoilt(arrange(eventful()))
    wanted, rows = one_by_one(file, f"sqlite:///{tmp_path / 'line.db'}")
    found = list(imported(store, store_url, file, 2))
    assert {one["outcome"] for one in wanted} == {"accepted", "duplicate", "invalid"}
    assert any("breaches" in one for one in wanted)
    assert found == wanted
    assert stored(store) == rows


def test_import_is_the_same_when_students_are_forgotten_and_loaded_again(store: EventStore,
                                                                         store_url: str, tmp_path: Any,
                                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "EVENTS_KEPT", 0)
    file = by_time(population(20))
    wanted, rows = one_by_one(file, f"sqlite:///{tmp_path / 'line.db'}")
    crew = bulk._Worker(bulk.Opens(partial(open_store, store_url, create=False)), BOOKS, "record", clock, False)
    found: list[dict[str, Any]] = []
    for batch in bulk._batches(file, 1, 0):
        [parts] = batch.routed
        crew.read(parts, batch.number)
        decided = crew.decide(batch.number, batch.number - 1, 0)
        assert len(crew._streams) <= len({json.loads(line)["student"] for _, part in parts for line in part})
        rows_ = sum(part[1] for part in decided.parts)
        store.append_packed([part[0] for part in decided.parts if part[1]], rows_, decided.heads)
        found += [one if isinstance(one, dict) else {"version": one[1]} for part in decided.parts for one in part[2]]
    assert [one["version"] for one in found] == [one["version"] for one in wanted]
    assert without_place(stored(store)) == without_place(rows)


def test_import_of_the_rest_stores_each_line_once_when_it_was_killed_between(store: EventStore, store_url: str) -> None:
    file = population()
    begun: Iterator[dict[str, Any]] = imported(store, store_url, file, 2)
    first = [next(begun) for _ in range(175)]
    begun.close()
    done = store.last_position()
    assert len(first) <= done < len(file)
    again = list(imported(store, store_url, file, 2))
    assert [one["outcome"] for one in again[:done]] == ["duplicate"] * done
    assert [one["position"] for one in again] == list(range(1, len(file) + 1))


def test_import_decides_again_when_somebody_appends_to_its_students(store: EventStore, store_url: str) -> None:
    """Whatever both send is stored once; every line of both is answered."""
    file = population()
    other = iter(append_lines(store, BOOKS, file[::-1][:100][::-1], "record", False, clock))
    found = []
    for n, one in enumerate(imported(store, store_url, file, 2)):
        found.append(one)
        if n % 150 == 0:
            for _ in range(20):
                next(other, None)
    assert len(found) == len(file)
    events = store.log(0, 1_000_000)
    assert len({event.id for event in events}) == len(events)
    for student, stream in store.streams({event.student for event in events}).items():
        assert [event.version for event in stream] == list(range(1, len(stream) + 1)), student


@pytest.mark.parametrize("trusted", [False, True])
def test_import_names_the_void_when_the_event_of_a_duplicate_was_voided(store: EventStore,
                                                                        store_url: str, tmp_path: Any,
                                                                         trusted: bool) -> None:
    """In the batch that holds both, in a later batch, and in the next file."""
    file = lines(*enrolled("S01"), payment("S01", 1), void("S01", "S01-p1"))
    if trusted:
        with open_store(f"sqlite:///{tmp_path / 'origin.db'}") as origin:
            list(append_lines(origin, BOOKS, file, "record", False, clock))
            file = [json.dumps(event.as_json()).encode() for event in origin.log()]
    again = [*file, file[3], *[b"\n"] * 300, file[3]]
    found = list(imported(store, store_url, again, 2, trusted=trusted))
    wanted = {"id": "S01-p1", "outcome": "duplicate", "position": 4, "version": 4, "voided_by": "void-S01-p1"}
    assert found[5:] == [wanted, wanted]
    assert list(imported(store, store_url, file, 2, trusted=trusted))[3] == wanted


def test_trusted_import_stores_the_bytes_of_the_export(store: EventStore, store_url: str, tmp_path: Any) -> None:
    _, rows = one_by_one(population(), f"sqlite:///{tmp_path / 'line.db'}")
    with open_store(f"sqlite:///{tmp_path / 'line.db'}") as origin:
        export = [json.dumps(event.as_json() | {"seen_on": "2026-01-01", "changes": {}}).encode()
                  for event in origin.log(0, 1_000_000)]
    found = list(imported(store, store_url, export, 2, trusted=True))
    assert {one["outcome"] for one in found} == {"accepted"}
    assert stored(store) == rows
    again = list(imported(store, store_url, export, 2, trusted=True))
    gone = {event["data"]["event"]: event["id"] for event in map(json.loads, export) if event["type"] == "event-voided"}
    assert again == [{"id": one["id"], "outcome": "duplicate", "position": one["position"], "version": one["version"]}
                     | ({"voided_by": gone[one["id"]]} if one["id"] in gone else {}) for one in found]


@pytest.mark.parametrize("change", [{"version": 7}, {"version": None}, {"type": "unheard-of"},
                                    {"data": {"no": "such field"}}])
def test_trusted_import_is_invalid_when_the_form_is_wrong(change: dict[str, Any], store: EventStore,
                                                          store_url: str, tmp_path: Any) -> None:
    one_by_one(lines(*enrolled("S01")), f"sqlite:///{tmp_path / 'line.db'}")
    with open_store(f"sqlite:///{tmp_path / 'line.db'}") as origin:
        event = origin.stream("S01")[0].as_json()
    [found] = imported(store, store_url, [json.dumps(event | change).encode()], 1, trusted=True)
    assert found["outcome"] == "invalid"
    said = "stands at version 0" if change == {"version": 7} else "this is no recorded event"
    assert said in sentence(found["problems"][0]["message"])
    assert store.last_position() == 0


def test_trusted_import_stores_a_fraction_as_it_was_stored(store: EventStore, store_url: str, tmp_path: Any) -> None:
    """Two encoders spell 0.00001 in two ways; a ledger has one."""
    graded = [booking("S01", f"g{cfu}") | {"type": "exam-graded", "data": {
        "course": f"F{cfu}", "held_on": "2026-05-20", "outcome": "passed", "grade": 18, "cfu": cfu,
        "session": "summer", "mode": "oral"}}
        for cfu in (7.5, 0.00001, 6.0)]
    _, rows = one_by_one(lines(*enrolled("S01"), *graded), f"sqlite:///{tmp_path / 'line.db'}")
    for (_, _, state), spelt in zip(rows[3:], (b'"cfu":7.5', b'"cfu":1e-05', b'"cfu":6,'), strict=True):
        assert spelt in state
    with open_store(f"sqlite:///{tmp_path / 'line.db'}") as origin:
        export = [json.dumps(event.as_json()).encode() for event in origin.stream("S01")]
    found = list(imported(store, store_url, export, 1, trusted=True))
    assert [one["outcome"] for one in found] == ["accepted"] * 6
    assert stored(store) == rows


def test_import_goes_through_the_function_when_the_user_may_not_copy(postgres_url: str,
                                                                     as_role: Callable[[str | None], str]) -> None:
    open_store(postgres_url).close()
    url = as_role("career_ledger_importer")
    file = population(10)
    with open_store(url, create=False) as store:
        outcomes = list(imported(store, url, file, 1))
        assert [one["position"] for one in outcomes] == list(range(1, len(file) + 1))
        assert store.last_position() == len(file)


def test_history_is_invalid_line_by_line_when_the_user_is_no_importer(postgres_url: str,
                                                                      as_role: Callable[[str | None], str]) -> None:
    open_store(postgres_url).close()
    url = as_role("career_ledger_writer")
    with open_store(url, create=False) as store:
        for found in (imported(store, url, population(1), 1),
                      append_lines(store, BOOKS, population(1), "enforce", False, clock)):
            outcomes = list(found)
            assert {(one["outcome"], one["problems"][0]["path"]) for one in outcomes} == {("invalid", "recorded_at")}
            assert "career_ledger_importer" in sentence(outcomes[0]["problems"][0]["message"])
        assert store.last_position() == 0


@at_a_store
def test_import_by_command_is_completed_by_the_same_command_when_it_was_killed(store_url: str, tmp_path: Path) -> None:
    """The file is large enough to be imported in bulk by itself, where a tenth of the usual size is."""
    file = tmp_path / "history.jsonl"
    file.write_bytes(b"".join(population(100)))
    assert file.stat().st_size > BULK_FILE // 10
    count = len(file.read_bytes().splitlines())
    program = ("from ledger.entrypoints.cli import main, record\nfrom ledger.handling import bulk\n"
               "record.BULK_FILE //= 10\nbulk.BATCH_LINES //= 10\nmain()")
    command = [sys.executable, "-c", program, "--db", store_url, "append", str(file), "--mode", "record", "--json"]
    with open_store(store_url) as store:
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as running:
            until = time.monotonic() + 120
            while store.last_position() == 0 and time.monotonic() < until:
                time.sleep(0.02)
            running.kill()
        done = store.last_position()
        assert 0 < done < count
        again = subprocess.run(command, capture_output=True, text=True, check=True)
        found = [json.loads(line) for line in again.stdout.splitlines()]
        assert len(found) == count == len(store.touched(limit=2 * count))  # positions have holes
        assert {one["outcome"] for one in found[:done]} == {"duplicate"}
        assert {one["outcome"] for one in found[done + 30_000:]} <= {"accepted"}
        assert len({one["position"] for one in found}) == count
