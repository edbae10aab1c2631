"""Each process of the day under its role of infra/postgres/roles.sql, on a real PostgreSQL; `publish` is in
tests/relay/test_publish.py. Nobody is the owner."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from ledger.bootstrap import clock
from ledger.entrypoints.cli import cli
from ledger.intake.counter import Counter
from ledger.projections.everybody import Follower, open_database
from ledger.rulebooks.loader import load_books
from ledger.store import open_store
from ledger.wire.message import History
from tests.handling.histories import booking, enrolled, lines, payment
from tests.intake.test_counter import received

AsRole = Callable[[str | None], str]


def done(url: str, *arguments: str, code: int = 0) -> str:
    found = CliRunner().invoke(cli, ["--db", url, *arguments], prog_name="career-ledger")
    assert found.exit_code == code, found.output
    return found.output


@pytest.fixture
def ledger(postgres_url: str) -> str:
    open_store(postgres_url).close()
    return postgres_url


def file_of(tmp_path: Path, *submissions: dict[str, Any]) -> str:
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.jsonl"
    path.write_bytes(b"\n".join(lines(*submissions)))
    return str(path)


def test_day_goes_by_without_the_owner(ledger: str, as_role: AsRole, tmp_path: Path,
                                       monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAREER_LEDGER_DIGEST_KEY", "ab" * 32)
    importer, writer, projector, reader, intake = (
        as_role(f"career_ledger_{role}") for role in ("importer", "writer", "projector", "reader", "intake"))
    done(importer, "append", file_of(tmp_path, *enrolled("S01"), *enrolled("S02")), "--mode", "record")
    done(projector, "project")
    # nobody follows: it takes the projections there
    done(writer, "append", file_of(tmp_path, payment("S01", 1)), "--wait")
    with open_store(intake, create=False) as store:
        counter = Counter(store, load_books(), clock, History("test", 1, "urn:test"))
        counter.answers(received(payment("S02", 1),
                                 booking("S02", "b1") | {"effective_on": "2026-05-26", "career": "S02-X"}))
        assert dict(counter.given) == {"accepted": 1, "invalid": 1} or dict(counter.given) == {"accepted": 1,
                                                                                               "refused": 1}
    done(projector, "projection", "rebuild", "--workers", "1")
    # another user replaces what the first one made
    done(as_role("career_ledger_projector"), "projection", "rebuild", "--workers", "1")
    follow_to_the_end(projector)
    for role in (reader, projector, writer):
        assert json.loads(done(role, "report", "counts", "--json"))["known_position"] == 8
    done(reader, "projection", "verify", "--workers", "1")
    done(reader, "projection", "status")
    done(reader, "find", "--student", "S01")
    done(reader, "status", "S01")
    done(reader, "audit", code=1 if json_findings(reader) else 0)
    done(reader, "append", file_of(tmp_path, payment("S01", 2)), code=6)
    done(projector, "append", file_of(tmp_path, payment("S01", 2)), code=6)
    with psycopg.connect(ledger) as owner:
        assert owner.execute("SELECT nspowner::regrole::text FROM pg_namespace "
                             "WHERE nspname = 'projections'").fetchone() == ("career_ledger_projector",)


def json_findings(url: str) -> bool:
    return bool(CliRunner().invoke(cli, ["--db", url, "audit", "--json"]).output)


def follow_to_the_end(url: str) -> None:
    """One round of `project --follow`."""
    stop = threading.Event()
    with open_store(url, create=False) as store, open_database(url) as database:
        follower = Follower(store, database, load_books())
        thread = threading.Thread(target=follower.run, args=(stop,))
        thread.start()
        try:
            until = time.monotonic() + 20
            with open_database(url) as other:
                while [p.position for p in other.positions()] != [store.last_position()] and time.monotonic() < until:
                    time.sleep(0.02)
        finally:
            stop.set()
            thread.join()


def test_writer_makes_the_projections_when_there_are_none(ledger: str, as_role: AsRole, tmp_path: Path) -> None:
    writer, projector = as_role("career_ledger_writer"), as_role("career_ledger_projector")
    done(writer, "append", file_of(tmp_path, *({name: value for name, value in one.items() if name != "recorded_at"}
                                               for one in enrolled("S01"))), "--wait")
    done(projector, "projection", "rebuild", "--workers", "1")


def test_projections_that_the_owner_made_are_the_projectors_when_the_roles_come(ledger: str, as_role: AsRole,
                                                                                tmp_path: Path) -> None:
    done(ledger, "append", file_of(tmp_path, *enrolled("S01")), "--mode", "record")
    done(ledger, "projection", "rebuild", "--workers", "1")
    projector = as_role("career_ledger_projector")
    done(projector, "project")
    done(projector, "projection", "rebuild", "--workers", "1")
    done(ledger, "projection", "rebuild", "--workers", "1")
    done(projector, "projection", "rebuild", "--workers", "1")
