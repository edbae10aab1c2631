"""What a browser is shown: templates with every value escaped and every word from the catalogues."""

import json
import re
from collections.abc import Mapping
from functools import cache, partial
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ledger.domain.phrases import Phrase, says
from ledger.edges.text import visible
from ledger.edges.web import Response
from ledger.entrypoints.compared import first_up
from ledger.words import LANGUAGES, Language, sentence
from ledger.words.accepted import preferred
from ledger.words.entries import named
from ledger.words.values import charge, day, figure, moment, money

from .console import assets

HTML = "text/html; charset=utf-8"
LANGUAGE = "lang"
"""Of a page's address, and of the cookie that keeps what was chosen there."""

_AMOUNT = re.compile(r"(?<=[0-9]) €")


def _shown(value: Any) -> Any:
    """What would act on a terminal or turn a line around is shown instead, and no amount is parted from its euro sign.
    Markup of our own is another type."""
    return _AMOUNT.sub("\N{NO-BREAK SPACE}€", visible(value)) if type(value) is str else value


@cache
def _environment(language: Language) -> Environment:
    made = Environment(loader=PackageLoader("ledger.entrypoints.http.console"), undefined=StrictUndefined,
                       autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_shown)
    made.filters |= {"day": partial(day, language=language), "money": partial(money, language=language),
                     "charge": partial(charge, language=language), "moment": partial(moment, language=language),
                     "figure": partial(figure, language=language), "first_up": first_up, "lines": lines}
    made.globals |= {"t": partial(_text, language), "named": partial(named, language=language), "asset": assets.path,
                     "language": language, "languages": LANGUAGES,
                     "event_name": partial(event_name, language=language)}
    return made


def lines(text: str) -> Markup:
    """A text that may have several."""
    return Markup("\n").join(visible(one) for one in text.splitlines())


_SPELT = {"isee": "ISEE", "cfu": "CFU"}


def event_name(name: str, language: Language) -> str:
    """Of a type of event: never as programs write it."""
    told = named("event_type", name, language)
    return first_up(" ".join(_SPELT.get(word, word) for word in told.split("-")) if told == name else told)


def _text(language: Language, id: str, **values: Any) -> str:
    return sentence(Phrase(id, values), language)


def html(name: str, language: Language, status: int, headers: tuple[tuple[bytes, bytes], ...] = (), /,
         **values: Any) -> Response:
    """`values`: what the template shows, by its names for it."""
    text = _environment(language).get_template(name).render(**values)
    return Response(status, text.encode(), HTML, (
        (b"content-language", language.encode()), (b"vary", b"Accept-Language, Cookie"), *headers))


_TITLES = {401: says("page/signed-out"), 403: says("page/forbidden"), 404: says("page/not-found")}


_TOLD = {401: says("page/sign-in-again"),
         404: says("page/no-such-page"), 405: says("page/no-such-page"), 413: says("page/not-taken"),
         415: says("page/not-taken"), 421: says("page/no-such-page"), 500: says("page/fault"),
         503: says("page/try-later")}
"""What the server itself says of them is for programs."""


def problem_page(answer: Response, language: Language) -> Response:
    """A problem document as a page."""
    problem = json.loads(answer.body)
    told = _TOLD.get(answer.status)
    return html("problem.html", language, answer.status, problem=problem,
                says=first_up(sentence(told, language) if told is not None else problem["detail"]),
                title=sentence(_TITLES.get(answer.status, says("page/problem")), language))


def spoken(headers: Mapping[bytes, bytes], chosen: str | None = None) -> Language:
    """The language of an address, else that chosen before, else the one that the browser wants most."""
    for name in (chosen, cookies(headers).get(LANGUAGE)):
        found = next((one for one in LANGUAGES if one == name), None)
        if found is not None:
            return found
    return preferred(headers.get(b"accept-language", b"").decode("latin-1"))


def cookies(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    found = (one.strip().partition("=") for one in headers.get(b"cookie", b"").decode("latin-1").split(";"))
    return {name: value for name, _, value in found}
