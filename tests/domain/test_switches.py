"""Each switch of the register of interpretations does what its other reading says (rules.md sections 15 and 17)."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from ledger.audit.compliance import findings
from ledger.domain.books import LawBooks
from ledger.domain.decisions import Accepted, Invalid, Refused, decide
from ledger.domain.events import Event
from ledger.domain.standing import Standing
from ledger.domain.submissions import Submission, read_submission, recorded
from ledger.projections.student import fees, status
from ledger.rulebooks.loader import load_books
from ledger.words import sentence

BACHELOR = {"programme": "L-FIL", "academic_year": "2025-26", "course_type": "bachelor", "access": "open",
            "year": 1, "regime": "full-time"}
MASTER = BACHELOR | {"programme": "LM-FIL", "course_type": "master"}


def switched(folder: Path, register: str, decision: str) -> LawBooks:
    """The packaged rule books with one decision of the register changed for all of them."""
    for source in files("ledger.rulebooks").iterdir():
        if source.name.endswith(".yaml"):
            head, found, entry = source.read_text().partition(f"  {register}:\n    question:")
            if found:
                entry = re.sub(r"decision: \S+", f'decision: "{decision}"', entry, count=1)
            (folder / source.name).write_text(head + found + entry)
    return load_books(folder)


def with_next_year(folder: Path) -> LawBooks:
    """The books of a folder, and beside them that of 2025-26 again as the law of 2026-27."""
    text = (folder / "2025-26.yaml").read_text()
    for old, new in (("unibg-laureati-2025-26", "invented-2026-27"),
                     ('academic_year: "2025-26"', 'academic_year: "2026-27"'),
                     ("acts_from: 2025-10-01", "acts_from: 2026-10-01"),
                     ('late_degrees_of: "2024-25"', 'late_degrees_of: "2025-26"')):
        assert old in text
        text = text.replace(old, new, 1)
    (folder / "2026-27.yaml").write_text(text)
    return load_books(folder)


def submission(number: int, kind: str, on: str, career: str, data: dict[str, Any]) -> Submission:
    found = read_submission({"id": f"e{number}", "type": kind, "student": "S", "career": career, "effective_on": on,
                             "source": "test", "actor": "test", "data": data})
    assert isinstance(found, Submission), found
    return found


def history(books: LawBooks, *steps: tuple[str, str, str, dict[str, Any]]) -> list[Event]:
    """Recorded events, each at noon of its day, in mode record."""
    events: list[Event] = []
    for number, (kind, on, career, data) in enumerate(steps, 1):
        asked = submission(number, kind, on, career, data)
        moment = datetime.combine(asked.effective_on, time(12), UTC)
        decision = decide(Standing(asked.student, books, events), asked, moment, books, "record")
        assert isinstance(decision, Accepted), decision
        events.append(recorded(asked, moment, number, decision.rulebook, decision.breaches, number))
    return events


def judged(books: LawBooks, events: Sequence[Event], kind: str, on: str, career: str,
           data: dict[str, Any]) -> Accepted | Refused | Invalid:
    asked = submission(99, kind, on, career, data)
    return decide(Standing(asked.student, books, events), asked, datetime.combine(asked.effective_on, time(13), UTC),
                  books, "enforce")


def blocks(books: LawBooks, events: Sequence[Event], on: str) -> set[str]:
    answer = status.answer(events, "S", date.fromisoformat(on), books)
    return {block["kind"] for career in answer["careers"] for block in career["blocks"]}


ENROLLED = (("enrolled", "2025-09-20", "B", BACHELOR),
            ("instalment-paid", "2025-09-20", "B", {"charge": "2025-26:enrolment", "amount": "156.00"}))
UNPAID = (*ENROLLED, ("contribution-assessed", "2026-01-10", "B",
                      {"academic_year": "2025-26", "contribution": "300.00"}))
PAID_LATE = (*UNPAID, ("instalment-paid", "2026-04-01", "B", {"charge": "2025-26:instalment-1", "amount": "300.00"}))


@pytest.mark.parametrize(("decision", "expected"), [("section-8", {"exam-booking", "final-exam"}),
                                                    ("section-10", {"administrative", "final-exam"})])
def test_amb_1_says_which_block_begins_after_30_days(tmp_path: Path, decision: str, expected: set[str]) -> None:
    books = switched(tmp_path, "AMB-1", decision)
    events = history(books, *UNPAID)
    assert blocks(books, events, "2026-03-19") == {"final-exam"}
    assert blocks(books, events, "2026-03-20") == expected


@pytest.mark.parametrize(("decision", "expected"), [("no", {"final-exam"}), ("yes", {"exam-booking", "final-exam"})])
def test_amb_4_says_whether_an_unpaid_surcharge_keeps_the_booking_block(tmp_path: Path, decision: str,
                                                                        expected: set[str]) -> None:
    books = switched(tmp_path, "AMB-4", decision)
    assert blocks(books, history(books, *PAID_LATE), "2026-04-02") == expected


@pytest.mark.parametrize(("decision", "expected"),
                         [("every-overdue-charge", {"final-exam"}), ("instalments-only", set())])
def test_amb_5_says_which_charges_bar_the_final_exam(tmp_path: Path, decision: str, expected: set[str]) -> None:
    books = switched(tmp_path, "AMB-5", decision)
    events = history(books, *PAID_LATE)
    assert blocks(books, events, "2026-04-02") == expected
    degree = judged(books, events, "graduated", "2026-07-10", "B", {"academic_year": "2025-26", "session": "summer"})
    assert isinstance(degree, Refused if expected else Accepted)


@pytest.mark.parametrize(("decision", "stamp"), [("nothing-due", "0.00"), ("stamp-due", "16.00")])
def test_amb_12_says_whether_the_stamp_is_due_after_a_failed_reservation(tmp_path: Path, decision: str,
                                                                         stamp: str) -> None:
    books = switched(tmp_path, "AMB-12", decision)
    events = history(
        books, *ENROLLED,
        ("preenrolled", "2025-09-21", "M", {"programme": "LM-FIL", "academic_year": "2025-26",
                                            "course_type": "master", "access": "open"}),
        ("enrolled-with-reservation", "2025-11-05", "M",
         MASTER | {"ground": "degree-pending", "missing_exams": 1, "missing_cfu": 6,
                                                                   "home_university": "same", "home_career": "B"}),
        ("graduated", "2026-07-01", "B", {"academic_year": "2025-26", "session": "summer"}),
        ("single-courses-enrolled", "2026-07-10", "SC", {
            "academic_year": "2025-26", "purpose": "failed-reservation",
            "courses": [{"code": "X", "cfu": 6, "lectures_end_on": "2026-05-20"}]}))
    charges = {c["charge"]: c for c in fees.answer(events, "S", date(2026, 7, 10), books)["charges"]
               if c["career"] == "SC"}
    assert charges["2025-26:single-courses"]["amount"] == "0.00"
    assert charges["2025-26:single-courses-stamp"]["amount"] == stamp


@pytest.mark.parametrize(("decision", "allowed"), [("that-year", True), ("whole-career", False)])
def test_amb_13_says_how_long_a_first_year_may_not_leave(tmp_path: Path, decision: str, allowed: bool) -> None:
    books = switched(tmp_path, "AMB-13", decision)
    events = history(books, ("enrolled", "2025-10-10", "M", MASTER),
                     ("instalment-paid", "2025-10-10", "M", {"charge": "2025-26:enrolment", "amount": "156.00"}))
    leaving = {"to_university": "Elsewhere"}
    assert isinstance(judged(books, events, "transferred-out", "2026-09-30", "M", leaving), Refused)
    assert isinstance(judged(books, events, "transferred-out", "2026-10-01", "M", leaving), Accepted) is allowed


@pytest.mark.parametrize(("decision", "allowed"), [("that-year", True), ("whole-career", False)])
def test_amb_13_holds_as_long_when_the_next_years_book_stands_beside(tmp_path: Path, decision: str,
                                                                     allowed: bool) -> None:
    """The book of the first enrolment says how long, not the one that the act follows."""
    switched(tmp_path, "AMB-13", decision)
    books = with_next_year(tmp_path)
    assert books.act_year("2025-26", date(2026, 10, 1)) == "2026-27"
    events = history(books, ("enrolled", "2025-10-10", "M", MASTER),
                     ("instalment-paid", "2025-10-10", "M", {"charge": "2025-26:enrolment", "amount": "156.00"}))
    for act, data in (("transferred-out", {"to_university": "Elsewhere"}), ("suspended", {})):
        assert isinstance(judged(books, events, act, "2026-09-30", "M", data), Refused)
        assert isinstance(judged(books, events, act, "2026-10-01", "M", data), Accepted) is allowed


@pytest.mark.parametrize(("day", "amount"), [("2026-10-10", None), ("2026-10-11", "95.00")])
def test_a_late_transfer_out_costs_95_euro_where_the_book_sets_the_term(tmp_path: Path, day: str,
                                                                        amount: str | None) -> None:
    text = files("ledger.rulebooks").joinpath("2025-26.yaml").read_text()
    head, tail = text.split("  MOR-5:", 1)
    (tmp_path / "2025-26.yaml").write_text(
        head + "  MOR-5:" + tail.replace('amount: "95.00"', 'amount: "95.00"\n    transfer_out_until: 2026-10-10', 1))
    found = fees.answer(history(load_books(tmp_path), *ENROLLED,
                                ("transferred-out", day, "B", {"to_university": "Elsewhere"})), "S",
                        date.fromisoformat(day), load_books(tmp_path))
    charges = {c["charge"]: (c["amount"], c.get("interpretation")) for c in found["charges"]}
    assert charges.get("2025-26:late-instance/transfer-out") == ((amount, "AMB-49") if amount else None)
    assert found["to_decide"] == []


def test_a_transfer_out_is_left_to_an_officer_where_no_book_sets_a_term() -> None:
    books = load_books()
    events = history(books, *ENROLLED, ("transferred-out", "2026-10-11", "B", {"to_university": "Elsewhere"}), (
        "charge-decided", "2026-10-12", "B", {"charge": "2025-26:late-instance/transfer-out", "amount": "0.00",
                                              "reason": "in time", "authority": "office"}))
    [left] = fees.answer(events, "S", date(2026, 10, 11), books)["to_decide"]
    assert (left["charge"], left["interpretation"]) == ("2025-26:late-instance/transfer-out", "AMB-49")
    assert fees.answer(events, "S", date(2026, 10, 12), books)["to_decide"] == []


@pytest.mark.parametrize("categories", ["null", "{band: [musician]}"])
def test_an_institutions_book_has_part_time_categories_of_its_own(tmp_path: Path, categories: str) -> None:
    text = files("ledger.rulebooks").joinpath("2025-26.yaml").read_text()
    head, tail = text.split("    categories:\n", 1)
    rest = tail[tail.index("  PT-2:"):]
    (tmp_path / "2025-26.yaml").write_text(f"{head}    categories: {categories}\n{rest}")
    books = load_books(tmp_path)
    part_time = BACHELOR | {"regime": "part-time"}
    assert isinstance(judged(books, [], "enrolled", "2025-09-20", "B", part_time | {"category": "Musician"}), Accepted)
    assert isinstance(judged(books, [], "enrolled", "2025-09-20", "B", part_time | {"category": "work"}),
                      Accepted if categories == "null" else Refused)
    assert isinstance(judged(books, [], "enrolled", "2025-09-20", "B", part_time), Refused)


@pytest.mark.parametrize(("where", "outstanding"), [("session", "0.00"), ("year", "300.00")])
def test_each_withdrawal_window_reads_where_its_own_entry_lets_an_exam_count(tmp_path: Path,
                                                                             where: str, outstanding: str) -> None:
    """RIN-10's `exams`, with RIN-8's as it is: an exam passed in June lies outside the January-February session."""
    text = files("ledger.rulebooks").joinpath("2025-26.yaml").read_text()
    head, tail = text.split("  RIN-10:", 1)
    (tmp_path / "2025-26.yaml").write_text(head + "  RIN-10:" + tail.replace("exams: session", f"exams: {where}", 1))
    books = load_books(tmp_path)
    events = history(
        books, *ENROLLED, ("contribution-assessed", "2026-01-10", "B",
                           {"academic_year": "2025-26", "contribution": "1000.00"}),
        ("exam-graded", "2026-03-10", "B", {"course": "A", "held_on": "2026-03-10", "outcome": "passed", "cfu": 6,
                                            "session": "winter", "mode": "oral"}),
        ("withdrawal-requested", "2026-04-10", "B", {}))
    charges = {c["charge"]: c for c in fees.answer(events, "S", date(2026, 4, 10), books)["charges"]}
    assert charges["2025-26:instalment-2"]["outstanding"] == outstanding


@pytest.mark.parametrize(("decision", "before_the_act"), [("without-an-act", True), ("by-an-act", False)])
def test_amb_32_says_whether_the_administrative_block_needs_an_act(tmp_path: Path, decision: str,
                                                                   before_the_act: bool) -> None:
    books = switched(tmp_path, "AMB-32", decision)
    events = history(books, *UNPAID)
    assert ("administrative" in blocks(books, events, "2026-10-05")) is before_the_act
    ordered = history(books, *UNPAID, ("administrative-block-ordered", "2026-10-06", "B", {"academic_year": "2025-26"}))
    assert "administrative" in blocks(books, ordered, "2026-10-06")
    revoked = history(books, *UNPAID, ("administrative-block-ordered", "2026-10-06", "B", {"academic_year": "2025-26"}),
                      ("administrative-block-revoked", "2026-10-08", "B", {"academic_year": "2025-26"}))
    assert ("administrative" in blocks(books, revoked, "2026-10-08")) is before_the_act


def assessed(on: str, contribution: str) -> tuple[str, str, str, dict[str, Any]]:
    return "contribution-assessed", on, "B", {"academic_year": "2025-26", "contribution": contribution}


def paid(on: str, kind: str, amount: str) -> tuple[str, str, str, dict[str, Any]]:
    return "instalment-paid", on, "B", {"charge": f"2025-26:{kind}", "amount": amount}


def waived(on: str, kind: str, amount: str = "0.00") -> tuple[str, str, str, dict[str, Any]]:
    return "charge-decided", on, "B", {"charge": f"2025-26:{kind}", "amount": amount, "reason": "an act",
                                       "authority": "senate"}


def owed(books: LawBooks, events: Sequence[Event], on: str) -> dict[str, tuple[str, str, str]]:
    """charge -> outstanding, overdue, due date."""
    return {c["charge"].partition(":")[2]: (c["outstanding"], c["overdue"], c["due_on"])
            for c in fees.answer(events, "S", date.fromisoformat(on), books)["charges"] if "instalment" in c["charge"]}


@pytest.mark.parametrize(("decision", "second", "expected"), [
    ("as-guide", ("100.00", "0.00", "2026-07-31"), set()),
    ("first-due-dates", ("100.00", "100.00", "2026-05-15"), {"exam-booking", "final-exam"})])
def test_amb_46_says_when_what_a_later_assessment_adds_is_due(
        tmp_path: Path, decision: str, second: tuple[str, str, str], expected: set[str]) -> None:
    """Under both readings the advance stands at what was paid."""
    books = switched(tmp_path, "AMB-46", decision)
    events = history(books, *ENROLLED, assessed("2026-01-10", "900.00"), paid("2026-02-17", "instalment-1", "400.00"),
                     paid("2026-05-15", "instalment-2", "500.00"), assessed("2026-07-01", "1000.00"))
    assert owed(books, events, "2026-07-01") == {"instalment-1": ("0.00", "0.00", "2026-02-17"), "instalment-2": second}
    assert blocks(books, events, "2026-07-01") == expected


@pytest.mark.parametrize(("decision", "first", "listed"), [("survives", ("0.00", "0.00", "2026-02-17"), False),
                                                           ("replaced", ("400.00", "0.00", "2026-05-15"), True)])
def test_amb_47_says_whether_an_officers_decision_survives_an_equal_assessment(
        tmp_path: Path, decision: str, first: tuple[str, str, str], listed: bool) -> None:
    books = switched(tmp_path, "AMB-47", decision)
    events = history(books, *ENROLLED, assessed("2026-01-10", "900.00"), waived("2026-02-01", "instalment-1"),
                     assessed("2026-03-25", "900.00"))
    assert owed(books, events, "2026-03-26") == {"instalment-1": first,
                                                 "instalment-2": ("500.00", "0.00", "2026-05-15")}
    assert blocks(books, events, "2026-03-26") == set()
    found = [f for f in findings(events, date(2026, 3, 26), books) if f["rule"] == "AMB-47"]
    assert [(f["event"], f["facts"][0]["event"]) for f in found] == ([("e4", "e5")] if listed else [])


@pytest.mark.parametrize("decision", ["survives", "replaced"])
def test_amb_47_gives_way_to_a_higher_assessment_and_the_audit_says_so(tmp_path: Path, decision: str) -> None:
    books = switched(tmp_path, "AMB-47", decision)
    events = history(books, *ENROLLED, assessed("2026-01-10", "900.00"), waived("2026-02-01", "instalment-2", "200.00"),
                     paid("2026-02-10", "instalment-1", "400.00"), assessed("2026-05-20", "1000.00"))
    # 200 stood, and its date has passed; what replaces the officer's amount is due thirty days from the assessment
    assert owed(books, events, "2026-05-20")["instalment-2"] == ("600.00", "200.00", "2026-05-15")
    [found] = [f for f in findings(events, date(2026, 5, 20), books) if f["rule"] == "AMB-47"]
    assert (found["event"], found["severity"]) == ("e4", "notice")
    assert "200.00" in sentence(found["message"])
