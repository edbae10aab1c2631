"""Random histories of one student: what the property tests quantify over.

`stories` draws submissions for one to three careers in the order in which the ledger hears of them. Each career follows
the usual way (it applies, enrols, pays, studies) with some steps left out, and any event type of section 3 may come in
between. Days are taken from the rule books: every date in them, the day before and after, and the edges of the tiers.
`record` turns a story into the events that a ledger would hold.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from functools import cache
from typing import Any

from hypothesis import strategies as st

from ledger.domain import events as e
from ledger.domain.checked import Checked
from ledger.domain.decisions import Accepted, Mode, decide
from ledger.domain.events import Event, payload_json
from ledger.domain.standing import Standing
from ledger.domain.submissions import Submission, read_submission, recorded
from ledger.domain.values import year_of
from ledger.rulebooks.loader import load_books

STUDENT = "S01"
BOOKS = load_books()
RULED = ("2025-26", "2019-20")
YEARS = (*RULED, "2024-25", "2026-27", "2020-21")
"""The years with a rule book first: examples shrink towards them. Of the others one has
rules for single courses only."""
ONE_DAY = timedelta(days=1)
Draw = Callable[[st.SearchStrategy[Any]], Any]
Json = dict[str, Any]


@dataclass(frozen=True)
class Way:
    """What a career is like: the values that its submissions repeat."""

    career: str
    kind: str  # a course type, or `single-courses`
    year: str
    access: str
    regime: str
    contribution: str
    others: tuple[str, ...]

    @property
    def later(self) -> str:
        return year_of(_october(self.year) + timedelta(days=370))


@dataclass(frozen=True)
class Line:
    """A submission, and the day on which the ledger hears of it (not before its own day)."""

    heard_on: date
    submission: Submission


# Days


def _october(year: str) -> date:
    return date(int(year[:4]), 10, 1)


def _dates(value: Any) -> Iterator[date]:
    if isinstance(value, date):
        yield value
    elif isinstance(value, Checked):
        for stated in value.held().values():
            yield from _dates(stated)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _dates(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _dates(item)


@cache
def salient_days(year: str) -> tuple[date, ...]:
    """Every day on which the law of a year changes something, with its neighbours; another year's
    moved where it has no law."""
    model = next(y for y in RULED if BOOKS.of(y)) if BOOKS.of(year) is None else year
    book = BOOKS.of(model)
    if book is None:
        raise LookupError(f"no rule book for {model}")
    found = set(_dates(book.rules))
    for due in [d for d in found if _october(model) <= d <= _october(model) + timedelta(days=240)]:
        found |= {due + timedelta(days=n) for n in (30, 60, 90)}
    moved = timedelta(days=365 * (int(year[:4]) - int(model[:4])))
    return tuple(sorted({d + moved + timedelta(days=n) for d in found for n in (-1, 0, 1)}))


_SEASON = {  # days from 1 October of the academic year: first, last
    "preenrolled": (-183, 60), "preparation-assessed": (-100, 75), "ranked": (-95, 20), "enrolled": (-90, 90),
    "enrolled-with-reservation": (-90, 90), "reservation-lifted": (0, 230), "reservation-declined": (-30, 215),
    "enrolment-renewed": (-60, 200), "degree-candidacy-declared": (-30, 300), "graduated": (10, 330),
    "regime-changed": (-61, 30),
    "recognition-requested": (-61, 60), "cfu-recognised": (-30, 120), "single-courses-enrolled": (-61, 289),
    "contribution-assessed": (-30, 150), "isee-certified": (-60, 370), "study-plan-submitted": (10, 90),
    "study-plan-approved": (20, 150), "exam-booked": (80, 330), "exam-graded": (80, 330),
    "enrolment-cancelled": (0, 200),
}


@cache
def _pool(kind: str, year: str) -> tuple[date, ...]:
    first, last = (_october(year) + timedelta(days=n) for n in _SEASON.get(kind, (-90, 480)))
    return tuple(d for d in salient_days(year) if first <= d <= last) or (first,)


def _day(draw: Draw, kind: str, way: Way) -> date:
    pool = _pool(kind, way.year)
    if draw(st.integers(0, 7)) < 7:
        return pool[draw(st.integers(0, len(pool) - 1))]
    return _october(way.year) + timedelta(days=draw(st.integers(-250, 900)))


# Data of each type


def _one(draw: Draw, *values: Any) -> Any:
    return draw(st.sampled_from(values))


_YES = st.booleans()
_CODES = ("X1", "X2", "X3")
_AMOUNTS = {
    "preenrolment": "52.00", "enrolment": "156.00", "late-instance": "95.00", "isee-penalty": "150.00",
    "study-plan-penalty": "50.00",
    "recognition": "111.00", "single-courses": "150.00", "withdrawal-stamp": "16.00", "single-courses-stamp": "16.00",
    "late-fee/instalment-1": "20.00", "late-fee/instalment-2": "40.00", "late-fee/enrolment": "20.00",
    "late-instance/recognition": "95.00", "diploma-supplement-post": "15.00",
}


def _instalment(way: Way, kind: str) -> str:
    total = float(way.contribution) * (0.5 if way.regime == "part-time" else 1)
    first = total if total <= 430 else 400
    return f"{max(first if kind == 'instalment-1' else total - first, 10):.2f}"


def _charge(draw: Draw, way: Way, year: str | None = None) -> tuple[str, str]:
    """A charge key and the amount that is usual for it."""
    kind = _one(draw, "instalment-1", "instalment-2", "enrolment", *_AMOUNTS)
    number = _one(draw, "", "", "", "", "", "#2")
    amount = _instalment(way, kind) if kind.startswith("instalment") else _AMOUNTS[kind]
    return f"{year or _year(draw, way)}:{kind}{number}", amount


def _near(draw: Draw, usual: str) -> str:
    """The usual amount, a part of it, or too much."""
    value = float(usual)
    found = _one(draw, value, value, value, value, max(value - 0.01, 0.01), value / 2, value + 7.5, 1.0, value * 2)
    return f"{found:.2f}"


def _year(draw: Draw, way: Way) -> str:
    return str(_one(draw, way.year, way.year, way.year, way.year, way.later, *YEARS))


def _enrolment(draw: Draw, way: Way, year: str | None = None) -> Json:
    kind = way.kind if way.kind != "single-courses" else "master"
    return {"programme": "Informatica", "academic_year": year or way.year, "course_type": kind, "access": way.access,
            "year": _one(draw, 1, 1, 1, 2, 3), "regime": way.regime,
            **({"degree_class": "LMG/01"} if kind == "single-cycle" else {})}


def _reserved(draw: Draw, way: Way) -> Json:
    home = _one(draw, None, *way.others)
    return {**_enrolment(draw, way), "ground": _one(draw, "degree-pending", "single-courses-pending"),
            "missing_exams": _one(draw, 1, 3, 4), "missing_cfu": _one(draw, 6, 24, 24.5),
            "home_university": _one(draw, "same", "other"), **({"home_career": home} if home else {})}


def _call(draw: Draw, way: Way) -> Json:
    day = _day(draw, "exam-booked", way)
    return {"course": _one(draw, *_CODES), "held_on": day.isoformat(),
            "session": _one(draw, "winter", "summer", "extraordinary", "autumn"), "mode": _one(draw, "written", "oral")}


def _booked(draw: Draw, way: Way) -> Json:
    call = _call(draw, way)
    return {**call, "academic_year": _year(draw, way), "calls_start_on": call["held_on"]}


def _graded(draw: Draw, way: Way) -> Json:
    call, passed = _call(draw, way), draw(_YES)
    later = (date.fromisoformat(call["held_on"]) + timedelta(days=_one(draw, 0, 3, 20))).isoformat()
    return {**call, "outcome": "passed" if passed else "failed", "cfu": _one(draw, 6, 9, 2.5),
            **({"grade": _one(draw, 18, 30)} if passed else {}), **({"refuse_by": later} if draw(_YES) else {})}


def _planned(draw: Draw, way: Way) -> Json:
    return {"academic_year": _year(draw, way), "courses": [
        {"code": code, "cfu": 6, "year": _one(draw, 1, 1, 2), "semester": _one(draw, 0, 1, 2),
         "lectures_end_on": (_october(way.year) + timedelta(days=_one(draw, 80, 240))).isoformat(),
         "prerequisites": ["X1"] if code == "X3" else [], "anticipated": _one(draw, False, False, True)}
        for code in _CODES]}


def _single(draw: Draw, way: Way) -> Json:
    asked: Json = {"academic_year": way.year, "courses": [
        {"code": code, "cfu": _one(draw, 6, 12, 7.5),
         "lectures_end_on": (_october(way.year) + timedelta(days=90)).isoformat(),
         "complement": _one(draw, False, False, True)} for code in _CODES[:_one(draw, 1, 2, 3)]]}
    for key, values in (("purpose", (None, None, "admission-requirements", "failed-reservation")),
                        ("reduction", (None, None, "disability", "detention", "exchange"))):
        value = _one(draw, *values)
        if value is not None:
            asked[key] = value
    return asked


def _instalment_plan(draw: Draw, way: Way) -> Json:
    keys = [_charge(draw, way, way.year) for _ in range(_one(draw, 1, 1, 2))]
    total = sum(float(amount) for amount in dict(keys).values())
    parts, first = _one(draw, 1, 2, 3), _day(draw, "instalment-paid", way)
    amounts = [round(total / parts, 2)] * (parts - 1)
    amounts.append(total - sum(amounts))
    return {"charges": list(dict(keys)), "motivated": draw(_YES), "instalments": [
        {"due_on": (first + timedelta(days=45 * n)).isoformat(), "amount": f"{max(a, 0.01):.2f}"}
        for n, a in enumerate(amounts)]}


def _moved(draw: Draw, way: Way) -> Json:
    (from_charge, amount), to_charge = _charge(draw, way), _charge(draw, way)[0]
    target = _one(draw, None, *way.others)
    return {"from_charge": from_charge, "to_charge": _one(draw, to_charge, from_charge), "amount": _near(draw, amount),
            **({"to_career": target} if target else {})}


def _on_a_charge(draw: Draw, way: Way) -> Json:
    charge, amount = _charge(draw, way)
    return {"charge": charge, "amount": _near(draw, amount)}


def _conferred(draw: Draw, way: Way) -> Json:
    return {"evidence": _one(draw, "degree-conferred", "single-courses-passed"),
            **({"conferred_on": _day(draw, "reservation-lifted", way).isoformat()} if draw(_YES) else {})}


_DATA: dict[str, Callable[[Draw, Way], Json]] = {
    "preenrolled": lambda d, w: {
        "programme": "Informatica", "academic_year": w.year,
        "course_type": w.kind if w.kind != "single-courses" else "master",
        "access": w.access, "applicant": _one(d, "italian-title", "italian-title", "foreign-title", "visa"),
        "pre_assessed": _one(d, False, False, True), **({"selection": 2} if d(st.integers(0, 5)) == 5 else {})},
    "preparation-assessed": lambda d, _: {"adequate": _one(d, True, True, True, False)},
    "ranked": lambda d, w: {"admitted": _one(d, True, True, True, False), "scroll": _one(d, False, False, True),
                            **({"enrol_by": _day(d, "enrolled", w).isoformat()} if d(_YES) else {})},
    "enrolled": _enrolment,
    "enrolled-with-reservation": _reserved,
    "reservation-lifted": _conferred,
    "reservation-declined": lambda d, w: {},
    "enrolment-cancelled": lambda d, w: {"reason": "found out"},
    "enrolment-renewed": lambda d, w: {"academic_year": _one(d, w.later, w.later, *YEARS),
                                       "year": _one(d, 2, 2, 3), "standing": "regular"},
    "degree-candidacy-declared": lambda d, w: {"academic_year": _year(d, w), "session": "winter"},
    "graduated": lambda d, w: {"academic_year": _year(d, w), "mark": 100,
                            "session": _one(d, "winter", "summer", "autumn", "extraordinary")},
    "regime-changed": lambda d, w: {"regime": _one(d, "part-time", "full-time"), "academic_year": _year(d, w),
                                    "category": "work", "ofa_cleared": True},
    "suspended": lambda d, w: {},
    "resumed": lambda d, w: {},
    "administrative-block-ordered": lambda d, w: {"academic_year": _year(d, w)},
    "administrative-block-revoked": lambda d, w: {"academic_year": _year(d, w)},
    "charge-decided": lambda d,
    w: {"charge": _charge(d, w)[0], "amount": _one(d, "0.00", "95.00", "0.01", "500.00", "156.00"),
                                    "reason": "an act", "authority": "office"},
    "programme-changed": lambda d, w: {"to_career": _one(d, *(w.others or ("C9",))), "academic_year": _year(d, w)},
    "transferred-in": lambda d, w: {"from_university": "Elsewhere", "academic_year": w.year},
    "transferred-out": lambda d, w: {"to_university": "Elsewhere"},
    "recognition-requested": lambda d, w: {"kind": _one(d, *_RECOGNITIONS), "academic_year": _year(d, w)},
    "cfu-recognised": lambda d, w: {"kind": _one(d, *_RECOGNITIONS), "academic_year": _year(d, w),
                                    "cfu": _one(d, 12, 29, 30, 90.5),
                                    "resolution": "R1", **({"courses": [{"code": "X2", "cfu": 6}]} if d(_YES) else {}),
                                    **({"year": _one(d, 1, 2)} if d(st.integers(0, 5)) == 5 else {})},
    "single-courses-enrolled": _single,
    "contribution-assessed": lambda d, w: {
        "contribution": _one(d, w.contribution, w.contribution, "0.00", "9.99", "405.00", "430.01", "1200.00"),
        "academic_year": _year(d, w),
        "exempt": _one(d, False, False, False, True)},
    "isee-certified": lambda d, w: {"academic_year": _year(d, w), "issued_on": _day(d, "isee-certified", w).isoformat(),
                                    "valid_for_university": _one(d, True, True, False)},
    "instalment-paid": _on_a_charge,
    "payment-refunded": _on_a_charge,
    "payment-moved": _moved,
    "instalment-plan-agreed": _instalment_plan,
    "study-plan-submitted": lambda d, w: {"academic_year": _year(d, w)},
    "study-plan-approved": _planned,
    "exam-booked": _booked,
    "exam-booking-cancelled": lambda d, w: {k: v for k, v in _call(d, w).items() if k in ("course", "held_on")},
    "exam-graded": _graded,
    "grade-refused": lambda d, w: {k: v for k, v in _call(d, w).items() if k in ("course", "held_on")},
    "exam-annulled": lambda d, w: {**{k: v for k, v in _call(d, w).items() if k in ("course", "held_on")},
                                   "reason": "no booking"},
    "withdrawal-requested": lambda d, w: {},
    "renounced": lambda d, w: {},
    "forfeited": lambda d, w: {},
    "diploma-supplement-issued": lambda d, w: {"format": "paper", "destination": _one(d, "italy", "eu", "other")},
    "ticket-opened": lambda d, w: {"number": _one(d, "T1", "T2"), "service": "fees", "subject": "a question",
                                   "context": "a year"},
    "ticket-closed": lambda d, w: {"number": _one(d, "T1", "T2")},
}
_RECOGNITIONS = ("transfer", "programme-change", "second-degree", "re-enrolment", "shortening", "foreign-degree")
_OFTEN = ("instalment-paid",) * 12 + ("contribution-assessed",) * 4 + (
    "payment-moved", "payment-refunded", "withdrawal-requested", "enrolment-renewed", "instalment-plan-agreed",
    "charge-decided",
    "renounced", "graduated") * 2
_STEPS = (*_OFTEN, *_DATA)
_KINDS = ("master", "bachelor", "master", "bachelor", "single-cycle", "single-courses")


# Stories


def _usual(draw: Draw, way: Way) -> Iterator[tuple[str, Json]]:
    """The way that most careers go; each step may be left out."""

    def pay(kind: str) -> tuple[str, Json]:
        amount = _instalment(way, kind) if kind.startswith("instalment") else _AMOUNTS[kind]
        return "instalment-paid", {"charge": f"{way.year}:{kind}", "amount": _near(draw, amount)}

    if way.kind == "single-courses":
        yield "single-courses-enrolled", _single(draw, way)
        yield pay("single-courses")
        return
    if way.kind == "master" or draw(st.integers(0, 3)) == 3:
        yield "preenrolled", _DATA["preenrolled"](draw, way)
        admission = "ranked" if way.access == "restricted" else "preparation-assessed"
        if draw(st.integers(0, 5)) < 5:
            yield admission, _DATA[admission](draw, way)
    elif draw(st.integers(0, 5)) == 5:
        yield "transferred-in", _DATA["transferred-in"](draw, way)
    enrols = _one(draw, "enrolled", "enrolled", "enrolled", "enrolled-with-reservation", None)
    if enrols is None:
        return
    yield enrols, _DATA[enrols](draw, way)
    if draw(st.integers(0, 4)) < 4:
        yield pay("enrolment")
    if draw(st.integers(0, 4)) < 4:
        yield "contribution-assessed", {"academic_year": way.year, "contribution": way.contribution}
        for kind in ("instalment-1", "instalment-2"):
            if draw(_YES):
                yield pay(kind)
    if draw(st.integers(0, 3)) == 3:
        yield "study-plan-submitted", {"academic_year": way.year}
        yield "study-plan-approved", _planned(draw, way)
        yield "exam-booked", _booked(draw, way)


_LAGS = (0, 0, 0, 0, 1, 35, 200)


def _line(draw: Draw, number: int, kind: str, data: Json, way: Way, on_time: bool, overrides: bool) -> Line:
    day = _day(draw, kind, way)
    raw: Json = {"id": f"e{number:02d}", "type": kind, "student": STUDENT, "effective_on": day.isoformat(),
                 "source": "test", "actor": "test", "data": data}
    if kind not in e.ABOUT_THE_PERSON:
        raw["career"] = way.career
    if overrides and kind in e.ACTS and draw(st.integers(0, 11)) == 11:
        raw["override"] = {"rule": _one(draw, "ENR", "NO-RULEBOOK", "END", "RAT-7", "RIN-4"),
                           "reason": "an act", "authority": "office"}
    return Line(day if on_time else day + timedelta(days=_one(draw, *_LAGS)), well_formed(raw))


def well_formed(raw: Json) -> Submission:
    found = read_submission(raw)
    if not isinstance(found, Submission):
        raise TypeError(f"the strategy drew a malformed submission: {found} in {raw}")
    return found


@st.composite
def stories(draw: Draw, on_time: bool = False, voids: bool = True, overrides: bool = True, most: int = 12,
            always: tuple[str, ...] = ()) -> list[Line]:
    """Lines in the order in which the ledger hears of them. `on_time`: each on its own day. `most`: events beside the
    usual ones; `always`: types of which there is one in any case."""
    names = tuple(f"C{n}" for n in range(1, _one(draw, 1, 1, 2, 2, 3) + 1))
    year = _one(draw, *RULED, *RULED, *YEARS)
    ways = [Way(name, _one(draw, *_KINDS), _one(draw, year, year, year, *YEARS),
                _one(draw, "open", "open", "restricted"), _one(draw, "full-time", "full-time", "part-time"),
                _one(draw, "1000.00", "430.00", "430.01", "1200.00", "20.00"), tuple(n for n in names if n != name))
            for name in names]
    steps = [(way, kind, data) for way in ways for kind, data in _usual(draw, way)]
    for _ in range(draw(st.integers(0, most))):
        way, kind = _one(draw, *ways), _one(draw, *_STEPS)
        steps.append((way, kind, _DATA[kind](draw, way)))
    for kind in always:
        steps.append((ways[0], kind, _DATA[kind](draw, ways[0])))
    lines = [_line(draw, n, kind, data, way, on_time, overrides) for n, (way, kind, data) in enumerate(steps)]
    if voids and lines:
        for n in range(draw(st.integers(0, 2))):
            target = _one(draw, *lines)
            raw = {"id": f"v{n}", "type": "event-voided", "student": STUDENT,
                   "effective_on": target.heard_on.isoformat(), "source": "test",
                   "actor": "test", "data": {"event": target.submission.id, "reason": "a mistake",
                                             "authority": "office"}}
            if target.submission.career is not None:
                raw["career"] = target.submission.career
            lines.append(Line(target.heard_on + timedelta(days=_one(draw, 0, 40, 300)), well_formed(raw)))
    return sorted(lines, key=lambda line: line.heard_on)


def story(*rows: tuple[str, str, Json]) -> list[Line]:
    """A story told in full, of career C1 and each fact on its day: (type, effective_on, data). For
    what the search found once."""
    found = [well_formed({"id": f"e{n:02d}", "type": kind, "student": STUDENT, "career": "C1", "effective_on": day,
                          "source": "test", "actor": "test", "data": data}) for n, (kind, day, data) in enumerate(rows)]
    return [Line(submission.effective_on, submission) for submission in found]


def enrolled(day: str, **more: Any) -> tuple[str, str, Json]:
    """A row of a story: a bachelor's enrolment for 2025-26."""
    return "enrolled", day, {"programme": "Informatica", "academic_year": "2025-26", "course_type": "bachelor",
                             "access": "open", "year": 1, "regime": "full-time", **more}


