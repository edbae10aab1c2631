"""Every screen of the console in a browser: in both languages, with scripts and without, wide and narrow."""

import re

import pytest
from playwright.sync_api import expect

from .desk import HERSELF, STAFF, Desk

pytestmark = [pytest.mark.xdist_group("console"), pytest.mark.server]
ON = "on=2026-03-20"
SCREENS = {
    "search": (STAFF, f"/?{ON}", "S-DEMO-05"),
    "student": (STAFF, f"/students/S-DEMO-01?{ON}", "BLK-1"),
    "timeline": (STAFF, f"/students/S-DEMO-01/timeline?{ON}", "FIL-101"),
    "event": (STAFF, f"/students/S-DEMO-01/events/6?{ON}", "€912.00|912,00 €"),
    "what-if": (STAFF, f"/students/S-DEMO-01/what-if?{ON}&pay=2025-26:instalment-1&career=B&amount=400.00", "BLK-2"),
    "record": (STAFF, "/students/S-DEMO-01/record", "S-DEMO-01"),
    "subscribers": (STAFF, "/subscribers", "179"),
    "my-career": (HERSELF, f"/my?{ON}", "BLK-1"),
}
"""By its name: who looks, where, and what must be on it."""


@pytest.mark.parametrize("language", ["en", "it"])
@pytest.mark.parametrize("name", SCREENS)
def test_screen_is_fit_for_everybody(opened: Desk, name: str, language: str) -> None:
    caller, path, told = SCREENS[name]
    page = opened.window(language, caller)
    opened.shows(page, path, f"{name}.{language}")
    expect(page.locator("main")).to_contain_text(re.compile(told))
    expect(page.locator("html")).to_have_attribute("lang", language)
    opened.same_without_scripts(path, f"{name}.{language}", language, caller, page)
    page.close()
