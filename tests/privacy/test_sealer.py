"""What is sealed opens in its own place under its own key, and nowhere else."""

import multiprocessing
import pickle
import sqlite3
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec.structs import replace

from ledger.domain.events import Event, Sealed
from ledger.domain.protected import CodeTaken, IsForgotten, taken_out
from ledger.handling.bulk import Opens, _batches, _Worker
from ledger.privacy import KeySealer, KeyStore, box, open_sealer
from ledger.privacy.key_store import CLAIM, SEEN, TRUSTED_SECONDS
from ledger.privacy.sealer import sealer_for
from ledger.rulebooks.loader import load_books
from ledger.store import EventStore, StoreUnusable, open_store
from tests.handling.histories import lines, submission

from .conftest import NOW, Clock, Opener
from .people import MARK, forgotten, person, submitted, ticket

GOLDEN = ("AAECAwQFBgcICQoLPCCyerGE4CH2Y/blwp4dH6HspWe/LBEdVhSS4G9Lfc8hMI7cj+EyuFSEX82opwgYznlArXr2g/oftwo5OMPV"
          "znXNQSc9AKACU3eimWRqY0U=")


def box_of(event: Event) -> bytes:
    assert event.sealed is not None
    return b64decode(event.sealed.box)


def test_sealed_event_opens_to_what_it_was_and_holds_none_of_it_when_closed(sealer: KeySealer) -> None:
    for one in (person("S01", former_tax_codes=["OLD-CODE"]), ticket("S01", 2)):
        sealed = sealer.seal(one)
        assert MARK not in repr(sealed)
        assert sealer.open(sealed) == one
        assert (len(box_of(sealed)) - 12 - 16) % box.BLOCK == 0
    assert box_of(sealer.seal(ticket("S01", 2))) != box_of(sealer.seal(ticket("S01", 2)))


def test_box_of_another_day_opens_for_ever_and_is_made_in_the_same_form(monkeypatch: pytest.MonkeyPatch) -> None:
    cipher, one = AESGCM(bytes(range(32))), ticket("S01", 3)
    assert box.unseal(cipher, "urn:golden", one, GOLDEN) == {"data": {"answer": MARK + "answer"}}
    monkeypatch.setattr("ledger.privacy.box.secrets.token_bytes", lambda count: bytes(range(count)))
    assert box.seal(cipher, "urn:golden", one, taken_out(one)[1]) == GOLDEN


def test_event_without_protected_values_is_as_it_was_and_takes_no_key(sealer: KeySealer) -> None:
    one = ticket("S01", 1, "")
    bare = replace(one, data=type(one.data).model_validate({"number": "7"}))
    assert sealer.seal(bare) is bare
    assert sealer.open(bare) is bare
    assert sealer.keys.counts()["student_keys"] == 0


MOVED: dict[str, Callable[[Event], Event]] = {
    "event": lambda one: replace(one, id="another"), "version": lambda one: replace(one, version=9),
    "type": lambda one: replace(one, type="ticket-opened"), "student": lambda one: replace(one, student="S02"),
    "cut off": lambda one: replace(one, sealed=Sealed(1, b64encode(box_of(one)[:20]).decode())),
    "no base64": lambda one: replace(one, sealed=Sealed(1, "?" + str(one.sealed and one.sealed.box)[1:])),
    **{f"byte {n} changed": lambda one, n=n: replace(one, sealed=Sealed(1, b64encode(  # type: ignore[misc]
        bytes(b ^ (i == n % len(box_of(one))) for i, b in enumerate(box_of(one)))).decode())) for n in (0, 12, 40, -1)}}


@pytest.mark.parametrize("how", MOVED)
def test_box_is_refused_in_words_when_it_was_moved_or_changed(sealer: KeySealer, how: str) -> None:
    sealed = sealer.seal(ticket("S01", 1))
    sealer.seal(ticket("S02", 1))
    with pytest.raises(StoreUnusable, match=r"position 1: what is sealed does not open") as refused:
        sealer.open(MOVED[how](sealed))
    assert MARK not in str(refused.value)


