"""Pre-enrolment and enrolment (PRE, PREP, RIS-1..3, RIC-8)."""

from ..access import enrolment_term, is_admitted, latest_preenrolment, preenrolments_of, selection_of, window_of
from ..case import Case
from ..events import Enrolled, EnrolledWithReservation, Preenrolled
from ..reasons import Clears, Fact, Reason
from ..registry import obeys
from ..state import Preenrolment
from ..values import next_year, year_of


@obeys("PRE-1", "AMB-37")
def at_most_two_masters_a_year(case: Case) -> Reason | None:
    """The master's courses of open access that a person pre-enrols in for one academic year, over all careers; the same course in two
    windows is one."""
    data = case.of(Preenrolled)
    if case.law.PRE_1 is None or data.course_type != "master" or data.access != "open":
        return None
    made: dict[str, Preenrolment] = {}
    for before in preenrolments_of(case.person, data.academic_year):
        if before.data.access == "open":
            made.setdefault(before.data.programme, before)
    if data.programme in made or len(made) < case.law.PRE_1.at_most:
        return None
    return case.no("PRE-1", f"At most {case.law.PRE_1.at_most} master's courses may be pre-enrolled in for {data.academic_year}; "
                            f"she has {', '.join(made)}.", facts=[Fact(p.event, p.on) for p in made.values()])


@obeys("PRE-2", "PRE-6", "PRE-7", "AMB-33")
def preenrolment_window_is_open(case: Case) -> Reason | None:
    """The window that fits the applicant, for a master's with open access."""
    data = case.of(Preenrolled)
    if data.course_type != "master" or data.access != "open":
        return None
    if data.applicant == "visa":
        if case.law.PRE_7 is None:
            return _needs_an_officer(case, "PRE-7", "applicants who need a visa")
        if case.day <= case.law.PRE_7.open_until:
            return None
        return case.no("PRE-7", f"Applicants who need a visa had to pre-enrol by {case.law.PRE_7.open_until.isoformat()}.")
    if data.applicant == "foreign-title":
        if case.law.PRE_6 is None:
            return _needs_an_officer(case, "PRE-6", "applicants with a foreign title")
        if any(w.first <= case.day <= w.last for w in case.law.PRE_6.windows):
            return None
        coming = min((w.first for w in case.law.PRE_6.windows if w.first > case.day), default=None)
        return case.no("PRE-6", "No pre-enrolment window for a foreign title is open on this day.",
                       Clears("the next window opens", coming) if coming else None)
    if window_of(case.law, data, case.day) is not None:
        return None
    coming = min((w.first for w in case.law.PRE_2.windows if w.first > case.day), default=None) if case.law.PRE_2 else None
    return case.no("PRE-2", "No pre-enrolment window is open on this day.", Clears("the next window opens", coming) if coming else None)


@obeys("PRE-7")
def visa_applicant_is_in_time(case: Case) -> Reason | None:
    """First degrees: who needs a visa applied by the year's day, where it gives one."""
    data = case.of(Preenrolled)
    term = case.law.PRE_7.first_degrees_until if case.law.PRE_7 is not None else None
    if data.course_type == "master" or data.applicant != "visa" or term is None or case.day <= term:
        return None
    return case.no("PRE-7", f"Applicants who need a visa had to apply by {term.isoformat()}.")


def _needs_an_officer(case: Case, rule: str, whom: str) -> Reason:
    return case.no(rule, f"The guide of {case.book.academic_year} has no procedure here for {whom}: an officer decides.",
                   f"an officer's override of {rule}", interpretation="AMB-33")


