"""What a person has a right to: `forget` destroys the keys to what names her and has what is held elsewhere deleted,
`disclose` hands over everything that is held."""

from datetime import date
from pathlib import Path

import click

from ledger.domain.phrases import says
from ledger.edges.program import tell_json

from .errors import bad_value
from .options import (
    FOUND,
    actor_option,
    authorities_option,
    json_option,
    on_option,
    opened,
    page,
    purpose_option,
    read_for,
    read_reason,
    spoken,
)


@click.command(short_help="Destroy the keys to what names a student, and have the services delete it, for good.")
@click.argument("student")
@authorities_option
@click.option("--reason", required=True, callback=read_reason, metavar="FILE",
              type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="Why, as text: no order without one. A key store keeps it sealed; without one it is not kept.")
@click.option("--even-if-open", "anyway", is_flag=True, help="Also while a career is open or money is owed.")
@json_option
def forget(student: str, authorities: tuple[str, ...], reason: str, anyway: bool, json_: bool) -> None:
    """Forget STUDENT: her keys and what she is found by are destroyed, the services delete what they hold of her, and
    her states leave the topics, for good.

    What her events hold in the clear, because there was no key store when they were recorded, stays in the log. Her
    career stays under the pseudonym, because the university must keep it. It cannot be undone; given again, it finishes
    what was left. Exit code 1 where a career is open or money is owed.

    \b
    Example:
      career-ledger forget S01 --authority "Rector" --authority "Data protection officer" --reason request.txt
    """
    with opened() as ledger:
        answer = ledger.forget(student, authorities, reason, anyway)
    tell_json(spoken(answer)) if json_ else page().forgotten(spoken(answer))
    if answer["outcome"] == "refused":
        raise click.exceptions.Exit(FOUND)


@click.command(short_help="Everything held about a student, to hand over.")
@click.argument("student")
@purpose_option(required=True)
@actor_option
@click.option("--to", "folder", required=True, type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
              help="A folder that is made, or is empty; only you can read it.")
@on_option
def disclose(student: str, purpose: str, actor: str | None, folder: Path, on: date | None) -> None:
    """Write everything held about STUDENT into FOLDER: disclosure.json for programs, and a page for her in Italian and
    in English.

    \b
    Example:
      career-ledger disclose S01 --purpose "request of 3 March 2026" --to S01-disclosure
    """
    from ledger.entrypoints.disclosure import WrongFolder, prepare, write

    try:
        prepare(folder)
        with opened() as ledger:
            answer = ledger.disclosure(student, read_for(purpose, actor), on)
        write(folder, answer)
    except WrongFolder as error:
        raise bad_value(error.told, param_hint="--to") from None
    page().tell(says("disclosure/written", text=str(folder)))
