"""`python -m consumers.notifications run | status | directory import | payments import | outbox list | outbox retry`.

Exit codes: 0 done; 1 the file, or a line of it, cannot be used; 2 wrong usage; 5 and 6 as of every service.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, TextIO

import click

from consumers.database import Transaction
from consumers.kit import command
from consumers.kit.tables import migrations
from ledger.edges.post import Mails, Post, mail_options
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


@click.group(cls=command.Consumer, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def notifications() -> None:
    """E-mails about tickets, blocks, instalments and renunciations, each sent once."""


@notifications.command()
@command.run_options
@mail_options(needed=True)
@click.option("--rulebooks", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="FOLDER",
              envvar="CAREER_LEDGER_RULEBOOKS", show_envvar=True,
              help="The institution's own rule books: its institution.yaml names it in the e-mails.")
@click.option("--lead-days", type=click.IntRange(1, 60), default=LEAD_DAYS, show_default=True,
              help="So many days before it begins a block is told.")
@click.option("--start-day", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE",
              help="Nothing from before this day is told. Counts at the first start; default: "
                   "the day of the first start.")
def run(running: command.Running, mails: Mails, rulebooks: Path | None, lead_days: int,
        start_day: datetime | None) -> None:
    """Follows the ledger and sends e-mails until it is stopped."""
    try:
        university = institution(rulebooks)
    except RuleBookError as error:
        raise click.UsageError(str(error)) from None
    service = Notifications(Post(mails.server), From(mails.sender, mails.reply_to, university), lead_days,
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
