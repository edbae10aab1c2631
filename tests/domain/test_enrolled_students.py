"""The rules of the guide for enrolled students, under an institution's own books: what the sources state for one year
only, or nowhere, does what it says where a book states it."""

from datetime import date
from typing import Any, get_type_hints

import pytest
from msgspec.structs import replace

from ledger.audit.compliance import findings
from ledger.domain.books import LawBooks
from ledger.domain.decisions import Accepted, Refused
from ledger.domain.rulebook import Law
from ledger.projections.student import fees, status
from ledger.rulebooks.loader import load_books
from ledger.words import sentence

from .test_switches import BACHELOR, ENROLLED, MASTER, history, judged

PACKAGED = load_books()
CITED = {"document": "guide-2025-26", "heading": "Regolamento didattico", "says": "As the institution has it."}


def with_rules(**stated: dict[str, Any]) -> LawBooks:
    """The packaged books and beside them 2026-27 to 2028-29, all four years with the entries of 2025-26 and these,
    whose dates (those of 2025-26) move by a year each time."""
    base = PACKAGED.of("2025-26")
    assert base is not None
    books = {year: book for year in PACKAGED.years if (book := PACKAGED.for_single_courses(year)) is not None}
    for year in ("2025-26", "2026-27", "2027-28", "2028-29"):
        opens = base.acts_from.replace(year=int(year[:4])) if base.acts_from is not None else None
        own = {name: _entry(get_type_hints(Law)[name], values, int(year[:4]) - 2025)
               for name, values in stated.items()}
        books[year] = replace(base, academic_year=year, acts_from=opens, rules=base.rules.having(**own), unknown={
            rule: mark for rule, mark in base.unknown.items() if rule.replace("-", "_") not in own})
    return LawBooks(books, PACKAGED.identities | {year: (f"own-{year}", "0" * 64) for year in books}, PACKAGED.own)


def _entry(annotation: Any, values: dict[str, Any], years: int) -> Any:
    [model] = [one for one in annotation.__args__ if one is not type(None)]
    moved = {name: value.replace(year=value.year + years) if isinstance(value, date) else value
             for name, value in values.items()}
    return model.model_validate(CITED | moved)


def rules_of(decision: object) -> list[str]:
    assert isinstance(decision, Refused), decision
    return [reason.rule for reason in decision.reasons]


# Suspension


WINDOW = {"first": date(2025, 8, 1), "last": date(2025, 10, 5)}
SUSPENSION = with_rules(
    SOS_1=WINDOW, SOS_2={"categories": {"phd": ["dottorato"], "foreign-university": []}}, SOS_3={"years": 1}, SOS_5={},
    SOS_6={"amount": "200.00", "later": "50.00", "later_from": 3})
AWAY: Any = ("suspended", "2026-08-01", "B", {"reason": "phd: Pavia"})


@pytest.mark.parametrize(("on", "against"), [("2026-07-31", ["SOS-1"]), ("2026-08-01", []), ("2026-10-05", []),
                                             ("2026-10-06", ["SOS-1"])])
def test_suspension_is_taken_when_its_window_is_open(on: str, against: list[str]) -> None:
    events = history(SUSPENSION, *ENROLLED)
    asked = judged(SUSPENSION, events, "suspended", on, "B", {"reason": "PhD"})
    assert (rules_of(asked) if against else isinstance(asked, Accepted)) == (against or True)


def test_suspension_is_refused_when_the_career_is_enrolled_for_the_year() -> None:
    renewed: Any = (("enrolment-renewed", "2026-08-02", "B",
                     {"academic_year": "2026-27", "year": 2, "standing": "regular"}),
                    ("instalment-paid", "2026-08-03", "B", {"charge": "2026-27:enrolment", "amount": "156.00"}))
    asked = "suspended", "2026-09-01", "B", {"reason": "phd"}
    assert rules_of(judged(SUSPENSION, history(SUSPENSION, *ENROLLED, *renewed), *asked)) == ["SOS-1"]
    assert isinstance(judged(SUSPENSION, history(SUSPENSION, *ENROLLED, renewed[0]), *asked), Accepted)


