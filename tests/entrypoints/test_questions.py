"""The questions: JSON for programs, sentences for people, the two clocks, exit codes."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

CALL = ("--career", "B", "--course", "F1", "--held-on", "2026-04-22", "--session", "summer", "--academic-year",
        "2025-26", "--calls-start-on", "2026-04-08")


def answer(result: Any) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_status_tells_blocks_and_what_comes_next(ledger) -> None:
    found = answer(ledger("status", "S01", "--on", "2026-03-20", "--json"))
    assert (found["student"], found["on"]) == ("S01", "2026-03-20")
    (career,) = found["careers"]
    assert (career["career"], career["status"], career["academic_year"],
            career["year"]) == ("B", "enrolled", "2025-26", 1)
    assert "exam-booking" in [block["kind"] for block in career["blocks"]]
    assert career["upcoming"]


def test_status_for_people_says_what_is_blocked_why_and_how_to_lift_it(ledger) -> None:
    shown = ledger("status", "S01", "--on", "2026-03-20").stdout
    for words in ("S01 on 20 March 2026", "L-FIL", "enrolled", "exam-booking block from 20 March 2026", "BLK-1: ",
                  "To lift it: ", "Source: Guida dello studente 2025-26", "if nothing else happens"):
        assert words in shown
    assert "\x1b" not in shown


def test_fees_for_people_show_each_charge_and_the_totals(ledger) -> None:
    shown = ledger("fees", "S01", "--on", "2026-03-20").stdout
    for words in ("regional tax and stamp duty 2025-26", "€156.00", "paid", "first instalment 2025-26", "€400.00",
                  "17 February 2026", "overdue", "+€40.00", "second instalment 2025-26", "to come", "Overdue €400.00"):
        assert words in shown


def test_fees_for_people_tell_in_one_line_what_depends_on_the_same_unknown_value(run, lines) -> None:
    facts = [("enrolled", "2024-09-20", {"programme": "L-FIL", "academic_year": "2024-25", "course_type": "bachelor",
                                         "access": "open", "year": 1, "regime": "full-time"}),
             ("instalment-paid", "2024-10-04", {"charge": "2024-25:enrolment", "amount": "156.00"}),
             ("contribution-assessed", "2025-01-15", {"academic_year": "2024-25", "contribution": "1200.00"})]
    history = [{"id": type_, "type": type_, "student": "S09", "career": "B", "effective_on": on, "source": "t",
                "recorded_at": f"{on}T10:00:00Z", "actor": "t", "data": data} for type_, on, data in facts]
    assert run("append", "-", "--mode", "record", given=lines(*history)).exit_code == 0
    shown = run("fees", "S09", "--on", "2025-06-30").stdout
    told = [line for line in shown.splitlines() if "ot known" in line]
    assert len(told) == 2  # the charges and the blocks
    assert "irst instalment 2024-25, second instalment 2024-25" in told[1]
    assert all(rule in line for line in told for rule in ("RAT-4", "RAT-5", "RAT-6"))
    italian = run("--lang", "it", "fees", "S09", "--on", "2025-06-30").stdout
    assert "RAT-4: come si calcola la seconda rata; RAT-6: importo" in italian


def test_answers_are_in_italian_when_it_is_asked_for(ledger) -> None:
    shown = ledger("--lang", "it", "status", "S01", "--on", "2026-03-20").stdout
    for words in ("S01: situazione al 20 marzo 2026", "iscrizione attiva",
                  "blocco alla prenotazione degli appelli d'esame dal 20 marzo 2026",
                  "il pagamento scadeva il 17 febbraio 2026", "Per rimuoverlo: pagare 400,00 € (prima rata 2025-26)."):
        assert words in shown
    [career] = answer(ledger("--lang", "it", "status", "S01", "--on", "2026-03-20", "--json"))["careers"]
    block = next(one for one in career["blocks"] if one["kind"] == "exam-booking")
    assert (block["message_id"], block["params"]) == (
        "BLK-1", {"charge": "2025-26:instalment-1", "amount": "400.00", "due_on": "2026-02-17", "days": 30})
    assert block["how_to_lift"] == "pagare 400,00 € (prima rata 2025-26)"


@pytest.mark.parametrize(("locale", "json_", "words"), [
    ("it_IT.UTF-8", False, "iscrizione attiva"), ("de_DE.UTF-8", False, "To lift it: "),
    ("it_IT.UTF-8", True, "pay €400.00")])
def test_locale_gives_the_language_of_a_page_and_not_of_json_when_none_is_asked_for(ledger, monkeypatch,
                                                                                    locale: str, json_: bool,
                                                                                   words: str) -> None:
    monkeypatch.delenv("CAREER_LEDGER_LANG")
    monkeypatch.setenv("LC_ALL", locale)
    assert words in ledger("status", "S01", "--on", "2026-03-20", *(["--json"] if json_ else [])).stdout


def test_fees_are_the_same_for_programs(ledger) -> None:
    found = answer(ledger("fees", "S01", "--on", "2026-03-20", "--json"))
    assert (found["overdue"], found["to_come"]) == ("400.00", "500.00")
    assert {charge["charge"]: charge["state"] for charge in found["charges"]} == {
        "2025-26:enrolment": "paid", "2025-26:instalment-1": "overdue", "2025-26:instalment-2": "to-come"}


def test_eligibility_is_denied_with_every_reason(ledger) -> None:
    found = answer(ledger("eligibility", "S01", *CALL, "--on", "2026-04-10", "--json"))
    assert found["eligible"] is False
    assert sorted(reason["rule"] for reason in found["reasons"]) == ["BLK-1", "ESA-1"]
    for reason in found["reasons"]:
        assert reason["message"]
        assert set(reason["source"]) == {"document", "heading"}
        assert reason["clears"] is None or reason["clears"]["what"]


def test_eligibility_for_people_begins_with_the_answer(ledger) -> None:
    shown = ledger("eligibility", "S01", *CALL, "--on", "2026-04-10").stdout
    assert shown.startswith("No: S01/B may not book F1 of 22 April 2026 on 10 April 2026\n")


def test_history_tells_what_each_event_changed(ledger) -> None:
    steps = [json.loads(row) for row in ledger("history", "S01", "--on", "2026-03-20", "--json").stdout.splitlines()]
    assert len(steps) == 3
    shown = ledger("history", "S01", "--on", "2026-03-20").stdout
    for words in ("enrolled", "instalment-paid", "contribution-assessed",
                  "regional tax and stamp duty 2025-26 €156.00"):
        assert words in shown


def test_status_and_history_show_tickets(ledger, line, lines) -> None:
    given = [line(f"t{n}", type_, day, data) | {"career": None} for n, (type_, day, data) in enumerate((
        ("ticket-opened", "2026-03-21",
         {"number": "212617", "service": "office", "subject": "secret", "context": "portal"}),
        ("ticket-opened", "2026-03-22",
         {"number": "#212618", "service": "office", "subject": "secret", "context": "portal"}),
        ("ticket-closed", "2026-03-23", {"number": "212617", "answer": "secret"})))]
    assert ledger("append", "-", given=lines(*given)).exit_code == 0
    tickets = answer(ledger("status", "S01", "--json"))["tickets"]
    assert [(t["number"], t["state"]) for t in tickets] == [("212617", "closed"), ("212618", "open")]
    shown = ledger("status", "S01").stdout
    assert ("Ticket 212617: opened on 21 March 2026, closed on 23 March 2026\n"
            "Ticket 212618: opened on 22 March 2026, open\n") in shown
    steps = [json.loads(row) for row in ledger("history", "S01", "--json").stdout.splitlines()]
    assert steps[-1]["changes"] == [{"career": None, "what": "ticket", "ticket": "212617", "from": "open",
                                     "to": "closed", "change": "ticket 212617 is closed", "message_id": "change/ticket",
                                     "params": {"number": "212617", "ticket_state": "closed"}}]
    shown = ledger("history", "S01").stdout
    assert "ticket-closed  212617" in shown
    assert "    ticket 212617 is closed\n" in shown
    assert "secret" not in shown


def test_fees_show_an_iuv_that_stands_on_two_payments(ledger, line, lines) -> None:
    assert "same_iuv" not in answer(ledger("fees", "S01", "--json"))
    given = [line(id_, "instalment-paid", "2026-02-10",
                  {"charge": "2025-26:instalment-1", "amount": "400.00", "iuv": "0100"})
             for id_ in ("psp-1", "recon-1")]
    assert ledger("append", "-", "--mode", "record", given=lines(*given)).exit_code == 0
    found = answer(ledger("fees", "S01", "--on", "2026-02-10", "--json"))
    payment = {"career": "B", "charge": "2025-26:instalment-1", "amount": "400.00", "paid_on": "2026-02-10"}
    assert found["same_iuv"] == [{
        "iuv": "0100", "rule": "IUV", "source": {"document": "Career ledger, published language",
                                                 "heading": "Submitting an event"},
        "payments": [payment | {"event": "psp-1"}, payment | {"event": "recon-1"}]}]
    shown = ledger("fees", "S01").stdout
    assert ("One IUV, 2 payments: 0100 (psp-1 of 10 February 2026, €400.00 for B first instalment 2025-26; recon-1 of"
            in shown)


def test_audit_finds_nothing_when_all_is_well(ledger) -> None:
    result = ledger("audit", "--on", "2025-11-17")
    assert (result.exit_code, result.stdout) == (0, "No findings.\n")


def test_questions_see_only_what_was_known(ledger) -> None:
    def statuses(*known: str) -> list[str]:
        return [c["status"] for c in answer(ledger("status", "S01", "--on", "2026-03-20", "--json", *known))["careers"]]

    assert statuses() == ["enrolled"]
    assert statuses("--known-position", "1") == ["enrolment-pending"]
    assert statuses("--known-at", "2025-09-20T14:00:00+02:00") == ["enrolled"]
    before = ledger("status", "S01", "--on", "2026-03-20", "--known-at", "2025-09-20T13:59:59+02:00")
    assert before.exit_code == 3
    assert "S01" in before.stderr


@pytest.mark.parametrize("arguments", [
    ("status", "S99"), ("fees", "S99"), ("history", "S99"), ("audit", "S99"), ("eligibility", "S99", *CALL),
    ("eligibility", "S01", "--career", "ZZ", *CALL[2:]), ("rules", "show", "1999-00"), ("rules", "cite", "BLK-99"),
])
def test_questions_are_not_found_when_the_thing_is_unknown(ledger, arguments: tuple[str, ...]) -> None:
    result = ledger(*arguments)
    assert result.exit_code == 3
    assert not result.stdout
    assert len(result.stderr.splitlines()) == 1


def test_questions_create_no_ledger_when_there_is_none(run, tmp_path: Path) -> None:
    result = run("status", "S01")
    assert result.exit_code == 3
    assert "no ledger at" in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("arguments", "words"), [
    (("status", "S01", "--on", "2026-02-30"), "no such day"),
    (("status", "S01", "--on", "20 March"), "YYYY-MM-DD"),
    (("status", "S01", "--known-at", "2026-02-20T10:00:00"), "2026-04-20T09:00:00Z"),
    (("status", "S01", "--known-at", "2026-02-20T10:00:00Z", "--known-position", "3"), "not both"),
    (("status", "S01", "--known-position", "-1"), "-1"),
    (("eligibility", "S01", "--career", "B"), "--course"),
    (("eligibility", "S01", *CALL[:-1], "today"), "YYYY-MM-DD"),
    (("rules", "show", "2025"), "2025-26"),
    (("rules", "show", "2025-27"), "2025-26"),
    (("statsu", "S01"), "statsu"),
    (("append", "-", "--mode", "fast"), "enforce"),
])
def test_questions_are_wrong_usage_when_misspelt(ledger, arguments: tuple[str, ...], words: str) -> None:
    result = ledger(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr


@pytest.mark.parametrize("url", ["mysql://root:secret@localhost/x", "ledger.db", "sqlite:///"])
def test_questions_are_wrong_usage_when_the_address_is_of_no_known_form(run, url: str) -> None:
    result = run("--db", url, "status", "S01")
    assert result.exit_code == 2
    assert "sqlite:///PATH or postgresql://" in result.stderr
    assert "secret" not in result.stderr


@pytest.mark.parametrize("year", ["2019-20", "2024-25", "2025-26"])
def test_values_of_a_rule_book_are_told_as_people_write_them(run, year: str) -> None:
    shown = "".join(run("--lang", "it", "rules", *what).stdout for what in (("show", year), ("diff", "2023-24", year)))
    values = [line for line in shown.splitlines() if re.match(r" +[^ :]+(?: [^:]+)?: ", line)]
    assert len(values) > 100
    assert not [line for line in values if re.search(r"\d{4}-\d\d-\d\d|: \d+\.\d\d|^ +[a-z]+_[a-z]+", line)]
    assert f"  scadenza: 17 febbraio {int(year[:4]) + 1}\n  al massimo: 400,00 €\n" in shown


def test_rules_are_shown_compared_and_cited(run) -> None:
    shown = run("rules", "show", "2025-26").stdout
    assert "BLK-1" in shown
    assert "Interpretations" in shown
    changes = run("rules", "diff", "2019-20", "2025-26").stdout
    assert "Only in 2025-26" in changes
    assert "due on: 17 February 2020 -> 17 February 2026" in changes
    assert ("  RIC-4: Who changes programme still renews for 2025-26 by 3 October 2025, "
            "or pays the surcharge of a late renewal.\n"
            "    in 2019-20: Who changes programme still renews for 2019-20 by 7 October 2019.\n") in changes
    assert "Only the heading differs: CHG-1, " in changes
    cited = run("rules", "cite", "blk-1").stdout
    assert "BLK-1 in 2025-26" in cited
    assert "days: 30" in cited
    assert "Source: Guida dello studente 2025-26" in cited
    assert answer(run("rules", "cite", "BLK-1", "--json"))["id"] == "BLK-1"
    own = run("rules", "cite", "atomic")
    assert (own.exit_code, own.stdout.partition(":")[0]) == (0, "ATOMIC, a rule of the ledger's own")
    assert "Source: Career ledger, published language, Submitting an event" in own.stdout
    assert answer(run("rules", "show", "2019-20", "--json"))["academic_year"] == "2019-20"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_each_shell(run, shell: str) -> None:
    result = run("completion", shell)
    assert result.exit_code == 0
    assert "_CAREER_LEDGER_COMPLETE" in result.stdout


@pytest.mark.parametrize("command", ["append", "status", "fees", "eligibility", "history", "audit", "completion",
                                     "rules", "rules show", "rules diff", "rules cite", "rules new", "rules check",
                                     "rules effect"])
def test_help_has_an_example_for_each_command(run, command: str) -> None:
    result = run(*command.split(), "--help")
    assert result.exit_code == 0
    assert "Example" in result.stdout
    assert f"career-ledger {command}" in result.stdout


@pytest.mark.parametrize("wrong", [
    ["--held-on", "0001-01-01"], ["--calls-start-on", "9999-12-31"], ["--opens-on", "1899-12-31"],
    ["--on", "9999-12-31"],
    ["--academic-year", "9999-00"], ["--course", "A B"], ["--course", "x" * 65], ["--course", "a\x1bb"],
    ["--course", ""]], ids=ascii)
def test_eligibility_is_wrong_usage_when_a_value_is_none_that_an_event_can_have(ledger, wrong: list[str]) -> None:
    asked = {"--career": "B", "--course": "F", "--held-on": "2026-06-22", "--session": "summer",
             "--academic-year": "2025-26", "--calls-start-on": "2026-06-08"} | {wrong[0]: wrong[1]}
    result = ledger("eligibility", "S01", *(part for pair in asked.items() for part in pair))
    assert result.exit_code == 2
    assert wrong[0] in result.stderr


def test_eligibility_can_be_asked_of_every_course_that_an_event_can_name(ledger, line, lines) -> None:
    """Also of one whose code has a letter without shape, as copied text has."""
    codes = ["A\u200bB", "A\xadB", "A\x7f", "\ue000"]
    plan = {"academic_year": "2025-26", "courses": [
        {"code": code, "cfu": 6, "year": 1, "semester": 1, "lectures_end_on": "2026-01-16"} for code in codes]}
    assert ledger("append", "-", given=lines(line("p", "study-plan-approved", "2026-01-10", plan))).exit_code == 0
    call = ("--career", "B", "--held-on", "2026-02-10", "--session", "winter", "--academic-year", "2025-26",
            "--calls-start-on", "2026-02-01", "--on", "2026-01-30")
    for code in codes:
        result = ledger("eligibility", "S01", *call, "--course", code, "--json")
        assert (result.exit_code, json.loads(result.stdout)["eligible"]) == (0, True), result.output
    assert [one["rule"] for one in json.loads(ledger("eligibility", "S01", *call, "--course", "\u200b",
                                                     "--json").stdout)["reasons"]] == ["ESA-1"]


@pytest.mark.parametrize("command", [
    ("status", "{}"), ("fees", "{}"), ("history", "{}"), ("picture", "{}"), ("audit", "{}"), ("audit", "S01", "{}"),
    ("what-if", "{}", "--with", "-"), ("eligibility", "{}", *CALL),
    ("person", "{}", "--purpose", "x"), ("person", "S01", "--purpose", "{}"),
    ("person", "S01", "--purpose", "x", "--actor", "{}"), ("access", "{}"), ("history", "S01", "--purpose", "{}"),
], ids=" ".join)
def test_an_argument_that_is_no_text_is_wrong_usage(ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                    command: tuple[str, ...]) -> None:
    """Bytes that are not UTF-8 name no student, and nothing can be noted of them."""
    monkeypatch.setenv("CAREER_LEDGER_MASTER_KEY", str(tmp_path / "master.key"))
    monkeypatch.setenv("CAREER_LEDGER_KEYS", f"sqlite:///{tmp_path / 'keys.db'}")
    assert ledger("keys", "new").exit_code == 0
    given = os.fsdecode(b"S\xff")
    result = ledger(*(given if one == "{}" else one for one in command), given=b"")
    assert result.exit_code == 2
    assert "an argument is no text in UTF-8" in result.stderr
    assert "un argomento non è testo UTF-8" in ledger("--lang", "it", *(given if one == "{}" else one
                                                                        for one in command), given=b"").stderr
