"""Master keys and key stores that cannot be used are refused in words that repeat no key, and a rotation that was
killed at any step loses nothing."""

import multiprocessing
import os
import re
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.privacy import KeySealer, KeyStore, box, key_store, master, open_keys, tables
from ledger.privacy.key_store import new_keys, rotate
from ledger.privacy.sealer import sealer_for
from ledger.store import EventStore, StoreUnusable, open_store

from .conftest import NOW, Clock, Opener
from .people import person, submitted, ticket

VARIABLE = "CAREER_LEDGER_MASTER_KEY"


@pytest.fixture
def made(opener: Opener, sqlite_keys: str, ledger: EventStore) -> KeySealer:
    return KeySealer(opener(sqlite_keys, new=True), ledger.streams)


def _half(path: Path) -> None:
    path.write_text(path.read_text()[:70])


def _edited(path: Path) -> None:
    path.write_text(path.read_text().replace("2026-04-01", "2036-04-01"))


def _another(path: Path) -> None:
    path.unlink()
    master.make(path, NOW.date())


SPOILT: dict[str, tuple[Any, str]] = {
    "missing": (lambda path: path.unlink(), "is missing"), "half-written": (_half, "no whole master key"),
    "empty": (lambda path: path.write_text(""), "no whole master key"), "edited": (_edited, "no whole master key"),
    "readable by others": (lambda path: path.chmod(0o644), "mode 0644"),
    "writable by others": (lambda path: path.chmod(0o602), "mode 0602"), "another": (_another, "not the one"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "is no file|Is a directory|cannot be used")}


@pytest.mark.parametrize("how", SPOILT)
def test_master_key_is_refused_in_words_without_repeating_it_when_it_cannot_be_used(
        made: KeySealer, opener: Opener, sqlite_keys: str, master_file: Path, how: str) -> None:
    digits = re.findall("[0-9a-f]{64}", master_file.read_text())[0]
    spoil, words = SPOILT[how]
    spoil(master_file)
    with pytest.raises(StoreUnusable, match=words) as refused:
        opener(sqlite_keys)
    assert not any(digits[n:n + 8] in str(refused.value) for n in range(57))


class Token:
    """A master key that never leaves where it is, as one in a PKCS#11 token or of a key management service."""

    id, made, until = "token", NOW.date(), NOW.date()

    def __init__(self) -> None:
        self._cipher = AESGCM(AESGCM.generate_key(256))
        self.asked: list[bytes] = []

    def wrap(self, key: bytes, about: bytes) -> bytes:
        return box.sealed(self._cipher, key, about)

    def unwrap(self, wrapped: bytes, about: bytes) -> bytes:
        self.asked.append(about)
        return box.opened(self._cipher, wrapped, about)


def test_another_kind_of_master_key_is_asked_once_for_each_key(
        keys: KeyStore, ledger: EventStore, sqlite_url: str, keys_url: str, clock: Clock) -> None:
    sealed = [KeySealer(keys, ledger.streams).seal(ticket("S01", n)) for n in (1, 2, 3)]
    token = Token()
    assert keys.rewrap(token) == 1
    backend = tables.backend_at(keys_url, sqlite_url, create=False)
    with KeyStore(backend, keys.ledger, clock, lambda _: token) as held:
        sealer = KeySealer(held, ledger.streams)
        assert [sealer.open(one) for one in sealed] == [ticket("S01", n) for n in (1, 2, 3)]
        sealer.open(sealer.seal(ticket("S02", 1)))
    assert len(token.asked) == 2  # for the store's own keys, and for that of S01: S02's was made here


def test_no_master_key_is_made_in_the_place_of_one_that_is_missing(
        keys: KeyStore, opener: Opener, keys_url: str, master_file: Path) -> None:
    master_file.unlink()
    with pytest.raises(StoreUnusable, match="already"):
        opener(keys_url, new=True)
    assert not master_file.exists()


