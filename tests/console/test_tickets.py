"""The ticket guide in a browser, from the form to the closed ticket, with a mail server: a stranger and a student, in
both languages, with scripts and without."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from ledger.bootstrap import open_ledger
from ledger.edges.post import Mails, MailServer
from ledger.helpdesk.desk import HelpDesk
from ledger.helpdesk.mailing import Letterhead
from ledger.privacy.tickets import TriedTooOften
from ledger.rulebooks.institution import packaged
from tests.consumers.notifications_bench import Mailbox, text_of
from tests.desk import Client
from tests.helpdesk.conftest import form
from tests.sizes import Test, sized

from .desk import HERSELF, NOBODY, SCRIPTS, STAFF, Desk, desk

pytestmark = [pytest.mark.xdist_group("console-tickets"), pytest.mark.server]
NUMBER = re.compile(r"[0-9A-Z]{5}-[0-9A-Z]{5}")
LANGUAGES = pytest.mark.parametrize("language", ["en", "it"])
ADA = "S-DEMO-01"

WORDS = {
    "en": {"create": "Create ticket", "clear": "Clear the fields", "leave": "Cancel", "show": "Show the ticket",
           "reply": "Answer and close", "open": "Open", "closed": "Closed", "answered": "closed: the answer",
           "again": "Open a new ticket that takes this one up"},
    "it": {"create": "Crea ticket", "clear": "Cancella i campi", "leave": "Annulla", "show": "Visualizza il ticket",
           "reply": "Rispondi e chiudi", "open": "Aperto", "closed": "Chiuso", "answered": "chiuso: la risposta",
           "again": "Apri un nuovo ticket che riprende questo"}}


def each_way(test: Test) -> Test:
    """In both languages, with scripts and without; at full size in each of the four ways."""
    ways = sized([("it", True), ("en", False)], [(one, scripts) for one in WORDS for scripts in (True, False)])
    found: Test = pytest.mark.faults(pytest.mark.parametrize(("language", "scripts"), ways)(test))
    return found


class TicketWindow:
    """The console of a ledger with a key store, and the mails that its desk sends."""

    def __init__(self, opened: Desk, mailbox: Mailbox) -> None:
        self.opened, self.mailbox = opened, mailbox

    def mail(self, page: Page, address: str, said: str) -> tuple[EmailMessage, str]:
        """The one to this address whose subject says so; waits for it."""
        for _ in range(200):
            for one in self.mailbox.mails:
                if one["To"] == address and said in one["Subject"]:
                    return one, text_of(one)
            page.wait_for_timeout(50)
        pytest.fail(f"no mail to {address} says {said}")


@pytest.fixture(scope="module")
def tickets(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[TicketWindow]:
    folder: Path = tmp_path_factory.mktemp("tickets")
    patch = pytest.MonkeyPatch()
    patch.setenv("CAREER_LEDGER_MASTER_KEY", str(folder / "master.key"))
    url, keys = f"sqlite:///{folder / 'ledger.db'}", f"sqlite:///{folder / 'keys.db'}"
    with open_ledger(url, True, None, keys) as ledger:
        ledger.new_keys(30)
        for kind, career, data in (
                ("person-registered", None, {"given_name": "Ada", "family_name": "Rossi",
                                             "email": "a.rossi@studenti.unibg.it"}),
                ("enrolled", "B", {"programme": "Filosofia", "academic_year": "2025-26", "course_type": "bachelor",
                                   "access": "open", "year": 1, "regime": "full-time"})):
            event = {"id": kind, "type": kind, "student": ADA, "effective_on": "2025-09-20", "source": "t",
                     "actor": "t", "data": data} | ({"career": career} if career else {})
            assert [one["outcome"] for one in ledger.append_lines([json.dumps(event).encode()], "record")] == [
                "accepted"]
    mailbox = Mailbox().start()
    with desk(url, browser, keys) as opened, _mailed(url, keys, mailbox.port, opened.site):
        yield TicketWindow(opened, mailbox)
    mailbox.stop()
    patch.undo()


@contextmanager
def _mailed(url: str, keys: str, port: int, site: str) -> Iterator[None]:
    """As `serve` has it."""
    stop = threading.Event()
    head = Letterhead(Mails(MailServer("127.0.0.1", port), "Segreteria <desk@unibg.example.org>", None), packaged(),
                      site)

    def send() -> None:
        with open_ledger(url, keys=keys) as own:
            own.send_tickets(head, stop)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def fill(page: Page, **values: str) -> None:
    for name, value in values.items():
        field = page.locator(f'main [name="{name}"]')
        if field.evaluate("one => one.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)


def look_up(tickets: TicketWindow, page: Page, address: str, number: str, language: str) -> None:
    page.goto(f"{tickets.opened.site}/help/state")
    fill(page, email=address, number=number)
    page.get_by_role("button", name=WORDS[language]["show"]).click()


def state(page: Page) -> Any:
    return page.locator("dl.ticket dd").first


def judged(tickets: TicketWindow, page: Page, name: str, scripts: bool) -> None:
    if scripts:  # the same markup without scripts
        tickets.opened.judged(page, name)


def answer(tickets: TicketWindow, number: str, language: str, scripts: bool, text: str) -> None:
    """By who works there."""
    words, page = WORDS[language], tickets.opened.window(language, STAFF, scripts)
    page.goto(f"{tickets.opened.site}/tickets?service=lettere-filosofia")
    judged(tickets, page, f"tickets.{language}", scripts)
    page.get_by_role("link", name=number).click()
    judged(tickets, page, f"ticket-to-answer.{language}", scripts)
    fill(page, answer=text)
    page.get_by_role("button", name=words["reply"]).click()
    expect(state(page)).to_have_text(words["closed"])
    page.goto(f"{tickets.opened.site}/tickets")
    expect(page.get_by_role("link", name=number)).to_have_count(0)
    page.close()


@each_way
def test_stranger_goes_through_the_guide(tickets: TicketWindow, language: str, scripts: bool) -> None:
    words, site = WORDS[language], tickets.opened.site
    address = f"surname.{language}.{scripts}@example.org".lower()
    page = tickets.opened.window(language, NOBODY, scripts)
    page.goto(f"{site}/help")
    judged(tickets, page, f"help.{language}", scripts)
    page.goto(f"{site}/help/new")
    judged(tickets, page, f"ticket-form.{language}", scripts)
    fill(page, email=address)
    page.get_by_role("button", name=words["clear"]).click()
    expect(page.locator("[name=email]")).to_have_value("")
    expect(page.get_by_role("link", name=words["leave"], exact=True)).to_have_attribute("href", "/help")
    fill(page, email=address, full_name="NAME SURNAME", service="lettere-filosofia", subject="Ticket di prova",
         message="Buongiorno,\nquesto è un ticket di prova.", student_number="99999", degree_programme="FILOSOFIA",
         context="iscrizione")
    page.get_by_role("button", name=words["create"]).click()
    expect(page).to_have_url(f"{site}/help/sent")
    judged(tickets, page, f"ticket-sent.{language}", scripts)

    _, text = tickets.mail(page, address, {"en": "opened", "it": "aperto"}[language])
    found = NUMBER.search(text)
    assert found is not None
    number = found[0]
    assert "questo è un ticket" not in text
    page.goto(f"{site}/help/state")
    judged(tickets, page, f"ticket-state.{language}", scripts)
    look_up(tickets, page, address, number, language)
    expect(state(page)).to_have_text(words["open"])
    judged(tickets, page, f"ticket-open.{language}", scripts)

    reply = f"Buongiorno,\nquesta è la risposta al suo ticket ({language}, {scripts}).\nCordiali saluti."
    answer(tickets, number, language, scripts, reply)
    _, text = tickets.mail(page, address, words["answered"])
    assert "questa è la risposta al suo ticket" in text
    look_up(tickets, page, address, number.lower(), language)
    expect(state(page)).to_have_text(words["closed"])
    expect(page.locator("article.question")).to_contain_text("questo è un ticket di prova.")
    expect(page.locator("article.answer")).to_contain_text("questa è la risposta al suo ticket")
    judged(tickets, page, f"ticket-closed.{language}", scripts)

    page.get_by_role("button", name=words["again"]).click()
    expect(page.locator('[name="follows"]')).to_have_value(number)
    page.get_by_role("button", name=words["create"]).click()
    expect(page).to_have_url(f"{site}/help/sent")
    page.close()


@each_way
def test_student_goes_through_the_guide(tickets: TicketWindow, language: str, scripts: bool) -> None:
    words, site = WORDS[language], tickets.opened.site
    page = tickets.opened.window(language, HERSELF, scripts)
    page.goto(f"{site}/my/new-ticket")
    judged(tickets, page, f"ticket-form-of-a-student.{language}", scripts)
    for name, value in (("email", "a.rossi@studenti.unibg.it"), ("full_name", "Ada Rossi"), ("student_number", ADA)):
        expect(page.locator(f'[name="{name}"]')).to_have_value(value)
        expect(page.locator(f'[name="{name}"]')).to_have_attribute("readonly", "")
    fill(page, service="lettere-filosofia", subject=f"Copia {language} {scripts}", context="certificati")
    page.get_by_role("button", name=words["create"]).click()
    expect(page).to_have_url(re.compile("/my/tickets/[0-9A-Z]{5}-"))
    number = page.url.rpartition("/")[2]
    expect(state(page)).to_have_text(words["open"])
    mail, text = tickets.mail(page, "a.rossi@studenti.unibg.it", number)
    assert number in text
    assert mail["Message-ID"] == f"<ticket-{number}-opened@unibg.example.org>"
    answer(tickets, number, language, scripts, "La copia è pronta.")
    _, text = tickets.mail(page, "a.rossi@studenti.unibg.it", f"{number} {words['answered']}")
    assert "La copia è pronta." in text
    page.goto(f"{site}/my/tickets")
    expect(page.locator("tbody tr", has_text=number)).to_contain_text(f"Copia {language} {scripts}")
    judged(tickets, page, f"my-tickets.{language}", scripts)
    page.get_by_role("link", name=number).click()
    expect(page.locator("article.answer")).to_contain_text("La copia è pronta.")
    judged(tickets, page, f"my-ticket.{language}", scripts)
    page.close()


@SCRIPTS
def test_what_is_wrong_stands_beside_its_field_and_a_wrong_pair_gets_nothing(tickets: TicketWindow,
                                                                              scripts: bool) -> None:
    page = tickets.opened.window("en", NOBODY, scripts)
    page.goto(f"{tickets.opened.site}/help/new")
    fill(page, email="a@b.example.org", full_name="N", service="lingue", subject="x", student_number="no number",
         degree_programme="x", context="tasse", phone="call me")
    page.get_by_role("button", name="Create ticket").click()
    expect(page.locator("#wrong-student_number")).to_contain_text("99999")
    expect(page.locator("#wrong-phone")).to_contain_text("digits")
    expect(page.locator('[name="subject"]')).to_have_value("x")
    judged(tickets, page, "ticket-form-wrong.en", scripts)
    look_up(tickets, page, f"nobody.{scripts}@example.org", "22222-22222", "en")
    expect(page.get_by_role("alert")).to_contain_text("no ticket with this address and this number")
    judged(tickets, page, "ticket-unknown.en", scripts)
    page.close()


@SCRIPTS
def test_form_of_an_old_page_keeps_what_was_typed(tickets: TicketWindow, scripts: bool) -> None:
    page = tickets.opened.window("en", NOBODY, scripts)
    page.goto(f"{tickets.opened.site}/help/new")
    fill(page, email=f"old.{scripts}@example.org".lower(), full_name="N", service="lingue", subject="x",
         message="First line\nsecond", student_number="99999", degree_programme="x", context="tasse")
    page.context.clear_cookies()
    page.get_by_role("button", name="Create ticket").click()
    expect(page.get_by_role("alert")).to_contain_text("What was typed is kept")
    tickets.opened.came(403)
    expect(page.locator("[name=message]")).to_have_value("First line\nsecond")
    judged(tickets, page, "ticket-form-old.en", scripts)
    page.get_by_role("button", name="Create ticket").click()
    expect(page).to_have_url(f"{tickets.opened.site}/help/sent")
    page.goto(f"{tickets.opened.site}/help/state")
    fill(page, email="somebody@example.org", number="22222-22222")
    page.context.clear_cookies()
    page.get_by_role("button", name="Show the ticket").click()
    expect(page.get_by_role("alert")).to_contain_text("What was typed is kept")
    tickets.opened.came(403)
    expect(page.locator("[name=number]")).to_have_value("22222-22222")
    page.close()


def test_answer_to_a_ticket_that_somebody_else_answered_is_not_lost(tickets: TicketWindow) -> None:
    page = tickets.opened.window("en", HERSELF)
    page.goto(f"{tickets.opened.site}/my/new-ticket")
    fill(page, service="lettere-filosofia", subject="Two answers", context="certificati")
    page.get_by_role("button", name="Create ticket").click()
    expect(state(page)).to_have_text("Open")
    number = page.url.rpartition("/")[2]
    first, second = (tickets.opened.window("en", STAFF) for _ in range(2))
    for window, text in ((first, "The first answer"), (second, "The second\nanswer")):
        window.goto(f"{tickets.opened.site}/tickets/{number}")
        fill(window, answer=text)
    for window in (first, second):
        window.get_by_role("button", name="Answer and close").click()
    expect(second.get_by_role("alert")).to_contain_text("The second")
    expect(second.locator("article.answer")).to_contain_text("The first answer")
    tickets.opened.came(409)
    judged(tickets, second, "ticket-answered-before.en", True)
    for window in (first, second, page):
        window.close()


@LANGUAGES
def test_desk_that_is_switched_off_says_so(tickets: TicketWindow, language: str,
                                           monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickets.opened.console._api.tickets, "mails", False)
    page = tickets.opened.window(language, NOBODY)
    tickets.opened.shows(page, "/help", f"help-off.{language}")
    expect(page.get_by_role("alert")).to_contain_text("--smtp")
    page.close()


@LANGUAGES
def test_who_tried_too_often_is_told_so(tickets: TicketWindow, language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: Any) -> None:
        raise TriedTooOften

    for name in ("look_up", "claim"):
        monkeypatch.setattr(HelpDesk, name, refuses)
    page = tickets.opened.window(language, NOBODY)
    look_up(tickets, page, "somebody@example.org", "22222-22222", language)
    expect(page.get_by_role("alert")).to_be_visible()
    tickets.opened.came(429)
    tickets.opened.judged(page, f"ticket-too-often.{language}")
    page.goto(f"{tickets.opened.site}/help/new")
    fill(page, email="somebody@example.org", full_name="N", service="lingue", subject="x", message="x",
         student_number="99999", degree_programme="x", context="tasse")
    page.get_by_role("button", name=WORDS[language]["create"]).click()
    expect(page.get_by_role("alert")).to_be_visible()
    tickets.opened.came(429)
    tickets.opened.judged(page, f"ticket-opened-too-often.{language}")
    page.close()


@pytest.fixture
def closed(tickets: TicketWindow) -> None:
    """A stranger's ticket that was answered."""
    ask, token = Client(urlsplit(tickets.opened.site).port or 0), {"Authorization": f"Bearer {'0' * 32}"}
    made = ask("/v1/tickets", "POST", form(99, email="stranger@example.org"), token)
    assert made.status in (200, 201)
    path = f"/v1/tickets/{made.json['number']}/answer"
    assert ask(path, "POST", {"answer": "It is done."}, token).status in (200, 201)


