"""The key store: `keys new`, `keys status`, `keys rotate`, `keys doctor`; and `keys sign`, of the key that signs
checkpoints."""

from pathlib import Path

import click

from ledger.domain.phrases import says
from ledger.edges.program import tell, tell_json

from .errors import bad_value
from .options import FOUND, json_option, opened, page, spoken

TERM_DAYS = 30
days_option = click.option("--days", type=click.IntRange(1, 366), default=TERM_DAYS, show_default=True,
                           metavar="DAYS", help="The term of the master key that is made.")


@click.group(short_help="The key store, apart from the ledger.")
def keys() -> None:
    """The key store that --keys names: a key for each student, wrapped under the master key that
    CAREER_LEDGER_MASTER_KEY names. Keep the two apart, and neither with the ledger's copies."""


@keys.command(short_help="Make a key store, and its first master key.")
@days_option
@json_option
def new(days: int, json_: bool) -> None:
    """Make a key store for this ledger, and a master key in the file that CAREER_LEDGER_MASTER_KEY names where there is
    none.

    \b
    Example:
      CAREER_LEDGER_MASTER_KEY=/safe/master.key career-ledger --keys sqlite:////keys/keys.db keys new
    """
    with opened(create=True) as ledger:
        answer = ledger.new_keys(days)
    tell_json(answer) if json_ else page().keys(answer)


@keys.command(short_help="What the key store holds, and until when its master key does.")
@json_option
def status(json_: bool) -> None:
    """What the key store holds, and the term of its master key."""
    with opened() as ledger:
        answer = ledger.keys_status()
    tell_json(answer) if json_ else page().keys(answer)


@keys.command(short_help="A new master key; older copies of the key store become noise.")
@days_option
@json_option
def rotate(days: int, json_: bool) -> None:
    """Make a new master key, wrap all keys under it in one transaction, and destroy the old one: older copies of the
    key store cannot be read any more, by nobody. Killed at any moment, the next start finishes or undoes it.

    Other machines that hold a copy of the master key's file need the new one.
    """
    with opened() as ledger:
        answer = ledger.rotate_keys(days)
    tell_json(answer) if json_ else page().keys(answer)


@keys.command(short_help="Look the key store through; exit code 1 when something is out of order.")
@json_option
def doctor(json_: bool) -> None:
    """Look the whole key store through, each key included, and say what to do. Exit code 1 where something is out of
    order."""
    with opened() as ledger:
        found = [spoken(one) for one in ledger.keys_findings()]
    if json_:
        for one in found:
            tell_json(one)
    else:
        page().key_findings(found)
    if found:
        raise click.exceptions.Exit(FOUND)


@keys.command(short_help="The key that signs checkpoints; made where there is none.")
@click.argument("name")
@click.option("--rotate", is_flag=True, help="Hand the log over to a new key, which takes the place of the old one.")
@click.option("--handovers", "file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Write how the key was handed over so far, for those who hold an earlier verifier key: --key takes "
                   "it.")
@json_option
def sign(name: str, rotate: bool, file: Path | None, json_: bool) -> None:
    """Print the verifier key of the log NAME, for those who check, and make its signing key in the file that
    CAREER_LEDGER_SIGNING_KEY names where there is none.

    NAME says whose log it is, such as ledger.example.edu/careers, and never changes. Keep the file apart from the
    database, and a copy of it in a safe: without it the log cannot go on under its name.

    With --rotate everything that is recorded is sealed first; the last checkpoint of the old key names the new one, and
    both sign it. From then on a checkpoint by the old key is refused by whoever knows of it. Stop `checkpoint --follow`
    before. Killed at any moment, the same command goes on.

    \b
    Examples:
      CAREER_LEDGER_SIGNING_KEY=/safe/signing.key career-ledger keys sign ledger.example.edu/careers > careers.vkey
      career-ledger keys sign ledger.example.edu/careers --rotate --handovers careers.handovers > careers-2.vkey
    """
    from ledger.bootstrap import signing_key
    from ledger.edges.files import write_whole
    from ledger.proofs.signing import NAME
    from ledger.proofs.witnesses import SEEN_BY_ALL

    if not NAME.fullmatch(name):
        raise bad_value(says("cli/log-name", field=name))
    verifier = signing_key(name)
    if rotate or file is not None:
        with opened() as ledger:
            if rotate:
                verifier = ledger.hand_key_over()
            if file is not None:
                write_whole(file, ledger.handovers(), mode=SEEN_BY_ALL)
    tell_json({"name": name, "verifier": verifier}) if json_ else tell(verifier)
