"""The daily reconciliation: every difference between the money that was reported and the ledger, as of the end of a
day.

A notice has until the end of the next day (UTC) to become a payment in the ledger: one reported on the day itself, or
later, is counted as in flight. Kinds of difference:

nothing-known      neither a career nor a notice nor a payment was ever seen: nothing was compared
unknown-reference  a notice whose reference is of no position
not-sent           a submission that Kafka has not acknowledged
no-outcome         a submission that the ledger has not answered
refused            the ledger refused it, or found it invalid (`why`)
not-in-ledger      answered as accepted, but the payment did not arrive on the topic of events
voided             the ledger's payment was taken back
differs            the ledger's payment says something else (`fields`)
not-seen           a payment in the ledger that no notice reported, with or without a reference
unallocated        money in the ledger whose charge does not exist (yet)
credit             money beyond what was owed
refund             money to be given back (`by`, `rule`)
unreadable         the career's newest state could not be read: what is said of it is old
parked             the student's events wait for a missing one: what is said of her may be old
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from consumers.database import Transaction

from .notices import euro

Discrepancy = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Report:
    """`position`: the newest of the ledger's payments that the treasury has seen."""

    on: date
    differences: list[Discrepancy]
    notices: int
    payments: int
    in_flight: int
    position: int

    def as_json(self) -> dict[str, Any]:
        return {"on": self.on.isoformat(), "differences": self.differences, "notices": self.notices,
                "payments": self.payments,
                "in_flight": self.in_flight, "position": self.position}


def reconcile(tx: Transaction, on: date, since: date = date.min) -> Report:
    """As of the end of `on`, with what is known now; money paid before `since` (the day the treasury began) is left
    out."""
    days = {"on": on.isoformat(), "since": since.isoformat()}
    differences: list[Discrepancy] = []
    in_flight = 0
    for difference, reported_at in [*_unknown(tx, days), *_submissions(tx, days)]:
        if reported_at[:10] < days["on"] or difference["kind"] in ("refused", "voided", "differs"):
            differences.append(difference)
        else:
            in_flight += 1
    differences += [*_not_seen(tx, days), *_unallocated(tx, days), *_held(tx, days), *_parked(tx)]
    known = (tx.ask(f"SELECT 1 FROM treasury_{table} LIMIT 1")  # noqa: S608 - names of ours
             for table in ("careers", "notices", "payments"))
    if not differences and not any(known):
        differences.append({"kind": "nothing-known", "why":
                            "this database has seen nothing of the ledger: name the one that `run` fills"})
    [[reported]] = tx.ask("SELECT COUNT(*) FROM treasury_notices WHERE paid_on <= :on AND paid_on >= :since", days)
    [[recorded, position]] = tx.ask("SELECT COUNT(*), COALESCE(MAX(position), 0) FROM treasury_payments WHERE voided = "
                                    "0 AND paid_on <= :on AND paid_on >= :since", days)
    return Report(on, differences, reported, recorded, in_flight, position)


def _unknown(tx: Transaction, days: dict[str, Any]) -> Iterator[tuple[Discrepancy, str]]:
    for receipt, iuv, amount, paid_on, reported_at in tx.ask(
            "SELECT receipt, iuv, amount, paid_on, reported_at FROM treasury_notices WHERE submitted = 0 AND paid_on "
            "<= :on AND paid_on >= :since ORDER BY receipt", days):
        yield {"kind": "unknown-reference", "receipt": receipt, "iuv": iuv, "amount": _money(amount),
               "paid_on": paid_on}, reported_at


