"""A ledger with a key store, the reference files of the demo, and the services over both, on a day that is given."""

from collections.abc import Iterator
from datetime import date, datetime, timezone
from pathlib import Path

import pytest

from ledger import bootstrap
from ledger.bootstrap import Ledger, open_ledger
from ledger.eservices.services import Asker, Services

from .people import REFERENCE

NOW = datetime(2026, 3, 20, 9, tzinfo=timezone.utc)
READER = Asker("consumer", None, "purposeId=test")


class Clock:
    """`day`: of the answers; the term of the master key follows `now`."""

    def __init__(self) -> None:
        self.now, self.day = NOW, NOW.date()

    def __call__(self) -> datetime:
        return self.now

    def today(self) -> date:
        return self.day


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(bootstrap, "clock", made)
    monkeypatch.setattr(bootstrap, "today", made.today)
    return made


@pytest.fixture
def keys_url(tmp_path: Path) -> str:
    """Of the key store that is to be made."""
    return f"sqlite:///{tmp_path / 'keys.db'}"


@pytest.fixture
def ledger(tmp_path: Path, sqlite_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch,
           keys_url: str) -> Iterator[Ledger]:
    monkeypatch.setenv("CAREER_LEDGER_MASTER_KEY", str(tmp_path / "master.key"))
    with open_ledger(sqlite_url, True, None, keys_url) as made:
        made.new_keys(30)
        yield made


@pytest.fixture
def services(ledger: Ledger) -> Services:
    return ledger.eservices(REFERENCE)
