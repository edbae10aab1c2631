"""What commands share: exit codes, how values are read, options, and the ledger that is asked."""

import functools
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import click
from click.core import ParameterSource

from ledger.domain.phrases import Phrase, says
from ledger.edges import program
from ledger.edges.address import forget_text
from ledger.edges.log import Note
from ledger.words.reader import locale_language

from .errors import bad_value, in_words, misused

if TYPE_CHECKING:
    from ledger.bootstrap import Answer, Ledger, Read
    from ledger.edges.door import Listener
    from ledger.edges.watch import Watch
    from ledger.entrypoints.text import Page
    from ledger.words import Language

PROGRAM = "career-ledger"
FOUND, NOT_FOUND, CONFLICT, DIFFERENT = 1, 3, 4, 5
SESSIONS = ("winter", "extraordinary", "summer", "autumn")

FIRST_YEAR, LAST_YEAR = 1900, 2199
"""Of the days and years that events and questions may name."""
POSITIONS = click.IntRange(0, 2**63 - 1)
"""Of the log: what a database can count."""

_F = TypeVar("_F", bound=Callable[..., Any])


class Settings(NamedTuple):
    """What stands before the command. None: the file in the user's data folder; the packaged rule
    books; the locale's language; no key store."""

    db: str | None
    rulebooks: Path | None
    language: "Language | None" = None
    keys: str | None = None


class Asked(NamedTuple):
    """The day that is asked about, and as known when: None, None means now."""

    on: date
    known_at: datetime | None
    known_position: int | None


def day(text: str) -> date:
    """A calendar day from YYYY-MM-DD."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise bad_value(says("cli/day", field=text))
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise bad_value(says("cli/no-such-day", text=text)) from None
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise bad_value(says("form/year-range"))
    return found


def instant(text: str) -> datetime:
    """A moment with its offset from UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise bad_value(says("cli/instant", field=text))
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise bad_value(says("form/year-range"))
    return moment


