"""Every screen of the console in a browser: in both languages, with scripts and without, wide and narrow."""

import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Page, expect

from ledger.domain.events import ExamBooked
from ledger.domain.knowledge import NotFound
from ledger.entrypoints.http.console import situation
from ledger.entrypoints.http.who import TABLE
from ledger.store import StoreUnavailable
from ledger.words import told
from tests.sizes import sized

from .desk import CLERK, HERSELF, LEAVER, NARROW, NOBODY, STAFF, Desk

pytestmark = [pytest.mark.xdist_group("console"), pytest.mark.server]
ON = "on=2026-03-20"
HER = "/students/S-DEMO-01"
TRIED = f"{HER}/what-if?{ON}&pay=2025-26:instalment-1&career=B&amount=400.00"


class Screen(NamedTuple):
    """`of`: the route that it is a run of, with its method; `path`: where one looks, `act`: and what one then does;
    `told`: what must be on it; `status`: with which it comes."""

    of: str
    path: str
    told: str
    caller: str = STAFF
    act: Callable[[Page], None] | None = None
    status: int = 200


def _looks_up(page: Page) -> None:
    page.locator("details.look > summary").click()
    page.locator("[name=value]").fill("Zoë d'Invento")
    page.locator("[name=purpose]").fill("call of 3 March")
    page.locator("details.look button").click()


def _supposes(page: Page) -> None:
    page.locator("[name='data.charge']").select_option("2025-26:instalment-1")
    page.locator("[name='data.amount']").fill("400,00")
    page.locator("button.btn[value=add]").click()


def _checks(page: Page) -> None:
    page.locator("[name='data.amount']").fill("a lot")
    page.locator("button.btn[value=check]").click()


def _forges(page: Page) -> None:
    page.locator("header [name=csrf]").evaluate("field => { field.value = 'x' }")
    page.locator("header form button").click()


def _is_signed_out(page: Page) -> None:
    page.context.clear_cookies()
    page.locator("header form button").click()


def _enters(page: Page) -> None:
    page.locator("[name=token]").fill("x" * 43)
    page.locator("main button").click()


SCREENS = {
    "search": Screen("GET /", f"/?{ON}", "S-DEMO-05"),
    "search-blocked": Screen("GET /", f"/?{ON}&block=exam-booking", "BLK-1"),
    "look-up": Screen("POST /", f"/?{ON}", "S-DEMO-05", act=_looks_up),
    "reports": Screen("GET /reports", f"/reports?{ON}", "€1,?[0-9.]+|prenotazione esami"),
    "report": Screen("GET /reports/{report}", f"/reports/arrears?{ON}", "S-DEMO-16"),
    "report-counts": Screen("GET /reports/{report}", f"/reports/counts?{ON}&by=programme,status", "LMCU-GIU"),
    "report-upcoming": Screen("GET /reports/{report}", "/reports/upcoming?from=2026-03-01&to=2026-04-30", "BLK-1"),
    "no-report": Screen("GET /reports/{report}", "/reports/nothing", "page at this address|nessuna pagina", status=404),
    "student": Screen("GET /students/{student}", f"{HER}?{ON}", "BLK-1"),
    "student-then": Screen("GET /students/{student}", f"{HER}?on=2026-02-01&known_on=2026-01-31", "B"),
    "timeline": Screen("GET /students/{student}/timeline", f"{HER}/timeline?{ON}", "FIL-101"),
    "event": Screen("GET /students/{student}/events/{version}", f"{HER}/events/6?{ON}", "€912.00|912,00.€"),
    "what-if": Screen("GET /students/{student}/what-if", TRIED, "BLK-2"),
    "what-if-added": Screen("POST /students/{student}/what-if", f"{HER}/what-if?{ON}", "BLK-2", act=_supposes),
    "record": Screen("GET /students/{student}/record", f"{HER}/record", "S-DEMO-01"),
    "record-wrong": Screen("POST /students/{student}/record", f"{HER}/record", "negativo: 400,00|negative: 400.00",
                           act=_checks),
    "subscribers": Screen("GET /subscribers", "/subscribers", "180"),
    "findings-before": Screen("GET /findings", "/findings?on=2020-01-01", "CSV|1"),
    "my-career": Screen("GET /my", f"/my?{ON}", "BLK-1", HERSELF),
    "my-timeline": Screen("GET /my/timeline", f"/my/timeline?{ON}", "FIL-101", HERSELF),
    "my-event": Screen("GET /my/events/{version}", f"/my/events/6?{ON}", "€912.00|912,00.€", HERSELF),
    "my-what-if": Screen("GET /my/what-if", f"/my/what-if?{ON}", ".", HERSELF),
    "my-what-if-added": Screen("POST /my/what-if", f"/my/what-if?{ON}", "BLK-2", HERSELF, _supposes),
    "sign-in": Screen("GET /login", "/login", "career-ledger serve", NOBODY),
    "sign-in-wrong": Screen("POST /login", "/login", "career-ledger serve", NOBODY, _enters, 403),
    "sign-in-nowhere": Screen("GET /login/start", "/login/start", ".", NOBODY, status=403),
    "sign-in-stale": Screen("GET /login/answer", "/login/answer?code=x&state=y", ".", NOBODY, status=403),
    "bad-address": Screen("GET /students/{student}", f"{HER}?on=yesterday", "(Situation on|Situazione al): .*2026-03",
                          status=400),
    "not-for-you": Screen("GET /subscribers", "/subscribers", "administrator|amministratore", CLERK, status=403),
    "no-student": Screen("GET /students/{student}", "/students/NOBODY", "NOBODY", status=404),
    "form-from-elsewhere": Screen("", "/reports", "an old one|vecchia", LEAVER, _forges, 403),
    "signed-out": Screen("", "/reports", "The session has ended|La sessione è finita", LEAVER, _is_signed_out, 401),
    "api": Screen("", "/v1", "/v1/students/{student}/fees", NOBODY),
    "no-page": Screen("", "/nowhere", "page at this address|nessuna pagina", status=404),
}
"""By its name."""
DONE_ELSEWHERE = {
    "POST /findings": "test_findings.py", **dict.fromkeys((
        "GET /help", "GET /help/new", "POST /help/new", "GET /help/sent", "GET /help/state", "POST /help/state",
        "GET /my/tickets", "GET /my/tickets/{number}", "GET /my/new-ticket", "POST /my/new-ticket", "GET /tickets",
        "GET /tickets/{number}", "POST /tickets/{number}"), "test_tickets.py")}
