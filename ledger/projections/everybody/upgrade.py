"""Stored projections of an older version are made anew by a rebuild: questions are answered from the
old ones until it is done."""

import json
import time
from collections.abc import Callable
from contextlib import suppress

from ledger.domain.books import LawBooks

from .database import ProjectionDatabase
from .open import open_database
from .rebuild import Busy, rebuild
from .shape import STEPS, schema

WAIT_SECONDS = 0.2


def upgrade_projections(url: str, law: Callable[[], LawBooks]) -> list[int]:
    """The steps that the tables lacked: all, where their rows were made anew. None are made where there are none. Waits
    for another upgrade or rebuild that is at it."""
    with open_database(url) as database:
        while _is_older(database):
            with database.backend.lock("upgrade") as mine:
                if mine and _is_older(database):  # another one may just have done it
                    with suppress(Busy):
                        rebuild(url, law())
                        return list(range(1, STEPS + 1))
            time.sleep(WAIT_SECONDS)
    return []


def _is_older(database: ProjectionDatabase) -> bool:
    return database.is_older() or any(json.loads(one.law)["schema"] != schema() for one in database.positions())
