"""A person is forgotten: whoever orders it, in whatever state the work was left, and however often."""

import json
import multiprocessing
import os
import signal
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ledger.domain.knowledge import NotFound
from ledger.entrypoints.cli import cli
from ledger.handling import forgetting
from ledger.handling.forgetting import Ordered, forget, forget_again
from ledger.intake.counter import Counter
from ledger.rulebooks.loader import load_books
from ledger.store import EventStore, Refusal, StoreUnusable, open_store
from ledger.wire.message import History
from tests.handling.histories import booking
from tests.intake.test_counter import received
from tests.projections.populations import a_debtor, append

BOOKS = load_books()
BY = ("Rector", "Data protection officer")
FORKED = multiprocessing.get_context("fork")


def clock() -> datetime:
    return datetime.now(timezone.utc)


class Keys:
    """What a key store keeps, in files of a folder: it outlives whoever is killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.fails = False

    def has(self, student: str) -> bool:
        return (self.folder / f"{student}.key").exists()

    def give(self, *students: str) -> None:
        for student in students:
            (self.folder / f"{student}.key").write_text("k")

    def forget(self, student: str, event: str) -> None:
        if self.fails:
            raise Cut
        (self.folder / f"{student}.key").unlink(missing_ok=True)
        (self.folder / f"{student}.forgotten").write_text(event)

    def keep_reason(self, student: str, authorities: Sequence[str], reason: str) -> None:
        (self.folder / "reasons").write_text(reason)

    def complete_from(self) -> date:
        return date(2026, 12, 27)

    def looked_through(self) -> int:
        path = self.folder / "position"
        return int(path.read_text()) if path.exists() else 0

    def look_through(self, position: int) -> None:
        (self.folder / "position").write_text(str(position))


class Cut(Exception):
    """The work broke off here."""


def ordered(student: str = "S01", anyway: bool = True) -> Ordered:
    return Ordered(student, BY, "she asked for it", date(2026, 11, 27), anyway)


def with_a_refusal(store: EventStore, student: str = "S01") -> None:
    append(store, *a_debtor(student))
    store.append_with_refusals([], [Refusal(student, "r1", store.content_digest(b"x" * 32),
                                            json.dumps({"id": "r1", "outcome": "refused"}).encode())], {})


def test_forgetting_is_recorded_and_takes_keys_and_refusals_and_nothing_else(store: EventStore, tmp_path: Path) -> None:
    with_a_refusal(store)
    append(store, *a_debtor("S02"))
    keys, before = Keys(tmp_path / "keys"), store.stream("S01")
    keys.give("S01", "S02")
    found = forget(store, BOOKS, clock, keys, ordered())
    assert (found["outcome"], found["again"], found["refusals"], found["complete_from"]) == (
        "forgotten", False, 1, "2026-12-27")
    after = store.stream("S01")
    assert after[:-1] == before
    assert (after[-1].type, list(after[-1].data.authorities), after[-1].position) == (
        "person-forgotten", list(BY), found["position"])
    assert "asked" not in json.dumps(after[-1].as_json())
    assert (keys.has("S01"), keys.has("S02"), store.refusals_of("S01")) == (False, True, [])
    again = forget(store, BOOKS, clock, keys, ordered())
    assert (again["again"], again["position"], len(store.stream("S01"))) == (True, found["position"], len(after))


def test_forgetting_is_refused_while_a_career_is_open_or_money_is_owed_and_unknown_students_are_not_found(
        store: EventStore) -> None:
    append(store, *a_debtor("S01"))
    found = forget(store, BOOKS, clock, None, ordered(anyway=False))
    assert [one["message"].id for one in found["reasons"]] == ["forget/open", "forget/owed"]
    assert len(store.stream("S01")) == len(a_debtor("S01"))
    with pytest.raises(NotFound):
        forget(store, BOOKS, clock, None, ordered("NOBODY"))


def test_refusals_stay_of_a_person_who_was_not_forgotten(store: EventStore) -> None:
    with_a_refusal(store)
    with pytest.raises(StoreUnusable, match="does not say that this person was forgotten"):
        store.forget_refusals("S01")
    assert len(store.refusals_of("S01")) == 1


STEPS = {"before the event": (EventStore, "append"), "before the keys": (Keys, "forget"),
         "before the refusals": (EventStore, "forget_refusals"), "before the reason": (Keys, "keep_reason")}


@pytest.mark.parametrize("step", STEPS)
def test_forgetting_that_broke_off_is_finished_at_the_next_start_once_it_was_recorded(
        sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    keys = Keys(tmp_path / "keys")
    keys.give("S01")
    with open_store(sqlite_url) as store:
        with_a_refusal(store)
        of, name = STEPS[step]
        with monkeypatch.context() as patched:
            patched.setattr(of, name, lambda *_: (_ for _ in ()).throw(Cut()))
            with pytest.raises(Cut):
                forget(store, BOOKS, clock, keys, ordered())
        recorded = step in ("before the keys", "before the refusals")
        assert forget_again(store, keys) == (["S01"] if recorded else [])
        assert (keys.has("S01"), len(store.refusals_of("S01"))) == ((False, 0) if recorded else (True, 1))
        assert forget(store, BOOKS, clock, keys, ordered())["again"] is recorded
        assert (keys.has("S01"), store.refusals_of("S01")) == (False, [])
        assert [event.type for event in store.stream("S01")].count("person-forgotten") == 1


def _killed(url: str, folder: Path) -> None:
    forgetting.destroy = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
    with open_store(url, create=False) as store:
        forget(store, BOOKS, clock, Keys(folder), ordered())


def test_forgetting_that_was_killed_is_finished_at_the_next_start(sqlite_url: str, tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys")
    keys.give("S01")
    with open_store(sqlite_url) as store:
        with_a_refusal(store)
    process = FORKED.Process(target=_killed, args=(sqlite_url, keys.folder))
    process.start()
    process.join(60)
    assert (process.exitcode, keys.has("S01")) == (-signal.SIGKILL, True)
    with open_store(sqlite_url) as store:
        assert forget_again(store, keys) == ["S01"]
        assert (keys.has("S01"), store.refusals_of("S01")) == (False, [])


def test_key_store_that_was_restored_forgets_again_and_the_log_is_not_looked_through_twice(
        store: EventStore, tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys")
    keys.give("S01")
    append(store, *a_debtor("S01"))
    forget(store, BOOKS, clock, keys, ordered())
    assert forget_again(store, keys) == ["S01"]
    assert (keys.looked_through(), forget_again(store, keys)) == (store.last_position(), [])
    restored = Keys(tmp_path / "older")
    restored.give("S01")
    assert (forget_again(store, restored), restored.has("S01")) == (["S01"], False)


def test_two_forgettings_at_once_record_it_once(store_url: str, tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys")
    with open_store(store_url) as store:
        append(store, *a_debtor("S01"))

    def act(_: int) -> dict[str, Any]:
        with open_store(store_url, create=False) as own:
            return forget(own, BOOKS, clock, keys, ordered())

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(act, range(2)))
    assert sorted(one["again"] for one in found) == [False, True]
    with open_store(store_url) as store:
        assert [event.type for event in store.stream("S01")].count("person-forgotten") == 1


def test_intake_remembers_no_refusal_again_when_an_old_submission_of_hers_comes_back(store: EventStore) -> None:
    append(store, *a_debtor("S01"))
    counter = Counter(store, BOOKS, clock, History("test", 1))
    old = received(booking("S01", "b1") | {"effective_on": "2026-05-26", "career": "S01-X"})
    counter.answers(old)
    assert len(store.refusals_of("S01")) == 1
    forget(store, BOOKS, clock, None, ordered())
    counter = Counter(store, BOOKS, clock, History("test", 1))
    counter.answers(old)
    assert (sum(counter.given.values()), store.refusals_of("S01")) == (1, [])


def test_event_of_forgetting_is_taken_from_no_submission(store: EventStore) -> None:
    append(store, *a_debtor("S01"))
    [one] = append_raw(store, {"id": "f", "type": "person-forgotten", "student": "S01", "effective_on": "2026-11-27",
                               "source": "t", "actor": "t", "data": {"authorities": list(BY)}})
    assert one["outcome"] == "invalid"


def append_raw(store: EventStore, *raw: dict[str, Any]) -> list[dict[str, Any]]:
    from ledger.handling.submit import append_lines

    return list(append_lines(store, BOOKS, [json.dumps(one).encode() for one in raw], "enforce", False, clock))


@pytest.mark.parametrize(("words", "said"), [
    (["--authority", "Rector"], "--authority: give two different ones"),
    (["--authority", "Rector", "--authority", " rector "], "--authority: give two different ones"),
    (["--authority", "Rector", "--authority", ""], "--authority: give two different ones"),
])
def test_command_asks_for_two_authorities(sqlite_url: str, tmp_path: Path, words: list[str], said: str) -> None:
    reason = tmp_path / "reason"
    reason.write_text("she asked")
    with open_store(sqlite_url) as store:
        append(store, *a_debtor("S01"))
    found = CliRunner().invoke(cli, ["--db", sqlite_url, "forget", "S01", "--reason", str(reason), *words])
    assert (found.exit_code, said in found.output) == (2, True), found.output


def test_command_says_what_speaks_against_it_and_what_was_done(sqlite_url: str, tmp_path: Path) -> None:
    reason = tmp_path / "reason"
    reason.write_text("she asked")
    with open_store(sqlite_url) as store:
        append(store, *a_debtor("S01"))
    words = ["--db", sqlite_url, "--lang", "en", "forget", "S01", "--authority", BY[0], "--authority", BY[1],
             "--reason", str(reason)]
    found = CliRunner().invoke(cli, words)
    assert (found.exit_code, "The career S01-B is open: enrolled" in found.output) == (1, True), found.output
    found = CliRunner().invoke(cli, [*words, "--even-if-open"])
    assert (found.exit_code, found.output.startswith("Forgotten: S01, recorded at position 4.")) == (0, True), \
        found.output
    reason.write_text("")
    assert CliRunner().invoke(cli, words).exit_code == 2
