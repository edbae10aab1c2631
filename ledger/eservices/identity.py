"""Who is asked about: tax codes as the state has them, their hashes, and of a registration what answers show."""

import hashlib
import re
from typing import Any, NamedTuple

from ledger.privacy.people import spelt

TAX_CODE = (
    r"^(?:^(?:[A-Z][AEIOU][AEIOUX]|[B-DF-HJ-NP-TV-Z]{2}[A-Z]){2}(?:[\dLMNP-V]{2}(?:[A-EHLMPR-T](?:[04LQ][1-9MNP-V]|"
    r"[15MR][\dLMNP-V]|[26NS][0-8LMNP-U])|[DHPS][37PT][0L]|[ACELMRT][37PT][01LM]|[AC-EHLMPR-T][26NS][9V])|"
    r"(?:[02468LNQSU][048LQU]|[13579MPRTV][26NS])B[26NS][9V])(?:[A-MZ][1-9MNP-V][\dLMNP-V]{2}|[A-M][0L]"
    r"(?:[1-9MNP-V][\dLMNP-V]|[0L][1-9MNP-V]))[A-Z]$)")
"""As the files write it."""
_CODE = re.compile(TAX_CODE, re.ASCII)
_ODD = dict(zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", (
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22,
    25, 24, 23), strict=True))
_EVEN = {sign: int(sign) if sign.isdigit() else ord(sign) - ord("A") for sign in _ODD}


def is_tax_code(code: str) -> bool:
    """As the files' pattern, and with the right check letter, of which the pattern knows nothing (IFS-1)."""
    return _CODE.match(code) is not None and len(code) == 16 and code[-1] == check_letter(code)


def check_letter(code: str) -> str:
    """Of the first fifteen characters: the first counts as odd."""
    return chr(ord("A") + sum((_EVEN if n % 2 else _ODD)[sign] for n, sign in enumerate(code[:15])) % 26)


def key_of(code: str) -> str:
    """SHA-256 in hex. Whoever tries all codes finds it: it is personal data, and never logged or stored as it is."""
    return hashlib.sha256(code.encode("ascii")).hexdigest()


class TaxPayer(NamedTuple):
    """`codes`: the tax codes under which she may be asked for, the one that holds first."""

    codes: tuple[str, ...]
    person_id: str | None
    sex: str | None

    def shown(self) -> dict[str, Any]:
        """As `personal_data`."""
        found = {"tax_code": self.codes[0]}
        return found if self.person_id is None else found | {"person_id": self.person_id}


def identity(person: dict[str, Any] | None) -> TaxPayer | None:
    """Of a registration that was opened; None where it names no tax code by which anybody could ask for her (IFS-2)."""
    if person is None or person.get("tax_code") is None or not is_tax_code(spelt(person["tax_code"])):
        return None
    codes = [spelt(code) for code in (person["tax_code"], *person.get("former_tax_codes", ()))]
    return TaxPayer(tuple(dict.fromkeys(code for code in codes if is_tax_code(code))), person.get("person_id"),
                    person.get("sex"))
