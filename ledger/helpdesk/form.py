"""The form of a request, field by field as in the ticket guide, and what is wrong with one that was filled in."""

import re
import secrets
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from ledger.domain.form import Problem, problems_of, wrong
from ledger.domain.phrases import says
from ledger.domain.registry import obeys
from ledger.domain.values import PLACEHOLDERS, printable
from ledger.edges.post import is_address
from ledger.rulebooks.institution import TicketDesk
from ledger.words import Language

LONGEST_MESSAGE = 8_000
"""Characters: with all else, and written as JSON, it fits into one field of an event."""
_PHONE = re.compile(r"\+?[0-9 ()./-]{3,30}")
_STUDENT_NUMBER = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ID = re.compile(r"[A-Za-z0-9_-]{16,100}")


def _one_line(value: str) -> str:
    if not value.isprintable():
        raise wrong("form/one-line")
    return value


def _address(value: str) -> str:
    if not is_address(value):
        raise wrong("form/e-mail")
    return value


def _phone(value: str) -> str:
    if value and not _PHONE.fullmatch(value):
        raise wrong("form/phone")
    return value


@obeys("TKT-2")
def _student_number(value: str) -> str:
    """"": there is none yet; the placeholders name nobody, also with zeros before them."""
    if not _STUDENT_NUMBER.fullmatch(value):
        raise wrong("form/student-number")
    return "" if value.lstrip("0") in PLACEHOLDERS else value


def _form_id(value: str) -> str:
    if not _ID.fullmatch(value):
        raise wrong("form/form-id")
    return value


def _stripped(value: Any) -> Any:
    """Browsers end lines with CR LF, and people put blanks around what they write."""
    return value.replace("\r\n", "\n").strip() if isinstance(value, str) else value


_Strip, _OneLine = BeforeValidator(_stripped), AfterValidator(_one_line)
_Words = Annotated[str, StringConstraints(min_length=1, max_length=200), _Strip, _OneLine]
_Short = Annotated[str, StringConstraints(min_length=1, max_length=64), _Strip, _OneLine]


class TicketForm(BaseModel):
    """What is asked, and by whom. `id`: made by the sender, at least 16 letters and digits; the same form sent again is
    the same ticket. `student_number`: "" where there is none yet. `follows`: the number of a closed ticket that it
    takes up again."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: Annotated[str, AfterValidator(_form_id)]
    email: Annotated[str, _Strip, AfterValidator(_address)]
    full_name: _Words
    phone: Annotated[str, _Strip, AfterValidator(_phone)] = ""
    service: _Short
    subject: _Words
    message: Annotated[str, StringConstraints(max_length=LONGEST_MESSAGE), _Strip, AfterValidator(printable)] = ""
    student_number: Annotated[_Short, AfterValidator(_student_number)]
    degree_programme: _Words
    context: _Short
    career: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] | None = None
    follows: _Short | None = None
    language: Language = "it"


FIELDS = tuple(TicketForm.model_fields)
FILLED_IN = frozenset({"email", "full_name", "student_number", "degree_programme"})
"""What a student who signed in need not write, where the ledger knows it."""


class KnownSender(NamedTuple):
    """What is known of a student who signed in: her form has it, whatever else was sent. `name` and `email`: None where
    nobody registered them. `programmes`: by career, the last one last."""

    student: str
    name: str | None
    email: str | None
    programmes: Mapping[str, str]


def new_id() -> str:
    return secrets.token_urlsafe(24)


def filled_in(given: Mapping[str, Any], sender: KnownSender | None, desk: TicketDesk) -> dict[str, Any]:
    """What was sent, with what is known of the sender in the place of what she cannot change."""
    if sender is None:
        return dict(given)
    known: dict[str, Any] = {"student_number": sender.student}
    if sender.name is not None:
        known["full_name"] = sender.name
    if sender.email is not None and _is_at(sender.email, desk.domain):
        known["email"] = sender.email
    if sender.programmes:
        career = given.get("career")
        if not isinstance(career, str) or career not in sender.programmes:
            career = list(sender.programmes)[-1]
        known |= {"career": career, "degree_programme": sender.programmes[career]}
    return {**given, **known}


@obeys("TKT-3", "TKT-5")
def read(given: Mapping[str, Any], sender: KnownSender | None, desk: TicketDesk) -> TicketForm | list[Problem]:
    """The form, or everything that is wrong with it. A student writes from the university's address."""
    problems: list[Problem] = []
    form: TicketForm | None = None
    try:
        form = TicketForm.model_validate(filled_in(given, sender, desk))
    except ValidationError as error:
        problems += problems_of(error)
    wrong_ones = {one.path for one in problems}
    for name, offered in (("service", desk.services), ("context", desk.contexts)):
        if name not in wrong_ones and given.get(name, "").strip() not in {one.id for one in offered}:
            problems.append(Problem(name, says("form/not-offered", choices=[one.id for one in offered])))
    if form is not None and sender is not None and not _is_at(form.email, desk.domain):
        problems.append(Problem("email", says("form/not-of-the-university", text=desk.domain)))
    if form is not None and sender is None and form.career is not None:
        problems.append(Problem("career", says("form/career-of-nobody")))
    return form if form is not None and not problems else problems


def _is_at(email: str, domain: str) -> bool:
    return email.rpartition("@")[2].casefold() == domain.casefold()
