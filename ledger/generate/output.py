"""A population as an event file."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from ledger.edges.files import open_file, replace

from .population import one_student
from .shares import Shares

WriteProgress = Callable[[int, int], None]
"""Called now and then with the students and the events written so far."""


def write(target: Path | str | BinaryIO, students: int, seed: int, shares: Shares | None = None,
          progress: WriteProgress | None = None,
          first: int = 0) -> int:
    """Write the lines of the students first .. first+students-1 to a file (`-`: standard output); the number of events.

    A file appears under its name only when it is complete. Raises ValueError for a negative number, OSError from the
    file."""
    if target == "-":
        count = _lines(sys.stdout.buffer, students, seed, shares or Shares(), progress, first)
        sys.stdout.buffer.flush()
        return count
    if isinstance(target, Path | str):
        path = Path(target)
        part = path.with_name(path.name + ".part")
        try:
            with open_file(part, 1 << 20) as out:
                count = _lines(out, students, seed, shares or Shares(), progress, first)
            replace(part, path)
        finally:
            part.unlink(missing_ok=True)
        return count
    return _lines(target, students, seed, shares or Shares(), progress, first)


def _lines(out: BinaryIO, students: int, seed: int, shares: Shares, progress: WriteProgress | None, first: int) -> int:
    if students < 0 or seed < 0 or first < 0:
        raise ValueError("students, seed and first are numbers from 0")
    count = 0
    for index in range(first, first + students):
        lines = one_student(index, seed, shares)
        count += len(lines)
        out.write(b"".join(lines))
        if progress is not None and (index - first) % 100 == 99:
            progress(index - first + 1, count)
    if progress is not None:
        progress(students, count)
    return count
