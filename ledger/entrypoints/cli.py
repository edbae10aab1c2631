"""The command line: `career-ledger [--db URL] COMMAND ... [--json]` (section 7 of the published language).

Exit codes: 0 all done; 1 a line was refused or invalid, or the audit found something; 2 wrong usage; 3 not found;
4 others kept writing to the same students; 5 verification failed; 6 the database is unavailable or cannot be used, or students were set
aside; and those of every program (`ledger.edges.program`): 70, 74, 130, 141.
What a command needs is imported inside it, so that a question starts fast.
"""

import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

import click
from click.core import ParameterSource

from ledger.edges.program import UNAVAILABLE, USAGE, Program, Told, say, tell_json

if TYPE_CHECKING:
    from ledger.bootstrap import Answer, Ledger, Mode
    from ledger.domain.books import LawBooks
    from ledger.entrypoints.render import Page

PROGRAM = "career-ledger"
FOUND, NOT_FOUND, CONFLICT = 1, 3, 4
LONG_FILE = 200_000
"""Bytes from which appending a file shows its progress."""
BULK_FILE = 5_000_000
"""Bytes from which a file in mode record is imported in bulk."""
SESSIONS = ("winter", "extraordinary", "summer", "autumn")

FIRST_YEAR, LAST_YEAR = 1900, 2199
"""Of the days and years that events and questions may name."""
POSITIONS = click.IntRange(0, 2**63 - 1)
"""Of the log: what a database can count."""

_F = TypeVar("_F", bound=Callable[..., Any])


def day(text: str) -> date:
    """A calendar day from YYYY-MM-DD."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise click.BadParameter(f"{text!r} is no day: write it as YYYY-MM-DD")
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"there is no such day in the calendar: {text}") from None
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise click.BadParameter(f"the year must lie between {FIRST_YEAR} and {LAST_YEAR}")
    return found


def instant(text: str) -> datetime:
    """A moment with its offset from UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise click.BadParameter(f"{text!r} is no instant: write it as 2026-04-20T09:00:00Z")
    return moment


