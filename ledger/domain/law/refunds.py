"""What may be refunded, by when and why (LAU-2, LAU-3, LAU-7, LAU-8, CS-10)."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from ..account import gross
from ..books import LawBooks
from ..events import Event, PaymentMoved, PaymentRefunded
from ..phrases import says
from ..reasons import Reason, reason
from ..registry import obeys
from ..rulebook import INSTALMENTS, Law, OwnBook, RuleBook, UnknownValue
from ..state import Career, Charge, Person, Reservation
from ..values import ZERO
from .chapter import StillOpen, data_of, reads
from .degree import is_of_the_year_before


class Refundable(NamedTuple):
    """Euro, the day by which it is paid out (None: on request) and the rule."""

    amount: Decimal
    by: date | None
    rule: str


RIGHTS = frozenset({"CHG-2", "LAU-2", "LAU-3", "LAU-7", "LAU-8", "CS-10"})
"""The rules that `refundable` asks."""


@obeys("LAU-2", "LAU-3", "LAU-7", "LAU-8", "LAU-9", "RIN-6", "RIN-8a", "CS-10", "AMB-29", "MOR-7")
def refundable(person: Person, career: Career, charge: Charge, books: LawBooks) -> Refundable | None:
    """The right to a refund of what is paid on a charge: a graduate's renewal of the next year and a failed reservation
    from elsewhere, always without the stamp; a declined reservation (regional tax only); single courses followed by a
    scroll."""
    if not may_be_refunded(career, charge):
        return None
    if charge.base_kind == "single-courses":
        book = books.for_single_courses(charge.year)
        if book is not None and _enrolled_through_scroll(person, career, charge) \
                and book.rules.CS_10 is not None and book.rules.CS_10.after_scroll:
            return Refundable(charge.paid, None, "CS-10")
        return None
    full, held = books.of(charge.year), career.reservation
    if full is None or "CHG-2" not in full.asked:
        return None
    law = full.rules
    if charge.base_kind == "enrolment":
        right = _right_to_the_regional_tax(career, charge, law)
        rest = charge.paid - law.CHG_2.stamp if right is not None and law.CHG_2 is not None else ZERO
        return Refundable(rest, *right) if right is not None and rest > ZERO else None
    if charge.is_instalment and held is not None and _missed_the_degree(held) and held.home_university == "other" \
            and law.LAU_7 is not None:
        return Refundable(charge.paid, None, "LAU-7")
    return None


def may_be_refunded(career: Career, charge: Charge) -> bool:
    """Whether anything has happened that a right could rest on."""
    return bool(charge.paid) and (
        career.graduated is not None or career.reservation is not None or charge.base_kind == "single-courses")


def _right_to_the_regional_tax(career: Career, charge: Charge, law: Law) -> tuple[date | None, str] | None:
    """By when, and by which rule. The law is read where the right could arise."""
    degree, held = career.graduated, career.reservation
    if degree is not None and career.ended_on is not None and degree.academic_year < charge.year \
            and law.LAU_2 is not None and law.LAU_3 is not None and degree.academic_year == law.LAU_3.degree_year \
            and is_of_the_year_before(degree.academic_year, career.ended_on, charge.year, law):
        session = "autumn" if degree.session == "summer" else degree.session  # "by the autumn session"
        return law.LAU_3.by.get(session), "LAU-2"
    if held is not None and held.academic_year == charge.year:
        if held.declined_on is not None and held.ground == "degree-pending" and law.LAU_8 is not None:
            return None, "LAU-8"
        if _missed_the_degree(held) and held.home_university == "other" and law.LAU_7 is not None:
            return None, "LAU-7"
    return None


def _missed_the_degree(held: Reservation) -> bool:
    """The guide refunds who did not take the first degree in time; of who missed single courses it does not speak."""
    return held.lapsed_on is not None and held.ground == "degree-pending"


def _enrolled_through_scroll(person: Person, single: Career, charge: Charge) -> bool:
    return any(
        c.access == "restricted" and c.ranked is not None and c.ranked.scroll
        and any(n.academic_year == charge.year and n.perfected_on is not None and n.filed_on >= charge.raised_on
                for n in c.enrolments)
        for c in person.others(single))


# What does not fit it


def _available(career: Career, key: str) -> Decimal:
    return max(ZERO, gross(career, key) - sum((o.amount for o in career.outflows.get(key, ())), ZERO))


_NO_REFUND = {"enrolment": "RIN-6", "single-courses": "CS-10", **dict.fromkeys(INSTALMENTS, "RIN-11a"),
              INSTALMENTS[0]: "RIN-8a"}
"""The rule that gives no refund of a charge; of the others AMB-29 says so."""


@obeys("RIN-6", "RIN-8a", "RIN-11a", "CS-10", "LAU-2", "LAU-7", "LAU-8", "AMB-29", "RIN-7")
def refund_without_right(person: Person, career: Career, event: Event, book: RuleBook | None,
                         books: LawBooks) -> Iterator[Reason]:
    """More than the right to a refund and what was paid too much."""
    data = data_of(event, PaymentRefunded)
    charge = career.charges.get(data.charge)
    if charge is None:
        if data.amount > _available(career, data.charge):
            yield reason(books.own, "MONEY", says("MONEY/refunded", amount=data.amount, charge=data.charge))
        return
    right = refundable(person, career, charge, books)
    allowed = charge.credit + (right.amount if right is not None else ZERO)
    if data.amount <= allowed:
        return
    law = books.book_of(charge.year)
    rule = right.rule if right is not None else "RIN-7" if charge.rule == "CHG-3" \
        else _NO_REFUND.get(charge.base_kind, "AMB-29")
    if not law.has(rule):
        rule = "AMB-29"
    yield reason(law, rule, says("AMB-29", amount=data.amount, charge=charge.key, allowed=allowed))


def _first_of(law: RuleBook | OwnBook, *rules: str) -> str:
    """The rule that gives nothing back, of those that the year has; else AMB-29 says so."""
    return next((rule for rule in rules if law.has(rule)), "AMB-29")


@obeys("LAU-6")
def _contribution_may_leave(career: Career, law: RuleBook | OwnBook) -> bool:
    """What was paid for a master's whose reservation failed counts for the bachelor's; with a change of programme all
    goes along."""
    return career.ended == "programme-changed" or (career.ended == "reservation-lapsed" and law.has("LAU-6"))


@obeys("LAU-2", "RIN-6a")
def _tax_may_leave(career: Career, law: RuleBook | OwnBook) -> bool:
    """The 156 euro of who withdraws to enrol elsewhere here, and of a degree candidate, besides."""
    return (_contribution_may_leave(career, law)
            or ((career.ended == "renounced" or career.withdrawal is not None) and law.has("RIN-6a"))
            or ((bool(career.candidacies) or career.graduated is not None) and law.has("LAU-2")))


def _is_an_enrolment_of(year: str, charge: str) -> bool:
    of, _, kind = charge.partition(":")
    return of == year and kind.partition("#")[0] == "enrolment"


@obeys("LAU-2", "LAU-6", "RIN-6a", "CS-10", "MONEY")
def move_without_right(person: Person, career: Career, event: Event, book: RuleBook | None,
                       books: LawBooks) -> Iterator[Reason]:
    """Money moves between careers only as the guides say (the 156 euro to an enrolment of the same year), and never
    more than there is. What the guides do not speak of and was owed counts as settled where it was moved from: somebody
    must look at it."""
    data = data_of(event, PaymentMoved)
    if data.amount > _available(career, data.from_charge):
        yield reason(books.own, "MONEY", says("MONEY/moved", amount=data.amount, charge=data.from_charge))
        return
    charge = career.charges.get(data.from_charge)
    if charge is None or data.amount <= charge.credit:
        return
    target = person.careers.get(data.to_career) if data.to_career is not None else None
    law = books.book_of(charge.year)
    if target is None or target is career or charge.base_kind not in ("enrolment", "single-courses"):
        if target is None or target is career or not _contribution_may_leave(career, law):
            yield reason(books.own, "MONEY", says("MONEY/settled-by-a-move", amount=data.amount - charge.credit,
                                                  charge=charge.key))
    elif charge.base_kind == "enrolment":
        if not _tax_may_leave(career, law):
            yield reason(law, _first_of(law, "RIN-6a", "RIN-6"), says("RIN-6a", charge=charge.key))
        elif not _is_an_enrolment_of(charge.year, data.to_charge):
            yield reason(law, _first_of(law, "RIN-6a", "RIN-6"), says("RIN-6a/where", charge=charge.key))
    elif law.has("CS-10") and refundable(person, career, charge, books) is None:
        yield reason(law, "CS-10", says("CS-10/set-off", charge=charge.key))


# What is open


@obeys("LAU-2", "LAU-3")
@reads("charges")
def refund_is_late(person: Person, career: Career, books: LawBooks) -> Iterator[StillOpen]:
    """What was to be paid back by a day that has passed, and neither was nor was moved."""
    for charge in career.charges.values():
        right = None
        with suppress(UnknownValue):  # that it is not known stands among what cannot be told
            right = refundable(person, career, charge, books)
        law = books.book_of(charge.year)
        if right is not None and right.by is not None and right.by < person.day and law.has("LAU-3"):
            yield StillOpen(career.ended_event, reason(law, "LAU-3", says(
                "LAU-3", amount=right.amount, charge=charge.key, last_day=right.by)))
