"""Every screen of the console in a browser: in both languages, with scripts and without, wide and narrow."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from ledger.bootstrap import open_ledger

from .desk import HERSELF, ROOT, STAFF, Desk, desk

pytestmark = pytest.mark.xdist_group("console")
ON = "on=2026-03-20"
SCREENS = {
    "search": (STAFF, f"/?{ON}", "S-DEMO-05"),
    "student": (STAFF, f"/students/S-DEMO-01?{ON}", "BLK-1"),
    "timeline": (STAFF, f"/students/S-DEMO-01/timeline?{ON}", "FIL-101"),
    "my-career": (HERSELF, f"/my?{ON}", "BLK-1"),
}
"""By its name: who looks, where, and what must be on it."""


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    url = f"sqlite:///{tmp_path_factory.mktemp('console') / 'demo.db'}"
    with open_ledger(url) as ledger:
        for name, mode in (("imported", "record"), ("current", "enforce")):
            lines = Path(ROOT, "examples", f"{name}.jsonl").read_bytes().splitlines(keepends=True)
            assert {one["outcome"] for one in ledger.append_lines(lines, mode)} <= {"accepted", "refused"}
        ledger.project(threading.Event())
    with desk(url) as made:
        yield made


@pytest.mark.parametrize("language", ["en", "it"])
@pytest.mark.parametrize("name", SCREENS)
def test_screen_is_fit_for_everybody(opened: Desk, name: str, language: str) -> None:
    caller, path, told = SCREENS[name]
    page = opened.window(language, caller)
    opened.shows(page, path, f"{name}.{language}")
    expect(page.locator("main")).to_contain_text(told)
    expect(page.locator("html")).to_have_attribute("lang", language)
    opened.same_without_scripts(path, f"{name}.{language}", language, caller, page)
    page.close()
