"""What everybody's records show: looked for when somebody asks, with how far it is meanwhile."""

import re
import threading
from datetime import date
from typing import Any

import pytest
from playwright.sync_api import expect

from ledger.audit.totals import Totals
from ledger.entrypoints.http.console.findings import LookedAt

from .desk import STAFF, Desk

pytestmark = [pytest.mark.xdist_group("console"), pytest.mark.server]


@pytest.mark.parametrize("language", ["en", "it"])
def test_everybody_is_looked_at_when_asked(opened: Desk, language: str) -> None:
    opened.console.looks.forget()
    page = opened.window(language, STAFF)
    opened.shows(page, "/findings?on=2026-10-31", f"findings-before.{language}")
    page.locator("main button.btn-primary").last.click()
    expect(page.get_by_role("link", name="ESA-1", exact=True)).to_be_visible()
    opened.judged(page, f"findings.{language}")
    page.get_by_role("link", name="BLK-1", exact=True).click()
    rules = page.locator("table").last.locator("tbody tr td:first-child")
    expect(rules.first).to_have_text("BLK-1")
    assert set(rules.all_text_contents()) == {"BLK-1"}
    listed = page.request.get(opened.site + str(page.locator("a[download]").get_attribute("href")))
    lines = listed.text().splitlines()
    assert listed.headers["content-type"] == "text/csv; charset=utf-8"
    assert lines[0].startswith("rule,severity,student")
    assert len(lines) == rules.count() + 1
    assert all(line.startswith("BLK-1,") for line in lines[1:])
    about = page.locator("table").last.locator("a[href*='/events/']").first
    on = about.locator("xpath=..").inner_text().partition(", ")[2]
    about.click()
    expect(page.locator("dl.facts")).to_contain_text(on)
    page.close()


class Unfinished:
    """A look that goes on until it is told to end."""

    def __init__(self, asked: LookedAt) -> None:
        self.asked, self.totals, self.rows = asked, Totals(), list[Any]()
        self.done, self.of, self.failed, self.position = 40, 179, False, 179
        self.ended = threading.Event()

    def wanted(self, rule: str, severity: str) -> list[Any]:
        return []


def test_page_tells_how_far_a_long_look_is(opened: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    look = Unfinished(LookedAt(date(2026, 1, 31), None))
    monkeypatch.setattr(opened.console.looks, "_last", look)
    page = opened.window("en", STAFF)
    page.route("**/htmx.js", lambda route: route.fulfill(content_type="text/javascript", body=""))
    opened.shows(page, "/findings?on=2026-01-31", "findings-running.en")  # what axe looks at must not change meanwhile
    page.unroute_all()
    page.reload()
    expect(page.get_by_role("progressbar")).to_have_attribute("value", "40")
    other = opened.window("en", STAFF, scripts=False)
    other.goto(f"{opened.site}/findings?on=2026-02-28")
    other.get_by_role("button", name="Look at everybody").click()
    expect(other.get_by_role("alert")).to_contain_text("wait for its end")
    look.done = 90
    expect(page.get_by_role("progressbar")).to_have_attribute("value", "90")
    look.ended.set()
    expect(page.get_by_role("heading", name=re.compile("No findings"))).to_be_focused()
    opened.wrong.clear()
    other.close()
    page.close()
