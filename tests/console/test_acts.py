"""What somebody does on the console's pages, with scripts and without."""

import re
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route, expect

from .desk import CLERK, LEAVER, SCRIPTS, STAFF, Desk

pytestmark = [pytest.mark.xdist_group("console"), pytest.mark.server]
PAID = {"data.charge": "2025-26:instalment-1", "data.amount": "400,00"}


def opened_at(opened: Desk, path: str, scripts: bool, caller: str = STAFF) -> Page:
    page = opened.window("en", caller, scripts)
    page.goto(opened.site + path)
    return page


def fill(page: Page, **values: str) -> None:
    for name, value in values.items():
        field = page.locator(f'[name="{name}"]')
        if field.evaluate("one => one.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)


def choose(page: Page, type: str) -> None:
    fill(page, type=type)
    page.get_by_role("button", name="Show its form").click()


def version(opened: Desk, student: str) -> int:
    return int(opened.ledger.head(student)["version"])


@SCRIPTS
def test_payment_is_tried_from_the_card_of_the_block_that_it_lifts(opened: Desk, scripts: bool) -> None:
    before = version(opened, "S-DEMO-01")
    page = opened_at(opened, "/students/S-DEMO-01?on=2026-03-20", scripts)
    page.get_by_role("link", name=re.compile("^Try it")).first.click()
    expect(page.get_by_role("heading", name="Nothing would block")).to_be_visible()
    choose(page, "exam-booked")
    expect(page.get_by_label("Course")).to_be_visible()
    fill(page, effective_on="2026-04-01", **{"data.course": "LIN-110", "data.held_on": "2026-04-10"})
    page.get_by_role("button", name="See what would change").click()
    expect(page.get_by_role("alert")).to_contain_text("this field is required")
    expect(page.get_by_label("Academic year")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Course")).to_have_value("LIN-110")
    expect(page.locator("ol > li")).to_have_count(1)
    page.get_by_role("button", name=re.compile("^Take it out")).click()
    expect(page.locator("ol > li")).to_have_count(0)
    assert version(opened, "S-DEMO-01") == before
    page.close()


@SCRIPTS
def test_enter_does_what_the_form_is_for(opened: Desk, scripts: bool) -> None:
    page = opened_at(opened, "/students/S-DEMO-01/what-if?on=2026-03-20", scripts)
    for acts in (1, 2):  # and takes none out
        fill(page, **PAID | {"data.amount": "200,00"})
        page.locator("[name='data.amount']").press("Enter")
        expect(page.locator("ol > li")).to_have_count(acts)
    page.goto(f"{opened.site}/students/S-DEMO-01/record?on=2026-03-20")
    fill(page, **PAID)
    page.locator("[name='data.amount']").press("Enter")
    expect(page.get_by_role("heading", name="The rules allow it")).to_be_visible()
    page.close()


def test_what_frees_her_today_but_not_tomorrow_is_told(opened: Desk) -> None:
    page = opened_at(opened, "/students/S-DEMO-01?on=2026-03-20", False)
    page.get_by_role("link", name=re.compile("^Try it")).first.click()
    expect(page.get_by_role("heading", name="Nothing would block on 20 March 2026")).to_be_visible()
    expect(page.get_by_text("But on 21 March 2026, if nothing else happens:")).to_be_visible()
    expect(page.locator("h2 ~ ul", has_text="BLK-2").last).to_contain_text("late payment")
    page.close()


@pytest.mark.parametrize("patience", [60.0, 0.02], ids=["at-once", "after-a-moment"])
def test_what_is_typed_while_the_answer_is_made_stays(opened: Desk, monkeypatch: pytest.MonkeyPatch,
                                                      patience: float) -> None:
    going_on, real = threading.Event(), opened.ledger.dry_run
    monkeypatch.setattr(opened.ledger, "dry_run", lambda *asked: going_on.wait(60) and real(*asked))
    page = opened_at(opened, "/students/S-DEMO-15/record?on=2026-03-20", True)
    fill(page, **PAID)
    asked = list[Route]()
    page.route("**/record?*", lambda route: asked.append(route), times=1)
    with page.expect_request("**/record?*"):
        page.get_by_role("button", name="Check").click()
    fill(page, **{"data.note": "by transfer", "data.amount": "40,00"})
    monkeypatch.setattr(opened.console.waiting, "patience", patience)
    asked[0].continue_()
    if patience < 1.0:
        expect(page.get_by_role("progressbar")).to_be_visible()
    going_on.set()
    expect(page.get_by_role("heading", name="The rules allow it")).to_be_visible()
    for name, value in (("data.amount", "40,00"), ("data.note", "by transfer"), ("data.charge", PAID["data.charge"])):
        expect(page.locator(f'[name="{name}"]')).to_have_value(value)
    if patience > 1.0:
        expect(page.locator("[name='data.amount']")).to_be_focused()
    page.close()


@SCRIPTS
def test_button_pressed_twice_records_once(opened: Desk, scripts: bool) -> None:
    before = version(opened, "S-DEMO-15")
    page = opened_at(opened, "/students/S-DEMO-15/record?on=2026-03-20", scripts)
    fill(page, **PAID | {"data.amount": "7,00" if scripts else "8,00"})
    page.get_by_role("button", name="Check").dblclick()
    expect(page.get_by_role("heading", name="The rules allow it")).to_be_visible()
    page.get_by_role("button", name="Record it").dblclick()
    expect(page.get_by_text("It is recorded.")).to_be_visible()
    if scripts:  # without them the way back asks whether to send the form again, which is for the browser
        page.go_back()
        expect(page.get_by_role("heading", name="Nothing is recorded yet")).to_be_visible()
    assert version(opened, "S-DEMO-15") == before + 1
    page.close()


def test_event_is_voided_from_its_own_page(opened: Desk) -> None:
    page = opened_at(opened, "/students/S-DEMO-03/events/4", False)
    name = page.locator("h1").inner_text()
    page.get_by_role("link", name="Void this event").click()
    assert "demo" not in page.url  # ids of events are others' to make
    expect(page.locator("[name='data.event']")).to_have_value(re.compile("^demo-03-"))
    fill(page, **{"data.reason": "typed twice", "data.authority": "Office"})
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_role("heading", name=re.compile("The rules allow it"))).to_be_visible()
    page.get_by_role("button", name="Record it").click()
    expect(page.get_by_text("It is recorded.")).to_be_visible()
    page.goto(f"{opened.site}/students/S-DEMO-03/events/4")
    expect(page.locator("h1")).to_have_text(name)
    expect(page.get_by_role("link", name="Void this event")).to_have_count(0)
    page.close()


@SCRIPTS
def test_act_is_checked_then_recorded_once(opened: Desk, scripts: bool) -> None:
    before = version(opened, "S-DEMO-16")
    page = opened_at(opened, "/students/S-DEMO-16/record?on=2026-03-20", scripts)
    fill(page, **PAID | {"data.amount": "1,00" if scripts else "2,00"})
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_role("heading", name="The rules allow it")).to_be_visible()
    assert version(opened, "S-DEMO-16") == before
    page.get_by_role("button", name="Record it").click()
    expect(page.get_by_text("It is recorded.")).to_be_visible()
    expect(page).to_have_url(re.compile(f"/students/S-DEMO-16/events/{before + 1}"))
    assert version(opened, "S-DEMO-16") == before + 1
    page.close()


