"""Pre-enrolment, selection, preparation and the terms to enrol (PRE, PREP, MOR-6, MOR-9 of who is late)."""

from collections.abc import Iterator
from datetime import date

from ..account import AmountByRule, raise_charge
from ..books import LawBooks
from ..case import Case
from ..events import Enrolled, Event, Preenrolled, PreparationAssessed, Ranked
from ..phrases import says
from ..reasons import DONE, Clears, Fact, Reason, reason
from ..registry import obeys
from ..rulebook import Law, PreenrolmentWindow, UnknownValue
from ..state import Career, Charge, Enrolment, Person, Preenrolment
from ..values import next_year, year_of
from .chapter import Annulment, Deadline, StillOpen, begin, data_of, end, ends_after, reads
from .isee import spare_isee_penalty

# What the book gives: windows, selections, terms


@obeys("PRE-2", "PRE-6", "AMB-17")
def window_of(law: Law, data: Preenrolled, day: date) -> PreenrolmentWindow | None:
    """The window of an open-access pre-enrolment for a master's, which fixes when to enrol.

    Who holds a foreign title has longer windows: her enrolment dates are those of the first window that ends on or
    after the day."""
    if data.course_type != "master" or data.access != "open" or law.PRE_2 is None:
        return None
    for window in law.PRE_2.windows:
        if window.first <= day <= window.last:
            return window
    if data.applicant != "italian-title":
        return next((w for w in law.PRE_2.windows if day <= w.last), None)
    return None


@obeys("PRE-3")
def selection_of(law: Law, data: Preenrolled, day: date) -> int | None:
    """1 or 2: the selection of a restricted master's programme that is meant or runs on the day."""
    if data.access != "restricted" or data.course_type != "master" or law.PRE_3 is None:
        return None
    if data.selection is not None:
        return data.selection
    return next((n for n, s in enumerate(law.PRE_3.selections, 1) if s.first <= day <= s.last), None)


def preenrolments_of(person: Person, academic_year: str) -> list[Preenrolment]:
    """Every application of a person for a master's in an academic year, over all careers."""
    return [p for c in person.careers.values() for p in c.preenrolments
            if p.data.academic_year == academic_year and p.data.course_type == "master"]


def latest_preenrolment(career: Career, academic_year: str, access: str | None = None) -> Preenrolment | None:
    """The last pre-enrolment for an academic year, of one kind of access where it is given."""
    return next((p for p in reversed(career.preenrolments)
                 if p.data.academic_year == academic_year and access in (None, p.data.access)), None)


@obeys("PREP")
def is_admitted(career: Career, academic_year: str, access: str | None) -> bool:
    """To a master's: an adequate preparation (open access) or a place in the ranking (restricted), unless assessed
    before."""
    before = latest_preenrolment(career, academic_year)
    if before is not None and before.data.pre_assessed:
        return True
    return bool(career.adequate) if access == "open" else career.ranked is not None and career.ranked.admitted


@obeys("PRE-3", "PRE-5", "MOR-6", "AMB-21", "AMB-41")
def enrolment_term(career: Career, law: Law, academic_year: str, course_type: str | None,
                   access: str | None) -> date | None:
    """The last day to file and pay a first enrolment; None where the sources (or the ranking) give none."""
    before = latest_preenrolment(career, academic_year)
    if access == "restricted":
        if career.ranked is not None and career.ranked.enrol_by is not None:
            return career.ranked.enrol_by
        if course_type == "master" and law.PRE_3 is not None and before is not None and before.selection is not None:
            selection = law.PRE_3.selections[before.selection - 1]
            scroll = career.ranked is not None and career.ranked.scroll
            return selection.scroll_enrol_by if scroll else selection.enrol_by
        return None
    if course_type == "master":
        if before is not None and before.window is not None:
            return before.window.enrol_until
        ends = {w.enrol_until for w in law.PRE_2.windows} if law.PRE_2 is not None else set()
        return ends.pop() if len(ends) == 1 else None
    return law.PRE_5.until if law.PRE_5 is not None else None


def known_term(career: Career, law: Law, enrolment: Enrolment, course_type: str | None,
               access: str | None) -> date | None:
    """The same; None also where nobody can tell."""
    career.gaps.pop(("term", enrolment.academic_year), None)
    try:
        return enrolment_term(career, law, enrolment.academic_year, course_type, access)
    except UnknownValue as unknown:
        career.leave_open("term", enrolment.academic_year, unknown, "fact", enrolment.filed_on, event=enrolment.event)
        return None


