"""Phrases become sentences."""

from typing import Any

from ledger.domain.phrases import VERBATIM, Phrase, Remedy

from .entries import DEFAULT, Language, entry
from .values import written

WITHIN_A_LINE = ("change/", "page/")
"""Of these a charge's name does not begin the line."""
TOGETHER = ("phrases", "parts")
"""Values that are phrases themselves: sentences one after the other, or parts of one sentence."""
AS_IT_IS = frozenset({str, int, bool, type(None)})
"""Most values of an answer: nothing is in them to be told."""


def sentence(phrase: Phrase, language: Language = DEFAULT) -> str:
    return _worded(phrase, "says", language)


def remedy(phrase: Phrase, language: Language = DEFAULT) -> str:
    """What would remove it."""
    return _worded(phrase, "clears", language)


def _worded(phrase: Phrase, part: str, language: Language) -> str:
    try:
        return _filled(phrase, part, language)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):  # an id or a value of another release
        if phrase.carried is None:
            raise
        return phrase.carried[part == "clears"]


def _filled(phrase: Phrase, part: str, language: Language) -> str:
    values = {name: written(name, value, language) for name, value in phrase.values.items() if name not in TOGETHER}
    if "phrases" in phrase.values:
        several = [_phrase(one) for one in phrase.values["phrases"]]
        values["phrases"] = " ".join(sentence(one, language) for one in several)
        values["remedies"] = "; ".join(remedy(one, language) for one in several)
    if "parts" in phrase.values:
        values["parts"] = "; ".join(sentence(_phrase(one), language) for one in phrase.values["parts"])
    text = entry(phrase.id, language)[part]
    if text.startswith("{charge}") and not phrase.id.startswith(WITHIN_A_LINE):
        values["charge"] = values["charge"][:1].upper() + values["charge"][1:]
    return text.format_map(values)


def _phrase(given: Any) -> Phrase:
    """One of the rules, or one that came as JSON."""
    return given if isinstance(given, Phrase) else Phrase(given["message_id"], given["params"])


def told(answer: Any, language: Language = DEFAULT) -> Any:
    """An answer (JSON with phrases in it) in words: each phrase becomes its sentence, with
    `message_id` and `params` beside it."""
    if isinstance(answer, dict):
        found: dict[str, Any] = {}
        for name, value in answer.items():
            if type(value) in AS_IT_IS:
                found[name] = value
            elif isinstance(value, Phrase):
                found[name] = sentence(value, language)
                if value.id != VERBATIM and name != "rebuild_needed":
                    found |= value.as_json()
            else:
                found[name] = told(value, language)
        return found
    if isinstance(answer, list):
        return [told(one, language) for one in answer]
    if isinstance(answer, Phrase):
        return sentence(answer, language)
    return remedy(answer.of, language) if isinstance(answer, Remedy) else answer
