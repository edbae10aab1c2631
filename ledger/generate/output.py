"""A population as an event file."""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from ledger.edges.files import open_file, replace, spare_database
from ledger.parallel import HERE, How, in_order, processors

from .population import one_student
from .shares import Shares

WriteProgress = Callable[[int, int], None]
"""Called now and then with the students and the events written so far."""
PART = 200
"""Students that are made at a time; as many events as a part of a ledger has."""
WORTH = 1_000
"""Students that are made while another process starts."""


def write(target: Path | str | BinaryIO, students: int, seed: int, shares: Shares | None = None,
          progress: WriteProgress | None = None, first: int = 0, how: How = HERE) -> int:
    """Write the lines of the students first .. first+students-1 to a file (`-`: standard output); the number of events.

    A file appears under its name only when it is complete. Raises ValueError for a negative number, OSError from the
    file, EngineFailed."""
    if students < 0 or seed < 0 or first < 0:
        raise ValueError("students, seed and first are numbers from 0")
    parts = _parts(students, seed, shares or Shares(), first, how)
    if target == "-":
        count = _lines(sys.stdout.buffer, parts, students, progress)
        sys.stdout.buffer.flush()
        return count
    if isinstance(target, Path | str):
        path = Path(target)
        spare_database(path)
        part = path.with_name(path.name + ".part")
        try:
            with open_file(part, 1 << 20) as out:
                count = _lines(out, parts, students, progress)
            replace(part, path)
        finally:
            part.unlink(missing_ok=True)
        return count
    return _lines(target, parts, students, progress)


_Part = tuple[int, int, bytes]
"""Students and events of it, and their lines."""


def _parts(students: int, seed: int, shares: Shares, first: int, how: How) -> Iterator[_Part]:
    end = first + students
    size = max(1, min(how.workers or processors(), students // WORTH))
    ranges = (range(at, min(at + PART, end)) for at in range(first, end, PART))
    return in_order(ranges, partial(_made, seed, shares), how, size)


def _made(seed: int, shares: Shares, some: range) -> _Part:
    lines = [line for index in some for line in one_student(index, seed, shares)]
    return len(some), len(lines), b"".join(lines)


def _lines(out: BinaryIO, parts: Iterator[_Part], students: int, progress: WriteProgress | None) -> int:
    done = count = 0
    for some, events, lines in parts:
        done += some
        count += events
        out.write(lines)
        if progress is not None and done < students:
            progress(done, count)
    if progress is not None:
        progress(students, count)
    return count
