"""Recognition of earlier studies, change of programme, the year of admission (RIC, ANN, PRE-8)."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from ..account import AmountByRule, raise_charge
from ..books import LawBooks
from ..case import Case
from ..events import CfuRecognised, Event, ProgrammeChanged, RecognitionRequested
from ..phrases import says
from ..reasons import DONE, Clears, Fact, Reason, reason
from ..registry import obeys
from ..rulebook import Admission, Law, Price, RequestWindow, RestrictedRequestTerms, RuleBook, StartsOn, UnknownValue
from ..state import Career, ChangeAsked, Person, RecognitionAsked
from ..values import ONE_DAY, ZERO, year_end
from .chapter import data_of, end, reads
from .entry import is_admitted, latest_preenrolment

# What the book gives: fees, terms, tables


@obeys("CHG-9", "CHG-10", "CHG-11", "CHG-12")
def fee_of(law: Law, kind: str) -> tuple[str, Decimal] | None:
    """(rule, euro) of the fee of a request."""
    rule = {"transfer": "CHG-9", "programme-change": "CHG-10", "foreign-degree": "CHG-12"}.get(kind, "CHG-11")
    price: Price | None = getattr(law, rule.replace("-", "_"))
    return (rule, price.amount) if price is not None else None


def is_of_class(career: Career, classes: Iterable[str]) -> bool:
    return (career.degree_class or "").upper().replace(" ", "") in {name.upper() for name in classes}


@obeys("RIC-1", "RIC-2", "RIC-11", "RIC-12", "RIC-14", "REI-1", "AMB-22", "AMB-31")
def term_of(career: Career, law: Law, data: RecognitionRequested) -> date | None:
    """The last day in time for a request; None where the sources give none or leave it to an officer (AMB-31)."""
    kind = data.kind
    if kind == "foreign-degree":
        return visa_term(career, law, data.academic_year) or (law.RIC_12.until if law.RIC_12 is not None else None)
    if career.course_type == "master":
        return _masters_term(career, law, kind, data.academic_year)
    if kind in ("second-degree", "shortening") and law.RIC_11 is not None:
        given = career.ranked.recognition_by if career.ranked is not None else None
        return given or next((term for name, term in law.RIC_11.classes.items() if is_of_class(career, (name,))),
                             law.RIC_11.until)
    given = career.ranked.recognition_by if career.ranked is not None else None
    return given or (law.REI_1.until if kind == "re-enrolment" and law.REI_1 is not None else None)


@obeys("PRE-7")
def visa_term(career: Career, law: Law, year: str) -> date | None:
    """The last day for the foreign degree of who applied as one who needs a visa: the day of that application, not the
    window of who lives here. None where the year gives none."""
    before = latest_preenrolment(career, year)
    if before is None or before.data.applicant != "visa" or law.PRE_7 is None:
        return None
    return law.PRE_7.first_degrees_until


def _masters_term(career: Career, law: Law, kind: str, year: str) -> date | None:
    before = latest_preenrolment(career, year)
    if career.access == "restricted":
        if career.ranked is not None and career.ranked.recognition_by is not None:
            return career.ranked.recognition_by
        if kind == "programme-change" or law.RIC_2 is None:
            return None
        if before is not None and before.selection == 2:
            scroll = career.ranked is not None and career.ranked.scroll
            return law.RIC_2.second_scroll_until if scroll else law.RIC_2.second_until
        return law.RIC_2.until
    if law.RIC_1 is None:
        return None
    if law.RIC_1.kinds is not None and kind not in law.RIC_1.kinds:
        return law.RIC_1.others_until
    if before is not None and before.late:
        if kind == "transfer":
            return None
        return next((late.until for late in law.RIC_1.late if before.on <= late.preenrolled_until), law.RIC_1.until)
    return law.RIC_1.until


@obeys("MOR-5", "MOR-5d")
def is_late(career: Career, law: Law, data: RecognitionRequested, day: date) -> bool:
    """A request after its term costs the late instance where the year accepts late ones."""
    term = term_of(career, law, data)
    return term is not None and day > term


def admission_rule(law: Law, course_type: str | None, degree_class: str | None) -> tuple[str, Admission | None]:
    """The rule id and table that fit a programme."""
    wanted = (degree_class or "").replace(" ", "").upper()
    if course_type == "master":
        return "ANN-1", law.ANN_1
    if course_type == "bachelor":
        return "ANN-2", law.ANN_2
    if wanted.startswith("LM-85BIS"):
        return "ANN-3", law.ANN_3
    if wanted.startswith("LMG"):
        return "ANN-4", law.ANN_4
    return "ANN-4", None


# What a fact changes


@obeys("RIC-5")
def may_be_left(person: Person, career: Career) -> list[Career]:
    """Whose place a change of programme to this career can take: her other living careers of the same course type, once
    enrolled."""
    return [c for c in person.others(career)
            if c.ended is None and c.course_type == career.course_type and c.latest_perfected is not None]


@obeys("RIC-5")
def left_career(person: Person, career: Career, data: RecognitionRequested) -> str | None:
    """The career that a change of programme to this one leaves: the one that the request names, else the only one that
    it can."""
    if data.kind != "programme-change":
        return None
    if data.from_career is not None:
        return data.from_career
    found = may_be_left(person, career)
    return found[0].name if len(found) == 1 else None


@obeys("CHG-9", "CHG-10", "CHG-11", "CHG-12", "MOR-5", "MOR-5d", "AMB-11", "AMB-55")
def recognition_requested(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    """Raises the fee, and one late instance where the request is late. A change of programme ends the exams of the
    career it leaves."""
    data = data_of(event, RecognitionRequested)
    left = left_career(person, career, data)
    person.across = person.across or left is not None
    book = books.of(data.academic_year)
    request = RecognitionAsked(data, event.effective_on, event.id, None, left)
    career.requests.append(request)
    if book is None:
        career.unruled.add(data.academic_year)
        return
    _ask_for_the_fee(career, book, request)
    try:
        _ask_for_a_late_instance(career, book, request)
    except UnknownValue as unknown:
        career.leave_open("charge", f"{data.academic_year}:late-instance/recognition", unknown, "fact",
                          event.effective_on, event=event.id)


def _ask_for_the_fee(career: Career, book: RuleBook, request: RecognitionAsked) -> None:
    data, facts, due = request.data, (Fact(request.event, request.on),), request.on
    try:
        term = term_of(career, book.rules, data)
        due = term if term is not None and term >= request.on else request.on
        fee = fee_of(book.rules, data.kind)
    except UnknownValue as unknown:
        career.leave_open("charge", f"{data.academic_year}:recognition", unknown, "fact", request.on, due,
                          request.event)
        return
    if fee is not None:
        rule, amount = fee
        left_open = (data.kind == "transfer" and career.course_type == "master" and term is None
                     and career.access == "open")
        price = AmountByRule(amount, rule, "AMB-31" if left_open else None)
        request.charge = raise_charge(career, data.academic_year, "recognition", price, request.on, facts, due).key
        if left_open:
            career.to_decide[f"{data.academic_year}:late-instance/recognition"] = says("AMB-31")


def _ask_for_a_late_instance(career: Career, book: RuleBook, request: RecognitionAsked) -> None:
    data = request.data
    if "MOR-5" not in book.asked or not is_late(career, book.rules, data, request.on) or book.rules.MOR_5 is None \
            or not book.rules.MOR_5.requests:
        return
    special = data.kind == "foreign-degree" or (data.kind == "second-degree" and career.course_type != "master")
    rule = "MOR-5d" if special and book.has("MOR-5d") else "MOR-5"
    raise_charge(career, data.academic_year, "late-instance/recognition",
                 AmountByRule(book.rules.MOR_5.amount, rule, "AMB-11"), request.on, (Fact(request.event, request.on),))


@obeys("ANN-1", "ANN-2", "ANN-3", "ANN-4", "AMB-44")
def cfu_recognised(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    data = data_of(event, CfuRecognised)
    career.recognitions.append((event.effective_on, event.id, data))
    if books.of(data.academic_year) is None:
        career.unruled.add(data.academic_year)
    derive_year(career, data.academic_year, books)


def derive_year(career: Career, academic_year: str, books: LawBooks) -> None:
    career.gaps.pop(("year", academic_year), None)
    try:
        year = admission_year(career, academic_year, books)
    except UnknownValue as unknown:
        on, event, _ = career.recognitions[-1]
        career.leave_open("year", academic_year, unknown, "fact", on, event=event)
        return
    enrolment = next((n for n in career.enrolments if n.academic_year == academic_year and n.first), None)
    if year is not None and enrolment is not None:
        enrolment.year = year


def admission_year(career: Career, academic_year: str, books: LawBooks) -> int | None:
    """The year of admission that the recognised CFU give (the last resolution's, where it states one); None without
    recognition."""
    last = next((data for _, _, data in reversed(career.recognitions) if data.academic_year == academic_year), None)
    if last is None:
        return None
    return last.year if last.year is not None else derived_admission_year(career, academic_year, books)


@obeys("ANN-1", "ANN-2", "ANN-3", "ANN-4", "AMB-33", "AMB-44")
def derived_admission_year(career: Career, academic_year: str, books: LawBooks, extra: int | float = 0) -> int | None:
    """The year of admission by the sum of recognised CFU (plus `extra`); None where the sources give no table for the
    programme."""
    book = books.of(academic_year)
    table = admission_rule(book.rules, career.course_type, career.degree_class)[1] if book is not None else None
    if table is None:
        return None
    total = sum(d.cfu for _, _, d in career.recognitions) + extra
    return next(s.year for s in table.steps if s.through is None or total < s.through + 1)


@obeys("RIC-5")
def programme_changed(person: Person, career: Career, event: Event, books: LawBooks) -> None:
    career.to_career = data_of(event, ProgrammeChanged).to_career
    end(career, "programme-changed", event.effective_on, event.id)


# What follows for the career that is left


@obeys("RIC-5")
def change_asked(person: Person, career: Career, books: LawBooks) -> ChangeAsked | None:
    """The first change of programme from this career that is still under way, in a year that ends the exams with it.
    One whose destination has come to an end is off."""
    found = [ChangeAsked(r.on, r.event, r.data.academic_year, other.name)
             for other in person.others(career) if other.ended is None
             for r in other.requests if r.left == career.name
             and (book := books.of(r.data.academic_year)) is not None and "RIC-5" in book.asked]
    return min(found, key=lambda asked: asked.on, default=None)


# What it forbids

_THROUGH_THE_OFFICE = frozenset({"programme-change", "second-degree", "re-enrolment", "shortening"})


@obeys("PRE-8")
def is_preenrolled_before_asking(case: Case) -> Reason | None:
    """A master's: who asks for recognition pre-enrols first and, where access is open, has been admitted (guide
    2025-26, l.96-97)."""
    data = case.of(RecognitionRequested)
    career = case.career
    first = career.first_enrolment
    if career.course_type != "master" or data.kind == "foreign-degree":
        return None
    before = latest_preenrolment(career, data.academic_year)
    not_admitted = (first is None and career.access == "open" and before is not None
                    and not is_admitted(career, data.academic_year, "open"))
    if not not_admitted and (before is not None or (first is not None and first.academic_year < data.academic_year)):
        return None
    if case.law.PRE_8 is None:
        return None
    if not_admitted:
        return case.no("PRE-8/not-admitted", DONE)
    return case.no("PRE-8", DONE, academic_year=data.academic_year)


@obeys("RIC-9")
def has_accepted_the_place_before_a_transfer(case: Case) -> Reason | None:
    """A restricted master's: the place is accepted by enrolling, then recognition is asked for."""
    return _place_not_accepted(case, "RIC-9", ("transfer",))


