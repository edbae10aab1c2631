"""The life of a debt position: pure, from the timeline of its charge."""

import itertools
import json
import random
from datetime import date, timedelta
from decimal import Decimal

import pytest

from consumers.treasury import reference
from consumers.treasury.life import lives
from ledger.domain.events import Event
from ledger.projections.student.fees import answer as fees
from ledger.wire.state import PartRef
from tests.projections.populations import BOOKS, population, streams

from .treasury_ledger import RENEWALS, YEAR, as_events, assessed, enrolled, fact, life_of, on, paid, states_of

FIRST = "instalment-1"


@pytest.mark.parametrize(("day", "status", "to_pay", "valid_until"), [
    ("2026-01-10", "published", "400.00", "2026-02-17"),
    ("2026-02-17", "published", "400.00", "2026-02-17"),
    ("2026-02-18", "expired", "420.00", "2026-03-19"),
    ("2026-03-19", "expired", "420.00", "2026-03-19"),
    ("2026-03-20", "expired", "440.00", "2026-04-18"),
    ("2026-04-19", "expired", "460.00", "2026-05-18"),
    ("2026-05-19", "expired", "480.00", None),
    ("2030-01-01", "expired", "480.00", None),
])
def test_unpaid_instalment_expires_and_grows_by_the_tiers(day: str, status: str, to_pay: str,
                                                          valid_until: str | None) -> None:
    found = on(life_of(enrolled(), FIRST), day)
    assert found is not None
    assert (found.status, found.to_pay, found.surcharge) == (
        status, Decimal(to_pay), f"{YEAR}:late-fee/instalment-1" if found.accruing else None)
    assert (found.valid_until.isoformat() if found.valid_until else None) == valid_until


def test_nothing_is_published_before_the_charge_is_raised() -> None:
    life = life_of(enrolled(), FIRST)
    assert on(life, "2026-01-09") is None
    assert life[0].from_on == date(2026, 1, 10)


def test_life_has_no_holes() -> None:
    life = life_of(enrolled(), FIRST)
    assert life[-1].until_on is None
    assert all(a.until_on == b.from_on for a, b in itertools.pairwise(life))


def test_paid_in_time() -> None:
    life = life_of([*enrolled(), paid("p", "2026-02-17", FIRST, "400.00")], FIRST)
    assert [p.status for p in life] == ["published", "paid"]
    assert (life[1].from_on, life[1].paid_on, life[1].to_pay) == (date(2026, 2, 17), date(2026, 2, 17), Decimal("0.00"))


def test_paid_in_parts_asks_for_the_rest() -> None:
    life = life_of([*enrolled(), paid("p", "2026-02-01", FIRST, "150.00")], FIRST)
    assert [on(life, d).to_pay for d in ("2026-01-31", "2026-02-01", "2026-02-18")] == [
        Decimal("400.00"), Decimal("250.00"), Decimal("270.00")]


def test_late_payment_publishes_the_surcharge_as_a_position_of_its_own() -> None:
    history = [*enrolled(), paid("p", "2026-03-20", FIRST, "400.00")]
    assert on(life_of(history, FIRST), "2026-03-20").status == "paid"
    fee = life_of(history, "late-fee/instalment-1")
    assert (fee[0].from_on, fee[0].status, fee[0].to_pay) == (date(2026, 3, 20), "published", Decimal("40.00"))


def test_surcharge_has_no_date_of_its_own_and_expires_after_the_day_it_is_raised() -> None:
    fee = life_of([*enrolled(), paid("p", "2026-03-20", FIRST, "400.00")], "late-fee/instalment-1")
    assert [(p.from_on, p.status, p.due_on) for p in fee] == [
        (date(2026, 3, 20), "published", None), (date(2026, 3, 21), "expired", None)]


def test_second_surcharge_of_a_kind_gets_the_next_key() -> None:
    history = [*enrolled(), PLAN, paid("p", "2026-04-10", FIRST, "150.00")]
    found = on(life_of(history, PARTS[1]), "2026-05-01")
    assert found is not None
    assert (found.outstanding, found.surcharge) == (Decimal("250.00"), f"{YEAR}:late-fee/instalment-1#2")


def test_late_first_enrolment_accrues_the_late_instance() -> None:
    history = [fact("e", "enrolled", "2025-10-10",
                    {"programme": "L-FIL", "academic_year": YEAR, "course_type": "bachelor",
                                                    "access": "open", "year": 1, "regime": "full-time"})]
    found = on(life_of(history, "enrolment"), "2025-10-12")
    assert found is not None
    assert (found.to_pay, found.surcharge) == (Decimal("251.00"), f"{YEAR}:late-instance")


