"""The key for digests: where it comes from, what is refused, and that all processes of a ledger hold the same one."""

import hmac
import os
from pathlib import Path

import pytest

from ledger.relay import digests
from ledger.store import StoreUnusable, keys, open_store
from tests.conftest import DIGEST_KEY
from tests.store.backups import accept

OTHER = "f" * 64


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(keys.VARIABLE)
    return tmp_path / "ledger.db.digest-key"


def test_key_is_made_once_beside_a_sqlite_ledger_for_its_owner_only(sqlite_url, beside) -> None:
    with open_store(sqlite_url) as one, open_store(sqlite_url) as other:
        assert not beside.exists()  # nobody needs it yet
        assert one.digest(b"{}") == other.digest(b"{}")
    assert beside.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in beside.parent.glob("*key*")) == [beside.name]
    text = beside.read_text().strip()
    for path in beside.parent.glob("ledger.db*"):
        assert path == beside or (text.encode() not in path.read_bytes()
                                  and bytes.fromhex(text) not in path.read_bytes())


def test_key_comes_from_the_variable_or_from_the_file_that_it_names(tmp_path, monkeypatch) -> None:
    named = tmp_path / "elsewhere"
    named.write_text(OTHER + "\n")
    named.chmod(0o400)
    for said in (OTHER, str(named)):
        monkeypatch.setenv(keys.VARIABLE, said)
        assert keys.load(tmp_path / "unused", None) == bytes.fromhex(OTHER)
    assert not (tmp_path / "unused").exists()


@pytest.mark.parametrize("length", [0, 1, 55, 64, 387])
def test_digest_is_hmac_sha_256(length) -> None:
    key, content = bytes(range(32)), bytes(length)
    digest = keys.digester(key)
    assert digest(content) == digest(content) == hmac.digest(key, content, "sha256")


def test_key_is_refused_where_others_may_read_it(beside) -> None:
    beside.write_text(OTHER)
    beside.chmod(0o640)
    with pytest.raises(StoreUnusable, match=r"mode 0640.*chmod 600"):
        keys.load(beside, None)


@pytest.mark.parametrize("text", ["", "ab" * 31, "ab" * 33, "zz" * 32, "é" * 32])
def test_key_is_refused_without_repeating_it_when_it_has_another_form(beside, monkeypatch, text) -> None:
    beside.write_text(text)
    beside.chmod(0o600)
    with pytest.raises(StoreUnusable, match="64 hexadecimal digits") as error:
        keys.load(beside, None)
    assert not text or text not in str(error.value)
    monkeypatch.setenv(keys.VARIABLE, "ab" * 31)
    with pytest.raises(StoreUnusable, match=keys.VARIABLE) as error:
        keys.load(beside, None)
    assert "abab" not in str(error.value)


def test_missing_key_is_not_made_anew_when_digests_were_made(sqlite_url, beside) -> None:
    with open_store(sqlite_url) as store:
        store.adopt_key()
    beside.unlink()
    with open_store(sqlite_url) as store, pytest.raises(StoreUnusable, match="is not there"):
        store.records()
    assert not beside.exists()


def test_printed_digests_bind_the_ledger_to_their_key_when_nobody_sent_any(store_url, store, monkeypatch) -> None:
    list(digests(store, 0))
    monkeypatch.setenv(keys.VARIABLE, OTHER)
    with open_store(store_url) as other, pytest.raises(StoreUnusable, match="is not the one"):
        list(digests(other, 0))


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_key_is_refused_when_no_file_holds_it(beside, kind) -> None:
    beside.mkdir(0o700) if kind == "folder" else os.mkfifo(beside, 0o600)
    with pytest.raises(StoreUnusable, match="is no file"):
        keys.load(beside, None)


def test_another_key_than_the_ledgers_is_refused_by_every_process(store_url, store, monkeypatch) -> None:
    assert store.identity().key_check is None
    store.adopt_key()
    store.adopt_key()
    check = store.identity().key_check
    assert check is not None
    assert DIGEST_KEY not in check
    monkeypatch.setenv(keys.VARIABLE, OTHER)
    for act in ("adopt_key", "records"):
        with open_store(store_url) as other, pytest.raises(StoreUnusable, match="is not the one"):
            getattr(other, act)()
    assert store.identity().key_check == check


def test_postgresql_has_no_place_for_a_key_so_it_must_be_named(postgres_url, monkeypatch, tmp_path) -> None:
    monkeypatch.delenv(keys.VARIABLE)
    with open_store(postgres_url) as store, pytest.raises(StoreUnusable, match=keys.VARIABLE):
        store.digest(b"{}")
    monkeypatch.setenv(keys.VARIABLE, str(tmp_path / "key"))
    with open_store(postgres_url) as store:
        assert len(store.digest(b"{}")) == 64
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_ledger_has_an_identity_of_its_own(store_url, store) -> None:
    first = store.identity()
    assert (len(first.origin), first.epoch) == (32, 1)
    accept(store_url)
    assert store.identity() == first._replace(epoch=2)
