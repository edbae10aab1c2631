"""`--help` of every program is told in the language of who asks."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from consumers.archive.__main__ import archive
from consumers.booking_gate.__main__ import main as booking_gate
from consumers.notifications.__main__ import notifications
from consumers.treasury.__main__ import treasury
from ledger.entrypoints.cli import cli
from ledger.words.entries import help_texts
from ledger.words.help import paragraphs, texts

PROGRAMS: tuple[click.Command, ...] = (cli, archive, booking_gate, notifications, treasury)
ALIKE = {"N", "NN", "S", "I/N", "SHA256", "FILE", "FILE.svg", "URL", "EURO", "CHECKPOINT"}
"""What stands for a value and is called so in Italian too."""


def _commands(command: click.Command, above: click.Context | None = None) -> Iterator[tuple[click.Command,
                                                                                          click.Context]]:
    context = command.context_class(command, info_name=command.name, parent=above)
    yield command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from _commands(found, context)


def _told() -> set[str]:
    """All that help tells, in the English of the code."""
    return {part for program in PROGRAMS for command, context in _commands(program)
            for one in (command, *command.get_params(context)) for text in texts(one).values()
            for part in paragraphs(text)}


def _asked(*words: str, language: str | None = None) -> str:
    ran = CliRunner().invoke(cli, [*words], env={"LC_ALL": "C", "CAREER_LEDGER_LANG": language},
                             prog_name="career-ledger")
    return ran.output


def test_every_text_of_help_has_italian_words_and_no_words_are_left_over() -> None:
    told, known = _told(), help_texts("it")
    assert len(told) > 200
    assert sorted(told - known.keys() - ALIKE) == []
    assert sorted(known.keys() - told) == []


def test_every_command_tells_what_it_does_and_no_argument_has_a_text_of_its_own() -> None:
    for command, context in (one for program in PROGRAMS for one in _commands(program)):
        assert command.help, context.command_path
        assert not any(one.help for one in command.params if isinstance(one, click.Argument)), context.command_path
        assert command.epilog is None, context.command_path
        assert not command.deprecated, context.command_path


def test_the_services_speak_italian_too() -> None:
    env = {"LC_ALL": "it_IT.UTF-8", "CAREER_LEDGER_LANG": None}
    told = CliRunner().invoke(treasury, ["run", "--help"], env=env, prog_name="treasury").output
    assert told.startswith("Uso: treasury run [OPZIONI]\n\n  Segue il registro e gli invia le notifiche di pagamento")
    wrong = CliRunner().invoke(treasury, ["debts"], env=env, prog_name="treasury").output
    assert wrong.startswith("Uso: treasury debts [OPZIONI]")
    assert "\nErrore: Manca" in wrong


def test_help_is_in_the_language_that_is_asked_for() -> None:
    english = _asked("--lang", "en", "fees", "--help")
    assert english.startswith("Usage: career-ledger fees [OPTIONS] STUDENT\n\n  Every charge of STUDENT")
    italian = _asked("--lang", "it", "fees", "--help")
    assert italian.startswith("Uso: career-ledger fees [OPZIONI] STUDENT\n\n  Ogni importo di STUDENT")
    assert "\n  Esempi:\n    career-ledger fees S01\n    career-ledger fees S01 --on 2026-02-18 --json\n" in italian
    assert "\nOpzioni:\n" in italian
    assert "  --on DATA " in italian
    assert "Mostra questo messaggio e termina." in italian
    assert _asked("--lang", "en", "fees", "--help") == english


@pytest.mark.parametrize("words", [("--help",), ()])
def test_help_of_the_whole_program_is_in_the_language_of_the_environment(words: tuple[str, ...]) -> None:
    italian = _asked(*words, language="it")
    assert italian.startswith("Uso: career-ledger [OPZIONI] COMANDO [ARGOMENTI]...\n\n  Il registro delle carriere")
    assert "\nComandi:\n" in italian
    assert "\n  fees         Importi: pagati" in italian
    assert _asked(*words, language="en").startswith("Usage: career-ledger [OPTIONS] COMMAND [ARGS]...\n")


def test_what_click_adds_to_an_option_is_told_in_italian() -> None:
    assert "[obbligatorio]" in _asked("--lang", "it", "eligibility", "--help")
    assert "[variabile d'ambiente: CAREER_LEDGER_LOG; predefinito: text]" in " ".join(
        _asked("--lang", "it", "publish", "--help").split())
