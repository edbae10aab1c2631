"""What is wrong with the form of a submission is told in both languages: whatever pydantic finds in any field of any
type, and whatever makes a line no JSON. In English pydantic's own sentences are kept."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from ledger.domain.checked import Checked, names
from ledger.domain.events import PAYLOADS, Override
from ledger.domain.form import OURS, Problem, phrase_of, problems_of
from ledger.domain.phrases import VERBATIM
from ledger.domain.submissions import _Envelope, read_submission
from ledger.handling.lines import decode_line
from ledger.words import LANGUAGES, sentence, told
from ledger.words.entries import named

ODD: tuple[Any, ...] = (None, "", "a b", "x" * 20_001, "\ud800", "\0", "1900-02-30", "1800-01-01", "2025-30", "1.5",
                        "9999", -1, 7, 0.5, 10**400, float("nan"), True, [], [None], [{}], {}, {"x": 1}, ["a b"],
                        ["a", "a"])
"""Values that a field of some kind does not take."""
IN_OUR_WORDS = {"missing", "extra_forbidden"}


def _errors(model: Any) -> Iterator[Any]:
    """Of each field with each odd value, alone; pydantic tells of all fields that are missing then, too."""
    for field in (*(names(model) if issubclass(model, Checked) else model.model_fields), "no_such_field"):
        for value in ODD:
            try:
                model.model_validate({field: value})
            except ValidationError as error:
                yield from error.errors(include_url=False, include_input=False)


MODELS = [_Envelope, Override, *PAYLOADS.values()]


@pytest.mark.parametrize("model", MODELS, ids=lambda one: one.__name__)
def test_problem_of_a_field_is_told_in_both_languages_whatever_it_holds(model: Any) -> None:
    for item in _errors(model):
        said = phrase_of(item)
        assert said.id != VERBATIM, item
        english, italian = (sentence(said, language) for language in LANGUAGES)
        assert english != italian
        if not item["type"].startswith(OURS) and item["type"] not in IN_OUR_WORDS:
            assert english == item["msg"]


def test_choices_are_named_in_the_language_that_was_asked_for() -> None:
    with pytest.raises(ValidationError) as found:
        PAYLOADS["preenrolled"].model_validate({"selection": 3, "course_type": "x"})
    said = {one.path: one.message for one in problems_of(found.value, "data.")}
    assert sentence(said["data.selection"], "it") == "valori possibili: 1 o 2"
    assert told(said["data.course_type"], "it") == "valori possibili: 'bachelor', 'master' o 'single-cycle'"
    assert said["data.course_type"].as_json() == {"message_id": "form/choice",
                                                  "params": {"choices": ["bachelor", "master", "single-cycle"]}}


def test_problem_of_several_fields_names_the_one_to_mend_and_its_id() -> None:
    [found] = told([one.as_json() for one in _problems({"type": "graduated", "data": {
        "academic_year": "2025-26", "session": "summer", "mark": 100, "honours": True}})])
    assert found == {"path": "data.honours", "message": "honours go with mark 110 only",
                     "message_id": "form/honours-mark", "params": {}}


def _problems(given: dict[str, Any]) -> list[Problem]:
    found = read_submission({"id": "1", "student": "S", "career": "C", "effective_on": "2026-02-01", "source": "a",
                             "actor": "b"} | given)
    assert isinstance(found, list)
    return found


BROKEN = [b"{", b'{"a" 1}', b'{"a": }', b'{"a": 1 "b": 2}', b'{"a": "x', b'{"a": "\x01"}', b'{"a": "\\q"}',
          b'{"a": "\\u12"}', b"{} {}", b'{"a": 1,}', b"[1,]", b'{"a": 1, "a": 2}', b'\xff', b"[" * 100_000,
          b"x" * (1 << 20) + b"yz", b"+"]


@pytest.mark.parametrize("line", BROKEN, ids=lambda one: str(one[:12]))
def test_line_that_is_no_json_is_told_in_italian(line: bytes) -> None:
    found = decode_line(line)
    assert isinstance(found, Problem)
    english, italian = (sentence(found.message, language) for language in LANGUAGES)
    assert english.startswith("the line is ")
    assert italian.startswith("la riga ")
    why = found.message.values.get("json_error")
    assert why is None or named("json_error", why, "it") != why, why


def test_line_that_is_no_json_is_told_as_before_in_english() -> None:
    found = decode_line(b'{"a": 1, "a": 2}'), decode_line(b'{"a": }')
    assert [sentence(one.message) for one in found if isinstance(one, Problem)] == [
        "the line is not usable JSON: the field 'a' stands twice in one object: keep one of them",
        "the line is not one JSON object: Expecting value at character 7"]
