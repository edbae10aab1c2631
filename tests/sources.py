"""The code as trees. Reading all of it takes a second: tests that do are of the `xdist_group` "code", so that one
worker reads it, once."""

import ast
from functools import cache
from pathlib import Path


@cache
def parsed(path: Path) -> ast.Module:
    """Not to be changed: others get the same tree."""
    return ast.parse(path.read_text())
