"""One full example of every event type: each field of the domain is set, and what must not leave says so itself."""

import json
from datetime import date, datetime, timezone
from typing import Any

from ledger.domain.events import ABOUT_THE_PERSON, PAYLOADS, Event, Override, Rulebook
from ledger.domain.submissions import Submission, recorded
from ledger.store.mapper import canonical_json

SECRET = "WITHHELD-"
"""Begins every text that must not leave."""
MOMENT = datetime(2026, 2, 11, 9, 30, 0, 250_000, tzinfo=timezone.utc)
_ADMITTED: dict[str, Any] = {"programme": "L-31 Informatica", "academic_year": "2025-26", "course_type": "bachelor",
                             "degree_class": "L-31"}
_ENROLLED = _ADMITTED | {"access": "restricted", "year": 1, "regime": "full-time", "category": SECRET + "category"}
_CALL: dict[str, Any] = {"course": "MAT-01", "held_on": "2026-06-22"}

DATA: dict[str, dict[str, Any]] = {
    "preenrolled": _ADMITTED | {"access": "open", "selection": 2, "applicant": "visa", "pre_assessed": True},
    "preparation-assessed": {"adequate": True},
    "ranked": {"admitted": True, "scroll": True, "enrol_by": "2025-09-19", "recognition_by": "2025-09-10"},
    "enrolled": _ENROLLED,
    "enrolled-with-reservation": _ENROLLED | {
        "course_type": "master", "ground": "degree-pending", "missing_exams": 2, "missing_cfu": 13.5,
        "internship_started": True,
        "home_university": "same", "home_career": "S01-A"},
    "reservation-lifted": {"evidence": "degree-conferred", "conferred_on": "2026-03-20"},
    "reservation-declined": {},
    "enrolment-cancelled": {"reason": SECRET + "reason"},
    "enrolment-renewed": {"academic_year": "2025-26", "year": 2, "standing": "regular"},
    "degree-candidacy-declared": {"academic_year": "2025-26", "session": "summer"},
    "graduated": {"academic_year": "2025-26", "session": "autumn", "mark": 110, "honours": True},
    "regime-changed": {"regime": "part-time", "academic_year": "2025-26", "category": SECRET + "category",
                       "ofa_cleared": True, "early_end": True},
    "suspended": {"reason": SECRET + "reason"},
    "resumed": {"reason": SECRET + "reason"},
    "administrative-block-ordered": {"academic_year": "2025-26", "reason": SECRET + "reason"},
    "administrative-block-revoked": {"academic_year": "2025-26", "reason": SECRET + "reason"},
    "charge-decided": {"charge": "2025-26:late-instance", "amount": "0.00", "reason": SECRET + "reason",
                       "authority": "Rector's decree 12"},
    "programme-changed": {"to_career": "S01-C", "academic_year": "2025-26"},
    "transferred-in": {"from_university": "Università di Città Alta", "academic_year": "2025-26"},
    "transferred-out": {"to_university": "Università di Valle"},
    "recognition-requested": {"kind": "programme-change", "academic_year": "2025-26", "from_career": "S01-A"},
    "cfu-recognised": {"kind": "transfer", "academic_year": "2025-26", "cfu": 54, "resolution": "Council 2026/3",
                       "year": 2,
                       "courses": [{"code": "MAT-01", "cfu": 9, "grade": 28}, {"code": "INF-02", "cfu": 7.5}]},
    "single-courses-enrolled": {
        "academic_year": "2025-26", "purpose": "teaching-classes", "reduction": "disability", "issued_on": "2025-10-02",
        "reserved_session": True, "clearance": True,
        "courses": [{"code": "PED-01", "cfu": 6, "lectures_end_on": "2026-01-16", "in_own_plan": True,
                     "complement": True}]},
    "contribution-assessed": {"academic_year": "2025-26", "contribution": "900.00", "band": SECRET + "band",
                              "exempt": False},
    "isee-certified": {"academic_year": "2025-26", "issued_on": "2025-11-03", "valid_for_university": True,
                       "indicator": "21450.00"},
    "instalment-paid": {"charge": "2025-26:instalment-1", "amount": "400.00", "iuv": "RF18539007547034"},
    "payment-refunded": {"charge": "2025-26:enrolment", "amount": "140.00"},
    "payment-moved": {"from_charge": "2025-26:enrolment", "to_charge": "2025-26:instalment-1",
                      "amount": "140.00", "to_career": "S01-C"},
    "instalment-plan-agreed": {
        "charges": ["2025-26:instalment-1", "2025-26:instalment-2"], "motivated": True,
        "instalments": [{"due_on": "2026-03-31", "amount": "450.00"}, {"due_on": "2026-05-29", "amount": "450.00"}]},
    "study-plan-submitted": {"academic_year": "2025-26"},
    "study-plan-approved": {"academic_year": "2025-26", "courses": [
        {"code": "MAT-01", "cfu": 9, "year": 1, "semester": 1, "lectures_end_on": "2026-01-16",
         "prerequisites": ["INF-00", "MAT-00"], "supernumerary": True, "anticipated": True},
        {"code": "INF-02", "cfu": 7.5, "year": 2, "semester": 0, "lectures_end_on": "2026-06-05"}]},
    "exam-booked": _CALL | {"academic_year": "2025-26", "session": "summer", "calls_start_on": "2026-06-03",
                            "opens_on": "2026-05-20", "mode": "written"},
    "exam-booking-cancelled": _CALL,
    "exam-graded": _CALL | {"outcome": "passed", "grade": 30, "honours": True, "cfu": 9, "session": "summer",
                            "mode": "written", "academic_year": "2025-26", "refuse_by": "2026-06-29"},
    "grade-refused": _CALL,
    "exam-annulled": _CALL | {"reason": SECRET + "reason"},
    "withdrawal-requested": {},
    "renounced": {},
    "forfeited": {"reason": SECRET + "reason"},
    "diploma-supplement-issued": {"format": "paper", "destination": "eu"},
    "person-registered": {name: SECRET + name for name in ("given_name", "family_name", "tax_code",
                                                           "birth_place", "email", "phone", "address", "language")}
    | {"birth_date": "1987-01-31", "former_tax_codes": [SECRET + "former"], "sex": "F", "person_id": "AB12345CD"},
    "person-forgotten": {"authorities": [SECRET + "first", SECRET + "second"]},
    "ticket-opened": {"number": "T-2026-118", "service": "Segreteria studenti", "subject": SECRET + "subject",
                      "context": "Tasse", "career": "S01-B", "kind": "rectification", "request": SECRET + "request",
                      "follows": "T-2026-117"},
    "ticket-closed": {"number": "T-2026-118", "answer": SECRET + "answer", "outcome": "approved"},
    "event-voided": {"event": "a-former-id", "reason": SECRET + "reason", "authority": "Registrar"},
    "ticket-linked": {"number": "7Q4MX-2ZK9D", "person": "TKT-0123456789abcdef0123"},
}

