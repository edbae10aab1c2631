"""A career from year to year: renewal, contribution, plan, exams, and how it ends."""

from decimal import Decimal
from typing import Any, Literal

from ledger.domain.law.lateness import surcharge
from ledger.domain.rulebook import Law

from .entry import ELSEWHERE, begin_master, enrol, first_payment, recognition, single_courses
from .exams import sit_exams, study_plan
from .money import contribution
from .story import PART_TIME, Path, Story, as_date
from .terms import LAST, NEVER, Terms, books, iso, need, terms

LAST_YEAR = LAST - 1
"""The last academic year that is lived: 2025-26."""


def live(s: Story, p: Path, start: int) -> None:
    """The years of a career that has been enrolled for the year `start`, up to its end or to 2025-26."""
    while True:
        y = terms(start)
        _year(s, p, y)
        if p.ended or start >= LAST_YEAR:
            return
        start += 1
        if s.chance(s.shares.drop_outs) or p.clear_on == NEVER or p.perfected == NEVER:
            _drop_out(s, p, terms(start))
            return
        changed = s.chance(s.shares.programme_changes) and p.programme.type == "bachelor" and start - p.first_start <= 2
        if (changed and not p.late_sessions and p.is_free(terms(start).before(8, 25))
                and p.is_free(terms(start).renew_due)):
            p = _change_programme(s, p, terms(start))
        else:
            _renew(s, p, terms(start))
            if p.ended:
                return


def _year(s: Story, p: Path, y: Terms) -> None:
    """What happens in one year of a career that is enrolled for it."""
    roll, shares = s.random(), s.shares
    if (p.reserved and p.first_start == y.start) or p.late_sessions:
        roll = 1.0
    sessions = ("summer", "autumn") if p.late_sessions else ("winter", "summer", "autumn")
    p.late_sessions = False
    first_master = p.programme.type == "master" and p.first_start == y.start
    if roll < shares.renunciation:
        _renounce(s, p, y)
        return
    roll -= shares.renunciation
    if roll < shares.transfers_out:
        if not first_master and not p.plan_in_time:
            _transfer_out(s, p, y)
            return
    elif roll < shares.transfers_out + shares.suspensions and not first_master and p.perfected < y.day(11, 1):
        _suspend(s, p, y)
        return
    if y.law is not None:
        contribution(s, p, y, y.law)
    study_plan(s, p, y)
    sit_exams(s, p, y, y.after(10, 1), sessions)
    if p.has_passed_all and _may_graduate(p):
        _graduate(s, p, y)
    elif _is_last_year(p) and _few_left(p) and s.chance(0.3) and not p.has_passed_all and p.clear_on != NEVER:
        sit_exams(s, p, y, NEVER, ("extraordinary",))
        p.late_sessions = True
        if p.has_passed_all and _may_graduate(p):
            _graduate(s, p, y, after=terms(y.start + 1).after(2, 28))


def _is_last_year(p: Path) -> bool:
    return p.year >= p.programme.years


def _few_left(p: Path) -> bool:
    return sum(c.code not in p.done for c in p.courses) <= 2


def _may_graduate(p: Path) -> bool:
    """PT-7: part-time students in the repetition of the last year, or beyond."""
    return _is_last_year(p) and (p.regime == "full-time" or p.standing != "regular") and p.clear_on != NEVER


# The next year


def _renew(s: Story, p: Path, y: Terms) -> None:
    """Renew for a year; 156 euro, with a surcharge when they come late."""
    if p.standing == "beyond-course" and s.chance(0.3):
        _drop_out(s, p, y)
        return
    before, repeats = p.standing, p.regime == "part-time" and p.standing == "regular"
    if p.year >= p.programme.years and not repeats:
        p.standing = "beyond-course"
    elif repeats:
        p.standing = "repeating"
    else:
        p.year, p.standing = p.year + 1, "regular"
    filed = s.between(y.before(8, 1), y.renew_due - 1)
    late = s.chance(s.shares.late_enrolment) and (y.law is not None or not y.asks)
    if late:
        filed = s.between(y.renew_due - 5, y.renew_due + 30)
    s.add("enrolment-renewed", p.name, filed, {"academic_year": y.label, "year": p.year, "standing": p.standing})
    p.label, p.perfected = y.label, filed
    if y.law is None:
        if y.asks or s.chance(s.shares.unruled_payments):
            s.pay(p, f"{y.label}:enrolment", Decimal("156.00"), filed)
    else:
        pay_renewal(s, p, y, filed, late)
    if not late:
        _change_regime(s, p, y, filed, before)


