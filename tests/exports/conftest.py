"""Two ledgers, of either kind, and the commands that move one into the other."""

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ledger.proofs import signing
from ledger.proofs.tables import ProofTables
from ledger.sql.base import Row
from ledger.store import open_store, postgres, sqlite
from ledger.store.epochs import position_given
from tests.proofs.conftest import NAME, run, signing_key
from tests.store.examples import an_event, events

__all__ = ["NAME", "run", "signing_key"]

Run = Callable[..., str]
TABLES = ("log_tiles", "log_checkpoints", "student_heads", "student_tiles", "career_ledger_epochs")


def backend_of(url: str) -> sqlite.SQLite | postgres.Postgres:
    return sqlite.opened(url.removeprefix("sqlite:///"), create=False) if url.startswith("sqlite") \
        else postgres.opened(url)


def ask(url: str, statement: str) -> list[Row]:
    with closing(backend_of(url)) as backend:
        return backend.single(statement)


def kept(url: str) -> dict[str, list[Row]]:
    """Everything that a ledger holds of its log and its proofs, and how its positions go on."""
    with open_store(url, create=False) as store, ProofTables(url) as tables:
        found: dict[str, list[Row]] = {"rows": [(*row[:4], bytes(row[4])) for row in store.rows(0, 10_000)],
                                       "identity": [tuple(store.identity())], "highest": [(position_given(url),)]}
        with tables.reading() as reading:
            for table in TABLES:
                found[table] = sorted(tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)
                                      for row in reading._ask(f"SELECT * FROM {table}"))
    return found


def draw(url: str) -> None:
    """A position that no event gets: an administrator deletes one, and in PostgreSQL a transaction rolls back."""
    with closing(backend_of(url)) as backend:
        if backend.dialect == "postgresql":
            backend.single("SELECT nextval('public.stored_events_notification_id_seq')")
        else:
            with backend.transaction() as tx:
                tx.run("UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'stored_events'")


@pytest.fixture
def filled(store_url: str, signing_key: Path) -> str:
    """Three checkpoints, the last one still to come; holes between positions, and at the end."""
    with open_store(store_url) as store:
        store.append(events("S01", 1, 3))
        draw(store_url)
        run(store_url, "checkpoint")
        store.append([one for n in range(2, 280) for one in events(f"S{n:03}", 1, 1)])
        store.adopt_key()
        run(store_url, "checkpoint")
        draw(store_url)
        store.append([an_event("S01", 4, source="già"), *events("S02", 1, 1)])
    draw(store_url)
    return store_url


@pytest.fixture
def exported(filled: str, tmp_path: Path) -> Path:
    folder = tmp_path / "exported"
    run(filled, "export", str(folder))
    return folder


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of six checkpoints, its key and its export."""
    made = tmp_path_factory.mktemp("export")
    url = f"sqlite:///{made / 'ledger.db'}"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(signing.VARIABLE, str(made / "signing.key"))
        signing.make(NAME)
        with open_store(url) as store:
            for n in range(1, 7):
                store.append(events(f"S{n}", 1, 2))
                run(url, "checkpoint")
        run(url, "export", str(made / "exported"))
    return made


@pytest.fixture
def folder(made_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small export, to be damaged; the ledger stands beside it at `sqlite_url`."""
    shutil.copytree(made_once, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv(signing.VARIABLE, str(tmp_path / "signing.key"))
    return tmp_path / "exported"


@pytest.fixture
def target(tmp_path: Path) -> str:
    """The address of a ledger that does not exist yet."""
    return f"sqlite:///{tmp_path / 'target.db'}"
