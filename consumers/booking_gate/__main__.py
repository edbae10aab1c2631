"""`python -m consumers.booking_gate run`: follows the state topic and answers questions, in one process. Several may share a database."""

import socket
from pathlib import Path

import click

from consumers.command import database_at, run, run_options, status_command
from ledger.rulebooks.loader import RuleBookError, load_books

from .answers import Gate
from .http import Server, application
from .service import NAME, BookingGate


@click.group()
def main() -> None:
    """May this career book this exam on this day?"""


@main.command("run")
@run_options
@click.option("--listen", default="127.0.0.1:8090", show_default=True, metavar="HOST:PORT", help="Where questions arrive over HTTP.")
@click.option("--max-age", type=click.FloatRange(min=1), default=60.0, show_default=True, metavar="SECONDS",
              help="Refuse to answer when what is known is older.")
@click.option("--rulebooks", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="FOLDER",
              envvar="CAREER_LEDGER_RULEBOOKS", show_envvar=True, help="The institution's own rule books: the ledger's.")
def start(url: str, brokers: str, metrics_port: int | None, from_oldest: bool, listen: str, max_age: float, rulebooks: Path | None) -> None:
    """Keeps every career's state and answers POST /v1/booking."""
    try:
        books = load_books(rulebooks)
    except RuleBookError as error:
        raise click.UsageError(str(error)) from None
    service = BookingGate()
    with database_at(url) as database, Server(application(Gate(database, books, max_age), service.started), bound_to(listen)):
        run(service, url, brokers, metrics_port, from_oldest)


def bound_to(listen: str) -> socket.socket:
    """Answers on it leave at once: with Nagle's algorithm, which asyncio leaves on here, each takes 40 ms. Raises click.UsageError."""
    host, _, port = listen.rpartition(":")
    try:
        bound = socket.create_server((host.strip("[]"), int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return bound
    except (OSError, ValueError, OverflowError) as error:
        raise click.UsageError(f"--listen {listen}: {error}; write HOST:PORT of an address of this machine") from None


main.add_command(status_command(NAME))

if __name__ == "__main__":
    main()
