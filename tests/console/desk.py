"""The console in a real browser: one server with the ledger of `examples/`, one Chromium, and what is wanted of every
screen."""

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from infra.chromium import program
from ledger.bootstrap import Ledger, open_ledger
from ledger.edges.callers import PEOPLE, REGISTRAR, STUDENT, Caller
from ledger.edges.door import Door, bound_to
from ledger.edges.figures import ShownWatch
from ledger.edges.web import Server
from ledger.entrypoints.http.api import LONGEST, Api
from ledger.entrypoints.http.console.console import Console
from ledger.entrypoints.http.who import Entrance
from tests.sizes import sized

ROOT = Path(__file__).resolve().parents[2]
SCREENS = sized(None, ROOT / "build" / "screens")
"""Where a person can look at what the browser showed, at full size: taking pictures is a quarter of its work."""
PICTURES = os.environ.get("CAREER_LEDGER_PICTURES")
"""Where those of docs/console.md go, with `make pictures`."""
AXE = (Path(__file__).parent / "axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
WIDE, NARROW = 1280, 320
JUDGED = sized((NARROW,), (WIDE, NARROW))
"""By axe; that nothing is wider than the window is looked at in both."""
SCRIPTS = pytest.mark.parametrize("scripts", [True, False], ids=["scripted", "unscripted"])
STAFF, CLERK, HERSELF, LEAVER, NOBODY = "staff", "clerk", "herself", "leaver", "nobody"
CALLERS = {STAFF: Caller("tester", PEOPLE), LEAVER: Caller("leaver", PEOPLE),
           CLERK: Caller("clerk", frozenset({REGISTRAR})),
            HERSELF: Caller("herself", frozenset({STUDENT}), "S-DEMO-01")}


class Desk:
    """The addresses of a server and the windows of a browser. A window belongs to a caller, speaks a language and runs
    scripts or does not."""

    def __init__(self, console: Console, again: Callable[[], Ledger], entrance: Entrance, site: str,
                 browser: Browser, url: str) -> None:
        """`url`: of the ledger."""
        self.url = url
        self.console, self.entrance, self.site = console, entrance, site
        self.ledger = console.ledger
        self.again, self._browser = again, browser
        self._contexts: dict[tuple[str, str, bool], BrowserContext] = {}
        self.verifier = ""
        """Of the key that has sealed the ledger."""
        self.wrong: list[str] = []
        """What a browser complained about, and whatever it asked of anybody else."""

    def window(self, language: str, caller: str = STAFF, scripts: bool = True) -> Page:
        key = language, caller, scripts
        if key not in self._contexts:
            made = self._browser.new_context(
                viewport={"width": WIDE, "height": 900}, locale={"en": "en-GB", "it": "it-IT"}[language],
                java_script_enabled=scripts, reduced_motion="reduce")
            if caller != NOBODY:
                self._sign_in(made, caller)
            self._contexts[key] = made
        page = self._contexts[key].new_page()
        page.on("console", lambda one: self.wrong.append(f"{one.type}: {one.text} {one.location}"))
        page.on("pageerror", lambda one: self.wrong.append(str(one)))
        page.on("request", lambda one: self._looked_at(one.url))
        return page

    def sign_in(self, page: Page, caller: str) -> None:
        """In the window of a page, with a new session."""
        self._sign_in(page.context, caller)

    def _sign_in(self, context: BrowserContext, caller: str) -> None:
        context.add_cookies([{"name": f"career-ledger-{urlsplit(self.site).port}", "url": self.site,
                              "value": self.entrance.sessions.begin(CALLERS[caller])}])

    def append(self, event: dict[str, Any]) -> None:
        """By way of another program."""
        with self.again() as ledger:
            assert [one["outcome"] for one in ledger.append_lines([json.dumps(event).encode()])] == ["accepted"]

    def _looked_at(self, url: str) -> None:
        parts = urlsplit(url)
        if f"{parts.scheme}://{parts.netloc}" != self.site and parts.scheme != "data":
            self.wrong.append(f"asked {url}")

    def shows(self, page: Page, path: str, name: str, status: int = 200) -> None:
        """Opens a screen at both widths: nothing is wrong with it. At full size pictures of it are kept."""
        self.opens(page, path, status)
        self.judged(page, name)

    def opens(self, page: Page, path: str, status: int = 200) -> None:
        answer = page.goto(self.site + path)
        assert answer is not None
        assert answer.status == status, path
        self.came(status)

    def came(self, status: int) -> None:
        """A browser names it among the errors of the page, whatever the page is like."""
        if status >= 400:
            self.wrong = [one for one in self.wrong if f"status of {status} " not in one]

    def judged(self, page: Page, name: str) -> None:
        """The same of the screen that a window shows."""
        for width in (WIDE, NARROW):
            page.set_viewport_size({"width": width, "height": 900})
            _picture(page, f"{name}.{width}")
            if PICTURES and width == WIDE:
                page.screenshot(path=Path(PICTURES) / f"{name}.jpg", type="jpeg", quality=60, full_page=True)
            assert _overflow(page) <= 0, f"{name}: wider than {width} px"
            if width in JUDGED:
                assert violations(page) == [], name
        page.set_viewport_size({"width": WIDE, "height": 900})
        wrong, self.wrong = self.wrong, []
        assert not wrong, f"{name}: {wrong}"

    def same_without_scripts(self, page: Page, name: str, scripted: Page) -> None:
        """A window that runs no scripts was given the same page to the last mark, so that whatever holds of the one
        holds of the other, and shows what is on it."""
        _picture(page, f"{name}.unscripted.{WIDE}")
        assert _plain(page.content()) == _plain(scripted.content()), name
        page.close()


def _picture(page: Page, name: str) -> None:
    if SCREENS is not None:
        page.screenshot(path=SCREENS / f"{name}.png", full_page=True)


def _plain(page: str) -> str:
    """Without what differs from window to window, and what htmx and the picture leave behind."""
    return re.sub(r'name="(csrf|id)" value="[^"]*"| data-htmx-powered="[^"]*"| style=""'
                  r'|(?<=data-focus="") tabindex="-1"', "", page)


def _overflow(page: Page) -> int:
    found: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return found


def violations(page: Page) -> list[str]:
    """What axe finds against WCAG 2.2 AA. It comes through the debugger, as no page of ours would load it."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE)
    found: list[Any] = page.evaluate("options => axe.run(document, options).then(found => found.violations)", {
        "runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]})
    # what axe leaves behind
    page.evaluate("document.querySelectorAll('[style]').forEach(one => one.removeAttribute('style'))")
    return [f"{one['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
            for one in found for node in one["nodes"]]


@contextmanager
def launched() -> Iterator[Browser]:
    """One of a kind in a process: Playwright runs in it once."""
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=program(), args=["--no-sandbox", "--disable-gpu"])
        yield made
        made.close()


@contextmanager
def desk(url: str, browser: Browser, keys: str | None = None,
         followers: dict[str, str] | None = None) -> Iterator[Desk]:
    with ExitStack() as stack:
        place = bound_to("127.0.0.1:0", Door(b"0" * 32), "--listen")
        entrance = Entrance(place, show=lambda _: None)
        again = partial(open_ledger, url, keys=keys)
        ledger = stack.enter_context(again())
        api = stack.enter_context(Api(ledger, ShownWatch("serve")))
        api.tickets.mails = keys is not None
        console = Console(api, followers or {})
        console.waiting.patience = 60.0  # however slow the machine of the tests is
        routes = {**api.routes, **entrance.routes, **console.routes}
        stack.enter_context(Server(routes, place, LONGEST, entrance))
        stack.callback(api.leave)
        yield Desk(console, again, entrance, f"http://127.0.0.1:{place.port}", browser, url)
