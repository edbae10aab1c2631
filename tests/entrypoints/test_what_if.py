"""What if more had happened: both answers, what differs, and nothing stored."""

import json
import re
from typing import Any

import pytest

from ledger.entrypoints.compared import Cell, cells

from .test_questions import CALL

PAID = ("instalment-paid", "2026-03-20", {"charge": "2025-26:instalment-1", "amount": "400.00"})
ON = ("--on", "2026-03-20")


@pytest.fixture
def asked(ledger, lines, line) -> Any:
    def ask(*events: tuple[Any, ...], options: tuple[str, ...] = ON, code: int = 0) -> Any:
        given = lines(*(line(f"w{n}", *event[:3], **{"recorded_at": None, **dict(event[3:])})
                        for n, event in enumerate(events)))
        done = ledger("what-if", "S01", "--with", "-", "--json", *options, given=given)
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)

    return ask


def test_payment_lifts_the_block_and_nothing_is_stored(ledger, asked) -> None:
    def answers() -> list[Any]:
        return [json.loads(ledger(question, "S01", *ON, "--json").stdout) for question in ("status", "fees")]

    stood = answers()
    found = asked(PAID)
    assert found["outcomes"] == [{"id": "w0", "outcome": "accepted", "version": 4}]
    assert [found["before"]["status"], found["before"]["fees"]] == stood
    assert found["after"]["fees"]["overdue"] == "0.00"
    assert (found["known_position"], found["after"]["status"]["known_position"]) == (3, 3)
    assert "exam-booking" not in [one["kind"] for one in found["after"]["status"]["careers"][0]["blocks"]]
    assert answers() == stood


def test_what_differs_is_marked_and_the_rest_is_not(asked) -> None:
    found = asked(PAID)
    marked = {(one["answer"], one["what"]) for one in found["compared"] if one["changed"]}
    assert {("status", "block"), ("fees", "charge"), ("fees", "overdue")} <= marked
    assert ("status", "career") not in marked
    blocks = [one for one in found["compared"] if one["what"] == "block" and one["changed"]]
    assert [(one["before"], one["after"]) for one in blocks] == [(f"/careers/0/blocks/{n}", None) for n in (0, 1)]
    assert all(not one["changed"] for one in asked()["compared"])
    assert any("first instalment 2025-26" in one["change"] for one in found["changes"])


def test_refusal_has_the_reasons_of_append_and_counts_for_nothing(ledger, asked, lines, line) -> None:
    act = ("exam-booked", "2026-03-20", {
        "course": "F1", "held_on": "2026-04-22", "session": "summer", "academic_year": "2025-26",
        "calls_start_on": "2026-04-08", "mode": "written"})
    found = asked(act, code=1)
    refused = ledger("append", "-", "--json", given=lines(line("w0", *act)))
    assert found["outcomes"] == [json.loads(refused.stdout)]
    assert found["outcomes"][0]["outcome"] == "refused"
    assert found["changes"] == []
    both = asked(PAID, act, code=1)["outcomes"]  # what was against it is judged after the payment
    assert "BLK-1" in [one["rule"] for one in found["outcomes"][0]["reasons"]]
    assert "BLK-1" not in [one["rule"] for one in both[1]["reasons"]]


def test_line_that_is_no_submission_or_of_somebody_else_is_invalid(asked) -> None:
    found = asked(("instalment-paid", "2026-03-20", {}), (*PAID, ("student", "S02")), PAID, code=1)
    assert [one["outcome"] for one in found["outcomes"]] == ["invalid", "invalid", "accepted"]
    assert found["outcomes"][1]["problems"][0]["path"] == "student"


def test_same_id_is_a_duplicate_as_append_would_say(asked, history) -> None:
    paid = history[1]
    found = asked(("instalment-paid", paid["effective_on"], paid["data"], ("id", "a2")))
    assert [one["outcome"] for one in found["outcomes"]] == ["duplicate"]
    again = asked(PAID, (*PAID, ("id", "w0")))
    assert [one["outcome"] for one in again["outcomes"]] == ["accepted", "duplicate"]


def test_day_to_come_is_supposed_to_have_come(asked) -> None:
    later = ("instalment-paid", "2090-05-04", PAID[2])
    found = asked(later, ("instalment-paid", "2090-05-03", PAID[2]), options=())
    assert [one["outcome"] for one in found["outcomes"]] == ["accepted", "accepted"]
    assert found["on"] == "2090-05-04"
    assert asked(later)["changes"] == []


def test_as_known_before_the_assessment_the_payment_has_no_charge(asked) -> None:
    found = asked(PAID, options=(*ON, "--known-position", "2"))
    assert found["known_position"] == 2
    assert [one["charge"] for one in found["before"]["fees"]["charges"]] == ["2025-26:enrolment"]
    assert found["after"]["fees"]["unallocated"][0]["charge"] == "2025-26:instalment-1"


def test_eligibility_is_compared_when_the_call_is_named(ledger, asked) -> None:
    found = asked(PAID, options=(*ON, *CALL))
    rows = {(one["what"], one["changed"]) for one in found["compared"] if one["answer"] == "eligibility"}
    assert ("reason", True) in rows
    assert "BLK-1" in [one["rule"] for one in found["before"]["eligibility"]["reasons"]]
    assert "BLK-1" not in [one["rule"] for one in found["after"]["eligibility"]["reasons"]]
    part = ledger("what-if", "S01", "--with", "-", *ON, "--career", "B", "--course", "F1", given=b"")
    assert part.exit_code == 2
    assert "--held-on, --session, --academic-year, --calls-start-on" in part.stderr


def test_rows_say_since_when_and_days_to_come_stand_last(asked) -> None:
    rows = list(cells(asked(PAID), "it"))
    assert Cell("blocco alla prenotazione degli appelli d'esame", "dal 20 marzo 2026 in poi (BLK-1)", "",
                "gone") in rows
    assert ("prima rata 2025-26", "scaduto, 400,00 € e 40,00 € di mora", "saldato, 0,00 €") in [row[:3] for row in rows]
    days = [row.about for row in rows].index("19 aprile 2026")
    assert all(re.fullmatch(r"\d+º? \w+ 2026", row.about) for row in rows[days:])


def test_people_read_now_and_then_in_their_language(ledger, lines, line) -> None:
    given = lines(line("w0", *PAID))
    shown = ledger("what-if", "S01", "--with", "-", *ON, given=given).stdout
    for words in ("S01 on 20 March 2026", "nothing is recorded", "Now", "Then", "no longer", "overdue, €400.00",
                  "paid, €0.00"):
        assert words in shown
    italian = ledger("--lang", "it", "what-if", "S01", "--with", "-", *ON, given=given).stdout
    for words in ("nulla viene registrato", "Ora", "Dopo", "non più", "400,00 €"):
        assert words in italian
    assert ledger("what-if", "S09", "--with", "-", given=given).exit_code == 3