@obeys("PRE-3", "PRE-7", "AMB-33")
def selection_is_open(case: Case) -> Reason | None:
    """The period of the selection, for a master's with restricted access; who needs a visa applied by its own day."""
    data = case.of(Preenrolled)
    if data.course_type != "master" or data.access != "restricted":
        return None
    if data.applicant == "visa":
        if case.law.PRE_7 is None:
            return _needs_an_officer(case, "PRE-7", "applicants who need a visa")
        if case.day <= case.law.PRE_7.restricted_until:
            return None
        return case.no("PRE-7", f"Applicants who need a visa had to apply by {case.law.PRE_7.restricted_until.isoformat()}.")
    if case.law.PRE_3 is None:
        return _needs_an_officer(case, "PRE-3", "master's programmes with restricted access")
    number = selection_of(case.law, data, case.day)
    if number is not None and case.law.PRE_3.selections[number - 1].first <= case.day <= case.law.PRE_3.selections[number - 1].last:
        return None
    coming = min((s.first for n, s in enumerate(case.law.PRE_3.selections, 1)
                  if s.first > case.day and data.selection in (None, n)), default=None)
    return case.no("PRE-3", "The selection for this programme is not open on this day.",
                   Clears("the next selection opens", coming) if coming else None)


@obeys("PRE-4")
def applies_again_only_if_not_admitted(case: Case) -> Reason | None:
    """Restricted access: who was not admitted in the first selection may apply to the second."""
    data = case.of(Preenrolled)
    if case.law.PRE_4 is None:
        return None
    before = [p for p in case.career.preenrolments if p.data.academic_year == data.academic_year and p.data.access == "restricted"]
    if not before or data.access != "restricted" or (case.career.ranked is not None and not case.career.ranked.admitted):
        return None
    return case.no("PRE-4", "A second application needs the refusal of the first one.",
                   "a ranking that does not admit in the first selection", [Fact(p.event, p.on) for p in before])


@obeys("SEQ")
def is_not_enrolled_yet(case: Case) -> Reason | None:
    if not case.career.enrolments:
        return None
    return case.no("SEQ", "This career is enrolled already: a further year is a renewal.",
                   "record enrolment-renewed for a later academic year",
                   [Fact(n.event, n.filed_on) for n in case.career.enrolments])


@obeys("PRE-8", "PRE-2", "PRE-3")
def is_preenrolled(case: Case) -> Reason | None:
    """A master's enrolment follows a pre-enrolment of the same academic year."""
    data = case.of(Enrolled)
    if data.course_type != "master" or latest_preenrolment(case.career, data.academic_year, data.access) is not None:
        return None
    rule = "PRE-2" if data.access == "open" or case.law.PRE_3 is None else "PRE-3"
    return case.no(rule, f"There is no pre-enrolment for {data.academic_year} ({data.access} access).",
                   "pre-enrol within a window")


@obeys("PREP", "PRE-9", "RIC-10")
def is_prepared(case: Case) -> Reason | None:
    """A master's: adequate preparation (open access) or a place in the ranking (restricted), unless assessed before; who
    forfeited the same restricted programme needs no test within the next academic year. Others: only a ranking that did not
    admit speaks against it."""
    data = case.of(Enrolled)
    if data.course_type != "master":
        ranked = case.career.ranked
        if data.access == "restricted" and ranked is not None and not ranked.admitted:
            return case.no("PREP", "The ranking did not admit her.", "a place in the ranking")
        return None
    if is_admitted(case.career, data.academic_year, data.access):
        return None
    if data.access == "open":
        return case.no("PREP", "The preparation has not been found adequate.", "an adequate assessment of the preparation")
    if case.law.RIC_10 is not None:
        for other in case.person.others(case.career):
            if (other.ended == "forfeited" and other.programme == data.programme and other.ended_on is not None
                    and data.academic_year <= next_year(year_of(other.ended_on))):
                return None
    return case.no("PREP", "There is no place in the ranking.", "a place in the ranking")


@obeys("PRE-2", "PRE-3", "PRE-5", "MOR-6", "AMB-41", "AMB-21")
def enrols_in_time(case: Case) -> Reason | None:
    """Not before the window; restricted access and first degrees not after their last day. Late open access is accepted."""
    data = case.of(Enrolled)
    before = latest_preenrolment(case.career, data.academic_year)
    if data.access == "restricted":
        term = enrolment_term(case.career, case.law, data.academic_year, data.course_type, data.access)
        if term is None or case.day <= term or case.law.MOR_6 is None:
            return None
        return case.no("MOR-6", f"Restricted access: the last day to enrol was {term.isoformat()}.")
    if data.course_type == "master":
        window = before.window if before is not None else None
        if window is None and case.law.PRE_2 is not None and len({(w.enrol_from, w.enrol_until) for w in case.law.PRE_2.windows}) == 1:
            window = case.law.PRE_2.windows[0]
        if window is not None and case.day < window.enrol_from:
            return case.no("PRE-2", f"Enrolment opens on {window.enrol_from.isoformat()}.", Clears("enrolment opens", window.enrol_from))
        return None
    if case.law.PRE_5 is not None and case.day > case.law.PRE_5.late_until:
        return case.no("PRE-5", f"The last day for a late enrolment was {case.law.PRE_5.late_until.isoformat()}.")
    return None


