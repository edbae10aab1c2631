"""What is told of one student: each answer as its file has it, and what it says."""

import json
from datetime import date
from typing import Any

import pytest

from ledger.bootstrap import Ledger
from ledger.eservices.answers import nobody
from ledger.eservices.contract import Unasked
from ledger.eservices.identity import is_tax_code, key_of
from ledger.eservices.services import PROOFS, Services

from .conftest import READER, Clock
from .files import check
from .people import enrolled, graduated, line, record, registered, tax_code

CODE = tax_code(1)


def ask(services: Services, service: str, operation: str, **body: Any) -> Any:
    """Checked by the file."""
    found = services.answer(service, operation, json.dumps(body).encode(), READER)
    check(service, operation, found)
    return found


def enrollments(services: Services, **body: Any) -> Any:
    return ask(services, "ifs02", "academic-enrollments", **body or {"tax_code": CODE})


def test_enrolment_is_told_with_the_codes_of_the_reference_files(ledger: Ledger, services: Services) -> None:
    record(ledger, [registered("S", 1, person_id="AB123456C"), *enrolled("S")])
    assert enrollments(services) == {
        "personal_data": {"tax_code": CODE, "person_id": "AB123456C"}, "enrollments": [{
            "institute_code": "D0", "programme_type_code": "LT", "degree_course_code": "D0101",
            "degree_class_code": "L-5", "academic_year": "2025/2026", "degree_course_year": 1, "status": "active"}]}


def test_person_is_found_by_the_hash_of_her_code_once_it_was_followed(ledger: Ledger, services: Services) -> None:
    record(ledger, [registered("S", 1, former_tax_codes=[tax_code(7)]), *enrolled("S")])
    services.following.catch_up()
    by_code = enrollments(services)
    assert enrollments(services, key=key_of(CODE)) == by_code
    assert enrollments(services, key=key_of(tax_code(7))) == by_code == enrollments(services, tax_code=tax_code(7))
    assert by_code["enrollments"]


@pytest.mark.parametrize("body", [
    {"tax_code": tax_code(2)}, {"key": key_of(tax_code(2))}, {"key": "z" * 64}, {"tax_code": "RSSMRA80A01F205D"},
    {"tax_code": CODE, "person_id": "ZZ123456C"}, {"tax_code": CODE, "institute_code": "99"}])
def test_nobody_is_told_alike_whoever_is_asked_for(ledger: Ledger, services: Services, body: dict[str, str]) -> None:
    record(ledger, [registered("S", 1, person_id="AB123456C"), *enrolled("S"), registered("WITHOUT", 2)])
    services.following.catch_up()
    assert enrollments(services, **body) == nobody("enrollments")


@pytest.mark.parametrize("body", [{}, {"person_id": "AB123456C"}, {"tax_code": CODE, "key": key_of(tax_code(2))}])
def test_request_that_names_nobody_is_refused(ledger: Ledger, services: Services, body: dict[str, str]) -> None:
    with pytest.raises(Unasked):
        services.answer("ifs02", "academic-enrollments", json.dumps(body).encode(), READER)


@pytest.mark.parametrize(("extra", "status"), [
    ([], "active"), (["withdrawal-requested"], "active"), (["suspended"], "inactive"),
    (["transferred-out"], "inactive")])
def test_status_follows_the_career(ledger: Ledger, services: Services, extra: list[str], status: str) -> None:
    more = [line(one, "S", "2025-11-10", **({"to_university": "Elsewhere"} if one == "transferred-out" else {}))
            for one in extra]
    record(ledger, [registered("S", 1), *enrolled("S"), *more])
    assert [one["status"] for one in enrollments(services)["enrollments"]] == [status]


def test_unpaid_enrolment_waits(ledger: Ledger, services: Services) -> None:
    record(ledger, [registered("S", 1), enrolled("S")[0]])
    assert [one["status"] for one in enrollments(services)["enrollments"]] == ["wait"]


