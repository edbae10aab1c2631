"""A line of a segment, and the row that it stands for. The stored bytes are spliced in and cut out as they are: they
are hardly ever parsed (`said_in`).

Stream and version are not written down: the bytes say whose event it is, and which one. """

import re
from collections.abc import Sequence
from functools import lru_cache

from ledger.proofs.auditor import stream_of
from ledger.proofs.hashing import said_in
from ledger.proofs.reading import WrongProof
from ledger.store.recorder import WholeRow

_LINE = re.compile(rb'\{"position":([1-9][0-9]{0,18}),"name":"([a-z0-9.-]{1,100})","state":(\{.*\})\}', re.DOTALL)
_NAME = re.compile(r"[a-z0-9.-]{1,100}")
_stream = lru_cache(1 << 16)(stream_of)


class NotALine(Exception):
    """An event that cannot be written so that it is found again. Its argument: the position."""


def written(rows: Sequence[WholeRow]) -> bytes:
    """A line for each. Raises NotALine."""
    found = b"".join([b'{"position":%d,"name":"%b","state":%b}\n' % (position, name.encode(), state)
                      for position, _, _, name, state in rows])
    if found.count(b"\n") != len(rows) or not all(map(_NAME.fullmatch, {row[3] for row in rows})):
        raise NotALine(next((row[0] for row in rows if b"\n" in row[4] or not _NAME.fullmatch(row[3])), rows[0][0]))
    return found


def read(lines: Sequence[bytes], where: str, number: int) -> list[WholeRow]:
    """The rows of lines of a file, of which the first is the one of this number. Raises WrongProof."""
    found: list[WholeRow] = []
    line, stream = _LINE.fullmatch, _stream
    for at, text in enumerate(lines, number):
        match = line(text)
        if match is None:
            raise WrongProof(f"{where}, line {at}: this is no event with position, name and state: it was changed; "
                             "export again")
        position, name, state = match.groups()
        told = said_in(state)
        if told is None:
            raise WrongProof(f"{where}, line {at}: state names no student, type and version: it was changed; "
                             "export again")
        found.append((int(position), stream(told[0]), told[2], name.decode(), state))
    return found
