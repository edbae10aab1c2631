"""What years.md 3.2-3.8 asks of unknown values: lazy, for an officer, no money raised, waived or remitted, no block in
force or absent; an officer's decision settles them."""

import json
from datetime import date, timedelta
from decimal import Decimal
from importlib.resources import files
from io import StringIO
from typing import Any

import pytest

from ledger.domain.decisions import reasons_against_act
from ledger.domain.events import ExamBooked
from ledger.domain.law.contribution import instalment_amounts
from ledger.domain.rulebook import UnknownValue
from ledger.domain.timelines import timelines
from ledger.entrypoints.text import Page
from ledger.projections.student import history
from ledger.relay.states import states
from ledger.rulebooks.loader import packaged_readings, read_book
from ledger.wire.career import person_on
from ledger.wire.message import encode
from ledger.wire.state import CareerState
from ledger.words import told

from .memory import MemoryLedger
from .test_rule_that_a_book_lacks import BOOKS
from .test_rule_that_is_unknown import LOOKED_FOR, unknowing

YEAR, CALL = "2025-26", {"course": "A", "academic_year": "2025-26", "session": "summer", "mode": "written"}
PLAN = {"academic_year": YEAR, "courses": [{"code": "A", "cfu": 6, "year": 1, "semester": 1,
                                            "lectures_end_on": "2025-12-20"}]}
FIRST, SECOND = f"{YEAR}:instalment-1", f"{YEAR}:instalment-2"


class Story:
    """A bachelor's career of 2025-26 under books of which some rules are unknown."""

    def __init__(self, *unknown: str, contribution: str = "1200.00") -> None:
        self.ledger, self.count = MemoryLedger(unknowing(YEAR, *unknown)), 0
        self.add("enrolled", "2025-09-10", programme="L-FIL", academic_year=YEAR, course_type="bachelor",
                 access="open", year=1, regime="full-time")
        self.pay(f"{YEAR}:enrolment", "156.00", "2025-09-12")
        self.add("study-plan-approved", "2025-11-10", **PLAN)
        if contribution:
            self.add("contribution-assessed", "2026-01-10", academic_year=YEAR, contribution=contribution)

    def add(self, type_: str, on: str, mode: Any = "enforce", **data: Any) -> dict[str, Any]:
        self.count += 1
        line = {"id": f"e{self.count}", "type": type_, "student": "s", "career": "B", "effective_on": on,
                "recorded_at": f"{on}T10:00:00Z", "source": "t", "actor": "t", "data": data}
        row: dict[str, Any] = next(iter(self.ledger.append_lines([json.dumps(line).encode()], mode)))
        return row

    def pay(self, charge: str, amount: str, on: str) -> None:
        assert self.add("instalment-paid", on, charge=charge, amount=amount)["outcome"] == "accepted"

    def fees(self, on: str) -> dict[str, Any]:
        found: dict[str, Any] = told(self.ledger.fees("s", date.fromisoformat(on)))
        return found

    def charges(self, on: str) -> dict[str, dict[str, Any]]:
        return {row["charge"]: row for row in self.fees(on)["charges"]}

    def unknown(self, on: str) -> set[tuple[str, str, str]]:
        """(about, name, rule) of everything that the status says is not known."""
        [career] = told(self.ledger.status("s", date.fromisoformat(on)))["careers"]
        return {(gap["about"], gap["name"], gap["missing"]["rule"]) for gap in career.get("unknown", ())}

    def blocks(self, on: str) -> list[str]:
        [career] = told(self.ledger.status("s", date.fromisoformat(on)))["careers"]
        return sorted(block["kind"] for block in career["blocks"])

    def against_booking(self, on: str) -> list[str]:
        """The rules against a call ten days later, as the ledger says and as the booking gate would."""
        day = date.fromisoformat(on)
        held_on = day + timedelta(days=10)
        call = ExamBooked.model_validate(CALL | {"held_on": held_on, "calls_start_on": day})
        answer = self.ledger.eligibility("s", day, "B", call)
        [state] = states(self.ledger.streams["s"], "s", self.ledger.books)
        person = person_on(CareerState.model_validate_json(encode(state)), day)
        gate = reasons_against_act("exam-booked", call, day, person, "B", self.ledger.books)
        rules = [reason["rule"] for reason in answer["reasons"]]
        assert [reason.rule for reason in gate] == rules
        assert answer["eligible"] is not bool(rules)
        return rules


