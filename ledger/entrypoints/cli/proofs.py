"""Proofs: `checkpoint` seals and signs."""

import signal
import threading
from typing import TYPE_CHECKING

import click

from ledger.domain.phrases import says
from ledger.edges.log import Note, log_format_option
from ledger.edges.program import tell, tell_json

from .options import json_option, opened, page, say, shows_metrics, watched

if TYPE_CHECKING:
    from ledger.bootstrap import Answer

PAUSE_SECONDS = 1.0
"""Between a lost database and the next attempt."""


@click.command(short_help="Seal and sign what is recorded.")
@click.option("--follow", is_flag=True, help="Go on, a minute or 1,000 events later, until SIGTERM.")
@json_option
@shows_metrics
@log_format_option
def checkpoint(follow: bool, json_: bool) -> None:
    """Take what is recorded into the Merkle tree, sign its root with the key that CAREER_LEDGER_SIGNING_KEY names, and
    print the checkpoint: a signed note, which anybody may have.

    Give it away: to witnesses, auditors, another office. What was recorded before it cannot be altered unnoticed by who
    holds it. Killed at any moment, the next one goes on; of several only one works.

    \b
    Examples:
      career-ledger checkpoint > checkpoint.txt
      career-ledger checkpoint --follow
    """
    if not follow:
        with opened() as ledger:
            _tell(ledger.checkpoint(), json_)
        return
    from ledger.store import StoreUnavailable

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with watched("checkpoint") as watch:
        while not stop.is_set():
            try:
                with opened() as ledger:
                    ledger.follow_checkpoints(stop, lambda answer: _tell(answer, json_, note=False), watch)
            except StoreUnavailable as error:
                say(Note("checkpoint/away", "{error}; trying again", level="warning", error=str(error)))
                watch.retry()
                stop.wait(PAUSE_SECONDS)


def _tell(answer: "Answer", json_: bool, note: bool = True) -> None:
    if json_:
        tell_json(answer)
    elif note:
        for line in answer["note"].splitlines():
            tell(line)
    else:
        page().tell(says("proofs/sealed", count=answer["size"], position=answer["position"]))