@obeys("RIC-8")
def may_enrol_before_the_council(case: Case) -> Reason | None:
    """2019-20: who asks for recognition (not for a programme change) may enrol before the decision only from a given day on."""
    if case.law.RIC_8 is None or case.day >= case.law.RIC_8.first:
        return None
    decided = {data.kind for _, _, data in case.career.recognitions}
    asked = {r.data.kind for r in case.career.requests} | ({"transfer"} if case.career.transferred_in_on is not None else set())
    if not (asked - decided) & set(case.law.RIC_8.kinds):
        return None
    return case.no("RIC-8", f"Before the council decides, enrolment opens on {case.law.RIC_8.first.isoformat()}.",
                   Clears("enrolment opens", case.law.RIC_8.first))


@obeys("RIS-1")
def reservation_is_for_masters(case: Case) -> Reason | None:
    data = case.of(EnrolledWithReservation)
    if data.course_type == "master":
        return None
    return case.no("RIS-1", "Only a master's enrolment can stand under reservation.", "record enrolled")


@obeys("RIS-2", "RIS-3", "RIS-4")
def little_is_missing(case: Case) -> Reason | None:
    """Candidates: at most 3 exams and 24 CFU, an internship among them only if started. Graduates on single courses: 24 CFU."""
    data = case.of(EnrolledWithReservation)
    if data.ground == "single-courses-pending":
        if case.law.RIS_3 is None or data.missing_cfu <= case.law.RIS_3.cfu:
            return None
        return case.no("RIS-3", f"{data.missing_cfu} CFU are missing; at most {case.law.RIS_3.cfu} may be.")
    limit = case.law.RIS_2
    if limit is None:
        return None
    if data.missing_exams > limit.exams or data.missing_cfu > limit.cfu:
        return case.no("RIS-2", f"{data.missing_exams} exams and {data.missing_cfu} CFU are missing; "
                                f"at most {limit.exams} and {limit.cfu} may be.", "pass enough of the missing exams first")
    if data.internship_started is False:
        return case.no("RIS-2", "An internship that has not started may not be among what is missing.", "start the internship first")
    return None


@obeys("RIS-3")
def waits_for_single_courses_of_their_year(case: Case) -> Reason | None:
    """Graduates on single courses of the year that the guide names: here, or elsewhere, which `home_university` states."""
    data, rule = case.of(EnrolledWithReservation), case.law.RIS_3
    if data.ground != "single-courses-pending" or rule is None or rule.courses_of is None or data.home_university == "other":
        return None
    if any(rule.courses_of in career.singles for career in case.person.careers.values()):
        return None
    return case.no("RIS-3", f"There are no single courses of {rule.courses_of} to wait for.",
                   f"record her single courses of {rule.courses_of}, or home_university other where they are another university's")


@obeys("RIS-1", "RIS-3", "RIS-6")
def reservation_term_is_ahead(case: Case) -> Reason | None:
    """A reservation is not granted after the last day on which it could be met."""
    data = case.of(EnrolledWithReservation)
    rule, term = ("RIS-1", case.law.RIS_6) if data.ground == "degree-pending" else ("RIS-3", case.law.RIS_3)
    if term is None or case.day <= term.until:
        return None
    return case.no(rule, f"A reservation had to be met by {term.until.isoformat()}.", interpretation="AMB-18")


@obeys("SEQ")
def does_not_arrive_twice(case: Case) -> Reason | None:
    """A transfer in comes once."""
    if case.career.transferred_in_on is None:
        return None
    return case.no("SEQ", "This career has been transferred in already.")
