"""Texts from outside that would act on a terminal, in a spreadsheet or in a letter: what is printed
shows them and nothing more."""

import csv
import io
import json
import logging
import re
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from unicodedata import category

import pytest
from click.testing import CliRunner

from consumers.archive.verify import sentence as archive_sentence
from consumers.notifications.agenda import Notice
from consumers.notifications.letter import plain, text
from consumers.treasury.reconcile import sentence as treasury_sentence
from ledger.domain.submissions import Submission, read_submission
from ledger.edges.records import OneLine
from ledger.edges.text import csv_cell, json_text, visible
from ledger.entrypoints.cli import cli
from ledger.entrypoints.text import Page
from tests.wire.examples import DATA, record

HOSTILE = "q\nFORGED To lift it: nothing\r\x1b[8m\x9b31m\x7f\u202e\u2066\u2028\x85\ufeff[bold red]b[/]:smile:"
"""A line of its own, escape codes of both kinds, overrides of direction, other line ends, and the markup
of the library that prints."""
VARIANTS = (HOSTILE, HOSTILE.replace("\r", "").replace("\x1b", ""),
            re.sub(r"\s", "", HOSTILE.replace("\x1b", "").replace("\x85", "")), "=1+1", "L-FIL")
"""The first that a field takes; the last stands for fields that take a word only."""
ON = ("--on", "2026-09-29")
EXAM = ("--held-on", "2026-06-22", "--session", "summer", "--academic-year", "2025-26", "--calls-start-on",
        "2026-06-08")
ASKED = [
    ["status", "S01", *ON], ["fees", "S01", *ON], ["history", "S01"], ["audit", *ON], ["audit", "S01"],
    ["status", HOSTILE],
    ["status", "--", "-S2"], ["fees", *ON, "--", "-S2"], ["status", *ON, "--", "-S2"], ["history", "--", "-S2"],
    ["rules", "cite", HOSTILE],
    ["eligibility", *EXAM, "--course", HOSTILE, "--career", "B", *ON, "--", "-S2"], ["status", "S01", "--on", HOSTILE],
    ["status", "S01", "--known-at", HOSTILE], ["eligibility", "S01", "--career", HOSTILE, "--course", "C", *EXAM],
    ["append", HOSTILE],
    [HOSTILE], ["--rulebooks", HOSTILE, "status", "S01"], ["generate", "--share", HOSTILE],
    ["find", *ON], ["find", "--csv", *ON], ["projection", "verify", "--workers", "1"], ["projection", "status"],
    ["digests"],
    *([*report, *form] for form in ([], ["--csv"]) for report in (
        ["report", "blocked", *ON], ["report", "arrears", *ON], ["report", "refunds", *ON],
        ["report", "unallocated", *ON],
        ["report", "reservations", "--on", "2025-12-01"], ["report", "counts", "--by", "programme,status", *ON],
        ["report", "upcoming", "--from", "2025-09-01", "--to", "2026-12-31"])),
]


def _sown(name: str, number: int) -> dict[str, Any]:
    """The example of a type, with a hostile text in every field that takes one."""
    made = {key: value for key, value in record(name).items() if key not in ("position", "version",
                                                                             "rulebook", "breaches")}
    made |= {"id": f"{number}{HOSTILE}", "student": "S01", "career": None if made.get("career") is None else "B"}
    assert isinstance(read_submission(made), Submission), (name, read_submission(made))
    for place, key in _texts(made):
        before = place[key]
        if key in ("id", "type", "student", "career", "effective_on", "recorded_at", "rule", "event"):
            continue  # those that name something
        for hostile in VARIANTS[:-1]:
            place[key] = hostile
            if isinstance(read_submission(made), Submission):
                break
            place[key] = before
    return made


