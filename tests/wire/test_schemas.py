"""The committed JSON Schemas are those of the code, say what the code does, and the check stops a change that breaks
somebody."""

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from ledger.domain.checked import required
from ledger.domain.events import ABOUT_THE_PERSON, NOT_SUBMITTED, PAYLOADS, SEALED_ONLY
from ledger.domain.submissions import Submission, _Envelope, read_submission
from ledger.wire import schemas
from ledger.wire.events import VERSIONS, message
from ledger.wire.message import History
from ledger.wire.schemas import FOLDER, Schema, breaks, problems, release

from .examples import DATA, SECRET, record
from .messages import SCHEMAS

SUBMITTED = sorted(set(PAYLOADS) - SEALED_ONLY - NOT_SUBMITTED)


def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((FOLDER / f"{name}.json").read_text()), format_checker=FormatChecker())


def test_committed_schemas_are_up_to_date_and_break_nobody() -> None:
    assert problems() == []
    assert {path.stem for path in FOLDER.glob("*.json")} >= set(SCHEMAS)
    assert set(SCHEMAS) == {f"{name}.v{version}" for name, version in VERSIONS.items()} | {
        "state.v1", "heartbeat.v1", "outcome.v1", "submission.v1"}


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_schema_is_valid_and_named_as_the_headers_name_it(name: str) -> None:
    schema = json.loads((FOLDER / f"{name}.json").read_text())
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:career-ledger:{name.replace('.', ':')}"
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("type", sorted(PAYLOADS))
def test_schema_takes_the_message_and_names_every_field_of_it(type: str) -> None:
    sent = message(record(type), "ab" * 32, History("test", 1))
    assert sent.value is not None
    value, check = json.loads(sent.value), _validator(f"{type}.v1")
    check.validate(value)
    for name in check.schema["required"]:
        assert list(check.iter_errors({k: v for k, v in value.items() if k != name})), name
    assert set(value) <= set(check.schema["properties"])
    data = check.schema["$defs"][check.schema["properties"]["data"]["$ref"].rpartition("/")[2]]
    assert set(data["properties"]) == set(value["data"])
    assert SECRET not in json.dumps(check.schema)


@pytest.mark.parametrize(("type", "field", "value"), [
    ("instalment-paid", "amount", "400.0"), ("instalment-paid", "amount", 400),
    ("exam-booked", "held_on", "2026-02-30"),
    ("exam-booked", "session", "spring"), ("exam-graded", "cfu", "9"), ("exam-graded", "grade", 31),
    ("enrolled", "academic_year", "2025"),
    ("ranked", "admitted", "yes"), ("event-voided", "event", None),
])
def test_schema_refuses_what_the_reader_refuses(type: str, field: str, value: object) -> None:
    raw = record(type)
    sent = message(raw | {"data": raw["data"] | {field: value}}, "ab" * 32, History("test", 1))
    assert sent.value is not None
    assert [list(error.absolute_path)
            for error in _validator(f"{type}.v1").iter_errors(json.loads(sent.value))] == [["data", field]]


# Submissions


def _submitted(type: str, **changes: Any) -> dict[str, Any]:
    found = {"id": "s1", "type": type, "student": "S01", "effective_on": "2026-02-11", "source": "test",
             "actor": "system:test", "data": DATA[type] | {"note": "n"}}
    return (found if type in ABOUT_THE_PERSON else found | {"career": "S01-B"}) | changes


@pytest.mark.parametrize("type", SUBMITTED)
def test_submission_schema_takes_what_the_ledger_takes_and_refuses_what_it_refuses(type: str) -> None:
    whole = _validator("submission.v1")
    own = whole.evolve(schema=whole.schema | {"oneOf": [{"$ref": f"#/$defs/{type}"}]})
    derogation = {"rule": "ESA-1", "reason": "r", "authority": "a"}
    good = [_submitted(type), _submitted(type, override=derogation),
            _submitted(type, override=[derogation, derogation]), _submitted(type, recorded_at="2026-02-11T09:00:00Z")]
    bad = [_submitted(type, data=DATA[type] | {"extra": 1}), _submitted(type, extra=1),
           _submitted(type, effective_on="2026-02-30"), _submitted(type, student="a b"), _submitted(type, id=""),
           _submitted(type, id="x" * 201), _submitted(type, source=""), _submitted(type, override={"rule": "ESA-1"}),
           _submitted(type, career="S01-B" if type in ABOUT_THE_PERSON else "a/b")]
    bad += [_submitted(type, data={k: v for k, v in DATA[type].items() if k != name})
            for name in required(PAYLOADS[type])]
    bad += [_submitted(type, data=DATA[type] | {name: "0.0"}) for name in ("amount", "contribution")
            if name in DATA[type]]
    for one in good:
        assert isinstance(read_submission(one), Submission)
        assert own.is_valid(one), list(own.iter_errors(one))
    for one in bad:
        assert isinstance(read_submission(one), list), one
        assert not own.is_valid(one), one
    # of all types exactly one takes it; trying all of them takes long
    assert whole.is_valid(good[0])
    assert not whole.is_valid(bad[0])


