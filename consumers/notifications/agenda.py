"""What a career's state gives to tell on a day. Pure: the day is an argument, and the same state and day give the same
notices.

A notice is told within a window that ends with its usefulness: a block until the day before it begins, an instalment
and a renunciation through their last day. Whoever was away meanwhile tells it late, with the right day, or not at all.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from consumers.kit.states import State
from ledger.domain.values import ZERO
from ledger.wire.models import AnyDay, Euro, Moment
from ledger.wire.state import PartRef, PlanRef, Span, WithdrawalRef

TICKET_OPENED, TICKET_CLOSED, BLOCK_BEGINS, BLOCK_LIFTED, INSTALMENT_DUE, WITHDRAWAL_LAPSES = KINDS = (
    "ticket-opened", "ticket-closed", "block-begins", "block-lifted", "instalment-due", "withdrawal-lapses")
TICKETS = (TICKET_OPENED, TICKET_CLOSED)
DUE_DAYS = 7
"""How long before its last day an instalment, and a renunciation, is told."""
LEAD_DAYS = 7
"""How long before its first day a block is told, unless the operator says otherwise."""
FRESH_DAYS = 30
"""What is told of the past (tickets, lifted blocks) is no use any more when it is older."""
ITALY = ZoneInfo("Europe/Rome")
ONE_DAY = timedelta(days=1)

Facts = dict[str, Any]
"""What the template of a notice is given."""


class Notice(NamedTuple):
    """The key of a notice: the same notice, whenever it is found again. `career` is "" for a ticket; `thing` the
    ticket's number, the kind of block, the charges, or the day of filing; `day` the day that it speaks of."""

    student: str
    career: str
    kind: str
    thing: str
    day: date

    @property
    def id(self) -> str:
        """The left part of its Message-ID."""
        return hashlib.sha256(json.dumps([*self[:4], self.day.isoformat()]).encode()).hexdigest()[:40]


class StatusDays(Span):
    status: str | None = None
    programme: str | None = None
    ended: str | None = None
    withdrawal: WithdrawalRef | None = None


class BlockDays(Span):
    kind: str
    charge: str | None = None
    amount: Euro | None = None


class ChargeDays(Span):
    charge: str
    state: str
    due_on: AnyDay | None = None
    outstanding: Euro
    accruing: Euro
    plan: PlanRef | None = None
    parts: tuple[PartRef, ...] = ()


class KnownCareer(State):
    """What this service reads of `career.state.v1`."""

    recorded_at: Moment
    status: tuple[StatusDays, ...]
    blocks: tuple[BlockDays, ...]
    charges: tuple[ChargeDays, ...]

    @property
    def known_on(self) -> date:
        """The day, in Italy, on which the newest event behind it was recorded."""
        return datetime.fromisoformat(self.recorded_at).astimezone(ITALY).date()

    def on(self, day: date) -> StatusDays | None:
        return next((span for span in self.status if span.holds_on(day)), None)

    def without_history(self, start: date, today: date) -> "KnownCareer":
        """What later days can ask about: blocks that ended since `start`, and of the rest what has not ended."""
        return self.model_copy(update={
            "status": tuple(s for s in self.status if s.until is None or s.until > today),
            "blocks": tuple(b for b in self.blocks if b.until is None or b.until >= start),
            "charges": tuple(c for c in self.charges if (c.until is None or c.until > today) and c.outstanding
                             and _kind(c.charge).startswith(("instalment-", "withdrawal-stamp")))})


class Due(NamedTuple):
    """What falls due on a day: a charge, or the part of one. `plan`: the event of the plan that says so."""

    charge: str
    day: date
    amount: Decimal
    plan: str | None


def coming(known: KnownCareer, today: date, lead_days: int) -> dict[Notice, Facts]:
    """What lies ahead and is to be told on this day."""
    return dict([*_blocks(known, today, lead_days), *_instalments(known, today), *_withdrawal(known, today)])


def _blocks(known: KnownCareer, today: date, lead_days: int) -> Iterator[tuple[Notice, Facts]]:
    """One notice for a kind of block, whatever number of charges is behind it."""
    for kind in sorted({b.kind for b in known.blocks}):
        for start, _ in periods(known.blocks, kind):
            if today < start <= today + timedelta(days=lead_days):
                causes = [b for b in known.blocks if b.kind == kind and b.holds_on(start)]
                yield Notice(known.student, known.career, BLOCK_BEGINS, kind, start), {
                    "programme": _programme(known, today), "block": kind, "day": start, "last_day": start - ONE_DAY,
                    "causes": [{"charge": b.charge, "amount": b.amount,
                                "extra": _accruing(known, b.charge, start - ONE_DAY)}
                               for b in causes]}


def _accruing(known: KnownCareer, charge: str | None, day: date) -> Decimal:
    """What is owed beside a charge for the delay, if it is paid on that day."""
    return next((c.accruing for c in known.charges if c.charge == charge and c.holds_on(day)), ZERO)


def _instalments(known: KnownCareer, today: date) -> Iterator[tuple[Notice, Facts]]:
    """Owed today and, if nothing else happens, still on the day when it is due. What a plan makes due on a day is one
    notice, for that part alone, whatever charges it is of."""
    together: dict[str, list[Due]] = {}
    for one in sorted(_due(known, today), key=lambda d: (d.day, d.charge)):
        if one in _due(known, one.day) and one.day <= today + timedelta(days=DUE_DAYS):
            together.setdefault(f"{one.plan} {one.day}" if one.plan is not None else f"{one.charge} {one.day}",
                                []).append(one)
    for dues in together.values():
        first = dues[0]
        yield Notice(known.student, known.career, INSTALMENT_DUE, "+".join(d.charge for d in dues), first.day), {
            "programme": _programme(known, today), "day": first.day, "plan": first.plan is not None,
            "charges": [{"charge": d.charge, "amount": d.amount, "day": d.day} for d in dues]}


