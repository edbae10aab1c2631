"""Backups that were put back in the place of a newer ledger and accepted: each begins another epoch.

What the newer one held and the older copy does not is gone. Positions go on above all that were ever seen, so that none
stands for two events; versions cannot, and so whoever counts them begins anew with the epoch.
"""

import json
from collections.abc import Sequence
from contextlib import closing
from typing import NamedTuple

from ledger.edges.address import sqlite_path
from ledger.sql.base import Backend, Transaction

from .errors import StoreUnusable


class Epoch(NamedTuple):
    """`number` from 2 on. `accepted_at`: RFC 3339. `position`: of the copy's last event; `reached`: the highest that
    was seen anywhere, above which positions go on. `lost_size`, `lost_root`: of the newest checkpoint that was signed
    and is gone; 0 and 32 zero bytes where none is. `reason` stays in the database."""

    number: int
    accepted_at: str
    position: int
    reached: int
    lost_size: int
    lost_root: bytes
    authorities: Sequence[str]
    reason: str

    @property
    def digest(self) -> str:
        """Of who accepted it, when and why, in hex: the log names it, and no names."""
        from hashlib import sha256

        return sha256(json.dumps([self.accepted_at, *self.authorities, self.reason],
                                 ensure_ascii=False).encode()).hexdigest()


COLUMNS = "epoch, accepted_at, position, reached, lost_size, lost_root, authorities, reason"


def epochs(tx: Transaction) -> list[Epoch]:
    """All that have begun by now, in order."""
    return [Epoch(*row)._replace(lost_root=bytes(row[5]), authorities=tuple(json.loads(row[6]))) for row in tx.ask(
        f"SELECT {COLUMNS} FROM {_schema(tx)}career_ledger_epochs ORDER BY epoch")]


def begin(url: str, epoch: Epoch) -> None:
    """Of the ledger at an address that `open_store` has accepted, whose last event is at `epoch.position`: nobody
    writes meanwhile. Only for the owner of its tables. Raises StoreUnusable, StoreUnavailable."""
    with closing(_opened(url)) as backend, backend.transaction() as tx:
        schema = _schema(tx)
        if tx.dialect == "postgresql":
            tx.run("LOCK TABLE public.stored_events IN EXCLUSIVE MODE")
        key = "notification_id" if schema else "rowid"
        [(last,)] = tx.ask(f"SELECT coalesce(max({key}), 0) FROM {schema}stored_events")
        if last != epoch.position:
            raise StoreUnusable(f"{backend.place}: something was recorded meanwhile: stop the programs that write, "
                                "and accept the copy again")
        [(current,)] = tx.ask(f"SELECT epoch FROM {schema}career_ledger")
        if current >= epoch.number:
            raise StoreUnusable(f"{backend.place}: the ledger is in epoch {current} by now: another process has "
                                "accepted the copy")
        tx.run(f"UPDATE {schema}career_ledger SET epoch = :number", {"number": epoch.number})
        keep(tx, [epoch])
        if tx.has(f"{schema}relay_positions"):  # of a history that is gone: everything is published anew
            tx.run(f"DELETE FROM {schema}relay_positions")
            tx.run(f"DELETE FROM {schema}relay_aside")
        go_on_above(tx, epoch.reached)


def keep(tx: Transaction, begun: Sequence[Epoch]) -> None:
    tx.many(f"INSERT INTO {_schema(tx)}career_ledger_epochs ({COLUMNS}) VALUES (:number, :accepted_at, :position, "
            ":reached, :lost_size, :lost_root, :authorities, :reason)",
            [{**one._asdict(), "authorities": json.dumps(list(one.authorities), ensure_ascii=False)} for one in begun])


def position_given(url: str) -> int:
    """The highest position that the database knows to have given, also to what is not in it. Raises as `begin`."""
    with closing(_opened(url)) as backend, backend.transaction(write=False) as tx:
        if tx.dialect == "postgresql":
            return int(tx.ask("SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END "
                              "FROM public.stored_events_notification_id_seq")[0][0])
        return int(tx.ask("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'stored_events'")[0][0])


def go_on_above(tx: Transaction, position: int) -> None:
    """No position up to this one is given any more."""
    to = {"position": position}
    if tx.dialect == "postgresql":
        tx.ask("SELECT setval('public.stored_events_notification_id_seq', greatest(:position, last_value), "
               "position_given) FROM (SELECT last_value, is_called OR :position >= last_value AS position_given "
               "FROM public.stored_events_notification_id_seq) AS standing", to)
        return
    if not tx.run("UPDATE sqlite_sequence SET seq = max(seq, :position) WHERE name = 'stored_events'", to):
        tx.run("INSERT INTO sqlite_sequence (name, seq) VALUES ('stored_events', :position)", to)


def _schema(tx: Transaction) -> str:
    return "public." if tx.dialect == "postgresql" else ""


def _opened(url: str) -> Backend:
    path = sqlite_path(url)
    if path is not None:
        from . import sqlite
        return sqlite.opened(str(path), create=False)
    from . import postgres
    return postgres.opened(url)
