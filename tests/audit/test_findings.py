"""What the worked histories cannot tell apart, since they name rules and no events: whose finding it is, how severe,
and what the limits let pass."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from ledger.audit.compliance import Limits, findings
from ledger.domain.books import LawBooks
from ledger.rulebooks.loader import load_books
from ledger.words import LANGUAGES, sentence
from tests.handling.histories import enrolled, lines, submission
from tests.rules.memory import MemoryLedger

BOOKS, LIMITS = load_books(), Limits()


def told(given: Sequence[dict[str, Any]], on: date, books: LawBooks = BOOKS,
         limits: Limits = LIMITS) -> list[tuple[str | None, str, str, str]]:
    """(event, rule, severity, message id) of one student's findings."""
    ledger = MemoryLedger(books)
    outcomes = list(ledger.append_lines(lines(*given), "record"))
    assert {one["outcome"] for one in outcomes} == {"accepted"}, outcomes
    (events,) = ledger.streams.values()
    found = list(findings(events, on, books, limits))
    for one in found:
        assert all(sentence(one["message"], language) for language in LANGUAGES)
    return [(one["event"], one["rule"], one["severity"], one["message"].id) for one in found]


def act(n: int, type: str, on: str, recorded_on: str = "", **data: Any) -> dict[str, Any]:
    return submission("S1", f"e{n}", type, on, **data) | {"recorded_at": f"{recorded_on or on}T12:00:00Z"}


BEGUN = [*enrolled("S1"), act(0, "contribution-assessed", "2025-12-01", academic_year="2025-26", contribution="400.00")]


def test_failed_exam_that_could_not_be_sat_is_found_by_itself() -> None:
    exam = {"course": "F1", "session": "winter", "mode": "oral", "academic_year": "2025-26"}
    given = [*BEGUN, act(1, "exam-booked", "2025-12-05", **exam, held_on="2025-12-20", calls_start_on="2025-12-15"),
             act(2, "exam-graded", "2025-12-20", **exam, held_on="2025-12-20", outcome="failed", cfu=6)]
    assert told(given, date(2025, 12, 20)) == [(one, "ESA-1F", "breach", "ESA-1F") for one in ("e1", "e2")]


def test_contribution_lowered_on_a_late_attestation_is_found_by_itself() -> None:
    attested = {"academic_year": "2025-26", "valid_for_university": True}
    given = [*BEGUN, act(1, "isee-certified", "2026-10-01", **attested, issued_on="2026-10-01"),
             act(2, "contribution-assessed", "2026-10-02", academic_year="2025-26", contribution="399.00")]
    notice = ("e1", "ISE-3", "notice", "ISE-3")
    assert told(given, date(2026, 10, 2)) == [notice, ("e2", "ISE-3", "breach", "ISE-3/lowered")]
    earlier = [*BEGUN, act(3, "isee-certified", "2026-09-30", **attested, issued_on="2026-09-30"), *given[-2:]]
    assert told(earlier, date(2026, 10, 2)) == [notice]


def test_decision_is_a_derogation_where_the_book_asks_otherwise_and_a_breach_without_ground() -> None:
    decided = {"reason": "an act", "authority": "senate"}
    given = [*BEGUN, act(1, "charge-decided", "2026-01-10", charge="2025-26:instalment-1", amount="0.00", **decided),
             act(2, "charge-decided", "2026-01-11", charge="2025-26:isee-penalty", amount="150.00", **decided),
             act(3, "charge-decided", "2026-01-12", charge="2025-26:study-plan-penalty", amount="50.00", **decided)]
    assert told(given, date(2026, 1, 12)) == [
        ("e1", "RAT-5", "derogation", "charge-decided/otherwise"),
        ("e2", "charge-decided", "breach", "charge-decided/no-ground")]


