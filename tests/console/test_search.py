"""Where a student is: by whatever one has of her, and what never stands in an address."""

import pytest
from playwright.sync_api import expect

from .desk import STAFF, Desk

pytestmark = [pytest.mark.xdist_group("console"), pytest.mark.server]
ON = "on=2026-03-20"


def rows(opened: Desk, query: str) -> list[list[str]]:
    page = opened.window("it", STAFF, scripts=False)
    page.goto(f"{opened.site}/?{ON}&{query}")
    found = [one.locator("th, td").all_inner_texts() for one in page.locator("tbody tr").all()]
    page.close()
    return found


def test_blocks_stand_beside_each_career(opened: Desk) -> None:
    found = {row[0]: row[-1].split("\n") for row in rows(opened, "q=L-FIL")}
    assert found["S-DEMO-01"] == ["prenotazione esami BLK-1", "prova finale BLK-2"]
    assert found["S-DEMO-09"] == ["nessuno"]
    [(student, *_, blocks)] = rows(opened, "q=S-DEMO-02")
    assert (student, blocks) == ("S-DEMO-02", "riserva BLK-5")


@pytest.mark.parametrize(("text", "students"), [
    ("S-DEMO-01", {"S-DEMO-01"}), ("s-demo-01", {"S-DEMO-01"}), ("S-DEMO-0", {f"S-DEMO-0{n}" for n in "12356789"}),
    ("l-eco", {"S-DEMO-05", "S-DEMO-15"}), ("m1", {"S-DEMO-08"}), ("%", set()), ("S_DEMO-01", set()), ("!", set())])
def test_student_is_found_by_how_the_id_begins(opened: Desk, text: str, students: set[str]) -> None:
    assert {row[0] for row in rows(opened, f"q={text.replace('%', '%25')}")} == students


@pytest.mark.parametrize(("by", "value", "found"), [
    ("name", "D'Invento Zoë", "S-DEMO-05"), ("name", "d invento zoe", None),
    ("tax-code", "CODE-OF-NOBODY", "S-DEMO-05"), ("tax-code", "CODE-OF-SOMEBODY", None)])
def test_name_and_tax_code_are_looked_up_with_a_purpose_and_stand_in_no_address(opened: Desk, by: str, value: str,
                                                                                 found: str | None) -> None:
    page = opened.window("it", STAFF, scripts=False)
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url))
    page.goto(f"{opened.site}/?{ON}")
    page.locator("details.look > summary").click()
    page.get_by_label("Cerca per").select_option(by)
    page.get_by_label("Nome o codice fiscale").fill(value)
    send = page.locator("details.look button")
    send.click()
    expect(page.locator("#purpose")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#value")).to_have_value(value)
    page.get_by_label("Motivo della ricerca").fill(f"test {value}")
    send.click()
    if found is None:
        expect(page.get_by_role("heading", name="Con questo dato non risulta nessuno.")).to_be_visible()
    else:
        expect(page.locator("tbody tr th")).to_have_text(found)
        with opened.again() as ledger:
            traces = ledger.accesses(found)
        assert [one["what"] for one in traces if one["why"] == f"test {value}"] == [f"lookup-{by}"]
    assert not any(part.lower() in address.lower() for address in asked for part in ("invento", "CODE-OF"))
    page.close()
