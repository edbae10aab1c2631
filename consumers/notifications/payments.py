
"""By which notice number a charge can be paid: what the treasury exports, taken from its file and from nowhere else.

A number is told only where the amount that the treasury asks for is the one that the letter names, or that with what
accrues: an export of yesterday must not ask for what was paid today.
"""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints, ValidationError

from consumers.database import Transaction
from consumers.kit.erasure import among
from consumers.kit.reading import BadJson, read_json
from ledger.domain.values import Pseudonym
from ledger.wire.reading import describe

from .agenda import Facts, Notice

TABLES = ("CREATE TABLE IF NOT EXISTS notifications_payments (number TEXT PRIMARY KEY, student TEXT NOT NULL, "
          "career TEXT NOT NULL, charge TEXT NOT NULL, amount BIGINT NOT NULL)",
          "CREATE INDEX IF NOT EXISTS notifications_payments_student ON notifications_payments (student)")
"""`charge`: a charge's key, or `KEY@DATE` for the part that is due on a day; `amount` in cents."""


class PaymentsInvalid(ValueError):
    """A line of the file cannot be used."""


class _Pair(BaseModel):
    key: str
    value: str


class _Option(BaseModel):
    nav: Annotated[str, StringConstraints(pattern=r"^[0-9]{18}$")]
    amount: Annotated[int, Field(ge=1, le=2**53 - 1, strict=True)]
    paymentOptionMetadata: tuple[_Pair, ...]


class _About(BaseModel):
    career: Pseudonym
    charge: Annotated[str, StringConstraints(pattern=r"^[^\s\x00]{1,120}$")]


class _Position(BaseModel):
    """What is read of `treasury export`'s lines."""

    fullName: Pseudonym
    paymentOption: Annotated[tuple[_Option], Field(min_length=1)]


def read(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Rows. Raises PaymentsInvalid."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = _Position.model_validate(read_json(line))
            [option] = found.paymentOption
            about = _About.model_validate({pair.key: pair.value for pair in option.paymentOptionMetadata})
            yield {"number": option.nav, "student": found.fullName, "career": about.career, "charge": about.charge,
                   "amount": option.amount}
        except (BadJson, ValidationError) as error:
            said = describe(error) if isinstance(error, ValidationError) else str(error)
            raise PaymentsInvalid(f"line {number}: no line of `python -m consumers.treasury export`: {said}") from None


def take(tx: Transaction, rows: Iterable[dict[str, Any]]) -> int:
    """Replaces everything, and takes nothing of persons who were forgotten; how many there are."""
    tx.run("DELETE FROM notifications_payments")
    found = {row["number"]: row for row in rows}
    erased = among(tx, "notifications", {row["student"] for row in found.values()})
    found = {number: row for number, row in found.items() if row["student"] not in erased}
    tx.many("INSERT INTO notifications_payments (number, student, career, charge, amount) "
            "VALUES (:number, :student, :career, :charge, :amount)", list(found.values()))
    return len(found)


def with_numbers(tx: Transaction, notice: Notice, facts: Facts) -> Facts:
    """The same facts; each charge in them has `number` (None: none is known) and `asked`, where more
    than its amount is asked for."""
    known: dict[str, list[tuple[str, int, str]]] = {}
    for number, charge, amount in tx.ask(
            "SELECT number, charge, amount FROM notifications_payments WHERE student = :student AND career = :career "
            "ORDER BY charge",
            {"student": notice.student, "career": notice.career}):
        known.setdefault(charge.partition("@")[0], []).append((charge, amount, number))
    return {name: [_numbered(one, known) for one in value] if name in ("charges", "causes", "stamps") else value
            for name, value in facts.items()}


def _numbered(one: dict[str, Any], known: dict[str, list[tuple[str, int, str]]]) -> dict[str, Any]:
    amount, extra, day = one["amount"], one.get("extra") or Decimal(0), one.get("day")
    for charge, cents, number in known.get(one["charge"] or "", ()) if amount is not None else ():
        due = charge.partition("@")[2]
        asked = Decimal(cents) / 100
        if asked in (amount, amount + extra) and (day is None or due in ("", day.isoformat())):
            return one | {"number": number, "asked": asked if asked != amount else None}
    return one | {"number": None, "asked": None}


def forget(tx: Transaction, students: Sequence[str]) -> None:
    tx.run("DELETE FROM notifications_payments WHERE student IN :students", {"students": list(students)})
