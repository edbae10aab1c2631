"""What stands in the catalogues: `en.toml` and `it.toml`, messages by their id, names by their table; and what `--help`
says, in `help.it.toml`, by its English.

An entry is read when it is first asked for: reading a whole catalogue would cost a question more than its answer."""

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


@cache
def _sections(language: Language) -> dict[str, str]:
    """The text of each entry of a catalogue, by its id."""
    text = (_HERE / f"{language}.toml").read_text(encoding="utf-8")
    parts = (part.partition("]\n") for part in f"\n{text}".split("\n[")[1:])
    return {head.strip('"'): below for head, _, below in parts}


def ids(language: Language) -> frozenset[str]:
    return frozenset(_sections(language))


@cache
def entry(id: str, language: Language) -> Mapping[str, str]:
    """What stands under an id. Raises KeyError where there is no such entry."""
    text = _sections(language)[id]
    found = {}
    for line in text.split("\n"):
        if line and line[0] != "#":
            name, _, value = line.partition(" = ")
            if "\\" in line or name.count('"') not in (0, 2) or value.count('"') != 2 or value[0] + value[-1] != '""':
                return _with_escapes(text)
            found[name.strip('"')] = value[1:-1]
    return found


def _with_escapes(text: str) -> Mapping[str, str]:
    """Few entries need a parser of TOML."""
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
