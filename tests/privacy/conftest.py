"""A ledger, a key store of its own beside it on either kind of database, and a master key in a file."""

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from ledger.privacy import KeySealer, KeyStore, open_keys
from ledger.privacy.key_store import new_keys
from ledger.store import EventStore, open_store

NOW = datetime(2026, 3, 2, 9, tzinfo=timezone.utc)


class Clock:
    """Says what it is told to."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def master_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "master.key"
    monkeypatch.setenv("CAREER_LEDGER_MASTER_KEY", str(path))
    return path


@pytest.fixture
def ledger(sqlite_url: str) -> Iterator[EventStore]:
    with open_store(sqlite_url) as store:
        yield store


@pytest.fixture
def sqlite_keys(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'keys.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def keys_url(request: pytest.FixtureRequest) -> str:
    """Of a key store that does not exist yet."""
    url: str = request.getfixturevalue("sqlite_keys" if request.param == "sqlite" else "postgres_url")
    return url


Opener = Callable[..., KeyStore]


@pytest.fixture
def opener(ledger: EventStore, sqlite_url: str, master_file: Path, clock: Clock) -> Iterator[Opener]:
    """Opens a key store of this ledger, which is made the first time."""
    opened: list[KeyStore] = []

    def made(url: str, new: bool = False, **more: Any) -> KeyStore:
        origin = more.get("origin", ledger.identity().origin)
        opened.append(new_keys(url, origin, sqlite_url, clock, 30) if new else
                      open_keys(url, origin, sqlite_url, clock))
        return opened[-1]

    yield made
    for one in opened:
        one.close()


@pytest.fixture
def keys(opener: Opener, keys_url: str) -> KeyStore:
    return opener(keys_url, new=True)


@pytest.fixture
def sealer(keys: KeyStore, ledger: EventStore) -> KeySealer:
    return KeySealer(keys, ledger.streams)
