"""Opens the stored projections of a ledger."""

from ledger.edges.address import sqlite_path

from .database import ProjectionDatabase


def open_database(url: str) -> ProjectionDatabase:
    """The stored projections of the ledger at an address that `open_store` has accepted. Makes nothing yet."""
    path = sqlite_path(url)
    if path is not None:
        from .sqlite import SQLiteTables

        return ProjectionDatabase(SQLiteTables(str(path)))
    from .postgres import PostgresTables

    return ProjectionDatabase(PostgresTables(url))
