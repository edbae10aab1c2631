"""Positions in the tables, payment notices, and the submissions that they become; on both databases, without Kafka."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from consumers.database import Database
from consumers.kit.erasure import erase
from consumers.kit.service import Record
from consumers.treasury import reference
from consumers.treasury.notices import Malformed, PaymentNotice, read_notice, submission, submit, submit_waiting
from consumers.treasury.service import assign
from ledger.domain.submissions import Submission, read_submission
from ledger.wire.reading import Unreadable
from ledger.wire.topics import OUTCOMES, STATE
from tests.projections.populations import BOOKS

from .support import changed, state_messages
from .treasury_books import Books
from .treasury_ledger import YEAR, as_events, enrolled, fact, paid

FIRST = "instalment-1"
FEE = f"{YEAR}:late-fee/instalment-1"


@pytest.fixture
def books(own: Database) -> Books:
    return Books(own)


# Positions


def test_one_position_per_charge_with_a_reference_of_its_own(books: Books) -> None:
    books.follow(enrolled())
    rows = books.database.ask("SELECT iuv, career, charge, published_on FROM treasury_debts ORDER BY charge")
    assert [row[1:] for row in rows] == [("B", f"{YEAR}:enrolment", "2025-09-20"),
                                         ("B", f"{YEAR}:instalment-1", "2026-01-10"),
                                         ("B", f"{YEAR}:instalment-2", "2026-01-10")]
    assert len({row[0] for row in rows}) == 3
    assert all(reference.read(row[0]) == row[0] for row in rows)


def test_same_charge_has_the_same_reference_in_a_treasury_begun_anew(books: Books, tmp_path: Any) -> None:
    books.follow(enrolled())
    with Database(f"sqlite:///{tmp_path / 'other.db'}") as other:
        again = Books(other)
        again.follow([*enrolled("S2"), *enrolled()][3:])
        assert again.iuv(FIRST) == books.iuv(FIRST)


def test_references_that_meet_are_told_apart_and_stay(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 20 bases for 16 charges the first attempts meet, within a batch and across two."""
    monkeypatch.setattr(reference, "_BASES", 20)
    charges = [(f"S{n}", "B", "2025-26:enrolment", date(2025, 9, 20)) for n in range(16)]
    assert len({reference.iuv(*c[:3]) for c in charges[:10]}) < 10
    with books.transaction() as tx:
        first = assign(tx, charges[:10], "00")
        assert {reference.iuv(*c[:3]) for c in charges[10:]} & set(first)
        second = assign(tx, charges[10:], "00")
    assert len(first | second) == 16
    assert sorted(books.database.ask("SELECT iuv, student FROM treasury_debts")) == sorted(
        (iuv, c[0]) for iuv, c in (first | second).items())


def test_newer_state_replaces_the_life_and_an_older_one_does_not(books: Books) -> None:
    before, after = as_events(enrolled()), as_events([*enrolled(), paid("p", "2026-02-10", FIRST, "400.00")])
    books.hand_over(STATE, *state_messages(before, "S1", BOOKS))
    assert [row[2] for row in books.life(FIRST)][:2] == ["published", "expired"]
    books.hand_over(STATE, *state_messages(after, "S1", BOOKS))
    assert books.life(FIRST) == [("2026-01-10", "2026-02-10", "published", 40000), ("2026-02-10", None, "paid", 0)]
    books.hand_over(STATE, *state_messages(before, "S1", BOOKS))
    assert [row[2] for row in books.life(FIRST)] == ["published", "paid"]


def test_only_the_newest_of_a_batch_counts_whatever_comes_again_behind_it(books: Books) -> None:
    before, after = as_events(enrolled()), as_events([*enrolled(), paid("p", "2026-02-10", FIRST, "400.00")])
    books.hand_over(STATE, *state_messages(after, "S1", BOOKS), *state_messages(before, "S1", BOOKS))
    assert [row[2] for row in books.life(FIRST)] == ["published", "paid"]


def test_state_of_the_same_position_is_taken(books: Books) -> None:
    """Another rule book may give the same events another answer."""
    [before] = state_messages(as_events(enrolled()), "S1", BOOKS)
    [after] = state_messages(as_events(enrolled(contribution="1000.00")), "S1", BOOKS)
    books.hand_over(STATE, before)
    books.hand_over(STATE, after)
    assert books.life("instalment-2")[0] == ("2026-01-10", "2026-05-16", "published", 60000)


