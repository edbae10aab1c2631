"""How a career begins: applications, ranking, enrolment, reservation, transfers in, recognition, single courses."""

from decimal import Decimal
from typing import Any

from ledger.domain.law.recognition import admission_rule, fee_of

from .story import PART_TIME, ZERO, Path, Story
from .terms import NEVER, Terms, books, iso, need, terms

ELSEWHERE = ("University of Milan", "University of Brescia", "University of Pavia", "University of Verona")


def first_payment(s: Story, p: Path, y: Terms, day: int, term: int | None, may_be_late: bool,
                  filed_late: bool = False) -> None:
    """The 156 of a first enrolment: perfects it, and costs the late instance when it (or the filing) comes after the
    term."""
    p.label, p.enrolled_on, p.first_start = y.label, day, y.start
    if y.law is None:
        p.perfected = day
        if y.asks or s.chance(s.shares.unruled_payments):
            s.pay(p, f"{y.label}:enrolment", Decimal("156.00"), day)
        return
    paid = day + s.between(0, 4)
    if term is not None and not filed_late:
        paid = max(min(paid, term), day)
        if may_be_late and s.chance(s.shares.late_enrolment):
            paid = max(day, term + s.between(1, 20))
    s.pay(p, f"{y.label}:enrolment", need(y.law.CHG_2, "CHG-2").amount, paid)
    p.perfected = paid
    if (p.access == "open" and term is not None and (p.late_window or day > term or paid > term)
            and y.law.MOR_5 is not None):
        s.owe(p, f"{y.label}:late-instance", y.law.MOR_5.amount, paid)


def enrol(s: Story, p: Path, y: Terms, day: int, reserved: dict[str, Any] | None = None) -> None:
    p.regime = "part-time" if reserved is None and s.chance(s.shares.part_time) else "full-time"
    data: dict[str, Any] = {"programme": p.programme.name, "academic_year": y.label, "course_type": p.programme.type,
                            "degree_class": p.programme.degree_class, "access": p.access, "year": 1, "regime": p.regime}
    if p.regime == "part-time":
        data["category"] = s.pick(PART_TIME)
    s.add("enrolled" if reserved is None else "enrolled-with-reservation", p.name, day, data | (reserved or {}))


def preenrol(s: Story, p: Path, y: Terms, day: int, **more: Any) -> None:
    """The fee is for each course: a second application to it costs nothing."""
    again = more.get("selection") == 2 and any(f.type == "preenrolled" and f.career == p.name for f in s.facts)
    s.add("preenrolled", p.name, day, {"programme": p.programme.name, "academic_year": y.label,
                                       "course_type": p.programme.type,
                                       "degree_class": p.programme.degree_class, "access": p.access, **more})
    costs = p.programme.type == "master" and y.law is not None and not again
    if costs and y.law is not None and y.law.CHG_1 is not None and not s.chance(0.03):
        s.pay(p, f"{y.label}:preenrolment", y.law.CHG_1.amount, day + s.between(0, 2))


# First degrees


def begin_first_degree(s: Story, p: Path, y: Terms) -> bool:
    """A bachelor's or single-cycle career; False where it comes to nothing."""
    if s.chance(s.shares.restricted):
        return _restricted_first_degree(s, p, y)
    transfer = s.chance(s.shares.transfers_in)
    until, late = y.first_degree_until, y.first_degree_late_until
    day, filed_late = s.between(y.before(7, 20), until - 3), False
    if transfer:
        day = s.between(max(y.before(8, 26), y.transfers_from), until - 3)
        s.add("transferred-in", p.name, day - s.between(0, 2) if day > y.transfers_from + 2 else day,
              {"from_university": s.pick(ELSEWHERE), "academic_year": y.label})
    elif late > until and s.chance(s.shares.late_enrolment):
        day, filed_late = s.between(until + 1, late), True
    enrol(s, p, y, day)
    first_payment(s, p, y, day, until if y.has_first_degree_term else None, not transfer, filed_late)
    if transfer:
        recognition(s, p, y, "transfer")
    elif s.chance(s.shares.recognition):
        recognition(s, p, y, s.pick(("second-degree", "shortening", "foreign-degree", "re-enrolment")))
    return True


