"""Questions about everybody over HTTP: what the command line says, page by page, on both stores."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from ledger.entrypoints.cli import cli
from ledger.entrypoints.http import everybody, openapi
from ledger.entrypoints.http.paging import KeptRows
from ledger.generate import generate
from ledger.projections.everybody.reports import Reports
from tests.desk import Client, served

ON = "2026-03-20"
ASKED: dict[str, dict[str, str]] = {
    "blocked": {"on": ON}, "arrears": {"on": ON}, "upcoming": {"from": "2026-03-01", "to": "2026-04-30"},
    "reservations": {"on": ON}, "refunds": {"on": ON}, "unallocated": {"on": ON}, "unknown": {"on": ON},
    "counts": {"on": ON, "by": "programme,status"}, "find": {"on": ON, "status": "enrolled"}}

STUDENTS = 16
MORE = b"".join(generate(2, 99)).replace(b"G0000", b"H0000")


@pytest.fixture
def command(store_url: str) -> Callable[..., Any]:
    """The command line on a ledger, of either store, that holds invented students."""

    def call(*arguments: str, given: bytes | None = None) -> Any:
        return CliRunner().invoke(cli, ["--db", store_url, *arguments], input=given, prog_name="career-ledger")

    assert call("append", "-", "--mode", "record", given=b"".join(generate(STUDENTS, 3))).exit_code == 0
    return call


@pytest.fixture
def ask(command: Callable[..., Any], store_url: str) -> Iterator[Client]:
    assert command("project").exit_code == 0
    with served(store_url) as client:
        yield client


def pages(ask: Client, path: str, limit: int = 2, **query: str) -> list[dict[str, Any]]:
    """Every page, as one finds them: what was asked first, and then the cursor alone."""
    found = [ask(path, limit=str(limit), **query).json]
    while found[-1]["next"]:
        said = ask(path, limit=str(limit), cursor=found[-1]["next"])
        assert said.status == 200, said
        found.append(said.json)
    return found


def rows(found: list[dict[str, Any]]) -> list[Any]:
    return [row for page in found for row in page["rows"]]


def test_pages_of_a_report_are_together_what_the_command_line_says(ask: Client, command: Callable[..., Any]) -> None:
    schema = {"$ref": "#/components/schemas/report", "components": openapi.document("en")["components"]}
    several = 0
    for name, query in ASKED.items():
        assert set(everybody.REPORTS) == set(ASKED)
        options = [part for key, value in query.items() for part in (f"--{key}", value)]
        told = json.loads(command("--lang", "it", *([] if name == "find" else ["report"]), name, *options,
                                  "--json").stdout)
        found = [ask(everybody.path_of(name), headers={"Accept-Language": "it"}, limit="2", **query)]
        while cursor := found[-1].json["next"]:
            found.append(ask(everybody.path_of(name), headers={"Accept-Language": "it"}, limit="2", cursor=cursor))
        assert {one.status for one in found} == {200}
        assert rows([one.json for one in found]) == told["rows"]
        assert {one.json["count"] for one in found} == {len(told["rows"])}
        assert {name: value for name, value in found[0].json.items() if name not in ("count", "next", "rows")} == {
            name: value for name, value in told.items() if name != "rows"}
        Draft202012Validator(schema).validate(found[0].json)
        several += len(found) > 1
    assert several >= 4


COUNTED = {"on": ON, "by": "programme,status,year"}


def test_pages_agree_although_the_ledger_goes_on(ask: Client, command: Callable[..., Any], store_url: str,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page after the first is of the first one's moment, or says that it cannot be."""
    first = ask("/v1/reports/counts", limit="5", **COUNTED).json
    whole = ask("/v1/reports/counts", limit="1000", **COUNTED).json
    assert command("append", "-", "--mode", "record", given=MORE).exit_code == 0
    assert command("project").exit_code == 0
    second = ask("/v1/reports/counts", limit="1000", cursor=first["next"]).json
    assert first["rows"] + second["rows"] == whole["rows"]
    assert second["known_position"] == first["known_position"]
    with served(store_url) as other:  # where nothing of the first page is known
        assert other("/v1/reports/counts", cursor=first["next"]).status in (400, 409)


