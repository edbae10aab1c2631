"""Opening a ledger, and bringing an older one up to date."""

import os
from pathlib import Path

from ledger.edges.address import WrongAddress, sqlite_path

from .errors import StoreUnusable
from .event_store import EventStore

NO = {"", "0", "f", "false", "n", "no", "off"}


def open_store(url: str, create: bool = True) -> EventStore:
    """The ledger at `sqlite:///PATH` (an absolute path has four slashes) or
    `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`.

    A new ledger is made where there is none, unless `create` is False. One that an older or a newer program has made is
    not opened. Raises StoreUnusable and StoreUnavailable.
    """
    for name, value in os.environ.items():
        if name.upper().endswith("POSTGRES_ENABLE_DB_FUNCTIONS") and value.strip().lower() not in NO:
            raise StoreUnusable(f"{name} is set: that way of writing takes no table lock, and readers miss events. "
                                "Unset it.")
    file = _file(url)
    if file is not None:
        from . import sqlite
        path = str(file)
        return EventStore(sqlite.prepare(path, create), path, sqlite.problem, key_file=Path(f"{path}.digest-key"))
    from . import postgres
    recorder = postgres.prepare(url, create)
    return EventStore(recorder, postgres.opened(url).place, postgres.problem)


def upgrade_store(url: str) -> list[int]:
    """Brings a ledger up to date: the numbers of the steps that it lacked. In PostgreSQL an empty database becomes a
    ledger, and roles get their rights. Safe at any time, also while others read and write. Raises StoreUnusable and
    StoreUnavailable."""
    file = _file(url)
    if file is not None:
        from . import sqlite
        return sqlite.upgrade(str(file))
    from . import postgres
    return postgres.upgrade(url)


def _file(url: str) -> Path | None:
    try:
        return sqlite_path(url)
    except WrongAddress as error:
        raise StoreUnusable(f"--db: {error}") from None
