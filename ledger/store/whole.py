"""A whole ledger into an empty database: everything in one transaction, so that it is there whole or not at all. What
both databases have in common."""

from collections.abc import Callable, Sequence

import msgspec

from ledger.domain.phrases import says
from ledger.sql.base import Transaction

from .errors import StoreUnusable
from .recorder import Identity, WholeRow


class Arriving(msgspec.Struct, frozen=True):
    """A ledger on its way in. `insert` takes its events, in order, at the positions that they have; `tx` is for what
    others keep beside them."""

    tx: Transaction
    insert: Callable[[Sequence[WholeRow]], None]


def check_unused(tx: Transaction, schema: str, place: str) -> None:
    """Raises StoreUnusable for a ledger that was used, if only to refuse something or to be bound to a key."""
    for table in ("stored_events", "refused_submissions", "log_checkpoints", "career_ledger_epochs"):
        if tx.has(f"{schema}{table}") and tx.ask(f"SELECT 1 FROM {schema}{table} LIMIT 1"):
            raise StoreUnusable(says("import/not-empty", text=place, second=table))
    if tx.ask(f"SELECT 1 FROM {schema}career_ledger WHERE epoch <> 1 OR digest_key IS NOT NULL"):
        raise StoreUnusable(says("import/not-empty", text=place, second="career_ledger"))


def identify(tx: Transaction, schema: str, identity: Identity) -> None:
    tx.run(f"UPDATE {schema}career_ledger SET origin = :origin, epoch = :epoch, digest_key = :key_check",
           identity._asdict())
