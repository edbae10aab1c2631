"""What lifts a block under an agreed instalment plan is the part that has passed, and every
answer says so (RAT-7, AMB-19)."""

from datetime import date
from typing import Any

from ledger.domain.decisions import Refused
from ledger.projections.student import status
from ledger.relay.states import states
from ledger.rulebooks.loader import load_books
from ledger.wire.message import encode
from ledger.wire.state import CareerState
from ledger.words import remedy, sentence, told

from .test_switches import ENROLLED, history, judged

BOOKS = load_books()
SECOND = "2025-26:instalment-2"
EVENTS = history(
    BOOKS, *ENROLLED,
    ("contribution-assessed", "2026-01-10", "B", {"academic_year": "2025-26", "contribution": "1500.00"}),
    ("instalment-paid", "2026-02-10", "B", {"charge": "2025-26:instalment-1", "amount": "400.00"}),
    ("instalment-plan-agreed", "2026-05-10", "B", {"charges": [SECOND], "instalments": [
        {"due_on": "2026-05-20", "amount": "100.00"}, {"due_on": "2026-08-10", "amount": "300.00"},
        {"due_on": "2026-10-31", "amount": "700.00"}]}))
CALL = {"course": "A", "held_on": "2026-09-20", "academic_year": "2025-26", "session": "autumn",
        "calls_start_on": "2026-09-15", "mode": "oral"}


def _blocks(on: str) -> dict[str, dict[str, Any]]:
    [career] = status.answer(EVENTS, "S", date.fromisoformat(on), BOOKS)["careers"]
    return {block["kind"]: block for block in career["blocks"]}


def test_block_names_the_part_that_has_passed_and_cites_the_plan_when_a_plan_date_is_missed() -> None:
    for block in _blocks("2026-06-20").values():
        assert (block["amount"], told(block)["how_to_lift"]) == ("100.00", "pay €100.00 for second instalment 2025-26")
        assert {"event": "e5", "on": "2026-05-10"} in block["facts"]


def test_each_block_asks_for_what_lifts_it_when_parts_have_passed_at_different_times() -> None:
    """The booking block needs what is unpaid for 30 days, the final exam everything that is overdue."""
    found = {kind: block["amount"] for kind, block in _blocks("2026-08-15").items()}
    assert found == {"exam-booking": "100.00", "final-exam": "400.00"}
    assert {kind: block["amount"] for kind, block in _blocks("2026-11-01").items()} == {
        "administrative": "1100.00", "exam-booking": "400.00", "final-exam": "1100.00"}


def test_refusals_name_the_part_and_the_plan_when_a_plan_date_is_missed() -> None:
    asked = {"BLK-1": ("exam-booked", CALL), "RIN-4": ("withdrawal-requested", {}),
             "BLK-2": ("graduated", {"academic_year": "2025-26", "session": "summer"})}
    for rule, (kind, data) in asked.items():
        refused = judged(BOOKS, EVENTS, kind, "2026-07-01", "B", data)
        assert isinstance(refused, Refused)
        [reason] = [r for r in refused.reasons if r.rule == rule]
        said = sentence(reason.message)
        assert "100.00" in said + (remedy(reason.message) if reason.clears else ""), reason
        assert "1,100.00" not in said, reason
        assert any(fact.event == "e5" for fact in reason.facts), reason


def test_state_message_has_every_part_of_a_plan_with_date_and_amount() -> None:
    [state] = [CareerState.model_validate_json(encode(s)) for s in states(EVENTS, "S", BOOKS)]
    spans = [c for c in state.charges if c.charge == SECOND and c.plan is not None]
    assert [(s.from_.isoformat(), str(s.overdue)) for s in spans if s.from_ != date(2026, 6, 20)][:2] == [
        ("2026-05-10", "0.00"), ("2026-05-21", "100.00")]
    assert (spans[0].plan.event, spans[0].plan.agreed_on) == ("e5", date(2026, 5, 10))  # type: ignore[union-attr]
    assert [(p.due_on.isoformat(), str(p.amount), str(p.outstanding)) for p in spans[0].parts] == [
        ("2026-05-20", "100.00", "100.00"), ("2026-08-10", "300.00", "300.00"), ("2026-10-31", "700.00", "700.00")]