# What a fact changes


@obeys("PRE-1", "CHG-1", "AMB-37")
def preenrolled(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """The fee is for each course, not for each application to it."""
    data = data_of(event, Preenrolled)
    begin(career, event.effective_on)
    if not career.enrolments:
        career.programme, career.course_type = data.programme, data.course_type
        career.degree_class, career.access = data.degree_class, data.access
        career.admitted, career.ranked, career.adequate = None, None, None
    book = books.of(data.academic_year)
    if book is None:
        career.unruled.add(data.academic_year)
        career.preenrolments.append(Preenrolment(data, event.effective_on, event.id, None, data.selection, False))
        return
    window: PreenrolmentWindow | None = None
    selection: int | None = data.selection
    try:
        window = window_of(book.rules, data, event.effective_on)
        selection = selection_of(book.rules, data, event.effective_on)
    except UnknownValue as unknown:
        career.leave_open("term", data.academic_year, unknown, "fact", event.effective_on, event=event.id)
    same_course = any(p.data.programme == data.programme for p in preenrolments_of(person, data.academic_year))
    career.preenrolments.append(Preenrolment(data, event.effective_on, event.id, window, selection,
                                             window is not None and window.late))
    if data.course_type != "master" or same_course:
        return
    try:
        if book.rules.CHG_1 is not None:
            raise_charge(career, data.academic_year, "preenrolment", AmountByRule(book.rules.CHG_1.amount, "CHG-1"),
                         event.effective_on, (Fact(event.id, event.effective_on),), due_on=event.effective_on)
    except UnknownValue as unknown:
        career.leave_open("charge", f"{data.academic_year}:preenrolment", unknown, "fact", event.effective_on,
                          event=event.id)


def preparation_assessed(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    data = data_of(event, PreparationAssessed)
    career.adequate = data.adequate
    if career.access != "restricted":
        career.admitted = data.adequate


@obeys("PRE-3")
def ranked(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    data = data_of(event, Ranked)
    career.ranked, career.admitted = data, data.admitted
    if career.academic_year is not None:
        spare_isee_penalty(career, career.academic_year, event, books)
    for enrolment in career.enrolments:
        book = books.of(enrolment.academic_year)
        if enrolment.first and enrolment.perfected_on is None and book is not None and enrolment.charge is not None:
            enrolment.term = known_term(career, book.rules, enrolment, career.course_type, career.access)
            career.charges[enrolment.charge].due_on = enrolment.term
            career.unsettled = True


# What time brings


@obeys("MOR-6")
def _exclusion_term(career: Career, books: LawBooks) -> date | None:
    """Restricted access: the last day for filing and for the 156, while it matters."""
    if (career.access != "restricted" or career.ended is not None or career.not_excluded
            or any(n.perfected_on is not None and not n.taken for n in career.enrolments)):
        return None
    filed = career.enrolments[-1] if career.enrolments else None
    if filed is None and not career.admitted:
        return None
    if filed is not None:
        year: str | None = filed.academic_year
    else:
        year = career.preenrolments[-1].data.academic_year if career.preenrolments else None
    book = books.of(year) if year is not None else None
    if book is None or "MOR-6" not in book.asked or year is None:
        return None
    if filed is not None and filed.charge is None:
        return None
    return ends_after(book, "MOR-6", enrolment_term(career, book.rules, year, career.course_type, career.access))


@obeys("MOR-6")
def _exclude(career: Career, day: date, books: LawBooks) -> None:
    end(career, "excluded", day, None)


EXCLUDES = Deadline("MOR-6", _exclusion_term, _exclude)


@obeys("MOR-6")
def _cannot_be_paid_any_more(career: Career, charge: Charge, books: LawBooks) -> bool:
    return career.ended == "excluded" and charge.base_kind == "enrolment"


ANNULMENTS = (Annulment("MOR-6", _cannot_be_paid_any_more),)
"""There is no late payment of a restricted place: what was not paid in time is asked no more, and what comes is
credit."""


def readmit(career: Career) -> None:
    """By an officer's derogation."""
    career.ended, career.ended_on, career.ended_event, career.not_excluded = None, None, None, True
    career.stale = True


# What it forbids


@obeys("PRE-1", "AMB-37")
def at_most_two_masters_a_year(case: Case) -> Reason | None:
    """The master's courses of open access that a person pre-enrols in for one academic year, over all careers; the same
    course in two windows is one."""
    data = case.of(Preenrolled)
    if data.course_type != "master" or data.access != "open":
        return None
    made: dict[str, Preenrolment] = {}
    for before in preenrolments_of(case.person, data.academic_year):
        if before.data.access == "open":
            made.setdefault(before.data.programme, before)
    rule = case.law.PRE_1 if made and data.programme not in made else None
    if rule is None or len(made) < rule.at_most:
        return None
    return case.no("PRE-1", facts=[Fact(p.event, p.on) for p in made.values()], at_most=rule.at_most,
                   academic_year=data.academic_year, programmes=tuple(made))


@obeys("PRE-7", "AMB-33")
def visa_applicant_is_in_time(case: Case) -> Reason | None:
    """Who needs a visa applies by days of her own; for other programmes than a master's where the year gives one. For a
    restricted master's she is assessed first and pre-enrols with her place (guide 2025-26, l.236-246)."""
    data = case.of(Preenrolled)
    if data.applicant != "visa" or (data.access == "restricted" and data.pre_assessed):
        return None
    terms = case.law.PRE_7
    if data.course_type != "master":
        term = terms.first_degrees_until if terms is not None else None
    elif terms is None:
        return case.no("PRE-7/no-procedure", DONE, interpretation="AMB-33", academic_year=case.book.academic_year)
    else:
        term = terms.open_until if data.access == "open" else terms.restricted_until
    if term is None or case.day <= term:
        return None
    return case.no("PRE-7/preenrol" if data.course_type == "master" and data.access == "open" else "PRE-7",
                   last_day=term)


@obeys("PRE-6", "AMB-33")
def window_for_foreign_titles_is_open(case: Case) -> Reason | None:
    data = case.of(Preenrolled)
    if data.applicant != "foreign-title" or data.course_type != "master" or data.access != "open":
        return None
    rule = case.law.PRE_6
    if rule is None:
        return case.no("PRE-6/no-procedure", DONE, interpretation="AMB-33", academic_year=case.book.academic_year)
    if any(w.first <= case.day <= w.last for w in rule.windows):
        return None
    coming = min((w.first for w in rule.windows if w.first > case.day), default=None)
    return case.no("PRE-6", Clears(coming) if coming else None)


@obeys("PRE-2")
def preenrolment_window_is_open(case: Case) -> Reason | None:
    """For a master's with open access."""
    data = case.of(Preenrolled)
    if data.course_type != "master" or data.access != "open" or data.applicant in ("visa", "foreign-title") \
            or window_of(case.law, data, case.day) is not None:
        return None
    rule = case.law.PRE_2
    coming = min((w.first for w in rule.windows if w.first > case.day), default=None) if rule is not None else None
    return case.no("PRE-2", Clears(coming) if coming else None)


@obeys("PRE-3", "AMB-33")
def selection_is_open(case: Case) -> Reason | None:
    """The period of the selection, for a master's with restricted access."""
    data = case.of(Preenrolled)
    if data.course_type != "master" or data.access != "restricted" or data.applicant == "visa":
        return None
    rule = case.law.PRE_3
    if rule is None:
        return case.no("PRE-3/no-procedure", DONE, interpretation="AMB-33", academic_year=case.book.academic_year)
    number = selection_of(case.law, data, case.day)
    if number is not None and rule.selections[number - 1].first <= case.day <= rule.selections[number - 1].last:
        return None
    coming = min((s.first for n, s in enumerate(rule.selections, 1)
                  if s.first > case.day and data.selection in (None, n)), default=None)
    return case.no("PRE-3", Clears(coming) if coming else None)


@obeys("PRE-4")
def applies_again_only_if_not_admitted(case: Case) -> Reason | None:
    """Restricted access: who was not admitted in the first selection may apply to the second."""
    data = case.of(Preenrolled)
    before = [p for p in case.career.preenrolments if p.data.academic_year == data.academic_year
              and p.data.access == "restricted"]
    turned_down = case.career.ranked is not None and not case.career.ranked.admitted
    if not before or data.access != "restricted" or turned_down:
        return None
    return case.no("PRE-4", DONE, [Fact(p.event, p.on) for p in before])


@obeys("PRE-2", "PRE-8")
def has_applied_in_a_window(case: Case) -> Reason | None:
    """A master's enrolment follows a pre-enrolment of the same academic year."""
    data = case.of(Enrolled)
    if _has_preenrolled(case, data) or not (data.access == "open" or case.law.PRE_3 is None):
        return None
    return _not_preenrolled(case, data, "PRE-2")


@obeys("PRE-3")
def has_applied_in_a_selection(case: Case) -> Reason | None:
    """The same for restricted access, where the year has selections."""
    data = case.of(Enrolled)
    if data.access != "restricted" or _has_preenrolled(case, data) or case.law.PRE_3 is None:
        return None
    return _not_preenrolled(case, data, "PRE-3")


def _has_preenrolled(case: Case, data: Enrolled) -> bool:
    """In the programme that she enrols in; or need not."""
    before = latest_preenrolment(case.career, data.academic_year, data.access)
    return data.course_type != "master" or (before is not None and before.data.programme == data.programme)


def _not_preenrolled(case: Case, data: Enrolled, rule: str) -> Reason:
    before = latest_preenrolment(case.career, data.academic_year, data.access)
    if before is None:
        return case.no("PRE-8/access", DONE, rule=rule, academic_year=data.academic_year, access=data.access)
    return case.no("PRE-8/programme", DONE, [Fact(before.event, before.on)], rule=rule,
                   academic_year=data.academic_year, programmes=(data.programme,))


@obeys("PREP", "PRE-9", "RIC-10")
def is_prepared(case: Case) -> Reason | None:
    """A master's: adequate preparation (open access) or a place in the ranking (restricted), unless assessed before;
    who forfeited the same restricted programme needs no test within the next academic year. Others: only a ranking that
    did not admit speaks against it."""
    data = case.of(Enrolled)
    if data.course_type != "master":
        ranked = case.career.ranked
        if data.access == "restricted" and ranked is not None and not ranked.admitted:
            return case.no("PREP/not-admitted", DONE)
        return None
    if is_admitted(case.career, data.academic_year, data.access):
        return None
    if data.access == "open":
        return case.no("PREP", DONE)
    forfeited = any(other.ended == "forfeited" and other.programme == data.programme and other.ended_on is not None
                    and data.academic_year <= next_year(year_of(other.ended_on))
                    for other in case.person.others(case.career))
    return None if forfeited and case.law.RIC_10 is not None else case.no("PREP/no-place", DONE)


@obeys("MOR-6", "AMB-41", "AMB-21")
def is_not_excluded(case: Case) -> Reason | None:
    """Restricted access: not after the last day to enrol."""
    data = case.of(Enrolled)
    if data.access != "restricted":
        return None
    term = enrolment_term(case.career, case.law, data.academic_year, data.course_type, data.access)
    if term is None or case.day <= term:
        return None
    return case.no("MOR-6", last_day=term)


@obeys("PRE-2")
def enrolment_has_opened(case: Case) -> Reason | None:
    """A master's of open access: not before the window. A late enrolment is accepted."""
    data = case.of(Enrolled)
    if data.access == "restricted" or data.course_type != "master":
        return None
    before = latest_preenrolment(case.career, data.academic_year)
    window = before.window if before is not None else None
    rule = case.law.PRE_2 if window is None else None
    if window is None and rule is not None and len({(w.enrol_from, w.enrol_until) for w in rule.windows}) == 1:
        window = rule.windows[0]
    if window is None or case.day >= window.enrol_from:
        return None
    return case.no("PRE-2/enrolment-opens", Clears(window.enrol_from), first_day=window.enrol_from)


@obeys("PRE-5")
def enrolment_is_still_possible(case: Case) -> Reason | None:
    """First degrees of open access: not after the last day for a late enrolment, nor between the term and the first
    one."""
    data = case.of(Enrolled)
    if data.access == "restricted" or data.course_type == "master":
        return None
    rule = case.law.PRE_5
    if rule is None:
        return None
    if rule.late_from is not None and rule.until < case.day < rule.late_from:
        return case.no("PRE-5/not-yet", Clears(rule.late_from), last_day=rule.until, first_day=rule.late_from)
    if case.day <= rule.late_until:
        return None
    return case.no("PRE-5", last_day=rule.late_until)


# What is open


@obeys("CHG-1")
@reads("enrolments")
def enrolled_without_paying_to_apply(person: Person, career: Career, books: LawBooks) -> Iterator[StillOpen]:
    """The 52 euro stop no enrolment (AMB-37): unpaid they are found here only."""
    for charge in career.charges.values() if career.enrolments else ():
        if charge.base_kind == "preenrolment" and charge.outstanding and charge.rule == "CHG-1":
            yield StillOpen(charge.facts[0].event, reason(books.book_of(charge.year), "CHG-1", says(
                "CHG-1/unpaid", charge=charge.key, amount=charge.outstanding), facts=charge.facts))
