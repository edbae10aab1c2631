"""The plain data of a rule book's file, remembered beside it: reading YAML takes longer than answering.

It stands as JSON in `__pycache__`, as Python's own compiled code does, and like that is not written where Python is
told to write none, or where this user may not. It is bound to the bytes of the file and to how this program reads
them: what is old, damaged, another's or of another program is left alone, and the file is read. Whoever could put other
law there must not be anybody who could not change the file: so it counts only where it belongs to the owner of the
file, to this user or to root, and only its owner may write it.
"""

import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from ledger.edges.files import make_folder, regular_file, write_whole

FORM = "career-ledger-book.v1"
DAY = "\0day"
"""The only field of what stands for a day, which JSON does not know. A text of YAML holds no such sign."""
LONGEST = 1 << 21
READERS = ("plain.py", "amendments.py", "remembered.py")


class AsRead(NamedTuple):
    """`data`: as `loader.read_plain` gives it. `begin`: where in the bytes its amendments begin
    (`amendments.beginnings`)."""

    data: Any
    begin: Sequence[int]


def remembered(file: Path, content: bytes, read: Callable[[], AsRead]) -> AsRead:
    """What `read` gives of the bytes of a file, whose place is only asked for what is remembered beside it."""
    place = file.parent / "__pycache__" / f"{file.name}.json"
    mark = f"{FORM} {sha256(content).hexdigest()} {_reader()}"
    found = _held(place, file, mark)
    if found is None:
        found = read()
        if not sys.dont_write_bytecode:
            _hold(place, file, mark, found)
    return found


def _held(place: Path, file: Path, mark: str) -> AsRead | None:
    with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
        opened = regular_file(place)
        if opened is None:
            return None
        with opened:
            about = os.fstat(opened.fileno())
            if about.st_uid not in (file.stat().st_uid, os.geteuid(), 0) or about.st_mode & 0o022 or about.st_nlink > 1:
                return None
            head, _, text = opened.read(LONGEST).partition(b"\n")
        if head.decode("ascii", "replace") == f"{mark} {sha256(text).hexdigest()}":
            data, begin = json.loads(text, object_hook=_read)
            return AsRead(data, begin)
    return None


def _hold(place: Path, file: Path, mark: str, found: AsRead) -> None:
    """Where it can be."""
    with suppress(OSError, ValueError, TypeError):
        text = json.dumps(found, allow_nan=False, default=_written, ensure_ascii=False).encode()
        if json.loads(text, object_hook=_read) == [found.data, [*found.begin]]:
            make_folder(place.parent)
            write_whole(place, f"{mark} {sha256(text).hexdigest()}\n{text.decode()}", mode=file.stat().st_mode & 0o644)


def _written(value: Any) -> dict[str, str]:
    if type(value) is not date:
        raise TypeError
    return {DAY: value.isoformat()}


def _read(entry: dict[str, Any]) -> Any:
    return date.fromisoformat(entry[DAY]) if DAY in entry else entry


@cache
def _reader() -> str:
    """Of the code that reads files: that of another version may read them otherwise."""
    digest = sha256()
    for name in READERS:
        digest.update((files("ledger.rulebooks") / name).read_bytes())
    return digest.hexdigest()
