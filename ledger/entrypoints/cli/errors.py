"""What is wrong with a command, in the language of who reads it: our own errors, and those of click, which looks its
texts up with gettext."""

import gettext
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from ledger.domain.phrases import Phrase
from ledger.edges import program

if TYPE_CHECKING:
    from ledger.words import Language


def bad_value(told: Phrase, **more: Any) -> click.BadParameter:
    """A value of an option or an argument that cannot be taken."""
    return click.BadParameter(in_words(told), **more)


def misused(told: Phrase) -> click.UsageError:
    """Options that do not go together."""
    return click.UsageError(in_words(told))


def in_words(told: Phrase) -> str:
    from ledger.words import sentence

    return sentence(told, reader())


_last: "Language | None" = None
"""Of who gave the command that runs: for what fails when click has left it."""


def read_by(context: click.Context) -> None:
    global _last
    _last = _asked(context)


def reader() -> "Language":
    """The language of who reads errors: that of `--lang`, also while the command is still being read, else the
    locale's."""
    context = click.get_current_context(silent=True)
    return (_last if context is None else _asked(context)) or locale_language()


def _asked(context: click.Context) -> "Language | None":
    root = context.find_root()
    found: Language | None = root.params.get("lang")
    return found if "lang" in root.params else _of_environment()


def _of_environment() -> "Language | None":
    """For help that is asked for before `--lang` is read: click reads what the environment says last."""
    from ledger.words import LANGUAGES

    given = os.environ.get("CAREER_LEDGER_LANG", "")
    return next((one for one in LANGUAGES if one == given), None)


def locale_language() -> "Language":
    """That of the first of the locale's variables that is set, where there are words in it, else English."""
    from ledger.words import DEFAULT, LANGUAGES

    given = next((value for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := os.environ.get(name))), "")
    return next((one for one in LANGUAGES if given.lower().startswith(one)), DEFAULT)


def _translated(text: str) -> str:
    from ledger.words.entries import DEFAULT, named

    language = reader()
    return text if language == DEFAULT else named("program", text, language)


def _counted(one: str, many: str, number: int) -> str:
    return _translated(one if number == 1 else many)


def translate() -> None:
    """Has click and `ledger.edges.program` speak the language of who reads. gettext itself would want compiled files
    and the language of the whole process."""
    for module in (*(found for name, found in sys.modules.items() if name.startswith("click.")), program):
        held = vars(module)
        held.update({name: ours for name, theirs, ours in (("_", gettext.gettext, _translated),
                                                           ("ngettext", gettext.ngettext, _counted))
                     if held.get(name) is theirs})
