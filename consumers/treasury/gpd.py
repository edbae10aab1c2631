"""Debt positions as pagoPA takes them: `PaymentPositionModel` of the interface of GPD (Gestione Posizioni Debitorie,
v1).

What the ledger does not know (creditor, accounts, taxonomy codes, how 156 euro are shared out, how long a position is
valid) comes from a file of the institution, `examples/creditor.toml`. The debtor stands in it by reference:
`fiscalCode` and `fullName` hold the pseudonym, which whoever hands the position to pagoPA replaces by what the register
of persons says; the ledger has neither.

Readings: what was paid or waived before is taken from a split's first accounts, what is asked for beyond their
sum goes to the common account. A position without a date of its own, or whose date has passed, is given the last day on
which its amount holds, and where that is open `open_days` from the day of the export: pagoPA takes no date of the past.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from consumers.database import Transaction
from ledger.domain.form import problems_of
from ledger.domain.values import ZERO, PositiveAmount
from ledger.edges.toml import NoToml, read_toml
from ledger.words import sentence

from . import reference
from .life import Stretch
from .notices import PERIOD, cents, read_period

PUBLISHED = ("published", "expired")
"""Positions that may be paid."""
END_OF_DAY = time(23, 59, 59)


def _iban(value: str) -> str:
    """ISO 13616: letters count from 10, the first four characters stand last, the whole is 1 modulo 97."""
    digits = "".join(str(int(one, 36)) for one in value[4:] + value[:4])
    if int(digits) % 97 != 1:
        raise ValueError("the check digits do not fit: a character is mistyped")
    return value


Label = Annotated[str, StringConstraints(min_length=1, max_length=140, strip_whitespace=True)]
Iban = Annotated[str, StringConstraints(pattern=r"^IT[0-9]{2}[A-Z][0-9]{10}[0-9A-Z]{12}$"), AfterValidator(_iban)]
Taxonomy = Annotated[str, StringConstraints(pattern=r"^[0-9]/[!-~]{3,138}$")]
TermDays = Annotated[int, Field(ge=0, le=3650)]


class Account(BaseModel):
    """Where money goes, and as what."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    iban: Iban
    taxonomy: Taxonomy


class Transfer(Account):
    """So much of a charge goes to this account."""

    what: Label
    amount: PositiveAmount


class Creditor(BaseModel):
    """The institution's file."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    fiscal_code: Annotated[str, StringConstraints(pattern=r"^[0-9]{11}$")]
    name: Label
    office: Label | None = None
    validity_days: TermDays
    open_days: TermDays
    retention_days: TermDays
    account: Account
    split: dict[str, Annotated[tuple[Transfer, ...], Field(min_length=1, max_length=4)]] = {}


class WrongFile(ValueError):
    """The file cannot be used. Names every field and the fix."""


def read_creditor(path: Path) -> Creditor:
    """Raises WrongFile."""
    try:
        return Creditor.model_validate(read_toml(path.read_bytes()))
    except NoToml as error:
        raise WrongFile(f"{path}: {error}") from None
    except OSError as error:
        raise WrongFile(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        raise WrongFile("\n".join(f"{path}: {one.path}: {sentence(one.message)}"
                                  for one in problems_of(error))) from None


class DebtPosition(NamedTuple):
    """A debt as it stands on a day. `position`: a charge, or a part of one."""

    iuv: str
    student: str
    career: str
    position: str
    period: Stretch


def payable_on(tx: Transaction, day: date, limit: int = 1000) -> Iterator[DebtPosition]:
    """Everything that may be paid on a day, by reference; read `limit` at a time."""
    after = ""
    columns = ", ".join(f"l.{name}" for name in PERIOD)
    while rows := tx.ask(
            f"SELECT d.iuv, d.student, d.career, d.charge, {columns} FROM treasury_life l "  # noqa: S608 - ours
            "JOIN treasury_debts d ON d.iuv = l.iuv WHERE l.from_on <= :on AND (l.until_on IS NULL OR :on < "
            "l.until_on) AND l.status IN :payable AND l.iuv > :after ORDER BY l.iuv LIMIT :limit",
            {"on": day.isoformat(), "payable": list(PUBLISHED), "after": after, "limit": limit}):
        for iuv, student, career, position, *period in rows:
            yield DebtPosition(iuv, student, career, position, read_period(period))
        after = rows[-1][0]


def payment_position(found: DebtPosition, creditor: Creditor, day: date) -> dict[str, Any]:
    """Of a position that may be paid on `day`. Amounts are euro cents; the ledger's keys are metadata."""
    period, reason = found.period, reference.reason_for_payment(found.position)
    due_on = _date_of(period, creditor, day)
    valid_from = day + timedelta(days=creditor.validity_days)
    return {
        "iupd": f"{creditor.fiscal_code}-{found.iuv}", "type": "F", "fiscalCode": found.student,
        "fullName": found.student,
        "companyName": creditor.name, **({"officeName": creditor.office} if creditor.office is not None else {}),
        **({"validityDate": _moment(valid_from, time())} if day < valid_from <= due_on else {}),
        "switchToExpired": False,
        "paymentOption": [{
            "nav": reference.notice_number(found.iuv), "iuv": found.iuv, "amount": cents(period.to_pay),
            "description": reason,
            "isPartialPayment": False, "dueDate": _moment(due_on, END_OF_DAY),
            "retentionDate": _moment(due_on + timedelta(days=creditor.retention_days), END_OF_DAY),
            "transfer": list(_transfers(found, creditor, reason)),
            "paymentOptionMetadata": [{"key": "career", "value": found.career},
                                      {"key": "charge", "value": found.position}]}]}


def _date_of(period: Stretch, creditor: Creditor, day: date) -> date:
    if period.status == "published" and period.due_on is not None:
        return period.due_on
    return period.valid_until or day + timedelta(days=creditor.open_days)


def _moment(day: date, at: time) -> str:
    return datetime.combine(day, at).isoformat()


def _transfers(found: DebtPosition, creditor: Creditor, reason: str) -> Iterator[dict[str, Any]]:
    rest = found.period.outstanding
    kind = reference.charge_of(found.position).partition(":")[2].partition("#")[0]
    parts: list[tuple[int, str, Account]] = []
    for share in reversed(creditor.split.get(kind, ())):
        amount = min(share.amount, rest)
        rest -= amount
        if amount > ZERO:
            parts.insert(0, (cents(amount), f"{share.what}, {reason}"[:140], share))
    if (common := rest + found.period.accruing) > ZERO:
        parts.append((cents(common), reason, creditor.account))
    for number, (amount_in_cents, text, account) in enumerate(parts, 1):
        yield {"idTransfer": str(number), "amount": amount_in_cents, "organizationFiscalCode": creditor.fiscal_code,
               "remittanceInformation": text, "category": account.taxonomy, "iban": account.iban}
