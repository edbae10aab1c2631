"""A question over HTTP as it is asked, and the answer as the command line prints it."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from ledger.edges.text import json_text
from ledger.edges.web import Request, Response
from ledger.words import LANGUAGES, Language, told


class Inquiry(NamedTuple):
    """`language`: of the answer."""

    parts: tuple[str, ...]
    query: dict[str, str]
    request: Request
    language: Language


def told_as(asked: Inquiry, *answers: Any, type: str = "application/json", status: int = 200,
            headers: tuple[tuple[bytes, bytes], ...] = ()) -> Response:
    return Response(status, _lines(asked.language, answers), type, (_IN[asked.language], *headers))


def told_in(language: Language, *answers: Any) -> Response:
    """As the command line prints them, one a line."""
    return Response(200, _lines(language, answers), headers=(_IN[language],))


_IN = {language: (b"content-language", language.encode()) for language in LANGUAGES}


def _lines(language: Language, answers: Iterable[Any]) -> bytes:
    return "".join([f"{json_text(told(one, language))}\n" for one in answers]).encode()