FIRST: dict[str, dict[str, Any]] = {
    "recognition-requested": {"kind": "second-degree", "academic_year": "2025-26"},
    "ticket-opened": {"number": "T-2026-118", "service": "Segreteria studenti", "subject": "x", "context": "Tasse",
                      "career": "S01-B"},
}
"""What the golden message of a type was made of where its full example has gained a field since:
`golden/NAME-2.vN.json` has that."""

PERSONAL = ("1987-01-31", "AB12345CD")
"""Withheld values that cannot say so themselves."""


def event(type: str, position: int = 1, first: bool = False) -> Event:
    """The full example, recorded: with note, override, rule book and breaches, which no single real event has together.
    `first`: as its golden message was made."""
    given = FIRST.get(type, DATA[type]) if first else DATA[type]
    data = PAYLOADS[type].model_validate(given | {"note": SECRET + "note"})
    career = None if type in ABOUT_THE_PERSON else "S01-B"
    override = (Override(rule="ESA-1", reason=SECRET + "override", authority="Registrar"),)
    found = Submission(f"golden-{type}", type, "S01", career, MOMENT.date(), None, "segreteria",
                       "officer:7", data, override)
    return recorded(found, MOMENT, position, Rulebook("2025-26", "0f" * 32), ("ESA-1",), position)


def record(type: str, position: int = 1, first: bool = False) -> dict[str, Any]:
    """The same as the store holds it, decoded, and its position."""
    one = event(type, position, first)
    found: dict[str, Any] = json.loads(canonical_json(one.as_json()))
    return found


def history() -> list[Event]:
    """A student whose two careers have something in every list of a state."""
    year = {"academic_year": "2025-26"}
    written = {"held_on": "2026-02-03", "outcome": "passed", "cfu": 9, "session": "winter",
               "mode": "written", "refuse_by": "2026-02-10"}
    given: list[tuple[str, str, str, dict[str, Any]]] = [
        ("enrolled", "S01-B", "2025-09-20", _ENROLLED | {"access": "open"}),
        ("instalment-paid", "S01-B", "2025-09-20", {"charge": "2025-26:enrolment", "amount": "156.00"}),
        ("study-plan-approved", "S01-B", "2025-11-20", DATA["study-plan-approved"]),
        ("cfu-recognised", "S01-B", "2025-12-01", {"kind": "transfer", "cfu": 6, "resolution": "Council 2025/9",
                                                   "courses": [{"code": "INF-00", "cfu": 6, "grade": 27}]} | year),
        ("contribution-assessed", "S01-B", "2025-12-10", DATA["contribution-assessed"]),
        ("instalment-paid", "S01-B", "2026-01-15", {"charge": "2025-26:diploma-supplement-post", "amount": "12.50"}),
        ("single-courses-enrolled", "S01-D", "2026-01-20", {
            "courses": [{"code": "PED-01", "cfu": 6, "lectures_end_on": "2026-05-29"}], "reserved_session": True}
         | year),
        ("exam-graded", "S01-B", "2026-02-03", {"course": "MAT-00"} | written),
        ("exam-booked", "S01-B", "2026-05-28", DATA["exam-booked"]),
    ]
    found = []
    for n, (kind, career, on, data) in enumerate(given, 1):
        one = Submission(f"h{n}", kind, "S01", career, date.fromisoformat(on), None, "segreteria", "officer:7",
                         PAYLOADS[kind].model_validate(data))
        found.append(recorded(one, MOMENT, n, Rulebook("2025-26", "0f" * 32), (), n))
    return found
