"""The command line: `career-ledger [--db URL] COMMAND ... [--json]` (section 7 of the published language).

Exit codes: 0 all done; 1 a line was refused or invalid, or the audit or a doctor found something; 2 wrong usage; 3 not
found; 4 others kept writing to the same students; 5 verification failed; 6 the database is unavailable or cannot be
used, or students were set aside; and those of every program (`ledger.edges.program`): 70, 74, 130, 141. What a command
needs is imported inside it, so that a question starts fast.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from keyword import iskeyword
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ledger.edges.program import UNAVAILABLE, USAGE, Program
from ledger.words.help import translate
from ledger.words.reader import read_by, reader

from .errors import in_words
from .options import CONFLICT, DIFFERENT, NOT_FOUND, PROGRAM, Settings

if TYPE_CHECKING:
    from ledger.words import Language

PLACES = {
    "append": "record",
    "check": "proofs", "checkpoint": "proofs", "prove": "proofs", "verify": "proofs",
    "audit": "audit", "eligibility": "student", "fees": "student", "history": "student", "picture": "student",
    "status": "student",
    "what-if": "student",
    "rules": "law", "serve": "serve",
    "find": "everybody", "project": "everybody", "projection": "everybody", "report": "everybody",
    "config": "config", "doctor": "config",
    "access": "person", "lookup": "person", "person": "person",
    "digests": "kafka", "intake": "kafka", "publish": "kafka",
    "disclose": "rights", "forget": "rights",
    "eservices": "eservices",
    "export": "moving", "import": "moving",
    "generate": "generate", "keys": "keys", "restore": "restore", "upgrade": "upgrade",
}
"""The module of each command, which is imported when one of them is named or all are listed."""


class Commands(Program):
    """The group of all commands."""

    title = PROGRAM
    def invoke(self, ctx: click.Context) -> Any:
        read_by(ctx)
        return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *PLACES})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in PLACES:
            return super().get_command(ctx, cmd_name)
        called = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name.replace("-", "_")
        found: click.Command = getattr(import_module(f".{PLACES[cmd_name]}", __package__), called)
        return found

    def explained(self, error: Exception) -> tuple[Sequence[str], int] | None:
        from ledger.domain.knowledge import NotFound

        if isinstance(error, NotFound):
            return [in_words(error.told)], NOT_FOUND
        from ledger.rulebooks.loader import RuleBookError

        if isinstance(error, RuleBookError):
            return error.told(reader()), USAGE
        from ledger.store import StoreUnavailable, StoreUnusable, VersionConflict

        if isinstance(error, VersionConflict | StoreUnavailable | StoreUnusable):
            told = getattr(error, "told", None)
            text = " ".join(str(error).split()) if told is None else in_words(told)
            return [text], CONFLICT if isinstance(error, VersionConflict) else UNAVAILABLE
        if "ledger.parallel" in sys.modules:
            from ledger.parallel import EngineFailed

            if isinstance(error, EngineFailed):
                return [in_words(error.told)], UNAVAILABLE
        if "ledger.proofs.reading" in sys.modules:
            from ledger.proofs.reading import WrongProof

            if isinstance(error, WrongProof):
                return [str(error)], DIFFERENT
        if "ledger.wire.kafka" in sys.modules:
            from .kafka import explained

            if (said := explained(error)) is not None:
                return [said], UNAVAILABLE
        return super().explained(error)


translate()  # before click asks gettext, for which it would load a locale, what its own options are called


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name=PROGRAM, prog_name=PROGRAM, message="%(prog)s, version %(version)s",
                      help="Show the version and exit.")
@click.option("--db", metavar="URL", envvar="CAREER_LEDGER_DB",
              help="sqlite:///PATH or postgresql://USER@HOST/NAME. Default: $CAREER_LEDGER_DB, "
                   "else a file in the user's data folder.")
@click.option("--rulebooks", metavar="FOLDER", envvar="CAREER_LEDGER_RULEBOOKS",
              type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="An institution's own rule books and interpretations. Default: $CAREER_LEDGER_RULEBOOKS, "
                   "else the packaged ones.")
@click.option("--keys", metavar="URL", envvar="CAREER_LEDGER_KEYS",
              help="The key store, apart from the ledger: sqlite:///PATH or postgresql://USER@HOST/NAME. "
                   "Default: $CAREER_LEDGER_KEYS, else none: nothing is sealed.")
@click.option("--lang", type=click.Choice(["it", "en"]), envvar="CAREER_LEDGER_LANG", is_eager=True,
              help="The language of answers. Default: $CAREER_LEDGER_LANG, else the locale's (JSON: English).")
@click.pass_context
def cli(ctx: click.Context, db: str | None, rulebooks: Path | None, keys: str | None, lang: "Language | None") -> None:
    """The ledger of university careers: records what happened and explains, for any day, what follows from it.

    \b
    Examples:
      career-ledger append events.jsonl
      career-ledger status S01 --on 2026-03-20
      career-ledger fees S01
      career-ledger rules cite BLK-1

    Exit codes: 0 done; 1 a line was refused or invalid, or the audit or a doctor found something; 2 wrong usage;
    3 not found; 4 others kept writing to the same students; 5 verification failed; 6 the database is unavailable, or
    students were set aside; 70 a fault of this program; 74 the output cannot be written; 130 interrupted; 141 nobody
    reads the output.
    """
    ctx.obj = Settings(db, rulebooks, lang, keys or None)
    for name, url in (("db", db), ("keys", keys)):
        if url and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            from ledger.edges.address import forget_argument

            forget_argument(url)


@cli.command(short_help="Print the completion script of your shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes commands and options in SHELL.

    \b
    Examples:
      career-ledger completion bash > ~/.local/share/bash-completion/completions/career-ledger
      career-ledger completion fish > ~/.config/fish/completions/career-ledger.fish
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is not None:
        click.echo(found(cli, {}, PROGRAM, "_CAREER_LEDGER_COMPLETE").source())  # our own lines


def main() -> None:
    cli(prog_name=PROGRAM)
