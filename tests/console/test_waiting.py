"""A page that takes longer than a second: one is told that it is being made, and is given it when it is there."""

import re
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from ledger.bootstrap import Ledger
from ledger.entrypoints.http.everybody import Everybody
from ledger.helpdesk.desk import HelpDesk
from ledger.projections.everybody.reports import Reports

from .desk import CLERK, HERSELF, STAFF, Desk

pytestmark = [pytest.mark.xdist_group("console"), pytest.mark.server]
HERS = "/students/S-DEMO-01"
HER = f"{HERS}?on=2026-03-20"


@pytest.fixture
def held(opened: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., threading.Event]]:
    """Holds a function up until the event that it gives is set. Whoever asks waits for no page."""
    events = []

    def hold(whose: Any, name: str) -> threading.Event:
        going_on, real = threading.Event(), getattr(whose, name)

        def slow(*asked: Any, **named: Any) -> Any:
            assert going_on.wait(60)
            return real(*asked, **named)

        monkeypatch.setattr(whose, name, slow)
        events.append(going_on)
        return going_on

    opened.wrong.clear()
    monkeypatch.setattr(opened.console.waiting, "patience", 0.02)
    yield hold
    for one in events:
        one.set()


def _begins(opened: Desk, page: Page, path: str) -> None:
    opened.opens(page, path, 202)
    expect(page.get_by_role("progressbar")).to_be_visible()


def test_page_comes_by_itself_when_it_is_there(opened: Desk, held: Callable[..., threading.Event]) -> None:
    going_on, page = held(opened.ledger, "situation"), opened.window("it", STAFF)
    page.route("**/htmx.js", lambda route: route.fulfill(content_type="text/javascript", body=""))
    opened.opens(page, HER, 202)
    opened.judged(page, "working.it")  # what axe looks at must not change meanwhile
    page.unroute_all()
    _begins(opened, page, HER)
    expect(page.get_by_text(re.compile("Secondi trascorsi: [1-9]"))).to_be_visible()
    going_on.set()
    expect(page.get_by_role("heading", name="S-DEMO-01", exact=True)).to_be_visible()
    expect(page).to_have_title("S-DEMO-01 al 20 marzo 2026 - Registro delle carriere")
    assert opened.wrong == []
    page.close()


@pytest.mark.parametrize(("whose", "name", "path", "told"), [
    (Reports, "find", "/?on=2026-03-20", "26 careers"), (Ledger, "event", f"{HERS}/events/6", "Contribution assessed"),
    (Everybody, "page", "/reports/arrears?on=2026-03-20", "All of them (4)"),
    (HelpDesk, "listed", "/tickets", "Tickets")])
def test_whoever_runs_no_scripts_asks_again(opened: Desk, held: Callable[..., threading.Event], whose: Any, name: str,
                                            path: str, told: str) -> None:
    going_on = held(whose, name)
    page = opened.window("en", STAFF, scripts=False)
    _begins(opened, page, path)
    page.get_by_role("link", name="Look how far it is").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    going_on.set()
    opened.console.waiting.patience = 60.0
    page.get_by_role("link", name="Look how far it is").click()
    expect(page.get_by_role("heading", name=told).first).to_be_visible()
    page.close()


def test_page_that_fails_says_so_to_who_asked_alone(opened: Desk, monkeypatch: pytest.MonkeyPatch,
                                                    held: Callable[..., threading.Event]) -> None:
    def fails(*_: Any) -> None:
        raise ValueError("her name")

    monkeypatch.setattr(opened.ledger, "situation", fails)
    going_on = held(opened.ledger, "situation")
    page, other = opened.window("en", STAFF, scripts=False), opened.window("en", HERSELF, scripts=False)
    _begins(opened, page, HER)
    opened.console.waiting.patience = 60.0
    monkeypatch.undo()
    opened.opens(other, "/my?on=2026-03-20", 200)
    going_on.set()
    page.get_by_role("link", name="Look how far it is").click()
    expect(page.locator("main")).to_contain_text("ValueError")
    opened.came(500)
    opened.opens(page, HER, 200)
    assert opened.wrong == []
    other.close()
    page.close()


def _supposes(page: Page) -> None:
    page.locator("[name='data.charge']").select_option("2025-26:instalment-1")
    page.locator("[name='data.amount']").fill("400,00")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripted", "unscripted"])
def test_what_a_form_asks_for_is_waited_for(opened: Desk, held: Callable[..., threading.Event], scripts: bool) -> None:
    opened.console.waiting.patience = 60.0
    page = opened.window("en", STAFF, scripts)
    opened.opens(page, f"{HERS}/what-if?on=2026-03-20")
    _supposes(page)
    going_on = held(Ledger, "what_if")
    opened.console.waiting.patience = 0.02
    page.get_by_role("button", name="See what would change").click()
    expect(page.get_by_role("heading", name="One moment")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_be_visible()
    going_on.set()
    if not scripts:
        opened.console.waiting.patience = 60.0
        page.get_by_role("link", name="Look how far it is").click()
    expect(page.get_by_role("heading", name="What would change")).to_be_visible()
    expect(page.locator("ol > li")).to_have_count(1)
    if not scripts:  # a look once more does nothing, and finds the same
        page.reload()
        expect(page.locator("ol > li")).to_have_count(1)
    opened.opens(page, f"{HERS}/what-if?doing=of-yesterday", 404)
    expect(page.get_by_role("alert")).to_contain_text("kept no longer")
    if scripts:
        opened.judged(page, "kept-no-longer.en")
    page.close()


@pytest.mark.parametrize("scripts", [True, False], ids=["scripted", "unscripted"])
def test_record_that_takes_long_leads_to_its_event_once(opened: Desk, held: Callable[..., threading.Event],
                                                        scripts: bool) -> None:
    opened.console.waiting.patience = 60.0
    before = opened.ledger.head("S-DEMO-16")["version"]
    page, other = opened.window("en", STAFF, scripts), opened.window("en", CLERK, scripts=False)
    opened.opens(page, "/students/S-DEMO-16/record?on=2026-03-20")
    _supposes(page)
    page.locator("[name='data.amount']").fill("5,00" if scripts else "6,00")
    page.get_by_role("button", name="Check").click()
    going_on = held(opened.console._api, "enter")
    opened.console.waiting.patience = 0.02
    page.get_by_role("button", name="Record it").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page).to_have_url(re.compile("/students/S-DEMO-16/record[?].*doing="))
    opened.opens(other, urlsplit(page.url)._replace(scheme="", netloc="").geturl(), 404)  # another's
    going_on.set()
    opened.console.waiting.patience = 60.0
    if not scripts:
        page.get_by_role("link", name="Look how far it is").click()
    expect(page.get_by_text("It is recorded.")).to_be_visible()
    expect(page).to_have_url(re.compile(f"/students/S-DEMO-16/events/{before + 1}[?]"))
    assert opened.ledger.head("S-DEMO-16")["version"] == before + 1
    other.close()
    page.close()
