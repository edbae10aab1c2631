"""`career-ledger serve --smtp`: what it says is recorded is mailed, also where it is killed before."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger.bootstrap import open_ledger
from tests.consumers.notifications_bench import Mailbox
from tests.desk import TOKEN, Client
from tests.processes import Program
from tests.sizes import sized

from .conftest import form
from .test_tickets import answered, opened

KILLS = sized(2, 10)


@contextmanager
def serving(url: str, keys_url: str, folder: Path, port: int) -> Iterator[tuple[Client, Program]]:
    token = folder / "token"
    token.write_bytes(TOKEN)
    token.chmod(0o600)
    program = Program("ledger.entrypoints.cli", "--db", url, "--keys", keys_url, "serve", "--listen", "127.0.0.1:0",
                      "--http-token-file", str(token), "--smtp", f"127.0.0.1:{port}", "--sender",
                      "Desk <desk@office.example>")
    try:
        yield Client(_port(program)), program
    finally:
        program.forget()


def _port(program: Program) -> int:
    until = time.monotonic() + 60
    while time.monotonic() < until and program.poll() is None:
        if found := re.search(r"answers on port (\d+)", program.said()[1]):
            return int(found[1])
        time.sleep(0.05)
    pytest.fail(str(program.said()))


def _mailed(mailbox: Mailbox, wanted: set[str]) -> set[str]:
    until = time.monotonic() + 30
    while not wanted <= set(mailbox.told()) and time.monotonic() < until:
        time.sleep(0.05)
    return set(mailbox.told())


def _leases_end(url: str, keys_url: str) -> None:
    """As after five minutes: who was killed may have had a mail in hand."""
    with open_ledger(url, keys=keys_url) as ledger, ledger._needed_sealer().keys.backend.transaction() as tx:
        tx.run("UPDATE ticket_mails SET next_attempt = 0 WHERE state = 'waiting'")


@pytest.mark.faults
def test_what_was_taken_is_mailed_after_a_kill(url: str, keys_url: str, tmp_path: Path) -> None:
    mailbox = Mailbox().start()
    numbers = []
    for n in range(KILLS):
        with serving(url, keys_url, tmp_path, mailbox.port) as (client, program):
            numbers.append(opened(client, number=n, email=f"n{n}@example.org")["number"])
            program.kill()
    _leases_end(url, keys_url)
    with serving(url, keys_url, tmp_path, mailbox.port) as (client, program):
        assert answered(client, numbers[0]).status == 201
        assert client("/v1/tickets", "POST", form(0, email="n0@example.org")).json["number"] == numbers[0]
        wanted = {*(f"Ticket n. {one} aperto" for one in numbers), f"Ticket n. {numbers[0]} chiuso: la risposta"}
        told = _mailed(mailbox, wanted)
        program.terminate()
        assert program.wait(30) == 0
        said = "".join(program.said())
    mailbox.stop()
    assert told == wanted
    assert len({mail["Message-ID"] for mail in mailbox.mails}) == KILLS + 1  # one that came twice can be told
    assert "answers on port" in said
    assert not [one for one in ("@example.org", "Name Surname", "Ticket di prova") if one in said]
