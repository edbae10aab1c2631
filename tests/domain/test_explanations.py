"""What a registrar reads is true on its day: what a debt rests on, what changes, what removes a
reason and from which day."""

from datetime import date

from ledger.domain.decisions import Refused
from ledger.projections.student import status
from ledger.rulebooks.loader import load_books
from ledger.words import remedy, sentence

from .test_switches import ENROLLED, history, judged

BOOKS = load_books()
REASSESSED = history(
    BOOKS, *ENROLLED,
    ("contribution-assessed", "2026-01-10", "B", {"academic_year": "2025-26", "contribution": "1000.00"}),
    ("instalment-paid", "2026-02-17", "B", {"charge": "2025-26:instalment-1", "amount": "400.00"}),
    ("contribution-assessed", "2026-06-01", "B", {"academic_year": "2025-26", "contribution": "1500.00"}))


def test_debt_rests_on_the_assessment_that_made_it_when_a_later_one_adds_to_it() -> None:
    """The 600 euro overdue since May are not of the assessment of June (AMB-46)."""
    [career] = status.answer(REASSESSED, "S", date(2026, 6, 15), BOOKS)["careers"]
    assert {(b["kind"], b["amount"]) for b in career["blocks"]} == {("exam-booking", "600.00"),
                                                                    ("final-exam", "600.00")}
    for block in career["blocks"]:
        assert [fact["on"] for fact in block["facts"]] == ["2026-01-10", "2026-06-01"]


def test_change_says_that_a_debt_stays_overdue_when_more_of_it_falls_due() -> None:
    [career] = status.answer(REASSESSED, "S", date(2026, 6, 15), BOOKS)["careers"]
    changes = [sentence(u["change"]) for u in career["upcoming"] if u["on"] == "2026-07-02"]
    assert changes == [
        "second instalment 2025-26 stays overdue (€1,100.00 of €1,100.00 outstanding, €1,100.00 overdue)"]


def test_reason_names_amount_and_first_exam_when_a_single_course_can_no_longer_be_paid_in_time() -> None:
    applied = history(BOOKS, ("single-courses-enrolled", "2026-05-20", "S", {
        "academic_year": "2025-26", "courses": [{"code": "F1", "cfu": 9, "lectures_end_on": "2025-12-20"}]}))
    call = {"course": "F1", "held_on": "2026-06-22", "academic_year": "2025-26", "session": "summer",
            "calls_start_on": "2026-06-20", "mode": "oral"}
    refused = judged(BOOKS, applied, "exam-booked", "2026-06-15", "S", call)
    assert isinstance(refused, Refused)
    [reason] = [r for r in refused.reasons if r.rule == "CS-6"]
    assert reason.clears is not None
    assert (remedy(reason.message), reason.clears.on) == (
        "pay €225.00 for single courses fee 2025-26, and book an exam 15 working days later or more", date(2026, 7, 4))


def test_refusal_of_single_courses_rests_on_the_suspension_when_a_career_is_suspended() -> None:
    suspended = history(BOOKS, *ENROLLED, ("suspended", "2026-02-10", "B", {"reason": "abroad"}))
    asked = {"academic_year": "2025-26", "courses": [{"code": "F1", "cfu": 9, "lectures_end_on": "2025-12-20"}]}
    refused = judged(BOOKS, suspended, "single-courses-enrolled", "2026-03-10", "S", asked)
    assert isinstance(refused, Refused)
    [reason] = refused.reasons
    assert (reason.rule, [(fact.event, fact.on) for fact in reason.facts]) == ("CS-8",
                                                                               [(suspended[-1].id, date(2026, 2, 10))])
