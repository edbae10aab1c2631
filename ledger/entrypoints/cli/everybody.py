"""The commands about everybody: `project`, `projection`, `report`, `find`. They read and
keep the stored projections."""

import csv
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ledger.domain.phrases import says
from ledger.edges.log import Note, log_format_option
from ledger.edges.program import tell_json
from ledger.edges.text import csv_cell

from .errors import bad_value, misused
from .ledgers import asked, label, ledgers_option
from .options import (
    DIFFERENT,
    day,
    engine_options,
    instant,
    json_option,
    on_option,
    opened,
    page,
    say,
    shows_metrics,
    spoken,
    tell_reader,
    watched,
)

if TYPE_CHECKING:
    from ledger.bootstrap import Ledger
    from ledger.parallel import How
    from ledger.projections.everybody.reports import ReportAnswer, Reports
    from ledger.store.workers import Progress

BLOCKS = ("exam-booking", "final-exam", "administrative", "reservation")
_F = TypeVar("_F", bound=Callable[..., Any])

def partition(text: str) -> tuple[int, int]:
    """2/4: the second of four."""
    found = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]) <= 1024:
        raise bad_value(says("cli/partition", field=text))
    return int(found[1]), int(found[2])


@click.command(short_help="Keep the stored projections up to date.")
@click.option("--follow", is_flag=True,
              help="Go on with whatever is appended, until SIGTERM. Without it: up to the end of the log.")
@click.option("--partition", "part", type=partition, default="1/1", show_default=True, metavar="I/N",
              help="Take only the students of partition I of N; run one follower for each.")
@shows_metrics
@log_format_option
def project(follow: bool, part: tuple[int, int]) -> None:
    """Bring the stored projections up to date; makes them where there are none.

    Several followers of one partition may run: one works, the others take over when it ends. A long history that was
    imported at once is projected much faster by `projection rebuild`.

    \b
    Examples:
      career-ledger project
      career-ledger project --follow
      career-ledger project --follow --partition 2/4 --metrics-port 9101
    """
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with opened() as ledger, watched("project") as watch:
        if follow:
            ledger.follow(stop, say, part, watch)
        elif not ledger.project(stop, part):
            tell_reader(says("cli/followed", number=str(part[0]), count=part[1]))


@click.group(short_help="The stored projections: status, rebuild, verify, diff.")
def projection() -> None:
    """The stored projections: how far they go, making them anew, and comparing them with what is computed.

    \b
    Examples:
      career-ledger projection status
      career-ledger projection rebuild --workers 4
      career-ledger projection verify
      career-ledger projection diff --rulebooks our-rules
    """


@projection.command("status")
@json_option
def projection_status(json_: bool) -> None:
    """How far the stored projections go, on which rule books they rest, how many rows they have, their size, and who is
    set aside.

    \b
    Example:
      career-ledger projection status
    """
    with opened() as ledger:
        answer = _worded(ledger.projection_status())
    if json_:
        tell_json(answer)
        return
    page().projection_status(answer)


@contextmanager
def progress(label: str) -> "Iterator[Progress]":
    """Events done, rate and time left on standard error: a bar on a terminal, else a line every ten seconds."""
    begun = time.monotonic()
    first = shown = -1
    last_line = begun

    def rate(done: int) -> float:
        return (done - max(first, 0)) / max(time.monotonic() - begun, 0.001)

    if not sys.stderr.isatty():

        def line(done: int, total: int) -> None:
            nonlocal first, last_line
            first = done if first < 0 else first
            if time.monotonic() - last_line >= 10:
                last_line = time.monotonic()
                left = (total - done) / max(rate(done), 1)
                say(Note("projection/progress", "{label}: {done} of {total} events, {rate:.0f} a second, {left:.0f} "
                         "seconds left", label=label, done=done, total=total, rate=rate(done), left=left))

        yield line
        return
    def paced(_: int | None) -> str:
        return f"{rate(max(shown, 0)):.0f} events/s"

    with click.progressbar(range(1), length=1, label=label, file=sys.stderr, show_eta=True,
                           show_percent=True, item_show_func=paced) as bar:

        def update(done: int, total: int) -> None:
            nonlocal first, shown
            first = done if first < 0 else first
            bar.length = max(total, 1)
            bar.update(done - max(shown, 0))
            shown = done

        yield update


@projection.command("rebuild")
@click.option("--replica", metavar="URL", help="A PostgreSQL replica of the ledger, from which events are read.")
@engine_options
@json_option
def projection_rebuild(how: "How", replica: str | None, json_: bool) -> None:
    """Make the stored projections anew beside the old ones, then put them in their place at once.

    Questions are answered from the old ones meanwhile, and events may be appended. Interrupted, the same command goes
    on where it was.

    \b
    Example:
      career-ledger projection rebuild
    """
    from ledger.store import SomeSetAside

    with opened() as ledger, progress("rebuilding") as told:
        done = ledger.rebuild(how, told, replica)
    if json_:
        tell_json({"events": done.events, "resumed": done.resumed, "known_position": done.position,
                   "seconds": round(done.seconds, 3)})
    else:
        seconds = round(done.seconds, 1)
        page().tell(says("page/rebuilt-on", count=done.events, more=done.resumed, seconds=seconds,
                         position=done.position) if done.resumed
                    else says("page/rebuilt", count=done.events, seconds=seconds, position=done.position))
    if done.aside:
        raise SomeSetAside(done.aside)


