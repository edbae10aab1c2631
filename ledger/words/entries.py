"""What stands in the catalogues: `en.toml` and `it.toml`, messages by their id, names by their table; and what `--help`
says, in `help.it.toml`, by its English.

An entry is read when it is first asked for: reading a whole catalogue would cost a question more than its answer."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal, cast

Language = Literal["en", "it"]
LANGUAGES: tuple[Language, ...] = ("en", "it")
DEFAULT: Language = "en"
NAMES = "names."
"""Before the name of a table of names: of statuses, charges, blocks."""

_HERE = Path(__file__).parent
_TEXT = re.compile(r'^"?([\w -]+?)"? = "([^"\\\n]*)"$', re.MULTILINE)
_MORE = re.compile(r'^(?!"?[\w -]+?"? = "[^"\\\n]*"$|#|$)', re.MULTILINE)
"""The fields of an entry that hold a text without escapes, and a line that is none."""
_SECTION = re.compile(r'^\["?([^"\]\n]+)"?\]$', re.MULTILINE)


@cache
def _sections(language: Language) -> dict[str, str]:
    """The text of each entry of a catalogue, by its id."""
    text = (_HERE / f"{language}.toml").read_text(encoding="utf-8")
    heads = list(_SECTION.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    return {head[1]: text[head.end():end] for head, end in zip(heads, ends, strict=True)}


def ids(language: Language) -> frozenset[str]:
    return frozenset(_sections(language))


@cache
def entry(id: str, language: Language) -> Mapping[str, str]:
    """What stands under an id. Raises KeyError where there is no such entry."""
    text = _sections(language)[id]
    if not _MORE.search(text):  # what nearly all are is read without a parser of TOML
        return dict(_TEXT.findall(text))
    import tomllib

    return cast("Mapping[str, str]", tomllib.loads(text))


def named(table: str, value: str, language: Language) -> str:
    """A name of a table; what stands in none is shown as it is."""
    return entry(NAMES + table, language).get(value, value)


@cache
def help_texts(language: Language) -> Mapping[str, str]:
    """Of `--help`, by the English of the code; none in English."""
    if language == DEFAULT:
        return {}
    import tomllib

    return tomllib.loads((_HERE / f"help.{language}.toml").read_text(encoding="utf-8"))