def _restricted_first_degree(s: Story, p: Path, y: Terms) -> bool:
    p.access = "restricted"
    preenrol(s, p, y, s.between(y.before(7, 1), y.before(8, 20)))
    ranked, term = y.before(8, 29), y.before(9, 12)
    if s.chance(s.shares.not_admitted):
        s.add("ranked", p.name, ranked, {"admitted": False})
        return False
    scroll = s.chance(0.15)
    if scroll:
        ranked, term = term + 4, term + 14
    s.add("ranked", p.name, ranked, {"admitted": True, "scroll": scroll, "enrol_by": iso(term)})
    if s.chance(0.04):
        return False
    day = s.between(ranked + 1, term - 1)
    enrol(s, p, y, day)
    first_payment(s, p, y, day, term, may_be_late=False)
    return True


# Masters


def begin_master(s: Story, p: Path, y: Terms, not_before: int = 0, reserved: dict[str, Any] | None = None) -> bool:
    """A master's career; False where it comes to nothing. `not_before`: the first degree's day, where one must come
    first."""
    if y.selections and s.chance(s.shares.restricted):
        number = s.between(1, 2)
        if y.selections[number - 1].first > not_before:
            return _restricted_master(s, p, y, number, reserved)
    return _open_master(s, p, y, not_before, reserved)


def _restricted_master(s: Story, p: Path, y: Terms, number: int, reserved: dict[str, Any] | None) -> bool:
    p.access = "restricted"
    while True:
        selection = y.selections[number - 1]
        preenrol(s, p, y, s.between(selection.first, selection.last), selection=number)
        ranked = selection.enrol_by - s.between(8, 12)
        if not s.chance(s.shares.not_admitted):
            break
        s.add("ranked", p.name, ranked, {"admitted": False})
        if number == 2 or s.chance(0.5) or ranked >= y.selections[1].last:
            return False
        number = 2
    term, scroll = selection.enrol_by, s.chance(0.15)
    if scroll:
        ranked, term = selection.enrol_by + 2, selection.scroll_enrol_by
    s.add("ranked", p.name, ranked, {"admitted": True, "scroll": scroll})
    if s.chance(0.04):
        return False
    day = s.between(ranked + 1, term - 1)
    enrol(s, p, y, day, reserved)
    first_payment(s, p, y, day, term, may_be_late=False)
    return True


def _open_master(s: Story, p: Path, y: Terms, not_before: int, reserved: dict[str, Any] | None) -> bool:
    possible = [w for w in y.windows if w.last > not_before + 5
                and (not w.late or s.chance(s.shares.late_enrolment * 3))]
    if not possible:
        return False
    window = s.pick(possible)
    p.late_window = window.late
    day = s.between(max(window.first, not_before + 3), window.last - 2)
    more: dict[str, Any] = {}
    assessed_before = False
    if y.start == 2025 and day <= y.windows[2].last and s.chance(s.shares.foreign):
        more = {"applicant": s.pick(("foreign-title", "visa"))}
        if s.chance(0.5):
            more["pre_assessed"] = assessed_before = True
    preenrol(s, p, y, day, **more)
    if s.chance(s.shares.second_application):
        second = s.new_path("master")
        preenrol(s, second, y, day)
        if s.chance(0.5):
            s.add("preparation-assessed", second.name, max(day, min(window.last + 3, window.enrol_from - 1)),
                  {"adequate": True})
    if not assessed_before:
        adequate = not s.chance(s.shares.not_admitted)
        s.add("preparation-assessed", p.name, max(day, min(window.enrol_from - 1, day + s.between(5, 25))),
              {"adequate": adequate})
        if not adequate:
            return False
    transfer = reserved is None and s.chance(s.shares.transfers_in)
    first = max(window.enrol_from, day + 1)
    enrolled = s.between(max(first, y.transfers_from) if transfer else first, window.enrol_until - 3)
    if transfer:
        s.add("transferred-in", p.name, enrolled, {"from_university": s.pick(ELSEWHERE), "academic_year": y.label})
    enrol(s, p, y, enrolled, reserved)
    first_payment(s, p, y, enrolled, window.enrol_until, reserved is None)
    if reserved is None and not window.late:
        if transfer:
            recognition(s, p, y, "transfer")
        elif s.chance(s.shares.recognition):
            recognition(s, p, y, s.pick(("second-degree", "shortening", "re-enrolment", "foreign-degree")))
    return True