NO_PAGE = {"GET /findings.csv", "GET /reports/{report}/rows.csv", "POST /logout", "GET /students/{student}/proof"}
"""What gives a file, or sends one on."""


def test_every_page_is_run() -> None:
    pages = {f"{method} {route}" for route, methods in TABLE.items() for method, permit in methods.items()
             if permit.page}
    run = {one.of for one in SCREENS.values()} - {""} | DONE_ELSEWHERE.keys()
    assert pages - NO_PAGE & pages == run


@pytest.mark.faults
@pytest.mark.parametrize(("name", "language"), [(name, language) for number, name in enumerate(SCREENS)
                                                for language in sized((("it", "en")[number % 2],), ("it", "en"))])
def test_screen_is_fit_for_everybody(opened: Desk, name: str, language: str) -> None:
    one = SCREENS[name]
    scripted, plain = (_shown(opened, one, language, scripts) for scripts in (True, False))
    opened.judged(scripted, f"{name}.{language}")
    expect(scripted.locator("html")).to_have_attribute("lang", language)
    opened.same_without_scripts(plain, f"{name}.{language}", scripted)
    plain.close()
    scripted.close()


def _shown(opened: Desk, one: Screen, language: str, scripts: bool) -> Page:
    page = opened.window(language, one.caller, scripts)
    opened.opens(page, one.path, one.status if one.act is None else 200)
    if one.act is not None:
        one.act(page)
    expect(page.locator("main")).to_contain_text(re.compile(one.told))
    expect(page.locator(".htmx-settling, .htmx-request")).to_have_count(0)
    opened.came(one.status)
    return page


@pytest.mark.parametrize(("status", "error"), [(503, StoreUnavailable("away")), (500, ValueError("her name"))])
def test_page_of_a_ledger_that_cannot_be_read_says_so(opened: Desk, monkeypatch: pytest.MonkeyPatch, status: int,
                                                      error: Exception) -> None:
    def fails(*_: Any) -> None:
        raise error

    monkeypatch.setattr(opened.ledger, "situation", fails)
    for language in ("en", "it"):
        page = opened.window(language)
        opened.shows(page, HER, f"away-{status}.{language}", status)
        expect(page.locator("main")).not_to_contain_text(str(error))
        page.close()


def test_sign_in_with_a_provider_is_one_button(opened: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opened.entrance, "_once", None)
    monkeypatch.setattr(opened.entrance, "_people", object())
    for language in ("en", "it"):
        page = opened.window(language, NOBODY)
        opened.shows(page, "/login", f"sign-in-provider.{language}")
        expect(page.locator("main a.btn")).to_have_attribute("href", re.compile("^/login/start"))
        page.close()


