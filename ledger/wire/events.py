"""`career.events.v1`: what leaves of a recorded event.

`FIELDS` is the explicit list of section 8: per type the fields of `data` that leave. What is not in it is withheld, so
a field that is added to the domain stays inside until somebody decides on it; a test asks for that decision.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from .message import Header, History, Message, cloud_headers, encode
from .topics import EVENTS

ENVELOPE = ("id", "type", "student", "career", "effective_on", "recorded_at", "source", "actor", "rulebook", "breaches",
            "version", "position")
"""The fields around `data` that leave; of `override` the rule and the authority do."""
OVERRIDE = ("rule", "authority")

COURSE = ("code", "cfu")
Parts = Mapping[str, tuple[str, ...]]
"""A field that holds a list of objects, and the fields of these that leave."""
Leaves = tuple[tuple[str, ...], Parts]

_PROGRAMME = ("programme", "academic_year", "course_type", "degree_class", "access")
_ENROLLED = (*_PROGRAMME, "year", "regime")
FIELDS: dict[str, Leaves] = {
    "preenrolled": ((*_PROGRAMME, "selection", "applicant", "pre_assessed"), {}),
    "preparation-assessed": (("adequate",), {}),
    "ranked": (("admitted", "scroll", "enrol_by", "recognition_by"), {}),
    "enrolled": (_ENROLLED, {}),
    "enrolled-with-reservation": (
        (*_ENROLLED, "ground", "missing_exams", "missing_cfu", "internship_started", "home_university", "home_career"),
        {}),
    "reservation-lifted": (("evidence", "conferred_on"), {}),
    "reservation-declined": ((), {}),
    "enrolment-cancelled": ((), {}),
    "enrolment-renewed": (("academic_year", "year", "standing"), {}),
    "degree-candidacy-declared": (("academic_year", "session"), {}),
    "graduated": (("academic_year", "session", "mark", "honours"), {}),
    "regime-changed": (("regime", "academic_year", "ofa_cleared"), {}),
    "suspended": ((), {}),
    "resumed": ((), {}),
    "administrative-block-ordered": (("academic_year",), {}),
    "administrative-block-revoked": (("academic_year",), {}),
    "charge-decided": (("charge", "amount", "authority"), {}),
    "programme-changed": (("to_career", "academic_year"), {}),
    "transferred-in": (("from_university", "academic_year"), {}),
    "transferred-out": (("to_university",), {}),
    "recognition-requested": (("kind", "academic_year", "from_career"), {}),
    "cfu-recognised": (("kind", "academic_year", "cfu", "resolution", "year"), {"courses": (*COURSE, "grade")}),
    "single-courses-enrolled": (("academic_year", "purpose", "issued_on", "reserved_session", "clearance"),
                                {"courses": (*COURSE, "lectures_end_on", "in_own_plan", "complement")}),
    "contribution-assessed": (("academic_year", "contribution", "exempt"), {}),
    "isee-certified": (("academic_year", "issued_on", "valid_for_university"), {}),
    "instalment-paid": (("charge", "amount", "iuv"), {}),
    "payment-refunded": (("charge", "amount"), {}),
    "payment-moved": (("from_charge", "to_charge", "amount", "to_career"), {}),
    "instalment-plan-agreed": (("charges", "motivated"), {"instalments": ("due_on", "amount")}),
    "study-plan-submitted": (("academic_year",), {}),
    "study-plan-approved": (("academic_year",), {"courses": (
        *COURSE, "year", "semester", "lectures_end_on", "prerequisites", "supernumerary", "anticipated")}),
    "exam-booked": (("course", "held_on", "academic_year", "session", "calls_start_on", "opens_on", "mode"), {}),
    "exam-booking-cancelled": (("course", "held_on"), {}),
    "exam-graded": (("course", "held_on", "outcome", "grade", "honours", "cfu", "session",
                     "mode", "academic_year", "refuse_by"), {}),
    "grade-refused": (("course", "held_on"), {}),
    "exam-annulled": (("course", "held_on"), {}),
    "withdrawal-requested": ((), {}),
    "renounced": ((), {}),
    "forfeited": ((), {}),
    "diploma-supplement-issued": (("format", "destination"), {}),
    "person-registered": ((), {}),
    "person-forgotten": ((), {}),
    "ticket-opened": (("number", "service", "context", "career", "kind", "follows"), {}),
    "ticket-closed": (("number",), {}),
    "event-voided": (("event", "authority"), {}),
    "ticket-linked": (("number", "person"), {}),
}

VERSIONS: dict[str, int] = dict.fromkeys(FIELDS, 1)
"""The version of each type's message. A breaking change is a new version; old ones stay readable."""


def payload(record: Mapping[str, Any]) -> dict[str, Any]:
    """What leaves of a recorded event, given as decoded JSON (its stored form or `Event.as_json`, `position` included).

    Raises KeyError for a type that has no entry in `FIELDS`."""
    names, parts = FIELDS[record["type"]]
    data = record["data"]
    leaves = {name: data[name] for name in names if name in data}
    for name, inner in parts.items():
        if name in data:
            leaves[name] = [{field: one[field] for field in inner if field in one} for one in data[name]]
    found = {name: record[name] for name in ENVELOPE if record.get(name) is not None}
    if record.get("override"):
        found["override"] = [{name: one[name] for name in OVERRIDE} for one in record["override"]]
    found["data"] = leaves
    return found


def message(record: Mapping[str, Any], digest: str, history: History) -> Message:
    """The message of a recorded event. `digest` is the keyed one of the stored bytes (hex; a plain hash would give
    withheld values away to whoever tries them), `history` that of the ledger."""
    value = encode(payload(record))
    type_, student, position = record["type"], record["student"], str(record["position"])
    career = record.get("career")
    headers: list[Header] = [
        ("event_id", record["id"].encode()), ("event_type", type_.encode()), ("position", position.encode()),
        ("version", b"%d" % record["version"]), ("digest", digest.encode()),
        ("payload_sha256", sha256(value).hexdigest().encode()),
        *cloud_headers(position, history, f"career.{type_}.v{VERSIONS[type_]}", record["recorded_at"],
                       f"{student}/{career}" if career else student, f"urn:career-ledger:{type_}:v{VERSIONS[type_]}"),
    ]
    return Message(EVENTS, student.encode(), value, headers)