def test_last_three_academic_years_are_told_and_no_more(ledger: Ledger, services: Services, clock: Clock) -> None:
    record(ledger, [registered("S", 1), *graduated("S")])
    for clock.day, there in ((date(2027, 9, 30), True), (date(2027, 10, 1), False)):
        assert bool(enrollments(services)["enrollments"]) == there


def test_year_of_course_is_at_most_its_length(ledger: Ledger, services: Services) -> None:
    record(ledger, [registered("S", 1), *enrolled("S", year=6)])
    assert enrollments(services)["enrollments"][0]["degree_course_year"] == 3


def test_course_that_the_reference_files_lack_is_left_out(ledger: Ledger, services: Services) -> None:
    record(ledger, [registered("S", 1), *enrolled("S", "L-NOWHERE")])
    assert enrollments(services) == nobody("enrollments")


def full(ledger: Ledger) -> None:
    """Two careers: one that ended with a degree, one that goes on."""
    plan = [{"code": code, "cfu": 6, "year": 1, "semester": 2, "lectures_end_on": "2025-05-30",
             "supernumerary": code == "ART-300"} for code in ("FIL-101", "LIN-110", "GEO-202", "ART-300")]

    def exam(code: str, **more: Any) -> dict[str, Any]:
        return line("exam-graded", "S", "2025-06-10", course=code, held_on="2025-06-10", outcome="passed", cfu=6,
                    session="summer", mode="written", **more)

    record(ledger, [
        registered("S", 1), *graduated("S", honours=True)[:-1],
        line("study-plan-approved", "S", "2024-11-30", academic_year="2024-25", courses=plan),
        exam("FIL-101", grade=30, honours=True), exam("LIN-110"), exam("ART-300", grade=20),
        line("cfu-recognised", "S", "2024-12-01", kind="transfer", academic_year="2024-25", cfu=6, resolution="1",
             courses=[{"code": "GEO-202", "cfu": 6}]),
        graduated("S", honours=True)[-1],
        *[one | {"career": "M"} for one in enrolled("S", "LM-FIL")]])


@pytest.mark.parametrize("operation", [*PROOFS, "academic-qualifications"])
def test_proofs_are_as_their_files_have_them(ledger: Ledger, services: Services, operation: str) -> None:
    full(ledger)
    service = "ifs03" if "qualification" in operation else "ifs02"
    found = ask(services, service, operation, tax_code=CODE)
    listed = next(value for name, value in found.items() if name != "personal_data")
    assert len(listed) == {"proof-mobility-periods": 0, "proof-tertiary-education-courses": 2,
                           "proof-tertiary-education-admission": 2}.get(operation, 1)
    assert ask(services, service, operation, tax_code=tax_code(9)) == {
        "personal_data": {}, next(name for name in found if name != "personal_data"): []}


def test_transcript_tells_marks_as_they_are(ledger: Ledger, services: Services) -> None:
    full(ledger)
    [degree] = ask(services, "ifs03", "proof-tertiary-education-qualifications-diploma-supplement",
                   tax_code=CODE)["proof_qualifications_diploma_supplement"]
    assert {one["learning_name"]: (one["learning_grade_value"], one["learning_grading_scale_max"],
                                   one["learning_start_date"]) for one in degree["attended_learnings"]} == {
        "Storia della filosofia": ("30L", "30", "2025-02-15"),
        "Linguistica generale": ("QUALIFIED", None, "2025-02-15"),
        "Geografia": (None, None, "2025-02-15")}
    assert (degree["qualification_grade_value"], degree["eqf_level"], degree["ects_credits_received"]) == (
        "110L", "6° livello", 24)


