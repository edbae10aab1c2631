"""Whatever lists the languages by itself lists those that have words."""

import click
import pytest

from consumers.notifications import letter
from consumers.notifications.agenda import KINDS
from ledger.entrypoints.cli import cli
from ledger.words import LANGUAGES, Language
from ledger.words.reader import locale_language


def test_option_offers_every_language_that_has_words() -> None:
    [option] = [one for one in cli.params if one.name == "lang"]
    assert isinstance(option.type, click.Choice)
    assert set(option.type.choices) == set(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_locale_gives_its_language_when_there_are_words_in_it(language: Language,
                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    for locale, found in ((f"{language}_XX.UTF-8", language), ("xx_XX.UTF-8", "en"), ("C", "en")):
        monkeypatch.setenv("LC_ALL", locale)
        assert locale_language() == found


@pytest.mark.parametrize("language", LANGUAGES)
def test_letters_are_written_in_every_language(language: Language) -> None:
    assert set(letter.LANGUAGES) == set(LANGUAGES)
    assert set(letter._environment().list_templates()) >= {
        f"{language}/{kind}.txt" for kind in (*KINDS, "letter", "words")}
