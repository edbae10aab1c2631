"""Chromium for the tests of the console: found, or brought from Debian's packages."""

import shutil

from infra.kafka.install import from_debian


class NoChromium(Exception):
    """It could not be had; the text says what would help."""


def program() -> str:
    """Its path."""
    if shutil.which("chromium") is None:
        from_debian("chromium")
    found = shutil.which("chromium")
    if found is None:
        raise NoChromium("Chromium is needed: install it (Debian: chromium)")
    return found
