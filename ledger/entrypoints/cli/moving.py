"""`export` and `import`: a whole ledger as a folder, and from a folder into an empty database of either kind."""

from pathlib import Path

import click

from ledger.domain.phrases import says
from ledger.edges.program import tell_json

from .errors import misused
from .everybody import progress
from .options import json_option, opened, page, tell_reader
from .proofs import keys_option, outside_option


@click.command(short_help="Write the whole ledger into a folder.")
@click.argument("folder", type=click.Path(path_type=Path))
@keys_option
@json_option
def export(folder: Path, keys: tuple[str, ...], json_: bool) -> None:
    """Write everything that is recorded into FOLDER, which appears when it is whole: the stored bytes as they are,
    compressed, with every checkpoint and the key that checks them. `import` brings it into an empty database of either
    kind.

    With the key that CAREER_LEDGER_SIGNING_KEY names what is recorded is sealed and signed first; else the export ends
    at the newest checkpoint, and says how many events came later. FOLDER holds personal data, and no key that opens
    what is sealed: only you can read it.

    \b
    Examples:
      career-ledger export ledger-2026-11-28
      career-ledger export ledger-2026-11-28 --key careers.vkey
    """
    with opened() as ledger, progress("export") as told:
        answer = ledger.export(folder, keys, told)
    if answer is None:
        raise misused(says("cli/no-key"))
    tell_json(answer) if json_ else page().exported(answer)
    if answer["left_out"]:
        tell_reader(says("export/left-out", count=answer["left_out"], position=answer["position"]))


@click.command("import", short_help="Bring an exported ledger into an empty database.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@keys_option
@outside_option
@json_option
def import_(folder: Path, keys: tuple[str, ...], outside: tuple[Path, ...], json_: bool) -> None:
    """Bring the ledger that `export` wrote into FOLDER into the empty database that --db names: the same bytes at the
    same positions, under the same root. All of it is compared with the signed checkpoint before it becomes usable; what
    does not hold, or is stopped, leaves nothing. Exit code 5 where FOLDER does not hold.

    Lines of submissions are appended, not imported: `append --mode record`.

    \b
    Examples:
      career-ledger --db postgresql://owner@host/ledger import ledger-2026-11-28 --key careers.vkey
      career-ledger --db sqlite:///ledger.db import ledger-2026-11-28 --checkpoint witnesses/
    """
    with opened(create=True) as ledger, progress("import") as told:
        answer = ledger.import_folder(folder, keys, outside, told)
    tell_json(answer) if json_ else page().imported(answer)
    if not answer["vouched"]:
        tell_reader(says("import/not-vouched"))
    if not answer["signed"]:
        tell_reader(says("import/not-signed", text=answer["ledger"], last_position=answer["highest"]))
