"""TOML that a person wrote: everything that the standard library raises for it is one error."""

import tomllib
from typing import Any


class NoToml(ValueError):
    """The text says why, after the name of the file."""


def read_toml(content: bytes) -> dict[str, Any]:
    """Raises NoToml."""
    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError:
        why = "the file is not UTF-8 text; save it as UTF-8"
    except tomllib.TOMLDecodeError as error:
        why = f"not TOML: {error}"
    except RecursionError:
        why = "not TOML that can be used: lists stand in lists without end"
    except ValueError:  # of int: more digits than Python reads
        why = "not TOML that can be used: a number has thousands of digits"
    raise NoToml(why)
