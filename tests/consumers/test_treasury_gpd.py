"""Debt positions as pagoPA's GPD takes them, and the institution's file that they are filled from."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from consumers.database import Database
from consumers.treasury.__main__ import treasury
from consumers.treasury.gpd import Creditor, WrongFile, payable_on, payment_position, read_creditor
from ledger.wire.message import encode

from .test_treasury_life import PLAN
from .treasury_books import Books
from .treasury_ledger import YEAR, enrolled, fact, paid

EXAMPLE = Path("examples/creditor.toml")
SCHEMA = Draft202012Validator(json.loads((Path(__file__).parent / "gpd-v1.schema.json").read_bytes()))
CREDITOR = read_creditor(EXAMPLE)


@pytest.fixture
def books(own: Database) -> Books:
    return Books(own)


def exported(books: Books, day: str, creditor: Creditor = CREDITOR) -> dict[str, dict[str, Any]]:
    """charge or part -> position."""
    with books.transaction() as tx:
        found = [payment_position(one, creditor, date.fromisoformat(day))
                 for one in payable_on(tx, date.fromisoformat(day), limit=2)]
    for one in found:
        SCHEMA.validate(json.loads(encode(one)))
        [option] = one["paymentOption"]
        assert option["amount"] == sum(transfer["amount"] for transfer in option["transfer"])
        assert option["retentionDate"] >= option["dueDate"] >= max(day, one.get("validityDate", day)[:10])
        assert [t["idTransfer"] for t in option["transfer"]] == [str(n) for n in range(1, len(option["transfer"]) + 1)]
    return {one["paymentOption"][0]["paymentOptionMetadata"][1]["value"].removeprefix(f"{YEAR}:"): one for one in found}


def shares(position: dict[str, Any]) -> list[tuple[int, str]]:
    return [(t["amount"], t["category"]) for t in position["paymentOption"][0]["transfer"]]


def test_position_has_every_field_and_the_debtor_by_reference(books: Books) -> None:
    books.follow(enrolled())
    found = exported(books, "2026-02-01")
    assert set(found) == {"instalment-1", "instalment-2"}
    iuv = books.iuv("instalment-1")
    assert found["instalment-1"] == {
        "iupd": f"01199250158-{iuv}", "type": "F", "fiscalCode": "S1", "fullName": "S1",
        "companyName": "Università di Esempio",
        "officeName": "Segreteria studenti", "switchToExpired": False, "paymentOption": [{
            "nav": f"3{iuv}", "iuv": iuv, "amount": 40000, "description": "Contributo onnicomprensivo, "
                                                                          "prima rata 2025-26",
            "isPartialPayment": False, "dueDate": "2026-02-17T23:59:59", "retentionDate": "2027-02-17T23:59:59",
            "transfer": [{"idTransfer": "1", "amount": 40000, "organizationFiscalCode": "01199250158",
                          "remittanceInformation": "Contributo onnicomprensivo, prima rata 2025-26",
                          "category": "9/0000000XX/", "iban": "IT60X0542811101000000123456"}],
            "paymentOptionMetadata": [{"key": "career", "value": "B"},
                                      {"key": "charge", "value": f"{YEAR}:instalment-1"}]}]}


def test_regional_tax_and_stamp_are_two_transfers(books: Books) -> None:
    books.follow(enrolled()[:1])
    assert shares(exported(books, "2025-09-20")["enrolment"]) == [(14000, "9/0000001XX/"), (1600, "9/0000002XX/")]


@pytest.mark.parametrize(("received", "expected"), [("100.00", [4000, 1600]), ("140.00", [1600]), ("150.00", [600])])
def test_what_came_before_is_taken_from_the_first_share(books: Books, received: str, expected: list[int]) -> None:
    books.follow([enrolled()[0], paid("e2", "2025-09-20", "enrolment", received)])
    assert [amount for amount, _ in shares(exported(books, "2025-09-20")["enrolment"])] == expected


def test_late_position_asks_for_what_accrues_until_the_day_through_which_that_holds(books: Books) -> None:
    books.follow(enrolled())
    [option] = exported(books, "2026-02-18")["instalment-1"]["paymentOption"]
    assert (option["amount"], option["dueDate"]) == (42000, "2026-03-19T23:59:59")
    [option] = exported(books, "2026-06-01")["instalment-1"]["paymentOption"]
    assert (option["amount"], option["dueDate"]) == (48000, "2026-07-31T23:59:59")  # open: 60 days


def test_each_part_of_a_plan_is_exported_alone(books: Books) -> None:
    books.follow([*enrolled(), PLAN])
    found = exported(books, "2026-02-10")
    assert {position: one["paymentOption"][0]["amount"] for position, one in found.items()} == {
        "instalment-1@2026-03-31": 15000, "instalment-1@2026-04-30": 25000, "instalment-2": 50000}
    assert found["instalment-1@2026-03-31"]["paymentOption"][0]["dueDate"] == "2026-03-31T23:59:59"
    assert len({one["iupd"] for one in found.values()}) == 3


def test_money_for_a_part_goes_to_its_charge(books: Books) -> None:
    books.follow([*enrolled(), PLAN])
    books.notify("instalment-1@2026-03-31", "150.00", "2026-03-01", "R1")
    assert books.outbox() == [("pagopa:R1", f"{YEAR}:instalment-1", 15000)]


def test_validity_is_sent_where_it_lies_ahead_and_not_after_the_date(books: Books) -> None:
    books.follow(enrolled())
    later = CREDITOR.model_copy(update={"validity_days": 3})
    assert exported(books, "2026-02-14", later)["instalment-1"]["validityDate"] == "2026-02-17T00:00:00"
    assert "validityDate" not in exported(books, "2026-02-15", later)["instalment-1"]


def test_nothing_is_exported_that_may_not_be_paid(books: Books) -> None:
    books.follow([*enrolled("S2"), paid("p", "2026-02-10", "instalment-1", "400.00", "S2"),
                  paid("q", "2026-02-10", "instalment-2", "500.00", "S2"),
                  fact("c", "enrolled", "2025-09-20",
                       {"programme": "L-FIL", "academic_year": YEAR, "course_type": "bachelor",
                                                       "access": "open", "year": 1, "regime": "full-time"}, "S3")])
    assert [one["fullName"] for one in exported(books, "2026-02-11").values()] == ["S3"]


def test_export_prints_json_lines(own_url: str) -> None:
    with Database(own_url) as own:
        Books(own).follow(enrolled())
    found = CliRunner().invoke(treasury, ["export", "--db", own_url, "--creditor", str(EXAMPLE), "--on", "2026-02-01"])
    assert (found.exit_code, len(found.output.splitlines())) == (0, 2)
    assert json.loads(found.output.splitlines()[0])["type"] == "F"


# The file


@pytest.mark.parametrize(("old", "new", "said"), [
    ('"01199250158"', '"0119925015"', "fiscal_code"),
    ("IT60X0542811101000000123456", "IT60X0542811101000000123457", "check digits"),
    ('"9/0000000XX/"', '"nothing"', "account.taxonomy"), ('"140.00"', "140", "split.enrolment.0.amount"),
    ("retention_days = 365", "", "retention_days"), ("office =", "offices =", "offices"),
    ("[account]", "[account", "not TOML"),
])
def test_wrong_file_is_said_with_the_field(old: str, new: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "creditor.toml"
    file.write_text(EXAMPLE.read_text().replace(old, new))
    with pytest.raises(WrongFile, match=said):
        read_creditor(file)
    found = CliRunner().invoke(treasury, ["export", "--db", f"sqlite:///{tmp_path}/t.db", "--creditor", str(file)])
    assert (found.exit_code, said in found.output) == (2, True)