def test_position_of_a_voided_charge_is_cancelled_and_keeps_its_reference(books: Books) -> None:
    books.follow(enrolled())
    iuv = books.iuv(FIRST)
    void = fact("v", "event-voided", "2026-02-01", {"event": "e3", "reason": "-", "authority": "office"})
    books.follow([*enrolled(), void])
    assert books.iuv(FIRST) == iuv
    assert books.life(FIRST) == [("2026-01-10", None, "cancelled", 0)]


def test_money_for_a_forgotten_person_is_for_an_officer_and_her_references_stay_taken(books: Books) -> None:
    books.follow(enrolled())
    iuv = books.iuv(FIRST)
    books.notify(FIRST, "400.00", "2026-02-10", "R1")
    books.outcome("S1", id="pagopa:R1", outcome="accepted", position=9, version=5)
    books.notify(FIRST, "1.00", "2026-02-11", "R2")  # the ledger has not answered
    with books.transaction() as tx:
        erase(tx, books.service, ["S1"])
    assert books.take({"iuv": iuv, "amount": "5.00", "paid_on": "2026-02-12", "receipt": "R3"})["outcome"] == "waiting"
    submit_waiting(books.database)
    assert books.outbox() == []
    assert [(d["kind"], d["receipt"]) for d in books.reconcile("2026-11-03").differences] == [
        ("unknown-reference", "R2"), ("unknown-reference", "R3")]
    books.follow(enrolled("S2"))
    held = books.database.ask("SELECT iuv, student FROM treasury_debts WHERE iuv = :iuv", {"iuv": iuv})
    assert held == [(iuv, "")]


@pytest.mark.parametrize("broken", ["not-json", "other-key", "no-position"])
def test_state_that_cannot_be_used_is_named_and_mended_by_a_newer_one(books: Books, broken: str) -> None:
    [good] = state_messages(as_events(enrolled()), "S1", BOOKS)
    value = json.loads(good.value or b"")
    bad = {"not-json": changed(good, b"{"), "other-key": changed(good, json.dumps(value | {"career": "X"}).encode()),
           "no-position": changed(good,
                                  json.dumps({k: v for k, v in value.items() if k != "position"}).encode())}[broken]
    record = Record(STATE, 0, 0, 0, bad.key, bad.value, list(bad.headers))
    with pytest.raises(Unreadable) as error:
        books.service.read(record)
    assert "S1" not in str(error.value)
    with books.transaction() as tx:
        books.service.unusable(tx, record, error.value)
    assert [d["kind"] for d in books.reconcile("2026-01-10").differences] == ["unreadable"]
    books.hand_over(STATE, good)
    assert books.reconcile("2026-01-10").differences == []


# Notices: their form


@pytest.mark.parametrize(("change", "path", "message"), [
    ({"iuv": "123"}, "iuv", "17 digits"), ({"iuv": "00000000000000105"}, "iuv", "check digits"),
    ({"amount": 400.0}, "amount", "string"),
    ({"amount": "400"}, "amount", "two decimals"), ({"amount": "0.00"}, "amount", "more than"),
    ({"amount": "-1.00"}, "amount", "string"),
    ({"paid_on": "31/12/2025"}, "paid_on", "YYYY-MM-DD"), ({"paid_on": "2026-02-30"}, "paid_on", "calendar"),
    ({"receipt": ""}, "receipt", "at least 1"), ({"receipt": "a b"}, "receipt", "letters"),
    ({"receipt": "x" * 121}, "receipt", "at most 120"),
    ({"name": "Anna"}, "name", "no such field"), ({"receipt": None}, "receipt", "string"),
])
def test_malformed_notice_names_the_field_and_the_fix(change: dict[str, Any], path: str, message: str) -> None:
    good = {"iuv": reference.iuv("S1", "B", "x"), "amount": "400.00", "paid_on": "2026-02-10", "receipt": "R1"}
    assert isinstance(read_notice(json.dumps(good).encode()), PaymentNotice)
    with pytest.raises(Malformed) as found:
        read_notice(json.dumps(good | change).encode())
    assert [p["path"] for p in found.value.problems] == [path]
    assert message in found.value.problems[0]["message"]
    receipt = (good | change)["receipt"]
    assert found.value.receipt == (receipt[:120] if receipt is not None else None)


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"1", b'"x"', b"\xff", b"[" * 9000])
def test_line_that_is_no_object_is_no_notice(line: bytes) -> None:
    with pytest.raises(Malformed) as found:
        read_notice(line)
    assert found.value.problems[0]["message"]