def test_master_key_is_taken_from_the_environment_itself_and_half_of_one_is_not_repeated(
        made: KeySealer, opener: Opener, sqlite_keys: str, master_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = master_file.read_text()
    monkeypatch.setenv(VARIABLE, text)
    assert opener(sqlite_keys).master.id == made.keys.master.id
    for half in (text[:90], text.split()[-1], text.split()[-1][:40]):
        monkeypatch.setenv(VARIABLE, half)
        with pytest.raises(StoreUnusable, match="no whole master key") as refused:
            opener(sqlite_keys)
        assert half[-12:] not in str(refused.value)
    monkeypatch.setenv(VARIABLE, "")
    with pytest.raises(StoreUnusable, match="is missing"):
        opener(sqlite_keys)


def test_expired_master_key_seals_and_opens_nothing_until_it_is_rotated_and_still_forgets(
        made: KeySealer, clock: Clock) -> None:
    one, hers = made.seal(ticket("S01", 1)), made.seal(ticket("S02", 1))
    clock.now = NOW + timedelta(days=30)
    assert made.open(one) is not None  # its last day
    clock.now += timedelta(days=1)
    for act in (lambda: made.open(one), lambda: made.seal(ticket("S01", 2)),
                lambda: made.prepare([submitted("S03")])):
        with pytest.raises(StoreUnusable, match=r"ended on 2026-04-01: run .career-ledger keys rotate"):
            act()
    made.keys.forget("S02", "S02-gone")
    assert rotate(made.keys, clock.now.date()) == 1
    assert made.open(one) == ticket("S01", 1)
    assert made.open(hers) is None
    assert made.keys.complete_from() == clock.now.date() + timedelta(days=31)


def test_key_store_is_refused_in_words_when_it_is_another_ledgers_or_none(
        made: KeySealer, opener: Opener, sqlite_keys: str, sqlite_url: str, ledger: EventStore, tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match="key store of another ledger"):
        opener(sqlite_keys, origin="another")
    with pytest.raises(StoreUnusable, match="already"):
        opener(sqlite_keys, new=True)
    with pytest.raises(StoreUnusable, match="own file"):
        opener(sqlite_url)
    other = f"sqlite:///{tmp_path}/other.db"
    open_store(other).close()
    ledger.identity()
    for url, words in ((other, "names a ledger's database"), (f"sqlite:///{tmp_path}/none.db", "there is no key store"),
                       ("keys.db", "--keys: the address"), (f"sqlite:///{tmp_path}", "names a folder")):
        with pytest.raises(StoreUnusable, match=words):
            opener(url)
    with pytest.raises(StoreUnusable, match="none can be made"):
        opener(f"sqlite:///{tmp_path}/keys.db/keys.db", new=True)
    assert opener(f"sqlite:///{tmp_path}/new/keys.db", new=True).place.endswith("new/keys.db")
    (tmp_path / "keys.db").chmod(0o640)
    with pytest.raises(StoreUnusable, match="chmod 600"):
        opener(sqlite_keys)


def test_new_key_store_is_refused_where_another_one_has_sealed_events(
        made: KeySealer, opener: Opener, ledger: EventStore, sqlite_url: str, tmp_path: Path, clock: Clock) -> None:
    ledger.append([ticket("S09", 1)])
    other = f"sqlite:///{tmp_path}/other-keys.db"
    opener(other, new=True)
    sealer_for(other, sqlite_url, ledger, clock).keys.close()  # nothing is sealed yet
    ledger.append([made.seal(ticket("S01", 1))])
    assert (ledger.first_sealed(), ledger.first_sealed(2)) == (2, None)
    with pytest.raises(StoreUnusable, match=r"position 2 .*other-keys.db is new .* the newest copy of that one back"):
        sealer_for(other, sqlite_url, ledger, clock)
    opener(other).forget("S02", "S02-gone")  # it is one that was used
    for url in (other, f"sqlite:///{made.keys.place}"):
        sealer_for(url, sqlite_url, ledger, clock).keys.close()


def test_ledgers_own_postgresql_database_is_refused_as_a_key_store(
        postgres_url: str, master_file: Path, clock: Clock) -> None:
    with open_store(postgres_url) as store, pytest.raises(StoreUnusable, match="names a ledger's database"):
        new_keys(postgres_url, store.identity().origin, postgres_url, clock, 30)


@pytest.mark.parametrize("left", [0, 50, 3000])
def test_key_store_is_refused_in_words_when_it_was_cut_off(
        made: KeySealer, opener: Opener, sqlite_keys: str, tmp_path: Path, left: int) -> None:
    made.seal(person("S01"))
    made.keys.close()
    path = tmp_path / "keys.db"
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(StoreUnusable, match="newest copy"):
        opener(sqlite_keys)


def test_wrapped_key_that_was_moved_or_changed_is_refused_in_words(made: KeySealer) -> None:
    one, _ = made.seal(ticket("S01", 1)), made.seal(ticket("S02", 1))
    with made.keys._backend.transaction() as tx:
        tx.run("UPDATE student_keys SET wrapped = (SELECT wrapped FROM student_keys WHERE student = 'S02') "
               "WHERE student = 'S01'")
    made.keys._ciphers.clear()
    with pytest.raises(StoreUnusable, match="the key of S01"):
        made.open(one)
    assert list(made.keys.broken()) == ["S01"]


def test_forgetting_again_deletes_what_an_older_copy_has_brought_back(made: KeySealer) -> None:
    made.seal(person("S01"))
    made.keys.forget("S01", "gone")
    with made.keys._backend.transaction() as tx:
        tx.run("INSERT INTO tax_codes (hmac, student, at) VALUES ('x', 'S01', '2026')")
    assert made.keys.undead() == ["S01"]
    made.keys.forget("S01", "gone")
    assert made.keys.undead() == []


def test_rotation_wraps_all_keys_anew_and_leaves_the_old_master_and_older_copies_without_use(
        opener: Opener, keys_url: str, ledger: EventStore, master_file: Path, clock: Clock,
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_store, "PAGE", 2)
    sealer, other = (KeySealer(opener(keys_url, new=new), ledger.streams) for new in (True, False))
    sealed = [sealer.seal(ticket(f"S{n:02}", 1)) for n in range(5)]
    old, text, held = sealer.keys.master.id, master_file.read_text(), master_file.open()
    copy = sealer.keys._backend.single("SELECT student, number, wrapped, master FROM student_keys LIMIT 1")
    assert rotate(sealer.keys, clock.now.date(), 10) == 5
    assert sealer.keys.master.id not in (old,)
    assert master_file.read_text() != text
    with held:  # whoever has it open, and the disk
        assert set(held.read()) == {"\0"}
    assert (oct(master_file.stat().st_mode)[-3:], master.waiting(master_file).exists()) == ("600", False)
    assert [sealer.open(one) for one in sealed] == [ticket(f"S{n:02}", 1) for n in range(5)]
    # who was at work meanwhile wraps nothing under the old one, and goes on under the new
    late = other.seal(ticket("S99", 1))
    assert other.open(sealed[0]) is not None
    assert {row[0] for row in sealer.keys._backend.single("SELECT master FROM student_keys")} == {sealer.keys.master.id}
    assert KeySealer(opener(keys_url), ledger.streams).open(late) == ticket("S99", 1)
    with pytest.raises(StoreUnusable, match="not the one"):
        sealer.keys._keep(copy[0], 1)


STEPS = ("make", "rewrap", "take_place", "replaced", "scrub")


def _killed(step: str, url: str, ledger_url: str, origin: str) -> None:
    def kill(*_: Any, **__: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)

    keys = open_keys(url, origin, ledger_url, Clock())
    if step == "make":  # half a new one is written
        os.link = kill  # type: ignore[assignment]
    elif step == "rewrap":  # within the transaction
        keys._again = kill  # type: ignore[method-assign]
    elif step == "take_place":
        master.take_place = kill  # type: ignore[assignment]
    elif step == "replaced":
        master.durable = lambda *_: None if master.waiting(master.path_of() or Path()).exists() else kill()
    else:
        keys.scrub = kill  # type: ignore[method-assign]
    rotate(keys, NOW.date())


@pytest.mark.parametrize("step", STEPS)
def test_rotation_that_was_killed_is_finished_or_undone_by_the_next_start(
        made: KeySealer, opener: Opener, sqlite_keys: str, sqlite_url: str, ledger: EventStore, master_file: Path,
        step: str) -> None:
    sealed = [made.seal(ticket(student, 1)) for student in ("S01", "S02")]
    old = made.keys.master.id
    worker = multiprocessing.get_context("fork").Process(
        target=_killed, args=(step, sqlite_keys, sqlite_url, ledger.identity().origin))
    worker.start()
    worker.join(20)
    assert worker.exitcode == -signal.SIGKILL
    opened = KeySealer(opener(sqlite_keys), ledger.streams)
    assert [opened.open(one) for one in sealed] == [ticket("S01", 1), ticket("S02", 1)]
    assert not master.waiting(master_file).exists()
    assert (opened.keys.master.id == old) is (step in ("make", "rewrap"))
    assert master.from_file(master_file).id == opened.keys.master.id
    assert opened.keys._flag("to_scrub") == 0
    assert rotate(opened.keys, NOW.date()) == 2
    assert opened.open(sealed[0]) == ticket("S01", 1)


def test_rotation_is_refused_while_another_is_at_work_and_nothing_is_undone(
        made: KeySealer, opener: Opener, sqlite_keys: str, master_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with master.alone(master_file) as alone:
        assert alone
        master.make(master.waiting(master_file), NOW.date())
        opener(sqlite_keys)
        assert master.waiting(master_file).exists()
        with pytest.raises(StoreUnusable, match="another process is rotating"):
            rotate(made.keys, NOW.date())
    monkeypatch.setenv(VARIABLE, master_file.read_text())
    with pytest.raises(StoreUnusable, match="holds the master key itself"):
        rotate(made.keys, NOW.date())


def test_key_store_without_a_row_of_its_own_is_not_whole(made: KeySealer, opener: Opener, sqlite_keys: str) -> None:
    with made.keys._backend.transaction() as tx:
        tx.run("DELETE FROM key_store")
    with pytest.raises(StoreUnusable, match="not whole"):
        opener(sqlite_keys)


def test_store_of_a_killed_making_is_made_by_the_next_one(
        sqlite_keys: str, sqlite_url: str, ledger: EventStore, opener: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(master, "make", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            opener(sqlite_keys, new=True)
    assert isinstance(opener(sqlite_keys, new=True), KeyStore)


def test_role_of_a_key_store_adds_to_the_access_log_and_may_not_change_it(
        postgres_admin: str, postgres_url: str, opener: Opener, ledger: EventStore) -> None:
    import psycopg

    user = f"keys_{os.getpid()}"
    with psycopg.connect(postgres_admin, autocommit=True) as admin:
        if not admin.execute("SELECT FROM pg_roles WHERE rolname = 'career_ledger_keys'").rowcount:
            admin.execute("CREATE ROLE career_ledger_keys")
        opener(postgres_url, new=True)
        admin.execute(f"CREATE ROLE {user} LOGIN PASSWORD 'secret' IN ROLE career_ledger_keys".encode())
        try:
            keys = opener(re.sub("//[^@]*@", f"//{user}:secret@", postgres_url))
            sealer = KeySealer(keys, ledger.streams)
            assert sealer.open(sealer.seal(ticket("S01", 1))) == ticket("S01", 1)
            keys.note("S01", "u", None, "person", "why")
            assert [one.purpose for one in keys.accesses("S01")] == ["why"]
            for statement in ("UPDATE access_log SET who = 'x'", "DELETE FROM access_log", "DELETE FROM orders"):
                with pytest.raises(StoreUnusable, match="permission denied"), keys._backend.transaction() as tx:
                    tx.run(statement)
            keys.forget("S01", "S01-gone")
            assert keys.counts()["student_keys"] == 0
            assert keys.to_scrub  # it may not: who owns the tables does
            keys.close()
            assert not opener(postgres_url).to_scrub
        finally:
            admin.execute(f"DROP ROLE {user}".encode())