def paid(day: str, kind: str, amount: str) -> tuple[str, str, Json]:
    return "instalment-paid", day, {"charge": f"2025-26:{kind}", "amount": amount}


def assessed(day: str, contribution: str, exempt: bool = False) -> tuple[str, str, Json]:
    return "contribution-assessed", day, {"academic_year": "2025-26", "contribution": contribution, "exempt": exempt}


def decided(day: str, kind: str, amount: str) -> tuple[str, str, Json]:
    return "charge-decided", day, {"charge": f"2025-26:{kind}", "amount": amount, "reason": "an act",
                                   "authority": "office"}


BEGINNING = (enrolled("2025-09-01"), paid("2025-09-02", "enrolment", "156.00"), assessed("2025-12-01", "300.00"))
"""Enrolled and paid in time, one instalment of 300 due on 17 February 2026."""


def heard_at(line: Line, number: int) -> datetime:
    """Noon of the day, and some seconds that keep the order."""
    return datetime.combine(line.heard_on, time(11), timezone.utc) + timedelta(seconds=number)


def record(lines: Sequence[Line], mode: Mode = "record") -> list[Event]:
    """The events of a ledger that was told a story; what it refuses is not in it."""
    standing = Standing(STUDENT, BOOKS)
    for number, line in enumerate(lines):
        moment = heard_at(line, number)
        verdict = decide(standing, line.submission, moment, BOOKS, mode)
        if isinstance(verdict, Accepted):
            at = len(standing.events) + 1
            standing.add(recorded(line.submission, moment, at, verdict.rulebook, verdict.breaches, at, verdict.clear))
    return standing.events


def told(events: Iterable[Event]) -> str:
    """A history as a person reads it, for the report of a failure."""
    return "\n".join(f"{n.position:3} {n.id} {n.effective_on} heard {n.recorded_at:%Y-%m-%d} {n.career} {n.type} "
                     f"{payload_json(n.data)}" for n in events)
