"""The ticket desk for programs: opened, found again by number and address, read, answered."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.bootstrap import Read, open_ledger
from ledger.edges import web
from ledger.edges.callers import OPERATOR, STUDENT, Caller
from ledger.helpdesk.form import TicketForm, read
from ledger.privacy.tickets import MOST_OF_STRANGERS, MOST_OPENED, MOST_TRIES
from tests.conforming import conforms
from tests.desk import TOKEN, Client, Said, served
from tests.eservices.conftest import Clock
from tests.sizes import sized

from .conftest import ADA, HERS, form, record

GUESSES = sized(200, 10_000)
NUMBER = re.compile(r"[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}")


def opened(client: Client, **given: Any) -> dict[str, Any]:
    said = client("/v1/tickets", "POST", form(**given))
    assert said.status == 201, said.body
    found: dict[str, Any] = said.json
    return found


def looked_up(client: Client, email: str, number: str) -> Said:
    return client("/v1/ticket-state", "POST", {"email": email, "number": number})


def answered(client: Client, number: str, answer: str = "Questa è la risposta.") -> Said:
    return client(f"/v1/tickets/{number}/answer", "POST", {"answer": answer})


def wrong_fields(said: Said) -> list[str]:
    assert said.status == 422, said.body
    return sorted(one["pointer"] for one in said.json["errors"])


def test_stranger_opens_looks_up_is_answered_and_looks_up_again(client: Client) -> None:
    """The guide, without its pages."""
    made = opened(client)
    assert NUMBER.fullmatch(made["number"])
    assert made["student"].startswith("TKT-")
    found = looked_up(client, "N.Surname@studenti.unibg.it", made["number"].lower().replace("-", " ")).json
    assert (found["state"], found["subject"], found["answer"]) == ("open", "Ticket di prova", None)
    assert found["message"] == "Buongiorno,\nquesto è un ticket di prova."
    assert found["sender"] == {"email": "n.surname@studenti.unibg.it", "full_name": "Name Surname", "phone": "035 1",
                               "student_number": "", "degree_programme": "FILOSOFIA"}
    assert answered(client, made["number"]).status == 201
    found = looked_up(client, "n.surname@studenti.unibg.it", made["number"]).json
    assert (found["state"], found["answer"]) == ("closed", "Questa è la risposta.")
    assert found["opened_at"] <= found["closed_at"]


def test_what_is_no_text_opens_answers_and_finds_nothing(client: Client) -> None:
    number = opened(client)["number"]
    for odd in ("\ud800", "a\0"):
        assert wrong_fields(looked_up(client, odd, number)) == ["#/email"]
        assert wrong_fields(looked_up(client, "a@example.org", odd)) == ["#/number"]
        assert wrong_fields(answered(client, number, odd)) == ["#/answer"]
        for name in ("full_name", "subject", "message", "degree_programme", "phone", "student_number", "follows"):
            assert wrong_fields(client("/v1/tickets", "POST", form(9) | {name: odd})) == [f"#/{name}"]
    for path in ("/v1/tickets/%00", "/v1/tickets?service=%00", "/v1/tickets/%ED%A0%80"):
        assert 400 <= client(path).status < 500


def test_form_that_is_sent_twice_is_one_ticket(client: Client, clock: Clock) -> None:
    first = opened(client)
    clock.day, clock.now = clock.day + timedelta(days=1), clock.now + timedelta(days=1)
    again = client("/v1/tickets", "POST", form())
    assert (again.status, again.json) == (200, first)
    assert client("/v1/tickets", "POST", form(subject="another")).json["reason"] == "sent-before"
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda _: client("/v1/tickets", "POST", form(2)), range(8)))
    assert sorted(one.status for one in said) == [200] * 7 + [201]
    assert len({one.json["number"] for one in said}) == 1
    assert len(client("/v1/tickets").json["tickets"]) == 2


def test_what_is_wrong_with_a_form_is_said_by_field_and_not_repeated(client: Client) -> None:
    said = client("/v1/tickets", "POST", form(email="secret of hers", student_number=None, service="x"))
    assert wrong_fields(said) == ["#/email", "#/service", "#/student_number"]
    assert b"secret of hers" not in said.body
    assert wrong_fields(client("/v1/tickets", "POST", form() | {"student": 1})) == ["#/student"]
    assert client("/v1/tickets", "POST", [form()]).status == 422
    assert client("/v1/tickets", "POST", form(), {"Idempotency-Key": '"another"'}).status == 422
    assert wrong_fields(client("/v1/tickets", "POST", form() | {"student": "\ud800"})) == ["#/student"]
    assert client("/v1/tickets", "POST", form() | {"student": "NOBODY"}).json["reason"] == "not-found"
    assert client("/v1/tickets", "POST", form() | {"student": opened(client)["student"]}).status == 404


def test_ticket_of_a_student_stands_in_her_stream_with_what_is_known_of_her(herself: Client) -> None:
    made = opened(herself, email=None, full_name="Somebody Else", student_number=None, degree_programme=None)
    assert made["student"] == ADA
    found = herself(f"/v1/tickets/{made['number']}").json
    assert found["sender"] == {"email": "a.rossi@studenti.unibg.it", "full_name": "Ada Rossi", "phone": "035 1",
                               "student_number": ADA, "degree_programme": "Filosofia"}
    assert found["career"] == "B"
    assert [one["number"] for one in herself("/v1/tickets").json["tickets"]] == [made["number"]]
    assert wrong_fields(herself("/v1/tickets", "POST", form(2) | {"student": "S-OTHER"})) == ["#/student"]


def test_student_sees_no_ticket_of_another(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    made = opened(client)
    monkeypatch.setattr(web, "OPERATOR", Caller("ada", frozenset({STUDENT}), ADA))
    unknown = client("/v1/tickets/22222-22222").json
    found = client(f"/v1/tickets/{made['number']}").json
    assert found | {"detail": ""} == unknown | {"detail": ""}
    assert found["status"] == 404
    assert client("/v1/tickets").json["tickets"] == []
    assert answered(client, made["number"]).status == 403
    monkeypatch.setattr(web, "OPERATOR", OPERATOR)


def test_wrong_pairs_get_nothing_and_end(client: Client, clock: Clock) -> None:
    """The same for a number that there is and one that there is not; then neither is answered, the right pair too."""
    made = opened(client)["number"]
    for number in (made, "22222-22222"):
        said = [looked_up(client, f"guess-{n}@example.org", number) for n in range(MOST_TRIES + 1)]
        assert {one.body for one in said[:-1]} == {said[0].body}
        assert [one.status for one in said] == [404] * MOST_TRIES + [429]
        assert said[-1].headers["retry-after"] == "3600"
    assert looked_up(client, "n.surname@studenti.unibg.it", made).status == 429
    clock.now += timedelta(hours=1)
    assert looked_up(client, "n.surname@studenti.unibg.it", made).status == 200


@pytest.mark.faults
def test_guessed_numbers_get_nothing(client: Client, keys_url: str) -> None:
    made = opened(client)["number"]
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lambda n: looked_up(client, "n.surname@studenti.unibg.it", guessed(n)), range(GUESSES)))
    assert {one.status for one in said} == {404, 429}
    assert sum(one.status == 404 for one in said) == MOST_TRIES
    assert made.encode() not in b"".join(one.body for one in said)


def guessed(number: int) -> str:
    return f"{number:05d}-{number:05d}"


def test_several_processes_count_together(client: Client, url: str, keys_url: str) -> None:
    made = opened(client)["number"]
    with served(url, keys_url) as other:
        for n in range(MOST_TRIES):
            assert looked_up((client, other)[n % 2], "guess@example.org", guessed(n)).status == 404
        assert {looked_up(one, "guess@example.org", made).status for one in (client, other)} == {429}


def test_no_address_opens_tickets_without_end(client: Client) -> None:
    for n in range(MOST_OPENED):
        opened(client, number=n)
    said = client("/v1/tickets", "POST", form(99))
    assert (said.status, said.json["reason"]) == (429, "too-often")
    assert client("/v1/tickets", "POST", form(98, email="another@example.org")).status == 201
    assert MOST_OPENED < MOST_OF_STRANGERS


def test_what_others_open_with_her_address_keeps_no_student_out(client: Client,
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(MOST_OPENED):
        opened(client, number=n, email="a.rossi@studenti.unibg.it")
    monkeypatch.setattr(web, "OPERATOR", HERS)
    for n in range(MOST_OPENED):
        opened(client, number=n, email=None, full_name=None)
    assert client("/v1/tickets", "POST", form(99)).status == 429
    monkeypatch.setattr(web, "OPERATOR", OPERATOR)


def test_form_that_is_mended_before_it_was_recorded_is_found_as_it_was_recorded(client: Client, url: str,
                                                                               keys_url: str) -> None:
    """A process is killed between number and event; the page comes again, with another address and service."""
    with open_ledger(url, keys=keys_url) as other:
        desk = other.help_desk()
        asked = read(form(), None, desk.offer)
        assert isinstance(asked, TicketForm)
        number = desk.claim(asked, None, "operator").number
    assert opened(client, email="right@example.org", service="lingue")["number"] == number
    assert looked_up(client, "right@example.org", number).status == 200
    assert [one["number"] for one in client("/v1/tickets", service="lingue").json["tickets"]] == [number]


def test_form_id_of_another_student_is_another_form(client: Client, url: str, keys_url: str) -> None:
    with open_ledger(url, keys=keys_url) as other:
        record(other, "enrolled", "B", "S-EVE", programme="Filosofia", academic_year="2025-26",
               course_type="bachelor", access="open", year=1, regime="full-time")
    made = [opened(client, student=student, career="B") for student in (ADA, "S-EVE")]
    assert [one["student"] for one in made] == [ADA, "S-EVE"]
    assert made[0]["number"] != made[1]["number"]


def test_list_is_by_service_and_state_oldest_first_page_by_page(client: Client, clock: Clock) -> None:
    made = []
    for n in range(5):
        clock.now += timedelta(minutes=1)
        made.append(opened(client, number=n, service=("economia", "lingue")[n % 2])["number"])
    found = client("/v1/tickets", limit="2").json
    pages = [[one["number"] for one in found["tickets"]]]
    while found["next"]:
        found = client("/v1/tickets", limit="2", cursor=found["next"]).json
        pages.append([one["number"] for one in found["tickets"]])
    assert pages == [made[:2], made[2:4], made[4:]]
    assert [one["number"] for one in client("/v1/tickets", service="lingue").json["tickets"]] == made[1::2]
    assert answered(client, made[1]).status == 201
    assert [one["number"] for one in client("/v1/tickets", service="lingue").json["tickets"]] == [made[3]]
    assert [one["subject"] for one in client("/v1/tickets", state="closed").json["tickets"]] == ["Ticket di prova"]


def test_ticket_is_answered_once(client: Client) -> None:
    made = opened(client)["number"]
    assert wrong_fields(answered(client, made, " ")) == ["#/answer"]
    assert wrong_fields(answered(client, made, "x" * 8_001)) == ["#/answer"]
    assert answered(client, made).status == 201
    assert answered(client, made).status == 200
    said = answered(client, made, "Another answer")
    assert (said.status, said.json["reason"]) == (409, "answered-before")
    assert answered(client, "22222-22222").status == 404


def test_closed_ticket_is_taken_up_by_a_new_one_that_names_it(client: Client) -> None:
    before = opened(client)
    assert client("/v1/tickets", "POST", form(2, follows=before["number"])).status == 404
    answered(client, before["number"])
    after = opened(client, number=2, follows=before["number"].lower())
    assert after["student"] == before["student"]
    assert after["number"] != before["number"]
    assert client(f"/v1/tickets/{after['number']}").json["follows"] == before["number"]
    assert client(f"/v1/tickets/{before['number']}").json["state"] == "closed"


def test_who_has_only_her_mail_writes_nothing_in_a_student_s_stream(client: Client) -> None:
    before = opened(client, student=ADA)
    answered(client, before["number"])
    after = opened(client, number=2, email="a.rossi@studenti.unibg.it", student_number=ADA, follows=before["number"])
    assert (before["student"], after["student"][:4]) == (ADA, "TKT-")
    assert client(f"/v1/tickets/{after['number']}").json["follows"] == before["number"]


def test_nothing_of_it_stands_anywhere_in_the_clear(client: Client, tmp_path: Path) -> None:
    made = opened(client, full_name="Zaffirina", subject="Zaffirina", message="Zaffirina", phone="0123456789",
                  email="zaffirina@example.org", degree_programme="Zaffirina", student_number="zaffirina")["number"]
    answered(client, made, "Zaffirina")
    looked_up(client, "zaffirina@example.org", made)
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert made.encode() in held
    assert b"affirina" not in held
    assert b"0123456789" not in held
    assert b"affirina" not in client("/metrics").body


def test_who_is_forgotten_has_no_ticket_any_more(client: Client, url: str, keys_url: str) -> None:
    made = opened(client)
    answered(client, made["number"])
    with open_ledger(url, keys=keys_url) as other:
        assert other.forget(made["student"], ["A", "B"], "asked for")["outcome"] == "forgotten"
    assert looked_up(client, "n.surname@studenti.unibg.it", made["number"]).status == 404
    assert client(f"/v1/tickets/{made['number']}").status == 404
    assert client("/v1/tickets", state="closed").json["tickets"] == []


def test_without_a_key_store_the_desk_is_switched_off_and_says_so(tmp_path: Path) -> None:
    with served(f"sqlite:///{tmp_path / 'bare.db'}") as client:
        for said in (client("/v1/tickets"), client("/v1/tickets", "POST", form()), client("/v1/tickets/1"),
                     looked_up(client, "a@example.org", "1"), answered(client, "1")):
            assert (said.status, said.json["reason"]) == (404, "desk-off")
            assert "--keys" in said.json["detail"]


def test_reads_leave_a_trace(client: Client, url: str, keys_url: str) -> None:
    made = opened(client)
    client(f"/v1/tickets/{made['number']}", headers={"Access-Purpose": "to answer it"})
    looked_up(client, "n.surname@studenti.unibg.it", made["number"])
    with open_ledger(url, keys=keys_url) as other:
        assert [(one["who"], one["what"], one["why"]) for one in other.accesses(made["student"])] == [
            ("operator", "ticket", "to answer it"), ("help-desk", "ticket", "e-mail and number")]


def test_officer_links_a_stranger_to_a_student_with_an_event_in_both_streams(client: Client, url: str, keys_url: str,
                                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    made = opened(client)
    path = f"/v1/tickets/{made['number']}/student"
    assert wrong_fields(client(path, "POST", {"student": "no such thing"})) == ["#/student"]
    assert client(path, "POST", {"student": "S-NOBODY"}).status == 404
    assert client(path, "POST", {"student": made["student"]}).status == 404
    for _ in range(2):
        assert client(path, "POST", {"student": ADA}).status == 200
    assert client(f"/v1/tickets/{made['number']}").json["linked"] == ADA
    with open_ledger(url, keys=keys_url) as other:
        record(other, "enrolled", "B", "S-EVE", programme="x", academic_year="2025-26", course_type="bachelor",
               access="open", year=1, regime="full-time")
        for one, person in ((ADA, made["student"]), (made["student"], ADA)):
            last = list(other.history(one))[-1]
            assert (last["type"], last["data"]) == ("ticket-linked", {"number": made["number"], "person": person})
    assert client(path, "POST", {"student": "S-EVE"}).json["reason"] == "linked-before"
    monkeypatch.setattr(web, "OPERATOR", Caller("ada", frozenset({STUDENT}), ADA))
    own = opened(client, subject="Her own")
    assert {(one["number"], one["elsewhere"], one["subject"]) for one in client("/v1/tickets").json["tickets"]} == {
        (own["number"], False, "Her own"), (made["number"], True, None)}
    with open_ledger(url, keys=keys_url) as other:
        assert other.accesses(ADA)[-1] | {"who": "ada", "what": "ticket"} == other.accesses(ADA)[-1]
    assert client(path, "POST", {"student": ADA}).status == 403
    monkeypatch.setattr(web, "OPERATOR", OPERATOR)


def test_forgetting_a_student_forgets_what_she_wrote_before_she_was_one(client: Client, url: str,
                                                                         keys_url: str) -> None:
    made = opened(client)
    client(f"/v1/tickets/{made['number']}/student", "POST", {"student": ADA})
    with open_ledger(url, keys=keys_url) as other:
        done = other.forget(ADA, ["A", "B"], "asked for", anyway=True)
        assert (done["outcome"], done["linked"]) == ("forgotten", [made["student"]])
        assert other.disclosure(made["student"], Read("t", None, "asked for"))["forgotten"] is not None
    assert looked_up(client, "n.surname@studenti.unibg.it", made["number"]).status == 404


@pytest.mark.faults
def test_document_holds_for_a_desk_that_is_switched_on(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.privacy.tickets.MOST_OPENED", 10_000)
    made = opened(client)["number"]
    described = client("/v1/openapi.json").json
    described["paths"] = {path: one for path, one in described["paths"].items() if "ticket" in path}
    asked = sum(len(methods) for methods in described["paths"].values())
    assert conforms(described, client.port, {"number": made}, {"Authorization": f"Bearer {TOKEN.decode()}"},
                    sized(3, 60)) == asked
    assert asked > 5
