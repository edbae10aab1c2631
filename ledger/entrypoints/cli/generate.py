"""`career-ledger generate`: a population of invented students as an event file."""

import sys
from dataclasses import fields, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from ledger.domain.phrases import says
from ledger.edges.program import tell

from .errors import bad_value
from .options import engine_options, tell_reader

if TYPE_CHECKING:
    from ledger.parallel import How


def _share(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise bad_value(says("cli/share", field=text))
    return name.strip().replace("-", "_"), value.strip()


@click.command(short_help="Write an invented population as an event file.")
@click.option("--students", type=click.IntRange(min=1), required=True, metavar="N",
              help="How many students; each has about 40 events.")
@click.option("--seed", type=click.IntRange(min=0), required=True, metavar="S",
              help="The same seed gives the same bytes.")
@click.option("--output", type=click.Path(dir_okay=False, allow_dash=True), default="-", show_default=True,
              metavar="FILE", help="Where to write; - is standard output. A file appears when it is complete.")
@click.option("--first", type=click.IntRange(min=0), default=0, show_default=True, metavar="N",
              help="Begin with this student.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE",
              help="Leave out what is recorded after this day.")
@click.option("--share", "given", type=_share, multiple=True, metavar="NAME=VALUE",
              help="Another share; may be repeated.")
@click.option("--list-shares", is_flag=True, help="Print every share with its value and stop.",
              is_eager=True, expose_value=False,
              callback=lambda ctx, _param, asked: _list_shares(ctx) if asked else None)
@engine_options
def generate(students: int, seed: int, output: str, first: int, until: Any, given: tuple[tuple[str, str], ...],
             how: "How") -> None:
    """Write the events of invented students as JSON lines, all events of a student together, ready for append --mode
    record.

    It obeys the rules but for a share of breaches, so that audits have something to find.

    \b
    Examples:
      career-ledger generate --students 1000 --seed 1 --output population.jsonl
      career-ledger generate --students 100 --seed 7 --share breaches=0 | career-ledger append - --mode record
      career-ledger generate --list-shares
    """
    from ledger.generate import Shares, write

    known = {field.name for field in fields(Shares) if isinstance(getattr(Shares(), field.name), float)}
    wanted: dict[str, Any] = {"until": until.date()} if until is not None else {}
    for name, value in given:
        if name not in known:
            raise bad_value(says("cli/no-share", field=name), param_hint="--share")
        try:
            wanted[name] = float(value)
        except ValueError:
            raise bad_value(says("cli/share-range", text=name), param_hint="--share") from None
    try:
        shares = replace(Shares(), **wanted)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--share") from None
    if not sys.stderr.isatty():
        count = write(output, students, seed, shares, None, first, how)
    else:
        with click.progressbar(length=students, label="generate", file=sys.stderr) as bar:
            count = write(output, students, seed, shares, lambda done, _events: bar.update(done - bar.pos), first, how)
    if output != "-":
        tell_reader(says("cli/generated", count=count, more=students, text=output))


def _list_shares(ctx: click.Context) -> None:
    from ledger.generate import Shares

    shares = Shares()
    for field in fields(Shares):
        value = getattr(shares, field.name)
        if isinstance(value, float | date):
            tell(f"{field.name} = {value}")
    ctx.exit()