@pytest.mark.parametrize("path", [f"{HER}?{ON}", f"{HER}/timeline?{ON}"])
def test_list_stands_where_there_is_no_room_for_the_picture(opened: Desk, path: str) -> None:
    page = opened.window("it", scripts=False)
    page.goto(opened.site + path)
    expect(page.locator(".picture")).to_be_visible()
    page.set_viewport_size({"width": NARROW, "height": 900})
    expect(page.locator(".picture")).to_be_hidden()
    expect(page.get_by_text("FIL-101 superato (6 CFU)").locator("visible=true")).to_have_count(1)
    page.close()


def test_narrow_rows_leave_out_what_is_empty(opened: Desk) -> None:
    page = opened.window("it", scripts=False)
    page.set_viewport_size({"width": NARROW, "height": 900})
    page.goto(f"{opened.site}{TRIED}")
    row = page.locator("table.stacked tr.changed", has_text="19 aprile 2026")
    expect(row.locator("[data-head=Ora]")).to_be_visible()
    expect(row.locator("[data-head=Dopo]")).to_be_hidden()
    page.close()


@pytest.mark.parametrize("scripts", [True, False])
def test_days_move_what_is_supposed_along(opened: Desk, scripts: bool) -> None:
    page = opened.window("it", STAFF, scripts)
    page.goto(f"{opened.site}{TRIED}")
    page.locator("form.days [name=on]").fill("2026-04-01")
    page.locator("form.days button").click()
    expect(page.get_by_role("heading", name="Che cosa cambierebbe al 1º aprile 2026")).to_be_visible()
    expect(page.locator("ol > li")).to_have_count(1)
    page.close()


def test_block_is_told_up_to_its_last_day(opened: Desk) -> None:
    page = opened.window("it", scripts=False)
    page.goto(f"{opened.site}/students/S-DEMO-02?{ON}")
    told = page.locator(".block .quiet").first
    expect(told).to_have_text(re.compile("dal 5 novembre 2025 al 30 aprile 2026$"))
    page.close()


@pytest.mark.parametrize(("student", "on", "told"), [
    ("S-DEMO-10", "2026-03-10", ["No", "withdrawal filed on 10 February 2026",
                                 "Can be paid until 12 March 2026: €16.00"]),
    ("S-DEMO-20", "2026-03-20", ["SC No", "could be sat until 28 February 2026"]),
    ("S-DEMO-13", "2026-03-20", ["Yes", "calls of 2019-20"]), ("S-DEMO-12", "2026-03-20", ["Yes", "calls of 2025-26"])])
def test_tile_says_what_speaks_against_every_exam(opened: Desk, student: str, on: str, told: list[str]) -> None:
    page = opened.window("en", scripts=False)
    page.goto(f"{opened.site}/students/{student}?on={on}")
    for part in told:
        expect(page.locator(".tiles")).to_contain_text(part)
    page.close()


def test_payment_that_was_moved_reads_as_one(opened: Desk) -> None:
    page = opened.window("it", scripts=False)
    page.goto(f"{opened.site}/students/S-DEMO-11?on=2026-05-10")
    expect(page.locator(".events")).to_contain_text(["da prima rata 2025-26 a prima rata 2025-26 B, 400,00 €"])
    page.close()


def test_tile_agrees_with_the_answer_about_an_exam(opened: Desk) -> None:
    """Of an exam that is in her plan: nothing but that exam's own rules speaks against it where the tile says yes."""
    asked = 0
    for student in (f"S-DEMO-{number:02}" for number in range(1, 22)):
        for day in (date(2025, 11, 20), date(2026, 2, 20), date(2026, 3, 20), date(2026, 6, 1)):
            try:
                found = opened.ledger.situation(student, day)
            except NotFound:
                continue
            shown = {name: told(found[name], "en") for name in ("status", "fees", "booking")}
            for one in situation.tiles(shown["status"], shown["fees"], shown["booking"], "en")["booking"]:
                call = ExamBooked(course="ANY-1", held_on=day, session="summer", academic_year=one["academic_year"],
                                  calls_start_on=day, mode="oral")
                against = {reason["rule"] for reason in opened.ledger.eligibility(
                    student, day, one["career"], call)["reasons"]}
                asked += 1
                assert one["may"] is not True or against <= {"ESA-1", "PRN-1", "PRN-2", "PRN-3", "UNKNOWN-VALUE"}, (
                    student, day, against)
    assert asked > 40


@pytest.fixture(autouse=True)
def _nothing_is_wrong(opened: Desk) -> Iterator[None]:
    opened.wrong.clear()
    yield
    assert opened.wrong == []