@projection.command("verify")
@engine_options
@json_option
def projection_verify(how: "How", json_: bool) -> None:
    """Compute every student and compare with the stored rows. Names each difference; exit code 5 when there is any.

    \b
    Example:
      career-ledger projection verify
    """
    with opened() as ledger, progress("verifying") as told:
        count = _differences(ledger.verify(how, told), json_, "stored", "computed")
    if count:
        tell_reader(says("cli/difference") if count == 1 else says("cli/differences", count=count))
        raise click.exceptions.Exit(DIFFERENT)
    if not json_:
        page().tell(says("page/verified"))


@projection.command("diff")
@click.option("--rulebooks", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path),
              metavar="FOLDER", help="The rule books to compare with, one *.yaml file an academic year.")
@click.option("--known-at", "moments", multiple=True, type=instant, metavar="INSTANT",
              help="The law as it was known then, to compare with what is known now; twice: as known at two moments.")
@ledgers_option
@engine_options
@json_option
def projection_diff(folder: Path | None, moments: tuple[datetime, ...], how: "How", json_: bool) -> None:
    """Which answers other rule books or interpretations would change, for whom and how, before they are adopted; or
    which ones an amendment of the rule books changed.

    Nothing is stored and nothing changes.

    \b
    Examples:
      career-ledger projection diff --rulebooks our-rules
      career-ledger projection diff --known-at 2020-03-01T12:00:00Z
      career-ledger projection diff --ledgers universities.toml --rulebooks proposed
    """
    if (folder is None) == (not moments) or len(moments) > 2:
        raise misused(says("cli/compared"))
    count = 0

    def compare(ledger: "Ledger", name: str | None) -> None:
        nonlocal count
        with progress(label("comparing", name)) as told:
            differences = ledger.diff(folder, how, told) if folder is not None else \
                ledger.diff_of_knowledge(moments[0], moments[1] if len(moments) > 1 else None, how, told)
            count += _differences(differences if name is None else ({"ledger": name, **one} for one in differences),
                                  json_, "before", "after")

    code = asked(compare)
    if not json_:
        page().tell(says("page/unchanged") if not count else says("page/otherwise-one") if count == 1 else
                    says("page/otherwise", count=count))
    if code:
        raise click.exceptions.Exit(code)


def _differences(found: "Iterator[ReportAnswer]", json_: bool, left: str, right: str) -> int:
    count = 0
    shown = None if json_ else page()
    for one in found:
        count += 1
        if shown is None:
            tell_json(one)
        else:
            shown.difference(left, right, one)
    return count


def as_report(function: _F) -> _F:
    """`--json`, `--csv` and `--ledgers`."""
    csv_option = click.option("--csv", "csv_", is_flag=True, help="Print comma-separated values with a heading; a text "
                              "that a spreadsheet would take for a formula has an apostrophe before it.")
    return json_option(csv_option(ledgers_option(function)))


@click.group(short_help="Questions about everybody, for any day.")
def report() -> None:
    """Questions about everybody, for any day, answered from the stored projections.

    \b
    Examples:
      career-ledger report blocked --on 2026-03-20 --kind exam-booking
      career-ledger report upcoming --from 2026-03-01 --to 2026-03-31
      career-ledger report counts --by programme,status --csv
      career-ledger report counts --ledgers universities.toml --csv
    """


def _worded(answer: "ReportAnswer") -> "ReportAnswer":
    """Of an answer the only thing that is no value."""
    return answer | spoken({"rebuild_needed": answer["rebuild_needed"]})


def _report(ask: "Callable[[Reports, date], ReportAnswer]", on: date | None, json_: bool, csv_: bool) -> None:
    from ledger.bootstrap import today

    if json_ and csv_:
        raise misused(says("cli/not-both", first="--json", second="--csv"))
    headed = False

    def tell(ledger: "Ledger", name: str | None) -> None:
        nonlocal headed
        with ledger.reports() as reports:
            answer = _worded(ask(reports, on or today()))
        if name is not None:
            answer = {"ledger": name, **answer}
        if json_:
            tell_json(answer)
            return
        if name is not None:
            answer["rows"] = [{"ledger": name, **row} for row in answer["rows"]]
        if csv_:
            headed = _tell_csv(answer, headed)
        else:
            page().report(answer)

    if code := asked(tell, rows=True):
        raise click.exceptions.Exit(code)


