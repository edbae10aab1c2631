"""The compliance audit: `audit`."""

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ledger.domain.phrases import says
from ledger.edges.program import tell_json
from ledger.edges.text import csv_cell

from .errors import bad_value, misused
from .everybody import progress
from .ledgers import are_many, label, ledgers_option
from .ledgers import asked as ask_each
from .options import FOUND, Asked, answered_in, as_known, engine_options, opened, page, settings, spoken
from .proofs import keys_option

if TYPE_CHECKING:
    from ledger.audit.totals import Totals
    from ledger.bootstrap import Answer, HowToAudit, Ledger
    from ledger.parallel import How

COLUMNS = ("severity", "rule", "student", "career", "programme", "academic_year", "event", "effective_on", "message",
           "document", "heading", "interpretation")
BY = ("rule", "programme", "academic_year")


def _euro(text: str) -> Decimal:
    try:
        found = Decimal(text)
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite() or not 0 <= found < Decimal(10) ** 9 or found != round(found, 2):
        raise bad_value(says("cli/euro", field=text))
    return found


class HowTold(NamedTuple):
    """How the findings are to be told."""

    json: bool
    csv: bool
    totals: bool


@click.command(short_help="Breaches of the rules, and derogations.")
@click.argument("students", nargs=-1, metavar="[STUDENT]...")
@click.option("--summary", "--totals", "totals", is_flag=True,
              help="Only how many there are, by rule, programme and academic year.")
@click.option("--since", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="CHECKPOINT",
              help="Only what is new since a signed checkpoint of this ledger: what did not hold as known then.")
@click.option("--late-after", "days", type=click.IntRange(0, 100_000), default=90, show_default=True, metavar="DAYS",
              help="Report what was recorded more than so many days after it happened.")
@click.option("--money-above", "money", type=_euro, default="0.00", show_default=True, metavar="EURO",
              help="Report money that is set against no charge, or that is more than is owed, above this amount.")
@click.option("--csv", "csv_", is_flag=True, help="Print comma-separated values with a heading; a text that a "
                                                  "spreadsheet would take for a formula has an apostrophe before it.")
@click.option("--report", "file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write a page for people with pictures, as HTML or PDF by its ending, instead of printing findings.")
@keys_option
@ledgers_option
@engine_options
@as_known
def audit(students: tuple[str, ...], asked: Asked, totals: bool, json_: bool, csv_: bool, file: Path | None,
          **limits: Any) -> None:
    """What breaks a rule, and every derogation: for the STUDENTs named, or for all. Exit code 1 when there is any
    finding.

    A `breach` is against a rule; a `derogation` is an officer's; a `notice` is to be looked at: what the ledger was not
    told may explain it, or nothing follows from it.

    \b
    Examples:
      career-ledger audit
      career-ledger audit S01 S02 --on 2026-09-30 --json
      career-ledger audit --summary --csv > totals.csv
      career-ledger audit --summary --ledgers universities.toml --csv
      career-ledger --lang it audit --on 2026-09-30 --report audit.pdf
      career-ledger audit --since witnesses/march.txt --key careers.pub
    """
    if json_ and csv_:
        raise misused(says("cli/not-both", first="--json", second="--csv"))
    if file is not None and (json_ or csv_ or totals):
        raise misused(says("cli/not-both", first="--report", second="--json, --csv, --summary"))
    from ledger.audit.totals import Totals

    if are_many():
        if not totals or students or limits["since"] is not None:
            raise misused(says("ledgers/summary-only"))
        _of_many(asked, HowTold(json_, csv_, totals), limits)
        return
    counted = Totals()
    with opened() as ledger, _told_how_far(students if file is None else ()) as told:
        how = _how(ledger, told, **limits)
        if file is not None:
            _report(ledger, students, asked, how, file, counted)
        else:
            _tell(map(spoken, counted.watched(ledger.audit(students, *asked, how))), counted,
                  HowTold(json_, csv_, totals))
    if len(counted):
        raise click.exceptions.Exit(FOUND)


def _of_many(asked: Asked, shown: HowTold, limits: dict[str, Any]) -> None:
    """How many there are, ledger by ledger, in one table."""
    from ledger.audit.totals import Totals

    rows: list[Answer] = []

    def count(ledger: "Ledger", name: str | None) -> None:
        counted = Totals()
        with progress(label("audit", name)) as told:
            for _ in counted.watched(ledger.audit((), *asked, _how(ledger, told, **limits))):
                pass
        rows.extend({"ledger": name, **row} for row in counted.by(*BY))

    code = ask_each(count)
    _tell_totals(rows, ("ledger", *BY), shown)
    if code or rows:
        raise click.exceptions.Exit(code or FOUND)


def _report(ledger: "Ledger", students: Sequence[str], asked: Asked, how: "HowToAudit", file: Path,
            counted: "Totals") -> None:
    from ledger.entrypoints import audit_report as report

    try:
        printed = report.writer(file)  # before hours of looking
        kept, end = report.Sample(counted), ledger.log.last_position()
        for _ in kept.watched(map(spoken, ledger.audit(students, *asked, how))):
            pass
        position = asked.known_position if asked.known_position is not None else end
        since = (how.since.on, how.since.position) if how.since is not None else None
        told = report.says_of(ledger.books, answered_in(), settings().rulebooks)
        about = report.About(asked.on, min(position, end), since, students, told)
        report.write(file, printed(report.page(kept, about, answered_in())))
    except report.Unwritable as error:
        raise misused(error.told) from None
    page().tell(says("report/written", count=len(counted), text=str(file)))


def _told_how_far(students: Sequence[str]) -> AbstractContextManager[Callable[[int, int], None] | None]:
    """Not among findings on a terminal, nor for those that are named."""
    return nullcontext() if students or sys.stdout.isatty() else progress("audit")


def _how(ledger: "Ledger", told: Callable[[int, int], None] | None, since: Path | None, keys: tuple[str, ...],
         days: int, money: Decimal, how: "How") -> "HowToAudit":
    from ledger.audit.compliance import Limits
    from ledger.bootstrap import HowToAudit

    return HowToAudit(ledger.since(since, keys) if since is not None else None, Limits(days, money), how, told,
                      by_the_clock=click.get_current_context().params["on"] is None)


def _tell(findings: "Iterator[Answer]", counted: "Totals", shown: HowTold) -> None:
    if shown.totals:
        for _ in findings:
            pass
        _tell_totals(counted.by(*BY), BY, shown)
    elif shown.csv:
        _tell_csv(COLUMNS, ({**finding, **finding["source"]} for finding in findings))
    elif shown.json:
        for finding in findings:
            tell_json(finding)
    else:
        page().audit(findings)


def _tell_totals(rows: "Sequence[Answer]", by: Sequence[str], shown: HowTold) -> None:
    if shown.csv:
        _tell_csv(tuple(rows[0]) if rows else (*by, "findings"), iter(rows))
    elif shown.json:
        for row in rows:
            tell_json(row)
    else:
        page().totals(rows)


def _tell_csv(columns: Sequence[str], rows: "Iterator[Answer]") -> None:
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(columns)
    out.writerows([csv_cell(row.get(name)) for name in columns] for row in rows)
    sys.stdout.flush()
