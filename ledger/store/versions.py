"""Whether the tables in a ledger's database are those of this program, in words, and bringing them up to date: those of
the log, and those that others keep beside it."""

from ledger.sql.base import Backend, NotTheirOwner, Transaction
from ledger.sql.migrations import Migrations, NotOfToday, Older

from .errors import StoreUnusable
from .rights import GRANT


def check(kind: Migrations, backend: Backend) -> bool:
    """False where there is nothing of this kind. Raises StoreUnusable for tables of an older or a newer program."""
    with backend.transaction(write=False) as tx:
        if not kind.there(tx):
            return False
        applied = kind.applied(tx)
    try:
        kind.check(applied)
    except NotOfToday as error:
        raise StoreUnusable(_said(error, backend)) from None
    return True


def bring(kind: Migrations, backend: Backend) -> list[int]:
    """Makes the tables, or brings them up to date, and gives roles their rights; the numbers of the steps that were
    taken. Raises StoreUnusable for tables of a newer program, and for a user who may not change them."""
    with backend.transaction() as tx:
        return apply(kind, tx, backend)


def apply(kind: Migrations, tx: Transaction, backend: Backend) -> list[int]:
    """The same within a transaction that writes."""
    try:
        done = kind.apply(tx)
        if tx.dialect == "postgresql":
            tx.act_for_owner("public.stored_events")
            tx.run(GRANT)
        return done
    except NotOfToday as error:
        raise StoreUnusable(_said(error, backend)) from None
    except NotTheirOwner as error:
        raise StoreUnusable(f"{backend.place}: {error}: let {error.owner} run `career-ledger upgrade`") from None


def _said(error: NotOfToday, backend: Backend) -> str:
    mend = ": run `career-ledger upgrade`" + (" as the owner of its tables" if backend.dialect == "postgresql" else "")
    return f"{backend.place} {error}{mend if isinstance(error, Older) else ''}"
