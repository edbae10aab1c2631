"""A state in the words of the published language: blocks, charges and careers as JSON (sections 4 and 5)."""

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar

from msgspec.structs import replace

from ledger.domain.account import overdue_amount, state_of
from ledger.domain.books import LawBooks
from ledger.domain.charges import accrues, told
from ledger.domain.events import Event
from ledger.domain.fold import next_change, pass_to, replay
from ledger.domain.gaps import gap_json, gap_phrase
from ledger.domain.phrases import Phrase, Remedy, says
from ledger.domain.reasons import interpretation_of, source_of
from ledger.domain.state import Block, Career, Charge, Person
from ledger.domain.values import day_or_none

T = TypeVar("T")
_DECIDED = {"late-instance": "AMB-11", "late-instance/recognition": "AMB-31", "late-instance/transfer-out": "AMB-49",
            "study-plan-penalty": "AMB-23", "late-fee/enrolment": "AMB-20"}


def euro(amount: Decimal) -> str:
    return f"{amount:.2f}"


def block_json(block: Block, books: LawBooks) -> dict[str, Any]:
    """`until` is left open: what is known of a day does not tell."""
    found: dict[str, Any] = {
        "kind": block.kind, "from": block.start.isoformat(), "until": None, "rule": block.rule,
        "reason": block.reason, "how_to_lift": Remedy(block.reason), "interpretation": block.interpretation,
        "source": source_of(books.book_of(block.year), block.rule), "facts": [f.as_json() for f in block.facts],
    }
    if block.charge is not None:
        found["charge"] = block.charge
    if block.amount is not None:
        found["amount"] = euro(block.amount)
    return found


def charge_json(person: Person, career: Career, charge: Charge, books: LawBooks) -> dict[str, Any]:
    """Section 4, with the rule, its source, the facts and every waiver. Amounts are strings in euro."""
    books = books.on(person.day)
    now = told(person, career, charge, books)
    state, right = now.state, now.refundable
    book = books.book_of(charge.year)
    waivers = [w for w in charge.waivers if w.amount > 0]
    rule = charge.rule
    if rule == "charge-decided":
        rule = _DECIDED.get(charge.base_kind, rule)
    if state == "waived" and waivers:
        rule = _DECIDED.get(charge.base_kind,
                            waivers[-1].rule) if waivers[-1].rule == "charge-decided" else waivers[-1].rule
    found: dict[str, Any] = {
        "charge": charge.key, "career": career.name, "amount": euro(now.amount),
        "due_on": day_or_none(now.due_on), "raised_on": now.raised_on.isoformat(),
        "paid": euro(now.paid), "paid_on": day_or_none(now.paid_on), "refunded": euro(now.refunded),
        "waived": euro(now.waived), "moved": euro(now.moved), "outstanding": euro(now.outstanding), "state": state,
        "overdue": euro(now.overdue), "accruing": euro(now.accruing), "rule": rule,
        "source": source_of(book, rule), "facts": [f.as_json() for f in charge.basis],
    }
    reading = next((w.interpretation for w in reversed(waivers) if w.interpretation),
                   None) if state == "waived" else None
    reading = reading or charge.interpretation or interpretation_of(book, rule)
    if reading:
        found["interpretation"] = reading
    if waivers:
        found["waivers"] = [{"rule": w.rule, "amount": euro(w.amount), "on": w.on.isoformat(), "event": w.event,
                             "interpretation": w.interpretation, "source": source_of(book, w.rule)} for w in waivers]
    if charge.parts:
        found["parts"] = [{"due_on": p.due_on.isoformat(), "amount": euro(p.amount), "outstanding": euro(p.outstanding)}
                          for p in charge.parts]
    if charge.plan is not None:
        found["plan"] = {"event": charge.plan.event, "agreed_on": charge.plan.agreed_on.isoformat(),
                         "first_due_on": day_or_none(charge.due_on)}
    if charge.gap is not None:
        found["unknown"] = gap_json("charge", charge.key, charge.gap, books)
    if right is not None:
        found["refundable"] = {"amount": euro(right.amount), "by": day_or_none(right.by), "rule": right.rule,
                               "source": source_of(book, right.rule)}
    return found


def sorted_charges(person: Person) -> Iterator[tuple[Career, Charge]]:
    for name in sorted(person.careers):
        career = person.careers[name]
        for charge in sorted(career.charges.values(), key=lambda c: (c.year, c.due_on or c.raised_on, c.key)):
            yield career, charge


def cfu_json(career: Career, day: date) -> dict[str, int | float]:
    """CFU recognised and passed on a day: each course once."""
    return {"recognised": sum(d.cfu for _, _, d in career.recognitions), "passed": career.cfu_passed(day)}


Snapshot = dict[tuple[str, str, Any], Any]
"""(career, what, key) -> value; what is about the person has no career ("")."""


