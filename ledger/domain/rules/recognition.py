"""Recognition of earlier studies and transfers in (RIC, ANN, PRE-8)."""

from ..access import is_admitted, latest_preenrolment
from ..case import Case
from ..events import CfuRecognised, RecognitionRequested
from ..evolve import admission_rule, derived_admission_year
from ..reasons import Clears, Fact, Reason
from ..recognition import is_of_class, may_be_left, term_of, visa_term
from ..registry import obeys
from ..values import ZERO
from .career import first_year_reason

_THROUGH_THE_OFFICE = frozenset({"programme-change", "second-degree", "re-enrolment", "shortening"})


@obeys("PRE-8")
def is_preenrolled_before_asking(case: Case) -> Reason | None:
    """A master's: who asks for recognition pre-enrols first and, where access is open, has been admitted (guide 2025-26, l.96-97)."""
    data = case.of(RecognitionRequested)
    career = case.career
    first = career.first_enrolment
    if career.course_type != "master" or case.law.PRE_8 is None or data.kind == "foreign-degree":
        return None
    before = latest_preenrolment(career, data.academic_year)
    if first is None and career.access == "open" and before is not None and not is_admitted(career, data.academic_year, "open"):
        return case.no("PRE-8", "She has not been admitted.", "an adequate assessment of the preparation")
    if before is not None or (first is not None and first.academic_year < data.academic_year):
        return None
    return case.no("PRE-8", f"There is no pre-enrolment for {data.academic_year}.", "pre-enrol within a window")


@obeys("RIC-9", "RIC-2")
def has_accepted_the_place(case: Case) -> Reason | None:
    """A restricted master's: the place is accepted by enrolling, then recognition is asked for."""
    data = case.of(RecognitionRequested)
    career = case.career
    if career.course_type != "master" or career.access != "restricted" or career.enrolments:
        return None
    if data.kind == "transfer" and case.law.RIC_9 is not None:
        return case.no("RIC-9", "The place must be accepted by enrolling first.", "enrol within the ranking's term")
    if data.kind in ("second-degree", "re-enrolment", "shortening") and case.law.RIC_2 is not None:
        return case.no("RIC-2", "The place must be accepted by enrolling first.", "enrol within the ranking's term")
    return None


@obeys("RIC-11")
def is_ranked_before_asking(case: Case) -> Reason | None:
    """A first degree of restricted access (2019-20: psychology, primary education): recognition is asked for with a place in the
    ranking, or once enrolled."""
    data, career, rule = case.of(RecognitionRequested), case.career, case.law.RIC_11
    if career.course_type == "master" or rule is None or data.kind == "foreign-degree":
        return None
    restricted = career.access == "restricted" or is_of_class(career, rule.classes)
    placed = career.ranked.admitted if career.ranked is not None else bool(career.enrolments)
    if not restricted or placed:
        return None
    return case.no("RIC-11", "There is no place in the ranking.", "a place in the ranking")


@obeys("RIC-14", "RIC-2", "RIC-11", "RIC-12", "PRE-7")
def is_not_too_early(case: Case) -> Reason | None:
    """Requests before the first day go through the office."""
    data = case.of(RecognitionRequested)
    law, career = case.law, case.career
    if data.kind == "foreign-degree":
        if visa_term(career, law, data.academic_year) is not None:
            return None
        rule, first = "RIC-12", law.RIC_12.first if law.RIC_12 is not None else None
    elif career.course_type == "master" and career.access == "restricted" and data.kind != "programme-change":
        rule, first = "RIC-2", law.RIC_2.first if law.RIC_2 is not None else None
    elif career.course_type == "master" and data.kind in _THROUGH_THE_OFFICE:
        rule, first = "RIC-14", law.RIC_14.first if law.RIC_14 is not None else None
    elif career.course_type != "master" and data.kind in ("second-degree", "shortening"):
        rule, first = "RIC-11", law.RIC_11.first if law.RIC_11 is not None else None
    else:
        return None
    if first is None or case.day >= first:
        return None
    return case.no(rule, f"Requests open on {first.isoformat()}; before that day the office takes them.", Clears("requests open", first))


