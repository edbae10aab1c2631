"""What is read and written by compiled code is what the models and the standard library read and write."""

import copy
import json
import random
from datetime import datetime, timedelta, timezone
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from jsonschema import Draft202012Validator

from ledger.domain import submissions
from ledger.domain.checked import names, required
from ledger.domain.events import (
    ABOUT_THE_PERSON,
    NOT_SUBMITTED,
    PAYLOADS,
    SEALED_ONLY,
    PayloadPart,
    Rulebook,
    payload_json,
)
from ledger.domain.form import Problem
from ledger.domain.submissions import Submission, read_submission, recorded
from ledger.domain.values import format_instant
from ledger.generate import generate
from ledger.handling.lines import _decode_slowly, decode_line
from ledger.store.mapper import Mapper
from ledger.wire.schemas import schemas
from tests.wire.examples import DATA

ANYTHING: list[Any] = [
    None, True, False, 0, 1, 5, 6.0, 7.5, 1e-5, -1, 1001, 10**30, float("nan"), "",
    "x", "x y", "x\0y", "\x01", "\x7f", "é", "\ud800", "a\nb",
    "a\tb", "x" * 301, "2025-26", "2025-27", "2026-02-30", "2025-09-20", "2025-09-20T00:00:00",
    "400.00", "0.00", "1.005", "9999", "S 1",
    "2026-04-20T09:00:00Z", "2026-04-20T09:00:00", [], {}, [1]]
INSTANTS = [datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
            datetime(2026, 1, 2, 3, 4, 5, 120, tzinfo=timezone(timedelta(hours=2)))]


def population() -> list[dict[str, Any]]:
    return [json.loads(line) for line in generate(60, 2)]