def _submissions(tx: Transaction, days: dict[str, Any]) -> Iterator[tuple[Discrepancy, str]]:
    for (name, receipt, student, career, charge, amount, paid_on, iuv, sent, outcome, why, reported_at,
         *ledger) in tx.ask(
            "SELECT s.id, s.receipt, s.student, s.career, s.charge, s.amount, s.paid_on, s.iuv, s.sent, s.outcome, "
            "s.why, n.reported_at, p.voided, p.career, p.charge, p.amount, p.paid_on, p.iuv FROM treasury_submissions "
            "s JOIN treasury_notices n ON n.receipt = s.receipt LEFT JOIN treasury_payments p ON p.student = s.student "
            "AND p.id = s.id WHERE s.paid_on <= :on AND s.paid_on >= :since ORDER BY s.id", days):
        voided, *recorded = ledger
        kind, more = _kind(bool(sent), outcome), {}
        if voided is not None:
            ours = {"career": career, "charge": charge, "amount": amount, "paid_on": paid_on, "iuv": iuv}
            fields = [name for name, theirs in zip(ours, recorded, strict=True) if ours[name] != theirs]
            if voided:
                kind = "voided"
            elif fields:
                kind, more = "differs", {"fields": fields, "in_ledger": _money(recorded[2])}
            else:
                continue
        elif kind == "refused":
            more = {"outcome": outcome, "why": json.loads(why) if why else []}
        yield {"kind": kind, "receipt": receipt, "id": name, "student": student, "career": career,
               "charge": charge, "iuv": iuv,
               "amount": _money(amount), "paid_on": paid_on, **more}, reported_at


def _kind(sent: bool, outcome: str | None) -> str:
    if outcome is None:
        return "no-outcome" if sent else "not-sent"
    return "not-in-ledger" if outcome in ("accepted", "duplicate") else "refused"


def _not_seen(tx: Transaction, days: dict[str, Any]) -> Iterator[Discrepancy]:
    for student, name, position, career, charge, amount, paid_on, iuv, source in tx.ask(
            "SELECT p.student, p.id, p.position, p.career, p.charge, p.amount, p.paid_on, p.iuv, "
            "p.source FROM treasury_payments p LEFT JOIN treasury_submissions s ON s.student = p.student AND s.id = "
            "p.id WHERE s.id IS NULL AND p.voided = 0 AND p.paid_on <= :on AND p.paid_on >= :since ORDER BY p.position",
            days):
        yield {"kind": "not-seen", "student": student, "id": name, "position": position, "career": career,
               "charge": charge, "iuv": iuv,
               "amount": _money(amount), "paid_on": paid_on, "source": source}


def _unallocated(tx: Transaction, days: dict[str, Any]) -> Iterator[Discrepancy]:
    for student, career, charge, amount, from_on in tx.ask(
            "SELECT student, career, charge, amount, from_on FROM treasury_unallocated WHERE from_on <= :on "
            "AND (until_on IS NULL OR :on < until_on) ORDER BY student, career, charge", days):
        yield {"kind": "unallocated", "student": student, "career": career, "charge": charge,
               "amount": _money(amount), "since": from_on}


def _held(tx: Transaction, days: dict[str, Any]) -> Iterator[Discrepancy]:
    """Credit and refunds: money that is the student's."""
    for student, career, charge, iuv, credit, refund, by, rule in tx.ask(
            "SELECT d.student, d.career, d.charge, d.iuv, l.credit, l.refund, l.refund_by, "
            "l.refund_rule FROM treasury_life l JOIN treasury_debts d ON d.iuv = l.iuv WHERE l.from_on <= :on AND "
            "(l.until_on IS NULL OR :on < l.until_on) AND (l.credit > 0 OR l.refund > 0) ORDER BY d.student, d.career, "
            "d.charge", days):
        one = {"student": student, "career": career, "charge": charge, "iuv": iuv}
        if credit:
            yield {"kind": "credit", **one, "amount": _money(credit)}
        if refund:
            yield {"kind": "refund", **one, "amount": _money(refund), "by": by, "rule": rule}


def _parked(tx: Transaction) -> Iterator[Discrepancy]:
    for student, version, reason in tx.ask("SELECT student, version, reason FROM treasury_parked ORDER BY student"):
        yield {"kind": "parked", "student": student, "waits_for": version, "why": reason}
    for student, career in tx.ask("SELECT student, career FROM treasury_careers WHERE unusable = 1 ORDER BY student, "
                                  "career"):
        yield {"kind": "unreadable", "student": student, "career": career}


def _money(amount: int) -> str:
    return f"{euro(amount):.2f}"


def sentence(difference: Discrepancy) -> str:
    """One line for people."""
    rest = ", ".join(f"{name} {value if isinstance(value, str | int) else json.dumps(value, ensure_ascii=False)}"
                     for name, value in difference.items() if name != "kind" and value is not None)
    return f"{difference['kind']}: {rest}"



