"""The commands that speak to Apache Kafka: `publish`, `digests`, `intake`.

Exit code 6 also where the brokers are unavailable or the topics cannot be used.
"""

import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, NoReturn

import click

from ledger.domain.phrases import says
from ledger.edges.log import Note, log_format_option
from ledger.edges.memory import spare_the_collector
from ledger.edges.program import tell_json
from ledger.wire.kafka import BROKERS, PARTITIONS, KafkaUnusable

from .errors import misused
from .options import POSITIONS, opened, page, say, shows_metrics, watched

if TYPE_CHECKING:
    from ledger.edges.watch import Watch

PAUSE_SECONDS = 1.0
"""Between a lost database and the next attempt."""

kafka_option = click.option("--kafka", "brokers", envvar=BROKERS, metavar="HOST:PORT[,...]",
                            help=f"The brokers. Default: ${BROKERS}.")


def explained(error: Exception) -> str | None:
    """What an error that has to do with Kafka means to the caller; None for any other."""
    from kafka.errors import KafkaError

    from ledger.relay import Restart
    from ledger.relay.lane import Undelivered

    if isinstance(error, KafkaUnusable | Undelivered | Restart):
        return " ".join(str(error).split())
    if isinstance(error, KafkaError):
        return f"Kafka cannot be used ({type(error).__name__}): check --kafka and the brokers, then try again"
    return None


def needed(brokers: str | None) -> str:
    if not brokers:
        raise misused(says("cli/brokers", text=BROKERS))
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # what matters is said in our own words
    return brokers


@click.command(short_help="Publish every event and every current answer to Kafka.")
@kafka_option
@click.option("--partitions", type=click.IntRange(min=1, max=10_000), default=PARTITIONS, show_default=True,
              metavar="N", help="Partitions of topics that are made. Choose enough: they cannot change later.")
@click.option("--replicas", type=click.IntRange(min=1, max=100), metavar="N",
              help="Copies of topics that are made. Default: 3, or as many as there are brokers.")
@click.option("--once", is_flag=True, help="Stop when everything recorded is published.")
@click.option("--from", "position", type=POSITIONS, metavar="POSITION",
              help="Publish again every event from POSITION on and the states of their students, then stop.")
@click.option("--replay", "student", metavar="STUDENT",
              help="Publish again all events and states of one student, then stop.")
@click.option("--status", "status_", is_flag=True, help="Say how far each topic goes, and stop.")
@click.option("--json", "json_", is_flag=True,
              help="With --status: print JSON for programs instead of text for people.")
@shows_metrics
@log_format_option
def publish(brokers: str | None, partitions: int, replicas: int | None, once: bool, position: int | None,
            student: str | None, status_: bool, json_: bool) -> None:
    """Publish the log to career.events.v1, the careers' states to career.state.v1 and heartbeats, until SIGTERM.

    Makes the topics that are missing. Several may run: one publishes, the others take over when it ends. After a crash
    or a failure the same command goes on where the brokers last acknowledged; the last messages may then be in a topic
    twice.

    --from and --replay may run beside it: what they send stands behind newer messages, and subscribers drop what they
    have.

    \b
    Examples:
      career-ledger publish --kafka localhost:9092
      career-ledger publish --once
      career-ledger publish --from 120000
      career-ledger publish --replay S01
      career-ledger publish --status
    """
    if (position is not None) + (student is not None) + status_ + once > 1:
        raise misused(says("cli/publish-one"))
    if status_:
        _status(json_)
    elif position is not None or student is not None:
        _again(needed(brokers), position, student)
    else:
        with watched("publish") as watch:
            _publish(needed(brokers), partitions, replicas, once, watch)


def _publish(brokers: str, partitions: int, replicas: int | None, once: bool, watch: "Watch") -> None:
    from ledger.parallel.processes import give_back
    from ledger.relay import Restart
    from ledger.store import StoreUnavailable

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    spare_the_collector()
    while True:
        try:
            with opened() as ledger:
                ledger.publish(brokers, stop, say, once, partitions, replicas, watch)
            break
        except Restart as error:
            if once:
                raise
            if stop.is_set():
                break
            give_back()
            _begin_again(str(error))
        except StoreUnavailable as error:
            if once:
                raise
            if stop.is_set():
                break
            say(Note("publish/trying-again", "{why}; trying again", "warning", why=error))
            watch.retry()
            stop.wait(PAUSE_SECONDS)
    sys.stdout.flush()
    sys.stderr.flush()
    give_back()
    os._exit(0)  # a lane whose last messages Kafka does not acknowledge would be waited for


def _begin_again(why: str) -> NoReturn:
    """This program anew in the place of this process: what a lane still has in memory must not be sent any more, since
    another relay may hold the lock by now."""
    say(Note("publish/beginning-again", "{why}; beginning again", "warning", why=why))
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606


def _again(brokers: str, position: int | None, student: str | None) -> None:
    with opened() as ledger:
        events, states = ledger.publish_from(brokers,
                                             position or 0) if student is None else ledger.replay(brokers, student)
    page().tell(says("page/again", count=events, more=states))


def _status(json_: bool) -> None:
    with opened() as ledger:
        answer = ledger.published()
    if json_:
        tell_json(answer)
        return
    page().published(answer)


@click.command(short_help="The hashes of every event, for comparison with an archive.")
@click.option("--after", "position", type=POSITIONS, default=0, metavar="POSITION", help="Only events above it.")
def digests(position: int) -> None:
    """Print one JSON line an event: position, student, version, type, digest of the stored bytes and payload_sha256 of
    its message.

    The digest is keyed (CAREER_LEDGER_DIGEST_KEY): it is compared with that of the message, not made anew elsewhere.

    \b
    Example:
      career-ledger digests --after 120000 > digests.jsonl
    """
    with opened() as ledger:
        for one in ledger.digests(position):
            tell_json(one)


@click.command(short_help="Record what other systems submit through Kafka.")
@kafka_option
@shows_metrics
@log_format_option
def intake(brokers: str | None) -> None:
    """Answer the submissions of career.submissions.v1 as `append` does in mode enforce, until SIGTERM.

    Each gets its outcome on career.outcomes.v1; what is no submission at all goes to career.dead-letter.v1. Several may
    run: they share the partitions. A submission that comes again is stored once and answered alike, also when it was
    refused.

    \b
    Example:
      career-ledger intake --kafka localhost:9092
    """
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with opened(create=True) as ledger, watched("intake") as watch:
        given = ledger.intake(needed(brokers), stop, say, watch)
    told = "; ".join(f"{count} {kind}" for kind, count in sorted(given.items()) if count)
    say(Note("intake/ended", "{told}", "info", told=told or "no submission came", **given))