def pay_renewal(s: Story, p: Path, y: Terms, filed: int, late: bool) -> None:
    law = need(y.law, y.label)
    paid = filed + s.between(0, 12) if late else min(filed + s.between(0, 6), y.renew_due)
    s.pay(p, f"{y.label}:enrolment", need(law.CHG_3, "CHG-3").amount, paid)
    p.perfected = paid
    if paid > y.renew_due:
        s.owe(p, f"{y.label}:late-fee/enrolment", surcharge(law, as_date(y.renew_due), as_date(paid)), paid)


def _change_regime(s: Story, p: Path, y: Terms, filed: int, before: str) -> None:
    """To part-time once, where the career is within its length; back after a year and its repetition, or beyond the
    course."""
    day = filed + s.between(0, 3)
    window = y.law.PT_2 if y.law is not None else None
    if day > (window.last.toordinal() if window is not None else y.renew_due):
        return
    if p.regime == "full-time" and p.standing == "regular" and not p.changes_regime and s.chance(s.shares.to_part_time):
        p.regime, p.changes_regime = "part-time", p.changes_regime + 1
        s.add("regime-changed", p.name, day, {"regime": "part-time", "academic_year": y.label,
                                              "category": s.pick(PART_TIME), "ofa_cleared": True})
    elif p.regime == "part-time" and before == "repeating" and p.changes_regime < 2 and s.chance(0.5):
        p.regime, p.changes_regime = "full-time", 2
        s.add("regime-changed", p.name, day, {"regime": "full-time", "academic_year": y.label})


def _change_programme(s: Story, p: Path, y: Terms) -> Path:
    """Enrol in another programme, ask for recognition, and leave the first one within the renewal's term."""
    new = s.new_path("bachelor")
    enrolled = s.between(max(y.before(9, 22), y.transfers_from), y.renew_due - 4)
    enrol(s, new, y, enrolled)
    first_payment(s, new, y, enrolled, y.first_degree_until if y.has_first_degree_term else None, may_be_late=False)
    recognition(s, new, y, "programme-change")
    s.add("programme-changed", p.name, enrolled + 1, {"to_career": new.name, "academic_year": y.label})
    p.ended = True
    return new


def _drop_out(s: Story, p: Path, y: Terms) -> None:
    """Leave without a word; sometimes a renewal is filed and never paid, sometimes the career is forfeited in the
    end."""
    p.ended = True
    if s.chance(0.2) and y.law is not None and p.clear_on != NEVER:
        s.add("enrolment-renewed", p.name, s.between(y.before(8, 1), y.renew_due),
              {"academic_year": y.label, "year": p.year,
               "standing": "beyond-course" if _is_last_year(p) else "regular"})
    elif s.chance(0.3):
        s.add("forfeited", p.name, s.between(y.after(3, 1), y.after(7, 30)), {"reason": "no act for a long time"})


# Leaving


def _renounce(s: Story, p: Path, y: Terms) -> None:
    """Withdraw: in the winter before any instalment (2025-26: nothing is owed then), or in June with everything
    paid."""
    law = y.law
    p.plan_in_time = True
    study_plan(s, p, y)
    filed = s.between(y.after(2, 5), y.after(2, 12))
    if law is None or law.RIN_3 is None:
        if law is not None:
            contribution(s, p, y, law, paid=False)
        sit_exams(s, p, y, filed)
        s.add("withdrawal-requested", p.name, filed, {})
        if law is None and y.stamp is not None:
            s.pay(p, f"{y.label}:withdrawal-stamp", y.stamp, filed)
            s.settle(p, filed)
        s.add("renounced", p.name, filed + s.between(5, 40), {})
        p.ended = True
        return
    if s.chance(s.shares.renunciation_lapses):
        _lapse(s, p, y, law, filed)
        return
    if s.chance(0.4):
        filed = s.between(y.after(5, 20), y.after(6, 25))
        contribution(s, p, y, law, by=y.after(5, 16))
        sit_exams(s, p, y, filed)
    else:
        contribution(s, p, y, law, paid=False)
    s.settle(p, filed - 1)
    stamped = filed + s.between(0, law.RIN_3.days - 1)
    s.add("withdrawal-requested", p.name, filed, {})
    s.pay(p, f"{y.label}:withdrawal-stamp", law.RIN_3.amount, stamped)
    s.settle(p, stamped)
    s.add("renounced", p.name, stamped + s.between(1, 20), {})
    p.ended = True