def test_notice_number_is_read_as_the_reference_in_it(books: Books) -> None:
    books.follow(enrolled())
    notice = {"iuv": f"3{books.iuv(FIRST)}", "amount": "400.00", "paid_on": "2026-02-10", "receipt": "R1"}
    assert books.take(notice)["outcome"] == "stored"
    assert books.take(notice | {"iuv": books.iuv(FIRST)})["outcome"] == "duplicate"
    assert books.outbox() == [("pagopa:R1", f"{YEAR}:{FIRST}", 40000)]


# Notices: what they become


def test_payment_of_the_debt_is_one_submission_of_the_published_form(books: Books) -> None:
    books.follow(enrolled())
    assert books.notify(FIRST, "400.00", "2026-02-10", "R1") == {"receipt": "R1", "outcome": "stored"}
    assert books.outbox() == [("pagopa:R1", f"{YEAR}:{FIRST}", 40000)]


@pytest.mark.parametrize(("amount", "on", "expected"), [
    ("420.00", "2026-02-18", [(FIRST, 40000), (FEE, 2000)]),
    ("400.00", "2026-02-18", [(FIRST, 40000)]),
    ("410.00", "2026-02-18", [(FIRST, 40000), (FEE, 1000)]),
    ("430.00", "2026-02-18", [(FIRST, 41000), (FEE, 2000)]),
    ("480.00", "2026-05-19", [(FIRST, 40000), (FEE, 8000)]),
    ("420.00", "2026-02-17", [(FIRST, 42000)]),
    ("100.00", "2026-05-19", [(FIRST, 10000)]),
    ("400.00", "2026-01-05", [(FIRST, 40000)]),
])
def test_money_beyond_the_debt_goes_to_what_accrues(books: Books, amount: str, on: str,
                                                    expected: list[tuple[str, int]]) -> None:
    books.follow(enrolled())
    books.notify(FIRST, amount, on, "R1")
    assert [(charge.removeprefix(f"{YEAR}:") if charge != FEE else FEE, cents)
            for _, charge, cents in books.outbox()] == expected


def test_submissions_of_a_late_payment_settle_debt_and_surcharge_in_the_ledger(books: Books) -> None:
    books.follow(enrolled())
    books.notify(FIRST, "420.00", "2026-02-18", "R1")
    submitted = [paid(name, "2026-02-18", charge.removeprefix(f"{YEAR}:"), f"{cents / 100:.2f}")
                 for name, charge, cents in books.outbox()]
    books.follow([*enrolled(), *submitted])
    assert books.life(FIRST)[-1][2] == "paid"
    assert [row[2] for row in books.life("late-fee/instalment-1")] == ["paid"]
    assert books.database.ask("SELECT * FROM treasury_unallocated WHERE until_on IS NULL") == []


def test_second_notice_counts_what_is_on_its_way(books: Books) -> None:
    """200 have been submitted and are not in the state yet: 220 more pay the rest and the surcharge."""
    books.follow(enrolled())
    books.notify(FIRST, "200.00", "2026-02-18", "R1")
    books.notify(FIRST, "220.00", "2026-02-19", "R2")
    assert [(c, a) for _, c, a in books.outbox()] == [(f"{YEAR}:{FIRST}", 20000), (f"{YEAR}:{FIRST}", 20000),
                                                      (FEE, 2000)]


def test_what_the_state_shows_is_no_longer_on_its_way(books: Books) -> None:
    books.follow(enrolled())
    books.notify(FIRST, "200.00", "2026-02-18", "R1")
    books.outcome("S1", id="pagopa:R1", outcome="accepted", position=4, version=4)
    books.follow([*enrolled(), paid("pagopa:R1", "2026-02-18", FIRST, "200.00")])
    books.notify(FIRST, "210.00", "2026-02-19", "R2")
    assert [(c, a) for _, c, a in books.outbox()][1:] == [(f"{YEAR}:{FIRST}", 20000), (FEE, 1000)]


def test_refused_money_is_not_on_its_way(books: Books) -> None:
    books.follow(enrolled())
    books.notify(FIRST, "200.00", "2026-02-18", "R1")
    books.outcome("S1", id="pagopa:R1", outcome="invalid", problems=[{"path": "career", "message": "unknown"}])
    books.notify(FIRST, "420.00", "2026-02-19", "R2")
    assert [(c, a) for _, c, a in books.outbox()][1:] == [(f"{YEAR}:{FIRST}", 40000), (FEE, 2000)]


def test_same_receipt_is_stored_once(books: Books) -> None:
    books.follow(enrolled())
    books.notify(FIRST, "400.00", "2026-02-10", "R1")
    assert books.notify(FIRST, "400.00", "2026-02-10", "R1")["outcome"] == "duplicate"
    assert len(books.outbox()) == 1


