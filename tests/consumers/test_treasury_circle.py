"""The whole circle with a real broker: state, debt, notice, submission, outcome, paid; what is redelivered or killed
doubles nothing."""

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from consumers.database import Database, DatabaseUnusable
from consumers.treasury.__main__ import treasury
from consumers.treasury.service import Treasury
from ledger.store import EventStore, open_store
from ledger.wire.kafka import PREFIX
from ledger.wire.topics import OUTCOMES, STATE, SUBMISSIONS
from tests.sizes import at_a_store
from tests.waiting import eventually

from .support import ROUNDS, Member, Topics, arrived, in_thread
from .treasury_books import Books
from .treasury_ledger import YEAR, Ledger, assessed, enrolled

MODULE = "consumers.treasury"
FIRST = f"{YEAR}:instalment-1"


@pytest.fixture
def ledger_store(tmp_path: Path) -> Iterator[EventStore]:
    with open_store(f"sqlite:///{tmp_path / 'the-ledger.db'}") as opened:
        yield opened


@pytest.fixture
def ledger(topics: Topics, ledger_store: EventStore) -> Ledger:
    return Ledger(ledger_store, topics)


def command(url: str, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """In this process: starting Python takes longer than most commands."""
    done = CliRunner().invoke(treasury, [arguments[0], "--db", url, *arguments[1:]], input=text)
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


def debts(url: str, student: str, on: str) -> dict[str, dict[str, Any]]:
    found = command(url, "debts", student, "--on", on)
    assert found.returncode == 0, found.stderr
    return {debt["charge"]: debt for debt in map(json.loads, found.stdout.splitlines())}


def lives_of(own: Database) -> list[tuple[Any, ...]]:
    return own.ask("SELECT d.student, d.career, d.charge, d.iuv, l.from_on, l.until_on, l.status, l.paid, "
                   "l.outstanding, l.accruing, l.credit FROM treasury_debts d JOIN treasury_life l ON l.iuv = d.iuv "
                   "ORDER BY d.student, d.career, d.charge, l.from_on")


def payments_of(own: Database) -> list[tuple[Any, ...]]:
    return own.ask("SELECT student, id, position, charge, amount, paid_on, iuv, voided FROM treasury_payments ORDER BY "
                   "position")


def test_debt_is_published_paid_by_notice_and_reconciled(ledger: Ledger, topics: Topics, own: Database,
                                                         own_url: str) -> None:
    with in_thread(Treasury(topics.bootstrap), own_url, topics.bootstrap):
        ends = ledger.record(*enrolled())
        eventually(lambda: arrived_quietly(own, ends, topics), "the state arrived")
        debt = debts(own_url, "S1", "2026-02-20")[FIRST]
        assert (debt["status"], debt["to_pay"], debt["valid_until"], debt["reason"]) == (
            "expired", "420.00", "2026-03-19", "Contributo onnicomprensivo, prima rata 2025-26")

        notice = {"iuv": debt["iuv"], "amount": "420.00", "paid_on": "2026-02-20", "receipt": "BANK-7/1"}
        taken = command(own_url, "notices", "-", text=json.dumps(notice) + "\n" + json.dumps(notice) + "\n")
        assert [json.loads(line)["outcome"] for line in taken.stdout.splitlines()] == ["stored", "duplicate"]
        assert taken.returncode == 0

        eventually(lambda: len(ledger.submissions()) == 2, "both submissions are on the topic")
        assert [(s["id"], s["student"], s["effective_on"], s["source"], s["data"]) for s in ledger.submissions()] == [
            ("pagopa:BANK-7/1", "S1", "2026-02-20", "pagopa",
             {"charge": FIRST, "amount": "400.00", "iuv": debt["iuv"]}),
            ("pagopa:BANK-7/1:surcharge", "S1", "2026-02-20", "pagopa",
             {"charge": f"{YEAR}:late-fee/instalment-1", "amount": "20.00", "iuv": debt["iuv"]})]
        assert all(found.key == b"S1" for found in topics.read(SUBMISSIONS))
        assert [outcome["outcome"] for outcome in ledger.answer()] == ["accepted", "accepted"]

        eventually(lambda: paid_by(own, 2), "outcomes and payments arrived")
        eventually(lambda: debts(own_url, "S1", "2026-02-20")[FIRST]["status"] == "paid", "the debt is paid")
        after = debts(own_url, "S1", "2026-02-20")
        assert after[f"{YEAR}:late-fee/instalment-1"]["status"] == "paid"
        report = command(own_url, "reconcile", "--on", "2026-02-20", "--since", "2026-01-01", "--json")
        assert (report.returncode, json.loads(report.stdout)["differences"]) == (0, [])


def arrived_quietly(own: Database, ends: Any, topics: Topics) -> bool:
    """False also while the service has made no tables yet."""
    try:
        return arrived(own, "treasury", ends, topics.prefix)
    except DatabaseUnusable:
        return False


def paid_by(own: Database, submissions: int) -> bool:
    """Whether so many submissions have their outcome and their payment in the ledger."""
    return own.ask("SELECT COUNT(*) FROM treasury_submissions s JOIN treasury_payments p ON p.student = s.student AND "
                   "p.id = s.id WHERE s.outcome IN ('accepted', 'duplicate')") == [(submissions,)]


def test_redelivery_doubles_nothing(ledger: Ledger, topics: Topics, own: Database, own_url: str) -> None:
    """Submissions sent again (the mark was lost), answered again, and every message of every
    topic published once more."""
    with in_thread(Treasury(topics.bootstrap), own_url, topics.bootstrap):
        ends = ledger.record(*enrolled())
        eventually(lambda: arrived_quietly(own, ends, topics), "the state arrived")
        notice = {"iuv": debts(own_url, "S1", "2026-02-10")[FIRST]["iuv"], "amount": "400.00",
                  "paid_on": "2026-02-10", "receipt": "R1"}
        command(own_url, "notices", "-", text=json.dumps(notice))
        eventually(lambda: len(ledger.submissions()) == 1, "the submission is on the topic")
        ledger.answer()
        eventually(lambda: paid_by(own, 1), "paid")
        before = lives_of(own), payments_of(own)

        with own.transaction() as tx:
            tx.run("UPDATE treasury_submissions SET outcome = NULL")
        assert command(own_url, "resend").stdout == "1 are sent again\n"
        eventually(lambda: len(ledger.submissions()) == 2, "it was sent again")
        assert [outcome["outcome"] for outcome in ledger.answer(again=True)] == ["duplicate", "duplicate"]
        again = topics.send(ledger.everything())
        eventually(lambda: arrived(own, "treasury", again, topics.prefix), "all handled once more")
        assert (lives_of(own), payments_of(own)) == before
        assert own.ask("SELECT outcome, sent FROM treasury_submissions") == [("duplicate", 1)]


def test_treasury_begun_anew_has_the_same_positions(ledger: Ledger, topics: Topics, own: Database,
                                                    own_url: str, tmp_path: Path) -> None:
    ends = ledger.record(*(one for n in range(8) for one in enrolled(f"S{n}", contribution=f"{n * 100 + 50}.00")))
    with in_thread(Treasury(topics.bootstrap), own_url, topics.bootstrap):
        eventually(lambda: arrived_quietly(own, ends, topics), "all handled")
    topics.forget_group("treasury")
    other_url = f"sqlite:///{tmp_path / 'other.db'}"
    with Database(other_url) as other, in_thread(Treasury(topics.bootstrap), other_url, topics.bootstrap):
        eventually(lambda: arrived_quietly(other, ends, topics), "all handled again")
        assert lives_of(other) == lives_of(own) != []
        assert payments_of(other) == payments_of(own) != []


@at_a_store
def test_kill_at_random_points_loses_and_doubles_nothing(
        ledger: Ledger, topics: Topics, own: Database, own_url: str, tmp_path: Path) -> None:
    """Notices come in, the ledger answers, and the treasury is killed (SIGKILL) again and again; in the end every
    notice is one payment in the ledger, and the tables are those of a treasury that was never killed."""
    pick = random.Random(7)
    students = [f"S{n}" for n in range(12)]
    ends = ledger.record(*(one for student in students for one in enrolled(student)))
    receipts = steps = 0
    log = tmp_path / "treasury.log"
    with Database(own_url) as books:
        for _ in range(ROUNDS):
            member = Member(MODULE, own_url, topics.bootstrap, topics.prefix, log)
            end = time.monotonic() + pick.uniform(0.5, 4)
            while time.monotonic() < end:
                receipts += notify(books, pick, receipts)
                ledger.answer()
                steps += 1
                ledger.record(assessed(f"a{steps}", "2026-06-01", f"{pick.randint(500, 2000)}.00",
                                       pick.choice(students)))
                time.sleep(pick.uniform(0, 0.3))
            member.kill()
            topics.bury("treasury")
    member = Member(MODULE, own_url, topics.bootstrap, topics.prefix, log)
    try:
        while receipts < ROUNDS:  # it was killed before it had a position
            receipts += notify(own, pick, receipts)
            time.sleep(0.1)

        def settled() -> bool:
            ledger.answer()
            [[waiting]] = own.ask("SELECT COUNT(*) FROM treasury_submissions WHERE outcome IS NULL")
            return waiting == 0 and own.ask("SELECT COUNT(*) FROM treasury_notices WHERE submitted = 1") == [(receipts,
                                                                                                              )]

        eventually(settled, f"every notice is answered\n{member.said()[-2000:]}", 90)
        ends = ledger.record(assessed("last", "2026-06-01", "700.00", "S0"))
        eventually(lambda: arrived(own, "treasury", ends, topics.prefix) and caught_up(own, topics), "all handled")
    finally:
        assert member.stop() == 0
    ids = [row[0] for row in own.ask("SELECT id FROM treasury_submissions")]
    in_ledger = Counter(row[1] for row in payments_of(own) if row[1].startswith("pagopa:"))
    assert in_ledger == Counter(ids)
    noticed = own.ask("SELECT SUM(amount) FROM treasury_notices")
    assert noticed == own.ask("SELECT SUM(amount) FROM treasury_submissions")
    topics.forget_group("treasury")
    fresh_url = f"sqlite:///{tmp_path / 'fresh.db'}"
    with Database(fresh_url) as fresh, in_thread(Treasury(topics.bootstrap), fresh_url, topics.bootstrap):
        eventually(lambda: arrived_quietly(fresh, ends, topics) and caught_up(fresh, topics), "the fold of the topics")
        assert payments_of(own) == payments_of(fresh)
        assert asked_for(lives_of(own)) == asked_for(lives_of(fresh)) != []


def asked_for(lives: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Without the positions that are gone altogether: of a batch the treasury takes a career's newest state, and what
    only a state before it asked for was published by those alone who read that state by itself."""
    rows = Counter(life[3] for life in lives)
    return [life for life in lives if not (rows[life[3]] == 1 and life[5:7] == (None, "cancelled"))]


def notify(books: Database, pick: random.Random, number: int) -> int:
    """Reports a payment of some open position as a bank would, and now and then the one before
    again; how many were new."""
    desk = Books(books)
    rows = books.ask("SELECT iuv FROM treasury_debts WHERE charge LIKE '%instalment-1' ORDER BY iuv")
    if not rows:
        return 0
    notice = {"iuv": pick.choice(rows)[0], "amount": f"{pick.randint(1, 90)}.00", "paid_on": "2026-02-20",
              "receipt": f"R{number}"}
    assert desk.take(notice)["outcome"] == "stored"
    if pick.random() < 0.3:
        assert desk.take(notice)["outcome"] == "duplicate"
    return 1


def caught_up(own: Database, topics: Topics) -> bool:
    """Whether everything on the topics was handled."""
    at = {(topic, part): offset for topic, part, offset in own.ask("SELECT topic, part, "
                                                                   "next_offset FROM treasury_positions")}
    return all(at.get((found.topic.removeprefix(topics.prefix), found.partition), 0) > found.offset
               for topic in (STATE, OUTCOMES) for found in topics.read(topic))


# The command line


def test_commands_say_what_is_wrong(own_url: str, tmp_path: Path) -> None:
    bad = command(own_url, "notices", "-", text="\n".join([
        '{"iuv": "1", "receipt": "R7"}', "", "x" * 20_000, "{}", '{"iuv": "1", "iuv": "2", "receipt": "R9"}',
        "[" * 9000]))
    assert bad.returncode == 1
    lines = [json.loads(line) for line in bad.stdout.splitlines()]
    assert [(line["line"], line["receipt"], line["outcome"]) for line in lines] == [
        (1, "R7", "invalid"), (3, None, "invalid"), (4, None, "invalid"), (5, "R9", "invalid"), (6, None, "invalid")]
    assert lines[3]["problems"] == [{"path": "iuv", "message": "this field stands twice: keep one of them",
                                     "message_id": "json/twice", "params": {}}]
    assert "longer than" in lines[1]["problems"][0]["message"]
    unknown = command(own_url, "debts", "S404")
    assert (unknown.returncode, unknown.stdout) == (3, "")
    assert "S404" in unknown.stderr
    assert command(own_url, "debts", "S1", "--on", "tomorrow").returncode == 2
    assert command("mysql://x", "reconcile").returncode == 2
    assert command("postgresql://nobody@127.0.0.1:1/x", "reconcile").returncode == 6
    nothing = command(own_url, "reconcile", "--on", "2026-02-20")
    assert (nothing.returncode, nothing.stdout.splitlines()[0]) == (
        1, "2026-02-20: 0 notices, 0 payments in the ledger, 0 in flight, 1 differences")


def test_run_refuses_a_wrong_segregation_code(own_url: str) -> None:
    found = subprocess.run([sys.executable, "-m", MODULE, "run", "--db", own_url, "--kafka",
                            "127.0.0.1:1", "--segregation", "x"],
                           capture_output=True, text=True, timeout=60, check=False, env=os.environ | {PREFIX: "x."})
    assert found.returncode == 2
    assert "two digits" in found.stderr