def _lapse(s: Story, p: Path, y: Terms, law: Law, filed: int) -> None:
    """The stamp is not paid: after 30 days it is as if nothing had been filed, and the year goes on."""
    lapsed = filed + need(law.RIN_3, "RIN-3").days + 1
    contribution(s, p, y, law, by=NEVER, not_before=lapsed + 1)
    s.settle(p, filed - 1)
    s.add("withdrawal-requested", p.name, filed, {})
    p.closed.append((filed, lapsed))
    sit_exams(s, p, y, y.after(10, 1), ("summer", "autumn"))


def _transfer_out(s: Story, p: Path, y: Terms) -> None:
    day = s.between(max(p.perfected + 3, y.day(10, 2)), max(p.perfected + 20, y.day(12, 20)))
    s.add("transferred-out", p.name, day, {"to_university": s.pick(ELSEWHERE)})
    p.ended = True


def _suspend(s: Story, p: Path, y: Terms) -> None:
    """Suspend in the winter, resume in September with everything paid."""
    day, back = s.between(y.day(11, 15), y.after(1, 5)), s.between(y.after(9, 2), y.after(9, 20))
    if y.law is not None:
        contribution(s, p, y, y.law, by=y.after(6, 30))
        s.settle(p, back - 1)
    s.add("suspended", p.name, day, {"reason": s.pick(("work", "health", "study abroad"))})
    s.add("resumed", p.name, back, {})
    p.closed.append((day, back))


# Degrees


def _graduate(s: Story, p: Path, y: Terms, after: int = 0) -> None:
    """The next session after the last exam; what is overdue is paid before. A bachelor may go on to a master's."""
    ready = max([after, p.clear_on, *p.done.values()]) + 8
    following = terms(y.start + 1)
    sessions = (("summer", y.after(7, 8), y.after(7, 24)),
                ("autumn", following.before(10, 12), following.before(11, 6)),
                ("winter", following.before(12, 5), following.before(12, 19)),
                ("extraordinary", following.after(3, 15), following.after(4, 18)))
    name, first, last = next((x for x in sessions if x[2] > ready), sessions[-1])
    day = max(s.between(first, last), min(ready, last))
    if ready > last:
        return
    reserved = (p.programme.type == "bachelor" and name != "summer" and s.chance(s.shares.continues)
                and following.start <= LAST_YEAR)
    master = _reserved_master(s, p, following) if reserved else None
    if reserved and master is not None and s.chance(s.shares.reservation_fails) and following.law is not None:
        _fail_at_home(s, p, master, following)
        return
    renewed = y.start == 2024 and name != "summer" and s.chance(s.shares.renewed_in_vain)
    if renewed:
        filed = s.between(following.before(8, 20), following.renew_due)
        s.add("enrolment-renewed", p.name, filed, {"academic_year": following.label, "year": p.year,
                                                   "standing": "beyond-course"})
        p.standing = "beyond-course"
        pay_renewal(s, p, following, filed, late=False)
        p.label = following.label
    _confer(s, p, y, name, day)
    if renewed:
        s.add("payment-refunded", p.name, day + s.between(20, 60),
              {"charge": f"{following.label}:enrolment", "amount": "140.00"})
    if master is not None:
        master.closed.append((0, day))
        live(s, master, following.start)
    elif (not reserved and p.programme.type == "bachelor" and name == "summer" and y.start < LAST_YEAR
          and s.chance(s.shares.continues)):
        path = s.new_path("master")
        if begin_master(s, path, following, day):
            live(s, path, following.start)


def _confer(s: Story, p: Path, y: Terms, session: str, day: int) -> None:
    """Candidacy and degree; nothing may be overdue on the day."""
    s.settle(p, day - 1)
    asked = max(day - s.between(40, 55), p.perfected + 1)
    while not p.is_free(asked):
        asked += 1
    s.add("degree-candidacy-declared", p.name, asked, {"academic_year": y.label, "session": session})
    mark = s.between(80, 112)
    data: dict[str, Any] = {"academic_year": y.label, "session": session, "mark": min(mark, 110)}
    if mark > 110:
        data["honours"] = True
    s.add("graduated", p.name, day, data)
    p.ended = True
    if s.chance(s.shares.diploma):
        _diploma(s, p, day + s.between(15, 60))


