"""The command line of the ledger: a module for each kind of command, imported when one of them is named."""

from .group import cli, main

__all__ = ["cli", "main"]
