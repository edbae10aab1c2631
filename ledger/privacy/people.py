"""By what a person is found: her tax codes, and her names as they were written or without what people write in two
ways."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from unicodedata import combining, normalize

_SAME = str.maketrans({"-": " ", "‐": " ", "‑": " ", "–": " ", "'": None, "’": None, "‘": None, "`": None,
                       "´": None, "ʼ": None, "ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe"})
"""In lower case. What is no letter with an accent for Unicode is one for whoever looks for it."""


@dataclass(frozen=True, slots=True)
class Person:
    """`names`: given name, family name, and both in either order, as written; `folded`: the same folded."""

    codes: tuple[str, ...]
    names: tuple[str, ...]
    folded: tuple[str, ...]

    def is_within(self, other: "Person | None") -> bool:
        return other is not None and {*self.codes} <= {*other.codes} and {*self.names} <= {*other.names}

    def __or__(self, other: "Person | None") -> "Person":
        return self if other is None else Person(
            self.codes + other.codes, self.names + other.names, self.folded + other.folded)


def person_of(taken: Mapping[str, Any]) -> Person:
    """From the fields of a `person-registered`, as JSON."""
    codes = [one for one in (taken.get("tax_code"), *(taken.get("former_tax_codes") or ())) if one]
    given, family = taken["given_name"], taken["family_name"]
    return Person(tuple(dict.fromkeys(map(spelt, codes))), _forms(given, family),
                  _forms(folded(given), folded(family)))


def _forms(given: str, family: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((given, family, f"{given} {family}", f"{family} {given}")))


def spelt(code: str) -> str:
    """A tax code without spaces, in capitals."""
    return "".join(code.split()).upper()


def folded(name: str) -> str:
    plain = name.casefold().translate(_SAME)
    if not plain.isascii():
        plain = "".join(one for one in normalize("NFKD", plain) if not combining(one)).translate(_SAME)
    return " ".join(plain.split())
