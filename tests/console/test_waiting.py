"""A page that takes longer than a second: one is told that it is being made, and is given it when it is there."""

import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from ledger.bootstrap import Ledger
from ledger.entrypoints.http.everybody import Everybody
from ledger.helpdesk.desk import HelpDesk
from ledger.projections.everybody.reports import Reports

from .desk import HERSELF, STAFF, Desk

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