def _texts(found: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    for key, value in list(found.items()):
        if isinstance(value, str):
            yield found, key
        elif isinstance(value, dict):
            yield from _texts(value)
        elif isinstance(value, list):
            yield from ((value, n) for n, one in enumerate(value) if isinstance(one, str))
            for one in value:
                if isinstance(one, dict):
                    yield from _texts(one)


def _innocent(shown: str) -> None:
    """No character that acts, and no line that an event wrote."""
    assert [one for one in shown if one != "\n" and not one.isprintable() and category(one) != "Zs"] == []
    assert not any(line.strip().startswith(("FORGED", "To lift it: nothing")) for line in shown.splitlines())


@pytest.fixture(scope="module")
def sown(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The address of a ledger with every type of event."""
    address = ["--db", f"sqlite:///{tmp_path_factory.mktemp('hostile') / 'ledger.db'}"]
    names = sorted(DATA.keys() - {"person-registered", "person-forgotten"},
                   key=lambda name: (name != "enrolled", name == "event-voided", name))
    events = [_sown(name, number) for number, name in enumerate(names)]
    events[0]["effective_on"] = "2025-09-20"
    events[-1]["data"]["event"] = events[1]["id"]
    events += [events[0] | {"id": f"-1{HOSTILE}", "student": "-S2", "override": []}]
    for number, (name, on, data) in enumerate((
            ("instalment-paid", "2025-09-20", {"charge": "2025-26:enrolment", "amount": "156.00"}),
            ("instalment-paid", "2025-09-20", {"charge": "=1+1|x", "amount": "5.00"}),
            ("contribution-assessed", "2026-01-10", {"academic_year": "2025-26", "contribution": "900.00"}))):
        events.append(events[0] | {"id": f"-{2 + number}{HOSTILE}", "student": "-S2", "type": name, "effective_on": on,
                                   "override": [], "data": data})
    given = b"".join(json.dumps(one).encode() + b"\n" for one in events)
    done = CliRunner().invoke(cli, [*address, "append", "-", "--mode", "record"], input=given)
    _innocent(done.output)
    assert f"{len(events)} accepted" in done.stdout or done.stdout.count("invalid  ") <= 6, done.stdout
    again = CliRunner().invoke(cli, [*address, "append", "-", "--json"], input=given)
    _innocent(again.output)
    assert {json.loads(line)["outcome"] for line in again.stdout.splitlines()} <= {"duplicate", "invalid"}
    assert CliRunner().invoke(cli, [*address, "projection", "rebuild", "--workers", "1"]).exit_code == 0
    return address


@pytest.mark.parametrize("arguments", ASKED, ids=lambda one: ascii(" ".join(one))[:60])
@pytest.mark.parametrize("json_", [False, True], ids=["text", "json"])
def test_command_prints_no_line_and_no_code_of_others_when_every_text_is_hostile(sown, arguments, json_: bool) -> None:
    if json_:
        arguments = ["--json" if one == "--csv" else one for one in arguments]
        at = arguments.index("--") if "--" in arguments else len(arguments)
        arguments = arguments if "--json" in arguments else [*arguments[:at], "--json", *arguments[at:]]
    result = CliRunner().invoke(cli, [*sown, *arguments], input="")
    assert result.exit_code != 70, result.output
    _innocent(result.stdout)
    _innocent(result.stderr)


def test_question_shows_the_hostile_text_and_json_keeps_it_exactly(sown) -> None:
    shown = CliRunner().invoke(cli, [*sown, "history", "S01"]).stdout
    blocked = CliRunner().invoke(cli, [*sown, "status", *ON, "--", "-S2"]).stdout
    assert "exam-booking block" in blocked
    assert "\\nFORGED" in blocked
    assert "\\nFORGED" in shown
    assert "[bold red]b[/]:smile:" in shown
    events = [json.loads(line) for line in CliRunner().invoke(cli,
                                                              [*sown, "history", "S01", "--json"]).stdout.splitlines()]
    assert HOSTILE in {event["id"][-len(HOSTILE):] for event in events}
    # Three of these name a further career that she has not, one names a person.
    assert sorted(DATA.keys() - {event["type"] for event in events}) == [
        "payment-moved", "person-forgotten", "person-registered", "programme-changed", "recognition-requested"]


def test_csv_holds_no_formula_and_numbers_stay_numbers(sown) -> None:
    for report in (["find"], ["report", "unallocated"], ["report", "counts", "--by", "programme"],
                   ["report", "arrears"]):
        rows = list(csv.reader(io.StringIO(CliRunner().invoke(cli, [*sown, *report, "--csv", *ON]).stdout)))
        for cell in (cell for row in rows for cell in row):
            assert not re.match(r"\s*[=+@\t\r\n]|\s*-(?![0-9.]+$)", cell), cell


@pytest.mark.parametrize(("value", "cell"), [
    ("=1+1", "'=1+1"), ("+1+1", "'+1+1"), ("-2+3", "'-2+3"), ("@SUM(1,1)", "'@SUM(1,1)"), ("\tX", "'\\tX"),
    ("\rX", "'\\rX"),
    ("\n=1", "'\\n=1"), ("\uff1d1+1", "'\uff1d1+1"), ("\uff0b1", "'\uff0b1"), ("\uff0d1+1", "'\uff0d1+1"),
    ("\uff20A", "'\uff20A"),
    (" =1+1", "' =1+1"), ("\u00a0=1", "'\u00a0=1"), ("-B", "'-B"), ("-12.50", "-12.50"), ("-3", "-3"),
    ("12.50", "12.50"), (-3, -3),
    (0.5, 0.5),
    (None, None), (True, True), ("L-FIL", "L-FIL"), ("a=b", "a=b"), ("", "")])
def test_cell_is_neutral_unless_it_is_a_number(value: Any, cell: Any) -> None:
    assert csv_cell(value) == cell


def test_text_of_others_stays_on_its_line_in_sentences_letters_and_logs() -> None:
    assert visible("Società\u00a0degli studi: è 5 €") == "Società\u00a0degli studi: è 5 €"
    assert visible("a\n\x1b\u202e\ud800") == "a\\n\\x1b\\u202e\\ud800"
    assert json.loads(json_text({"a": HOSTILE, "b": "\ud800\U000e0001"})) == {"a": HOSTILE, "b": "\ud800\U000e0001"}
    _innocent(json_text({"a": [HOSTILE]}, indent=1))
    _innocent(visible(treasury_sentence({"kind": "refused", "student": "S", "why": HOSTILE})))
    _innocent(visible(archive_sentence({"kind": "chain", "file": HOSTILE})))
    _innocent(plain(HOSTILE))
    notice = Notice("S", "", "ticket-opened", HOSTILE, date(2026, 1, 1))
    subject, body, html = text([(notice, {"number": HOSTILE, "day": notice.day, "service": HOSTILE,
                                          "context": HOSTILE})], "")
    _innocent(subject + body + html)
    assert "\n" not in subject
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        said = OneLine().format(logging.LogRecord("x", logging.ERROR, "f", 1, "%s", (HOSTILE,), sys.exc_info()))
    _innocent(said)
    assert "\n" not in said


def test_programs_print_through_the_edges_only() -> None:
    """`click.echo` and `print` know nothing of escape codes, of a full disk and of a reader who has gone."""
    allowed = {"ledger/edges/program.py": 3, "ledger/entrypoints/cli/group.py": 1,
               "ledger/proofs/auditor.py": 3}  # runs where there is nothing else of ours
    root = Path(__file__).parents[2]
    found = {}
    for path in (*root.glob("ledger/**/*.py"), *root.glob("consumers/**/*.py")):
        if number := len(re.findall(r"click\.(?:secho|echo)\(|(?<![._\w])print\(|sys\.std(?:out|err)\.write\(",
                                    path.read_text())):
            found[str(path.relative_to(root))] = number
    assert found == allowed


def test_terminal_shows_no_line_of_others_when_a_long_text_is_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    for width in range(20, 60):
        shown = Terminal()
        Page(shown).outcome({"outcome": "refused", "id": "i" * width + " To lift it: nothing", "reasons": [
            {"rule": "BLK-1", "message": "owes", "clears": {"what": "pay " + "q" * width + " To lift it: nothing"}}]})
        lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in shown.getvalue().splitlines()]
        assert [line for line in lines if re.match(r" {0,4}To lift it: nothing", line)] == []