def test_submission_schema_has_the_fields_of_the_envelope_and_no_personal_data() -> None:
    for name, form in SCHEMAS["submission.v1"]["$defs"].items():
        if name in PAYLOADS:
            assert set(form["properties"]) == set(_Envelope.model_fields)
    assert not _validator("submission.v1").is_valid(_submitted("person-registered"))


# Compatibility


def _at(schema: Schema, path: str) -> tuple[Schema, str]:
    *outer, last = path.split("/")
    for name in outer:
        schema = schema[name]
    return schema, last


def _set(path: str, value: object) -> Callable[[Schema], None]:
    def change(schema: Schema) -> None:
        found, last = _at(schema, path)
        found[last] = value
    return change


def _drop(path: str) -> Callable[[Schema], None]:
    def change(schema: Schema) -> None:
        found, last = _at(schema, path)
        del found[last]
    return change


def _add(path: str, value: object) -> Callable[[Schema], None]:
    def change(schema: Schema) -> None:
        found, last = _at(schema, path)
        found[last].append(value)
    return change


def _remove(path: str, value: object) -> Callable[[Schema], None]:
    def change(schema: Schema) -> None:
        found, last = _at(schema, path)
        found[last].remove(value)
    return change


BOOKED, DATA_OF = "exam-booked.v1", "$defs/ExamBookedData"
SPAN, TAKEN = "$defs/ChargeSpan", "$defs/ExamBooked"
TEXT = {"type": "string"}
OR_NULL = {"anyOf": [TEXT, {"type": "null"}], "default": None}

BREAKING: list[tuple[str, Callable[[Schema], None], str]] = [
    (BOOKED, _drop(f"{DATA_OF}/properties/opens_on"), "data.opens_on: removed"),
    (BOOKED, _drop("properties/actor"), "actor: removed"),
    (BOOKED, _set(f"{DATA_OF}/properties/course/type", "integer"), "data.course: may no longer be string"),
    (BOOKED, _set(f"{DATA_OF}/properties/course", OR_NULL), "data.course: may now be null too"),
    (BOOKED, _set(f"{DATA_OF}/properties/opens_on", {"type": "string", "format": "date", "default": None}),
     "data.opens_on: may no longer be null"),
    (BOOKED, _add(f"{DATA_OF}/required", "opens_on"), "data.opens_on: now required, and messages already sent may "
                                                      "leave it out"),
    (BOOKED, _set(f"{DATA_OF}/required", ["course"]), "data.held_on: no longer required"),
    (BOOKED, _remove(f"{DATA_OF}/properties/mode/enum", "oral"), "data.mode: another enumeration"),
    (BOOKED, _add(f"{DATA_OF}/properties/mode/enum", "remote"), "data.mode: another enumeration"),
    (BOOKED, _set("properties/type/const", "exam-reserved"), "exam-booked"),
    (BOOKED, _set("properties/student/pattern", "^.*$"), "student: another pattern"),
    (BOOKED, _drop(f"{DATA_OF}/properties/held_on/format"), "data.held_on: another format"),
    (BOOKED, _set("properties/version/minimum", 0), "version: minimum is 0, was 1"),
    (BOOKED, _set("properties/breaches/items/type", "integer"), "breaches[]: may no longer be string"),
    ("state.v1", _add(f"{SPAN}/properties/state/enum", "lost"), "charges[].state: another enumeration"),
    ("state.v1", _drop(f"{SPAN}/properties/accruing"), "charges[].accruing: removed"),
    ("state.v1", _drop("properties/bookings"), "bookings: removed"),
    ("state.v1", _set("$defs/PlanCourseRef/properties/supernumerary/default", True),
     "plans[].courses[].supernumerary: another default"),
    ("heartbeat.v1", _set("properties/offsets/additionalProperties", TEXT), "offsets: additionalProperties changed"),
    ("outcome.v1", _add("properties/outcome/enum", "postponed"), "outcome: another enumeration"),
    ("submission.v1", _remove("oneOf", {"$ref": "#/$defs/exam-booked"}), "value: may no longer be exam-booked"),
    ("submission.v1", _drop(f"{TAKEN}/properties/opens_on"), "exam-booked.data.opens_on: removed"),
    ("submission.v1", _add(f"{TAKEN}/required", "opens_on"), "exam-booked.data.opens_on: now required, "
                                                             "and submitters may leave it out"),
    ("submission.v1", _remove(f"{TAKEN}/properties/mode/enum", "oral"), "exam-booked.data.mode: another enumeration"),
    ("submission.v1", _set(f"{TAKEN}/properties/course/maxLength", 10),
     "exam-booked.data.course: maxLength is 10, was 64"),
    ("submission.v1", _set("$defs/exam-booked/properties/source/minLength", 2),
     "exam-booked.source: minLength is 2, was 1"),
    ("submission.v1", _set(f"{TAKEN}/properties/mode/pattern", "^w"), "exam-booked.data.mode: another pattern"),
]


