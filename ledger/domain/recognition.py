"""Recognition of earlier studies: what a request costs, until when it is in time (RIC, CHG-9..12, MOR-5)."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from .access import latest_preenrolment
from .events import RecognitionRequested
from .registry import obeys
from .rulebook import Law, LawBooks
from .state import Career, ChangeAsked, Person


@obeys("CHG-9", "CHG-10", "CHG-11", "CHG-12")
def fee_of(law: Law, kind: str) -> tuple[str, Decimal] | None:
    """(rule, euro) of the fee of a request."""
    rule, price = {"transfer": ("CHG-9", law.CHG_9), "programme-change": ("CHG-10", law.CHG_10),
                   "foreign-degree": ("CHG-12", law.CHG_12)}.get(kind, ("CHG-11", law.CHG_11))
    return (rule, price.amount) if price is not None else None


def is_of_class(career: Career, classes: Iterable[str]) -> bool:
    return (career.degree_class or "").upper().replace(" ", "") in {name.upper() for name in classes}


@obeys("RIC-5")
def may_be_left(person: Person, career: Career) -> list[Career]:
    """Whose place a change of programme to this career can take: her other living careers of the same course type, once enrolled."""
    return [c for c in person.others(career)
            if c.ended is None and c.course_type == career.course_type and c.latest_perfected is not None]


@obeys("RIC-5")
def left_career(person: Person, career: Career, data: RecognitionRequested) -> str | None:
    """The career that a change of programme to this one leaves: the one that the request names, else the only one that it can."""
    if data.kind != "programme-change":
        return None
    if data.from_career is not None:
        return data.from_career
    found = may_be_left(person, career)
    return found[0].name if len(found) == 1 else None


@obeys("RIC-5")
def change_asked(person: Person, career: Career, books: LawBooks) -> ChangeAsked | None:
    """The first change of programme from this career that is still under way, in a year that ends the exams with it. One whose
    destination has come to an end is off."""
    found = [ChangeAsked(r.on, r.event, r.data.academic_year, other.name) for other in person.others(career) if other.ended is None
             for r in other.requests if r.left == career.name
             and (book := books.of(r.data.academic_year)) is not None and book.rules.RIC_5 is not None]
    return min(found, key=lambda asked: asked.on, default=None)


@obeys("RIC-1", "RIC-2", "RIC-11", "RIC-12", "RIC-14", "AMB-22", "AMB-31")
def term_of(career: Career, law: Law, data: RecognitionRequested) -> date | None:
    """The last day in time for a request; None where the sources give none or leave it to an officer (AMB-31)."""
    kind = data.kind
    if kind == "foreign-degree":
        return visa_term(career, law, data.academic_year) or (law.RIC_12.until if law.RIC_12 is not None else None)
    if career.course_type == "master":
        return _masters_term(career, law, kind, data.academic_year)
    if kind in ("second-degree", "shortening") and law.RIC_11 is not None:
        given = career.ranked.recognition_by if career.ranked is not None else None
        return given or next((term for name, term in law.RIC_11.classes.items() if is_of_class(career, (name,))), law.RIC_11.until)
    return career.ranked.recognition_by if career.ranked is not None else None


@obeys("PRE-7")
def visa_term(career: Career, law: Law, year: str) -> date | None:
    """The last day for the foreign degree of who applied as one who needs a visa: the day of that application, not the window of who
    lives here. None where the year gives none."""
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