def test_contribution_is_neither_asked_nor_remitted_when_its_split_is_unknown() -> None:
    story = Story("RAT-5", "RAT-6")
    found = story.fees("2026-02-01")
    assert [row["charge"] for row in found["charges"]] == [f"{YEAR}:enrolment"]
    assert (found["remitted"], found["overdue"]) == ([], "0.00")
    assert {(gap["name"], gap["missing"]["rule"]) for gap in found["unknown"]} == {(FIRST, "RAT-5"), (SECOND, "RAT-5")}
    assert {gap["missing"]["value"] for gap in found["unknown"]} == {f"{LOOKED_FOR}; RAT-6: {LOOKED_FOR}"}
    assert story.against_booking("2026-02-10") == []  # nothing is due yet
    assert story.blocks("2026-06-30") == []
    blocks = {name for about, name, _ in story.unknown("2026-06-30") if about == "block"}
    assert blocks == {"exam-booking", "final-exam"}
    assert story.against_booking("2026-06-30") == ["UNKNOWN-VALUE"]
    degree = story.add("graduated", "2026-06-30", academic_year=YEAR, session="summer")
    assert [reason["rule"] for reason in degree["reasons"]] == ["UNKNOWN-VALUE"]


def test_contribution_is_split_when_the_last_of_its_unknown_rules_is_filled_in() -> None:
    lines = (files("ledger.rulebooks") / "2024-25.yaml").read_text().splitlines()
    seen = "document: students-2024-25, heading: x, says: x"
    filled = {"  RAT-5:": f'  RAT-5: {{{seen}, up_to: "430.00"}}',
              "  RAT-6:": f'  RAT-6: {{{seen}, below: "10.00", remits: the-total}}'}
    lines = [filled.get(line[:8], line) for line in lines]
    with pytest.raises(UnknownValue, match=r"^RAT-4"):
        _split(lines)
    assert _split([line for line in lines if "{share: how the second" not in line]) == [
        ("instalment-1", "400.00"), ("instalment-2", "800.00")]


def _split(lines: list[str]) -> list[tuple[str, str]]:
    book = read_book("2024-25.yaml", "\n".join(lines).encode(), packaged_readings())
    found = instalment_amounts(book.rules, Decimal("1200.00"), False, False)
    return [(kind, str(amount)) for kind, amount, *_ in found]


def test_charges_and_blocks_stand_in_one_line_when_the_same_value_is_missing() -> None:
    shown = StringIO()
    Page(shown, "it").fees(told(Story("RAT-5", "RAT-6").ledger.fees("s", date(2026, 6, 30)), "it"))
    text = " ".join(shown.getvalue().split())
    assert f"B: Prima rata {YEAR}, seconda rata {YEAR}: non si sa se il pagamento sia dovuto" in text
    assert ("attivo il blocco alla prenotazione degli appelli d'esame o il blocco all'ammissione alla prova finale: "
            in text)
    assert text.count("manca RAT-5") == 2


def test_exempt_student_owes_nothing_when_the_split_is_unknown() -> None:
    story = Story("RAT-5", "RAT-6", contribution="")
    story.add("contribution-assessed", "2026-01-10", academic_year=YEAR, contribution="0.00", exempt=True)
    assert story.unknown("2026-06-30") == set()
    assert story.against_booking("2026-06-30") == []