def apply_in_vain(s: Story, y: Terms) -> None:
    """An applicant who never enrols: at most two open masters in a year."""
    for _ in range(s.between(1, 2)):
        p = s.new_path("master")
        window = s.pick(y.windows[:2])
        day = s.between(window.first, window.last - 1)
        preenrol(s, p, y, day)
        if s.chance(0.7):
            s.add("preparation-assessed", p.name, day + s.between(5, 20), {"adequate": s.chance(0.4)})


# Recognition


def recognition(s: Story, p: Path, y: Terms, kind: str) -> None:
    """A request, its fee, and the council's resolution, which may give a later year."""
    if p.perfected > y.plan[1] or (p.programme.type == "master" and p.access == "restricted"):
        return
    asked, term = _request_day(s, p, y, kind)
    if asked == NEVER:
        return
    p.plan_in_time = True
    s.add("recognition-requested", p.name, asked, {"kind": kind, "academic_year": y.label})
    paid = asked
    if y.law is not None:
        paid = asked + s.between(0, 8)
        price = fee_of(y.law, kind)
        if price is not None:
            s.pay(p, f"{y.label}:recognition", price[1], paid)
        if term is not None and asked > term and y.law.MOR_5 is not None:
            s.owe(p, f"{y.label}:late-instance/recognition", y.law.MOR_5.amount, asked)
    decided = max(paid + 1, p.perfected + 1, s.between(y.day(10, 20), y.day(12, 12)))
    taken = [c for c in p.courses if c.year <= 2][:s.between(0, 6)]
    cfu = sum(c.cfu for c in taken) + s.pick((0, 3, 6))
    data: dict[str, Any] = {"kind": kind, "academic_year": y.label, "cfu": cfu,
                            "resolution": f"CCS {s.between(1, 40)}/{y.start}"}
    if taken:
        data["courses"] = [{"code": c.code, "cfu": c.cfu, "grade": s.between(18, 30)} for c in taken]
        for course in taken:
            p.done[course.code] = decided
    if y.law is not None:
        _, table = admission_rule(y.law, p.programme.type, p.programme.degree_class)
        if table is not None:
            p.year = next(step.year for step in table.steps if step.through is None or cfu <= step.through)
            if s.chance(0.3):
                data["year"] = p.year
    s.add("cfu-recognised", p.name, decided, data)


def _request_day(s: Story, p: Path, y: Terms, kind: str) -> tuple[int, int | None]:
    """(day, term) of a request that the rules accept; `NEVER` where the windows leave none."""
    first, until, late_until = max(p.enrolled_on, y.before(8, 8)), y.day(10, 31), 0
    law, term = y.law, None
    if law is not None:
        master = p.programme.type == "master"
        if kind == "foreign-degree":
            window = need(law.RIC_12, "RIC-12")
        elif not master and kind in ("second-degree", "shortening"):
            window = need(law.RIC_11, "RIC-11")
        else:
            window = None
        if window is not None:
            term = until = window.classes.get(p.programme.degree_class.upper(), window.until).toordinal()
            first = max(first, window.first.toordinal())
            if window.late and p.access == "open":
                late_until = window.late_until.toordinal() if window.late_until is not None else until + 60
        elif master:
            term = until = need(law.RIC_1, "RIC-1").until.toordinal()
            late_until = until + 20
    if first > until or (late_until and s.chance(s.shares.late_enrolment)):
        first, until = max(first, until + 1), late_until
    return (s.between(first, min(until, first + 40)), term) if first <= until else (NEVER, term)


# Single courses


