"""Proofs: `checkpoint` seals and signs, `verify` makes everything again from the events, `prove` and `check` are for
one student."""

import re
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ledger.domain.phrases import says
from ledger.edges.log import Note, log_format_option
from ledger.edges.program import tell, tell_json
from ledger.wire.topics import CHECKPOINTS

from .errors import bad_value, misused
from .everybody import progress
from .kafka import kafka_option, needed
from .options import DIFFERENT, POSITIONS, json_option, opened, page, say, shows_metrics, spoken, watched

if TYPE_CHECKING:
    from ledger.bootstrap import Answer

PAUSE_SECONDS = 1.0
"""Between a lost database and the next attempt."""

keys_option = click.option("--key", "keys", multiple=True, metavar="KEY",
                           help="A verifier key, of the log or of a witness, or the file with it; or a file of "
                                "hand-overs (`keys sign --handovers`). Default: that of the key that "
                                "CAREER_LEDGER_SIGNING_KEY names.")
outside_option = click.option("--checkpoint", "outside", multiple=True, metavar="FILE|FOLDER",
                              type=click.Path(exists=True, path_type=Path),
                              help="A checkpoint that somebody else has kept, or a folder of them.")


_URL = re.compile(r"https?://[^\s@]+")


def _place(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """A folder that is there, an address of the web, or the topic."""
    for one in given:
        if not _URL.fullmatch(one) and one != CHECKPOINTS and not Path(one).is_dir():
            raise bad_value(says("cli/no-place", field=one, text=CHECKPOINTS))
    return given


def _authority(_: click.Context, __: click.Parameter, given: str | None) -> str | None:
    if given is not None and not _URL.fullmatch(given):
        raise bad_value(says("cli/no-authority", field=given))
    return given


def _held(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """A file or folder that is there, or the topic."""
    for one in given:
        if one != CHECKPOINTS and not Path(one).exists():
            raise bad_value(says("cli/no-checkpoint", field=one, text=CHECKPOINTS))
    return given


@click.command(short_help="Seal and sign what is recorded.")
@click.option("--follow", is_flag=True, help="Go on, a minute or 1,000 events later, until SIGTERM.")
@click.option("--to", "places", multiple=True, callback=_place, metavar="FOLDER|TOPIC|URL",
              help=f"Give it away: to a folder that others read, to the topic {CHECKPOINTS}, to a witness at URL "
                   "(C2SP tlog-witness), which signs it too. May be repeated.")
@click.option("--stamp", "authority", metavar="URL", callback=_authority,
              help="Have each checkpoint in the folders stamped with the time by the authority at URL (RFC 3161).")
@keys_option
@kafka_option
@json_option
@shows_metrics
@log_format_option
def checkpoint(follow: bool, places: tuple[str, ...], authority: str | None, keys: tuple[str, ...], brokers: str | None,
               json_: bool) -> None:
    """Take what is recorded into the Merkle tree, sign its root with the key that CAREER_LEDGER_SIGNING_KEY names, and
    print the checkpoint: a signed note, which anybody may have.

    Give it away: to witnesses, auditors, another office. What was recorded before it cannot be altered unnoticed by who
    holds it. Killed at any moment, the next one goes on; of several only one works. A place that does not take it is
    tried again a minute later, and never holds up what is sealed.

    \b
    Examples:
      career-ledger checkpoint > checkpoint.txt
      career-ledger checkpoint --follow --to /srv/rector --to career.checkpoints.v1
      career-ledger checkpoint --to https://witness.example.org/ --key witness.vkey
    """
    from ledger.bootstrap import GivenTo

    if authority is not None and not any(Path(one).is_dir() for one in places):
        raise misused(says("cli/stamp-where"))
    to = GivenTo(places, keys, needed(brokers) if CHECKPOINTS in places else None, authority) if places else None
    if not follow:
        with opened() as ledger:
            _tell(ledger.checkpoint(to), json_)
        return
    from ledger.store import StoreUnavailable

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with watched("checkpoint") as watch:
        while not stop.is_set():
            try:
                with opened() as ledger:
                    ledger.follow_checkpoints(stop, lambda answer: _tell(answer, json_, note=False), watch, to,
                                              _not_given)
            except StoreUnavailable as error:
                say(Note("checkpoint/away", "{error}; trying again", level="warning", error=str(error)))
                watch.retry()
                stop.wait(PAUSE_SECONDS)


def _not_given(error: Exception) -> None:
    say(Note("checkpoint/not-given", "{error}; given again in a minute", level="warning", error=str(error)))


def _tell(answer: "Answer", json_: bool, note: bool = True) -> None:
    if json_:
        tell_json(answer)
    elif note:
        for line in answer["note"].splitlines():
            tell(line)
    else:
        page().tell(says("proofs/sealed", count=answer["size"], position=answer["position"]))


@click.command(short_help="Verify that no event was altered, removed or inserted.")
@click.option("--checkpoint", "outside", multiple=True, metavar="FILE|FOLDER|TOPIC", callback=_held,
              help=f"A checkpoint that somebody else has kept, a folder of them, or the topic {CHECKPOINTS}.")
@keys_option
@kafka_option
@json_option
def verify(outside: tuple[str, ...], keys: tuple[str, ...], brokers: str | None, json_: bool) -> None:
    """Make leaves, tiles, the map of students and every checkpoint again from the events, and name the first event that
    is not what it was: changed, removed or inserted. Exit code 5 where something does not hold.

    Whoever could change the events could change the checkpoints in the same database: give checkpoints that others have
    kept. What was signed last, as the file beside the key says, is compared too. What was recorded after the last
    checkpoint is covered by none.

    \b
    Examples:
      career-ledger verify --checkpoint witnesses/ --key careers.vkey
      career-ledger verify --checkpoint career.checkpoints.v1 --kafka localhost:9092
      career-ledger verify
    """
    with opened() as ledger, progress("verify") as told:
        answer = ledger.verify_log([Path(one) for one in outside if one != CHECKPOINTS], keys, told,
                                   needed(brokers) if CHECKPOINTS in outside else None)
    tell_json(spoken(answer)) if json_ else page().verified(spoken(answer))
    if answer["findings"]:
        raise click.exceptions.Exit(DIFFERENT)


@click.command(short_help="Prove a student's whole history, as one file.")
@click.argument("student")
@click.option("--as-of", "position", type=POSITIONS, metavar="POSITION",
              help="As of the newest checkpoint that ends at or before POSITION. Default: the newest.")
@click.option("--full", is_flag=True, help="With the place of each event in the tree, not only of the newest.")
@click.option("--to", "file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Default: STUDENT.proof. Only you can read it: it holds her events.")
def prove(student: str, position: int | None, full: bool, file: Path | None) -> None:
    """Write a file that proves what the ledger held of STUDENT at a checkpoint: these events, in this order, and no
    other; or nothing at all. `check` checks it, and so does ledger/proofs/auditor.py on a machine without this package.

    \b
    Examples:
      career-ledger prove S01
      career-ledger prove S01 --as-of 120000 --to S01-in-march.proof
    """
    from ledger.edges.files import open_output

    with opened() as ledger:
        found = ledger.prove(student, position, full)
    path = file or Path(f"{student}.proof")
    with open_output(path) as out:
        out.write(found.text.encode())
    page().tell(says("proofs/written", text=str(path), count=found.events, student=student,
                     position=found.sealed.position))


@click.command(short_help="Check a proof or a checkpoint, without a database.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@keys_option
@outside_option
@json_option
def check(file: Path, keys: tuple[str, ...], outside: tuple[Path, ...], json_: bool) -> None:
    """Check FILE, a student's proof or a checkpoint: no ledger is asked. Exit code 5 where it does not hold.

    Take the verifier key from whom you believe, not from who gave you the file.

    \b
    Example:
      career-ledger check S01.proof --key careers.vkey --checkpoint witnesses/
    """
    from ledger.bootstrap import check_file

    answer = check_file(file, keys, outside)
    if answer is None:
        raise misused(says("cli/no-key"))
    tell_json(answer) if json_ else page().proven(answer)
