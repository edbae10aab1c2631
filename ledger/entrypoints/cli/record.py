"""`career-ledger append`: events from a file or standard input."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import click

from ledger.domain.phrases import says
from ledger.edges.program import UNAVAILABLE, Printed, tell_json

from .errors import misused
from .options import CONFLICT, FOUND, PROGRAM, json_option, opened, page, spoken, tell_reader

if TYPE_CHECKING:
    from ledger.domain.decisions import Mode

LONG_FILE = 200_000
"""Bytes from which appending a file shows its progress."""
BULK_FILE = 5_000_000
"""Bytes from which a file in mode record is imported in bulk."""


@click.command(short_help="Record events from a file or standard input.")
@click.argument("file", type=click.Path(dir_okay=False, exists=True, readable=True, allow_dash=True))
@click.option("--mode", type=click.Choice(["enforce", "record"]), default="enforce", show_default=True,
              help="enforce: the rules can refuse; record: import what has already happened, "
                   "the audit reports breaches.")
@click.option("--atomic", is_flag=True, help="All lines or none: one that is refused or invalid keeps the others out.")
@click.option("--wait", is_flag=True, help="Return when the stored projections include the events.")
@click.option("--bulk", is_flag=True,
              help="Import in worker processes and large transactions: mode record, by itself from 5 MB on.")
@click.option("--trusted", is_flag=True,
              help="FILE is what history --json printed: in bulk, form checked, no rule asked.")
@json_option
def append(file: str, mode: "Mode", atomic: bool, wait: bool, bulk: bool, trusted: bool, json_: bool) -> None:
    """Record the events of FILE, one JSON object a line; - reads standard input.

    Files of any length are read line by line. A line that was stored before is a duplicate and changes nothing, so an
    interrupted file can simply be sent again.

    \b
    Examples:
      career-ledger append events.jsonl
      career-ledger append history.jsonl --mode record --json
      cat events.jsonl | career-ledger append - --atomic
    """
    if (bulk or trusted) and (mode != "record" or atomic):
        raise misused(says("cli/bulk"))
    bulk = bulk or trusted or (mode == "record" and not atomic and file != "-"
                               and Path(file).stat().st_size >= BULK_FILE)
    counted: Counter[str] = Counter()
    newest = 0
    with (click.open_file(file, "rb") as stream, opened(create=True) as ledger,
          _followed(file, cast("BinaryIO", stream)) as lines):
        shown, told = None if json_ else page(), Printed()
        for outcome in ledger.import_lines(lines, trusted) if bulk else ledger.append_lines(lines, mode, atomic):
            counted[outcome["outcome"]] += 1
            newest = max(newest, outcome.get("position") or 0)
            if shown is None:
                told(partial(tell_json, spoken(outcome)))
            elif outcome["outcome"] in ("refused", "invalid", "conflict", "set-aside") or "voided_by" in outcome:
                told(partial(shown.outcome, spoken(outcome)))
        if shown is not None:
            told(partial(shown.appended, counted))
    told.ended(PROGRAM, ", ".join(f"{number} {outcome}" for outcome, number in sorted(counted.items())) or "none")
    if wait and newest:
        with opened() as ledger:
            ledger.wait_for(newest)
    if counted["set-aside"]:
        tell_reader(says("cli/lines-set-aside", count=counted["set-aside"]))
        raise click.exceptions.Exit(UNAVAILABLE)
    if counted["conflict"]:
        tell_reader(says("cli/lines-in-conflict", count=counted["conflict"]))
        raise click.exceptions.Exit(CONFLICT)
    if counted["refused"] or counted["invalid"]:
        raise click.exceptions.Exit(FOUND)


@contextmanager
def _followed(file: str, stream: BinaryIO) -> Iterator[Iterable[bytes]]:
    """The lines of a stream; on a terminal a long file shows on standard error how far it is."""
    from ledger.handling.lines import read_lines

    size = Path(file).stat().st_size if file != "-" else 0
    if size < LONG_FILE or not sys.stderr.isatty():
        yield read_lines(stream)
        return
    with click.progressbar(length=size, label="appending", file=sys.stderr) as bar:

        def counted() -> Iterator[bytes]:
            for line in read_lines(stream):
                yield line
                bar.update(len(line))

        yield counted()
