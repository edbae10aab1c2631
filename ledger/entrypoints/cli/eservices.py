"""What belongs to the national e-services beside `serve --eservices`: `eservices fingerprints`."""

import threading
from pathlib import Path

import click

from ledger.domain.phrases import says
from ledger.edges.program import tell_json

from .errors import misused
from .options import FOUND, actor_option, answered_in, opened, page, purpose_option, read_for, reference_option, spoken


@click.group(short_help="What the national e-services need beside `serve`.")
def eservices() -> None:
    """What the national e-services (IFS01 to IFS09) need beside `serve --eservices`."""


@eservices.command(short_help="Bring the fingerprints for the national e-services up to date.")
@reference_option(required=True)
def fingerprints(reference: Path) -> None:
    """Bring what IFS06 to IFS09 answer from up to date: the first time, or after other reference files, before
    `serve --eservices`, which goes on with it. They stand in the key store that --keys names.

    \b
    Example:
      career-ledger eservices fingerprints --reference reference
    """
    with opened() as ledger:
        ledger.follow_fingerprints(reference, threading.Event(), once=True)


@eservices.command(short_help="Print a Diploma Supplement, or a transcript.")
@click.argument("student")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--transcript", is_flag=True, help="The courses alone.")
@reference_option(required=True)
@purpose_option(required=True)
@actor_option
def supplement(student: str, file: Path, transcript: bool, reference: Path, purpose: str, actor: str | None) -> None:
    """Write the Diploma Supplement of STUDENT's degrees into FILE (.pdf or .html), in the language of --lang, from what
    IFS03.4 answers. Who asks, and why, is in the access log.

    \b
    Example:
      career-ledger eservices supplement S01 supplement.pdf --reference reference --purpose "asked for on 3 March 2026"
    """
    from ledger.entrypoints import audit_report as report
    from ledger.entrypoints import supplement as sheet

    try:
        printed = report.writer(file)
        with opened() as ledger:
            found = ledger.supplement(student, reference, answered_in(), read_for(purpose, actor))
        report.write(file, printed(sheet.page(found, answered_in(), transcript)))
    except report.Unwritable as error:
        raise misused(error.told) from None
    page().tell(says("supplement/written", text=str(file)))


@eservices.command(short_help="Decide on a rectification that an e-service asked for.")
@click.argument("student")
@click.argument("number")
@click.option("--approve", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
              metavar="FILE",
              help="Approve it: the submissions that correct the record, one JSON object a line, such as event-voided "
                   "and the right event; - reads standard input.")
@click.option("--reject", metavar="TEXT", help="Reject it, and why.")
@click.option("--actor", required=True, metavar="NAME", help="Who decides.")
def rectify(student: str, number: str, approve: Path | None, reject: str | None, actor: str) -> None:
    """Decide on rectification NUMBER (its file code) of STUDENT. What corrects the record and the end of the request
    are recorded together or not at all; the outcome of each is printed, one JSON object a line.

    \b
    Examples:
      career-ledger eservices rectify S01 6d183bc572f6b200015a4167 --approve corrections.jsonl --actor officer:7
      career-ledger eservices rectify S01 6d183bc572f6b200015a4167 --reject "no proof was given" --actor officer:7
    """
    if (approve is None) == (reject is None):
        raise misused(says("cli/one-of", text="--approve, --reject"))
    with opened() as ledger:
        lines = [] if approve is None else click.open_file(str(approve), "rb").read().splitlines(keepends=True)
        found = list(ledger.rectify(student, number, "rejected" if approve is None else "approved", lines,
                                    reject or "", actor))
    for one in found:
        tell_json(spoken(one))
    if any(one["outcome"] not in ("accepted", "duplicate") for one in found):
        raise click.exceptions.Exit(FOUND)
