"""Opens the stored projections of a ledger."""

from ledger.edges.address import sqlite_path

from .database import Database


def open_database(url: str) -> Database:
    """The stored projections of the ledger at an address that `open_store` has accepted. Makes nothing yet."""
    path = sqlite_path(url)
    if path is not None:
        from .sqlite import SQLiteTables

        return Database(SQLiteTables(str(path)))
    from .postgres import PostgresTables

    return Database(PostgresTables(url))
