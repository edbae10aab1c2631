"""`python -m consumers.treasury run | status | notices | resend | debts | export | reconcile`.

Exit codes: 0 done; 1 a notice was invalid, or differences exist; 2 wrong usage; 3 not found; 5 and 6 as of every
service.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

import click

from consumers.database import Database
from consumers.kit import command
from consumers.kit.tables import migrations
from ledger.edges.program import Printed, say, tell, tell_json

from . import reference
from .gpd import WrongFile, payable_on, payment_position, read_creditor
from .notices import LONGEST_NOTICE, PERIOD, Malformed, accept, period_on, read_notice
from .reconcile import Report, reconcile, sentence
from .service import Treasury

PROBLEM, NOT_FOUND = 1, 3


def _today() -> date:
    return datetime.now(ZoneInfo("Europe/Rome")).date()


on_option = click.option("--on", type=command.day, metavar="DATE",
                         help="The day that is asked about. Default: today in Italy.")


@click.group(cls=command.Consumer, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def treasury() -> None:
    """Debt positions, payment notices and the daily reconciliation."""


@treasury.command()
@command.run_options
@click.option("--segregation", default=reference.SEGREGATION, show_default=True, metavar="NN",
              help="The segregation code that PagoPA gave to this point of generation. Never change it later.")
def run(running: command.Running, segregation: str) -> None:
    """Follows the ledger, and sends payment notices to it, until it is stopped."""
    try:
        reference.iuv("", "", "", segregation=segregation)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--segregation") from None
    command.run(Treasury(running.brokers, segregation), running)


treasury.add_command(command.status_command(Treasury))


@treasury.command()
@command.db
@click.argument("file", type=click.File("rb"))
def notices(url: str, file: BinaryIO) -> None:
    """Takes payment notices, one JSON object a line: iuv, amount, paid_on, receipt.

    Prints the outcome of each line. A line that is reported again is a duplicate; `run` sends them to the ledger.
    """
    counted: Counter[str] = Counter()
    told, number = Printed(), 0
    with _opened(url) as database:
        while line := file.readline(LONGEST_NOTICE + 1):
            number += 1
            if line.strip():
                outcome = {"line": number, **_take(database, line)}
                counted[outcome["outcome"]] += 1
                told(partial(tell_json, outcome))
            while len(line) > LONGEST_NOTICE and not line.endswith(b"\n"):  # the rest is of the same notice
                line = file.readline(LONGEST_NOTICE + 1)
    told.ended("treasury", ", ".join(f"{number} {outcome}" for outcome, number in sorted(counted.items())) or "none")
    raise SystemExit(PROBLEM if counted["invalid"] else 0)


@treasury.command()
@command.db
def resend(url: str) -> None:
    """Has `run` send every submission again that has no outcome yet, such as after the loss of a topic. The ledger
    stores each once."""
    with _opened(url) as database, database.transaction() as tx:
        marked = tx.run("UPDATE treasury_submissions SET sent = 0 WHERE outcome IS NULL AND sent = 1")
    tell(f"{marked} are sent again")


def _take(database: Database, line: bytes) -> dict[str, Any]:
    try:
        found = read_notice(line)
    except Malformed as error:
        return {"receipt": error.receipt, "outcome": "invalid", "problems": error.problems}
    with database.transaction() as tx:
        return accept(tx, found, datetime.now(timezone.utc), _today())


@treasury.command()
@command.db
@click.argument("student")
@on_option
def debts(url: str, student: str, on: date | None) -> None:
    """Shows a student's debt positions on a day, as JSON lines."""
    day = on or _today()
    with _opened(url) as database, database.transaction() as tx:
        rows = tx.ask("SELECT iuv, career, charge FROM treasury_debts WHERE student = :student ORDER BY career, charge",
                      {"student": student})
        if not rows:
            say(f"no debt position of a student {student} is known")
            raise SystemExit(NOT_FOUND)
        for iuv, career, position in rows:
            period = period_on(tx, iuv, day)
            if period is not None:
                tell_json({
                    "iuv": iuv, "notice_number": reference.notice_number(iuv),
                    "reason": reference.reason_for_payment(position),
                    "student": student, "career": career, "charge": reference.charge_of(position),
                    "on": day.isoformat(),
                    **{name: _shown(getattr(period, name))
                       for name in ("status", "to_pay", "valid_until", *PERIOD[3:13])}})


@treasury.command()
@command.db
@click.option("--creditor", "file", required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False),
              metavar="FILE",
              help="Creditor, accounts, taxonomy codes and dates (TOML, as in examples/creditor.toml).")
@on_option
def export(url: str, file: Path, on: date | None) -> None:
    """Prints every debt position that may be paid on a day as pagoPA's GPD takes it, one JSON object a line.

    The debtor stands in it by pseudonym: whoever sends it to pagoPA puts tax code and name in.
    """
    try:
        creditor = read_creditor(file)
    except WrongFile as error:
        raise click.BadParameter(str(error), param_hint="--creditor") from None
    day = on or _today()
    with _opened(url) as database, database.transaction() as tx:
        for position in payable_on(tx, day):
            tell_json(payment_position(position, creditor, day))


def _shown(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    return value.isoformat() if isinstance(value, date) else f"{value:.2f}"


@treasury.command("reconcile")
@command.db
@on_option
@click.option("--since", type=command.day, metavar="DATE",
              help="Leave out money paid before this day, such as the history from before the treasury began.")
@click.option("--json", "json_", is_flag=True, help="Print JSON for programs instead of text for people.")
def reconcile_command(url: str, on: date | None, since: date | None, json_: bool) -> None:
    """Lists every difference between the money reported and the ledger as of the end of a day; exit code 1 where there
    is one."""
    with _opened(url) as database, database.transaction() as tx:
        report = reconcile(tx, on or _today(), since or date.min)
    if json_:
        tell_json(report.as_json())
    else:
        for line in _lines(report):
            tell(line)
    raise SystemExit(PROBLEM if report.differences else 0)


def _lines(report: Report) -> Iterable[str]:
    yield (f"{report.on}: {report.notices} notices, {report.payments} payments in the ledger, "
           f"{report.in_flight} in flight, {len(report.differences)} differences")
    yield from map(sentence, report.differences)


@contextmanager
def _opened(url: str) -> Iterator[Database]:
    """The treasury's tables, made where they are not there yet. Raises DatabaseAway."""
    with command.database_at(url) as database:
        database.migrate(migrations(Treasury))
        yield database


if __name__ == "__main__":
    treasury(prog_name="python -m consumers.treasury")
