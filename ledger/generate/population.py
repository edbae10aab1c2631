"""A realistic population of invented students as submissions, deterministic for (students, seed, shares).

Each student is made up by herself from (seed, index), so any range of students can be generated alone, in parallel or
after an interruption. Her events stand together with `recorded_at` rising, as a bulk import wants them. Acts obey the
rules of their year except in the share `breaches`; what is recorded late or voided never comes between an act and what
it rests on.
"""

from collections.abc import Iterator
from functools import cache

from .entry import apply_in_vain, begin_first_degree, begin_master, single_course_student
from .recorded import break_a_rule, delay_and_void, derogate
from .shares import MIX, Shares
from .story import Story, line
from .terms import terms
from .years import live, reserved_from_elsewhere


def generate(students: int, seed: int, shares: Shares | None = None, first: int = 0) -> Iterator[bytes]:
    """The submissions of the students number first .. first+students-1, one JSON object a line with its newline.

    Raises ValueError for a negative number."""
    if students < 0 or seed < 0 or first < 0:
        raise ValueError("students, seed and first are numbers from 0")
    found = shares or Shares()
    for index in range(first, first + students):
        yield from one_student(index, seed, found)


def one_student(index: int, seed: int, shares: Shares) -> list[bytes]:
    """The lines of one student in the order in which they are recorded."""
    s = Story(index, seed, shares)
    _live(s)
    _tickets(s)
    s.pay_debts()
    if s.chance(shares.derogations):
        derogate(s)
    if s.chance(shares.breaches):
        break_a_rule(s)
    delay_and_void(s)
    until = shares.until.toordinal()
    told = [(f.day, f.number, f) for f in s.facts if f.day <= until]
    told.sort()
    return [line(s.name, fact) for _, _, fact in told]


def _live(s: Story) -> None:
    kind = _choose(s, _mix(s.shares))
    if kind == "single_courses":
        single_course_student(s)
        return
    start = _choose(s, _first_years(s.shares))
    y = terms(int(start[:4]))
    if kind == "applicants":
        apply_in_vain(s, y)
    elif kind == "master":
        path = s.new_path("master")
        if s.chance(s.shares.reservation):
            path.reserved = True
            reserved_from_elsewhere(s, path, y)
        elif begin_master(s, path, y):
            live(s, path, y.start)
    else:
        path = s.new_path("bachelor" if kind == "bachelor" else "single-cycle")
        if begin_first_degree(s, path, y):
            live(s, path, y.start)


@cache
def _mix(shares: Shares) -> tuple[tuple[str, float], ...]:
    return _cumulated([(name, float(getattr(shares, name))) for name in MIX])


@cache
def _first_years(shares: Shares) -> tuple[tuple[str, float], ...]:
    return _cumulated(list(shares.first_years))


def _cumulated(weights: list[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    total, reached, found = sum(w for _, w in weights), 0.0, []
    for name, weight in weights:
        reached += weight / total
        found.append((name, reached))
    return tuple(found)


def _choose(s: Story, among: tuple[tuple[str, float], ...]) -> str:
    roll = s.random()
    return next((name for name, reached in among if roll < reached), among[-1][0])


def _tickets(s: Story) -> None:
    """Requests to the help desk; most are answered. A ticket may come from who has no career yet."""
    if not s.facts or not s.chance(s.shares.tickets):
        return
    first = min(f.day for f in s.facts)
    for n in range(s.between(1, 2)):
        day = first + s.between(0, 300)
        number = f"T{s.index:06d}{n}"
        s.add("ticket-opened", None, day,
              {"number": number, "service": s.pick(("Student office", "International office", "IT help desk")),
                                           "subject": s.pick(("Fees", "Certificate", "Enrolment", "Study plan")),
               "context": "portal"})
        if s.chance(0.85):
            s.add("ticket-closed", None, day + s.between(0, 12), {"number": number, "answer": "Answered by e-mail."})
