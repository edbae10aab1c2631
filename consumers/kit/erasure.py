# ruff: noqa: S608 - statements are put together from names of our own only
"""Persons whom the ledger has forgotten: a service deletes all that it holds about them and takes nothing more of them.

A tombstone on `career.state.v1` says so for each of her careers, and so does the event `person-forgotten`, also where
events before it are missing; the first that comes suffices. What stays is the pseudonym alone (NAME_erased), so that
nothing that is delivered or imported once more brings anything back. It tells nobody who she was: without the ledger's
keys nothing leads from it to a name.

A service that keeps events by a legal duty (`Service.keeps`) goes on as before: what it keeps names nobody.
"""

from collections.abc import Collection

from consumers.database import Transaction
from ledger.wire.message import header

from .service import Record, Service

_SAYS_SO = "career.person-forgotten.v"


def erases(service: Service, record: Record) -> bool:
    """Whether a message of `career.events.v1` says that its student was forgotten, once it was read. Raises
    Unreadable."""
    if service.keeps or not (header(record.headers, "ce_type") or "").startswith(_SAYS_SO):
        return False
    service.read(record)
    return True


def among(tx: Transaction, name: str, students: Collection[str]) -> set[str]:
    """Those of these students of whom a service takes nothing any more."""
    if not students:
        return set()
    return {row[0] for row in tx.ask(f"SELECT student FROM {name}_erased WHERE student IN :students",
                                     {"students": list(students)})}


def erase(tx: Transaction, service: Service, students: Collection[str]) -> None:
    gone = sorted(set(students))
    for table in ("versions", "parked", "aside"):
        tx.run(f"DELETE FROM {service.name}_{table} WHERE student IN :students", {"students": gone})
    service.forget(tx, gone)
    tx.many(f"INSERT INTO {service.name}_erased (student) VALUES (:student) ON CONFLICT (student) DO NOTHING",
            [{"student": student} for student in gone])
