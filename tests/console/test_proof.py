"""An event's page gives the proof of the student's record, or says why there is none."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from ledger.bootstrap import check_file

from .desk import CLERK, HERSELF, Desk

pytestmark = [pytest.mark.xdist_group("console"), pytest.mark.server]
EVENT = "/students/S-DEMO-01/events/6"


def test_proof_is_given_where_the_record_is_sealed(opened: Desk, tmp_path: Path) -> None:
    page = opened.window("it", CLERK, scripts=False)
    page.goto(opened.site + EVENT)
    expect(page.get_by_text("Questo evento è sigillato")).to_be_visible()
    with page.expect_download() as going:
        page.get_by_role("link", name="La prova di tutto ciò che risulta di S-DEMO-01").click()
    assert going.value.suggested_filename == "S-DEMO-01.proof"
    going.value.save_as(tmp_path / "her.proof")
    found = check_file(tmp_path / "her.proof", (opened.verifier,), ())
    assert found is not None
    assert (found["student"], len(found["events"])) == ("S-DEMO-01", 13)
    page.close()


def test_page_says_why_there_is_no_proof(opened: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for sealed, told in ((None, "il registro non è sigillato"), (1, "non è ancora sigillato")):
        monkeypatch.setattr(opened.ledger, "sealed_up_to", lambda sealed=sealed: sealed)
        page = opened.window("it", CLERK)
        opened.shows(page, EVENT, f"proof-{sealed}.it")
        expect(page.locator("main")).to_contain_text(told)
        page.close()


def test_student_is_offered_no_proof(opened: Desk) -> None:
    page = opened.window("it", HERSELF)
    page.goto(f"{opened.site}/my/events/6")
    expect(page.locator("h1")).to_be_visible()
    assert page.get_by_text("sigillat").count() == page.locator("a[download]").count() == 0
    answer = page.goto(f"{opened.site}/students/S-DEMO-01/proof")
    assert answer is not None
    assert answer.status == 403
    opened.came(403)
    page.close()
