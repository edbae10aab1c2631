"""What the fold keeps between days is what would be found anew: the values of charges, what was passed, and what is to
come of a career without exams."""

import json
from collections.abc import Collection
from datetime import date

import pytest
from msgspec.structs import astuple

from ledger.domain.account import take
from ledger.domain.charges import told
from ledger.domain.events import Event
from ledger.domain.fold import replay, run_out
from ledger.domain.knowledge import in_force
from ledger.domain.law import consequences, forfeiture
from ledger.domain.state import Person
from ledger.domain.submissions import Submission, read_submission, recorded
from ledger.domain.timelines import timelines
from ledger.generate import generate
from ledger.rulebooks.loader import load_books

from .test_switches import ENROLLED, history

BOOKS = load_books()


def exam(on: str, course: str, mode: str = "oral", **more: str) -> tuple[str, str, str, dict[str, object]]:
    return ("exam-graded", on, "B", {"course": course, "held_on": on, "outcome": "passed", "cfu": 6, "grade": 30,
                                     "session": "winter", "mode": mode, **more})


TAKEN_BACK = history(
    BOOKS, *ENROLLED, exam("2026-01-20", "A"), exam("2026-01-21", "W", "written", refuse_by="2026-01-30"),
    exam("2026-01-22", "C"), ("grade-refused", "2026-01-25", "B", {"course": "W", "held_on": "2026-01-21"}),
    exam("2026-02-10", "W"),
    ("exam-annulled", "2026-03-02", "B", {"course": "A", "held_on": "2026-01-20", "reason": "ESA-7"}),
    ("payment-refunded", "2026-03-03", "B", {"charge": "2025-26:enrolment", "amount": "140.00"}))
AFTER_YEARS = history(
    BOOKS, ("enrolled", "2019-09-20", "B", ENROLLED[0][3] | {"academic_year": "2019-20"}),
    ("instalment-paid", "2019-09-20", "B", {"charge": "2019-20:enrolment", "amount": "156.00"}),
    exam("2020-01-20", "A"), exam("2024-02-20", "C"))
IN_PARTS = history(BOOKS, *ENROLLED, *(
    (kind, f"2026-03-0{n}", "B", {"charge": charge, "amount": amount}) for n, (kind, charge, amount) in enumerate((
        ("instalment-paid", "2025-26:enrolment", "100.00"), ("instalment-paid", "2025-26:instalment-2", "30.00"),
        ("instalment-paid", "2025-26:instalment-2", "40.00"), ("instalment-paid", "2025-26:enrolment", "10.00"),
        ("payment-refunded", "2025-26:enrolment", "50.00"), ("instalment-paid", "2025-26:instalment-2", "5.00"),
        ("instalment-paid", "2025-26:enrolment", "20.00")), 1)))


def invented() -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {"S": TAKEN_BACK, "T": AFTER_YEARS, "U": IN_PARTS}
    for line in generate(12, 4):
        one = read_submission(json.loads(line))
        if isinstance(one, Submission) and one.recorded_at is not None:
            stream = found.setdefault(one.student, [])
            stream.append(recorded(one, one.recorded_at, len(stream) + 1, None, (), len(stream) + 1))
    return found


STREAMS = invented()


def test_what_is_kept_is_what_is_found_anew_when_each_day_is_looked_at() -> None:
    kept: list[object] = []
    counted: list[object] = []

    def look(person: Person, touched: Collection[str], money_touched: Collection[str]) -> None:
        law = BOOKS.on(person.day)
        for career in person.careers.values():
            passed = career.passed(person.day)
            assert career.passed_by_now(person.day) == passed
            assert career.cfu_passed(person.day) == sum(result.data.cfu for result in passed.values())
            assert career.last_exam_year(person.day) == max((career.exam_year(r.data) for r in passed.values()),
                                                            default=None)
            for charge in career.charges.values():
                if charge.told_as is not None:
                    kept.append(charge.told_as)
                if charge.counted is not None and charge.counted[1] > 1:
                    counted.append(charge.counted)
                assert (charge.paid, charge.refunded, charge.moved, charge.credit, charge.receipts) == take(
                    career, charge.key, charge.amount - charge.waived), (person.name, person.day, charge.key)
                before = told(person, career, charge, law)
                charge.told_as = None
                assert told(person, career, charge, law) == before, (person.name, person.day, charge.key)

    for student, events in STREAMS.items():
        facts = in_force(events)
        run_out(replay(facts, student, facts[-1].effective_on, BOOKS, look), BOOKS, look)
    assert len(kept) > 100
    assert len(set(counted)) > 3


class Other(forfeiture.RestsOn):
    def __ne__(self, other: object) -> bool:
        return True


def test_rows_are_the_same_when_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every charge settled each time, every outlook looked for each day."""
    rows = {student: timelines(events, student, BOOKS) for student, events in STREAMS.items()}
    assert any(found["forfeitable"] or found["gaps"] for found in rows.values())
    settled = consequences._settle

    def settle(career: consequences.Career, day: date, books: consequences.LawBooks) -> None:
        for charge in career.charges.values():
            charge.settled_as = None
        settled(career, day, books)

    monkeypatch.setattr(consequences, "_settle", settle)
    rests_on = forfeiture.rests_on
    monkeypatch.setattr(forfeiture, "rests_on", lambda *of: Other(*astuple(rests_on(*of))))
    for student, events in STREAMS.items():
        anew = timelines(events, student, BOOKS)
        assert {kind: sorted(map(str, found)) for kind, found in anew.items()} == {
            kind: sorted(map(str, found)) for kind, found in rows[student].items()}, student
