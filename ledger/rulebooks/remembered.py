"""The checked books of a rule book's file, remembered beside it: reading and checking them takes longer than answering.

They stand as JSON in `__pycache__`, as Python's own compiled code does, and like that are not written where Python is
told to write none, or where this user may not. What stands there is bound to the bytes that it was made of and to the
code that makes it: what is old, damaged, another's or of another program is left alone, and the file is read. Whoever
could put other law there must not be anybody who could not change the file: so it counts only where it belongs to the
owner of the file, to this user or to root, and only its owner may write it.
"""

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple, TypeVar, get_args, get_type_hints

import msgspec

from ledger.domain.books import Stage
from ledger.domain.rulebook import Law, OwnBook, RuleBook, without
from ledger.edges.files import make_folder, regular_file, write_whole

FORM = "career-ledger-book.v2"
LONGEST = 1 << 23
_HERE = Path(__file__).parent
_DOMAIN = _HERE.parent / "domain"
READERS = (*(_HERE / name for name in ("amendments.py", "loader.py", "plain.py", "remembered.py", "own/rules.yaml")),
           *(_DOMAIN / name for name in ("books.py", "checked.py", "form.py", "rulebook.py", "values.py")))
"""What a book is read with and checked by, the ledger's own rules included."""


class AsRead(NamedTuple):
    """A year's book, and where it has amendments how it was known before each of them (`amendments.stages`)."""

    book: RuleBook
    stages: tuple[Stage, ...]


class _Book(msgspec.Struct):
    """`lacking`: by field, the entries whose kinds are made when they are met."""

    book: RuleBook
    lacking: dict[str, msgspec.Raw]


class _Stage(msgspec.Struct):
    known_since: date | None
    identity: tuple[str, str]
    turns: tuple[date, ...]
    books: tuple[_Book, ...]


class _Year(msgspec.Struct):
    """`book`: only of a year without amendments; else it is the last one of the last stage."""

    book: _Book | None
    stages: tuple[_Stage, ...]


_Found = TypeVar("_Found", AsRead, OwnBook)


class _Spelling(NamedTuple):
    """How something is written down, and read again."""

    write: Callable[[Any], bytes]
    read: Callable[[bytes], Any]


def year_remembered(file: Path, made_of: bytes, read: Callable[[], AsRead]) -> AsRead:
    """What `read` gives of `made_of`: the bytes of a year's file, whose place is only asked for what is remembered
    beside it, and of whatever else its book depends on."""
    return _remembered(file, made_of, _Spelling(_write_year, _read_year), read)


def own_remembered(file: Path, made_of: bytes, read: Callable[[], OwnBook]) -> OwnBook:
    """The same, of the ledger's own rules."""
    decode = msgspec.json.Decoder(OwnBook, dec_hook=_left_out).decode
    return _remembered(file, made_of, _Spelling(msgspec.json.encode, decode), read)


def _remembered(file: Path, made_of: bytes, spelling: _Spelling, read: Callable[[], _Found]) -> _Found:
    place = file.parent / "__pycache__" / f"{file.name}.json"
    mark = f"{FORM} {sha256(made_of).hexdigest()} {_reader()}"
    found: _Found | None = _held(place, file, mark, spelling)
    if found is None:
        found = read()
        if not sys.dont_write_bytecode:
            _hold(place, file, mark, spelling, found)
    return found


def _held(place: Path, file: Path, mark: str, spelling: _Spelling) -> Any:
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
            return spelling.read(text)
    return None


def _hold(place: Path, file: Path, mark: str, spelling: _Spelling, found: AsRead | OwnBook) -> None:
    """Where it can be, and comes back as it is."""
    with suppress(OSError, ValueError, TypeError):
        text = spelling.write(found)
        if spelling.read(text) == found:
            make_folder(place.parent)
            write_whole(place, f"{mark} {sha256(text).hexdigest()}\n{text.decode()}", mode=file.stat().st_mode & 0o644)


@cache
def _reader() -> str:
    """Of the code that reads files: that of another version may read them otherwise."""
    digest = sha256()
    for file in READERS:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _write_year(found: AsRead) -> bytes:
    stages = tuple(_Stage(one.known_since, one.identity, one.turns, tuple(map(_apart, one.books)))
                   for one in found.stages)
    return msgspec.json.encode(_Year(None if stages else _apart(found.book), stages))


def _read_year(text: bytes) -> AsRead:
    found = _years().decode(text)
    stages = tuple(Stage(one.known_since, one.identity, one.turns, tuple(map(_together, one.books)))
                   for one in found.stages)
    return AsRead(stages[-1].books[-1] if found.book is None else _together(found.book), stages)


@cache
def _years() -> msgspec.json.Decoder[_Year]:
    return msgspec.json.Decoder(_Year, dec_hook=_left_out)


def _apart(book: RuleBook) -> _Book:
    lacking = {field: rule for field, rule in book.rules.held().items() if rule is not None and rule.unknown}
    law = Law(**book.rules.held() | dict.fromkeys(lacking))
    return _Book(msgspec.structs.replace(book, rules=law),
                 {field: msgspec.Raw(msgspec.json.encode(rule)) for field, rule in lacking.items()})


def _together(one: _Book) -> RuleBook:
    lacking = {field: _entry(field, state) for field, state in one.lacking.items()}
    return msgspec.structs.replace(one.book, rules=one.book.rules.having(**lacking)).after()


def _entry(field: str, state: msgspec.Raw) -> Any:
    [kind] = (one for one in get_args(_kinds()[field]) if one is not NoneType)
    unknown = msgspec.json.decode(state)["unknown"]
    return msgspec.json.decode(state, type=without(kind, frozenset(unknown)), dec_hook=_left_out)


def _left_out(kind: Any, value: Any) -> Any:
    return kind(value)


@cache
def _kinds() -> Mapping[str, Any]:
    return get_type_hints(Law)