@obeys("RIC-2")
def has_accepted_the_place(case: Case) -> Reason | None:
    return _place_not_accepted(case, "RIC-2", ("second-degree", "re-enrolment", "shortening"))


def _place_not_accepted(case: Case, rule: str, kinds: tuple[str, ...]) -> Reason | None:
    career = case.career
    if (case.of(RecognitionRequested).kind not in kinds or career.course_type != "master"
            or career.access != "restricted" or career.enrolments):
        return None
    return case.no("RIC-9", DONE, rule=rule)


@obeys("RIC-11")
def is_ranked_before_asking(case: Case) -> Reason | None:
    """A first degree of restricted access (2019-20: psychology, primary education): recognition is asked for with a
    place in the ranking, or once enrolled."""
    data, career = case.of(RecognitionRequested), case.career
    placed = career.ranked.admitted if career.ranked is not None else bool(career.enrolments)
    if career.course_type == "master" or data.kind == "foreign-degree" or placed \
            or (career.access != "restricted" and career.degree_class is None):
        return None
    rule = case.law.RIC_11
    if rule is None or not (career.access == "restricted" or is_of_class(career, rule.classes)):
        return None
    return case.no("PREP/no-place", DONE, rule="RIC-11")


def _too_early(case: Case, rule: str,
               window: RequestWindow | RestrictedRequestTerms | StartsOn | None) -> Reason | None:
    """Requests before the first day of the rule's window go through the office."""
    if window is None or case.day >= window.first:
        return None
    return case.no("RIC-14", Clears(window.first), rule=rule, first_day=window.first)


