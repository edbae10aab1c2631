"""An invented university: students with tax codes that nobody can have, enrolled on the demo's courses."""

import json
from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from ledger.bootstrap import Ledger
from ledger.eservices.identity import check_letter

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "examples" / "reference"
_numbers = count()


def tax_code(number: int) -> str:
    """Of a place that does not exist; another for each number below a million."""
    letters = "".join("BCDFGHJKLM"[number // 10 ** place % 10] for place in range(6))
    first = f"{letters}80A01Z999"
    return first + check_letter(first)


def line(type: str, student: str, on: str = "2025-09-20", career: str | None = "B", **data: Any) -> dict[str, Any]:
    return {"id": f"e{next(_numbers)}", "type": type, "student": student, "effective_on": on, "source": "registry",
            "actor": "officer:7", "data": data} | ({"career": career} if career is not None else {})


def registered(student: str, number: int, **more: Any) -> dict[str, Any]:
    return line("person-registered", student, career=None, **{
        "given_name": "Invented", "family_name": "Person", "tax_code": tax_code(number)} | more)


def enrolled(student: str, programme: str = "L-FIL", academic_year: str = "2025-26",
             **more: Any) -> list[dict[str, Any]]:
    """And paid: the enrolment is perfected."""
    on = f"{academic_year[:4]}-09-20"
    kind = "bachelor" if programme.startswith("L-") else "master"
    return [line("enrolled", student, on, **{
        "programme": programme, "academic_year": academic_year, "course_type": kind, "access": "open",
        "year": 1, "regime": "full-time"} | more),
            line("instalment-paid", student, on, charge=f"{academic_year}:enrolment", amount="156.00")]


def graduated(student: str, programme: str = "L-FIL", **more: Any) -> list[dict[str, Any]]:
    return [*enrolled(student, programme, "2024-25", year=3), line(
        "graduated", student, "2025-07-15", **{"academic_year": "2024-25", "session": "summer", "mark": 110} | more)]


def record(ledger: Ledger, lines: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """What happened, whatever the rules say. Raises AssertionError where the form is wrong."""
    found = list(ledger.append_lines([json.dumps(one).encode() for one in lines], "record"))
    assert {one["outcome"] for one in found} <= {"accepted"}, found
    return found


def population(size: int) -> Sequence[dict[str, Any]]:
    return [one for number in range(size) for one in (
        registered(f"S-{number}", number, sex="F" if number % 2 else "M"),
        *(graduated(f"S-{number}") if number % 5 == 0 else enrolled(f"S-{number}")))]
