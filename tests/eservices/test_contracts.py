"""The files are those that were published, and what may be asked is what they say."""

import copy
import hashlib
import json
import random
from typing import Any

import pytest

from ledger.eservices.contract import SERVICES, Unasked, contract

from .files import FOLDER, examples, operations, validator

TEXTS = ("", "x" * 5001, "2023/2024", "2023-24", "RSSMRA80A01F205X", "RSSMRA80A01F205D", "AB123456C", "ab123456c",
         "Zoë-Anna", "D’Invènto", "R2D2", "a\n", "2023-02-30", "2023-02-28", "old", "full", "active", "a" * 64,
         "Italia,RM,Roma")
VALUES: tuple[Any, ...] = (*TEXTS, None, 1, 0, 3.0, 3.5, True, [], {}, ["x"], {"x": 1})


def test_files_are_those_that_were_published() -> None:
    said = dict(reversed(line.split()) for line in (FOLDER / "SHA256SUMS").read_text().splitlines())
    assert said == {name: hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() for name in said}
    assert len(said) == 10


def test_every_operation_of_the_files_can_be_asked() -> None:
    assert sorted(operations()) == sorted((service, name) for service in SERVICES for name in contract(service).asks)


@pytest.mark.parametrize(("service", "operation"), sorted(operations()))
def test_examples_are_as_the_file_has_them(service: str, operation: str) -> None:
    for what in ("request", "200"):
        for one in examples(service, operation, what):
            validator(service, operation, what).validate(one)
    for one in examples(service, operation, "request"):
        contract(service).read(operation, json.dumps(one).encode())


def accepted(service: str, operation: str, body: Any) -> bool:
    try:
        contract(service).read(operation, json.dumps(body).encode())
    except Unasked:
        return False
    return True


def changed(value: Any, chance: random.Random) -> Any:
    """The same with one field changed, left out or added, at any depth."""
    if isinstance(value, dict) and (not value or chance.random() < 0.8):
        found = dict(value)
        name = chance.choice([*found, "more"])
        if name == "more" or chance.random() < 0.3:
            found[name] = chance.choice(VALUES)
        elif chance.random() < 0.2:
            del found[name]
        else:
            found[name] = changed(found[name], chance)
        return found
    if isinstance(value, list) and value and chance.random() < 0.8:
        found_list = list(value)
        found_list[0] = changed(found_list[0], chance)
        return found_list
    return chance.choice(VALUES)


@pytest.mark.parametrize(("service", "operation"), sorted(operations()))
def test_body_is_taken_when_the_file_takes_it_and_refused_when_not(service: str, operation: str) -> None:
    chance, judge, found = random.Random(f"{service}{operation}"), validator(service, operation, "request"), set()
    properties = contract(service).asks[operation]
    names = list(contract(service).parts[properties["$ref"].rpartition("/")[2]]["properties"])
    for _ in range(400):
        body = copy.deepcopy(chance.choice(examples(service, operation, "request")))
        if chance.random() < 0.3:
            body[chance.choice(names)] = chance.choice(VALUES)
        for _ in range(chance.randrange(1, 3)):
            body = changed(body, chance)
        expected = judge.is_valid(body)
        assert accepted(service, operation, body) == expected, body
        found.add(expected)
    assert found == {True, False}


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"x"', b"\xff", b'{"a": 1, "a": 1}', b"[" * 100_000])
def test_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(Unasked):
        contract("ifs02").read("academic-enrollments", body)


@pytest.mark.parametrize("year", ["NaN", "Infinity", "1e999", "9" * 400, "1.5"])
def test_number_that_is_none_is_refused(year: str) -> None:
    body = b'{"subscriber_id": "1", "subscriber_name": "a", "subscriber_message": "b", "enrollments": ' \
           b'[{"degree_course_year": %b}]}' % year.encode()
    with pytest.raises(Unasked):
        contract("ifs04").read("enrollments-issues", body)
