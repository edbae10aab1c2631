"""What is fuzzed: a parser, good inputs, and what holds of any."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any, NamedTuple, TypeVar
from unittest.mock import patch

from ledger.rulebooks.loader import load_books
from ledger.sql.base import NOTHING
from ledger.sql.sqlite import SQLiteTransaction
from ledger.words import LANGUAGES, told

T = TypeVar("T")

law = cache(load_books)


class Target(NamedTuple):
    """`check` raises, AssertionError or whatever a parser must not raise. `seeds`: good inputs, and what a golden file
    has of them. `examples`: how many `make test` gives it, fewer where one takes long."""

    name: str
    check: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    examples: int = 60


def or_refused(read: Callable[[], T], error: type[Exception] | tuple[type[Exception], ...], *names: str) -> T | None:
    """What is read; None where it is refused with this error, whose text names these and can be printed."""
    try:
        return read()
    except error as refusal:
        said = str(refusal)
    said.encode()
    assert said
    assert [name for name in names if name not in said] == [], said
    return None


@contextmanager
def as_strict_as_postgresql() -> Iterator[None]:
    """SQLite is given nothing that PostgreSQL would not take: no NUL character in a text."""

    def checked(method: str) -> Callable[..., Any]:
        as_it_is = getattr(SQLiteTransaction, method)

        def run(tx: SQLiteTransaction, statement: str, parameters: Any = NOTHING, *more: Any) -> Any:
            for row in (parameters if isinstance(parameters, list) else [parameters]):
                for value in row.values():
                    assert not (isinstance(value, str) and "\0" in value), f"a NUL character in {statement}"
            return as_it_is(tx, statement, parameters, *more)

        return run

    with ExitStack() as stack:
        for method in ("run", "many", "ask"):
            stack.enter_context(patch.object(SQLiteTransaction, method, checked(method)))
        yield


def printable(value: Any) -> None:
    """An answer can be printed as JSON, in every language."""
    for language in LANGUAGES:
        json.dumps(told(value, language), ensure_ascii=False, allow_nan=False).encode()


def invalid(outcome: Mapping[str, Any]) -> None:
    """An outcome that keeps something out says why, and of which field."""
    assert outcome["outcome"] == "invalid"
    assert outcome["problems"]
    for problem in outcome["problems"]:
        assert isinstance(problem["path"], str)
        assert problem["message"]
    printable(outcome)
