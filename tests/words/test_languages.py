"""Whatever lists the languages by itself lists those that have words."""

import click

from ledger.entrypoints.cli import cli
from ledger.words import LANGUAGES


def test_option_offers_every_language_that_has_words() -> None:
    [option] = [one for one in cli.params if one.name == "lang"]
    assert isinstance(option.type, click.Choice)
    assert set(option.type.choices) == set(LANGUAGES)
