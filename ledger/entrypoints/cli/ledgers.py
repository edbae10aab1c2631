"""`--ledgers FILE`: one question to many ledgers, each under its own rule books."""

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ledger.domain.phrases import Phrase, says
from ledger.edges.address import SQLITE, WrongAddress, hidden, sqlite_path
from ledger.edges.program import UNAVAILABLE, Program
from ledger.edges.toml import NoToml, read_toml

from .errors import bad_value, in_words
from .options import DIFFERENT, NOT_FOUND, opened, tell_reader

if TYPE_CHECKING:
    from ledger.bootstrap import Ledger

_F = TypeVar("_F", bound=Callable[..., Any])
_NAMED = "ledger.ledgers"
LARGEST_FILE = 1 << 20
MOST = 1_000
_FIELDS = frozenset({"name", "db", "export", "rulebooks", "key"})
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class OneOfMany:
    """One of them: at an address, or a folder that `export` wrote. `key`: with which its signature is checked."""

    name: str
    db: str | None
    export: Path | None
    rulebooks: Path | None
    key: str | None


def ledgers_option(function: _F) -> _F:
    """`--ledgers`, for `asked`."""

    def kept(context: click.Context, _: click.Parameter, file: Path | None) -> None:
        if file is not None:
            context.meta[_NAMED] = _read(file)

    return click.option("--ledgers", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
                        expose_value=False, callback=kept,
                        help="Ask each of the ledgers that FILE names (TOML), with its own rule books.")(function)


def are_many() -> bool:
    return _NAMED in click.get_current_context().meta


def asked(ask: "Callable[[Ledger, str | None], None]", rows: bool = False) -> int:
    """Calls `ask` with the ledger of --db, or with one after the other of those of --ledgers and its name. Who cannot
    be asked is named and does not stop the others: the exit code is then 5 where an export does not hold, else 6.
    `rows`: stored projections are asked, which an export does not have."""
    named: list[OneOfMany] | None = click.get_current_context().meta.get(_NAMED)
    if named is None:
        with opened() as ledger:
            ask(ledger, None)
        return 0
    codes = []
    for one in named:
        try:
            with _opened(one, rows) as ledger:
                ask(ledger, one.name)
        except Exception as error:
            explained = _explained(error)
            if explained is None:
                raise
            text, code = explained
            codes.append(code)
            tell_reader(says("ledgers/left-out", first=one.name, text=text))
    if codes:
        tell_reader(says("ledgers/some-left-out", count=len(codes), more=len(named)))
        return DIFFERENT if DIFFERENT in codes else UNAVAILABLE
    return 0


def _explained(error: Exception) -> tuple[str, int] | None:
    """What is wrong with this ledger; None for what has nothing to do with it."""
    program = click.get_current_context().find_root().command
    if isinstance(error, click.ClickException) or type(error).__name__ == "EngineFailed":
        return None
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}", NOT_FOUND
    found = program.explained(error) if isinstance(program, Program) else None
    return (" ".join(found[0]), found[1]) if found is not None else None


@contextmanager
def _opened(one: OneOfMany, rows: bool) -> "Iterator[Ledger]":
    from ledger.bootstrap import open_ledger

    if one.db is not None:
        with open_ledger(one.db, False, one.rulebooks) as ledger:
            yield ledger
        return
    if one.export is None:
        raise RuntimeError("neither an address nor a folder")
    with tempfile.TemporaryDirectory(prefix="career-ledger-") as folder, \
            open_ledger(f"{SQLITE}{folder}/ledger.db", True, one.rulebooks) as ledger:
        ledger.bring(one.export, [one.key] if one.key is not None else [])
        if rows:
            ledger.rebuild()
        yield ledger


def label(what: str, name: str | None) -> str:
    """Of progress."""
    return what if name is None else f"{what} {name}"


def _read(file: Path) -> list[OneOfMany]:
    with file.open("rb") as opened_file:
        content = opened_file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise _wrong(file, says("ledgers/too-large", count=LARGEST_FILE))
    try:
        said = read_toml(content)
    except NoToml as error:
        raise _wrong(file, str(error)) from None
    if unknown := sorted(said.keys() - {"ledger"}):
        raise _wrong(file, says("ledgers/field", field=hidden(unknown[0])))
    given = said.get("ledger")
    if not isinstance(given, list) or not 0 < len(given) <= MOST or not all(isinstance(one, dict) for one in given):
        raise _wrong(file, says("ledgers/none", count=MOST))
    found = [_one(file, number, one) for number, one in enumerate(given, 1)]
    names = [one.name for one in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise _wrong(file, says("ledgers/twice", field=twice))
    return found


def _one(file: Path, number: int, said: dict[str, Any]) -> OneOfMany:
    def text(field: str) -> str | None:
        value = said.get(field)
        if value is not None and (not isinstance(value, str) or not value.strip() or "\0" in value):
            raise _wrong(file, says("ledgers/text", field=f"ledger {number}, {field}"))
        return value

    def folder(field: str) -> Path | None:
        value = text(field)
        if value is None:
            return None
        found = file.parent / Path(value).expanduser()
        if not found.is_dir():
            raise _wrong(file, says("ledgers/folder", field=f"ledger {number}, {field}"))
        return found

    if unknown := sorted(said.keys() - _FIELDS):
        raise _wrong(file, says("ledgers/field", field=f"ledger {number}, {hidden(unknown[0])}"))
    name, db = text("name"), text("db")
    if name is None or not _NAME.fullmatch(name):
        raise _wrong(file, says("ledgers/name", field=f"ledger {number}, name"))
    if (db is None) == (said.get("export") is None):
        raise _wrong(file, says("ledgers/which", field=f"ledger {number}"))
    if db is not None:
        try:
            path = sqlite_path(db)
        except WrongAddress as error:
            raise _wrong(file, says("ledgers/address", field=f"ledger {number}, db", text=str(error))) from None
        if path is not None:
            db = f"{SQLITE}{file.parent / path}"
    key = text("key")
    if key is not None and "+" not in key:  # a file
        key = str(file.parent / key)
    export = text("export")  # one that is not there is like one that cannot be reached
    return OneOfMany(name, db, file.parent / Path(export).expanduser() if export is not None else None,
                 folder("rulebooks"), key)


def _wrong(file: Path, told: Phrase | str) -> click.BadParameter:
    text = told if isinstance(told, str) else in_words(told)
    return bad_value(says("ledgers/in-file", first=file.name, text=text), param_hint="--ledgers")