def test_degree_that_was_taken_back_is_told_no_more(ledger: Ledger, services: Services) -> None:
    lines = graduated("S")
    record(ledger, [registered("S", 1), *lines])
    assert ask(services, "ifs03", "academic-qualifications", tax_code=CODE)["qualifications"]
    record(ledger, [line("event-voided", "S", "2026-03-01", event=lines[-1]["id"], reason="error", authority="Rector")])
    assert ask(services, "ifs03", "academic-qualifications", tax_code=CODE) == nobody("qualifications")


def test_read_is_noted_with_who_and_why(ledger: Ledger, services: Services) -> None:
    record(ledger, [registered("S", 1), *enrolled("S")])
    enrollments(services)
    assert [(one["who"], one["what"], one["why"]) for one in ledger.accesses("S")] == [
        ("consumer", "ifs02/academic-enrollments", "purposeId=test")]


def test_courses_are_told_from_the_reference_files(services: Services) -> None:
    found = ask(services, "ifs01", "educational-offering-list", academic_year="2025/2026")
    assert len(found["degree_courses"]) == 22
    assert found["meta"] == {"cursor": None}
    one = ask(services, "ifs01", "educational-offering-detail", degree_course_code="D0101")
    [first] = one["curriculum_list"][0]["curriculum_learnings"]
    assert [course["learning_code"] for course in first["learnings"]] == ["FIL-101", "LIN-110", "FIL-102"]
    assert ask(services, "ifs01", "educational-offering-list", academic_year="1990/1991")["degree_courses"] == []
    for year in ("2025/2027", "0000/0001"):
        with pytest.raises(Unasked):
            ask(services, "ifs01", "educational-offering-list", academic_year=year)


def test_check_letter_is_asked_for() -> None:
    assert is_tax_code("RSSMRA80A01F205X")
    assert not is_tax_code("RSSMRA80A01F205D")  # as in the files' examples
    assert is_tax_code("LNGDVD80L31B354S")


def test_counts_hide_small_cells_and_tell_what_is_known(ledger: Ledger, services: Services) -> None:
    record(ledger, [one for number in range(8) for one in (
        registered(f"S{number}", number, sex="F" if number < 6 else "M"), *enrolled(f"S{number}"))])
    services.following.catch_up()
    [row] = ask(services, "ifs09", "count-academic-enrollments-by-degree-courses", academic_year="2025/2026")
    assert row["degree_course_code"] == "D0101"
    assert (row["female_enrollment_count"], row["male_enrollment_count"]) == (6, None)
    assert ask(services, "ifs09", "count-academic-enrollments-by-degree-courses", academic_year="2025/2026",
               degree_course_code="D0102") == []
    found = ask(services, "ifs08", "count-academic-enrollments-by-isee-ranges", academic_year="2025/2026")
    assert found["tot_enrollment_count"] == 8
    assert found["ranges"][0]["enrollment_count"] == 8
    record(ledger, [line("isee-certified", "S0", "2025-12-10", academic_year="2025-26", issued_on="2025-11-20",
                         valid_for_university=True)])
    services.following.catch_up()
    found = ask(services, "ifs08", "count-academic-enrollments-by-isee-ranges", academic_year="2025/2026")
    assert {one["enrollment_count"] for one in found["ranges"]} == {None}
    record(ledger, [line("isee-certified", f"S{number}", "2025-12-11", academic_year="2025-26", issued_on="2025-11-20",
                         valid_for_university=True, indicator=amount) for number, amount in enumerate(
                             ("13000.00", "13000.00", "12.34", "16000.00", "250000.00"))])
    services.following.catch_up()
    found = ask(services, "ifs08", "count-academic-enrollments-by-isee-ranges", academic_year="2025/2026")
    counts = {one["range_description"]: one["enrollment_count"] for one in found["ranges"]}
    assert (counts["ISEE non presentato"], counts["<=13.000"], counts["13.001-16.000"], counts["> 100.000"]) == (
        3, 3, None, None)
    assert counts["16.001-18.000"] == 0
    assert "13000" not in repr([one.as_json() for one in ledger.log.stream("S0")])
