"""The operations of the e-services by their names in the files: from a body to the JSON that is answered.

Whoever is asked about, and by whom and why, is noted before her registration is opened.
"""

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from ledger.domain.books import LawBooks
from ledger.domain.phrases import says
from ledger.domain.values import year_of
from ledger.edges.signed import opened, signed
from ledger.privacy.fingerprints import HOLDS_HOURS
from ledger.privacy.sealer import KeySealer
from ledger.rulebooks.reference import Reference
from ledger.store import EventStore

from . import answers, rectify
from .answers import AnswerJson, nobody, read
from .contract import Unasked, contract
from .following import ENROLMENTS, QUALIFICATIONS, Following, registered
from .identity import TaxPayer, identity, key_of
from .offer import CountedEnrolment, by_course, by_isee, detail, offering

PAGE = 1000
"""Fingerprints on a page."""


RecordsTogether = Callable[[list[AnswerJson]], list[AnswerJson]]
"""Records submissions together, or none of them; their outcomes."""


class Asker(NamedTuple):
    """Who reads: as the access log has it."""

    who: str
    actor: str | None
    purpose: str


class Services:
    """For one thread, which has the key store."""

    def __init__(self, store: EventStore, books: Callable[[], LawBooks], sealer: KeySealer, reference: Reference,
                 clock: Callable[[], datetime], today: Callable[[], date], record: RecordsTogether) -> None:
        self._store, self._books, self._sealer, self.reference = store, books, sealer, reference
        self._record = record
        self._clock, self._today = clock, today
        self.following = Following(store, books(), sealer, reference, clock, today)
        self._cursors = sealer.keys.derived("cursors")
        self._ops: dict[str, Callable[[AnswerJson, Asker, str], Any]] = {
            "educational-offering-list": self._offering, "educational-offering-detail": self._detail,
            "academic-enrollments": self._enrollments, "academic-qualifications": self._qualifications,
            "student-enrollments-changes": self._changed_enrollments,
            "student-qualifications-changes": self._changed_qualifications,
            "count-academic-enrollments-by-isee-ranges": self._by_isee,
            "count-academic-enrollments-by-degree-courses": self._by_course,
            **dict.fromkeys(PROOFS, self._proof), **dict.fromkeys(REQUESTS, self._requested),
            **dict.fromkeys(STATUSES, self._requests), **dict.fromkeys(CANCELLATIONS, self._cancelled),
            **dict.fromkeys(ISSUES, self._issue)}

    def operations(self, service: str) -> list[str]:
        return [name for name in contract(service).asks if name in self._ops]

    def answer(self, service: str, operation: str, body: bytes, reader: Asker) -> Any:
        """Raises Unasked: 400."""
        asked = contract(service).read(operation, body)
        return self._ops[operation](asked, reader, f"{service}/{operation}")

    # IFS01, IFS08, IFS09

    def _offering(self, asked: AnswerJson, reader: Asker, what: str) -> AnswerJson:
        year = self._year(asked) if "academic_year" in asked else year_of(self._today())
        after = self._resumed(asked, "offer", year)["after"] if "cursor" in asked else ""
        self._note(None, reader, what)
        found, last = offering(self.reference, year, after)
        return {"degree_courses": found, "meta": {"cursor": self._cursor("offer", year, after=last) if last else None}}

    def _detail(self, asked: AnswerJson, reader: Asker, what: str) -> AnswerJson:
        found = detail(self.reference, year_of(self._today()), asked.get("degree_course_code", ""))
        if found is None:
            raise Unasked(says("eservices/no-course"))
        self._note(None, reader, what)
        return found

    def _by_isee(self, asked: AnswerJson, reader: Asker, what: str) -> AnswerJson:
        year = self._year(asked)
        self._note(None, reader, what)
        return by_isee(self.reference, self._counted(year))

    def _by_course(self, asked: AnswerJson, reader: Asker, what: str) -> list[AnswerJson]:
        year = self._year(asked)
        self._note(None, reader, what)
        return by_course(self.reference, year, asked.get("degree_course_code"), self._counted(year))

    def _counted(self, year: str) -> list[CountedEnrolment]:
        return [CountedEnrolment(student, course, Decimal(told["isee"]) if told["isee"] else told["isee"], told["sex"])
                for student, course, told in self.following.kept.counted(year)]

    # IFS02, IFS03

    def _enrollments(self, asked: AnswerJson, reader: Asker, what: str) -> AnswerJson:
        found = self._found(asked, reader, what)
        if found is None:
            return nobody("enrollments")
        student, events, who = found
        rows = answers.rows_of(events, student, self._books())
        return answers.academic_enrollments(rows, who, self._today(), self.reference)

    def _qualifications(self, asked: AnswerJson, reader: Asker, what: str) -> AnswerJson:
        found = self._found(asked, reader, what)
        if found is None:
            return nobody("qualifications")
        return answers.academic_qualifications(self._student(found), found[2])

    def _proof(self, asked: AnswerJson, reader: Asker, what: str) -> AnswerJson:
        found = self._found(asked, reader, what)
        answer, empty = PROOFS[what.partition("/")[2]]
        return nobody(empty) if found is None else answer(self._student(found), found[2])

    def _student(self, found: tuple[str, Any, TaxPayer]) -> answers.Student:
        return answers.Student(found[1], found[0], self._today(), self._books(), self.reference)

    def _found(self, asked: AnswerJson, reader: Asker, what: str) -> tuple[str, Any, TaxPayer] | None:
        """Who is asked about (IFS-8), noted; None where there is nobody. Raises Unasked."""
        code, key = asked.get("tax_code"), asked.get("key")
        if code is None and key is None:
            raise Unasked(says("eservices/whom"))
        if code is not None and key is not None and key_of(code) != key.lower():
            raise Unasked(says("eservices/key"))
        found = self._looked_up(code, key)
        if found is None or asked.get("institute_code", self.reference.institute.code) != self.reference.institute.code:
            self._note(None, reader, what)
            return None
        self._note(found, reader, what)
        events = self._store.stream(found)
        who = identity(registered(self._sealer, events))
        if who is None or asked.get("person_id", who.person_id) != who.person_id or not (
                {code, key} & {*who.codes, *map(key_of, who.codes)}):
            return None
        return found, events, who

    def _looked_up(self, code: str | None, key: str | None) -> str | None:
        if code is not None:
            return next(iter(self._sealer.keys.with_tax_code(code)), None)
        try:
            return self.following.kept.student(bytes.fromhex(key or ""))
        except ValueError:  # no hash of anybody
            return None

    # Rectifications: IFS04 and IFS05, as IFS-21 reads them

    def _requested(self, asked: AnswerJson, reader: Asker, what: str) -> AnswerJson:
        student = self._of_code(asked, reader, what)
        if student is None:
            return rectify.detail(False, None, None)
        opened = rectify.opened(student, what, asked, self._today(), reader.who)
        done = self._record([opened])[0]["outcome"] == "accepted"
        return rectify.detail(done, "acquired" if done else None, opened["data"]["number"] if done else None)

    def _requests(self, asked: AnswerJson, reader: Asker, what: str) -> AnswerJson:
        student = self._of_code(asked, reader, what)
        found = rectify.requests(self._store.stream(student), what) if student is not None else {}
        name = "enrollment_change_request" if what.startswith("ifs04") else "change_requests_status"
        return {name: [{"file_status": status, "file_code": code, "message": rectify.MESSAGES[status]}
                       for code, status in found.items() if code == asked.get("file_code", code)]}

    def _cancelled(self, asked: AnswerJson, reader: Asker, what: str) -> AnswerJson:
        student, code = self._of_code(asked, reader, what), asked["file_code"]
        found = rectify.requests(self._store.stream(student), what) if student is not None else {}
        if student is None or found.get(code) != "acquired":
            return rectify.detail(False, found.get(code), code if code in found else None)
        closed = rectify.closed(student, code, "cancelled", self._today(), f"eservice:{reader.who}")
        done = self._record([closed])[0]["outcome"] == "accepted"
        return rectify.detail(done, "cancelled" if done else "acquired", code)

    def _issue(self, asked: AnswerJson, reader: Asker, what: str) -> AnswerJson:
        student = self._of_code(asked.get("personal_data") or {}, reader, what)
        if student is None:
            return {"file_status": "rejected", "message": rectify.MESSAGES["rejected"]}
        opened = rectify.issue(student, what, asked, self._today(), reader.who)
        done = "acquired" if self._record([opened])[0]["outcome"] == "accepted" else "rejected"
        return {"file_status": done, "message": rectify.MESSAGES[done]}

    def _of_code(self, asked: AnswerJson, reader: Asker, what: str) -> str | None:
        """Who is spoken of by her tax code, and by her ANPR id where it is given; noted."""
        if asked.get("tax_code") is None:
            self._note(None, reader, what)
            return None
        found = self._found({name: asked[name] for name in ("tax_code", "person_id") if asked.get(name)}, reader, what)
        return found[0] if found is not None else None

    # IFS06, IFS07

    def _changed_enrollments(self, asked: AnswerJson, reader: Asker, what: str) -> AnswerJson:
        return self._sweep(asked, ENROLMENTS, "enrollments_hash", reader, what)

    def _changed_qualifications(self, asked: AnswerJson, reader: Asker, what: str) -> AnswerJson:
        return self._sweep(asked, QUALIFICATIONS, "qualifications_hash", reader, what)

    def _sweep(self, asked: AnswerJson, service: str, name: str, reader: Asker, what: str) -> AnswerJson:
        """A page; the later ones are asked at the version, and for the day, of the first."""
        filters = [asked.get("institute_code"), asked.get("academic_system"), asked.get("sync_mode") or "full"]
        kept = self.following.kept
        if "cursor" in asked:
            at = self._resumed(asked, service, *filters)
        else:
            state = kept.state()
            at = {"version": state.version, "position": state.position, "time": state.at or
                  self._clock().strftime("%Y-%m-%dT%H:%M:%SZ"), "day": self._today().isoformat(), "after": ""}
        self._note(None, reader, what)
        day, found = date.fromisoformat(at["day"]), []
        if filters[0] in (None, self.reference.institute.code) and filters[1] != "old":
            since = answers.two_years_before(day) if filters[2] == "incremental" else None
            found = kept.page(service, at["version"], day, at["after"], PAGE + 1, since)
        more = len(found) > PAGE
        cursor = self._cursor(service, *filters, **at | {"after": found[PAGE - 1][0]}) if more else None
        return {"data": {"institute_code": self.reference.institute.code, "last_update": at["time"],
                         name: [{"key": key, "hash": value} for _, key, value in found[:PAGE]]},
                "meta": {"cursor": cursor}}

    # What all share

    def _year(self, asked: AnswerJson) -> str:
        year = read(asked["academic_year"])
        if year is None:
            raise Unasked(says("eservices/year"))
        return year

    def _note(self, student: str | None, reader: Asker, what: str) -> None:
        if student is None:
            self._sealer.keys.note(None, reader.who, reader.actor, what, reader.purpose)
        else:
            self._sealer.note(student, reader.who, reader.actor, what, reader.purpose)

    def refused(self, reader: Asker, service: str, operation: str) -> None:
        """A request that was not answered is in the access log too."""
        self._note(None, reader, f"{service}/{operation}")

    def _cursor(self, of: str, *filters: Any, **at: Any) -> str:
        made = at | {"until": at.get("until") or (self._clock() + timedelta(hours=HOLDS_HOURS)).isoformat()}
        return signed(json.dumps(made, separators=(",", ":")).encode(), self._cursors, _about(of, filters))

    def _resumed(self, asked: AnswerJson, of: str, *filters: Any) -> AnswerJson:
        """Raises Unasked for a cursor that is not ours, is of another question, or too old."""
        text = opened(asked["cursor"], self._cursors, _about(of, filters))
        if text is None:
            raise Unasked(says("eservices/cursor"))
        found: AnswerJson = json.loads(text)
        if found["until"] < self._clock().isoformat():
            raise Unasked(says("eservices/old-cursor"))
        return found


