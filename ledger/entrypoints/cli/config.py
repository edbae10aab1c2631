"""`config show` and `doctor`: how this installation is set up, and whether it can work."""

import click
from click.core import ParameterSource

from ledger.edges.program import tell_json
from ledger.words.reader import locale_language

from .kafka import kafka_option
from .options import FOUND, json_option, page, settings, spoken


@click.group(short_help="The settings that hold now.")
def config() -> None:
    """The settings that hold now."""


@config.command(short_help="Every setting, its value, and where it comes from; secrets hidden.")
@json_option
def show(json_: bool) -> None:
    """Show every setting with its value and where it comes from: an option, the environment, or the default. No
    password, token or key is shown.

    \b
    Example:
      career-ledger --db postgresql://registrar@db.example.org/careers config show
    """
    from ledger.bootstrap import default_url
    from ledger.entrypoints.settings import shown

    root = click.get_current_context().find_root()
    given = {name: str(value) for name, value in root.params.items() if value is not None
             and root.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    found = [one._asdict() for one in shown(given, {"db": default_url(), "lang": locale_language()})]
    if json_:
        for one in found:
            tell_json(one)
    else:
        page().settings(found)


@click.command(short_help="Look the installation through, and say what to do; exit code 1 when something fails.")
@kafka_option
@json_option
def doctor(brokers: str | None, json_: bool) -> None:
    """Look through what this ledger needs: program, settings, locale, rule books, database, rights, clock, key for
    digests, projections, topics, proofs, key store, brokers. Nothing is changed. In PostgreSQL run it as a reader, or
    as the user whose rights are in doubt.

    Each line is ok, attention or failed, and says what to do. Exit code 1 where something has failed.

    \b
    Examples:
      career-ledger doctor
      career-ledger --keys sqlite:////keys/keys.db doctor --kafka localhost:9092 --json
    """
    from ledger.bootstrap import default_url
    from ledger.entrypoints.doctor import Installation, examine

    told = settings()
    failed = False
    for one in examine(Installation(told.db or default_url(), told.rulebooks, told.keys, brokers)):
        failed |= one.state == "failed"
        answer = spoken({"check": one.check, "state": one.state, "message": one.message})
        tell_json(answer) if json_ else page().checked(answer)
    if failed:
        raise click.exceptions.Exit(FOUND)
