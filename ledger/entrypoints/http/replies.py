"""A question over HTTP as it is asked, and the answer as the command line prints it."""

from typing import Any, NamedTuple

from ledger.edges.text import json_text
from ledger.edges.web import Request, Response
from ledger.words import Language, told


class Inquiry(NamedTuple):
    """`language`: of the answer."""

    parts: tuple[str, ...]
    query: dict[str, str]
    request: Request
    language: Language


def told_as(asked: Inquiry, *answers: Any, type: str = "application/json", status: int = 200,
            headers: tuple[tuple[bytes, bytes], ...] = ()) -> Response:
    return told_in(asked.language, *answers)._replace(status=status, type=type, headers=(
        (b"content-language", asked.language.encode()), *headers))


def told_in(language: Language, *answers: Any) -> Response:
    """As the command line prints them, one a line."""
    lines = "".join(f"{json_text(told(one, language))}\n" for one in answers)
    return Response(200, lines.encode(), headers=((b"content-language", language.encode()),))