def test_box_of_another_ledger_does_not_open_under_the_same_key(
        sealer: KeySealer, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = sealer.seal(ticket("S01", 1))
    monkeypatch.setattr(sealer.keys, "_ledger", "another")
    with pytest.raises(StoreUnusable, match="does not open"):
        sealer.open(sealed)


def test_person_who_was_forgotten_is_neither_opened_nor_sealed_and_others_are(
        sealer: KeySealer, keys: KeyStore) -> None:
    hers, other = sealer.seal(person("S01")), sealer.seal(ticket("S02", 1))
    keys.forget("S01", "S01-gone")
    assert sealer.open(hers) is None
    assert sealer.open(other) == ticket("S02", 1)
    sealer.prepare([submitted("S01"), submitted("S03")])
    with pytest.raises(IsForgotten, match="S01"):
        sealer.seal(ticket("S01", 2))
    assert [sealer.keys.counts()[name] for name in ("student_keys", "tax_codes", "names")] == [2, 0, 0]


def test_no_key_is_made_for_who_was_forgotten_when_the_key_store_comes_back_from_before(
        sealer: KeySealer, ledger: EventStore) -> None:
    one = sealer.seal(person("S01"))
    ledger.append([one, forgotten("S01", 2)])
    with sealer.keys._backend.transaction() as tx:  # an older copy: neither key nor tombstone
        tx.run("DELETE FROM student_keys")
    sealer.keys._ciphers.clear()
    assert sealer.open(one) is None
    sealer.prepare([submitted("S01")])
    with pytest.raises(IsForgotten):
        sealer.seal(ticket("S01", 3))
    assert sealer.keys.counts()["student_keys"] == 0


def test_missing_key_is_an_error_when_nobody_says_that_she_was_forgotten(sealer: KeySealer, keys: KeyStore) -> None:
    one = sealer.seal(ticket("S01", 1))
    with keys._backend.transaction() as tx:
        tx.run("DELETE FROM student_keys")
    keys._ciphers.clear()
    with pytest.raises(StoreUnusable, match="restored from an older copy"):
        sealer.open(one)


def test_key_in_memory_is_gone_within_a_minute_when_another_process_has_destroyed_it(
        sealer: KeySealer, keys: KeyStore, opener: Opener, keys_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = sealer.seal(ticket("S01", 1))
    opener(keys_url).forget("S01", "S01-gone")
    later = time.monotonic() + TRUSTED_SECONDS + 1
    monkeypatch.setattr("ledger.privacy.key_store.time.monotonic", lambda: later)
    assert sealer.open(one) is None


def test_tax_code_of_another_person_is_refused_without_repeating_it_and_leaves_nothing(sealer: KeySealer) -> None:
    sealer.seal(person("S01", former_tax_codes=["Old code"]))
    sealer.seal(person("S01", 2))
    for code in ("code-" + MARK, " OLDCODE "):
        with pytest.raises(CodeTaken) as taken:
            sealer.seal(person("S02", code=code))
        assert code.strip().upper() not in str(taken.value).upper()
        assert taken.value.student == "S02"
    assert sealer.keys.counts()["student_keys"] == 1
    assert sealer.keys.with_tax_code("oldcode") == ["S01"]


def test_tax_code_is_free_again_when_its_registration_never_came_into_the_log(
        sealer: KeySealer, ledger: EventStore, clock: Clock) -> None:
    sealer.seal(person("S01"))  # and its line was kept out
    with pytest.raises(CodeTaken):
        sealer.seal(person("S02"))
    clock.now += CLAIM + timedelta(seconds=1)
    ledger.append([sealer.seal(person("S02"))])
    clock.now += CLAIM + timedelta(seconds=1)
    assert sealer.keys.with_tax_code("CODE-" + MARK) == ["S02"]
    with pytest.raises(CodeTaken):
        sealer.seal(person("S03"))


def test_person_is_found_by_name_as_written_or_as_somebody_may_write_it_until_she_is_forgotten(
        sealer: KeySealer, keys: KeyStore) -> None:
    sealer.seal(person("S01"))
    sealer.seal(person("S02", code=None, given_name="Zoe", family_name="Other"))
    assert keys.with_name("Zoë-Anna D’Invènto") == (["S01"], True)
    for text in ("dinvento", "D'INVENTO  zoe anna", "zoé anna"):
        assert keys.with_name(text) == (["S01"], False)
    assert keys.with_name("zoe") == (["S02"], False)
    assert keys.with_name("Nobody") == ([], False)
    keys.forget("S01", "S01-gone")
    assert keys.with_name("dinvento") == ([], False)
    assert keys.with_tax_code("CODE-" + MARK) == []


def test_sealing_writes_nothing_more_when_it_was_prepared_and_a_code_that_is_taken_still_is(
        sealer: KeySealer, keys: KeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    people = [person(f"S{n:02}", code=f"CODE{min(n, 2)}") for n in range(4)]  # S02 and S03 have the same one
    keys.forget("S00", "S00-gone")
    prepared = sealer.prepare([submitted(one.student, one) for one in people])
    assert [keys.counts()[name] for name in ("student_keys", "tax_codes")] == [3, 2]
    assert sealer.take(prepared).keys() == {"S01", "S02"}  # the other two are asked about
    with monkeypatch.context() as patched:
        patched.setattr(keys, "_make", lambda *_: pytest.fail("written"))
        for one in people[1:3]:
            assert sealer.open(sealer.seal(one)) == one
    with pytest.raises(CodeTaken, match="S03"):
        sealer.seal(people[3])
    with pytest.raises(IsForgotten, match="S00"):
        sealer.seal(people[0])
    assert keys.with_tax_code("CODE2") == ["S02"]


def test_what_another_link_has_prepared_is_used_until_its_time_is_over(
        sealer: KeySealer, opener: Opener, keys_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    other = KeySealer(opener(keys_url), sealer._streams)
    one = person("S01")
    prepared = other.prepare([submitted("S01", one)])
    key = sealer.take(prepared)["S01"]
    with monkeypatch.context() as patched:
        patched.setattr(sealer.keys, "_read", lambda _: pytest.fail("asked"))
        assert other.open(sealer.seal(one)) == other.open(sealer.seal(one, key)) == one
    other.keys.forget("S01", "S01-gone")
    [(student, (key, since))] = prepared.keys.items()
    assert not sealer.take(prepared._replace(keys={student: (key, since - TRUSTED_SECONDS)}))
    with pytest.raises(IsForgotten):
        sealer.seal(one)


def test_who_is_forgotten_between_reading_and_deciding_a_batch_gets_no_key_again(
        sealer: KeySealer, ledger: EventStore, sqlite_url: str, keys_url: str) -> None:
    opened = partial(open_store, sqlite_url, create=False)
    worker = _Worker(Opens(opened, lambda: sealer_for(keys_url, sqlite_url, opened(), lambda: NOW)), load_books(),
                     "record", lambda: NOW, False)
    given = [submission(student, f"{student}-{n}", "ticket-opened", "2026-03-01", number=f"{n}", service="desk",
                        subject=MARK, context="fees") for student in ("S01", "S02") for n in (1, 2)]
    [batch] = _batches(lines(*({name: one[name] for name in one if name != "career"} for one in given)), 1, 0)
    worker.read(batch.routed[0], 0)
    prepared = worker._read[0][2]
    assert prepared is not None
    prepared.result()
    assert sealer.keys.counts()["student_keys"] == 2
    ledger.append([forgotten("S01", 1)])
    sealer.keys.forget("S01", "S01-gone")
    [(_, count, outcomes)] = worker.decide(0, -1, 0).parts
    assert count == 2
    assert [one["outcome"] if isinstance(one, dict) else one[0] for one in outcomes] == [
        "invalid", "invalid", "S02-1", "S02-2"]
    assert sealer.keys.counts()["student_keys"] == 1


def test_making_keys_reads_no_whole_table_with_the_plan_of_when_there_were_few(
        opener: Opener, postgres_url: str) -> None:
    keys, students = opener(postgres_url, new=True), [f"S{n:03}" for n in range(400)]
    KeySealer(keys, lambda _: {}).prepare([submitted(one, person(one, code=f"CODE-{one}")) for one in students])
    asked = SEEN
    for n, name in enumerate(("everybody", "students", "codes"), 1):
        asked = asked.replace(f"IN :{name}", f"= ANY(${n})")
    with keys._backend.transaction() as tx:
        tx.run("SET LOCAL plan_cache_mode = force_generic_plan")
        tx.run(f"PREPARE seen (text[], text[], text[]) AS {asked}")
        plan = "".join(row[0] for row in tx.ask("EXPLAIN EXECUTE seen ('{a}', '{a}', '{a}')"))
    assert plan.count("Seq Scan") == plan.count("Seq Scan on key_store") == 1, plan  # of one row
    assert "JIT" not in plan


def _make(url: str, ledger_url: str, gate: "multiprocessing.synchronize.Barrier", made: "multiprocessing.Queue[Event]",
          n: int) -> None:
    sealer = pickle.loads(pickle.dumps(partial(open_sealer, url, ledger_url)))()  # noqa: S301 - our own
    sealer.keys._clock = Clock()
    gate.wait(20)
    made.put(sealer.seal(ticket("S01", n)))


def test_two_processes_that_make_a_key_for_one_student_at_once_have_the_same_one(
        sealer: KeySealer, keys_url: str, sqlite_url: str) -> None:
    context = multiprocessing.get_context("fork")
    gate, made = context.Barrier(2), context.Queue()
    workers = [context.Process(target=_make, args=(keys_url, sqlite_url, gate, made, n)) for n in (1, 2)]
    for one in workers:
        one.start()
    found = [made.get(timeout=20) for _ in workers]
    for one in workers:
        one.join(20)
    assert sorted(str(sealer.open(one)) for one in found) == sorted(str(ticket("S01", n)) for n in (1, 2))
    assert sealer.keys.counts()["student_keys"] == 1


def test_nothing_of_a_person_stands_in_the_key_store_and_her_rows_leave_its_file(
        opener: Opener, sqlite_keys: str, ledger: EventStore, tmp_path: Path) -> None:
    keys = opener(sqlite_keys, new=True)
    sealer = KeySealer(keys, ledger.streams)
    sealer.seal(person("S01"))
    keys.note("S01", "root", None, "person", "asked by " + MARK)
    with closing(sqlite3.connect(tmp_path / "keys.db")) as raw:
        [(wrapped,), (hmac,)] = [raw.execute(f"SELECT {column} FROM {table}").fetchone() for column, table in (
            ("wrapped", "student_keys"), ("hmac", "tax_codes"))]

    def held() -> bytes:
        return b"".join(path.read_bytes() for path in tmp_path.glob("keys.db*"))

    assert wrapped in held()
    assert hmac.encode() in held()
    for text in (MARK, "Invènto", "Zoë", "1999-01-31"):
        assert text.encode() not in held()
    keys.forget("S01", "S01-gone")
    assert wrapped not in held()
    assert hmac.encode() not in held()
    assert {oct(path.stat().st_mode)[-3:] for path in tmp_path.glob("keys.db*")} == {"600"}
    assert [one.purpose for one in keys.accesses("S01")] == [None]


def test_purpose_is_kept_for_who_asks_and_the_access_log_takes_no_change(keys: KeyStore, sealer: KeySealer) -> None:
    sealer.seal(ticket("S01", 1))
    keys.note("S01", "root", "officer:7", "person", "her request")
    keys.note("S02", "root", None, "history", "no key")
    assert [one[1:] for one in keys.accesses("S01")] == [("S01", "root", "officer:7", "person", "her request")]
    assert [one.purpose for one in keys.accesses("S02")] == ["no key"]
    for statement in ("UPDATE access_log SET who = 'x'", "DELETE FROM access_log"):
        with pytest.raises(StoreUnusable, match="never changed"), keys._backend.transaction() as tx:
            tx.run(statement)
    assert keys.counts()["access_log"] == 2


def test_opening_a_student_of_100_events_with_5_boxes_asks_for_her_key_once(
        opener: Opener, sqlite_keys: str, ledger: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    sealer = KeySealer(opener(sqlite_keys, new=True), ledger.streams)
    bare = replace(ticket("S01", 1), data=type(ticket("S01", 1).data).model_validate({"number": "7"}))
    events = [sealer.seal(ticket("S01", n)) if n % 20 == 0 else bare for n in range(100)]
    sealer.keys._ciphers.clear()
    asked, single = [], sealer.keys._backend.single
    monkeypatch.setattr(sealer.keys._backend, "single",
                        lambda statement, values=None: asked.append(statement) or single(statement, values))
    assert None not in [sealer.open(one) for one in events]
    assert len(asked) == 1
