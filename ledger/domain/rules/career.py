"""Renewal, reservation, suspension, regime, degree, leaving (RIS-6, RIC-4..7, PT, BLK-2, BLK-4, END, SEQ)."""

from collections.abc import Sequence
from decimal import Decimal

from ..blocks import administrative_blocks
from ..case import Case
from ..charges import overdue
from ..events import (
    Enrolled,
    EnrolmentRenewed,
    Graduated,
    ProgrammeChanged,
    RegimeChanged,
    ReservationLifted,
)
from ..reasons import Clears, Fact, Reason, reason
from ..registry import obeys
from ..state import Career, Charge
from ..values import year_end

Owed = Sequence[tuple[Charge, Decimal]]


def owed_facts(owed: Owed) -> list[Fact]:
    """The event that each charge rests on, and its plan's."""
    return [Fact(f.event, f.on, amount) for c, amount in owed for f in (*c.facts[:1], *c.basis[len(c.facts):])]


def _listed(owed: Owed) -> str:
    return ", ".join(f"{c.key} ({amount:.2f} euro)" for c, amount in owed)


@obeys("END")
def career_goes_on(case: Case) -> Reason | None:
    """No act after the end; a reservation that was met in time may still be lifted (AMB-45)."""
    if case.career.ended is None or (case.act == "reservation-lifted" and case.career.ended == "reservation-lapsed"):
        return None
    return case.no("END", f"The career has ended ({case.career.ended}).",
                   facts=[Fact(case.career.ended_event, case.career.ended_on)] if case.career.ended_event and case.career.ended_on else ())


@obeys("BLK-3", "AMB-3", "AMB-43", "BLK-7")
def no_administrative_block(case: Case) -> Reason | None:
    """The administrative block forbids new acts that the student asks for; an act of the person looks at all her careers."""
    careers = list(case.person.careers.values()) if case.act == "single-courses-enrolled" else [case.career]
    for career in careers:
        for block in administrative_blocks(career, case.day, case.books):
            return reason(case.books.book_of(block.year), block.rule,
                          f"The career {career.name} is under administrative block: {block.reason}", Clears(block.how_to_lift),
                          block.facts, "AMB-3")
    return None


@obeys("SEQ", "CHG-3")
def renews_a_later_year(case: Case) -> Reason | None:
    """A renewal follows an enrolment, for a later academic year than any before."""
    data = case.of(EnrolmentRenewed)
    if case.career.enrolments and all(n.academic_year < data.academic_year for n in case.career.enrolments):
        return None
    if not case.career.enrolments:
        return case.no("SEQ", "There is no enrolment to renew.", "enrol first")
    return case.no("SEQ", f"The career is enrolled for {max(n.academic_year for n in case.career.enrolments)} already.")


@obeys("RIS-6", "AMB-45", "LAU-8")
def reservation_is_met_in_time(case: Case) -> Reason | None:
    """The evidence fits the ground of the reservation and the degree (or the exams) came by its term."""
    data = case.of(ReservationLifted)
    held = case.career.reservation
    if held is None or held.lifted_on is not None or held.declined_on is not None:
        return case.no("RIS-6", "There is no reservation to lift.")
    fact = [Fact(held.event, held.filed_on)]
    if (data.evidence == "degree-conferred") != (held.ground == "degree-pending"):
        return case.no("RIS-6", f"{data.evidence} does not meet a reservation for {held.ground}.", facts=fact)
    met = data.conferred_on or case.day
    if met > case.day:
        return case.no("RIS-6", f"The degree of {met.isoformat()} has not been conferred yet.", Clears("the day comes", met), fact)
    if met > held.term:
        return case.no("RIS-6", f"The reservation had to be met by {held.term.isoformat()}.", facts=fact, interpretation="AMB-18")
    return None


@obeys("RIC-7", "AMB-13", "AMB-37")
def first_year_stays(case: Case) -> Reason | None:
    """A master's career may not be transferred out or suspended in the academic year of its first enrolment, in the first year.

    The book of that year says so, and for how long, whichever book the act itself follows."""
    first = case.career.first_enrolment
    if case.career.course_type != "master" or first is None or not first.first or first.year != 1:
        return None
    book = case.books.of(first.academic_year)
    if book is None or book.rules.RIC_7 is None:
        return None
    fact, ends = (Fact(first.event, first.filed_on),), year_end(first.academic_year)
    if book.interpretations.AMB_13.decision == "whole-career":
        return reason(book, "RIC-7", f"Who enrolled in the first year for {first.academic_year} may not leave or suspend.", None, fact)
    if case.day > ends:
        return None
    return reason(book, "RIC-7", f"Who enrolled in the first year for {first.academic_year} may not leave or suspend in that year.",
                  Clears("the academic year ends", ends), fact)


