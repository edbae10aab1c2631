"""Files and folders that this project makes are their owner's alone, whatever the umask says. What exists keeps its mode."""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

FILE, FOLDER = 0o600, 0o700


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
    """An empty file where there is none, for a library that would make it by the umask. What hinders it, the library will say."""
    with suppress(OSError):
        os.close(_open(os.path.realpath(path), os.O_RDWR))


def open_file(path: Path, buffering: int = -1) -> BinaryIO:
    """For writing, empty. Raises OSError."""
    return open(path, "wb", buffering, opener=_open)


def _open(path: str, flags: int) -> int:
    try:
        made = os.open(path, flags | os.O_CREAT | os.O_EXCL, FILE)
    except FileExistsError:
        return os.open(path, flags)
    os.fchmod(made, FILE)
    return made


def replace(part: Path, path: Path) -> None:
    """Puts a finished file in the place of another, whose mode it takes."""
    with suppress(FileNotFoundError):
        part.chmod(stat.S_IMODE(path.stat().st_mode))
    part.replace(path)
