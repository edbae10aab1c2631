"""Who asks a program over HTTP, and in which roles."""

from typing import NamedTuple

REGISTRAR, OFFICER, AUDITOR = "registrar", "officer", "auditor"
SERVICE, STUDENT, ADMINISTRATOR = "service", "student", "administrator"
ROLES = frozenset({REGISTRAR, OFFICER, AUDITOR, SERVICE, STUDENT, ADMINISTRATOR})
PEOPLE = ROLES - {SERVICE, STUDENT}
"""Of those who work with everybody's careers."""

ASKERS = frozenset({SERVICE, REGISTRAR, OFFICER})
"""Of whoever asks the booking gate."""


class Caller(NamedTuple):
    """`subject`: an opaque id of a person or a system. `student`: the one whose career a caller who is nothing but a
    student may see. `csrf`: of a browser's session, to stand in every form."""

    subject: str
    roles: frozenset[str]
    student: str | None = None
    csrf: str = ""

    @property
    def only_student(self) -> bool:
        return self.roles == {STUDENT}


NOBODY = Caller("", frozenset())
OPERATOR = Caller("operator", ROLES - {STUDENT})
"""Who has the program's own token."""


class Begun(NamedTuple):
    """A sign-in on its way: what the issuer's answer must fit."""

    state: str
    nonce: str
    verifier: str
    then: str


class NotBelieved(Exception):
    """A token or an answer of which one cannot tell that it comes from our issuer and is meant for us."""


class NoRole(Exception):
    """Who it is is known, and that she has no role here."""


class IssuerAway(Exception):
    """Nobody can tell for the moment."""
