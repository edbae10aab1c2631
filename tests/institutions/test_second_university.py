"""Another university is a folder of data: its rule book, its name, its holidays; no line of the program knows of it."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from threading import Event

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from consumers.notifications.__main__ import notifications
from consumers.notifications.agenda import Notice
from consumers.notifications.letter import text
from consumers.treasury.reference import reason_for_payment
from ledger.bootstrap import open_ledger
from ledger.domain.law.contribution import instalment_amounts
from ledger.rulebooks.check import check
from ledger.rulebooks.draft import confirmed, draft
from ledger.rulebooks.institution import institution
from ledger.rulebooks.loader import load_books, packaged_readings, source_of
from ledger.rulebooks.words import words_in
from ledger.words import sentence
from ledger.words.values import charge
from tests.rules.memory import MemoryLedger
from tests.rules.runner import History, _Run, histories

FOLDER = Path(__file__).parent / "riviera"
BOOKS = load_books(FOLDER)


@pytest.mark.parametrize("history", [pytest.param(one, id=one.name) for one in histories(FOLDER / "histories.yml")])
def test_its_own_rules_are_what_answers_follow(history: History) -> None:
    wrong = list(_Run(MemoryLedger(BOOKS), history).failures())
    assert not wrong, "\n".join([history.name, *wrong])


def test_its_third_instalment_is_in_the_stored_projections(tmp_path: Path) -> None:
    history = next(one for one in histories(FOLDER / "histories.yml") if "MOR-1" in one.rules)
    lines = [json.dumps(line.submission("R1", number)).encode() for number, line in enumerate(history.events[:-1])]
    with open_ledger(f"sqlite:///{tmp_path}/ledger.db", rulebooks=FOLDER) as ledger:
        assert {one["outcome"] for one in ledger.append_lines(lines)} == {"accepted"}
        ledger.project(Event())
        with ledger.reports() as reports:
            owed = reports.arrears(date(2026, 7, 29))["rows"]
            blocked = reports.blocked(date(2026, 6, 14), "exam-booking")["rows"]
        assert list(ledger.verify()) == []
    assert {(one["charge"], one["overdue"], one["accruing"]) for one in owed} == {
        ("2025-26:instalment-3", "300.00", "70.00"), ("2025-26:late-fee/instalment-2", "10.00", "0.00")}
    assert [one["charge"] for one in blocked] == ["2025-26:instalment-3"]


def test_instalments_add_up_to_the_contribution_to_the_cent() -> None:
    law = BOOKS.book_of("2025-26").rules
    for contribution in (Decimal(n) / 100 for n in range(1200, 200_000, 97)):
        asked = instalment_amounts(law, contribution, False, False)
        assert sum(amount for _, amount, _, _ in asked) == contribution
        assert [kind for kind, *_ in asked] == [f"instalment-{n + 1}" for n in range(len(asked))]
        assert len(asked) == (1 if contribution <= 250 else 3)


@pytest.mark.parametrize(("remits", "kinds"), [("any-payment", ["instalment-1", "instalment-3"]),
                                               ("the-total", ["instalment-1", "instalment-2", "instalment-3"])])
def test_an_instalment_below_the_least_payment_is_not_asked_where_none_is(remits: str, kinds: list[str]) -> None:
    rules = BOOKS.book_of("2025-26").rules
    law = rules.having(RAT_6=replace(rules.RAT_6, remits=remits), RAT_4=replace(rules.RAT_4, share=Decimal("0.10")))
    assert [kind for kind, *_ in instalment_amounts(law, Decimal("300.00"), False, False)] == kinds


def test_each_of_six_instalments_has_a_name_in_both_languages_and_in_the_treasury() -> None:
    late = charge("2025-26:late-fee/instalment-3", "it")
    assert late == "importo aggiuntivo per ritardato pagamento (terza rata) 2025-26"
    assert charge("2025-26:instalment-6", "en") == "sixth instalment 2025-26"
    assert reason_for_payment("2025-26:instalment-3") == "Contributo onnicomprensivo, terza rata 2025-26"


@pytest.mark.parametrize(("language", "words"), [
    ("it", ("Università degli Studi della Riviera", "nell'area riservata, alla voce Richieste")),
    ("en", ("University of the Riviera", "in your reserved area, under Requests"))])
def test_its_letters_bear_its_name(language: str, words: tuple[str, str]) -> None:
    notice = Notice("S1", None, "ticket-opened", "7", None)
    facts = {"number": "7", "service": "Career", "context": "Other", "day": "2026-03-01"}
    _, told, _ = text([(notice, facts)], language, None, institution(FOLDER))
    assert "Bergamo" not in told
    assert all(one in " ".join(told.split()) for one in words)


def test_letters_are_not_begun_under_an_institution_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "institution.yaml").write_text("name:\n  it: Università\n")
    done = CliRunner().invoke(notifications, [
        "run", "--db", f"sqlite:///{tmp_path}/letters.db", "--kafka", "localhost:1", "--smtp", "localhost:25",
        "--sender", "no-reply@example.org", "--rulebooks", str(tmp_path)])
    assert done.exit_code == 2, done.output
    assert "institution.yaml, line 1: name.en: missing" in " ".join(done.output.split())


def test_its_next_year_is_drafted_and_checked_with_its_own_holidays() -> None:
    name, source = source_of("2025-26", FOLDER)
    made = draft(name, source.replace("2026-05-29", "2026-06-24"), "2025-26", "2026-27", institution(FOLDER), sentence)
    assert "24 June 2027 is a holiday (San Giovanni)" in made
    found = check("2026-27.yaml", confirmed(made.encode()), packaged_readings(), BOOKS, institution(FOLDER),
                  words_in("it", FOLDER), date(2026, 7, 1))
    assert {one.severity for one in found} == {"look"}
    assert [one.field for one in found if "holiday" in one.message.id] == ["rules.RAT-4.further.0.due_on",
                                                                          "rules.RIN-10.further.0"]
