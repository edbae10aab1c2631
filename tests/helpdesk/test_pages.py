"""The desk's pages as HTTP has them: forms that were not made here, a desk that is switched off, and that nothing of
anybody stands in an address."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ledger.bootstrap import open_ledger
from ledger.edges.door import Door, bound_to
from ledger.edges.figures import ShownWatch
from ledger.edges.web import Server
from ledger.entrypoints.http.api import LONGEST, Api
from ledger.entrypoints.http.console.console import Console
from ledger.entrypoints.http.who import Entrance
from tests.entrypoints.test_who import Browser

from .conftest import form

TOKEN = re.compile(r'name="csrf" value="([^"]+)"')


@contextmanager
def site(url: str, keys: str | None, mails: bool = True) -> Iterator[int]:
    place = bound_to("127.0.0.1:0", Door(b"0" * 32), "--listen")
    entrance = Entrance(place)
    with open_ledger(url, keys=keys) as ledger, Api(ledger, ShownWatch("serve")) as api:
        api.tickets.mails = mails
        console = Console(api)
        console.waiting.patience = 60.0
        routes = {**api.routes, **entrance.routes, **console.routes}
        with Server(routes, place, LONGEST, entrance):
            yield place.port
            api.leave()


@pytest.fixture
def port(url: str, keys_url: str) -> Iterator[int]:
    with site(url, keys_url) as made:
        yield made


def test_form_that_was_not_made_here_is_refused(port: int) -> None:
    mine, others = Browser(port), Browser(port)
    token = TOKEN.findall(mine("/help/state").text)[0]
    other = TOKEN.findall(others("/help/state").text)[0]
    pair = {"email": "a@example.org", "number": "22222-22222"}
    assert token != other
    for given in ({}, {"csrf": ""}, {"csrf": other}, {"csrf": "0" * 64}):
        assert mine("/help/state", pair | given).status == 403
    assert Browser(port)("/help/state", pair | {"csrf": token}).status == 403  # without its cookie
    assert mine("/help/state", pair | {"csrf": token}, {"Sec-Fetch-Site": "cross-site"}).status == 403
    assert mine("/help/new", form() | {"csrf": other}).status == 403
    answer = mine("/help/state", pair | {"csrf": token})
    assert (answer.status, "no ticket with this address" in answer.text) == (200, True)


def test_form_opens_one_ticket_and_tells_its_number_by_mail_only(port: int, url: str, keys_url: str) -> None:
    browser = Browser(port)
    given = form() | {"csrf": TOKEN.findall(browser("/help/new").text)[0]}
    said = [browser("/help/new", given) for _ in range(2)]
    assert [(one.status, one.getheader("Location")) for one in said] == [(303, "/help/sent")] * 2
    with open_ledger(url, keys=keys_url) as ledger:
        [row] = ledger.help_desk().index.listed(None, True, ("", ""), 10)
    assert row.number not in browser("/help/sent").text


def test_cookie_of_a_form_is_for_these_pages_and_sent_to_no_other_site(port: int) -> None:
    browser = Browser(port)
    answer = browser("/help/new")
    cookie = answer.getheader("Set-Cookie")
    assert {"Path=/help", "HttpOnly", "SameSite=Strict"} <= set(cookie.split("; "))
    assert "script-src 'self'" in answer.getheader("Content-Security-Policy")


@pytest.mark.parametrize(("path", "keys", "mails", "says"), [
    ("/help", False, True, "--keys"), ("/help/new", True, False, "--smtp"), ("/help/state", False, True, "--keys")])
def test_desk_that_is_switched_off_says_what_is_missing(url: str, keys_url: str, path: str, keys: bool, mails: bool,
                                                        says: str) -> None:
    with site(url, keys_url if keys else None, mails) as made:
        answer = Browser(made)(path)
    assert (answer.status, says in answer.text) == (200, True)


def test_nobody_reaches_the_pages_of_those_who_answer_or_of_a_student(port: int) -> None:
    for path in ("/tickets", "/tickets/22222-22222", "/my/tickets", "/my/new-ticket", "/my/tickets/22222-22222"):
        answer = Browser(port)(path)
        assert (answer.status, answer.getheader("Location", "").split("?")[0]) == (303, "/login")
