"""The commands about everybody, on a ledger of three debtors."""

import csv
import io
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ledger.entrypoints.cli import cli
from ledger.entrypoints.facts import IN_THE_SENTENCE
from ledger.store import open_store
from ledger.words.entries import entry

from .populations import a_debtor, append, submission

Run = Callable[..., Result]
ON = ("--on", "2026-03-25")
REPORTS = [
    ("report", "blocked", *ON), ("report", "blocked", "--kind", "final-exam", *ON), ("report", "arrears", *ON),
    ("report", "upcoming", "--from", "2026-02-01", "--to", "2026-03-31"), ("report", "reservations", *ON),
    ("report", "refunds", *ON),
    ("report", "unallocated", *ON), ("report", "unknown", *ON), ("report", "counts", *ON),
    ("report", "counts", "--by", "status", *ON),
    ("find", *ON),
    ("find", "--student", "S01", *ON), ("find", "--career", "S01-B", "--programme", "L-FIL",
                                        "--status", "enrolled", *ON)]


@pytest.fixture
def empty(tmp_path: Path) -> Run:
    def call(*arguments: str, given: str | None = None) -> Result:
        return CliRunner().invoke(cli, ["--db", f"sqlite:///{tmp_path / 'ledger.db'}", *arguments],
                                  input=given, prog_name="career-ledger")

    return call


@pytest.fixture
def run(empty: Run, tmp_path: Path) -> Run:
    with open_store(f"sqlite:///{tmp_path / 'ledger.db'}") as store:
        append(store, *a_debtor("S01"), *a_debtor("S02"), *a_debtor("S03"))
        append(store, submission("S03", "a4", "instalment-paid", "2026-03-22",
                                 {"charge": "2025-26:instalment-1", "amount": "400.00"}),
               submission("S03", "a5", "instalment-paid", "2026-03-22",
                          {"charge": "2026-27:enrolment", "amount": "156.00"}))
    assert empty("project").exit_code == 0
    return empty


@pytest.mark.parametrize("asked", REPORTS, ids=" ".join)
def test_report_says_the_same_in_each_form(run: Run, asked: tuple[str, ...]) -> None:
    as_json = run(*asked, "--json")
    assert as_json.exit_code == 0, as_json.output
    answer = json.loads(as_json.stdout)
    assert (answer["known_position"], answer["last_position"], answer["rebuild_needed"]) == (11, 11, None)
    as_csv = run(*asked, "--csv")
    assert as_csv.exit_code == 0
    rows = list(csv.DictReader(io.StringIO(as_csv.stdout)))
    assert rows == [{k: "" if v is None else str(v) for k, v in row.items() if k not in ("message_id", "params")}
                    for row in answer["rows"]]
    assert "as known at position 11 of 11" in as_csv.stderr
    table = run(*asked)
    assert table.exit_code == 0
    assert f"{len(rows)} row" in table.stdout
    assert all(row["student"] in table.stdout for row in rows if "student" in row)


@pytest.mark.parametrize("asked", REPORTS, ids=" ".join)
def test_report_is_in_italian_when_it_is_asked_for(run: Run, asked: tuple[str, ...]) -> None:
    english, italian = (run("--lang", language, *asked).stdout.splitlines() for language in ("en", "it"))
    assert italian[-1].endswith("Situazione nota alla posizione 11 di 11.")
    assert not {*english} & {*italian} - {""}
    rows = json.loads(run(*asked, "--json").stdout)["rows"]
    assert {name for row in rows for name in row} - IN_THE_SENTENCE["upcoming"] <= \
        entry("names.column", "it").keys()
    assert not [word for line in italian for word in (" yes ", "2026-0", "400.00", "overdue",
                                                      "instalment") if word in line]