@obeys("RIC-12", "PRE-7")
def foreign_degrees_are_taken(case: Case) -> Reason | None:
    data = case.of(RecognitionRequested)
    if data.kind != "foreign-degree" or visa_term(case.career, case.law, data.academic_year) is not None:
        return None
    return _too_early(case, "RIC-12", case.law.RIC_12)


@obeys("RIC-2")
def requests_for_restricted_masters_are_taken(case: Case) -> Reason | None:
    data, career = case.of(RecognitionRequested), case.career
    if career.course_type != "master" or career.access != "restricted" \
            or data.kind in ("foreign-degree", "programme-change"):
        return None
    return _too_early(case, "RIC-2", case.law.RIC_2)


@obeys("RIC-14")
def requests_for_masters_are_taken(case: Case) -> Reason | None:
    data, career = case.of(RecognitionRequested), case.career
    if career.course_type != "master" or data.kind not in _THROUGH_THE_OFFICE \
            or (career.access == "restricted" and data.kind != "programme-change"):
        return None
    return _too_early(case, "RIC-14", case.law.RIC_14)


@obeys("RIC-1")
def term_for_open_masters_is_known(case: Case) -> Reason | None:
    """It refuses nothing, since a request after it costs the late instance; one of which nobody knows the term goes to
    an officer."""
    data = case.of(RecognitionRequested)
    if case.career.course_type == "master" and case.career.access != "restricted" and data.kind != "foreign-degree":
        term_of(case.career, case.law, data)
    return None


