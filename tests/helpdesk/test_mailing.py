"""The desk's mails: each once, to the address of its sender, whoever dies meanwhile."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest

from ledger.bootstrap import Ledger, open_ledger
from ledger.edges.post import Mails, MailServer
from ledger.helpdesk.mailing import FRESH, LEASE_SECONDS, Letterhead, Mailing
from ledger.privacy.tickets import MailWaiting
from ledger.rulebooks.institution import packaged
from ledger.store.mapper import stream_id
from tests.consumers.notifications_bench import Mailbox, text_of
from tests.desk import Client
from tests.eservices.conftest import Clock
from tests.store.damage import alter

from .conftest import form, record
from .test_tickets import answered, opened

HERS = "n.surname@studenti.unibg.it"


@pytest.fixture(params=["sqlite", "postgresql"])
def keys_url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """On either database, with all that the desk keeps."""
    monkeypatch.setenv("CAREER_LEDGER_MASTER_KEY", str(tmp_path / "master.key"))
    url: str = f"sqlite:///{tmp_path / 'keys.db'}" if request.param == "sqlite" else request.getfixturevalue(
        "postgres_url")
    return url


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


def test_ticket_that_another_desk_numbered_is_found_by_its_number(client: Client, other: Ledger, mailbox: Mailbox,
                                                                  clock: Clock) -> None:
    """Ten digits stand there as they were given, and are no number of ours without its hyphen."""
    record(other, "ticket-opened", None, number="0123456789", service="x", subject="x", context="x")
    all_sent(mailing(other, mailbox.port, clock))
    listed = [one["number"] for one in client("/v1/tickets").json["tickets"]]
    assert listed == ["0123456789"]
    assert client(f"/v1/tickets/{listed[0]}").json["kind"] == ""


def voided(client: Client, student: str, id: str, number: int = 1) -> None:
    void = {"id": f"void-{number}", "type": "event-voided", "student": student, "source": "t", "actor": "t",
            "effective_on": "2026-03-20", "data": {"event": id, "reason": "a mistake", "authority": "help desk"}}
    assert client(f"/v1/students/{student}/events", "POST", void, {"If-Match": "*"}).status == 201


def test_answer_that_was_taken_back_is_given_and_mailed_anew(client: Client, other: Ledger, mailbox: Mailbox,
                                                             clock: Clock) -> None:
    made = opened(client, language="en")
    number, sends = made["number"], mailing(other, mailbox.port, clock)
    for times, answer in enumerate(("To the wrong person.", "To her.", "At last."), 1):
        assert [one["number"] for one in client("/v1/tickets").json["tickets"]] == [number]
        assert answered(client, number, answer).status == 201
        assert answered(client, number, answer).status == 200
        all_sent(sends)
        assert answer in text_of(mailbox.mails[-1])
        if times < 3:
            voided(client, made["student"], f"ticket-{number}-closed" + (f"-{times}" if times > 1 else ""), times)
            all_sent(sends)
    assert client(f"/v1/tickets/{number}").json["answer"] == "At last."
    assert client("/v1/tickets").json["tickets"] == []
    assert len({mail["Message-ID"] for mail in mailbox.mails}) == 4


def test_link_that_was_taken_back_is_none_and_another_is_made(client: Client, other: Ledger, mailbox: Mailbox,
                                                              clock: Clock) -> None:
    made, sends = opened(client), mailing(other, mailbox.port, clock)
    path = f"/v1/tickets/{made['number']}/student"
    for times in (1, 2):
        assert client(path, "POST", {"student": "S-ADA"}).status == 200
        assert client(f"/v1/tickets/{made['number']}").json["linked"] == "S-ADA"
        for student in (made["student"], "S-ADA"):
            voided(client, student, f"ticket-{made['number']}-linked" + (f"-{times}" if times > 1 else ""), times)
        all_sent(sends)
        assert client(f"/v1/tickets/{made['number']}").json["linked"] is None


def test_number_in_another_stream_is_not_the_ticket(client: Client, other: Ledger, mailbox: Mailbox,
                                                    clock: Clock) -> None:
    number, sends = opened(client)["number"], mailing(other, mailbox.port, clock)
    record(other, "ticket-closed", None, number=number)
    record(other, "ticket-linked", None, "S-EVE", number=number, person="S-ADA")
    all_sent(sends)
    found = client(f"/v1/tickets/{number}").json
    assert (found["state"], found["linked"]) == ("open", None)
    answered(client, number)
    all_sent(sends)
    assert mailbox.told(HERS) == [f"Ticket n. {number} aperto", f"Ticket n. {number} chiuso: la risposta"]


def test_mail_is_its_sender_s_however_slow_the_server(client: Client, other: Ledger, url: str, keys_url: str,
                                                      mailbox: Mailbox, clock: Clock) -> None:
    taken = []

    def slow(mail: EmailMessage) -> None:
        clock.now += timedelta(seconds=LEASE_SECONDS - 1)
        with open_ledger(url, keys=keys_url) as own:
            taken.extend(one.number for one in own.help_desk().index.waiting(clock.now.timestamp(), 9)
                         if one.number in mail["Subject"])

    mailbox.answer = slow
    for n in range(3):
        opened(client, number=n)
    all_sent(mailing(other, mailbox.port, clock))
    assert (len(mailbox.mails), taken) == (3, [])


def test_mail_that_no_server_takes_is_given_up_after_a_week(client: Client, other: Ledger, mailbox: Mailbox,
                                                            clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    mailbox.answer = lambda mail: "451 later"
    opened(client)
    sends = mailing(other, mailbox.port, clock)
    all_sent(sends)
    mailbox.answer = lambda mail: None
    clock.now += FRESH + timedelta(hours=1)
    all_sent(sends)
    assert mailbox.mails == []
    assert "1 mails could not be sent within 7 days" in capsys.readouterr().err


class Times:
    """A flag that is set after so many waits."""

    def __init__(self, left: int) -> None:
        self.left = left

    def is_set(self) -> bool:
        return self.left <= 0

    def wait(self, timeout: float | None = None) -> bool:
        self.left -= 1
        return self.is_set()


def test_master_key_past_its_term_ends_no_sending(client: Client, other: Ledger, mailbox: Mailbox, clock: Clock,
                                                  capsys: pytest.CaptureFixture[str]) -> None:
    opened(client)
    head = Letterhead(Mails(MailServer("127.0.0.1", mailbox.port), "Desk <desk@office.example>", None), packaged(), "")
    began, clock.now = clock.now, clock.now + timedelta(days=301)
    other.send_tickets(head, Times(2))
    assert "keys rotate" in capsys.readouterr().err
    clock.now = began
    other.send_tickets(head, Times(1))
    assert len(mailbox.mails) == 1


def test_fault_of_one_mail_keeps_no_other_and_is_told_by_its_place(
        client: Client, other: Ledger, mailbox: Mailbox, clock: Clock, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str]) -> None:
    bad, good = (opened(client, number=n, language="en")["number"] for n in (1, 2))
    original = Mailing._letter

    def broken(made: Mailing, one: MailWaiting) -> EmailMessage | None:
        if one.number == bad:
            raise KeyError("Anna Rossi")
        return original(made, one)

    head = Letterhead(Mails(MailServer("127.0.0.1", mailbox.port), "Desk <desk@office.example>", None), packaged(), "")
    with monkeypatch.context() as patch:
        patch.setattr(Mailing, "_letter", broken)
        other.send_tickets(head, Times(1))
    assert mailbox.told() == [f"Ticket no. {good} opened"]
    said = capsys.readouterr().err
    assert "KeyError at " in said
    assert "Rossi" not in said
    clock.now += timedelta(seconds=LEASE_SECONDS + 1)
    other.send_tickets(head, Times(1))
    assert mailbox.told() == [f"Ticket no. {one} opened" for one in (good, bad)]


def test_event_that_cannot_be_read_keeps_no_other_mail(client: Client, other: Ledger, url: str, mailbox: Mailbox,
                                                       clock: Clock) -> None:
    """A newer program wrote it, say: a ticket, or what else stands in the stream of one."""
    gone, waits = (opened(client, number=n, language="en") for n in (1, 2))
    record(other, "enrolled", "B", waits["student"], programme="L-FIL", academic_year="2025-26",
           course_type="bachelor", access="open", year=1, regime="full-time")
    alter(url, "UPDATE stored_events SET topic = 'unheard-of.v1' WHERE topic = 'enrolled.v1'",
          f"UPDATE stored_events SET topic = 'unheard-of.v2' WHERE originator_id = '{stream_id(gone['student']).hex}'")
    number = opened(client, number=3, language="en")["number"]
    all_sent(mailing(other, mailbox.port, clock))
    assert mailbox.told() == [f"Ticket no. {number} opened"]
    alter(url, "UPDATE stored_events SET topic = 'enrolled.v1' WHERE topic = 'unheard-of.v1'")
    clock.now += timedelta(hours=1)
    all_sent(mailing(other, mailbox.port, clock))
    assert mailbox.told() == [f"Ticket no. {one} opened" for one in (number, waits["number"])]


def test_request_that_no_form_wrote_stops_no_mail(client: Client, other: Ledger, mailbox: Mailbox,
                                                  clock: Clock) -> None:
    for number, request in enumerate(('{"a":' * 3000, "[" * 9000, '{"email": 3}', "no JSON")):
        event = {"id": f"e-{number}", "type": "ticket-opened", "student": "S-ADA", "source": "t", "actor": "t",
                 "effective_on": "2026-03-20", "data": {"number": f"1-{number}", "service": "x", "subject": "x",
                                                        "context": "x", "kind": "desk", "request": request}}
        assert client("/v1/students/S-ADA/events", "POST", event, {"If-Match": "*"}).status == 201
    opened(client)
    all_sent(mailing(other, mailbox.port, clock))
    assert len(mailbox.mails) == 1
    assert client("/v1/tickets").status == 200


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


def test_rectification_stands_in_the_list_and_is_neither_mailed_nor_answered_here(client: Client, other: Ledger,
                                                                                   mailbox: Mailbox,
                                                                                   clock: Clock) -> None:
    event = {"id": "r", "type": "ticket-opened", "student": "S-ADA", "source": "eservices", "actor": "eservice:x",
             "effective_on": "2026-03-20", "data": {
                 "number": "6d183bc572f6b200015a4167", "service": "IFS04", "subject": "wrong mark",
                 "context": "ifs04.1", "kind": "rectification", "request": '{"reason": "wrong mark"}'}}
    assert client("/v1/students/S-ADA/events", "POST", event, {"If-Match": "*"}).status == 201
    all_sent(mailing(other, mailbox.port, clock))
    assert mailbox.mails == []
    [row] = client("/v1/tickets", service="IFS04").json["tickets"]
    assert (row["number"], row["kind"], row["subject"]) == ("6d183bc572f6b200015a4167", "rectification", "wrong mark")
    assert client(f"/v1/tickets/{row['number']}").json["request"] == {"reason": "wrong mark"}
    assert answered(client, row["number"]).status == 404