def test_report_unknown_names_the_value_that_nobody_has_read(run: Run, tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path / 'ledger.db'}") as store:
        append(store, submission("S04", "b1", "enrolled", "2024-09-20", {
            "programme": "L-FIL", "academic_year": "2024-25", "course_type": "bachelor", "access": "open", "year": 1,
            "regime": "full-time"}), submission("S04", "b2", "contribution-assessed", "2024-11-10", {
                "academic_year": "2024-25", "contribution": "900.00"}))
    assert run("project").exit_code == 0
    asked = ("report", "unknown", "--on", "2025-02-01")
    rows = json.loads(run(*asked, "--json").stdout)["rows"]
    assert {(row["student"], row["about"], row["name"], row["rule"]) for row in rows} >= {
        ("S04", "charge", "2024-25:instalment-1", "RAT-5")}
    page = run("--lang", "it", *asked).stdout
    assert "Dati non noti al 1º febbraio 2025" in page
    assert "(se il pagamento dei 156 euro perfeziona l'immatricolazione)" in " ".join(page.split())
    assert run(*asked, "--csv").stdout.startswith("student,career,since,until,about,name,rule,academic_year,missing,")


def test_upcoming_is_told_as_the_status_tells_it(run: Run) -> None:
    asked = ("report", "upcoming", "--from", "2026-03-20", "--to", "2026-03-20")
    assert "inizia il blocco alla prenotazione degli appelli d'esame (BLK-1, prima rata 2025-26)" in run("--lang", "it",
                                                                                                         *asked).stdout
    first = next(row for row in json.loads(run("--lang", "it", *asked, "--json").stdout)["rows"]
                 if row["what"] == "exam-booking block")
    assert (first["message_id"], first["params"]) == (
        "change/charge-blocks", {"block": "exam-booking", "rule": "BLK-1", "charge": "2025-26:instalment-1"})
    assert first["change"] in run("--lang", "it", *asked, "--csv").stdout
    assert "the exam-booking block begins" in run(*asked, "--csv").stdout


@pytest.mark.parametrize(("asked", "said"), [
    (("projection", "status"), "Posizione nota 11 di 11: tutto elaborato"),
    (("projection", "verify"), "Ogni riga memorizzata coincide con il calcolo."),
    (("projection", "rebuild"), "Ricostruzione da 11 eventi in "), (("upgrade",), "registro: nulla da fare")], ids=str)
def test_page_about_the_tables_is_in_italian_when_it_is_asked_for(run: Run, asked: tuple[str, ...], said: str) -> None:
    assert said in run("--lang", "it", *asked).stdout


def test_report_blocked_answers_for_the_day(run: Run) -> None:
    rows = json.loads(run("report", "blocked", "--kind", "exam-booking", "--on", "2026-03-21", "--json").stdout)["rows"]
    assert [(row["student"], row["since"], row["until"], row["amount"]) for row in rows] == [
        ("S01", "2026-03-20", None, "400.00"), ("S02", "2026-03-20", None, "400.00"),
        ("S03", "2026-03-20", "2026-03-22", "400.00")]
    assert json.loads(run("report", "blocked", "--kind", "exam-booking", "--on", "2026-03-19",
                          "--json").stdout)["rows"] == []
    [waiting] = json.loads(run("report", "unallocated", *ON, "--json").stdout)["rows"]
    assert (waiting["student"], waiting["charge"], waiting["amount"]) == ("S03", "2026-27:enrolment", "156.00")


def test_report_upcoming_tells_what_comes_if_nothing_happens(run: Run) -> None:
    rows = json.loads(run("report", "upcoming", "--from", "2026-03-20", "--to", "2026-03-20", "--json").stdout)["rows"]
    assert {(row["student"], row["what"], row["charge"]) for row in rows if row["what"] == "exam-booking block"} == {
        (student, "exam-booking block", "2025-26:instalment-1") for student in ("S01", "S02", "S03")}


def test_append_with_wait_is_included_at_once(run: Run) -> None:
    paid = {"id": "a9", "type": "instalment-paid", "student": "S01", "career": "S01-B", "effective_on": "2026-03-23",
            "source": "t", "actor": "t", "data": {"charge": "2025-26:instalment-1", "amount": "400.00"}}
    done = run("append", "-", "--wait", given=json.dumps(paid) + "\n")
    assert done.exit_code == 0, done.output
    answer = json.loads(run("report", "blocked", "--kind", "exam-booking", *ON, "--json").stdout)
    assert (answer["known_position"], [row["student"] for row in answer["rows"]]) == (12, ["S02"])


