"""By what a person is found: her tax codes, and her names as they were written or without what people write in two
ways."""

from dataclasses import dataclass
from unicodedata import combining, normalize

from ledger.domain.events import PersonRegistered

_SAME = str.maketrans({"-": " ", "‐": " ", "‑": " ", "–": " ", "'": None, "’": None, "‘": None, "`": None,
                       "´": None, "ʼ": None, "ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe"})
"""In lower case. What is no letter with an accent for Unicode is one for whoever looks for it."""


@dataclass(frozen=True, slots=True)
class Named:
    """`names`: given name and family name, of each registration."""

    codes: tuple[str, ...]
    names: tuple[tuple[str, str], ...]

    def is_within(self, other: "Named | None") -> bool:
        return other is not None and {*self.codes} <= {*other.codes} and {*self.names} <= {*other.names}

    def __or__(self, other: "Named | None") -> "Named":
        return self if other is None else Named(self.codes + other.codes, self.names + other.names)

    def looked_up_by(self) -> set[tuple[str, str]]:
        """The words of the given name, the family name and both, folded and as written."""
        return {(in_order(folded(one)), in_order(one)) for names in self.names for one in (*names, " ".join(names))}


def person_of(data: PersonRegistered) -> Named:
    codes = (data.former_tax_codes if data.tax_code is None else (data.tax_code, *data.former_tax_codes))
    return Named(tuple(dict.fromkeys(map(spelt, codes))), ((data.given_name, data.family_name),))


def spelt(code: str) -> str:
    """A tax code without spaces, in capitals."""
    return "".join(code.split()).upper()


def folded(name: str) -> str:
    plain = name.casefold().translate(_SAME)
    if not plain.isascii():
        plain = "".join(one for one in normalize("NFKD", plain) if not combining(one)).translate(_SAME)
    return plain


def in_order(name: str) -> str:
    """Whichever of its words is written first."""
    return " ".join(sorted(name.split()))