@pytest.mark.usefixtures("closed")
def test_officer_links_a_stranger_to_a_student(tickets: TicketWindow) -> None:
    stranger = tickets.opened.window("en", NOBODY, scripts=False)
    stranger.goto(f"{tickets.opened.site}/help/new")
    fill(stranger, email="linked@example.org", full_name="To be linked", service="lingue", subject="x",
         student_number="99999", degree_programme="x", context="tasse")
    stranger.get_by_role("button", name="Create ticket").click()
    expect(stranger).to_have_url(f"{tickets.opened.site}/help/sent")
    stranger.close()
    page = tickets.opened.window("en", STAFF, scripts=False)
    page.goto(f"{tickets.opened.site}/tickets")
    page.locator("tbody tr", has_text="To be linked").get_by_role("link").click()
    fill(page, belongs_to="S-NOBODY")
    page.get_by_role("button", name="Link to the student").click()
    expect(page.locator("#wrong-student")).to_contain_text("S-NOBODY")
    fill(page, belongs_to=ADA)
    page.get_by_role("button", name="Link to the student").click()
    expect(page.get_by_text("This ticket is of student")).to_be_visible()
    expect(page.get_by_role("link", name=ADA)).to_be_visible()
    page.close()


@pytest.mark.usefixtures("closed")
def test_printed_page_has_the_thread_and_nothing_to_press(tickets: TicketWindow) -> None:
    page = tickets.opened.window("en", STAFF)
    page.goto(f"{tickets.opened.site}/tickets?state=closed")
    page.locator("tbody a").first.click()
    page.emulate_media(media="print")
    expect(page.locator("article.question")).to_be_visible()
    expect(page.locator("header.top")).to_be_hidden()
    expect(page.locator("main .btn").first).to_be_hidden()
    page.close()


@pytest.fixture(autouse=True)
def _nothing_is_wrong(tickets: TicketWindow) -> Iterator[None]:
    tickets.opened.wrong.clear()
    yield
    assert tickets.opened.wrong == []