def test_decided_instalments_have_the_due_dates_and_tiers_of_the_book_when_the_split_is_unknown() -> None:
    story = Story("RAT-5")
    for charge, amount in ((FIRST, "400.00"), (SECOND, "800.00")):
        assert story.add("charge-decided", "2026-01-20", charge=charge, amount=amount, reason="by the office",
                         authority="office")["outcome"] == "accepted"
    assert story.unknown("2026-01-20") == set()
    row = story.charges("2026-02-01")[FIRST]
    assert (row["amount"], row["due_on"], row["unknown"]["missing"]["rule"]) == ("400.00", "2026-02-17", "RAT-5")
    assert story.blocks("2026-03-20") == ["exam-booking", "final-exam"]
    story.pay(FIRST, "400.00", "2026-04-03")  # day 45
    assert story.charges("2026-04-03")[f"{YEAR}:late-fee/instalment-1"]["amount"] == "40.00"


def test_late_payment_costs_nothing_yet_when_the_tiers_are_unknown() -> None:
    story = Story("MOR-1")
    story.pay(FIRST, "400.00", "2026-04-05")
    assert f"{YEAR}:late-fee/instalment-1" not in story.charges("2026-04-05")
    assert ("charge", f"{YEAR}:late-fee/instalment-1", "MOR-1") in story.unknown("2026-04-05")
    findings = [told(row) for row in story.ledger.audit(["s"], date(2026, 4, 10))]
    assert {(row["rule"], row["severity"]) for row in findings} == {("UNKNOWN-VALUE", "notice")}
    assert story.add("charge-decided", "2026-04-11", charge=f"{YEAR}:late-fee/instalment-1", amount="40.00",
                     reason="x", authority="office")["outcome"] == "accepted"
    assert story.unknown("2026-04-11") == set()
    assert story.charges("2026-04-11")[f"{YEAR}:late-fee/instalment-1"]["amount"] == "40.00"


def test_debtor_is_neither_let_through_nor_blocked_when_the_booking_block_is_unknown() -> None:
    story = Story("BLK-1")
    assert story.against_booking("2026-02-10") == []
    assert story.blocks("2026-04-05") == ["final-exam"]
    assert story.unknown("2026-04-05") == {("block", "exam-booking", "BLK-1")}
    assert story.against_booking("2026-04-05") == ["UNKNOWN-VALUE"]
    rows = timelines(story.ledger.streams["s"], "s", story.ledger.books)["blocks"]
    assert ("B", "exam-booking", "UNKNOWN-VALUE", None, date(2026, 2, 18), None, None) in rows
    story.pay(FIRST, "400.00", "2026-04-06")
    assert story.against_booking("2026-04-06") == []


def test_booking_block_decides_when_only_the_administrative_block_is_unknown() -> None:
    story = Story("BLK-3")
    assert story.blocks("2026-03-20") == ["exam-booking", "final-exam"]
    assert story.unknown("2026-03-20") == {("block", "administrative", "BLK-3")}
    assert story.against_booking("2026-03-20") == ["BLK-1", "UNKNOWN-VALUE"]
    suspended = story.add("suspended", "2026-03-20")
    assert [reason["rule"] for reason in suspended["reasons"]] == ["UNKNOWN-VALUE"]


@pytest.mark.parametrize(("issued", "asked"), [("2025-12-20", set()),
                                               ("2026-02-01", {("charge", f"{YEAR}:isee-penalty", "ISE-2")})])
def test_late_attestation_raises_nothing_when_the_fine_is_unknown(issued: str, asked: set[Any]) -> None:
    story = Story("ISE-2", contribution="")
    story.add("isee-certified", "2026-02-02", academic_year=YEAR, issued_on=issued, valid_for_university=True)
    assert story.unknown("2026-02-02") == asked
    assert f"{YEAR}:isee-penalty" not in story.charges("2026-02-02")


def test_enrolment_waits_when_nobody_can_tell_what_perfects_it() -> None:
    story = Story("RAT-2", contribution="")
    assert story.unknown("2025-09-10") == {("enrolment", YEAR, "RAT-2")}
    assert story.unknown("2025-09-12") == set()


@pytest.mark.parametrize(("on", "year"), [("2024-09-30", None), ("2024-10-01", "2024-25"), ("2025-09-30", "2024-25"),
                                          ("2025-10-01", "2025-26"), ("2027-02-01", "2025-26")])
