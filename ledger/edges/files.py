"""Files and folders that this project makes are their owner's alone, whatever the umask says.
What exists keeps its mode."""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

FILE, FOLDER = 0o600, 0o700
SQLITE_FILE = b"SQLite format 3\0"
"""Begins a database."""


def make_folder(path: Path) -> None:
    """The folder and what is missing above it. Raises OSError."""
    if path.is_dir():
        return
    if path.parent != path:
        make_folder(path.parent)
    with suppress(FileExistsError):
        path.mkdir(FOLDER)
        path.chmod(FOLDER)


def make_file(path: Path) -> None:
    """An empty file where there is none, for a library that would make it by the umask. What
    hinders it, the library will say.

    What exists is not even opened, nor what another thread has just made: a process that closes any
    descriptor of a file loses its locks on it, and SQLite in another process then takes the write-ahead log
    away from under this one."""
    real = Path(os.path.realpath(path))
    if real.exists():
        return
    import tempfile

    with suppress(OSError):
        made, name = tempfile.mkstemp(dir=real.parent, prefix=f"{real.name}.")  # for its owner alone, says its contract
        os.close(made)
        part = Path(name)
        try:
            real.hardlink_to(part)
        finally:
            part.unlink()


def open_file(path: Path, buffering: int = -1) -> BinaryIO:
    """For writing, empty. Raises OSError."""
    return open(path, "wb", buffering, opener=_open)


def open_output(path: Path) -> BinaryIO:
    """The same for what a command was told to write: a database of SQLite's that lies there is spared, since it is
    named by mistake. Raises OSError."""
    spare_database(path)
    return open_file(path)


def spare_database(path: Path) -> None:
    """Raises OSError where one lies."""
    with suppress(FileNotFoundError):
        file = None if path.is_dir() else regular_file(Path(os.path.realpath(path)))
        if file is not None:
            with file:
                if file.read(len(SQLITE_FILE)) == SQLITE_FILE:
                    raise FileExistsError(errno.EEXIST, "a database lies there", str(path))


def _open(path: str, flags: int) -> int:
    try:
        made = os.open(path, flags | os.O_CREAT | os.O_EXCL, FILE)
    except FileExistsError:
        return os.open(path, flags)
    os.fchmod(made, FILE)
    return made


def regular_file(path: Path) -> BinaryIO | None:
    """For reading; None where a link, a folder or anything else stands there. Raises OSError."""
    try:
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
    except IsADirectoryError:
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            return None
        raise
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    return None


def durable(folder: Path) -> None:
    """What was made, renamed or deleted in a folder stays so when the power fails. Raises OSError."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def write_whole(path: Path, text: str, new: bool = False, mode: int = FILE) -> None:
    """Whole or not at all, and durable. Raises OSError; with `new` FileExistsError where there is one."""
    part = path.with_name(f".{path.name}.{os.urandom(4).hex()}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if new:
            path.hardlink_to(part)
        else:
            part.replace(path)
        durable(path.parent)
    finally:
        part.unlink(missing_ok=True)


def replace(part: Path, path: Path) -> None:
    """Puts a finished file in the place of another, whose mode it takes."""
    with suppress(FileNotFoundError):
        part.chmod(stat.S_IMODE(path.stat().st_mode))
    part.replace(path)