@SCRIPTS
def test_act_that_was_changed_after_its_check_is_checked_anew(opened: Desk, scripts: bool) -> None:
    before = version(opened, "S-DEMO-16")
    page = opened_at(opened, "/students/S-DEMO-16/record?on=2026-03-20", scripts)
    fill(page, **PAID | {"data.amount": "3,00"})
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_role("button", name="Record it")).to_be_visible()  # else the answer would take its place
    fill(page, **{"data.amount": "300,00"})
    page.get_by_role("button", name="Record it").click()
    expect(page.get_by_role("heading", name="The rules allow it")).to_be_visible()
    expect(page.locator("[name='data.amount']")).to_have_value("300,00")
    assert version(opened, "S-DEMO-16") == before
    page.close()


@SCRIPTS
@pytest.mark.parametrize("again", [False, True], ids=["signed-out", "signed-in-anew"])
def test_what_was_typed_outlives_the_session(opened: Desk, scripts: bool, again: bool) -> None:
    before = version(opened, "S-DEMO-16")
    page = opened_at(opened, "/students/S-DEMO-16/record?on=2026-03-20", scripts, LEAVER)
    choose(page, "charge-decided")
    fill(page, **{"data.reason": "First line\n<b>second</b> line"})
    page.context.clear_cookies()
    if again:
        opened.sign_in(page, LEAVER)
    page.get_by_role("button", name="Check").click()
    if not again:
        expect(page.get_by_role("alert")).to_contain_text("The session has ended")
        opened.came(401)
        opened.judged(page, "typed-and-kept.en") if scripts else None
        opened.sign_in(page, LEAVER)
        page.get_by_role("button", name="Send what was typed").click()
    expect(page.get_by_role("alert")).to_contain_text("before the last sign-in")
    opened.came(403)
    opened.judged(page, "typed-before.en") if scripts else None
    page.get_by_role("button", name="Send what was typed").click()
    expect(page.locator("[name='data.reason']")).to_have_value("First line\n<b>second</b> line")
    expect(page.get_by_role("heading", name="The form is not right yet")).to_be_visible()
    assert version(opened, "S-DEMO-16") == before
    page.close()