def _tell_csv(answer: "ReportAnswer", headed: bool) -> bool:
    """Whether there is a heading by now."""
    rows = answer["rows"]
    out = csv.writer(sys.stdout, lineterminator="\n")
    columns = [name for name in rows[0] if name not in ("message_id", "params")] if rows else []
    if rows and not headed:
        out.writerow(columns)
    out.writerows([csv_cell(row[name]) for name in columns] for row in rows)
    sys.stdout.flush()
    tell_reader(says("cli/known", position=answer["known_position"], last_position=answer["last_position"]))
    if answer["rebuild_needed"]:
        say(answer["rebuild_needed"])
    if answer.get("set_aside"):
        tell_reader(says("cli/left-out", count=answer["set_aside"]))
    return headed or bool(rows)


@report.command("blocked")
@click.option("--kind", type=click.Choice(BLOCKS), help="Only blocks of this kind.")
@on_option
@as_report
def report_blocked(kind: str | None, on: date | None, json_: bool, csv_: bool) -> None:
    """Who is blocked, by what, since when, and until when if nothing else happens.

    \b
    Example:
      career-ledger report blocked --on 2026-03-20 --kind exam-booking
    """
    _report(lambda reports, asked: reports.blocked(asked, kind), on, json_, csv_)


@report.command("arrears")
@on_option
@as_report
def report_arrears(on: date | None, json_: bool, csv_: bool) -> None:
    """Who owes what is overdue, and what paying on that day costs on top.

    \b
    Example:
      career-ledger report arrears --csv
    """
    _report(lambda reports, asked: reports.arrears(asked), on, json_, csv_)


@report.command("upcoming")
@click.option("--from", "first", type=day, required=True, metavar="DATE", help="The first day.")
@click.option("--to", "last", type=day, required=True, metavar="DATE", help="The last day.")
@as_report
def report_upcoming(first: date, last: date, json_: bool, csv_: bool) -> None:
    """What will change in a period if nothing else happens: blocks, charges, surcharges, statuses, results, what cannot
    be told, and from when the office may forfeit a career.

    \b
    Example:
      career-ledger report upcoming --from 2026-03-01 --to 2026-03-31
    """
    if last < first:
        raise misused(says("cli/to-before-from"))
    _report(lambda reports, _: spoken(reports.upcoming(first, last)), first, json_, csv_)


@report.command("reservations")
@on_option
@as_report
def report_reservations(on: date | None, json_: bool, csv_: bool) -> None:
    """Who is enrolled with reservation, since when, and when that ends.

    \b
    Example:
      career-ledger report reservations --on 2026-03-20
    """
    _report(lambda reports, asked: reports.reservations(asked), on, json_, csv_)


@report.command("refunds")
@on_option
@as_report
def report_refunds(on: date | None, json_: bool, csv_: bool) -> None:
    """Who is owed a refund, by when and by which rule.

    \b
    Example:
      career-ledger report refunds
    """
    _report(lambda reports, asked: reports.refunds(asked), on, json_, csv_)


@report.command("unallocated")
@on_option
@as_report
def report_unallocated(on: date | None, json_: bool, csv_: bool) -> None:
    """Money that was paid for a charge that is not there (yet).

    \b
    Example:
      career-ledger report unallocated
    """
    _report(lambda reports, asked: reports.unallocated(asked), on, json_, csv_)


@report.command("unknown")
@on_option
@as_report
def report_unknown(on: date | None, json_: bool, csv_: bool) -> None:
    """What cannot be told of careers, as nobody has read a value of their year: about what, and which value.

    \b
    Example:
      career-ledger report unknown --on 2025-03-20
    """
    _report(lambda reports, asked: spoken(reports.unknown(asked)), on, json_, csv_)


@report.command("counts")
@click.option("--by", default="programme,status,year", show_default=True, metavar="NAMES",
              help="What to count by: programme, status, year, academic_year, course_type, regime, reservation.")
@on_option
@as_report
def report_counts(by: str, on: date | None, json_: bool, csv_: bool) -> None:
    """How many careers and students there are.

    \b
    Example:
      career-ledger report counts --by programme,status,year --on 2026-03-20
    """
    from ledger.projections.everybody.reports import GROUPS

    names = [name.strip() for name in by.split(",")]
    if unknown := [name for name in names if name not in GROUPS]:
        raise misused(says("cli/by", text=", ".join(unknown) or "''", groups=GROUPS))
    _report(lambda reports, asked: reports.counts(asked, names), on, json_, csv_)


@click.command(short_help="Find careers by student, programme or status.")
@click.option("--career", metavar="NAME", help="The career's name.")
@click.option("--student", metavar="NAME", help="The student's pseudonym.")
@click.option("--programme", metavar="NAME", help="The programme, as it is recorded.")
@click.option("--status", metavar="NAME", help="The status on that day, such as enrolled.")
@on_option
@as_report
def find(career: str | None, student: str | None, programme: str | None, status: str | None, on: date | None,
         json_: bool, csv_: bool) -> None:
    """Careers as they stand on a day.

    \b
    Examples:
      career-ledger find --student S01
      career-ledger find --programme L-FIL --status suspended --on 2026-03-20
    """
    _report(lambda reports, asked: reports.find(asked, career=career, student=student, programme=programme,
                                                status=status), on, json_, csv_)