@obeys("SEQ")
def is_enrolled_now(case: Case) -> Reason | None:
    """The act needs a career that is enrolled (also with reservation)."""
    if case.career.latest_perfected is not None and case.career.suspended_on is None:
        return None
    return case.no("SEQ", f"The career is not enrolled (status {case.career.status}).", "pay the enrolment, or resume the career")


@obeys("SEQ")
def has_been_enrolled(case: Case) -> Reason | None:
    if case.career.latest_perfected is not None:
        return None
    return case.no("SEQ", f"The career has never been enrolled (status {case.career.status}).")


@obeys("LAU-4", "AMB-18", "AMB-35")
def is_enrolled_for_the_degree(case: Case) -> Reason | None:
    """A degree of a year needs an enrolment in it; who has not graduated by the end of the extraordinary session of the year
    before must enrol anew."""
    data = case.of(Graduated)
    if case.law.LAU_4 is None:
        return None
    if not case.career.is_enrolled_in(data.academic_year):
        return case.no("LAU-4", f"The career is not enrolled for {data.academic_year}.", f"enrol for {data.academic_year}")
    term = case.law.RIS_6.until if case.law.RIS_6 is not None else None
    if data.academic_year < case.book.academic_year and term is not None and case.day > term \
            and not case.career.is_enrolled_in(case.book.academic_year):
        return case.no("LAU-4", f"The extraordinary session of {data.academic_year} ended on {term.isoformat()}.",
                       f"enrol for {case.book.academic_year}", interpretation="AMB-18")
    return None


@obeys("SEQ")
def is_suspended(case: Case) -> Reason | None:
    if case.career.suspended_on is not None:
        return None
    return case.no("SEQ", "The career is not suspended.")


@obeys("BLK-4")
def has_no_debts_to_resume(case: Case) -> Reason | None:
    """After a suspension: what is overdue must be paid or under an agreed plan."""
    owed = overdue(case.career, case.day)
    if case.law.BLK_4 is None or not owed:
        return None
    return case.no("BLK-4", f"Unpaid: {_listed(owed)}.", "pay, or agree an instalment plan", owed_facts(owed))


@obeys("RIC-6", "AMB-37")
def left_career_is_past_its_first_year(case: Case) -> Reason | None:
    """Who enrolled in the first year may not change programme until the next academic year."""
    data = case.of(ProgrammeChanged)
    return first_year_reason(case, case.career, data.academic_year)


def first_year_reason(case: Case, career: Career, year: str) -> Reason | None:
    first = career.first_enrolment
    if case.law.RIC_6 is None or first is None or not first.first or first.academic_year != year or first.year != 1 \
            or first.perfected_on is None:
        return None
    return case.no("RIC-6", f"The career {career.name} was first enrolled for {year}: no change of programme before the next year.",
                   Clears("the next academic year"), [Fact(first.event, first.filed_on)])


@obeys("RIC-4")
def left_career_is_renewed(case: Case) -> Reason | None:
    """The renewal of the career that is left stays due: after its last day it must have been paid."""
    data = case.of(ProgrammeChanged)
    due = case.law.CHG_3.due_on if case.law.CHG_3 is not None else None
    if case.law.RIC_4 is None or due is None or case.day <= due or case.career.is_enrolled_in(data.academic_year):
        return None
    return case.no("RIC-4", f"The enrolment for {data.academic_year} in the career that is left has not been paid.",
                   f"renew and pay {data.academic_year}:enrolment")


@obeys("PT-1")
def part_time_has_a_listed_category(case: Case) -> Reason | None:
    """Part-time, from the first enrolment or later: one of the categories that the year's guide lists. Which one is never repeated:
    it may tell of her health."""
    data, rule = case.data, case.law.PT_1
    if not isinstance(data, Enrolled | RegimeChanged) or data.regime != "part-time" or rule is None:
        return None
    if data.category is not None and rule.names(data.category):
        return None
    listed = f" ({', '.join(rule.categories)})" if rule.categories is not None else ""
    message = "Part-time study needs one of the listed categories." if data.category is None else \
        f"The category is none of those that the guide of {case.book.academic_year} lists."
    return case.no("PT-1", message, f"name the category{listed}")


@obeys("PT-1")
def part_time_is_within_the_course(case: Case) -> Reason | None:
    """Part-time is for a regular course of study, not beyond its length."""
    data = case.of(RegimeChanged)
    if data.regime != "part-time":
        return None
    enrolment = case.career.enrolment_in(data.academic_year) or case.career.current_enrolment
    if enrolment is not None and enrolment.standing == "beyond-course":
        return case.no("PT-1", "Part-time study is for who is within the course's length.",
                       facts=[Fact(enrolment.event, enrolment.filed_on)])
    return None


