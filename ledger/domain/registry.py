"""Which code obeys which rule. `docs/rules.md` is generated from it and CI fails when a rule has
neither code nor a reason."""

from collections.abc import Callable
from typing import TypeVar

_F = TypeVar("_F", bound=Callable[..., object])

CODE: dict[str, list[str]] = {}


def obeys(*rules: str) -> Callable[[_F], _F]:
    """Say that a function obeys the rules with these ids (rules.md)."""

    def mark(function: _F) -> _F:
        for rule in rules:
            CODE.setdefault(rule, []).append(f"{function.__module__}.{function.__qualname__}")
        return function

    return mark