@obeys("RIC-11")
def requests_for_first_degrees_are_taken(case: Case) -> Reason | None:
    data = case.of(RecognitionRequested)
    if case.career.course_type == "master" or data.kind not in ("second-degree", "shortening"):
        return None
    return _too_early(case, "RIC-11", case.law.RIC_11)


@obeys("REI-1")
def re_enrolments_are_taken(case: Case) -> Reason | None:
    """After a withdrawal or a forfeiture, in a first degree."""
    if case.career.course_type == "master" or case.of(RecognitionRequested).kind != "re-enrolment":
        return None
    return _too_early(case, "REI-1", case.law.REI_1)


@obeys("PRE-7")
def visa_applicant_asks_in_time(case: Case) -> Reason | None:
    """For the recognition of a foreign degree, by the day of her application and not later."""
    data = case.of(RecognitionRequested)
    term = visa_term(case.career, case.law, data.academic_year) if data.kind == "foreign-degree" else None
    if term is None or case.day <= term:
        return None
    return case.no("PRE-7", last_day=term)


@obeys("RIC-12", "MOR-5d")
def foreign_degree_is_in_time(case: Case) -> Reason | None:
    """Foreign titles and second degrees have a last day, also for late requests; elsewhere a late request costs the
    late instance."""
    data = case.of(RecognitionRequested)
    if data.kind != "foreign-degree" or visa_term(case.career, case.law, data.academic_year) is not None:
        return None
    rule = case.law.RIC_12
    if rule is None:
        return None
    return _too_late(case, "RIC-12", rule, rule.late)