@obeys("RIC-11", "RIC-12", "PRE-7", "MOR-5d")
def is_not_too_late(case: Case) -> Reason | None:
    """Second degrees and foreign titles have a last day, also for late requests; elsewhere a late request costs the late instance."""
    data = case.of(RecognitionRequested)
    law, career = case.law, case.career
    if data.kind == "foreign-degree":
        rule, window = "RIC-12", law.RIC_12
    elif career.course_type != "master" and data.kind in ("second-degree", "shortening"):
        rule, window = "RIC-11", law.RIC_11
    else:
        return None
    term = term_of(career, law, data)
    if window is None or term is None or case.day <= term:
        return None
    if data.kind == "foreign-degree" and visa_term(career, law, data.academic_year) is not None:
        return case.no("PRE-7", f"Applicants who need a visa had to apply by {term.isoformat()}.")
    restricted = career.access == "restricted" and rule == "RIC-11" and window.late_until is not None
    if not window.late or restricted:
        return case.no(rule, f"The last day for this request was {term.isoformat()}.")
    if window.late_until is not None and case.day > window.late_until:
        return case.no(rule, f"The last day for a late request was {window.late_until.isoformat()}.")
    return None


@obeys("RIC-5")
def names_the_career_it_leaves(case: Case) -> Reason | None:
    """Where a request ends the exams of the career that is left, it must be clear which one that is."""
    data = case.of(RecognitionRequested)
    if case.law.RIC_5 is None or data.kind != "programme-change" or data.from_career is not None:
        return None
    possible = may_be_left(case.person, case.career)
    if len(possible) < 2:
        return None
    return case.no("RIC-5", f"The change may leave {' or '.join(sorted(c.name for c in possible))}.", "name the one in from_career")


@obeys("RIC-6")
def asks_after_the_first_year(case: Case) -> Reason | None:
    """A change of programme looks at the career that is left, else at the person's other ones: none first enrolled in the same year."""
    data = case.of(RecognitionRequested)
    if data.kind != "programme-change":
        return None
    for other in case.person.others(case.career):
        if data.from_career not in (None, other.name):
            continue
        if other.ended is None or other.ended == "programme-changed":
            found = first_year_reason(case, other, data.academic_year)
            if found is not None:
                return found
    return None


@obeys("RIC-3")
def recognition_fee_is_paid(case: Case) -> Reason | None:
    """Only requests whose fee has been received go to the council."""
    data = case.of(CfuRecognised)
    asked = [r for r in case.career.requests if r.data.kind == data.kind and r.data.academic_year == data.academic_year]
    if case.law.RIC_3 is None:
        return None
    if not asked:
        return case.no("RIC-3", f"No recognition ({data.kind}) has been requested for {data.academic_year}.", "request it and pay its fee")
    last = asked[-1]
    charge = case.career.charges.get(last.charge or "")
    if charge is None or charge.outstanding == ZERO:
        return None
    return case.no("RIC-3", f"The fee {charge.key} is not paid.", f"pay {charge.outstanding:.2f} euro for {charge.key}",
                   [Fact(last.event, last.on, charge.outstanding)])


@obeys("ANN-1", "ANN-2", "ANN-3", "ANN-4")
def year_follows_from_the_cfu(case: Case) -> Reason | None:
    """A year of admission that the resolution states must be the one that the recognised CFU give."""
    data = case.of(CfuRecognised)
    if data.year is None:
        return None
    derived = derived_admission_year(case.career, data.academic_year, case.books, data.cfu)
    rule, _ = admission_rule(case.law, case.career.course_type, case.career.degree_class)
    if derived is None:
        return case.no(rule, "The guide has no table of years for this programme: an officer decides.", f"an officer's override of {rule}",
                       interpretation="AMB-33")
    if derived == data.year:
        return None
    return case.no(rule, f"The recognised CFU give year {derived}, not year {data.year}.", f"state year {derived}, or leave the year out")
