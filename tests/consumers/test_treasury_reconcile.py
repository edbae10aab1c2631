"""The daily reconciliation: every kind of difference is listed, and nothing where money and ledger agree."""

from datetime import datetime, timezone
from typing import Any

import pytest

from consumers.database import Database
from consumers.treasury import reference
from consumers.treasury.reconcile import sentence

from .treasury_books import Books
from .treasury_ledger import RENEWALS, YEAR, enrolled, fact, paid

FIRST = "instalment-1"
ON = "2026-02-12"
EARLY = datetime(2026, 2, 11, 9, tzinfo=timezone.utc)
SAME_DAY = datetime(2026, 2, 12, 9, tzinfo=timezone.utc)


@pytest.fixture
def books(own: Database) -> Books:
    return Books(own)


def kinds(books: Books, on: str = ON, since: str = "2026-01-01") -> list[str]:
    return [d["kind"] for d in books.reconcile(on, since).differences]


def by_notice(books: Books, **changes: Any) -> list[dict[str, Any]]:
    """The ledger's history with a payment as the notice's submission made it."""
    return [*enrolled(), paid("pagopa:R1", "2026-02-10", FIRST, "400.00", iuv=books.iuv(FIRST)) | changes]


def notified(books: Books, now: datetime = EARLY) -> None:
    books.follow(enrolled())
    books.notify(FIRST, "400.00", "2026-02-10", "R1", now)


def test_reconciliation_of_a_treasury_that_has_seen_nothing_is_a_difference(books: Books) -> None:
    assert kinds(books) == ["nothing-known"]
    books.follow(enrolled()[:1], events=False)
    assert kinds(books) == []


def test_nothing_differs_once_the_payment_is_in_the_ledger(books: Books) -> None:
    notified(books)
    books.outcome("S1", id="pagopa:R1", outcome="accepted", position=4, version=4)
    books.follow(by_notice(books))
    report = books.reconcile(ON, "2026-01-01")
    assert (report.differences, report.notices, report.payments, report.in_flight, report.position) == ([], 1, 1, 0, 4)


def test_payment_in_the_ledger_without_its_outcome_is_no_difference(books: Books) -> None:
    notified(books)
    books.follow(by_notice(books))
    assert kinds(books) == []


@pytest.mark.parametrize(("sent", "outcome", "kind"), [
    (0, None, "not-sent"), (1, None, "no-outcome"),
    (1, {"outcome": "accepted", "position": 4, "version": 4}, "not-in-ledger"),
    (1, {"outcome": "duplicate", "position": 4, "version": 4}, "not-in-ledger"),
])
def test_notice_without_a_payment_in_the_ledger(books: Books, sent: int, outcome: dict[str, Any] | None,
                                                kind: str) -> None:
    notified(books)
    with books.transaction() as tx:
        tx.run("UPDATE treasury_submissions SET sent = :sent", {"sent": sent})
    if outcome is not None:
        books.outcome("S1", id="pagopa:R1", **outcome)
    [found] = books.reconcile(ON, "2026-01-01").differences
    assert (found["kind"], found["receipt"], found["id"], found["student"], found["amount"], found["charge"]) == (
        kind, "R1", "pagopa:R1", "S1", "400.00", f"{YEAR}:{FIRST}")


def test_notice_of_the_day_itself_is_in_flight(books: Books) -> None:
    notified(books, SAME_DAY)
    report = books.reconcile(ON, "2026-01-01")
    assert (report.differences, report.in_flight) == ([], 1)
    assert kinds(books, "2026-02-13") == ["not-sent"]


@pytest.mark.parametrize("outcome", [
    {"outcome": "invalid", "problems": [{"path": "career", "message": "unknown career"}]},
    {"outcome": "refused",
     "reasons": [{"rule": "END", "message": "the career has ended", "source": {"document": "d", "heading": "h"}}]}])
def test_refused_notice_is_listed_at_once_with_the_reason(books: Books, outcome: dict[str, Any]) -> None:
    notified(books, SAME_DAY)
    books.outcome("S1", id="pagopa:R1", **outcome)
    [found] = books.reconcile(ON, "2026-01-01").differences
    assert (found["kind"], found["outcome"]) == ("refused", outcome["outcome"])
    assert found["why"][0]["message"] in ("unknown career", "the career has ended")


def test_reference_of_no_position(books: Books) -> None:
    books.take({"iuv": reference.iuv("S9", "B", "x"), "amount": "10.00", "paid_on": "2026-02-10", "receipt": "R1"},
               EARLY)
    [found] = books.reconcile(ON).differences
    assert (found["kind"], found["receipt"], found["amount"]) == ("unknown-reference", "R1", "10.00")


def test_voided_payment(books: Books) -> None:
    notified(books)
    void = fact("v", "event-voided", "2026-02-11", {"event": "pagopa:R1", "reason": "-", "authority": "office"})
    books.follow([*by_notice(books), void])
    assert kinds(books) == ["voided"]


