"""`career-ledger serve`: the answers over HTTP, in one process."""

import signal
import threading
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ledger.domain.knowledge import NotFound
from ledger.domain.phrases import says
from ledger.edges.door import Door, bound_to, door_options, issuer_options
from ledger.edges.log import Note, log_format_option
from ledger.edges.memory import spare_the_collector
from ledger.edges.post import Mails, mail_options
from ledger.edges.program import OutputLost, tell

from .errors import misused
from .options import opened, reference_option, say, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor

    from ledger.bootstrap import Ledger
    from ledger.edges.door import IssuerAt
    from ledger.entrypoints.http.eservices import EServices

LISTEN = "127.0.0.1:8080"


@click.command(short_help="Answer over HTTP: questions, submissions, a feed of events.")
@click.option("--listen", default=LISTEN, show_default=True, metavar="HOST:PORT",
              help="Where it answers (port 0: a free one). Another address than this machine's needs an issuer and "
                   "encryption.")
@click.option("--eservices", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              envvar="CAREER_LEDGER_ESERVICES", metavar="FILE",
              help="Answers the national e-services too, to the platform that this file names; needs --reference and "
                   "--keys.")
@click.option("--services", "followers", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              envvar="CAREER_LEDGER_SERVICES", metavar="FILE",
              help="A file that says where each service keeps what it could not take; /subscribers shows it.")
@reference_option()
@door_options
@issuer_options(people=True)
@mail_options(needed=False)
@log_format_option
def serve(listen: str, door: Door, issuer: "IssuerAt | None", eservices: Path | None,
          reference: Path | None, mails: Mails | None, followers: Path | None) -> None:
    """Answer over HTTP under /v1 until SIGTERM: the same answers as the command line's --json.

    Whoever asks must send `Authorization: Bearer TOKEN`. Without --http-token-file a new token is made and printed
    once, on standard output, below the address. A one-time code for signing in with a browser is printed there too.
    The ledger is made where there is none.

    \b
    Examples:
      career-ledger serve
      career-ledger serve --listen 127.0.0.1:0 --http-token-file token
    """
    try:
        from ledger.edges.figures import ShownWatch
        from ledger.edges.web import Server
        from ledger.entrypoints.http.api import LONGEST, Api
        from ledger.entrypoints.http.console.console import Console
        from ledger.entrypoints.http.who import TABLE, Entrance
    except ModuleNotFoundError as error:
        raise misused(says("cli/serve", text=error.name or "")) from None
    door = replace(door, issuer=issuer)
    place = bound_to(listen, door, "--listen", people=True)
    if issuer is not None and issuer.client and issuer.public is None and not place.is_here_only:
        raise misused(says("cli/public-url"))
    if door.token is None and issuer is None:  # this machine alone asks
        place = place._replace(door=replace(door, token=_token()))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with (_ledger() as ledger, Api(ledger, ShownWatch("serve"), settings().rulebooks) as api, ExitStack() as stack):
        site = f"http{'s' if door.tls else ''}://{place.address}"
        tell(f"{site}/v1")
        if door.token is None and place.door.token is not None:
            tell(f"Authorization: Bearer {place.door.token.decode()}")
        more = stack.enter_context(_eservices(ledger, api.keeper, eservices, reference))
        stack.enter_context(_mailed(ledger, mails, (issuer.public if issuer is not None else None) or site))
        api.tickets.mails = mails is not None
        entrance = Entrance(place, {**TABLE, **(more.table if more else {})}, _shower(f"{site}/login"),
                            trail=api.trail)
        console = Console(api, _followers(followers))
        routes = {**api.routes, **entrance.routes, **console.routes, **(more.routes if more else {})}
        stack.enter_context(Server(routes, place, LONGEST, entrance))
        spare_the_collector()
        say(Note("serve/started", "answers on port {port}", port=place.port))
        stop.wait()
        api.leave()
    say(Note("serve/ended", "ended"))


@contextmanager
def _mailed(ledger: "Ledger", mails: Mails | None, site: str) -> "Iterator[None]":
    """The ticket desk's mails are sent meanwhile, in a thread with links of its own; none where no server is named, or
    nothing is sealed."""
    if mails is None or not ledger.seals:
        yield
        return
    from ledger.helpdesk.mailing import Letterhead
    from ledger.rulebooks.institution import institution

    head = Letterhead(mails, institution(settings().rulebooks), site)
    with _meanwhile("mails", lambda own, stop: own.send_tickets(head, stop)):
        yield


@contextmanager
def _meanwhile(name: str, act: "Callable[[Ledger, threading.Event], None]") -> "Iterator[None]":
    """Done until it is told to stop, in a thread with links of its own."""
    stop = threading.Event()

    def run(own: "Ledger") -> None:
        with own:
            act(own, stop)

    with opened() as own:
        thread = threading.Thread(target=run, args=(own,), name=name, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(10)


def _followers(file: Path | None) -> dict[str, str]:
    from ledger.entrypoints.http.console.services import read

    try:
        return read(file) if file is not None else {}
    except (OSError, ValueError) as error:
        raise misused(says("cli/services", field=str(file), text=str(error))) from None


def _shower(page: str) -> "Callable[[str], None]":
    """Where nobody reads standard output any more, nobody signs in like this."""
    from ledger.words import sentence
    from ledger.words.reader import reader

    language = reader()

    def show(once: str) -> None:
        with suppress(OutputLost):
            tell(sentence(says("cli/sign-in", first=page, second=once), language))

    return show


@contextmanager
def _eservices(ledger: "Ledger", keeper: "Executor", file: Path | None,
               reference: Path | None) -> "Iterator[EServices | None]":
    """None where no file names a platform. Fingerprints are kept up to date meanwhile, in a thread with links of its
    own."""
    if file is None:
        yield None
        return
    if reference is None or not ledger.seals:
        raise misused(says("cli/eservices-need"))
    from ledger.bootstrap import clock
    from ledger.entrypoints.http.eservices import EServices
    from ledger.entrypoints.http.vouchers import VoucherGate

    services = keeper.submit(ledger.eservices, reference).result()
    with _meanwhile("fingerprints", lambda own, stop: own.follow_fingerprints(reference, stop)):
        yield EServices(ledger, VoucherGate(file, clock), services, keeper)


@contextmanager
def _ledger() -> "Iterator[Ledger]":
    """One that is there is opened as it is, since it may be for reading only."""
    from ledger.store import StoreUnusable

    try:
        with opened() as ledger:
            _ = ledger.log
    except (NotFound, StoreUnusable):  # what else is wrong than that there is none is said once more
        with opened(create=True) as ledger:
            _ = ledger.log
    with opened() as ledger:
        yield ledger


def _token() -> bytes:
    import secrets

    return secrets.token_urlsafe(32).encode()