def test_page_that_is_not_kept_is_found_again_or_refused(ask: Client, command: Callable[..., Any],
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    original = KeptRows.keep

    def forgetful(kept: KeptRows, answer: dict[str, Any]) -> str:
        digest = original(kept, answer)
        kept._held.clear()
        return digest

    monkeypatch.setattr(KeptRows, "keep", forgetful)
    path = "/v1/reports/counts"
    whole = ask(path, limit="1000", **COUNTED).json["rows"]
    first = ask(path, limit="5", **COUNTED).json
    assert first["rows"] + ask(path, limit="1000", cursor=first["next"]).json["rows"] == whole
    assert command("append", "-", "--mode", "record", given=MORE).exit_code == 0
    assert command("project").exit_code == 0
    found = ask(path, cursor=first["next"])
    assert (found.status, found.json["reason"]) == (409, "moved-on")


def test_pages_of_careers_look_at_no_more_than_they_have(ask: Client, command: Callable[..., Any],
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is of its own moment: while the ledger goes on no career comes twice, and none that was there is missed."""
    whole = ask("/v1/careers", limit="1000", on=ON).json
    looked_at: list[int] = []
    original = Reports.find

    def counting(reports: Reports, *asked: Any, **wanted: Any) -> dict[str, Any]:
        found = original(reports, *asked, **wanted)
        looked_at.append(len(found["rows"]))
        return found

    monkeypatch.setattr(Reports, "find", counting)
    found = [ask("/v1/careers", limit="5", on=ON).json]
    assert command("append", "-", "--mode", "record", given=MORE).exit_code == 0
    assert command("project").exit_code == 0
    while found[-1]["next"]:
        found.append(ask("/v1/careers", limit="5", cursor=found[-1]["next"]).json)
    assert max(looked_at) <= 6
    ids = [(row["student"], row["career"]) for row in rows(found)]
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)
    assert [row for row in rows(found) if row["student"][0] == "G"] == whole["rows"]
    assert {one["count"] for one in found} == {whole["count"]}
    assert found[-1]["known_position"] > found[0]["known_position"] == whole["known_position"]


def test_findings_come_student_by_student_as_of_one_position(ask: Client, command: Callable[..., Any]) -> None:
    told = [json.loads(line) for line in command("--lang", "en", "audit", "--on", ON, "--json").stdout.splitlines()]
    told = [one for one in told if not one["message_id"].endswith(("students",))]
    first = ask("/v1/findings", limit="2", on=ON).json
    assert command("append", "-", "--mode", "record", given=MORE).exit_code == 0
    found = [first]
    while found[-1]["next"]:
        found.append(ask("/v1/findings", limit="2", cursor=found[-1]["next"]).json)
    assert len(found) > 3
    assert {page["known_position"] for page in found} == {first["known_position"]}
    assert sorted(map(json.dumps, rows(found))) == sorted(map(json.dumps, told))
    rule = told[0]["rule"]
    assert rows(pages(ask, "/v1/findings", on=ON, rule=rule, known_position=str(first["known_position"]))) == [
        one for one in rows(found) if one["rule"] == rule]


def test_page_of_findings_ends_in_time(ask: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = rows(pages(ask, "/v1/findings", 1000, on=ON))
    monkeypatch.setattr(everybody, "SECONDS", 0.0)
    found = pages(ask, "/v1/findings", 1000, on=ON)
    assert len(found) == STUDENTS + 1  # and the end of the log
    assert rows(found) == whole


def test_cursor_that_was_altered_or_stands_with_another_filter_is_refused(ask: Client) -> None:
    cursor = ask("/v1/careers", on=ON, limit="3").json["next"]
    assert cursor
    for path, query in (("/v1/careers", {"cursor": cursor[:-1] + ("A" if cursor[-1] != "A" else "B")}),
                        ("/v1/careers", {"cursor": "x"}), ("/v1/careers", {"cursor": "é"}),
                        ("/v1/careers", {"cursor": ""}), ("/v1/careers", {"cursor": "A" * 3_000}),
                        ("/v1/careers", {"cursor": cursor, "on": "2026-03-21"}),
                        ("/v1/careers", {"cursor": cursor, "status": "enrolled"}),
                        ("/v1/reports/arrears", {"cursor": cursor}), ("/v1/findings", {"cursor": cursor})):
        found = ask(path, **query)
        assert (found.status, found.json["reason"]) in {(400, "bad-cursor"), (400, "bad-query")}, found
        assert "errors" in found.json
    assert ask("/v1/careers", cursor=cursor, on=ON, limit="2").status == 200


def test_wrong_question_about_everybody_is_told_what_to_mend(ask: Client) -> None:
    for path, query, parameters in (
            ("/v1/reports/blocked", {"kind": "x"}, ["kind"]), ("/v1/reports/blocked", {"limit": "1001"}, ["limit"]),
            ("/v1/reports/blocked", {"limit": "0", "x": "1"}, ["limit", "x"]),
            ("/v1/reports/upcoming", {}, ["from", "to"]),
            ("/v1/reports/upcoming", {"from": ON, "to": "2026-03-19"}, ["to"]),
            ("/v1/reports/counts", {"by": "name"}, ["by"]), ("/v1/findings", {"severity": "bad"}, ["severity"]),
            ("/v1/findings", {"known_at": "2026-01-01T12:00:00Z", "known_position": "2"}, ["known_position"])):
        found = ask(path, **query)
        assert (found.status, found.json["reason"]) == (400, "bad-query"), (path, query)
        assert [one["parameter"] for one in found.json["errors"]] == parameters, (path, query)


def test_report_says_where_nothing_is_stored_yet(command: Callable[..., Any], store_url: str) -> None:
    with served(store_url) as ask:
        found = ask("/v1/reports/blocked")
        assert (found.status, found.json["reason"]) == (503, "no-projections")
        assert command("project").exit_code == 0
        assert ask("/v1/reports/blocked").status == 200
