"""Payment notices: read, checked, stored once, and turned into submissions to the ledger.

A notice says that money has arrived, so it is never thrown away for what it says about a debt: too much, too little,
after the position was closed, all of it goes to the ledger, which allocates it. Only what cannot be understood is
refused. A notice whose reference is of no position known yet is kept and submitted as soon as the position is there.

What is beyond the debt, up to what accrues for the delay, is submitted for the surcharge: the ledger raises that charge
on the very day, and would otherwise hold the money as credit.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

from jiter import from_json
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from consumers.database import Database, Transaction
from consumers.kit.reading import BadJson, read_json
from ledger.domain.form import Problem, problems_of, wrong
from ledger.domain.phrases import Phrase, says
from ledger.domain.values import ZERO, Day, PositiveAmount, format_instant
from ledger.words import told

from . import reference
from .life import Stretch

SOURCE = "pagopa"
ACTOR = "system:treasury"
TABLES = (
    """CREATE TABLE IF NOT EXISTS treasury_notices (receipt TEXT PRIMARY KEY, iuv TEXT NOT NULL, amount BIGINT NOT NULL,
    paid_on TEXT NOT NULL, reported_at TEXT NOT NULL, submitted INTEGER NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS treasury_submissions (id TEXT PRIMARY KEY, receipt TEXT NOT NULL,
    student TEXT NOT NULL, career TEXT NOT NULL, charge TEXT NOT NULL, amount BIGINT NOT NULL, paid_on TEXT NOT NULL,
    iuv TEXT NOT NULL, sent INTEGER NOT NULL, outcome TEXT, position BIGINT, why TEXT)""",
    "CREATE INDEX IF NOT EXISTS treasury_submissions_student ON treasury_submissions (student, id)",
    "CREATE INDEX IF NOT EXISTS treasury_submissions_unsent ON treasury_submissions (id) WHERE sent = 0",
    "CREATE INDEX IF NOT EXISTS treasury_notices_waiting ON treasury_notices (iuv) WHERE submitted = 0",
)
"""Amounts in cents, days and instants as ISO text. `submitted` 0: the reference is not known yet; `sent` 1: Kafka
acknowledged it."""

LONGEST_NOTICE = 10_000
"""Bytes of a line."""
LONGEST_RECEIPT = 120
_RECEIPT = re.compile(r"[A-Za-z0-9._:/-]+")


class PaymentNotice(BaseModel):
    """`receipt` is the payment service provider's number of the payment, unique for this creditor; `iuv` may be given
    as the notice number that holds it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    iuv: str
    amount: PositiveAmount
    paid_on: Day
    receipt: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_RECEIPT)]

    @field_validator("iuv")
    @classmethod
    def _checked(cls, value: str) -> str:
        return reference.read(value)

    @field_validator("receipt")
    @classmethod
    def _plain(cls, value: str) -> str:
        if not _RECEIPT.fullmatch(value):
            raise wrong("form/receipt")
        return value


class Allocation(BaseModel):
    """What one submission says: so much of a notice's money for a charge."""

    model_config = ConfigDict(frozen=True)
    id: Annotated[str, Field(max_length=200)]
    charge: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Debt:
    """A debt position: `charge` is what it is of, wholly or in part."""

    iuv: str
    student: str
    career: str
    charge: str


def cents(amount: Decimal) -> int:
    return int(amount * 100)


def euro(amount: int) -> Decimal:
    return Decimal(amount) / 100 + ZERO


class Malformed(ValueError):
    """No notice. `problems`: each as JSON; `receipt`: the payment's number, where one can be read."""

    def __init__(self, problems: Sequence[Problem], receipt: str | None = None) -> None:
        super().__init__(problems)
        self.receipt = receipt
        self.problems: list[dict[str, Any]] = told([one.as_json() for one in problems])


