"""The pages of signing in, and what is wrong, for who asked with a browser."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ledger.domain.phrases import Phrase, says
from ledger.edges.web import Response
from ledger.words import Language, sentence


@cache
def _environment() -> Environment:
    return Environment(loader=PackageLoader("ledger.entrypoints.http.console"), undefined=StrictUndefined,
                       autoescape=True, trim_blocks=True, lstrip_blocks=True)


def html(name: str, language: Language, status: int, told: Mapping[str, Phrase], **values: Any) -> Response:
    """`told`: what the template says, by its names for it."""
    words = {one: sentence(phrase, language) for one, phrase in told.items()}
    text = _environment().get_template(name).render(language=language, **words, **values)
    return Response(status, text.encode(), "text/html; charset=utf-8", ((b"content-language", language.encode()),))


_TITLES = {401: says("page/signed-out"), 403: says("page/forbidden"), 404: says("page/not-found")}


def problem_page(answer: Response, language: Language) -> Response:
    """A problem document as a page."""
    return html("problem.html", language, answer.status, {
        "title": _TITLES.get(answer.status, says("page/problem")), "login": says("login/title")},
        problem=json.loads(answer.body))