@pytest.mark.parametrize("given", [{}, {"reason": "illness"}, {"reason": "illness: phd"}])
def test_suspension_is_refused_without_repeating_the_reason_when_it_is_no_listed_ground(given: dict[str, Any]) -> None:
    refused = judged(SUSPENSION, history(SUSPENSION, *ENROLLED), "suspended", "2026-09-01", "B", given)
    assert rules_of(refused) == ["SOS-2"]
    assert isinstance(refused, Refused)
    assert "illness" not in sentence(refused.reasons[0].message)


@pytest.mark.parametrize(("on", "allowed"), [("2027-09-30", False), ("2027-10-01", True)])
def test_return_is_possible_when_the_suspended_year_is_over(on: str, allowed: bool) -> None:
    asked = judged(SUSPENSION, history(SUSPENSION, *ENROLLED, AWAY), "resumed", on, "B", {})
    if allowed:
        assert isinstance(asked, Accepted)
        return
    assert rules_of(asked) == ["SOS-3"]
    assert isinstance(asked, Refused)
    assert asked.reasons[0].clears is not None
    assert asked.reasons[0].clears.on == date(2027, 10, 1)


def test_return_costs_each_suspended_year_and_less_from_the_later_ones_on() -> None:
    events = history(SUSPENSION, *ENROLLED, AWAY, ("resumed", "2029-10-01", "B", {}))
    shown = fees.answer(events, "S", date(2029, 10, 1), SUSPENSION)
    asked = {c["charge"]: (c["amount"], c["state"]) for c in shown["charges"] if c["rule"] == "SOS-6"}
    assert asked == {"2026-27:suspension": ("200.00", "to-come"), "2027-28:suspension": ("200.00", "to-come"),
                     "2028-29:suspension": ("50.00", "to-come")}
    [career] = status.answer(events, "S", date(2029, 10, 1), SUSPENSION)["careers"]
    assert (career["status"], career["year"]) == ("enrolled", 1)


@pytest.mark.parametrize(("year", "allowed"), [(2, True), (3, False)])
def test_who_returns_goes_on_from_the_year_after_her_last(year: int, allowed: bool) -> None:
    events = history(SUSPENSION, *ENROLLED, AWAY, ("resumed", "2027-10-01", "B", {}))
    asked = judged(SUSPENSION, events, "enrolment-renewed", "2027-10-02", "B",
                   {"academic_year": "2027-28", "year": year, "standing": "regular"})
    assert isinstance(asked, Accepted) if allowed else rules_of(asked) == ["SOS-5"]


def test_interrupted_years_cost_their_fee_when_the_books_state_one_and_suspended_years_do_not() -> None:
    books = with_rules(INT_1={"amount": "100.00"})
    renewed: Any = ("enrolment-renewed", "2028-10-01", "B",
                    {"academic_year": "2028-29", "year": 2, "standing": "regular"})
    for before, wanted in (((), ["2028-29:interruption", "2028-29:interruption#2"]),
                           ((("suspended", "2026-10-02", "B", {}),), [])):
        events = history(books, *ENROLLED, *before, renewed)
        shown = fees.answer(events, "S", date(2028, 10, 1), books)
        assert [c["charge"] for c in shown["charges"] if "interruption" in c["charge"]] == wanted


# Forfeiture


def graded(held_on: str, course: str = "A", outcome: str = "passed") -> Any:
    grade = {"grade": 25} if outcome == "passed" else {}
    return ("exam-graded", held_on, "B", {"course": course, "held_on": held_on, "outcome": outcome, "cfu": 6,
                                          "session": "summer", "mode": "oral", **grade})


def forfeitable(books: LawBooks, on: str, *steps: Any) -> list[str]:
    [career] = status.answer(history(books, *ENROLLED, *steps), "S", date.fromisoformat(on), books)["careers"]
    return [change["on"] for change in career["upcoming"] if change["what"] == "forfeiture"]


TWO_YEARS = with_rules(DEC_1={"years": 2, "suspended": "do-not-count"})
EVERY_YEAR = with_rules(DEC_1={"years": 2, "suspended": "count"})