def read_notice(line: bytes) -> PaymentNotice:
    """A notice of one JSON object. Raises Malformed with everything that is wrong."""
    if len(line) > LONGEST_NOTICE:
        raise Malformed([Problem("", says("notice/too-long", bytes=LONGEST_NOTICE))])
    try:
        value = read_json(line)
    except BadJson as error:
        raise Malformed([Problem(error.field or "", error.told)],
                        _receipt_of(_last_of_each(line)) if error.field is not None else None) from None
    if not isinstance(value, dict):
        raise Malformed([Problem("", says("notice/object"))])
    try:
        return PaymentNotice.model_validate(value)
    except ValidationError as error:
        raise Malformed(problems_of(error), _receipt_of(value)) from None


def _last_of_each(line: bytes) -> Any:
    """What stands behind a name that stands twice need be no JSON."""
    try:
        return from_json(line, allow_inf_nan=False)
    except ValueError:
        return None


def _receipt_of(value: Any) -> str | None:
    receipt = value.get("receipt") if isinstance(value, dict) else None
    return receipt[:LONGEST_RECEIPT] if isinstance(receipt, str) else None


def parts(notice: PaymentNotice, charge: str, period: Stretch | None,
          pending: Mapping[str, Decimal]) -> list[Allocation]:
    """The submissions of a notice for a debt. `period` is the debt's on the day of payment, None where it was not
    published yet;
    `pending` charge -> money that is on its way to the ledger and not in `period`."""
    first, beyond = notice.amount, ZERO
    if period is not None and period.surcharge is not None:
        owed = max(ZERO, period.outstanding - pending.get(charge, ZERO))
        extra = max(ZERO, period.accruing - pending.get(period.surcharge, ZERO))
        beyond = min(extra, max(ZERO, notice.amount - owed))
        first = notice.amount - beyond
    found = [Allocation(id=f"{SOURCE}:{notice.receipt}", charge=charge, amount=first)] if first > ZERO else []
    if beyond > ZERO and period is not None and period.surcharge is not None:
        found.append(Allocation(id=f"{SOURCE}:{notice.receipt}:surcharge", charge=period.surcharge, amount=beyond))
    return found


def submission(id: str, student: str, career: str, charge: str, amount: Decimal, paid_on: date,
               iuv: str) -> dict[str, Any]:
    """The `instalment-paid` of section 3 that goes to the intake."""
    return {"id": id, "type": "instalment-paid", "student": student, "career": career,
            "effective_on": paid_on.isoformat(),
            "source": SOURCE, "actor": ACTOR, "data": {"charge": charge, "amount": f"{amount:.2f}", "iuv": iuv}}


def accept(tx: Transaction, notice: PaymentNotice, now: datetime, today: date) -> dict[str, Any]:
    """Stores a notice once and puts its submissions into the outbox. Outcomes: `stored`; `waiting` (stored, of no
    position known yet); `duplicate`; `invalid` with `problems`."""
    if notice.paid_on > today:
        return _invalid(notice, "paid_on", says("notice/future", on=today))
    new = tx.run("INSERT INTO treasury_notices (receipt, iuv, amount, paid_on, reported_at, submitted) "
                 "VALUES (:receipt, :iuv, :amount, :paid_on, :now, 0) ON CONFLICT (receipt) DO NOTHING",
                 {"receipt": notice.receipt, "iuv": notice.iuv, "amount": cents(notice.amount),
                  "paid_on": notice.paid_on.isoformat(),
                  "now": format_instant(now)})
    if not new:
        [before] = tx.ask("SELECT iuv, amount, paid_on FROM treasury_notices WHERE receipt = :receipt",
                          {"receipt": notice.receipt})
        if before != (notice.iuv, cents(notice.amount), notice.paid_on.isoformat()):
            return _invalid(notice, "receipt", says("notice/receipt-taken"))
        return {"receipt": notice.receipt, "outcome": "duplicate"}
    return {"receipt": notice.receipt, "outcome": "stored" if submit(tx, notice) else "waiting"}


def _invalid(notice: PaymentNotice, path: str, message: Phrase) -> dict[str, Any]:
    return {"receipt": notice.receipt, "outcome": "invalid", "problems": told([Problem(path, message).as_json()])}