@obeys("RIC-11", "MOR-5d")
def second_degree_is_in_time(case: Case) -> Reason | None:
    """The same; restricted programmes take no late request where open ones take it up to a day."""
    data = case.of(RecognitionRequested)
    if case.career.course_type == "master" or data.kind not in ("second-degree", "shortening"):
        return None
    rule = case.law.RIC_11
    if rule is None:
        return None
    return _too_late(case, "RIC-11", rule,
                     rule.late and not (case.career.access == "restricted" and rule.late_until is not None))


def _too_late(case: Case, rule: str, window: RequestWindow, late: bool) -> Reason | None:
    term = term_of(case.career, case.law, case.of(RecognitionRequested))
    if term is None or case.day <= term:
        return None
    if not late:
        return case.no("RIC-11", rule=rule, last_day=term)
    if window.late_until is not None and case.day > window.late_until:
        return case.no("RIC-11/late", rule=rule, last_day=window.late_until)
    return None


@obeys("RIC-5")
def names_the_career_it_leaves(case: Case) -> Reason | None:
    """Where a request ends the exams of the career that is left, it must be clear which one that is."""
    data = case.of(RecognitionRequested)
    if data.kind != "programme-change" or data.from_career is not None:
        return None
    possible = may_be_left(case.person, case.career)
    if len(possible) < 2 or case.law.RIC_5 is None:
        return None
    return case.no("RIC-5/which", DONE, careers=tuple(sorted(c.name for c in possible)))


@obeys("RIC-6")
def asks_after_the_first_year(case: Case) -> Reason | None:
    """A change of programme looks at the career that is left, else at the person's other ones: none first enrolled in
    the same year."""
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


@obeys("RIC-6", "AMB-37")
def left_career_is_past_its_first_year(case: Case) -> Reason | None:
    """Who enrolled in the first year may not change programme until the next academic year."""
    data = case.of(ProgrammeChanged)
    return first_year_reason(case, case.career, data.academic_year)


def first_year_reason(case: Case, career: Career, year: str) -> Reason | None:
    first = career.first_enrolment
    if first is None or not first.first or first.academic_year != year or first.year != 1 or first.perfected_on is None:
        return None
    rule = case.law.RIC_6
    if rule is None or (rule.course_types is not None and career.course_type not in rule.course_types):
        return None
    return case.no("RIC-6", DONE, [Fact(first.event, first.filed_on)], career=career.name, academic_year=year)


@obeys("RIC-4")
def left_career_is_renewed(case: Case) -> Reason | None:
    """The renewal of the career that is left stays due: after its last day it must have been paid."""
    data = case.of(ProgrammeChanged)
    if case.career.is_enrolled_in(data.academic_year):
        return None
    due = case.law.CHG_3.due_on if case.law.CHG_3 is not None else None
    if due is None or case.day <= due or case.law.RIC_4 is None:
        return None
    return case.no("RIC-4", DONE, academic_year=data.academic_year, charge=f"{data.academic_year}:enrolment")


