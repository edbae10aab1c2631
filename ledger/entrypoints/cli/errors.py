"""What is wrong with a command, in the language of who reads it."""

from typing import Any

import click

from ledger.domain.phrases import Phrase
from ledger.words.reader import reader


def bad_value(told: Phrase, **more: Any) -> click.BadParameter:
    """A value of an option or an argument that cannot be taken."""
    return click.BadParameter(in_words(told), **more)


def misused(told: Phrase) -> click.UsageError:
    """Options that do not go together."""
    return click.UsageError(in_words(told))


def in_words(told: Phrase) -> str:
    from ledger.words import sentence

    return sentence(told, reader())