@pytest.mark.parametrize(("name", "change", "said"), BREAKING)
def test_breaking_change_is_named(name: str, change: Callable[[Schema], None], said: str) -> None:
    now = copy.deepcopy(SCHEMAS[name])
    change(now)
    found = breaks(SCHEMAS[name], now, name == "submission.v1")
    assert any(said in one for one in found), found


@pytest.mark.parametrize(("name", "change"), [
    (BOOKED, _set(f"{DATA_OF}/properties/room", TEXT)),
    (BOOKED, _set("properties/later", OR_NULL)),
    (BOOKED, _set("description", "other words")),
    (BOOKED, _set("$defs/Unused", TEXT)),
    ("state.v1", _set(f"{SPAN}/properties/later", {"type": "array", "items": TEXT, "default": []})),
    ("submission.v1", _set(f"{TAKEN}/properties/room", OR_NULL)),
    ("submission.v1", _remove(f"{TAKEN}/required", "mode")),
    ("submission.v1", _add(f"{TAKEN}/properties/mode/enum", "remote")),
    ("submission.v1", _set(f"{TAKEN}/properties/course/maxLength", 100)),
    ("submission.v1", _drop(f"{TAKEN}/properties/course/maxLength")),
    ("submission.v1", _drop(f"{TAKEN}/properties/course/pattern")),
    ("submission.v1", _set(f"{TAKEN}/properties/course", {"anyOf": [
        SCHEMAS["submission.v1"]["$defs"]["ExamBooked"]["properties"]["course"], {"type": "null"}]})),
])
def test_compatible_change_passes(name: str, change: Callable[[Schema], None]) -> None:
    now = copy.deepcopy(SCHEMAS[name])
    change(now)
    assert now != SCHEMAS[name]
    assert breaks(SCHEMAS[name], now, name == "submission.v1") == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "schemas"))


def test_check_names_the_file_that_is_missing_or_old(folder: Path) -> None:
    assert problems(folder) == []
    (folder / "ranked.v1.json").unlink()
    (folder / "state.v1.json").write_text("{}")
    assert problems(folder) == [
        f"{name}.v1.json is not up to date: run python -m ledger.wire.schemas --write" for name in ("ranked", "state")]


def test_check_stops_a_release_that_forgets_or_alters_an_old_version(folder: Path) -> None:
    for place in (folder, folder / "released"):
        (place / "exam-booked.v0.json").write_text('{"type": "object"}')
    assert problems(folder) == []
    (folder / "exam-booked.v0.json").write_text("{}")
    assert problems(folder) == ["exam-booked.v0.json was released: keep docs/schemas/exam-booked.v0.json as it was"]
    (folder / "exam-booked.v0.json").unlink()
    assert problems(folder) == ["exam-booked.v0.json was released: keep docs/schemas/exam-booked.v0.json as it was"]


def test_command_says_how_to_do_it_right_when_a_change_breaks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas, "problems", lambda: problems(folder))
    monkeypatch.setattr("sys.argv", ["schemas", "--check"])
    schemas.main()
    released = folder / "released" / "exam-booked.v1.json"
    changed = json.loads(released.read_text())
    changed["$defs"]["ExamBookedData"]["properties"]["room"] = TEXT
    released.write_text(json.dumps(changed))
    with pytest.raises(SystemExit,
                       match=r"(?s)exam-booked\.v1: data\.room: removed\n\n.*raise its entry in VERSIONS") as stopped:
        schemas.main()
    assert "--write" in str(stopped.value.code)


def test_release_keeps_old_versions_and_makes_todays_schemas_the_released_ones(folder: Path) -> None:
    (folder / "exam-booked.v0.json").write_text("{}")
    (folder / "released" / "exam-booked.v0.json").write_text("{}")
    (folder / "released" / "outcome.v1.json").unlink()
    assert release(folder) == []
    assert {path.name: path.read_bytes() for path in (folder / "released").glob("*.json")} == {
        path.name: path.read_bytes() for path in folder.glob("*.json")}


def test_release_writes_nothing_when_a_change_breaks(folder: Path) -> None:
    released = folder / "released" / "exam-booked.v1.json"
    changed = json.loads(released.read_text())
    changed["$defs"]["ExamBookedData"]["properties"]["room"] = TEXT
    released.write_text(json.dumps(changed))
    (folder / "released" / "outcome.v1.json").unlink()
    assert release(folder) == ["exam-booked.v1: data.room: removed"]
    assert not (folder / "released" / "outcome.v1.json").exists()
