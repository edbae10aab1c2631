"""What is wrong with a command is told in the language of who gave it: by us, and by click."""

import ast
import inspect
from collections.abc import Iterator
from types import ModuleType

import click
import click.exceptions
import click.formatting
import click.parser
import click.types
import pytest
from click.testing import CliRunner

from ledger.edges import program
from ledger.entrypoints.cli import cli
from ledger.words.entries import NAMES, entry

NEVER_SAID = {
    "Missing {param_type}", "Missing parameter: {param_name}", "unknown error", "Choice({choices})",
    "{value!r} is not a valid boolean. Recognized values: {states}", "{value!r} is not a valid UUID.",
    "{name} {filename!r} is not executable.", "{len_type} values are required, but {len_value} was given.",
    "{len_type} values are required, but {len_value} were given.", "Invalid start character for option ({option})",
    "Argument {name!r} takes {nargs} values."}
"""Texts of click for parameters of kinds that no command of ours has."""


def _looked_up(module: ModuleType) -> Iterator[str]:
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("_", "ngettext"):
            yield from (one.value for one in node.args[:2] if isinstance(one, ast.Constant)
                        and isinstance(one.value, str))


@pytest.mark.parametrize("module", [click.exceptions, click.types, click.parser, click.formatting, program],
                         ids=lambda one: one.__name__)
def test_every_text_that_a_program_looks_up_has_words(module: ModuleType) -> None:
    """A newer click may say something else."""
    known = entry(NAMES + "program", "it")
    assert {one for one in _looked_up(module) if one not in known} - NEVER_SAID == set()


def _said(*words: str, language: str | None = None, locale: str = "C") -> str:
    given = ["--lang", language, *words] if language else [*words]
    settings = {"LC_ALL": locale, "CAREER_LEDGER_LANG": None, "CAREER_LEDGER_DB": "sqlite:////nowhere/x.db"}
    ran = CliRunner().invoke(cli, given, env=settings, prog_name="career-ledger")
    assert ran.exit_code in (2, 3)
    return ran.stderr


WRONG = {
    ("statsu", "S01"): ("No such command 'statsu'.", "Il comando 'statsu' non esiste."),
    ("status",): ("Missing argument 'STUDENT'.", "Manca l'argomento 'STUDENT'."),
    ("status", "S01", "--onn", "x"): ("No such option '--onn'.", "L'opzione '--onn' non esiste."),
    ("status", "S01", "--on"): ("Option '--on' requires an argument.", "L'opzione '--on' vuole un valore."),
    ("status", "S01", "--on", "domani"): (
        "Invalid value for '--on': 'domani' is no day: write it as YYYY-MM-DD",
        "Valore non valido per '--on': 'domani' non è un giorno: scriverlo nella forma AAAA-MM-GG"),
    ("status", "S01", "--known-position", "x"): ("'x' is not a valid integer range.",
                                                 "'x' non è un numero valido (integer range)."),
    ("append", "/no/such/file"): ("File '/no/such/file' does not exist.", "File '/no/such/file': non esiste."),
    ("append", "-", "--mode", "x"): ("'x' is not one of 'enforce', 'record'.", "'x' non è tra 'enforce', 'record'."),
    ("status", "S01"): ("there is no ledger at /nowhere/x.db yet", "in /nowhere/x.db non c'è ancora un registro"),
    ("rules", "cite", "BLK-11"): ("did you mean BLK-1 or", "si intendeva BLK-1 o"),
}


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_wrong_command_is_told_in_the_language_that_was_asked_for(words: tuple[str, ...]) -> None:
    english, italian = WRONG[words]
    assert english in _said(*words)
    assert italian in _said(*words, language="it")
    assert italian in _said(*words, locale="it_IT.UTF-8")
    assert english in _said(*words, language="en", locale="it_IT.UTF-8")


def test_usage_and_the_way_to_help_are_told_in_the_language_that_was_asked_for() -> None:
    assert _said("status", language="it").splitlines()[:3] == [
        "Uso: career-ledger status [OPZIONI] STUDENT", "Per l'aiuto: 'career-ledger status --help'.", ""]