@obeys("PT-2", "PT-3", "PT-5", "PT-9", "AMB-38", "AMB-33")
def regime_changes_in_its_window(case: Case) -> Reason | None:
    """Within the year's window; to part-time in a first degree only with the OFA cleared. In the first year the regime is
    chosen with the enrolment."""
    data = case.of(RegimeChanged)
    window = case.law.PT_2
    if window is None:
        return None
    first = case.career.first_enrolment
    if first is not None and first.first and first.academic_year == data.academic_year and first.filed_on == case.day:
        return None
    if data.regime == "full-time":
        term = case.law.CHG_3.due_on if case.law.CHG_3 is not None else window.last
        if case.day <= term:
            return None
        return case.no("PT-5", f"The last day to return to full time for {data.academic_year} was {term.isoformat()}.")
    if not window.first <= case.day <= window.last:
        return case.no("PT-2", f"Requests are open from {window.first.isoformat()} to {window.last.isoformat()}.",
                       Clears("the window opens", window.first) if case.day < window.first else None)
    if window.ofa and data.ofa_cleared is False and case.career.course_type != "master":
        return case.no("PT-2", "The OFA must be cleared first.", "clear the OFA")
    return None


@obeys("PT-3")
def regime_really_changes(case: Case) -> Reason | None:
    data = case.of(RegimeChanged)
    if case.career.regime_in(data.academic_year) != data.regime:
        return None
    return case.no("PT-3", f"The career is {data.regime} in {data.academic_year} already.")


@obeys("PT-5", "PT-6", "AMB-38")
def regime_changes_once(case: Case) -> Reason | None:
    """A return to full time once: after a whole part-time annuality (the year and its repetition), when renewing beyond the course, or
    where the career comes to an early end. A change to part-time only where there was no change before."""
    data = case.of(RegimeChanged)
    if case.law.PT_5 is None:
        return None
    changes = case.career.regime_changes
    if data.regime == "part-time":
        if changes:
            return case.no("PT-5", "The regime can be changed once.", facts=())
        return None
    if any(regime == "full-time" for _, _, regime in changes):
        return case.no("PT-5", "The return to full time is possible once.")
    named = case.career.enrolment_in(data.academic_year)
    if (named is not None and named.standing == "beyond-course") or data.early_end or _ends_early(case):
        return None
    before = [n for n in case.career.enrolments if n.academic_year < data.academic_year and n.perfected_on is not None]
    last = max(before, key=lambda n: n.academic_year, default=None)
    if last is not None and last.standing == "repeating" and any(
            n is not last and n.year == last.year and n.academic_year < last.academic_year
            and case.career.regime_in(n.academic_year) == "part-time" for n in before) \
            and case.career.regime_in(last.academic_year) == "part-time":
        return None
    return case.no("PT-5", "A whole part-time annuality (the year and its repetition) must be complete first.",
                   "complete the year and its repetition")


@obeys("PT-6")
def _ends_early(case: Case) -> bool:
    """Whether the career is about to end: a withdrawal is filed, a degree applied for, a change of programme asked for."""
    career = case.career
    return career.withdrawal is not None or bool(career.candidacies) or any(
        request.left == career.name for other in case.person.others(career) for request in other.requests)


@obeys("PT-7")
def part_time_years_are_complete(case: Case) -> Reason | None:
    """Part-time students apply for the final exam in the repetition of the last year."""
    if case.law.PT_7 is None or case.career.regime != "part-time":
        return None
    last_year = case.law.PT_7.last_year.get(case.career.course_type or "")  # type: ignore[call-overload]
    current = case.career.current_enrolment
    if last_year is None or current is None or current.standing == "beyond-course":
        return None
    if current.year >= last_year and current.standing == "repeating":
        return None
    return case.no("PT-7", f"Part-time: the final exam needs year {last_year} as repeating; "
                           f"the career is in year {current.year} ({current.standing}).",
                   f"enrol in year {last_year} as repeating", [Fact(current.event, current.filed_on)])


@obeys("BLK-2", "AMB-5")
def fees_are_paid_for_the_degree(case: Case) -> Reason | None:
    """No final exam with anything overdue."""
    if case.law.BLK_2 is None:
        return None
    owed = overdue(case.career, case.day)
    if case.book.interpretations.AMB_5.decision == "instalments-only":
        owed = [(c, late) for c, late in owed if c.is_instalment]
    if not owed:
        return None
    return case.no("BLK-2", f"Unpaid: {_listed(owed)}.", "pay what is overdue", owed_facts(owed), "AMB-5")


@obeys("RIS-5", "SEQ")
def is_not_under_reservation(case: Case) -> Reason | None:
    if not case.career.under_reservation:
        return None
    return case.no("RIS-5", "The enrolment stands under reservation.", "lift the reservation")
