"""`restore accept`: an older copy of the ledger goes on in the place of the newer one that is lost."""

from pathlib import Path

import click

from ledger.domain.phrases import says
from ledger.edges.program import tell_json

from .errors import misused
from .kafka import kafka_option, needed
from .options import authorities_option, json_option, opened, page, read_reason, tell_reader


@click.group(short_help="After a backup was put back.")
def restore() -> None:
    """After a backup was put back in the place of the ledger: docs/restore.md."""


@restore.command(short_help="Go on from an older copy, as a new epoch.")
@authorities_option
@click.option("--reason", required=True, callback=read_reason, metavar="FILE",
              type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="Why, and what was done to find the newer copy, as text. It stays in the database.")
@kafka_option
@click.option("--topics-lost", is_flag=True, help="The topics are lost too: nobody can list what they held.")
@json_option
def accept(authorities: tuple[str, ...], reason: str, brokers: str | None, topics_lost: bool, json_: bool) -> None:
    """Let the older copy that stands in the place of the ledger go on, because the newer one is lost for good: what it
    held and the copy does not is gone, and a new epoch begins. Put the newer copy back instead wherever it can be had.

    Lists whose published events are gone: have them submitted again. Positions go on above all that were ever given.
    The log goes on under another name, NAME/epoch-2, and says so in an entry. Stop all programs before; only the owner
    of the tables may. Exit code 3 where nothing is known to be missing.

    \b
    Example:
      career-ledger restore accept --authority "Rector" --authority "Head of IT" --reason lost.txt --kafka HOST:9092
    """
    if topics_lost and brokers and click.get_current_context().get_parameter_source("brokers") is \
            click.core.ParameterSource.COMMANDLINE:
        raise misused(says("cli/topics-lost"))
    with opened() as ledger:
        answer = ledger.accept_restore(authorities, reason, None if topics_lost else brokers and needed(brokers),
                                       topics_lost)
    if json_:
        tell_json(answer)
        return
    page().restored(answer)
    if not answer["topics_read"]:
        tell_reader(says("restore/not-read"))
