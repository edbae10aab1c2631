"""What a registrar reads is true on its day: what a debt rests on, what changes, what removes a
reason and from which day."""

from datetime import date

from ledger.domain.decisions import Refused
from ledger.domain.events import Event
from ledger.domain.reasons import DONE, Reason
from ledger.projections.student import status
from ledger.rulebooks.loader import load_books
from ledger.words import remedy, sentence

from .test_switches import ENROLLED, history, judged

BOOKS = load_books()
OPEN_MASTERS: dict[str, object] = {"programme": "LM-FIL", "academic_year": "2025-26", "course_type": "master",
                                   "access": "open"}
FIRST_YEAR = OPEN_MASTERS | {"year": 1, "regime": "full-time"}
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


def _masters(*further: tuple[str, str, str, dict[str, object]]) -> list[Event]:
    return history(
        BOOKS, ("preenrolled", "2025-09-10", "M", OPEN_MASTERS), ("preparation-assessed", "2025-10-16", "M",
                                                                 {"adequate": True}), *further)


def _reasons(events: list[Event], type_: str, day: str, data: dict[str, object]) -> list[Reason]:
    refused = judged(BOOKS, events, type_, day, "M", data)
    return list(refused.reasons) if isinstance(refused, Refused) else []


def test_ban_on_leaving_in_the_first_year_ends_with_the_day_that_its_reason_names() -> None:
    events = _masters(("enrolled", "2025-11-01", "M", FIRST_YEAR),
                      ("instalment-paid", "2025-11-01", "M", {"charge": "2025-26:enrolment", "amount": "156.00"}))
    for day in ("2026-01-10", "2026-09-30"):
        [reason] = _reasons(events, "suspended", day, {})
        assert reason.clears is not None
        assert (reason.rule, reason.clears.on) == ("RIC-7", date(2026, 10, 1))
    assert _reasons(events, "suspended", "2026-10-01", {}) == []


def test_too_many_missing_cfu_can_be_passed_first_whatever_the_reservation_waits_for() -> None:
    for ground, rule in (("degree-pending", "RIS-2"), ("single-courses-pending", "RIS-3")):
        [reason] = _reasons(_masters(), "enrolled-with-reservation", "2025-11-05", FIRST_YEAR | {
            "ground": ground, "missing_exams": 3, "missing_cfu": 25, "home_university": "other"})
        assert (reason.rule, reason.clears, remedy(reason.message)) == (
            rule, DONE, "pass enough of the missing exams first")


def test_evidence_that_does_not_fit_the_reservation_says_which_one_does() -> None:
    events = _masters(("enrolled-with-reservation", "2025-11-05", "M", FIRST_YEAR | {
        "ground": "degree-pending", "missing_exams": 1, "missing_cfu": 6, "home_university": "other"}))
    [reason] = _reasons(events, "reservation-lifted", "2026-02-10", {"evidence": "single-courses-passed"})
    assert (sentence(reason.message), remedy(reason.message)) == (
        "The reservation waits for a pending degree; the evidence is passed single courses.",
        "the evidence for a pending degree")
    assert sentence(reason.message, "it") == (
        "La riserva è per laurea da conseguire: quanto presentato (corsi singoli superati) non la scioglie.")
    assert reason.clears == DONE


def test_a_withdrawal_with_debts_names_a_plan_only_where_the_year_has_plans() -> None:
    """BLK-4 of 2025-26 names one; the guide of 2019-20 asks for the payments through 2018-19 alone."""
    for year, begun, day, what in (("2018-19", "2018-09-10", "2019-11-10", "pay what is overdue"),
                                   ("2024-25", "2024-09-10", "2026-01-10", "pay, or agree an instalment plan")):
        events = history(BOOKS, ("enrolled", begun, "M", FIRST_YEAR | {
            "programme": "L-FIL", "course_type": "bachelor", "academic_year": year}), (
            "instalment-paid", begun, "M", {"charge": f"{year}:enrolment", "amount": "156.00"}), (
            "charge-decided", f"{year[:2]}{year[-2:]}-03-01", "M", {
                "charge": f"{year}:instalment-2", "amount": "300.00", "reason": "arrears", "authority": "office"}))
        [reason] = _reasons(events, "withdrawal-requested", day, {})
        assert (reason.rule, remedy(reason.message)) == ("RIN-4", what)
