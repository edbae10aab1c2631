# ruff: noqa: S608 - statements are put together from names of our own only
"""The command line of every service: `python -m consumers.NAME run --db URL --kafka HOST:PORT` and
`... status --db URL`.

Exit codes: 0 stopped as asked; 2 wrong usage; 5 the topic no longer holds what was not read; 6 the database is away;
and those of every program (`ledger.edges.program`). Where the database or Kafka is away, `run` waits.
"""

import functools
import logging
import re
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar, cast

import click
from click.core import ParameterSource

from consumers.database import Database, DatabaseAway, DatabaseRefused, DatabaseUnusable
from ledger.domain.values import FIRST_YEAR, LAST_YEAR
from ledger.edges.address import forget_argument
from ledger.edges.door import Door, bound_to, door_options, metrics_option
from ledger.edges.log import Note, log_format_option
from ledger.edges.memory import spare_the_collector
from ledger.edges.program import UNAVAILABLE, USAGE, Program, tell_json
from ledger.edges.records import formatter
from ledger.edges.web import Server
from ledger.wire.kafka import BROKERS, KafkaUnusable
from ledger.words.help import translate
from ledger.words.reader import read_by

from .loop import Loop, MessagesGone
from .service import Service
from .tables import migrations

translate()

GONE, AWAY = 5, UNAVAILABLE
PARKED = ("student", "waits_for_version", "reason", "detail", "partition", "offset", "since")
DATABASE = "CAREER_LEDGER_CONSUMER_DB"

_F = TypeVar("_F", bound=Callable[..., Any])


class Consumer(Program):
    """The group of a service's commands."""

    def invoke(self, ctx: click.Context) -> Any:
        read_by(ctx)
        return super().invoke(ctx)

    def explained(self, error: Exception) -> tuple[Sequence[str], int] | None:
        if isinstance(error, DatabaseAway | DatabaseRefused):
            return [str(error)], AWAY
        if isinstance(error, DatabaseUnusable | KafkaUnusable):
            return [f"Error: {error}"], USAGE
        return super().explained(error)


_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def day(text: str) -> date:
    """Of the years that the ledger knows: days before and after one can be counted."""
    try:
        found = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None:
        raise click.BadParameter(f"{text!r} is no day: write it as YYYY-MM-DD")
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise click.BadParameter(f"{text}: write a year from {FIRST_YEAR} to {LAST_YEAR}")
    return found


def _given(context: click.Context, _: click.Parameter, url: str) -> str:
    if context.get_parameter_source("url") is ParameterSource.COMMANDLINE:
        forget_argument(url)
    return url


db = click.option("--db", "url", required=True, envvar=DATABASE, metavar="URL", show_envvar=True, callback=_given,
                  help="The service's own database: sqlite:///PATH or postgresql://USER@HOST/DATABASE.")


@dataclass(frozen=True)
class Running:
    """What `run` of every service is told: the address of its database, the brokers, where it shows metrics, who may
    ask over HTTP, and whether it may go on where messages are gone that it has not read."""

    url: str
    brokers: str
    metrics: str | None
    door: Door
    from_oldest: bool


def run_options(command: _F) -> _F:
    """--db, --kafka, --metrics-port, --from-oldest and the options of `web`: what `run` of every service takes, as
    `running`."""

    @functools.wraps(command)
    def with_running(*args: Any, url: str, brokers: str, metrics: str | None, door: Door, from_oldest: bool,
                     **rest: Any) -> Any:
        return command(*args, running=Running(url, brokers, metrics, door, from_oldest), **rest)

    made: Any = with_running
    for option in reversed((
            db,
            click.option("--kafka", "brokers", required=True, envvar=BROKERS, metavar="HOST:PORT,...", show_envvar=True,
                         help="The brokers."),
            metrics_option, door_options, log_format_option,
            click.option("--from-oldest", is_flag=True, help="Go on from the oldest message that a topic still holds, "
                                                             "where what was not read is gone."))):
        made = option(made)
    return cast("_F", made)


def run(service: Service, running: Running) -> None:
    """Runs until SIGTERM or SIGINT."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("kafka").setLevel(logging.ERROR)
    spare_the_collector()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with database_at(running.url) as database:
        try:
            loop = Loop(service, database, running.brokers, stop, running.from_oldest)
        except KafkaUnusable as error:
            raise click.UsageError(str(error)) from None
        place = bound_to(running.metrics, running.door, "--metrics-port") if running.metrics is not None else None
        if place is not None:
            loop.log.info(Note("consumer/metrics", "metrics on port {port}", port=place.port))
        loop.log.info(Note("consumer/started", "started"))
        try:
            with Server(loop.metrics.routes, place) if place is not None else nullcontext():
                loop.run()
        except MessagesGone as error:
            for line in str(error).splitlines():
                loop.log.error(Note("consumer/messages-gone", "{line}", line=line))
            raise SystemExit(GONE) from None
        loop.log.info(Note("consumer/stopped", "stopped"))


def database_at(url: str) -> Database:
    """Raises click.UsageError."""
    try:
        return Database(url)
    except DatabaseUnusable as error:
        raise click.UsageError(str(error)) from None


def status_command(service: type[Service]) -> click.Command:
    """`status`: how far the service has come and which students are parked, as JSON."""
    name = service.name

    @click.command("status")
    @db
    def status(url: str) -> None:
        """Shows the position in every topic and the students that are parked, as JSON."""
        with database_at(url) as database:
            database.check(migrations(service))
            positions = database.ask(f"SELECT topic, part, next_offset, log_position FROM {name}_positions ORDER BY "
                                     "topic, part")
            parked = database.ask("SELECT student, version, reason, detail, part, place, "
                                  f"since FROM {name}_parked ORDER BY student")
        tell_json({
            "positions": [dict(zip(("topic", "partition", "next_offset", "log_position"), row, strict=True))
                          for row in positions],
            "parked": [dict(zip(PARKED, row, strict=True)) for row in parked]}, indent=1)

    return status