def test_status_shows_position_lag_rule_books_rows_and_size(run: Run, tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path / 'ledger.db'}") as store:
        append(store, submission("S01", "a4", "instalment-paid", "2026-03-25",
                                 {"charge": "2025-26:instalment-1", "amount": "1.00"}))
    answer = json.loads(run("projection", "status", "--json").stdout)
    assert (answer["known_position"], answer["last_position"], answer["events_behind"]) == (11, 12, 1)
    assert {"2019-20", "2025-26"} <= answer["rulebooks"].keys()
    assert answer["rows"]["charges"] > 0
    shown = run("projection", "status")
    assert "Known position 11 of 12, events behind: 1" in shown.stdout
    assert "2025-26" in shown.stdout


def test_verify_fails_with_five_and_rebuild_mends_it(run: Run, tmp_path: Path) -> None:
    assert run("projection", "verify").stdout == "Every stored row is as computed.\n"
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute("UPDATE projection_charges SET outstanding = 1 WHERE student = 'S02' AND state = 'overdue'")
    connection.close()
    done = run("projection", "verify")
    assert done.exit_code == 5
    assert "S02 charges: S02-B first instalment 2025-26\n" in done.stdout
    assert {json.loads(line)["student"] for line in run("projection", "verify",
                                                        "--json").stdout.splitlines()} == {"S02"}
    rebuilt = run("projection", "rebuild", "--json")
    assert (rebuilt.exit_code, json.loads(rebuilt.stdout)["events"]) == (0, 11)
    assert run("projection", "verify").exit_code == 0


def test_diff_shows_whose_answers_change_and_how(run: Run, other_folder: Path) -> None:
    found = [json.loads(line) for line in run("projection", "diff", "--rulebooks", str(other_folder),
                                              "--json").stdout.splitlines()]
    assert {(d["student"], d["kind"]) for d in found} >= {("S01", "exam-booking"), ("S01", "administrative")}
    shown = run("projection", "diff", "--rulebooks", str(other_folder))
    assert shown.exit_code == 0
    assert f"{len(found)} things would be answered otherwise." in shown.stdout
    assert "S02 blocks: S02-B administrative block BLK-3 first instalment 2025-26\n" in shown.stdout
    assert "before  from 20 March 2026: Amount €400.00\n" in shown.stdout
    italian = run("--lang", "it", "projection", "diff", "--rulebooks", str(other_folder)).stdout
    assert "prima  dal 20 marzo 2026 in poi: Importo 400,00 €\n" in italian


@pytest.mark.parametrize(("arguments", "code", "words"), [
    (("project", "--partition", "3/2"), 2, "write I/N with I from 1 to N"),
    (("report", "counts", "--by", "colour"), 2, "choose from programme, status"),
    (("report", "upcoming", "--from", "2026-03-02", "--to", "2026-03-01"), 2, "--to must not lie before --from"),
    (("report", "blocked", "--json", "--csv"), 2, "not both"),
    (("report", "blocked", "--on", "yesterday"), 2, "write it as YYYY-MM-DD"),
])
def test_wrong_usage_is_named(run: Run, arguments: tuple[str, ...], code: int, words: str) -> None:
    done = run(*arguments)
    assert done.exit_code == code
    assert words in done.stderr


def test_questions_without_a_ledger_or_projections_say_what_to_do(empty: Run, tmp_path: Path) -> None:
    assert empty("report", "arrears").exit_code == 3
    with open_store(f"sqlite:///{tmp_path / 'ledger.db'}") as store:
        append(store, *a_debtor("S01"))
    for asked in (("report", "arrears"), ("projection", "status"), ("projection", "verify")):
        done = empty(*asked)
        assert (done.exit_code, "career-ledger project" in done.stderr) == (6, True), asked
