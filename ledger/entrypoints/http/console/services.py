# ruff: noqa: S608 - statements are put together from names that were checked
"""What the services that follow the ledger say of themselves: how far each has come, and of which students it could not
take what came. Each keeps that in a database of its own, in tables named after it (`consumers/kit/tables.py`)."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.bootstrap import Answer
from ledger.edges.address import sqlite_path
from ledger.edges.log import Note
from ledger.edges.program import say
from ledger.sql.sqlite import SQLite
from ledger.store import StoreUnavailable, StoreUnusable

if TYPE_CHECKING:
    from ledger.sql.postgres import Postgres

SHOWN = 50
"""Students of a service that wait, those that wait longest; all are counted."""
WAITING = ("student", "version", "reason", "detail", "since")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


def read(file: Path) -> dict[str, str]:
    """The address of each service's database, by the service's name. Raises ValueError, which names the line to mend;
    OSError."""
    given = tomllib.loads(file.read_text(encoding="utf-8"))
    for name, url in given.items():
        if not _NAME.fullmatch(name) or not isinstance(url, str):
            raise ValueError(f'{name}: write NAME = "sqlite:///PATH" or NAME = "postgresql://USER@HOST/NAME"')
    return given


def told(services: Mapping[str, str]) -> Iterator[Answer]:
    """`topics`: of each how far it was read; `waiting`: the students whose events wait, and `count` of them; None for
    both where the database cannot be read."""
    for name, url in services.items():
        found: Answer = {"name": name, "topics": None, "waiting": None, "count": 0}
        try:
            found |= _look(name, url)
        except (StoreUnavailable, StoreUnusable) as error:
            say(Note("serve/service-away", "{name} cannot be read: {why}", "warning", name=name, why=error),
                "career-ledger")
        yield found


def _look(name: str, url: str) -> Answer:
    with closing(_opened(url)) as database, database.transaction(write=False) as tx:
        topics = tx.ask(f"SELECT topic, max(log_position) FROM {name}_positions GROUP BY topic ORDER BY topic")
        waiting = tx.ask(f"SELECT {', '.join(WAITING)} FROM {name}_parked ORDER BY since")
    return {"topics": [{"topic": topic, "position": position} for topic, position in topics], "count": len(waiting),
            "waiting": [dict(zip(WAITING, row, strict=True)) for row in waiting[:SHOWN]]}


def _opened(url: str) -> "SQLite | Postgres":
    path = sqlite_path(url)
    if path is not None:
        from ledger.store.sqlite_file import problem

        if not path.exists():
            raise StoreUnavailable(f"there is no file {path}")
        return SQLite(str(path), problem, lambda _: None)
    from ledger.sql.postgres import Postgres
    from ledger.store.postgres import problem as said

    return Postgres(url, said, lambda _: None)
