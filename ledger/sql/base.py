"""What both databases are to whoever keeps tables in them.

Statements are the same on both: values are written `:name`, `column IN :names` takes a list, and `{name}` stands for a
table where the database was opened with names for its tables. Types that both know: TEXT, BIGINT, INTEGER, BYTEA,
DOUBLE PRECISION.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal, Protocol

Parameters = Mapping[str, Any]
Row = tuple[Any, ...]
NOTHING: Parameters = MappingProxyType({})
TableNames = Mapping[str, Mapping[str, str]]
"""Of each set of tables, what `{name}` stands for. The set that is meant when none is said is the first one."""
NO_NAMES: TableNames = MappingProxyType({})
Dialect = Literal["sqlite", "postgresql"]

LOCK_SECONDS = 20
"""So long a writer waits for its turn."""


class Replaced(Exception):
    """The file at the path is not the one any more that was opened; the text says what has happened to it."""


class NotTheirOwner(Exception):
    """This user may not change the tables."""

    def __init__(self, owner: str) -> None:
        super().__init__(f"only {owner}, who owns the tables, may change them")
        self.owner = owner


class Explain(Protocol):
    """What a failure of the database (or `Replaced`) means for who uses it, in words; the failure itself
    where it has none for it."""

    def __call__(self, error: Exception, place: str, /) -> Exception: ...


class Transaction(Protocol):
    """Everything in it happens, or nothing. `tables`: the set that `{name}` is looked up
    in, where there are several."""

    dialect: Dialect

    def run(self, statement: str, parameters: Parameters = NOTHING, tables: str = "") -> int:
        """How many rows were changed."""
        ...

    def many(self, statement: str, parameters: Sequence[Parameters]) -> None:
        """Once for each of these."""
        ...

    def ask(self, statement: str, parameters: Parameters = NOTHING, tables: str = "") -> list[Row]: ...

    def insert(self, table: str, rows: Sequence[Row], tables: str = "") -> None:
        """Whole rows of text, numbers and None into `{table}`."""
        ...

    def script(self, statements: str) -> None:
        """Statements of this dialect, as they stand."""
        ...

    def has(self, table: str) -> bool:
        """Whether there is such a table: `table`, or `schema.table` in PostgreSQL."""
        ...

    def alone(self, name: str) -> None:
        """Waits until nobody else is in a transaction that has said the same; to be said first. One that writes in
        SQLite always is."""
        ...

    def act_for_owner(self, table: str) -> None:
        """From here on as the owner of the table, if there is one: what is made belongs to whom the rest belongs to.
        Raises NotTheirOwner."""
        ...


class Backend(Protocol):
    """One link to a database, for one thread at a time. Opened when first needed, and again after it broke."""

    dialect: Dialect
    place: str
    """The database in words, without a password."""

    def transaction(self, write: bool = True) -> AbstractContextManager[Transaction]:
        """Without `write` everything that is asked is of one moment."""
        ...

    def single(self, statement: str, parameters: Parameters = NOTHING) -> list[Row]:
        """One prepared question on its own: of one moment too, and one round trip."""
        ...

    def scrub(self) -> bool:
        """Has what was deleted before gone from the disk, as far as a program can say so; False: not yet, somebody
        reads. PostgreSQL's server does that in its own time."""
        ...

    def close(self) -> None: ...


_IN = r"\bIN\s+:([a-z_][a-z0-9_]*)"
_NAMES = r"(?<![:\w]):([a-z_][a-z0-9_]*)"
Spelling = Callable[[str, str], str]
"""From a statement and a set of tables to what the database is told."""


def spelling(dialect: Dialect, names: TableNames) -> Spelling:
    """Of a backend; remembers what it has spelled."""
    first = next(iter(names), "")

    @lru_cache(maxsize=1024)
    def spelled(statement: str, tables: str) -> str:
        named = statement.format_map(names[tables or first]) if names else statement
        if dialect == "sqlite":
            return re.sub(_IN, r"IN (SELECT value FROM json_each(:\1))", named)
        return re.sub(_NAMES, r"%(\1)s", re.sub(_IN, r"= ANY(:\1)", named).replace("%", "%%"))

    return spelled


def lists_as_json(parameters: Parameters) -> Parameters:
    """For SQLite, which knows no lists."""
    if any(isinstance(value, list | tuple) for value in parameters.values()):
        return {name: json.dumps(value) if isinstance(value, list | tuple) else value
                for name, value in parameters.items()}
    return parameters if isinstance(parameters, dict) else dict(parameters)


class Spelled(dict[Any, Any]):
    """Values as they are written, remembered: the same days and amounts come again and again."""

    def __init__(self, spell: Callable[[Any], Any]) -> None:
        self._spell = spell

    def __missing__(self, value: Any) -> Any:
        if len(self) >= 1 << 16:
            self.clear()
        found = self[value] = self._spell(value)
        return found
