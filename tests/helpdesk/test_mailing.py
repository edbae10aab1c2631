"""The desk's mails: each once, to the address of its sender, whoever dies meanwhile."""

import threading
from collections.abc import Iterator

import pytest

from ledger.bootstrap import Ledger, open_ledger
from ledger.edges.post import Mails, MailServer
from ledger.helpdesk.mailing import FRESH, Letterhead, Mailing
from ledger.rulebooks.institution import packaged
from tests.consumers.notifications_bench import Mailbox, text_of
from tests.desk import Client
from tests.eservices.conftest import Clock

from .conftest import form
from .test_tickets import answered, opened

HERS = "n.surname@studenti.unibg.it"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    made = Mailbox().start()
    yield made
    made.stop()


@pytest.fixture
def other(url: str, keys_url: str) -> Iterator[Ledger]:
    """What the thread of the mails has for itself."""
    with open_ledger(url, keys=keys_url) as made:
        yield made


def mailing(ledger: Ledger, port: int, clock: Clock) -> Mailing:
    head = Letterhead(Mails(MailServer("127.0.0.1", port), "Desk <desk@office.example>", None), packaged(),
                      "https://desk.example.org")
    return Mailing(ledger.log, ledger._needed_sealer(), head, clock)


def all_sent(one: Mailing) -> int:
    """How many events and mails."""
    count = 0
    while done := one.step():
        count += done
    return count


def test_number_comes_by_mail_then_the_answer_each_once(client: Client, other: Ledger, mailbox: Mailbox,
                                                         clock: Clock) -> None:
    sends = mailing(other, mailbox.port, clock)
    number = opened(client, language="en")["number"]
    all_sent(sends)
    answered(client, number, "Come on Monday.\n\nThe office")
    all_sent(sends)
    all_sent(mailing(other, mailbox.port, clock))
    assert mailbox.told(HERS) == [f"Ticket no. {number} opened", f"Ticket no. {number} closed: the answer"]
    first, second = map(text_of, mailbox.mails)
    assert "Ticket di prova" not in first
    assert "prova" not in first
    assert "https://desk.example.org/help" in first
    assert "Come on Monday.\r\n\r\nThe office" in second


def test_several_that_send_at_once_send_each_mail_once(client: Client, url: str, keys_url: str, mailbox: Mailbox,
                                                        clock: Clock) -> None:
    for n in range(6):
        opened(client, number=n)

    def send() -> None:
        with open_ledger(url, keys=keys_url) as own:
            all_sent(mailing(own, mailbox.port, clock))

    threads = [threading.Thread(target=send) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(mailbox.told(HERS)) == 6
    assert len(set(mailbox.told(HERS))) == 6


def test_server_that_is_away_gets_it_later(client: Client, other: Ledger, mailbox: Mailbox, clock: Clock) -> None:
    opened(client)
    mailbox.stop()
    sends = mailing(other, mailbox.port, clock)
    all_sent(sends)
    mailbox.start()
    assert all_sent(sends) == 0
    clock.now += FRESH / 100
    all_sent(sends)
    assert len(mailbox.told(HERS)) == 1


def test_address_that_is_refused_is_tried_no_more(client: Client, other: Ledger, mailbox: Mailbox,
                                                  clock: Clock) -> None:
    mailbox.refuse[HERS] = "550 no such user"
    opened(client)
    sends = mailing(other, mailbox.port, clock)
    all_sent(sends)
    clock.now += FRESH
    all_sent(sends)
    assert mailbox.asked == [HERS]


def test_who_was_forgotten_meanwhile_is_told_nothing(client: Client, other: Ledger, mailbox: Mailbox,
                                                     clock: Clock) -> None:
    made = opened(client)
    other.forget(made["student"], ["A", "B"], "asked for")
    all_sent(mailing(other, mailbox.port, clock))
    assert mailbox.mails == []


def test_what_is_old_is_told_no_more_and_other_tickets_never(client: Client, other: Ledger, mailbox: Mailbox,
                                                              clock: Clock) -> None:
    opened(client)
    event = {"id": "e", "type": "ticket-opened", "student": "S-ADA", "source": "t", "actor": "t",
             "effective_on": "2026-03-20", "data": {"number": "212617", "service": "x", "subject": "x", "context": "x"}}
    assert client("/v1/students/S-ADA/events", "POST", event, {"If-Match": "*"}).status == 201
    clock.now += FRESH * 2
    all_sent(mailing(other, mailbox.port, clock))
    assert mailbox.mails == []
    assert client("/v1/tickets/212617").json["kind"] == ""


def test_ticket_that_was_taken_back_is_gone(client: Client, other: Ledger, mailbox: Mailbox, clock: Clock) -> None:
    made = opened(client)
    sends = mailing(other, mailbox.port, clock)
    all_sent(sends)
    void = {"id": "v", "type": "event-voided", "student": made["student"], "source": "t", "actor": "t",
            "effective_on": "2026-03-20",
            "data": {"event": f"ticket-{made['number']}", "reason": "spam", "authority": "help desk"}}
    assert client(f"/v1/students/{made['student']}/events", "POST", void, {"If-Match": "*"}).status == 201
    all_sent(sends)
    assert client(f"/v1/tickets/{made['number']}").status == 404
    assert client("/v1/tickets").json["tickets"] == []


def test_key_store_that_lost_its_index_finds_every_ticket_again(client: Client, other: Ledger, mailbox: Mailbox,
                                                                 clock: Clock) -> None:
    number = opened(client)["number"]
    answered(client, number)
    keys = other._needed_sealer().keys
    with keys.backend.transaction() as tx:
        tx.run("DELETE FROM tickets")
    all_sent(mailing(other, mailbox.port, clock))
    found = client("/v1/ticket-state", "POST", {"email": HERS, "number": number})
    assert (found.status, found.json["state"]) == (200, "closed")
    assert client("/v1/tickets", "POST", form(3)).status == 201