def academic_year(text: str) -> str:
    """2025-26."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}", text) or (int(text[:4]) + 1) % 100 != int(text[5:]):
        raise click.BadParameter(f"{text!r} is no academic year: write it as 2025-26")
    if not FIRST_YEAR <= int(text[:4]) <= LAST_YEAR:
        raise click.BadParameter(f"the year must lie between {FIRST_YEAR} and {LAST_YEAR}")
    return text


def course_code(text: str) -> str:
    """As events have it."""
    if not text.isprintable() or not re.fullmatch(r"\S{1,64}", text):
        raise click.BadParameter(f"{text!r} is no course: write its code, up to 64 characters without spaces")
    return text


UNIVERSITY = ("find", "project", "projection", "report")
"""The commands of `cli_university`, which is imported when one of them is named or all are listed."""

KAFKA = ("digests", "intake", "publish")
"""The same of `cli_kafka`."""


class Commands(Program):
    """The group of all commands."""

    title = PROGRAM

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *UNIVERSITY, *KAFKA, "generate"})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in UNIVERSITY:
            from ledger.entrypoints.cli_university import COMMANDS

            return COMMANDS[cmd_name]
        if cmd_name in KAFKA:
            from ledger.entrypoints import cli_kafka

            return cli_kafka.COMMANDS[cmd_name]
        if cmd_name == "generate":
            from ledger.entrypoints.cli_generate import generate

            return generate
        return super().get_command(ctx, cmd_name)

    def explained(self, error: Exception) -> tuple[Sequence[str], int] | None:
        from ledger.domain.knowledge import NotFound

        if isinstance(error, NotFound):
            return [str(error.args[0])], NOT_FOUND
        from ledger.rulebooks.loader import RuleBookError

        if isinstance(error, RuleBookError):
            return error.lines, USAGE
        from ledger.store import StoreUnavailable, StoreUnusable, VersionConflict

        if isinstance(error, VersionConflict | StoreUnavailable | StoreUnusable):
            return [" ".join(str(error).split())], CONFLICT if isinstance(error, VersionConflict) else UNAVAILABLE
        if "ledger.wire.kafka" in sys.modules:
            from ledger.entrypoints.cli_kafka import explained

            if (said := explained(error)) is not None:
                return [said], UNAVAILABLE
        return super().explained(error)


def as_json(function: _F) -> _F:
    return click.option("--json", "json_", is_flag=True, help="Print JSON for programs instead of text for people.")(function)


def as_known(function: _F) -> _F:
    """`--on`, `--known-at`, `--known-position`, `--json`: the two clocks of every question."""
    for option in (
        click.option("--known-position", type=POSITIONS, metavar="N", help="As known when the log ended at position N."),
        click.option("--known-at", type=instant, metavar="INSTANT", help="As known at that moment, 2026-04-20T09:00:00Z."),
        click.option("--on", type=day, metavar="DATE", help="The day that is asked about. Default: today in Italy."),
    ):
        function = option(function)
    return as_json(function)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name=PROGRAM, prog_name=PROGRAM)
@click.option("--db", metavar="URL", envvar="CAREER_LEDGER_DB",
              help="sqlite:///PATH or postgresql://USER@HOST/NAME. Default: $CAREER_LEDGER_DB, else a file in the user's data folder.")
@click.option("--rulebooks", metavar="FOLDER", envvar="CAREER_LEDGER_RULEBOOKS", type=click.Path(exists=True, file_okay=False),
              help="An institution's own rule books and interpretations. Default: $CAREER_LEDGER_RULEBOOKS, else the packaged ones.")
@click.pass_context
def cli(ctx: click.Context, db: str | None, rulebooks: str | None) -> None:
    """The ledger of university careers: records what happened and explains, for any day, what follows from it.

    \b
    Examples:
      career-ledger append events.jsonl
      career-ledger status S01 --on 2026-03-20
      career-ledger fees S01
      career-ledger rules cite BLK-1

    Exit codes: 0 done; 1 a line was refused or invalid, or the audit found something; 2 wrong usage; 3 not found;
    4 others kept writing to the same students; 5 verification failed; 6 the database is unavailable, or students were set
    aside; 70 a fault of this program; 74 the output cannot be written; 130 interrupted; 141 nobody reads the output.
    """
    ctx.obj = db
    if db and ctx.get_parameter_source("db") is ParameterSource.COMMANDLINE:
        from ledger.edges.address import forget_argument

        forget_argument(db)
    if rulebooks is not None:
        os.environ["CAREER_LEDGER_RULEBOOKS"] = rulebooks


@contextmanager
def _ledger(create: bool = False) -> "Iterator[Ledger]":
    from ledger.bootstrap import open_ledger

    with open_ledger(click.get_current_context().find_root().obj, create) as ledger:
        yield ledger


def _page() -> "Page":
    from ledger.entrypoints.render import Page

    return Page(sys.stdout)


def _asked(on: date | None, known_at: datetime | None, known_position: int | None) -> date:
    """The day asked about; refuses two different ways of saying what was known."""
    if known_at is not None and known_position is not None:
        raise click.UsageError("give --known-at or --known-position, not both")
    if on is not None:
        return on
    from ledger.bootstrap import today

    return today()


@cli.command(short_help="Record events from a file or standard input.")
@click.argument("file", type=click.Path(dir_okay=False, exists=True, readable=True, allow_dash=True))
@click.option("--mode", type=click.Choice(["enforce", "record"]), default="enforce", show_default=True,
              help="enforce: the rules can refuse; record: import what has already happened, the audit reports breaches.")
@click.option("--atomic", is_flag=True, help="All lines or none: one that is refused or invalid keeps the others out.")
@click.option("--wait", is_flag=True, help="Return when the stored projections include the events.")
@click.option("--bulk", is_flag=True, help="Import in worker processes and large transactions: mode record, by itself from 5 MB on.")
@click.option("--trusted", is_flag=True, help="FILE is what history --json printed: in bulk, form checked, no rule asked.")
@as_json
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
        raise click.UsageError("--bulk and --trusted go with --mode record and without --atomic")
    bulk = bulk or trusted or (mode == "record" and not atomic and file != "-" and Path(file).stat().st_size >= BULK_FILE)
    counted: Counter[str] = Counter()
    newest = 0
    with click.open_file(file, "rb") as stream, _ledger(create=True) as ledger, _progress(file, cast("BinaryIO", stream)) as lines:
        page, told = None if json_ else _page(), Told()
        for outcome in ledger.import_lines(lines, trusted) if bulk else ledger.append_lines(lines, mode, atomic):
            counted[outcome["outcome"]] += 1
            newest = max(newest, outcome.get("position") or 0)
            if page is None:
                told(partial(tell_json, outcome))
            elif outcome["outcome"] in ("refused", "invalid", "conflict", "set-aside") or "voided_by" in outcome:
                told(partial(page.outcome, outcome))
        if page is not None:
            told(partial(page.appended, counted))
    told.ended(PROGRAM, ", ".join(f"{number} {outcome}" for outcome, number in sorted(counted.items())) or "none")
    if wait and newest:
        from ledger.entrypoints.cli_university import wait_for_position

        wait_for_position(newest)
    if counted["set-aside"]:
        say(f"{PROGRAM}: {counted['set-aside']} lines are about students who cannot be read: send them again when a person has mended that")
        raise click.exceptions.Exit(UNAVAILABLE)
    if counted["conflict"]:
        say(f"{PROGRAM}: {counted['conflict']} lines met others who kept appending to the same students: send the file again")
        raise click.exceptions.Exit(CONFLICT)
    if counted["refused"] or counted["invalid"]:
        raise click.exceptions.Exit(FOUND)


@contextmanager
def _progress(file: str, stream: BinaryIO) -> Iterator[Iterable[bytes]]:
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


@cli.command(short_help="Careers: status, blocks, what comes next.")
@click.argument("student")
@as_known
def status(student: str, on: date | None, known_at: datetime | None, known_position: int | None, json_: bool) -> None:
    """Each career of STUDENT: its status, year, credits, blocks, and what will change if nothing else happens.

    \b
    Examples:
      career-ledger status S01
      career-ledger status S01 --on 2026-03-20
      career-ledger status S01 --on 2026-03-20 --known-at 2026-03-21T12:00:00Z
    """
    asked = _asked(on, known_at, known_position)
    with _ledger() as ledger:
        answer = ledger.status(student, asked, known_at, known_position)
    tell_json(answer) if json_ else _page().status(answer)


@cli.command(short_help="Charges: paid, owed, overdue, waived.")
@click.argument("student")
@as_known
def fees(student: str, on: date | None, known_at: datetime | None, known_position: int | None, json_: bool) -> None:
    """Every charge of STUDENT: what is paid, owed, overdue or waived, and why.

    \b
    Examples:
      career-ledger fees S01
      career-ledger fees S01 --on 2026-02-18 --json
    """
    asked = _asked(on, known_at, known_position)
    with _ledger() as ledger:
        answer = ledger.fees(student, asked, known_at, known_position)
    tell_json(answer) if json_ else _page().fees(answer)


@cli.command(short_help="May this exam be booked, and if not, why?")
@click.argument("student")
@click.option("--career", required=True, help="The career in which the exam is sat.")
@click.option("--course", type=course_code, required=True, metavar="CODE", help="The course's code.")
@click.option("--held-on", type=day, required=True, metavar="DATE", help="The day of the exam.")
@click.option("--session", type=click.Choice(SESSIONS), required=True, help="The session of the call.")
@click.option("--academic-year", type=academic_year, required=True, metavar="YEAR", help="The academic year of the call, 2025-26.")
@click.option("--calls-start-on", type=day, required=True, metavar="DATE", help="The day on which the session's calls start.")
@click.option("--opens-on", type=day, metavar="DATE", help="The day on which booking opens. Default: as the year's rules say.")
@click.option("--mode", type=click.Choice(["written", "oral"]), help="How the exam is held.")
@as_known
def eligibility(student: str, career: str, course: str, held_on: date, session: str, academic_year: str, calls_start_on: date,
                opens_on: date | None, mode: str | None, on: date | None, known_at: datetime | None, known_position: int | None,
                json_: bool) -> None:
    """May STUDENT book this exam on the day asked about? If not: every reason, its source, and what would lift it.

    \b
    Example:
      career-ledger eligibility S01 --career B --course F1 --held-on 2026-06-22 --session summer \\
          --academic-year 2025-26 --calls-start-on 2026-06-08 --on 2026-05-25
    """
    asked = _asked(on, known_at, known_position)
    with _ledger() as ledger:
        answer = ledger.eligibility(student, asked, career, course, held_on, session, academic_year, calls_start_on, opens_on, mode,
                                    known_at, known_position)
    tell_json(answer) if json_ else _page().eligibility(answer, student, career, course, held_on, asked)


@cli.command(short_help="Replay a student, event by event.")
@click.argument("student")
@as_known
def history(student: str, on: date | None, known_at: datetime | None, known_position: int | None, json_: bool) -> None:
    """Replay STUDENT: each event in order, and what it changed in status, fees and blocks.

    \b
    Examples:
      career-ledger history S01
      career-ledger history S01 --known-position 120 --json
    """
    asked = _asked(on, known_at, known_position)
    with _ledger() as ledger:
        steps = ledger.history(student, asked, known_at, known_position)
        if json_:
            for step in steps:
                tell_json(step)
        else:
            _page().history(student, steps)


@cli.command(short_help="Breaches of the rules, and derogations.")
@click.argument("students", nargs=-1, metavar="[STUDENT]...")
@as_known
def audit(students: tuple[str, ...], on: date | None, known_at: datetime | None, known_position: int | None, json_: bool) -> None:
    """What breaks a rule, and every derogation: for the STUDENTs named, or for all. Exit code 1 when there is any finding.

    \b
    Examples:
      career-ledger audit
      career-ledger audit S01 S02 --on 2026-09-30 --json
    """
    asked = _asked(on, known_at, known_position)
    with _ledger() as ledger:
        findings = ledger.audit(students, asked, known_at, known_position)
        if json_:
            count = 0
            for finding in findings:
                tell_json(finding)
                count += 1
        else:
            count = _page().audit(findings)
    if count:
        raise click.exceptions.Exit(FOUND)


@cli.group(short_help="The law: show a year, compare two, cite a rule.")
def rules() -> None:
    """The law as the ledger applies it: values, sources and interpretations by academic year.

    \b
    Examples:
      career-ledger rules show 2025-26
      career-ledger rules diff 2019-20 2025-26
      career-ledger rules cite BLK-1
    """


def _law(ask: "Callable[[LawBooks], Answer]") -> "Answer":
    """A question to the rule books; an id or a year that they do not know is not found."""
    from ledger.bootstrap import law
    from ledger.domain.knowledge import NotFound

    books = law()
    try:
        return ask(books)
    except LookupError as error:
        raise NotFound(str(error)) from None


@rules.command("show")
@click.argument("year", type=academic_year)
@as_json
def show_(year: str, json_: bool) -> None:
    """Every rule and interpretation of the academic YEAR, with its values and source.

    \b
    Example:
      career-ledger rules show 2025-26
    """
    from ledger.rulebooks.show import show

    answer = _law(lambda books: show(books, year))
    tell_json(answer) if json_ else _page().rule_book(answer)


@rules.command("diff")
@click.argument("old", type=academic_year, metavar="YEAR")
@click.argument("new", type=academic_year, metavar="YEAR")
@as_json
def diff_(old: str, new: str, json_: bool) -> None:
    """What changed from one academic YEAR to another.

    \b
    Example:
      career-ledger rules diff 2019-20 2025-26
    """
    from ledger.rulebooks.show import diff

    answer = _law(lambda books: diff(books, old, new))
    tell_json(answer) if json_ else _page().rule_changes(answer)


@rules.command("cite")
@click.argument("id_", metavar="ID")
@as_json
def cite_(id_: str, json_: bool) -> None:
    """The rule or interpretation ID (BLK-1, AMB-2) in every year that has it: what it says, its values and source.

    \b
    Examples:
      career-ledger rules cite BLK-1
      career-ledger rules cite AMB-4 --json
    """
    from ledger.rulebooks.show import cite

    answer = _law(lambda books: cite(books, id_))
    tell_json(answer) if json_ else _page().citation(answer)


@cli.command(short_help="Print the completion script of your shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes commands and options in SHELL.

    \b
    Examples:
      career-ledger completion bash > ~/.local/share/bash-completion/completions/career-ledger
      career-ledger completion fish > ~/.config/fish/completions/career-ledger.fish
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is not None:
        click.echo(found(cli, {}, PROGRAM, "_CAREER_LEDGER_COMPLETE").source())  # our own lines


def main() -> None:
    cli(prog_name=PROGRAM)


if __name__ == "__main__":
    main()
