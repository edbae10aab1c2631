"""What is wrong, for who asked over HTTP: documents of RFC 9457 in the asker's language.

`errors` names each thing that is wrong: a field of the body by its JSON pointer (`#/data/charge`), or a parameter of
the query by its name; for a rule that says no, the rule, its source and what would remove the matter.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ledger.domain.form import Problem
from ledger.domain.knowledge import NotFound
from ledger.domain.phrases import Phrase, says, verbatim
from ledger.edges.log import Note
from ledger.edges.program import say
from ledger.edges.web import Response, problem
from ledger.proofs.outside import Behind
from ledger.rulebooks.loader import RuleBookError
from ledger.store import ReadOnly, StoreUnavailable, StoreUnusable, StreamSetAside, VersionConflict
from ledger.words import Language, sentence, told

RETRY = ((b"retry-after", b"1"),)


class Misasked(Exception):
    """The question cannot be answered as it was asked."""

    def __init__(self, status: int, reason: str, message: Phrase, errors: Iterable[Mapping[str, Any]] = ()) -> None:
        super().__init__(reason)
        self.status, self.reason, self.message, self.errors = status, reason, message, list(errors)


def parameter(found: Problem) -> dict[str, Any]:
    return {"parameter": found.path, "detail": found.message}


def field(found: Mapping[str, Any]) -> dict[str, Any]:
    """Of a problem of form as outcomes have it."""
    return {"pointer": "#" + "".join(f"/{part}" for part in found["path"].split(".") if part),
            "detail": found["message"]}


def rule(found: Mapping[str, Any]) -> dict[str, Any]:
    """Of a reason as outcomes have it."""
    return {"pointer": "#", "detail": found["message"], **{
        name: found[name] for name in ("rule", "interpretation", "source", "clears", "facts") if name in found}}


def document(language: Language, misasked: Misasked, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Response:
    more = {"errors": told(misasked.errors, language)} if misasked.errors else {}
    return problem(misasked.status, misasked.reason, sentence(misasked.message, language), headers=headers, **more)


def understood(error: Exception) -> Misasked | None:
    """What an error means to who asked; None where it is unforeseen. What it says of the database is for who runs the
    program, and is said on standard error."""
    if isinstance(error, Misasked):
        return error
    if isinstance(error, NotFound):
        return Misasked(404, "not-found", error.told)
    if isinstance(error, VersionConflict):
        return Misasked(409, "conflict", error.told or verbatim(str(error)))
    if isinstance(error, StreamSetAside):
        return Misasked(503, "set-aside", error.told or verbatim(str(error)))
    if isinstance(error, ReadOnly):
        return Misasked(403, "read-only", says("http/read-only"))
    if isinstance(error, StoreUnavailable | StoreUnusable | RuleBookError):
        say(Note("serve/unavailable", "{why}", "error", why=error), "career-ledger")
        if isinstance(error, Behind):
            return Misasked(503, "older-copy", says("http/older-copy"))
        return Misasked(503, "unavailable", says("http/unavailable"))
    return None


AGAIN = {"conflict": RETRY, "unavailable": RETRY, "too-often": ((b"retry-after", b"3600"),)}
"""Reasons after which the same may be asked again, and when."""


def explained(error: Exception, language: Language) -> Response | None:
    """The same as a document."""
    wrong = understood(error)
    return document(language, wrong, AGAIN.get(wrong.reason, ())) if wrong is not None else None