def test_forfeiture_stays_an_open_question_from_year_to_year(on: str, year: str | None) -> None:
    ledger = MemoryLedger(BOOKS)
    for number, (kind, data) in enumerate((
            ("enrolled", {"programme": "L-FIL", "academic_year": "2023-24", "course_type": "bachelor",
                          "access": "open", "year": 1, "regime": "full-time"}),
            ("instalment-paid", {"charge": "2023-24:enrolment", "amount": "156.00"}))):
        line = {"id": f"e{number}", "type": kind, "student": "s", "career": "B", "effective_on": "2023-09-20",
                "recorded_at": "2023-09-20T10:00:00Z", "source": "t", "actor": "t", "data": data}
        assert next(iter(ledger.append_lines([json.dumps(line).encode()], "record")))["outcome"] == "accepted"
    [career] = told(ledger.status("s", date.fromisoformat(on)))["careers"]
    found = [gap["missing"] for gap in career.get("unknown", ()) if gap["about"] == "forfeiture"]
    assert [(one["rule"], one["academic_year"]) for one in found] == ([("DEC-1", year)] if year else [])
    [state] = states(ledger.streams["s"], "s", BOOKS)
    sent = CareerState.model_validate_json(encode(state)).forfeiture
    assert [one.unknown.academic_year for one in sent if one.holds_on(date.fromisoformat(on)) and one.unknown] == (
        [year] if year else [])


RESERVED = {"programme": "LM-A", "course_type": "master", "access": "open", "year": 1, "regime": "full-time",
            "ground": "degree-pending", "missing_exams": 1, "missing_cfu": 6, "home_university": "other"}


@pytest.mark.parametrize(("language", "words"), [("en", "is not known"), ("it", "non è noto")])
def test_reservation_names_no_day_when_its_term_is_not_known(language: Any, words: str) -> None:
    reasons = _against_a_call(_reserved("2021-22"), language)
    assert words in str(next(row["clears"] for row in reasons if row["rule"] == "ESA-5"))


def test_reservation_that_waits_for_a_degree_asks_nothing_of_single_courses() -> None:
    ledger = _reserved("2024-25")
    found = str([told(row) for row in ledger.audit(["s"], date(2024, 11, 1))])
    assert "RIS-6" in found
    assert "RIS-3" not in found
    assert "ESA-5" not in [row["rule"] for row in _against_a_call(ledger)]  # whether it still runs is not known


def test_history_names_the_years_without_a_book() -> None:
    [line] = history.answer(_reserved("2021-22").streams["s"], "s", date(2024, 11, 1), BOOKS)
    assert line["unruled_years"] == ["2021-22"]


def _reserved(year: str) -> MemoryLedger:
    ledger, on = MemoryLedger(BOOKS), f"{year[:4]}-09-20"
    line = {"id": "e1", "type": "enrolled-with-reservation", "student": "s", "career": "B", "effective_on": on,
            "recorded_at": f"{on}T10:00:00Z", "source": "t", "actor": "t", "data": RESERVED | {"academic_year": year}}
    assert next(iter(ledger.append_lines([json.dumps(line).encode()], "record")))["outcome"] == "accepted"
    return ledger


def _against_a_call(ledger: MemoryLedger, language: Any = "en") -> list[dict[str, Any]]:
    """On 1 November 2024, as the ledger and the booking gate say."""
    day = date(2024, 11, 1)
    call = ExamBooked.model_validate(CALL | {"held_on": "2024-11-20", "calls_start_on": "2024-11-10",
                                             "academic_year": "2024-25"})
    reasons: list[dict[str, Any]] = told(ledger.eligibility("s", day, "B", call), language)["reasons"]
    [state] = states(ledger.streams["s"], "s", BOOKS)
    person = person_on(CareerState.model_validate_json(encode(state)), day)
    gate = reasons_against_act("exam-booked", call, day, person, "B", BOOKS)
    assert [reason.rule for reason in gate] == [row["rule"] for row in reasons]
    return reasons
