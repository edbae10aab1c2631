"""What belongs to the national e-services beside `serve --eservices`: `eservices fingerprints`."""

import threading
from pathlib import Path

import click

from .options import opened, reference_option


@click.group(short_help="What the national e-services need beside `serve`.")
def eservices() -> None:
    """What the national e-services (IFS01 to IFS09) need beside `serve --eservices`."""


@eservices.command(short_help="Bring the fingerprints for the national e-services up to date.")
@reference_option(required=True)
def fingerprints(reference: Path) -> None:
    """Bring what IFS06 to IFS09 answer from up to date: the first time, or after other reference files, before
    `serve --eservices`, which goes on with it. They stand in the key store that --keys names.

    \b
    Example:
      career-ledger eservices fingerprints --reference reference
    """
    with opened() as ledger:
        ledger.follow_fingerprints(reference, threading.Event(), once=True)
