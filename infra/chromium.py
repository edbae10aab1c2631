"""Chromium for the tests of the console: found, or brought from Debian's packages. Its shell without a head is the same
engine for half of the processor time."""

import shutil

from infra.debian import found_or_installed

NAMES = ("chromium-headless-shell", "chromium")


class NoChromium(Exception):
    """It could not be had; the text says what would help."""


def program() -> str:
    """Its path."""
    found = found_or_installed(_found, NAMES[0])
    if found is None:
        raise NoChromium(f"Chromium is needed: install it (Debian: {NAMES[0]})")
    return found


def _found() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)