@pytest.mark.parametrize(("payment", "fields"), [
    ({"amount": "300.00"}, ["amount"]), ({"effective_on": "2026-02-09"}, ["paid_on"]), ({"iuv": "x"}, ["iuv"]),
    ({"charge": f"{YEAR}:instalment-2"}, ["charge"])])
def test_payment_that_says_something_else(books: Books, payment: dict[str, Any], fields: list[str]) -> None:
    notified(books)
    [*before, ours] = by_notice(books)
    theirs = ours | {"effective_on": payment.get("effective_on", ours["effective_on"]),
                     "data": ours["data"] | {k: v for k, v in payment.items() if k != "effective_on"}}
    books.follow([*before, theirs])
    [found] = books.reconcile(ON, "2026-01-01").differences
    assert (found["kind"], found["fields"], found["amount"], found["in_ledger"]) == (
        "differs", fields, "400.00", payment.get("amount", "400.00"))


@pytest.mark.parametrize("iuv", [{}, {"iuv": "01234567890123456"}])
def test_payment_that_the_treasury_never_saw(books: Books, iuv: dict[str, str]) -> None:
    books.follow([*enrolled(), paid("desk-1", "2026-02-10", FIRST, "400.00", **iuv)])
    [found] = books.reconcile(ON, "2026-01-01").differences
    assert (found["kind"], found["id"], found["iuv"], found["source"], found["position"]) == (
        "not-seen", "desk-1", iuv.get("iuv"), "test", 4)


def test_what_was_paid_before_the_treasury_began_or_after_the_day_is_left_out(books: Books) -> None:
    books.follow([*enrolled(), paid("desk-1", "2026-02-13", FIRST, "400.00")])
    assert kinds(books) == []
    assert kinds(books, since="2025-01-01") == ["not-seen"]
    assert kinds(books, on="2026-02-13") == ["not-seen"]


def test_voided_payment_that_was_never_seen_is_no_difference(books: Books) -> None:
    void = fact("v", "event-voided", "2026-02-11", {"event": "desk-1", "reason": "-", "authority": "office"})
    books.follow([*enrolled(), paid("desk-1", "2026-02-10", FIRST, "400.00"), void])
    assert kinds(books) == []


def test_unallocated_money(books: Books) -> None:
    books.follow([*enrolled(), paid("x", "2025-12-20", "recognition", "66.00")])
    [found] = books.reconcile(ON, "2026-01-01").differences
    assert found == {"kind": "unallocated", "student": "S1", "career": "B", "charge": f"{YEAR}:recognition",
                     "amount": "66.00", "since": "2025-12-20"}
    assert kinds(books, "2025-12-19") == []


def test_credit(books: Books) -> None:
    books.follow([*enrolled(), paid("x", "2025-12-20", FIRST, "430.00")])
    [found] = books.reconcile(ON, "2026-01-01").differences
    assert (found["kind"], found["charge"], found["amount"], found["iuv"]) == ("credit", f"{YEAR}:{FIRST}",
                                                                               "30.00", books.iuv(FIRST))


def test_refund_with_its_day_and_rule_until_it_is_made(books: Books) -> None:
    history = [*RENEWALS, paid("p", "2025-09-15", "enrolment", "156.00"),
               fact("g", "graduated", "2025-11-20", {"academic_year": "2024-25", "session": "autumn"}),
               fact("b", "payment-refunded", "2025-12-10", {"charge": f"{YEAR}:enrolment", "amount": "140.00"})]
    books.follow(history)
    [found] = books.reconcile("2025-11-20", "2025-11-01").differences
    assert (found["kind"], found["amount"], found["by"], found["rule"]) == ("refund", "140.00", "2026-02-28", "LAU-2")
    assert kinds(books, "2025-12-10", "2025-11-01") == []


def test_parked_student(books: Books) -> None:
    with books.transaction() as tx:
        tx.run("INSERT INTO treasury_parked (student, version, reason, detail, part, place, since) "
               "VALUES ('S1', 7, 'gap', '-', 0, 0, '2026-02-12')")
    [found] = books.reconcile(ON).differences
    assert found == {"kind": "parked", "student": "S1", "waits_for": 7, "why": "gap"}
    assert sentence(found) == "parked: student S1, waits_for 7, why gap"


def test_both_submissions_of_a_late_payment_are_followed(books: Books) -> None:
    books.follow(enrolled())
    books.notify(FIRST, "420.00", "2026-02-18", "R1", EARLY)
    books.follow([*enrolled(), paid("pagopa:R1", "2026-02-18", FIRST, "400.00", iuv=books.iuv(FIRST))])
    [found] = [d for d in books.reconcile("2026-02-20", "2026-01-01").differences if d["kind"] == "not-sent"]
    assert (found["id"], found["amount"], found["charge"]) == ("pagopa:R1:surcharge", "20.00",
                                                               f"{YEAR}:late-fee/instalment-1")
