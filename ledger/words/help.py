"""What click says, and `--help`, in the language of who reads it: the English of the code stands beside its translation
in `help.it.toml`, which is read for nothing else than help and the usage beside an error."""

import gettext
import inspect
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import click

from ledger.edges import program

from .entries import help_texts
from .reader import counted, reader, translated

_APART = r"\n\s*\n"
_AS_IT_IS = "\b\n"
"""Before a paragraph that is not wrapped: a heading and examples."""
_TEXTS = ("help", "short_help", "options_metavar", "subcommand_metavar")
_TEXTS_OF_OPTIONS = ("help", "metavar")


class Helped(click.Context):
    """The context of each command. What is shown of a command is English again once it was shown."""

    def get_help(self) -> str:
        with _in_words(self, _shown(self.command, self)):
            return super().get_help()

    def get_usage(self) -> str:
        with _in_words(self, [self.command]):
            return super().get_usage()


def translate() -> None:
    """Has click, `ledger.edges.program` and the help of every command speak the language of who reads. gettext itself
    would want compiled files and the language of the whole process."""
    click.Command.context_class = Helped
    for module in (*(found for name, found in sys.modules.items() if name.startswith("click.")), program):
        held = vars(module)
        held.update({name: ours for name, theirs, ours in (("_", gettext.gettext, translated),
                                                           ("ngettext", gettext.ngettext, counted))
                     if held.get(name) is theirs})


def paragraphs(text: str) -> Iterator[str]:
    """What is translated as one: each paragraph on one line, and of examples their heading."""
    for one in re.split(_APART, inspect.cleandoc(text)):
        yield one.split("\n")[1] if one.startswith(_AS_IT_IS) else " ".join(one.split())


def texts(one: click.Command | click.Parameter) -> dict[str, str]:
    """What is told of a command or an option, by the name of its attribute. Arguments keep the names that errors
    call them by."""
    names = _TEXTS if isinstance(one, click.Command) else _TEXTS_OF_OPTIONS if isinstance(one, click.Option) else ()
    return {name: text for name in names if isinstance(text := getattr(one, name, None), str)}


def _shown(command: click.Command, context: click.Context) -> list[click.Command | click.Parameter]:
    found: list[click.Command | click.Parameter] = [command, *command.get_params(context)]
    if isinstance(command, click.Group):
        found += [one for name in command.list_commands(context) if (one := command.get_command(context, name))]
    return found


@contextmanager
def _in_words(context: click.Context, shown: Sequence[click.Command | click.Parameter]) -> Iterator[None]:
    with context.scope(cleanup=False):
        words = help_texts(reader())
    kept = [(one, name, text) for one in shown for name, text in texts(one).items()] if words else []
    try:
        for one, name, text in kept:
            setattr(one, name, _told(text, words))
        yield
    finally:
        for one, name, text in kept:
            setattr(one, name, text)


def _told(text: str, words: Mapping[str, str]) -> str:
    return "\n\n".join(
        one.replace(said, words.get(said, said), 1) if one.startswith(_AS_IT_IS) else words.get(said, one)
        for one, said in zip(re.split(_APART, inspect.cleandoc(text)), paragraphs(text), strict=True))