def _about(of: str, filters: Any) -> bytes:
    """What a cursor is good for."""
    return json.dumps([of, *filters]).encode()


PROOFS: dict[str, tuple[Callable[[answers.Student, TaxPayer], AnswerJson], str]] = {
    "proof-tertiary-education-enrollments": (answers.proof_enrollments, "proof_enrollments"),
    "proof-tertiary-education-courses": (answers.proof_courses, "proof_education_course"),
    "proof-tertiary-education-admission": (answers.proof_admissions, "proof_admissions"),
    "proof-mobility-periods": (answers.proof_mobility, "proof_mobility_periods"),
    "proof-tertiary-education-qualifications": (answers.proof_qualifications, "proof_qualifications"),
    "proof-tertiary-education-qualifications-level": (answers.proof_level, "proof_qualifications_level"),
    "proof-tertiary-education-qualifications-diploma-supplement": (
        answers.proof_supplement, "proof_qualifications_diploma_supplement")}
"""By operation, what answers and under which name."""

REQUESTS = ("academic-enrollment-change-request", "academic-qualification-change-request")
STATUSES, CANCELLATIONS = ([f"{name}-{act}" for name in REQUESTS] for act in ("status", "cancellation"))
ISSUES = ("enrollments-issues", "academic-qualifications-issues")
