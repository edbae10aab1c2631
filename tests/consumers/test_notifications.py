"""What the service tells and what it does not, with a real SMTP server, on both databases. The loop is in
test_notifications_whole."""

import html
import json
import logging
import re
import ssl
import subprocess
from datetime import date
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from consumers.database import Database, DatabaseAway
from consumers.kit.service import Record
from consumers.notifications import sender as sender_module
from consumers.notifications.__main__ import notifications
from consumers.notifications.letter import From
from consumers.notifications.service import Notifications
from ledger.edges.post import USER, Away, MailServer, Post, is_address
from ledger.wire.message import Message
from ledger.wire.reading import Unreadable
from ledger.wire.topics import STATE
from tests.waiting import eventually

from .notifications_bench import SENDER, YEAR, Bench, History, Mailbox, Running, beat_at, text_of

ANNA, BRUNO = "anna.verdi@students.example", "bruno.neri@students.example"
FIRST = f"{YEAR}:instalment-1"


@pytest.fixture
def bench(own: Database, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Started on 1 January 2026; S1 reads Italian, S2 English. A round takes as long as this machine needs."""
    monkeypatch.setattr(sender_module, "ROUND_SECONDS", 600.0)
    made = Bench(own, mailbox, "2026-01-01T08:00")
    made.idle()
    made.directory(("S1", ANNA, "it"), ("S2", BRUNO, "en"))
    return made


def plain_text(mail: EmailMessage) -> str:
    return " ".join(text_of(mail).split())


# Every kind, in both languages


KINDS = {
    "ticket-opened": (
        "2026-04-08T10:00", History().opened("212617", "2026-04-08"), "Ticket n. 212617 aperto",
        "Ticket no. 212617 opened",
        "l'8 aprile 2026 è stato aperto il ticket n. 212617. Servizio: Segreteria Lettere e Filosofia Contesto: "
        "Iscrizione/Immatricolazione",
        "ticket no. 212617 was opened on 8 April 2026. Service: Segreteria Lettere e Filosofia Context: "
        "Iscrizione/Immatricolazione"),
    "ticket-closed": (
        "2026-05-01T10:00", History().closed("212617", "2026-05-01"),
        "Ticket n. 212617 chiuso: la Segreteria ha risposto",
        "Ticket no. 212617 closed: the Registry has answered",
        "il 1º maggio 2026 ha chiuso il ticket n. 212617. Questo messaggio non contiene la risposta.",
        "closed ticket no. 212617 on 1 May 2026. This message does not contain the answer."),
    "instalment-due": (
        "2026-02-10T00:30", History().enrolled(), "Rata in scadenza il 17 febbraio 2026: 400,00 €",
        "Instalment due on 17 February 2026: €400.00",
        "il 17 febbraio 2026 scade un pagamento della tua carriera (corso L-FIL): "
        "- prima rata 2025-26: 400,00 €.",
        "A payment for your career (programme L-FIL) is due on 17 February 2026: "
        "- first instalment 2025-26: €400.00."),
    "block-begins": (
        "2026-03-13T10:00", History().enrolled(), "Blocco alla prenotazione degli appelli d'esame dal 20 marzo 2026",
        "Exam-booking block from 20 March 2026",
        "dal 20 marzo 2026 entrerà in vigore il blocco alla prenotazione degli appelli d'esame (corso L-FIL). "
        "Da quel giorno non potrai prenotare gli appelli d'esame. Per evitarlo, paga entro il 19 marzo 2026: "
        "- prima rata 2025-26: 400,00 €.",
        "If nothing changes, the exam-booking block (programme L-FIL) will be in force from 20 March 2026. "
        "From that day you will not be able to book exams. To prevent it, pay by 19 March 2026: "
        "- first instalment 2025-26: €400.00."),
    "withdrawal-lapses": (
        "2026-03-04T10:00", History().enrolled().add("withdrawal-requested", "2026-02-09", {}),
        "Rinuncia agli studi: paga la marca da bollo entro l'11 marzo 2026",
        "Withdrawal from studies: pay the stamp duty by 11 March 2026",
        "il 9 febbraio 2026 hai presentato la domanda di rinuncia agli studi (corso L-FIL), "
        "ma la marca da bollo di 16,00 € non risulta ancora pagata. Se vuoi rinunciare, pagala entro l'11 marzo 2026",
        "On 9 February 2026 you filed your withdrawal from studies (programme L-FIL), but the stamp duty of €16.00 "
        "has not been paid yet. If you want to withdraw, pay it by 11 March 2026"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_told_in_the_students_language(bench: Bench, kind: str) -> None:
    now, history, it, en, it_text, en_text = KINDS[kind]
    bench.directory(("S3", "carla.blu@students.example", ""))
    bench.clock.to(now)
    for student in ("S1", "S2", "S3"):
        other = History(student)
        other.events = [replace(event, student=student) for event in history.events]
        bench.take(other.told() if kind.startswith("ticket") else other.state())
    assert bench.idle() == [it, en, f"{it} / {en}"]
    italian, english, both = bench.mailbox.mails
    assert it_text in plain_text(italian)
    assert en_text in plain_text(english)
    assert plain_text(both).index(it_text) < plain_text(both).index(en_text)
    assert [mail["Content-Language"] for mail in bench.mailbox.mails] == ["it", "en", "it, en"]
    assert all(mail["From"] == SENDER.address and mail["Auto-Submitted"] == "auto-generated"
               for mail in bench.mailbox.mails)
    assert all(max(map(len, text_of(mail).splitlines())) <= 76 for mail in bench.mailbox.mails)
    bench.restart()
    assert bench.idle() == []


@pytest.mark.parametrize("kind", ["desk", "rectification", "issue"])
def test_ticket_that_is_told_elsewhere_is_not_told_here(bench: Bench, kind: str) -> None:
    """The ledger's own desk mails number and answer; who asked by an e-service of the state asks there again."""
    bench.clock.to("2026-04-08T10:00")
    ours = History("S1").add("ticket-opened", "2026-04-08", {
        "number": "7Q4MX-2ZK9D", "service": "x", "subject": "x", "context": "x", "kind": kind})
    ours.closed("7Q4MX-2ZK9D", "2026-04-08").opened("212617", "2026-04-08")
    bench.take(ours.told())
    assert bench.idle() == ["Ticket n. 212617 aperto"]
    bench.take(ours.told())
    assert bench.idle() == []


def test_next_epoch_of_the_ledger_tells_nothing_twice_and_nothing_that_is_gone(bench: Bench) -> None:
    """A backup was accepted in its place: everything comes again, but what was lost."""
    first, second = History("S1").opened("212617", "2026-04-08"), History("S2").opened("999", "2026-04-08")
    bench.clock.to("2026-04-08T10:00")
    bench.take(History("S1").enrolled().state())
    bench.take(first.told())
    assert bench.idle() == ["Ticket n. 212617 aperto"]
    bench.take(second.told())
    with bench.database.transaction() as tx:
        bench.service.anew(tx)
    assert bench.database.ask("SELECT count(*) FROM notifications_careers") == [(0,)]
    bench.take(History("S1").enrolled().state())
    bench.take(first.told())
    assert bench.idle() == []
    assert ("ticket-opened", "restored") in bench.outbox("dropped")
    bench.take(second.told())  # it was not lost
    assert bench.idle() == ["Ticket no. 999 opened"]


def test_round_that_takes_long_leaves_the_rest_to_the_next(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two rounds the loop reads what has come."""
    monkeypatch.setattr(sender_module, "ROUND_SECONDS", 0.0)
    bench.clock.to("2026-04-08T10:00")
    for student in ("S1", "S2"):
        bench.take(History(student).opened("212617", "2026-04-08").told())
    assert [bench.idle(), bench.idle(), bench.idle()] == [["Ticket n. 212617 aperto"], ["Ticket no. 212617 opened"], []]


@pytest.mark.parametrize(("student", "subject", "said"), [
    ("S1", "2 novità sulla tua carriera: rimosso il blocco alla prenotazione degli appelli d'esame",
     "Dal 25 marzo 2026 non è più in vigore il blocco alla prenotazione degli appelli d'esame (corso L-FIL). Non ti "
     "impedisce più di prenotare gli appelli d'esame. Oggi sulla tua carriera non risultano altri blocchi."),
    ("S2", "2 notices about your career: lifted: exam-booking block",
     "From 25 March 2026 the exam-booking block (programme L-FIL) is no longer in force. "
     "It no longer prevents you from booking exams. Today there is no other block on your career."),
])
def test_a_lifted_block_is_told(bench: Bench, student: str, subject: str, said: str) -> None:
    bench.take(History(student).enrolled().state())
    bench.idle("2026-03-25T09:00")
    bench.take(History(student).enrolled().paid("2026-03-25", "instalment-1", "400.00").state())
    assert bench.idle() == [subject]
    assert said in plain_text(bench.mailbox.mails[-1])


def test_a_block_that_time_ends_is_told(bench: Bench) -> None:
    """Nobody does anything on the day itself: that the block would end was known."""
    bench.take([_changed(History().enrolled().state()[0], "blocks", "until", None, "2026-04-10")])
    bench.idle("2026-04-09T23:50")
    assert bench.idle("2026-04-10T00:10") == ["2 novità sulla tua carriera: rimosso il blocco alla prenotazione degli "
                                              "appelli d'esame"]
    mail = plain_text(bench.mailbox.mails[-1])
    assert "# 2. Rimosso il blocco all'ammissione alla prova finale Dal 10 aprile 2026" in mail


def _changed(state: Message, part: str, field: str, before: Any, after: Any) -> Message:
    """A state in which spans that have one value in a field have another."""
    found = json.loads(state.value or b"")
    for span in found[part]:
        if span[field] == before:
            span[field] = after
    return state._replace(value=json.dumps(found).encode())


def test_a_plan_tells_its_own_amount(bench: Bench) -> None:
    history = History().enrolled().add("instalment-plan-agreed", "2026-02-01", {
        "charges": [FIRST, f"{YEAR}:instalment-2"], "motivated": True,
        "instalments": [{"due_on": "2026-03-01", "amount": "300.00"}, {"due_on": "2026-06-01", "amount": "600.00"}]})
    bench.take(history.state())
    assert bench.idle("2026-02-22T10:00") == ["Rata del piano in scadenza il 1º marzo 2026: 300,00 €"]
    assert "900" not in plain_text(bench.mailbox.mails[0])
    assert "400" not in plain_text(bench.mailbox.mails[0])
    bench.take(history.void("e4", "2026-02-23").state())
    assert bench.idle("2026-02-23T10:00") == []


# Once


def test_a_day_later_and_told_again_nothing_is_repeated(bench: Bench) -> None:
    state = History().enrolled().state()
    bench.take(state)
    assert len(bench.idle("2026-02-10T10:00")) == 1
    bench.take(state + state)
    bench.restart()
    assert bench.idle("2026-02-10T11:00") == []
    assert bench.idle("2026-02-11T10:00") == ["Blocco all'ammissione alla prova finale dal 18 febbraio 2026"]
    bench.take(state)
    assert bench.idle("2026-02-12T10:00") == []


def test_a_ticket_recorded_again_is_not_told_again(bench: Bench) -> None:
    history = History().opened("7", "2026-01-05")
    bench.clock.to("2026-01-05T12:00")
    bench.take(history.told())
    assert bench.idle() == ["Ticket n. 7 aperto"]
    bench.take(history.void("e1", "2026-01-05").opened("7", "2026-01-05").told(since=1))
    assert bench.idle() == []


def test_a_payment_voided_and_recorded_again_tells_nothing_twice(bench: Bench) -> None:
    bench.take(History().enrolled().state())
    bench.idle("2026-03-21T10:00")
    paid = History().enrolled().paid("2026-03-22", "instalment-1", "400.00")
    bench.clock.to("2026-03-22T13:00")
    bench.take(paid.state())
    first = bench.idle()
    assert first == ["2 novità sulla tua carriera: rimosso il blocco alla prenotazione degli appelli d'esame"]
    bench.take(paid.void("e4", "2026-03-22").state())
    bench.take(paid.paid("2026-03-22", "instalment-1", "400.00").state())
    assert bench.idle() == []


def test_states_of_one_batch_are_told_by_the_newest(bench: Bench) -> None:
    bench.clock.to("2026-02-10T10:00")
    paid = History().enrolled().paid("2026-02-01", "instalment-1", "400.00")
    bench.take(History().enrolled().state() + paid.state() + History().enrolled().state())
    assert bench.idle() == []


def test_two_members_send_each_notice_once(own: Database, mailbox: Mailbox) -> None:
    bench = Bench(own, mailbox, "2026-01-05T12:00")
    bench.idle()
    for n in range(40):
        bench.directory((f"S{n}", f"s{n}@students.example", "en"))
        bench.take(History(f"S{n}").opened(str(n), "2026-01-05").told())
    members = []
    opened = [Database(own.url) for _ in range(2)]
    for database in opened:
        service = bench.restart()
        members.append(Running(lambda service=service, database=database: service.idle(database)))
    eventually(lambda: bench.outbox() == [], "everything is sent")
    for member in members:
        member.stop()
    for database in opened:
        database.close()
    assert sorted(mailbox.told()) == sorted(f"Ticket no. {n} opened" for n in range(40))


# A crash between the server's word and ours


def test_a_crash_after_the_servers_word_sends_the_same_message_id_again(bench: Bench,
                                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    bench.clock.to("2026-01-05T12:00")
    bench.take(History().opened("7", "2026-01-05").told())

    def away(*_: object) -> None:
        raise DatabaseAway("gone")

    with monkeypatch.context() as broken:
        broken.setattr(sender_module.outbox, "sent", away)
        with pytest.raises(DatabaseAway):
            bench.idle()
    bench.restart()
    assert bench.idle("2026-01-05T12:04") == []
    assert bench.idle("2026-01-05T12:06") == ["Ticket n. 7 aperto"]
    first, again = bench.mailbox.mails
    assert first["Message-ID"] == again["Message-ID"]
    assert bench.idle("2026-01-05T13:00") == []


def test_a_database_away_after_the_servers_word_sends_nothing_twice(bench: Bench,
                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    bench.clock.to("2026-01-05T12:00")
    bench.take(History().opened("7", "2026-01-05").told())

    def away(*_: object) -> None:
        raise DatabaseAway("gone")

    with monkeypatch.context() as broken:
        broken.setattr(sender_module.outbox, "sent", away)
        with pytest.raises(DatabaseAway):
            bench.idle()
    assert bench.idle("2026-01-05T12:06") == []
    assert bench.outbox("sent") == [("ticket-opened", None)]
    assert len(bench.mailbox.mails) == 1


def test_message_ids_differ_and_depend_on_the_notice_only(bench: Bench) -> None:
    bench.clock.to("2026-01-05T12:00")
    bench.take(History("S1").opened("7", "2026-01-05").closed("7", "2026-01-05").told()
               + History("S2").opened("7", "2026-01-05").told())
    bench.idle()
    ids = [mail["Message-ID"] for mail in bench.mailbox.mails]
    assert len(set(ids)) == 3
    assert all(name.endswith("@office.example>") for name in ids)


# Silence about history


def test_a_start_from_nothing_tells_no_history(own: Database, mailbox: Mailbox) -> None:
    bench = Bench(own, mailbox, "2026-04-20T08:00")
    bench.directory(("S1", ANNA, "it"))
    old = History().enrolled().opened("1", "2025-11-02").closed("1", "2025-11-03").opened("2", "2026-04-19")
    bench.take(old.told())
    bench.take(old.state())
    bench.take(old.paid("2026-04-01", "instalment-1", "400.00").paid("2026-04-01", "late-fee/instalment-1",
                                                                     "40.00").state())
    assert bench.idle() == []
    assert bench.outbox() == bench.outbox("sent") == bench.outbox("dropped") == []
    bench.restart()
    bench.take(old.opened("3", "2026-04-21").told(since=8))
    assert bench.idle("2026-04-21T10:00") == ["Ticket n. 3 aperto"]
    assert bench.idle("2026-05-08T10:00")[0] == "Rata in scadenza il 15 maggio 2026: 500,00 €"


def test_the_start_day_is_kept_from_the_first_start(own: Database, mailbox: Mailbox) -> None:
    bench = Bench(own, mailbox, "2026-04-20T08:00")
    bench.directory(("S1", ANNA, "it"))
    bench.restart(start_on=date(2026, 4, 10))
    bench.idle()
    bench.restart(start_on=date(2026, 1, 1))
    bench.take(History().opened("1", "2026-04-09").opened("2", "2026-04-10").told())
    assert bench.idle() == ["Ticket n. 2 aperto"]


# Late, and no longer true


def test_a_notice_paid_meanwhile_is_dropped(bench: Bench) -> None:
    bench.mailbox.stop()
    bench.take(History().enrolled().state())
    bench.idle("2026-02-10T10:00")
    bench.take(History().enrolled().paid("2026-02-11", "instalment-1", "400.00").state())
    bench.mailbox.start()
    bench.restart()
    assert bench.idle("2026-02-11T14:00") == []
    assert ("instalment-due", "no longer true") in bench.outbox("dropped")


def test_a_dropped_notice_that_becomes_true_again_is_told(bench: Bench) -> None:
    bench.mailbox.stop()
    bench.take(History().enrolled().state())
    bench.idle("2026-02-10T10:00")
    paid = History().enrolled().paid("2026-02-11", "instalment-1", "400.00")
    bench.take(paid.state())
    bench.idle("2026-02-11T14:00")
    bench.take(paid.void("e4", "2026-02-12").state())
    bench.mailbox.start()
    bench.restart()
    assert "Rata in scadenza il 17 febbraio 2026: 400,00 €" in bench.idle("2026-02-12T14:00")


def test_whoever_was_away_tells_what_is_still_of_use(bench: Bench) -> None:
    bench.take(History().enrolled().state())
    assert bench.idle("2026-02-16T10:00") == ["2 novità sulla tua carriera: rata in scadenza il 17 febbraio 2026: "
                                              "400,00 €"]
    assert bench.outbox("sent") == [("block-begins", None), ("instalment-due", None)]
    assert bench.idle("2026-03-25T10:00") == []
    assert bench.idle("2026-05-20T10:00") == []


def test_what_the_mail_server_kept_from_going_out_in_time_is_dropped(bench: Bench) -> None:
    bench.mailbox.stop()
    bench.take(History().enrolled().state())
    bench.idle("2026-02-10T10:00")
    bench.mailbox.start()
    bench.restart()
    assert bench.idle("2026-02-18T10:00") == []
    assert bench.outbox() == []


def test_nothing_is_said_of_careers_while_what_is_known_is_old(bench: Bench) -> None:
    """Someone who was away for days must not remind those who have paid meanwhile: their payments wait in the topic."""
    bench.clock.to("2026-02-10T10:00")
    bench.take(History().enrolled().state())
    bench.take(History().opened("7", "2026-02-10").told())
    assert bench.idle(beat=False) == ["Ticket n. 7 aperto"]
    bench.take([beat_at(bench.clock(), {0: 5})])
    assert bench.idle(beat=False) == []
    with bench.database.transaction() as tx:
        tx.run("INSERT INTO notifications_positions (topic, part, next_offset, log_position) VALUES (:topic, 0, 5, 9)",
               {"topic": STATE})
    assert bench.idle(beat=False) == ["Rata in scadenza il 17 febbraio 2026: 400,00 €"]


@pytest.mark.parametrize("awaited", [9, 4])
def test_a_busy_topic_and_one_made_anew_still_tell_how_old_the_knowledge_is(bench: Bench, awaited: int) -> None:
    """The newest heartbeat may never be reached while more comes; one that is awaited may never be,
    where the topic was made anew."""
    bench.clock.to("2026-02-10T10:00")
    bench.take(History().enrolled().state())
    with bench.database.transaction() as tx:
        tx.run("DELETE FROM notifications_pulse")
        tx.run("INSERT INTO notifications_positions (topic, part, next_offset, log_position) VALUES (:topic, 0, 4, 9)",
               {"topic": STATE})
    bench.take([beat_at(bench.clock(), {0: awaited})])
    bench.take([beat_at(bench.clock(), {0: 13 - awaited})])
    assert len(bench.idle(beat=False)) == 1


def test_an_opened_ticket_is_no_news_on_a_later_day_when_it_is_closed(bench: Bench) -> None:
    bench.clock.to("2026-01-08T10:00")
    bench.take(History().opened("7", "2026-01-05").closed("7", "2026-01-06").opened("8", "2026-01-06").told())
    bench.take(History("S2").opened("9", "2026-01-08").closed("9", "2026-01-08").told())
    assert bench.idle() == ["Ticket no. 9 opened", "Ticket n. 7 chiuso: la Segreteria ha risposto",
                            "Ticket no. 9 closed: the Registry has "
                            "answered", "Ticket n. 8 aperto"]


def test_a_voided_ticket_that_waits_is_dropped(bench: Bench) -> None:
    bench.clock.to("2026-01-05T10:00")
    bench.take(History().opened("7", "2026-01-05").void("e1", "2026-01-05").told())
    assert bench.idle() == []
    assert bench.outbox("dropped") == [("ticket-opened", "voided")]


def test_what_has_waited_for_a_month_is_dropped(bench: Bench) -> None:
    bench.clock.to("2026-01-05T10:00")
    bench.take(History("S9").opened("7", "2026-01-05").told())
    bench.idle()
    assert bench.outbox() == [("ticket-opened", "no address")]
    bench.idle("2026-02-05T10:00")
    assert bench.outbox("dropped") == [("ticket-opened", "too late")]


# Addresses


def test_a_notice_without_an_address_waits_for_one(bench: Bench) -> None:
    bench.clock.to("2026-01-05T10:00")
    bench.take(History("S9").opened("7", "2026-01-05").told())
    assert bench.idle() == []
    assert bench.outbox() == [("ticket-opened", "no address")]
    bench.directory(("S9", "new@students.example", ""))
    assert bench.idle() == ["Ticket n. 7 aperto / Ticket no. 7 opened"]


def test_a_refused_address_stops_nobody_else_and_waits_for_the_directory(bench: Bench) -> None:
    bench.mailbox.refuse[ANNA] = "550 5.1.1 no such mailbox"
    bench.clock.to("2026-01-05T10:00")
    bench.take(History().opened("7", "2026-01-05").opened("8", "2026-01-05").told()
               + History("S2").opened("9", "2026-01-05").told())
    assert bench.idle() == ["Ticket no. 9 opened"]
    assert bench.outbox() == [("ticket-opened", "address refused: 550")] * 2
    assert bench.mailbox.asked.count(ANNA) == 1
    asked = len(bench.mailbox.asked)
    bench.restart()
    bench.idle("2026-01-06T10:00")
    assert bench.directory(("S1", ANNA, "it"), ("S2", BRUNO, "en")) == (0, 0, 2, 0, 0)
    bench.directory(("S1", ANNA, "en"))
    assert bench.idle("2026-01-06T11:00") == []
    assert len(bench.mailbox.asked) == asked
    bench.directory(("S1", "anna@other.example", "it"))
    assert sorted(bench.idle()) == ["Ticket n. 7 aperto", "Ticket n. 8 aperto"]


def test_a_refused_address_can_be_tried_again(bench: Bench, own_url: str) -> None:
    bench.mailbox.refuse[ANNA] = "554 5.7.1 relaying denied"
    bench.clock.to("2026-01-05T10:00")
    bench.take(History().opened("7", "2026-01-05").told())
    bench.idle()
    del bench.mailbox.refuse[ANNA]
    ran = CliRunner().invoke(notifications, ["outbox", "retry", "--db", own_url])
    assert ran.output == '{"students": 1}\n'
    assert bench.idle() == ["Ticket n. 7 aperto"]


def test_a_refused_text_stops_nothing_else(bench: Bench) -> None:
    bench.mailbox.answer = lambda mail: "554 5.7.1 looks like spam" if "n. 7 " in mail["Subject"] else None
    bench.clock.to("2026-01-05T10:00")
    bench.take(History().opened("7", "2026-01-05").opened("8", "2026-01-05").told())
    assert bench.idle() == ["Ticket n. 8 aperto"]
    assert bench.outbox() == [("ticket-opened", "554")]
    assert bench.idle("2026-01-05T18:00") == []
    bench.mailbox.answer = lambda mail: None
    bench.directory(("S1", "anna@other.example", "it"))
    assert bench.idle() == ["Ticket n. 7 aperto"]


@pytest.mark.parametrize("where", ["letter.write", "directory.find", "outbox.sent"])
def test_a_fault_of_one_letter_stops_no_other_and_is_tried_later(bench: Bench, caplog: pytest.LogCaptureFixture,
                                                                monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Wherever it is; one that the server has taken before is not sent again."""
    module, name = where.split(".")
    right = getattr(getattr(sender_module, module), name)

    def wrong(*given: Any) -> Any:
        if "S1" in repr(given):
            raise RuntimeError(f"Anna {ANNA}")
        return right(*given)

    bench.clock.to("2026-01-05T10:00")
    bench.take(History().opened("7", "2026-01-05").told() + History("S2").opened("9", "2026-01-05").told())
    with monkeypatch.context() as broken:
        broken.setattr(getattr(sender_module, module), name, wrong)
        before = bench.idle()
    assert "Ticket no. 9 opened" in before
    assert bench.outbox() == [("ticket-opened", "fault")]
    assert "RuntimeError at " in caplog.text
    assert "Anna" not in caplog.text
    assert sorted(before + bench.idle("2026-01-05T10:01:01")) == ["Ticket n. 7 aperto", "Ticket no. 9 opened"]
    assert bench.outbox() == []


def test_a_mailbox_that_is_busy_is_tried_later(bench: Bench) -> None:
    bench.mailbox.refuse[ANNA] = "450 4.2.0 greylisted, try later"
    bench.clock.to("2026-01-05T10:00")
    bench.take(History().opened("7", "2026-01-05").told() + History("S2").opened("9", "2026-01-05").told())
    assert bench.idle() == ["Ticket no. 9 opened"]
    assert bench.outbox() == [("ticket-opened", "450")]
    del bench.mailbox.refuse[ANNA]
    assert bench.idle("2026-01-05T10:00:59") == []
    assert bench.idle("2026-01-05T10:01:01") == ["Ticket n. 7 aperto"]


def test_a_server_that_goes_away_in_the_middle_loses_nothing(bench: Bench) -> None:
    bench.mailbox.answer = lambda mail: "421 4.3.2 shutting down"
    bench.clock.to("2026-01-05T10:00")
    bench.take(History().opened("7", "2026-01-05").opened("8", "2026-01-05").told())
    assert bench.idle() == []
    bench.mailbox.stop()
    bench.restart()
    assert bench.idle("2026-01-05T10:30") == []
    bench.mailbox.answer = lambda mail: None
    bench.mailbox.start()
    bench.restart()
    assert sorted(bench.idle("2026-01-05T12:00")) == ["Ticket n. 7 aperto", "Ticket n. 8 aperto"]


def test_an_encrypted_connection_with_a_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout",
                    str(key), "-out", str(certificate), "-days", "2",
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"], check=True,
                   capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    mailbox = Mailbox(context, (b"office", b"secret")).start()
    try:
        with Database(sqlite_url) as database:
            bench = Bench(database, mailbox, "2026-01-05T10:00")
            bench.directory(("S1", ANNA, "it"))
            bench.take(History().opened("7", "2026-01-05").told())

            def through(password: str) -> list[str]:
                bench.service = Notifications(
                    Post(MailServer("127.0.0.1", mailbox.port, True, "office", password)), SENDER, clock=bench.clock)
                return bench.idle()

            assert through("secret") == []  # the certificate is nobody's whom this machine trusts
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
            assert through("wrong") == []
            assert through("secret") == ["Ticket n. 7 aperto"]
            with pytest.raises(Away, match="code 530"):
                Post(MailServer("127.0.0.1", mailbox.port)).send(bench.mailbox.mails[0])
    finally:
        mailbox.stop()


def test_logs_hold_no_address_and_no_text_of_the_server(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bench.mailbox.refuse = {ANNA: f"550 <{ANNA}> is unknown", BRUNO: f"450 <{BRUNO}> try later"}
    bench.clock.to("2026-01-05T10:00")
    bench.take(History().opened("7", "2026-01-05").told() + History("S2").opened("9", "2026-01-05").told())
    bench.idle()
    bench.mailbox.stop()
    bench.idle("2026-01-05T11:00")
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("consumers"))
    assert "550" in ours
    assert "450" in ours
    assert "mail server cannot be used" in ours
    assert "@" not in ours
    listed = "".join(f"{row}" for row in bench.database.ask("SELECT why, details FROM notifications_outbox"))
    assert "@" not in listed


# Erasure and unreadable states


def test_a_tombstone_takes_address_and_notices_away(bench: Bench) -> None:
    history = History("S9").enrolled().opened("7", "2026-02-10")
    bench.clock.to("2026-02-10T10:00")
    bench.directory(("S9", "someone@students.example", ""))
    bench.take(history.told())
    bench.take(history.state())
    [state] = history.state()
    bench.take([state._replace(value=None)])
    assert bench.idle() == []
    for table in ("outbox", "careers", "directory", "payments"):
        assert bench.database.ask(f"SELECT * FROM notifications_{table} WHERE student = 'S9'") == []


def test_of_an_unreadable_state_nothing_is_told_until_a_newer_one_comes(bench: Bench) -> None:
    [state] = History().enrolled().state()
    bench.take([state])
    poison = Record(STATE, 0, 9, 0, state.key, b'{"student": "S1"}', [])
    with pytest.raises(Unreadable) as error:
        bench.service.read(poison)
    with bench.database.transaction() as tx:
        bench.service.unusable(tx, poison, error.value)
    assert bench.idle("2026-02-10T10:00") == []
    bench.take([state])
    assert bench.idle() == ["Rata in scadenza il 17 febbraio 2026: 400,00 €"]


@pytest.mark.parametrize(("key", "value", "said"), [
    (b"S1", b"{}", "key: this is no student/career"),
    (b"S2/B", None, "student, career: differ from the key"),
    (b"S1/B", b'{"student": "\\u0000"}', "value: a NUL character"),
])
def test_states_that_cannot_be_used_are_named(bench: Bench, key: bytes, value: bytes | None, said: str) -> None:
    [good] = History().enrolled().state()
    with pytest.raises(Unreadable, match=said):
        bench.service.read(Record(STATE, 0, 0, 0, key, good.value if value is None else value, good.headers))


def test_a_number_with_a_line_break_stays_on_the_subjects_line(bench: Bench) -> None:
    history = History().opened("7", "2026-01-05")
    event = history.events[0]
    history.events[0] = replace(event, data=event.data.changed(number="7\r\nBcc: all@students.example"))
    bench.clock.to("2026-01-05T12:00")
    bench.take(history.told())
    assert bench.idle() == ["Ticket n. 7 Bcc: all@students.example aperto"]
    assert bench.mailbox.mails[0]["Bcc"] is None


def test_other_lead_days_look_at_every_career_again(bench: Bench) -> None:
    bench.take(History().enrolled().state())
    assert bench.idle("2026-03-01T10:00") == []
    bench.restart(lead_days=30)
    bench.idle()
    assert bench.idle() + bench.mailbox.told() == ["Blocco alla prenotazione degli appelli d'esame dal 20 marzo 2026"]


# The commands


def test_a_line_of_the_directory_fails_alone_and_a_file_of_another_form_as_a_whole(own_url: str,
                                                                                   tmp_path: Path) -> None:
    file = tmp_path / "addresses.csv"

    def imported(text: str) -> tuple[int, str]:
        file.write_text(text)
        ran = CliRunner().invoke(notifications, ["directory", "import", "--db", own_url, str(file)])
        return ran.exit_code, ran.output

    head = "student,email,language\n"
    assert imported(f"{head}S1,{ANNA},it\nS2,{BRUNO},\n") == (
        0, '{"new": 2, "changed": 0, "unchanged": 0, "removed": 0, "forgotten": 0, "wrong": 0}\n')
    assert imported(f"{head}S1,{ANNA},en\nS2,,\nS7,,\n")[0] == 0
    for text, said in (
            (f"S3,{ANNA}", "line 2: 2 fields; write student,email,language"),
            (f"S 4,{ANNA},it", "line 2, student: write the student's pseudonym"),
            ("S3,secret name,it", "line 2, email: write an address such as name@example.org"),
            ("S3,anna@exämple.org,it", "line 2, email: write an address such as name@example.org"),
            ("S3,ännä@example.org,it", "line 2, email: write an address such as name@example.org"),
            (f"S3,{ANNA},fr", "line 2, language: write it, en, or nothing"),
            (f"S5,{ANNA},it\nS5,{BRUNO},it", "line 3, student: the same as in line 2")):
        code, output = imported(f"{head}{text}\nS6,{BRUNO},en\n")
        assert code == 1
        assert said in output
        assert '"wrong": 1' in output
        assert "secret" not in output
        assert "@" not in output.replace("name@example.org", "")
    assert imported(f"S9,{ANNA},it\n") == (1, "line 1: write the names of the columns: student,email,language\n")
    with Database(own_url) as database:
        assert sorted(database.ask("SELECT student, email, language FROM notifications_directory")) == [
            ("S1", ANNA, "en"), ("S5", ANNA, "it"), ("S6", BRUNO, "en")]


def test_an_address_that_no_server_takes_stops_nobody_else(bench: Bench) -> None:
    """However it came into the table."""
    with bench.database.transaction() as tx:
        tx.run("UPDATE notifications_directory SET email = 'ännä@example.org' WHERE student = 'S1'")
    bench.clock.to("2026-01-05T10:00")
    bench.take(History().opened("7", "2026-01-05").told() + History("S2").opened("9", "2026-01-05").told())
    assert bench.idle() == ["Ticket no. 9 opened"]
    assert bench.outbox() == [("ticket-opened", "address refused: 553")]
    bench.directory(("S1", ANNA, "it"))
    assert bench.idle() == ["Ticket n. 7 aperto"]


# The form of a letter


def test_a_letter_is_text_and_html_of_the_same_words(bench: Bench) -> None:
    bench.directory(("S1", ANNA, ""))
    bench.take(History().enrolled().state())
    bench.idle("2026-02-10T10:00")
    [mail] = bench.mailbox.mails
    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    shown = re.sub(r"<[^>]+>", " ", html.unescape(text_of(mail, "html").partition("<body")[2].partition(">")[2]))
    assert " ".join(shown.replace("[ English",
                                  "[English").replace("below ]", "below]").split()) == plain_text(mail).replace(
        "- prima", "prima").replace("- first", "first").replace(f"{'-' * 60} ", "")


def test_what_somebody_wrote_is_text_in_the_html(bench: Bench) -> None:
    history = History().opened("7", "2026-01-05")
    event = history.events[0]
    history.events[0] = replace(event,
                                data=event.data.changed(context='# <a href="https://evil.example">win</a>'))
    bench.clock.to("2026-01-05T12:00")
    bench.take(history.told())
    bench.idle()
    found = text_of(bench.mailbox.mails[0], "html")
    assert "&lt;a href=&#34;https://evil.example&#34;&gt;" in found
    assert "<a href" not in found
    assert "<h2" not in found


def test_a_letter_is_dated_in_rome_and_says_who_reads_the_answer(bench: Bench) -> None:
    bench.clock.to("2026-07-05T23:30")
    bench.take(History().opened("7", "2026-07-05").told())
    bench.idle()
    office = From(SENDER.address, "Segreteria <office@office.example>")
    bench.service = Notifications(Post(MailServer("127.0.0.1", bench.mailbox.port)), office, clock=bench.clock)
    bench.take(History().opened("8", "2026-07-05").told())
    bench.idle()
    silent, answered = bench.mailbox.mails
    assert silent["Date"].endswith("Jul 2026 23:30:00 +0200")
    assert (silent["Reply-To"], answered["Reply-To"]) == (None, office.reply_to)
    assert "non rispondere a questo indirizzo" in plain_text(silent)
    assert "la tua risposta arriva alla Segreteria studenti" in plain_text(answered)


def test_what_comes_of_one_act_is_one_letter_to_a_student(bench: Bench) -> None:
    """A payment lifts two blocks at once; what is due tomorrow is another matter."""
    bench.take(History().enrolled().state())
    bench.idle("2026-10-02T10:00")
    sent = len(bench.mailbox.mails)
    paid = History().enrolled().paid("2026-10-03", "instalment-1",
                                     "400.00").paid("2026-10-03", "instalment-2", "500.00")
    for kind in ("instalment-1", "instalment-2"):
        paid.paid("2026-10-03", f"late-fee/{kind}", "80.00")
    bench.take(paid.state())
    told = bench.idle("2026-10-03T18:00")
    assert told == ["3 novità sulla tua carriera: rimosso il blocco amministrativo della carriera"]
    assert {kind for kind, _ in bench.outbox("sent")[-3:]} == {"block-lifted"}
    mail = bench.mailbox.mails[sent]
    text = plain_text(mail)
    assert text.count("Buongiorno") == text.count("Segreteria studenti Università") == 1
    assert "# 2. Rimosso il blocco" in text
    assert text_of(mail, "html").count("<h2") == 3
    assert len(mail["X-Notices"].split()) == 3
    assert bench.idle("2026-10-03T19:00") == []


# Notice numbers


NUMBER = "302000000000000017"


def _numbers(bench: Bench, own_url: str, *positions: tuple[str, int], student: str = "S1") -> Any:
    """As the treasury exports them: charge or part, and cents."""
    lines = [json.dumps({"fullName": student, "iupd": "x",
                         "paymentOption": [{"nav": f"{int(NUMBER) + n}", "amount": cents, "transfer": [],
             "paymentOptionMetadata": [{"key": "career", "value": "B"}, {"key": "charge", "value": charge}]}]})
             for n, (charge, cents) in enumerate(positions)]
    return CliRunner().invoke(notifications, ["payments", "import", "-", "--db", own_url], input="\n".join(lines))


@pytest.mark.parametrize(("positions", "said"), [
    ([(FIRST, 40000)], f"400,00 € (avviso pagoPA n. {NUMBER})."),
    ([(FIRST, 25000)], "400,00 €."),
    ([(f"{YEAR}:instalment-2", 40000)], "400,00 €."),
    ([], "400,00 €."),
])
def test_a_notice_number_is_told_where_the_treasury_asks_for_the_same(
        bench: Bench, own_url: str, positions: list[tuple[str, int]], said: str) -> None:
    assert _numbers(bench, own_url, *positions).output == f'{{"positions": {len(positions)}}}\n'
    bench.take(History().enrolled().state())
    bench.idle("2026-02-10T10:00")
    assert f"prima rata 2025-26: {said}" in plain_text(bench.mailbox.mails[0])


def test_a_late_payments_number_is_told_with_what_is_asked_for_then(bench: Bench, own_url: str) -> None:
    _numbers(bench, own_url, (FIRST, 42000))
    bench.take(History().enrolled().state())
    bench.idle("2026-03-13T10:00")
    assert f"400,00 € (avviso pagoPA n. {NUMBER}: 420,00 € con l'importo aggiuntivo per il ritardo)." in plain_text(
        bench.mailbox.mails[0])


def test_a_part_of_a_plan_is_told_with_its_own_number(bench: Bench, own_url: str) -> None:
    _numbers(bench, own_url, (f"{FIRST}@2026-03-01", 20000), (f"{FIRST}@2026-04-01", 20000))
    bench.take(History().enrolled().add("instalment-plan-agreed", "2026-02-01",
                                        {"charges": [FIRST], "motivated": True, "instalments": [
        {"due_on": "2026-03-01", "amount": "200.00"}, {"due_on": "2026-04-01", "amount": "200.00"}]}).state())
    bench.idle("2026-02-22T10:00")
    assert f"200,00 € (avviso pagoPA n. {NUMBER})." in plain_text(bench.mailbox.mails[0])
    bench.idle("2026-03-25T10:00")
    assert any(f"200,00 € (avviso pagoPA n. {int(NUMBER) + 1})" in plain_text(mail)
               for mail in bench.mailbox.mails[1:])


def test_a_line_that_is_no_position_is_named_and_nothing_is_taken(bench: Bench, own_url: str) -> None:
    _numbers(bench, own_url, (FIRST, 40000))
    for line in ("{", "{}", '{"fullName": "S1", "paymentOption": []}', "[" * 5000):
        ran = CliRunner().invoke(notifications, ["payments", "import", "-", "--db", own_url], input=line)
        assert (ran.exit_code, "line 1: no line of" in ran.output) == (1, True)
    assert bench.database.ask("SELECT number FROM notifications_payments") == [(NUMBER,)]


def test_the_outbox_lists_what_waits_without_addresses(bench: Bench, own_url: str) -> None:
    bench.clock.to("2026-01-05T10:00")
    bench.take(History().opened("7", "2026-01-05").told() + History("S9").opened("8", "2026-01-05").told())
    bench.idle()
    ran = CliRunner().invoke(notifications, ["outbox", "list", "--db", own_url])
    assert ('"student": "S9", "career": null, "kind": "ticket-opened", "thing": "8", "day": "2026-01-05", '
            '"state": "waiting", "why": "no address"') in ran.output
    assert len(ran.output.splitlines()) == 1
    sent = CliRunner().invoke(notifications, ["outbox", "list", "--db", own_url, "--state", "sent"]).output
    assert '"student": "S1"' in sent
    assert "@" not in ran.output + sent


@pytest.mark.parametrize(("options", "said"), [
    (["--smtp", "mail.example.org", "--sender", ANNA], "write HOST:PORT"),
    (["--smtp", "mail.example.org:25", "--sender", "nobody"], "write an address"),
    (["--smtp", "mail.example.org:25", "--sender", ANNA], "add --starttls"),
    (["--smtp", "mail.example.org:25", "--sender", ANNA, "--reply-to", "nobody"], "write an address"),
    (["--smtp", "mail.example.org:25", "--sender", ANNA, "--start-day", "yesterday"], "--start-day"),
])
def test_wrong_options_are_named(options: list[str], said: str) -> None:
    ran = CliRunner().invoke(notifications, ["run", "--db", "sqlite:///x", "--kafka", "localhost:9", *options],
                             env={USER: "office"})
    assert ran.exit_code == 2
    assert said in ran.output


def test_careers_kept_hold_no_history(bench: Bench) -> None:
    bench.clock.to("2026-11-01T10:00")
    bench.take(History().enrolled().paid("2025-12-20", "instalment-1",
                                         "400.00").paid("2025-12-20", "instalment-2", "500.00").state())
    [(state, due)] = bench.database.ask("SELECT state, next_day FROM notifications_careers")
    assert '"blocks":[],"charges":[]' in state
    assert due is None


@pytest.mark.parametrize(("text", "taken"), [
    ("anna.rossi+unibg@example.org", True), ("a@b.it", True), ("a@xn--bcher-kva.example.org", True),
    ("a..b@c.it", False),
    ("-a@c.it", False),
    (".a@c.it", False), ("a.@c.it", False), ("a@c..it", False), ("a@-c.it", False), ("a@c-.it", False),
    ("a@c.it.", False), ("a@c", True),
    ("a@b@c.it", False), ("a b@c.it", False), ('"a b"@c.it', False), ("a@[127.0.0.1]", False),
    ("a@c.it\r\nBcc: b@c.it", False),
    ("=?utf-8?q?a=0D=0Ab?=@c.it", False), ("=?utf-8?b?YkBkLml0LA==?=@c.it", False), ("a=?x?q?b?=@c.it", False),
    ("\u00e8@c.it", False), (f"{'a' * 65}@c.it", False), (f"a@{'c.' * 130}it", False), ("@c.it", False),
    ("a@", False), ("", False)])
def test_address_is_taken_only_when_every_mail_server_can_be_given_it(text: str, taken: bool) -> None:
    assert is_address(text) is taken


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.from_regex(r"[A-Za-z0-9=?_.!#$%&'*+/^`{|}~-]{1,40}@[a-z]{1,8}\.it", fullmatch=True))
def test_letter_goes_to_the_address_that_was_taken(text: str) -> None:
    letter = EmailMessage(policy=SMTP)
    if is_address(text):
        letter["To"] = text
        assert (letter["To"], letter.as_bytes().splitlines()[0]) == (text, f"To: {text}".encode())
