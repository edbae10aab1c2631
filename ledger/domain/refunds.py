"""What may be refunded, by when and why (LAU-2, LAU-3, LAU-7, LAU-8, CS-10)."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from .registry import obeys
from .rulebook import LawBooks
from .state import Career, Charge, Person
from .values import ZERO


@dataclass(frozen=True, slots=True)
class Refundable:
    """Euro, the day by which it is paid out (None: on request) and the rule."""

    amount: Decimal
    by: date | None
    rule: str


@obeys("LAU-2", "LAU-3", "LAU-7", "LAU-8", "LAU-9", "RIN-6", "RIN-8a", "CS-10", "AMB-29", "MOR-7")
def refundable(person: Person, career: Career, charge: Charge, books: LawBooks) -> Refundable | None:
    """The right to a refund of what is paid on a charge: a graduate's renewal of the next year and a failed reservation from
    elsewhere, always without the stamp; a declined reservation (regional tax only); single courses followed by a scroll."""
    if not charge.paid:
        return None
    if charge.base_kind == "single-courses":
        book = books.for_single_courses(charge.year)
        rule = book.rules.CS_10 if book is not None else None
        if rule is not None and rule.after_scroll and _enrolled_through_scroll(person, career, charge):
            return Refundable(charge.paid, None, "CS-10")
        return None
    full = books.of(charge.year)
    if full is None or full.rules.CHG_2 is None:
        return None
    law, stamp = full.rules, full.rules.CHG_2.stamp
    held = career.reservation
    if charge.base_kind == "enrolment":
        rest = charge.paid - stamp
        if rest <= ZERO:
            return None
        if career.graduated is not None and law.LAU_2 is not None and law.LAU_3 is not None \
                and career.graduated.academic_year == law.LAU_3.degree_year:
            session = career.graduated.session
            by = law.LAU_3.by.get("autumn" if session == "summer" else session)  # "by the autumn session"
            return Refundable(rest, by, "LAU-2")
        if held is not None and held.academic_year == charge.year:
            if held.declined_on is not None and law.LAU_8 is not None:
                return Refundable(rest, None, "LAU-8")
            if held.lapsed_on is not None and held.home_university == "other" and law.LAU_7 is not None:
                return Refundable(rest, None, "LAU-7")
        return None
    if charge.is_instalment and held is not None and held.lapsed_on is not None and held.home_university == "other" \
            and law.LAU_7 is not None:
        return Refundable(charge.paid, None, "LAU-7")
    return None


def _enrolled_through_scroll(person: Person, single: Career, charge: Charge) -> bool:
    return any(
        c.access == "restricted" and c.ranked is not None and c.ranked.scroll
        and any(n.academic_year == charge.year and n.perfected_on is not None and n.filed_on >= charge.raised_on
                for n in c.enrolments)
        for c in person.others(single))