def academic_year(text: str) -> str:
    """2025-26."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}", text) or (int(text[:4]) + 1) % 100 != int(text[5:]):
        raise bad_value(says("cli/academic-year", field=text))
    if not FIRST_YEAR <= int(text[:4]) <= LAST_YEAR:
        raise bad_value(says("form/year-range"))
    return text


def course_code(text: str) -> str:
    """As events have it."""
    from ledger.domain.values import is_unicode

    if not re.fullmatch(r"[^\s\x00-\x1f]{1,64}", text) or not is_unicode(text):
        raise bad_value(says("cli/course", field=text))
    return text


LONGEST_REASON = 10_000
"""Characters."""


def read_reason(_: click.Context, __: click.Parameter, file: Path) -> str:
    """Of an order, as a file of text."""
    try:
        text = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        text = ""
    if not text or len(text) > LONGEST_REASON:
        raise bad_value(says("cli/reason", count=LONGEST_REASON))
    return text


def _two(_: click.Context, __: click.Parameter, authorities: tuple[str, ...]) -> tuple[str, ...]:
    named = tuple(one.strip() for one in authorities)
    if len({one.casefold() for one in named if one}) < 2 or not all(named):
        raise misused(says("cli/two-authorities"))
    return named


authorities_option = click.option("--authority", "authorities", multiple=True, required=True, callback=_two,
                                  metavar="NAME", help="Who orders it: give two different ones.")

_SCHEDULER = r"(?:tcp|tls|wss?)://[^\s@]{1,300}"


def engine_options(function: _F) -> _F:
    """`--workers` and `--cluster`, handed over as `how`."""

    @functools.wraps(function)
    def with_how(*args: Any, workers: int | None, cluster: str | None, **rest: Any) -> Any:
        from ledger.parallel import How

        if workers is not None and cluster is not None:
            raise misused(says("cli/not-both", first="--workers", second="--cluster"))
        if cluster is not None and not re.fullmatch(_SCHEDULER, cluster):
            raise bad_value(says("cli/cluster", field=cluster), param_hint="--cluster")
        return function(*args, how=How(workers, cluster), **rest)

    made: Any = with_how
    for option in (
        click.option("--cluster", metavar="ADDRESS",
                     help="Have the work done by a Dask cluster, tcp://SCHEDULER:8786, in place of this machine."),
        click.option("--workers", type=click.IntRange(1, 1024), metavar="N",
                     help="Worker processes. Default: one a processor."),
    ):
        made = option(made)
    return cast("_F", made)


on_option = click.option("--on", type=day, metavar="DATE", help="The day that is asked about. Default: today in Italy.")
actor_option = click.option("--actor", metavar="NAME", help="On whose behalf; your own user name is noted too.")
json_option = click.option("--json", "json_", is_flag=True, help="Print JSON for programs instead of text for people.")


def as_known(function: _F) -> _F:
    """`--on`, `--known-at`, `--known-position`, handed over as `asked`, and `--json`: the two
    clocks of every question."""

    @functools.wraps(function)
    def with_asked(*args: Any, on: date | None, known_at: datetime | None, known_position: int | None,
                   **rest: Any) -> Any:
        from ledger.bootstrap import today

        if known_at is not None and known_position is not None:
            raise misused(says("cli/not-both", first="--known-at", second="--known-position"))
        return function(*args, asked=Asked(on or today(), known_at, known_position), **rest)

    made: Any = with_asked
    for option in (
        click.option("--known-position", type=POSITIONS, metavar="N",
                     help="As known when the log ended at position N."),
        click.option("--known-at", type=instant, metavar="INSTANT",
                     help="As known at that moment, 2026-04-20T09:00:00Z."),
        on_option, json_option,
    ):
        made = option(made)
    return cast("_F", made)


_PLACE = "ledger.place"


def shows_metrics(command: _F) -> _F:
    """`--metrics-port` and the options of who may ask, for `watched`. What it listens on is bound at once."""
    from ledger.edges.door import bound_to, door_options, metrics_option

    @functools.wraps(command)
    def bound(*args: Any, metrics: str | None, door: Any, **rest: Any) -> Any:
        if metrics is not None:
            click.get_current_context().meta[_PLACE] = bound_to(metrics, door, "--metrics-port")
        return command(*args, **rest)

    return cast("_F", metrics_option(door_options(bound)))


@contextmanager
def watched(name: str) -> "Iterator[Watch]":
    """Takes the figures of the program of this name, and shows them where that was asked for."""
    from ledger.edges.watch import Watch

    place: Listener | None = click.get_current_context().meta.get(_PLACE)
    if place is None:
        yield Watch()
        return
    try:
        from ledger.edges.figures import shown
    except ModuleNotFoundError as error:
        raise misused(says("cli/metrics", text=error.name or "")) from None
    say(Note("metrics/shown", "metrics on port {port}", port=place.port))
    with shown(name, place) as watch:
        yield watch


def reference_option(required: bool = False) -> Callable[[_F], _F]:
    return click.option("--reference", type=click.Path(exists=True, file_okay=False, path_type=Path), required=required,
                        envvar="CAREER_LEDGER_REFERENCE", metavar="FOLDER",
                        help="The university's codes, degree programmes and courses (institute.yaml, courses.yaml, "
                             "programmes-YEAR.yaml).")


LONGEST_PURPOSE = 2_000


def purpose_option(required: bool) -> Callable[[_F], _F]:
    """`--purpose`, which stands in the access log. It is missed in words: nothing is opened without one."""

    def said(context: click.Context, parameter: click.Parameter, text: str | None) -> str | None:
        if (text is None and required) or (text is not None and not 0 < len(text.strip()) <= LONGEST_PURPOSE):
            raise misused(says("cli/purpose", count=LONGEST_PURPOSE))
        if text is not None and context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE:
            forget_text(text)  # it may name her
        return text.strip() if text is not None else None

    return click.option("--purpose", callback=said, metavar="TEXT",
                        help="Why it is read; it stands in the access log.")


def read_for(purpose: str, actor: str | None) -> "Read":
    """By whoever runs this process, whatever the environment calls them."""
    import os
    import pwd

    from ledger.bootstrap import Read

    try:
        who = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        who = str(os.getuid())
    return Read(who, actor, purpose)


def settings() -> Settings:
    found: Settings = click.get_current_context().find_root().obj
    return found


@contextmanager
def opened(create: bool = False) -> "Iterator[Ledger]":
    """The ledger that is asked; it must exist unless `create` is True."""
    from ledger.bootstrap import open_ledger

    db, rulebooks, _, keys = settings()
    with open_ledger(db, create, rulebooks, keys) as ledger:
        yield ledger


def spoken(answer: "Answer") -> "Answer":
    """An answer in words."""
    from ledger.words import told

    return cast("Answer", told(answer, answered_in()))


def answered_in() -> "Language":
    """For a page its language, for programs the one that they asked for, else English."""
    from ledger.words import DEFAULT

    given = click.get_current_context().params
    asked = given.get("json_") or given.get("csv_")
    return settings().language or (DEFAULT if asked else locale_language())


def page() -> "Page":
    from ledger.entrypoints.text import Page

    return Page(sys.stdout, settings().language or locale_language())


def tell_reader(told: Phrase) -> None:
    """One line on standard error for who gave the command."""
    say(in_words(told))


def say(text: str) -> None:
    """One line on standard error for who runs the program, and for logs: English."""
    program.say(text, PROGRAM)