def damaged(one: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    """With a field or two of it, of its data or of a part of them replaced, removed or added."""
    one = copy.deepcopy(one)
    for _ in range(dice.randint(1, 2)):
        data = one.get("data")
        places = [one, *([data] if isinstance(data, dict) else [])]
        places += [part for place in places for many in place.values() if isinstance(many, list)
                   for part in many if isinstance(part, dict)]
        place = dice.choice(places)
        name = dice.choice([*place, "note", "career", "recorded_at", "override", "unheard_of"])
        if dice.random() < 0.15:
            place.pop(name, None)
        else:
            place[name] = dice.choice(ANYTHING)
    return one


def test_a_form_is_read_the_same_at_once_and_field_by_field(monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(3)
    forms = [form for one in population() for form in (one, *(damaged(one, dice) for _ in range(5)))]
    found = [read_submission(form) for form in forms]
    at_once = sum(submissions._usual(form, False) is not None for form in forms)
    monkeypatch.setattr(submissions, "_usual", lambda _raw, _sealing: None)
    wanted = [read_submission(form) for form in forms]
    assert 1000 < at_once < len(forms) - 1000  # both ways were gone, many times
    assert found == wanted
    for one, other in zip(found, wanted, strict=True):
        if isinstance(one, Submission) and isinstance(other, Submission):
            assert json.dumps(one.content()) == json.dumps(other.content())
            assert one.data.given() == other.data.given()


def of_type(name: str, **data: Any) -> dict[str, Any]:
    """A full submission, some fields of its data replaced."""
    return {"id": "x", "type": name, "student": "S01", "effective_on": "2026-02-01", "source": "s", "actor": "a",
            "data": DATA[name] | data} | ({} if name in ABOUT_THE_PERSON else {"career": "B"})


def problems(raw: dict[str, Any]) -> list[tuple[str, str]]:
    found = read_submission(raw, sealing=True)
    return [] if isinstance(found, Submission) else [(one.path, one.message.id) for one in found]


def parts(name: str) -> list[tuple[str, type[PayloadPart]]]:
    """The lists of objects that a type has."""
    hints = get_type_hints(PAYLOADS[name])
    return [(field, part) for field, hint in hints.items() if get_origin(hint) is tuple
            for part in get_args(hint)[:1] if isinstance(part, type) and issubclass(part, PayloadPart)]


TYPES = sorted(PAYLOADS.keys() - NOT_SUBMITTED)


@pytest.mark.parametrize("name", TYPES)
def test_null_says_that_an_optional_field_is_left_out(name: str) -> None:
    """Of each optional field, one with a default too: programs write null where they have nothing to say."""
    optional = set(names(PAYLOADS[name])) - required(PAYLOADS[name])
    data = {field: value for field, value in DATA[name].items() if field not in optional}
    for given, left_out in [(dict.fromkeys(optional), data), *(
            ({field: [dict.fromkeys(names(part)) | one for one in least]}, data | {field: least})
            for field, part in parts(name)
            for least in [[{one: value for one, value in full.items() if one in required(part)}
                           for full in DATA[name][field]]])]:
        nothing = of_type(name) | {"data": data | given}
        found, wanted = read_submission(nothing, sealing=True), read_submission(of_type(name) | {"data": left_out},
                                                                                sealing=True)
        assert isinstance(found, Submission), (given, found)
        assert found == wanted
        assert Draft202012Validator(schemas()["submission.v1"]).is_valid(nothing) or name in SEALED_ONLY


@pytest.mark.parametrize("name", TYPES)
def test_true_is_no_number_and_one_is_no_flag(name: str) -> None:
    for field, value in DATA[name].items():
        for wrong in [True, False] * (type(value) in (int, float)) + [1, 0] * (type(value) is bool):
            assert [path for path, _ in problems(of_type(name, **{field: wrong}))] == [f"data.{field}"], (field, wrong)
    for field, _ in parts(name):
        [first, *_] = DATA[name][field]
        for inner, value in first.items():
            for wrong in [True, False] * (type(value) in (int, float)) + [1, 0] * (type(value) is bool):
                given = of_type(name, **{field: [first | {inner: wrong}]})
                assert [path for path, _ in problems(given)] == [f"data.{field}.0.{inner}"], (field, inner, wrong)


def test_a_list_that_holds_something_wrong_is_not_said_to_be_empty() -> None:
    wrong = {"code": "A", "cfu": "six", "lectures_end_on": "2026-01-16"}
    assert problems(of_type("single-courses-enrolled", courses=[wrong])) == [("data.courses.0.cfu", "form/cfu")]
    assert problems(of_type("single-courses-enrolled", courses=[])) == [("data.courses", "form/empty-list")]
    assert problems(of_type("instalment-plan-agreed", charges=[5])) == [("data.charges.0", "form/text")]


@pytest.mark.parametrize("line", [
    b'{"a": 1, "a": 2}', b'{"a": {"b": 1, "b": 1}}', b'{"a": 1, "\\u0061": 2}', b'{"a": NaN}',
    b'{"a": -Infinity}', b'{"a": 01}',
    b'{"a": "\x01"}', b'{"a": "\\ud800"}', b"\xff", b'{"a": 1} x',
    b'{"a": 1e3, "b": 1.5, "c": 123456789012345678901234567890}',
    b"[" * 5000, b"[" * 300 + b"]" * 300, b'\x0b{"a": 1}\x0c', b"null", b"{}",
    '{"è": "\\u00e8 \\ud83d\\ude00"}'.encode(),
    b'{"a": 0.1, "b": 1E400, "c": 5e-324, "d": 9007199254740993.0}'])
def test_a_line_is_decoded_as_the_standard_library_does(line: bytes) -> None:
    found, wanted = decode_line(line), _decode_slowly(line.strip())
    if wanted is None:
        assert found == []
    else:
        assert found == wanted
        assert isinstance(found, Problem) or json.dumps(found) == json.dumps(wanted)


def test_an_event_is_stored_as_the_standard_library_spells_it() -> None:
    rich = {"override": {"rule": "BLK-1", "reason": "è", "authority": "x"}, "actor": "a\x7f"}
    for n, raw in enumerate(population()):
        data = raw["data"] | {"note": [None, 'è\n"\\\u2028\U0001f600'][n % 2]}
        if "cfu" in data:
            data["cfu"] = [7.5, 1e-5, 0.1, 12.0, 1e-4, 6][n % 6]
        for given in (raw, raw | rich | {"data": data}):
            submission = read_submission(given)
            assert isinstance(submission, Submission), submission
            event = recorded(submission, INSTANTS[n % 2], n + 1, Rulebook("guide", "a" * 64) if n % 3 else None,
                             ("BLK-1",) if n % 4 else ())
            record = {"id": event.id, "type": event.type, "student": event.student,
                      "effective_on": event.effective_on.isoformat(), "recorded_at": format_instant(event.recorded_at),
                      "source": event.source, "actor": event.actor, "version": n + 1,
                      "data": payload_json(event.data)}
            record |= {"career": event.career} if event.career is not None else {}
            record |= {"override": [{"rule": one.rule, "reason": one.reason, "authority": one.authority}
                                     for one in event.override]} if event.override else {}
            record |= {"rulebook": {"id": "guide", "sha256": "a" * 64}} if n % 3 else {}
            record |= {"breaches": ["BLK-1"]} if n % 4 else {}
            wanted = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False,
                                allow_nan=False).encode()
            assert Mapper().to_stored_event(event).state == wanted
            assert event.content()["data"] == record["data"]
