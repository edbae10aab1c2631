"""`python -m consumers.treasury run | status | notices | resend | debts | reconcile`.

Exit codes: 0 done; 1 a notice was invalid, or differences exist; 2 wrong usage; 3 not found; 5 and 6 as of every service.
"""

import json
from collections.abc import Iterable
from datetime import date, datetime, timezone
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

import click

from consumers import command
from consumers.database import Database, DatabaseAway
from consumers.order import Order
from consumers.web import Door

from . import reference
from .notices import PERIOD, Notice, accept, period_on, read_notice
from .reconcile import Report, reconcile, sentence
from .service import Treasury

PROBLEM, NOT_FOUND = 1, 3
LONGEST_NOTICE = 10_000
"""Bytes of a line."""


def _today() -> date:
    return datetime.now(ZoneInfo("Europe/Rome")).date()


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no day: write it as YYYY-MM-DD") from None


on_option = click.option("--on", type=_day, metavar="DATE", help="The day that is asked about. Default: today in Italy.")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def treasury() -> None:
    """Debt positions, payment notices and the daily reconciliation."""


@treasury.command()
@command.run_options
@click.option("--segregation", default=reference.SEGREGATION, show_default=True, metavar="NN",
              help="The segregation code that PagoPA gave to this point of generation. Never change it later.")
def run(url: str, brokers: str, metrics: str | None, door: Door, from_oldest: bool, segregation: str) -> None:
    """Follows the ledger, and sends payment notices to it, until it is stopped."""
    try:
        reference.iuv("", "", "", segregation=segregation)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--segregation") from None
    command.run(Treasury(brokers, segregation), url, brokers, metrics, door, from_oldest)


treasury.add_command(command.status_command(Treasury.name))


@treasury.command()
@command.db
@click.argument("file", type=click.File("rb"))
def notices(url: str, file: BinaryIO) -> None:
    """Takes payment notices, one JSON object a line: iuv, amount, paid_on, receipt.

    Prints the outcome of each line. A line that is reported again is a duplicate; `run` sends them to the ledger.
    """
    bad = False
    with _Opened(url) as database:
        while line := file.readline(LONGEST_NOTICE + 1):
            if line.strip():
                outcome = _take(database, line)
                bad |= outcome["outcome"] == "invalid"
                click.echo(json.dumps(outcome, ensure_ascii=False))
            if len(line) > LONGEST_NOTICE:  # the rest is of the same notice
                while line and not line.endswith(b"\n"):
                    line = file.readline(LONGEST_NOTICE)
    raise SystemExit(PROBLEM if bad else 0)


@treasury.command()
@command.db
def resend(url: str) -> None:
    """Has `run` send every submission again that has no outcome yet, such as after the loss of a topic. The ledger stores each once."""
    with _Opened(url) as database, database.transaction() as tx:
        marked = tx.run("UPDATE treasury_submissions SET sent = 0 WHERE outcome IS NULL AND sent = 1")
    click.echo(f"{marked} are sent again")


def _take(database: Database, line: bytes) -> dict[str, Any]:
    found = read_notice(line) if len(line) <= LONGEST_NOTICE else [{"path": "", "message": f"longer than {LONGEST_NOTICE} bytes"}]
    if not isinstance(found, Notice):
        return {"receipt": None, "outcome": "invalid", "problems": found}
    with database.transaction() as tx:
        return accept(tx, found, datetime.now(timezone.utc), _today())


@treasury.command()
@command.db
@click.argument("student")
@on_option
def debts(url: str, student: str, on: date | None) -> None:
    """Shows a student's debt positions on a day, as JSON lines."""
    day = on or _today()
    with _Opened(url) as database, database.transaction() as tx:
        rows = tx.ask("SELECT iuv, career, charge FROM treasury_debts WHERE student = :student ORDER BY career, charge",
                      {"student": student})
        if not rows:
            click.echo(f"no debt position of a student {student!r} is known", err=True)
            raise SystemExit(NOT_FOUND)
        for iuv, career, charge in rows:
            period = period_on(tx, iuv, day)
            if period is not None:
                click.echo(json.dumps({
                    "iuv": iuv, "notice_number": reference.notice_number(iuv), "reason": reference.reason_for_payment(charge),
                    "student": student, "career": career, "charge": charge, "on": day.isoformat(),
                    **{name: _shown(getattr(period, name)) for name in ("status", "to_pay", "valid_until", *PERIOD[3:13])}},
                    ensure_ascii=False))


def _shown(value: Any) -> Any:
    return value if value is None or isinstance(value, str) else value.isoformat() if isinstance(value, date) else f"{value:.2f}"


@treasury.command("reconcile")
@command.db
@on_option
@click.option("--since", type=_day, default="0001-01-01", metavar="DATE",
              help="Leave out money paid before this day, such as the history from before the treasury began.")
@click.option("--json", "json_", is_flag=True, help="Print JSON for programs instead of text for people.")
def reconcile_command(url: str, on: date | None, since: date, json_: bool) -> None:
    """Lists every difference between the money reported and the ledger as of the end of a day; exit code 1 where there is one."""
    with _Opened(url) as database, database.transaction() as tx:
        report = reconcile(tx, on or _today(), since)
    if json_:
        click.echo(json.dumps(report.as_json(), ensure_ascii=False))
    else:
        click.echo("\n".join(_lines(report)))
    raise SystemExit(PROBLEM if report.differences else 0)


def _lines(report: Report) -> Iterable[str]:
    yield (f"{report.on}: {report.notices} notices, {report.payments} payments in the ledger, {report.in_flight} in flight, "
           f"{len(report.differences)} differences")
    yield from map(sentence, report.differences)


class _Opened:
    """The treasury's tables, made where they are not there yet; an absent database is one line and exit code 6."""

    def __init__(self, url: str) -> None:
        self._database = command.database_at(url)

    def __enter__(self) -> Database:
        try:
            self._database.create((*Treasury.tables, *Order(Treasury("")).tables))
        except DatabaseAway as error:
            self.__exit__(DatabaseAway, error, None)
        return self._database

    def __exit__(self, kind: Any, error: BaseException | None, place: Any) -> None:
        self._database.close()
        if isinstance(error, DatabaseAway):
            click.echo(str(error), err=True)
            raise SystemExit(command.AWAY) from None


if __name__ == "__main__":
    treasury(prog_name="python -m consumers.treasury")
