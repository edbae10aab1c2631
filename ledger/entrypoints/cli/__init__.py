"""The command line of the ledger: a module for each kind of command, imported when one of them is named."""

from ledger.edges.memory import collect_seldom

collect_seldom()  # importing what follows makes enough objects for the collector to run a dozen times

from .group import cli, main  # noqa: E402

__all__ = ["cli", "main"]