def test_waived_by_a_withdrawal_is_cancelled() -> None:
    life = life_of([*enrolled(), fact("w", "withdrawal-requested", "2026-02-01", {}),
                    paid("s", "2026-02-02", "withdrawal-stamp", "16.00")], FIRST)
    assert [(p.from_on, p.status) for p in life] == [(date(2026, 1, 10), "published"), (date(2026, 2, 1), "cancelled")]


def test_withdrawal_that_lapses_brings_the_position_back_and_cancels_its_stamp() -> None:
    history = [*enrolled(), fact("w", "withdrawal-requested", "2026-02-01", {})]
    assert [on(life_of(history, FIRST), d).status for d in ("2026-02-01", "2026-03-03", "2026-03-04")] == [
        "cancelled", "cancelled", "expired"]
    assert [on(life_of(history, "withdrawal-stamp"), d).status for d in ("2026-02-01", "2026-03-04")] == [
        "published", "cancelled"]


def test_decided_away_by_an_officer_is_cancelled() -> None:
    life = life_of([*enrolled(), fact("d", "charge-decided", "2026-02-03",
                                      {"charge": f"{YEAR}:{FIRST}", "amount": "0.00",
                                                                            "reason": "-", "authority": "office"})],
                   FIRST)
    assert [p.status for p in life] == ["published", "cancelled"]


def test_money_moved_away_cancels() -> None:
    history = [*RENEWALS, paid("p", "2025-09-15", "enrolment", "156.00"),
               fact("g", "graduated", "2025-10-27", {"academic_year": "2024-25", "session": "autumn"}),
               fact("m", "enrolled", "2025-10-28",
                    {"programme": "LM", "academic_year": YEAR, "course_type": "master", "access": "open",
                                                    "year": 1, "regime": "full-time"}, career="M"),
               fact("v", "payment-moved", "2025-11-03",
                    {"from_charge": f"{YEAR}:enrolment", "to_charge": f"{YEAR}:enrolment",
                                                         "amount": "156.00", "to_career": "M"})]
    assert [on(life_of(history, "enrolment"), d).status for d in ("2025-09-14", "2025-09-15",
                                                                  "2025-10-27", "2025-11-03")] == [
        "published", "paid", "refund-due", "cancelled"]
    assert on(life_of(history, "enrolment", "M"), "2025-11-03").status == "paid"


def test_graduate_s_renewal_is_refund_due_until_it_is_given_back() -> None:
    history = [*RENEWALS, paid("p", "2025-09-15", "enrolment", "156.00"),
               fact("g", "graduated", "2025-11-20", {"academic_year": "2024-25", "session": "autumn"}),
               fact("b", "payment-refunded", "2025-12-10", {"charge": f"{YEAR}:enrolment", "amount": "140.00"})]
    life = life_of(history, "enrolment")
    due = on(life, "2025-11-20")
    assert due is not None
    assert (due.status, due.refund, due.refund_by, due.refund_rule) == ("refund-due", Decimal("140.00"),
                                                                        date(2026, 2, 28), "LAU-2")
    assert on(life, "2025-12-10").status == "paid"


def test_credit_is_refund_due() -> None:
    life = life_of([*enrolled(), paid("p", "2026-02-10", FIRST, "430.00")], FIRST)
    found = on(life, "2026-02-10")
    assert found is not None
    assert (found.status, found.credit, found.to_pay) == ("refund-due", Decimal("30.00"), Decimal("0.00"))


PLAN = fact("i", "instalment-plan-agreed", "2026-02-01", {
    "charges": [f"{YEAR}:{FIRST}"], "motivated": True,
    "instalments": [{"due_on": "2026-03-31", "amount": "150.00"}, {"due_on": "2026-04-30", "amount": "250.00"}]})
PARTS = (f"{FIRST}@2026-03-31", f"{FIRST}@2026-04-30")


def test_each_part_of_an_agreed_plan_is_a_position_of_its_own() -> None:
    history = [*enrolled(), PLAN, paid("p", "2026-04-10", FIRST, "150.00")]
    whole, one, two = (life_of(history, kind) for kind in (FIRST, *PARTS))
    assert [(p.from_on, p.status, p.to_pay) for p in whole] == [
        (date(2026, 1, 10), "published", Decimal("400.00")), (date(2026, 2, 1), "cancelled", Decimal("0.00"))]
    assert [(p.from_on, p.status, p.to_pay, p.surcharge) for p in one] == [
        (date(2026, 2, 1), "published", Decimal("150.00"), None),
        (date(2026, 4, 1), "expired", Decimal("170.00"), f"{YEAR}:late-fee/{FIRST}"),
        (date(2026, 4, 10), "paid", Decimal("0.00"), None)]
    assert [(p.from_on, p.status, p.to_pay) for p in two][:2] == [
        (date(2026, 2, 1), "published", Decimal("250.00")), (date(2026, 5, 1), "expired", Decimal("270.00"))]