@SCRIPTS
def test_old_page_is_told_so_and_nothing_is_recorded(opened: Desk, scripts: bool) -> None:
    page = opened_at(opened, "/students/S-DEMO-15/record?on=2026-03-20", scripts)
    choose(page, "ticket-opened")
    fill(page, **{"data.number": f"T{scripts}", "data.service": "fees", "data.subject": "x", "data.context": "x"})
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_role("button", name="Record it")).to_be_visible()
    meanwhile = {"id": f"meanwhile-{scripts}", "type": "ticket-opened", "student": "S-DEMO-15", "source": "t",
                 "actor": "t", "effective_on": "2026-03-20",
                 "data": {"number": f"M{scripts}", "service": "x", "subject": "x", "context": "x"}}
    opened.append(meanwhile)
    known = version(opened, "S-DEMO-15")
    page.get_by_role("button", name="Record it").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing of yours was recorded")
    assert version(opened, "S-DEMO-15") == known
    opened.judged(page, "stale.en") if scripts else None
    page.get_by_role("button", name="Check").click()
    page.get_by_role("button", name="Record it").click()
    expect(page.get_by_text("It is recorded.")).to_be_visible()
    page.close()


@SCRIPTS
def test_list_is_filled_in_row_by_row(opened: Desk, scripts: bool) -> None:
    page = opened_at(opened, "/students/S-DEMO-05/record?on=2026-03-20", scripts)
    choose(page, "study-plan-approved")
    expect(page.get_by_label("Code")).to_have_count(1)
    fill(page, **{"data.academic_year": "2025-26", "data.courses.0.code": "ECO-101", "data.courses.0.cfu": "six",
                  "data.courses.0.prerequisites": "ECO-001, ECO-002"})
    page.get_by_role("button", name=re.compile("^Add a row")).click()
    expect(page.get_by_label("Code")).to_have_count(2)
    page.get_by_role("button", name="Check").click()  # a row in which nothing stands does not count
    expect(page.get_by_role("alert")).to_contain_text(re.compile("1: CFU", re.IGNORECASE))
    expect(page.get_by_label("Code")).to_have_count(1)
    wrong = page.locator("[name='data.courses.0.cfu']")
    expect(wrong).to_have_value("six")
    expect(wrong).to_have_attribute("aria-invalid", "true")
    expect(page.locator("[id='wrong-data.courses.0.cfu']")).to_contain_text("number")
    expect(page.locator("[name='data.courses.0.prerequisites']")).to_have_value("ECO-001, ECO-002")
    page.get_by_role("button", name=re.compile("^Add a row")).click()
    expect(page.get_by_label("Code")).to_have_count(2)
    for number, code in enumerate(("ECO-101", "ECO-102")):
        fill(page, **{f"data.courses.{number}.{name}": value for name, value in {
            "code": code, "cfu": "6", "year": "1", "semester": "1", "lectures_end_on": "2026-01-10"}.items()})
    opened.judged(page, "rows.en") if scripts else None
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_role("heading", name=re.compile("The rules"))).to_be_visible()
    expect(page.locator("[name='data.courses.1.code']")).to_have_value("ECO-102")
    page.close()


BOOKING = {"effective_on": "2026-03-20", "data.course": "LIN-110", "data.held_on": "2026-04-10",
           "data.academic_year": "2025-26", "data.session": "extraordinary", "data.calls_start_on": "2026-04-01",
           "data.mode": "oral"}


@SCRIPTS
def test_officer_derogates_from_the_rules_that_refuse(opened: Desk, scripts: bool) -> None:
    before = version(opened, "S-DEMO-01")
    page = opened_at(opened, "/students/S-DEMO-01/record?on=2026-03-20", scripts)
    choose(page, "exam-booked")
    fill(page, **BOOKING)
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_role("heading", name="The rules do not allow it")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("BLK-1")
    opened.judged(page, "refused.en") if scripts else None
    fill(page, authority="Rector", reason="appeal 12")
    page.get_by_role("button", name="Check with the derogation").click()
    expect(page.get_by_text("In derogation, by Rector.")).to_be_visible()
    assert version(opened, "S-DEMO-01") == before
    page.close()


def test_registrar_who_is_no_officer_cannot_derogate(opened: Desk) -> None:
    page = opened_at(opened, "/students/S-DEMO-01/record?on=2026-03-20", False, CLERK)
    choose(page, "exam-booked")
    fill(page, **BOOKING)
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_text("Only an officer can derogate from them.")).to_be_visible()
    page.close()


def test_form_that_is_not_right_names_its_fields(opened: Desk) -> None:
    page = opened_at(opened, "/students/S-DEMO-01/record", True)
    fill(page, **{"data.amount": "many"})
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_role("heading", name="The form is not right yet")).to_be_visible()
    expect(page.get_by_label("Amount")).to_have_attribute("aria-invalid", "true")
    opened.judged(page, "invalid.en")
    page.close()


@pytest.fixture(autouse=True)
def _nothing_is_wrong(opened: Desk) -> Iterator[None]:
    opened.wrong.clear()
    yield
    assert opened.wrong == []
