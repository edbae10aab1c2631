"""Opening an SQLite file, also one that may only be read, and noticing that it is not the one any more that was opened.

A deleted or replaced file lives on for who has it open: SQLite goes on writing into nothing, and whoever opens the path sees
another file. Looking at the path costs microseconds. (Opening it would not do: closing the second descriptor drops SQLite's locks.)
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

File = tuple[int, int]
"""Device and number."""


def address_of(path: str, mode: str = "rw") -> str:
    """The URI to open a file under. A file in write-ahead mode needs a -shm file beside it: where that can neither be found nor made
    (a folder that may only be read) and no log waits to be merged, SQLite is told that nobody changes the file (`immutable`), and
    `SameFile` sees to it that this stays true. Raises sqlite3.OperationalError where a log does wait."""
    real = Path(path).resolve()
    if not real.exists() or Path(f"{real}-shm").exists() or os.access(real.parent, os.W_OK, effective_ids=True):
        return f"{real.as_uri()}?mode={mode}"
    if _length(f"{real}-wal"):
        raise sqlite3.OperationalError("what was written last stands in its -wal file, which cannot be read where nothing may be written: "
                                       "open it once with the right to write, or copy the folder")
    return f"{real.as_uri()}?immutable=1"


class SameFile:
    """For one connection. `opening` opens it; `trouble` is asked at the beginning of each transaction, and again at its end, before
    anything is acknowledged or believed."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._real = ""
        """Where the path leads: the files beside it are there."""
        self._file: File | None = None
        self._size = 0
        self._beside: dict[str, File] = {}
        self._changed: int | None = None
        """Of a file that nobody changes, since when."""

    def opening(self, connect: Callable[[str], sqlite3.Connection], mode: str = "rw") -> sqlite3.Connection:
        """What `connect` makes of the file's URI. Raises what it raises, and FileNotFoundError where nothing is at the path afterwards."""
        while True:
            before = _seen(self._path)
            address, self._real = address_of(self._path, mode), os.path.realpath(self._path)
            made = connect(address)
            found = os.stat(self._path)  # noqa: PTH116 - at every transaction
            if before in (None, (found.st_dev, found.st_ino)):  # a file that `connect` has made
                self._file, self._size = (found.st_dev, found.st_ino), found.st_size
                self._beside = {}
                self._changed = found.st_mtime_ns if address.endswith("immutable=1") else None
                return made
            made.close()

    def trouble(self, writing: bool) -> str | None:
        """What has happened to the file, in words; None where it is as it was. `writing`: within BEGIN IMMEDIATE or after its end,
        when the write-ahead log has been opened."""
        try:
            found = os.stat(self._path)  # noqa: PTH116 - at every transaction
        except FileNotFoundError:
            return "it was deleted"
        if (found.st_dev, found.st_ino) != self._file:
            return "another file stands in its place"
        if found.st_size < self._size and not self._is_whole(found.st_size):
            return f"it was cut from {self._size} to {found.st_size} bytes"
        self._size = found.st_size
        if self._changed is not None:
            written = found.st_mtime_ns != self._changed or _length(f"{self._real}-wal")
            return "another program has begun to write to it while it was read" if written else None
        if writing:
            for ending in ("-wal", "-shm"):
                beside = _seen(self._real + ending)
                if beside is None or self._beside.setdefault(ending, beside) != beside:
                    return f"its {ending} file, without which it is not whole, was deleted or replaced"
        return None

    def _is_whole(self, size: int) -> bool:
        """VACUUM makes a file smaller too. An empty one is never looked at: SQLite would take its write-ahead log away."""
        if size < 512:
            return False
        try:
            with closing(sqlite3.connect(address_of(self._path), uri=True)) as other:
                whole: bool = other.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
        except sqlite3.DatabaseError:
            return False
        return whole


def _seen(path: str) -> File | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - at every transaction
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _length(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 - as above
    except FileNotFoundError:
        return 0
