"""`python -m consumers.archive run | status | seal | verify`.

Exit codes: 0 done; 2 wrong usage; 5 the archive is not what it must be, or the topic no longer holds what was not read;
6 the database or the folder is unavailable.
"""

from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any, BinaryIO

import click

from consumers.kit import command
from consumers.kit.tables import migrations
from ledger.edges.program import say, tell, tell_json

from .package import Damaged
from .service import ONE_DAY, Archive, seal_through
from .verify import sentence, verify

FAILED = 5

folder_option = click.option("--folder", required=True, envvar="CAREER_LEDGER_ARCHIVE", metavar="DIR", show_envvar=True,
                             type=click.Path(file_okay=False, path_type=Path), help="Where the sealed packages are.")


checkpoints_option = click.option("--checkpoints", envvar="CAREER_LEDGER_CHECKPOINTS", metavar="DIR", show_envvar=True,
                                  type=click.Path(exists=True, file_okay=False, path_type=Path),
                                  help="Where `career-ledger checkpoint --to DIR` puts checkpoints: each day's "
                                       "manifest carries the newest.")


@click.group(cls=command.Consumer, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def archive() -> None:
    """Sealed daily packages of every event, each chained to the day before."""


@archive.command()
@command.run_options
@folder_option
@checkpoints_option
def run(running: command.Running, folder: Path, checkpoints: Path | None) -> None:
    """Follows the ledger and seals each day (UTC) once it is over, until it is stopped. One process to a folder."""
    try:
        command.run(Archive(folder, checkpoints), running)
    except Damaged as error:
        _fail(str(error), FAILED)
    except OSError as error:
        _fail(f"{folder}: {error.strerror}", command.AWAY)


archive.add_command(command.status_command(Archive))


@archive.command()
@command.db
@folder_option
@checkpoints_option
@click.option("--through", type=command.day, metavar="DATE", help="The last day (UTC) to seal. Default: yesterday.")
def seal(url: str, folder: Path, checkpoints: Path | None, through: date | None) -> None:
    """Seals what was read so far, also while no heartbeat comes. What arrives later goes into the next package."""
    today = datetime.now(timezone.utc).date()
    if through is not None and through > today:
        raise click.BadParameter(f"{through} has not begun yet", param_hint="--through")
    with command.database_at(url) as database:
        try:
            database.migrate(migrations(Archive))
            last = seal_through(database, folder, through or today - ONE_DAY, checkpoints)
        except Damaged as error:
            _fail(str(error), FAILED)
        except OSError as error:
            _fail(f"{folder}: {error.strerror}", command.AWAY)
    tell(f"sealed through {last}" if last else "nothing to seal yet")


@archive.command("verify")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--ledger", type=click.File("rb"), metavar="FILE",
              help="What `career-ledger digests` printed; - for standard input.")
@click.option("--after", type=click.IntRange(min=0), default=0, metavar="POSITION",
              help="As given to `career-ledger digests`.")
@click.option("--head", metavar="SHA256",
              help="The head that an earlier verification printed, or that was noted elsewhere.")
@click.option("--json", "json_", is_flag=True, help="Print JSON for programs instead of text for people.")
def verify_command(folder: Path, ledger: BinaryIO | None, after: int, head: str | None, json_: bool) -> None:
    """Checks chain, hashes, counts, and that no student's versions have a hole; with --ledger every event against the
    ledger."""
    try:
        verdict = verify(folder, head, ledger, after)
    except Damaged as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        _fail(f"{folder}: {error.strerror}", command.AWAY)
    if json_:
        tell_json(verdict.as_json())
    else:
        if verdict.packages:
            tell(f"{verdict.packages} packages from {verdict.first_day} to {verdict.last_day}, "
                 f"{verdict.entries} entries up to position {verdict.last_position}, {verdict.repeated} repeated; "
                 f"head {verdict.head}")
            tell(f"the newest checkpoint of the ledger in it: {verdict.checkpoint['size']} entries of "
                 f"{verdict.checkpoint['origin']}" if verdict.checkpoint else "no checkpoint of the ledger is in it")
        if ledger is not None:
            tell(f"{verdict.compared} events of the ledger compared, {verdict.not_sealed} above the last position not "
                 "sealed yet")
        for finding in verdict.findings:
            tell(sentence(finding))
        if not verdict.outside:
            tell("COMPARED WITH NOTHING FROM OUTSIDE: this shows only that the packages agree with each other, and "
                 "some at the end may be missing. Give --head or --ledger.")
    raise SystemExit(FAILED if verdict.findings else 0)


def _fail(text: str, code: int) -> Any:
    say(text)
    raise SystemExit(code)


if __name__ == "__main__":
    archive(prog_name="python -m consumers.archive")