def _diploma(s: Story, p: Path, day: int) -> None:
    if s.chance(0.6):
        s.add("diploma-supplement-issued", p.name, day, {"format": "pdf"})
        return
    where: Literal["italy", "eu", "other"] = s.pick(("italy", "eu", "other"))
    s.add("diploma-supplement-issued", p.name, day, {"format": "paper", "destination": where})
    year = books().act_year(p.label, as_date(day))
    book = books().of(year) if year is not None else None
    if book is not None and "CHG-16" in book.ids and book.rules.CHG_16 is not None:
        s.pay(p, f"{year}:diploma-supplement-post", book.rules.CHG_16.amounts[where], day + s.between(0, 5))


# Reservations


def _reserved_master(s: Story, home: Path, y: Terms) -> Path | None:
    """A master's here before the degree of this university: enrolled with reservation, in time before the degree."""
    path = s.new_path("master")
    path.reserved = True
    missing = s.between(0, 2)
    reserved = {"ground": "degree-pending", "missing_exams": missing, "missing_cfu": missing * 6,
                "home_university": "same", "home_career": home.name}
    if missing and s.chance(0.2):
        reserved["internship_started"] = True
    if not begin_master(s, path, y, 0, reserved):
        path.ended = True
        return None
    return path


def _fail_at_home(s: Story, home: Path, master: Path, y: Terms) -> None:
    """No degree by the term: the reservation lapses, what was paid counts for the renewal of the bachelor's
    (2025-26)."""
    law = need(y.law, y.label)
    lapsed = need(law.RIS_6, "RIS-6").until.toordinal() + 1
    master.ended = True
    renewed = lapsed + s.between(3, 15)
    home.standing = "beyond-course"
    s.add("enrolment-renewed", home.name, renewed,
          {"academic_year": y.label, "year": home.year, "standing": "beyond-course"})
    home.label, home.perfected = y.label, renewed + 2
    key = f"{y.label}:enrolment"
    if law.LAU_6 is not None:
        s.add("payment-moved", master.name, renewed + 2,
              {"from_charge": key, "to_charge": key, "amount": "156.00", "to_career": home.name})
    else:
        pay_renewal(s, home, y, renewed, late=True)
    _confer(s, home, y, "summer", max(s.between(y.after(7, 8), y.after(7, 24)), home.perfected + 60))


def reserved_from_elsewhere(s: Story, p: Path, y: Terms) -> None:
    """A master's with reservation of a student of another university: met in time, or lapsed, declined, cancelled."""
    law = y.law
    singles = s.chance(0.25)
    ground = "single-courses-pending" if singles else "degree-pending"
    reserved: dict[str, Any] = {"ground": ground, "missing_exams": s.between(0, 3), "missing_cfu": s.between(0, 4) * 6,
                                "home_university": "other"}
    if not begin_master(s, p, y, 0, reserved):
        return
    if singles:
        term = need(law.RIS_3, "RIS-3").until.toordinal() if law is not None else y.after(2, 28)
    else:
        term = need(law.RIS_6, "RIS-6").until.toordinal() if law is not None else y.after(4, 30)
    if s.chance(s.shares.reservation_fails):
        _fail_elsewhere(s, p, y, term)
        return
    conferred = s.between(max(p.perfected + 2, y.day(11, 5)), term - 3)
    lifted = conferred + s.between(1, 12)
    s.add("reservation-lifted", p.name, lifted,
          {"evidence": "single-courses-passed" if singles else "degree-conferred", "conferred_on": iso(conferred)})
    p.closed.append((0, lifted))
    live(s, p, y.start)


def _fail_elsewhere(s: Story, p: Path, y: Terms, term: int) -> None:
    law, roll = y.law, s.random()
    p.ended = True
    after = min(p.perfected + s.between(20, 60), term - 1)
    if roll < 0.2 or law is None:
        s.add("enrolment-cancelled", p.name, after, {"reason": "the declaration was not true"})
        return
    key, amount = f"{y.label}:enrolment", "140.00"
    if roll < 0.5:
        s.add("reservation-declined", p.name, after, {})
        if law.LAU_8 is not None:
            s.add("payment-refunded", p.name, after + s.between(15, 50), {"charge": key, "amount": amount})
        return
    if law.LAU_7 is not None:
        s.add("payment-refunded", p.name, term + s.between(10, 50), {"charge": key, "amount": amount})
    if s.chance(0.5):
        rule = need(law.RIS_8, "RIS-8")
        single_courses(s, y, term + 2, y.after(7, 10), "failed-reservation",
                       free=rule.free_for == "every-failed-reservation")
