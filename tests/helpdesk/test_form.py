"""The form of the ticket guide, case by case (`forms.yaml`)."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from ledger.domain.checked import model_of
from ledger.domain.events import TicketOpened
from ledger.helpdesk.form import LONGEST_MESSAGE, KnownSender, TicketForm, read
from ledger.rulebooks.institution import TicketDesk, packaged

FORM = {"id": "a-form-of-sixteen", "email": "n.surname@studenti.unibg.it", "full_name": "Name Surname",
        "phone": "035 1", "service": "lettere-filosofia", "subject": "Ticket di prova",
        "message": "Buongiorno,\nquesto è un ticket di prova.", "student_number": "99999",
        "degree_programme": "FILOSOFIA", "context": "iscrizione"}
CASES = [(one, f"{document['name']} {number}") for document in yaml.safe_load_all(
    (Path(__file__).parent / "forms.yaml").read_text()) for number, one in enumerate(document["forms"], 1)]


def desk() -> TicketDesk:
    found = packaged().desk
    assert found is not None
    return found


@pytest.mark.parametrize("case", [one for one, _ in CASES], ids=[name for _, name in CASES])
def test_form_is_taken_or_says_which_fields_are_wrong(case: dict[str, Any]) -> None:
    given = {name: value for name, value in (FORM | case["given"]).items() if value is not None}
    known = case.get("student")
    sender = KnownSender("S01", known.get("name"), known.get("email"), known.get("programmes", {})) \
        if known is not None else None
    found = read(given, sender, desk())
    if isinstance(case["expect"], list):
        assert isinstance(found, list), found
        assert sorted({one.path for one in found}) == sorted(case["expect"])
    else:
        assert isinstance(found, TicketForm), found
        assert {name: getattr(found, name) for name in case["expect"]["taken"]} == case["expect"]["taken"]


@pytest.mark.parametrize(("field", "most"), [("message", LONGEST_MESSAGE), ("subject", 200), ("full_name", 200),
                                             ("degree_programme", 200)])
def test_field_ends_somewhere(field: str, most: int) -> None:
    assert isinstance(read(FORM | {field: "x" * most}, None, desk()), TicketForm)
    found = read(FORM | {field: "x" * (most + 1)}, None, desk())
    assert isinstance(found, list)
    assert [(one.path, one.message.id) for one in found] == [(field, "form/too-long")]


def test_blanks_alone_are_no_subject() -> None:
    found = read(FORM | {"subject": "  "}, None, desk())
    assert isinstance(found, list)
    assert [(one.path, one.message.id) for one in found] == [("subject", "form/too-short")]


def test_longest_form_fits_into_an_event() -> None:
    longest = dict.fromkeys(("full_name", "degree_programme"), "x" * 200) | {"message": "\n" * LONGEST_MESSAGE}
    request = json.dumps(FORM | longest | {"email": "x" * 254, "student_number": "x" * 64})
    event = {"number": "1", "service": "x", "subject": "x", "context": "x", "kind": "desk"}
    model_of(TicketOpened).model_validate(event | {"request": request})
    with pytest.raises(ValidationError):
        model_of(TicketOpened).model_validate(event | {"request": request * 2})
