"""Opening a ledger, and bringing an older one up to date."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.edges.address import WrongAddress, sqlite_path

from .epochs import go_on_above
from .errors import StoreUnusable
from .event_store import EventStore
from .recorder import Identity
from .whole import Arriving

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
        from . import sqlite, sqlite_file
        path = str(file)
        return EventStore(sqlite.prepare(path, create), path, sqlite_file.problem, key_file=Path(f"{path}.digest-key"))
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


@contextmanager
def moved_in(url: str, identity: Identity, highest: int) -> Iterator[Arriving]:
    """A whole ledger into an empty database, or in the place of a ledger that was never used, in one transaction: it
    becomes the one of this identity, whose positions go on above `highest`. Raises StoreUnusable and
    StoreUnavailable."""
    file = _file(url)
    if file is not None:
        from . import sqlite
        way = sqlite.moved_in(str(file), identity)
    else:
        from . import postgres
        way = postgres.moved_in(url, identity)
    with way as arriving:
        yield arriving
        go_on_above(arriving.tx, highest)


def _file(url: str) -> Path | None:
    try:
        return sqlite_path(url)
    except WrongAddress as error:
        raise StoreUnusable(f"--db: {error}") from None