def submit(tx: Transaction, notice: PaymentNotice) -> bool:
    """Puts a notice's submissions into the outbox, once; False where its reference is of no position (yet), or of a
    person who was forgotten."""
    found = tx.ask("SELECT iuv, student, career, charge FROM treasury_debts WHERE iuv = :iuv", {"iuv": notice.iuv})
    if not found or not found[0][1]:  # the person was forgotten: money for her is for an officer
        return False
    if tx.run("UPDATE treasury_notices SET submitted = 1 WHERE receipt = :receipt AND submitted = 0",
              {"receipt": notice.receipt}) == 0:
        return True  # another process was faster
    iuv, student, career, position = found[0]
    debt = Debt(iuv, student, career, reference.charge_of(position))
    period = period_on(tx, debt.iuv, notice.paid_on)
    for part in parts(notice, debt.charge, period, _pending(tx, debt)):
        tx.run("INSERT INTO treasury_submissions (id, receipt, student, career, charge, amount, paid_on, iuv, sent) "
               "VALUES (:id, :receipt, :student, :career, :charge, :amount, :paid_on, :iuv, 0)",
               {"id": part.id, "receipt": notice.receipt, "student": debt.student, "career": debt.career,
                "charge": part.charge,
                "amount": cents(part.amount), "paid_on": notice.paid_on.isoformat(), "iuv": debt.iuv})
    return True


def submit_waiting(database: Database) -> None:
    """Submits the notices that waited for positions which are there now."""
    rows = database.ask("SELECT n.receipt, n.iuv, n.amount, n.paid_on FROM treasury_notices n JOIN treasury_debts d ON "
                        "d.iuv = n.iuv WHERE n.submitted = 0 AND d.student <> '' ORDER BY n.receipt")
    if rows:
        with database.transaction() as tx:
            for receipt, iuv, amount, paid_on in rows:
                submit(tx, PaymentNotice(receipt=receipt, iuv=iuv, amount=euro(amount),
                                         paid_on=date.fromisoformat(paid_on)))


def _pending(tx: Transaction, debt: Debt) -> dict[str, Decimal]:
    """Money submitted that the career's state does not show yet."""
    rows = tx.ask(
        "SELECT s.charge, SUM(s.amount) FROM treasury_submissions s JOIN treasury_careers c ON c.student = s.student "
        "AND c.career = s.career WHERE s.student = :student AND s.career = :career AND (s.outcome IS NULL "
        "OR (s.outcome IN ('accepted', 'duplicate') AND s.position > c.position)) GROUP BY s.charge",
        {"student": debt.student, "career": debt.career})
    return {charge: euro(int(amount)) for charge, amount in rows}


PERIOD = ("from_on", "until_on", "status", "amount", "paid", "outstanding", "accruing", "credit",
          "refund", "due_on", "paid_on",
          "refund_by", "refund_rule", "surcharge")
_CENTS = frozenset({"amount", "paid", "outstanding", "accruing", "credit", "refund"})
_DAYS = frozenset({"from_on", "until_on", "due_on", "paid_on", "refund_by"})


def period_row(iuv: str, period: Stretch) -> dict[str, Any]:
    found: dict[str, Any] = {"iuv": iuv}
    for name in PERIOD:
        value = getattr(period, name)
        if value is not None:
            value = cents(value) if name in _CENTS else value.isoformat() if name in _DAYS else value
        found[name] = value
    return found


def read_period(row: Iterable[Any]) -> Stretch:
    """Of a row with the columns of PERIOD."""
    found: dict[str, Any] = {
        name: value if value is None else euro(value) if name in _CENTS else date.fromisoformat(value)
        if name in _DAYS else value
        for name, value in zip(PERIOD, row, strict=True)}
    return Stretch(**found)


def period_on(tx: Transaction, iuv: str, day: date) -> Stretch | None:
    rows = tx.ask(f"SELECT {', '.join(PERIOD)} FROM treasury_life "  # noqa: S608 - names of our own
                  "WHERE iuv = :iuv AND from_on <= :on AND (until_on IS NULL OR :on < until_on)",
                  {"iuv": iuv, "on": day.isoformat()})
    return read_period(rows[0]) if rows else None
