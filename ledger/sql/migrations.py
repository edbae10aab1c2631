"""Numbered steps from an empty database to the tables of this program, and a table of those that were applied.

New tables are made by all steps. Older ones are brought up to date by those they lack, in one transaction: killed at any moment nothing
is half done, and of two that begin at once one does it and the other finds it done. Steps are only ever added at the end; what one
does is never changed once it was released, and those that stand where a release before the numbers has already made something (`has`)
leave it as it is. Newer tables are nobody's business here: `check` refuses them in words.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timezone

import msgspec

from .base import Backend, Transaction

Step = Callable[[Transaction], None]
"""Its name is kept beside its number."""


class NotOfToday(Exception):
    """The tables are not those of this program. The text says which they are; what to do about it, whoever opens them knows best."""


class Older(NotOfToday):
    """They lack steps."""


class Newer(NotOfToday):
    """A newer program made them, or brought them up to date."""


class Migrations(msgspec.Struct, frozen=True):
    """Of one kind of tables. `part` names it within `table`, which keeps the numbers of all kinds in a database. `first`: the table by
    which one knows that there is anything; `{name}` is looked up in the set `tables` where there are several."""

    part: str
    table: str
    first: str
    steps: Sequence[Step]

    @property
    def newest(self) -> int:
        return len(self.steps)

    def there(self, tx: Transaction) -> bool:
        """Whether there is anything of this kind."""
        return tx.has(self.first)

    def applied(self, tx: Transaction) -> int:
        """The highest number that was applied; 0 before numbers came, or where there is nothing."""
        if not tx.has(self.table):
            return 0
        [(number,)] = tx.ask(f"SELECT coalesce(max(number), 0) FROM {self.table} WHERE part = :part", {"part": self.part})  # noqa: S608
        return int(number)

    def check(self, applied: int) -> None:
        """Raises Older, Newer."""
        if applied > self.newest:
            raise Newer(f"was made by a newer version of this program (schema {applied}, this one knows {self.newest}): "
                        "update this program")
        if applied < self.newest:
            raise Older(f"was made by an older version of this program (schema {applied}, this one has {self.newest})")

    def bring(self, backend: Backend) -> list[int]:
        """Makes the tables, or brings them up to date; the numbers that were applied. Raises Newer, NotTheirOwner."""
        with backend.transaction(write=False) as tx:
            applied = self.applied(tx)
        if applied == self.newest:
            return []
        with backend.transaction() as tx:
            return self.apply(tx)

    def apply(self, tx: Transaction) -> list[int]:
        """The same within a transaction that writes. One at a time in a database, of whatever kind: several kinds give
        rights to the same tables, and PostgreSQL refuses the second of two who do so at once."""
        tx.alone("career-ledger migrations")
        applied = self.applied(tx)
        if applied > self.newest:
            self.check(applied)
        todo = list(range(applied + 1, self.newest + 1))
        if todo:
            tx.act_for_owner(self.first if self.there(tx) else self.table)
            tx.run(f"CREATE TABLE IF NOT EXISTS {self.table} (part TEXT NOT NULL, number INTEGER NOT NULL, name TEXT NOT NULL, "
                   "applied_at TEXT NOT NULL, PRIMARY KEY (part, number))")
        for number in todo:
            step = self.steps[number - 1]
            step(tx)
            tx.run(f"INSERT INTO {self.table} (part, number, name, applied_at) VALUES (:part, :number, :name, :at)",  # noqa: S608
                   {"part": self.part, "number": number, "name": step.__name__, "at": datetime.now(timezone.utc).isoformat()})
        return todo


def statements(name: str, *texts: str) -> Step:
    """A step of statements that both databases know."""
    def step(tx: Transaction) -> None:
        for text in texts:
            tx.run(text)

    step.__name__ = name
    return step


def add_column(tx: Transaction, table: str, column: str, kind: str) -> None:
    """Where it is not there: a release before the numbers may have added it."""
    if tx.dialect == "postgresql":
        tx.run(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {column} {kind}")
    elif not tx.ask("SELECT 1 FROM pragma_table_info(:name) WHERE name = :column", {"name": table, "column": column}):
        tx.run(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
