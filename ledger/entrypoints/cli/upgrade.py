"""`upgrade`: the tables of a ledger as this program has them."""

import click

from ledger.edges.program import tell_json

from .options import json_option, opened, page


@click.command(short_help="Bring an older ledger up to date.")
@json_option
def upgrade(json_: bool) -> None:
    """Bring the tables of a ledger that an older version has made up to date: those of the log, of the stored
    projections and of the relay.

    Others may read and write meanwhile, and it may be run again at any time: what is done is not done again. In
    PostgreSQL it is for the owner of the tables; it makes them in an empty database, and gives the roles of
    infra/postgres/roles.sql their rights.

    \b
    Example:
      career-ledger --db postgresql://owner@host/ledger upgrade
    """
    with opened() as ledger:
        done = ledger.upgrade()
    if json_:
        tell_json(done)
        return
    page().upgraded(done)