@pytest.mark.parametrize(("amount", "on"), [("401.00", "2026-02-10"), ("400.00", "2026-02-11")])
def test_same_receipt_with_other_content_is_invalid(books: Books, amount: str, on: str) -> None:
    books.follow(enrolled())
    books.notify(FIRST, "400.00", "2026-02-10", "R1")
    found = books.notify(FIRST, amount, on, "R1")
    assert (found["outcome"], found["problems"][0]["path"]) == ("invalid", "receipt")
    assert books.outbox() == [("pagopa:R1", f"{YEAR}:{FIRST}", 40000)]


def test_payment_of_tomorrow_is_invalid(books: Books) -> None:
    books.follow(enrolled())
    found = books.notify(FIRST, "400.00", "2026-11-03", "R1")
    assert (found["outcome"], found["problems"][0]["path"]) == ("invalid", "paid_on")
    assert books.database.ask("SELECT COUNT(*) FROM treasury_notices") == [(0,)]


def test_notice_of_a_position_not_known_yet_waits_and_is_submitted_once_it_is(books: Books) -> None:
    notice = {"iuv": reference.iuv("S1", "B", f"{YEAR}:{FIRST}"), "amount": "400.00", "paid_on": "2026-02-10",
              "receipt": "R1"}
    assert books.take(notice) == {"receipt": "R1", "outcome": "waiting"}
    assert books.outbox() == []
    submit_waiting(books.database)
    assert books.outbox() == []
    books.follow(enrolled())
    submit_waiting(books.database)
    assert books.outbox() == [("pagopa:R1", f"{YEAR}:{FIRST}", 40000)]
    assert books.take(notice)["outcome"] == "duplicate"
    submit_waiting(books.database)
    assert len(books.outbox()) == 1


def test_notice_is_submitted_once_whoever_does_it(books: Books) -> None:
    books.follow(enrolled())
    books.notify(FIRST, "400.00", "2026-02-10", "R1")
    with books.transaction() as tx:
        assert submit(tx, PaymentNotice(iuv=books.iuv(FIRST), amount=Decimal("400.00"), paid_on=date(2026, 2, 10),
                                        receipt="R1"))
    assert len(books.outbox()) == 1


def test_money_for_a_closed_position_goes_to_the_ledger_all_the_same(books: Books) -> None:
    books.follow([*enrolled(), paid("p", "2026-02-10", FIRST, "400.00")])
    books.notify(FIRST, "400.00", "2026-02-12", "R1")
    assert books.outbox() == [("pagopa:R1", f"{YEAR}:{FIRST}", 40000)]


def test_submission_is_well_formed_for_the_intake() -> None:
    iuv = reference.iuv("S1", "B", "x")
    found = read_submission(submission(f"pagopa:{'R' * 120}:surcharge", "S1", "B", FEE, Decimal("20"),
                                       date(2026, 2, 18), iuv))
    assert isinstance(found, Submission)
    assert (found.effective_on, found.source, found.data.iuv) == (date(2026, 2, 18), "pagopa", iuv)


# Outcomes


def test_outcome_marks_the_submission_and_the_first_good_one_stays(books: Books) -> None:
    books.follow(enrolled())
    books.notify(FIRST, "400.00", "2026-02-10", "R1")
    books.outcome("S1", id="pagopa:R1", outcome="accepted", position=9, version=4)
    books.outcome("S1", id="pagopa:R1", outcome="duplicate", position=9, version=4)
    books.outcome("S1", id="pagopa:R1", outcome="invalid", problems=[{"path": "id", "message": "other content"}])
    assert books.database.ask("SELECT outcome, position, sent FROM treasury_submissions") == [("accepted", 9, 1)]


def test_outcome_of_another_student_or_system_is_not_ours(books: Books) -> None:
    books.follow(enrolled())
    books.notify(FIRST, "400.00", "2026-02-10", "R1")
    books.outcome("S2", id="pagopa:R1", outcome="accepted", position=9, version=4)
    books.outcome("S1", id="portal:R1", outcome="accepted", position=9, version=4)
    assert books.database.ask("SELECT outcome FROM treasury_submissions") == [(None,)]


def test_outcome_that_cannot_be_read_is_said_without_content(books: Books) -> None:
    with pytest.raises(Unreadable, match="outcome"):
        books.service.read(Record(OUTCOMES, 0, 0, 0, b"S1", b'{"id": "pagopa:R1", "outcome": "maybe"}', []))