@obeys("RIC-7", "AMB-13", "AMB-37")
def first_year_stays(case: Case) -> Reason | None:
    """A master's career (or those that the book names) may not be transferred out or suspended in the academic year of
    its first enrolment, in the first year.

    The book of that year says so, and for how long, whichever book the act itself follows."""
    first = case.career.first_enrolment
    if first is None or not first.first or first.year != 1:
        return None
    book, ends = case.books.of(first.academic_year), year_end(first.academic_year)
    if book is None:
        return None
    whole = book.interpretations.AMB_13.decision == "whole-career"
    if case.day > ends and not whole:
        return None
    rule = book.rules.RIC_7
    if rule is None or case.career.course_type not in (rule.course_types or ("master",)):
        return None
    fact = (Fact(first.event, first.filed_on),)
    if whole:
        return reason(book, "RIC-7", says("RIC-7/whole-career", academic_year=first.academic_year), None, fact)
    return reason(book, "RIC-7", says("RIC-7", academic_year=first.academic_year), Clears(ends + ONE_DAY), fact)


@obeys("RIC-8")
def may_enrol_before_the_council(case: Case) -> Reason | None:
    """2019-20: who asks for recognition (not for a programme change) may enrol before the decision only from a given
    day on."""
    decided = {data.kind for _, _, data in case.career.recognitions}
    asked = {r.data.kind for r in case.career.requests}
    if case.career.transferred_in_on is not None:
        asked.add("transfer")
    if asked <= decided or case.law.RIC_8 is None or case.day >= case.law.RIC_8.first:
        return None
    if not (asked - decided) & set(case.law.RIC_8.kinds):
        return None
    return case.no("RIC-8", Clears(case.law.RIC_8.first), first_day=case.law.RIC_8.first)


@obeys("RIC-3")
def recognition_fee_is_paid(case: Case) -> Reason | None:
    """Only requests whose fee has been received go to the council."""
    data = case.of(CfuRecognised)
    asked = [r for r in case.career.requests if r.data.kind == data.kind and r.data.academic_year == data.academic_year]
    last = asked[-1] if asked else None
    charge = case.career.charges.get(last.charge or "") if last is not None else None
    if charge is not None and charge.outstanding == ZERO:
        return None
    if case.law.RIC_3 is None:
        return None
    if last is None:
        return case.no("RIC-3/not-requested", DONE, recognition=data.kind, academic_year=data.academic_year)
    if charge is None:
        case.career.must_know("charge", f"{data.academic_year}:recognition")
        return None
    return case.no("RIC-3", DONE, [Fact(last.event, last.on, charge.outstanding)], charge=charge.key,
                   amount=charge.outstanding)


@obeys("ANN-1", "ANN-2", "ANN-3", "ANN-4")
def year_follows_from_the_cfu(case: Case) -> Reason | None:
    """A year of admission that the resolution states must be the one that the recognised CFU give."""
    data = case.of(CfuRecognised)
    if data.year is None:
        return None
    derived = derived_admission_year(case.career, data.academic_year, case.books, data.cfu)
    rule, _ = admission_rule(case.law, case.career.course_type, case.career.degree_class)
    if not case.book.has(rule):
        return None
    if derived is None:
        return case.no("ANN-1/no-table", DONE, interpretation="AMB-33", rule=rule, rule_id=rule)
    if derived == data.year:
        return None
    return case.no("ANN-1", DONE, rule=rule, derived=derived, year=data.year)


@obeys("RIC-5")
@reads("change_asked")
def no_change_of_programme_is_asked_for(case: Case) -> Reason | None:
    """2025-26: from the day on which a change of programme is asked for no exam of the career that is left."""
    asked = case.career.change_asked
    book = case.books.of(asked.academic_year) if asked is not None and case.career.ended is None else None
    if asked is None or book is None or book.rules.RIC_5 is None:
        return None
    return reason(book, "RIC-5",
                  says("RIC-5", career=asked.to_career, asked_on=asked.on), None, (Fact(asked.event, asked.on),))
