"""Backups of a ledger, put back under whoever uses it."""

import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ledger.store import epochs


class Backup:
    """Of one moment. PostgreSQL's is a copy of the database on the same server: who is connected is thrown out, as by
    an administrator who restores."""

    def __init__(self, url: str, name: str) -> None:
        self._url, self._name = url, name

    def put_back(self) -> None:
        raise NotImplementedError

    def drop(self) -> None:
        raise NotImplementedError


class _File(Backup):
    def __init__(self, url: str, name: str) -> None:
        super().__init__(url, name)
        self._path = Path(url.removeprefix("sqlite:///"))
        with closing(sqlite3.connect(self._path)) as link, closing(sqlite3.connect(f"{self._path}.{name}")) as copy:
            link.backup(copy)

    def put_back(self) -> None:
        for end in ("-wal", "-shm"):
            Path(f"{self._path}{end}").unlink(missing_ok=True)
        part = self._path.with_name(self._path.name + ".part")
        shutil.copyfile(f"{self._path}.{self._name}", part)
        part.replace(self._path)

    def drop(self) -> None:
        Path(f"{self._path}.{self._name}").unlink()


class _Database(Backup):
    def __init__(self, url: str, name: str) -> None:
        super().__init__(url, name)
        self._of = str(conninfo_to_dict(url)["dbname"])
        self._copy(self._of, name)

    def put_back(self) -> None:
        self._copy(self._name, self._of)

    def drop(self) -> None:
        with psycopg.connect(make_conninfo(self._url, dbname="postgres"), autocommit=True) as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {self._name} WITH (FORCE)".encode())

    def _copy(self, source: str, target: str) -> None:
        with psycopg.connect(make_conninfo(self._url, dbname="postgres"), autocommit=True) as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {target} WITH (FORCE)".encode())
            admin.execute(f"ALTER DATABASE {source} ALLOW_CONNECTIONS false".encode())
            try:
                admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (source,))
                admin.execute(f"CREATE DATABASE {target} TEMPLATE {source} STRATEGY file_copy".encode())
            finally:
                admin.execute(f"ALTER DATABASE {source} ALLOW_CONNECTIONS true".encode())


@contextmanager
def backup(url: str) -> Iterator[Backup]:
    """As the ledger stands now."""
    made = (_File if url.startswith("sqlite") else _Database)(url, f"backup_{uuid.uuid4().hex[:12]}")
    try:
        yield made
    finally:
        made.drop()


def accept(url: str, number: int = 2, reached: int | None = None) -> None:
    """Another epoch begins, whatever is missing."""
    from ledger.store import open_store

    with open_store(url) as store:
        last = store.last_position()
    epochs.begin(url, epochs.Epoch(number, "2026-05-04T12:00:00Z", last, reached or last, 0, bytes(32),
                                   ("the rector", "the head of IT"), "the disk burned"))