@pytest.mark.parametrize(("steps", "on", "foreseen"), [
    ((), "2025-10-01", ["2027-10-01"]),
    ((graded("2026-06-20", outcome="failed"),), "2026-06-20", ["2027-10-01"]),
    ((graded("2026-06-20"),), "2026-06-20", ["2028-10-01"]),
    ((graded("2026-06-20"), graded("2027-06-20", "B")), "2027-06-20", ["2029-10-01"]),
    ((graded("2026-06-20"), ("forfeited", "2028-10-02", "B", {})), "2028-10-02", []),
    ((), "2027-10-01", []),
])
def test_forfeiture_is_foreseen_when_a_book_states_the_years_without_exams(steps: Any, on: str,
                                                                          foreseen: list[str]) -> None:
    assert forfeitable(TWO_YEARS, on, *steps) == foreseen
    assert forfeitable(PACKAGED, on, *steps) == []


def test_years_of_suspension_count_towards_forfeiture_only_where_the_book_says_so() -> None:
    away: Any = ("suspended", "2026-10-02", "B", {})
    back: Any = ("resumed", "2027-10-01", "B", {})
    assert forfeitable(TWO_YEARS, "2026-10-02", away) == []
    assert forfeitable(TWO_YEARS, "2027-10-01", away, back) == ["2028-10-01"]
    assert forfeitable(EVERY_YEAR, "2026-10-02", away) == ["2027-10-01"]


def audited(books: LawBooks, on: str, *steps: Any) -> list[tuple[str, str]]:
    told = findings(history(books, *ENROLLED, *steps), date.fromisoformat(on), books)
    return [(found["severity"], found["rule"]) for found in told if found["rule"] == "DEC-1"]


@pytest.mark.parametrize(("day", "found"), [("2027-09-30", [("notice", "DEC-1")]), ("2027-10-01", [])])
def test_audit_tells_of_a_forfeiture_when_the_years_are_not_over(day: str, found: list[tuple[str, str]]) -> None:
    assert audited(TWO_YEARS, day, ("forfeited", day, "B", {})) == found


@pytest.mark.parametrize(("on", "found"), [("2027-09-30", []), ("2027-10-01", [("notice", "DEC-1")])])
def test_audit_tells_the_office_when_the_years_without_exams_are_over(on: str, found: list[tuple[str, str]]) -> None:
    assert audited(TWO_YEARS, on) == found


# Leaving


OUT = with_rules(TRO_1=WINDOW | {"late_until": date(2025, 11, 30)}, TRO_2={"amount": "111.00"})


@pytest.mark.parametrize(("on", "against", "charges"), [
    ("2026-07-31", ["TRO-1"], {"2025-26:transfer-out": "111.00", "2025-26:late-instance/transfer-out": "95.00"}),
    ("2026-08-01", [], {"2026-27:transfer-out": "111.00"}),
    ("2026-10-05", [], {"2026-27:transfer-out": "111.00"}),
    ("2026-10-06", [], {"2026-27:transfer-out": "111.00", "2026-27:late-instance/transfer-out": "95.00"}),
    ("2026-11-30", [], {"2026-27:transfer-out": "111.00", "2026-27:late-instance/transfer-out": "95.00"}),
    ("2026-12-01", ["TRO-1"], {"2026-27:transfer-out": "111.00", "2026-27:late-instance/transfer-out": "95.00"}),
])
def test_transfer_out_has_its_window_its_fee_and_its_late_amount(on: str, against: list[str],
                                                                 charges: dict[str, str]) -> None:
    leaving = {"to_university": "Elsewhere"}
    asked = judged(OUT, history(OUT, *ENROLLED), "transferred-out", on, "B", leaving)
    assert isinstance(asked, Accepted) if not against else rules_of(asked) == against
    gone = history(OUT, *ENROLLED, ("transferred-out", on, "B", leaving))
    shown = fees.answer(gone, "S", date.fromisoformat(on), OUT)
    assert {c["charge"]: c["amount"] for c in shown["charges"] if "transfer-out" in c["charge"]} == charges
    assert shown["to_decide"] == []


@pytest.mark.parametrize(("course_types", "bachelor", "master"), [
    (None, True, False), (["bachelor", "single-cycle"], False, True), (["bachelor", "master"], False, False)])
