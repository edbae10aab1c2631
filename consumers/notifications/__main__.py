"""`python -m consumers.notifications run | status | directory import | payments import | outbox list | outbox retry`.

Exit codes: 0 done; 1 the file, or a line of it, cannot be used; 2 wrong usage; 5 and 6 as of every service.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from email.utils import parseaddr
from pathlib import Path
from typing import BinaryIO, TextIO

import click

from consumers.database import Transaction
from consumers.kit import command
from consumers.kit.tables import migrations
from ledger.edges.post import MailServer, Post, is_address
from ledger.edges.program import say, tell_json
from ledger.rulebooks.institution import institution
from ledger.rulebooks.loader import RuleBookError

from . import directory as addresses
from . import outbox as box
from . import payments
from .agenda import LEAD_DAYS
from .letter import From
from .service import Notifications

PROBLEM = 1
USER, PASSWORD = "CAREER_LEDGER_SMTP_USER", "CAREER_LEDGER_SMTP_PASSWORD"


@click.group(cls=command.Consumer, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def notifications() -> None:
    """E-mails about tickets, blocks, instalments and renunciations, each sent once."""


def _address(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not is_address(parseaddr(value)[1]):
        raise click.BadParameter("write an address such as no-reply@example.org or Office <no-reply@example.org>")
    return value


def _host(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, int]:
    found = re.fullmatch(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})", value)
    if found is None or not 0 < int(found[2]) < 65536:
        raise click.BadParameter(f"write HOST:PORT, such as mail.example.org:587; {USER} and {PASSWORD} are the login")
    return found[1].strip("[]"), int(found[2])


@notifications.command()
@command.run_options
@click.option("--smtp", required=True, envvar="CAREER_LEDGER_SMTP", metavar="HOST:PORT", show_envvar=True,
              callback=_host,
              help=f"The mail server. {USER} and {PASSWORD} in the environment are its login, if it asks for one.")
@click.option("--starttls", is_flag=True, help="Encrypts the connection and checks the server's certificate.")
@click.option("--sender", required=True, envvar="CAREER_LEDGER_MAIL_SENDER", metavar="ADDRESS", show_envvar=True,
              callback=_address, help="Whom the e-mails come from.")
@click.option("--reply-to", envvar="CAREER_LEDGER_MAIL_REPLY_TO", metavar="ADDRESS", show_envvar=True,
              callback=_address, help="Who reads what is answered. Without it the e-mails ask not to be answered.")
@click.option("--rulebooks", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="FOLDER",
              envvar="CAREER_LEDGER_RULEBOOKS", show_envvar=True,
              help="The institution's own rule books: its institution.yaml names it in the e-mails.")
@click.option("--lead-days", type=click.IntRange(1, 60), default=LEAD_DAYS, show_default=True,
              help="So many days before it begins a block is told.")
@click.option("--start-day", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE",
              help="Nothing from before this day is told. Counts at the first start; default: "
                   "the day of the first start.")
def run(running: command.Running, smtp: tuple[str, int], starttls: bool, sender: str, reply_to: str | None,
        rulebooks: Path | None, lead_days: int, start_day: datetime | None) -> None:
    """Follows the ledger and sends e-mails until it is stopped."""
    user = os.environ.get(USER) or None
    if user and not starttls:
        raise click.UsageError(f"{USER} is set: a password is sent over an encrypted connection only, add --starttls")
    try:
        university = institution(rulebooks)
    except RuleBookError as error:
        raise click.UsageError(str(error)) from None
    post = Post(MailServer(*smtp, starttls, user, os.environ.get(PASSWORD)))
    service = Notifications(post, From(sender, reply_to, university), lead_days,
                            start_day.date() if start_day is not None else None)
    command.run(service, running)


notifications.add_command(command.status_command(Notifications))


@notifications.group()
def directory() -> None:
    """Whom notices go to."""


@directory.command("import")
@command.db
@click.argument("file", type=click.File(encoding="utf-8-sig"))
def import_file(url: str, file: TextIO) -> None:
    """Takes addresses from a CSV file: student,email,language (it, en, or nothing for both).

    A line that cannot be used is said and left out. Students that are not in the file keep their address; an empty
    email removes one.
    """
    wrong: list[addresses.DirectoryInvalid] = []

    def usable() -> Iterator[addresses.Contact]:
        for one in addresses.read(file):
            if isinstance(one, addresses.DirectoryInvalid):
                wrong.append(one)
            else:
                yield one

    try:
        with _opened(url) as tx:
            done = addresses.take(tx, usable())
    except (addresses.DirectoryInvalid, UnicodeDecodeError) as error:
        say(f"{error}" if isinstance(error, addresses.DirectoryInvalid) else "the file is not UTF-8")
        raise SystemExit(PROBLEM) from None
    for one in wrong:
        say(str(one))
    tell_json(done._asdict() | {"wrong": len(wrong)})
    raise SystemExit(PROBLEM if wrong else 0)


@notifications.group("payments")
def payments_group() -> None:
    """By which notice numbers charges can be paid."""


@payments_group.command("import")
@command.db
@click.argument("file", type=click.File("rb"))
def import_payments(url: str, file: BinaryIO) -> None:
    """Takes what `python -m consumers.treasury export` printed (- for standard input) in place of what was known. All
    of it or nothing."""
    try:
        with _opened(url) as tx:
            count = payments.take(tx, payments.read(file))
    except payments.PaymentsInvalid as error:
        say(str(error))
        raise SystemExit(PROBLEM) from None
    tell_json({"positions": count})


@notifications.group()
def outbox() -> None:
    """What was told and what waits."""


@outbox.command("list")
@command.db
@click.option("--state", type=click.Choice([box.WAITING, box.SENT, box.REFUSED, box.DROPPED]),
              help="Default: what is not sent: waiting and refused.")
def list_notices(url: str, state: str | None) -> None:
    """Lists notices as JSON lines, without addresses; `why` says what they wait for."""
    with _opened(url) as tx:
        for one in box.listed(tx, state):
            tell_json(one)


@outbox.command()
@command.db
@click.argument("students", nargs=-1)
def retry(url: str, students: tuple[str, ...]) -> None:
    """Tries addresses and texts again that were refused for good, of these students or of all."""
    with _opened(url) as tx:
        found = addresses.allow(tx, students or None)
    tell_json({"students": len(found)})


@contextmanager
def _opened(url: str) -> Iterator[Transaction]:
    """One transaction on the service's tables, made where they are not there yet. Raises DatabaseAway."""
    with command.database_at(url) as database:
        database.migrate(migrations(Notifications))
        with database.transaction() as tx:
            yield tx


if __name__ == "__main__":
    notifications(prog_name="python -m consumers.notifications")
