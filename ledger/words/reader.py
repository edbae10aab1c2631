"""Who reads what a program prints, and in which language: that of `--lang`, of the environment or of the locale."""

import os

import click

from .entries import DEFAULT, LANGUAGES, Language, named

_last: Language | None = None
"""Of who gave the command that runs: for what fails when click has left it."""


def read_by(context: click.Context) -> None:
    global _last
    _last = _asked(context)


def reader() -> Language:
    """The language of who reads errors: that of `--lang`, also while the command is still being read, else the
    locale's."""
    context = click.get_current_context(silent=True)
    return (_last if context is None else _asked(context)) or locale_language()


def _asked(context: click.Context) -> Language | None:
    root = context.find_root()
    found: Language | None = root.params.get("lang")
    return found if "lang" in root.params else _of_environment()


def _of_environment() -> Language | None:
    """For help that is asked for before `--lang` is read: click reads what the environment says last."""
    given = os.environ.get("CAREER_LEDGER_LANG", "")
    return next((one for one in LANGUAGES if one == given), None)


def locale_language() -> Language:
    """That of the first of the locale's variables that is set, where there are words in it, else English."""
    given = next((value for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := os.environ.get(name))), "")
    return next((one for one in LANGUAGES if given.lower().startswith(one)), DEFAULT)


def translated(text: str) -> str:
    """Of click and of `ledger.edges.program`, which speak English."""
    language = reader()
    return text if language == DEFAULT else named("program", text, language)


def counted(one: str, many: str, number: int) -> str:
    return translated(one if number == 1 else many)
