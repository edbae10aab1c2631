"""`python -m consumers.booking_gate run`: follows the state topic and answers questions, in one process. Several may
share a database."""

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import click

from consumers.kit.command import Consumer, Running, database_at, run, run_options, status_command
from ledger.edges.callers import ASKERS
from ledger.edges.door import IssuerAt, bound_to, issuer_options
from ledger.edges.web import Guard, Server
from ledger.rulebooks.loader import RuleBookError, load_books

from . import openapi
from .answers import Gate
from .http import routes
from .service import BookingGate


@click.group(cls=Consumer, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def main() -> None:
    """May this career book this exam on this day?"""


@main.command("run")
@run_options
@issuer_options(people=False)
@click.option("--listen", default="127.0.0.1:8090", show_default=True, metavar="HOST:PORT",
              help="Where questions arrive over HTTP. Another address than this machine's needs a token and "
                   "encryption.")
@click.option("--max-age", type=click.FloatRange(min=1), default=60.0, show_default=True, metavar="SECONDS",
              help="Refuse to answer when what is known is older.")
@click.option("--rulebooks", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="FOLDER",
              envvar="CAREER_LEDGER_RULEBOOKS", show_envvar=True,
              help="The institution's own rule books: the ledger's.")
def start(running: Running, listen: str, max_age: float, rulebooks: Path | None, issuer: IssuerAt | None) -> None:
    """Keeps every career's state and answers POST /v1/booking."""
    try:
        books = load_books(rulebooks).known_at(datetime.now(timezone.utc))
    except RuleBookError as error:
        raise click.UsageError(str(error)) from None
    service = BookingGate()
    running = replace(running, door=replace(running.door, issuer=issuer))
    place = bound_to(listen, running.door, "--listen")
    with database_at(running.url) as database, Server(routes(Gate(database, books, max_age), service.started), place,
                                                    guard=Guard(place.door, frozenset({openapi.PATH}), ASKERS)):
        run(service, running)


main.add_command(status_command(BookingGate))

if __name__ == "__main__":
    main(prog_name="python -m consumers.booking_gate")
