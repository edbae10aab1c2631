"""How a finished story gets into the ledger: late, wrongly and voided, by derogation, or in breach of a rule."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

from ledger.domain.events import ACTS

from .story import Draft, Path, Story
from .terms import NEVER, books, terms

LATE = frozenset({"instalment-paid", "exam-graded"})


def _path(s: Story, fact: Draft) -> Path:
    return next(p for p in s.paths if p.name == fact.career)


def _is_ruled(fact: Draft) -> bool:
    """By a book that knows all: what a partial one does not know is no breach."""
    data = fact.data
    if "held_on" in data:
        book = books().for_late_degrees(data["academic_year"], date.fromisoformat(data["held_on"]))
    else:
        book = books().of(data["academic_year"])
    return book is not None and book.covers == "everything"


# Late and voided


def delay_and_void(s: Story) -> None:
    """Record some payments and grades later than they happened, or wrongly at first, never beyond the next act: what an
    act rests on is known and right when it is decided."""
    late, voided = s.shares.late_recorded, s.shares.voided
    if not late and not voided:
        return
    bound = NEVER
    for fact in sorted(s.facts, key=_order, reverse=True):
        if fact.type in ACTS:
            bound = fact.day
        elif fact.type in LATE and bound - fact.day > 1:
            roll = s.random()
            if roll < late:
                fact.day = min(bound - 1, fact.day + 1 + int(s.random() ** 2 * 25))
            elif roll < late + voided:
                _void(s, fact, min(bound - 1, fact.day + s.between(1, 20)))


def _order(fact: Draft) -> tuple[int, int]:
    return fact.day, fact.number


def _void(s: Story, fact: Draft, day: int) -> None:
    """The fact as it was recorded at first is wrong; it is voided and recorded again with its own day."""
    right = fact.data
    if fact.type == "instalment-paid":
        wrong: dict[str, Any] = {"amount": f"{Decimal(right['amount']) * 10:.2f}"}
    elif right["outcome"] == "passed":
        wrong = {"grade": 18 if right["grade"] != 18 else 24}
    else:
        wrong = {"cfu": right["cfu"] + 3}
    fact.data = {k: v for k, v in right.items() if k != "honours"} | wrong
    s.add("event-voided", fact.career, day,
          {"event": f"{s.name}-{fact.number}", "reason": "recorded wrongly", "authority": "student office"})
    s.add(fact.type, fact.career, fact.effective, right, recorded=day)


# Bookings after the term


def _sat(s: Story) -> list[Draft]:
    """Bookings under a rule book whose exam was sat before the last day."""
    until = s.shares.until.toordinal()
    graded = {(f.career, f.data["course"], f.data["held_on"]) for f in s.facts if f.type == "exam-graded"
              and f.day <= until}
    return [f for f in s.facts if f.type == "exam-booked" and (f.career, f.data["course"], f.data["held_on"]) in graded
            and _is_ruled(f)]


def _book_late(s: Story, booking: Draft, days: int) -> bool:
    day = date.fromisoformat(booking.data["held_on"]).toordinal() - days
    if not _path(s, booking).is_free(day):
        return False
    booking.day = booking.effective = day
    return True


def derogate(s: Story) -> None:
    """An officer lets an exam be booked after the term."""
    found = _sat(s)
    if found:
        booking = s.pick(found)
        if _book_late(s, booking, 3):
            booking.override = {"rule": "PRN-1", "reason": "the booking system was out of order",
                                "authority": "student office"}


# Breaches


def break_a_rule(s: Story) -> None:
    """Change one event so that a rule is broken: the first kind that this story has room for, beginning anywhere."""
    start = s.between(0, len(_BREACHES) - 1)
    for n in range(len(_BREACHES)):
        if _BREACHES[(start + n) % len(_BREACHES)](s):
            return
    _close_twice(s)


def _sit_without_booking(s: Story) -> bool:
    found = [f for f in _sat(s) if f.override is None]
    if found:
        s.facts.remove(s.pick(found))
    return bool(found)


def _book_after_the_term(s: Story) -> bool:
    found = [f for f in _sat(s) if f.override is None]
    return bool(found) and _book_late(s, s.pick(found), 2)


def _refund_without_right(s: Story) -> bool:
    until = s.shares.until.toordinal()
    found = [p for p in s.paths if p.label and not p.ended and not p.reserved and p.perfected + 20 < until
             and (book := books().of(p.label)) is not None and book.covers == "everything"]
    if found:
        path = s.pick(found)
        s.add("payment-refunded", path.name, path.perfected + 20,
              {"charge": f"{path.label}:enrolment", "amount": "140.00"})
    return bool(found)


def _recognise_unpaid(s: Story) -> bool:
    for decided in s.facts:
        if decided.type == "cfu-recognised" and _is_ruled(decided):
            key = f"{decided.data['academic_year']}:recognition"
            paid = next((f for f in s.facts if f.career == decided.career and f.data.get("charge") == key), None)
            if paid is not None:
                s.facts.remove(paid)
                return True
    return False


def _plan_too_early(s: Story) -> bool:
    for filed in s.facts:
        if filed.type == "study-plan-submitted" and _is_ruled(filed):
            y, path = terms(int(filed.data["academic_year"][:4])), _path(s, filed)
            early = y.before(10, 5)
            if filed.effective <= y.plan[1] and path.enrolled_on < early and path.is_free(early):
                filed.day = filed.effective = early
                return True
    return False


def _miss_too_much(s: Story) -> bool:
    for enrolled in s.facts:
        if (enrolled.type == "enrolled-with-reservation" and enrolled.data["ground"] == "degree-pending"
                and _is_ruled(enrolled)):
            enrolled.data |= {"missing_exams": 5, "missing_cfu": 36}
            return True
    return False


_BREACHES: tuple[Callable[[Story], bool], ...] = (
    _sit_without_booking, _book_after_the_term, _refund_without_right, _recognise_unpaid, _plan_too_early,
    _miss_too_much)


def _close_twice(s: Story) -> None:
    """What every story has room for, also one of years without a rule book: a career that has ended is closed once
    more."""
    until = s.shares.until.toordinal()
    known = [f for f in s.facts if f.career is not None and f.day <= until]
    if not known:
        return
    last = max(known, key=_order)
    for _ in range(2):
        s.add("forfeited", last.career, min(until, last.day + 1), {"reason": "closed by mistake"})
