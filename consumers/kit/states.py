"""The messages of `career.state.v1`: whose they are, and what they say to a service."""

import re
from typing import TypeVar

from pydantic import ValidationError

from ledger.domain.values import Pseudonym
from ledger.wire.models import FromOne, Wire
from ledger.wire.reading import Unreadable, check_text, describe
from ledger.wire.state import TYPE

from .service import Record, check_type

CareerKey = tuple[str, str]
"""Student and career."""

_KEY = re.compile(rb"([A-Za-z0-9._-]{1,64})/([A-Za-z0-9._-]{1,64})")


class State(Wire):
    """What every service reads of a state; each has a model with what it needs besides."""

    student: Pseudonym
    career: Pseudonym
    position: FromOne


S = TypeVar("S", bound=State)


def career_of(record: Record) -> CareerKey:
    """From the key of a message. Raises Unreadable."""
    found = _KEY.fullmatch(record.key or b"")
    if found is None:
        raise Unreadable("key: this is no student/career")
    return found[1].decode(), found[2].decode()


def student_of(record: Record) -> str:
    """The same for the student alone, whatever the key is worth."""
    return (record.key or b"").partition(b"/")[0].decode("ascii", "replace")


def read_state(record: Record, model: type[S]) -> S:
    """Raises Unreadable, for a tombstone too: the loop takes those (`erasure`)."""
    key = career_of(record)
    if record.value is None:
        raise Unreadable("value: there is none")
    check_type(record, TYPE)
    check_text(record.value)
    try:
        state = model.model_validate_json(record.value)
    except ValidationError as error:
        raise Unreadable(describe(error)) from None
    check_key(key, state.student, state.career)
    return state


def check_key(key: CareerKey, student: str, career: str) -> None:
    """That a state is of the career which its key names. Raises Unreadable."""
    if key != (student, career):
        raise Unreadable("student, career: differ from the key")
