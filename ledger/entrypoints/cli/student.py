"""The questions about one student: `status`, `fees`, `eligibility`, `history`, `picture`,
`what-if`."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

import click

from ledger.domain.phrases import says
from ledger.edges.program import tell_json

from .errors import misused
from .options import (
    FOUND,
    SESSIONS,
    Asked,
    academic_year,
    actor_option,
    answered_in,
    as_known,
    course_code,
    day,
    opened,
    page,
    purpose_option,
    read_for,
    spoken,
)

if TYPE_CHECKING:
    from ledger.projections.student.what_if import Call

_F = TypeVar("_F", bound=Callable[..., Any])


@click.command(short_help="Careers: status, blocks, what comes next.")
@click.argument("student")
@as_known
def status(student: str, asked: Asked, json_: bool) -> None:
    """Each career of STUDENT: its status, year, credits, blocks, and what will change if nothing else happens.

    \b
    Examples:
      career-ledger status S01
      career-ledger status S01 --on 2026-03-20
      career-ledger status S01 --on 2026-03-20 --known-at 2026-03-21T12:00:00Z
    """
    with opened() as ledger:
        answer = spoken(ledger.status(student, *asked))
    tell_json(answer) if json_ else page().status(answer)


@click.command(short_help="Charges: paid, owed, overdue, waived.")
@click.argument("student")
@as_known
def fees(student: str, asked: Asked, json_: bool) -> None:
    """Every charge of STUDENT: what is paid, owed, overdue or waived, and why.

    \b
    Examples:
      career-ledger fees S01
      career-ledger fees S01 --on 2026-02-18 --json
    """
    with opened() as ledger:
        answer = spoken(ledger.fees(student, *asked))
    tell_json(answer) if json_ else page().fees(answer)


def as_call(required: bool) -> Callable[[_F], _F]:
    """The options that name a call of an exam, handed over as `call`; where none is `required`, all or none are given,
    and it may be None."""

    def decorated(function: _F) -> _F:
        @functools.wraps(function)
        def with_call(*args: Any, **rest: Any) -> Any:
            from ledger.domain.events import ExamBooked
            from ledger.projections.student.what_if import Call

            given = {name: rest.pop(name) for name in ("career", *_CALL)}
            missing = [f"--{name.replace('_', '-')}" for name in ("career", *_NEEDED) if given[name] is None]
            if all(value is None for value in given.values()):
                return function(*args, call=None, **rest)
            if missing:
                raise misused(says("cli/whole-call", text=", ".join(missing)))
            career = given.pop("career")
            exam = ExamBooked(**given | {"mode": given["mode"] or "written"})  # each option has checked its value
            return function(*args, call=Call(career, exam), **rest)

        made: Any = with_call
        for option in reversed((
                click.option("--career", required=required, metavar="NAME",
                             help="The career in which the exam is sat."),
                click.option("--course", type=course_code, required=required, metavar="CODE",
                             help="The course's code."),
                click.option("--held-on", type=day, required=required, metavar="DATE", help="The day of the exam."),
                click.option("--session", type=click.Choice(SESSIONS), required=required,
                             help="The session of the call."),
                click.option("--academic-year", type=academic_year, required=required, metavar="YEAR",
                             help="The academic year of the call, 2025-26."),
                click.option("--calls-start-on", type=day, required=required, metavar="DATE",
                             help="The day on which the session's calls start."),
                click.option("--opens-on", type=day, metavar="DATE", help="The day on which booking opens. Default: "
                                                                          "as the year's rules say."),
                click.option("--mode", type=click.Choice(["written", "oral"]), help="How the exam is held."))):
            made = option(made)
        return cast("_F", made)

    return decorated


_NEEDED = ("course", "held_on", "session", "academic_year", "calls_start_on")
_CALL = (*_NEEDED, "opens_on", "mode")


@click.command(short_help="May this exam be booked, and if not, why?")
@click.argument("student")
@as_call(required=True)
@as_known
def eligibility(student: str, call: "Call", asked: Asked, json_: bool) -> None:
    """May STUDENT book this exam on the day asked about? If not: every reason, its source, and what would lift it.

    \b
    Example:
      career-ledger eligibility S01 --career B --course F1 --held-on 2026-06-22 --session summer \\
          --academic-year 2025-26 --calls-start-on 2026-06-08 --on 2026-05-25
    """
    with opened() as ledger:
        answer = spoken(ledger.eligibility(student, asked.on, *call, asked.known_at, asked.known_position))
    tell_json(answer) if json_ else page().eligibility(answer)


@click.command(short_help="Replay a student, event by event.")
@click.argument("student")
@purpose_option(required=False)
@actor_option
@as_known
def history(student: str, purpose: str | None, actor: str | None, asked: Asked, json_: bool) -> None:
    """Replay STUDENT: each event in order, and what it changed in status, fees and blocks.

    What is sealed stays sealed unless you say why you read it: --purpose, which stands in the access log.

    \b
    Examples:
      career-ledger history S01
      career-ledger history S01 --known-position 120 --json
      career-ledger history S01 --purpose "appeal 12/2026"
    """
    read = read_for(purpose, actor) if purpose is not None else None
    with opened() as ledger:
        steps = map(spoken, ledger.history(student, *asked, read))
        if json_:
            for step in steps:
                tell_json(step)
        else:
            page().history(student, steps)


@click.command(short_help="A career as a picture, and as the equal table.")
@click.argument("student")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.svg",
              help="Write the picture there, in the place of one that is there. Default: print the table.")
@as_known
def picture(student: str, output: Path | None, asked: Asked, json_: bool) -> None:
    """What was when in each career of STUDENT, and what is to come if nothing else happens: enrolment, blocks, money,
    exams, deadlines, and what was recorded more than a week late.

    \b
    Examples:
      career-ledger picture S01
      career-ledger picture S01 --on 2026-03-20 --output timeline.svg
    """
    from ledger.edges.files import open_output

    with opened() as ledger:
        found = ledger.timeline(student, *asked)
    if output is not None:
        from ledger.entrypoints.picture import svg

        drawn = svg(found, answered_in())
        try:
            with open_output(output) as out:
                out.write(drawn)
        except OSError as error:
            raise misused(says("cli/output", text=f"{output} ({error.strerror})")) from None
    if json_:
        tell_json(spoken(found))
    elif output is not None:
        page().tell(says("picture/written", student=student, text=str(output)))
    else:
        page().picture(spoken(found))


@click.command("what-if", short_help="What would change if more had happened? Nothing is stored.")
@click.argument("student")
@click.option("--with", "file", required=True, metavar="FILE",
              type=click.Path(dir_okay=False, exists=True, readable=True, allow_dash=True),
              help="What is supposed: submissions as `append` takes them, one JSON object a line; - reads standard "
                   "input.")
@as_call(required=False)
@as_known
def what_if(student: str, file: str, call: "Call | None", asked: Asked, json_: bool) -> None:
    """Every answer about STUDENT before and after events that are supposed, and what differs. Nothing is stored.

    Each line is decided as `append` would decide it after those before it; one that is refused or invalid counts for
    nothing, says why, and makes the exit code 1. An event of a day to come is supposed to be submitted on that day.
    Without --on the answers are those of today, or of the last day that is supposed. With the options of `eligibility`
    that is asked too.

    \b
    Examples:
      career-ledger what-if S01 --with payment.jsonl
      career-ledger what-if S01 --with - --on 2026-03-20 --json < payment.jsonl
    """
    from ledger.bootstrap import WhatIf
    from ledger.handling.lines import numbered, read_lines

    given = click.get_current_context().params["on"]
    with click.open_file(file, "rb") as stream, opened() as ledger:
        answer = spoken(ledger.what_if(student, numbered(read_lines(cast("BinaryIO", stream))),
                                       WhatIf(given, asked.known_at, asked.known_position, call)))
    tell_json(answer) if json_ else page().what_if(answer)
    if any(one["outcome"] in ("refused", "invalid") for one in answer["outcomes"]):
        raise click.exceptions.Exit(FOUND)
