"""Who asks a program over HTTP, and in which roles."""

from typing import NamedTuple

REGISTRAR, OFFICER, AUDITOR = "registrar", "officer", "auditor"
SERVICE, STUDENT, ADMINISTRATOR = "service", "student", "administrator"
ROLES = frozenset({REGISTRAR, OFFICER, AUDITOR, SERVICE, STUDENT, ADMINISTRATOR})
PEOPLE = ROLES - {SERVICE, STUDENT}
"""Of those who work with everybody's careers."""


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