def test_officer_may_decide_after_the_end_what_is_left_to_one_and_nothing_else() -> None:
    decided = {"reason": "an act", "authority": "senate", "amount": "10.00"}
    left = [act(1, "transferred-out", "2026-02-01", to_university="Pavia")]
    for charge, found in (("2025-26:late-instance/transfer-out", []), ("2025-26:transfer-out", []),
                          ("2025-26:instalment-1", [("e2", "END", "breach", "END/after")])):
        given = [*BEGUN, *left, act(2, "charge-decided", "2026-02-02", charge=charge, **decided)]
        assert [one for one in told(given, date(2026, 2, 2)) if one[1] == "END"] == found, charge
    unknown = [act(0, "enrolled", "2022-09-20", programme="LMG", academic_year="2022-23", course_type="single-cycle",
                   access="open", year=1, regime="full-time"),
               act(1, "transferred-out", "2024-09-10", to_university="Pavia"),
               *(act(n, "charge-decided", f"2024-09-1{n}", charge="2023-24:transfer-out", **decided) for n in (2, 3))]
    assert [one for one in told(unknown, date(2024, 9, 30)) if one[1] == "END"] == []


def test_decision_that_came_before_its_charge_is_compared_with_it_too() -> None:
    decided = {"charge": "2025-26:late-fee/instalment-1", "reason": "an act", "authority": "senate"}
    paid = act(2, "instalment-paid", "2026-02-18", charge="2025-26:instalment-1", amount="400.00")
    for amount, rule in (("0.00", "MOR-2"), ("19.00", "MOR-2"), ("20.00", None)):
        given = [*BEGUN, act(1, "charge-decided", "2026-01-10", amount=amount, **decided), paid]
        found = [("e1", rule, "derogation", "charge-decided/otherwise")] if rule else []
        assert told(given, date(2026, 2, 18)) == found, amount


def test_limits_let_pass_what_they_say_and_no_more() -> None:
    paid = {"charge": "2025-26:instalment-9", "amount": "10.00"}
    given = [*BEGUN, act(1, "instalment-paid", "2026-01-10", "2026-01-20", **paid),
             act(2, "instalment-paid", "2026-01-20", charge="2025-26:enrolment", amount="10.00")]
    late = ("e1", "LATE", "notice", "LATE")
    money = [("e1", "AMB-33", "notice", "AMB-33/unallocated"), ("e2", "MONEY", "notice", "MONEY/credit")]
    on = date(2026, 1, 20)
    assert told(given, on) == sorted(money)
    assert told(given, on, limits=Limits(days=9)) == [late, *money]
    assert told(given, on, limits=Limits(days=10)) == money
    assert told(given, on, limits=Limits(money=Decimal("9.99"))) == money
    assert told(given, on, limits=Limits(money=Decimal("10.00"))) == []


def test_block_that_needs_an_act_is_missed_only_where_the_institution_asks_for_one() -> None:
    book = BOOKS.of("2025-26")
    assert book is not None
    reading = replace(book.interpretations.AMB_32, decision="by-an-act")
    by_an_act = replace(book, interpretations=replace(book.interpretations, AMB_32=reading))
    books = LawBooks({one: BOOKS.book_of(one) for one in BOOKS.years} | {"2025-26": by_an_act}, BOOKS.identities,
                     BOOKS.own)
    found = (None, "BLK-3", "notice", "BLK-3/not-ordered")
    assert told(BEGUN, date(2026, 10, 1)) == []
    assert told(BEGUN, date(2026, 10, 1), books) == [found]
    assert told(BEGUN, date(2026, 9, 30), books) == []
    ordered = [*BEGUN, act(1, "administrative-block-ordered", "2026-10-01", academic_year="2025-26")]
    assert told(ordered, date(2026, 10, 1), books) == []


def test_finding_names_the_day_of_its_event_and_a_derogation_who_granted_it() -> None:
    ledger = MemoryLedger(BOOKS)
    given = act(1, "exam-booked", "2025-12-05", course="F1", held_on="2025-12-20", calls_start_on="2025-12-15",
                session="winter", mode="oral", academic_year="2025-26") | {
        "override": {"rule": "ESA-1F", "reason": "an act", "authority": "the rector"}}
    assert {one["outcome"] for one in ledger.append_lines(lines(*BEGUN, given), "record")} == {"accepted"}
    [one] = ledger.audit(on=date(2025, 12, 5))
    assert (one["severity"], one["event"], one["effective_on"]) == ("derogation", "e1", "2025-12-05")
    assert [sentence(one["message"], language) for language in ("en", "it")] == [
        "An officer's derogation from ESA-1F, granted by the rector.",
        "Deroga alla regola ESA-1F autorizzata da the rector."]
