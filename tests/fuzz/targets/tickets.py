"""What people send to the ticket desk: forms, and numbers as somebody copied them."""

import json

from ledger.domain.checked import model_of
from ledger.domain.events import TicketOpened
from ledger.handling.lines import decode_line
from ledger.helpdesk.desk import SENDER
from ledger.helpdesk.form import KnownSender, TicketForm, read
from ledger.privacy.tickets import spelt_number
from ledger.rulebooks.institution import packaged

from .target import Target, printable

DESK = packaged().desk
ADA = KnownSender("S01", "Ada Rossi", None, {"B": "Filosofia"})
FORM = {"id": "a-form-of-sixteen", "email": "n.surname@studenti.unibg.it", "full_name": "Name Surname",
        "phone": "035 1", "service": "lettere-filosofia", "subject": "x", "message": "a\nb", "student_number": "99999",
        "degree_programme": "FILOSOFIA", "context": "iscrizione"}


def form(given: bytes) -> None:
    """What is taken fits into an event, and what is wrong can be told."""
    raw = decode_line(given, first=True)
    if not isinstance(raw, dict) or DESK is None:
        return
    for sender in (None, ADA):
        found = read(raw, sender, DESK)
        if isinstance(found, TicketForm):
            model_of(TicketOpened).model_validate({
                "number": "1", "service": found.service, "subject": found.subject, "context": found.context,
                "kind": "desk", "request": json.dumps({name: getattr(found, name) for name in (*SENDER, "message")},
                                                      ensure_ascii=False)})
            assert "\n" not in found.email + found.full_name + found.subject
            assert found.student_number.lstrip("0") not in ("9999", "99999")
        else:
            for one in found:
                printable(one.message)


def number(given: bytes) -> None:
    text = given.decode("utf-8", "replace")
    assert spelt_number(spelt_number(text)) == spelt_number(text)


def _forms() -> list[bytes]:
    changed: tuple[dict[str, str], ...] = ({}, {"career": "B", "follows": "7Q4MX-2ZK9D"}, {"email": "x"})
    return [json.dumps(FORM | more).encode() for more in changed]


TARGETS = (Target("ticket-form", form, _forms), Target("ticket-number", number, lambda: [b" #7q4mx 2zk9d", b"212617"]))
