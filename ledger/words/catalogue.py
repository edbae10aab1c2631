"""Phrases become sentences: `en.toml` and `it.toml` hold them by id, each with its remedy.

An entry is read when it is first asked for: reading a whole catalogue would cost a question more than its answer."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal, cast

from ledger.domain.phrases import VERBATIM, Phrase, Remedy

from .values import written

Language = Literal["en", "it"]
LANGUAGES: tuple[Language, ...] = ("en", "it")
DEFAULT: Language = "en"

_SECTION = re.compile(r'^\["?([^"\]\n]+)"?\]$', re.MULTILINE)


@cache
def _sections(language: Language) -> dict[str, str]:
    """The text of each entry of a catalogue, by its id."""
    text = (files(__package__) / f"{language}.toml").read_text(encoding="utf-8")
    heads = list(_SECTION.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    return {head[1]: text[head.end():end] for head, end in zip(heads, ends, strict=True)}


def ids(language: Language) -> frozenset[str]:
    return frozenset(_sections(language))


@cache
def entry(id: str, language: Language) -> Mapping[str, str]:
    """What stands under an id. Raises KeyError where there is no such entry."""
    return cast("Mapping[str, str]", tomllib.loads(_sections(language)[id]))


def sentence(phrase: Phrase, language: Language = DEFAULT) -> str:
    return _filled(phrase, "says", language)


def remedy(phrase: Phrase, language: Language = DEFAULT) -> str:
    """What would remove it."""
    return _filled(phrase, "clears", language)


def _filled(phrase: Phrase, part: str, language: Language) -> str:
    values = {name: written(name, value, language) for name, value in phrase.values.items() if name != "phrases"}
    if "phrases" in phrase.values:
        several = [_phrase(one) for one in phrase.values["phrases"]]
        values["phrases"] = " ".join(sentence(one, language) for one in several)
        values["remedies"] = "; ".join(remedy(one, language) for one in several)
    return entry(phrase.id, language)[part].format_map(values)


def _phrase(given: Any) -> Phrase:
    """One of the rules, or one that came as JSON."""
    return given if isinstance(given, Phrase) else Phrase(given["message_id"], given["params"])


def told(answer: Any, language: Language = DEFAULT) -> Any:
    """An answer (JSON with phrases in it) in words: each phrase becomes its sentence, with `message_id` and `params` beside it."""
    if isinstance(answer, dict):
        found: dict[str, Any] = {}
        for name, value in answer.items():
            if isinstance(value, Phrase):
                found[name] = sentence(value, language)
                if value.id != VERBATIM:
                    found |= value.as_json()
            else:
                found[name] = told(value, language)
        return found
    if isinstance(answer, list):
        return [told(one, language) for one in answer]
    if isinstance(answer, Phrase):
        return sentence(answer, language)
    return remedy(answer.of, language) if isinstance(answer, Remedy) else answer