def _due(known: KnownCareer, today: date) -> set[Due]:
    """What is owed of instalments on a day and falls due on it or later."""
    found: set[Due] = set()
    for c in known.charges:
        if not c.holds_on(today) or not c.outstanding or not _kind(c.charge).startswith("instalment-"):
            continue
        plan = c.plan.event if c.plan is not None else None
        if c.parts:
            found |= {Due(c.charge, part.due_on, part.outstanding, plan) for part in c.parts if part.outstanding}
        elif c.state == "to-come" and c.due_on is not None:
            found.add(Due(c.charge, c.due_on, c.outstanding, plan))
    return {due for due in found if today <= due.day}


def _withdrawal(known: KnownCareer, today: date) -> Iterator[tuple[Notice, Facts]]:
    status = known.on(today)
    filed = status.withdrawal if status is not None else None
    if filed is None or filed.perfected_on is not None or filed.last_day is None:
        return
    if today <= filed.last_day <= today + timedelta(days=DUE_DAYS):
        stamp = next((c for c in known.charges if _kind(c.charge) == "withdrawal-stamp" and c.holds_on(today)
                      and c.outstanding), None)
        yield Notice(known.student, known.career, WITHDRAWAL_LAPSES, filed.filed_on.isoformat(), filed.last_day), {
            "programme": _programme(known, today), "filed_on": filed.filed_on, "day": filed.last_day,
            "stamps": [{"charge": stamp.charge, "amount": stamp.outstanding}] if stamp is not None else []}


BlocksHeld = dict[str, date]
"""Kinds of block that stood when the career was last looked at, with the first day of each."""


def lifted(known: KnownCareer, before: BlocksHeld, looked_on: date, today: date,
           lead_days: int) -> tuple[BlocksHeld, list[tuple[str, date]]]:
    """The kinds of block that stand now, and those that no longer do since `looked_on`, with the first day without.

    A kind that will be back within the lead days still stands: paying an instalment late lifts a block for the one day
    until its surcharge is overdue. One that stood, and of which a revised state says that it never did, is lifted on
    the day of that news."""
    now: BlocksHeld = {}
    gone: list[tuple[str, date]] = []
    for kind in sorted({b.kind for b in known.blocks} | before.keys()):
        found = periods(known.blocks, kind)
        standing = next((start for start, until in found if start <= today and (until is None or today < until)), None)
        if standing is not None:
            now[kind] = standing
            continue
        ended = [(until, start) for start, until in found
                 if until is not None and until <= today and (until > looked_on or until > before.get(kind, date.max))]
        if not ended and kind not in before:
            continue
        if _is_back(found, today, lead_days):
            now[kind] = before[kind] if kind in before else max(ended)[1]
        else:
            gone.append((kind, max(ended)[0] if ended else known.known_on))
    return now, gone


def _is_back(found: Iterable[tuple[date, date | None]], today: date, lead_days: int) -> bool:
    return any(today < start <= today + timedelta(days=lead_days) for start, _ in found)


def still_lifted(known: KnownCareer, kind: str, day: date, today: date, lead_days: int) -> Facts | None:
    """What to tell of a block that was lifted. None where it stands again, or the career does not go on: it has ended,
    or its end was asked for."""
    status = known.on(today)
    if status is None or status.status is None or status.ended is not None or status.withdrawal is not None:
        return None
    found = periods(known.blocks, kind)
    if _is_back(found, today, lead_days) or any(b.holds_on(today) for b in known.blocks if b.kind == kind):
        return None
    return {"programme": status.programme, "block": kind, "day": day,
            "others": sorted({b.kind for b in known.blocks if b.holds_on(today)})}


def next_look(known: KnownCareer, today: date, lead_days: int) -> date | None:
    """The first day after `today` on which there may be something else to tell of this state."""
    days: set[date] = set()
    for span in (*known.status, *known.charges):
        days |= {span.from_} | ({span.until} if span.until is not None else set())
    for kind in {b.kind for b in known.blocks}:
        for start, until in periods(known.blocks, kind):
            days |= {start - timedelta(days=lead_days), start} | ({until} if until is not None else set())
    last_days = {c.due_on for c in known.charges} | {p.due_on for c in known.charges for p in c.parts}
    last_days |= {s.withdrawal.last_day for s in known.status if s.withdrawal is not None}
    for last in last_days:
        if last is not None:
            days |= {last - timedelta(days=DUE_DAYS), last + ONE_DAY}
    return min((day for day in days if day > today), default=None)


def periods(blocks: Iterable[BlockDays], kind: str) -> list[tuple[date, date | None]]:
    """When a kind of block stands, [first day, first day without): its charges and amounts joined."""
    found: list[tuple[date, date | None]] = []
    for start, until in sorted(((b.from_, b.until) for b in blocks if b.kind
                                == kind and (b.until is None or b.from_ < b.until)),
                               key=lambda span: (span[0], span[1] or date.max)):
        if found and (found[-1][1] is None or start <= found[-1][1]):
            before = found[-1]
            found[-1] = before[0], None if before[1] is None or until is None else max(before[1], until)
        else:
            found.append((start, until))
    return found


def _kind(charge: str) -> str:
    return charge.partition(":")[2]


def _programme(known: KnownCareer, today: date) -> str | None:
    status = known.on(today)
    return status.programme if status is not None else None