def test_first_year_stays_where_the_book_names_its_kind_of_programme(course_types: list[str] | None, bachelor: bool,
                                                                     master: bool) -> None:
    """2020-21 has the ban for bachelor's and single-cycle programmes, 2025-26 for master's."""
    books = with_rules(RIC_7={"course_types": course_types})
    for data, allowed in ((BACHELOR, bachelor), (MASTER, master)):
        events = history(books, ("enrolled", "2025-10-10", "B", data),
                         ("instalment-paid", "2025-10-10", "B", {"charge": "2025-26:enrolment", "amount": "156.00"}))
        for act, given in (("suspended", {}), ("transferred-out", {"to_university": "Elsewhere"})):
            asked = judged(books, events, act, "2026-09-30", "B", given)
            assert isinstance(asked, Accepted) if allowed else rules_of(asked) == ["RIC-7"]


# Renewal, part-time, the final exam


def test_renewal_is_refused_when_it_has_not_opened() -> None:
    books = with_rules(RNW_1={"first": date(2025, 8, 1)})
    events = history(books, ("enrolled", "2024-09-20", "B", BACHELOR | {"academic_year": "2024-25"}))
    renewal = {"academic_year": "2025-26", "year": 2, "standing": "regular"}
    assert rules_of(judged(books, events, "enrolment-renewed", "2025-07-31", "B", renewal)) == ["RNW-1"]
    assert isinstance(judged(books, events, "enrolment-renewed", "2025-08-01", "B", renewal), Accepted)


@pytest.mark.parametrize(("duty", "regime", "instalment"),
                         [(True, "full-time", "400.00"), (False, "part-time", "300.00")])
def test_renewal_beyond_the_course_is_full_time_where_the_guide_makes_it_a_duty(duty: bool, regime: str,
                                                                                instalment: str) -> None:
    books = with_rules(PT_6={"at_renewal": duty})
    events = history(
        books, ("enrolled", "2024-09-20", "B", BACHELOR | {
            "academic_year": "2024-25", "year": 3, "regime": "part-time", "category": "work"}),
        ("enrolment-renewed", "2025-09-10", "B", {"academic_year": "2025-26", "year": 3, "standing": "beyond-course"}),
        ("instalment-paid", "2025-09-10", "B", {"charge": "2025-26:enrolment", "amount": "156.00"}),
        ("contribution-assessed", "2026-01-10", "B", {"academic_year": "2025-26", "contribution": "600.00"}))
    [career] = status.answer(events, "S", date(2026, 1, 10), books)["careers"]
    assert career["regime"] == regime
    shown = {c["charge"]: c["amount"] for c in fees.answer(events, "S", date(2026, 1, 10), books)["charges"]}
    assert shown["2025-26:instalment-1"] == instalment


def test_final_exam_application_costs_its_stamps_once_and_blocks_nothing() -> None:
    books = with_rules(DEG_1={"amount": "32.00"})
    asked: Any = [("degree-candidacy-declared", on, "B", {"academic_year": "2025-26", "session": session})
                  for on, session in (("2026-05-02", "summer"), ("2026-09-02", "autumn"))]
    events = history(books, *ENROLLED, *asked)
    shown = fees.answer(events, "S", date(2026, 9, 3), books)
    assert [(c["charge"], c["amount"], c["state"]) for c in shown["charges"] if "final" in c["charge"]] == [
        ("2025-26:final-exam-application", "32.00", "payable")]
    assert shown["overdue"] == "0.00"
    assert isinstance(judged(books, events, "graduated", "2026-09-20", "B", {
        "academic_year": "2025-26", "session": "autumn"}), Accepted)


def test_re_enrolment_in_a_first_degree_is_asked_for_in_its_window() -> None:
    books = with_rules(REI_1={"first": date(2025, 8, 10), "until": date(2025, 9, 8), "late": True})
    events = history(books, ("enrolled", "2025-07-20", "B", BACHELOR))
    asked = {"kind": "re-enrolment", "academic_year": "2025-26"}
    assert rules_of(judged(books, events, "recognition-requested", "2025-08-09", "B", asked)) == ["REI-1"]
    for on, late in (("2025-09-08", False), ("2025-09-09", True)):
        requested = history(books, ("enrolled", "2025-07-20", "B", BACHELOR), ("recognition-requested", on, "B", asked))
        shown = {c["charge"] for c in fees.answer(requested, "S", date.fromisoformat(on), books)["charges"]}
        assert ("2025-26:late-instance/recognition" in shown) is late
