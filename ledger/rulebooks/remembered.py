"""The checked books of a rule book's file, remembered beside it: reading and checking them takes longer than answering.

They stand as JSON in `__pycache__`, as Python's own compiled code does, and like that are not written where Python is
told to write none, or where this user may not. What stands there is bound to the bytes that it was made of and to the
code that makes it: what is old, damaged, another's or of another program is left alone, and the file is read. Whoever
could put other law there must not be anybody who could not change the file: so it counts only where it belongs to the
owner of the file, to this user or to root, and only its owner may write it. What it is bound by is the hash that Python
binds compiled code to its source with: it tells what has changed, and loads no library for it.
"""

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.util import source_hash
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import structs

from ledger.domain import rulebook
from ledger.domain.books import Stage
from ledger.domain.checked import Checked, LeftOut, fields
from ledger.domain.rulebook import Law, OwnBook, RuleBook, without
from ledger.edges.files import make_folder, regular_file, write_whole

FORM = "career-ledger-book.v3"
LONGEST = 1 << 23
_HERE = Path(__file__).parent
_DOMAIN = _HERE.parent / "domain"
READERS = (*(_HERE / name for name in ("amendments.py", "loader.py", "plain.py", "remembered.py", "own/rules.yaml")),
           *(_DOMAIN / name for name in ("books.py", "checked.py", "form.py", "rulebook.py", "values.py")))
"""What a book is read with and checked by, the ledger's own rules included."""


class AsRead(msgspec.Struct, frozen=True):
    """A year's book with the sha256 of all that it was read from, and where it has amendments how it was known before
    each of them (`amendments.stages`)."""

    book: RuleBook
    sha256: str
    stages: tuple[Stage, ...]


_Found = TypeVar("_Found", AsRead, OwnBook)


class _Spelling(msgspec.Struct, frozen=True):
    """How something is written down, and read again from JSON."""

    write: Callable[[Any], Any]
    read: Callable[[bytes], Any]


def year_remembered(file: Path, made_of: bytes, read: Callable[[], AsRead]) -> AsRead:
    """What `read` gives of `made_of`: the bytes of a year's file, whose place is only asked for what is remembered
    beside it, and of whatever else its book depends on."""
    return _remembered(file, made_of, _Spelling(_write_year, _read_year), read)


def own_remembered(file: Path, made_of: bytes, read: Callable[[], OwnBook]) -> OwnBook:
    """The same, of the ledger's own rules."""
    return _remembered(file, made_of, _Spelling(_written, lambda text: _made(msgspec.json.decode(text))), read)


def _remembered(file: Path, made_of: bytes, spelling: _Spelling, read: Callable[[], _Found]) -> _Found:
    place = file.parent / "__pycache__" / f"{file.name}.json"
    mark = f"{FORM} {source_hash(made_of).hex()} {_reader()}"
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
        if head.decode("ascii", "replace") == f"{mark} {source_hash(text).hex()}":
            return spelling.read(text)
    return None


def _hold(place: Path, file: Path, mark: str, spelling: _Spelling, found: AsRead | OwnBook) -> None:
    """Where it can be, and comes back as it is."""
    with suppress(OSError, ValueError, TypeError):
        text = msgspec.json.encode(spelling.write(found))
        if spelling.read(text) == found:
            make_folder(place.parent)
            write_whole(place, f"{mark} {source_hash(text).hex()}\n{text.decode()}", mode=file.stat().st_mode & 0o644)


@cache
def _reader() -> str:
    """Of the code that reads files: that of another version may read them otherwise."""
    return source_hash(b"".join([file.read_bytes() for file in READERS])).hex()


def _write_year(found: AsRead) -> Any:
    """The readings, which most years share, the year's book, and of each state of knowledge what its books have
    otherwise."""
    book = found.book
    first = _written(structs.replace(book, rules=Law()))
    return [first.pop("interpretations"), found.sha256, first, _rules(book.rules, Law()), [
        [_written(stage.known_since), stage.identity, _written(stage.turns), [
            [_rules(one.rules, book.rules), _written((one.documents, one.unknown, one.denied)), len(one.amendments)]
            for one in stage.books]] for stage in found.stages]]


def _read_year(text: bytes) -> AsRead:
    readings, sha256, first, rules, stages = msgspec.json.decode(text, type=_YEAR)
    made = _made(first | {"interpretations": _readings(bytes(readings))})
    book = structs.replace(made, rules=_law({}, rules)).after()
    stated = book.rules.stated_by_field
    known = tuple(Stage(_made(since), tuple(identity), _made(turns), tuple(
        structs.replace(made, rules=_law(stated, otherwise), amendments=made.amendments[:count], **dict(zip(
            ("documents", "unknown", "denied"), _made(marks), strict=True))).after()
        for otherwise, marks, count in books)) for since, identity, turns, books in stages)
    return AsRead(known[-1].books[-1] if known else book, sha256, known)


_YEAR = tuple[msgspec.Raw, str, dict[str, Any], dict[str, Any], list[Any]]


@cache
def _readings(text: bytes) -> Any:
    return _made(msgspec.json.decode(text))


def _rules(law: Law, usual: Law) -> Any:
    """By field the entries that are not as usual; null: there is none."""
    here, there = law.stated_by_field, usual.stated_by_field
    return {field: _written(here.get(field)) for field in {**here, **there} if here.get(field) != there.get(field)}


def _law(usual: Mapping[str, Any], otherwise: Mapping[str, Any]) -> Law:
    return Law(**{**usual, **{field: _made(entry) for field, entry in otherwise.items()}})


DAY, NUMBER, FIELDS, STRUCT = "day", "number", "fields", "is"
"""What an object of JSON stands for, by the first of its fields: a day, a decimal, a mapping, a struct of a kind."""
_KINDS = {kind.__name__: kind for kind in vars(rulebook).values() if isinstance(kind, type)
          and issubclass(kind, Checked)}


def _written(value: Any) -> Any:
    if isinstance(value, Checked):
        lacks = getattr(value, "_lacks", ())
        usual = fields(type(value))
        told: dict[str, Any] = {STRUCT: [type(value).__name__, sorted(value.left_out), sorted(lacks)]}
        return told | {name: _written(one) for name, one in value.held().items()
                       if name not in value.left_out and not (one is None and usual[name].default is None)}
    if isinstance(value, tuple | list):
        return [_written(one) for one in value]
    if isinstance(value, Mapping):
        return {FIELDS: {name: _written(one) for name, one in value.items()}}
    return {DAY: value.isoformat()} if isinstance(value, date) else \
        {NUMBER: str(value)} if isinstance(value, Decimal) else value


def _made(value: Any) -> Any:
    """Texts and numbers are what they are."""
    kind = type(value)
    if kind is list:
        return tuple([one if type(one) is str else _made(one) for one in value])
    if kind is not dict:
        return value
    if STRUCT in value:
        name, left_out, lacks = value.pop(STRUCT)
        made: Any = _KINDS[name]
        values = {field: one if type(one) is str else _made(one) for field, one in value.items()}
        return (without(made, frozenset(lacks)) if lacks else made)(**values, _left_out=_once(tuple(left_out)))
    if DAY in value:
        return date.fromisoformat(value[DAY])
    return Decimal(value[NUMBER]) if NUMBER in value else {name: _made(one) for name, one in value[FIELDS].items()}


@cache
def _once(names: tuple[str, ...]) -> LeftOut:
    return LeftOut(names)