def test_what_was_paid_before_a_plan_stays_with_the_first_position() -> None:
    history = [*enrolled(), paid("p", "2026-01-20", FIRST, "100.00"), PLAN | {"data": PLAN["data"] | {
        "instalments": [{"due_on": "2026-03-31", "amount": "300.00"}]}}]
    assert [(p.status, p.paid) for p in life_of(history, FIRST)][-1] == ("paid", Decimal("100.00"))
    assert life_of(history, PARTS[0])[0].to_pay == Decimal("300.00")


def test_plan_that_is_voided_cancels_its_positions_and_brings_the_first_back() -> None:
    known = [(f"{YEAR}:{part}", date(2026, 2, 1)) for part in PARTS]
    history = [*enrolled(), PLAN,
               fact("v", "event-voided", "2026-02-03", {"event": "i", "reason": "error", "authority": "office"})]
    found = lives(states_of(as_events(history))["B"].charges, known)
    assert {found[part][-1].status for part, _ in known} == {"cancelled"}
    assert on(found[f"{YEAR}:{FIRST}"], "2026-02-03").status == "published"


def test_what_a_later_assessment_adds_is_a_position_beside_the_first() -> None:
    """AMB-46: what is added is due later; the reference of the first part stays good."""
    [span, *_] = [c for c in states_of(as_events(enrolled()))["B"].charges if c.charge.endswith(FIRST)]
    later = span.model_copy(update={"until": None, "outstanding": Decimal("100.00"), "paid": Decimal("300.00"),
                                    "parts": tuple(
        PartRef.model_validate_json(json.dumps({"due_on": day, "amount": amount, "outstanding": owed}))
        for day, amount, owed in (("2026-02-17", "300.00", "0.00"), ("2026-05-15", "100.00", "100.00")))})
    found = lives([later])
    assert {position.removeprefix(f"{YEAR}:"): (life[0].status, life[0].to_pay)
            for position, life in found.items()} == {
        FIRST: ("paid", Decimal("0.00")), f"{FIRST}@2026-05-15": ("published", Decimal("100.00"))}


def test_instalment_that_a_later_assessment_drops_is_cancelled() -> None:
    life = life_of([*enrolled(), assessed("a", "2026-02-01", "420.00")], "instalment-2")
    assert [(p.from_on, p.status) for p in life] == [(date(2026, 1, 10), "published"), (date(2026, 2, 1), "cancelled")]


def test_charge_that_was_voided_altogether_is_cancelled_from_its_publication() -> None:
    found = lives([], [("2025-26:instalment-1", date(2026, 1, 10))])
    [period] = found["2025-26:instalment-1"]
    assert (period.from_on, period.until_on, period.status) == (date(2026, 1, 10), None, "cancelled")


def test_payable_charge_expires_with_its_own_date_and_stays_payable() -> None:
    """Single courses: 15 days from issue, never overdue in the ledger."""
    history = [fact("c", "single-courses-enrolled", "2025-10-10", {
        "academic_year": YEAR, "issued_on": "2025-10-10",
        "courses": [{"code": "C1", "cfu": 6, "lectures_end_on": "2025-12-20"}]})]
    life = life_of(history, "single-courses")
    assert [(p.from_on, p.status, p.to_pay) for p in life] == [
        (date(2025, 10, 10), "published", Decimal("150.00")), (date(2025, 10, 26), "expired", Decimal("150.00"))]


def _expected(charge: dict[str, str], day: date) -> str:
    """The status that the ledger's own answer to `fees` stands for."""
    if Decimal(charge["outstanding"]) > 0:
        late = charge["due_on"] and day > date.fromisoformat(charge["due_on"])
        return "expired" if charge["state"] == "overdue" or late else "published"
    if charge.get("refundable") or Decimal(charge.get("credit") or "0") > 0:
        return "refund-due"
    return "paid" if charge["state"] == "paid" else "cancelled"


