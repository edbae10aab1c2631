"""Rectifications: asked for by an e-service, decided on by an officer, and what they correct."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ledger.bootstrap import Ledger
from ledger.domain.knowledge import NotFound
from ledger.entrypoints.cli import cli
from ledger.eservices.services import Services

from .people import enrolled, line, record, registered, tax_code
from .test_answers import ask, enrollments

CODE = tax_code(1)
ASKED = {"tax_code": CODE, "degree_course_code": "D0101", "reason": "wrong year", "attributes": [
    {"attribute_name": "course_year", "current": "1", "suggested": "2"}], "note": "please"}
ENROLMENTS = "ifs04", "academic-enrollment-change-request"
DEGREES = "ifs05", "academic-qualification-change-request"


def requested(services: Services, of: tuple[str, str] = ENROLMENTS) -> str:
    found = ask(services, *of, **ASKED)
    assert (found["response_code"], found["file_status"]) == ("approved", "acquired")
    code: str = found["file_code"]
    return code


def status(services: Services, of: tuple[str, str] = ENROLMENTS, **more: Any) -> list[tuple[str, str]]:
    [found] = ask(services, of[0], f"{of[1]}-status", tax_code=CODE, **more).values()
    return [(one["file_code"], one["file_status"]) for one in found]


@pytest.mark.parametrize("of", [ENROLMENTS, DEGREES])
def test_request_is_acquired_and_can_be_cancelled_once(ledger: Ledger, services: Services, of: tuple[str, str]) -> None:
    record(ledger, [registered("S", 1), *enrolled("S")])
    first, second = requested(services, of), requested(services, of)
    assert status(services, of) == [(first, "acquired"), (second, "acquired")]
    assert status(services, of, file_code=second) == [(second, "acquired")]
    for expected in (("approved", "cancelled"), ("rejected", "cancelled")):
        found = ask(services, of[0], f"{of[1]}-cancellation", tax_code=CODE, file_code=first)
        assert (found["response_code"], found["file_status"]) == expected
    assert status(services, of) == [(first, "cancelled"), (second, "acquired")]
    assert status(services, DEGREES if of is ENROLMENTS else ENROLMENTS) == []


def test_request_about_nobody_is_rejected(ledger: Ledger, services: Services) -> None:
    record(ledger, [registered("S", 2), *enrolled("S")])
    assert ask(services, *ENROLMENTS, **ASKED)["response_code"] == "rejected"
    assert status(services) == []
    assert ask(services, ENROLMENTS[0], f"{ENROLMENTS[1]}-cancellation", tax_code=CODE, file_code="x") == {
        "response_code": "rejected", "file_status": None, "file_code": None,
        "message": "Richiesta di rettifica respinta"}


def test_what_was_asked_is_sealed(ledger: Ledger, services: Services) -> None:
    record(ledger, [registered("S", 1), *enrolled("S")])
    requested(services)
    [event] = [one for one in ledger.log.stream("S") if one.type == "ticket-opened"]
    assert event.sealed is not None
    assert "please" not in json.dumps(event.as_json())
    opened = services._sealer.open(event)
    assert opened is not None
    assert "please" in opened.as_json()["data"]["request"]
    assert CODE not in opened.as_json()["data"]["request"]


def test_approval_records_what_corrects_and_ends_the_request(ledger: Ledger, services: Services, sqlite_url: str,
                                                             keys_url: str, tmp_path: Path) -> None:
    lines = enrolled("S")
    record(ledger, [registered("S", 1), *lines])
    code = requested(services)
    services.following.catch_up()
    before = enrollments(services)
    right = line("enrolled", "S", "2025-09-20", **lines[0]["data"] | {"year": 2})
    corrections = tmp_path / "corrections.jsonl"
    corrections.write_text("".join(json.dumps(one) + "\n" for one in (
        line("event-voided", "S", "2026-03-20", event=lines[0]["id"], reason="wrong year", authority="Officer"),
        right)))
    done = CliRunner().invoke(cli, ["--db", sqlite_url, "--keys", keys_url, "eservices", "rectify", "S", code,
                                    "--approve", str(corrections), "--actor", "officer:7"])
    assert done.exit_code == 0, done.output
    assert status(services) == [(code, "approved")]
    after = enrollments(services)
    assert (before["enrollments"][0]["degree_course_year"], after["enrollments"][0]["degree_course_year"]) == (1, 2)
    with pytest.raises(NotFound):
        ledger.rectify("S", code, "rejected", [], "no", "officer:7")


def test_nothing_is_recorded_when_a_correction_is_refused(ledger: Ledger, services: Services) -> None:
    record(ledger, [registered("S", 1), *enrolled("S")])
    code = requested(services)
    found = list(ledger.rectify("S", code, "approved", [b"{}\n"], "", "officer:7"))
    assert found[0]["outcome"] == "invalid"
    assert status(services) == [(code, "acquired")]
    list(ledger.rectify("S", code, "rejected", [], "no proof", "officer:7"))
    assert status(services) == [(code, "rejected")]


def test_issue_is_a_ticket_of_whom_it_is_about(ledger: Ledger, services: Services) -> None:
    record(ledger, [registered("S", 1), *enrolled("S")])
    asked = {"subscriber_id": "1", "subscriber_name": "ANIS", "subscriber_message": "Warning"}
    for person, expected in (({"tax_code": CODE}, "acquired"), ({"tax_code": tax_code(9)}, "rejected"),
                             ({"given_name": "Mario"}, "rejected")):
        assert ask(services, "ifs04", "enrollments-issues", **asked, personal_data=person)["file_status"] == expected
    assert ask(services, "ifs05", "academic-qualifications-issues", **asked)["file_status"] == "rejected"
    assert status(services) == []
