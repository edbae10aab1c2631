"""From bytes to the JSON value of one submission, with a clear answer to whatever is wrong with a line."""

import codecs
import json
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from jiter import from_json

from ledger.domain.form import Problem, named
from ledger.domain.phrases import says

LONGEST_LINE = 1 << 20
"""Bytes. A submission has a few hundred; the longest texts that it may hold fit many times."""

_HELD = len(codecs.BOM_UTF8) + LONGEST_LINE + len(b"\r\n") + 1
"""Bytes, so that of a line that is too long the beginning is too long too, whatever it holds."""

LONGEST_NUMBER = 1000
"""Digits that are read one by one."""


def read_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file of any length. Of a line above `LONGEST_LINE` only the beginning
    is kept, a little too long."""
    while line := file.readline(_HELD):
        yield line
        while len(line) == _HELD and not line.endswith(b"\n"):
            line = file.readline(_HELD)


def decode_line(line: bytes, first: bool = False) -> Any | Problem | None:
    """The JSON value of a line, a Problem that says what is wrong with it, or None for a blank line.

    Tolerates a byte order mark at the start of the `first` line, and CRLF. Refuses fields that stand twice, bytes that
    are not UTF-8, nesting that no submission has, and lines above `LONGEST_LINE` bytes. NaN, infinities and numbers
    without end are left to the field that they stand in: none takes them.
    """
    if first:
        line = line.removeprefix(codecs.BOM_UTF8)
    cut = len(line) > LONGEST_LINE + len(b"\r\n")
    line = line.strip()
    if cut or len(line) > LONGEST_LINE:
        return Problem("", says("line/too-long", bytes=LONGEST_LINE))
    if not line:
        return None
    try:
        found = from_json(line, catch_duplicate_keys=True, allow_inf_nan=False)
    except ValueError:
        found = _decode_slowly(line)
    return [] if found is None else found  # null is no submission, as a list is none


def numbered(lines: Iterable[bytes]) -> Iterator[tuple[int, Any]]:
    """Line numbers from 1, and the JSON value of each line that is not blank."""
    for number, line in enumerate(lines, 1):
        raw = decode_line(line, first=number == 1)
        if raw is not None:
            yield number, raw


def _decode_slowly(line: bytes) -> Any | Problem:
    """The standard library reads what is left (a lone surrogate, NaN) and says where it is wrong."""
    try:
        return _decode(line.decode())
    except UnicodeDecodeError as error:
        return Problem("", says("line/not-utf-8", position=error.start + 1))
    except json.JSONDecodeError as error:
        return Problem("", says("line/not-json", json_error=error.msg.partition(": ")[0], position=error.pos + 1))
    except RecursionError:
        return Problem("", says("line/too-deep"))
    except _Twice as error:
        return Problem("", says("line/twice", field=error.name))


class _Twice(Exception):
    """A name stands twice in one object."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Twice(named(twice))
    return found


def _whole(digits: str) -> int | float:
    """A number with more digits than any field has is infinite: reading it exactly takes
    long, and Python refuses to."""
    return int(digits) if len(digits) <= LONGEST_NUMBER else float(digits)


_decode = json.JSONDecoder(object_pairs_hook=_distinct, parse_int=_whole).decode
