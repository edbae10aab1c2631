"""What only the audit of all students finds, on both stores."""

import tracemalloc
from datetime import date
from typing import Any

from ledger.audit.everybody import Numbers, Sighting, sightings
from ledger.bootstrap import open_ledger
from ledger.handling.submit import append_lines
from ledger.store import EventStore
from ledger.words import sentence
from tests.handling.histories import clock, enrolled, lines, payment
from tests.handling.workers import BOOKS


def ticket(student: str, number: str, **changes: Any) -> dict[str, Any]:
    return {"id": f"{student}-{number}", "type": "ticket-opened", "student": student, "effective_on": "2026-05-26",
            "source": "test",
            "actor": "student", "data": {"number": number, "service": "office", "subject": "copy",
                                         "context": "portal"}} | changes


def paid(student: str, n: int, iuv: str) -> dict[str, Any]:
    one = payment(student, n)
    return one | {"data": one["data"] | {"iuv": iuv}}


def test_audit_names_the_other_student_when_a_number_is_of_two(store: EventStore, store_url: str) -> None:
    given = [one for student in ("S1", "S2", "S3", "S4") for one in enrolled(student)]
    given += [ticket("S1", "7"), ticket("S3", "7"), ticket("S2", "8"), paid("S1", 1, "0100"), paid("S2", 2, "0100"),
              paid("S4", 3, "0100"), paid("S3", 4, "0101")]
    assert {one["outcome"] for one in append_lines(store, BOOKS, lines(*given), "enforce",
                                                   False, clock)} == {"accepted"}
    ledger, day = open_ledger(store_url), date(2026, 6, 1)
    found = [one for one in ledger.audit(on=day) if one["rule"] in ("TKT-1", "IUV")]
    assert [(one["rule"], one["student"], one["career"], one["event"], sentence(one["message"])) for one in found] == [
        ("IUV", "S1", "S1-B", "S1-p1", "IUV 0100 is also one of student S4 and of 1 more."),
        ("IUV", "S2", "S2-B", "S2-p2", "IUV 0100 is also one of student S1 and of 1 more."),
        ("IUV", "S4", "S4-B", "S4-p3", "IUV 0100 is also one of student S1 and of 1 more."),
        ("TKT-1", "S1", None, "S1-7", "Ticket 7 is also one of student S3."),
        ("TKT-1", "S3", None, "S3-7", "Ticket 7 is also one of student S1.")]
    assert [one["student"] for one in ledger.audit(["S1", "S3"], day) if one["rule"] == "TKT-1"] == ["S1", "S3"]
    assert [one for one in ledger.audit(["S1", "S1"], day) if one["rule"] in ("TKT-1", "IUV")] == []
    before_s3_opened = next(event.position for event in store.stream("S3") if event.id == "S3-7") - 1
    assert [one for one in ledger.audit(on=day, known_position=before_s3_opened) if one["rule"] == "TKT-1"] == []


def test_findings_are_the_same_when_the_students_come_in_parts(store: EventStore) -> None:
    """As from workers: each with a part of all streams."""
    given = [one for student in ("S1", "S2", "S3") for one in [*enrolled(student), paid(student, 1, "0100"),
                                                               ticket(student, "7")]]
    list(append_lines(store, BOOKS, lines(*given), "enforce", False, clock))
    seen: list[list[Sighting]] = [[one for events in store.part(n, 3).values()
                                   for one in sightings(events, date(2026, 6, 1))]
                                  for n in range(3)]
    answers = []
    for parts in (seen, seen[::-1]):
        with Numbers() as numbers:
            for part in parts:
                numbers.add(part)
            answers.append(list(numbers.findings(BOOKS)))
    assert answers[0] == answers[1]
    assert len(answers[0]) == 6


def test_memory_stays_flat_when_there_are_many_numbers() -> None:
    with Numbers() as numbers:
        tracemalloc.start()
        numbers.add(("IUV", f"{n:017d}", f"S{n % 5000}", "B", f"e{n}", n, "2026-01-01", None, "2025-26")
                    for n in range(100_000))
        numbers.add([("IUV", f"{7:017d}", "S-other", "B", "e-other", 100_000, "2026-01-01", None,
                      "2025-26")])
        assert [one["event"] for one in numbers.findings(BOOKS)] == ["e7", "e-other"]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 1_000_000