def snapshot(person: Person, books: LawBooks) -> Snapshot:
    """What can change, flat: (career, what, key) -> value. Two of them give the changes between two states."""
    found: Snapshot = {}
    books = books.on(person.day)
    for number, ticket in person.tickets.items():
        found["", "ticket", number] = "closed" if ticket.closed_on is not None else "open"
    for name, career in person.careers.items():
        if career.status is not None:
            current = career.current_enrolment
            found[name, "status", ""] = (career.status, current.academic_year if current else None,
                                         current.year if current else None)
            found[name, "cfu", ""] = tuple(cfu_json(career, person.day).values())
        for kind, rule, charge in career.blocks:
            found[name, "block", (kind, rule, charge)] = True
        for key, owed in career.charges.items():
            found[name, "charge", key] = (state_of(career, owed, person.day), euro(owed.amount), euro(owed.outstanding),
                                          euro(overdue_amount(career, owed, person.day)))
            extra = accrues(career, owed, person.day, books)
            if extra:
                found[name, "accruing", key] = euro(extra)
        for about, gap in career.gaps.items():
            found[name, "unknown", about] = replace(gap, on=date.min, event=None)
    return found


def changes(before: Snapshot, after: Snapshot) -> list[dict[str, Any]]:
    """The differences as objects, each with what is to be told of it."""
    found = []
    for key in sorted(before.keys() | after.keys(), key=str):
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        career, what, name = key
        change: dict[str, Any] = {"career": career or None, "what": what}
        if what == "status":
            change |= {"from": old[0] if old else None, "to": new[0] if new else None}
            told = says("change/status", status=new[0]) if new and (not old or old[0] != new[0]) else \
                says("change/year", academic_year=new[1], year=new[2]) if new else says("change/career-gone")
        elif what == "cfu":
            change |= {"from": old[1] if old else 0, "to": new[1] if new else 0}
            told = says("change/cfu", passed_cfu=new[1] if new else 0, recognised_cfu=new[0] if new else 0)
            if not old and new == (0, 0):
                continue
        elif what == "ticket":
            change |= {"ticket": name, "from": old, "to": new}
            told = says("change/ticket", number=name, ticket_state=new) if new else says("change/ticket-gone",
                                                                                         number=name)
        elif what == "block":
            change |= {"kind": name[0], "rule": name[1], "charge": name[2] or None, "begins": new is not None}
            told = _of_block(name, new is not None)
        elif what == "unknown":
            change |= {"about": name[0], "name": name[1], "begins": new is not None}
            told = _of_gap(name, old, new)
        elif what == "charge":
            change |= {"charge": name, "from": old[0] if old else None, "to": new[0] if new else None}
            told = _of_charge(name, old, new) if new else says("change/charge-gone", charge=name)
        else:
            change |= {"charge": name, "from": old or "0.00", "to": new or "0.00"}
            told = says("change/accruing", charge=name,
                        amount=new) if new else says("change/accrues-nothing", charge=name)
        change["change"] = told
        found.append(change)
    return found


def _of_block(block: Any, begins: bool) -> Phrase:
    kind, rule, charge = block
    if not charge:
        return says("change/block-begins" if begins else "change/block-ends", block=kind, rule=rule)
    return says("change/charge-blocks" if begins else "change/charge-unblocks", block=kind, rule=rule, charge=charge)


def _of_gap(about: Any, old: Any, new: Any) -> Phrase:
    what, name = about
    return gap_phrase(what, name, new) if new else says("change/no-longer-open", rule=old.rule, academic_year=old.year)


def _of_charge(name: Any, old: Any, new: Any) -> Phrase:
    """A charge that keeps its state stays in it, and says how much of it is overdue where that has changed."""
    state, amount, outstanding, late = new
    stays = bool(old) and old[0] == state
    part = late != "0.00" and (late != outstanding or (stays and late != old[3]))
    of_it = {"charge": name, "state": state, "outstanding": outstanding, "amount": amount}
    if part:
        return says("change/charge-stays-overdue" if stays else "change/charge-overdue", **of_it, overdue=late)
    return says("change/charge-stays" if stays else "change/charge", **of_it)


def forecast(facts: Iterable[Event], student: str, on: date, books: LawBooks,
             ask: Callable[[Person], T]) -> tuple[T, list[tuple[date, list[dict[str, Any]]]]]:
    """What `ask` answers at the end of a day, and what time alone will change after it, day by day, if nothing else
    happens. The state that is moved on for this is seen by nobody else."""
    person = replay(facts, student, on, books)
    answer, before = ask(person), snapshot(person, books)
    coming = []
    while (moment := next_change(person)) is not None:
        pass_to(person, moment, books)
        after = snapshot(person, books)
        found = changes(before, after)
        if found:
            coming.append((moment, found))
        before = after
    return answer, coming