def single_courses(s: Story, y: Terms, first: int, last: int, purpose: str | None = None, free: bool = False) -> None:
    """An application within the window, its payment, and exams at least fifteen working days later."""
    book_law = y.law
    if book_law is None:
        book = books().for_single_courses(y.label)
        book_law = book.rules if book is not None else None
    p = s.new_path("master")
    law = need(book_law, "CS")
    window, price, validity = need(law.CS_1, "CS-1"), need(law.CS_4, "CS-4"), need(law.CS_11, "CS-11")
    day = s.between(max(first, window.first.toordinal()), min(last, window.last.toordinal()))
    chosen = [f"CS{s.between(1, 60):03d}" for _ in range(s.between(1, 3))]
    ends = [y.lectures[s.pick((1, 2))] for _ in chosen]
    courses = {code: (s.pick((6, 9, 12)), end) for code, end in zip(chosen, ends, strict=True)}
    issued = day + s.between(0, 3)
    data: dict[str, Any] = {"academic_year": y.label,
                            "courses": [{"code": c, "cfu": cfu, "lectures_end_on": iso(end)}
                                        for c, (cfu, end) in courses.items()],
                            "issued_on": iso(issued)}
    amount = price.per_cfu * sum(cfu for cfu, _ in courses.values())
    stamp = price.stamp
    if purpose is not None:
        data["purpose"] = purpose
    elif s.chance(0.1):
        data["purpose"] = s.pick(("admission-requirements", "teaching-classes"))
    elif s.chance(0.06):
        data["reduction"] = "disability"
        share = law.CS_9.shares.get("disability") if law.CS_9 is not None else None
        amount -= amount * share if share is not None else ZERO
    elif s.chance(0.04) and law.CS_12 is not None and law.CS_12.free:
        data["reduction"], free = "exchange", True
    if s.chance(0.05):
        data["clearance"] = True
    until = validity.until.toordinal()
    if s.chance(0.1):
        data["reserved_session"], until = True, validity.reserved_until.toordinal()
    s.add("single-courses-enrolled", p.name, day, data)
    paid = day if free else issued + s.between(0, 15)
    if not free and s.chance(0.06):
        return
    if not free:
        s.pay(p, f"{y.label}:single-courses", amount, paid)
        s.pay(p, f"{y.label}:single-courses-stamp", stamp, paid)
    p.label = y.label
    if not (free and purpose == "failed-reservation"):  # their exams wait for a degree that another university confers
        _sit_single_courses(s, p, y, courses, paid + 31, until)


def _sit_single_courses(s: Story, p: Path, y: Terms, courses: dict[str, tuple[int, int]], first: int,
                        until: int) -> None:
    for code, (cfu, end) in courses.items():
        for session in y.sessions:
            low, high = max(session.first, end + 1, first), min(session.last, until)
            if high - low < 2 or not s.chance(s.shares.attempts):
                continue
            held = s.between(low + 1, high)
            opens = session.first - y.opens
            booked = s.between(max(opens, first - 30), held - y.closes)
            if booked > held - y.closes:
                continue
            common = {"course": code, "held_on": iso(held)}
            s.add("exam-booked", p.name, booked, common | {
                "academic_year": y.label, "session": session.name, "calls_start_on": iso(session.first),
                "mode": "oral"})
            passed = s.chance(s.shares.passed)
            graded: dict[str, Any] = {"outcome": "passed" if passed else "failed", "cfu": cfu,
                                      "session": session.name, "mode": "oral",
                                      "academic_year": y.label}
            if passed:
                graded["grade"] = s.between(18, 30)
            s.add("exam-graded", p.name, held, common | graded)
            if passed:
                break


def single_course_student(s: Story) -> None:
    """Somebody without a degree career who takes single courses, in one or two of the years that have rules for
    them."""
    for start in sorted({s.pick((2019, 2024, 2024, 2025, 2025)) for _ in range(s.between(1, 2))}):
        y = terms(start)
        single_courses(s, y, y.before(8, 1), y.after(7, 10) if start == 2019 else y.day(5, 31))
