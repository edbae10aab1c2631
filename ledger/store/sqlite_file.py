"""What reading and writing the SQLite file share: a link to it, and what a failure of it means."""

import sqlite3

from ledger.sql.base import LOCK_SECONDS, NO_NAMES, Replaced, spelling
from ledger.sql.sqlite import SameFile, connect

from .errors import ReadOnly, StoreUnavailable, StoreUnusable
from .guards import KEPT_OUT

SPELLING = spelling("sqlite", NO_NAMES)
INSERT = "INSERT INTO stored_events (originator_id, originator_version, topic, state) VALUES (?,?,?,?)"
NEWEST = "SELECT max(originator_version) FROM stored_events WHERE originator_id = ?"
REMEMBERED = "SELECT student, id, content, outcome FROM refused_submissions WHERE student = ? AND id = ?"


def link(same: SameFile) -> sqlite3.Connection:
    """A new one. Raises FileNotFoundError where nothing is at the path."""
    made = same.opening(lambda address: connect(address, LOCK_SECONDS))
    made.execute("PRAGMA journal_mode=WAL")  # as it is, unless somebody has changed it
    made.execute("PRAGMA synchronous=FULL")
    return made


def problem(error: Exception, path: str) -> Exception:
    """What a failure of SQLite means for the caller."""
    text = str(error)
    if isinstance(error, Replaced):
        return StoreUnusable(f"the ledger's file was replaced while it was open: {text} ({path}). "
                             "What was not answered is not stored. Put the right file back, "
                             "then start this program again")
    if "locked" in text or "busy" in text or "pool" in text.lower():
        return StoreUnavailable(f"{path} is held by another program ({text}): try again when it is done")
    if "full" in text or "disk I/O" in text:
        return StoreUnusable(f"{path} cannot grow ({text}): free space, submit the rest again; "
                             "what was accepted is stored")
    if "readonly" in text:
        return ReadOnly(f"{path} cannot be written ({text}): check the rights of the file and of its folder")
    if KEPT_OUT in text:
        return StoreUnusable(f"{path} refuses what was to be stored: {text}")
    return StoreUnusable(f"{path} cannot be used: {text}")