@pytest.mark.parametrize("seed", [11, 12])
def test_life_equals_the_ledgers_answer_on_any_day(seed: int) -> None:
    pick = random.Random(seed)
    met: dict[str, int] = {}
    for student, events in streams(e.placed(n) for n, e in enumerate(population(60, seed), 1)).items():
        for career, state in states_of(events).items():
            found = lives(state.charges)
            for day in _days(events, found, pick):
                owed = {c["charge"]: c for c in fees(events, student, day, BOOKS)["charges"] if c["career"] == career}
                asked: dict[str, list[Decimal]] = {}
                for position, life in found.items():
                    period, charge = on(life, day.isoformat()), reference.charge_of(position)
                    if charge not in owed:
                        assert period is None or period.status == "cancelled"
                        continue
                    sums = asked.setdefault(charge, [Decimal(0), Decimal(0)])
                    if period is None:
                        assert position != charge
                        continue
                    sums[0], sums[1] = sums[0] + period.outstanding, sums[1] + period.accruing
                    if "parts" in owed[charge] or position != charge:
                        met["part"] = 1
                    elif period.credit == 0:
                        assert period.status == _expected(owed[charge], day), (student, career, charge, day)
                    met[period.status] = met.get(period.status, 0) + 1
                assert asked == {charge: [Decimal(owed[charge][name]) for name in ("outstanding", "accruing")]
                                 for charge in asked}
    assert set(met) >= {"published", "expired", "paid", "cancelled", "part"}


def _days(events: list[Event], found: dict[str, list], pick: random.Random) -> list[date]:
    days = {e.effective_on for e in events} | {p.from_on for life in found.values() for p in life}
    days = {day + timedelta(days=n) for day in days for n in (-1, 0)}
    return pick.sample(sorted(days), min(len(days), 20))


# The reference


def test_reference_has_17_digits_and_the_check_digits_of_the_scheme() -> None:
    found = reference.iuv("S1", "B", "2025-26:instalment-1")
    assert len(found) == 17
    assert found.isdigit()
    assert int(f"3{found[:15]}") % 93 == int(found[15:])
    assert reference.read(found) == found
    assert reference.notice_number(found) == f"3{found}"


def test_check_digits_of_a_number_computed_by_hand() -> None:
    """3 00 0000000000001 = 3,000,000,000,000,001; 10^15 mod 93 = 1, so that 3 + 1 = 4 stays."""
    assert reference.read("00000000000000104") == "00000000000000104"


def test_reference_is_the_same_wherever_it_is_computed_and_differs_by_charge_career_and_attempt() -> None:
    assert reference.iuv("S1", "B", "x") == reference.iuv("S1", "B", "x")
    assert len({reference.iuv("S1", "B", "x"), reference.iuv("S1", "B", "y"), reference.iuv("S1", "C", "x"),
                reference.iuv("S2", "B", "x"), reference.iuv("S1", "B", "x", 1)}) == 5


def test_segregation_code_leads() -> None:
    assert reference.iuv("S1", "B", "x", segregation="07").startswith("07")
    with pytest.raises(ValueError, match="two digits"):
        reference.iuv("S1", "B", "x", segregation="7")


def test_mistyped_digit_is_found() -> None:
    """Each single wrong digit: a step of the digit never is a multiple of 93, since no power of ten is."""
    good = reference.iuv("S1", "B", "x")
    for place in range(17):
        for digit in "0123456789":
            if digit != good[place]:
                with pytest.raises(ValueError, match=r"^form/iuv-check-digits$"):
                    reference.read(good[:place] + digit + good[place + 1:])


@pytest.mark.parametrize("text", ["", "1" * 16, "1" * 19, "1234567890123456x", "١" * 17])
def test_reference_of_another_form_is_found(text: str) -> None:
    with pytest.raises(ValueError, match=r"^form/iuv$"):
        reference.read(text)


def test_notice_number_is_read_as_the_reference_in_it() -> None:
    good = reference.iuv("S1", "B", "x")
    assert reference.read("3" + good) == good
    for digit in "0124":
        with pytest.raises(ValueError, match=r"^form/iuv-first-digit$"):
            reference.read(digit + good)


def test_reason_for_payment_says_what_and_when_and_nothing_of_the_person() -> None:
    assert reference.reason_for_payment("2025-26:instalment-1") == "Contributo onnicomprensivo, prima rata 2025-26"
    assert reference.reason_for_payment("2025-26:instalment-2@2026-06-30") == (
        "Contributo onnicomprensivo, seconda rata 2025-26, rata del 30/06/2026")
    assert reference.reason_for_payment("2025-26:recognition#2") == "Contributo per riconoscimento 2025-26"
    assert {reference.reason_for_payment(f"2025-26:{kind}") for kind in ("late-fee/instalment-1",
                                                                         "isee-penalty", "late-instance")} == {
        "Importo aggiuntivo 2025-26"}
